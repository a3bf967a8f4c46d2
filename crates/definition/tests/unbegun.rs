//! What was asked for and not begun when a rollout is stopped: it does not begin any more.

use holdpoint_core::{
    Action, EffectId, Outcome, RefusalCode, Ruling, RunStatus, Steering,
    testing::{Bench, types},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::common::{
    cancel, data, done, ended, fatal, flaky, last, of_the_rollout, open, refused, steer, submitted,
    targets, verdict,
};

const SOURCE: &str = "
workflow: rollout
version: 1
title: A rollout
expires: { after: 8h, to: late }
start: go
states:
  go:
    do:
      rollout:
        targets: [a, b, c, d]
        max_failed: 1
        each: { run: deploy, retry: { attempts: 3, delay: 1m } }
        rollback: { run: restore, retry: { attempts: 3, delay: 1m } }
      expires: 2h
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
  late: { end: late }
";

fn one_way() -> String {
    SOURCE
        .replace("        rollback: { run: restore, retry: { attempts: 3, delay: 1m } }\n", "")
        .replace("rolled_back: undone, ", "")
        .replace("  undone: { end: undone }\n", "")
}

fn by_ada(bench: &mut Bench, steering: Steering) -> Vec<String> {
    of_the_rollout(&bench.act("ada", steer(steering, None, Some("so"))).unwrap())
}

#[test]
fn what_nobody_has_begun_is_left_out_after_a_pause() {
    let mut bench = submitted(SOURCE, "ada", json!({}));
    let skip = |bench: &mut Bench, target: &str| {
        bench.act("ada", steer(Steering::Skip, Some(target), Some("so")))
    };
    begin(&mut bench, "go#1/a/deploy");
    for target in ["a", "b"] {
        let refusal = refused(skip(&mut bench, target), RefusalCode::NotAwaited);
        let says =
            format!("the target `{target}` cannot be skipped now: it is deploying, or about to");
        assert_eq!(refusal.message, says);
        assert!(refusal.needed[0].starts_with("pause the rollout first"), "{:?}", refusal.needed);
    }
    by_ada(&mut bench, Steering::Pause);
    skip(&mut bench, "b").unwrap();
    let refusal = refused(skip(&mut bench, "a"), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["wait until what is done to it has ended"]);
    by_ada(&mut bench, Steering::Resume);
    assert_eq!(targets(&bench), ["a:deploying", "b:skipped", "c:deploying", "d:deploying"]);
}

fn begin(bench: &mut Bench, effect: &str) {
    let effect = EffectId::new(effect);
    bench.act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None }).unwrap();
}

fn end(bench: &mut Bench, effect: &str, outcome: Outcome) -> Vec<String> {
    of_the_rollout(&bench.attempt(effect, outcome).unwrap())
}

/// The effects at which an attempt was begun, in order.
fn begun(bench: &Bench) -> Vec<String> {
    let started =
        |event: &&holdpoint_core::Event| event.kind.as_str() == "holdpoint.activity.started";
    let effect = |event| data(event)["effect"].as_str().unwrap().to_owned();
    bench.history().iter().filter(started).map(effect).collect()
}

#[test]
fn nothing_begins_in_a_run_that_was_stopped_before_anything_had() {
    type Stop = fn(&mut Bench);
    let cancelled: Stop = |bench| drop(bench.act("ada", cancel("no")).unwrap());
    let aborted: Stop = |bench| drop(by_ada(bench, Steering::Abort));
    let late: Stop = |bench| bench.advance(SignedDuration::from_hours(2));
    let over: Stop = |bench| {
        by_ada(bench, Steering::Pause);
        bench.advance(SignedDuration::from_hours(8));
    };
    for (stop, with_undo, without) in [
        (cancelled, "cancelled", "cancelled"),
        (aborted, "undone", "failed"),
        (late, "undone", "failed"),
        (over, "late", "late"),
    ] {
        for (source, outcome) in [(SOURCE.to_owned(), with_undo), (one_way(), without)] {
            let mut bench = submitted(&source, "ada", json!({}));
            assert_eq!(open(&bench).len(), 4);
            stop(&mut bench);
            assert_eq!(bench.status(), ended(outcome), "{source}");
            assert!(begun(&bench).is_empty());
            assert_eq!(last(&bench, "rollout.not_begun")["targets"], json!(["a", "b", "c", "d"]));
        }
    }
}

