//! Rollouts that begin only with the plan that people have released.

use holdpoint_core::{Action, Item, ItemName, NamedItem, ProjectEvent, RunStatus, testing::Bench};
use serde_json::{Value, json};

use crate::common::{done, ended, faults, last, open, people, signal, workflow};

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
fn a_plan_that_has_changed_since_is_approved_anew() {
    let mut bench = bench();
    let before = planned(&bench);
    bench.approve("bob").unwrap();
    bench.happens(&servers(&[2], &[]));
    go(&mut bench);
    let after = planned(&bench);
    assert_ne!(before, after);
    assert_eq!(
        last(&bench, "rollout.drifted"),
        json!({ "state": "roll-out", "approved": before, "found": after })
    );
    assert!(open(&bench).is_empty(), "nothing is touched");
    let view = bench.view();
    assert_eq!((view.state.as_str(), bench.status()), ("agree", RunStatus::Held));
    assert!(view.failure.unwrap().reason.contains("not the one with which `agree` was released"));
    assert_eq!(last(&bench, "hold.opened")["plans"], json!({ "roll-out": after }));
    // Back to what it was while it is asked about: that is not what is released, either.
    bench.happens(&servers(&[], &[2]));
    bench.approve("cy").unwrap();
    go(&mut bench);
    assert_eq!(bench.view().state, "agree");
    bench.approve("bob").unwrap();
    go(&mut bench);
    bench.attempt("roll-out#3/web-1/deploy", done()).unwrap();
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

#[test]
fn no_vote_is_kept_for_a_plan_that_the_inventory_has_changed() {
    let two = CHANGE.replace("need: 1", "need: 2");
    for policy in ["keep", "subset"] {
        let source = two.replace("amended: keep", &format!("amended: {policy}"));
        for (grows, stand) in [(false, 1), (true, 0)] {
            let mut bench = Bench::new(workflow(&source), people());
            bench.happens(&servers(&[1], &[]));
            bench.submit("ada", json!({ "release": "v1", "notes": ["one", "two"] })).unwrap();
            bench.approve("bob").unwrap();
            if grows {
                bench.happens(&servers(&[2], &[]));
            }
            let input = json!({ "release": "v1", "notes": ["one"] });
            bench.act("ada", Action::Amend { input, reason: "one is done".to_owned() }).unwrap();
            let amended = last(&bench, "run.amended");
            let kept = amended["kept"].as_object().map_or(0, |kept| kept.len());
            assert_eq!(kept, stand, "{policy}, {grows}: {amended}");
            assert_eq!(amended["plans"], json!({ "roll-out": planned(&bench) }));
            bench.approve("cy").unwrap();
            assert_eq!(bench.view().state == "watch", stand == 1, "{policy}, {grows}");
            bench.replay(bench.history().len()).unwrap();
        }
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
