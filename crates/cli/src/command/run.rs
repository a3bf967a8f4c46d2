//! `holdpoint approve`, `reject`, `cancel` and `signal`: what people tell a run.

use holdpoint::core::{Action, Command, Vote};

use crate::{
    arguments::{Acting, Approve, Cancel, Reject, RunArgument, Signal},
    command::show,
    context::Context,
    failure::Failure,
    output::{Answer, line},
    strict_json,
};

/// Approves.
pub(crate) async fn approve(context: &Context, arguments: Approve) -> Result<Answer, Failure> {
    let Approve { run, reason, hold, acting } = arguments;
    let action = Action::Vote { hold, vote: Vote::Approve, reason };
    send(context, &run, action, &acting, "approved").await
}

/// Rejects.
pub(crate) async fn reject(context: &Context, arguments: Reject) -> Result<Answer, Failure> {
    let Reject { run, reason, hold, acting } = arguments;
    let action = Action::Vote { hold, vote: Vote::Reject, reason: Some(reason) };
    send(context, &run, action, &acting, "rejected").await
}

/// Cancels.
pub(crate) async fn cancel(context: &Context, arguments: Cancel) -> Result<Answer, Failure> {
    let Cancel { run, reason, acting } = arguments;
    send(context, &run, Action::Cancel { reason }, &acting, "cancelled").await
}

/// Signals.
pub(crate) async fn signal(context: &Context, arguments: Signal) -> Result<Answer, Failure> {
    let Signal { run, name, data, acting } = arguments;
    let data = strict_json::parse(&data).map_err(|error| {
        Failure::usage(
            format!("`--data` cannot be read as JSON: {error}"),
            "a text needs its quotes: `--data '\"done\"'`",
        )
    })?;
    send(context, &run, Action::Signal { name, data }, &acting, "signalled").await
}

async fn send(
    context: &Context,
    run: &RunArgument,
    action: Action,
    acting: &Acting,
    done: &str,
) -> Result<Answer, Failure> {
    let who = acting.who()?;
    context
        .with_engine_at_rest(async |engine| {
            let run = context.run(engine, &run.run).await?;
            let command =
                Command { id: who.command, actor: who.actor, auth: who.auth, trace: None, action };
            let answer = engine.command(run, command).await?;
            let detail = engine.run(run).await?;
            let row = &detail.row;
            let text = format!(
                "{done} run {}: {}\n{}",
                row.number,
                line(&row.title),
                show::standing(&detail, jiff::Timestamp::now())
            );
            Answer::new(text, &show::standing_as_json(row, answer))
        })
        .await
}
