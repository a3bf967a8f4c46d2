//! Parallel branches: what each command is about, how they join, and what stops them.

use holdpoint_core::{
    Action, NextAsk, Outcome, RefusalCode, RunStatus, Steering, Vote,
    testing::{Bench, types},
};
use serde_json::{Value, json};

use crate::common::{
    cancel, data, done, ended, fatal, faults, hours, last, open, refused, signal, submitted,
    verdict, workflow,
};

/// Two branches and what follows; `ALL` says how they join.
const BOTH: &str = "
workflow: both
version: 1
title: Both
expires: { after: 9d, to: over }
input:
  type: object
  properties: { title: { type: string }, targets: { type: array, default: [a, b] } }
start: both
states:
  both:
    all:
      ALL
      branches:
        network:
          start: net-ok
          states:
            net-ok:
              hold:
                approval: { rules: { peer: { from: role:engineer, need: 1 } }, amended: reset }
              on: { released: cable, rejected: net-no }
            cable: { do: { activity: { run: cable } }, on: { succeeded: net-done, failed: net-no } }
            net-done: { end: done }
            net-no: { end: broken }
        storage:
          start: disk-ok
          states:
            disk-ok:
              hold:
                approval:
                  rules: { board: { from: role:board, need: 1 } }
                  amended: reset
                  duties: { discharge: author }
                  expires: 2d
              on: { released: copy, rejected: disk-no, expired: disk-no }
            copy:
              do:
                rollout:
                  targets: '${input.targets}'
                  each: { run: copy }
                  rollback: { run: restore }
              on: { succeeded: disk-done, rolled_back: disk-no, failed: disk-no }
            disk-done: { end: done }
            disk-no: { end: broken }
    on: { completed: report, failed: undo EXPIRED }
  report: { do: { activity: { run: report } }, on: { succeeded: good, failed: bad } }
  undo: { do: { activity: { run: undo } }, on: { succeeded: bad, failed: bad } }
  good: { end: good }
  bad: { end: bad }
  over: { end: over }
";

fn both(all: &str) -> String {
    let expired = if all.contains("expires") { ", expired: bad" } else { "" };
    BOTH.replace("ALL", all).replace(" EXPIRED", expired)
}

fn begun(all: &str) -> Bench {
    submitted(&both(all), "ada", json!({ "title": "t" }))
}

const WAIT: &str = "{ good: [done], others: wait }";
const CANCEL: &str = "{ good: [done], others: cancel }";

/// `ALL` in flow style and `branches` in block style do not mix.
fn flow(all: &str) -> String {
    all.trim_matches(['{', '}', ' ']).replace(", ", "\n      ")
}

fn with(all: &str) -> Bench {
    begun(&flow(all))
}

fn vote(hold: Option<&str>, vote: Vote) -> Action {
    let reason = (vote != Vote::Approve).then(|| "no".to_owned());
    Action::Vote {
        hold: hold.map(str::to_owned),
        vote,
        reason,
        duties: Vec::new(),
        in_place_of: None,
        plans: Default::default(),
    }
}

fn branches(bench: &Bench) -> Vec<String> {
    let view = bench.view();
    let one = |branch: &holdpoint_core::view::BranchView| {
        format!("{}: {} {}", branch.branch, branch.status.as_str(), branch.state)
    };
    view.branches.iter().map(one).collect()
}

/// What is stored gives the same run again at every point.
#[track_caller]
fn replays(bench: &Bench) {
    for count in 1..=bench.history().len() {
        bench.replay(count).unwrap();
    }
}

