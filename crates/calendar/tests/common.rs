//! What the tests share.

use holdpoint_calendar::{Calendar, Horizon, Interval, Next, Schedule};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use proptest::prelude::ProptestConfig;

/// A calendar of this YAML.
#[track_caller]
pub(crate) fn calendar(source: &str) -> Calendar {
    Calendar::parse("calendar.yaml", source)
        .unwrap_or_else(|findings| panic!("{findings}\n{source}"))
}

/// A calendar of one window in a zone, written as a flow mapping.
#[track_caller]
pub(crate) fn window(zone: &str, entry: &str) -> Calendar {
    calendar(&format!("calendar: test\nzone: {zone}\nwindows:\n  - {{ {entry} }}\n"))
}

/// What is wrong with this YAML.
#[track_caller]
pub(crate) fn faults(source: &str) -> String {
    match Calendar::parse("calendar.yaml", source) {
        Ok(_) => panic!("nothing is wrong with:\n{source}"),
        Err(findings) => findings.to_string(),
    }
}

/// A moment, such as `2026-01-06T21:00Z`.
#[track_caller]
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The moment of a local time that exists once.
#[track_caller]
pub(crate) fn at_local(zone: &TimeZone, text: &str) -> Timestamp {
    let local: DateTime = text.parse().unwrap();
    zone.to_ambiguous_timestamp(local).unambiguous().unwrap()
}

#[track_caller]
pub(crate) fn between(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).unwrap()
}

pub(crate) fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

pub(crate) fn next_opening(schedule: &Schedule, from: &str) -> Next {
    schedule.next_opening(at(from), Horizon::default())
}

/// All intervals of what is open in a range, as `START/END` in UTC.
pub(crate) fn open_in(calendar: &Calendar, range: Interval) -> Vec<String> {
    let listing = Schedule::open(calendar).intervals(range, 1_000);
    assert!(listing.complete, "the list is whole");
    listing.intervals.iter().map(|one| format!("{}/{}", one.start(), one.end())).collect()
}

pub(crate) fn properties(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..ProptestConfig::default()
    }
}
