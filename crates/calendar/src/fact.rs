//! What events record of calendars, so that replay needs none.

use holdpoint_core::{CalendarName, Digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A calendar as it was: its name, and the digest of its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CalendarRef {
    /// The name.
    pub calendar: CalendarName,
    /// The digest of the canonical form ([`Calendar::canonical`](crate::Calendar::canonical)).
    pub digest: Digest,
}

/// A stretch of time in which work may be done, as events record it: what was found, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The calendars that were asked.
    pub calendars: Vec<CalendarRef>,
    /// The release of the zone data that was used, such as `2025b`.
    pub zone_data: String,
    /// Since when it is open; absent when that is longer ago than was looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Timestamp>,
    /// When it closes: the first moment outside; absent when that is further ahead than was looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<Timestamp>,
}
