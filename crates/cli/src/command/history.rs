//! `holdpoint history`: what happened, as a person wants to read it, or as it is stored.

use std::collections::BTreeMap;

use holdpoint::{
    core::{Event, ProjectId, RunId, Sequence},
    engine::{Engine, RunFilter},
    log::Record,
};

use crate::{
    arguments::History,
    context::Context,
    failure::Failure,
    narrate,
    output::{line, print, time},
};

/// How many events are read at once.
const READ_LIMIT: usize = 1_000;

/// Prints the history of a run, or of the project with all its runs.
pub(crate) async fn history(context: &Context, arguments: &History) -> Result<(), Failure> {
    context
        .with_engine_at_rest(async |engine| {
            let (project, run) = match &arguments.run {
                Some(text) => {
                    let run = context.run(engine, text).await?;
                    (engine.run(run).await?.row.project, Some(run))
                }
                None => (context.project(engine)?.id().clone(), None),
            };
            let wanted =
                |event: &Event| event.source == project && (run.is_none() || event.subject == run);
            if context.json {
                return print_stored(engine, wanted).await;
            }
            let mut events = Vec::new();
            read_all(engine, |_, event| {
                if wanted(&event) {
                    events.push(event);
                }
                Ok(())
            })
            .await?;
            print(text(engine, &project, events).await?.as_bytes())
        })
        .await
}

async fn print_stored(engine: &Engine, wanted: impl Fn(&Event) -> bool) -> Result<(), Failure> {
    read_all(engine, |record, event| {
        if wanted(&event) {
            print(&record.bytes)?;
            print(b"\n")?;
        }
        Ok(())
    })
    .await
}

async fn read_all(
    engine: &Engine,
    mut each: impl FnMut(&Record, Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = Sequence::ZERO;
    loop {
        let records = engine.log().read(after, READ_LIMIT).await?;
        let Some(last) = records.last() else { return Ok(()) };
        after = last.sequence;
        for record in &records {
            each(record, record.event()?)?;
        }
    }
}

async fn text(engine: &Engine, project: &ProjectId, events: Vec<Event>) -> Result<String, Failure> {
    let rows =
        engine.runs(&RunFilter { project: Some(project.clone()), ..RunFilter::default() }).await?;
    let mut by_run: BTreeMap<Option<RunId>, Vec<Event>> = BTreeMap::new();
    for event in events {
        by_run.entry(event.subject).or_default().push(event);
    }
    let mut text = String::new();
    if let Some(events) = by_run.remove(&None) {
        text.push_str(&format!("project {project}\n"));
        text.push_str(&section(&events));
    }
    let mut sections: Vec<_> = by_run.into_iter().collect();
    sections.sort_by_key(|(_, events)| events.first().map(|event| event.sequence));
    for (run, events) in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        match rows.iter().find(|row| Some(row.id) == run) {
            Some(row) => text.push_str(&format!("run {}: {}\n", row.number, line(&row.title))),
            None => text.push_str("run\n"),
        }
        text.push_str(&section(&events));
    }
    text.push_str("\ntimes are UTC; with `--json` every event is printed as it is stored\n");
    Ok(text)
}

/// One line an event; who acted several times in a row is named once a line all the same, so that
/// lines can be searched.
pub(crate) fn section(events: &[Event]) -> String {
    let who = |event: &Event| {
        event.actor.member().map_or_else(|| "engine".to_owned(), ToString::to_string)
    };
    let width = events.iter().map(|event| who(event).chars().count()).max().unwrap_or_default();
    events
        .iter()
        .enumerate()
        .filter(|(n, event)| !narrate::is_said_by(event, events.get(n.saturating_add(1))))
        .map(|(_, event)| {
            format!("  {}  {:width$}  {}\n", time(event.time), who(event), narrate::sentence(event))
        })
        .collect()
}
