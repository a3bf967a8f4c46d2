//! Duties: what must be done because an approval was given on that condition. A run does not pass
//! the state that a duty is due before, nor end, while the duty is open.

use holdpoint_core::{MemberId, NewDuty, Refusal, RefusalCode, project::Member};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    check,
    decide::{Draft, invalid},
    event::DefinitionEvent as Event,
    event_data::Opened,
    evolve::hold_of,
    hold_model::{Discharger, listed},
    model::{Model, StateKind},
    state::{Place, State},
};

/// How many duties of a run may be open, and how many bytes the text of each may have.
const DUTIES_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 1024;

/// A duty that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Duty {
    pub(crate) number: u32,
    pub(crate) hold: String,
    pub(crate) by: MemberId,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// When it is due, where it is owed for a waiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    /// Which duty of the hold's waiver it is, where it is owed for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiver: Option<String>,
    /// Whether it was not done in time.
    #[serde(default)]
    pub(crate) overdue: bool,
}

impl State {
    /// The duties that keep the run from entering a state. When its time is over, only what is owed for
    /// waivers keeps it from its end.
    pub(crate) fn owed_before<'s>(
        &'s self,
        model: &Model,
        name: &str,
    ) -> impl Iterator<Item = &'s Duty> {
        let end = model.states.get(name).is_some_and(|state| {
            matches!(state.kind, StateKind::End { .. }) && state.within.is_none()
        });
        let over = self.expired;
        self.duties
            .iter()
            .filter(move |duty| !over || duty.waiver.is_some())
            .filter(move |duty| end || duty.before.as_deref() == Some(name))
    }
}

/// Who may discharge a duty, by its hold.
pub(crate) fn dischargers(model: &Model, duty: &Duty) -> Vec<Discharger> {
    let hold = hold_of(model, &duty.hold);
    if let Some(named) = &duty.waiver {
        let waiver = hold.and_then(|hold| hold.waiver.as_ref());
        let owed = waiver.and_then(|waiver| waiver.duties.iter().find(|one| one.name == *named));
        let from = owed.map(|owed| owed.from.as_slice()).unwrap_or_default();
        return from.iter().cloned().map(Discharger::Approver).collect();
    }
    let approval = hold.and_then(|hold| hold.approval.as_ref());
    approval.and_then(|approval| approval.duties.clone()).unwrap_or_default()
}

/// Whether a member may discharge a duty.
///
/// Nobody discharges what is owed for a waiver that they gave: it is others who look at it.
pub(crate) fn may_discharge(
    model: &Model,
    state: &State,
    duty: &Duty,
    id: &MemberId,
    member: &Member,
) -> bool {
    if duty.waiver.is_some() && state.waived_by(&duty.hold).is_some_and(|by| by.contains(id)) {
        return false;
    }
    dischargers_have(model, duty, id, member)
}

/// Whether a member is among those who discharge a duty, whatever they have done before.
fn dischargers_have(model: &Model, duty: &Duty, id: &MemberId, member: &Member) -> bool {
    dischargers(model, duty).iter().any(|one| match one {
        Discharger::Author => duty.by == *id,
        Discharger::Approver(approver) => approver.is(id, member),
    })
}

/// Checks the duties on condition of which an approval is to be given.
pub(crate) fn check_new(
    draft: &Draft<'_>,
    hold: &str,
    allowed: bool,
    duties: &[NewDuty],
) -> Result<(), Refusal> {
    if duties.is_empty() {
        return Ok(());
    }
    if !allowed {
        return Err(invalid(format!("an approval of `{hold}` cannot be given on conditions"))
            .needs(
                "its definition would have to say who discharges them: `duties: { discharge: … }`",
            )
            .needs("approve without conditions, or reject"));
    }
    if draft.state.duties.len().saturating_add(duties.len()) > DUTIES_MAX {
        return Err(invalid(format!("a run has at most {DUTIES_MAX} duties open")));
    }
    let ahead = check::ahead(draft.model, hold, false);
    for NewDuty { text, before } in duties {
        if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(invalid(format!(
                "what must be done is said in 1 to {TEXT_BYTES_MAX} bytes"
            )));
        }
        if let Some(before) = before.as_deref().filter(|before| !ahead.contains(before)) {
            let states: Vec<&str> = ahead.iter().copied().collect();
            return Err(invalid(format!("the run cannot come to a state `{before}` from here"))
                .needs(format!("the states ahead are {}", states.join(", "))));
        }
    }
    Ok(())
}

