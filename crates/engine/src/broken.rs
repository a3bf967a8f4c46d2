//! Runs that cannot be loaded: their history does not replay, or their definition is not there. Each is
//! broken, alone: it stays in the lists with the reason, and keeps its locks.

use holdpoint_core::{Claims, Moment, Remains, RunStatus, Seen, StreamId, Version};

use crate::{
    failure::QueryFailure,
    load::{Library, LiveRun, READ_LIMIT},
    owed::Owed,
    query::RunRow,
    read_model::RunRecord,
};

/// How the state of a run begins about which nothing is decided.
pub(crate) const BROKEN: &str = "broken: ";

impl Library {
    /// What the read model keeps of a run.
    pub(crate) fn record(&self, live: &LiveRun) -> Result<RunRecord, QueryFailure> {
        let run = &live.run;
        let project = self.projects.get(run.project()).ok_or(QueryFailure::NoSuchRun(run.id()))?;
        let owed = live.due().as_deref().ok().map(Owed::of);
        Ok(live.record(&Moment { now: run.updated(), project: &project }, owed.as_ref()))
    }

    /// What the read model keeps of a run that cannot be loaded, as far as its history replays or speaks for
    /// itself. `known` is what was known of its locks.
    pub(crate) async fn broken(
        &self,
        stream: &StreamId,
        failure: &QueryFailure,
        known: Claims,
    ) -> Result<RunRecord, QueryFailure> {
        tracing::warn!(%stream, error = %failure, "a run cannot be loaded");
        let remains = self.remains(stream).await?.ok_or_else(|| failure.clone())?;
        if let QueryFailure::History(_) = failure
            && let Ok(Some(live)) = self.load_what_replays(stream).await
        {
            let mut record = self.record(&live)?;
            // Its locks are those of the whole history.
            record.claims = remains.claims().unwrap_or(record.claims);
            return Ok(record);
        }
        Ok(record_of_remains(&remains, failure, known))
    }

    /// Loads a run as far as its history replays; it is broken from there on.
    pub(crate) async fn load_what_replays(
        &self,
        stream: &StreamId,
    ) -> Result<Option<LiveRun>, QueryFailure> {
        let mut live = None;
        match (self.replay(stream, &mut live, |_| true).await, &mut live) {
            (Err(QueryFailure::History(illegal)), Some(live)) => {
                live.broken = Some(format!("its history does not replay: {illegal}"));
            }
            (replayed, _) => replayed?,
        }
        Ok(live)
    }

    /// What a run's history says by itself, of a run that cannot be loaded.
    pub(crate) async fn remains(&self, stream: &StreamId) -> Result<Option<Remains>, QueryFailure> {
        let mut remains: Option<Remains> = None;
        loop {
            let after = remains.as_ref().map_or(Version::ZERO, |remains| remains.at.version);
            let records = self.log.read_stream(stream, after, READ_LIMIT).await?;
            let whole = records.len() < READ_LIMIT;
            for record in records {
                let event = record.event()?;
                match &mut remains {
                    Some(remains) => remains.take(&event),
                    None => remains = Some(Remains::begin(&event)?),
                }
            }
            if whole {
                return Ok(remains);
            }
        }
    }
}

/// What the read model keeps of a run that cannot be loaded, and why it cannot. `known` is what was
/// known of its locks where its history does not speak of them. The next start tries to load it again.
pub(crate) fn record_of_remains(
    remains: &Remains,
    failure: &QueryFailure,
    known: Claims,
) -> RunRecord {
    let status = match &remains.outcome {
        Some(outcome) => RunStatus::Ended { outcome: outcome.clone() },
        None => RunStatus::Stuck,
    };
    let Remains { definition, title, .. } = remains;
    let row = RunRow {
        number: 0,
        id: remains.id,
        project: remains.project.clone(),
        title: title.clone().unwrap_or_else(|| definition.name.to_string()),
        state: format!("{BROKEN}{failure}"),
        status,
        definition: definition.clone(),
        requester: remains.requester.clone(),
        started: remains.started,
        updated: remains.updated,
        at: remains.at,
        parent: remains.parent.as_ref().map(|parent| parent.run),
        lockdowns: Vec::new(),
        activities: Vec::new(),
        unconfigured: Vec::new(),
    };
    let claims = remains.claims().unwrap_or(Claims { held: known.held, ..Claims::default() });
    let watches = Seen::default();
    RunRecord { row, wake_at: None, watches, working: true, claims }
}
