//! `locks`: who holds them, who waits, and breaking one.

use serde_json::Value;

use crate::common::Place;

const CHANGE: &str = "
workflow: change
version: 1
title: A change
input: { type: object, required: [items], properties: { items: { type: array, items: { type: string } } } }
start: take
states:
  take:
    hold: { lock: '${input.items}' }
    on: { released: work }
  work:
    hold: { signal: { name: over } }
    on: { released: done }
  done: { end: done }
";

/// Who holds what and who waits: `item:run`, with a question mark where the run waits.
fn locks(place: &Place) -> Vec<String> {
    let answer: Value = place.ask("locks");
    let rows = answer["locks"].as_array().unwrap().iter();
    rows.map(|row| {
        let waits = if row["held"] == true { "" } else { "?" };
        format!("{}:{}{waits}", row["item"].as_str().unwrap(), row["number"])
    })
    .collect()
}

#[test]
fn locks_are_held_waited_for_and_broken() {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.must("project member add bob --as ada");
    place.write("change.yaml", CHANGE);
    place.must("definitions publish change.yaml --as ada");
    assert_eq!(place.must("locks"), "no locks\n");
    for items in ["[\"db-1\",\"web-1\"]", "[\"db-1\"]", "[\"web-1\",\"web-2\"]"] {
        place.must(&format!("submit change --input-json '{{\"items\":{items}}}' --as bob"));
        place.must("work");
    }
    assert_eq!(locks(&place), ["db-1:1", "db-1:2?", "web-1:1", "web-1:3?", "web-2:3?"]);
    let shown = place.must("show 1");
    assert!(shown.contains("it holds the locks on db-1, web-1\n"), "{shown}");
    let shown = place.must("show 2");
    assert!(shown.contains("the locks on db-1, since "), "{shown}");
    place.refuses("locks break db-1 --reason 'it hangs' --as bob", "HP1002");
    place.refuses("locks break web-9 --reason 'it hangs' --as ada", "HP1006");
    let told = place.must("locks break db-1 --reason 'it hangs' --as ada");
    assert!(told.starts_with("broke the lock on `db-1` of run 1: A change\n"), "{told}");
    place.must("work");
    assert_eq!(locks(&place), ["db-1:2", "web-1:1", "web-1:3?", "web-2:3?"]);
    place.must("signal 1 over --as bob");
    place.must("work");
    assert_eq!(locks(&place), ["db-1:2", "web-1:3", "web-2:3"]);
    let shown = place.must("show 1");
    assert!(shown.contains("ended") && !shown.contains("holds the locks"), "{shown}");
    let history = place.must("history 1");
    for said in [
        "`take` waits for the locks on db-1, web-1",
        "it holds the locks on db-1, web-1",
        "broke the lock on db-1 (role owner): it hangs",
    ] {
        assert!(history.contains(said), "{said}: {history}");
    }
}
