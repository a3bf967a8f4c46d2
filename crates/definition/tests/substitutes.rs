//! Votes in the place of another: whose seat they take, whom that excludes, whose qualification
//! counts, how often one person counts, and what becomes of them.

use holdpoint_core::{
    Action, NewDuty, ProjectEvent, RefusalCode, Substitution, Vote,
    testing::{Bench, types},
    view::ConditionView,
};
use serde_json::json;

use crate::common::{ended, faults, hours, last, people, refused, workflow};

/// A hold with this approval.
fn held(approval: &str, by: &str, standing: &[(&str, &str, &[&str])]) -> Bench {
    let expired = if approval.contains("expires") { ", expired: refused" } else { "" };
    let source = format!(
        "
workflow: ask
version: 1
title: Ask
input: {{ type: object }}
start: ask
states:
  ask:
    hold:
      approval: {{ {approval} }}
    on: {{ released: done, rejected: refused{expired} }}
  done: {{ end: done }}
  refused: {{ end: refused }}
"
    );
    let mut bench = Bench::new(workflow(&source), people());
    for (number, (member, substitute, roles)) in (1..).zip(standing) {
        bench.happens(&stands(number, member, substitute, roles));
    }
    bench.submit(by, json!({})).unwrap();
    bench
}

/// That somebody stands for another, for 25 hours.
fn stands(number: u32, member: &str, substitute: &str, roles: &[&str]) -> ProjectEvent {
    ProjectEvent::SubstituteNamed(Substitution {
        number,
        member: member.parse().unwrap(),
        substitute: substitute.parse().unwrap(),
        from: None,
        until: "2026-01-06T10:00:00Z".parse().unwrap(),
        roles: roles.iter().map(|role| role.parse().unwrap()).collect(),
        reason: None,
    })
}

fn vote_for(vote: Vote, member: &str) -> Action {
    Action::Vote {
        hold: None,
        vote,
        reason: (vote != Vote::Approve).then(|| "no".to_owned()),
        duties: vec![],
        in_place_of: Some(member.parse().unwrap()),
        plans: Default::default(),
    }
}

fn approve_for(member: &str) -> Action {
    vote_for(Vote::Approve, member)
}

fn withdraw(place: Option<&str>) -> Action {
    let in_place_of = place.map(|place| place.parse().unwrap());
    Action::Withdraw { hold: None, in_place_of, reason: None }
}

fn condition(bench: &Bench) -> ConditionView {
    bench.view().holds[0].conditions[0].clone()
}

const PEERS: &str = "rules: { peers: { from: role:engineer, need: 2 } }, not: [requester]";

