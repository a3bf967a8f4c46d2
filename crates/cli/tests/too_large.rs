//! What is too large for the log is wrong input, whoever sends it: nothing is damaged, and nothing has changed.

use crate::common::{Place, assert_same};

const SMALL: &str =
    "workflow: small\nversion: 1\ntitle: Small\nstart: done\nstates:\n  done: { end: done }\n#";

#[test]
fn what_check_lets_pass_can_be_published() {
    let place = Place::lab();
    let before = place.truth();
    place.write("large.yaml", format!("{SMALL}{}", "\n".repeat(600_000)));
    let finding = "error[HP2001]: the definition could not be published";
    let ran = place.sh("check large.yaml");
    assert_eq!(ran.code, Some(2), "{ran}");
    assert!(ran.output.contains(finding), "{ran}");
    let ran = place.sh("definitions publish large.yaml --as ada");
    ran.fails_well(2, &"too large");
    assert!(ran.errors.contains(finding), "{ran}");
    std::fs::remove_file(place.path("large.yaml")).unwrap();
    assert_same(&before, &place.truth(), &"what is too large");

    // To the byte: line ends and quotes are two each as JSON.
    let as_json = |source: &str| serde_json::to_string(source).unwrap().len() + "\"Small\"".len();
    let filled = |bytes: usize| {
        let begin = format!("{SMALL}{}\n# ", "\n".repeat(100_000));
        let missing = bytes - as_json(&begin);
        format!("{begin}{}", "x".repeat(missing))
    };
    let most = 1024 * 1024 - 16 * 1024;
    place.write("small.yaml", filled(most + 1));
    assert_eq!(place.sh("check small.yaml").code, Some(2), "a byte too many");
    place.write("small.yaml", filled(most));
    place.must("check small.yaml");
    place.must("definitions publish small.yaml --as ada");
    place.must("submit small --as ada");
    place.must("verify");
}

#[test]
fn what_is_too_large_to_be_recorded_is_wrong_input() {
    let place = Place::lab();
    let calendar = "calendar: nights\nzone: Europe/Berlin\nwindows:\n  - { starts: 2026-01-06T22:00, lasts: 4h, repeat: FREQ=DAILY }\n";
    // As JSON these line ends are all that an event may have.
    place.write("nights.yaml", format!("{calendar}{}", "\n".repeat(524_288 - calendar.len())));
    let before = place.truth();
    let line = "calendar publish nights.yaml --as ada";
    let ran = place.sh(line);
    ran.fails_well(2, &line);
    let told =
        "what would be recorded is too large: the event `holdpoint.calendar.published` has about";
    assert!(ran.errors.contains(told), "{ran}");
    assert!(ran.errors.contains("help: make it smaller"), "{ran}");
    assert!(!ran.errors.contains("holdpoint verify"), "{ran}");
    assert_same(&before, &place.truth(), &line);
    place.write("nights.yaml", calendar);
    place.must(line);
}
