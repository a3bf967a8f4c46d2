//! Migrating runs from the shell: a dry run, many at once, what is shown of them then and of the time
//! before, and that all of it is read from the log alone.

use std::fs;

use insta::assert_snapshot;

use crate::common::{DATA, LISTENING, Place, filters};

const OLD: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  properties: { title: { type: string }, items: { type: array, items: { type: string }, default: [] } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 2 } } }, expires: 7d }
    on: { released: lock, rejected: refused, expired: refused }
  lock:
    hold: { lock: \"${input.items}\" }
    on: { released: deploy }
  deploy:
    do: { run: { definition: called, good: [heard], stopped: cancel } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for member in ["bob", "cy"] {
        place.must(&format!("project member add {member} --role engineer --as ada"));
    }
    place.must("project member add mig --role migrate --as ada");
    let newer = OLD
        .replace("version: 1", "version: 2")
        .replace("agree", "board")
        .replace("need: 2", "need: 1")
        .replace("default: [] }", "default: [] }, window: { type: string, default: 2h }");
    for (name, text) in [("old.yaml", OLD), ("new.yaml", &newer), ("called.yaml", LISTENING)] {
        place.write(name, text);
        place.must(&format!("definitions publish {name} --as ada"));
    }
    for title in ["switch", "kernel"] {
        let input = format!(r#"{{ "title": "{title}", "items": ["{title}-1"] }}"#);
        place.write("input.json", &input);
        place.must("submit change --version 1 --input-file input.json --as ada");
    }
    place.must("approve 1 --as bob");
    place.must("approve 2 --as bob");
    place.must("approve 2 --as cy");
    place.must("work");
    place
}

#[test]
fn runs_are_migrated_and_those_that_do_not_fit_are_named() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "list",
        "migrate 1 --to 2 --dry-run --as mig",
        "migrate 1 --to 2 --map agree=board --reason 'the board has changed' --as bob",
        "migrate --all --definition change --to 2 --map agree=board --dry-run --as mig",
        "migrate --all --definition change --to 2 --map agree=board --reason 'the board has changed' --as mig",
        "migrate 1 --to 2 --reason 'once more' --as mig",
        "migrate 1 --to 7 --reason 'further' --as mig",
        "migrate --all --definition nobody --to 2 --reason 'all' --as mig",
        "list --definition change",
        "history 1",
        "approve 1 --as bob",
        "migrate 1 --to 1 --reason 'back' --as mig",
        "migrate 1 --to 1 --map board=agree --reason 'back' --as mig",
    ]), @"
    $ holdpoint list
    RUN  TITLE   DEFINITION  STATE   STATUS  REQUESTER  UPDATED (UTC)
    3    Called  called v1   listen  held    ada        [time]
    2    kernel  change v1   deploy  held    ada        [time]
    1    switch  change v1   agree   held    ada        [time]

    $ holdpoint migrate 1 --to 2 --dry-run --as mig
    error[HP1018]: version 2 has no state `agree`
    help: say where the run shall be: `--map agree=STATE`; holds: board, lock
    [exit 1]

    $ holdpoint migrate 1 --to 2 --map agree=board --reason 'the board has changed' --as bob
    error[HP1002]: `bob` may not migrate runs: that takes the role `migrate` or `owner`
    help: one of ada, mig
    [exit 1]

    $ holdpoint migrate --all --definition change --to 2 --map agree=board --dry-run --as mig
    error[HP1018]: 1 of 2 runs cannot be migrated so: work is under way in `deploy`
    help: each is told above
    would migrate run 1 (switch)
      from     version 1 in `agree`
      to       version 2 in `board`, entered anew
      input    gets the defaults of window
      falls    the approval of `agree` by bob
      time     `agree` no longer expires at [time] UTC
      time     `board` expires at [time] UTC
    does not fit: run 2 (kernel)
      because  work is under way in `deploy`
      help     wait until it has ended, or cancel the run
    [exit 1]

    $ holdpoint migrate --all --definition change --to 2 --map agree=board --reason 'the board has changed' --as mig
    error[HP1018]: 1 of 2 runs cannot be migrated so: work is under way in `deploy`
    help: each is told above
    migrated run 1 (switch)
      from     version 1 in `agree`
      to       version 2 in `board`, entered anew
      input    gets the defaults of window
      falls    the approval of `agree` by bob
      time     `agree` no longer expires at [time] UTC
      time     `board` expires at [time] UTC
    does not fit: run 2 (kernel)
      because  work is under way in `deploy`
      help     wait until it has ended, or cancel the run
    [exit 1]

    $ holdpoint migrate 1 --to 2 --reason 'once more' --as mig
    error[HP1018]: the run goes by version 2 already
    help: `holdpoint definitions list` has the versions there are
    [exit 1]

    $ holdpoint migrate 1 --to 7 --reason 'further' --as mig
    error[HP1009]: no definition `change` 7 is published in the project `lab`
    help: published are: called 1, change 1, change 2
    [exit 1]

    $ holdpoint migrate --all --definition nobody --to 2 --reason 'all' --as mig
    error[HP1009]: no definition `nobody` is published in the project `lab`
    help: published are: called 1, change 1, change 2
    [exit 1]

    $ holdpoint list --definition change
    RUN  TITLE   DEFINITION  STATE   STATUS  REQUESTER  UPDATED (UTC)
    2    kernel  change v1   deploy  held    ada        [time]
    1    switch  change v2   board   held    ada        [time]

    $ holdpoint history 1
    run 1: switch
      [time]  ada  submitted it to change v1
      [time]  ada  it reached `agree`
      [time]  ada  held at `agree` for 2 of rule peer, expires [time]
      [time]  bob  approved `agree` (role engineer)
      [time]  mig  migrated it from v1 to v2 at `agree`: the board has changed
      [time]  mig  it reached `board`
      [time]  mig  held at `board` for 1 of rule peer, expires [time]

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint approve 1 --as bob
    approved run 1: switch
    held at `lock`
      waiting  the locks on switch-1, since [time] UTC
    next: wait for the locks, which `holdpoint work` asks for: `holdpoint locks` says who holds them
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint migrate 1 --to 1 --reason 'back' --as mig
    error[HP1018]: by version 1 a run comes to `lock` only past `agree`, and this one has not passed that
    help: map the state that it is in to that hold, so that it is asked for there
    help: or map a hold that it has passed, if that has another name now
    [exit 1]

    $ holdpoint migrate 1 --to 1 --map board=agree --reason 'back' --as mig
    migrated run 1 (switch)
      from     version 2 in `lock`
      to       version 1 in `lock`, entered anew
      falls    the place of `lock` among those who wait for locks
    ");
}

