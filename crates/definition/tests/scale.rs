//! What a rollout costs a target, in events and in the size of its state: as much with many targets
//! as with few. How long it takes is printed, and not asserted, as the machine may be busy.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, DefinitionRef, Digest, Moment, Outcome, Run,
    run::DueStep, testing::uuid,
};
use holdpoint_definition::Definition;
use serde_json::{Value, json};

use crate::common::{ended, people, workflow};

fn definition(parallel: &str) -> Arc<Definition> {
    workflow(&include_str!("scale.yaml").replace("PARALLEL", parallel))
}

/// What a rollout over so many targets took.
struct Took {
    events: usize,
    /// The largest state on the way, as a snapshot has it.
    state_bytes: usize,
    time: Duration,
}

fn roll_out(targets: u64, parallel: &str) -> Took {
    let workflow = definition(parallel);
    let project = people();
    let mut now = "2026-01-05T09:00:00Z".parse().unwrap();
    let mut ids = 0;
    let mut command = |action| {
        ids += 1;
        Command {
            id: CommandId::from_uuid(uuid(ids)),
            actor: Actor::Engine,
            auth: Authentication::engine(),
            trace: None,
            action,
        }
    };
    let names: Vec<String> = (0..targets).map(|n| format!("target-{n:05}")).collect();
    let submission =
        Command { actor: Actor::Member("ada".parse().unwrap()), ..command(Action::Start) };
    let named =
        DefinitionRef { name: "scale".parse().unwrap(), version: 1, digest: Digest::of(b"scale") };
    let begun = Instant::now();
    let decided = Run::submit(
        &named,
        &*workflow,
        &submission,
        &json!({ "targets": names }),
        &Moment { now, project: &project },
    )
    .unwrap();
    let (mut run, mut events, mut state_bytes) = (decided.run, decided.events.len(), 0);
    let mut took = begun.elapsed();
    while !run.status(&*workflow).is_ended() {
        let begun = Instant::now();
        now += jiff::SignedDuration::from_secs(1);
        let due = run.due(&*workflow);
        assert!(!due.is_empty(), "the rollout waits for nothing");
        for one in due {
            let DueStep::Attempt { activity, attempt, .. } = one.step else { continue };
            let effect = one.effect;
            let output = match activity.name.as_str() {
                "http-check" => json!({ "verdict": "passed" }),
                _ => Value::Null,
            };
            let outcome = Outcome::Completed(output);
            for action in [
                Action::AttemptStarted { effect: effect.clone(), attempt, configured: None },
                Action::AttemptEnded { effect, attempt, outcome },
            ] {
                let at = Moment { now, project: &project };
                let decided = run.decide(&*workflow, &command(action), &at).unwrap();
                events += decided.events.len();
                run = decided.run;
            }
        }
        took += begun.elapsed();
        let snapshot = run.snapshot(&*workflow).unwrap();
        state_bytes = state_bytes.max(snapshot.len());
    }
    assert_eq!(run.status(&*workflow), ended("done"));
    Took { events, state_bytes, time: took }
}

#[test]
fn a_target_costs_as_much_among_many_as_among_few() {
    println!("parallel  targets  events/target  state bytes/target  us/target");
    // 10,000 take a while where nothing is optimized.
    let most = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    for parallel in ["50", "all"] {
        let mut first: Option<(f64, f64)> = None;
        for targets in [100, 1_000, most] {
            let took = roll_out(targets, parallel);
            let each = |of: usize| of as f64 / targets as f64;
            let (events, bytes) = (each(took.events), each(took.state_bytes));
            let micros = took.time.as_micros() as f64 / targets as f64;
            println!("{parallel:8} {targets:8} {events:14.2} {bytes:19.1} {micros:10.1}");
            // What a rollout has once (its beginning, its waves) weighs less among many.
            let (few_events, few_bytes) = *first.get_or_insert((events, bytes));
            assert!(events <= few_events, "{targets} targets, {parallel} at once");
            assert!(bytes <= few_bytes, "{targets} targets, {parallel} at once");
            assert!(events < 6.5, "two attempts, each begun and done, and what came of each");
        }
    }
}
