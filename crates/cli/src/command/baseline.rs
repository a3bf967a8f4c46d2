//! `holdpoint baseline`: publishes, withdraws, shows and lists the baselines of a project.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use holdpoint::{
    core::{
        Actor, DefinitionName, Project, ProjectAction, ProjectCommand, PublishedBaseline,
        view::{BaselineView, ConditionStatus},
    },
    definition::Baseline,
    engine::{Below, Engine},
};
use serde_json::{Value, json};

use crate::{
    arguments::{Acting, baseline::BaselineCommand},
    command::{definitions::read_as, project::change},
    context::Context,
    failure::Failure,
    output::{Answer, count, line, table, time},
};

/// Does what `command` says.
pub(crate) async fn baseline(
    context: &Context,
    command: BaselineCommand,
) -> Result<Answer, Failure> {
    match command {
        BaselineCommand::Publish { file, reason, dry_run, acting } => {
            publish(context, &file, reason, dry_run, &acting).await
        }
        BaselineCommand::Withdraw { reason, acting } => {
            let who = acting.who()?;
            let action = ProjectAction::WithdrawBaseline { reason };
            let done = "no baseline is in force any more";
            context
                .with_engine_at_rest(async |engine| {
                    let project = context.project(engine)?;
                    change(engine, project.id(), action, who, done).await
                })
                .await
        }
        BaselineCommand::Show { revision, source } => show(context, revision, source).await,
        BaselineCommand::List => list(context).await,
    }
}

async fn publish(
    context: &Context,
    file: &Path,
    reason: String,
    dry_run: bool,
    acting: &Acting,
) -> Result<Answer, Failure> {
    let who = acting.who()?;
    let source = read_as(file, "a baseline", "docs/baseline.md")?;
    let parsed =
        Baseline::parse(&file.display().to_string(), &source).map_err(Failure::Findings)?;
    context
        .with_engine_unless_dry(dry_run, async |engine| {
            let project = context.project(engine)?;
            let read = engine.read_baseline(&source)?;
            let before = project.baseline();
            let (dropped, changed) = match before {
                Some(before) => differing(&stored(before)?, &parsed),
                None => (Vec::new(), Vec::new()),
            };
            let below = engine.below(&project, &source)?;
            let (name, title) = (read.baseline, read.title);
            let mut json = json!({
                "project": project.id(),
                "baseline": name,
                "requirements": read.requirements,
                "no_longer_demanded": dropped,
                "demanded_otherwise": changed,
                "below": below,
            });
            let action = ProjectAction::PublishBaseline {
                baseline: name.clone(),
                title,
                source: source.clone(),
                reason,
            };
            let command = ProjectCommand {
                id: who.command,
                actor: who.actor,
                auth: who.auth,
                trace: None,
                action,
            };
            let place = before.map_or_else(String::new, |before| {
                format!(", in place of {}", named(before))
            });
            let mut text = if dry_run {
                // What would be refused is refused in a preview, too.
                Project::decide(Some(&project), project.id(), &command)?;
                format!("the baseline `{name}` would be in force{place}\n")
            } else {
                let done = engine.change_project(project.id(), command).await?;
                let now = context.project(engine)?;
                let revision = now.baseline().map_or(0, |one| one.reference.revision);
                if let Value::Object(members) = &mut json {
                    members.insert("revision".to_owned(), json!(revision));
                    members.insert("version".to_owned(), json!(done.version));
                    members.insert("sequence".to_owned(), json!(done.sequence));
                }
                format!(
                    "published the baseline `{name}`, revision {revision}, in the project `{}`{place}\n",
                    project.id()
                )
            };
            if !dropped.is_empty() {
                text.push_str(&format!("no longer demanded: {}\n", dropped.join(", ")));
            }
            if !changed.is_empty() {
                text.push_str(&format!("demanded otherwise: {}\n", changed.join(", ")));
            }
            text.push_str(&below_in_words(&below));
            let there: BTreeSet<&str> =
                project.definitions().map(|one| one.reference.name.as_str()).collect();
            let unknown: Vec<(&str, &str)> =
                parsed.excepted().filter(|(_, definition)| !there.contains(definition)).collect();
            for (requirement, definition) in &unknown {
                text.push_str(&format!(
                    "warning: `{requirement}` excepts `{definition}`, and no definition of that name is published; \
                     published are: {}\n",
                    there.iter().copied().collect::<Vec<_>>().join(", ")
                ));
            }
            if let Value::Object(members) = &mut json {
                let unknown: Vec<Value> = unknown
                    .iter()
                    .map(|(requirement, definition)| {
                        json!({ "requirement": requirement, "definition": definition })
                    })
                    .collect();
                members.insert("unknown_exceptions".to_owned(), json!(unknown));
            }
            Answer::new(text, &json)
        })
        .await
}