#[test]
fn branches_go_on_by_themselves_and_join_when_all_have_ended() {
    let mut bench = with(WAIT);
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(bench.view().state, "both");
    assert_eq!(branches(&bench), ["network: held net-ok", "storage: held disk-ok"]);
    let holds: Vec<String> = bench.view().holds.into_iter().map(|hold| hold.hold).collect();
    assert_eq!(holds, ["net-ok", "disk-ok"]);
    bench.act("bob", vote(Some("net-ok"), Vote::Approve)).unwrap();
    assert_eq!(branches(&bench), ["network: working cable", "storage: held disk-ok"]);
    assert_eq!(open(&bench), ["cable#1"]);
    // One hold is left, so that it need not be named.
    bench.act("dora", vote(None, Vote::Approve)).unwrap();
    assert_eq!(open(&bench), ["cable#1", "copy#1/a/deploy", "copy#1/b/deploy"]);
    assert_eq!(bench.view().rollouts().len(), 1);
    for effect in ["copy#1/b/deploy", "copy#1/a/deploy"] {
        bench.attempt(effect, done()).unwrap();
    }
    assert_eq!(branches(&bench), ["network: working cable", "storage: ended disk-done"]);
    let events = bench.attempt("cable#1", done()).unwrap();
    assert_eq!(
        types(&events[events.len() - 6..]),
        [
            "work.succeeded",
            "state.entered",
            "branch.ended",
            "branches.joined",
            "state.entered",
            "work.requested"
        ]
    );
    assert_eq!(last(&bench, "branches.joined"), json!({ "state": "both", "outcome": "completed" }));
    assert!(bench.view().branches.is_empty());
    assert_eq!(open(&bench), ["report#1"]);
    bench.attempt("report#1", done()).unwrap();
    assert_eq!(bench.status(), ended("good"));
    replays(&bench);
}

#[test]
fn where_several_holds_could_be_meant_it_must_be_said_which() {
    let mut bench = with(WAIT);
    for action in [
        vote(None, Vote::Approve),
        Action::Withdraw { hold: None, in_place_of: None, reason: None },
        Action::Recount { hold: None },
    ] {
        let refusal = refused(bench.act("bob", action), RefusalCode::AmbiguousBranch);
        assert_eq!(refusal.message, "2 holds are open, and it is not said which is meant");
        assert_eq!(refusal.needed, ["name one of `net-ok`, `disk-ok`"]);
    }
    let refusal =
        refused(bench.act("bob", vote(Some("copy"), Vote::Approve)), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["the open holds are `net-ok`, `disk-ok`"]);
    // Who is asked by the other hold is not asked by this one.
    refused(bench.act("bob", vote(Some("disk-ok"), Vote::Approve)), RefusalCode::NotEligible);
}

#[test]
fn others_wait_or_are_stopped_when_a_branch_fails() {
    let mut bench = with(WAIT);
    bench.act("bob", vote(Some("net-ok"), Vote::Reject)).unwrap();
    assert_eq!(branches(&bench), ["network: ended net-no", "storage: held disk-ok"]);
    bench.advance(hours(48));
    assert_eq!(last(&bench, "branches.joined")["outcome"], "failed");
    assert_eq!(open(&bench), ["undo#1"]);
    replays(&bench);

    let mut bench = with(CANCEL);
    bench.act("dora", vote(Some("disk-ok"), Vote::Approve)).unwrap();
    bench.attempt("copy#1/a/deploy", done()).unwrap();
    bench.begin_open();
    let events = bench.act("bob", vote(Some("net-ok"), Vote::Reject)).unwrap();
    assert_eq!(
        types(&events),
        [
            "approval.rejected",
            "hold.rejected",
            "state.entered",
            "branch.ended",
            "branches.stopping",
            "rollout.undo_started"
        ]
    );
    // What is under way at a target ends first, and what was done is restored.
    assert!(open(&bench).is_empty());
    bench.attempt("copy#1/b/deploy", done()).unwrap();
    for effect in ["copy#1/b/restore", "copy#1/a/restore"] {
        bench.attempt(effect, done()).unwrap();
    }
    assert_eq!(last(&bench, "branch.stopped"), json!({ "state": "copy", "branch": "storage" }));
    assert_eq!(last(&bench, "branches.joined")["outcome"], "failed");
    assert_eq!(open(&bench), ["undo#1"]);
    replays(&bench);

    let mut bench = with(CANCEL);
    let events = bench.act("bob", vote(Some("net-ok"), Vote::Reject)).unwrap();
    assert_eq!(
        types(&events[3..]),
        [
            "branch.ended",
            "branches.stopping",
            "branch.stopped",
            "branches.joined",
            "state.entered",
            "work.requested"
        ]
    );
}