#[test]
fn a_vote_in_the_place_of_another_takes_their_seat() {
    let twice: &[(&str, &str, &[&str])] = &[("bob", "fay", &[]), ("bob", "fay", &["engineer"])];
    let mut bench = held(PEERS, "ada", twice);
    let refusal = refused(bench.approve("fay"), RefusalCode::NotEligible);
    assert_eq!(
        refusal.needed,
        [
            "a vote by role engineer: bob, cy, eve, fay for bob",
            "say in whose place you vote: `--for bob`",
        ]
    );
    bench.act("fay", approve_for("bob")).unwrap();
    let recorded = last(&bench, "approval.granted");
    assert_eq!(recorded["member"], "fay");
    assert_eq!(recorded["roles"], json!([]));
    assert_eq!(
        recorded["for"],
        json!({
            "member": "bob", "roles": ["engineer"], "substitution": 1,
            "until": "2026-01-06T10:00:00Z",
        })
    );
    let vote = condition(&bench).votes.remove(0);
    let place = vote.in_place_of.unwrap();
    assert_eq!((vote.member.as_str(), place.member.as_str()), ("fay", "bob"));
    // The seat is bob's, whoever sits on it.
    let refusal = refused(bench.approve("bob"), RefusalCode::AlreadyVoted);
    assert_eq!(refusal.message, "`fay` has voted for `bob` on `ask` already");
    refused(bench.act("fay", approve_for("bob")), RefusalCode::AlreadyVoted);
    bench.approve("eve").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn who_votes_for_whom_is_shown() {
    let standing: &[(&str, &str, &[&str])] =
        &[("bob", "fay", &[]), ("cy", "ada", &[]), ("ada", "dora", &[]), ("dora", "fay", &[])];
    let bench = held(PEERS, "ada", standing);
    let shown: Vec<String> = condition(&bench)
        .substitutes
        .iter()
        .map(|one| {
            let lacks = one.lacks.as_deref().unwrap_or("can");
            format!("{} for {}: {lacks}", one.member, one.in_place_of.member)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "fay for bob: can",
            "ada for cy: submitted the run and nobody decides on their own",
            "dora for ada: would vote for `ada`, who submitted the run and nobody decides on their own",
        ]
    );
}

#[test]
fn a_substitution_holds_from_its_beginning_until_before_its_end() {
    let mut bench = held(PEERS, "ada", &[]);
    let mut later = stands(1, "bob", "fay", &[]);
    if let ProjectEvent::SubstituteNamed(one) = &mut later {
        one.from = Some("2026-01-05T10:00:00Z".parse().unwrap());
        one.until = "2026-01-05T11:00:00Z".parse().unwrap();
    }
    let refusal = refused(bench.act("fay", approve_for("bob")), RefusalCode::NotSubstitute);
    assert_eq!(refusal.message, "`fay` does not stand for `bob`");
    assert_eq!(
        refusal.needed,
        ["ask `bob` or an owner to name you: \
          `holdpoint project substitute add bob fay --until TIME`"]
    );
    bench.happens(&later);
    let refusal = refused(bench.act("fay", approve_for("bob")), RefusalCode::NotSubstitute);
    assert!(refusal.message.ends_with("the substitution 1 begins at 2026-01-05 10:00:00 UTC"));
    bench.advance(hours(1));
    bench.act("fay", approve_for("bob")).unwrap();
    bench.act("fay", withdraw(Some("bob"))).unwrap();
    bench.advance(hours(1));
    let refusal = refused(bench.act("fay", approve_for("bob")), RefusalCode::NotSubstitute);
    assert!(refusal.message.ends_with("the substitution 1 ended at 2026-01-05 11:00:00 UTC"));
    refused(bench.act("fay", approve_for("zed")), RefusalCode::NotMember);
}

#[test]
fn what_excludes_or_qualifies_and_what_a_rule_asks_is_told_by_the_right_person() {
    let both = "not: [requester]";
    for (rule, by, stands, voter, of, expected) in [
        // Who submitted the run votes for nobody, and nobody votes for them.
        ("from: role:engineer", "fay", ("bob", "fay"), "fay", "bob", Err("HP1003")),
        ("from: role:engineer", "bob", ("bob", "fay"), "fay", "bob", Err("HP1003")),
        // The rule asks the one in whose place the vote is given.
        ("from: role:engineer", "ada", ("bob", "dora"), "dora", "bob", Ok(())),
        ("from: member:bob", "ada", ("bob", "dora"), "dora", "bob", Ok(())),
        ("from: role:board", "ada", ("bob", "dora"), "dora", "bob", Err("HP1002")),
        // A qualification is the voter's own: it cannot be lent, and need not be.
        (
            "from: role:engineer, qualified: network",
            "ada",
            ("bob", "cy"),
            "cy",
            "bob",
            Err("HP1004"),
        ),
        ("from: role:engineer, qualified: network", "ada", ("cy", "dora"), "dora", "cy", Ok(())),
    ] {
        let approval = format!("rules: {{ peers: {{ {rule}, need: 1 }} }}, {both}");
        let mut bench = held(&approval, by, &[(stands.0, stands.1, &[])]);
        let answer = bench.act(voter, approve_for(of));
        let got = answer.map(drop).map_err(|refusal| refusal.code.as_str());
        assert_eq!(got, expected, "{rule}, by {by}: {voter} for {of}");
    }
}

#[test]
fn chains_are_not_followed() {
    let mut bench = held(PEERS, "ada", &[("bob", "fay", &[]), ("fay", "dora", &[])]);
    refused(bench.act("dora", approve_for("bob")), RefusalCode::NotSubstitute);
    refused(bench.act("dora", approve_for("fay")), RefusalCode::NotEligible);
}

#[test]
fn what_is_lent_can_be_cut_to_roles() {
    for (rule, roles, expected) in [
        ("from: role:board", &["board"][..], Ok(())),
        ("from: role:engineer", &["board"][..], Err("HP1002")),
        ("from: [role:engineer, role:board]", &["board"][..], Ok(())),
        // A name is no role.
        ("from: member:eve", &["board"][..], Err("HP1002")),
        ("from: role:board, roster: opening", &["board"][..], Ok(())),
        ("from: role:engineer, roster: opening", &["board"][..], Err("HP1002")),
        ("from: role:engineer, roster: opening", &[][..], Ok(())),
    ] {
        let approval = format!("rules: {{ one: {{ {rule}, need: 1 }} }}");
        let mut bench = held(&approval, "ada", &[("eve", "fay", roles)]);
        let answer = bench.act("fay", approve_for("eve"));
        let got = answer.map(drop).map_err(|refusal| refusal.code.as_str());
        assert_eq!(got, expected, "{rule}, lent {roles:?}");
    }
    // What was lent is what the member still holds.
    let mut bench =
        held("rules: { one: { from: role:board, need: 1 } }", "ada", &[("eve", "fay", &["board"])]);
    let (member, role) = ("eve".parse().unwrap(), "board".parse().unwrap());
    bench.happens(&ProjectEvent::RoleRevoked { member, role });
    refused(bench.act("fay", approve_for("eve")), RefusalCode::NotEligible);
    // One of several substitutions is enough.
    bench.happens(&stands(2, "dora", "fay", &[]));
    bench.act("fay", approve_for("dora")).unwrap();
    assert_eq!(last(&bench, "approval.granted")["for"]["substitution"], 2);
}

#[test]
fn one_person_counts_as_often_as_the_definition_says() {
    let standing: &[(&str, &str, &[&str])] = &[("bob", "fay", &[]), ("cy", "fay", &[])];
    for (policy, answers) in [
        ("", [Ok(()), Err("HP1014")]),
        (", substitutes: once", [Ok(()), Err("HP1014")]),
        (", substitutes: each", [Ok(()), Ok(())]),
        (", substitutes: never", [Err("HP1012"), Err("HP1012")]),
    ] {
        let mut bench = held(&format!("{PEERS}{policy}"), "ada", standing);
        for (of, expected) in ["bob", "cy"].into_iter().zip(answers) {
            let answer = bench.act("fay", approve_for(of));
            let got = answer.map(drop).map_err(|refusal| refusal.code.as_str());
            assert_eq!(got, expected, "{policy}: for {of}");
        }
        let released = answers == [Ok(()), Ok(())];
        assert_eq!(bench.status() == ended("done"), released, "{policy}");
    }
    // Nobody but a substitute is concerned: a member's own vote is none in another's place.
    let mut bench = held(&format!("{PEERS}, substitutes: never"), "ada", &[]);
    bench.act("bob", approve_for("bob")).unwrap();
    assert!(last(&bench, "approval.granted").get("for").is_none());
}

#[test]
fn once_is_once_whatever_rules_ask() {
    let two =
        "rules: { peers: { from: role:engineer, need: 1 }, board: { from: role:board, need: 1 } }";
    let standing: &[(&str, &str, &[&str])] = &[("dora", "bob", &[])];
    let mut bench = held(two, "ada", standing);
    bench.approve("bob").unwrap();
    // Two seats are two people.
    let refusal = refused(bench.act("bob", approve_for("dora")), RefusalCode::CountsOnce);
    assert_eq!(refusal.message, "`bob` counts on `ask` already, and once whoever they stand for");
    let lacks = bench.view().holds[0].conditions[1].substitutes[0].lacks.clone();
    assert_eq!(lacks.as_deref(), Some("has approved already, and counts once"));
    bench.act("bob", withdraw(None)).unwrap();
    bench.act("bob", approve_for("dora")).unwrap();
    let refusal = refused(bench.approve("bob"), RefusalCode::CountsOnce);
    assert_eq!(refusal.needed[0], "a vote of somebody else for `bob`, or of another who is asked");
    let candidates = &bench.view().holds[0].conditions[0].candidates;
    let bob = candidates.iter().find(|one| one.member.as_str() == "bob").unwrap();
    assert_eq!(bob.lacks.as_deref(), Some("has approved already, and counts once"));
    bench.approve("cy").unwrap();
    assert_eq!(bench.status(), ended("done"));
    // Where each counts, one person is enough.
    let mut bench = held(&format!("{two}, substitutes: each"), "ada", standing);
    bench.approve("bob").unwrap();
    bench.act("bob", approve_for("dora")).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_seat_is_found_anew_for_whoever_votes_in_several_places() {
    // The vote for eve, who is asked by both rules, makes room for those who are asked by one.
    let approval = "rules: { peers: { from: role:engineer, need: 2 }, board: { from: role:board, need: 1 } }, \
                    substitutes: each";
    let mut bench = held(approval, "ada", &[("eve", "fay", &[]), ("bob", "fay", &[])]);
    bench.act("fay", approve_for("eve")).unwrap();
    bench.act("fay", approve_for("bob")).unwrap();
    bench.approve("cy").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_vote_stands_when_the_substitution_ends() {
    let mut bench = held(PEERS, "ada", &[("bob", "fay", &[])]);
    bench.act("fay", approve_for("bob")).unwrap();
    bench.happens(&ProjectEvent::SubstituteWithdrawn { substitution: 1, reason: None });
    bench.happens(&ProjectEvent::MemberRemoved { member: "fay".parse().unwrap() });
    assert_eq!(condition(&bench).open, 1);
    refused(bench.act("ada", Action::Recount { hold: None }), RefusalCode::NotAwaited);
    bench.approve("cy").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_share_is_of_those_who_are_asked_whoever_stands_for_them() {
    let all = "rules: { all: { from: role:engineer, need: all, roster: now } }, substitutes: each";
    let standing: &[(&str, &str, &[&str])] = &[("bob", "fay", &[]), ("cy", "fay", &[])];
    let mut bench = held(all, "dora", standing);
    bench.act("fay", approve_for("bob")).unwrap();
    bench.act("fay", approve_for("cy")).unwrap();
    bench.approve("ada").unwrap();
    assert_eq!(condition(&bench).summary, "3 of 4 approvals by role engineer");
    bench.approve("eve").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn who_gave_a_vote_takes_it_back_and_so_does_who_it_was_given_for() {
    let standing: &[(&str, &str, &[&str])] = &[("bob", "fay", &[]), ("bob", "dora", &[])];
    let mut bench = held(PEERS, "ada", standing);
    bench.act("fay", approve_for("bob")).unwrap();
    // Another who stands for bob, and who gave it without saying for whom.
    refused(bench.act("dora", withdraw(Some("bob"))), RefusalCode::NotAwaited);
    let refusal = refused(bench.act("fay", withdraw(None)), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["say in whose place: `--for bob`"]);
    bench.act("fay", withdraw(Some("bob"))).unwrap();
    assert_eq!(last(&bench, "vote.withdrawn")["for"], "bob");
    bench.act("dora", approve_for("bob")).unwrap();
    bench.act("bob", withdraw(None)).unwrap();
    assert!(last(&bench, "vote.withdrawn").get("for").is_none());
    assert_eq!(condition(&bench).open, 2);
}

#[test]
fn a_rejection_and_a_veto_are_given_in_the_place_of_another_too() {
    let mut bench = held(PEERS, "ada", &[("bob", "fay", &[])]);
    bench.act("fay", vote_for(Vote::Reject, "bob")).unwrap();
    assert_eq!(bench.status(), ended("refused"));
    assert_eq!(last(&bench, "hold.rejected")["member"], "fay");

    let veto = format!("{PEERS}, veto: {{ from: role:board, overrule: member:cy }}");
    let mut bench = held(&veto, "ada", &[("dora", "fay", &[]), ("bob", "cy", &[])]);
    let refusal = refused(bench.act("cy", vote_for(Vote::Veto, "bob")), RefusalCode::NotEligible);
    assert_eq!(refusal.message, "`bob` has no veto on `ask`: role board has");
    bench.act("fay", vote_for(Vote::Veto, "dora")).unwrap();
    refused(bench.act("dora", vote_for(Vote::Veto, "dora")), RefusalCode::AlreadyVoted);
    let shown = &bench.view().holds[0].conditions[1];
    assert_eq!(shown.summary, "fay for dora vetoed it, until that is lifted or overruled: no");
    let (member, reason) = ("dora".parse().unwrap(), "it may".to_owned());
    bench.act("cy", Action::Overrule { hold: None, member, reason }).unwrap();
    assert_eq!(last(&bench, "veto.overruled")["veto_of"], "dora");
}

#[test]
fn an_amendment_takes_the_vote_of_whoever_wrote_it_in_any_place() {
    let approval =
        "rules: { peers: { from: role:engineer, need: 3 } }, not: [editors], amended: keep";
    for (editor, left) in [("ada", &["cy"][..]), ("cy", &["ada"][..])] {
        let mut bench = held(approval, editor, &[("bob", "ada", &[]), ("eve", "cy", &[])]);
        bench.act("ada", approve_for("bob")).unwrap();
        bench.act("cy", approve_for("eve")).unwrap();
        let (input, reason) = (json!({ "a": 1 }), "another".to_owned());
        bench.act(editor, Action::Amend { input, reason }).unwrap();
        let votes = condition(&bench).votes;
        let by: Vec<&str> = votes.iter().map(|vote| vote.member.as_str()).collect();
        assert_eq!(by, left, "{editor} amends");
        refused(
            bench.act(editor, approve_for("bob")),
            match editor {
                "ada" => RefusalCode::SelfApproval,
                _ => RefusalCode::NotSubstitute,
            },
        );
    }
}

#[test]
fn whoever_stands_for_another_is_reminded_and_answers_for_their_conditions() {
    let approval = format!("{PEERS}, duties: {{ discharge: author }}, remind: {{ after: 2h }}");
    let mut bench = held(&approval, "ada", &[("bob", "fay", &[]), ("dora", "fay", &[])]);
    bench.advance(hours(2));
    assert_eq!(last(&bench, "hold.reminded")["to"], json!(["bob", "cy", "eve", "fay"]));
    let duty = NewDuty { text: "tell us".to_owned(), before: None };
    let on_condition = Action::Vote {
        hold: None,
        vote: Vote::Approve,
        reason: None,
        duties: vec![duty],
        in_place_of: Some("bob".parse().unwrap()),
        plans: Default::default(),
    };
    bench.act("fay", on_condition).unwrap();
    let events = bench.approve("eve").unwrap();
    assert!(types(&events).contains(&"duty.opened".to_owned()), "{:?}", types(&events));
    assert_eq!(last(&bench, "duty.opened")["by"], "fay");
    bench.act("fay", Action::Discharge { duty: 1, note: "told".to_owned() }).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn what_cannot_be_meant_is_found() {
    let source = |approval: &str| {
        format!(
            "workflow: x\nversion: 1\ntitle: X\nstart: a\nstates:\n  a: {{ hold: {{ approval: {{ {approval} }} }}, on: {{ released: b, rejected: b }} }}\n  b: {{ end: b }}\n"
        )
    };
    let found = faults(&source(&format!("{PEERS}, substitutes: twice")));
    assert!(found.contains("`substitutes` cannot be `twice`"), "{found}");
    let found = faults(&source("rules: { cab: { from: group:cab, need: 1 } }"));
    assert!(found.contains("a role is what a group is: write `role:cab`"), "{found}");
}

#[test]
fn the_example_of_the_page_can_be_used() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/substitutes.md"));
    let (kind, text) = crate::docs::blocks(page, "yaml").remove(0);
    assert_eq!(kind, "fragment");
    workflow(&crate::docs::around(&text));
}

#[test]
fn a_definition_says_how_it_is_and_what_differs() {
    let source = |more: &str| {
        format!(
            "workflow: x\nversion: 1\ntitle: X\nstart: a\nstates:\n  a: {{ hold: {{ approval: {{ {PEERS}{more} }} }}, on: {{ released: b, rejected: b }} }}\n  b: {{ end: b }}\n"
        )
    };
    let once = workflow(&source(", substitutes: once"));
    for (more, says, counts) in [
        ("", "Whoever votes in the place of others counts once.", None),
        (
            ", substitutes: each",
            "Whoever votes in the place of others counts for each of them.",
            Some("counts for each of them"),
        ),
        (", substitutes: never", "Nobody votes in the place of another.", Some("nobody does")),
    ] {
        let other = workflow(&source(more));
        assert!(other.explain().contains(says), "{more}: {}", other.explain());
        let changes = once.compare(&other);
        let differences: Vec<_> =
            changes.iter().map(|one| (one.what.as_str(), one.after.as_deref())).collect();
        let expected: Vec<_> =
            counts.iter().map(|now| ("who votes in the place of others", Some(*now))).collect();
        assert_eq!(differences, expected, "{more}");
    }
}
