//! What people decide about a rollout that is under way, and who may.

use std::collections::BTreeSet;

use holdpoint_core::{
    EffectId, MemberId, Refusal, RefusalCode, RunId, Steering,
    newer_work::{Reach, Undoable},
    project::Member,
};

use crate::{
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    event_data::Past,
    hold_model::listed,
    model::Model,
    phrase, rollout,
    rollout_evolve::rollout_of,
    rollout_model::{Controller, Rollout, WaveHold},
    rollout_state::{Between, Course, RolloutState, SWITCH},
    rollout_steps::{Phase, Step},
    state::{Place, State},
    voting,
    windows::CLOSED,
};

/// Decides what a person wants of a rollout.
pub(crate) fn steer(
    draft: &mut Draft<'_>,
    steering: Steering,
    target: Option<&str>,
    reason: Option<&str>,
    state: Option<&str>,
    over: &BTreeSet<RunId>,
) -> Result<(), Refusal> {
    let who = draft.member()?;
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    let must =
        matches!(steering, Steering::Pause | Steering::Abort | Steering::Rollback | Steering::Skip);
    if must && reason.is_none() {
        return Err(invalid(format!("`{steering}` needs a reason")));
    }
    let no_rollout = || not_awaited("there is no rollout");
    let named = |rollout: &RolloutState| state.is_none_or(|state| state == rollout.state);
    if let Some(rollout) = draft.state.rollout.as_ref().filter(|rollout| !named(rollout)) {
        return Err(not_awaited("the rollout of that state is not under way")
            .needs(format!("the rollout is that of `{}`", rollout.state)));
    }
    let here = matches!(draft.state.place, Place::Rollout { .. });
    if !here {
        return if steering == Steering::Rollback {
            come_back(draft, who, reason.unwrap_or_default(), over)
        } else {
            Err(is_over(draft, state))
        };
    }
    if draft.rollout_window() {
        rollout::turn_back(draft, CLOSED);
    }
    let definition = draft.rollout().ok_or_else(no_rollout)?;
    let rollout = draft.state.rollout.as_ref().ok_or_else(no_rollout)?;
    if steering == Steering::Promote
        && target.is_none()
        && let Some(hold) = open_hold(definition, rollout)
    {
        promote_hold(draft, who, hold, reason)?;
    } else {
        may_steer(&draft.state, definition, who, steering, draft)?;
        match steering {
            Steering::Pause => pause(draft, reason.unwrap_or_default())?,
            Steering::Resume => resume(draft, reason)?,
            Steering::Abort | Steering::Rollback => turn(draft, steering, reason)?,
            Steering::Promote => promote(draft, who, target, reason)?,
            Steering::Retry => retry(draft, target, reason)?,
            Steering::Skip => skip(draft, target, reason)?,
            Steering::TakeOver => take_over(draft, target, reason)?,
        }
    }
    if let Some(next) = rollout::settle(draft) {
        draft.enter(next);
    }
    Ok(())
}

/// That no rollout is under way, and what became of the last.
fn is_over(draft: &Draft<'_>, named: Option<&str>) -> Refusal {
    let leaves = draft.state.leaves();
    let in_branches = leaves.iter().filter_map(|(_, focus)| focus.rollout.as_ref());
    let mut all = draft.state.rollout.iter().chain(in_branches);
    let Some(rollout) = all.find(|one| named.is_none_or(|name| name == one.state)) else {
        return not_awaited("there is no rollout");
    };
    let state = &rollout.state;
    let how = match rollout.course {
        Course::Done => "it is done",
        Course::Undone => "it was undone",
        Course::Failed => "it has failed",
        Course::RollingOut | Course::Undoing | Course::Stopping => "the run has left it",
    };
    let refusal = not_awaited(format!("the rollout of `{state}` is over: {how}"));
    if undoable(draft.model, &draft.state).iter().any(|one| one.state == *state) {
        refusal.needs("`rollback` undoes it, as long as the run is held after it")
    } else {
        refusal
    }
}

