//! Tasks and waivers from the shell.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const FIX: &str = "
workflow: fix
version: 1
title: A fix
start: ready
states:
  ready:
    hold:
      approval: { rules: { board: { from: role:board, need: 1 } }, not: [requester] }
      task:
        rack: { title: Look at the rack, from: role:engineer, need: 2, note: required }
      waiver:
        from: role:commander
        scope: [approval]
        duties: { ratify: { text: Say whether it was right, within: 2d, from: role:board } }
    on: { released: done, waived: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

#[test]
fn tasks_are_confirmed_and_the_rest_is_waived() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for (member, role) in
        [("bob", "engineer"), ("cy", "engineer"), ("bea", "board"), ("ic", "commander")]
    {
        place.must(&format!("project member add {member} --role {role} --as ada"));
    }
    place.write("fix.yaml", FIX);
    place.must("definitions publish fix.yaml --as ada");
    place.must("submit fix --as ada");
    assert_snapshot!(place.shows(&[
        "done 1 rack --as bob",
        "done 1 rack --note 'all lamps are green' --as bob",
        "done 1 rack --note 'again' --as bob",
        "reopen 1 rack --reason 'one is red' --as bob",
        "done 1 rack --note 'all are green now' --as bob",
        "waive 1 --reason 'the site is down' --as bob",
        "waive 1 --as ic",
        "waive 1 --reason 'the site is down' --as ic",
    ]), @"
    $ holdpoint done 1 rack --as bob
    error[HP1008]: the task `rack` is confirmed with a note
    help: say what was done, or how it was seen to
    [exit 1]

    $ holdpoint done 1 rack --note 'all lamps are green' --as bob
    confirmed a task of run 1: A fix
    held at `ready`
      waiting  0 of 1 approval by role board
               can release it: bea
      waiting  the task rack: Look at the rack (1 of 2 confirmations) by role engineer
               bob confirmed it at [time] UTC
               can confirm it: cy
               cannot: bob, who has confirmed it
    next: approve or reject `ready`
    next: do the task `rack` and confirm it
    next: in an emergency waive `ready`, with a reason, as role commander
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint done 1 rack --note 'again' --as bob
    error[HP1006]: `bob` has confirmed it
    help: `rack` confirmed by role engineer: cy
    [exit 1]

    $ holdpoint reopen 1 rack --reason 'one is red' --as bob
    reopened a task of run 1: A fix
    held at `ready`
      waiting  0 of 1 approval by role board
               can release it: bea
      waiting  the task rack: Look at the rack (0 of 2 confirmations) by role engineer
               can confirm it: bob, cy
    next: approve or reject `ready`
    next: do the task `rack` and confirm it
    next: in an emergency waive `ready`, with a reason, as role commander
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint done 1 rack --note 'all are green now' --as bob
    confirmed a task of run 1: A fix
    held at `ready`
      waiting  0 of 1 approval by role board
               can release it: bea
      waiting  the task rack: Look at the rack (1 of 2 confirmations) by role engineer
               bob confirmed it at [time] UTC
               can confirm it: cy
               cannot: bob, who has confirmed it
    next: approve or reject `ready`
    next: do the task `rack` and confirm it
    next: in an emergency waive `ready`, with a reason, as role commander
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint waive 1 --reason 'the site is down' --as bob
    error[HP1002]: `bob` may not waive `ready`: role commander may
    help: a waiver by role commander: ic
    [exit 1]

    $ holdpoint waive 1 --as ic
    error: the following required arguments were not provided:
      --reason <REASON>
    help: the usage is `holdpoint waive --reason <REASON> --as <MEMBER> <RUN>`
    [exit 2]

    $ holdpoint waive 1 --reason 'the site is down' --as ic
    waived a hold of run 1: A fix
    held at `ready`
      waived   0 of 1 approval by role board
      waiting  the task rack: Look at the rack (1 of 2 confirmations) by role engineer
               bob confirmed it at [time] UTC
               can confirm it: cy
               cannot: bob, who has confirmed it
    next: approve or reject `ready`: it is waived, so no approval is needed
    next: do the task `rack` and confirm it
    next: cancel the run, as `ada` or a member with the role `owner`
    ");
    assert_snapshot!(place.shows(&[
        "done 1 rack --note 'I have seen it too' --as cy",
        "show 1",
        "list --overdue",
        "discharge 1 1 --note 'it was right' --as ic",
        "discharge 1 1 --note 'it was right' --as bea",
        "history 1",
    ]), @"
    $ holdpoint done 1 rack --note 'I have seen it too' --as cy
    confirmed a task of run 1: A fix
    held after `ready`, for what was made a condition
      waived   `ready` by ic at [time] UTC, without approval/board
               the site is down
      owed     duty 1, until [time] UTC: Say whether it was right (for the waiver of ic)
               can discharge it: bea
    next: discharge the duty 1, with a note

    $ holdpoint show 1
    run 1: A fix
    id        [uuid]
    project   lab
    workflow  fix v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 11
    input     none

    held after `ready`, for what was made a condition
      waived   `ready` by ic at [time] UTC, without approval/board
               the site is down
      owed     duty 1, until [time] UTC: Say whether it was right (for the waiver of ic)
               can discharge it: bea
    next: discharge the duty 1, with a note

    $ holdpoint list --overdue
    no runs

    $ holdpoint discharge 1 1 --note 'it was right' --as ic
    error[HP1002]: `ic` does not discharge the duty 1: role board does
    help: one of bea
    [exit 1]

    $ holdpoint discharge 1 1 --note 'it was right' --as bea
    discharged a duty of run 1: A fix
    it has ended: done
      waived   `ready` by ic at [time] UTC, without approval/board
               the site is down

    $ holdpoint history 1
    run 1: A fix
      [time]  ada  submitted it to fix v1
      [time]  ada  it reached `ready`
      [time]  ada  held at `ready` for 1 of rule board
      [time]  bob  confirmed the task `rack` (role engineer): all lamps are green
      [time]  bob  reopened the task `rack` (role engineer): one is red
      [time]  bob  confirmed the task `rack` (role engineer): all are green now
      [time]  ic   waived `ready` (role commander): the site is down
      [time]  cy   confirmed the task `rack` (role engineer): I have seen it too
      [time]  cy   `ready` was passed by a waiver, without approval/board
      [time]  cy   duty 1 is owed until [time] for the waiver: Say whether it was right
      [time]  cy   it waits before `done` for what is owed: duty 1
      [time]  bea  discharged duty 1 (role board): it was right
      [time]  bea  it reached `done`
      [time]  bea  it ended: done

    times are UTC; with `--json` every event is printed as it is stored
    ");
}
