//! Many rollouts, and runs, at once: what is found, what would come of it, and that nothing more is
//! done than was seen.

use insta::assert_snapshot;

use crate::{
    common::{DATA, Place, filters},
    relay::Working,
};

/// What cannot be deployed to, and not be restored, says a file for each.
const FLEET: &str = "
workflow: fleet
version: 1
title: A fleet
input: { type: object, required: [title, targets], properties: { title: { type: string }, targets: { type: array, items: { type: string } } } }
start: roll-out
states:
  roll-out:
    do: { rollout: { targets: '${input.targets}', each: { run: deploy }, rollback: { run: restore } } }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

/// A wave that bakes, one that is held, and a time in which the rollout can be undone yet.
const STAGED: &str = "
workflow: staged
version: 1
title: In stages
input: { type: object, required: [title], properties: { title: { type: string } } }
start: roll-out
states:
  roll-out:
    do:
      rollout:
        targets: [web-1, web-2]
        waves: [{ to: 1, bake: 1h }, { to: 100%, hold: { from: role:engineer, not: requester } }]
        each: { run: deploy }
        rollback: { run: restore }
    on: { succeeded: observe, rolled_back: undone, failed: failed }
  observe: { hold: { wait: { for: 2d } }, on: { released: done } }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";

/// Two rollouts side by side.
const TWINS: &str = "
workflow: twins
version: 1
title: Twins
start: both
states:
  both:
    all:
      good: [done]
      others: wait
      branches:
        left: { start: to-left, states: { to-left: { do: { rollout: { targets: [l], waves: [{ to: 100%, bake: 1h }], each: { run: deploy } } }, on: { succeeded: l-done, failed: l-failed } }, l-done: { end: done }, l-failed: { end: failed } } }
        right: { start: to-right, states: { to-right: { do: { rollout: { targets: [r], waves: [{ to: 100%, bake: 1h }], each: { run: deploy } } }, on: { succeeded: r-done, failed: r-failed } }, r-done: { end: done }, r-failed: { end: failed } } }
    on: { completed: done, failed: failed }
  done: { end: done }
  failed: { end: failed }
";

fn place(definition: &str) -> Place {
    let place = Place::lab();
    place.write("definition.yaml", definition);
    place.must("definitions publish definition.yaml --as ada");
    let unless = |activity: &str| {
        format!(
            "[activity.{activity}]\ncommand = ['/bin/sh', '-c', 'test ! -e ../no-{activity}-$1', 'sh', '${{target}}']\n"
        )
    };
    let configuration = format!("{}{}", unless("deploy"), unless("restore"));
    place.write(&format!("{DATA}/holdpoint.toml"), configuration);
    place
}

