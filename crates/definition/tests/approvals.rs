//! Approvals in full: shares of a roster, rules in sequence, votes that are taken back, vetoes,
//! and approvals that are given on conditions.

use std::fmt::Write as _;

use holdpoint_core::{
    Action, NewDuty, RefusalCode, RunStatus, Vote,
    testing::{Bench, project, types},
};
use serde_json::json;

use crate::common::{
    cancel, data, ended, faults, hours, last, people, refused, submitted, workflow,
};

/// A hold with these rules, and whatever else its approval has.
fn hold(rules: &str, more: &str) -> String {
    format!(
        "
workflow: ask
version: 1
title: Ask
input: {{ type: object }}
start: ask
states:
  ask:
    hold:
      approval:
        rules:
          {rules}
        {more}
    on: {{ released: work, rejected: refused, expired: lapsed }}
  work: {{ do: {{ activity: {{ run: work }} }}, on: {{ succeeded: done, failed: done }} }}
  done: {{ end: done }}
  refused: {{ end: refused }}
  lapsed: {{ end: lapsed }}
"
    )
    .replace(if more.contains("expires") { "\u{0}" } else { ", expired: lapsed" }, "")
    .replace(if more.contains("expires") { "\u{0}" } else { "  lapsed: { end: lapsed }\n" }, "")
}

fn held(rules: &str, more: &str, by: &str) -> Bench {
    submitted(&hold(rules, more), by, json!({}))
}

/// The conditions of the open hold, as a person sees them.
fn shown(bench: &Bench) -> String {
    let view = bench.view();
    let mut text = String::new();
    for condition in view.holds.iter().flat_map(|hold| &hold.conditions) {
        let mark = if condition.met { "met" } else { "open" };
        writeln!(text, "{mark}: {}", condition.summary).unwrap();
        let can = condition.candidates.iter().filter(|one| one.lacks.is_none());
        let can: Vec<&str> = can.map(|one| one.member.as_str()).collect();
        if !can.is_empty() {
            writeln!(text, "  {}", can.join(" ")).unwrap();
        }
    }
    text
}

fn withdraw() -> Action {
    Action::Withdraw { hold: None, in_place_of: None, reason: None }
}

fn veto(reason: &str) -> Action {
    Action::vote(Vote::Veto, Some(reason))
}

fn overrule(member: &str, reason: &str) -> Action {
    let (member, reason) = (member.parse().unwrap(), reason.to_owned());
    Action::Overrule { hold: None, member, reason }
}

fn on_condition(text: &str, before: Option<&str>) -> Action {
    let duty = NewDuty { text: text.to_owned(), before: before.map(str::to_owned) };
    Action::Vote {
        hold: None,
        vote: Vote::Approve,
        reason: None,
        duties: vec![duty],
        in_place_of: None,
        plans: Default::default(),
    }
}

fn discharge(duty: u32) -> Action {
    Action::Discharge { duty, note: "seen to".to_owned() }
}

fn is_past_the_hold(bench: &Bench) -> bool {
    bench.view().state == "work"
}

// Shares of a roster. `ada`, `bob`, `cy` and `eve` are engineers.

#[test]
fn a_share_counts_those_who_could_approve() {
    for (need, not, expected) in [
        ("all", "", 4),
        ("all", "not: [requester]", 3),
        ("majority", "", 3),
        ("majority", "not: [requester]", 2),
        ("60%", "", 3),
        ("60%", "not: [requester]", 2),
        ("25%", "", 1),
        ("1%", "", 1),
        ("100%", "", 4),
    ] {
        for roster in ["opening", "now"] {
            let rule = format!("peers: {{ from: role:engineer, need: {need}, roster: {roster} }}");
            let mut bench = held(&rule, not, "ada");
            assert_eq!(last(&bench, "hold.opened")["rules"][0]["need"], expected, "{need} {not}");
            let voters = ["eve", "cy", "bob", "ada"];
            for (n, voter) in voters[..expected].iter().enumerate() {
                assert!(!is_past_the_hold(&bench), "{need} {not}: {n} suffice");
                bench.approve(voter).unwrap();
            }
            assert!(is_past_the_hold(&bench), "{need} {not}: {expected} do not suffice");
        }
    }
}

#[test]
fn a_share_counts_only_the_qualified() {
    let rule = "peers: { from: role:engineer, qualified: network, need: all, roster: opening }";
    let bench = held(rule, "not: [requester]", "ada");
    assert_eq!(
        last(&bench, "hold.opened")["rules"],
        json!([{ "rule": "peers", "need": 2, "qualified": "network", "roster": ["bob", "eve"] }])
    );
}

