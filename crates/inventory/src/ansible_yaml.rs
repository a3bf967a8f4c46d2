//! Ansible's YAML inventory.

use std::collections::BTreeMap;

use crate::{
    Options,
    ansible::Inventory,
    declared::Declared,
    finding::{FindingCode as Code, Report},
    tree::{self, Key, Kind, Language, Node},
};

/// Reads an inventory.
pub(crate) fn read(source: &str, options: &Options, report: &mut Report) -> Option<Declared> {
    let root = tree::read(source, Language::Yaml, report)?;
    let Kind::Map(groups) = &root.kind else {
        report.add(
            Code::Shape,
            root.line,
            format!("{} is not an inventory", root.what()),
            "an inventory is a mapping of groups, of which `all` is usually the only one",
        );
        return None;
    };
    let mut inventory = Inventory::default();
    for (key, body) in groups {
        group(key, body, &mut inventory, report);
    }
    inventory.finish(options, report)
}

fn group(key: &Key, body: &Node, inventory: &mut Inventory, report: &mut Report) {
    inventory.group(&key.name, key.line, report);
    for (part, value) in entries(body, "a group", report) {
        match part.name.as_str() {
            "hosts" => {
                for (host, variables) in entries(value, "`hosts`", report) {
                    let variables = scalars(variables, report);
                    inventory.hosts(&host.name, &key.name, &variables, host.line, report);
                }
            }
            "vars" => {
                for (name, value) in scalars(value, report) {
                    inventory.variable(&key.name, &name, &value);
                }
            }
            "children" => {
                for (child, body) in entries(value, "`children`", report) {
                    group(child, body, inventory, report);
                    inventory.child(&key.name, &child.name);
                }
            }
            other => report.add(
                Code::Shape,
                part.line,
                format!("the group `{}` has no key `{other}`", key.name),
                "the keys of a group are `hosts`, `vars` and `children`",
            ),
        }
    }
}

/// The entries of a mapping; an empty value has none, and anything else is reported.
fn entries<'n>(node: &'n Node, what: &str, report: &mut Report) -> &'n [(Key, Node)] {
    match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Null => &[],
        Kind::Scalar(_) | Kind::List(_) => {
            report.add(
                Code::Shape,
                node.line,
                format!("{what} is a mapping, not {}", node.what()),
                "write `name:` for each, with what belongs to it below; it may be nothing",
            );
            &[]
        }
    }
}

/// Variables that are one text, number or boolean.
fn scalars(node: &Node, report: &mut Report) -> BTreeMap<String, String> {
    entries(node, "what is said of a host or group", report)
        .iter()
        .filter_map(|(key, value)| match &value.kind {
            Kind::Scalar(text) => Some((key.name.clone(), text.clone())),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        })
        .collect()
}
