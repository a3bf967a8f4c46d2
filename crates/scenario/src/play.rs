//! One run without an engine: a workflow, a project, a clock that only moves when it is told to,
//! and the history that comes of it.
//!
//! It asks the same functions as the engine ([`Run::submit`], [`Run::decide`], [`Run::due`]), so
//! that what happens here is what happens there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{
    Action, Actor, Authentication, Command, CommandId, DefinitionRef, Digest, EffectId, Event,
    EventId, IllegalEvent, MemberId, Moment, PendingEvent, Project, ProjectEvent, ProjectId,
    RoleName, Run, RunAnswer, RunView, Seen, Sequence, StreamId, Substitution, Version,
    conflict::Look,
    event::TypedEvent,
    id::MalformedId,
    item::ItemsChange,
    project::Qualification,
    run::{Decided, Due},
    workflow::{DecideFailure, DynWorkflow},
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    baselines::KeptBaseline,
    calendars::Calendars,
    lockdowns::{self, LockdownStep},
};

/// The name of the project that a play happens in.
const PROJECT: &str = "scenario";

/// What somebody is in a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The roles held.
    pub roles: Vec<RoleName>,
    /// The qualifications held.
    pub qualifications: Vec<Qualification>,
    /// For whom they vote, and how long.
    pub stands_for: Vec<StandsFor>,
}

/// That somebody votes in the place of another member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandsFor {
    /// In whose place.
    pub member: MemberId,
    /// The first moment at which they do; at once, when `None`.
    pub from: Option<Timestamp>,
    /// The first moment at which they no longer do.
    pub until: Timestamp,
    /// Only as what the member is by these roles; by all, when there are none.
    pub roles: BTreeSet<RoleName>,
}

/// The members of a project.
pub type Members = BTreeMap<MemberId, Sheet>;

/// A run, played.
#[derive(Clone, Debug)]
pub struct Play {
    workflow: Arc<dyn DynWorkflow>,
    definition: DefinitionRef,
    members: Members,
    calendars: Calendars,
    lockdowns: Vec<LockdownStep>,
    items: Vec<ItemsChange>,
    conflicts: Look,
    baseline: Option<KeptBaseline>,
    project: Project,
    now: Timestamp,
    ids: u128,
    history: Vec<Event>,
    run: Option<Run>,
}

