//! The rollouts of a run that ended badly before its last one.

use holdpoint_core::testing::Bench;
use serde_json::{Value, json};

use crate::common::{done, fatal, signal, submitted, targets};

const SOURCE: &str = "
workflow: again
version: 1
title: Again
start: go
states:
  go:
    do:
      rollout:
        targets: [a, b]
        max_parallel: 1
        each: { run: deploy }
        rollback: { run: restore }
    on: { succeeded: ready, rolled_back: ready, failed: ready }
  ready: { hold: { signal: { name: more, expires: 30d } }, on: { released: go, expired: done } }
  done: { end: done }
";

/// Rolls out once more, to one target that fails or to two that do not.
fn round(bench: &mut Bench, visit: u32, fails: bool) {
    let step = |target: &str, step: &str| format!("go#{visit}/{target}/{step}");
    if fails {
        let error = format!("no space, {visit}");
        bench.attempt(&step("a", "deploy"), fatal(&error)).unwrap();
        bench.attempt(&step("a", "restore"), done()).unwrap();
    } else {
        bench.attempt(&step("a", "deploy"), done()).unwrap();
        bench.attempt(&step("b", "deploy"), done()).unwrap();
    }
}

fn again(bench: &mut Bench) {
    bench.act("bob", signal("more", json!(true))).unwrap();
}

fn earlier(bench: &Bench) -> Value {
    serde_json::to_value(bench.view().earlier_rollouts).unwrap()
}

#[test]
fn a_rollout_that_ended_badly_is_shown_beside_the_one_that_follows() {
    let mut bench = submitted(SOURCE, "bob", json!({}));
    round(&mut bench, 1, true);
    assert_eq!(targets(&bench), ["a:restored", "b:waiting"]);
    assert_eq!(earlier(&bench), json!([]), "it is the last");
    again(&mut bench);
    let first = json!({
        "state": "go", "phase": "undone", "failed": 1, "count": 2,
        "targets": [{ "target": "a", "wave": 1, "state": "restored", "error": "no space, 1" }],
    });
    assert_eq!(earlier(&bench), json!([first]));
    round(&mut bench, 2, false);
    again(&mut bench);
    assert_eq!(earlier(&bench), json!([first]), "one that succeeded leaves nothing to see");
}

#[test]
fn only_the_last_are_kept() {
    let mut bench = submitted(SOURCE, "bob", json!({}));
    for visit in 1..=12 {
        round(&mut bench, visit, true);
        again(&mut bench);
    }
    let shown = bench.view().earlier_rollouts;
    let errors: Vec<_> = shown.iter().filter_map(|one| one.targets[0].error.as_deref()).collect();
    assert_eq!((errors.len(), errors[0], errors[9]), (10, "no space, 3", "no space, 12"));
}