#[test]
fn of_a_run_that_is_stopped_only_what_was_begun_ends_and_is_undone() {
    let mut bench = submitted(SOURCE, "ada", json!({}));
    begin(&mut bench, "go#1/a/deploy");
    begin(&mut bench, "go#1/c/deploy");
    assert_eq!(by_ada(&mut bench, Steering::Abort), ["rollout.undo_started", "rollout.not_begun"]);
    assert_eq!(targets(&bench), ["a:deploying", "b:waiting", "c:deploying", "d:waiting"]);
    assert!(open(&bench).is_empty());
    end(&mut bench, "go#1/a/deploy", done());
    end(&mut bench, "go#1/c/deploy", done());
    for effect in ["go#1/c/restore", "go#1/a/restore"] {
        assert_eq!(open(&bench), [effect]);
        end(&mut bench, effect, done());
    }
    assert_eq!(bench.status(), ended("undone"));
    assert_eq!(targets(&bench), ["a:restored", "b:waiting", "c:restored", "d:waiting"]);
}

#[test]
fn what_waits_for_its_turn_does_not_begin_after_a_failure_too_many() {
    let mut bench = submitted(SOURCE, "ada", json!({}));
    begin(&mut bench, "go#1/a/deploy");
    let (effect, waits_for) = (EffectId::new("go#1/b/deploy"), "the queue `deploys`".to_owned());
    let queued = Action::AttemptQueued { effect, attempt: 1, waits_for, before: 0 };
    bench.act("engine", queued).unwrap();
    assert_eq!(bench.view().queued.len(), 1);
    let events = types(&bench.attempt("go#1/a/deploy", fatal("disk full")).unwrap());
    assert_eq!(
        events,
        [
            "activity.failed",
            "target.failed",
            "rollout.undo_started",
            "activity.not_begun",
            "rollout.not_begun"
        ]
    );
    assert!(bench.view().queued.is_empty());
    assert_eq!(open(&bench), ["go#1/a/restore"]);
    // A worker who was about to have it does not get it.
    for effect in ["go#1/b/deploy", "go#1/c/deploy"] {
        let effect = EffectId::new(effect);
        let started =
            bench.act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None });
        refused(started, RefusalCode::NotAwaited);
    }
    end(&mut bench, "go#1/a/restore", done());
    assert_eq!(bench.status(), ended("undone"));
}

#[test]
fn nothing_begins_in_a_pause_and_everything_after_it() {
    let mut bench = submitted(SOURCE, "ada", json!({}));
    assert_eq!(by_ada(&mut bench, Steering::Pause), ["rollout.paused", "rollout.not_begun"]);
    assert_eq!(targets(&bench), ["a:waiting", "b:waiting", "c:waiting", "d:waiting"]);
    assert_eq!((open(&bench).len(), bench.status()), (0, RunStatus::Held));
    // Somebody may leave one out meanwhile, as of all that wait.
    bench.act("ada", steer(Steering::Skip, Some("b"), Some("it is off"))).unwrap();
    by_ada(&mut bench, Steering::Resume);
    assert_eq!(open(&bench), ["go#1/a/deploy", "go#1/c/deploy", "go#1/d/deploy"]);
    begin(&mut bench, "go#1/d/deploy");
    by_ada(&mut bench, Steering::Pause);
    end(&mut bench, "go#1/d/deploy", done());
    assert_eq!(targets(&bench), ["a:waiting", "b:skipped", "c:waiting", "d:healthy"]);
    // What is behind one that was not begun is undone nevertheless.
    by_ada(&mut bench, Steering::Abort);
    assert_eq!(open(&bench), ["go#1/d/restore"]);
    by_ada(&mut bench, Steering::Pause);
    assert_eq!(targets(&bench)[3], "d:healthy", "nothing is undone in a pause either");
    by_ada(&mut bench, Steering::Resume);
    end(&mut bench, "go#1/d/restore", done());
    assert_eq!(bench.status(), ended("undone"));
    assert_eq!(begun(&bench), ["go#1/d/deploy", "go#1/d/restore"]);
}

