//! Who says what became of work of which nobody knows whether it was done, and that it is their work
//! from then on.

use holdpoint_definition::Definition;

use crate::common;

const CHARGE: &str = "
workflow: charge
version: 1
title: Charge
start: charge
states:
  charge:
    do: { activity: { run: charge, settle: { from: role:treasurer, not: [requester, executors] } } }
    on: { succeeded: look, failed: refused }
  look:
    hold: { approval: { rules: { peer: { from: role:treasurer, need: 1 } }, not: [executors] } }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

const SCENARIOS: &str = "
definition: charge.yaml
members: { ada: role:treasurer, bob: role:treasurer, cy: role:treasurer, olga: role:owner }
workers: [{ run: charge, unknown: the line was cut }]
scenarios:
  another-settles:
    given: { by: ada }
    when:
      - expect: { status: stuck }
      - { settle: { by: ada, as: done, reason: it is there }, refused: HP1080 }
      - { settle: { by: olga, as: done, reason: it is there }, refused: { code: HP1080, says: is not asked } }
      - settle: { by: bob, as: done, reason: it is there }
      - { approve: bob, refused: HP1003 }
      - approve: cy
    then: { ended: done }
";

#[test]
fn a_scenario_settles_and_is_refused_where_a_run_would_be() {
    let definition = Definition::parse("charge.yaml", CHARGE).unwrap().definition;
    let played = common::play(&definition, SCENARIOS);
    let failures: Vec<_> = played.iter().map(|one| &one.failure).collect();
    assert_eq!(failures, [&None]);
}
