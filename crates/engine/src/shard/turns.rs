//! Attempts that wait for their turn, where their number is limited.

use std::collections::{BTreeSet, HashMap};

use holdpoint_core::{Action, EffectId};

use super::Shard;
use crate::{
    deciding::own_command,
    limit_desk::Permit,
    limits::Ticket,
    slot::{Phase, Step, Waiting},
};

/// Whether an attempt may begin. Where its number is limited, a place is asked for first.
pub(super) fn turn(
    permits: &mut HashMap<EffectId, Permit>,
    effect: &EffectId,
    attempt: u32,
    may_ask: bool,
    ask: impl FnOnce() -> Option<Permit>,
) -> bool {
    if let Some(permit) = permits.get(effect).filter(|one| one.is_for(attempt)) {
        return permit.granted;
    }
    let Some(permit) = may_ask.then(ask).flatten() else { return true };
    permits.insert(effect.clone(), permit);
    false
}

impl Shard {
    /// Begins an attempt whose turn has come.
    pub(super) fn admitted(&mut self, ticket: &Ticket) {
        let Some(slot) = self.slots.get_mut(&ticket.run) else { return };
        // One that is not wanted any more has given its place back.
        let permit = slot.permits.get_mut(&ticket.effect);
        let Some(permit) = permit.filter(|one| one.is_for(ticket.attempt)) else { return };
        permit.granted = true;
        if slot.phase == Phase::Ready {
            self.settle_some(ticket.run, BTreeSet::from([ticket.effect.clone()]));
            self.pump(ticket.run);
        } else {
            slot.news.insert(ticket.effect.clone());
        }
    }

    /// Records that an attempt waits, unless that is known.
    pub(super) fn queued(&mut self, ticket: Ticket, waits_for: String, before: u32) {
        let Ticket { run, effect, attempt } = ticket;
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let permit = slot.permits.get_mut(&effect);
        let Some(permit) = permit.filter(|one| one.is_for(attempt) && !one.is_told) else { return };
        permit.is_told = true;
        if slot.stepping.insert(effect.clone()) {
            let step = Step::Queue(effect.clone());
            let action = Action::AttemptQueued { effect, attempt, waits_for, before };
            let command = Box::new(own_command(action));
            slot.waiting.push_back(Waiting::Own { command, step });
            self.pump(run);
        }
    }
}
