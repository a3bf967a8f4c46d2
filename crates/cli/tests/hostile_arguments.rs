//! Arguments that make no sense, are far too long, or are not even text: each is answered on one
//! screen, with a remedy, and changes nothing.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use insta::assert_snapshot;

use crate::common::{Place, SUBMIT, assert_same, words};

/// A kernel takes no single argument that is longer.
const LONG: usize = 128 * 1024 - 1;

/// Lines that must fail with this exit code, before and without anything being changed.
const USAGE: &[&str] = &[
    // What is missing.
    "approve",
    "approve 1",
    "reject 1 --as bob",
    "cancel 1 --as ada",
    "submit",
    "submit patch --input title=x",
    "project create --as ada",
    "project create new",
    "project member add zed",
    "project member add --as ada",
    "project role grant bob --as ada",
    "project qualify cy network --as ada",
    "locks break --as ada",
    "locks break db-1 --as ada",
    "locks list",
    "migrate --to 2 --reason x --as ada",
    "migrate 1 --reason x --as ada",
    "migrate 1 --to 2 --as ada",
    "migrate 1 --to two --reason x --as ada",
    "migrate 1 --to 2 --map a --reason x --as ada",
    "migrate --all --to 2 --reason x --as ada",
    "items remove --as ada",
    "items set --as ada",
    "items import nowhere.ini --as ada",
    "items import nowhere.ini --format ini --as ada",
    "items import nowhere.ini --format ansible-ini --as ada",
    "items list --select 'env='",
    "items show 'a b'",
    "definitions publish --as ada",
    "definitions check",
    "check",
    "explain",
    "diff patch.yaml",
    "graph",
    "graph patch.yaml --format png",
    "fmt",
    "simulate",
    "schema patch.yaml",
    "test --min-coverage many",
    "show",
    "signal 1 --as bob",
    "pause 1 --as bob",
    "pause --reason x --as bob",
    "pause --all 1 --reason x --as bob",
    "abort 1 --as bob",
    "skip 1 --reason x --as bob",
    "skip 1 web-1 --as bob",
    "rollback 1 --as bob",
    "promote --as bob",
    "signal --as bob",
    "approve 1 --as",
    "list --status",
    // What is not there.
    "frobnicate",
    "--frobnicate",
    "lst",
    "approve 1 --as bob --resaon x",
    "project frobnicate",
    "init here",
    "list 1",
    "verify --deep",
    "show 1 2",
    "work --until-idle --follow",
    "submit patch --as ada --input-json {} --input-file x",
    "approve 1 --as bob --as eve",
    "--json --json list",
    // Names.
    "project create Lab --as ada",
    "project create 'a b' --as ada",
    "project create '' --as ada",
    "project create ../lab --as ada",
    "project create lab/1 --as ada",
    "project create - --as ada",
    "project create -lab --as ada",
    "project create größe --as ada",
    "project create new --as 'Ada L'",
    "project create new --as ''",
    "project create new --as -",
    "--project Lab list",
    "--project '' list",
    "project member add zed --role 'no role' --as ada",
    "project role grant bob Engineer --as ada",
    "project qualify cy 'net work' --issuer x --as ada",
    "submit 'pat ch' --as ada",
    "submit Patch --as ada",
    "definitions show 'pat ch'",
    // Texts.
    "project create new --title '' --as ada",
    "project create new --title '  ' --as ada",
    "project create new --title 'a\nb' --as ada",
    "project create new --title '\u{1b}[31mred' --as ada",
    "project create new --title '\u{202e}der' --as ada",
    "project member add zed --name '' --as ada",
    "project qualify cy network --issuer '' --as ada",
    "reject 1 --reason '' --as bob",
    "cancel 1 --reason ' ' --as bob",
    // Times.
    "project qualify cy network --issuer x --from tomorrow --as ada",
    "project qualify cy network --issuer x --from 2026-02-30T00:00:00Z --as ada",
    "project qualify cy network --issuer x --until 2026-13-01 --as ada",
    "project qualify cy network --issuer x --until '' --as ada",
    "project qualify cy network --issuer x --until 9999-12-31T23:59:59Z --as ada",
    "project qualify cy network --issuer x --until 99999-01-01T00:00:00Z --as ada",
    "show 1 --at tomorrow",
    "show 1 --at 2026-02-30",
    "show 1 --at ''",
    // Numbers.
    "list --limit 0",
    "list --limit -1",
    "list --limit 1.5",
    "list --limit many",
    "list --limit 99999999999999999999",
    "submit patch --version -1 --as ada",
    "submit patch --version x --as ada",
    "definitions show patch --version 4294967296",
    // Values of a few.
    "list --status open",
    "list --status HELD",
    "completions cmd",
    // Ids.
    "approve 1 --as bob --command-id 7",
    "approve 1 --as bob --command-id ''",
    "approve 1 --as bob --command-id 01900000-0000-7000-8000-00000000000g",
    // JSON.
    "submit patch --as ada --input-json {",
    "submit patch --as ada --input-json ''",
    "submit patch --as ada --input-json 3",
    "submit patch --as ada --input-json '[1]'",
    "submit patch --as ada --input-json '\"title\"'",
    "submit patch --as ada --input-json '{\"title\": \"a\"} {}'",
    "submit patch --as ada --input-json '{\"title\": \"a\", \"title\": \"b\"}'",
    "submit patch --as ada --input-json '{\"title\": 1e999}'",
    "submit patch --as ada --input-json '{title: a}'",
    "submit patch --as ada --input-json '{\"title\": \"\\ud800\"}'",
    "signal 1 tested --as bob --data {",
    "signal 1 tested --as bob --data done",
    "signal 1 tested --as bob --data '{\"a\": 1, \"a\": 2}'",
    "signal 1 tested --as bob --data ''",
];

