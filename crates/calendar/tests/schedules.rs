//! Schedules: calendars put together, and every question one can ask of them.

use holdpoint_calendar::{Calendar, Horizon, Interval, Next, Schedule};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::common::{at, between, calendar, hours, next_opening, open_in, properties, window};

fn maintenance() -> Calendar {
    calendar(
        "calendar: maintenance\nzone: Europe/Berlin\n\
         windows:\n  - { starts: 2026-01-06T22:00, lasts: 4h, repeat: 'FREQ=WEEKLY;BYDAY=TU', except: [2026-12-08] }\n\
         freezes:\n  - { from: 2026-12-20, to: 2027-01-07, reason: Christmas freeze }\n\
         holidays: [{ date: 2026-12-15, name: Founders' day }]\n",
    )
}

fn freeze() -> Calendar {
    calendar(
        "calendar: freeze\nzone: UTC\nfreezes:\n  - { from: 2026-12-01T22:00, to: 2026-12-01T23:00 }\n",
    )
}

#[test]
fn deny_wins_and_intervals_are_half_open() {
    let open = Schedule::open(&maintenance());
    for (moment, is_open) in [
        ("2026-12-01T20:59:59.999999999Z", false),
        ("2026-12-01T21:00Z", true),
        ("2026-12-02T00:59:59.999999999Z", true),
        ("2026-12-02T01:00Z", false),
        // Excepted; a holiday that lasts until midnight; frozen; the first Tuesday after it.
        ("2026-12-08T22:00Z", false),
        ("2026-12-15T22:59Z", false),
        ("2026-12-15T23:00Z", true),
        ("2026-12-22T22:00Z", false),
        ("2027-01-05T22:00Z", false),
        ("2027-01-12T22:00Z", true),
    ] {
        assert_eq!(open.contains(at(moment)), is_open, "{moment}");
    }
}

#[test]
fn questions_and_answers() {
    let open = Schedule::open(&maintenance());
    let horizon = Horizon::default();
    assert_eq!(next_opening(&open, "2026-12-01T12:00Z"), Next::At(at("2026-12-01T21:00Z")));
    assert_eq!(next_opening(&open, "2026-12-01T22:00Z"), Next::At(at("2026-12-01T22:00Z")));
    assert_eq!(next_opening(&open, "2026-12-16T01:00Z"), Next::At(at("2027-01-12T21:00Z")));

    let inside = at("2026-12-01T22:00Z");
    assert_eq!(open.closes(inside, horizon), Some(Next::At(at("2026-12-02T01:00Z"))));
    assert_eq!(open.opened(inside, horizon), Some(at("2026-12-01T21:00Z")));
    let outside = at("2026-12-02T01:00Z");
    assert_eq!((open.closes(outside, horizon), open.opened(outside, horizon)), (None, None));

    for (length, fits) in [(0, true), (1, true), (3, true), (4, false)] {
        assert_eq!(open.fits(inside, hours(length)), fits, "{length} hours");
    }
    assert!(!open.fits(outside, hours(0)), "nothing fits outside");
    // On the 15th the holiday leaves two hours.
    let from = at("2026-12-10T00:00Z");
    assert_eq!(open.next_fit(from, hours(2), horizon), Next::At(at("2026-12-15T23:00Z")));
    assert_eq!(open.next_fit(from, hours(3), horizon), Next::At(at("2027-01-12T21:00Z")));
    let never = open.next_fit(from, hours(5), Horizon::of(hours(24 * 365)));
    assert_eq!(never, Next::NotBefore(at("2027-12-10T00:00Z")));
}

#[test]
fn what_waits_is_told_why() {
    let denials = maintenance().denials(at("2026-12-22T22:00Z"));
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].reason.as_deref(), Some("Christmas freeze"));
    assert!(!denials[0].is_holiday);
    assert_eq!(denials[0].interval, between("2026-12-19T23:00Z", "2027-01-06T23:00Z"));
    let denials = maintenance().denials(at("2026-12-15T12:00Z"));
    assert_eq!((denials.len(), denials[0].is_holiday), (1, true));
    assert_eq!(maintenance().denials(at("2026-12-16T12:00Z")), []);
}