#[test]
fn one_good_end_is_enough_where_any_is() {
    let any = "{ good: [done], join: any, others: cancel }";
    let mut bench = with(any);
    bench.act("bob", vote(Some("net-ok"), Vote::Reject)).unwrap();
    assert_eq!(branches(&bench), ["network: ended net-no", "storage: held disk-ok"]);
    bench.act("dora", vote(None, Vote::Approve)).unwrap();
    for effect in ["copy#1/a/deploy", "copy#1/b/deploy"] {
        bench.attempt(effect, done()).unwrap();
    }
    assert_eq!(last(&bench, "branches.joined")["outcome"], "completed");

    let mut bench = with(any);
    bench.act("bob", vote(Some("net-ok"), Vote::Approve)).unwrap();
    bench.attempt("cable#1", done()).unwrap();
    assert_eq!(last(&bench, "branch.stopped"), json!({ "state": "disk-ok", "branch": "storage" }));
    assert_eq!(last(&bench, "branches.joined")["outcome"], "completed");

    let mut bench = with(any);
    bench.act("bob", vote(Some("net-ok"), Vote::Reject)).unwrap();
    bench.act("dora", vote(None, Vote::Reject)).unwrap();
    assert_eq!(last(&bench, "branches.joined")["outcome"], "failed");
    replays(&bench);
}

#[test]
fn nothing_is_stopped_where_no_branch_is_under_way() {
    for last_vote in [Vote::Approve, Vote::Reject] {
        let mut bench = with(CANCEL);
        bench.act("bob", vote(Some("net-ok"), Vote::Approve)).unwrap();
        bench.attempt("cable#1", done()).unwrap();
        let mut events = bench.act("dora", vote(None, last_vote)).unwrap();
        if last_vote == Vote::Approve {
            for effect in ["copy#1/a/deploy", "copy#1/b/deploy"] {
                events.extend(bench.attempt(effect, done()).unwrap());
            }
        }
        let types = types(&events);
        assert!(types.iter().any(|one| *one == "branches.joined"), "{types:?}");
        assert!(!types.iter().any(|one| *one == "branches.stopping"), "{types:?}");
        replays(&bench);
    }
}

#[test]
fn the_time_of_the_branches_and_of_the_run_stop_what_is_under_way() {
    let mut bench = with("{ good: [done], others: wait, expires: 1d }");
    bench.act("bob", vote(Some("net-ok"), Vote::Approve)).unwrap();
    bench.advance(hours(24));
    assert_eq!(last(&bench, "work.expired")["state"], "both");
    assert_eq!(last(&bench, "branches.joined")["outcome"], "expired");
    assert_eq!(bench.status(), ended("bad"));
    replays(&bench);

    let mut bench = with(WAIT);
    bench.act("dora", vote(Some("disk-ok"), Vote::Approve)).unwrap();
    bench.begin_open();
    bench.advance(hours(9 * 24));
    assert_eq!(branches(&bench), ["network: ended net-ok", "storage: working copy"]);
    for effect in ["copy#1/a/deploy", "copy#1/b/deploy", "copy#1/b/restore", "copy#1/a/restore"] {
        bench.attempt(effect, done()).unwrap();
    }
    assert_eq!(bench.status(), ended("over"));
    replays(&bench);
}