/// As [`USAGE`], but what is wrong shows only beside what is in the data directory.
const USAGE_OF_WHAT_IS_THERE: &[&str] = &[
    "show 7",
    "show nonsense",
    "show ''",
    "show -",
    "approve 7 --as bob",
    "history 7",
    "history nonsense",
    "--project nowhere list",
    "--project nowhere history",
    "--project nowhere submit patch --as ada",
    "show 1 --at 0",
    "show 1 --at 99",
    "submit patch --as ada --input title",
    "submit patch --as ada --input =x",
    "submit patch --as ada --input ''",
    "submit patch --as ada --input title=a --input title=b",
    "submit patch --as ada --input-json '{\"title\": \"a\"}' --input title=b",
    "submit patch --as ada --input title=a --input 'items={\"a\": 1, \"a\": 2}'",
];

fn place() -> Place {
    let place = Place::lab();
    place.must(SUBMIT);
    place
}

fn both_forms(place: &Place, arguments: &[OsString]) {
    place.run(arguments).fails_well(2, &arguments);
    let as_json = [arguments, &["--json".into()]].concat();
    let error = place.run(&as_json).fails_well_as_json(2, &as_json);
    assert!(!error["help"].as_array().unwrap().is_empty(), "{as_json:?}: {error}");
}

#[test]
fn what_makes_no_sense_is_told_and_changes_nothing() {
    let place = place();
    let before = place.content();
    for line in USAGE.iter().filter(|line| !line.contains("--json")) {
        both_forms(&place, &words(line));
    }
    assert_same(&before, &place.content(), &"wrong usage");
    let before = place.truth();
    for line in USAGE_OF_WHAT_IS_THERE {
        both_forms(&place, &words(line));
    }
    assert_same(&before, &place.truth(), &"wrong usage of what is there");
}

#[test]
fn what_is_far_too_long_is_told_in_short() {
    let place = place();
    let long = "a".repeat(LONG - 10);
    let before = place.truth();
    for line in [
        "show LONG",
        "history LONG",
        "LONG",
        "--LONG",
        "--dir LONG list",
        "--project LONG list",
        "approve LONG --as bob",
        "approve 1 --as LONG",
        "approve 1 --as bob --command-id LONG",
        "list --limit LONG",
        "list --status LONG",
        "show 1 --at LONG",
        "definitions check LONG",
        "definitions publish LONG --as ada",
        "submit LONG --as ada",
        "submit patch --input LONG --as ada",
        "submit patch --input-file LONG --as ada",
        "submit patch --input-json LONG --as ada",
        "signal 1 tested --data LONG --as ada",
        "completions LONG",
        "manpage LONG",
    ] {
        let arguments = words(&line.replace("LONG", &long));
        let ran = place.run(&arguments);
        let code = ran.code.unwrap();
        assert!(matches!(code, 2 | 3), "{line}: {code}");
        ran.fails_well(code, &line);
    }
    for line in ["approve 1 --hold LONG --as bob", "signal 1 LONG --as bob"] {
        place.run(&words(&line.replace("LONG", &long))).fails_well(1, &line);
    }
    assert_same(&before, &place.truth(), &"what is too long");
}

#[test]
fn an_input_is_as_long_as_the_engine_takes_and_no_longer() {
    let place = place();
    let pieces: Vec<OsString> = (0..9)
        .flat_map(|n| ["--input".into(), format!("i{n}={}", "a".repeat(LONG - 100)).into()])
        .collect();
    let before = place.truth();
    let arguments = [words(SUBMIT), pieces].concat();
    place.run(&arguments).fails_well(1, &"an input of a megabyte");
    assert_same(&before, &place.truth(), &"an input of a megabyte");
}