#[test]
fn a_window_is_recorded_with_what_it_came_from() {
    let open = Schedule::permitted(&[maintenance()], &[freeze()]);
    let mut window = open.window(at("2026-12-01T23:30Z"), Horizon::default()).unwrap();
    // The release of the zone data is not ours to fix.
    assert_eq!(window.calendars[0], maintenance().reference());
    window.zone_data = "2025b".to_owned();
    let json = serde_json::to_string_pretty(&window).unwrap();
    insta::assert_snapshot!(json, @r#"
    {
      "calendars": [
        {
          "calendar": "maintenance",
          "digest": "sha256:02f07c6ab62afebaa1cd27b1935c6e40dd5deceb7f38eddca455d2def087ff0b"
        },
        {
          "calendar": "freeze",
          "digest": "sha256:1b7d7af4a4e542bf408583c73a0ca07f63709133cdfb375c39f2af44e941c131"
        }
      ],
      "zone_data": "2025b",
      "opens": "2026-12-01T23:00:00Z",
      "closes": "2026-12-02T01:00:00Z"
    }
    "#);
    assert_eq!(serde_json::from_str::<holdpoint_calendar::Window>(&json).unwrap(), window);
    assert_eq!(open.window(at("2026-12-01T22:30Z"), Horizon::default()), None, "it is frozen");

    let always = Schedule::always().window(at("2026-12-01T00:00Z"), Horizon::default()).unwrap();
    assert_eq!((always.opens, always.closes), (None, None));
}

/// What "in a window of" and "not during" mean for each kind of calendar.
#[test]
fn calendars_of_freezes_alone_are_open_otherwise() {
    let (inside, outside) = (at("2026-12-01T22:30Z"), at("2026-12-01T23:30Z"));
    let frozen = freeze();
    assert!(!frozen.allows());
    assert!(!Schedule::open(&frozen).contains(inside) && Schedule::open(&frozen).contains(outside));
    assert!(Schedule::during(&frozen).contains(inside));
    assert!(!Schedule::during(&frozen).contains(outside));
    // Both moments are in a window of `maintenance`.
    assert!(maintenance().allows());
    assert!(Schedule::during(&maintenance()).contains(inside));

    let permits = |windows: &[Calendar], not_during: &[Calendar], moment| {
        Schedule::permitted(windows, not_during).contains(moment)
    };
    let (maintenance, frozen) = ([maintenance()], [frozen]);
    assert!(permits(&maintenance, &[], inside));
    assert!(!permits(&maintenance, &frozen, inside) && permits(&maintenance, &frozen, outside));
    assert!(!permits(&[], &frozen, inside) && permits(&[], &frozen, outside));
    assert!(!permits(&[], &maintenance, inside), "not during a window");
    assert!(permits(&[], &[], inside), "nothing is asked");
    let both = [maintenance[0].clone(), frozen[0].clone()];
    assert!(!permits(&both, &[], inside), "any freeze denies");
    assert!(permits(&both, &[], outside) && !permits(&both, &[], at("2026-12-02T12:00Z")));
}

#[test]
fn one_interval_is_one_however_far_one_looks() {
    // Each of them touches the next: together they are always.
    let days = window("Europe/Berlin", "starts: 2020-01-01, lasts: 1d, repeat: FREQ=DAILY");
    let open = Schedule::open(&days);
    let range = between("2026-01-01T00:00Z", "2031-01-01T00:00Z");
    assert_eq!(open.intervals(range, 9).intervals, [range]);
    let from = range.start();
    let closes = open.closes(from, Horizon::of(hours(24 * 1_000)));
    assert_eq!(closes, Some(Next::NotBefore(from.checked_add(hours(24_000)).unwrap())));
    assert_eq!(open.opened(from, Horizon::default()), None, "longer ago than one looks");
    assert_eq!(open.opened(from, Horizon::of(hours(24 * 4_000))), Some(at("2019-12-31T23:00Z")));
    assert!(open.fits(from, hours(24 * 1_000)));
}

#[test]
fn lists_are_bounded() {
    let days = window("UTC", "starts: 2026-01-01, lasts: 1h, repeat: FREQ=DAILY");
    let open = Schedule::open(&days);
    let range = between("2026-01-01T00:00Z", "2026-01-06T00:00Z");
    for (most, found, complete) in [(0, 0, false), (4, 4, false), (5, 5, true), (6, 5, true)] {
        let listing = open.intervals(range, most);
        assert_eq!((listing.intervals.len(), listing.complete), (found, complete), "{most}");
    }
    let empty = open.intervals(between("2025-01-01T00:00Z", "2025-01-02T00:00Z"), 0);
    assert!(empty.intervals.is_empty() && empty.complete);
}

/// Two windows every minute that never meet: there is always something to look at, and never an
/// answer.
#[test]
fn looking_ends_where_there_is_too_much_to_look_at() {
    let every = |starts| {
        let entry = format!("starts: {starts}, lasts: 30s, repeat: FREQ=MINUTELY");
        Schedule::open(&window("UTC", &entry))
    };
    let never = every("2026-01-01T00:00:00").intersection(&every("2026-01-01T00:00:30"));
    let mut from = at("2026-06-01T00:00Z");
    for _ in 0..3 {
        let Next::NotBefore(looked_to) = never.next_opening(from, Horizon::default()) else {
            panic!("they never meet");
        };
        // One may ask again from there, and each answer goes further.
        assert!(looked_to > from.checked_add(hours(24 * 5)).unwrap(), "{looked_to}");
        assert!(looked_to < from.checked_add(hours(24 * 15)).unwrap(), "{looked_to}");
        from = looked_to;
    }
    // What is frozen needs no looking.
    let freeze = "calendar: f\nzone: UTC\nfreezes:\n  - { from: 2026-01-01, to: 2036-01-01 }\n";
    let minutes = window("UTC", "starts: 2026-01-01T00:00, lasts: 30s, repeat: FREQ=MINUTELY");
    let frozen = Schedule::permitted(&[minutes], &[calendar(freeze)]);
    let ten_years = Horizon::of(hours(24 * 3_660));
    let end = Next::At(at("2036-01-01T00:00Z"));
    assert_eq!(frozen.next_opening(at("2026-06-01T00:00Z"), ten_years), end);
}

#[test]
fn the_ends_of_time_are_moments_too() {
    let open = Schedule::open(&maintenance());
    for edge in [Timestamp::MIN, Timestamp::MAX] {
        assert!(!open.contains(edge));
        assert_eq!(open.closes(edge, Horizon::default()), None);
        assert_eq!(open.opened(edge, Horizon::default()), None);
        assert!(!open.fits(edge, hours(1)));
        assert!(!open.fits(edge, SignedDuration::MAX));
        assert_eq!(open.next_fit(edge, SignedDuration::MAX, Horizon::of(hours(1))).at(), None);
    }
    let all = Horizon::of(SignedDuration::MAX);
    assert_eq!(open.next_opening(Timestamp::MIN, all), Next::At(at("2026-01-06T21:00Z")));
    assert!(matches!(open.next_opening(Timestamp::MAX, all), Next::NotBefore(_)));
}

/// Windows and freezes of a few kinds, all in 2026.
fn any_calendar() -> impl Strategy<Value = Calendar> {
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("Australia/Lord_Howe")];
    let entry = (
        1..28_u8,
        0..24_u8,
        1..80_i64,
        prop_oneof![
            Just(""),
            Just("FREQ=DAILY"),
            Just("FREQ=DAILY;INTERVAL=3;COUNT=5"),
            Just("FREQ=WEEKLY"),
            Just("FREQ=MONTHLY;UNTIL=20261001"),
            Just("FREQ=HOURLY;INTERVAL=30"),
        ],
    )
        .prop_map(|(day, hour, lasts, rule)| {
            let repeat = if rule.is_empty() { String::new() } else { format!(", repeat: {rule}") };
            format!("  - {{ starts: 2026-03-{day:02}T{hour:02}:30, lasts: {lasts}h{repeat} }}\n")
        });
    let list = |key: &'static str, entry, range| {
        proptest::collection::vec(entry, range).prop_map(move |all: Vec<String>| {
            if all.is_empty() { String::new() } else { format!("{key}:\n{}", all.concat()) }
        })
    };
    (zone, list("windows", entry.clone().boxed(), 0..3), list("freezes", entry.boxed(), 0..3))
        .prop_filter("a calendar says something", |(_, w, f)| !(w.is_empty() && f.is_empty()))
        .prop_map(|(zone, windows, freezes)| {
            calendar(&format!("calendar: any\nzone: {zone}\n{windows}{freezes}"))
        })
}

