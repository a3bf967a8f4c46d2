//! Lockdowns in an engine that is running: a release finds the runs that it held, in memory or not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint::{
    DataDirectory,
    core::{
        Actor, Authentication, CommandId, LockdownScope, Outcome, ProjectAction, ProjectCommand,
        ProjectId, RunStatus,
    },
    definition::LANGUAGE,
    engine::{ActivityHandler, Attempt, Engine, RunFilter, Submission},
};
use serde_json::json;
use uuid::Uuid;

const RUNS: usize = 12;

const DEFINITION: &str = "
workflow: change
version: 1
title: A change
start: work
states:
  work:
    do: { activity: { run: work } }
    on: { succeeded: done, failed: failed }
  done: { end: done }
  failed: { end: failed }
";

struct Work;

#[async_trait]
impl ActivityHandler for Work {
    async fn attempt(&self, _: Attempt) -> Outcome {
        Outcome::Completed(json!({}))
    }
}

fn id() -> CommandId {
    CommandId::from_uuid(Uuid::now_v7())
}

fn ada() -> Actor {
    Actor::Member("ada".parse().unwrap())
}

fn auth() -> Authentication {
    Authentication::new("test")
}

async fn change(engine: &Engine, project: &ProjectId, action: ProjectAction) {
    let command = ProjectCommand { id: id(), actor: ada(), auth: auth(), trace: None, action };
    engine.change_project(project, command).await.unwrap();
}

/// How many runs have this status, and how many are held by lockdowns.
async fn count(engine: &Engine, status: &RunStatus) -> (usize, usize) {
    engine.idle().await.unwrap();
    let rows = engine.runs(&RunFilter::default()).await.unwrap();
    let are = rows.iter().filter(|row| row.status == *status).count();
    (are, rows.iter().filter(|row| !row.lockdowns.is_empty()).count())
}

#[tokio::test]
async fn a_release_wakes_what_it_held_wherever_it_is() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    let directory = DataDirectory::init(&path).await.unwrap();
    let builder = directory.engine("test").await.unwrap();
    // Most of the runs have to leave memory.
    let engine =
        builder.activity("work", Arc::new(Work)).resident_runs_max(2).start().await.unwrap();
    let project: ProjectId = "lab".parse().unwrap();
    change(&engine, &project, ProjectAction::Create { title: "A lab".to_owned() }).await;
    engine.publish(&project, id(), ada(), auth(), LANGUAGE, DEFINITION).await.unwrap();
    for reason in ["fire", "flood"] {
        let (scope, reason) = (LockdownScope::default(), reason.to_owned());
        change(&engine, &project, ProjectAction::ImposeLockdown { scope, reason }).await;
    }
    for _ in 0..RUNS {
        let submission = Submission {
            command: id(),
            actor: ada(),
            auth: auth(),
            trace: None,
            definition: "change".parse().unwrap(),
            version: None,
            input: json!({}),
        };
        engine.submit(&project, submission).await.unwrap();
    }
    assert_eq!(count(&engine, &RunStatus::Held).await, (RUNS, RUNS));
    let would = engine
        .in_scope(&engine.project(&project).unwrap(), &LockdownScope::default())
        .await
        .unwrap();
    assert_eq!(would.iter().filter(|one| one.starts && !one.works).count(), RUNS);

    let release = |lockdown| ProjectAction::ReleaseLockdown { lockdown, reason: "over".to_owned() };
    change(&engine, &project, release(1)).await;
    assert_eq!(count(&engine, &RunStatus::Held).await, (RUNS, RUNS), "the other holds them");
    change(&engine, &project, release(2)).await;
    let done = RunStatus::Ended { outcome: "done".to_owned() };
    assert_eq!(count(&engine, &done).await, (RUNS, 0));
    engine.shutdown().await;
}
