//! The shape of a baseline.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    baseline::{Baseline, Demanded, Requirement, WorkKind},
    diagnostics::{DiagnosticCode as Code, Findings},
    node::{Key, Kind, Node},
    requirement_override::Overriders,
    syntax::{Fields, Reader, listed},
    syntax_approval::{items, read_approvers, read_not},
    window_model::calendar,
};

const TOP: &[&str] = &["baseline", "title", "requirements"];
const REQUIREMENT: &[&str] = &[
    "title",
    "before",
    "when",
    "approval",
    "evidence",
    "not_during",
    "override",
    "waiver",
    "except",
];
const APPROVAL: &[&str] = &["from", "need", "qualified", "not"];
const OVERRIDE: &[&str] = &["from", "not"];
const DEMANDS: &[&str] = &["approval", "evidence", "not_during"];

/// Reads a baseline's shape. `None` when something is missing.
pub(crate) fn read(root: &Node, findings: &mut Findings) -> Option<Baseline> {
    let mut reader = Reader::of_any(findings);
    let top = reader.fields(root, "a baseline", TOP)?;
    let name = top.need(&mut reader, "baseline").and_then(|node| reader.name(node, "a baseline"));
    let title = top
        .need(&mut reader, "title")
        .and_then(|node| reader.text(node, "a title"))
        .map(str::to_owned);
    let requirements =
        top.need(&mut reader, "requirements").and_then(|node| read_all(node, &mut reader));
    Some(Baseline { name: name?, title: title?, requirements: requirements? })
}

fn read_all(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Requirement>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`requirements` is a mapping from names to requirements");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "the baseline demands nothing")
            .help("add a requirement, such as `four-eyes: { approval: { from: role:engineer, need: 1 } }`");
        return None;
    }
    let read: Vec<_> = entries.iter().map(|(key, node)| read_one(key, node, reader)).collect();
    read.into_iter().collect()
}

fn read_one(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<Requirement> {
    let named = reader.is_name(&key.name, &key.span, "a requirement");
    let fields = reader.fields(node, "a requirement", REQUIREMENT)?;
    let title = match fields.get("title") {
        None => Some(None),
        Some(node) => reader.text(node, "a title").map(|text| Some(text.to_owned())),
    };
    let before = match fields.get("before") {
        None => Some(BTreeSet::from(WorkKind::ALL)),
        Some(node) => read_before(node, reader),
    };
    let when = match fields.get("when") {
        None => Some(None),
        Some(node) => reader.expr(node, &[]).map(|expr| Some(expr.text().trim().to_owned())),
    };
    let overriders = match fields.get("override") {
        None => Some(None),
        Some(node) => read_overriders(node, reader).map(Some),
    };
    let overriders = overriders?;
    let demand = read_demand(key, &fields, overriders.as_ref(), reader);
    if let (Some(Demanded::NotDuring { .. }), Some(at)) = (&demand, fields.get("when")) {
        reader
            .findings
            .add(Code::WrongKind, &at.span, "`not_during` has no condition")
            .help("leave `when` out: a hold waits for its window in every run");
        return None;
    }
    let waivable = match fields.get("waiver") {
        None => Some(false),
        Some(Node { kind: Kind::Bool(value), .. }) => Some(*value),
        Some(node) => {
            reader.wrong(node, "`waiver` is `true` where a waived hold counts as passed");
            None
        }
    };
    let except = match fields.get("except") {
        None => Some(BTreeMap::new()),
        Some(node) => read_except(node, reader),
    };
    named.then_some(())?;
    Some(Requirement {
        name: key.name.clone(),
        title: title?,
        before: before?,
        when: when?,
        demand: demand?,
        waivable: waivable?,
        except: except?,
        overriders,
    })
}

fn read_before(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<WorkKind>> {
    let names: Vec<&str> = WorkKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let help = format!("the kinds of work are {}", listed(&names));
    let read: Vec<_> = items(node)
        .iter()
        .map(|item| {
            let kind = match &item.kind {
                Kind::Text(text) => WorkKind::ALL.into_iter().find(|kind| kind.as_str() == text),
                _ => None,
            };
            if kind.is_none() {
                reader
                    .findings
                    .add(Code::WrongKind, &item.span, "this is no kind of work")
                    .help(help.as_str());
            }
            kind
        })
        .collect();
    if read.is_empty() {
        reader.wrong(node, &help);
        return None;
    }
    read.into_iter().collect()
}

/// Reads what is demanded: exactly one thing, so that each has a standing of its own.
fn read_demand(
    key: &Key,
    fields: &Fields<'_>,
    overriders: Option<&Overriders>,
    reader: &mut Reader<'_>,
) -> Option<Demanded> {
    let given: Vec<&str> =
        DEMANDS.iter().copied().filter(|name| fields.get(name).is_some()).collect();
    if given.len() != 1 {
        reader
            .findings
            .add(
                Code::MissingKey,
                &key.span,
                format!("`{}` demands {} things", key.name, given.len()),
            )
            .help(format!("give exactly one of {}", listed(DEMANDS)));
        return None;
    }
    if let Some(node) = fields.get("approval") {
        return read_approval(node, reader);
    }
    if let Some(node) = fields.get("evidence") {
        return reader.name(node, "a piece of evidence").map(Demanded::Evidence);
    }
    let node = fields.get("not_during")?;
    let text = reader.text(node, "a calendar")?;
    if let Err(reason) = calendar(text) {
        reader
            .findings
            .add(Code::CalendarName, &node.span, reason)
            .help("name a calendar as `calendar:NAME`");
        return None;
    }
    let overriders = overriders.map(|one| one.from.clone()).unwrap_or_default();
    Some(Demanded::NotDuring { calendar: text.to_owned(), overriders })
}

/// Reads who may override: those who are named, or a mapping that says whom it excludes.
fn read_overriders(node: &Node, reader: &mut Reader<'_>) -> Option<Overriders> {
    let Kind::Map(_) = &node.kind else {
        let not = Overriders::not_by_default();
        return Some(Overriders { from: read_approvers(node, reader)?, not });
    };
    let fields = reader.fields(node, "an override of a baseline", OVERRIDE)?;
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let not = match fields.get("not") {
        None => Some(Overriders::not_by_default()),
        Some(node) => read_not(node, reader),
    };
    Some(Overriders { from: from?, not: not? })
}

fn read_approval(node: &Node, reader: &mut Reader<'_>) -> Option<Demanded> {
    let fields = reader.fields(node, "an approval of a baseline", APPROVAL)?;
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let need = fields.need(reader, "need").and_then(|node| reader.count(node, "`need`"));
    let qualified = match fields.get("qualified") {
        None => Some(None),
        Some(node) => reader.name(node, "a qualification").map(Some),
    };
    let not = match fields.get("not") {
        None => Some(Vec::new()),
        Some(node) => read_not(node, reader),
    };
    Some(Demanded::Approval { from: from?, need: need?, qualified: qualified?, not: not? })
}

fn read_except(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`except` is a mapping from names of definitions to reasons");
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let named = reader.is_name(&key.name, &key.span, "a workflow");
            let reason = reader.text(node, "a reason")?.trim();
            if reason.is_empty() {
                reader
                    .findings
                    .add(Code::WrongKind, &node.span, "the reason is empty")
                    .help("say why it is not demanded of this definition");
                return None;
            }
            named.then(|| (key.name.clone(), reason.to_owned()))
        })
        .collect();
    read.into_iter().collect()
}
