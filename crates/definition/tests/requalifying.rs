//! Qualifications that must be valid when the work begins, too: what holds a run then, and what lets it
//! go on.

use holdpoint_core::{
    Action, MemberId, NewDuty, NextAsk, ProjectEvent, RefusalCode, RunStatus, Vote,
    project::Qualification,
    testing::{Bench, types},
};
use holdpoint_definition::Definition;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use crate::common::{
    cancel, cases, data, done, ended, fatal, faults, hours, last, open, people, refused, workflow,
};

/// A hold whose rules are as they are said, a wait, and work.
fn change(rules: &str) -> String {
    format!(
        "
workflow: change
version: 1
title: Change
start: agree
states:
  agree:
    hold: {{ approval: {{ rules: {{ {rules} }}, not: [requester] }} }}
    on: {{ released: evening, rejected: refused }}
  evening:
    hold: {{ wait: {{ for: 12h }} }}
    on: {{ released: build }}
  build:
    do: {{ activity: {{ run: build }} }}
    on: {{ succeeded: again, failed: refused }}
  again:
    do: {{ activity: {{ run: again }} }}
    on: {{ succeeded: done, failed: refused }}
  done: {{ end: done }}
  refused: {{ end: refused }}
"
    )
}

const PEER: &str = "peer: { from: role:engineer, need: 1, qualified: network, qualified_at: work }";

fn submitted(rules: &str) -> Bench {
    let mut bench = Bench::new(workflow(&change(rules)), people());
    bench.submit("ada", json!({})).unwrap();
    bench
}

pub(crate) fn revoked(member: &str) -> ProjectEvent {
    ProjectEvent::QualificationRevoked {
        member: member.parse().unwrap(),
        domain: "network".parse().unwrap(),
        reason: None,
    }
}