/// Whether somebody may steer a rollout.
fn may_steer(
    state: &State,
    definition: &Rollout,
    (id, member): (&MemberId, &Member),
    steering: Steering,
    draft: &Draft<'_>,
) -> Result<(), Refusal> {
    if definition.control.iter().any(|one| one.is(state, id, member)) {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalCode::NotEligible,
        format!("`{id}` may not steer this rollout (`{steering}`)"),
    )
    .needs(those(draft, &definition.control)))
}

/// Who is meant, in words and by name.
fn those(draft: &Draft<'_>, from: &[Controller]) -> String {
    let all = draft.at.project.members().iter();
    let names: Vec<&str> = all
        .filter(|(id, member)| from.iter().any(|one| one.is(&draft.state, id, member)))
        .map(|(id, _)| id.as_str())
        .collect();
    let names = if names.is_empty() { "nobody now".to_owned() } else { names.join(", ") };
    format!("{}: {names}", listed(from))
}

fn of<'d>(draft: &'d Draft<'_>) -> Result<&'d RolloutState, Refusal> {
    draft.state.rollout.as_ref().ok_or_else(|| not_awaited("there is no rollout"))
}

fn pause(draft: &mut Draft<'_>, reason: &str) -> Result<(), Refusal> {
    let rollout = of(draft)?;
    if let Some(pause) = &rollout.paused {
        return Err(not_awaited(format!("the rollout is paused already, by {}", pause.by)));
    }
    let event = Event::RolloutPaused { state: rollout.state.clone(), reason: reason.to_owned() };
    draft.emit(event);
    Ok(())
}

fn resume(draft: &mut Draft<'_>, reason: Option<&str>) -> Result<(), Refusal> {
    let rollout = of(draft)?;
    if rollout.paused.is_none() {
        return Err(not_awaited("the rollout is not paused"));
    }
    let event =
        Event::RolloutResumed { state: rollout.state.clone(), reason: reason.map(str::to_owned) };
    draft.emit(event);
    Ok(())
}

fn turn(draft: &mut Draft<'_>, steering: Steering, reason: Option<&str>) -> Result<(), Refusal> {
    let undoes = draft.rollout().is_some_and(Rollout::can_undo);
    if steering == Steering::Rollback && !undoes {
        return Err(not_awaited("this rollout cannot be undone: it has no `rollback`")
            .needs("`abort` lets it go no further"));
    }
    if of(draft)?.course != Course::RollingOut {
        return Err(not_awaited("the rollout is being undone already"));
    }
    rollout::turn_back(draft, reason.unwrap_or_default());
    Ok(())
}

/// The rollout that was done and after which the run, or its branch, rests.
fn rested_after<'s>(model: &Model, state: &'s State) -> Option<&'s RolloutState> {
    let rests = matches!(state.place, Place::Hold(_) | Place::Owing { .. } | Place::Blocked { .. });
    state.rollout.as_ref().filter(|rollout| {
        rests && rollout.course == Course::Done && state.is_where(model, &rollout.state)
    })
}

/// The rollouts that were done and can be undone yet.
pub(crate) fn undoable(model: &Model, state: &State) -> Vec<Undoable> {
    if let Place::All(_) = state.place {
        let paths: Vec<Vec<String>> = state.leaves().into_iter().map(|(path, _)| path).collect();
        let inner = paths.iter().filter_map(|path| state.looking_at(path));
        return inner.flat_map(|inner| undoable(model, &inner)).collect();
    }
    let over = state.cancelled || state.expired || state.is_stopped_from_outside();
    let rollout = rested_after(model, state).filter(|rollout| {
        !over && rollout_of(model, &rollout.state).is_some_and(Rollout::can_undo)
    });
    let Some(rollout) = rollout else { return Vec::new() };
    let undone = (0..rollout.count())
        .filter(|index| !rollout.is_switch(*index) && rollout.undo_first(*index).is_some());
    let targets = undone.map(|index| rollout.target(index).to_owned()).collect();
    vec![Undoable { state: rollout.state.clone(), targets }]
}

