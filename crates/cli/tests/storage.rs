//! Data directories that are damaged, cannot be written to, or are in use.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
};

use insta::assert_snapshot;

use crate::common::{Content, DATA, Place, Ran, SUBMIT, assert_same, content, copy, words};

/// The account that owns nothing.
const NOBODY: u32 = 65_534;

/// A place whose log has a few runs, whole and closed.
fn place() -> Place {
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    place.must(SUBMIT);
    place
}

fn db(place: &Place) -> std::path::PathBuf {
    place.path(DATA).join("log/tail/00000001/db")
}

/// How those commands answer that read all events: with this very history, or with a failure that
/// is told well.
fn answers(place: &Place, expected: &str, what: &dyn std::fmt::Debug) -> Vec<Option<i32>> {
    ["verify", "history"]
        .iter()
        .map(|line| {
            let ran = place.sh(line);
            if ran.code != Some(0) {
                ran.fails_well(3, &(what, line));
            } else if *line == "history" {
                assert_eq!(ran.output, expected, "{what:?}");
            }
            ran.code
        })
        .collect()
}

/// What makes up the log.
fn log(place: &Place) -> Content {
    content(&place.path(DATA).join("log"))
}

/// Copies of the place, each with another byte of the log's file flipped.
fn flipped(whole: &Place, copies: usize) -> impl Iterator<Item = (usize, Place)> {
    let bytes = fs::read(db(whole)).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let data = whole.path(DATA);
    (0..copies).map(move |n| {
        let at = used * n / copies;
        let place = Place::empty();
        copy(&data, &place.path(DATA));
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x5a;
        fs::write(db(&place), &damaged).unwrap();
        (at, place)
    })
}

#[test]
fn a_flipped_byte_is_noticed() {
    let whole = place();
    let expected = whole.must("history");
    let mut noticed = 0;
    for (at, place) in flipped(&whole, 40) {
        // A few bytes, such as those of the file's own header, say nothing about events.
        match answers(&place, &expected, &("byte", at)).as_slice() {
            [Some(0), Some(0)] => {}
            [Some(3), Some(3)] => noticed += 1,
            codes => panic!("byte {at}: {codes:?}"),
        }
    }
    assert!(noticed >= 36, "{noticed} of 40 were noticed");
}

#[test]
fn what_is_damaged_is_left_as_it_was_found() {
    for (at, place) in flipped(&place(), 40) {
        let before = log(&place);
        place.sh("verify").fails_well(3, &("byte", at));
        assert_same(&before, &log(&place), &("byte", at));
    }
}

#[test]
fn what_was_cut_off_is_missed() {
    let whole = place();
    let expected = whole.must("history");
    let bytes = fs::read(db(&whole)).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for keep in [0, 1, 100, used / 2, used - 1] {
        let place = Place::empty();
        copy(&whole.path(DATA), &place.path(DATA));
        fs::write(db(&place), &bytes[..keep]).unwrap();
        let codes = answers(&place, &expected, &("cut to", keep));
        assert_eq!(codes, [Some(3), Some(3)], "cut to {keep}");
    }
}

#[test]
fn what_sled_keeps_beside_its_file_may_be_damaged_or_gone() {
    let whole = place();
    let expected = whole.must("history");
    let sled = whole.path(DATA).join("log/tail/00000001");
    let names: Vec<_> = fs::read_dir(&sled)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file() && entry.file_name() != "db")
        .map(|entry| entry.file_name())
        .collect();
    assert!(names.len() >= 2, "{names:?}");
    for name in &names {
        let bytes = fs::read(sled.join(name)).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0xff;
        for damaged in [None, Some(vec![]), Some(flipped), Some(vec![0; bytes.len()])] {
            let place = Place::empty();
            copy(&whole.path(DATA), &place.path(DATA));
            let path = place.path(DATA).join("log/tail/00000001").join(name);
            match &damaged {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
            let before = log(&place);
            let codes = answers(&place, &expected, &(name, damaged));
            if codes[0] == Some(3) {
                assert_same(&before, &log(&place), name);
            }
        }
    }
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let whole = place();
    for (name, code) in [
        ("log/tail/00000001/db", 3),
        ("log/tail/00000001", 3),
        ("log/format", 3),
        ("log/head", 3),
        ("log", 2),
        ("holdpoint.toml", 2),
    ] {
        let place = Place::empty();
        copy(&whole.path(DATA), &place.path(DATA));
        let path = place.path(DATA).join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        // Only who has work done needs its configuration.
        let lines: &[&str] = match name {
            "holdpoint.toml" => &["work"],
            _ => &["verify", "list", "approve 2 --as bob", "work"],
        };
        for line in lines {
            let before = place.content();
            place.sh(line).fails_well(code, &(name, line));
            place.sh(&format!("{line} --json")).fails_well_as_json(code, &(name, line));
            assert_same(&before, &place.content(), &(name, line));
        }
    }
}

