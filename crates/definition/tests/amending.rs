//! Amending the input of a run that is held: who may, what becomes of votes, what stands elsewhere.

use holdpoint_core::{
    Action, Digest, RefusalCode, RunStatus, Vote,
    testing::{Bench, project, types},
};
use serde_json::{Value, json};

use crate::common::{data, done, ended, faults, hours, last, refused, submitted};

const CHANGE: &str = "
workflow: change
version: 1
title: A change
input:
  type: object
  required: [targets, risk]
  additionalProperties: false
  properties:
    title: { type: string, default: A change }
    targets: { type: array, items: { type: string } }
    risk: { enum: [low, high] }
    domain: { type: string, default: network }
    hours: { type: integer, default: 48 }
start: ask
states:
  ask:
    hold:
      approval:
        rules:
          peers: { from: role:engineer, qualified: '${input.domain}', need: 2 }
          board: { when: \"input.risk == 'high'\", from: role:board, need: 1 }
        not: [editors]
        veto: { from: member:fay, overrule: role:board }
        amended: POLICY
        expires: '${string(input.hours)}h'
    on: { released: work, rejected: refused, expired: lapsed }
  work:
    do: { activity: { run: work, with: { targets: '${input.targets}' } } }
    on: { succeeded: done, failed: again }
  again: { hold: { signal: { name: again } }, on: { released: ask } }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
";

fn input(targets: &[&str], risk: &str) -> Value {
    json!({ "targets": targets, "risk": risk })
}

fn held(policy: &str) -> Bench {
    submitted(&CHANGE.replace("POLICY", policy), "ada", input(&["a", "b"], "low"))
}

fn amend(input: Value) -> Action {
    Action::Amend { input, reason: " another plan ".to_owned() }
}

/// Whose approvals stand.
fn standing(bench: &Bench) -> Vec<String> {
    let view = bench.view();
    let votes = view.holds[0].conditions.iter().flat_map(|condition| &condition.votes);
    votes.map(|vote| vote.member.to_string()).collect()
}

#[test]
fn what_becomes_of_approvals_is_what_the_definition_says() {
    for (policy, new, stand) in [
        ("reset", input(&["a"], "low"), false),
        ("subset", input(&["a"], "low"), true),
        ("subset", input(&["b", "a"], "low"), true),
        ("subset", input(&["a", "c"], "low"), false),
        ("subset", input(&["a"], "high"), false),
        ("keep", input(&["c", "d"], "low"), true),
    ] {
        let mut bench = held(policy);
        bench.approve("bob").unwrap();
        let events = bench.act("ada", amend(new.clone())).unwrap();
        assert_eq!(types(&events), ["run.amended"], "{policy}");
        let expected: &[&str] = if stand { &["bob"] } else { &[] };
        assert_eq!(standing(&bench), expected, "{policy}: {new}");
        // What stands says that it was given on another text, and on which.
        let view = bench.view();
        let votes = view.holds[0].conditions.iter().flat_map(|condition| &condition.votes);
        for other in votes.map(|vote| vote.other_text.unwrap()) {
            let given_on = last(&bench, "approval.granted")["digest"].clone();
            assert_eq!(given_on, json!(other.given_on), "{policy}");
            assert_eq!(last(&bench, "run.amended")["digest"], json!(other.now), "{policy}");
        }
    }
}

#[test]
fn an_amendment_records_the_whole_input_and_votes_are_bound_to_it() {
    let mut bench = held("keep");
    bench.approve("bob").unwrap();
    bench.act("ada", amend(input(&["c"], "low"))).unwrap();
    let recorded = last(&bench, "run.amended");
    let whole = json!({
        "title": "A change", "targets": ["c"], "risk": "low", "domain": "network", "hours": 48
    });
    assert_eq!(recorded["input"], whole);
    assert_eq!(recorded["digest"], json!(Digest::of(whole.to_string().as_bytes())));
    assert_eq!(recorded["reason"], "another plan");
    assert_eq!(recorded["kept"], json!({ "bob": ["peers"] }));
    bench.approve("eve").unwrap();
    assert_eq!(last(&bench, "approval.granted")["digest"], recorded["digest"]);
    // What is done is what was approved.
    assert_eq!(bench.open_activities()[0].2, json!({ "targets": ["c"] }));
}

#[test]
fn rules_and_deadline_are_those_of_the_new_text() {
    let mut bench = held("keep");
    bench.approve("bob").unwrap();
    let mut new = input(&["a", "b"], "high");
    new["hours"] = 30.into();
    bench.advance(hours(10));
    bench.act("ada", amend(new.clone())).unwrap();
    let hold = bench.view().holds.remove(0);
    let names: Vec<&str> = hold.conditions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["peers", "board"]);
    // It counts from the opening, so that nobody gains time by amending.
    assert_eq!((hold.deadline.unwrap().at - hold.since).as_hours(), 30);
    new["hours"] = 5.into();
    bench.act("ada", amend(new)).unwrap();
    refused(bench.approve("eve"), RefusalCode::NotAwaited);
    bench.advance(hours(0));
    assert_eq!(bench.status(), ended("lapsed"));
}

