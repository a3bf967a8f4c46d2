//! Holds, activities, signals and cancellation, driven through the same functions as the engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

use std::sync::Arc;

use holdpoint_core::{
    Action, Outcome, Project, Refusal, RefusalCode, RunStatus, Vote,
    testing::{Bench, project, types},
};
use holdpoint_definition::Definition;
use jiff::SignedDuration;
use serde_json::{Value, json};

#[track_caller]
fn workflow(source: &str) -> Arc<Definition> {
    match Definition::parse("test.yaml", source) {
        Ok(checked) => Arc::new(checked.definition),
        Err(findings) => panic!("{findings}"),
    }
}

fn people() -> Project {
    project(&[
        ("ada", &["engineer"], &["network"]),
        ("bob", &["engineer"], &["network"]),
        ("cy", &["engineer"], &[]),
        ("dora", &["board"], &["network"]),
        ("eve", &["engineer", "board"], &["network"]),
        ("fay", &[], &[]),
    ])
}

#[track_caller]
fn held(source: &str, by: &str, input: Value) -> Bench {
    let mut bench = Bench::new(workflow(source), people());
    bench.submit(by, input).unwrap();
    bench
}

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Refusal>, code: RefusalCode) -> Refusal {
    let refusal = answer.expect_err("expected a refusal");
    assert_eq!(refusal.code, code, "{refusal}");
    refusal
}

const CHANGE: &str = "
workflow: change
version: 1
title: A change
input:
  type: object
  required: [risk, domain]
  properties:
    risk: { enum: [low, high] }
    domain: { type: string }
start: authorize
states:
  authorize:
    hold:
      approval:
        rules:
          peer: { from: role:engineer, qualified: '${input.domain}', need: 1 }
          board: { when: \"input.risk == 'high'\", from: [role:board, member:fay], need: 1 }
        not: [requester]
        expires: 7d
    on: { released: done, rejected: refused, expired: lapsed }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
";

fn low() -> Value {
    json!({ "risk": "low", "domain": "network" })
}

fn high() -> Value {
    json!({ "risk": "high", "domain": "network" })
}

#[test]
fn a_peer_approves() {
    let mut bench = held(CHANGE, "ada", low());
    assert_eq!(bench.status(), RunStatus::Held);
    let events = bench.approve("bob").unwrap();
    assert_eq!(types(&events), ["approval.granted", "hold.released", "state.entered", "run.ended"]);
    assert_eq!(bench.status(), ended("done"));
    assert_eq!(
        events[0].data.read::<Value>().unwrap()["qualified"],
        json!(["network"]),
        "the facts are recorded with the vote"
    );
}

#[test]
fn votes_are_refused_for_their_reasons() {
    let mut bench = held(CHANGE, "ada", low());
    for (who, code, message) in [
        ("zed", RefusalCode::NotMember, "`zed` is not a member of the project `lab`"),
        (
            "ada",
            RefusalCode::SelfApproval,
            "`ada` submitted the run and nobody decides on their own",
        ),
        ("cy", RefusalCode::NotQualified, "`cy` is not qualified in network now"),
        ("dora", RefusalCode::NotEligible, "`dora` is none of those asked: role engineer"),
        ("engine", RefusalCode::NotMember, "the engine does not decide for people"),
    ] {
        for refusal in [bench.approve(who), bench.reject(who, "no")] {
            let refusal = refused(refusal, code);
            assert_eq!(refusal.message, message);
            if who != "zed" && who != "engine" {
                assert_eq!(
                    refusal.needed,
                    ["a vote by role engineer, qualified in network: bob, eve"]
                );
            }
        }
    }
    let other = Action::Vote { hold: Some("other".to_owned()), vote: Vote::Approve, reason: None };
    refused(bench.act("bob", other), RefusalCode::NotAwaited);
    refused(bench.reject("bob", "  "), RefusalCode::InvalidInput);
    assert_eq!(bench.status(), RunStatus::Held);
    let named =
        Action::Vote { hold: Some("authorize".to_owned()), vote: Vote::Approve, reason: None };
    bench.act("bob", named).unwrap();
    refused(bench.approve("eve"), RefusalCode::RunEnded);
}
