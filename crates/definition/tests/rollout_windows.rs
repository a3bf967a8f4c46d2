//! Windows of rollouts: when one begins, and what becomes of it when its window closes.

use holdpoint_core::{Action, RefusalCode, RunStatus, Steering, run::DueStep, testing::Bench};
use jiff::SignedDuration;

use crate::{
    common::{done, ended, fatal, hours, last, open, refused, steer, targets},
    windows::{MAINTENANCE, MAINTENANCE_LATER, is_done, overriding, published, until, with},
};

pub(crate) const ROLLOUT: &str = "
workflow: windows
version: 1
title: Windows
start: work
states:
  work:
    do:
      rollout:
        targets: [a, b, c]
        waves: [1, 100%]
        max_parallel: 1
        each: { run: deploy }
        rollback: { run: restore }
        window: { in: calendar:maintenance, closes: CLOSES, override: role:board }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

fn rollout(closes: &str) -> Bench {
    with(&ROLLOUT.replace("CLOSES", closes), &[("maintenance", MAINTENANCE)])
}

#[test]
fn a_rollout_begins_only_while_its_window_is_open() {
    for closes in ["finish", "pause", "stop"] {
        let mut bench = rollout(closes);
        assert_eq!(bench.status(), RunStatus::Held, "{closes}");
        assert_eq!(bench.view().rollout.unwrap().phase, "waiting");
        assert_eq!(
            bench.next_steps()[..2],
            [
                "wait until the window opens, 2026-01-06 22:00:00 UTC",
                "override the window of `work`, with a reason, as role board"
            ]
        );
        assert!(open(&bench).is_empty());
        until(&mut bench, "2026-01-06T22:00:00Z");
        assert_eq!(open(&bench), ["work#1/a/deploy"], "{closes}");
        assert_eq!(bench.status(), RunStatus::Working);
    }
}

#[test]
fn what_becomes_of_it_when_the_window_closes_is_a_choice() {
    let begun = |closes: &str| {
        let mut bench = rollout(closes);
        until(&mut bench, "2026-01-06T22:00:00Z");
        bench.attempt("work#1/a/deploy", done()).unwrap();
        bench.begin_open();
        until(&mut bench, "2026-01-07T02:00:00Z");
        bench
    };
    let mut bench = begun("finish");
    bench.attempt("work#1/b/deploy", done()).unwrap();
    bench.attempt("work#1/c/deploy", done()).unwrap();
    assert!(is_done(&bench));

    let mut bench = begun("pause");
    assert_eq!(bench.status(), RunStatus::Working, "what is under way ends");
    bench.attempt("work#1/b/deploy", done()).unwrap();
    assert_eq!(targets(&bench), ["a:healthy", "b:healthy", "c:waiting"]);
    assert_eq!(bench.status(), RunStatus::Held);
    until(&mut bench, "2026-01-13T22:00:00Z");
    bench.attempt("work#1/c/deploy", done()).unwrap();
    assert!(is_done(&bench));

    let mut bench = begun("stop");
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "its window has closed");
    bench.attempt("work#1/b/deploy", done()).unwrap();
    bench.attempt("work#1/b/restore", done()).unwrap();
    bench.attempt("work#1/a/restore", done()).unwrap();
    assert_eq!(bench.status(), ended("undone"));
}

/// A rollout is asked for while its window is open, and first begun when that has closed.
#[test]
fn a_rollout_that_was_not_begun_before_the_close_waits_for_the_next_window() {
    for closes in ["finish", "pause"] {
        let mut bench = rollout(closes);
        until(&mut bench, "2026-01-06T22:00:00Z");
        assert_eq!(open(&bench), ["work#1/a/deploy"]);
        bench.sleep(hours(4));
        let effect = holdpoint_core::EffectId::new("work#1/a/deploy");
        bench
            .act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None })
            .unwrap();
        assert!(open(&bench).is_empty(), "{closes}");
        assert_eq!(bench.status(), RunStatus::Held, "{closes}");
        assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-13T22:00:00Z");
        until(&mut bench, "2026-01-13T22:00:00Z");
        bench.attempt("work#1/a/deploy", done()).unwrap();
        // What was begun goes on, or not, as the definition says.
        bench.sleep(hours(4));
        let goes_on = open(&bench) == ["work#1/b/deploy"];
        assert!(goes_on, "{closes}");
    }
    let mut bench = rollout("stop");
    until(&mut bench, "2026-01-06T22:00:00Z");
    bench.sleep(hours(4));
    let effect = holdpoint_core::EffectId::new("work#1/a/deploy");
    bench.act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None }).unwrap();
    assert_eq!(bench.status(), ended("undone"));
}

