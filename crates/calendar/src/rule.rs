//! Recurrence rules: the text of an RRULE, read strictly (RFC 5545, sections 3.3.10 and 3.8.5.3).
//!
//! What occurrences a rule has is found by the crate `rrule`, in `recur`. Its own parser takes texts
//! that mean nothing, such as `BYDAY=0MO`, for something near: so the text is checked here first.

use jiff::{civil::DateTime, tz::TimeZone};

use crate::{
    finding::{Fault, FindingCode},
    zone::{Local, YEARS, explicit},
};

/// The largest INTERVAL.
const INTERVAL_MAX: u16 = 9_999;

/// The largest COUNT.
pub(crate) const COUNT_MAX: u16 = 10_000;

/// How often a rule's period begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Frequency {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
}

/// How long a rule goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Forever,
    /// As many occurrences.
    Count(u16),
    /// Up to this local time, including it.
    Until(DateTime),
}

/// A rule that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) frequency: Frequency,
    pub(crate) interval: u16,
    pub(crate) extent: Extent,
    /// The rule's text without COUNT and UNTIL, in upper case.
    pub(crate) endless: String,
    /// The most occurrences that a day can have.
    pub(crate) daily_max: u32,
}

/// The lists of a rule: name, the smallest and the largest value; zero is never one where the
/// smallest is negative.
///
/// RFC 5545 also has weeks 52 and 53, and weeks counted from the end of the year: there `rrule` 0.14
/// loses the days that are in the next year, such as 1 January 2011, which is in week 52 of 2010.
const LISTS: &[(&str, i32, i32)] = &[
    ("BYMONTH", 1, 12),
    ("BYWEEKNO", 1, 51),
    ("BYYEARDAY", -366, 366),
    ("BYMONTHDAY", -31, 31),
    ("BYHOUR", 0, 23),
    ("BYMINUTE", 0, 59),
    ("BYSECOND", 0, 59),
    ("BYSETPOS", -366, 366),
];

