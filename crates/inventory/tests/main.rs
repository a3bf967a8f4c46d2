//! Tests of inventories, through the public interface.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod ansible;
mod difference;
mod docs;
mod findings;
mod fuzz;
mod own;

use holdpoint_core::{Items, NamedItem};
use holdpoint_inventory::{Declared, Findings, Format, Options, Rest, read};

/// What a text declares.
#[track_caller]
fn declared(format: Format, source: &str) -> Declared {
    read(format, "hosts", source, &Options::default()).unwrap_or_else(|found| panic!("{found}"))
}

/// A text's items in a project that has none, a line each.
#[track_caller]
fn shown(format: Format, source: &str) -> String {
    let difference = declared(format, source).against(&Items::default(), Rest::Keep).unwrap();
    difference.added.iter().map(line).collect()
}

fn line(NamedItem { name, item }: &NamedItem) -> String {
    let labels: String =
        item.labels.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    let groups: String = item.groups.iter().map(|group| format!(" @{group}")).collect();
    let on: String = item.depends_on.iter().map(|on| format!(" >{on}")).collect();
    format!("{name}{labels}{groups}{on}\n")
}

/// What is wrong with a text: lines and codes.
#[track_caller]
fn wrong(format: Format, source: &str) -> Vec<(usize, &'static str)> {
    let found: Result<_, Findings> = read(format, "hosts", source, &Options::default())
        .and_then(|declared| declared.against(&Items::default(), Rest::Keep));
    match found {
        Ok(difference) => panic!("{source:?} is {difference:?}"),
        Err(found) => found.iter().map(|one| (one.line, one.code.as_str())).collect(),
    }
}

/// A test file that nobody names here would never run.
#[test]
fn every_file_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let named = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(named.contains(&format!("\nmod {module};\n")), "{name} is not a module");
        }
    }
}
