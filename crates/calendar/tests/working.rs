//! Working time, and lengths that are counted in it.

use holdpoint_calendar::{Calendar, Horizon, Next, Schedule, WorkingLength};

use crate::common::{at, between, calendar, hours, open_in, window};

fn office() -> Calendar {
    calendar(
        "calendar: office\nzone: Europe/Berlin\n\
         working: { days: [mon, tue, wed, thu, fri], hours: ['09:00-12:00', '13:00-17:00'] }\n\
         freezes:\n  - { from: 2026-12-10, through: 2026-12-11 }\n\
         holidays: [{ date: 2026-12-25, name: Christmas, repeat: FREQ=YEARLY }]\n",
    )
}

fn due(calendar: &Calendar, from: &str, length: &str) -> Next {
    let length: WorkingLength = length.parse().unwrap();
    calendar.due(at(from), length, Horizon::default()).unwrap()
}

#[test]
fn working_time_is_hours_of_days_of_the_week() {
    let range = between("2026-12-23T00:00Z", "2026-12-29T00:00Z");
    // The 25th is a holiday, a Friday.
    let open = [
        "2026-12-23T08:00:00Z/2026-12-23T11:00:00Z",
        "2026-12-23T12:00:00Z/2026-12-23T16:00:00Z",
        "2026-12-24T08:00:00Z/2026-12-24T11:00:00Z",
        "2026-12-24T12:00:00Z/2026-12-24T16:00:00Z",
        "2026-12-28T08:00:00Z/2026-12-28T11:00:00Z",
        "2026-12-28T12:00:00Z/2026-12-28T16:00:00Z",
    ];
    assert_eq!(open_in(&office(), range), open);
}

#[test]
fn lengths_end_when_so_much_working_time_has_passed() {
    let office = office();
    for (from, length, expected) in [
        // Monday, 16:00 there: one hour is left of it, three and four are on Tuesday.
        ("2026-12-14T15:00Z", "8 working hours", "2026-12-15T16:00:00Z"),
        ("2026-12-14T15:00Z", "1 working hour", "2026-12-14T16:00:00Z"),
        ("2026-12-14T15:00Z", "61 working minutes", "2026-12-15T08:01:00Z"),
        // At night nothing passes.
        ("2026-12-14T20:00Z", "3 working hours", "2026-12-15T11:00:00Z"),
        // Over a holiday and a weekend.
        ("2026-12-24T15:30Z", "1 working hour", "2026-12-28T08:30:00Z"),
        // A freeze is no holiday.
        ("2026-12-10T08:00Z", "7 working hours", "2026-12-10T16:00:00Z"),
        // The day of Monday does not count.
        ("2026-12-14T09:00Z", "2 working days", "2026-12-16T16:00:00Z"),
        ("2026-12-14T22:59Z", "1 working day", "2026-12-15T16:00:00Z"),
        // In Berlin it is Tuesday already.
        ("2026-12-14T23:00Z", "1 working day", "2026-12-16T16:00:00Z"),
        ("2026-12-24T09:00Z", "1 working day", "2026-12-28T16:00:00Z"),
        ("2026-12-26T09:00Z", "1 working day", "2026-12-28T16:00:00Z"),
        ("2026-12-09T09:00Z", "2 working days", "2026-12-11T16:00:00Z"),
    ] {
        assert_eq!(due(&office, from, length), Next::At(at(expected)), "{length} from {from}");
    }
}

#[test]
fn what_is_beyond_the_horizon_is_not_looked_for() {
    let from = at("2026-12-14T09:00Z");
    for (length, horizon, not_before) in [
        ("9999 working days", hours(24 * 30), "2027-01-13T09:00:00Z"),
        ("9999 working hours", hours(24 * 30), "2027-01-13T09:00:00Z"),
        ("1 working minute", hours(0), "2026-12-14T09:00:00Z"),
    ] {
        let found = office().due(from, length.parse().unwrap(), Horizon::of(horizon)).unwrap();
        assert_eq!(found, Next::NotBefore(at(not_before)), "{length}");
    }
}

#[test]
fn a_day_around_the_clock_ends_at_midnight() {
    let plant = calendar(
        "calendar: plant\nzone: America/New_York\n\
         working: { days: [mon, tue, wed, thu, fri, sat, sun], hours: ['00:00-24:00'] }\n",
    );
    let always = Schedule::working(&plant);
    let month = between("2025-10-20T00:00Z", "2025-11-20T00:00Z");
    assert_eq!(always.intervals(month, 9).intervals, [month], "no change of clocks cuts it");
    let found = due(&plant, "2025-10-31T12:00Z", "2 working days");
    assert_eq!(found, Next::At(at("2025-11-03T05:00Z")), "the 2nd has 25 hours");
}

#[test]
fn lengths_are_read_strictly_and_written_as_they_are_read() {
    for text in ["1 working day", "2 working days", "8 working hours", "90 working minutes"] {
        assert_eq!(text.parse::<WorkingLength>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "2",
        "2 days",
        "0 working days",
        "-1 working days",
        "+1 working days",
        "1.5 working hours",
        "10000 working days",
        "2 working weeks",
        "2 working days too",
        "two working days",
    ] {
        let error = text.parse::<WorkingLength>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is not a length of working time")), "{error}");
    }
}

#[test]
fn without_working_time_nothing_can_be_due() {
    let nights = window("UTC", "starts: 2026-01-06T22:00, lasts: 4h");
    let length = "2 working days".parse().unwrap();
    let error = nights.due(at("2026-01-01T00:00Z"), length, Horizon::default()).unwrap_err();
    insta::assert_snapshot!(error, @"the calendar `test` has no working time: give it `working`, with days and hours");
    assert!(!Schedule::working(&nights).contains(at("2026-01-06T23:00Z")));
}
