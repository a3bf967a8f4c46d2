//! The shape of `task` and of `waiver`.

use std::collections::BTreeSet;

use crate::{
    diagnostics::DiagnosticCode as Code,
    node::{Key, Kind, Node},
    syntax::{Reader, listed},
    syntax_approval::{items, read_approvers, read_not},
    syntax_work::fixed,
    tasks::Task,
    waiver::{Afterwards, Waivable, Waiver},
};

pub(crate) const TASK: &[&str] =
    &["when", "title", "instructions", "from", "not", "qualified", "need", "note"];
pub(crate) const WAIVER: &[&str] = &["from", "not", "need", "scope", "duties"];
pub(crate) const AFTERWARDS: &[&str] = &["text", "within", "from"];

/// Reads tasks: a mapping from names to tasks.
pub(crate) fn read_tasks(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Task>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`task` is a mapping from names to tasks");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "there are no tasks")
            .help("add one, such as `cabling: { title: Connect it, from: role:technician }`");
        return None;
    }
    let read: Vec<_> = entries.iter().map(|(key, node)| read_task(key, node, reader)).collect();
    read.into_iter().collect()
}

fn read_task(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<Task> {
    let named = reader.is_name(&key.name, &key.span, "a task");
    let fields = reader.fields(node, "a task", TASK)?;
    let when = match fields.get("when") {
        None => Some(None),
        Some(node) => reader.expr(node, &[]).map(Some),
    };
    let title = fields.need(reader, "title").and_then(|node| reader.template(node, &[]));
    let optional = |key: &str, reader: &mut Reader<'_>| match fields.get(key) {
        None => Some(None),
        Some(node) => reader.template(node, &[]).map(Some),
    };
    let instructions = optional("instructions", reader);
    let qualified = optional("qualified", reader);
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let not = match fields.get("not") {
        None => Some(Vec::new()),
        Some(node) => read_not(node, reader),
    };
    let need = match fields.get("need") {
        None => Some(1),
        Some(node) => reader.count(node, "`need`"),
    };
    let noted = match fields.get("note") {
        None => Some(false),
        Some(node) => match reader.text(node, "`note`")? {
            "required" => Some(true),
            "optional" => Some(false),
            other => {
                reader
                    .findings
                    .add(Code::WrongKind, &node.span, format!("`note` cannot be `{other}`"))
                    .help("whether a confirmation says what was done: `required` or `optional`");
                None
            }
        },
    };
    named.then_some(Task {
        name: key.name.clone(),
        when: when?,
        title: title?,
        instructions: instructions?,
        from: from?,
        not: not?,
        qualified: qualified?,
        need: need?,
        noted: noted?,
        span: key.span.clone(),
    })
}

/// Reads a waiver.
pub(crate) fn read_waiver(node: &Node, reader: &mut Reader<'_>) -> Option<Waiver> {
    let fields = reader.fields(node, "a waiver", WAIVER)?;
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let not = match fields.get("not") {
        None => Some(Vec::new()),
        Some(node) => read_not(node, reader),
    };
    let need = match fields.get("need") {
        None => Some(1),
        Some(node) => reader.count(node, "`need`"),
    };
    let scope = fields.need(reader, "scope").and_then(|node| read_scope(node, reader));
    let duties = fields.need(reader, "duties").and_then(|node| read_duties(node, reader));
    Some(Waiver {
        from: from?,
        not: not?,
        need: need?,
        scope: scope?,
        duties: duties?,
        span: node.span.clone(),
    })
}

fn read_scope(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<Waivable>> {
    if matches!(&node.kind, Kind::Text(text) if text == "all") {
        return Some(Waivable::ALL.into());
    }
    let names: Vec<&str> = Waivable::ALL.iter().map(|one| one.as_str()).collect();
    let read: Vec<_> = items(node)
        .iter()
        .map(|item| {
            let text = reader.text(item, "what is waived")?;
            let found = Waivable::ALL.into_iter().find(|one| one.as_str() == text);
            if found.is_none() {
                reader
                    .findings
                    .add(Code::WrongKind, &item.span, format!("`{text}` cannot be waived"))
                    .help(format!("what can be waived is `all`, or some of {}", listed(&names)));
            }
            found
        })
        .collect();
    let read: BTreeSet<Waivable> = read.into_iter().collect::<Option<_>>()?;
    if read.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "the waiver waives nothing")
            .help(format!("say `all`, or some of {}", listed(&names)));
        return None;
    }
    Some(read)
}

fn read_duties(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Afterwards>> {
    const HELP: &str =
        "say what is owed afterwards, such as `review: { within: 2d, from: role:cab }`";
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`duties` of a waiver is a mapping from names to what is owed");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "nothing is owed for the waiver")
            .help(HELP);
        return None;
    }
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let named = reader.is_name(&key.name, &key.span, "a duty");
            let fields = reader.fields(node, "what is owed", AFTERWARDS)?;
            let text = match fields.get("text") {
                None => Some(key.name.clone()),
                Some(node) => reader.text(node, "`text`").map(str::to_owned),
            };
            let within =
                fields.need(reader, "within").and_then(|node| fixed(node, "`within`", reader));
            let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
            named.then_some(Afterwards {
                name: key.name.clone(),
                text: text?,
                within: within?,
                from: from?,
            })
        })
        .collect();
    read.into_iter().collect()
}
