//! Which targets of a rollout have moved lately, so that what has become of it since it was last looked
//! at is told without looking at all that are worked on.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
};

use holdpoint_core::EffectId;

use crate::{rollout_state::RolloutState, state::State};

/// How many moves are remembered: more than an engine has happen in one append.
const KEPT_MAX: usize = 1024;

/// The last moves of a rollout's targets. It says nothing of where they are: two states that are equal
/// but for it are equal, and a snapshot has none of it.
#[derive(Clone, Default)]
pub(crate) struct Moves {
    /// How many there were since this was begun.
    count: u64,
    last: VecDeque<u32>,
}

impl fmt::Debug for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moves")
    }
}

impl PartialEq for Moves {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Moves {
    /// Adds that a target has moved.
    pub(crate) fn add(&mut self, index: u32) {
        self.count = self.count.saturating_add(1);
        if self.last.len() == KEPT_MAX {
            self.last.pop_front();
        }
        self.last.push_back(index);
    }

    /// The targets that have moved since it was `before`, where that is remembered.
    fn since(&self, before: &Self) -> Option<impl Iterator<Item = u32>> {
        let count = usize::try_from(self.count.checked_sub(before.count)?).ok()?;
        let first = self.last.len().checked_sub(count)?;
        Some(self.last.range(first..).copied())
    }
}

/// The steps that one of two states asks for and the other does not, or otherwise; `None` where it may be
/// any.
pub(crate) fn changed(before: &State, after: &State) -> Option<BTreeSet<EffectId>> {
    let (was, is) = (before.rollout.as_ref()?, after.rollout.as_ref()?);
    let same_rollout = was.state == is.state && was.visit == is.visit;
    let same_course = was.course == is.course
        && was.paused.is_some() == is.paused.is_some()
        && was.is_free() == is.is_free();
    if !same_rollout || !same_course || !says_the_same(before, after) {
        return None;
    }
    let moved: BTreeSet<u32> = is.moves.since(&was.moves)?.collect();
    let step = |rollout: &RolloutState, index| Some(rollout.effect(index, rollout.step(index)?));
    Some(
        moved.into_iter().flat_map(|index| [step(was, index), step(is, index)]).flatten().collect(),
    )
}

/// Whether what steps are given is the same, but for what it is of the target.
fn says_the_same(before: &State, after: &State) -> bool {
    before.digest == after.digest
        && before.risk == after.risk
        && before.outputs.len() == after.outputs.len()
        && before
            .outputs
            .iter()
            .zip(&after.outputs)
            .all(|((was, before), (is, after))| was == is && std::sync::Arc::ptr_eq(before, after))
}
