//! What a rollout has asked for and nobody has begun, when it is paused, rests, waits for its window
//! or is turned round: it is taken back, and asked for anew when the rollout goes on.
//!
//! The run knows what was begun, and says so as soon as [`restraints`] names a step.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{Again, EffectId, Refusal, Restraint};

use crate::{
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    rollout::settle,
    rollout_evolve::advance,
    rollout_state::{Course, RolloutState},
    rollout_steps::Phase,
    state::Place,
};

/// The steps that may not begin as they are asked for.
pub(crate) fn restraints(rollout: &RolloutState) -> BTreeMap<EffectId, Restraint> {
    if rollout.is_free() {
        return BTreeMap::new();
    }
    let restrained = rollout.active.iter().filter_map(|index| {
        let (restraint, step) = (restraint(rollout, index)?, rollout.step(index)?);
        Some((rollout.effect(index, step), restraint))
    });
    restrained.collect()
}

/// Whether somebody has paused the rollout of a place, or of a branch.
pub(crate) fn is_paused(place: &Place, rollout: Option<&RolloutState>) -> bool {
    match place {
        Place::Rollout { .. } => rollout.is_some_and(|rollout| rollout.paused.is_some()),
        Place::All(fork) => {
            fork.branches.values().any(|one| is_paused(&one.place, one.rollout.as_ref()))
        }
        _ => false,
    }
}

/// What may begin of one step, as [`restraints`] has it.
pub(crate) fn restraint_of(rollout: &RolloutState, effect: &EffectId) -> Option<Restraint> {
    if rollout.is_free() {
        return None;
    }
    restraint(rollout, rollout.find(effect)?.0)
}

impl RolloutState {
    /// The steps that are asked for, where nothing of the rollout was begun.
    pub(crate) fn untouched(
        &self,
        begun: &dyn Fn(&EffectId) -> bool,
    ) -> Option<BTreeSet<EffectId>> {
        let is_first = self.course == Course::RollingOut && self.active.len() == self.next as usize;
        if !is_first {
            return None;
        }
        let mut effects = BTreeSet::new();
        for index in self.active.iter() {
            let effect = self.effect(index, self.step(index)?);
            if self.before.contains(index) || !self.is_at_first_step(index) || begun(&effect) {
                return None;
            }
            effects.insert(effect);
        }
        Some(effects)
    }
}

/// What may begin of the step that is asked for at a target.
fn restraint(rollout: &RolloutState, index: u32) -> Option<Restraint> {
    let forward = rollout.course == Course::RollingOut;
    if !forward && !rollout.phase(index).is_undoing() {
        return Some(Restraint { if_begun: true, again: Again::Never });
    }
    // A target that was begun goes through its steps, so that it is not left half-way.
    let if_begun = rollout.is_at_first_step(index);
    if rollout.paused.is_some() {
        return Some(Restraint { if_begun, again: Again::Waits });
    }
    (forward && if_begun).then_some(Restraint { if_begun, again: Again::Begins })
}

/// Decides that steps were not begun.
pub(crate) fn not_begun(
    draft: &mut Draft<'_>,
    effects: &BTreeSet<EffectId>,
) -> Result<Option<String>, Refusal> {
    let none = || not_awaited("the rollout asks for nothing of the kind");
    let rollout = draft.state.rollout.as_ref().ok_or_else(none)?;
    let meant: BTreeSet<u32> =
        effects.iter().filter_map(|effect| Some(rollout.find(effect)?.0)).collect();
    let targets: Vec<String> =
        meant.into_iter().map(|index| rollout.target(index).to_owned()).collect();
    if targets.is_empty() {
        return Err(none());
    }
    let state = rollout.state.clone();
    draft.emit(Event::NotBegun { state, targets });
    Ok(settle(draft))
}

/// Adds that steps were not begun.
pub(crate) fn evolve(rollout: &mut RolloutState, named: &[String]) -> Result<(), String> {
    for target in named {
        let index = rollout.index_of(target).filter(|index| {
            let asked = rollout.step(*index).is_some() && !rollout.is_free();
            asked && restraint(rollout, *index).is_some_and(|restraint| restraint.if_begun)
        });
        let index = index.ok_or_else(|| format!("nothing is taken back at `{target}`"))?;
        take_back(rollout, index);
    }
    rollout.fill();
    Ok(())
}

/// Takes back the step that is asked for at a target: it is where it was before that.
fn take_back(rollout: &mut RolloutState, index: u32) {
    let phase = rollout.phase(index);
    let path = rollout.path.of(rollout.is_switch(index));
    let done = match phase {
        Phase::Deploying if path.drain => Some(Phase::Draining),
        Phase::Undraining if path.verify => Some(Phase::Verifying),
        Phase::Verifying | Phase::Undraining => Some(Phase::Deploying),
        _ => None,
    };
    if let Some(done) = done {
        // As though the rollout had been turned round when the step before ended.
        rollout.set(index, done);
        return advance(rollout, index);
    }
    let before = rollout.before.remove(index).unwrap_or(Phase::Waiting);
    if matches!(phase, Phase::Draining | Phase::UndoDraining) {
        rollout.drained.remove(index);
    }
    rollout.active.remove(index);
    rollout.set(index, before);
    if phase.is_undoing() {
        rollout.undo_below = rollout.undo_below.max(index.saturating_add(1));
        return;
    }
    if rollout.course == Course::RollingOut {
        rollout.queue.insert(index);
    } else {
        rollout.failed = rollout.failed.saturating_add(u32::from(before.has_failed()));
        rollout.undo_from_last_begun();
    }
}
