//! What each event of a rollout makes of its state.

use std::sync::Arc;

use holdpoint_core::workflow::Meta;

use crate::{
    earlier,
    event::DefinitionEvent as Event,
    event_data::{OfTarget, Past},
    evolve::resolve,
    model::{Model, StateKind},
    rollout_model::Rollout,
    rollout_state::{Between, Course, Pause, RolloutState, SWITCH, Undo},
    rollout_steps::{Path, Phase, Step},
    rollout_unbegun,
    state::{Place, State},
    work_window::WorkTimes,
};

/// The rollout that a state does, if it does one.
pub(crate) fn rollout_of<'m>(model: &'m Model, name: &str) -> Option<&'m Rollout> {
    match model.states.get(name).map(|state| &state.kind) {
        Some(StateKind::Rollout(rollout)) => Some(rollout),
        _ => None,
    }
}

/// Begins a rollout.
pub(crate) fn start(model: &Model, state: &mut State, event: &Event) -> Result<(), String> {
    let Event::RolloutStarted {
        state: name,
        targets,
        waves,
        check,
        gates,
        switch,
        window,
        plan,
        ..
    } = event
    else {
        return Err("a rollout begins with its start".to_owned());
    };
    let rollout = rollout_of(model, name).ok_or_else(|| format!("`{name}` is no rollout"))?;
    let grows = waves.is_sorted_by(|before, after| before < after);
    let last = waves.last().copied().map(usize::try_from);
    if targets.is_empty() || !grows || last != Some(Ok(targets.len())) {
        return Err("the waves do not reach every target".to_owned());
    }
    if *switch != rollout.switch.is_some() {
        return Err("the switch is not the definition's".to_owned());
    }
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let (mut targets, mut waves) = (Arc::clone(targets), Arc::clone(waves));
    if *switch {
        Arc::make_mut(&mut targets).push(SWITCH.to_owned());
        Arc::make_mut(&mut waves).push(count.saturating_add(1));
    }
    if let Some(before) = state.rollout.take() {
        earlier::keep(state, &before);
    }
    state.approved_targets.remove(name);
    // What kept it from beginning does so no more.
    state.failure = state.failure.take().filter(|failure| failure.state != *name);
    state.rollout = Some(RolloutState {
        state: name.clone(),
        visit: state.visit(name),
        gates: Arc::clone(gates),
        check: *check,
        plan: *plan,
        failures_max: rollout.max_failed.min(count),
        parallel: usize::try_from(rollout.max_parallel).unwrap_or(usize::MAX),
        unavailable_max: rollout.max_unavailable.map(|most| most.of(count)),
        path: Path { check: check.is_some(), ..rollout.path() },
        undo: Undo {
            waves: Arc::clone(&rollout.undo_waves),
            parallel: usize::try_from(rollout.undo_parallel).unwrap_or(usize::MAX),
        },
        phases: vec![Phase::Waiting; targets.len()],
        targets: targets.into(),
        waves,
        wave: 0,
        between: Between::Wave,
        bakes: 0,
        next: 0,
        queue: Default::default(),
        before: Default::default(),
        active: Default::default(),
        unclear: Default::default(),
        stuck: Default::default(),
        drained: Default::default(),
        failed: 0,
        down: 0,
        skipped: 0,
        taken_over: 0,
        again: Default::default(),
        undone_again: Default::default(),
        details: Default::default(),
        unrestored: Default::default(),
        course: Course::RollingOut,
        paused: None,
        pauses: 0,
        paused_for: Default::default(),
        window: match (window, &rollout.window) {
            (Some(asked), Some(defined)) => {
                Some(WorkTimes::new(asked.clone(), defined.closes, state.overridden))
            }
            _ => None,
        },
        undo_below: 0,
        undo_from: 0,
        moves: Default::default(),
    });
    state.place = Place::Rollout { state: name.clone() };
    Ok(())
}

