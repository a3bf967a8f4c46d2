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

#[test]
fn the_page_about_child_runs_says_what_is_so() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/child-runs.md"));
    let mut blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let definition = Definition::parse("release.yaml", blocks.next().unwrap()).unwrap().definition;
    let played = crate::common::play(&definition, blocks.next().unwrap());
    assert_eq!(played.len(), 3);
    for one in played {
        assert!(one.failure.is_none(), "{}: {:?}", one.name, one.failure);
    }
}

#[test]
fn the_page_about_checks_says_what_is_so() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/checks.md"));
    let [definition, scenarios] = blocks(page, "yaml")[..] else { panic!("two blocks") };
    let definition = Definition::parse("verified.yaml", &format!("{definition}\n")).unwrap();
    let played = play(&definition.definition, &format!("{scenarios}\n"));
    assert_eq!(played.len(), 2);
    for one in played {
        assert_eq!(one.failure, None, "{}", one.name);
    }
}

#[test]
fn the_page_about_lockdowns_says_what_is_so() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/child-runs.md"));
    let definition = blocks(page, "yaml")[0];
    let definition = Definition::parse("release.yaml", definition).unwrap().definition;
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lockdown.md"));
    for one in play(&definition, &format!("{}\n", blocks(page, "yaml")[0])) {
        assert_eq!(one.failure, None, "{}", one.name);
    }
}

#[test]
fn the_page_about_substitutes_says_what_is_so() {
    let definition = Definition::parse("guide.yaml", blocks(DEFINITIONS, "yaml")[0]).unwrap();
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/substitutes.md"));
    let played = play(&definition.definition, &format!("{}\n", blocks(page, "yaml")[0]));
    assert_eq!(played.len(), 2);
    for one in played {
        assert_eq!(one.failure, None, "{}", one.name);
    }
}

#[test]
fn the_page_about_qualifications_says_what_is_so() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/qualifications.md"));
    let [definition, scenarios] = blocks(page, "yaml")[..] else { panic!("two blocks") };
    let definition = Definition::parse("qualified.yaml", &format!("{definition}\n")).unwrap();
    let played = play(&definition.definition, &format!("{scenarios}\n"));
    assert_eq!(played.iter().map(|one| &one.failure).collect::<Vec<_>>(), [&None]);
}

/// A scenario of the page's definition, played.
fn released(scenario: &str) -> Option<holdpoint_scenario::Failure> {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/child-runs.md"));
    let source = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let definition = Definition::parse("release.yaml", source).unwrap().definition;
    let scenarios = format!(
        "definition: release.yaml\nmembers: {{ ada: [] }}\ninput: {{ title: T, version: '1' }}\nscenarios:\n  one: {scenario}\n"
    );
    crate::common::play(&definition, &scenarios).remove(0).failure
}

#[test]
fn what_comes_of_child_runs_is_said_by_the_scenario() {
    let then = |scenario: &str| assert_eq!(released(scenario), None, "{scenario}");
    then(
        "{ given: { by: ada, children: [{ definition: build-an-image, refused: no }] }, then: { ended: given-up, happened: [child.refused] } }",
    );
    // One that takes longer than it may is cancelled, and one that is cancelled ends at once.
    then(
        "{ given: { by: ada, children: [{ definition: build-an-image, ends: built, takes: 5h }] }, when: [{ after: 6h }], then: { ended: given-up, happened: [child.stopping, child.ended, work.expired] } }",
    );
    then(
        "{ given: { by: ada }, when: [{ cancel: { by: ada, reason: no } }], then: { ended: cancelled, happened: [child.stopping, child.ended] } }",
    );
    let failure = released(
        "{ given: { by: ada, children: [{ definition: build-a-imag, ends: built }] }, then: { status: held } }",
    );
    assert!(failure.unwrap().differences[0].expected.contains("the run of build-a-imag"));
    let failure = released(
        "{ given: { by: ada }, when: [{ child: { definition: other, ends: done } }], then: { status: held } }",
    );
    assert!(failure.unwrap().differences[0].got.contains("the run of build-an-image"));
}
