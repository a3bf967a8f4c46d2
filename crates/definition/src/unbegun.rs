//! Work that is asked for and of which nothing has begun: what has come meanwhile that keeps it from
//! starting holds it as though it had not been asked for. That is a lockdown, that approvals do not count any
//! more, or that the window of a rollout or an activity has closed.

use std::collections::BTreeSet;

use holdpoint_core::{EffectId, Refusal};

use crate::{
    decide::Draft,
    event::DefinitionEvent as Event,
    rollout, rollout_unbegun,
    state::{Place, State},
    windows::CLOSED,
};

/// The work that is asked for and of which nothing has begun.
pub(crate) fn of(state: &State, begun: &dyn Fn(&EffectId) -> bool) -> BTreeSet<EffectId> {
    match &state.place {
        Place::Activity { effect, .. } => [effect.clone()].into(),
        Place::Child(child) if !child.stopping => [child.effect.clone()].into(),
        Place::Rollout { .. } => {
            let rollout = state.rollout.as_ref();
            return rollout.and_then(|one| one.untouched(begun)).unwrap_or_default();
        }
        Place::All(fork) => {
            let branches = fork.branches.keys();
            let inner = branches
                .filter_map(|branch| state.looking_at(std::slice::from_ref(branch)))
                .flat_map(|inner| of(&inner, begun));
            return inner.collect();
        }
        _ => BTreeSet::new(),
    }
    .into_iter()
    .filter(|effect| !begun(effect))
    .collect()
}

impl Draft<'_> {
    /// Decides what becomes of work that was not begun: where it may not be, it is taken back, and asked for anew
    /// when it may.
    pub(crate) fn may_not_begin(&mut self, effects: &BTreeSet<EffectId>) -> Result<(), Refusal> {
        match &self.state.place {
            Place::Activity { effect, .. } if effects.contains(effect) => {}
            Place::Child(child) if effects.contains(&child.effect) => {}
            Place::Rollout { .. } => {
                if !self.state.rollout.as_ref().is_some_and(|rollout| rollout.is_free()) {
                    let next = rollout_unbegun::not_begun(self, effects)?;
                    next.into_iter().for_each(|next| self.enter(next));
                    return Ok(());
                }
            }
            _ => return Ok(()),
        }
        let state = self.state.state().to_owned();
        let by = self.lockdowns();
        if !by.is_empty() {
            self.emit(Event::LockedDown { state, by });
            return Ok(());
        }
        if self.unqualified_before(&state) {
            return Ok(());
        }
        self.activity_window_anew();
        if matches!(self.state.place, Place::Rollout { .. }) && self.rollout_window_anew() {
            rollout::turn_back(self, CLOSED);
            if let Some(next) = rollout::settle(self) {
                self.enter(next);
            }
        }
        Ok(())
    }
}
