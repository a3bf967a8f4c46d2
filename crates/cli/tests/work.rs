//! `work`: programs as activities, that succeed, fail, are tried again, or leave a target stuck.

use std::fs;

use insta::assert_snapshot;

use crate::common::{DATA, Place, filters, finish, until, words};

/// Rolls two targets out, without a health check.
const ROLLOUT: &str = "
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
        waves: [1, 100%]
        max_failed: 1
        each: { run: deploy, timeout: 10m, retry: { attempts: 2, backoff: fixed, delay: 10ms } }
        rollback: { run: restore, timeout: 10m }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: completed }
  undone: { end: rolled-back }
  failed: { end: failed }
";

/// Each program runs in the data directory; what it notes there is what it was asked.
const NOTE: &str = r#"echo \"$1 $HOLDPOINT_ATTEMPT\" >> ../notes; "#;

fn place(deploy: &str, restore: &str) -> Place {
    let place = Place::lab();
    place.write("roll.yaml", ROLLOUT);
    place.must("definitions publish roll.yaml --as ada");
    configure(&place, deploy, restore);
    place.must("submit roll --input 'title=Version 2' --as ada");
    place
}

fn configure(place: &Place, deploy: &str, restore: &str) {
    let activity = |name: &str, script: &str| {
        format!(
            "[activity.{name}]\ncommand = [\"/bin/sh\", \"-c\", \"{NOTE}{script}\", \"{name}\", \
             \"{name} ${{target}}\"]\n"
        )
    };
    let text = activity("deploy", deploy) + &activity("restore", restore);
    place.write(&format!("{DATA}/holdpoint.toml"), text);
}

fn notes(place: &Place) -> String {
    fs::read_to_string(place.path("notes")).unwrap()
}