/// `gus` joins the engineers, `bob` leaves.
fn changed(bench: &mut Bench) {
    *bench.project_mut() = project(&[
        ("ada", &["engineer"], &[]),
        ("cy", &["engineer"], &[]),
        ("eve", &["engineer"], &[]),
        ("gus", &["engineer"], &[]),
        ("hal", &["engineer"], &[]),
        ("ian", &["engineer"], &[]),
    ]);
}

#[test]
fn the_roster_of_the_opening_stays_as_it_was() {
    let rule = "peers: { from: role:engineer, need: majority, roster: opening }";
    let mut bench = held(rule, "", "ada");
    changed(&mut bench);
    let refusal = refused(bench.approve("gus"), RefusalCode::NotEligible);
    assert_eq!(
        refusal.message,
        "`gus` was not on the roster when the hold opened, which is the one that counts"
    );
    assert_eq!(refusal.needed, ["a vote by role engineer: ada, cy, eve"]);
    refused(bench.approve("bob"), RefusalCode::NotMember);
    for voter in ["ada", "cy", "eve"] {
        assert_eq!(bench.status(), RunStatus::Held);
        bench.approve(voter).unwrap();
    }
    assert!(is_past_the_hold(&bench));
}

#[test]
fn the_roster_of_now_is_counted_at_every_vote() {
    let rule = "peers: { from: role:engineer, need: majority, roster: now }";
    let mut bench = held(rule, "", "ada");
    bench.approve("ada").unwrap();
    bench.approve("cy").unwrap();
    changed(&mut bench);
    assert_eq!(shown(&bench), "open: 2 of 4 approvals by role engineer\n  eve gus hal ian\n");
    let events = bench.approve("gus").unwrap();
    assert_eq!(types(&events), ["approval.recounted", "approval.granted"]);
    assert_eq!(data(&events[0]), json!({ "hold": "ask", "needs": { "peers": 4 } }));
    bench.approve("hal").unwrap();
    assert!(is_past_the_hold(&bench));
}

#[test]
fn votes_are_counted_anew_when_somebody_asks() {
    let rule = "peers: { from: role:engineer, need: all, roster: now }";
    let mut bench = held(rule, "", "ada");
    let recount = || Action::Recount { hold: None };
    let refusal = refused(bench.act("fay", recount()), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "the members whom `ask` asks ask for as many votes as before");
    for voter in ["ada", "cy", "eve"] {
        bench.approve(voter).unwrap();
    }
    // `bob`, who has not voted, leaves: nobody need vote any more, and somebody must notice.
    *bench.project_mut() = project(&[
        ("ada", &["engineer"], &[]),
        ("cy", &["engineer"], &[]),
        ("eve", &["engineer"], &[]),
        ("fay", &[], &[]),
    ]);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(bench.next_steps()[0], "count the votes on `ask` anew: the members have changed");
    let events = bench.act("fay", recount()).unwrap();
    assert_eq!(types(&events)[..2], ["approval.recounted", "hold.released"]);
    assert!(is_past_the_hold(&bench));
}

#[test]
fn an_empty_roster_agrees_to_nothing() {
    for need in ["all", "majority", "50%"] {
        let rule = format!("peers: {{ from: role:nobody, need: {need}, roster: now }}");
        let bench = held(&rule, "", "ada");
        assert_eq!(bench.status(), RunStatus::Held);
        assert_eq!(shown(&bench), "open: 0 of 1 approval by role nobody\n");
    }
}

// Rules in sequence.

const SEQUENCE: &str = "board: { from: role:board, need: 1, after: peers }\n          \
                        peers: { from: role:engineer, need: 2 }";

#[test]
fn a_rule_asks_nobody_before_those_it_comes_after() {
    let mut bench = held(SEQUENCE, "", "ada");
    assert_eq!(
        shown(&bench),
        "open: 0 of 1 approval by role board, after peers\n\
         open: 0 of 2 approvals by role engineer\n  ada bob cy eve\n"
    );
    for refusal in [bench.approve("dora"), bench.reject("dora", "no")] {
        let refusal = refused(refusal, RefusalCode::NotAwaited);
        assert_eq!(refusal.message, "`dora` is asked only when `peers` is satisfied");
        // Whom only a later rule asks is no help now.
        assert_eq!(refusal.needed, ["a vote by role engineer: ada, bob, cy, eve"]);
    }
    // `eve` is of both, and counts as a peer now: whoever the board is has not been asked yet.
    bench.approve("eve").unwrap();
    assert_eq!(last(&bench, "approval.granted")["rules"], json!(["peers"]));
    bench.approve("ada").unwrap();
    assert_eq!(shown(&bench).lines().next(), Some("open: 0 of 1 approval by role board"));
    refused(bench.approve("cy"), RefusalCode::NotAwaited);
    bench.approve("dora").unwrap();
    assert!(is_past_the_hold(&bench));
}

