//! The state space of every definition that ships, explored to its end, through the definition's own
//! functions: whatever people, machines, time and the project do, in whichever order, no run comes to a dead
//! end, no hold is without an exit, and each hold has exactly one resolution.
//!
//! What is explored is an abstraction, so that it has an end; `docs/testing-definitions.md` says what is left
//! out, and why that is sound. [`space`] says with whom and what a definition is explored, [`steps`] what can
//! happen, [`same`] which states are the same, and [`ahead`] which of what has happened can matter yet.

mod ahead;
mod same;
mod space;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    mem::Discriminant,
    path::Path,
    sync::Mutex,
    time::Instant,
};

use holdpoint_core::{EffectId, MemberId, Workflow, event::TypedEvent};
use holdpoint_definition::{Definition, DefinitionEvent, State};
use holdpoint_scenario::{Beginning, Suite};
use jiff::Timestamp;
use serde_json::json;

use self::space::Space;

const fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// No space that ships is larger.
const STATES_MAX: usize = 60_000;

/// A state that was reached, when, and what of its way there counts.
#[derive(Clone)]
struct Reached {
    state: State,
    now: Timestamp,
    /// The holds that are open.
    open: BTreeSet<String>,
    done: Done,
    /// The timers that are set, in the order in which they are due.
    timers: Vec<(Timestamp, EffectId)>,
    /// Who is named in it.
    named: BTreeSet<MemberId>,
}

/// What is done once at most.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    amended: bool,
    /// A signal came that no hold waited for.
    signalled: bool,
    rechecked: bool,
}

/// What comes of exploring.
struct Explored {
    states: usize,
    steps: usize,
    resolutions: BTreeSet<(String, String)>,
    entered: BTreeSet<String>,
    /// Of each kind of event that happened one.
    happened: HashMap<Discriminant<DefinitionEvent>, DefinitionEvent>,
}

impl Space {
    fn explore(&self, at: Timestamp) -> Explored {
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut reached: Vec<Reached> = Vec::new();
        // The ways into a state that nobody takes by giving up, and in which of the projects there are such.
        let mut before: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut ends = Vec::new();
        let mut explored = Explored {
            states: 0,
            steps: 0,
            resolutions: BTreeSet::new(),
            entered: BTreeSet::new(),
            happened: HashMap::new(),
        };
        let mut add = |mut to: Reached, reached: &mut Vec<Reached>| {
            let next = reached.len();
            let (key, named) = self.key(&to);
            let place = *index.entry(key).or_insert(next);
            if place == next {
                assert!(next < STATES_MAX, "{} has a large space", self.definition.name());
                to.named = named;
                reached.push(to);
            }
            place
        };
        for input in &self.inputs {
            let begun = self.begin(input, at);
            add(begun.unwrap_or_else(|| panic!("{input}")), &mut reached);
        }
        let mut here = 0;
        while let Some(at) = reached.get(here).cloned() {
            before.resize(reached.len().max(before.len()), Vec::new());
            if Workflow::status(&self.definition, &at.state).is_ended() {
                ends.push(here);
                here += 1;
                continue;
            }
            let steps = self.steps(&at);
            explored.steps += steps.len();
            for step in steps {
                let gives_up = step.events.iter().any(|event| {
                    matches!(
                        event,
                        DefinitionEvent::Cancelled { .. } | DefinitionEvent::Expired { .. }
                    )
                });
                for event in &step.events {
                    explored
                        .happened
                        .entry(std::mem::discriminant(event))
                        .or_insert_with(|| event.clone());
                    if let Some((state, outcome)) = event.outcome() {
                        explored.resolutions.insert((state.to_owned(), outcome.to_owned()));
                    }
                    if let DefinitionEvent::StateEntered { state, .. } = event {
                        explored.entered.insert(state.clone());
                    }
                }
                if Workflow::status(&self.definition, &step.to.state).is_ended() {
                    let open = &step.to.open;
                    assert!(open.is_empty(), "the run has ended, and {open:?} is open");
                }
                let place = add(step.to, &mut reached);
                before.resize(reached.len().max(before.len()), Vec::new());
                if !gives_up {
                    before[place].extend(step.projects.iter().map(|project| (here, *project)));
                }
            }
            here += 1;
        }
        explored.states = reached.len();
        for (circumstances, project) in self.projects.iter().enumerate() {
            // What is locked down waits for the end of that.
            if !project.is_locked_down {
                self.has_ways_out(circumstances, &reached, &before, ends.clone());
            }
        }
        explored
    }

