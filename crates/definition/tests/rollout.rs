//! Rollouts: waves, failures, undoing, and where a person decides.

use holdpoint_core::{
    Action, EffectId, Outcome, RefusalCode, RunStatus, Steering,
    run::DueStep,
    testing::{Bench, types},
};
use serde_json::{Value, json};

use crate::common::{
    cancel, data, done, ended, fatal, flaky, last, of_the_rollout, open, people, refused, secs,
    steer, submitted, targets, verdict, workflow,
};

const ROLLOUT: &str = "
workflow: rollout
version: 1
title: A rollout
input:
  type: object
  required: [targets]
  properties:
    targets: {}
    bake: { type: string, default: 30s }
start: go
states:
  go:
    do:
      rollout:
        targets: \"${input.targets}\"
        waves: [1, 50%, 100%]
        max_failed: 2
        max_parallel: 2
        each: { run: deploy, with: { version: 7 }, retry: { attempts: 2, delay: 5s } }
        healthy: { http: \"http://${target}/health\", for: \"${input.bake}\", every: 10s }
        rollback: { run: restore }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

/// Without a health check: a target is healthy when it is deployed.
fn unchecked() -> String {
    ROLLOUT.replace(
        "        healthy: { http: \"http://${target}/health\", for: \"${input.bake}\", every: 10s }\n",
        "",
    )
}

/// Without a health check and a rollback.
fn one_way() -> String {
    unchecked()
        .replace("        rollback: { run: restore }\n", "")
        .replace("rolled_back: undone, ", "")
        .replace("  undone: { end: undone }\n", "")
}

fn names(count: usize) -> Value {
    json!({ "targets": (1..=count).map(|n| format!("t{n}")).collect::<Vec<_>>() })
}

fn id(target: &str, step: &str) -> String {
    format!("go#1/{target}/{step}")
}

#[track_caller]
fn end(bench: &mut Bench, target: &str, step: &str, outcome: Outcome) -> Vec<String> {
    of_the_rollout(&bench.attempt(&id(target, step), outcome).unwrap())
}

#[track_caller]
fn deploy(bench: &mut Bench, target: &str) -> Vec<String> {
    end(bench, target, "deploy", done())
}

/// Fails a target's deployment for good.
#[track_caller]
fn fail(bench: &mut Bench, target: &str) -> Vec<String> {
    end(bench, target, "deploy", fatal("disk full"))
}

#[test]
fn waves_follow_each_other() {
    let mut bench = submitted(&unchecked(), "ada", names(6));
    let mut started = last(&bench, "rollout.started");
    let plan = started.as_object_mut().unwrap().remove("plan").unwrap();
    assert!(plan.as_str().unwrap().starts_with("sha256:"), "{plan}");
    assert_eq!(
        started,
        json!({ "state": "go", "targets": ["t1", "t2", "t3", "t4", "t5", "t6"], "waves": [1, 3, 6] })
    );
    assert_eq!(open(&bench), [id("t1", "deploy")]);
    assert_eq!(deploy(&mut bench, "t1"), ["target.deployed", "rollout.wave_started"]);
    assert_eq!(
        last(&bench, "rollout.wave_started"),
        json!({ "state": "go", "wave": 2, "targets": 2 })
    );
    assert_eq!(open(&bench), [id("t2", "deploy"), id("t3", "deploy")]);
    deploy(&mut bench, "t3");
    assert_eq!(open(&bench), [id("t2", "deploy")], "the next wave waits for the whole of this");
    deploy(&mut bench, "t2");
    for target in ["t4", "t5", "t6"] {
        deploy(&mut bench, target);
    }
    assert_eq!(bench.status(), ended("done"));
    assert_eq!(last(&bench, "rollout.finished"), json!({ "state": "go", "outcome": "succeeded" }));
    let view = bench.view().rollout.unwrap();
    assert_eq!(
        (view.phase, view.wave, view.waves, view.failed, view.failed_max),
        ("done", 3, 3, 0, 2)
    );
}

#[test]
fn waves_that_add_nothing_fall_away() {
    for (count, waves) in
        [(1, json!([1])), (2, json!([1, 2])), (3, json!([1, 2, 3])), (7, json!([1, 4, 7]))]
    {
        let bench = submitted(&unchecked(), "ada", names(count));
        assert_eq!(last(&bench, "rollout.started")["waves"], waves, "{count} targets");
    }
}

#[test]
fn no_more_are_worked_on_than_may_be() {
    let source = unchecked().replace("waves: [1, 50%, 100%]", "waves: [100%]");
    let mut bench = submitted(&source, "ada", names(5));
    assert_eq!(open(&bench), [id("t1", "deploy"), id("t2", "deploy")]);
    deploy(&mut bench, "t1");
    assert_eq!(open(&bench), [id("t2", "deploy"), id("t3", "deploy")]);
    // Whoever waits for a retry keeps the place.
    end_flaky(&mut bench, "t2");
    assert_eq!(open(&bench), [id("t2", "deploy"), id("t3", "deploy")]);
    let everyone = source.replace("        max_parallel: 2\n", "");
    assert_eq!(open(&submitted(&everyone, "ada", names(60))).len(), 50, "the default");
}

#[track_caller]
fn end_flaky(bench: &mut Bench, target: &str) {
    let events = bench.attempt(&id(target, "deploy"), flaky("no route")).unwrap();
    assert_eq!(types(&events), ["activity.started", "activity.failed"]);
}

#[test]
fn a_step_is_tried_again() {
    let mut bench = submitted(&unchecked(), "ada", names(1));
    end_flaky(&mut bench, "t1");
    let due = bench.due();
    let DueStep::Attempt { attempt: 2, not_before: Some(at), .. } = due[0].step else {
        panic!("{due:?}")
    };
    assert_eq!(at, bench.now() + secs(5));
    let events = end(&mut bench, "t1", "deploy", flaky("no route"));
    assert_eq!(events[0], "target.failed");
    assert_eq!(last(&bench, "target.failed")["detail"], "no route");
}

#[test]
fn what_a_worker_is_given() {
    let mut bench = submitted(ROLLOUT, "ada", names(1));
    let given = |bench: &Bench| {
        let (_, name, input) = bench.open_activities().remove(0);
        (name, input)
    };
    assert_eq!(given(&bench), ("deploy".to_owned(), json!({ "target": "t1", "version": 7 })));
    deploy(&mut bench, "t1");
    assert_eq!(
        given(&bench),
        (
            "http-check".to_owned(),
            json!({ "url": "http://t1/health", "expect": 200, "for_ms": 30_000, "every_ms": 10_000 })
        )
    );
    let due = bench.due();
    let DueStep::Attempt { activity, .. } = &due[0].step else { panic!("{due:?}") };
    assert_eq!((activity.timeout, activity.retry.attempts_max), (secs(90), 1));
    end(&mut bench, "t1", "check", verdict("failed"));
    assert_eq!(given(&bench), ("restore".to_owned(), json!({ "target": "t1" })));
}

#[test]
fn a_checked_target_is_healthy_when_the_check_says_so() {
    let mut bench = submitted(ROLLOUT, "ada", names(2));
    assert_eq!(deploy(&mut bench, "t1"), ["target.deployed"]);
    assert_eq!(targets(&bench), ["t1:checking", "t2:waiting"]);
    assert_eq!(open(&bench), [id("t1", "check")], "a check keeps the place, and the wave open");
    let events = end(&mut bench, "t1", "check", verdict("passed"));
    assert_eq!(events, ["target.healthy", "rollout.wave_started"]);
    assert_eq!(
        last(&bench, "target.healthy"),
        json!({ "state": "go", "target": "t1", "number": 1, "wave": 1, "detail": "it passed" })
    );
    deploy(&mut bench, "t2");
    end(&mut bench, "t2", "check", verdict("passed"));
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn one_failure_below_the_limit_is_lived_with() {
    let mut bench = submitted(&unchecked(), "ada", names(4));
    fail(&mut bench, "t1");
    assert_eq!(bench.status(), RunStatus::Working);
    assert_eq!(targets(&bench)[0], "t1:failed");
    assert_eq!(bench.view().rollout.unwrap().targets[0].error.as_deref(), Some("disk full"));
    for target in ["t2", "t3", "t4"] {
        deploy(&mut bench, target);
    }
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn the_failure_that_reaches_the_limit_turns_the_rollout_round() {
    let mut bench = submitted(&unchecked(), "ada", names(4));
    fail(&mut bench, "t1");
    let events = fail(&mut bench, "t2");
    assert_eq!(events, ["target.failed", "rollout.undo_started"]);
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "2 targets failed");
    // What failed is restored too: nobody knows how far it came.
    assert_eq!(open(&bench), [id("t2", "restore")]);
    end(&mut bench, "t2", "restore", done());
    assert_eq!(open(&bench), [id("t1", "restore")]);
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), ended("undone"));
    assert_eq!(targets(&bench), ["t1:restored", "t2:restored", "t3:waiting", "t4:waiting"]);
    assert_eq!(bench.view().rollout.unwrap().phase, "undone");
}

