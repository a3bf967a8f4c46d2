//! Bringing a run into memory: from its snapshot and the events since, or from its first event.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{
    Claims, Command, Digest, EffectId, IllegalEvent, Moment, NewEvent, Planned, Project, ProjectId,
    Prospect, Run, RunId, RunStatus, RunSummary, RunView, Seen, Sequence, StreamId, Version,
    event::Event,
    newer_work::{Reach, Undoable},
    run::{Due, DueStep},
    workflow::{DecideFailure, DynWorkflow},
};
use holdpoint_log::{Append, AppendFailure, EventLog};
use tokio::sync::watch;

use crate::{
    broken::BROKEN,
    catalog::Catalog,
    failure::QueryFailure,
    files::EvidenceFiles,
    guard::guard,
    owed::{Owed, Survey},
    projects::Projects,
    query::{AsOf, RunRow},
    read_model::{Located, RunRecord},
};

/// How many events are read at once.
pub(crate) const READ_LIMIT: usize = 512;

/// A run in memory, with the workflow it is pinned to.
#[derive(Clone)]
pub(crate) struct LiveRun {
    pub run: Run,
    pub workflow: Arc<dyn DynWorkflow>,
    /// Why nothing more is decided about it: its definition broke its own rules.
    pub broken: Option<String>,
}

impl LiveRun {
    /// See [`Run::begin`].
    pub(crate) fn begin(
        workflow: Arc<dyn DynWorkflow>,
        event: &Event,
    ) -> Result<Self, IllegalEvent> {
        let run = guard("start", || Run::begin(&*workflow, event))??;
        Ok(Self { run, workflow, broken: None })
    }

    /// See [`Run::evolve`].
    pub(crate) fn evolve(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        guard("evolve", || self.run.evolve(&*self.workflow, event))?
    }

    /// See [`Run::due`].
    pub(crate) fn due(&self) -> Result<Vec<Due>, IllegalEvent> {
        guard("pending", || self.run.due(&*self.workflow))
    }

    /// Looks at what the run is owed: at all, or at some effects.
    pub(crate) fn survey(&self, effects: Option<BTreeSet<EffectId>>) -> Survey {
        let due = match &effects {
            None => self.due(),
            Some(effects) => guard("owed", || {
                let due = |effect| self.run.due_of(&*self.workflow, effect);
                effects.iter().filter_map(due).collect()
            }),
        };
        Survey { effects, due }
    }

    /// Whether an attempt is under way, as far as the run knows.
    pub(crate) fn is_under_way(&self, effect: &EffectId, attempt: u32) -> bool {
        let due = guard("owed", || self.run.due_of(&*self.workflow, effect));
        due.ok().flatten().is_some_and(|due| due.step == DueStep::UnderWay { attempt })
    }

    /// See [`Run::changed_since`].
    pub(crate) fn changed_since(&self, before: &Run) -> Option<BTreeSet<EffectId>> {
        guard("changed", || self.run.changed_since(&*self.workflow, before)).ok().flatten()
    }

    /// See [`Run::claims`]. A run whose definition cannot say what it holds keeps nothing from others.
    pub(crate) fn claims(&self) -> Claims {
        let claims = guard("claims", || self.run.claims(&*self.workflow)).unwrap_or_default();
        // Nothing more is decided about a broken run.
        let (wanted, looks) = (claims.wanted, claims.looks);
        let goes_on = self.broken.is_none();
        Claims {
            held: claims.held,
            wanted: wanted.filter(|_| goes_on),
            looks: looks.filter(|_| goes_on),
        }
    }

    /// See [`Run::evidence_shown`].
    pub(crate) fn evidence_shown(&self) -> BTreeMap<String, Digest> {
        guard("evidence_shown", || self.run.evidence_shown(&*self.workflow)).unwrap_or_default()
    }

    /// See [`Run::undoable`].
    pub(crate) fn undoable(&self) -> Vec<Undoable> {
        guard("undoable", || self.run.undoable(&*self.workflow)).unwrap_or_default()
    }

    /// See [`holdpoint_core::Workflow::reach`].
    pub(crate) fn reach(&self, effect: &EffectId) -> Option<Reach> {
        guard("reach", || self.workflow.reach(effect)).unwrap_or_default()
    }

