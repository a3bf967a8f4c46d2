//! Parallel branches in decisions: which branch a command is about, and when branches join.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{Action, EffectId, Refusal, RefusalCode, Steering};
use serde_json::Value;

use crate::{
    approving_anew,
    child::ChildState,
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    evolve::hold_of,
    hold_model::Hold,
    model::{CANCELLED, Model},
    rollout,
    rollout_state::Course,
    state::{Place, State},
};

/// A branch, from the outermost.
type Path = Vec<String>;

/// Decides an action in the branch that it is about.
pub(crate) fn decide(draft: &mut Draft<'_>, action: &Action) -> Result<(), Refusal> {
    let Place::All(_) = draft.state.place else { return draft.act(action) };
    let path = match action {
        Action::Vote { hold, .. } => {
            let anew = approving_anew::holds;
            meant_among(draft, hold.as_deref(), &|one| one.approval.is_some(), &anew)?
        }
        Action::Withdraw { hold, .. }
        | Action::Overrule { hold, .. }
        | Action::Recount { hold } => meant(draft, hold.as_deref(), &|one| one.approval.is_some())?,
        Action::Recheck { hold, check } => {
            let has = |one: &Hold| match check {
                Some(check) => one.checks.iter().any(|two| two.name == *check),
                None => !one.checks.is_empty(),
            };
            meant(draft, hold.as_deref(), &has)?
        }
        Action::Override { hold, .. } => with_window(draft, hold.as_deref())?,
        Action::Object { hold, .. } => meant(draft, hold.as_deref(), &|one| one.witness.is_some())?,
        Action::Waive { hold, .. } => meant(draft, hold.as_deref(), &|one| one.waiver.is_some())?,
        Action::Done { hold, task, .. } | Action::Reopen { hold, task, .. } => {
            let has = |one: &Hold| match task {
                Some(task) => one.tasks.iter().any(|two| two.name == *task),
                None => !one.tasks.is_empty(),
            };
            meant(draft, hold.as_deref(), &has)?
        }
        Action::Completed { effect, .. }
        | Action::Failed { effect, .. }
        | Action::TimerFired { effect }
        | Action::ConflictsLooked { effect, .. }
        | Action::LocksGranted { effect } => asking(draft.model, effect),
        Action::NotBegun { effects } => return not_begun(draft, effects),
        Action::Signal { name, data } => return signal(draft, name, data),
        Action::Steer { steering, state, .. } => steered(draft, *steering, state.as_deref())?,
        Action::Amend { input, reason } => return amend(draft, input, reason),
        Action::Discharge { .. }
        | Action::OverrideRequirement { .. }
        | Action::WithdrawOverride { .. } => {
            draft.act(action)?;
            for (path, _) in owned(draft.state.leaves()) {
                within(draft, &path, |draft| {
                    draft.no_longer_owing();
                    Ok(())
                })?;
            }
            return Ok(());
        }
        Action::Attach { .. } => {
            draft.act(action)?;
            for (path, place) in owned(draft.state.leaves()) {
                let there = draft.state.looking_at(&path).is_some_and(|inner| inner.place == place);
                if there {
                    within(draft, &path, |draft| {
                        draft.release();
                        Ok(())
                    })?;
                }
            }
            return Ok(());
        }
        Action::ChildStarted { .. }
        | Action::ConflictsFound { .. }
        | Action::ChildRefused { .. }
        | Action::ChildEnded { .. } => {
            return draft.act(action);
        }
        Action::Start
        | Action::Stop { .. }
        | Action::Comment { .. }
        | Action::Migrate { .. }
        | Action::Cancel { .. }
        | Action::AcceptConflict { .. }
        | Action::BreakLock { .. }
        | Action::AttemptQueued { .. }
        | Action::AttemptNotBegun { .. }
        | Action::AttemptStarted { .. }
        | Action::AttemptEnded { .. }
        | Action::AttemptSettled { .. }
        | Action::Settle { .. } => Path::new(),
    };
    within(draft, &path, |draft| draft.act(action))?;
    if matches!(action, Action::Vote { .. }) {
        // An approval that is given anew may be one that several branches rest for.
        for (path, place) in owned(draft.state.leaves()) {
            if !approving_anew::holds(&place).is_empty() {
                within(draft, &path, |draft| {
                    draft.look_at_qualifications();
                    Ok(())
                })?;
            }
        }
    }
    Ok(())
}

