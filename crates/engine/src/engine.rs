//! The handle that embedders hold.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, DefinitionName, DefinitionRef, Digest,
    EffectId, EventId, LockdownScope, Moment, NewEvent, Outcome, Planned, Project, ProjectAction,
    ProjectCommand, ProjectId, Prospect, ReadCalendar, Refusal, RefusalCode, Releasing, Ruling,
    RunAnswer, RunId, Sequence, StreamId,
    command::request_of,
    run::{Due, DueStep},
    workflow::DynWorkflow,
};
use holdpoint_log::EventLog;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::{
    activity::ActivityHandler,
    builder::EngineBuilder,
    children::Nursery,
    clock::Clock,
    conflict_desk::{ConflictNews, TellConflicts},
    failure::{CommandFailure, LeaseFailure, QueryFailure},
    guard::guard,
    limit_desk::{LimitNews, TellLimits},
    load::{Library, LiveRun},
    locks::{LockNews, TellLocks},
    only_if::OnlyIf,
    projects::ProjectAsk,
    query::{AsOf, InScope, Kin, LockRow, RunDetail, RunFilter, RunRow},
    read_model::ReadModel,
    shard::Ask,
    slot::Begin,
    workers::{Lease, LeaseId, Pool},
};

/// The position of the last event that anyone was told of.
#[derive(Clone, Default)]
pub(crate) struct Acknowledged(Arc<AtomicU64>);

impl Acknowledged {
    pub(crate) fn raise(&self, to: Sequence) {
        self.0.fetch_max(to.0, Ordering::AcqRel);
    }

    pub(crate) fn get(&self) -> Sequence {
        Sequence(self.0.load(Ordering::Acquire))
    }
}

/// The largest input, signal or activity output, as JSON, in bytes. What is larger belongs
/// elsewhere, with its digest in the history.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// Whether `payload` is larger than [`PAYLOAD_BYTES_MAX`].
pub(crate) fn is_too_large(payload: &Value) -> bool {
    serde_json::to_vec(payload).map_or(true, |bytes| bytes.len() > PAYLOAD_BYTES_MAX)
}

fn check_sizes(action: &Action) -> Result<(), Refusal> {
    match action {
        Action::Signal { data, .. } => check_size("signal's data", data)?,
        Action::Amend { input, .. } => check_size("input", input)?,
        Action::Settle { ruling: Ruling::Done { output }, .. } => check_size("output", output)?,
        _ => {}
    }
    let words = action.words();
    words.map_or(Ok(()), |words| check_size("reason", &Value::String(words.to_owned())))
}

pub(crate) fn check_size(what: &str, payload: &Value) -> Result<(), Refusal> {
    if !is_too_large(payload) {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalCode::InvalidInput,
        format!("the {what} is larger than {PAYLOAD_BYTES_MAX} bytes"),
    )
    .needs("keep large documents elsewhere and give their place and digest"))
}

pub(crate) fn new_event_id() -> EventId {
    EventId::from_uuid(uuid::Uuid::now_v7())
}

/// A request to start a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The command's id, which becomes the run's. The same id twice starts one run.
    pub command: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// How the actor was authenticated.
    pub auth: Authentication,
    /// The W3C traceparent of the request.
    pub trace: Option<String>,
    /// The definition to start with.
    pub definition: DefinitionName,
    /// Which version of it; the highest when `None`.
    pub version: Option<u32>,
    /// What is submitted.
    pub input: Value,
}

impl Submission {
    /// The digest of what is asked: only the same may be sent again under the same id.
    fn request(&self, project: &ProjectId) -> Digest {
        #[derive(Serialize)]
        #[serde(tag = "action", rename = "submit")]
        struct Submit<'a> {
            project: &'a ProjectId,
            definition: &'a DefinitionName,
            #[serde(skip_serializing_if = "Option::is_none")]
            version: Option<u32>,
            input: &'a Value,
        }
        let Self { definition, version, input, .. } = self;
        request_of(&self.actor, &Submit { project, definition, version: *version, input })
    }
}

/// A run was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The run.
    pub run: RunId,
    /// Where the submission's last event stands.
    pub answer: RunAnswer,
}

