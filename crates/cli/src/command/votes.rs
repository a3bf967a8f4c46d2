//! `holdpoint approve`, `reject` and `veto` of several runs at once. Each run is decided by itself,
//! about its own input: there is no vote on several.

use holdpoint::{
    core::{Action, Command, CommandId, NewEvent, Refusal, RunId},
    engine::{CommandFailure, Engine, RunFilter},
};
use serde_json::Value;

use crate::{
    arguments::{
        Acting,
        votes::{Filter, Votes},
    },
    command::{
        run,
        several::{self, Outcome, Told},
    },
    context::{Context, Who},
    failure::Failure,
    output::Answer,
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
    let Votes { runs, all: _, filter, dry_run, hold, acting } = on;
    let Ballot { action, done } = ballot;
    let who = acting.who()?;
    let voted = context
        .with_engine_at_rest(async |engine| {
            let named = named(context, engine, &runs).await?;
            let sent = |id| command(&who, id, &action);
            if let ([run], false) = (named.as_slice(), dry_run) {
                return run::send(engine, *run, sent(who.command), done).await.map(Voted::One);
            }
            one_id_is_for_one_run(&acting, dry_run)?;
            let is_named = !runs.is_empty();
            let meant = if is_named {
                named
            } else {
                waiting(context, engine, &filter, hold.as_deref()).await?
            };
            let mut told = Vec::new();
            for run in meant {
                let command = sent(CommandId::from_uuid(uuid::Uuid::now_v7()));
                match cast(engine, run, command, is_named, dry_run).await {
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

/// The runs that are named, each once.
async fn named(
    context: &Context,
    engine: &Engine,
    names: &[String],
) -> Result<Vec<RunId>, Failure> {
    let mut runs = Vec::new();
    for name in names {
        let run = context.run(engine, name).await?;
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// The runs that a filter finds of those that wait for votes, at a hold if one is named, the oldest
/// first.
async fn waiting(
    context: &Context,
    engine: &Engine,
    filter: &Filter,
    hold: Option<&str>,
) -> Result<Vec<RunId>, Failure> {
    let all = RunFilter { project: context.project.clone(), ..RunFilter::default() };
    let mut runs = Vec::new();
    for row in engine.runs(&all).await? {
        if row.status.is_ended() || !filter.takes(&row) {
            continue;
        }
        let view = engine.run(row.id).await?.view;
        let waits = view.holds.iter().any(|open| {
            hold.is_none_or(|hold| open.hold == hold)
                && open.conditions.iter().any(|condition| condition.kind == "approval")
        });
        if waits {
            runs.push(row.id);
        }
    }
    runs.reverse();
    Ok(runs)
}

/// Votes on one run of several, or says what would come of it. A run that nobody has named is left
/// alone where the vote would be refused.
async fn cast(
    engine: &Engine,
    run: RunId,
    command: Command,
    is_named: bool,
    dry_run: bool,
) -> Result<Told, Failure> {
    let would = refusal_of(engine.would(run, &command).await)?;
    let (digest, outcome) = match would {
        Err(refusal) if is_named => (None, Outcome::Refused(refusal)),
        Err(refusal) => (None, Outcome::Left(refusal)),
        Ok(events) => {
            let digest = digest(&events);
            if dry_run {
                let released = |event: &NewEvent| event.kind.as_str() == "holdpoint.hold.released";
                (digest, Outcome::Would { releases: events.iter().any(released) })
            } else {
                match refusal_of(engine.command(run, command).await)? {
                    Ok(_) => (digest, Outcome::Done),
                    Err(refusal) => (None, Outcome::Refused(refusal)),
                }
            }
        }
    };
    Ok(Told::of(&engine.run(run).await?, outcome).about(digest))
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

/// The digest of what is voted on.
fn digest(events: &[NewEvent]) -> Option<String> {
    events.iter().find_map(|event| {
        let data: Value = serde_json::from_str(event.data.as_str()).ok()?;
        data.get("digest")?.as_str().map(str::to_owned)
    })
}