#[test]
fn a_failed_attempt_is_not_repeated_once_the_run_is_stopped() {
    // Before the stop, or after it.
    for first in [true, false] {
        let mut bench = submitted(SOURCE, "ada", json!({}));
        begin(&mut bench, "go#1/a/deploy");
        if first {
            end(&mut bench, "go#1/a/deploy", flaky("no route"));
        }
        by_ada(&mut bench, Steering::Abort);
        if !first {
            end(&mut bench, "go#1/a/deploy", flaky("no route"));
        }
        assert_eq!(open(&bench), ["go#1/a/restore"], "first: {first}");
        let detail = last(&bench, "target.failed")["detail"].clone();
        let told = if first {
            "attempt 1 failed, and no other begins"
        } else {
            "no route; no other attempt begins"
        };
        assert_eq!(detail, told);
        // To undo is tried as often as ever.
        end(&mut bench, "go#1/a/restore", flaky("no route"));
        bench.advance(SignedDuration::from_mins(1));
        end(&mut bench, "go#1/a/restore", done());
        assert_eq!(bench.status(), ended("undone"));
        assert_eq!(begun(&bench), ["go#1/a/deploy", "go#1/a/restore", "go#1/a/restore"]);
    }
}

#[test]
fn a_failed_attempt_is_repeated_after_a_pause() {
    for unknown in [true, false] {
        let mut bench = submitted(SOURCE, "ada", json!({}));
        begin(&mut bench, "go#1/a/deploy");
        by_ada(&mut bench, Steering::Pause);
        let outcome = if unknown {
            Outcome::Unknown { reason: "the engine stopped".to_owned() }
        } else {
            flaky("no route")
        };
        end(&mut bench, "go#1/a/deploy", outcome);
        bench.advance(SignedDuration::from_mins(30));
        assert_eq!((open(&bench).len(), bench.status()), (0, RunStatus::Held));
        let effect = EffectId::new("go#1/a/deploy");
        let started =
            bench.act("engine", Action::AttemptStarted { effect, attempt: 2, configured: None });
        refused(started, RefusalCode::NotAwaited);
        by_ada(&mut bench, Steering::Resume);
        assert_eq!(open(&bench)[0], "go#1/a/deploy");
        end(&mut bench, "go#1/a/deploy", done());
        assert_eq!(targets(&bench)[0], "a:healthy");
    }
}

#[test]
fn an_unknown_end_counts_as_begun() {
    let unknown = || Outcome::Unknown { reason: "the engine stopped".to_owned() };
    // Where it would simply be repeated, it is not: it has failed, and is undone.
    let mut bench = submitted(SOURCE, "ada", json!({}));
    begin(&mut bench, "go#1/a/deploy");
    by_ada(&mut bench, Steering::Abort);
    end(&mut bench, "go#1/a/deploy", unknown());
    let detail = last(&bench, "target.failed")["detail"].clone();
    assert_eq!(detail, "nobody knows how attempt 1 ended, and no other begins: the engine stopped");
    assert_eq!(open(&bench), ["go#1/a/restore"]);

    // Where it must not be repeated, a person says what became of it.
    let source = SOURCE.replacen("run: deploy,", "run: deploy, settle: { from: requester },", 1);
    let mut bench = submitted(&source, "ada", json!({}));
    end(&mut bench, "go#1/a/deploy", unknown());
    by_ada(&mut bench, Steering::Abort);
    assert_eq!(targets(&bench)[0], "a:deploying");
    let settle = |ruling| Action::Settle { effect: None, ruling, reason: "looked".to_owned() };
    let refusal = refused(bench.act("ada", settle(Ruling::Again)), RefusalCode::NotAwaited);
    assert!(refusal.message.contains("the run turns back"), "{refusal}");
    bench.act("ada", settle(Ruling::Done { output: Value::Null })).unwrap();
    assert_eq!(open(&bench), ["go#1/a/restore"]);
}

const STEPS: &str = "
        steps:
          pre_check: { run: is-ready }
          drain: { run: drain }
          deploy: { run: deploy }
          verify: { run: smoke-test }
          undrain: { run: undrain }
        max_failed: 2";

/// With steps at each target.
fn stepwise() -> String {
    SOURCE.replace(
        "\n        max_failed: 1\n        each: { run: deploy, retry: { attempts: 3, delay: 1m } }",
        STEPS,
    )
}

