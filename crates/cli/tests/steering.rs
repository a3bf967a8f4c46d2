//! Steering rollouts: one, several at once, and those who may not.

use insta::assert_snapshot;

use crate::common::{DATA, Place, filters};

/// Three targets: the first wave bakes, the second is held.
const ROLLOUT: &str = "
workflow: roll
version: 1
title: Roll
input: { type: object, required: [title], properties: { title: { type: string } } }
start: implement
states:
  implement:
    do:
      rollout:
        targets: [web-1, web-2, web-3]
        waves: [{ to: 1, bake: 1h }, { to: 2, hold: { from: role:engineer, need: 2, not: requester } }, 100%]
        each: { run: deploy }
        rollback: { run: restore }
    on: { succeeded: observe, rolled_back: undone, failed: failed }
  observe: { hold: { wait: { for: 2d } }, on: { released: done } }
  done: { end: completed }
  undone: { end: rolled-back }
  failed: { end: failed }
";

fn place(runs: usize) -> Place {
    let place = Place::lab();
    place.write("roll.yaml", ROLLOUT);
    place.must("definitions publish roll.yaml --as ada");
    place.write(
        &format!("{DATA}/holdpoint.toml"),
        "[activity.deploy]\ncommand = [\"/bin/true\"]\n[activity.restore]\ncommand = [\"/bin/true\"]\n",
    );
    for run in 1..=runs {
        place.must(&format!("submit roll --input 'title=Version {run}' --as ada"));
    }
    place
}

