//! The shape of `conflicts`: what a hold makes of other runs that touch the same or related items.

use crate::{
    conflicting::{Conflicts, OnConflict},
    diagnostics::DiagnosticCode as Code,
    node::{Kind, Node},
    syntax::Reader,
    syntax_approval::read_approvers,
};

pub(crate) const CONFLICTS: &[&str] = &["found", "accept"];

/// Reads `warn`, `hold`, or a mapping that says more about it.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Conflicts> {
    let Kind::Map(_) = node.kind else {
        return Some(Conflicts { found: read_found(node, reader)?, accepters: Vec::new() });
    };
    let fields = reader.fields(node, "what is made of conflicts", CONFLICTS)?;
    let found = fields.need(reader, "found").and_then(|node| read_found(node, reader));
    let accepters = match fields.get("accept") {
        None => Some(Vec::new()),
        Some(node) => read_approvers(node, reader),
    };
    let read = Conflicts { found: found?, accepters: accepters? };
    if let Some(accept) = fields.get("accept")
        && read.found == OnConflict::Warn
    {
        reader
            .findings
            .add(Code::NothingToAccept, &accept.span, "nobody needs to accept what holds nothing")
            .help("leave `accept` out, or say `found: hold`");
        return None;
    }
    Some(read)
}

fn read_found(node: &Node, reader: &mut Reader<'_>) -> Option<OnConflict> {
    match reader.text(node, "what becomes of the hold when conflicts are found")? {
        "warn" => Some(OnConflict::Warn),
        "hold" => Some(OnConflict::Hold),
        other => {
            reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`conflicts` cannot be `{other}`"))
                .help(
                    "say `warn`, and the hold is released and tells of them, or `hold`, and it is not \
                     released while another run that goes first is in conflict with this one",
                );
            None
        }
    }
}
