//! A run that is migrated while its snapshot is that of the other version: it is read by the version that it
//! went by then, and goes on by the one that it goes by now, in and out of memory and after a restart.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;

use holdpoint::{
    DataDirectory,
    core::{Action, Digest, ProjectAction, ProjectId, RunStatus},
    engine::{AsOf, Engine},
};
use holdpoint_tests::inside::{act, change, member, project, publish, submit};
use serde_json::{Value, json};

const OLD: &str = "
workflow: change
version: 1
title: A change
start: wait
states:
  wait:
    hold: { signal: { name: go, expires: 1d } }
    on: { released: done, expired: done }
  done: { end: done }
";

/// Nobody migrates a run of their own: those are submitted by another.
const SUBMITTER: &str = "bob";

/// Has others take the run's place in memory.
async fn others(engine: &Engine, project: &ProjectId) {
    for _ in 0..6 {
        let run = submit(engine, project, member(SUBMITTER), "change", json!({})).await;
        engine.run(run).await.unwrap();
    }
    engine.idle().await.unwrap();
}

#[tokio::test]
async fn a_snapshot_is_read_by_the_version_that_made_it() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    drop(DataDirectory::init(&path).await.unwrap());
    let start = async || {
        let directory = DataDirectory::open(&path).unwrap();
        let builder = directory.engine("test").await.unwrap();
        builder.shards(1).resident_runs_max(1).start().await.unwrap()
    };
    let engine = start().await;
    let project = project(&engine).await;
    let join = ProjectAction::AddMember {
        member: SUBMITTER.parse().unwrap(),
        name: None,
        roles: Vec::new(),
    };
    change(&engine, &project, join).await;
    publish(&engine, &project, OLD).await;
    let run = submit(&engine, &project, member(SUBMITTER), "change", json!({})).await;
    let newer = OLD.replace("version: 1", "version: 2").replace("wait", "listen");
    publish(&engine, &project, &newer).await;
    for n in 0..40 {
        act(&engine, run, Action::Comment { text: format!("comment {n}") }).await;
    }
    others(&engine, &project).await;
    let before = engine.run(run).await.unwrap();
    act(
        &engine,
        run,
        Action::Migrate {
            to: Digest::of(newer.as_bytes()),
            states: BTreeMap::from([("wait".to_owned(), "listen".to_owned())]),
            reason: "its name is better".to_owned(),
        },
    )
    .await;
    others(&engine, &project).await;
    let migrated = engine.run(run).await.unwrap();
    assert_eq!((migrated.row.definition.version, migrated.row.state.as_str()), (2, "listen"));
    let then = engine.run_as_of(run, AsOf::Version(before.row.at.version)).await.unwrap();
    assert_eq!((then.row.definition.version, then.row.state.as_str()), (1, "wait"));
    engine.shutdown().await;
    drop(engine);

    let engine = start().await;
    assert_eq!(engine.run(run).await.unwrap().row, migrated.row);
    act(&engine, run, Action::Signal { name: "go".to_owned(), data: Value::Null }).await;
    let done = RunStatus::Ended { outcome: "done".to_owned() };
    assert_eq!(engine.run(run).await.unwrap().row.status, done);
    engine.shutdown().await;
}
