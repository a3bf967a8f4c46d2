//! What each event makes of the state: every legal pair of place and event is written out.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{Actor, IllegalEvent, MemberId, Vote, event::TypedEvent as _, workflow::Meta};
use jiff::Timestamp;

use crate::{
    amending, approving_anew,
    child::{self, ChildState},
    conflicting::{self, Conflicting},
    drift,
    duties::Duty,
    event::DefinitionEvent as Event,
    event_data::{Ballot, Opened, Past},
    evidence,
    hold_check::{self, Checks},
    hold_model::{Approval, Hold},
    hold_state::{Given, HoldState, Substitute},
    lockdown,
    locking::{self, Locking},
    model::{CANCELLED, Model, StateKind, Work},
    overruled, parallel_state, requalifying, requirement_override, requirements, rollout_evolve,
    state::{Failure, Place, Signal, State},
    tasks,
    waiver::{self, Waived},
    window_model::Missed,
    windows::WindowState,
    work_window::WorkTimes,
};

/// Adds an event to a state.
pub(crate) fn evolve(
    model: &Model,
    state: &mut State,
    event: &Event,
    meta: &Meta<'_>,
) -> Result<(), IllegalEvent> {
    let applied = parallel_state::where_it_belongs(model, state, event, |state| {
        apply(model, state, event, meta)
    });
    applied.map_err(|reason| {
        let kind = event.to_new_event().map_or_else(
            |error| format!("an event that cannot be written: {error}"),
            |event| event.kind.to_string(),
        );
        IllegalEvent::new(kind, reason)
    })
}

