//! Attempts wait for their turn where their number is limited.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{HURRIED, Office, approve};
use holdpoint_core::{Action, Outcome, RunId, RunStatus};
use holdpoint_engine::{
    ActivityHandler, Attempt, Engine, EngineBuilder, ItemPlace, QueueLimits, Rate, Takes,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

/// Pays when it is let, and counts how many payments are under way.
struct Till {
    takes: Takes,
    let_go: Semaphore,
    under_way: AtomicUsize,
    most: AtomicUsize,
    begun: Mutex<Vec<RunId>>,
    tell: mpsc::UnboundedSender<RunId>,
}

#[async_trait]
impl ActivityHandler for Till {
    fn takes(&self, _: &Value) -> Takes {
        self.takes.clone()
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.begun.lock().unwrap().push(attempt.run);
        self.tell.send(attempt.run).unwrap();
        self.let_go.acquire().await.unwrap().forget();
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        Outcome::Completed(json!("receipt"))
    }
}

struct Bank {
    office: Office,
    till: Arc<Till>,
    begun: mpsc::UnboundedReceiver<RunId>,
}

impl Bank {
    fn new(takes: Takes) -> Self {
        let (tell, begun) = mpsc::unbounded_channel();
        let till = Till {
            takes,
            let_go: Semaphore::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            begun: Mutex::default(),
            tell,
        };
        Self { office: Office::new(), till: Arc::new(till), begun }
    }

    fn in_queue() -> Self {
        Self::new(Takes { queue: Some("till".to_owned()), ..Takes::default() })
    }

    fn builder(&self) -> EngineBuilder {
        self.office.builder().activity("pay", self.till.clone())
    }

    async fn open(&self, limits: QueueLimits) -> Engine {
        let engine = self.builder().queue("till", limits).start().await.unwrap();
        self.office.set_up(&engine).await;
        engine
    }

    async fn approved(&self, engine: &Engine, cents: u64) -> RunId {
        let run = self.office.submit(engine, cents).await;
        engine.command(run, approve("ben")).await.unwrap();
        run
    }

    /// Waits until the run is known to wait.
    async fn queued(&self, engine: &Engine, run: RunId) {
        let mut news = engine.log().subscribe();
        while !self.office.history(run).await.contains(&"holdpoint.activity.queued".to_owned()) {
            news.changed().await.unwrap();
        }
    }
}

const ONE: QueueLimits = QueueLimits { at_once: Some(1), rate: None };

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

#[tokio::test]
async fn no_more_are_under_way_than_the_queue_lets() {
    let bank = Bank::in_queue();
    let engine = bank.open(QueueLimits { at_once: Some(3), rate: None }).await;
    let mut runs = Vec::new();
    for cents in 1..=20 {
        runs.push(bank.approved(&engine, cents).await);
    }
    bank.till.let_go.add_permits(20);
    engine.idle().await.unwrap();
    for run in runs {
        assert_eq!(engine.run(run).await.unwrap().view.status, ended("paid"));
    }
    assert!(bank.till.most.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn what_waits_is_recorded_and_shown_and_goes_on_after_a_restart() {
    let mut bank = Bank::in_queue();
    let engine = bank.open(ONE).await;
    let first = bank.approved(&engine, 1).await;
    assert_eq!(bank.begun.recv().await, Some(first));
    let second = bank.approved(&engine, 2).await;
    bank.queued(&engine, second).await;
    let view = engine.run(second).await.unwrap().view;
    let queued = &view.queued[0];
    assert_eq!((queued.waits_for.as_str(), queued.before), ("the queue `till`", 0));
    assert_eq!(view.status, RunStatus::Working);
    engine.shutdown().await;

    // Nothing is under way any more, and both ask again; it is not said twice that one waits.
    let engine = bank.open(ONE).await;
    bank.till.let_go.add_permits(2);
    engine.idle().await.unwrap();
    assert_eq!(engine.run(first).await.unwrap().view.status, ended("paid"));
    let view = engine.run(second).await.unwrap().view;
    assert_eq!((view.status, view.queued), (ended("paid"), vec![]));
    let history = bank.office.history(second).await;
    let queued = history.iter().filter(|kind| *kind == "holdpoint.activity.queued").count();
    assert_eq!(queued, 1, "{history:?}");
}

#[tokio::test]
async fn one_that_is_given_up_makes_room_and_one_that_waits_goes_away() {
    let mut bank = Bank::in_queue();
    let engine = bank.open(ONE).await;
    let mut runs = Vec::new();
    for cents in 1..=3 {
        runs.push(bank.approved(&engine, cents).await);
        if cents > 1 {
            bank.queued(&engine, runs[cents as usize - 1]).await;
        } else {
            bank.begun.recv().await.unwrap();
        }
    }
    // The one that waits is cancelled, then the one that is under way.
    for run in [runs[1], runs[0]] {
        let cancel = Action::Cancel { reason: "a mistake".to_owned() };
        engine.command(run, common::command("ada", cancel)).await.unwrap();
    }
    assert_eq!(bank.begun.recv().await, Some(runs[2]));
    bank.till.let_go.add_permits(1);
    engine.idle().await.unwrap();
    assert_eq!(engine.run(runs[2]).await.unwrap().view.status, ended("paid"));
    let begun = bank.till.begun.lock().unwrap().clone();
    assert_eq!(begun, [runs[0], runs[2]], "what was cancelled never began");
}

#[tokio::test]
async fn one_that_waits_too_long_does_not_begin() {
    let mut bank = Bank::in_queue();
    let engine = bank.open(ONE).await;
    let first = bank.approved(&engine, 1).await;
    bank.begun.recv().await.unwrap();
    let late = bank.approved(&engine, HURRIED).await;
    bank.queued(&engine, late).await;
    let mut news = engine.log().subscribe();
    bank.office.clock.advance(SignedDuration::from_secs(60));
    while engine.run(late).await.unwrap().view.status != ended("unpaid") {
        news.changed().await.unwrap();
    }
    let history = bank.office.history(late).await;
    assert!(history.contains(&"holdpoint.activity.not_begun".to_owned()), "{history:?}");
    bank.till.let_go.add_permits(1);
    engine.idle().await.unwrap();
    assert_eq!(engine.run(first).await.unwrap().view.status, ended("paid"));
    assert_eq!(*bank.till.begun.lock().unwrap(), [first]);
}

#[tokio::test]
async fn a_rate_goes_by_the_engines_clock() {
    let mut bank = Bank::in_queue();
    bank.till.let_go.add_permits(10);
    let rate = Some(Rate { count: 2, per: SignedDuration::from_mins(1) });
    let engine = bank.open(QueueLimits { at_once: None, rate }).await;
    let mut runs = Vec::new();
    for cents in 1..=3 {
        runs.push(bank.approved(&engine, cents).await);
    }
    bank.queued(&engine, runs[2]).await;
    assert_eq!([bank.begun.recv().await, bank.begun.recv().await], [Some(runs[0]), Some(runs[1])]);
    assert!(bank.begun.try_recv().is_err());
    bank.office.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(bank.begun.recv().await, Some(runs[2]));
    engine.idle().await.unwrap();
}

#[tokio::test]
async fn an_item_has_one_attempt_at_a_time_of_all_runs() {
    let item = Some(ItemPlace { item: "safe".to_owned(), at_once: 1 });
    let bank = Bank::new(Takes { item, ..Takes::default() });
    let engine = bank.builder().start().await.unwrap();
    bank.office.set_up(&engine).await;
    for cents in 1..=5 {
        bank.approved(&engine, cents).await;
    }
    bank.till.let_go.add_permits(5);
    engine.idle().await.unwrap();
    assert_eq!(bank.till.most.load(Ordering::SeqCst), 1);
    assert_eq!(bank.till.begun.lock().unwrap().len(), 5);
}
