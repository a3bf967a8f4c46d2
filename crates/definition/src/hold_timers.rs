//! What a hold does by itself while it is open: reminders, escalation, and going on where nobody
//! objects.

use std::collections::BTreeSet;

use holdpoint_core::{Effect, EffectId, EffectKind, Refusal, RefusalCode};
use jiff::{SignedDuration, Timestamp};

use crate::{
    approval::Asked,
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    hold_model::{Approver, Hold, Remind, listed},
    hold_state::HoldState,
    model::{Term, Timed},
    phrase,
};

impl HoldState {
    fn effect(&self, what: &str) -> EffectId {
        EffectId::new(format!("{}#{}/{what}", self.hold, self.visit))
    }

    /// The moment `span` after the opening; never, where no time is so late.
    fn after(&self, span: SignedDuration) -> Option<Timestamp> {
        self.opened.checked_add(span).ok()
    }

    /// Until when somebody may object, where the hold is a witness point.
    pub(crate) fn objection_until(&self, hold: &Hold) -> Option<Timestamp> {
        hold.witness.as_ref().map(|one| self.after(one.span).unwrap_or(Timestamp::MAX))
    }

    /// The next reminder, and when it is due.
    fn next_reminder(&self, hold: &Hold) -> Option<(u32, Timestamp)> {
        let next = self.reminded.checked_add(1)?;
        let remind = hold.approval.as_ref()?.remind.as_ref()?;
        if matches!(remind, Remind::After(_)) && next > 1 {
            return None;
        }
        match remind.term() {
            Term::Timed(Timed::Fixed(span)) => {
                let times = i32::try_from(next).ok()?;
                Some((next, self.after(span.checked_mul(times)?)?))
            }
            Term::Timed(Timed::Computed(_)) | Term::Working { .. } => Some((next, self.reminds?)),
        }
    }

    /// When others may approve as well.
    fn escalation(&self, hold: &Hold) -> Option<Timestamp> {
        let escalate = hold.approval.as_ref()?.escalate.as_ref()?;
        let due = match &escalate.after {
            Term::Timed(Timed::Fixed(span)) => self.after(*span),
            Term::Timed(Timed::Computed(_)) | Term::Working { .. } => self.escalates,
        };
        due.filter(|_| !self.escalated)
    }

    /// The timers that are set besides those of the wait and of the deadline. What would come
    /// after the deadline does not come at all, and nobody is reminded of what is approved.
    pub(crate) fn timers(&self, hold: &Hold) -> Vec<Effect> {
        let mut timers = Vec::new();
        let mut add = |id: EffectId, due: Timestamp| {
            if self.ends().is_none_or(|ends| due <= ends) {
                timers.push(Effect { id, kind: EffectKind::Timer { due } });
            }
        };
        if let Some(until) = self.objection_until(hold).filter(|_| !self.witnessed) {
            add(self.effect("witness"), until);
        }
        if hold.approval.is_some() && !self.is_approved() {
            if let Some((next, due)) = self.next_reminder(hold) {
                add(self.effect(&format!("remind-{next}")), due);
            }
            if let Some(due) = self.escalation(hold) {
                add(self.effect("escalate"), due);
            }
        }
        timers
    }
}

impl Draft<'_> {
    /// Decides what one of [`HoldState::timers`] does, if `effect` is one that is due, and says so.
    pub(crate) fn hold_timer(&mut self, effect: &EffectId) -> bool {
        let Some((open, definition)) = self.hold() else { return false };
        let now = self.at.now;
        let is_due = open.timers(definition).iter().any(|timer| {
            timer.id == *effect && matches!(timer.kind, EffectKind::Timer { due } if due <= now)
        });
        if !is_due {
            return false;
        }
        let hold = open.hold.clone();
        if *effect == open.effect("witness") {
            // A deadline that nobody has noticed yet resolves the hold as it was then.
            let late = open.is_past(now);
            self.not_objected();
            if !late {
                self.release();
            }
        } else if *effect == open.effect("escalate") {
            let escalate = definition.approval.as_ref().and_then(|one| one.escalate.as_ref());
            let to = escalate.map(|one| one.to.iter().map(Approver::named).collect());
            self.emit(Event::Escalated { hold, to: to.unwrap_or_default() });
        } else {
            let reminder = latest_reminder(open, definition, now);
            let to = self.could_approve();
            let (next, counted) = self.reminder_after(open, definition);
            self.emit(Event::Reminded { hold, reminder, to, next, counted });
        }
        true
    }

    /// Notes that nobody has objected, where the time for that is over.
    pub(crate) fn not_objected(&mut self) {
        let Some((open, definition)) = self.hold() else { return };
        let hold = open.hold.clone();
        if let Some(until) = open.objection_until(definition).filter(|_| !open.witnessed) {
            self.emit(Event::NotObjected { hold, until });
        }
    }

    /// Who could approve now and has not, in their own place or another's.
    fn could_approve(&self) -> BTreeSet<holdpoint_core::MemberId> {
        let Some((open, Hold { approval: Some(approval), .. })) = self.hold() else {
            return BTreeSet::new();
        };
        let asked = Asked::of(approval, open, &self.state);
        asked.could(self.at).into_iter().map(|voter| voter.id.clone()).collect()
    }

    /// Decides an objection.
    pub(crate) fn object(&mut self, named: Option<&str>, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let Some((open, definition)) = self.hold() else {
            return Err(not_awaited("nothing in this run goes on by itself now"));
        };
        if let Some(named) = named.filter(|named| *named != open.hold) {
            return Err(not_awaited(format!("the hold `{named}` is not open"))
                .needs(format!("the open hold is `{}`", open.hold)));
        }
        let (Some(witness), Some(until)) = (&definition.witness, open.objection_until(definition))
        else {
            return Err(not_awaited(format!("the hold `{}` asks for no objections", open.hold)));
        };
        self.in_time(open)?;
        if open.witnessed || until <= self.at.now {
            return Err(not_awaited(format!(
                "objections to `{}` were due before {}",
                open.hold,
                phrase::moment(until)
            )));
        }
        if !witness.from.iter().any(|from| from.is(id, member)) {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not object to `{}`: {} may", open.hold, listed(&witness.from)),
            ));
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("an objection needs a reason"));
        }
        self.emit(Event::Objected {
            hold: open.hold.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
        });
        self.go_on();
        Ok(())
    }
}

/// The reminder whose time came last: those that nobody noticed in time are left out.
fn latest_reminder(open: &HoldState, hold: &Hold, now: Timestamp) -> u32 {
    let next = open.reminded.saturating_add(1);
    let remind = hold.approval.as_ref().and_then(|one| one.remind.as_ref());
    let Some(Remind::Every(Term::Timed(Timed::Fixed(span)))) = remind else {
        return next;
    };
    let passed = now.duration_since(open.opened).as_nanos();
    let due = passed.checked_div(span.as_nanos()).and_then(|due| u32::try_from(due).ok());
    due.unwrap_or(next).max(next)
}
