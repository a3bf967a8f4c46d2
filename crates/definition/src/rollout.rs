//! What happens in a rollout: its plan, what the end of each step means, and what people decide
//! where it rests.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{
    Activity, Effect, EffectId, EffectKind, Items, Refusal, RefusalCode, RetryPolicy,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    decide::{Draft, not_awaited, unknown},
    event::{CheckTimes, DefinitionEvent as Event},
    expr::Vars,
    model::{Health, Model, Rollout, Work},
    rollout_evolve::rollout_of,
    rollout_state::{Course, RolloutState, Step},
    state::State,
    template::COMPUTED_BYTES_MAX,
};

/// The activity that checks a target's health.
pub(crate) const HTTP_CHECK: &str = "http-check";

/// The signals by which people steer a rollout.
pub(crate) const STEERING: [&str; 4] =
    ["rollout-continue", "rollout-undo", "rollout-retry", "rollout-take-over"];

/// What a health check takes longer than it watches, at most.
const CHECK_GRACE: SignedDuration = SignedDuration::from_mins(1);

/// Plans a rollout: its targets, its waves, its times. Every template of every step is filled in
/// once for every target, so that none can fail in the middle.
pub(crate) fn plan(
    rollout: &Rollout,
    state: &State,
    name: &str,
    items: &Items,
) -> Result<Event, String> {
    let vars = state.vars();
    let resolved = rollout.targets.resolve(&vars, items)?;
    for target in &resolved.names {
        let vars = Vars { target: Some(target), ..vars };
        let filled = |work: &Work| input(work, &vars, COMPUTED_BYTES_MAX).map(drop);
        filled(&rollout.each)
            .and_then(|()| rollout.rollback.as_ref().map_or(Ok(()), filled))
            .and_then(|()| match &rollout.healthy {
                Some(health) => health.http.render_url(&vars).map(drop),
                None => Ok(()),
            })
            .map_err(|reason| format!("for the target `{target}`: {reason}"))?;
    }
    let count = u32::try_from(resolved.names.len()).map_err(|error| error.to_string())?;
    let mut waves: Vec<u32> = rollout.waves.iter().map(|wave| wave.end(count)).collect();
    // With few targets, waves can end where the one before did, or go on for longer than it.
    let mut reached = 0;
    waves.retain(|end| {
        let grows = *end > reached;
        reached = reached.max(*end);
        grows
    });
    let check = match &rollout.healthy {
        None => None,
        Some(health) => Some(CheckTimes {
            for_ms: millis(health.span.eval(&vars)?),
            every_ms: millis(health.every.eval(&vars)?).max(1),
        }),
    };
    Ok(Event::RolloutStarted {
        state: name.to_owned(),
        waves: Arc::new(resolved.apart(&waves)),
        targets: Arc::new(resolved.names),
        check,
        selector: resolved.selector,
    })
}

