//! Amending the input of a run that is held, and what becomes of the votes on the older text.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Actor, Digest, MemberId, Refusal, RefusalCode, Vote, workflow::Meta};
use serde_json::Value;

use crate::{
    check,
    conflicting::Conflicting,
    decide::{Draft, accepts, invalid, not_awaited},
    event::DefinitionEvent as Event,
    event_data::{OpenRule, OpenTask},
    event_place::cut,
    evolve::hold_of,
    hold_model::{Amended, Approval, Exclusion},
    hold_state::HoldState,
    locking::Locking,
    model::Model,
    risk, schema_cost,
    state::{Place, State},
    template::COMPUTED_BYTES_MAX,
    terms::Times,
};

/// Checks an input that has its defaults against the schema, and gives its digest.
pub(crate) fn accept(model: &Model, input: &Value) -> Result<Digest, Refusal> {
    let mut refusal = Refusal::new(
        RefusalCode::InvalidInput,
        format!("the input does not fit the definition `{}`", model.name),
    );
    if !schema_cost::is_bounded(&model.schema, input) {
        return Err(refusal.needs(format!(
            "an input that is checked in at most {} steps, through at most {} schemas: this one has more values \
             within values than its schema leaves time for",
            schema_cost::STEPS_MAX,
            schema_cost::DEPTH_MAX
        )));
    }
    for error in model.validator.iter_errors(input) {
        let path = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
        refusal = refusal.needs(if path.is_empty() {
            error.to_string()
        } else {
            format!("`{path}`: {error}")
        });
    }
    if !refusal.needed.is_empty() {
        return Err(refusal);
    }
    let bytes = serde_json::to_vec(input).map_err(|error| invalid(error.to_string()))?;
    Ok(Digest::of(&bytes))
}