#[test]
fn a_rule_does_not_wait_for_one_that_does_not_apply() {
    let rules = SEQUENCE.replace("need: 2 }", "need: 2, when: 'has(input.careful)' }");
    let mut bench = held(&rules, "", "ada");
    bench.approve("dora").unwrap();
    assert!(is_past_the_hold(&bench));
    let mut bench = submitted(&hold(&rules, ""), "ada", json!({ "careful": true }));
    refused(bench.approve("dora"), RefusalCode::NotAwaited);
}

#[test]
fn rules_that_wait_for_each_other_are_found() {
    let found = faults(&hold(
        "a: { from: role:x, need: 1, after: [b] }\n          \
         b: { from: role:x, need: 1, after: a }\n          \
         c: { from: role:x, need: 1, after: a }",
        "",
    ));
    assert!(
        found.contains("error[HP2025]: the rules `a`, `b`, `c` wait for each other"),
        "{found}"
    );
}

// Votes that are taken back.

#[test]
fn an_approval_is_taken_back_and_given_again() {
    let mut bench = held("peers: { from: role:engineer, need: 2 }", "expires: 1d", "ada");
    refused(bench.act("bob", withdraw()), RefusalCode::NotAwaited);
    bench.approve("bob").unwrap();
    let refusal = refused(bench.approve("bob"), RefusalCode::AlreadyVoted);
    assert_eq!(refusal.needed, ["withdraw that vote first"]);
    let reason = Some(" the plan has a hole ".to_owned());
    let events =
        bench.act("bob", Action::Withdraw { hold: None, in_place_of: None, reason }).unwrap();
    assert_eq!(types(&events), ["vote.withdrawn"]);
    assert_eq!(
        data(&events[0]),
        json!({
            "hold": "ask", "member": "bob", "vote": "approve", "reason": "the plan has a hole"
        })
    );
    bench.approve("cy").unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    bench.approve("bob").unwrap();
    assert!(is_past_the_hold(&bench));
    // What has released a hold stands.
    refused(bench.act("bob", withdraw()), RefusalCode::NotAwaited);
}

#[test]
fn a_vote_is_taken_back_by_those_who_may_no_longer_vote_and_not_after_the_deadline() {
    let mut bench = held("peers: { from: role:engineer, need: 2 }", "expires: 1d", "ada");
    bench.approve("bob").unwrap();
    *bench.project_mut() = project(&[("ada", &[], &[]), ("bob", &[], &[])]);
    bench.act("bob", withdraw()).unwrap();
    let mut late = held("peers: { from: role:engineer, need: 2 }", "expires: 1d", "ada");
    late.approve("bob").unwrap();
    late.advance(hours(24));
    assert_eq!(late.status(), ended("lapsed"));
    refused(late.act("bob", withdraw()), RefusalCode::RunEnded);
}

// Vetoes. `fay` is not asked by the rules.

const VETO: &str = "veto: { from: [member:fay, role:board], overrule: member:cy }";

fn vetoed() -> Bench {
    let mut bench = held("peers: { from: [role:engineer], need: 1 }", VETO, "ada");
    bench.act("fay", veto("the key is in the log")).unwrap();
    bench
}

#[test]
fn who_has_a_veto_is_told_of_it() {
    let bench = held("peers: { from: [role:engineer], need: 1 }", VETO, "ada");
    let offered = "veto `ask`, with a reason, as member fay or role board";
    assert!(bench.next_steps().contains(&offered.to_owned()));
    // While one stands, how it ends is what matters.
    assert!(!vetoed().next_steps().contains(&offered.to_owned()));
    let nobody = VETO.replace("[member:fay, role:board]", "role:nobody");
    let bench = held("peers: { from: [role:engineer], need: 1 }", &nobody, "ada");
    assert!(bench.next_steps().iter().all(|step| !step.contains("veto")));
}