/// The requirements of a baseline that another does not have, and those that it has otherwise.
fn differing(before: &Baseline, after: &Baseline) -> (Vec<String>, Vec<String>) {
    let kept: BTreeMap<&str, String> = after.in_words().collect();
    let (mut dropped, mut changed) = (Vec::new(), Vec::new());
    for (name, words) in before.in_words() {
        match kept.get(name) {
            None => dropped.push(name.to_owned()),
            Some(now) if *now != words => changed.push(name.to_owned()),
            Some(_) => {}
        }
    }
    (dropped, changed)
}

/// The published definitions that do not keep to a baseline.
fn below_in_words(below: &[Below]) -> String {
    if below.is_empty() {
        return "every published definition keeps to it\n".to_owned();
    }
    let mut by_name: BTreeMap<&DefinitionName, (Vec<String>, Vec<&str>)> = BTreeMap::new();
    for one in below {
        let (versions, lacking) = by_name.entry(&one.definition.name).or_default();
        versions.push(one.definition.version.to_string());
        for shortfall in &one.shortfalls {
            if !lacking.contains(&shortfall.requirement.as_str()) {
                lacking.push(&shortfall.requirement);
            }
        }
    }
    let rows = by_name.into_iter().map(|(name, (versions, lacking))| {
        vec![name.to_string(), versions.join(", "), lacking.join(", ")]
    });
    let many = below.len() as u64;
    format!(
        "{} not keep to it, and no run of {} is started while it is in force:\n{}",
        count(many, "published version") + if many == 1 { " does" } else { " do" },
        if many == 1 { "it" } else { "them" },
        table(&["DEFINITION", "VERSIONS", "LACKING"], rows),
    )
}

async fn show(context: &Context, revision: Option<u32>, source: bool) -> Result<Answer, Failure> {
    context
        .with_engine_to_read(async |engine| {
            let project = context.project(engine)?;
            let published = match revision {
                Some(revision) => project.baselines().find(revision)?,
                None => match project.baseline() {
                    Some(in_force) => in_force,
                    None => {
                        let text =
                            format!("no baseline is in force in the project `{}`\n", project.id());
                        let json = json!({ "project": project.id(), "baseline": null });
                        return Answer::new(text, &json);
                    }
                },
            };
            shown(engine, &project, published, source)
        })
        .await
}

