//! What happens in a rollout: its plan, what it is owed, and what the end of each step means. What
//! people decide is in `rollout_control`.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{
    Activity, Digest, Effect, EffectId, EffectKind, Items, Refusal, RetryPolicy, Settling,
    TimeLimits, id::Digesting,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::{
    decide::{Draft, unknown},
    event::DefinitionEvent as Event,
    event_data::{CheckTimes, Gate},
    expr::Vars,
    health::Health,
    model::{Model, Work},
    plan_targets::{Mark, PlanTargets},
    rollout_evolve::rollout_of,
    rollout_model::{Controller, GateModel, Order, Rollout},
    rollout_state::{Between, Course, RolloutState, SWITCH},
    rollout_steps::{Phase, Step},
    settling,
    state::State,
    targets::Resolved,
    template::{COMPUTED_BYTES_MAX, Tree},
    windows::{CLOSED, asked},
};

/// What a health check takes longer than it watches, at most.
const CHECK_GRACE: SignedDuration = SignedDuration::from_mins(1);

/// A plan that was made.
pub(crate) struct Made {
    /// The event with which the rollout begins.
    pub(crate) started: Event,
    /// Its digest.
    pub(crate) digest: Digest,
    /// Its targets, to be compared with those of another.
    pub(crate) targets: PlanTargets,
}

/// Plans a rollout: its targets, its waves, its times. Every template of every step is filled in
/// once for every target, so that none can fail in the middle.
pub(crate) fn plan(
    rollout: &Rollout,
    state: &State,
    name: &str,
    items: &Items,
) -> Result<Made, String> {
    let vars = state.vars();
    let resolved = rollout.targets.resolve(&vars, items, |names| arrange(rollout, &vars, names))?;
    if rollout.switch.is_some() && resolved.names.iter().any(|name| name == SWITCH) {
        return Err(format!("no target can be called `{SWITCH}` where there is one"));
    }
    let check = rollout.healthy.as_ref().map(|health| health.times(&vars)).transpose()?;
    let mut digest = Digesting::default();
    let mut marks = String::new();
    for target in &resolved.names {
        let vars = Vars { target: Some(target), ..vars };
        let mut mark = Mark::default();
        at_target(rollout, check, &vars, &mut |bytes| {
            digest.add(bytes);
            mark.add(bytes);
        })?;
        mark.finish(&mut marks);
    }
    let mut add = |bytes: &[u8]| digest.add(bytes);
    if let Some(switch) = &rollout.switch {
        fill(&mut add, &switch.to, &vars)
            .and_then(|()| fill(&mut add, &switch.back, &vars))
            .map_err(|reason| format!("for the switch: {reason}"))?;
    }
    let (waves, gates) = waves(rollout, &resolved, &vars)?;
    let targets = PlanTargets {
        waves: Arc::new(waves),
        names: Arc::new(resolved.names),
        marks: marks.into(),
    };
    let mut started = Event::RolloutStarted {
        state: name.to_owned(),
        waves: Arc::clone(&targets.waves),
        targets: Arc::clone(&targets.names),
        check,
        selector: resolved.selector,
        gates: Arc::new(gates),
        switch: rollout.switch.is_some(),
        window: match &rollout.window {
            None => None,
            Some(window) => Some(asked(&window.times, None, &vars)?),
        },
        plan: None,
    };
    say(&mut add, &started)?;
    let digest = digest.finish();
    if let Event::RolloutStarted { plan, .. } = &mut started {
        *plan = Some(digest);
    }
    Ok(Made { started, digest, targets })
}

/// The targets of a rollout that has begun, as its plan had them.
pub(crate) fn begun_with(
    rollout: &Rollout,
    now: &RolloutState,
    state: &State,
) -> Result<PlanTargets, String> {
    let targets = now.count().saturating_sub(u32::from(now.path.switch));
    let (mut names, mut marks) = (Vec::new(), String::new());
    for index in 0..targets {
        let target = now.target(index);
        let mut mark = Mark::default();
        let vars = Vars { target: Some(target), ..state.vars() };
        at_target(rollout, now.check, &vars, &mut |bytes| mark.add(bytes))?;
        mark.finish(&mut marks);
        names.push(target.to_owned());
    }
    let waves = now.waves.iter().copied().filter(|end| *end <= targets).collect();
    Ok(PlanTargets { names: Arc::new(names), waves: Arc::new(waves), marks: marks.into() })
}

