//! `check`: everything that is wrong, for people and for other programs.

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{PATCH, Place};

const SCENARIOS: &str = "definition: good.yaml
members: { ada: role:engineer }
scenarios:
  one: { given: { by: ada }, then: { ended: dnoe } }
";

fn place() -> Place {
    let place = Place::empty();
    place.write("good.yaml", PATCH);
    place.write(
        "warns.yaml",
        PATCH.replace(
            "need: 1 }\n          second",
            "when: \"input.risk == 'low'\", need: 1 }\n          second",
        ),
    );
    place.write(
        "bad.yaml",
        PATCH.replace("released: done", "released: dome").replace("need: 1 }", "needs: 1 }"),
    );
    place.write("good.scenarios.yaml", SCENARIOS);
    place
}

fn json(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

#[test]
fn findings_are_told_with_their_lines_and_remedies() {
    assert_snapshot!(place().shows(&[
        "check good.yaml",
        "check warns.yaml",
        "check warns.yaml --strict",
        "check good.yaml bad.yaml good.scenarios.yaml",
    ]), @r#"
    $ holdpoint check good.yaml
    good.yaml: `patch` v1, nothing to report

    $ holdpoint check warns.yaml
    warns.yaml:19:95: warning[HP2024]: every rule has a condition; where none is true, nobody can release the hold
       |
    19 |           peer: { from: role:engineer, qualified: network, when: "input.risk == 'low'", need: 1 }
       |                                                                                               ^
    help: leave `when` out of one rule, or `choose` before the hold

    warns.yaml: `patch` v1, 1 warning

    $ holdpoint check warns.yaml --strict
    error: 1 of 1 file is not free of findings
    help: what is wrong stands above, with what to do; each code has a page in docs/errors
    warns.yaml:19:95: warning[HP2024]: every rule has a condition; where none is true, nobody can release the hold
       |
    19 |           peer: { from: role:engineer, qualified: network, when: "input.risk == 'low'", need: 1 }
       |                                                                                               ^
    help: leave `when` out of one rule, or `choose` before the hold

    warns.yaml: `patch` v1, 1 warning
    [exit 2]

    $ holdpoint check good.yaml bad.yaml good.scenarios.yaml
    error: 2 of 3 files are unusable
    help: what is wrong stands above, with what to do; each code has a page in docs/errors
    good.yaml: `patch` v1, nothing to report
    bad.yaml:19:60: error[HP2002]: a rule has no key `needs`
       |
    19 |           peer: { from: role:engineer, qualified: network, needs: 1 }
       |                                                            ^^^^^
    help: did you mean `need`?

    bad.yaml:20:72: error[HP2002]: a rule has no key `needs`
       |
    20 |           second: { when: "input.risk == 'high'", from: role:engineer, needs: 1 }
       |                                                                        ^^^^^
    help: did you mean `need`?

    bad.yaml:26:21: error[HP2008]: there is no state `dome`
       |
    26 |     on: { released: dome }
       |                     ^^^^
    help: did you mean `done`?

    bad.yaml: 3 errors
    good.scenarios.yaml:4:45: error[HP2104]: `patch` has no end `dnoe`
      |
    4 |   one: { given: { by: ada }, then: { ended: dnoe } }
      |                                             ^^^^
    help: did you mean `done`?

    good.scenarios.yaml: 1 error
    [exit 2]
    "#);
}

#[test]
fn a_directory_is_checked_whole() {
    let place = place();
    let ran = place.sh("check . --json");
    assert_eq!(ran.code, Some(2));
    let answer = json(&ran.output);
    let files = answer["files"].as_array().unwrap();
    let told: Vec<String> = files
        .iter()
        .map(|file| {
            format!(
                "{} {} {}",
                file["file"],
                file["usable"],
                file["findings"].as_array().unwrap().len()
            )
        })
        .collect();
    assert_snapshot!(told.join("\n"), @r#"
    "bad.yaml" false 3
    "good.scenarios.yaml" false 1
    "good.yaml" true 0
    "warns.yaml" true 1
    "#);
    assert_snapshot!(format!("{:#}", files[0]["findings"][0]), @r#"
    {
      "code": "HP2002",
      "column": 60,
      "end_column": 65,
      "end_line": 19,
      "file": "bad.yaml",
      "help": "did you mean `need`?",
      "line": 19,
      "message": "a rule has no key `needs`",
      "severity": "error"
    }
    "#);
}

#[test]
fn every_finding_is_told_however_many_there_are() {
    let place = Place::empty();
    let states: String = (0..500).map(|n| format!("  s{n}: {{ ent: done }}\n")).collect();
    place.write("bad.yaml", PATCH.replace("  done: {", &format!("{states}  done: {{")));
    let ran = place.sh("check bad.yaml");
    assert_eq!(ran.code, Some(2));
    assert!(ran.output.matches("error[HP2002]").count() >= 500);
    for format in ["json", "sarif", "github"] {
        let ran = place.sh(&format!("check bad.yaml --format {format}"));
        assert_eq!(ran.code, Some(2), "{format}");
        assert!(ran.output.matches("HP2002").count() >= 500, "{format}");
    }
}

#[test]
fn other_programs_get_their_forms() {
    let place = place();
    assert_snapshot!(place.shows(&["check warns.yaml --format github"]), @"
    $ holdpoint check warns.yaml --format github
    ::warning file=warns.yaml,line=19,endLine=19,col=95,endColumn=95,title=HP2024::every rule has a condition; where none is true, nobody can release the hold%0Aleave `when` out of one rule, or `choose` before the hold
    ");
    let sarif = json(&place.must("check warns.yaml --format sarif"));
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"HP2024".into(), &"warning".into()));
    let good = json(&place.must("check good.yaml --format sarif"));
    assert_eq!(good["runs"][0]["results"], serde_json::json!([]));
}

#[test]
fn the_check_of_definitions_is_the_same() {
    let place = place();
    for line in
        ["good.yaml", "warns.yaml", "bad.yaml", "bad.yaml --json", "bad.yaml --format sarif"]
    {
        let (one, other) =
            (place.sh(&format!("check {line}")), place.sh(&format!("definitions check {line}")));
        assert_eq!(one.to_string(), other.to_string(), "{line}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let place = place();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.write("bytes.yaml", b"\xff\xfe");
    for line in [
        "check nothing.yaml",
        "check empty",
        "check bytes.yaml",
        "check",
        "check good.yaml --format xml",
    ] {
        place.sh(line).fails_well(2, &line);
    }
    // The others are checked all the same.
    let ran = place.sh("check bytes.yaml bad.yaml");
    assert_eq!(ran.code, Some(2));
    assert!(ran.output.contains("HP2002"), "{ran:?}");
    assert!(ran.errors.contains("the definition `bytes.yaml` cannot be read"), "{ran:?}");
}

const BASELINE: &str = include_str!("../../../docs/baseline.md");

#[test]
fn a_baseline_says_what_a_definition_demands_too_little_of() {
    let place = Place::empty();
    let (_, rest) = BASELINE.split_once("```yaml\n").unwrap();
    let (rules, _) = rest.split_once("```").unwrap();
    place.write("house-rules.yaml", rules);
    let patch = PATCH.replace("    on: { released: done }\n", "    on: { released: install }\n  install:\n    do: { activity: { run: install } }\n    on: { succeeded: done, failed: lapsed }\n");
    place.write("patch.yaml", &patch);
    let better = patch
        .replace("qualified: network, need: 1", "need: 2")
        .replace("not: [requester]", "not: [requester, editors]");
    place.write("better.yaml", &better);
    let excepted = rules.replace("editors] }\n", "editors] }\n    except: { patch: it is old }\n");
    place.write("excepted.yaml", excepted);
    place.write("bad.yaml", "baseline: rules\ntitle: Rules\n");
    let told = |line: &str, expected: &[&str]| {
        let shown = place.shows(&[line]);
        for text in expected {
            assert!(shown.contains(text), "{text}: {shown}");
        }
    };
    told(
        "check patch.yaml --baseline house-rules.yaml",
        &[
            "patch.yaml:27:3: error[HP2401]: `install` can be reached without `four-eyes` of the baseline `house-rules`",
            "`ask` is not enough: its `not` has no `editors`; this way does not: `ask`, `tell`, `install`",
            "patch.yaml: `patch` v1, 1 error\n  four-eyes: not met\n  board: not applicable\n",
            "[exit 2]",
        ],
    );
    told(
        "check better.yaml --baseline house-rules.yaml",
        &["better.yaml: `patch` v1, nothing to report\n  four-eyes: met\n"],
    );
    told(
        "check patch.yaml --baseline excepted.yaml",
        &["patch.yaml: `patch` v1, nothing to report\n  four-eyes: overridden: it is old\n"],
    );
    told("check patch.yaml --baseline bad.yaml", &["bad.yaml:1:1: error[HP2003]"]);
    let shown = place.sh("check patch.yaml --baseline house-rules.yaml --json").output;
    let found = json(&shown);
    let first = &found["files"][0]["baseline"]["requirements"][0];
    assert_eq!(first["status"], "not_met");
    assert_eq!(found["files"][0]["usable"], false);
}
