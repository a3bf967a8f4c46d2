//! Checks of a hold: what they tell and what follows, how often they are made, and how old what they
//! told may be.

use holdpoint_core::{Action, Outcome, RefusalCode, RunStatus, view::ConditionStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::common::{
    cancel, data, ended, faults, hours, last, open, refused, secs, submitted, verdict, workflow,
};

/// A definition with a hold that has these conditions, and these outcomes besides `released`.
fn held(conditions: &str, outcomes: &str) -> String {
    let refused = if outcomes.contains("refused") { "  refused: { end: refused }\n" } else { "" };
    format!(
        "workflow: held\nversion: 1\ntitle: Held\n\
         input: {{ type: object, properties: {{ commit: {{ type: string, default: c0ffee }}, risky: {{ type: boolean, default: false }} }} }}\n\
         start: ready\nstates:\n  ready:\n    hold: {conditions}\n    on: {{ released: done{outcomes} }}\n  \
         done: {{ end: done }}\n{refused}"
    )
}

fn recheck(check: Option<&str>) -> Action {
    Action::Recheck { hold: None, check: check.map(str::to_owned) }
}

#[test]
fn what_passes_releases_the_hold() {
    let source =
        held("{ check: { ci: { run: ci-status, with: { commit: '${input.commit}' } } } }", "");
    let mut bench = submitted(&source, "ada", json!({}));
    let asked = bench.open_activities();
    assert_eq!(
        asked,
        [(
            "ready#1/check/ci/1".to_owned(),
            "health-check".to_owned(),
            json!({
                "probe": { "run": { "activity": "ci-status", "input": { "commit": "c0ffee" } } },
                "for_ms": 0,
                "every_ms": 1000,
                "failure_limit": 0,
                "inconclusive_limit": 0,
                "report": true
            })
        )]
    );
    assert_eq!(bench.status(), RunStatus::Held);
    bench.attempt("ready#1/check/ci/1", verdict("passed")).unwrap();
    assert_eq!(bench.status(), ended("done"));
    let told = last(&bench, "check.told");
    assert_eq!((&told["verdict"], &told["detail"]), (&json!("passed"), &json!("it passed")));
    assert!(told["output"].as_str().unwrap().starts_with("sha256:"), "{told}");
}

/// How often it is made by itself, and what follows then: `released`, `failed` or nothing.
#[test]
fn it_is_made_again_until_it_passes_or_its_attempts_are_used_up() {
    for (check, verdicts, outcome) in [
        ("run: x", "f", "waits"),
        ("run: x", "i", "waits"),
        ("run: x, every: 5m", "ffififp", "released"),
        ("run: x, every: 5m, attempts: 3", "fff", "waits"),
        ("run: x, every: 5m, attempts: 3", "ffp", "released"),
        ("run: x, on_fail: refuse", "f", "failed"),
        ("run: x, on_fail: refuse", "i", "waits"),
        ("run: x, on_fail: refuse, every: 5m, attempts: 3", "fff", "failed"),
        ("run: x, on_fail: refuse, every: 5m, attempts: 3", "iif", "failed"),
        ("run: x, on_fail: refuse, every: 5m, attempts: 3", "ffi", "waits"),
        ("run: x, on_fail: refuse, every: 5m, attempts: 3", "ffp", "released"),
    ] {
        let refuses = check.contains("refuse");
        let source = held(
            &format!("{{ check: {{ it: {{ {check} }} }} }}"),
            if refuses { ", failed: refused" } else { "" },
        );
        let mut bench = submitted(&source, "ada", json!({}));
        for (n, told) in verdicts.chars().enumerate() {
            let effect = format!("ready#1/check/it/{}", n + 1);
            assert_eq!(open(&bench), [effect.as_str()], "{check} {verdicts}");
            let told = match told {
                'p' => verdict("passed"),
                'f' => verdict("failed"),
                _ => verdict("inconclusive"),
            };
            bench.attempt(&effect, told).unwrap();
            assert_eq!(open(&bench), [""; 0], "{check} {verdicts}");
            bench.advance(SignedDuration::from_mins(5) - secs(1));
            assert_eq!(open(&bench), [""; 0], "{check} {verdicts}: too early");
            bench.advance(secs(1));
        }
        let expected = match outcome {
            "released" => ended("done"),
            "failed" => ended("refused"),
            _ => RunStatus::Held,
        };
        assert_eq!(bench.status(), expected, "{check} {verdicts}");
        if outcome == "waits" {
            bench.advance(hours(100));
            assert_eq!(open(&bench), [""; 0], "{check} {verdicts}: it is not made any more");
            // A person may have it made again, once more.
            bench.act("fay", recheck(None)).unwrap();
            let effect = format!("ready#1/check/it/{}", verdicts.len() + 1);
            bench.attempt(&effect, verdict("failed")).unwrap();
            let then = if refuses { ended("refused") } else { RunStatus::Held };
            assert_eq!(bench.status(), then, "{check} {verdicts}");
        }
    }
}

#[test]
fn what_cannot_be_told_keeps_the_hold_closed_and_says_why() {
    for (outcome, why) in [
        (verdict("inconclusive"), "it inconclusive"),
        (Outcome::Completed(Value::Null), "the check gave no verdict"),
        (Outcome::Completed(json!({ "verdict": "perhaps" })), "the check gave no verdict"),
        (crate::common::fatal("no such program"), "no such program"),
    ] {
        let source =
            held("{ check: { it: { tcp: 'db-1:5432', on_fail: refuse } } }", ", failed: refused");
        let mut bench = submitted(&source, "ada", json!({}));
        bench.attempt("ready#1/check/it/1", outcome).unwrap();
        let view = bench.view();
        let [condition] = &view.holds[0].conditions[..] else { panic!("{view:?}") };
        assert_eq!(condition.status, ConditionStatus::Error);
        assert!(condition.summary.contains("it told nothing 2026"), "{}", condition.summary);
        assert!(condition.summary.ends_with(why), "{}", condition.summary);
        assert!(bench.next_steps().contains(&"have the check `it` made again".to_owned()));
    }
}

#[test]
fn a_result_that_is_too_old_is_made_again_before_the_run_goes_on() {
    let source = held(
        "{ approval: { rules: { any: { from: role:engineer, need: 1 } } }, check: { it: { run: x, valid_for: 1h } } }",
        ", rejected: refused",
    );
    for (age, stale) in [(secs(3599), false), (secs(3600), true), (hours(100), true)] {
        let mut bench = submitted(&source, "ada", json!({}));
        bench.attempt("ready#1/check/it/1", verdict("passed")).unwrap();
        bench.advance(age);
        assert_eq!(open(&bench), [""; 0], "it is not made while something else is missing");
        bench.approve("bob").unwrap();
        if !stale {
            assert_eq!(bench.status(), ended("done"));
            continue;
        }
        assert_eq!(last(&bench, "check.asked")["because"], "stale");
        assert_eq!(open(&bench), ["ready#1/check/it/2"]);
        // Red by now: the approval alone does not release it.
        bench.attempt("ready#1/check/it/2", verdict("failed")).unwrap();
        assert_eq!(bench.status(), RunStatus::Held);
        bench.act("ada", recheck(Some("it"))).unwrap();
        bench.attempt("ready#1/check/it/3", verdict("passed")).unwrap();
        assert_eq!(bench.status(), ended("done"));
    }
}

#[test]
fn an_amendment_has_all_made_anew() {
    let source = held(
        "{ signal: { name: go }, check: { one: { run: x, with: { c: '${input.commit}' } }, two: { when: input.risky, run: y } } }",
        "",
    );
    let mut bench = submitted(&source, "ada", json!({ "risky": true }));
    bench.attempt("ready#1/check/one/1", verdict("passed")).unwrap();
    let amend = |input: Value| Action::Amend { input, reason: "other".to_owned() };
    bench.act("ada", amend(json!({ "commit": "feeb1e" }))).unwrap();
    // What looked at the older text is not asked any more, and what does not apply is not made.
    assert_eq!(open(&bench), ["ready#1/check/one/2"]);
    refused(bench.attempt("ready#1/check/two/1", verdict("passed")), RefusalCode::NotAwaited);
    // No name is ever given again.
    bench.act("ada", amend(json!({ "commit": "feeb1e", "risky": true }))).unwrap();
    assert_eq!(open(&bench), ["ready#1/check/one/3", "ready#1/check/two/2"]);
    let view = bench.view();
    assert!(view.holds[0].conditions.iter().all(|one| !one.met), "{view:?}");
}

#[test]
fn a_deadline_comes_first() {
    let source =
        held("{ check: { it: { run: x, every: 1m } }, expires: 1h }", ", expired: refused");
    let mut bench = submitted(&source, "ada", json!({}));
    // The result comes after the deadline, which nobody has noticed yet.
    bench.sleep(hours(1));
    bench.attempt("ready#1/check/it/1", verdict("passed")).unwrap();
    assert_eq!(bench.status(), ended("refused"));
}

#[test]
fn the_end_of_the_hold_is_the_end_of_its_checks() {
    let source = held("{ check: { it: { run: x, every: 1m } } }", "");
    let mut bench = submitted(&source, "ada", json!({}));
    bench.act("ada", cancel("enough")).unwrap();
    assert_eq!(open(&bench), [""; 0]);
    assert!(bench.due().is_empty());
    refused(bench.act("ada", recheck(None)), RefusalCode::RunEnded);
}

#[test]
fn somebody_has_to_say_which_check_is_meant() {
    let source = held("{ check: { one: { run: x }, two: { run: y } } }", "");
    let mut bench = submitted(&source, "ada", json!({}));
    let refusal = refused(bench.act("ada", recheck(Some("one"))), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the check `one` is being made");
    for n in ["one", "two"] {
        bench.attempt(&format!("ready#1/check/{n}/1"), verdict("failed")).unwrap();
    }
    let refusal = refused(bench.act("ada", recheck(None)), RefusalCode::InvalidInput);
    assert_eq!(refusal.needed, ["its checks are one, two"]);
    bench.act("ada", recheck(Some("one"))).unwrap();
    bench.attempt("ready#1/check/one/2", verdict("passed")).unwrap();
    // Now only one is left that can be meant; and one that has passed is made again where it is named.
    bench.act("ada", recheck(None)).unwrap();
    bench.act("ada", recheck(Some("one"))).unwrap();
    bench.attempt("ready#1/check/two/2", verdict("passed")).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    bench.attempt("ready#1/check/one/3", verdict("passed")).unwrap();
    assert_eq!(bench.status(), ended("done"));
    let numbers: Vec<Value> = bench
        .history()
        .iter()
        .filter(|event| event.kind.as_str() == "holdpoint.check.told")
        .map(|event| data(event)["number"].clone())
        .collect();
    assert_eq!(numbers, [1, 1, 2, 2, 3]);
}

#[test]
fn a_history_replays_to_the_same() {
    let source =
        held("{ check: { it: { run: x, every: 1m, valid_for: 1h } }, wait: { for: 2h } }", "");
    let mut bench = submitted(&source, "ada", json!({}));
    bench.attempt("ready#1/check/it/1", verdict("failed")).unwrap();
    bench.advance(secs(60));
    bench.attempt("ready#1/check/it/2", verdict("passed")).unwrap();
    bench.advance(hours(2));
    bench.attempt("ready#1/check/it/3", verdict("passed")).unwrap();
    assert_eq!(bench.status(), ended("done"));
    for count in 1..=bench.history().len() {
        bench.replay(count).unwrap();
    }
}

#[test]
fn what_makes_no_sense_is_found() {
    for (conditions, outcomes, says) in [
        ("{ check: {} }", "", "there are no checks"),
        ("{ check: [x] }", "", "a mapping from names to checks"),
        ("{ check: { it: { } } }", "", "exactly one of `http`, `tcp`, `run` and `query`"),
        ("{ check: { it: { run: x, tcp: 'a:1' } } }", "", "exactly one of"),
        ("{ check: { it: { http: 'http://${target}/' } } }", "", "target"),
        ("{ check: { it: { run: x, attempts: 3 } } }", "", "HP2076"),
        (
            "{ check: { it: { run: x, every: 5m, on_fail: refuse } } }",
            ", failed: refused",
            "HP2077",
        ),
        ("{ check: { it: { run: x, on_fail: panic } } }", "", "`on_fail` cannot be `panic`"),
        ("{ check: { it: { run: x, on_fail: refuse } } }", "", "does not say where `failed` leads"),
        ("{ check: { it: { run: x } } }", ", failed: refused", "cannot have the outcome `failed`"),
        ("{ check: { it: { run: x, every: 0s } } }", "", "`every` must be longer than nothing"),
        ("{ check: { it: { run: x, for: 1m } } }", "", "for"),
        (
            "{ check: { it: { run: x } }, expires: 1d }",
            ", expired: done",
            "although its checks have not passed",
        ),
    ] {
        let found = faults(&held(conditions, outcomes));
        assert!(found.contains(says), "{conditions}: {found}");
    }
    workflow(&held("{ check: { it: { http: 'https://x.example/', expect: 204 } } }", ""));
}