#[test]
fn nothing_is_begun_with_after_the_close_before_anybody_has_noticed_it() {
    for (closes, expected) in [("pause", "c:waiting"), ("stop", "c:waiting")] {
        let mut bench = rollout(closes);
        until(&mut bench, "2026-01-06T22:00:00Z");
        bench.attempt("work#1/a/deploy", done()).unwrap();
        bench.sleep(hours(4));
        bench.attempt("work#1/b/deploy", done()).unwrap();
        assert_eq!(targets(&bench)[2], expected, "{closes}");
        assert!(!open(&bench).contains(&"work#1/c/deploy".to_owned()), "{closes}");
    }
    // Nor the next wave.
    let mut bench = rollout("pause");
    until(&mut bench, "2026-01-06T22:00:00Z");
    bench.begin_open();
    bench.sleep(hours(4));
    bench.attempt("work#1/a/deploy", done()).unwrap();
    assert!(open(&bench).is_empty());
    // What fails is still turned round, and what was all done is done.
    let mut bench = rollout("pause");
    until(&mut bench, "2026-01-06T22:00:00Z");
    bench.begin_open();
    bench.sleep(hours(4));
    bench.attempt("work#1/a/deploy", fatal("no space left")).unwrap();
    assert_eq!(open(&bench), ["work#1/a/restore"]);
}

#[test]
fn a_freeze_during_the_work_pauses_it_and_an_override_lets_it_go_on() {
    let mut bench = rollout("pause");
    until(&mut bench, "2026-01-06T22:00:00Z");
    bench.begin_open();
    bench.happens(&published("maintenance", MAINTENANCE_LATER, 2));
    bench.advance(SignedDuration::ZERO);
    bench.attempt("work#1/a/deploy", done()).unwrap();
    assert!(open(&bench).is_empty());
    refused(bench.act("bob", overriding("half of it is done")), RefusalCode::NotEligible);
    bench.act("dora", overriding("half of it is done")).unwrap();
    assert_eq!(open(&bench), ["work#1/b/deploy"]);
    assert!(!bench.due().iter().any(|due| matches!(due.step, DueStep::Watch { .. })));
    refused(bench.act("dora", overriding("again")), RefusalCode::NotAwaited);
}

#[test]
fn a_pause_keeps_no_window_open() {
    for (closes, phase) in [("stop", "undoing"), ("pause", "paused"), ("finish", "paused")] {
        let mut bench = rollout(closes);
        until(&mut bench, "2026-01-06T22:00:00Z");
        bench.begin_open();
        bench.act("ada", steer(Steering::Pause, None, Some("an incident"))).unwrap();
        bench.attempt("work#1/a/deploy", done()).unwrap();
        until(&mut bench, "2026-01-07T03:00:00Z");
        assert_eq!(bench.view().rollout.unwrap().phase, phase, "{closes}");
        if closes == "stop" {
            continue;
        }
        bench.act("ada", steer(Steering::Resume, None, None)).unwrap();
        assert_eq!(open(&bench).is_empty(), closes == "pause", "{closes}");
        until(&mut bench, "2026-01-13T22:00:00Z");
        assert_eq!(open(&bench), ["work#1/b/deploy"], "{closes}");
    }
}

#[test]
fn what_was_overridden_before_the_rollout_is_overridden_in_it() {
    let source =
        ROLLOUT.replace("CLOSES", "pause").replace("start: work", "start: schedule").replace(
            "states:\n",
            "states:
  schedule:
    hold: { window: { in: calendar:maintenance, override: role:board } }
    on: { released: work }
",
        );
    let mut bench = with(&source, &[("maintenance", MAINTENANCE)]);
    bench.act("dora", overriding("the pager went off")).unwrap();
    assert_eq!(open(&bench), ["work#1/a/deploy"]);
}
