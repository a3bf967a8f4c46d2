//! `test`: scenarios are played, and what differs is told with what happened.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const TWO_EYES: &str = "workflow: two-eyes
version: 1
title: Somebody else agrees
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          peer: { from: role:engineer, need: 1 }
        not: [requester]
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

const SCENARIOS: &str = "definition: two-eyes.yaml
members: { ada: role:engineer, grace: role:engineer }
scenarios:
  somebody else approves:
    given: { by: ada }
    when: [{ approve: grace }]
    then: { ended: done }
  nobody approves their own:
    given: { by: ada }
    when: [{ approve: ada, refused: HP1003 }]
";

/// A place with a definition and scenarios about it.
fn place(scenarios: &str) -> Place {
    let place = Place::empty();
    place.write("two-eyes.yaml", TWO_EYES);
    place.write("two-eyes.scenarios.yaml", scenarios);
    place
}

#[test]
fn scenarios_are_played() {
    let place = place(SCENARIOS);
    let _filters = filters();
    assert_snapshot!(place.shows(&[
        "test",
        "test two-eyes.yaml --only own --timeline",
        "test . --coverage",
    ]), @"
    $ holdpoint test
    two-eyes.scenarios.yaml
      ok    somebody else approves
      ok    nobody approves their own

    2 scenarios: 2 passed, 0 failed

    $ holdpoint test two-eyes.yaml --only own --timeline
    two-eyes.scenarios.yaml
      ok    nobody approves their own
              [time]  ada  submitted it to two-eyes v1
              [time]  ada  it reached `agree`
              [time]  ada  held at `agree` for 1 of rule peer

    1 scenario: 1 passed, 0 failed

    $ holdpoint test . --coverage
    two-eyes.scenarios.yaml
      ok    somebody else approves
      ok    nobody approves their own

    2 scenarios: 2 passed, 0 failed

    66% of two-eyes.yaml is reached: states 2/3, ways 1/2, rules 1/1
      not reached (ways): agree: rejected → refused
      not reached (states): refused
    ");
    assert_snapshot!(place.must("test --coverage --json"), @r#"
    {
      "coverage": [
        {
          "approvals": {
            "all": 0,
            "reached": 0
          },
          "conditions": {
            "all": 0,
            "reached": 0
          },
          "definition": "two-eyes.yaml",
          "missed": [
            {
              "group": "ways",
              "what": "agree: rejected → refused"
            },
            {
              "group": "states",
              "what": "refused"
            }
          ],
          "percent": 66,
          "requirements": {
            "all": 0,
            "reached": 0
          },
          "rules": {
            "all": 1,
            "reached": 1
          },
          "states": {
            "all": 3,
            "reached": 2
          },
          "ways": {
            "all": 2,
            "reached": 1
          }
        }
      ],
      "failed": 0,
      "files": [
        {
          "definition": "two-eyes.yaml",
          "file": "two-eyes.scenarios.yaml",
          "scenarios": [
            {
              "failure": null,
              "line": 4,
              "name": "somebody else approves",
              "passed": true
            },
            {
              "failure": null,
              "line": 8,
              "name": "nobody approves their own",
              "passed": true
            }
          ]
        }
      ],
      "passed": 2
    }
    "#);
    // No directory is made on the way.
    assert_eq!(place.content().len(), 2);
}

#[test]
fn what_differs_is_told_with_what_happened() {
    let _filters = filters();
    let wrong = SCENARIOS.replace("approve: grace", "approve: ada").replace("HP1003", "HP1004");
    let place = place(&wrong);
    assert_snapshot!(place.shows(&["test"]), @"
    $ holdpoint test
    error: 2 of 2 scenarios failed
    help: what differs stands above, with what happened: change the definition, or what the scenario expects
    two-eyes.scenarios.yaml
      FAIL  somebody else approves

            line 6, approve by ada:
              answer
                expected  accepted
                got       refused with HP1003: `ada` submitted the run and nobody decides on their own (a vote by role engineer: grace)

            what happened:
              [time]  ada  submitted it to two-eyes v1
              [time]  ada  it reached `agree`
              [time]  ada  held at `agree` for 1 of rule peer
            it is held at `agree`, for peer (0 of 1 approval by role engineer)

      FAIL  nobody approves their own

            line 10, approve by ada:
              answer
                expected  refused with HP1004
                got       refused with HP1003: `ada` submitted the run and nobody decides on their own (a vote by role engineer: grace)

            what happened:
              [time]  ada  submitted it to two-eyes v1
              [time]  ada  it reached `agree`
              [time]  ada  held at `agree` for 1 of rule peer
            it is held at `agree`, for peer (0 of 1 approval by role engineer)

    2 scenarios: 0 passed, 2 failed
    [exit 1]
    ");
    let ran = place.sh("test --json");
    assert_eq!(ran.code, Some(1));
    let answer: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(answer["failed"], 2);
    let scenario = &answer["files"][0]["scenarios"][0];
    assert_eq!(scenario["failure"]["line"], 6);
    assert_eq!(scenario["history"][0]["type"], "holdpoint.run.started");
    assert!(ran.errors.contains("\"kind\": \"expectation\""), "{ran}");
}

#[test]
fn too_little_coverage_fails() {
    let place = place(SCENARIOS);
    assert_eq!(place.sh("test --min-coverage 66").code, Some(0));
    assert_snapshot!(place.shows(&["test --min-coverage 67"]), @"
    $ holdpoint test --min-coverage 67
    error: the scenarios reach 66% of `two-eyes.yaml`, less than 67%
    help: add scenarios that reach what is listed above
    two-eyes.scenarios.yaml
      ok    somebody else approves
      ok    nobody approves their own

    2 scenarios: 2 passed, 0 failed

    66% of two-eyes.yaml is reached: states 2/3, ways 1/2, rules 1/1
      not reached (ways): agree: rejected → refused
      not reached (states): refused
    [exit 1]
    ");
}

#[test]
fn what_cannot_be_played_is_told() {
    let place = place(&SCENARIOS.replace("ended: done", "ended: dnoe"));
    place.write("lost.scenarios.yaml", SCENARIOS.replace("two-eyes", "three-eyes"));
    place.write("bad.yaml", TWO_EYES.replace("start: agree", "start: agee"));
    place.write("bad.scenarios.yaml", SCENARIOS.replace("two-eyes", "bad"));
    std::fs::create_dir(place.path("sub")).unwrap();
    place.write("sub/other.yaml", TWO_EYES);
    assert_snapshot!(place.shows(&[
        "test two-eyes.scenarios.yaml",
        "test lost.scenarios.yaml",
        "test bad.scenarios.yaml",
        "test two-eyes.yaml --json",
        "test nothing.scenarios.yaml",
        "test sub",
        "test --min-coverage 101",
    ]), @r#"
    $ holdpoint test two-eyes.scenarios.yaml
    two-eyes.scenarios.yaml:7:20: error[HP2104]: `two-eyes` has no end `dnoe`
      |
    7 |     then: { ended: dnoe }
      |                    ^^^^
    help: did you mean `done`?
    [exit 2]

    $ holdpoint test lost.scenarios.yaml
    lost.scenarios.yaml:1:13: error[HP2103]: the definition `three-eyes.yaml` cannot be read: there is no such file
      |
    1 | definition: three-eyes.yaml
      |             ^^^^^^^^^^^^^^^
    help: give the path of the definition, from the directory of this file
    [exit 2]

    $ holdpoint test bad.scenarios.yaml
    bad.yaml:4:8: error[HP2008]: there is no state `agee`
      |
    4 | start: agee
      |        ^^^^
    help: did you mean `agree`?
    [exit 2]

    $ holdpoint test two-eyes.yaml --json
    {
      "error": {
        "findings": [
          {
            "code": "HP2104",
            "column": 20,
            "end_column": 24,
            "end_line": 7,
            "file": "two-eyes.scenarios.yaml",
            "help": "did you mean `done`?",
            "line": 7,
            "message": "`two-eyes` has no end `dnoe`",
            "severity": "error"
          }
        ],
        "kind": "findings",
        "message": "two-eyes.scenarios.yaml cannot be used"
      }
    }
    [exit 2]

    $ holdpoint test nothing.scenarios.yaml
    error: the scenarios `nothing.scenarios.yaml` cannot be read: there is no such file
    help: give a file with scenarios in YAML, as docs/testing-definitions.md describes it
    [exit 2]

    $ holdpoint test sub
    error: there are no scenarios in `sub`
    help: the names of their files end in `.scenarios.yaml`: name one, or its directory
    [exit 2]

    $ holdpoint test --min-coverage 101
    error: `--min-coverage <PERCENT>`: 101 is not in 0..=100
    help: `--help` after a command explains its arguments
    [exit 2]
    "#);
    place.write("two-eyes.scenarios.yaml", SCENARIOS);
    assert_snapshot!(place.shows(&["test two-eyes.yaml --only nothing"]), @"
    $ holdpoint test two-eyes.yaml --only nothing
    error: no scenario's name contains `nothing`
    help: leave `--only` out to see their names
    [exit 2]
    ");
}
