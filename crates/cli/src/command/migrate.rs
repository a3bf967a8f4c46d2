//! `holdpoint migrate`: has runs go on by another version of their definition, or says what that
//! would make of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use holdpoint::{
    core::{Action, Command, CommandId, Digest, MigrationPlan, Refusal, RunId},
    definition::MigrationMap,
    engine::{CommandFailure, Engine, RunFilter, RunRow},
};
use serde_json::json;

use crate::{
    arguments::migrate::{Migrate, Wanted},
    command::definitions,
    context::{Context, Who},
    failure::{Failure, unloadable},
    output::{Answer, count, line},
};

/// A run, and what becomes of it.
struct Told {
    row: RunRow,
    /// None for a command that was answered before.
    plan: Result<Option<MigrationPlan>, Refusal>,
}

/// Migrates runs. Of several, each that does not fit is told, and the others are migrated nevertheless.
pub(crate) async fn migrate(context: &Context, arguments: Migrate) -> Result<(), Failure> {
    let states = arguments
        .renamed()
        .map_err(|wrong| Failure::usage(wrong, "say `--map OLD=NEW` once for each old state"))?;
    let map = arguments.map_file.as_deref().map(read_map).transpose()?;
    let who = arguments.acting.who()?;
    let dry = arguments.dry_run;
    let reason = arguments.reason.clone().unwrap_or_else(|| "a dry run".to_owned());
    let (all, failure) = context
        .with_engine_unless_dry(dry, async |engine| {
            let rows = meant(context, engine, &arguments).await?;
            // What is found is not always the same: only what is named can be the only one.
            let alone = !arguments.all && rows.len() == 1;
            // Whatever is wrong with what was typed is found before anything is done.
            let mut meant = Vec::new();
            for row in rows {
                let to = version(engine, &row, &arguments.to)?;
                if arguments.all && row.definition.digest == to {
                    continue;
                }
                let states = match &map {
                    None => states.clone(),
                    Some(map) => mapped(engine, map, &row, &to, &states)?,
                };
                meant.push((row, to, states));
            }
            let mut all = Vec::new();
            for (row, to, states) in meant {
                let several = || who.command.to_one_of_several(row.id, None);
                let id = if alone { who.command } else { several() };
                let action = Action::Migrate { to, states, reason: reason.clone() };
                match one(engine, row.id, command(&who, id, action), dry).await {
                    Ok(plan) => all.push(Told { row, plan }),
                    // What was done for the runs before is told nevertheless.
                    Err(failure) => return Ok((all, Some(failure))),
                }
            }
            Ok((all, None))
        })
        .await?;
    if let ([Told { plan: Err(refusal), .. }], None) = (all.as_slice(), &failure) {
        return Err(Failure::Refused(refusal.clone()));
    }
    if failure.is_none() || !all.is_empty() {
        told(&all, dry)?.print(context.json)?;
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    let refused: Vec<&Refusal> = all.iter().filter_map(|one| one.plan.as_ref().err()).collect();
    match refused.first() {
        None => Ok(()),
        Some(first) => Err(Failure::Refused(
            Refusal::new(
                first.code,
                format!(
                    "{} of {} cannot be migrated so: {}",
                    refused.len(),
                    count(u64::try_from(all.len()).unwrap_or(u64::MAX), "run"),
                    first.message
                ),
            )
            .needs("each is told above"),
        )),
    }
}

fn read_map(file: &Path) -> Result<MigrationMap, Failure> {
    let source = definitions::read_as(file, "a migration's map", "docs/migrating.md")?;
    MigrationMap::parse(&file.display().to_string(), &source).map_err(Failure::Findings)
}

/// What the states of a run are called in the new version, by a file and by what was said beside it.
fn mapped(
    engine: &Engine,
    map: &MigrationMap,
    row: &RunRow,
    to: &Digest,
    beside: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let name = &row.definition.name;
    let other = |message: String| Failure::usage(message, "name another file, or leave it out");
    if map.definition() != name.as_str() {
        return Err(other(format!(
            "the file maps states of `{}`, and run {} is one of `{name}`",
            map.definition(),
            row.number
        )));
    }
    let project = engine
        .project(&row.project)
        .ok_or_else(|| Failure::usage(format!("there is no project `{}`", row.project), ""))?;
    let states = |version: u32| -> Option<BTreeSet<String>> {
        let published = project.definition(name, Some(version)).ok()?;
        let states = engine.states(&project, &published.reference.digest).ok()?;
        Some(states.into_iter().collect())
    };
    let found = map.check(&states);
    if found.has_errors() {
        return Err(Failure::Findings(found));
    }
    if project.definition(name, Some(map.to()))?.reference.digest != *to {
        return Err(other(format!(
            "the file leads to version {}, and `--to` to another",
            map.to()
        )));
    }
    let mut all = map.of(row.definition.version);
    for (old, new) in beside {
        if all.insert(old.clone(), new.clone()).is_some_and(|before| before != *new) {
            return Err(other(format!("`{old}` is mapped otherwise by the file")));
        }
    }
    Ok(all)
}

fn command(who: &Who, id: CommandId, action: Action) -> Command {
    Command { id, actor: who.actor.clone(), auth: who.auth.clone(), trace: None, action }
}

/// The runs that are meant, the oldest first.
async fn meant(
    context: &Context,
    engine: &Engine,
    arguments: &Migrate,
) -> Result<Vec<RunRow>, Failure> {
    let mut rows: Vec<RunRow> = Vec::new();
    if let Some(name) = arguments.definition.as_ref().filter(|_| arguments.all) {
        let project = context.project(engine)?;
        // A name that is misspelt must not pass for one without runs.
        project.definition(name, None)?;
        let filter = RunFilter { project: Some(project.id().clone()), ..RunFilter::default() };
        rows = engine.runs(&filter).await?;
        rows.retain(|row| !row.status.is_ended() && row.definition.name == *name);
        rows.reverse();
        return Ok(rows);
    }
    for run in context.runs(engine, &arguments.runs).await? {
        rows.push(engine.row(run).await?);
    }
    Ok(rows)
}

/// The digest of the version that a run is to go on by.
fn version(engine: &Engine, row: &RunRow, wanted: &Wanted) -> Result<Digest, Failure> {
    match wanted {
        Wanted::Digest(digest) => Ok(*digest),
        Wanted::Version(version) => {
            let project = engine.project(&row.project).ok_or_else(|| {
                Failure::usage(format!("there is no project `{}`", row.project), "")
            })?;
            Ok(project.definition(&row.definition.name, Some(*version))?.reference.digest)
        }
    }
}

async fn one(
    engine: &Engine,
    run: RunId,
    command: Command,
    dry: bool,
) -> Result<Result<Option<MigrationPlan>, Refusal>, Failure> {
    let plan = engine.plan_migration(run, &command).await;
    let done = match plan {
        plan if dry => plan.map(Some),
        // What was accepted before is answered again, although it would not fit now.
        plan => engine.command(run, command).await.map(|_| plan.ok()),
    };
    match done {
        Ok(plan) => Ok(Ok(plan)),
        Err(CommandFailure::Refused(refusal)) => Ok(Err(refusal)),
        Err(CommandFailure::Query(failure)) if failure.is_of_the_run() => {
            Ok(Err(unloadable(&failure)))
        }
        Err(failure) => Err(failure.into()),
    }
}

fn told(all: &[Told], dry: bool) -> Result<Answer, Failure> {
    let mut text = String::new();
    for Told { row, plan } in all {
        let run = format!("run {} ({})", row.number, line(&row.title));
        match plan {
            Ok(plan) => {
                let done = if dry { "would migrate" } else { "migrated" };
                let what = plan.as_ref().map(in_words).unwrap_or_default();
                text.push_str(&format!("{done} {run}\n{what}"));
            }
            Err(refusal) => {
                text.push_str(&format!("does not fit: {run}\n  because  {}\n", refusal.message));
                for way in &refusal.needed {
                    text.push_str(&format!("  help     {way}\n"));
                }
            }
        }
    }
    if all.is_empty() {
        text.push_str("there is no run to migrate\n");
    }
    let runs: Vec<_> = all
        .iter()
        .map(|Told { row, plan }| {
            json!({
                "run": row.id,
                "number": row.number,
                "project": row.project,
                "plan": plan.as_ref().ok(),
                "refused": plan.as_ref().err().map(|refusal| json!({
                    "code": refusal.code.as_str(),
                    "message": refusal.message,
                    "needed": refusal.needed,
                })),
            })
        })
        .collect();
    Answer::new(text, &json!({ "dry_run": dry, "runs": runs }))
}

fn in_words(plan: &MigrationPlan) -> String {
    let MigrationPlan { from, to, state, into, added, falls, stays, times, .. } = plan;
    let mut text = format!(
        "  from     version {} in `{state}`\n  to       version {} in `{into}`, entered anew\n",
        from.version, to.version
    );
    let mut say = |word: &str, what: &str| text.push_str(&format!("  {word:<8} {}\n", line(what)));
    if !added.is_empty() {
        say("input", &format!("gets the defaults of {}", added.join(", ")));
    }
    falls.iter().for_each(|one| say("falls", one));
    stays.iter().for_each(|one| say("stays", one));
    times.iter().for_each(|one| say("time", one));
    text
}
