//! The configuration items of a scenario: those that there are when it begins, and how they change
//! while it plays.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{GroupName, ItemName, Items, LabelName, NamedItem, item::ItemsChange};
use holdpoint_definition::{
    DiagnosticCode as Code,
    yaml::{Kind, Node},
};
use serde::Deserialize;
use serde_json::Value;

use crate::syntax::File;

const HELP: &str = "say `{ web-1: { labels: { env: prod }, groups: [web], depends_on: [db-1] } }`, or `{ web-1: ~ }` \
                    where it is removed, as docs/items.md has it";

/// What is said of an item; the rest stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    labels: Option<BTreeMap<LabelName, Value>>,
    #[serde(default)]
    groups: Option<BTreeSet<GroupName>>,
    #[serde(default)]
    depends_on: Option<BTreeSet<ItemName>>,
}

/// Reads `{ NAME: { labels: …, groups: …, depends_on: … }, NAME: ~ }`, as a change of the items that
/// the file has at this point, and makes it.
pub(crate) fn read(file: &mut File<'_>, node: &Node) -> Option<Vec<ItemsChange>> {
    let Kind::Map(entries) = &node.kind else {
        file.reader.wrong(node, &format!("`items` is a mapping from names to items: {HELP}"));
        return None;
    };
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    let mut whole = true;
    for (key, body) in entries {
        let read = key.name.parse::<ItemName>().map_err(|error| error.to_string());
        let read = read.and_then(|name| match &body.kind {
            Kind::Null => {
                removed.push(name);
                Ok(())
            }
            _ => changed(&file.items, name, body).map(|item| set.push(item)),
        });
        if let Err(why) = read {
            let message = format!("`{}` cannot be such an item: {why}", key.name);
            file.reader.findings.add(Code::ScenarioItems, &body.span, message).help(HELP);
            whole = false;
        }
    }
    if !whole {
        return None;
    }
    let mut then = file.items.clone();
    let changes = then.decide(&set, &removed).map_err(|refusal| {
        let help = match refusal.needed.is_empty() {
            true => HELP.to_owned(),
            false => refusal.needed.join("; "),
        };
        (refusal.message, help)
    });
    let changes = changes.and_then(|changes| {
        let mut made = changes.iter().cloned();
        let made = made.try_for_each(|change| then.change(change));
        made.map(|()| changes).map_err(|why| (why, HELP.to_owned()))
    });
    match changes {
        Ok(changes) => {
            file.items = then;
            Some(changes)
        }
        Err((message, help)) => {
            file.reader.findings.add(Code::ScenarioItems, &node.span, message).help(help);
            None
        }
    }
}

/// An item as it is said to be.
fn changed(items: &Items, name: ItemName, body: &Node) -> Result<NamedItem, String> {
    let Written { labels, groups, depends_on } =
        serde_json::from_value(body.to_json()).map_err(|error| error.to_string())?;
    let mut item = items.get(name.as_str()).cloned().unwrap_or_default();
    if let Some(labels) = labels {
        let labels = labels.into_iter().map(|(label, value)| Ok((label, label_value(value)?)));
        item.labels = labels.collect::<Result<_, String>>()?;
    }
    item.groups = groups.unwrap_or(item.groups);
    item.depends_on = depends_on.unwrap_or(item.depends_on);
    Ok(NamedItem { name, item })
}

/// The value of a label, which YAML may have taken for a number.
fn label_value(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Array(_) | Value::Object(_) => Err("a label is a text".to_owned()),
    }
}
