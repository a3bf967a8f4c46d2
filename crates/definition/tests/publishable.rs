//! What is checked can be published: its event has all of its text.

use holdpoint_definition::{Definition, DiagnosticCode};

const SMALL: &str =
    "workflow: small\nversion: 1\ntitle: TITLE\nstart: done\nstates:\n  done: { end: done }\n";

#[test]
fn what_a_log_would_not_take_is_found_and_what_was_taken_can_be_had() {
    let padded = |with: &str, times: usize| {
        format!("{}\n{}", SMALL.replace("TITLE", "Small"), with.repeat(times))
    };
    for (source, fits) in [
        (padded("", 0), true),
        (padded("#", 1_000_000), true),
        (padded("\n", 500_000), true),
        (padded("\n", 600_000), false),
        (padded("# \"\"\n", 200_000), false),
        (SMALL.replace("TITLE", &"long".repeat(200_000)), false),
        (SMALL.replace("TITLE", &"long".repeat(100_000)), true),
    ] {
        let (bytes, begins) = (source.len(), source.chars().take(60).collect::<String>());
        match Definition::parse("small.yaml", &source) {
            Ok(_) => assert!(fits, "{bytes} bytes: {begins}"),
            Err(found) => {
                assert!(!fits, "{bytes} bytes: {begins}: {found}");
                let codes: Vec<_> = found.iter().map(|one| one.code).collect();
                assert_eq!(codes, [DiagnosticCode::Syntax]);
                assert!(found.to_string().contains("could not be published"), "{found}");
            }
        }
        // A log that has it has it.
        Definition::published(&source).unwrap();
    }
}
