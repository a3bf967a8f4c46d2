//! `holdpoint lockdown`: imposes, previews, releases and lists lockdowns.

use holdpoint::{
    core::{Lockdown, LockdownScope, Project, ProjectAction, ProjectCommand},
    engine::{Engine, InScope, RunFilter},
};
use serde_json::json;

use crate::{
    arguments::lockdown::{Impose, LockdownCommand},
    context::Context,
    failure::Failure,
    output::{Answer, count, table, time},
};

/// Does what `command` says.
pub(crate) async fn lockdown(
    context: &Context,
    command: LockdownCommand,
) -> Result<Answer, Failure> {
    match command {
        LockdownCommand::Impose(arguments) => impose(context, arguments).await,
        LockdownCommand::Release { lockdown, reason, acting } => {
            let who = acting.who()?;
            let action = ProjectAction::ReleaseLockdown { lockdown, reason };
            let (id, actor, auth) = (who.command, who.actor, who.auth);
            let command = ProjectCommand { id, actor, auth, trace: None, action };
            context
                .with_engine_at_rest(async |engine| {
                    let project = context.project(engine)?;
                    let held = held(engine, &project, lockdown).await?;
                    let answer = engine.change_project(project.id(), command).await?;
                    let text = format!(
                        "released the lockdown {lockdown}, which held {}; `holdpoint work` takes {} up\n",
                        count(held.len() as u64, "run"),
                        if held.len() == 1 { "it" } else { "them" },
                    );
                    let json = json!({
                        "project": project.id(),
                        "lockdown": lockdown,
                        "held": held,
                        "version": answer.version,
                        "sequence": answer.sequence,
                    });
                    Answer::new(text, &json)
                })
                .await
        }
        LockdownCommand::List => list(context).await,
    }
}

async fn impose(context: &Context, arguments: Impose) -> Result<Answer, Failure> {
    let Impose { reason, definition, except, items, dry_run, acting } = arguments;
    let scope = LockdownScope {
        definitions: definition.into_iter().collect(),
        except: except.into_iter().collect(),
        items,
    };
    let who = acting.who()?;
    let action = ProjectAction::ImposeLockdown { scope: scope.clone(), reason };
    let command =
        ProjectCommand { id: who.command, actor: who.actor, auth: who.auth, trace: None, action };
    context
        .with_engine_unless_dry(dry_run, async |engine| {
            let project = context.project(engine)?;
            // What would be refused is refused in a preview, too.
            Project::decide(Some(&project), project.id(), &command)?;
            let runs = engine.in_scope(&project, &scope).await?;
            let starting = runs.iter().filter(|one| one.starts).count() as u64;
            let words = scope_in_words(&scope);
            let mut answer = json!({ "project": project.id(), "scope": scope, "runs": runs });
            let mut text = if dry_run {
                format!("a lockdown of {words} would hold {}", count(starting, "run"))
            } else {
                let done = engine.change_project(project.id(), command.clone()).await?;
                let now = context.project(engine)?;
                // A command that is answered again need not be the last.
                let is_asked = |one: &&Lockdown| one.scope == scope;
                let number = now.lockdowns().iter().filter(is_asked).last();
                let number = number.map_or(0, |one| one.lockdown);
                if let Some(members) = answer.as_object_mut() {
                    members.insert("lockdown".to_owned(), json!(number));
                    members.insert("version".to_owned(), json!(done.version));
                    members.insert("sequence".to_owned(), json!(done.sequence));
                }
                format!(
                    "lockdown {number} of {words} is in force: {} will be held",
                    count(starting, "run")
                )
            };
            let under_way = runs.iter().filter(|one| one.works).count();
            text.push_str(&match under_way {
                0 => "; nothing is under way\n".to_owned(),
                some => format!("; {} under way, which finishes\n", count(some as u64, "run")),
            });
            if !runs.is_empty() {
                text.push_str(&listed(&runs));
            }
            Answer::new(text, &answer)
        })
        .await
}

fn listed(runs: &[InScope]) -> String {
    let rows = runs.iter().map(|InScope { row, starts, works }| {
        let becomes = match (starts, works) {
            (true, true) => "finishes what is begun, then held",
            (true, false) => "held before it begins work",
            (false, _) => "finishes",
        };
        let definition = format!("{} v{}", row.definition.name, row.definition.version);
        vec![
            row.number.to_string(),
            row.title.clone(),
            definition,
            row.state.clone(),
            becomes.to_owned(),
        ]
    });
    table(&["RUN", "TITLE", "DEFINITION", "STATE", "WHAT BECOMES OF IT"], rows)
}

/// Which runs a lockdown is about.
pub(crate) fn scope_in_words(scope: &LockdownScope) -> String {
    let names = |names: &std::collections::BTreeSet<holdpoint::core::DefinitionName>| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    let mut words = if scope.definitions.is_empty() {
        "all runs".to_owned()
    } else {
        format!("runs of {}", names(&scope.definitions))
    };
    if let Some(items) = &scope.items {
        words.push_str(&format!(" that touch {items}"));
    }
    if !scope.except.is_empty() {
        words.push_str(&format!(" but not of {}", names(&scope.except)));
    }
    words
}

/// The numbers of the runs that a lockdown holds.
async fn held(engine: &Engine, project: &Project, lockdown: u32) -> Result<Vec<u64>, Failure> {
    let filter = RunFilter { project: Some(project.id().clone()), ..RunFilter::default() };
    let rows = engine.runs(&filter).await?;
    let mut held: Vec<u64> = rows
        .into_iter()
        .filter(|row| row.lockdowns.contains(&lockdown))
        .map(|row| row.number)
        .collect();
    held.sort_unstable();
    Ok(held)
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let (project, holds) = context
        .with_engine_to_read(async |engine| {
            let project = context.project(engine)?;
            let mut holds = Vec::new();
            for one in project.lockdowns().iter() {
                holds.push(held(engine, &project, one.lockdown).await?);
            }
            Ok((project, holds))
        })
        .await?;
    if holds.is_empty() {
        let text = format!("no lockdown is in force in the project `{}`\n", project.id());
        return Answer::new(text, &json!({ "project": project.id(), "lockdowns": [] }));
    }
    let all = || project.lockdowns().iter().zip(&holds);
    let text = table(
        &["LOCKDOWN", "SCOPE", "BY", "SINCE (UTC)", "HOLDS", "REASON"],
        all().map(|(Lockdown { lockdown, scope, reason, by, since }, held)| {
            vec![
                lockdown.to_string(),
                scope_in_words(scope),
                by.member().map_or_else(|| "engine".to_owned(), ToString::to_string),
                time(*since),
                count(held.len() as u64, "run"),
                reason.clone(),
            ]
        }),
    );
    let json: Vec<_> = all()
        .map(|(one, held)| {
            serde_json::to_value(one).map(|mut value| {
                if let Some(members) = value.as_object_mut() {
                    members.insert("held".to_owned(), json!(held));
                }
                value
            })
        })
        .collect::<Result<_, _>>()?;
    Answer::new(text, &json!({ "project": project.id(), "lockdowns": json }))
}
