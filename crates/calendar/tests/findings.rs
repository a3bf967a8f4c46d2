//! What is said about calendars that are wrong: where, and what to do.

use holdpoint_calendar::{Calendar, Document, FindingCode, Schedule};
use insta::assert_snapshot;

use crate::common::{at, calendar, faults};

/// What is wrong with the one entry of a list.
fn entry(key: &str, entry: &str) -> String {
    faults(&format!("calendar: a\nzone: Europe/Berlin\n{key}:\n  - {{ {entry} }}\n"))
}

#[test]
fn the_form_is_strict() {
    assert_snapshot!(faults("calendar: a\nzone: UTC\nwindow: []\n"), @"
    calendar.yaml:3:1: error[HP2201]: unknown field `window`, expected one of calendar, title, zone, windows, freezes, working, holidays
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: A b\nzone: UTC\n"), @"
    calendar.yaml:1:11: error[HP2201]: `A b` is not a calendar name: expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: a\nzone: UTC\nwindows:\n  - { from: 2026-01-01, til: 2026-01-02 }\n"), @"
    calendar.yaml:4:25: error[HP2201]: unknown field `til`, expected one of from, to, through, starts, lasts, repeat, except, also, zone, gap, fold, reason
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: a\nzone: UTC\nworking: { days: [monday], hours: ['09:00-10:00'] }\n"), @"
    calendar.yaml:3:19: error[HP2201]: unknown variant `monday`, expected one of mon, tue, wed, thu, fri, sat, sun
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: a\nzone: UTC\nholidays:\n  - { day: 2026-12-25 }\n"), @"
    calendar.yaml:4:7: error[HP2201]: unknown field `day`, expected one of date, name, repeat, except, zone
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: a\ncalendar: b\n"), @"
    calendar.yaml:2:1: error[HP2201]: duplicate mapping key: calendar
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: a\nzone: UTC\nwindows: [}\n"), @"
    calendar.yaml:3:10: error[HP2201]: mismatched bracket '[' closed by '}'
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    ");
    assert_snapshot!(faults("calendar: a\nzone: UTC\n"), @"
    calendar.yaml:1:1: error[HP2208]: the calendar says nothing
    help: give it `windows`, `freezes`, `working` or `holidays`
    ");
}

#[test]
fn entries_have_one_of_two_forms() {
    assert_snapshot!(entry("windows", "from: 2026-01-01"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: `from` needs one of `to` and `through`
    help: `to` is where it ends, exclusive; `through` is its last day
    ");
    assert_snapshot!(entry("windows", "from: 2026-01-01, to: 2026-01-02, through: 2026-01-02"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: `from` needs one of `to` and `through`
    help: `to` is where it ends, exclusive; `through` is its last day
    ");
    assert_snapshot!(entry("windows", "from: 2026-01-01, to: 2026-01-02, repeat: FREQ=DAILY"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: `from` stands beside keys of another form
    help: with `from` go `to` or `through`; with `starts` go `lasts`, `repeat`, `except`, `also` and `gap`
    ");
    assert_snapshot!(entry("windows", "starts: 2026-01-01"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: `starts` has no `lasts`
    help: say how long it is, such as `lasts: 4h`
    ");
    assert_snapshot!(entry("windows", "to: 2026-01-01"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: this says neither `from` nor `starts`
    help: write `from` and `to` for one stretch of time, or `starts` and `lasts`, with `repeat` when it recurs
    ");
    assert_snapshot!(entry("windows", "starts: 2026-01-01, lasts: 1h, gap: skip"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: `gap` has no `repeat`
    help: `gap` is about the times that a rule makes; an explicit time is shifted forward
    ");
    assert_snapshot!(entry("windows", "starts: 2026-01-01, lasts: 1h, except: [2026-01-01]"), @"
    calendar.yaml:4:5: error[HP2208]: windows[0]: `except` has no `repeat`
    help: only what recurs has exceptions: leave out what is not to be
    ");
}

#[test]
fn times_are_local() {
    assert_snapshot!(entry("windows", "from: 2026-01-01T09:00Z, to: 2026-01-02"), @"
    calendar.yaml:4:13: error[HP2202]: windows[0].from: `2026-01-01T09:00Z` has an offset from UTC
    help: write the local time and name its zone with `zone`; `zone: UTC` for UTC
    ");
    assert_snapshot!(entry("windows", "from: 2026-01-01T09:00+01:00, to: 2026-01-02"), @"
    calendar.yaml:4:13: error[HP2202]: windows[0].from: `2026-01-01T09:00+01:00` has an offset from UTC
    help: write the local time and name its zone with `zone`; `zone: UTC` for UTC
    ");
    assert_snapshot!(entry("windows", "from: 2026-02-30, to: 2026-03-02"), @"
    calendar.yaml:4:13: error[HP2202]: windows[0].from: `2026-02-30` is not a date or a local time
    help: write a date such as `2026-01-06`, or a local time such as `2026-01-06T22:00`
    ");
    assert_snapshot!(entry("windows", "from: 20260101, to: 2026-03-02"), @"
    calendar.yaml:4:13: error[HP2202]: windows[0].from: `20260101` is not a date or a local time
    help: write a date such as `2026-01-06`, or a local time such as `2026-01-06T22:00`
    ");
    assert_snapshot!(entry("windows", "from: 1666-09-02, to: 2026-03-02"), @"
    calendar.yaml:4:13: error[HP2202]: windows[0].from: `1666-09-02` is outside the years 1900 to 2200
    help: calendars are kept for these years only
    ");
    assert_snapshot!(entry("windows", "from: 2026-01-02, to: 2026-01-02"), @"
    calendar.yaml:4:29: error[HP2207]: windows[0].to: it ends before it begins, or where it begins
    help: give a later end: `to` itself is not inside
    ");
    assert_snapshot!(entry("windows", "from: 2026-03-29T02:30, to: 2026-03-29T03:15"), @"
    calendar.yaml:4:35: error[HP2207]: windows[0].to: clocks are put forward over all of it, so that it takes no time
    help: give a later end: `to` itself is not inside
    ");
    assert_snapshot!(entry("windows", "from: 2026-01-02, through: 2026-01-02T10:00"), @"
    calendar.yaml:4:34: error[HP2202]: windows[0].through: `2026-01-02T10:00` is not a date
    help: `through` is a whole last day; for a time of day write `to`
    ");
}

#[test]
fn rules_are_read_strictly() {
    let rule = |rule: &str| {
        let text =
            entry("windows", &format!("starts: 2026-01-06T22:00, lasts: 4h, repeat: '{rule}'"));
        text.split_once("repeat: ").map(|(_, text)| text.to_owned()).unwrap_or(text)
    };
    let mut found = String::new();
    for text in [
        "weekly",
        "FREQ=WEEKLY;",
        "FREQ=FORTNIGHTLY",
        "FREQ=SECONDLY",
        "INTERVAL=2",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;INTERVAL=10000",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=1;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20260101",
        "FREQ=WEEKLY;BYDAY=0TU",
        "FREQ=WEEKLY;BYDAY=XXTU",
        "FREQ=WEEKLY;BYDAY=TUE",
        "FREQ=WEEKLY;BYDAY=2TU",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=DAILY;BYYEARDAY=1",
        "FREQ=MONTHLY;BYWEEKNO=1;BYDAY=MO",
        "FREQ=YEARLY;BYWEEKNO=1",
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYEASTER=0",
        "FREQ=DAILY;RSCALE=HEBREW",
        "FREQ=DAILY;BYSETPOS=1",
        "FREQ=DAILY;WKST=MONDAY",
        "FREQ=MONTHLY;BYDAY=-5TU",
        "FREQ=TÄGLICH",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=WEEKLY;BYDAY=WE",
        "FREQ=YEARLY;COUNT=200",
    ] {
        found.push_str(&format!("{text}\n  {}\n", rule(text).trim_end().replace('\n', "\n  ")));
    }
    assert_snapshot!(found, @"
    weekly
      `WEEKLY` is not a part of a rule
      help: write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`
    FREQ=WEEKLY;
      `` is not a part of a rule
      help: write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`
    FREQ=FORTNIGHTLY
      `FORTNIGHTLY` is not a frequency
      help: use YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY
    FREQ=SECONDLY
      `FREQ=SECONDLY` is not supported
      help: use `FREQ=MINUTELY`, or one longer stretch of time: no window opens every second
    INTERVAL=2
      the rule has no `FREQ`
      help: write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`
    FREQ=DAILY;FREQ=DAILY
      the rule has `FREQ` twice
      help: keep one of them
    FREQ=DAILY;INTERVAL=0
      `0` cannot be the rule's `INTERVAL`
      help: it is a number from 1 to 9999
    FREQ=DAILY;INTERVAL=-1
      `-1` cannot be the rule's `INTERVAL`
      help: it is a number from 1 to 9999
    FREQ=DAILY;INTERVAL=10000
      `10000` cannot be the rule's `INTERVAL`
      help: it is a number from 1 to 9999
    FREQ=DAILY;COUNT=0
      `0` cannot be the rule's `COUNT`
      help: it is a number from 1 to 10000
    FREQ=DAILY;COUNT=1;UNTIL=20270101
      the rule has both `COUNT` and `UNTIL`
      help: keep one of them
    FREQ=DAILY;UNTIL=tomorrow
      `TOMORROW` cannot be the rule's `UNTIL`
      help: write a date such as `20261231`, or a time in UTC such as `20261231T230000Z`
    FREQ=DAILY;UNTIL=20260101
      the rule ends before it starts
      help: give a later `UNTIL`, or an earlier `starts`
    FREQ=WEEKLY;BYDAY=0TU
      `0TU` cannot be in `BYDAY`
      help: before the day may stand a number from -53 to 53 other than 0, such as `2TU` or `-1FR`
    FREQ=WEEKLY;BYDAY=XXTU
      `XXTU` cannot be in `BYDAY`
      help: before the day may stand a number from -53 to 53 other than 0, such as `2TU` or `-1FR`
    FREQ=WEEKLY;BYDAY=TUE
      `TUE` cannot be in `BYDAY`
      help: the days are MO, TU, WE, TH, FR, SA, SU
    FREQ=WEEKLY;BYDAY=2TU
      `BYDAY` has a number before a day
      help: numbers are for `FREQ=MONTHLY`, and for `FREQ=YEARLY` without `BYWEEKNO`
    FREQ=MONTHLY;BYMONTHDAY=0
      `0` cannot be in `BYMONTHDAY`
      help: its values are the numbers from -31 to 31 other than 0
    FREQ=MONTHLY;BYMONTHDAY=32
      `32` cannot be in `BYMONTHDAY`
      help: its values are the numbers from -31 to 31 other than 0
    FREQ=WEEKLY;BYMONTHDAY=1
      `BYMONTHDAY` cannot be used with this frequency
      help: RFC 5545, section 3.3.10, has a table of what can be used with which frequency
    FREQ=DAILY;BYYEARDAY=1
      `BYYEARDAY` cannot be used with this frequency
      help: RFC 5545, section 3.3.10, has a table of what can be used with which frequency
    FREQ=MONTHLY;BYWEEKNO=1;BYDAY=MO
      `BYWEEKNO` cannot be used with this frequency
      help: RFC 5545, section 3.3.10, has a table of what can be used with which frequency
    FREQ=YEARLY;BYWEEKNO=1
      `BYWEEKNO` does not say which day of the week
      help: add `BYDAY`, such as `BYDAY=MO`
    FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO
      `53` cannot be in `BYWEEKNO`
      help: its values are the numbers from 1 to 51
    FREQ=DAILY;BYHOUR=24
      `24` cannot be in `BYHOUR`
      help: its values are the numbers from 0 to 23
    FREQ=DAILY;BYEASTER=0
      rules have no part `BYEASTER`
      help: write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`
    FREQ=DAILY;RSCALE=HEBREW
      rules have no part `RSCALE`
      help: write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`
    FREQ=DAILY;BYSETPOS=1
      `BYSETPOS` stands alone
      help: it chooses among the times that another part makes, such as `BYDAY=MO,TU,WE,TH,FR`
    FREQ=DAILY;WKST=MONDAY
      `MONDAY` is not a day
      help: the days are MO, TU, WE, TH, FR, SA, SU
    FREQ=MONTHLY;BYDAY=-5TU
      the rule is not supported: RRule validation error: `BYDAY` is `-5`, but with the current frequency (MONTHLY) is not allowed outside the range: `-4..=5`.
      help: RFC 5545 may have such a rule, but it is not supported here: say it in another way
    FREQ=TÄGLICH
      the rule has characters that rules do not have
      help: write a rule as RFC 5545 has it, such as `FREQ=WEEKLY;BYDAY=TU` or `FREQ=MONTHLY;BYDAY=-1FR`
    FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30
      the rule makes no time within 100 years of its start
      help: is there such a day? February never has 30
    FREQ=WEEKLY;BYDAY=WE
      calendar.yaml:4:15: error[HP2205]: windows[0].starts: `2026-01-06T22:00:00` is not one of the times that the rule makes
      help: the first of them is `2026-01-07T22:00:00`: let it start there
    FREQ=YEARLY;COUNT=200
      the rule has not made 200 times after 100 years
      help: leave out `COUNT`, or use `UNTIL`
    ");
}

#[test]
fn lengths_take_time() {
    for (text, message) in [
        ("soon", "`soon` is not a length"),
        ("1mo", "`1mo` has no fixed length"),
        ("1y", "`1y` has no fixed length"),
        ("0h", "`0h` takes no time"),
        ("-1h", "`-1h` takes no time"),
        ("500ms", "`500ms` has a fraction of a second"),
        ("4000d", "`4000d` is longer than 3660 days"),
    ] {
        let found = entry("windows", &format!("starts: 2026-01-06T22:00, lasts: '{text}'"));
        let expected = format!("calendar.yaml:4:40: error[HP2206]: windows[0].lasts: {message}\n");
        assert!(found.starts_with(&expected), "{found}");
    }
}

#[test]
fn exceptions_except_something() {
    let series =
        "starts: 2026-01-06T22:00, lasts: 4h, repeat: 'FREQ=WEEKLY;UNTIL=20260201', except: ";
    assert_snapshot!(entry("windows", &format!("{series}[2026-01-13, 2026-01-14]")), @"
    calendar.yaml:4:103: error[HP2209]: windows[0].except[1]: there is no occurrence to except
    help: write the date, or the exact local time, at which an occurrence begins
    ");
    for idle in ["2026-01-13T22:01", "2026-02-03", "2025-12-30"] {
        let found = entry("windows", &format!("{series}[{idle}]"));
        assert!(found.contains("HP2209") && found.contains("except[0]"), "{idle}: {found}");
    }
    let all = entry(
        "windows",
        "starts: 2026-01-06, lasts: 1d, repeat: 'FREQ=DAILY;COUNT=1', except: [2026-01-06]",
    );
    assert!(all.contains("error[HP2207]: windows[0]: it never takes place"), "{all}");
}

#[test]
fn working_time_is_in_order() {
    let working =
        |working: &str| faults(&format!("calendar: a\nzone: UTC\nworking: {{ {working} }}\n"));
    for (hours, message) in [
        ("[]", "there are no hours"),
        ("['9-17']", "`9-17` is not a stretch of a day"),
        ("['17:00-09:00']", "`17:00-09:00` is not a stretch of a day"),
        ("['09:00-24:01']", "`09:00-24:01` is not a stretch of a day"),
        (
            "['09:00-12:00', '12:00-17:00']",
            "`12:00-17:00` begins before the stretch above it has ended",
        ),
    ] {
        let found = working(&format!("days: [mon], hours: {hours}"));
        assert!(
            found.contains("error[HP2211]: working.hours") && found.contains(message),
            "{found}"
        );
    }
    assert_snapshot!(working("days: [mon, mon], hours: ['09:00-17:00']"), @"
    calendar.yaml:3:24: error[HP2211]: working.days[1]: the day is named twice
    help: name it once
    ");
    assert!(
        working("days: [], hours: ['09:00-17:00']").contains("working.days: there are no days")
    );
}

#[test]
fn there_are_limits_and_all_findings_are_told() {
    let dense = entry("windows", "starts: 2026-01-01T00:00, lasts: 8d, repeat: FREQ=MINUTELY");
    assert!(dense.contains("HP2212") && dense.contains("up to 12960 occurrences"), "{dense}");
    let many = "  - { starts: 2026-01-01T00:00, lasts: 1m, repeat: FREQ=MINUTELY }\n".repeat(8);
    let dense = faults(&format!("calendar: a\nzone: UTC\nwindows:\n{many}"));
    assert!(dense.contains("up to 11520 occurrences could begin in a day"), "{dense}");
    let counted =
        "  - { starts: 2026-01-01, lasts: 1h, repeat: FREQ=DAILY;COUNT=9999 }\n".repeat(12);
    let listed = faults(&format!("calendar: a\nzone: UTC\nwindows:\n{counted}"));
    assert!(listed.contains("single occurrences"), "{listed}");
    let long =
        faults(&format!("calendar: a\nzone: UTC\nholidays:\n{}", "  - 2026-12-25\n".repeat(2_001)));
    assert!(long.contains("the calendar has 2001 entries"), "{long}");
    let wrong = format!("calendar: a\nzone: UTC\nwindows:\n{}", "  - { from: x }\n".repeat(1_000));
    let findings = Calendar::parse("a.yaml", &wrong).unwrap_err();
    assert_eq!(findings.iter().count(), 100);
    assert!(faults(&"#".repeat(1_100_000)).contains("1100000 bytes"));
    assert!(faults(&"[".repeat(10_000)).contains("HP2201"));

    let several = "calendar: a\nzone: UTC\nwindows:\n  - { starts: x, lasts: 1h }\n  - { starts: 2026-01-01, lasts: y }\n\
                   holidays: [2026-12-25T10:00]\n";
    let findings = Calendar::parse("a.yaml", several).unwrap_err();
    let codes: Vec<FindingCode> = findings.iter().map(|one| one.code).collect();
    assert_eq!(codes, [FindingCode::Time, FindingCode::Length, FindingCode::Time]);
    let places: Vec<u64> = findings.iter().map(|one| one.place.unwrap().line).collect();
    assert_eq!(places, [4, 5, 6]);
}

/// From an event or an import there is no text: findings then stand under the calendar's name.
#[test]
fn a_document_is_checked_without_its_text() {
    let good = calendar("calendar: a\nzone: UTC\nholidays: [2026-12-25]\n");
    let document = Document { zone: "Nowhere".to_owned(), ..good.document().clone() };
    let findings = Calendar::new(document).unwrap_err().to_string();
    assert!(
        findings.starts_with("a: error[HP2203]: zone: there is no time zone `Nowhere`"),
        "{findings}"
    );
}

#[test]
fn what_the_canonical_form_keeps() {
    let one = calendar("calendar: a\nzone: UTC\nholidays: [2026-12-25]\n");
    let same =
        calendar("# Noel\nholidays:\n  - { date: '2026-12-25' }\nzone: \"UTC\"\ncalendar: a\n");
    assert_snapshot!(one.canonical(), @r#"
    {"calendar":"a","zone":"UTC","holidays":[{"date":"2026-12-25"}]}
    "#);
    assert_eq!(one.digest(), same.digest(), "only the text differs");
    assert_eq!(one, same);
    let other = calendar("calendar: a\nzone: UTC\nholidays: [2026-12-26]\n");
    assert_ne!(one.digest(), other.digest());
    assert_eq!(one.reference().digest, one.digest());
    assert!(Schedule::denied(&one).contains(at("2026-12-25T23:59Z")));
}
