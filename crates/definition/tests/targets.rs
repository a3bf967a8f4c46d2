//! Which targets a rollout has: listed or selected, each after those that it depends on.

use holdpoint_core::{
    NamedItem, RefusalCode,
    testing::{Bench, with_items},
};
use holdpoint_definition::Definition;
use proptest::prelude::*;
use serde_json::{Value, from_value, json};

use crate::common::{cases, ended, faults, last, open, people, workflow};

fn definition(targets: &str, waves: &str) -> String {
    format!(
        "
workflow: rollout
version: 1
title: A rollout
input:
  type: object
  properties: {{ targets: {{ type: array, items: {{ type: string }} }}, env: {{ type: string }} }}
start: go
states:
  go:
    do:
      rollout: {{ targets: {targets}, waves: {waves}, each: {{ run: deploy }} }}
    on: {{ succeeded: done, failed: failed }}
  done: {{ end: done }}
  failed: {{ end: failed }}
"
    )
}

fn items() -> Vec<NamedItem> {
    from_value(json!([
        { "name": "web-1", "labels": { "env": "prod", "role": "web" }, "depends_on": ["api-1"] },
        { "name": "web-2", "labels": { "env": "prod", "role": "web" }, "depends_on": ["api-1"] },
        { "name": "api-1", "labels": { "env": "prod", "role": "api" }, "depends_on": ["db-1"] },
        { "name": "db-1", "labels": { "env": "prod", "role": "db" } },
        { "name": "mail", "labels": { "env": "prod", "role": "mail" } },
        { "name": "test-1", "labels": { "env": "test", "role": "web" } },
    ]))
    .unwrap()
}

fn bench(targets: &str, waves: &str) -> Bench {
    Bench::new(workflow(&definition(targets, waves)), with_items(people(), &items()))
}

/// The targets and the waves of the rollout that began.
#[track_caller]
fn begun(targets: &str, waves: &str, input: Value) -> (Value, Value) {
    let mut bench = bench(targets, waves);
    bench.submit("ada", input).unwrap();
    let started = last(&bench, "rollout.started");
    (started["targets"].clone(), started["waves"].clone())
}

#[test]
fn what_is_selected_comes_after_what_it_depends_on_and_in_a_later_wave() {
    let all = json!(["db-1", "mail", "api-1", "web-1", "web-2"]);
    for (targets, waves, expected) in [
        ("{ select: env=prod }", "[100%]", (all.clone(), json!([2, 3, 5]))),
        ("{ select: env=prod }", "[1, 100%]", (all.clone(), json!([1, 3, 5]))),
        ("{ select: env=prod, dependents: same-wave }", "[1, 100%]", (all.clone(), json!([1, 5]))),
        // Through items that are no targets, too.
        (
            "{ select: 'role in (web, db)' }",
            "[100%]",
            (json!(["db-1", "test-1", "web-1", "web-2"]), json!([2, 4])),
        ),
        ("{ select: '!role' }", "[100%]", (json!([]), json!([]))),
        ("{ list: [web-1, x, db-1] }", "[100%]", (json!(["x", "db-1", "web-1"]), json!([2, 3]))),
        (
            "{ list: [web-1, x, db-1], dependents: same-wave }",
            "[100%]",
            (json!(["x", "db-1", "web-1"]), json!([3])),
        ),
        ("[web-1, x, db-1]", "[100%]", (json!(["web-1", "x", "db-1"]), json!([3]))),
        (
            "{ list: [web-2, web-1], known: required }",
            "[100%]",
            (json!(["web-2", "web-1"]), json!([2])),
        ),
    ] {
        if expected.0 == json!([]) {
            let mut bench = bench(targets, waves);
            bench.submit("ada", json!({})).unwrap();
            assert_eq!(bench.status(), ended("failed"));
            let reason = last(&bench, "work.failed")["reason"].as_str().unwrap().to_owned();
            assert!(reason.contains("not 0 (the items with `!role`)"), "{reason}");
            continue;
        }
        assert_eq!(begun(targets, waves, json!({})), expected, "{targets} {waves}");
    }
}

#[test]
fn a_selector_can_be_computed_and_is_recorded() {
    let mut bench = bench("{ select: 'env=${input.env}, role!=web' }", "[100%]");
    bench.submit("ada", json!({ "env": "prod" })).unwrap();
    let started = last(&bench, "rollout.started");
    assert_eq!(started["selector"], "env=prod, role!=web");
    assert_eq!(open(&bench), ["go#1/db-1/deploy", "go#1/mail/deploy"]);
}

