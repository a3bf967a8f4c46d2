//! Evidence: what a hold demands to be shown, and what becomes of votes when that changes.

use holdpoint_core::{
    Action, Digest, NewEvidence, Refusal, RefusalCode, RunStatus, Vote,
    event::Event,
    testing::{Bench, types},
};
use serde_json::{Value, json};

use crate::common::{data, ended, faults, hours, last, refused, submitted};

/// A piece of evidence with this content.
fn piece(content: &str) -> NewEvidence {
    NewEvidence {
        digest: Digest::of(content.as_bytes()),
        size: Some(content.len() as u64),
        file: Some("report.pdf".to_owned()),
        media_type: Some("application/pdf".to_owned()),
        reference: None,
    }
}

fn show(bench: &mut Bench, by: &str, name: &str, what: NewEvidence) -> Result<Vec<Event>, Refusal> {
    bench.act(by, Action::Attach { name: name.to_owned(), evidence: what, note: None })
}

fn attach(bench: &mut Bench, by: &str, name: &str, content: &str) -> Result<Vec<Event>, Refusal> {
    show(bench, by, name, piece(content))
}

/// What the hold still waits for, by name.
fn waits(bench: &Bench) -> Vec<String> {
    let view = bench.view();
    let conditions = view.holds.iter().flat_map(|hold| &hold.conditions);
    conditions.filter(|one| !one.met).map(|one| one.name.clone()).collect()
}

fn hold(conditions: &str) -> String {
    format!(
        "
workflow: shown
version: 1
title: Shown
input: {{ type: object, properties: {{ risk: {{ type: string, default: low }} }} }}
start: ask
states:
  ask:
    hold:
{}
    on: {{ released: later{} }}
  later: {{ hold: {{ evidence: [logbook], signal: {{ name: back }} }}, on: {{ released: ask }} }}
  done: {{ end: done }}
",
        conditions.lines().map(|line| format!("      {line}\n")).collect::<String>(),
        if conditions.contains("approval") { ", rejected: done" } else { ", expired: done" },
    )
}

fn demanding(conditions: &str) -> Bench {
    submitted(&hold(&format!("{conditions}\nexpires: 60d")), "ada", json!({}))
}

const VOTED: &str =
    "approval: { rules: { peers: { from: role:engineer, need: 2 } }, amended: POLICY }
evidence: [report, plan]";

fn voted(policy: &str) -> Bench {
    submitted(&hold(&VOTED.replace("POLICY", policy)), "ada", json!({}))
}

#[test]
fn a_hold_is_released_when_all_that_it_demands_was_shown() {
    let mut bench = demanding("evidence: [report, plan]");
    assert_eq!(waits(&bench), ["report", "plan"]);
    let events = attach(&mut bench, "fay", "plan", "the plan").unwrap();
    assert_eq!(types(&events), ["evidence.attached"]);
    let digest = Digest::of(b"the plan").to_string();
    assert_eq!(
        data(&events[0]),
        json!({
            "evidence": "plan", "state": "ask", "member": "fay", "roles": [], "digest": digest,
            "size": 8, "file": "report.pdf", "media_type": "application/pdf",
        })
    );
    assert_eq!(waits(&bench), ["report"]);
    let events = attach(&mut bench, "bob", "report", "it works").unwrap();
    assert_eq!(
        types(&events),
        ["evidence.attached", "hold.released", "state.entered", "hold.opened"]
    );
    let shown: Vec<_> =
        bench.view().evidence.into_iter().map(|one| (one.name, one.by.to_string())).collect();
    assert_eq!(
        shown,
        [("plan".to_owned(), "fay".to_owned()), ("report".to_owned(), "bob".to_owned())]
    );
}

#[test]
fn a_newer_piece_takes_the_place_of_the_older() {
    let mut bench = demanding("evidence: [report, plan]");
    attach(&mut bench, "ada", "report", "it fails").unwrap();
    attach(&mut bench, "ada", "report", "it works").unwrap();
    let [shown] = bench.view().evidence.try_into().unwrap();
    assert_eq!(shown.digest, Digest::of(b"it works"));
}

#[test]
fn what_can_still_be_wanted_may_come_early_and_nothing_else_may() {
    let mut bench = demanding("evidence: [report]");
    attach(&mut bench, "ada", "logbook", "day one").unwrap();
    let refusal = refused(attach(&mut bench, "ada", "diary", "x"), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["it can still want logbook, report"]);
    refused(attach(&mut bench, "zed", "report", "x"), RefusalCode::NotMember);
    attach(&mut bench, "ada", "report", "it works").unwrap();
    assert_eq!(waits(&bench), ["back"], "the logbook was there before");
}

