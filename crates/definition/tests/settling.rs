//! What becomes of work of which nobody knows whether it was done: a check is asked, it is done
//! again, or a person decides.

use holdpoint_core::{
    Action, EffectId, Moment, Outcome, RefusalCode, Ruling, Run, RunStatus, Settlement, Vote,
    event::Event,
    run::DueStep,
    testing::{Bench, types},
};
use holdpoint_definition::Definition;
use serde_json::{Value, json};

use crate::common::{data, done, ended, faults, flaky, people, refused, secs, submitted, workflow};

/// A definition of one activity that is said to be so.
fn shipping(says: &str) -> String {
    format!(
        "
workflow: ship
version: 1
title: Ship
input: {{ type: object, properties: {{ release: {{ type: integer, default: 7 }} }} }}
start: ship
states:
  ship:
    do:
      activity:
        run: deploy
        with: {{ release: '${{input.release}}' }}
        retry: {{ attempts: 2, delay: 10s }}
        {says}
    on: {{ succeeded: judge, failed: broken }}
  judge:
    choose:
      - {{ when: 'states.ship.output.release == 7', to: shipped }}
      - {{ else: odd }}
  shipped: {{ end: shipped }}
  odd: {{ end: odd }}
  broken: {{ end: broken }}
"
    )
}

/// A run of it that `bob` has submitted.
fn ship(says: &str) -> Bench {
    submitted(&shipping(says), "bob", json!({}))
}

const CHECKED: &str = "settle: { run: look }";
const ONCE: &str = "repeatable: false";

fn lost() -> Outcome {
    Outcome::Unknown { reason: "the engine stopped during the attempt".to_owned() }
}

fn late() -> Outcome {
    Outcome::Unanswered { error: "no answer within 10m".to_owned() }
}

fn shipped() -> Value {
    json!({ "release": 7 })
}

fn found(bench: &mut Bench, attempt: u32, settlement: Settlement) -> Vec<String> {
    let effect = EffectId::new("ship#1");
    let action = Action::AttemptSettled { effect, attempt, settlement };
    types(&bench.act("engine", action).unwrap())
}

fn ruled(ruling: Ruling) -> Action {
    Action::Settle { effect: None, ruling, reason: "I looked".to_owned() }
}

/// What there is to do about the activity.
fn step(bench: &Bench) -> DueStep {
    bench.due().remove(0).step
}

#[test]
fn the_check_is_asked_before_anything_is_done_again() {
    let mut bench = ship(CHECKED);
    let events = bench.attempt("ship#1", lost()).unwrap();
    assert_eq!(types(&events), ["activity.started", "activity.unknown"]);
    let DueStep::Settle { activity, check, attempt: 1 } = step(&bench) else {
        panic!("{:?}", bench.due())
    };
    assert_eq!((activity.as_str(), check.name.as_str()), ("deploy", "look"));
    assert_eq!(check.input, shipped(), "it is given what the work was given");
    assert_eq!(bench.status(), RunStatus::Working);
    let again =
        Action::AttemptStarted { effect: EffectId::new("ship#1"), attempt: 2, configured: None };
    refused(bench.act("engine", again), RefusalCode::NotAwaited);

    let done = Settlement::Done { output: shipped() };
    assert_eq!(
        found(&mut bench, 1, done),
        ["activity.settled", "work.succeeded", "state.entered", "state.entered", "run.ended"]
    );
    assert_eq!(bench.status(), ended("shipped"), "its output counts as the work's own");
}

#[test]
fn a_check_can_be_given_something_else() {
    let mut bench = ship("settle: { run: look, with: { at: 'v${input.release}' }, timeout: 5s }");
    bench.attempt("ship#1", lost()).unwrap();
    let DueStep::Settle { check, .. } = step(&bench) else { panic!("{:?}", bench.due()) };
    assert_eq!((check.input, check.timeout), (json!({ "at": "v7" }), secs(5)));
}

