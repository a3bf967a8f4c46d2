//! Files of migrations: what they map, and what is found wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_definition::{Diagnostics, MigrationMap};

const MAP: &str = "migrate: change
to: 3
from:
  1: { agree: board, later: schedule }
  2: { review: board }
";

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/migrating.md"));

/// The states of three versions of a definition.
fn states(version: u32) -> Option<BTreeSet<String>> {
    let names: &[&str] = match version {
        1 => &["agree", "later", "done"],
        2 => &["review", "schedule", "done"],
        3 => &["board", "schedule", "done"],
        _ => return None,
    };
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

/// The lines and messages of what was found.
fn told(found: &Diagnostics) -> Vec<String> {
    assert!(found.iter().all(|one| one.help.is_some()), "{found}");
    found
        .iter()
        .map(|one| format!("{}:{}: {} {}", one.line, one.column, one.code, one.message))
        .collect()
}

#[test]
fn each_version_has_a_map_of_its_own() {
    let map = MigrationMap::parse("map.yaml", MAP).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!((map.definition(), map.to()), ("change", 3));
    let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
    };
    assert_eq!(map.of(1), of(&[("agree", "board"), ("later", "schedule")]));
    assert_eq!(map.of(2), of(&[("review", "board")]));
    assert_eq!(map.of(3), of(&[]), "states that are not named keep their names");
    assert!(map.check(&states).is_empty(), "{}", map.check(&states));
}

#[test]
fn what_the_versions_do_not_have_is_found_where_it_is_named() {
    for (old, new, expected) in [
        ("agree: board", "agre: board", "4:8: HP2008 version 1 of `change` has no state `agre`"),
        ("agree: board", "agree: bord", "4:15: HP2008 version 3 of `change` has no state `bord`"),
        ("  2:", "  7:", "5:3: HP2004 `change` has no version 7 in this project"),
        ("to: 3", "to: 9", "2:5: HP2004 `change` has no version 9 in this project"),
    ] {
        let map = MigrationMap::parse("map.yaml", &MAP.replace(old, new)).unwrap();
        assert_eq!(told(&map.check(&states)), [expected]);
    }
}

#[test]
fn what_is_no_such_file_is_refused() {
    for (source, expected) in [
        ("to: 3\nfrom: {}\n", "1:1: HP2003 a file of a migration has no `migrate`"),
        ("migrate: change\nto: soon\nfrom: {}\n", "2:5: HP2004 a text cannot stand here"),
        ("migrate: change\nto: 3\nfrom: [1]\n", "3:7: HP2004 a list cannot stand here"),
        ("migrate: change\nto: 3\nfrom: { one: { a: b } }\n", "3:9: HP2004 `one` is no version"),
        ("migrate: change\nto: 3\nfrom: { 0: { a: b } }\n", "3:9: HP2004 `0` is no version"),
        (
            "migrate: change\nto: 3\nfrom: { 1: { a: 2 } }\n",
            "3:17: HP2004 a number cannot stand here",
        ),
        (
            "migrate: change\nto: 3\nfrom: { 1: { a: b } }\nmap: {}\n",
            "4:1: HP2002 a file of a migration has no key `map`",
        ),
    ] {
        let found = MigrationMap::parse("map.yaml", source).unwrap_err();
        assert_eq!(told(&found), [expected], "{source}");
    }
}

#[test]
fn the_page_can_be_used() {
    let blocks = crate::docs::blocks(PAGE, "yaml");
    assert!(!blocks.is_empty());
    for (_, source) in blocks {
        let map = MigrationMap::parse("docs/migrating.md", &source);
        let map = map.unwrap_or_else(|found| panic!("{found}"));
        assert!(map.check(&states).is_empty(), "{}", map.check(&states));
    }
}
