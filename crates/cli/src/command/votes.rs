//! `holdpoint approve`, `reject` and `veto` of several runs at once. Each run is decided by itself,
//! about its own input: there is no vote on several.

use std::path::Path;

use holdpoint::{
    core::{Action, Command, CommandId, MemberId, NewEvent, Refusal, RefusalCode, RunId},
    engine::{CommandFailure, Engine, RunFilter},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    arguments::{
        Acting,
        votes::{Filter, Votes},
    },
    command::{
        names::Projects,
        run,
        several::{self, About, Outcome, Told},
    },
    context::{Context, Who},
    failure::{Failure, unloadable},
    output::Answer,
    strict_json, text_file,
};

/// What is voted, and how that is said when it is done.
pub(crate) struct Ballot {
    pub(crate) action: Action,
    pub(crate) done: &'static str,
}

enum Voted {
    One(Answer),
    /// What came of it for each, as far as it came.
    Many(Vec<Told>, Option<Failure>),
}

/// Votes on one run, or on several.
pub(crate) async fn vote(context: &Context, on: Votes, ballot: Ballot) -> Result<(), Failure> {
    let Votes { runs, all: _, filter, seen, plans: _, dry_run, hold, acting } = on;
    let Ballot { action, done } = ballot;
    let who = acting.who()?;
    let seen = seen.map(|file| preview(&file)).transpose()?;
    let voted = context
        .with_engine_unless_dry(dry_run, async |engine| {
            let sent = |id| command(&who, id, &action);
            let mut told = Vec::new();
            let meant = match &seen {
                Some(seen) => as_seen(context, engine, seen).await?,
                None if runs.is_empty() => {
                    let people: Vec<&MemberId> =
                        who.actor.member().into_iter().chain(place(&action)).collect();
                    waiting(context, engine, &filter, hold.as_deref(), &people, &mut told).await?
                }
                None => named(context, engine, &runs).await?,
            };
            if let ([Meant { run, how: How::Named }], false) = (meant.as_slice(), dry_run) {
                return run::send(engine, *run, sent(who.command), done).await.map(Voted::One);
            }
            one_id_is_for_one_run(&acting, dry_run)?;
            for one in &meant {
                let mut command = sent(CommandId::from_uuid(uuid::Uuid::now_v7()));
                if let (How::Seen(about), Action::Vote { plans, .. }) =
                    (&one.how, &mut command.action)
                {
                    *plans = about.plans.values().copied().collect();
                }
                match cast(engine, one, command, dry_run).await {
                    Ok(one) => told.push(one),
                    Err(failure) => return Ok(Voted::Many(told, Some(failure))),
                }
            }
            Ok(Voted::Many(told, None))
        })
        .await?;
    match voted {
        Voted::One(answer) => answer.print(context.json),
        Voted::Many(told, failure) => {
            let none = "no run that this fits waits for votes";
            let printed = several::print(context, done, none, &told);
            failure.map_or(printed, Err)
        }
    }
}

fn command(who: &Who, id: CommandId, action: &Action) -> Command {
    let (actor, auth) = (who.actor.clone(), who.auth.clone());
    Command { id, actor, auth, trace: None, action: action.clone() }
}

fn one_id_is_for_one_run(acting: &Acting, dry_run: bool) -> Result<(), Failure> {
    if acting.command_id.is_none() || dry_run {
        return Ok(());
    }
    Err(Failure::usage(
        "an id for a command is for one run",
        "leave `--command-id` out, or name one run",
    ))
}

/// A run that is voted on, and how it has come to that.
struct Meant {
    run: RunId,
    how: How,
}

enum How {
    Named,
    Found,
    /// A preview has found it so.
    Seen(About),
}

/// The runs that are named, each once.
async fn named(
    context: &Context,
    engine: &Engine,
    names: &[String],
) -> Result<Vec<Meant>, Failure> {
    let runs = context.runs(engine, names).await?;
    Ok(runs.into_iter().map(|run| Meant { run, how: How::Named }).collect())
}

/// In whose place a vote is given.
const fn place(action: &Action) -> Option<&MemberId> {
    match action {
        Action::Vote { in_place_of, .. } => in_place_of.as_ref(),
        _ => None,
    }
}

/// The largest preview that is read, in bytes.
const PREVIEW_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A run as a preview has found it.
#[derive(Deserialize)]
struct Seen {
    run: String,
    #[serde(flatten)]
    about: About,
}

/// What a preview has found that can be voted on.
fn preview(file: &Path) -> Result<Vec<Seen>, Failure> {
    let wrong = |why: String| {
        Failure::usage(
            format!("`{}` is no preview: {why}", file.display()),
            "make one: `holdpoint approve … --dry-run --json > FILE`",
        )
    };
    let text = text_file::read(file, PREVIEW_BYTES_MAX).map_err(wrong)?;
    let read = strict_json::parse(&text).map_err(|error| wrong(error.to_string()))?;
    let runs = read.get("runs").and_then(Value::as_array);
    let runs = runs.ok_or_else(|| wrong("it has no `runs`".to_owned()))?;
    let found = runs.iter().filter(|run| run.get("result").is_some_and(|one| one == "would"));
    let read = found.map(|run| serde_json::from_value(run.clone()));
    read.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))
}

