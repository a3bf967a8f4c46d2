//! `plan`: what a run would do, before it is submitted, while it is held, and when it has begun.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const ROLL: &str = "
workflow: roll
version: 1
title: Roll
input: { type: object, required: [to], properties: { to: { type: string } } }
start: agree
states:
  agree:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }
    on: { released: roll, rejected: failed }
  roll:
    do:
      rollout:
        targets: { select: env=prod }
        waves: [{ to: 1, bake: 30m }, { to: 100%, hold: { from: role:engineer, need: 1 } }]
        each: { run: deploy, with: { version: '${input.to}' } }
        rollback: { run: restore }
        switch: { run: route }
        switch_back: { run: route }
    on: { succeeded: done, rolled_back: failed, failed: failed }
  done: { end: done }
  failed: { end: failed }
";

const ITEMS: &str = "
items:
  db-1: { labels: { env: prod } }
  web-1: { labels: { env: prod }, depends_on: [db-1] }
  web-2: { labels: { env: test } }
";

#[test]
fn a_plan_is_shown_before_and_after_the_submission() {
    let _filters = filters();
    let place = Place::lab();
    place.write("roll.yaml", ROLL);
    place.write("items.yaml", ITEMS);
    place.write("more.yaml", "items: { web-2: { labels: { env: prod } } }");
    place.must("items set items.yaml --as ada");
    place.must("definitions publish roll.yaml --as ada");
    assert_snapshot!(place.shows(&[
        "plan --definition roll --input to=7 --as ada",
        "plan --definition roll --as ada",
        "plan --definition roll --input to=7",
        "plan",
        "submit roll --input to=7 --as ada",
        "plan 1 --input to=8",
        "approve 1 --as bob",
        "items set more.yaml --as ada",
        "plan 1",
    ]), @r#"
    $ holdpoint plan --definition roll --input to=7 --as ada
    `roll`: sha256:[digest]
    2 targets in 2 waves, at most 50 at once; turned round when 1 has failed; selected by env=prod
    wave 1
      1. db-1
         deploy: `deploy` {"target":"db-1","version":"7"}
         undone by restore: `restore` {"target":"db-1"}
      then it bakes for 30m
    wave 2
      2. web-1
         deploy: `deploy` {"target":"web-1","version":"7"}
         undone by restore: `restore` {"target":"web-1"}
      then 1 of role:engineer must promote it
    the switch
         deploy: `route` {}
         undone by restore: `route` {}

    $ holdpoint plan --definition roll --as ada
    error[HP1008]: the input does not fit the definition `roll`
    help: "to" is a required property
    [exit 1]

    $ holdpoint plan --definition roll --input to=7
    error: nobody is named who would submit the run, and what it does may depend on that
    help: say who would: `--as MEMBER`, or set HOLDPOINT_AS; nothing is done in their name
    [exit 2]

    $ holdpoint plan
    error: the following required arguments were not provided:
      <RUN>
    help: the usage is `holdpoint plan <RUN>`
    [exit 2]

    $ holdpoint submit roll --input to=7 --as ada
    submitted run 1 of the project `lab`: Roll
    held at `agree`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, eve
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint plan 1 --input to=8
    error: a run that was submitted has its input
    help: say `--definition` for one that was not, or `holdpoint amend` it
    [exit 2]

    $ holdpoint approve 1 --as bob
    approved run 1: Roll
    working at `roll`
    rollout: rolling out, wave 1 of 3, 0 of 3 targets failed (undone at 1)
      WAVE  TARGET  STATE
      1     db-1    deploying
      2     web-1   waiting
      3     switch  waiting
      waiting  no activity `deploy` is configured here
    next: configure it in the directory's `holdpoint.toml`, then run `holdpoint work`
    next: begin nothing new: `holdpoint pause 1 --reason TEXT`
    next: undo the rollout: `holdpoint abort 1 --reason TEXT`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint items set more.yaml --as ada
    ~ web-2
        env: test -> prod
    1 item changed

    $ holdpoint plan 1
    `roll`: sha256:[digest]
    3 targets in 2 waves, at most 50 at once; turned round when 1 has failed; selected by env=prod
    wave 1
      1. db-1
         deploy: `deploy` {"target":"db-1","version":"7"}
         undone by restore: `restore` {"target":"db-1"}
      then it bakes for 30m
    wave 2
      2. web-2
         deploy: `deploy` {"target":"web-2","version":"7"}
         undone by restore: `restore` {"target":"web-2"}
      3. web-1
         deploy: `deploy` {"target":"web-1","version":"7"}
         undone by restore: `restore` {"target":"web-1"}
      then 1 of role:engineer must promote it
    the switch
         deploy: `route` {}
         undone by restore: `route` {}
    it has begun with another plan, sha256:[digest]: what is above would follow if it began now
    since then: added: web-2
    "#);
    let before = json(&place, "plan --definition roll --input to=8 --as ada");
    place.must("submit roll --input to=8 --as ada");
    assert_eq!(json(&place, "plan 2")["plans"], before["plans"]);
}

fn json(place: &Place, command: &str) -> serde_json::Value {
    serde_json::from_str(&place.must(&format!("{command} --json"))).unwrap()
}

/// A place with a change that is bound to its plan, held for bob, and files that add one server each.
fn bound() -> Place {
    let place = Place::empty();
    let rollout = "        targets: { select: env=prod }\n";
    let bound = ROLL
        .replace(rollout, &format!("{rollout}        approved_at: agree\n"))
        .replace("failed: failed }\n  done", "failed: failed, drifted: agree }\n  done");
    place.write("roll.yaml", bound);
    for (file, name) in [("one.json", "web-1"), ("two.json", "web-2")] {
        let labels = r#"{ "env": "prod" }"#;
        place.write(file, format!(r#"[{{ "name": "{name}", "labels": {labels} }}]"#));
    }
    place.must("init");
    place.must("project create lab --as ada");
    place.must("project member add bob --role engineer --as ada");
    place.must("items import one.json --format json --as ada");
    place.must("definitions publish roll.yaml --as ada");
    place.must("submit roll --input to=v2 --as ada");
    place
}

/// The digest of the plan that run 1 is asked about.
fn asked(place: &Place) -> serde_json::Value {
    place.ask("show 1")["view"]["holds"][0]["plans"]["roll"].clone()
}

#[test]
fn a_plan_that_changes_while_it_is_asked_about_is_shown_and_approved_as_it_is() {
    let _filters = filters();
    let place = bound();
    let before = asked(&place);
    place.write("seen.json", place.must("approve 1 --dry-run --json --as bob"));
    place.must("items import two.json --format json --as ada");
    let after = place.ask("plan 1")["plans"][0]["digest"].clone();
    assert_ne!(before, after);
    assert_snapshot!(place.shows(&[
        "show 1",
        "plan 1",
        "approve 1 --as bob",
        "approve --seen seen.json --as bob",
        "work",
        "show 1",
    ]), @r#"
    $ holdpoint show 1
    run 1: Roll
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 3
    input     to = "v2"

    held at `agree`
      waiting  0 of 1 approval by role engineer
               can release it: bob
      the plan of `roll` is sha256:[digest]
      the inventory has changed the plan; approvals are about the one that follows now:
        `roll`: `--plan sha256:[digest]`
        `roll`: added: web-2
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint plan 1
    `roll`: sha256:[digest]
    2 targets in 2 waves, at most 50 at once; turned round when 1 has failed; selected by env=prod
    wave 1
      1. web-1
         deploy: `deploy` {"target":"web-1","version":"v2"}
         undone by restore: `restore` {"target":"web-1"}
      then it bakes for 30m
    wave 2
      2. web-2
         deploy: `deploy` {"target":"web-2","version":"v2"}
         undone by restore: `restore` {"target":"web-2"}
      then 1 of role:engineer must promote it
    the switch
         deploy: `route` {}
         undone by restore: `route` {}
    the inventory has changed it since `agree` was asked about another, sha256:[digest]
    since then: added: web-2

    $ holdpoint approve 1 --as bob
    error[HP1040]: `agree` is asked about sha256:[digest] now, as the inventory has changed; `roll`: added: web-2
    help: look at it (`holdpoint plan RUN`), and vote on it: `--plan sha256:[digest]`
    [exit 1]

    $ holdpoint approve --seen seen.json --as bob
    error[HP1040]: 1 of 1 run refused it: `agree` is asked about sha256:[digest] now; `roll`: added: web-2
    help: each is told above
    refused: run 1 (Roll) is held at `agree`: `agree` is asked about sha256:[digest] now; `roll`: added: web-2
      help     look at it (`holdpoint plan RUN`), and vote on it: `--plan sha256:[digest]`
    [exit 1]

    $ holdpoint work
    [time]  run 1  the inventory has changed the plan that `agree` is asked about (added: web-2)
    run 1 (Roll) is held at `agree`
    nothing left to do

    $ holdpoint show 1
    run 1: Roll
    id        [uuid]
    project   lab
    workflow  roll v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 4
    input     to = "v2"

    held at `agree`
      waiting  0 of 1 approval by role engineer
               can release it: bob
      the plan of `roll` is sha256:[digest]
      the inventory has changed the plan, found at [time] UTC
        `roll`: added: web-2
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`
    "#);
    assert_eq!(asked(&place), after);
    let plan = |digest: &serde_json::Value| digest.as_str().unwrap().to_owned();
    let stale = place.refuses(&format!("approve 1 --plan {} --as bob", plan(&before)), "HP1040");
    assert!(stale.contains("added: web-2"), "{stale}");
    let released = place.must(&format!("approve 1 --plan {} --as bob", plan(&after)));
    assert!(released.contains("working at `roll`"), "{released}");
    let history = place.must("history 1");
    assert!(history.contains("changed the plan that `agree` is asked about (added: web-2)"));
}

#[test]
fn that_there_is_no_plan_is_said_wherever_people_are_asked_about_one() {
    let place = bound();
    place.must("items remove web-1 --as ada");
    let says =
        "`roll`: there is no plan as things are now: a rollout has 1 to 100000 targets, not 0";
    let shown = |place: &Place, command: &str| {
        let text = place.must(command);
        assert!(text.contains(&format!("  {says}")), "{command}: {text}");
    };
    shown(&place, "show 1");
    let refused = place.refuses("approve 1 --as bob", "HP1040");
    assert!(
        refused.contains("about no plan now, as the inventory has changed; `roll`"),
        "{refused}"
    );
    place.must("work");
    shown(&place, "show 1");
    shown(&place, "submit roll --input to=v3 --as ada");
    shown(&place, "approve 1 --dry-run --as bob");
    let preview = place.ask("approve 1 --dry-run --as bob");
    assert!(preview["runs"][0]["no_plan"]["roll"].is_string(), "{preview}");
    let approved = place.must("approve 1 --as bob");
    assert!(approved.contains("held at `agree`") && approved.contains(says), "{approved}");
    let history = place.must("history 1");
    assert!(history.contains("the plan that `agree` is asked about to none"), "{history}");
    assert!(history.contains("`roll` did not begin: there is no plan of it"), "{history}");
}

#[test]
fn a_rollout_begins_only_with_the_plan_that_was_approved() {
    let place = bound();
    let before = asked(&place);
    // What was released waits for a lockdown, and the inventory changes meanwhile.
    place.must("lockdown impose --reason 'an incident' --as ada");
    place.must("approve 1 --as bob");
    place.must("items import two.json --format json --as ada");
    let would = place.must("plan 1");
    assert!(would.contains("it does not begin so: `agree` was released with another"), "{would}");
    assert!(would.contains("since then: added: web-2"), "{would}");
    place.must("lockdown release 1 --reason over --as ada");
    place.must("work");
    let shown = place.must("show 1");
    assert!(
        shown.contains("held at `agree`") && shown.contains("`agree` was released: added: web-2"),
        "{shown}"
    );
    let after = asked(&place);
    assert_ne!(before, after);
    assert_eq!(place.ask("plan 1")["plans"][0]["digest"], after);
    let begun = place.must("approve 1 --as bob");
    assert!(begun.contains("web-2") && !begun.contains("its plan is not the one"), "{begun}");
}