/// What a step is to the target at which it is done; one that only looks is nothing.
pub(crate) fn reach(model: &Model, effect: &EffectId) -> Option<Reach> {
    let (visit, rest) = effect.as_str().split_once('/')?;
    let (target, step) = rest.rsplit_once('/')?;
    let rollout = rollout_of(model, visit.split_once('#')?.0)?;
    if target == SWITCH && rollout.switch.is_some() {
        return None;
    }
    let step = step.split_once('-').map_or(step, |(step, _)| step);
    let is = |one: Step| step == one.as_str();
    let restores = is(Step::Restore);
    let changes = is(Step::Drain) || is(Step::Deploy) || is(Step::Undrain);
    (changes || restores).then(|| Reach { target: target.to_owned(), restores })
}

/// Undoes a rollout that was done, from where the run rests now.
fn come_back(
    draft: &mut Draft<'_>,
    who: (&MemberId, &Member),
    reason: &str,
    over: &BTreeSet<RunId>,
) -> Result<(), Refusal> {
    let Some(rollout) = rested_after(draft.model, &draft.state) else {
        return Err(not_awaited("there is no rollout that was done and could be undone from here")
            .needs(
                "a rollout is undone while it is under way, or while the run is held after it",
            ));
    };
    let state = rollout.state.clone();
    let definition = rollout_of(draft.model, &state)
        .filter(|definition| definition.can_undo())
        .ok_or_else(|| not_awaited("this rollout cannot be undone: it has no `rollback`"))?;
    may_steer(&draft.state, definition, who, Steering::Rollback, draft)?;
    let stops = draft.state.is_stopped_from_outside();
    if draft.state.cancelled || draft.state.expired || stops {
        return Err(not_awaited("the run, or its branch, is about to end"));
    }
    // The input may have been amended since the plan was made: what cannot be filled in any more
    // must be found before anything is touched.
    if definition.rollback.is_some() {
        for index in 0..rollout.next {
            rollout::activity(definition, rollout, index, Step::Restore, &draft.state).map_err(
                |why| {
                    invalid(format!(
                        "the rollback of `{}` cannot be filled in any more: {why}",
                        rollout.target(index)
                    ))
                },
            )?;
        }
    }
    draft.refuse_under_lockdown("a rollout that was done is not undone under a lockdown")?;
    draft.emit(Event::UndoStarted { state, reason: reason.to_owned(), over: over.clone() });
    if let Some(next) = rollout::settle(draft) {
        draft.enter(next);
    }
    Ok(())
}

/// The hold after a wave that is open.
pub(crate) fn open_hold<'d>(
    definition: &'d Rollout,
    rollout: &RolloutState,
) -> Option<&'d WaveHold> {
    let Between::Held { holds, .. } = &rollout.between else { return None };
    definition.hold(*rollout.gate()?.holds.get(*holds)?)
}

/// Who promotes a rollout at the hold after a wave, and why somebody may not.
pub(crate) fn may_promote(
    definition: &Rollout,
    hold: &WaveHold,
    state: &State,
    id: &MemberId,
    member: &Member,
) -> Result<(), (RefusalCode, String)> {
    let from = hold.from.as_ref().unwrap_or(&definition.control);
    if !from.iter().any(|one| one.is(state, id, member)) {
        return Err((RefusalCode::NotEligible, format!("is not {}", listed(from))));
    }
    match hold.not.iter().find(|one| voting::is_excluded(state, **one, id)) {
        Some(exclusion) => Err((RefusalCode::SelfApproval, exclusion.why().to_owned())),
        None => Ok(()),
    }
}

