//! Scenarios whose runs are judged by a baseline.

use std::sync::Arc;

use holdpoint_core::{DefinitionRef, Digest, workflow::DynWorkflow};
use holdpoint_definition::Definition;
use holdpoint_scenario::{Coverage, KeptBaseline, Suite};

const RULES: &str = "
baseline: rules
title: Rules
requirements:
  four-eyes: { approval: { from: role:engineer, need: 2 }, override: role:head }
  bad: { when: \"states.scan.output.bad > 3\", before: rollout, evidence: report, override: role:head }
  tested: { before: run, evidence: report }
";

const CHANGE: &str = "
workflow: change
version: 1
title: Change
start: agree
states:
  agree:
    hold: { approval: { rules: { peers: { from: role:engineer, need: 2 } } } }
    on: { released: scan, rejected: refused }
  scan:
    do: { activity: { run: scan } }
    on: { succeeded: prove, failed: refused }
  prove:
    hold: { evidence: [report] }
    on: { released: roll-out }
  roll-out:
    do: { rollout: { targets: [web-1], waves: [100%], each: { run: deploy } } }
    on: { succeeded: done, failed: refused }
  done: { end: done }
  refused: { end: refused }
";

const TOP: &str = "
definition: change.yaml
baseline: rules.yaml
members: { ada: [], bob: role:engineer, cy: role:engineer, hal: role:head }
workers:
  - { run: scan, succeeds: { bad: many } }
scenarios:
";

fn file(path: &str) -> Result<String, String> {
    match path {
        "rules.yaml" => Ok(RULES.to_owned()),
        "bad.yaml" => Ok("baseline: rules\ntitle: Rules\nrequirements: {}\n".to_owned()),
        _ => Err("there is no such file".to_owned()),
    }
}

fn suite(source: &str) -> Suite {
    Suite::parse_with("x.scenarios.yaml", source, &file).unwrap_or_else(|found| panic!("{found}"))
}

/// What differs in each scenario of a suite.
fn played(suite: &Suite) -> Vec<Vec<String>> {
    let definition = Definition::parse("change.yaml", CHANGE).unwrap().definition;
    let found = suite.check(&definition);
    assert!(found.is_empty(), "{found}");
    let reference = DefinitionRef {
        name: definition.name().clone(),
        version: 1,
        digest: Digest::of(CHANGE.as_bytes()),
    };
    let workflow: Arc<dyn DynWorkflow> = Arc::new(definition);
    let differing = |one: &holdpoint_scenario::Scenario| {
        let failure = one.play(&workflow, &reference).failure;
        let all = failure.into_iter().flat_map(|failure| failure.differences);
        all.map(|one| format!("{}: {} and not {}", one.what, one.got, one.expected)).collect()
    };
    suite.scenarios().iter().map(differing).collect()
}

#[test]
fn a_run_is_judged_and_an_override_is_played() {
    let suite = suite(&format!(
        "{TOP}  it rests for what nobody can tell, until that is overridden:
    given: {{ by: ada }}
    when:
      - {{ override: {{ by: bob, requirement: four-eyes, reason: no }}, refused: HP1002 }}
      - override: {{ by: hal, requirement: four-eyes, reason: it burns }}
      - expect: {{ baseline: {{ four-eyes: overridden, tested: not_applicable }} }}
      - withdraw: {{ by: hal, requirement: four-eyes }}
      - expect: {{ baseline: {{ four-eyes: open }} }}
      - approve: bob
      - approve: cy
      - expect: {{ baseline: {{ four-eyes: met, bad: error }} }}
      - attach: {{ by: ada, name: report }}
      - expect: {{ status: held, baseline: {{ bad: error }} }}
      - override: {{ by: hal, requirement: bad, reason: it burns }}
    then: {{ ended: done, baseline: {{ bad: overridden }}, happened: [baseline.met, baseline.held, baseline.overridden] }}
"
    ));
    assert!(suite.baseline().is_some());
    assert_eq!(played(&suite), [Vec::<String>::new()]);
}

#[test]
fn what_is_expected_of_a_requirement_is_compared() {
    let source = format!(
        "{TOP}  otherwise:
    given: {{ by: ada }}
    then: {{ baseline: {{ four-eyes: met, six-eyes: open }} }}
"
    );
    assert_eq!(
        played(&suite(&source)),
        [vec![
            "baseline four-eyes: open: `agree` waits and not met",
            "baseline six-eyes: the baseline rules has no such requirement and not open",
        ]]
    );
    let none = source.replace("baseline: rules.yaml\n", "");
    let free = suite(&none);
    assert!(played(&free)[0][0].contains("judged by no baseline"), "{:?}", played(&free));
    // One that is given takes the place of none, and of another.
    let less = RULES.replace("need: 2", "need: 1").replace("baseline: rules", "baseline: less");
    let judged = free.judged_by(KeptBaseline::parse("less.yaml", &less).unwrap());
    assert!(played(&judged)[0][1].contains("the baseline less has no"), "{:?}", played(&judged));
}

#[test]
fn what_cannot_be_used_is_found_where_it_is_named() {
    let source = format!(
        "{TOP}  one:\n    given: {{ by: ada }}\n    then: {{ baseline: {{ four-eyes: met }} }}\n"
    );
    for (old, new, says) in [
        ("rules.yaml", "none.yaml", "`none.yaml` cannot be read: there is no such file"),
        ("rules.yaml", "bad.yaml", "the baseline `bad.yaml` cannot be used: 3:15: "),
        ("four-eyes: met", "four-eyes: fine", "a requirement has no status `fine`"),
        ("{ four-eyes: met }", "[four-eyes]", "`baseline` says how requirements stand"),
    ] {
        let source = source.replace(old, new);
        let found = Suite::parse_with("x.scenarios.yaml", &source, &file).unwrap_err();
        assert!(found.to_string().contains(says), "{new}: {found}");
        assert!(found.iter().all(|one| one.help.is_some()), "{found}");
    }
    let held = format!(
        "{TOP}  one:\n    given: {{ by: ada }}\n    when: [{{ override: {{ by: hal, requirement: bad, hold: agree, reason: r }} }}]\n    then: {{ state: agree }}\n"
    );
    let found = Suite::parse_with("x.scenarios.yaml", &held, &file).unwrap_err();
    assert!(found.to_string().contains("leave `hold` out"), "{found}");
}

/// What of the baseline a suite does not reach.
fn missed(source: &str) -> Vec<String> {
    let suite = suite(source);
    let definition = Definition::parse("change.yaml", CHANGE).unwrap().definition;
    let reference = DefinitionRef {
        name: definition.name().clone(),
        version: 1,
        digest: Digest::of(CHANGE.as_bytes()),
    };
    let mut coverage = Coverage::new(&definition);
    assert_eq!(coverage.counts("requirements"), (0, 0));
    coverage.judged_by(&definition, suite.baseline().unwrap());
    coverage.judged_by(&definition, suite.baseline().unwrap());
    let workflow: Arc<dyn DynWorkflow> = Arc::new(definition);
    for scenario in suite.scenarios() {
        let played = scenario.play(&workflow, &reference);
        assert_eq!(played.failure, None);
        coverage.add(&played.history);
        coverage.add_view(&played.view.unwrap());
    }
    let missed = coverage.missed().filter(|item| item.group() == "requirements");
    missed.map(holdpoint_scenario::Item::in_words).collect()
}

#[test]
fn coverage_counts_how_runs_stand_to_what_is_demanded_of_the_definition() {
    let quiet = "{ run: scan, succeeds: { bad: 1 } }";
    let loud = "{ run: scan, succeeds: { bad: 9 } }";
    let scenario = |name: &str, worker: &str, attach: &str| {
        format!(
            "  {name}:
    given: {{ by: ada, workers: [{worker}] }}
    when: [{{ approve: bob }}, {{ approve: cy }}{attach}]
    then: {{ never: [baseline.held] }}
"
        )
    };
    let report = ", { attach: { by: ada, name: report } }";
    // `tested` stands before no work of this definition, so nobody can reach it.
    let all = [
        "rules: `four-eyes` is never met",
        "rules: `four-eyes` is never overridden",
        "rules: `bad` is never met",
        "rules: `bad` is never not applicable",
        "rules: `bad` is never overridden",
    ];
    let waits = "  waits: { given: { by: ada }, then: { state: agree } }\n";
    for (scenarios, reached) in [
        (waits.to_owned(), Vec::<usize>::new()),
        (scenario("shown", loud, report), vec![0, 2]),
        (scenario("not shown", quiet, ""), vec![0, 3]),
        (
            "  overridden:
    given: { by: ada }
    when:
      - override: { by: hal, requirement: four-eyes, reason: it burns }
      - override: { by: hal, requirement: bad, reason: it burns }
    then: { state: agree }
"
            .to_owned(),
            vec![1, 4],
        ),
    ] {
        let left: Vec<&str> =
            (0..all.len()).filter(|n| !reached.contains(n)).map(|n| all[n]).collect();
        assert_eq!(missed(&format!("{TOP}{scenarios}")), left, "{scenarios}");
    }
}
