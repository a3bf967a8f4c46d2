//! The conflicts of a scenario: other runs, which nobody plays, that touch the same items.

use std::collections::BTreeSet;

use holdpoint_core::{
    ItemName, RunId,
    conflict::{Found, Look, Overlap, Relation, digest},
};
use holdpoint_definition::{
    DiagnosticCode as Code,
    yaml::{Kind, Node},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::syntax::File;

const HELP: &str = "say which other runs there are: `[{ run: 7, items: [db-1] }]`, with `title: TEXT`, and with \
                    `first: false` for one that does not go first; none is `[]`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    run: u32,
    #[serde(default)]
    title: Option<String>,
    items: BTreeSet<ItemName>,
    #[serde(default)]
    first: Option<bool>,
}

/// The run that a scenario gives a number.
pub(crate) fn run(number: u32) -> RunId {
    let base = 0x0199_0000_0000_7000_9000_0000_0000_0000_u128;
    RunId::from_uuid(Uuid::from_u128(base.saturating_add(u128::from(number))))
}

/// Reads `[{ run: 7, title: …, items: […], first: false }]`: all that there are from then on.
pub(crate) fn read(file: &mut File<'_>, node: &Node) -> Option<Look> {
    let Kind::List(all) = &node.kind else {
        file.reader.wrong(node, &format!("`conflicts` is a list: {HELP}"));
        return None;
    };
    let mut with = Vec::new();
    for one in all {
        match serde_json::from_value::<Written>(one.to_json()) {
            Ok(Written { run: number, title, items, first }) if !items.is_empty() && number > 0 => {
                let same = |item: ItemName| Overlap {
                    item: item.clone(),
                    relation: Relation::Same,
                    other: item,
                };
                let items: BTreeSet<Overlap> = items.into_iter().map(same).collect();
                with.push(Found {
                    run: run(number),
                    number: number.into(),
                    title: title.unwrap_or_else(|| "Another".to_owned()),
                    first: first.unwrap_or(true),
                    digest: digest(&items),
                    items: items.into_iter().collect(),
                });
            }
            read => {
                let why = match read {
                    Err(error) => error.to_string(),
                    Ok(_) => "it needs a number of at least 1, and an item".to_owned(),
                };
                let message = format!("this is no conflict: {why}");
                file.reader.findings.add(Code::WrongKind, &one.span, message).help(HELP);
                return None;
            }
        }
    }
    with.sort_by_key(|one| (!one.first, one.number));
    Some(Look { with, more: 0 })
}
