//! Which runs a shard has begun lately: it tells at once, of nearly every new id, that no run has it.
//!
//! Ids are UUIDv7, so a new one is nearly always above those that were there when the engine
//! started. Below that only the read model can tell.

use std::collections::BTreeSet;

use holdpoint_core::RunId;

/// How many ids are kept, the highest.
const KEPT_MAX: usize = 4096;

/// The ids of the runs that a shard has begun, as far as they are above a floor.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Nothing is known of the ids up to this one; `None` when there are no such runs.
    floor: Option<RunId>,
    begun: BTreeSet<RunId>,
}

impl Recent {
    /// Above `highest`, the highest id of all runs, there are none.
    pub(crate) const fn above(highest: Option<RunId>) -> Self {
        Self { floor: highest, begun: BTreeSet::new() }
    }

    /// Whether certainly no run has this id.
    pub(crate) fn is_new(&self, run: RunId) -> bool {
        self.floor.is_none_or(|floor| run > floor) && !self.begun.contains(&run)
    }

    /// Notes that a run has been begun, or will be.
    pub(crate) fn add(&mut self, run: RunId) {
        if self.floor.is_some_and(|floor| run <= floor) {
            return;
        }
        self.begun.insert(run);
        if self.begun.len() > KEPT_MAX {
            self.floor = self.begun.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use holdpoint_core::RunId;
    use uuid::Uuid;

    use super::*;

    fn id(n: u128) -> RunId {
        RunId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn what_is_called_new_was_never_there() {
        let mut all: HashSet<RunId> = [id(3), id(1_000)].into();
        let mut recent = Recent::above(Some(id(1_000)));
        assert!(!recent.is_new(id(3)) && !recent.is_new(id(4)), "only the read model can tell");
        let mut seen_new = 0;
        for n in 0..20_000_u128 {
            // Rising, but for every seventh.
            let run = id(if n % 7 == 0 { n } else { 900 + 3 * n });
            if recent.is_new(run) {
                assert!(!all.contains(&run), "{run}");
                seen_new += 1;
            }
            recent.add(run);
            all.insert(run);
            assert!(!recent.is_new(run), "{run}");
            assert!(recent.begun.len() <= KEPT_MAX);
        }
        assert!(seen_new > 16_000, "{seen_new}");
    }
}
