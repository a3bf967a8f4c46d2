//! Lockdowns in an engine that is running: a release finds the runs that it held, in memory or not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;

use holdpoint::{
    DataDirectory,
    core::{LockdownScope, ProjectAction, RunStatus},
    engine::{Engine, RunFilter},
};
use holdpoint_tests::inside::{Work, change, member, project, publish, submit};
use serde_json::json;

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
    let project = project(&engine).await;
    publish(&engine, &project, DEFINITION).await;
    for reason in ["fire", "flood"] {
        let (scope, reason) = (LockdownScope::default(), reason.to_owned());
        change(&engine, &project, ProjectAction::ImposeLockdown { scope, reason }).await;
    }
    for _ in 0..RUNS {
        submit(&engine, &project, member("ada"), "change", json!({})).await;
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
