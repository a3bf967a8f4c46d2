//! Holdpoint's calendars.
//!
//! Windows allow, freezes deny, and deny wins. A [`Calendar`] is read from YAML or made of an `.ics`
//! file, and checked once; a [`Schedule`] puts calendars together and answers when something may be
//! done. Everything is a function of calendars and time: nothing reads a clock, does I/O, or asks the
//! machine for time zones, which are compiled in. The guide is `docs/calendars.md`.
//!
//! ```
//! use holdpoint_calendar::{Calendar, Horizon, Next, Schedule};
//!
//! let maintenance = Calendar::parse("maintenance.yaml", "
//! calendar: maintenance
//! zone: Europe/Berlin
//! windows:
//!   - { starts: 2026-01-06T22:00, lasts: 4h, repeat: FREQ=WEEKLY;BYDAY=TU }
//! freezes:
//!   - { from: 2026-12-20, to: 2027-01-07, reason: Christmas freeze }
//! ")?;
//! let open = Schedule::open(&maintenance);
//! let monday = "2026-12-14T09:00:00Z".parse()?;
//! assert_eq!(
//!     open.next_opening(monday, Horizon::default()),
//!     Next::At("2026-12-15T21:00:00Z".parse()?),
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | subject |
//! |---|---|
//! | `document` | the form of a calendar, as people write it and as its digest sees it |
//! | `calendar` | the checked calendar |
//! | `schedule`, `walk` | the algebra, and its questions |
//! | `occurrence`, `rule`, `recur`, `working`, `zone` | from local times and rules to moments |
//! | `ics`, `content` | import of iCalendar files |
//! | `fact` | what events record |

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

mod calendar;
mod content;
mod document;
mod fact;
mod finding;
mod ics;
mod interval;
mod occurrence;
mod recur;
mod rule;
mod schedule;
mod walk;
mod working;
mod yaml;
mod zone;

pub use calendar::{Calendar, Denial, NoWorkingTime, YamlCalendars};
pub use document::{Day, Document, Entry, Holiday, Working};
pub use fact::{CalendarRef, Window};
pub use finding::{Finding, FindingCode, Findings, Place};
pub use holdpoint_core::CalendarName;
pub use ics::{Import, Imported, Role, Skipped, Transparent, import_ics};
pub use interval::{Interval, IntervalSet};
pub use schedule::{Horizon, Listing, Next, Schedule};
pub use working::{MalformedWorkingLength, WorkingLength};
pub use zone::{Fold, Gap, zone_data};
