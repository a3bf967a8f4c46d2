//! `holdpoint list`: the runs of a project, or of all.

use holdpoint::{
    core::RunStatus,
    engine::{Engine, QueryFailure, RunFilter, RunRow},
};
use serde_json::json;

use crate::{
    arguments::{List, Status},
    command::names::Projects,
    context::Context,
    failure::Failure,
    output::{Answer, cut, line, table, time},
};

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Working => "working",
            Self::Stuck => "stuck",
            Self::Ended => "ended",
        }
    }
}

/// A run's status in a word: its outcome, when it has ended.
pub(crate) fn status(status: &RunStatus) -> String {
    match status {
        RunStatus::Ended { outcome } => format!("ended: {outcome}"),
        other => other.as_str().to_owned(),
    }
}

/// How a run is called among those of a project, or of several.
pub(crate) fn named(row: &RunRow, several: bool) -> String {
    if several { format!("{}/{}", row.project, row.number) } else { row.number.to_string() }
}

fn most(limit: Option<u32>) -> usize {
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// The runs that owe what was due before now, at most so many; and those of which nobody can tell, with
/// why.
async fn overdue(
    engine: &Engine,
    rows: Vec<RunRow>,
    limit: Option<u32>,
) -> Result<(Vec<RunRow>, Vec<(RunRow, QueryFailure)>), Failure> {
    let limit = most(limit);
    let (mut found, mut unloadable) = (Vec::new(), Vec::new());
    for row in rows.into_iter().filter(|row| !row.status.is_ended()) {
        if found.len() >= limit {
            break;
        }
        match engine.run(row.id).await {
            Ok(detail) if detail.view.duties.iter().any(|duty| duty.overdue) => found.push(row),
            Ok(_) => {}
            Err(failure) if failure.is_of_the_run() => unloadable.push((row, failure)),
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok((found, unloadable))
}

/// Lists runs.
pub(crate) async fn list(context: &Context, arguments: &List) -> Result<Answer, Failure> {
    let (rows, unloadable, several) = context
        .with_engine_to_read(async |engine| {
            let projects = Projects::meant(context, engine)?;
            let parent = match &arguments.children {
                Some(run) => Some(context.run(engine, run).await?),
                None => None,
            };
            let by = &arguments.filter;
            let filter = RunFilter {
                parent,
                project: context.project.clone(),
                status: arguments.status.map(|status| status.as_str().to_owned()),
                // The read model knows no other filter.
                limit: arguments.limit.filter(|_| !arguments.overdue && by.is_empty()),
            };
            let mut rows = engine.runs(&filter).await?;
            projects.filter(by, &rows)?;
            rows.retain(|row| by.takes(row));
            let mut unloadable = Vec::new();
            if arguments.overdue {
                (rows, unloadable) = overdue(engine, rows, arguments.limit).await?;
            }
            rows.truncate(most(arguments.limit));
            Ok((rows, unloadable, engine.projects().len() > 1))
        })
        .await?;
    let mut text = if rows.is_empty() {
        "no runs\n".to_owned()
    } else {
        table(
            &["RUN", "TITLE", "DEFINITION", "STATE", "STATUS", "REQUESTER", "UPDATED (UTC)"],
            rows.iter().map(|row| {
                let number = named(row, several);
                let definition = format!("{} v{}", row.definition.name, row.definition.version);
                let requester =
                    row.requester.member().map_or_else(|| "engine".to_owned(), ToString::to_string);
                vec![
                    number,
                    cut(&row.title),
                    definition,
                    cut(&row.state),
                    if row.waits_for_configuration() {
                        format!("no `{}` here", row.unconfigured.join("`, `"))
                    } else if row.lockdowns.is_empty() {
                        status(&row.status)
                    } else {
                        let numbers: Vec<_> =
                            row.lockdowns.iter().map(ToString::to_string).collect();
                        format!("{}: lockdown {}", status(&row.status), numbers.join(", "))
                    },
                    requester,
                    time(row.updated),
                ]
            }),
        )
    };
    let mut json = json!({ "runs": rows });
    if !unloadable.is_empty() {
        let mut told = Vec::new();
        for (row, why) in &unloadable {
            text.push_str(&format!(
                "run {} cannot be looked at: {}\n",
                named(row, several),
                line(&why.to_string())
            ));
            told.push(json!({
                "run": row.id, "number": row.number, "project": row.project, "why": why.to_string(),
            }));
        }
        if let Some(members) = json.as_object_mut() {
            members.insert("unloadable".to_owned(), told.into());
        }
    }
    Answer::new(text, &json)
}
