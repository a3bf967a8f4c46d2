//! What a rollout has besides its waves: what lies between them, steps at each target, limits, an
//! order, a switch, and a pace for the way back.

use holdpoint_core::{
    Outcome, RefusalCode, RunStatus, Steering,
    testing::{Bench, types},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::common::{
    data, done, ended, fatal, last, of_the_rollout, open, refused, somebody_can_steer_so, steer,
    submitted, targets, verdict,
};

/// A rollout of `targets` with what `rest` says of it.
fn source(rest: &str) -> String {
    format!(
        "
workflow: rollout
version: 1
title: A rollout
input: {{ type: object, required: [targets], properties: {{ targets: {{}}, bake: {{}}, first: {{}} }} }}
start: go
states:
  go:
    do:
      rollout:
        targets: \"${{input.targets}}\"
        rollback: {{ run: restore }}
{rest}
    on: {{ succeeded: done, rolled_back: undone, failed: failed }}
  done: {{ end: done }}
  undone: {{ end: undone }}
  failed: {{ end: failed }}
"
    )
}

fn names(count: usize) -> Value {
    json!({ "targets": (1..=count).map(|n| format!("t{n}")).collect::<Vec<_>>() })
}

fn rollout(rest: &str, count: usize) -> Bench {
    submitted(&source(rest), "ada", names(count))
}

#[track_caller]
fn end(bench: &mut Bench, what: &str, outcome: Outcome) -> Vec<String> {
    of_the_rollout(&bench.attempt(&format!("go#1/{what}"), outcome).unwrap())
}

/// Does whatever is asked for, as long as something is.
fn all_succeeds(bench: &mut Bench) {
    while let Some(effect) = open(bench).first().cloned() {
        let check = effect.contains("/check");
        let outcome = if check { verdict("passed") } else { done() };
        bench.attempt(&effect, outcome).unwrap();
    }
}

fn phase(bench: &Bench) -> &'static str {
    bench.view().rollout.unwrap().phase
}

const EACH: &str = "        each: { run: deploy }\n";

