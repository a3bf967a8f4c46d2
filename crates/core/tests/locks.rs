//! Locks: nothing is granted twice, nobody waits for ever, and a crash loses nothing.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    EffectId, ItemName, ProjectId, RunId,
    lock::{Claims, Grant, LockTable, Wanted},
    testing::uuid,
};
use jiff::Timestamp;
use proptest::prelude::*;

fn project() -> ProjectId {
    "lab".parse().unwrap()
}

fn run(n: usize) -> RunId {
    RunId::from_uuid(uuid(u128::try_from(n).unwrap()))
}

fn at(n: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + n).unwrap()
}

fn items(names: &[usize]) -> BTreeSet<ItemName> {
    names.iter().map(|n| format!("item-{n}").parse().unwrap()).collect()
}

fn wants(n: i64, names: &[usize]) -> Claims {
    let effect = EffectId::new(format!("lock#{n}"));
    let wanted = Wanted { effect, items: items(names), since: at(n) };
    Claims { held: BTreeMap::new(), wanted: Some(wanted), looks: None }
}

fn holds(names: &[usize]) -> Claims {
    let held = items(names).into_iter().map(|item| (item, at(0))).collect();
    Claims { held, wanted: None, looks: None }
}

fn granted(grants: &[Grant]) -> Vec<RunId> {
    grants.iter().map(|one| one.run).collect()
}

#[test]
fn whoever_waits_longest_is_given_all_at_once() {
    let mut table = LockTable::default();
    assert_eq!(granted(&table.tell(run(1), &project(), wants(1, &[1, 2]))), [run(1)]);
    assert_eq!(granted(&table.tell(run(2), &project(), wants(2, &[2, 3]))), []);
    // Three is free, but the second has waited longer for it.
    assert_eq!(granted(&table.tell(run(3), &project(), wants(3, &[3]))), []);
    assert_eq!(granted(&table.tell(run(4), &project(), wants(4, &[4]))), [run(4)]);
    assert_eq!(granted(&table.tell(run(1), &project(), holds(&[1, 2]))), []);
    // Part of it is broken: the second can have all that it wants.
    assert_eq!(granted(&table.tell(run(1), &project(), holds(&[1]))), [run(2)]);
    assert_eq!(table.owner(&project(), &"item-3".parse().unwrap()), Some(run(2)));
    // It gives up waiting before the grant has reached it.
    assert_eq!(granted(&table.tell(run(2), &project(), Claims::default())), [run(3)]);
}

#[test]
fn a_grant_that_was_lost_is_given_again() {
    let mut table = LockTable::default();
    table.tell(run(1), &project(), wants(1, &[1]));
    assert_eq!(granted(&table.tell(run(1), &project(), wants(1, &[1]))), [run(1)]);
    // It asks for something else now.
    table.tell(run(2), &project(), wants(2, &[1]));
    assert_eq!(granted(&table.tell(run(1), &project(), wants(3, &[1]))), [run(2)]);
}

#[test]
fn projects_have_items_of_their_own() {
    let mut table = LockTable::default();
    let other: ProjectId = "other".parse().unwrap();
    assert_eq!(granted(&table.tell(run(1), &project(), wants(1, &[1]))), [run(1)]);
    assert_eq!(granted(&table.tell(run(2), &other, wants(2, &[1]))), [run(2)]);
}

/// What happens to runs: their states are what is durable.
#[derive(Clone, Debug)]
enum Step {
    /// A run that holds and wants nothing asks for items.
    Ask(usize, Vec<usize>),
    /// The oldest grant that is under way to a run becomes durable there.
    Arrive(usize),
    /// A run that waits gives up, or one that holds is done.
    End(usize),
    /// One of the locks that a run holds is broken.
    Break(usize),
    /// The shard reads a run again, and tells what it holds and wants.
    Reload(usize),
    /// The process dies, and the table is made again of what is durable.
    Crash,
}

const RUNS: usize = 6;

fn step() -> impl Strategy<Value = Step> {
    let asked = proptest::collection::vec(0..5_usize, 1..4);
    prop_oneof![
        4 => (0..RUNS, asked).prop_map(|(run, items)| Step::Ask(run, items)),
        4 => (0..RUNS).prop_map(Step::Arrive),
        2 => (0..RUNS).prop_map(Step::End),
        1 => (0..RUNS).prop_map(Step::Break),
        1 => (0..RUNS).prop_map(Step::Reload),
        1 => Just(Step::Crash),
    ]
}

