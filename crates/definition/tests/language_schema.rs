//! The schema for editors accepts what the language accepts, and refuses most of what it refuses.

use std::{collections::BTreeSet, fs, path::Path};

use holdpoint_definition::{Definition, SCHEMA, yaml};
use serde_json::Value;

use crate::docs::definitions_of_the_guide;

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft7::meta::validate(&schema).unwrap();
    jsonschema::draft7::new(&schema).unwrap()
}

fn json(source: &str) -> Option<Value> {
    let mut findings = yaml::Findings::new("x", source);
    yaml::read(source, &mut findings).map(|node| node.to_json())
}

/// The files of a folder, by name.
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with(".scenarios.yaml"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn it_accepts_every_definition_that_can_be_used() {
    let validator = validator();
    let shipped = files("../../workflows");
    assert!(shipped.len() >= 2);
    let guide = definitions_of_the_guide().into_iter().map(|text| ("guide".to_owned(), text));
    let all: Vec<_> =
        shipped.into_iter().chain(files("tests/samples/valid")).chain(guide).collect();
    for (name, source) in all {
        let value = json(&source).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

/// What a schema cannot see: names that must exist, expressions, what needs the whole definition.
const UNSEEN: &[&str] = &[
    "after-an-unknown-rule",
    "after-itself",
    "branch-cannot-end-well",
    "check-never-refuses",
    "choose-else-not-last",
    "condition-half",
    "condition-not-cel",
    "condition-over-lines",
    "conflicts-in-a-branch",
    "conflicts-lose-locks",
    "conflicts-nothing-to-accept",
    "deadline-releases",
    "deadline-releases-after-a-while",
    "deadline-releases-behind-a-choice",
    "deadline-releases-by-a-branch",
    "duplicate-key",
    "duplicate-state",
    "enum-value-misspelt",
    "evidence-after-votes",
    "evidence-valid-for-no-time",
    "expires-a-month",
    "expires-at-once",
    "expires-in-a-time-that-is-none",
    "health-good-and-bad",
    "health-never-an-address",
    "hyphen-after-a-dot",
    "input-default-does-not-fit",
    "input-not-a-schema",
    "input-pattern-broken",
    "input-reference-outside",
    "lock-in-a-branch",
    "loop-that-waits-for-nothing",
    "loop-without-hold",
    "macro-within-a-macro",
    "missing-outcome",
    "need-beyond-all-numbers",
    "no-plan-to-drift",
    "no-way-to-end",
    "output-of-a-later-state",
    "plan-approved-nowhere",
    "qualification-malformed",
    "qualified-in-nothing",
    "refusal-releases",
    "remind-all-the-time",
    "retry-delays-crossed",
    "risk-at-least-no-level",
    "risk-levels-out-of-order",
    "risk-of-no-level",
    "rollback-outcome-missing",
    "rule-needs-too-many",
    "rules-share-too-few",
    "run-expires-into-a-hold",
    "schema-that-doubles",
    "settled-by-nobody",
    "settled-never",
    "share-of-no-roster",
    "start-unknown",
    "state-named-twice-in-branches",
    "targets-selected-by-and",
    "task-of-too-many",
    "template-empty",
    "template-unclosed",
    "text-compared-with-a-number",
    "timeout-zero",
    "unknown-function",
    "unknown-function-of-another-cel",
    "unknown-input",
    "unknown-input-of-none",
    "unknown-input-within",
    "unknown-member-of-a-state",
    "unknown-outcome",
    "unknown-state",
    "unknown-state-in-expression",
    "unknown-variable",
    "unknown-variable-target",
    "unreachable-state",
    "wait-until-a-local-time",
    "wait-until-not-a-time",
    "waiver-of-what-is-not-there",
    "wave-bakes-for-no-time",
    "wave-held-for-too-many",
    "waves-end-early",
    "waves-shrink",
    "way-out-of-a-branch",
    "witness-for-no-time",
    "witness-without-outcome",
    "window-fits-nothing",
    "window-missed-goes-on",
    "window-never-opens",
    "window-without-calendars",
    "work-expires-at-once",
];

#[test]
fn it_refuses_what_can_be_seen_without_the_whole() {
    let validator = validator();
    let mut unseen = BTreeSet::new();
    for (name, source) in files("tests/samples/invalid") {
        assert!(Definition::parse(&name, &source).is_err());
        if json(&source).is_some_and(|value| validator.is_valid(&value)) {
            unseen.insert(name.trim_end_matches(".yaml").to_owned());
        }
    }
    let known: BTreeSet<String> = UNSEEN.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(unseen, known);
}
