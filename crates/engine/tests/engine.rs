//! The engine over a log in memory, on a clock that the test moves.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use common::{ALIVE, Expense, HEARTBEAT, Office, approve, command, counts, new_id, who};
use holdpoint_core::{
    Action, Actor, Outcome, ProjectAction, ProjectCommand, Refusal, RefusalCode, RunStatus,
    Sequence, StreamId, Version, Vote,
};
use holdpoint_engine::{
    ActivityHandler, AsOf, Attempt, CommandFailure, Effects, Engine, OnlyIf, QueryFailure,
    ReadModelAt, RunFilter, StartFailure, Submission,
};
use holdpoint_log::EventLog;
use jiff::SignedDuration;
use serde_json::{Value, json};

fn refusal<T: std::fmt::Debug>(answer: Result<T, CommandFailure>) -> RefusalCode {
    match answer {
        Err(CommandFailure::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

#[tokio::test]
async fn a_run_goes_from_submission_to_its_end() {
    let office = Office::new();
    office.cashier.outcomes.lock().unwrap().push(Outcome::Completed(json!("receipt 7")));
    let engine = office.open().await;
    let run = office.submit(&engine, 1200).await;

    assert_eq!(refusal(engine.command(run, approve("ada")).await), RefusalCode::SelfApproval);
    let held = engine.run(run).await.unwrap();
    assert_eq!((held.row.status.as_str(), held.row.number), ("held", 1));

    let answer = engine.command(run, approve("ben")).await.unwrap();
    assert_eq!(answer.version, Version(3), "a refusal leaves no event");
    engine.idle().await.unwrap();
    let done = engine.run(run).await.unwrap();
    assert_eq!(done.row.status, ended("paid"));
    assert_eq!(
        office.history(run).await,
        [
            "holdpoint.run.started",
            "acme.expense.claimed",
            "acme.expense.approved",
            "holdpoint.activity.started",
            "holdpoint.activity.completed",
            "acme.expense.ended",
        ]
    );
    let attempts = office.cashier.attempts.lock().unwrap().clone();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].idempotency_key, format!("{run}/pay"));
    assert_eq!(attempts[0].input, json!({ "cents": 1200 }));
    assert_eq!(refusal(engine.command(run, approve("cleo")).await), RefusalCode::RunEnded);
    assert!(matches!(engine.run(new_id().into()).await, Err(QueryFailure::NoSuchRun(_))));
}

#[tokio::test]
async fn the_same_command_id_gets_the_same_answer_once() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let id = new_id();
    let submissions = (0..8).map(|_| engine.submit(&office.project, office.submission(id, 5)));
    let answers = futures::future::join_all(submissions).await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == first));
    let other = engine.submit(&office.project, office.submission(id, 6)).await;
    assert_eq!(refusal(other), RefusalCode::CommandIdReused);

    let vote = approve("ben");
    let votes = (0..8).map(|_| engine.command(first.run, vote.clone()));
    let answers = futures::future::join_all(votes).await;
    let voted = *answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| *answer.as_ref().unwrap() == voted));
    assert_eq!(office.history(first.run).await.len(), 3);

    // After a restart too, for runs and for the project.
    let (actor, auth) = who("ada");
    let member = "dora".parse().unwrap();
    let action = ProjectAction::AddMember { member, name: None, roles: vec![] };
    let change = ProjectCommand { id: new_id(), actor, auth, trace: None, action };
    let changed = engine.change_project(&office.project, change.clone()).await.unwrap();
    engine.shutdown().await;
    let engine = office.open_leaving_effects().await;
    assert_eq!(engine.submit(&office.project, office.submission(id, 5)).await.unwrap(), *first);
    assert_eq!(engine.command(first.run, vote).await.unwrap(), voted);
    assert_eq!(engine.change_project(&office.project, change).await.unwrap(), changed);
    let other = engine.submit(&office.project, office.submission(id, 6)).await;
    assert_eq!(refusal(other), RefusalCode::CommandIdReused);
}

