//! The time that the work of a state, and a run as a whole, may take.

use holdpoint_core::{Effect, EffectId, EffectKind};
use jiff::Timestamp;

use crate::{
    decide::Draft,
    event::DefinitionEvent as Event,
    model::Model,
    parallel, rollout,
    rollout_state::Course,
    state::{Place, State},
};

/// When the time for the whole run is over, while that is still to come.
pub(crate) fn of_run(model: &Model, state: &State) -> Option<(EffectId, Timestamp)> {
    let (after, _) = model.expires.as_ref()?;
    let over = matches!(state.place, Place::Begin | Place::Ended { .. });
    if over || state.is_in_branch() || state.expired || state.cancelled {
        return None;
    }
    Some((EffectId::new("run/deadline"), state.started.checked_add(*after).ok()?))
}

/// When the time for the work of the state is over; a rollout's until it is turned round.
pub(crate) fn of_work(model: &Model, state: &State) -> Option<(EffectId, Timestamp)> {
    let name = state.state();
    let span = model.states.get(name)?.expires?;
    let goes_on = match &state.place {
        Place::Activity { .. } => true,
        Place::Rollout { .. } => {
            state.rollout.as_ref().is_some_and(|one| one.course == Course::RollingOut)
        }
        Place::Child(child) => !child.stopping,
        Place::All(fork) => {
            !fork.stops() && !state.cancelled && !state.expired && !state.is_stopped_from_outside()
        }
        _ => false,
    };
    let id = EffectId::new(format!("{name}#{}/deadline", state.visit(name)));
    let due = state.entered.checked_add(span).ok()?;
    goes_on.then_some((id, due))
}

/// The timers of these deadlines.
pub(crate) fn pending(model: &Model, state: &State) -> Vec<Effect> {
    [of_run(model, state), of_work(model, state)]
        .into_iter()
        .flatten()
        .map(|(id, due)| Effect { id, kind: EffectKind::Timer { due } })
        .collect()
}

impl Draft<'_> {
    /// Decides what one of these timers does, if `effect` is one that is due, and says so.
    pub(crate) fn deadline(&mut self, effect: &EffectId) -> bool {
        let now = self.at.now;
        let is = |found: Option<(EffectId, Timestamp)>| {
            found.filter(|(id, due)| id == effect && *due <= now).map(|(_, due)| due)
        };
        let state = self.state.state().to_owned();
        let reason = if let Some(deadline) = is(of_run(self.model, &self.state)) {
            self.emit(Event::Expired { state, deadline });
            "the time for the run was over"
        } else if let Some(deadline) = is(of_work(self.model, &self.state)) {
            if self.stop_child("the time for it was over", Some(deadline)) {
                return true;
            }
            if let Place::Activity { .. } | Place::Child(_) | Place::All(_) = self.state.place {
                self.emit(Event::WorkExpired { state, deadline });
            }
            "the time for it was over"
        } else {
            return false;
        };
        if let Place::Rollout { .. } = self.state.place {
            rollout::turn_back(self, reason);
            if let Some(next) = rollout::settle(self) {
                self.enter(next);
            }
        } else if self.stop_child(reason, None) {
            return true;
        } else if let Place::All(_) = self.state.place {
            self.stop_branches(reason);
            if let Some(next) = parallel::joined(self) {
                self.enter(next);
            }
        } else {
            self.go_on();
        }
        true
    }
}
