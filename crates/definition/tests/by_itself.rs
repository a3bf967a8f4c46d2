//! What a hold does by itself: it goes on where nobody objects, reminds, and asks others as well.

use holdpoint_core::{
    Action, Command, RefusalCode, RunStatus,
    run::DueStep,
    testing::{Bench, types},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::common::{data, ended, faults, hours, last, refused, signal, submitted};

const NOTICE: &str = "
workflow: notice
version: 1
title: A notice
start: notice
states:
  notice:
    hold:
      witness: { from: [role:board, member:fay], for: 2d }
    on: { released: done, objected: refused }
  done: { end: done }
  refused: { end: refused }
";

fn object(reason: &str) -> Action {
    Action::Object { hold: None, reason: reason.to_owned() }
}

fn held(source: &str) -> Bench {
    submitted(source, "ada", json!({}))
}

#[test]
fn a_witness_point_says_where_nobody_is_there_who_could_object() {
    let bench = held(&NOTICE.replace("[role:board, member:fay]", "[role:security]"));
    assert_eq!(
        bench.view().holds[0].conditions[0].summary,
        "no objection by role security until 2026-01-07 09:00:00 UTC; there is nobody now who could object"
    );
}

#[test]
fn a_run_goes_on_where_nobody_objects_and_that_is_no_approval() {
    let mut bench = held(NOTICE);
    let view = bench.view();
    assert_eq!(
        view.holds[0].conditions[0].summary,
        "no objection by role board or member fay until 2026-01-07 09:00:00 UTC"
    );
    assert_eq!(
        view.next_steps[0].text,
        "object to `notice`, with a reason, before 2026-01-07 09:00:00 UTC"
    );
    refused(bench.approve("dora"), RefusalCode::NotAwaited);
    bench.advance(hours(48) - SignedDuration::from_nanos(1));
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(SignedDuration::from_nanos(1));
    assert_eq!(bench.status(), ended("done"));
    let types = bench.types();
    assert_eq!(
        types[types.len() - 5..],
        ["timer.fired", "witness.no_objection", "hold.released", "state.entered", "run.ended"]
    );
    assert_eq!(
        last(&bench, "witness.no_objection"),
        json!({ "hold": "notice", "until": "2026-01-07T09:00:00Z" })
    );
    assert!(types.iter().all(|kind| !kind.starts_with("approval")));
}

#[test]
fn an_objection_ends_the_hold() {
    let mut bench = held(NOTICE);
    bench.advance(hours(47));
    refused(bench.act("ada", object("no")), RefusalCode::NotEligible);
    refused(bench.act("zed", object("no")), RefusalCode::NotMember);
    refused(bench.act("dora", object(" ")), RefusalCode::InvalidInput);
    let named = Action::Object { hold: Some("other".to_owned()), reason: "no".to_owned() };
    refused(bench.act("dora", named), RefusalCode::NotAwaited);
    let events = bench.act("dora", object(" the shop is full ")).unwrap();
    assert_eq!(types(&events), ["hold.objected", "state.entered", "run.ended"]);
    assert_eq!(
        data(&events[0]),
        json!({
            "hold": "notice", "member": "dora", "roles": ["board"], "reason": "the shop is full"
        })
    );
    assert_eq!(bench.status(), ended("refused"));
}

#[test]
fn an_objection_that_comes_too_late_is_refused_also_before_the_time_was_noticed() {
    let source = NOTICE.replace("for: 2d }", "for: 2d }\n      signal: { name: go }");
    let mut bench = held(&source);
    bench.advance(hours(48));
    assert_eq!(bench.status(), RunStatus::Held);
    let refusal = refused(bench.act("dora", object("no")), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "objections to `notice` were due before 2026-01-07 09:00:00 UTC");
    bench.act("bob", signal("go", Value::Null)).unwrap();
    assert_eq!(bench.status(), ended("done"));
    let mut plain = held(
        "
workflow: w
version: 1
title: W
start: a
states:
  a: { hold: { signal: { name: go } }, on: { released: z } }
  z: { end: z }
",
    );
    let refusal = refused(plain.act("dora", object("no")), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the hold `a` asks for no objections");
}

#[test]
fn a_witness_point_has_an_outcome_for_objections() {
    let found = faults(
        &NOTICE.replace(", objected: refused", "").replace("  refused: { end: refused }\n", ""),
    );
    assert!(
        found.contains("error[HP2010]: `notice` does not say where `objected` leads"),
        "{found}"
    );
}

#[test]
fn a_witness_point_that_expires_first_is_found() {
    let source = |time: &str| {
        let witness = format!("for: 2d }}\n      signal: {{ name: go, expires: {time} }}");
        NOTICE.replace("for: 2d }", &witness).replace("objected:", "expired: refused, objected:")
    };
    let found = faults(&source("47h"));
    let told = "error[HP2020]: `notice` expires before the time of its `witness` ends";
    assert!(found.contains(told), "{found}");
    crate::common::workflow(&source("2d"));
}

const ASK: &str = "
workflow: ask
version: 1
title: Ask
start: ask
states:
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 2 } }
        not: [requester]
        remind: { every: 1d }
        escalate: { after: 60h, to: role:board }
        expires: 100h
    on: { released: done, rejected: done, expired: lapsed }
  done: { end: done }
  lapsed: { end: lapsed }
