//! Runs that start others: each once, whatever happens in between, and told of its end.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]
#![expect(dead_code, reason = "the office is shared with other tests, which use more of it")]

mod common;

use std::sync::Arc;

use common::{Office, command, new_id, who};
use holdpoint_core::{
    Action, Actor, ChildRun, Command, Effect, EffectId, EffectKind, Event, IllegalEvent, Moment,
    PendingEvent, ProjectAction, Refusal, RefusalCode, RunId, RunStatus, RunView, Started, Vote,
    Workflow, workflow::Meta,
};
use holdpoint_engine::{Engine, RunFilter, Submission};
use holdpoint_log::{Append, EventLog, MemoryLog};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Has another run done, and ends as that does.
struct Delegate;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct DelegateState {
    definition: String,
    input: Value,
    stopping: bool,
    ended: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum DelegateEvent {
    #[serde(rename = "acme.delegate.begun")]
    Begun {},
    #[serde(rename = "acme.delegate.stopping")]
    Stopping {},
    #[serde(rename = "acme.delegate.ended")]
    Ended { outcome: String },
}

impl Workflow for Delegate {
    type State = DelegateState;
    type Event = DelegateEvent;

    fn start(&self, started: &Started<'_>) -> Result<DelegateState, Refusal> {
        Ok(DelegateState {
            definition: started.input["definition"].as_str().unwrap_or("delegate").to_owned(),
            input: started.input["input"].clone(),
            stopping: false,
            ended: None,
        })
    }

    fn decide(
        &self,
        _: &DelegateState,
        command: &Command,
        _: &Moment<'_>,
    ) -> Result<Vec<DelegateEvent>, Refusal> {
        Ok(vec![match &command.action {
            Action::Start => DelegateEvent::Begun {},
            Action::Cancel { .. } | Action::Stop { .. } => DelegateEvent::Stopping {},
            Action::Completed { output, .. } => {
                DelegateEvent::Ended { outcome: output["outcome"].as_str().unwrap().to_owned() }
            }
            Action::Failed { error, .. } => DelegateEvent::Ended { outcome: error.clone() },
            _ => return Err(Refusal::new(RefusalCode::NotAwaited, "nobody waits for this")),
        }])
    }

    fn evolve(
        &self,
        state: &mut DelegateState,
        event: &DelegateEvent,
        _: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        match event {
            DelegateEvent::Begun {} => {}
            DelegateEvent::Stopping {} => state.stopping = true,
            DelegateEvent::Ended { outcome } => state.ended = Some(outcome.clone()),
        }
        Ok(())
    }

    fn pending(&self, state: &DelegateState) -> Vec<Effect> {
        if state.ended.is_some() {
            return Vec::new();
        }
        let child = ChildRun {
            definition: state.definition.parse().unwrap(),
            version: None,
            input: state.input.clone(),
            stop: state.stopping,
        };
        vec![Effect { id: EffectId::new("have#1"), kind: EffectKind::Child(child) }]
    }

    fn status(&self, state: &DelegateState) -> RunStatus {
        match &state.ended {
            Some(outcome) => RunStatus::Ended { outcome: outcome.clone() },
            None => RunStatus::Held,
        }
    }

