//! Any text is answered: nothing panics, and nothing runs for ever.

use std::collections::BTreeMap;

use holdpoint_calendar::{
    Calendar, Horizon, Import, Role, Schedule, Transparent, WorkingLength, import_ics,
};
use proptest::prelude::*;

use crate::common::{at, between, hours, properties};

/// Asks a calendar everything.
fn ask(calendar: &Calendar) {
    let from = at("2026-06-01T12:34:56Z");
    let horizon = Horizon::default();
    for schedule in
        [Schedule::open(calendar), Schedule::during(calendar), Schedule::working(calendar)]
    {
        let next = schedule.next_opening(from, horizon);
        if let Some(opening) = next.at() {
            assert!(schedule.contains(opening));
            assert!(schedule.closes(opening, horizon).is_some());
            assert!(schedule.window(opening, horizon).is_some());
        }
        let _ = schedule.next_fit(from, hours(5), horizon);
        let _ = schedule.fits(from, hours(100));
        let _ = schedule.opened(from, horizon);
        let _ = schedule.intervals(between("2026-01-01T00:00Z", "2027-01-01T00:00Z"), 100);
    }
    for length in ["3 working days", "9999 working hours"] {
        let length: WorkingLength = length.parse().unwrap();
        let _ = calendar.due(from, length, horizon);
    }
    let _ = calendar.denials(from);
}

fn try_rule(starts: &str, rule: &str, lasts: &str) {
    let source = format!(
        "calendar: a\nzone: Africa/Casablanca\nwindows:\n  - {{ starts: {starts}, lasts: {lasts}, \
         repeat: '{rule}', except: [{starts}] }}\n"
    );
    for source in [source.clone(), source.replace(&format!(", except: [{starts}]"), "")] {
        if let Ok(calendar) = Calendar::parse("a.yaml", &source) {
            ask(&calendar);
        }
    }
}

/// What makes libraries for recurrence rules hang.
#[test]
fn rules_that_are_known_to_hang_others() {
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2,4,6",
        "FREQ=MONTHLY;BYMONTHDAY=1;BYDAY=2SU",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=HOURLY;INTERVAL=9999;BYMONTHDAY=31;BYMONTH=2",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;INTERVAL=9999;BYHOUR=3;BYMINUTE=7",
        "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1",
        "FREQ=MINUTELY;INTERVAL=1441;BYSETPOS=2;BYSECOND=1,2",
        "FREQ=MINUTELY;COUNT=10000;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=YEARLY;INTERVAL=9999",
        "FREQ=MONTHLY;INTERVAL=9999",
        "FREQ=WEEKLY;INTERVAL=9999",
        "FREQ=WEEKLY;INTERVAL=9999;WKST=SU;BYDAY=MO,SA",
        "FREQ=YEARLY;BYWEEKNO=51;BYDAY=SU;BYMONTH=1",
        "FREQ=YEARLY;BYSETPOS=366;BYDAY=MO",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=4294967295",
        "FREQ=DAILY;COUNT=99999999999999999999",
        "FREQ=SECONDLY;COUNT=1000000000",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23;BYMINUTE=0,59;BYSECOND=0,59",
    ] {
        for starts in ["2026-01-01T04:00", "1900-01-01T00:00", "2200-12-31T23:59"] {
            try_rule(starts, rule, "1h");
            try_rule(starts, rule, "3000d");
        }
    }
}

fn part() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("INTERVAL"),
        Just("COUNT"),
        Just("UNTIL"),
        Just("BYMONTH"),
        Just("BYWEEKNO"),
        Just("BYYEARDAY"),
        Just("BYMONTHDAY"),
        Just("BYDAY"),
        Just("BYHOUR"),
        Just("BYMINUTE"),
        Just("BYSECOND"),
        Just("BYSETPOS"),
        Just("WKST"),
        Just("X"),
    ];
    let item = prop_oneof![
        4 => (-60..60_i32).prop_map(|n| n.to_string()),
        3 => "[+-]?[0-9]{0,2}(MO|TU|WE|TH|FR|SA|SU)",
        1 => "[0-9]{1,20}",
        1 => Just("20261231T235959Z".to_owned()),
        1 => "[ -~]{0,6}",
    ];
    (name, proptest::collection::vec(item, 1..4))
        .prop_map(|(n, items)| format!("{n}={}", items.join(",")))
}