/// A play could not be set up or go on: the workflow, or the play itself, has a defect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// An event does not follow from the ones before it.
    #[error("BUG: the workflow broke its own rules: {0}")]
    Illegal(#[from] IllegalEvent),
    /// A name of the play's own is not one.
    #[error("BUG: {0}")]
    Name(#[from] MalformedId),
    /// An event cannot be written.
    #[error("BUG: an event cannot be written: {0}")]
    Written(String),
}

impl Play {
    /// Begins with a workflow and members, before any run.
    ///
    /// # Errors
    /// When the project cannot be made of `members`, which is a defect.
    pub fn new(
        workflow: Arc<dyn DynWorkflow>,
        definition: DefinitionRef,
        members: &Members,
        now: Timestamp,
    ) -> Result<Self, Defect> {
        let (members, calendars) = (members.clone(), Calendars::new());
        let project = project(&members, &calendars, &[], &[], None, now)?;
        Ok(Self {
            workflow,
            definition,
            members,
            calendars,
            lockdowns: Vec::new(),
            items: Vec::new(),
            conflicts: Look::default(),
            baseline: None,
            project,
            now,
            ids: 0,
            history: Vec::new(),
            run: None,
        })
    }

    /// Submits the run as `by`.
    ///
    /// # Errors
    /// A refusal, or a defect of the workflow; there is no run then.
    pub fn submit(&mut self, by: &MemberId, input: &Value) -> Result<(), DecideFailure> {
        // The engine asks this before it asks the workflow.
        self.project.member(by)?;
        let command = self.command(Actor::Member(by.clone()), Action::Start);
        let at = Moment { now: self.now, project: &self.project };
        let decided = Run::submit(&self.definition, &*self.workflow, &command, input, &at)?;
        self.take(&command, decided);
        Ok(())
    }

    /// Has `actor` do something.
    ///
    /// # Errors
    /// A refusal, or a defect of the workflow; nothing has changed then.
    pub fn act(&mut self, actor: Actor, action: Action) -> Result<(), DecideFailure> {
        let command = self.command(actor, action);
        let at = Moment { now: self.now, project: &self.project };
        let Some(run) = &self.run else {
            return Err(IllegalEvent::new("play", "no run was submitted").into());
        };
        let decided = run.decide(&*self.workflow, &command, &at)?;
        self.take(&command, decided);
        Ok(())
    }

    /// Moves the clock; it never goes back. Timers that come due are the caller's to fire.
    pub fn move_to(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Changes who is a member and what they are.
    ///
    /// # Errors
    /// When the project cannot be made of `members`, which is a defect.
    pub fn set_members(&mut self, members: &Members) -> Result<(), Defect> {
        self.members = members.clone();
        self.renew_project()
    }

    /// Publishes calendars, and takes those away that are `None`. What a run makes of it is the
    /// caller's to see to: see [`Play::due`].
    ///
    /// # Errors
    /// When the project cannot be made of them, which is a defect.
    pub fn set_calendars(&mut self, calendars: &Calendars) -> Result<(), Defect> {
        self.calendars.extend(calendars.clone());
        self.renew_project()
    }

    /// Whether a lockdown is in force.
    pub(crate) fn is_in_force(&self, lockdown: u32) -> bool {
        self.project.lockdowns().get(lockdown).is_some()
    }

    /// Imposes or lifts a lockdown. What a run makes of it is the caller's to see to: see
    /// [`Play::due`].
    ///
    /// # Errors
    /// When there is no such lockdown to lift.
    pub fn add_lockdown(&mut self, step: &LockdownStep) -> Result<(), Defect> {
        self.lockdowns.push(step.clone());
        self.renew_project()
    }

    /// Changes the project's configuration items. What a run makes of it is the caller's to see to:
    /// see [`Play::due`].
    ///
    /// # Errors
    /// When they cannot be changed so.
    pub fn change_items(&mut self, changes: &[ItemsChange]) -> Result<(), Defect> {
        self.items.extend(changes.iter().cloned());
        self.renew_project()
    }

    /// Says which baseline the project keeps: a run is judged by the one there was when it was submitted.
    ///
    /// # Errors
    /// When the project cannot be made of it, which is a defect.
    pub fn set_baseline(&mut self, baseline: Option<&KeptBaseline>) -> Result<(), Defect> {
        self.baseline = baseline.cloned();
        self.renew_project()
    }

    /// Says which runs this one is in conflict with from now on. It is told when it asks.
    pub fn set_conflicts(&mut self, conflicts: Look) {
        self.conflicts = conflicts;
    }

    /// Tells the run which runs it is in conflict with, if it asks for that.
    ///
    /// # Errors
    /// As [`Play::act`].
    pub fn look_for_conflicts(&mut self) -> Result<(), DecideFailure> {
        let Some(run) = &self.run else { return Ok(()) };
        let Some(effect) = run.claims(&*self.workflow).looks else { return Ok(()) };
        let (at, found) = (run.at().version, self.conflicts.clone());
        self.act(Actor::Engine, Action::ConflictsLooked { effect, at, found })
    }

    fn renew_project(&mut self) -> Result<(), Defect> {
        let Self { members, calendars, lockdowns, items, baseline, .. } = &*self;
        let baseline = baseline.as_ref();
        self.project = project(members, calendars, lockdowns, items, baseline, self.now)?;
        Ok(())
    }

    /// The clock.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The project.
    #[must_use]
    pub const fn project(&self) -> &Project {
        &self.project
    }

    /// The locks that the run waits for, if it waits for some.
    #[must_use]
    pub fn locks_wanted(&self) -> Option<EffectId> {
        let run = self.run.as_ref()?;
        run.claims(&*self.workflow).wanted.map(|wanted| wanted.effect)
    }

    /// What the run is owed now; nothing before it is submitted.
    #[must_use]
    pub fn due(&self) -> Vec<Due> {
        self.run.as_ref().map(|run| run.due(&*self.workflow)).unwrap_or_default()
    }

    /// Whether what the run has seen of the project, and asks for `watch` to be told of, is no longer so.
    #[must_use]
    pub fn has_changed(&self, watch: &EffectId, seen: &Seen) -> bool {
        let at = Moment { now: self.now, project: &self.project };
        let run = self.run.as_ref();
        run.is_some_and(|run| run.has_changed(&*self.workflow, watch, seen, &at))
    }

    /// What the run looks like now, if it was submitted.
    #[must_use]
    pub fn view(&self) -> Option<RunView> {
        let at = Moment { now: self.now, project: &self.project };
        self.run.as_ref().map(|run| run.view(&*self.workflow, &at))
    }

    /// The input as it is now, if the run was submitted.
    #[must_use]
    pub fn input(&self) -> Option<&Value> {
        self.run.as_ref().map(|run| run.input_now(&*self.workflow))
    }

    /// Whether the run is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.status(&*self.workflow).is_ended())
    }

    /// The run's history so far.
    #[must_use]
    pub fn history(&self) -> &[Event] {
        &self.history
    }

    fn id(&mut self) -> Uuid {
        self.ids = self.ids.saturating_add(1);
        counted(self.ids)
    }

    fn command(&mut self, actor: Actor, action: Action) -> Command {
        Command {
            id: CommandId::from_uuid(self.id()),
            actor,
            auth: Authentication::new("scenario"),
            trace: None,
            action,
        }
    }

    /// Adds what was decided to the history.
    fn take(&mut self, command: &Command, decided: Decided) {
        let Decided { events, mut run } = decided;
        if events.is_empty() {
            return;
        }
        let stream = StreamId { project: self.project.id().clone(), run: Some(run.id()) };
        let request = command.actor.member().map(|_| command.request());
        let now = self.now;
        let events =
            command.events(&stream, request, now, events, || EventId::from_uuid(self.id()));
        for mut pending in events {
            let before = u64::try_from(self.history.len()).unwrap_or(u64::MAX);
            pending.definition = (before == 0).then_some(self.definition.digest);
            self.history.push(at_place(pending, before));
        }
        let RunAnswer { version, .. } = run.at();
        let at = RunAnswer { version, sequence: Sequence(version.0) };
        run.appended(at.sequence, request.map(|request| (command.id, request, at)));
        self.run = Some(run);
    }
}

/// A UUIDv7 with a counter where randomness belongs, so that the same play has the same ids.
fn counted(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000_u128.saturating_add(n))
}

