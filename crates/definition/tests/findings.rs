//! What is said about definitions: each sample's file name says its fault.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use holdpoint_definition::{Definition, DiagnosticCode, Diagnostics, Severity};

fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(folder);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            assert_eq!(path.extension().unwrap(), "yaml", "{}", path.display());
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn parse(name: &str, source: &str) -> Result<Diagnostics, Diagnostics> {
    Definition::parse(name, source).map(|checked| checked.warnings)
}

/// Each finding says where it is and what to do, in the house's form.
#[track_caller]
fn well_formed(findings: &Diagnostics) {
    let lines = findings.source().split('\n').count();
    for one in findings {
        assert!((1..=lines).contains(&one.line) && one.column >= 1, "{one:?}");
        let help = one.help.as_deref().unwrap_or_else(|| panic!("no help: {one:?}"));
        for text in [one.message.as_str(), help] {
            let first = text.chars().next().unwrap();
            assert!(!first.is_uppercase() || text.starts_with("HTTP"), "{text}");
            assert!(!text.ends_with(['.', '\n', ' ']), "{text}");
        }
    }
    let shown = findings.to_string();
    assert_eq!(shown.matches("help: ").count(), findings.iter().count(), "{shown}");
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_remedy() {
    let mut shown = String::new();
    for (name, source) in samples("invalid") {
        let found = parse(&name, &source).expect_err(&name);
        assert!(found.has_errors(), "{name}");
        assert_eq!((found.file(), found.source()), (name.as_str(), source.as_str()));
        well_formed(&found);
        writeln!(shown, "{found}").unwrap();
    }
    insta::assert_snapshot!("invalid", shown);
}

#[test]
fn what_deserves_a_look_does_not_keep_a_definition_from_being_used() {
    let mut shown = String::new();
    for (name, source) in samples("valid") {
        let found = parse(&name, &source).unwrap_or_else(|found| panic!("{found}"));
        assert!(found.iter().all(|one| one.code.severity() == Severity::Warning));
        assert_eq!(found.is_empty(), !name.starts_with("warns-"), "{name}: {found}");
        well_formed(&found);
        if !found.is_empty() {
            writeln!(shown, "{found}").unwrap();
        }
    }
    insta::assert_snapshot!("warnings", shown);
}

#[test]
fn every_code_has_a_sample() {
    let mut met = BTreeSet::new();
    for (name, source) in samples("invalid").into_iter().chain(samples("valid")) {
        let (Ok(found) | Err(found)) = parse(&name, &source);
        met.extend(found.iter().map(|one| one.code));
    }
    let all: BTreeSet<DiagnosticCode> = DiagnosticCode::ALL.iter().copied().collect();
    let of_definitions: BTreeSet<_> = all
        .iter()
        .copied()
        .filter(|code| !code.is_of_scenarios() && !code.is_of_baselines())
        .collect();
    assert_eq!(met, of_definitions);
    let texts: BTreeSet<&str> = all.iter().map(|code| code.as_str()).collect();
    assert_eq!(texts.len(), all.len(), "two codes have the same text");
}

#[test]
fn a_file_that_is_far_too_large_is_not_read() {
    let found = parse("large.yaml", &" ".repeat(1024 * 1024 + 1)).unwrap_err();
    well_formed(&found);
    let found: Vec<_> = found.iter().collect();
    assert_eq!(found[0].message, "the file has 1048577 bytes; at most 1048576 are read");
}

#[test]
fn of_a_long_line_only_the_place_is_shown() {
    let found = parse("long.yaml", &format!("title: [{}\"", "x, ".repeat(10_000))).unwrap_err();
    assert!(found.to_string().len() < 1_000, "{found}");
}
