//! What other runs have done since at the targets of a rollout that was done: to undo it would undo that
//! as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    event::{Event, Sequence, TypedEvent},
    id::EffectId,
    item::ItemName,
    run::RunEvent,
    settlement::Settled,
};

/// A rollout that was done and can be undone yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoable {
    /// The state that did it.
    pub state: String,
    /// The targets that would be restored.
    pub targets: BTreeSet<String>,
}

/// What an activity is to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The target.
    pub target: String,
    /// Whether it restores the target; otherwise it changes it.
    pub restores: bool,
}

/// Where a run has changed targets, as its history tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Where the last event about each target stands, unless the run has restored it since.
    changed: BTreeMap<String, Sequence>,
}

/// What stands against undoing a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newer {
    /// The targets at which another run has worked since.
    pub worked: BTreeSet<String>,
    /// The targets whose locks it holds.
    pub locked: BTreeSet<String>,
}

impl Trail {
    /// Adds an event of the run; `reach` says what its workflow's effects are to targets.
    pub fn take(&mut self, event: &Event, reach: impl Fn(&EffectId) -> Option<Reach>) {
        if !RunEvent::is_type(&event.kind) {
            return;
        }
        let Ok(event_of_run) = RunEvent::from_parts(&event.kind, &event.data) else { return };
        let (effect, done) = match event_of_run {
            RunEvent::AttemptCompleted { effect, .. }
            | RunEvent::AttemptSettled { effect, settled: Settled::Done, .. } => (effect, true),
            RunEvent::AttemptStarted { effect, .. }
            | RunEvent::AttemptFailed { effect, .. }
            | RunEvent::AttemptUnknown { effect, .. }
            | RunEvent::AttemptSettled { effect, .. } => (effect, false),
            _ => return,
        };
        let Some(Reach { target, restores }) = reach(&effect) else { return };
        if !restores {
            self.changed.insert(target, event.sequence);
        } else if done {
            self.changed.remove(&target);
        }
    }

    /// Where the first of the last events about these targets stands.
    #[must_use]
    pub fn since(&self, targets: &BTreeSet<String>) -> Sequence {
        let last = targets.iter().map(|target| self.changed.get(target).copied());
        last.min().flatten().unwrap_or(Sequence::ZERO)
    }

    /// What stands against undoing at these targets what left this trail, of another run with a trail
    /// and locks of its own.
    #[must_use]
    pub fn newer(
        &self,
        targets: &BTreeSet<String>,
        other: &Self,
        held: &BTreeSet<ItemName>,
    ) -> Newer {
        let since = |target: &&String| {
            other
                .changed
                .get(*target)
                .is_some_and(|then| self.changed.get(*target).is_none_or(|mine| then > mine))
        };
        let locked = |target: &&String| held.iter().any(|item| item.as_str() == target.as_str());
        Newer {
            worked: targets.iter().filter(since).cloned().collect(),
            locked: targets.iter().filter(locked).cloned().collect(),
        }
    }
}

impl Newer {
    /// Whether nothing does.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.worked.is_empty() && self.locked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(changed: &[(&str, u64)]) -> Trail {
        let changed = changed.iter().map(|(target, at)| ((*target).to_owned(), Sequence(*at)));
        Trail { changed: changed.collect() }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_came_later_at_a_target_is_newer() {
        let targets = names(&["a", "b"]);
        for (mine, other, worked) in [
            (&[("a", 5), ("b", 6)][..], &[("a", 7)][..], &["a"][..]),
            (&[("a", 5), ("b", 6)], &[("a", 4), ("b", 3)], &[]),
            (&[("a", 5), ("b", 6)], &[("c", 9)], &[]),
            (&[("a", 5), ("b", 6)], &[("a", 9), ("b", 8), ("c", 7)], &["a", "b"]),
            (&[("a", 5)], &[("b", 2)], &["b"]),
        ] {
            let newer = trail(mine).newer(&targets, &trail(other), &BTreeSet::new());
            assert_eq!(newer.worked, names(worked), "{mine:?} {other:?}");
            assert_eq!(newer.is_nothing(), worked.is_empty());
        }
        let held = BTreeSet::from(["b".parse().unwrap(), "z".parse().unwrap()]);
        let newer = trail(&[]).newer(&targets, &trail(&[]), &held);
        assert_eq!((newer.worked, newer.locked), (names(&[]), names(&["b"])));
    }

    #[test]
    fn the_first_of_the_last_events_says_from_where_to_look() {
        let mine = trail(&[("a", 5), ("b", 3), ("c", 1)]);
        assert_eq!(mine.since(&names(&["a", "b"])), Sequence(3));
        assert_eq!(mine.since(&names(&["a", "z"])), Sequence::ZERO);
    }
}
