//! `holdpoint items`: the configuration items of a project.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use holdpoint::{
    core::{
        CommandId, Item, ItemName, NamedItem, Project, ProjectAction, ProjectCommand, RunAnswer,
        Selector, item::ITEMS_AT_ONCE_MAX,
    },
    engine::Engine,
    inventory::{Declared, Difference, Format, Options, Rest, read},
};
use serde_json::{Value, json};

use crate::{
    arguments::items::{Change, Form, ItemsCommand},
    context::{Context, Who},
    failure::Failure,
    output::{Answer, count, line, table},
    text_file,
};

/// The largest inventory that is read, in bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many differences are told: those of a large import fill no screen.
const LINES_MAX: usize = 40;

/// Does what `command` says.
pub(crate) async fn items(context: &Context, command: ItemsCommand) -> Result<Answer, Failure> {
    match command {
        ItemsCommand::List { select } => list(context, select.as_ref()).await,
        ItemsCommand::Show { name } => show(context, &name).await,
        ItemsCommand::Set { file, how } => {
            let is_json = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
            let format = if is_json { Format::Json } else { Format::Yaml };
            change(context, declared(&file, format, &Options::default())?, &how).await
        }
        ItemsCommand::Import { file, format, labels, how } => {
            let format = match format {
                Form::AnsibleIni => Format::AnsibleIni,
                Form::AnsibleYaml => Format::AnsibleYaml,
                Form::Csv => Format::Csv,
                Form::Json => Format::Json,
                Form::Yaml => Format::Yaml,
            };
            let labels: BTreeSet<_> = labels.into_iter().collect();
            let options = Options { labels: (!labels.is_empty()).then_some(labels) };
            let declared = declared(&file, format, &options)?;
            if how.prune && declared.items.is_empty() {
                return Err(Failure::usage(
                    format!(
                        "`{}` names no item, so that `--prune` would remove all",
                        file.display()
                    ),
                    "give the whole inventory, or take items out with `holdpoint items remove`",
                ));
            }
            change(context, declared, &how).await
        }
        ItemsCommand::Remove { names, acting } => {
            let difference = Difference { removed: names, ..Difference::default() };
            let who = acting.who()?;
            context
                .with_engine_at_rest(async |engine| {
                    let project = context.project(engine)?;
                    let answer = send(engine, &project, &difference, who).await?;
                    told(&project, &difference, &Declared::default(), Some(answer))
                })
                .await
        }
    }
}

fn declared(file: &Path, format: Format, options: &Options) -> Result<Declared, Failure> {
    let (name, text) = if file == Path::new("-") {
        ("standard input".to_owned(), text_file::read_stdin(FILE_BYTES_MAX))
    } else {
        (file.display().to_string(), text_file::read(file, FILE_BYTES_MAX))
    };
    let text = text.map_err(|reason| {
        Failure::usage(
            format!("`{name}` cannot be read: {reason}"),
            "give the file with the inventory, in UTF-8",
        )
    })?;
    Ok(read(format, &name, &text, options)?)
}

/// Makes the items as they are declared.
async fn change(context: &Context, declared: Declared, how: &Change) -> Result<Answer, Failure> {
    let who = if how.dry_run { None } else { Some(how.acting.who()?) };
    let rest = if how.prune { Rest::Remove } else { Rest::Keep };
    context
        .with_engine_unless_dry(how.dry_run, async |engine| {
            let project = context.project(engine)?;
            let difference = declared.against(project.items(), rest)?;
            let answer = match who {
                Some(who) => Some(send(engine, &project, &difference, who).await?),
                None => None,
            };
            told(&project, &difference, &declared, answer)
        })
        .await
}

/// Sends a change, in as many commands as it takes: what others depend on is set before them, and
/// removed after them.
async fn send(
    engine: &Engine,
    project: &Project,
    difference: &Difference,
    who: Who,
) -> Result<RunAnswer, Failure> {
    let mut set = difference.set();
    let mut remove = project.items().in_order(&difference.removed);
    remove.reverse();
    let mut id = who.command;
    loop {
        let rest = set.split_off(set.len().min(ITEMS_AT_ONCE_MAX));
        let room = ITEMS_AT_ONCE_MAX.saturating_sub(set.len());
        // What goes may be what is still depended upon by what is yet to be set.
        let room = if rest.is_empty() { room } else { 0 };
        let left = remove.split_off(remove.len().min(room));
        let action = ProjectAction::ChangeItems { set, remove };
        let (actor, auth) = (who.actor.clone(), who.auth.clone());
        let command = ProjectCommand { id, actor, auth, trace: None, action };
        let answer = engine.change_project(project.id(), command).await?;
        if rest.is_empty() && left.is_empty() {
            return Ok(answer);
        }
        (set, remove) = (rest, left);
        id = CommandId::from_uuid(uuid::Uuid::now_v7());
    }
}