#[test]
fn work_that_succeeds() {
    let _filters = filters();
    let place = place("true", "true");
    assert_snapshot!(place.shows(&["work", "show 1", "work", "work --until-idle --json"]), @r#"
    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-1
    [time]  run 1  web-1 (wave 1) was deployed to
    [time]  run 1  wave 2 began, with 1 target
    [time]  run 1  began `deploy` for implement#1/web-2
    [time]  run 1  web-2 (wave 2) was deployed to
    [time]  run 1  the rollout is over: succeeded
    [time]  run 1  it reached `done`
    [time]  run 1  it ended: completed
    run 1 (Version 2) has ended: completed
    nothing left to do

    $ holdpoint show 1
    run 1: Version 2
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 14
    input     title = "Version 2"

    it has ended: completed
    rollout: done, wave 2 of 2, 0 of 2 targets failed
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   healthy

    $ holdpoint work
    nothing left to do

    $ holdpoint work --until-idle --json
    {
      "interrupted": false,
      "next_timer": null,
      "runs": []
    }
    "#);
    assert_snapshot!(notes(&place), @"
    deploy web-1 1
    deploy web-2 1
    ");
}

#[test]
fn work_that_succeeds_at_the_second_attempt() {
    let _filters = filters();
    let place = place("test $HOLDPOINT_ATTEMPT = 2 || { echo not yet >&2; exit 3; }", "true");
    assert_snapshot!(place.shows(&["work"]), @"
    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-1
    [time]  run 1  attempt 1 at implement#1/web-1/deploy failed, the next is at [time]: `/bin/sh` ended with exit status: 3: not yet
    [time]  run 1  began `deploy` for implement#1/web-1 again, attempt 2, with the same key
    [time]  run 1  web-1 (wave 1) was deployed to
    [time]  run 1  wave 2 began, with 1 target
    [time]  run 1  began `deploy` for implement#1/web-2
    [time]  run 1  attempt 1 at implement#1/web-2/deploy failed, the next is at [time]: `/bin/sh` ended with exit status: 3: not yet
    [time]  run 1  began `deploy` for implement#1/web-2 again, attempt 2, with the same key
    [time]  run 1  web-2 (wave 2) was deployed to
    [time]  run 1  the rollout is over: succeeded
    [time]  run 1  it reached `done`
    [time]  run 1  it ended: completed
    run 1 (Version 2) has ended: completed
    nothing left to do
    ");
    assert_snapshot!(notes(&place), @"
    deploy web-1 1
    deploy web-1 2
    deploy web-2 1
    deploy web-2 2
    ");
}

#[test]
fn work_that_fails_is_undone_the_last_target_first() {
    let _filters = filters();
    let place = place("test \\\"$1\\\" = 'deploy web-1' || { echo no room >&2; exit 1; }", "true");
    assert_snapshot!(place.shows(&["work", "show 1", "list", "history 1"]), @r#"
    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-1
    [time]  run 1  web-1 (wave 1) was deployed to
    [time]  run 1  wave 2 began, with 1 target
    [time]  run 1  began `deploy` for implement#1/web-2
    [time]  run 1  attempt 1 at implement#1/web-2/deploy failed, the next is at [time]: `/bin/sh` ended with exit status: 1: no room
    [time]  run 1  began `deploy` for implement#1/web-2 again, attempt 2, with the same key
    [time]  run 1  implement#1/web-2/deploy failed at attempt 2, the last
    [time]  run 1  web-2 (wave 2) failed: `/bin/sh` ended with exit status: 1: no room
    [time]  run 1  the rollout is being undone, the last target first: 1 target failed
    [time]  run 1  began `restore` for implement#1/web-2
    [time]  run 1  web-2 (wave 2) was restored
    [time]  run 1  began `restore` for implement#1/web-1
    [time]  run 1  web-1 (wave 1) was restored
    [time]  run 1  the rollout is over: rolled back
    [time]  run 1  it reached `undone`
    [time]  run 1  it ended: rolled-back
    run 1 (Version 2) has ended: rolled-back
    nothing left to do

    $ holdpoint show 1
    run 1: Version 2
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 23
    input     title = "Version 2"

    it has ended: rolled-back
    rollout: undone, wave 2 of 2, 1 of 2 targets failed
      WAVE  TARGET  STATE
      1     web-1   restored
      2     web-2   restored  before: `/bin/sh` ended with exit status: 1: no room

    $ holdpoint list
    RUN  TITLE      DEFINITION  STATE   STATUS              REQUESTER  UPDATED (UTC)
    1    Version 2  roll v1     undone  ended: rolled-back  ada        [time]

    $ holdpoint history 1
    run 1: Version 2
      [time]  ada     submitted it to roll v1
      [time]  ada     it reached `implement`
      [time]  ada     the rollout to 2 targets began, in 2 waves up to 1, 2
      [time]  ada     wave 1 began, with 1 target
      [time]  engine  began `deploy` for implement#1/web-1
      [time]  engine  web-1 (wave 1) was deployed to
      [time]  engine  wave 2 began, with 1 target
      [time]  engine  began `deploy` for implement#1/web-2
      [time]  engine  attempt 1 at implement#1/web-2/deploy failed, the next is at [time]: `/bin/sh` ended with exit status: 1: no room
      [time]  engine  began `deploy` for implement#1/web-2 again, attempt 2, with the same key
      [time]  engine  implement#1/web-2/deploy failed at attempt 2, the last
      [time]  engine  web-2 (wave 2) failed: `/bin/sh` ended with exit status: 1: no room
      [time]  engine  the rollout is being undone, the last target first: 1 target failed
      [time]  engine  began `restore` for implement#1/web-2
      [time]  engine  web-2 (wave 2) was restored
      [time]  engine  began `restore` for implement#1/web-1
      [time]  engine  web-1 (wave 1) was restored
      [time]  engine  the rollout is over: rolled back
      [time]  engine  it reached `undone`
      [time]  engine  it ended: rolled-back

    times are UTC; with `--json` every event is printed as it is stored
    "#);
    assert_snapshot!(notes(&place), @"
    deploy web-1 1
    deploy web-2 1
    deploy web-2 2
    restore web-2 1
    restore web-1 1
    ");
}

#[test]
fn an_undo_that_fails_leaves_a_person_with_the_next_steps() {
    let _filters = filters();
    let place = place("exit 1", "exit 7");
    assert_snapshot!(place.shows(&["work", "show 1", "list --status stuck", "work"]), @r#"
    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-1
    [time]  run 1  attempt 1 at implement#1/web-1/deploy failed, the next is at [time]: `/bin/sh` ended with exit status: 1: it said nothing
    [time]  run 1  began `deploy` for implement#1/web-1 again, attempt 2, with the same key
    [time]  run 1  implement#1/web-1/deploy failed at attempt 2, the last
    [time]  run 1  web-1 (wave 1) failed: `/bin/sh` ended with exit status: 1: it said nothing
    [time]  run 1  the rollout is being undone, the last target first: 1 target failed
    [time]  run 1  began `restore` for implement#1/web-1
    [time]  run 1  implement#1/web-1/restore failed at attempt 1, the last
    [time]  run 1  web-1 (wave 1) could not be restored, and a person must decide: `/bin/sh` ended with exit status: 7: it said nothing
    run 1 (Version 2) is stuck at `implement`: `holdpoint show 1` says what can be done
    nothing left to do

    $ holdpoint show 1
    run 1: Version 2
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 13
    input     title = "Version 2"

    stuck at `implement`: a person must decide how it goes on
    rollout: stuck, wave 1 of 2, 1 of 2 targets failed
      WAVE  TARGET  STATE
      1     web-1   stuck    `/bin/sh` ended with exit status: 7: it said nothing (before that: `/bin/sh` ended with exit status: 1: it said nothing)
      2     web-2   waiting
    next: try again to restore web-1: `holdpoint retry 1`
    next: restore web-1 by hand and say so: `holdpoint take-over 1`
    next: leave a target as it is: `holdpoint skip 1 TARGET --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint list --status stuck
    RUN  TITLE      DEFINITION  STATE      STATUS  REQUESTER  UPDATED (UTC)
    1    Version 2  roll v1     implement  stuck   ada        [time]

    $ holdpoint work
    nothing left to do
    "#);
    // The fault is mended, and the very step that the run named is taken.
    configure(&place, "exit 1", "true");
    assert_snapshot!(place.shows(&["retry 1 --as ada", "work"]), @"
    $ holdpoint retry 1 --as ada
    retried run 1: Version 2
    working at `implement`
    rollout: undoing, wave 1 of 2, 1 of 2 targets failed
      WAVE  TARGET  STATE
      1     web-1   restoring  before: `/bin/sh` ended with exit status: 1: it said nothing
      2     web-2   waiting
    next: run `holdpoint work`, which does what machines are to do
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 1  began `restore` for implement#1/web-1
    [time]  run 1  web-1 (wave 1) was restored
    [time]  run 1  the rollout is over: rolled back
    [time]  run 1  it reached `undone`
    [time]  run 1  it ended: rolled-back
    run 1 (Version 2) has ended: rolled-back
    nothing left to do
    ");
    assert_eq!(place.ask("show 1")["outcome"], "rolled-back");
}

#[test]
fn what_is_stuck_can_be_taken_over() {
    let _filters = filters();
    let place = place("exit 1", "exit 7");
    place.must("work");
    assert_snapshot!(place.shows(&["take-over 1 --as ada", "work", "show 1"]), @r#"
    $ holdpoint take-over 1 --as ada
    took over from run 1: Version 2
    it has ended: failed
    rollout: failed, wave 1 of 2, 1 of 2 targets failed
      WAVE  TARGET  STATE
      1     web-1   taken over  `/bin/sh` ended with exit status: 7: it said nothing (before that: `/bin/sh` ended with exit status: 1: it said nothing)
      2     web-2   waiting

    $ holdpoint work
    nothing left to do

    $ holdpoint show 1
    run 1: Version 2
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 17
    input     title = "Version 2"

    it has ended: failed
    rollout: failed, wave 1 of 2, 1 of 2 targets failed
      WAVE  TARGET  STATE
      1     web-1   taken over  `/bin/sh` ended with exit status: 7: it said nothing (before that: `/bin/sh` ended with exit status: 1: it said nothing)
      2     web-2   waiting
    "#);
}

#[test]
fn what_a_program_says_cannot_steer_the_terminal() {
    let place = place("printf '\\\\033[2Jred\\\\nsecond line' >&2; exit 1", "exit 1");
    let ran = place.sh("work");
    assert_eq!(ran.code, Some(0));
    assert!(ran.errors.contains("\\u{1b}[2Jred\\nsecond line"), "{ran}");
    for text in [ran.errors, place.must("show 1"), place.must("history"), place.must("list")] {
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
        assert!(text.lines().all(|line| !line.starts_with("second line")), "{text}");
    }
}

#[test]
fn an_activity_that_is_not_configured_is_named() {
    let _filters = filters();
    let place = place("true", "true");
    place.write(&format!("{DATA}/holdpoint.toml"), "");
    assert_snapshot!(place.shows(&["work", "show 1", "list"]), @r#"
    $ holdpoint work
    error: the activity `deploy` is not configured here, and run 1 waits for it
    help: say in the directory's `holdpoint.toml` how it is done, then run `holdpoint work` again
    nothing left that can be done here
    [exit 5]

    $ holdpoint show 1
    run 1: Version 2
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 4
    input     title = "Version 2"

    working at `implement`
    rollout: rolling out, wave 1 of 2, 0 of 2 targets failed (undone at 1)
      WAVE  TARGET  STATE
      1     web-1   deploying
      2     web-2   waiting
      waiting  no activity `deploy` is configured here
    next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`
    next: begin nothing new: `holdpoint pause 1 --reason TEXT`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint list
    RUN  TITLE      DEFINITION  STATE      STATUS            REQUESTER  UPDATED (UTC)
    1    Version 2  roll v1     implement  no `deploy` here  ada        [time]
    "#);
    let listed = place.ask("list");
    assert_eq!(listed["runs"][0]["unconfigured"], serde_json::json!(["deploy"]));
    configure(&place, "true", "true");
    place.must("work");
    assert_eq!(place.ask("show 1")["outcome"], "completed");
}

const SHIP: &str = "
workflow: ship
version: 1
title: Ship
start: ship
states:
  ship:
    do: { activity: { run: deploy, settle: { run: look } } }
    on: { succeeded: notify, failed: broken }
  notify:
    do:
      activity:
        run: notify
        with: { release: '${states.ship.output.json.release}' }
        settle: { from: role:engineer }
    on: { succeeded: done, failed: broken }
  done: { end: done }
  broken: { end: broken }
";

/// Has the program killed when the activity has said `pid` and does not end; and ends what the
/// activity left behind.
fn kill_during(place: &Place) {
    let mut working = place.command(&words("work")).spawn().unwrap();
    let pid = place.path("pid");
    until("the work does not begin", || pid.exists());
    working.kill().unwrap();
    working.wait().unwrap();
    let left: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    fs::remove_file(pid).unwrap();
    if let Some(left) = rustix::process::Pid::from_raw(left) {
        // It may have ended with the program.
        let _ = rustix::process::kill_process(left, rustix::process::Signal::KILL);
    }
}

#[test]
fn whoever_is_interrupted_has_not_done_it_and_the_last_who_settles_is_warned() {
    let place = Place::lab();
    let settle = "settle: { from: member:bob, not: [requester, executors] }";
    place.write("ship.yaml", SHIP.replace("settle: { from: role:engineer }", settle));
    place.must("definitions publish ship.yaml --as ada");
    let (hang, settled) =
        ("exec sleep 1000", r#"{ "settled": "done", "output": { "json": { "release": 7 } } }"#);
    place.write(
        &format!("{DATA}/holdpoint.toml"),
        format!(
            "[activity.deploy]\ncommand = [\"/bin/echo\", '{{ \"release\": 7 }}']\n\
             [activity.look]\ncommand = [\"/bin/echo\", '{settled}']\n\
             [activity.notify]\ncommand = [\"/bin/sh\", \"-c\", 'touch ../begun; {hang}']\n"
        ),
    );
    place.must("submit ship --as ada");
    let working = place.command(&words("work")).spawn().unwrap();
    until("the work does not begin", || place.path("begun").exists());
    let pid = rustix::process::Pid::from_raw(i32::try_from(working.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ran = finish(working);
    assert_eq!(ran.code, Some(130), "{ran}");
    assert!(ran.output.contains("interrupted; `holdpoint work` takes up again"), "{ran}");
    place.must("work");
    let shown = place.must("show 1");
    assert!(shown.contains("(`bob` is the last who can: after `again` nobody could"), "{shown}");
    let ran = place.sh("settle 1 again --reason 'no mail came' --as bob");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.errors.starts_with("warning: `bob` was the last who could say"), "{ran}");
}

#[test]
fn after_a_crash_the_check_says_what_was_done_or_a_person_does() {
    let _filters = filters();
    let place = Place::lab();
    place.write("ship.yaml", SHIP);
    place.must("definitions publish ship.yaml --as ada");
    let hang = "echo $$ > ../pid.new; mv ../pid.new ../pid; exec sleep 1000";
    let settled = r#"{ "settled": "done", "output": { "json": { "release": 7 } } }"#;
    let configure = |notify: &str| {
        place.write(
            &format!("{DATA}/holdpoint.toml"),
            format!(
                "[activity.deploy]\ncommand = [\"/bin/sh\", \"-c\", '{hang}']\n\
                 [activity.look]\ncommand = [\"/bin/echo\", '{settled}']\n\
                 [activity.notify]\ncommand = [\"/bin/sh\", \"-c\", '{notify}']\n"
            ),
        );
    };
    configure(hang);
    place.must("submit ship --as ada");
    kill_during(&place);
    // `deploy` would hang again, so it is not done again; and now `notify` hangs.
    kill_during(&place);
    assert_snapshot!(place.shows(&["work", "show 1", "list"]), @"
    $ holdpoint work
    [time]  run 1  nobody knows how attempt 1 at notify#1 ended: the engine stopped during the attempt
    run 1 (Ship) is stuck at `notify`: `holdpoint show 1` says what can be done
    nothing left to do

    $ holdpoint show 1
    run 1: Ship
    id        [uuid]
    project   lab
    workflow  ship v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 11
    input     none

    stuck at `notify`: a person must decide how it goes on
      unknown  how attempt 1 at `notify#1` (`notify`) ended, since [time] UTC: the engine stopped during the attempt
               who may say what became of it: role engineer, but not the requester
               can: bob, cy, eve
    next: as role engineer, but not the requester, say what became of `notify#1`: it was done, it failed, or do it again: `holdpoint settle 1 done|failed|again --effect notify#1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint list
    RUN  TITLE  DEFINITION  STATE   STATUS  REQUESTER  UPDATED (UTC)
    1    Ship   ship v1     notify  stuck   ada        [time]
    ");
    place.sh("settle 1 done --reason seen --effect ship#1 --as bob").fails_well(1, &"another");
    place.sh("settle 1 failed --output 1 --reason seen --as bob").fails_well(2, &"an output");
    assert_snapshot!(place.shows(&[
        "settle 1 done --reason 'the mail is there' --as ada",
        "settle 1 done --reason 'the mail is there' --as bob",
        "settle 1 done --reason again --as bob",
        "history 1"
    ]), @r#"
    $ holdpoint settle 1 done --reason 'the mail is there' --as ada
    error[HP1080]: `ada` may not say what became of an attempt: `ada` is not asked
    help: role engineer, but not the requester: bob, cy, eve
    [exit 1]

    $ holdpoint settle 1 done --reason 'the mail is there' --as bob
    settled run 1: Ship
    it has ended: done

    $ holdpoint settle 1 done --reason again --as bob
    error[HP1007]: the run has ended with `done`
    help: `holdpoint history RUN` says how it ended, who ended it and why; what is still to be done takes a run of its own: `holdpoint submit DEFINITION`
    [exit 1]

    $ holdpoint history 1
    run 1: Ship
      [time]  ada     submitted it to ship v1
      [time]  ada     it reached `ship`
      [time]  ada     `ship` asked for `deploy`
      [time]  engine  began `deploy` for ship#1
      [time]  engine  nobody knows how attempt 1 at ship#1 ended: the engine stopped during the attempt
      [time]  engine  settled that attempt 1 at ship#1 had done it
      [time]  engine  the work of `ship` succeeded
      [time]  engine  it reached `notify`
      [time]  engine  `notify` asked for `notify`
      [time]  engine  began `notify` for notify#1
      [time]  engine  nobody knows how attempt 1 at notify#1 ended: the engine stopped during the attempt
      [time]  bob     settled that attempt 1 at notify#1 had done it: the mail is there
      [time]  bob     the work of `notify` succeeded
      [time]  bob     it reached `done`
      [time]  bob     it ended: done

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}

#[test]
fn following_goes_on_until_it_is_interrupted_and_others_are_told_who_has_the_directory() {
    let place = place("true", "true");
    let follow = place.command(&words("work --follow --json")).spawn().unwrap();
    until("the work does not begin", || place.path("notes").exists());
    let before = place.path(DATA).join("holdpoint.toml");
    let before = fs::read(before).unwrap();
    let ran = place.sh("work --wait 0");
    ran.fails_well(4, &"work");
    let says = format!("in use by process {} (holdpoint work)", follow.id());
    assert!(ran.errors.contains(&says), "{ran}");
    place.sh("init").fails_well(2, &"init");
    assert_eq!(fs::read(place.path(DATA).join("holdpoint.toml")).unwrap(), before);
    let pid = rustix::process::Pid::from_raw(i32::try_from(follow.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ran = finish(follow);
    assert_eq!(ran.code, Some(0), "{ran}");
    let answer: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(answer["interrupted"], true);
    place.must("work");
    assert_eq!(place.ask("show 1")["outcome"], "completed");
}

#[test]
fn what_a_failing_program_wrote_can_be_seen_whole() {
    let place = place("echo much; echo no space >&2; exit 1", "true");
    place.must("work");
    let history = place.must("history 1");
    let (_, from) = history.split_once("`holdpoint output ").unwrap();
    let digest = from.split('`').next().unwrap();
    let written = "== standard output ==\nmuch\n== standard error ==\nno space\n";
    assert_eq!(place.must(&format!("output {digest}")), written);
    assert_eq!(place.ask(&format!("output {digest}"))["output"], written);
    // What it wrote does not count as evidence that is missing or too many.
    place.must("verify");
    let unknown = "0".repeat(64);
    let refused = place.run(&["output", &unknown]);
    assert!(refused.fails_well(2, &"output").errors.contains("no output sha256:0000"));
}

#[test]
fn what_waits_for_a_queue_is_said_and_no_more_is_under_way() {
    let _filters = filters();
    let place = Place::lab();
    let definition = ROLLOUT.replace("[web-1, web-2]", "[web-1, web-2, web-3]");
    place.write("roll.yaml", definition.replace("waves: [1, 100%]", "max_parallel: all"));
    place.must("definitions publish roll.yaml --as ada");
    configure(&place, "until [ -e ../go-on ]; do sleep 0.01; done", "true");
    let file = format!("{DATA}/holdpoint.toml");
    let text = fs::read_to_string(place.path(&file)).unwrap();
    let text = text.replacen("command", "queue = \"network\"\ncommand", 1);
    place.write(&file, format!("{text}[queues.network]\nat_once = 1\n"));
    place.must("submit roll --input 'title=Version 2' --as ada");
    let works = place.command(&words("work")).spawn().unwrap();
    let waiting = |history: &str| history.matches("waits for the queue `network`").count();
    until("nothing waits for the queue", || waiting(&place.must("history 1")) == 2);
    place.write("go-on", "");
    let worked = finish(works);
    assert_eq!(worked.code, Some(0), "{worked}");
    let history = place.must("history 1");
    let about =
        |line: &&str| ["waits for", "began `", "was deployed"].iter().any(|one| line.contains(one));
    let told: Vec<&str> = history.lines().filter(about).collect();
    assert_eq!(waiting(&history), 2, "{history}");
    let work: Vec<bool> = told
        .iter()
        .filter(|line| !line.contains("waits for"))
        .map(|line| line.contains("began `"))
        .collect();
    assert_eq!(work, [true, false, true, false, true, false], "{history}");
}

#[test]
fn one_run_is_watched_until_it_has_ended() {
    let _filters = filters();
    let script = "if [ $HOLDPOINT_TARGET = web-2 ]; then echo first; echo second; exit 1; fi";
    let place = place(script, "true");
    assert_snapshot!(place.shows(&["watch 1", "watch 1 --expect completed", "watch 9"]), @"
    $ holdpoint watch 1
    [time]  began `deploy` for implement#1/web-1
    [time]  web-1 (wave 1) was deployed to
    [time]  wave 2 began, with 1 target
    [time]  began `deploy` for implement#1/web-2
    [time]  attempt 1 at implement#1/web-2/deploy failed, the next is at [time]: `/bin/sh` ended with exit status: 1: first
        | second
    [time]  began `deploy` for implement#1/web-2 again, attempt 2, with the same key
    [time]  implement#1/web-2/deploy failed at attempt 2, the last
    [time]  web-2 (wave 2) failed: `/bin/sh` ended with exit status: 1: first
        | second
    [time]  the rollout is being undone, the last target first: 1 target failed
    [time]  began `restore` for implement#1/web-2
    [time]  web-2 (wave 2) was restored
    [time]  began `restore` for implement#1/web-1
    [time]  web-1 (wave 1) was restored
    [time]  the rollout is over: rolled back
    [time]  it reached `undone`
    [time]  it ended: rolled-back
    run 1 (Version 2) has ended: rolled-back

    $ holdpoint watch 1 --expect completed
    error: run 1 (Version 2) has ended: rolled-back; expected was: completed
    help: `holdpoint show 1` says why
    run 1 (Version 2) has ended: rolled-back
    [exit 1]

    $ holdpoint watch 9
    error: there is no run 9
    help: `holdpoint list` shows the runs there are
    [exit 2]
    ");
    place.must("submit roll --input 'title=Another' --as ada");
    let lines = place.must("watch 2 --follow --json --expect rolled-back");
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, events) = lines.split_last().unwrap();
    assert_eq!(last["run"]["status"], "ended", "{last}");
    assert_eq!(last["interrupted"], false);
    assert!(events.iter().all(|event| event["subject"] == last["run"]["id"]));
    assert_eq!(events.last().unwrap()["type"], "holdpoint.run.ended");
}

#[test]
fn watching_ends_where_people_are_waited_for() {
    let _filters = filters();
    let place = Place::lab();
    place.must("submit patch --input 'title=Version 2' --as ada");
    assert_snapshot!(place.shows(&["watch 1", "watch 1 --expect done"]), @"
    $ holdpoint watch 1
    run 1 (Version 2) is held at `ask`
    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob, eve
               cannot: cy, who is not qualified in network now
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint watch 1 --expect done
    error: run 1 (Version 2) is held at `ask`; expected was: done
    help: `holdpoint show 1` says why
    run 1 (Version 2) is held at `ask`
    held at `ask`
      waiting  0 of 1 approval by role engineer, qualified in network
               can release it: bob, eve
               cannot: cy, who is not qualified in network now
      if nothing happens: `expired` at [time] UTC (in [span])
    next: approve or reject `ask`
    next: cancel the run, as `ada` or a member with the role `owner`
    [exit 1]
    ");
}