#[test]
fn what_was_not_done_is_tried_again_at_once_and_is_no_failure() {
    let mut bench = ship(CHECKED);
    for attempt in 1..=4 {
        bench.attempt("ship#1", lost()).unwrap();
        let not_done = Settlement::NotDone { detail: None };
        assert_eq!(found(&mut bench, attempt, not_done), ["activity.settled"]);
        let DueStep::Attempt { attempt: next, not_before, .. } = step(&bench) else {
            panic!("{:?}", bench.due())
        };
        assert_eq!((next, not_before), (attempt + 1, Some(bench.now())));
    }
    bench.attempt("ship#1", flaky("no room")).unwrap();
    assert_eq!(bench.status(), RunStatus::Working, "only failures use attempts up");
}

#[test]
fn an_attempt_that_nobody_answered_counts_unless_it_was_done() {
    let mut bench = ship(CHECKED);
    let events = bench.attempt("ship#1", late()).unwrap();
    assert_eq!(data(&events[1])["counts"], true);
    found(&mut bench, 1, Settlement::NotDone { detail: None });
    let DueStep::Attempt { not_before, .. } = step(&bench) else { panic!("{:?}", bench.due()) };
    assert_eq!(not_before, Some(bench.now() + secs(10)), "the pause of a failure");
    bench.advance(secs(10));
    bench.attempt("ship#1", late()).unwrap();
    let detail = Some("release 6 is there".to_owned());
    let events = found(&mut bench, 2, Settlement::NotDone { detail });
    assert_eq!(events, ["activity.settled", "work.failed", "state.entered", "run.ended"]);
    let settled = bench.history().iter().rev().nth(3).unwrap();
    assert_eq!(
        data(settled)["detail"],
        "no answer within 10m; it was not done: release 6 is there"
    );
    assert_eq!(bench.status(), ended("broken"));

    let mut bench = ship("timeout: 10m");
    let events = bench.attempt("ship#1", late()).unwrap();
    assert_eq!(types(&events)[1], "activity.failed", "what may be repeated simply failed");
}

#[test]
fn what_nobody_knows_and_must_not_be_repeated_rests_until_a_person_decides() {
    for says in [ONCE, CHECKED] {
        let rest = || {
            let mut bench = ship(says);
            bench.attempt("ship#1", lost()).unwrap();
            if says == CHECKED {
                assert_eq!(
                    found(&mut bench, 1, Settlement::Unknown { detail: "no route".to_owned() }),
                    ["activity.settled"]
                );
            }
            let activity = "deploy".to_owned();
            assert_eq!(step(&bench), DueStep::Rest { activity, attempt: 1 });
            bench
        };
        let mut bench = rest();
        assert_eq!(bench.status(), RunStatus::Stuck);
        let view = bench.view();
        assert_eq!(view.status, RunStatus::Stuck);
        assert_eq!(view.unknown.len(), 1);
        assert_eq!(view.unknown[0].effect.as_str(), "ship#1");
        assert_eq!(view.unknown[0].found.is_some(), says == CHECKED);
        assert!(view.next_steps[0].text.contains("say what became of `ship#1`"), "{view:?}");

        refused(bench.act("bob", ruled(Ruling::Again)), RefusalCode::MayNotSettle);
        refused(bench.act("zed", ruled(Ruling::Again)), RefusalCode::NotMember);
        let silent =
            Action::Settle { effect: None, ruling: Ruling::Failed, reason: " ".to_owned() };
        refused(bench.act("ada", silent), RefusalCode::InvalidInput);
        let other = Action::Settle {
            effect: Some(EffectId::new("ship#2")),
            ruling: Ruling::Failed,
            reason: "I looked".to_owned(),
        };
        refused(bench.act("ada", other), RefusalCode::NotUnknown);

        let done = ruled(Ruling::Done { output: shipped() });
        let events = bench.act("ada", done).unwrap();
        assert_eq!(data(&events[0])["detail"], "I looked");
        assert_eq!(bench.status(), ended("shipped"));

        let mut bench = rest();
        bench.act("ada", ruled(Ruling::Failed)).unwrap();
        assert_eq!(bench.status(), ended("broken"));

        let mut bench = rest();
        bench.act("ada", ruled(Ruling::Again)).unwrap();
        assert!(matches!(step(&bench), DueStep::Attempt { attempt: 2, .. }));
        refused(bench.act("ada", ruled(Ruling::Again)), RefusalCode::NotUnknown);
        bench.attempt("ship#1", Outcome::Completed(shipped())).unwrap();
        assert_eq!(bench.status(), ended("shipped"));
    }
}