#[test]
fn what_is_not_text_is_told() {
    let place = place();
    let before = place.content();
    let raw = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    for arguments in [
        vec![raw(b"\xff")],
        vec!["show".into(), raw(b"1\xff")],
        vec!["approve".into(), "1".into(), "--as".into(), raw(b"b\xf0b")],
        vec!["approve".into(), "1".into(), raw(b"--as=\xff")],
        vec!["--project".into(), raw(b"\xc3\x28"), "list".into()],
        vec![
            "submit".into(),
            "patch".into(),
            "--input".into(),
            raw(b"title=\xff"),
            "--as=ada".into(),
        ],
        vec![
            "submit".into(),
            "patch".into(),
            "--input-json".into(),
            raw(b"{\"\xff\"}"),
            "--as=ada".into(),
        ],
        vec!["definitions".into(), "check".into(), raw(b"no\xffwhere.yaml")],
        vec!["--dir".into(), raw(b"no\xffwhere"), "list".into()],
        vec![raw(b"--\xff=x"), "list".into()],
    ] {
        both_forms(&place, &arguments);
    }
    assert_same(&before, &place.content(), &"what is not text");
}

#[test]
fn a_path_need_not_be_text() {
    let place = place();
    let name = OsStr::from_bytes(b"d\xffr");
    for json in ["--json", "--project=zoo"] {
        let directory = OsStr::from_bytes(json.as_bytes()).to_owned();
        let mut path = name.to_owned();
        path.push(&directory);
        let run = |arguments: &[&str]| {
            let all: Vec<OsString> =
                [vec!["--dir".into(), path.clone()], arguments.iter().map(Into::into).collect()]
                    .concat();
            place.run(&all)
        };
        assert_eq!(run(&["init", json]).code, Some(0));
        assert_eq!(run(&["project", "create", "zoo", "--as", "ada", json]).code, Some(0));
        assert_eq!(run(&["list", json]).code, Some(0));
        assert_eq!(run(&["verify", json]).code, Some(0));
        run(&["show", "1"]).fails_well(2, &"show");
    }
    let file = OsStr::from_bytes(b"patch\xff.yaml");
    std::fs::write(place.root().join(file), crate::common::PATCH).unwrap();
    for json in [&["--json"][..], &[]] {
        let all: Vec<&OsStr> =
            ["definitions", "check"].iter().map(OsStr::new).chain([file]).collect();
        let all = [all, json.iter().map(OsStr::new).collect()].concat();
        assert_eq!(place.run(&all).code, Some(0));
    }
}

#[test]
fn the_environment_is_held_to_the_same() {
    let place = place();
    let before = place.content();
    for (name, value) in [
        ("HOLDPOINT_PROJECT", &b"Not A Name"[..]),
        ("HOLDPOINT_PROJECT", b"\xff"),
        ("HOLDPOINT_AS", b"Not A Name"),
        ("HOLDPOINT_DIR", b"nowhere"),
        ("HOLDPOINT_DIR", b"/proc/self/mem"),
    ] {
        let mut command = place.command(&["approve", "1", "--reason", "x"]);
        if name != "HOLDPOINT_AS" {
            command.args(["--as", "bob"]);
        }
        let ran: crate::common::Ran =
            command.env(name, OsStr::from_bytes(value)).output().unwrap().into();
        ran.fails_well(2, &(name, value));
    }
    assert_same(&before, &place.content(), &"the environment");
    // What is meant for the log of the program is never an error.
    let mut command = place.command(&["list"]);
    assert_eq!(
        command.env("HOLDPOINT_LOG", "=,nonsense[").output().unwrap().status.code(),
        Some(0)
    );
}

