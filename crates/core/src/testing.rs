//! Given, when, then: tests of a workflow without an engine, on a clock of their own.
//!
//! [`Bench`] drives a run through the same functions as the engine and keeps its history. It
//! checks after every command that replaying the history gives the same run, and that a snapshot
//! reads back.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    command::{Action, Actor, Authentication, Command, Outcome, Vote},
    event::{Event, PendingEvent, Sequence, StreamId, TypedEvent, Version},
    id::{CommandId, Digest, EffectId, EventId, RunId},
    item::{ItemsChange, NamedItem},
    lockdown::Seen,
    project::{Project, ProjectAction, ProjectCommand, ProjectEvent},
    refusal::Refusal,
    run::{Decided, DefinitionRef, Due, DueStep, Run},
    view::{RunStatus, RunView},
    workflow::{DecideFailure, DynWorkflow, Moment},
};

pub use crate::event::event_types;

/// The moment at which every [`Bench`] begins.
pub const BEGIN: &str = "2026-01-05T09:00:00Z";

/// A workflow, a project and a clock, to run one run on.
#[derive(Debug, Clone)]
pub struct Bench {
    workflow: Arc<dyn DynWorkflow>,
    /// The workflows that the run was migrated from, each with how many events it has taken.
    earlier: Vec<(usize, Arc<dyn DynWorkflow>)>,
    project: Project,
    now: Timestamp,
    ids: u128,
    history: Vec<Event>,
    run: Option<Run>,
}

/// A UUIDv7 with a counter where randomness belongs, so that tests can tell ids in advance.
#[must_use]
pub fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 + n)
}

fn test_actor(name: &str) -> Actor {
    match name {
        "engine" => Actor::Engine,
        member => Actor::Member(member.parse().expect("a member's name")),
    }
}

/// Numbers and stores an event as a log would.
fn recorded(pending: &PendingEvent, sequence: Sequence, version: Version) -> Event {
    let previous = if version.0 == 1 { 0 } else { sequence.0 - 1 };
    let bytes = pending
        .to_bytes(sequence, version, Sequence(previous))
        .expect("events of this crate can be written");
    Event::from_bytes(&bytes).expect("what was written can be read")
}

/// A project named `lab` with these members: name, roles, qualifications (valid for ever). The
/// first member is its owner.
#[must_use]
#[track_caller]
pub fn project(members: &[(&str, &[&str], &[&str])]) -> Project {
    let id = "lab".parse().expect("a project name");
    let mut made: Option<Project> = None;
    let mut at = Sequence::ZERO;
    let mut run = |made: &mut Option<Project>, actor: &str, action: ProjectAction| {
        let command = ProjectCommand {
            id: CommandId::from_uuid(uuid(u128::from(at.0) + 1_000_000)),
            actor: test_actor(actor),
            auth: Authentication::new("test"),
            trace: None,
            action,
        };
        let decided = Project::decide(made.as_ref(), &id, &command).expect("the project's set-up");
        let mut request = Some(command.request());
        for event in decided {
            at = at.next();
            let new = event.to_new_event().expect("project events can be written");
            let pending = PendingEvent {
                id: EventId::from_uuid(uuid(u128::from(at.0) + 2_000_000)),
                source: id.clone(),
                subject: None,
                kind: new.kind,
                time: BEGIN.parse().expect("a time"),
                actor: command.actor.clone(),
                auth: command.auth.clone(),
                cause: command.id,
                request: request.take(),
                trace: None,
                definition: None,
                data: new.data,
            };
            let event = recorded(&pending, at, Version(at.0));
            match made {
                Some(project) => project.evolve(&event).expect("the project's set-up"),
                None => *made = Some(Project::begin(&event).expect("the project's set-up")),
            }
        }
    };
    let owner = members.first().expect("at least one member").0;
    run(&mut made, owner, ProjectAction::Create { title: "A laboratory".to_owned() });
    for (name, roles, domains) in members {
        let member: crate::id::MemberId = name.parse().expect("a member's name");
        let roles: Vec<_> = roles.iter().map(|role| role.parse().expect("a role")).collect();
        if *name == owner {
            for role in roles {
                run(&mut made, owner, ProjectAction::GrantRole { member: member.clone(), role });
            }
        } else {
            let member = member.clone();
            run(&mut made, owner, ProjectAction::AddMember { member, name: None, roles });
        }
        for domain in *domains {
            let qualification = crate::project::Qualification {
                domain: domain.parse().expect("a domain"),
                issuer: "test".to_owned(),
                from: None,
                until: None,
                evidence: None,
            };
            run(&mut made, owner, ProjectAction::Qualify { member: member.clone(), qualification });
        }
    }
    made.expect("the project was created")
}

