//! Whatever somebody writes, reading and playing it comes to an end, and nothing panics.

use std::sync::Arc;

use holdpoint_core::{DefinitionRef, Digest, workflow::DynWorkflow};
use holdpoint_definition::Definition;
use holdpoint_scenario::Suite;
use proptest::{collection::vec, prelude::*, sample::select};

use crate::common::{TOP, definition};

/// Steps, sensible or not.
const STEPS: &[&str] = &[
    "{ approve: grace }",
    "{ approve: linus }",
    "{ approve: bea }",
    "{ approve: ada, refused: HP1003 }",
    "{ reject: { by: grace, reason: no } }",
    "{ cancel: { by: ada, reason: no } }",
    "{ signal: { by: ada, name: go, data: now } }",
    "{ abort: { by: ada, reason: no } }",
    "{ promote: ada }",
    "{ pause: { by: ada, reason: wait } }",
    "{ resume: ada }",
    "{ after: 1m }",
    "{ after: 1d }",
    "{ after: 900w }",
    "{ work: { succeeds: true } }",
    "{ work: { run: deploy, fails: x } }",
    "{ members: { grace: role:board } }",
];

const WORKERS: &[&str] = &[
    "{ run: build, fails: x }",
    "{ run: build, waits: true }",
    "{ run: build, unknown: x, times: 3 }",
    "{ run: deploy, takes: 1h, succeeds: true }",
    "{ run: deploy, target: web-2, waits: true }",
    "{ step: check, verdict: inconclusive, times: 1 }",
    "{ step: restore, fails: x }",
];

/// What a history is like without who and when.
fn play(definition: &Definition, source: &str) -> Vec<(String, String)> {
    let suite = Suite::parse("x", source).unwrap_or_else(|found| panic!("{found}"));
    let name = definition.name().clone();
    let reference = DefinitionRef { name, version: 1, digest: Digest::of(b"x") };
    let workflow: Arc<dyn DynWorkflow> = Arc::new(definition.clone());
    let played = suite.scenarios()[0].play(&workflow, &reference);
    let mut before = None;
    for event in &played.history {
        assert!(before <= Some(event.time), "the clock went back");
        before = Some(event.time);
    }
    played
        .history
        .iter()
        .map(|event| (event.kind.as_str().to_owned(), event.data.as_str().to_owned()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_play_comes_to_an_end_and_is_the_same_again(
        risk in select(vec!["low", "high"]),
        workers in vec(select(WORKERS), 0..4),
        steps in vec(select(STEPS), 0..10),
    ) {
        let definition = definition();
        let source = format!(
            "{TOP}  one:\n    given: {{ by: ada, input: {{ risk: {risk} }}, workers: [{}] }}\n    when: [{}]\n    then: {{ state: agree }}\n",
            workers.join(", "),
            steps.join(", "),
        );
        prop_assert_eq!(play(&definition, &source), play(&definition, &source));
    }

    #[test]
    fn a_file_that_was_damaged_is_read_or_found_wrong(
        at in 0_usize..2_000,
        with in select(vec!["", "\n", " ", ":", "[", "{", "'", "- ", "~", "é", "1"]),
        length in 0_usize..12,
    ) {
        let source = include_str!("../../../workflows/normal-change.scenarios.yaml");
        let at = (0..=at).rev().find(|at| source.is_char_boundary(*at)).unwrap();
        let end = (at + length..).find(|end| source.is_char_boundary(*end)).unwrap();
        let mut damaged = source.to_owned();
        damaged.replace_range(at..end, with);
        match Suite::parse("x", &damaged) {
            Ok(suite) => prop_assert!(!suite.scenarios().is_empty()),
            Err(found) => prop_assert!(found.has_errors()),
        }
    }
}