    /// See [`Run::prospect`]. A run that is held by a defect begins nothing.
    pub(crate) fn prospect(&self, at: &Moment<'_>) -> Prospect {
        if self.broken.is_some() {
            return Prospect::default();
        }
        guard("prospect", || self.run.prospect(&*self.workflow, at)).unwrap_or_default()
    }

    /// See [`Run::has_changed`]. A run that is held by a defect is told of nothing.
    pub(crate) fn has_changed(&self, watch: &EffectId, seen: &Seen, at: &Moment<'_>) -> bool {
        let look = || self.run.has_changed(&*self.workflow, watch, seen, at);
        self.broken.is_none() && guard("has_changed", look).unwrap_or_default()
    }

    /// What the run looks like; a run that is held by a defect says so, whatever its workflow
    /// says.
    pub(crate) fn look(&self, at: &Moment<'_>) -> (RunView, RunStatus) {
        let shown = guard("view", || {
            (self.run.view(&*self.workflow, at), self.run.status(&*self.workflow))
        });
        match (shown, &self.broken) {
            (Ok(shown), None) => shown,
            (Ok((mut view, _)), Some(reason)) => {
                view.state = format!("{BROKEN}{reason}");
                view.status = RunStatus::Stuck;
                (view, RunStatus::Stuck)
            }
            (Err(illegal), _) => {
                let state = format!("{BROKEN}{illegal}");
                (RunView::new("", state, RunStatus::Stuck), RunStatus::Stuck)
            }
        }
    }

    /// What a command would make happen.
    pub(crate) fn would(
        &self,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<NewEvent>, DecideFailure> {
        if let Some(reason) = &self.broken {
            return Err(IllegalEvent::new("run", reason.clone()).into());
        }
        let decided = guard("decide", || self.run.decide(&*self.workflow, command, at))??;
        Ok(decided.events)
    }

    /// See [`Run::plans`]. A run whose definition cannot say it has none.
    pub(crate) fn plans(&self, at: &Moment<'_>) -> Vec<Planned> {
        guard("plans", || self.run.plans(&*self.workflow, at)).unwrap_or_default()
    }

    /// The activities that the run asks for now, each once.
    pub(crate) fn activities(&self) -> Vec<String> {
        self.due().as_deref().map(Owed::of).unwrap_or_default().activities()
    }

    /// What a list says of it.
    fn summary(&self, at: &Moment<'_>) -> RunSummary {
        let summed = guard("view", || self.run.summary(&*self.workflow, at));
        match (summed, &self.broken) {
            (Ok(summary), None) => summary,
            (Ok(RunSummary { title, .. }), Some(reason)) => {
                let state = format!("{BROKEN}{reason}");
                RunSummary { title, state, status: RunStatus::Stuck }
            }
            (Err(illegal), _) => {
                let (title, state) = (String::new(), format!("{BROKEN}{illegal}"));
                RunSummary { title, state, status: RunStatus::Stuck }
            }
        }
    }

    /// What the read model keeps of the run; `None` says that its definition cannot say what it is owed.
    pub(crate) fn record(&self, at: &Moment<'_>, owed: Option<&Owed>) -> RunRecord {
        // A run that is broken, or whose definition cannot say what it owes, is taken up by the next
        // start, which may have a definition that can.
        let working = self.broken.is_some() || owed.is_none_or(Owed::is_working);
        let watches = owed.map(Owed::seen).unwrap_or_default();
        let wake_at = owed.and_then(Owed::wake_at);
        let RunSummary { title, state, status } = self.summary(at);
        let mut row = RunRow::of(0, &self.run, status, title, state);
        row.activities = owed.map(Owed::activities).unwrap_or_default();
        row.lockdowns = watches.lockdowns.iter().copied().collect();
        RunRecord { row, wake_at, watches, working, claims: self.claims() }
    }
}

/// A run that was loaded.
pub(crate) struct Loaded {
    pub live: LiveRun,
    /// The version of the snapshot that was of use.
    pub snapshot: Version,
}

/// What loading needs.
#[derive(Clone)]
pub(crate) struct Library {
    pub log: Arc<dyn EventLog>,
    pub catalog: Arc<Catalog>,
    pub projects: Projects,
    /// Where the files of evidence are, if somebody keeps them.
    pub files: Option<Arc<dyn EvidenceFiles>>,
    /// Why the log accepts nothing until it is reopened, once it does not.
    pub refusing: watch::Sender<Option<String>>,
}

impl Library {
    /// Appends, and says where the first event stands.
    pub(crate) async fn append(&self, append: Append) -> Result<Sequence, AppendFailure> {
        let appended = self.log.append(vec![append]).await;
        if let Err(AppendFailure::Poisoned { reason }) = &appended {
            self.refusing.send_replace(Some(reason.clone()));
        }
        Ok(appended?.first().copied().unwrap_or_default())
    }

