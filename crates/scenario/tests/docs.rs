//! The guide's examples are played, and its tables miss no key.

use holdpoint_definition::{Definition, DiagnosticCode};

use crate::common::play;

const GUIDE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing-definitions.md"));
const DEFINITIONS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/definitions.md"));

/// What stands between the fences of every block in this language.
fn blocks<'d>(document: &'d str, language: &str) -> Vec<&'d str> {
    let open = format!("\n```{language}\n");
    document
        .split(&open)
        .skip(1)
        .map(|after| after.split_once("\n```\n").map_or(after, |(inside, _)| inside))
        .collect()
}

#[test]
fn every_example_passes() {
    let two_eyes = blocks(DEFINITIONS, "yaml")[0];
    let larger = blocks(DEFINITIONS, "yaml")[1];
    let examples = blocks(GUIDE, "yaml");
    assert!(examples.len() >= 2);
    for example in examples {
        let source = if example.contains("definition: two-eyes.yaml") { two_eyes } else { larger };
        let definition = Definition::parse("guide.yaml", source).unwrap().definition;
        for played in play(&definition, &format!("{example}\n")) {
            assert_eq!(played.failure, None, "{}", played.name);
        }
    }
}

#[test]
fn every_finding_is_listed() {
    for code in DiagnosticCode::ALL.iter().filter(|code| code.is_of_scenarios()) {
        assert!(GUIDE.contains(&format!("\n| {code} |")), "{code} is not in the guide");
    }
}
