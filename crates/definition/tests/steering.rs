//! How people steer a rollout: pausing, aborting, promoting, and what they do with single targets.

use holdpoint_core::{
    Actor, Outcome, RefusalCode, RunStatus, Steering,
    run::DueStep,
    testing::{Bench, types},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::common::{
    cancel, done, ended, fatal, finds_what_it_fits, flaky, last, of_the_rollout, open, refused,
    secs, steer, submitted, targets, verdict,
};

const SOURCE: &str = "
workflow: rollout
version: 1
title: A rollout
input: { type: object, required: [targets], properties: { targets: {} } }
start: go
states:
  go:
    do:
      rollout:
        targets: \"${input.targets}\"
        waves: [{ to: 1, bake: 10m }, 100%]
        max_failed: 2
        max_parallel: 2
        each: { run: deploy, retry: { attempts: 2, delay: 5s } }
        healthy: { http: \"http://${target}/\" }
        rollback: { run: restore }
        control: { from: [requester, role:board] }
      expires: 1h
    on: { succeeded: observe, rolled_back: undone, failed: failed }
  observe: { hold: { signal: { name: go } }, on: { released: done } }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

fn rollout(count: usize) -> Bench {
    let targets: Vec<String> = (1..=count).map(|n| format!("t{n}")).collect();
    submitted(SOURCE, "bob", json!({ "targets": targets }))
}

#[track_caller]
fn end(bench: &mut Bench, target: &str, step: &str, outcome: Outcome) -> Vec<String> {
    of_the_rollout(&bench.attempt(&format!("go#1/{target}/{step}"), outcome).unwrap())
}

/// Deploys to a target, and lets it pass its check.
#[track_caller]
fn pass(bench: &mut Bench, target: &str) -> Vec<String> {
    end(bench, target, "deploy", done());
    end(bench, target, "check", verdict("passed"))
}

#[track_caller]
fn by_bob(bench: &mut Bench, steering: Steering, target: Option<&str>) -> Vec<String> {
    let (view, action) = (bench.view(), steer(steering, target, Some("so")));
    finds_what_it_fits(&view, &action, None);
    types(&bench.act("bob", action).unwrap())
}

/// Every timer that is set, with the time until it is due.
fn clocks(bench: &Bench) -> Vec<(String, SignedDuration)> {
    let due = bench.due().into_iter();
    due.filter_map(|due| match due.step {
        DueStep::Fire { at } => Some((due.effect.to_string(), at.duration_since(bench.now()))),
        _ => None,
    })
    .collect()
}

fn clock(name: &str, minutes: i64) -> (String, SignedDuration) {
    (format!("go#1/{name}"), SignedDuration::from_mins(minutes))
}

fn phase(bench: &Bench) -> &'static str {
    bench.view().rollout.unwrap().phase
}

#[test]
fn a_pause_lets_what_is_under_way_end_and_nothing_begin() {
    let mut bench = rollout(4);
    pass(&mut bench, "t1");
    bench.advance(SignedDuration::from_mins(10));
    assert_eq!(open(&bench), ["go#1/t2/deploy", "go#1/t3/deploy"]);
    bench.begin_open();
    let events =
        types(&bench.act("dora", steer(Steering::Pause, None, Some("an incident"))).unwrap());
    assert_eq!(events, ["rollout.paused"]);
    assert_eq!(bench.status(), RunStatus::Working, "two targets are under way");
    end(&mut bench, "t2", "deploy", flaky("no route"));
    pass(&mut bench, "t3");
    assert!(open(&bench).is_empty(), "t2 is not tried again meanwhile, and t4 waits");
    assert_eq!(bench.status(), RunStatus::Held, "t2 is between two attempts");
    assert_eq!(phase(&bench), "paused");
    let pause = bench.view().rollout.unwrap().paused.unwrap();
    assert_eq!(pause.by, Actor::Member("dora".parse().unwrap()));
    assert_eq!(pause.reason, "an incident");
    assert_eq!(bench.next_steps()[0], "go on, after the pause of dora");
    let again = bench.act("bob", steer(Steering::Pause, None, Some("me too")));
    let refusal = refused(again, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the rollout is paused already, by member:dora");
    assert_eq!(by_bob(&mut bench, Steering::Resume, None), ["rollout.resumed"]);
    assert_eq!(open(&bench), ["go#1/t2/deploy", "go#1/t4/deploy"]);
    let twice = bench.act("bob", steer(Steering::Resume, None, None));
    refused(twice, RefusalCode::NotAwaited);
}

#[test]
fn a_pause_stops_the_clocks() {
    let mut bench = rollout(2);
    assert_eq!(clocks(&bench), [clock("deadline", 60)]);
    pass(&mut bench, "t1");
    assert_eq!(phase(&bench), "baking");
    assert_eq!(clocks(&bench), [clock("deadline", 60), clock("bake-1", 10)]);
    bench.advance(SignedDuration::from_mins(4));
    by_bob(&mut bench, Steering::Pause, None);
    assert!(clocks(&bench).is_empty());
    assert_eq!(bench.view().rollout.unwrap().between.unwrap().until, None);
    bench.advance(SignedDuration::from_hours(500));
    assert_eq!(phase(&bench), "paused");
    by_bob(&mut bench, Steering::Resume, None);
    // What goes on is another timer: one that was over is not asked for again.
    assert_eq!(clocks(&bench), [clock("deadline-2", 56), clock("bake-2", 6)]);
    bench.advance(SignedDuration::from_mins(6));
    assert_eq!(open(&bench), ["go#1/t2/deploy"]);
}

#[test]
fn failures_during_a_pause_turn_nothing_round_before_it_is_over() {
    let mut bench = rollout(4);
    pass(&mut bench, "t1");
    bench.advance(SignedDuration::from_mins(10));
    bench.begin_open();
    by_bob(&mut bench, Steering::Pause, None);
    end(&mut bench, "t2", "deploy", fatal("disk full"));
    assert_eq!(end(&mut bench, "t3", "deploy", fatal("disk full")), ["target.failed"]);
    assert_eq!(phase(&bench), "paused");
    // Somebody may see to them before it goes on.
    let mut seen_to = bench.clone();
    by_bob(&mut seen_to, Steering::Retry, Some("t2"));
    assert!(open(&seen_to).is_empty(), "nothing begins in a pause");
    by_bob(&mut seen_to, Steering::Resume, None);
    assert_eq!(open(&seen_to), ["go#1/t2/deploy-2", "go#1/t4/deploy"]);
    let events = by_bob(&mut bench, Steering::Resume, None);
    assert_eq!(events, ["rollout.resumed", "rollout.undo_started"]);
    assert_eq!(open(&bench), ["go#1/t3/restore"]);
}

#[test]
fn an_abort_ends_a_pause() {
    let mut bench = rollout(2);
    pass(&mut bench, "t1");
    by_bob(&mut bench, Steering::Pause, None);
    let events = by_bob(&mut bench, Steering::Abort, None);
    assert_eq!(events, ["rollout.undo_started"]);
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "so");
    assert_eq!(open(&bench), ["go#1/t1/restore"]);
    // An undo can be paused, too, and a cancellation ends that.
    bench.begin_open();
    by_bob(&mut bench, Steering::Pause, None);
    assert_eq!(end(&mut bench, "t1", "restore", done()), ["target.restored"]);
    assert_eq!((bench.status(), phase(&bench)), (RunStatus::Held, "paused"));
    let events = bench.act("ada", cancel("enough")).unwrap();
    assert_eq!(
        types(&events),
        ["run.cancelled", "rollout.resumed", "rollout.finished", "run.ended"]
    );
}

#[test]
fn reasons_are_asked_for() {
    for steering in [Steering::Pause, Steering::Abort, Steering::Rollback, Steering::Skip] {
        for reason in [None, Some("  ")] {
            let mut bench = rollout(2);
            let refusal = refused(
                bench.act("bob", steer(steering, Some("t2"), reason)),
                RefusalCode::InvalidInput,
            );
            assert_eq!(refusal.message, format!("`{steering}` needs a reason"));
        }
    }
}

#[test]
fn the_definition_says_who_steers() {
    let mut bench = rollout(2);
    for nobody in ["ada", "cy", "fay"] {
        let refusal = refused(
            bench.act(nobody, steer(Steering::Pause, None, Some("so"))),
            RefusalCode::NotEligible,
        );
        assert_eq!(refusal.needed, ["the requester or role board: bob, dora, eve"]);
    }
    for somebody in ["bob", "dora", "eve"] {
        bench.act(somebody, steer(Steering::Pause, None, Some("so"))).unwrap();
        bench.act(somebody, steer(Steering::Resume, None, None)).unwrap();
    }
}

#[test]
fn a_promotion_skips_the_rest_of_a_bake_and_nothing_else() {
    let mut bench = rollout(3);
    let early = bench.act("bob", steer(Steering::Promote, None, None));
    let refusal = refused(early, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the rollout waits for nobody to promote it");
    pass(&mut bench, "t1");
    bench.advance(SignedDuration::from_secs(599));
    let mut late = bench.clone();
    let events = by_bob(&mut bench, Steering::Promote, None);
    assert_eq!(events, ["rollout.promoted", "rollout.wave_started"]);
    let promoted = last(&bench, "rollout.promoted");
    assert_eq!((&promoted["past"], &promoted["wave"]), (&json!("bake"), &json!(1)));
    // At the very end of the bake nobody is there to promote it any more, noticed or not.
    late.sleep(secs(1));
    let refusal =
        refused(late.act("bob", steer(Steering::Promote, None, None)), RefusalCode::NotAwaited);
    assert!(refusal.message.starts_with("the bake was over at"), "{refusal}");
}

#[test]
fn a_pause_is_not_promoted() {
    let mut bench = rollout(2);
    pass(&mut bench, "t1");
    by_bob(&mut bench, Steering::Pause, None);
    for steering in [Steering::Promote, Steering::Retry] {
        let refusal =
            refused(bench.act("bob", steer(steering, None, None)), RefusalCode::NotAwaited);
        if steering == Steering::Promote {
            assert_eq!(refusal.needed, ["resume it first"]);
        }
    }
}

#[test]
fn a_target_that_failed_is_tried_again() {
    let mut bench = rollout(3);
    pass(&mut bench, "t1");
    bench.advance(SignedDuration::from_mins(10));
    end(&mut bench, "t2", "deploy", fatal("disk full"));
    let healthy = bench.act("bob", steer(Steering::Retry, Some("t1"), None));
    let refusal = refused(healthy, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the target `t1` cannot be tried again: it is healthy");
    let busy = bench.act("bob", steer(Steering::Retry, Some("t3"), None));
    let refusal = refused(busy, RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["wait until what is done to it has ended"]);
    let all = bench.act("bob", steer(Steering::Retry, None, None));
    let refusal = refused(all, RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["a target that has failed is tried again by its name"]);
    assert_eq!(by_bob(&mut bench, Steering::Retry, Some("t2")), ["target.retried"]);
    assert_eq!(bench.view().rollout.unwrap().failed, 0);
    end(&mut bench, "t2", "deploy-2", done());
    end(&mut bench, "t2", "check-2", verdict("passed"));
    pass(&mut bench, "t3");
    assert_eq!(targets(&bench), ["t1:healthy", "t2:healthy", "t3:healthy"]);
    assert_eq!(bench.view().state, "observe");
}

#[test]
fn a_retry_after_the_wave_has_it_bake_again() {
    let source = SOURCE.replace("{ to: 1, bake: 10m }, 100%", "{ to: 2, bake: 10m }, 100%");
    let mut bench = submitted(&source, "bob", json!({ "targets": ["t1", "t2", "t3"] }));
    end(&mut bench, "t1", "deploy", fatal("disk full"));
    pass(&mut bench, "t2");
    assert_eq!(phase(&bench), "baking");
    bench.advance(SignedDuration::from_mins(9));
    by_bob(&mut bench, Steering::Retry, Some("t1"));
    end(&mut bench, "t1", "deploy-2", done());
    let events = end(&mut bench, "t1", "check-2", verdict("passed"));
    assert_eq!(events, ["target.healthy", "rollout.bake_started"]);
    assert!(clocks(&bench).contains(&clock("bake-2", 10)));
}

#[test]
fn skipped_targets_are_left_as_they_are() {
    let mut bench = rollout(4);
    assert_eq!(by_bob(&mut bench, Steering::Skip, Some("t3")), ["target.skipped"]);
    end(&mut bench, "t1", "deploy", done());
    end(&mut bench, "t1", "check", verdict("inconclusive"));
    // What was touched is left as well, and undone with the others yet.
    let events = by_bob(&mut bench, Steering::Skip, Some("t1"));
    assert_eq!(events, ["target.skipped", "rollout.bake_started"]);
    let twice = bench.act("bob", steer(Steering::Skip, Some("t1"), Some("so")));
    let refusal = refused(twice, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the target `t1` cannot be skipped: it is skipped");
    bench.advance(SignedDuration::from_mins(10));
    assert_eq!(open(&bench), ["go#1/t2/deploy", "go#1/t4/deploy"]);
    end(&mut bench, "t2", "deploy", fatal("disk full"));
    by_bob(&mut bench, Steering::Skip, Some("t2"));
    let view = bench.view().rollout.unwrap();
    assert_eq!((view.failed, view.skipped), (0, 3));
    let mut undone = bench.clone();
    pass(&mut bench, "t4");
    assert_eq!(bench.view().state, "observe");
    assert_eq!(targets(&bench), ["t1:skipped", "t2:skipped", "t3:skipped", "t4:healthy"]);
    pass(&mut undone, "t4");
    by_bob(&mut undone, Steering::Rollback, None);
    for target in ["t4", "t2", "t1"] {
        assert_eq!(open(&undone), [format!("go#1/{target}/restore")]);
        end(&mut undone, target, "restore", done());
    }
    assert_eq!(undone.status(), ended("undone"), "t3 was never touched");
}

#[test]
fn a_rollout_whose_other_targets_are_skipped_has_failed_with_the_last() {
    let mut bench = rollout(3);
    by_bob(&mut bench, Steering::Skip, Some("t2"));
    by_bob(&mut bench, Steering::Skip, Some("t3"));
    let events = end(&mut bench, "t1", "deploy", fatal("disk full"));
    assert_eq!(events, ["target.failed", "rollout.undo_started"], "nothing has succeeded");
}

#[test]
fn a_stuck_target_may_be_skipped_and_fails_the_rollout() {
    let mut bench = rollout(1);
    pass(&mut bench, "t1");
    by_bob(&mut bench, Steering::Abort, None);
    end(&mut bench, "t1", "restore", fatal("no backup"));
    assert_eq!(bench.status(), RunStatus::Stuck);
    let events = by_bob(&mut bench, Steering::Skip, Some("t1"));
    assert_eq!(events[..2], ["target.skipped", "rollout.finished"]);
    assert_eq!(bench.status(), ended("failed"));
}

#[test]
fn a_target_in_a_persons_hands_is_left_alone() {
    let mut bench = rollout(3);
    by_bob(&mut bench, Steering::TakeOver, Some("t2"));
    pass(&mut bench, "t1");
    bench.advance(SignedDuration::from_mins(10));
    assert_eq!(open(&bench), ["go#1/t3/deploy"]);
    bench.begin_open();
    by_bob(&mut bench, Steering::Abort, None);
    end(&mut bench, "t3", "deploy", done());
    end(&mut bench, "t3", "restore", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), ended("failed"), "nobody knows what became of t2");
    assert_eq!(targets(&bench), ["t1:restored", "t2:taken_over", "t3:restored"]);
}

#[test]
fn a_rollout_that_was_done_is_undone_while_the_run_is_held_after_it() {
    let mut bench = rollout(2);
    pass(&mut bench, "t1");
    by_bob(&mut bench, Steering::Promote, None);
    pass(&mut bench, "t2");
    assert_eq!(bench.view().state, "observe");
    assert!(
        bench
            .next_steps()
            .contains(&"undo the rollout of `go`, as the requester or role board".to_owned()),
        "{:?}",
        bench.view().next_steps
    );
    let other = bench.act("cy", steer(Steering::Rollback, None, Some("so")));
    refused(other, RefusalCode::NotEligible);
    let abort = bench.act("bob", steer(Steering::Abort, None, Some("so")));
    refused(abort, RefusalCode::NotAwaited);
    assert_eq!(by_bob(&mut bench, Steering::Rollback, None), ["rollout.undo_started"]);
    assert_eq!(bench.view().state, "go");
    let signal = crate::common::signal("go", Value::Null);
    bench.act("bob", signal).unwrap();
    end(&mut bench, "t2", "restore", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), ended("undone"), "the signal belongs to a hold that was left");
}

#[test]
fn what_was_undone_is_not_undone_again() {
    let mut bench = rollout(1);
    pass(&mut bench, "t1");
    by_bob(&mut bench, Steering::Promote, None);
    assert_eq!(bench.view().state, "observe");
    let source = SOURCE
        .replace("        rollback: { run: restore }\n", "")
        .replace("rolled_back: undone, ", "")
        .replace("  undone: { end: undone }\n", "");
    let mut one_way = submitted(&source, "bob", json!({ "targets": ["t1"] }));
    pass(&mut one_way, "t1");
    by_bob(&mut one_way, Steering::Promote, None);
    let refusal = refused(
        one_way.act("bob", steer(Steering::Rollback, None, Some("so"))),
        RefusalCode::NotAwaited,
    );
    assert_eq!(refusal.message, "this rollout cannot be undone: it has no `rollback`");
    for steering in Steering::ALL.into_iter().filter(|one| *one != Steering::Rollback) {
        let none = bench.act("bob", steer(steering, Some("t1"), Some("so")));
        let refusal = refused(none, RefusalCode::NotAwaited);
        assert_eq!(refusal.message, "the rollout of `go` is over: it is done");
        let back = "`rollback` undoes it, as long as the run is held after it";
        assert_eq!(refusal.needed, [back]);
        let none = one_way.act("bob", steer(steering, Some("t1"), Some("so")));
        assert!(refused(none, RefusalCode::NotAwaited).needed.is_empty());
    }
    by_bob(&mut bench, Steering::Rollback, None);
    bench.attempt("go#1/t1/restore", done()).unwrap();
    assert_eq!(bench.status(), ended("undone"));
}

#[test]
fn where_nothing_was_rolled_out_there_is_nothing_to_steer() {
    let before = SOURCE
        .replace("start: go\nstates:\n", "start: first\nstates:\n  first: { hold: { signal: { name: one } }, on: { released: go } }\n");
    let mut bench = submitted(&before, "bob", json!({ "targets": ["t1"] }));
    let none = bench.act("bob", steer(Steering::Promote, None, None));
    assert_eq!(refused(none, RefusalCode::NotAwaited).message, "there is no rollout");
}
