//! The state of a rollout: which target is where, and which are worked on now.
//!
//! Everything that is asked at every event (what is in flight, what comes next, how many failed)
//! is kept beside the targets, so that no event looks through all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::EffectId;
use serde::{Deserialize, Serialize};

use crate::event::{CheckTimes, OfTarget};

/// A rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RolloutState {
    pub(crate) state: String,
    pub(crate) visit: u32,
    pub(crate) targets: Arc<Vec<String>>,
    /// How many targets are done by the end of each wave.
    pub(crate) waves: Arc<Vec<u32>>,
    pub(crate) check: Option<CheckTimes>,
    /// How many may fail before it is turned round: with the last of them it is.
    pub(crate) failures_max: u32,
    /// How many may be worked on at once.
    pub(crate) parallel: usize,
    pub(crate) phases: Vec<Phase>,
    /// The wave that is worked on, from 1; 0 before the first.
    pub(crate) wave: u32,
    /// The next target to begin with.
    pub(crate) next: u32,
    /// The targets that are worked on.
    pub(crate) active: BTreeSet<u32>,
    /// The targets whose check told nothing.
    pub(crate) unclear: BTreeSet<u32>,
    /// The targets that could not be restored.
    pub(crate) stuck: BTreeSet<u32>,
    pub(crate) failed: u32,
    pub(crate) taken_over: u32,
    /// How often a target's check or restoration was asked for again.
    pub(crate) again: BTreeMap<u32, u32>,
    /// What went wrong at a target on the way forward; it stays when the target is restored.
    pub(crate) details: BTreeMap<u32, String>,
    /// Why a target could not be restored at the last attempt.
    #[serde(default)]
    pub(crate) unrestored: BTreeMap<u32, String>,
    pub(crate) course: Course,
    /// When undoing: targets from here on need not be looked at any more.
    pub(crate) undo_below: u32,
}

/// Where a rollout is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Course {
    /// Forward.
    RollingOut,
    /// Nowhere: what is in flight ends.
    Stopping,
    /// Back.
    Undoing,
    /// It is over.
    Done,
    /// It is over and was undone.
    Undone,
    /// It is over and neither succeeded nor was undone.
    Failed,
}

/// Where a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Waiting,
    Deploying,
    Checking,
    /// Its check told nothing.
    Unclear,
    /// Its check was given up when the rollout stopped.
    Unchecked,
    Healthy,
    Failed,
    Restoring,
    Restored,
    Stuck,
    TakenOver,
}

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Deploy,
    Check,
    Restore,
}

