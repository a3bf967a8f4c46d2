//! The state space of every definition that ships, explored to its end, through the definition's own
//! functions: whatever people, machines and time do, in whichever order, no run comes to a dead end, no
//! hold is without an exit, and each hold has exactly one resolution.
//!
//! What is explored is an abstraction, so that it has an end. Of a file's members at most three of each
//! kind take part, inputs have at most two targets, and a run is amended and signalled once; where
//! scenarios change the inventory, it is as it was or as one of them makes it, and changes at any time. States
//! are the same that differ only in times, in how often a state was visited and in who left what
//! behind; of timers only their order counts, and each may be noticed first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, Digest, EffectId, EffectKind, MemberId,
    Moment, NewDuty, Project, RunId, Started, Steering, Vote, Workflow, evidence::NewEvidence,
    item::ItemsChange, view::HoldView, workflow::Meta,
};
use holdpoint_definition::{ApprovalPart, Definition, DefinitionEvent, Outline, State};
use holdpoint_scenario::{Beginning, Play, Suite};
use jiff::Timestamp;
use serde_json::{Value, json};

fn id(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// Of more inputs than these, only those that make a difference at the beginning are explored.
const INPUTS_MAX: usize = 8;

/// No space that ships is larger.
const STATES_MAX: usize = 60_000;

/// A definition, and with whom and what it is explored.
struct Space {
    definition: Definition,
    outline: Outline,
    /// The project, and as it is when its inventory has changed.
    projects: Vec<Project>,
    members: Vec<MemberId>,
    by: MemberId,
    inputs: Vec<Value>,
    /// What comes with signals besides nothing, as scenarios send them.
    signals: BTreeMap<String, Value>,
    /// How runs that are asked for end.
    endings: BTreeSet<String>,
}

/// A state that was reached, when, and what of its way there counts.
#[derive(Clone)]
struct Reached {
    state: State,
    now: Timestamp,
    /// Which of the projects it is in.
    project: usize,
    /// The holds that are open.
    open: BTreeSet<String>,
    /// How often the run was amended, and signals were sent.
    done: (u32, u32),
}

/// What comes of exploring.
struct Explored {
    states: usize,
    steps: usize,
    resolutions: BTreeSet<(String, String)>,
    entered: BTreeSet<String>,
}

impl Space {
    fn new(definition: Definition, beginning: &Beginning, changes: Option<&[ItemsChange]>) -> Self {
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        let mut members = beginning.members.clone();
        members.retain(|id, sheet| {
            let seen = kinds.entry(format!("{sheet:?}")).or_default();
            *seen += 1;
            *seen <= 3 || *id == beginning.by
        });
        let workflow = std::sync::Arc::new(definition.clone());
        let digest = Digest::of(b"explored");
        let reference = holdpoint_core::DefinitionRef {
            name: definition.name().clone(),
            version: definition.version(),
            digest,
        };
        let mut play = Play::new(workflow, reference, &members, beginning.at).unwrap();
        play.set_calendars(&beginning.calendars).unwrap();
        play.change_items(&beginning.items).unwrap();
        let mut projects = vec![play.project().clone()];
        if let Some(changes) = changes {
            play.change_items(changes).unwrap();
            projects.push(play.project().clone());
        }
        let mut space = Self {
            endings: ["cancelled", "completed", "done", "refused"].map(str::to_owned).into(),
            outline: definition.outline(),
            inputs: inputs(&definition, &beginning.input),
            signals: BTreeMap::new(),
            projects,
            members: members.into_keys().collect(),
            by: beginning.by.clone(),
            definition,
        };
        if space.inputs.len() > INPUTS_MAX {
            let mut seen = BTreeSet::new();
            let all = std::mem::take(&mut space.inputs);
            let differs = |input: &Value| {
                let begun = space.begin(input, beginning.at).unwrap();
                let mut state = serde_json::to_value(&begun.state).unwrap();
                let level = state["risk"]["level"].take();
                for of_the_input in ["input", "digest", "risk"] {
                    state.as_object_mut().unwrap().remove(of_the_input);
                }
                plain(&mut state);
                without(&mut state, &["digest", "qualified", "plans"]);
                seen.insert(format!("{level} {state}"))
            };
            let differing: Vec<Value> = all.into_iter().filter(differs).collect();
            assert!(differing.len() <= INPUTS_MAX, "{}", differing.len());
            space.inputs = differing;
        }
        space
    }

    fn project(&self, at: &Reached) -> &Project {
        &self.projects[at.project]
    }

    fn send(
        &self,
        from: &Reached,
        actor: Actor,
        action: Action,
    ) -> Option<(Reached, Vec<DefinitionEvent>)> {
        let command = Command {
            id: CommandId::from_uuid(id(1)),
            actor,
            auth: Authentication::engine(),
            trace: None,
            action,
        };
        let at = Moment { now: from.now, project: self.project(from) };
        let events = Workflow::decide(&self.definition, &from.state, &command, &at).ok()?;
        let mut to = from.clone();
        let meta = Meta { time: from.now, actor: &command.actor };
        for event in &events {
            Workflow::evolve(&self.definition, &mut to.state, event, &meta)
                .unwrap_or_else(|error| panic!("{:?}: {error}", command.action));
            resolves(&mut to.open, event);
        }
        Some((to, events))
    }

    fn begin(&self, input: &Value, at: Timestamp) -> Option<Reached> {
        let input = Workflow::complete_input(&self.definition, input.clone());
        let requester = Actor::Member(self.by.clone());
        let started = Started {
            run: RunId::from_uuid(id(2)),
            project: self.projects[0].id(),
            requester: &requester,
            at,
            input: &input,
            baseline: None,
        };
        let state = Workflow::start(&self.definition, &started).ok()?;
        let begin = Reached { state, now: at, project: 0, open: BTreeSet::new(), done: (0, 0) };
        self.send(&begin, requester, Action::Start).map(|(reached, _)| reached)
    }

    /// The timers that are set, in the order in which they are due.
    fn timers(&self, at: &Reached) -> Vec<(Timestamp, EffectId)> {
        let mut timers: Vec<_> = Workflow::pending(&self.definition, &at.state)
            .into_iter()
            .filter_map(|effect| match effect.kind {
                EffectKind::Timer { due } => Some((due, effect.id)),
                EffectKind::Activity(_) | EffectKind::Watch { .. } | EffectKind::Child(_) => None,
            })
            .collect();
        timers.sort();
        timers
    }

    /// What a state is, apart from what does not count.
    fn key(&self, at: &Reached) -> String {
        let mut state = serde_json::to_value(&at.state).unwrap();
        for forgotten in ["visits", "left", "outputs", "executors", "duties_opened", "earlier"] {
            state.as_object_mut().unwrap().remove(forgotten);
        }
        plain(&mut state);
        let timers: Vec<String> =
            self.timers(at).into_iter().map(|(_, id)| without_visit(id.as_str())).collect();
        format!("{state} {timers:?} {:?} {}", at.done, at.project)
    }

    /// All that can happen now, and where it leads.
    fn steps(&self, at: &Reached) -> Vec<(Reached, Vec<DefinitionEvent>)> {
        let mut found = Vec::new();
        let moment = Moment { now: at.now, project: self.project(at) };
        let view = Workflow::view(&self.definition, &at.state, &moment);
        for hold in &view.holds {
            for action in self.about(hold) {
                let by = |member: &MemberId| {
                    self.send(at, Actor::Member(member.clone()), action.clone())
                };
                let mut accepted = self.members.iter().filter_map(by);
                match action {
                    // Who did it decides nothing.
                    Action::Attach { .. } | Action::Done { .. } => found.extend(accepted.next()),
                    _ => found.extend(accepted),
                }
            }
        }
        for duty in &view.duties {
            let action = Action::Discharge { duty: duty.duty, note: "done".to_owned() };
            let by = duty.candidates.iter().find(|one| self.members.contains(one));
            found.extend(by.and_then(|by| self.send(at, Actor::Member(by.clone()), action)));
        }
        let requester = || Actor::Member(self.by.clone());
        found.extend(self.send(at, requester(), Action::Cancel { reason: "enough".to_owned() }));
        let (amended, signalled) = at.done;
        for input in self.inputs.iter().filter(|_| amended == 0) {
            // As a run completes it.
            let input = Workflow::complete_input(&self.definition, input.clone());
            let action = Action::Amend { input, reason: "it is another".to_owned() };
            found.extend(self.send(at, requester(), action).map(|(mut to, events)| {
                to.done.0 += 1;
                (to, events)
            }));
        }
        let signals = self.outline.states.iter().filter_map(|state| state.signal.as_deref());
        for name in signals.collect::<BTreeSet<_>>() {
            // Where a hold waits for it now it may come any number of times.
            let awaited = view.holds.iter().flat_map(|hold| &hold.conditions);
            let awaited =
                awaited.into_iter().any(|one| one.kind == "signal" && !one.met && one.name == name);
            if !awaited && signalled > 0 {
                continue;
            }
            for data in [Some(&json!({})), self.signals.get(name)].into_iter().flatten() {
                let action = Action::Signal { name: name.to_owned(), data: data.clone() };
                // Who sends it makes no difference, but that some may not.
                let mut members = [&self.by].into_iter().chain(&self.members);
                let sent =
                    members.find_map(|by| self.send(at, Actor::Member(by.clone()), action.clone()));
                found.extend(sent.map(|(mut to, events)| {
                    to.done.1 += u32::from(!awaited);
                    (to, events)
                }));
            }
        }
        if view.rollouts().iter().any(|one| !matches!(one.phase, "done" | "undone" | "failed")) {
            for steering in
                [Steering::Promote, Steering::Abort, Steering::Retry, Steering::TakeOver]
            {
                let (target, reason, state) = (None, Some("so".to_owned()), None);
                let over = BTreeSet::new();
                let action = Action::Steer { steering, target, reason, state, over };
                // What some may not, others may.
                for member in &self.members {
                    let by = Actor::Member(member.clone());
                    found.extend(self.send(at, by, action.clone()));
                }
            }
        }
        // Of what is asked for only if it was begun, one thing was not.
        for (effect, restraint) in Workflow::restraints(&self.definition, &at.state) {
            if restraint.if_begun {
                let action = Action::NotBegun { effects: [effect].into() };
                found.extend(self.send(at, Actor::Engine, action));
            }
        }
        for effect in Workflow::pending(&self.definition, &at.state) {
            let verdict = |verdict: &str| json!({ "verdict": verdict });
            let answers = match &effect.kind {
                EffectKind::Timer { .. } | EffectKind::Watch { .. } => continue,
                EffectKind::Activity(activity) if activity.name.ends_with("-check") => {
                    vec![verdict("passed"), verdict("failed"), verdict("inconclusive")]
                }
                EffectKind::Activity(_) => vec![Value::Null],
                EffectKind::Child(_) => {
                    self.endings.iter().map(|end| json!({ "outcome": end })).collect()
                }
            };
            for output in answers {
                let action = Action::Completed { effect: effect.id.clone(), output };
                found.extend(self.send(at, Actor::Engine, action));
            }
            let action = Action::Failed { effect: effect.id, error: "no".to_owned() };
            found.extend(self.send(at, Actor::Engine, action));
        }
        if let Some(wanted) = Workflow::claims(&self.definition, &at.state).wanted {
            let action = Action::LocksGranted { effect: wanted.effect };
            let granted = self.send(at, Actor::Engine, action);
            found.push(granted.unwrap_or_else(|| panic!("locks that are wanted are refused")));
        }
        // Nothing is said of it but to those who watch.
        for project in (0..self.projects.len()).filter(|other| *other != at.project) {
            found.push((Reached { project, ..at.clone() }, Vec::new()));
        }
        for effect in Workflow::pending(&self.definition, &at.state) {
            let EffectKind::Watch { seen } = effect.kind else { continue };
            let project = self.project(at);
            let moment = Moment { now: at.now, project };
            if project.differs(&seen)
                && Workflow::has_changed(&self.definition, &at.state, &effect.id, &moment)
            {
                let action = Action::TimerFired { effect: effect.id };
                let told = self.send(at, Actor::Engine, action);
                found.push(told.unwrap_or_else(|| panic!("what is watched is refused")));
            }
        }
        // An engine that was down notices several at once, in any order.
        for (due, effect) in self.timers(at) {
            let late = Reached { now: at.now.max(due), ..at.clone() };
            let fired =
                self.send(&late, Actor::Engine, Action::TimerFired { effect: effect.clone() });
            let fired = fired.unwrap_or_else(|| panic!("the timer `{effect}` is refused"));
            assert!(
                self.timers(&fired.0).iter().all(|(_, id)| *id != effect),
                "`{effect}` is asked for after it was fired"
            );
            found.push(fired);
        }
        found
    }

    /// What members can do about a hold.
    fn about(&self, hold: &HoldView) -> Vec<Action> {
        let name = || Some(hold.hold.clone());
        let no = || "no".to_owned();
        let outline = self.outline.states.iter().find(|state| state.name == hold.hold).unwrap();
        let vote = |vote: Vote, duties: Vec<NewDuty>| {
            let reason = (vote != Vote::Approve).then(no);
            Action::Vote {
                hold: name(),
                vote,
                reason,
                duties,
                in_place_of: None,
                plans: Default::default(),
            }
        };
        let mut actions = vec![
            Action::Waive { hold: name(), reason: no() },
            Action::Override { hold: name(), reason: no() },
        ];
        if !outline.rules.is_empty() {
            actions.push(vote(Vote::Approve, Vec::new()));
            actions.push(vote(Vote::Reject, Vec::new()));
            actions.push(Action::Withdraw { hold: name(), in_place_of: None, reason: None });
            actions.push(Action::Recount { hold: name() });
        }
        if outline.parts.contains(&ApprovalPart::Veto) {
            actions.push(vote(Vote::Veto, Vec::new()));
        }
        if outline.parts.contains(&ApprovalPart::Duties) {
            let duty = NewDuty { text: "tell them".to_owned(), before: None };
            actions.push(vote(Vote::Approve, vec![duty]));
        }
        for condition in &hold.conditions {
            match condition.kind {
                "veto" => actions.push(Action::Overrule {
                    hold: name(),
                    member: condition.name.parse().unwrap(),
                    reason: no(),
                }),
                "witness" => actions.push(Action::Object { hold: name(), reason: no() }),
                "evidence" if !condition.met => actions.push(Action::Attach {
                    name: condition.name.clone(),
                    evidence: NewEvidence {
                        digest: Digest::of(b"proof"),
                        size: Some(5),
                        file: Some("proof".to_owned()),
                        media_type: None,
                        reference: None,
                    },
                    note: None,
                }),
                "task" if !condition.met => actions.push(Action::Done {
                    hold: name(),
                    task: Some(condition.name.clone()),
                    note: Some("done".to_owned()),
                }),
                _ => {}
            }
        }
        actions
    }

    fn explore(&self, at: Timestamp) -> Explored {
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut reached: Vec<Reached> = Vec::new();
        // The ways out of a state that nobody takes by giving up.
        let mut before: Vec<Vec<usize>> = Vec::new();
        let mut ends = Vec::new();
        let mut explored = Explored {
            states: 0,
            steps: 0,
            resolutions: BTreeSet::new(),
            entered: BTreeSet::new(),
        };
        let add = |to: Reached, index: &mut BTreeMap<String, usize>, reached: &mut Vec<Reached>| {
            let next = reached.len();
            let place = *index.entry(self.key(&to)).or_insert(next);
            if place == next {
                assert!(next < STATES_MAX, "{} has a large space", self.definition.name());
                reached.push(to);
            }
            place
        };
        for input in &self.inputs {
            let begun = self.begin(input, at);
            add(begun.unwrap_or_else(|| panic!("{input}")), &mut index, &mut reached);
        }
        let mut here = 0;
        while let Some(at) = reached.get(here).cloned() {
            before.resize(reached.len().max(before.len()), Vec::new());
            let status = Workflow::status(&self.definition, &at.state);
            if status.is_ended() {
                assert!(at.open.is_empty(), "the run has ended, and {:?} is open", at.open);
                ends.push(here);
                here += 1;
                continue;
            }
            let steps = self.steps(&at);
            explored.steps += steps.len();
            for (to, events) in steps {
                // That the inventory changes helps nobody, either.
                let gives_up = to.project != at.project
                    || events.iter().any(|event| {
                        matches!(
                            event,
                            DefinitionEvent::Cancelled { .. } | DefinitionEvent::Expired { .. }
                        )
                    });
                for event in &events {
                    if let Some((state, outcome)) = event.outcome() {
                        explored.resolutions.insert((state.to_owned(), outcome.to_owned()));
                    }
                    if let DefinitionEvent::StateEntered { state, .. } = event {
                        explored.entered.insert(state.clone());
                    }
                }
                let place = add(to, &mut index, &mut reached);
                before.resize(reached.len().max(before.len()), Vec::new());
                if !gives_up {
                    before[place].push(here);
                }
            }
            here += 1;
        }
        explored.states = reached.len();
        self.has_ways_out(&reached, &before, ends);
        explored
    }

    /// From every state a run can come to an end without being given up; one that is blocked, or that
    /// was given up, ends in its own way.
    fn has_ways_out(&self, reached: &[Reached], before: &[Vec<usize>], mut ends: Vec<usize>) {
        let mut way_out = BTreeSet::new();
        while let Some(at) = ends.pop() {
            if way_out.insert(at) {
                ends.extend(&before[at]);
            }
        }
        let stuck: Vec<&Reached> =
            (0..reached.len()).filter(|at| !way_out.contains(at)).map(|at| &reached[at]).collect();
        if let Some(first) = stuck.first() {
            let moment = Moment { now: first.now, project: self.project(first) };
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
fn resolves(open: &mut BTreeSet<String>, event: &DefinitionEvent) {
    match event {
        DefinitionEvent::HoldOpened { hold, .. } => {
            assert!(open.insert(hold.clone()), "`{hold}` is opened while it is open");
        }
        DefinitionEvent::HoldReleased { hold }
        | DefinitionEvent::HoldWaived { hold, .. }
        | DefinitionEvent::HoldRejected { hold, .. }
        | DefinitionEvent::HoldExpired { hold, .. }
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
        _ => {}
    }
}

/// Takes away what does not count: times, and how often something was there.
fn plain(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.parse::<Timestamp>().is_ok() {
                *text = "a time".to_owned();
            } else {
                *text = without_visit(text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(members) => {
            // How often something was tried, or asked about anew, and the words for what went wrong,
            // decide nothing.
            for forgotten in [
                "visit",
                "reminded",
                "again",
                "undone_again",
                "bakes",
                "pauses",
                "details",
                "unrestored",
                "replannings",
                "replanned",
            ] {
                members.remove(forgotten);
            }
            members.values_mut().for_each(plain);
        }
        _ => {}
    }
}

/// Takes members of these names away, wherever they are.
fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, names)),
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|member| without(member, names));
        }
        _ => {}
    }
}

