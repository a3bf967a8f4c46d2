//! Files that are not what they should be: definitions, inputs, configurations, directories.

use std::fs;

use crate::common::{DATA, PATCH, Place, assert_same};

/// Contents that are no definition, no input and no configuration.
fn nonsense() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("binary", (0..=255).cycle().take(10_000).collect()),
        ("not UTF-8", b"title: \xff\xfe".to_vec()),
        ("UTF-16", "workflow: patch\n".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("null characters", vec![0; 10_000]),
        ("one long line", vec![b'a'; 900_000]),
        ("open brackets", vec![b'['; 900_000]),
        ("open braces", b"{\"a\":".repeat(100_000)),
        ("too large", vec![b'#'; 5_000_000]),
        ("escape sequences", b"\x1b[2J\x1b]0;title\x07: {".to_vec()),
        ("a lone carriage return", b"a: 1\rb: {".to_vec()),
        ("text", b"Dear colleague,\nplease find attached".to_vec()),
        ("an anchor that refers to itself", b"a: &a [*a]".to_vec()),
        (
            "anchors that multiply",
            (0..40)
                .map(|n| {
                    format!(
                        "k{n}: &a{n} [{0}, {0}]\n",
                        if n == 0 { "x".into() } else { format!("*a{}", n - 1) }
                    )
                })
                .collect::<String>()
                .into_bytes(),
        ),
    ]
}