fn apply(model: &Model, state: &mut State, event: &Event, meta: &Meta<'_>) -> Result<(), String> {
    match (&mut state.place, event) {
        (Place::Begin | Place::Owing { .. }, Event::RiskAssessed(risk)) if model.risk.is_some() => {
            state.risk = Some(risk.clone());
            Ok(())
        }
        (_, Event::StateEntered { state: entered, visit, .. }) => {
            enter(model, state, entered, *visit)?;
            state.entered = meta.time;
            Ok(())
        }
        (Place::Entered { state: at }, Event::Blocked { state: named, reason }) if at == named => {
            state.place = Place::Blocked { state: named.clone(), reason: reason.clone() };
            Ok(())
        }
        (
            Place::Entered { state: at },
            Event::HoldOpened {
                hold,
                rules,
                not_applicable,
                tasks,
                checks,
                plans,
                planned_of,
                until,
                deadline,
                window,
                remind,
                escalate,
                ..
            },
        ) if at == hold && hold_of(model, hold).is_some() => {
            let visit = state.visits.get(hold).copied().unwrap_or(0);
            state.kept.reopened(hold);
            state.left.remove(hold);
            state.relied.remove(hold);
            if hold_of(model, hold).is_some_and(|hold| hold.conflicts.is_some()) {
                state.let_through = false;
            }
            let mut made = Checks::default();
            made.begin(checks);
            state.place = Place::Hold(HoldState {
                hold: hold.clone(),
                visit,
                opened: meta.time,
                rules: rules.clone(),
                not_applicable: not_applicable.clone(),
                tasks: tasks.clone(),
                confirmed: Vec::new(),
                checks: made,
                plans: plans.clone(),
                planned_of: planned_of.clone(),
                replanned: None,
                replannings: 0,
                waivers: Vec::new(),
                until: *until,
                deadline: *deadline,
                votes: Vec::new(),
                waited: false,
                signalled: false,
                sender: None,
                witnessed: false,
                reminded: 0,
                escalated: false,
                locking: Locking::default(),
                conflicting: Conflicting::default(),
                lockdowns: BTreeSet::new(),
                reminds: *remind,
                escalates: *escalate,
                window: window
                    .clone()
                    .map(|asked| WindowState::new(asked, missed(model, hold)).into()),
                substitutes: hold_of(model, hold)
                    .and_then(|hold| hold.approval.as_ref())
                    .map(Approval::substitutes)
                    .unwrap_or_default(),
                overruled: Vec::new(),
            });
            Ok(())
        }
        (Place::Hold(open), Event::ApprovalGranted(ballot)) if open.hold == ballot.hold => {
            vote(open, ballot, Vote::Approve, meta)
        }
        (_, Event::ApprovalGranted(ballot)) => approving_anew::evolve(state, ballot, meta),
        (Place::Hold(open), Event::ApprovalRejected(ballot)) => {
            vote(open, ballot, Vote::Reject, meta)
        }
        (Place::Hold(open), Event::Vetoed(ballot)) => vote(open, ballot, Vote::Veto, meta),
        (Place::Hold(open), Event::VoteWithdrawn { hold, member, vote, in_place_of, .. })
            if open.hold == *hold && *vote != Vote::Reject =>
        {
            take_back(open, in_place_of.as_ref().unwrap_or(member), *vote)
        }
        (Place::Hold(open), Event::VetoOverruled { hold, member, veto_of, .. })
            if open.hold == *hold =>
        {
            take_back(open, veto_of, Vote::Veto)?;
            open.note_overruled(veto_of, member, state.digest, overruled::shown(&state.evidence));
            Ok(())
        }
        (Place::Hold(open), Event::Recounted { hold, needs }) if open.hold == *hold => {
            for rule in &mut open.rules {
                rule.need = *needs.get(&rule.rule).ok_or("a rule is not counted")?;
            }
            Ok(())
        }
        (Place::Hold(open), Event::Amended { hold, .. }) if open.hold == *hold => {
            amending::amend(state, event, meta)
        }
        (Place::Hold(open), Event::Replanned { hold, .. }) if open.hold == *hold => {
            drift::replan(open, event, meta.time)
        }
        (_, Event::EvidenceAttached(event)) => {
            evidence::attached(state, event, meta.time, meta.actor)
        }
        (Place::Hold(open), Event::TaskConfirmed(confirmation)) => {
            tasks::confirm(open, confirmation, meta.time)?;
            if confirmation.executes {
                state.executors.insert(confirmation.member.clone());
            }
            Ok(())
        }
        (Place::Hold(open), Event::TaskReopened { hold, task, .. }) if open.hold == *hold => {
            open.confirmed.retain(|one| one.task != *task);
            Ok(())
        }
        (Place::Hold(open), Event::WaiverGiven { hold, member, reason, .. })
            if open.hold == *hold && !open.waivers.iter().any(|one| one.member == *member) =>
        {
            let (member, reason) = (member.clone(), reason.clone());
            open.waivers.push(waiver::Given { member, reason });
            Ok(())
        }
        (Place::Hold(open), Event::HoldWaived { hold, by, reason, conditions })
            if open.hold == *hold && open.rejection().is_none() =>
        {
            let waived = Waived {
                hold: hold.clone(),
                by: by.clone(),
                reason: reason.clone(),
                at: meta.time,
                conditions: conditions.clone(),
            };
            pass(model, state, hold, meta.time, true)?;
            state.waived.push(waived);
            Ok(())
        }
        (_, Event::DutyOverdue { duty, .. }) => {
            let one = state.duties.iter_mut().find(|one| one.number == *duty && !one.overdue);
            one.ok_or_else(|| format!("the duty {duty} is not open"))?.overdue = true;
            Ok(())
        }
        (_, Event::DutyOpened(opened)) => open_duty(state, opened),
        (_, Event::DutyDischarged { duty, .. }) => {
            let at = state.duties.iter().position(|one| one.number == *duty);
            state.duties.remove(at.ok_or_else(|| format!("the duty {duty} is not open"))?);
            Ok(())
        }
        (_, Event::DutiesAwaited { before, .. }) => rest_before(model, state, before),
        (_, Event::LockedDown { state: named, .. } | Event::LockdownLifted { state: named }) => {
            let leads =
                leads(model, state, named) && state.owed_before(model, named).next().is_none();
            lockdown::evolve(state, event, leads)
        }
        (_, Event::BaselineMet(_)) => requirements::evolve(state, event, false, meta.time),
        (_, Event::BaselineHeld { state: named, .. }) => {
            let leads =
                leads(model, state, named) && state.owed_before(model, named).next().is_none();
            requirements::evolve(state, event, leads, meta.time)
        }
        (_, Event::RequirementOverridden(_) | Event::OverrideWithdrawn(_)) => {
            requirement_override::evolve(state, event, meta.time)
        }
        (_, Event::QualificationsLapsed(lapsing)) => {
            let named = &lapsing.state;
            let leads =
                leads(model, state, named) && state.owed_before(model, named).next().is_none();
            requalifying::evolve(state, lapsing, leads)
        }
        (_, Event::Commented { .. }) => Ok(()),
        (
            _,
            Event::LocksRequested { .. }
            | Event::LocksGranted { .. }
            | Event::LocksReleased { .. }
            | Event::LockBroken { .. },
        ) => locking::evolve(state, event, meta),
        (Place::Hold(_), Event::ConflictsChecked { .. } | Event::ConflictAccepted { .. }) => {
            conflicting::evolve(state, event, meta.time)
        }
        (Place::Hold(open), Event::WaitElapsed { hold }) if open.hold == *hold && !open.waited => {
            open.waited = true;
            Ok(())
        }
        (
            Place::Hold(HoldState { hold, window: Some(window), .. }),
            Event::WindowAwaited { state: at, .. }
            | Event::WindowOpened { state: at, .. }
            | Event::WindowOverridden { state: at, .. },
        ) if hold == at => window.take(event, meta.time),
        (_, Event::SignalReceived { name, data, sender }) => {
            let (data, sender) = (Arc::clone(data), sender.clone());
            state.signals.push(Signal { name: name.clone(), data, sender });
            Ok(())
        }
        (Place::Hold(open), Event::SignalConsumed { hold, name, index })
            if open.hold == *hold
                && !open.signalled
                && state.signals.get(*index).is_some_and(|kept| kept.name == *name) =>
        {
            let signal = state.signals.remove(*index);
            state.outputs.insert(hold.clone(), signal.data);
            open.signalled = true;
            open.sender = signal.sender;
            Ok(())
        }
        (Place::Hold(open), Event::CheckTold { .. } | Event::CheckAsked { .. }) => {
            hold_check::evolve(open, event, meta.time)
        }
        (Place::Hold(open), Event::HoldFailed { hold, .. })
            if open.hold == *hold && hold_of(model, hold).is_some_and(Hold::can_fail) =>
        {
            resolve(state, hold, "failed")
        }
        (Place::Hold(open), Event::HoldReleased { hold })
            if open.hold == *hold && open.rejection().is_none() =>
        {
            pass(model, state, hold, meta.time, false)
        }
        (Place::Hold(open), Event::HoldRejected { hold, .. })
            if open.hold == *hold && open.rejection().is_some() =>
        {
            resolve(state, hold, "rejected")
        }
        (Place::Hold(open), Event::Objected { hold, .. })
            if open.hold == *hold
                && !open.witnessed
                && hold_of(model, hold).is_some_and(|hold| hold.witness.is_some()) =>
        {
            resolve(state, hold, "objected")
        }
        (Place::Hold(open), Event::NotObjected { hold, .. })
            if open.hold == *hold && !open.witnessed =>
        {
            open.witnessed = true;
            Ok(())
        }
        (Place::Hold(open), Event::Reminded { hold, reminder, next, .. })
            if open.hold == *hold && *reminder > open.reminded =>
        {
            open.reminded = *reminder;
            open.reminds = *next;
            Ok(())
        }
        (Place::Hold(open), Event::Escalated { hold, .. })
            if open.hold == *hold && !open.escalated =>
        {
            open.escalated = true;
            Ok(())
        }
        (Place::Hold(open), Event::HoldExpired { hold, deadline })
            if open.hold == *hold && open.ends() == Some(*deadline) =>
        {
            resolve(state, hold, "expired")
        }
        (
            Place::Entered { state: at },
            Event::WorkRequested { state: named, effect, activity, input, window },
        ) if at == named && work_of(model, named).is_some() => {
            let defined = work_of(model, named).and_then(|work| work.window.as_ref());
            let times = window.as_ref().zip(defined).map(|(asked, defined)| {
                WorkTimes::new(asked.clone(), defined.closes, state.overridden).into()
            });
            state.place = Place::Activity {
                state: named.clone(),
                effect: effect.clone(),
                name: activity.clone(),
                input: Arc::clone(input),
                window: times,
            };
            Ok(())
        }
        (
            Place::Activity { state: at, window: Some(window), .. },
            Event::WindowAwaited { .. }
            | Event::WindowOpened { .. }
            | Event::WindowOverridden { .. },
        ) => window.take(at, event),
        (Place::Activity { state: at, .. }, Event::WorkSucceeded { state: named, output })
            if at == named =>
        {
            state.outputs.insert(named.clone(), Arc::clone(output));
            resolve(state, named, "succeeded")
        }
        (
            Place::Activity { state: at, .. } | Place::Entered { state: at },
            Event::WorkFailed { state: named, reason },
        ) if at == named && is_work(model, named) => fail(state, named, reason),
        (Place::Activity { state: at, .. }, Event::WorkExpired { state: named, .. })
            if at == named =>
        {
            resolve(state, named, "expired")
        }
        (Place::All(fork), Event::WorkExpired { state: named, .. })
            if fork.state == *named && !fork.stops() =>
        {
            fork.expired = true;
            Ok(())
        }
        (_, Event::ChildRequested { .. } | Event::ChildStopping { .. }) => {
            child::evolve(model, &mut state.place, event)
        }
        (Place::Child(child), Event::WorkSucceeded { state: named, output })
            if child.state == *named && child.late.is_none() =>
        {
            state.outputs.insert(named.clone(), Arc::clone(output));
            resolve(state, named, "succeeded")
        }
        (Place::Entered { state: at }, Event::RolloutDrifted { state: named, .. })
            if at == named =>
        {
            drift::evolve(model, state, event)
        }
        (Place::Child(child), Event::WorkFailed { state: named, reason })
            if child.state == *named && child.late.is_none() =>
        {
            fail(state, named, reason)
        }
        (Place::Child(child), Event::WorkExpired { state: named, .. })
            if child.state == *named
                && (child.late.is_some() || !child::is_awaited(model, named)) =>
        {
            resolve(state, named, "expired")
        }
        (Place::Child(child), Event::Expired { .. })
            if !state.expired && child::is_awaited(model, &child.state) =>
        {
            state.expired = true;
            Ok(())
        }
        (
            _,
            Event::BranchesStarted { .. }
            | Event::BranchesStopping { .. }
            | Event::BranchEnded { .. }
            | Event::BranchStopped { .. }
            | Event::BranchesJoined { .. },
        ) => parallel_state::evolve(model, state, event, meta),
        (Place::Rollout { .. } | Place::All(_), Event::Expired { .. }) if !state.expired => {
            state.expired = true;
            Ok(())
        }
        (
            Place::Blocked { .. }
            | Place::Owing { .. }
            | Place::Hold(_)
            | Place::Activity { .. }
            | Place::Child(_),
            Event::Expired { state: named, .. },
        ) if !state.expired && model.expires.is_some() => {
            state.expired = true;
            resolve(state, named, "expired")
        }
        (
            Place::Rollout { .. },
            Event::WindowAwaited { .. }
            | Event::WindowOpened { .. }
            | Event::WindowOverridden { .. },
        ) => state.rollout.as_mut().ok_or("there is no rollout")?.take_window(event),
        (Place::Entered { state: at }, Event::RolloutStarted { state: named, .. })
            if at == named =>
        {
            rollout_evolve::start(model, state, event)
        }
        (
            Place::Rollout { .. },
            Event::WaveStarted { .. }
            | Event::BakeStarted { .. }
            | Event::BakeEnded { .. }
            | Event::RolloutHeld { .. }
            | Event::Promoted { .. }
            | Event::RolloutPaused { .. }
            | Event::RolloutResumed { .. }
            | Event::NotBegun { .. }
            | Event::TargetStepDone { .. }
            | Event::TargetSkipped(_)
            | Event::TargetDeployed(_)
            | Event::TargetHealthy(_)
            | Event::TargetFailed(_)
            | Event::TargetInconclusive(_)
            | Event::TargetRechecked(_)
            | Event::UndoStarted { .. }
            | Event::RolloutStopped { .. }
            | Event::TargetRestored(_)
            | Event::TargetStuck(_)
            | Event::TargetRetried(_)
            | Event::TargetTakenOver(_)
            | Event::RolloutFinished { .. },
        ) => {
            steered(state, event, meta);
            rollout_evolve::evolve(state, event, meta)
        }
        (
            Place::Hold(_) | Place::Owing { .. } | Place::Blocked { .. },
            Event::UndoStarted { state: named, .. },
        ) => {
            steered(state, event, meta);
            rollout_evolve::come_back(state, named, meta)
        }
        (
            Place::Entered { .. }
            | Place::Blocked { .. }
            | Place::Owing { .. }
            | Place::Hold(_)
            | Place::Activity { .. }
            | Place::Rollout { .. }
            | Place::Child(_)
            | Place::All(_),
            Event::Cancelled { .. },
        ) if !state.cancelled => {
            state.cancelled = true;
            Ok(())
        }
        (
            Place::Blocked { state: at, .. }
            | Place::Owing { state: at, .. }
            | Place::Activity { state: at, .. }
            | Place::Hold(HoldState { hold: at, .. })
            | Place::Child(ChildState { state: at, .. })
            | Place::Resolved { state: at, .. }
            | Place::Entered { state: at },
            Event::Ended { outcome },
        ) if (state.cancelled && outcome == CANCELLED) || is_end(model, at, outcome) => {
            state.place = Place::Ended { state: at.clone(), outcome: outcome.clone() };
            Ok(())
        }
        (
            Place::Begin
            | Place::Entered { .. }
            | Place::Blocked { .. }
            | Place::Owing { .. }
            | Place::Hold(_)
            | Place::Activity { .. }
            | Place::Rollout { .. }
            | Place::Child(_)
            | Place::All(_)
            | Place::Resolved { .. }
            | Place::Stopped { .. }
            | Place::Ended { .. },
            _,
        ) => Err(format!("the run is {}", describe(&state.place))),
    }
}

