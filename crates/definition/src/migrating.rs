//! Taking over a run that went by another version of the definition. What the run has is kept; the state
//! that it is in is entered anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Migrating, Refusal, migration::misfit};

use crate::{
    amending, check,
    decide::{Draft, not_awaited},
    duties::{self, Duty},
    earlier,
    event::DefinitionEvent as Event,
    evolve::hold_of,
    hold_model::listed,
    model::{Model, StateKind, StateModel},
    parallel, phrase, requalifying, risk,
    state::{Failure, Place, State},
};

/// The state in which a run that is in `old` goes on by `model`: before the state that it is in, or
/// waits before, under the name that it has there.
pub(crate) fn adopt(
    model: &Model,
    old: &State,
    migrating: &Migrating<'_>,
) -> Result<State, Refusal> {
    let (from, held) = rests_at(old)?;
    if old.cancelled || old.expired {
        return Err(misfit("the run is being ended"));
    }
    let target = migrating.state(from);
    check_target(model, from, target, held)?;
    let digest = amending::accept(model, migrating.input)
        .map_err(|refusal| Refusal { code: misfit("").code, ..refusal })?;
    let renamed = |name: &String| migrating.state(name).to_owned();
    let mut outputs = old.outputs.clone();
    if let Place::Hold(open) = &old.place
        && open.signalled
    {
        // The signal is asked for again, and counts no more till then.
        outputs.remove(&open.hold);
    }
    let outputs = outputs.into_iter().map(|(name, output)| (renamed(&name), output)).collect();
    let mut state = State {
        digest,
        input: Arc::new(migrating.input.clone()),
        outputs,
        entered: migrating.at,
        // Its steps are those of the other version.
        rollout: None,
        place: Place::Owing {
            state: target.to_owned(),
            next: target.to_owned(),
            lockdowns: BTreeSet::new(),
            lacking: BTreeSet::new(),
            lapsed: None,
        },
        // Withdrawing a baseline must not be a way to let a run go on without it.
        baseline: migrating.baseline.cloned().or_else(|| old.baseline.clone()),
        ..old.clone()
    };
    if let Some(rollout) = &old.rollout {
        earlier::keep(&mut state, rollout);
    }
    for one in &mut state.earlier {
        one.state = renamed(&one.state);
    }
    state.kept.renamed(renamed);
    // They were given for what the run was.
    state.kept.overridden.clear();
    requalifying::renamed(&mut state, renamed);
    state.left = BTreeMap::new();
    for (name, outcome) in &old.left {
        let known = state.left.entry(renamed(name)).or_insert_with(|| outcome.clone());
        // Where several become one, each must have let the run pass.
        if lets_pass(known) {
            known.clone_from(outcome);
        }
    }
    state.approved =
        old.approved.iter().map(renamed).filter(|name| hold_of(model, name).is_some()).collect();
    state.approved_plans =
        old.approved_plans.iter().map(|(name, plan)| (renamed(name), *plan)).collect();
    state.approved_targets =
        old.approved_targets.iter().map(|(name, of)| (renamed(name), of.clone())).collect();
    for one in &mut state.waived {
        one.hold = renamed(&one.hold);
    }
    for one in &mut state.accepted {
        one.hold = renamed(&one.hold);
    }
    for one in state.locks.values_mut() {
        one.hold = renamed(&one.hold);
    }
    for one in &mut state.duties {
        one.hold = renamed(&one.hold);
        one.before = one.before.as_ref().map(renamed);
        check_duty(model, one)?;
    }
    state.failure =
        state.failure.map(|Failure { state, reason }| Failure { state: renamed(&state), reason });
    // The other version may tell another risk of the same input, or none.
    state.risk = risk::of(model, &state).map_err(misfit)?;
    check_deadline(model, &state, migrating)?;
    Ok(state)
}

/// The state that the run is in, or waits before, and whether it is held there.
fn rests_at(old: &State) -> Result<(&str, bool), Refusal> {
    match &old.place {
        Place::Hold(open) => Ok((&open.hold, true)),
        Place::Blocked { state, .. } => Ok((state, false)),
        Place::Owing { next, .. } => Ok((next, false)),
        Place::Activity { state, .. } | Place::Rollout { state } => {
            Err(misfit(format!("work is under way in `{state}`"))
                .needs("wait until it has ended, or cancel the run"))
        }
        Place::Child(child) => Err(misfit(format!("a run is under way for `{}`", child.state))
            .needs("wait until it has ended, or cancel the run")),
        Place::All(fork) => Err(misfit(format!("the branches of `{}` are under way", fork.state))
            .needs("wait until they have joined, or cancel the run")),
        Place::Begin
        | Place::Entered { .. }
        | Place::Resolved { .. }
        | Place::Stopped { .. }
        | Place::Ended { .. } => Err(misfit("the run rests nowhere")),
    }
}