/// What a migrated run is, is in the log: not in the read model, and not in what a process remembers.
#[test]
fn a_migrated_run_is_read_from_the_log() {
    let place = place();
    let before = place.must("show 1 --json --at 4");
    place.must("migrate 1 --to 2 --map agree=board --reason 'the board has changed' --as mig");
    let after = place.must("show 1 --json");
    assert!(after.contains(r#""state": "board""#) && after.contains(r#""version": 2"#), "{after}");
    for file in ["read-model.sqlite", "read-model.sqlite-wal", "read-model.sqlite-shm"] {
        drop(fs::remove_file(place.path(DATA).join(file)));
    }
    assert_eq!(place.must("show 1 --json"), after);
    assert_eq!(place.must("show 1 --json --at 4"), before, "the time before is as it was");
    place.must("verify");
    place.must("export all.jsonl");
    place.must("import all.jsonl --dir copy");
    assert_eq!(place.must("show 1 --json --dir copy"), after);
    assert_eq!(place.must("show 1 --json --at 4 --dir copy"), before);
    place.must("salvage saved");
    assert_eq!(place.must("show 1 --json --dir saved"), after);
    place.must("approve 1 --as bob");
    place.must("work");
    assert!(place.must("list").contains("deploy"), "it goes on by the version it has now");
}

#[test]
fn the_same_command_twice_is_answered_once() {
    let place = place();
    let line = "migrate 1 --to 2 --map agree=board --reason 'the board has changed' --as mig \
                --command-id 0199a1b2-c3d4-7000-8000-000000000009";
    place.must(line);
    let length = place.must("history 1").lines().count();
    place.must(line);
    assert_eq!(place.must("history 1").lines().count(), length);
    // Of several each has an id of its own, that follows from the one of the whole.
    let both = "migrate 1 2 --to 1 --map board=agree --reason back --command-id \
                01900000-0000-7000-8000-000000000002 --as mig";
    let first = place.sh(both);
    assert_eq!(first.output.matches("migrated run ").count(), 1, "{first}");
    let before = place.truth();
    assert_eq!(place.sh(both).output.matches("migrated run 1").count(), 1);
    assert_eq!(place.truth(), before);
}

#[test]
fn a_file_maps_the_states_of_each_old_version() {
    let place = place();
    let map = "migrate: change\nto: 2\nfrom:\n  1: { agree: board }\n";
    place.write("map.yaml", map);
    place.write("wrong.yaml", map.replace("agree", "agre"));
    place.write("other.yaml", map.replace("change", "called"));
    for (arguments, says) in [
        (
            "--map-file wrong.yaml",
            "wrong.yaml:4:8: error[HP2008]: version 1 of `change` has no state `agre`",
        ),
        ("--map-file other.yaml", "the file maps states of `called`, and run 1 is one of `change`"),
        ("--map-file map.yaml --map agree=lock", "`agree` is mapped otherwise by the file"),
    ] {
        let ran = place.sh(&format!("migrate 1 --to 2 {arguments} --dry-run --as mig"));
        assert_eq!(ran.code, Some(2), "{arguments}:\n{ran}");
        assert!(ran.errors.contains(says), "{arguments}:\n{ran}");
    }
    let done = place
        .must("migrate 1 --to 2 --map-file map.yaml --reason 'the board has changed' --as mig");
    assert!(done.contains("version 2 in `board`, entered anew"), "{done}");
    let back = place.sh("migrate 1 --to 1 --map-file map.yaml --reason back --as mig");
    assert!(back.errors.contains("the file leads to version 2, and `--to` to another"), "{back}");
}

#[test]
fn nothing_is_migrated_where_one_of_the_runs_has_no_such_version() {
    let place = place();
    place.must("submit called --as ada");
    let history = place.must("history 1");
    let ran =
        place.sh("migrate 1 3 --to 2 --map agree=board --reason 'the board has changed' --as mig");
    assert_ne!(ran.code, Some(0), "{ran}");
    assert!(ran.output.is_empty() && ran.errors.contains("`called` 2"), "{ran}");
    assert_eq!(place.must("history 1"), history);
}
