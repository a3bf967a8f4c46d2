//! Runs of other definitions: what is asked for, how their ends count, and what stops them.

use holdpoint_core::{
    Action, EffectId, RefusalCode, RunStatus,
    run::DueStep,
    testing::{Bench, types},
};
use serde_json::json;

use crate::common::{cancel, ended, faults, hours, last, refused, submitted, workflow};

const BUILD: &str = "
workflow: parent
version: 1
title: Parent
expires: { after: 9d, to: over }
input: { type: object, properties: { title: { type: string, default: x } } }
start: build
states:
  build:
    do:
      run:
        definition: build-an-image
        version: 3
        input: { title: 'for ${input.title}' }
        good: [done, completed]
        stopped: STOPPED
      expires: 2d
    on: { succeeded: roll, failed: bad, expired: late }
  roll: { do: { activity: { run: roll, with: { image: '${states.build.output.run}' } } }, on: { succeeded: good, failed: bad } }
  good: { end: good }
  bad: { end: bad }
  late: { end: late }
  over: { end: over }
";

fn begun(stopped: &str) -> Bench {
    submitted(&BUILD.replace("STOPPED", stopped), "ada", json!({}))
}

fn effect() -> EffectId {
    EffectId::new("build#1")
}

/// The run that is asked for is started.
fn start(bench: &mut Bench) -> holdpoint_core::RunId {
    let run = bench.run().id().child(&effect());
    bench.act("engine", Action::ChildStarted { effect: effect(), run }).unwrap();
    run
}

fn end(bench: &mut Bench, outcome: &str) -> Vec<String> {
    let run = bench.run().id().child(&effect());
    let outcome = outcome.to_owned();
    types(&bench.act("engine", Action::ChildEnded { effect: effect(), run, outcome }).unwrap())
}

#[test]
fn a_run_is_asked_for_once_and_its_end_counts_as_the_definition_says() {
    let mut bench = begun("cancel");
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(
        last(&bench, "child.requested"),
        json!({
            "state": "build", "effect": "build#1", "definition": "build-an-image", "version": 3,
            "input": { "title": "for x" },
        })
    );
    let due = bench.due();
    let DueStep::Start { child, run } = &due[2].step else { panic!("{due:?}") };
    assert_eq!((child.input.clone(), child.stop), (json!({ "title": "for x" }), false));
    assert_eq!(*run, bench.run().id().child(&effect()));
    let run = start(&mut bench);
    assert_eq!(bench.due()[2].step, DueStep::Await { run, stop: false });
    let view = bench.view();
    assert_eq!(view.holds[0].conditions[0].summary, "the end of the run of build-an-image");
    // It is not started twice, and no other run's end is taken for its.
    let again = Action::ChildStarted { effect: effect(), run };
    refused(bench.act("engine", again), RefusalCode::NotAwaited);
    let other = Action::ChildEnded {
        effect: effect(),
        run: run.child(&effect()),
        outcome: "done".to_owned(),
    };
    refused(bench.act("engine", other.clone()), RefusalCode::NotAwaited);
    refused(bench.act("ada", other), RefusalCode::NotEligible);
    assert_eq!(
        end(&mut bench, "done"),
        ["child.ended", "work.succeeded", "state.entered", "work.requested"]
    );
    assert_eq!(bench.open_activities()[0].2, json!({ "image": run.to_string() }));
    for count in 1..=bench.history().len() {
        bench.replay(count).unwrap();
    }

    let mut bench = begun("cancel");
    start(&mut bench);
    end(&mut bench, "refused");
    assert_eq!(
        last(&bench, "work.failed")["reason"],
        "the run of `build-an-image` ended with `refused`"
    );
    assert_eq!(bench.status(), ended("bad"));
}

#[test]
fn a_run_that_cannot_be_started_has_failed() {
    let mut bench = begun("leave");
    let error = "there is no definition `build-an-image`".to_owned();
    bench.act("engine", Action::ChildRefused { effect: effect(), error: error.clone() }).unwrap();
    assert_eq!(last(&bench, "work.failed")["reason"], json!(error));
    assert_eq!(bench.status(), ended("bad"));
}

