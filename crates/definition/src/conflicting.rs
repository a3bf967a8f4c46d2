//! Conflicts at the release of a hold: which other runs touch the same or related items is looked for when
//! the hold has all else, and told and recorded; where the definition says so, they hold it.
//!
//! The look is the engine's, which knows all runs: a hold asks for it by `Claims::looks`, and is
//! released only by what it is told. So nothing is released by what was found some time ago.

use std::collections::BTreeSet;

use holdpoint_core::{
    Digest, EffectId, MemberId, Moment, NextAsk, NextStep, Refusal, RefusalCode, RunId,
    conflict::{Found, Look, Overlap, Relation},
    view::{AcceptedView, Candidate, ConditionView},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    evolve::hold_of,
    hold_model::{Approver, Hold, listed},
    hold_state::HoldState,
    model::Model,
    state::{Place, State},
    voting::excluded,
};

/// How many items of a conflict are told.
const ITEMS_TOLD_MAX: usize = 3;

/// What a hold makes of conflicts that are found when it has all else.
#[derive(Debug)]
pub(crate) struct Conflicts {
    pub(crate) found: OnConflict,
    /// Who may have it released in spite of one.
    pub(crate) accepters: Vec<Approver>,
}

/// What becomes of a hold when conflicts are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// It is released all the same.
    Warn,
    /// It is not released while one stands with a run that goes first.
    Hold,
}

/// What an open hold knows of conflicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conflicting {
    /// What was found last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<Look>,
    /// The conflicts that were accepted: with which run, by which items.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    accepted: BTreeSet<(RunId, Digest)>,
}

/// A conflict that somebody has accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) hold: String,
    with: RunId,
    number: u64,
    by: MemberId,
    reason: String,
    at: Timestamp,
}

impl Conflicting {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The conflicts that nobody has accepted, with runs that go first.
    fn standing(&self) -> impl Iterator<Item = &Found> {
        let all = self.found.iter().flat_map(|look| &look.with);
        all.filter(|one| one.first && !self.accepted.contains(&(one.run, one.digest)))
    }

    /// How many runs that go first are not named.
    fn more(&self) -> u32 {
        self.found.as_ref().map_or(0, |look| look.more)
    }

    /// Whether conflicts keep the hold from being released.
    fn holds(&self, conflicts: &Conflicts) -> bool {
        conflicts.found == OnConflict::Hold && (self.more() > 0 || self.standing().next().is_some())
    }
}

impl HoldState {
    /// Whether it was looked for conflicts, if it is to be, and none keeps the hold.
    pub(crate) fn conflicts_let_go(&self, hold: &Hold) -> bool {
        hold.conflicts.as_ref().is_none_or(|conflicts| {
            self.conflicting.found.is_some() && !self.conflicting.holds(conflicts)
        })
    }
}

/// The request to look for conflicts, where the run waits for that: a hold that has all else, and the
/// locks only if it has asked for them.
pub(crate) fn looks(model: &Model, state: &State) -> Option<EffectId> {
    let Place::Hold(open) = &state.place else { return None };
    let hold = hold_of(model, &open.hold)?;
    let waits = hold.conflicts.is_some()
        && open.is_ready(hold, state)
        && open.locking.waits_for().is_none();
    waits.then(|| EffectId::new(format!("{}#{}/conflicts", open.hold, open.visit)))
}

/// Whether nobody knows whether conflicts keep a hold that has all else, before it is looked for them.
pub(crate) fn is_to_be_looked_for(model: &Model, state: &State) -> bool {
    let Place::Hold(open) = &state.place else { return false };
    let conflicts = hold_of(model, &open.hold).and_then(|hold| hold.conflicts.as_ref());
    looks(model, state).is_some()
        && conflicts.is_some_and(|conflicts| !open.conflicting.holds(conflicts))
}

