//! Configuration items in scenarios: those there are, and how they change while a scenario plays.

use holdpoint_definition::Definition;
use holdpoint_scenario::{Coverage, Played, Suite};

use crate::common::play;

const FLEET: &str = "
workflow: fleet
version: 1
title: Fleet
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }
    on: { released: night, rejected: failed }
  night:
    hold: { wait: { for: 8h } }
    on: { released: roll-out }
  roll-out:
    do:
      rollout:
        targets: { select: env=prod }
        each: { run: deploy }
        approved_at: agree
    on: { succeeded: done, failed: failed, drifted: agree }
  done: { end: done }
  failed: { end: failed }
";

const TOP: &str = "definition: fleet.yaml
members: { ada: [], grace: role:engineer }
items:
  db-1: { labels: { env: prod, tier: 1 } }
  web-1: { labels: { env: prod }, depends_on: [db-1], groups: [web] }
scenarios:
";

fn definition() -> Definition {
    Definition::parse("fleet.yaml", FLEET).unwrap_or_else(|found| panic!("{found}")).definition
}

/// Plays one scenario, which must pass.
fn passes(scenario: &str) -> Played {
    let mut played = play(&definition(), &format!("{TOP}  one: {scenario}\n"));
    let played = played.remove(0);
    assert_eq!(played.failure, None, "{scenario}");
    played
}

/// What is found in a scenario.
fn found(scenario: &str) -> String {
    let source = format!("{TOP}  one: {scenario}\n");
    Suite::parse("x.scenarios.yaml", &source).unwrap_err().to_string()
}

#[test]
fn what_the_inventory_has_are_the_targets() {
    passes(
        "{ given: { by: ada }, when: [approve: grace, after: 8h], then: { ended: done, targets: { db-1: healthy, web-1: healthy }, never: [rollout.drifted] } }",
    );
    // What a scenario has besides; of what it names, what it does not speak of stays.
    passes(
        "{ given: { by: ada, items: { web-1: { groups: [] }, web-2: { labels: { env: prod } }, db-1: { labels: { env: test } } } }, when: [approve: grace, after: 8h], then: { ended: done, targets: { web-1: healthy, web-2: healthy } } }",
    );
    passes(
        "{ given: { by: ada, items: { web-1: ~, db-1: ~ } }, when: [approve: grace, after: 8h], then: { state: agree, happened: [rollout.drifted] } }",
    );
}

#[test]
fn items_that_change_while_it_plays_are_drift() {
    for change in [
        "web-2: { labels: { env: prod } }",
        "web-1: ~",
        "web-1: { labels: { env: test } }",
        "db-1: { labels: {} }, web-1: { depends_on: [] }",
    ] {
        let scenario = format!(
            "{{ given: {{ by: ada }}, when: [{{ approve: grace }}, {{ items: {{ {change} }} }}, {{ after: 8h }}], then: {{ state: agree, happened: [rollout.drifted] }} }}"
        );
        passes(&scenario);
    }
}

#[test]
fn a_change_that_is_taken_back_or_does_not_touch_the_plan_is_no_drift() {
    for changes in [
        "{ items: { web-2: { labels: { env: prod } } } }, { items: { web-2: ~ } }",
        "{ items: { web-2: { labels: { env: test } } } }",
        "{ items: { web-1: { groups: [web, south] } } }",
    ] {
        let scenario = format!(
            "{{ given: {{ by: ada }}, when: [{{ approve: grace }}, {changes}, {{ after: 8h }}], then: {{ ended: done, never: [rollout.drifted] }} }}"
        );
        passes(&scenario);
    }
}

#[test]
fn each_scenario_begins_with_the_items_of_its_file() {
    let one = "{ given: { by: ada }, when: [{ approve: grace }, { items: { web-1: ~ } }, { after: 8h }], then: { state: agree } }";
    let source = format!("{TOP}  one: {one}\n  two: {one}\n");
    let mut coverage = Coverage::new(&definition());
    for played in play(&definition(), &source) {
        assert_eq!(played.failure, None);
        coverage.add(&played.history);
    }
    let missed: Vec<String> = coverage.missed().map(holdpoint_scenario::Item::in_words).collect();
    assert!(!missed.contains(&"roll-out: drifted → agree".to_owned()), "{missed:?}");
    assert!(missed.contains(&"roll-out: succeeded → done".to_owned()), "{missed:?}");
}

#[test]
fn what_cannot_be_is_found_in_its_place() {
    let step = |items: &str| {
        format!(
            "{{ given: {{ by: ada }}, when: [{{ items: {items} }}], then: {{ state: agree }} }}"
        )
    };
    for (items, says) in [
        ("[web-2]", "a list cannot stand here"),
        ("{ web-2: prod }", "`web-2` cannot be such an item"),
        ("{ web-2: { label: {} } }", "unknown field `label`"),
        ("{ web-2: { labels: { env: [prod] } } }", "a label is a text"),
        ("{ web-2: { labels: { name: x } } }", "`name`"),
        ("{ '-web': {} }", "`-web` cannot be such an item"),
        ("{ web-2: ~ }", "there is no item `web-2`"),
        ("{ db-1: ~ }", "`web-1` would depend on `db-1`"),
        ("{ db-1: { depends_on: [web-1] } }", "in a circle"),
        ("{ web-2: { depends_on: [web-3] } }", "`web-3`"),
    ] {
        let found = found(&step(items));
        assert!(found.contains(says), "{items}: {found}");
        assert!(found.contains("x.scenarios.yaml:7:"), "{items}: {found}");
        assert!(found.contains("help: "), "{items}: {found}");
    }
    // What was removed in one step is not there in the next.
    let twice = found(
        "{ given: { by: ada }, when: [{ items: { web-1: ~ } }, { items: { web-1: ~ } }], then: { state: agree } }",
    );
    assert!(twice.contains("error[HP2106]: there is no item `web-1`"), "{twice}");
}

#[test]
fn the_page_about_scenarios_says_what_is_so() {
    let page = include_str!("../../../docs/testing-definitions.md");
    let example =
        page.split("```yaml fragment\nitems:").nth(1).unwrap().split("```").next().unwrap();
    let source = format!(
        "definition: fleet.yaml\nmembers: {{ ada: [], grace: role:engineer }}\nitems:{example}"
    );
    for played in play(&definition(), &source) {
        assert_eq!(played.failure, None);
    }
}
