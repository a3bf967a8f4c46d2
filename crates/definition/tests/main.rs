//! The language through its public interface: one binary, so that it is linked once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

mod activity_windows;
mod amending;
mod approvals;
mod authority;
mod baseline;
mod by_itself;
mod checks;
mod child_runs;
mod common;
mod conflicts;
mod deadlines;
mod docs;
mod drift;
mod earlier_rollouts;
mod evidence;
mod explore;
mod findings;
mod fuzz;
mod given_times;
mod half_lapsed;
mod health;
mod language_schema;
mod large;
mod lockdown;
mod locks;
mod machine;
mod meaning;
mod migrating;
mod migration_map;
mod parallel;
mod pausing;
mod planned_times;
mod plans;
mod properties;
mod publishable;
mod reference;
mod requalifying;
mod requalifying_ways;
mod requirement_override;
mod requirements;
mod risk;
mod rollout;
mod rollout_windows;
mod scale;
mod schema_cost;
mod secrets;
mod senders;
mod settling;
mod stages;
mod steering;
mod substitutes;
mod sweep;
mod targets;
mod tasks;
mod timing;
mod types;
mod unbegun;
mod waivers;
mod watch;
mod windows;
mod work;
mod working_time;

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