const WEEKDAYS: &[&str] = &["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

const FORM_HELP: &str =
    "write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`";

fn fault(message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault::new(FindingCode::Rule, "repeat", message, help)
}

/// The parts of a rule's text, each with its name in upper case.
#[derive(Debug)]
struct Parts(Vec<(String, String)>);

impl Parts {
    fn read(text: &str) -> Result<Self, Fault> {
        let mut parts: Vec<(String, String)> = Vec::new();
        if !text.is_ascii() {
            return Err(fault("the rule has characters that rules do not have", FORM_HELP));
        }
        for part in text.to_ascii_uppercase().split(';') {
            let Some((name, value)) = part.split_once('=').filter(|(_, value)| !value.is_empty())
            else {
                return Err(fault(format!("`{part}` is not a part of a rule"), FORM_HELP));
            };
            if parts.iter().any(|(one, _)| one == name) {
                return Err(fault(format!("the rule has `{name}` twice"), "keep one of them"));
            }
            parts.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self(parts))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// How many values a list has, at least one.
    fn count(&self, name: &str) -> u32 {
        self.get(name).map_or(1, |list| u32::try_from(list.split(',').count()).unwrap_or(u32::MAX))
    }
}

impl Rule {
    /// Reads the text of a rule, for an event that starts at a local time of a zone.
    pub(crate) fn read(text: &str, zone: &TimeZone) -> Result<Self, Fault> {
        let text = text.trim();
        let parts = Parts::read(text)?;
        let frequency = frequency(&parts)?;
        for (name, value) in &parts.0 {
            check_part(name, value)?;
        }
        check_combinations(&parts, frequency)?;
        let interval = number(parts.get("INTERVAL"), "INTERVAL", INTERVAL_MAX)?.unwrap_or(1);
        let count = number(parts.get("COUNT"), "COUNT", COUNT_MAX)?;
        let until = parts.get("UNTIL").map(|value| until(value, zone)).transpose()?;
        let extent = match (count, until) {
            (Some(_), Some(_)) => {
                return Err(fault("the rule has both `COUNT` and `UNTIL`", "keep one of them"));
            }
            (Some(count), None) => Extent::Count(count),
            (None, Some(until)) => Extent::Until(until),
            (None, None) => Extent::Forever,
        };
        // So many times can a day of the week be in a month, or in a year.
        let in_year = frequency == Frequency::Yearly && parts.get("BYMONTH").is_none();
        let most = if in_year { 53 } else { 5 };
        let endless: Vec<String> = parts
            .0
            .iter()
            .filter(|(name, _)| !["COUNT", "UNTIL"].contains(&name.as_str()))
            .map(|(name, value)| match name.as_str() {
                "BYDAY" => format!("{name}={}", numbered(value, most)),
                _ => format!("{name}={value}"),
            })
            .collect();
        let daily_max = daily_max(&parts, frequency, interval);
        Ok(Self { frequency, interval, extent, endless: endless.join(";"), daily_max })
    }
}

fn frequency(parts: &Parts) -> Result<Frequency, Fault> {
    match parts.get("FREQ") {
        Some("YEARLY") => Ok(Frequency::Yearly),
        Some("MONTHLY") => Ok(Frequency::Monthly),
        Some("WEEKLY") => Ok(Frequency::Weekly),
        Some("DAILY") => Ok(Frequency::Daily),
        Some("HOURLY") => Ok(Frequency::Hourly),
        Some("MINUTELY") => Ok(Frequency::Minutely),
        Some("SECONDLY") => Err(fault(
            "`FREQ=SECONDLY` is not supported",
            "use `FREQ=MINUTELY`, or one longer stretch of time: no window opens every second",
        )),
        Some(other) => Err(fault(
            format!("`{other}` is not a frequency"),
            "use YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY",
        )),
        None => Err(fault("the rule has no `FREQ`", FORM_HELP)),
    }
}

fn check_part(name: &str, value: &str) -> Result<(), Fault> {
    match name {
        "FREQ" | "INTERVAL" | "COUNT" | "UNTIL" => Ok(()),
        "WKST" if WEEKDAYS.contains(&value) => Ok(()),
        "WKST" => Err(fault(format!("`{value}` is not a day"), weekday_help())),
        "BYDAY" => value.split(',').try_for_each(|day| ordinal_of(day).map(|_| ())),
        _ => {
            let Some((_, least, most)) = LISTS.iter().find(|(one, ..)| *one == name) else {
                return Err(fault(format!("rules have no part `{name}`"), FORM_HELP));
            };
            value.split(',').try_for_each(|item| {
                let number = integer(item);
                let fits = number.is_some_and(|number| {
                    (*least..=*most).contains(&number) && (*least >= 0 || number != 0)
                });
                let zero = if *least < 0 { " other than 0" } else { "" };
                fits.then_some(()).ok_or_else(|| {
                    fault(
                        format!("`{item}` cannot be in `{name}`"),
                        format!("its values are the numbers from {least} to {most}{zero}"),
                    )
                })
            })
        }
    }
}

/// A number as rules write it: a sign and at most three digits.
fn integer(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn weekday_help() -> String {
    format!("the days are {}", WEEKDAYS.join(", "))
}

/// The ordinal of a `BYDAY` value: 2 in `2TU`; `None` in `TU`.
fn ordinal_of(day: &str) -> Result<Option<i32>, Fault> {
    let split = day.len().checked_sub(2).and_then(|at| day.split_at_checked(at));
    let Some((ordinal, _)) = split.filter(|(_, day)| WEEKDAYS.contains(day)) else {
        return Err(fault(format!("`{day}` cannot be in `BYDAY`"), weekday_help()));
    };
    if ordinal.is_empty() {
        return Ok(None);
    }
    let fits = integer(ordinal).filter(|number| *number != 0 && number.abs() <= 53);
    fits.map(Some).ok_or_else(|| {
        fault(
            format!("`{day}` cannot be in `BYDAY`"),
            "before the day may stand a number from -53 to 53 other than 0, such as `2TU` or `-1FR`",
        )
    })
}

/// The days of a `BYDAY`; where some have numbers, those that have none get every number there is:
/// of `MO,1TU` the crate `rrule` takes only days that are both.
fn numbered(days: &str, most: u8) -> String {
    if days.split(',').all(|day| day.len() == 2) {
        return days.to_owned();
    }
    let each = days.split(',').flat_map(|day| match day.len() {
        2 => (1..=most).map(|nth| format!("{nth}{day}")).collect(),
        _ => vec![day.to_owned()],
    });
    each.collect::<Vec<_>>().join(",")
}

/// What RFC 5545 says must not stand together (section 3.3.10).
fn check_combinations(parts: &Parts, frequency: Frequency) -> Result<(), Fault> {
    use Frequency::{Daily, Monthly, Weekly, Yearly};
    let has = |name: &str| parts.get(name).is_some();
    let with = |name: &str| {
        fault(
            format!("`{name}` cannot be used with this frequency"),
            "RFC 5545, section 3.3.10, has a table of what can be used with which frequency",
        )
    };
    if has("BYMONTHDAY") && frequency == Weekly {
        return Err(with("BYMONTHDAY"));
    }
    if has("BYYEARDAY") && [Daily, Weekly, Monthly].contains(&frequency) {
        return Err(with("BYYEARDAY"));
    }
    if has("BYWEEKNO") && frequency != Yearly {
        return Err(with("BYWEEKNO"));
    }
    if has("BYWEEKNO") && !has("BYDAY") {
        return Err(fault(
            "`BYWEEKNO` does not say which day of the week",
            "add `BYDAY`, such as `BYDAY=MO`",
        ));
    }
    if has("BYWEEKNO") && parts.get("WKST").is_some_and(|start| start != "MO") {
        return Err(fault(
            "`BYWEEKNO` with weeks that begin on another day is not supported",
            "leave out `WKST`: weeks are those of ISO 8601, which begin on Monday",
        ));
    }
    let mut days = parts.get("BYDAY").into_iter().flat_map(|days| days.split(','));
    let may_count = frequency == Monthly || (frequency == Yearly && !has("BYWEEKNO"));
    if !may_count && days.any(|day| day.len() > 2) {
        return Err(fault(
            "`BYDAY` has a number before a day",
            "numbers are for `FREQ=MONTHLY`, and for `FREQ=YEARLY` without `BYWEEKNO`",
        ));
    }
    let others = LISTS.iter().map(|(name, ..)| *name).filter(|name| *name != "BYSETPOS");
    if has("BYSETPOS") && !others.chain(["BYDAY"]).any(has) {
        return Err(fault(
            "`BYSETPOS` stands alone",
            "it chooses among the times that another part makes, such as `BYDAY=MO,TU,WE,TH,FR`",
        ));
    }
    Ok(())
}

fn number(value: Option<&str>, name: &str, most: u16) -> Result<Option<u16>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && (1..=most).contains(number));
    number.map(Some).ok_or_else(|| {
        fault(
            format!("`{value}` cannot be the rule's `{name}`"),
            format!("it is a number from 1 to {most}"),
        )
    })
}

/// The last local time of a rule: a date is meant with the whole of its day.
fn until(value: &str, zone: &TimeZone) -> Result<DateTime, Fault> {
    let wrong = || {
        fault(
            format!("`{value}` cannot be the rule's `UNTIL`"),
            "write a date such as `20261231`, or a time in UTC such as `20261231T230000Z`",
        )
    };
    let (local, is_utc) = match value.strip_suffix('Z') {
        Some(local) => (local, true),
        None => (value, false),
    };
    let last = match basic(local).ok_or_else(wrong)? {
        Local::Date(date) if !is_utc => date.at(23, 59, 59, 0),
        Local::Time(time) if !is_utc => time,
        Local::Time(time) => {
            let utc = explicit(&TimeZone::UTC, time, false).ok_or_else(wrong)?;
            zone.to_datetime(utc)
        }
        Local::Date(_) => return Err(wrong()),
    };
    YEARS.contains(&last.year()).then_some(last).ok_or_else(wrong)
}

/// Reads RFC 5545's `20261231` or `20261231T230000`.
pub(crate) fn basic(text: &str) -> Option<Local> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !time.is_none_or(|time| digits(time, 6)) {
        return None;
    }
    match time {
        None => date.parse().ok().map(Local::Date),
        Some(_) => text.parse().ok().map(Local::Time),
    }
}

/// The most occurrences that one day can have, from the parts that make several a day.
fn daily_max(parts: &Parts, frequency: Frequency, interval: u16) -> u32 {
    let every = |per_day: u32| per_day.div_ceil(u32::from(interval));
    let hours = || parts.get("BYHOUR").map_or(24, |_| parts.count("BYHOUR"));
    let minutes = || parts.get("BYMINUTE").map_or(60, |_| parts.count("BYMINUTE"));
    let in_a_period = match frequency {
        Frequency::Hourly => hours().min(every(24)).saturating_mul(parts.count("BYMINUTE")),
        Frequency::Minutely => hours().saturating_mul(minutes()).min(every(24 * 60)),
        _ => parts.count("BYHOUR").saturating_mul(parts.count("BYMINUTE")),
    };
    in_a_period.saturating_mul(parts.count("BYSECOND")).max(1)
}