fn millis(span: SignedDuration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What a step's worker is given: what the definition says, and the target.
fn input(work: &Work, vars: &Vars<'_>, max: usize) -> Result<Value, String> {
    let mut input = work.with.render(vars, max)?;
    if let (Some(members), Some(target)) = (input.as_object_mut(), vars.target) {
        members.insert("target".to_owned(), target.into());
    }
    Ok(input)
}

/// What a rollout is owed: the step that is under way at each target that is worked on.
pub(crate) fn pending(model: &Model, state: &State, name: &str) -> Vec<Effect> {
    let (Some(rollout), Some(now)) = (rollout_of(model, name), &state.rollout) else {
        return Vec::new();
    };
    now.active
        .iter()
        .filter_map(|index| {
            let step = now.step(*index)?;
            let vars = Vars { target: Some(now.target(*index)), ..state.vars() };
            // The plan has filled in each of these before, with the same values.
            let activity = activity(rollout, now, step, &vars).ok()?;
            let id = now.effect(*index, step);
            Some(Effect { id, kind: EffectKind::Activity(activity) })
        })
        .collect()
}

fn activity(
    rollout: &Rollout,
    now: &RolloutState,
    step: Step,
    vars: &Vars<'_>,
) -> Result<Activity, String> {
    let work = match step {
        Step::Deploy => Some(&rollout.each),
        Step::Restore => rollout.rollback.as_ref(),
        Step::Check => {
            let health = rollout.healthy.as_ref().ok_or("there is no health check")?;
            return check(health, now.check.ok_or("there is no health check")?, vars);
        }
    };
    let work = work.ok_or("there is no such step")?;
    Ok(Activity {
        name: work.run.clone(),
        // The plan has measured it.
        input: input(work, vars, usize::MAX)?,
        timeout: work.timeout,
        retry: work.retry.clone(),
    })
}

fn check(health: &Health, times: CheckTimes, vars: &Vars<'_>) -> Result<Activity, String> {
    let CheckTimes { for_ms, every_ms } = times;
    let watch = SignedDuration::from_millis(i64::try_from(for_ms).unwrap_or(i64::MAX));
    Ok(Activity {
        name: HTTP_CHECK.to_owned(),
        input: json!({
            "url": health.http.render_text(vars)?,
            "expect": health.expect,
            "for_ms": for_ms,
            "every_ms": every_ms,
        }),
        timeout: watch.saturating_add(CHECK_GRACE),
        retry: RetryPolicy::never(),
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
        match rollout.course {
            Course::RollingOut if rollout.has_failed() => {
                let reason = match rollout.failed {
                    1 => "1 target failed".to_owned(),
                    failed => format!("{failed} targets failed"),
                };
                turn_back(draft, &reason);
            }
            Course::RollingOut if !rollout.is_wave_done() => return None,
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

/// Undoes a rollout, or stops it where there is no undoing. One that is not going forward is left
/// as it is.
pub(crate) fn turn_back(draft: &mut Draft<'_>, reason: &str) {
    let (Some(definition), Some(rollout)) = (draft.rollout(), &draft.state.rollout) else {
        return;
    };
    if rollout.course != Course::RollingOut {
        return;
    }
    let (state, reason) = (rollout.state.clone(), reason.to_owned());
    draft.emit(if definition.rollback.is_some() {
        Event::UndoStarted { state, reason }
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
    let rollout = draft.state.rollout.as_ref().ok_or_else(|| unknown(effect))?;
    let (index, step) = rollout.find(effect).ok_or_else(|| unknown(effect))?;
    let event = match step {
        Step::Deploy => Event::TargetDeployed(rollout.of(index, None)),
        Step::Restore => Event::TargetRestored(rollout.of(index, None)),
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
    Ok(settle(draft))
}

/// Decides the failure of a step. A check that could not be made tells nothing.
pub(crate) fn failed(
    draft: &mut Draft<'_>,
    effect: &EffectId,
    error: &str,
) -> Result<Option<String>, Refusal> {
    let rollout = draft.state.rollout.as_ref().ok_or_else(|| unknown(effect))?;
    let (index, step) = rollout.find(effect).ok_or_else(|| unknown(effect))?;
    let of = |detail: String| rollout.of(index, Some(detail));
    let event = match step {
        Step::Deploy => Event::TargetFailed(of(error.to_owned())),
        Step::Restore => Event::TargetStuck(of(error.to_owned())),
        Step::Check => Event::TargetInconclusive(of(format!("the check was not made: {error}"))),
    };
    draft.emit(event);
    Ok(settle(draft))
}

/// Decides what a person wants of a rollout.
pub(crate) fn steer(
    draft: &mut Draft<'_>,
    name: &str,
    data: &Value,
) -> Result<Option<String>, Refusal> {
    draft.responsible("steer this rollout")?;
    let definition = draft.rollout().ok_or_else(|| not_awaited("there is no rollout"))?;
    let rollout = draft.state.rollout.as_ref().ok_or_else(|| not_awaited("there is no rollout"))?;
    if name == "rollout-undo" {
        if definition.rollback.is_none() {
            return Err(not_awaited("this rollout cannot be undone: it has no `rollback`"));
        }
        if rollout.course != Course::RollingOut {
            return Err(not_awaited("the rollout is being undone already"));
        }
        let reason = data.get("reason").and_then(Value::as_str);
        turn_back(draft, reason.unwrap_or("a person decided so"));
        return Ok(settle(draft));
    }
    let detail = data.get("reason").and_then(Value::as_str).map(str::to_owned);
    let only = only_target(data)?;
    let chosen = |among: &BTreeSet<u32>| -> Vec<u32> {
        among
            .iter()
            .copied()
            .filter(|index| only.is_none_or(|only| rollout.target(*index) == only))
            .collect()
    };
    let unclear = chosen(&rollout.unclear);
    let stuck = chosen(&rollout.stuck);
    let of = |index: &u32| rollout.of(*index, detail.clone());
    let events: Vec<Event> = match name {
        "rollout-continue" => unclear.iter().map(of).map(Event::TargetHealthy).collect(),
        "rollout-retry" => {
            let checks = unclear.iter().map(of).map(Event::TargetRechecked);
            checks.chain(stuck.iter().map(of).map(Event::TargetRetried)).collect()
        }
        _ => stuck.iter().map(of).map(Event::TargetTakenOver).collect(),
    };
    if events.is_empty() {
        let refusal = not_awaited(format!("no target waits for `{name}`"));
        return Err(match only {
            Some(only) => refusal.needs(format!("the target `{only}` does not rest")),
            None => refusal,
        });
    }
    for event in events {
        draft.emit(event);
    }
    Ok(settle(draft))
}

fn only_target(data: &Value) -> Result<Option<&str>, Refusal> {
    match data.get("target") {
        None => Ok(None),
        Some(Value::String(target)) => Ok(Some(target)),
        Some(other) => Err(Refusal::new(
            RefusalCode::InvalidInput,
            format!("`{other}` is not the name of a target"),
        )),
    }
}