#[tokio::test]
async fn what_a_command_would_do_is_told_and_not_done() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let submitted = engine.submit(&office.project, office.submission(new_id(), 5)).await.unwrap();
    let run = submitted.run;
    let vote = approve("ben");
    let before = office.history(run).await;
    let would = engine.would(run, &vote).await.unwrap();
    let kinds: Vec<&str> = would.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(office.history(run).await, before, "nothing has happened");
    engine.command(run, vote.clone()).await.unwrap();
    let history = office.history(run).await;
    assert_eq!(kinds, history[before.len()..]);
    // What would be refused is, and so is what nobody knows.
    let again = approve("ben");
    assert_eq!(refusal(engine.would(run, &again).await), refusal(engine.command(run, again).await));
    let unknown = engine.would(new_id().into(), &vote).await;
    assert!(matches!(unknown, Err(CommandFailure::Query(QueryFailure::NoSuchRun(_)))));
}

#[tokio::test]
async fn a_command_is_meant_only_for_what_was_seen() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let submitted = engine.submit(&office.project, office.submission(new_id(), 5)).await.unwrap();
    let run = submitted.run;
    let only_in = |state: &str| -> OnlyIf {
        let state = state.to_owned();
        Arc::new(move |view, events| {
            assert!(!events.is_empty());
            let other = || Refusal::new(RefusalCode::NotAsSeen, "it has gone on");
            if view.state == state { Ok(()) } else { Err(other()) }
        })
    };
    let state = engine.run(run).await.unwrap().view.state;
    let before = office.history(run).await;
    let late = engine.command_if(run, approve("ben"), only_in("elsewhere")).await;
    assert_eq!(refusal(late), RefusalCode::NotAsSeen);
    assert_eq!(office.history(run).await, before, "what was refused left a trace");

    let vote = approve("ben");
    let voted = engine.command_if(run, vote.clone(), only_in(&state)).await.unwrap();
    // It has gone on since, by this very vote, which is answered again.
    assert_ne!(engine.run(run).await.unwrap().view.state, state);
    assert_eq!(engine.command_if(run, vote, only_in(&state)).await.unwrap(), voted);
}

#[tokio::test]
async fn what_is_recorded_is_the_completed_input_and_what_is_compared_is_the_request() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let id = new_id();
    let with = |input: Value| Submission { input, ..office.submission(id, 5) };
    let asked = json!({ "cents": 5, "pad": 3 });
    let completed = json!({ "cents": 5, "pad": 3, "purpose": "xxx" });
    let first = engine.submit(&office.project, with(asked.clone())).await.unwrap();
    assert_eq!(engine.run(first.run).await.unwrap().input, completed);
    assert_eq!(engine.submit(&office.project, with(asked)).await.unwrap(), first);
    let other = engine.submit(&office.project, with(completed)).await;
    assert_eq!(refusal(other), RefusalCode::CommandIdReused);
    let huge = Submission {
        input: json!({ "cents": 5, "pad": 300_000 }),
        ..office.submission(new_id(), 5)
    };
    let refused = engine.submit(&office.project, huge).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the input with its defaults is larger than 262144 bytes"
    );
}

#[tokio::test]
async fn a_run_id_is_not_taken_by_a_second_project() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let id = new_id();
    engine.submit(&office.project, office.submission(id, 5)).await.unwrap();
    let branch = Office { project: "branch".parse().unwrap(), ..office };
    let action = ProjectAction::Create { title: "Branch".to_owned() };
    branch.change(&engine, action).await;
    let source = holdpoint_engine::rust_source(&"expense".parse().unwrap(), 1);
    let (actor, auth) = who("ada");
    engine.publish(&branch.project, new_id(), actor, auth, "rust", &source).await.unwrap();
    let again = engine.submit(&branch.project, branch.submission(id, 5)).await;
    assert_eq!(refusal(again), RefusalCode::CommandIdReused);
    engine.shutdown().await;
    let engine = branch.builder().resident_runs_max(0).start().await.unwrap();
    let again = engine.submit(&branch.project, branch.submission(id, 5)).await;
    assert_eq!(refusal(again), RefusalCode::CommandIdReused);
}