fn told(
    project: &Project,
    difference: &Difference,
    declared: &Declared,
    answer: Option<RunAnswer>,
) -> Result<Answer, Failure> {
    let Difference { added, changed, removed, unchanged } = difference;
    let mut lines: Vec<String> = added.iter().map(|one| format!("+ {}", in_words(one))).collect();
    for one in changed {
        lines.push(format!("~ {}", one.name));
        lines.extend(differences(&one.before, &one.after));
    }
    lines.extend(removed.iter().map(|name| format!("- {name}")));
    let more = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if more > 0 {
        lines.push(format!("and {}; `--json` has them all", count(more as u64, "more line")));
    }
    let mut parts: Vec<String> =
        [(added.len(), "added"), (changed.len(), "changed"), (removed.len(), "removed")]
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, what)| format!("{} {what}", count(*number as u64, "item")))
            .collect();
    if *unchanged > 0 {
        parts.push(format!("{} as before", count(*unchanged as u64, "item")));
    }
    lines.push(if parts.is_empty() {
        "no item is named, and none changed".to_owned()
    } else {
        parts.join(", ")
    });
    for (names, why) in [
        (
            &declared.secrets,
            "may be secrets, and did not become labels; name those that are none with `--label`",
        ),
        (
            &declared.unfit,
            "cannot be labels: by name, or by a value that is long, of several lines, or a template",
        ),
    ] {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("left out: {} {why}", names.join(", ")));
        }
    }
    if answer.is_none() {
        lines.push("nothing was changed, as you asked with `--dry-run`".to_owned());
    }
    let text: String = lines.iter().map(|text| format!("{}\n", line(text))).collect();
    Answer::new(
        text,
        &json!({
            "project": project.id(),
            "version": answer.map(|answer| answer.version),
            "sequence": answer.map(|answer| answer.sequence),
            "added": added,
            "changed": changed
                .iter()
                .map(|one| json!({ "name": one.name, "before": one.before, "after": one.after }))
                .collect::<Vec<_>>(),
            "removed": removed,
            "unchanged": unchanged,
            "left_out": { "secrets": declared.secrets, "unfit": declared.unfit },
        }),
    )
}

fn in_words(NamedItem { name, item }: &NamedItem) -> String {
    let mut parts = vec![name.to_string()];
    parts.extend(item.labels.iter().map(|(label, value)| format!("{label}={value}")));
    let mut text = parts.join(" ");
    if !item.groups.is_empty() {
        text.push_str(&format!(", in {}", joined(&item.groups)));
    }
    if !item.depends_on.is_empty() {
        text.push_str(&format!(", depends on {}", joined(&item.depends_on)));
    }
    text
}

fn joined<T: ToString>(names: &BTreeSet<T>) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What differs between an item before and after, a line each.
fn differences(before: &Item, after: &Item) -> Vec<String> {
    let mut lines = Vec::new();
    let labels: BTreeSet<_> = before.labels.keys().chain(after.labels.keys()).collect();
    for label in labels {
        match (before.labels.get(label), after.labels.get(label)) {
            (Some(was), Some(is)) if was != is => lines.push(format!("    {label}: {was} -> {is}")),
            (None, Some(is)) => lines.push(format!("    {label}: {is}, which is new")),
            (Some(was), None) => lines.push(format!("    {label}: {was}, which goes")),
            _ => {}
        }
    }
    if before.groups != after.groups {
        lines.push(format!("    groups: {} -> {}", some(&before.groups), some(&after.groups)));
    }
    if before.depends_on != after.depends_on {
        let (was, is) = (some(&before.depends_on), some(&after.depends_on));
        lines.push(format!("    depends on: {was} -> {is}"));
    }
    lines
}

fn some<T: ToString>(names: &BTreeSet<T>) -> String {
    if names.is_empty() { "nothing".to_owned() } else { joined(names) }
}

async fn list(context: &Context, select: Option<&Selector>) -> Result<Answer, Failure> {
    let project: Arc<Project> =
        context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let selected: Vec<_> = project
        .items()
        .iter()
        .filter(|(name, item)| select.is_none_or(|select| select.matches(name, item)))
        .collect();
    let text = match (selected.is_empty(), select) {
        (true, Some(select)) => format!("no items are `{}`\n", line(&select.to_string())),
        (true, None) => "no items\n".to_owned(),
        (false, _) => listed(selected.iter().copied()),
    };
    let json: Vec<Value> = selected
        .iter()
        .map(|(name, item)| json!(NamedItem { name: (*name).clone(), item: (*item).clone() }))
        .collect();
    Answer::new(text, &json!({ "items": json }))
}

/// Items as a table.
pub(crate) fn listed<'i>(items: impl Iterator<Item = (&'i ItemName, &'i Item)>) -> String {
    table(
        &["ITEM", "LABELS", "GROUPS", "DEPENDS ON"],
        items.map(|(name, item)| {
            let labels = item.labels.iter().map(|(label, value)| format!("{label}={value}"));
            vec![
                name.to_string(),
                labels.collect::<Vec<_>>().join(" "),
                joined(&item.groups),
                joined(&item.depends_on),
            ]
        }),
    )
}

async fn show(context: &Context, name: &ItemName) -> Result<Answer, Failure> {
    let project = context.with_engine_to_read(async |engine| context.project(engine)).await?;
    let Some(item) = project.items().get(name.as_str()) else {
        return Err(Failure::usage(
            format!("there is no item `{name}`"),
            "`holdpoint items list` has the items there are",
        ));
    };
    let dependents: BTreeSet<_> = project.items().dependents(name.as_str()).into_iter().collect();
    let mut text = format!("{name}\n");
    for (label, value) in &item.labels {
        text.push_str(&format!("  {label}: {}\n", line(value)));
    }
    for (what, names) in [
        ("groups", joined(&item.groups)),
        ("depends on", joined(&item.depends_on)),
        ("depended upon by", joined(&dependents)),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("{what}: {names}\n"));
        }
    }
    let named = NamedItem { name: name.clone(), item: item.clone() };
    let mut json = json!(named);
    if let Some(members) = json.as_object_mut() {
        members.insert("depended_upon_by".to_owned(), json!(dependents));
    }
    Answer::new(text, &json)
}
