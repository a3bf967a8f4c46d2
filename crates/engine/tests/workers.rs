//! Workers that lease attempts, say that they live, and say how they end.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use common::{HURRIED, Office, approve, command};
use holdpoint_core::{Action, RunId, RunStatus};
use holdpoint_engine::{Engine, Lease, LeaseFailure, QueryFailure, QueueLimits};
use jiff::SignedDuration;
use serde_json::json;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

async fn open(office: &Office) -> Engine {
    let limits = QueueLimits { at_once: Some(2), rate: None };
    let builder = office.builder().leased("pay", "till").queue("till", limits);
    let engine = builder.start().await.unwrap();
    office.set_up(&engine).await;
    engine
}

async fn approved(office: &Office, engine: &Engine, cents: u64) -> RunId {
    let run = office.submit(engine, cents).await;
    engine.command(run, approve("ben")).await.unwrap();
    run
}

async fn lease(engine: &Engine, worker: &str) -> Lease {
    engine.lease("till", worker, MINUTE).await.unwrap()
}

async fn status(engine: &Engine, run: RunId) -> RunStatus {
    engine.run(run).await.unwrap().view.status
}

/// Waits until the run has so many events of a type.
async fn until(office: &Office, engine: &Engine, run: RunId, kind: &str, count: usize) {
    let mut news = engine.log().subscribe();
    loop {
        let history = office.history(run).await;
        if history.iter().filter(|one| *one == kind).count() >= count {
            return;
        }
        news.changed().await.unwrap();
    }
}

#[tokio::test]
async fn an_attempt_begins_when_a_worker_leases_it_and_ends_as_it_says() {
    let office = Office::new();
    let engine = open(&office).await;
    let run = approved(&office, &engine, 7).await;
    until(&office, &engine, run, "holdpoint.activity.queued", 1).await;
    let waits = engine.run(run).await.unwrap().view.queued.remove(0);
    assert_eq!(waits.waits_for, "a worker of the queue `till`");
    assert!(!office.history(run).await.contains(&"holdpoint.activity.started".to_owned()));

    let leased = lease(&engine, "w-1").await;
    assert_eq!((leased.attempt.run, leased.attempt.attempt), (run, 1));
    assert_eq!(leased.attempt.input, json!({ "cents": 7 }));
    assert!(office.history(run).await.contains(&"holdpoint.activity.started".to_owned()));
    engine.complete(leased.id, json!("receipt")).await.unwrap();
    assert_eq!(status(&engine, run).await, ended("paid"), "it is recorded when that returns");
    let again = engine.complete(leased.id, json!("receipt")).await;
    assert!(matches!(again, Err(LeaseFailure::NotLeased)), "{again:?}");

    let run = approved(&office, &engine, 8).await;
    let leased = lease(&engine, "w-1").await;
    engine.fail(leased.id, "no such account".to_owned(), false).await.unwrap();
    assert_eq!(status(&engine, run).await, ended("unpaid"));
}

#[tokio::test]
async fn a_lease_that_runs_out_has_an_unknown_end_and_the_work_is_asked_for_again() {
    let office = Office::new();
    let engine = open(&office).await;
    let run = approved(&office, &engine, 7).await;
    let first = lease(&engine, "w-1").await;

    // It lives beyond its first minute, as it says so, and not beyond its second.
    office.clock.advance(SignedDuration::from_secs(59));
    let until_when = engine.heartbeat(first.id, MINUTE).unwrap();
    assert_eq!(until_when, first.until + SignedDuration::from_secs(59));
    office.clock.advance(SignedDuration::from_secs(2));
    engine.heartbeat(first.id, MINUTE).unwrap();
    office.clock.advance(MINUTE);
    let second = lease(&engine, "w-2").await;
    assert_eq!((second.attempt.run, second.attempt.attempt), (run, 2));
    assert_eq!(second.attempt.idempotency_key, first.attempt.idempotency_key);
    assert!(matches!(engine.heartbeat(first.id, MINUTE), Err(LeaseFailure::NotLeased)));
    let late = engine.complete(first.id, json!("late")).await;
    assert!(matches!(late, Err(LeaseFailure::NotLeased)), "{late:?}");
    engine.complete(second.id, json!("receipt")).await.unwrap();
    assert_eq!(status(&engine, run).await, ended("paid"));
    let history = office.history(run).await;
    assert!(history.contains(&"holdpoint.activity.unknown".to_owned()), "{history:?}");
}

