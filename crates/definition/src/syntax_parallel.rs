//! The shape of `all`: parallel branches, each with states of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diagnostics::DiagnosticCode as Code,
    model::{StateKind, StateModel, Target},
    node::{Key, Kind, Node},
    parallel_model::{All, Join, Others, Within},
    syntax::{Reader, member, read_state},
    syntax_work::fixed,
};

pub(crate) const ALL: &[&str] = &["branches", "good", "join", "others", "expires"];
pub(crate) const BRANCH: &[&str] = &["start", "states"];

/// The names of all states: those that are written here, and those of their branches.
pub(crate) fn names(states: &[(Key, Node)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, state) in states {
        found.insert(name.name.clone());
        let branches = member(state, "all").and_then(|all| member(all, "branches"));
        let Some(Kind::Map(branches)) = branches.map(|node| &node.kind) else { continue };
        for (_, branch) in branches {
            if let Some(Kind::Map(states)) = member(branch, "states").map(|node| &node.kind) {
                found.extend(names(states));
            }
        }
    }
    found
}

/// Reads an `all`, and the states of its branches into those of the reader.
pub(crate) fn read(
    name: &str,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<(StateKind, Option<jiff::SignedDuration>)> {
    let fields = reader.fields(node, "`all`", ALL)?;
    let branches =
        fields.need(reader, "branches").and_then(|node| read_branches(name, node, reader));
    let good = fields.need(reader, "good").and_then(|node| read_good(node, reader));
    let join = match fields.get("join") {
        None => Some(Join::All),
        Some(node) => one_of(node, reader, "join", &[Join::All, Join::Any], Join::as_str),
    };
    let others = fields.need(reader, "others").and_then(|node| {
        one_of(node, reader, "others", &[Others::Wait, Others::Cancel], Others::as_str)
    });
    let expires = match fields.get("expires") {
        None => Some(None),
        Some(node) => fixed(node, "`expires`", reader).map(Some),
    };
    let all = All { branches: branches?, join: join?, good: good?, others: others? };
    Some((StateKind::All(all.into()), expires?))
}

fn one_of<T: Copy>(
    node: &Node,
    reader: &mut Reader<'_>,
    key: &str,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Option<T> {
    let names: Vec<&str> = all.iter().map(|one| as_str(*one)).collect();
    let help = format!("`{key}` is {}", names.join(" or "));
    let Kind::Text(text) = &node.kind else {
        reader.wrong(node, &help);
        return None;
    };
    let found = all.iter().copied().find(|one| as_str(*one) == text);
    if found.is_none() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`{key}` is never `{text}`"))
            .help(help);
    }
    found
}

fn read_good(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<String>> {
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, "`good` is a list of the outcomes that count as good: `[done]`");
        return None;
    };
    let read: Vec<_> = items.iter().map(|item| reader.name(item, "an outcome")).collect();
    read.into_iter().collect()
}

fn read_branches(
    all: &str,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<BTreeMap<String, Target>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`branches` is a mapping from names to branches");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "there are no branches")
            .help("name at least one, such as `network: { start: STATE, states: … }`");
        return None;
    }
    let mut whole = true;
    let mut branches = BTreeMap::new();
    for (key, branch) in entries {
        reader.is_name(&key.name, &key.span, "a branch");
        let within = Within { all: all.to_owned(), branch: key.name.clone() };
        match read_branch(&within, branch, reader) {
            Some(start) => {
                branches.insert(key.name.clone(), start);
            }
            None => whole = false,
        }
    }
    whole.then_some(branches)
}

fn read_branch(within: &Within, node: &Node, reader: &mut Reader<'_>) -> Option<Target> {
    let fields = reader.fields(node, "a branch", BRANCH)?;
    let start = fields.need(reader, "start").and_then(|node| reader.target(node));
    let states = fields.need(reader, "states")?;
    let Kind::Map(entries) = &states.kind else {
        reader.wrong(states, "`states` is a mapping from names to states");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::MissingKey, &states.span, "the branch has no states")
            .help("a branch has at least one state, an `end`");
    }
    let mut whole = true;
    for (key, value) in entries {
        reader.is_name(&key.name, &key.span, "a state");
        match read_state(key, value, reader) {
            Some(state) => {
                let state = StateModel { within: Some(within.clone()), ..state };
                reader.branch_states.push((key.name.clone(), state));
            }
            None => whole = false,
        }
    }
    start.filter(|_| whole)
}

/// Puts the states of branches beside the others. Events and commands name a state and no branch, so
/// no two may have the same name; says whether none has.
pub(crate) fn beside(states: &mut BTreeMap<String, StateModel>, reader: &mut Reader<'_>) -> bool {
    let mut different = true;
    for (name, state) in std::mem::take(&mut reader.branch_states) {
        if states.contains_key(&name) {
            reader
                .findings
                .add(Code::DuplicateState, &state.span, format!("there is another state `{name}`"))
                .help("give each state of a definition a name of its own, also in another branch");
            different = false;
            continue;
        }
        states.insert(name, state);
    }
    different
}
