//! Substitutes from the shell: who names one, what is shown of them, and votes in the place of another.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const CHANGE: &str = "
workflow: change
version: 1
title: Change
start: agree
states:
  agree:
    hold: { approval: { rules: { peers: { from: role:engineer, need: 2 } }, not: [requester] } }
    on: { released: done, rejected: refused }
  done: { end: done }
  refused: { end: refused }
";

fn place() -> Place {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for (who, role) in
        [("bob", " --role engineer"), ("cy", " --role engineer"), ("lou", ""), ("max", "")]
    {
        place.must(&format!("project member add {who}{role} --as ada"));
    }
    place.write("change.yaml", CHANGE);
    place.must("definitions publish change.yaml --as ada");
    place.must("submit change --as ada");
    place
}

#[test]
fn whoever_is_named_votes_in_the_place_of_another() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "project substitute list",
        "project substitute add bob lou --until 2999-08-01 --as max",
        "project substitute add bob lou --until 2020-08-01 --as bob",
        "project substitute add bob lou --until 2999-08-01 --reason 'On leave' --as bob",
        "project substitute add cy lou --from 2999-01-01 --until 2999-08-01 --role engineer --as ada",
        "project substitute list",
        "project show",
        "show 1",
        "approve 1 --as lou",
        "approve 1 --for cy --as lou",
        "approve 1 --for bob --as lou",
        "approve 1 --as bob",
        "withdraw 1 --as lou",
        "history 1",
        "project substitute remove 1 --as max",
        "project substitute remove 1 --reason 'Back early' --as bob",
        "approve 1 --as cy",
        "project role list",
        "history",
    ]), @"
    $ holdpoint project substitute list
    nobody votes in the place of another in the project `lab`

    $ holdpoint project substitute add bob lou --until 2999-08-01 --as max
    error[HP1002]: `max` may not say who votes in the place of `bob`
    help: ask `bob`, or ask an owner of the project: ada
    [exit 1]

    $ holdpoint project substitute add bob lou --until 2020-08-01 --as bob
    error: the substitution would be over already: it would end at [time] UTC
    help: say with `--until` from when on it no longer holds
    [exit 2]

    $ holdpoint project substitute add bob lou --until 2999-08-01 --reason 'On leave' --as bob
    substitution 1: lou votes for bob until 2999-08-01 00:00:00 UTC

    $ holdpoint project substitute add cy lou --from 2999-01-01 --until 2999-08-01 --role engineer --as ada
    substitution 2: lou votes for cy from 2999-01-01 00:00:00 UTC until 2999-08-01 00:00:00 UTC, where engineer is asked

    $ holdpoint project substitute list
    NUMBER  SUBSTITUTE  FOR  FROM (UTC)           UNTIL (UTC)          HOLDS  ROLES     REASON
    1       lou         bob                       2999-08-01 00:00:00  now    all       On leave
    2       lou         cy   2999-01-01 00:00:00  2999-08-01 00:00:00  later  engineer

    $ holdpoint project show
    lab: lab
    created [time] UTC, 5 members, 1 published definition

    MEMBER  NAME  ROLES     QUALIFICATIONS
    ada     ada   owner
    bob     bob   engineer
    cy      cy    engineer
    lou     lou
    max     max

    lou votes for bob until 2999-08-01 00:00:00 UTC

    $ holdpoint show 1
    run 1: Change
    id        [uuid]
    project   lab
    workflow  change v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 3
    input     none

    held at `agree`
      waiting  0 of 2 approvals by role engineer
               can release it: bob, cy
               can release it: lou for bob (substitution 1, until 2999-08-01 00:00:00 UTC)
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint approve 1 --as lou
    error[HP1002]: `lou` is none of those asked: role engineer
    help: a vote by role engineer: bob, cy, lou for bob
    help: say in whose place you vote: `--for bob`
    [exit 1]

    $ holdpoint approve 1 --for cy --as lou
    error[HP1012]: `lou` does not stand for `cy` now: the substitution 2 begins at 2999-01-01 00:00:00 UTC
    help: ask `cy` or an owner to name you: `holdpoint project substitute add cy lou --until TIME`
    [exit 1]

    $ holdpoint approve 1 --for bob --as lou
    approved run 1: Change
    held at `agree`
      waiting  1 of 2 approvals by role engineer
               lou for bob (substitution 1, until 2999-08-01 00:00:00 UTC) approved at [time] UTC
               can release it: cy
               cannot: bob, who has approved by `lou`
    next: approve or reject `agree`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint approve 1 --as bob
    error[HP1005]: `lou` has voted for `bob` on `agree` already
    help: withdraw that vote first
    [exit 1]

    $ holdpoint withdraw 1 --as lou
    error[HP1006]: `lou` has no vote on `agree`
    help: say in whose place: `--for bob`
    [exit 1]

    $ holdpoint history 1
    run 1: Change
      [time]  ada  submitted it to change v1
      [time]  ada  it reached `agree`
      [time]  ada  held at `agree` for 2 of rule peers
      [time]  lou  approved `agree` (for bob: substitution 1, until 2999-08-01 00:00:00 UTC, role engineer of bob)

    times are UTC; with `--json` every event is printed as it is stored

    $ holdpoint project substitute remove 1 --as max
    error[HP1002]: `max` may not say who votes in the place of `bob`
    help: ask `bob`, or ask an owner of the project: ada
    [exit 1]

    $ holdpoint project substitute remove 1 --reason 'Back early' --as bob
    withdrew the substitution 1

    $ holdpoint approve 1 --as cy
    approved run 1: Change
    it has ended: done

    $ holdpoint project role list
    ROLE      MEMBERS
    engineer  bob, cy
    owner     ada

    $ holdpoint history
    project lab
      [time]  ada  created the project: lab
      [time]  ada  added ada as a member
      [time]  ada  gave ada the role owner
      [time]  ada  added bob as a member
      [time]  ada  gave bob the role engineer
      [time]  ada  added cy as a member
      [time]  ada  gave cy the role engineer
      [time]  ada  added lou as a member
      [time]  ada  added max as a member
      [time]  ada  published the definition change v1: Change
      [time]  bob  said that lou votes for bob until 2999-08-01 00:00:00 UTC: On leave
      [time]  ada  said that lou votes for cy from 2999-01-01 00:00:00 UTC until 2999-08-01 00:00:00 UTC, where engineer is asked
      [time]  bob  withdrew the substitution 1: Back early

    run 1: Change
      [time]  ada  submitted it to change v1
      [time]  ada  it reached `agree`
      [time]  ada  held at `agree` for 2 of rule peers
      [time]  lou  approved `agree` (for bob: substitution 1, until 2999-08-01 00:00:00 UTC, role engineer of bob)
      [time]  cy   approved `agree` (role engineer)
      [time]  cy   `agree` was released
      [time]  cy   it reached `done`
      [time]  cy   it ended: done

    times are UTC; with `--json` every event is printed as it is stored
    ");
}

