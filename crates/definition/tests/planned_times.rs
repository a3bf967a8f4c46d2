//! When a run is at work, as far as can be told from the hold that it is in.

use holdpoint_core::{Action, ProjectEvent, conflict::Times, testing::Bench};
use holdpoint_definition::calendar::Calendar;
use serde_json::json;

use crate::common::{people, workflow};

/// On Tuesdays from 22:00 to 02:00. Every test begins on Monday, 5 January 2026, at 09:00.
const TUESDAYS: &str = "
calendar: maintenance
zone: UTC
windows: [{ starts: 2026-01-06T22:00, lasts: 4h, repeat: FREQ=WEEKLY;BYDAY=TU }]
";

fn bench(hold: &str, on: &str, rest: &str) -> Bench {
    let source = format!(
        "
workflow: change
version: 1
title: A change
start: schedule
{rest}
states:
  schedule:
    hold: {hold}
    on: {{ released: work, {on} }}
  work:
    do: {{ activity: {{ run: work }} }}
    on: {{ succeeded: done, failed: done }}
  done: {{ end: done }}
"
    );
    let mut bench = Bench::new(workflow(&source), people());
    let calendar = Calendar::parse("maintenance", TUESDAYS).unwrap();
    bench.happens(&ProjectEvent::CalendarPublished {
        calendar: calendar.name().clone(),
        revision: 1,
        digest: calendar.digest(),
        title: None,
        source: TUESDAYS.to_owned(),
    });
    bench.submit("ada", json!({})).unwrap();
    bench
}

#[track_caller]
fn expect(bench: &Bench, hold: &str, from: Option<&str>, until: Option<&str>) {
    let time = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    assert_eq!(bench.times(), Times { from: time(from), until: time(until) }, "{hold}");
}

#[test]
fn a_wait_or_a_closed_window_says_from_when() {
    let wait = "{ wait: { until: \"2026-02-01T00:00:00Z\" }, expires: 60d }";
    let window = "{ window: { in: calendar:maintenance, override: member:ada }, expires: 60d }";
    let both = "{ wait: { for: 1h }, window: calendar:maintenance, expires: 60d }";
    let (opens, closes) = ("2026-01-06T22:00:00Z", "2026-01-07T02:00:00Z");
    for (hold, on, rest, from, until) in [
        (wait, "expired: done", "", Some("2026-02-01T00:00:00Z"), None),
        // It may come to work before that.
        (wait, "expired: work", "", None, None),
        (window, "expired: done", "", Some(opens), Some(closes)),
        (both, "expired: done", "", Some(opens), Some(closes)),
        (
            wait,
            "expired: done",
            "expires: { after: 24h, to: done }",
            Some("2026-02-01T00:00:00Z"),
            Some("2026-01-06T09:00:00Z"),
        ),
    ] {
        expect(&bench(hold, on, rest), hold, from, until);
    }
}

#[test]
fn a_window_that_is_overridden_and_work_under_way_say_nothing() {
    let hold = "{ window: { in: calendar:maintenance, override: member:bob }, \
                signal: { name: go }, expires: 60d }";
    let mut bench = bench(hold, "expired: done", "");
    let reason = "it cannot wait".to_owned();
    bench.act("bob", Action::Override { hold: None, reason }).unwrap();
    expect(&bench, hold, None, None);
    let data = serde_json::Value::Null;
    bench.act("ada", Action::Signal { name: "go".to_owned(), data }).unwrap();
    assert_eq!(bench.view().state, "work");
    expect(&bench, hold, None, None);
}