/// What a person makes a rollout do is their work; to let it go on past a hold is not.
fn steered(state: &mut State, event: &Event, meta: &Meta<'_>) {
    if let (Actor::Member(member), false) =
        (meta.actor, matches!(event, Event::Promoted { past: Past::Hold, .. }))
    {
        state.executors.insert(member.clone());
    }
}

/// Whether a way leads from where the run is to a state.
fn leads(model: &Model, state: &State, to: &str) -> bool {
    let leads = match &state.place {
        Place::Resolved { .. } if state.expired && !state.is_in_branch() => {
            model.expires.as_ref().is_some_and(|(_, target)| target.name == to)
        }
        Place::Begin if state.is_in_branch() => model.begins_branch(to),
        Place::Begin => model.start.name == to,
        Place::Owing { next, .. } => next == to,
        Place::Resolved { state: from, outcome } => model
            .states
            .get(from)
            .and_then(|from| from.on.get(outcome))
            .is_some_and(|target| target.name == to),
        Place::Entered { state: from } => match model.states.get(from).map(|from| &from.kind) {
            Some(StateKind::Choose { branches, otherwise }) => {
                otherwise.name == to || branches.iter().any(|(_, target)| target.name == to)
            }
            _ => false,
        },
        Place::Blocked { .. }
        | Place::Hold(_)
        | Place::Activity { .. }
        | Place::Rollout { .. }
        | Place::Child(_)
        | Place::All(_)
        | Place::Stopped { .. }
        | Place::Ended { .. } => false,
    };
    leads && model.states.contains_key(to)
}