#[test]
fn programs_are_told_as_much() {
    let place = place();
    let named = place.ask("project substitute add bob lou --until 2999-08-01 --as bob");
    assert_eq!((&named["project"], &named["substitution"]), (&"lab".into(), &1.into()));
    let all = place.ask("project substitute list");
    let one = &all["substitutions"][0];
    assert_eq!((&one["substitution"], &one["holds"]), (&1.into(), &"now".into()));
    let held = |place: &Place| {
        let shown = place.ask("show 1");
        shown["view"]["holds"][0]["conditions"][0].clone()
    };
    let could = held(&place)["substitutes"][0].clone();
    assert_eq!((&could["member"], &could["for"]["member"]), (&"lou".into(), &"bob".into()));
    place.must("approve 1 --for bob --as lou");
    let vote = held(&place)["votes"][0].clone();
    assert_eq!((&vote["member"], &vote["for"]["substitution"]), (&"lou".into(), &1.into()));
}

#[test]
fn a_substitute_who_is_named_again_is_told_by_their_own_number() {
    let place = Place::empty();
    place.must("init");
    place.must("project create lab --as ada");
    for member in ["bob", "cy", "lou"] {
        place.must(&format!("project member add {member} --as ada"));
    }
    let line = "project substitute add bob lou --until 2999-08-01 --as ada --command-id 0199a1b2-c3d4-7000-8000-000000000007";
    let first = place.must(line);
    assert!(first.starts_with("substitution 1: lou votes for bob"), "{first}");
    place.must("project substitute add cy lou --until 2999-08-01 --as ada");
    assert_eq!(place.must(line), first);
}