#[tokio::test]
async fn a_worker_whose_work_is_not_wanted_any_more_has_no_lease() {
    let office = Office::new();
    let engine = open(&office).await;
    let run = approved(&office, &engine, 7).await;
    let leased = lease(&engine, "w-1").await;
    let cancel = Action::Cancel { reason: "a mistake".to_owned() };
    engine.command(run, command("ada", cancel)).await.unwrap();
    while engine.heartbeat(leased.id, MINUTE).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(engine.complete(leased.id, json!("late")).await.is_err());
    assert_eq!(status(&engine, run).await, ended("cancelled"));
}

#[tokio::test]
async fn a_worker_that_went_away_keeps_nothing_from_others() {
    let office = Office::new();
    let engine = open(&office).await;
    // One asks and goes away, before there is anything.
    tokio::select! {
        biased;
        _ = lease(&engine, "w-1") => panic!("there is nothing"),
        () = tokio::task::yield_now() => {}
    }
    let waits = tokio::spawn({
        let engine = engine.clone();
        async move { lease(&engine, "w-2").await }
    });
    let run = approved(&office, &engine, 7).await;
    let leased = waits.await.unwrap();
    assert_eq!(leased.attempt.run, run);
    // The queue has room for two, and a third waits for one of them.
    let mut runs = Vec::new();
    for cents in 1..=2 {
        runs.push(approved(&office, &engine, cents).await);
    }
    let other = lease(&engine, "w-3").await;
    let third = tokio::spawn({
        let engine = engine.clone();
        async move { lease(&engine, "w-4").await }
    });
    let last = runs.into_iter().find(|run| *run != other.attempt.run).unwrap();
    until(&office, &engine, last, "holdpoint.activity.queued", 1).await;
    assert!(!third.is_finished());
    engine.complete(other.id, json!("receipt")).await.unwrap();
    assert_eq!(third.await.unwrap().attempt.run, last);
}

#[tokio::test]
async fn what_no_worker_wants_in_time_fails() {
    let office = Office::new();
    let engine = open(&office).await;
    let run = approved(&office, &engine, HURRIED).await;
    until(&office, &engine, run, "holdpoint.activity.queued", 1).await;
    office.clock.advance(MINUTE);
    until(&office, &engine, run, "holdpoint.activity.not_begun", 1).await;
    assert_eq!(status(&engine, run).await, ended("unpaid"));
}

#[tokio::test]
async fn who_asks_is_told_when_the_engine_stops() {
    let office = Office::new();
    let engine = open(&office).await;
    let run = approved(&office, &engine, 7).await;
    let leased = lease(&engine, "w-1").await;
    let waits = tokio::spawn({
        let engine = engine.clone();
        async move { engine.lease("till", "w-2", MINUTE).await }
    });
    tokio::task::yield_now().await;
    engine.shutdown().await;
    assert!(matches!(waits.await.unwrap(), Err(QueryFailure::Stopped)));
    assert!(engine.complete(leased.id, json!("late")).await.is_err());

    // The next start knows of no lease, and has the work done again.
    let engine = open(&office).await;
    let leased = lease(&engine, "w-1").await;
    assert_eq!((leased.attempt.run, leased.attempt.attempt), (run, 2));
    engine.complete(leased.id, json!("receipt")).await.unwrap();
    assert_eq!(status(&engine, run).await, ended("paid"));
}