#[test]
fn a_rollout_in_which_every_target_failed_has_not_succeeded() {
    let mut bench = submitted(&unchecked(), "ada", names(1));
    let events = fail(&mut bench, "t1");
    assert_eq!(events, ["target.failed", "rollout.undo_started"]);
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "1 target failed");
    assert_eq!(bench.view().rollout.unwrap().failed_max, 1);
}

#[test]
fn undoing_is_in_reverse_order_and_one_at_a_time() {
    let mut bench = submitted(ROLLOUT, "ada", names(6));
    for target in ["t1", "t2", "t3"] {
        deploy(&mut bench, target);
        end(&mut bench, target, "check", verdict("passed"));
    }
    deploy(&mut bench, "t4");
    end(&mut bench, "t4", "check", verdict("failed"));
    bench.begin_open();
    end(&mut bench, "t5", "deploy", fatal("disk full"));
    // `t6` is being deployed: to restore it now would race.
    assert!(open(&bench).is_empty());
    assert_eq!(deploy(&mut bench, "t6"), ["target.deployed"], "it is not checked any more");
    for target in ["t6", "t5", "t4", "t3", "t2", "t1"] {
        assert_eq!(open(&bench), [id(target, "restore")]);
        end(&mut bench, target, "restore", done());
    }
    assert_eq!(bench.status(), ended("undone"));
}

