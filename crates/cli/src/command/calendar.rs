//! `holdpoint calendar`: checks, publishes, lists and shows calendars, and imports them.

use std::path::Path;

use holdpoint::{
    core::{CalendarName, Project, ProjectAction, PublishedCalendar, project},
    definition::calendar::{
        Calendar, Findings, Horizon, Import, Interval, Role, Schedule, Transparent, import_ics,
        zone_data,
    },
};
use jiff::{SignedDuration, SpanRound, Timestamp, Unit, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    arguments::{
        Acting,
        calendar::{CalendarCommand, Events, ImportIcs, Openings},
    },
    command::{
        definitions::{SOURCE_BYTES_MAX, read_as},
        project::change,
    },
    context::Context,
    failure::Failure,
    output::{Answer, count, line, table},
    text_file,
};

/// How far ahead openings are listed.
const LISTED: SignedDuration = SignedDuration::from_hours(24 * 1_827);

/// Does what `command` says.
pub(crate) async fn calendar(
    context: &Context,
    command: CalendarCommand,
) -> Result<Answer, Failure> {
    match command {
        CalendarCommand::Check { file, openings } => check(&file, &openings),
        CalendarCommand::Publish { file, acting } => publish(context, &file, &acting).await,
        CalendarCommand::Retire { name, reason, acting } => {
            let done = format!("retired the calendar `{name}`");
            let action = ProjectAction::RetireCalendar { calendar: name, reason };
            let who = acting.who()?;
            context
                .with_engine_at_rest(async |engine| {
                    let project = context.project(engine)?;
                    change(engine, project.id(), action, who, &done).await
                })
                .await
        }
        CalendarCommand::List { at } => list(context, at.unwrap_or_else(Timestamp::now)).await,
        CalendarCommand::Show { name, openings, source } => {
            show(context, &name, &openings, source).await
        }
        CalendarCommand::Import(arguments) => import(&arguments),
    }
}

fn check(file: &Path, openings: &Openings) -> Result<Answer, Failure> {
    let calendar = parse(file, &read_as(file, "a calendar", "docs/calendars.md")?)?;
    let head = format!("`{}` can be published: {}\n", calendar.name(), calendar.digest());
    shown(&calendar, None, openings, head)
}

async fn publish(context: &Context, file: &Path, acting: &Acting) -> Result<Answer, Failure> {
    let who = acting.who()?;
    let source = read_as(file, "a calendar", "docs/calendars.md")?;
    let calendar = parse(file, &source)?;
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            let before = project.calendars().get(calendar.name()).is_some();
            let answer = engine
                .publish_calendar(project.id(), who.command, who.actor, who.auth, &source)
                .await?;
            let now = context.project(engine)?;
            let revision =
                now.calendars().get(calendar.name()).map_or(0, |published| published.revision);
            let text = format!(
                "published the calendar `{}`, revision {revision}, in the project `{}`{}\n",
                calendar.name(),
                project.id(),
                if before { ", in place of the one before" } else { "" },
            );
            let json = json!({
                "project": project.id(),
                "calendar": calendar.name(),
                "revision": revision,
                "digest": calendar.digest(),
                "version": answer.version,
                "sequence": answer.sequence,
            });
            Answer::new(text, &json)
        })
        .await
}

async fn list(context: &Context, at: Timestamp) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for published in project.calendars().iter() {
        let calendar = stored(&project, published)?;
        let (now, facts) = stands(&calendar, at);
        rows.push(vec![
            published.calendar.to_string(),
            published.revision.to_string(),
            now,
            published.title.clone().unwrap_or_default(),
        ]);
        let mut entry = serde_json::to_value(published)?;
        if let (Value::Object(entry), Value::Object(facts)) = (&mut entry, facts) {
            entry.extend(facts);
        }
        json.push(entry);
    }
    let text = if rows.is_empty() {
        format!("no calendar is published in the project `{}`\n", project.id())
    } else {
        table(&["CALENDAR", "REVISION", "NOW", "TITLE"], rows)
    };
    Answer::new(text, &json!({ "project": project.id(), "at": at, "calendars": json }))
}

async fn show(
    context: &Context,
    name: &CalendarName,
    openings: &Openings,
    source: bool,
) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let published = project.calendars().find(name)?;
    if source {
        let mut json = serde_json::to_value(published)?;
        if let Value::Object(members) = &mut json {
            members.insert("source".to_owned(), Value::String(published.source.clone()));
        }
        return Answer::new(published.source.clone(), &json);
    }
    let calendar = stored(&project, published)?;
    let title = published.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
    let head = format!(
        "{}{}\nrevision {}, published {}, {}\n",
        published.calendar,
        line(&title),
        published.revision,
        crate::output::time(published.published),
        published.digest,
    );
    shown(&calendar, Some(published), openings, head)
}

