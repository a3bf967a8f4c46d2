//! Holds and time, and holds and signals: deadlines, waits, what comes early and what comes late.

use holdpoint_core::{
    Action, EffectId, Moment, Refusal, RefusalCode, RunStatus, Vote,
    run::DueStep,
    testing::{Bench, types},
    workflow::DecideFailure,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::common::{
    ended, faults, hours, last, people, refused, secs, signal, submitted, workflow,
};

/// A definition with one hold.
fn hold(input: &str, conditions: &str, on: &str) -> String {
    let mut source = format!(
        "
workflow: one-hold
version: 1
title: One hold
input: {input}
start: before
states:
  before:
    hold:
      {conditions}
    on: {on}
  done: {{ end: done }}
"
    );
    for end in ["refused", "lapsed"].into_iter().filter(|end| on.contains(end)) {
        source.push_str(&format!("  {end}: {{ end: {end} }}\n"));
    }
    source
}

const NOTHING: &str = "{ type: object }";
const APPROVAL: &str =
    "approval: { rules: { peer: { from: role:engineer, need: 1 } }, expires: 2h }";
const ON_ALL: &str = "{ released: done, rejected: refused, expired: lapsed }";

fn timers(bench: &Bench) -> Vec<(String, Timestamp)> {
    bench
        .due()
        .into_iter()
        .filter_map(|due| match due.step {
            DueStep::Fire { at } => Some((due.effect.to_string(), at)),
            _ => None,
        })
        .collect()
}

fn fire(effect: &str) -> Action {
    Action::TimerFired { effect: EffectId::new(effect) }
}

fn vote() -> Action {
    Action::vote(Vote::Approve, None)
}

/// What a command would come to at a later time, when no timer was noticed until then.
#[track_caller]
fn late(
    bench: &Bench,
    source: &str,
    by: SignedDuration,
    actor: &str,
    action: Action,
) -> Result<Vec<String>, Refusal> {
    let command = bench.clone().command(actor, action);
    let project = people();
    let at = Moment { now: bench.now() + by, project: &project };
    match bench.run().decide(&*workflow(source), &command, &at) {
        Ok(decided) => Ok(decided
            .events
            .iter()
            .map(|event| event.kind.as_str().trim_start_matches("holdpoint.").to_owned())
            .collect()),
        Err(DecideFailure::Refused(refusal)) => Err(refusal),
        Err(DecideFailure::Broken(broken)) => panic!("{broken}"),
    }
}

#[test]
fn a_hold_expires_at_its_deadline() {
    let mut bench = submitted(&hold(NOTHING, APPROVAL, ON_ALL), "ada", json!({}));
    let begun = bench.now();
    assert_eq!(timers(&bench), [("before#1/deadline".to_owned(), begun + hours(2))]);
    bench.advance(hours(2) - secs(1));
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(secs(1));
    assert_eq!(bench.status(), ended("lapsed"));
    let deadline = last(&bench, "hold.expired")["deadline"].clone();
    assert_eq!(deadline, json!(begun + hours(2)));
    let end = bench.types().len();
    assert_eq!(
        bench.types()[end - 4..],
        ["timer.fired", "hold.expired", "state.entered", "run.ended"]
    );
}

#[test]
fn a_late_vote_is_refused_even_when_the_timer_is_late() {
    let source = hold(NOTHING, APPROVAL, ON_ALL);
    let bench = submitted(&source, "ada", json!({}));
    late(&bench, &source, hours(2) - secs(1), "bob", vote()).unwrap();
    for by in [hours(2), hours(3)] {
        let refusal = refused(late(&bench, &source, by, "bob", vote()), RefusalCode::NotAwaited);
        assert_eq!(refusal.message, "the hold `before` expired at 2026-01-05 11:00:00 UTC");
    }
    let expired = late(&bench, &source, hours(3), "engine", fire("before#1/deadline")).unwrap();
    assert_eq!(expired, ["timer.fired", "hold.expired", "state.entered", "run.ended"]);
    let early = late(&bench, &source, hours(1), "engine", fire("before#1/deadline"));
    refused(early, RefusalCode::NotAwaited);
    let other = late(&bench, &source, hours(3), "engine", fire("before#1/wait"));
    refused(other, RefusalCode::NotAwaited);
}

#[test]
fn a_deadline_can_be_computed() {
    let input = "{ type: object, required: [within], properties: { within: { type: string } } }";
    let approval = "approval: { rules: { peer: { from: role:engineer, need: 1 } }, expires: '${input.within}' }";
    let source = hold(input, approval, ON_ALL);
    let mut bench = submitted(&source, "ada", json!({ "within": "90m" }));
    bench.advance(hours(1));
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("lapsed"));
    for bad in ["soon", "-1h", "1mo", "0s"] {
        let mut bench = Bench::new(workflow(&source), people());
        let refusal =
            refused(bench.submit("ada", json!({ "within": bad })), RefusalCode::InvalidInput);
        assert!(refusal.message.contains("`before` cannot be entered"), "{refusal}");
        assert!(refusal.message.contains(bad), "{refusal}");
    }
    submitted(&source, "ada", json!({ "within": "99999999h" }));
}