/// The runs of a preview.
async fn as_seen(context: &Context, engine: &Engine, seen: &[Seen]) -> Result<Vec<Meant>, Failure> {
    let mut runs = Vec::new();
    for Seen { run, about } in seen {
        let run = context.run(engine, run).await;
        let run =
            run.map_err(|failure| failure.but("nothing was done for any run of the preview"))?;
        runs.push(Meant { run, how: How::Seen(about.clone()) });
    }
    Ok(runs)
}

/// The runs that a filter finds of those that wait for votes, at a hold if one is named, the oldest
/// first. Who is named must be there, and so must what the filter names. Those that cannot be looked at
/// are told.
async fn waiting(
    context: &Context,
    engine: &Engine,
    filter: &Filter,
    hold: Option<&str>,
    people: &[&MemberId],
    told: &mut Vec<Told>,
) -> Result<Vec<Meant>, Failure> {
    let projects = Projects::meant(context, engine)?;
    people.iter().try_for_each(|person| projects.member(person))?;
    let all = RunFilter { project: context.project.clone(), ..RunFilter::default() };
    let rows = engine.runs(&all).await?;
    projects.filter(filter, hold, &rows)?;
    let mut runs = Vec::new();
    for row in rows {
        if row.status.is_ended() || !filter.takes(&row) {
            continue;
        }
        let view = match engine.run(row.id).await {
            Ok(detail) => detail.view,
            Err(failure) if failure.is_of_the_run() => {
                told.push(Told::unloadable(row, Outcome::Left(unloadable(&failure))));
                continue;
            }
            Err(failure) => return Err(failure.into()),
        };
        let waits = view.holds.iter().any(|open| {
            hold.is_none_or(|hold| open.hold == hold)
                && open.conditions.iter().any(|condition| condition.kind == "approval")
        });
        if waits {
            runs.push(Meant { run: row.id, how: How::Found });
        }
    }
    runs.reverse();
    Ok(runs)
}

/// Votes on one run of several, or says what would come of it. A run that only a filter has found is
/// left alone where the vote would be refused, and one that is not as it was seen is not voted on.
async fn cast(
    engine: &Engine,
    Meant { run, how }: &Meant,
    command: Command,
    dry_run: bool,
) -> Result<Told, Failure> {
    let would = match engine.would(*run, &command).await {
        Err(CommandFailure::Query(failure)) if failure.is_of_the_run() => {
            let outcome = Outcome::Refused(unloadable(&failure));
            return Ok(Told::unloadable(engine.row(*run).await?, outcome));
        }
        would => refusal_of(would)?,
    };
    let would = would.and_then(|events| as_it_was(how, events));
    let mut done = None;
    let (about, outcome) = match (would, how) {
        (Err(refusal), How::Found) => (None, Outcome::Left(refusal)),
        (Err(refusal), How::Named | How::Seen(_)) => (None, Outcome::Refused(refusal)),
        (Ok(events), _) if dry_run => {
            let released = |event: &NewEvent| event.kind.as_str() == "holdpoint.hold.released";
            (about(&events), Outcome::Would { releases: events.iter().any(released) })
        }
        (Ok(events), _) => match refusal_of(engine.command(*run, command).await)? {
            Ok(answer) => {
                done = Some(answer);
                (about(&events), Outcome::Done)
            }
            Err(refusal) => (None, Outcome::Refused(refusal)),
        },
    };
    let detail = several::shown(engine.run(*run).await, done)?;
    Ok(Told::of(&detail, outcome).about(about))
}

/// Refuses to vote on what is not as a preview has found it.
fn as_it_was(how: &How, events: Vec<NewEvent>) -> Result<Vec<NewEvent>, Refusal> {
    let How::Seen(seen) = how else { return Ok(events) };
    match about(&events) {
        Some(now) if now != *seen => Err(Refusal::new(
            RefusalCode::NotAwaited,
            format!(
                "it is not as it was seen: `{}` asks about the input {}{} now",
                now.hold,
                now.digest,
                now.plans_in_words(" and the plan ")
            ),
        )
        .needs("look at it again: `--dry-run --json`")),
        _ => Ok(events),
    }
}

/// What was refused is told of the run; anything else ends the command.
fn refusal_of<T>(answer: Result<T, CommandFailure>) -> Result<Result<T, Refusal>, Failure> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(failure) => match Failure::from(failure) {
            Failure::Refused(refusal) => Ok(Err(refusal)),
            other => Err(other),
        },
    }
}

/// What is voted on.
fn about(events: &[NewEvent]) -> Option<About> {
    events.iter().find_map(|event| serde_json::from_str(event.data.as_str()).ok())
}
