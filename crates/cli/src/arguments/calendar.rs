//! What is done with calendars, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use holdpoint::core::CalendarName;
use jiff::Timestamp;

use super::{Acting, from_one, time, words};

/// Work with calendars.
#[derive(Debug, Subcommand)]
pub(crate) enum CalendarCommand {
    /// Check a calendar, and show when it is open
    Check {
        /// The calendar's file, YAML
        file: PathBuf,
        #[command(flatten)]
        openings: Openings,
    },
    /// Publish a calendar, also in place of the one of its name: what waits for it goes by it from
    /// then on
    Publish {
        /// The calendar's file, YAML
        file: PathBuf,
        #[command(flatten)]
        acting: Acting,
    },
    /// Take a calendar away: nothing that waits for it goes on until there is one again
    Retire {
        /// Its name
        name: CalendarName,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// List the published calendars, with when each opens and closes next
    List {
        /// As of this time; now when absent
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<Timestamp>,
    },
    /// Show when a published calendar is open
    Show {
        /// Its name
        name: CalendarName,
        #[command(flatten)]
        openings: Openings,
        /// Print it as it was published instead
        #[arg(long, conflicts_with_all = ["at", "next"])]
        source: bool,
    },
    /// Make a calendar in YAML of an iCalendar file, for you to look at and publish
    Import(ImportIcs),
}

/// Which openings are shown.
#[derive(Debug, Args)]
pub(crate) struct Openings {
    /// From this time on; from now when absent
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) at: Option<Timestamp>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = from_one, allow_negative_numbers = true)]
    pub(crate) next: u32,
}

/// Imports an iCalendar file.
#[derive(Debug, Args)]
pub(crate) struct ImportIcs {
    /// The file, .ics
    pub(crate) file: PathBuf,
    /// The name that the calendar gets
    #[arg(long, value_name = "NAME")]
    pub(crate) name: CalendarName,
    /// The IANA zone of whole days, and of times without a zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: String,
    /// What the events of the file are
    #[arg(long, value_name = "ROLE")]
    pub(crate) events: Events,
    /// Take events, too, that are marked as taking up no time, as calendars of public holidays
    /// mark all
    #[arg(long)]
    pub(crate) transparent: bool,
    /// Which IANA zone a name of the file means, such as 'W. Europe Standard Time=Europe/Berlin';
    /// may be given several times
    #[arg(long, value_name = "NAME=ZONE", value_parser = zone_name)]
    pub(crate) map_zone: Vec<(String, String)>,
}

/// What the events of an iCalendar file are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Events {
    /// Work may be done then
    Windows,
    /// Work may not be done then
    Freezes,
    /// Days on which nobody works
    Holidays,
}

fn zone_name(text: &str) -> Result<(String, String), String> {
    let expected = || "expected NAME=ZONE, such as 'W. Europe Standard Time=Europe/Berlin'";
    let (name, zone) = text.split_once('=').ok_or_else(expected)?;
    Ok((name.to_owned(), zone.to_owned()))
}
