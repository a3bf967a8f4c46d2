//! What each event of a rollout makes of its state.

use std::sync::Arc;

use crate::{
    event::{DefinitionEvent as Event, OfTarget},
    evolve::resolve,
    model::{Model, Rollout, StateKind},
    rollout_state::{Course, Phase, RolloutState},
    state::{Place, State},
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
    let Event::RolloutStarted { state: name, targets, waves, check, .. } = event else {
        return Err("a rollout begins with its start".to_owned());
    };
    let rollout = rollout_of(model, name).ok_or_else(|| format!("`{name}` is no rollout"))?;
    let grows = waves.is_sorted_by(|before, after| before < after);
    let last = waves.last().copied().map(usize::try_from);
    if targets.is_empty() || !grows || last != Some(Ok(targets.len())) {
        return Err("the waves do not reach every target".to_owned());
    }
    state.rollout = Some(RolloutState {
        state: name.clone(),
        visit: state.visit(name),
        targets: Arc::clone(targets),
        waves: Arc::clone(waves),
        check: *check,
        // Where every target has failed nothing has succeeded, however many may fail.
        failures_max: rollout.max_failed.min(u32::try_from(targets.len()).unwrap_or(u32::MAX)),
        parallel: usize::try_from(rollout.max_parallel).unwrap_or(usize::MAX),
        phases: vec![Phase::Waiting; targets.len()],
        wave: 0,
        next: 0,
        active: Default::default(),
        unclear: Default::default(),
        stuck: Default::default(),
        failed: 0,
        taken_over: 0,
        again: Default::default(),
        details: Default::default(),
        unrestored: Default::default(),
        course: Course::RollingOut,
        undo_below: 0,
    });
    state.place = Place::Rollout { state: name.clone() };
    Ok(())
}

/// Adds an event to the rollout that is under way.
pub(crate) fn evolve(state: &mut State, event: &Event) -> Result<(), String> {
    let rollout = state.rollout.as_mut().ok_or("there is no rollout")?;
    match event {
        Event::WaveStarted { wave, .. } => {
            if rollout.course != Course::RollingOut
                || *wave != rollout.wave.saturating_add(1)
                || *wave > rollout.wave_count()
                || !rollout.is_wave_done()
            {
                return Err(format!("wave {wave} is not the next"));
            }
            rollout.wave = *wave;
            rollout.fill();
        }
        Event::TargetDeployed(of) => {
            let index = expect(rollout, of, &[Phase::Deploying])?;
            match (rollout.check, rollout.course) {
                (Some(_), Course::RollingOut) => rollout.set(index, Phase::Checking),
                (Some(_), _) => rollout.leave(index, Phase::Unchecked),
                (None, _) => rollout.leave(index, Phase::Healthy),
            }
        }
        Event::TargetHealthy(of) => {
            let index = expect(rollout, of, &[Phase::Checking, Phase::Unclear])?;
            rollout.unclear.remove(&index);
            rollout.details.remove(&index);
            rollout.leave(index, Phase::Healthy);
        }
        Event::TargetFailed(of) => {
            let index = expect(rollout, of, &[Phase::Deploying, Phase::Checking])?;
            rollout.failed = rollout.failed.saturating_add(1);
            // It must still show which targets failed when all are restored.
            let detail = of.detail.clone().unwrap_or_else(|| "it failed".to_owned());
            rollout.details.insert(index, detail);
            rollout.leave(index, Phase::Failed);
        }
        Event::TargetInconclusive(of) => {
            let index = expect(rollout, of, &[Phase::Checking])?;
            rollout.unclear.insert(index);
            rollout.details.extend(of.detail.clone().map(|detail| (index, detail)));
            rollout.leave(index, Phase::Unclear);
        }
        Event::TargetRechecked(of) => {
            let index = expect(rollout, of, &[Phase::Unclear])?;
            rollout.unclear.remove(&index);
            rollout.details.remove(&index);
            again(rollout, index);
            rollout.set(index, Phase::Checking);
            rollout.active.insert(index);
            rollout.fill();
        }
        Event::UndoStarted { .. } if rollout.course == Course::RollingOut => {
            rollout.turn(Course::Undoing);
        }
        Event::RolloutStopped { .. } if rollout.course == Course::RollingOut => {
            rollout.turn(Course::Stopping);
        }
        Event::TargetRestored(of) => {
            let index = expect(rollout, of, &[Phase::Restoring])?;
            rollout.leave(index, Phase::Restored);
        }
        Event::TargetStuck(of) => {
            let index = expect(rollout, of, &[Phase::Restoring])?;
            rollout.stuck.insert(index);
            rollout.unrestored.extend(of.detail.clone().map(|detail| (index, detail)));
            rollout.leave(index, Phase::Stuck);
        }
        Event::TargetRetried(of) => {
            let index = expect(rollout, of, &[Phase::Stuck])?;
            rollout.stuck.remove(&index);
            rollout.unrestored.remove(&index);
            again(rollout, index);
            rollout.set(index, Phase::Restoring);
            rollout.active.insert(index);
        }
        Event::TargetTakenOver(of) => {
            let index = expect(rollout, of, &[Phase::Stuck])?;
            rollout.stuck.remove(&index);
            rollout.taken_over = rollout.taken_over.saturating_add(1);
            rollout.leave(index, Phase::TakenOver);
        }
        Event::RolloutFinished { state: name, outcome } => {
            let forward = rollout.course == Course::RollingOut;
            let over = if forward {
                rollout.is_wave_done() && rollout.wave == rollout.wave_count()
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

fn again(rollout: &mut RolloutState, index: u32) {
    let count = rollout.again.entry(index).or_default();
    *count = count.saturating_add(1);
}

/// The target that an event is about, if it is where the event can follow.
fn expect(rollout: &RolloutState, of: &OfTarget, phases: &[Phase]) -> Result<u32, String> {
    let index = of.number.checked_sub(1).filter(|index| rollout.target(*index) == of.target);
    let index = index.ok_or_else(|| format!("target {} is not `{}`", of.number, of.target))?;
    let phase = rollout.phase(index);
    if of.state != rollout.state || !phases.contains(&phase) {
        return Err(format!("the target `{}` is {phase:?}", of.target));
    }
    Ok(index)
}