#[test]
fn a_target_between_two_steps_goes_back_from_there() {
    let all = ["pre_check", "drain", "deploy", "verify", "undrain"];
    for (count, undone) in [
        (0, &[][..]),
        (1, &[]),
        (2, &["undo_undrain"]),
        (3, &["restore", "undo_undrain"]),
        (4, &["restore", "undo_undrain"]),
    ] {
        let mut bench = submitted(&stepwise(), "ada", json!({}));
        for step in &all[..count] {
            end(&mut bench, &format!("go#1/a/{step}"), done());
        }
        bench.act("ada", cancel("no")).unwrap();
        let mut seen = Vec::new();
        while let Some(effect) = open(&bench).first().cloned() {
            seen.push(effect.trim_start_matches("go#1/a/").to_owned());
            end(&mut bench, &effect, done());
        }
        assert_eq!(seen, undone, "{count}");
        assert_eq!(bench.status(), ended("cancelled"), "{count}");
    }
}

#[test]
fn in_a_pause_a_target_that_was_begun_goes_through_its_steps() {
    let mut bench = submitted(&stepwise(), "ada", json!({}));
    end(&mut bench, "go#1/a/pre_check", done());
    by_ada(&mut bench, Steering::Pause);
    assert_eq!(targets(&bench)[..2], ["a:draining", "b:waiting"]);
    for step in ["drain", "deploy", "verify", "undrain"] {
        assert_eq!(open(&bench), [format!("go#1/a/{step}")]);
        end(&mut bench, &format!("go#1/a/{step}"), done());
    }
    assert_eq!((open(&bench).len(), bench.status()), (0, RunStatus::Held));
    // It fails meanwhile, and is undone at once.
    by_ada(&mut bench, Steering::Resume);
    end(&mut bench, "go#1/b/pre_check", done());
    end(&mut bench, "go#1/b/drain", done());
    by_ada(&mut bench, Steering::Pause);
    end(&mut bench, "go#1/b/deploy", fatal("disk full"));
    end(&mut bench, "go#1/b/restore", done());
    end(&mut bench, "go#1/b/undo_undrain", done());
    assert_eq!(targets(&bench)[1], "b:failed");
    // Tried again, and taken back before that has begun: it has failed as before.
    bench.act("ada", steer(Steering::Retry, Some("b"), None)).unwrap();
    by_ada(&mut bench, Steering::Resume);
    assert_eq!(targets(&bench)[1], "b:pre_checking");
    by_ada(&mut bench, Steering::Pause);
    assert_eq!(targets(&bench)[1], "b:failed");
    by_ada(&mut bench, Steering::Resume);
    assert_eq!(open(&bench)[0], "go#1/b/pre_check-2");
    by_ada(&mut bench, Steering::Abort);
    assert_eq!(bench.view().rollout.unwrap().failed, 1);
    assert_eq!(open(&bench), ["go#1/a/undo_drain"]);
}

#[test]
fn while_a_check_that_told_nothing_is_to_be_decided_nothing_begins() {
    let source = SOURCE.replace(
        "        rollback:",
        "        healthy: { http: \"http://${target}/\" }\n        rollback:",
    );
    let mut bench = submitted(&source, "ada", json!({}));
    end(&mut bench, "go#1/a/deploy", done());
    let events = end(&mut bench, "go#1/a/check", verdict("inconclusive"));
    assert_eq!(events, ["target.inconclusive", "rollout.not_begun"]);
    assert_eq!((open(&bench).len(), bench.status()), (0, RunStatus::Stuck));
    bench.act("ada", steer(Steering::Promote, Some("a"), None)).unwrap();
    assert_eq!(open(&bench), ["go#1/b/deploy", "go#1/c/deploy", "go#1/d/deploy"]);
}

#[test]
fn the_switch_is_not_begun_either() {
    let source = SOURCE.replace(
        "        rollback:",
        "        switch: { run: route }\n        switch_back: { run: route }\n        rollback:",
    );
    let mut bench = submitted(&source, "ada", json!({}));
    for target in ["a", "b", "c", "d"] {
        end(&mut bench, &format!("go#1/{target}/deploy"), done());
    }
    assert_eq!(open(&bench), ["go#1/switch/deploy"]);
    by_ada(&mut bench, Steering::Abort);
    assert_eq!(open(&bench), ["go#1/d/restore"]);
}
