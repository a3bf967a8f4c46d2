//! Looks for conflicts and at newer work, where other runs, the log or a definition fail.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{Office, command, new_id, who};
use holdpoint_core::{
    Action, Claims, Command, Effect, EffectId, IllegalEvent, ItemName, LockdownScope, Moment,
    Prospect, Refusal, RefusalCode, RunId, RunStatus, RunView, Sequence, Started, Steering,
    StreamId, Version, Workflow, conflict::Turn, newer_work::Undoable, workflow::Meta,
};
use holdpoint_engine::{CommandFailure, Effects, Engine, EngineBuilder, ReadModelAt, Submission};
use holdpoint_log::{Append, AppendFailure, EventLog, Head, MemoryLog, ReadFailure, Record};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Touches items, looks for conflicts before it is released if it is to, and can be undone then.
#[derive(Default)]
struct Job {
    /// Whether a run that was sent a signal replays no more.
    breaks: AtomicBool,
    /// How many rollbacks are still refused, and at how many its code panics.
    refuses: AtomicUsize,
    panics: AtomicUsize,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct JobState {
    items: BTreeSet<ItemName>,
    /// Whether it holds the locks on them.
    locks: bool,
    /// Whether it looks for conflicts.
    asks: bool,
    stage: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum JobEvent {
    #[serde(rename = "acme.job.moved")]
    Moved { to: String },
    #[serde(rename = "acme.job.noted")]
    Noted {},
}

fn counts_down(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Workflow for Job {
    type State = JobState;
    type Event = JobEvent;

    fn start(&self, started: &Started<'_>) -> Result<JobState, Refusal> {
        let is_set = |name: &str| started.input.get(name) == Some(&json!(true));
        let items = started.input.get("items").cloned().unwrap_or_default();
        Ok(JobState {
            items: serde_json::from_value(items).unwrap(),
            locks: is_set("locks"),
            asks: is_set("asks"),
            stage: String::new(),
        })
    }

    fn decide(
        &self,
        state: &JobState,
        command: &Command,
        _: &Moment<'_>,
    ) -> Result<Vec<JobEvent>, Refusal> {
        let moved = |to: String| Ok(vec![JobEvent::Moved { to }]);
        match &command.action {
            Action::Start => moved("begun".to_owned()),
            Action::ConflictsLooked { found, .. } => {
                let first = found.with.iter().filter(|one| one.first);
                let first: Vec<u64> = first.map(|one| one.number).collect();
                let to = if first.is_empty() {
                    "released".to_owned()
                } else {
                    format!("waits for {first:?}")
                };
                if to == state.stage { Ok(vec![]) } else { moved(to) }
            }
            Action::Signal { .. } => Ok(vec![JobEvent::Noted {}]),
            Action::Steer { .. } => {
                assert!(!counts_down(&self.panics), "on purpose");
                if counts_down(&self.refuses) {
                    return Err(Refusal::new(RefusalCode::NotAwaited, "not now"));
                }
                moved("undone".to_owned())
            }
            _ => Err(Refusal::new(RefusalCode::NotAwaited, "nobody waits for this")),
        }
    }

    fn evolve(
        &self,
        state: &mut JobState,
        event: &JobEvent,
        _: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        match event {
            JobEvent::Moved { to } => state.stage.clone_from(to),
            JobEvent::Noted {} => {
                assert!(!self.breaks.load(Ordering::SeqCst), "on purpose");
            }
        }
        Ok(())
    }

    fn pending(&self, _: &JobState) -> Vec<Effect> {
        vec![]
    }

    fn claims(&self, state: &JobState) -> Claims {
        let asks = state.asks && !["released", "undone"].contains(&&*state.stage);
        let held = state.items.iter().filter(|_| state.locks);
        Claims {
            held: held
                .map(|item| (item.clone(), Timestamp::UNIX_EPOCH))
                .collect::<BTreeMap<_, _>>(),
            wanted: None,
            looks: asks.then(|| EffectId::new("look")),
        }
    }

    fn prospect(&self, state: &JobState, _: &Moment<'_>) -> Prospect {
        let turn = if state.asks { Turn::AtGate } else { Turn::Ahead };
        Prospect { items: state.items.clone(), starts: true, turn, ..Prospect::default() }
    }

    fn undoable(&self, state: &JobState) -> Vec<Undoable> {
        let targets = state.items.iter().map(ToString::to_string).collect();
        let undoable = Undoable { state: "roll".to_owned(), targets };
        if state.stage == "released" { vec![undoable] } else { vec![] }
    }

    fn status(&self, _: &JobState) -> RunStatus {
        RunStatus::Held
    }

    fn view(&self, state: &JobState, _: &Moment<'_>) -> RunView {
        RunView::new("A job", state.stage.clone(), RunStatus::Held)
    }
}

fn builder(office: &Office, job: &Arc<Job>) -> EngineBuilder {
    office.builder().workflow("job".parse().unwrap(), 1, "A job", job.clone())
}

/// An engine that only records, with the definition in it.
async fn recording(office: &Office, job: &Arc<Job>) -> Engine {
    publishing(office, builder(office, job).effects(Effects::LeaveAlone)).await
}

async fn publishing(office: &Office, builder: EngineBuilder) -> Engine {
    let engine = builder.start().await.unwrap();
    office.set_up(&engine).await;
    let source = holdpoint_engine::rust_source(&"job".parse().unwrap(), 1);
    let (actor, auth) = who("ada");
    engine.publish(&office.project, new_id(), actor, auth, "rust", &source).await.unwrap();
    engine
}

async fn submit(office: &Office, engine: &Engine, input: Value) -> RunId {
    let definition = "job".parse().unwrap();
    let submission = Submission { definition, input, ..office.submission(new_id(), 1) };
    engine.submit(&office.project, submission).await.unwrap().run
}

fn note() -> Command {
    command("ada", Action::Signal { name: "note".to_owned(), data: json!(null) })
}

fn rollback(over: &[RunId]) -> Command {
    command(
        "ada",
        Action::Steer {
            steering: Steering::Rollback,
            target: None,
            reason: Some("errors at night".to_owned()),
            state: None,
            over: over.iter().copied().collect(),
        },
    )
}

async fn stage(engine: &Engine, run: RunId) -> String {
    engine.run(run).await.unwrap().row.state
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), what).await.unwrap()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, CommandFailure>) -> Refusal {
    match answer {
        Err(CommandFailure::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_run_that_does_not_replay_keeps_from_others_only_its_locks() {
    let (office, job) = (Office::new(), Arc::<Job>::default());
    let engine = recording(&office, &job).await;
    let broken = submit(&office, &engine, json!({ "items": ["db-1"], "locks": true })).await;
    engine.command(broken, note()).await.unwrap();
    let same = submit(&office, &engine, json!({ "items": ["db-1"], "asks": true })).await;
    let other = submit(&office, &engine, json!({ "items": ["web-1"], "asks": true })).await;
    engine.shutdown().await;

    job.breaks.store(true, Ordering::SeqCst);
    let engine = builder(&office, &job).start().await.unwrap();
    soon(engine.idle()).await.unwrap();
    assert_eq!(stage(&engine, other).await, "released");
    assert_eq!(stage(&engine, same).await, "waits for [1]");
    let project = engine.project(&office.project).unwrap();
    let found = engine.conflicts(&project, None).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.run.number, one.with.number)).collect();
    assert_eq!(found, [(1, 2)]);
    let found = engine.conflicts(&project, Some(same)).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| (one.run.number, one.with.number)).collect();
    assert_eq!(found, [(2, 1)]);
    let scope = engine.in_scope(&project, &LockdownScope::default()).await.unwrap();
    let scope: Vec<u64> = scope.iter().map(|one| one.row.number).collect();
    assert_eq!(scope, [3, 2]);
}

#[tokio::test]
async fn a_rollback_names_a_run_that_does_not_replay_as_one_to_be_done_over() {
    let (office, job) = (Office::new(), Arc::<Job>::default());
    let engine = publishing(&office, builder(&office, &job)).await;
    let done = submit(&office, &engine, json!({ "items": ["web-1"], "asks": true })).await;
    soon(engine.idle()).await.unwrap();
    let broken = submit(&office, &engine, json!({ "items": ["db-1"] })).await;
    engine.command(broken, note()).await.unwrap();
    engine.shutdown().await;

    job.breaks.store(true, Ordering::SeqCst);
    let engine = builder(&office, &job).start().await.unwrap();
    let refused = refusal(engine.command(done, rollback(&[])).await);
    assert_eq!(refused.code, RefusalCode::NewerWork);
    assert!(refused.message.contains("does not replay"), "{refused:?}");
    assert!(refused.needed.concat().contains("--over 2"), "{refused:?}");
    engine.command(done, rollback(&[broken])).await.unwrap();
    assert_eq!(stage(&engine, done).await, "undone");
}

#[tokio::test]
async fn a_rollback_goes_past_the_work_of_no_other_run_because_it_cannot_be_foreseen() {
    let (office, job) = (Office::new(), Arc::<Job>::default());
    let engine = publishing(&office, builder(&office, &job)).await;
    let done = submit(&office, &engine, json!({ "items": ["web-1"], "asks": true })).await;
    soon(engine.idle()).await.unwrap();
    submit(&office, &engine, json!({ "items": ["web-1"], "locks": true })).await;

    job.refuses.store(1, Ordering::SeqCst);
    let refused = refusal(engine.command(done, rollback(&[])).await);
    assert_eq!(refused.code, RefusalCode::NotAwaited);
    job.panics.store(1, Ordering::SeqCst);
    let failed = engine.command(done, rollback(&[])).await;
    assert!(matches!(failed, Err(CommandFailure::Broken(_))), "{failed:?}");
    let refused = refusal(engine.command(done, rollback(&[])).await);
    assert_eq!(refused.code, RefusalCode::LockedByOther);
    assert_eq!(stage(&engine, done).await, "released");
}

/// A log of which one stream cannot be read for a time.
struct Flaky {
    log: Arc<MemoryLog>,
    fails: Mutex<Option<RunId>>,
    failed: watch::Sender<usize>,
}

#[async_trait]
impl EventLog for Flaky {
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
        self.log.append(appends).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
        if stream.run.is_some() && stream.run == *self.fails.lock().unwrap() {
            self.failed.send_modify(|failed| *failed += 1);
            return Err(ReadFailure::Unreadable { reason: "on purpose".to_owned() });
        }
        self.log.read_stream(stream, after, limit).await
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        self.log.read(after, limit).await
    }

