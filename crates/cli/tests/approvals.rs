//! What people do with an approval besides approving and rejecting: conditions, vetoes, withdrawal,
//! comments, counting anew.

use insta::assert_snapshot;

use crate::common::{Place, filters};

const CAREFUL: &str = "
workflow: careful
version: 1
title: A careful change
input: { properties: { title: { type: string, default: A careful change } } }
start: ask
states:
  ask:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 60%, roster: now } }
        not: [requester]
        veto: { from: role:security, overrule: role:owner }
        duties: { discharge: [author, role:security] }
    on: { released: tell, rejected: rejected }
  tell: { hold: { signal: { name: go } }, on: { released: done } }
  done: { end: done }
  rejected: { end: rejected }
";

fn place() -> Place {
    let place = Place::lab();
    place.write("careful.yaml", CAREFUL);
    place.must("definitions publish careful.yaml --as ada");
    place.must("project role grant dora security --as ada");
    place.must("submit careful --as ada");
    place
}

#[test]
fn an_approval_is_given_on_conditions_vetoed_taken_back_and_released() {
    let _filters = filters();
    let place = place();
    assert_snapshot!(place.shows(&[
        "approve 1 --as bob --duty 'measure again' --duty-before tell 'tell the night shift'",
        "veto 1 --as dora --reason 'the key is in the log'",
        "comment 1 'the vendor calls at noon' --as cy",
        "withdraw 1 --as dora --reason 'it was rotated'",
        "approve 1 --as eve",
        "discharge 1 2 --as bob --note 'told at 21:40'",
        "signal 1 go --as ada",
        "show 1",
        "discharge 1 1 --as dora --note 'it holds'",
        "history 1",
    ]), @r#"
    $ holdpoint approve 1 --as bob --duty 'measure again' --duty-before tell 'tell the night shift'
    approved run 1: A careful change
    held at `ask`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC
               can release it: cy, eve
               cannot: bob, who has approved
    next: approve or reject `ask`
    next: veto `ask`, with a reason, as role security
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint veto 1 --as dora --reason 'the key is in the log'
    vetoed run 1: A careful change
    held at `ask`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC
               can release it: cy, eve
               cannot: bob, who has approved
      refused  dora vetoed it, until that is lifted or overruled: the key is in the log
    next: approve or reject `ask`
    next: lift the veto on `ask`, as `dora`
    next: overrule the veto of `dora` on `ask`, with a reason, as role owner
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint comment 1 'the vendor calls at noon' --as cy
    commented on run 1: A careful change
    held at `ask`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC
               can release it: cy, eve
               cannot: bob, who has approved
      refused  dora vetoed it, until that is lifted or overruled: the key is in the log
    next: approve or reject `ask`
    next: lift the veto on `ask`, as `dora`
    next: overrule the veto of `dora` on `ask`, with a reason, as role owner
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint withdraw 1 --as dora --reason 'it was rotated'
    withdrew your vote on run 1: A careful change
    held at `ask`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC
               can release it: cy, eve
               cannot: bob, who has approved
    next: approve or reject `ask`
    next: veto `ask`, with a reason, as role security
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint approve 1 --as eve
    approved run 1: A careful change
    held after `ask`, for what was made a condition
      owed     duty 1, before the end: measure again (a condition of bob)
               can discharge it: bob, dora
      owed     duty 2, before `tell`: tell the night shift (a condition of bob)
               can discharge it: bob, dora
    next: discharge the duty 2, with a note
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint discharge 1 2 --as bob --note 'told at 21:40'
    discharged a duty of run 1: A careful change
    held at `tell`
      waiting  the signal go
               can send it: every member of the project
      owed     duty 1, before the end: measure again (a condition of bob)
               can discharge it: bob, dora
    next: send the signal `go`: `holdpoint signal 1 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint signal 1 go --as ada
    signalled run 1: A careful change
    held after `tell`, for what was made a condition
      owed     duty 1, before the end: measure again (a condition of bob)
               can discharge it: bob, dora
    next: discharge the duty 1, with a note
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint show 1
    run 1: A careful change
    id        [uuid]
    project   lab
    workflow  careful v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 19
    input     title = "A careful change"

    held after `tell`, for what was made a condition
      owed     duty 1, before the end: measure again (a condition of bob)
               can discharge it: bob, dora
    next: discharge the duty 1, with a note
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint discharge 1 1 --as dora --note 'it holds'
    discharged a duty of run 1: A careful change
    it has ended: done

    $ holdpoint history 1
    run 1: A careful change
      [time]  ada   submitted it to careful v1
      [time]  ada   it reached `ask`
      [time]  ada   held at `ask` for 2 of rule peers
      [time]  bob   approved `ask` (role engineer), on condition of: measure again; tell the night shift (before `tell`)
      [time]  dora  vetoed `ask` (role security): the key is in the log
      [time]  cy    commented: the vendor calls at noon
      [time]  dora  lifted the veto on `ask`: it was rotated
      [time]  eve   approved `ask` (role engineer)
      [time]  eve   `ask` was released
      [time]  eve   duty 1 is owed, a condition of bob: measure again
      [time]  eve   duty 2 is owed before `tell`, a condition of bob: tell the night shift
      [time]  eve   it waits before `tell` for what is owed: duty 2
      [time]  bob   discharged duty 2 (role engineer): told at 21:40
      [time]  bob   it reached `tell`
      [time]  bob   held at `tell`
      [time]  ada   signalled `go`
      [time]  ada   `tell` took the signal `go`
      [time]  ada   `tell` was released
      [time]  ada   it waits before `done` for what is owed: duty 1
      [time]  dora  discharged duty 1 (role security): it holds
      [time]  dora  it reached `done`
      [time]  dora  it ended: done

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}

#[test]
fn a_veto_is_overruled_and_votes_are_counted_anew() {
    let _filters = filters();
    let place = place();
    place.must("veto 1 --as dora --reason no");
    place.must("approve 1 --as bob");
    assert_snapshot!(place.refuses("overrule 1 dora --reason yes --as bob", "HP1002"), @"
    error[HP1002]: `bob` may not overrule a veto on `ask`
    help: dora lifts it, or role owner overrules it
    ");
    assert_snapshot!(place.refuses("overrule 1 dora --reason yes --as ada", "HP1003"), @"
    error[HP1003]: `ada` submitted the run and nobody decides on their own
    help: dora lifts the veto, or role owner overrules it
    ");
    assert_snapshot!(place.refuses("recount 1 --as bob", "HP1006"), @"
    error[HP1006]: the members whom `ask` asks ask for as many votes as before
    help: `holdpoint show RUN` says what the run waits for now
    ");
    place.must("project role revoke eve engineer --as ada");
    place.must("project role revoke cy engineer --as ada");
    assert_snapshot!(place.shows(&[
        "show 1",
        "recount 1 --as cy",
        "withdraw 1 --as dora",
        "history 1",
    ]), @r#"
    $ holdpoint show 1
    run 1: A careful change
    id        [uuid]
    project   lab
    workflow  careful v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 5
    input     title = "A careful change"

    held at `ask`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      refused  dora vetoed it, until that is lifted or overruled: no
    next: count the votes on `ask` anew: the members have changed
    next: lift the veto on `ask`, as `dora`
    next: overrule the veto of `dora` on `ask`, with a reason, as role owner
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint recount 1 --as cy
    counted the votes on run 1: A careful change
    held at `ask`
      met      1 of 1 approval by role engineer
               bob approved at [time] UTC
      refused  dora vetoed it, until that is lifted or overruled: no
    next: lift the veto on `ask`, as `dora`
    next: overrule the veto of `dora` on `ask`, with a reason, as role owner
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint withdraw 1 --as dora
    withdrew your vote on run 1: A careful change
    held at `tell`
      waiting  the signal go
               can send it: every member of the project
    next: send the signal `go`: `holdpoint signal 1 go`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint history 1
    run 1: A careful change
      [time]  ada   submitted it to careful v1
      [time]  ada   it reached `ask`
      [time]  ada   held at `ask` for 2 of rule peers
      [time]  dora  vetoed `ask` (role security): no
      [time]  bob   approved `ask` (role engineer)
      [time]  cy    `ask` now takes 1 of rule peers
      [time]  dora  lifted the veto on `ask`
      [time]  dora  `ask` was released
      [time]  dora  it reached `tell`
      [time]  dora  held at `tell`

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}

#[test]
fn an_input_is_amended_member_by_member_or_as_a_whole() {
    let _filters = filters();
    let place = Place::lab();
    let source = CAREFUL.replace(
        "default: A careful change }",
        "default: A careful change }, targets: { type: array, items: { type: string } }",
    );
    place.write(
        "careful.yaml",
        source.replace("not: [requester]", "not: [editors]\n        amended: subset"),
    );
    place.must("definitions publish careful.yaml --as ada");
    place.must("submit careful --input 'targets=[\"a\", \"b\"]' --as ada");
    place.must("approve 1 --as bob");
    assert_snapshot!(place.refuses("amend 1 --input targets=7 --reason x --as ada", "HP1008"), @r#"
    error[HP1008]: the input does not fit the definition `careful`
    help: `targets`: 7 is not of type "array"
    "#);
    let again = "amend 1 --input-json '{\"title\": \"Other\", \"targets\": [\"c\"]}' --reason \
                 'another plan' --as ada --command-id 01900000-0000-7000-8000-000000000009";
    assert_snapshot!(place.shows(&[
        "amend 1 --input 'targets=[\"a\"]' --reason 'b is gone' --as ada",
        "show 1",
        again,
        "history 1",
    ]), @r#"
    $ holdpoint amend 1 --input 'targets=["a"]' --reason 'b is gone' --as ada
    amended run 1: A careful change
    held at `ask`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC, on another text: sha256:[short], which is sha256:[short] now
               can release it: cy, eve
               cannot: bob, who has approved
    next: approve or reject `ask`
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint show 1
    run 1: A careful change
    id        [uuid]
    project   lab
    workflow  careful v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 5
    input     targets = ["a"]
              title = "A careful change"

    held at `ask`
      waiting  1 of 2 approvals by role engineer
               bob approved at [time] UTC, on another text: sha256:[short], which is sha256:[short] now
               can release it: cy, eve
               cannot: bob, who has approved
    next: approve or reject `ask`
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint amend 1 --input-json '{"title": "Other", "targets": ["c"]}' --reason 'another plan' --as ada --command-id [uuid]
    amended run 1: Other
    held at `ask`
      waiting  0 of 2 approvals by role engineer
               can release it: bob, cy, eve
    next: approve or reject `ask`
    next: amend the input, as `ada` or a member with the role `owner`
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint history 1
    run 1: Other
      [time]  ada  submitted it to careful v1
      [time]  ada  it reached `ask`
      [time]  ada  held at `ask` for 2 of rule peers
      [time]  bob  approved `ask` (role engineer)
      [time]  ada  amended the input, the approval of bob stands: b is gone (given on sha256:[short], which is sha256:[short] now)
      [time]  ada  amended the input, no approval stands: another plan

    times are UTC; with `--json` every event is printed as it is stored
    "#);
    assert_eq!(place.ask(again)["version"], 6, "the answer of the first time");
    let nothing = place.sh("amend 1 --reason x --as ada");
    nothing.fails_well(2, &"amend without an input");
}

#[test]
fn what_goes_on_by_itself_can_be_objected_to() {
    let _filters = filters();
    let place = Place::lab();
    place.write(
        "notice.yaml",
        "
workflow: notice
version: 1
title: A notice
input: { properties: { title: { type: string, default: A notice } } }
start: notice
states:
  notice:
    hold:
      approval:
        rules: { peers: { from: role:engineer, need: 1 } }
        remind: { after: 1ms }
        escalate: { after: 1ms, to: member:dora }
      witness: { from: member:dora, for: 2d }
    on: { released: done, rejected: done, objected: stopped }
  done: { end: done }
  stopped: { end: stopped }
",
    );
    place.must("definitions publish notice.yaml --as ada");
    place.must("submit notice --as ada");
    place.must("work");
    assert_snapshot!(place.refuses("object 1 --reason no --as bob", "HP1002"), @"
    error[HP1002]: `bob` may not object to `notice`: member dora may
    help: `holdpoint show RUN` says who could
    ");
    assert_snapshot!(place.shows(&[
        "show 1",
        "object 1 --reason 'the shop is full' --as dora",
        "history 1",
    ]), @r#"
    $ holdpoint show 1
    run 1: A notice
    id        [uuid]
    project   lab
    workflow  notice v1 (sha256:[digest])
    submitted [time] UTC by ada
    updated   [time] UTC, version 7
    input     title = "A notice"

    held at `notice`
      waiting  0 of 1 approval by role engineer
               can release it: bob, cy, dora, eve
      waiting  no objection by member dora until [time] UTC
    next: run `holdpoint work`, which notices when the time has come
    next: approve or reject `notice`
    next: object to `notice`, with a reason, before [time] UTC
    next: cancel the run, as `ada` or a member with the role `owner`

    $ holdpoint object 1 --reason 'the shop is full' --as dora
    objected to run 1: A notice
    it has ended: stopped

    $ holdpoint history 1
    run 1: A notice
      [time]  ada     submitted it to notice v1
      [time]  ada     it reached `notice`
      [time]  ada     held at `notice` for 1 of rule peers
      [time]  engine  notice#1/remind-1: its time [time] came
      [time]  engine  reminder 1 of `notice`: bob, cy, eve
      [time]  engine  notice#1/escalate: its time [time] came
      [time]  engine  `notice` may be approved by member:dora as well
      [time]  dora    objected to `notice`: the shop is full
      [time]  dora    it reached `stopped`
      [time]  dora    it ended: stopped

    times are UTC; with `--json` every event is printed as it is stored
    "#);
}
