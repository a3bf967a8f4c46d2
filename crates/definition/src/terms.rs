//! Lengths of time that begin when a hold opens: when each is over, counted on the clock or in a
//! calendar's working time.

use holdpoint_calendar::{CalendarRef, Horizon, Next};
use holdpoint_core::Moment;
use jiff::Timestamp;

use crate::{
    decide::Draft,
    expr::Vars,
    hold_model::{Hold, Remind},
    hold_state::HoldState,
    model::Term,
    windows::calendar,
};

/// No reminder is looked for further on: so many would have come while nobody noticed.
const REMINDERS_MISSED_MAX: u32 = 10_000;

impl Term {
    /// When it is over, if it begins at `from`. The calendar in whose working time it is counted is
    /// added to `counted`.
    pub(crate) fn over(
        &self,
        from: Timestamp,
        vars: &Vars<'_>,
        at: &Moment<'_>,
        counted: &mut Vec<CalendarRef>,
    ) -> Result<Timestamp, String> {
        match self {
            Self::Timed(timed) => {
                Ok(from.saturating_add(timed.eval(vars)?).unwrap_or(Timestamp::MAX))
            }
            Self::Working { length, calendar: name } => {
                let calendar = calendar(at, name)?;
                let over = calendar
                    .due(from, *length, Horizon::default())
                    .map_err(|error| error.to_string())?;
                let Next::At(over) = over else {
                    return Err(format!("`{name}` has no {length} as far as is looked"));
                };
                let reference = calendar.reference();
                if !counted.contains(&reference) {
                    counted.push(reference);
                }
                Ok(over)
            }
        }
    }
}

/// What begins when a hold opens.
pub(crate) struct Times {
    /// Until when it waits in any case.
    pub(crate) until: Option<Timestamp>,
    /// When it expires.
    pub(crate) deadline: Option<Timestamp>,
    /// The first reminder, where it is counted in working time.
    pub(crate) remind: Option<Timestamp>,
    /// When others are asked, where that is counted in working time.
    pub(crate) escalate: Option<Timestamp>,
    /// The calendars in whose working time these were counted.
    pub(crate) counted: Vec<CalendarRef>,
}

impl Draft<'_> {
    /// When reminders come and others are asked, where that is counted in working time.
    pub(crate) fn by_working_time(&self, hold: &Hold, times: &mut Times) -> Result<(), String> {
        let Some(approval) = &hold.approval else { return Ok(()) };
        let vars = self.state.vars();
        let from = self.at.now;
        let mut over = |term: Option<&Term>| match term {
            Some(term @ Term::Working { .. }) => {
                term.over(from, &vars, self.at, &mut times.counted).map(Some)
            }
            _ => Ok(None),
        };
        let remind = over(approval.remind.as_ref().map(Remind::term))?;
        let escalate = over(approval.escalate.as_ref().map(|escalate| &escalate.after))?;
        (times.remind, times.escalate) = (remind, escalate);
        Ok(())
    }

    /// The reminder after the one that is due now, where reminders are counted in working time. It
    /// does not come, where the calendar cannot be gone by any more.
    pub(crate) fn reminder_after(
        &self,
        open: &HoldState,
        hold: &Hold,
    ) -> (Option<Timestamp>, Vec<CalendarRef>) {
        let mut counted = Vec::new();
        let remind = hold.approval.as_ref().and_then(|approval| approval.remind.as_ref());
        let (Some(Remind::Every(term @ Term::Working { .. })), Some(mut next)) =
            (remind, open.reminds)
        else {
            return (None, counted);
        };
        let vars = self.state.vars();
        for _ in 0..REMINDERS_MISSED_MAX {
            match term.over(next, &vars, self.at, &mut counted) {
                Ok(later) if later > self.at.now => return (Some(later), counted),
                Ok(later) => next = later,
                Err(_) => break,
            }
        }
        (None, Vec::new())
    }
}