    /// The workflow that a run of `project` is pinned to.
    pub(crate) fn workflow(
        &self,
        project: &ProjectId,
        digest: &Digest,
    ) -> Result<Arc<dyn DynWorkflow>, QueryFailure> {
        let project = self.projects.get(project).ok_or_else(|| {
            IllegalEvent::new("run", format!("the project `{project}` does not exist"))
        })?;
        Ok(self.catalog.workflow(&project, digest)?)
    }

    /// Loads a run as it is now.
    pub(crate) async fn load(&self, id: RunId, located: Located) -> Result<Loaded, QueryFailure> {
        let stream = StreamId { project: located.project, run: Some(id) };
        if let Some(bytes) = &located.snapshot {
            match self.restore(&stream.project, bytes) {
                Ok(restored) => {
                    let snapshot = restored.run.at().version;
                    let mut live = Some(restored);
                    self.replay(&stream, &mut live, |_| true).await?;
                    if let Some(live) = live {
                        return Ok(Loaded { live, snapshot });
                    }
                }
                // A snapshot is never the truth: the events are.
                Err(error) => tracing::warn!(run = %id, %error, "a snapshot was of no use"),
            }
        }
        let mut live = None;
        self.replay(&stream, &mut live, |_| true).await?;
        let live = live.ok_or(QueryFailure::NoSuchRun(id))?;
        Ok(Loaded { live, snapshot: Version::ZERO })
    }

    /// Reads a snapshot by the definition that the run went by then.
    fn restore(&self, project: &ProjectId, bytes: &[u8]) -> Result<LiveRun, QueryFailure> {
        let workflow = self.workflow(project, &Run::definition_of_snapshot(bytes)?)?;
        let run = guard("snapshot", || Run::restore(&*workflow, bytes)).flatten()?;
        Ok(LiveRun { run, workflow, broken: None })
    }

    /// Loads a run as it was.
    pub(crate) async fn load_as_of(
        &self,
        stream: &StreamId,
        as_of: AsOf,
    ) -> Result<Option<LiveRun>, QueryFailure> {
        let mut live = None;
        self.replay(stream, &mut live, |event| match as_of {
            AsOf::Version(version) => event.version <= version,
            AsOf::Sequence(sequence) => event.sequence <= sequence,
            AsOf::Time(time) => event.time <= time,
        })
        .await?;
        Ok(live)
    }

    /// Adds the events after those of `live` to it, as long as `wanted` says so.
    pub(crate) async fn replay(
        &self,
        stream: &StreamId,
        live: &mut Option<LiveRun>,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<(), QueryFailure> {
        loop {
            let after = live.as_ref().map_or(Version::ZERO, |live| live.run.at().version);
            let records = self.log.read_stream(stream, after, READ_LIMIT).await?;
            let whole = records.len() < READ_LIMIT;
            for record in records {
                let event = record.event()?;
                if !wanted(&event) {
                    return Ok(());
                }
                match live {
                    Some(live) => {
                        // What follows is history of the version that the run was migrated to.
                        if let Some(digest) = Run::migrates_to(&event)? {
                            live.workflow = self.workflow(&event.source, &digest)?;
                        }
                        live.evolve(&event)?;
                    }
                    None => *live = Some(self.begin(&event)?),
                }
            }
            if whole {
                return Ok(());
            }
        }
    }

    fn begin(&self, event: &Event) -> Result<LiveRun, QueryFailure> {
        let digest = event.definition.ok_or_else(|| {
            IllegalEvent::new(&event.kind, "the first event of a run names its definition")
        })?;
        let workflow = self.workflow(&event.source, &digest)?;
        Ok(LiveRun::begin(workflow, event)?)
    }

    /// Loads a project from its events, as long as `wanted` says so.
    pub(crate) async fn load_project(
        &self,
        id: &ProjectId,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Option<Project>, QueryFailure> {
        crate::projects::load(&*self.log, id, wanted).await
    }
}
