//! Who may send a signal: in time, early, and after the input was amended.

use holdpoint_core::{Action, RefusalCode};
use serde_json::json;

use crate::common::{faults, last, refused, signal, submitted, workflow};

const GATES: &str = r#"
workflow: gates
version: 1
title: Gates
input: { type: object, properties: { domain: { type: string, default: network } } }
start: one
states:
  one:
    hold:
      approval: { rules: { any: { from: role:engineer, need: 1 } }, amended: keep }
      signal: { name: go, from: [role:engineer, member:fay], not: [requester, editors], qualified: "${input.domain}" }
    on: { released: two, rejected: done }
  two:
    hold: { signal: { name: go, from: role:board } }
    on: { released: done }
  done: { end: done }
"#;

#[test]
fn only_those_may_send_it_whom_the_hold_asks() {
    let mut bench = submitted(GATES, "ada", json!({}));
    for (by, code, says) in [
        ("ada", RefusalCode::SelfApproval, "`ada` submitted the run"),
        ("cy", RefusalCode::NotQualified, "`cy` is not qualified in network now"),
        ("dora", RefusalCode::NotEligible, "`dora` is none of those who may send it"),
        ("fay", RefusalCode::NotQualified, "`fay` is not qualified in network now"),
    ] {
        let refusal = refused(bench.act(by, signal("go", json!(1))), code);
        assert!(refusal.message.starts_with(says), "{refusal}");
        assert_eq!(
            refusal.needed,
            [
                "the signal `go` sent by role engineer or member fay, qualified in input.domain, but not the requester or the editors: bob, eve"
            ]
        );
    }
    let view = bench.view();
    let condition = view.holds[0].conditions.iter().find(|one| one.kind == "signal").unwrap();
    let can = condition.candidates.iter().filter(|one| one.lacks.is_none());
    let can: Vec<&str> = can.map(|one| one.member.as_str()).collect();
    assert_eq!(can, ["bob", "eve"]);
    bench.act("bob", signal("go", json!(1))).unwrap();
    assert_eq!(
        last(&bench, "signal.received"),
        json!({
            "name": "go",
            "data": 1,
            "sender": { "member": "bob", "holds": ["one"], "roles": ["engineer"], "qualified": ["network"] }
        })
    );
}

#[test]
fn an_early_one_is_for_the_holds_to_which_its_sender_could_send_it() {
    let mut bench = submitted(GATES, "ada", json!({}));
    bench.act("bob", signal("go", json!("for one"))).unwrap();
    // Now only `two` can want it.
    refused(bench.act("bob", signal("go", json!("again"))), RefusalCode::NotEligible);
    bench.act("dora", signal("go", json!("for two"))).unwrap();
    bench.approve("cy").unwrap();
    assert_eq!(bench.view().status, crate::common::ended("done"));
    assert_eq!(last(&bench, "signal.consumed")["hold"], "two");
}

#[test]
fn what_an_editor_has_sent_falls_with_the_older_text() {
    let source = GATES.replace("not: [requester, editors]", "not: [editors]");
    for (sender, domain, stands) in
        [("bob", "network", true), ("ada", "network", false), ("bob", "storage", false)]
    {
        let mut bench = submitted(&source, "bob", json!({}));
        bench.act(sender, signal("go", json!(1))).unwrap();
        let input = json!({ "domain": domain, "more": 1 });
        bench.act("ada", Action::Amend { input, reason: "another".to_owned() }).unwrap();
        let view = bench.view();
        let met = view.holds[0].conditions.iter().any(|one| one.kind == "signal" && one.met);
        assert_eq!(met, stands, "{sender} {domain}");
    }
}

#[test]
fn what_cannot_be_is_found() {
    let with = |signal: &str| {
        format!(
            "workflow: x\nversion: 1\ntitle: X\nstart: a\nstates:\n  a: {{ hold: {{ signal: {signal} }}, on: {{ released: z }} }}\n  z: {{ end: z }}\n"
        )
    };
    for (signal, says) in [
        ("{ name: go, from: [] }", "HP"),
        ("{ name: go, not: [everybody] }", "everybody"),
        ("{ name: go, qualified: 'A b' }", "qualification"),
    ] {
        let found = faults(&with(signal));
        assert!(found.contains(says), "{found}");
    }
    workflow(&with("{ name: go, not: [requester] }"));
}