fn rest_before(model: &Model, state: &mut State, before: &str) -> Result<(), String> {
    let waits = matches!(state.place, Place::Owing { .. });
    if waits || !leads(model, state, before) {
        return Err(format!("no way leads to `{before}`: the run is {}", describe(&state.place)));
    }
    if state.owed_before(model, before).next().is_none() {
        return Err(format!("no duty is due before `{before}`"));
    }
    let lockdowns = BTreeSet::new();
    let here = state.state().to_owned();
    let (next, lacking) = (before.to_owned(), BTreeSet::new());
    state.place = Place::Owing { state: here, next, lockdowns, lacking, lapsed: None };
    Ok(())
}

fn open_duty(state: &mut State, opened: &Opened) -> Result<(), String> {
    if opened.duty != state.duties_opened.saturating_add(1) {
        return Err(format!("the duty {} is not the next", opened.duty));
    }
    state.duties_opened = opened.duty;
    let Opened { duty, hold, by, text, before, due, waiver } = opened.clone();
    let overdue = false;
    state.duties.push(Duty { number: duty, hold, by, text, before, due, waiver, overdue });
    Ok(())
}

fn take_back(open: &mut HoldState, member: &MemberId, vote: Vote) -> Result<(), String> {
    let at = open.votes.iter().position(|one| one.member == *member && one.vote == vote);
    open.votes.remove(at.ok_or_else(|| format!("`{member}` has no such vote"))?);
    Ok(())
}

