//! Configuration items: what a change refuses, in which order items come, and what selects them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod office;

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Item, ItemName, Items, NamedItem, ProjectAction, RefusalCode, Selector,
    event::TypedEvent,
    item::{ITEMS_AT_ONCE_MAX, ItemsChange},
    project::ProjectEvent,
};
use office::{Office, member, role};
use proptest::prelude::*;
use serde_json::{from_value, json};

/// An item: its name, its labels and groups as `a=b` and `@group`, and what it depends on.
fn item(name: &str, words: &str, on: &[&str]) -> NamedItem {
    let mut item = Item::default();
    for word in words.split_whitespace() {
        match (word.strip_prefix('@'), word.split_once('=')) {
            (Some(group), _) => drop(item.groups.insert(group.parse().unwrap())),
            (_, Some((label, value))) => {
                item.labels.insert(label.parse().unwrap(), value.to_owned());
            }
            _ => drop(item.labels.insert(word.parse().unwrap(), String::new())),
        }
    }
    item.depends_on = on.iter().map(|one| one.parse().unwrap()).collect();
    NamedItem { name: name.parse().unwrap(), item }
}

fn change(set: Vec<NamedItem>, remove: &[&str]) -> ProjectAction {
    let remove = remove.iter().map(|one| one.parse().unwrap()).collect();
    ProjectAction::ChangeItems { set, remove }
}

fn shop() -> Vec<NamedItem> {
    vec![
        item("web-2", "env=prod role=web @web", &["api-1"]),
        item("web-1", "env=prod role=web @web", &["api-1"]),
        item("api-1", "env=prod role=api @backend", &["db-1"]),
        item("db-1", "env=prod role=db legacy @backend @databases", &[]),
        item("test-1", "env=test role=web", &[]),
    ]
}

fn names(items: &Items) -> Vec<&str> {
    items.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn items_are_set_changed_and_removed() {
    let mut office = Office::created();
    assert_eq!(office.accept("ada", change(shop(), &[])), ["holdpoint.items.changed"]);
    assert_eq!(names(office.project().items()), ["api-1", "db-1", "test-1", "web-1", "web-2"]);
    let again = office.project().items().decide(&shop(), &[]).unwrap();
    assert_eq!(again, [], "what is as it was is nothing new");
    office.accept("ada", change(vec![item("db-2", "env=prod", &["db-1"])], &["test-1", "web-2"]));
    assert_eq!(names(office.project().items()), ["api-1", "db-1", "db-2", "web-1"]);
    assert_eq!(
        office.project().items().dependents("db-1"),
        ["api-1", "db-2"].map(parsed).iter().collect::<Vec<_>>()
    );
}

#[test]
fn only_owners_change_items() {
    let mut office = Office::created();
    let roles = vec![role("engineer")];
    office.accept("ada", ProjectAction::AddMember { member: member("bob"), name: None, roles });
    let command = office.command("bob", change(shop(), &[]));
    assert_eq!(office.send(&command).unwrap_err().code, RefusalCode::NotEligible);
    assert!(office.project().items().is_empty());
}

fn parsed(name: &str) -> ItemName {
    name.parse().unwrap()
}

#[test]
fn a_change_that_cannot_be_is_refused_and_leaves_nothing() {
    let mut many: Vec<_> =
        (0..ITEMS_AT_ONCE_MAX).map(|n| item(&format!("n{n}"), "", &[])).collect();
    many.push(item("one-more", "", &[]));
    let long = "x".repeat(254);
    let mut shouts = item("a", "", &[]);
    shouts.item.labels.insert("says".parse().unwrap(), "a\nb".to_owned());
    let mut talks = item("a", "", &[]);
    talks.item.labels.insert("says".parse().unwrap(), long);
    for (set, remove, code, said) in [
        (vec![item("a", "", &["b"])], vec![], RefusalCode::UnknownItem, "`a` would depend on `b`"),
        (vec![item("a", "", &["a"])], vec![], RefusalCode::DependencyCircle, "a -> a"),
        (
            vec![item("db-1", "", &["web-1"])],
            vec![],
            RefusalCode::DependencyCircle,
            "api-1 -> db-1 -> web-1 -> api-1",
        ),
        (vec![], vec!["db-1"], RefusalCode::UnknownItem, "`api-1` would depend on `db-1`"),
        (vec![], vec!["db-9"], RefusalCode::NotFound, "there is no item `db-9`"),
        (vec![], vec!["test-1", "test-1"], RefusalCode::InvalidInput, "twice"),
        (shop(), vec!["test-1"], RefusalCode::InvalidInput, "twice"),
        (vec![item("a", "", &[]), item("a", "", &[])], vec![], RefusalCode::InvalidInput, "twice"),
        (vec![item("a", "name=x", &[])], vec![], RefusalCode::InvalidInput, "`name`"),
        (vec![item("a", "group=x", &[])], vec![], RefusalCode::InvalidInput, "`group`"),
        (vec![shouts], vec![], RefusalCode::InvalidInput, "control"),
        (vec![talks], vec![], RefusalCode::InvalidInput, "longer"),
        (many, vec![], RefusalCode::InvalidInput, "10001 items"),
    ] {
        let mut office = Office::created();
        office.accept("ada", change(shop(), &[]));
        let before = office.made.clone();
        let command = office.command("ada", change(set, &remove));
        let refusal = office.send(&command).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.message.contains(said), "{refusal}");
        assert_eq!(office.made, before);
    }
}

