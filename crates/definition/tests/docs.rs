//! The guide says what is so: its examples can be used, and its tables miss nothing.

use std::fmt::Write as _;

use holdpoint_core::{run::RunEvent, testing::event_types};
use holdpoint_definition::{Definition, DefinitionEvent, DiagnosticCode};

const GUIDE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/definitions.md"));

/// The pages that say more of one subject.
const PAGES: [&str; 4] = [
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/evidence.md")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/locks.md")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rollouts.md")),
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/waivers.md")),
];

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));

/// The blocks of a language: what else stands after its name, and the text.
pub(crate) fn blocks(document: &'static str, language: &str) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut open = false;
    for line in document.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                open = true;
                found.push((info, String::new()));
            }
            None if open => {
                if let Some((_, text)) = found.last_mut() {
                    writeln!(text, "{line}").unwrap();
                }
            }
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    found
        .into_iter()
        .filter_map(|(info, text)| Some((info.strip_prefix(language)?.trim(), text)))
        .collect()
}

/// A whole definition around states: the ends that they name, and an input that may be anything.
pub(crate) fn around(states: &str) -> String {
    let start = states.split(':').next().unwrap_or_default();
    let mut source = format!(
        "workflow: fragment\nversion: 1\ntitle: A fragment\ninput: {{ type: object }}\nstart: {start}\nstates:\n"
    );
    for line in states.lines() {
        writeln!(source, "  {line}").unwrap();
    }
    for end in ["done", "refused", "lapsed", "undone", "failed"] {
        if states.contains(&format!(": {end}")) {
            writeln!(source, "  {end}: {{ end: {end} }}").unwrap();
        }
    }
    source
}

/// Every definition of the guide and the README, made whole.
pub(crate) fn definitions_of_the_guide() -> Vec<String> {
    let blocks = blocks(GUIDE, "yaml");
    assert!(blocks.len() >= 6, "{}", blocks.len());
    let readme = self::blocks(README, "yaml");
    assert!(!readme.is_empty());
    let whole = |(kind, text): (&str, String)| match kind {
        "" => text,
        "fragment" => around(&text),
        other => panic!("a block is `{other}`, neither whole nor a `fragment`"),
    };
    let pages = PAGES.iter().flat_map(|page| self::blocks(page, "yaml"));
    blocks.into_iter().chain(pages).chain(readme).map(whole).collect()
}

#[test]
fn every_example_can_be_used() {
    for source in definitions_of_the_guide() {
        match Definition::parse("docs/definitions.md", &source) {
            Ok(checked) => assert!(checked.warnings.is_empty(), "{}", checked.warnings),
            Err(findings) => panic!("{findings}"),
        }
    }
}

#[test]
fn every_event_is_listed() {
    let types = [event_types::<RunEvent>(), event_types::<DefinitionEvent>()].concat();
    assert!(types.len() > 30, "{types:?}");
    for kind in &types {
        assert!(GUIDE.contains(&format!("\n| `{kind}` |")), "{kind} is not in the guide");
    }
    let listed = GUIDE.matches("\n| `holdpoint.").count();
    assert_eq!(listed, types.len(), "the guide lists an event that there is not");
}

#[test]
fn every_finding_is_listed() {
    for code in
        DiagnosticCode::ALL.iter().filter(|code| !code.is_of_scenarios() && !code.is_of_baselines())
    {
        let row = format!("\n| {code} | {} |", code.severity());
        assert!(GUIDE.contains(&row), "{code} is not in the guide as a {}", code.severity());
    }
}
