//! Conflicts: runs that touch the same or related configuration items at overlapping times.
//!
//! Two items are related when one depends on the other directly. Nothing is held by a conflict: it is
//! found and told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::RunId,
    item::{ItemName, Items},
};

/// When a run is at work on what it touches, as far as that can be told: half-open, and open where it is
/// not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Not before this; from now on when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Not from this on; without an end when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Times {
    /// Whether these times are not known to be disjoint from others. Where one ends when the other
    /// begins, they are.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> bool {
        let before = |one: &Self, other: &Self| {
            one.until.zip(other.from).is_some_and(|(until, from)| until <= from)
        };
        !before(self, other) && !before(other, self)
    }
}

/// What a run touches, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touching {
    /// The items.
    pub items: BTreeSet<ItemName>,
    /// The times.
    pub times: Times,
}

/// How an item of one run is related to one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It is the same.
    Same,
    /// It depends on the other.
    DependsOn,
    /// The other depends on it.
    NeededBy,
}

/// Items by which two runs are in conflict.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Overlap {
    /// The item of the first run.
    pub item: ItemName,
    /// How it is related to the other.
    pub relation: Relation,
    /// The item of the second run.
    pub other: ItemName,
}

/// A run that another is in conflict with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The run.
    pub run: RunId,
    /// The items by which they are in conflict, as the other sees them; of many the first.
    pub items: Vec<Overlap>,
}

/// All conflicts among these runs: by the places of two of them, the lower one first, with the items by
/// which they are in conflict.
#[must_use]
pub fn conflicts(
    runs: &[Touching],
    inventory: &Items,
) -> BTreeMap<(usize, usize), BTreeSet<Overlap>> {
    let mut touched: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        for item in &run.items {
            touched.entry(item.as_str()).or_default().push(at);
        }
    }
    let mut found: BTreeMap<(usize, usize), BTreeSet<Overlap>> = BTreeMap::new();
    let mut note = |one: (usize, &Touching, &ItemName), relation, name: &ItemName| {
        let (at, run, item) = one;
        for other in touched.get(name.as_str()).into_iter().flatten().copied() {
            let overlap = runs.get(other).is_some_and(|two| run.times.overlap(&two.times));
            // What is the same for both is found from the first.
            if other == at || !overlap || (relation == Relation::Same && other < at) {
                continue;
            }
            let (item, name) = (item.clone(), name.clone());
            let (pair, overlap) = if at < other {
                ((at, other), Overlap { item, relation, other: name })
            } else {
                ((other, at), Overlap { item: name, relation: Relation::NeededBy, other: item })
            };
            found.entry(pair).or_default().insert(overlap);
        }
    };
    for (at, run) in runs.iter().enumerate() {
        for item in &run.items {
            note((at, run, item), Relation::Same, item);
            let depends_on = inventory.get(item.as_str()).map(|one| &one.depends_on);
            for below in depends_on.into_iter().flatten() {
                note((at, run, item), Relation::DependsOn, below);
            }
        }
    }
    found
}

impl Overlap {
    /// The same, as the second run sees it.
    #[must_use]
    pub fn turned(&self) -> Self {
        let relation = match self.relation {
            Relation::Same => Relation::Same,
            Relation::DependsOn => Relation::NeededBy,
            Relation::NeededBy => Relation::DependsOn,
        };
        Self { item: self.other.clone(), relation, other: self.item.clone() }
    }
}
