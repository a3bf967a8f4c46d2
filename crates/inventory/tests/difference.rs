//! What would be different by a file.

use holdpoint_core::{ItemName, Items};
use holdpoint_inventory::{Difference, Format, Rest};

use crate::{declared, line};

fn items(source: &str) -> Items {
    let difference = declared(Format::Yaml, source).against(&Items::default(), Rest::Keep);
    difference.unwrap().added.into_iter().collect()
}

const BEFORE: &str = "
items:
  db-1: { labels: { env: prod }, groups: [backend] }
  web-1: { labels: { env: prod }, depends_on: [db-1] }
  old-1:
";

#[test]
fn what_a_file_does_not_speak_of_stays() {
    let after = declared(
        Format::Yaml,
        "items: { web-1: { labels: { env: test } }, new-1: { depends_on: [web-1] }, db-1: }",
    );
    let Difference { added, changed, removed, unchanged } =
        after.against(&items(BEFORE), Rest::Keep).unwrap();
    assert_eq!(added.iter().map(line).collect::<String>(), "new-1 >web-1\n");
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].name.as_str(), "web-1");
    assert_eq!(changed[0].before.depends_on, changed[0].after.depends_on);
    assert_eq!((removed.len(), unchanged), (0, 1));
    assert!(
        declared(Format::Yaml, BEFORE).against(&items(BEFORE), Rest::Remove).unwrap().is_empty()
    );
}

#[test]
fn the_rest_goes_where_the_file_declares_all() {
    let after = declared(Format::Yaml, "items: { db-1: , web-1: }");
    let removed = after.against(&items(BEFORE), Rest::Remove).unwrap().removed;
    assert_eq!(removed.iter().map(ItemName::as_str).collect::<Vec<_>>(), ["old-1"]);
    // What stays depends on what goes.
    let after = declared(Format::Yaml, "items: { web-1: }");
    let found = after.against(&items(BEFORE), Rest::Remove).unwrap_err();
    assert_eq!(found.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["HP2310"]);
}

#[test]
fn what_is_set_comes_after_what_it_depends_on() {
    let source = "items: { a: { depends_on: [b] }, b: { depends_on: [c] }, c: }";
    let set = declared(Format::Yaml, source).against(&Items::default(), Rest::Keep).unwrap().set();
    assert_eq!(set.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
}
