//! Conflicts: runs that touch the same or related configuration items at overlapping times.
//!
//! Two items are related when one depends on the other directly. Which of two runs in conflict goes first
//! is told by how far they are, and else by which was submitted first: so they never wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Digest, RunId},
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

impl Relation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::DependsOn => "depends_on",
            Self::NeededBy => "needed_by",
        }
    }
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

/// How far a run is with what it touches, or of several that belong together the one that is furthest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// It begins nothing itself.
    #[default]
    Aside,
    /// Its work lies ahead, and nothing has let it through to that yet.
    Ahead,
    /// It waits for a run that it has started.
    Awaiting,
    /// It waits to be told which runs it is in conflict with. Whoever awaits it is no further.
    AtGate,
    /// It is at work, or was let through to it.
    AtWork,
}

impl Turn {
    /// Whether a run that is so far, and has the number `number` in its project, goes before one that
    /// is about to be released. `own` is the number of that one. Of runs that others have started, the
    /// number of the first of them counts.
    ///
    /// Who is at work is not at rest in a hold that waits for conflicts, nor for locks of one that is. So
    /// among those that do wait there is always one that nobody else keeps: the one submitted first.
    #[must_use]
    pub fn goes_first(self, number: u64, own: u64) -> bool {
        match self {
            Self::Aside => false,
            Self::Ahead | Self::AtGate => number < own,
            Self::Awaiting | Self::AtWork => true,
        }
    }
}

/// A run that another was found to be in conflict with when it was about to be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The run.
    pub run: RunId,
    /// Its number in the project.
    pub number: u64,
    /// What it is about, in a line.
    pub title: String,
    /// Whether it goes first.
    pub first: bool,
    /// The items by which they are in conflict, as the one sees them that was about to be released; of
    /// many the first.
    pub items: Vec<Overlap>,
    /// The [`digest`] of all of them.
    pub digest: Digest,
}

/// The runs that one was found to be in conflict with when it was about to be released: those that go
/// first before the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Which; of very many the first.
    pub with: Vec<Found>,
    /// How many others go first.
    #[serde(default, skip_serializing_if = "crate::view::is_zero")]
    pub more: u32,
}

/// A digest of the items by which two runs are in conflict: it says whether they are still the same.
#[must_use]
pub fn digest(items: &BTreeSet<Overlap>) -> Digest {
    let text: String = items
        .iter()
        .map(|Overlap { item, relation, other }| {
            format!("{item}\t{}\t{other}\n", relation.as_str())
        })
        .collect();
    Digest::of(text.as_bytes())
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

/// Those [`conflicts`] in which one of these runs is, which has the place `run`.
#[must_use]
pub fn conflicts_of(
    run: usize,
    runs: &[Touching],
    inventory: &Items,
) -> BTreeMap<(usize, usize), BTreeSet<Overlap>> {
    let mut found = BTreeMap::new();
    let Some(own) = runs.get(run) else { return found };
    for (at, other) in runs.iter().enumerate() {
        if at == run || !own.times.overlap(&other.times) {
            continue;
        }
        let (pair, first, second) =
            if run < at { ((run, at), own, other) } else { ((at, run), other, own) };
        let same = first.items.intersection(&second.items).map(|item| Overlap {
            item: item.clone(),
            relation: Relation::Same,
            other: item.clone(),
        });
        let needed = depending(second, first, inventory).map(|overlap| overlap.turned());
        let items: BTreeSet<Overlap> =
            same.chain(depending(first, second, inventory)).chain(needed).collect();
        if !items.is_empty() {
            found.insert(pair, items);
        }
    }
    found
}

/// The items of one run that depend on items of another.
fn depending(one: &Touching, other: &Touching, inventory: &Items) -> impl Iterator<Item = Overlap> {
    one.items.iter().flat_map(move |item| {
        let depends_on = inventory.get(item.as_str()).map(|one| &one.depends_on);
        let below = depends_on.into_iter().flatten().filter(|below| other.items.contains(*below));
        below.map(move |below| Overlap {
            item: item.clone(),
            relation: Relation::DependsOn,
            other: below.clone(),
        })
    })
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
