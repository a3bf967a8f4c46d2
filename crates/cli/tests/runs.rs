//! `submit`, `approve`, `reject`, `cancel`, `signal` and `list`: what people do with runs.

use insta::assert_snapshot;
use serde_json::json;

use crate::common::{Place, SUBMIT, filters};

#[test]
fn from_a_submission_to_its_end() {
    let _filters = filters();
    let place = Place::lab();
    assert_snapshot!(place.shows(&[
        SUBMIT,
        "approve 1 --as bob --reason 'the plan is sound'",
        "signal 1 tested --as dora --data '{\"ok\": true}'",
        "work",
        "submit patch --input title=Second --input risk=high --as ada",
        "reject 2 --as eve --reason 'not today'",
        "submit patch --input title=Third --as ada",
        "cancel 3 --as ada --reason 'changed my mind'",
        "list",
        "history 1",
        "history",
    ]), @r#"
    $ holdpoint submit patch --input 'title=Fix the router' --as ada
    submitted run 1 of the project `lab`: Fix the router
    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob, eve
               cannot: cy, who is not qualified in network now
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint approve 1 --as bob --reason 'the plan is sound'
    approved run 1: Fix the router
    held at `tell`
      waiting  the signal tested
               can send it: every member of the project
    next: send the signal `tested`: `holdpoint signal 1 tested`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint signal 1 tested --as dora --data '{"ok": true}'
    signalled run 1: Fix the router
    it has ended: done

    $ holdpoint work
    nothing left to do

    $ holdpoint submit patch --input title=Second --input risk=high --as ada
    submitted run 2 of the project `lab`: Second
    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob, eve
               cannot: cy, who is not qualified in network now
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint reject 2 --as eve --reason 'not today'
    rejected run 2: Second
    it has ended: rejected

    $ holdpoint submit patch --input title=Third --as ada
    submitted run 3 of the project `lab`: Third
    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob, eve
               cannot: cy, who is not qualified in network now
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint cancel 3 --as ada --reason 'changed my mind'
    cancelled run 3: Third
    it has ended: cancelled

    $ holdpoint list
    RUN  TITLE           DEFINITION  STATE     STATUS            REQUESTER  UPDATED (UTC)
    3    Third           patch v1    ask       ended: cancelled  ada        [time]
    2    Second          patch v1    rejected  ended: rejected   ada        [time]
    1    Fix the router  patch v1    done      ended: done       ada        [time]

    $ holdpoint history 1
    run 1: Fix the router
      [time]  ada   submitted it to patch v1
      [time]  ada   it reached `ask`
      [time]  ada   held at `ask` for 1 of rule peer, expires [time]
      [time]  bob   approved `ask` (role engineer, qualified in network): the plan is sound
      [time]  bob   `ask` was released
      [time]  bob   it reached `tell`
      [time]  bob   held at `tell`
      [time]  dora  signalled `tested`: {"ok":true}
      [time]  dora  `tell` took the signal `tested`
      [time]  dora  `tell` was released
      [time]  dora  it reached `done`
      [time]  dora  it ended: done

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint history
    project lab
      [time]  ada  created the project: The lab
      [time]  ada  added ada as a member
      [time]  ada  gave ada the role owner
      [time]  ada  added bob as a member
      [time]  ada  gave bob the role engineer
      [time]  ada  added eve as a member
      [time]  ada  gave eve the role engineer
      [time]  ada  added cy as a member
      [time]  ada  gave cy the role engineer
      [time]  ada  added dora (Dora D.) as a member
      [time]  ada  recorded that bob is qualified in network, attested by CCIE
      [time]  ada  recorded that eve is qualified in network, attested by CCIE
      [time]  ada  published the definition patch v1: Patch

    run 1: Fix the router
      [time]  ada   submitted it to patch v1
      [time]  ada   it reached `ask`
      [time]  ada   held at `ask` for 1 of rule peer, expires [time]
      [time]  bob   approved `ask` (role engineer, qualified in network): the plan is sound
      [time]  bob   `ask` was released
      [time]  bob   it reached `tell`
      [time]  bob   held at `tell`
      [time]  dora  signalled `tested`: {"ok":true}
      [time]  dora  `tell` took the signal `tested`
      [time]  dora  `tell` was released
      [time]  dora  it reached `done`
      [time]  dora  it ended: done

    run 2: Second
      [time]  ada  submitted it to patch v1
      [time]  ada  it reached `ask`
      [time]  ada  held at `ask` for 1 of rule peer, 1 of rule second, expires [time]
      [time]  eve  rejected `ask` (role engineer, qualified in network): not today
      [time]  eve  `ask` was rejected by eve
      [time]  eve  it reached `rejected`
      [time]  eve  it ended: rejected

    run 3: Third
      [time]  ada  submitted it to patch v1
      [time]  ada  it reached `ask`
      [time]  ada  held at `ask` for 1 of rule peer, expires [time]
      [time]  ada  cancelled it at `ask`: changed my mind
      [time]  ada  it ended: cancelled

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}

#[test]
fn as_json() {
    let _filters = filters();
    let place = Place::lab();
    assert_snapshot!(place.shows(&[
        "submit patch --input 'title=Fix the router' --as ada --json",
        "approve 1 --as bob --json",
        "signal 1 tested --as dora --json",
        "list --json",
    ]), @r#"
    $ holdpoint submit patch --input 'title=Fix the router' --as ada --json
    {
      "number": 1,
      "outcome": null,
      "project": "lab",
      "run": "[uuid]",
      "sequence": 16,
      "state": "ask",
      "status": "held",
      "unconfigured": [],
      "version": 3
    }

    $ holdpoint approve 1 --as bob --json
    {
      "number": 1,
      "outcome": null,
      "project": "lab",
      "run": "[uuid]",
      "sequence": 20,
      "state": "tell",
      "status": "held",
      "unconfigured": [],
      "version": 7
    }

    $ holdpoint signal 1 tested --as dora --json
    {
      "number": 1,
      "outcome": "done",
      "project": "lab",
      "run": "[uuid]",
      "sequence": 25,
      "state": "done",
      "status": "ended",
      "unconfigured": [],
      "version": 12
    }

    $ holdpoint list --json
    {
      "runs": [
        {
          "at": {
            "sequence": 25,
            "version": 12
          },
          "definition": {
            "digest": "sha256:[digest]",
            "name": "patch",
            "version": 1
          },
          "id": "[uuid]",
          "number": 1,
          "outcome": "done",
          "project": "lab",
          "requester": "member:ada",
          "started": "[time]",
          "state": "done",
          "status": "ended",
          "title": "Fix the router",
          "updated": "[time]"
        }
      ]
    }
    "#);
}

#[test]
fn an_input_can_be_given_in_every_form() {
    let place = Place::lab();
    let expected = json!({ "title": "3.10", "size": 3, "items": ["a", "b"] });
    let document = expected.to_string();
    place.write("input.json", &document);
    place.must(&format!("submit patch --input-json '{document}' --as ada"));
    place.must("submit patch --input-file input.json --as ada");
    place.must(
        "submit patch --input title=3.10 --input size=3 --input 'items=[\"a\", \"b\"]' --as ada",
    );
    place.must("submit patch --input-json '{\"size\": 3}' --input title=3.10 --input 'items=[\"a\",\"b\"]' --as ada");
    let ran = place.sh_with("submit patch --input-file - --as ada", document);
    assert_eq!(ran.code, Some(0), "{ran}");
    for run in 1..=5 {
        let mut input = place.ask(&format!("show {run}"))["input"].clone();
        // A default that the definition states may be filled in.
        input.as_object_mut().unwrap().remove("risk");
        assert_eq!(input, expected, "run {run}");
    }
}

#[test]
fn a_no_says_why_and_what_it_takes() {
    let _filters = filters();
    let place = Place::lab();
    assert_snapshot!(place.refuses("submit patch --as ada", "HP1008"), @r#"
    error[HP1008]: the input does not fit the definition `patch`
    help: "title" is a required property
    "#);
    assert_snapshot!(place.refuses("submit patch --input title=x --input risk=some --input more=1 --as ada", "HP1008"), @r#"
    error[HP1008]: the input does not fit the definition `patch`
    help: `risk`: "some" is not one of "low" or "high"
    help: Additional properties are not allowed ('more' was unexpected)
    "#);
    assert_snapshot!(place.refuses("submit patch --version 2 --input title=x --as ada", "HP1009"), @"
    error[HP1009]: no definition `patch` 2 is published in the project `lab`
    help: published are: patch 1
    ");
    assert_snapshot!(place.refuses("submit nothing --as ada", "HP1009"), @"
    error[HP1009]: no definition `nothing` is published in the project `lab`
    help: published are: patch 1
    ");
    assert_snapshot!(place.refuses("submit patch --input title=x --as zed", "HP1001"), @"
    error[HP1001]: `zed` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    ");
    place.must("submit patch --input title=x --as bob");
    assert_snapshot!(place.refuses("approve 1 --as bob", "HP1003"), @"
    error[HP1003]: `bob` submitted the run and nobody decides on their own
    help: a vote by role engineer, qualified in network: eve
    ");
    assert_snapshot!(place.refuses("approve 1 --as cy", "HP1004"), @"
    error[HP1004]: `cy` is not qualified in network now
    help: a vote by role engineer, qualified in network: eve
    ");
    assert_snapshot!(place.refuses("approve 1 --as dora", "HP1002"), @"
    error[HP1002]: `dora` is none of those asked: role engineer
    help: a vote by role engineer, qualified in network: eve
    ");
    assert_snapshot!(place.refuses("approve 1 --as zed", "HP1001"), @"
    error[HP1001]: `zed` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    ");
    assert_snapshot!(place.refuses("approve 1 --as eve --hold other", "HP1006"), @"
    error[HP1006]: the hold `other` is not open
    help: the open hold is `ask`
    ");
    assert_snapshot!(place.refuses("signal 1 nonsense --as eve", "HP1006"), @"
    error[HP1006]: nothing in this run can want the signal `nonsense`
    help: it can still want tested
    ");
    assert_snapshot!(place.refuses("cancel 1 --reason no --as eve", "HP1002"), @"
    error[HP1002]: `eve` may not cancel this run
    help: the requester or a member with the role `owner`: bob, ada
    ");
    place.must("submit patch --input title=y --input risk=high --as ada");
    place.must("approve 2 --as eve");
    assert_snapshot!(place.refuses("approve 2 --as eve", "HP1005"), @"
    error[HP1005]: `eve` has voted on `ask` already
    help: withdraw that vote first
    ");
    place.must("cancel 2 --reason enough --as ada");
    assert_snapshot!(place.refuses("approve 2 --as bob", "HP1007"), @"
    error[HP1007]: the run has ended with `cancelled`
    help: `holdpoint history RUN` says how it ended, who ended it and why; what is still to be done takes a run of its own: `holdpoint submit DEFINITION`
    ");
    assert_snapshot!(place.refuses("cancel 2 --reason again --as ada", "HP1007"), @"
    error[HP1007]: the run has ended with `cancelled`
    help: `holdpoint history RUN` says how it ended, who ended it and why; what is still to be done takes a run of its own: `holdpoint submit DEFINITION`
    ");
}

#[test]
fn the_same_command_id_is_answered_once() {
    let _filters = filters();
    let place = Place::lab();
    let id = |n: u8| format!("--command-id 01900000-0000-7000-8000-0000000000{n:02x}");
    for (n, line) in (1..).zip([
        "project create zoo --as ada --project lab",
        "project member add zed --as ada --project lab",
        "submit patch --input title=x --as ada --project lab",
        "approve 1 --as bob --project lab",
        "signal 1 tested --as bob --project lab",
    ]) {
        let line = format!("{line} {}", id(n));
        let first = place.ask(&line);
        let history = place.must("history --json --project lab");
        assert_eq!(place.ask(&line)["sequence"], first["sequence"], "{line}");
        assert_eq!(place.ask(&line)["version"], first["version"], "{line}");
        assert_eq!(place.must("history --json --project lab"), history, "{line}");
    }
    let reused = format!("submit patch --input title=other --as ada --project lab {}", id(3));
    assert_snapshot!(place.refuses(&reused, "HP1011"), @"
    error[HP1011]: the command id [uuid] was used before, for another submission
    help: make a new id for a new submission
    ");
}

#[test]
fn a_list_is_filtered() {
    let _filters = filters();
    let place = Place::lab();
    for n in 1..=3 {
        place.must(&format!("submit patch --input title=Run{n} --as ada"));
    }
    place.must("cancel 1 --reason no --as ada");
    assert_snapshot!(place.shows(&[
        "list",
        "list --status held",
        "list --status ended",
        "list --status stuck",
        "list --limit 1",
        "list --status held --limit 1",
    ]), @"
    $ holdpoint list
    RUN  TITLE  DEFINITION  STATE  STATUS            REQUESTER  UPDATED (UTC)
    3    Run3   patch v1    ask    held              ada        [time]
    2    Run2   patch v1    ask    held              ada        [time]
    1    Run1   patch v1    ask    ended: cancelled  ada        [time]

    $ holdpoint list --status held
    RUN  TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    3    Run3   patch v1    ask    held    ada        [time]
    2    Run2   patch v1    ask    held    ada        [time]

    $ holdpoint list --status ended
    RUN  TITLE  DEFINITION  STATE  STATUS            REQUESTER  UPDATED (UTC)
    1    Run1   patch v1    ask    ended: cancelled  ada        [time]

    $ holdpoint list --status stuck
    no runs

    $ holdpoint list --limit 1
    RUN  TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    3    Run3   patch v1    ask    held    ada        [time]

    $ holdpoint list --status held --limit 1
    RUN  TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    3    Run3   patch v1    ask    held    ada        [time]
    ");
    place.must("project create zoo --as ada");
    assert_snapshot!(place.shows(&["list --limit 1", "list --project zoo", "list --project nowhere"]), @"
    $ holdpoint list --limit 1
    RUN    TITLE  DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
    lab/3  Run3   patch v1    ask    held    ada        [time]

    $ holdpoint list --project zoo
    no runs

    $ holdpoint list --project nowhere
    error: there is no project `nowhere`
    help: the projects are: lab, zoo
    [exit 2]
    ");
}

#[test]
fn a_run_is_found_by_number_name_or_id() {
    let place = Place::lab();
    let id = place.ask(SUBMIT)["run"].as_str().unwrap().to_owned();
    let (begin, end) = (&id[..13], &id[28..]);
    for text in ["1", "lab/1", &id, begin, end, &id.to_uppercase()] {
        assert_eq!(place.ask(&format!("show {text}"))["id"], id, "{text}");
    }
    let digits = "01900000-0000-7000-8000-000050064164";
    place.must(&format!("{SUBMIT} --command-id {digits}"));
    assert_eq!(place.ask("show 50064164")["id"], digits);
    for text in [
        "3",
        "0",
        "lab/3",
        "zoo/1",
        "lab/",
        "/1",
        "lab/x",
        "-",
        "x",
        "''",
        "ffffff",
        "99999999999999999999999",
        "1/2/3",
        "La b/1",
    ] {
        for line in
            [format!("show {text}"), format!("history {text}"), format!("approve {text} --as bob")]
        {
            place.sh(&line).fails_well(2, &line);
        }
    }
}

#[test]
fn what_people_write_stays_within_its_line() {
    let place = Place::lab();
    let forged = "fine\n  2026-01-05 09:00:00  eve  approved\u{1b}[2J\u{202e}\u{200b}";
    let submit = ["submit", "patch", "--as", "ada", "--input"].map(str::to_owned);
    let ran = place.run(&[&submit[..], &[format!("title={forged}")]].concat());
    assert_eq!(ran.code, Some(0), "{ran}");
    let reason = ["approve", "1", "--as", "bob", "--reason", forged];
    assert_eq!(place.run(&reason).code, Some(0));
    let data = ["signal", "1", "tested", "--as", "bob", "--data", "\"\u{9b}2J\""];
    assert_eq!(place.run(&data).code, Some(0));
    place.must("submit patch --input-json '{\"title\": \"a\\u0000b\"}' --as ada");
    for line in ["list", "show 1", "show 2", "history", "history 1", "show 1 --at 3"] {
        let output = place.must(line);
        assert!(!output.contains(|c: char| c != '\n' && c.is_control()), "{line}: {output}");
        assert!(!output.contains(['\u{202e}', '\u{200b}']), "{line}: {output}");
        assert!(!output.contains("\n  2026-01-05 09"), "{line}: {output}");
    }
    assert_eq!(place.ask("show 1")["title"], forged, "the record itself is as it was given");
    let long = format!("{}title", "long ".repeat(30));
    place.must(&format!("submit patch --input 'title={long}' --as ada"));
    let listed = place.must("list");
    assert!(listed.contains("long long…  patch v1"), "{listed}");
    assert!(!listed.contains(&long), "{listed}");
    assert_eq!(place.ask("list")["runs"][0]["title"], long);
}