#[test]
fn a_wait_for_a_time_releases() {
    let mut bench =
        submitted(&hold(NOTHING, "wait: { for: 30m }", "{ released: done }"), "ada", json!({}));
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(bench.next_steps()[0], "wait until 2026-01-05 09:30:00 UTC");
    bench.advance(secs(30 * 60 - 1));
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(secs(1));
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_wait_until_a_time_releases_then() {
    let input = "{ type: object, required: [at], properties: { at: { type: string } } }";
    let source = hold(input, "wait: { until: '${input.at}' }", "{ released: done }");
    let mut bench = submitted(&source, "ada", json!({ "at": "2026-01-05T12:00:00+01:00" }));
    assert_eq!(timers(&bench), [("before#1/wait".to_owned(), bench.now() + hours(2))]);
    bench.advance(hours(2));
    assert_eq!(bench.status(), ended("done"));
    // What is past has been waited for.
    let past = submitted(&source, "ada", json!({ "at": "2020-01-01T00:00:00Z" }));
    assert_eq!(past.status(), ended("done"));
    let mut bad = Bench::new(workflow(&source), people());
    let refusal = refused(bad.submit("ada", json!({ "at": "noon" })), RefusalCode::InvalidInput);
    assert!(refusal.message.ends_with("`noon` is not a time"), "{refusal}");
}

#[test]
fn an_approval_and_a_wait_are_both_needed() {
    let source = hold(NOTHING, &format!("{APPROVAL}\n      wait: {{ for: 1h }}"), ON_ALL);
    // First the people, then the time.
    let mut bench = submitted(&source, "ada", json!({}));
    assert_eq!(types(&bench.approve("bob").unwrap()), ["approval.granted"]);
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("done"));
    // First the time, then the people.
    let mut bench = submitted(&source, "ada", json!({}));
    bench.advance(hours(1));
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(timers(&bench).len(), 1, "the wait is not asked for again");
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), ended("done"));
    // The time only.
    let mut bench = submitted(&source, "ada", json!({}));
    bench.advance(hours(2));
    assert_eq!(bench.status(), ended("lapsed"));
}

#[test]
fn where_timers_are_late_what_came_first_counts() {
    let source = hold(NOTHING, &format!("{APPROVAL}\n      wait: {{ for: 1h }}"), ON_ALL);
    let mut bench = submitted(&source, "ada", json!({}));
    bench.approve("bob").unwrap();
    for effect in ["before#1/wait", "before#1/deadline"] {
        let events = late(&bench, &source, hours(9), "engine", fire(effect)).unwrap();
        assert_eq!(
            events,
            ["timer.fired", "wait.elapsed", "hold.released", "state.entered", "run.ended"],
            "{effect}"
        );
    }
    // A vote that comes after the time, before its timer is noticed, finds the time passed.
    let bench = submitted(&source, "ada", json!({}));
    let events = late(&bench, &source, hours(1) + secs(1), "bob", vote()).unwrap();
    assert_eq!(
        events,
        ["approval.granted", "wait.elapsed", "hold.released", "state.entered", "run.ended"]
    );
}

