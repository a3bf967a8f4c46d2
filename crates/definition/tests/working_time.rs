//! Durations of holds that are counted in working time.

use holdpoint_core::{RefusalCode, RunStatus, testing::Bench};
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    common::{ended, hours, last, people, refused, workflow},
    windows::{MAINTENANCE, ON_REJECTED, at, held, published, with},
};

const OFFICE: &str = "
zone: UTC
working: { days: [mon, tue, wed, thu, fri], hours: [\"09:00-17:00\"] }
holidays: [2026-01-07]
";

#[test]
fn deadlines_are_counted_in_working_time() {
    // Monday 09:00; Wednesday is a holiday.
    for (hold, on, ends) in [
        (
            "{ wait: { for: { working: 2d, calendar: office } } }",
            "",
            Some(("2026-01-08T17:00:00Z", "done")),
        ),
        (
            "{ wait: { for: { working: 12h, calendar: office } } }",
            "",
            Some(("2026-01-06T13:00:00Z", "done")),
        ),
        (
            "{ signal: { name: go, expires: { working: 1d, calendar: office } } }",
            "expired: lapsed",
            Some(("2026-01-06T17:00:00Z", "lapsed")),
        ),
        (
            "{ approval: { rules: { peer: { from: role:engineer, need: 1 } }, \
               expires: { working: 90m, calendar: office } } }",
            "rejected: refused, expired: lapsed",
            Some(("2026-01-05T10:30:00Z", "lapsed")),
        ),
    ] {
        let source = held(hold, on);
        let mut bench = with(&source, &[("office", OFFICE)]);
        let opened = last(&bench, "hold.opened");
        assert_eq!(opened["counted"][0]["calendar"], "office", "{hold}");
        let (moment, outcome) = ends.unwrap();
        let before = at(moment).duration_since(bench.now()) - SignedDuration::from_secs(1);
        bench.advance(before);
        assert_eq!(bench.status(), RunStatus::Held, "{hold}");
        bench.advance(SignedDuration::from_secs(1));
        assert_eq!(bench.status(), ended(outcome), "{hold}");
    }
}

#[test]
fn people_are_reminded_and_others_asked_in_working_time() {
    let hold = "{ approval: { rules: { peer: { from: role:engineer, need: 1 } }, \
        remind: { every: { working: 1d, calendar: office } }, \
        escalate: { after: { working: 2d, calendar: office }, to: role:board } } }";
    let mut bench = with(&held(hold, ON_REJECTED), &[("office", OFFICE)]);
    bench.advance(hours(24 * 8));
    let came = |kind: &str| -> Vec<String> {
        let all = bench.history().iter().filter(|event| event.kind.as_str() == kind);
        all.map(|event| event.time.to_string()).collect()
    };
    assert_eq!(
        came("holdpoint.hold.reminded"),
        [
            "2026-01-06T17:00:00Z",
            "2026-01-08T17:00:00Z",
            "2026-01-09T17:00:00Z",
            "2026-01-12T17:00:00Z"
        ]
    );
    assert_eq!(came("holdpoint.hold.escalated"), ["2026-01-08T17:00:00Z"]);
    assert_eq!(last(&bench, "hold.reminded")["next"], "2026-01-13T17:00:00Z");

    // What nobody noticed in time comes once.
    let mut bench = with(&held(hold, ON_REJECTED), &[("office", OFFICE)]);
    bench.sleep(hours(24 * 8));
    bench.advance(SignedDuration::ZERO);
    let reminders = bench.types().iter().filter(|kind| kind.ends_with("reminded")).count();
    assert_eq!(reminders, 1);

    let once = hold.replace("every", "after");
    let mut bench = with(&held(&once, ON_REJECTED), &[("office", OFFICE)]);
    bench.advance(hours(24 * 8));
    let reminders = bench.types().iter().filter(|kind| kind.ends_with("reminded")).count();
    assert_eq!(reminders, 1);
}

#[test]
fn what_cannot_be_counted_blocks_the_hold() {
    let hold = "{ wait: { for: { working: 2d, calendar: office } } }";
    let source = held(hold, "");
    for (calendars, says) in [
        (&[][..], "no calendar `office` is published"),
        (&[("office", MAINTENANCE)][..], "the calendar `office` has no working time"),
    ] {
        let mut bench = Bench::new(workflow(&source), people());
        for (name, says) in calendars {
            bench.happens(&published(name, says, 1));
        }
        let refusal = refused(bench.submit("ada", json!({})), RefusalCode::InvalidInput);
        assert!(refusal.message.contains(says), "{refusal}");
    }
}
