//! Runs that contend for the locks on few items, in an engine that is killed with SIGKILL again and
//! again: no lock is ever held by two, and every run gets what it waits for.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::Arc,
};

use async_trait::async_trait;
use holdpoint::{
    DataDirectory,
    core::{
        Actor, Authentication, CommandId, Event, Outcome, ProjectAction, ProjectCommand, ProjectId,
        Sequence,
    },
    definition::LANGUAGE,
    engine::{ActivityHandler, Attempt, Engine, RunFilter, Submission},
};
use holdpoint_log::EventLog;
use holdpoint_log_sled::SledLog;
use serde_json::json;
use uuid::Uuid;

const DIRECTORY: &str = "HOLDPOINT_TEST_LOCKS_DIRECTORY";
const KILLS: usize = 10;
const RUNS: usize = 40;
/// The items that run number n locks: two of five, in another order for each.
const ITEMS: usize = 5;

const DEFINITION: &str = "
workflow: change
version: 1
title: A change
input: { type: object, required: [items], properties: { items: { type: array, items: { type: string } } } }
start: take
states:
  take:
    hold: { lock: \"${input.items}\" }
    on: { released: work }
  work:
    do: { activity: { run: work, retry: { attempts: 1000, delay: 1ms } } }
    on: { succeeded: more, failed: done }
  more:
    unlock: true
    do: { activity: { run: work, retry: { attempts: 1000, delay: 1ms } } }
    on: { succeeded: again, failed: done }
  again:
    hold: { lock: [item-0, item-4] }
    on: { released: last }
  last:
    do: { activity: { run: work, retry: { attempts: 1000, delay: 1ms } } }
    on: { succeeded: done, failed: done }
  done: { end: done }
";

struct Work;

#[async_trait]
impl ActivityHandler for Work {
    async fn attempt(&self, _: Attempt) -> Outcome {
        tokio::task::yield_now().await;
        Outcome::Completed(json!({}))
    }
}

fn member() -> Actor {
    Actor::Member("ada".parse().unwrap())
}

fn auth() -> Authentication {
    Authentication::new("test")
}

/// The process that is killed.
#[test]
fn engine() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(live(&path));
}

async fn live(path: &Path) {
    let directory = DataDirectory::open(path).unwrap();
    let builder = directory.engine("test").await.unwrap();
    let engine = builder.activity("work", Arc::new(Work)).start().await.unwrap();
    let mut news = engine.log().subscribe();
    tokio::spawn(async move {
        while news.changed().await.is_ok() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nmoved").unwrap();
            out.flush().unwrap();
        }
    });
    submit(&engine).await;
    engine.idle().await.unwrap();
    assert_eq!(engine.locks(None).await.unwrap(), [], "nobody holds or waits any more");
    engine.shutdown().await;
}

/// Submits what an earlier process has not.
async fn submit(engine: &Engine) {
    let project: ProjectId = "lab".parse().unwrap();
    let id = || CommandId::from_uuid(Uuid::now_v7());
    if engine.project(&project).is_none() {
        let action = ProjectAction::Create { title: "A lab".to_owned() };
        let command =
            ProjectCommand { id: id(), actor: member(), auth: auth(), trace: None, action };
        engine.change_project(&project, command).await.unwrap();
    }
    if engine.project(&project).unwrap().definitions().next().is_none() {
        engine.publish(&project, id(), member(), auth(), LANGUAGE, DEFINITION).await.unwrap();
    }
    let there = engine.runs(&RunFilter::default()).await.unwrap().len();
    for n in there..RUNS {
        let items = [n % ITEMS, (n * 3 + 1) % ITEMS].map(|item| format!("item-{item}"));
        let submission = Submission {
            command: id(),
            actor: member(),
            auth: auth(),
            trace: None,
            definition: "change".parse().unwrap(),
            version: None,
            input: json!({ "items": items }),
        };
        engine.submit(&project, submission).await.unwrap();
    }
}

struct Running(Child);

impl Running {
    fn start(path: &Path) -> Self {
        let process = Process::new(env::current_exe().unwrap())
            .args(["engine", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, path)
            .stdout(Stdio::piped())
            .spawn();
        Self(process.unwrap())
    }

    /// Waits until the log has moved so often, or the process has ended.
    fn wait_for(&mut self, count: usize) {
        let output = BufReader::new(self.0.stdout.take().unwrap());
        let moved = output.lines().map_while(Result::ok).filter(|line| line == "moved");
        moved.take(count).for_each(drop);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is gone already, unless a test fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn history(path: &Path) -> Vec<Event> {
    let log = SledLog::open(path.join("log"), "test").await.unwrap();
    let records = log.read(Sequence::ZERO, usize::MAX).await.unwrap();
    records.iter().map(|record| record.event().unwrap()).collect()
}

fn items(event: &Event) -> Vec<String> {
    let data: serde_json::Value = event.data.read().unwrap();
    let items = data.get("items").and_then(|items| items.as_array()).cloned().unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Goes through the history: who holds what, at every event.
fn nothing_is_held_twice(events: &[Event]) -> usize {
    let mut holders = BTreeMap::new();
    let mut granted = 0;
    for event in events {
        let Some(run) = event.subject else { continue };
        match event.kind.as_str() {
            "holdpoint.lock.granted" => {
                granted += 1;
                for item in items(event) {
                    let before = holders.insert(item.clone(), run);
                    assert_eq!(before, None, "{item} is granted to {run} at {}", event.sequence);
                }
            }
            "holdpoint.lock.released" | "holdpoint.run.ended" => {
                holders.retain(|_, holder| *holder != run);
            }
            _ => {}
        }
    }
    granted
}

#[tokio::test]
async fn no_lock_is_held_by_two_whatever_is_killed() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("data");
    DataDirectory::init(&path).await.unwrap();
    let mut random = fastrand::Rng::new();
    for _ in 0..KILLS {
        let mut engine = Running::start(&path);
        engine.wait_for(random.usize(1..60));
        engine.0.kill().unwrap();
        drop(engine);
        nothing_is_held_twice(&history(&path).await);
    }
    let mut engine = Running::start(&path);
    engine.wait_for(usize::MAX);
    assert!(engine.0.wait().unwrap().success(), "it does not go on");
    let events = history(&path).await;
    let ended = events.iter().filter(|event| event.kind.as_str() == "holdpoint.run.ended");
    assert_eq!(ended.count(), RUNS);
    assert_eq!(nothing_is_held_twice(&events), 2 * RUNS);
}
