//! Conflicts when a hold is about to be released: who is kept by them, and what lets go.

use holdpoint_core::{
    Action, Digest, Event, NewEvidence, NextAsk, Refusal, RefusalCode, RunId,
    conflict::{Found, Look, Overlap, Relation, digest},
    testing::Bench,
    view::ConditionView,
};
use serde_json::json;

use crate::common::{faults, last, refused, submitted, workflow};

const CHANGE: &str = "
workflow: change
version: 1
title: A change
input:
  type: object
  required: [items]
  properties: { items: { type: array, items: { type: string } } }
start: ready
states:
  ready:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
        not: [requester]
        veto: { from: role:board, overrule: role:board }
        amended: keep
      conflicts: { found: hold, accept: role:board }
      expires: 2d
    on: { released: work, rejected: refused, expired: lapsed }
  work:
    do: { activity: { run: work } }
    on: { succeeded: done, failed: ready }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
";

fn run(number: u128) -> RunId {
    RunId::from_uuid(holdpoint_core::testing::uuid(0xf000 + number))
}

fn found(number: u64, first: bool, items: &[&str]) -> Found {
    let same = |name: &&str| Overlap {
        item: name.parse().unwrap(),
        relation: Relation::Same,
        other: name.parse().unwrap(),
    };
    let items = items.iter().map(same).collect();
    Found {
        run: run(number.into()),
        number,
        title: "Other".to_owned(),
        first,
        digest: digest(&items),
        items: items.into_iter().collect(),
    }
}

fn asks(bench: &Bench) -> Option<String> {
    bench.claims().looks.map(|effect| effect.to_string())
}

/// What an engine does for a run that asks: `None` where it does not.
fn look(bench: &mut Bench, with: &[Found]) -> Result<Vec<Event>, Refusal> {
    let effect = bench.claims().looks.expect("it asks for a look");
    let (at, found) = (bench.run().at().version, Look { with: with.to_vec(), more: 0 });
    bench.act("engine", Action::ConflictsLooked { effect, at, found })
}

fn accept(bench: &mut Bench, by: &str, number: u128, reason: &str) -> Result<Vec<Event>, Refusal> {
    bench.act(by, Action::AcceptConflict { with: run(number), reason: reason.to_owned() })
}

fn condition(bench: &Bench) -> ConditionView {
    let view = bench.view();
    let all = view.holds.into_iter().flat_map(|hold| hold.conditions);
    all.into_iter().find(|one| one.kind == "conflicts").expect("the condition")
}

fn waiting(source: &str) -> Bench {
    let mut bench = submitted(source, "ada", json!({ "items": ["a"] }));
    assert_eq!(asks(&bench), None, "it has not all else");
    bench.approve("bob").unwrap();
    assert_eq!(asks(&bench).as_deref(), Some("ready#1/conflicts"));
    assert_eq!(bench.view().state, "ready", "nothing is released without a look");
    bench
}

/// Whether people are told that what is missing is a look.
fn says_look(bench: &Bench) -> bool {
    let steps = bench.view().next_steps;
    steps.iter().any(|step| step.text == "run `holdpoint work`, which looks for conflicts")
}

#[test]
fn that_it_is_to_be_looked_for_conflicts_is_told_when_nothing_else_is_missing() {
    let mut bench = submitted(CHANGE, "ada", json!({ "items": ["a"] }));
    assert!(!says_look(&bench), "people have not approved");
    bench.approve("bob").unwrap();
    assert!(says_look(&bench));
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert!(!says_look(&bench), "a conflict keeps it");
    accept(&mut bench, "eve", 7, "they agreed").unwrap();
    assert!(says_look(&bench));
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert!(!says_look(&bench), "{:?}", bench.view().next_steps);
    let locking = CHANGE.replace("expires: 2d", "expires: 2d\n      lock: \"${input.items}\"");
    let mut bench = waiting(&locking);
    assert!(says_look(&bench));
    look(&mut bench, &[]).unwrap();
    let steps = bench.view().next_steps;
    let locks = "wait for the locks, which `holdpoint work` asks for";
    assert!(!says_look(&bench) && steps.iter().any(|one| one.text.starts_with(locks)), "{steps:?}");
}

