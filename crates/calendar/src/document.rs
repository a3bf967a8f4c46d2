//! A calendar as people write it: the form of its YAML, and of its canonical JSON.
//!
//! Times, rules and lengths are texts here; `Calendar::new` reads and checks them.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer},
};

use holdpoint_core::CalendarName;

use crate::zone::{Fold, Gap};

/// A calendar as it is written. `docs/calendars.md` is the guide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The calendar's name.
    pub calendar: CalendarName,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The IANA name of the zone whose local times are meant.
    pub zone: String,
    /// When work may be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Entry>,
    /// When it may not, whatever else says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Entry>,
    /// When people are at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working: Option<Working>,
    /// Days on which they are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
}

/// A window or a freeze: either `from` and one of `to` and `through`, or `starts` and `lasts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it begins: a date or a local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Where it ends, exclusive: on a date, where that day begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Its last day, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// Where its first occurrence begins: a date or a local time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// How long each occurrence is, such as `4h` or `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// How it recurs: an RRULE of RFC 5545.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// Occurrences that there are not: dates or local times (EXDATE).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Occurrences that there are besides: dates or local times (RDATE).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Another zone than the calendar's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What becomes of an occurrence whose local time does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// What becomes of a local time that exists twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// Why: what is shown to those who wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Working time: on each of these days, these hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Working {
    /// The days.
    pub days: Vec<Day>,
    /// The hours, such as `09:00-17:00`.
    pub hours: Vec<String>,
    /// Another zone than the calendar's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A holiday: the whole of a local day. Either only its date, or a mapping with more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holiday {
    /// The day, or the first of them.
    pub date: String,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it recurs: an RRULE of RFC 5545.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// Dates on which it is not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Another zone than the calendar's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayMapping {
    date: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    repeat: Option<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    zone: Option<String>,
}

impl<'de> Deserialize<'de> for Holiday {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Holiday;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date, or a mapping with a `date`")
            }

            fn visit_str<E: de::Error>(self, date: &str) -> Result<Holiday, E> {
                let date = date.to_owned();
                Ok(Holiday { date, name: None, repeat: None, except: Vec::new(), zone: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Holiday, A::Error> {
                let HolidayMapping { date, name, repeat, except, zone } =
                    HolidayMapping::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Holiday { date, name, repeat, except, zone })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Holiday {
    /// The holiday as an entry of its own.
    pub(crate) fn entry(&self) -> Entry {
        let Self { date, name, repeat, except, zone } = self.clone();
        Entry {
            starts: Some(date),
            lasts: Some("1d".to_owned()),
            repeat,
            except,
            zone,
            reason: name,
            ..Entry::default()
        }
    }
}
