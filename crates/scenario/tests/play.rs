//! What happens in scenarios, and what is said when something else was expected.

use insta::assert_snapshot;

use crate::common::{fails, one, passes};

#[test]
fn people_and_the_clock_bring_a_run_further() {
    for body in [
        "given: { by: ada }\nwhen: [{ approve: grace }]\nthen: { ended: done }",
        "given: { by: ada }\nwhen: [{ reject: { by: grace, reason: no } }]\nthen: { ended: refused }",
        "given: { by: ada }\nwhen: [{ after: 2d }]\nthen: { ended: lapsed }",
        "given: { by: ada }\nwhen: [{ at: 2026-01-07T09:00:00Z }]\nthen: { ended: lapsed }",
        "given: { by: ada }\nwhen: [{ after: 1d }]\nthen: { state: agree, status: held, deadline: 1d }",
        "given: { by: ada, at: 2026-06-01T00:00:00Z }\nthen: { deadline: 2026-06-03T00:00:00Z }",
        "given: { by: ada }\nwhen: [{ cancel: { by: ada, reason: no } }]\nthen: { ended: cancelled }",
        // Who is a member, and what they are, can change.
        "given: { by: ada, members: { eve: role:engineer } }\nwhen: [{ approve: eve }]\nthen: { ended: done }",
        "given: { by: ada }\nwhen: [{ members: { grace: [] } }, { approve: grace, refused: HP1002 }]",
        "given: { by: ada }\nwhen: [{ approve: eve, refused: HP1001 }]",
        // The input is the file's, with the scenario's over it.
        "given: { by: ada, input: { risk: high } }\nthen: { waiting_for: { peer: 1, board: 1 }, could_approve: [bea, grace, linus] }",
        "given: { by: ada }\nthen: { waiting_for: [peer] }",
        "given: { by: ada, input: { risk: none }, refused: { code: HP1008, says: risk } }",
        "given: { by: eve, refused: HP1001 }",
    ] {
        passes(body);
    }
}

#[test]
fn holds_that_wait_for_several_things_are_seen_as_they_are() {
    let high =
        "given: { by: ada, input: { risk: high } }\nwhen:\n  - approve: grace\n  - approve: bea\n";
    passes(&format!(
        "{high}  - expect: {{ state: night, waiting_for: [wait, go], deadline: never }}
  - {{ signal: {{ by: ada, name: go, data: later }}, refused: HP1008 }}
  - {{ signal: {{ by: ada, name: stop }}, refused: {{ code: HP1006, says: stop }} }}
  - after: 8h
  - expect: {{ waiting_for: [go] }}
  - signal: {{ by: ada, name: go, data: now }}
then: {{ ended: done, happened: [wait.elapsed, signal.consumed, hold.released] }}"
    ));
}

#[test]
fn workers_answer_as_they_are_told_to() {
    let released = "when: [{ approve: grace }]\nthen: ";
    for (workers, then) in [
        // What nothing is said about succeeds.
        ("[]", "{ ended: done, targets: healthy }"),
        (
            "[{ run: build, times: 1, fails: x }]",
            "{ ended: done, happened: [activity.failed, activity.completed] }",
        ),
        (
            "[{ run: build, fails: x }]",
            "{ ended: failed, happened: [activity.failed, activity.failed] }",
        ),
        ("[{ run: build, fails: x, for_good: true }]", "{ ended: failed }"),
        (
            "[{ run: build, unknown: x }]",
            "{ ended: done, happened: [activity.unknown, activity.completed] }",
        ),
        (
            "[{ run: build, takes: 10m, times: 1, succeeds: true }]",
            "{ ended: done, happened: [activity.failed] }",
        ),
        (
            "[{ run: build, takes: 9m 59s, succeeds: true }]",
            "{ ended: done, never: [activity.failed] }",
        ),
        (
            "[{ step: check, target: web-2, verdict: failed }]",
            "{ ended: failed, targets: restored }",
        ),
        (
            "[{ step: check, target: web-2, verdict: inconclusive }]",
            "{ status: stuck, targets: { web-1: healthy, web-2: stuck } }",
        ),
        (
            "[{ step: deploy, fails: x }, { run: restore, fails: y }]",
            "{ status: stuck, targets: { web-1: stuck, web-2: waiting } }",
        ),
        // The first that fits answers.
        (
            "[{ run: build, times: 1, fails: x }, { run: build, succeeds: { a: 1 } }]",
            "{ ended: done }",
        ),
    ] {
        passes(&format!("given: {{ by: ada, workers: {workers} }}\n{released}{then}"));
    }
}

