//! `holdpoint locks`: who holds the locks on items, and who waits for them.

use std::collections::BTreeMap;

use holdpoint::{
    core::{Action, Command, ItemName, Refusal, RefusalCode},
    engine::LockRow,
};
use serde_json::json;

use crate::{
    arguments::locks::{LockBreak, Locks, LocksCommand},
    command::{run, show},
    context::Context,
    failure::Failure,
    output::{Answer, line, table, time},
};

/// Does what `locks` says.
pub(crate) async fn locks(context: &Context, locks: Locks) -> Result<Answer, Failure> {
    match locks.command {
        None => list(context).await,
        Some(LocksCommand::Break(asked)) => take(context, asked).await,
    }
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let (rows, several) = context
        .with_engine_to_read(async |engine| {
            if let Some(name) = &context.project
                && engine.project(name).is_none()
            {
                context.project(engine)?;
            }
            let rows = engine.locks(context.project.as_ref()).await?;
            Ok((rows, engine.projects().len() > 1))
        })
        .await?;
    let named = |row: &LockRow| {
        if several { format!("{}/{}", row.project, row.number) } else { row.number.to_string() }
    };
    let mut text = if rows.is_empty() {
        "no locks\n".to_owned()
    } else {
        table(
            &["ITEM", "RUN", "", "SINCE (UTC)"],
            rows.iter().map(|row| {
                let how = if row.held { "holds it" } else { "waits for it" };
                vec![row.item.to_string(), named(row), how.to_owned(), time(row.since)]
            }),
        )
    };
    let broken: BTreeMap<String, &String> =
        rows.iter().filter_map(|row| Some((named(row), row.broken.as_ref()?))).collect();
    for (run, why) in broken {
        text.push_str(&format!(
            "run {run} is broken and gives nothing back by itself: {}\n  an owner takes a lock from it with \
             `holdpoint locks break ITEM --reason TEXT`\n",
            line(why)
        ));
    }
    Answer::new(text, &json!({ "locks": rows }))
}

/// Takes a lock from the run that holds it.
async fn take(context: &Context, asked: LockBreak) -> Result<Answer, Failure> {
    let LockBreak { item, reason, acting } = asked;
    let who = acting.who()?;
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            let rows = engine.locks(Some(project.id())).await?;
            let holder = holder(&rows, &item).ok_or_else(|| {
                Refusal::new(RefusalCode::NotAwaited, format!("no run holds the lock on `{item}`"))
                    .needs("`holdpoint locks` lists the locks that are held")
            })?;
            let command = Command {
                id: who.command,
                actor: who.actor,
                auth: who.auth,
                trace: None,
                action: Action::BreakLock { item: item.clone(), reason },
            };
            let done = format!("broke the lock on `{item}` of");
            if !rows.iter().any(|row| row.run == holder && row.broken.is_some()) {
                return run::send(engine, holder, command, &done).await;
            }
            let answer = engine.command(holder, command).await?;
            let row = engine.row(holder).await.map_err(|why| Failure::after(answer, why.into()))?;
            let text = format!("{done} run {}: {}\n", row.number, line(&row.state));
            Answer::new(text, &show::standing_as_json(&row, answer))
        })
        .await
}

fn holder(rows: &[LockRow], item: &ItemName) -> Option<holdpoint::core::RunId> {
    rows.iter().find(|row| row.held && row.item == *item).map(|row| row.run)
}