#[test]
fn a_cancelled_run_ends_when_every_branch_is_stopped() {
    let mut bench = with(WAIT);
    bench.act("ada", cancel("enough")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));

    let mut bench = with(WAIT);
    bench.act("dora", vote(Some("disk-ok"), Vote::Approve)).unwrap();
    bench.act("bob", vote(None, Vote::Approve)).unwrap();
    bench.begin_open();
    let events = bench.act("ada", cancel("enough")).unwrap();
    let told = types(&events);
    assert!(told.contains(&"branch.stopped".to_owned()), "{told:?}");
    assert!(open(&bench).iter().all(|effect| effect.starts_with("copy#1")));
    refused(bench.act("ada", cancel("again")), RefusalCode::NotAwaited);
    refused(bench.act("ada", signal("go", Value::Null)), RefusalCode::NotAwaited);
    for effect in ["copy#1/a/deploy", "copy#1/b/deploy", "copy#1/b/restore", "copy#1/a/restore"] {
        bench.attempt(effect, done()).unwrap();
    }
    assert_eq!(bench.status(), ended("cancelled"));
    assert_eq!(last(&bench, "branches.joined")["outcome"], "cancelled");
    replays(&bench);
}

#[test]
fn an_amendment_is_for_every_open_hold_and_never_while_a_branch_is_at_work() {
    let amend = |title: &str| Action::Amend {
        input: json!({ "title": title, "targets": ["a", "b"] }),
        reason: "it is another".to_owned(),
    };
    let proposed =
        |bench: &Bench| bench.view().next_steps.iter().any(|step| step.ask == Some(NextAsk::Amend));
    let mut bench = with(WAIT);
    assert!(proposed(&bench));
    let events = bench.act("ada", amend("u")).unwrap();
    assert_eq!(types(&events), ["run.amended", "run.amended"]);
    assert_eq!(data(&events[0])["hold"], "net-ok");
    assert_eq!(data(&events[1])["hold"], "disk-ok");
    refused(bench.act("ada", amend("u")), RefusalCode::InvalidInput);
    bench.act("bob", vote(Some("net-ok"), Vote::Approve)).unwrap();
    assert!(!proposed(&bench));
    let refusal = refused(bench.act("ada", amend("v")), RefusalCode::NotAwaited);
    assert_eq!(
        refusal.message,
        "the run cannot be amended while `cable` is at work with the input as it is"
    );
    bench.attempt("cable#1", done()).unwrap();
    // What the first branch has done is done, and nothing is still to be done that was approved there.
    bench.attempt("cable#1", done()).unwrap_err();
    assert!(!proposed(&bench));
    let refusal = refused(bench.act("ada", amend("v")), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "what `net-ok` let pass would no longer be what is done");
    replays(&bench);
}

#[test]
fn conditions_are_due_before_the_end_of_the_run_and_not_of_a_branch() {
    let mut bench = with(WAIT);
    let duty = |before: Option<&str>| holdpoint_core::NewDuty {
        text: "tell them".to_owned(),
        before: before.map(str::to_owned),
    };
    let approve = Action::Vote {
        hold: Some("disk-ok".to_owned()),
        vote: Vote::Approve,
        reason: None,
        duties: vec![duty(None), duty(Some("copy")), duty(Some("report"))],
        in_place_of: None,
        plans: Default::default(),
    };
    bench.act("dora", approve).unwrap();
    assert_eq!(branches(&bench), ["network: held net-ok", "storage: held disk-ok"]);
    bench.act("dora", Action::Discharge { duty: 2, note: "done".to_owned() }).unwrap();
    assert_eq!(branches(&bench), ["network: held net-ok", "storage: working copy"]);
    for effect in ["copy#1/a/deploy", "copy#1/b/deploy"] {
        bench.attempt(effect, done()).unwrap();
    }
    bench.act("bob", vote(None, Vote::Approve)).unwrap();
    bench.attempt("cable#1", done()).unwrap();
    assert_eq!(last(&bench, "duties.awaited")["before"], "report");
    bench.act("dora", Action::Discharge { duty: 3, note: "done".to_owned() }).unwrap();
    bench.attempt("report#1", done()).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    bench.act("dora", Action::Discharge { duty: 1, note: "done".to_owned() }).unwrap();
    assert_eq!(bench.status(), ended("good"));
    replays(&bench);
}

