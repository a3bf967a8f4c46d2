//! Qualifications that must be valid when the work begins, from the shell: a run rests before its work, says
//! why, and goes on by a renewal or a new approval.

use insta::assert_snapshot;

use crate::{
    common::{DATA, Place, filters, until},
    relay::Working,
};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
start: agree
states:
  agree:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1, qualified: network, qualified_at: work } }
        not: [requester]
    on: { released: ready, rejected: refused }
  ready:
    hold: { signal: { name: go } }
    on: { released: build }
  build:
    do: { activity: { run: build } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

/// Two runs that `bob` has approved, and that have lost what they rely on.
fn place() -> Place {
    let place = Place::lab();
    let program = "[activity.build]\ncommand = ['/bin/sh', '-c', 'cat > /dev/null']\n";
    place.write(&format!("{DATA}/holdpoint.toml"), program);
    place.write("change.yaml", CHANGE);
    place.must("definitions publish change.yaml --as ada");
    for run in ["1", "2"] {
        place.must("submit change --as ada");
        place.must(&format!("approve {run} --as bob"));
    }
    place.must("project disqualify bob network --reason 'the card was withdrawn' --as ada");
    for run in ["1", "2"] {
        place.must(&format!("signal {run} go --as ada"));
    }
    place
}

#[test]
fn a_run_whose_approval_has_lapsed_rests_and_goes_on_when_that_is_mended() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "work",
        "show 1",
        "list",
        "approve 1 --as bob",
        "reject 1 --reason 'not like this' --as eve",
        "approve 1 --as eve --dry-run",
        "approve 1 --as eve",
        "work",
        "history 1",
        "project qualify bob network --issuer CCIE --until 2040-01-01T00:00:00Z --as ada",
        "work",
        "list",
        "history 2",
        "verify",
    ]), @"
    $ holdpoint work
    nothing left to do

    $ holdpoint show 1
    run 1: Change
    id        [uuid]
    project   lab
    workflow  change v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 11
    input     none

    held at `ready`
      waiting  bob qualified in network, as when they approved `agree`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: eve
               cannot: bob, who is not qualified in network now
               cannot: cy, who is not qualified in network now
    next: approve `agree` anew, as somebody who is qualified now
    next: have the qualification of bob in network renewed, which lets the run go on
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint list
    RUN  TITLE   DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    2    Change  change v1   ready  held    ada        [time]
    1    Change  change v1   ready  held    ada        [time]

    $ holdpoint approve 1 --as bob
    error[HP1004]: `bob` is not qualified in network now
    help: a vote by role engineer, qualified in network: eve
    [exit 1]

    $ holdpoint reject 1 --reason 'not like this' --as eve
    error[HP1081]: `agree` was released before: it can only be approved anew, as a qualification has lapsed
    help: cancel the run, where it is not to go on
    [exit 1]

    $ holdpoint approve 1 --as eve --dry-run
    would be approved: run 1 (Change) is held at `ready`, input sha256:[digest]

    $ holdpoint approve 1 --as eve
    approved run 1: Change
    working at `build`
    next: run `holdpoint work`, which does what machines are to do
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 1  began `build` for build#1
    [time]  run 1  the work of `build` succeeded
    [time]  run 1  it reached `done`
    [time]  run 1  it ended: done
    run 1 (Change) has ended: done
    nothing left to do

    $ holdpoint history 1
    run 1: Change
      [time]  ada     submitted it to change v1
      [time]  ada     it reached `agree`
      [time]  ada     held at `agree` for 1 of rule peer
      [time]  bob     approved `agree` (role engineer, qualified in network)
      [time]  bob     `agree` was released
      [time]  bob     it reached `ready`
      [time]  bob     held at `ready`
      [time]  ada     signalled `go`
      [time]  ada     `ready` took the signal `go`
      [time]  ada     `ready` was released
      [time]  ada     it rests before `build`, as who approved is not qualified any more: bob in network (`agree`, peer)
      [time]  eve     approved `agree` (role engineer, qualified in network)
      [time]  eve     it reached `build`; still qualified: eve in network (`agree`, peer)
      [time]  eve     `build` asked for `build`
      [time]  engine  began `build` for build#1
      [time]  engine  the work of `build` succeeded
      [time]  engine  it reached `done`
      [time]  engine  it ended: done

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint project qualify bob network --issuer CCIE --until [time] --as ada
    `bob` is qualified in network until [time] (CCIE)

    $ holdpoint work
    [time]  run 2  it reached `build`; still qualified: bob in network until [time] (`agree`, peer)
    [time]  run 2  `build` asked for `build`
    [time]  run 2  began `build` for build#1
    [time]  run 2  the work of `build` succeeded
    [time]  run 2  it reached `done`
    [time]  run 2  it ended: done
    run 2 (Change) has ended: done
    nothing left to do

    $ holdpoint list
    RUN  TITLE   DEFINITION  STATE  STATUS       REQUESTER  UPDATED (UTC)
    2    Change  change v1   done   ended: done  ada        [time]
    1    Change  change v1   done   ended: done  ada        [time]

    $ holdpoint history 2
    run 2: Change
      [time]  ada     submitted it to change v1
      [time]  ada     it reached `agree`
      [time]  ada     held at `agree` for 1 of rule peer
      [time]  bob     approved `agree` (role engineer, qualified in network)
      [time]  bob     `agree` was released
      [time]  bob     it reached `ready`
      [time]  bob     held at `ready`
      [time]  ada     signalled `go`
      [time]  ada     `ready` took the signal `go`
      [time]  ada     `ready` was released
      [time]  ada     it rests before `build`, as who approved is not qualified any more: bob in network (`agree`, peer)
      [time]  engine  it reached `build`; still qualified: bob in network until [time] (`agree`, peer)
      [time]  engine  `build` asked for `build`
      [time]  engine  began `build` for build#1
      [time]  engine  the work of `build` succeeded
      [time]  engine  it reached `done`
      [time]  engine  it ended: done

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint verify
    the log is whole: 53 events in 3 streams, [n] bytes
    every run replays: 2 runs
    root sha256:[digest]
    ");
}

/// Whoever works wakes the run when the qualification is renewed from another terminal.
#[test]
fn whoever_works_lets_the_run_go_on_when_a_qualification_is_renewed() {
    let place = place();
    let working = Working::new(&place, "work --follow");
    place.must("project qualify bob network --issuer CCIE --as ada");
    let ended = |run: &str| place.ask(&format!("show {run}"))["outcome"] == "done";
    until("both runs have ended", || ended("1") && ended("2"));
    working.ends();
}
