//! The shape of `lock`: the items whose locks a hold waits for.

use crate::{
    diagnostics::DiagnosticCode as Code,
    locking::Lock,
    node::{Kind, Node},
    syntax::Reader,
    syntax_approval::read_approvers,
    template::Tree,
};

pub(crate) const LOCK: &[&str] = &["items", "break"];

/// Reads what is locked: names of items, or a mapping that says more about it.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Lock> {
    let Kind::Map(_) = node.kind else {
        return Some(Lock { items: read_items(node, reader)?, breakers: Vec::new() });
    };
    let fields = reader.fields(node, "a lock", LOCK)?;
    let items = fields.need(reader, "items").and_then(|node| read_items(node, reader));
    let breakers = match fields.get("break") {
        None => Some(Vec::new()),
        Some(node) => read_approvers(node, reader),
    };
    Some(Lock { items: items?, breakers: breakers? })
}

fn read_items(node: &Node, reader: &mut Reader<'_>) -> Option<Tree> {
    match &node.kind {
        Kind::List(items) if items.is_empty() => {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, "the lock is on nothing")
                .help("list the items, or take them from the input: `${input.items}`");
            None
        }
        Kind::List(_) | Kind::Text(_) => reader.tree(node, &[]),
        _ => {
            reader.wrong(node, "`lock` is a list of items, or `${…}` that gives one");
            None
        }
    }
}