/// The project, with these configuration items as well.
///
/// # Panics
/// When the items cannot be, which a test's set-up never is.
#[must_use]
pub fn with_items(mut project: Project, items: &[NamedItem]) -> Project {
    let pieces = project.items().decide(items, &[]).expect("the project's set-up");
    for ItemsChange { set, removed } in pieces {
        let (version, at) = (project.at().version.next(), project.at().sequence.next());
        let event = ProjectEvent::ItemsChanged { set, removed };
        let new = event.to_new_event().expect("project events can be written");
        let pending = PendingEvent {
            id: EventId::from_uuid(uuid(u128::from(at.0) + 2_000_000)),
            source: project.id().clone(),
            subject: None,
            kind: new.kind,
            time: BEGIN.parse().expect("a time"),
            actor: Actor::Engine,
            auth: Authentication::new("test"),
            cause: CommandId::from_uuid(uuid(u128::from(at.0) + 1_000_000)),
            request: Some(Digest::of(b"items")),
            trace: None,
            definition: None,
            data: new.data,
        };
        let event = recorded(&pending, at, version);
        project.evolve(&event).expect("the project's set-up");
    }
    project
}

impl Bench {
    /// Begins with a workflow and a project, before any run.
    #[must_use]
    #[track_caller]
    pub fn new(workflow: Arc<dyn DynWorkflow>, project: Project) -> Self {
        let now = BEGIN.parse().expect("a time");
        let (earlier, history) = (Vec::new(), Vec::new());
        Self { workflow, earlier, project, now, ids: 0, history, run: None }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        uuid(self.ids)
    }

    /// A command as `actor` (a member's name, or `engine`) would send it, with the next id.
    #[track_caller]
    pub fn command(&mut self, actor: &str, action: Action) -> Command {
        Command {
            id: CommandId::from_uuid(self.id()),
            actor: test_actor(actor),
            auth: Authentication::new("test"),
            trace: None,
            action,
        }
    }

