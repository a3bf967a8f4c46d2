//! Recurrence rules: the examples of RFC 5545, section 3.8.5.3, and rules against a second way of
//! finding what they mean.

use std::collections::BTreeMap;

use holdpoint_calendar::{Interval, Schedule};
use jiff::{Span, civil::Date, tz::TimeZone};
use proptest::prelude::*;

use crate::common::{at_local, properties, window};

/// The local times at which a rule's occurrences begin, from its start on, as many as are asked for.
#[track_caller]
fn starts(start: &str, rule: &str, more: &str, most: usize) -> (Vec<String>, bool) {
    let zone = TimeZone::get("America/New_York").unwrap();
    let entry = format!("starts: {start}, lasts: 1m, repeat: \"{rule}\"{more}");
    let calendar = window("America/New_York", &entry);
    let range = Interval::new(at_local(&zone, start), at_local(&zone, "2040-01-01T00:00")).unwrap();
    let listing = Schedule::open(&calendar).intervals(range, most);
    let local =
        |one: &Interval| zone.to_datetime(one.start()).strftime("%Y-%m-%dT%H:%M").to_string();
    (listing.intervals.iter().map(local).collect(), listing.complete)
}

/// Expands `1997-09-02..11,30 10-01` at nine: what an example of the RFC says in words of dates.
fn dates(text: &str, time: &str) -> Vec<String> {
    let (mut found, mut year, mut month) = (Vec::new(), String::new(), String::new());
    for word in text.split_whitespace() {
        let mut parts: Vec<&str> = word.split('-').collect();
        let days = parts.pop().unwrap();
        if let Some(one) = parts.pop() {
            month = one.to_owned();
        }
        if let Some(one) = parts.pop() {
            year = one.to_owned();
        }
        for day in days.split(',') {
            let (first, last) = day.split_once("..").unwrap_or((day, day));
            let (first, last): (u8, u8) = (first.parse().unwrap(), last.parse().unwrap());
            found.extend((first..=last).map(|day| format!("{year}-{month}-{day:02}T{time}")));
        }
    }
    found
}

struct Example {
    start: &'static str,
    rule: &'static str,
    dates: &'static str,
    /// Whether these are all.
    all: bool,
}

const fn all(rule: &'static str, dates: &'static str) -> Example {
    Example { start: "1997-09-02T09:00", rule, dates, all: true }
}

const fn first(rule: &'static str, dates: &'static str) -> Example {
    Example { start: "1997-09-02T09:00", rule, dates, all: false }
}

const fn from(start: &'static str, example: Example) -> Example {
    Example { start, ..example }
}

