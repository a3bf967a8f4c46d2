//! Waivers: who may let a run pass a hold that is not met, and what is owed for it.

use holdpoint_core::{
    Action, Digest, NewEvidence, Refusal, RefusalCode, RunStatus, Vote,
    event::Event,
    testing::{Bench, types},
    view::ConditionStatus,
};
use serde_json::json;

use crate::common::{data, done, ended, faults, hours, last, open, refused, submitted};

const EMERGENCY: &str = "
workflow: emergency
version: 1
title: An emergency
expires: { after: 60d, to: over }
start: authorize
states:
  authorize:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 2 } }
        not: [requester]
        veto: { from: member:fay, overrule: role:board }
        duties: { discharge: author }
        amended: keep
      evidence: [plan]
      wait: { for: 1h }
      waiver:
        from: role:board
        not: [requester]
        need: 1
        scope: SCOPE
        duties:
          review: { within: 2d, from: role:board }
          lessons: { text: Write down what was learned, within: 7d, from: [role:engineer, member:fay] }
      expires: 1d
    on: { released: work, waived: work, rejected: refused, expired: refused }
  work: { do: { activity: { run: work } }, on: { succeeded: done, failed: done } }
  done: { end: done }
  refused: { end: refused }
  over: { end: over }
";

fn held(scope: &str) -> Bench {
    submitted(&EMERGENCY.replace("SCOPE", scope), "ada", json!({}))
}

fn waive(bench: &mut Bench, by: &str, reason: &str) -> Result<Vec<Event>, Refusal> {
    bench.act(by, Action::Waive { hold: None, reason: reason.to_owned() })
}

fn discharge(bench: &mut Bench, by: &str, duty: u32) -> Result<Vec<Event>, Refusal> {
    bench.act(by, Action::Discharge { duty, note: "seen to".to_owned() })
}

#[test]
fn a_waiver_lets_the_run_pass_and_never_looks_like_an_approval() {
    let mut bench = held("all");
    bench.approve("bob").unwrap();
    let events = waive(&mut bench, "dora", " the site is down ").unwrap();
    assert_eq!(
        types(&events),
        [
            "waiver.given",
            "hold.waived",
            "duty.opened",
            "duty.opened",
            "state.entered",
            "work.requested"
        ]
    );
    assert_eq!(
        data(&events[1]),
        json!({
            "hold": "authorize", "by": ["dora"], "reason": "the site is down",
            "conditions": ["approval/peers", "evidence/plan", "wait"],
        })
    );
    assert_eq!(
        last(&bench, "duty.opened")["due"],
        json!((bench.now() + hours(24 * 7)).to_string())
    );
    let view = bench.view();
    assert_eq!(view.waived[0].by, ["dora".parse().unwrap()]);
    assert_eq!(view.duties.len(), 2);
    assert!(!bench.types().contains(&"hold.released".to_owned()));
}

#[test]
fn who_may_not_waive_is_refused() {
    let mut bench = held("all");
    for (who, reason, code) in [
        ("bob", "down", RefusalCode::NotEligible),
        ("zed", "down", RefusalCode::NotMember),
        ("dora", "  ", RefusalCode::InvalidInput),
    ] {
        refused(waive(&mut bench, who, reason), code);
    }
    let told = refused(waive(&mut bench, "bob", "down"), RefusalCode::NotEligible).needed;
    assert_eq!(told, ["a waiver by role board: dora, eve"]);
    let mut own = submitted(&EMERGENCY.replace("SCOPE", "all"), "dora", json!({}));
    refused(waive(&mut own, "dora", "down"), RefusalCode::SelfApproval);
    bench.sleep(hours(24));
    refused(waive(&mut bench, "dora", "down"), RefusalCode::NotAwaited);
    let other = EMERGENCY.replace("waiver:", "signal: { name: go }\n      waiver:");
    let mut other = submitted(&other.replace("SCOPE", "all"), "ada", json!({}));
    waive(&mut other, "dora", "down").unwrap();
    refused(waive(&mut other, "dora", "down"), RefusalCode::NotAwaited);
}

#[test]
fn only_what_is_in_its_scope_is_waived() {
    let mut bench = held("[approval, wait]");
    waive(&mut bench, "dora", "down").unwrap();
    let view = bench.view();
    let of: Vec<_> =
        view.holds[0].conditions.iter().map(|one| (one.name.as_str(), one.status)).collect();
    assert_eq!(
        of,
        [
            ("peers", ConditionStatus::Waived),
            ("plan", ConditionStatus::Open),
            ("wait", ConditionStatus::Waived),
        ]
    );
    let steps: Vec<&str> = view.next_steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(
        steps.first(),
        Some(&"approve or reject `authorize`: it is waived, so no approval is needed")
    );
    assert!(steps.contains(&"attach the evidence `plan`"), "{steps:?}");
    assert!(!steps.iter().any(|step| step.starts_with("wait until")), "{steps:?}");
    let evidence = NewEvidence {
        digest: Digest::of(b"the plan"),
        size: Some(8),
        file: Some("plan.md".to_owned()),
        media_type: None,
        reference: None,
    };
    let attach = Action::Attach { name: "plan".to_owned(), evidence, note: None };
    let events = bench.act("ada", attach).unwrap();
    assert_eq!(data(&events[1])["conditions"], json!(["approval/peers", "wait"]));
    assert_eq!(bench.view().state, "work");
}