impl Draft<'_> {
    /// Opens the duties on condition of which a hold was released.
    pub(crate) fn open_duties(&mut self, hold: &str, conditions: Vec<(MemberId, NewDuty)>) {
        for (by, NewDuty { text, before }) in conditions {
            let duty = self.state.duties_opened.saturating_add(1);
            let hold = hold.to_owned();
            self.emit(Event::DutyOpened(Opened {
                duty,
                hold,
                by,
                text,
                before,
                due: None,
                waiver: None,
            }));
        }
    }

    /// Decides that a duty has been done.
    pub(crate) fn discharge(&mut self, number: u32, note: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let note = note.trim();
        if note.is_empty() {
            return Err(invalid("a duty is discharged with a note")
                .needs("say what was done, or how it was seen to"));
        }
        let Some(duty) = self.state.duties.iter().find(|duty| duty.number == number) else {
            let open: Vec<_> =
                self.state.duties.iter().map(|duty| duty.number.to_string()).collect();
            let refusal =
                Refusal::new(RefusalCode::NotFound, format!("the run has no open duty {number}"));
            return Err(refusal.needs(if open.is_empty() {
                "it owes nothing now: `holdpoint show RUN` has what was made a condition".to_owned()
            } else {
                format!("open are the duties {}", open.join(", "))
            }));
        };
        if !may_discharge(self.model, &self.state, duty, id, member) {
            let whom = listed(&dischargers(self.model, duty));
            let could: Vec<&str> = self
                .at
                .project
                .members()
                .iter()
                .filter(|(id, member)| may_discharge(self.model, &self.state, duty, id, member))
                .map(|(id, _)| id.as_str())
                .collect();
            let refusal = if dischargers_have(self.model, duty, id, member) {
                Refusal::new(
                    RefusalCode::SelfApproval,
                    format!(
                        "`{id}` gave the waiver of `{}`: the duty {number}, which is owed for it, is discharged by others of {whom}",
                        duty.hold
                    ),
                )
            } else {
                Refusal::new(
                    RefusalCode::NotEligible,
                    format!("`{id}` does not discharge the duty {number}: {whom} does"),
                )
            };
            return Err(refusal.needs(if could.is_empty() {
                "no member of the project can".to_owned()
            } else {
                format!("one of {}", could.join(", "))
            }));
        }
        self.emit(Event::DutyDischarged {
            duty: number,
            member: id.clone(),
            roles: member.roles.clone(),
            note: note.to_owned(),
        });
        self.no_longer_owing();
        Ok(())
    }

    /// Goes on where the run, or the branch that is looked at, waits for duties that are done now.
    pub(crate) fn no_longer_owing(&mut self) {
        if let Place::Owing { next, .. } = &self.state.place
            && self.state.owed_before(self.model, next).next().is_none()
        {
            let next = next.clone();
            self.enter(next);
        }
    }

    /// Refuses to end a run by hand while something is owed for a waiver: it would never be looked at.
    pub(crate) fn owes_nothing_for_waivers(&self) -> Result<(), Refusal> {
        let owed: Vec<String> =
            self.state.owed_for_waivers().map(|duty| duty.number.to_string()).collect();
        if owed.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::DutiesOpen,
            "a hold was waived, and what is owed for that has not been done",
        )
        .needs(format!("the duties {} discharged, by those who may", owed.join(", "))))
    }

    /// Decides a comment: it is kept in the history and decides nothing.
    pub(crate) fn comment(&mut self, text: &str) -> Result<(), Refusal> {
        self.member()?;
        let text = text.trim();
        if text.is_empty() {
            return Err(invalid("a comment says something"));
        }
        let state = self.state.state().to_owned();
        self.emit(Event::Commented { state, text: text.to_owned() });
        Ok(())
    }

    /// Rests before a state while duties are open that are due before it.
    pub(crate) fn rests_before(&mut self, name: &str) -> bool {
        let owed: Vec<u32> =
            self.state.owed_before(self.model, name).map(|duty| duty.number).collect();
        if owed.is_empty() {
            return false;
        }
        self.emit(Event::DutiesAwaited { before: name.to_owned(), duties: owed });
        true
    }
}