/// In the order of the RFC; the words of the RFC stand in it.
const EXAMPLES: &[Example] = &[
    all("FREQ=DAILY;COUNT=10", "1997-09-02..11"),
    all("FREQ=DAILY;UNTIL=19971224T000000Z", "1997-09-02..30 10-01..31 11-01..30 12-01..23"),
    first("FREQ=DAILY;INTERVAL=2", "1997-09-02,04,06,08,10,12,14,16,18,20,22,24,26,28,30 10-02,04"),
    all("FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09-02,12,22 10-02,12"),
    from(
        "1998-01-01T09:00",
        all(
            "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
            "1998-01-01..31 1999-01-01..31 2000-01-01..31",
        ),
    ),
    from(
        "1998-01-01T09:00",
        all(
            "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
            "1998-01-01..31 1999-01-01..31 2000-01-01..31",
        ),
    ),
    all("FREQ=WEEKLY;COUNT=10", "1997-09-02,09,16,23,30 10-07,14,21,28 11-04"),
    all(
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997-09-02,09,16,23,30 10-07,14,21,28 11-04,11,18,25 12-02,09,16,23",
    ),
    first(
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-09-02,16,30 10-14,28 11-11,25 12-09,23 1998-01-06,20 02-03,17",
    ),
    all(
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        "1997-09-02,04,09,11,16,18,23,25,30 10-02",
    ),
    all("FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09-02,04,09,11,16,18,23,25,30 10-02"),
    from(
        "1997-09-01T09:00",
        all(
            "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
            "1997-09-01,03,05,15,17,19,29 10-01,03,13,15,17,27,29,31 11-10,12,14,24,26,28 \
             12-08,10,12,22",
        ),
    ),
    all("FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09-02,04,16,18,30 10-02,14,16"),
    from(
        "1997-09-05T09:00",
        all(
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            "1997-09-05 10-03 11-07 12-05 1998-01-02 02-06 03-06 04-03 05-01 06-05",
        ),
    ),
    from(
        "1997-09-05T09:00",
        all("FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997-09-05 10-03 11-07 12-05"),
    ),
    from(
        "1997-09-07T09:00",
        all(
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            "1997-09-07,28 11-02,30 1998-01-04,25 03-01,29 05-03,31",
        ),
    ),
    from(
        "1997-09-22T09:00",
        all("FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997-09-22 10-20 11-17 12-22 1998-01-19 02-16"),
    ),
    from(
        "1997-09-28T09:00",
        first("FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09-28 10-29 11-28 12-29 1998-01-29 02-26"),
    ),
    all(
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09-02,15 10-02,15 11-02,15 12-02,15 1998-01-02,15",
    ),
    from(
        "1997-09-30T09:00",
        all(
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            "1997-09-30 10-01,31 11-01,30 12-01,31 1998-01-01,31 02-01",
        ),
    ),
    from(
        "1997-09-10T09:00",
        all(
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
            "1997-09-10..15 1999-03-10..13",
        ),
    ),
    first(
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997-09-02,09,16,23,30 11-04,11,18,25 1998-01-06,13,20,27 03-03,10,17,24,31",
    ),
    from(
        "1997-06-10T09:00",
        all(
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            "1997-06-10 07-10 1998-06-10 07-10 1999-06-10 07-10 2000-06-10 07-10 2001-06-10 07-10",
        ),
    ),
    from(
        "1997-03-10T09:00",
        all(
            "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
            "1997-03-10 1999-01-10 02-10 03-10 2001-01-10 02-10 03-10 2003-01-10 02-10 03-10",
        ),
    ),
    from(
        "1997-01-01T09:00",
        all(
            "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
            "1997-01-01 04-10 07-19 2000-01-01 04-09 07-18 2003-01-01 04-10 07-19 2006-01-01",
        ),
    ),
    from("1997-05-19T09:00", first("FREQ=YEARLY;BYDAY=20MO", "1997-05-19 1998-05-18 1999-05-17")),
    from(
        "1997-05-12T09:00",
        first("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", "1997-05-12 1998-05-11 1999-05-17"),
    ),
    from(
        "1997-03-13T09:00",
        first(
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            "1997-03-13,20,27 1998-03-05,12,19,26 1999-03-04,11,18,25",
        ),
    ),
    from(
        "1997-06-05T09:00",
        first(
            "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
            "1997-06-05,12,19,26 07-03,10,17,24,31 08-07,14,21,28 1998-06-04,11,18,25 07-02",
        ),
    ),
    from(
        "1997-09-13T09:00",
        first(
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            "1997-09-13 10-11 11-08 12-13 1998-01-10 02-07 03-07 04-11 05-09 06-13",
        ),
    ),
    from(
        "1996-11-05T09:00",
        first(
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "1996-11-05 2000-11-07 2004-11-02",
        ),
    ),
    from(
        "1997-09-04T09:00",
        all("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04 10-07 11-06"),
    ),
    from(
        "1997-09-29T09:00",
        first(
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            "1997-09-29 10-30 11-27 12-30 1998-01-29 02-26 03-30",
        ),
    ),
    from(
        "1997-08-05T09:00",
        all("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05,10,19,24"),
    ),
    from(
        "1997-08-05T09:00",
        all("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05,17,19,31"),
    ),
    from(
        "2007-01-15T09:00",
        all("FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01-15,30 02-15 03-15,30"),
    ),
];