/// Says what is done at a target: every template filled in.
fn at_target(
    rollout: &Rollout,
    check: Option<CheckTimes>,
    vars: &Vars<'_>,
    add: &mut dyn FnMut(&[u8]),
) -> Result<(), String> {
    works_at_targets(rollout)
        .try_for_each(|work| fill(add, work, vars))
        .and_then(|()| match rollout.healthy.as_ref().zip(check) {
            Some((health, times)) => {
                let input = health.planned(times, vars)?;
                say(add, &(health.activity(), input))
            }
            None => Ok(()),
        })
        .map_err(|reason| format!("for the target `{}`: {reason}", vars.target.unwrap_or_default()))
}

/// Fills in what a worker is given, and says it.
fn fill(add: &mut dyn FnMut(&[u8]), work: &Work, vars: &Vars<'_>) -> Result<(), String> {
    let input = input(work, vars, COMPUTED_BYTES_MAX)?;
    say(add, &(&work.run, input))?;
    settling::check(work, vars)
}

/// Says a part of a plan, to whoever makes a digest of it.
fn say(add: &mut dyn FnMut(&[u8]), value: &impl Serialize) -> Result<(), String> {
    add(&serde_json::to_vec(value).map_err(|error| error.to_string())?);
    Ok(())
}

/// The activities that are asked for at each target.
fn works_at_targets(rollout: &Rollout) -> impl Iterator<Item = &Work> {
    let steps = rollout.steps.iter().flat_map(|steps| {
        let drain = steps.drain.iter().flat_map(|(drain, undrain)| [drain, undrain]);
        steps.pre_check.iter().chain(drain).chain(&steps.verify)
    });
    [&rollout.each].into_iter().chain(steps).chain(&rollout.rollback)
}

/// Puts the targets into their order.
fn arrange(rollout: &Rollout, vars: &Vars<'_>, targets: &mut Vec<String>) -> Result<(), String> {
    if rollout.order == Order::Name {
        targets.sort();
    }
    let Some(first) = &rollout.first else { return Ok(()) };
    let first = names(first, vars)?;
    let known: BTreeSet<&str> = targets.iter().map(String::as_str).collect();
    if let Some(unknown) = first.iter().find(|name| !known.contains(name.as_str())) {
        return Err(format!("`{unknown}` is to come first, and is no target of the rollout"));
    }
    let early: BTreeSet<&str> = first.iter().map(String::as_str).collect();
    if early.len() < first.len() {
        return Err("a target is to come first twice".to_owned());
    }
    let rest: Vec<String> =
        targets.iter().filter(|target| !early.contains(target.as_str())).cloned().collect();
    *targets = first.into_iter().chain(rest).collect();
    Ok(())
}

fn names(list: &Tree, vars: &Vars<'_>) -> Result<Vec<String>, String> {
    let Value::Array(items) = list.render(vars, COMPUTED_BYTES_MAX)? else {
        return Err("those that come first are not a list".to_owned());
    };
    items
        .into_iter()
        .map(|item| match item {
            Value::String(name) => Ok(name),
            other => Err(format!("`{other}` is not the name of a target")),
        })
        .collect()
}

/// The waves of these targets, and what lies behind them. With few targets, waves can end where the
/// one before did, or before that: they fall away, and what lies behind them comes after the one
/// before.
fn waves(
    rollout: &Rollout,
    resolved: &Resolved,
    vars: &Vars<'_>,
) -> Result<(Vec<u32>, Vec<Gate>), String> {
    let count = u32::try_from(resolved.names.len()).map_err(|error| error.to_string())?;
    let mut ends: Vec<u32> = Vec::new();
    for entry in &rollout.waves {
        let end = entry.end.end(count);
        if ends.last().is_none_or(|last| end > *last) {
            ends.push(end);
        }
    }
    let apart = resolved.apart(&ends);
    let mut gates: Vec<Gate> = Vec::new();
    let mut reached = 0;
    for (number, entry) in (1_u32..).zip(&rollout.waves) {
        reached = entry.end.end(count).max(reached);
        // Targets that must not be in one wave make more of it: what lies behind it is behind the
        // last of those.
        let wave = apart.partition_point(|end| *end < reached).saturating_add(1);
        add_gate(&mut gates, wave, number, &entry.gate, vars)?;
    }
    if let Some(switch) = &rollout.switch {
        let number = u32::try_from(rollout.waves.len()).unwrap_or(u32::MAX).saturating_add(1);
        add_gate(&mut gates, apart.len().saturating_add(1), number, &switch.gate, vars)?;
    }
    Ok((apart, gates))
}

