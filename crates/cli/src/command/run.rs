//! `holdpoint approve`, `reject`, `cancel` and the like: what people tell a run.

use holdpoint::{
    core::{Command, RunId},
    engine::Engine,
};

use crate::{
    arguments::tell::{On, Tell, Told},
    command::{
        show,
        votes::{self, Ballot},
    },
    context::Context,
    failure::Failure,
    output::{Answer, line},
};

/// Tells a run something, or votes on several.
pub(crate) async fn tell(context: &Context, tell: Tell) -> Result<(), Failure> {
    let Told { on, action, done } = tell.told()?;
    let (run, acting) = match on {
        On::Run(run, acting) => (run, acting),
        On::Runs(votes) => return votes::vote(context, votes, Ballot { action, done }).await,
    };
    let who = acting.who()?;
    let command =
        Command { id: who.command, actor: who.actor, auth: who.auth, trace: None, action };
    context
        .with_engine_at_rest(async |engine| {
            let run = context.run(engine, &run.run).await?;
            send(engine, run, command, done).await
        })
        .await?
        .print(context.json)
}

/// Sends a command, and answers with where the run stands then.
pub(crate) async fn send(
    engine: &Engine,
    run: RunId,
    command: Command,
    done: &str,
) -> Result<Answer, Failure> {
    let answer = engine.command(run, command).await?;
    let shown = async {
        let mut detail = engine.run(run).await?;
        engine.note_newer_work(&mut detail).await?;
        Ok::<_, Failure>(detail)
    };
    let detail = shown.await.map_err(|why| Failure::after(answer, why))?;
    let row = &detail.row;
    let text = format!(
        "{done} run {}: {}\n{}",
        row.number,
        line(&row.title),
        show::standing(&detail, jiff::Timestamp::now())
    );
    Answer::new(text, &show::standing_as_json(row, answer))
}