#[test]
fn turning_round_gives_checks_up() {
    let source =
        ROLLOUT.replace("max_failed: 2", "max_failed: 1").replace("[1, 50%, 100%]", "[100%]");
    let mut bench = submitted(&source, "ada", names(3));
    deploy(&mut bench, "t1");
    let started = Action::AttemptStarted {
        effect: EffectId::new(id("t1", "check")),
        attempt: 1,
        configured: None,
    };
    bench.act("engine", started).unwrap();
    let events = fail(&mut bench, "t2");
    assert_eq!(events, ["target.failed", "rollout.undo_started"]);
    assert_eq!(bench.types().last().unwrap(), "activity.abandoned");
    // The place that the failure makes free is given to no other target.
    assert_eq!(targets(&bench), ["t1:unchecked", "t2:restoring", "t3:waiting"]);
    assert_eq!(open(&bench), [id("t2", "restore")]);
}

#[test]
fn an_inconclusive_check_rests_until_a_person_decides() {
    let mut bench = resting();
    assert_eq!(bench.status(), RunStatus::Stuck);
    assert_eq!(targets(&bench), ["t1:stuck", "t2:checking", "t3:waiting"]);
    assert_eq!(bench.view().rollout.unwrap().phase, "stuck");
    assert_eq!(
        bench.next_steps()[..3],
        ["take t1 for healthy", "check t1 again", "leave a target as it is",]
    );
    // What is under way ends; nothing new begins.
    end(&mut bench, "t2", "check", verdict("passed"));
    assert!(open(&bench).is_empty());
    bench.act("ada", steer(Steering::Promote, None, Some("the probe was blocked"))).unwrap();
    assert_eq!(last(&bench, "target.healthy")["detail"], "the probe was blocked");
    assert_eq!(open(&bench), [id("t3", "deploy")]);
}