/// Nothing is under way and no run is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    /// When the next timer is due, if one is set.
    pub next_timer: Option<Timestamp>,
}

/// A running engine. Clones share it.
///
/// While an engine runs on a log, nothing else may append to that log.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub shards: Vec<mpsc::Sender<Ask>>,
    pub desk: mpsc::Sender<ProjectAsk>,
    pub library: Library,
    pub clock: Arc<dyn Clock>,
    pub handlers: Arc<HashMap<String, Arc<dyn ActivityHandler>>>,
    pub knows_handlers: bool,
    pub read_model: ReadModel,
    pub nursery: Nursery,
    pub acknowledged: Acknowledged,
    pub locks: Option<TellLocks>,
    pub conflicts: Option<TellConflicts>,
    pub limits: TellLimits,
    pub pool: Arc<Pool>,
    pub tasks: tokio::sync::Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// The shard of a run: by hash, so that all that concerns a run meets in one task.
pub(crate) fn shard_of(run: RunId, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    run.hash(&mut hasher);
    // The remainder of a division by a `usize` is one.
    usize::try_from(hasher.finish() % (shards.max(1) as u64)).unwrap_or(0)
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("shards", &self.shared.shards.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Begins to put an engine together.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Changes a project, or creates it.
    ///
    /// # Errors
    /// See [`CommandFailure`].
    pub async fn change_project(
        &self,
        project: &ProjectId,
        command: ProjectCommand,
    ) -> Result<RunAnswer, CommandFailure> {
        self.check_release(project, &command).await?;
        let (reply, answer) = oneshot::channel();
        let (project, command) = (project.clone(), Box::new(command));
        let ask = ProjectAsk::Change { project, command, reply };
        self.shared.desk.send(ask).await.map_err(|_| QueryFailure::Stopped)?;
        answer.await.map_err(|_| QueryFailure::Stopped)?
    }

    /// Publishes a definition: name, version and title are what the source says.
    ///
    /// # Errors
    /// See [`CommandFailure`]; a source that is not a definition is refused.
    pub async fn publish(
        &self,
        project: &ProjectId,
        command: CommandId,
        actor: Actor,
        auth: Authentication,
        language: &str,
        source: &str,
    ) -> Result<RunAnswer, CommandFailure> {
        let action = self.publication(language, source, None)?;
        let command = ProjectCommand { id: command, actor, auth, trace: None, action };
        self.change_project(project, command).await
    }

    /// What publishes a definition: name, version and title are what the source says, and `release` is the
    /// run that has released it, where the project asks for one.
    ///
    /// # Errors
    /// Refused when the source is not a definition.
    pub fn publication(
        &self,
        language: &str,
        source: &str,
        release: Option<RunId>,
    ) -> Result<ProjectAction, Refusal> {
        let accepted = self.shared.library.catalog.accept(language, source);
        let loaded =
            accepted.map_err(|error| Refusal::new(RefusalCode::InvalidInput, error.to_string()))?;
        Ok(ProjectAction::Publish {
            name: loaded.name,
            version: loaded.version,
            language: language.to_owned(),
            title: loaded.title,
            source: source.to_owned(),
            release,
        })
    }

    /// Refuses to publish a definition that no run has released, where the project asks for that. Which
    /// run it is, is checked here, as it stands; that one is named, by the project.
    async fn check_release(
        &self,
        project: &ProjectId,
        command: &ProjectCommand,
    ) -> Result<(), CommandFailure> {
        let ProjectAction::Publish { name, version, source, release: Some(run), .. } =
            &command.action
        else {
            return Ok(());
        };
        let Some(project) = self.project(project) else { return Ok(()) };
        // What was accepted stays accepted, whatever has become of the run meanwhile.
        if project.answer_to(command)?.is_some() {
            return Ok(());
        }
        let Some(rule) = project.releases() else {
            return Err(Refusal::new(
                RefusalCode::InvalidInput,
                "in this project no run releases what is published",
            )
            .needs("publish it without naming one")
            .into());
        };
        let live = self.live(*run).await?;
        if live.run.project() != project.id() {
            return Err(QueryFailure::NoSuchRun(*run).into());
        }
        let at = Moment { now: self.shared.clock.now(), project: &project };
        let (view, _) = live.look(&at);
        let releasing = Releasing {
            run: *run,
            definition: &live.run.definition().name,
            state: &view.state,
            input: live.run.input_now(&*live.workflow),
        };
        rule.check(&releasing, name, *version, &Digest::of(source.as_bytes()))?;
        Ok(())
    }

    /// Publishes a calendar in a project, also in place of the one of its name. The calendar says its
    /// name itself.
    ///
    /// # Errors
    /// See [`CommandFailure`]; refused when `source` is not a calendar.
    pub async fn publish_calendar(
        &self,
        project: &ProjectId,
        command: CommandId,
        actor: Actor,
        auth: Authentication,
        source: &str,
    ) -> Result<RunAnswer, CommandFailure> {
        let ReadCalendar { calendar, digest, title } = self
            .shared
            .library
            .catalog
            .calendar(source)
            .map_err(|error| Refusal::new(RefusalCode::InvalidInput, error.reason))?;
        let source = source.to_owned();
        let action = ProjectAction::PublishCalendar { calendar, digest, title, source };
        let command = ProjectCommand { id: command, actor, auth, trace: None, action };
        self.change_project(project, command).await
    }

    /// All projects, by name.
    #[must_use]
    pub fn projects(&self) -> Vec<Arc<Project>> {
        self.shared.library.projects.all()
    }

    /// A project as it is now.
    #[must_use]
    pub fn project(&self, id: &ProjectId) -> Option<Arc<Project>> {
        self.shared.library.projects.get(id)
    }

    /// Starts a run.
    ///
    /// # Errors
    /// See [`CommandFailure`].
    pub async fn submit(
        &self,
        project: &ProjectId,
        submission: Submission,
    ) -> Result<Submitted, CommandFailure> {
        check_size("input", &submission.input)?;
        let request = submission.request(project);
        let known = self.project(project).ok_or_else(|| {
            Refusal::new(RefusalCode::NotFound, format!("there is no project `{project}`"))
        })?;
        let (definition, workflow) = match self.admit(&known, &submission) {
            Ok(admitted) => admitted,
            // What was accepted stays accepted, also when its author has left meanwhile.
            Err(failure) => {
                return self
                    .submitted_before(project, submission.command, &request)
                    .await
                    .ok_or(failure);
            }
        };
        let input = guard("complete_input", || workflow.complete_input(submission.input))
            .map_err(CommandFailure::Broken)?;
        check_size("input with its defaults", &input)?;
        let run = RunId::from(submission.command);
        let (reply, answer) = oneshot::channel();
        let begin = Begin {
            command: Command {
                id: submission.command,
                actor: submission.actor,
                auth: submission.auth,
                trace: submission.trace,
                action: Action::Start,
            },
            request,
            definition,
            input,
            project: project.clone(),
            workflow,
            parent: None,
            reply,
            known: false,
        };
        self.send(run, Ask::Submit(Box::new(begin))).await?;
        match answer.await.map_err(|_| QueryFailure::Stopped)? {
            Ok(answer) => Ok(Submitted { run, answer }),
            // As above: what the project demands may have changed meanwhile.
            Err(failure @ CommandFailure::Refused(_)) => {
                self.submitted_before(project, submission.command, &request).await.ok_or(failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether a submission may begin a run now, and with what.
    fn admit(
        &self,
        project: &Project,
        submission: &Submission,
    ) -> Result<(DefinitionRef, Arc<dyn DynWorkflow>), CommandFailure> {
        if let Some(member) = submission.actor.member() {
            project.member(member)?;
        }
        let definition = project.definition(&submission.definition, submission.version)?;
        let catalog = &self.shared.library.catalog;
        let definition = definition.reference.clone();
        let workflow = catalog.workflow(project, &definition.digest).map_err(QueryFailure::from)?;
        Ok((definition, workflow))
    }

    /// The answer to the very same submission, if there was one. Nothing else is said of a run:
    /// who asks may not be allowed to know of it.
    async fn submitted_before(
        &self,
        project: &ProjectId,
        command: CommandId,
        request: &Digest,
    ) -> Option<Submitted> {
        let run = RunId::from(command);
        let live = self.live(run).await.ok()?;
        let answer = live.run.answer_to_submission(request).ok()?;
        (live.run.project() == project).then_some(Submitted { run, answer })
    }

    /// Sends a command to a run.
    ///
    /// # Errors
    /// See [`CommandFailure`].
    pub async fn command(&self, run: RunId, command: Command) -> Result<RunAnswer, CommandFailure> {
        self.ask(run, command, None).await
    }

    pub(crate) async fn ask(
        &self,
        run: RunId,
        command: Command,
        only_if: Option<OnlyIf>,
    ) -> Result<RunAnswer, CommandFailure> {
        check_sizes(&command.action)?;
        self.refuse_over_newer(run, &command).await?;
        let (reply, answer) = oneshot::channel();
        let command = Box::new(command);
        self.send(run, Ask::Command { run, command, only_if, reply }).await?;
        answer.await.map_err(|_| QueryFailure::Stopped)?
    }

    /// What a command would make happen now, if it were sent: nothing happens.
    ///
    /// # Errors
    /// As [`Engine::command`] would be refused.
    pub async fn would(
        &self,
        run: RunId,
        command: &Command,
    ) -> Result<Vec<NewEvent>, CommandFailure> {
        check_sizes(&command.action)?;
        self.refuse_over_newer(run, command).await?;
        self.decided(run, command).await
    }

    /// What the run alone would make of a command.
    pub(crate) async fn decided(
        &self,
        run: RunId,
        command: &Command,
    ) -> Result<Vec<NewEvent>, CommandFailure> {
        let live = self.live(run).await?;
        let project = self.project(live.run.project()).ok_or(QueryFailure::NoSuchRun(run))?;
        let now = self.shared.clock.now().max(live.run.updated());
        Ok(live.would(command, &Moment { now, project: &project })?)
    }

    async fn send(&self, run: RunId, ask: Ask) -> Result<(), QueryFailure> {
        let shard = self.shared.shards.get(shard_of(run, self.shared.shards.len()));
        shard.ok_or(QueryFailure::Stopped)?.send(ask).await.map_err(|_| QueryFailure::Stopped)
    }

    pub(crate) async fn live(&self, run: RunId) -> Result<LiveRun, QueryFailure> {
        let (reply, answer) = oneshot::channel();
        self.send(run, Ask::Query { run, reply }).await?;
        answer.await.map_err(|_| QueryFailure::Stopped)?
    }

    /// A run as it is now: everything that was acknowledged before the call is in it.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn run(&self, run: RunId) -> Result<RunDetail, QueryFailure> {
        let live = self.live(run).await?;
        let project = self.project(live.run.project()).ok_or(QueryFailure::NoSuchRun(run))?;
        let mut detail = self.detail(&live, &project, self.shared.clock.now()).await?;
        self.note_unconfigured(&mut detail.row);
        Ok(detail)
    }

    /// What a run would do at which targets, with the project as it is now.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn plans(&self, run: RunId) -> Result<Vec<Planned>, QueryFailure> {
        let live = self.live(run).await?;
        let project = self.project(live.run.project()).ok_or(QueryFailure::NoSuchRun(run))?;
        Ok(live.plans(&Moment { now: self.shared.clock.now(), project: &project }))
    }

    /// A run as it was at a moment of its past, in the project as it was then.
    ///
    /// # Errors
    /// See [`QueryFailure`]; [`QueryFailure::NoSuchRun`] when the run had not begun.
    pub async fn run_as_of(&self, run: RunId, as_of: AsOf) -> Result<RunDetail, QueryFailure> {
        self.caught_up().await?;
        let located = self.shared.read_model.locate(run).await?;
        let project = located.ok_or(QueryFailure::NoSuchRun(run))?.project;
        let stream = StreamId { project, run: Some(run) };
        let live = self.shared.library.load_as_of(&stream, as_of).await?;
        let live = live.ok_or(QueryFailure::NoSuchRun(run))?;
        let (at, updated) = (live.run.at().sequence, live.run.updated());
        let now = if let AsOf::Time(time) = as_of { time } else { updated };
        let project = self.shared.library.load_project(&stream.project, |event| match as_of {
            AsOf::Version(_) => event.sequence <= at,
            AsOf::Sequence(sequence) => event.sequence <= sequence,
            AsOf::Time(time) => event.time <= time,
        });
        let project = project.await?;
        let project = project.ok_or(QueryFailure::NoSuchRun(run))?;
        self.detail(&live, &project, now).await
    }

    async fn detail(
        &self,
        live: &LiveRun,
        project: &Project,
        now: Timestamp,
    ) -> Result<RunDetail, QueryFailure> {
        self.caught_up().await?;
        let run = &live.run;
        let number = self.shared.read_model.row(run.id()).await?.map_or(0, |row| row.number);
        let (view, status) = live.look(&Moment { now, project });
        let mut row = RunRow::of(number, run, status, view.title.clone(), view.state.clone());
        row.activities = live.activities();
        let input = guard("input", || run.input_now(&*live.workflow).clone())
            .unwrap_or_else(|_| run.input().clone());
        let kin = async |run: RunId, effect: &EffectId, outcome: Option<&String>| {
            let number = self.listed(run).await?.map_or(0, |row| row.number);
            let (effect, outcome) = (effect.clone(), outcome.cloned());
            Ok::<Kin, QueryFailure>(Kin { run, number, effect, outcome })
        };
        let started_by = match run.parent() {
            Some(parent) => Some(kin(parent.run, &parent.effect, None).await?),
            None => None,
        };
        let mut children = Vec::new();
        for (effect, child) in run.children() {
            children.push(kin(child.run, effect, child.outcome.as_ref()).await?);
        }
        Ok(RunDetail { row, input, view, started_by, children })
    }

    /// The runs that `filter` lets through, the newest of each project first.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, QueryFailure> {
        self.caught_up().await?;
        let mut rows = self.shared.read_model.rows(filter.clone()).await?;
        for row in &mut rows {
            self.note_unconfigured(row);
        }
        Ok(rows)
    }

    /// What a list says of a run, also of one that cannot be loaded.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn row(&self, run: RunId) -> Result<RunRow, QueryFailure> {
        self.caught_up().await?;
        let mut row = self.listed(run).await?.ok_or(QueryFailure::NoSuchRun(run))?;
        self.note_unconfigured(&mut row);
        Ok(row)
    }

    /// Says which activities wait for an engine that can do them. It depends on the engine that is
    /// asked, so it is not kept.
    fn note_unconfigured(&self, row: &mut RunRow) {
        if !self.shared.knows_handlers {
            return;
        }
        let missing = |name: &&String| !self.shared.handlers.contains_key(*name);
        row.unconfigured = row.activities.iter().filter(missing).cloned().collect();
    }

    /// The digest of what an activity's name means here, see [`ActivityHandler::configured`].
    #[must_use]
    pub fn configured(&self, activity: &str) -> Option<Digest> {
        self.shared.handlers.get(activity)?.configured()
    }

    /// The runs of a project that a lockdown of this scope would hold, or would let finish: the newest
    /// first. Every run that is not over is looked at.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn in_scope(
        &self,
        project: &Project,
        scope: &LockdownScope,
    ) -> Result<Vec<InScope>, QueryFailure> {
        let filter = RunFilter { project: Some(project.id().clone()), ..RunFilter::default() };
        let at = Moment { now: self.shared.clock.now(), project };
        let mut found = Vec::new();
        for row in self.runs(&filter).await?.into_iter().filter(|row| !row.status.is_ended()) {
            let live = match self.live(row.id).await {
                Ok(live) => live,
                // It begins nothing as long as it cannot be loaded.
                Err(failure) if failure.is_of_the_run() => continue,
                Err(failure) => return Err(failure),
            };
            let Prospect { items, starts, works, .. } = live.prospect(&at);
            if (starts || works) && scope.covers(&row.definition.name, &items, project.items()) {
                found.push(InScope { row, starts, works });
            }
        }
        Ok(found)
    }

    /// The locks that runs hold and wait for, of all projects or of one: by item, its holder first, then
    /// those who wait, in the order in which they will be given it.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn locks(&self, project: Option<&ProjectId>) -> Result<Vec<LockRow>, QueryFailure> {
        self.caught_up().await?;
        let mut rows = Vec::new();
        for (run, project, number, claims) in
            self.shared.read_model.claims(project.cloned()).await?
        {
            let row = self.shared.read_model.row(run).await?;
            let broken = row.and_then(|row| row.broken().map(str::to_owned));
            let held = claims.held.into_iter().map(|(item, since)| (item, since, true));
            let waiting = claims.wanted.into_iter().flat_map(|wanted| {
                let since = wanted.since;
                wanted.items.into_iter().map(move |item| (item, since, false))
            });
            rows.extend(held.chain(waiting).map(|(item, since, held)| {
                let (project, broken) = (project.clone(), broken.clone());
                LockRow { project, item, run, number, held, since, broken }
            }));
        }
        rows.sort_by(|a, b| {
            let key = |row: &LockRow| {
                (row.project.clone(), row.item.clone(), !row.held, row.since, row.run)
            };
            key(a).cmp(&key(b))
        });
        Ok(rows)
    }

    /// The runs with this number: of every project that has so many runs, or of `project` alone.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn find_run(
        &self,
        project: Option<&ProjectId>,
        number: u64,
    ) -> Result<Vec<RunId>, QueryFailure> {
        self.caught_up().await?;
        self.shared.read_model.numbered(project.cloned(), number).await
    }

    /// What a list says of a run. Who reads the log sees a run before its beginning is answered.
    async fn listed(&self, run: RunId) -> Result<Option<RunRow>, QueryFailure> {
        let read_model = &self.shared.read_model;
        if let Some(row) = read_model.row(run).await? {
            return Ok(Some(row));
        }
        read_model.reaches(self.log().head().await?.sequence).await?;
        read_model.row(run).await
    }

    /// Waits until what was acknowledged before the call can be found in lists.
    async fn caught_up(&self) -> Result<(), QueryFailure> {
        self.shared.read_model.reaches(self.shared.acknowledged.get()).await
    }

    /// Why the read model goes on in memory, if its file could not be written to any more, as on a full disk: what is
    /// listed is complete nevertheless, and the next start brings the file up to date.
    #[must_use]
    pub fn read_model_in_memory(&self) -> Option<String> {
        self.shared.read_model.in_memory()
    }

    /// Waits until the log accepts nothing any more, as after an error of the disk, and says why: nothing is decided or
    /// done before it is opened anew. What it has can still be read.
    pub async fn log_refuses(&self) -> String {
        let mut refusing = self.shared.library.refusing.subscribe();
        let why = refusing.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// The log, to read histories from.
    #[must_use]
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.shared.library.log
    }

    /// Waits until no attempt is under way and no run is worked on: all wait for people, for a
    /// signal or for a time, or are stuck or over.
    ///
    /// An engine that leaves effects alone is idle as soon as its commands are answered.
    ///
    /// # Errors
    /// [`QueryFailure::Stopped`].
    pub async fn idle(&self) -> Result<Idle, QueryFailure> {
        loop {
            let errands = self.shared.nursery.begun();
            // What one run gives back another may be given.
            let granted = self.told_by_desks().await?;
            let mut next_timer: Option<Timestamp> = None;
            for shard in &self.shared.shards {
                let (reply, answer) = oneshot::channel();
                shard.send(Ask::Idle(reply)).await.map_err(|_| QueryFailure::Stopped)?;
                let next = answer.await.map_err(|_| QueryFailure::Stopped)?;
                next_timer = [next_timer, next].into_iter().flatten().min();
            }
            // A run of one shard may have given one of another something to do.
            if self.told_by_desks().await? == granted && self.shared.nursery.begun() == errands {
                return Ok(Idle { next_timer });
            }
        }
    }

    /// How many locks were granted, and how many looks for conflicts told, by what has been told until
    /// now.
    async fn told_by_desks(&self) -> Result<(u64, u64), QueryFailure> {
        let Some(locks) = &self.shared.locks else { return Ok((0, 0)) };
        let Some(conflicts) = &self.shared.conflicts else { return Ok((0, 0)) };
        let (reply, granted) = oneshot::channel();
        locks.send(LockNews::Count(reply)).map_err(|_| QueryFailure::Stopped)?;
        let (reply, looked) = oneshot::channel();
        conflicts.tell(ConflictNews::Count(reply));
        let granted = granted.await.map_err(|_| QueryFailure::Stopped)?;
        Ok((granted, looked.await.map_err(|_| QueryFailure::Stopped)?))
    }

    /// Waits until there is an attempt in a queue that is [leased](EngineBuilder::leased) to workers,
    /// and leases it to `worker` for so long. It was recorded that the attempt begins. Who waits no
    /// longer drops the future.
    ///
    /// # Errors
    /// [`QueryFailure::Stopped`].
    pub async fn lease(
        &self,
        queue: &str,
        worker: &str,
        length: SignedDuration,
    ) -> Result<Lease, QueryFailure> {
        let pool = &self.shared.pool;
        let leased = pool.lease(&self.shared.limits, queue, worker, length).await;
        leased.ok_or(QueryFailure::Stopped)
    }

    /// Says that the worker is still at work on what it has leased, and has it for so long from
    /// now; answers until when.
    ///
    /// # Errors
    /// See [`LeaseFailure`]: the worker should stop. [`LeaseFailure::NotWanted`] is how it is told that the run was
    /// cancelled.
    pub fn heartbeat(
        &self,
        lease: LeaseId,
        length: SignedDuration,
    ) -> Result<Timestamp, LeaseFailure> {
        self.shared.pool.heartbeat(lease, length)
    }

    /// Says that the work was done, and what it answers; returns when that is recorded. Who has not heard the
    /// answer says the same again, and is answered so.
    ///
    /// # Errors
    /// See [`LeaseFailure`].
    pub async fn complete(&self, lease: LeaseId, output: Value) -> Result<(), LeaseFailure> {
        if is_too_large(&output) {
            return Err(LeaseFailure::TooLarge { max: PAYLOAD_BYTES_MAX });
        }
        self.end_lease(lease, Outcome::Completed(output)).await
    }

    /// Says that the attempt failed, and whether another makes sense; returns when that is recorded. It can be said
    /// again, as [`Engine::complete`]. Of the error 4,096 bytes are kept.
    ///
    /// # Errors
    /// See [`LeaseFailure`].
    pub async fn fail(
        &self,
        lease: LeaseId,
        error: String,
        retryable: bool,
    ) -> Result<(), LeaseFailure> {
        self.end_lease(lease, Outcome::Failed { error, retryable }).await
    }

    async fn end_lease(&self, lease: LeaseId, outcome: Outcome) -> Result<(), LeaseFailure> {
        let mut news = self.log().subscribe();
        let ended = self.shared.pool.end(lease, outcome)?;
        let step = DueStep::UnderWay { attempt: ended.attempt };
        let under_way = Due { effect: ended.effect, step };
        // A query sees what is durable.
        while self.live(ended.run).await?.due().is_ok_and(|due| due.contains(&under_way)) {
            news.changed().await.map_err(|_| QueryFailure::Stopped)?;
        }
        Ok(())
    }

    /// Stops the engine: appends under way are finished and answered, attempts under way are
    /// dropped and found again by the next start. Every later call fails with
    /// [`QueryFailure::Stopped`].
    pub async fn shutdown(&self) {
        for shard in &self.shared.shards {
            // A shard that is gone has nothing to stop.
            let _ = shard.send(Ask::Shutdown).await;
        }
        // As above.
        let _ = self.shared.desk.send(ProjectAsk::Shutdown).await;
        if let Some(locks) = &self.shared.locks {
            let _ = locks.send(LockNews::Stop);
        }
        if let Some(conflicts) = &self.shared.conflicts {
            conflicts.tell(ConflictNews::Stop);
        }
        let _ = self.shared.limits.send(LimitNews::Stop);
        self.shared.pool.close();
        let mut tasks = self.shared.tasks.lock().await;
        for task in tasks.drain(..) {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "BUG: a task of the engine panicked");
            }
        }
        // So that the next start has nothing to catch up; if it fails, it has.
        let _ = self.caught_up().await;
    }
}