/// `roll-out#3/web-1/check-2` as `roll-out/web-1/check`.
fn without_visit(text: &str) -> String {
    let Some((state, rest)) = text.split_once('#') else { return text.to_owned() };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    format!("{state}{rest}")
}

/// Inputs that take all ways: one for each choice that the schema gives, with few targets.
fn inputs(definition: &Definition, input: &Value) -> Vec<Value> {
    let all_targets = input["targets"].as_array().cloned().unwrap_or_default();
    let mut inputs = vec![input.clone()];
    let properties = definition.input_schema().get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let choices =
            match (property.get("enum").and_then(Value::as_array), property["type"].as_str()) {
                (Some(values), _) => values.clone(),
                (None, Some("boolean")) => vec![json!(false), json!(true)],
                _ => continue,
            };
        inputs = inputs
            .into_iter()
            .flat_map(|input| {
                choices.iter().map(move |choice| {
                    let mut input = input.clone();
                    input[name] = choice.clone();
                    input
                })
            })
            .collect();
    }
    for input in &mut inputs {
        for member in input.as_object_mut().unwrap().values_mut() {
            if let Some(items) = member.as_array_mut() {
                items.truncate(2);
            }
        }
    }
    // A list that names some of the targets names some of those that are left.
    for input in &mut inputs {
        let left = input["targets"].as_array().cloned().unwrap_or_default();
        for (name, member) in input.as_object_mut().unwrap() {
            if let Some(items) = member.as_array_mut()
                && name != "targets"
                && all_targets.iter().any(|one| items.contains(one))
                && !items.iter().all(|item| left.contains(item))
            {
                *items = left.iter().take(1).cloned().collect();
            }
        }
    }
    inputs
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
        let mut space = Space::new(definition, &suite.beginning().unwrap(), changes);
        let signals = suite.signals().filter(|(_, data)| data.is_object());
        space.signals = signals.map(|(name, data)| (name.to_owned(), data.clone())).collect();
        found.push(space);
    }
    found
}

