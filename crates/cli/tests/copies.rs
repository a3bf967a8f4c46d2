//! Backups, exports, and what is made of them.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{DATA, Place, SUBMIT, assert_same, content, copy, filters};

/// A place whose log has a few runs.
fn place() -> Place {
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    place
}

/// Fails unless the directory `data` says the same as the place's own.
#[track_caller]
fn is_same(place: &Place, data: &str) {
    for line in ["verify", "history --json", "list --json", "project show", "show 1 --json"] {
        assert_eq!(place.must(line), place.must(&format!("--dir {data} {line}")), "{line}");
    }
}

#[test]
fn a_backup_is_made_brought_up_to_date_and_restored() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&["backup saved"]), @"
    $ holdpoint backup saved
    backed up 20 events to saved, 20 of them new
    root sha256:[digest]
    ");
    place.must(SUBMIT);
    assert_snapshot!(place.shows(&["backup saved", "backup saved", "--dir new restore saved"]), @"
    $ holdpoint backup saved
    backed up 23 events to saved, 3 of them new
    root sha256:[digest]

    $ holdpoint backup saved
    backed up 23 events to saved, 0 of them new
    root sha256:[digest]

    $ holdpoint --dir new restore saved
    restored new from saved
    the log is whole: 23 events in 3 streams, [n] bytes
    root sha256:[digest]
    next: put checkpoint.key back from where you keep a copy; it is in no backup
    ");
    is_same(&place, "new");
    place.must(&format!("--dir new {SUBMIT}"));
    place.must("--dir new backup other");

    // What was begun when a process was killed is finished.
    fs::create_dir_all(place.path("third/log.new/sealed")).unwrap();
    fs::write(place.path("third/log.new/sealed/segment.new"), "half of a").unwrap();
    place.must("--dir third restore saved");
    is_same(&place, "third");

    // A backup can be looked at, and goes on afterwards.
    place.must("--dir saved verify");
    place.must(SUBMIT);
    place.must("backup saved");
    place.must("--dir fourth restore saved");
    is_same(&place, "fourth");
}

#[test]
fn a_backup_carries_the_configuration_and_no_secret() {
    let place = place();
    let configuration = "[activity.deploy]\ncommand = [\"true\"]\n";
    place.write(&format!("{DATA}/holdpoint.toml"), configuration);
    place.must("backup saved");
    let mut names: Vec<_> = fs::read_dir(place.path("saved"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["backup", "checkpoint.pub", "holdpoint.toml", "log"]);
    fs::create_dir(place.path("new")).unwrap();
    let key = fs::read(place.path(DATA).join("checkpoint.key")).unwrap();
    place.write("new/checkpoint.key", &key);
    let restored = place.must("--dir new restore saved");
    assert!(!restored.contains("checkpoint.key"), "{restored}");
    assert_eq!(fs::read_to_string(place.path("new/holdpoint.toml")).unwrap(), configuration);
    assert_eq!(fs::read(place.path("new/checkpoint.key")).unwrap(), key);
    place.must("--dir new checkpoint");
}

#[test]
fn an_export_is_imported_with_the_same_root() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&["export events.jsonl", "--dir new import events.jsonl"]), @"
    $ holdpoint export events.jsonl
    exported 20 events to events.jsonl
    root sha256:[digest]

    $ holdpoint --dir new import events.jsonl
    imported 20 events into new
    root sha256:[digest]
    ");
    let lines = fs::read_to_string(place.path("events.jsonl")).unwrap();
    assert_eq!(lines, place.must("export"));
    is_same(&place, "new");
    let root = place.ask("verify")["root"].as_str().unwrap().to_owned();
    let piped =
        place.sh_with(&format!("--dir piped import - --root {root} --json"), lines.as_str());
    let answer: Value = serde_json::from_str(&piped.output).unwrap();
    assert_eq!(answer["root"], root.as_str());
    is_same(&place, "piped");

    // Nothing but the root says that lines are missing at the end.
    let short = &lines[..=lines.trim_end().rfind('\n').unwrap()];
    place.sh_with("--dir short import -", short).to_string();
    let before = place.content();
    let ran = place.sh_with(&format!("--dir shorter import - --root {root}"), short);
    ran.fails_well(1, &"a root that is not met");
    assert!(ran.errors.contains("are not what was expected"), "{ran}");
    assert_same(&before, &place.content(), &"a root that is not met");
}

