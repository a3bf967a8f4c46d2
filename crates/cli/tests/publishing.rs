//! Definitions that are published only when a run has released just their bytes.

use holdpoint::core::Digest;
use insta::assert_snapshot;

use crate::common::{Place, filters};

const RELEASE: &str = "
workflow: release
version: 1
title: Release a definition
input:
  type: object
  required: [digest, definition]
  properties: { digest: { type: string }, definition: { type: string }, version: { type: integer } }
start: review
states:
  review:
    hold: { approval: { rules: { peer: { from: role:author, need: 1 } }, not: [requester] } }
    on: { released: released, rejected: refused }
  released: { end: released }
  refused: { end: refused }
";

const CHANGE: &str = "
workflow: change
version: 1
title: Change
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:author, need: 1 } } } }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

#[test]
fn a_run_releases_just_these_bytes() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.must("project member add bob --role author --as ada");
    place.write("release.yaml", RELEASE);
    place.write("change.yaml", CHANGE);
    place.must("definitions publish release.yaml --as ada");
    assert_snapshot!(place.shows(&[
        "definitions govern --by release --reason 'four eyes' --as ada",
        "definitions govern --by release --state released --reason 'four eyes' --as bob",
        "definitions govern --by release --state released --reason 'four eyes' --as ada",
        "definitions govern --by release --state released --reason 'four eyes' --as ada",
        "definitions publish change.yaml --as ada",
    ]), @"
    $ holdpoint definitions govern --by release --reason 'four eyes' --as ada
    error: the following required arguments were not provided:
      --state <STATE>
    help: the usage is `holdpoint definitions govern --reason <REASON> --by <NAME> --state <STATE> --as <MEMBER>`
    [exit 2]

    $ holdpoint definitions govern --by release --state released --reason 'four eyes' --as bob
    error[HP1002]: `bob` may not change the project `lab`: that takes the role `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint definitions govern --by release --state released --reason 'four eyes' --as ada
    what is published is released by a run of `release`

    $ holdpoint definitions govern --by release --state released --reason 'four eyes' --as ada
    error[HP1010]: the project asks just that already
    help: `holdpoint project show` lists members and roles, `holdpoint definitions list` the definitions, `holdpoint calendar list` the calendars
    [exit 1]

    $ holdpoint definitions publish change.yaml --as ada
    error[HP1017]: in this project a run releases what is published
    help: a run of `release` in `released` whose input has the digest of the source as `digest`: name it with `--release RUN`
    [exit 1]
    ");
    let of = |name: &str, source: &str| {
        format!(
            "submit release --input digest={} --input definition={name} --as ada",
            Digest::of(source.as_bytes())
        )
    };
    place.must(&of("change", CHANGE));
    place.must(&of("change", &format!("{CHANGE} ")));
    place.must(&of("other", CHANGE));
    for run in ["2", "3"] {
        place.must(&format!("approve {run} --as bob"));
    }
    assert_snapshot!(place.shows(&[
        "definitions publish change.yaml --release 1 --as ada",
        "definitions publish change.yaml --release 2 --as ada",
        "definitions publish change.yaml --release 3 --as ada",
        "definitions publish change.yaml --release 4 --as ada",
        "approve 1 --as bob",
        "definitions publish change.yaml --release 1 --as bob",
        "definitions publish change.yaml --release 1 --as ada",
        "submit change --as ada",
        "definitions publish release.yaml --release 4 --as ada",
        "definitions govern --off --reason 'it was a trial' --as ada",
        "definitions publish change.yaml --release 1 --as ada",
        "history",
        "verify",
    ]), @"
    $ holdpoint definitions publish change.yaml --release 1 --as ada
    error[HP1017]: the run [uuid] does not release it: it is in `review`
    help: a run of `release` in `released` whose input has the digest of the source as `digest`: name it with `--release RUN`
    [exit 1]

    $ holdpoint definitions publish change.yaml --release 2 --as ada
    error[HP1017]: the run [uuid] does not release it: its `digest` is sha256:[digest], and that of the source sha256:[digest]
    help: a run of `release` in `released` whose input has the digest of the source as `digest`: name it with `--release RUN`
    [exit 1]

    $ holdpoint definitions publish change.yaml --release 3 --as ada
    error[HP1017]: the run [uuid] does not release it: its `definition` is not `change`
    help: a run of `release` in `released` whose input has the digest of the source as `digest`: name it with `--release RUN`
    [exit 1]

    $ holdpoint definitions publish change.yaml --release 4 --as ada
    error: there is no run 4
    help: `holdpoint list` shows the runs there are
    [exit 2]

    $ holdpoint approve 1 --as bob
    approved run 1: Release a definition
    it has ended: released

    $ holdpoint definitions publish change.yaml --release 1 --as bob
    error[HP1002]: `bob` may not change the project `lab`: that takes the role `owner`
    help: ask an owner of the project: ada
    [exit 1]

    $ holdpoint definitions publish change.yaml --release 1 --as ada
    published `change` v1 in the project `lab`

    $ holdpoint submit change --as ada
    submitted run 4 of the project `lab`: Change
    held at `agree`
      waiting  0 of 1 approval by role author
               can release it: bob
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint definitions publish release.yaml --release 4 --as ada
    error[HP1017]: the run [uuid] does not release it: it is one of `change`
    help: a run of `release` in `released` whose input has the digest of the source as `digest`: name it with `--release RUN`
    [exit 1]

    $ holdpoint definitions govern --off --reason 'it was a trial' --as ada
    what is published need not be released by a run any more

    $ holdpoint definitions publish change.yaml --release 1 --as ada
    error[HP1008]: in this project no run releases what is published
    help: publish it without naming one
    [exit 1]

    $ holdpoint history
    project lab
      [time]  ada  created the project: lab
      [time]  ada  added ada as a member
      [time]  ada  gave ada the role owner
      [time]  ada  added bob as a member
      [time]  ada  gave bob the role author
      [time]  ada  published the definition release v1: Release a definition
      [time]  ada  from now on a run of release in `released` releases what is published: four eyes
      [time]  ada  published the definition change v1, released by the run lab/1: Change
      [time]  ada  from now on no run has to release what is published: it was a trial

    run 1: Release a definition
      [time]  ada  submitted it to release v1
      [time]  ada  it reached `review`
      [time]  ada  held at `review` for 1 of rule peer
      [time]  bob  approved `review` (role author)
      [time]  bob  `review` was released
      [time]  bob  it reached `released`
      [time]  bob  it ended: released

    run 2: Release a definition
      [time]  ada  submitted it to release v1
      [time]  ada  it reached `review`
      [time]  ada  held at `review` for 1 of rule peer
      [time]  bob  approved `review` (role author)
      [time]  bob  `review` was released
      [time]  bob  it reached `released`
      [time]  bob  it ended: released

    run 3: Release a definition
      [time]  ada  submitted it to release v1
      [time]  ada  it reached `review`
      [time]  ada  held at `review` for 1 of rule peer
      [time]  bob  approved `review` (role author)
      [time]  bob  `review` was released
      [time]  bob  it reached `released`
      [time]  bob  it ended: released

    run 4: Change
      [time]  ada  submitted it to change v1
      [time]  ada  it reached `agree`
      [time]  ada  held at `agree` for 1 of rule peer

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint verify
    the log is whole: 33 events in 5 streams, [n] bytes
    every run replays: 4 runs
    root sha256:[digest]
    ");
}

#[test]
fn who_could_do_what_is_asked_is_listed() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.write("release.yaml", RELEASE);
    place.write("change.yaml", CHANGE);
    assert_snapshot!(place.shows(&[
        "definitions authority",
        "definitions publish release.yaml --as ada",
        "project member add bob --role author --as ada",
        "definitions publish change.yaml --as ada",
        "definitions authority",
        "definitions authority change --json",
        "definitions authority change --version 7",
        "definitions authority nothing",
        "definitions authority --version 1",
    ]), @r#"
    $ holdpoint definitions authority
    no definition is published in the project `lab`

    $ holdpoint definitions publish release.yaml --as ada
    published `release` v1 in the project `lab`
    note: `review` waits for 1 of role author, but not the requester (approval/peer): nobody in the project could

    $ holdpoint project member add bob --role author --as ada
    `bob` is a member: author

    $ holdpoint definitions publish change.yaml --as ada
    published `change` v1 in the project `lab`

    $ holdpoint definitions authority
    `change` v1
    STATE  WHAT           NEED  OF           COULD NOW
    agree  approval/peer  1     role author  bob

    `release` v1
    STATE   WHAT           NEED  OF                                  COULD NOW
    review  approval/peer  1     role author, but not the requester  bob

    $ holdpoint definitions authority change --json
    {
      "definitions": [
        {
          "authority": [
            {
              "is_needed": true,
              "lacks": 0,
              "members": [
                "bob"
              ],
              "need": 1,
              "state": "agree",
              "what": "approval/peer",
              "whom": "role author"
            }
          ],
          "definition_version": 1,
          "name": "change"
        }
      ],
      "project": "lab"
    }

    $ holdpoint definitions authority change --version 7
    error[HP1009]: no definition `change` 7 is published in the project `lab`
    help: published are: change 1, release 1
    [exit 1]

    $ holdpoint definitions authority nothing
    error[HP1009]: no definition `nothing` is published in the project `lab`
    help: published are: change 1, release 1
    [exit 1]

    $ holdpoint definitions authority --version 1
    error: the following required arguments were not provided:
      <NAME>
    help: the usage is `holdpoint definitions authority --version <N> <NAME>`
    [exit 2]
    "#);
}