fn enter(model: &Model, state: &mut State, entered: &str, visit: u32) -> Result<(), String> {
    if !leads(model, state, entered) || state.owed_before(model, entered).next().is_some() {
        return Err(format!("no way leads to `{entered}`: the run is {}", describe(&state.place)));
    }
    if visit != state.visit(entered).saturating_add(1) {
        return Err(format!("visit {visit} of `{entered}` is not the next"));
    }
    state.visits.insert(entered.to_owned(), visit);
    requalifying::entered(model, state, entered);
    state.place = Place::Entered { state: entered.to_owned() };
    Ok(())
}

pub(crate) fn vote(
    open: &mut HoldState,
    ballot: &Ballot,
    vote: Vote,
    meta: &Meta<'_>,
) -> Result<(), String> {
    let place = ballot.place();
    if open.hold != ballot.hold || open.rejection().is_some() || open.has_voted(place) {
        return Err(format!("`{place}` has no vote on `{}` now", ballot.hold));
    }
    let by = ballot.in_place_of.as_ref().map(|one| Substitute {
        member: ballot.member.clone(),
        substitution: one.substitution,
        until: one.until,
    });
    open.votes.push(Given {
        member: place.clone(),
        by,
        vote,
        at: meta.time,
        rules: ballot.rules.clone(),
        reason: ballot.reason.clone(),
        duties: ballot.duties.clone(),
        evidence: ballot.evidence.clone(),
        digest: Some(ballot.digest),
        lapsed: false,
    });
    Ok(())
}