#[test]
fn an_approval_stands_only_under_rules_that_ask_for_the_same() {
    let mut bench = held("keep");
    bench.approve("bob").unwrap();
    let mut new = input(&["a", "b"], "low");
    new["domain"] = "storage".into();
    bench.act("ada", amend(new)).unwrap();
    assert_eq!(standing(&bench), [] as [&str; 0], "bob is qualified in another domain");
}

#[test]
fn who_amends_does_not_decide_where_editors_are_excluded() {
    let mut bench = held("keep");
    bench.approve("ada").unwrap();
    bench.approve("bob").unwrap();
    let mut bench = held("keep");
    bench.approve("ada").unwrap();
    bench.act("ada", amend(input(&["c"], "low"))).unwrap();
    assert_eq!(standing(&bench), [] as [&str; 0]);
    let refusal = refused(bench.approve("ada"), RefusalCode::SelfApproval);
    assert_eq!(refusal.message, "`ada` amended the run and nobody decides on what they wrote");
}

#[test]
fn a_veto_outlives_an_amendment_under_every_policy() {
    for policy in ["reset", "subset", "keep"] {
        let mut bench = held(policy);
        bench.act("fay", Action::vote(Vote::Veto, Some("no"))).unwrap();
        bench.act("ada", amend(input(&["c"], "low"))).unwrap();
        bench.approve("bob").unwrap();
        bench.approve("eve").unwrap();
        assert_eq!(bench.status(), RunStatus::Held, "{policy}");
        bench.act("fay", Action::Withdraw { hold: None, in_place_of: None, reason: None }).unwrap();
        assert_eq!(bench.view().state, "work");
    }
}

#[test]
fn an_amendment_can_release_what_is_then_complete() {
    let mut bench = submitted(&CHANGE.replace("POLICY", "keep"), "ada", input(&["a"], "high"));
    bench.approve("bob").unwrap();
    bench.approve("eve").unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    let events = bench.act("ada", amend(input(&["a"], "low"))).unwrap();
    assert_eq!(types(&events)[..2], ["run.amended", "hold.released"]);
}

