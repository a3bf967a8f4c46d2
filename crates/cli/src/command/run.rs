//! `holdpoint approve`, `reject`, `cancel` and the like: what people tell a run.

use holdpoint::{
    core::{Action, Command, EffectId, MemberId, Ruling, RunId},
    engine::Engine,
};

use crate::{
    arguments::tell::{On, Tell, Told},
    command::{
        cancel, show,
        votes::{self, Ballot},
    },
    context::Context,
    failure::Failure,
    output::{Answer, line, tell as tell_user},
};

/// Tells a run something, or votes on several.
pub(crate) async fn tell(context: &Context, tell: Tell) -> Result<(), Failure> {
    let name = tell.name();
    let Told { on, action, done } = tell.told()?;
    let (run, acting) = match on {
        On::Run(run, acting) => (run, acting),
        On::Votes(on) => return votes::vote(context, on, Ballot { name, action, done }).await,
        On::Cancelled(which, of, acting) => {
            return cancel::cancel(context, (which, of, acting), action).await;
        }
    };
    let who = acting.who()?;
    let command =
        Command { id: who.command, actor: who.actor, auth: who.auth, trace: None, action };
    context
        .with_engine_at_rest(async |engine| {
            let run = context.run(engine, &run.run).await?;
            let last = match &command.action {
                Action::Settle { effect, ruling: Ruling::Again, .. } => {
                    last_settler(engine, run, effect.as_ref()).await
                }
                _ => None,
            };
            let answer = send(engine, run, command, done).await?;
            if let (Some((effect, last)), false) = (last, context.json) {
                tell_user(&format!(
                    "warning: `{last}` was the last who could say what became of `{effect}`: should the end of the \
                     next attempt be unknown too, nobody could, unless somebody else becomes one who can, such as by \
                     `holdpoint project role grant`\n"
                ));
            }
            Ok(answer)
        })
        .await?
        .print(context.json)
}

/// The attempt that is meant, and the last who may say what became of it, if it is that one who says it.
async fn last_settler(
    engine: &Engine,
    run: RunId,
    effect: Option<&EffectId>,
) -> Option<(EffectId, MemberId)> {
    // What cannot be shown is refused, or not known, for its own reason.
    let unknown = engine.run(run).await.ok()?.view.unknown;
    let meant =
        unknown.into_iter().find(|one| effect.is_none_or(|effect| one.effect == *effect))?;
    Some((meant.effect, meant.last?))
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