fn any_moment() -> impl Strategy<Value = Timestamp> {
    let start = at("2026-02-01T00:00Z").as_second();
    (0..300 * 96_i64)
        .prop_map(move |quarter| Timestamp::from_second(start + quarter * 900).unwrap())
}

proptest! {
    #![proptest_config(properties(96))]

    /// Deny wins: open is what is allowed and not denied, moment by moment.
    #[test]
    fn open_is_allowed_and_not_denied(calendar in any_calendar(), moment in any_moment()) {
        let open = Schedule::open(&calendar);
        let denied = Schedule::denied(&calendar);
        prop_assert!(!(open.contains(moment) && denied.contains(moment)));
        prop_assert_eq!(denied.contains(moment), !calendar.denials(moment).is_empty());
        if !calendar.allows() {
            prop_assert_eq!(open.contains(moment), !denied.contains(moment));
        }
        let document = holdpoint_calendar::Document { freezes: Vec::new(), ..calendar.document().clone() };
        if calendar.allows() {
            let allowed = Schedule::open(&Calendar::new(document).unwrap());
            prop_assert_eq!(open.contains(moment), allowed.contains(moment) && !denied.contains(moment));
        }
    }

    /// A moment is inside when, and only when, an interval has it; the list is the same however the
    /// range is cut.
    #[test]
    fn inside_is_in_an_interval(calendar in any_calendar(), moment in any_moment(), days in 1..90_i64) {
        let open = Schedule::open(&calendar);
        let start = moment.checked_sub(hours(24 * days)).unwrap();
        let whole = Interval::new(start, moment.checked_add(hours(24 * 40)).unwrap()).unwrap();
        let listing = open.intervals(whole, 10_000);
        prop_assert!(listing.complete);
        let inside = listing.intervals.iter().any(|one| one.contains(moment));
        prop_assert_eq!(inside, open.contains(moment));
        for one in &listing.intervals {
            let last = one.end().checked_sub(SignedDuration::from_nanos(1)).unwrap();
            prop_assert!(open.contains(one.start()) && open.contains(last));
            prop_assert!(one.end() == whole.end() || !open.contains(one.end()));
        }
        let halves = [Interval::new(start, moment), Interval::new(moment, whole.end())];
        let parts = halves.into_iter().flatten().flat_map(|half| open.intervals(half, 10_000).intervals);
        let joined: holdpoint_calendar::IntervalSet = parts.collect();
        prop_assert_eq!(joined, listing.intervals.into_iter().collect());
    }

    /// The next opening is inside, and nothing before it is.
    #[test]
    fn the_next_opening_is_the_first(calendar in any_calendar(), from in any_moment()) {
        let open = Schedule::open(&calendar);
        let horizon = Horizon::of(hours(24 * 200));
        match open.next_opening(from, horizon) {
            Next::At(found) => {
                prop_assert!(open.contains(found) && found >= from);
                let before = Interval::new(from, found);
                prop_assert!(before.is_none_or(|one| open.intervals(one, 1).intervals.is_empty()));
            }
            Next::NotBefore(looked_to) => {
                let looked = Interval::new(from, looked_to).unwrap();
                prop_assert!(open.intervals(looked, 1).intervals.is_empty());
                prop_assert_eq!(looked.length(), hours(24 * 200));
            }
        }
    }

    #[test]
    fn ends_and_beginnings_meet(calendar in any_calendar(), moment in any_moment()) {
        let open = Schedule::open(&calendar);
        let horizon = Horizon::default();
        prop_assert_eq!(open.closes(moment, horizon).is_some(), open.contains(moment));
        if let (Some(Next::At(closes)), Some(opened)) = (open.closes(moment, horizon), open.opened(moment, horizon)) {
            prop_assert!(opened <= moment && moment < closes);
            prop_assert!(!open.contains(closes) && open.contains(opened));
            prop_assert!(!open.contains(opened.checked_sub(SignedDuration::from_nanos(1)).unwrap()));
            prop_assert!(open.fits(opened, opened.duration_until(closes)));
            let more = opened.duration_until(closes).checked_add(SignedDuration::from_nanos(1)).unwrap();
            prop_assert!(!open.fits(opened, more));
        }
    }

    #[test]
    fn the_next_fit_fits_and_is_the_first(
        calendar in any_calendar(), from in any_moment(), length in 1..60_i64, earlier in 0..100_i64
    ) {
        let open = Schedule::open(&calendar);
        if let Next::At(found) = open.next_fit(from, hours(length), Horizon::of(hours(24 * 200))) {
            prop_assert!(found >= from && open.fits(found, hours(length)));
            let before = from.checked_add(from.duration_until(found) * i32::try_from(earlier).unwrap() / 100).unwrap();
            prop_assert!(before == found || !open.fits(before, hours(length)));
        }
    }

    /// Union, intersection and difference are those of sets, moment by moment.
    #[test]
    fn schedules_are_sets(one in any_calendar(), two in any_calendar(), moment in any_moment()) {
        let (one, two) = (Schedule::open(&one), Schedule::open(&two));
        let (first, second) = (one.contains(moment), two.contains(moment));
        prop_assert_eq!(one.union(&two).contains(moment), first || second);
        prop_assert_eq!(one.intersection(&two).contains(moment), first && second);
        prop_assert_eq!(one.difference(&two).contains(moment), first && !second);
        prop_assert!(Schedule::always().contains(moment) && !Schedule::never().contains(moment));
    }

    /// What a run has recorded can be read back, and means the same.
    #[test]
    fn the_canonical_form_is_read_back(calendar in any_calendar()) {
        let again = Calendar::parse("canonical", calendar.canonical()).unwrap();
        prop_assert_eq!(again.digest(), calendar.digest());
        prop_assert_eq!(again.canonical(), calendar.canonical());
        let range = between("2026-02-01T00:00Z", "2026-06-01T00:00Z");
        prop_assert_eq!(open_in(&again, range), open_in(&calendar, range));
        let from_json: holdpoint_calendar::Document = serde_json::from_str(calendar.canonical()).unwrap();
        prop_assert_eq!(&from_json, calendar.document());
    }
}
