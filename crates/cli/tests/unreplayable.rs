//! A log that is whole, with a history that does not replay: as one that was changed before it was imported.

use std::fs;

use insta::assert_snapshot;

use crate::common::{Place, filters};

const TWO_EYES: &str = "
workflow: two-eyes
version: 1
title: Somebody else agrees
start: agree
states:
  agree:
    hold:
      approval:
        rules: { peer: { from: role:engineer, need: 1 } }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

/// Run 1 was approved, run 2 is held; all events are in `whole.jsonl`.
fn place() -> Place {
    let place = Place::lab();
    place.write("two-eyes.yaml", TWO_EYES);
    place.must("definitions publish two-eyes.yaml --as ada");
    place.must("submit two-eyes --as ada");
    place.must("submit two-eyes --as ada");
    place.must("approve 1 --as bob");
    place.must("export whole.jsonl");
    place
}

/// Imports the events, with `from` replaced in the last one that has it, and says where that one stands: in its
/// stream, and in the log.
fn import_changed(place: &Place, from: &str, to: &str) -> (u64, u64) {
    let whole = fs::read_to_string(place.path("whole.jsonl")).unwrap();
    let mut lines: Vec<String> = whole.lines().map(|line| format!("{line}\n")).collect();
    let line = lines.iter_mut().rfind(|line| line.contains(from)).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    *line = line.replace(from, to);
    place.write("changed.jsonl", lines.concat());
    drop(fs::remove_dir_all(place.path("changed")));
    place.must("--dir changed import changed.jsonl");
    (event["version"].as_u64().unwrap(), event["sequence"].as_u64().unwrap())
}

#[test]
fn a_history_that_does_not_replay_is_found_by_whoever_checks_the_log() {
    let place = place();
    // What is changed, into what, of which run, and what is wrong then.
    let approval = r#""hold":"agree","member":"bob""#;
    let no_approval = approval.replace("agree", "nope");
    let cases = [
        (
            "holdpoint.approval.granted",
            "holdpoint.approval.grantee",
            1,
            "no event of this type is known",
        ),
        ("holdpoint.hold.released", "holdpoint.hold.rejected", 1, "missing field `member`"),
        (approval, no_approval.as_str(), 1, "`nope` is not approved now"),
        ("holdpoint.hold.opened", "holdpoint.hold.openex", 2, "no event of this type is known"),
        ("holdpoint.run.ended", "holdpoint.run.endex", 1, "no event of this type is known"),
    ];
    for (from, to, run, why) in cases {
        let (version, sequence) = import_changed(&place, from, to);

        let ran = place.sh("--dir changed verify");
        ran.fails_well(3, &to);
        let told = format!(
            "\nrun {run} (Somebody else agrees): its event {version}, at position {sequence} of the log: `"
        );
        assert!(ran.errors.contains(&told) && ran.errors.contains(why), "{to}:\n{ran}");
        assert!(ran.errors.contains("1 of 2 runs does not replay"), "{to}:\n{ran}");
        assert!(!ran.errors.contains("holdpoint verify"), "a circle: {to}:\n{ran}");
        place.run(&["--dir", "changed", "verify", "--json"]).fails_well_as_json(3, &to);

        let ran = place.sh(&format!("--dir changed show {run}"));
        ran.fails_well(3, &to);
        assert!(ran.errors.contains("`holdpoint verify` says which event"), "{to}:\n{ran}");

        let listed = place.must("--dir changed list");
        assert!(listed.contains("broken: its history does not replay"), "{to}:\n{listed}");
        assert!(listed.lines().all(|line| line.chars().count() < 200), "{to}:\n{listed}");
        assert!(place.ask("--dir changed list").to_string().contains(why), "{to}");

        let ran = place.sh("--dir changed work");
        assert_eq!(ran.code, Some(5), "{to}:\n{ran}");
        assert!(
            ran.errors.contains(&format!("run {run} is broken, and left alone")),
            "{to}:\n{ran}"
        );

        // The other goes on.
        place.must(&format!("--dir changed show {}", 3 - run));
        place.must(&format!("--dir changed history {run}"));
    }
    place.must("verify");
}

#[test]
fn a_log_without_a_project_or_a_beginning_says_what_is_wrong() {
    let place = place();
    for (from, to, whose) in [
        ("holdpoint.role.granted", "holdpoint.role.grantee", "the project `lab`"),
        ("holdpoint.run.started", "holdpoint.run.startex", "of the project `lab`"),
    ] {
        let (version, sequence) = import_changed(&place, from, to);
        for line in ["verify", "list", "show 1", "work"] {
            let ran = place.sh(&format!("--dir changed {line}"));
            ran.fails_well(3, &(to, line));
            let told = format!("its event {version}, at position {sequence} of the log");
            for part in [whose, &told, to] {
                assert!(ran.errors.contains(part), "{to}, {line}:\n{ran}");
            }
            assert!(!ran.errors.contains("holdpoint verify"), "a circle: {to}, {line}:\n{ran}");
        }
    }
}

#[test]
fn a_few_words_for_a_history_that_does_not_replay() {
    let (place, _guard) = (place(), filters());
    import_changed(&place, "holdpoint.approval.granted", "holdpoint.approval.grantee");
    assert_snapshot!(place.shows(&[
        "--dir changed verify",
        "--dir changed show 1",
        "--dir changed list",
        "--dir changed work",
    ]), @r"
    $ holdpoint --dir changed verify
    error: the log is whole (24 events), but 1 of 2 runs does not replay:
    run 1 (Somebody else agrees): its event 4, at position 21 of the log: `holdpoint.approval.grantee` cannot follow here: no event of this type is known
    help: the log has what was written or imported, so nothing here can mend it: keep a copy of the directory. If the events were imported, import them as they were exported; if a newer holdpoint wrote them, use that one; else restore a backup from before, and report it
    [exit 3]

    $ holdpoint --dir changed show 1
    error: the history of the run does not replay: `holdpoint.approval.grantee` cannot follow here: no event of this type is known
    help: `holdpoint verify` says which event does not fit, and what can be done; `holdpoint history RUN` has all that happened to it; it is left alone, and other runs go on
    [exit 3]

    $ holdpoint --dir changed list
    RUN  TITLE                 DEFINITION   STATE                                                         STATUS  REQUESTER  UPDATED (UTC)
    2    Somebody else agrees  two-eyes v1  agree                                                         held    ada        [time]
    1    Somebody else agrees  two-eyes v1  broken: its history does not replay: `holdpoint.approval.gr…  stuck   ada        [time]

    $ holdpoint --dir changed work
    error: run 1 is broken, and left alone
    help: `holdpoint list` says why, and `holdpoint verify` what can be done
    nothing left that can be done here
    [exit 5]
    ");
}
