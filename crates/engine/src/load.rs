//! Bringing a run into memory: from its snapshot and the events since, or from its first event.

use std::sync::Arc;

use holdpoint_core::{
    Digest, IllegalEvent, ProjectId, Run, RunId, Sequence, StreamId, Version, event::Event,
    workflow::DynWorkflow,
};
use holdpoint_log::EventLog;

use crate::{
    catalog::Catalog, failure::QueryFailure, projects::Projects, query::AsOf, read_model::Located,
};

/// How many events are read at once.
const READ_LIMIT: usize = 512;

/// A run in memory, with the workflow it is pinned to.
#[derive(Clone)]
pub(crate) struct LiveRun {
    pub run: Run,
    pub workflow: Arc<dyn DynWorkflow>,
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
}

impl Library {
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
            let workflow = self.workflow(&stream.project, &located.digest)?;
            match Run::restore(&*workflow, bytes) {
                Ok(run) => {
                    let snapshot = run.at().version;
                    let mut live = Some(LiveRun { run, workflow });
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
    async fn replay(
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
                    Some(live) => live.run.evolve(&*live.workflow, &event)?,
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
        Ok(LiveRun { run: Run::begin(&*workflow, event)?, workflow })
    }

    /// Reads a project's events up to and including `until`.
    pub(crate) async fn load_project(
        &self,
        id: &ProjectId,
        until: Sequence,
    ) -> Result<Option<holdpoint_core::Project>, QueryFailure> {
        crate::projects::load(&*self.log, id, until).await
    }
}