/// A run that is held stays held: by no map is it let past what holds it.
fn check_target(model: &Model, from: &str, target: &str, held: bool) -> Result<(), Refusal> {
    let holds = || {
        let outside = model.states.iter().filter(|(_, state)| state.within.is_none());
        let names = outside.filter(|(_, state)| matches!(state.kind, StateKind::Hold(_)));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let version = model.version;
    let Some(state) = model.states.get(target) else {
        return Err(misfit(format!("version {version} has no state `{target}`")).needs(format!(
            "say where the run shall be: `--map {from}=STATE`; holds: {}",
            holds()
        )));
    };
    if let Some(within) = &state.within {
        return Err(misfit(format!("`{target}` is in a branch of `{}`", within.all))
            .needs(format!("map `{from}` to a hold outside of it: {}", holds())));
    }
    if matches!(state.kind, StateKind::Hold(_)) || (!held && from == target) {
        return Ok(());
    }
    Err(misfit(if from == target {
        format!("`{target}` is no hold in version {version}, and would let the run go on")
    } else {
        format!("`{target}` is no hold, and would let the run past `{from}`")
    })
    .needs(format!("map `{from}` to a hold: {}", holds())))
}

fn check_duty(model: &Model, duty: &Duty) -> Result<(), Refusal> {
    let Duty { number, hold, before, .. } = duty;
    if duties::dischargers(model, duty).is_empty() {
        return Err(misfit(format!(
            "the duty {number} was taken on in `{hold}`, and by version {} nobody could discharge it",
            model.version
        ))
        .needs(format!("discharge it first, or map `{hold}` to a hold that says who does")));
    }
    match before.as_ref().filter(|before| !model.states.contains_key(*before)) {
        Some(before) => Err(misfit(format!(
            "the duty {number} is due before `{before}`, a state that version {} has not",
            model.version
        ))
        .needs(format!("discharge it first, or map `{before}`"))),
        None => Ok(()),
    }
}

/// Whether people decide what a state lets pass: a hold with an approval or a witness, or branches with
/// such holds.
fn asks<'m>(model: &'m Model, name: &str) -> Vec<&'m str> {
    let is_asking = |kind: &StateKind| matches!(kind, StateKind::Hold(hold) if hold.approval.is_some() || hold.witness.is_some());
    let within = |state: &StateModel| {
        let mut all = state.within.as_ref().map(|within| &within.all);
        while let Some(outer) = all.filter(|all| *all != name) {
            all = model.states.get(outer).and_then(|one| one.within.as_ref()).map(|one| &one.all);
        }
        all.is_some()
    };
    let asking = model
        .states
        .iter()
        .filter(|(other, state)| is_asking(&state.kind) && (*other == name || within(state)));
    asking.map(|(name, _)| name.as_str()).collect()
}

/// Whether a run comes past a state with this outcome as it is meant to.
fn lets_pass(outcome: &str) -> bool {
    matches!(outcome, "released" | "waived" | "completed" | "succeeded")
}

