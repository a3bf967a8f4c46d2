//! Local times that do not exist or exist twice, in zones that change their clocks in unlike ways.

use holdpoint_calendar::{Schedule, zone_data};

use crate::common::{at, between, calendar, faults, open_in, window};

/// `zone`, an entry, the days looked at, and the intervals there must be.
struct Case {
    name: &'static str,
    zone: &'static str,
    entry: &'static str,
    range: (&'static str, &'static str),
    open: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "Berlin, 02:30 does not exist on 30 March 2025: a rule drops it",
        zone: "Europe/Berlin",
        entry: "starts: 2025-03-29T02:30, lasts: 1h, repeat: FREQ=DAILY",
        range: ("2025-03-29T00:00Z", "2025-04-01T00:00Z"),
        open: &[
            "2025-03-29T01:30:00Z/2025-03-29T02:30:00Z",
            "2025-03-31T00:30:00Z/2025-03-31T01:30:00Z",
        ],
    },
    Case {
        name: "Berlin, the same, shifted forward to 03:30",
        zone: "Europe/Berlin",
        entry: "starts: 2025-03-29T02:30, lasts: 1h, repeat: FREQ=DAILY, gap: shift_forward",
        range: ("2025-03-30T00:00Z", "2025-03-31T00:00Z"),
        open: &["2025-03-30T01:30:00Z/2025-03-30T02:30:00Z"],
    },
    Case {
        name: "Berlin, an explicit start is shifted, not dropped",
        zone: "Europe/Berlin",
        entry: "starts: 2025-03-30T02:30, lasts: 1h, repeat: FREQ=DAILY;COUNT=1",
        range: ("2025-03-29T00:00Z", "2025-04-01T00:00Z"),
        open: &["2025-03-30T01:30:00Z/2025-03-30T02:30:00Z"],
    },
    Case {
        name: "Berlin, 02:30 exists twice on 26 October 2025: the first",
        zone: "Europe/Berlin",
        entry: "starts: 2025-10-25T02:30, lasts: 30m, repeat: FREQ=DAILY",
        range: ("2025-10-26T00:00Z", "2025-10-27T00:00Z"),
        open: &["2025-10-26T00:30:00Z/2025-10-26T01:00:00Z"],
    },
    Case {
        name: "Berlin, the second",
        zone: "Europe/Berlin",
        entry: "starts: 2025-10-25T02:30, lasts: 30m, repeat: FREQ=DAILY, fold: second",
        range: ("2025-10-26T00:00Z", "2025-10-27T00:00Z"),
        open: &["2025-10-26T01:30:00Z/2025-10-26T02:00:00Z"],
    },
    Case {
        name: "Berlin, both",
        zone: "Europe/Berlin",
        entry: "starts: 2025-10-25T02:30, lasts: 30m, repeat: FREQ=DAILY, fold: both",
        range: ("2025-10-26T00:00Z", "2025-10-27T00:00Z"),
        open: &[
            "2025-10-26T00:30:00Z/2025-10-26T01:00:00Z",
            "2025-10-26T01:30:00Z/2025-10-26T02:00:00Z",
        ],
    },
    Case {
        name: "Berlin, 4h are exact: from 23:00 over the lost hour to 04:00",
        zone: "Europe/Berlin",
        entry: "starts: 2025-03-29T23:00, lasts: 4h",
        range: ("2025-03-29T00:00Z", "2025-03-31T00:00Z"),
        open: &["2025-03-29T22:00:00Z/2025-03-30T02:00:00Z"],
    },
    Case {
        name: "Berlin, 1d is a day on the calendar, of 25 hours here",
        zone: "Europe/Berlin",
        entry: "starts: 2025-10-26, lasts: 1d",
        range: ("2025-10-25T00:00Z", "2025-10-28T00:00Z"),
        open: &["2025-10-25T22:00:00Z/2025-10-26T23:00:00Z"],
    },
    Case {
        name: "New York, 02:30 does not exist on 9 March 2025: COUNT does not count it",
        zone: "America/New_York",
        entry: "starts: 2025-03-08T02:30, lasts: 1h, repeat: FREQ=DAILY;COUNT=2",
        range: ("2025-03-08T00:00Z", "2025-03-20T00:00Z"),
        open: &[
            "2025-03-08T07:30:00Z/2025-03-08T08:30:00Z",
            "2025-03-10T06:30:00Z/2025-03-10T07:30:00Z",
        ],
    },
    Case {
        name: "New York, 01:30 exists twice on 2 November 2025",
        zone: "America/New_York",
        entry: "starts: 2025-11-02T01:30, lasts: 10m, fold: both",
        range: ("2025-11-02T00:00Z", "2025-11-03T00:00Z"),
        open: &[
            "2025-11-02T05:30:00Z/2025-11-02T05:40:00Z",
            "2025-11-02T06:30:00Z/2025-11-02T06:40:00Z",
        ],
    },
    Case {
        name: "Lord Howe moves by half an hour: 02:15 does not exist on 5 October 2025",
        zone: "Australia/Lord_Howe",
        entry: "starts: 2025-10-04T02:15, lasts: 1h, repeat: FREQ=DAILY, gap: shift_forward",
        range: ("2025-10-04T12:00Z", "2025-10-05T12:00Z"),
        open: &["2025-10-04T15:45:00Z/2025-10-04T16:45:00Z"],
    },
    Case {
        name: "Lord Howe, 01:45 exists twice on 6 April 2025",
        zone: "Australia/Lord_Howe",
        entry: "starts: 2025-04-06T01:45, lasts: 10m, fold: both",
        range: ("2025-04-05T00:00Z", "2025-04-06T12:00Z"),
        open: &[
            "2025-04-05T14:45:00Z/2025-04-05T14:55:00Z",
            "2025-04-05T15:15:00Z/2025-04-05T15:25:00Z",
        ],
    },
    Case {
        name: "Apia has no 30 December 2011: a rule drops it",
        zone: "Pacific/Apia",
        entry: "starts: 2011-12-29T09:00, lasts: 8h, repeat: FREQ=DAILY",
        range: ("2011-12-29T00:00Z", "2012-01-01T12:00Z"),
        open: &[
            "2011-12-29T19:00:00Z/2011-12-30T03:00:00Z",
            "2011-12-30T19:00:00Z/2011-12-31T03:00:00Z",
            "2011-12-31T19:00:00Z/2012-01-01T03:00:00Z",
        ],
    },
    Case {
        name: "Casablanca puts clocks back for Ramadan, on 10 March 2024",
        zone: "Africa/Casablanca",
        entry: "starts: 2024-03-09T02:30, lasts: 15m, repeat: FREQ=DAILY, fold: both",
        range: ("2024-03-10T00:00Z", "2024-03-11T00:00Z"),
        open: &[
            "2024-03-10T01:30:00Z/2024-03-10T01:45:00Z",
            "2024-03-10T02:30:00Z/2024-03-10T02:45:00Z",
        ],
    },
    Case {
        name: "Casablanca, and forward again on 14 April 2024: 02:30 does not exist",
        zone: "Africa/Casablanca",
        entry: "starts: 2024-04-13T02:30, lasts: 15m, repeat: FREQ=DAILY",
        range: ("2024-04-13T00:00Z", "2024-04-16T00:00Z"),
        open: &[
            "2024-04-13T02:30:00Z/2024-04-13T02:45:00Z",
            "2024-04-15T01:30:00Z/2024-04-15T01:45:00Z",
        ],
    },
];