#[test]
fn what_is_stopped_cancels_its_run_first_or_leaves_it() {
    let mut bench = begun("cancel");
    let run = start(&mut bench);
    bench.act("ada", cancel("enough")).unwrap();
    assert_eq!(bench.status(), RunStatus::Held);
    assert_eq!(bench.due()[0].step, DueStep::Await { run, stop: true });
    assert_eq!(end(&mut bench, "cancelled"), ["child.ended", "work.failed", "run.ended"]);
    assert_eq!(bench.status(), ended("cancelled"));

    let mut bench = begun("leave");
    start(&mut bench);
    bench.act("ada", cancel("enough")).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));

    // Before it was started.
    let mut bench = begun("cancel");
    bench.act("ada", cancel("enough")).unwrap();
    let due = bench.due();
    let DueStep::Start { child, .. } = &due[0].step else { panic!("{due:?}") };
    assert!(child.stop);
    let error = "nobody wanted it".to_owned();
    bench.act("engine", Action::ChildRefused { effect: effect(), error }).unwrap();
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn the_time_of_the_work_and_of_the_run_stop_it() {
    let mut bench = begun("cancel");
    let run = start(&mut bench);
    bench.advance(hours(48));
    assert_eq!(last(&bench, "child.stopping")["reason"], "the time for it was over");
    assert!(bench.due().iter().any(|due| due.step == DueStep::Await { run, stop: true }));
    // However it ends then.
    end(&mut bench, "done");
    assert_eq!(bench.status(), ended("late"));

    let mut bench = begun("leave");
    start(&mut bench);
    bench.advance(hours(48));
    assert_eq!(bench.status(), ended("late"));

    let source = BUILD
        .replace("STOPPED", "cancel")
        .replace("      expires: 2d\n", "")
        .replace(", expired: late", "")
        .replace("  late: { end: late }\n", "");
    let mut bench = submitted(&source, "ada", json!({}));
    start(&mut bench);
    bench.advance(hours(9 * 24));
    assert_eq!(bench.status(), RunStatus::Held);
    end(&mut bench, "done");
    assert_eq!(bench.status(), ended("over"));
}

#[test]
fn the_run_that_started_one_stops_it() {
    let mut bench = begun("leave");
    start(&mut bench);
    let stop = || Action::Stop { reason: "the run above was stopped".to_owned() };
    refused(bench.act("ada", stop()), RefusalCode::NotEligible);
    bench.act("engine", stop()).unwrap();
    assert_eq!(last(&bench, "run.cancelled")["reason"], "the run above was stopped");
    assert_eq!(bench.status(), ended("cancelled"));
}

#[test]
fn a_run_is_asked_for_in_a_branch_as_well() {
    let source = "
workflow: side
version: 1
title: Side
start: both
states:
  both:
    all:
      good: [done]
      others: cancel
      branches:
        a: { start: build, states: { build: { do: { run: { definition: x, good: [done], stopped: cancel } }, on: { succeeded: a-done, failed: a-no } }, a-done: { end: done }, a-no: { end: no } } }
        b: { start: work, states: { work: { do: { activity: { run: w } }, on: { succeeded: b-done, failed: b-no } }, b-done: { end: done }, b-no: { end: no } } }
    on: { completed: good, failed: bad }
  good: { end: good }
  bad: { end: bad }
";
    let mut bench = submitted(source, "ada", json!({}));
    start(&mut bench);
    bench.attempt("work#1", crate::common::fatal("no")).unwrap();
    assert!(bench.due().iter().any(|due| matches!(due.step, DueStep::Await { stop: true, .. })));
    end(&mut bench, "cancelled");
    assert_eq!(last(&bench, "branch.stopped"), json!({ "state": "build", "branch": "a" }));
    assert_eq!(bench.status(), ended("bad"));

    let mut bench = submitted(source, "ada", json!({}));
    start(&mut bench);
    bench.attempt("work#1", crate::common::done()).unwrap();
    end(&mut bench, "done");
    assert_eq!(bench.status(), ended("good"));
}

#[test]
fn what_is_wrong_with_a_run_is_found() {
    let source = BUILD.replace("STOPPED", "cancel");
    for (from, to, expected) in [
        ("stopped: cancel", "stopped: wait", "error[HP2004]"),
        (
            "        stopped: cancel\n",
            "",
            "error[HP2003]: a run of another definition has no `stopped`",
        ),
        (
            "good: [done, completed]",
            "good: []",
            "error[HP2003]: no outcome of the run counts as good",
        ),
        ("version: 3", "version: none", "error[HP2004]"),
        ("definition: build-an-image", "definition: Build", "error[HP2006]"),
        ("input: { title: 'for", "input: { title: '${input.titel} for", "error[HP2015]"),
    ] {
        assert!(source.contains(from), "{from}");
        let found = faults(&source.replace(from, to));
        assert!(found.contains(expected), "{from}: {found}");
    }
    let text = workflow(&source).explain();
    assert!(text.contains("A run of `build-an-image v3` is started with {\"title\":\"for ${input.title}\"}, for the same requester; it succeeds when that ends with completed or done."), "{text}");
}
