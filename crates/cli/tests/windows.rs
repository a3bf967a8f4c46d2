//! Calendars from the shell: publishing them, what they hold back, and going past them.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const SCHEDULED: &str = "
workflow: scheduled
version: 1
title: In the window
start: schedule
states:
  schedule:
    hold:
      approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester] }
      window: { in: calendar:maintenance, override: role:change-manager }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

/// Open all the time, so that no clock decides what the test sees.
const ALWAYS: &str = "
calendar: maintenance
title: All day
zone: Europe/Berlin
windows: [{ starts: 2020-01-01T00:00, lasts: 1d, repeat: FREQ=DAILY }]
";

/// Two runs that are approved and have no calendar to go by.
fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.must("project member add bob --role engineer --as ada");
    place.must("project member add cho --role change-manager --as ada");
    place.write("scheduled.yaml", SCHEDULED);
    place.write("always.yaml", ALWAYS);
    place.write("broken.yaml", "calendar: maintenance\nwindows: [{ starts: soon }]\n");
    place.must("definitions publish scheduled.yaml --as ada");
    for run in ["1", "2"] {
        place.must("submit scheduled --as ada");
        place.must(&format!("approve {run} --as bob"));
    }
    place
}

#[test]
fn a_window_holds_back_until_a_calendar_opens_it_or_somebody_overrides_it() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "show 1",
        "override 1 --reason 'it is urgent' --as bob",
        "override 1 --reason 'it is urgent' --as cho",
    ]), @"
    $ holdpoint show 1
    run 1: In the window
    id        [uuid]
    project   lab
    workflow  scheduled v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 5
    input     none

    held at `schedule`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      waiting  a window of maintenance: cannot be told (no calendar `maintenance` is published)
               can release it: cho
    next: publish a calendar by which the window opens: it cannot be told (no calendar `maintenance` is published)
    next: override the window of `schedule`, with a reason, as role change-manager
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint override 1 --reason 'it is urgent' --as bob
    error[HP1002]: `bob` may not override the window of `schedule`: role change-manager may
    help: `holdpoint show RUN` says who could
    [exit 1]

    $ holdpoint override 1 --reason 'it is urgent' --as cho
    overrode the window of run 1: In the window
    it has ended: done
    ");
    assert_snapshot!(place.shows(&[
        "calendar check broken.yaml",
        "calendar publish broken.yaml --as ada",
        "calendar publish always.yaml --as bob",
        "calendar publish always.yaml --as ada",
        "calendar publish always.yaml --as ada",
        "work",
        "list",
    ]), @"
    $ holdpoint calendar check broken.yaml
    broken.yaml:2:1: error[HP2201]: missing field `zone`
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    [exit 2]

    $ holdpoint calendar publish broken.yaml --as ada
    broken.yaml:2:1: error[HP2201]: missing field `zone`
    help: docs/calendars.md lists every key of a calendar, and what its values look like
    [exit 2]

    $ holdpoint calendar publish always.yaml --as bob
    error[HP1002]: `bob` may not change the project `lab`: that takes the role `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint calendar publish always.yaml --as ada
    published the calendar `maintenance`, revision 1, in the project `lab`

    $ holdpoint calendar publish always.yaml --as ada
    error[HP1010]: the calendar `maintenance` is published already, and says the same
    help: nothing is to be done: it is in force
    [exit 1]

    $ holdpoint work
    [time]  run 2  the window of `schedule` was open
    [time]  run 2  `schedule` was released
    [time]  run 2  it reached `done`
    [time]  run 2  it ended: done
    run 2 (In the window) has ended: done
    nothing left to do

    $ holdpoint list
    RUN  TITLE          DEFINITION    STATE  STATUS       REQUESTER  UPDATED (UTC)
    2    In the window  scheduled v1  done   ended: done  ada        [time]
    1    In the window  scheduled v1  done   ended: done  ada        [time]
    ");
    assert_snapshot!(place.shows(&[
        "calendar retire maintenance --reason 'the site is closed' --as ada",
        "calendar list",
        "verify",
    ]), @"
    $ holdpoint calendar retire maintenance --reason 'the site is closed' --as ada
    retired the calendar `maintenance`

    $ holdpoint calendar list
    no calendar is published in the project `lab`

    $ holdpoint verify
    the log is whole: 28 events in 3 streams, [n] bytes
    every run replays: 2 runs
    root sha256:[digest]
    ");
}