#[tokio::test]
async fn timers_fire_when_they_are_due_and_after_a_restart() {
    let office = Office::new();
    let engine = office.open().await;
    let first = office.submit(&engine, 1).await;
    office.clock.advance(SignedDuration::from_hours(1));
    let second = office.submit(&engine, 2).await;
    let idle = engine.idle().await.unwrap();
    assert_eq!(idle.next_timer.unwrap().to_string(), "2026-01-06T09:00:00Z");

    office.clock.advance(SignedDuration::from_hours(23));
    while engine.run(first).await.unwrap().row.status != ended("lapsed") {
        tokio::task::yield_now().await;
    }
    assert_eq!(engine.run(second).await.unwrap().row.status, RunStatus::Held);
    engine.shutdown().await;
    assert!(matches!(engine.run(first).await, Err(QueryFailure::Stopped)));

    office.clock.advance(SignedDuration::from_hours(1));
    let engine = office.open().await;
    while engine.run(second).await.unwrap().row.status != ended("lapsed") {
        tokio::task::yield_now().await;
    }
    let fired = office.history(second).await;
    assert_eq!(counts(&fired)["holdpoint.timer.fired"], 1);
}

#[tokio::test]
async fn a_failed_attempt_is_repeated_as_the_policy_says() {
    let office = Office::new();
    let fail = |retryable| Outcome::Failed { error: "no cash".to_owned(), retryable };
    office.cashier.outcomes.lock().unwrap().extend([fail(true), fail(true), fail(true)]);
    let engine = office.open().await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    for attempt in 1..=3 {
        while office.cashier.attempts.lock().unwrap().len() < attempt {
            office.cashier.begun.notified().await;
        }
        while counts(&office.history(run).await).get("holdpoint.activity.failed") != Some(&attempt)
        {
            tokio::task::yield_now().await;
        }
        if attempt < 3 {
            assert_eq!(engine.run(run).await.unwrap().row.status, RunStatus::Working);
            office.clock.advance(SignedDuration::from_secs(10));
        }
    }
    engine.idle().await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().row.status, ended("unpaid"));
    let keys: std::collections::BTreeSet<_> = office
        .cashier
        .attempts
        .lock()
        .unwrap()
        .iter()
        .map(|attempt| attempt.idempotency_key.clone())
        .collect();
    assert_eq!(keys.len(), 1, "every attempt carries the same key");
}

#[tokio::test]
async fn an_attempt_cut_short_is_unknown_and_repeated_with_its_key() {
    let office = Office::new();
    let engine = office.open().await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    office.cashier.begun.notified().await;
    engine.shutdown().await;
    drop(engine);

    office.cashier.outcomes.lock().unwrap().push(Outcome::Completed(json!(null)));
    let engine = office.open().await;
    engine.idle().await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().row.status, ended("paid"));
    let history = office.history(run).await;
    assert_eq!(
        history[3..],
        [
            "holdpoint.activity.started",
            "holdpoint.activity.unknown",
            "holdpoint.activity.started",
            "holdpoint.activity.completed",
            "acme.expense.ended",
        ]
    );
    let attempts = office.cashier.attempts.lock().unwrap().clone();
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.attempt).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(attempts[0].idempotency_key, attempts[1].idempotency_key);
}

#[tokio::test]
async fn an_attempt_that_is_no_longer_wanted_is_abandoned() {
    let office = Office::new();
    let engine = office.open().await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    office.cashier.begun.notified().await;
    let cancel = Action::Cancel { reason: "a mistake".to_owned() };
    engine.command(run, command("ada", cancel)).await.unwrap();
    engine.idle().await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().row.status, ended("cancelled"));
    let history = office.history(run).await;
    assert_eq!(history[4..], ["acme.expense.ended", "holdpoint.activity.abandoned"]);
}

#[tokio::test]
async fn an_activity_that_nobody_does_rests_until_somebody_can() {
    let office = Office::new();
    drop(office.open().await);
    let expense = || Arc::new(Expense);
    let log: Arc<dyn EventLog> = office.log.clone();
    let builder = Engine::builder().log(log).clock(Arc::new(office.clock.clone()));
    let builder = builder.workflow("expense".parse().unwrap(), 1, "An expense", expense());
    let engine = builder.start().await.unwrap();
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    engine.idle().await.unwrap();
    let row = engine.run(run).await.unwrap().row;
    assert_eq!(row.status, RunStatus::Working);
    assert_eq!(row.unconfigured, ["pay"]);
    assert!(row.waits_for_configuration());
    let listed = engine.runs(&holdpoint_engine::RunFilter::default()).await.unwrap();
    assert_eq!(listed[0].unconfigured, ["pay"]);
    assert!(!office.history(run).await.iter().any(|kind| kind.contains("activity")));
    engine.shutdown().await;

    office.cashier.outcomes.lock().unwrap().push(Outcome::Completed(json!(null)));
    let engine = office.open().await;
    engine.idle().await.unwrap();
    let row = engine.run(run).await.unwrap().row;
    assert_eq!((row.status, row.unconfigured), (ended("paid"), vec![]));
}