/// Adds an event to the rollout that is under way.
pub(crate) fn evolve(state: &mut State, event: &Event, meta: &Meta<'_>) -> Result<(), String> {
    let rollout = state.rollout.as_mut().ok_or("there is no rollout")?;
    match event {
        Event::WaveStarted { wave, .. } => {
            if rollout.course != Course::RollingOut
                || *wave != rollout.wave.saturating_add(1)
                || *wave > rollout.wave_count()
                || !rollout.is_wave_done()
                || !rollout.is_past_gate()
            {
                return Err(format!("wave {wave} is not the next"));
            }
            rollout.wave = *wave;
            rollout.between = Between::Wave;
            rollout.fill();
        }
        Event::BakeStarted { .. }
        | Event::BakeEnded { .. }
        | Event::RolloutHeld { .. }
        | Event::Promoted { .. }
        | Event::RolloutPaused { .. }
        | Event::RolloutResumed { .. } => return wait(rollout, event, meta),
        Event::TargetDeployed(of) => {
            let index = expect(rollout, of, &[Phase::Deploying])?;
            advance(rollout, index);
        }
        Event::TargetStepDone { of, step } => {
            let index = step_done(rollout, of, step)?;
            advance(rollout, index);
        }
        Event::TargetHealthy(of) => {
            let index = expect(rollout, of, &[Phase::Checking, Phase::Unclear])?;
            rollout.unclear.remove(&index);
            rollout.details.remove(index);
            rollout.leave(index, Phase::Healthy);
        }
        Event::TargetFailed(of) => target_failed(rollout, of)?,
        Event::TargetInconclusive(of) => {
            let index = expect(rollout, of, &[Phase::Checking])?;
            rollout.unclear.insert(index);
            if let Some(detail) = &of.detail {
                rollout.details.insert(index, detail.clone());
            }
            rollout.leave(index, Phase::Unclear);
        }
        Event::NotBegun { targets, .. } => rollout_unbegun::evolve(rollout, targets)?,
        Event::UndoStarted { .. } if rollout.course == Course::RollingOut => {
            rollout.turn(Course::Undoing, meta.time);
        }
        Event::RolloutStopped { .. } if rollout.course == Course::RollingOut => {
            rollout.turn(Course::Stopping, meta.time);
        }
        Event::TargetRestored(of) => {
            let index = expect(rollout, of, &[Phase::Restoring, Phase::UndoUndraining])?;
            let path = rollout.path.of(rollout.is_switch(index));
            if path.undo_next(rollout.phase(index)).is_some() {
                return Err(format!("the target `{}` is not restored yet", of.target));
            }
            rollout.drained.remove(index);
            rollout.unrestored.remove(index);
            let forward = rollout.course == Course::RollingOut;
            let phase = if forward { Phase::FailedUndone } else { Phase::Restored };
            rollout.leave(index, phase);
        }
        Event::TargetStuck(of) => {
            let phases =
                [Phase::UndoDraining, Phase::Restoring, Phase::UndoUndraining, Phase::Returning];
            let index = expect(rollout, of, &phases)?;
            rollout.stuck.insert(index, rollout.phase(index));
            if let Some(detail) = &of.detail {
                rollout.unrestored.insert(index, detail.clone());
            }
            rollout.leave(index, Phase::Stuck);
        }
        Event::TargetRechecked(_)
        | Event::TargetRetried(_)
        | Event::TargetSkipped(_)
        | Event::TargetTakenOver(_) => return see_to(rollout, event),
        Event::RolloutFinished { state: name, outcome } => {
            let forward = rollout.course == Course::RollingOut;
            let over = if forward {
                let last = rollout.wave == rollout.wave_count();
                last && rollout.is_wave_done() && rollout.is_past_gate()
            } else {
                rollout.is_back()
            };
            if !over || *name != rollout.state || forward != (outcome == "succeeded") {
                return Err(format!("the rollout is not over with `{outcome}`"));
            }
            rollout.course = match outcome.as_str() {
                "succeeded" => Course::Done,
                "rolled_back" => Course::Undone,
                _ => Course::Failed,
            };
            let (name, outcome) = (name.clone(), outcome.clone());
            return resolve(state, &name, &outcome);
        }
        _ => return Err("the rollout is not there".to_owned()),
    }
    Ok(())
}

/// Undoes a rollout that was done while the run is somewhere else.
pub(crate) fn come_back(state: &mut State, named: &str, meta: &Meta<'_>) -> Result<(), String> {
    if state.cancelled || state.expired || state.is_stopped_from_outside() {
        return Err("the run is about to end".to_owned());
    }
    let rollout = state.rollout.as_mut().ok_or("there is no rollout")?;
    if rollout.course != Course::Done || rollout.state != named {
        return Err("the rollout has not succeeded".to_owned());
    }
    rollout.turn(Course::Undoing, meta.time);
    state.place = Place::Rollout { state: named.to_owned() };
    Ok(())
}

