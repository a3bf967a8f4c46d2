//! What a rollout looks like to a person: how far it has come, what it waits for, and what can be
//! done next.

use holdpoint_core::{
    MemberId, Moment, NextAsk, NextStep, Steering,
    view::{BetweenView, Candidate, PauseView, RolloutView, TargetView},
};

use crate::{
    hold_model::listed,
    hold_steps::window_steps,
    model::Model,
    phrase,
    rollout_control::{may_promote, open_hold, undoable},
    rollout_evolve::rollout_of,
    rollout_model::Rollout,
    rollout_state::{Between, Course, RolloutState},
    state::{Place, State},
};

/// How many targets a sentence names.
const NAMED_MAX: usize = 5;

/// What can be done about a rollout that is under way.
pub(crate) fn steps(model: &Model, rollout: &RolloutState, at: &Moment<'_>) -> Vec<NextStep> {
    let Some(definition) = rollout_of(model, &rollout.state) else { return Vec::new() };
    let steer = |steering, text: String| steer(rollout, steering, text);
    let mut steps = Vec::new();
    if let Some(pause) = &rollout.paused {
        let by = pause.by.member().map_or("the engine", MemberId::as_str);
        steps.push(steer(Steering::Resume, format!("go on, after the pause of {by}")));
    }
    let goes_on = rollout.paused.is_none();
    if goes_on && !rollout.unclear.is_empty() {
        let targets = named(rollout, rollout.unclear.iter());
        steps.push(steer(Steering::Promote, format!("take {targets} for healthy")));
        steps.push(steer(Steering::Retry, format!("check {targets} again")));
    }
    if !rollout.stuck.is_empty() {
        let targets = named(rollout, rollout.stuck.keys());
        if goes_on {
            steps.push(steer(Steering::Retry, format!("try again to restore {targets}")));
        }
        steps.push(steer(Steering::TakeOver, format!("restore {targets} by hand and say so")));
    }
    if rollout.rests() {
        steps.push(steer(Steering::Skip, "leave a target as it is".to_owned()));
    }
    let in_the_way = rollout.in_the_way();
    if !in_the_way.is_empty() {
        let targets = named(rollout, in_the_way.iter());
        steps.push(steer(Steering::Retry, format!("try {targets} again")));
    }
    if let (Some(window), Some(defined)) = (&rollout.window, &definition.window)
        && window.shut
        && rollout.course == Course::RollingOut
    {
        steps.extend(window_steps(&rollout.state, &window.asked, &defined.overriders, at));
    }
    match &rollout.between {
        Between::Baking { until } if goes_on => {
            steps.push(NextStep::told(format!("wait until {}", phrase::moment(*until))));
            if *until > at.now {
                let text = "go on before the time is over".to_owned();
                steps.push(steer(Steering::Promote, text));
            }
        }
        Between::Held { .. } if goes_on => {
            let from = open_hold(definition, rollout).map(|hold| promoters(definition, hold));
            let from = from.unwrap_or_default();
            let text = format!("go on after wave {}, as {from}", rollout.wave);
            steps.push(steer(Steering::Promote, text));
        }
        _ => {}
    }
    if rollout.course == Course::RollingOut {
        if goes_on && !rollout.is_held() && !rollout.rests() {
            steps.push(steer(Steering::Pause, "begin nothing new".to_owned()));
        }
        let what = if definition.can_undo() { "undo the rollout" } else { "go no further" };
        steps.push(steer(Steering::Abort, what.to_owned()));
    }
    steps
}

fn steer(rollout: &RolloutState, steering: Steering, text: String) -> NextStep {
    NextStep::ask(text, NextAsk::Steer { steering, state: rollout.state.clone(), over: Vec::new() })
}

/// How the run can come back to a rollout that was done.
pub(crate) fn way_back(model: &Model, state: &State, rollout: &RolloutState) -> Option<NextStep> {
    let definition = rollout_of(model, &rollout.state)?;
    let done = rollout.course == Course::Done && state.is_where(model, &rollout.state);
    (done && definition.can_undo()).then(|| {
        let whom = listed(&definition.control);
        let text = format!("undo the rollout of `{}`, as {whom}", rollout.state);
        steer(rollout, Steering::Rollback, text)
    })
}

fn promoters(definition: &Rollout, hold: &crate::rollout_model::WaveHold) -> String {
    listed(hold.from.as_ref().unwrap_or(&definition.control))
}