#[tokio::test]
async fn an_activity_that_panics_fails() {
    struct Panics;
    #[async_trait::async_trait]
    impl holdpoint_engine::ActivityHandler for Panics {
        async fn attempt(&self, _: holdpoint_engine::Attempt) -> Outcome {
            panic!("on purpose")
        }
    }
    let office = Office::new();
    let engine = office.builder().activity("pay", Arc::new(Panics)).start().await.unwrap();
    office.set_up(&engine).await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    engine.idle().await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().row.status, ended("unpaid"));
}

#[tokio::test]
async fn an_engine_that_leaves_effects_alone_only_decides() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    office.clock.advance(SignedDuration::from_hours(48));
    engine.idle().await.unwrap();
    assert_eq!(office.history(run).await.len(), 3);
    assert!(office.cashier.attempts.lock().unwrap().is_empty());
    engine.shutdown().await;

    office.cashier.outcomes.lock().unwrap().push(Outcome::Completed(json!(null)));
    let engine = office.open().await;
    engine.idle().await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().row.status, ended("paid"));
}

#[tokio::test]
async fn runs_that_wait_leave_memory_and_come_back() {
    let office = Office::new();
    let engine = office.builder().resident_runs_max(0).start().await.unwrap();
    engine.shutdown().await;
    let engine = office.open().await;
    engine.shutdown().await;
    let engine = office.builder().resident_runs_max(0).start().await.unwrap();
    let mut runs = Vec::new();
    for cents in 0..20 {
        runs.push(office.submit(&engine, cents).await);
    }
    // Enough events that a snapshot is made, and then some that are replayed onto it.
    for round in 0..40 {
        for run in &runs {
            let data = json!({ "round": round });
            let note = command("ben", Action::Signal { name: "note".to_owned(), data });
            engine.command(*run, note).await.unwrap();
        }
    }
    for (cents, run) in runs.iter().enumerate() {
        let detail = engine.run(*run).await.unwrap();
        assert_eq!(detail.row.at.version, Version(42));
        assert_eq!(detail.row.title, format!("{cents} cents"));
        assert_eq!(detail.row.number, cents as u64 + 1);
    }
    let reject = Action::vote(Vote::Reject, None);
    engine.command(runs[7], command("ben", reject)).await.unwrap();
    assert_eq!(engine.run(runs[7]).await.unwrap().row.status, ended("rejected"));
}

#[tokio::test]
async fn the_read_model_can_be_dropped_and_is_built_again_the_same() {
    let office = Office::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("read-model.sqlite");
    let open = |file: &std::path::Path| {
        let at = ReadModelAt::File(file.to_owned());
        office.builder().effects(Effects::LeaveAlone).read_model(at).start()
    };
    office.open_leaving_effects().await.shutdown().await;
    let engine = open(&file).await.unwrap();
    let submissions = (0..50).map(|cents| office.submit(&engine, cents));
    let runs = futures::future::join_all(submissions).await;
    for run in &runs[..10] {
        let reject = Action::vote(Vote::Reject, None);
        engine.command(*run, command("ben", reject)).await.unwrap();
    }
    let held = RunFilter { status: Some("held".to_owned()), ..RunFilter::default() };
    assert_eq!(engine.runs(&held).await.unwrap().len(), 40);
    let all = engine.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(all.len(), 50);
    let numbers: Vec<_> = all.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=50).rev().collect::<Vec<_>>(), "newest first, without gaps");
    let limit = RunFilter { limit: Some(3), ..RunFilter::default() };
    assert_eq!(engine.runs(&limit).await.unwrap(), all[..3]);
    assert_eq!(engine.find_run(Some(&office.project), 50).await.unwrap(), [all[0].id]);
    assert!(engine.find_run(None, 51).await.unwrap().is_empty());
    engine.shutdown().await;
    drop(engine);

    let again = || async {
        let engine = open(&file).await.unwrap();
        let rows = engine.runs(&RunFilter::default()).await.unwrap();
        engine.shutdown().await;
        rows
    };
    assert_eq!(again().await, all, "kept");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("read-model.sqlite{suffix}")));
    }
    assert_eq!(again().await, all, "deleted");
    std::fs::write(&file, "not a database").unwrap();
    assert_eq!(again().await, all, "overwritten");

    // The read model of another log is not believed.
    let elsewhere = Office::new();
    let stranger = elsewhere.open_leaving_effects().await;
    for cents in 0..80 {
        elsewhere.submit(&stranger, cents).await;
    }
    stranger.shutdown().await;
    let at = ReadModelAt::File(file.clone());
    let engine = elsewhere.builder().read_model(at).start().await.unwrap();
    assert_eq!(engine.runs(&RunFilter::default()).await.unwrap().len(), 80);
    engine.shutdown().await;
    drop(engine);
    assert_eq!(again().await, all, "of another log");
}

