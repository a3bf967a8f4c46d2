//! Which runs are in conflict: by their items, the relations of those, and their times.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Item, Items,
    conflict::{Overlap, Relation, Times, Touching, conflicts, conflicts_of},
    item::{ItemsChange, NamedItem},
};
use proptest::prelude::*;

/// `web` and `api` depend on `db`, which depends on `disk`.
fn inventory() -> Items {
    let named = |name: &str, on: &[&str]| NamedItem {
        name: name.parse().unwrap(),
        item: Item {
            depends_on: on.iter().map(|one| one.parse().unwrap()).collect(),
            ..Item::default()
        },
    };
    let mut items = Items::default();
    let set = vec![
        named("disk", &[]),
        named("db", &["disk"]),
        named("api", &["db"]),
        named("web", &["db"]),
    ];
    items.change(ItemsChange { set, ..ItemsChange::default() }).unwrap();
    items
}

fn run(items: &[&str], times: (Option<i64>, Option<i64>)) -> Touching {
    let at = |hour: i64| jiff::Timestamp::from_second(hour * 3600).unwrap();
    Touching {
        items: items.iter().map(|one| one.parse().unwrap()).collect(),
        times: Times { from: times.0.map(at), until: times.1.map(at) },
    }
}

const ALWAYS: (Option<i64>, Option<i64>) = (None, None);

#[test]
fn items_are_the_same_or_one_depends_directly_on_the_other() {
    for (one, other, expected) in [
        (vec!["db"], vec!["db"], vec!["db Same db"]),
        (vec!["web"], vec!["db"], vec!["web DependsOn db"]),
        (vec!["db"], vec!["web"], vec!["db NeededBy web"]),
        (vec!["web"], vec!["api"], vec![]),
        (vec!["web"], vec!["disk"], vec![]),
        (vec!["unknown"], vec!["unknown"], vec!["unknown Same unknown"]),
        (vec![], vec!["db"], vec![]),
        (
            vec!["web", "db"],
            vec!["db", "disk"],
            vec!["db Same db", "db DependsOn disk", "web DependsOn db"],
        ),
    ] {
        let found = conflicts(&[run(&one, ALWAYS), run(&other, ALWAYS)], &inventory());
        let said: Vec<String> = found
            .values()
            .flatten()
            .map(|Overlap { item, relation, other }| format!("{item} {relation:?} {other}"))
            .collect();
        assert_eq!(said, expected, "{one:?} and {other:?}");
    }
}

#[test]
fn times_that_are_known_to_be_disjoint_make_no_conflict() {
    for (one, other, overlap) in [
        (ALWAYS, ALWAYS, true),
        ((None, Some(3)), (Some(3), None), false),
        ((None, Some(3)), (Some(2), None), true),
        ((Some(1), Some(2)), (Some(4), Some(5)), false),
        ((Some(1), None), (Some(4), Some(5)), true),
        ((None, Some(3)), ALWAYS, true),
    ] {
        let two = [run(&["db"], one), run(&["db"], other)];
        assert_eq!(conflicts(&two, &inventory()).len(), usize::from(overlap), "{one:?} {other:?}");
    }
}

proptest! {
    /// Who comes first does not matter, and what one sees the other sees turned.
    #[test]
    fn a_conflict_is_one_for_both(
        one in prop::collection::btree_set(0..4_usize, 0..4),
        other in prop::collection::btree_set(0..4_usize, 0..4),
    ) {
        let names = ["disk", "db", "api", "web"];
        let named = |set: &BTreeSet<usize>| {
            let names: Vec<&str> = set.iter().map(|n| names[*n]).collect();
            run(&names, ALWAYS)
        };
        let (one, other) = (named(&one), named(&other));
        let there = conflicts(&[one.clone(), other.clone()], &inventory());
        let back = conflicts(&[other, one], &inventory());
        let there: BTreeSet<Overlap> = there.into_values().flatten().collect();
        let turned: BTreeSet<Overlap> =
            back.into_values().flatten().map(|overlap| overlap.turned()).collect();
        prop_assert!(there.iter().all(|one| (one.relation == Relation::Same) == (one.item == one.other)));
        prop_assert_eq!(there, turned);
    }
}

proptest! {
    /// Those of one run are those among all in which it is.
    #[test]
    fn what_one_run_is_in_conflict_with_is_part_of_the_whole(
        runs in prop::collection::vec(
            (prop::collection::btree_set(0..4_usize, 0..4), 0..4_i64, 1..3_i64), 0..6,
        ),
    ) {
        let names = ["disk", "db", "api", "web"];
        let runs: Vec<Touching> = runs
            .iter()
            .map(|(items, from, hours)| {
                let items: Vec<&str> = items.iter().map(|n| names[*n]).collect();
                run(&items, (Some(*from), Some(from + hours)))
            })
            .collect();
        let all = conflicts(&runs, &inventory());
        for at in 0..runs.len() {
            let mut of = all.clone();
            of.retain(|(one, other), _| at == *one || at == *other);
            prop_assert_eq!(conflicts_of(at, &runs, &inventory()), of);
        }
        prop_assert_eq!(conflicts_of(runs.len(), &runs, &inventory()), BTreeMap::new());
    }
}

#[test]
fn of_two_that_wait_the_first_goes_first_and_who_is_at_work_before_both() {
    use holdpoint_core::conflict::Turn;
    for (turn, before, after) in [
        (Turn::Aside, false, false),
        (Turn::Ahead, true, false),
        (Turn::AtGate, true, false),
        (Turn::Awaiting, true, true),
        (Turn::AtWork, true, true),
    ] {
        assert_eq!((turn.goes_first(1, 2), turn.goes_first(3, 2)), (before, after), "{turn:?}");
    }
    // Of runs that belong together the furthest counts: one that awaits another is as far as that, if it waits.
    let family = |turns: [Turn; 2]| turns.into_iter().max().unwrap();
    assert_eq!(family([Turn::Awaiting, Turn::AtGate]), Turn::AtGate);
    assert_eq!(family([Turn::Awaiting, Turn::Ahead]), Turn::Awaiting);
    assert_eq!(family([Turn::AtGate, Turn::AtWork]), Turn::AtWork);
}