const SIGNALS: &str = "
workflow: signals
version: 1
title: Signals
start: before
states:
  before: { hold: { wait: { for: 1h } }, on: { released: all } }
  all:
    all:
      good: [done]
      others: wait
      branches:
        a:
          start: a-go
          states:
            a-go: { hold: { signal: { name: go, when: 'signal > 1' } }, on: { released: a-more } }
            a-more: { hold: { signal: { name: more } }, on: { released: a-done } }
            a-done: { end: done }
        b:
          start: b-go
          states:
            b-go: { hold: { signal: { name: go } }, on: { released: b-done } }
            b-done: { end: done }
    on: { completed: good }
  good: { end: good }
";

#[test]
fn a_signal_is_taken_by_the_first_branch_that_accepts_it() {
    let go = |n: i64| signal("go", json!(n));
    let mut bench = submitted(SIGNALS, "ada", json!({}));
    bench.advance(hours(1));
    bench.act("bob", go(2)).unwrap();
    assert_eq!(branches(&bench), ["a: held a-more", "b: held b-go"]);
    bench.act("bob", go(1)).unwrap();
    assert_eq!(branches(&bench), ["a: held a-more", "b: ended b-done"]);
    let refusal = refused(bench.act("bob", go(3)), RefusalCode::NotAwaited);
    assert_eq!(refusal.needed, ["it can still want more"]);
    bench.act("bob", signal("more", Value::Null)).unwrap();
    assert_eq!(bench.status(), ended("good"));

    let mut bench = submitted(SIGNALS, "ada", json!({}));
    bench.advance(hours(1));
    bench.act("bob", go(1)).unwrap();
    assert_eq!(branches(&bench), ["a: held a-go", "b: ended b-done"]);
    refused(bench.act("bob", go(1)), RefusalCode::InvalidInput);
    // One for a hold that comes later is kept.
    bench.act("bob", signal("more", Value::Null)).unwrap();
    bench.act("bob", go(2)).unwrap();
    assert_eq!(bench.status(), ended("good"));

    // Kept from before, in the order in which they came.
    let mut bench = submitted(SIGNALS, "ada", json!({}));
    for kept in [go(1), go(5)] {
        bench.act("bob", kept).unwrap();
    }
    bench.advance(hours(1));
    assert_eq!(branches(&bench), ["a: held a-more", "b: ended b-done"]);
    assert_eq!(
        last(&bench, "signal.consumed"),
        json!({ "hold": "b-go", "name": "go", "index": 0 })
    );
    replays(&bench);
}

const NESTED: &str = "
workflow: nested
version: 1
title: Nested
start: outer
states:
  outer:
    all:
      good: [done]
      others: cancel
      branches:
        one:
          start: inner
          states:
            inner:
              all:
                good: [fine]
                others: wait
                branches:
                  x: { start: x-work, states: { x-work: { do: { activity: { run: x } }, on: { succeeded: x-fine, failed: x-bad } }, x-fine: { end: fine }, x-bad: { end: bad } } }
                  y: { start: y-roll, states: { y-roll: { do: { rollout: { targets: [t], each: { run: y }, healthy: { http: 'http://${target}/' } } }, on: { succeeded: y-fine, failed: y-bad } }, y-fine: { end: fine }, y-bad: { end: bad } } }
              on: { completed: one-done, failed: one-bad }
            one-done: { end: done }
            one-bad: { end: bad }
        two:
          start: two-roll
          states:
            two-roll: { do: { rollout: { targets: [u], each: { run: z }, healthy: { http: 'http://${target}/' } } }, on: { succeeded: two-done, failed: two-bad } }
            two-done: { end: done }
            two-bad: { end: bad }
    on: { completed: good, failed: bad }
  good: { end: good }
  bad: { end: bad }
";

#[test]
fn branches_have_branches() {
    let mut bench = submitted(NESTED, "ada", json!({}));
    assert_eq!(open(&bench), ["x-work#1", "y-roll#1/t/deploy", "two-roll#1/u/deploy"]);
    let view = bench.view();
    let inner: Vec<&str> = view.branches[0].branches.iter().map(|one| one.state.as_str()).collect();
    assert_eq!((view.branches[0].state.as_str(), inner), ("inner", vec!["x-work", "y-roll"]));
    for effect in ["y-roll#1/t/deploy", "x-work#1", "two-roll#1/u/deploy"] {
        bench.attempt(effect, done()).unwrap();
    }
    bench.attempt("y-roll#1/t/check", verdict("passed")).unwrap();
    assert_eq!(branches(&bench), ["one: ended one-done", "two: working two-roll"]);
    bench.attempt("two-roll#1/u/check", verdict("passed")).unwrap();
    assert_eq!(bench.status(), ended("good"));
    replays(&bench);
}

