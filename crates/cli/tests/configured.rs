//! What an activity was when it was done, where the operator has changed that meanwhile.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::common::{DATA, Place, filters};

const DEFINITION: &str = "
workflow: twice
version: 1
title: Twice
start: try
states:
  try:
    do: { activity: { run: deploy, with: { target: web-0 }, timeout: 10m } }
    on: { succeeded: agree, failed: done }
  agree:
    hold: { approval: { rules: { one: { from: role:owner, need: 1 } }, expires: 7d } }
    on: { released: roll-out, rejected: done, expired: done }
  roll-out:
    do:
      rollout:
        targets: [web-1, web-2]
        each: { run: deploy, timeout: 10m }
    on: { succeeded: done, failed: done }
  done: { end: done }
";

#[test]
fn it_can_be_told_that_something_else_was_done_under_the_same_name() {
    let _filters = filters();
    let place = Place::lab();
    let configure = |text: &str| place.write(&format!("{DATA}/holdpoint.toml"), text);
    place.write("twice.yaml", DEFINITION);
    place.must("definitions publish twice.yaml --as ada");
    configure("[activity.deploy]\ncommand = [\"true\", \"${target}\"]\n");
    place.must("submit twice --as ada");
    place.must("work");
    let before = place.must("plan 1");
    assert_snapshot!(before, @r#"
    `roll-out`: sha256:[digest]
    2 targets in 1 wave, at most 50 at once; turned round when 1 has failed
    wave 1
      1. web-1
         deploy: `deploy` {"target":"web-1"}
      2. web-2
         deploy: `deploy` {"target":"web-2"}
    `deploy` is configured here as sha256:[digest]
    "#);
    configure(
        "[queues.q]\nat_once = 9\n[activity.deploy]\nqueue = \"q\"\ncommand = [ \"true\", '${target}' ]\n",
    );
    assert_eq!(place.must("plan 1"), before);
    configure("[activity.deploy]\ncommand = [\"echo\", \"${target}\"]\n");
    assert_ne!(place.must("plan 1"), before);
    // What is written out cannot be guessed by who has not the key, which goes where the file goes.
    let key = place.path(&format!("{DATA}/configured.key"));
    let about = std::fs::metadata(&key).unwrap();
    assert_eq!((about.len(), about.permissions().mode() & 0o777), (32, 0o600));
    let here = place.must("plan 1");
    place.must("backup copy");
    place.must("--dir restored restore copy");
    assert_eq!(place.must("--dir restored plan 1"), here);
    std::fs::rename(&key, key.with_extension("aside")).unwrap();
    assert!(!place.must("plan 1").contains("is configured here as"));
    std::fs::rename(key.with_extension("aside"), &key).unwrap();
    let now = place.ask("plan 1")["activities"]["deploy"].clone();
    place.must("approve 1 --as ada");
    place.must("work");
    let history = place.must("history 1");
    let began: Vec<&str> = history.lines().filter(|line| line.contains("began `deploy`")).collect();
    assert_snapshot!(began.join("\n"), @"
    [time]  engine  began `deploy` for try#1
    [time]  engine  began `deploy` for roll-out#1/web-1 (configured otherwise than before: sha256:[digest])
    [time]  engine  began `deploy` for roll-out#1/web-2
    ");
    let recorded: Vec<serde_json::Value> = place
        .must("history 1 --json")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|event| event["type"] == "holdpoint.activity.started")
        .map(|event| event["data"]["configured"].clone())
        .collect();
    assert_eq!(recorded.len(), 3);
    assert_eq!(recorded[1..], [now.clone(), now]);
    assert_ne!(recorded[0], recorded[1]);
}