#[test]
fn what_cannot_be_imported_leaves_nothing() {
    let place = place();
    let lines = place.must("export");
    for (bad, expected) in [
        (lines[..lines.len() - 1].to_owned(), "the file is cut off"),
        (lines[..lines.len() / 2].to_owned(), "the file is cut off"),
        (lines.replace('\n', "\r\n"), "line 1 is not event 1: it ends with a carriage return"),
        (lines.replacen('\n', "\n\n", 1), "line 2 is not event 2"),
        (lines.replacen(r#""version":1"#, r#""version":2"#, 1), "line 1 is not event 1"),
        (format!("{lines}{lines}"), "it says that its sequence is 1"),
        ("x".repeat(3 << 20), "line 1 is not event 1: it has 1048578 bytes"),
        ("\n".to_owned(), "line 1 is not event 1"),
    ] {
        let before = place.content();
        let what = &bad[..bad.len().min(80)];
        let ran = place.sh_with("--dir new import -", bad.as_str());
        ran.fails_well(2, &what);
        assert!(ran.errors.contains(expected), "{what}: {ran}");
        assert_same(&before, &place.content(), &what);
    }
    place.sh_with("--dir new import -", lines);
    is_same(&place, "new");
}

#[test]
fn copies_go_only_where_there_is_room() {
    let _filters = filters();
    let place = place();
    place.must("backup saved");
    place.must("export events.jsonl");
    place.write("thesis.tex", "years of work");
    fs::create_dir(place.path("full")).unwrap();
    place.write("full/thesis.tex", "years of work");
    place.must("--dir other init");
    let before = place.truth();
    assert_snapshot!(place.shows(&[
        "backup full",
        "backup thesis.tex",
        "backup other",
        "backup .",
        "backup holdpoint-data/saved",
        "--dir other backup saved",
        "--dir full restore saved",
        "--dir thesis.tex restore saved",
        "--dir other restore saved",
        "--dir new restore full",
        "--dir new restore nowhere",
        "export events.jsonl",
        "export nowhere/events.jsonl",
        "--dir full import events.jsonl",
        "--dir new import nowhere.jsonl",
        "--dir new import full",
        "--dir new import events.jsonl --root 12",
    ]), @"
    $ holdpoint backup full
    error: `full` is neither an empty directory nor a backup
    help: name a directory that is empty or does not exist, or that of an earlier backup
    [exit 2]

    $ holdpoint backup thesis.tex
    error: `thesis.tex` is neither an empty directory nor a backup
    help: name a directory that is empty or does not exist, or that of an earlier backup
    [exit 2]

    $ holdpoint backup other
    error: `other` is neither an empty directory nor a backup
    help: name a directory that is empty or does not exist, or that of an earlier backup
    [exit 2]

    $ holdpoint backup .
    error: `.` is neither an empty directory nor a backup
    help: name a directory that is empty or does not exist, or that of an earlier backup
    [exit 2]

    $ holdpoint backup holdpoint-data/saved
    error: `holdpoint-data/saved` is in the data directory itself
    help: name a directory elsewhere, best on another disk
    [exit 2]

    $ holdpoint --dir other backup saved
    error: `saved/log` is not a backup of this log: it has event 20, which the log has not
    help: name another directory: nothing in this one was changed
    [exit 2]

    $ holdpoint --dir full restore saved
    error: `full` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint --dir thesis.tex restore saved
    error: `thesis.tex` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint --dir other restore saved
    error: `other` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint --dir new restore full
    error: there is no backup in `full`
    help: name a directory that `holdpoint backup` has made
    [exit 2]

    $ holdpoint --dir new restore nowhere
    error: there is no backup in `nowhere`
    help: name a directory that `holdpoint backup` has made
    [exit 2]

    $ holdpoint export events.jsonl
    error: there is a file `events.jsonl` already
    help: name a file that does not exist
    [exit 2]

    $ holdpoint export nowhere/events.jsonl
    error: `nowhere/events.jsonl` cannot be written: No such file or directory (os error 2)
    help: check the path, its permissions and the space on its disk
    [exit 3]

    $ holdpoint --dir full import events.jsonl
    error: `full` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint --dir new import nowhere.jsonl
    error: `nowhere.jsonl` cannot be read: there is no such file
    help: name a file that `holdpoint export` has written, or `-` for standard input
    [exit 2]

    $ holdpoint --dir new import full
    error: `full` cannot be read: it is a directory
    help: name a file that `holdpoint export` has written, or `-` for standard input
    [exit 2]

    $ holdpoint --dir new import events.jsonl --root 12
    error: `--root <ROOT>`: expected `sha256:` and 64 hexadecimal digits
    help: `--help` after a command explains its arguments
    [exit 2]
    ");
    for line in ["backup full", "--dir full restore saved", "--dir full import events.jsonl"] {
        place.sh(&format!("{line} --json")).fails_well_as_json(2, &line);
    }
    assert_same(&before, &place.truth(), &"what was refused");
}

#[test]
fn damage_is_neither_backed_up_nor_restored() {
    let place = place();
    place.must("backup saved");
    let segment = fs::read_dir(place.path("saved/log/sealed")).unwrap().next().unwrap();
    let segment = segment.unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[30] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let before = content(&place.path("saved"));
    place.sh("--dir new restore saved").fails_well(3, &"a damaged backup");
    assert!(!place.path("new").exists());
    assert_same(&before, &content(&place.path("saved")), &"a damaged backup");
    fs::remove_dir_all(place.path("saved")).unwrap();

    place.must("backup saved");
    let whole = content(&place.path("saved"));
    let log = place.path(DATA).join("log/tail/00000001/db");
    fs::write(&log, "").unwrap();
    place.sh("backup saved").fails_well(3, &"a damaged log");
    assert_same(&whole, &content(&place.path("saved")), &"a damaged log");
    place.must("--dir new restore saved");
    copy(&place.path("new"), &place.path("copy"));

    fs::remove_file(place.path("saved/log/format")).unwrap();
    assert_snapshot!(place.shows(&["--dir other restore saved"]), @"
    $ holdpoint --dir other restore saved
    error: `format` of the log in `saved/log` is damaged: it is missing
    help: no event is in that file: check the disk; then `holdpoint salvage` makes a new directory of all that verifies, or restore a backup
    [exit 3]
    ");
    // What cannot be copied beside the events keeps none of them from being saved.
    let configuration = place.path(DATA).join("holdpoint.toml");
    fs::remove_file(&configuration).unwrap();
    fs::create_dir(&configuration).unwrap();
    fs::create_dir(place.path(DATA).join("configured.key")).unwrap();
    let saved = place.must("salvage left");
    for name in ["holdpoint.toml", "configured.key"] {
        let told =
            format!("found: not copied: `./holdpoint-data/{name}` cannot be used: Is a directory");
        assert!(saved.contains(&told), "{saved}");
    }
}

#[test]
fn what_can_be_read_of_a_damaged_log_is_saved() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&["salvage whole"]), @"
    $ holdpoint salvage whole
    salvaged 20 events into whole
    root sha256:[digest]
    nothing is known to be lost
    ");
    is_same(&place, "whole");

    // A log of three segments, the second of which is damaged.
    place.must("backup saved");
    for _ in 0..2 {
        place.must("--dir saved verify");
        place.must(&format!("--dir saved {SUBMIT}"));
        fs::remove_file(place.path("saved/backup")).unwrap();
        place.must("--dir saved backup next");
        fs::remove_dir_all(place.path("saved")).unwrap();
        place.must("--dir saved restore next");
        fs::rename(place.path("next/backup"), place.path("saved/backup")).unwrap();
        fs::remove_dir_all(place.path("next")).unwrap();
    }
    let mut segments: Vec<_> = fs::read_dir(place.path("saved/log/sealed"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    assert_eq!(segments.len(), 3);
    let mut bytes = fs::read(&segments[1]).unwrap();
    bytes[30] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    let before = content(&place.path("saved"));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"-[0-9a-f]{16}\.segment", "-[root].segment");
    let _more = settings.bind_to_scope();
    assert_snapshot!(place.shows(&["--dir saved salvage found", "--dir found verify"]), @"
    $ holdpoint --dir saved salvage found
    salvaged 20 events into found
    root sha256:[digest]
    EVENTS
    1 to 20   kept
    21 to 23  lost      `sealed/00000000000000000021-00000000000000000023-[root].segment`: the checksum of the frame of event 21 does not match
    24 to 26  readable  events before them are missing
    3 events without a place: found/unplaced.jsonl

    $ holdpoint --dir found verify
    the log is whole: 20 events in 2 streams, [n] bytes
    every run replays: 1 run
    root sha256:[digest]
    ");
    assert_same(&before, &content(&place.path("saved")), &"what was salvaged");
    let answer = place.ask("--dir saved salvage again");
    assert_eq!(answer["ranges"][1]["fate"], "lost");
    let unplaced = fs::read_to_string(place.path("found/unplaced.jsonl")).unwrap();
    assert_eq!(unplaced.lines().count() as u64, answer["unplaced"].as_u64().unwrap());

    assert_snapshot!(place.shows(&[
        "salvage found",
        "salvage holdpoint-data/new",
        "--dir nowhere salvage new",
    ]), @"
    $ holdpoint salvage found
    error: `found` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint salvage holdpoint-data/new
    error: `holdpoint-data/new` is in the data directory itself
    help: name a directory elsewhere, best on another disk
    [exit 2]

    $ holdpoint --dir nowhere salvage new
    error: there is no log in `nowhere/log`
    help: make a log there first, or name the directory of one
    [exit 2]
    ");
}

#[test]
fn what_is_left_of_damaged_files_is_saved_quietly() {
    let place = place();
    let db = format!("{DATA}/log/tail/00000001/db");
    let bytes = fs::read(place.path(&db)).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for n in 0..20 {
        let mut damaged = bytes.clone();
        damaged[used * n / 20] ^= 0x5a;
        place.write(&db, &damaged);
        let ran = place.sh(&format!("--json salvage saved{n}"));
        assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{n}: {ran}");
        let answer: Value = serde_json::from_str(&ran.output).unwrap();
        let events = answer["events"].as_u64().unwrap() + answer["unplaced"].as_u64().unwrap();
        assert!(events >= 15, "{n}: {ran}");
        place.must(&format!("--dir saved{n} verify"));
    }
}
