//! Which clocks stand still while a rollout is paused, and which go on.

use holdpoint_core::{
    Action, EffectId, Steering,
    run::DueStep,
    testing::{Bench, types},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::common::{done, flaky, open, steer, submitted};

/// Half an hour of each clock has run when the rollout is paused, for three hours.
const BEFORE: SignedDuration = SignedDuration::from_mins(30);
const PAUSE: SignedDuration = SignedDuration::from_hours(3);

const SOURCE: &str = "
workflow: pausing
version: 1
title: Pausing
RUN
start: go
states:
  go:
    do:
      rollout:
        targets: [t1, t2]
        waves: [WAVE, 100%]
        max_parallel: 1
        each: { run: deploy, retry: { attempts: 9, delay: 1h }, LIMITS }
        rollback: { run: restore }
      STATE
    on: { succeeded: done, rolled_back: undone, failed: undone }
  done: { end: done }
  undone: { end: undone }
  over: { end: over }
";

/// A rollout with one clock that takes an hour.
fn rollout(run: &str, state: &str, bake: &str, limits: &str) -> Bench {
    let wave = if bake.is_empty() { "1".to_owned() } else { format!("{{ to: 1, bake: {bake} }}") };
    let source = SOURCE.replace("RUN", run).replace("STATE", state).replace("WAVE", &wave);
    let mut source = source.replace(", LIMITS", limits);
    if run.is_empty() {
        source = source.replace("  over: { end: over }\n", "");
    }
    submitted(&source, "ada", json!({}))
}

fn pause(bench: &mut Bench) {
    bench.act("ada", steer(Steering::Pause, None, Some("an incident"))).unwrap();
}

fn resume(bench: &mut Bench) {
    bench.act("ada", steer(Steering::Resume, None, None)).unwrap();
}

/// The only timer that is asked for.
fn timer(bench: &Bench) -> Timestamp {
    let timers = bench.due().into_iter().filter_map(|due| match due.step {
        DueStep::Fire { at } => Some(at),
        _ => None,
    });
    let timers: Vec<Timestamp> = timers.collect();
    assert_eq!(timers.len(), 1, "{timers:?}");
    timers[0]
}

#[test]
fn the_clocks_of_a_bake_and_of_a_state_stand_still_and_that_of_the_run_goes_on() {
    let hour = SignedDuration::from_hours(1);
    for (what, run, state, bake, stands) in [
        ("a bake", "", "", "1h", true),
        ("a state's time", "", "expires: 1h", "", true),
        ("a run's time", "expires: { after: 1h, to: over }", "", "", false),
    ] {
        let mut bench = rollout(run, state, bake, "");
        let begun = bench.now();
        bench.attempt("go#1/t1/deploy", done()).unwrap();
        assert_eq!(timer(&bench), begun + hour, "{what}");
        bench.advance(BEFORE);
        pause(&mut bench);
        if !stands {
            assert_eq!(timer(&bench), begun + hour, "{what}");
            bench.advance(PAUSE);
            // It turns the rollout round, and ends the pause with that.
            assert_eq!(bench.view().rollout.unwrap().phase, "undoing", "{what}");
            continue;
        }
        let timers =
            || bench.due().into_iter().filter(|due| matches!(due.step, DueStep::Fire { .. }));
        assert_eq!(timers().count(), 0, "{what}");
        bench.advance(PAUSE);
        resume(&mut bench);
        assert_eq!(timer(&bench), begun + hour + PAUSE, "{what}");
    }
}

/// When the next attempt at the only activity may begin at the latest, and since when it waits.
fn latest(bench: &Bench) -> (Option<Timestamp>, Option<Timestamp>) {
    let found = bench.due().into_iter().find_map(|due| match due.step {
        DueStep::Attempt { until, queued, .. } => Some((until, queued)),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn the_time_of_all_attempts_stands_still_while_the_next_waits_for_the_end_of_a_pause() {
    let mut bench = rollout("", "", "", ", whole_timeout: 2h");
    let begun = bench.now();
    let effect = "go#1/t1/deploy";
    bench.attempt(effect, flaky("no route")).unwrap();
    assert_eq!(latest(&bench).0, Some(begun + SignedDuration::from_hours(2)));
    bench.advance(BEFORE);
    pause(&mut bench);
    assert!(open(&bench).is_empty(), "the next attempt waits");
    bench.advance(PAUSE);
    resume(&mut bench);
    let DueStep::Attempt { not_before, until, .. } = bench.due().remove(0).step else {
        panic!("{:?}", bench.due())
    };
    assert_eq!(until, Some(begun + SignedDuration::from_hours(2) + PAUSE));
    // The pause before it is over: it begins at once.
    assert!(not_before.unwrap() < bench.now());
    bench.attempt(effect, done()).unwrap();
    assert_eq!(open(&bench), ["go#1/t2/deploy"]);
}

#[test]
fn an_attempt_that_was_under_way_has_the_time_that_it_took_and_not_that_of_the_pause_after_it() {
    let mut bench = rollout("", "", "", ", whole_timeout: 4h");
    let begun = bench.now();
    bench.begin_open();
    bench.advance(BEFORE);
    pause(&mut bench);
    // It goes on for as long again, and fails in the pause.
    bench.advance(BEFORE);
    bench.attempt("go#1/t1/deploy", flaky("no route")).unwrap();
    bench.advance(PAUSE);
    resume(&mut bench);
    assert_eq!(latest(&bench).0, Some(begun + SignedDuration::from_hours(4) + PAUSE));
    // A second pause adds up.
    pause(&mut bench);
    bench.advance(PAUSE);
    resume(&mut bench);
    assert_eq!(latest(&bench).0, Some(begun + SignedDuration::from_hours(4) + PAUSE + PAUSE));
}

#[test]
fn the_time_that_an_attempt_may_wait_for_its_turn_stands_still_too() {
    let mut bench = rollout("", "", "", ", start_timeout: 1h");
    let effect = || EffectId::new("go#1/t1/deploy");
    bench.attempt("go#1/t1/deploy", flaky("no route")).unwrap();
    bench.advance(SignedDuration::from_hours(1));
    let queued = Action::AttemptQueued {
        effect: effect(),
        attempt: 2,
        waits_for: "the queue `net`".to_owned(),
        before: 3,
    };
    bench.act("engine", queued).unwrap();
    let since = bench.now();
    bench.advance(BEFORE);
    pause(&mut bench);
    bench.advance(PAUSE);
    resume(&mut bench);
    assert_eq!(latest(&bench).1, Some(since + PAUSE));
    let too_late = || Action::AttemptNotBegun { effect: effect(), attempt: 2 };
    bench.act("engine", too_late()).unwrap_err();
    bench.advance(BEFORE);
    assert_eq!(types(&bench.act("engine", too_late()).unwrap())[0], "activity.not_begun");
}