#[test]
fn a_hold_is_released_when_a_look_finds_nothing_and_records_that() {
    let mut bench = waiting(CHANGE);
    assert!(!condition(&bench).met);
    look(&mut bench, &[]).unwrap();
    assert_eq!(bench.view().state, "work");
    assert_eq!(last(&bench, "conflict.checked"), json!({ "hold": "ready", "with": [] }));
    assert_eq!(asks(&bench), None);
}

#[test]
fn who_goes_first_is_not_kept_by_who_comes_after() {
    let mut bench = waiting(CHANGE);
    look(&mut bench, &[found(7, false, &["a"])]).unwrap();
    assert_eq!(bench.view().state, "work");
    assert_eq!(last(&bench, "conflict.checked")["with"][0]["number"], 7);
}

#[test]
fn a_conflict_keeps_the_hold_until_it_is_over() {
    let mut bench = waiting(CHANGE);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert_eq!(bench.view().state, "ready");
    let shown = condition(&bench);
    assert_eq!(shown.summary, "the end of the conflicts with run 7 (Other): both touch a");
    let could: Vec<_> = shown.candidates.iter().map(|one| one.member.as_str()).collect();
    assert_eq!(could, ["dora", "eve"]);
    let steps = bench.view().next_steps;
    let ask = NextAsk::AcceptConflict { with: run(7), number: 7 };
    assert!(steps.iter().any(|step| step.ask.as_ref() == Some(&ask)), "{steps:?}");
    // The same is not recorded again, and what is new is.
    let events = bench.history().len();
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert_eq!(bench.history().len(), events);
    look(&mut bench, &[found(7, true, &["a", "b"])]).unwrap();
    assert_eq!(bench.history().len(), events + 1);
    look(&mut bench, &[]).unwrap();
    assert_eq!(bench.view().state, "work");
}

#[test]
fn a_named_role_accepts_a_conflict_with_a_reason_and_the_look_comes_again() {
    let mut bench = waiting(CHANGE);
    let seven = || found(7, true, &["a"]);
    refused(accept(&mut bench, "eve", 7, "so"), RefusalCode::NotFound);
    look(&mut bench, &[seven(), found(8, true, &["a"])]).unwrap();
    refused(accept(&mut bench, "bob", 7, "so"), RefusalCode::NotEligible);
    refused(accept(&mut bench, "eve", 7, "  "), RefusalCode::InvalidInput);
    refused(accept(&mut bench, "eve", 9, "so"), RefusalCode::NotFound);
    accept(&mut bench, "eve", 7, "they agreed").unwrap();
    let event = last(&bench, "conflict.accepted");
    assert_eq!((&event["member"], &event["number"]), (&json!("eve"), &json!(7)));
    refused(accept(&mut bench, "eve", 7, "again"), RefusalCode::NotFound);
    look(&mut bench, &[seven(), found(8, true, &["a"])]).unwrap();
    assert_eq!(bench.view().state, "ready", "the other stands");
    // Accepted is what was seen, and no more.
    look(&mut bench, &[found(7, true, &["a", "b"])]).unwrap();
    assert_eq!(bench.view().state, "ready");
    look(&mut bench, &[seven()]).unwrap();
    let view = bench.view();
    assert_eq!(view.state, "work");
    let accepted: Vec<_> = view.accepted.iter().map(|one| (one.number, one.by.as_str())).collect();
    assert_eq!(accepted, [(7, "eve")]);
    assert!(!bench.types().contains(&"hold.waived".to_owned()));
}

#[test]
fn who_is_excluded_from_the_approval_accepts_nothing() {
    let mut bench = submitted(CHANGE, "eve", json!({ "items": ["a"] }));
    bench.approve("bob").unwrap();
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    refused(accept(&mut bench, "eve", 7, "mine"), RefusalCode::SelfApproval);
}

#[test]
fn an_amended_input_is_looked_at_anew() {
    let mut bench = waiting(CHANGE);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    accept(&mut bench, "eve", 7, "they agreed").unwrap();
    let amended = json!({ "items": ["b"] });
    bench.act("ada", Action::Amend { input: amended, reason: "more".to_owned() }).unwrap();
    assert!(!condition(&bench).met);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert_eq!(bench.view().state, "ready", "what was accepted was about the older text");
}

