//! The projects: few, and all in memory, because every decision looks at one.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use holdpoint_core::{
    Project, ProjectAction, ProjectCommand, ProjectId, Refusal, RefusalCode, RunAnswer, RunId,
    Sequence, StreamId, Version,
    event::{Event, PendingEvent, TypedEvent},
};
use holdpoint_log::{Append, EventLog};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock::Clock,
    engine::{Acknowledged, new_event_id, shard_of},
    failure::{CommandFailure, QueryFailure},
    load::Library,
    read_model::{ReadModel, Subject, Update, Watching},
    replaying::Misfit,
    shard::Ask,
};

/// How many project commands may wait; more would only wait elsewhere.
pub(crate) const COMMANDS_WAITING_MAX: usize = 64;

/// How many events are read at once.
const READ_LIMIT: usize = 512;

/// The projects as they are now, for everyone who decides.
#[derive(Clone, Default)]
pub(crate) struct Projects(Arc<RwLock<BTreeMap<ProjectId, Arc<Project>>>>);

impl Projects {
    pub(crate) fn get(&self, id: &ProjectId) -> Option<Arc<Project>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Project>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn put(&self, project: Project) {
        let mut projects = self.0.write().unwrap_or_else(PoisonError::into_inner);
        projects.insert(project.id().clone(), Arc::new(project));
    }
}