/// `t1` rests, `t2` is being checked.
fn resting() -> Bench {
    let source = ROLLOUT.replace("[1, 50%, 100%]", "[100%]");
    let mut bench = submitted(&source, "ada", names(3));
    deploy(&mut bench, "t1");
    deploy(&mut bench, "t2");
    let events = end(&mut bench, "t1", "check", verdict("inconclusive"));
    assert_eq!(events, ["target.inconclusive"]);
    bench
}

#[test]
fn a_check_that_was_not_made_tells_nothing() {
    for (outcome, detail) in [
        (fatal("no worker"), "the check was not made: no worker"),
        (done(), "the check gave no verdict"),
        (verdict("maybe"), "the check gave no verdict"),
    ] {
        let mut bench = submitted(ROLLOUT, "ada", names(1));
        deploy(&mut bench, "t1");
        end(&mut bench, "t1", "check", outcome);
        assert_eq!(last(&bench, "target.inconclusive")["detail"], detail);
        assert_eq!(bench.status(), RunStatus::Stuck);
    }
}

#[test]
fn a_check_made_again_is_another_effect() {
    let mut bench = resting();
    bench.act("ada", steer(Steering::Retry, Some("t1"), None)).unwrap();
    assert_eq!(open(&bench), [id("t1", "check-2"), id("t2", "check")]);
    end(&mut bench, "t1", "check-2", verdict("inconclusive"));
    bench.act("ada", steer(Steering::Retry, None, None)).unwrap();
    assert_eq!(open(&bench)[0], id("t1", "check-3"));
    end(&mut bench, "t1", "check-3", verdict("failed"));
    assert_eq!(targets(&bench)[0], "t1:failed");
}

#[test]
fn a_person_undoes_a_resting_rollout() {
    let mut bench = resting();
    bench.act("ada", steer(Steering::Abort, None, Some("better safe"))).unwrap();
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "better safe");
    assert_eq!(open(&bench), [id("t2", "restore")]);
    let refusal = refused(
        bench.act("ada", steer(Steering::Abort, None, Some("better safe"))),
        RefusalCode::NotAwaited,
    );
    assert_eq!(refusal.message, "the rollout is being undone already");
    end(&mut bench, "t2", "restore", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), ended("undone"));
}