fn rule() -> impl Strategy<Value = String> {
    let frequency = prop_oneof![
        Just("YEARLY"),
        Just("MONTHLY"),
        Just("WEEKLY"),
        Just("DAILY"),
        Just("HOURLY"),
        Just("MINUTELY")
    ];
    (frequency, proptest::collection::vec(part(), 0..4)).prop_map(|(f, parts)| {
        [vec![format!("FREQ={f}")], parts].concat().join(";").replace('\'', "")
    })
}

const YAML: &str = "calendar: all\ntitle: All of it\nzone: Europe/Berlin\nwindows:\n\
  - { starts: 2026-01-06T22:00, lasts: 4h, repeat: 'FREQ=WEEKLY;BYDAY=TU', except: [2026-12-29], gap: skip, fold: both }\n\
  - { from: 2026-02-01, through: 2026-02-03, zone: UTC, reason: once }\n\
freezes:\n  - { from: 2026-12-20, to: 2027-01-07, reason: Christmas freeze }\n\
working: { days: [mon, tue, wed, thu, fri], hours: ['09:00-12:00', '13:00-17:00'] }\n\
holidays: [2026-12-25, { date: 2026-12-26, name: Boxing Day, repeat: FREQ=YEARLY }]\n";

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Patch\r\n  night\r\n\
DTSTART;TZID=Europe/Berlin:20260106T220000\r\nDTEND;TZID=\"Europe/Berlin\":20260107T020000\r\n\
RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20261231T230000Z\r\nEXDATE;TZID=Europe/Berlin:20260113T220000\r\n\
RDATE:20260201T120000Z\r\nBEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:1\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260120T220000\r\n\
DTSTART;TZID=Europe/Berlin:20260121T220000\r\nDURATION:PT2H\r\nEND:VEVENT\r\n\
BEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20261224\r\nTRANSP:TRANSPARENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// A text in which some pieces were removed, doubled or overwritten.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let change = (
        0..text.len(),
        0..12_usize,
        prop_oneof![
            Just(None),
            "[ -~]{0,4}".prop_map(Some),
            "\\PC{0,3}".prop_map(Some),
            prop_oneof![
                Just("\n"),
                Just("\r\n "),
                Just(": "),
                Just("9999"),
                Just("-"),
                Just("BEGIN:VEVENT\r\n")
            ]
            .prop_map(|text| Some(text.to_owned())),
        ],
    );
    proptest::collection::vec(change, 1..5).prop_map(move |changes| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, length, new) in changes {
            let start = at.min(bytes.len());
            let end = (start + length).min(bytes.len());
            let new = new.map_or_else(|| bytes[start..end].repeat(2), String::into_bytes);
            bytes.splice(start..end, new);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn import(source: &str, role: Role, transparent: Transparent) {
    let zone = "Europe/Berlin".to_owned();
    let calendar = "imported".parse().unwrap();
    let import = Import { calendar, zone, role, transparent, zones: BTreeMap::new() };
    if let Ok(imported) = import_ics("a.ics", source, &import) {
        ask(&imported.calendar);
    }
}

proptest! {
    #![proptest_config(properties(128))]

    #[test]
    fn any_rule_is_answered(rule in rule(), year in 1990..2030_i32, lasts in prop_oneof![Just("1s"), Just("5h"), Just("2d")]) {
        try_rule(&format!("{year}-03-31T02:30"), &rule, lasts);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        let _ = Calendar::parse("a.yaml", &text);
        import(&text, Role::Windows, Transparent::Take);
        let _ = text.parse::<WorkingLength>();
    }

    #[test]
    fn any_change_of_a_calendar_is_answered(text in mutated(YAML)) {
        match Calendar::parse("a.yaml", &text) {
            Ok(calendar) => ask(&calendar),
            Err(findings) => prop_assert!(findings.iter().next().is_some()),
        }
    }

    #[test]
    fn any_change_of_an_ics_file_is_answered(text in mutated(ICS), role in 0..3, take in any::<bool>()) {
        let role = [Role::Windows, Role::Freezes, Role::Holidays][usize::try_from(role).unwrap()];
        import(&text, role, if take { Transparent::Take } else { Transparent::Skip });
    }
}

#[test]
fn what_is_mutated_is_right_before() {
    ask(&Calendar::parse("a.yaml", YAML).unwrap());
    import(ICS, Role::Freezes, Transparent::Take);
}