#[test]
fn a_person_may_decide_while_the_check_is_asked() {
    let mut bench = ship(CHECKED);
    bench.attempt("ship#1", lost()).unwrap();
    bench.act("ada", ruled(Ruling::Done { output: shipped() })).unwrap();
    assert_eq!(bench.status(), ended("shipped"));
}

#[test]
fn what_may_be_repeated_is_when_the_check_does_not_know() {
    let mut bench = ship("settle: { run: look }\n        repeatable: true");
    bench.attempt("ship#1", lost()).unwrap();
    found(&mut bench, 1, Settlement::Unknown { detail: "no route".to_owned() });
    assert!(matches!(step(&bench), DueStep::Attempt { attempt: 2, .. }));
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused() {
    let mut bench = ship(CHECKED);
    let early = Action::AttemptSettled {
        effect: EffectId::new("ship#1"),
        attempt: 1,
        settlement: Settlement::NotDone { detail: None },
    };
    refused(bench.act("engine", early.clone()), RefusalCode::NotAwaited);
    bench.attempt("ship#1", lost()).unwrap();
    refused(bench.act("ada", early.clone()), RefusalCode::NotEligible);
    bench.act("engine", early.clone()).unwrap();
    refused(bench.act("engine", early), RefusalCode::NotAwaited);
}

#[test]
fn a_target_that_rests_holds_its_rollout_and_the_others_go_on() {
    let source = "
workflow: roll
version: 1
title: Roll
start: roll
states:
  roll:
    do:
      rollout:
        targets: [a, b]
        each: { run: deploy, settle: { run: look, with: { who: '${target}' } } }
        rollback: { run: restore }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";
    let mut bench = submitted(source, "bob", json!({}));
    let a = "roll#1/a/deploy";
    bench.attempt(a, lost()).unwrap();
    let DueStep::Settle { check, attempt, .. } = step(&bench) else { panic!("{:?}", bench.due()) };
    assert_eq!(check.input, json!({ "who": "a", "target": "a" }));
    let settlement = Settlement::Unknown { detail: "no route".to_owned() };
    let effect = EffectId::new(a);
    bench.act("engine", Action::AttemptSettled { effect, attempt, settlement }).unwrap();
    assert_eq!(bench.status(), RunStatus::Working, "the other is worked on");
    bench.attempt("roll#1/b/deploy", done()).unwrap();
    assert_eq!(bench.status(), RunStatus::Stuck);
    bench.act("ada", ruled(Ruling::Failed)).unwrap();
    let restores = bench.open_activities();
    assert!(restores[0].0.ends_with("/restore"), "a failure turns it round: {restores:?}");
}

#[test]
fn what_was_not_done_is_not_tried_again_when_the_time_of_all_attempts_is_over() {
    let within = |ruling: bool| {
        let mut bench = ship(&format!("whole_timeout: 5m\n        {CHECKED}"));
        bench.attempt("ship#1", lost()).unwrap();
        bench.advance(secs(300));
        if ruling {
            bench.act("ada", ruled(Ruling::Again)).unwrap();
        } else {
            found(&mut bench, 1, Settlement::NotDone { detail: None });
        }
        bench
    };
    let bench = within(false);
    assert_eq!(bench.status(), ended("broken"));
    let settled = bench.history().iter().rev().nth(3).unwrap();
    let detail = data(settled)["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.ends_with(
            "it was not done; there is no time for another attempt: all together have 5m"
        ),
        "{detail}"
    );

    let bench = within(true);
    let DueStep::Attempt { until: None, .. } = step(&bench) else {
        panic!("a person gives it its whole time anew: {:?}", bench.due())
    };
}

