//! How far the attempts at a run's activities have come, all of them together.

use std::{collections::BTreeMap, fmt};

use rpds::RedBlackTreeMapSync;

use super::Progress;
use crate::id::EffectId;

/// What is known of the attempts at each activity. A copy costs nothing, and shares what neither it
/// nor the other changes: a run is copied for every decision, and may have thousands under way.
#[derive(Clone, Default)]
pub(super) struct Attempts {
    of: RedBlackTreeMapSync<EffectId, Progress>,
    running: usize,
    unsettled: usize,
    standing: usize,
}

impl Attempts {
    pub(super) fn get(&self, effect: &EffectId) -> Option<&Progress> {
        self.of.get(effect)
    }

    /// What is known of all.
    pub(super) fn values(&self) -> impl Iterator<Item = &Progress> {
        self.of.values()
    }

    /// The effects with what is known of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&EffectId, &Progress)> {
        self.of.iter()
    }

    /// How many are under way.
    pub(super) const fn running(&self) -> usize {
        self.running
    }

    /// Of how many nobody knows how the last attempt ended.
    pub(super) const fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Of how many the clocks stand still.
    pub(super) const fn standing(&self) -> usize {
        self.standing
    }

    /// States how far those at one activity have come.
    pub(super) fn set(&mut self, effect: EffectId, progress: Progress) {
        self.remove(&effect);
        self.running = self.running.saturating_add(usize::from(progress.running));
        let unsettled = usize::from(progress.unsettled.is_some());
        self.unsettled = self.unsettled.saturating_add(unsettled);
        let standing = usize::from(progress.stands_since.is_some());
        self.standing = self.standing.saturating_add(standing);
        self.of.insert_mut(effect, progress);
    }

    /// Forgets those at one activity.
    pub(super) fn remove(&mut self, effect: &EffectId) {
        let Some(before) = self.of.get(effect) else { return };
        self.running = self.running.saturating_sub(usize::from(before.running));
        let unsettled = usize::from(before.unsettled.is_some());
        self.unsettled = self.unsettled.saturating_sub(unsettled);
        let standing = usize::from(before.stands_since.is_some());
        self.standing = self.standing.saturating_sub(standing);
        self.of.remove_mut(effect);
    }

    /// All of them, for a snapshot.
    pub(super) fn to_map(&self) -> BTreeMap<EffectId, Progress> {
        self.iter().map(|(effect, progress)| (effect.clone(), progress.clone())).collect()
    }
}

impl From<BTreeMap<EffectId, Progress>> for Attempts {
    fn from(all: BTreeMap<EffectId, Progress>) -> Self {
        let mut attempts = Self::default();
        all.into_iter().for_each(|(effect, progress)| attempts.set(effect, progress));
        attempts
    }
}

// The structure depends on the order in which it was made.
impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}