/// Whether `new` asks for no more than `old`: the same, but for lists that may have fewer items.
fn is_within(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            new.len() == old.len()
                && new
                    .iter()
                    .all(|(name, value)| old.get(name).is_some_and(|old| is_within(value, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            let mut left: Vec<&Value> = old.iter().collect();
            new.iter().all(|item| {
                let at = left.iter().position(|one| *one == item);
                at.map(|at| left.swap_remove(at)).is_some()
            })
        }
        (new, old) => new == old,
    }
}

/// Whether the input may be replaced where the run stands, as far as the new one does not matter.
pub(crate) fn may_be(model: &Model, state: &State) -> bool {
    match &state.place {
        Place::All(_) => {
            let paths = state.leaves().into_iter().map(|(path, _)| path);
            let mut inner = paths.filter_map(|path| state.looking_at(&path));
            inner.all(|inner| match inner.place {
                Place::Hold(_)
                | Place::Owing { .. }
                | Place::Activity { .. }
                | Place::Rollout { .. }
                | Place::Child(_) => may_be(model, &inner),
                _ => true,
            })
        }
        Place::Hold(open) => {
            let hold = hold_of(model, &open.hold);
            hold.is_some_and(|hold| {
                hold.witness.is_none()
                    && hold.approval.as_ref().is_none_or(|approval| approval.amended.is_some())
            }) && let_stand(model, state, &open.hold)
        }
        Place::Owing { state: name, .. } => state.is_in_branch() && let_stand(model, state, name),
        _ => false,
    }
}

/// Whether no other hold has approved a text that none but this may follow, for work without it.
fn let_stand(model: &Model, state: &State, here: &str) -> bool {
    state.approved.iter().filter(|name| *name != here).all(|name| {
        let approval = hold_of(model, name).and_then(|hold| hold.approval.as_ref());
        let policy = approval.and_then(|approval| approval.amended);
        matches!(policy, Some(Amended::Keep | Amended::Subset))
            || !check::works_without(model, here, name)
    })
}

impl Draft<'_> {
    /// Decides that the input is replaced.
    pub(crate) fn amend(&mut self, input: &Value, reason: &str) -> Result<(), Refusal> {
        let event = self.amendment(input, reason)?;
        self.emit(event);
        self.amended();
        Ok(())
    }

    /// Does what follows for the open hold from an amendment.
    pub(crate) fn amended(&mut self) {
        if let Some((_, definition)) = self.hold() {
            self.take_kept_signal(definition);
        }
        self.note_window();
        self.release();
        self.expire_with_window();
    }

    /// What amending the input makes of the hold that is open.
    pub(crate) fn amendment(&self, input: &Value, reason: &str) -> Result<Event, Refusal> {
        self.responsible("amend this run")?;
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a run is amended with a reason"));
        }
        let Some((open, definition)) = self.hold() else {
            return Err(not_awaited("a run is amended while a hold is open, and none is"));
        };
        self.in_time(open)?;
        if definition.witness.is_some() {
            return Err(not_awaited(format!(
                "the run cannot be amended at `{}`: whoever may object has been told of this input",
                open.hold
            ))
            .needs("cancel the run and submit it again"));
        }
        let policy = match &definition.approval {
            None => Amended::Reset,
            Some(approval) => approval.amended.ok_or_else(|| {
                not_awaited(format!(
                    "the run cannot be amended while it is held at `{}`",
                    open.hold
                ))
                .needs("its definition would have to say what becomes of the votes: `amended`")
                .needs("cancel the run and submit it again")
            })?,
        };
        let digest = accept(self.model, input)?;
        if serde_json::to_vec(input).map_or(usize::MAX, |bytes| bytes.len()) > COMPUTED_BYTES_MAX {
            return Err(invalid(format!(
                "the input with its defaults is larger than {COMPUTED_BYTES_MAX} bytes"
            )));
        }
        if digest == self.state.digest {
            return Err(invalid("the input is as it was"));
        }
        self.stands_elsewhere(&open.hold, input)?;

        let (hold, opened) = (open.hold.clone(), open.opened);
        let mut then = self.state.clone();
        then.input = Arc::new(input.clone());
        then.editors.insert(self.member()?.0.clone());
        then.risk =
            risk::of(self.model, &then).map_err(|why| invalid(format!("with this input {why}")))?;
        let risk = then.risk.clone();
        let after = self.with_state(then);
        after.check_targets()?;
        after.check_conditions()?;
        let cannot = |why: String| {
            invalid(format!("with this input `{hold}` cannot be held open: {}", cut(why)))
        };
        let rules = after.rules(definition, &open.rules).map_err(cannot)?;
        let not_applicable = after.not_applicable(definition).map_err(cannot)?;
        let tasks = after.tasks(definition, &not_applicable).map_err(cannot)?;
        let checks = after.checks(definition, &not_applicable).map_err(cannot)?;
        let (plans, planned_of) = after.plans_at(&hold);
        let Times { until, deadline, counted, .. } =
            after.times(definition, opened).map_err(cannot)?;
        if let Some(signal) = &definition.signal {
            signal.senders.domain(&after.state).map_err(cannot)?;
        }
        let window = definition
            .window
            .as_ref()
            .map(|one| after.asked_times(one))
            .transpose()
            .map_err(cannot)?;
        definition
            .lock
            .as_ref()
            .map_or(Ok(()), |lock| after.lock_items(lock).map(drop))
            .map_err(cannot)?;
        after.check_times()?;
        let keep = match policy {
            Amended::Keep => true,
            Amended::Subset => is_within(input, &self.state.input),
            Amended::Reset => false,
        };
        let (editor, _) = self.member()?;
        let kept = if keep {
            kept(open, &rules, definition.approval.as_ref(), editor)
        } else {
            BTreeMap::new()
        };
        let vars = after.state.vars();
        let signal_fell =
            definition.signal.as_ref().filter(|_| open.signalled).is_some_and(|signal| {
                let data = self.state.outputs.get(&hold);
                data.is_none_or(|data| accepts(signal, data, &vars) != Ok(true))
                    || !signal.senders.admit(&hold, open.sender.as_ref(), &after.state)
            });
        let (input, reason) = (Arc::new(input.clone()), reason.to_owned());
        Ok(Event::Amended {
            hold,
            input,
            digest,
            reason,
            rules,
            not_applicable,
            tasks,
            checks,
            plans,
            planned_of,
            until,
            deadline,
            window,
            counted,
            kept,
            signal_fell,
            risk,
        })
    }

    /// Refuses an amendment after which work would be done that another hold has approved in an
    /// older text: where the run comes to no work but through that hold again, it will be asked.
    pub(crate) fn stands_elsewhere(&self, here: &str, input: &Value) -> Result<(), Refusal> {
        for name in self.state.approved.iter().filter(|name| *name != here) {
            let approval = hold_of(self.model, name).and_then(|hold| hold.approval.as_ref());
            let stands = match approval.and_then(|approval| approval.amended) {
                Some(Amended::Keep) => true,
                Some(Amended::Subset) => is_within(input, &self.state.input),
                Some(Amended::Reset) | None => false,
            };
            if !stands && check::works_without(self.model, here, name) {
                return Err(not_awaited(format!(
                    "what `{name}` let pass would no longer be what is done"
                ))
                .needs(format!(
                    "lead back to `{name}` first, or cancel the run and submit it again"
                )));
            }
        }
        Ok(())
    }
}

