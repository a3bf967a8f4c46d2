//! Plans that people are asked about in an engine that is running: when the inventory changes, the
//! runs are found that are asked about others by that, in memory or not, and no other run is written
//! to.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;

use holdpoint::{
    DataDirectory,
    core::{NamedItem, ProjectAction},
    engine::{Effects, Engine, RunFilter},
};
use holdpoint_tests::inside::{Work, change, member, project, publish, submit};
use serde_json::{Value, json};

const RUNS: u64 = 8;

const DEFINITION: &str = "
workflow: change
version: 1
title: A change
input: { type: object, properties: { env: { type: string } }, required: [env] }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:owner, need: 1 } } } }
    on: { released: roll-out, rejected: done }
  roll-out:
    do:
      rollout:
        targets: { select: 'env=${input.env}' }
        each: { run: work }
        approved_at: agree
    on: { succeeded: done, failed: done, drifted: agree }
  done: { end: done }
";

/// That there is an item of this name.
fn item(name: &str, env: &str) -> ProjectAction {
    let item = json!({ "name": name, "labels": { "env": env } });
    let set: Vec<NamedItem> = vec![serde_json::from_value(item).unwrap()];
    ProjectAction::ChangeItems { set, remove: Vec::new() }
}

/// How many events the runs of each environment have, in the order in which they were submitted.
async fn lengths(engine: &Engine, env: &str) -> Vec<u64> {
    engine.idle().await.unwrap();
    let mut lengths = Vec::new();
    for row in engine.runs(&RunFilter::default()).await.unwrap() {
        let detail = engine.run(row.id).await.unwrap();
        if detail.input.get("env").and_then(Value::as_str) == Some(env) {
            lengths.push(row.at.version.0);
        }
    }
    lengths
}

#[tokio::test]
async fn a_change_of_the_inventory_is_told_to_whom_it_concerns() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    let directory = DataDirectory::init(&path).await.unwrap();
    let builder = directory.engine("test").await.unwrap();
    // Most of the runs have to leave memory.
    let engine =
        builder.activity("work", Arc::new(Work)).resident_runs_max(2).start().await.unwrap();
    let project = project(&engine).await;
    publish(&engine, &project, DEFINITION).await;
    for (name, env) in [("web-1", "prod"), ("web-2", "test")] {
        change(&engine, &project, item(name, env)).await;
    }
    for number in 0..RUNS {
        let env = if number % 2 == 0 { "prod" } else { "test" };
        submit(&engine, &project, member("ada"), "change", json!({ "env": env })).await;
    }
    let before = lengths(&engine, "prod").await;
    let others = lengths(&engine, "test").await;
    change(&engine, &project, item("web-3", "prod")).await;
    let one_more = |lengths: &[u64]| lengths.iter().map(|one| one + 1).collect::<Vec<_>>();
    assert_eq!(lengths(&engine, "prod").await, one_more(&before));
    assert_eq!(lengths(&engine, "test").await, others, "what concerns nobody is told to nobody");
    engine.shutdown().await;
    drop(engine);

    // What happens while no engine works is found by its next start.
    let directory = DataDirectory::open(&path).unwrap();
    let engine = directory.engine("test").await.unwrap().effects(Effects::LeaveAlone);
    let engine = engine.start().await.unwrap();
    change(&engine, &project, item("web-4", "test")).await;
    assert_eq!(lengths(&engine, "test").await, others);
    engine.shutdown().await;
    drop(engine);
    let directory = DataDirectory::open(&path).unwrap();
    let builder = directory.engine("test").await.unwrap();
    let engine = builder.activity("work", Arc::new(Work)).start().await.unwrap();
    assert_eq!(lengths(&engine, "test").await, one_more(&others));
    assert_eq!(lengths(&engine, "prod").await, one_more(&before));
    let first: Value = serde_json::to_value(
        &engine.run(engine.runs(&RunFilter::default()).await.unwrap()[0].id).await.unwrap().view,
    )
    .unwrap();
    let drift = &first["holds"][0]["replanned"]["drift"]["roll-out"];
    assert_eq!(drift["added"]["first"], json!(["web-4"]), "{first}");
    engine.shutdown().await;
}
