//! Windows of activities: one begins only while its window is open.

use holdpoint_core::{Action, EffectId, RefusalCode, RunStatus, run::DueStep, testing::Bench};
use serde_json::json;

use crate::{
    common::{done, ended, hours, last, open, refused},
    windows::{FREEZE, MAINTENANCE, NO_FREEZE, is_done, overriding, published, until, with},
};

const ACTIVITY: &str = "
workflow: windows
version: 1
title: Windows
start: work
states:
  work:
    do:
      activity:
        run: deploy
        retry: { attempts: 2, delay: 1h }
        window: { in: calendar:maintenance, closes: CLOSES, override: role:board }
        not_during: calendar:freeze
    on: { succeeded: done, failed: failed }
  done: { end: done }
  failed: { end: failed }
";

fn activity(closes: &str) -> Bench {
    let source = ACTIVITY.replace("CLOSES", closes);
    with(&source, &[("maintenance", MAINTENANCE), ("freeze", NO_FREEZE)])
}

#[test]
fn an_activity_begins_only_while_its_window_is_open() {
    for closes in ["finish", "stop"] {
        let mut bench = activity(closes);
        assert_eq!(bench.status(), RunStatus::Held, "{closes}");
        assert_eq!(last(&bench, "work.requested")["window"]["windows"], json!(["maintenance"]));
        assert_eq!(bench.view().holds[0].conditions[0].kind, "window");
        assert_eq!(
            bench.next_steps()[..2],
            [
                "wait until the window opens, 2026-01-06 22:00:00 UTC",
                "override the window of `work`, with a reason, as role board"
            ]
        );
        assert!(open(&bench).is_empty());
        // A freeze that is published meanwhile is honoured.
        bench.happens(&published("freeze", FREEZE, 2));
        until(&mut bench, "2026-01-06T22:00:00Z");
        assert_eq!(bench.status(), RunStatus::Held, "{closes}");
        until(&mut bench, "2026-01-13T22:00:00Z");
        assert_eq!(open(&bench), ["work#1"], "{closes}");
        assert_eq!(bench.status(), RunStatus::Working);
        assert!(bench.view().holds.is_empty());
        bench.attempt("work#1", done()).unwrap();
        assert!(is_done(&bench));
    }
}

#[test]
fn what_becomes_of_an_activity_when_the_window_closes_is_a_choice() {
    let begun = |closes: &str| {
        let mut bench = activity(closes);
        until(&mut bench, "2026-01-06T22:00:00Z");
        bench.begin_open();
        until(&mut bench, "2026-01-07T02:00:00Z");
        bench
    };
    let mut bench = begun("finish");
    assert_eq!(bench.status(), RunStatus::Working);
    bench.attempt("work#1", done()).unwrap();
    assert!(is_done(&bench));

    let bench = begun("stop");
    assert_eq!(bench.status(), ended("failed"));
    assert_eq!(last(&bench, "work.failed")["reason"], "its window has closed");
    assert_eq!(last(&bench, "activity.abandoned")["effect"], "work#1");

    // What is done before anybody has noticed the close counts.
    let mut bench = activity("stop");
    until(&mut bench, "2026-01-06T22:00:00Z");
    bench.begin_open();
    bench.sleep(hours(4));
    bench.attempt("work#1", done()).unwrap();
    assert!(is_done(&bench));
}

#[test]
fn the_window_of_an_activity_is_overridden_by_those_who_may() {
    let mut bench = activity("stop");
    refused(bench.act("bob", overriding("the pager went off")), RefusalCode::NotEligible);
    refused(bench.act("dora", overriding(" ")), RefusalCode::InvalidInput);
    bench.act("dora", overriding("the pager went off")).unwrap();
    assert_eq!(open(&bench), ["work#1"]);
    assert!(!bench.due().iter().any(|due| matches!(due.step, DueStep::Watch { .. })));
    refused(bench.act("dora", overriding("again")), RefusalCode::NotAwaited);
    bench.attempt("work#1", done()).unwrap();
    assert!(is_done(&bench));
}

#[test]
fn an_activity_that_was_not_begun_before_the_close_waits_for_the_next_window() {
    let start = |bench: &mut Bench| {
        let effect = EffectId::new("work#1");
        bench
            .act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None })
            .unwrap();
    };
    let mut bench = activity("finish");
    until(&mut bench, "2026-01-06T22:00:00Z");
    assert_eq!(open(&bench), ["work#1"]);
    bench.sleep(hours(4));
    start(&mut bench);
    assert!(open(&bench).is_empty());
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-13T22:00:00Z");
    until(&mut bench, "2026-01-13T22:00:00Z");
    // What was begun goes on.
    bench.begin_open();
    bench.sleep(hours(4));
    bench.attempt("work#1", done()).unwrap();
    assert!(is_done(&bench));

    let mut bench = activity("stop");
    until(&mut bench, "2026-01-06T22:00:00Z");
    bench.sleep(hours(4));
    start(&mut bench);
    assert_eq!(bench.status(), ended("failed"));
}
