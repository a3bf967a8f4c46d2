//! The algebra of sets of moments, against sets of whole seconds.

use std::collections::BTreeSet;

use holdpoint_calendar::{Interval, IntervalSet};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::common::properties;

const SECONDS: i64 = 40;

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(n).unwrap()
}

fn set() -> impl Strategy<Value = IntervalSet> {
    let interval = (0..SECONDS, 1..8_i64);
    proptest::collection::vec(interval, 0..8).prop_map(|all| {
        all.into_iter()
            .map(|(start, length)| Interval::new(second(start), second(start + length)).unwrap())
            .collect()
    })
}

/// The seconds inside: what a set is, without any interval.
fn seconds(set: &IntervalSet) -> BTreeSet<i64> {
    (-1..SECONDS + 9).filter(|n| set.contains(second(*n))).collect()
}

#[test]
fn an_interval_is_half_open_and_never_empty() {
    let one = Interval::new(second(1), second(3)).unwrap();
    assert!(!one.contains(second(0)) && one.contains(second(1)) && one.contains(second(2)));
    assert!(!one.contains(second(3)));
    assert_eq!(Interval::new(second(1), second(1)), None);
    assert_eq!(Interval::new(second(2), second(1)), None);
    let touching = Interval::new(second(3), second(4)).unwrap();
    assert_eq!(one.intersection(&touching), None, "they touch and have no moment in common");
}

proptest! {
    #![proptest_config(properties(256))]

    #[test]
    fn operations_are_those_of_sets(one in set(), two in set()) {
        let (first, second) = (seconds(&one), seconds(&two));
        prop_assert_eq!(seconds(&one.union(&two)), &first | &second);
        prop_assert_eq!(seconds(&one.intersection(&two)), &first & &second);
        prop_assert_eq!(seconds(&one.difference(&two)), &first - &second);
    }

    #[test]
    fn intervals_are_in_order_and_never_touch(one in set(), two in set()) {
        for found in [one.union(&two), one.intersection(&two), one.difference(&two)] {
            let all: Vec<&Interval> = found.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end() < pair[1].start()));
            prop_assert!(all.iter().all(|one| one.start() < one.end()));
            prop_assert_eq!(found.len(), all.len());
            prop_assert_eq!(found.is_empty(), all.is_empty());
        }
    }

    #[test]
    fn laws_of_sets(one in set(), two in set(), three in set()) {
        prop_assert_eq!(one.union(&two), two.union(&one));
        prop_assert_eq!(one.intersection(&two), two.intersection(&one));
        prop_assert_eq!(one.difference(&two).union(&one.intersection(&two)), one.clone());
        prop_assert_eq!(
            one.difference(&two.union(&three)),
            one.difference(&two).difference(&three)
        );
        prop_assert_eq!(
            one.intersection(&two.union(&three)),
            one.intersection(&two).union(&one.intersection(&three))
        );
        prop_assert!(one.difference(&one).is_empty());
    }
}
