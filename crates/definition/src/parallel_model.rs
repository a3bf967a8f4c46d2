//! Parallel branches as they are defined: which there are, and what comes of their ends.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Model, StateKind, StateModel, Target};

/// An `all`: branches that are gone through side by side.
#[derive(Debug)]
pub(crate) struct All {
    /// Where each branch begins, by its name.
    pub(crate) branches: BTreeMap<String, Target>,
    pub(crate) join: Join,
    /// The outcomes of ends that count as good.
    pub(crate) good: BTreeSet<String>,
    pub(crate) others: Others,
}

/// How many branches must end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    All,
    Any,
}

/// What becomes of the branches that are under way when the outcome is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// They go on to their ends.
    Wait,
    /// They are stopped.
    Cancel,
}

impl Join {
    /// As definitions write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }
}

impl Others {
    /// As definitions write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Cancel => "cancel",
        }
    }
}

/// The branch that a state is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Within {
    /// The `all` state.
    pub(crate) all: String,
    /// The branch's name.
    pub(crate) branch: String,
}

impl Model {
    /// The `all` that a state is, if it is one.
    pub(crate) fn all(&self, name: &str) -> Option<&All> {
        match self.states.get(name).map(|state| &state.kind) {
            Some(StateKind::All(all)) => Some(all),
            _ => None,
        }
    }

    /// The branches that a state is in, the outermost first; none for a state that is in no branch.
    pub(crate) fn path(&self, name: &str) -> Option<Vec<&Within>> {
        let mut path = Vec::new();
        let mut state = self.states.get(name)?;
        while let Some(within) = &state.within {
            path.push(within);
            state = self.states.get(&within.all)?;
        }
        path.reverse();
        Some(path)
    }

    /// Where the `all` leads whose branch a state ends, if it ends one.
    pub(crate) fn joins(&self, state: &StateModel) -> Option<&StateModel> {
        match (&state.kind, &state.within) {
            (StateKind::End { .. }, Some(within)) => self.states.get(&within.all),
            _ => None,
        }
    }

    /// Whether a state is the end of a branch that counts as good.
    pub(crate) fn ends_well(&self, state: &StateModel) -> bool {
        match (&state.kind, &state.within) {
            (StateKind::End { outcome }, Some(within)) => {
                self.all(&within.all).is_some_and(|all| all.good.contains(outcome))
            }
            _ => false,
        }
    }

    /// Whether a branch begins in a state.
    pub(crate) fn begins_branch(&self, name: &str) -> bool {
        self.states.get(name).and_then(|state| state.within.as_ref()).is_some_and(|within| {
            let all = self.all(&within.all);
            all.and_then(|all| all.branches.get(&within.branch)).is_some_and(|to| to.name == name)
        })
    }

    /// The outcomes of the ends of a branch.
    pub(crate) fn ends_of(&self, of: &Within) -> BTreeSet<&str> {
        self.states
            .values()
            .filter(|state| state.within.as_ref() == Some(of))
            .filter_map(|state| match &state.kind {
                StateKind::End { outcome } => Some(outcome.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Whether a branch of an `all` can end in a way that does not count as good.
    pub(crate) fn can_fail(&self, name: &str) -> bool {
        self.states.values().any(|state| {
            matches!(state.kind, StateKind::End { .. })
                && state.within.as_ref().is_some_and(|within| within.all == name)
                && !self.ends_well(state)
        })
    }
}
