//! When work may be done, as it is defined: in windows of calendars, and not during others.

use holdpoint_core::CalendarName;
use serde::{Deserialize, Serialize};

use crate::{
    expr::Vars,
    hold_model::{Approver, Exclusion},
    model::Timed,
    node::Span,
    template::Template,
};

/// What stands before the name of a calendar.
pub(crate) const CALENDAR: &str = "calendar:";

/// Calendars that allow, and calendars that deny.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) windows: Vec<CalendarNamed>,
    pub(crate) not_during: Vec<CalendarNamed>,
}

/// A calendar that is named, or whose name is computed.
#[derive(Debug)]
pub(crate) struct CalendarNamed {
    /// `calendar:NAME`, or a template that gives it.
    pub(crate) template: Template,
    pub(crate) span: Span,
}

impl CalendarNamed {
    /// The calendar's name.
    pub(crate) fn eval(&self, vars: &Vars<'_>) -> Result<CalendarName, String> {
        calendar(&self.template.render_text(vars)?)
    }
}

/// Reads `calendar:NAME`.
pub(crate) fn calendar(text: &str) -> Result<CalendarName, String> {
    let name = text
        .strip_prefix(CALENDAR)
        .ok_or_else(|| format!("`{text}` names no calendar: write `calendar:NAME`"))?;
    name.parse().map_err(|error: holdpoint_core::id::MalformedId| error.to_string())
}

/// The window that a hold waits for.
#[derive(Debug)]
pub(crate) struct HoldWindow {
    pub(crate) times: Times,
    /// How long the work takes that must fit into what is left of the window.
    pub(crate) fits: Option<Timed>,
    pub(crate) missed: Missed,
    /// Who may let the run go on while it is closed.
    pub(crate) overriders: Vec<Approver>,
    /// Whom that excludes.
    pub(crate) not: Vec<Exclusion>,
}

/// What becomes of a hold whose window closes before it is released, or never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It waits for the next.
    Wait,
    /// It expires.
    Expire,
}

/// The window within which a rollout begins with targets, or an activity begins.
#[derive(Debug)]
pub(crate) struct WorkWindow {
    pub(crate) times: Times,
    pub(crate) closes: Closing,
    /// Who may let it go on while the window is closed.
    pub(crate) overriders: Vec<Approver>,
    /// Whom that excludes.
    pub(crate) not: Vec<Exclusion>,
}

/// What becomes of work whose window closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Closing {
    /// It goes on to its end.
    Finish,
    /// It begins with nothing more until the window opens again; no activity alone does.
    Pause,
    /// It is turned round, as after too many failures; an activity alone is given up.
    Stop,
}
