//! What a rollout costs a target when an engine does it: as much with many targets as with few, however
//! many are worked on at once. How long it takes is printed, and not asserted, as the machine may be busy.
//!
//! `HOLDPOINT_TEST_SCALE=all:100:100` has 100 rollouts over 100 targets each, all at once, and nothing else: for
//! a profiler, or for counting instructions (docs/performance.md).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use holdpoint::{
    activity::HTTP_CHECK,
    core::{
        Actor, Authentication, CommandId, Outcome, ProjectAction, ProjectCommand, ProjectId,
        RunStatus, StreamId, Version,
    },
    definition::{LANGUAGE, Language},
    engine::{ActivityHandler, Attempt, Engine, Submission},
    log::MemoryLog,
};
use serde_json::json;
use uuid::Uuid;

const DEFINITION: &str = include_str!("../../crates/definition/tests/scale.yaml");

/// Does all that it is asked to, after as many turns of others as its target's number says: so that ends
/// come one by one, and not all in one append.
struct Simulated;

#[async_trait]
impl ActivityHandler for Simulated {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        for _ in 0..attempt.effect.as_str().len() % 7 {
            tokio::task::yield_now().await;
        }
        Outcome::Completed(json!({ "verdict": "passed" }))
    }
}

/// So many rollouts over so many targets each, one after the other. Answers with all their events.
async fn roll_out(targets: u32, parallel: &str, times: u32) -> (usize, Duration) {
    let engine = Engine::builder()
        .log(Arc::new(MemoryLog::new()))
        .loader(Arc::new(Language))
        .activity("deploy", Arc::new(Simulated))
        .activity(HTTP_CHECK, Arc::new(Simulated))
        .start()
        .await
        .unwrap();
    let id = || CommandId::from_uuid(Uuid::now_v7());
    let ada = Actor::Member("ada".parse().unwrap());
    let auth = || Authentication::new("test");
    let project: ProjectId = "lab".parse().unwrap();
    let action = ProjectAction::Create { title: "A lab".to_owned() };
    let command =
        ProjectCommand { id: id(), actor: ada.clone(), auth: auth(), trace: None, action };
    engine.change_project(&project, command).await.unwrap();
    let source = DEFINITION.replace("PARALLEL", parallel);
    engine.publish(&project, id(), ada.clone(), auth(), LANGUAGE, &source).await.unwrap();
    let names: Vec<String> = (0..targets).map(|n| format!("target-{n:05}")).collect();
    let (mut events, mut took) = (0, Duration::ZERO);
    for _ in 0..times {
        let submission = Submission {
            command: id(),
            actor: ada.clone(),
            auth: auth(),
            trace: None,
            definition: "scale".parse().unwrap(),
            version: None,
            input: json!({ "targets": names }),
        };
        let begun = Instant::now();
        let run = engine.submit(&project, submission).await.unwrap().run;
        engine.idle().await.unwrap();
        took += begun.elapsed();
        let done = RunStatus::Ended { outcome: "done".to_owned() };
        assert_eq!(engine.run(run).await.unwrap().row.status, done);
        let stream = StreamId { project: project.clone(), run: Some(run) };
        let log = engine.log();
        events += log.read_stream(&stream, Version::ZERO, usize::MAX).await.unwrap().len();
    }
    engine.shutdown().await;
    (events, took)
}

/// The cases that are done: how many at once, over how many targets, how often.
fn cases() -> Vec<(String, u32, u32)> {
    if let Ok(asked) = std::env::var("HOLDPOINT_TEST_SCALE") {
        let [parallel, targets, times] =
            <[&str; 3]>::try_from(asked.split(':').collect::<Vec<_>>()).unwrap();
        return vec![(parallel.to_owned(), targets.parse().unwrap(), times.parse().unwrap())];
    }
    // Where nothing is optimized, many take a while.
    let sizes: &[u32] = if cfg!(debug_assertions) { &[100] } else { &[100, 1_000, 10_000] };
    let parallel = ["1", "50", "all"];
    parallel.iter().flat_map(|one| sizes.iter().map(|size| ((*one).to_owned(), *size, 1))).collect()
}

#[tokio::test]
async fn an_engine_takes_a_target_among_many_as_among_few() {
    println!("parallel  targets  events/target  us/target");
    for (parallel, targets, times) in cases() {
        let (events, took) = roll_out(targets, &parallel, times).await;
        let all = f64::from(targets) * f64::from(times);
        let (each, micros) = (events as f64 / all, took.as_micros() as f64 / all);
        println!("{parallel:8} {targets:8} {each:14.2} {micros:10.1}");
        assert!(each < 6.5, "two attempts, each begun and done, and what came of each");
    }
}
