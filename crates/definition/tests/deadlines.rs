//! The time that work, and a run as a whole, may take.

use holdpoint_core::{Action, NewDuty, RunStatus, Vote, testing::Bench};
use holdpoint_definition::Definition;
use jiff::SignedDuration;
use serde_json::json;

use crate::common::{
    cancel, done, ended, fatal, faults, flaky, hours, last, open, submitted, targets,
};

const WORK: &str = "
workflow: work
version: 1
title: Work
expires: { after: 10h, to: over }
start: build
states:
  build:
    do: { activity: { run: build, retry: { attempts: 9, delay: 10m } }, expires: 1h }
    on: { succeeded: ask, failed: failed, expired: late }
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 1 } }
        duties: { discharge: author }
    on: { released: roll, rejected: failed }
  roll:
    do:
      rollout:
        targets: [a, b]
        waves: [1, 100%]
        each: { run: deploy }
        rollback: { run: restore }
      expires: 2h
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  failed: { end: failed }
  undone: { end: undone }
  late: { end: late }
  over: { end: over }
";

#[test]
fn the_picture_shows_when_a_run_is_over() {
    let outline = Definition::parse("work.yaml", WORK).unwrap().definition.outline();
    let over = outline.states.iter().find(|state| state.name == "over").unwrap();
    assert_eq!(over.summary, ["over", "10h after submission, at the latest"]);
    let shown =
        outline.states.iter().filter(|state| state.summary.len() > 1 && state.ends.is_some());
    assert_eq!(shown.count(), 1);
    assert_eq!(outline.expires.map(|one| (one.after, one.to)), Some(("10h".into(), "over".into())));
}

fn begun() -> Bench {
    submitted(WORK, "ada", json!({}))
}

fn asked() -> Bench {
    let mut bench = begun();
    bench.attempt("build#1", done()).unwrap();
    bench
}

fn rolling() -> Bench {
    let mut bench = asked();
    bench.approve("bob").unwrap();
    bench.attempt("roll#1/a/deploy", done()).unwrap();
    bench
}

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

#[test]
fn work_is_given_up_when_its_time_is_over() {
    let mut bench = begun();
    bench.attempt("build#1", flaky("no")).unwrap();
    bench.advance(minutes(59));
    assert_eq!(bench.status(), RunStatus::Working);
    bench.advance(minutes(1));
    assert_eq!(bench.status(), ended("late"));
    assert_eq!(
        last(&bench, "work.expired"),
        json!({ "state": "build", "deadline": "2026-01-05T10:00:00Z" })
    );
}

#[test]
fn an_attempt_that_is_under_way_then_is_abandoned() {
    let mut bench = begun();
    let effect = holdpoint_core::EffectId::new("build#1");
    bench.act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None }).unwrap();
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("late"));
    assert_eq!(bench.types().last().unwrap(), "activity.abandoned");
}

#[test]
fn a_rollout_is_turned_round_when_its_time_is_over() {
    let mut bench = rolling();
    bench.begin_open();
    bench.advance(hours(2));
    assert_eq!(targets(&bench), ["a:healthy", "b:deploying"]);
    bench.attempt("roll#1/b/deploy", done()).unwrap();
    bench.attempt("roll#1/b/restore", done()).unwrap();
    bench.attempt("roll#1/a/restore", done()).unwrap();
    assert_eq!(bench.status(), ended("undone"));
    assert_eq!(last(&bench, "rollout.undo_started")["reason"], "the time for it was over");
}

#[test]
fn a_run_ends_when_its_time_is_over_wherever_it_is() {
    let mut bench = asked();
    let deadline = bench.view().deadline.unwrap();
    assert_eq!(
        (deadline.at.to_string().as_str(), deadline.outcome.as_str()),
        ("2026-01-05T19:00:00Z", "over")
    );
    bench.advance(hours(10));
    assert_eq!(bench.status(), ended("over"));
    assert_eq!(
        last(&bench, "run.expired"),
        json!({ "state": "ask", "deadline": "2026-01-05T19:00:00Z" })
    );

    // Also where a duty is owed before the end.
    let mut bench = asked();
    let duty = NewDuty { text: "look".to_owned(), before: Some("roll".to_owned()) };
    let vote = Action::Vote {
        hold: None,
        vote: Vote::Approve,
        reason: None,
        duties: vec![duty],
        in_place_of: None,
        plans: Default::default(),
    };
    bench.act("bob", vote).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(hours(10));
    assert_eq!(bench.status(), ended("over"));
}

#[test]
fn a_run_whose_time_is_over_undoes_its_rollout_first() {
    let source = WORK.replace("      expires: 2h\n", "");
    let mut bench = submitted(&source, "ada", json!({}));
    bench.attempt("build#1", done()).unwrap();
    bench.approve("bob").unwrap();
    bench.attempt("roll#1/a/deploy", done()).unwrap();
    bench.begin_open();
    bench.advance(hours(10));
    assert_eq!(bench.status(), RunStatus::Working);
    bench.attempt("roll#1/b/deploy", fatal("no")).unwrap();
    assert_eq!(open(&bench), ["roll#1/b/restore"]);
    let mut cancelled = bench.clone();
    for bench in [&mut bench, &mut cancelled] {
        bench.attempt("roll#1/b/restore", done()).unwrap();
    }
    cancelled.act("ada", cancel("enough")).unwrap();
    for bench in [&mut bench, &mut cancelled] {
        bench.attempt("roll#1/a/restore", done()).unwrap();
    }
    assert_eq!(bench.status(), ended("over"));
    assert_eq!(cancelled.status(), ended("cancelled"));
}

#[test]
fn a_runs_time_ends_in_an_end() {
    let found = faults(&WORK.replace("to: over", "to: ask"));
    assert!(found.contains("error[HP2004]: `ask` is no end"), "{found}");
    let found = faults(&WORK.replace("to: over", "to: nowhere"));
    assert!(found.contains("error[HP2008]: there is no state `nowhere`"), "{found}");
    let found = faults(&WORK.replace(", expired: late", ""));
    assert!(found.contains("error[HP2010]: `build` does not say where `expired` leads"), "{found}");
}