#[test]
fn what_is_filled_into_a_selector_cannot_select_other_items() {
    for env in ["a b", "prod, !legacy", "prod)", "!", "", "x=y"] {
        let mut bench = bench("{ select: 'env=${input.env}' }", "[100%]");
        bench.submit("ada", json!({ "env": env })).unwrap();
        let reason = last(&bench, "work.failed")["reason"].as_str().unwrap().to_owned();
        assert_eq!(reason, format!("`{env}` is not the name or the value of a label"));
        assert_eq!(bench.view().failure.unwrap().reason, reason);
    }
    let several = |selector: &str, env: &str| {
        let mut bench = bench(selector, "[100%]");
        bench.submit("ada", json!({ "env": env })).unwrap();
        bench.types().contains(&"rollout.started".to_owned())
    };
    assert!(several("{ select: 'env in (${input.env})' }", "prod, test"));
    assert!(several("{ select: 'env!=\"${input.env}\"' }", "Team A, and others"));
    assert!(!several("{ select: 'env!=\"${input.env}\"' }", "a\", name!=\"b"));
    assert!(several("{ select: '${input.env}' }", "env=prod, role!=web"));
    assert!(!several("{ select: 'env in (${input.env})' }", "prod), env notin (x"));
    assert!(!several("{ select: 'env in (web), env=${input.env}' }", "prod, test"));
}

#[test]
fn targets_that_cannot_be_are_refused_at_submission() {
    for (targets, input, code, said) in [
        ("'${input.targets}'", json!(["a", "b", "a"]), RefusalCode::DuplicateTarget, "`a` twice"),
        (
            "{ list: '${input.targets}' }",
            json!(["a", "a"]),
            RefusalCode::DuplicateTarget,
            "`a` twice",
        ),
        (
            "{ list: '${input.targets}', known: required }",
            json!(["web-1", "web-9"]),
            RefusalCode::UnknownItem,
            "`web-9`, which is no item",
        ),
    ] {
        let mut bench = bench(targets, "[100%]");
        let refusal = bench.submit("ada", json!({ "targets": input })).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.message.contains(said), "{refusal}");
        assert!(!refusal.needed.is_empty());
    }
}

#[test]
fn what_does_not_select_is_found_in_the_definition() {
    for (targets, code) in [
        ("{ select: 'env=' }", "HP2055"),
        ("{ select: a, list: [b] }", "HP2003"),
        ("{ known: required }", "HP2003"),
        ("{ select: 5 }", "HP2004"),
        ("{ list: {} }", "HP2004"),
        ("{ list: [] }", "HP2016"),
        ("{ select: a, known: maybe }", "HP2004"),
        ("{ select: a, dependents: never }", "HP2004"),
        ("{ select: a, order: name }", "HP2002"),
        ("5", "HP2004"),
    ] {
        let found = faults(&definition(targets, "[100%]"));
        assert!(found.contains(&format!("error[{code}]")), "{targets}: {found}");
    }
}

#[test]
fn what_is_selected_is_said_in_words() {
    let explained = |targets: &str| {
        let source = definition(targets, "[100%]");
        Definition::parse("test.yaml", &source).unwrap().definition.explain()
    };
    let text = explained("{ select: 'env=prod, !legacy' }");
    assert!(text.contains("At each target of the items with `env=prod, !legacy`, each in a later wave than those that it depends on a worker does"), "{text}");
    assert!(explained("[a]").contains("At each target of [\"a\"] a worker does"));
}

proptest! {
    #![proptest_config(cases(64))]

    /// Whatever the graph and the waves: every target is there once, after those that it depends on,
    /// and in a later wave.
    #[test]
    fn no_target_is_in_a_wave_with_what_it_depends_on(
        graph in proptest::collection::vec(proptest::collection::btree_set(0..9_usize, 0..3), 9),
        first in 1..9_u32,
    ) {
        let items: Vec<NamedItem> = graph
            .iter()
            .enumerate()
            .map(|(n, on)| {
                let on: Vec<String> = on.iter().filter(|on| **on < n).map(|on| format!("n{on}")).collect();
                from_value(json!({ "name": format!("n{n}"), "labels": { "x": "" }, "depends_on": on })).unwrap()
            })
            .collect();
        let project = with_items(people(), &items);
        let known = project.items().clone();
        let source = definition("{ select: x }", &format!("[{first}, 100%]"));
        let mut bench = Bench::new(workflow(&source), project);
        bench.submit("ada", json!({})).unwrap();
        let started = last(&bench, "rollout.started");
        let targets: Vec<String> = from_value(started["targets"].clone()).unwrap();
        let waves: Vec<usize> = from_value(started["waves"].clone()).unwrap();
        prop_assert_eq!(targets.len(), 9);
        let wave = |name: &str| {
            let at = targets.iter().position(|one| one == name).unwrap();
            waves.partition_point(|end| *end <= at)
        };
        for target in &targets {
            for on in &known.get(target).unwrap().depends_on {
                prop_assert!(wave(on.as_str()) < wave(target), "{targets:?} {waves:?}");
            }
        }
    }
}