#[test]
fn the_examples_of_rfc_5545() {
    for Example { start, rule, dates: expected, all } in EXAMPLES {
        let expected = dates(expected, "09:00");
        let most = if *all { 1_000 } else { expected.len() };
        let (found, complete) = starts(start, rule, "", most);
        assert_eq!(found, expected, "{rule} from {start}");
        assert_eq!(complete, *all, "{rule} from {start}: are these all?");
    }
}

#[test]
fn the_examples_of_rfc_5545_that_say_the_time_of_day() {
    let (found, _) =
        starts("1997-09-02T09:00", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", "", 99);
    // The RFC's example says UNTIL=19970902T170000Z, which is 13:00 there, and lists 15:00 too.
    assert_eq!(found, ["1997-09-02T09:00", "1997-09-02T12:00", "1997-09-02T15:00"]);

    let (found, complete) = starts("1997-09-02T09:00", "FREQ=MINUTELY;INTERVAL=15;COUNT=6", "", 99);
    let expected = ["09:00", "09:15", "09:30", "09:45", "10:00", "10:15"];
    assert_eq!(found, expected.map(|time| format!("1997-09-02T{time}")));
    assert!(complete);

    let (found, complete) = starts("1997-09-02T09:00", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", "", 99);
    assert_eq!(
        found,
        ["09:00", "10:30", "12:00", "13:30"].map(|time| format!("1997-09-02T{time}"))
    );
    assert!(complete);

    for rule in [
        "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
    ] {
        let (found, _) = starts("1997-09-02T09:00", rule, "", 25);
        let of_day =
            (9..=16).flat_map(|h| [0, 20, 40].map(|m| format!("1997-09-02T{h:02}:{m:02}")));
        let expected: Vec<String> = of_day.chain(["1997-09-03T09:00".to_owned()]).collect();
        assert_eq!(found, expected, "{rule}");
    }
}

#[test]
fn every_friday_the_13th_whose_start_is_excepted() {
    let except = ", except: [1997-09-02T09:00]";
    let (found, _) = starts("1997-09-02T09:00", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", except, 5);
    assert_eq!(found, dates("1998-02-13 03-13 11-13 1999-08-13 2000-10-13", "09:00"));
}

/// Weeks have days in two years: the first Monday of 2026's week 1 is in 2025.
#[test]
fn weeks_are_those_of_iso_8601() {
    let base = Date::constant(2001, 1, 1);
    for week in [1, 2, 20, 50, 51] {
        for (n, day) in (0..).zip(DAYS) {
            let has = |date: &Date| {
                date.weekday().to_monday_zero_offset() == n && date.iso_week_date().week() == week
            };
            let mut dates = base.series(Span::new().days(1)).take(11_000).filter(has);
            let start = dates.next().unwrap();
            let end = base.checked_add(Span::new().days(11_000)).unwrap();
            let entry = format!(
                "starts: {start}, lasts: 1h, repeat: \"FREQ=YEARLY;BYWEEKNO={week};BYDAY={day}\""
            );
            let utc = |date: Date| at_local(&TimeZone::UTC, &format!("{date}T00:00"));
            let range = Interval::new(utc(start), utc(end)).unwrap();
            let listing = Schedule::open(&window("UTC", &entry)).intervals(range, 1_000);
            let found: Vec<Date> = listing
                .intervals
                .iter()
                .map(|one| TimeZone::UTC.to_datetime(one.start()).date())
                .collect();
            let expected: Vec<Date> = [start].into_iter().chain(dates).collect();
            assert_eq!(found, expected, "{entry}");
        }
    }
}

/// A rule that is also understood day by day, without any library.
#[derive(Clone, Debug)]
struct Plain {
    frequency: &'static str,
    interval: i32,
    months: Vec<i8>,
    year_days: Vec<i16>,
    month_days: Vec<i8>,
    /// An ordinal (0 is none) and a day of the week, 0 is Monday.
    days: Vec<(i8, i8)>,
    positions: Vec<i16>,
}

const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// How many days, weeks, months or years `date` is after the beginning of the Christian era.
fn period(frequency: &str, date: Date) -> i32 {
    let year = i32::from(date.year());
    let days = Date::constant(1, 1, 1).duration_until(date).as_hours() / 24;
    match frequency {
        "DAILY" => i32::try_from(days).unwrap(),
        "WEEKLY" => i32::try_from(days / 7).unwrap(),
        "MONTHLY" => year * 12 + i32::from(date.month()),
        _ => year,
    }
}

impl Plain {
    fn text(&self) -> String {
        let mut text = format!("FREQ={};INTERVAL={}", self.frequency, self.interval);
        let mut add = |name: &str, values: Vec<String>| {
            if !values.is_empty() {
                text.push_str(&format!(";{name}={}", values.join(",")));
            }
        };
        add("BYMONTH", self.months.iter().map(i8::to_string).collect());
        add("BYYEARDAY", self.year_days.iter().map(i16::to_string).collect());
        add("BYMONTHDAY", self.month_days.iter().map(i8::to_string).collect());
        let day = |(nth, day): &(i8, i8)| {
            let nth = if *nth == 0 { String::new() } else { nth.to_string() };
            format!("{nth}{}", DAYS[usize::try_from(*day).unwrap()])
        };
        add("BYDAY", self.days.iter().map(day).collect());
        add("BYSETPOS", self.positions.iter().map(i16::to_string).collect());
        text
    }

    /// Whether the parts, and what they leave to the start, have this day.
    fn has(&self, start: Date, date: Date) -> bool {
        let last = date.days_in_month();
        let in_month = |day: &i8| *day == date.day() || last + 1 + day == date.day();
        let year_day = date.day_of_year();
        let in_year = |day: &i16| *day == year_day || date.days_in_year() + 1 + day == year_day;
        let within_year = self.frequency == "YEARLY" && self.months.is_empty();
        let (first_of, last_of) = if within_year {
            (year_day - 1, date.days_in_year() - year_day)
        } else {
            (i16::from(date.day() - 1), i16::from(last - date.day()))
        };
        let on_day = |(ordinal, day): &(i8, i8)| {
            *day == date.weekday().to_monday_zero_offset()
                && [0, first_of / 7 + 1, -(last_of / 7 + 1)].contains(&i16::from(*ordinal))
        };
        let is_open =
            self.month_days.is_empty() && self.days.is_empty() && self.year_days.is_empty();
        let by_start = match self.frequency {
            "WEEKLY" => date.weekday() == start.weekday(),
            "MONTHLY" => date.day() == start.day(),
            "YEARLY" => {
                let month = !self.months.is_empty() || date.month() == start.month();
                month && date.day() == start.day()
            }
            _ => true,
        };
        (self.months.is_empty() || self.months.contains(&date.month()))
            && (self.year_days.is_empty() || self.year_days.iter().any(in_year))
            && (self.month_days.is_empty() || self.month_days.iter().any(in_month))
            && (self.days.is_empty() || self.days.iter().any(on_day))
            && (!is_open || by_start)
    }

    /// All days of the rule from its start on and before `end`.
    fn all(&self, start: Date, end: Date) -> Vec<Date> {
        let first = start.checked_sub(Span::new().days(366)).unwrap();
        let last = end.checked_add(Span::new().days(366)).unwrap();
        let mut periods: BTreeMap<i32, Vec<Date>> = BTreeMap::new();
        let begin = period(self.frequency, start);
        for date in first.series(Span::new().days(1)).take_while(|date| *date < last) {
            let number = period(self.frequency, date);
            if (number - begin) % self.interval == 0 && self.has(start, date) {
                periods.entry(number).or_default().push(date);
            }
        }
        let chosen = |dates: Vec<Date>| -> Vec<Date> {
            let count = i16::try_from(dates.len()).unwrap();
            let at =
                |n: i16| self.positions.contains(&(n + 1)) || self.positions.contains(&(n - count));
            let all = self.positions.is_empty();
            (0..).zip(dates).filter(|(n, _)| all || at(*n)).map(|(_, date)| date).collect()
        };
        let all = periods.into_values().flat_map(chosen);
        all.filter(|date| *date >= start && *date < end).collect()
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    let frequency = prop_oneof![Just("DAILY"), Just("WEEKLY"), Just("MONTHLY"), Just("YEARLY")];
    let months = proptest::collection::vec(1..=12_i8, 0..3);
    let year_days = proptest::collection::vec(prop_oneof![1..=366_i16, -366..=-1_i16], 0..3);
    let month_days = proptest::collection::vec(prop_oneof![1..=31_i8, -31..=-1_i8], 0..3);
    let days = proptest::collection::vec((-4..=4_i8, 0..7_i8), 0..4);
    let positions = proptest::collection::vec(prop_oneof![1..=4_i16, -4..=-1_i16], 0..3);
    let parts = (months, year_days, month_days, days, positions);
    // Where RFC 5545 does not have a part, it is left out.
    let made = |(frequency, interval, (months, year_days, month_days, days, positions))| {
        let mut rule =
            Plain { frequency, interval, months, year_days, month_days, days, positions };
        if frequency != "YEARLY" {
            rule.year_days.clear();
        }
        if frequency == "WEEKLY" {
            rule.month_days.clear();
        }
        if ["DAILY", "WEEKLY"].contains(&frequency) {
            rule.days.iter_mut().for_each(|(nth, _)| *nth = 0);
        }
        let parts =
            [rule.months.len(), rule.year_days.len(), rule.month_days.len(), rule.days.len()];
        if parts.iter().sum::<usize>() == 0 {
            rule.positions.clear();
        }
        rule
    };
    (frequency, 1..6_i32, parts).prop_map(made)
}

proptest! {
    #![proptest_config(properties(128))]

    /// Also far away from the start, where the library is made to begin in the middle.
    #[test]
    fn rules_mean_what_they_say_day_by_day(rule in plain(), day in 0..1_500_i64, later in 0..20_i64) {
        let base = Date::constant(2001, 1, 1).checked_add(Span::new().days(day)).unwrap();
        let date = |n: i64| base.checked_add(Span::new().days(n)).unwrap();
        // The rule's own start is part of what it says: so a start is tried until it is one.
        let first = |date: &Date| {
            let next = date.tomorrow().unwrap();
            rule.has(*date, *date) && rule.all(*date, next).contains(date)
        };
        let start = (0..1_500).map(date).find(first);
        prop_assume!(start.is_some());
        let start = start.unwrap();
        let entry = format!("starts: {start}T09:00, lasts: 1h, repeat: \"{}\"", rule.text());
        let calendar = window("UTC", &entry);
        let from = start.checked_add(Span::new().days(later * 365)).unwrap();
        let to = from.checked_add(Span::new().days(800)).unwrap();
        let utc = |date: Date| at_local(&TimeZone::UTC, &format!("{date}T00:00"));
        let range = Interval::new(utc(from), utc(to)).unwrap();
        let listing = Schedule::open(&calendar).intervals(range, 1_000);
        let local = |one: &Interval| TimeZone::UTC.to_datetime(one.start()).date();
        let found: Vec<Date> = listing.intervals.iter().map(local).collect();
        let mut expected = rule.all(start, to);
        expected.retain(|date| *date >= from);
        prop_assert_eq!(found, expected, "{}", rule.text());
    }
}