#[test]
fn a_wave_bakes_and_is_then_held_until_enough_promote_it() {
    let waves = "        waves: [{ to: 1, bake: 30m, hold: { from: [role:engineer, role:board], need: 2, not: requester } }, 100%]\n";
    let mut bench = rollout(&format!("{EACH}{waves}"), 2);
    assert_eq!(
        last(&bench, "rollout.started")["gates"],
        json!([{ "wave": 1, "bake_ms": 1_800_000, "holds": [1] }])
    );
    assert_eq!(end(&mut bench, "t1/deploy", done()), ["target.deployed", "rollout.bake_started"]);
    assert_eq!((bench.status(), phase(&bench)), (RunStatus::Held, "baking"));
    bench.advance(SignedDuration::from_mins(30));
    assert_eq!((bench.status(), phase(&bench)), (RunStatus::Held, "held"));
    assert_eq!(
        last(&bench, "rollout.held"),
        json!({ "state": "go", "wave": 1, "from": ["role:engineer", "role:board"], "need": 2 })
    );
    let between = bench.view().rollout.unwrap().between.unwrap();
    let can: Vec<_> = between.candidates.iter().filter(|one| one.lacks.is_none()).collect();
    assert_eq!(can.len(), 4, "{between:?}");
    // Whoever submitted it may steer it, but not promote it here.
    let own = bench.act("ada", steer(Steering::Promote, None, None));
    refused(own, RefusalCode::SelfApproval);
    let stranger = bench.act("fay", steer(Steering::Promote, None, None));
    let refusal = refused(stranger, RefusalCode::NotEligible);
    assert_eq!(refusal.needed, ["role engineer or role board: ada, bob, cy, dora, eve"]);
    bench.act("bob", steer(Steering::Promote, None, None)).unwrap();
    let twice = bench.act("bob", steer(Steering::Promote, None, None));
    refused(twice, RefusalCode::AlreadyVoted);
    assert_eq!(phase(&bench), "held");
    assert_eq!(bench.view().rollout.unwrap().between.unwrap().by.len(), 1);
    let events = bench.act("dora", steer(Steering::Promote, None, Some("flat"))).unwrap();
    assert_eq!(types(&events), ["rollout.promoted", "rollout.wave_started"]);
    assert_eq!(data(&events[0])["roles"], json!(["board"]));
    all_succeeds(&mut bench);
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_hold_that_is_manual_is_for_those_who_steer() {
    let mut bench = rollout(&format!("{EACH}        waves: [{{ to: 100%, hold: manual }}]\n"), 1);
    end(&mut bench, "t1/deploy", done());
    assert_eq!(phase(&bench), "held", "also after the last wave");
    let other = bench.act("bob", steer(Steering::Promote, None, None));
    refused(other, RefusalCode::NotEligible);
    let mut undone = bench.clone();
    bench.act("ada", steer(Steering::Promote, None, None)).unwrap();
    assert_eq!(bench.status(), ended("done"));
    undone.act("ada", steer(Steering::Abort, None, Some("the graphs"))).unwrap();
    all_succeeds(&mut undone);
    assert_eq!(undone.status(), ended("undone"));
}

#[test]
fn what_lies_behind_a_wave_that_falls_away_lies_behind_the_one_before() {
    let waves = "        waves: [1, { to: 10%, bake: 1h, hold: manual }, { to: 20%, bake: 2h, hold: { from: role:board } }, { to: 100%, bake: 3h }]\n";
    let gates = |count| last(&rollout(&format!("{EACH}{waves}"), count), "rollout.started");
    let started = gates(20);
    assert_eq!(started["waves"], json!([1, 2, 4, 20]));
    assert_eq!(started["gates"].as_array().unwrap().len(), 3);
    let started = gates(3);
    assert_eq!(started["waves"], json!([1, 3]));
    assert_eq!(
        started["gates"],
        json!([
            { "wave": 1, "bake_ms": 7_200_000, "holds": [2, 3] },
            { "wave": 2, "bake_ms": 10_800_000 },
        ])
    );
    let mut bench = rollout(&format!("{EACH}{waves}"), 3);
    end(&mut bench, "t1/deploy", done());
    bench.advance(SignedDuration::from_hours(2));
    let events = bench.act("ada", steer(Steering::Promote, None, None)).unwrap();
    assert_eq!(types(&events), ["rollout.promoted", "rollout.held"], "both holds must be passed");
    let own = bench.act("ada", steer(Steering::Promote, None, None));
    refused(own, RefusalCode::NotEligible);
    bench.act("dora", steer(Steering::Promote, None, None)).unwrap();
    assert_eq!(open(&bench).len(), 2);
}

#[test]
fn a_bake_may_be_computed_and_nothing() {
    let rest = format!("{EACH}        waves: [{{ to: 1, bake: \"${{input.bake}}\" }}, 100%]\n");
    let with = |bake: &str| {
        let mut input = names(2);
        input["bake"] = bake.into();
        submitted(&source(&rest), "ada", input)
    };
    let mut bench = with("0s");
    all_succeeds(&mut bench);
    assert_eq!(bench.status(), ended("done"));
}

const STEPS: &str = "        steps: { pre_check: { run: look }, drain: { run: drain }, deploy: { run: deploy }, verify: { run: verify }, undrain: { run: undrain } }
        healthy: { http: 'http://${target}/' }
        max_failed: 2
";

#[test]
fn steps_follow_each_other() {
    let mut bench = rollout(STEPS, 1);
    for step in ["pre_check", "drain"] {
        assert_eq!(open(&bench), [format!("go#1/t1/{step}")]);
        assert_eq!(end(&mut bench, &format!("t1/{step}"), done()), ["target.step_done"]);
    }
    assert_eq!(last(&bench, "target.step_done")["step"], "drain");
    assert_eq!(end(&mut bench, "t1/deploy", done()), ["target.deployed"]);
    assert_eq!(targets(&bench), ["t1:verifying"]);
    end(&mut bench, "t1/verify", done());
    end(&mut bench, "t1/undrain", done());
    assert_eq!(targets(&bench), ["t1:checking"]);
    end(&mut bench, "t1/check", verdict("passed"));
    assert_eq!(bench.status(), ended("done"));
}

/// Fails a step, and says which are asked for after it until nothing more is at `t1`.
fn after_failure(rest: &str, step: &str) -> (Vec<String>, Bench) {
    let mut bench = rollout(rest, 3);
    let mut failed = false;
    let mut seen = Vec::new();
    while let Some(effect) = open(&bench).into_iter().find(|effect| effect.contains("/t1/")) {
        let name = effect.rsplit('/').next().unwrap().to_owned();
        if failed {
            seen.push(name.clone());
        }
        let outcome = match (name == step && !failed, name.as_str()) {
            (true, "check") => verdict("failed"),
            (true, _) => fatal("broken"),
            (false, "check") => verdict("passed"),
            (false, _) => done(),
        };
        failed |= name == step;
        bench.attempt(&effect, outcome).unwrap();
    }
    (seen, bench)
}

#[test]
fn a_target_at_which_a_step_fails_is_undone_at_once_in_reverse() {
    for (step, undone) in [
        // Nothing was changed, so nothing is to be undone.
        ("pre_check", &[][..]),
        ("drain", &["undo_undrain"]),
        ("deploy", &["restore", "undo_undrain"]),
        ("verify", &["restore", "undo_undrain"]),
        ("undrain", &["restore", "undo_undrain"]),
        // It is in service again, and is taken out of it to be restored.
        ("check", &["undo_drain", "restore", "undo_undrain"]),
    ] {
        let (seen, mut bench) = after_failure(STEPS, step);
        assert_eq!(seen, undone, "{step}");
        assert_eq!(targets(&bench)[0], "t1:failed", "{step}");
        let view = bench.view().rollout.unwrap();
        assert_eq!((view.failed, view.phase), (1, "rolling_out"), "{step}");
        // When the rollout is turned round, it is as it was already.
        bench.act("ada", steer(Steering::Abort, None, Some("so"))).unwrap();
        while let Some(effect) = open(&bench).first().cloned() {
            assert!(!effect.contains("/t1/"), "{step}: {effect}");
            bench.attempt(&effect, done()).unwrap();
        }
        assert_eq!(bench.status(), ended("undone"), "{step}");
    }
}

#[test]
fn without_a_rollback_a_target_that_failed_is_only_put_back_into_service() {
    let rest = STEPS;
    let source = source(rest)
        .replace("        rollback: { run: restore }\n", "")
        .replace("rolled_back: undone, ", "")
        .replace("  undone: { end: undone }\n", "");
    let mut bench = submitted(&source, "ada", names(2));
    for step in ["pre_check", "drain"] {
        end(&mut bench, &format!("t1/{step}"), done());
        end(&mut bench, &format!("t2/{step}"), done());
    }
    end(&mut bench, "t1/deploy", fatal("broken"));
    assert_eq!(open(&bench), ["go#1/t1/undo_undrain", "go#1/t2/deploy"]);
    assert_eq!(end(&mut bench, "t1/undo_undrain", done()), ["target.step_done"]);
    assert_eq!(targets(&bench)[0], "t1:failed");
    // What is out of service when the rollout stops is put back, too.
    bench.begin_open();
    bench.act("ada", steer(Steering::Abort, None, Some("so"))).unwrap();
    end(&mut bench, "t2/deploy", done());
    assert_eq!(open(&bench), ["go#1/t2/undo_undrain"]);
    end(&mut bench, "t2/undo_undrain", done());
    assert_eq!(targets(&bench)[1], "t2:unchecked");
    assert_eq!(bench.status(), ended("failed"));
}

#[test]
fn what_is_between_its_steps_when_the_rollout_is_turned_round_is_undone_from_there() {
    for (done_before, undone) in [
        (&[][..], &[][..]),
        (&["pre_check"][..], &["undo_undrain"][..]),
        (&["pre_check", "drain"], &["restore", "undo_undrain"]),
        (&["pre_check", "drain", "deploy"], &["restore", "undo_undrain"]),
        (&["pre_check", "drain", "deploy", "verify"], &["undo_drain", "restore", "undo_undrain"]),
        (
            &["pre_check", "drain", "deploy", "verify", "undrain"],
            &["undo_drain", "restore", "undo_undrain"],
        ),
    ] {
        let mut bench = rollout(STEPS, 1);
        for step in done_before {
            end(&mut bench, &format!("t1/{step}"), done());
        }
        let under_way = open(&bench).remove(0);
        bench.begin_open();
        bench.act("ada", steer(Steering::Abort, None, Some("so"))).unwrap();
        // The step that is under way ends first; a check is given up.
        if done_before.len() < 5 {
            bench.attempt(&under_way, done()).unwrap();
        }
        let mut seen = Vec::new();
        while let Some(effect) = open(&bench).first().cloned() {
            seen.push(effect.trim_start_matches("go#1/t1/").to_owned());
            bench.attempt(&effect, done()).unwrap();
        }
        assert_eq!(seen, undone, "{done_before:?}");
        assert_eq!(bench.status(), ended("undone"), "{done_before:?}");
    }
}

#[test]
fn a_step_that_cannot_be_undone_at_once_rests_the_rollout() {
    let mut bench = rollout(&format!("{STEPS}        max_parallel: 1\n"), 2);
    for step in ["pre_check", "drain"] {
        end(&mut bench, &format!("t1/{step}"), done());
    }
    end(&mut bench, "t1/deploy", fatal("broken"));
    assert_eq!(last(&bench, "target.failed")["detail"], "deploy: broken");
    end(&mut bench, "t1/restore", fatal("no backup"));
    assert_eq!(last(&bench, "target.stuck")["detail"], "restore: no backup");
    assert_eq!(bench.status(), RunStatus::Stuck);
    assert!(open(&bench).is_empty(), "nothing else begins");
    let mut tried_again = bench.clone();
    tried_again.act("ada", steer(Steering::Retry, None, None)).unwrap();
    assert_eq!(open(&tried_again), ["go#1/t1/restore-2"]);
    end(&mut tried_again, "t1/restore-2", done());
    end(&mut tried_again, "t1/undo_undrain-2", done());
    assert_eq!(targets(&tried_again)[0], "t1:failed");
    assert_eq!(open(&tried_again), ["go#1/t2/pre_check"]);
    // And then the whole target again, from the first step.
    tried_again.act("ada", steer(Steering::Retry, Some("t1"), None)).unwrap();
    end(&mut tried_again, "t2/pre_check", fatal("broken"));
    assert_eq!(open(&tried_again), ["go#1/t1/pre_check-2"]);
    bench.act("ada", steer(Steering::TakeOver, None, None)).unwrap();
    assert_eq!(open(&bench), ["go#1/t2/pre_check"]);
}

#[test]
fn no_more_are_out_of_service_than_may_be() {
    for (most, count, expected) in [("2", 10, 2), ("25%", 10, 2), ("10%", 5, 1), ("100%", 4, 4)] {
        let rest = format!("{EACH}        max_unavailable: {most}\n");
        assert_eq!(open(&rollout(&rest, count)).len(), expected, "{most} of {count}");
    }
}

#[test]
fn what_has_failed_counts_as_out_of_service() {
    let rest = format!("{EACH}        max_unavailable: 1\n        max_failed: 3\n");
    let mut bench = rollout(&rest, 3);
    end(&mut bench, "t1/deploy", fatal("broken"));
    assert!(open(&bench).is_empty(), "there is no room");
    assert_eq!((bench.status(), phase(&bench)), (RunStatus::Stuck, "stuck"));
    assert_eq!(
        bench.next_steps()[..3],
        ["leave a target as it is", "try t1 again", "undo the rollout",]
    );
    somebody_can_steer_so(&bench);
    let mut again = bench.clone();
    again.act("ada", steer(Steering::Retry, None, None)).unwrap();
    assert_eq!(open(&again), ["go#1/t1/deploy-2"]);
    let mut skipped = bench.clone();
    skipped.act("ada", steer(Steering::Skip, Some("t1"), Some("it is old"))).unwrap();
    assert_eq!(open(&skipped), ["go#1/t2/deploy"]);
    bench.act("ada", steer(Steering::Retry, Some("t1"), None)).unwrap();
    assert_eq!(open(&bench), ["go#1/t1/deploy-2"], "what is tried again has its own place");
    // With steps, a target that failed is as it was before, and in service.
    let rest = format!("{STEPS}        max_unavailable: 1\n");
    let mut bench = rollout(&rest, 3);
    end(&mut bench, "t1/pre_check", fatal("broken"));
    assert_eq!(open(&bench), ["go#1/t2/pre_check"]);
}

#[test]
fn targets_come_in_the_order_that_is_asked_for() {
    let order = |rest: &str, first: Value| {
        let input = json!({ "targets": ["c", "a", "d", "b"], "first": first });
        let bench = submitted(&source(&format!("{EACH}{rest}")), "ada", input);
        let failed = bench.history().iter().find(|one| one.kind.as_str().ends_with("work.failed"));
        match failed {
            Some(failed) => data(failed)["reason"].clone(),
            None => last(&bench, "rollout.started")["targets"].clone(),
        }
    };
    assert_eq!(order("        order: listed\n", json!([])), json!(["c", "a", "d", "b"]));
    assert_eq!(order("        order: name\n", json!([])), json!(["a", "b", "c", "d"]));
    let first = "        order: name\n        first: \"${input.first}\"\n";
    assert_eq!(order(first, json!(["d", "b"])), json!(["d", "b", "a", "c"]));
    assert_eq!(order(first, json!([])), json!(["a", "b", "c", "d"]));
    for (wrong, why) in [
        (json!(["z"]), "`z` is to come first, and is no target of the rollout"),
        (json!(["a", "a"]), "a target is to come first twice"),
        (json!([1]), "`1` is not the name of a target"),
        (json!("a"), "those that come first are not a list"),
    ] {
        assert_eq!(order(first, wrong), json!(why));
    }
}

#[test]
fn the_way_back_has_a_pace_of_its_own() {
    let rest = format!("{EACH}        waves: [{{ to: 100%, hold: manual }}]\n");
    let source = source(&rest).replace(
        "rollback: { run: restore }",
        "rollback: { run: restore, waves: [1, 50%, 100%], max_parallel: 2 }",
    );
    let mut bench = submitted(&source, "ada", names(7));
    all_succeeds(&mut bench);
    bench.act("ada", steer(Steering::Abort, None, Some("so"))).unwrap();
    let restore = |targets: &[&str]| -> Vec<String> {
        targets.iter().map(|target| format!("go#1/{target}/restore")).collect()
    };
    assert_eq!(open(&bench), restore(&["t7"]), "the first wave is one target");
    end(&mut bench, "t7/restore", done());
    assert_eq!(open(&bench), restore(&["t5", "t6"]), "two at once, the last first");
    end(&mut bench, "t6/restore", done());
    assert_eq!(open(&bench), restore(&["t4", "t5"]));
    end(&mut bench, "t4/restore", fatal("no backup"));
    end(&mut bench, "t5/restore", done());
    assert!(open(&bench).is_empty(), "the next wave waits for who is stuck");
    bench.act("ada", steer(Steering::Retry, None, None)).unwrap();
    end(&mut bench, "t4/restore-2", done());
    assert_eq!(open(&bench), restore(&["t2", "t3"]));
    all_succeeds(&mut bench);
    assert_eq!(bench.status(), ended("undone"));
}

const SWITCH: &str = "        max_parallel: all
        switch: { run: switch, with: { to: green }, bake: 10m }
        switch_back: { run: switch, with: { to: blue } }
";

#[test]
fn a_switch_comes_after_every_target() {
    let mut bench = rollout(&format!("{EACH}{SWITCH}"), 60);
    assert_eq!(open(&bench).len(), 60, "all at once");
    for n in 1..60 {
        end(&mut bench, &format!("t{n}/deploy"), done());
    }
    assert_eq!(open(&bench), ["go#1/t60/deploy"]);
    end(&mut bench, "t60/deploy", done());
    let (effect, activity, input) = bench.open_activities().remove(0);
    assert_eq!((effect.as_str(), activity.as_str()), ("go#1/switch/deploy", "switch"));
    assert_eq!(input, json!({ "to": "green" }));
    end(&mut bench, "switch/deploy", done());
    assert_eq!(phase(&bench), "baking");
    let mut back = bench.clone();
    bench.advance(SignedDuration::from_mins(10));
    assert_eq!(bench.status(), ended("done"));
    back.act("ada", steer(Steering::Abort, None, Some("errors"))).unwrap();
    let (effect, _, input) = back.open_activities().remove(0);
    assert_eq!((effect.as_str(), input), ("go#1/switch/restore", json!({ "to": "blue" })));
    end(&mut back, "switch/restore", done());
    assert_eq!(open(&back), ["go#1/t60/restore"]);
    all_succeeds(&mut back);
    assert_eq!(back.status(), ended("undone"));
}

#[test]
fn a_switch_that_fails_turns_the_rollout_round_however_many_may_fail() {
    let mut bench = rollout(&format!("{EACH}{SWITCH}        max_failed: 5\n"), 2);
    end(&mut bench, "t1/deploy", done());
    end(&mut bench, "t2/deploy", done());
    let events = end(&mut bench, "switch/deploy", fatal("no quorum"));
    assert_eq!(events, ["target.failed", "rollout.undo_started"]);
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "the switch failed");
    // Nobody knows how far it came, so it is switched back; nothing else before that.
    assert_eq!(open(&bench), ["go#1/switch/restore"]);
    end(&mut bench, "switch/restore", fatal("no quorum"));
    assert_eq!(bench.status(), RunStatus::Stuck);
    let skip = bench.act("ada", steer(Steering::Skip, Some("switch"), Some("by hand")));
    skip.unwrap();
    all_succeeds(&mut bench);
    assert_eq!(bench.status(), ended("failed"));
}