    async fn head(&self) -> Result<Head, ReadFailure> {
        self.log.head().await
    }

    fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.log.subscribe()
    }
}

#[tokio::test]
async fn a_look_that_failed_is_done_again() {
    let (office, job) = (Office::new(), Arc::<Job>::default());
    let place = tempfile::tempdir().unwrap();
    let read_model = || ReadModelAt::File(place.path().join("read-model"));
    let recorder = builder(&office, &job).effects(Effects::LeaveAlone).read_model(read_model());
    let engine = publishing(&office, recorder).await;
    let other = submit(&office, &engine, json!({ "items": ["db-1"] })).await;
    let run = submit(&office, &engine, json!({ "items": ["web-1"], "asks": true })).await;
    engine.shutdown().await;

    let (fails, failed) = (Mutex::new(Some(other)), watch::Sender::new(0));
    let log = Arc::new(Flaky { log: office.log.clone(), fails, failed });
    let engine =
        builder(&office, &job).log(log.clone()).read_model(read_model()).start().await.unwrap();
    for times in 1..=3 {
        soon(log.failed.subscribe().wait_for(|failed| *failed >= times)).await.unwrap();
        soon(engine.idle()).await.unwrap();
        assert_eq!(stage(&engine, run).await, "begun");
        if times == 3 {
            *log.fails.lock().unwrap() = None;
        }
        office.clock.advance(SignedDuration::from_secs(10));
    }
    soon(async {
        while stage(&engine, run).await != "released" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