/// What lies between the waves, and pauses.
fn wait(rollout: &mut RolloutState, event: &Event, meta: &Meta<'_>) -> Result<(), String> {
    let over = matches!(rollout.course, Course::Done | Course::Undone | Course::Failed);
    let done = rollout.is_wave_done().then_some(rollout.wave);
    let here = |wave: u32| Some(wave) == done;
    match (event, &mut rollout.between) {
        (Event::RolloutPaused { reason, .. }, _) if !over && rollout.paused.is_none() => {
            let (by, since) = (meta.actor.clone(), meta.time);
            rollout.paused = Some(Pause { by, since, reason: reason.clone() });
        }
        (Event::RolloutResumed { .. }, _) if rollout.paused.is_some() => {
            rollout.resume(meta.time);
            rollout.fill();
        }
        (Event::BakeStarted { wave, until, .. }, Between::Wave) if here(*wave) => {
            rollout.bakes = rollout.bakes.saturating_add(1);
            rollout.between = Between::Baking { until: *until };
        }
        (
            Event::BakeEnded { wave, .. } | Event::Promoted { wave, past: Past::Bake, .. },
            Between::Baking { .. },
        ) if *wave == rollout.wave => rollout.between = Between::Passed { holds: 0 },
        (Event::RolloutHeld { wave, need, .. }, Between::Wave) if here(*wave) => {
            rollout.between = Between::Held { holds: 0, by: Default::default(), need: *need };
        }
        (Event::RolloutHeld { wave, need, .. }, Between::Passed { holds })
            if *wave == rollout.wave =>
        {
            let holds = *holds;
            rollout.between = Between::Held { holds, by: Default::default(), need: *need };
        }
        (
            Event::Promoted { wave, past: Past::Hold, member, .. },
            Between::Held { holds, by, need },
        ) if *wave == rollout.wave && !by.contains(member) => {
            by.insert(member.clone());
            if u32::try_from(by.len()).is_ok_and(|by| by >= *need) {
                rollout.between = Between::Passed { holds: holds.saturating_add(1) };
            }
        }
        _ => return Err("the rollout does not wait so".to_owned()),
    }
    Ok(())
}

/// The next step at a target, when one on the way forward or back was done.
pub(crate) fn advance(rollout: &mut RolloutState, index: u32) {
    let phase = rollout.phase(index);
    let path = rollout.path.of(rollout.is_switch(index));
    if phase.is_undoing() {
        match path.undo_next(phase) {
            Some(next) => rollout.begin(index, next),
            // Nothing restores it, so it is as the rollout has left it.
            None if rollout.details.contains(index) => rollout.leave(index, Phase::Failed),
            None => rollout.leave(index, Phase::Unchecked),
        }
        return;
    }
    let next = path.next(phase);
    match rollout.course {
        Course::RollingOut => match next {
            Some(next) => rollout.begin(index, next),
            None => rollout.leave(index, Phase::Healthy),
        },
        course => {
            let back = rollout.undo_first(index).filter(|_| course == Course::Stopping);
            match (back, next, phase) {
                (Some(back), ..) => rollout.begin(index, back),
                (None, None, _) => rollout.leave(index, Phase::Healthy),
                (None, Some(_), Phase::PreChecking) => rollout.leave(index, Phase::Waiting),
                (None, Some(_), Phase::Draining) => rollout.leave(index, Phase::Drained),
                (None, Some(_), _) => rollout.leave(index, Phase::Unchecked),
            }
        }
    }
}

fn step_done(rollout: &mut RolloutState, of: &OfTarget, step: &str) -> Result<u32, String> {
    let index = place(rollout, of)?;
    let phase = rollout.phase(index);
    let fits = phase.step().is_some_and(|under_way| {
        under_way.as_str() == step && !matches!(under_way, Step::Deploy | Step::Check)
    });
    let path = rollout.path.of(rollout.is_switch(index));
    // The last step of these restores it, and is another event.
    let last = matches!(phase, Phase::Restoring | Phase::UndoUndraining);
    if !fits || (last && path.undo_next(phase).is_none()) {
        return Err(format!("the target `{}` is {phase:?}", of.target));
    }
    if matches!(phase, Phase::Undraining | Phase::Returning) {
        rollout.drained.remove(index);
    }
    Ok(index)
}

fn target_failed(rollout: &mut RolloutState, of: &OfTarget) -> Result<(), String> {
    let phases = [
        Phase::PreChecking,
        Phase::Draining,
        Phase::Deploying,
        Phase::Verifying,
        Phase::Undraining,
        Phase::Checking,
    ];
    let index = expect(rollout, of, &phases)?;
    rollout.failed = rollout.failed.saturating_add(1);
    // It must still show which targets failed when all are restored.
    let detail = of.detail.clone().unwrap_or_else(|| "it failed".to_owned());
    rollout.details.insert(index, detail);
    let path = rollout.path.of(rollout.is_switch(index));
    let at_once = path.undoes_failed && rollout.course != Course::Undoing;
    match (rollout.phase(index), rollout.undo_first(index)) {
        (Phase::PreChecking, _) => rollout.leave(index, Phase::FailedUndone),
        (_, Some(back)) if at_once => rollout.begin(index, back),
        // Nobody knows whether it is out of service.
        (Phase::Draining, _) => rollout.leave(index, Phase::Drained),
        _ => rollout.leave(index, Phase::Failed),
    }
    Ok(())
}