#[test]
fn ten_thousand_items_are_one_command_in_events_that_a_log_takes() {
    let mut items: Vec<_> = (0..ITEMS_AT_ONCE_MAX)
        .map(|n| {
            let on = (n > 0).then(|| format!("host-{}", n - 1));
            let on: Vec<&str> = on.as_deref().into_iter().collect();
            item(&format!("host-{n}"), "env=prod role=web site=south rack=a @web @south", &on)
        })
        .collect();
    items.reverse();
    let mut office = Office::created();
    let command = office.command("ada", change(items, &[]));
    let events = office.send(&command).unwrap();
    assert!(events.len() > 1);
    assert_eq!(office.project().items().len(), ITEMS_AT_ONCE_MAX);
    for event in &office.history {
        assert!(event.data.as_str().len() < 512 * 1024);
    }
    let all: Vec<_> = office.project().items().iter().map(|(name, _)| name.clone()).collect();
    let ordered = office.project().items().in_order(&all);
    assert_eq!(ordered[9_999].as_str(), "host-9999");
    office.accept("ada", change(vec![], &["host-9999"]));
}

#[test]
fn items_come_after_what_they_depend_on() {
    let items: Items = shop().into_iter().collect();
    let all = ["test-1", "web-2", "web-1", "unknown", "db-1", "api-1"];
    assert_eq!(items.in_order(&all), ["test-1", "unknown", "db-1", "api-1", "web-2", "web-1"]);
    // Through what is not among them too.
    let with_last = items.by_dependency(&["web-1", "test-1", "db-1"]);
    assert_eq!(with_last, [("test-1", None), ("db-1", None), ("web-1", Some(1))]);
}

#[test]
fn selectors_select() {
    let items: Items = shop().into_iter().collect();
    for (selector, expected) in [
        ("env=prod", vec!["api-1", "db-1", "web-1", "web-2"]),
        ("env == prod, role in (web, api), !legacy", vec!["api-1", "web-1", "web-2"]),
        ("env!=prod", vec!["test-1"]),
        ("rack!=a,env=test", vec!["test-1"]),
        ("role notin (web,api)", vec!["db-1"]),
        ("legacy", vec!["db-1"]),
        ("!legacy,env", vec!["api-1", "test-1", "web-1", "web-2"]),
        ("group=backend", vec!["api-1", "db-1"]),
        ("group in (databases, web)", vec!["db-1", "web-1", "web-2"]),
        ("group notin (backend)", vec!["test-1", "web-1", "web-2"]),
        ("!group", vec!["test-1"]),
        ("name", vec!["api-1", "db-1", "test-1", "web-1", "web-2"]),
        ("name in ('web-1', \"db-1\")", vec!["db-1", "web-1"]),
        ("!name", vec![]),
        ("in in (a)", vec![]),
    ] {
        let parsed: Selector = selector.parse().unwrap();
        let selected: Vec<&str> = parsed.select(&items).map(|(name, _)| name.as_str()).collect();
        assert_eq!(selected, expected, "{selector}");
        assert_eq!(parsed.to_string().parse::<Selector>().unwrap(), parsed);
    }
    for (bad, at) in [
        ("", 0),
        ("env=", 4),
        ("env=prod,", 9),
        ("env=prod role=web", 9),
        ("role in web", 8),
        ("role in (web", 12),
        ("role in ()", 9),
        ("role in (\"web)", 9),
        ("-a", 0),
        ("env=prod && x", 9),
        ("!!a", 1),
    ] {
        assert_eq!(bad.parse::<Selector>().unwrap_err().at, at, "{bad}");
    }
}

