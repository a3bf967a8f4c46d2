//! Faults at every place of the shipped rollouts: whatever fails, wherever, the end is done, undone or
//! a place where a person is told what to do, and the machines are as the history says.

use std::collections::BTreeMap;

use holdpoint_core::{
    Action, Digest, EffectId, NextAsk, Outcome, ProjectEvent, RunStatus, Steering, Vote,
    conflict::Look,
    evidence::NewEvidence,
    run::DueStep,
    testing::{Bench, project},
};
use holdpoint_definition::calendar::Calendar;
use jiff::SignedDuration;
use serde_json::json;

use crate::common::{
    CANARY_ROLLOUT, EMERGENCY_CHANGE, NORMAL_CHANGE, ROLLING_ROLLOUT, STANDARD_CHANGE, done, fatal,
    finds_what_it_fits, steer, verdict, workflow,
};

/// The shipped definitions that do work at targets.
const SHIPPED: [&str; 5] =
    [ROLLING_ROLLOUT, CANARY_ROLLOUT, NORMAL_CHANGE, STANDARD_CHANGE, EMERGENCY_CHANGE];

const TARGETS: [&str; 3] = ["a", "b", "c"];
const FORWARD: [&str; 6] = ["pre_check", "drain", "deploy", "verify", "undrain", "check"];
const BACK: [&str; 3] = ["undo_drain", "restore", "undo_undrain"];
/// More than any of these rollouts takes.
const TURNS_MAX: usize = 200;

/// What a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Old,
    New,
    /// Something began to change it and did not come to its end.
    Torn,
}

#[derive(Clone, Copy, Debug)]
struct Machine {
    version: Version,
    serves: bool,
}

/// The machines, apart from what the log says of them.
#[derive(Clone, Debug)]
struct World(BTreeMap<String, Machine>);

impl World {
    fn new() -> Self {
        let machine = Machine { version: Version::Old, serves: true };
        Self(TARGETS.iter().map(|name| ((*name).to_owned(), machine)).collect())
    }

    /// Does a step at a machine; one that fails has come half-way.
    fn perform(&mut self, target: &str, step: &str, good: bool) {
        let machine = self.0.get_mut(target).unwrap();
        match step {
            "drain" | "undo_drain" => machine.serves = false,
            "undrain" | "undo_undrain" => machine.serves |= good,
            "deploy" => machine.version = if good { Version::New } else { Version::Torn },
            "restore" => machine.version = if good { Version::Old } else { Version::Torn },
            _ => {}
        }
    }

    /// Whether the machines are as the run says.
    fn agrees(&self, bench: &Bench, source: &str, what: &str) {
        let view = bench.view();
        let all = view.rollout.unwrap_or_else(|| panic!("{what}: it began with nothing")).targets;
        for target in all {
            let machine = self.0[&target.target];
            let is = (machine.version, machine.serves);
            let told = match target.state {
                "healthy" => is == (Version::New, true),
                "waiting" | "restored" => is == (Version::Old, true),
                // With steps it was undone at once, and else it is as it failed.
                "failed" if source == CANARY_ROLLOUT => is == (Version::Old, true),
                "failed" => machine.version != Version::Old,
                // A person said so, and knows.
                "taken_over" | "skipped" => true,
                other => panic!("{what}: {} is {other} at the end", target.target),
            };
            assert!(told, "{what}: {} is {}, and {machine:?}", target.target, target.state);
        }
    }
}

/// What is to go wrong, once.
#[derive(Clone, Copy, Debug)]
struct Fault {
    target: &'static str,
    step: &'static str,
    inconclusive: bool,
}

/// Who decides what where a person must.
#[derive(Clone, Copy, Debug)]
enum Person {
    TriesAgain,
    TakesOver,
    Skips,
    Aborts,
}

/// `go#1/a/check-2` as its target and step.
fn parts(effect: &str) -> (String, String) {
    let (_, rest) = effect.split_once('/').unwrap();
    let (target, step) = rest.rsplit_once('/').unwrap();
    (target.to_owned(), step.split_once('-').map_or(step, |(step, _)| step).to_owned())
}

