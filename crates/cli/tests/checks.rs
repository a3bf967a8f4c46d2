//! Checks of a hold from the shell, done by a real program.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{DATA, Place, filters};

const VERIFIED: &str = "
workflow: verified
version: 1
title: Verified
input:
  type: object
  required: [commit]
  properties: { commit: { type: string } }
start: ready
states:
  ready:
    hold:
      approval: { rules: { peer: { from: role:engineer, need: 1 } }, amended: keep }
      check: { pipeline: { run: ci-status, with: { commit: '${input.commit}' } } }
    on: { released: done, rejected: done }
  done: { end: done }
";

#[test]
fn a_run_looks_until_it_is_as_it_should_be() {
    let _filters = filters();
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    place.must("project member add bob --role engineer --as ada");
    place.write("verified.yaml", VERIFIED);
    // It answers with what is in a file.
    let activity = "[activity.ci-status]\ncommand = [\"/bin/sh\", \"-c\", \"cat ../status\"]\n";
    place.write(&format!("{DATA}/holdpoint.toml"), activity);
    place.must("definitions publish verified.yaml --as ada");
    place.must("submit verified --input commit=c0ffee --as ada");
    place.write("status", r#"{"verdict": "inconclusive", "detail": "it is running"}"#);
    assert_snapshot!(place.shows(&["show 1", "work", "recheck 1 --as bob"]), @r#"
    $ holdpoint show 1
    run 1: Verified
    id        [uuid]
    project   lab
    workflow  verified v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 3
    input     commit = "c0ffee"

    held at `ready`
      waiting  0 of 1 approval by role engineer
               can release it: bob
      waiting  the check pipeline: `ci-status`, given {"commit":"c0ffee"}, must find it good: it is being made
    next: approve or reject `ready`
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 1  began `health-check` for ready#1/check/pipeline
    [time]  run 1  the check `pipeline` of `ready` told nothing: `ci-status`: it is running
    run 1 (Verified) is held at `ready`
    nothing left to do

    $ holdpoint recheck 1 --as bob
    had a check made again in run 1: Verified
    held at `ready`
      waiting  0 of 1 approval by role engineer
               can release it: bob
      waiting  the check pipeline: `ci-status`, given {"commit":"c0ffee"}, must find it good: it is being made again; it told nothing [time] UTC: `ci-status`: it is running
    next: approve or reject `ready`
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`
    "#);
    place.write("status", r#"{"verdict": "failed", "detail": "2 tests failed"}"#);
    assert_snapshot!(place.shows(&["work", "approve 1 --as bob", "recheck 1 nothing --as bob"]), @r#"
    $ holdpoint work
    [time]  run 1  began `health-check` for ready#1/check/pipeline
    [time]  run 1  the check `pipeline` of `ready` failed: `ci-status`: 2 tests failed
    run 1 (Verified) is held at `ready`
    nothing left to do

    $ holdpoint approve 1 --as bob
    approved run 1: Verified
    held at `ready`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      refused  the check pipeline: `ci-status`, given {"commit":"c0ffee"}, must find it good: it failed [time] UTC: `ci-status`: 2 tests failed
    next: amend the input, as `ada` or a member with the role `owner`
    next: have the check `pipeline` made again: `holdpoint recheck 1 pipeline`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint recheck 1 nothing --as bob
    error[HP1006]: `ready` has no check `nothing`
    help: its checks are pipeline
    [exit 1]
    "#);
    place.write("status", r#"{"verdict": "passed", "detail": "214 tests passed"}"#);
    assert_snapshot!(place.shows(&["recheck 1 pipeline --as ada", "work", "history 1"]), @r#"
    $ holdpoint recheck 1 pipeline --as ada
    had a check made again in run 1: Verified
    held at `ready`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      waiting  the check pipeline: `ci-status`, given {"commit":"c0ffee"}, must find it good: it is being made again; it failed [time] UTC: `ci-status`: 2 tests failed
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 1  began `health-check` for ready#1/check/pipeline
    [time]  run 1  the check `pipeline` of `ready` passed: `ci-status` was good once
    [time]  run 1  `ready` was released
    [time]  run 1  it reached `done`
    [time]  run 1  it ended: done
    run 1 (Verified) has ended: done
    nothing left to do

    $ holdpoint history 1
    run 1: Verified
      [time]  ada     submitted it to verified v1
      [time]  ada     it reached `ready`
      [time]  ada     held at `ready` for 1 of rule peer
      [time]  engine  began `health-check` for ready#1/check/pipeline
      [time]  engine  the check `pipeline` of `ready` told nothing: `ci-status`: it is running
      [time]  bob     had the check `pipeline` of `ready` made again
      [time]  engine  began `health-check` for ready#1/check/pipeline
      [time]  engine  the check `pipeline` of `ready` failed: `ci-status`: 2 tests failed
      [time]  bob     approved `ready` (role engineer)
      [time]  ada     had the check `pipeline` of `ready` made again
      [time]  engine  began `health-check` for ready#1/check/pipeline
      [time]  engine  the check `pipeline` of `ready` passed: `ci-status` was good once
      [time]  engine  `ready` was released
      [time]  engine  it reached `done`
      [time]  engine  it ended: done

    times are UTC; with `--json` every event is printed as it is stored
    "#);
    // What the program answered is in the history, with the verdict that follows from it.
    let history = place.must("history 1 --json");
    let data = |kind: &str| {
        let mut events = history.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let last = events.rfind(|event| event["type"] == kind);
        last.unwrap_or_else(|| panic!("no {kind}"))["data"].clone()
    };
    let told = data("holdpoint.check.told");
    assert_eq!(told["verdict"], "passed", "{told}");
    let answered = data("holdpoint.activity.completed");
    assert_eq!(answered["output"]["output"]["json"]["detail"], "214 tests passed", "{answered}");
}