/// Decides something in a branch; what follows from it outside comes after it.
fn within(
    draft: &mut Draft<'_>,
    path: &[String],
    decide: impl FnOnce(&mut Draft<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let Some((branch, deeper)) = path.split_first() else { return decide(draft) };
    if !draft.state.go_into(branch) {
        return Err(not_awaited(format!("the branch `{branch}` is not under way")));
    }
    let decided = within(draft, deeper, decide);
    draft.state.go_out();
    decided?;
    if let Some(next) = joined(draft) {
        draft.enter(next);
    }
    Ok(())
}

fn owned(leaves: Vec<(Path, &crate::parallel_state::Focus)>) -> Vec<(Path, Place)> {
    leaves.into_iter().map(|(path, focus)| (path, focus.place.clone())).collect()
}

/// The branch whose state asks for an effect; none for what the run as a whole asks for.
fn asking(model: &Model, effect: &EffectId) -> Path {
    let state = effect.as_str().split_once('#').map_or("", |(state, _)| state);
    let path = model.path(state).unwrap_or_default();
    path.into_iter().map(|within| within.branch.clone()).collect()
}

/// The branch with the hold that is meant: the one that is named, or the only one that fits.
fn meant(
    draft: &Draft<'_>,
    named: Option<&str>,
    fits: &dyn Fn(&Hold) -> bool,
) -> Result<Path, Refusal> {
    meant_among(draft, named, fits, &|_| BTreeSet::new())
}

/// As [`meant`], also among `others`, which may be the same in several branches.
fn meant_among(
    draft: &Draft<'_>,
    named: Option<&str>,
    fits: &dyn Fn(&Hold) -> bool,
    others: &dyn for<'p> Fn(&'p Place) -> BTreeSet<&'p str>,
) -> Result<Path, Refusal> {
    let leaves = draft.state.leaves();
    let mut open: Vec<(&Path, &str)> = Vec::new();
    for (path, focus) in &leaves {
        let holds = match &focus.place {
            Place::Hold(open) => [open.hold.as_str()].into(),
            place => others(place),
        };
        let new = holds.into_iter().filter(|hold| open.iter().all(|(_, known)| known != hold));
        open.extend(new.map(|hold| (path, hold)).collect::<Vec<_>>());
    }
    let listed = |holds: &[(&Path, &str)]| {
        holds.iter().map(|(_, hold)| format!("`{hold}`")).collect::<Vec<_>>().join(", ")
    };
    if let Some(named) = named {
        let found = open.iter().find(|(_, hold)| *hold == named);
        return found.map(|(path, _)| (*path).clone()).ok_or_else(|| {
            let refusal = not_awaited(format!("the hold `{named}` is not open"));
            if open.is_empty() {
                refusal
            } else {
                refusal.needs(format!("the open holds are {}", listed(&open)))
            }
        });
    }
    let fitting: Vec<(&Path, &str)> = open
        .iter()
        .copied()
        .filter(|(_, hold)| hold_of(draft.model, hold).is_some_and(fits))
        .collect();
    match (fitting.as_slice(), open.as_slice()) {
        ([(path, _)], _) | ([], [(path, _), ..]) => Ok((*path).clone()),
        ([], []) => Ok(Path::new()),
        (several, _) => Err(Refusal::new(
            RefusalCode::AmbiguousBranch,
            format!("{} holds are open, and it is not said which is meant", several.len()),
        )
        .needs(format!("name one of {}", listed(several)))),
    }
}

/// Decides in each branch which of the effects that it asks for were not begun.
fn not_begun(draft: &mut Draft<'_>, effects: &BTreeSet<EffectId>) -> Result<(), Refusal> {
    let mut by_branch: BTreeMap<Path, BTreeSet<EffectId>> = BTreeMap::new();
    for effect in effects {
        by_branch.entry(asking(draft.model, effect)).or_default().insert(effect.clone());
    }
    for (path, effects) in by_branch {
        within(draft, &path, |draft| draft.act(&Action::NotBegun { effects }))?;
    }
    Ok(())
}