#[test]
fn later_members_of_an_item_do_no_harm() {
    let data = json!({ "set": [{ "name": "a", "labels": { "x": "1" }, "since": "later" }] });
    let event = json!({ "type": "holdpoint.items.changed", "data": data });
    let read: ProjectEvent = from_value(event).unwrap();
    assert_eq!(
        read.to_new_event().unwrap().data.as_str(),
        r#"{"set":[{"name":"a","labels":{"x":"1"}}]}"#
    );
}

/// What `small` items depend on; possibly in circles.
fn graph() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
    proptest::collection::vec(proptest::collection::btree_set(0..8_usize, 0..3), 8)
}

fn named(n: usize) -> String {
    format!("n{n}")
}

fn of(graph: &[BTreeSet<usize>]) -> Vec<NamedItem> {
    graph
        .iter()
        .enumerate()
        .map(|(n, on)| {
            let on: Vec<String> = on.iter().map(|on| named(*on)).collect();
            item(&named(n), "", &on.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect()
}

/// Whether a way leads from an item to another, by going every way.
fn reaches(graph: &[BTreeSet<usize>], from: usize, to: usize, steps: usize) -> bool {
    steps > 0
        && graph[from]
            .iter()
            .any(|on| *on == to || reaches(graph, *on, to, steps.saturating_sub(1)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    /// Circles are found where there are some, and every event leaves a whole graph behind.
    #[test]
    fn whatever_is_accepted_has_no_circle(before in graph(), after in graph(), gone in proptest::collection::btree_set(0..8_usize, 0..4)) {
        let mut items = Items::default();
        for graph in [&before, &after] {
            let is_circle = (0..8).any(|n| reaches(graph, n, n, 9));
            match items.decide(&of(graph), &[]) {
                Ok(pieces) => {
                    prop_assert!(!is_circle);
                    for piece in pieces {
                        items.change(piece).unwrap();
                        prop_assert_eq!(items.circle(), None);
                    }
                    let shown: BTreeMap<_, _> = items.iter().collect();
                    prop_assert_eq!(shown.len(), 8);
                }
                Err(refusal) => {
                    prop_assert!(is_circle);
                    prop_assert_eq!(refusal.code, RefusalCode::DependencyCircle);
                }
            }
        }
        if items.is_empty() {
            return Ok(());
        }
        let remove: Vec<ItemName> = gone.iter().map(|n| parsed(&named(*n))).collect();
        match items.decide(&[], &remove) {
            Ok(pieces) => pieces.into_iter().for_each(|piece| items.change(piece).unwrap()),
            Err(refusal) => prop_assert_eq!(refusal.code, RefusalCode::UnknownItem),
        }
        for (_, item) in items.iter() {
            prop_assert!(item.depends_on.iter().all(|on| items.get(on.as_str()).is_some()));
        }
    }

    /// The order of targets keeps every dependency among them, and is one of all of them.
    #[test]
    fn no_item_comes_before_what_it_depends_on(graph in graph(), chosen in proptest::collection::btree_set(0..10_usize, 0..9)) {
        let graph: Vec<BTreeSet<usize>> = graph
            .into_iter()
            .enumerate()
            .map(|(n, on)| on.into_iter().filter(|on| *on < n).collect())
            .collect();
        let items: Items = of(&graph).into_iter().rev().collect();
        let names: Vec<String> = chosen.iter().map(|n| named(*n)).collect();
        let order = items.by_dependency(&names);
        let place: BTreeMap<&str, usize> = order.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
        prop_assert_eq!(place.len(), names.len());
        for n in &chosen {
            let on: Vec<usize> = chosen
                .iter()
                .filter(|on| *n < 8 && **on < 8 && reaches(&graph, *n, **on, 9))
                .map(|on| place[named(*on).as_str()])
                .collect();
            let (_, last) = &order[place[named(*n).as_str()]];
            prop_assert_eq!(*last, on.iter().max().copied());
            prop_assert!(last.is_none_or(|last| last < place[named(*n).as_str()]));
        }
    }

    /// Any text is answered, and a change that is recorded is read as it was.
    #[test]
    fn any_text_is_a_selector_or_none(text in "\\PC{0,40}") {
        if let Err(fault) = text.parse::<Selector>() {
            prop_assert!(fault.at <= text.len());
        }
    }
}

#[test]
fn a_change_must_follow() {
    let mut items = Items::default();
    let dangling = ItemsChange { set: vec![item("a", "", &["b"])], removed: vec![] };
    assert!(items.change(dangling).is_err());
    let absent = ItemsChange { set: vec![], removed: vec![parsed("a")] };
    assert!(items.change(absent).is_err());
}