/// A run that was submitted, in a project with whom and what the shipped definitions ask for. The window
/// is always open.
fn begun(source: &'static str) -> Bench {
    let people = project(&[
        ("ada", &["engineer"], &["network"]),
        ("bob", &["engineer"], &["network"]),
        ("cy", &["engineer"], &["network"]),
        ("dora", &["board"], &[]),
        ("eve", &["emergency-authority", "board"], &[]),
        ("fay", &["change-manager"], &[]),
    ]);
    let mut bench = Bench::new(workflow(source), people);
    for (name, times) in [
        ("maintenance", "windows: [{ starts: 2026-01-01T00:00, lasts: 24h, repeat: FREQ=DAILY }]"),
        ("freeze", "freezes: [{ from: 2020-01-01, to: 2020-01-02 }]"),
    ] {
        let source = format!("calendar: {name}\nzone: UTC\n{times}\n");
        let calendar = Calendar::parse(name, &source).unwrap();
        bench.happens(&ProjectEvent::CalendarPublished {
            calendar: calendar.name().clone(),
            revision: 1,
            digest: calendar.digest(),
            title: None,
            source,
        });
    }
    let mut input = json!({ "title": "t", "targets": TARGETS, "version": "2" });
    let more = if source == NORMAL_CHANGE {
        json!({ "impact": "none", "risk": "high", "domain": "network", "items": ["core"] })
    } else if source == STANDARD_CHANGE {
        json!({ "procedure": "patch" })
    } else if source == EMERGENCY_CHANGE {
        json!({ "incident": "INC-1" })
    } else {
        json!({})
    };
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bench.submit("ada", input).unwrap();
    bench
}

/// Has people and the engine do one thing that the open hold waits for; says whether there was one.
fn released_further(bench: &mut Bench) -> bool {
    if let Some(effect) = bench.claims().looks {
        // Nobody else is about. It is looked when all else is there, and once more behind the locks.
        let (at, found) = (bench.run().at().version, Look { with: Vec::new(), more: 0 });
        return bench.act("engine", Action::ConflictsLooked { effect, at, found }).is_ok();
    }
    let view = bench.view();
    let Some(hold) = view.holds.first() else { return false };
    let mut actions = Vec::new();
    for condition in hold.conditions.iter().filter(|one| !one.met) {
        let name = condition.name.clone();
        match condition.kind {
            "evidence" => {
                let digest = Digest::of(name.as_bytes());
                let reference = Some("https://files.example.com/1".to_owned());
                let evidence =
                    NewEvidence { digest, size: None, file: None, media_type: None, reference };
                actions.push(Action::Attach { name, evidence, note: None });
            }
            "task" => actions.push(Action::Done {
                hold: None,
                task: Some(name),
                note: Some("it was seen to".to_owned()),
            }),
            "lock" => {
                let effect = EffectId::new(format!("{}#1/lock", hold.hold));
                // They are asked for when all else is there.
                if bench.act("engine", Action::LocksGranted { effect }).is_ok() {
                    return true;
                }
            }
            _ => {}
        }
    }
    // Votes come last: evidence that comes after them has them given anew.
    actions.push(Action::vote(Vote::Approve, None));
    actions.into_iter().any(|action| {
        ["bob", "ada", "cy", "dora", "eve", "fay"]
            .into_iter()
            .any(|who| bench.act(who, action.clone()).is_ok())
    })
}

/// Drives a rollout to its end; aborts it after so many activities.
fn drive(
    source: &'static str,
    faults: &[Fault],
    person: Person,
    abort_after: Option<usize>,
) -> (Bench, World) {
    let mut bench = begun(source);
    let mut world = World::new();
    let mut faults = faults.to_vec();
    let mut performed = 0;
    for _ in 0..TURNS_MAX {
        if abort_after == Some(performed) {
            performed += 1;
            // It may be on its way back already.
            let _ = bench.act("ada", steer(Steering::Abort, None, Some("enough")));
            continue;
        }
        if let Some((effect, _, _)) = bench.open_activities().into_iter().next() {
            performed += 1;
            let (target, step) = parts(&effect);
            let fault = faults.iter().position(|one| one.target == target && one.step == step);
            let fault = fault.map(|at| faults.remove(at));
            world.perform(&target, &step, true);
            world.perform(&target, &step, fault.is_none());
            let outcome = match fault {
                Some(Fault { inconclusive: true, .. }) => verdict("inconclusive"),
                Some(_) if step == "check" => verdict("failed"),
                Some(_) => fatal("broken"),
                None if step == "check" => verdict("passed"),
                None => done(),
            };
            // Nobody knows how the first attempt ended: it is done twice, under the same key.
            let lost = Outcome::Unknown { reason: "the engine went away".to_owned() };
            bench.attempt(&effect, lost).unwrap();
            bench.attempt(&effect, outcome.clone()).unwrap();
            let again = Action::AttemptEnded { effect: EffectId::new(effect), attempt: 2, outcome };
            bench.act("engine", again).expect_err("an outcome counts once");
            continue;
        }
        match bench.status() {
            RunStatus::Ended { .. } => return (bench, world),
            RunStatus::Stuck => decide(&mut bench, person),
            RunStatus::Held if released_further(&mut bench) => {}
            RunStatus::Held if bench.view().rollout.is_some_and(|one| one.phase == "held") => {
                bench.act("bob", steer(Steering::Promote, None, None)).unwrap();
            }
            status => {
                let waits = bench.due().iter().any(|due| matches!(due.step, DueStep::Fire { .. }));
                assert!(waits, "{faults:?} {person:?}: {status:?} with nothing to wait for");
                bench.advance(SignedDuration::from_hours(1));
            }
        }
    }
    panic!("{faults:?} {person:?} {abort_after:?}: it comes to no end: {:?}", bench.view());
}

