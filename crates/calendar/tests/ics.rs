//! Import of iCalendar files.

use std::collections::BTreeMap;

use holdpoint_calendar::{Import, Imported, Role, Schedule, Transparent, import_ics, zone_data};
use insta::assert_snapshot;

use crate::common::{at, between, open_in};

fn how(role: Role) -> Import {
    Import {
        calendar: "imported".parse().unwrap(),
        zone: "Europe/Berlin".to_owned(),
        role,
        transparent: Transparent::Skip,
        zones: BTreeMap::new(),
    }
}

/// A file of these events, each a list of lines.
fn file(events: &[&[&str]]) -> String {
    let event =
        |lines: &&[&str]| format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", lines.join("\r\n"));
    let events: String = events.iter().map(event).collect();
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{events}END:VCALENDAR\r\n")
}

#[track_caller]
fn imports(source: &str, import: &Import) -> Imported {
    import_ics("team.ics", source, import).unwrap_or_else(|findings| panic!("{findings}\n{source}"))
}

/// What is wrong with an event, told in full.
#[track_caller]
fn refuses(lines: &[&str]) -> String {
    import_ics("team.ics", &file(&[lines]), &how(Role::Windows)).unwrap_err().to_string()
}

#[test]
fn a_series_with_its_exceptions_and_changes() {
    let source = file(&[
        &[
            "UID:patch@example.org",
            "SUMMARY:Patch night\\, all",
            "  clusters",
            "DTSTART;TZID=Europe/Berlin:20260106T220000",
            "DTEND;TZID=Europe/Berlin:20260107T020000",
            "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20260131T230000Z",
            "EXDATE;TZID=Europe/Berlin:20260113T220000",
            "RDATE:20260201T120000Z",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "DURATION:PT15M",
            "END:VALARM",
        ],
        &[
            "UID:patch@example.org",
            "RECURRENCE-ID:20260120T210000Z",
            "SUMMARY:Patch night, a day later",
            "DTSTART;TZID=Europe/Berlin:20260121T220000",
            "DURATION:PT2H",
        ],
        &[
            "UID:patch@example.org",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260127T220000",
            "DTSTART;TZID=Europe/Berlin:20260127T220000",
            "STATUS:CANCELLED",
        ],
    ]);
    let Imported { calendar, skipped } = imports(&source, &how(Role::Windows));
    let range = between("2026-01-01T00:00Z", "2027-01-01T00:00Z");
    assert_snapshot!(open_in(&calendar, range).join("\n"), @"
    2026-01-06T21:00:00Z/2026-01-07T01:00:00Z
    2026-01-21T21:00:00Z/2026-01-21T23:00:00Z
    2026-02-01T12:00:00Z/2026-02-01T16:00:00Z
    ");
    assert_snapshot!(serde_json::to_string_pretty(calendar.document()).unwrap(), @r#"
    {
      "calendar": "imported",
      "zone": "Europe/Berlin",
      "windows": [
        {
          "starts": "2026-01-06T22:00:00",
          "lasts": "4h",
          "repeat": "FREQ=WEEKLY;BYDAY=TU;UNTIL=20260131T230000Z",
          "except": [
            "2026-01-13T22:00:00",
            "2026-01-20T22:00:00",
            "2026-01-27T22:00:00"
          ],
          "also": [
            "2026-02-01T13:00:00"
          ],
          "reason": "Patch night, all clusters"
        },
        {
          "starts": "2026-01-21T22:00:00",
          "lasts": "PT2H",
          "reason": "Patch night, a day later"
        }
      ]
    }
    "#);
    assert_eq!(skipped.len(), 1);
    assert_eq!((skipped[0].line, skipped[0].reason.as_str()), (25, "it is cancelled"));
}

#[test]
fn whole_days_zones_and_floating_times() {
    let source = file(&[
        &["UID:1", "DTSTART;VALUE=DATE:20260101"],
        &["UID:2", "DTSTART;VALUE=DATE:20260110", "DTEND;VALUE=DATE:20260112"],
        &["UID:3", "DTSTART:20260115T090000", "DURATION:PT1H"],
        &["UID:4", "DTSTART:20260116T090000Z", "DURATION:PT1H"],
        &["UID:5", "DTSTART;TZID=America/New_York:20260117T090000", "DTEND:20260117T150000Z"],
        &["UID:6", "DTSTART;TZID=W. Europe Standard Time:20260118T090000", "DURATION:P1DT1H"],
    ]);
    let mut import = how(Role::Freezes);
    import.zones.insert("W. Europe Standard Time".to_owned(), "Europe/Berlin".to_owned());
    let calendar = imports(&source, &import).calendar;
    let denied = Schedule::denied(&calendar);
    let listing = denied.intervals(between("2025-12-01T00:00Z", "2026-03-01T00:00Z"), 99);
    let found: Vec<String> =
        listing.intervals.iter().map(|one| format!("{}/{}", one.start(), one.end())).collect();
    assert_eq!(
        found,
        [
            "2025-12-31T23:00:00Z/2026-01-01T23:00:00Z",
            "2026-01-09T23:00:00Z/2026-01-11T23:00:00Z",
            "2026-01-15T08:00:00Z/2026-01-15T09:00:00Z",
            "2026-01-16T09:00:00Z/2026-01-16T10:00:00Z",
            "2026-01-17T14:00:00Z/2026-01-17T15:00:00Z",
            "2026-01-18T08:00:00Z/2026-01-19T09:00:00Z",
        ]
    );
}

#[test]
fn holidays_are_whole_days() {
    let source = file(&[
        &[
            "SUMMARY:New Year",
            "DTSTART;VALUE=DATE:20260101",
            "RRULE:FREQ=YEARLY",
            "TRANSP:TRANSPARENT",
        ],
        &["SUMMARY:Company days", "DTSTART;VALUE=DATE:20260803", "DTEND;VALUE=DATE:20260805"],
    ]);
    let Imported { calendar, skipped } = imports(&source, &how(Role::Holidays));
    assert_eq!(
        calendar.document().holidays.len(),
        2,
        "two days, and what is transparent is not there"
    );
    assert_eq!(skipped[0].what, "event `New Year`");
    assert_snapshot!(skipped[0].reason, @"it is marked as taking up no time (TRANSP)");
    let take = Import { transparent: Transparent::Take, ..how(Role::Holidays) };
    let Imported { calendar, skipped } = imports(&source, &take);
    assert!(skipped.is_empty());
    let denied = Schedule::denied(&calendar);
    for (moment, is_denied) in
        [("2030-01-01T10:00Z", true), ("2026-08-04T10:00Z", true), ("2026-08-05T10:00Z", false)]
    {
        assert_eq!(denied.contains(at(moment)), is_denied, "{moment}");
    }
    let timed = file(&[&["SUMMARY:Party", "DTSTART:20260101T100000", "DURATION:PT1H"]]);
    let refused = import_ics("team.ics", &timed, &take).unwrap_err();
    assert_snapshot!(refused, @"
    team.ics:6:1: error[HP2214]: event `Party`: a holiday is a whole day, and this is a time
    help: import such events as freezes
    ");
}

#[test]
fn what_a_calendar_cannot_say_is_refused_with_event_and_line() {
    let start = "DTSTART;TZID=Europe/Berlin:20260106T220000";
    let hour = "DURATION:PT1H";
    let mut found = String::new();
    for lines in [
        &["UID:1", "DURATION:PT1H"] as &[&str],
        &["UID:2", start],
        &["UID:3", start, "DTEND;TZID=Europe/Berlin:20260106T220000"],
        &["UID:4", start, "DTEND;VALUE=DATE:20260107"],
        &["UID:5", start, hour, "DTEND:20260107T000000Z"],
        &["UID:6", start, "DURATION:-PT1H"],
        &["UID:7", start, hour, "RRULE:FREQ=WEEKLY;BYDAY=WE"],
        &["UID:8", start, hour, "RRULE:FREQ=WEEKLY", "RRULE:FREQ=DAILY"],
        &["UID:9", start, hour, "RRULE:FREQ=SECONDLY"],
        &["UID:10", start, hour, "RRULE:FREQ=WEEKLY", "EXRULE:FREQ=MONTHLY"],
        &["UID:11", start, hour, "RRULE:FREQ=WEEKLY", "EXDATE;VALUE=DATE:20260113"],
        &["UID:12", start, hour, "RRULE:FREQ=WEEKLY", "EXDATE:20260113T220000Z"],
        &["UID:13", start, hour, "RDATE;VALUE=PERIOD:20260113T220000Z/PT1H"],
        &["UID:14", "DTSTART;TZID=W. Europe Standard Time:20260106T220000", hour],
        &["UID:15", "DTSTART:2026-01-06T22:00", hour],
        &["UID:16", start, hour, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260106T210000Z"],
        &["SUMMARY:Named", "DTSTART;VALUE=DATE:20260106T220000", hour],
    ] {
        found.push_str(&refuses(lines).replace(zone_data(), "RELEASE"));
    }
    assert_snapshot!(found, @"
    team.ics:4:1: error[HP2214]: event `1`: the event has no `DTSTART`
    help: say when it starts
    team.ics:4:1: error[HP2207]: event `2`: the event takes no time
    help: give it a DTEND or a DURATION
    team.ics:7:1: error[HP2207]: event `3`: the event ends before it begins
    help: give it a later DTEND; on whole days it is the day after the last
    team.ics:7:1: error[HP2207]: event `4`: `DTSTART` and `DTEND` are not both dates, or both times
    help: give it a later DTEND; on whole days it is the day after the last
    team.ics:8:1: error[HP2214]: event `5`: the event has both `DTEND` and `DURATION`
    help: keep one of them
    team.ics:7:1: error[HP2206]: event `6`: `-PT1H` takes no time
    help: write weeks, days, hours, minutes or seconds, such as `90m`, `4h`, `1d` or `1d 12h`
    team.ics:6:1: error[HP2205]: event `7`: `2026-01-06T22:00:00` is not one of the times that the rule makes
    help: the first of them is `2026-01-07T22:00:00`: let it start there
    team.ics:9:1: error[HP2214]: event `8`: the event has `RRULE` twice
    help: keep one
    team.ics:8:1: error[HP2204]: event `9`: `FREQ=SECONDLY` is not supported
    help: use `FREQ=MINUTELY`, or one longer stretch of time: no window opens every second
    team.ics:9:1: error[HP2214]: event `10`: `EXRULE` is not supported
    help: list the dates with EXDATE
    team.ics:9:1: error[HP2214]: event `11`: `EXDATE` and `DTSTART` are not both dates, or both times
    help: RFC 5545 wants them to be of one kind
    team.ics:9:1: error[HP2209]: event `12`: there is no occurrence to except
    help: write the date, or the exact local time, at which an occurrence begins
    team.ics:8:1: error[HP2214]: event `13`: `RDATE` with periods is not supported
    help: make an event of its own of each period
    team.ics:6:1: error[HP2203]: event `14`: there is no time zone `W. Europe Standard Time` in release RELEASE of the zone data
    help: say at the import which IANA zone the name stands for
    team.ics:6:1: error[HP2214]: event `15`: `2026-01-06T22:00` is not a date or a time
    help: a date is `20260106`, a time `20260106T220000` with TZID, or ending in `Z`
    team.ics:8:1: error[HP2214]: event `16`: a change of all later occurrences is not supported
    help: end the old series with UNTIL, and make a new one of the rest
    team.ics:6:1: error[HP2214]: event `Named`: `20260106T220000` is not a date or a time
    help: a date is `20260106`, a time `20260106T220000` with TZID, or ending in `Z`
    ");
}

#[test]
fn what_is_no_icalendar_file_is_told_with_its_line() {
    let mut found = String::new();
    for source in [
        "",
        "hello\n",
        "BEGIN:VEVENT\nEND:VEVENT\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\n",
        "BEGIN:VCALENDAR\nDTSTART\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nEND:VCALENDAR\nX:1\n",
        "BEGIN:VCALENDAR\nBEGIN:VCALENDAR\nEND:VCALENDAR\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nCALSCALE:HEBREW\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nMETHOD:CANCEL\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nBEGIN:VFREEBUSY\nEND:VFREEBUSY\nEND:VCALENDAR\n",
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
    ] {
        let findings = import_ics("team.ics", source, &how(Role::Windows)).unwrap_err();
        found.push_str(findings.to_string().lines().next().unwrap());
        found.push('\n');
    }
    assert_snapshot!(found, @"
    team.ics:1:1: error[HP2213]: there is no `VCALENDAR`
    team.ics:1:1: error[HP2213]: this is not a line of an iCalendar file
    team.ics:1:1: error[HP2213]: `VEVENT` cannot begin here
    team.ics:3:1: error[HP2213]: `VCALENDAR` cannot end here
    team.ics:2:1: error[HP2213]: the `VEVENT` that begins here does not end
    team.ics:2:1: error[HP2213]: this is not a line of an iCalendar file
    team.ics:3:1: error[HP2213]: this stands outside a `VCALENDAR`
    team.ics:2:1: error[HP2213]: `VCALENDAR` cannot begin here
    team.ics:2:1: error[HP2214]: `VCALENDAR`: the calendar scale `HEBREW` is not supported
    team.ics:2:1: error[HP2214]: `VCALENDAR`: this is a message that cancels events
    team.ics:2:1: error[HP2214]: `VFREEBUSY`: `VFREEBUSY` says who is busy, not when work may be done
    team.ics: error[HP2208]: the calendar says nothing
    ");
}

#[test]
fn what_is_left_out_is_listed() {
    let source = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19701025T030000\n\
        END:STANDARD\nEND:VTIMEZONE\nBEGIN:VTODO\nSUMMARY:Buy milk\nEND:VTODO\n\
        BEGIN:VEVENT\nSUMMARY:Off\nSTATUS:CANCELLED\nEND:VEVENT\n\
        BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260106\nEND:VEVENT\nEND:VCALENDAR\n";
    let Imported { calendar, skipped } = imports(source, &how(Role::Freezes));
    assert_eq!(calendar.document().freezes.len(), 1);
    let told: Vec<String> = skipped
        .iter()
        .map(|one| format!("line {}: {}: {}", one.line, one.what, one.reason))
        .collect();
    assert_snapshot!(told.join("\n"), @"
    line 8: `VTODO`: only events have windows
    line 11: event `Off`: it is cancelled
    ");
}
