//! What events record of calendars, so that replay needs none.

use std::{fmt, str::FromStr};

use holdpoint_core::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The name of a calendar: `a-z`, `0-9` and `-`, at most 63 of them, beginning and ending with a
/// letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarName(String);

/// A text is not the name of a calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the name of a calendar: use `a-z`, `0-9` and `-`, beginning and ending with a \
     letter or digit, at most 63 of them"
)]
pub struct MalformedName(String);

impl CalendarName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CalendarName {
    type Error = MalformedName;

    fn try_from(text: String) -> Result<Self, MalformedName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| plain(b) || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits { Ok(Self(text)) } else { Err(MalformedName(text)) }
    }
}

impl FromStr for CalendarName {
    type Err = MalformedName;

    fn from_str(text: &str) -> Result<Self, MalformedName> {
        Self::try_from(text.to_owned())
    }
}

impl From<CalendarName> for String {
    fn from(name: CalendarName) -> Self {
        name.0
    }
}

impl fmt::Display for CalendarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

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