/// Everybody of the project, and somebody who is not of it.
const EVERYBODY: [&str; 7] = ["ada", "bob", "cy", "dora", "eve", "fay", "zed"];

#[test]
fn who_may_settle_is_who_the_definition_names_and_nobody_their_own_run_unless_it_says_so() {
    for (says, requester, may) in [
        ("repeatable: false", "bob", &["ada"] as &[&str]),
        // The only owner has submitted it.
        ("repeatable: false", "ada", &[]),
        (CHECKED, "bob", &["ada"]),
        ("settle: { from: role:engineer }", "bob", &["ada", "cy", "eve"]),
        ("settle: { from: [role:board, member:fay] }", "eve", &["dora", "fay"]),
        ("settle: { from: requester }", "fay", &["fay"]),
        ("settle: { from: [requester, role:owner] }", "bob", &["ada", "bob"]),
        ("settle: { from: role:engineer, not: [] }", "bob", &["ada", "bob", "cy", "eve"]),
        ("settle: { from: [requester, role:board], not: [requester] }", "eve", &["dora"]),
        ("settle: { not: [executors] }", "ada", &["ada"]),
        ("settle: { from: role:engineer, qualified: network }", "bob", &["ada", "eve"]),
        ("settle: { from: role:engineer, qualified: '${requester}' }", "bob", &[]),
        ("settle: { run: look, from: role:board, not: [] }", "dora", &["dora", "eve"]),
    ] {
        let rest = || {
            let mut bench = submitted(&shipping(says), requester, json!({}));
            bench.attempt("ship#1", lost()).unwrap();
            bench
        };
        let bench = rest();
        let view = bench.view();
        let able: Vec<&str> = view.unknown[0]
            .candidates
            .iter()
            .filter(|one| one.lacks.is_none())
            .map(|one| one.member.as_str())
            .collect();
        assert_eq!(able, may, "{says}, submitted by {requester}");
        let asks = view
            .next_steps
            .iter()
            .any(|step| matches!(step.ask, Some(holdpoint_core::NextAsk::Settle { .. })));
        let waits = view.unknown[0].asks.is_none();
        assert_eq!(asks, waits && !may.is_empty(), "{says}: {:?}", view.next_steps);
        for who in EVERYBODY {
            let mut bench = rest();
            let answer = bench.act(who, ruled(Ruling::Failed));
            if may.contains(&who) {
                let event = data(&answer.unwrap()[0]);
                assert_eq!(event["by"]["member"], who, "{says}");
                let qualified =
                    if says.contains("qualified") { json!("network") } else { Value::Null };
                assert_eq!(event["by"]["qualified"], qualified);
                assert!(event["by"]["roles"].is_array());
            } else if who == "zed" {
                refused(answer, RefusalCode::NotMember);
            } else {
                let refusal = refused(answer, RefusalCode::MayNotSettle);
                let named = may.iter().all(|one| refusal.needed[0].contains(one));
                assert!(named, "{says}: {refusal:?}");
                let nobody = refusal.needed[0].contains("no member of the project");
                assert_eq!(nobody, may.is_empty(), "{refusal:?}");
            }
        }
    }
}

