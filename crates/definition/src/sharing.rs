//! Sets and maps of targets that copies share until they differ, and then but for what does. A state is
//! copied for every decision, and a rollout may be at work on thousands of targets.

use std::fmt;

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};
use serde::{Deserialize, Serialize};

/// Targets, by their numbers.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SharedSet(RedBlackTreeSetSync<u32>);

impl SharedSet {
    pub(crate) fn len(&self) -> usize {
        self.0.size()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        self.0.contains(&index)
    }

    pub(crate) fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// In their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// Adds a target, and says whether it is new.
    pub(crate) fn insert(&mut self, index: u32) -> bool {
        let is_new = !self.contains(index);
        if is_new {
            self.0.insert_mut(index);
        }
        is_new
    }

    /// Takes a target out, and says whether it was in.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        self.0.remove_mut(&index)
    }
}

// The structure depends on the order in which it was made.
impl fmt::Debug for SharedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter()).finish()
    }
}

/// Something of targets, by their numbers.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SharedMap<V>(RedBlackTreeMapSync<u32, V>);

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl<V: Clone> SharedMap<V> {
    pub(crate) fn get(&self, index: u32) -> Option<&V> {
        self.0.get(&index)
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        self.0.contains_key(&index)
    }

    pub(crate) fn insert(&mut self, index: u32, of: V) {
        self.0.insert_mut(index, of);
    }

    /// Takes what is of a target out.
    pub(crate) fn remove(&mut self, index: u32) -> Option<V> {
        let before = self.get(index).cloned();
        self.0.remove_mut(&index);
        before
    }
}

impl<V: fmt::Debug> fmt::Debug for SharedMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}
