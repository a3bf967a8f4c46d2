//! Runs that have other runs done, from the shell.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const RELEASE: &str = "
workflow: release
version: 1
title: Release
start: build
states:
  build:
    do: { run: { definition: image, good: [built], stopped: cancel } }
    on: { succeeded: released, failed: given-up }
  released: { end: released }
  given-up: { end: given-up }
";

const IMAGE: &str = "
workflow: image
version: 1
title: Image
start: build
states:
  build:
    hold: { signal: { name: built } }
    on: { released: built }
  built: { end: built }
";

#[test]
fn a_run_has_another_done() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for (name, text) in [("release.yaml", RELEASE), ("image.yaml", IMAGE)] {
        place.write(name, text);
        place.must(&format!("definitions publish {name} --as ada"));
    }
    assert_snapshot!(place.shows(&["submit release --as ada", "work"]), @"
    $ holdpoint submit release --as ada
    submitted run 1 of the project `lab`: Release
    held at `build`
      waiting  the end of the run of image
    next: run `holdpoint work`, which starts such a run and notices its end
    next: wait for the run of `image` to end
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 2  submitted it to image v1
    [time]  run 2  it reached `build`
    [time]  run 2  held at `build`
    [time]  run 1  build#1: the run [uuid] was started
    run 1 (Release) is held at `build`
    run 2 (Image) is held at `build`
    nothing left to do
    ");
    assert_snapshot!(place.shows(&["list --children 1", "signal 2 built --as ada", "work"]), @"
    $ holdpoint list --children 1
    RUN  TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    2    Image  image v1    build  held    ada        [time]

    $ holdpoint signal 2 built --as ada
    signalled run 2: Image
    it has ended: built

    $ holdpoint work
    [time]  run 1  build#1: the run that was started ended: built
    [time]  run 1  the work of `build` succeeded
    [time]  run 1  it reached `released`
    [time]  run 1  it ended: released
    run 1 (Release) has ended: released
    nothing left to do
    ");
    assert_snapshot!(place.shows(&["show 1", "show 2"]), @"
    $ holdpoint show 1
    run 1: Release
    id        [uuid]
    project   lab
    workflow  release v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 8
    input     none

    it has ended: released
    run 2, started for build#1: ended: built

    $ holdpoint show 2
    run 2: Image
    id        [uuid]
    project   lab
    workflow  image v1 (sha256:[digest])
    submitted [time] UTC by ada, started by run 1 for build#1
    updated   [time] UTC, version 8
    input     none

    it has ended: built
    ");
}
