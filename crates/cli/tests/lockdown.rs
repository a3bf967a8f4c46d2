//! Lockdowns from the shell: a preview, who may, what is held and what a release lets go on.

use insta::assert_snapshot;

use crate::common::{LISTENING, Place, filters};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
input:
  type: object
  properties: { title: { type: string }, items: { type: array, items: { type: string }, default: [] } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] }, lock: \"${input.items}\" }
    on: { released: call, rejected: refused }
  call:
    do: { run: { definition: called, good: [heard], stopped: cancel } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.must("project member add bob --role engineer --as ada");
    place.must("project member add lou --role lockdown --as ada");
    for (name, text) in [("change.yaml", CHANGE), ("called.yaml", LISTENING)] {
        place.write(name, text);
        place.must(&format!("definitions publish {name} --as ada"));
    }
    place.write("web.json", r#"{ "title": "At the web", "items": ["web-1"] }"#);
    place.write("db.json", r#"{ "title": "At the database", "items": ["db-1"] }"#);
    place.must("submit change --input-file web.json --as ada");
    place.must("submit change --input-file db.json --as ada");
    place
}

#[test]
fn a_lockdown_holds_what_would_start_and_its_release_only_that() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "lockdown impose --reason 'an incident' --items name=web-1 --dry-run --as lou",
        "lockdown impose --reason 'an incident' --as bob",
        "lockdown impose --reason 'an incident' --definition change --except change --as lou",
        "lockdown impose --reason 'an incident' --except emergency --as lou",
        "lockdown list",
        "lockdown impose --reason 'an incident' --items name=web-1 --as lou",
        "lockdown impose --reason 'a fire' --as ada",
        "approve 1 --as bob",
        "approve 2 --as bob",
        "work",
        "list",
        "lockdown list",
    ]), @"
    $ holdpoint lockdown impose --reason 'an incident' --items name=web-1 --dry-run --as lou
    a lockdown of all runs that touch name=web-1 would hold 1 run; nothing is under way
    RUN  TITLE       DEFINITION  STATE  WHAT BECOMES OF IT
    1    At the web  change v1   agree  held before it begins work

    $ holdpoint lockdown impose --reason 'an incident' --as bob
    error[HP1002]: `bob` may not impose or release lockdowns: that takes the role `lockdown` or `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint lockdown impose --reason 'an incident' --definition change --except change --as lou
    error[HP1008]: `change` is both in the scope of the lockdown and excepted from it
    help: correct what was given: `--help` after the command explains its arguments, `holdpoint definitions show NAME` has the input that a definition takes
    [exit 1]

    $ holdpoint lockdown impose --reason 'an incident' --except emergency --as lou
    error[HP1009]: no definition `emergency` is published in the project `lab`
    help: published are: called 1, change 1
    [exit 1]

    $ holdpoint lockdown list
    no lockdown is in force in the project `lab`

    $ holdpoint lockdown impose --reason 'an incident' --items name=web-1 --as lou
    lockdown 1 of all runs that touch name=web-1 is in force: 1 run will be held; nothing is under way
    RUN  TITLE       DEFINITION  STATE  WHAT BECOMES OF IT
    1    At the web  change v1   agree  held before it begins work

    $ holdpoint lockdown impose --reason 'a fire' --as ada
    lockdown 2 of all runs is in force: 2 runs will be held; nothing is under way
    RUN  TITLE            DEFINITION  STATE  WHAT BECOMES OF IT
    2    At the database  change v1   agree  held before it begins work
    1    At the web       change v1   agree  held before it begins work

    $ holdpoint approve 1 --as bob
    approved run 1: At the web
    held at `agree`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      waiting  its locks, once it has all else
      waiting  the end of the lockdown 1 by lou: an incident
      waiting  the end of the lockdown 2 by ada: a fire
    next: release the lockdown 1, as a member with the role `lockdown` or `owner`
    next: release the lockdown 2, as a member with the role `lockdown` or `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint approve 2 --as bob
    approved run 2: At the database
    held at `agree`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      waiting  its locks, once it has all else
      waiting  the end of the lockdown 2 by ada: a fire
    next: release the lockdown 2, as a member with the role `lockdown` or `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    nothing left to do

    $ holdpoint list
    RUN  TITLE            DEFINITION  STATE  STATUS               REQUESTER  UPDATED (UTC)
    2    At the database  change v1   agree  held: lockdown 2     ada        [time]
    1    At the web       change v1   agree  held: lockdown 1, 2  ada        [time]

    $ holdpoint lockdown list
    LOCKDOWN  SCOPE                           BY   SINCE (UTC)          HOLDS   REASON
    1         all runs that touch name=web-1  lou  [time]  1 run   an incident
    2         all runs                        ada  [time]  2 runs  a fire
    ");
    assert_snapshot!(place.shows(&[
        "lockdown release 2 --reason 'it is out' --as bob",
        "lockdown release 2 --reason 'it is out' --as lou",
        "lockdown release 2 --reason 'it is out' --as lou",
    ]), @r#"
    $ holdpoint lockdown release 2 --reason 'it is out' --as bob
    error[HP1002]: `bob` may not impose or release lockdowns: that takes the role `lockdown` or `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint lockdown release 2 --reason 'it is out' --as lou
    released the lockdown 2, which held 2 runs; `holdpoint work` takes them up

    $ holdpoint lockdown release 2 --reason 'it is out' --as lou
    error[HP1009]: no lockdown 2 is in force
    help: in force: 1
    [exit 1]
    "#);
    // Two runs are taken up at once: what is told of each is in its order, and of both in none.
    let told = place.sh("work").to_string();
    let mut lines: Vec<&str> = told.lines().collect();
    let run = |line: &&str| line.split("  run ").nth(1).and_then(|rest| rest.chars().next());
    lines.sort_by_key(|line| (run(line).is_none(), run(line)));
    assert_snapshot!(lines.join("\n"), @"
    [time]  run 1  `agree`: held by the lockdown 1 (an incident)
    [time]  run 2  `agree`: no lockdown holds it any more
    [time]  run 2  `agree` waits for the locks on db-1
    [time]  run 2  it holds the locks on db-1
    [time]  run 2  `agree` was released
    [time]  run 2  it reached `call`
    [time]  run 2  `call` asked for a run of called
    [time]  run 2  call#1: the run [uuid] was started
    [time]  run 3  submitted it to called v1
    [time]  run 3  it reached `listen`
    [time]  run 3  held at `listen`
    run 1 (At the web) is held at `agree`
    run 2 (At the database) is held at `call`
    run 3 (Called) is held at `listen`
    nothing left to do
    ");
    assert_snapshot!(place.shows(&[
        "list",
        "show 1",
        "lockdown release 1 --reason 'it is over' --as lou",
        "work",
        "history 1",
        "verify",
    ]), @r#"
    $ holdpoint list
    RUN  TITLE            DEFINITION  STATE   STATUS            REQUESTER  UPDATED (UTC)
    3    Called           called v1   listen  held              ada        [time]
    2    At the database  change v1   call    held              ada        [time]
    1    At the web       change v1   agree   held: lockdown 1  ada        [time]

    $ holdpoint show 1
    run 1: At the web
    id        [uuid]
    project   lab
    workflow  change v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 6
    input     items = ["web-1"]
              title = "At the web"

    held at `agree`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      waiting  its locks, once it has all else
      waiting  the end of the lockdown 1 by lou: an incident
    next: release the lockdown 1, as a member with the role `lockdown` or `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint lockdown release 1 --reason 'it is over' --as lou
    released the lockdown 1, which held 1 run; `holdpoint work` takes it up

    $ holdpoint work
    [time]  run 1  `agree`: no lockdown holds it any more
    [time]  run 1  `agree` waits for the locks on web-1
    [time]  run 1  it holds the locks on web-1
    [time]  run 1  `agree` was released
    [time]  run 1  it reached `call`
    [time]  run 1  `call` asked for a run of called
    [time]  run 4  submitted it to called v1
    [time]  run 4  it reached `listen`
    [time]  run 4  held at `listen`
    [time]  run 1  call#1: the run [uuid] was started
    run 1 (At the web) is held at `call`
    run 4 (Called) is held at `listen`
    nothing left to do

    $ holdpoint history 1
    run 1: At the web
      [time]  ada     submitted it to change v1
      [time]  ada     it reached `agree`
      [time]  ada     held at `agree` for 1 of rule peer
      [time]  bob     approved `agree` (role engineer)
      [time]  bob     `agree`: held by the lockdown 1 (an incident) and the lockdown 2 (a fire)
      [time]  engine  `agree`: held by the lockdown 1 (an incident)
      [time]  engine  `agree`: no lockdown holds it any more
      [time]  engine  `agree` waits for the locks on web-1
      [time]  engine  it holds the locks on web-1
      [time]  engine  `agree` was released
      [time]  engine  it reached `call`
      [time]  engine  `call` asked for a run of called
      [time]  engine  call#1: the run lab/4 was started

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint verify
    the log is whole: 44 events in 5 streams, [n] bytes
    every run replays: 4 runs
    root sha256:[digest]
    "#);
}

#[test]
fn a_lockdown_that_is_asked_for_again_is_told_by_its_own_number() {
    let place = place();
    let line = "lockdown impose --reason 'an incident' --definition change --as lou --command-id 0199a1b2-c3d4-7000-8000-000000000007";
    let first = place.must(line);
    assert!(first.starts_with("lockdown 1 of runs of `change`"), "{first}");
    place.must("lockdown impose --reason 'another incident' --as lou");
    let again = place.must(line);
    assert!(again.starts_with("lockdown 1 of runs of `change`"), "{again}");
}
