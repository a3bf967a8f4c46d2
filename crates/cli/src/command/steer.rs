//! `holdpoint pause`, `resume`, `abort`, `promote` and the like: how people steer rollouts, one or
//! many at once.

use crate::{
    arguments::steer::{Meant, Steer, Steered},
    command::{
        names::Projects,
        run,
        several::{self, Outcome},
    },
    context::{Context, Who},
    failure::{Failure, unloadable},
    output::Answer,
};
use holdpoint::{
    core::{Action, Command, CommandId, RunId, RunView, Steering, view::RolloutView},
    engine::{CommandFailure, Engine, RunFilter},
};

/// Steers rollouts. Of several, each that refuses is told, and the others are steered nevertheless.
pub(crate) async fn steer(context: &Context, steer: Steer) -> Result<(), Failure> {
    let Steered { meant, acting, steering, mut action, over: named, done } = steer.steered();
    let named_id = acting.command_id.is_some();
    let who = acting.who()?;
    let steered = context
        .with_engine_at_rest(async |engine| {
            if let Action::Steer { over, .. } = &mut action {
                over.extend(context.runs(engine, &named).await?);
            }
            let command = |who: &Who, id: CommandId| Command {
                id,
                actor: who.actor.clone(),
                auth: who.auth.clone(),
                trace: None,
                action: action.clone(),
            };
            let mut all = Vec::new();
            let runs = match meant {
                Meant::All => {
                    let projects = Projects::meant(context, engine)?;
                    who.actor.member().map_or(Ok(()), |member| projects.member(member))?;
                    fitting(context, engine, steering, &mut all).await?
                }
                Meant::Runs(named) => {
                    let runs = context.runs(engine, &named).await?;
                    if let [run] = runs.as_slice() {
                        return run::send(engine, *run, command(&who, who.command), done)
                            .await
                            .map(Told::One);
                    }
                    runs
                }
            };
            if named_id {
                return Err(Failure::usage(
                    "an id for a command is for one run",
                    "leave `--command-id` out, or name one run",
                ));
            }
            for run in runs {
                let mut answer = None;
                let id = CommandId::from_uuid(uuid::Uuid::now_v7());
                let outcome = match engine.command(run, command(&who, id)).await {
                    Ok(done) => {
                        answer = Some(done);
                        Outcome::Done
                    }
                    Err(CommandFailure::Query(failure)) if failure.is_of_the_run() => {
                        let outcome = Outcome::Refused(unloadable(&failure));
                        all.push(several::Told::unloadable(engine.row(run).await?, outcome));
                        continue;
                    }
                    Err(failure) => match Failure::from(failure) {
                        Failure::Refused(refusal) => Outcome::Refused(refusal),
                        other => return Ok(Told::Many(all, Some(other))),
                    },
                };
                match several::shown(engine.run(run).await, answer) {
                    Ok(detail) => all.push(several::Told::of(&detail, outcome)),
                    Err(failure) => return Ok(Told::Many(all, Some(failure))),
                }
            }
            Ok(Told::Many(all, None))
        })
        .await?;
    match steered {
        Told::One(answer) => answer.print(context.json),
        Told::Many(all, failure) => {
            let none = "there is no rollout that this fits";
            let printed = several::print(context, done, none, &all);
            failure.map_or(printed, Err)
        }
    }
}

enum Told {
    One(Answer),
    /// What came of it for each, as far as it came.
    Many(Vec<several::Told>, Option<Failure>),
}

/// The runs with a rollout that something fits. Those that cannot be looked at are told.
async fn fitting(
    context: &Context,
    engine: &Engine,
    steering: Steering,
    told: &mut Vec<several::Told>,
) -> Result<Vec<RunId>, Failure> {
    let filter = RunFilter { project: context.project.clone(), ..RunFilter::default() };
    let mut runs = Vec::new();
    for row in engine.runs(&filter).await?.into_iter().filter(|row| !row.status.is_ended()) {
        match engine.run(row.id).await {
            Ok(detail) if fits(&detail.view, steering) => runs.push(row.id),
            Ok(_) => {}
            Err(failure) if failure.is_of_the_run() => {
                let outcome = Outcome::Left(unloadable(&failure));
                told.push(several::Told::unloadable(row, outcome));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    runs.reverse();
    Ok(runs)
}

fn fits(view: &RunView, steering: Steering) -> bool {
    view.rollouts().into_iter().any(|rollout| is_fit(rollout, steering))
}

fn is_fit(rollout: &RolloutView, steering: Steering) -> bool {
    let over = matches!(rollout.phase, "done" | "undone" | "failed");
    let back = rollout.phase == "undoing";
    let paused = rollout.paused.is_some();
    match steering {
        Steering::Pause => !over && !paused,
        Steering::Resume => paused,
        _ => !over && !back,
    }
}