#[test]
fn idle_targets_need_no_rollback_where_there_is_a_switch() {
    let source =
        source(&format!("{EACH}{SWITCH}")).replace("        rollback: { run: restore }\n", "");
    let mut bench = submitted(&source, "ada", names(2));
    end(&mut bench, "t1/deploy", done());
    end(&mut bench, "t2/deploy", done());
    end(&mut bench, "switch/deploy", done());
    bench.act("ada", steer(Steering::Abort, None, Some("errors"))).unwrap();
    assert_eq!(open(&bench), ["go#1/switch/restore"]);
    end(&mut bench, "switch/restore", done());
    assert_eq!(bench.status(), ended("undone"));
    assert_eq!(targets(&bench), ["t1:healthy", "t2:healthy", "switch:restored"]);
}

#[test]
fn a_switch_is_neither_skipped_nor_named_like_a_target() {
    let mut bench = rollout(&format!("{EACH}{SWITCH}"), 1);
    let skip = bench.act("ada", steer(Steering::Skip, Some("switch"), Some("so")));
    let refusal = refused(skip, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the switch cannot be skipped");
    let bench = submitted(
        &source(&format!("{EACH}{SWITCH}")),
        "ada",
        json!({ "targets": ["a", "switch"] }),
    );
    assert_eq!(
        last(&bench, "work.failed")["reason"],
        "no target can be called `switch` where there is one"
    );
}
