//! The project's own form of an inventory, in YAML or JSON.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    declared::{self, Declared, DeclaredItem},
    finding::{FindingCode as Code, Report},
    tree::{self, Key, Kind, Language, Node},
};

const SHAPE: &str = "a file has one key, `items`: a mapping from names to items, or a list of items \
                     that each have a `name`";

/// Reads items.
pub(crate) fn read(source: &str, language: Language, report: &mut Report) -> Option<Declared> {
    let root = tree::read(source, language, report)?;
    let mut declared = Declared::default();
    let items = match &root.kind {
        Kind::Map(entries) => {
            for (key, _) in entries.iter().filter(|(key, _)| key.name != "items") {
                report.add(Code::Shape, key.line, format!("there is no key `{}`", key.name), SHAPE);
            }
            let Some((_, items)) = entries.iter().find(|(key, _)| key.name == "items") else {
                report.add(Code::Shape, root.line, "there is no `items`", SHAPE);
                return None;
            };
            items
        }
        // Nothing at all is what is left of a file that was cut off, not a wish for no items.
        Kind::Null => {
            let help = "a file that names no item says so: `items: {}`";
            report.add(Code::Shape, root.line, "the file is empty", help);
            return None;
        }
        _ => &root,
    };
    match &items.kind {
        Kind::Map(entries) => {
            for (key, body) in entries {
                let name = declared::item_name(&key.name, key.line, report);
                let item = item(body, key.line, false, report);
                if let (Some(name), Some(item)) = (name, item) {
                    declared::add(&mut declared, name, item, report);
                }
            }
        }
        Kind::List(list) => list.iter().for_each(|one| named(one, &mut declared, report)),
        Kind::Null => {}
        Kind::Scalar(_) => {
            report.add(Code::Shape, items.line, format!("{} is no items", items.what()), SHAPE);
        }
    }
    Some(declared)
}

/// An item of a list.
fn named(node: &Node, declared: &mut Declared, report: &mut Report) {
    let found = match &node.kind {
        Kind::Map(entries) => entries.iter().find(|(key, _)| key.name == "name"),
        _ => None,
    };
    let Some((key, Node { kind: Kind::Scalar(name), .. })) = found else {
        return report.add(
            Code::Shape,
            node.line,
            "an item of the list has no `name`",
            "write `{ name: web-1, labels: { env: prod } }`, or a mapping from names to items",
        );
    };
    let name = declared::item_name(name, key.line, report);
    if let (Some(name), Some(item)) = (name, item(node, node.line, true, report)) {
        declared::add(declared, name, item, report);
    }
}

fn item(node: &Node, line: usize, has_name: bool, report: &mut Report) -> Option<DeclaredItem> {
    let mut item = DeclaredItem { line, ..DeclaredItem::default() };
    let entries = match &node.kind {
        Kind::Map(entries) => entries.as_slice(),
        Kind::Null => &[],
        Kind::Scalar(_) | Kind::List(_) => {
            report.add(
                Code::Shape,
                node.line,
                format!("an item is a mapping, not {}", node.what()),
                "the keys of an item are `labels`, `groups` and `depends_on`; it may have none",
            );
            return None;
        }
    };
    let mut seen = BTreeSet::new();
    for (key, value) in entries {
        if !seen.insert(key.name.as_str()) {
            given_twice(key, report);
        }
        match key.name.as_str() {
            "name" if has_name => {}
            "labels" => item.labels = Some(labels(value, report)),
            "groups" => {
                let groups = texts(value, "groups", report).into_iter();
                let read = groups.filter_map(|(line, text)| declared::group_name(text, line, report));
                item.groups = Some(read.collect());
            }
            "depends_on" => {
                let names = texts(value, "depends_on", report).into_iter();
                let read = names.filter_map(|(line, text)| declared::item_name(text, line, report));
                item.depends_on = Some(read.collect());
            }
            other => report.add(
                Code::Shape,
                key.line,
                format!("an item has no key `{other}`"),
                "the keys of an item are `labels`, `groups` and `depends_on`; what else you know of it is a label",
            ),
        }
    }
    Some(item)
}

fn given_twice(key: &Key, report: &mut Report) {
    let message = format!("`{}` is given twice", key.name);
    report.add(Code::Duplicate, key.line, message, "keep one of the two");
}

fn labels(node: &Node, report: &mut Report) -> BTreeMap<holdpoint_core::LabelName, String> {
    let mut labels = BTreeMap::new();
    let entries = match &node.kind {
        Kind::Map(entries) => entries.as_slice(),
        Kind::Null => &[],
        Kind::Scalar(_) | Kind::List(_) => {
            let message = format!("`labels` is a mapping, not {}", node.what());
            report.add(Code::Shape, node.line, message, "write `labels: { env: prod, role: web }`");
            &[]
        }
    };
    for (key, value) in entries {
        let text = match &value.kind {
            Kind::Scalar(text) => text,
            Kind::Null => "",
            Kind::List(_) | Kind::Map(_) => {
                let message = format!("the label `{}` is a text, not {}", key.name, value.what());
                report.add(
                    Code::Label,
                    value.line,
                    message,
                    "make a label of each part, or leave it out",
                );
                continue;
            }
        };
        let Some((label, text)) = declared::label(&key.name, text, key.line, report) else {
            continue;
        };
        if labels.insert(label, text).is_some() {
            given_twice(key, report);
        }
    }
    labels
}

/// A list of texts, or one text; each with its line.
fn texts<'n>(node: &'n Node, what: &str, report: &mut Report) -> Vec<(usize, &'n str)> {
    let one = |node: &'n Node, report: &mut Report| match &node.kind {
        Kind::Scalar(text) => Some((node.line, text.as_str())),
        Kind::Null | Kind::List(_) | Kind::Map(_) => {
            let message = format!("`{what}` is a list of names; {} is none", node.what());
            report.add(Code::Shape, node.line, message, format!("write `{what}: [a, b]`"));
            None
        }
    };
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| one(item, report)).collect(),
        Kind::Null => Vec::new(),
        Kind::Scalar(_) | Kind::Map(_) => one(node, report).into_iter().collect(),
    }
}
