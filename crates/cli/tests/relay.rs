//! Commands from other terminals while one process has the directory.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use insta::{allow_duplicates, assert_snapshot};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::common::{DATA, PATCH, Place, filters, finish, until, words};

/// One activity, which takes until the file `go-on` is there.
const SHIP: &str = "
workflow: ship
version: 1
title: Ship
input:
  type: object
  required: [title]
  properties: { title: { type: string } }
start: ship
states:
  ship:
    do: { activity: { run: ship, timeout: 10m, retry: { attempts: 5, backoff: fixed, delay: 10ms } } }
    on: { succeeded: done, failed: failed }
  done: { end: completed }
  failed: { end: failed }
";

const CONFIGURATION: &str = r#"
[activity.ship]
shell = true
command = ["touch ../begun; until [ -e ../go-on ]; do sleep 0.01; done"]
environment = { TOKEN = "${env:TOKEN}" }
"#;

/// A hold that asks for a file.
const SHOWN: &str = "
workflow: shown
version: 1
title: Shown
start: show
states:
  show:
    hold:
      approval: { rules: { peer: { from: role:engineer, need: 1 } }, not: [requester], amended: keep }
      evidence: { report: {} }
    on: { released: done, rejected: done }
  done: { end: done }
";

fn place() -> Place {
    let place = Place::lab();
    place.write("ship.yaml", SHIP);
    place.must("definitions publish ship.yaml --as ada");
    place.write(&format!("{DATA}/holdpoint.toml"), CONFIGURATION);
    place
}

/// A process that works, in a place where others may call it.
pub(crate) struct Working<'a>(&'a Place, Option<Child>);

impl<'a> Working<'a> {
    pub(crate) fn new(place: &'a Place, line: &str) -> Self {
        // Whoever calls it need not have what only the work needs.
        let child = place.command(&words(line)).env("TOKEN", "s3cret").spawn().unwrap();
        until("nobody listens", || place.path(DATA).join("control.sock").exists());
        Self(place, Some(child))
    }