#[test]
fn a_look_at_what_has_changed_since_is_refused() {
    let mut bench = waiting(CHANGE);
    let (effect, at) = (bench.claims().looks.unwrap(), bench.run().at().version);
    bench.act("cy", Action::Comment { text: "wait".to_owned() }).unwrap();
    let found = Look::default();
    let late = bench.act("engine", Action::ConflictsLooked { effect, at, found });
    refused(late, RefusalCode::NotAwaited);
    assert_eq!(bench.view().state, "ready");
}

#[test]
fn a_veto_or_the_deadline_comes_before_a_look() {
    let mut bench = waiting(CHANGE);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    bench.act("dora", Action::vote(holdpoint_core::Vote::Veto, Some("no"))).unwrap();
    assert_eq!(asks(&bench), None, "it has not all else any more");
    bench.act("dora", Action::Withdraw { hold: None, in_place_of: None, reason: None }).unwrap();
    assert!(asks(&bench).is_some());
    bench.advance(crate::common::hours(49));
    assert_eq!(bench.view().status, crate::common::ended("lapsed"));
}

#[test]
fn a_hold_looks_only_when_it_has_all_evidence() {
    // What happens once it is approved.
    #[derive(Clone, Copy, PartialEq)]
    enum Then {
        Attached,
        Waived,
        Amended,
        Aged,
        Reopened,
    }
    use Then::{Aged, Amended, Attached, Reopened, Waived};
    let any = "{ report: {} }";
    let cases: &[(&str, &[Then], bool)] = &[
        (any, &[], false),
        (any, &[Attached], true),
        (any, &[Waived], true),
        ("{ report: { when: \"size(input.items) > 5\" } }", &[], true),
        ("{ report: {}, plan: {} }", &[Attached], false),
        (any, &[Attached, Amended], true),
        ("{ report: { again: [amended] } }", &[Attached, Amended], false),
        ("{ report: { again: [amended] } }", &[Attached, Amended, Attached], true),
        (any, &[Attached, Reopened], true),
        ("{ report: { again: [each_visit] } }", &[Attached, Reopened], false),
        // That it is too old is found with the look, as no time is known before.
        ("{ report: { valid: 1h } }", &[Attached, Aged], true),
    ];
    let waiver = "waiver: { from: role:board, scope: [evidence], duties: { look: { text: Look, within: 2d, from: role:board } } }";
    for (evidence, happens, looks) in cases {
        let source = CHANGE
            .replace(
                "expires: 2d",
                &format!("expires: 2d\n      evidence: {evidence}\n      {waiver}"),
            )
            .replace("released: work", "released: work, waived: work");
        let mut bench = submitted(&source, "ada", json!({ "items": ["a"] }));
        bench.approve("bob").unwrap();
        for then in *happens {
            match then {
                Attached => {
                    let evidence = NewEvidence {
                        digest: Digest::of(format!("report {}", bench.now()).as_bytes()),
                        size: Some(8),
                        file: Some("report.txt".to_owned()),
                        media_type: None,
                        reference: None,
                    };
                    let name = "report".to_owned();
                    bench.act("cy", Action::Attach { name, evidence, note: None }).unwrap();
                }
                Waived => {
                    let reason = "it burns".to_owned();
                    bench.act("dora", Action::Waive { hold: None, reason }).unwrap();
                }
                Amended => {
                    let (input, reason) = (json!({ "items": ["b"] }), "less".to_owned());
                    bench.act("ada", Action::Amend { input, reason }).unwrap();
                }
                Aged => bench.advance(crate::common::hours(2)),
                Reopened => {
                    look(&mut bench, &[]).unwrap();
                    bench.advance(crate::common::hours(1));
                    bench.attempt("work#1", crate::common::fatal("no")).unwrap();
                    bench.approve("bob").unwrap();
                }
            }
        }
        assert_eq!(asks(&bench).is_some(), *looks, "{evidence}");
        assert_eq!(bench.view().state, "ready", "{evidence}");
        if *looks {
            look(&mut bench, &[]).unwrap();
        }
        let state = if *looks && !happens.contains(&Aged) { "work" } else { "ready" };
        assert_eq!(bench.view().state, state, "{evidence}");
    }
}

