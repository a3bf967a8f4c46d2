//! `simulate`: a definition step by step, with commands on standard input.

use insta::assert_snapshot;

use crate::common::{PATCH, Place};

const MEMBERS: &str = "--members '{ ada: [], bob: [role:engineer, qualified:network] }'";

/// What is answered; `refused` lines do not do what they say.
fn converse(lines: &str, refused: usize) -> String {
    let place = Place::empty();
    place.write("patch.yaml", PATCH);
    let ran = place.sh_with(&format!("simulate patch.yaml {MEMBERS}"), lines);
    assert_eq!(ran.output.matches("\nerror").count(), refused, "{ran}");
    assert_eq!(ran.code, Some(i32::from(refused > 0)), "{ran}");
    if refused == 0 {
        assert_eq!(ran.errors, "");
    } else {
        let said = format!("error: {refused} line");
        assert!(ran.errors.starts_with(&said), "{ran}");
    }
    ran.output
}

#[test]
fn a_definition_is_stepped_through() {
    assert_snapshot!(converse(
        "show\nsubmit ada { title: Fix it }\napprove ada\napprove bob fine\nundo\nreject bob not now\nscenario\nquit\n",
        1,
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
               can send it: every member of the project
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
    assert_snapshot!(converse("submit ada { title: Fix it }\nafter 1h\nafter 900w\nhistory\n", 0), @"
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
        16,
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
    let lines = "submit ada { targets: [web-1] }\nattach: { by: ada, name: back-out-plan }\napprove linus no objections\n\
                 at 2026-01-05T22:00:00Z\nwork deploy@web-1 fails no space\nafter 1m\nwork deploy succeeds\nwork passed\nscenario\n";
    let ran = place.sh_with("simulate normal-change.yaml", lines);
    assert_eq!(ran.code, Some(0), "{ran}");
    let (_, scenario) = ran.output.rsplit_once("> scenario\n").unwrap();
    let scenario = scenario.trim_end().trim_end_matches('>');
    assert_snapshot!(scenario, @r#"
    what was stepped through:
      given: { by: ada, input: {"targets":["web-1"]}, workers: [{ waits: true }] }
      when:
        - attach: { by: ada, name: back-out-plan }
        - approve: { by: linus, reason: "no objections" }
        - at: 2026-01-05T22:00:00Z
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
fn people_do_all_that_they_can_on_a_project() {
    let place = Place::empty();
    let definition = "
workflow: careful
version: 1
title: A careful change
input: { type: object, properties: { title: { type: string }, risk: { type: string } } }
start: notice
states:
  notice:
    hold: { witness: { from: role:owner, for: 1d } }
    on: { released: done, objected: ask }
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: all, roster: now } }
        veto: { from: role:security, overrule: role:owner }
        duties: { discharge: author }
        amended: reset
    on: { released: done, rejected: rejected }
  done: { end: done }
  rejected: { end: rejected }
";
    place.write("careful.yaml", definition);
    let lines = "submit ada { title: 'Fix {it}', risk: low }
object olga I would rather look at it
veto sam it is not tested
overrule olga sam the risk is mine: all of it
amend ada { title: 'Fix {that}' } it was {the other} one
amend ada { title: [ } x
amend ada
comment bob fine by me
approve: { by: bob, duties: [write it down] }
withdraw bob
approve: { by: bob, duties: [write it down] }
members: { cy: [] }
recount sam
discharge bob 1 written down
discharge bob
overrule olga
comment bob
recount
scenario
";
    let members = "--members '{ ada: [], olga: role:owner, bob: role:engineer, cy: role:engineer, sam: role:security }'";
    let ran = place.sh_with(&format!("simulate careful.yaml {members}"), lines);
    assert_eq!(ran.code, Some(1), "{ran}");
    let errors: Vec<&str> =
        ran.output.split("\n> ").filter(|answer| answer.contains("\nerror")).collect();
    assert_snapshot!(errors.join("\n"), @"
    amend ada { title: [ } x
    error: this takes more words
    help: `amend MEMBER INPUT REASON`, such as `amend ada { risk: low } it is smaller`
    amend ada
    error: this takes more words
    help: `amend MEMBER INPUT REASON`, such as `amend ada { risk: low } it is smaller`
    discharge bob
    error: this takes more words
    help: `discharge MEMBER DUTY NOTE`
    overrule olga
    error: this takes more words
    help: `overrule MEMBER WHOSE REASON`
    comment bob
    error: this takes more words
    help: `comment MEMBER TEXT`
    recount
    error: this takes more words
    help: `recount MEMBER`
    ");
    let (_, scenario) = ran.output.rsplit_once("> scenario\n").unwrap();
    let scenario = scenario.trim_end().trim_end_matches('>');
    assert_snapshot!(scenario, @r#"
    what was stepped through:
      given: { by: ada, input: {"risk":"low","title":"Fix {it}"} }
      when:
        - object: { by: olga, reason: "I would rather look at it" }
        - veto: { by: sam, reason: "it is not tested" }
        - overrule: { by: olga, veto_of: sam, reason: "the risk is mine: all of it" }
        - amend: { by: ada, input: {"title":"Fix {that}"}, reason: "it was {the other} one" }
        - comment: { by: bob, text: "fine by me" }
        - approve: { by: bob, duties: [write it down] }
        - withdraw: bob
        - approve: { by: bob, duties: [write it down] }
        - members: { cy: [] }
        - recount: sam
        - discharge: { by: bob, duty: 1, note: "written down" }
      then: { ended: done }
    "#);
    let members = members.strip_prefix("--members '").unwrap().trim_end_matches('\'');
    let scenarios = format!("definition: careful.yaml\nmembers: {members}\nscenarios:\n{scenario}");
    place.write("careful.scenarios.yaml", scenarios);
    let played = place.must("test careful.yaml");
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

#[test]
fn a_vote_in_the_place_of_another_is_stepped_through() {
    let place = Place::empty();
    place.write("patch.yaml", PATCH);
    let members = "--members '{ ada: [], bob: [role:engineer, qualified:network], \
                   lou: [qualified:network, { stands_for: bob, until: 2027-01-01T00:00:00Z }] }'";
    let lines =
        "members\nsubmit ada { title: Fix it }\napprove lou\napprove: { by: lou, for: bob }\n";
    let ran = place.sh_with(&format!("simulate patch.yaml {members}"), lines);
    for says in [
        "lou: [qualified:network, stands for bob until 2027-01-01T00:00:00Z]\n",
        "can release it: lou for bob (substitution 1, until 2027-01-01 00:00:00 UTC)\n",
        "say in whose place you vote: `--for bob`",
        "lou  approved `ask` (qualified in network, for bob: substitution 1, ",
    ] {
        assert!(ran.output.contains(says), "{says}: {ran}");
    }
}

/// A run that begins with work.
const WORK: &str = "
workflow: work
version: 1
title: Work
start: ready
states:
  ready:
    hold: { signal: { name: go } }
    on: { released: work }
  work:
    do: { activity: { run: work } }
    on: { succeeded: done, failed: done }
  done: { end: done }
";

#[test]
fn a_lockdown_is_imposed_and_lifted() {
    let place = Place::empty();
    place.write("work.yaml", WORK);
    let lines = "submit\nlockdown the registry is down\nlockdown\nsignal ada go\nlift\nlift 2\n\
                 lift 1\nwork succeeds\nscenario\n";
    let ran = place.sh_with("simulate work.yaml --members '{ ada: [] }'", lines);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_snapshot!(ran.output, @r#"
    `work` v1: Work
    members: ada
    `submit` begins the run, `help` says what else there is
    > submit
      2026-01-05 09:00:00  ada  submitted it to work v1
      2026-01-05 09:00:00  ada  it reached `ready`
      2026-01-05 09:00:00  ada  held at `ready`
    it is 2026-01-05 09:00:00: held at `ready`
      waiting  the signal go
               can send it: every member of the project
    > lockdown the registry is down
    it is 2026-01-05 09:00:00: held at `ready`
      waiting  the signal go
               can send it: every member of the project
    > lockdown
    error: this takes more words
    help: `lockdown REASON`
    > signal ada go
      2026-01-05 09:00:00  ada  signalled `go`
      2026-01-05 09:00:00  ada  `ready` took the signal `go`
      2026-01-05 09:00:00  ada  `ready` was released
      2026-01-05 09:00:00  ada  `work`: held by the lockdown 1 (the registry is down)
    it is 2026-01-05 09:00:00: held at `ready`
      waiting  the end of the lockdown 1 by engine: the registry is down
    > lift
    error: this takes more words
    help: `lift NUMBER`, of a lockdown
    > lift 2
    error: no lockdown 2 is in force
    > lift 1
      2026-01-05 09:00:00  engine  `work`: no lockdown holds it any more
      2026-01-05 09:00:00  engine  it reached `work`
      2026-01-05 09:00:00  engine  `work` asked for `work`
      2026-01-05 09:00:00  engine  began `work` for work#1
    it is 2026-01-05 09:00:00: working at `work`
      workers wait: `work`
    > work succeeds
      2026-01-05 09:00:00  engine  the work of `work` succeeded
      2026-01-05 09:00:00  engine  it reached `done`
      2026-01-05 09:00:00  engine  it ended: done
    it is 2026-01-05 09:00:00: it has ended: done
    > scenario
      what was stepped through:
        given: { by: ada, workers: [{ waits: true }] }
        when:
          - lockdown: { reason: "the registry is down" }
          - signal: { by: ada, name: go }
          - lift: 1
          - work: { succeeds: true }
        then: { ended: done }
    >
    "#);
}

/// A rollout whose plan is approved.
const FLEET: &str = "
workflow: fleet
version: 1
title: Fleet
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } }, signal: { name: go } }
    on: { released: roll-out, rejected: done }
  roll-out:
    do: { rollout: { targets: { select: env=prod }, each: { run: deploy }, approved_at: agree } }
    on: { succeeded: done, failed: done, drifted: agree }
  done: { end: done }
";

#[test]
fn the_inventory_changes_while_a_definition_is_stepped_through() {
    let place = Place::empty();
    place.write("fleet.yaml", FLEET);
    let lines = "items\nsubmit\nitems { web-1: { labels: { env: prod } } }\nitems\nitems { web-2: ~ }\n\
                 scenario\nundo\n";
    let ran = place.sh_with("simulate fleet.yaml --members '{ ada: role:engineer }'", lines);
    assert_eq!(ran.code, Some(1), "{ran}");
    for says in [
        "> items\nno items\n",
        "ITEM   LABELS    GROUPS  DEPENDS ON\nweb-1  env=prod",
        "error[HP2106]: there is no item `web-2`\nhelp: `holdpoint items list` has the items there are\n",
        "- items: { web-1: { labels: { env: prod } } }\n",
    ] {
        assert!(ran.output.contains(says), "{says}: {ran}");
    }
}

/// A risk of which the requester can claim more.
const RISKY: &str = "
workflow: risky
version: 1
title: Risky
input:
  type: object
  properties: { n: { type: integer, default: 0 }, claimed: { enum: [low, high], default: low } }
risk:
  factors: { many: [{ when: input.n > 9, points: 20 }] }
  levels: { low: 0, high: 20 }
  at_least: input.claimed
start: ask
states:
  ask:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } }, amended: reset } }
    on: { released: done, rejected: done }
  done: { end: done }
";

#[test]
fn the_risk_and_what_it_follows_from_is_told_and_shown() {
    let place = Place::empty();
    place.write("risky.yaml", RISKY);
    let lines = "submit ada { claimed: high }\namend ada { n: 10, claimed: low } there are more\n";
    let members = "--members '{ ada: [], bob: role:engineer }'";
    let ran = place.sh_with(&format!("simulate risky.yaml {members}"), lines);
    assert_eq!(ran.code, Some(0), "{ran}");
    for says in [
        "ada  its risk is high, with 0 points: many 0; low by points, at least high\n",
        "  risk  high (0 points: many 0; low by points, at least high)\n",
        "amended the input, no approval stands: there are more; its risk is high, with 20 points: many 20; high by points, at least low\n",
    ] {
        assert!(ran.output.contains(says), "{says}: {ran}");
    }
}

#[test]
fn what_needs_a_reason_says_so() {
    let told = converse("submit ada { title: Fix it }\npause ada\nabort ada\ncancel ada\n", 3);
    for kind in ["pause", "abort", "cancel"] {
        let says =
            format!("> {kind} ada\nerror: this takes more words\nhelp: `{kind} MEMBER REASON`: ");
        assert!(told.contains(&says), "{told}");
    }
    assert!(!told.contains("is a mapping"), "{told}");
    let step = converse("submit ada { title: Fix it }\npause: ada\n", 1);
    assert!(
        step.contains("`pause` needs a reason: `pause: { by: MEMBER, reason: TEXT }`"),
        "{step}"
    );
}
