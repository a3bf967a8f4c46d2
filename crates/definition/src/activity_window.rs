//! The window of an activity that is all that a state does: it begins while that is open.

use holdpoint_core::{EffectId, Refusal};

use crate::{
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    evolve::work_of,
    state::Place,
    windows::{CLOSED, Found},
};

impl Draft<'_> {
    /// Notes whether the window of the activity is open, where that may have changed, and says whether it
    /// has closed on one that is to stop then.
    pub(crate) fn activity_window(&mut self) -> bool {
        let Place::Activity { state, window: Some(window), .. } = &self.state.place else {
            return false;
        };
        let (state, stops) = (state.clone(), window.stops());
        match window.look(self.at) {
            None => false,
            Some(Found::Open(window)) => {
                self.emit(Event::WindowOpened { state, window });
                false
            }
            Some(Found::Closed(outlook)) => {
                self.emit(Event::WindowAwaited { state, outlook });
                stops
            }
        }
    }

    /// Decides what a timer of the activity's window does, if `effect` is one, and says so.
    pub(crate) fn activity_window_timer(&mut self, effect: &EffectId) -> bool {
        let Place::Activity { state, effect: work, window: Some(window), .. } = &self.state.place
        else {
            return false;
        };
        if !window.effects(work.as_str()).iter().any(|one| one.id == *effect) {
            return false;
        }
        let state = state.clone();
        if self.activity_window() {
            self.emit(Event::WorkFailed { state, reason: CLOSED.to_owned() });
            self.go_on();
        }
        true
    }

    /// Decides that a closed window does not keep the activity.
    pub(crate) fn override_activity_window(&mut self, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let none = || not_awaited("this activity waits for no window");
        let Place::Activity { state, window: Some(window), .. } = &self.state.place else {
            return Err(none());
        };
        let defined = work_of(self.model, state).and_then(|work| work.window.as_ref());
        let defined = defined.filter(|_| !window.is_done()).ok_or_else(none)?;
        let not = defined.not.iter().copied();
        self.may_override(state, &defined.overriders, not, id, member)?;
        let event = self.overriding(state, &window.asked, reason)?;
        self.emit(event);
        Ok(())
    }
}
