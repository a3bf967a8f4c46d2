//! `holdpoint history`: what happened, as a person wants to read it, or as it is stored.

use std::collections::BTreeMap;

use holdpoint::{
    core::{
        Digest, Event, MemberId, ProjectId, RunId, Sequence, StreamId, Version, event::TypedEvent,
        run::RunEvent,
    },
    engine::{Engine, RunFilter, RunRow},
    log::Record,
};

use serde::{Deserialize, de::IgnoredAny};

use crate::{
    arguments::History,
    context::Context,
    failure::Failure,
    narrate,
    output::{line, print, short, time},
};

/// How many events are read at once.
const READ_LIMIT: usize = 1_000;

/// Prints the history of a run, or of the project with all its runs.
pub(crate) async fn history(context: &Context, arguments: &History) -> Result<(), Failure> {
    context
        .with_engine_to_read(async |engine| {
            let (project, run) = match &arguments.run {
                Some(text) => {
                    let run = context.run(engine, text).await?;
                    (engine.row(run).await?.project, Some(run))
                }
                None => (context.project(engine)?.id().clone(), None),
            };
            if context.json {
                return each(engine, &project, run, |record, _| {
                    print(&record.bytes)?;
                    print(b"\n")
                })
                .await;
            }
            let mut events = Vec::new();
            each(engine, &project, run, |_, event| {
                events.push(event);
                Ok(())
            })
            .await?;
            print(text(engine, &project, events).await?.as_bytes())
        })
        .await
}

/// Calls `done` with every event of a run, or of the project with all its runs, in order.
async fn each(
    engine: &Engine,
    project: &ProjectId,
    run: Option<RunId>,
    mut done: impl FnMut(&Record, Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if let Some(run) = run {
        return each_of_run(engine, project, run, done).await;
    }
    let mut after = Sequence::ZERO;
    loop {
        let records = engine.log().read(after, READ_LIMIT).await?;
        let Some(last) = records.last() else { return Ok(()) };
        after = last.sequence;
        for record in &records {
            let event = record.event()?;
            if event.source == *project {
                done(record, event)?;
            }
        }
    }
}

/// Calls `done` with every event of a run, in order. The rest of the log is not read.
pub(crate) async fn each_of_run(
    engine: &Engine,
    project: &ProjectId,
    run: RunId,
    mut done: impl FnMut(&Record, Event) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stream = StreamId { project: project.clone(), run: Some(run) };
    let mut after = Version::ZERO;
    loop {
        let records = engine.log().read_stream(&stream, after, READ_LIMIT).await?;
        if records.is_empty() {
            return Ok(());
        }
        for record in &records {
            let event = record.event()?;
            after = event.version;
            done(record, event)?;
        }
    }
}

async fn text(engine: &Engine, project: &ProjectId, events: Vec<Event>) -> Result<String, Failure> {
    let rows =
        engine.runs(&RunFilter { project: Some(project.clone()), ..RunFilter::default() }).await?;
    let names: BTreeMap<String, String> = rows
        .iter()
        .map(|row| (row.id.to_string(), format!("{}/{}", row.project, row.number)))
        .collect();
    let rows: BTreeMap<RunId, RunRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    let mut by_run: BTreeMap<Option<RunId>, Vec<Event>> = BTreeMap::new();
    for event in events {
        by_run.entry(event.subject).or_default().push(event);
    }
    let mut text = String::new();
    if let Some(events) = by_run.remove(&None) {
        text.push_str(&format!("project {project}\n"));
        text.push_str(&section_with(&events, &names));
    }
    let mut sections: Vec<_> = by_run.into_iter().collect();
    sections.sort_by_key(|(_, events)| events.first().map(|event| event.sequence));
    for (run, events) in sections {
        if !text.is_empty() {
            text.push('\n');
        }
        match run.and_then(|run| rows.get(&run)) {
            Some(row) => text.push_str(&format!("run {}: {}\n", row.number, line(&row.title))),
            None => text.push_str("run\n"),
        }
        text.push_str(&section_with(&events, &names));
    }
    text.push_str("\ntimes are UTC; with `--json` every event is printed as it is stored\n");
    Ok(text)
}

/// One line an event; who acted several times in a row is named once a line all the same, so that
/// lines can be searched.
pub(crate) fn section(events: &[Event]) -> String {
    section_with(events, &BTreeMap::new())
}

/// As [`section`], with names for the ids of runs.
fn section_with(events: &[Event], names: &BTreeMap<String, String>) -> String {
    let who = |event: &Event| {
        event.actor.member().map_or_else(|| "engine".to_owned(), ToString::to_string)
    };
    let changed = changed(events);
    // What the run is asked about, by the events so far.
    let mut digest: Option<Digest> = None;
    let width = events.iter().map(|event| who(event).chars().count()).max().unwrap_or_default();
    events
        .iter()
        .enumerate()
        .filter_map(|(n, event)| {
            let words = narrate::before(event, events.get(n.saturating_add(1)));
            let before = digest;
            digest = asked_about(event).or(digest);
            let mut words = words?;
            if let (true, Some(before), Some(now)) = (keeps_approvals(event), before, digest) {
                words =
                    format!("{words} (given on {}, which is {} now)", short(&before), short(&now));
            }
            if let Some(digest) = changed.get(&n) {
                words.push_str(&format!(" (configured otherwise than before: {digest})"));
            }
            for id in ids_in(&words) {
                if let Some(name) = names.get(&id) {
                    words = words.replace(&id, name);
                }
            }
            Some(format!("  {}  {:width$}  {}\n", time(event.time), who(event), line(&words)))
        })
        .collect()
}

/// The attempts of which the activity's name meant something else than at the attempt before, by their places, with what it
/// meant.
fn changed(events: &[Event]) -> BTreeMap<usize, Digest> {
    let mut last = BTreeMap::new();
    let mut changed = BTreeMap::new();
    for (n, event) in events.iter().enumerate() {
        if let Ok(RunEvent::AttemptStarted { activity, configured: Some(now), .. }) =
            RunEvent::from_parts(&event.kind, &event.data)
            && last.insert(activity, now).is_some_and(|before| before != now)
        {
            changed.insert(n, now);
        }
    }
    changed
}

/// The digest of the input that an event says the run is asked about from now on.
fn asked_about(event: &Event) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Asked {
        digest: Digest,
    }
    let says = ["holdpoint.hold.opened", "holdpoint.run.amended"].contains(&event.kind.as_str());
    says.then(|| event.data.read().ok()).flatten().map(|Asked { digest }| digest)
}

/// Whether approvals stand that were given on another text.
fn keeps_approvals(event: &Event) -> bool {
    #[derive(Deserialize)]
    struct Amended {
        #[serde(default)]
        kept: BTreeMap<MemberId, IgnoredAny>,
    }
    event.kind.as_str() == "holdpoint.run.amended"
        && event.data.read().is_ok_and(|Amended { kept }| !kept.is_empty())
}

/// What could be ids of runs in a text.
fn ids_in(words: &str) -> Vec<String> {
    const LENGTH: usize = 36;
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let found = words.split(|c: char| !is_part(c)).filter(|word| word.len() == LENGTH);
    found.map(str::to_owned).collect()
}
