//! Small spaces, explored to their end: every order of votes, withdrawals, vetoes, deadlines and
//! cancellation. Each hold comes to one resolution, and no run is held without a way out.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Action, Event, NewDuty, ProjectEvent, RunStatus, Substitution, Vote,
    run::{Due, DueStep},
    testing::{Bench, project},
};
use holdpoint_definition::Definition;
use jiff::SignedDuration;
use serde_json::json;

use crate::common::{cancel, data, hours, workflow};

/// More than this is no small space.
const STATES_MAX: usize = 20_000;

/// What may happen at any moment.
#[derive(Clone)]
enum Step {
    Act(&'static str, Action),
    Advance(SignedDuration),
}

fn act(who: &'static str, action: Action) -> Step {
    Step::Act(who, action)
}

fn approve(who: &'static str) -> Step {
    act(who, Action::vote(Vote::Approve, None))
}

fn reject(who: &'static str) -> Step {
    act(who, Action::vote(Vote::Reject, Some("no")))
}

fn veto(who: &'static str) -> Step {
    act(who, Action::vote(Vote::Veto, Some("not yet")))
}

fn withdraw(who: &'static str) -> Step {
    act(who, Action::Withdraw { hold: None, in_place_of: None, reason: None })
}

fn overrule(who: &'static str, whose: &str) -> Step {
    let (member, reason) = (whose.parse().unwrap(), "it may".to_owned());
    act(who, Action::Overrule { hold: None, member, reason })
}

/// What is left of a run when times, ids and positions are taken away, and how its holds were resolved.
fn key(bench: &Bench) -> String {
    let mut view = serde_json::to_value(bench.view()).unwrap();
    fn strip(value: &mut serde_json::Value) {
        if let Some(members) = value.as_object_mut() {
            for time in ["at", "since"] {
                members.remove(time);
            }
        }
        match value {
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            serde_json::Value::Object(members) => members.values_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut view);
    let left = |due: &Due| match due.step {
        DueStep::Fire { at } => format!("{} in {}", due.effect, at - bench.now()),
        _ => due.effect.to_string(),
    };
    let due: Vec<String> = bench.due().iter().map(left).collect();
    format!("{view} {due:?} {:?}", resolutions(bench.history()))
}

/// How each hold was resolved, visit by visit: never twice, and never by more than one.
fn resolutions(history: &[Event]) -> Vec<String> {
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut found = Vec::new();
    for event in history {
        let kind = event.kind.as_str();
        let hold = || data(event)["hold"].as_str().unwrap().to_owned();
        match kind {
            "holdpoint.hold.opened" => assert!(open.insert(hold()), "opened while it is open"),
            "holdpoint.hold.released"
            | "holdpoint.hold.waived"
            | "holdpoint.hold.rejected"
            | "holdpoint.hold.expired"
            | "holdpoint.hold.objected" => {
                assert!(open.remove(&hold()), "`{}` is resolved, and is not open", hold());
                found.push(kind.trim_start_matches("holdpoint.hold.").to_owned());
            }
            "holdpoint.approval.granted" | "holdpoint.approval.rejected" => {
                assert!(open.contains(&hold()), "a vote on what is not open");
            }
            "holdpoint.run.cancelled" => open.clear(),
            _ => {}
        }
    }
    found
}

/// Every state that steps lead to, and the outcomes that runs come to.
struct Explored {
    states: usize,
    outcomes: BTreeMap<String, BTreeSet<String>>,
}

/// Goes through all that the steps lead to. From every state a run must be able to come to an end.
fn explore(
    definition: &Definition,
    members: &[(&str, &[&str], &[&str])],
    steps: &[Step],
) -> Explored {
    let begin = Bench::new(std::sync::Arc::new(definition.clone()), project(members));
    explore_from(begin, steps, &|_| ())
}

/// As [`explore`], with a look at every run that comes to its end.
fn explore_from(mut begin: Bench, steps: &[Step], over: &dyn Fn(&Bench)) -> Explored {
    begin.submit("ada", json!({})).unwrap();
    let mut index = BTreeMap::from([(key(&begin), 0_usize)]);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut ends: Vec<usize> = Vec::new();
    let mut outcomes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut open = vec![(0, begin)];
    while let Some((at, bench)) = open.pop() {
        let resolved = resolutions(bench.history());
        if let RunStatus::Ended { outcome } = bench.status() {
            ends.push(at);
            outcomes.entry(outcome).or_default().insert(resolved.join(" "));
            continue;
        }
        for step in steps {
            let mut next = bench.clone();
            match step {
                Step::Act(who, action) if next.act(who, action.clone()).is_err() => continue,
                Step::Act(..) => {}
                Step::Advance(by) => next.advance(*by),
            }
            if next.status().is_ended() {
                over(&next);
            }
            let count = index.len();
            let found = *index.entry(key(&next)).or_insert(count);
            if found == count {
                assert!(count < STATES_MAX, "the space is not small");
                before.push(Vec::new());
                open.push((found, next));
            }
            before[found].push(at);
        }
    }
    let states = before.len();
    let mut way_out = BTreeSet::new();
    while let Some(at) = ends.pop() {
        if way_out.insert(at) {
            ends.extend(&before[at]);
        }
    }
    let stuck: Vec<&String> =
        index.iter().filter(|(_, at)| !way_out.contains(at)).map(|(key, _)| key).collect();
    assert!(stuck.is_empty(), "no way out of {stuck:?}");
    Explored { states, outcomes }
}

fn outcomes(explored: &Explored) -> Vec<String> {
    let words = |(outcome, ways): (&String, &BTreeSet<String>)| {
        let ways: Vec<&str> = ways.iter().map(String::as_str).collect();
        format!("{outcome}: {}", ways.join(" | "))
    };
    explored.outcomes.iter().map(words).collect()
}

const PEOPLE: &[(&str, &[&str], &[&str])] = &[
    ("ada", &["engineer"], &[]),
    ("bob", &["engineer"], &[]),
    ("cy", &["engineer", "board"], &[]),
    ("dora", &["board"], &[]),
    ("fay", &["security"], &[]),
];

fn one_hold(approval: &str) -> Definition {
    let source = format!(
        "
workflow: one
version: 1
title: One hold
start: ask
states:
  ask:
    hold:
      approval:
        {approval}
        expires: 2d
    on: {{ released: done, rejected: refused, expired: lapsed }}
  done: {{ end: done }}
  refused: {{ end: refused }}
  lapsed: {{ end: lapsed }}
"
    );
    (*workflow(&source)).clone()
}

#[test]
fn every_order_of_votes_vetoes_deadline_and_cancellation_has_one_end() {
    let definition = one_hold(
        "rules:
          peers: { from: role:engineer, need: majority, roster: opening }
          board: { from: role:board, need: 1, after: peers }
        not: [requester]
        veto: { from: role:security, overrule: role:board }",
    );
    let mut steps: Vec<Step> = Vec::new();
    for who in ["ada", "bob", "cy", "dora", "fay"] {
        steps.extend([approve(who), reject(who), veto(who), withdraw(who)]);
    }
    steps.extend([overrule("dora", "fay"), overrule("bob", "fay"), Step::Advance(hours(25))]);
    steps.push(act("ada", cancel("enough")));
    let explored = explore(&definition, PEOPLE, &steps);
    assert_eq!(
        outcomes(&explored),
        ["cancelled: ", "done: released", "lapsed: expired", "refused: rejected"]
    );
    assert!(explored.states > 30, "{}", explored.states);
}

/// Whose approvals stand in the end, and who gave them.
fn approvals(bench: &Bench) -> BTreeMap<String, String> {
    let mut standing = BTreeMap::new();
    for event in bench.history() {
        let data = data(event);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        match event.kind.as_str() {
            "holdpoint.approval.granted" => {
                let member = text(&data["member"]);
                let place = data["for"]["member"].as_str().unwrap_or(&member).to_owned();
                assert!(standing.insert(place, member).is_none(), "two votes in one place");
            }
            "holdpoint.vote.withdrawn" => {
                let place = data["for"].as_str().map(str::to_owned);
                standing.remove(&place.unwrap_or_else(|| text(&data["member"])));
            }
            _ => {}
        }
    }
    standing
}

#[test]
fn in_every_order_of_votes_in_the_place_of_others_as_many_agree_as_must() {
    for (policy, people_min) in [("once", 3), ("each", 1), ("never", 3)] {
        let definition = one_hold(&format!(
            "rules:
          peers: {{ from: role:engineer, need: 2 }}
          board: {{ from: role:board, need: 1 }}
        not: [requester]
        substitutes: {policy}"
        ));
        let mut begin = Bench::new(std::sync::Arc::new(definition), project(PEOPLE));
        let mut steps = vec![Step::Advance(hours(25))];
        for (number, (member, substitute)) in
            (1..).zip([("bob", "fay"), ("cy", "fay"), ("dora", "fay"), ("dora", "bob")])
        {
            begin.happens(&ProjectEvent::SubstituteNamed(Substitution {
                number,
                member: member.parse().unwrap(),
                substitute: substitute.parse().unwrap(),
                from: None,
                until: "2026-01-06T00:00:00Z".parse().unwrap(),
                roles: [].into(),
                reason: None,
            }));
            let in_place_of = Some(member.parse().unwrap());
            let (hold, reason, duties) = (None, None, vec![]);
            let vote = Vote::Approve;
            steps.push(act(
                substitute,
                Action::Vote {
                    hold,
                    vote,
                    reason,
                    duties,
                    in_place_of: in_place_of.clone(),
                    plans: Default::default(),
                },
            ));
            let (hold, reason) = (None, None);
            steps.push(act(substitute, Action::Withdraw { hold, in_place_of, reason }));
        }
        for who in ["bob", "cy", "dora"] {
            steps.extend([approve(who), withdraw(who)]);
        }
        let fewest = std::cell::Cell::new(usize::MAX);
        let explored = explore_from(begin, &steps, &|bench| {
            if bench.status() == (RunStatus::Ended { outcome: "done".to_owned() }) {
                let standing = approvals(bench);
                let people: BTreeSet<&String> = standing.values().collect();
                assert!(standing.len() >= 3, "{policy}: {standing:?}");
                assert!(people.len() >= people_min, "{policy}: {standing:?}");
                fewest.set(fewest.get().min(people.len()));
            }
        });
        assert_eq!(outcomes(&explored), ["done: released", "lapsed: expired"], "{policy}");
        assert_eq!(fewest.get(), people_min, "{policy}");
    }
}

#[test]
fn every_order_of_conditions_and_their_discharge_has_an_end() {
    let source = "
workflow: conditions
version: 1
title: Conditions
start: ask
states:
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 2 } }
        duties: { discharge: [author, role:board] }
    on: { released: wait, rejected: refused }
  wait: { hold: { wait: { for: 1d } }, on: { released: done } }
  done: { end: done }
  refused: { end: refused }
";
    let condition = |who, before: Option<&str>| {
        let duty = NewDuty { text: "do it".to_owned(), before: before.map(str::to_owned) };
        act(
            who,
            Action::Vote {
                hold: None,
                vote: Vote::Approve,
                reason: None,
                duties: vec![duty],
                in_place_of: None,
                plans: Default::default(),
            },
        )
    };
    let discharge = |who, duty| act(who, Action::Discharge { duty, note: "done".to_owned() });
    let mut steps = vec![condition("ada", Some("wait")), condition("bob", None), approve("bob")];
    for who in ["ada", "bob", "dora", "fay"] {
        steps.extend([withdraw(who), reject(who), discharge(who, 1), discharge(who, 2)]);
    }
    steps.extend([Step::Advance(hours(25)), act("ada", cancel("enough"))]);
    let explored = explore(&workflow(source), PEOPLE, &steps);
    assert_eq!(
        outcomes(&explored),
        [
            "cancelled:  | released | released released",
            "done: released released",
            "refused: rejected"
        ]
    );
}

#[test]
fn every_order_of_objection_reminder_escalation_and_deadline_has_one_end() {
    let source = "
workflow: witnessed
version: 1
title: Witnessed
start: ask
states:
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 2 } }
        remind: { after: 10h }
        escalate: { after: 20h, to: role:board }
        expires: 2d
      witness: { from: role:security, for: 1d }
    on: { released: done, rejected: refused, expired: lapsed, objected: stopped }
  done: { end: done }
  refused: { end: refused }
  lapsed: { end: lapsed }
  stopped: { end: stopped }
";
    let object = act("fay", Action::Object { hold: None, reason: "no".to_owned() });
    let mut steps = vec![object, Step::Advance(hours(11)), act("ada", cancel("enough"))];
    for who in ["ada", "bob", "dora"] {
        steps.extend([approve(who), reject(who), withdraw(who)]);
    }
    let explored = explore(&workflow(source), PEOPLE, &steps);
    assert_eq!(
        outcomes(&explored),
        [
            "cancelled: ",
            "done: released",
            "lapsed: expired",
            "refused: rejected",
            "stopped: objected"
        ]
    );
}
