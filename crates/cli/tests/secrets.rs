//! Secrets of the operator's configuration: who needs them, and where they never appear.

use insta::assert_snapshot;

use crate::common::{DATA, Place, filters};

const DEFINITION: &str = "
workflow: tell
version: 1
title: Tell
start: say
states:
  say:
    do: { activity: { run: say, timeout: 10m } }
    on: { succeeded: fail, failed: fail }
  fail:
    do: { activity: { run: fail, timeout: 10m } }
    on: { succeeded: done, failed: done }
  done: { end: done }
";

/// Programs that write their secret in two pieces, as JSON, and where they fail.
const CONFIGURATION: &str = r#"
[activity.say]
shell = true
command = ["printf '{\"token\": \"%s\", \"length\": %s, ' \"$TOKEN\" \"${#TOKEN}\"; printf '\"again\": \"s3'; printf 'cret\"}'"]
environment = { TOKEN = "${file:token}" }
[activity.fail]
shell = true
command = ["echo \"no $TOKEN\"; exit 3"]
environment = { TOKEN = "${file:token}" }
"#;

#[test]
fn a_secret_is_needed_by_who_works_and_never_recorded() {
    let _filters = filters();
    let place = Place::lab();
    place.write("tell.yaml", DEFINITION);
    place.must("definitions publish tell.yaml --as ada");
    place.write(&format!("{DATA}/holdpoint.toml"), CONFIGURATION);
    place.must("submit tell --as ada");

    // Only who does the work needs it.
    let told = place.sh("work");
    assert_eq!(told.code, Some(2), "{told}");
    assert_snapshot!(told.errors, @r"
    error: ./holdpoint-data/holdpoint.toml:9:25: the file `./holdpoint-data/token` cannot be read: No such file or directory (os error 2)
    help: give it to whoever does the work: the variable where `holdpoint work` is started, or a file that only its user can read; a relative path is found from the data directory
    ");
    place.sh("watch 1").fails_well(2, &"watch");
    assert!(!place.must("show 1").contains("is configured here"));

    place.write(&format!("{DATA}/token"), "s3cret\n");
    let all = ["work", "show 1 --json", "history 1 --json", "logs 1"].map(|one| place.must(one));
    for told in &all {
        assert!(!told.contains("s3cret"), "{told}");
    }
    assert_snapshot!(all[3], @r#"
    say#1: `say`, attempt 1, began at [time] UTC
    say#1 | {"token": "******", "length": 6, "again": "******"}
    say#1: exit status: 0 at [time] UTC
    fail#1: `fail`, attempt 1, began at [time] UTC
    fail#1 | no ******
    fail#1: exit status: 3 at [time] UTC
    "#);
    assert!(
        all[2].contains(r#"{\"token\": \"******\", \"length\": 6, \"again\": \"******\"}"#),
        "{}",
        all[2]
    );
    assert!(all[2].contains("ended with exit status: 3: no ******"), "{}", all[2]);
}