impl Draft<'_> {
    /// Decides what follows from which runs this one is in conflict with at this moment.
    pub(crate) fn conflicts_looked(
        &mut self,
        effect: &EffectId,
        found: &Look,
    ) -> Result<(), Refusal> {
        let unknown = || crate::decide::unknown(effect);
        if looks(self.model, &self.state).is_none_or(|asked| asked != *effect) {
            return Err(unknown());
        }
        let (open, definition) = self.hold().ok_or_else(unknown)?;
        let conflicts = definition.conflicts.as_ref().ok_or_else(unknown)?;
        self.in_time(open)?;
        let hold = open.hold.clone();
        if open.conflicting.found.as_ref() != Some(found) {
            self.emit(Event::ConflictsChecked { hold: hold.clone(), found: found.clone() });
        }
        if self.hold().is_some_and(|(open, _)| open.conflicting.holds(conflicts)) {
            // Who waits for another must not keep it waiting.
            self.release_locks(hold);
            return Ok(());
        }
        self.looked = true;
        self.release();
        self.looked = false;
        Ok(())
    }

    /// Whether conflicts let the open hold be released, by what was told in this very decision.
    pub(crate) fn conflicts_let_go(&self) -> bool {
        self.hold().is_none_or(|(open, definition)| {
            definition.conflicts.is_none() || (self.looked && open.conflicts_let_go(definition))
        })
    }

    /// Decides that a conflict does not hold the run.
    pub(crate) fn accept_conflict(&mut self, with: RunId, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let none = || not_awaited("no hold of this run is kept by a conflict");
        let (open, definition) = self.hold().ok_or_else(none)?;
        let conflicts = definition.conflicts.as_ref().ok_or_else(none)?;
        let hold = open.hold.clone();
        if conflicts.found == OnConflict::Warn {
            return Err(not_awaited(format!("conflicts do not keep `{hold}`: it is told of them")));
        }
        self.in_time(open)?;
        let whom = listed(&conflicts.accepters);
        if conflicts.accepters.is_empty() {
            return Err(not_awaited(format!("nobody may accept a conflict of `{hold}`"))
                .needs("its definition would have to say who: `accept`"));
        }
        if !conflicts.accepters.iter().any(|one| one.is(id, member)) {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not accept a conflict of `{hold}`: {whom} may"),
            ));
        }
        let approval = definition.approval.as_ref();
        if let Some(exclusion) = approval.and_then(|approval| excluded(&self.state, approval, id)) {
            return Err(Refusal::new(
                RefusalCode::SelfApproval,
                format!("`{id}` {}", exclusion.why()),
            )
            .needs(format!("another member: {whom}")));
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a conflict is accepted with a reason"));
        }
        let Some(found) = open.conflicting.standing().find(|one| one.run == with) else {
            let standing: Vec<String> =
                open.conflicting.standing().map(|one| one.number.to_string()).collect();
            return Err(Refusal::new(
                RefusalCode::NotFound,
                format!("`{hold}` is not kept by a conflict with that run"),
            )
            .needs(if standing.is_empty() {
                "none keeps it now".to_owned()
            } else {
                format!("it is kept by conflicts with the runs {}", standing.join(", "))
            }));
        };
        let Found { run, number, items, digest, .. } = found.clone();
        self.emit(Event::ConflictAccepted {
            hold,
            with: run,
            number,
            items,
            digest,
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}

/// Adds an event about conflicts.
pub(crate) fn evolve(state: &mut State, event: &Event, now: Timestamp) -> Result<(), String> {
    let Place::Hold(open) = &mut state.place else { return Err("no hold is open".to_owned()) };
    match event {
        Event::ConflictsChecked { hold, found } if open.hold == *hold => {
            open.conflicting.found = Some(found.clone());
            Ok(())
        }
        Event::ConflictAccepted { hold, with, number, digest, member, reason, .. }
            if open.hold == *hold
                && open
                    .conflicting
                    .standing()
                    .any(|one| one.run == *with && one.digest == *digest) =>
        {
            open.conflicting.accepted.insert((*with, *digest));
            state.accepted.push(Accepted {
                hold: hold.clone(),
                with: *with,
                number: *number,
                by: member.clone(),
                reason: reason.clone(),
                at: now,
            });
            Ok(())
        }
        _ => Err("it is about a conflict that nobody waits for".to_owned()),
    }
}

/// The condition of an open hold that no conflict keeps it.
pub(crate) fn condition(hold: &Hold, open: &HoldState, at: &Moment<'_>) -> Option<ConditionView> {
    let conflicts = hold.conflicts.as_ref()?;
    let found = &open.conflicting;
    let holds = found.holds(conflicts);
    let summary = match (&found.found, holds) {
        (None, _) => "a look at conflicts, once it has all else".to_owned(),
        (Some(_), false) => "no conflict that keeps it".to_owned(),
        (Some(_), true) => {
            let mut all: Vec<String> = found.standing().map(in_words).collect();
            if found.more() > 0 {
                all.push(format!("{} more", found.more()));
            }
            format!("the end of the conflicts with {}", all.join("; "))
        }
    };
    let met = open.conflicts_let_go(hold);
    let mut view = crate::view::condition("conflicts", "conflicts", met, summary);
    if holds {
        let members = at.project.members().iter();
        let could = members.filter(|(id, one)| conflicts.accepters.iter().any(|of| of.is(id, one)));
        view.candidates =
            could.map(|(id, _)| Candidate { member: id.clone(), lacks: None }).collect();
    }
    Some(view)
}

/// A conflict, as a condition says it.
fn in_words(found: &Found) -> String {
    let words = |Overlap { item, relation, other }: &Overlap| match relation {
        Relation::Same => format!("both touch {item}"),
        Relation::DependsOn => format!("{item} depends on {other}"),
        Relation::NeededBy => format!("{other} depends on {item}"),
    };
    let items: Vec<String> = found.items.iter().take(ITEMS_TOLD_MAX).map(words).collect();
    format!("run {} ({}): {}", found.number, found.title, items.join(", "))
}

/// What can be done about conflicts that keep an open hold.
pub(crate) fn steps(hold: &Hold, open: &HoldState) -> Vec<NextStep> {
    let mut steps = Vec::new();
    let Some(conflicts) = hold.conflicts.as_ref().filter(|one| open.conflicting.holds(one)) else {
        return steps;
    };
    for Found { run, number, .. } in open.conflicting.standing() {
        steps.push(NextStep::told(format!(
            "wait until the run {number} is over, or have it moved to another time or cancelled"
        )));
        if !conflicts.accepters.is_empty() {
            let whom = listed(&conflicts.accepters);
            let text =
                format!("accept the conflict with the run {number}, with a reason, as {whom}");
            let ask = NextAsk::AcceptConflict { with: *run, number: *number };
            steps.push(NextStep::ask(text, ask));
        }
    }
    steps
}

/// The conflicts that were accepted.
pub(crate) fn views(state: &State) -> Vec<AcceptedView> {
    let view = |one: &Accepted| AcceptedView {
        hold: one.hold.clone(),
        with: one.with,
        number: one.number,
        by: one.by.clone(),
        reason: one.reason.clone(),
        at: one.at,
    };
    state.accepted.iter().map(view).collect()
}

/// What a hold makes of conflicts, in a few words.
pub(crate) fn words(conflicts: &Conflicts) -> String {
    match conflicts.found {
        OnConflict::Warn => "tells of conflicts".to_owned(),
        OnConflict::Hold if conflicts.accepters.is_empty() => "no conflict stands".to_owned(),
        OnConflict::Hold => format!(
            "no conflict stands that {} has not accepted",
            crate::phrase::approvers(&conflicts.accepters)
        ),
    }
}

/// The same as a sentence.
pub(crate) fn sentence(conflicts: &Conflicts) -> String {
    let looks =
        "When it has all else it is looked for other runs that touch the same or related items";
    match conflicts.found {
        OnConflict::Warn => format!("{looks}; they are recorded, and do not hold it."),
        OnConflict::Hold => {
            let accepted = match conflicts.accepters.as_slice() {
                [] => String::new(),
                some => format!(" or {} accepts the conflict", crate::phrase::approvers(some)),
            };
            format!("{looks}; it is held until those that go first are over or moved{accepted}.")
        }
    }
}