#[tokio::test]
async fn numbers_follow_the_order_of_the_log() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let submissions = (0..50).map(|cents| office.submit(&engine, cents));
    futures::future::join_all(submissions).await;
    let records = office.log.read(Sequence::ZERO, 10_000).await.unwrap();
    let started: Vec<_> = records
        .iter()
        .map(|record| record.event().unwrap())
        .filter(|event| event.kind.as_str() == "holdpoint.run.started")
        .map(|event| event.subject.unwrap())
        .collect();
    let mut rows = engine.runs(&RunFilter::default()).await.unwrap();
    rows.reverse();
    let listed: Vec<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(listed, started);
}

#[tokio::test]
async fn a_run_can_be_seen_as_it_was() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let run = office.submit(&engine, 1).await;
    let submitted = engine.run(run).await.unwrap();
    office.clock.advance(SignedDuration::from_mins(5));
    engine.command(run, approve("ben")).await.unwrap();
    let approved = engine.run(run).await.unwrap();
    assert_eq!(approved.row.state, "approved");

    let time = submitted.row.updated + SignedDuration::from_mins(4);
    for as_of in
        [AsOf::Version(Version(2)), AsOf::Sequence(submitted.row.at.sequence), AsOf::Time(time)]
    {
        let then = engine.run_as_of(run, as_of).await.unwrap();
        assert_eq!((then.row.state.as_str(), then.row.at), ("claimed", submitted.row.at));
    }
    let now = engine.run_as_of(run, AsOf::Version(Version(u64::MAX))).await.unwrap();
    assert_eq!(now, approved);
    assert!(matches!(
        engine.run_as_of(run, AsOf::Version(Version(0))).await,
        Err(QueryFailure::NoSuchRun(_))
    ));
}

