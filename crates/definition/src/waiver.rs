//! Waivers: a named authority lets a run pass a hold that is not met, with a reason, and owes what
//! must be done afterwards. A waiver is no approval and never looks like one.

use std::collections::BTreeSet;

use holdpoint_core::{
    Effect, EffectId, EffectKind, MemberId, Refusal, RefusalCode, project::Member, view::WaivedView,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    event_data::Opened,
    hold_model::{Approver, Exclusion, Hold, listed},
    hold_state::HoldState,
    node::Span,
    state::State,
    voting::is_excluded,
};

/// Who may let a run pass, past what, and what is owed for it.
#[derive(Debug)]
pub(crate) struct Waiver {
    pub(crate) from: Vec<Approver>,
    pub(crate) not: Vec<Exclusion>,
    /// How many of them must agree.
    pub(crate) need: u32,
    pub(crate) scope: BTreeSet<Waivable>,
    pub(crate) duties: Vec<Afterwards>,
    pub(crate) span: Span,
}

/// What must be done after a waiver, and until when.
#[derive(Debug)]
pub(crate) struct Afterwards {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) within: SignedDuration,
    pub(crate) from: Vec<Approver>,
}

/// A condition that can be waived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waivable {
    Approval,
    Witness,
    Evidence,
    Task,
    Check,
    Wait,
    Signal,
}

impl Waivable {
    pub(crate) const ALL: [Self; 7] = [
        Self::Approval,
        Self::Witness,
        Self::Evidence,
        Self::Task,
        Self::Check,
        Self::Wait,
        Self::Signal,
    ];

    /// Its name in a definition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Witness => "witness",
            Self::Evidence => "evidence",
            Self::Task => "task",
            Self::Check => "check",
            Self::Wait => "wait",
            Self::Signal => "signal",
        }
    }

    /// Whether a hold has it.
    pub(crate) const fn is_of(self, hold: &Hold) -> bool {
        match self {
            Self::Approval => hold.approval.is_some(),
            Self::Witness => hold.witness.is_some(),
            Self::Evidence => !hold.evidence.is_empty(),
            Self::Task => !hold.tasks.is_empty(),
            Self::Check => !hold.checks.is_empty(),
            Self::Wait => hold.wait.is_some(),
            Self::Signal => hold.signal.is_some(),
        }
    }
}

/// A waiver that somebody has given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) member: MemberId,
    pub(crate) reason: String,
}

/// A hold that was passed by a waiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waived {
    pub(crate) hold: String,
    pub(crate) by: BTreeSet<MemberId>,
    pub(crate) reason: String,
    pub(crate) at: Timestamp,
    pub(crate) conditions: Vec<String>,
}

impl HoldState {
    /// Whether as many as must agree have waived the hold.
    pub(crate) fn is_waived(&self, hold: &Hold) -> bool {
        let given = u32::try_from(self.waivers.len()).unwrap_or(u32::MAX);
        hold.waiver.as_ref().is_some_and(|waiver| given >= waiver.need)
    }

    /// Whether a condition does not count because it is waived.
    pub(crate) fn waives(&self, hold: &Hold, what: Waivable) -> bool {
        self.is_waived(hold)
            && hold.waiver.as_ref().is_some_and(|waiver| waiver.scope.contains(&what))
    }

    /// The conditions that are not met although the hold can be passed.
    fn unmet(&self, hold: &Hold, state: &State, now: Timestamp) -> Vec<String> {
        let mut unmet: Vec<String> =
            self.unsatisfied().iter().map(|rule| format!("approval/{rule}")).collect();
        if hold.approval.is_some() && self.rules.is_empty() {
            unmet.push("approval".to_owned());
        }
        if hold.witness.is_some() && !self.witnessed {
            unmet.push("witness".to_owned());
        }
        let demands = hold.demands(self).filter(|one| one.lacks(self, state, now).is_some());
        unmet.extend(demands.map(|demand| demand.key()));
        let tasks = self.tasks.iter().filter(|task| self.unconfirmed(task) > 0);
        unmet.extend(tasks.map(|task| format!("task/{}", task.task)));
        unmet.extend(self.unmet_checks());
        if hold.wait.is_some() && !self.waited {
            unmet.push("wait".to_owned());
        }
        if let Some(signal) = hold.signal.as_ref().filter(|_| !self.signalled) {
            unmet.push(format!("signal/{}", signal.name));
        }
        unmet
    }
}

impl State {
    /// Who has waived the hold that a duty is owed for.
    pub(crate) fn waived_by(&self, hold: &str) -> Option<&BTreeSet<MemberId>> {
        self.waived.iter().rev().find(|one| one.hold == hold).map(|one| &one.by)
    }

    /// What is owed for waivers.
    pub(crate) fn owed_for_waivers(&self) -> impl Iterator<Item = &crate::duties::Duty> {
        self.duties.iter().filter(|duty| duty.waiver.is_some())
    }

    /// Whether the run may be ended by hand, as far as that depends on what it owes.
    pub(crate) fn may_be_given_up(&self) -> bool {
        self.owed_for_waivers().next().is_none()
    }