#[test]
fn a_veto_is_not_waived() {
    let mut bench = held("all");
    bench.act("fay", Action::vote(Vote::Veto, Some("it is a trap"))).unwrap();
    waive(&mut bench, "dora", "down").unwrap();
    assert_eq!(bench.view().state, "authorize");
    bench.act("fay", Action::Withdraw { hold: None, in_place_of: None, reason: None }).unwrap();
    assert_eq!(bench.view().state, "work");
}

#[test]
fn what_needs_two_takes_two() {
    let source = EMERGENCY
        .replace("start:", "input: { type: object }\nstart:")
        .replace("need: 1\n", "need: 2\n")
        .replace("SCOPE", "all");
    let mut bench = submitted(&source, "ada", json!({}));
    waive(&mut bench, "dora", "down").unwrap();
    assert_eq!(bench.view().state, "authorize");
    refused(waive(&mut bench, "dora", "still down"), RefusalCode::AlreadyVoted);
    // What was waived was the input as it was.
    let amend = Action::Amend { input: json!({ "a": 1 }), reason: "more".to_owned() };
    bench.act("ada", amend).unwrap();
    waive(&mut bench, "eve", "down").unwrap();
    assert_eq!(bench.view().state, "authorize");
    waive(&mut bench, "dora", "down again").unwrap();
    assert_eq!(last(&bench, "hold.waived")["by"], json!(["dora", "eve"]));
    assert_eq!(last(&bench, "hold.waived")["reason"], "down; down again");
}

#[test]
fn what_is_owed_keeps_the_run_from_its_end_however_it_would_end() {
    let mut bench = held("all");
    waive(&mut bench, "dora", "down").unwrap();
    let cancel = Action::Cancel { reason: "enough".to_owned() };
    let refusal = refused(bench.act("ada", cancel.clone()), RefusalCode::DutiesOpen);
    assert_eq!(refusal.needed, ["the duties 1, 2 discharged, by those who may"]);
    let effect = open(&bench)[0].clone();
    bench.attempt(&effect, done()).unwrap();
    assert_eq!(bench.status(), RunStatus::Held, "it waits before its end");
    bench.advance(hours(24 * 61));
    assert_eq!(bench.status(), RunStatus::Held, "so it does when its time is over");
    // Others look at it than who has waived.
    let told = refused(discharge(&mut bench, "dora", 1), RefusalCode::SelfApproval);
    assert!(told.message.starts_with("`dora` gave the waiver of `authorize`: "), "{told}");
    assert_eq!(told.needed, ["one of eve"]);
    // Who could not at all is told that, whoever gave the waiver.
    let told = refused(discharge(&mut bench, "dora", 2), RefusalCode::NotEligible);
    assert!(told.message.ends_with("role engineer or member fay does"), "{told}");
    discharge(&mut bench, "eve", 1).unwrap();
    discharge(&mut bench, "fay", 2).unwrap();
    assert!(matches!(bench.status(), RunStatus::Ended { .. }));
}

#[test]
fn what_is_not_done_in_time_is_overdue() {
    let mut bench = held("all");
    waive(&mut bench, "dora", "down").unwrap();
    bench.advance(hours(47));
    assert!(bench.view().duties.iter().all(|duty| !duty.overdue));
    bench.advance(hours(1));
    assert_eq!(last(&bench, "duty.overdue")["duty"], 1);
    assert!(bench.view().duties[0].overdue && !bench.view().duties[1].overdue);
    discharge(&mut bench, "eve", 1).unwrap();
    discharge(&mut bench, "bob", 2).unwrap();
    bench.advance(hours(24 * 9));
    let overdue = bench.types().iter().filter(|kind| *kind == "duty.overdue").count();
    assert_eq!(overdue, 1);
    bench.act("ada", Action::Cancel { reason: "enough".to_owned() }).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn what_cannot_be_is_found() {
    for (change, to, code) in [
        ("waived: work, ", "", "HP2010"),
        ("scope: SCOPE", "scope: [signal]", "HP2036"),
        ("scope: SCOPE", "scope: [moon]", "HP2004"),
        ("expired: refused", "expired: work", "HP2021"),
        (
            "role:board\n        not: [requester]\n        need: 1",
            "member:dora\n        need: 2",
            "HP2020",
        ),
    ] {
        assert!(EMERGENCY.contains(change), "{change}");
        let found = faults(&EMERGENCY.replace(change, to).replace("SCOPE", "all"));
        assert!(found.contains(&format!("[{code}]")), "{change}: {found}");
    }
}