#[test]
fn only_those_responsible_steer() {
    let mut bench = resting();
    for steering in Steering::ALL {
        let refusal = refused(
            bench.act("bob", steer(steering, Some("t1"), Some("so"))),
            RefusalCode::NotEligible,
        );
        assert_eq!(refusal.message, format!("`bob` may not steer this rollout (`{steering}`)"));
        assert_eq!(refusal.needed, ["the requester or role owner: ada"]);
        refused(bench.act("zed", steer(steering, None, Some("so"))), RefusalCode::NotMember);
    }
    let other = bench.act("ada", steer(Steering::Promote, Some("t2"), None));
    let refusal = refused(other, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the target `t2` waits for nobody to promote it");
    let nobody = bench.act("ada", steer(Steering::Promote, Some("t9"), None));
    refused(nobody, RefusalCode::NotFound);
    let stuck = bench.act("ada", steer(Steering::TakeOver, None, None));
    assert_eq!(refused(stuck, RefusalCode::NotAwaited).message, "no target is stuck");
}

/// `t3` to `t1` are being undone, and `t3` could not be restored.
fn stuck() -> Bench {
    let mut bench = submitted(&unchecked(), "ada", names(3));
    deploy(&mut bench, "t1");
    deploy(&mut bench, "t2");
    bench.begin_open();
    bench.act("ada", steer(Steering::Abort, None, Some("better safe"))).unwrap();
    assert!(open(&bench).is_empty(), "what is under way ends first");
    deploy(&mut bench, "t3");
    assert_eq!(end(&mut bench, "t3", "restore", fatal("no backup")), ["target.stuck"]);
    bench
}

#[test]
fn a_target_that_cannot_be_restored_is_stuck() {
    let mut bench = stuck();
    assert_eq!(bench.status(), RunStatus::Stuck);
    assert_eq!(last(&bench, "target.stuck")["detail"], "no backup");
    assert_eq!(
        bench.next_steps(),
        [
            "try again to restore t3",
            "restore t3 by hand and say so",
            "leave a target as it is",
            "cancel the run, as `ada` or a member with the role `owner`",
        ]
    );
    // The others do not wait for it.
    end(&mut bench, "t2", "restore", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), RunStatus::Stuck);
    bench.act("ada", steer(Steering::Retry, Some("t3"), None)).unwrap();
    assert_eq!(open(&bench), [id("t3", "restore-2")]);
    end(&mut bench, "t3", "restore-2", done());
    assert_eq!(bench.status(), ended("undone"));
}

/// What the view says went wrong at each target.
fn errors(bench: &Bench) -> Vec<Option<String>> {
    bench.view().rollout.unwrap().targets.into_iter().map(|target| target.error).collect()
}

#[test]
fn what_went_wrong_at_a_target_is_shown_when_it_has_been_restored() {
    let mut bench =
        submitted(&unchecked().replace("max_failed: 2", "max_failed: 1"), "ada", names(2));
    deploy(&mut bench, "t1");
    fail(&mut bench, "t2");
    let failure = || Some("disk full".to_owned());
    assert_eq!(errors(&bench), [None, failure()]);
    end(&mut bench, "t2", "restore", fatal("no backup"));
    assert_eq!(errors(&bench)[1].as_deref(), Some("no backup (before that: disk full)"));
    bench.act("ada", steer(Steering::Retry, None, Some("mended"))).unwrap();
    assert_eq!(errors(&bench), [None, failure()], "of the attempt before nothing is left");
    end(&mut bench, "t2", "restore-2", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(targets(&bench), ["t1:restored", "t2:restored"]);
    assert_eq!(errors(&bench), [None, failure()]);
}

#[test]
fn a_check_that_is_made_again_shows_no_old_error() {
    let mut bench = resting();
    assert_eq!(errors(&bench)[0].as_deref(), Some("it inconclusive"));
    bench.act("ada", steer(Steering::Retry, None, Some("the probe is back"))).unwrap();
    assert_eq!(errors(&bench), [None, None, None]);
    end(&mut bench, "t1", "check-2", verdict("inconclusive"));
    bench.act("ada", steer(Steering::Promote, None, Some("it is fine"))).unwrap();
    assert_eq!(errors(&bench), [None, None, None]);
}

#[test]
fn a_targets_name_does_not_choose_what_is_checked() {
    for target in ["127.0.0.1:1/health#", "user:pw@host", "host/x?y=", "a b", "h\\x", "%2f", "ü"] {
        let bench = submitted(ROLLOUT, "ada", json!({ "targets": ["t1", target] }));
        assert_eq!(
            last(&bench, "work.failed")["reason"],
            format!(
                "for the target `{target}`: `{target}` is not the name of a host, with or without \
                 a port"
            )
        );
        assert_eq!(bench.status(), ended("failed"));
        let elsewhere = ROLLOUT.replace("http://${target}/health", "http://monitor/?of=${target}");
        for source in [elsewhere, unchecked()] {
            let bench = submitted(&source, "ada", json!({ "targets": [target] }));
            assert_eq!(bench.status(), RunStatus::Working, "{target}");
        }
    }
    for target in ["web-1.example.org", "10.0.0.7:8080", "[::1]:80", "a_b"] {
        let bench = submitted(ROLLOUT, "ada", json!({ "targets": [target] }));
        assert_eq!(bench.status(), RunStatus::Working, "{target}");
    }
}

#[test]
fn a_step_whose_input_is_too_large_fails_before_the_first_target() {
    let source = unchecked().replace("version: 7", "again: [\"${input.bake}\", \"${input.bake}\"]");
    let mut input = names(2);
    input["bake"] = "x".repeat(150_000).into();
    let bench = submitted(&source, "ada", input);
    assert_eq!(
        last(&bench, "work.failed")["reason"],
        "for the target `t1`: what it gives has more than 262144 bytes as JSON"
    );
}

#[test]
fn what_is_said_of_each_target_is_of_a_bounded_length() {
    let mut bench = stuck();
    bench.act("ada", steer(Steering::Retry, None, Some(&"é".repeat(50_000)))).unwrap();
    let detail = last(&bench, "target.retried")["detail"].as_str().unwrap().to_owned();
    assert!(detail.ends_with("é… (cut: 100000 bytes in all)"), "{detail}");
    assert!(detail.len() < 4_200);
}

#[test]
fn a_target_that_a_person_takes_over_fails_the_rollout() {
    let mut bench = stuck();
    bench.act("ada", steer(Steering::TakeOver, Some("t3"), Some("reinstalled by hand"))).unwrap();
    assert_eq!(last(&bench, "target.taken_over")["detail"], "reinstalled by hand");
    assert_eq!(targets(&bench)[2], "t3:taken_over");
    assert_eq!(errors(&bench)[2].as_deref(), Some("no backup"), "not what the person said");
    end(&mut bench, "t2", "restore", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), ended("failed"));
    assert_eq!(last(&bench, "rollout.finished")["outcome"], "failed");
    assert_eq!(bench.view().rollout.unwrap().phase, "failed");
}

