//! The engine when definitions, logs, clocks and callers misbehave.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicIsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{Office, approve, command, new_id, who};
use holdpoint_core::{
    Action, Actor, Command, CommandId, Effect, EffectId, EffectKind, IllegalEvent, Moment, Outcome,
    ProjectAction, ProjectCommand, Refusal, RefusalCode, RunId, RunStatus, RunView, Sequence,
    Started, StreamId, Version, Workflow, workflow::Meta,
};
use holdpoint_engine::{
    AsOf, Clock, CommandFailure, Engine, QueryFailure, ReadModelAt, Submission,
};
use holdpoint_log::{Append, AppendFailure, EventLog, Head, MemoryLog, ReadFailure, Record};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

fn refusal<T: std::fmt::Debug>(answer: Result<T, CommandFailure>) -> RefusalCode {
    match answer {
        Err(CommandFailure::Refused(refusal)) => refusal.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), what).await.unwrap()
}

fn signal(name: &str, data: Value) -> Command {
    command("ada", Action::Signal { name: name.to_owned(), data })
}

/// How many states of [`Probe`] runs are in memory.
static STATES: AtomicIsize = AtomicIsize::new(0);

/// Counts itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "()", into = "()")]
struct Counted;

impl From<()> for Counted {
    fn from((): ()) -> Self {
        STATES.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl From<Counted> for () {
    fn from(_: Counted) -> Self {}
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::from(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        STATES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does what the signals sent to it say, and fails where it is told to.
#[derive(Default)]
struct Probe {
    faults: Mutex<Vec<&'static str>>,
}

impl Probe {
    fn fails(&self, place: &str) -> bool {
        self.faults.lock().unwrap_or_else(|error| error.into_inner()).contains(&place)
    }

    fn break_at(&self, places: &[&'static str]) {
        *self.faults.lock().unwrap() = places.to_vec();
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ProbeState {
    counted: Counted,
    due: Option<Timestamp>,
    /// How many bytes a fired timer says.
    size: usize,
    fired: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum ProbeEvent {
    #[serde(rename = "acme.probe.said")]
    Said { text: String },
    #[serde(rename = "acme.probe.set")]
    Set { due: Timestamp, size: usize },
    #[serde(rename = "acme.probe.rang")]
    Rang { text: String },
}

impl Workflow for Probe {
    type State = ProbeState;
    type Event = ProbeEvent;

    fn start(&self, _: &Started<'_>) -> Result<ProbeState, Refusal> {
        Ok(ProbeState { counted: Counted::from(()), due: None, size: 0, fired: 0 })
    }

    fn decide(
        &self,
        state: &ProbeState,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<ProbeEvent>, Refusal> {
        assert!(!self.fails("decide"), "on purpose");
        let size = |data: &Value| usize::try_from(data.as_u64().unwrap_or(0)).unwrap_or(0);
        Ok(match &command.action {
            Action::Signal { name, data } if name == "say" => {
                vec![ProbeEvent::Said { text: "x".repeat(size(data)) }]
            }
            Action::Signal { name, data } if name == "set" => {
                let due = at.now + SignedDuration::from_secs(10);
                vec![ProbeEvent::Set { due, size: size(data) }]
            }
            Action::TimerFired { .. } => vec![ProbeEvent::Rang { text: "x".repeat(state.size) }],
            _ => vec![],
        })
    }

    fn evolve(
        &self,
        state: &mut ProbeState,
        event: &ProbeEvent,
        _: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        assert!(!self.fails("evolve"), "on purpose");
        match event {
            ProbeEvent::Said { .. } => {}
            ProbeEvent::Set { due, size } => (state.due, state.size) = (Some(*due), *size),
            ProbeEvent::Rang { .. } => (state.due, state.fired) = (None, state.fired + 1),
        }
        Ok(())
    }

    fn pending(&self, state: &ProbeState) -> Vec<Effect> {
        assert!(!self.fails("pending"), "on purpose");
        let timer = |due| Effect { id: EffectId::new("ring"), kind: EffectKind::Timer { due } };
        state.due.map(timer).into_iter().collect()
    }

    fn status(&self, _: &ProbeState) -> RunStatus {
        RunStatus::Held
    }

    fn view(&self, state: &ProbeState, at: &Moment<'_>) -> RunView {
        assert!(!self.fails("view"), "on purpose");
        let members = at.project.members().len();
        RunView::new(format!("{members} members"), format!("rang {}", state.fired), RunStatus::Held)
    }
}

/// A log that lets appends wait, or fails at the read model's back, as it is told.
struct Gated {
    log: Arc<MemoryLog>,
    /// One for each append that may pass.
    passes: Semaphore,
    /// How many appends have come to the gate.
    come: watch::Sender<usize>,
    /// One for each append that may be answered.
    answers: Semaphore,
    after: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl Gated {
    /// So many appends are let through that it makes no difference.
    const ALL: usize = 1_000_000;

    fn new(log: Arc<MemoryLog>) -> Self {
        let (passes, come) = (Semaphore::new(Self::ALL), watch::Sender::new(0));
        let answers = Semaphore::new(Self::ALL);
        Self { log, passes, come, answers, after: Mutex::default() }
    }

    /// Lets nothing through from now on.
    fn hold(&self) {
        self.passes.forget_permits(usize::MAX);
    }

    fn release(&self) {
        self.passes.add_permits(Self::ALL);
    }

    /// Waits until `count` more appends have come than at `before`.
    async fn come(&self, before: usize, count: usize) {
        soon(self.come.subscribe().wait_for(|come| *come >= before + count)).await.unwrap();
    }

    fn so_far(&self) -> usize {
        *self.come.borrow()
    }
}

/// Lets all tasks go on that can, in a runtime of one thread.
async fn others_go_on() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl EventLog for Gated {
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
        self.come.send_modify(|come| *come += 1);
        self.passes.acquire().await.unwrap().forget();
        let answer = self.log.append(appends).await;
        if let Some(after) = &mut *self.after.lock().unwrap() {
            after();
        }
        self.answers.acquire().await.unwrap().forget();
        answer
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
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

/// An engine with the probe published, over a log with a gate.
async fn probing(office: &Office, probe: &Arc<Probe>) -> (Engine, Arc<Gated>) {
    probing_with(office, probe, |builder| builder).await
}

async fn probing_with(
    office: &Office,
    probe: &Arc<Probe>,
    with: impl FnOnce(holdpoint_engine::EngineBuilder) -> holdpoint_engine::EngineBuilder,
) -> (Engine, Arc<Gated>) {
    office.open_leaving_effects().await.shutdown().await;
    let log = Arc::new(Gated::new(office.log.clone()));
    let name = "probe".parse().unwrap();
    let source = holdpoint_engine::rust_source(&name, 1);
    let builder = office.builder().log(log.clone()).workflow(name, 1, "A probe", probe.clone());
    let engine = with(builder).start().await.unwrap();
    let (actor, auth) = who("ada");
    engine.publish(&office.project, new_id(), actor, auth, "rust", &source).await.unwrap();
    (engine, log)
}

fn probe_submission(office: &Office) -> Submission {
    Submission { definition: "probe".parse().unwrap(), ..office.submission(new_id(), 1) }
}

async fn probe_run(office: &Office, engine: &Engine) -> RunId {
    engine.submit(&office.project, probe_submission(office)).await.unwrap().run
}

#[tokio::test]
async fn a_long_error_is_cut_and_the_run_goes_on() {
    let office = Office::new();
    let error = "é".repeat(1_000_000);
    office.cashier.outcomes.lock().unwrap().push(Outcome::Failed { error, retryable: false });
    let engine = office.open().await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    soon(engine.idle()).await.unwrap();
    let status = engine.run(run).await.unwrap().row.status;
    assert_eq!(status, RunStatus::Ended { outcome: "unpaid".to_owned() });
    let stream = StreamId { project: office.project.clone(), run: Some(run) };
    let records = office.log.read_stream(&stream, Version(4), 1).await.unwrap();
    assert!(records[0].bytes.len() < 8192);
    assert!(String::from_utf8_lossy(&records[0].bytes).contains("(cut: 2000000 bytes in all)"));
}

#[tokio::test]
async fn what_can_be_read_in_the_log_is_found_in_lists() {
    let (office, probe) = (Office::new(), Arc::default());
    let (engine, log) = probing(&office, &probe).await;
    log.answers.forget_permits(usize::MAX);
    let (before, submission) = (log.head().await.unwrap().sequence, probe_submission(&office));
    let run = RunId::from(submission.command);
    let look = async {
        log.subscribe().wait_for(|head| *head > before).await.unwrap();
        let answered = async {
            // So many other questions are answered meanwhile that the first would be, too.
            for _ in 0..20 {
                assert_eq!(engine.runs(&Default::default()).await.unwrap().len(), 0);
            }
            log.answers.add_permits(Gated::ALL);
        };
        let (row, detail, ()) =
            futures::future::join3(engine.row(run), engine.run(run), answered).await;
        (row.unwrap().number, detail.unwrap().row.number)
    };
    let submitted = engine.submit(&office.project, submission);
    let (submitted, numbers) = soon(futures::future::join(submitted, look)).await;
    assert_eq!(submitted.unwrap().run, run);
    assert_eq!(numbers, (1, 1));
}

#[tokio::test]
async fn a_step_that_cannot_be_kept_holds_its_run_visibly() {
    let (office, probe) = (Office::new(), Arc::default());
    let (engine, _) = probing(&office, &probe).await;
    let run = probe_run(&office, &engine).await;
    engine.command(run, signal("set", json!(2_000_000))).await.unwrap();
    office.clock.advance(SignedDuration::from_secs(10));
    let broken = soon(async {
        loop {
            let row = engine.run(run).await.unwrap().row;
            if row.status == RunStatus::Stuck {
                break row;
            }
            tokio::task::yield_now().await;
        }
    });
    assert!(broken.await.state.contains("cannot be kept"));
    soon(engine.idle()).await.unwrap();
}

#[tokio::test]
async fn a_history_that_does_not_replay_breaks_its_run_alone_until_it_does() {
    let (office, probe) = (Office::new(), Arc::<Probe>::default());
    let (engine, _) = probing(&office, &probe).await;
    let expense = office.submit(&engine, 1).await;
    let run = probe_run(&office, &engine).await;
    engine.command(run, signal("say", json!(3))).await.unwrap();
    engine.shutdown().await;

    let again = || {
        let name = "probe".parse().unwrap();
        office.builder().workflow(name, 1, "A probe", probe.clone()).start()
    };
    probe.break_at(&["evolve"]);
    let engine = again().await.unwrap();
    let rows = engine.runs(&Default::default()).await.unwrap();
    let row = rows.iter().find(|row| row.id == run).unwrap();
    assert_eq!(row.status, RunStatus::Stuck);
    assert!(row.state.starts_with("broken: its history does not replay"), "{}", row.state);
    let answer = engine.command(run, signal("say", json!(3))).await;
    assert!(matches!(answer, Err(CommandFailure::Query(QueryFailure::History(_)))), "{answer:?}");
    engine.command(expense, approve("ben")).await.unwrap();
    engine.shutdown().await;

    probe.break_at(&[]);
    let engine = again().await.unwrap();
    engine.command(run, signal("say", json!(3))).await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().row.status, RunStatus::Held);
}

#[tokio::test]
async fn commands_that_are_acceptable_alone_are_not_refused_together() {
    let (office, probe) = (Office::new(), Arc::default());
    let (engine, log) = probing(&office, &probe).await;
    let run = probe_run(&office, &engine).await;
    // What is sent while the first is on its way is decided together.
    let together = async || {
        log.hold();
        log.come(log.so_far(), 1).await;
        others_go_on().await;
        log.release();
    };
    let commands = (0..50).map(|_| engine.command(run, signal("say", json!(400_000))));
    let too_large = engine.command(run, signal("say", json!(1_200_000)));
    let commands = futures::future::join_all(commands);
    let (answers, too_large, ()) =
        soon(futures::future::join3(commands, too_large, together())).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(matches!(too_large, Err(CommandFailure::Append(_))), "{too_large:?}");
    assert_eq!(engine.run(run).await.unwrap().row.at.version, Version(51));

    // Small ones with one among them that the log does not take.
    let commands = (0..20)
        .map(|n| engine.command(run, signal("say", json!(if n == 10 { 1_100_000 } else { 10 }))));
    let commands = futures::future::join_all(commands);
    let (answers, ()) = soon(futures::future::join(commands, together())).await;
    let refused: Vec<_> = (0..20).filter(|n| answers[*n].is_err()).collect();
    assert_eq!(refused, [10]);
}

#[tokio::test]
async fn a_command_without_events_is_answered_with_where_the_run_stands() {
    let (office, probe) = (Office::new(), Arc::default());
    let (engine, _) = probing(&office, &probe).await;
    let run = probe_run(&office, &engine).await;
    let answer = engine.command(run, signal("nothing", json!(null))).await.unwrap();
    assert_eq!(answer, engine.run(run).await.unwrap().row.at);
}

#[tokio::test]
async fn nobody_is_given_the_answer_to_the_command_of_another() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let run = office.submit(&engine, 1).await;
    let vote = approve("ben");
    let stolen = Command { id: vote.id, ..approve("cleo") };
    // Together, and after the fact.
    let (first, second) = futures::future::join(
        engine.command(run, vote.clone()),
        engine.command(run, stolen.clone()),
    )
    .await;
    first.unwrap();
    assert_eq!(refusal(second), RefusalCode::CommandIdReused);
    assert_eq!(refusal(engine.command(run, stolen).await), RefusalCode::CommandIdReused);
    // Nor is it the answer to something else that the same member asks.
    let reason = Some("on second thought".to_owned());
    let action = Action::vote(holdpoint_core::Vote::Reject, reason.as_deref());
    let other = Command { action, ..vote };
    assert_eq!(refusal(engine.command(run, other).await), RefusalCode::CommandIdReused);

    let change = |id: CommandId, name: &str| {
        let (actor, auth) = who(name);
        let member = "dora".parse().unwrap();
        let action = ProjectAction::AddMember { member, name: None, roles: vec![] };
        ProjectCommand { id, actor, auth, trace: None, action }
    };
    let id = new_id();
    engine.change_project(&office.project, change(id, "ada")).await.unwrap();
    let stolen = engine.change_project(&office.project, change(id, "ben")).await;
    assert_eq!(refusal(stolen), RefusalCode::CommandIdReused);
}

#[tokio::test]
async fn a_submission_is_answered_again_after_its_author_has_left() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    let ben = Actor::Member("ben".parse().unwrap());
    let submission = Submission { actor: ben, ..office.submission(new_id(), 5) };
    let first = engine.submit(&office.project, submission.clone()).await.unwrap();
    let member = "ben".parse().unwrap();
    office.change(&engine, ProjectAction::RemoveMember { member }).await;
    let again = engine.submit(&office.project, submission.clone()).await.unwrap();
    assert_eq!(again, first);
    let other = Submission { input: json!({ "cents": 6 }), ..submission.clone() };
    assert_eq!(refusal(engine.submit(&office.project, other).await), RefusalCode::NotMember);
    let new = Submission { command: new_id(), ..submission };
    assert_eq!(refusal(engine.submit(&office.project, new).await), RefusalCode::NotMember);
}

#[tokio::test]
async fn work_does_not_begin_after_a_shutdown() {
    let office = Office::new();
    let (engine, log) = probing(&office, &Arc::default()).await;
    let run = office.submit(&engine, 1).await;
    let before = log.so_far();
    log.hold();
    log.passes.add_permits(1);
    engine.command(run, approve("ben")).await.unwrap();
    // That the first attempt begins is on its way into the log.
    log.come(before, 2).await;
    let release = async {
        others_go_on().await;
        log.release();
    };
    soon(futures::future::join(engine.shutdown(), release)).await;
    assert_eq!(office.history(run).await.last().unwrap(), "holdpoint.activity.started");
    assert!(office.cashier.attempts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn work_does_not_begin_once_it_is_abandoned() {
    let office = Office::new();
    let fail = Outcome::Failed { error: "no cash".to_owned(), retryable: true };
    office.cashier.outcomes.lock().unwrap().push(fail);
    let (engine, log) = probing(&office, &Arc::default()).await;
    let run = office.submit(&engine, 1).await;
    engine.command(run, approve("ben")).await.unwrap();
    soon(async {
        while office.history(run).await.last().unwrap() != "holdpoint.activity.failed" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // While a note is on its way, the second attempt falls due and the run is cancelled: both are
    // decided together.
    let cancel = command("ada", Action::Cancel { reason: "a mistake".to_owned() });
    let note = engine.command(run, signal("note", json!(1)));
    let (noted, cancelled) = futures::future::join(note, async {
        log.hold();
        log.come(log.so_far(), 1).await;
        office.clock.advance(SignedDuration::from_secs(10));
        others_go_on().await;
        let release = async {
            others_go_on().await;
            log.release();
        };
        futures::future::join(engine.command(run, cancel), release).await.0
    })
    .await;
    noted.unwrap();
    cancelled.unwrap();
    soon(engine.idle()).await.unwrap();
    let history = office.history(run).await;
    assert_eq!(
        history[6..],
        ["holdpoint.activity.started", "acme.expense.ended", "holdpoint.activity.abandoned"]
    );
    assert_eq!(office.cashier.attempts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_project_cannot_be_changed_after_the_shutdown() {
    let office = Office::new();
    let engine = office.open_leaving_effects().await;
    engine.shutdown().await;
    let (actor, auth) = who("ada");
    let action =
        ProjectAction::AddMember { member: "zoe".parse().unwrap(), name: None, roles: vec![] };
    let change = ProjectCommand { id: new_id(), actor, auth, trace: None, action };
    let answer = engine.change_project(&office.project, change).await;
    assert!(matches!(answer, Err(CommandFailure::Query(QueryFailure::Stopped))), "{answer:?}");
}

#[tokio::test]
async fn a_history_that_does_not_replay_holds_up_nobody_else() {
    let (office, probe) = (Office::new(), Arc::<Probe>::default());
    let (engine, _) = probing_with(&office, &probe, |builder| builder.resident_runs_max(0)).await;
    let run = probe_run(&office, &engine).await;
    engine.command(run, signal("say", json!(1))).await.unwrap();
    // The run leaves memory once others have come.
    let other = office.submit(&engine, 1).await;
    soon(async {
        loop {
            probe.break_at(&["evolve"]);
            let read = engine.run(run).await;
            probe.break_at(&[]);
            match read {
                Ok(_) => office.submit(&engine, 1).await,
                Err(QueryFailure::History(_)) => break,
                Err(failure) => panic!("{failure:?}"),
            };
        }
    })
    .await;
    assert!(soon(engine.runs(&Default::default())).await.unwrap().len() >= 2);
    engine.run(other).await.unwrap();
    engine.command(run, signal("say", json!(1))).await.unwrap();
    soon(engine.shutdown()).await;
}

#[tokio::test]
async fn a_read_model_that_fails_does_not_make_a_run_unknown() {
    let office = Office::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("read-model.sqlite");
    office.open_leaving_effects().await.shutdown().await;
    let at = ReadModelAt::File(file.clone());
    let engine = office.builder().read_model(at).start().await.unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch("DROP TABLE runs").unwrap();
    let run = RunId::from(new_id());
    let answer = engine.command(run, signal("say", json!(1))).await;
    assert!(matches!(answer, Err(CommandFailure::Query(QueryFailure::ReadModel(_)))), "{answer:?}");
}

#[tokio::test]
async fn a_read_model_that_cannot_be_written_to_goes_on_in_memory() {
    let office = Office::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("read-model.sqlite");
    office.open_leaving_effects().await.shutdown().await;
    let start = || office.builder().read_model(ReadModelAt::File(file.clone())).start();
    let engine = start().await.unwrap();
    let first = office.submit(&engine, 1).await;
    assert_eq!(engine.runs(&Default::default()).await.unwrap().len(), 1);
    assert_eq!(engine.read_model_in_memory(), None);
    let tables = rusqlite::Connection::open(&file).unwrap();
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'no room'); END";
    tables.execute_batch(full).unwrap();
    let second = office.submit(&engine, 2).await;
    engine.command(first, approve("bob")).await.unwrap();
    let ids = |rows: Vec<holdpoint_engine::RunRow>| {
        rows.into_iter().map(|row| (row.number, row.id)).collect::<Vec<_>>()
    };
    assert_eq!(ids(engine.runs(&Default::default()).await.unwrap()), [(2, second), (1, first)]);
    assert!(engine.read_model_in_memory().unwrap().contains("no room"));
    assert_eq!(engine.find_run(None, 2).await.unwrap(), [second]);
    assert_eq!(engine.run(first).await.unwrap().row.number, 1);
    engine.shutdown().await;

    tables.execute_batch("DROP TRIGGER full").unwrap();
    let count = "SELECT count(*) FROM runs";
    assert_eq!(tables.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    let engine = start().await.unwrap();
    assert_eq!(ids(engine.runs(&Default::default()).await.unwrap()), [(2, second), (1, first)]);
    assert_eq!(engine.read_model_in_memory(), None);
    engine.shutdown().await;
}

/// A clock that can be set.
struct Setting(watch::Sender<Timestamp>);

#[async_trait]
impl Clock for Setting {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = self.0.subscribe();
        let _ = now.wait_for(|now| *now >= at).await;
    }
}

#[tokio::test]
async fn a_timer_survives_a_clock_that_is_set_back() {
    let (office, probe) = (Office::new(), Arc::default());
    let clock = Arc::new(Setting(watch::Sender::new(office.clock.now())));
    let with = |builder: holdpoint_engine::EngineBuilder| builder.clock(clock.clone());
    let (engine, log) = probing_with(&office, &probe, with).await;
    let run = probe_run(&office, &engine).await;
    engine.command(run, signal("set", json!(1))).await.unwrap();
    let start = clock.now();
    // The timer is found due while an append is on its way, and decided with the clock set back.
    let say = async { engine.command(run, signal("say", json!(1))).await.unwrap() };
    let set = async {
        log.hold();
        log.come(log.so_far(), 1).await;
        clock.0.send_replace(start + SignedDuration::from_secs(11));
        others_go_on().await;
        clock.0.send_replace(start);
        log.release();
    };
    futures::future::join(say, set).await;
    soon(engine.idle()).await.unwrap();
    assert_eq!(engine.run(run).await.unwrap().view.state, "rang 0");
    clock.0.send_replace(start + SignedDuration::from_secs(12));
    soon(async {
        while engine.run(run).await.unwrap().view.state != "rang 1" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn runs_that_are_only_submitted_and_looked_at_leave_memory() {
    let (office, probe) = (Office::new(), Arc::default());
    let (engine, _) = probing_with(&office, &probe, |builder| builder.resident_runs_max(0)).await;
    let before = STATES.load(Ordering::SeqCst);
    let mut runs = Vec::new();
    for _ in 0..200 {
        runs.push(probe_run(&office, &engine).await);
    }
    let mut most = STATES.load(Ordering::SeqCst) - before;
    for run in runs {
        engine.run(run).await.unwrap();
    }
    most = most.max(STATES.load(Ordering::SeqCst) - before);
    // Other tests of this file have runs of their own at the same time.
    assert!(most < 100, "{most}");
}

#[tokio::test]
async fn a_panic_in_a_definition_holds_its_run_and_no_other() {
    let (office, probe) = (Office::new(), Arc::<Probe>::default());
    let (engine, _) = probing_with(&office, &probe, |builder| builder.shards(1)).await;
    let run = probe_run(&office, &engine).await;
    let expense = office.submit(&engine, 1).await;
    for place in ["decide", "evolve", "pending"] {
        probe.break_at(&[place]);
        let answer = engine.command(run, signal("say", json!(1))).await;
        assert!(matches!(answer, Err(CommandFailure::Broken(_))), "{place} {answer:?}");
        let answer = engine.submit(&office.project, probe_submission(&office)).await;
        assert!(place != "decide" || matches!(answer, Err(CommandFailure::Broken(_))), "{place}");
    }
    probe.break_at(&["view"]);
    assert_eq!(engine.run(run).await.unwrap().row.status, RunStatus::Stuck);
    probe.break_at(&[]);
    assert_eq!(engine.run(run).await.unwrap().row.status, RunStatus::Held);
    engine.command(run, signal("say", json!(1))).await.unwrap();
    engine.run(expense).await.unwrap();
    soon(engine.shutdown()).await;
}

#[tokio::test]
async fn a_run_as_of_a_time_is_seen_in_the_project_of_that_time() {
    let (office, probe) = (Office::new(), Arc::default());
    let (engine, _) = probing(&office, &probe).await;
    let run = probe_run(&office, &engine).await;
    let start = office.clock.now();
    office.clock.advance(SignedDuration::from_mins(5));
    let member = "dora".parse().unwrap();
    office.change(&engine, ProjectAction::AddMember { member, name: None, roles: vec![] }).await;
    let members = async |minutes: i64| {
        let time = AsOf::Time(start + SignedDuration::from_mins(minutes));
        engine.run_as_of(run, time).await.unwrap().view.title
    };
    assert_eq!(members(4).await, "3 members");
    assert_eq!(members(5).await, "4 members");
}
