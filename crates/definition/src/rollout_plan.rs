//! What a run's rollouts would do at which targets, for people who decide about that before it is
//! done. It is the plan with which the rollout would begin, and its steps are asked of the functions
//! that ask for them then.

use holdpoint_core::{
    Items, PlanDrift,
    plan::{Plan, Planned, PlannedHold, PlannedStep, PlannedTarget, PlannedWave},
};

use crate::{
    drift,
    event::DefinitionEvent as Event,
    model::{Model, StateKind},
    rollout::{self, Made},
    rollout_evolve,
    rollout_model::{Controller, Rollout},
    rollout_state::RolloutState,
    rollout_steps::{Phase, Step},
    state::State,
};

/// The plan of each rollout of a definition, by the names of their states.
pub(crate) fn plans(model: &Model, state: &State, items: &Items) -> Vec<Planned> {
    let rollouts = model.states.iter().filter_map(|(name, one)| match &one.kind {
        StateKind::Rollout(rollout) => Some((name, rollout)),
        _ => None,
    });
    rollouts
        .map(|(name, rollout)| {
            let mut planned = Planned {
                state: name.clone(),
                began_with: None,
                approval: drift::approval(rollout, state, name),
                drift: None,
                plan: None,
                problem: None,
            };
            match rollout::plan(rollout, state, name, items) {
                Ok(made) => {
                    planned.drift = drifted(rollout, state, name, &made);
                    match told(model, rollout, state, &made) {
                        Ok(plan) => planned.plan = Some(plan),
                        Err(problem) => planned.problem = Some(problem),
                    }
                }
                Err(problem) => planned.problem = Some(problem),
            }
            planned.began_with = begun(state, name).and_then(|begun| begun.plan);
            planned
        })
        .collect()
}

/// The rollout of a state that has begun: the one that is under way, or the last.
fn begun(state: &State, name: &str) -> Option<RolloutState> {
    let leaves = state.leaves();
    let in_branches = leaves.iter().filter_map(|(_, focus)| focus.rollout.as_ref());
    let mut begun = state.rollout.iter().chain(in_branches);
    begun.find(|rollout| rollout.state == name).cloned()
}

/// How a plan differs from what it is compared with.
fn drifted(rollout: &Rollout, state: &State, name: &str, made: &Made) -> Option<PlanDrift> {
    let before = match begun(state, name) {
        Some(begun) if begun.plan == Some(made.digest) => return None,
        Some(begun) => rollout::begun_with(rollout, &begun, state).ok()?,
        None => drift::approved_targets(rollout, state, name)?,
    };
    (before != made.targets).then(|| made.targets.since(&before))
}

fn told(model: &Model, rollout: &Rollout, state: &State, made: &Made) -> Result<Plan, String> {
    let started = &made.started;
    let Event::RolloutStarted { selector, .. } = started else {
        return Err("BUG: a plan is no beginning of a rollout".to_owned());
    };
    let mut begun = state.clone();
    rollout_evolve::start(model, &mut begun, started)?;
    let now = begun.rollout.as_ref().ok_or("BUG: the rollout has not begun")?;
    let mut waves = Vec::new();
    for wave in 1..=now.wave_count() {
        let indices = now.wave_end(wave.saturating_sub(1))..now.wave_end(wave);
        let targets = indices.map(|index| target(rollout, now, index, &begun));
        let gate = now.gates.iter().find(|gate| gate.wave == wave);
        let holds = gate.iter().flat_map(|gate| &gate.holds).filter_map(|one| {
            let hold = rollout.hold(*one)?;
            let from = hold.from.as_ref().unwrap_or(&rollout.control);
            let from = from.iter().map(Controller::named).collect();
            Some(PlannedHold { from, need: hold.need })
        });
        waves.push(PlannedWave {
            wave,
            switch: now.path.switch && wave == now.wave_count(),
            targets: targets.collect::<Result<_, _>>()?,
            bake_ms: gate.map(|gate| gate.bake_ms).filter(|bake| *bake > 0),
            holds: holds.collect(),
        });
    }
    Ok(Plan {
        digest: made.digest,
        selector: selector.clone(),
        targets: now.count().saturating_sub(u32::from(now.path.switch)),
        max_failed: now.failures_max,
        max_parallel: u32::try_from(now.parallel).ok().filter(|most| *most < u32::MAX),
        max_unavailable: now.unavailable_max,
        waves,
    })
}

fn target(
    rollout: &Rollout,
    now: &RolloutState,
    index: u32,
    state: &State,
) -> Result<PlannedTarget, String> {
    let path = now.path.of(now.is_switch(index));
    let step = |phase: Phase| -> Result<PlannedStep, String> {
        let step: Step = phase.step().ok_or("BUG: nothing is done in this phase")?;
        let activity = rollout::activity(rollout, now, index, step, state)?;
        let step = step.as_str().to_owned();
        Ok(PlannedStep { step, activity: activity.name, input: activity.input })
    };
    let mut steps = Vec::new();
    let mut phase = Some(path.first(now.is_switch(index)));
    while let Some(at) = phase {
        steps.push(step(at)?);
        phase = path.next(at);
    }
    let mut undo = Vec::new();
    let mut phase = path.undo_first(Phase::Healthy, false);
    while let Some(at) = phase {
        undo.push(step(at)?);
        phase = path.undo_next(at);
    }
    Ok(PlannedTarget {
        target: now.target(index).to_owned(),
        number: index.saturating_add(1),
        steps,
        undo,
    })
}
