//! Rollouts that begin only with the plan that people have released.

use holdpoint_core::{
    Action, Item, ItemName, NamedItem, ProjectEvent, RefusalCode, RunStatus, Vote,
    testing::{Bench, types},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::common::{done, ended, faults, last, open, people, refused, signal, workflow};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  properties: { release: { type: string, default: v1 } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, amended: keep } }
    on: { released: watch, rejected: refused }
  watch:
    hold: { signal: { name: go } }
    on: { released: roll-out }
  roll-out:
    do:
      rollout:
        targets: { select: env=prod }
        each: { run: deploy, with: { release: \"${input.release}\" } }
        approved_at: agree
    on: { succeeded: done, failed: refused, drifted: agree }
  done: { end: done }
  refused: { end: refused }
";

/// That the inventory has web servers of these numbers.
fn servers(numbers: &[u32], removed: &[u32]) -> ProjectEvent {
    let name = |number: &u32| format!("web-{number}").parse::<ItemName>().unwrap();
    let set = numbers.iter().map(|number| NamedItem {
        name: name(number),
        item: Item {
            labels: [("env".parse().unwrap(), "prod".to_owned())].into(),
            ..Item::default()
        },
    });
    ProjectEvent::ItemsChanged { set: set.collect(), removed: removed.iter().map(name).collect() }
}

fn bench() -> Bench {
    let mut bench = Bench::new(workflow(CHANGE), people());
    bench.happens(&servers(&[1], &[]));
    bench.submit("ada", json!({})).unwrap();
    bench
}

fn go(bench: &mut Bench) {
    bench.act("ada", signal("go", json!(null))).unwrap();
}

/// The digest of the plan as it would be now.
fn planned(bench: &Bench) -> Value {
    json!(bench.plans()[0].plan.as_ref().unwrap().digest)
}

#[test]
fn what_was_released_is_what_begins() {
    let mut bench = bench();
    assert_eq!(last(&bench, "hold.opened")["plans"], json!({ "roll-out": planned(&bench) }));
    assert_eq!(json!(bench.view().holds[0].plans), json!({ "roll-out": planned(&bench) }));
    bench.approve("bob").unwrap();
    // A change that makes no difference to the plan is none.
    bench.happens(&ProjectEvent::ItemsChanged {
        set: vec![serde_json::from_value(json!({ "name": "db-1" })).unwrap()],
        removed: Vec::new(),
    });
    go(&mut bench);
    assert_eq!(open(&bench), ["roll-out#1/web-1/deploy"]);
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn a_vote_is_about_the_hold_that_it_names_before_it_is_about_a_plan() {
    let other = holdpoint_core::Digest::of(b"another plan");
    let vote = |hold: Option<&str>, vote| Action::Vote {
        hold: hold.map(str::to_owned),
        vote,
        reason: Some("so".to_owned()),
        duties: Vec::new(),
        in_place_of: None,
        plans: [other].into(),
    };
    for (who, hold, code, says) in [
        ("bob", Some("watch"), RefusalCode::NotAwaited, "the hold `watch` is not open"),
        ("bob", Some("agre"), RefusalCode::NotAwaited, "the hold `agre` is not open"),
        ("zoe", Some("agree"), RefusalCode::NotMember, "zoe"),
        ("bob", Some("agree"), RefusalCode::OtherPlan, "`agree` is asked about"),
        ("bob", None, RefusalCode::OtherPlan, "`agree` is asked about"),
    ] {
        for kind in [Vote::Approve, Vote::Reject] {
            let refusal = refused(bench().act(who, vote(hold, kind)), code);
            assert!(refusal.message.contains(says), "{hold:?}: {refusal}");
        }
    }
    let mut bench = bench();
    bench.approve("bob").unwrap();
    let refusal =
        refused(bench.act("bob", vote(Some("watch"), Vote::Approve)), RefusalCode::NotAwaited);
    assert!(refusal.message.contains("waits for no votes"), "{refusal}");
}

#[test]
fn a_plan_that_has_changed_since_is_approved_anew() {
    let mut bench = bench();
    let before = planned(&bench);
    bench.approve("bob").unwrap();
    bench.happens(&servers(&[2], &[]));
    go(&mut bench);
    let after = planned(&bench);
    assert_ne!(before, after);
    let added = json!({ "added": { "count": 1, "first": ["web-2"] } });
    assert_eq!(
        last(&bench, "rollout.drifted"),
        json!({ "state": "roll-out", "approved": before, "found": after, "drift": added })
    );
    assert!(open(&bench).is_empty(), "nothing is touched");
    let view = bench.view();
    assert_eq!((view.state.as_str(), bench.status()), ("agree", RunStatus::Held));
    let reason = view.failure.unwrap().reason;
    assert!(reason.ends_with("with which `agree` was released: added: web-2"), "{reason}");
    assert_eq!(last(&bench, "hold.opened")["plans"], json!({ "roll-out": after }));
    bench.approve("cy").unwrap();
    go(&mut bench);
    assert_eq!(open(&bench), ["roll-out#2/web-1/deploy", "roll-out#2/web-2/deploy"]);
    for target in ["web-1", "web-2"] {
        bench.attempt(&format!("roll-out#2/{target}/deploy"), done()).unwrap();
    }
    assert_eq!(bench.status(), ended("done"));
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn an_amendment_that_keeps_votes_asks_about_its_own_plan() {
    let mut bench = bench();
    let before = planned(&bench);
    let amend = Action::Amend { input: json!({ "release": "v2" }), reason: "newer".to_owned() };
    bench.act("ada", amend).unwrap();
    let after = planned(&bench);
    assert_ne!(before, after);
    assert_eq!(last(&bench, "run.amended")["plans"], json!({ "roll-out": after }));
    bench.approve("bob").unwrap();
    go(&mut bench);
    assert_eq!(open(&bench), ["roll-out#1/web-1/deploy"]);
}

/// The change, with two who must agree, and what becomes of approvals when the plan drifts.
fn two_agree(drifted: &str) -> Bench {
    let source = CHANGE
        .replace("need: 1", "need: 2")
        .replace("amended: keep", &format!("amended: keep{drifted}"));
    let mut bench = Bench::new(workflow(&source), people());
    bench.happens(&servers(&[1, 2, 3], &[]));
    bench.submit("ada", json!({})).unwrap();
    bench.approve("bob").unwrap();
    bench
}

/// An approval of this plan.
fn of_plan(plan: &Value) -> Action {
    Action::Vote {
        hold: None,
        vote: Vote::Approve,
        reason: None,
        duties: Vec::new(),
        in_place_of: None,
        plans: [serde_json::from_value(plan.clone()).unwrap()].into(),
    }
}

#[test]
fn a_plan_that_changes_while_it_is_asked_about_is_asked_about_anew() {
    for (drifted, set, removed, stands) in [
        ("", &[4][..], &[][..], false),
        ("", &[], &[3], false),
        (", drifted: reset", &[], &[3], false),
        (", drifted: subset", &[4], &[3], false),
        (", drifted: subset", &[], &[2], true),
        (", drifted: keep", &[4], &[1], true),
    ] {
        let mut bench = two_agree(drifted);
        let before = planned(&bench);
        assert_eq!(last(&bench, "approval.granted")["plans"], json!({ "roll-out": before }));
        bench.happens(&servers(set, removed));
        let after = planned(&bench);
        let told = bench.view().holds[0].replanned.clone().unwrap();
        assert_eq!((told.recorded, json!(told.plans)), (None, json!({ "roll-out": after })));
        bench.advance(SignedDuration::ZERO);
        let found = last(&bench, "hold.replanned");
        assert_eq!(found["plans"], json!({ "roll-out": after }), "{drifted}");
        let fell = if stands { Value::Null } else { json!(["bob"]) };
        assert_eq!(found["fell"], fell, "{drifted}, {removed:?}");
        let told = bench.view().holds[0].replanned.clone().unwrap();
        assert_eq!(json!(told.drift), found["drift"]);
        assert!(told.recorded.is_some());
        // It is told once.
        let length = bench.history().len();
        bench.advance(SignedDuration::ZERO);
        assert_eq!(bench.history().len(), length);
        bench.approve("cy").unwrap();
        assert_eq!(bench.view().state == "watch", stands, "{drifted}, {removed:?}");
        if !stands {
            bench.approve("bob").unwrap();
        }
        go(&mut bench);
        assert_eq!(last(&bench, "rollout.started")["plan"], after);
        bench.replay(bench.history().len()).unwrap();
    }
}

#[test]
fn what_has_drifted_is_named_by_targets() {
    let mut bench = two_agree("");
    bench.happens(&servers(&[4], &[2]));
    let planned = bench.plans().remove(0);
    let approval = planned.approval.unwrap();
    assert_eq!((approval.hold.as_str(), approval.released), ("agree", false));
    assert_eq!(planned.drift.unwrap().in_words(), "added: web-4; removed: web-2");
    bench.advance(SignedDuration::ZERO);
    assert_eq!(
        last(&bench, "hold.replanned")["drift"],
        json!({ "roll-out": {
            "added": { "count": 1, "first": ["web-4"] },
            "removed": { "count": 1, "first": ["web-2"] },
        } })
    );
    assert_eq!(bench.plans()[0].drift, None, "it is asked about as it is");
}

#[test]
fn a_vote_on_another_plan_than_the_present_one_is_refused() {
    let mut bench = two_agree("");
    let before = planned(&bench);
    bench.happens(&servers(&[], &[3]));
    let after = planned(&bench);
    // Nothing is recorded yet: nobody has been asked about the plan as it is.
    let refusal = refused(bench.approve("cy"), RefusalCode::OtherPlan);
    assert!(refusal.message.ends_with("as the inventory has changed; `roll-out`: removed: web-3"));
    assert!(refusal.needed[0].contains(&format!("--plan {}", after.as_str().unwrap())));
    refused(bench.act("cy", of_plan(&before)), RefusalCode::OtherPlan);
    // Whoever has looked at it need not wait until it is told.
    let events = bench.act("cy", of_plan(&after)).unwrap();
    assert_eq!(types(&events), ["hold.replanned", "approval.granted"]);
    assert_eq!(last(&bench, "approval.granted")["plans"], json!({ "roll-out": after }));
    refused(bench.act("bob", of_plan(&before)), RefusalCode::OtherPlan);
    bench.act("bob", of_plan(&after)).unwrap();
    assert_eq!(bench.view().state, "watch");
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn a_rejection_and_a_comment_need_no_plan_and_find_what_has_changed() {
    let mut bench = two_agree("");
    bench.happens(&servers(&[], &[3]));
    let events = bench.act("cy", Action::Comment { text: "hm".to_owned() }).unwrap();
    assert_eq!(types(&events), ["hold.replanned", "run.commented"]);
    bench.happens(&servers(&[3], &[]));
    let events = bench.act("cy", Action::vote(Vote::Reject, Some("no"))).unwrap();
    assert_eq!(types(&events)[..2], ["hold.replanned", "approval.rejected"]);
    assert_eq!(last(&bench, "hold.replanned").get("fell"), None, "bob's fell before");
}

#[test]
fn a_hold_without_a_plan_has_votes_on_none() {
    let other = CHANGE.replace("        approved_at: agree\n", "").replace(", drifted: agree", "");
    let mut bench = Bench::new(workflow(&other), people());
    bench.happens(&servers(&[1], &[]));
    bench.submit("ada", json!({})).unwrap();
    let plan = planned(&bench);
    let refusal = refused(bench.act("bob", of_plan(&plan)), RefusalCode::OtherPlan);
    assert_eq!(refusal.message, "`agree` is asked about no plan");
    let kept = other.replace("amended: keep", "drifted: keep");
    assert!(faults(&kept).contains("error[HP2094]: `agree` is asked about no plan"));
    let typo = CHANGE.replace("amended: keep", "drifted: forget");
    assert!(faults(&typo).contains("error[HP2004]: `drifted` cannot be `forget`"));
}

#[test]
fn a_hold_that_has_all_else_is_not_released_with_a_plan_that_nobody_has_seen() {
    let source =
        CHANGE.replace("need: 1 } }, amended: keep } }", "need: 1 } } }, wait: { for: 1h } }");
    let mut bench = Bench::new(workflow(&source), people());
    bench.happens(&servers(&[1], &[]));
    bench.submit("ada", json!({})).unwrap();
    bench.approve("bob").unwrap();
    bench.happens(&servers(&[2], &[]));
    bench.sleep(SignedDuration::from_hours(1));
    let wait = bench.due().into_iter().find(|one| one.effect.as_str() == "agree#1/wait").unwrap();
    bench.act("engine", Action::TimerFired { effect: wait.effect }).unwrap();
    assert_eq!(last(&bench, "hold.replanned")["fell"], json!(["bob"]));
    assert_eq!(bench.view().state, "agree");
    bench.approve("bob").unwrap();
    assert_eq!(bench.view().state, "watch");
}

#[test]
fn an_amendment_says_what_becomes_of_approvals_of_the_plan_as_it_was_asked_about() {
    for (grows, stands) in [(false, true), (true, false)] {
        let mut bench = two_agree("");
        if grows {
            bench.happens(&servers(&[4], &[]));
        }
        let amend = Action::Amend { input: json!({ "release": "v2" }), reason: "newer".to_owned() };
        bench.act("ada", amend).unwrap();
        let amended = last(&bench, "run.amended");
        assert_eq!(amended["plans"], json!({ "roll-out": planned(&bench) }));
        assert_eq!(amended.get("kept").is_some(), stands, "{grows}");
        bench.replay(bench.history().len()).unwrap();
    }
}

#[test]
fn a_rollout_that_is_reached_without_the_hold_begins_with_no_plan() {
    let past = CHANGE.replace("start: agree", "start: watch");
    let mut bench = Bench::new(workflow(&past), people());
    bench.happens(&servers(&[1], &[]));
    bench.submit("ada", json!({})).unwrap();
    go(&mut bench);
    let found = planned(&bench);
    assert_eq!(last(&bench, "rollout.drifted"), json!({ "state": "roll-out", "found": found }));
    assert_eq!(bench.view().state, "agree");
}

#[test]
fn a_plan_that_has_become_none_is_not_approved_at_the_moment_it_is_found() {
    const WHY: &str =
        "; `roll-out`: there is no plan as things are now: a rollout has 1 to 100000 targets";
    let mut bench = bench();
    let before = planned(&bench);
    bench.happens(&servers(&[], &[1]));
    let held = bench.view().holds.remove(0);
    assert_eq!(held.no_plan.keys().collect::<Vec<_>>(), ["roll-out"]);
    assert!(held.replanned.unwrap().plans.is_empty());
    let refusal = refused(bench.approve("bob"), RefusalCode::OtherPlan);
    let says = format!("`agree` is asked about no plan now, as the inventory has changed{WHY}");
    assert!(refusal.message.starts_with(&says), "{}", refusal.message);
    refused(bench.act("bob", of_plan(&before)), RefusalCode::OtherPlan);
    assert_eq!(bench.view().state, "agree");
    // Once it is recorded, people are asked about a rollout without a plan, and know that.
    bench.advance(SignedDuration::ZERO);
    assert_eq!(last(&bench, "hold.replanned")["plans"], json!({}));
    let held = bench.view().holds.remove(0);
    assert!(held.no_plan["roll-out"].contains("not 0"), "{:?}", held.no_plan);
    refused(bench.act("bob", of_plan(&before)), RefusalCode::OtherPlan);
    bench.approve("bob").unwrap();
    go(&mut bench);
    let drifted = last(&bench, "rollout.drifted");
    assert_eq!((drifted.get("approved"), drifted.get("found")), (None, None));
    assert_eq!((bench.view().state.as_str(), bench.status()), ("agree", RunStatus::Held));
    let reason = bench.view().failure.unwrap().reason;
    assert!(reason.starts_with("there is no plan as things are now: a rollout has"), "{reason}");
    // A plan that there is again is another one than none.
    bench.happens(&servers(&[7], &[]));
    assert_eq!(bench.view().holds[0].no_plan, [].into());
    refused(bench.approve("bob"), RefusalCode::OtherPlan);
    bench.act("bob", of_plan(&planned(&bench))).unwrap();
    go(&mut bench);
    assert_eq!(open(&bench), ["roll-out#2/web-7/deploy"]);
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn a_rollout_drifts_that_was_released_with_a_plan_and_has_none_when_it_begins() {
    let mut bench = bench();
    let before = planned(&bench);
    bench.approve("bob").unwrap();
    bench.happens(&servers(&[], &[1]));
    go(&mut bench);
    let drifted = last(&bench, "rollout.drifted");
    assert_eq!((&drifted["approved"], drifted.get("found")), (&before, None));
    assert!(drifted["problem"].as_str().unwrap().contains("1 to 100000 targets"), "{drifted}");
    assert_eq!(bench.view().state, "agree");
    assert_eq!(last(&bench, "hold.opened").get("plans"), None);
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn the_hold_that_approves_a_plan_is_one_that_people_release_before_it() {
    for (hold, says) in [
        ("nowhere", "is no hold"),
        ("done", "is no hold"),
        ("watch", "has no approval"),
        ("after", "does not lead to it"),
    ] {
        let source = CHANGE
            .replace("approved_at: agree", &format!("approved_at: {hold}"))
            .replace("succeeded: done", "succeeded: after")
            + "  after:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }
    on: { released: done, rejected: refused }
";
        let found = faults(&source);
        assert!(found.contains("HP2087") && found.contains(says), "{hold}: {found}");
    }
    let nowhere = CHANGE.replace(", drifted: agree", "");
    assert!(faults(&nowhere).contains("does not say where `drifted` leads"));
}