#[test]
fn each_step_of_a_rollout_says_who_settles_it() {
    let source = "
workflow: roll
version: 1
title: Roll
start: roll
states:
  roll:
    do:
      rollout:
        targets: [a/b]
        steps:
          pre_check: { run: ready, settle: { from: member:cy, not: [] } }
          drain: { run: drain, settle: { from: member:dora, not: [] } }
          deploy: { run: deploy, settle: { from: member:eve, not: [] } }
          verify: { run: verify, settle: { from: member:fay, not: [] } }
          undrain: { run: undrain, repeatable: false }
        switch: { run: turn }
        switch_back: { run: turn-back, settle: { from: requester } }
    on: { succeeded: done, rolled_back: undone, failed: failed }
  done: { end: done }
  undone: { end: undone }
  failed: { end: failed }
";
    let mut bench = submitted(source, "bob", json!({}));
    for (step, who) in [
        ("pre_check", "cy"),
        ("drain", "dora"),
        ("deploy", "eve"),
        ("verify", "fay"),
        ("undrain", "ada"),
    ] {
        bench.attempt(&format!("roll#1/a/b/{step}"), lost()).unwrap();
        refused(bench.act("bob", ruled(Ruling::Failed)), RefusalCode::MayNotSettle);
        bench.act(who, ruled(Ruling::Done { output: Value::Null })).unwrap();
    }
    // To switch may be repeated; to switch back says who.
    bench
        .attempt(
            "roll#1/switch/deploy",
            Outcome::Failed { error: "no".to_owned(), retryable: false },
        )
        .unwrap();
    assert_eq!(bench.open_activities()[0].0, "roll#1/switch/restore");
    bench.attempt("roll#1/switch/restore", lost()).unwrap();
    refused(bench.act("ada", ruled(Ruling::Failed)), RefusalCode::MayNotSettle);
    bench.act("bob", ruled(Ruling::Done { output: Value::Null })).unwrap();
}

/// Work that is settled, and then judged by those who did not carry it out.
const JUDGED: &str = "
workflow: judged
version: 1
title: Judged
start: prepare
states:
  prepare:
    hold: { task: { cabling: { title: Connect it, from: role:engineer } } }
    on: { released: charge }
  charge:
    do: { activity: { run: charge, settle: { from: role:board } } }
    on: { succeeded: look, failed: look }
  look:
    hold: { approval: { rules: { peer: { from: [role:engineer, role:board], need: 1 } }, not: [executors] } }
    on: { released: done, rejected: done }
  done: { end: done }
";

#[test]
fn who_confirms_a_task_or_settles_work_carries_the_run_out_and_in_old_histories_did_not() {
    let mut bench = submitted(JUDGED, "ada", json!({}));
    bench.act("cy", Action::Done { hold: None, task: None, note: None }).unwrap();
    bench.attempt("charge#1", lost()).unwrap();
    bench.act("dora", ruled(Ruling::Again)).unwrap();
    bench.attempt("charge#1", lost()).unwrap();
    bench.act("eve", ruled(Ruling::Failed)).unwrap();
    for who in ["cy", "dora", "eve"] {
        let refusal = refused(bench.approve(who), RefusalCode::SelfApproval);
        assert!(refusal.message.contains("carries the run out"), "{refusal}");
    }

    // As it was written before that was recorded.
    let definition = workflow(JUDGED);
    let old: Vec<Event> = bench
        .history()
        .iter()
        .map(|event| {
            let mut event = serde_json::to_value(event).unwrap();
            let data = event["data"].as_object_mut().unwrap();
            data.remove("by");
            data.remove("executes");
            serde_json::from_value(event).unwrap()
        })
        .collect();
    let mut run = Run::begin(&*definition, &old[0]).unwrap();
    old[1..].iter().for_each(|event| run.evolve(&*definition, event).unwrap());
    let project = people();
    let at = Moment { now: bench.now(), project: &project };
    for who in ["cy", "dora", "eve"] {
        let vote = Action::Vote {
            hold: None,
            vote: Vote::Approve,
            reason: None,
            duties: Vec::new(),
            in_place_of: None,
            plans: Default::default(),
        };
        let command = bench.command(who, vote);
        run.decide(&*definition, &command, &at).unwrap();
    }
    bench.approve("bob").unwrap();
}

