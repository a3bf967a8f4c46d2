//! Tests of calendars, through the public interface.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod common;
mod docs;
mod findings;
mod fuzz;
mod ics;
mod intervals;
mod rules;
mod schedules;
mod working;
mod zones;

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