#[test]
fn a_piece_must_be_what_is_demanded() {
    let mut bench = demanding(
        "evidence:
  report: { from: [role:board, member:cy], not: [requester], media: [application/pdf, image/*], max_size: 1 kB }",
    );
    let refusal = refused(attach(&mut bench, "ada", "report", "x"), RefusalCode::SelfApproval);
    assert_eq!(refusal.needed, ["`report` attached by role board or member cy: cy, dora, eve"],);
    refused(attach(&mut bench, "bob", "report", "x"), RefusalCode::NotEligible);
    let text = NewEvidence { media_type: Some("text/plain".to_owned()), ..piece("x") };
    let refusal =
        refused(show(&mut bench, "cy", "report", text.clone()), RefusalCode::InvalidInput);
    assert_eq!(
        refusal.message,
        "this is not the evidence `report`: it is text/plain, and must be application/pdf or image/*"
    );
    let untyped = NewEvidence { media_type: None, ..text };
    refused(show(&mut bench, "cy", "report", untyped), RefusalCode::InvalidInput);
    let large = NewEvidence { size: Some(1_001), ..piece("x") };
    let refusal =
        refused(show(&mut bench, "cy", "report", large.clone()), RefusalCode::InvalidInput);
    assert!(refusal.message.ends_with("it has 1001 bytes, and may have 1 kB"), "{refusal}");
    let malformed = NewEvidence { file: Some("../report.pdf".to_owned()), ..piece("x") };
    refused(show(&mut bench, "cy", "report", malformed), RefusalCode::InvalidInput);
    // What is kept elsewhere takes no room here.
    let elsewhere = NewEvidence {
        reference: Some("https://reports.example.com/4711".to_owned()),
        media_type: Some("image/png".to_owned()),
        ..large
    };
    show(&mut bench, "cy", "report", elsewhere).unwrap();
    assert_eq!(bench.view().state, "later");
}

#[test]
fn a_piece_counts_as_long_as_it_is_valid() {
    let mut bench = demanding("evidence: { report: { valid: 2d } }\nsignal: { name: go }");
    attach(&mut bench, "ada", "report", "it works").unwrap();
    bench.advance(hours(48));
    assert_eq!(waits(&bench), ["report", "go"]);
    bench.act("ada", Action::Signal { name: "go".to_owned(), data: Value::Null }).unwrap();
    assert_eq!(waits(&bench), ["report"], "it is as old as it may not be");
    attach(&mut bench, "ada", "report", "it works").unwrap();
    assert_eq!(bench.view().state, "later");
}

#[test]
fn a_piece_is_demanded_anew_where_the_definition_says_so() {
    let again =
        "evidence: { report: { again: [each_visit, amended] }, plan: {} }\nsignal: { name: go }";
    let mut bench = demanding(again);
    attach(&mut bench, "ada", "report", "it works").unwrap();
    attach(&mut bench, "ada", "plan", "the plan").unwrap();
    assert_eq!(waits(&bench), ["go"]);
    let input = json!({ "risk": "high" });
    bench.act("ada", Action::Amend { input, reason: "more risk".to_owned() }).unwrap();
    assert_eq!(waits(&bench), ["report", "go"]);
    attach(&mut bench, "ada", "report", "it still works").unwrap();
    let signal = |name: &str| Action::Signal { name: name.to_owned(), data: Value::Null };
    bench.act("ada", signal("go")).unwrap();
    bench.advance(hours(1));
    attach(&mut bench, "ada", "logbook", "day one").unwrap();
    bench.act("ada", signal("back")).unwrap();
    assert_eq!(waits(&bench), ["report", "go"]);
}

#[test]
fn what_does_not_apply_is_not_demanded() {
    let source =
        hold("evidence: { report: {}, proof: { when: \"input.risk == 'high'\" } }\nexpires: 9d");
    let bench = submitted(&source, "ada", json!({ "risk": "high" }));
    assert_eq!(waits(&bench), ["report", "proof"]);
    let mut bench = submitted(&source, "ada", json!({ "risk": "low" }));
    assert_eq!(last(&bench, "hold.opened")["not_applicable"], json!(["evidence/proof"]));
    attach(&mut bench, "ada", "report", "it works").unwrap();
    assert_eq!(bench.view().state, "later");
}

#[test]
fn a_vote_says_what_it_was_given_on() {
    let mut bench = voted("keep");
    attach(&mut bench, "ada", "report", "it works").unwrap();
    bench.approve("bob").unwrap();
    let digest = Digest::of(b"it works").to_string();
    assert_eq!(last(&bench, "approval.granted")["evidence"], json!({ "report": digest }));
}

#[test]
fn what_becomes_of_votes_is_what_the_definition_says() {
    // What is attached after the vote, and whether the vote stands.
    for (policy, name, content, stands) in [
        ("reset", "report", "it works now", false),
        ("reset", "plan", "the plan", false),
        ("reset", "report", "it works", true),
        ("subset", "report", "it works now", false),
        ("subset", "plan", "the plan", true),
        ("keep", "report", "it works now", true),
        ("keep", "plan", "the plan", true),
    ] {
        let mut bench = voted(policy);
        attach(&mut bench, "ada", "report", "it works").unwrap();
        bench.approve("bob").unwrap();
        let veto = Action::vote(Vote::Veto, Some("no"));
        refused(bench.act("fay", veto), RefusalCode::NotAwaited);
        let events = attach(&mut bench, "ada", name, content).unwrap();
        let reset = data(&events[0]).get("reset").cloned();
        assert_eq!(
            reset,
            (!stands).then(|| json!({ "ask": ["bob"] })),
            "{policy} {name} {content}"
        );
        let votes: usize = bench.view().holds[0].conditions.iter().map(|one| one.votes.len()).sum();
        assert_eq!(votes, usize::from(stands), "{policy} {name} {content}");
        if !stands {
            bench.approve("bob").unwrap();
        }
    }
}

#[test]
fn what_is_attached_for_later_changes_no_vote() {
    let mut bench = voted("reset");
    bench.approve("bob").unwrap();
    let events = attach(&mut bench, "ada", "logbook", "day one").unwrap();
    assert_eq!(data(&events[0]).get("reset"), None);
}

#[test]
fn a_deadline_does_not_do_what_evidence_must() {
    let mut bench = demanding("evidence: [report]");
    bench.sleep(hours(24 * 60));
    refused(attach(&mut bench, "ada", "report", "it works"), RefusalCode::NotAwaited);
    bench.advance(hours(0));
    assert_eq!(bench.status(), ended("done"));
    let found = faults(
        &hold("evidence: [report]\nexpires: 60d").replace("expired: done", "expired: later"),
    );
    assert!(found.contains("[HP2021]"), "{found}");
}

#[test]
fn an_ended_run_is_shown_nothing() {
    let mut bench = demanding("evidence: [report]");
    bench.act("ada", Action::Cancel { reason: "enough".to_owned() }).unwrap();
    refused(attach(&mut bench, "ada", "report", "it works"), RefusalCode::RunEnded);
    assert!(matches!(bench.status(), RunStatus::Ended { .. }));
}

const BRANCHES: &str = "
workflow: branches
version: 1
title: Two who look at the same
start: both
states:
  both:
    all:
      branches:
        network:
          start: look
          states:
            look:
              hold:
                approval: { rules: { peer: { from: role:engineer, need: 2 } }, amended: subset }
                evidence: [report]
              on: { released: seen, rejected: failed }
            seen: { end: done }
            failed: { end: failed }
        storage:
          start: await
          states:
            await: { hold: { evidence: [report] }, on: { released: shown } }
            shown: { end: done }
      good: [done]
      join: all
      others: wait
    on: { completed: over, failed: over }
  over: { end: over }
";

#[test]
fn every_branch_that_demands_a_piece_sees_it() {
    let mut bench = submitted(BRANCHES, "ada", json!({}));
    bench.approve("bob").unwrap();
    let events = attach(&mut bench, "ada", "report", "it works").unwrap();
    assert_eq!(
        types(&events),
        ["evidence.attached", "hold.released", "state.entered", "branch.ended"]
    );
    let events = attach(&mut bench, "ada", "report", "it works better").unwrap();
    assert_eq!(data(&events[0]).get("reset"), None, "bob had seen none");
    bench.approve("cy").unwrap();
    assert_eq!(bench.status(), ended("over"));

    let mut bench = submitted(BRANCHES, "ada", json!({}));
    attach(&mut bench, "ada", "report", "it works").unwrap();
    bench.approve("bob").unwrap();
    let events = attach(&mut bench, "ada", "report", "it works better").unwrap();
    assert_eq!(data(&events[0])["reset"], json!({ "look": ["bob"] }));
}
