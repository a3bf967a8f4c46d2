//! An approval that still counts under one rule when the qualification for another has lapsed: who may
//! have it replaced.

use holdpoint_core::{
    Action, NextAsk, ProjectEvent, RefusalCode, Substitution, Vote, project::Qualification,
    testing::Bench,
};
use serde_json::json;

use crate::{
    common::{hours, last, open, people, refused, workflow},
    requalifying::{happens, recorded, revoked},
};

const SOURCE: &str = "
workflow: two-domains
version: 1
title: Two domains
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          net: { from: role:engineer, need: 1, qualified: network, qualified_at: work }
          disk: { from: role:engineer, need: 1, qualified: storage, qualified_at: work }
        not: [requester]
        substitutes: SUBSTITUTES
    on: { released: evening, rejected: refused }
  evening: { hold: { wait: { for: 1h } }, on: { released: build } }
  build: { do: { activity: { run: build } }, on: { succeeded: done, failed: refused } }
  done: { end: done }
  refused: { end: refused }
";

fn in_storage(member: &str) -> ProjectEvent {
    ProjectEvent::QualificationRecorded {
        member: member.parse().unwrap(),
        qualification: Qualification {
            domain: "storage".parse().unwrap(),
            issuer: "school".to_owned(),
            from: None,
            until: None,
            evidence: None,
        },
    }
}

fn stands(number: u32, member: &str, substitute: &str) -> ProjectEvent {
    ProjectEvent::SubstituteNamed(Substitution {
        number,
        member: member.parse().unwrap(),
        substitute: substitute.parse().unwrap(),
        from: None,
        until: "2026-01-06T10:00:00Z".parse().unwrap(),
        roles: Default::default(),
        reason: None,
    })
}

fn approve_for(member: &str) -> Action {
    match Action::vote(Vote::Approve, None) {
        Action::Vote { hold, vote, reason, duties, plans, .. } => {
            let in_place_of = Some(member.parse().unwrap());
            Action::Vote { hold, vote, reason, duties, in_place_of, plans }
        }
        other => other,
    }
}

/// A run that `dora`, qualified in both, has approved in the place of `cy`, who is qualified in nothing, and
/// `bob` for himself; before its work, of which these were lost meanwhile.
fn resting(substitutes: &str, bob: &str, lost: &[&str]) -> Bench {
    let source = SOURCE.replace("SUBSTITUTES", substitutes);
    let mut bench = Bench::new(workflow(&source), people());
    // `bob` is qualified in one of both.
    if bob == "storage" {
        bench.happens(&revoked("bob"));
        bench.happens(&in_storage("bob"));
    }
    [in_storage("dora"), stands(1, "cy", "dora"), stands(2, "cy", "eve")]
        .iter()
        .for_each(|fact| bench.happens(fact));
    bench.submit("ada", json!({})).unwrap();
    bench.act("dora", approve_for("cy")).unwrap();
    bench.approve("bob").unwrap();
    lost.iter().for_each(|member| bench.happens(&revoked(member)));
    bench.advance(hours(1));
    bench
}

/// Who could approve now, under the rules that have a seat open.
fn could(bench: &Bench) -> Vec<String> {
    let view = bench.view();
    let approvals =
        view.holds.iter().flat_map(|hold| &hold.conditions).filter(|one| one.kind == "approval");
    let able = approvals.flat_map(|one| {
        let own = one.candidates.iter().filter(|one| one.lacks.is_none());
        let others = one.substitutes.iter().filter(|one| one.lacks.is_none());
        own.map(|one| one.member.to_string())
            .chain(others.map(|one| format!("{} for {}", one.member, one.in_place_of.member)))
            .collect::<Vec<_>>()
    });
    able.collect()
}

fn proposes_a_vote(bench: &Bench) -> bool {
    let vote = Some(NextAsk::Vote { hold: "agree".to_owned() });
    bench.view().next_steps.iter().any(|step| step.ask == vote)
}

fn replays(bench: &Bench) {
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn whose_seat_has_lapsed_under_one_rule_may_have_it_filled_anew() {
    for substitutes in ["once", "each"] {
        // `bob` sits under `disk`, so `dora` sat under `net`, which she has lost; she still counts under `disk`.
        let mut bench = resting(substitutes, "storage", &["dora"]);
        assert_eq!(
            last(&bench, "qualifications.lapsed")["approvals"],
            json!([{ "hold": "agree", "rule": "net", "member": "dora", "domain": "network" }])
        );
        assert_eq!(could(&bench), ["eve", "eve for cy"], "cy is not qualified himself");
        refused(bench.approve("cy"), RefusalCode::NotQualified);
        refused(bench.act("dora", approve_for("cy")), RefusalCode::NotAwaited);
        refused(bench.approve("bob"), RefusalCode::AlreadyVoted);
        happens(&mut bench, &recorded("cy", None, None));
        assert_eq!(could(&bench), ["cy", "eve", "eve for cy"]);
        assert!(proposes_a_vote(&bench));
        bench.approve("cy").unwrap();
        assert_eq!(open(&bench), ["build#1"]);
        let counted = &last(&bench, "state.entered")["qualified"];
        let counted: Vec<(&str, &str)> = counted
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["rule"].as_str().unwrap(), one["member"].as_str().unwrap()))
            .collect();
        assert_eq!(counted, [("disk", "bob"), ("net", "cy")], "each once");
        replays(&bench);
        // By another substitute.
        let mut bench = resting(substitutes, "storage", &["dora"]);
        bench.act("eve", approve_for("cy")).unwrap();
        assert_eq!(open(&bench), ["build#1"]);
        replays(&bench);
    }
}

#[test]
fn who_is_needed_where_they_sit_has_no_second_seat() {
    // `bob` sat under `net`, and `dora` sits under `disk` for `cy`, where nobody else does.
    let mut bench = resting("each", "network", &["bob", "dora"]);
    happens(&mut bench, &recorded("cy", None, None));
    assert_eq!(could(&bench), ["eve"], "cy has one seat, which is filled");
    refused(bench.approve("cy"), RefusalCode::AlreadyVoted);
    refused(bench.act("eve", approve_for("cy")), RefusalCode::AlreadyVoted);
    bench.approve("eve").unwrap();
    assert_eq!(open(&bench), ["build#1"]);
    replays(&bench);
}
