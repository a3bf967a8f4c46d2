//! A run that ships, with its people and its machines, which goes on by as little as possible.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, iter,
    path::Path,
    sync::Arc,
};

use holdpoint_core::{
    Action, Actor, DefinitionRef, Digest, EffectId, Moment, Outcome, ReadCalendar, Ruling, Run,
    RunId, RunStatus, RunView, Settlement, Steering, Vote, evidence::NewEvidence,
    item::ItemsChange, project::Qualification, run::DueStep, workflow::DecideFailure,
    workflow::DynWorkflow,
};
use holdpoint_definition::{Definition, calendar::Calendar};
use holdpoint_scenario::{Members, Play, Published, Sheet};
use jiff::Timestamp;
use serde_json::{Value, json};

/// More than any of these runs takes.
pub(crate) const TURNS_MAX: usize = 400;
/// The machines; what they serve; and the last place of a rollout with a switch.
const MACHINES: [&str; 3] = ["a", "b", "c"];
pub(crate) const SERVICE: &str = "hall";
pub(crate) const SWITCH: &str = "switch";
/// The steps that lead a rollout forward.
const FORWARD: [&str; 5] = ["pre_check", "drain", "deploy", "verify", "check"];
const PEOPLE: [&str; 9] = ["ada", "bob", "eve", "sue", "olli", "carl", "max", "tom", "sam"];

/// How a step goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// So that another attempt makes sense.
    Again,
    /// For good.
    ForGood,
    /// Half-way, and nobody learns how far it came.
    Lost,
    /// A check tells nothing.
    Silent,
}
use How::{Again, Lost, Silent};

pub(crate) type Fault = (&'static str, &'static str, How);

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    Pause,
    /// Nothing, until nothing is under way any more.
    Wait,
    /// Nothing, for two steps.
    GoOn,
    Resume,
    Abort,
    RollBack,
    Cancel,
    Waive,
}
use Deed::{Abort, Cancel, GoOn, Pause, Resume, RollBack, Wait, Waive};

impl Deed {
    fn action(self) -> Option<Action> {
        let reason = || "so".to_owned();
        let steering = match self {
            Wait | GoOn => return None,
            Cancel => return Some(Action::Cancel { reason: reason() }),
            Waive => return Some(Action::Waive { hold: None, reason: reason() }),
            Pause => Steering::Pause,
            Resume => Steering::Resume,
            Abort => Steering::Abort,
            RollBack => Steering::Rollback,
        };
        Some(steer(steering))
    }
}

fn steer(steering: Steering) -> Action {
    let (reason, over) = (Some("so".to_owned()), BTreeSet::new());
    Action::Steer { steering, target: None, reason, state: None, over }
}

/// A machine, or a service: its version, and whether it is in service.
#[derive(Clone, Debug)]
struct Machine {
    version: &'static str,
    serves: bool,
}

/// What is under way.
#[derive(Clone, Debug)]
struct UnderWay {
    effect: EffectId,
    attempt: u32,
    /// Whether it is the question how the attempt ended.
    asks: bool,
    /// The run that was started, where it is no attempt; and whether it is to stop.
    child: Option<(RunId, bool)>,
}

/// Where an effect works, and at what: `implement#1/a/check-2`, or `transfer#1`.
fn place(effect: &EffectId) -> (&str, &str) {
    let effect = effect.as_str();
    let of_target = effect.rsplit_once('/').filter(|(_, step)| !step.contains('#'));
    let Some((rest, step)) = of_target else {
        let state = effect.rsplit('/').next().unwrap_or_default();
        return (SERVICE, state.split('#').next().unwrap_or_default());
    };
    let target = rest.split_once('/').map_or(rest, |(_, target)| target);
    (target, step.split('-').next().unwrap_or_default())
}

/// A run under way, with the machines.
#[derive(Clone)]
pub(crate) struct Stage {
    name: &'static str,
    workflow: Arc<dyn DynWorkflow>,
    pub(crate) what: String,
    play: Play,
    machines: BTreeMap<&'static str, Machine>,
    under_way: Vec<UnderWay>,
    faults: Vec<Fault>,
    /// The targets that were begun when a pause began.
    begun: Option<BTreeSet<String>>,
    pub(crate) turned: bool,
    pub(crate) cancelled: bool,
    /// Whether nobody knows how the service is: its work was given up, or has failed.
    is_service_torn: bool,
}