/// Does what one of the next steps says, where the run is stuck.
fn decide(bench: &mut Bench, person: Person) {
    let view = bench.view();
    let named = |steering: Steering| {
        view.next_steps.iter().any(|step| {
            matches!(step.ask, Some(NextAsk::Steer { steering: asked, .. }) if asked == steering)
        })
    };
    let rollout = view.rollout.as_ref().unwrap();
    let stuck = rollout.targets.iter().find(|target| target.state == "stuck").unwrap();
    let (steering, target) = match person {
        Person::TakesOver if named(Steering::TakeOver) => (Steering::TakeOver, None),
        Person::Skips => (Steering::Skip, Some(stuck.target.clone())),
        Person::Aborts if named(Steering::Abort) => (Steering::Abort, None),
        _ => (Steering::Retry, None),
    };
    assert!(named(steering), "{steering}: {:?}", view.next_steps);
    let action = steer(steering, target.as_deref(), Some("so"));
    finds_what_it_fits(&view, &action, None);
    bench.act("ada", action).unwrap();
}

const PEOPLE: [Person; 4] = [Person::TriesAgain, Person::TakesOver, Person::Skips, Person::Aborts];

/// Drives a rollout, and answers with how it ended.
fn check(
    source: &'static str,
    faults: &[Fault],
    person: Person,
    abort_after: Option<usize>,
) -> String {
    let (bench, world) = drive(source, faults, person, abort_after);
    let name = source.lines().find(|line| line.starts_with("workflow:")).unwrap_or_default();
    let what = format!("{name} {faults:?} {person:?} {abort_after:?}");
    world.agrees(&bench, source, &what);
    match bench.status() {
        RunStatus::Ended { outcome } => outcome,
        other => panic!("{what}: {other:?}"),
    }
}

/// How a run ends that was undone.
fn undone(source: &str) -> &'static str {
    match source {
        STANDARD_CHANGE | EMERGENCY_CHANGE => "failed",
        _ => "rolled-back",
    }
}

#[test]
fn every_step_fails_once_at_every_target() {
    for source in SHIPPED {
        let mut ends = BTreeMap::new();
        for target in TARGETS {
            for step in FORWARD {
                for inconclusive in [false, true] {
                    if inconclusive && step != "check" {
                        continue;
                    }
                    // A person decides only where a check tells nothing.
                    let people = if inconclusive { &PEOPLE[..] } else { &PEOPLE[..1] };
                    for person in people.iter().copied() {
                        let fault = Fault { target, step, inconclusive };
                        let end = check(source, &[fault], person, None);
                        *ends.entry(end).or_insert(0) += 1;
                    }
                }
            }
        }
        let undone = undone(source);
        assert!(ends.contains_key("completed") && ends.contains_key(undone), "{ends:?}");
    }
}

#[test]
fn every_step_back_fails_once_wherever_the_rollout_is_turned_round() {
    for source in SHIPPED {
        let mut ends = BTreeMap::new();
        for abort_after in [2, 11, 18] {
            for target in TARGETS {
                for step in BACK {
                    if source != CANARY_ROLLOUT && step != "restore" {
                        continue;
                    }
                    for person in [Person::TriesAgain, Person::TakesOver] {
                        let fault = Fault { target, step, inconclusive: false };
                        let end = check(source, &[fault], person, Some(abort_after));
                        *ends.entry(end).or_insert(0) += 1;
                    }
                }
            }
        }
        assert!(ends.contains_key("failed") && ends.contains_key(undone(source)), "{ends:?}");
    }
}

#[test]
fn every_beginning_of_a_history_is_a_run_that_asks_for_the_same() {
    for source in SHIPPED {
        let faults =
            ["deploy", "restore"].map(|step| Fault { target: "b", step, inconclusive: false });
        let (bench, _) = drive(source, &faults, Person::TriesAgain, Some(9));
        let whole = bench.replay(bench.history().len()).unwrap();
        assert_eq!(format!("{:?}", bench.run()), format!("{whole:?}"));
        for count in 1..=bench.history().len() {
            bench.replay(count).unwrap();
        }
    }
}

#[test]
fn a_target_that_fails_and_cannot_be_undone_at_once_has_a_way_out() {
    for target in ["a", "c"] {
        for step in ["drain", "deploy", "check"] {
            for back in BACK {
                for person in PEOPLE {
                    let inconclusive = false;
                    let faults = [
                        Fault { target, step, inconclusive },
                        Fault { target, step: back, inconclusive },
                    ];
                    check(CANARY_ROLLOUT, &faults, person, None);
                }
            }
        }
    }
}
