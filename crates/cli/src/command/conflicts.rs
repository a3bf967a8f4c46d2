//! `holdpoint conflicts`: the runs that touch the same or related items at overlapping times.

use holdpoint::{
    core::{
        Action, Command,
        conflict::{Overlap, Relation},
    },
    engine::ConflictRow,
};
use serde_json::{Value, json};

use crate::{
    arguments::conflicts::{ConflictAccept, Conflicts, ConflictsCommand},
    command::run,
    context::Context,
    failure::Failure,
    output::{Answer, cut, line, table},
};

/// Does what `conflicts` says.
pub(crate) async fn conflicts(context: &Context, asked: Conflicts) -> Result<Answer, Failure> {
    match asked.command {
        None => list(context, asked.run.as_deref()).await,
        Some(ConflictsCommand::Accept(asked)) => accept(context, asked).await,
    }
}

/// Lets a run go on in spite of a conflict.
async fn accept(context: &Context, asked: ConflictAccept) -> Result<Answer, Failure> {
    let ConflictAccept { run: named, with, reason, acting } = asked;
    let who = acting.who()?;
    context
        .with_engine_at_rest(async |engine| {
            let run = context.run(engine, &named).await?;
            let with = context.run(engine, &with).await?;
            let command = Command {
                id: who.command,
                actor: who.actor,
                auth: who.auth,
                trace: None,
                action: Action::AcceptConflict { with, reason },
            };
            run::send(engine, run, command, "accepted a conflict of").await
        })
        .await
}

/// Lists the conflicts of a project, or of one run.
async fn list(context: &Context, run: Option<&str>) -> Result<Answer, Failure> {
    let rows = context
        .with_engine_to_read(async |engine| match run {
            None => Ok(engine.conflicts(&*context.project(engine)?, None).await?),
            Some(named) => {
                let run = context.run(engine, named).await?;
                let row = engine.row(run).await?;
                let project = engine.project(&row.project).ok_or_else(|| {
                    Failure::usage(format!("there is no project `{}`", row.project), "")
                })?;
                Ok(engine.conflicts(&project, Some(run)).await?)
            }
        })
        .await?;
    let text = if rows.is_empty() {
        "no conflicts\n".to_owned()
    } else {
        table(
            &["RUN", "TITLE", "STATE", "WITH", "TITLE", "STATE", "BY"],
            rows.iter().map(|ConflictRow { run, with, items }| {
                vec![
                    run.number.to_string(),
                    cut(&run.title),
                    run.state.clone(),
                    with.number.to_string(),
                    cut(&with.title),
                    with.state.clone(),
                    by(items),
                ]
            }),
        )
    };
    Answer::new(text, &json!({ "conflicts": rows }))
}

/// The conflicts of one run, a line each.
pub(crate) fn warnings(rows: &[ConflictRow]) -> String {
    let warning = |ConflictRow { with, items, .. }: &ConflictRow| {
        let what =
            format!("run {} ({}) at `{}`: {}", with.number, with.title, with.state, by(items));
        format!("conflict: {}\n", line(&what))
    };
    rows.iter().map(warning).collect()
}

/// Adds the conflicts of one run to what is said of it, if there are some.
pub(crate) fn add(said: &mut Value, rows: &[ConflictRow]) -> Result<(), Failure> {
    if let Some(members) = said.as_object_mut().filter(|_| !rows.is_empty()) {
        members.insert("conflicts".to_owned(), serde_json::to_value(rows)?);
    }
    Ok(())
}

/// The items, of many the first.
fn by(items: &[Overlap]) -> String {
    let words = |Overlap { item, relation, other }: &Overlap| match relation {
        Relation::Same => format!("both touch {item}"),
        Relation::DependsOn => format!("{item} depends on {other}"),
        Relation::NeededBy => format!("{other} depends on {item}"),
    };
    let shown: Vec<String> = items.iter().take(3).map(words).collect();
    let more = items.len().saturating_sub(shown.len());
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
