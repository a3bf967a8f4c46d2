//! Activities, choices, loops, cancellation, blocked runs, inputs.

use std::collections::BTreeSet;

use holdpoint_core::{
    Action, EffectId, Outcome, RefusalCode, RetryPolicy, RunStatus,
    run::DueStep,
    testing::{Bench, types},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::common::{
    cancel, data, done, ended, fatal, faults, flaky, hours, last, open, people, refused, secs,
    signal, submitted, workflow,
};

const BUILD: &str = "
workflow: build
version: 1
title: Build and try
input:
  type: object
  required: [branch]
  properties:
    branch: { type: string }
    level: { type: integer, default: 3 }
    note: { type: string }
start: build
states:
  build:
    do:
      activity:
        run: compile
        with:
          branch: \"${input.branch}\"
          level: \"${input.level + 1}\"
          by: \"${requester}\"
          label: \"v-${input.branch}\"
          flags: [fast, \"${input.level}\"]
          literal: \"$${input.branch}\"
          exact: { n: 1.5, on: true, nothing: null }
        timeout: 5m
        retry: { attempts: 3, backoff: exponential, delay: 10s, max_delay: 15s }
    on: { succeeded: judge, failed: broken }
  judge:
    choose:
      - { when: 'states.build.output.warnings > 10', to: broken }
      - { when: 'states.build.output.warnings > 0', to: look }
      - { else: good }
  look:
    hold: { approval: { rules: { peer: { from: role:engineer, need: 1 } } } }
    on: { released: good, rejected: build }
  good: { end: good }
  broken: { end: broken }
";

fn built(warnings: u32) -> Outcome {
    Outcome::Completed(json!({ "warnings": warnings }))
}

fn begin() -> Bench {
    submitted(BUILD, "ada", json!({ "branch": "main" }))
}

#[test]
fn an_activity_is_asked_for_with_what_the_definition_says() {
    let bench = begin();
    assert_eq!(bench.status(), RunStatus::Working);
    assert_eq!(
        bench.open_activities(),
        [(
            "build#1".to_owned(),
            "compile".to_owned(),
            json!({
                "branch": "main",
                "level": 4,
                "by": "ada",
                "label": "v-main",
                "flags": ["fast", 3],
                "literal": "${input.branch}",
                "exact": { "n": 1.5, "on": true, "nothing": null },
            })
        )]
    );
    let due = bench.due();
    let DueStep::Attempt { activity, attempt: 1, not_before: None, .. } = &due[0].step else {
        panic!("{due:?}")
    };
    assert_eq!(activity.timeout, secs(300));
    assert_eq!(activity.retry.attempts_max, 3);
    assert_eq!(last(&bench, "work.requested")["effect"], "build#1");
}

#[test]
fn an_output_decides_where_the_run_goes() {
    let mut bench = begin();
    let events = bench.attempt("build#1", built(0)).unwrap();
    assert_eq!(
        types(&events),
        [
            "activity.started",
            "activity.completed",
            "work.succeeded",
            "state.entered",
            "state.entered",
            "run.ended"
        ]
    );
    assert_eq!(bench.status(), ended("good"));
    let mut bench = begin();
    bench.attempt("build#1", built(11)).unwrap();
    assert_eq!(bench.status(), ended("broken"));
    let mut bench = begin();
    bench.attempt("build#1", built(1)).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn an_activity_is_tried_again_and_then_fails() {
    let mut bench = begin();
    for (attempt, pause) in [(1, 10), (2, 15)] {
        let events = bench.attempt("build#1", flaky("no network")).unwrap();
        assert_eq!(types(&events), ["activity.started", "activity.failed"]);
        let due = bench.due();
        let DueStep::Attempt { attempt: next, not_before, .. } = due[0].step else {
            panic!("{due:?}")
        };
        assert_eq!((next, not_before), (attempt + 1, Some(bench.now() + secs(pause))));
        bench.advance(secs(pause));
    }
    let events = bench.attempt("build#1", flaky("no network")).unwrap();
    assert_eq!(
        types(&events),
        ["activity.started", "activity.failed", "work.failed", "state.entered", "run.ended"]
    );
    assert_eq!(data(&events[2]), json!({ "state": "build", "reason": "no network" }));
    assert_eq!(bench.status(), ended("broken"));
}

const PATIENT: &str = "
workflow: patient
version: 1
title: Try for a while
input: { type: object }
start: build
states:
  build:
    do:
      activity:
        run: compile
        timeout: 4m
        start_timeout: 8m
        whole_timeout: 10m
        heartbeat_timeout: 30s
        retry: { attempts: 100, delay: 2m, jitter: 50% }
    on: { succeeded: good, failed: broken }
  good: { end: good }
  broken: { end: broken }
";

/// The next attempt, when it is due, and how long it may take if it begins then.
fn next(bench: &Bench) -> (u32, Timestamp, SignedDuration) {
    let due = bench.due();
    let DueStep::Attempt { activity, attempt, not_before, until, .. } = &due[0].step else {
        panic!("{due:?}")
    };
    let at = not_before.unwrap_or(bench.now());
    (*attempt, at, activity.time_left(*until, at))
}

#[test]
fn pauses_are_shortened_by_a_share_that_is_the_runs_own_and_is_recorded() {
    let pause = || {
        let mut bench = submitted(PATIENT, "ada", json!({}));
        let events = bench.attempt("build#1", flaky("no network")).unwrap();
        let (_, at, _) = next(&bench);
        assert_eq!(data(&events[1])["retry_at"], json!(at), "the event says when");
        let of = format!("{}/build#1/1", bench.run().id());
        let policy = RetryPolicy::fixed(100, secs(120)).with_jitter(50);
        let pause = at.duration_since(bench.now());
        assert_eq!(Some(pause), policy.jittered_after(1, &of));
        pause
    };
    let pauses: BTreeSet<_> = (0..20).map(|_| pause()).collect();
    assert!(pauses.iter().all(|pause| secs(60) <= *pause && *pause <= secs(120)), "{pauses:?}");
}

#[test]
fn all_attempts_together_have_their_time() {
    let mut bench = submitted(PATIENT, "ada", json!({}));
    let began = bench.now();
    let until = began + secs(600);
    assert_eq!(next(&bench), (1, began, secs(240)), "the first has its own time");
    let mut attempts = 0;
    while bench.status() == RunStatus::Working {
        let (_, at, time) = next(&bench);
        assert!(at < until && at + time <= until, "it ends with the time of all");
        bench.advance(at.duration_since(bench.now()));
        bench.attempt("build#1", flaky("no network")).unwrap();
        attempts += 1;
    }
    assert!((5..11).contains(&attempts), "{attempts} attempts in ten minutes");
    assert_eq!(bench.status(), ended("broken"));
    assert_eq!(
        last(&bench, "work.failed")["reason"],
        "no network; there is no time for another attempt: all together have 10m"
    );
}

#[test]
fn an_attempt_that_waits_for_its_turn_begins_within_its_time_or_not_at_all() {
    let effect = || EffectId::new("build#1");
    let queued = |attempt| Action::AttemptQueued {
        effect: effect(),
        attempt,
        waits_for: "the queue `net`".to_owned(),
        before: 3,
    };
    let not_begun = |attempt| Action::AttemptNotBegun { effect: effect(), attempt };
    let mut bench = submitted(PATIENT, "ada", json!({}));
    refused(bench.act("engine", queued(2)), RefusalCode::NotAwaited);
    refused(bench.act("engine", not_begun(1)), RefusalCode::NotAwaited);
    refused(bench.act("ada", queued(1)), RefusalCode::NotEligible);
    assert_eq!(types(&bench.act("engine", queued(1)).unwrap()), ["activity.queued"]);
    refused(bench.act("engine", queued(1)), RefusalCode::NotAwaited);
    let DueStep::Attempt { queued: Some(since), attempt: 1, .. } = bench.due()[0].step else {
        panic!("{:?}", bench.due())
    };
    assert_eq!(since, bench.now());
    let view = bench.view();
    let one = &view.queued[0];
    assert_eq!((one.effect.clone(), one.before, one.since), (effect(), 3, bench.now()));
    bench.advance(secs(7 * 60));
    refused(bench.act("engine", not_begun(1)), RefusalCode::NotAwaited);

    // It begins in time, fails, and the next waits anew.
    bench.attempt("build#1", flaky("no network")).unwrap();
    assert_eq!(bench.view().queued, []);
    bench.act("engine", queued(2)).unwrap();
    bench.advance(secs(8 * 60));
    let events = bench.act("engine", not_begun(2)).unwrap();
    assert_eq!(types(&events), ["activity.not_begun", "work.failed", "state.entered", "run.ended"]);
    let error = "it did not begin within 8m, waiting for the queue `net`";
    assert_eq!(data(&events[1])["reason"], error);
    assert_eq!(bench.status(), ended("broken"));
}

#[test]
fn an_attempt_that_waits_for_its_turn_until_the_time_of_all_is_over_does_not_begin() {
    let mut bench = submitted(PATIENT, "ada", json!({}));
    bench.attempt("build#1", flaky("no network")).unwrap();
    let effect = || EffectId::new("build#1");
    let queued = Action::AttemptQueued {
        effect: effect(),
        attempt: 2,
        waits_for: "the target `web-1`".to_owned(),
        before: 0,
    };
    bench.act("engine", queued).unwrap();
    bench.advance(secs(600));
    bench.act("engine", Action::AttemptNotBegun { effect: effect(), attempt: 2 }).unwrap();
    assert_eq!(
        last(&bench, "work.failed")["reason"],
        "it did not begin in time: all attempts together have 10m"
    );
}

#[test]
fn an_engine_that_was_away_for_longer_than_all_attempts_have_fails_the_work() {
    let mut bench = submitted(PATIENT, "ada", json!({}));
    let effect = EffectId::new("build#1");
    bench
        .act(
            "engine",
            Action::AttemptStarted { effect: effect.clone(), attempt: 1, configured: None },
        )
        .unwrap();
    bench.advance(secs(600));
    let outcome = Outcome::Unknown { reason: "the engine stopped".to_owned() };
    bench.act("engine", Action::AttemptEnded { effect, attempt: 1, outcome }).unwrap();
    assert_eq!(bench.status(), ended("broken"));
}

#[test]
fn a_fatal_failure_is_not_tried_again() {
    let mut bench = begin();
    bench.attempt("build#1", fatal("no such branch")).unwrap();
    assert_eq!(bench.status(), ended("broken"));
}

#[test]
fn an_unknown_outcome_is_asked_again_under_the_same_id() {
    let mut bench = begin();
    let unknown = Outcome::Unknown { reason: "the engine went away".to_owned() };
    bench.attempt("build#1", unknown).unwrap();
    assert_eq!(open(&bench), ["build#1"]);
    bench.attempt("build#1", built(0)).unwrap();
    assert_eq!(bench.status(), ended("good"));
}

#[test]
fn an_answer_to_what_is_not_asked_is_refused() {
    let mut bench = begin();
    for action in [
        Action::AttemptStarted { effect: EffectId::new("build#2"), attempt: 1, configured: None },
        Action::AttemptEnded { effect: EffectId::new("build#1"), attempt: 1, outcome: done() },
        Action::Completed { effect: EffectId::new("build#1"), output: Value::Null },
        Action::Failed { effect: EffectId::new("build#1"), error: String::new() },
        Action::TimerFired { effect: EffectId::new("build#1") },
    ] {
        refused(bench.act("engine", action), RefusalCode::NotAwaited);
    }
    refused(bench.act("ada", Action::Start), RefusalCode::AlreadyExists);
    refused(bench.approve("bob"), RefusalCode::NotAwaited);
}

#[test]
fn a_way_back_is_a_new_visit() {
    let mut bench = begin();
    bench.attempt("build#1", built(1)).unwrap();
    bench.reject("bob", "too many warnings").unwrap();
    assert_eq!(open(&bench), ["build#2"], "a new idempotency key");
    assert_eq!(last(&bench, "state.entered"), json!({ "state": "build", "visit": 2 }));
    bench.attempt("build#2", built(2)).unwrap();
    // The votes of the first visit are gone with it.
    bench.approve("bob").unwrap();
    assert_eq!(bench.status(), ended("good"));
}

#[test]
fn a_run_is_blocked_where_an_expression_fails() {
    let mut bench = begin();
    bench.attempt("build#1", Outcome::Completed(json!({ "warns": 0 }))).unwrap();
    assert_eq!(bench.status(), RunStatus::Stuck);
    let view = bench.view();
    assert_eq!(view.next_steps.len(), 3, "{:?}", view.next_steps);
    assert!(
        view.next_steps[0].text.starts_with("`judge` cannot be entered: "),
        "{:?}",
        view.next_steps
    );
    assert_eq!(last(&bench, "run.blocked")["state"], "judge");
    assert!(bench.due().is_empty());
    refused(bench.approve("bob"), RefusalCode::NotAwaited);
    bench.act("ada", cancel("the compiler answers differently now")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn a_condition_must_be_true_or_false() {
    let source = BUILD.replace("states.build.output.warnings > 0", "states.build.output.warnings");
    let mut bench = submitted(&source, "ada", json!({ "branch": "main" }));
    bench.attempt("build#1", built(3)).unwrap();
    assert_eq!(
        last(&bench, "run.blocked")["reason"],
        "the condition gives `3`, neither true nor false"
    );
}

#[test]
fn an_activity_whose_input_cannot_be_made_fails() {
    let source =
        BUILD.replace("with:\n", "with:\n          size: \"${states.build.output.size}\"\n");
    let bench = submitted(&source, "ada", json!({ "branch": "main" }));
    assert_eq!(bench.status(), ended("broken"));
    assert_eq!(
        bench.types(),
        ["run.started", "state.entered", "work.failed", "state.entered", "run.ended"]
    );
}

#[test]
fn what_a_definition_computes_is_bounded() {
    let source = "
workflow: large
version: 1
title: Large
input: { type: object, properties: { text: { default: '' }, list: { default: [] } } }
start: work
states:
  work:
    do: { activity: { run: work, with: WITH } }
    on: { succeeded: done, failed: failed }
  done: { end: done }
  failed: { end: failed }
";
    let large = json!({ "text": "x".repeat(150_000), "list": vec!["abc"; 1_500] });
    for (with, reason) in [
        ("{ a: '${input.text}', b: '${input.text}' }", "what it gives has more than 262144 bytes"),
        ("{ a: '${input.text}${input.text}' }", "the text has more than 262144 bytes"),
        ("{ a: '${input.list.map(x, input.list)}' }", "the expression gives more than 4194304"),
    ] {
        let bench = submitted(&source.replace("WITH", with), "ada", large.clone());
        let said = last(&bench, "work.failed")["reason"].as_str().unwrap().to_owned();
        assert!(said.starts_with(reason), "{said}");
        assert_eq!(bench.status(), ended("failed"));
    }
    let whole = source.replace("WITH", "{ a: '${input.text}' }");
    assert_eq!(submitted(&whole, "ada", large.clone()).status(), RunStatus::Working);
    let quoting = source.replace("WITH", "{ a: 'a ${input.list}' }");
    let said = last(&submitted(&quoting, "ada", large), "work.failed")["reason"].clone();
    let said = said.as_str().unwrap();
    assert!(said.len() < 4_200 && said.ends_with("bytes in all)"), "{said}");
}

#[test]
fn inputs_are_checked_against_the_schema() {
    let submit = |input: Value| Bench::new(workflow(BUILD), people()).submit("ada", input);
    let refusal = refused(submit(json!({ "level": "high" })), RefusalCode::InvalidInput);
    assert_eq!(refusal.message, "the input does not fit the definition `build`");
    assert_eq!(refusal.needed.len(), 2, "{:?}", refusal.needed);
    assert!(refusal.needed.iter().any(|one| one.contains("branch")), "{:?}", refusal.needed);
    assert!(refusal.needed.iter().any(|one| one.starts_with("`level`: ")), "{:?}", refusal.needed);
    for other in [json!(null), json!([]), json!("main"), json!(1)] {
        refused(submit(other), RefusalCode::InvalidInput);
    }
    submit(json!({ "branch": "main", "anything": true })).unwrap();
}

#[test]
fn without_a_schema_the_input_is_empty() {
    let source = "
workflow: nothing
version: 1
title: Nothing to say
start: done
states: { done: { end: done } }
";
    assert_eq!(submitted(source, "ada", json!({})).status(), ended("done"));
    let mut bench = Bench::new(workflow(source), people());
    refused(bench.submit("ada", json!({ "a": 1 })), RefusalCode::InvalidInput);
}

#[test]
fn a_default_is_what_was_not_given() {
    let level =
        |input: Value| submitted(BUILD, "ada", input).open_activities()[0].2["level"].clone();
    assert_eq!(level(json!({ "branch": "main" })), 4);
    assert_eq!(level(json!({ "branch": "main", "level": 7 })), 8);
    let bad = BUILD.replace("default: 3", "default: three");
    let found = faults(&bad);
    assert!(found.contains("HP2007") && found.contains("the default of `level`"), "{found}");
}

#[test]
fn the_requester_and_owners_may_cancel() {
    for (who, may) in [("bob", true), ("ada", true), ("cy", false), ("dora", false)] {
        let mut bench = submitted(BUILD, "bob", json!({ "branch": "main" }));
        let answer = bench.act(who, cancel("no longer needed"));
        if may {
            answer.unwrap();
            assert_eq!(bench.status(), ended("cancelled"));
        } else {
            let refusal = refused(answer, RefusalCode::NotEligible);
            assert_eq!(refusal.message, format!("`{who}` may not cancel this run"));
            assert_eq!(
                refusal.needed,
                ["the requester or a member with the role `owner`: bob, ada"]
            );
        }
    }
    let mut bench = begin();
    refused(bench.act("zed", cancel("x")), RefusalCode::NotMember);
    refused(bench.act("engine", cancel("x")), RefusalCode::NotMember);
    let refusal = refused(bench.act("ada", cancel(" ")), RefusalCode::InvalidInput);
    assert_eq!(refusal.message, "a cancellation needs a reason");
}

#[test]
fn cancelling_gives_up_the_attempt_under_way() {
    let mut bench = begin();
    let started =
        Action::AttemptStarted { effect: EffectId::new("build#1"), attempt: 1, configured: None };
    bench.act("engine", started).unwrap();
    let events = bench.act("ada", cancel("wrong branch")).unwrap();
    assert_eq!(types(&events), ["run.cancelled", "run.ended", "activity.abandoned"]);
    assert_eq!(data(&events[0]), json!({ "state": "build", "reason": "wrong branch" }));
    let outcome = done();
    let late = Action::AttemptEnded { effect: EffectId::new("build#1"), attempt: 1, outcome };
    refused(bench.act("engine", late), RefusalCode::RunEnded);
    refused(bench.act("ada", cancel("again")), RefusalCode::RunEnded);
    assert!(bench.view().next_steps.is_empty());
}

#[test]
fn cancelling_a_hold_ends_it() {
    let mut bench = begin();
    bench.attempt("build#1", built(1)).unwrap();
    bench.act("ada", cancel("found the cause")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
    refused(bench.approve("bob"), RefusalCode::RunEnded);
}

#[test]
fn an_expression_that_fails_is_an_error_and_never_a_crash() {
    for text in [
        "1 / input.n",
        "1 % input.n",
        "9223372036854775807 + 1 + input.n == 0",
        "(-9223372036854775807 - 1) / (input.n - 1) == 0",
        "-(-9223372036854775807 - 1) == input.n",
        "[1, 2][5] == input.n",
        "[1, 2][-1] == input.n",
        "{'a': 1}.b == input.n",
        "'a'.matches('(')",
        "int('x') == input.n",
        "int(1e300) == input.n",
        "int(0.0 / 0.0) == input.n",
        "uint(-1) == 1u",
        "double('x') == 1.0",
        "string(b'\\xff') == 'x'",
        "input.n.b.c == 1",
        "input.n < 'a'",
        "input.n + 'a' == 'a'",
        "size(input.n) == 1",
        "!input.n",
        "input.n ? true : false",
        "[input.n].all(x, x.y)",
        "dyn(b'a')",
        "type(input.n)",
        "dyn(null)",
        "dyn('a')",
    ] {
        let source = format!(
            "
workflow: strange
version: 1
title: Strange conditions
input: {{ type: object, required: [n], properties: {{ n: {{}} }} }}
start: check
states:
  check: {{ choose: [{{ when: {}, to: yes }}, {{ else: no }}] }}
  yes: {{ end: yes }}
  no: {{ end: no }}
",
            serde_json::to_string(text).unwrap()
        );
        let mut bench = Bench::new(workflow(&source), people());
        let refusal = refused(bench.submit("ada", json!({ "n": 0 })), RefusalCode::InvalidInput);
        assert!(refusal.message.contains("`check` cannot be entered: "), "{text}: {refusal}");
    }
}

#[test]
fn the_functions_of_the_guide_exist() {
    for (text, expected) in [
        ("bool('true')", json!(true)),
        ("string(bytes('a'))", json!("a")),
        ("'abc'.contains('b')", json!(true)),
        ("double('1.5')", json!(1.5)),
        ("dyn(1)", json!(1)),
        ("'abc'.endsWith('c')", json!(true)),
        ("int('7')", json!(7)),
        ("'web-1'.matches('^web-[0-9]+$')", json!(true)),
        ("size('abc') + size([1])", json!(4)),
        ("'abc'.startsWith('a')", json!(true)),
        ("string(1)", json!("1")),
        ("type(1) == int", json!(true)),
        ("uint(1) == 1u", json!(true)),
        ("has(input.note) ? input.note : 'none'", json!("none")),
        ("[1, 2].map(x, x * 2)", json!([2, 4])),
        ("[1, 2].filter(x, x > 1)", json!([2])),
        ("[1, 2].all(x, x > 0)", json!(true)),
        ("[1, 2].exists(x, x > 1)", json!(true)),
        ("[1, 2].exists_one(x, x > 1)", json!(true)),
        ("'main' in [input.branch]", json!(true)),
        ("{'a': [1]}['a'][0]", json!(1)),
        ("states.size() == 0", json!(true)),
    ] {
        let written = serde_json::to_string(&format!("${{{text}}}")).unwrap();
        let source = BUILD.replace("literal: \"$${input.branch}\"", &format!("literal: {written}"));
        let bench = submitted(&source, "ada", json!({ "branch": "main" }));
        let open = bench.open_activities();
        assert!(!open.is_empty(), "{text}: {}", last(&bench, "work.failed"));
        assert_eq!(open[0].2["literal"], expected, "{text}");
    }
}

#[test]
fn names_with_hyphens_are_reached_in_brackets() {
    let source = "
workflow: hyphens
version: 1
title: Names that CEL cannot write after a dot
input: { type: object, required: [a-b], properties: { a-b: { type: string } } }
start: wait-here
states:
  wait-here: { hold: { signal: { name: go } }, on: { released: check } }
  check:
    choose:
      - { when: \"states['wait-here'].output.ok && input['a-b'] == 'x'\", to: yes }
      - { else: no }
  yes: { end: yes }
  no: { end: no }
";
    let mut bench = submitted(source, "ada", json!({ "a-b": "x" }));
    bench.act("bob", signal("go", json!({ "ok": true }))).unwrap();
    assert_eq!(bench.status(), ended("yes"));
    let dotted = faults(&source.replace("states['wait-here']", "states.wait-here"));
    assert!(dotted.contains("states['wait-here']"), "{dotted}");
    let dotted = faults(&source.replace("input['a-b']", "input.a-b"));
    assert!(dotted.contains("input['a-b']"), "{dotted}");
}

#[test]
fn a_signal_in_time_for_a_later_hold_is_kept_through_work() {
    let source = BUILD.replace(
        "approval: { rules: { peer: { from: role:engineer, need: 1 } } }",
        "signal: { name: go }",
    );
    let source = source.replace("released: good, rejected: build", "released: good");
    let mut bench = submitted(&source, "ada", json!({ "branch": "main" }));
    bench.act("bob", signal("go", json!(null))).unwrap();
    bench.attempt("build#1", built(1)).unwrap();
    assert_eq!(bench.status(), ended("good"));
    bench.advance(hours(1));
}

#[test]
fn what_a_state_has_not_left_yet_can_be_asked_for() {
    let source = BUILD.replace("states.build.output.warnings > 10", "has(states.look)");
    let mut bench = submitted(&source, "ada", json!({ "branch": "main" }));
    bench.attempt("build#1", built(1)).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
}

#[test]
fn a_deadline_may_end_the_run_where_a_release_does_so_only_for_some() {
    let source = |nothing: &str, work: &str| {
        format!(
            "workflow: test
version: 1
title: Test
input: {{ type: object, required: [risk], properties: {{ risk: {{ enum: [low, high] }} }} }}
start: agree
states:
  agree:
    hold: {{ approval: {{ rules: {{ peer: {{ from: role:engineer, need: 1 }} }}, expires: 7d }} }}
    on: {{ released: which, rejected: over, expired: over }}
  which:
    choose:
      - {{ when: \"input.risk == 'low'\", to: {nothing} }}
      - {{ else: {work} }}
  work:
    do: {{ activity: {{ run: deploy }} }}
    on: {{ succeeded: done, failed: over }}
  over: {{ end: over }}
  done: {{ end: done }}
"
        )
    };
    workflow(&source("over", "work"));
    let found = faults(&source("over", "over"));
    assert!(found.contains("[HP2021]"), "{found}");
}
