//! The window of a rollout: while it is closed nothing is begun with, and when it closes the
//! definition says what becomes of what was.

use holdpoint_core::{Effect, EffectId, Refusal};

use crate::{
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    rollout,
    rollout_state::{Course, RolloutState},
    state::Place,
    windows::CLOSED,
    work_window::WorkTimes,
};

impl RolloutState {
    /// Whether nothing is begun with now.
    pub(crate) fn is_shut(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.shut)
    }

    /// Whether it does nothing but wait for its window.
    pub(crate) fn waits_for_window(&self) -> bool {
        self.course == Course::RollingOut && self.is_shut() && self.active.is_empty()
    }

    fn watched(&self) -> Option<&WorkTimes> {
        let forward = self.course == Course::RollingOut;
        self.window.as_ref().filter(|window| forward && !window.is_done())
    }

    /// What wakes it for its window.
    pub(crate) fn window_effects(&self) -> Vec<Effect> {
        let work = || format!("{}#{}", self.state, self.visit);
        self.watched().map(|window| window.effects(&work())).unwrap_or_default()
    }

    /// Adds an event about its window.
    pub(crate) fn take_window(&mut self, event: &Event) -> Result<(), String> {
        let Self { state: here, window: Some(window), .. } = self else {
            return Err("the rollout has no window".to_owned());
        };
        window.take(here, event)?;
        self.fill();
        Ok(())
    }
}

impl Draft<'_> {
    /// Notes whether the window of the rollout is open, where that may have changed, and says whether
    /// it has closed on one that is to stop then.
    pub(crate) fn rollout_window(&mut self) -> bool {
        let Some(rollout) = &self.state.rollout else { return false };
        let Some(window) = rollout.watched() else { return false };
        let (state, stops, found) = (rollout.state.clone(), window.stops(), window.look(self.at));
        self.note_work_window(state, stops, found)
    }

    /// As [`Draft::rollout_window`], of a rollout of which nothing was begun.
    pub(crate) fn rollout_window_anew(&mut self) -> bool {
        let Some(rollout) = &self.state.rollout else { return false };
        let forward = rollout.course == Course::RollingOut;
        let Some(window) = rollout.window.as_ref().filter(|_| forward) else { return false };
        let (state, stops) = (rollout.state.clone(), window.stops());
        let found = window.look_anew(self.at);
        self.note_work_window(state, stops, found)
    }

    /// Decides what one of [`RolloutState::window_effects`] does, if `effect` is one, and says so.
    pub(crate) fn rollout_window_timer(&mut self, effect: &EffectId) -> bool {
        let Place::Rollout { .. } = self.state.place else { return false };
        let effects = self.state.rollout.as_ref().map(RolloutState::window_effects);
        if !effects.unwrap_or_default().iter().any(|one| one.id == *effect) {
            return false;
        }
        if self.rollout_window() {
            rollout::turn_back(self, CLOSED);
        }
        if let Some(next) = rollout::settle(self) {
            self.enter(next);
        }
        true
    }

    /// Decides that a closed window does not keep the rollout.
    pub(crate) fn override_rollout_window(&mut self, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let none = || not_awaited("this rollout waits for no window");
        let defined =
            self.rollout().and_then(|rollout| rollout.window.as_ref()).ok_or_else(none)?;
        let rollout = self.state.rollout.as_ref().ok_or_else(none)?;
        let window = rollout.watched().ok_or_else(none)?;
        self.may_override(&rollout.state, &defined.overriders, &defined.not, id, member)?;
        let event = self.overriding(&rollout.state, &window.asked, reason)?;
        self.emit(event);
        if let Some(next) = rollout::settle(self) {
            self.enter(next);
        }
        Ok(())
    }
}