pub(crate) fn recorded(
    member: &str,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> ProjectEvent {
    ProjectEvent::QualificationRecorded {
        member: member.parse().unwrap(),
        qualification: Qualification {
            domain: "network".parse().unwrap(),
            issuer: "school".to_owned(),
            from,
            until,
            evidence: None,
        },
    }
}

/// Lets something happen in the project, and the run notice it.
pub(crate) fn happens(bench: &mut Bench, fact: &ProjectEvent) {
    bench.happens(fact);
    bench.advance(hours(0));
}

/// A run that `bob` has approved, and rests before its work as he is not qualified any more.
fn resting() -> Bench {
    let mut bench = submitted(PEER);
    bench.approve("bob").unwrap();
    happens(&mut bench, &revoked("bob"));
    bench.advance(hours(12));
    bench
}

#[test]
fn the_run_rests_before_its_work_and_says_why_and_what_can_be_done() {
    let bench = resting();
    assert_eq!(bench.status(), RunStatus::Held);
    assert!(open(&bench).is_empty(), "no work is begun");
    let lapsed = last(&bench, "qualifications.lapsed");
    assert_eq!(lapsed["state"], "build");
    assert_eq!(
        lapsed["approvals"],
        json!([{ "hold": "agree", "rule": "peer", "member": "bob", "domain": "network" }])
    );
    assert_eq!(lapsed.get("again"), None);
    let view = bench.view();
    assert_eq!(view.holds.len(), 1);
    assert_eq!(view.holds[0].hold, "agree");
    let shown: Vec<(&str, &str, bool)> =
        view.holds[0].conditions.iter().map(|one| (one.kind, one.name.as_str(), one.met)).collect();
    assert_eq!(shown, [("qualification", "bob", false), ("approval", "peer", false)]);
    let able = view.holds[0].conditions[1].candidates.iter().filter(|one| one.lacks.is_none());
    assert_eq!(able.map(|one| one.member.as_str()).collect::<Vec<_>>(), ["eve"]);
    let votes: Vec<&Option<NextAsk>> = view.next_steps.iter().map(|step| &step.ask).collect();
    assert!(votes.contains(&&Some(NextAsk::Vote { hold: "agree".to_owned() })), "{votes:?}");
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn it_goes_on_when_the_qualification_is_renewed() {
    let mut bench = resting();
    happens(&mut bench, &recorded("eve", None, None));
    assert!(open(&bench).is_empty(), "another is qualified twice, which helps nobody");
    let count = bench.history().len();
    happens(&mut bench, &recorded("cy", None, None));
    assert_eq!(bench.history().len(), count, "what changes nothing for it writes nothing");
    let until = bench.now() + hours(48);
    happens(&mut bench, &recorded("bob", None, Some(until)));
    assert_eq!(open(&bench), ["build#1"]);
    assert_eq!(
        last(&bench, "state.entered"),
        json!({ "state": "build", "visit": 1, "qualified": [{
            "hold": "agree", "rule": "peer", "member": "bob", "domain": "network", "until": until,
        }] })
    );
    // It is looked at until the work has begun, and no more.
    bench.begin_open();
    happens(&mut bench, &revoked("bob"));
    bench.attempt("build#1", done()).unwrap();
    assert_eq!(last(&bench, "state.entered"), json!({ "state": "again", "visit": 1 }));
    bench.attempt("again#1", done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn what_is_asked_for_and_not_begun_is_taken_back() {
    let mut bench = submitted(PEER);
    bench.approve("bob").unwrap();
    bench.advance(hours(12));
    assert_eq!(open(&bench), ["build#1"]);
    // Nobody has begun it, and that is when it counts.
    bench.happens(&revoked("bob"));
    bench.begin_open();
    assert_eq!(bench.status(), RunStatus::Held);
    assert!(open(&bench).is_empty());
    assert_eq!(last(&bench, "qualifications.lapsed")["state"], "build");
    bench.approve("eve").unwrap();
    assert_eq!(open(&bench), ["build#2"]);
    bench.attempt("build#2", done()).unwrap();
    bench.attempt("again#1", done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn a_qualification_counts_from_its_beginning_and_until_its_end() {
    let second = jiff::SignedDuration::from_secs(1);
    for (from, until, counts) in [
        (None, Some(hours(12)), false),
        (None, Some(hours(12) + second), true),
        (Some(hours(12)), None, true),
        (Some(hours(12) + second), None, false),
        (Some(hours(11)), Some(hours(12)), false),
    ] {
        let mut bench = submitted(PEER);
        bench.approve("bob").unwrap();
        bench.happens(&revoked("bob"));
        let at = |time: Option<jiff::SignedDuration>| time.map(|time| bench.now() + time);
        let (from, until) = (at(from), at(until));
        bench.happens(&recorded("bob", from, until));
        bench.advance(hours(12));
        assert_eq!(open(&bench) == ["build#1"], counts, "{from:?} {until:?}");
        if !counts {
            let lapsed = last(&bench, "qualifications.lapsed");
            let ended = until.filter(|until| *until <= bench.now());
            assert_eq!(lapsed["approvals"][0].get("until").cloned(), ended.map(|end| json!(end)));
            assert_eq!(
                lapsed.get("again").cloned(),
                from.filter(|from| *from > bench.now()).map(|from| json!(from))
            );
        }
    }
}

#[test]
fn a_run_that_rests_so_can_be_cancelled_and_its_time_can_be_over() {
    let mut bench = resting();
    let steps = bench.next_steps();
    assert!(steps.iter().any(|step| step.starts_with("cancel the run")), "{steps:?}");
    bench.act("ada", cancel("it is not to be")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
    let source = change(PEER).replace("start:", "expires: { after: 2d, to: refused }\nstart:");
    let mut bench = Bench::new(workflow(&source), people());
    bench.submit("ada", json!({})).unwrap();
    bench.approve("bob").unwrap();
    bench.happens(&revoked("bob"));
    bench.advance(hours(12));
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(hours(36));
    assert_eq!(bench.status(), ended("refused"));
}

#[test]
fn a_hold_that_is_opened_again_is_approved_again_and_looked_at_again() {
    let source = change(PEER).replace(
        "on: { succeeded: again, failed: refused }",
        "on: { succeeded: again, failed: agree }",
    );
    let mut bench = Bench::new(workflow(&source), people());
    bench.submit("ada", json!({})).unwrap();
    bench.approve("bob").unwrap();
    bench.advance(hours(12));
    bench.attempt("build#1", fatal("no")).unwrap();
    refused(bench.approve("ada"), RefusalCode::SelfApproval);
    bench.approve("eve").unwrap();
    bench.happens(&revoked("eve"));
    bench.advance(hours(12));
    assert_eq!(bench.status(), RunStatus::Held);
    // What `bob` has said before was said of another visit.
    assert_eq!(last(&bench, "qualifications.lapsed")["approvals"][0]["member"], "eve");
    bench.approve("bob").unwrap();
    assert_eq!(open(&bench), ["build#2"]);
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn it_goes_on_at_the_time_from_which_a_renewed_one_holds() {
    let mut bench = resting();
    let from = bench.now() + hours(5);
    happens(&mut bench, &recorded("bob", Some(from), None));
    assert!(open(&bench).is_empty());
    let lapsed = last(&bench, "qualifications.lapsed");
    assert_eq!(lapsed["again"], json!(from));
    bench.advance(hours(4));
    assert!(open(&bench).is_empty());
    bench.advance(hours(1));
    assert_eq!(open(&bench), ["build#1"]);

    // One that is taken back before does not.
    let mut bench = resting();
    let from = bench.now() + hours(5);
    happens(&mut bench, &recorded("bob", Some(from), None));
    happens(&mut bench, &revoked("bob"));
    bench.advance(hours(5));
    assert!(open(&bench).is_empty());
    assert_eq!(last(&bench, "qualifications.lapsed").get("again"), None);
}

#[test]
fn it_goes_on_when_somebody_who_is_qualified_approves_anew() {
    let mut bench = resting();
    for (who, code) in [
        ("ada", RefusalCode::SelfApproval),
        ("bob", RefusalCode::NotQualified),
        ("cy", RefusalCode::NotQualified),
        ("dora", RefusalCode::NotEligible),
        ("zed", RefusalCode::NotMember),
    ] {
        refused(bench.approve(who), code);
    }
    let refusal = refused(bench.reject("eve", "not like this"), RefusalCode::ReleasedBefore);
    assert!(refusal.message.contains("approved anew"), "{refusal}");
    let duties = vec![NewDuty { text: "tell them".to_owned(), before: None }];
    let on_conditions = Action::Vote {
        hold: None,
        vote: Vote::Approve,
        reason: None,
        duties,
        in_place_of: None,
        plans: Default::default(),
    };
    refused(bench.act("eve", on_conditions), RefusalCode::ReleasedBefore);
    let other = Action::Vote {
        hold: Some("evening".to_owned()),
        vote: Vote::Approve,
        reason: None,
        duties: Vec::new(),
        in_place_of: None,
        plans: Default::default(),
    };
    refused(bench.act("eve", other), RefusalCode::NotAwaited);
    let events = bench.approve("eve").unwrap();
    assert_eq!(types(&events), ["approval.granted", "state.entered", "work.requested"]);
    assert_eq!(data(&events[0])["qualified"], json!(["network"]));
    bench.attempt("build#1", done()).unwrap();
    refused(bench.approve("eve"), RefusalCode::NotAwaited);
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn seats_are_filled_anew_by_those_who_are_still_qualified() {
    // Of two who approve, `eve` could sit under either rule.
    let rules = format!("{PEER}, board: {{ from: role:board, need: 1 }}");
    let mut bench = submitted(&rules);
    bench.approve("bob").unwrap();
    bench.approve("eve").unwrap();
    happens(&mut bench, &revoked("bob"));
    bench.advance(hours(12));
    assert!(open(&bench).is_empty(), "eve fills one seat");
    bench.approve("dora").unwrap();
    assert_eq!(open(&bench), ["build#1"], "and the other, when somebody else sits on the board");

    // A rule that does not ask again, and one whose people are all still qualified.
    let mut bench = submitted(&PEER.replace(", qualified_at: work", ""));
    bench.approve("bob").unwrap();
    happens(&mut bench, &revoked("bob"));
    bench.advance(hours(12));
    assert_eq!(open(&bench), ["build#1"]);
    let mut bench = submitted(PEER);
    bench.approve("bob").unwrap();
    bench.advance(hours(12));
    assert_eq!(open(&bench), ["build#1"]);
}

#[test]
fn who_is_no_member_any_more_is_not_qualified() {
    let mut bench = submitted(PEER);
    bench.approve("bob").unwrap();
    let member: MemberId = "bob".parse().unwrap();
    happens(&mut bench, &ProjectEvent::MemberRemoved { member });
    bench.advance(hours(12));
    assert!(open(&bench).is_empty());
    bench.approve("eve").unwrap();
    assert_eq!(open(&bench), ["build#1"]);
}

#[test]
fn what_asks_for_nothing_is_found_and_what_is_asked_is_told() {
    let of = |rule: &str| Definition::parse("x.yaml", &change(rule));
    let found = faults(&change("peer: { from: role:a, need: 1, qualified_at: work }"));
    assert!(found.contains("error[HP2043]"), "{found}");
    let told = of(PEER).unwrap().definition.explain();
    assert!(told.contains("qualified in network, also when the work begins"), "{told}");
    let before = of(&PEER.replace(", qualified_at: work", "")).unwrap().definition;
    let differs = before.compare(&of(PEER).unwrap().definition);
    assert_eq!(differs.len(), 1, "{differs:?}");
    assert_eq!(differs[0].what, "rule peer: qualified at");
    let late = "
workflow: late
version: 1
title: Late
start: build
states:
  build: { do: { activity: { run: build } }, on: { succeeded: agree, failed: done } }
  agree:
    hold: { approval: { rules: { peer: { from: role:a, need: 1, qualified: x, qualified_at: work } } } }
    on: { released: done, rejected: done }
  done: { end: done }
";
    let warned = Definition::parse("late.yaml", late).unwrap().warnings.to_string();
    assert!(warned.contains("warning[HP2044]"), "{warned}");
}

proptest! {
    #![proptest_config(cases(64))]

    /// Whatever happens to qualifications meanwhile, work begins only while the approvals count, and the
    /// history replays.
    #[test]
    fn work_begins_only_while_who_approved_is_qualified(
        steps in prop::collection::vec((0..6_u8, 0..2_usize), 0..16)
    ) {
        let mut bench = submitted(PEER);
        let mut qualified = [true, true];
        let names = ["bob", "eve"];
        let mut approved = [false, false];
        for (what, who) in steps {
            let name = names[who];
            match what {
                0 if qualified[who] => {
                    happens(&mut bench, &revoked(name));
                    qualified[who] = false;
                }
                1 if !qualified[who] => {
                    happens(&mut bench, &recorded(name, None, None));
                    qualified[who] = true;
                }
                2 | 3 => approved[who] |= bench.approve(name).is_ok(),
                4 => bench.advance(hours(4)),
                5 if open(&bench) == ["build#1"] || open(&bench) == ["build#2"] => {
                    bench.begin_open();
                    let counts = (0..2).any(|one| approved[one] && qualified[one]);
                    let began = bench.history().last().unwrap().kind.as_str().to_owned();
                    prop_assert_eq!(counts, began == "holdpoint.activity.started");
                    if counts {
                        break;
                    }
                }
                _ => {}
            }
        }
        bench.replay(bench.history().len()).unwrap();
    }
}