fn promote_hold(
    draft: &mut Draft<'_>,
    (id, member): (&MemberId, &Member),
    hold: &WaveHold,
    reason: Option<&str>,
) -> Result<(), Refusal> {
    let rollout = of(draft)?;
    not_paused(rollout)?;
    let definition = draft.rollout().ok_or_else(|| not_awaited("there is no rollout"))?;
    may_promote(definition, hold, &draft.state, id, member).map_err(|(code, why)| {
        let from = hold.from.as_ref().unwrap_or(&definition.control);
        Refusal::new(code, format!("`{id}` {why}, and may not promote the rollout here"))
            .needs(those(draft, from))
    })?;
    let Between::Held { by, .. } = &rollout.between else { return Ok(()) };
    if by.contains(id) {
        return Err(Refusal::new(
            RefusalCode::AlreadyVoted,
            format!("`{id}` has promoted the rollout at this hold already"),
        ));
    }
    let event = Event::Promoted {
        state: rollout.state.clone(),
        wave: rollout.wave,
        past: Past::Hold,
        member: id.clone(),
        roles: member.roles.clone(),
        reason: reason.map(str::to_owned),
    };
    draft.emit(event);
    Ok(())
}

/// What was begun is brought to its end during a pause, and nothing else begins.
fn not_paused(rollout: &RolloutState) -> Result<(), Refusal> {
    match &rollout.paused {
        None => Ok(()),
        Some(pause) => Err(not_awaited(format!(
            "the rollout is paused by {} since {}: {}",
            pause.by.member().map_or("the engine", MemberId::as_str),
            phrase::moment(pause.since),
            pause.reason
        ))
        .needs("resume it first")),
    }
}

fn promote(
    draft: &mut Draft<'_>,
    (id, member): (&MemberId, &Member),
    target: Option<&str>,
    reason: Option<&str>,
) -> Result<(), Refusal> {
    let rollout = of(draft)?;
    not_paused(rollout)?;
    let now = draft.at.now;
    if let (&Between::Baking { until }, None) = (&rollout.between, target) {
        if until <= now {
            return Err(not_awaited(format!("the bake was over at {}", phrase::moment(until))));
        }
        let event = Event::Promoted {
            state: rollout.state.clone(),
            wave: rollout.wave,
            past: Past::Bake,
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.map(str::to_owned),
        };
        draft.emit(event);
        return Ok(());
    }
    let unclear = chosen(rollout, target, rollout.unclear.iter().copied())?;
    if unclear.is_empty() {
        return Err(nothing(target, "the rollout waits for nobody to promote it"));
    }
    emit(draft, &unclear, reason, Event::TargetHealthy)
}

fn retry(draft: &mut Draft<'_>, target: Option<&str>, reason: Option<&str>) -> Result<(), Refusal> {
    let rollout = of(draft)?;
    let unclear = chosen(rollout, target, rollout.unclear.iter().copied())?;
    let stuck = chosen(rollout, target, rollout.stuck.keys().copied())?;
    if unclear.is_empty() && stuck.is_empty() {
        let Some(name) = target else {
            let in_the_way = rollout.in_the_way();
            if !in_the_way.is_empty() {
                return emit(draft, &in_the_way, reason, Event::TargetRetried);
            }
            return Err(not_awaited("no target rests")
                .needs("a target that has failed is tried again by its name"));
        };
        let index = named(rollout, name)?;
        let failed = rollout.phase(index).has_failed() && !rollout.queue.contains(index);
        if !failed {
            return Err(not_now(rollout, index, "tried again"));
        }
        if rollout.course != Course::RollingOut {
            return Err(not_awaited("the rollout is being undone"));
        }
        return emit(draft, &[index], reason, Event::TargetRetried);
    }
    not_paused(rollout)?;
    emit(draft, &unclear, reason, Event::TargetRechecked)?;
    emit(draft, &stuck, reason, Event::TargetRetried)
}