#[test]
fn warn_records_and_lets_go() {
    let warn = CHANGE.replace("{ found: hold, accept: role:board }", "warn");
    let mut bench = waiting(&warn);
    refused(accept(&mut bench, "eve", 7, "so"), RefusalCode::NotAwaited);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert_eq!(bench.view().state, "work");
    let checked = last(&bench, "conflict.checked");
    assert_eq!(
        (&checked["with"][0]["number"], &checked["with"][0]["first"]),
        (&json!(7), &json!(true))
    );
}

#[test]
fn where_nobody_may_accept_a_conflict_the_refusal_says_so() {
    let nobody = CHANGE.replace("{ found: hold, accept: role:board }", "hold");
    let mut bench = waiting(&nobody);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    let refusal = refused(accept(&mut bench, "eve", 7, "so"), RefusalCode::NotAwaited);
    assert!(refusal.needed.concat().contains("accept"), "{refusal:?}");
}

#[test]
fn who_is_kept_by_a_conflict_holds_no_locks() {
    let locking = CHANGE.replace("expires: 2d", "expires: 2d\n      lock: \"${input.items}\"");
    let mut bench = waiting(&locking);
    look(&mut bench, &[found(7, true, &["a"])]).unwrap();
    assert!(bench.claims().wanted.is_none(), "it does not wait for locks yet");
    look(&mut bench, &[]).unwrap();
    assert_eq!(bench.view().state, "ready");
    let effect = bench.claims().wanted.expect("it waits for locks now").effect;
    assert_eq!(asks(&bench), None);
    bench.act("engine", Action::LocksGranted { effect }).unwrap();
    assert_eq!(bench.view().state, "ready", "it is looked again: others may have come");
    look(&mut bench, &[found(8, true, &["a"])]).unwrap();
    assert_eq!(bench.view().locks, [""; 0]);
    assert!(bench.claims().held.is_empty());
    look(&mut bench, &[]).unwrap();
    let effect = bench.claims().wanted.unwrap().effect;
    bench.act("engine", Action::LocksGranted { effect }).unwrap();
    look(&mut bench, &[]).unwrap();
    let view = bench.view();
    assert_eq!((view.state.as_str(), view.locks), ("work", vec!["a".to_owned()]));
}

#[test]
fn runs_that_go_first_and_are_not_named_keep_it_too() {
    let mut bench = waiting(CHANGE);
    let (effect, at) = (bench.claims().looks.unwrap(), bench.run().at().version);
    let found = Look { with: Vec::new(), more: 3 };
    bench.act("engine", Action::ConflictsLooked { effect, at, found }).unwrap();
    assert_eq!(bench.view().state, "ready");
    assert!(condition(&bench).summary.contains("3 more"));
}

#[test]
fn what_cannot_be_meant_is_found() {
    let of = |text: &str| CHANGE.replace("{ found: hold, accept: role:board }", text);
    for (text, code) in [
        ("5", "HP2004"),
        ("stop", "HP2004"),
        ("{ accept: role:board }", "HP2003"),
        ("{ found: hold, by: role:board }", "HP2002"),
        ("{ found: hold, accept: [] }", "HP2020"),
        ("{ found: warn, accept: role:board }", "HP2089"),
    ] {
        assert!(faults(&of(text)).contains(code), "{text}: {}", faults(&of(text)));
    }
    let kept = "
workflow: kept
version: 1
title: Kept
start: take
states:
  take:
    hold: { lock: [a] }
    on: { released: check }
  check:
    hold: { conflicts: hold }
    on: { released: done }
  done: { end: done }
";
    assert!(faults(kept).contains("HP2090"));
    for good in [
        kept.replace("hold: { conflicts: hold }", "hold: { conflicts: warn }"),
        kept.replace("conflicts: hold", "conflicts: hold, lock: [a]"),
        kept.replace("  check:\n", "  check:\n    unlock: true\n"),
    ] {
        workflow(&good);
    }
    let branch = "
workflow: apart
version: 1
title: Apart
start: both
states:
  both:
    all:
      good: [through]
      others: wait
      branches:
        one:
          start: look
          states:
            look: { hold: { conflicts: warn }, on: { released: through } }
            through: { end: through }
    on: { completed: over }
  over: { end: over }
";
    assert!(faults(branch).contains("HP2088"));
}
