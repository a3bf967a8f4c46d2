//! `holdpoint definitions authority`: what definitions ask of people, and which members of a project could do
//! it now.

use std::collections::BTreeSet;

use holdpoint::{
    core::{DefinitionName, Project, project::PublishedDefinition},
    definition::{Authority, Definition, LANGUAGE},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    context::Context,
    failure::Failure,
    output::{Answer, count, table},
};

/// How many conditions that too few could meet are told of where a definition is published.
const TOLD_MAX: usize = 3;

/// Lists it for a version of a definition, or for the highest of each.
pub(super) async fn authority(
    context: &Context,
    name: Option<&DefinitionName>,
    version: Option<u32>,
) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let named = match name {
        Some(name) => vec![project.definition(name, version)?],
        None => {
            let names: BTreeSet<_> = project.definitions().map(|one| &one.reference.name).collect();
            names
                .into_iter()
                .map(|name| project.definition(name, None))
                .collect::<Result<Vec<_>, _>>()?
        }
    };
    let now = Timestamp::now();
    let (mut text, mut json) = (String::new(), Vec::new());
    for one in named {
        let asked = of(one, &project, now)?;
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&in_words(one, asked.as_deref()));
        json.push(as_json(one, asked.as_deref()));
    }
    if text.is_empty() {
        text = format!("no definition is published in the project `{}`\n", project.id());
    }
    Answer::new(text, &json!({ "project": project.id(), "definitions": json }))
}

/// What a published definition asks; nothing is known of one in another language.
fn of(
    published: &PublishedDefinition,
    project: &Project,
    now: Timestamp,
) -> Result<Option<Vec<Authority>>, Failure> {
    if published.language != LANGUAGE {
        return Ok(None);
    }
    let definition = Definition::published(&published.source).map_err(Failure::Findings)?;
    Ok(Some(definition.authority(project, now)))
}

fn in_words(published: &PublishedDefinition, asked: Option<&[Authority]>) -> String {
    let (name, version) = (&published.reference.name, published.reference.version);
    let head = format!("`{name}` v{version}");
    let Some(asked) = asked else {
        return format!("{head}: it is written in `{}`, and its own to say\n", published.language);
    };
    if asked.is_empty() {
        return format!("{head} asks nothing of people\n");
    }
    let rows = asked.iter().map(|one| {
        let members: Vec<&str> = one.members.iter().map(|member| member.as_str()).collect();
        let members = if members.is_empty() { "nobody".to_owned() } else { members.join(", ") };
        let few = if one.lacks > 0 { format!(" ({} too few)", one.lacks) } else { String::new() };
        let need = if one.is_needed { one.need.to_string() } else { format!("({})", one.need) };
        vec![one.state.clone(), one.what.clone(), need, one.whom.clone(), members + &few]
    });
    let mut text = format!("{head}\n");
    text.push_str(&table(&["STATE", "WHAT", "NEED", "OF", "COULD NOW"], rows));
    text
}

fn as_json(published: &PublishedDefinition, asked: Option<&[Authority]>) -> Value {
    json!({
        "name": published.reference.name,
        "definition_version": published.reference.version,
        "authority": asked,
    })
}

/// A line for each condition that runs wait for and too few members could meet, and for each witness point at
/// which nobody could object.
pub(super) fn too_few(definition: &Definition, project: &Project) -> Vec<String> {
    let asked = definition.authority(project, Timestamp::now());
    let few: Vec<&Authority> = asked
        .iter()
        .filter(|one| (one.is_needed && one.lacks > 0) || one.is_unwitnessed())
        .collect();
    let mut lines: Vec<String> = few
        .iter()
        .take(TOLD_MAX)
        .map(|one| {
            let could = match one.need.saturating_sub(one.lacks) {
                0 => "nobody in the project could".to_owned(),
                there => format!("{} could", count(there, "member")),
            };
            if one.is_unwitnessed() {
                return format!(
                    "`{}` goes on by itself unless somebody objects, of {}: {could}",
                    one.state, one.whom
                );
            }
            format!(
                "`{}` waits for {} of {} ({}): {could}",
                one.state, one.need, one.whom, one.what
            )
        })
        .collect();
    if few.len() > TOLD_MAX {
        let more = few.len().saturating_sub(TOLD_MAX);
        lines.push(format!("{more} more: `holdpoint definitions authority {}`", definition.name()));
    }
    lines
}
