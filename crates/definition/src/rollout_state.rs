//! The state of a rollout: which target is where, and which are worked on now.
//!
//! Everything that is asked at every event (what is in flight, what comes next, how many failed)
//! is kept beside the targets, so that no event looks through all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Actor, Digest, EffectId, MemberId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    event_data::{CheckTimes, Gate, OfTarget},
    model::Wave,
    rollout_moves::Moves,
    rollout_steps::{Path, Phase, Step},
    sharing::{SharedMap, SharedSet},
    target_names::TargetNames,
    work_window::WorkTimes,
};

/// The name of what comes after the last target, in a rollout with a `switch`.
pub(crate) const SWITCH: &str = "switch";

/// A rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RolloutState {
    pub(crate) state: String,
    pub(crate) visit: u32,
    /// The targets, and the switch after them if there is one.
    pub(crate) targets: TargetNames,
    /// How many targets are done by the end of each wave; the switch is a wave of its own.
    pub(crate) waves: Arc<Vec<u32>>,
    /// What lies between a wave and the next.
    pub(crate) gates: Arc<Vec<Gate>>,
    pub(crate) check: Option<CheckTimes>,
    /// The digest of its plan.
    #[serde(default)]
    pub(crate) plan: Option<Digest>,
    /// How many may fail before it is turned round: with the last of them it is.
    pub(crate) failures_max: u32,
    /// How many may be worked on at once.
    pub(crate) parallel: usize,
    /// How many may be out of service at once.
    pub(crate) unavailable_max: Option<u32>,
    /// The steps that there are at a target.
    pub(crate) path: Path,
    /// How it is undone.
    pub(crate) undo: Undo,
    pub(crate) phases: Vec<Phase>,
    /// The wave that is worked on, from 1; 0 before the first.
    pub(crate) wave: u32,
    /// What of the gate after the wave is passed.
    pub(crate) between: Between,
    /// How many bakes there were, one that goes on after a pause counted anew.
    pub(crate) bakes: u32,
    /// The next target to begin with.
    pub(crate) next: u32,
    /// The targets that are to be begun before that: people want them tried again, or they were asked
    /// for and taken back.
    pub(crate) queue: SharedSet,
    /// The targets that are worked on.
    pub(crate) active: SharedSet,
    /// Where targets were whose first step is asked for, or the first that undoes them, unless they
    /// waited.
    #[serde(default)]
    pub(crate) before: SharedMap<Phase>,
    /// The targets whose check told nothing.
    pub(crate) unclear: BTreeSet<u32>,
    /// The targets that could not be undone, and the step that failed.
    pub(crate) stuck: BTreeMap<u32, Phase>,
    /// The targets that were taken out of service and are not back yet.
    pub(crate) drained: SharedSet,
    /// How many have failed and were not seen to since.
    pub(crate) failed: u32,
    /// How many of those are as they failed: nothing has undone them.
    pub(crate) down: u32,
    /// How many were skipped.
    pub(crate) skipped: u32,
    /// How many are in a person's hands, or were left as they are when the rollout was undone.
    pub(crate) taken_over: u32,
    /// How often a target was tried again.
    pub(crate) again: BTreeMap<u32, u32>,
    /// How often undoing a target was tried again.
    pub(crate) undone_again: BTreeMap<u32, u32>,
    /// What went wrong at a target on the way forward; it stays when the target is restored.
    pub(crate) details: SharedMap<String>,
    /// Why a target could not be restored at the last attempt.
    pub(crate) unrestored: SharedMap<String>,
    pub(crate) course: Course,
    /// Who has paused it.
    pub(crate) paused: Option<Pause>,
    /// How often it was paused before.
    pub(crate) pauses: u32,
    /// How long it was paused before, in all.
    pub(crate) paused_for: SignedDuration,
    /// The window within which targets are begun with.
    #[serde(default)]
    pub(crate) window: Option<WorkTimes>,
    /// When undoing: targets from here on need not be looked at any more.
    pub(crate) undo_below: u32,
    /// When undoing: how many were begun.
    pub(crate) undo_from: u32,
    /// Which targets have moved lately.
    #[serde(skip)]
    pub(crate) moves: Moves,
}