    /// Submits the run.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    #[track_caller]
    pub fn submit(&mut self, actor: &str, input: Value) -> Result<Vec<Event>, Refusal> {
        assert!(self.run.is_none(), "the run has been submitted before");
        let command = self.command(actor, Action::Start);
        let definition = DefinitionRef {
            name: "under-test".parse().expect("a name"),
            version: 1,
            digest: Digest::of(b"under test"),
        };
        let at = Moment { now: self.now, project: &self.project };
        let decided = Run::submit(&definition, &*self.workflow, &command, &input, &at);
        self.take(&command, decided)
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The refusal, if it was refused; nothing has changed then.
    #[track_caller]
    pub fn send(&mut self, command: &Command) -> Result<Vec<Event>, Refusal> {
        let run = self.run.as_ref().expect("submit the run first");
        if run.answer_to(command)?.is_some() {
            return Ok(Vec::new());
        }
        let at = Moment { now: self.now, project: &self.project };
        let decided = run.decide(&*self.workflow, command, &at);
        self.take(command, decided)
    }

    #[track_caller]
    fn take(
        &mut self,
        command: &Command,
        decided: Result<Decided, DecideFailure>,
    ) -> Result<Vec<Event>, Refusal> {
        let Decided { events, run: mut decided } = match decided {
            Ok(decided) => decided,
            Err(DecideFailure::Refused(refusal)) => return Err(refusal),
            Err(DecideFailure::Broken(illegal)) => panic!("the workflow is broken: {illegal}"),
        };
        let subject = self.run.as_ref().map_or_else(|| RunId::from(command.id), Run::id);
        let stream = StreamId { project: self.project.id().clone(), run: Some(subject) };
        let (first, before) = (self.history.len(), self.run.clone());
        let request = command.actor.member().map(|_| command.request());
        let now = self.now;
        for mut pending in
            command.events(&stream, request, now, events, || EventId::from_uuid(self.id()))
        {
            let at = self.history.len() as u64 + 1;
            pending.definition = (at == 1).then(|| Digest::of(b"under test"));
            let event = recorded(&pending, Sequence(at), Version(at));
            match &mut self.run {
                Some(run) => run.evolve(&*self.workflow, &event).expect("a legal event"),
                None => {
                    self.run = Some(Run::begin(&*self.workflow, &event).expect("a legal start"));
                }
            }
            self.history.push(event);
        }
        let at = self.run().at();
        if self.history.len() > first {
            let answers = request.map(|request| (command.id, request, at));
            decided.appended(at.sequence, answers);
            let evolved = format!("{:?}", self.run());
            assert_eq!(format!("{decided:?}"), evolved, "it is not the run that was decided");
        }
        let contradiction = self.run().contradiction(&*self.workflow, before.as_ref());
        assert_eq!(contradiction, None, "the workflow contradicts itself");
        self.check_replay();
        Ok(self.history[first..].to_vec())
    }

    /// Replay equals the live run, and a snapshot reads back.
    #[track_caller]
    fn check_replay(&self) {
        let live = format!("{:?}", self.run());
        let replayed = self.replay(self.history.len()).expect("the history replays");
        assert_eq!(format!("{replayed:?}"), live, "replay differs from the live run");
        let snapshot = self.run().snapshot(&*self.workflow).expect("a snapshot");
        let pinned = Run::definition_of_snapshot(&snapshot).expect("the snapshot says");
        assert_eq!(pinned, self.run().definition().digest, "it names another definition");
        let restored = Run::restore(&*self.workflow, &snapshot).expect("the snapshot reads back");
        assert_eq!(format!("{restored:?}"), live, "the snapshot differs from the live run");
    }

    /// Replays the first `count` events (at least one).
    ///
    /// # Errors
    /// When an event cannot follow the ones before it.
    #[track_caller]
    pub fn replay(&self, count: usize) -> Result<Run, crate::workflow::IllegalEvent> {
        let (first, rest) = self.history[..count].split_first().expect("at least one event");
        let mut run = Run::begin(self.workflow_at(0), first)?;
        for (n, event) in rest.iter().enumerate() {
            run.evolve(self.workflow_at(n + 1), event)?;
        }
        Ok(run)
    }

    /// The workflow that has taken the event at `index`.
    fn workflow_at(&self, index: usize) -> &dyn DynWorkflow {
        let earlier = self.earlier.iter().find(|(until, _)| index < *until);
        &**earlier.map_or(&self.workflow, |(_, workflow)| workflow)
    }

    /// Migrates the run to another version of its definition, whose states are called otherwise as
    /// `states` says, old name first.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    #[track_caller]
    pub fn migrate(
        &mut self,
        actor: &str,
        workflow: Arc<dyn DynWorkflow>,
        states: &[(&str, &str)],
    ) -> Result<Vec<Event>, Refusal> {
        let version = self.earlier.len() as u32 + 2;
        let to = DefinitionRef {
            name: "under-test".parse().expect("a name"),
            version,
            digest: Digest::of(format!("under test {version}").as_bytes()),
        };
        let states = states.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
        let reason = "the newer version is the better one".to_owned();
        let action = Action::Migrate { to: to.digest, states: states.collect(), reason };
        let command = self.command(actor, action);
        let at = Moment { now: self.now, project: &self.project };
        let decided = self.run().migrate(&*self.workflow, &to, &*workflow, &command, &at);
        if decided.is_ok() {
            let before = std::mem::replace(&mut self.workflow, workflow);
            self.earlier.push((self.history.len(), before));
        }
        self.take(&command, decided)
    }

    /// Sends an action as `actor`.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    #[track_caller]
    pub fn act(&mut self, actor: &str, action: Action) -> Result<Vec<Event>, Refusal> {
        let command = self.command(actor, action);
        self.send(&command)
    }

    /// Approves as `actor`.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    #[track_caller]
    pub fn approve(&mut self, actor: &str) -> Result<Vec<Event>, Refusal> {
        self.act(actor, Action::vote(Vote::Approve, None))
    }

    /// Rejects as `actor`.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    #[track_caller]
    pub fn reject(&mut self, actor: &str, reason: &str) -> Result<Vec<Event>, Refusal> {
        self.act(actor, Action::vote(Vote::Reject, Some(reason)))
    }

    /// The project.
    #[must_use]
    pub const fn project(&self) -> &Project {
        &self.project
    }

    /// Lets something happen in the project. What the run makes of it, it does when time
    /// [advances](Self::advance), even if by nothing.
    #[track_caller]
    pub fn happens(&mut self, fact: &ProjectEvent) {
        let at = self.project.at();
        let (id, version) = (EventId::from_uuid(self.id()), at.version.next());
        let new = fact.to_new_event().expect("a fact that can be written");
        let pending = PendingEvent {
            id,
            source: self.project.id().clone(),
            subject: None,
            kind: new.kind,
            time: self.now,
            actor: Actor::Engine,
            auth: Authentication::new("test"),
            cause: CommandId::from_uuid(id.as_uuid()),
            request: Some(Digest::of(b"a fact")),
            trace: None,
            definition: None,
            data: new.data,
        };
        let event = recorded(&pending, Sequence(version.0), version);
        self.project.evolve(&event).expect("a fact that can follow");
    }

    /// Moves the clock and fires the timers that come due, in order; first of all the run is told
    /// of calendars that have changed and lockdowns that were released.
    #[track_caller]
    pub fn advance(&mut self, by: SignedDuration) {
        let end = self.now + by;
        while let Some((at, effect)) = self
            .due()
            .into_iter()
            .filter_map(|due| match due.step {
                DueStep::Fire { at } if at <= end => Some((at, due.effect)),
                DueStep::Watch { seen } if self.has_changed(&due.effect, &seen) => {
                    Some((Timestamp::MIN, due.effect))
                }
                _ => None,
            })
            .min()
        {
            self.now = self.now.max(at);
            self.act("engine", Action::TimerFired { effect }).expect("a due timer fires");
        }
        self.now = end;
    }

    /// Whether what the run has seen of the project is no longer so.
    fn has_changed(&self, watch: &EffectId, seen: &Seen) -> bool {
        let at = Moment { now: self.now, project: &self.project };
        self.run().has_changed(&*self.workflow, watch, seen, &at)
    }

    /// Moves the clock while no timer is noticed: the engine is down.
    pub fn sleep(&mut self, by: SignedDuration) {
        self.now += by;
    }

    /// Begins an attempt at each activity that can be attempted now: workers are free for all.
    #[track_caller]
    pub fn begin_open(&mut self) {
        for due in self.due() {
            if let DueStep::Attempt { attempt, .. } = due.step {
                let effect = due.effect;
                let started = self
                    .act("engine", Action::AttemptStarted { effect, attempt, configured: None });
                started.expect("what can be attempted begins");
            }
        }
    }

    /// Does one attempt at an activity: begins it, unless it was begun, and ends it with `outcome`.
    ///
    /// # Errors
    /// The refusal, if it was refused.
    #[track_caller]
    pub fn attempt(&mut self, effect: &str, outcome: Outcome) -> Result<Vec<Event>, Refusal> {
        let effect = EffectId::new(effect);
        let due = self.due().into_iter().find(|due| due.effect == effect).map(|due| due.step);
        let attempt = match due {
            Some(DueStep::Attempt { attempt, .. } | DueStep::UnderWay { attempt }) => attempt,
            _ => 1,
        };
        let mut events = match due {
            Some(DueStep::UnderWay { .. }) => Vec::new(),
            _ => self.act(
                "engine",
                Action::AttemptStarted { effect: effect.clone(), attempt, configured: None },
            )?,
        };
        events.extend(self.act("engine", Action::AttemptEnded { effect, attempt, outcome })?);
        Ok(events)
    }

    /// What the run is owed now.
    #[must_use]
    #[track_caller]
    pub fn due(&self) -> Vec<Due> {
        self.run().due(&*self.workflow)
    }

    /// The activities that can be attempted now: effect, activity name and input.
    #[must_use]
    #[track_caller]
    pub fn open_activities(&self) -> Vec<(String, String, Value)> {
        self.due()
            .into_iter()
            .filter_map(|due| match due.step {
                DueStep::Attempt { activity, .. } => {
                    Some((due.effect.to_string(), activity.name, activity.input))
                }
                _ => None,
            })
            .collect()
    }

    /// The run.
    #[must_use]
    #[track_caller]
    pub fn run(&self) -> &Run {
        self.run.as_ref().expect("submit the run first")
    }

    /// Where the run stands.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> RunStatus {
        self.run().status(&*self.workflow)
    }

