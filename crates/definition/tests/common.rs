//! What the tests share: people, definitions and short ways to say what is expected.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{
    Action, NextAsk, Outcome, Project, Refusal, RefusalCode, RunStatus, RunView, Steering,
    event::Event,
    testing::{Bench, project, types},
    view::{RolloutView, TargetView},
};
use holdpoint_definition::Definition;
use jiff::SignedDuration;
use proptest::prelude::ProptestConfig;
use serde_json::{Value, json};

/// People who approve, and a rollout: a change without all that the shipped ones have besides.
pub(crate) const APPROVED_CHANGE: &str = include_str!("samples/valid/approved-change.yaml");
/// A rollout that nobody approves.
pub(crate) const PLAIN_ROLLOUT: &str = include_str!("samples/valid/plain-rollout.yaml");

/// The shipped changes.
pub(crate) const NORMAL_CHANGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/normal-change.yaml"));
pub(crate) const STANDARD_CHANGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/standard-change.yaml"));
pub(crate) const EMERGENCY_CHANGE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/emergency-change.yaml"));

/// The shipped rollout.
pub(crate) const ROLLING_ROLLOUT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/rolling-rollout.yaml"));

/// The one with a canary.
pub(crate) const CANARY_ROLLOUT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../workflows/canary-rollout.yaml"));

/// A definition that must be free of errors.
#[track_caller]
pub(crate) fn workflow(source: &str) -> Arc<Definition> {
    match Definition::parse("test.yaml", source) {
        Ok(checked) => Arc::new(checked.definition),
        Err(findings) => panic!("{findings}"),
    }
}

/// What is found in a definition that cannot be used.
#[track_caller]
pub(crate) fn faults(source: &str) -> String {
    match Definition::parse("test.yaml", source) {
        Ok(_) => panic!("no errors were found in\n{source}"),
        Err(findings) => findings.to_string(),
    }
}

/// A project whose owner is `ada`.
pub(crate) fn people() -> Project {
    project(&[
        ("ada", &["engineer"], &["network"]),
        ("bob", &["engineer"], &["network"]),
        ("cy", &["engineer"], &[]),
        ("dora", &["board"], &["network"]),
        ("eve", &["engineer", "board"], &["network"]),
        ("fay", &[], &[]),
    ])
}

/// A run that was just submitted.
#[track_caller]
pub(crate) fn submitted(source: &str, by: &str, input: Value) -> Bench {
    let mut bench = Bench::new(workflow(source), people());
    bench.submit(by, input).unwrap();
    bench
}

/// The status of a run that is over.
pub(crate) fn ended(outcome: &str) -> RunStatus {
    RunStatus::Ended { outcome: outcome.to_owned() }
}

/// The refusal that an answer must be.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<T, Refusal>,
    code: RefusalCode,
) -> Refusal {
    let refusal = answer.expect_err("expected a refusal");
    assert_eq!(refusal.code, code, "{refusal}");
    refusal
}

/// A signal with data.
pub(crate) fn signal(name: &str, data: Value) -> Action {
    Action::Signal { name: name.to_owned(), data }
}

/// Steers a rollout.
pub(crate) fn steer(steering: Steering, target: Option<&str>, reason: Option<&str>) -> Action {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (target, reason, over) = (owned(target), owned(reason), Default::default());
    Action::Steer { steering, target, reason, state: None, over }
}

/// A cancellation.
pub(crate) fn cancel(reason: &str) -> Action {
    Action::Cancel { reason: reason.to_owned() }
}

/// An attempt that was done, with nothing to say.
pub(crate) fn done() -> Outcome {
    Outcome::Completed(Value::Null)
}

/// An attempt that failed for good.
pub(crate) fn fatal(error: &str) -> Outcome {
    Outcome::Failed { error: error.to_owned(), retryable: false }
}

/// An attempt that failed and may be tried again.
pub(crate) fn flaky(error: &str) -> Outcome {
    Outcome::Failed { error: error.to_owned(), retryable: true }
}

/// A health check's answer.
pub(crate) fn verdict(verdict: &str) -> Outcome {
    Outcome::Completed(json!({ "verdict": verdict, "detail": format!("it {verdict}") }))
}

/// The types of events, but for those about attempts.
pub(crate) fn of_the_rollout(events: &[Event]) -> Vec<String> {
    let mut types = types(events);
    types.retain(|one| !one.starts_with("activity."));
    types
}

/// The effects of the activities that can be begun with now, in order.
pub(crate) fn open(bench: &Bench) -> Vec<String> {
    bench.open_activities().into_iter().map(|(effect, _, _)| effect).collect()
}

/// Where each target is, as `name:state`.
pub(crate) fn targets(bench: &Bench) -> Vec<String> {
    let rollout = bench.view().rollout.expect("a rollout");
    rollout
        .targets
        .iter()
        .map(|TargetView { target, state, .. }| format!("{target}:{state}"))
        .collect()
}

/// An event's data.
#[track_caller]
pub(crate) fn data(event: &Event) -> Value {
    event.data.read().unwrap()
}

/// The data of the last event of a type, without `holdpoint.` before it.
#[track_caller]
pub(crate) fn last(bench: &Bench, kind: &str) -> Value {
    let kind = format!("holdpoint.{kind}");
    let found = bench.history().iter().rev().find(|event| event.kind.as_str() == kind);
    data(found.unwrap_or_else(|| panic!("no {kind} in {:?}", bench.types())))
}

/// Hours.
pub(crate) const fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

/// Seconds.
pub(crate) const fn secs(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

/// How many random cases a test runs: few enough for every build, more where
/// `HOLDPOINT_FUZZ_CASES` says so.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var("HOLDPOINT_FUZZ_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(few),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What steers a rollout finds it where nobody names the run, and where it finds one as a whole it is
/// refused only to somebody who may not, in a pause, or as a window is just found to have closed.
#[track_caller]
pub(crate) fn finds_what_it_fits(view: &RunView, action: &Action, refused: Option<&Refusal>) {
    let Action::Steer { steering, target, reason, .. } = action else { return };
    let rollouts = view.rollouts();
    let takes = |one: &&&RolloutView| one.takes(*steering, target.as_deref());
    let found = rollouts.iter().filter(takes).count();
    match refused {
        None => assert!(found > 0, "{action:?} finds nothing of {rollouts:?}"),
        Some(refusal) if target.is_none() && reason.is_some() && found == 1 => {
            let paused = rollouts.iter().any(|one| one.paused.is_some());
            let is_for_nobody = refusal.code == RefusalCode::NotAwaited && !paused;
            assert!(!is_for_nobody, "{action:?} finds {rollouts:?}, and {refusal}");
        }
        Some(_) => {}
    }
}

/// Each step by which a rollout is steered can be taken by somebody, as it is told.
#[track_caller]
pub(crate) fn somebody_can_steer_so(bench: &Bench) {
    const MEMBERS: [&str; 7] = ["ada", "bob", "cy", "dora", "eve", "fay", "zed"];
    for step in bench.view().next_steps {
        let Some(NextAsk::Steer { steering, state, over }) = &step.ask else { continue };
        if *steering == Steering::Skip || !over.is_empty() {
            continue;
        }
        let action = Action::Steer {
            steering: *steering,
            target: None,
            reason: Some("so".to_owned()),
            state: Some(state.clone()),
            over: BTreeSet::new(),
        };
        let mut answers = MEMBERS.iter().map(|who| bench.clone().act(who, action.clone()));
        assert!(answers.any(|answer| answer.is_ok()), "{}: {:?}", step.text, bench.view());
    }
}
