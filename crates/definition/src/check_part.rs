//! What can be told of a definition of which a part could not be read: so that an author is told at
//! once what would otherwise come up only when the first faults are mended.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    check,
    diagnostics::Findings,
    model::{StateKind, StateModel, Target},
};

/// What was read of a definition.
pub(crate) struct Part<'p> {
    pub(crate) start: Option<&'p Target>,
    pub(crate) expires: Option<&'p Target>,
    /// The states that could be read.
    pub(crate) states: &'p BTreeMap<String, StateModel>,
    /// The names of all.
    pub(crate) names: &'p BTreeSet<String>,
    /// Where those lead that could not be read; nobody knows where that is missing.
    pub(crate) unread: &'p BTreeMap<String, Option<Vec<Target>>>,
}

/// Checks what was read. Nothing is told that could follow from what was not.
pub(crate) fn check(part: &Part<'_>, findings: &mut Findings) {
    for target in part.targets() {
        check::check_target(target, part.names.iter().map(String::as_str), findings);
    }
    for (name, state) in part.states {
        // Which outcomes an `all` has depends on its branches.
        if let Some(possible) = check::own_outcomes(state) {
            check::check_outcomes(name, state, &possible, findings);
        }
        check::check_alone(name, state, findings);
    }
    part.check_reach(findings);
}

impl Part<'_> {
    /// Every state that is named as one that follows, or in which something begins.
    fn targets(&self) -> impl Iterator<Item = &Target> {
        let ways = self.states.values().flat_map(leads);
        let unread = self.unread.values().flatten().flatten();
        self.start.into_iter().chain(self.expires).chain(ways).chain(unread)
    }

    /// Tells the states that nothing leads to, where all ways are known.
    fn check_reach(&self, findings: &mut Findings) {
        let known = |target: &Target| self.names.contains(&target.name);
        let branches = |state: &StateModel| matches!(state.kind, StateKind::All(_));
        let Some(start) = self.start else { return };
        if self.unread.values().any(Option::is_none)
            || self.states.values().any(branches)
            || !self.targets().all(known)
        {
            return;
        }
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> =
            self.expires.iter().copied().chain([start]).map(|one| one.name.as_str()).collect();
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                let read = self.states.get(name).into_iter().flat_map(leads);
                let unread = self.unread.get(name).into_iter().flatten().flatten();
                open.extend(read.chain(unread).map(|target| target.name.as_str()));
            }
        }
        for (name, state) in self.states {
            if !reached.contains(name.as_str()) {
                check::unreachable(&start.name, name, state, findings);
            }
        }
    }
}

fn leads(state: &StateModel) -> Vec<&Target> {
    let mut all: Vec<&Target> = check::named(state).collect();
    if let StateKind::All(of) = &state.kind {
        all.extend(of.branches.values());
    }
    all
}