fn skip(draft: &mut Draft<'_>, target: Option<&str>, reason: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = target else {
        return Err(invalid("`skip` needs the target that is to be left out"));
    };
    let rollout = of(draft)?;
    let index = named(rollout, name)?;
    may_put_aside(rollout, index, "skipped")?;
    emit(draft, &[index], reason, Event::TargetSkipped)
}

fn take_over(
    draft: &mut Draft<'_>,
    target: Option<&str>,
    reason: Option<&str>,
) -> Result<(), Refusal> {
    let rollout = of(draft)?;
    let Some(name) = target else {
        let stuck: Vec<u32> = rollout.stuck.keys().copied().collect();
        if stuck.is_empty() {
            return Err(not_awaited("no target is stuck")
                .needs("a target that is not stuck is taken over by its name"));
        }
        return emit(draft, &stuck, reason, Event::TargetTakenOver);
    };
    let index = named(rollout, name)?;
    may_put_aside(rollout, index, "taken over")?;
    emit(draft, &[index], reason, Event::TargetTakenOver)
}

fn may_put_aside(rollout: &RolloutState, index: u32, how: &str) -> Result<(), Refusal> {
    if rollout.is_switch(index) && rollout.course == Course::RollingOut {
        return Err(
            not_awaited(format!("the switch cannot be {how}")).needs("abort the rollout instead")
        );
    }
    let phase = rollout.phase(index);
    let forward =
        matches!(phase, Phase::Waiting | Phase::Unclear | Phase::Failed | Phase::FailedUndone);
    match rollout.course {
        _ if phase == Phase::Stuck => Ok(()),
        Course::RollingOut if forward => Ok(()),
        // Whether it was begun is known to the run alone, and a pause has it say so.
        Course::RollingOut
            if rollout.active.contains(index)
                && rollout.is_at_first_step(index)
                && rollout.paused.is_none() =>
        {
            let target = rollout.target(index);
            let is = phase.as_str();
            Err(not_awaited(format!(
                "the target `{target}` cannot be {how} now: it is {is}, or about to"
            ))
            .needs(
                "pause the rollout first: what nobody has begun is taken back by that; what was \
                 begun comes to its end before",
            ))
        }
        _ => Err(not_now(rollout, index, how)),
    }
}

fn not_now(rollout: &RolloutState, index: u32, how: &str) -> Refusal {
    let target = rollout.target(index);
    let is = rollout.phase(index).as_str().replace('_', " ");
    let refusal = not_awaited(format!("the target `{target}` cannot be {how}: it is {is}"));
    if rollout.active.contains(index) {
        refusal.needs("wait until what is done to it has ended")
    } else {
        refusal
    }
}

fn named(rollout: &RolloutState, name: &str) -> Result<u32, Refusal> {
    rollout.index_of(name).ok_or_else(|| {
        Refusal::new(RefusalCode::NotFound, format!("the rollout has no target `{name}`"))
            .needs("`holdpoint show RUN` lists its targets")
    })
}

/// Those among `resting` that are meant.
fn chosen(
    rollout: &RolloutState,
    target: Option<&str>,
    resting: impl Iterator<Item = u32>,
) -> Result<Vec<u32>, Refusal> {
    let only = target.map(|name| named(rollout, name)).transpose()?;
    let all: BTreeSet<u32> = resting.collect();
    Ok(all.into_iter().filter(|index| only.is_none_or(|only| only == *index)).collect())
}

fn nothing(target: Option<&str>, what: &str) -> Refusal {
    match target {
        Some(target) => {
            not_awaited(format!("the target `{target}` waits for nobody to promote it"))
        }
        None => not_awaited(what),
    }
}

fn emit(
    draft: &mut Draft<'_>,
    targets: &[u32],
    reason: Option<&str>,
    event: impl Fn(crate::event_data::OfTarget) -> Event,
) -> Result<(), Refusal> {
    for index in targets {
        let account = of(draft)?.of(*index, reason.map(str::to_owned));
        draft.emit(event(account));
    }
    Ok(())
}
