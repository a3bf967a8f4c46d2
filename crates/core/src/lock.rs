//! Locks on configuration items: what a run holds and waits for, and who is given what.
//!
//! A lock belongs to one run at a time. What runs hold and wait for follows from their states; a
//! [`LockTable`] is made of that and says who may have what now. A run gets all that it waits for at
//! once, and holds nothing while it waits, so that no two runs can wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{EffectId, ProjectId, RunId},
    item::ItemName,
};

/// What a run holds and waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The items whose locks it holds, and since when.
    pub held: BTreeMap<ItemName, Timestamp>,
    /// The items whose locks it waits for.
    pub wanted: Option<Wanted>,
    /// Names the request to be told, with [`Action::ConflictsLooked`](crate::Action::ConflictsLooked),
    /// which runs it is in conflict with, if it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<EffectId>,
}

impl Claims {
    /// Whether the run holds nothing and waits for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.wanted.is_none() && self.looks.is_none()
    }
}

/// Locks that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Names the request within the run: [`Action::LocksGranted`](crate::Action::LocksGranted)
    /// answers it.
    pub effect: EffectId,
    /// Which items; at least one.
    pub items: BTreeSet<ItemName>,
    /// Since when.
    pub since: Timestamp,
}

/// A run may have the locks that it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which run.
    pub run: RunId,
    /// Which request.
    pub effect: EffectId,
}

/// Who holds what and who waits for what, over all projects.
///
/// It is told what each run durably holds and waits for, and answers with what is granted by that.
/// What is granted is kept for the run until it is told that the run holds it, or no longer waits for
/// it: so nothing is ever granted to two runs, however long a grant takes to become durable, and one
/// that is lost with the table's memory has not happened.
///
/// Whoever has waited longest comes first, at every item: a run is not given what one before it waits
/// for, also when another of its items is not free. So nobody waits for ever for those who want
/// less.
#[derive(Clone, Debug, Default)]
pub struct LockTable {
    runs: BTreeMap<RunId, Known>,
    /// Whose each item is: held, or granted.
    owners: BTreeMap<Key, RunId>,
    /// Who waits for each item, those who have waited longest first.
    queues: BTreeMap<Key, BTreeSet<(Timestamp, RunId)>>,
}

type Key = (ProjectId, ItemName);

#[derive(Clone, Debug)]
struct Known {
    project: ProjectId,
    claims: Claims,
    granted: bool,
}

impl LockTable {
    /// The table of what all runs hold and wait for, and what is granted at once.
    pub fn of(runs: impl IntoIterator<Item = (RunId, ProjectId, Claims)>) -> (Self, Vec<Grant>) {
        let mut table = Self::default();
        let mut touched = BTreeSet::new();
        for (run, project, claims) in runs {
            table.note(run, &project, claims, &mut touched);
        }
        let grants = table.grant_first(&touched);
        (table, grants)
    }

    /// Notes what a run holds and waits for now, and answers with what is granted by that; what the
    /// run was granted and has not taken yet is granted again.
    pub fn tell(&mut self, run: RunId, project: &ProjectId, claims: Claims) -> Vec<Grant> {
        let mut touched = BTreeSet::new();
        let again = self.note(run, project, claims, &mut touched);
        again.into_iter().chain(self.grant_first(&touched)).collect()
    }

    /// Notes what a run holds and waits for, and about which items something has changed by that.
    fn note(
        &mut self,
        run: RunId,
        project: &ProjectId,
        claims: Claims,
        touched: &mut BTreeSet<Key>,
    ) -> Option<Grant> {
        let before = self.runs.remove(&run);
        let key = |item: &ItemName| (project.clone(), item.clone());
        if let Some(before) = &before {
            self.forget(run, before, touched);
        }
        for item in claims.held.keys() {
            self.owners.insert(key(item), run);
        }
        let granted = before.is_some_and(|before| {
            before.granted && before.claims.wanted == claims.wanted && claims.wanted.is_some()
        });
        let mut again = None;
        if let Some(wanted) = &claims.wanted {
            for item in &wanted.items {
                if granted {
                    self.owners.insert(key(item), run);
                } else {
                    self.queues.entry(key(item)).or_default().insert((wanted.since, run));
                    touched.insert(key(item));
                }
            }
            again = granted.then(|| Grant { run, effect: wanted.effect.clone() });
        }
        if !claims.is_empty() {
            self.runs.insert(run, Known { project: project.clone(), claims, granted });
        }
        again
    }

    /// Takes a run out, as if it held and wanted nothing.
    fn forget(&mut self, run: RunId, known: &Known, touched: &mut BTreeSet<Key>) {
        let wanted = known
            .claims
            .wanted
            .iter()
            .flat_map(|wanted| wanted.items.iter().map(move |item| (wanted.since, item)));
        for (since, item) in wanted {
            let key = (known.project.clone(), item.clone());
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.remove(&(since, run));
                if queue.is_empty() {
                    self.queues.remove(&key);
                }
            }
            self.free(run, key, touched);
        }
        for item in known.claims.held.keys() {
            self.free(run, (known.project.clone(), item.clone()), touched);
        }
    }

    fn free(&mut self, run: RunId, key: Key, touched: &mut BTreeSet<Key>) {
        if self.owners.get(&key) == Some(&run) {
            self.owners.remove(&key);
        }
        touched.insert(key);
    }

    /// Grants what can be to those who wait first for one of the items about which something changed.
    fn grant_first(&mut self, touched: &BTreeSet<Key>) -> Vec<Grant> {
        let first: BTreeSet<(Timestamp, RunId)> =
            touched.iter().filter_map(|key| self.queues.get(key)?.first().copied()).collect();
        first.into_iter().filter_map(|waiting| self.grant(waiting)).collect()
    }

    fn grant(&mut self, waiting: (Timestamp, RunId)) -> Option<Grant> {
        let (_, run) = waiting;
        let known = self.runs.get_mut(&run)?;
        let wanted = known.claims.wanted.as_ref()?;
        let keys: Vec<Key> =
            wanted.items.iter().map(|item| (known.project.clone(), item.clone())).collect();
        let can_have = keys.iter().all(|key| {
            let free = self.owners.get(key).is_none_or(|owner| *owner == run);
            free && self.queues.get(key).and_then(BTreeSet::first) == Some(&waiting)
        });
        if !can_have {
            return None;
        }
        known.granted = true;
        let effect = wanted.effect.clone();
        for key in keys {
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.remove(&waiting);
                if queue.is_empty() {
                    self.queues.remove(&key);
                }
            }
            self.owners.insert(key, run);
        }
        Some(Grant { run, effect })
    }

    /// The run that an item's lock belongs to, if it belongs to one.
    #[must_use]
    pub fn owner(&self, project: &ProjectId, item: &ItemName) -> Option<RunId> {
        self.owners.get(&(project.clone(), item.clone())).copied()
    }
}