impl Stage {
    pub(crate) fn new(name: &'static str, faults: &[Fault]) -> Self {
        let file = format!("{name}.yaml");
        let source = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows").join(&file),
        )
        .unwrap();
        let definition = Definition::parse(&file, &source).unwrap().definition;
        let reference = DefinitionRef {
            name: definition.name().clone(),
            version: definition.version(),
            digest: Digest::of(source.as_bytes()),
        };
        let workflow: Arc<dyn DynWorkflow> = Arc::new(definition);
        let now: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
        let mut play = Play::new(Arc::clone(&workflow), reference, &members(), now).unwrap();
        let open = "windows: [{ starts: 2026-01-01T00:00, lasts: 24h, repeat: FREQ=DAILY }]";
        for (calendar, times) in [
            ("maintenance", open),
            ("cutover", open),
            ("freeze", "freezes: [{ from: 2020-01-01, to: 2020-01-02 }]"),
        ] {
            let source = format!("calendar: {calendar}\nzone: UTC\n{times}\n");
            let read = Calendar::parse(calendar, &source).unwrap();
            let read =
                ReadCalendar { calendar: read.name().clone(), digest: read.digest(), title: None };
            let name = read.calendar.clone();
            let published = Some(Arc::new(Published { read, source }));
            play.set_calendars(&[(name, published)].into()).unwrap();
        }
        let labels = json!({ "service": SERVICE, "colour": "green" });
        let set = MACHINES.map(|name| json!({ "name": name, "labels": labels }));
        let set = serde_json::from_value(json!(set)).unwrap();
        play.change_items(&[ItemsChange { set, removed: Vec::new() }]).unwrap();
        play.submit(&"pam".parse().unwrap(), &input(name)).unwrap();
        let machine = Machine { version: "1", serves: true };
        let places = MACHINES.into_iter().chain([SERVICE, SWITCH]);
        Self {
            name,
            workflow,
            what: format!("{name} {faults:?}"),
            play,
            machines: places.map(|place| (place, machine.clone())).collect(),
            under_way: Vec::new(),
            faults: faults.to_vec(),
            begun: None,
            turned: false,
            cancelled: false,
            is_service_torn: false,
        }
    }

    fn view(&self) -> RunView {
        self.play.view().unwrap()
    }

    /// Has anybody do something who may; says whether it was accepted.
    fn act(&mut self, action: &Action) -> bool {
        iter::once("pam").chain(PEOPLE).any(|who| self.act_as(who, action))
    }

    fn act_as(&mut self, who: &str, action: &Action) -> bool {
        match self.play.act(Actor::Member(who.parse().unwrap()), action.clone()) {
            Ok(()) => true,
            Err(DecideFailure::Refused(_)) => false,
            Err(broken) => panic!("{}: {who} {action:?}: {broken}", self.what),
        }
    }

    fn engine(&mut self, action: Action) {
        let done = self.play.act(Actor::Engine, action.clone());
        done.unwrap_or_else(|why| panic!("{}: {action:?}: {why}", self.what));
    }

    /// Goes on by as little as possible; says whether it could without whoever has paused it.
    pub(crate) fn step(&mut self) -> bool {
        self.forget();
        let before = self.play.history().len();
        let _ = self.play.look_for_conflicts();
        if let Some(effect) = self.play.locks_wanted() {
            let _ = self.play.act(Actor::Engine, Action::LocksGranted { effect });
        }
        if self.play.history().len() > before || self.begin() || self.end() {
            return true;
        }
        let now = self.play.now();
        let mut times = Vec::new();
        for due in self.play.due() {
            match due.step {
                DueStep::Fire { at } if at <= now => {
                    self.engine(Action::TimerFired { effect: due.effect });
                    return true;
                }
                DueStep::Watch { seen } if self.play.has_changed(&due.effect, &seen) => {
                    self.engine(Action::TimerFired { effect: due.effect });
                    return true;
                }
                DueStep::Fire { at } => times.push(at),
                DueStep::Attempt { not_before, .. } => times.extend(not_before),
                _ => {}
            }
        }
        let view = self.view();
        let is_paused = view.rollout.as_ref().is_some_and(|one| one.paused.is_some());
        if view.status.is_ended() || is_paused {
            return false;
        }
        if view.status == RunStatus::Stuck {
            assert!(!view.next_steps.is_empty(), "{}: nobody can help: {view:?}", self.what);
        }
        if self.people(&view) {
            return true;
        }
        let next = times.into_iter().min();
        self.play.move_to(next.unwrap_or_else(|| panic!("{}: nothing comes: {view:?}", self.what)));
        true
    }

    /// Begins the first thing that is asked for.
    fn begin(&mut self) -> bool {
        for due in self.play.due() {
            let effect = due.effect;
            let of =
                |attempt, asks, child| UnderWay { effect: effect.clone(), attempt, asks, child };
            let is_known = self.under_way.iter().any(|one| one.effect == effect);
            let one = match due.step {
                DueStep::Attempt { attempt, not_before, .. }
                    if not_before.is_none_or(|at| at <= self.play.now()) =>
                {
                    let (place, step) = place(&effect);
                    if let Some(begun) = &self.begun {
                        assert!(begun.contains(place), "{}: {effect} in a pause", self.what);
                    }
                    let is_forward = FORWARD.contains(&step) || place == SERVICE;
                    let is_back = self.turned || self.cancelled;
                    assert!(!(is_back && is_forward), "{}: {effect} begins", self.what);
                    let events = self.play.history().len();
                    let configured = None;
                    self.engine(Action::AttemptStarted {
                        effect: effect.clone(),
                        attempt,
                        configured,
                    });
                    let started = |kind: &str| kind == "holdpoint.activity.started";
                    if !self
                        .play
                        .history()
                        .iter()
                        .skip(events)
                        .any(|one| started(one.kind.as_str()))
                    {
                        return true;
                    }
                    let races = |one: &UnderWay| self::place(&one.effect).0 == place;
                    assert!(!self.under_way.iter().any(races), "{}: {effect} races", self.what);
                    self.machine(place, step, None);
                    of(attempt, false, None)
                }
                DueStep::Settle { attempt, .. } if !is_known => of(attempt, true, None),
                DueStep::Start { run, .. } => {
                    self.engine(Action::ChildStarted { effect: effect.clone(), run });
                    of(0, false, Some((run, false)))
                }
                DueStep::Await { stop, .. } => {
                    let known = self.under_way.iter_mut().filter(|one| one.effect == effect);
                    known.filter_map(|one| one.child.as_mut()).for_each(|one| one.1 = stop);
                    continue;
                }
                _ => continue,
            };
            self.under_way.push(one);
            return true;
        }
        false
    }

    /// Ends what is under way longest.
    fn end(&mut self) -> bool {
        if self.under_way.is_empty() {
            return false;
        }
        let UnderWay { effect, attempt, asks, child } = self.under_way.remove(0);
        let (place, step) = place(&effect);
        let action = match child {
            Some((run, stop)) => {
                let outcome = if stop { "cancelled" } else { "passed" }.to_owned();
                Action::ChildEnded { effect: effect.clone(), run, outcome }
            }
            None if asks => {
                let is_done = self.machines.get(place).is_some_and(|one| one.version == "2");
                let says = json!({ "settled": if is_done { "done" } else { "not_done" } });
                let settlement = Settlement::read(&says);
                Action::AttemptSettled { effect: effect.clone(), attempt, settlement }
            }
            None => {
                let fault = self.faults.iter().position(|one| (one.0, one.1) == (place, step));
                let fault = fault.map(|at| self.faults.remove(at).2);
                // Of what was lost nothing but its end was.
                self.machine(place, step, Some(matches!(fault, None | Some(Lost))));
                let error = "broken".to_owned();
                let outcome = match fault {
                    None => Outcome::Completed(json!({ "verdict": "passed" })),
                    Some(Silent) => Outcome::Completed(json!({ "verdict": "inconclusive" })),
                    Some(Lost) => Outcome::Unknown { reason: error },
                    Some(how) => Outcome::Failed { error, retryable: how == Again },
                };
                Action::AttemptEnded { effect: effect.clone(), attempt, outcome }
            }
        };
        self.engine(action);
        true
    }

    /// Has a machine be worked at: half-way, or to the end, well or not.
    fn machine(&mut self, place: &str, step: &str, ended: Option<bool>) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let version = match step {
            "drain" | "undo_drain" => return machine.serves = false,
            "undrain" | "undo_undrain" => return machine.serves |= ended == Some(true),
            "deploy" | "switch" | "publish" => "2",
            "restore" | "revert" => "1",
            "transfer" => "both",
            _ => return,
        };
        machine.version = if ended == Some(true) { version } else { "torn" };
        self.is_service_torn = self.machines.get(SERVICE).is_some_and(|one| one.version == "torn");
    }

    /// Forgets what the run has given up.
    fn forget(&mut self) {
        let due = self.play.due();
        let is_wanted = |one: &UnderWay| {
            due.iter().any(|due| {
                due.effect == one.effect
                    && match due.step {
                        DueStep::UnderWay { attempt } => attempt == one.attempt,
                        DueStep::Settle { .. } => one.asks,
                        DueStep::Await { .. } => one.child.is_some(),
                        _ => false,
                    }
            })
        };
        let (left, lost): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(is_wanted);
        self.under_way = left;
        for one in lost {
            let (place, step) = place(&one.effect);
            let may = one.asks || one.child.is_some() || place == SERVICE || step == "check";
            assert!(may, "{}: {} is given up half-way", self.what, one.effect);
        }
    }

    /// Has people do one thing that is waited for.
    fn people(&mut self, view: &RunView) -> bool {
        if let Some(one) = view.unknown.iter().find(|one| one.asks.is_none()) {
            let (effect, reason) = (Some(one.effect.clone()), "I looked".to_owned());
            return self.act(&Action::Settle { effect, ruling: Ruling::Again, reason });
        }
        if view.status == RunStatus::Stuck {
            return self.act(&steer(Steering::Retry));
        }
        if view.rollout.as_ref().is_some_and(|one| one.phase == "held") {
            return self.act(&steer(Steering::Promote));
        }
        let mut votes = Vec::new();
        for condition in view.holds.iter().flat_map(|hold| &hold.conditions).filter(|one| !one.met)
        {
            let name = condition.name.clone();
            let note = Some("so".to_owned());
            let action = match condition.kind {
                "approval" => {
                    votes.push(Action::vote(Vote::Approve, Some("so")));
                    continue;
                }
                "task" => Action::Done { hold: None, task: Some(name), note },
                "signal" => {
                    let data = json!({ "digest": Digest::of(b"t"), "failed": 0, "percent": 100 });
                    Action::Signal { name, data }
                }
                "evidence" => {
                    let digest = Digest::of(name.as_bytes());
                    let reference = Some("https://files.example.com/1".to_owned());
                    let media_type = Some("application/pdf".to_owned());
                    let evidence =
                        NewEvidence { digest, size: None, file: None, media_type, reference };
                    Action::Attach { name, evidence, note: None }
                }
                _ => continue,
            };
            if self.act(&action) {
                return true;
            }
        }
        // Votes come last: what is attached after them has them given anew.
        let duties = view.duties.iter().map(|one| one.duty);
        let duties: Vec<_> =
            duties.map(|duty| Action::Discharge { duty, note: "so".to_owned() }).collect();
        votes.iter().chain(&duties).any(|action| self.act(action))
    }

    /// Goes on until nothing is left to do.
    fn rest(&mut self) {
        for _ in 0..TURNS_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("{}: it comes to no end: {:?}", self.what, self.view());
    }

    /// Has people step in; says whether they could.
    pub(crate) fn intervene(&mut self, deeds: &[Deed]) -> bool {
        self.what = format!("{} {deeds:?} after event {}", self.what, self.play.history().len());
        for (number, deed) in deeds.iter().enumerate() {
            let Some(action) = deed.action() else {
                if *deed == GoOn {
                    let _ = self.step() && self.step();
                    continue;
                }
                self.rest();
                let view = self.view();
                let begun = self
                    .play
                    .due()
                    .into_iter()
                    .any(|due| matches!(due.step, DueStep::UnderWay { .. }));
                assert!(!begun && !view.next_steps.is_empty(), "{}: {view:?}", self.what);
                continue;
            };
            let was_in_rollout = self
                .view()
                .rollout
                .is_some_and(|one| !matches!(one.phase, "done" | "undone" | "failed"));
            if !self.act(&action) {
                // What goes back already is not aborted, and goes on.
                let turns = matches!(deed, Abort | RollBack);
                let can_resume = turns && number > 0 && self.act(&steer(Steering::Resume));
                self.begun = self.begun.take().filter(|_| !can_resume);
                // What was turned round may have nothing to undo.
                let is_over = *deed == Pause || self.play.is_over();
                let what = &self.what;
                assert!(number == 0 || can_resume || is_over, "{what}: no {deed:?}");
                return number > 0;
            }
            match deed {
                Pause => {
                    let due = self.play.due().into_iter();
                    self.begun = Some(due.map(|one| place(&one.effect).0.to_owned()).collect());
                }
                Resume => self.begun = None,
                Abort | RollBack => {
                    self.begun = None;
                    self.turned = true;
                }
                Cancel => {
                    self.begun = None;
                    self.cancelled = true;
                    self.turned |= was_in_rollout;
                }
                Wait | GoOn | Waive => {}
            }
        }
        true
    }

    /// How it has ended, with the machines as it says.
    pub(crate) fn ended(&mut self) -> String {
        self.rest();
        let view = self.view();
        let RunStatus::Ended { outcome } = &view.status else { panic!("{}: {view:?}", self.what) };
        self.forget();
        assert!(self.under_way.is_empty(), "{}: {:?} goes on", self.what, self.under_way);
        for target in view.rollout.iter().flat_map(|rollout| &rollout.targets) {
            let Machine { version, serves } = self.machines[target.target.as_str()];
            let is_told = match target.state {
                "healthy" => version == "2" && serves,
                "unchecked" => self.name == "blue-green-rollout" && version == "2",
                "waiting" | "restored" => version == "1" && serves,
                "failed" if self.name == "canary-rollout" => version == "1" && serves,
                "failed" => version != "1",
                _ => false,
            };
            assert!(is_told, "{}: {target:?}, but it has {version}, serves {serves}", self.what);
        }
        let version = self.machines[SERVICE].version;
        let is_told = match (self.name, outcome.as_str()) {
            ("cutover" | "cutover-rehearsal" | "definition-release", "cancelled") => true,
            ("cutover", "completed") | ("definition-release", "released") => version == "2",
            ("cutover", "reverted") | ("cutover-rehearsal", "passed") => version == "1",
            ("cutover", "recovered-by-hand") => true,
            _ => version == "1",
        };
        assert!(is_told, "{}: {outcome}, but it has {version}", self.what);
        self.replays(&view);
        outcome.clone()
    }

    /// Whether the history tells the same.
    fn replays(&self, view: &RunView) {
        let mut events = self.play.history().iter();
        let mut run = Run::begin(&*self.workflow, events.next().unwrap()).unwrap();
        events.for_each(|event| run.evolve(&*self.workflow, event).unwrap());
        let at = Moment { now: self.play.now(), project: self.play.project() };
        assert_eq!(run.view(&*self.workflow, &at), *view, "{}", self.what);
    }
}