/// How a rollout is undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Undo {
    /// How many of those that were begun are undone by the end of each wave.
    pub(crate) waves: Arc<Vec<Wave>>,
    /// How many are undone at once.
    pub(crate) parallel: usize,
}

/// A pause, and who wanted it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub(crate) by: Actor,
    pub(crate) since: Timestamp,
    pub(crate) reason: String,
}

/// Where a rollout is after a wave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Between {
    /// Nowhere: the wave is worked on, or nothing of its gate has begun.
    #[default]
    Wave,
    /// It bakes, until a time.
    Baking { until: Timestamp },
    /// The bake is over, and so many of its holds are released.
    Passed { holds: usize },
    /// It is held, after so many holds that were released: these have promoted it, of as many as
    /// must.
    Held { holds: usize, by: BTreeSet<MemberId>, need: u32 },
}

/// Where a rollout is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Course {
    /// Forward.
    RollingOut,
    /// Nowhere: what is in flight ends.
    Stopping,
    /// Back: what is in flight ends, then everything is undone in reverse.
    Undoing,
    /// It is over.
    Done,
    /// It is over and was undone.
    Undone,
    /// It is over and neither succeeded nor was undone.
    Failed,
}

impl RolloutState {
    /// How many targets there are, the switch included.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.targets.len()).unwrap_or(u32::MAX)
    }

    /// The name of a target.
    pub(crate) fn target(&self, index: u32) -> &str {
        self.targets.name(index)
    }

    /// Whether this is the switch, and no target.
    pub(crate) fn is_switch(&self, index: u32) -> bool {
        self.path.switch && index.saturating_add(1) == self.count()
    }

    /// Where a target is.
    pub(crate) fn phase(&self, index: u32) -> Phase {
        self.phases.get(at(index)).copied().unwrap_or(Phase::Waiting)
    }

    /// Moves a target on.
    pub(crate) fn set(&mut self, index: u32, phase: Phase) {
        let Some(place) = self.phases.get_mut(at(index)) else { return };
        let before = std::mem::replace(place, phase);
        self.moves.add(index);
        if before == Phase::Failed {
            self.down = self.down.saturating_sub(1);
        }
        if phase == Phase::Failed {
            self.down = self.down.saturating_add(1);
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

    /// What lies after the wave that is worked on.
    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.wave == self.wave)
    }

    /// The step that is under way at a target that is worked on.
    pub(crate) fn step(&self, index: u32) -> Option<Step> {
        self.phase(index).step()
    }

    /// The effect of a step; it does not depend on when it is asked for.
    pub(crate) fn effect(&self, index: u32, step: Step) -> EffectId {
        let (state, visit, target) = (&self.state, self.visit, self.target(index));
        let again = if step.is_undo() { &self.undone_again } else { &self.again };
        let step = step.as_str();
        EffectId::new(match again.get(&index) {
            None => format!("{state}#{visit}/{target}/{step}"),
            Some(again) => {
                format!("{state}#{visit}/{target}/{step}-{}", again.saturating_add(1))
            }
        })
    }

    /// The timer that ends the bake that is under way.
    pub(crate) fn bake_effect(&self) -> EffectId {
        EffectId::new(format!("{}#{}/bake-{}", self.state, self.visit, self.bakes))
    }

    /// The target and step of an effect that is under way.
    pub(crate) fn find(&self, effect: &EffectId) -> Option<(u32, Step)> {
        // A target may have any name, and a step none with a stroke.
        let (place, _) = effect.as_str().rsplit_once('/')?;
        let place = place.strip_prefix(self.state.as_str())?.strip_prefix('#')?;
        let index = self.targets.index_of(place.split_once('/')?.1)?;
        let step = self.step(index)?;
        (self.effect(index, step) == *effect).then_some((index, step))
    }

    /// The number of a target, by its name.
    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        self.targets.index_of(name)
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
        self.active.remove(index);
        self.before.remove(index);
        self.set(index, phase);
        self.fill();
    }

    /// What went wrong at a target, the last first.
    pub(crate) fn error(&self, index: u32) -> Option<String> {
        match (self.unrestored.get(index), self.details.get(index)) {
            (Some(last), Some(first)) => Some(format!("{last} (before that: {first})")),
            (one, other) => one.or(other).cloned(),
        }
    }

    /// Gives what may be begun with to the workers, in order.
    pub(crate) fn fill(&mut self) {
        // What was begun is brought to its end, whoever pauses; nothing else begins.
        if self.paused.is_some() {
            return;
        }
        match self.course {
            Course::RollingOut => self.fill_forward(),
            Course::Undoing => self.fill_back(),
            Course::Stopping | Course::Done | Course::Undone | Course::Failed => {}
        }
    }

    fn fill_forward(&mut self) {
        // The failure that reaches the limit comes before the turn that follows from it: nothing
        // may begin in between.
        if self.has_failed() || self.is_shut() {
            return;
        }
        while let Some(index) = self.candidate()
            && !self.rests_forward()
            && self.has_room_for(index)
        {
            if !self.queue.remove(index) {
                self.next = index.saturating_add(1);
            }
            self.begin_first(index, self.path.first(self.is_switch(index)));
        }
    }

    /// The target that comes next in the wave that is worked on: first those that are tried again.
    fn candidate(&self) -> Option<u32> {
        let end = self.wave_end(self.wave);
        let next = || (self.next..end).find(|index| self.phase(*index) == Phase::Waiting);
        self.queue.first().or_else(next)
    }

    fn has_room_for(&self, index: u32) -> bool {
        // What is tried again is out of service already.
        let itself = u32::from(self.phase(index) == Phase::Failed);
        let working = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        let out = working.saturating_add(self.down).saturating_sub(itself);
        self.unavailable_max.is_none_or(|most| out < most) && self.active.len() < self.parallel
    }

    /// Begins with the first step at a target, or the first that undoes it.
    fn begin_first(&mut self, index: u32, phase: Phase) {
        let before = self.phase(index);
        self.begin(index, phase);
        if before != Phase::Waiting {
            self.before.insert(index, before);
        }
    }

    /// Whether nothing has been done at a target since it was begun with, or since it is undone.
    pub(crate) fn is_at_first_step(&self, index: u32) -> bool {
        let phase = self.phase(index);
        if phase.is_undoing() {
            self.before.contains(index)
        } else {
            phase == self.path.first(self.is_switch(index))
        }
    }

    /// Begins with a step at a target.
    pub(crate) fn begin(&mut self, index: u32, phase: Phase) {
        self.before.remove(index);
        if matches!(phase, Phase::Draining | Phase::UndoDraining) {
            self.drained.insert(index);
        }
        self.set(index, phase);
        self.active.insert(index);
    }

    /// Undoes in reverse order: strictly so, when one is undone at a time.
    fn fill_back(&mut self) {
        let may_begin = |one: &Self| one.undo_below > 0 && one.active.len() < one.undo.parallel;
        // To undo a target while something still deploys to it would race.
        if !may_begin(self) || self.active.iter().any(|index| !self.phase(index).is_undoing()) {
            return;
        }
        while may_begin(self) {
            let index = self.undo_below.saturating_sub(1);
            // A wave begins when all of the one before are undone.
            let waits = !self.active.is_empty() || !self.stuck.is_empty();
            if waits && self.begins_undo_wave(index) {
                return;
            }
            self.undo_below = index;
            if let Some(phase) = self.undo_first(index) {
                self.begin_first(index, phase);
            }
        }
    }

    /// Whether a target is the first that is undone of a wave other than the first.
    fn begins_undo_wave(&self, index: u32) -> bool {
        let done = self.undo_from.saturating_sub(index.saturating_add(1));
        if done == 0 {
            return false;
        }
        let after_switch = self.path.switch && index.saturating_add(2) == self.count();
        after_switch || self.undo.waves.iter().any(|wave| wave.end(self.undo_from) == done)
    }

    /// What undoes a target first, if something does.
    pub(crate) fn undo_first(&self, index: u32) -> Option<Phase> {
        let path = self.path.of(self.is_switch(index));
        path.undo_first(self.phase(index), self.drained.contains(index))
    }

    /// Turns the rollout round, or stops it. Steps that are under way end first: to restore a
    /// target while something still deploys to it would race. Checks are given up.
    pub(crate) fn turn(&mut self, course: Course, at: Timestamp) {
        self.resume(at);
        self.course = course;
        self.between = Between::Wave;
        let queued = std::mem::take(&mut self.queue);
        let failed = queued.iter().filter(|index| self.phase(*index).has_failed()).count();
        self.failed = self.failed.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX));
        let unclear = std::mem::take(&mut self.unclear);
        let checking: Vec<u32> = self
            .active
            .iter()
            .filter(|index| self.phase(*index) == Phase::Checking)
            .chain(unclear)
            .collect();
        for index in checking {
            self.active.remove(index);
            self.set(index, Phase::Unchecked);
        }
        self.undo_below = self.next;
        self.undo_from_last_begun();
        self.fill();
    }

    /// Leaves those out of the undoing that were asked for and not begun, behind all that were.
    pub(crate) fn undo_from_last_begun(&mut self) {
        while self.undo_below > 0 && self.phase(self.undo_below.saturating_sub(1)) == Phase::Waiting
        {
            self.undo_below = self.undo_below.saturating_sub(1);
        }
        self.undo_from = self.undo_below;
    }

    /// Ends a pause, if there is one, and adds up how long it was.
    pub(crate) fn resume(&mut self, at: Timestamp) {
        let Some(pause) = self.paused.take() else { return };
        let span = at.duration_since(pause.since).max(SignedDuration::ZERO);
        self.paused_for = self.paused_for.saturating_add(span);
        // A clock that is set anew is another effect.
        self.pauses = self.pauses.saturating_add(1);
        if let Between::Baking { until } = &mut self.between {
            *until = until.saturating_add(span).unwrap_or(Timestamp::MAX);
            self.bakes = self.bakes.saturating_add(1);
        }
    }

    /// Whether so many targets have failed that it goes no further: as many as may, or all that
    /// there were.
    pub(crate) fn has_failed(&self) -> bool {
        let all = self.count().saturating_sub(u32::from(self.path.switch));
        let gone = self.failed.saturating_add(self.skipped);
        let last = self.count().saturating_sub(1);
        let unswitched =
            self.is_switch(last) && self.phase(last).has_failed() && !self.queue.contains(last);
        self.failed >= self.failures_max || (self.failed > 0 && gone >= all) || unswitched
    }

    /// Whether the wave that is worked on is done.
    pub(crate) fn is_wave_done(&self) -> bool {
        self.active.is_empty() && !self.rests_forward() && self.candidate().is_none()
    }

    /// Whether all that was to be undone, or to end, has.
    pub(crate) fn is_back(&self) -> bool {
        let left = self.course == Course::Undoing && self.undo_below > 0;
        self.active.is_empty() && self.stuck.is_empty() && !left
    }

    /// Whether the gate after the wave is passed.
    pub(crate) fn is_past_gate(&self) -> bool {
        let Some(gate) = self.gate() else { return true };
        match &self.between {
            Between::Wave => gate.bake_ms == 0 && gate.holds.is_empty(),
            Between::Passed { holds } => *holds >= gate.holds.len(),
            Between::Baking { .. } | Between::Held { .. } => false,
        }
    }

    /// Whether whatever is asked for may begin.
    pub(crate) fn is_free(&self) -> bool {
        self.course == Course::RollingOut
            && self.paused.is_none()
            && !self.is_shut()
            && !self.rests_forward()
    }

    fn rests_forward(&self) -> bool {
        !self.unclear.is_empty() || !self.stuck.is_empty()
    }

    /// Whether what has failed leaves no room to go on.
    pub(crate) fn is_starved(&self) -> bool {
        self.course == Course::RollingOut
            && self.paused.is_none()
            && self.active.is_empty()
            && !self.has_failed()
            && self.candidate().is_some_and(|index| !self.has_room_for(index))
    }

    /// The targets that have failed and leave no room to go on, where that is so.
    pub(crate) fn in_the_way(&self) -> Vec<u32> {
        if !self.is_starved() {
            return Vec::new();
        }
        (0..self.count()).filter(|index| self.phase(*index) == Phase::Failed).collect()
    }

    /// Whether a person must decide before it can go on.
    pub(crate) fn rests(&self) -> bool {
        self.rests_forward() || self.is_starved()
    }

    /// Whether it waits for people or for a time, and nothing is worked on.
    pub(crate) fn is_held(&self) -> bool {
        let between = matches!(self.between, Between::Baking { .. } | Between::Held { .. });
        self.active.is_empty() && (self.paused.is_some() || between)
    }
}

/// An index into the targets.
fn at(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