/// A calendar's next openings, after what is said of it first.
fn shown(
    calendar: &Calendar,
    published: Option<&PublishedCalendar>,
    openings: &Openings,
    head: String,
) -> Result<Answer, Failure> {
    let at = openings.at.unwrap_or_else(Timestamp::now);
    let zone = calendar.time_zone();
    let most = usize::try_from(openings.next).unwrap_or(usize::MAX);
    let schedule = Schedule::open(calendar);
    let end = at.saturating_add(LISTED).unwrap_or(Timestamp::MAX);
    let listing = Interval::new(at, end).map(|range| schedule.intervals(range, most));
    let intervals = listing.map(|listing| listing.intervals).unwrap_or_default();
    let (now, facts) = stands(calendar, at);
    let mut text = format!(
        "{head}times are those of {}, by release {} of the zone data\n{}: {now}\n",
        calendar.document().zone,
        zone_data(),
        if openings.at.is_some() { local(at, &zone) } else { "now".to_owned() },
    );
    if !intervals.is_empty() {
        text.push_str(&table(
            &["OPEN FROM", "UNTIL", "FOR"],
            intervals.iter().map(|one| {
                let ends = one.end() < end;
                vec![
                    local(one.start(), &zone),
                    if ends {
                        local(one.end(), &zone)
                    } else {
                        "further than was looked".to_owned()
                    },
                    if ends { length(one.length()) } else { String::new() },
                ]
            }),
        ));
    }
    let mut json = published.map_or_else(
        || Ok(json!({ "calendar": calendar.name(), "digest": calendar.digest() })),
        serde_json::to_value,
    )?;
    if let (Value::Object(json), Value::Object(facts)) = (&mut json, facts) {
        json.extend(facts);
        json.insert("at".to_owned(), json!(at));
        json.insert("zone".to_owned(), json!(calendar.document().zone));
        json.insert("zone_data".to_owned(), json!(zone_data()));
        let intervals = intervals.iter().map(|one| {
            let until = (one.end() < end).then(|| one.end());
            json!({ "from": one.start(), "until": until })
        });
        json.insert("openings".to_owned(), intervals.collect());
    }
    Answer::new(text, &json)
}

/// Where a calendar stands at a time, in words and as facts.
fn stands(calendar: &Calendar, at: Timestamp) -> (String, Value) {
    let (schedule, zone) = (Schedule::open(calendar), calendar.time_zone());
    if let Some(closes) = schedule.closes(at, Horizon::default()) {
        let until = closes.at().map(|at| format!(" until {}", local(at, &zone)));
        let text = format!("open{}", until.unwrap_or_default());
        return (text, json!({ "open": true, "closes": closes.at() }));
    }
    let denials = calendar.denials(at);
    let why = denials.iter().find_map(|denial| denial.reason.clone());
    let opens = schedule.next_opening(at, Horizon::default()).at();
    let text = format!(
        "closed{}, {}",
        why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default(),
        match opens {
            Some(opens) => format!("opens {}", local(opens, &zone)),
            None => "and does not open as far as was looked".to_owned(),
        }
    );
    (text, json!({ "open": false, "why": why, "opens": opens }))
}

fn import(arguments: &ImportIcs) -> Result<Answer, Failure> {
    let ImportIcs { file, name, zone, events, transparent, map_zone } = arguments;
    let source = text_file::read(file, SOURCE_BYTES_MAX).map_err(|reason| {
        Failure::usage(
            format!("the file `{}` cannot be read: {reason}", file.display()),
            "give an iCalendar file, as calendar programs export it",
        )
    })?;
    let import = Import {
        calendar: name.clone(),
        zone: zone.clone(),
        role: match events {
            Events::Windows => Role::Windows,
            Events::Freezes => Role::Freezes,
            Events::Holidays => Role::Holidays,
        },
        transparent: if *transparent { Transparent::Take } else { Transparent::Skip },
        zones: map_zone.iter().cloned().collect(),
    };
    let imported = import_ics(&file.display().to_string(), &source, &import).map_err(found)?;
    let yaml = imported.calendar.to_yaml().map_err(|error| Failure::storage(error, ""))?;
    let mut text = String::new();
    if !imported.skipped.is_empty() {
        let things = count(imported.skipped.len() as u64, "thing");
        text.push_str(&format!("# {things} of the file left out:\n"));
    }
    for one in &imported.skipped {
        text.push_str(&format!(
            "# line {}: {}: {}\n",
            one.line,
            line(&one.what),
            line(&one.reason)
        ));
    }
    text.push_str(&yaml);
    let skipped: Vec<Value> = imported
        .skipped
        .iter()
        .map(|one| json!({ "line": one.line, "what": one.what, "reason": one.reason }))
        .collect();
    let json = json!({
        "calendar": imported.calendar.name(),
        "digest": imported.calendar.digest(),
        "source": yaml,
        "skipped": skipped,
    });
    Answer::new(text, &json)
}

/// A calendar of the project.
fn stored(project: &Project, published: &PublishedCalendar) -> Result<Calendar, Failure> {
    Calendar::parse(published.calendar.as_str(), &published.source).map_err(|findings| {
        Failure::storage(
            format!(
                "the calendar `{}` of the project `{}` cannot be used any more: {findings}",
                published.calendar,
                project.id()
            ),
            format!("publish it anew, as a member with the role `{}`", project::OWNER),
        )
    })
}

/// Parses what was read of a file.
fn parse(file: &Path, source: &str) -> Result<Calendar, Failure> {
    Calendar::parse(&file.display().to_string(), source).map_err(found)
}

fn found(findings: Findings) -> Failure {
    Failure::Calendar(findings)
}

/// A time as it is on the clocks of a zone.
fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

/// How long, in days and hours.
fn length(length: SignedDuration) -> String {
    let span = jiff::Span::try_from(length).and_then(|span| {
        span.round(SpanRound::new().largest(Unit::Day).smallest(Unit::Minute).days_are_24_hours())
    });
    span.map_or_else(|_| format!("{length:#}"), |span| format!("{span:#}"))
}