/// The event that follows `before` others in a log of nothing else.
fn at_place(pending: PendingEvent, before: u64) -> Event {
    let here = before.saturating_add(1);
    pending.into_event(Sequence(here), Version(here), Sequence(before))
}

/// A project of these members. Its events are made here and not decided, as whoever creates a
/// project becomes its owner, and a scenario says itself who that is.
fn project(
    members: &Members,
    calendars: &Calendars,
    lockdowns: &[LockdownStep],
    items: &[ItemsChange],
    baseline: Option<&KeptBaseline>,
    now: Timestamp,
) -> Result<Project, Defect> {
    let id: ProjectId = PROJECT.parse()?;
    let mut facts = vec![ProjectEvent::Created { title: "Scenarios".to_owned() }];
    for (member, sheet) in members {
        facts.push(ProjectEvent::MemberAdded { member: member.clone(), name: member.to_string() });
        facts.extend(
            sheet.roles.iter().map(|role| ProjectEvent::RoleGranted {
                member: member.clone(),
                role: role.clone(),
            }),
        );
        facts.extend(sheet.qualifications.iter().map(|qualification| {
            ProjectEvent::QualificationRecorded {
                member: member.clone(),
                qualification: qualification.clone(),
            }
        }));
    }
    let substitutions = members
        .iter()
        .flat_map(|(substitute, sheet)| sheet.stands_for.iter().map(move |one| (substitute, one)));
    facts.extend(substitutions.zip(1_u32..).map(|((substitute, one), number)| {
        let StandsFor { member, from, until, roles } = one.clone();
        let (substitute, reason) = (substitute.clone(), None);
        ProjectEvent::SubstituteNamed(Substitution {
            number,
            member,
            substitute,
            from,
            until,
            roles,
            reason,
        })
    }));
    facts.extend(calendars.values().flatten().map(|published| ProjectEvent::CalendarPublished {
        calendar: published.read.calendar.clone(),
        revision: 1,
        digest: published.read.digest,
        title: published.read.title.clone(),
        source: published.source.clone(),
    }));
    facts.extend(
        items
            .iter()
            .cloned()
            .map(|ItemsChange { set, removed }| ProjectEvent::ItemsChanged { set, removed }),
    );
    facts.extend(baseline.map(KeptBaseline::fact));
    facts.extend(lockdowns::facts(lockdowns));
    let mut project: Option<Project> = None;
    for (before, fact) in (0_u64..).zip(facts) {
        let new = fact.to_new_event().map_err(|error| Defect::Written(error.to_string()))?;
        let event = at_place(
            PendingEvent {
                id: EventId::from_uuid(counted(u128::from(before))),
                source: id.clone(),
                subject: None,
                kind: new.kind,
                time: now,
                actor: Actor::Engine,
                auth: Authentication::engine(),
                cause: CommandId::from_uuid(counted(u128::from(before))),
                request: Some(Digest::of(new.data.as_str().as_bytes())),
                trace: None,
                definition: None,
                data: new.data,
            },
            before,
        );
        match &mut project {
            Some(project) => project.evolve(&event)?,
            None => project = Some(Project::begin(&event)?),
        }
    }
    project.ok_or_else(|| IllegalEvent::new("project", "it has no events").into())
}