#[test]
fn a_wait_that_ends_with_the_deadline_is_in_time() {
    let source = hold(NOTHING, &format!("{APPROVAL}\n      wait: {{ for: 2h }}"), ON_ALL);
    let mut bench = submitted(&source, "ada", json!({}));
    bench.approve("bob").unwrap();
    bench.advance(hours(2));
    assert_eq!(bench.status(), ended("done"));
    let longer = source.replace("for: 2h", "for: 3h");
    let mut bench = submitted(&longer, "ada", json!({}));
    bench.approve("bob").unwrap();
    bench.advance(hours(3));
    assert_eq!(bench.status(), ended("lapsed"));
}

const SIGNAL: &str = "signal: { name: tests-done, when: \"signal.passed == true\", expires: 1h }";
const ON_SIGNAL: &str = "{ released: done, expired: lapsed }";

#[test]
fn a_signal_releases_and_leaves_its_data() {
    let source = hold(NOTHING, SIGNAL, ON_SIGNAL);
    let mut bench = submitted(&source, "ada", json!({}));
    assert_eq!(bench.next_steps()[0], "send the signal `tests-done`");
    let events = bench.act("fay", signal("tests-done", json!({ "passed": true }))).unwrap();
    assert_eq!(
        types(&events),
        ["signal.received", "signal.consumed", "hold.released", "state.entered", "run.ended"]
    );
}

#[test]
fn a_signal_that_does_not_fit_is_refused() {
    let source = hold(NOTHING, SIGNAL, ON_SIGNAL);
    let mut bench = submitted(&source, "ada", json!({}));
    let fails = signal("tests-done", json!({ "passed": false }));
    let refusal = refused(bench.act("fay", fails), RefusalCode::InvalidInput);
    assert_eq!(
        refusal.message,
        "what came with `tests-done` does not meet the condition of `before`"
    );
    let shapeless = bench.act("fay", signal("tests-done", json!(null)));
    refused(shapeless, RefusalCode::InvalidInput);
    let unknown = bench.act("fay", signal("test-done", json!({ "passed": true })));
    let refusal = refused(unknown, RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "nothing in this run can want the signal `test-done`");
    assert_eq!(refusal.needed, ["it can still want tests-done"]);
    let stranger = bench.act("zed", signal("tests-done", json!({ "passed": true })));
    refused(stranger, RefusalCode::NotMember);
    assert_eq!(bench.types().len(), 3, "nothing was recorded: {:?}", bench.types());
}

#[test]
fn a_signal_has_a_deadline() {
    let source = hold(NOTHING, SIGNAL, ON_SIGNAL);
    let mut bench = submitted(&source, "ada", json!({}));
    let passed = || signal("tests-done", json!({ "passed": true }));
    refused(late(&bench, &source, hours(1), "fay", passed()), RefusalCode::NotAwaited);
    late(&bench, &source, hours(1) - secs(1), "fay", passed()).unwrap();
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("lapsed"));
}

#[test]
fn the_first_of_several_deadlines_counts() {
    let both = format!("{APPROVAL}\n      {SIGNAL}");
    let mut bench = submitted(&hold(NOTHING, &both, ON_ALL), "ada", json!({}));
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("lapsed"));
}

const TWO_STEPS: &str = "
workflow: two-steps
version: 1
title: A signal may come early
start: first
states:
  first: { hold: { wait: { for: 1h } }, on: { released: second } }
  second:
    hold: { signal: { name: go, when: 'signal.n > 1' } }
    on: { released: third }
  third:
    choose:
      - { when: 'states.second.output.n == 2', to: two }
      - { else: more }
  two: { end: two }
  more: { end: more }
";

#[test]
fn an_early_signal_is_kept() {
    let mut bench = submitted(TWO_STEPS, "ada", json!({}));
    // What does not fit is kept all the same: no hold has judged it yet.
    bench.act("bob", signal("go", json!({ "n": 1 }))).unwrap();
    bench.act("bob", signal("go", json!({ "n": 2 }))).unwrap();
    bench.act("bob", signal("go", json!({ "n": 3 }))).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("two"), "the first that fits is taken");
    assert_eq!(
        last(&bench, "signal.consumed"),
        json!({ "hold": "second", "name": "go", "index": 1 })
    );
}

