//! Working time: hours of days of the week, and lengths counted in it.

use std::{fmt, num::NonZeroU16, str::FromStr};

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use crate::{
    document::{Day, Working as Document},
    finding::{Fault, FindingCode},
    interval::Interval,
    zone::{explicit, zone},
};

/// Working time, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Working {
    pub(crate) zone: TimeZone,
    days: Vec<Weekday>,
    /// Minutes of the day, in order; the end of a day is 1,440.
    hours: Vec<(u16, u16)>,
}

const DAY_MINUTES: u16 = 24 * 60;

fn fault(at: impl Into<String>, message: impl Into<String>, help: &str) -> Fault {
    Fault::new(FindingCode::WorkingTime, at, message, help)
}

impl Working {
    pub(crate) fn read(document: &Document, zone_name: &str) -> Result<Self, Fault> {
        let zone = match &document.zone {
            Some(name) => zone(name, "zone")?,
            None => self::zone(zone_name, "zone")?,
        };
        let mut days = Vec::new();
        for (n, day) in document.days.iter().enumerate() {
            let day = weekday(*day);
            if days.contains(&day) {
                return Err(fault(format!("days[{n}]"), "the day is named twice", "name it once"));
            }
            days.push(day);
        }
        if days.is_empty() {
            return Err(fault("days", "there are no days", "name them, such as `[mon, tue]`"));
        }
        let mut hours: Vec<(u16, u16)> = Vec::new();
        for (n, text) in document.hours.iter().enumerate() {
            let (start, end) = span(text).ok_or_else(|| {
                fault(
                    format!("hours[{n}]"),
                    format!("`{text}` is not a stretch of a day"),
                    "write it as `\"09:00-17:00\"`, the end after the beginning; the end of a day \
                     is `24:00`, and a night is two stretches",
                )
            })?;
            if hours.last().is_some_and(|(_, before)| start <= *before) {
                return Err(fault(
                    format!("hours[{n}]"),
                    format!("`{text}` begins before the stretch above it has ended"),
                    "put the stretches in order, and join those that touch",
                ));
            }
            hours.push((start, end));
        }
        if hours.is_empty() {
            return Err(fault("hours", "there are no hours", "name them: `[\"09:00-17:00\"]`"));
        }
        Ok(Self { zone, days, hours })
    }

    /// The most stretches that begin in a day.
    pub(crate) fn daily_max(&self) -> u32 {
        u32::try_from(self.hours.len()).unwrap_or(u32::MAX)
    }

    /// Adds every stretch that has a moment in common with `range`, whole.
    pub(crate) fn within(&self, range: Interval, found: &mut Vec<Interval>) {
        let first = self.zone.to_datetime(range.start()).date();
        let first = first.yesterday().unwrap_or(first);
        let last = self.zone.to_datetime(range.end()).date();
        for day in first.series(1.day()).take_while(|day| *day <= last) {
            if self.days.contains(&day.weekday()) {
                let all = self.hours.iter().filter_map(|hours| self.stretch(day, *hours));
                found.extend(all.filter(|one| one.intersection(&range).is_some()));
            }
        }
    }

    /// Both ends are read as generously as they can be: work at half past two, on a night that has
    /// it twice, begins at the first and ends at the second.
    fn stretch(&self, day: Date, (start, end): (u16, u16)) -> Option<Interval> {
        let moment = |minutes, last| explicit(&self.zone, at_minute(day, minutes)?, last);
        Interval::new(moment(start, false)?, moment(end, end != DAY_MINUTES)?)
    }
}

fn at_minute(day: Date, minutes: u16) -> Option<DateTime> {
    day.at(0, 0, 0, 0).checked_add(i64::from(minutes).minutes()).ok()
}

const fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

/// Reads `09:00-17:00` as minutes of the day.
fn span(text: &str) -> Option<(u16, u16)> {
    let (start, end) = text.split_once('-')?;
    let minutes = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        (minute < 60 && minutes <= DAY_MINUTES).then_some(minutes)
    };
    let (start, end) = (minutes(start)?, minutes(end)?);
    (start < end).then_some((start, end))
}

/// A length counted in working time, such as `2 working days` or `8 working hours`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WorkingLength {
    /// So many days on which there is working time. The day on which counting begins is not
    /// counted, and the last ends when its working time does.
    Days(NonZeroU16),
    /// So many hours of working time.
    Hours(NonZeroU16),
    /// So many minutes of working time.
    Minutes(NonZeroU16),
}

/// A text is not a length of working time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a length of working time: write `2 working days`, `8 working hours` or \
     `90 working minutes`, at most 9999 of them"
)]
pub struct MalformedWorkingLength(String);

impl FromStr for WorkingLength {
    type Err = MalformedWorkingLength;

    fn from_str(text: &str) -> Result<Self, MalformedWorkingLength> {
        let mut words = text.split_whitespace();
        let found = match (words.next(), words.next(), words.next(), words.next()) {
            (Some(number), Some("working"), Some(unit), None) => {
                let digits = number.bytes().all(|b| b.is_ascii_digit());
                let number = number.parse::<NonZeroU16>().ok();
                number.filter(|number| digits && number.get() <= 9_999).zip(Some(unit))
            }
            _ => None,
        };
        match found {
            Some((number, "day" | "days")) => Ok(Self::Days(number)),
            Some((number, "hour" | "hours")) => Ok(Self::Hours(number)),
            Some((number, "minute" | "minutes")) => Ok(Self::Minutes(number)),
            _ => Err(MalformedWorkingLength(text.to_owned())),
        }
    }
}

impl fmt::Display for WorkingLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self {
            Self::Days(number) => (number, "day"),
            Self::Hours(number) => (number, "hour"),
            Self::Minutes(number) => (number, "minute"),
        };
        let s = if number.get() == 1 { "" } else { "s" };
        write!(f, "{number} working {unit}{s}")
    }
}

impl TryFrom<String> for WorkingLength {
    type Error = MalformedWorkingLength;

    fn try_from(text: String) -> Result<Self, MalformedWorkingLength> {
        text.parse()
    }
}

impl From<WorkingLength> for String {
    fn from(length: WorkingLength) -> Self {
        length.to_string()
    }
}

/// The moments between which a local date lies; a date that a zone skips has none.
pub(crate) fn day(zone: &TimeZone, date: Date) -> Option<Interval> {
    let midnight = |date: Date| -> Option<Timestamp> { explicit(zone, date.at(0, 0, 0, 0), false) };
    Interval::new(midnight(date)?, midnight(date.tomorrow().ok()?)?)
}