    /// From every state a run can come to an end without being given up, and without the project being changed;
    /// one that is blocked, or that was given up, ends in its own way.
    fn has_ways_out(
        &self,
        circumstances: usize,
        reached: &[Reached],
        before: &[Vec<(usize, usize)>],
        mut ends: Vec<usize>,
    ) {
        let mut way_out = vec![false; reached.len()];
        while let Some(at) = ends.pop() {
            if !std::mem::replace(&mut way_out[at], true) {
                let ways = before[at].iter().filter(|(_, project)| *project == circumstances);
                ends.extend(ways.map(|(from, _)| *from));
            }
        }
        let stuck: Vec<&Reached> =
            reached.iter().zip(&way_out).filter(|(_, out)| !**out).map(|(at, _)| at).collect();
        if let Some(first) = stuck.first() {
            let moment = self.moment(circumstances, first.now);
            let view = Workflow::view(&self.definition, &first.state, &moment);
            panic!(
                "{}: no way out of {} states, such as {}",
                self.definition.name(),
                stuck.len(),
                serde_json::to_string_pretty(&view).unwrap()
            );
        }
    }
}

/// Keeps account of the holds that are open: none is opened twice, or resolved twice.
fn resolves(open: &mut BTreeSet<String>, event: &DefinitionEvent, at_rest: bool) {
    match event {
        DefinitionEvent::HoldOpened { hold, .. } => {
            assert!(open.insert(hold.clone()), "`{hold}` is opened while it is open");
        }
        DefinitionEvent::HoldReleased { hold }
        | DefinitionEvent::HoldWaived { hold, .. }
        | DefinitionEvent::HoldRejected { hold, .. }
        | DefinitionEvent::HoldExpired { hold, .. }
        | DefinitionEvent::HoldFailed { hold, .. }
        | DefinitionEvent::Objected { hold, .. } => {
            assert!(open.remove(hold), "`{hold}` is resolved, and is not open");
        }
        DefinitionEvent::ApprovalGranted(ballot)
        | DefinitionEvent::ApprovalRejected(ballot)
        | DefinitionEvent::Vetoed(ballot) => {
            assert!(open.contains(&ballot.hold), "a vote on what is not open: {}", ballot.hold);
        }
        // These end what is held, without deciding on it.
        DefinitionEvent::BranchStopped { state, .. } => {
            open.remove(state);
        }
        DefinitionEvent::Expired { state, .. } | DefinitionEvent::Cancelled { state, .. } => {
            open.remove(state);
        }
        // From a hold behind it; where it is under way none is open, but those of other branches.
        DefinitionEvent::UndoStarted { .. } if at_rest => open.clear(),
        _ => {}
    }
}

/// The definitions that ship, each with how its scenarios begin.
fn shipped() -> Vec<Space> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".scenarios.yaml") else { continue };
        let definition = format!("{stem}.yaml");
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let source = read(&path.with_file_name(&definition));
        let definition = Definition::parse(&definition, &source).unwrap().definition;
        let suite = Suite::parse(&name, &read(&path)).unwrap();
        let changes = suite.item_changes().next();
        let mut space = Space::new(definition, &source, &suite.beginning().unwrap(), changes);
        let signals = suite.signals().filter(|(_, data)| data.is_object());
        space.signals = signals.map(|(name, data)| (name.to_owned(), data.clone())).collect();
        found.push(space);
    }
    found
}

#[test]
fn every_shipped_definition_is_explored_to_its_end() {
    let mut spaces = shipped();
    assert!(spaces.len() >= 10);
    // The largest first, so that nobody waits for it at the end.
    spaces.sort_by_key(|space| std::cmp::Reverse((space.inputs.len(), space.members().count())));
    let (waiting, happened) = (Mutex::new(spaces.iter()), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(space) = waiting.lock().unwrap().next() else { break };
                    let seen = is_explored(space);
                    happened.lock().unwrap().extend(seen);
                }
            });
        }
    });
    // What people, times and projects can do to a run was done.
    let happened = happened.into_inner().unwrap();
    for kind in [
        "rollout.paused",
        "rollout.resumed",
        "rollout.promoted",
        "rollout.drifted",
        "rollout.undo_started",
        "rollout.not_begun",
        "target.retried",
        "target.rechecked",
        "target.skipped",
        "target.taken_over",
        "window.overridden",
        "run.locked_down",
        "run.lockdown_lifted",
        "run.amended",
        "conflict.checked",
        "conflict.accepted",
        "hold.replanned",
        "hold.waived",
        "hold.failed",
        "hold.objected",
        "vote.withdrawn",
        "veto.overruled",
        "task.reopened",
        "check.asked",
        "duty.discharged",
        "child.stopping",
        "branch.stopped",
        "lock.released",
    ] {
        assert!(happened.contains(&format!("holdpoint.{kind}")), "{kind} did not happen");
    }
}