fn named<'a>(rollout: &RolloutState, indices: impl ExactSizeIterator<Item = &'a u32>) -> String {
    let count = indices.len();
    let shown: Vec<&str> = indices.take(NAMED_MAX).map(|index| rollout.target(*index)).collect();
    let more = count.saturating_sub(shown.len());
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// How far a rollout has come.
pub(crate) fn view(
    model: &Model,
    state: &State,
    rollout: &RolloutState,
    at: &Moment<'_>,
) -> RolloutView {
    RolloutView {
        state: rollout.state.clone(),
        visit: rollout.visit,
        steerable: steerable(model, state, rollout, at),
        phase: phase(rollout),
        wave: rollout.wave,
        waves: rollout.wave_count(),
        failed: rollout.failed,
        failed_max: rollout.failures_max,
        skipped: rollout.skipped,
        paused: rollout.paused.as_ref().map(|pause| PauseView {
            by: pause.by.clone(),
            since: pause.since,
            reason: pause.reason.clone(),
        }),
        between: between(model, state, rollout, at),
        targets: (0..rollout.count())
            .map(|index| TargetView {
                target: rollout.target(index).to_owned(),
                wave: rollout.wave_of(index),
                state: rollout.phase(index).as_str(),
                error: rollout.error(index),
            })
            .collect(),
    }
}

/// What could be wanted of a rollout as a whole, whoever may want it.
fn steerable(
    model: &Model,
    state: &State,
    rollout: &RolloutState,
    at: &Moment<'_>,
) -> Vec<Steering> {
    if !matches!(state.place, Place::Rollout { .. }) {
        let undoable = !undoable(model, state).is_empty();
        return if undoable { vec![Steering::Rollback] } else { Vec::new() };
    }
    let forward = rollout.course == Course::RollingOut;
    let can_undo = rollout_of(model, &rollout.state).is_some_and(Rollout::can_undo);
    let waits = match rollout.between {
        Between::Baking { until } => until > at.now,
        Between::Held { .. } => true,
        Between::Wave | Between::Passed { .. } => false,
    };
    let (unclear, stuck) = (!rollout.unclear.is_empty(), !rollout.stuck.is_empty());
    let all = [
        (Steering::Pause, rollout.paused.is_none()),
        (Steering::Resume, rollout.paused.is_some()),
        (Steering::Abort, forward),
        (Steering::Rollback, forward && can_undo),
        (Steering::Promote, waits || unclear),
        (Steering::Retry, unclear || stuck || rollout.is_starved()),
        (Steering::TakeOver, stuck),
    ];
    all.into_iter().filter(|(_, takes)| *takes).map(|(steering, _)| steering).collect()
}

fn phase(rollout: &RolloutState) -> &'static str {
    match (rollout.course, &rollout.between) {
        (Course::Done, _) => "done",
        (Course::Undone, _) => "undone",
        (Course::Failed, _) => "failed",
        _ if rollout.paused.is_some() => "paused",
        _ if rollout.rests() => "stuck",
        (Course::Undoing, _) => "undoing",
        (_, Between::Baking { .. }) => "baking",
        (_, Between::Held { .. }) => "held",
        _ if rollout.waits_for_window() => "waiting",
        _ => "rolling_out",
    }
}

fn between(
    model: &Model,
    state: &State,
    rollout: &RolloutState,
    at: &Moment<'_>,
) -> Option<BetweenView> {
    let wave = rollout.wave;
    match &rollout.between {
        // While it is paused nobody knows until when.
        Between::Baking { until } => {
            let until = rollout.paused.is_none().then_some(*until);
            let (by, candidates) = (Vec::new(), Vec::new());
            Some(BetweenView { wave, until, by, need: 0, candidates })
        }
        Between::Held { by, need, .. } => {
            let definition = rollout_of(model, &rollout.state)?;
            let hold = open_hold(definition, rollout)?;
            let from = hold.from.as_ref().unwrap_or(&definition.control);
            let mut candidates: Vec<Candidate> = at
                .project
                .members()
                .iter()
                .filter(|(id, member)| from.iter().any(|one| one.is(state, id, member)))
                .map(|(id, member)| {
                    let lacks = if by.contains(id) {
                        Some("has promoted it".to_owned())
                    } else {
                        may_promote(definition, hold, state, id, member).err().map(|(_, why)| why)
                    };
                    Candidate { member: id.clone(), lacks }
                })
                .collect();
            candidates.sort_by_key(|candidate| candidate.lacks.is_some());
            let by = by.iter().cloned().collect();
            Some(BetweenView { wave, until: None, by, need: *need, candidates })
        }
        Between::Wave | Between::Passed { .. } => None,
    }
}