#[tokio::test]
async fn a_log_that_fails_stops_acknowledgements_and_not_history() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let run = office.submit(&engine, 1).await;
    let before = engine.run(run).await.unwrap();
    office.log.fail_next_append("the disk is full");
    let vote = approve("ben");
    let answer = engine.command(run, vote.clone()).await;
    assert!(
        matches!(&answer, Err(CommandFailure::Append(failure)) if failure.to_string().contains("the disk is full")),
        "{answer:?}"
    );
    let refused = engine.submit(&office.project, office.submission(new_id(), 5)).await;
    assert!(matches!(refused, Err(CommandFailure::Append(_))), "{refused:?}");
    assert_eq!(engine.run(run).await.unwrap(), before, "reading goes on");
    assert_eq!(office.history(run).await.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_leaves_nothing_behind() {
    let office = Office::new();
    assert!(matches!(Engine::builder().start().await, Err(StartFailure::NoLog)));
    let engine = office.open_leaving_effects().await;
    let run = office.submit(&engine, 1).await;
    let before = office.log.head().await.unwrap();

    let submission = |change: &dyn Fn(&mut holdpoint_engine::Submission)| {
        let mut submission = office.submission(new_id(), 5);
        change(&mut submission);
        submission
    };
    let nowhere = "nowhere".parse().unwrap();
    let code = refusal(engine.submit(&nowhere, office.submission(new_id(), 5)).await);
    assert_eq!(code, RefusalCode::NotFound);
    let stranger = submission(&|s| s.actor = Actor::Member("zoe".parse().unwrap()));
    let code = refusal(engine.submit(&office.project, stranger).await);
    assert_eq!(code, RefusalCode::NotMember);
    let unknown = submission(&|s| s.definition = "holiday".parse().unwrap());
    assert_eq!(refusal(engine.submit(&office.project, unknown).await), RefusalCode::NotFound);
    let version = submission(&|s| s.version = Some(2));
    assert_eq!(refusal(engine.submit(&office.project, version).await), RefusalCode::NotFound);
    let input = submission(&|s| s.input = json!({}));
    assert_eq!(refusal(engine.submit(&office.project, input).await), RefusalCode::InvalidInput);
    let large = submission(&|s| s.input = json!({ "cents": 1, "x": "x".repeat(300_000) }));
    assert_eq!(refusal(engine.submit(&office.project, large).await), RefusalCode::InvalidInput);
    let data = json!("x".repeat(300_000));
    let signal = command("ben", Action::Signal { name: "note".to_owned(), data });
    assert_eq!(refusal(engine.command(run, signal).await), RefusalCode::InvalidInput);

    let publish = |name: &str, source: &str| {
        let (actor, auth) = who("ada");
        let action = ProjectAction::Publish {
            name: name.parse().unwrap(),
            version: 1,
            language: "rust".to_owned(),
            title: String::new(),
            source: source.to_owned(),
            release: None,
        };
        ProjectCommand { id: new_id(), actor, auth, trace: None, action }
    };
    for (name, source) in [("other", "other 1"), ("other", "expense 1")] {
        let code = refusal(engine.change_project(&office.project, publish(name, source)).await);
        assert_eq!(code, RefusalCode::InvalidInput, "{name} {source}");
    }
    assert_eq!(office.log.head().await.unwrap(), before);
    let project = StreamId { project: office.project.clone(), run: None };
    assert!(!office.log.read_stream(&project, Version::ZERO, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn many_runs_at_once_keep_their_histories_apart() {
    let office = Arc::new(Office::new());
    let engine = office.open().await;
    let flows = (0..200_u64).map(|cents| {
        let (engine, office) = (engine.clone(), Arc::clone(&office));
        office.cashier.outcomes.lock().unwrap().push(Outcome::Completed(json!(null)));
        tokio::spawn(async move {
            let run = office.submit(&engine, cents).await;
            engine.command(run, approve("ben")).await.unwrap();
            run
        })
    });
    let runs = futures::future::join_all(flows.collect::<Vec<_>>()).await;
    engine.idle().await.unwrap();
    for run in runs {
        let run = run.unwrap();
        assert_eq!(engine.run(run).await.unwrap().row.status, ended("paid"));
        assert_eq!(office.history(run).await.len(), 6);
    }
    let log: Arc<dyn EventLog> = office.log.clone();
    let report = holdpoint_log::verify(&*log).await.unwrap();
    assert_eq!(report.events, office.log.head().await.unwrap().sequence.0);
}

/// Gives signs of life for longer than one may give none, and then is done or says nothing more.
struct Mortal {
    dies: bool,
}

#[async_trait]
impl ActivityHandler for Mortal {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let began = Instant::now();
        while began.elapsed() < HEARTBEAT.unsigned_abs() * 3 / 2 {
            attempt.life.beat();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.dies {
            std::future::pending().await
        }
        Outcome::Completed(json!("receipt 7"))
    }
}

#[tokio::test]
async fn an_attempt_that_gives_no_sign_of_life_is_ended() {
    let run = async |dies: bool| {
        let office = Office::new();
        let builder = office.builder().activity("pay", Arc::new(Mortal { dies }));
        let engine = builder.start().await.unwrap();
        office.set_up(&engine).await;
        let run = office.submit(&engine, ALIVE).await;
        engine.command(run, approve("ben")).await.unwrap();
        engine.idle().await.unwrap();
        let status = engine.run(run).await.unwrap().view.status;
        engine.shutdown().await;
        (status, office.history(run).await)
    };
    let ((alive, _), (dead, history)) = tokio::join!(run(false), run(true));
    assert_eq!(alive, ended("paid"));
    assert_eq!(dead, ended("unpaid"));
    assert!(history.contains(&"holdpoint.activity.failed".to_owned()), "{history:?}");
}