impl RolloutState {
    /// How many targets there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.targets.len()).unwrap_or(u32::MAX)
    }

    /// The name of a target.
    pub(crate) fn target(&self, index: u32) -> &str {
        self.targets.get(at(index)).map_or("", String::as_str)
    }

    /// Where a target is.
    pub(crate) fn phase(&self, index: u32) -> Phase {
        self.phases.get(at(index)).copied().unwrap_or(Phase::Waiting)
    }

    /// Moves a target on.
    pub(crate) fn set(&mut self, index: u32, phase: Phase) {
        if let Some(place) = self.phases.get_mut(at(index)) {
            *place = phase;
        }
    }

    /// The wave of a target, from 1.
    pub(crate) fn wave_of(&self, index: u32) -> u32 {
        let before = self.waves.partition_point(|end| *end <= index);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// How many waves there are.
    pub(crate) fn wave_count(&self) -> u32 {
        u32::try_from(self.waves.len()).unwrap_or(u32::MAX)
    }

    /// How many targets are done by the end of a wave; 0 before the first.
    pub(crate) fn wave_end(&self, wave: u32) -> u32 {
        wave.checked_sub(1).and_then(|n| self.waves.get(at(n))).copied().unwrap_or(0)
    }

    /// The step that is under way at a target that is worked on.
    pub(crate) fn step(&self, index: u32) -> Option<Step> {
        match self.phase(index) {
            Phase::Deploying => Some(Step::Deploy),
            Phase::Checking => Some(Step::Check),
            Phase::Restoring => Some(Step::Restore),
            _ => None,
        }
    }

    /// The effect of a step; it does not depend on when it is asked for.
    pub(crate) fn effect(&self, index: u32, step: Step) -> EffectId {
        let (state, visit, target) = (&self.state, self.visit, self.target(index));
        let step = match step {
            Step::Deploy => return EffectId::new(format!("{state}#{visit}/{target}/deploy")),
            Step::Check => "check",
            Step::Restore => "restore",
        };
        EffectId::new(match self.again.get(&index) {
            None => format!("{state}#{visit}/{target}/{step}"),
            Some(again) => {
                format!("{state}#{visit}/{target}/{step}-{}", again.saturating_add(1))
            }
        })
    }

    /// The target and step of an effect that is under way.
    pub(crate) fn find(&self, effect: &EffectId) -> Option<(u32, Step)> {
        self.active.iter().find_map(|index| {
            let step = self.step(*index)?;
            (self.effect(*index, step) == *effect).then_some((*index, step))
        })
    }

    /// An event's account of a target.
    pub(crate) fn of(&self, index: u32, detail: Option<String>) -> OfTarget {
        OfTarget {
            state: self.state.clone(),
            target: self.target(index).to_owned(),
            number: index.saturating_add(1),
            wave: self.wave_of(index),
            detail,
        }
    }

    /// Ends the work at a target and begins with whatever has room now.
    pub(crate) fn leave(&mut self, index: u32, phase: Phase) {
        self.active.remove(&index);
        self.set(index, phase);
        self.fill();
    }

    /// What went wrong at a target, the last first.
    pub(crate) fn error(&self, index: u32) -> Option<String> {
        match (self.unrestored.get(&index), self.details.get(&index)) {
            (Some(last), Some(first)) => Some(format!("{last} (before that: {first})")),
            (one, other) => one.or(other).cloned(),
        }
    }

    /// Gives what may be begun with to the workers, in order.
    pub(crate) fn fill(&mut self) {
        match self.course {
            Course::RollingOut => {
                // The failure that reaches the limit comes before the turn that follows from it:
                // nothing may begin in between.
                if self.has_failed() {
                    return;
                }
                let end = self.wave_end(self.wave);
                while self.unclear.is_empty()
                    && self.next < end
                    && self.active.len() < self.parallel
                {
                    self.set(self.next, Phase::Deploying);
                    self.active.insert(self.next);
                    self.next = self.next.saturating_add(1);
                }
            }
            // One at a time, so that the order is strictly the reverse.
            Course::Undoing => {
                while self.active.is_empty() && self.undo_below > 0 {
                    self.undo_below = self.undo_below.saturating_sub(1);
                    let index = self.undo_below;
                    if matches!(
                        self.phase(index),
                        Phase::Unchecked | Phase::Healthy | Phase::Failed
                    ) {
                        self.again.remove(&index);
                        self.set(index, Phase::Restoring);
                        self.active.insert(index);
                    }
                }
            }
            Course::Stopping | Course::Done | Course::Undone | Course::Failed => {}
        }
    }

    /// Turns the rollout round, or stops it. Deployments that are under way end first: to restore
    /// a target while something still deploys to it would race. Checks are given up.
    pub(crate) fn turn(&mut self, course: Course) {
        self.course = course;
        let unclear = std::mem::take(&mut self.unclear);
        let checking: Vec<u32> = self
            .active
            .iter()
            .copied()
            .filter(|index| self.phase(*index) == Phase::Checking)
            .chain(unclear)
            .collect();
        for index in checking {
            self.active.remove(&index);
            self.set(index, Phase::Unchecked);
        }
        self.undo_below = self.next;
        self.fill();
    }

    /// Whether as many targets have failed as may.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed >= self.failures_max
    }

    /// Whether the wave that is worked on is done.
    pub(crate) fn is_wave_done(&self) -> bool {
        self.active.is_empty() && self.unclear.is_empty() && self.next >= self.wave_end(self.wave)
    }

    /// Whether all that was to be undone, or to end, has.
    pub(crate) fn is_back(&self) -> bool {
        let left = self.course == Course::Undoing && self.undo_below > 0;
        self.active.is_empty() && self.stuck.is_empty() && !left
    }

    /// Whether a person must decide before it can go on.
    pub(crate) fn rests(&self) -> bool {
        !self.unclear.is_empty() || !self.stuck.is_empty()
    }
}

/// An index into the targets.
fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