";

fn reminders(bench: &Bench) -> Vec<(u64, Vec<String>)> {
    let reminded =
        bench.history().iter().filter(|one| one.kind.as_str() == "holdpoint.hold.reminded");
    reminded
        .map(|event| {
            let data = data(event);
            let to = data["to"].as_array().unwrap().iter();
            let to = to.map(|member| member.as_str().unwrap().to_owned()).collect();
            (data["reminder"].as_u64().unwrap(), to)
        })
        .collect()
}

#[test]
fn those_who_could_approve_are_reminded_until_they_have() {
    let mut bench = held(ASK);
    bench.advance(hours(24));
    bench.approve("bob").unwrap();
    bench.advance(hours(24));
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(reminders(&bench), [(1, names(&["bob", "cy", "eve"])), (2, names(&["cy", "eve"]))]);
    bench.advance(hours(52));
    // At 60 h the board is asked as well; the fourth reminder, at 96 h, is the last before 100 h.
    assert_eq!(reminders(&bench)[3], (4, names(&["cy", "dora", "eve"])));
    assert_eq!(reminders(&bench).len(), 4);
    assert_eq!(bench.status(), ended("lapsed"));

    let source = ASK.replace(
        "        remind:",
        "        veto: { from: member:fay, overrule: role:board }\n        remind:",
    );
    let mut bench = held(&source);
    bench.act("fay", Action::vote(holdpoint_core::Vote::Veto, Some("no"))).unwrap();
    bench.approve("bob").unwrap();
    bench.approve("cy").unwrap();
    bench.advance(hours(99));
    assert_eq!(reminders(&bench), [], "nobody is reminded of what is approved");
}

#[test]
fn a_reminder_comes_once_where_it_says_after() {
    let mut bench = held(&ASK.replace("every: 1d", "after: 30h"));
    bench.advance(hours(99));
    assert_eq!(reminders(&bench).len(), 1);
}

/// The command with which an engine would fire a timer.
fn fire(bench: &mut Bench, what: &str) -> Command {
    let due = bench.due();
    let found = due.iter().find(|due| due.effect.as_str().ends_with(what)).unwrap();
    assert!(matches!(found.step, DueStep::Fire { .. }));
    let effect = found.effect.clone();
    bench.command("engine", Action::TimerFired { effect })
}

#[test]
fn reminders_that_nobody_noticed_in_time_are_left_out() {
    // What is due while the engine is down is noticed at once when it is back: once.
    let source = ASK
        .replace("every: 1d", "every: 1h")
        .replace("        escalate: { after: 60h, to: role:board }\n", "");
    let mut bench = held(&source);
    let first = fire(&mut bench, "/remind-1");
    refused(bench.send(&first), RefusalCode::NotAwaited);
    bench.sleep(hours(7));
    let late = fire(&mut bench, "/remind-1");
    bench.send(&late).unwrap();
    assert_eq!(reminders(&bench).iter().map(|one| one.0).collect::<Vec<_>>(), [7]);
    let due: Vec<String> = bench.due().iter().map(|due| due.effect.to_string()).collect();
    assert_eq!(due, ["ask#1/deadline", "ask#1/remind-8"]);
}

#[test]
fn escalation_asks_others_as_well_and_waives_no_qualification() {
    let source = ASK.replace("need: 2", "qualified: network, need: 2");
    let mut bench = held(&source);
    refused(bench.approve("dora"), RefusalCode::NotEligible);
    bench.advance(hours(60));
    assert_eq!(last(&bench, "hold.escalated"), json!({ "hold": "ask", "to": ["role:board"] }));
    bench.approve("dora").unwrap();
    refused(bench.approve("cy"), RefusalCode::NotQualified);
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_witness_time_after_the_deadline_never_comes() {
    for (witness, expected) in [("1d", "done"), ("2d", "done"), ("3d", "lapsed")] {
        let source = format!(
            "
workflow: both
version: 1
title: Both
start: both
states:
  both:
    hold:
      witness: {{ from: role:board, for: {witness} }}
      signal: {{ name: go, expires: '${{\"2d\"}}' }}
    on: {{ released: done, objected: refused, expired: lapsed }}
  done: {{ end: done }}
  refused: {{ end: refused }}
  lapsed: {{ end: lapsed }}
"
        );
        let mut bench = held(&source);
        bench.act("bob", signal("go", Value::Null)).unwrap();
        assert_eq!(bench.status(), RunStatus::Held);
        let mut late = bench.clone();
        bench.advance(hours(24 * 7));
        assert_eq!(bench.status(), ended(expected), "{witness}");
        // The same when everything is noticed late, the deadline first.
        late.sleep(hours(24 * 7));
        let deadline = fire(&mut late, "/deadline");
        late.send(&deadline).unwrap();
        assert_eq!(late.status(), ended(expected), "{witness}, noticed late");
    }
}
