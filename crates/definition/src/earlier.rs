//! The rollouts of a run that ended badly before its last one began: they are no more than shown.

use holdpoint_core::view::{EarlierRolloutView, TargetView};
use serde::{Deserialize, Serialize};

use crate::{
    rollout_state::{Course, RolloutState},
    rollout_steps::Phase,
    state::State,
};

/// How many of them are kept, the last: a run can go round in a circle.
const ROLLOUTS_MAX: usize = 10;
/// How many targets are kept of each, the first at which something went wrong.
const TARGETS_MAX: usize = 10;

/// A rollout that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Earlier {
    pub(crate) state: String,
    course: Course,
    targets: u32,
    failed: u32,
    wrong: Vec<Wrong>,
}

/// A target at which something went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrong {
    target: String,
    wave: u32,
    phase: Phase,
    error: Option<String>,
}

/// Keeps what is shown of a rollout in whose place another is shown from now on, if it ended badly.
pub(crate) fn keep(state: &mut State, rollout: &RolloutState) {
    if !matches!(rollout.course, Course::Undone | Course::Failed) {
        return;
    }
    let wrong = (0..rollout.count())
        .filter_map(|index| Some((index, rollout.error(index)?)))
        .take(TARGETS_MAX)
        .map(|(index, error)| Wrong {
            target: rollout.target(index).to_owned(),
            wave: rollout.wave_of(index),
            phase: rollout.phase(index),
            error: Some(error),
        })
        .collect();
    state.earlier.push(Earlier {
        state: rollout.state.clone(),
        course: rollout.course,
        targets: rollout.count(),
        failed: rollout.failed,
        wrong,
    });
    let over = state.earlier.len().saturating_sub(ROLLOUTS_MAX);
    state.earlier.drain(..over);
}

/// What they look like, in the order in which they were.
pub(crate) fn view(state: &State) -> Vec<EarlierRolloutView> {
    let one = |earlier: &Earlier| EarlierRolloutView {
        state: earlier.state.clone(),
        phase: if earlier.course == Course::Undone { "undone" } else { "failed" },
        failed: earlier.failed,
        count: earlier.targets,
        targets: earlier.wrong.iter().map(target).collect(),
    };
    state.earlier.iter().map(one).collect()
}

fn target(wrong: &Wrong) -> TargetView {
    TargetView {
        target: wrong.target.clone(),
        wave: wrong.wave,
        state: wrong.phase.as_str(),
        error: wrong.error.clone(),
    }
}