fn shown(
    engine: &Engine,
    project: &Project,
    published: &PublishedBaseline,
    source: bool,
) -> Result<Answer, Failure> {
    let mut json = serde_json::to_value(published)?;
    let mut add = |key: &str, value: Value| {
        if let Value::Object(members) = &mut json {
            members.insert(key.to_owned(), value);
        }
    };
    let in_force = project
        .baseline()
        .is_some_and(|one| one.reference.revision == published.reference.revision);
    add("in_force", in_force.into());
    add("source", published.source.clone().into());
    if source {
        return Answer::new(
            published.source.clone(),
            &json!({ "project": project.id(), "baseline": json }),
        );
    }
    let below = engine.below(project, &published.source)?;
    add("below", json!(below));
    let parsed = stored(published)?;
    let requirements: Vec<Value> =
        parsed.in_words().map(|(name, words)| json!({ "name": name, "demands": words })).collect();
    add("requirements", requirements.into());
    let mut text = format!(
        "{}: {}\nrevision {}, {}, published {} by {}: {}\n{}\n\n",
        published.reference.name,
        line(&published.title),
        published.reference.revision,
        if in_force { "in force" } else { "not in force" },
        time(published.published),
        author(&published.by),
        line(&published.reason),
        published.reference.digest,
    );
    for (name, words) in parsed.in_words() {
        text.push_str(&format!("{name}: {}\n", line(&words)));
    }
    text.push('\n');
    text.push_str(&below_in_words(&below));
    Answer::new(text, &json!({ "project": project.id(), "baseline": json }))
}

async fn list(context: &Context) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let all: Vec<_> = project.baselines().iter().collect();
    if all.is_empty() {
        let text = format!("no baseline was published in the project `{}`\n", project.id());
        return Answer::new(text, &json!({ "project": project.id(), "baselines": [] }));
    }
    let last = all.len().saturating_sub(1);
    let mut json = Vec::new();
    let mut rows = Vec::new();
    for (n, (one, withdrawn)) in all.into_iter().enumerate() {
        let stands = match withdrawn {
            Some(by) => format!("withdrawn {} by {}: {}", time(by.at), author(&by.by), by.reason),
            None if n == last => "in force".to_owned(),
            None => "replaced".to_owned(),
        };
        let mut entry = serde_json::to_value(one)?;
        if let Value::Object(members) = &mut entry {
            members.insert("in_force".to_owned(), (n == last && withdrawn.is_none()).into());
            members.insert("withdrawn".to_owned(), json!(withdrawn));
        }
        json.push(entry);
        rows.push(vec![
            one.reference.revision.to_string(),
            one.reference.name.to_string(),
            author(&one.by),
            time(one.published),
            one.reason.clone(),
            stands,
        ]);
    }
    let text = table(&["REVISION", "BASELINE", "BY", "PUBLISHED (UTC)", "REASON", "STANDS"], rows);
    Answer::new(text, &json!({ "project": project.id(), "baselines": json }))
}

/// How a run stands to the baseline that it is judged by.
pub(crate) fn stands_in_words(view: &BaselineView) -> String {
    let BaselineView { reference, problem, requirements } = view;
    let mut text = format!("\nbaseline  {}, revision {}\n", reference.name, reference.revision);
    if let Some(problem) = problem {
        text.push_str(&format!("  error           {}\n", line(problem)));
    }
    for one in requirements {
        let status = match one.status {
            ConditionStatus::NotApplicable => "not applicable",
            ConditionStatus::Open => "open",
            ConditionStatus::Met => "met",
            ConditionStatus::Refused => "refused",
            ConditionStatus::Overridden => "overridden",
            ConditionStatus::Waived => "waived",
            ConditionStatus::Error => "error",
        };
        let met = match one.status {
            ConditionStatus::Overridden if one.met => ", met nevertheless",
            _ => "",
        };
        text.push_str(&format!("  {status:<14}  {}{met}: {}\n", one.name, line(&one.why)));
    }
    text
}

fn author(by: &Actor) -> String {
    by.member().map_or_else(|| "engine".to_owned(), ToString::to_string)
}

fn named(one: &PublishedBaseline) -> String {
    format!("`{}`, revision {}", one.reference.name, one.reference.revision)
}

/// A baseline of the project.
pub(crate) fn stored(published: &PublishedBaseline) -> Result<Baseline, Failure> {
    let file = format!("{}, revision {}", published.reference.name, published.reference.revision);
    Baseline::parse(&file, &published.source).map_err(Failure::Findings)
}