fn add_gate(
    gates: &mut Vec<Gate>,
    wave: usize,
    number: u32,
    model: &GateModel,
    vars: &Vars<'_>,
) -> Result<(), String> {
    let wave = u32::try_from(wave).map_err(|error| error.to_string())?;
    let bake_ms = match &model.bake {
        None => 0,
        Some(span) => millis(span.eval(vars)?),
    };
    if bake_ms == 0 && model.hold.is_none() {
        return Ok(());
    }
    let holds = model.hold.iter().map(|_| number);
    match gates.last_mut().filter(|gate| gate.wave == wave) {
        Some(gate) => {
            gate.bake_ms = gate.bake_ms.max(bake_ms);
            gate.holds.extend(holds);
        }
        None => gates.push(Gate { wave, bake_ms, holds: holds.collect() }),
    }
    Ok(())
}

fn millis(span: SignedDuration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What a step's worker is given: what the definition says, and the target.
fn input(work: &Work, vars: &Vars<'_>, max: usize) -> Result<Value, String> {
    Ok(settling::with_target(work.with.render(vars, max)?, vars))
}

/// What a rollout is owed: the step that is under way at each target that is worked on, and the end
/// of a bake.
pub(crate) fn pending(model: &Model, state: &State, name: &str) -> Vec<Effect> {
    let (Some(rollout), Some(now)) = (rollout_of(model, name), &state.rollout) else {
        return Vec::new();
    };
    let steps = now.active.iter().filter_map(|index| {
        let step = now.step(index)?;
        // The plan has filled in each of these before, with the same values.
        let activity = activity(rollout, now, index, step, state).ok()?;
        let id = now.effect(index, step);
        Some(Effect { id, kind: EffectKind::Activity(activity) })
    });
    steps.chain(now.bake()).collect()
}

impl RolloutState {
    /// The timer that ends the bake that is under way, if one is.
    fn bake(&self) -> Option<Effect> {
        match self.between {
            Between::Baking { until } if self.paused.is_none() => {
                Some(Effect { id: self.bake_effect(), kind: EffectKind::Timer { due: until } })
            }
            _ => None,
        }
    }

    /// What wakes it.
    pub(crate) fn timers(&self) -> Vec<Effect> {
        let mut timers = self.window_effects();
        timers.extend(self.bake());
        timers
    }

    /// The ids of the steps that it is owed, without filling anything in.
    pub(crate) fn asks(&self) -> impl Iterator<Item = EffectId> {
        self.active.iter().filter_map(|index| Some(self.effect(index, self.step(index)?)))
    }
}

/// The step that is under way under this id, as [`pending`] has it.
pub(crate) fn owed(model: &Model, state: &State, name: &str, effect: &EffectId) -> Option<Effect> {
    let (rollout, now) = (rollout_of(model, name)?, state.rollout.as_ref()?);
    let (index, step) = now.find(effect)?;
    let activity = activity(rollout, now, index, step, state).ok()?;
    Some(Effect { id: effect.clone(), kind: EffectKind::Activity(activity) })
}

/// The activity of a step.
pub(crate) fn activity(
    rollout: &Rollout,
    now: &RolloutState,
    index: u32,
    step: Step,
    state: &State,
) -> Result<Activity, String> {
    let steps = rollout.steps.as_ref();
    let drain = || steps.and_then(|steps| steps.drain.as_ref());
    let switch = rollout.switch.as_ref().filter(|_| now.is_switch(index));
    let target = switch.is_none().then(|| now.target(index));
    let vars = Vars { target, ..state.vars() };
    let work = match step {
        Step::PreCheck => steps.and_then(|steps| steps.pre_check.as_ref()),
        Step::Drain | Step::UndoDrain => drain().map(|(drain, _)| drain),
        Step::Deploy => Some(switch.map_or(&rollout.each, |switch| &switch.to)),
        Step::Verify => steps.and_then(|steps| steps.verify.as_ref()),
        Step::Undrain | Step::UndoUndrain => drain().map(|(_, undrain)| undrain),
        Step::Restore => switch.map(|switch| &switch.back).or(rollout.rollback.as_ref()),
        Step::Check => {
            let health = rollout.healthy.as_ref().ok_or("there is no health check")?;
            return check(health, now.check.ok_or("there is no health check")?, &vars);
        }
    };
    let work = work.ok_or("there is no such step")?;
    // The plan has measured it.
    let input = input(work, &vars, usize::MAX)?;
    Ok(Activity {
        name: work.run.clone(),
        settling: settling::of(work, &input, &vars),
        input,
        timeout: work.timeout,
        limits: work.limits,
        retry: work.retry.clone(),
    })
}

fn check(health: &Health, times: CheckTimes, vars: &Vars<'_>) -> Result<Activity, String> {
    let watch = SignedDuration::from_millis(i64::try_from(times.for_ms).unwrap_or(i64::MAX));
    Ok(Activity {
        name: health.activity().to_owned(),
        input: health.input(times, vars)?,
        timeout: watch.saturating_add(CHECK_GRACE),
        limits: TimeLimits::default(),
        retry: RetryPolicy::never(),
        settling: Settling::default(),
    })
}

/// Does what follows from the state of the rollout without anything more happening, and says
/// where the run goes on if the rollout is over.
pub(crate) fn settle(draft: &mut Draft<'_>) -> Option<String> {
    loop {
        let rollout = draft.state.rollout.as_ref()?;
        if draft.is_broken() {
            return None;
        }
        let state = rollout.state.clone();
        let finished = |outcome: &str| Event::RolloutFinished {
            state: state.clone(),
            outcome: outcome.to_owned(),
        };
        // What ends now has been begun; what follows from it waits for whoever resumes it.
        if rollout.paused.is_some() {
            return None;
        }
        match rollout.course {
            Course::RollingOut if rollout.has_failed() => {
                let reason = failures(rollout);
                turn_back(draft, &reason);
            }
            Course::RollingOut if !rollout.is_wave_done() => return None,
            Course::RollingOut if !rollout.is_past_gate() => {
                let waits = gate(draft)?;
                draft.emit(waits);
            }
            Course::RollingOut if rollout.wave < rollout.wave_count() && rollout.is_shut() => {
                return None;
            }
            Course::RollingOut if rollout.wave < rollout.wave_count() => {
                let wave = rollout.wave.saturating_add(1);
                let targets = rollout.wave_end(wave).saturating_sub(rollout.wave_end(rollout.wave));
                draft.emit(Event::WaveStarted { state, wave, targets });
            }
            Course::RollingOut => {
                draft.emit(finished("succeeded"));
                return draft.resolved();
            }
            Course::Stopping | Course::Undoing if !rollout.is_back() => return None,
            Course::Undoing if rollout.taken_over == 0 => {
                draft.emit(finished("rolled_back"));
                return draft.resolved();
            }
            Course::Stopping | Course::Undoing => {
                draft.emit(finished("failed"));
                return draft.resolved();
            }
            Course::Done | Course::Undone | Course::Failed => return None,
        }
    }
}

/// What begins after a wave that is done, if something does: its bake, and then its holds.
fn gate(draft: &Draft<'_>) -> Option<Event> {
    let rollout = draft.state.rollout.as_ref()?;
    let (state, wave) = (rollout.state.clone(), rollout.wave);
    let gate = rollout.gate()?;
    let holds = match &rollout.between {
        Between::Wave if gate.bake_ms > 0 => {
            let span = SignedDuration::from_millis(i64::try_from(gate.bake_ms).unwrap_or(i64::MAX));
            let until = draft.at.now.saturating_add(span).unwrap_or(Timestamp::MAX);
            return Some(Event::BakeStarted { state, wave, until });
        }
        Between::Wave => 0,
        Between::Passed { holds } => *holds,
        Between::Baking { .. } | Between::Held { .. } => return None,
    };
    let definition = draft.rollout()?;
    let hold = definition.hold(*gate.holds.get(holds)?)?;
    let from = hold.from.as_ref().unwrap_or(&definition.control);
    let from = from.iter().map(Controller::named).collect();
    Some(Event::RolloutHeld { state, wave, from, need: hold.need })
}

/// Decides the end of a bake, if that is what a timer is about.
pub(crate) fn bake_ended(draft: &mut Draft<'_>, effect: &EffectId) -> bool {
    let Some(rollout) = &draft.state.rollout else { return false };
    match rollout.between {
        Between::Baking { until }
            if until <= draft.at.now
                && rollout.paused.is_none()
                && rollout.bake_effect() == *effect => {}
        _ => return false,
    }
    let (state, wave) = (rollout.state.clone(), rollout.wave);
    draft.emit(Event::BakeEnded { state, wave });
    if let Some(next) = settle(draft) {
        draft.enter(next);
    }
    true
}

fn failures(rollout: &RolloutState) -> String {
    let last = rollout.count().saturating_sub(1);
    if rollout.is_switch(last) && rollout.phase(last).has_failed() {
        return "the switch failed".to_owned();
    }
    match rollout.failed {
        1 => "1 target failed".to_owned(),
        failed => format!("{failed} targets failed"),
    }
}

/// Undoes a rollout, or stops it where there is no undoing. One that is not going forward is left
/// as it is, but for a pause, which ends.
pub(crate) fn turn_back(draft: &mut Draft<'_>, reason: &str) {
    let (Some(definition), Some(rollout)) = (draft.rollout(), &draft.state.rollout) else {
        return;
    };
    let (state, reason) = (rollout.state.clone(), reason.to_owned());
    if rollout.course != Course::RollingOut {
        if rollout.paused.is_some() {
            draft.emit(Event::RolloutResumed { state, reason: Some(reason) });
        }
        return;
    }
    draft.emit(if definition.can_undo() {
        Event::UndoStarted { state, reason, over: BTreeSet::new() }
    } else {
        Event::RolloutStopped { state, reason }
    });
}

/// Decides the end of a step.
pub(crate) fn completed(
    draft: &mut Draft<'_>,
    effect: &EffectId,
    output: &Value,
) -> Result<Option<String>, Refusal> {
    let stop = draft.rollout_window();
    let rollout = draft.state.rollout.as_ref().ok_or_else(|| unknown(effect))?;
    let (index, step) = rollout.find(effect).ok_or_else(|| unknown(effect))?;
    let phase = rollout.phase(index);
    let path = rollout.path.of(rollout.is_switch(index));
    let done =
        || Event::TargetStepDone { of: rollout.of(index, None), step: step.as_str().to_owned() };
    let event = match step {
        Step::Deploy => Event::TargetDeployed(rollout.of(index, None)),
        Step::Restore | Step::UndoUndrain
            if path.undo_next(phase).is_none() && phase != Phase::Returning =>
        {
            Event::TargetRestored(rollout.of(index, None))
        }
        Step::PreCheck
        | Step::Drain
        | Step::Verify
        | Step::Undrain
        | Step::UndoDrain
        | Step::Restore
        | Step::UndoUndrain => done(),
        Step::Check => {
            let detail = output.get("detail").and_then(Value::as_str).map(str::to_owned);
            match output.get("verdict").and_then(Value::as_str) {
                Some("passed") => Event::TargetHealthy(rollout.of(index, detail)),
                Some("failed") => Event::TargetFailed(rollout.of(index, detail)),
                Some("inconclusive") => Event::TargetInconclusive(rollout.of(index, detail)),
                _ => Event::TargetInconclusive(
                    rollout.of(index, Some("the check gave no verdict".to_owned())),
                ),
            }
        }
    };
    draft.emit(event);
    if stop {
        turn_back(draft, CLOSED);
    }
    Ok(settle(draft))
}

/// Decides the failure of a step. A check that could not be made tells nothing.
pub(crate) fn failed(
    draft: &mut Draft<'_>,
    effect: &EffectId,
    error: &str,
) -> Result<Option<String>, Refusal> {
    let stop = draft.rollout_window();
    let rollout = draft.state.rollout.as_ref().ok_or_else(|| unknown(effect))?;
    let (index, step) = rollout.find(effect).ok_or_else(|| unknown(effect))?;
    let of = |detail: String| rollout.of(index, Some(detail));
    // Of several steps it must be told which failed.
    let told = match step {
        Step::Deploy | Step::Restore if !rollout.path.undoes_failed => error.to_owned(),
        _ => format!("{}: {error}", step.as_str()),
    };
    let event = match step {
        Step::Check => Event::TargetInconclusive(of(format!("the check was not made: {error}"))),
        step if step.is_undo() => Event::TargetStuck(of(told)),
        _ => Event::TargetFailed(of(told)),
    };
    draft.emit(event);
    if stop {
        turn_back(draft, CLOSED);
    }
    Ok(settle(draft))
}
