//! How a target's health is checked: what a worker is asked for, and what a definition may not ask.

use holdpoint_core::{Outcome, run::DueStep, testing::Bench};
use serde_json::{Value, json};

use crate::common::{ended, last, people, workflow};

fn definition(healthy: &str) -> String {
    format!(
        "
workflow: rollout
version: 1
title: A rollout
input:
  type: object
  required: [targets]
  properties: {{ targets: {{ type: array, items: {{ type: string }} }}, most: {{ type: integer }} }}
start: go
states:
  go:
    do:
      rollout: {{ targets: '${{input.targets}}', each: {{ run: deploy }}, healthy: {healthy} }}
    on: {{ succeeded: done, failed: failed }}
  done: {{ end: done }}
  failed: {{ end: failed }}
"
    )
}

fn bench(healthy: &str, target: &str) -> Bench {
    let mut bench = Bench::new(workflow(&definition(healthy)), people());
    bench.submit("ada", json!({ "targets": [target], "most": 30 })).unwrap();
    bench
}

fn complete(bench: &mut Bench, effect: &str, output: Value) {
    bench.attempt(effect, Outcome::Completed(output)).unwrap();
}

/// What is asked for when `web-1` was deployed to: the activity, its input, its seconds.
fn asked(healthy: &str) -> (String, Value, i64) {
    let mut bench = bench(healthy, "web-1");
    complete(&mut bench, "go#1/web-1/deploy", json!(null));
    let due = bench.due().remove(0);
    let DueStep::Attempt { activity, .. } = due.step else { panic!("{due:?}") };
    (activity.name.clone(), activity.input.clone(), activity.timeout.as_secs())
}

#[test]
fn each_kind_of_check_is_asked_for() {
    for (healthy, name, input, seconds) in [
        (
            "{ http: 'http://${target}/health' }",
            "http-check",
            json!({ "url": "http://web-1/health", "expect": 200, "for_ms": 0, "every_ms": 1_000 }),
            60,
        ),
        (
            "{ http: 'http://${target}/', failure_limit: 2, for: 2m }",
            "http-check",
            json!({ "url": "http://web-1/", "expect": 200, "for_ms": 120_000, "every_ms": 1_000 }),
            180,
        ),
        (
            "{ tcp: '${target}:5432', failure_limit: 0, every: 5s }",
            "health-check",
            json!({
                "probe": { "tcp": "web-1:5432" },
                "for_ms": 0, "every_ms": 5_000, "failure_limit": 0,
            }),
            60,
        ),
        (
            "{ run: look, with: { most: '${input.most}' }, for: 1m, inconclusive_limit: 5 }",
            "health-check",
            json!({
                "probe": { "run": { "activity": "look", "input": { "most": 30, "target": "web-1" } } },
                "for_ms": 60_000, "every_ms": 1_000, "inconclusive_limit": 5,
            }),
            120,
        ),
        (
            "{ query: \"e{host='${target}'}\", from: main, pass: '< 0.01', fail: '>= 0.05' }",
            "health-check",
            json!({
                "probe": { "query": {
                    "expression": "e{host='web-1'}", "from": "main",
                    "pass": { "below": 0.01 }, "fail": { "at_least": 0.05 },
                } },
                "for_ms": 0, "every_ms": 1_000,
            }),
            60,
        ),
    ] {
        assert_eq!(asked(healthy), (name.to_owned(), input, seconds), "{healthy}");
    }
}

#[test]
fn the_verdict_decides_whatever_the_kind_of_check() {
    for (verdict, expected) in [("passed", "done"), ("failed", "failed")] {
        let mut bench = bench("{ tcp: '${target}:80' }", "web-1");
        complete(&mut bench, "go#1/web-1/deploy", json!(null));
        complete(&mut bench, "go#1/web-1/check", json!({ "verdict": verdict, "detail": "so" }));
        assert_eq!(bench.status(), ended(expected));
    }
    let mut bench = bench("{ tcp: '${target}:80' }", "web-1");
    complete(&mut bench, "go#1/web-1/deploy", json!(null));
    complete(&mut bench, "go#1/web-1/check", json!({ "verdict": "inconclusive", "detail": "so" }));
    assert_eq!(last(&bench, "target.inconclusive")["detail"], "so");
    assert!(bench.open_activities().is_empty());
}

#[test]
fn a_target_cannot_choose_what_is_contacted_or_asked() {
    for (healthy, target, says) in [
        ("{ http: 'http://${target}/' }", "a/b", "not the name of a host"),
        ("{ tcp: '${target}:80' }", "a@b", "`a@b:80` is not HOST:PORT"),
        ("{ tcp: '${target}' }", "a", "`a` is not HOST:PORT"),
        ("{ tcp: '${target}:80' }", "-", "`-:80` is not HOST:PORT"),
        ("{ tcp: '${target}' }", "[::1", "`[::1` is not HOST:PORT"),
        ("{ query: \"e{h='${target}'}\", from: main, pass: '< 1' }", "x'} or vector(0", "may only"),
        ("{ query: \"e{h='${target}'}\", from: main, pass: '< 1' }", "x\\", "may only"),
    ] {
        let bench = bench(healthy, target);
        assert_eq!(bench.status(), ended("failed"), "{healthy}");
        let reason = last(&bench, "work.failed")["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(says) && reason.contains(target), "{reason}");
    }
}