    /// The timers of what is owed after waivers.
    pub(crate) fn overdue_timers(&self) -> Vec<Effect> {
        let due = |duty: &crate::duties::Duty| {
            let due = duty.due.filter(|_| !duty.overdue)?;
            Some(Effect { id: overdue(duty.number), kind: EffectKind::Timer { due } })
        };
        self.duties.iter().filter_map(due).collect()
    }
}

fn overdue(duty: u32) -> EffectId {
    EffectId::new(format!("duty-{duty}/overdue"))
}

impl Draft<'_> {
    /// Decides that somebody waives the open hold.
    pub(crate) fn waive(&mut self, named: Option<&str>, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let Some((open, definition)) = self.hold() else {
            return Err(not_awaited("no hold of this run is open"));
        };
        if let Some(named) = named.filter(|named| *named != open.hold) {
            return Err(not_awaited(format!("the hold `{named}` is not open"))
                .needs(format!("the open hold is `{}`", open.hold)));
        }
        let Some(waiver) = &definition.waiver else {
            return Err(not_awaited(format!("the hold `{}` cannot be waived", open.hold))
                .needs("its definition would have to name who may: `waiver`"));
        };
        self.in_time(open)?;
        if let Some(one) = waiver.not.iter().copied().find(|one| is_excluded(&self.state, *one, id))
        {
            return Err(Refusal::new(RefusalCode::SelfApproval, format!("`{id}` {}", one.why()))
                .needs(self.who_could_waive(waiver, open)));
        }
        if !waiver.from.iter().any(|from| from.is(id, member)) {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not waive `{}`: {} may", open.hold, listed(&waiver.from)),
            )
            .needs(self.who_could_waive(waiver, open)));
        }
        if open.waivers.iter().any(|one| one.member == *id) {
            return Err(Refusal::new(
                RefusalCode::AlreadyVoted,
                format!("`{id}` has waived `{}` already", open.hold),
            ));
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a waiver needs a reason")
                .needs("say why this cannot wait, for those who review it"));
        }
        self.emit(Event::WaiverGiven {
            hold: open.hold.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            digest: self.state.digest,
            reason: reason.to_owned(),
        });
        self.release();
        Ok(())
    }

    /// A waiver, and those who could give one now.
    fn who_could_waive(&self, waiver: &Waiver, open: &HoldState) -> String {
        let could = |id: &MemberId, member: &Member| {
            waiver.from.iter().any(|from| from.is(id, member))
                && !waiver.not.iter().any(|one| is_excluded(&self.state, *one, id))
                && !open.waivers.iter().any(|one| one.member == *id)
        };
        let members = self.at.project.members().iter();
        let could: Vec<&str> =
            members.filter(|(id, member)| could(id, member)).map(|(id, _)| id.as_str()).collect();
        let whom = listed(&waiver.from);
        if could.is_empty() {
            format!("a waiver by {whom}; no member of the project can give one now")
        } else {
            format!("a waiver by {whom}: {}", could.join(", "))
        }
    }

    /// Lets the run pass the open hold by its waiver, and opens what is owed for that.
    pub(crate) fn pass_by_waiver(&mut self, hold: &str) {
        let Some((open, definition)) = self.hold() else { return };
        let Some(waiver) = &definition.waiver else { return };
        let now = self.at.now;
        let by: BTreeSet<MemberId> = open.waivers.iter().map(|one| one.member.clone()).collect();
        let reasons: Vec<&str> = open.waivers.iter().map(|one| one.reason.as_str()).collect();
        let event = Event::HoldWaived {
            hold: hold.to_owned(),
            by: by.clone(),
            reason: reasons.join("; "),
            conditions: open.unmet(definition, &self.state, now),
        };
        let Some(last) = open.waivers.last().map(|one| one.member.clone()) else { return };
        self.emit(event);
        for Afterwards { name, text, within, .. } in &waiver.duties {
            let duty = self.state.duties_opened.saturating_add(1);
            self.emit(Event::DutyOpened(Opened {
                duty,
                hold: hold.to_owned(),
                by: last.clone(),
                text: text.clone(),
                before: None,
                due: Some(now.saturating_add(*within).unwrap_or(Timestamp::MAX)),
                waiver: Some(name.clone()),
            }));
        }
    }

    /// Notes that a duty was not done in time, if `effect` says so, and says whether it does.
    pub(crate) fn duty_overdue(&mut self, effect: &EffectId) -> bool {
        let now = self.at.now;
        let found = self.state.duties.iter().find_map(|duty| {
            let due = duty.due.filter(|due| !duty.overdue && *due <= now)?;
            (overdue(duty.number) == *effect).then_some((duty.number, due))
        });
        let Some((duty, due)) = found else { return false };
        self.emit(Event::DutyOverdue { duty, due });
        true
    }
}

/// The holds that a run was let past.
pub(crate) fn views(state: &State) -> Vec<WaivedView> {
    let view = |one: &Waived| WaivedView {
        hold: one.hold.clone(),
        by: one.by.iter().cloned().collect(),
        reason: one.reason.clone(),
        at: one.at,
        conditions: one.conditions.clone(),
    };
    state.waived.iter().map(view).collect()
}