/// The approvals that stand after an amendment: each under the rules that ask for the same as
/// before. Who has edited the text does not decide on it, where that is excluded.
fn kept(
    open: &HoldState,
    rules: &[OpenRule],
    approval: Option<&Approval>,
    editor: &MemberId,
) -> BTreeMap<MemberId, BTreeSet<String>> {
    let unchanged: BTreeSet<&str> = rules
        .iter()
        .filter(|now| {
            open.rules.iter().any(|then| then.rule == now.rule && then.qualified == now.qualified)
        })
        .map(|rule| rule.rule.as_str())
        .collect();
    let excluded = approval.is_some_and(|approval| approval.not.contains(&Exclusion::Editors));
    open.approving()
        .filter(|vote| !excluded || (vote.member != *editor && vote.voter() != editor))
        .map(|vote| {
            let rules = vote.rules.iter().filter(|rule| unchanged.contains(rule.as_str()));
            (vote.member.clone(), rules.cloned().collect::<BTreeSet<_>>())
        })
        .filter(|(_, rules)| !rules.is_empty())
        .collect()
}

/// Adds [`Event::Amended`] to a state.
pub(crate) fn amend(state: &mut State, event: &Event, meta: &Meta<'_>) -> Result<(), String> {
    let (
        Event::Amended {
            input,
            digest,
            rules,
            not_applicable,
            tasks,
            checks,
            plans,
            planned_of,
            until,
            deadline,
            window,
            kept,
            signal_fell,
            risk,
            ..
        },
        Place::Hold(open),
    ) = (event, &mut state.place)
    else {
        return Err("the run is not held".to_owned());
    };
    if kept.keys().any(|member| open.vote_of(member).is_none_or(|one| one.vote != Vote::Approve)) {
        return Err("an approval is kept that there is not".to_owned());
    }
    open.rules.clone_from(rules);
    open.locking = Locking::default();
    // What was found, and accepted, was about the older text.
    open.conflicting = Conflicting::default();
    open.not_applicable.clone_from(not_applicable);
    // What was done is still done where the task is what it was.
    let before = std::mem::replace(&mut open.tasks, tasks.clone());
    open.confirmed.retain(|one| {
        let same = |task: &&OpenTask| task.task == one.task;
        let now = tasks.iter().find(same);
        now.is_some() && now == before.iter().find(same)
    });
    // What was looked at was asked for by the older text.
    open.checks.begin(checks);
    open.plans.clone_from(plans);
    open.planned_of.clone_from(planned_of);
    open.replanned = None;
    open.waivers.clear();
    if *signal_fell {
        open.signalled = false;
        open.sender = None;
        state.outputs.remove(&open.hold);
    }
    open.waited = open.waited && until.is_none_or(|until| until <= meta.time);
    (open.until, open.deadline) = (*until, *deadline);
    // What is known of a window, and who overrides it, was about the older text.
    if let (Some(known), Some(asked)) = (&mut open.window, window) {
        known.ask(asked.clone());
    }
    open.votes.retain_mut(|vote| match (vote.vote, kept.get(&vote.member)) {
        (Vote::Approve, Some(rules)) => {
            vote.rules.clone_from(rules);
            true
        }
        (Vote::Approve, None) => false,
        (Vote::Reject | Vote::Veto, _) => true,
    });
    state.input = Arc::clone(input);
    state.digest = *digest;
    if risk.is_some() {
        state.risk.clone_from(risk);
    }
    if let Actor::Member(editor) = meta.actor {
        state.editors.insert(editor.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_within_another_that_asks_for_as_much_or_more() {
        let old = json!({ "risk": "low", "targets": ["a", "b", "b"], "of": { "n": [1, 2] } });
        for (new, expected) in [
            (json!({ "risk": "low", "targets": ["a", "b", "b"], "of": { "n": [1, 2] } }), true),
            (json!({ "risk": "low", "targets": ["b", "a"], "of": { "n": [1, 2] } }), true),
            (json!({ "risk": "low", "targets": ["b", "b"], "of": { "n": [2] } }), true),
            (json!({ "risk": "low", "targets": [], "of": { "n": [] } }), true),
            (json!({ "risk": "high", "targets": ["a"], "of": { "n": [1, 2] } }), false),
            (json!({ "risk": "low", "targets": ["a", "a"], "of": { "n": [1] } }), false),
            (json!({ "risk": "low", "targets": ["c"], "of": { "n": [1] } }), false),
            (json!({ "risk": "low", "targets": ["a"], "of": { "n": [3] } }), false),
            (json!({ "risk": "low", "targets": ["a"] }), false),
            (json!({ "risk": "low", "targets": ["a"], "of": { "n": [1] }, "x": 1 }), false),
            (json!({ "risk": "low", "targets": "a", "of": { "n": [1] } }), false),
            (json!([]), false),
        ] {
            assert_eq!(is_within(&new, &old), expected, "{new}");
        }
    }
}
