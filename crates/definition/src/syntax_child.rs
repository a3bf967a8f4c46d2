//! The shape of `run` in a `do`: a run of another definition.

use std::collections::BTreeSet;

use holdpoint_core::DefinitionName;

use crate::{
    child::{ChildModel, Stopped},
    diagnostics::DiagnosticCode as Code,
    model::StateKind,
    node::{Kind, Node},
    syntax::Reader,
    template::Tree,
};

pub(crate) const RUN: &[&str] = &["definition", "version", "input", "good", "stopped"];

/// Reads what run is to be done.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<StateKind> {
    let fields = reader.fields(node, "a run of another definition", RUN)?;
    let definition = fields.need(reader, "definition").and_then(|node| {
        let name = reader.name(node, "a definition")?;
        name.parse::<DefinitionName>().ok()
    });
    let version = match fields.get("version") {
        None => Some(None),
        Some(node) => reader.count(node, "a version").map(Some),
    };
    let input = match fields.get("input") {
        None => Some(Tree::empty()),
        Some(node) if matches!(node.kind, Kind::Map(_)) => reader.tree(node, &[]),
        Some(node) => {
            reader.wrong(node, "`input` is a mapping: what is submitted");
            None
        }
    };
    let good = fields.need(reader, "good").and_then(|node| read_good(node, reader));
    let stopped = fields.need(reader, "stopped").and_then(|node| match &node.kind {
        Kind::Text(text) if text == Stopped::Cancel.as_str() => Some(Stopped::Cancel),
        Kind::Text(text) if text == Stopped::Leave.as_str() => Some(Stopped::Leave),
        _ => {
            reader.wrong(
                node,
                "`stopped` is `cancel` (the run is cancelled, and its end waited for) or `leave`",
            );
            None
        }
    });
    let child = ChildModel {
        definition: definition?,
        version: version?,
        input: input?,
        good: good?,
        stopped: stopped?,
    };
    Some(StateKind::Child(child.into()))
}

fn read_good(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<String>> {
    const SHAPE: &str = "`good` is a list of the outcomes of the run that count as good: `[done]`";
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, SHAPE);
        return None;
    };
    if items.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "no outcome of the run counts as good")
            .help(SHAPE);
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| reader.name(item, "an outcome")).collect();
    read.into_iter().collect()
}