#[test]
fn without_a_rollback_a_rollout_stops() {
    let mut bench = submitted(&one_way(), "ada", names(5));
    deploy(&mut bench, "t1");
    fail(&mut bench, "t2");
    deploy(&mut bench, "t3");
    bench.begin_open();
    let events = fail(&mut bench, "t4");
    assert_eq!(events, ["target.failed", "rollout.stopped"]);
    assert_eq!(bench.status(), RunStatus::Working, "what is under way ends");
    let refusal = refused(
        bench.act("ada", steer(Steering::Rollback, None, Some("better safe"))),
        RefusalCode::NotAwaited,
    );
    assert_eq!(refusal.message, "this rollout cannot be undone: it has no `rollback`");
    deploy(&mut bench, "t5");
    assert_eq!(bench.status(), ended("failed"));
    assert_eq!(targets(&bench)[4], "t5:healthy");
    assert_eq!(bench.view().rollout.unwrap().phase, "failed");
}

#[test]
fn cancelling_undoes_first() {
    let mut bench = submitted(ROLLOUT, "bob", names(4));
    deploy(&mut bench, "t1");
    end(&mut bench, "t1", "check", verdict("passed"));
    deploy(&mut bench, "t2");
    let events = bench.act("ada", cancel("wrong version")).unwrap();
    assert_eq!(types(&events), ["run.cancelled", "rollout.undo_started"]);
    assert_eq!(bench.status(), RunStatus::Working);
    refused(bench.act("ada", cancel("again")), RefusalCode::NotAwaited);
    assert!(bench.view().next_steps.is_empty(), "{:?}", bench.view().next_steps);
    end(&mut bench, "t2", "restore", fatal("no backup"));
    // A cancelled run does not leave a stuck target behind.
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), RunStatus::Stuck);
    bench.act("bob", steer(Steering::Retry, None, None)).unwrap();
    end(&mut bench, "t2", "restore-2", done());
    assert_eq!(bench.status(), ended("cancelled"));
    assert_eq!(last(&bench, "rollout.finished")["outcome"], "rolled_back");
}

