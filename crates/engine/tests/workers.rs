//! Workers that lease attempts, say that they live, and say how they end.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use common::{HURRIED, Office, approve, command};
use std::sync::Arc;

use holdpoint_core::{Action, RunId, RunStatus, Sequence};
use holdpoint_engine::{Engine, Lease, LeaseFailure, LeaseId, QueryFailure, QueueLimits};
use jiff::SignedDuration;
use serde_json::{Value, json};

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
    assert!(matches!(engine.heartbeat(first.id, MINUTE), Err(LeaseFailure::RanOut(_))));
    let late = engine.complete(first.id, json!("late")).await;
    assert!(matches!(late, Err(LeaseFailure::RanOut(_))), "{late:?}");
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
    let told = loop {
        match engine.heartbeat(leased.id, MINUTE) {
            Ok(_) => tokio::task::yield_now().await,
            Err(told) => break told,
        }
    };
    assert!(matches!(told, LeaseFailure::NotWanted), "{told:?}");
    let late = engine.complete(leased.id, json!("late")).await;
    assert!(matches!(late, Err(LeaseFailure::NotWanted)), "{late:?}");
    assert_eq!(status(&engine, run).await, ended("cancelled"));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_and_a_name_of_a_lease_travels() {
    let office = Office::new();
    let engine = open(&office).await;
    let run = approved(&office, &engine, 7).await;
    let leased = lease(&engine, "w-1").await;
    // A worker elsewhere has nothing but what was written down.
    let sent = serde_json::to_value(&leased).unwrap();
    assert_eq!(sent["attempt"]["idempotency_key"], leased.attempt.idempotency_key);
    assert_eq!(sent["attempt"]["timeout"], json!(leased.attempt.timeout));
    let id: LeaseId = sent["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.to_string(), leased.id.to_string());

    // What is too large ends nothing.
    let large = engine.complete(id, json!("x".repeat(300_000))).await;
    assert!(matches!(large, Err(LeaseFailure::TooLarge { max: 262_144 })), "{large:?}");
    engine.heartbeat(id, MINUTE).unwrap();
    engine.complete(id, json!("receipt")).await.unwrap();
    engine.complete(id, json!("receipt")).await.unwrap();
    let other = engine.fail(id, "no".to_owned(), true).await;
    assert!(matches!(other, Err(LeaseFailure::Ended)), "{other:?}");
    assert!(matches!(engine.heartbeat(id, MINUTE), Err(LeaseFailure::Ended)));
    assert_eq!(status(&engine, run).await, ended("paid"));
    let completed = "holdpoint.activity.completed";
    assert_eq!(office.history(run).await.iter().filter(|kind| *kind == completed).count(), 1);
}

#[tokio::test]
async fn secrets_are_masked_in_what_workers_say() {
    let office = Office::new();
    let mask = Arc::new(|text: &str| text.replace("s3cret", "******").replace("1077", "****"));
    let builder = office.builder().leased("pay", "till").masking(mask);
    let engine = builder.start().await.unwrap();
    office.set_up(&engine).await;
    for output in [json!({ "s3cret": ["as3cretb", 41_077] }), json!(null)] {
        approved(&office, &engine, 7).await;
        let leased = lease(&engine, "w-1").await;
        match output {
            Value::Null => engine.fail(leased.id, "the s3cret".to_owned(), false).await.unwrap(),
            output => engine.complete(leased.id, output).await.unwrap(),
        }
    }
    let all = engine.log().read(Sequence::ZERO, 1_000).await.unwrap();
    let all: Vec<u8> = all.into_iter().flat_map(|record| record.bytes).collect();
    let all = String::from_utf8(all).unwrap();
    assert!(
        !all.contains("s3cret")
            && all.contains("[\"a******b\",\"4****\"]")
            && all.contains("the ******")
    );
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