#[test]
fn a_file_that_is_no_definition() {
    let place = Place::lab();
    for (what, content) in nonsense().into_iter().chain([
        ("empty", vec![]),
        ("white space", b" \n\n".to_vec()),
        ("two documents", format!("{PATCH}---\n{PATCH}").into_bytes()),
        ("a duplicate key", format!("{PATCH}title: again\n").into_bytes()),
        ("a list", b"- workflow: patch\n".to_vec()),
        ("truncated", PATCH.as_bytes()[..PATCH.len() / 2].to_vec()),
        ("another program's", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n".to_vec()),
    ]) {
        place.write("bad.yaml", &content);
        place.write("bad.scenarios.yaml", &content);
        let before = place.content();
        for line in [
            "definitions publish bad.yaml --as ada",
            "explain bad.yaml",
            "graph bad.yaml",
            "diff bad.yaml bad.yaml",
            "simulate bad.yaml",
            "test bad.scenarios.yaml",
        ] {
            place.sh(line).fails_well(2, &(what, line));
            place.sh(&format!("{line} --json")).fails_well_as_json(2, &(what, line));
        }
        for format in ["text", "json", "sarif", "github"] {
            let ran = place.sh(&format!("check bad.yaml bad.scenarios.yaml --format {format}"));
            assert_eq!(ran.code, Some(2), "{what}, {format}:\n{ran}");
            assert!(ran.errors.starts_with("error: "), "{what}, {format}:\n{ran}");
            let steers = |c: char| c.is_control() && c != '\n';
            assert!(!ran.output.contains(steers), "{what}, {format}: {:?}", ran.output);
        }
        assert_same(&before, &place.content(), &what);
    }
}

#[test]
fn a_file_that_is_no_input() {
    let place = Place::lab();
    for (what, content) in nonsense().into_iter().chain([
        ("empty", vec![]),
        ("white space", b" \n\n".to_vec()),
        ("YAML", b"title: x\n".to_vec()),
        ("a list", b"[{\"title\": \"x\"}]".to_vec()),
        ("a number", b"3".to_vec()),
        ("truncated", b"{\"title\": \"x\"".to_vec()),
        ("two documents", b"{\"title\": \"x\"}\n{\"title\": \"y\"}".to_vec()),
        ("a duplicate key", b"{\"title\": \"x\", \"title\": \"y\"}".to_vec()),
        ("a duplicate key inside", b"{\"title\": {\"a\": 1, \"a\": 1}}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"title\": \"x\"}".to_vec()),
    ]) {
        place.write("bad.json", &content);
        let before = place.content();
        let line = "submit patch --input-file bad.json --as ada";
        place.sh(line).fails_well(2, &what);
        place.sh(&format!("{line} --json")).fails_well_as_json(2, &what);
        place.sh_with("submit patch --input-file - --as ada", content).fails_well(2, &what);
        assert_same(&before, &place.content(), &what);
    }
}

#[test]
fn a_file_that_is_not_there_or_no_file() {
    let place = Place::lab();
    fs::create_dir(place.path("directory")).unwrap();
    std::os::unix::fs::symlink("loop", place.path("loop")).unwrap();
    let before = place.content();
    for path in [
        "nowhere",
        "directory",
        "loop",
        "nowhere/inside",
        "patch.yaml/inside",
        "''",
        "/dev/zero",
        "/proc/self/mem",
    ] {
        for line in [
            format!("definitions check {path}"),
            format!("definitions publish {path} --as ada"),
            format!("submit patch --as ada --input-file {path}"),
        ] {
            place.sh(&line).fails_well(2, &line);
        }
    }
    assert_same(&before, &place.content(), &"files that are not there");
}

#[test]
fn a_configuration_that_cannot_be_used() {
    let place = Place::lab();
    let configuration = format!("{DATA}/holdpoint.toml");
    for (what, content) in nonsense().into_iter().chain([
        ("an unknown key", b"[activity.deploy]\nshell = \"rm -rf /\"\n".to_vec()),
        ("an unknown table", b"[activities.deploy]\n".to_vec()),
        ("a duplicate key", b"[activity.a]\ncommand = [\"a\"]\ncommand = [\"b\"]\n".to_vec()),
        ("a duplicate table", b"[activity.a]\ncommand = [\"a\"]\n[activity.a]\n".to_vec()),
        ("no program", b"[activity.a]\ncommand = []\n".to_vec()),
        ("a program from the input", b"[activity.a]\ncommand = [\"${target}\"]\n".to_vec()),
        ("truncated", b"[activity.a]\ncommand = [\"a\"".to_vec()),
        ("the built-in name", b"[activity.http-check]\ncommand = [\"a\"]\n".to_vec()),
    ]) {
        if what == "too large" || what == "a lone carriage return" {
            continue;
        }
        place.write(&configuration, content);
        let before = place.content();
        for line in ["work", "watch 1"] {
            place.sh(line).fails_well(2, &(what, line));
            place.sh(&format!("{line} --json")).fails_well_as_json(2, &(what, line));
        }
        place.sh("init").fails_well(2, &what);
        assert_same(&before, &place.content(), &what);
    }
    place.write(&configuration, vec![b'#'; 5_000_000]);
    place.sh("work").fails_well(2, &"too large");
    // An empty configuration configures nothing, and is one.
    place.write(&configuration, "");
    place.must("work");
    fs::remove_file(place.path(&configuration)).unwrap();
    let before = place.content();
    place.sh("work").fails_well(2, &"no configuration");
    fs::create_dir(place.path(&configuration)).unwrap();
    place.sh("work").fails_well(3, &"a directory as configuration");
    fs::remove_dir(place.path(&configuration)).unwrap();
    assert_same(&before, &place.content(), &"no configuration");
}

#[test]
fn a_directory_that_is_no_data_directory() {
    let place = Place::empty();
    place.write("file", "years of work");
    fs::create_dir(place.path("foreign")).unwrap();
    place.write("foreign/thesis.tex", "years of work");
    fs::create_dir(place.path("empty")).unwrap();
    std::os::unix::fs::symlink("loop", place.path("loop")).unwrap();
    let before = place.content();
    for directory in
        ["nowhere", "file", "file/inside", "foreign", "empty", "loop", "/dev/null", "/proc"]
    {
        for line in [
            "list",
            "history",
            "verify",
            "work",
            "project create new --as ada",
            "submit patch --as ada",
            "show 1",
        ] {
            let line = format!("--dir {directory} {line}");
            place.sh(&line).fails_well(2, &line);
            place.sh(&format!("{line} --json")).fails_well_as_json(2, &line);
        }
    }
    for directory in ["file", "foreign", "/dev/null"] {
        let line = format!("--dir {directory} init");
        place.sh(&line).fails_well(2, &line);
    }
    for directory in ["file", "foreign"] {
        let line = format!("--dir {directory} demo");
        let ran = place.sh(&line);
        assert_eq!(ran.code, Some(2), "{line}:\n{ran}");
    }
    assert_same(&before, &place.content(), &"directories that are none");
}

#[test]
fn what_is_shipped_is_accepted() {
    let place = Place::lab();
    place.write("change.yaml", include_str!("../../../workflows/normal-change.yaml"));
    assert!(place.must("definitions check change.yaml").ends_with("nothing to report\n"));
    place.must("definitions publish change.yaml --as ada");
}
