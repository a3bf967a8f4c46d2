//! The plan of a rollout: what would be done at which target, and what makes it another plan.

use holdpoint_core::{
    NamedItem, Planned,
    testing::{Bench, with_items},
};
use serde_json::{Value, from_value, json};

use crate::common::{done, last, open, people, workflow};

const DEFINITION: &str = "
workflow: rollout
version: 1
title: A rollout
input:
  type: object
  properties:
    version: { type: integer, default: 1 }
    env: { type: string, default: prod }
    first: { type: array, items: { type: string }, default: [] }
start: agree
states:
  agree: { hold: { signal: { name: go } }, on: { released: build } }
  build: { do: { activity: { run: build } }, on: { succeeded: roll, failed: failed } }
  roll:
    do:
      rollout:
        targets: { select: 'env=${input.env}' }
        first: '${input.first}'
        waves: [{ to: 1, bake: 30m }, { to: 100%, hold: { from: [requester, role:board], need: 2 } }]
        max_parallel: all
        max_unavailable: 50%
        steps:
          drain: { run: drain }
          deploy: { run: deploy, with: { version: '${input.version}' } }
          undrain: { run: undrain }
        healthy: { http: 'http://${target}/health', for: 5s }
        rollback: { run: restore }
        switch: { run: route, with: { to: '${input.env}' } }
        switch_back: { run: route, with: { to: none } }
    on: { succeeded: other, rolled_back: failed, failed: failed }
  other:
    do:
      rollout:
        targets: [x]
        each: { run: deploy, with: { image: '${states.build.output.image}' } }
    on: { succeeded: done, failed: failed }
  done: { end: done }
  failed: { end: failed }
";

fn items(labels: &[(&str, &str)]) -> Vec<NamedItem> {
    let one = |(name, env): &(&str, &str)| json!({ "name": name, "labels": { "env": env } });
    from_value(Value::Array(labels.iter().map(one).collect())).unwrap()
}

fn bench(labels: &[(&str, &str)], input: Value) -> Bench {
    let mut bench = Bench::new(workflow(DEFINITION), with_items(people(), &items(labels)));
    bench.submit("ada", input).unwrap();
    bench
}

const TWO: &[(&str, &str)] = &[("web-1", "prod"), ("web-2", "prod"), ("old", "test")];

fn plan_of(bench: &Bench, state: &str) -> Planned {
    bench.plans().into_iter().find(|planned| planned.state == state).unwrap()
}

fn digest(labels: &[(&str, &str)], input: Value) -> String {
    plan_of(&bench(labels, input), "roll").plan.unwrap().digest.to_string()
}

#[test]
fn a_plan_names_every_step_at_every_target_in_order() {
    let bench = bench(TWO, json!({ "first": ["web-2"], "version": 7 }));
    let mut found = serde_json::to_value(plan_of(&bench, "roll")).unwrap();
    found["digest"].take();
    let step = |step: &str, activity: &str, input: Value| json!({ "step": step, "activity": activity, "input": input });
    let target = |name: &str, number: u32| {
        let target = json!({ "target": name });
        let check = json!({ "url": format!("http://{name}/health"), "expect": 200, "for_ms": 5000, "every_ms": 1000 });
        json!({
            "target": name,
            "number": number,
            "steps": [
                step("drain", "drain", target.clone()),
                step("deploy", "deploy", json!({ "target": name, "version": 7 })),
                step("undrain", "undrain", target.clone()),
                step("check", "http-check", check),
            ],
            "undo": [
                step("undo_drain", "drain", target.clone()),
                step("restore", "restore", target.clone()),
                step("undo_undrain", "undrain", target),
            ],
        })
    };
    let route = |step_: &str, to: &str| step(step_, "route", json!({ "to": to }));
    assert_eq!(
        found,
        json!({
            "state": "roll",
            "digest": null,
            "selector": "env=prod",
            "targets": 2,
            "max_failed": 1,
            "max_unavailable": 1,
            "waves": [
                { "wave": 1, "targets": [target("web-2", 1)], "bake_ms": 1_800_000 },
                {
                    "wave": 2,
                    "targets": [target("web-1", 2)],
                    "holds": [{ "from": ["requester", "role:board"], "need": 2 }],
                },
                {
                    "wave": 3,
                    "switch": true,
                    "targets": [{
                        "target": "switch",
                        "number": 3,
                        "steps": [route("deploy", "prod")],
                        "undo": [route("restore", "none")],
                    }],
                },
            ],
        })
    );
}

#[test]
fn another_target_order_wave_or_argument_is_another_plan() {
    let as_it_was = digest(TWO, json!({}));
    assert_eq!(digest(TWO, json!({})), as_it_was);
    // What is no target does not matter.
    assert_eq!(digest(&[TWO, &[("mail", "test")]].concat(), json!({})), as_it_was);
    for (what, other) in [
        ("a target more", digest(&[TWO, &[("web-3", "prod")]].concat(), json!({}))),
        ("a target less", digest(&TWO[1..], json!({}))),
        ("another target", digest(&[("web-1", "prod"), ("web-9", "prod")], json!({}))),
        ("another order", digest(TWO, json!({ "first": ["web-2"] }))),
        ("another argument", digest(TWO, json!({ "version": 2 }))),
        ("another environment", digest(TWO, json!({ "env": "test" }))),
    ] {
        assert_ne!(other, as_it_was, "{what}");
    }
}

#[test]
fn what_cannot_be_told_yet_says_why_and_what_has_begun_says_with_which_plan() {
    let mut bench = bench(TWO, json!({}));
    let problem = plan_of(&bench, "other").problem.unwrap();
    assert!(problem.contains("for the target `x`"), "{problem}");
    let approved = plan_of(&bench, "roll");
    assert_eq!(approved.began_with, None);
    bench.act("ada", crate::common::signal("go", json!({}))).unwrap();
    let built = holdpoint_core::Outcome::Completed(json!({ "image": "sha" }));
    bench.attempt("build#1", built).unwrap();
    let started = last(&bench, "rollout.started");
    let digest = approved.plan.unwrap().digest;
    assert_eq!(started["plan"], digest.to_string());
    assert_eq!(plan_of(&bench, "roll").began_with, Some(digest));
    assert!(plan_of(&bench, "other").plan.is_some());
    // What is asked for is what was planned.
    let planned = plan_of(&bench, "roll").plan.unwrap();
    let first = &planned.waves[0].targets[0];
    for step in &first.steps {
        let effect = format!("roll#1/{}/{}", first.target, step.step);
        assert_eq!(
            bench.open_activities(),
            [(effect.clone(), step.activity.clone(), step.input.clone())]
        );
        if step.step != "check" {
            bench.attempt(&effect, done()).unwrap();
        }
    }
    assert_eq!(open(&bench), ["roll#1/web-1/check"]);
}