/// Three fleets that are stuck, the third of them bob's: the last target of each can neither be deployed to nor
/// be restored, and of the first nor can the one before it.
fn stuck() -> Place {
    let place = place(FLEET);
    for (of, targets) in [
        ("deploy", ["web-7", "db-1"].as_slice()),
        ("restore", ["web-6", "web-7", "db-1"].as_slice()),
    ] {
        targets.iter().for_each(|target| place.write(&format!("no-{of}-{target}"), ""));
    }
    for (title, targets, by) in [
        ("One", r#"["web-1", "web-6", "web-7"]"#, "ada"),
        ("Two", r#"["web-1", "web-7"]"#, "ada"),
        ("Three", r#"["db-1"]"#, "bob"),
    ] {
        submit(&place, title, targets, by);
    }
    place.must("work");
    place
}

fn submit(place: &Place, title: &str, targets: &str, by: &str) {
    place.write("input.json", format!(r#"{{ "title": "{title}", "targets": {targets} }}"#));
    place.must(&format!("submit fleet --input-file input.json --as {by}"));
}

#[test]
fn what_is_stuck_is_tried_again_everywhere() {
    let _filters = filters();
    let place = stuck();
    let before = place.truth();
    assert_snapshot!(place.shows(&[
        "retry --all --dry-run --as ada",
        "retry --all --dry-run --as bob",
        "retry --requester bob --dry-run --as bob",
        "retry --all --target web-7 --preview --as ada",
        "promote --all --dry-run --as ada",
        "take-over --definition fleet --dry-run --as ada",
        "skip --all --target web-7 --reason 'it is dead' --dry-run --as ada",
        "skip --all --target web-9 --reason 'it is dead' --as ada",
        "skip --all --reason 'it is dead' --as ada",
        "retry --state roll-ou --as ada",
        "retry --definition flee --as ada",
        "retry --all --as nobody",
    ]), @"
    $ holdpoint retry --all --dry-run --as ada
    would be retried: run 1 (One) is stuck at `roll-out`
      web-6 (stuck), web-7 (stuck)
    would be retried: run 2 (Two) is stuck at `roll-out`
      web-7 (stuck)
    would be retried: run 3 (Three) is stuck at `roll-out`
      db-1 (stuck)
    3 would be retried

    $ holdpoint retry --all --dry-run --as bob
    error[HP1002]: 2 of 3 runs refused it: `bob` may not steer this rollout (`retry`)
    help: each is told above
    refused: run 1 (One) is stuck at `roll-out`: `bob` may not steer this rollout (`retry`)
      help     the requester or role owner: ada
    refused: run 2 (Two) is stuck at `roll-out`: `bob` may not steer this rollout (`retry`)
      help     the requester or role owner: ada
    would be retried: run 3 (Three) is stuck at `roll-out`
      db-1 (stuck)
    2 refused, 1 would be retried
    [exit 1]

    $ holdpoint retry --requester bob --dry-run --as bob
    would be retried: run 3 (Three) is stuck at `roll-out`
      db-1 (stuck)

    $ holdpoint retry --all --target web-7 --preview --as ada
    would be retried: run 1 (One) is stuck at `roll-out`
      web-7 (stuck)
    would be retried: run 2 (Two) is stuck at `roll-out`
      web-7 (stuck)
    2 would be retried

    $ holdpoint promote --all --dry-run --as ada
    there is no rollout that this fits

    $ holdpoint take-over --definition fleet --dry-run --as ada
    would be taken over: run 1 (One) is stuck at `roll-out`
      web-6 (stuck), web-7 (stuck)
    would be taken over: run 2 (Two) is stuck at `roll-out`
      web-7 (stuck)
    would be taken over: run 3 (Three) is stuck at `roll-out`
      db-1 (stuck)
    3 would be taken over

    $ holdpoint skip --all --target web-7 --reason 'it is dead' --dry-run --as ada
    would be skipped: run 1 (One) is stuck at `roll-out`
      web-7 (stuck)
    would be skipped: run 2 (Two) is stuck at `roll-out`
      web-7 (stuck)
    2 would be skipped

    $ holdpoint skip --all --target web-9 --reason 'it is dead' --as ada
    error[HP1009]: no run that this could be for has a rollout with a target `web-9`
    help: `holdpoint show RUN` lists the targets of a rollout
    [exit 1]

    $ holdpoint skip --all --reason 'it is dead' --as ada
    error: no target is named that is to be left out
    help: say `--target NAME`, or its name behind the runs: `holdpoint skip RUN NAME --reason TEXT`
    [exit 2]

    $ holdpoint retry --state roll-ou --as ada
    error[HP1009]: there is no rollout `roll-ou` in the project `lab`
    help: they are roll-out
    [exit 1]

    $ holdpoint retry --definition flee --as ada
    error[HP1009]: no definition `flee` is published in the project `lab`
    help: published are: fleet 1, patch 1
    [exit 1]

    $ holdpoint retry --all --as nobody
    error[HP1001]: `nobody` is not a member of the project `lab`
    help: `holdpoint project show` lists the members
    [exit 1]
    ");
    assert_eq!(place.truth(), before, "a preview changes nothing, and nor does a slip of the pen");
    assert_snapshot!(place.shows(&[
        "skip 1 2 3 web-7 --reason 'it is dead' --as ada",
        "retry --all --as ada",
    ]), @"
    $ holdpoint skip 1 2 3 web-7 --reason 'it is dead' --as ada
    error[HP1009]: 1 of 3 runs refused it: the rollout has no target `web-7`
    help: each is told above
    skipped: run 1 (One) is stuck at `roll-out`
      web-7
    skipped: run 2 (Two) has ended: failed
      web-7
    refused: run 3 (Three) is stuck at `roll-out`: the rollout has no target `web-7`
      help     `holdpoint show RUN` lists its targets
    2 skipped, 1 refused
    [exit 1]

    $ holdpoint retry --all --as ada
    retried: run 1 (One) is working at `roll-out`
      web-6
    retried: run 3 (Three) is working at `roll-out`
      db-1
    2 retried
    ");
}

#[test]
fn a_command_that_is_repeated_is_not_done_twice() {
    let place = stuck();
    let retry = "retry --all --as ada --command-id 01900000-0000-7000-8000-000000000001";
    let retried = place.must(retry);
    assert!(retried.ends_with("3 retried\n"), "{retried}");
    // They are stuck again, and so found again, and have answered this command.
    place.must("work");
    let before = place.truth();
    assert!(place.must(retry).ends_with("3 retried\n"));
    assert_eq!(place.truth(), before, "it was done a second time");
    // What is asked otherwise under the same id is told, run by run.
    let other = place.sh(&format!("{retry} --reason 'once more'"));
    assert_eq!((other.code, other.output.matches("refused: ").count()), (Some(1), 3));
    assert!(other.errors.contains("HP1011"), "{}", other.errors);
    assert_eq!(place.truth(), before);
    assert!(place.must("retry --all --as ada").ends_with("3 retried\n"));
    assert_ne!(place.truth(), before);
}

#[test]
fn nothing_is_done_but_what_was_seen() {
    let _filters = filters();
    let place = stuck();
    let seen = place.must("retry --all --dry-run --as ada --json");
    place.write("seen.json", seen);
    // One of two targets of the first is seen to, and another fleet has come to be stuck, since.
    place.must("take-over 1 web-6 --as ada");
    submit(&place, "Four", r#"["web-7"]"#, "ada");
    place.must("work");
    assert_snapshot!(place.shows(&[
        "skip --seen seen.json --reason 'it is dead' --as ada",
        "retry --seen seen.json --all --as ada",
        "retry --seen seen.json --as ada",
        "retry --all --dry-run --as ada",
        "retry --seen seen.json --as ada",
    ]), @"
    $ holdpoint skip --seen seen.json --reason 'it is dead' --as ada
    error: `seen.json` is no preview of `skip`: it is one of `retry`
    help: make one: `holdpoint skip … --dry-run --json > FILE`
    [exit 2]

    $ holdpoint retry --seen seen.json --all --as ada
    error: the argument `--seen <FILE>` cannot be used with `--all`
    help: the usage is `holdpoint retry --seen <FILE> --as <MEMBER> [RUN]...`
    [exit 2]

    $ holdpoint retry --seen seen.json --as ada
    error[HP1082]: 1 of 3 runs refused it: it is not as it was seen: now it would be about the rollout of `roll-out`, web-7
    help: each is told above
    refused: run 1 (One) is stuck at `roll-out`: it is not as it was seen: now it would be about the rollout of `roll-out`, web-7
      help     look at it again: `--dry-run --json`
    retried: run 2 (Two) is working at `roll-out`
      web-7
    retried: run 3 (Three) is working at `roll-out`
      db-1
    1 refused, 2 retried
    [exit 1]

    $ holdpoint retry --all --dry-run --as ada
    would be retried: run 1 (One) is stuck at `roll-out`
      web-7 (stuck)
    would be retried: run 4 (Four) is stuck at `roll-out`
      web-7 (stuck)
    2 would be retried

    $ holdpoint retry --seen seen.json --as ada
    error[HP1082]: 3 of 3 runs refused it: it is not as it was seen: now it would be about the rollout of `roll-out`, web-7
    help: each is told above
    refused: run 1 (One) is stuck at `roll-out`: it is not as it was seen: now it would be about the rollout of `roll-out`, web-7
      help     look at it again: `--dry-run --json`
    refused: run 2 (Two) is working at `roll-out`, web-7: the target `web-7` cannot be tried again: it is restoring
      help     wait until what is done to it has ended
    refused: run 3 (Three) is working at `roll-out`, db-1: the target `db-1` cannot be tried again: it is restoring
      help     wait until what is done to it has ended
    3 refused
    [exit 1]
    ");
}

#[test]
fn several_targets_are_meant_and_all_that_failed() {
    let _filters = filters();
    let bears = "max_failed: 3, waves: [{ to: 100%, bake: 1h }], each:";
    let place = place(&FLEET.replace("each:", bears));
    ["web-7", "db-1"].iter().for_each(|target| place.write(&format!("no-deploy-{target}"), ""));
    submit(&place, "One", r#"["web-1", "web-7", "db-1"]"#, "ada");
    submit(&place, "Two", r#"["web-1", "web-7"]"#, "ada");
    place.must("work");
    assert_snapshot!(place.shows(&[
        "retry --all --dry-run --as ada",
        "retry --all --failed --dry-run --as bob",
        "skip 1 2 --target db-1 --target web-7 --target db-1 --reason 'they are dead' --dry-run --as ada",
        "retry 1 2 --failed --as ada",
    ]), @"
    $ holdpoint retry --all --dry-run --as ada
    there is no rollout that this fits

    $ holdpoint retry --all --failed --dry-run --as bob
    error[HP1002]: 3 of 3 refused it: `bob` may not steer this rollout (`retry`)
    help: each is told above
    refused: run 1 (One) is held at `roll-out`, web-7: `bob` may not steer this rollout (`retry`)
      help     the requester or role owner: ada
    refused: run 1 (One) is held at `roll-out`, db-1: `bob` may not steer this rollout (`retry`)
      help     the requester or role owner: ada
    refused: run 2 (Two) is held at `roll-out`, web-7: `bob` may not steer this rollout (`retry`)
      help     the requester or role owner: ada
    3 refused
    [exit 1]

    $ holdpoint skip 1 2 --target db-1 --target web-7 --target db-1 --reason 'they are dead' --dry-run --as ada
    error[HP1009]: 1 of 4 refused it: the rollout has no target `db-1`
    help: each is told above
    would be skipped: run 1 (One) is held at `roll-out`
      db-1 (failed)
    would be skipped: run 1 (One) is held at `roll-out`
      web-7 (failed)
    refused: run 2 (Two) is held at `roll-out`, db-1: the rollout has no target `db-1`
      help     `holdpoint show RUN` lists its targets
    would be skipped: run 2 (Two) is held at `roll-out`
      web-7 (failed)
    3 would be skipped, 1 refused
    [exit 1]

    $ holdpoint retry 1 2 --failed --as ada
    retried: run 1 (One) is working at `roll-out`
      web-7
    retried: run 1 (One) is working at `roll-out`
      db-1
    retried: run 2 (Two) is working at `roll-out`
      web-7
    3 retried
    ");
    place.must("work");
    let seen = place.must(
        "skip --all --target db-1 --target web-7 --reason 'they are dead' --dry-run --json --as ada",
    );
    place.write("seen.json", seen);
    assert_snapshot!(place.shows(&[
        "retry 2 --failed --as ada",
        "skip --seen seen.json --reason 'they are dead' --as ada",
    ]), @"
    $ holdpoint retry 2 --failed --as ada
    retried run 2: Two
    working at `roll-out`
    rollout: rolling out, wave 1 of 1, 0 of 2 targets failed (undone at 2)
      WAVE  TARGET  STATE
      1     web-1   healthy
      1     web-7   deploying  `/bin/sh` ended with exit status: 1: it said nothing
    next: run `holdpoint work`, which does what machines are to do
    next: begin nothing new: `holdpoint pause 2 --reason TEXT`
    next: undo the rollout: `holdpoint abort 2 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint skip --seen seen.json --reason 'they are dead' --as ada
    error[HP1006]: 1 of 3 refused it: the target `web-7` cannot be skipped now: it is deploying, or about to
    help: each is told above
    skipped: run 1 (One) is held at `roll-out`
      db-1
    skipped: run 1 (One) is held at `roll-out`
      web-7
    refused: run 2 (Two) is working at `roll-out`, web-7: the target `web-7` cannot be skipped now: it is deploying, or about to
      help     pause the rollout first: what nobody has begun is taken back by that; what was begun comes to its end before
    2 skipped, 1 refused
    [exit 1]
    ");
}

#[test]
fn rollouts_are_promoted_resumed_and_rolled_back_together() {
    let _filters = filters();
    let place = place(STAGED);
    // One after the other, so that it is settled which has worked at a target last.
    for title in ["One", "Two"] {
        place.must(&format!("submit staged --input title={title} --as ada"));
        place.must("work");
    }
    assert_snapshot!(place.shows(&[
        "pause 2 --reason 'an incident' --as ada",
        "promote --all --dry-run --as ada",
        "promote --all --as ada",
    ]), @"
    $ holdpoint pause 2 --reason 'an incident' --as ada
    paused run 2: Two
    held at `roll-out`
    rollout: paused, wave 1 of 2, 0 of 2 targets failed (undone at 1)
      paused by ada since [time] UTC: an incident
      wave 1 bakes; its clock stands still
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   waiting
    next: go on, after the pause of ada: `holdpoint resume 2`
    next: undo the rollout: `holdpoint abort 2 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint promote --all --dry-run --as ada
    error[HP1006]: 1 of 2 runs refused it: the rollout is paused by ada since [time] UTC: an incident
    help: each is told above
    would be promoted: run 1 (One) is held at `roll-out`
      past the bake after wave 1
    refused: run 2 (Two) is held at `roll-out`: the rollout is paused by ada since [time] UTC: an incident
      help     resume it first
    1 would be promoted, 1 refused
    [exit 1]

    $ holdpoint promote --all --as ada
    error[HP1006]: 1 of 2 runs refused it: the rollout is paused by ada since [time] UTC: an incident
    help: each is told above
    promoted: run 1 (One) is working at `roll-out`
      past the bake after wave 1
    refused: run 2 (Two) is held at `roll-out`: the rollout is paused by ada since [time] UTC: an incident
      help     resume it first
    1 promoted, 1 refused
    [exit 1]
    ");
    place.must("work");
    assert_snapshot!(place.shows(&[
        "resume --all --dry-run --as ada",
        "resume --all --as ada",
        "promote 2 --reason 'the graphs are flat' --as ada",
    ]), @"
    $ holdpoint resume --all --dry-run --as ada
    would be resumed: run 2 (Two) is held at `roll-out`
      paused by ada since [time] UTC: an incident

    $ holdpoint resume --all --as ada
    resumed: run 2 (Two) is held at `roll-out`

    $ holdpoint promote 2 --reason 'the graphs are flat' --as ada
    promoted run 2: Two
    working at `roll-out`
    rollout: rolling out, wave 2 of 2, 0 of 2 targets failed (undone at 1)
      WAVE  TARGET  STATE
      1     web-1   healthy
      2     web-2   deploying
    next: run `holdpoint work`, which does what machines are to do
    next: begin nothing new: `holdpoint pause 2 --reason TEXT`
    next: undo the rollout: `holdpoint abort 2 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`
    ");
    place.must("work");
    assert_snapshot!(place.shows(&[
        "promote --all --as ada",
        "promote --all --as eve",
        "rollback --all --reason 'errors at night' --dry-run --as ada",
        "rollback 1 2 --reason 'errors at night' --as ada",
        "abort --all --reason 'no more' --as ada",
        "cancel --all --reason 'no more' --dry-run --as ada",
        "cancel --state observe --reason 'no more' --as eve",
        "cancel --state observe --reason 'no more' --as ada",
        "cancel --state observe --reason 'no more' --as ada",
    ]), @"
    $ holdpoint promote --all --as ada
    error[HP1002]: 2 of 2 runs refused it: `ada` is not role engineer, and may not promote the rollout here
    help: each is told above
    refused: run 1 (One) is held at `roll-out`: `ada` is not role engineer, and may not promote the rollout here
      help     role engineer: bob, cy, eve
    refused: run 2 (Two) is held at `roll-out`: `ada` is not role engineer, and may not promote the rollout here
      help     role engineer: bob, cy, eve
    2 refused
    [exit 1]

    $ holdpoint promote --all --as eve
    promoted: run 1 (One) is held at `observe`
      past the hold after wave 2
    promoted: run 2 (Two) is held at `observe`
      past the hold after wave 2
    2 promoted

    $ holdpoint rollback --all --reason 'errors at night' --dry-run --as ada
    error[HP1060]: 1 of 2 runs refused it: run 2 (Two) has worked at web-1, web-2 since
    help: each is told above
    refused: run 1 (One) is held at `observe`: run 2 (Two) has worked at web-1, web-2 since
      help     undo that first, where it is to be undone; or undo the rollout over it, with a reason that says why: `--over 2`
    would be rolled back: run 2 (Two) is held at `observe`
      wave 2 of 2, begun at 2 of 2 targets
    1 refused, 1 would be rolled back
    [exit 1]

    $ holdpoint rollback 1 2 --reason 'errors at night' --as ada
    error[HP1060]: 1 of 2 runs refused it: run 2 (Two) has worked at web-1, web-2 since
    help: each is told above
    refused: run 1 (One) is held at `observe`: run 2 (Two) has worked at web-1, web-2 since
      help     undo that first, where it is to be undone; or undo the rollout over it, with a reason that says why: `--over 2`
    rolled back: run 2 (Two) is working at `roll-out`
    1 refused, 1 rolled back
    [exit 1]

    $ holdpoint abort --all --reason 'no more' --as ada
    there is no rollout that this fits

    $ holdpoint cancel --all --reason 'no more' --dry-run --as ada
    would be cancelled: run 1 (One) is held at `observe`
    would be cancelled: run 2 (Two) is working at `roll-out`
    2 would be cancelled

    $ holdpoint cancel --state observe --reason 'no more' --as eve
    error[HP1002]: 1 of 1 run refused it: `eve` may not cancel this run
    help: each is told above
    refused: run 1 (One) is held at `observe`: `eve` may not cancel this run
      help     the requester or a member with the role `owner`: ada
    [exit 1]

    $ holdpoint cancel --state observe --reason 'no more' --as ada
    cancelled: run 1 (One) has ended: cancelled

    $ holdpoint cancel --state observe --reason 'no more' --as ada
    there is no run that this fits
    ");
}

#[test]
fn each_of_several_rollouts_of_a_run_is_meant() {
    let _filters = filters();
    let place = place(TWINS);
    (0..2).for_each(|_| {
        place.must("submit twins --as ada");
    });
    place.must("work");
    assert_snapshot!(place.shows(&[
        "pause --all --reason 'an incident' --as ada",
        "resume 1 2 --as ada",
        "resume 1 2 --state to-left --as ada",
        "resume --state to-right --as ada",
        "promote --all --as ada",
    ]), @"
    $ holdpoint pause --all --reason 'an incident' --as ada
    paused: run 1 (Twins) is held at `both`, the rollout of `to-left`
    paused: run 1 (Twins) is held at `both`, the rollout of `to-right`
    paused: run 2 (Twins) is held at `both`, the rollout of `to-left`
    paused: run 2 (Twins) is held at `both`, the rollout of `to-right`
    4 paused

    $ holdpoint resume 1 2 --as ada
    error[HP1025]: 2 of 2 runs refused it: 2 rollouts are under way, and it is not said which is meant
    help: each is told above
    refused: run 1 (Twins) is held at `both`: 2 rollouts are under way, and it is not said which is meant
      help     name the state, with `--state`: one of `to-left`, `to-right`
    refused: run 2 (Twins) is held at `both`: 2 rollouts are under way, and it is not said which is meant
      help     name the state, with `--state`: one of `to-left`, `to-right`
    2 refused
    [exit 1]

    $ holdpoint resume 1 2 --state to-left --as ada
    resumed: run 1 (Twins) is held at `both`
    resumed: run 2 (Twins) is held at `both`
    2 resumed

    $ holdpoint resume --state to-right --as ada
    resumed: run 1 (Twins) is held at `both`, the rollout of `to-right`
    resumed: run 2 (Twins) is held at `both`, the rollout of `to-right`
    2 resumed

    $ holdpoint promote --all --as ada
    promoted: run 1 (Twins) is held at `both`, the rollout of `to-left`
      past the bake after wave 1
    promoted: run 1 (Twins) has ended: done
      past the bake after wave 1
    promoted: run 2 (Twins) is held at `both`, the rollout of `to-left`
      past the bake after wave 1
    promoted: run 2 (Twins) has ended: done
      past the bake after wave 1
    4 promoted
    ");
}

#[test]
fn programs_are_told_of_each_rollout() {
    let place = stuck();
    let preview = place.ask("retry --all --dry-run --as ada");
    assert_eq!(preview["command"], "retry");
    let runs = preview["runs"].as_array().unwrap();
    let targets: Vec<_> = runs.iter().map(|run| run["targets"].as_array().unwrap().len()).collect();
    assert_eq!(targets, [2, 1, 1]);
    assert!(runs.iter().all(|run| run["result"] == "would" && run["rollout"] == "roll-out"));
    let done = place.ask("retry --all --as ada");
    let both = runs.iter().zip(done["runs"].as_array().unwrap());
    for (before, after) in both {
        assert_eq!((&before["run"], &before["targets"]), (&after["run"], &after["targets"]));
        assert_eq!(after["result"], "done");
    }
    let left = place.ask("retry --all --as ada");
    assert_eq!(left["runs"].as_array().unwrap().len(), 0);
}

#[test]
fn the_example_of_the_page_is_what_happens() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/many-runs.md"));
    let (_, rest) = page.split_once("```console\n").unwrap();
    let (example, _) = rest.split_once("\n```\n").unwrap();
    let commands = example.lines().filter_map(|line| line.strip_prefix("$ holdpoint "));
    let commands: Vec<&str> = commands.collect();
    assert_eq!(commands.len(), 2);
    assert_eq!(stuck().shows(&commands), format!("{example}\n"));
}

#[test]
fn it_comes_to_the_same_while_another_process_works() {
    let [alone, beside] = [(), ()].map(|()| {
        let place = place(STAGED);
        for title in ["One", "Two"] {
            place.must(&format!("submit staged --input title={title} --as ada"));
        }
        place.must("work");
        place
    });
    let shows = |place: &Place| {
        let seen = place.must("pause --all --reason 'an incident' --dry-run --json --as ada");
        place.write("seen.json", seen);
        place.must("pause 1 --reason 'only this' --as ada");
        place.shows(&[
            "pause --all --reason 'an incident' --dry-run --as ada",
            "pause --seen seen.json --reason 'an incident' --as ada",
            "resume --all --command-id 01900000-0000-7000-8000-000000000001 --as ada",
            "resume 1 2 --command-id 01900000-0000-7000-8000-000000000001 --as bob",
            "promote --definition staged --as ada --project nowhere",
        ])
    };
    let told = shows(&alone);
    let working = Working::new(&beside, "work --follow");
    assert_eq!(shows(&beside), told);
    working.ends();
    assert!(told.contains("1 refused, 1 paused") && told.contains("2 resumed"), "{told}");
}