#[test]
fn a_few_words_for_each_kind_of_mistake() {
    let place = place();
    assert_snapshot!(place.shows(&[
        "--json",
        "approve 1",
        "reject 1 --as bob",
        "lst",
        "approve 1 --as bob --resaon x",
        "list --status open",
        "list --limit -1",
        "project create 'a b' --as ada",
        "project create new --title '' --as ada",
        "project qualify cy network --issuer x --from tomorrow --as ada",
        "approve 1 --as bob --command-id 7",
        "submit patch --as ada --input-json '{\"title\": \"a\", \"title\": \"b\"}'",
        "submit patch --as ada --input-json {",
        "submit patch --as ada --input title",
        "submit patch --as ada --input title=a --input title=b",
        "signal 1 tested --as bob --data done",
        "show nonsense",
        "definitions check nowhere.yaml",
        "definitions check nowhere.yaml --json",
        "work --until-idle --follow --json",
    ]), @r#"
    $ holdpoint --json
    {
      "error": {
        "help": [
          "`holdpoint --help` lists the commands"
        ],
        "kind": "usage",
        "message": "no command was given"
      }
    }
    [exit 2]

    $ holdpoint approve 1
    error: nobody was named as the one who acts
    help: say `--as MEMBER`, or set HOLDPOINT_AS
    [exit 2]

    $ holdpoint reject 1 --as bob
    error: the following required arguments were not provided:
      --reason <REASON>
    help: the usage is `holdpoint reject --reason <REASON> --as <MEMBER> <RUN>...`
    [exit 2]

    $ holdpoint lst
    error: unrecognized subcommand `lst`
    help: some similar subcommands exist: 'test', 'list'
    help: the usage is `holdpoint [OPTIONS] <COMMAND>`
    [exit 2]

    $ holdpoint approve 1 --as bob --resaon x
    error: unexpected argument `--resaon` found
    help: a similar argument exists: '--reason'
    help: the usage is `holdpoint approve --as <MEMBER> --reason <REASON> <RUN>...`
    [exit 2]

    $ holdpoint list --status open
    error: invalid value `open` for `--status <STATUS>`
    help: it is one of: held, working, stuck, ended
    [exit 2]

    $ holdpoint list --limit -1
    error: `--limit <N>`: `-1` is not a number from 1 to 4294967295
    help: `--help` after a command explains its arguments
    [exit 2]

    $ holdpoint project create 'a b' --as ada
    error: `<NAME>`: `a b` is not a project name: expected at most 63 of a-z, 0-9 and -, beginning and ending with a letter or digit
    help: `--help` after a command explains its arguments
    [exit 2]

    $ holdpoint project create new --title '' --as ada
    error: `--title <TITLE>`: expected some words
    help: `--help` after a command explains its arguments
    [exit 2]

    $ holdpoint project qualify cy network --issuer x --from tomorrow --as ada
    error: `--from <TIME>`: `tomorrow` is not a time: expected one such as 2026-01-05T09:00:00Z
    help: `--help` after a command explains its arguments
    [exit 2]

    $ holdpoint approve 1 --as bob --command-id 7
    error: `--command-id <UUID>`: `7` is not a command id: expected a UUID such as 01900000-0000-7000-8000-000000000001
    help: `--help` after a command explains its arguments
    [exit 2]

    $ holdpoint submit patch --as ada --input-json '{"title": "a", "title": "b"}'
    error: `--input-json` cannot be read as JSON: the key `title` is given twice at line 1 column 22
    help: give a JSON object such as {"title": "Replace the core router"}
    [exit 2]

    $ holdpoint submit patch --as ada --input-json {
    error: `--input-json` cannot be read as JSON: EOF while parsing an object at line 1 column 1
    help: give a JSON object such as {"title": "Replace the core router"}
    [exit 2]

    $ holdpoint submit patch --as ada --input title
    error: `--input title` is not KEY=VALUE
    help: for example `--input risk=low`, `--input 'targets=["a", "b"]'`
    [exit 2]

    $ holdpoint submit patch --as ada --input title=a --input title=b
    error: the input's `title` is given twice
    help: give a list as JSON: `--input 'title=["a", "b"]'`
    [exit 2]

    $ holdpoint signal 1 tested --as bob --data done
    error: `--data` cannot be read as JSON: expected value at line 1 column 1
    help: a text needs its quotes: `--data '"done"'`
    [exit 2]

    $ holdpoint show nonsense
    error: `nonsense` does not name a run
    help: give its number (`3`), PROJECT/NUMBER, its id, or at least 6 characters of the beginning or end of its id; `holdpoint list` shows the runs there are
    [exit 2]

    $ holdpoint definitions check nowhere.yaml
    error: the definition `nowhere.yaml` cannot be read: there is no such file
    help: give a file with a definition in YAML, as docs/definitions.md describes it
    [exit 2]

    $ holdpoint definitions check nowhere.yaml --json
    {
      "error": {
        "help": [
          "give a file with a definition in YAML, as docs/definitions.md describes it"
        ],
        "kind": "usage",
        "message": "the definition `nowhere.yaml` cannot be read: there is no such file"
      }
    }
    [exit 2]

    $ holdpoint work --until-idle --follow --json
    {
      "error": {
        "help": [
          "the usage is `holdpoint work --until-idle --json`"
        ],
        "kind": "usage",
        "message": "the argument `--until-idle` cannot be used with `--follow`"
      }
    }
    [exit 2]
    "#);
    let ran = place.run(&[OsStr::new("show"), OsStr::from_bytes(b"\xff")]);
    assert_snapshot!(ran, @"
    error: an argument is not UTF-8 text
    help: the usage is `holdpoint show [OPTIONS] <RUN>`
    [exit 2]
    ");
}
