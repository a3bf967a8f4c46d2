//! Holds that people release: votes, seats, rejections, what is recorded, what is shown.

use std::fmt::Write as _;

use holdpoint_core::{
    Action, Digest, RefusalCode, RunStatus, Vote,
    testing::{Bench, types},
};
use serde_json::{Value, json};

use crate::common::{data, ended, faults, hours, last, people, refused, submitted, workflow};

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
    let mut bench = submitted(CHANGE, "ada", low());
    assert_eq!(bench.status(), RunStatus::Held);
    let events = bench.approve("bob").unwrap();
    assert_eq!(types(&events), ["approval.granted", "hold.released", "state.entered", "run.ended"]);
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_vote_records_what_made_it_count() {
    let mut bench = submitted(CHANGE, "ada", high());
    let reason = Some(" looks right ".to_owned());
    let vote = Action::vote(Vote::Approve, reason.as_deref());
    let events = bench.act("eve", vote).unwrap();
    assert_eq!(
        data(&events[0]),
        json!({
            "hold": "authorize",
            "member": "eve",
            "digest": last(&bench, "hold.opened")["digest"],
            "rules": ["board", "peer"],
            "roles": ["board", "engineer"],
            "qualified": ["network"],
            "reason": "looks right",
        })
    );
    // A member who is asked by name needs no role, and none is made up.
    bench.approve("fay").unwrap();
    let vote = last(&bench, "approval.granted");
    assert_eq!((&vote["rules"], &vote["roles"]), (&json!(["board"]), &json!([])));
    assert_eq!(vote.get("qualified"), None);
}

#[test]
fn votes_are_refused_for_their_reasons() {
    let mut bench = submitted(CHANGE, "ada", low());
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
    let other = Action::Vote {
        hold: Some("other".to_owned()),
        vote: Vote::Approve,
        reason: None,
        duties: vec![],
        in_place_of: None,
        plans: Default::default(),
    };
    refused(bench.act("bob", other), RefusalCode::NotAwaited);
    refused(bench.reject("bob", "  "), RefusalCode::InvalidInput);
    assert_eq!(bench.status(), RunStatus::Held);
    let named = Action::Vote {
        hold: Some("authorize".to_owned()),
        vote: Vote::Approve,
        reason: None,
        duties: vec![],
        in_place_of: None,
        plans: Default::default(),
    };
    bench.act("bob", named).unwrap();
    refused(bench.approve("eve"), RefusalCode::RunEnded);
}

