//! The guide says what is so: its calendars can be used, and its words are what happens.

use holdpoint_calendar::{Calendar, Fold, Gap, Horizon, Schedule, Window};

use crate::common::at;

const GUIDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/calendars.md"));

/// The blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let after = GUIDE.split("```").skip(1).step_by(2);
    after.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

fn calendars() -> Vec<Calendar> {
    blocks("yaml")
        .into_iter()
        .map(|text| Calendar::parse("docs/calendars.md", text).unwrap())
        .collect()
}

#[test]
fn every_calendar_of_the_guide_can_be_used() {
    let calendars = calendars();
    let names: Vec<&str> = calendars.iter().map(|one| one.name().as_str()).collect();
    assert_eq!(names, ["maintenance", "office"]);
    let open = Schedule::open(&calendars[0]);
    for (moment, is_open) in [
        ("2026-12-15T22:00Z", true),
        ("2026-12-22T22:00Z", false),
        ("2026-12-29T22:00Z", false),
        ("2026-11-14T12:00Z", true),
    ] {
        assert_eq!(open.contains(at(moment)), is_open, "{moment}");
    }
    let due = |from, length: &str| {
        let length = length.parse().unwrap();
        calendars[1].due(at(from), length, Horizon::default()).unwrap().at().unwrap()
    };
    // Monday, 16:00 and 10:00 there.
    assert_eq!(due("2026-06-15T14:00Z", "8 working hours"), at("2026-06-16T15:00Z"));
    assert_eq!(due("2026-06-15T08:00Z", "2 working days"), at("2026-06-17T15:00Z"));
}

#[test]
fn the_record_of_the_guide_is_read() {
    for record in blocks("json") {
        let window: Window = serde_json::from_str(record).unwrap();
        assert_eq!(window.closes, Some(at("2026-12-02T01:00Z")));
    }
    assert_eq!(blocks("json").len(), 1);
}

/// Each key, and each policy, has a row of a table.
#[test]
fn the_guide_names_every_key() {
    let keys = [
        "from", "to", "through", "starts", "lasts", "repeat", "except", "also", "zone", "gap",
        "fold",
    ]
    .into_iter()
    .chain(["reason", "calendar", "title", "windows", "freezes", "working", "holidays"]);
    // A key that is unknown is answered with all that there are: so the list above is whole.
    let answer = |source: &str| Calendar::parse("a.yaml", source).unwrap_err().to_string();
    let mut known = answer("x: 1");
    known.push_str(&answer("calendar: a\nzone: UTC\nwindows: [{ x: 1 }]"));
    let listed =
        known.lines().filter_map(|line| line.split_once("expected one of ")).map(|(_, all)| all);
    let listed: std::collections::BTreeSet<&str> = listed.flat_map(|all| all.split(", ")).collect();
    assert_eq!(listed, keys.collect());
    for key in listed {
        assert!(GUIDE.contains(&format!("`{key}`")), "the guide has `{key}`");
    }
    for policy in [Gap::Skip, Gap::ShiftForward].map(|gap| serde_json::to_string(&gap).unwrap()) {
        assert!(GUIDE.contains(&format!("| `gap: {}` |", policy.trim_matches('"'))), "{policy}");
    }
    for policy in
        [Fold::First, Fold::Second, Fold::Both].map(|fold| serde_json::to_string(&fold).unwrap())
    {
        assert!(GUIDE.contains(&format!("| `fold: {}` |", policy.trim_matches('"'))), "{policy}");
    }
}
