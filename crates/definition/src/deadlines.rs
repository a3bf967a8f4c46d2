//! The time that the work of a state, and a run as a whole, may take.

use holdpoint_core::{Effect, EffectId, EffectKind};
use jiff::{SignedDuration, Timestamp};

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

/// When the time for the work of the state is over; a rollout's until it is turned round, and not
/// while it is paused.
pub(crate) fn of_work(model: &Model, state: &State) -> Option<(EffectId, Timestamp)> {
    let name = state.state();
    let span = model.states.get(name)?.expires?;
    // A pause stops this clock, too.
    let (pauses, paused_for) = match (&state.place, &state.rollout) {
        (Place::Activity { .. }, _) => (0, SignedDuration::ZERO),
        (Place::Rollout { .. }, Some(one))
            if one.course == Course::RollingOut && one.paused.is_none() =>
        {
            (one.pauses, one.paused_for)
        }
        (Place::Child(child), _) if !child.stopping => (0, SignedDuration::ZERO),
        (Place::All(fork), _)
            if !fork.stops()
                && !state.cancelled
                && !state.expired
                && !state.is_stopped_from_outside() =>
        {
            (0, SignedDuration::ZERO)
        }
        _ => return None,
    };
    let again = if pauses == 0 { String::new() } else { format!("-{}", pauses.saturating_add(1)) };
    let id = EffectId::new(format!("{name}#{}/deadline{again}", state.visit(name)));
    let due = state.entered.checked_add(span.checked_add(paused_for)?).ok()?;
    Some((id, due))
}

/// The timers of these deadlines.
pub(crate) fn pending(model: &Model, state: &State) -> Vec<Effect> {
    let deadlines = [of_run(model, state), of_work(model, state)]
        .into_iter()
        .flatten()
        .map(|(id, due)| Effect { id, kind: EffectKind::Timer { due } });
    // What is owed is the run's as a whole.
    let over = state.is_in_branch() || matches!(state.place, Place::Ended { .. });
    let owed = if over { Vec::new() } else { state.overdue_timers() };
    deadlines.chain(owed).collect()
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