#[test]
fn local_times_become_moments_by_the_stated_policy() {
    for case in CASES {
        let calendar = window(case.zone, case.entry);
        let found = open_in(&calendar, between(case.range.0, case.range.1));
        assert_eq!(found, case.open, "{}", case.name);
    }
}

/// What freezes do where windows drop or choose.
#[test]
fn a_freeze_never_vanishes() {
    let freeze = |zone: &str, entry: &str| {
        calendar(&format!("calendar: freeze\nzone: {zone}\nfreezes:\n  - {{ {entry} }}\n"))
    };
    // It is shifted where a window would be dropped.
    let daily = freeze("Europe/Berlin", "starts: 2025-03-29T02:30, lasts: 1h, repeat: FREQ=DAILY");
    assert!(Schedule::denied(&daily).contains(at("2025-03-30T01:45Z")));
    // It begins at the first and ends at the second of two.
    let night = freeze("Europe/Berlin", "from: 2025-10-26T02:15, to: 2025-10-26T02:45");
    let denied = Schedule::denied(&night);
    assert!(denied.contains(at("2025-10-26T00:15Z")) && denied.contains(at("2025-10-26T01:44Z")));
    assert!(!denied.contains(at("2025-10-26T00:14Z")) && !denied.contains(at("2025-10-26T01:45Z")));
    // A window takes the first of both.
    let night = window("Europe/Berlin", "from: 2025-10-26T02:15, to: 2025-10-26T02:45");
    let range = between("2025-10-25T00:00Z", "2025-10-27T00:00Z");
    assert_eq!(open_in(&night, range), ["2025-10-26T00:15:00Z/2025-10-26T00:45:00Z"]);

    let faults = faults(
        "calendar: freeze\nzone: Europe/Berlin\nfreezes:\n  - { starts: 2025-03-29T02:30, lasts: 1h, \
         repeat: FREQ=DAILY, gap: skip }\n",
    );
    assert!(faults.contains("calendar.yaml:4:69: error[HP2210]: freezes[0].gap: "), "{faults}");
}

#[test]
fn a_holiday_is_a_whole_local_day() {
    let both = calendar(
        "calendar: days\nzone: Pacific/Apia\nwindows:\n  - { from: 2011-12-28, to: 2012-01-03 }\n\
         holidays: [2011-12-29, 2012-01-01]\n",
    );
    let range = between("2011-12-01T00:00Z", "2012-02-01T00:00Z");
    // The 29th is followed by the 31st: that and the 28th are left, and the 2nd of January.
    let open = [
        "2011-12-28T10:00:00Z/2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z/2011-12-31T10:00:00Z",
        "2012-01-01T10:00:00Z/2012-01-02T10:00:00Z",
    ];
    assert_eq!(open_in(&both, range), open);

    let skipped = faults("calendar: days\nzone: Pacific/Apia\nholidays: [2011-12-30]\n");
    assert!(skipped.contains("error[HP2207]: holidays[0]: it never takes place"), "{skipped}");
}

#[test]
fn zones_are_those_that_are_compiled_in() {
    assert!(zone_data().starts_with("20"), "{}", zone_data());
    for zone in ["Europe/Atlantis", "europe/berlin", "CEST", "+01:00", "Local"] {
        let source = format!("calendar: a\nzone: '{zone}'\nholidays: [2026-12-25]\n");
        let faults = faults(&source);
        assert!(faults.starts_with("calendar.yaml:2:7: error[HP2203]: zone: "), "{faults}");
        assert_eq!(faults.matches("error").count(), 1, "said once: {faults}");
    }
}