#[test]
fn a_branch_is_stopped_with_all_that_is_in_it() {
    let mut bench = submitted(NESTED, "ada", json!({}));
    bench.begin_open();
    bench.attempt("two-roll#1/u/deploy", fatal("no")).unwrap();
    // The deployment that is under way ends first.
    assert_eq!(bench.status(), RunStatus::Working);
    bench.attempt("y-roll#1/t/deploy", done()).unwrap();
    assert_eq!(bench.status(), ended("bad"));
    let joined: Vec<Value> = bench
        .history()
        .iter()
        .filter(|event| event.kind.as_str() == "holdpoint.branches.joined")
        .map(data)
        .collect();
    assert_eq!(
        joined,
        [
            json!({ "state": "inner", "outcome": "cancelled" }),
            json!({ "state": "outer", "outcome": "failed" })
        ]
    );
    replays(&bench);
}

#[test]
fn where_several_rollouts_could_be_steered_it_must_be_said_which() {
    let mut bench = submitted(NESTED, "ada", json!({}));
    for effect in ["y-roll#1/t/deploy", "two-roll#1/u/deploy"] {
        bench.attempt(effect, done()).unwrap();
    }
    for effect in ["y-roll#1/t/check", "two-roll#1/u/check"] {
        bench.attempt(effect, verdict("inconclusive")).unwrap();
    }
    assert_eq!(bench.status(), RunStatus::Stuck);
    let promote = |state: Option<&str>| Action::Steer {
        steering: Steering::Promote,
        target: None,
        reason: None,
        state: state.map(str::to_owned),
        over: Default::default(),
    };
    let refusal = refused(bench.act("ada", promote(None)), RefusalCode::AmbiguousBranch);
    assert_eq!(refusal.needed, ["name the state, with `--state`: one of `y-roll`, `two-roll`"]);
    bench.act("ada", promote(Some("two-roll"))).unwrap();
    bench.act("ada", promote(None)).unwrap();
    bench.attempt("x-work#1", Outcome::Completed(json!(1))).unwrap();
    assert_eq!(bench.status(), ended("good"));
    replays(&bench);
}

#[test]
fn what_a_branch_left_is_there_for_what_follows() {
    let source = both(&flow(WAIT))
        .replace("run: report }", "run: report, with: { cable: '${states.cable.output}' } }");
    let mut bench = submitted(&source, "ada", json!({ "title": "t" }));
    bench.act("bob", vote(Some("net-ok"), Vote::Approve)).unwrap();
    bench.attempt("cable#1", Outcome::Completed(json!("red"))).unwrap();
    bench.act("dora", vote(None, Vote::Approve)).unwrap();
    for effect in ["copy#1/a/deploy", "copy#1/b/deploy"] {
        bench.attempt(effect, done()).unwrap();
    }
    assert_eq!(bench.open_activities()[0].2, json!({ "cable": "red" }));
}

