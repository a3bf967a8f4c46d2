//! `holdpoint pause`, `resume`, `abort`, `promote` and the like: how people steer rollouts, one or
//! many at once.

use holdpoint::{
    core::{Command, CommandId, Refusal, RunId, RunView, Steering, view::RolloutView},
    engine::{Engine, RunFilter},
};
use serde_json::{Value, json};

use crate::{
    arguments::steer::{Meant, Steer, Steered},
    command::{run, show},
    context::{Context, Who},
    failure::Failure,
    output::{Answer, count},
};

/// Steers rollouts. Of several, each that refuses is told, and the others are steered nevertheless.
pub(crate) async fn steer(context: &Context, steer: Steer) -> Result<(), Failure> {
    let Steered { meant, acting, steering, action, done } = steer.steered();
    let named_id = acting.command_id.is_some();
    let who = acting.who()?;
    let command = |who: &Who, id: CommandId| Command {
        id,
        actor: who.actor.clone(),
        auth: who.auth.clone(),
        trace: None,
        action: action.clone(),
    };
    let steered = context
        .with_engine_at_rest(async |engine| {
            let runs = match meant {
                Meant::All => fitting(context, engine, steering).await?,
                Meant::Runs(named) => {
                    let mut runs = Vec::new();
                    for name in &named {
                        let run = context.run(engine, name).await?;
                        if !runs.contains(&run) {
                            runs.push(run);
                        }
                    }
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
            let mut all = Vec::new();
            for run in runs {
                let id = CommandId::from_uuid(uuid::Uuid::now_v7());
                let answer = match engine.command(run, command(&who, id)).await {
                    Ok(_) => None,
                    Err(failure) => match Failure::from(failure) {
                        Failure::Refused(refusal) => Some(refusal),
                        other => return Err(other),
                    },
                };
                let detail = engine.run(run).await?;
                all.push((show::in_a_line(&detail), detail.row, answer));
            }
            Ok(Told::Many(all))
        })
        .await?;
    let all = match steered {
        Told::One(answer) => return answer.print(context.json),
        Told::Many(all) => all,
    };
    let mut text = String::new();
    let mut rows: Vec<Value> = Vec::new();
    for (line, row, refusal) in &all {
        match refusal {
            None => text.push_str(&format!("{done}: {line}\n")),
            Some(refusal) => text.push_str(&format!("refused: {line}: {refusal}\n")),
        }
        rows.push(json!({
            "run": row.id,
            "number": row.number,
            "project": row.project,
            "status": row.status.as_str(),
            "refused": refusal.as_ref().map(|refusal| {
                json!({ "code": refusal.code.as_str(), "message": refusal.message })
            }),
        }));
    }
    if all.is_empty() {
        text.push_str("there is no rollout that this fits\n");
    }
    Answer::new(text, &json!({ "runs": rows }))?.print(context.json)?;
    let refused: Vec<&Refusal> =
        all.iter().filter_map(|(_, _, refusal)| refusal.as_ref()).collect();
    match refused.first() {
        None => Ok(()),
        Some(first) => Err(Failure::Refused(
            Refusal::new(
                first.code,
                format!(
                    "{} of {} refused it: {}",
                    refused.len(),
                    count(u64::try_from(all.len()).unwrap_or(u64::MAX), "run"),
                    first.message
                ),
            )
            .needs("each is told above"),
        )),
    }
}

enum Told {
    One(Answer),
    Many(Vec<(String, holdpoint::engine::RunRow, Option<Refusal>)>),
}

/// The runs with a rollout that something fits.
async fn fitting(
    context: &Context,
    engine: &Engine,
    steering: Steering,
) -> Result<Vec<RunId>, Failure> {
    let filter = RunFilter { project: context.project.clone(), ..RunFilter::default() };
    let mut runs = Vec::new();
    for row in engine.runs(&filter).await? {
        if !row.status.is_ended() && fits(&engine.run(row.id).await?.view, steering) {
            runs.push(row.id);
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