#[test]
fn a_rollout_that_bakes_is_paused_resumed_and_promoted() {
    let _filters = filters();
    let place = place(1);
    assert_snapshot!(place.shows(&[
        "work",
        "pause 1 --reason 'an incident' --as ada",
        "resume 1 --as ada",
        "promote 1 --reason 'the graphs are flat' --as ada",
        "work",
        "promote 1 --as ada",
        "promote 1 --as bob",
    ]), @"
    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-1
    [time]  run 1  web-1 (wave 1) was deployed to
    [time]  run 1  wave 1 is done and bakes until [time]
    run 1 (Version 1) is held at `implement`
    nothing left to do before [time] UTC, when a timer is due

    $ holdpoint pause 1 --reason 'an incident' --as ada
    paused run 1: Version 1
    held at `implement`
    rollout: paused, wave 1 of 3, 0 of 3 targets failed (undone at 1)
      paused by ada since [time] UTC: an incident
      wave 1 bakes; its clock stands still
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   waiting
      3     web-3   waiting
    next: go on, after the pause of ada: `holdpoint resume 1`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint resume 1 --as ada
    resumed run 1: Version 1
    held at `implement`
    rollout: baking, wave 1 of 3, 0 of 3 targets failed (undone at 1)
      wave 1 bakes until [time] UTC (in [span])
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   waiting
      3     web-3   waiting
    next: run `holdpoint work`, which notices when the time has come
    next: wait until [time] UTC
    next: go on before the time is over: `holdpoint promote 1`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint promote 1 --reason 'the graphs are flat' --as ada
    promoted run 1: Version 1
    working at `implement`
    rollout: rolling out, wave 2 of 3, 0 of 3 targets failed (undone at 1)
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   deploying
      3     web-3   waiting
    next: run `holdpoint work`, which does what machines are to do
    next: begin nothing new: `holdpoint pause 1 --reason TEXT`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-2
    [time]  run 1  web-2 (wave 2) was deployed to
    [time]  run 1  held after wave 2 until 2 of role:engineer promote it
    run 1 (Version 1) is held at `implement`
    nothing left to do

    $ holdpoint promote 1 --as ada
    error[HP1002]: `ada` is not role engineer, and may not promote the rollout here
    help: role engineer: bob, cy, eve
    [exit 1]

    $ holdpoint promote 1 --as bob
    promoted run 1: Version 1
    held at `implement`
    rollout: held, wave 2 of 3, 0 of 3 targets failed (undone at 1)
      held after wave 2: 1 of 2 promoted it
               can promote it: cy, eve
               cannot: bob, who has promoted it
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   healthy
      3     web-3   waiting
    next: go on after wave 2, as role engineer: `holdpoint promote 1`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`
    ");
}

#[test]
fn a_rollout_that_was_done_is_rolled_back() {
    let _filters = filters();
    let place = place(1);
    for line in ["work", "promote 1 --as ada", "work", "promote 1 --as bob", "promote 1 --as eve"] {
        place.must(line);
    }
    assert_snapshot!(place.shows(&[
        "work",
        "show 1",
        "rollback 1 --reason 'errors at night' --as ada",
        "work",
    ]), @r#"
    $ holdpoint work
    [time]  run 1  began `deploy` for implement#1/web-3
    [time]  run 1  web-3 (wave 3) was deployed to
    [time]  run 1  the rollout is over: succeeded
    [time]  run 1  it reached `observe`
    [time]  run 1  held at `observe`, until [time]
    run 1 (Version 1) is held at `observe`
    nothing left to do before [time] UTC, when a timer is due

    $ holdpoint show 1
    run 1: Version 1
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 23
    input     title = "Version 1"

    held at `observe`
      waiting  the time [time] UTC
    rollout: done, wave 3 of 3, 0 of 3 targets failed
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   healthy
      3     web-3   healthy
    next: run `holdpoint work`, which notices when the time has come
    next: wait until [time] UTC
    next: undo the rollout of `implement`, as the requester or role owner: `holdpoint rollback 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint rollback 1 --reason 'errors at night' --as ada
    rolled back run 1: Version 1
    working at `implement`
    rollout: undoing, wave 3 of 3, 0 of 3 targets failed
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   healthy
      3     web-3   restoring
    next: run `holdpoint work`, which does what machines are to do
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint work
    [time]  run 1  began `restore` for implement#1/web-3
    [time]  run 1  web-3 (wave 3) was restored
    [time]  run 1  began `restore` for implement#1/web-2
    [time]  run 1  web-2 (wave 2) was restored
    [time]  run 1  began `restore` for implement#1/web-1
    [time]  run 1  web-1 (wave 1) was restored
    [time]  run 1  the rollout is over: rolled back
    [time]  run 1  it reached `undone`
    [time]  run 1  it ended: rolled-back
    run 1 (Version 1) has ended: rolled-back
    nothing left to do
    "#);
}

#[test]
fn several_rollouts_are_steered_at_once() {
    let _filters = filters();
    let place = place(3);
    place.must("cancel 3 --reason 'not this' --as ada");
    place.must("work");
    assert_snapshot!(place.shows(&[
        "pause 1 2 --reason 'an incident' --as ada",
        "pause --all --reason 'an incident' --as ada",
        "resume 2 1 2 --as ada",
        "pause 2 --reason 'only this' --as ada",
        "pause 1 2 --reason 'an incident' --as ada",
        "abort --all --reason 'not today' --as ada",
    ]), @"
    $ holdpoint pause 1 2 --reason 'an incident' --as ada
    paused: run 1 (Version 1) is held at `implement`
    paused: run 2 (Version 2) is held at `implement`
    2 paused

    $ holdpoint pause --all --reason 'an incident' --as ada
    there is no rollout that this fits

    $ holdpoint resume 2 1 2 --as ada
    resumed: run 2 (Version 2) is held at `implement`
    resumed: run 1 (Version 1) is held at `implement`
    2 resumed

    $ holdpoint pause 2 --reason 'only this' --as ada
    paused run 2: Version 2
    held at `implement`
    rollout: paused, wave 1 of 3, 0 of 3 targets failed (undone at 1)
      paused by ada since [time] UTC: only this
      wave 1 bakes; its clock stands still
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   waiting
      3     web-3   waiting
    next: go on, after the pause of ada: `holdpoint resume 2`
    next: undo the rollout: `holdpoint abort 2 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint pause 1 2 --reason 'an incident' --as ada
    error[HP1006]: 1 of 2 runs refused it: the rollout is paused already, by member:ada
    help: each is told above
    paused: run 1 (Version 1) is held at `implement`
    refused: run 2 (Version 2) is held at `implement`: the rollout is paused already, by member:ada
      help     `holdpoint show RUN` says what the run waits for now
    1 paused, 1 refused
    [exit 1]

    $ holdpoint abort --all --reason 'not today' --as ada
    aborted: run 1 (Version 1) is working at `implement`
    aborted: run 2 (Version 2) is working at `implement`
    2 aborted
    ");
    // In which order the two are restored is not settled.
    place.must("work");
    assert_snapshot!(place.shows(&["list"]), @"
    $ holdpoint list
    RUN  TITLE      DEFINITION  STATE      STATUS              REQUESTER  UPDATED (UTC)
    3    Version 3  roll v1     implement  ended: cancelled    ada        [time]
    2    Version 2  roll v1     undone     ended: rolled-back  ada        [time]
    1    Version 1  roll v1     undone     ended: rolled-back  ada        [time]
    ");
}

#[test]
fn whoever_may_not_steer_is_told_who_may() {
    let _filters = filters();
    let place = place(1);
    assert_snapshot!(place.shows(&[
        "pause 1 --reason 'an incident' --as bob",
        "skip 1 web-9 --reason 'it is gone' --as ada",
        "skip 1 web-3 --reason 'it is being replaced' --as ada",
        "retry 1 --as ada",
        "take-over 1 --as ada",
        "resume --as ada",
        "pause 1 --as ada",
    ]), @"
    $ holdpoint pause 1 --reason 'an incident' --as bob
    error[HP1002]: `bob` may not steer this rollout (`pause`)
    help: the requester or role owner: ada
    [exit 1]

    $ holdpoint skip 1 web-9 --reason 'it is gone' --as ada
    error[HP1009]: the rollout has no target `web-9`
    help: `holdpoint show RUN` lists its targets
    [exit 1]

    $ holdpoint skip 1 web-3 --reason 'it is being replaced' --as ada
    skipped a target of run 1: Version 1
    working at `implement`
    rollout: rolling out, wave 1 of 3, 0 of 3 targets failed (undone at 1), 1 skipped
      WAVE  TARGET  STATE
      1     web-1   deploying
      2     web-2   waiting
      3     web-3   skipped
    next: run `holdpoint work`, which does what machines are to do
    next: begin nothing new: `holdpoint pause 1 --reason TEXT`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint retry 1 --as ada
    error[HP1006]: no target rests
    help: a target that has failed is tried again by its name
    [exit 1]

    $ holdpoint take-over 1 --as ada
    error[HP1006]: no target is stuck
    help: a target that is not stuck is taken over by its name
    [exit 1]

    $ holdpoint resume --as ada
    error: the following required arguments were not provided:
      <RUN>...
    help: the usage is `holdpoint resume --as <MEMBER> <RUN>...`
    [exit 2]

    $ holdpoint pause 1 --as ada
    error: the following required arguments were not provided:
      --reason <REASON>
    help: the usage is `holdpoint pause --reason <REASON> --as <MEMBER> <RUN>...`
    [exit 2]
    ");
}

/// Four machines at once, with nothing that restores them.
const ONE_WAY: &str = "
workflow: one-way
version: 1
title: One way
start: go
states:
  go:
    do: { rollout: { targets: [a, b, c, d], each: { run: deploy } } }
    on: { succeeded: done, failed: failed }
  done: { end: done }
  failed: { end: failed }
";

#[test]
fn what_was_stopped_before_it_began_does_not_begin() {
    let place = place(0);
    place.write("one-way.yaml", ONE_WAY);
    place.must("definitions publish one-way.yaml --as ada");
    for (run, definition, stop, ends) in [
        (1, "one-way", "cancel", "ended: cancelled"),
        (2, "one-way", "abort", "ended: failed"),
        (3, "roll --input title=One", "cancel", "ended: cancelled"),
        (4, "roll --input title=One", "abort", "ended: rolled-back"),
    ] {
        place.must(&format!("submit {definition} --as ada"));
        place.must(&format!("{stop} {run} --reason no --as ada"));
        let worked = place.shows(&["work"]);
        assert!(!worked.contains("began"), "{definition}, {stop}: {worked}");
        let shown = place.must(&format!("show {run}"));
        assert!(shown.contains(ends) && shown.contains("waiting"), "{shown}");
    }
}

#[test]
fn what_was_paused_before_it_began_begins_when_it_is_resumed() {
    let place = place(0);
    place.write("one-way.yaml", ONE_WAY);
    place.must("definitions publish one-way.yaml --as ada");
    place.must("submit one-way --as ada");
    let paused = place.must("pause 1 --reason 'an incident' --as ada");
    assert_eq!(paused.matches("waiting").count(), 4, "{paused}");
    let worked = place.shows(&["work"]);
    assert!(!worked.contains("began"), "{worked}");
    place.must("resume 1 --as ada");
    let worked = place.shows(&["work"]);
    assert_eq!(worked.matches("began `deploy`").count(), 4, "{worked}");
    assert!(place.must("show 1").contains("ended: done"));
}

/// A release that can be undone while it is observed, when it has given its lock back.
const RELEASE: &str = "
workflow: release
version: 1
title: A release
input: { type: object, required: [title], properties: { title: { type: string } } }
start: lock
states:
  lock: { hold: { lock: [web-1] }, on: { released: go } }
  go:
    do: { rollout: { targets: [web-1, web-2], each: { run: deploy }, rollback: { run: restore } } }
    on: { succeeded: observe, rolled_back: undone, failed: failed }
  observe: { unlock: true, hold: { wait: { for: 2d } }, on: { released: done } }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

#[test]
fn a_rollout_is_not_undone_over_a_newer_one_unless_that_is_named() {
    let place = place(0);
    place.write("release.yaml", RELEASE);
    place.must("definitions publish release.yaml --as ada");
    for title in ["One", "Two"] {
        place.must(&format!("submit release --input title={title} --as ada"));
        place.must("work");
    }
    let rollback = "rollback 1 --reason 'errors at night' --as ada";
    let refused = place.refuses(rollback, "HP1060");
    assert!(refused.contains("has worked at web-1, web-2 since"), "{refused}");
    assert!(refused.contains("--over 2"), "{refused}");
    // What `show` proposes can be done, and says over what.
    let shown = place.must("show 1");
    let step = "run 2 (Two) has worked at web-1, web-2 since: \
                `holdpoint rollback 1 --reason TEXT --over 2`";
    assert!(shown.contains(step), "{shown}");
    assert!(place.must("show 2").contains("`holdpoint rollback 2 --reason TEXT`"));
    let steps = place.ask("show 1")["view"]["next_steps"].to_string();
    assert!(steps.contains("\"over\":[2]"), "{steps}");
    let itself = place.refuses("rollback 1 --over 1 --reason 'errors at night' --as ada", "HP1008");
    assert!(itself.contains("not undone over the work of its own run"), "{itself}");
    // Who may not undo it learns that, and nothing else.
    place.refuses("rollback 1 --reason 'errors at night' --as bob", "HP1002");

    // What the newer one has undone itself stands against nothing.
    place.must("rollback 2 --reason 'errors at night' --as ada");
    place.must("work");
    assert!(place.must("show 2").contains("ended: undone"));
    place.must(rollback);
    place.must("work");
    assert!(place.must("show 1").contains("ended: undone"));

    for title in ["Three", "Four"] {
        place.must(&format!("submit release --input title={title} --as ada"));
        place.must("work");
    }
    place.must("rollback 3 --over 4 --reason 'whatever came since' --as ada");
    let history = place.must("history 3 --json");
    assert!(history.contains("\"over\""), "{history}");
    place.must("work");
    assert!(place.must("show 3").contains("ended: undone"));
}

/// It holds the lock that the other has given back.
const LOCKED: &str = "
workflow: locked
version: 1
title: It works at web-1
start: lock
states:
  lock: { hold: { lock: [web-1] }, on: { released: look } }
  look: { hold: { wait: { for: 2d } }, on: { released: done } }
  done: { end: done }
";

#[test]
fn a_rollout_is_not_undone_while_another_run_holds_the_lock() {
    let place = place(0);
    place.write("release.yaml", RELEASE);
    place.write("locked.yaml", LOCKED);
    place.must("definitions publish release.yaml --as ada");
    place.must("definitions publish locked.yaml --as ada");
    place.must("submit release --input title=One --as ada");
    place.must("work");
    place.must("submit locked --as ada");
    place.must("work");
    let refused = place.refuses("rollback 1 --reason 'errors' --as ada", "HP1061");
    assert!(refused.contains("holds the lock on web-1"), "{refused}");
    place.must("rollback 1 --over 2 --reason 'errors' --as ada");
    place.must("work");
    assert!(place.must("show 1").contains("ended: undone"));
}