    fn view(&self, state: &DelegateState, _: &Moment<'_>) -> RunView {
        RunView::new("a delegate", "have", Workflow::status(self, state))
    }
}

async fn open(office: &Office, log: &Arc<MemoryLog>) -> Engine {
    let shared: Arc<dyn EventLog> = log.clone();
    let delegate = "delegate".parse().unwrap();
    office
        .builder()
        .log(shared)
        .workflow(delegate, 1, "A delegate", Arc::new(Delegate))
        .start()
        .await
        .unwrap()
}

/// An engine with both definitions published.
async fn begun(office: &Office) -> Engine {
    let engine = open(office, &office.log).await;
    office.change(&engine, ProjectAction::Create { title: "Office".to_owned() }).await;
    let member = "ben".parse().unwrap();
    office.change(&engine, ProjectAction::AddMember { member, name: None, roles: vec![] }).await;
    for name in ["expense", "delegate"] {
        let source = holdpoint_engine::rust_source(&name.parse().unwrap(), 1);
        let (actor, auth) = who("ada");
        engine.publish(&office.project, new_id(), actor, auth, "rust", &source).await.unwrap();
    }
    engine
}

async fn submit(office: &Office, engine: &Engine, definition: &str, input: Value) -> RunId {
    let (actor, auth) = who("ada");
    let submission = Submission {
        command: new_id(),
        actor,
        auth,
        trace: None,
        definition: "delegate".parse().unwrap(),
        version: None,
        input: json!({ "definition": definition, "input": input }),
    };
    engine.submit(&office.project, submission).await.unwrap().run
}

fn reject(name: &str) -> Command {
    command(name, Action::vote(Vote::Reject, Some("no")))
}

fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

async fn status(engine: &Engine, run: RunId) -> RunStatus {
    engine.run(run).await.unwrap().row.status
}

/// The run that a delegate has started.
async fn child(engine: &Engine, run: RunId) -> RunId {
    let filter = RunFilter { parent: Some(run), ..RunFilter::default() };
    let rows = engine.runs(&filter).await.unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    row.id
}

#[tokio::test]
async fn a_run_is_started_for_the_same_requester_and_its_end_comes_back() {
    let office = Office::new();
    let engine = begun(&office).await;
    let run = submit(&office, &engine, "expense", json!({ "cents": 7 })).await;
    engine.idle().await.unwrap();
    let expense = child(&engine, run).await;
    assert_eq!(expense, run.child(&EffectId::new("have#1")));
    let detail = engine.run(expense).await.unwrap();
    assert_eq!(detail.row.requester, Actor::Member("ada".parse().unwrap()));
    let kin = detail.started_by.unwrap();
    assert_eq!((kin.run, kin.number, kin.effect.as_str()), (run, 1, "have#1"));
    let delegate = engine.run(run).await.unwrap();
    assert_eq!((delegate.children[0].run, delegate.children[0].number), (expense, 2));
    assert_eq!(delegate.children[0].outcome, None);

    engine.command(expense, reject("ben")).await.unwrap();
    engine.idle().await.unwrap();
    let delegate = engine.run(run).await.unwrap();
    assert_eq!(delegate.row.status, ended("rejected"));
    assert_eq!(delegate.children[0].outcome.as_deref(), Some("rejected"));
    assert_eq!(
        office.history(run).await,
        [
            "holdpoint.run.started",
            "acme.delegate.begun",
            "holdpoint.child.started",
            "holdpoint.child.ended",
            "acme.delegate.ended"
        ]
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let office = Office::new();
    let engine = begun(&office).await;
    let run = submit(&office, &engine, "nothing", json!({})).await;
    let other = submit(&office, &engine, "expense", json!({ "euros": 7 })).await;
    engine.idle().await.unwrap();
    let RunStatus::Ended { outcome } = status(&engine, run).await else { panic!() };
    assert!(
        outcome.starts_with("no definition `nothing` is published in the project `office`"),
        "{outcome}"
    );
    assert_eq!(status(&engine, other).await, ended("an expense has a number of `cents`"));
    assert!(office.history(run).await.contains(&"holdpoint.child.refused".to_owned()));
    engine.shutdown().await;
}

#[tokio::test]
async fn a_definition_that_starts_itself_goes_no_deeper_than_it_may() {
    let office = Office::new();
    let engine = begun(&office).await;
    let run = submit(&office, &engine, "delegate", json!({})).await;
    engine.idle().await.unwrap();
    assert_eq!(
        status(&engine, run).await,
        ended("8 runs have started each other already, and no more may")
    );
    assert_eq!(engine.runs(&RunFilter::default()).await.unwrap().len(), 9);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_stops_the_one_that_it_started_and_waits_for_that() {
    let office = Office::new();
    let engine = begun(&office).await;
    let run = submit(
        &office,
        &engine,
        "delegate",
        json!({ "definition": "expense", "input": { "cents": 7 } }),
    )
    .await;
    engine.idle().await.unwrap();
    let middle = child(&engine, run).await;
    let expense = child(&engine, middle).await;
    engine.command(run, command("ada", Action::Cancel { reason: "no".to_owned() })).await.unwrap();
    engine.idle().await.unwrap();
    for run in [run, middle, expense] {
        assert_eq!(status(&engine, run).await, ended("cancelled"));
    }
    engine.shutdown().await;
}

/// The log as it was when its first commands were durable, so many.
async fn beginning(log: &MemoryLog, count: usize) -> Option<Arc<MemoryLog>> {
    let records = log.read(holdpoint_core::Sequence::ZERO, 10_000).await.unwrap();
    let events: Vec<Event> = records.iter().map(|record| record.event().unwrap()).collect();
    let copy = Arc::new(MemoryLog::new());
    let mut left = count;
    let commands =
        events.chunk_by(|one, next| one.cause == next.cause && one.subject == next.subject);
    for of_command in commands {
        left = left.checked_sub(1)?;
        let first = of_command.first().unwrap();
        let events = of_command.iter().map(|event| PendingEvent {
            id: event.id,
            source: event.source.clone(),
            subject: event.subject,
            kind: event.kind.clone(),
            time: event.time,
            actor: event.actor.clone(),
            auth: event.auth.clone(),
            cause: event.cause,
            request: event.request,
            trace: event.trace.clone(),
            definition: event.definition,
            data: event.data.clone(),
        });
        let append = Append {
            stream: first.stream(),
            expected: holdpoint_core::Version(first.version.0 - 1),
            events: events.collect(),
        };
        copy.append(vec![append]).await.unwrap();
        if left == 0 {
            return Some(copy);
        }
    }
    None
}

/// An engine that died anywhere between two commands goes on where it was: the run is started once, and
/// its end comes back once.
#[tokio::test]
async fn a_crash_between_any_two_steps_heals() {
    let office = Office::new();
    let engine = begun(&office).await;
    let run = submit(&office, &engine, "expense", json!({ "cents": 7 })).await;
    engine.idle().await.unwrap();
    let expense = child(&engine, run).await;
    engine.command(expense, reject("ben")).await.unwrap();
    engine.idle().await.unwrap();
    engine.shutdown().await;
    let whole = office.history(run).await;
    let mut healed = 0;
    for count in 1.. {
        let Some(log) = beginning(&office.log, count).await else { break };
        let engine = open(&office, &log).await;
        engine.idle().await.unwrap();
        if engine.run(run).await.is_err() {
            engine.shutdown().await;
            continue;
        }
        assert_eq!(child(&engine, run).await, expense);
        if status(&engine, expense).await == RunStatus::Held {
            engine.command(expense, reject("ben")).await.unwrap();
            engine.idle().await.unwrap();
        }
        assert_eq!(status(&engine, run).await, ended("rejected"), "{count}");
        engine.shutdown().await;
        let stream = holdpoint_core::StreamId { project: office.project.clone(), run: Some(run) };
        let records = log.read_stream(&stream, holdpoint_core::Version::ZERO, 100).await.unwrap();
        let types: Vec<String> =
            records.iter().map(|record| record.event().unwrap().kind.to_string()).collect();
        assert_eq!(types, whole, "{count}");
        healed += 1;
    }
    assert!(healed >= 5, "{healed}");
}

/// A run that ends while nobody does what is owed is told by the next start.
#[tokio::test]
async fn an_end_that_nobody_told_is_told_by_the_next_start() {
    let office = Office::new();
    let engine = begun(&office).await;
    let run = submit(&office, &engine, "expense", json!({ "cents": 7 })).await;
    engine.idle().await.unwrap();
    let expense = child(&engine, run).await;
    engine.shutdown().await;
    let log: Arc<dyn EventLog> = office.log.clone();
    let quiet = office
        .builder()
        .log(log)
        .workflow("delegate".parse().unwrap(), 1, "A delegate", Arc::new(Delegate))
        .effects(holdpoint_engine::Effects::LeaveAlone)
        .start()
        .await
        .unwrap();
    quiet.command(expense, reject("ben")).await.unwrap();
    quiet.idle().await.unwrap();
    assert_eq!(status(&quiet, run).await, RunStatus::Held);
    quiet.shutdown().await;
    let engine = open(&office, &office.log).await;
    engine.idle().await.unwrap();
    assert_eq!(status(&engine, run).await, ended("rejected"));
    engine.shutdown().await;
}