/// A run goes on only where a run of this version comes to with what this one has behind it: from the start
/// along the outcomes with which it has left each state last. No map leads it past those who are to be
/// asked, nor past evidence, waits and work that there was not.
fn check_passed(model: &Model, state: &State, target: &str) -> Result<(), Refusal> {
    let mut open = vec![model.start.name.as_str()];
    let mut seen = BTreeSet::new();
    let mut lacking = BTreeSet::new();
    while let Some(name) = open.pop() {
        if name == target {
            return Ok(());
        }
        let Some(here) = model.states.get(name).filter(|_| seen.insert(name)) else { continue };
        if let StateKind::Choose { branches, otherwise } = &here.kind {
            let vars = state.vars();
            let chosen = branches.iter().find_map(|(when, to)| match when.holds(&vars) {
                Ok(false) => None,
                Ok(true) => Some(Ok(to)),
                Err(reason) => Some(Err(reason)),
            });
            match chosen.unwrap_or(Ok(otherwise)) {
                Ok(to) => open.push(&to.name),
                // What cannot be told yet may lead anywhere.
                Err(_) => open.extend(
                    branches.iter().map(|(_, to)| to).chain([otherwise]).map(|to| to.name.as_str()),
                ),
            }
            continue;
        }
        // What it was not in, or has not left yet, has no outcome.
        let outcome = state.left.get(name).map(String::as_str);
        let passed = outcome.is_some_and(lets_pass) && {
            let asking = asks(model, name);
            asking.is_empty() || asking.iter().any(|one| state.approved.contains(*one))
        };
        if !passed && !here.on.is_empty() {
            lacking.insert(name);
        }
        let Some(outcome) = outcome.filter(|outcome| passed || !lets_pass(outcome)) else {
            continue;
        };
        match here.on.get(outcome) {
            Some(to) => open.push(&to.name),
            // It was something else before, which is called so now.
            None if passed => {
                let ways = here.on.iter().filter(|(outcome, _)| lets_pass(outcome));
                open.extend(ways.map(|(_, to)| to.name.as_str()));
            }
            None => {}
        }
    }
    let lacking: Vec<String> = lacking.into_iter().map(|name| format!("`{name}`")).collect();
    if lacking.is_empty() {
        return Err(misfit(format!(
            "by version {} a run with this input never comes to `{target}`",
            model.version
        ))
        .needs("map the state that it is in to a hold to which it comes"));
    }
    Err(misfit(format!(
        "by version {} a run comes to `{target}` only past {}, and this one has not passed that",
        model.version,
        lacking.join(" or ")
    ))
    .needs("map the state that it is in to that hold, so that it is asked for there")
    .needs("or map a hold that it has passed, if that has another name now"))
}

/// What was left behind by states that the run has not been in cannot be used later.
fn check_outputs(model: &Model, state: &State, target: &str) -> Result<(), Refusal> {
    let ahead = check::ahead(model, target, true);
    let missing = model.uses.iter().find(|one| {
        ahead.contains(one.within.as_str())
            && !ahead.contains(one.of.as_str())
            && !state.outputs.contains_key(&one.of)
    });
    missing.map_or(Ok(()), |one| {
        Err(misfit(format!(
            "`{}` uses the output of `{}`, and this run has none",
            one.within, one.of
        ))
        .needs("map the state that left it under another name, or let the expression ask first: `has(states.NAME)`"))
    })
}

fn check_deadline(model: &Model, state: &State, migrating: &Migrating<'_>) -> Result<(), Refusal> {
    let over = crate::deadlines::of_run(model, state).map(|(_, over)| over);
    over.filter(|over| *over <= migrating.at).map_or(Ok(()), |over| {
        Err(misfit(format!(
            "by version {} the time for the whole run was over at {}",
            model.version,
            phrase::moment(over)
        )))
    })
}

impl Draft<'_> {
    /// Refuses a version by which nobody among the members could discharge what is owed.
    fn check_dischargers(&self) -> Result<(), Refusal> {
        let members = self.at.project.members();
        let nobody = |duty: &&Duty| {
            let may = |id, member| duties::may_discharge(self.model, &self.state, duty, id, member);
            !members.iter().any(|(id, member)| may(id, member))
        };
        self.state.duties.iter().find(nobody).map_or(Ok(()), |duty| {
            let whom = listed(&duties::dischargers(self.model, duty));
            Err(misfit(format!(
                "by version {} the duty {} is discharged by {whom}, and no member of the project could",
                self.model.version, duty.number
            ))
            .needs("discharge it first, or grant a member the role that it takes"))
        })
    }

    /// Goes on after the run was taken over.
    pub(crate) fn migrated(&mut self) -> Result<(), Refusal> {
        let Place::Owing { next, .. } = &self.state.place else {
            return Err(not_awaited("no run is taken over here"));
        };
        // Not in `adopt`: histories of earlier versions have migrations that were asked for less.
        check_passed(self.model, &self.state, next)?;
        check_outputs(self.model, &self.state, next)?;
        if let Some(told) = self.state.risk.clone() {
            self.emit(Event::RiskAssessed(told));
        }
        self.check_targets()?;
        self.check_times()?;
        self.check_conditions()?;
        self.check_dischargers()?;
        self.no_longer_owing();
        let blocked = match &self.state.place {
            Place::Blocked { state, reason } => Some((state.clone(), reason.clone())),
            _ => parallel::blocked(&self.state),
        };
        blocked.map_or(Ok(()), |(state, reason)| {
            Err(misfit(format!("`{state}` could not be entered: {reason}")))
        })
    }
}
