//! When a run is at work on what it touches, as far as that can be told from where it is.

use holdpoint_core::{Moment, conflict::Times};

use crate::{
    check, deadlines,
    lockdown::begins_work,
    model::Model,
    state::{Place, State},
    windows::Found,
};

/// From the wait or the window of the hold that the run is in, where it comes to work by its release alone,
/// and until the end of that window or the deadline of the run.
pub(crate) fn of(model: &Model, state: &State, at: &Moment<'_>) -> Times {
    let deadline = deadlines::of_run(model, state).map(|(_, over)| over);
    let mut times = Times { from: None, until: deadline };
    let Place::Hold(open) = &state.place else { return times };
    // Locks that it holds keep others from the items now.
    if !state.locks.is_empty() || works_otherwise(model, &open.hold) {
        return times;
    }
    times.from = open.until.filter(|_| !open.waited);
    if let Some(window) = open.window.as_ref().filter(|window| window.overridden.is_none())
        && let Found::Closed(outlook) = window.asked.look(at)
    {
        times.from = times.from.max(outlook.opens);
        times.until = [times.until, outlook.closes].into_iter().flatten().min();
    }
    times
}

/// Whether a run comes from a hold to work also by another outcome than its release.
fn works_otherwise(model: &Model, hold: &str) -> bool {
    let Some(state) = model.states.get(hold) else { return true };
    let others = state.on.iter().filter(|(outcome, _)| *outcome != "released");
    others.into_iter().any(|(_, to)| {
        check::ahead(model, &to.name, true).iter().any(|name| begins_work(model, name))
    })
}
