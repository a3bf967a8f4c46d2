//! Tasks: what people do by hand while a hold is open, and confirm.

use holdpoint_core::{
    Action, Refusal, RefusalCode,
    event::Event,
    testing::{Bench, types},
};
use serde_json::json;

use crate::common::{data, ended, faults, hours, last, refused, submitted};

const PREPARE: &str = "
workflow: prepare
version: 1
title: Prepare a rack
input:
  type: object
  properties: { rack: { type: string, default: r1 }, risk: { type: string, default: low } }
start: prepare
states:
  prepare:
    hold:
      task:
        cabling:
          title: 'Connect ${input.rack}'
          instructions: Both feeds
          from: role:engineer
          not: [requester]
          qualified: network
          need: 2
        labels: { title: Label it, from: [role:engineer, member:fay], note: required }
        photo: { when: \"input.risk == 'high'\", title: Photograph it, from: role:board }
      expires: 7d
    on: { released: done, expired: lapsed }
  done: { end: done }
  lapsed: { end: lapsed }
";

fn prepared() -> Bench {
    submitted(PREPARE, "ada", json!({}))
}

fn done(
    bench: &mut Bench,
    by: &str,
    task: &str,
    note: Option<&str>,
) -> Result<Vec<Event>, Refusal> {
    let (task, note) = (Some(task.to_owned()), note.map(str::to_owned));
    bench.act(by, Action::Done { hold: None, task, note })
}

fn reopen(bench: &mut Bench, by: &str, task: &str, reason: &str) -> Result<Vec<Event>, Refusal> {
    let (task, reason) = (Some(task.to_owned()), reason.to_owned());
    bench.act(by, Action::Reopen { hold: None, task, reason })
}

/// What the hold still waits for, with how many each needs.
fn waits(bench: &Bench) -> Vec<(String, u32)> {
    let view = bench.view();
    let conditions = view.holds.iter().flat_map(|hold| &hold.conditions);
    conditions.filter(|one| !one.met).map(|one| (one.name.clone(), one.open)).collect()
}

#[test]
fn a_hold_is_released_when_every_task_that_applies_is_done() {
    let mut bench = prepared();
    let opened = last(&bench, "hold.opened");
    assert_eq!(opened["not_applicable"], json!(["task/photo"]));
    assert_eq!(
        opened["tasks"],
        json!([
            { "task": "cabling", "title": "Connect r1", "instructions": "Both feeds", "need": 2, "qualified": "network" },
            { "task": "labels", "title": "Label it", "need": 1 },
        ])
    );
    let events = done(&mut bench, "bob", "cabling", None).unwrap();
    assert_eq!(types(&events), ["task.confirmed"]);
    assert_eq!(
        data(&events[0]),
        json!({
            "hold": "prepare", "task": "cabling", "member": "bob", "roles": ["engineer"],
            "qualified": "network", "executes": true,
        })
    );
    assert_eq!(waits(&bench), [("cabling".to_owned(), 1), ("labels".to_owned(), 1)]);
    done(&mut bench, "eve", "cabling", None).unwrap();
    let events = done(&mut bench, "fay", "labels", Some("both sides")).unwrap();
    assert_eq!(types(&events), ["task.confirmed", "hold.released", "state.entered", "run.ended"]);
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn who_may_not_confirm_is_told_who_may() {
    let mut bench = prepared();
    for (who, task, note, code) in [
        ("ada", "cabling", None, RefusalCode::SelfApproval),
        ("fay", "cabling", None, RefusalCode::NotEligible),
        ("cy", "cabling", None, RefusalCode::NotQualified),
        ("zed", "cabling", None, RefusalCode::NotMember),
        ("bob", "labels", None, RefusalCode::InvalidInput),
        ("bob", "labels", Some("  "), RefusalCode::InvalidInput),
        ("bob", "photo", None, RefusalCode::NotAwaited),
        ("bob", "nothing", None, RefusalCode::NotAwaited),
    ] {
        refused(done(&mut bench, who, task, note), code);
    }
    let refusal = refused(done(&mut bench, "fay", "cabling", None), RefusalCode::NotEligible);
    assert_eq!(refusal.needed, ["`cabling` confirmed by role engineer: bob, eve"]);
}

#[test]
fn two_people_are_two_people() {
    let mut bench = prepared();
    done(&mut bench, "bob", "cabling", None).unwrap();
    refused(done(&mut bench, "bob", "cabling", None), RefusalCode::NotAwaited);
    done(&mut bench, "eve", "cabling", None).unwrap();
    let all = done(&mut bench, "dora", "cabling", None);
    refused(all, RefusalCode::NotEligible);
}

#[test]
fn the_only_open_task_need_not_be_named() {
    let mut bench = prepared();
    let unnamed = Action::Done { hold: None, task: None, note: Some("x".to_owned()) };
    let refusal = refused(bench.act("bob", unnamed.clone()), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["its tasks are cabling, labels"]);
    done(&mut bench, "bob", "cabling", None).unwrap();
    done(&mut bench, "eve", "cabling", None).unwrap();
    bench.act("bob", unnamed).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_task_is_reopened_before_the_release() {
    let mut bench = prepared();
    refused(reopen(&mut bench, "bob", "cabling", "loose"), RefusalCode::NotAwaited);
    done(&mut bench, "bob", "cabling", None).unwrap();
    done(&mut bench, "eve", "cabling", None).unwrap();
    refused(reopen(&mut bench, "fay", "cabling", "loose"), RefusalCode::NotEligible);
    refused(reopen(&mut bench, "cy", "cabling", " "), RefusalCode::InvalidInput);
    let events = reopen(&mut bench, "cy", "cabling", "a feed is loose").unwrap();
    assert_eq!(types(&events), ["task.reopened"]);
    assert_eq!(waits(&bench).first(), Some(&("cabling".to_owned(), 2)));
    done(&mut bench, "bob", "cabling", None).unwrap();
}

#[test]
fn what_an_amendment_leaves_as_it_was_is_still_done() {
    let mut bench = prepared();
    done(&mut bench, "bob", "cabling", None).unwrap();
    done(&mut bench, "fay", "labels", Some("both sides")).unwrap();
    let amend = |rack: &str, risk: &str| Action::Amend {
        input: json!({ "rack": rack, "risk": risk }),
        reason: "another".to_owned(),
    };
    bench.act("ada", amend("r1", "high")).unwrap();
    assert_eq!(waits(&bench), [("cabling".to_owned(), 1), ("photo".to_owned(), 1)]);
    bench.act("ada", amend("r2", "high")).unwrap();
    assert_eq!(waits(&bench), [("cabling".to_owned(), 2), ("photo".to_owned(), 1)]);
}

#[test]
fn a_deadline_does_not_do_what_people_must() {
    let mut bench = prepared();
    bench.sleep(hours(24 * 7));
    refused(done(&mut bench, "bob", "cabling", None), RefusalCode::NotAwaited);
    bench.advance(hours(0));
    assert_eq!(bench.status(), ended("lapsed"));
    let found = faults(&PREPARE.replace("expired: lapsed", "expired: done"));
    assert!(found.contains("[HP2021]"), "{found}");
}
