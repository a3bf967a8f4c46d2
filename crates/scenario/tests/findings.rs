//! What is wrong with a file of scenarios is said with its place and a remedy.

use std::fmt::Write as _;

use holdpoint_definition::Diagnostics;
use holdpoint_scenario::Suite;
use insta::assert_snapshot;

use crate::common::{TOP, definition};

fn found(source: &str) -> Diagnostics {
    match Suite::parse("x.scenarios.yaml", source) {
        Ok(suite) => suite.check(&definition()),
        Err(found) => found,
    }
}

/// The findings about one scenario, a line each.
fn about(scenario: &str) -> String {
    let mut text = String::new();
    for one in &found(&format!("{TOP}  one: {scenario}\n")) {
        let help = one.help.as_deref().unwrap_or_else(|| panic!("no remedy: {one:?}"));
        writeln!(text, "{} {}\n  {help}", one.code, one.message).unwrap();
    }
    text
}

#[test]
fn every_fault_of_shape_is_found() {
    assert_snapshot!(about("{ given: { by: ada }, when: [{}, { approve: grace, after: 1d }, { after: 1d, refused: HP1001 }, approve], then: {} }"), @"
    HP2101 nothing happens in this step
      a step has exactly one of `approve`, `reject`, `veto`, `withdraw`, `overrule`, `object`, `override`, `accept`, `recount`, `recheck`, `discharge`, `attach`, `done`, `reopen`, `waive`, `comment`, `amend`, `settle`, `cancel`, `signal`, `pause`, `resume`, `abort`, `rollback`, `promote`, `retry`, `skip`, `take-over`, `after`, `at`, `work`, `child`, `members`, `calendars`, `items`, `conflicts`, `lockdown`, `lift`, `expect`
    HP2101 this step is of several kinds: `approve`, `after`
      a step has exactly one of `approve`, `reject`, `veto`, `withdraw`, `overrule`, `object`, `override`, `accept`, `recount`, `recheck`, `discharge`, `attach`, `done`, `reopen`, `waive`, `comment`, `amend`, `settle`, `cancel`, `signal`, `pause`, `resume`, `abort`, `rollback`, `promote`, `retry`, `skip`, `take-over`, `after`, `at`, `work`, `child`, `members`, `calendars`, `items`, `conflicts`, `lockdown`, `lift`, `expect`
    HP2101 `after` is never refused
      `refused` goes with what members do: `approve`, `reject`, `veto`, `withdraw`, `overrule`, `object`, `override`, `accept`, `recount`, `recheck`, `discharge`, `attach`, `done`, `reopen`, `waive`, `comment`, `amend`, `settle`, `cancel`, `signal`, `pause`, `resume`, `abort`, `rollback`, `promote`, `retry`, `skip`, `take-over`
    HP2004 a text cannot stand here
      a step is a mapping with the keys `approve`, `reject`, `veto`, `withdraw`, `overrule`, `object`, `override`, `accept`, `recount`, `recheck`, `discharge`, `attach`, `done`, `reopen`, `waive`, `comment`, `amend`, `settle`, `cancel`, `signal`, `pause`, `resume`, `abort`, `rollback`, `promote`, `retry`, `skip`, `take-over`, `after`, `at`, `work`, `child`, `members`, `calendars`, `items`, `conflicts`, `lockdown`, `lift`, `expect`, `refused`
    HP2105 nothing is expected
      say at least one of `state`, `status`, `risk`, `ended`, `waiting_for`, `could_approve`, `vetoes`, `duties`, `comments`, `input`, `deadline`, `branches`, `targets`, `baseline`, `happened`, `never`, `asked`
    ");
    assert_snapshot!(about("{ given: { by: adda, at: noon, workers: [{ run: build }, { run: build, fails: x, detail: y }, { run: build, verdict: bad }, { step: x, waits: true, takes: 1mo }] } }"), @"
    HP2102 `adda` is not a member
      did you mean `ada`?
    HP2004 `noon` is not a time
      times are such as `2026-03-01T22:00:00Z` or `2026-03-01T22:00:00+01:00`
    HP2003 it is not said what comes of the activity
      say one of `succeeds`, `fails`, `verdict`, `unknown` and `waits`
    HP2002 `detail` does not go with `fails`
      `for_good` goes with `fails`, `detail` with `verdict`
    HP2004 there is no verdict `bad`
      a verdict is `passed`, `failed` or `inconclusive`
    HP2004 there is no step `x`
      the steps of a rollout are `pre_check`, `drain`, `deploy`, `verify`, `undrain`, `check`, `undo_drain`, `restore`, `undo_undrain`
    HP2018 `1mo` is not a duration
      durations are such as `90s`, `10m`, `2h 30m` or `7d`; a day has 24 hours
    ");
    assert_snapshot!(about("{ given: { by: ada, members: { eve: engineer, Max: [], ole: [{ qualified: x, until: soon }] } }, then: { status: idle, targets: [a], waiting_for: peer, could_approve: all, happened: x, asked: x } }"), @"
    HP2019 `engineer` is nothing that a member holds
      a member holds a list of `role:NAME`, `qualified:NAME`, `{ qualified: NAME, until: TIME }` and `{ stands_for: MEMBER, until: TIME }`
    HP2006 `Max` is not a member name: expected at most 63 of a-z, 0-9, -, ., _ and @, beginning and ending with a letter or digit
      give a member's name, such as `ada`
    HP2004 `soon` is not a time
      times are such as `2026-03-01T22:00:00Z` or `2026-03-01T22:00:00+01:00`
    HP2004 there is no status `idle`
      the statuses are `held`, `working`, `stuck`; for a run that is over say `ended: OUTCOME`
    HP2004 a list cannot stand here
      `targets` says how each is: `{ web-1: healthy }`, or all are
    HP2004 a text cannot stand here
      `waiting_for` is a list of rules and signals, or says how many each still needs: `{ peers: 1 }`
    HP2004 a text cannot stand here
      `could_approve` is a list of members, all of them
    HP2004 a text cannot stand here
      here stands a list of events, such as `[approval.granted]`
    HP2004 a text cannot stand here
      `asked` is a list, such as `- { run: deploy, target: web-1 }`
    ");
    assert_snapshot!(about("{ given: { by: ada, refused: HP1999 }, when: [{ cancel: ada }, { signal: { by: ada } }, { work: { run: build } }] }"), @"
    HP2004 there is no refusal `HP1999`
      the refusals are HP1001, HP1002, HP1003, HP1004, HP1005, HP1006, HP1007, HP1008, HP1009, HP1010, HP1011, HP1013, HP1025, HP1020, HP1021, HP1022, HP1027, HP1017, HP1012, HP1014, HP1018, HP1030, HP1031, HP1045, HP1040, HP1060, HP1061, HP1032, HP1080, HP1081, HP1082; docs/errors says what each means
    HP2004 a text cannot stand here
      `cancel` needs a reason: `cancel: { by: MEMBER, reason: TEXT }`
    HP2003 `signal` has no `name`
      add the key `name`
    HP2003 it is not said what comes of the activity
      say one of `succeeds`, `fails`, `verdict`, `unknown` and `waits`
    ");
    assert_snapshot!(about("{ given: { by: ada, refused: HP1008 }, when: [{ approve: grace }] }"), @"
    HP2004 a run that is refused has no steps
      leave `when` out, or `refused`
    ");
}

#[test]
fn a_scenario_that_could_only_pass_is_found() {
    assert_snapshot!(about("{ given: { by: ada }, when: [{ approve: grace }] }"), @"
    HP2105 the scenario expects nothing
      say under `then` how it comes out, such as `then: { ended: done }`
    ");
    for something in [
        "{ given: { by: ada }, when: [{ approve: ada, refused: HP1003 }] }",
        "{ given: { by: ada }, when: [{ expect: { state: agree } }] }",
        "{ given: { by: ada, refused: HP1008 } }",
    ] {
        assert_eq!(about(something), "", "{something}");
    }
}

#[test]
fn what_answers_for_a_check_of_a_hold_is_told() {
    let definition = "
workflow: change
version: 1
title: Change
start: ready
states:
  ready:
    hold: { check: { pipeline: { run: ci } }, expires: 1d }
    on: { released: done, expired: lapsed }
  done: { end: done }
  lapsed: { end: lapsed }
";
    let definition =
        holdpoint_definition::Definition::parse("change.yaml", definition).unwrap().definition;
    let suite = |worker: &str| {
        let source = format!(
            "definition: change.yaml\nmembers: {{ ada: [] }}\nscenarios:\n  one: {{ given: {{ by: ada, workers: [{{ {worker}, waits: true }}] }}, then: {{ state: ready }} }}\n"
        );
        Suite::parse("x.scenarios.yaml", &source).unwrap().check(&definition)
    };
    let help = |found: &Diagnostics| {
        found.iter().map(|one| one.help.clone().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(
        help(&suite("run: ci")),
        ["there are `health-check`; the checks of holds are named by `check`: `pipeline`"]
    );
    assert_eq!(help(&suite("check: pipeline")), [] as [String; 0]);
}

#[test]
fn what_the_definition_does_not_have_is_found() {
    assert_snapshot!(about("{ given: { by: ada, workers: [{ run: biuld, waits: true }] }, when: [{ approve: { by: grace, hold: agre } }, { signal: { by: ada, name: gone } }], then: { state: buidl, ended: finished, waiting_for: [pear], never: [hold.realesed] } }"), @"
    HP2104 `everything` has no activity `biuld`
      did you mean `build`?
    HP2104 `everything` has no hold `agre`
      did you mean `agree`?
    HP2104 `everything` has no signal `gone`
      did you mean `go`?
    HP2008 `everything` has no state `buidl`
      did you mean `build`?
    HP2104 `everything` has no end `finished`
      there are `cancelled`, `done`, `failed`, `lapsed`, `refused`
    HP2104 `everything` has no rule, evidence, task, check or signal `pear`
      did you mean `peer`?
    HP2104 `everything` has no event `hold.realesed`
      did you mean `hold.released`?
    ");
    // What is refused may be unknown.
    assert_eq!(
        about(
            "{ given: { by: ada }, when: [{ signal: { by: ada, name: gone }, refused: HP1006 }] }"
        ),
        ""
    );
}

#[test]
fn a_file_that_is_none_says_what_it_needs() {
    let shown =
        found("definition: [x]\nmembers: ada\nscenarios: {}\ninput: 1\nmore: 1\n").to_string();
    assert_snapshot!(shown, @"
    x.scenarios.yaml:1:13: error[HP2004]: a list cannot stand here
      |
    1 | definition: [x]
      |             ^
    help: `definition`, the file that is tested, is a text; quote it if it looks like something else

    x.scenarios.yaml:2:10: error[HP2004]: a text cannot stand here
      |
    2 | members: ada
      |          ^^^
    help: `members` is a mapping from names to what each holds

    x.scenarios.yaml:3:12: error[HP2003]: there are no scenarios
      |
    3 | scenarios: {}
      |            ^
    help: add one: `NAME: { given: …, when: […], then: … }`

    x.scenarios.yaml:5:1: error[HP2002]: a file of scenarios has no key `more`
      |
    5 | more: 1
      | ^^^^
    help: the keys are `definition`, `begins`, `baseline`, `members`, `calendars`, `items`, `input`, `workers`, `scenarios`
    ");
    let definition = found("workflow: x\nversion: 1\n").to_string();
    assert_snapshot!(definition, @"
    x.scenarios.yaml:1:1: error[HP2004]: this is a definition, and no file of scenarios
      |
    1 | workflow: x
      | ^^^^^^^^
    help: its scenarios stand in a file of their own: `NAME.scenarios.yaml`
    ");
    let none = found("");
    assert!(none.has_errors());
    let broken = found("scenarios: [");
    assert!(broken.to_string().contains("HP2001"), "{broken}");
}