#[test]
fn a_veto_holds_what_is_approved() {
    let mut bench = vetoed();
    let recorded = last(&bench, "hold.vetoed");
    assert_eq!(recorded["member"], "fay");
    assert_eq!(recorded["reason"], "the key is in the log");
    assert_eq!(bench.approve("bob").unwrap().len(), 1);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(
        shown(&bench),
        "met: 1 of 1 approval by role engineer\n\
         open: fay vetoed it, until that is lifted or overruled: the key is in the log\n"
    );
    assert_eq!(
        bench.next_steps()[1..3],
        [
            "lift the veto on `ask`, as `fay`",
            "overrule the veto of `fay` on `ask`, with a reason, as member cy"
        ]
    );
}

#[test]
fn its_author_lifts_a_veto_whatever_they_have_become() {
    let mut bench = vetoed();
    bench.approve("bob").unwrap();
    *bench.project_mut() = project(&[("ada", &[], &[]), ("fay", &[], &[])]);
    let events = bench.act("fay", withdraw()).unwrap();
    assert_eq!(types(&events)[..2], ["vote.withdrawn", "hold.released"]);
    assert!(is_past_the_hold(&bench));
}

#[test]
fn a_veto_is_overruled_by_who_may_with_a_reason() {
    let mut bench = vetoed();
    bench.approve("bob").unwrap();
    refused(bench.act("bob", overrule("fay", "fine")), RefusalCode::NotEligible);
    refused(bench.act("cy", overrule("fay", " ")), RefusalCode::InvalidInput);
    refused(bench.act("cy", overrule("bob", "fine")), RefusalCode::NotAwaited);
    let events = bench.act("cy", overrule("fay", "the key is a test's")).unwrap();
    assert_eq!(types(&events)[..2], ["veto.overruled", "hold.released"]);
    assert_eq!(
        data(&events[0]),
        json!({
            "hold": "ask", "member": "cy", "roles": ["engineer"], "veto_of": "fay",
            "reason": "the key is a test's"
        })
    );
    assert!(is_past_the_hold(&bench));
}

#[test]
fn what_was_overruled_is_settled_while_it_is_the_same() {
    let more = format!("{VETO}\n        amended: reset");
    let mut bench = held("peers: { from: [role:engineer], need: 2 }", &more, "ada");
    let amend = |bench: &mut Bench, input: serde_json::Value| {
        bench.act("ada", Action::Amend { input, reason: "another try".to_owned() }).unwrap();
    };
    bench.act("fay", veto("no")).unwrap();
    bench.act("cy", overrule("fay", "yes")).unwrap();
    let refusal = refused(bench.act("fay", veto("still no")), RefusalCode::NotAwaited);
    assert_eq!(
        refusal.message,
        "the veto of `fay` on `ask` was overruled by `cy`, and what it was about is the same"
    );
    // It is theirs alone that is settled, and only about this text.
    bench.act("dora", veto("not with me")).unwrap();
    bench.act("dora", withdraw()).unwrap();
    bench.act("dora", veto("lifted is not overruled")).unwrap();
    bench.act("dora", withdraw()).unwrap();
    amend(&mut bench, json!({ "other": true }));
    bench.act("fay", veto("not that either")).unwrap();
    bench.act("fay", withdraw()).unwrap();
    amend(&mut bench, json!({}));
    refused(bench.act("fay", veto("this again")), RefusalCode::NotAwaited);
    // Who has no veto any more votes as everybody does.
    bench.approve("bob").unwrap();
    bench.approve("eve").unwrap();
    assert!(is_past_the_hold(&bench));
}

#[test]
fn nobody_is_offered_a_veto_that_is_settled() {
    let alone = VETO.replace("[member:fay, role:board]", "member:fay");
    let mut bench = held("peers: { from: [role:engineer], need: 2 }", &alone, "ada");
    let offered = |bench: &Bench| bench.next_steps().iter().any(|step| step.starts_with("veto"));
    assert!(offered(&bench));
    bench.act("fay", veto("no")).unwrap();
    bench.act("cy", overrule("fay", "yes")).unwrap();
    assert!(!offered(&bench));
}

#[test]
fn who_may_not_decide_does_not_overrule() {
    let more = format!("{VETO}\n        not: [requester]");
    let mut bench = held("peers: { from: role:engineer, need: 1 }", &more, "cy");
    bench.act("dora", veto("no")).unwrap();
    let refusal = refused(bench.act("cy", overrule("dora", "yes")), RefusalCode::SelfApproval);
    assert_eq!(refusal.needed, ["dora lifts the veto, or member cy overrules it"]);
}

