//! Bringing projects and the read model up to the log's head before the engine takes commands.

use std::collections::HashSet;

use holdpoint_core::{EventId, IllegalEvent, ProjectId, RunId, Sequence, StreamId};

use crate::{
    failure::QueryFailure,
    load::Library,
    projects,
    read_model::{Located, Subject, Tables},
    replaying::Misfit,
    shard::RUN_STARTED,
};

/// How many events are read, and how many runs brought up to date, at once.
const CHUNK: usize = 1024;

/// Brings `tables` and the library's projects up to the head of the log, which is returned.
pub(crate) async fn recover(
    library: &Library,
    tables: &mut Tables,
) -> Result<Sequence, QueryFailure> {
    let head = library.log.head().await?.sequence;
    if !belongs(library, tables, head).await? {
        tracing::warn!("the read model is of another log; it is built again");
        tables.clear()?;
    }
    let mut after = tables.watermark()?.0;
    let mut known: HashSet<ProjectId> = HashSet::new();
    for id in tables.projects()? {
        load_project(library, &id, head).await?;
        known.insert(id);
    }
    // What kept a run from being loaded may be gone.
    let broken = tables.broken()?;
    let mut again = Vec::new();
    for (project, run) in broken {
        again.push(refreshed(library, tables, project, run).await?);
    }
    tables.put(again)?;
    while after < head {
        let records = library.log.read(after, CHUNK).await?;
        let mut touched: Vec<(ProjectId, RunId)> = Vec::new();
        let mut seen: HashSet<RunId> = HashSet::new();
        let mut subjects = Vec::new();
        let mut last: Option<EventId> = None;
        for record in &records {
            let event = record.event()?;
            last = Some(event.id);
            after = event.sequence;
            match event.subject {
                Some(run) => {
                    if seen.insert(run) {
                        touched.push((event.source.clone(), run));
                    }
                }
                None => {
                    if known.insert(event.source.clone()) {
                        load_project(library, &event.source, head).await?;
                        subjects.push(Subject::Project(event.source));
                    }
                }
            }
        }
        let Some(last) = last else {
            return Err(QueryFailure::Read(holdpoint_log::ReadFailure::Damaged {
                sequence: Some(after.next()),
                reason: format!("the log ends before its head, {head}"),
            }));
        };
        for (project, run) in touched {
            subjects.push(refreshed(library, tables, project, run).await?);
        }
        tables.catch_up(subjects, after, last)?;
    }
    Ok(head)
}

/// Whether the event at the watermark is the one that the read model has seen there.
async fn belongs(library: &Library, tables: &Tables, head: Sequence) -> Result<bool, QueryFailure> {
    let (watermark, event) = tables.watermark()?;
    if watermark == Sequence::ZERO {
        return Ok(true);
    }
    if watermark > head {
        return Ok(false);
    }
    let found = library.log.read(Sequence(watermark.0 - 1), 1).await?;
    let found = found.first().map(holdpoint_log::Record::event).transpose()?;
    Ok(found.is_some_and(|found| found.id.to_string() == event))
}

async fn load_project(
    library: &Library,
    id: &ProjectId,
    head: Sequence,
) -> Result<(), QueryFailure> {
    if let Some(project) = projects::load(&*library.log, id, |event| event.sequence <= head).await?
    {
        library.projects.put(project);
    }
    Ok(())
}

/// A run as it is now, which may be later than the chunk that named it.
async fn refreshed(
    library: &Library,
    tables: &Tables,
    project: ProjectId,
    run: RunId,
) -> Result<Subject, QueryFailure> {
    let located = match tables.locate(run)? {
        Some(located) => located,
        None => {
            let stream = StreamId { project: project.clone(), run: Some(run) };
            let first = library.log.read_stream(&stream, holdpoint_core::Version::ZERO, 1).await?;
            let first = first.first().map(holdpoint_log::Record::event).transpose()?;
            let first = first.ok_or(QueryFailure::NoSuchRun(run))?;
            if first.kind != RUN_STARTED || first.definition.is_none() {
                let why = format!("a run begins with `{RUN_STARTED}`, and with a definition");
                return Err(QueryFailure::Stream {
                    whose: format!("the history of the run {run} of the project `{project}`"),
                    misfit: Misfit::new(&first, &IllegalEvent::new(&first.kind, why)),
                });
            }
            Located { project: project.clone(), snapshot: None }
        }
    };
    let stream = StreamId { project: project.clone(), run: Some(run) };
    let live = match library.load(run, located).await {
        Ok(loaded) => loaded.live,
        // A run that is broken must not keep all others from going on.
        Err(failure) if failure.is_of_the_run() => {
            let record = library.broken(&stream, &failure, tables.claims_of(run)?).await?;
            return Ok(Subject::Run(Box::new(record)));
        }
        Err(failure) => return Err(failure),
    };
    Ok(Subject::Run(Box::new(library.record(&live)?)))
}
