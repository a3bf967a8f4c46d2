//! Programs do not outlive the engine that runs them, however it goes: neither they nor what they have
//! started, also where that ignores every signal that can be ignored.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use holdpoint_tests::Data;

const DEFINITION: &str = "
workflow: beat
version: 1
title: Beat
input: { type: object }
start: work
states:
  work:
    do:
      activity: { run: beat, settle: { from: requester } }
    on: { succeeded: done, failed: broken }
  done: { end: done }
  broken: { end: broken }
";

/// Has a child that ignores what can be ignored, and waits for it.
const PROGRAM: &str = r#"#!/bin/sh
sh -c 'trap "" TERM INT HUP QUIT PIPE; echo $$ > child.new; mv child.new child
       while :; do echo beat >> beats; sleep 0.02; done' > /dev/null 2>&1 &
echo "$$ $PPID" > program.new
mv program.new program
wait
"#;

/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(300);

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process still does something; one that nobody has waited for yet is a zombie.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn processes(data: &Path) -> Vec<String> {
    let files = ["program", "child"].map(|name| data.join(name));
    until("the program does not begin", || files.iter().all(|file| file.exists()));
    let texts = files.map(|file| fs::read_to_string(file).unwrap());
    texts.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
}

fn prepared() -> Data {
    let data = Data::new();
    data.must(&["init"]);
    data.must(&["project", "create", "lab", "--as", "ada"]);
    let file = data.beside().join("beat.yaml");
    fs::write(&file, DEFINITION).unwrap();
    data.must(&["definitions", "publish", file.to_str().unwrap(), "--as", "ada"]);
    let configuration = "[activity.beat]\ncommand = [\"/bin/sh\", \"beat.sh\"]\n";
    fs::write(data.path().join("holdpoint.toml"), configuration).unwrap();
    fs::write(data.path().join("beat.sh"), PROGRAM).unwrap();
    data.must(&["submit", "beat", "--as", "ada"]);
    data
}

#[test]
fn a_program_ends_with_its_engine() {
    for signal in ["KILL", "TERM", "ABRT"] {
        let data = prepared();
        let mut engine = data.command(&["work"]).spawn().unwrap();
        let processes = processes(&data.path());
        assert_eq!(processes.len(), 3, "the program, its guard and its child: {processes:?}");
        let beats = || fs::metadata(data.path().join("beats")).map_or(0, |beats| beats.len());
        let before = beats();
        until("nothing beats", || beats() > before);
        assert!(processes.iter().all(|pid| lives(pid)), "{processes:?}");
        let told = Command::new("kill").args(["-s", signal, &engine.id().to_string()]).status();
        assert!(told.unwrap().success());
        engine.wait().unwrap();
        for pid in &processes {
            until(&format!("{pid} outlives its engine, after {signal}"), || !lives(pid));
        }

        // Nobody knows how far it came, and a person decides.
        for name in ["program", "child"] {
            fs::remove_file(data.path().join(name)).unwrap();
        }
        data.must(&["work"]);
        assert!(!data.path().join("program").exists(), "it was not done again");
        let shown = data.ask(&["show", "1"]);
        assert_eq!(shown["view"]["status"], "stuck", "{shown}");
        assert_eq!(shown["view"]["unknown"][0]["reason"], "the engine stopped during the attempt");
        data.must(&["settle", "1", "done", "--reason", "it beat", "--as", "ada"]);
        let shown = data.ask(&["show", "1"]);
        assert_eq!(shown["view"]["outcome"], "done", "{shown}");
    }
}

/// What becomes of the attempt when the program is so.
fn ends(program: &str) -> String {
    let data = prepared();
    let configuration = format!("[activity.beat]\ncommand = [{program}]\n");
    fs::write(data.path().join("holdpoint.toml"), configuration).unwrap();
    data.must(&["work"]);
    let about = |line: &&String| line.contains("holdpoint.activity.");
    data.history().iter().rfind(about).unwrap().clone()
}

#[test]
fn a_guarded_program_ends_as_it_would_alone() {
    let sh = |script: &str| format!("\"/bin/sh\", \"-c\", {script:?}");
    for (program, says) in [
        (sh("cat; echo; echo no >&2"), r#""json":{},"stderr":"no\n","stdout":"{}\n""#),
        (sh("exit 3"), "`/bin/sh` ended with exit status: 3: it said nothing"),
        (sh("exit 125"), "`/bin/sh` ended with exit status: 125: it said nothing"),
        (sh("echo help; kill -s TERM $$"), "ended with signal: 15 (SIGTERM): help"),
        (sh("kill -s KILL $$"), "ended with signal: 9 (SIGKILL)"),
        ("\"./no-such\"".to_owned(), "`./no-such` cannot be run: No such file or directory"),
        (sh("exec 0<&-; exit 0"), "holdpoint.activity.completed"),
    ] {
        let ended = ends(&program);
        assert!(ended.contains(says), "{program}: {ended}");
    }
}

#[test]
fn what_a_program_leaves_in_the_background_goes_on() {
    let data = prepared();
    let script = "sh -c 'echo $$ > child.new; mv child.new child; exec sleep 1000' >/dev/null 2>&1 & \
                  while [ ! -e child ]; do sleep 0.01; done";
    let configuration = format!("[activity.beat]\ncommand = [\"/bin/sh\", \"-c\", {script:?}]\n");
    fs::write(data.path().join("holdpoint.toml"), configuration).unwrap();
    data.must(&["work"]);
    let left = fs::read_to_string(data.path().join("child")).unwrap();
    assert!(lives(left.trim()), "it was killed");
    let ended = Command::new("kill").args(["-s", "KILL", left.trim()]).status();
    assert!(ended.unwrap().success());
}