fn members() -> Members {
    let of = |(name, roles): (&str, &[&str])| {
        let roles = roles.iter().map(|role| role.parse().unwrap()).collect();
        let storage = ["bob", "eve", "tom"].contains(&name).then(|| Qualification {
            domain: "storage".parse().unwrap(),
            issuer: "the school".to_owned(),
            from: None,
            until: None,
            evidence: None,
        });
        let qualifications = storage.into_iter().collect();
        (name.parse().unwrap(), Sheet { roles, qualifications, ..Sheet::default() })
    };
    let all: [(&str, &[&str]); 10] = [
        ("ada", &["owner"]),
        ("bob", &["engineer", "board", "workflow-author"]),
        ("eve", &["engineer", "board", "workflow-author"]),
        ("pam", &["project-manager"]),
        ("sue", &["service-owner"]),
        ("olli", &["operations", "ci"]),
        ("carl", &["change-authority", "emergency-authority"]),
        ("max", &["change-manager"]),
        ("tom", &["technical-authority"]),
        ("sam", &["sponsor", "incident-commander"]),
    ];
    all.into_iter().map(of).collect()
}

fn input(name: &str) -> Value {
    let mut input = json!({ "title": "t" });
    let more = match name {
        "standard-change" => json!({ "procedure": "patch" }),
        "normal-change" => json!({ "domain": "storage", "items": ["core"] }),
        "emergency-change" => json!({ "incident": "INC-1" }),
        "blue-green-rollout" => json!({ "version": "2", "service": SERVICE, "to": "green" }),
        "cutover-rehearsal" => json!({ "service": SERVICE }),
        "cutover" => json!({ "domain": "storage", "service": SERVICE }),
        "definition-release" => json!({
            "definition": SERVICE, "version": 2, "changes": "c", "loosens": false, "digest": Digest::of(b"t"),
        }),
        _ => json!({}),
    };
    if name.ends_with("-change") || matches!(name, "rolling-rollout" | "canary-rollout") {
        input["targets"] = json!(MACHINES);
        input["version"] = json!("2");
    }
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}