#[test]
fn kept_signals_are_bounded() {
    let mut bench = submitted(TWO_STEPS, "ada", json!({}));
    for n in 0..100 {
        bench.act("bob", signal("go", json!({ "n": -n }))).unwrap();
    }
    let refusal =
        refused(bench.act("bob", signal("go", json!({ "n": 2 }))), RefusalCode::NotAwaited);
    assert_eq!(refusal.message, "100 signals are kept already and no hold has taken one");
    bench.advance(hours(1));
    bench.act("bob", signal("go", json!({ "n": 2 }))).unwrap();
    assert_eq!(bench.status(), ended("two"), "the hold that is open takes one beyond them");
}

#[test]
fn a_signal_that_was_taken_is_wanted_no_more() {
    let source = hold(NOTHING, &format!("{APPROVAL}\n      signal: {{ name: go }}"), ON_ALL);
    let mut bench = submitted(&source, "ada", json!({}));
    bench.act("bob", signal("go", json!(null))).unwrap();
    let again = refused(bench.act("bob", signal("go", json!(null))), RefusalCode::NotAwaited);
    assert_eq!(again.needed, Vec::<String>::new());
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn all_conditions_together_release() {
    let all = format!("{APPROVAL}\n      wait: {{ for: 1h }}\n      signal: {{ name: go }}");
    let source = hold(NOTHING, &all, ON_ALL);
    let mut bench = submitted(&source, "ada", json!({}));
    bench.act("fay", signal("go", json!({ "build": 7 }))).unwrap();
    bench.approve("bob").unwrap();
    let view = bench.view();
    let met: Vec<(&str, bool)> =
        view.holds[0].conditions.iter().map(|one| (one.name.as_str(), one.met)).collect();
    assert_eq!(met, [("peer", true), ("wait", false), ("go", true)]);
    bench.advance(hours(1));
    assert_eq!(bench.status(), ended("done"));
}

#[test]
fn a_deadline_of_nothing_is_a_fault() {
    let none = APPROVAL.replace("expires: 2h", "expires: 0s");
    let found = faults(&hold(NOTHING, &none, ON_ALL));
    assert!(found.contains("HP2016") && found.contains("must be longer than nothing"), "{found}");
}

#[test]
fn a_circle_whose_only_wait_takes_no_time_is_a_fault() {
    let found = faults(
        "
workflow: spin
version: 1
title: Round and round
input: { type: object, required: [go], properties: { go: { type: boolean } } }
start: wait
states:
  wait: { hold: { wait: { for: 0s } }, on: { released: check } }
  check: { choose: [{ when: input.go, to: done }, { else: wait }] }
  done: { end: done }
",
    );
    assert!(found.contains("HP2013"), "{found}");
}

#[test]
fn a_circle_that_turns_out_not_to_wait_blocks_the_run() {
    let source = "
workflow: spin
version: 1
title: Round and round
input:
  type: object
  required: [go, at, pause]
  properties: { go: { type: boolean }, at: { type: string }, pause: { type: string } }
start: first
states:
  first: { hold: { wait: { for: \"${input.pause}\" } }, on: { released: wait } }
  wait: { hold: { wait: { until: \"${input.at}\" } }, on: { released: check } }
  check: { choose: [{ when: input.go, to: done }, { else: wait }] }
  done: { end: done }
";
    let past = "2020-01-01T00:00:00Z";
    let mut bench = Bench::new(workflow(source), people());
    let input = json!({ "go": false, "at": past, "pause": "0s" });
    let refusal = refused(bench.submit("ada", input), RefusalCode::InvalidInput);
    assert!(refusal.message.contains("without"), "{refusal}");
    let input = json!({ "go": false, "at": past, "pause": "1h" });
    let mut bench = submitted(source, "ada", input);
    bench.advance(hours(1));
    assert_eq!(bench.status(), RunStatus::Stuck);
    submitted(source, "ada", json!({ "go": true, "at": past, "pause": "0s" }));
}