#[test]
fn the_clock_goes_on_while_workers_work() {
    let played = passes(
        "given:
  by: ada
  workers: [{ run: build, times: 1, takes: 5m, fails: x }, { run: build, takes: 2m, succeeds: true }]
when: [{ approve: grace }]
then: { ended: done }",
    );
    let times: Vec<String> = played
        .history
        .iter()
        .filter(|event| event.kind.as_str().starts_with("holdpoint.activity"))
        .take(4)
        .map(|event| format!("{} {}", event.time, event.kind.as_str()))
        .collect();
    assert_snapshot!(times.join("\n"), @"
    2026-01-05T09:00:00Z holdpoint.activity.started
    2026-01-05T09:05:00Z holdpoint.activity.failed
    2026-01-05T09:06:00Z holdpoint.activity.started
    2026-01-05T09:08:00Z holdpoint.activity.completed
    ");
}

#[test]
fn workers_can_wait_to_be_told() {
    let waits =
        "given: { by: ada, workers: [{ run: build, waits: true }] }\nwhen:\n  - approve: grace\n";
    for (steps, then) in [
        ("  - expect: { state: build, status: working }", "{ state: build }"),
        ("  - work: { run: build, succeeds: true }", "{ ended: done }"),
        ("  - work: { fails: x, for_good: true }", "{ ended: failed }"),
        // Of the time it has, nothing is taken until the clock is moved.
        (
            "  - after: 9m\n  - work: { run: build, succeeds: true }",
            "{ ended: done, never: [activity.failed] }",
        ),
        // Each attempt has ten minutes, and there is a minute between the two.
        ("  - after: 21m", "{ ended: failed }"),
        (
            "  - cancel: { by: ada, reason: no }",
            "{ ended: cancelled, happened: [activity.abandoned] }",
        ),
    ] {
        passes(&format!("{waits}{steps}\nthen: {then}"));
    }
    assert_snapshot!(fails(&format!("{waits}  - work: {{ run: deploy, succeeds: true }}\nthen: {{ state: build }}")), @"
    line 8, work
    answer: expected the run goes on, got no worker waits to be told what comes of `deploy`; what waits is `build`
    ");
}

#[test]
fn what_workers_are_given_can_be_looked_at() {
    let released =
        "given: { by: ada }\nwhen: [{ approve: grace }]\nthen:\n  ended: done\n  asked:\n";
    passes(&format!(
        "{released}    - {{ run: build, with: {{ by: ada }} }}\n    - {{ run: deploy, target: web-2 }}"
    ));
    assert_snapshot!(fails(&format!("{released}    - {{ run: build, with: {{ by: grace }} }}")), @r#"
    line 8, then
    asked: expected `build` with {"by":"grace"}, got `build` with {"by":"ada"}
    "#);
    assert_snapshot!(fails(&format!("{released}    - {{ run: restore }}")), @"
    line 8, then
    asked: expected `restore`, got only `build`, `deploy` at `web-1`, `deploy` at `web-2`, `http-check` at `web-1`, `http-check` at `web-2`
    ");
}

#[test]
fn what_differs_is_said() {
    let differs = |then: &str| fails(&format!("given: {{ by: ada }}\nthen: {then}"));
    assert_snapshot!(differs("{ state: build, status: working, ended: done, waiting_for: { peer: 2, board: 1 }, could_approve: [bea], deadline: 3d }"), @"
    line 6, then
    state: expected build, got agree
    status: expected working, got held
    ended: expected done, got it has not: it is held in `agree`
    waiting_for: expected board: 1, peer: 2, got peer: 1
    could_approve: expected bea, got grace, linus
    deadline: expected 2026-01-08T09:00:00Z, got 2026-01-07T09:00:00Z
    ");
    assert_snapshot!(differs("{ targets: healthy, happened: [hold.opened, hold.released], never: [hold.opened] }"), @"
    line 6, then
    targets: expected healthy, got there is no rollout
    happened: expected hold.opened, hold.released, got no `hold.released`
    never: expected no `hold.opened`, got it happened
    ");
    assert_snapshot!(differs("{ happened: [hold.opened, run.started] }"), @"
    line 6, then
    happened: expected hold.opened, run.started, got no `run.started` after what should come before it
    ");
    let after = |steps: &str, then: &str| {
        fails(&format!("given: {{ by: ada }}\nwhen:\n{steps}\nthen: {then}"))
    };
    assert_snapshot!(after("  - approve: grace", "{ targets: { web-1: restored, web-9: healthy } }"), @"
    line 8, then
    target web-1: expected restored, got healthy
    target web-9: expected healthy, got the rollout has no such target
    ");
    assert_snapshot!(after("  - approve: ada", "{ ended: done }"), @"
    line 7, approve by ada
    answer: expected accepted, got refused with HP1003: `ada` submitted the run and nobody decides on their own (a vote by role engineer: grace, linus)
    ");
    assert_snapshot!(after("  - { approve: grace, refused: HP1003 }", "{ ended: done }"), @"
    line 7, approve by grace
    answer: expected refused with HP1003, got accepted
    ");
    assert_snapshot!(after("  - { approve: bea, refused: { code: HP1002, says: mercury } }", "{ ended: done }"), @"
    line 7, approve by bea
    answer: expected refused with HP1002 that says `mercury`, got refused with HP1002: `bea` is none of those asked: role engineer (a vote by role engineer: grace, linus)
    ");
    assert_snapshot!(after("  - at: 2026-01-01T00:00:00Z", "{ ended: done }"), @"
    line 7, at
    answer: expected a time that is not past, 2026-01-01T00:00:00Z, got it is 2026-01-05T09:00:00Z already
    ");
}

#[test]
fn an_answer_that_nobody_needs_is_a_mistake() {
    let workers = |answers: &str| {
        fails(&format!(
            "given: {{ by: ada, workers: {answers} }}\nwhen: [{{ approve: grace }}]\nthen: {{ ended: done }}"
        ))
    };
    assert_snapshot!(workers("[{ run: deploy, target: web-9, fails: x }]"), @"
    line 5, workers
    answer: expected a worker is asked for `deploy` at `web-9`, got nobody was, or another answer came first
    ");
    assert_snapshot!(workers("[{ run: deploy, succeeds: true }, { run: deploy, target: web-1, succeeds: true }]"), @"
    line 5, workers
    answer: expected a worker is asked for `deploy` at `web-1`, got nobody was, or another answer came first
    ");
}

#[test]
fn a_scenario_ends_at_the_first_difference_with_what_happened_until_then() {
    let played = one(
        "given: { by: ada }\nwhen:\n  - expect: { state: build }\n  - approve: grace\nthen: { ended: done }",
    );
    assert!(played.failure.is_some());
    assert_eq!(played.history.len(), 3, "{:?}", played.history);
    assert_eq!(played.view.unwrap().state, "agree");
}
