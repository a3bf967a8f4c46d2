//! The targets of a plan as they are kept while people decide about it, so that it can be said what
//! another plan does otherwise, and where.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use holdpoint_core::{Digest, PlanDrift, id::Digesting};
use serde::{Deserialize, Serialize};

/// How many bytes an event, which has at most 1 MiB, spends on the targets of plans. Of larger plans
/// only the digests are kept.
const TARGETS_BYTES_MAX: usize = 128 * 1024;

/// How many digits of the digest of what is done at a target are kept.
const MARK_DIGITS: usize = 8;

/// The targets of a plan, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTargets {
    /// Their names.
    pub names: Arc<Vec<String>>,
    /// How many targets are done by the end of each wave.
    pub waves: Arc<Vec<u32>>,
    /// Eight digits for each target, of the digest of all that is done there.
    pub marks: Arc<str>,
}

/// What plans were made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOf {
    /// The inventory, as the project named it then.
    pub inventory: Digest,
    /// The targets of each plan, as far as they are not too many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<String, PlanTargets>,
}

impl PlannedOf {
    /// Of these plans those that are not too large.
    pub(crate) fn new(
        inventory: Digest,
        plans: impl IntoIterator<Item = (String, PlanTargets)>,
    ) -> Self {
        let mut left = TARGETS_BYTES_MAX;
        let mut targets = BTreeMap::new();
        for (state, plan) in plans {
            if let Some(rest) = left.checked_sub(plan.bytes()) {
                left = rest;
                targets.insert(state, plan);
            }
        }
        Self { inventory, targets }
    }
}

/// What is done at a target, to be told from what is done there by another plan.
#[derive(Default)]
pub(crate) struct Mark(Digesting);

impl Mark {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.add(bytes);
    }

    /// Adds it to those of other targets.
    pub(crate) fn finish(self, marks: &mut String) {
        let digest = self.0.finish().to_string();
        let (_, digits) = digest.split_once(':').unwrap_or_default();
        marks.extend(digits.chars().take(MARK_DIGITS));
    }
}

impl PlanTargets {
    /// About how many bytes it takes in an event.
    fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len().saturating_add(3)).sum();
        names
            .saturating_add(self.waves.len().saturating_mul(7))
            .saturating_add(self.marks.len())
            .saturating_add(64)
    }

    fn mark(&self, index: usize) -> Option<&str> {
        let from = index.checked_mul(MARK_DIGITS)?;
        self.marks.get(from..from.checked_add(MARK_DIGITS)?)
    }

    fn wave(&self, index: usize) -> usize {
        self.waves.partition_point(|end| usize::try_from(*end).is_ok_and(|end| end <= index))
    }

    /// Whether less is done than with `before`, and what is done is done there in the same order.
    pub(crate) fn is_part_of(&self, before: &Self) -> bool {
        let mut others = before.names.iter().enumerate();
        let finds = |(now, name): (usize, &String)| {
            others.any(|(then, other)| other == name && self.mark(now) == before.mark(then))
        };
        self.names.len() < before.names.len() && self.names.iter().enumerate().all(finds)
    }

    /// How a plan with these targets differs from one with those of `before`.
    pub(crate) fn since(&self, before: &Self) -> PlanDrift {
        let places: HashMap<&str, usize> =
            self.names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
        // Those that both have, in the order of before, by their places then and now.
        let both: Vec<(usize, usize)> = before
            .names
            .iter()
            .enumerate()
            .filter_map(|(then, name)| Some((then, *places.get(name.as_str())?)))
            .collect();
        let stayed = longest_in_order(&both.iter().map(|(_, now)| *now).collect::<Vec<_>>());
        let then: HashMap<usize, usize> = both.iter().map(|(then, now)| (*now, *then)).collect();
        let known: HashSet<&str> = before.names.iter().map(String::as_str).collect();
        let of = |differs: &dyn Fn(usize) -> bool| {
            let names = self.names.iter().enumerate();
            names.filter(|(now, _)| differs(*now)).map(|(_, name)| name).collect()
        };
        PlanDrift {
            added: of(&|now| {
                self.names.get(now).is_some_and(|name| !known.contains(name.as_str()))
            }),
            removed: before
                .names
                .iter()
                .filter(|name| !places.contains_key(name.as_str()))
                .collect(),
            moved: of(&|now| {
                then.get(&now).is_some_and(|then| {
                    !stayed.contains(&now) || self.wave(now) != before.wave(*then)
                })
            }),
            changed: of(&|now| {
                then.get(&now).is_some_and(|then| self.mark(now) != before.mark(*then))
            }),
        }
    }
}