/// Lets the run pass a hold that has all that it waits for, but for what is waived.
fn pass(
    model: &Model,
    state: &mut State,
    named: &str,
    now: Timestamp,
    waived: bool,
) -> Result<(), String> {
    let Some(hold) = hold_of(model, named) else { return Err(format!("`{named}` is no hold")) };
    let passes = |open: &HoldState| {
        open.is_complete(hold, state, now)
            && open.checks_are_fresh(hold, now)
            && open.is_waived(hold) == waived
    };
    if !matches!(&state.place, Place::Hold(open) if passes(open)) {
        return Err(format!("`{named}` has not all that it waits for"));
    }
    if matches!(&state.place, Place::Hold(open) if !open.lockdowns.is_empty()) {
        return Err(format!("a lockdown holds `{named}`"));
    }
    if let Place::Hold(HoldState { window: Some(window), .. }) = &state.place {
        if !window.lets_go(now) {
            return Err(format!("the window of `{named}` is closed"));
        }
        state.overridden = window.overridden.is_some();
    }
    if hold.approval.is_some() || hold.witness.is_some() {
        state.approved.insert(named.to_owned());
    }
    state.let_through |= hold.conflicts.is_some();
    drift::passed(model, state, named);
    requalifying::rely(state, hold);
    resolve(state, named, if waived { "waived" } else { "released" })
}