/// Decides a signal: the first branch, in the order of their names, that waits for it and accepts
/// it takes it.
fn signal(draft: &mut Draft<'_>, name: &str, data: &Value) -> Result<(), Refusal> {
    let waiting: Vec<Path> = draft
        .state
        .leaves()
        .into_iter()
        .filter(|(_, focus)| match &focus.place {
            Place::Hold(open) => {
                let signal = hold_of(draft.model, &open.hold).and_then(|one| one.signal.as_ref());
                !open.signalled && signal.is_some_and(|signal| signal.name == name)
            }
            _ => false,
        })
        .map(|(path, _)| path)
        .collect();
    let mut refused = None;
    for path in waiting {
        match within(draft, &path, |draft| draft.signal(name, data)) {
            Ok(()) => return Ok(()),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    refused.map_or_else(|| draft.signal(name, data), Err)
}

/// The branch with the rollout that is steered: one that is under way, or else one that could be
/// undone yet.
fn steered(draft: &Draft<'_>, steering: Steering, state: Option<&str>) -> Result<Path, Refusal> {
    let leaves = draft.state.leaves();
    let of = |under_way: bool| -> Vec<(&Path, &str)> {
        leaves
            .iter()
            .filter_map(|(path, focus)| {
                let rollout = focus.rollout.as_ref()?;
                let here = matches!(focus.place, Place::Rollout { .. });
                let fits = here == under_way && (here || rollout.course == Course::Done);
                fits.then_some((path, rollout.state.as_str()))
            })
            .filter(|(_, name)| state.is_none_or(|state| state == *name))
            .collect()
    };
    let mut rollouts = of(true);
    if rollouts.is_empty() && steering == Steering::Rollback {
        rollouts = of(false);
    }
    match rollouts.as_slice() {
        [] => Ok(Path::new()),
        [(path, _)] => Ok((*path).clone()),
        several => {
            let names: Vec<String> = several.iter().map(|(_, name)| format!("`{name}`")).collect();
            Err(Refusal::new(
                RefusalCode::AmbiguousBranch,
                format!(
                    "{} rollouts are under way, and it is not said which is meant",
                    names.len()
                ),
            )
            .needs(format!("name the state, with `--state`: one of {}", names.join(", "))))
        }
    }
}

/// Decides that the input is replaced: at every hold that is open, and only where no branch is at
/// work with the older text.
fn amend(draft: &mut Draft<'_>, input: &Value, reason: &str) -> Result<(), Refusal> {
    draft.responsible("amend this run")?;
    let mut amended = Vec::new();
    for (path, place) in owned(draft.state.leaves()) {
        let Some(inner) = draft.state.looking_at(&path) else { continue };
        let inner = draft.with_state(inner);
        match place {
            Place::Hold(_) => {
                let event = inner.amendment(input, reason)?;
                amended.push((path, event));
            }
            Place::Owing { state, .. } => inner.stands_elsewhere(&state, input)?,
            Place::Activity { state, .. }
            | Place::Rollout { state }
            | Place::Child(ChildState { state, .. }) => {
                return Err(not_awaited(format!(
                    "the run cannot be amended while `{state}` is at work with the input as it is"
                ))
                .needs(format!("wait until `{state}` is done, or cancel the run")));
            }
            _ => {}
        }
    }
    if amended.is_empty() {
        return Err(not_awaited("a run is amended while a hold is open, and none is"));
    }
    // All of them first: what one leads to must find the others as they are then.
    for (_, event) in &amended {
        draft.emit(event.clone());
    }
    for (path, _) in amended {
        within(draft, &path, |draft| {
            draft.amended();
            Ok(())
        })?;
    }
    Ok(())
}

/// Looks at the windows of all holds anew that expire with them, where calendars have changed.
pub(crate) fn renew_windows(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let Place::All(_) = draft.state.place else {
        draft.renew_window();
        return Ok(());
    };
    for (path, place) in owned(draft.state.leaves()) {
        if let Place::Hold(open) = place
            && open.window.is_some_and(|window| window.missed_expires)
        {
            within(draft, &path, |draft| {
                draft.renew_window();
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Finds out, before a member's command is decided, whether open holds are asked about other plans
/// by now.
pub(crate) fn renew_plans(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let Place::All(_) = draft.state.place else {
        draft.renew_plans();
        return Ok(());
    };
    for (path, place) in owned(draft.state.leaves()) {
        if let Place::Hold(_) = place {
            within(draft, &path, |draft| {
                draft.renew_plans();
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// The branch that waits for the window that is meant: that of the state which is named, or the
/// only one.
fn with_window(draft: &Draft<'_>, named: Option<&str>) -> Result<Path, Refusal> {
    let leaves = draft.state.leaves();
    let waiting: Vec<(&Path, &str)> = leaves
        .iter()
        .filter(|(_, focus)| match &focus.place {
            Place::Hold(open) => open.window.is_some(),
            Place::Activity { window, .. } => window.is_some(),
            Place::Rollout { .. } => {
                focus.rollout.as_ref().is_some_and(|rollout| rollout.window.is_some())
            }
            _ => false,
        })
        .map(|(path, focus)| (path, focus.place.state()))
        .filter(|(_, state)| named.is_none_or(|named| named == *state))
        .collect();
    match waiting.as_slice() {
        [] => Err(not_awaited(match named {
            Some(named) => format!("`{named}` waits for no window"),
            None => "nothing in this run waits for a window".to_owned(),
        })),
        [(path, _)] => Ok((*path).clone()),
        several => {
            let names: Vec<String> = several.iter().map(|(_, name)| format!("`{name}`")).collect();
            Err(Refusal::new(
                RefusalCode::AmbiguousBranch,
                format!(
                    "{} windows are waited for, and it is not said which is meant",
                    names.len()
                ),
            )
            .needs(format!("name one of {}", names.join(", "))))
        }
    }
}

impl Draft<'_> {
    /// Begins the branches of the `all` that was entered.
    pub(crate) fn branch_out(&mut self, name: &str) {
        let Some(all) = self.model.all(name) else { return };
        let branches = all.branches.keys().cloned().collect();
        self.emit(Event::BranchesStarted { state: name.to_owned(), branches });
        for (branch, start) in &all.branches {
            if self.state.go_into(branch) {
                self.enter(start.name.clone());
                self.state.go_out();
            }
        }
    }

    /// Ends the branch that is looked at, or the run.
    pub(crate) fn end(&mut self, state: String, outcome: &str) {
        let outcome = outcome.to_owned();
        let within = self.model.states.get(&state).and_then(|state| state.within.as_ref());
        self.emit(match within {
            Some(within) => Event::BranchEnded { state, branch: within.branch.clone(), outcome },
            None => Event::Ended { outcome },
        });
    }

    /// Stops the branch that is looked at where it is, at once or when its rollout has been turned
    /// round.
    fn stop(&mut self, reason: &str) {
        if self.stop_child(reason, None) {
            return;
        }
        match &self.state.place {
            Place::Ended { .. } | Place::Stopped { .. } => {}
            Place::Rollout { .. } => {
                rollout::turn_back(self, reason);
                rollout::settle(self);
            }
            Place::All(_) => {
                self.stop_branches(reason);
                joined(self);
            }
            _ => self.stopped(),
        }
    }

    /// Notes that the branch that is looked at goes no further.
    pub(crate) fn stopped(&mut self) {
        let state = self.state.state().to_owned();
        let within = self.model.states.get(&state).and_then(|state| state.within.as_ref());
        if let Some(within) = within {
            self.emit(Event::BranchStopped { branch: within.branch.clone(), state });
        }
    }

    /// Stops all branches that are under way.
    pub(crate) fn stop_branches(&mut self, reason: &str) {
        let Place::All(fork) = &self.state.place else { return };
        let branches: Vec<String> = fork.branches.keys().cloned().collect();
        for branch in branches {
            if self.state.go_into(&branch) {
                self.stop(reason);
                self.state.go_out();
            }
        }
    }
}

/// Joins the branches of the `all` that the run is in, if their outcome is settled and none is under
/// way; says where the run goes on then.
pub(crate) fn joined(draft: &mut Draft<'_>) -> Option<String> {
    let Place::All(fork) = &draft.state.place else { return None };
    let all = draft.model.all(&fork.state).filter(|_| !draft.is_broken())?;
    let state = fork.state.clone();
    let outside = draft.state.is_stopped_from_outside();
    if fork.must_stop(all)
        && !fork.is_over()
        && !draft.state.cancelled
        && !draft.state.expired
        && !outside
    {
        let reason = match fork.outcome(all) {
            Some("completed") => "another branch has ended well",
            _ => "another branch has not ended well",
        };
        draft.emit(Event::BranchesStopping { state, reason: reason.to_owned() });
        draft.stop_branches(reason);
        return joined(draft);
    }
    if !fork.is_over() {
        return None;
    }
    let outcome = if draft.state.cancelled || (outside && !draft.state.expired) {
        CANCELLED
    } else if draft.state.expired {
        "expired"
    } else {
        fork.outcome(all)?
    };
    draft.emit(Event::BranchesJoined { state, outcome: outcome.to_owned() });
    draft.resolved()
}

/// The state in which a branch is blocked, and why, if one is.
pub(crate) fn blocked(state: &State) -> Option<(String, String)> {
    state.leaves().into_iter().find_map(|(_, focus)| match &focus.place {
        Place::Blocked { state, reason } => Some((state.clone(), reason.clone())),
        _ => None,
    })
}