#[test]
fn whoever_is_the_last_who_could_settle_is_told_before_having_it_done_again() {
    let source = JUDGED
        .replace("settle: { from: role:board }", "settle: { from: role:board, not: [executors] }");
    let mut bench = submitted(&source, "ada", json!({}));
    bench.act("cy", Action::Done { hold: None, task: None, note: None }).unwrap();
    let board = ["dora", "eve"];
    for (n, who) in board.into_iter().enumerate() {
        bench.attempt("charge#1", lost()).unwrap();
        let view = bench.view();
        let last = view.unknown[0].last.as_ref().map(|last| last.as_str());
        assert_eq!(last, (n + 1 == board.len()).then_some(who));
        let told = view.next_steps[0].text.contains("after `again` nobody could");
        assert_eq!(told, last.is_some(), "{}", view.next_steps[0]);
        bench.act(who, ruled(Ruling::Again)).unwrap();
    }
    bench.attempt("charge#1", lost()).unwrap();
    assert_eq!(bench.view().unknown[0].last, None);
    assert!(bench.view().next_steps[0].text.contains("nobody in the project"));
}

#[test]
fn who_settles_is_told_and_compared() {
    let of = |settle: &str| {
        let source = JUDGED.replace("settle: { from: role:board }", settle);
        Definition::parse("x.yaml", &source).unwrap().definition
    };
    let told = of(
        "settle: { run: look, from: [requester, role:board], not: [executors], qualified: money }",
    )
    .explain();
    assert!(
        told.contains(
            "a person decides: the requester or role board, qualified in money, but not the executors"
        ),
        "{told}"
    );
    let told = of("repeatable: false").explain();
    assert!(told.contains("a person decides: role owner, but not the requester"), "{told}");
    let differs: Vec<String> = of("repeatable: false")
        .compare(&of("settle: { from: role:board }"))
        .iter()
        .map(|change| format!("{change:?}"))
        .collect();
    assert!(
        differs.iter().any(|one| one.contains("who may say what became of it")
            && one.contains("role owner, but not the requester")
            && one.contains("role board, but not the requester")),
        "{differs:#?}"
    );
    assert_eq!(of("repeatable: false").compare(&of("settle: { from: role:owner }")), []);
}

#[test]
fn what_nobody_could_settle_is_found() {
    for (says, expected) in [
        ("settle: { from: requester, not: [requester] }", "error[HP2040]"),
        ("settle: { from: [requester, requester], not: [executors, requester] }", "error[HP2040]"),
        ("settle: {}", "error[HP2003]"),
        ("settle: { timeout: 1m, from: role:board }", "error[HP2003]"),
        ("settle: { from: role:board }, repeatable: true", "error[HP2042]"),
        ("settle: { from: [] }", "error[HP2020]"),
        ("settle: { from: group:board }", "error[HP2019]"),
        ("settle: { from: role:board, not: [friends] }", "error[HP2019]"),
        ("settle: { qualified: 'A b' }", "error[HP2006]"),
    ] {
        let found = faults(&JUDGED.replace("settle: { from: role:board }", says));
        assert!(found.contains(expected), "{says}: {found}");
    }
    for (says, warned) in [
        ("settle: { from: member:ada }", true),
        ("settle: { from: [member:ada, requester, member:ada], not: [requester] }", true),
        ("settle: { from: [member:ada, requester] }", false),
        ("settle: { from: [member:ada, member:bob] }", false),
        ("settle: { from: [member:ada, role:owner] }", false),
        ("settle: { from: member:ada, not: [] }", false),
    ] {
        let source = JUDGED.replace("settle: { from: role:board }", says);
        let found = Definition::parse("x.yaml", &source).unwrap().warnings.to_string();
        assert_eq!(found.contains("HP2041"), warned, "{says}: {found}");
    }
}
