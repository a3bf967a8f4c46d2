//! Replaying: a run's history goes through its definition, on one core.

use std::{
    borrow::Borrow,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use holdpoint::{
    activity::HTTP_CHECK,
    core::{Event, Loader, Outcome, Run, workflow::DynWorkflow},
    definition::Language,
    engine::{ActivityHandler, Attempt, Engine},
    log::{MemoryLog, Record},
};
use serde_json::json;

use crate::{
    BenchFailure, Figures, Measured, flow,
    project::{APPROVERS, Project},
};

const ROLLOUT: &str = include_str!("rollout.yaml");

/// A run's history, and the definition that it has.
struct History {
    workflow: Arc<dyn DynWorkflow>,
    records: Vec<Record>,
    events: Vec<Event>,
}

/// Does all that it is asked to, at once.
struct Done;

#[async_trait]
impl ActivityHandler for Done {
    async fn attempt(&self, _: Attempt) -> Outcome {
        Outcome::Completed(json!({ "verdict": "passed", "detail": "answered 200" }))
    }
}

/// A project of an engine that keeps nothing, and whose work is done at once.
async fn project(source: &str) -> Result<Project, BenchFailure> {
    let engine = Engine::builder()
        .log(Arc::new(MemoryLog::new()))
        .loader(Arc::new(Language))
        .activity("deploy", Arc::new(Done))
        .activity(HTTP_CHECK, Arc::new(Done));
    Project::create(engine.start().await?, source).await
}

impl History {
    fn new(source: &str, records: Vec<Record>) -> Result<Self, BenchFailure> {
        let workflow = Language.load(source).map_err(BenchFailure::workload)?.workflow;
        let events = records.iter().map(Record::event).collect::<Result<_, _>>()?;
        Ok(Self { workflow, records, events })
    }

    /// That of a run of which `flow` has many: submitted, approved twice, done.
    async fn approval() -> Result<Self, BenchFailure> {
        let project = project(flow::DEFINITION).await?;
        let records = flow::approved(&project, flow::input()).await?;
        project.engine.shutdown().await;
        Self::new(flow::DEFINITION, records)
    }

    /// That of a rollout over so many targets, wave by wave.
    async fn rollout(targets: u32) -> Result<Self, BenchFailure> {
        let project = project(ROLLOUT).await?;
        let targets: Vec<_> = (0..targets).map(|n| format!("web-{n}.example.com")).collect();
        let run = project.submit(json!({ "title": "Roll out", "targets": targets })).await?;
        for member in APPROVERS.iter().take(1) {
            project.approve(run, member).await?;
        }
        project.engine.idle().await?;
        let records = project.history(run).await?;
        project.engine.shutdown().await;
        let history = Self::new(ROLLOUT, records)?;
        if !history.read()?.status(&*history.workflow).is_ended() {
            return Err(BenchFailure::workload("the rollout did not come to its end"));
        }
        Ok(history)
    }

    /// As they were read.
    fn read(&self) -> Result<Run, BenchFailure> {
        replay(&*self.workflow, self.events.iter().map(Ok))
    }

    /// As they are stored: each is read from its bytes first.
    fn stored(&self) -> Result<Run, BenchFailure> {
        let read = self.records.iter().map(|record| Ok(record.event()?));
        replay(&*self.workflow, read)
    }
}

fn replay<E: Borrow<Event>>(
    workflow: &dyn DynWorkflow,
    events: impl IntoIterator<Item = Result<E, BenchFailure>>,
) -> Result<Run, BenchFailure> {
    let mut events = events.into_iter();
    let first = events.next().ok_or_else(|| BenchFailure::workload("the history is empty"))??;
    let mut run = Run::begin(workflow, first.borrow())?;
    for event in events {
        run.evolve(workflow, event?.borrow())?;
    }
    Ok(run)
}

/// Replays again and again for as long as `span`; counts events, and times whole histories.
fn repeated(
    history: &History,
    replay: fn(&History) -> Result<Run, BenchFailure>,
    span: Duration,
) -> Result<Measured, BenchFailure> {
    let mut measured = Measured::new()?;
    let started = Instant::now();
    while measured.elapsed < span || measured.count == 0 {
        let before = Instant::now();
        black_box(replay(history)?);
        measured.record(before.elapsed());
        measured.count += history.events.len() as u64;
        measured.elapsed = started.elapsed();
    }
    Ok(measured)
}

/// Replays a history of a few events, and that of a rollout over so many targets, for a share of
/// `span` each: the events as they were read, which is the definition's own work, and as they are
/// stored, which is what an engine does that brings a run back.
///
/// # Errors
/// See [`BenchFailure`].
pub async fn replays(targets: u32, span: Duration) -> Result<Vec<Figures>, BenchFailure> {
    let histories = [
        ("approval, read", "approval, stored", History::approval().await?),
        ("rollout, read", "rollout, stored", History::rollout(targets).await?),
    ];
    let measured = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        for (read, stored, history) in &histories {
            let bytes: usize = history.records.iter().map(|record| record.bytes.len()).sum();
            for (case, replay) in
                [(*read, History::read as fn(&_) -> _), (*stored, History::stored)]
            {
                let measured = repeated(history, replay, span / 4)?;
                all.push(Figures {
                    workload: "replay",
                    case: Some(case),
                    events: Some(history.events.len() as u64),
                    event_bytes: Some((bytes / history.events.len().max(1)) as u64),
                    per_second: Some(measured.per_second()),
                    p50_us: Some(measured.quantile_us(0.5)),
                    p99_us: Some(measured.quantile_us(0.99)),
                    ..Figures::default()
                });
            }
        }
        Ok::<_, BenchFailure>(all)
    });
    measured.await?
}