/// What people have done with one target.
fn see_to(rollout: &mut RolloutState, event: &Event) -> Result<(), String> {
    match event {
        Event::TargetRechecked(of) => {
            let index = expect(rollout, of, &[Phase::Unclear])?;
            rollout.unclear.remove(&index);
            rollout.details.remove(index);
            again(&mut rollout.again, index);
            rollout.begin(index, Phase::Checking);
            rollout.fill();
        }
        Event::TargetRetried(of) => {
            let phases = [Phase::Stuck, Phase::Failed, Phase::FailedUndone];
            let index = expect(rollout, of, &phases)?;
            if let Some(phase) = rollout.stuck.remove(&index) {
                rollout.unrestored.remove(index);
                again(&mut rollout.undone_again, index);
                rollout.begin(index, phase);
                return Ok(());
            }
            if rollout.course != Course::RollingOut || !rollout.queue.insert(index) {
                return Err(format!("the target `{}` is not tried again", of.target));
            }
            if rollout.phase(index) == Phase::FailedUndone {
                again(&mut rollout.undone_again, index);
            }
            again(&mut rollout.again, index);
            rollout.failed = rollout.failed.saturating_sub(1);
            rollout.between = Between::Wave;
            rollout.fill();
        }
        Event::TargetSkipped(of) => {
            let (index, phase) = put_aside(rollout, of)?;
            let untouched = matches!(phase, Phase::Waiting | Phase::FailedUndone);
            let left = if untouched { Phase::Skipped } else { Phase::PassedOver };
            if phase == Phase::Stuck {
                // It may be undone with all the others yet.
                again(&mut rollout.undone_again, index);
            }
            if rollout.course == Course::RollingOut {
                rollout.skipped = rollout.skipped.saturating_add(1);
            } else {
                rollout.taken_over = rollout.taken_over.saturating_add(1);
            }
            rollout.leave(index, left);
        }
        Event::TargetTakenOver(of) => {
            let (index, _) = put_aside(rollout, of)?;
            rollout.drained.remove(index);
            rollout.taken_over = rollout.taken_over.saturating_add(1);
            rollout.leave(index, Phase::TakenOver);
        }
        _ => return Err("nobody does that with a target".to_owned()),
    }
    Ok(())
}

/// Lets a target out of the rollout's account of what is to be seen to.
fn put_aside(rollout: &mut RolloutState, of: &OfTarget) -> Result<(u32, Phase), String> {
    let phases = [Phase::Waiting, Phase::Unclear, Phase::Failed, Phase::FailedUndone, Phase::Stuck];
    let index = expect(rollout, of, &phases)?;
    let phase = rollout.phase(index);
    let failed = phase.has_failed() || phase == Phase::Stuck;
    if rollout.course == Course::RollingOut {
        let counted = failed && !rollout.queue.contains(index);
        rollout.failed = rollout.failed.saturating_sub(u32::from(counted));
    } else if phase != Phase::Stuck {
        return Err(format!("the target `{}` is {phase:?}", of.target));
    }
    rollout.queue.remove(index);
    rollout.unclear.remove(&index);
    rollout.stuck.remove(&index);
    Ok((index, phase))
}

fn again(counts: &mut std::collections::BTreeMap<u32, u32>, index: u32) {
    let count = counts.entry(index).or_default();
    *count = count.saturating_add(1);
}

/// The number of the target that an event is about.
fn place(rollout: &RolloutState, of: &OfTarget) -> Result<u32, String> {
    let index = of.number.checked_sub(1).filter(|index| rollout.target(*index) == of.target);
    index
        .filter(|_| of.state == rollout.state)
        .ok_or_else(|| format!("target {} is not `{}`", of.number, of.target))
}

/// The target that an event is about, if it is where the event can follow.
fn expect(rollout: &RolloutState, of: &OfTarget, phases: &[Phase]) -> Result<u32, String> {
    let index = place(rollout, of)?;
    let phase = rollout.phase(index);
    if !phases.contains(&phase) {
        return Err(format!("the target `{}` is {phase:?}", of.target));
    }
    Ok(index)
}