#[test]
fn what_is_wrong_with_branches_is_found() {
    let source = both(&flow(WAIT));
    for (from, to, expected) in [
        (
            "released: cable",
            "released: copy",
            "error[HP2060]: `copy` is in the branch `storage` of `both`, and from the branch `network` of `both` no way leads there",
        ),
        ("released: cable", "released: good", "error[HP2060]: `good` is in no branch"),
        (
            "failed: bad }",
            "failed: cable }",
            "error[HP2060]: `cable` is in the branch `network` of `both`, and from no branch no way leads there",
        ),
        (
            "start: net-ok",
            "start: disk-ok",
            "error[HP2060]: `disk-ok` is no state of the branch `network`",
        ),
        ("start: both\n", "start: cable\n", "error[HP2060]: `cable` is in the branch"),
        ("to: over", "to: net-no", "error[HP2060]: `net-no` is in the branch"),
        (
            "disk-done: { end: done }",
            "net-done: { end: done }",
            "error[HP2061]: there is another state `net-done`",
        ),
        (
            "good: [done]",
            "good: [done, dnoe]",
            "error[HP2062]: no branch of `both` ends with `dnoe`, which `good` names\n",
        ),
        (
            "net-done: { end: done }",
            "net-done: { end: finished }",
            "error[HP2062]: the branch `network` of `both` cannot end well: it ends with broken, finished",
        ),
        ("others: wait", "others: stay", "error[HP2004]: `others` is never `stay`"),
        ("others: wait", "join: any", "error[HP2003]: `all` has no `others`"),
        (", failed: undo", "", "error[HP2010]: `both` does not say where `failed` leads"),
        (
            "failed: undo",
            "failed: undo, expired: bad",
            "error[HP2011]: `both` cannot have the outcome `expired`",
        ),
    ] {
        assert!(source.contains(from), "{from}");
        let found = faults(&source.replacen(from, to, 1));
        assert!(found.contains(expected), "{from} -> {to}:\n{found}");
    }
    // Two ends that count as good are as one where a deadline leads.
    let late = source
        .replace("released: copy,", "released: disk-done,")
        .replace("expired: disk-no }", "expired: disk-late }")
        .replace("disk-no: {", "disk-late: { end: done }\n            disk-no: {");
    let found = faults(&late);
    assert!(found.contains("error[HP2021]: `disk-ok` would go on by itself"), "{found}");
    // Where every end is good no branch can fail.
    workflow(&SIGNALS.replace("others: wait", "others: cancel"));
}

#[test]
fn a_circle_through_branches_in_which_nothing_holds_is_found() {
    let source = "
workflow: round
version: 1
title: Round
start: all
states:
  all:
    all:
      good: [done]
      others: wait
      branches: { a: { start: w, states: { w: { do: { activity: { run: w } }, on: { succeeded: d, failed: d } }, d: { end: done } } } }
    on: { completed: which }
  which: { choose: [{ when: '1 > 0', to: all }, { else: z }] }
  z: { end: z }
";
    let found = faults(source);
    assert!(found.contains("error[HP2013]: from `all` the run can come back"), "{found}");
    // One that only turns out to hold nothing is blocked when it comes back.
    let held = source.replace(
        "w: { do: { activity: { run: w } }, on: { succeeded: d, failed: d } }",
        "w: { hold: { wait: { until: '2020-01-01T00:00:00Z' } }, on: { released: d } }",
    );
    let mut bench = Bench::new(workflow(&held), crate::common::people());
    let refusal = refused(bench.submit("ada", json!({})), RefusalCode::InvalidInput);
    assert!(refusal.message.contains("without waiting for anything"), "{refusal}");
}

#[test]
fn the_page_about_branches_says_what_is_so() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parallel.md"));
    let blocks = crate::docs::blocks(page, "yaml");
    assert_eq!(blocks.len(), 1);
    let source = &blocks[0].1;
    let text = workflow(source).explain();
    for sentence in [
        "  Side by side the run goes through `network` from `firewall` and `storage` from `copy`.\n",
        "  It is completed when every branch ends with done; once that is settled, the others are stopped.\n",
        "  After 5d its branches are stopped.\n",
        "open\n  In the branch `network` of `prepare`:\n  A worker does `open-ports`",
        "  When failed, the branch is over: refused.\n",
    ] {
        assert!(text.contains(sentence), "{sentence}\n{text}");
    }
    let changes =
        workflow(source).compare(&workflow(&source.replace("others: cancel", "others: wait")));
    let told: Vec<String> =
        changes.iter().map(|one| format!("{} {:?}", one.what, one.after)).collect();
    assert_eq!(told, ["the others, once that is settled Some(\"wait\")"]);
}
