//! `show` and `history`: a run as it is, and as it was.

use insta::assert_snapshot;

use crate::common::{CHANGE, Place, SUBMIT, filters};

#[test]
fn a_run_that_is_held() {
    let _filters = filters();
    let place = Place::lab();
    place.must("submit patch --input 'title=Fix the router' --input risk=high --as bob");
    assert_snapshot!(place.shows(&["show 1"]), @r#"
    $ holdpoint show 1
    run 1: Fix the router
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by bob
    updated   [time] UTC, version 3
    input     risk = "high"
              title = "Fix the router"

    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: eve
               cannot: bob, who submitted the run and nobody decides on their own
               cannot: cy, who is not qualified in network now
      waiting  0 of 1 approval by role engineer
               can release it: cy, eve
               cannot: bob, who submitted the run and nobody decides on their own
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `bob` or a member with the role `owner`
    "#);
    place.must("approve 1 --as eve --reason sound");
    assert_snapshot!(place.shows(&["show 1"]), @r#"
    $ holdpoint show 1
    run 1: Fix the router
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by bob
    updated   [time] UTC, version 4
    input     risk = "high"
              title = "Fix the router"

    held at `ask`
      met      1 of 1 approval by role engineer, qualified in network
               eve approved at [time] UTC
      waiting  0 of 1 approval by role engineer
               can release it: cy
               cannot: bob, who submitted the run and nobody decides on their own
               cannot: eve, who has approved
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `bob` or a member with the role `owner`
    "#);
    assert_snapshot!(place.shows(&["show 1 --json"]), @r#"
    $ holdpoint show 1 --json
    {
      "at": {
        "sequence": 17,
        "version": 4
      },
      "definition": {
        "digest": "sha256:[digest]",
        "name": "patch",
        "version": 1
      },
      "id": "[uuid]",
      "input": {
        "risk": "high",
        "title": "Fix the router"
      },
      "number": 1,
      "project": "lab",
      "requester": "member:bob",
      "started": "[time]",
      "state": "ask",
      "status": "held",
      "title": "Fix the router",
      "updated": "[time]",
      "view": {
        "holds": [
          {
            "conditions": [
              {
                "candidates": [],
                "kind": "approval",
                "met": true,
                "name": "peer",
                "open": 0,
                "status": "met",
                "summary": "1 of 1 approval by role engineer, qualified in network",
                "votes": [
                  {
                    "at": "[time]",
                    "member": "eve",
                    "vote": "approve"
                  }
                ]
              },
              {
                "candidates": [
                  {
                    "member": "cy"
                  },
                  {
                    "lacks": "submitted the run and nobody decides on their own",
                    "member": "bob"
                  },
                  {
                    "lacks": "has approved",
                    "member": "eve"
                  }
                ],
                "kind": "approval",
                "met": false,
                "name": "second",
                "open": 1,
                "status": "open",
                "summary": "0 of 1 approval by role engineer",
                "votes": []
              }
            ],
            "deadline": {
              "at": "[time]",
              "outcome": "expired"
            },
            "hold": "ask",
            "since": "[time]"
          }
        ],
        "next_steps": [
          {
            "action": "vote",
            "hold": "ask",
            "text": "approve or reject `ask`"
          },
          {
            "action": "cancel",
            "text": "cancel the run, as `bob` or a member with the role `owner`"
          }
        ],
        "state": "ask",
        "status": "held",
        "title": "Fix the router"
      }
    }
    "#);
    place.must("project member remove cy --as ada");
    place.must("project member remove bob --as ada");
    assert_snapshot!(place.shows(&["show 1"]), @r#"
    $ holdpoint show 1
    run 1: Fix the router
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by bob
    updated   [time] UTC, version 4
    input     risk = "high"
              title = "Fix the router"

    held at `ask`
      met      1 of 1 approval by role engineer, qualified in network
               eve approved at [time] UTC
      waiting  0 of 1 approval by role engineer
               nobody in the project can release it now
               cannot: eve, who has approved
      if nothing happens: `expired` at [time] UTC (in [span])
    next: cancel the run, as `bob` or a member with the role `owner`
    "#);
}

#[test]
fn a_run_that_waits_for_a_signal_and_one_that_has_ended() {
    let _filters = filters();
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    assert_snapshot!(place.shows(&["show 1"]), @r#"
    $ holdpoint show 1
    run 1: Fix the router
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 7
    input     risk = "low"
              title = "Fix the router"

    held at `tell`
      waiting  the signal tested
               can send it: every member of the project
    next: send the signal `tested`: `holdpoint signal 1 tested`
    next: cancel the run, as `ada` or a member with the role `owner`
    "#);
    place.must("signal 1 tested --as dora");
    assert_snapshot!(place.shows(&["show 1"]), @r#"
    $ holdpoint show 1
    run 1: Fix the router
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 12
    input     risk = "low"
              title = "Fix the router"

    it has ended: done
    "#);
}

#[test]
fn a_rollout_that_has_not_begun() {
    let _filters = filters();
    let place = Place::lab();
    place.write("change.yaml", CHANGE);
    place.must("definitions publish change.yaml --as ada");
    let targets: Vec<_> = (1..=5).map(|n| format!("web-{n}")).collect();
    let targets = serde_json::json!(targets);
    place.must(&format!(
        "submit approved-change --input 'title=Version 2' --input rehearsed=true --input domain=network \
         --input 'items=[\"web\"]' --input 'targets={targets}' --input version=2 --as ada"
    ));
    place.must("approve 1 --as bob");
    assert_snapshot!(place.shows(&["show 1", "list"]), @r#"
    $ holdpoint show 1
    run 1: Version 2
    id        [uuid]
    project   lab
    workflow  approved-change v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 9
    input     bake = "2m"
              domain = "network"
              impact = "none"
              items = ["web"]
              rehearsed = true
              risk = "low"
              targets = ["web-1","web-2","web-3","web-4","web-5"]
              title = "Version 2"
              version = "2"
    risk      low (10 points: impact 0, reach 10, rehearsal 0; low by points, at least low)

    working at `implement`
    rollout: rolling out, wave 1 of 3, 0 of 5 targets failed (undone at 1)
      WAVE  TARGET  STATE
      1     web-1   deploying
      2     web-2   waiting
      2     web-3   waiting
      3     web-4   waiting
      3     web-5   waiting
      waiting  no activity `deploy` is configured here
    next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`
    next: begin nothing new: `holdpoint pause 1 --reason TEXT`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint list
    RUN  TITLE      DEFINITION          STATE      STATUS            REQUESTER  UPDATED (UTC)
    1    Version 2  approved-change v1  implement  no `deploy` here  ada        [time]
    "#);
    let view = place.ask("show 1")["view"]["rollout"].clone();
    assert_eq!((&view["wave"], &view["waves"]), (&1.into(), &3.into()));
}

#[test]
fn a_run_as_it_was() {
    let _filters = filters();
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    assert_snapshot!(place.shows(&["show 1 --at 1", "show 1 --at 3"]), @r#"
    $ holdpoint show 1 --at 1
    run 1: Fix the router
    as of     version 1, [time] UTC
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 1
    input     risk = "low"
              title = "Fix the router"

    submitted, and at no state yet

    $ holdpoint show 1 --at 3
    run 1: Fix the router
    as of     version 3, [time] UTC
    id        [uuid]
    project   lab
    workflow  patch v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 3
    input     risk = "low"
              title = "Fix the router"

    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob, eve
               cannot: cy, who is not qualified in network now
      if nothing happens: `expired` at [time] UTC (in [span])
    "#);
    let events: Vec<serde_json::Value> = place
        .must("history 1 --json")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let approved = events.iter().find(|one| one["type"] == "holdpoint.approval.granted").unwrap();
    let at = approved["time"].as_str().unwrap();
    // To the nanosecond, and as the program itself shows it.
    let second = &at[..19];
    for text in [at.to_owned(), format!("{second}Z"), format!("'{}'", second.replace('T', " "))] {
        let shown = place.ask(&format!("show 1 --at {text}"));
        assert_eq!(shown["state"], "tell", "{text}");
    }
    let before = place.ask(&format!("show 1 --at {}", events[2]["time"].as_str().unwrap()));
    assert_eq!(before["state"], "ask");
    assert_eq!(place.ask("show 1 --at 2099-01-01")["state"], "tell", "the future is as now");
    for version in 1..=events.len() {
        let shown = place.ask(&format!("show 1 --at {version}"));
        assert_eq!(shown["at"]["version"], version);
        assert_eq!(shown["updated"], events[version - 1]["time"]);
    }
    for text in [
        "0",
        "99",
        "2020-01-01",
        "2020-01-01T00:00:00Z",
        "-1",
        "now",
        "''",
        "1.5",
        "99999999999999999999999999",
    ] {
        let line = format!("show 1 --at {text}");
        place.sh(&line).fails_well(2, &line);
    }
    assert_snapshot!(place.shows(&["show 1 --at 99", "show 1 --at 2020-01-01", "show 1 --at now"]), @"
    $ holdpoint show 1 --at 99
    error: the run has no state as of `99`
    help: it was submitted at [time] UTC, and has the versions 1 to 7
    [exit 2]

    $ holdpoint show 1 --at 2020-01-01
    error: the run has no state as of `2020-01-01`
    help: it was submitted at [time] UTC, and has the versions 1 to 7
    [exit 2]

    $ holdpoint show 1 --at now
    error: `--at now` is neither a version nor a time
    help: give a number of events such as `--at 3`, or a time such as `--at [time]`
    [exit 2]
    ");
}

#[test]
fn the_history_is_printed_as_it_is_stored() {
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("project create zoo --as ada");
    let lab = place.must("history --json --project lab");
    let zoo = place.must("history --json --project zoo");
    let run = place.must("history 1 --json");
    let mut sequences = Vec::new();
    for line in lab.lines().chain(zoo.lines()) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        sequences.push(event["sequence"].as_u64().unwrap());
        // The bytes that were hashed have no white space between their parts.
        assert!(line.starts_with("{\"sequence\":"), "{line}");
    }
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "nothing is left out");
    assert!(run.lines().count() > 0);
    assert!(run.lines().all(|line| lab.lines().any(|one| one == line)));
    assert_eq!(place.must("history --json --project lab"), lab, "reading changes nothing");
}