#[test]
fn cancelling_where_nothing_can_be_undone_stops() {
    let mut bench = submitted(&one_way(), "ada", names(6));
    deploy(&mut bench, "t1");
    bench.begin_open();
    bench.act("ada", cancel("wrong version")).unwrap();
    deploy(&mut bench, "t2");
    let events = deploy(&mut bench, "t3");
    assert_eq!(events, ["target.deployed", "rollout.finished", "run.ended"]);
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn cancelling_an_undone_rollout_lets_it_end() {
    let mut bench = stuck();
    let events = bench.act("ada", cancel("and no more")).unwrap();
    assert_eq!(types(&events), ["run.cancelled"]);
    bench.act("ada", steer(Steering::TakeOver, None, None)).unwrap();
    end(&mut bench, "t2", "restore", done());
    end(&mut bench, "t1", "restore", done());
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn a_resting_rollout_that_is_cancelled_rests_no_more() {
    let mut bench = resting();
    bench.act("ada", cancel("enough")).unwrap();
    assert_eq!(open(&bench), [id("t2", "restore")]);
    assert_eq!(bench.status(), RunStatus::Working);
}

#[test]
fn what_cannot_be_rolled_out_fails() {
    let many: Vec<String> = (0..100_001).map(|n| n.to_string()).collect();
    let wide: Vec<String> = (0..5_000).map(|n| format!("{n:0>200}")).collect();
    for (targets, reason) in [
        (json!([]), "a rollout has 1 to 100000 targets, not 0"),
        (json!(many), "a rollout has 1 to 100000 targets, not 100001"),
        (json!(["a", 2]), "`2` is not the name of a target"),
        (json!(["a", " "]), "the name of a target is empty or longer than 253 bytes"),
        (json!(["x".repeat(254)]), "the name of a target is empty or longer than 253 bytes"),
        (json!("a"), "the targets are not a list"),
        (json!(wide), "the names of the targets take 1015001 bytes as JSON, more than 524288"),
    ] {
        let mut bench = Bench::new(workflow(&unchecked()), people());
        let events = bench.submit("ada", json!({ "targets": targets })).unwrap();
        let failed = events.iter().find(|event| event.kind.as_str() == "holdpoint.work.failed");
        assert_eq!(data(failed.unwrap())["reason"], reason);
        assert_eq!(bench.status(), ended("failed"));
    }
}

#[test]
fn a_template_that_fails_for_one_target_fails_before_the_first() {
    let source = ROLLOUT.replace("http://${target}/health", "http://${target.split('.')}/health");
    assert!(holdpoint_definition::Definition::parse("test.yaml", &source).is_err());
    let source = ROLLOUT.replace("http://${target}/health", "http://${10 / (int(target) - 2)}/");
    let bench = submitted(&source, "ada", json!({ "targets": ["1", "2"] }));
    let reason = last(&bench, "work.failed")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("for the target `2`: "), "{reason}");
}

#[test]
fn a_check_by_no_worker_ever_begun_is_asked_again_after_a_crash() {
    let mut bench = submitted(ROLLOUT, "ada", names(1));
    deploy(&mut bench, "t1");
    let lost = Outcome::Unknown { reason: "the engine went away".to_owned() };
    bench.attempt(&id("t1", "check"), lost).unwrap();
    assert_eq!(open(&bench), [id("t1", "check")], "the same effect, the same key");
}

#[test]
fn targets_can_be_listed_in_the_definition() {
    let source = unchecked()
        .replace("targets: \"${input.targets}\"", "targets: [db-1, \"${requester}-2\"]")
        .replace("  required: [targets]\n", "");
    let bench = submitted(&source, "ada", json!({}));
    assert_eq!(last(&bench, "rollout.started")["targets"], json!(["db-1", "ada-2"]));
}