    /// Ends it as Ctrl-C does, or a service manager, and holds it to leaving nothing behind.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        let child = self.1.take().unwrap();
        send(&child, Signal::TERM);
        let ran = finish(child);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(!self.0.path(DATA).join("control.sock").exists());
    }

    fn dies(mut self) {
        let mut child = self.1.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.1.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn send(child: &Child, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

#[test]
fn tools_of_authors_ask_it_for_the_baseline_and_read_their_files_themselves() {
    let place = place();
    place.write(
        "rules.yaml",
        "
baseline: house-rules
title: What every change keeps to
requirements: { four-eyes: { approval: { from: role:engineer, need: 2 } } }
",
    );
    place.must("baseline publish rules.yaml --reason 'an audit asks for it' --as ada");
    fs::create_dir(place.path("folder")).unwrap();
    place.write("folder/ship.yaml", SHIP);
    let tools = [
        "check folder --project-baseline",
        "definitions check folder --project-baseline --json",
        "explain folder/ship.yaml --project-baseline --project lab",
        "graph folder/ship.yaml --project-baseline --project nowhere",
    ];
    let asked = || tools.map(|tool| place.sh(tool).to_string());
    let alone = asked();
    let working = Working::new(&place, "work --follow");
    assert_eq!(asked(), alone);
    working.ends();
    assert!(alone[0].contains("HP2401") && alone[1].contains("HP2401"), "{alone:?}");
    assert!(alone[2].contains("four-eyes"), "{alone:?}");
    assert!(alone[3].contains("there is no project `nowhere`"), "{alone:?}");
}

#[test]
fn a_command_comes_to_the_same_while_another_process_works() {
    let _filters = filters();
    let (alone, beside) = (Place::lab(), Place::lab());
    let working = Working::new(&beside, "work --follow");
    for place in [&alone, &beside] {
        place.write("report.md", "it works");
        place.write("two.yaml", PATCH.replace("workflow: patch", "workflow: two"));
        place.write("items.json", r#"[{ "name": "web-1" }]"#);
    }
    allow_duplicates! {
        for place in [&alone, &beside] {
            assert_snapshot!(place.shows(&[
                "submit patch --input 'title=Fix the router' --as ada",
                "submit patch --input title=9 --input-file nothing.json --as ada",
                "submit patch --as ada",
                "list",
                "approve 1 --as ada",
                "approve 1 --as ada --json",
                "approve 1 --as bob",
                "show 7",
                "show 1 --json --at 1",
                "definitions publish two.yaml --as ada",
                "definitions publish nothing.yaml --as ada",
                "project member add fay --role engineer --as ada",
                "items list",
                "lockdown list",
                "locks",
                "conflicts",
                "watch 1",
                "signal 1 tested --as bob",
                "history 1",
                "backup copy",
                "backup copy --json",
                "export events.jsonl",
                "export events.jsonl",
                "prove 1 --out proof",
                "evidence list 1",
                "verify",
            ]), @r#"
            $ holdpoint submit patch --input 'title=Fix the router' --as ada
            submitted run 1 of the project `lab`: Fix the router
            held at `ask`
              waiting  0 of 1 approval by role engineer, qualified in network
                       can release it: bob, eve
                       cannot: cy, who is not qualified in network now
              if nothing happens: `expired` at [time] UTC (in [span])
            next: approve or reject `ask`
            next: cancel the run, as `ada` or a member with the role `owner`

            $ holdpoint submit patch --input title=9 --input-file nothing.json --as ada
            error: the input file `nothing.json` cannot be read: there is no such file
            help: give a file with a JSON object, or `-` for standard input
            [exit 2]

            $ holdpoint submit patch --as ada
            error[HP1008]: the input does not fit the definition `patch`
            help: "title" is a required property
            [exit 1]

            $ holdpoint list
            RUN  TITLE           DEFINITION  STATE  STATUS  REQUESTER  UPDATED (UTC)
            1    Fix the router  patch v1    ask    held    ada        [time]

            $ holdpoint approve 1 --as ada
            error[HP1003]: `ada` submitted the run and nobody decides on their own
            help: a vote by role engineer, qualified in network: bob, eve
            [exit 1]

            $ holdpoint approve 1 --as ada --json
            {
              "error": {
                "code": "HP1003",
                "help": [
                  "a vote by role engineer, qualified in network: bob, eve"
                ],
                "kind": "refused",
                "message": "`ada` submitted the run and nobody decides on their own",
                "needed": [
                  "a vote by role engineer, qualified in network: bob, eve"
                ]
              }
            }
            [exit 1]

            $ holdpoint approve 1 --as bob
            approved run 1: Fix the router
            held at `tell`
              waiting  the signal tested
                       can send it: every member of the project
            next: send the signal `tested`: `holdpoint signal 1 tested`
            next: cancel the run, as `ada` or a member with the role `owner`

            $ holdpoint show 7
            error: there is no run 7
            help: `holdpoint list` shows the runs there are
            [exit 2]

            $ holdpoint show 1 --json --at 1
            {
              "at": {
                "sequence": 14,
                "version": 1
              },
              "definition": {
                "digest": "sha256:[digest]",
                "name": "patch",
                "version": 1
              },
              "id": "[uuid]",
              "input": {
                "risk": "low",
                "title": "Fix the router"
              },
              "number": 1,
              "project": "lab",
              "requester": "member:ada",
              "started": "[time]",
              "state": "",
              "status": "working",
              "title": "Fix the router",
              "updated": "[time]",
              "view": {
                "holds": [],
                "next_steps": [
                  {
                    "action": "cancel",
                    "text": "cancel the run, as `ada` or a member with the role `owner`"
                  }
                ],
                "state": "",
                "status": "working",
                "title": "Fix the router"
              }
            }

            $ holdpoint definitions publish two.yaml --as ada
            published `two` v1 in the project `lab`

            $ holdpoint definitions publish nothing.yaml --as ada
            error: the definition `nothing.yaml` cannot be read: there is no such file
            help: give a file with a definition in YAML, as docs/definitions.md describes it
            [exit 2]

            $ holdpoint project member add fay --role engineer --as ada
            `fay` is a member: engineer

            $ holdpoint items list
            no items

            $ holdpoint lockdown list
            no lockdown is in force in the project `lab`

            $ holdpoint locks
            no locks

            $ holdpoint conflicts
            no conflicts

            $ holdpoint watch 1
            run 1 (Fix the router) is held at `tell`
            held at `tell`
              waiting  the signal tested
                       can send it: every member of the project
            next: send the signal `tested`: `holdpoint signal 1 tested`
            next: cancel the run, as `ada` or a member with the role `owner`

            $ holdpoint signal 1 tested --as bob
            signalled run 1: Fix the router
            it has ended: done

            $ holdpoint history 1
            run 1: Fix the router
              [time]  ada  submitted it to patch v1
              [time]  ada  it reached `ask`
              [time]  ada  held at `ask` for 1 of rule peer, expires [time]
              [time]  bob  approved `ask` (role engineer, qualified in network)
              [time]  bob  `ask` was released
              [time]  bob  it reached `tell`
              [time]  bob  held at `tell`
              [time]  bob  signalled `tested`
              [time]  bob  `tell` took the signal `tested`
              [time]  bob  `tell` was released
              [time]  bob  it reached `done`
              [time]  bob  it ended: done

            times are UTC; with `--json` every event is printed as it is stored

            $ holdpoint backup copy
            backed up 28 events to copy, 28 of them new
            root sha256:[digest]

            $ holdpoint backup copy --json
            {
              "added": 0,
              "directory": "copy",
              "events": 28,
              "evidence_added": 0,
              "root": "sha256:[digest]"
            }

            $ holdpoint export events.jsonl
            exported 28 events to events.jsonl
            root sha256:[digest]

            $ holdpoint export events.jsonl
            error: there is a file `events.jsonl` already
            help: name a file that does not exist
            [exit 2]

            $ holdpoint prove 1 --out proof
            event 1 is in the log of 28 events: the proof is in proof

            $ holdpoint evidence list 1
            no evidence

            $ holdpoint verify
            the log is whole: 28 events in 2 streams, [n] bytes
            every run replays: 1 run
            root sha256:[digest]
            "#);
        }
    }
    for line in ["history --json", "export", "checkpoint", "prove 2", "project show", "list --json"]
    {
        let ran = beside.sh(line);
        assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{line}");
        assert_eq!(ran.output.lines().count(), alone.must(line).lines().count(), "{line}");
    }
    working.ends();
    // What was written there is what was meant.
    beside.must("verify");
    assert_eq!(beside.must("export"), fs::read_to_string(beside.path("events.jsonl")).unwrap());
    beside.must("--dir back restore copy");
    beside.must("--dir back verify");
}

#[test]
fn what_is_submitted_from_another_terminal_is_begun_at_once_and_can_be_watched() {
    let place = place();
    let working = Working::new(&place, "work --follow");
    place.must("submit ship --input title=One --as ada");
    until("it is not begun", || place.path("begun").exists());
    let watches = place.command(&words("watch 1 --expect completed")).spawn().unwrap();
    let leaves = place.command(&words("watch 1 --json --follow")).spawn().unwrap();
    // Several at once, none of which waits for another.
    let asks: Vec<_> = (0..8).map(|_| place.command(&words("show 1")).spawn().unwrap()).collect();
    for ask in asks {
        let ran = finish(ask);
        assert!(ran.code == Some(0) && ran.output.contains("ship"), "{ran}");
    }
    // Ctrl-C ends what was typed there, and not the work.
    send(&leaves, Signal::INT);
    let ran = finish(leaves);
    assert_eq!(ran.code, Some(0), "{ran}");
    let last: Value = serde_json::from_str(ran.output.lines().last().unwrap()).unwrap();
    assert_eq!((&last["interrupted"], &last["run"]["status"]), (&true.into(), &"working".into()));
    place.write("go-on", "");
    let ran = finish(watches);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.output.ends_with("run 1 (One) has ended: completed\n"), "{ran}");
    let refused = place.sh("watch 1 --expect failed");
    assert_eq!(refused.code, Some(1), "{refused}");
    working.ends();
}

#[test]
fn whoever_watches_goes_on_by_itself_when_the_process_that_works_is_gone() {
    for killed in [true, false] {
        let place = Place::lab();
        let amended = PATCH.replace("not: [requester]", "not: [requester]\n        amended: reset");
        place.write("patch.yaml", amended.replace("version: 1", "version: 2"));
        place.must("definitions publish patch.yaml --as ada");
        place.must("submit patch --input title=One --as ada");
        let working = Working::new(&place, "work --follow");
        let line = "watch 1 --json --follow --expect done";
        let mut watches = place.command(&words(line)).spawn().unwrap();
        let (sender, told) = channel();
        let lines = BufReader::new(watches.stdout.take().unwrap()).lines();
        let reader =
            thread::spawn(move || lines.for_each(|line| sender.send(line.unwrap()).unwrap()));
        // It is served once it tells something.
        let mut n = 0;
        let first = loop {
            n += 1;
            place.must(&format!("amend 1 --input title=Number{n} --reason again --as ada"));
            if let Ok(first) = told.recv_timeout(Duration::from_millis(10)) {
                break first;
            }
        };
        if killed {
            working.dies();
        } else {
            working.ends();
        }
        let socket = place.path(DATA).join("control.sock");
        until("nobody takes over", || UnixStream::connect(&socket).is_ok());
        place.must("approve 1 --as bob");
        place.must("signal 1 tested --as bob");
        let ran = finish(watches);
        assert_eq!(ran.code, Some(0), "{ran}");
        reader.join().unwrap();
        let told: Vec<Value> = std::iter::once(first)
            .chain(told.iter())
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect();
        let (last, events) = told.split_last().unwrap();
        assert_eq!(last["run"]["outcome"], "done", "{last}");
        // None is missing and none is told twice.
        let versions: Vec<u64> =
            events.iter().map(|event| event["version"].as_u64().unwrap()).collect();
        let all: Vec<u64> = (versions[0]..).take(versions.len()).collect();
        assert_eq!(versions, all);
        assert_eq!(events.last().unwrap()["type"], "holdpoint.run.ended");
        assert!(!socket.exists());
    }
}

#[test]
fn what_needs_the_directory_for_itself_says_so() {
    let _filters = filters();
    let place = Place::lab();
    place.must("backup copy");
    place.must("export events.jsonl");
    let working = Working::new(&place, "work --follow");
    let shown = place.shows(&[
        "work --wait 0",
        "init",
        "restore copy",
        "import events.jsonl",
        "salvage new",
        "work --wait 0 --json",
    ]);
    assert_snapshot!(shown, @r#"
    $ holdpoint work --wait 0
    error: the log in `./holdpoint-data/log` is in use by process [pid] (holdpoint work)
    help: it does what runs ask for: `holdpoint watch RUN` shows one of them from here
    [exit 4]

    $ holdpoint init
    error: `./holdpoint-data` is a data directory already
    help: use it as it is, or name another directory
    [exit 2]

    $ holdpoint restore copy
    error: `./holdpoint-data` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint import events.jsonl
    error: `./holdpoint-data` is not an empty directory
    help: name a directory that is empty or does not exist
    [exit 2]

    $ holdpoint salvage new
    error: the log in `./holdpoint-data/log` is in use by process [pid] (holdpoint work)
    help: one process works on a log at a time: wait for it, or stop it
    [exit 4]

    $ holdpoint work --wait 0 --json
    {
      "error": {
        "help": [
          "it does what runs ask for: `holdpoint watch RUN` shows one of them from here"
        ],
        "kind": "busy",
        "message": "the log in `./holdpoint-data/log` is in use by process [pid] (holdpoint work)"
      }
    }
    [exit 4]
    "#);
    working.ends();
}

#[test]
fn files_are_those_of_whoever_calls() {
    let place = Place::lab();
    let working = Working::new(&place, "work --follow");
    fs::create_dir(place.path("other")).unwrap();
    place.write("other/input.json", r#"{ "title": "From a file" }"#);
    place.write("other/report.md", "it works");
    place.write("other/shown.yaml", SHOWN);
    let from = |line: &str, input: &str| {
        let line = format!("--dir ../{DATA} {line}");
        let mut command = place.command(&words(&line));
        let mut child =
            command.current_dir(place.path("other")).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let ran = finish(child);
        assert_eq!(ran.code, Some(0), "{line}:\n{ran}");
        ran.output
    };
    let input = r#"{ "title": "From a pipe" }"#;
    from("definitions publish shown.yaml --as ada", "");
    from("submit patch --input-file input.json --as ada", "");
    from("submit patch --input-file - --as ada", input);
    // It can be read only once, and only there.
    from("submit patch --input-file /dev/stdin --as ada", input);
    let titles = place.ask("list");
    let titles: Vec<_> =
        titles["runs"].as_array().unwrap().iter().map(|run| run["title"].clone()).collect();
    assert_eq!(titles, ["From a pipe", "From a pipe", "From a file"]);
    from("submit shown --as ada", "");
    from("attach 4 report report.md --as ada", "");
    from("evidence get 4 report --out got.md", "");
    assert_eq!(fs::read_to_string(place.path("other/got.md")).unwrap(), "it works");
    from("export events.jsonl", "");
    from("backup copy", "");
    from("prove 1 --out proof", "");
    for made in ["events.jsonl", "copy/log", "proof"] {
        assert!(place.path("other").join(made).exists(), "{made}");
    }
    let refused = place.sh("prove 1 --out /dev/stdout");
    refused.fails_well(2, &"prove");
    working.ends();
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_none_here() {
    let place = Place::empty();
    let directory = format!("{}/data", "long".repeat(60));
    place.must(&format!("--dir {directory} init"));
    let child = place.command(&words(&format!("--dir {directory} work --follow"))).spawn().unwrap();
    until("nobody listens", || place.path(&directory).join("control.sock").exists());
    let created = format!("--dir {directory} project create lab --as ada");
    place.must(&created);
    send(&child, Signal::INT);
    let ran = finish(child);
    assert!(ran.code == Some(0) && ran.errors.is_empty(), "{ran}");
}

/// A frame as it goes over the socket.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[kind], length.as_slice(), bytes].concat()
}

/// What is answered to `bytes` by the process that has the directory.
fn answer(place: &Place, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(place.path(DATA).join("control.sock")).unwrap();
    // It may have refused before it has read all.
    drop(stream.write_all(bytes));
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn whatever_comes_through_the_socket_leaves_the_work_alone() {
    let place = place();
    let working = Working::new(&place, "work --follow");
    place.must("submit ship --input title=One --as ada");
    let other = br#"{"protocol":2,"program":"9.9.9"}"#;
    let call = [other.as_slice(), b"/", b"holdpoint", b"list"].join(&0);
    let refused = answer(&place, &frame(1, &call));
    assert!(refused.contains("holdpoint 9.9.9") && refused.contains("same version"), "{refused}");
    let long = [&[1, 0xff, 0xff, 0xff, 0xff], b"x".repeat(100_000).as_slice()].concat();
    for bytes in [
        b"".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        frame(1, b""),
        frame(1, b"{}\0/\0holdpoint"),
        frame(2, b"data before a command"),
        frame(5, b""),
        frame(99, b"?"),
        vec![0; 100_000],
        long,
    ] {
        assert_eq!(answer(&place, &bytes), "", "{:?}", &bytes[..bytes.len().min(40)]);
    }
    // Some who say nothing at all.
    let silent: Vec<_> = (0..20)
        .map(|_| UnixStream::connect(place.path(DATA).join("control.sock")).unwrap())
        .collect();
    place.must("show 1");
    place.write("go-on", "");
    place.must("watch 1 --expect completed");
    working.ends();
    drop(silent);
}

#[test]
fn whoever_stops_reading_keeps_nobody() {
    let place = Place::lab();
    let working = Working::new(&place, "work --follow");
    // More than fits into what lies between the two processes and this one.
    let input = json!({ "title": "Large", "items": vec!["x".repeat(200_000)] }).to_string();
    for _ in 0..4 {
        let line = "submit patch --input-file - --as ada";
        assert_eq!(place.sh_with(line, input.as_bytes()).code, Some(0));
    }
    let mut reads = place.command(&words("export")).spawn().unwrap();
    let mut out = reads.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    place.must("approve 1 --as bob");
    place.must("verify");
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > 800_000 && rest.ends_with(b"\n"), "{}", rest.len());
    assert_eq!(finish(reads).code, Some(0));
    working.ends();
}

/// A process that has the directory, as this test has it.
struct Host {
    lock: File,
    listener: UnixListener,
}

impl Host {
    fn of(place: &Place) -> Self {
        let lock = File::options().write(true).open(place.path(DATA).join("log/lock")).unwrap();
        lock.lock().unwrap();
        lock.set_len(0).unwrap();
        (&lock).write_all(b"4711\nholdpoint work\n").unwrap();
        let listener = UnixListener::bind(place.path(DATA).join("control.sock")).unwrap();
        Self { lock, listener }
    }

    /// Answers the next one who calls with this, once the command is there.
    fn answers(&self, bytes: &[u8]) {
        let (mut stream, _) = self.listener.accept().unwrap();
        let mut begins = [0; 100];
        stream.read_exact(&mut begins).unwrap();
        stream.write_all(bytes).unwrap();
        // So that nothing which was said is lost with the connection.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        drop(stream.read_to_end(&mut Vec::new()));
    }
}

#[test]
fn whoever_is_not_answered_is_told_what_that_means() {
    let _filters = filters();
    let place = Place::lab();
    place.must("submit patch --input title=One --as ada");
    let host = Host::of(&place);
    let begun = frame(1, b"");
    let shown = |line: &str, answer: &[u8]| {
        let child = place.command(&words(line)).spawn().unwrap();
        host.answers(answer);
        format!("$ holdpoint {line}\n{}\n", finish(child))
    };
    let half = [begun.as_slice(), &frame(16, b"half of it\n")].concat();
    let refused = frame(2, b"it is not done here\0do it there");
    let told = [
        shown("approve 1 --as bob", &begun),
        shown("list", &half),
        shown("list --json", &begun),
        shown("list", &refused),
    ];
    assert_snapshot!(told.concat(), @r#"
    $ holdpoint approve 1 --as bob
    error: the process that has the directory ended before it had answered
    help: nobody knows whether the command was done: `holdpoint history` shows it. A command to runs can be sent again with `--command-id [uuid]`: it is not done twice to any
    [exit 3]

    $ holdpoint list
    error: the process that has the directory ended before it had answered
    help: run the command again
    half of it
    [exit 3]

    $ holdpoint list --json
    {
      "error": {
        "help": [
          "run the command again"
        ],
        "kind": "storage",
        "message": "the process that has the directory ended before it had answered"
      }
    }
    [exit 3]

    $ holdpoint list
    error: it is not done here
    help: do it there
    [exit 4]
    "#);
    // What was not begun is done as soon as the directory is free.
    let child = place.command(&words("approve 1 --as bob --wait 300")).spawn().unwrap();
    host.answers(b"");
    let Host { lock, listener } = host;
    drop(listener);
    lock.unlock().unwrap();
    let ran = finish(child);
    assert_eq!(ran.code, Some(0), "{ran}");
    // What is left of a process that was killed keeps nobody.
    assert!(is_stale(&place.path(DATA).join("control.sock")));
    place.must("show 1");
    place.must("work");
    assert!(!place.path(DATA).join("control.sock").exists());
}

#[test]
fn whoever_does_not_answer_is_not_waited_for_and_does_nothing_later() {
    let _filters = filters();
    let place = Place::lab();
    place.must("submit patch --input title=One --as ada");
    let before = place.must("history 1 --json");
    let working = Working::new(&place, "work --follow");
    let process = working.1.as_ref().unwrap();
    send(process, Signal::STOP);
    let number = process.id().to_string();
    let shown = place
        .shows(&["approve 1 --as bob --wait 1", "show 1 --wait 0", "list --wait 1 --json"])
        .replace(&number, "[pid]");
    assert_snapshot!(shown, @r#"
    $ holdpoint approve 1 --as bob --wait 1
    error: the process [pid] that has the directory does not answer
    help: nothing was done. It is stopped or hangs: have it go on (`kill -CONT [pid]`), wait longer with `--wait SECONDS`, or end it
    [exit 4]

    $ holdpoint show 1 --wait 0
    error: the process [pid] that has the directory does not answer
    help: nothing was done. It is stopped or hangs: have it go on (`kill -CONT [pid]`), wait longer with `--wait SECONDS`, or end it
    [exit 4]

    $ holdpoint list --wait 1 --json
    {
      "error": {
        "help": [
          "nothing was done. It is stopped or hangs: have it go on (`kill -CONT [pid]`), wait longer with `--wait SECONDS`, or end it"
        ],
        "kind": "busy",
        "message": "the process [pid] that has the directory does not answer"
      }
    }
    [exit 4]
    "#);
    send(process, Signal::CONT);
    assert_eq!(place.must("history 1 --json"), before);
    place.must("approve 1 --as bob");
    working.ends();
}

#[test]
fn what_begins_while_it_is_given_up_is_not_known_to_be_undone() {
    let place = Place::lab();
    place.must("submit patch --input title=One --as ada");
    let Host { lock: _lock, listener } = Host::of(&place);
    let calls = |line: &str| place.command(&words(line)).spawn().unwrap();
    // Who is silent till the end is given up.
    let child = calls("approve 1 --as bob --wait 1");
    let (mut stream, _) = listener.accept().unwrap();
    let ran = finish(child);
    assert!(ran.errors.contains("does not answer"), "{ran}");
    assert_eq!(ran.code, Some(4), "{ran}");
    // It cannot say any more that it begins, so it does not.
    assert!(stream.write_all(&frame(1, b"")).is_err());
}

#[test]
fn who_cannot_be_reached_is_told_as_it_is() {
    let _filters = filters();
    let place = Place::lab();
    let working = Working::new(&place, "work --follow");
    fs::remove_file(place.path(DATA).join("control.sock")).unwrap();
    assert_snapshot!(place.shows(&["list --wait 0", "work --wait 0"]), @r"
    $ holdpoint list --wait 0
    error: the log in `./holdpoint-data/log` is in use by process [pid] (holdpoint work)
    help: nothing reaches it: it is just starting or ending, or its `control.sock` was removed or could not be made. Wait for it, longer with `--wait SECONDS`, or start it anew
    [exit 4]

    $ holdpoint work --wait 0
    error: the log in `./holdpoint-data/log` is in use by process [pid] (holdpoint work)
    help: nothing reaches it: it is just starting or ending, or its `control.sock` was removed or could not be made. Wait for it, longer with `--wait SECONDS`, or start it anew
    [exit 4]
    ");
    working.ends();
}

fn is_stale(socket: &Path) -> bool {
    socket.exists() && UnixStream::connect(socket).is_err()
}