#[test]
fn a_damaged_head_is_noticed() {
    let whole = place();
    let bytes = fs::read(whole.path(DATA).join("log/head")).unwrap();
    for (what, damaged) in [
        ("empty", vec![]),
        ("zeros", vec![0; bytes.len()]),
        ("noise", (0..=255).cycle().take(bytes.len()).collect()),
        ("truncated", bytes[..10].to_vec()),
    ] {
        let place = Place::empty();
        copy(&whole.path(DATA), &place.path(DATA));
        fs::write(place.path(DATA).join("log/head"), damaged).unwrap();
        let before = log(&place);
        assert_eq!(answers(&place, "", &what), [Some(3), Some(3)], "{what}");
        assert_same(&before, &log(&place), &what);
    }
    fs::write(whole.path(DATA).join("log/format"), "holdpoint log 99\n").unwrap();
    let ran = whole.sh("verify");
    ran.fails_well(3, &"another format");
    assert!(ran.errors.contains("`holdpoint log 99`"), "{ran}");
}

#[test]
fn the_read_model_is_built_again_without_a_word() {
    let whole = place();
    let expected = whole.must("list");
    let small = |bytes: &[u8]| bytes.to_vec();
    let model = fs::read(whole.path(DATA).join("read-model.sqlite")).unwrap();
    let mut flipped = model.clone();
    for at in (0..flipped.len()).step_by(97) {
        flipped[at] ^= 0xff;
    }
    for (what, damaged) in [
        ("gone", None),
        ("empty", Some(vec![])),
        ("text", Some(small(b"this is no database\n"))),
        ("zeros", Some(vec![0; 8192])),
        ("truncated", Some(small(&model[..model.len() / 2]))),
        ("flipped", Some(flipped)),
        ("only a header", Some(small(&model[..100]))),
    ] {
        for leftovers in [true, false] {
            let place = Place::empty();
            copy(&whole.path(DATA), &place.path(DATA));
            let path = |name: &str| place.path(DATA).join(name);
            match &damaged {
                Some(bytes) => fs::write(path("read-model.sqlite"), bytes).unwrap(),
                None => fs::remove_file(path("read-model.sqlite")).unwrap(),
            }
            for name in ["read-model.sqlite-wal", "read-model.sqlite-shm"] {
                if leftovers {
                    fs::write(path(name), [0x5a; 5000]).unwrap();
                } else if path(name).exists() {
                    fs::remove_file(path(name)).unwrap();
                }
            }
            let ran = place.sh("list");
            assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{what}:\n{ran}");
            assert_eq!(ran.output, expected, "{what}");
            place.must("verify");
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_to() {
    let place = place();
    let expected: Vec<_> = ["list", "show 1", "verify", "history", "export"]
        .into_iter()
        .map(|line| (line, place.must(line)))
        .collect();
    let (directories, files): (Vec<_>, Vec<_>) = content(&place.path(DATA))
        .into_keys()
        .partition(|path| place.path(DATA).join(path).is_dir());
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let set = |of_files: u32, of_directories: u32| {
        for file in &files {
            mode(&place.path(DATA).join(file), of_files);
        }
        mode(&place.path(DATA).join("log/lock"), of_files);
        for directory in directories.iter().map(|path| place.path(DATA).join(path)) {
            mode(&directory, of_directories);
        }
        mode(&place.path(DATA), of_directories);
    };
    set(0o444, 0o555);
    mode(place.root(), 0o755);
    let before = place.content();
    // Nothing is forbidden to the superuser: he acts as somebody who owns nothing.
    let program = place.path("holdpoint");
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        fs::copy(env!("CARGO_BIN_EXE_holdpoint"), &program).unwrap();
        mode(&program, 0o755);
    }
    let run = |line: &str| -> Ran {
        let mut command = place.command(&words(line));
        if is_root {
            command = std::process::Command::new(&program);
            command.args(words(line)).current_dir(place.root()).env_clear().uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap().into()
    };
    for (line, expected) in expected {
        let ran = run(line);
        assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{line}:\n{ran}");
        assert_eq!(ran.output, expected, "{line}");
    }
    for line in ["approve 2 --as bob", "work", "project create new --as ada"] {
        let ran = run(line);
        ran.fails_well(3, &line);
        assert!(ran.errors.contains("ermission denied"), "{line}:\n{ran}");
        run(&format!("{line} --json")).fails_well_as_json(3, &line);
    }
    // What may not be looked at is not lost.
    mode(&place.path(DATA).join("log"), 0);
    let ran = run("list");
    ran.fails_well(3, &"a log that may not be read");
    assert!(ran.errors.contains("ermission denied"), "{ran}");
    mode(&place.path(DATA).join("log"), 0o555);
    run("init").fails_well(2, &"init");
    run("--dir holdpoint-data/inside init").fails_well(3, &"init inside");
    if is_root {
        fs::remove_file(&program).unwrap();
    }
    assert_same(&before, &place.content(), &"a directory that cannot be written to");
    set(0o644, 0o755);
    place.must("list");
}

#[test]
fn a_few_words_for_each_kind_of_trouble() {
    let _filters = crate::common::filters();
    let whole = place();
    let shown_by = |line: &str, change: &dyn Fn(&Path)| {
        let place = Place::empty();
        copy(&whole.path(DATA), &place.path(DATA));
        change(&place.path(DATA));
        place.shows(&[line])
    };
    let shown = |change: &dyn Fn(&Path)| shown_by("list", change);
    let write = |name: &'static str, content: &'static str| {
        move |data: &Path| fs::write(data.join(name), content).unwrap()
    };
    assert_snapshot!(shown(&write("log/head", "")), @r#"
    $ holdpoint list
    error: `head` of the log in `./holdpoint-data/log` cannot be read: it says how far the log had come, and without it a loss at the end would not be noticed
    help: put the file back if it was moved; otherwise `holdpoint salvage` makes a new directory, with a new `head`, of all that verifies: compare where that ends with a checkpoint or a backup before you go on with it
    [exit 3]
    "#);
    assert_snapshot!(shown(&write("log/format", "holdpoint log 99\n")), @"
    $ holdpoint list
    error: the log in `./holdpoint-data/log` has the format `holdpoint log 99`, which this version does not know
    help: open it with the version of Holdpoint that wrote it, or a newer one
    [exit 3]
    ");
    assert_snapshot!(shown(&write("log/format", "")), @"
    $ holdpoint list
    error: `format` of the log in `./holdpoint-data/log` is damaged: it has [n] bytes, and not the 16 of the line `holdpoint log 1`
    help: no event is in that file: check the disk; then `holdpoint salvage` makes a new directory of all that verifies, or restore a backup
    [exit 3]
    ");
    assert_snapshot!(shown(&|data| {
        fs::remove_file(data.join("log/head")).unwrap();
        fs::create_dir(data.join("log/head")).unwrap();
    }), @"
    $ holdpoint list
    error: `./holdpoint-data/log/head` cannot be used: Is a directory (os error 21)
    help: check the path, its permissions and the space on its disk
    [exit 3]
    ");
    assert_snapshot!(shown(&|data| {
        fs::remove_dir_all(data.join("log")).unwrap();
        fs::create_dir(data.join("log")).unwrap();
    }), @"
    $ holdpoint list
    error: `./holdpoint-data` has lost its `log`
    help: restore `log` from a backup: nothing else says what happened; to begin anew, name another directory
    [exit 2]
    ");
    assert_snapshot!(shown(&write("log/tail/00000001/db", "")), @r#"
    $ holdpoint list
    error: the log in `./holdpoint-data/log` is damaged: `tail/00000001/db` is empty
    help: copy the whole directory before anything else, and check the disk; then restore a backup, or save what still verifies with `holdpoint salvage`; `docs/format.md`, section "Opening", says what each check means
    [exit 3]
    "#);
    assert_snapshot!(shown_by("work", &write("holdpoint.toml", "[activity.deploy\n")), @r#"
    $ holdpoint work
    error: ./holdpoint-data/holdpoint.toml:1:17: unclosed table, expected `]`
    help: an activity is one of
            command = ["program", "argument", "${field}"]
            http = { method = "POST", url = "http://${target}/path", hosts = ["*.example.com"] }
    [exit 2]
    "#);
    assert_snapshot!(shown(&|data| fs::remove_file(data.join("log/format")).unwrap()), @"
    $ holdpoint list
    error: there is no log in `./holdpoint-data/log`
    help: when the directory's making was interrupted, finish it with `holdpoint --dir ./holdpoint-data init`: nothing that is in it is lost
    [exit 3]
    ");
    assert_snapshot!(shown(&|data| fs::remove_dir_all(data.join("log")).unwrap()), @"
    $ holdpoint list
    error: `./holdpoint-data` has lost its `log`
    help: restore `log` from a backup: nothing else says what happened; to begin anew, name another directory
    [exit 2]
    ");
    assert_snapshot!(shown_by("work", &|data| fs::remove_file(data.join("holdpoint.toml")).unwrap()), @"
    $ holdpoint work
    error: `./holdpoint-data` has no `holdpoint.toml`
    help: write it, or let `holdpoint --dir ./holdpoint-data init` write one that configures nothing; the log stays as it is
    [exit 2]
    ");
    // What only looks lost is found again.
    let place = Place::empty();
    copy(&whole.path(DATA), &place.path(DATA));
    fs::remove_file(place.path(DATA).join("log/format")).unwrap();
    place.must("init");
    assert_eq!(place.must("history"), whole.must("history"));
}

#[test]
fn a_few_words_for_a_damaged_segment() {
    let _filters = crate::common::filters();
    let whole = place();
    // What is restored is in a segment.
    whole.must("backup saved");
    fs::remove_dir_all(whole.path(DATA)).unwrap();
    whole.must("restore saved");
    whole.must(SUBMIT);
    let damaged = |damage: &dyn Fn(&Path)| {
        let place = Place::empty();
        copy(&whole.path(DATA), &place.path(DATA));
        let sealed = place.path(DATA).join("log/sealed");
        damage(&fs::read_dir(sealed).unwrap().next().unwrap().unwrap().path());
        place.shows(&["verify"])
    };
    let flip = |at: usize| {
        move |segment: &Path| {
            let mut bytes = fs::read(segment).unwrap();
            bytes[at] ^= 1;
            fs::write(segment, bytes).unwrap();
        }
    };
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"-[0-9a-f]{16}\.segment", "-[root].segment");
    let _more = settings.bind_to_scope();
    assert_snapshot!(damaged(&|segment| fs::remove_file(segment).unwrap()), @r#"
    $ holdpoint verify
    error: the log in `./holdpoint-data/log` is damaged at event 1: the events 1 to 23 are missing: what follows is event 24
    help: copy the whole directory before anything else, and check the disk; then restore a backup, or save what still verifies with `holdpoint salvage`; `docs/format.md`, section "Opening", says what each check means
    [exit 3]
    "#);
    assert_snapshot!(damaged(&flip(0)), @r#"
    $ holdpoint verify
    error: the log in `./holdpoint-data/log` is damaged: `sealed/00000000000000000001-00000000000000000023-[root].segment`, which has the events 1 to 23: it does not begin and end as a segment of version 1
    help: copy the whole directory before anything else, and check the disk; then restore a backup, or save what still verifies with `holdpoint salvage`; `docs/format.md`, section "Opening", says what each check means
    [exit 3]
    "#);
    assert_snapshot!(damaged(&flip(30)), @"
    $ holdpoint verify
    error: the log is damaged at event 1: `sealed/00000000000000000001-00000000000000000023-[root].segment`, which has the events 1 to 23: the checksum of the frame of event 1 does not match
    help: copy the whole directory before anything else, and check the disk; then restore a backup, or save what still verifies with `holdpoint salvage`
    [exit 3]
    ");
    // A restored directory has no secret key: nothing makes it another one.
    let format = whole.path(DATA).join("log/format");
    fs::remove_file(format).unwrap();
    whole.must("init");
    whole.must("verify");
    assert!(!whole.path(DATA).join("checkpoint.key").exists());
}

#[test]
fn commands_wait_for_each_other() {
    let place = place();
    let before = place.ask("list")["runs"].as_array().unwrap().len();
    let line = format!("{SUBMIT} --wait 300");
    let children: Vec<_> = (0..6).map(|_| place.command(&words(&line)).spawn().unwrap()).collect();
    for child in children {
        let ran = crate::common::finish(child);
        assert_eq!(ran.code, Some(0), "{ran}");
    }
    assert_eq!(place.ask("list")["runs"].as_array().unwrap().len(), before + 6);
}
