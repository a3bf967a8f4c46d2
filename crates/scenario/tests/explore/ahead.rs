//! What still lies ahead of a run: which of what has happened so far can make a difference yet.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_definition::{Outline, StateOf, StateOutline};

/// What the states that can still be reached go by.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) evidence: BTreeSet<String>,
    pub(super) signals: BTreeSet<String>,
    /// The members of the input that conditions go by.
    pub(super) input: BTreeSet<String>,
    pub(super) risk: bool,
    pub(super) editors: bool,
    pub(super) executors: bool,
    /// Whether there is a hold in which an amendment could make a difference, as work follows.
    pub(super) amendable: bool,
    pub(super) checks: bool,
}

/// By the states that a run can be in, from a rollout on that has begun, or not.
pub(super) type AllAhead = BTreeMap<(String, bool), Ahead>;

/// What lies ahead of each state.
pub(super) fn all(outline: &Outline, texts: &BTreeMap<String, String>) -> AllAhead {
    let states = outline.states.iter();
    let both = states.flat_map(|state| [(state, false), (state, true)]);
    both.map(|(state, begun)| {
        let ahead = of(outline, texts, &reachable(outline, &state.name, begun));
        ((state.name.clone(), begun), ahead)
    })
    .collect()
}

fn find<'a>(outline: &'a Outline, name: &str) -> &'a StateOutline {
    outline.states.iter().find(|state| state.name == name).unwrap()
}

/// The states that can be reached from one, itself included; a rollout that has begun does not drift.
fn reachable<'a>(outline: &'a Outline, from: &str, begun: bool) -> BTreeSet<&'a str> {
    let first = find(outline, from);
    let ways = first.ways.iter().filter(|way| !begun || way.on != "drifted");
    let mut next: Vec<&str> = ways.map(|way| way.to.as_str()).collect();
    next.extend(first.branches.iter().map(|branch| branch.start.as_str()));
    let mut seen: BTreeSet<&str> = BTreeSet::from([first.name.as_str()]);
    while let Some(name) = next.pop() {
        if seen.insert(name) {
            let state = find(outline, name);
            next.extend(state.ways.iter().map(|way| way.to.as_str()));
            next.extend(state.branches.iter().map(|branch| branch.start.as_str()));
        }
    }
    seen
}

fn of(outline: &Outline, texts: &BTreeMap<String, String>, names: &BTreeSet<&str>) -> Ahead {
    let mut ahead = Ahead::default();
    for name in names {
        let state = find(outline, name);
        ahead.evidence.extend(state.evidence.iter().cloned());
        ahead.signals.extend(state.signal.iter().cloned());
        ahead.checks |= !state.checks.is_empty();
        let works = |name: &&str| {
            matches!(
                find(outline, name).kind,
                StateOf::Activity | StateOf::Rollout | StateOf::Child
            )
        };
        let is_amendable =
            state.kind == StateOf::Hold && reachable(outline, name, false).iter().any(works);
        ahead.amendable |= is_amendable;
        // The text of a branch is in that of the whole.
        let outermost = state.within.first().map_or(&state.name, |(all, _)| all);
        let text = &texts[outermost];
        ahead.input.extend(deciding(text));
        ahead.risk |= text.contains("risk.");
        ahead.editors |= text.contains("editors");
        ahead.executors |= text.contains("executors");
    }
    ahead
}

/// The members of the input that conditions of a text go by.
pub(super) fn deciding(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let conditions = text.lines().filter(|line| line.contains("when:") || line.contains("need:"));
    for rest in conditions.flat_map(|line| line.split("input.").skip(1)) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        found.extend(rest.split(|c| !is_name(c)).next().map(str::to_owned));
    }
    found
}
