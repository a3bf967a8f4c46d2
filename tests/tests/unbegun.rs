//! What waits in a queue of an engine when its rollout is stopped is not begun by anybody.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use holdpoint::{
    DataDirectory,
    core::{Action, Outcome, RunId, RunStatus, Steering},
    engine::{ActivityHandler, Attempt, Engine, QueueLimits, Takes},
};
use holdpoint_tests::inside::{act, member, project, publish, submit};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

const DEFINITION: &str = "
workflow: roll
version: 1
title: A rollout
start: work
states:
  work:
    do:
      rollout:
        targets: [a, b, c, d]
        max_failed: 1
        each: { run: deploy }
        rollback: { run: restore }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

/// Deploys when it is let, and fails where it is told to.
struct Deploy {
    let_go: Semaphore,
    fails: bool,
    began: mpsc::UnboundedSender<()>,
    seen: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl ActivityHandler for Deploy {
    fn takes(&self, _: &Value) -> Takes {
        Takes { queue: Some("machines".to_owned()), ..Takes::default() }
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        self.seen.lock().unwrap().push(attempt.effect.to_string());
        if attempt.activity == "restore" {
            return Outcome::Completed(json!({}));
        }
        // Only the first is waited for.
        let _ = self.began.send(());
        self.let_go.acquire().await.unwrap().forget();
        if self.fails {
            return Outcome::Failed { error: "disk full".to_owned(), retryable: false };
        }
        Outcome::Completed(json!({}))
    }
}

struct Lab {
    engine: Engine,
    run: RunId,
    deploy: Arc<Deploy>,
    seen: Arc<Mutex<Vec<String>>>,
    _temporary: tempfile::TempDir,
}

impl Lab {
    /// A rollout of which one deployment is under way, and the others wait in the queue.
    async fn new(fails: bool) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let directory = DataDirectory::init(&temporary.path().join("data")).await.unwrap();
        let builder = directory.engine("test").await.unwrap();
        let (began, mut begun) = mpsc::unbounded_channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let let_go = Semaphore::new(0);
        let deploy = Arc::new(Deploy { let_go, fails, began, seen: Arc::clone(&seen) });
        let one = QueueLimits { at_once: Some(1), rate: None };
        let engine = builder
            .activity("deploy", deploy.clone())
            .activity("restore", deploy.clone())
            .queue("machines", one)
            .start()
            .await
            .unwrap();
        let project = project(&engine).await;
        publish(&engine, &project, DEFINITION).await;
        let run = submit(&engine, &project, member("ada"), "roll", json!({})).await;
        begun.recv().await.unwrap();
        while engine.run(run).await.unwrap().view.queued.len() < 3 {
            // The log tells of an event before the run has taken it: it is asked until it has.
            tokio::task::yield_now().await;
        }
        Self { engine, run, deploy, seen, _temporary: temporary }
    }

    async fn act(&self, action: Action) {
        act(&self.engine, self.run, action).await;
    }

    async fn steer(&self, steering: Steering) {
        let (reason, over) = (Some("so".to_owned()), Default::default());
        self.act(Action::Steer { steering, target: None, reason, state: None, over }).await;
    }

    /// Lets deployments go on, waits until nothing is left to do, and says where the run stands.
    async fn idle(&self) -> RunStatus {
        self.deploy.let_go.add_permits(10);
        self.engine.idle().await.unwrap();
        self.engine.run(self.run).await.unwrap().view.status
    }

    fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.iter_mut()
            .for_each(|effect| *effect = effect.trim_start_matches("work#1/").to_owned());
        seen
    }
}

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

#[tokio::test]
async fn what_waits_in_a_queue_is_not_begun_after_a_stop() {
    let cancel = || Action::Cancel { reason: "no".to_owned() };
    let lab = Lab::new(false).await;
    lab.steer(Steering::Abort).await;
    assert_eq!(lab.idle().await, ended("undone"));
    assert_eq!(lab.seen(), ["a/deploy", "a/restore"]);

    let lab = Lab::new(false).await;
    lab.act(cancel()).await;
    assert_eq!(lab.idle().await, ended("cancelled"));
    assert_eq!(lab.seen(), ["a/deploy", "a/restore"]);

    let lab = Lab::new(true).await;
    assert_eq!(lab.idle().await, ended("undone"), "it fails, which is one failure too many");
    assert_eq!(lab.seen(), ["a/deploy", "a/restore"]);
}

#[tokio::test]
async fn what_waits_in_a_queue_is_begun_after_a_pause() {
    let lab = Lab::new(false).await;
    lab.steer(Steering::Pause).await;
    assert_eq!(lab.idle().await, RunStatus::Held);
    assert_eq!(lab.seen(), ["a/deploy"]);
    lab.steer(Steering::Resume).await;
    assert_eq!(lab.idle().await, ended("done"));
    let mut seen = lab.seen();
    seen.sort();
    assert_eq!(seen, ["a/deploy", "b/deploy", "c/deploy", "d/deploy"]);
}