/// Reads a project's events, as long as `wanted` says so.
pub(crate) async fn load(
    log: &dyn EventLog,
    id: &ProjectId,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Option<Project>, QueryFailure> {
    let stream = StreamId { project: id.clone(), run: None };
    let mut project: Option<Project> = None;
    loop {
        let after = project.as_ref().map_or(Version::ZERO, |project| project.at().version);
        let records = log.read_stream(&stream, after, READ_LIMIT).await?;
        let whole = records.len() < READ_LIMIT;
        for record in records {
            let event = record.event()?;
            if !wanted(&event) {
                return Ok(project);
            }
            let added = match &mut project {
                Some(project) => project.evolve(&event),
                None => Project::begin(&event).map(|begun| project = Some(begun)),
            };
            added.map_err(|illegal| QueryFailure::Stream {
                whose: format!("the history of the project `{id}`"),
                misfit: Misfit::new(&event, &illegal),
            })?;
        }
        if whole {
            return Ok(project);
        }
    }
}

/// A message to the task that owns the projects.
pub(crate) enum ProjectAsk {
    Change {
        project: ProjectId,
        command: Box<ProjectCommand>,
        reply: oneshot::Sender<Result<RunAnswer, CommandFailure>>,
    },
    Shutdown,
}

/// The task that changes projects, one command after the other.
pub(crate) struct ProjectDesk {
    pub asks: mpsc::Receiver<ProjectAsk>,
    pub library: Library,
    pub clock: Arc<dyn Clock>,
    pub read_model: ReadModel,
    pub acknowledged: Acknowledged,
    /// The shards, to be told what runs may go by; none, when the engine does not do what they are
    /// owed.
    pub shards: Vec<mpsc::Sender<Ask>>,
}

impl ProjectDesk {
    pub(crate) async fn run(mut self) {
        while let Some(ProjectAsk::Change { project, command, reply }) = self.asks.recv().await {
            let answer = self.change(&project, &command).await;
            // Nobody waits any more: the change stands all the same.
            let _ = reply.send(answer);
        }
    }

    async fn change(
        &self,
        id: &ProjectId,
        command: &ProjectCommand,
    ) -> Result<RunAnswer, CommandFailure> {
        let project = self.library.projects.get(id);
        if let Some(project) = &project
            && let Some(answer) = project.answer_to(command)?
        {
            return Ok(answer);
        }
        if let ProjectAction::Publish { name, version, language, source, .. } = &command.action {
            let loaded = self
                .library
                .catalog
                .accept(language, source)
                .map_err(|error| Refusal::new(RefusalCode::InvalidInput, error.to_string()))?;
            if loaded.name != *name || loaded.version != *version {
                return Err(Refusal::new(
                    RefusalCode::InvalidInput,
                    format!(
                        "the definition calls itself `{} {}`, not `{name} {version}`",
                        loaded.name, loaded.version
                    ),
                )
                .into());
            }
        }
        if let ProjectAction::PublishCalendar { calendar, digest, title, source } = &command.action
        {
            let read = self
                .library
                .catalog
                .calendar(source)
                .map_err(|error| Refusal::new(RefusalCode::InvalidInput, error.reason))?;
            if (&read.calendar, &read.digest, &read.title) != (calendar, digest, title) {
                return Err(Refusal::new(
                    RefusalCode::InvalidInput,
                    format!(
                        "the calendar says of itself that it is `{}`, {}",
                        read.calendar, read.digest
                    ),
                )
                .into());
            }
        }
        self.library.catalog.judge.check(command)?;
        let decided = Project::decide(project.as_deref(), id, command)?;
        // What is refused anyway is refused for that.
        if let Some(project) = &project {
            self.library.catalog.judge.admit_publication(project, command)?;
        }
        if let (Some(project), []) = (&project, decided.as_slice()) {
            return Ok(project.at());
        }
        let earliest = project.as_ref().map_or(Timestamp::MIN, |project| project.updated());
        let time = self.clock.now().max(earliest);
        let mut events = Vec::with_capacity(decided.len());
        let mut request = Some(command.request());
        for event in decided {
            let new = event.to_new_event().map_err(|error| {
                CommandFailure::Broken(holdpoint_core::IllegalEvent::new(
                    "project event",
                    error.to_string(),
                ))
            })?;
            events.push(PendingEvent {
                id: new_event_id(),
                source: id.clone(),
                subject: None,
                kind: new.kind,
                time,
                actor: command.actor.clone(),
                auth: command.auth.clone(),
                cause: command.id,
                request: request.take(),
                trace: command.trace.clone(),
                definition: None,
                data: new.data,
            });
        }
        self.commit(id, project.as_deref(), events).await
    }

    async fn commit(
        &self,
        id: &ProjectId,
        project: Option<&Project>,
        events: Vec<PendingEvent>,
    ) -> Result<RunAnswer, CommandFailure> {
        let before = project
            .map_or(RunAnswer { version: Version::ZERO, sequence: Sequence::ZERO }, Project::at);
        let stream = StreamId { project: id.clone(), run: None };
        let append = Append { stream, expected: before.version, events: events.clone() };
        let first = self.library.append(append).await?;
        let mut changed = project.cloned();
        let mut at = before;
        let mut last_event = None;
        let mut failed = None;
        for (sequence, event) in (first.0..).map(Sequence).zip(events) {
            last_event = Some(event.id);
            let event = event.into_event(sequence, at.version.next(), at.sequence);
            at = RunAnswer { version: event.version, sequence };
            let added = match &mut changed {
                _ if failed.is_some() => Ok(()),
                Some(project) => project.evolve(&event),
                None => Project::begin(&event).map(|begun| changed = Some(begun)),
            };
            failed = failed.or(added.err());
        }
        if let Some(event) = last_event {
            // Durable events are told whatever they are: everyone who asks waits for them.
            let subject = Subject::Project(id.clone());
            let last = at.sequence;
            self.read_model.tell(Update::Committed { first, last, event, subject }).await;
        }
        self.acknowledged.raise(at.sequence);
        if let Some(illegal) = failed {
            tracing::error!(project = %id, error = %illegal, "BUG: a durable event does not replay");
            return Err(CommandFailure::Broken(illegal));
        }
        if let Some(changed) = changed {
            let watched = project.is_some_and(|before| {
                before.calendars() != changed.calendars()
                    || before.lockdowns() != changed.lockdowns()
                    || before.inventory() != changed.inventory()
                    || before.qualifications() != changed.qualifications()
            });
            self.library.projects.put(changed);
            if watched {
                self.wake_watching(id).await;
            }
        }
        Ok(at)
    }

    /// Has the runs looked after that go by calendars, lockdowns or an inventory which have changed. Those in memory are found
    /// by their shards; the others left their shards after the read model had what they have seen.
    async fn wake_watching(&self, id: &ProjectId) {
        if self.shards.is_empty() {
            return;
        }
        for shard in &self.shards {
            // A shard that cannot be reached has ended, and so has the engine.
            let _ = shard.send(Ask::ProjectChanged(id.clone())).await;
        }
        match self.read_model.watching(Some(id.clone())).await {
            Ok(watching) => {
                for run in changed(&self.library.projects, watching) {
                    if let Some(shard) = self.shards.get(shard_of(run, self.shards.len())) {
                        let _ = shard.send(Ask::Resume(run)).await;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(project = %id, %error, "runs that go by what has changed are taken up by the next start");
            }
        }
    }
}

/// Of the runs that go by calendars, lockdowns or the inventory, those for which these are no longer as
/// they have seen them.
pub(crate) fn changed(projects: &Projects, watching: Vec<Watching>) -> Vec<RunId> {
    let mut known: BTreeMap<ProjectId, Option<Arc<Project>>> = BTreeMap::new();
    let mut found = Vec::new();
    for Watching { run, project, seen } in watching {
        let project = known.entry(project.clone()).or_insert_with(|| projects.get(&project));
        if project.as_ref().is_some_and(|project| project.differs(&seen)) {
            found.push(run);
        }
    }
    found
}