#[derive(Default)]
struct World {
    table: LockTable,
    durable: BTreeMap<usize, Claims>,
    under_way: Vec<Grant>,
    /// What was granted since the table was made: that stands, whoever comes later.
    given: BTreeSet<(RunId, EffectId)>,
    clock: i64,
}

impl World {
    fn tell(&mut self, n: usize) {
        let claims = self.durable.get(&n).cloned().unwrap_or_default();
        let grants = self.table.tell(run(n), &project(), claims);
        for grant in &grants {
            if self.given.insert((grant.run, grant.effect.clone())) {
                self.is_fair(grant);
            }
        }
        self.under_way.extend(grants);
    }

    fn wanted(&self, grant: &Grant) -> Option<(usize, Wanted)> {
        let n = (0..RUNS).find(|n| run(*n) == grant.run)?;
        let wanted = self.durable.get(&n)?.wanted.clone()?;
        (wanted.effect == grant.effect).then_some((n, wanted))
    }

    /// Nobody who has waited longer is passed over at any of the items.
    fn is_fair(&self, grant: &Grant) {
        let Some((n, wanted)) = self.wanted(grant) else { return };
        for (other, claims) in self.durable.iter().filter(|(other, _)| **other != n) {
            for item in &wanted.items {
                assert!(!claims.held.contains_key(item), "{item} is given to two");
            }
            if let Some(waits) = &claims.wanted {
                let before = (waits.since, run(*other)) < (wanted.since, run(n));
                assert!(
                    !before || waits.items.is_disjoint(&wanted.items),
                    "{grant:?} before {waits:?}"
                );
            }
        }
    }

    fn go(&mut self, step: &Step) {
        match step {
            Step::Ask(n, names) => {
                if self.durable.get(n).is_none_or(Claims::is_empty) {
                    self.clock += 1;
                    // Clocks can be set back, and two runs can ask at the same moment.
                    let mut claims = wants(self.clock, names);
                    claims.wanted.as_mut().unwrap().since = at(self.clock / 2);
                    self.durable.insert(*n, claims);
                    self.tell(*n);
                }
            }
            Step::Arrive(n) => {
                let Some(place) = self.under_way.iter().position(|one| one.run == run(*n)) else {
                    return;
                };
                let grant = self.under_way.remove(place);
                // A run that does not wait for it any more refuses it.
                let Some((n, wanted)) = self.wanted(&grant) else { return };
                let held = wanted.items.into_iter().map(|item| (item, at(self.clock))).collect();
                self.durable.insert(n, Claims { held, wanted: None, looks: None });
                self.nothing_is_held_twice();
                self.tell(n);
            }
            Step::End(n) => {
                self.durable.remove(n);
                self.tell(*n);
            }
            Step::Break(n) => {
                if let Some(claims) = self.durable.get_mut(n) {
                    claims.held.pop_first();
                }
                self.tell(*n);
            }
            Step::Reload(n) => self.tell(*n),
            Step::Crash => {
                let all =
                    self.durable.iter().map(|(n, claims)| (run(*n), project(), claims.clone()));
                (self.table, self.under_way) = LockTable::of(all);
                self.given.clear();
                for grant in self.under_way.clone() {
                    self.is_fair(&grant);
                    self.given.insert((grant.run, grant.effect));
                }
            }
        }
        self.nothing_is_held_twice();
    }

    fn nothing_is_held_twice(&self) {
        let mut owners: BTreeMap<&ItemName, usize> = BTreeMap::new();
        for (n, claims) in &self.durable {
            for item in claims.held.keys() {
                assert_eq!(owners.insert(item, *n), None, "{item} is held twice");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn nothing_is_granted_twice_and_nobody_waits_for_ever(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::default();
        for step in &steps {
            world.go(step);
        }
        // Whoever holds something ends, and grants arrive: then nobody is left waiting.
        for _ in 0..=RUNS {
            while let Some(grant) = world.under_way.first() {
                let n = (0..RUNS).find(|n| run(*n) == grant.run).unwrap();
                world.go(&Step::Arrive(n));
            }
            let holding: Vec<usize> =
                world.durable.iter().filter(|(_, claims)| !claims.held.is_empty()).map(|(n, _)| *n).collect();
            for n in holding {
                world.go(&Step::End(n));
            }
        }
        prop_assert!(world.durable.values().all(|claims| claims.wanted.is_none()), "{:?}", world.durable);
    }
}
