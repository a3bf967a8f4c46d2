//! `logs`: what programs write, while they run, from another process than the one that has them run.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Child,
};

use insta::assert_snapshot;

use crate::common::{DATA, Place, filters, finish, until, words};

/// Rolls one target out, and does something without a target behind it.
const DEFINITION: &str = "
workflow: roll
version: 1
title: Roll
input:
  type: object
  required: [title]
  properties: { title: { type: string } }
start: implement
states:
  implement:
    do:
      rollout:
        targets: [web-1, web-2]
        waves: [100%]
        max_parallel: 1
        each: { run: deploy, timeout: 10m }
    on: { succeeded: tell, failed: failed }
  tell:
    do: { activity: { run: announce, timeout: 10m } }
    on: { succeeded: done, failed: failed }
  done: { end: completed }
  failed: { end: failed }
";

/// A secret that comes in two pieces, a line that is written over, and one that never ends.
const DEPLOY: &str = r#"
secrets = ["TOKEN"]
[activity.deploy]
shell = true
command = ["""
echo "deploying $1 with s3cret"
printf 's3'
sleep 0.05
printf 'cret is masked\\n10%%\\r20%%\\n\\033[31mred\\033[0m\\n'
[ -e ../go-on ] || printf 'really?'
touch ../asked-$1
until [ -e ../go-on ]; do sleep 0.01; done
echo yes
""", "${target}"]
environment = { TOKEN = "s3cret" }
[activity.announce]
shell = true
command = ["echo done; exit 7"]
"#;

fn place() -> Place {
    let place = Place::lab();
    place.write("roll.yaml", DEFINITION);
    place.must("definitions publish roll.yaml --as ada");
    place.write(&format!("{DATA}/holdpoint.toml"), DEPLOY);
    place.must("submit roll --input 'title=Version 2' --as ada");
    place
}

/// Has the work begun, and waits until the first program asks.
fn begun(place: &Place) -> Child {
    let works = place.command(&words("work")).spawn().unwrap();
    until("nothing is asked", || place.path("asked-web-1").exists());
    works
}

#[test]
fn what_a_program_writes_is_followed_from_another_process() {
    let _filters = filters();
    let place = place();
    assert_eq!(
        place.must("logs"),
        "nothing that programs have written is kept of it; `holdpoint history` has what was recorded\n"
    );
    assert_eq!(place.ask("logs 1")["outputs"], serde_json::json!([]));
    let works = begun(&place);
    let mut follows = place.command(&words("logs 1 --follow")).spawn().unwrap();
    let mut followed = BufReader::new(follows.stdout.take().unwrap()).lines();
    let mut next = move || followed.next().unwrap().unwrap();
    let first: Vec<String> = (0..6).map(|_| next()).collect();
    assert_snapshot!(first.join("\n"), @r"
    implement#1/web-1/deploy: `deploy`, attempt 1, began at [time] UTC
    implement#1/web-1/deploy | deploying web-1 with ******
    implement#1/web-1/deploy | ****** is masked
    implement#1/web-1/deploy | 20%
    implement#1/web-1/deploy | red
    implement#1/web-1/deploy | really?
    ");
    assert_snapshot!(place.must("logs --tail 2"), @r"
    run 1 implement#1/web-1/deploy: `deploy`, attempt 1, began at [time] UTC
    run 1 implement#1/web-1/deploy | red
    run 1 implement#1/web-1/deploy | really?
    ");
    for (misspelt, help) in [
        ("logs 2", "what is kept is of the runs: lab/1"),
        ("logs other/1", "what is kept is of the runs: lab/1"),
        ("logs other/1 --follow", "what is kept is of the runs: lab/1"),
        ("logs 1 web-9", "what is kept is of: implement#1/web-1/deploy, web-1"),
        ("logs --project other", "the projects with runs are: lab"),
    ] {
        let ran = place.sh(misspelt);
        assert!(ran.fails_well(2, &misspelt).errors.contains(help), "{misspelt}: {ran}");
    }

    place.write("go-on", "");
    let rest: Vec<String> = (0..12).map(|_| next()).collect();
    assert_snapshot!(rest.join("\n"), @r"
    implement#1/web-1/deploy | yes
    implement#1/web-1/deploy: exit status: 0 at [time] UTC
    implement#1/web-2/deploy: `deploy`, attempt 1, began at [time] UTC
    implement#1/web-2/deploy | deploying web-2 with ******
    implement#1/web-2/deploy | ****** is masked
    implement#1/web-2/deploy | 20%
    implement#1/web-2/deploy | red
    implement#1/web-2/deploy | yes
    implement#1/web-2/deploy: exit status: 0 at [time] UTC
    tell#1: `announce`, attempt 1, began at [time] UTC
    tell#1 | done
    tell#1: exit status: 7 at [time] UTC
    ");
    follows.kill().unwrap();
    follows.wait().unwrap();
    let worked = finish(works);
    assert_eq!(worked.code, Some(0), "{worked}");

    // What has ended is kept for a while, too.
    assert_snapshot!(place.must("logs lab/1 web-2 --tail 1"), @r"
    implement#1/web-2/deploy: `deploy`, attempt 1, began at [time] UTC
    implement#1/web-2/deploy | yes
    implement#1/web-2/deploy: exit status: 0 at [time] UTC
    ");
    let told = &place.ask("logs 1 tell#1")["outputs"][0];
    assert_eq!(told["lines"], serde_json::json!(["done"]));
    assert_eq!((&told["number"], &told["running"]), (&1.into(), &false.into()));
    assert_eq!(told["ended"]["how"], "exit status: 7");
    for entry in fs::read_dir(place.path(DATA).join("output")).unwrap() {
        let written = fs::read(entry.unwrap().path().join("0")).unwrap();
        assert!(!String::from_utf8(written).unwrap().contains("s3"));
    }
}

#[test]
fn an_engine_that_is_killed_leaves_what_was_written_and_nothing_wrong() {
    let _filters = filters();
    let place = place();
    let mut works = begun(&place);
    // A program asks, and goes on, before the engine has read what it asked.
    until("what is asked is not kept", || place.must("logs 1").contains("really?"));
    works.kill().unwrap();
    works.wait().unwrap();
    assert_snapshot!(place.must("logs 1 --tail 1"), @r"
    implement#1/web-1/deploy: `deploy`, attempt 1, began at [time] UTC
    implement#1/web-1/deploy | really?
    implement#1/web-1/deploy: cut off: nobody followed the program to its end
    ");
    place.write("go-on", "");
    // It is no part of the truth: others may remove it.
    fs::remove_dir_all(place.path(DATA).join("output")).unwrap();
    place.must("work");
    let ends = place.must("logs 1 implement#1/web-1/deploy --tail 1");
    assert!(ends.contains("attempt 2") && ends.contains("exit status: 0"), "{ends}");
    place.must("verify");
}