/// Explores a space; answers with the kinds of events that happened.
fn is_explored(space: &Space) -> BTreeSet<String> {
    let begun = Instant::now();
    let explored = space.explore("2026-01-05T09:00:00Z".parse().unwrap());
    println!(
        "{}: {} inputs, {} members, {} states, {} steps in {:?}",
        space.definition.name(),
        space.inputs.len(),
        space.members().count(),
        explored.states,
        explored.steps,
        begun.elapsed()
    );
    // The abstraction has not lost any of the definition on the way.
    for state in &space.outline.states {
        let reached = explored.entered.contains(&state.name) || state.name == space.outline.start;
        assert!(reached, "{}: `{}` is never reached", space.definition.name(), state.name);
    }
    let held = space.outline.states.iter().filter(|state| !state.rules.is_empty());
    for hold in held {
        for outcome in ["released", "rejected"] {
            let resolved = (hold.name.clone(), outcome.to_owned());
            assert!(explored.resolutions.contains(&resolved), "{resolved:?}");
        }
    }
    let kind = |event: &DefinitionEvent| event.to_new_event().unwrap().kind;
    explored.happened.values().map(kind).map(|kind| kind.to_string()).collect()
}

fn plain_space(source: &str, members: &str, input: serde_json::Value) -> Space {
    let definition = Definition::parse("explored.yaml", source).unwrap().definition;
    let beginning = Beginning {
        baseline: None,
        items: Vec::new(),
        calendars: Default::default(),
        by: "ada".parse().unwrap(),
        members: holdpoint_scenario::members(members).unwrap(),
        input,
        at: "2026-01-05T09:00:00Z".parse().unwrap(),
    };
    Space::new(definition, source, &beginning, None)
}

#[test]
fn parallel_branches_are_explored_to_their_end() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parallel.md"));
    let source = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    for (from, to) in
        [("", ""), ("others: cancel", "others: wait"), ("others:", "join: any\n      others:")]
    {
        let source = source.replacen(from, to, 1);
        let members = "{ ada: [], grace: role:network, linus: role:network }";
        let space = plain_space(&source, members, json!({ "title": "t", "targets": ["a", "b"] }));
        let explored = space.explore("2026-01-05T09:00:00Z".parse().unwrap());
        assert!(explored.states > 50, "{}", explored.states);
        for outcome in ["completed", "failed", "expired", "cancelled"] {
            let joined = ("prepare".to_owned(), outcome.to_owned());
            assert!(explored.resolutions.contains(&joined), "{outcome}");
        }
    }
}

/// A qualification is lost at any time, also when work was asked for, and in branches; there is a way out while
/// somebody has one, and when it is renewed.
#[test]
fn runs_that_rest_for_a_qualification_are_explored_to_their_end() {
    let source = "
workflow: qualified
version: 1
title: Qualified
start: agree
states:
  agree:
    hold:
      approval:
        rules:
          peer: { from: role:engineer, need: 1, qualified: network, qualified_at: work }
        not: [requester]
    on: { released: pause, rejected: refused }
  pause: { hold: { wait: { for: 1h } }, on: { released: both } }
  both:
    all:
      good: [good]
      others: wait
      branches:
        one:
          start: move
          states:
            move: { do: { activity: { run: move } }, on: { succeeded: moved, failed: stayed } }
            moved: { end: good }
            stayed: { end: bad }
        two:
          start: copy
          states:
            copy: { do: { activity: { run: copy } }, on: { succeeded: copied, failed: lost } }
            copied: { end: good }
            lost: { end: bad }
    on: { completed: last, failed: refused }
  last: { do: { activity: { run: tidy } }, on: { succeeded: done, failed: agree } }
  done: { end: done }
  refused: { end: refused }
";
    let members = "{ ada: [], bob: [role:engineer, qualified:network], eve: [role:engineer, qualified:network] }";
    let space = plain_space(source, members, json!({}));
    let happened = is_explored(&space);
    for kind in ["qualifications.lapsed", "run.locked_down", "branches.joined"] {
        assert!(happened.contains(&format!("holdpoint.{kind}")), "{kind} did not happen");
    }
}

#[test]
fn a_run_that_cannot_go_on_is_found() {
    let source = "
workflow: dead
version: 1
title: A dead end
input: { type: object, properties: { n: { type: integer, default: 0 } } }
start: ask
states:
  ask: { hold: { wait: { for: 1h }, signal: { name: go, when: 'signal.n > 1' } }, on: { released: done } }
  done: { end: done }
";
    let space = plain_space(source, "{ ada: [] }", json!({}));
    // No signal that is sent here is accepted.
    let explored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        space.explore("2026-01-05T09:00:00Z".parse().unwrap())
    }));
    assert!(explored.is_err());
}