/// The longest part of a list of different numbers that is in ascending order: what is not in it has
/// changed its place among the others.
fn longest_in_order(list: &[usize]) -> HashSet<usize> {
    // For each length the smallest number with which an ascending part of that length ends.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: HashMap<usize, Option<usize>> = HashMap::new();
    for number in list {
        let length = ends.partition_point(|end| end < number);
        let previous = length.checked_sub(1).and_then(|at| ends.get(at)).copied();
        before.insert(*number, previous);
        match ends.get_mut(length) {
            Some(end) => *end = *number,
            None => ends.push(*number),
        }
    }
    let mut longest = HashSet::new();
    let mut next = ends.last().copied();
    while let Some(number) = next {
        longest.insert(number);
        next = before.get(&number).copied().flatten();
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(names: &[&str], waves: &[u32], marks: &str) -> PlanTargets {
        PlanTargets {
            names: Arc::new(names.iter().map(ToString::to_string).collect()),
            waves: Arc::new(waves.to_vec()),
            marks: marks
                .chars()
                .map(|mark| mark.to_string().repeat(MARK_DIGITS))
                .collect::<String>()
                .into(),
        }
    }

    #[test]
    fn what_differs_is_named_by_targets() {
        let before = plan(&["a", "b", "c", "d"], &[1, 4], "1234");
        for (names, waves, marks, words) in [
            (&["a", "b", "c", "d", "e"][..], &[1, 5][..], "12345", "added: e"),
            (&["a", "b", "d"], &[1, 3], "124", "removed: c"),
            (&["a", "c", "d", "b"], &[1, 4], "1342", "in another place or wave: b"),
            (&["a", "b", "c", "d"], &[2, 4], "1234", "in another place or wave: b"),
            (&["a", "b", "c", "d"], &[1, 4], "1934", "with other steps or arguments: b"),
            (
                &["a", "b", "c", "d"],
                &[1, 4],
                "1234",
                "the same targets, with other waves, times or limits",
            ),
            (
                &["e", "d", "b", "a"],
                &[1, 4],
                "5429",
                "added: e; removed: c; in another place or wave: b, a; with other steps or arguments: a",
            ),
        ] {
            assert_eq!(plan(names, waves, marks).since(&before).in_words(), words, "{names:?}");
        }
    }

    #[test]
    fn a_part_of_a_plan_is_less_of_the_same_in_the_same_order() {
        let before = plan(&["a", "b", "c"], &[1, 3], "123");
        for (names, marks, expected) in [
            (&["a", "c"][..], "13", true),
            (&["b"], "2", true),
            (&["a", "b", "c"], "123", false),
            (&["c", "a"], "31", false),
            (&["a", "c"], "14", false),
            (&["a", "d"], "14", false),
        ] {
            let now = plan(names, &[u32::try_from(names.len()).unwrap()], marks);
            assert_eq!(now.is_part_of(&before), expected, "{names:?}");
        }
    }

    #[test]
    fn many_are_counted_and_some_are_named() {
        let names: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let none = plan(&[], &[], "");
        let drift = plan(&names, &[50], "").since(&none);
        assert_eq!((drift.added.count, drift.added.first.len()), (50, 20));
        assert!(drift.in_words().ends_with("t19 and 30 more"), "{}", drift.in_words());
    }

    #[test]
    fn plans_that_are_too_large_are_not_kept() {
        let name = "n".repeat(200);
        let large = plan(&vec![name.as_str(); 700], &[700], "");
        let small = plan(&["a"], &[1], "1");
        let all = [("first".to_owned(), large), ("second".to_owned(), small)];
        let kept = PlannedOf::new(Digest::of(b""), all);
        assert_eq!(kept.targets.keys().collect::<Vec<_>>(), ["second"]);
    }
}