#[test]
fn an_amendment_is_refused_for_its_reasons_and_leaves_nothing() {
    let mut bench = held("reset");
    let good = input(&["c"], "low");
    for (who, action, code) in [
        ("bob", amend(good.clone()), RefusalCode::NotEligible),
        ("zed", amend(good.clone()), RefusalCode::NotMember),
        ("ada", amend(json!({ "targets": "c" })), RefusalCode::InvalidInput),
        ("ada", amend(input(&["a", "b"], "low")), RefusalCode::InvalidInput),
        ("ada", amend(input(&[&"x".repeat(300_000)], "low")), RefusalCode::InvalidInput),
        (
            "ada",
            Action::Amend { input: good.clone(), reason: " ".to_owned() },
            RefusalCode::InvalidInput,
        ),
    ] {
        refused(bench.act(who, action), code);
    }
    let mut zero = good.clone();
    zero["hours"] = 0.into();
    let refusal = refused(bench.act("ada", amend(zero)), RefusalCode::InvalidInput);
    assert!(
        refusal.message.starts_with("with this input `ask` cannot be held open: "),
        "{refusal}"
    );
    bench.advance(hours(48));
    refused(bench.act("ada", amend(good.clone())), RefusalCode::RunEnded);

    let silent = CHANGE.replace("        amended: POLICY\n", "");
    let mut bench = submitted(&silent, "ada", input(&["a"], "low"));
    let refusal = refused(bench.act("ada", amend(good)), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the run cannot be amended while it is held at `ask`");
    let found = faults(&CHANGE.replace("POLICY", "forget"));
    assert!(found.contains("error[HP2004]: `amended` cannot be `forget`"), "{found}");
}

#[test]
fn a_hold_without_votes_is_amended_where_what_was_approved_is_asked_again() {
    let mut bench = held("reset");
    bench.approve("bob").unwrap();
    bench.approve("eve").unwrap();
    let refusal = refused(bench.act("ada", amend(input(&["c"], "low"))), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "a run is amended while a hold is open, and none is");
    bench.attempt("work#1", crate::common::fatal("no")).unwrap();
    assert_eq!(bench.view().state, "again");
    bench.act("ada", amend(input(&["c"], "low"))).unwrap();
    bench.act("ada", crate::common::signal("again", Value::Null)).unwrap();
    assert_eq!(last(&bench, "hold.opened")["digest"], last(&bench, "run.amended")["digest"]);
}

#[test]
fn what_nobody_objected_to_does_not_become_something_else() {
    let source =
        CHANGE.replace("POLICY", "keep").replace("released: work", "released: tell").replace(
            "  work:\n",
            "  tell:\n    hold: { witness: { from: [member:cy], for: 2d } }\n    \
         on: { released: pause, objected: refused }\n  \
         pause: { hold: { signal: { name: go } }, on: { released: work } }\n  work:\n",
        );
    let mut bench = submitted(&source, "ada", input(&["a", "b"], "low"));
    bench.approve("bob").unwrap();
    bench.approve("eve").unwrap();
    let refusal = refused(bench.act("ada", amend(input(&["c"], "low"))), RefusalCode::NotAwaited);
    let told =
        "the run cannot be amended at `tell`: whoever may object has been told of this input";
    assert_eq!(refusal.message, told);
    bench.advance(hours(48));
    assert_eq!(bench.view().state, "pause");
    let refusal = refused(bench.act("ada", amend(input(&["c"], "low"))), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "what `tell` let pass would no longer be what is done");
}

#[test]
fn what_was_approved_elsewhere_does_not_become_something_else() {
    let source = |policy: &str| {
        CHANGE.replace("POLICY", policy).replace("released: work", "released: pause").replace(
            "  work:\n",
            "  pause: { hold: { signal: { name: go } }, on: { released: work } }\n  work:\n",
        )
    };
    // It is proposed where a text could be accepted, and nowhere else.
    for (policy, proposed) in
        [("POLICY", false), ("reset", false), ("subset", true), ("keep", true)]
    {
        let talk = "  pause:
    hold: { approval: { rules: { any: { from: role:engineer, need: 1 } }, amended: keep } }
    on: { released: work, rejected: refused }\n  work:\n";
        let source = CHANGE.replace("released: work", "released: pause").replace("  work:\n", talk);
        let source = match policy {
            "POLICY" => source.replace("        amended: POLICY\n", ""),
            policy => source.replace("POLICY", policy),
        };
        let mut bench = submitted(&source, "ada", input(&["a", "b"], "low"));
        let offers = |bench: &Bench| {
            let steps = bench.view().next_steps;
            steps.iter().any(|step| step.ask == Some(holdpoint_core::NextAsk::Amend))
        };
        assert_eq!(offers(&bench), policy != "POLICY", "{policy}");
        bench.approve("bob").unwrap();
        bench.approve("eve").unwrap();
        assert_eq!((bench.view().state.as_str(), offers(&bench)), ("pause", proposed), "{policy}");
        let less = bench.act("ada", amend(input(&["a"], "low")));
        assert_eq!(less.is_ok(), proposed, "{policy}: {less:?}");
    }
    for (policy, new, accepted) in [
        ("reset", input(&["a"], "low"), false),
        ("subset", input(&["a"], "low"), true),
        ("subset", input(&["c"], "low"), false),
        ("keep", input(&["c"], "low"), true),
    ] {
        let mut bench = submitted(&source(policy), "ada", input(&["a", "b"], "low"));
        bench.approve("bob").unwrap();
        bench.approve("eve").unwrap();
        assert_eq!(bench.view().state, "pause");
        let answer = bench.act("ada", amend(new.clone()));
        if accepted {
            assert_eq!(data(&answer.unwrap()[0])["hold"], "pause");
            bench.act("ada", crate::common::signal("go", Value::Null)).unwrap();
            assert_eq!(bench.open_activities()[0].2["targets"], new["targets"]);
            bench.attempt("work#1", done()).unwrap();
            assert_eq!(bench.status(), ended("done"));
        } else {
            let refusal = refused(answer, RefusalCode::NotAwaited);
            assert_eq!(refusal.message, "what `ask` let pass would no longer be what is done");
        }
    }
}

#[test]
fn what_people_do_by_hand_does_not_become_something_else_either() {
    let (work, again) = (
        "    do: { activity: { run: work, with: { targets: '${input.targets}' } } }
    on: { succeeded: done, failed: again }
",
        "  again: { hold: { signal: { name: again } }, on: { released: ask } }\n",
    );
    assert!(CHANGE.contains(work) && CHANGE.contains(again));
    for (policy, accepted) in [("reset", false), ("keep", true)] {
        let source = CHANGE
            .replace("POLICY", policy)
            .replace("released: work", "released: pause")
            .replace(work, "    hold: { task: { fit: { title: Fit it, from: role:engineer } } }\n    on: { released: done }\n")
            .replace(again, "  pause: { hold: { signal: { name: go } }, on: { released: work } }\n");
        let mut bench = submitted(&source, "ada", input(&["a", "b"], "low"));
        bench.approve("bob").unwrap();
        bench.approve("eve").unwrap();
        for (state, target) in [("pause", "c"), ("work", "d")] {
            assert_eq!(bench.view().state, state);
            let answer = bench.act("ada", amend(input(&[target], "low")));
            assert_eq!(answer.is_ok(), accepted, "{policy}, {state}: {answer:?}");
            if state == "pause" {
                bench.act("ada", crate::common::signal("go", Value::Null)).unwrap();
            }
        }
    }
}

#[test]
fn the_owner_amends_too_and_editors_are_those_who_did() {
    let mut bench = held("reset");
    *bench.project_mut() = project(&[
        ("olga", &["engineer"], &["network"]),
        ("ada", &["engineer"], &["network"]),
        ("bob", &["engineer"], &["network"]),
    ]);
    bench.act("olga", amend(input(&["c"], "low"))).unwrap();
    refused(bench.approve("olga"), RefusalCode::SelfApproval);
    bench.approve("ada").unwrap();
    bench.approve("bob").unwrap();
    assert_eq!(bench.view().state, "work");
}
