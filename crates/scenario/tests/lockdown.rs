//! Lockdowns in scenarios: imposed in one step, lifted in another.

use crate::common::{fails, passes};

#[test]
fn what_would_start_is_held_until_the_lockdown_is_lifted() {
    let played = passes(
        "given: { by: ada, workers: [{ run: build, succeeds: null, takes: 1m }] }
when:
  - lockdown: { reason: an incident, except: [other], items: name=web-2 }
  - lockdown: { reason: something else, definitions: [other] }
  - approve: grace
  - after: 1h
  - expect: { status: held, happened: [run.locked_down] }
  - lift: 1
then: { ended: done, happened: [run.locked_down, run.lockdown_lifted, work.requested] }",
    );
    let held = played.history.iter().filter(|one| one.kind.as_str() == "holdpoint.run.locked_down");
    assert_eq!(held.count(), 1, "only the lockdown that means it holds it");
}

#[test]
fn a_lockdown_that_is_not_there_cannot_be_lifted() {
    let found = fails("given: { by: ada }\nwhen: [{ lift: 2 }]\nthen: { status: held }");
    assert!(found.contains("lockdown 2"), "{found}");
}

#[test]
fn what_is_no_lockdown_is_told_in_its_place() {
    let faults = |step: &str| {
        let source = format!(
            "definition: x.yaml\nmembers: {{ ada: [] }}\nscenarios:\n  one:\n    given: {{ by: ada }}\n    when: [{step}]\n"
        );
        holdpoint_scenario::Suite::parse("x.scenarios.yaml", &source).unwrap_err().to_string()
    };
    for (step, says) in [
        ("{ lockdown: {} }", "this is no lockdown: missing field `reason`"),
        ("{ lockdown: { reason: x, items: '=' } }", "this does not select items"),
        ("{ lockdown: { reason: x, scope: all } }", "unknown field `scope`"),
        ("{ lift: soon }", "`lift`, the number of a lockdown,"),
    ] {
        let found = faults(step);
        assert!(found.contains(says), "{step}: {found}");
        assert!(found.contains("6:"), "{found}");
    }
}
