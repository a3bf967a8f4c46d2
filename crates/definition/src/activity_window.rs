//! The window of an activity that is all that a state does: it begins while that is open.

use holdpoint_core::{EffectId, Refusal};

use crate::{
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    evolve::work_of,
    state::Place,
    windows::CLOSED,
};

impl Draft<'_> {
    /// Notes whether the window of the activity is open, where that may have changed, and says whether it
    /// has closed on one that is to stop then.
    pub(crate) fn activity_window(&mut self) -> bool {
        let Place::Activity { state, window: Some(window), .. } = &self.state.place else {
            return false;
        };
        let (state, stops, found) = (state.clone(), window.stops(), window.look(self.at));
        self.note_work_window(state, stops, found)
    }

    /// As [`Draft::activity_window`], of an activity that nobody has begun; one that is to stop then has failed.
    pub(crate) fn activity_window_anew(&mut self) {
        let Place::Activity { state, window: Some(window), .. } = &self.state.place else {
            return;
        };
        let (state, stops, found) = (state.clone(), window.stops(), window.look_anew(self.at));
        if self.note_work_window(state, stops, found) {
            self.stop_activity();
        }
    }

    fn stop_activity(&mut self) {
        let state = self.state.state().to_owned();
        self.emit(Event::WorkFailed { state, reason: CLOSED.to_owned() });
        self.go_on();
    }

    /// Decides what a timer of the activity's window does, if `effect` is one, and says so.
    pub(crate) fn activity_window_timer(&mut self, effect: &EffectId) -> bool {
        let Place::Activity { effect: work, window: Some(window), .. } = &self.state.place else {
            return false;
        };
        if !window.effects(work.as_str()).iter().any(|one| one.id == *effect) {
            return false;
        }
        if self.activity_window() {
            self.stop_activity();
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
        self.may_override(state, &defined.overriders, &defined.not, id, member)?;
        let event = self.overriding(state, &window.asked, reason)?;
        self.emit(event);
        Ok(())
    }
}