#[test]
fn every_rule_must_be_satisfied() {
    let mut bench = submitted(CHANGE, "ada", high());
    assert_eq!(types(&bench.approve("bob").unwrap()), ["approval.granted"]);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(bench.approve("dora").unwrap().len(), 4);
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn seats_are_assigned_anew_at_every_vote() {
    // `eve` could sit in both; whoever comes after her takes the seat that only they can take.
    for second in ["bob", "dora"] {
        let mut bench = submitted(CHANGE, "ada", high());
        bench.approve("eve").unwrap();
        assert_eq!(bench.status(), RunStatus::Held);
        bench.approve(second).unwrap();
        assert_eq!(bench.status(), ended("done"), "eve and {second}");
    }
}

#[test]
fn a_vote_that_fills_no_seat_is_refused() {
    let source = CHANGE.replace("need: 1 }\n          board", "need: 2 }\n          board");
    let mut bench = submitted(&source, "fay", high());
    bench.approve("dora").unwrap();
    bench.approve("ada").unwrap();
    refused(bench.approve("ada"), RefusalCode::AlreadyVoted);
    // The board's seat is taken by the one who can fill no other.
    let mut board = submitted(&source, "ada", high());
    board.approve("fay").unwrap();
    let refusal = refused(board.approve("dora"), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "every seat in `authorize` that `dora` could fill is filled");
    board.approve("bob").unwrap();
    board.approve("eve").unwrap();
    assert_eq!(board.status(), ended("done"));
}

#[test]
fn one_rejection_is_enough() {
    let mut bench = submitted(CHANGE, "ada", high());
    bench.approve("bob").unwrap();
    let events = bench.reject("dora", "no rollback plan").unwrap();
    assert_eq!(
        types(&events),
        ["approval.rejected", "hold.rejected", "state.entered", "run.ended"]
    );
    assert_eq!(data(&events[0])["reason"], "no rollback plan");
    assert_eq!(data(&events[1]), json!({ "hold": "authorize", "member": "dora" }));
    assert_eq!(bench.status(), ended("refused"));
}

#[test]
fn whoever_could_not_approve_any_more_may_still_reject() {
    let source = CHANGE.replace("approval:", "wait: { for: 1h }\n      approval:");
    let mut bench = submitted(&source, "ada", low());
    bench.approve("bob").unwrap();
    assert_eq!(bench.next_steps()[0], "reject `authorize`, with a reason: every approval is there");
    refused(bench.approve("eve"), RefusalCode::NotAwaited);
    bench.reject("eve", "the window is closed").unwrap();
    assert_eq!(bench.status(), ended("refused"));
}

#[test]
fn the_requester_may_approve_where_nothing_says_otherwise() {
    let source = CHANGE.replace("        not: [requester]\n", "");
    let mut bench = submitted(&source, "ada", low());
    bench.approve("ada").unwrap();
    assert_eq!(bench.status(), ended("done"));
    let source = CHANGE.replace("not: [requester]", "not: []");
    let mut bench = submitted(&source, "ada", low());
    bench.approve("ada").unwrap();
}

#[test]
fn eligibility_is_that_of_the_moment() {
    let mut bench = submitted(CHANGE, "ada", low());
    *bench.project_mut() = holdpoint_core::testing::project(&[
        ("ada", &["engineer"], &["network"]),
        ("bob", &[], &[]),
        ("cy", &["engineer"], &["network"]),
    ]);
    refused(bench.approve("bob"), RefusalCode::NotEligible);
    refused(bench.approve("eve"), RefusalCode::NotMember);
    bench.approve("cy").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn the_view_names_who_could_release() {
    let mut bench = submitted(CHANGE, "ada", high());
    bench.approve("bob").unwrap();
    let view = bench.view();
    assert_eq!((view.title.as_str(), view.state.as_str()), ("A change", "authorize"));
    assert_eq!(
        bench.next_steps(),
        [
            "approve or reject `authorize`",
            "cancel the run, as `ada` or a member with the role `owner`"
        ]
    );
    let hold = &view.holds[0];
    let deadline = hold.deadline.as_ref().unwrap();
    assert_eq!((deadline.at - hold.since).as_hours(), 7 * 24);
    assert_eq!(deadline.outcome, "expired");
    let mut shown = String::new();
    for condition in &hold.conditions {
        writeln!(shown, "{} {}: {}", condition.name, condition.met, condition.summary).unwrap();
        for vote in &condition.votes {
            writeln!(shown, "  voted: {}", vote.member).unwrap();
        }
        for candidate in &condition.candidates {
            let lacks = candidate.lacks.as_deref().unwrap_or("could");
            writeln!(shown, "  {}: {lacks}", candidate.member).unwrap();
        }
    }
    assert_eq!(
        shown,
        "peer true: 1 of 1 approval by role engineer, qualified in network\n  \
         voted: bob\n\
         board false: 0 of 1 approval by role board or member fay\n  \
         dora: could\n  eve: could\n  fay: could\n"
    );
}

#[test]
fn the_view_says_what_candidates_lack() {
    let mut bench = submitted(CHANGE, "ada", low());
    let lacks = |bench: &Bench| -> Vec<String> {
        let view = bench.view();
        let candidates = &view.holds[0].conditions[0].candidates;
        candidates
            .iter()
            .map(|one| format!("{}: {}", one.member, one.lacks.as_deref().unwrap_or("could")))
            .collect()
    };
    assert_eq!(
        lacks(&bench),
        [
            "bob: could",
            "eve: could",
            "ada: submitted the run and nobody decides on their own",
            "cy: is not qualified in network now",
        ]
    );
    bench.project_mut();
    bench.advance(hours(1));
    let two = CHANGE.replace("'${input.domain}', need: 1", "'${input.domain}', need: 2");
    let mut bench = submitted(&two, "ada", low());
    bench.approve("eve").unwrap();
    assert!(lacks(&bench).contains(&"eve: has approved".to_owned()), "{:?}", lacks(&bench));
}

#[test]
fn the_run_is_titled_by_its_input() {
    let source = CHANGE
        .replace("required: [risk, domain]", "required: [risk, domain, title]")
        .replace("properties:\n", "properties:\n    title: { type: string }\n");
    let mut input = low();
    input["title"] = "Replace the core switch".into();
    assert_eq!(submitted(&source, "ada", input).view().title, "Replace the core switch");
}

const CONDITIONAL: &str = "
workflow: conditional
version: 1
title: Every rule has a condition
input: { type: object, required: [risk], properties: { risk: { type: string } } }
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          board: { when: \"input.risk == 'high'\", from: role:board, need: 1 }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

#[test]
fn where_no_rule_applies_nobody_can_release() {
    let mut bench = submitted(CONDITIONAL, "ada", json!({ "risk": "low" }));
    assert_eq!(bench.status(), RunStatus::Held);
    let refusal = refused(bench.approve("dora"), RefusalCode::NotEligible);
    assert_eq!(refusal.message, "`dora` is none of those asked: nobody, as no rule applies");
    assert_eq!(refusal.needed, ["cancel the run and submit it again with another input"]);
    let view = bench.view();
    let condition = &view.holds[0].conditions[0];
    assert!(!condition.met);
    assert_eq!(condition.summary, "no rule applies (of board), so nobody can release this");
    assert_eq!(view.next_steps.len(), 1, "only to cancel it: {:?}", view.next_steps);
    submitted(CONDITIONAL, "ada", json!({ "risk": "high" })).approve("dora").unwrap();
}

#[test]
fn members_who_fill_one_seat_each_must_be_enough_for_all_rules() {
    let source = CONDITIONAL.replace(
        "board: { when: \"input.risk == 'high'\", from: role:board, need: 1 }",
        "one: { from: [member:ada, member:bob], need: 2 }\n          two: { from: member:bob, need: 1 }",
    );
    assert!(faults(&source).contains("HP2020"), "{}", faults(&source));
    let enough = source.replace("from: member:bob", "from: [member:bob, member:cy]");
    let mut bench = submitted(&enough, "fay", json!({ "risk": "low" }));
    for who in ["bob", "ada", "cy"] {
        bench.approve(who).unwrap();
    }
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_hold_without_an_approval_takes_no_votes() {
    let mut bench = submitted(
        "
workflow: pause
version: 1
title: A pause
start: pause
states:
  pause: { hold: { wait: { for: 1h } }, on: { released: done } }
  done: { end: done }
",
        "ada",
        json!({}),
    );
    let refusal = refused(bench.approve("bob"), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the hold `pause` waits for no votes");
}

#[test]
fn votes_are_bound_to_the_input_with_its_defaults() {
    let source = CHANGE.replace(
        "domain: { type: string }",
        "domain: { type: string }\n    bake: { type: string, default: 2m }",
    );
    let mut given = low();
    given["bake"] = "2m".into();
    let digest =
        |input: Value| last(&submitted(&source, "ada", input), "hold.opened")["digest"].clone();
    assert_eq!(digest(low()), digest(given.clone()));
    given["bake"] = "3m".into();
    assert_ne!(digest(low()), digest(given.clone()));
    // What is recorded is what is voted on.
    let recorded = submitted(&source, "ada", low()).run().input().clone();
    given["bake"] = "2m".into();
    assert_eq!(recorded, given);
    assert_eq!(digest(low()), json!(Digest::of(recorded.to_string().as_bytes())));
}

#[test]
fn a_command_sent_twice_counts_once() {
    let source = CHANGE.replace("'${input.domain}', need: 1", "'${input.domain}', need: 2");
    let mut bench = submitted(&source, "ada", low());
    let vote = bench.command("bob", Action::vote(Vote::Approve, None));
    assert_eq!(bench.send(&vote).unwrap().len(), 1);
    assert!(bench.run().answer_to(&vote).unwrap().is_some());
    assert!(bench.send(&vote).unwrap().is_empty());
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn a_change_takes_more_people_for_more_risk() {
    let input = |risk: &str| {
        json!({
            "title": "t", "risk": risk, "domain": "network", "items": ["core"],
            "targets": ["web-1"], "version": "2",
        })
    };
    for (risk, voters) in [
        ("low", &["bob"][..]),
        ("medium", &["bob", "eve"][..]),
        ("high", &["bob", "cy", "dora", "eve"][..]),
    ] {
        let project = holdpoint_core::testing::project(&[
            ("ada", &["engineer"], &["network"]),
            ("bob", &["engineer"], &["network"]),
            ("cy", &["engineer"], &["network"]),
            ("dora", &["board"], &[]),
            ("eve", &["engineer", "board"], &["network"]),
        ]);
        let mut bench = Bench::new(workflow(crate::common::APPROVED_CHANGE), project);
        bench.submit("ada", input(risk)).unwrap();
        for voter in voters {
            assert_eq!(bench.status(), RunStatus::Held, "{risk} before {voter}");
            bench.approve(voter).unwrap();
        }
        assert_eq!(bench.status(), RunStatus::Working, "{risk}");
        assert_eq!(bench.open_activities()[0].0, "implement#1/web-1/deploy");
    }
    let mut bench = Bench::new(workflow(crate::common::APPROVED_CHANGE), people());
    let refusal = refused(bench.submit("ada", json!({})), RefusalCode::InvalidInput);
    assert_eq!(refusal.needed.len(), 5, "{refusal:?}");
}

#[test]
fn how_many_must_agree_can_be_computed() {
    let source = CHANGE.replace(
        "need: 1 }\n          board",
        "need: \"${input.risk == 'high' ? 2 : 1}\" }\n          board",
    );
    assert_ne!(source, CHANGE);
    let mut bench = submitted(&source, "ada", low());
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), ended("done"));
    let mut bench = submitted(&source, "ada", high());
    bench.approve("bob").unwrap();
    bench.approve("dora").unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    bench.approve("eve").unwrap();
    assert_eq!(bench.status(), ended("done"));

    // What gives no number of people is refused before anything begins.
    for instead in ["? 0 : -1", "? 1001 : 4294967296"] {
        let source = source.replace("? 2 : 1", instead);
        for input in [low(), high()] {
            let refusal = Bench::new(workflow(&source), people()).submit("ada", input);
            let said = refused(refusal, RefusalCode::InvalidInput).message;
            assert!(said.contains("`need` gives `"), "{said}");
            assert!(said.ends_with("which is no whole number from 1 to 1000"), "{said}");
        }
    }
}
