//! `simulate`: a definition step by step, with commands on standard input.

use insta::assert_snapshot;

use crate::common::{PATCH, Place};

const MEMBERS: &str = "--members '{ ada: [], bob: [role:engineer, qualified:network] }'";

fn converse(lines: &str) -> String {
    let place = Place::empty();
    place.write("patch.yaml", PATCH);
    let ran = place.sh_with(&format!("simulate patch.yaml {MEMBERS}"), lines);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(ran.errors, "");
    ran.output
}

#[test]
fn a_definition_is_stepped_through() {
    assert_snapshot!(converse(
        "show\nsubmit ada { title: Fix it }\napprove ada\napprove bob fine\nundo\nreject bob not now\nscenario\nquit\n",
    ), @r#"
    `patch` v1: Patch
    members: ada, bob
    `submit` begins the run, `help` says what else there is
    > show
    there is no run yet
    > submit ada { title: Fix it }
      2026-01-05 09:00:00  ada  submitted it to patch v1
      2026-01-05 09:00:00  ada  it reached `ask`
      2026-01-05 09:00:00  ada  held at `ask` for 1 of rule peer, expires 2026-01-12 09:00:00
    it is 2026-01-05 09:00:00: held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob
      if nothing happens: `expired` at 2026-01-12 09:00:00 UTC (in 7 d)
    > approve ada
    error: refused with HP1003: `ada` submitted the run and nobody decides on their own (a vote by role engineer, qualified in network: bob)
    > approve bob fine
      2026-01-05 09:00:00  bob  approved `ask` (role engineer, qualified in network): fine
      2026-01-05 09:00:00  bob  `ask` was released
      2026-01-05 09:00:00  bob  it reached `tell`
      2026-01-05 09:00:00  bob  held at `tell`
    it is 2026-01-05 09:00:00: held at `tell`
      waiting  the signal tested
    > undo
    it is 2026-01-05 09:00:00: held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob
      if nothing happens: `expired` at 2026-01-12 09:00:00 UTC (in 7 d)
    > reject bob not now
      2026-01-05 09:00:00  bob  rejected `ask` (role engineer, qualified in network): not now
      2026-01-05 09:00:00  bob  `ask` was rejected by bob
      2026-01-05 09:00:00  bob  it reached `rejected`
      2026-01-05 09:00:00  bob  it ended: rejected
    it is 2026-01-05 09:00:00: it has ended: rejected
    > scenario
      what was stepped through:
        given: { by: ada, input: {"title":"Fix it"} }
        when:
          - reject: { by: bob, reason: "not now" }
        then: { ended: rejected }
    > quit
    "#);
}

#[test]
fn the_clock_is_moved() {
    assert_snapshot!(converse("submit ada { title: Fix it }\nafter 1h\nafter 900w\nhistory\n"), @"
    `patch` v1: Patch
    members: ada, bob
    `submit` begins the run, `help` says what else there is
    > submit ada { title: Fix it }
      2026-01-05 09:00:00  ada  submitted it to patch v1
      2026-01-05 09:00:00  ada  it reached `ask`
      2026-01-05 09:00:00  ada  held at `ask` for 1 of rule peer, expires 2026-01-12 09:00:00
    it is 2026-01-05 09:00:00: held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob
      if nothing happens: `expired` at 2026-01-12 09:00:00 UTC (in 7 d)
    > after 1h
    it is 2026-01-05 10:00:00: held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob
      if nothing happens: `expired` at 2026-01-12 09:00:00 UTC (in 6 d 23 h)
    > after 900w
      2026-01-12 09:00:00  engine  ask#1/deadline: its time 2026-01-12 09:00:00 came
      2026-01-12 09:00:00  engine  `ask` expired: nobody decided before 2026-01-12 09:00:00
      2026-01-12 09:00:00  engine  it reached `lapsed`
      2026-01-12 09:00:00  engine  it ended: lapsed
    it is 2043-04-06 10:00:00: it has ended: lapsed
    > history
      2026-01-05 09:00:00  ada     submitted it to patch v1
      2026-01-05 09:00:00  ada     it reached `ask`
      2026-01-05 09:00:00  ada     held at `ask` for 1 of rule peer, expires 2026-01-12 09:00:00
      2026-01-12 09:00:00  engine  ask#1/deadline: its time 2026-01-12 09:00:00 came
      2026-01-12 09:00:00  engine  `ask` expired: nobody decided before 2026-01-12 09:00:00
      2026-01-12 09:00:00  engine  it reached `lapsed`
      2026-01-12 09:00:00  engine  it ended: lapsed
    >
    ");
}

#[test]
fn what_is_not_understood_changes_nothing() {
    assert_snapshot!(converse(
        "approve bob\nsubmit\nsubmit eve { title: x }\nsubmit ada [x]\nsubmit ada { title: x }\nsubmit\nfly\napprove\napprove eve\nafter lunch\nwork\nwork succeeds\nexpect: { state: done }\nexpect: { state: [ }\n{\nundo\nundo\nscenario\n",
    ), @r#"
    `patch` v1: Patch
    members: ada, bob
    `submit` begins the run, `help` says what else there is
    > approve bob
    error: there is no run yet
    help: `submit` begins one
    > submit
    error: refused with HP1008: the input does not fit the definition `patch` ("title" is a required property)
    > submit eve { title: x }
    error: refused with HP1001: `eve` is not a member of the project `scenario`
    > submit ada [x]
    error: the input is not a mapping
    help: `submit ada { risk: low }`
    > submit ada { title: x }
      2026-01-05 09:00:00  ada  submitted it to patch v1
      2026-01-05 09:00:00  ada  it reached `ask`
      2026-01-05 09:00:00  ada  held at `ask` for 1 of rule peer, expires 2026-01-12 09:00:00
    it is 2026-01-05 09:00:00: held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob
      if nothing happens: `expired` at 2026-01-12 09:00:00 UTC (in 7 d)
    > submit
    error: the run was submitted before
    help: `undo` takes steps back
    > fly
    error: there is no command `fly`
    help: `help` says what there is
    > approve
    error: this takes more words
    help: `approve MEMBER [REASON]`
    > approve eve
    error[HP2102]: `eve` is not a member
    help: the members are `ada`, `bob`
    > after lunch
    error[HP2018]: `lunch` is not a duration
    help: durations are such as `90s`, `10m`, `2h 30m` or `7d`; a day has 24 hours
    > work
    error: this takes more words
    help: `work succeeds`, or `work deploy@web-1 fails no space left`
    > work succeeds
    error: no worker waits to be told what comes of any activity; none waits for anything
    > expect: { state: done }
    error: state: expected done, got ask
    > expect: { state: [ }
    error[HP2001]: this is not YAML: mismatched bracket '[' closed by '}'
    help: indent with spaces, and quote texts that contain `: `, `#`, `{` or `*`
    > {
    error[HP2001]: this is not YAML: unclosed bracket '{'
    help: indent with spaces, and quote texts that contain `: `, `#`, `{` or `*`
    > undo
    there is no run yet
    > undo
    error: nothing was done yet
    > scenario
    error: nothing was done yet
    >
    "#);
}

#[test]
fn scenarios_say_who_there_is_and_can_be_written_by_stepping() {
    let place = Place::empty();
    place.write("normal-change.yaml", include_str!("../../../workflows/normal-change.yaml"));
    let scenarios = include_str!("../../../workflows/normal-change.scenarios.yaml");
    place.write("normal-change.scenarios.yaml", scenarios);
    let lines = "submit ada { risk: high, targets: [web-1] }\napprove bea\napprove bob\napprove grace\napprove linus no objections\n\
                 work deploy@web-1 fails no space\nafter 1m\nwork deploy succeeds\nwork passed\nscenario\n";
    let ran = place.sh_with("simulate normal-change.yaml", lines);
    assert_eq!(ran.code, Some(0), "{ran}");
    let (_, scenario) = ran.output.rsplit_once("> scenario\n").unwrap();
    let scenario = scenario.trim_end().trim_end_matches('>');
    assert_snapshot!(scenario, @r#"
    what was stepped through:
      given: { by: ada, input: {"risk":"high","targets":["web-1"]}, workers: [{ waits: true }] }
      when:
        - approve: bea
        - approve: bob
        - approve: grace
        - approve: { by: linus, reason: "no objections" }
        - work: { run: deploy, target: "web-1", fails: "no space" }
        - after: 1m
        - work: { run: deploy, succeeds: true }
        - work: { verdict: passed }
      then: { ended: completed }
    "#);
    // What was stepped through is a scenario that passes.
    let (top, _) = scenarios.split_once("scenarios:\n").unwrap();
    place.write("normal-change.scenarios.yaml", format!("{top}scenarios:\n{scenario}"));
    let played = place.must("test normal-change.yaml");
    assert!(played.contains("1 scenario: 1 passed, 0 failed"), "{played}");
}

#[test]
fn somebody_must_be_there() {
    let place = Place::empty();
    place.write("patch.yaml", PATCH);
    for line in [
        "simulate patch.yaml",
        "simulate patch.yaml --members '{}'",
        "simulate patch.yaml --members ada",
        "simulate nothing.yaml",
    ] {
        place.sh(line).fails_well(2, &line);
    }
}