    /// When the run is at work, as far as that can be told now.
    #[must_use]
    pub fn times(&self) -> crate::conflict::Times {
        let at = Moment { now: self.now, project: &self.project };
        self.run().prospect(&*self.workflow, &at).times
    }

    /// What the run would do at which targets now.
    #[must_use]
    #[track_caller]
    pub fn plans(&self) -> Vec<crate::plan::Planned> {
        let at = Moment { now: self.now, project: &self.project };
        self.run().plans(&*self.workflow, &at)
    }

    /// What a person can do next, in words.
    #[must_use]
    #[track_caller]
    pub fn next_steps(&self) -> Vec<String> {
        self.view().next_steps.into_iter().map(|step| step.text).collect()
    }

    /// What the run looks like now.
    #[must_use]
    #[track_caller]
    pub fn view(&self) -> RunView {
        let at = Moment { now: self.now, project: &self.project };
        let view = self.run().view(&*self.workflow, &at);
        let summary = self.run().summary(&*self.workflow, &at);
        assert_eq!(summary, view.clone().into(), "the summary is of another run");
        view
    }

    /// The run's history so far.
    #[must_use]
    pub fn history(&self) -> &[Event] {
        &self.history
    }

    /// What a lockdown asks of the run now.
    #[must_use]
    pub fn prospect(&self) -> crate::lockdown::Prospect {
        let at = Moment { now: self.now, project: &self.project };
        self.run().prospect(&*self.workflow, &at)
    }

    /// What the run holds, waits for and asks for.
    #[must_use]
    pub fn claims(&self) -> crate::lock::Claims {
        self.run().claims(&*self.workflow)
    }

    /// The types of the run's events so far.
    #[must_use]
    pub fn types(&self) -> Vec<String> {
        types(&self.history)
    }

    /// The project, to change it in the middle of a run.
    pub const fn project_mut(&mut self) -> &mut Project {
        &mut self.project
    }

    /// The bench's clock.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

/// The types of `events`, without `holdpoint.` before them.
#[must_use]
pub fn types(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| event.kind.as_str().trim_start_matches("holdpoint.").to_owned())
        .collect()
}
