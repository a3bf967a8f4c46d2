//! Conflicts from the shell: told at submission and whenever somebody looks, by items and their relations,
//! unless the times are known to be disjoint.

use insta::assert_snapshot;

use crate::common::{LISTENING, Place, filters};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  required: [title, items]
  properties:
    title: { type: string }
    items: { type: array, items: { type: string } }
    begin: { type: string, default: '2020-01-01T00:00:00Z' }
expires: { after: 30d, to: late }
start: schedule
states:
  schedule:
    hold: { wait: { until: \"${input.begin}\" }, signal: { name: go } }
    on: { released: lock }
  lock:
    hold: { lock: \"${input.items}\" }
    on: { released: deploy }
  deploy:
    do: { run: { definition: called, good: [heard], stopped: cancel } }
    on: { succeeded: review, failed: review }
  review:
    unlock: true
    hold: { signal: { name: seen } }
    on: { released: done }
  done: { end: done }
  late: { end: late }
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.write("items.csv", "name,depends_on\ndb-1,\napi-1,db-1\nweb-1,db-1\n");
    place.must("items import items.csv --format csv --as ada");
    for (name, text) in [("change.yaml", CHANGE), ("called.yaml", LISTENING)] {
        place.write(name, text);
        place.must(&format!("definitions publish {name} --as ada"));
    }
    for (name, input) in [
        ("web", r#"{ "title": "Web", "items": ["web-1"] }"#),
        ("db", r#"{ "title": "Database", "items": ["db-1"] }"#),
        ("both", r#"{ "title": "Both", "items": ["web-1", "db-1"] }"#),
        ("api", r#"{ "title": "Interface", "items": ["api-1"] }"#),
        (
            "later",
            r#"{ "title": "Much later", "items": ["db-1"], "begin": "2999-01-01T00:00:00Z" }"#,
        ),
    ] {
        place.write(&format!("{name}.json"), input);
    }
    place
}

#[test]
fn conflicts_are_told_at_submission_and_whenever_somebody_looks() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "conflicts",
        "submit change --input-file web.json --as ada",
        "submit change --input-file db.json --as ada",
        "submit change --input-file api.json --as ada",
        "submit change --input-file later.json --as ada",
        "submit change --input-file both.json --as ada",
        "conflicts",
        "conflicts 1",
        "show 3",
        "history 2",
    ]), @r#"
    $ holdpoint conflicts
    no conflicts

    $ holdpoint submit change --input-file web.json --as ada
    submitted run 1 of the project `lab`: Web
    held at `schedule`
      met      the time [time] UTC
      waiting  the signal go
               can send it: every member of the project
    the run ends at `late` unless it has before [time] UTC (in [span])
    next: send the signal `go`: `holdpoint signal 1 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint submit change --input-file db.json --as ada
    submitted run 2 of the project `lab`: Database
    conflict: run 1 (Web) at `schedule`: web-1 depends on db-1
    held at `schedule`
      met      the time [time] UTC
      waiting  the signal go
               can send it: every member of the project
    the run ends at `late` unless it has before [time] UTC (in [span])
    next: send the signal `go`: `holdpoint signal 2 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint submit change --input-file api.json --as ada
    submitted run 3 of the project `lab`: Interface
    conflict: run 2 (Database) at `schedule`: api-1 depends on db-1
    held at `schedule`
      met      the time [time] UTC
      waiting  the signal go
               can send it: every member of the project
    the run ends at `late` unless it has before [time] UTC (in [span])
    next: send the signal `go`: `holdpoint signal 3 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint submit change --input-file later.json --as ada
    submitted run 4 of the project `lab`: Much later
    held at `schedule`
      waiting  the time 2999-01-01 00:00:00 UTC
      waiting  the signal go
               can send it: every member of the project
    the run ends at `late` unless it has before [time] UTC (in [span])
    next: run `holdpoint work`, which notices when the time has come
    next: wait until 2999-01-01 00:00:00 UTC
    next: send the signal `go`: `holdpoint signal 4 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint submit change --input-file both.json --as ada
    submitted run 5 of the project `lab`: Both
    conflict: run 1 (Web) at `schedule`: both touch web-1, web-1 depends on db-1
    conflict: run 2 (Database) at `schedule`: both touch db-1, web-1 depends on db-1
    conflict: run 3 (Interface) at `schedule`: api-1 depends on db-1
    held at `schedule`
      met      the time [time] UTC
      waiting  the signal go
               can send it: every member of the project
    the run ends at `late` unless it has before [time] UTC (in [span])
    next: send the signal `go`: `holdpoint signal 5 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint conflicts
    RUN  TITLE      STATE     WITH  TITLE      STATE     BY
    1    Web        schedule  2     Database   schedule  web-1 depends on db-1
    1    Web        schedule  5     Both       schedule  both touch web-1, web-1 depends on db-1
    2    Database   schedule  3     Interface  schedule  api-1 depends on db-1
    2    Database   schedule  5     Both       schedule  both touch db-1, web-1 depends on db-1
    3    Interface  schedule  5     Both       schedule  api-1 depends on db-1

    $ holdpoint conflicts 1
    RUN  TITLE  STATE     WITH  TITLE     STATE     BY
    1    Web    schedule  2     Database  schedule  web-1 depends on db-1
    1    Web    schedule  5     Both      schedule  both touch web-1, web-1 depends on db-1

    $ holdpoint show 3
    run 3: Interface
    id        [uuid]
    project   lab
    workflow  change v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 5
    input     begin = "[time]"
              items = ["api-1"]
              title = "Interface"

    held at `schedule`
      met      the time [time] UTC
      waiting  the signal go
               can send it: every member of the project
    the run ends at `late` unless it has before [time] UTC (in [span])
    next: send the signal `go`: `holdpoint signal 3 go`
    next: cancel the run, as `ada` or a member with the role `owner`
    conflict: run 2 (Database) at `schedule`: api-1 depends on db-1
    conflict: run 5 (Both) at `schedule`: api-1 depends on db-1

    $ holdpoint history 2
    run 2: Database
      [time]  ada     submitted it to change v1
      [time]  ada     it reached `schedule`
      [time]  ada     held at `schedule`, until [time]
      [time]  ada     the wait of `schedule` is over
      [time]  engine  found it in conflict with the runs lab/1

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}

#[test]
fn a_run_that_has_done_its_work_is_in_nobodys_way() {
    let place = place();
    place.must("submit change --input-file web.json --as ada");
    place.must("submit change --input-file db.json --as ada");
    place.must("signal 1 go --as ada");
    let numbers = |place: &Place| -> Vec<u64> {
        let said = place.ask("conflicts 2");
        let rows = said["conflicts"].as_array().unwrap();
        rows.iter().map(|row| row["with"]["number"].as_u64().unwrap()).collect()
    };
    place.must("work");
    assert_eq!(numbers(&place), [1], "it is at work");
    place.must("signal 3 heard --as ada");
    place.must("work");
    assert!(place.must("show 1").contains("review"));
    assert_eq!(numbers(&place), [0; 0]);
}

#[test]
fn what_was_found_at_submission_is_recorded_once() {
    let place = place();
    place.must("submit change --input-file web.json --as ada");
    let line = "submit change --input-file db.json --as ada \
                --command-id 0199a1b2-c3d4-7000-8000-000000000009";
    place.must(line);
    place.must(line);
    let history = place.must("history 2 --json");
    assert_eq!(history.matches("holdpoint.run.conflicts").count(), 1, "{history}");
    assert!(history.contains("needed_by"), "{history}");
    assert!(!place.must("history 1 --json").contains("holdpoint.run.conflicts"));
}

const HELD: &str = "
workflow: held
version: 1
title: Held
input:
  type: object
  required: [title, items]
  properties:
    title: { type: string }
    items: { type: array, items: { type: string } }
start: ready
states:
  ready:
    hold:
      signal: { name: go }
      conflicts: { found: hold, accept: role:manager }
    on: { released: lock }
  lock:
    hold: { lock: \"${input.items}\" }
    on: { released: deploy }
  deploy:
    do: { run: { definition: called, good: [heard], stopped: cancel } }
    on: { succeeded: review, failed: review }
  review:
    unlock: true
    hold: { signal: { name: seen } }
    on: { released: done }
  done: { end: done }
";

fn holding() -> Place {
    let place = place();
    place.write("held.yaml", HELD);
    place.must("definitions publish held.yaml --as ada");
    place.must("project member add grace --as ada");
    place.must("project role grant grace manager --as ada");
    for name in ["web", "db", "api"] {
        place.must(&format!("submit held --input-file {name}.json --as ada"));
    }
    place
}

fn state(place: &Place, run: u32) -> String {
    place.ask(&format!("show {run}"))["state"].as_str().unwrap().to_owned()
}

#[test]
fn of_two_that_are_released_at_once_the_second_waits_until_the_first_is_over() {
    let place = holding();
    // The database is what the others depend on.
    for run in [3, 2, 1] {
        place.must(&format!("signal {run} go --as ada"));
    }
    place.must("work");
    let states = |runs: [u32; 3]| runs.map(|run| state(&place, run));
    assert_eq!(states([1, 2, 3]), ["deploy", "ready", "ready"], "{}", place.must("show 2"));
    let shown = place.must("show 2");
    assert!(shown.contains("run 1 (Web): web-1 depends on db-1"), "{shown}");
    place.must("signal 4 heard --as ada");
    place.must("work");
    assert_eq!(states([1, 2, 3]), ["review", "deploy", "ready"]);
    place.must("signal 5 heard --as ada");
    place.must("work");
    assert_eq!(states([1, 2, 3]), ["review", "review", "deploy"]);
}

#[test]
fn a_named_role_accepts_a_conflict_and_it_shows_as_that() {
    let place = holding();
    place.must("signal 2 go --as ada");
    place.must("work");
    let shown = place.must("show 2");
    assert!(shown.contains("`holdpoint conflicts accept 2 --with 1 --reason TEXT`"), "{shown}");
    let accepted = place.must("conflicts accept 2 --with 1 --reason together --as grace");
    let next = "next: run `holdpoint work`, which looks for conflicts\n";
    assert!(accepted.contains(next), "{accepted}");
    place.must("work");
    assert_eq!(state(&place, 2), "deploy", "{}", place.must("show 2"));
    let shown = place.must("show 2");
    assert!(shown.contains("accepted the conflict with run 1 in `ready`, by grace"), "{shown}");
    let history = place.must("history 2");
    let accepted = "accepted the conflict of `ready` with run 1";
    assert!(history.contains(accepted) && !history.contains("approved"), "{history}");
    // Who comes to the same items later finds it at work.
    place.must("signal 1 go --as ada");
    place.must("work");
    assert_eq!(state(&place, 1), "ready");
    place.must("cancel 2 --reason enough --as ada");
    place.must("work");
    assert_eq!(state(&place, 1), "deploy");
}

#[test]
fn what_holds_a_run_is_looked_for_again_when_items_are_no_longer_related() {
    let place = holding();
    place.must("signal 2 go --as ada");
    place.must("work");
    assert_eq!(state(&place, 2), "ready");
    place.write("apart.csv", "name,depends_on\nweb-1,\n");
    place.must("items import apart.csv --format csv --as ada");
    place.must("work");
    assert_eq!(state(&place, 2), "deploy", "{}", place.must("show 2"));
}
