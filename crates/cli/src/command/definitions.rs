//! `holdpoint definitions`: publishes, lists, prints and checks definitions.

use std::path::Path;

use holdpoint::{
    core::{DefinitionName, ProjectAction, ProjectCommand, ReleaseRule},
    definition::{Definition, Diagnostics, LANGUAGE},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Acting, DefinitionsCommand},
    command::{authority, check, project::change},
    context::Context,
    failure::Failure,
    output::{Answer, cut, table},
    text_file,
};

/// No definition is longer, in bytes; the language's own limit is lower.
pub(crate) const SOURCE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Does what `command` says.
pub(crate) async fn definitions(
    context: &Context,
    command: DefinitionsCommand,
) -> Result<(), Failure> {
    let answer = match command {
        DefinitionsCommand::Publish { file, release, acting } => {
            publish(context, &file, release.as_deref(), &acting).await
        }
        DefinitionsCommand::Govern { by, state, off: _, reason, acting } => {
            let states = state.into_iter().collect();
            let rule = by.map(|definition| ReleaseRule { definition, states });
            govern(context, rule, reason, &acting).await
        }
        DefinitionsCommand::List => list(context).await,
        DefinitionsCommand::Show { name, version } => show(context, &name, version).await,
        DefinitionsCommand::Authority { name, version } => {
            authority::authority(context, name.as_ref(), version).await
        }
        DefinitionsCommand::Check(arguments) => {
            return check::check(context, &arguments).await;
        }
    };
    answer?.print(context.json)
}

async fn govern(
    context: &Context,
    rule: Option<ReleaseRule>,
    reason: String,
    acting: &Acting,
) -> Result<Answer, Failure> {
    let who = acting.who()?;
    let done = match &rule {
        None => "what is published need not be released by a run any more".to_owned(),
        Some(rule) => format!("what is published is released by a run of `{}`", rule.definition),
    };
    let action = ProjectAction::GovernPublishing { rule, reason };
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            change(engine, project.id(), action, who, &done).await
        })
        .await
}

async fn publish(
    context: &Context,
    file: &Path,
    release: Option<&str>,
    acting: &Acting,
) -> Result<Answer, Failure> {
    let who = acting.who()?;
    let source = read(file)?;
    let checked = parse(file, &source)?;
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            let release = match release {
                Some(run) => Some(context.run(engine, run).await?),
                None => None,
            };
            let action = engine.publication(LANGUAGE, &source, release)?;
            let (id, actor, auth) = (who.command, who.actor, who.auth);
            let command = ProjectCommand { id, actor, auth, trace: None, action };
            let answer = engine.change_project(project.id(), command).await?;
            let definition = &checked.definition;
            let (name, version) = (definition.name(), definition.version());
            let mut text = format!(
                "{}published `{name}` v{version} in the project `{}`\n",
                checked.warnings,
                project.id(),
            );
            let too_few = authority::too_few(definition, &project);
            for line in &too_few {
                text.push_str(&format!("note: {line}\n"));
            }
            let json = json!({
                "project": project.id(),
                "name": name,
                "definition_version": version,
                "warnings": findings(&checked.warnings),
                "too_few": too_few,
                "version": answer.version,
                "sequence": answer.sequence,
            });
            Answer::new(text, &json)
        })
        .await
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let text = if project.definitions().next().is_none() {
        format!("no definition is published in the project `{}`\n", project.id())
    } else {
        table(
            &["DEFINITION", "VERSION", "TITLE", "DIGEST"],
            project.definitions().map(|one| {
                vec![
                    one.reference.name.to_string(),
                    one.reference.version.to_string(),
                    cut(&one.title),
                    one.reference.digest.to_string(),
                ]
            }),
        )
    };
    let definitions: Vec<_> = project.definitions().collect();
    Answer::new(text, &json!({ "project": project.id(), "definitions": definitions }))
}

async fn show(
    context: &Context,
    name: &DefinitionName,
    version: Option<u32>,
) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let found = project.definition(name, version)?;
    let mut json = serde_json::to_value(found)?;
    if let Value::Object(members) = &mut json {
        members.insert("source".to_owned(), Value::String(found.source.clone()));
    }
    Answer::new(found.source.clone(), &json)
}

/// Reads a definition's file.
pub(crate) fn read(file: &Path) -> Result<String, Failure> {
    read_as(file, "a definition", "docs/definitions.md")
}

/// Reads a YAML file of `what`, which is described on the page.
pub(crate) fn read_as(file: &Path, what: &str, page: &str) -> Result<String, Failure> {
    text_file::read(file, SOURCE_BYTES_MAX).map_err(|reason| {
        let name = what.trim_start_matches("a ");
        Failure::usage(
            format!("the {name} `{}` cannot be read: {reason}", file.display()),
            format!("give a file with {what} in YAML, as {page} describes it"),
        )
    })
}

/// Parses what was read of a file.
pub(crate) fn parse(file: &Path, source: &str) -> Result<holdpoint::definition::Checked, Failure> {
    Definition::parse(&file.display().to_string(), source).map_err(Failure::Findings)
}

/// Findings as JSON.
pub(crate) fn findings(findings: &Diagnostics) -> Vec<Value> {
    findings
        .iter()
        .map(|one| {
            json!({
                "code": one.code.as_str(),
                "severity": one.code.severity().to_string(),
                "message": one.message,
                "file": findings.file(),
                "line": one.line,
                "column": one.column,
                "end_line": findings.end(one).0,
                "end_column": findings.end(one).1,
                "help": one.help,
            })
        })
        .collect()
}
