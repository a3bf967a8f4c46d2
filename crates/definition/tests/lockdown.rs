//! Lockdowns: nothing is begun in their scope, what is under way finishes, and a release lets go on
//! only what nothing else holds.

use holdpoint_core::{
    Action, EffectId, LockdownScope, ProjectEvent, RefusalCode, RunStatus,
    command::Steering,
    event::TypedEvent,
    run::DueStep,
    testing::{Bench, types},
};
use holdpoint_definition::{DefinitionEvent, calendar::Calendar};
use serde_json::json;

use crate::common::{cancel, data, done, ended, hours, last, open, people, workflow};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  properties: { targets: { type: array, items: { type: string }, default: [web-1, web-2] } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }
    on: { released: build, rejected: refused }
  build:
    do: { activity: { run: build } }
    on: { succeeded: roll-out, failed: refused }
  roll-out:
    do: { rollout: { targets: \"${input.targets}\", waves: [1, 100%], each: { run: deploy } } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

fn imposed(lockdown: u32, scope: serde_json::Value) -> ProjectEvent {
    let scope: LockdownScope = serde_json::from_value(scope).unwrap();
    ProjectEvent::LockdownImposed { lockdown, scope, reason: format!("incident {lockdown}") }
}

fn released(lockdown: u32) -> ProjectEvent {
    ProjectEvent::LockdownReleased { lockdown, reason: "over".to_owned() }
}

fn bench(source: &str, before: &[ProjectEvent]) -> Bench {
    let mut bench = Bench::new(workflow(source), people());
    before.iter().for_each(|fact| bench.happens(fact));
    bench.submit("ada", json!({})).unwrap();
    bench
}

/// Lets something happen in the project, and the run notice it.
fn happens(bench: &mut Bench, fact: &ProjectEvent) {
    bench.happens(fact);
    bench.advance(hours(0));
}

/// The run replays from its history alone, with no project beside it.
#[track_caller]
fn replays(bench: &Bench) {
    bench.replay(bench.history().len()).unwrap();
}

#[test]
fn people_decide_meanwhile_and_no_work_is_begun() {
    let mut bench = bench(CHANGE, &[imposed(1, json!({}))]);
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(
        last(&bench, "run.locked_down"),
        json!({
            "state": "build", "by": [{ "lockdown": 1, "reason": "incident 1" }]
        })
    );
    assert!(open(&bench).is_empty());
    let view = bench.view();
    let condition = &view.holds[0].conditions[0];
    assert_eq!((condition.kind, condition.name.as_str(), condition.met), ("lockdown", "1", false));
    assert_eq!(condition.summary, "the end of the lockdown 1 by engine: incident 1");
    assert!(view.next_steps[0].text.starts_with("release the lockdown 1"), "{:?}", view.next_steps);

    happens(&mut bench, &released(1));
    assert_eq!(open(&bench), ["build#1"]);
    assert_eq!(last(&bench, "run.lockdown_lifted"), json!({ "state": "build" }));
    replays(&bench);
}

#[test]
fn work_under_way_finishes_and_the_next_is_not_begun() {
    let mut bench = bench(CHANGE, &[]);
    bench.approve("bob").unwrap();
    bench.begin_open();
    happens(&mut bench, &imposed(1, json!({})));
    bench.attempt("build#1", done()).unwrap();
    assert_eq!(last(&bench, "run.locked_down")["state"], "roll-out");
    assert!(open(&bench).is_empty());

    happens(&mut bench, &released(1));
    bench.attempt("roll-out#1/web-1/deploy", done()).unwrap();
    // A rollout that has begun is under way as a whole.
    happens(&mut bench, &imposed(2, json!({})));
    bench.attempt("roll-out#1/web-2/deploy", done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
    replays(&bench);
}

/// Has the engine begin an attempt, and answers with what has happened instead, or by that.
fn begin(bench: &mut Bench, effect: &str) -> Vec<String> {
    let effect = EffectId::new(effect.to_owned());
    types(
        &bench
            .act("engine", Action::AttemptStarted { effect, attempt: 1, configured: None })
            .unwrap(),
    )
}

#[test]
fn work_that_was_asked_for_and_not_begun_is_held_as_well() {
    let mut bench = bench(CHANGE, &[]);
    bench.approve("bob").unwrap();
    assert_eq!(open(&bench), ["build#1"]);
    let prospect = |bench: &Bench| {
        let prospect = bench.prospect();
        (prospect.starts, prospect.works)
    };
    assert_eq!(prospect(&bench), (true, false), "nothing is under way");
    happens(&mut bench, &imposed(1, json!({})));
    assert_eq!(begin(&mut bench, "build#1"), ["run.locked_down"]);
    assert_eq!(bench.status(), RunStatus::Held);
    assert!(open(&bench).is_empty());
    assert!(bench.view().next_steps[0].text.starts_with("release the lockdown 1"));
    happens(&mut bench, &imposed(2, json!({})));
    happens(&mut bench, &released(1));
    assert!(open(&bench).is_empty(), "what came since holds it, too");
    happens(&mut bench, &released(2));
    assert_eq!(open(&bench), ["build#2"]);
    bench.attempt("build#2", done()).unwrap();

    // Nor is a rollout begun that was asked for, however many of its targets were; what waits for its turn
    // waits no more.
    let effect = EffectId::new("roll-out#1/web-1/deploy");
    let waits_for = "a place".to_owned();
    let queued = Action::AttemptQueued { effect, attempt: 1, waits_for, before: 1 };
    bench.act("engine", queued).unwrap();
    happens(&mut bench, &imposed(3, json!({})));
    assert_eq!(
        begin(&mut bench, "roll-out#1/web-1/deploy"),
        ["run.locked_down", "activity.not_begun"]
    );
    assert!(open(&bench).is_empty());
    assert!(bench.view().rollout.is_none());
    happens(&mut bench, &released(3));
    assert_eq!(open(&bench), ["roll-out#2/web-1/deploy"]);
    assert_eq!(begin(&mut bench, "roll-out#2/web-1/deploy"), ["activity.started"]);
    assert_eq!(prospect(&bench), (false, true));
    replays(&bench);
}

#[test]
fn a_run_that_was_asked_for_and_not_started_is_held_as_well() {
    let source = "
workflow: parent
version: 1
title: Parent
start: call
states:
  call:
    do: { run: { definition: called, good: [heard], stopped: cancel } }
    on: { succeeded: done, failed: done }
  done: { end: done }
";
    let mut bench = bench(source, &[]);
    let ask = |bench: &mut Bench, effect: &str| {
        let effects = [EffectId::new(effect.to_owned())].into();
        bench.act("engine", Action::NotBegun { effects })
    };
    let refusal = ask(&mut bench, "call#1").unwrap_err();
    assert_eq!(refusal.code, RefusalCode::NotAwaited, "nothing keeps it from beginning");
    happens(&mut bench, &imposed(1, json!({})));
    assert_eq!(types(&ask(&mut bench, "call#1").unwrap()), ["run.locked_down"]);
    assert_eq!(bench.status(), RunStatus::Held);
    happens(&mut bench, &released(1));
    assert!(bench.due().iter().any(|due| due.effect.as_str() == "call#2"));
    replays(&bench);
}

#[test]
fn a_release_lets_go_on_only_what_nothing_else_holds() {
    let everywhere = json!({});
    let mut bench = bench(CHANGE, &[imposed(1, everywhere.clone()), imposed(2, everywhere)]);
    bench.approve("bob").unwrap();
    happens(&mut bench, &imposed(3, json!({})));
    happens(&mut bench, &released(1));
    assert!(open(&bench).is_empty());
    let numbers = |bench: &Bench| -> Vec<u64> {
        let by = last(bench, "run.locked_down")["by"].clone();
        by.as_array().unwrap().iter().map(|one| one["lockdown"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&bench), [2, 3], "what came since holds it, too");
    happens(&mut bench, &released(3));
    assert_eq!(numbers(&bench), [2]);
    happens(&mut bench, &released(2));
    assert_eq!(open(&bench), ["build#1"]);
    replays(&bench);
}

#[test]
fn a_scope_is_told_by_definition_and_by_what_a_run_touches() {
    let held = |scope: serde_json::Value| {
        let mut bench = bench(CHANGE, &[imposed(1, scope)]);
        bench.approve("bob").unwrap();
        replays(&bench);
        open(&bench).is_empty()
    };
    for (scope, expected) in [
        (json!({}), true),
        (json!({ "definitions": ["change"] }), true),
        (json!({ "definitions": ["other"] }), false),
        (json!({ "except": ["change"] }), false),
        (json!({ "except": ["other"] }), true),
        (json!({ "items": "name=web-2" }), true),
        (json!({ "items": "name=db-1" }), false),
        (json!({ "items": "name=web-2", "definitions": ["other"] }), false),
        (json!({ "items": "env=prod" }), false),
    ] {
        assert_eq!(held(scope.clone()), expected, "{scope}");
    }
}

#[test]
fn labels_of_the_inventory_select() {
    let project = holdpoint_core::testing::with_items(
        people(),
        &[serde_json::from_value(json!({ "name": "web-2", "labels": { "env": "prod" } })).unwrap()],
    );
    let mut bench = Bench::new(workflow(CHANGE), project);
    bench.happens(&imposed(1, json!({ "items": "env=prod" })));
    bench.submit("ada", json!({})).unwrap();
    bench.approve("bob").unwrap();
    assert!(open(&bench).is_empty());
}

#[test]
fn a_run_that_begins_with_work_is_held_before_it_and_can_be_cancelled() {
    let source = CHANGE.replace("start: agree", "start: build").replace(
        "  agree:\n    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }\n    on: { released: build, rejected: refused }\n",
        "",
    );
    let mut bench = bench(&source, &[imposed(1, json!({}))]);
    assert_eq!((bench.status(), bench.view().state), (RunStatus::Held, "build".to_owned()));
    replays(&bench);
    bench.act("ada", cancel("not now")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
    assert!(!bench.due().iter().any(|due| matches!(due.step, DueStep::Watch { .. })));
    replays(&bench);
}

const WINDOW: &str = "
workflow: windowed
version: 1
title: In the window
start: schedule
states:
  schedule:
    hold: { window: calendar:maintenance, expires: 30d }
    on: { released: build, expired: lapsed }
  build:
    do: { activity: { run: build } }
    on: { succeeded: done, failed: lapsed }
  done: { end: done }
  lapsed: { end: lapsed }
";

/// Every night from 22:00 for 2 hours.
fn nights() -> ProjectEvent {
    let source = "calendar: maintenance
zone: UTC
windows: [{ starts: 2026-01-05T22:00, lasts: 2h, repeat: FREQ=DAILY }]
";
    let calendar = Calendar::parse("maintenance", source).unwrap();
    ProjectEvent::CalendarPublished {
        calendar: "maintenance".parse().unwrap(),
        revision: 1,
        digest: calendar.digest(),
        title: None,
        source: source.to_owned(),
    }
}

#[test]
fn a_window_is_not_used_up_by_a_lockdown() {
    // It is 09:00; the window opens at 22:00 and closes at 24:00.
    let mut bench = bench(WINDOW, &[nights(), imposed(1, json!({}))]);
    bench.advance(hours(14));
    assert_eq!(last(&bench, "run.locked_down")["state"], "schedule");
    let kinds: Vec<_> = bench.view().holds[0].conditions.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, ["window", "lockdown"]);
    bench.advance(hours(3));
    happens(&mut bench, &released(1));
    // 02:00: it is over, and the run waits for the next one instead of working outside of it.
    assert!(open(&bench).is_empty());
    assert_eq!(last(&bench, "window.awaited")["opens"], "2026-01-06T22:00:00Z");
    bench.advance(hours(20));
    assert_eq!(open(&bench), ["build#1"]);
    replays(&bench);
}

#[test]
fn a_deadline_runs_on_under_a_lockdown() {
    let mut bench = bench(WINDOW, &[nights(), imposed(1, json!({}))]);
    bench.advance(hours(31 * 24));
    assert_eq!(bench.status(), ended("lapsed"));
    replays(&bench);
}

#[test]
fn branches_are_held_each_for_itself() {
    let source = "
workflow: both
version: 1
title: Both
start: prepare
states:
  prepare:
    all:
      good: [done]
      others: cancel
      branches:
        a: { start: a-build, states: { a-build: { do: { activity: { run: build } }, on: { succeeded: a-done, failed: a-bad } }, a-done: { end: done }, a-bad: { end: bad } } }
        b: { start: b-go, states: { b-go: { hold: { signal: { name: go } }, on: { released: b-done } }, b-done: { end: done } } }
    on: { completed: done, failed: bad }
  done: { end: done }
  bad: { end: bad }
";
    let mut bench = bench(source, &[imposed(1, json!({}))]);
    assert!(open(&bench).is_empty());
    bench.act("ada", Action::Signal { name: "go".to_owned(), data: json!({}) }).unwrap();
    happens(&mut bench, &released(1));
    assert_eq!(open(&bench), ["a-build#1"]);
    bench.attempt("a-build#1", done()).unwrap();
    assert_eq!(bench.status(), ended("done"));
    replays(&bench);
}

#[test]
fn a_lifted_lockdown_that_never_was_cannot_follow() {
    let bench = bench(CHANGE, &[]);
    let lifted = DefinitionEvent::LockdownLifted { state: "agree".to_owned() };
    let mut history = bench.history().to_vec();
    let new = lifted.to_new_event().unwrap();
    let before = history.len() - 1;
    let last = history.last_mut().unwrap();
    last.kind = new.kind;
    last.data = new.data;
    assert_eq!(data(last)["state"], "agree");
    let mut run = bench.replay(before).unwrap();
    assert!(run.evolve(&*workflow(CHANGE), last).is_err());
}

/// A rollout with a hold behind it, from which it can be taken back.
const REVIEWED: &str = "
workflow: reviewed
version: 1
title: Reviewed
start: roll-out
states:
  roll-out:
    do: { rollout: { targets: [web-1], each: { run: deploy }, rollback: { run: restore } } }
    on: { succeeded: review, rolled_back: undone, failed: undone }
  review:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }
    on: { released: done, rejected: undone }
  done: { end: done }
  undone: { end: undone }
";

#[test]
fn what_was_done_is_not_taken_back_under_a_lockdown() {
    let mut bench = bench(REVIEWED, &[]);
    bench.attempt("roll-out#1/web-1/deploy", done()).unwrap();
    happens(&mut bench, &imposed(1, json!({})));
    let rollback = Action::Steer {
        steering: Steering::Rollback,
        state: None,
        target: None,
        reason: Some("it is slow".to_owned()),
        over: Default::default(),
    };
    let refused = bench.act("ada", rollback.clone()).unwrap_err();
    assert_eq!(refused.code, RefusalCode::NotAwaited);
    assert!(refused.needed[0].contains("lockdown 1: incident 1"), "{refused}");
    happens(&mut bench, &released(1));
    bench.act("ada", rollback).unwrap();
    assert_eq!(open(&bench), ["roll-out#1/web-1/restore"]);
    replays(&bench);
}

#[test]
fn a_run_shows_the_lockdowns_that_hold_it_now() {
    let mut bench = bench(CHANGE, &[imposed(1, json!({}))]);
    bench.approve("bob").unwrap();
    let shown = |bench: &Bench| {
        let view = bench.view();
        let conditions = &view.holds[0].conditions;
        let all = conditions.iter().map(|one| (one.name.clone(), one.met)).collect::<Vec<_>>();
        let releases =
            view.next_steps.iter().filter(|step| step.text.contains("release the lockdown"));
        (all, releases.count())
    };
    // The run looks again only when the first is released.
    bench.happens(&imposed(2, json!({})));
    assert_eq!(shown(&bench), (vec![("1".to_owned(), false), ("2".to_owned(), false)], 2));
    bench.happens(&released(1));
    assert_eq!(shown(&bench), (vec![("1".to_owned(), true), ("2".to_owned(), false)], 1));
    bench.advance(hours(0));
    assert_eq!(shown(&bench), (vec![("2".to_owned(), false)], 1));
}