/// Gives a state its outcome.
pub(crate) fn resolve(state: &mut State, named: &str, outcome: &str) -> Result<(), String> {
    if state.baseline.is_some() {
        state.kept.outcomes.insert(named.to_owned(), outcome.to_owned());
    }
    state.left.insert(named.to_owned(), outcome.to_owned());
    state.place = Place::Resolved { state: named.to_owned(), outcome: outcome.to_owned() };
    Ok(())
}

fn fail(state: &mut State, named: &str, reason: &str) -> Result<(), String> {
    state.failure = Some(Failure { state: named.to_owned(), reason: reason.to_owned() });
    resolve(state, named, "failed")
}

/// The hold that a state is, if it is one.
pub(crate) fn hold_of<'m>(model: &'m Model, name: &str) -> Option<&'m Hold> {
    match model.states.get(name).map(|state| &state.kind) {
        Some(StateKind::Hold(hold)) => Some(hold),
        _ => None,
    }
}

/// What becomes of a hold that misses its window.
pub(crate) fn missed(model: &Model, name: &str) -> Missed {
    let window = hold_of(model, name).and_then(|hold| hold.window.as_ref());
    window.map_or(Missed::Wait, |window| window.missed)
}

/// The activity that a state does, if it does one.
pub(crate) fn work_of<'m>(model: &'m Model, name: &str) -> Option<&'m Work> {
    match model.states.get(name).map(|state| &state.kind) {
        Some(StateKind::Activity(work)) => Some(work),
        _ => None,
    }
}

fn is_work(model: &Model, name: &str) -> bool {
    let state = model.states.get(name);
    state.is_some_and(|state| {
        matches!(state.kind, StateKind::Activity(_) | StateKind::Rollout(_) | StateKind::Child(_))
    })
}

fn is_end(model: &Model, name: &str, ended: &str) -> bool {
    matches!(
        model.states.get(name).map(|state| &state.kind),
        Some(StateKind::End { outcome }) if outcome == ended
    ) && model.path(name).is_some_and(|path| path.is_empty())
}

fn describe(place: &Place) -> String {
    match place {
        Place::Begin => "not begun".to_owned(),
        Place::Entered { state } => format!("entering `{state}`"),
        Place::Blocked { state, .. } => format!("blocked in `{state}`"),
        Place::Owing { next, .. } => format!("waiting for duties before `{next}`"),
        Place::Hold(open) => format!("held in `{}`", open.hold),
        Place::Activity { state, .. } => format!("at work in `{state}`"),
        Place::Child(child) => format!("waiting for the run of `{}`", child.state),
        Place::Rollout { state } => format!("rolling out in `{state}`"),
        Place::All(fork) => format!("in the branches of `{}`", fork.state),
        Place::Stopped { state } => format!("stopped in `{state}`"),
        Place::Resolved { state, outcome } => format!("leaving `{state}` with `{outcome}`"),
        Place::Ended { outcome, .. } => format!("ended with `{outcome}`"),
    }
}
