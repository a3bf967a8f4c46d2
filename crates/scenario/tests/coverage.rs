//! What no scenario reaches.

use holdpoint_definition::Definition;
use holdpoint_scenario::{Coverage, Item};
use insta::assert_snapshot;

use crate::common::{TOP, definition, play};

fn coverage(scenarios: &str) -> String {
    let definition = definition();
    let mut coverage = Coverage::new(&definition);
    for played in play(&definition, &format!("{TOP}{scenarios}")) {
        assert_eq!(played.failure, None);
        coverage.add(&played.history);
    }
    let mut text = format!(
        "{}%, states {:?}, ways {:?}, rules {:?}\n",
        coverage.percent(),
        coverage.counts("states"),
        coverage.counts("ways"),
        coverage.counts("rules")
    );
    text.extend(coverage.missed().map(|item| format!("{}: {}\n", item.group(), item.in_words())));
    text
}

#[test]
fn what_is_not_reached_is_listed() {
    assert_snapshot!(coverage("  one: { given: { by: ada }, when: [{ approve: grace }], then: { ended: done } }"), @"
    45%, states (5, 9), ways (4, 11), rules (2, 4)
    ways: agree: rejected → refused
    ways: agree: expired → lapsed
    rules: agree: nobody votes under `board`
    rules: agree: `board` never applies
    ways: build: failed → failed
    ways: which: input.risk == 'high' → night
    states: night
    ways: night: released → roll-out
    ways: roll-out: rolled_back → failed
    ways: roll-out: failed → failed
    states: refused
    states: lapsed
    states: failed
    ");
}

#[test]
fn everything_can_be_reached() {
    let all = "
  a: { given: { by: ada }, when: [{ approve: grace }], then: { ended: done } }
  b: { given: { by: ada }, when: [{ reject: { by: grace, reason: no } }], then: { ended: refused } }
  c: { given: { by: ada }, when: [{ after: 2d }], then: { ended: lapsed } }
  d: { given: { by: ada, workers: [{ run: build, fails: x }] }, when: [{ approve: grace }], then: { ended: failed } }
  e: { given: { by: ada, workers: [{ run: deploy, fails: x }] }, when: [{ approve: grace }], then: { ended: failed } }
  f: { given: { by: ada, input: { targets: [] } }, when: [{ approve: grace }], then: { ended: failed } }
  g:
    given: { by: ada, input: { risk: high } }
    when: [{ approve: grace }, { approve: bea }, { signal: { by: ada, name: go, data: now } }, { after: 8h }]
    then: { ended: done }
";
    assert_snapshot!(coverage(all), @"100%, states (9, 9), ways (11, 11), rules (4, 4)");
}

#[test]
fn what_else_a_hold_waits_for_is_reached_one_by_one() {
    let source = "
workflow: proven
version: 1
title: Proven
start: prove
states:
  prove:
    hold:
      evidence: { report: {}, plan: {} }
      task: { told: { title: They know, from: role:engineer } }
      window: { in: calendar:night, override: role:engineer, not: [] }
      expires: 7d
    on: { released: done, expired: done-without }
  done: { end: done }
  done-without: { end: lapsed }
";
    let definition = Definition::parse("proven.yaml", source).unwrap().definition;
    let missed = |when: &str| {
        let scenarios = format!(
            "definition: proven.yaml
members: {{ ada: role:engineer }}
calendars: {{ night: {{ zone: UTC, windows: [{{ starts: 2026-01-05T22:00, lasts: 1h }}] }} }}
scenarios: {{ one: {{ given: {{ by: ada }}, when: [{when}], then: {{ never: [hold.expired] }} }} }}
"
        );
        let mut coverage = Coverage::new(&definition);
        for played in play(&definition, &scenarios) {
            assert_eq!(played.failure, None);
            coverage.add(&played.history);
        }
        let conditions = coverage.missed().filter(|item| item.group() == "conditions");
        conditions.map(Item::in_words).collect::<Vec<_>>()
    };
    let all = [
        "prove: nobody attaches `report`",
        "prove: nobody attaches `plan`",
        "prove: nobody confirms `told`",
        "prove: its window is never waited for",
        "prove: its window is never overridden",
    ];
    let mut when = "{ after: 1m }".to_owned();
    assert_eq!(missed(&when), all);
    for (step, reached) in [
        ("attach: { by: ada, name: report }", 1),
        ("attach: { by: ada, name: plan }", 2),
        // All else is there then, so that the window is waited for.
        ("done: ada", 4),
        ("override: { by: ada, reason: now }", 5),
    ] {
        when.push_str(&format!(", {{ {step} }}"));
        assert_eq!(missed(&when), all[reached..], "{step}");
    }
}

#[test]
fn the_risk_is_covered_case_by_case() {
    let source = "
workflow: risky
version: 1
title: Risky
input:
  type: object
  properties: { n: { type: integer, default: 0 }, claimed: { enum: [low, high], default: low } }
risk:
  factors:
    many: [{ when: input.n > 9, points: 20 }, { when: input.n > 4, points: 10 }]
    odd: [{ when: input.n % 2 == 1, points: 1 }]
  levels: { low: 0, high: 20 }
  at_least: input.claimed
start: ask
states:
  ask:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, amended: reset } }
    on: { released: done, rejected: done }
  done: { end: done }
";
    let definition = Definition::parse("risky.yaml", source).unwrap().definition;
    let missed = |scenarios: &str| {
        let mut coverage = Coverage::new(&definition);
        let top =
            "definition: risky.yaml\nmembers: { ada: [], grace: role:engineer }\nscenarios:\n";
        for played in play(&definition, &format!("{top}{scenarios}")) {
            assert_eq!(played.failure, None);
            coverage.add(&played.history);
        }
        let of_risk = coverage.missed().filter(|item| item.in_words().contains("risk"));
        of_risk.map(Item::in_words).collect::<Vec<_>>()
    };
    let one = "  one: { given: { by: ada, input: { n: 5 } }, then: { risk: low } }\n";
    assert_eq!(
        missed(one),
        [
            "no run has the risk `high`",
            "risk: `many` never counts by `input.n > 9`",
            "risk: it is never higher than by its points",
        ]
    );
    // What an amendment makes of it counts as well.
    let two = "  two: { given: { by: ada }, when: [{ amend: { by: ada, input: { n: 10 }, reason: more } }], then: { risk: high } }\n";
    assert_eq!(missed(&format!("{one}{two}")), ["risk: it is never higher than by its points"]);
    let three = "  three: { given: { by: ada, input: { claimed: high } }, then: { risk: high } }\n";
    assert!(missed(&format!("{one}{two}{three}")).is_empty());
}
