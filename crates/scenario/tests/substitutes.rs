//! Votes in the place of others, in scenarios: who stands for whom, and what no scenario reaches.

use holdpoint_definition::Definition;
use holdpoint_scenario::{Coverage, Suite};

use crate::common::play;

fn definition(substitutes: &str) -> Definition {
    let source = format!(
        "
workflow: x
version: 1
title: X
start: a
states:
  a: {{ hold: {{ approval: {{ rules: {{ two: {{ from: role:engineer, need: 2 }} }}{substitutes}, veto: {{ from: role:board, overrule: role:engineer }} }} }}, on: {{ released: b, rejected: b }} }}
  b: {{ end: b }}
"
    );
    Definition::parse("x.yaml", &source).unwrap_or_else(|found| panic!("{found}")).definition
}

const TOP: &str = "definition: x.yaml
members:
  ada: role:owner
  bob: role:engineer
  cy: role:engineer
  dora: role:board
  lou: [{ stands_for: bob, until: 2026-01-06T09:00:00Z, roles: engineer }, { stands_for: dora, from: 2026-01-06T09:00:00Z, until: 2027-01-01T00:00:00Z }]
scenarios:
";

const SCENARIO: &str = "  one:
    given: { by: ada }
    when:
      - expect: { could_approve: [bob, cy, lou] }
      - { veto: { by: lou, for: dora, reason: x }, refused: HP1012 }
      - approve: { by: lou, for: bob }
      - withdraw: { by: lou, for: bob }
      - after: 1d
      - { approve: { by: lou, for: bob }, refused: { code: HP1012, says: ended } }
      - veto: { by: lou, for: dora, reason: x }
      - expect: { vetoes: [dora], could_approve: [bob, cy] }
      - withdraw: dora
      - members: { lou: [{ stands_for: cy, until: 2027-01-01T00:00:00Z }] }
      - { veto: { by: lou, for: dora, reason: x }, refused: HP1012 }
      - approve: bob
      - approve: { by: lou, for: cy }
    then: { ended: b }
";

#[test]
fn members_stand_for_others_in_scenarios() {
    for played in play(&definition(""), &format!("{TOP}{SCENARIO}")) {
        assert_eq!(played.failure, None);
    }
}

#[test]
fn only_what_a_definition_says_of_substitutes_is_to_be_reached() {
    let nobody = "  one: { given: { by: ada }, when: [{ approve: bob }, { approve: cy }], then: { ended: b } }\n";
    for (substitutes, scenarios, missed) in [
        ("", nobody, false),
        (", substitutes: never", nobody, false),
        (", substitutes: once", nobody, true),
        (", substitutes: each", nobody, true),
        (", substitutes: once", SCENARIO, false),
    ] {
        let definition = definition(substitutes);
        let mut coverage = Coverage::new(&definition);
        for played in play(&definition, &format!("{TOP}{scenarios}")) {
            assert_eq!(played.failure, None);
            coverage.add(&played.history);
        }
        let what = "a: nobody approves in the place of another";
        assert_eq!(coverage.missed().any(|item| item.in_words() == what), missed, "{substitutes}");
    }
}

#[test]
fn what_cannot_be_said_of_substitutes_is_found() {
    for (members, says) in [
        ("{ ada: [], lou: { stands_for: ada } }", "a substitution has no `until`"),
        (
            "{ lou: { stands_for: ada, until: 2027-01-01T00:00:00Z } }",
            "somebody stands for `ada`, who is not a member",
        ),
        ("{ ada: [], lou: { stands_for: ada, until: soon } }", "`soon` is not a time"),
        ("{ ada: [], lou: { stands_for: ada, until: 2027-01-01T00:00:00Z, role: x } }", "`role`"),
    ] {
        let text = format!(
            "definition: x.yaml\nmembers: {members}\nscenarios: {{ one: {{ given: {{ by: lou }}, then: {{ state: a }} }} }}\n"
        );
        let found = Suite::parse("x.scenarios.yaml", &text).unwrap_err().to_string();
        assert!(found.contains(says), "{members}: {found}");
    }
}