#[test]
fn every_shipped_definition_is_explored_to_its_end() {
    let spaces = shipped();
    assert!(spaces.len() >= 2);
    for space in spaces {
        let begun = std::time::Instant::now();
        let explored = space.explore("2026-01-05T09:00:00Z".parse().unwrap());
        println!(
            "{}: {} states, {} steps in {:?}",
            space.definition.name(),
            explored.states,
            explored.steps,
            begun.elapsed()
        );
        // The abstraction has not lost any of the definition on the way.
        for state in &space.outline.states {
            let reached =
                explored.entered.contains(&state.name) || state.name == space.outline.start;
            assert!(reached, "{}: `{}` is never reached", space.definition.name(), state.name);
        }
        let held = space.outline.states.iter().filter(|state| !state.rules.is_empty());
        for hold in held {
            for outcome in ["released", "rejected"] {
                let resolved = (hold.name.clone(), outcome.to_owned());
                assert!(explored.resolutions.contains(&resolved), "{resolved:?}");
            }
        }
    }
}

#[test]
fn parallel_branches_are_explored_to_their_end() {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parallel.md"));
    let source = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    for (from, to) in
        [("", ""), ("others: cancel", "others: wait"), ("others:", "join: any\n      others:")]
    {
        let source = source.replacen(from, to, 1);
        let definition = Definition::parse("parallel.yaml", &source).unwrap().definition;
        let members =
            holdpoint_scenario::members("{ ada: [], grace: role:network, linus: role:network }");
        let space = Space::new(
            definition,
            &Beginning {
                items: Vec::new(),
                calendars: Default::default(),
                by: "ada".parse().unwrap(),
                members: members.unwrap(),
                input: json!({ "title": "t", "targets": ["a", "b"] }),
                at: "2026-01-05T09:00:00Z".parse().unwrap(),
            },
            None,
        );
        let explored = space.explore("2026-01-05T09:00:00Z".parse().unwrap());
        assert!(explored.states > 50, "{}", explored.states);
        for outcome in ["completed", "failed", "expired", "cancelled"] {
            let joined = ("prepare".to_owned(), outcome.to_owned());
            assert!(explored.resolutions.contains(&joined), "{outcome}");
        }
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
    let definition = Definition::parse("dead.yaml", source).unwrap().definition;
    let space = Space::new(
        definition,
        &Beginning {
            items: Vec::new(),
            calendars: Default::default(),
            by: "ada".parse().unwrap(),
            members: holdpoint_scenario::members("{ ada: [] }").unwrap(),
            input: json!({}),
            at: "2026-01-05T09:00:00Z".parse().unwrap(),
        },
        None,
    );
    // No signal that is sent here is accepted.
    let explored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        space.explore("2026-01-05T09:00:00Z".parse().unwrap())
    }));
    assert!(explored.is_err());
}