#[test]
fn a_veto_is_for_those_who_have_one() {
    let mut bench = held("peers: { from: role:engineer, need: 2 }", VETO, "ada");
    let refusal = refused(bench.act("bob", veto("no")), RefusalCode::NotEligible);
    assert_eq!(refusal.message, "`bob` has no veto on `ask`: member fay or role board has");
    refused(bench.act("fay", Action::vote(Vote::Veto, None)), RefusalCode::InvalidInput);
    // One vote each: who has approved withdraws that first.
    bench.approve("eve").unwrap();
    refused(bench.act("eve", veto("no")), RefusalCode::AlreadyVoted);
    bench.act("eve", withdraw()).unwrap();
    bench.act("eve", veto("no")).unwrap();
    // A rejection ends the hold all the same.
    bench.reject("bob", "enough of this").unwrap();
    assert_eq!(bench.status(), ended("refused"));
    let mut plain = held("peers: { from: role:engineer, need: 1 }", "", "ada");
    let refusal = refused(plain.act("bob", veto("no")), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "nobody has a veto on `ask`");
}

// Conditions.

const DUTIES: &str = "duties: { discharge: [author, role:board] }";

#[test]
fn a_run_that_waits_for_duties_wants_no_signal_that_it_has_taken() {
    let source = "
workflow: late
version: 1
title: Late
start: ask
states:
  ask:
    hold:
      approval: { rules: { peer: { from: role:engineer, need: 1 } }, duties: { discharge: author } }
    on: { released: wait, rejected: done }
  wait: { hold: { signal: { name: go } }, on: { released: done } }
  done: { end: done }
";
    let mut bench = submitted(source, "ada", json!({}));
    bench.act("bob", on_condition("measure", None)).unwrap();
    let go = || Action::Signal { name: "go".to_owned(), data: json!(null) };
    bench.act("bob", go()).unwrap();
    let refusal = refused(bench.act("bob", go()), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "nothing in this run can want the signal `go`");
    bench.act("bob", discharge(1)).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn conditions_are_owed_from_the_release_on() {
    let mut bench = held("peers: { from: role:engineer, need: 2 }", DUTIES, "ada");
    bench.act("bob", on_condition("tell the night shift", Some("work"))).unwrap();
    assert_eq!(bench.view().duties, [], "nothing is owed before the release");
    let events = bench.act("cy", on_condition("measure again", None)).unwrap();
    assert_eq!(
        types(&events),
        ["approval.granted", "hold.released", "duty.opened", "duty.opened", "duties.awaited"]
    );
    assert_eq!(
        data(&events[2]),
        json!({
            "duty": 1, "hold": "ask", "by": "bob", "text": "tell the night shift", "before": "work"
        })
    );
    assert_eq!(data(&events[4]), json!({ "before": "work", "duties": [1] }));
    let view = bench.view();
    assert_eq!((bench.status(), view.state.as_str()), (RunStatus::Held, "ask"));
    let duty = &view.duties[0];
    let can: Vec<&str> = duty.candidates.iter().map(|member| member.as_str()).collect();
    assert_eq!((duty.text.as_str(), can), ("tell the night shift", vec!["bob", "dora", "eve"]));
    assert_eq!(view.next_steps[0].text, "discharge the duty 1, with a note");

    let refusal = refused(bench.act("ada", discharge(1)), RefusalCode::NotEligible);
    assert_eq!(
        refusal.message,
        "`ada` does not discharge the duty 1: its author or role board does"
    );
    assert_eq!(refusal.needed, ["one of bob, dora, eve"]);
    refused(bench.act("bob", discharge(3)), RefusalCode::NotFound);
    let note = Action::Discharge { duty: 1, note: " ".to_owned() };
    refused(bench.act("bob", note), RefusalCode::InvalidInput);
    let events = bench.act("bob", discharge(1)).unwrap();
    assert_eq!(types(&events), ["duty.discharged", "state.entered", "work.requested"]);
    refused(bench.act("bob", discharge(1)), RefusalCode::NotFound);

    // The other one is owed before the end.
    let events = bench.attempt("work#1", crate::common::done()).unwrap();
    assert_eq!(types(&events).last().unwrap(), "duties.awaited");
    assert_eq!((bench.status(), bench.view().state.as_str()), (RunStatus::Held, "work"));
    bench.act("dora", discharge(2)).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_duty_may_be_done_before_anything_waits_for_it() {
    let mut bench = held("peers: { from: role:engineer, need: 1 }", DUTIES, "ada");
    bench.act("bob", on_condition("measure again", None)).unwrap();
    assert!(is_past_the_hold(&bench));
    bench.act("bob", discharge(1)).unwrap();
    bench.attempt("work#1", crate::common::done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn what_is_owed_does_not_keep_a_run_from_being_cancelled() {
    let mut bench = held("peers: { from: role:engineer, need: 1 }", DUTIES, "ada");
    bench.act("bob", on_condition("tell the night shift", Some("work"))).unwrap();
    bench.act("ada", cancel("no longer needed")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn a_condition_goes_with_its_vote() {
    let mut bench = held("peers: { from: role:engineer, need: 1 }", DUTIES, "ada");
    let mut other = bench.clone();
    bench.act("bob", on_condition("x", None)).unwrap();
    assert_eq!(bench.view().duties.len(), 1);
    let two = hold("peers: { from: role:engineer, need: 2 }", DUTIES);
    let mut bench = submitted(&two, "ada", json!({}));
    bench.act("bob", on_condition("x", None)).unwrap();
    bench.act("bob", withdraw()).unwrap();
    bench.approve("cy").unwrap();
    bench.approve("eve").unwrap();
    assert_eq!(bench.view().duties, []);
    // A rejection owes nothing.
    other.reject("bob", "no").unwrap();
    assert_eq!(other.status(), ended("refused"));
}

#[test]
fn conditions_must_be_such_that_can_be_met() {
    let mut bench = held("peers: { from: role:engineer, need: 1 }", DUTIES, "ada");
    let refusal =
        refused(bench.act("bob", on_condition("x", Some("lapsed"))), RefusalCode::InvalidInput);
    assert_eq!(refusal.message, "the run cannot come to a state `lapsed` from here");
    assert_eq!(refusal.needed, ["the states ahead are done, refused, work"]);
    for text in [" ".to_owned(), "x".repeat(1025)] {
        refused(bench.act("bob", on_condition(&text, None)), RefusalCode::InvalidInput);
    }
    let duty = NewDuty { text: "x".to_owned(), before: None };
    let many = |vote| Action::Vote {
        hold: None,
        vote,
        reason: Some("because".to_owned()),
        duties: vec![duty.clone(); 101],
        in_place_of: None,
        plans: Default::default(),
    };
    refused(bench.act("bob", many(Vote::Approve)), RefusalCode::InvalidInput);
    refused(bench.act("bob", many(Vote::Reject)), RefusalCode::InvalidInput);
    let mut plain = held("peers: { from: role:engineer, need: 1 }", "", "ada");
    let refusal = refused(plain.act("bob", on_condition("x", None)), RefusalCode::InvalidInput);
    assert_eq!(refusal.message, "an approval of `ask` cannot be given on conditions");
}

// What decides nothing, and who may not decide.

#[test]
fn a_comment_decides_nothing() {
    let mut bench = held("peers: { from: role:engineer, need: 1 }", "", "ada");
    let comment = |text: &str| Action::Comment { text: text.to_owned() };
    let events = bench.act("fay", comment(" the vendor calls at noon ")).unwrap();
    assert_eq!(types(&events), ["run.commented"]);
    assert_eq!(data(&events[0]), json!({ "state": "ask", "text": "the vendor calls at noon" }));
    refused(bench.act("fay", comment("  ")), RefusalCode::InvalidInput);
    refused(bench.act("zed", comment("x")), RefusalCode::NotMember);
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn who_carries_a_run_out_does_not_decide_on_it() {
    let source = "
workflow: roll-and-look
version: 1
title: Roll out, then look
start: roll
states:
  roll:
    do:
      rollout:
        targets: [a]
        each: { run: deploy }
        healthy: { http: 'http://${target}/' }
        rollback: { run: restore }
    on: { succeeded: look, rolled_back: look, failed: look }
  look:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [executors] } }
    on: { released: done, rejected: done }
  done: { end: done }
";
    let mut bench = Bench::new(workflow(source), people());
    bench.submit("ada", json!({})).unwrap();
    bench.attempt("roll#1/a/deploy", crate::common::done()).unwrap();
    bench.attempt("roll#1/a/check", crate::common::verdict("inconclusive")).unwrap();
    bench.act("ada", crate::common::steer(holdpoint_core::Steering::Promote, None, None)).unwrap();
    assert_eq!(bench.view().state, "look");
    let refusal = refused(bench.approve("ada"), RefusalCode::SelfApproval);
    assert_eq!(refusal.message, "`ada` carries the run out and nobody decides on their own work");
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), ended("done"));
}
