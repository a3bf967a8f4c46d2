//! One execution of a definition, whatever its workflow.
//!
//! A [`Run`] keeps what every run has: who asked, which definition it is pinned to, which commands
//! were answered, and how far the attempts at its activities have come. The workflow keeps the
//! rest and never sees attempts: it asks for an effect and is told how it ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    answers::{Answers, answer_in, answered, answered_by},
    baseline::BaselineRef,
    command::{Action, Actor, Command},
    effect::Activity,
    event::{Event, EventData, EventType, NewEvent, Sequence, TypedEvent, Version},
    id::{CommandId, DefinitionName, Digest, EffectId, ProjectId, RunId},
    lock::Claims,
    lockdown::{Prospect, Seen},
    newer_work::Undoable,
    plan::Planned,
    refusal::{Refusal, RefusalCode},
    view::{RunStatus, RunSummary},
    workflow::{DecideFailure, DynState, DynWorkflow, IllegalEvent, Meta, Moment, Started},
};

mod attempts;
#[cfg(feature = "test-util")]
mod checking;
mod decision;
mod due;
mod event;
mod migrating;
mod queueing;
mod restraining;
mod settling;
mod snapshot;
mod standing;

use attempts::Attempts;
use decision::{Decision, check_depth};
pub use due::{Due, DueStep};
pub use event::RunEvent;
use queueing::Queued;
use settling::Unsettled;

/// Names one version of a definition; the digest is its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionRef {
    /// Its name.
    pub name: DefinitionName,
    /// Its version.
    pub version: u32,
    /// The digest of its source.
    pub digest: Digest,
}

/// The answer to an accepted command: where its last event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAnswer {
    /// The run's version after the command.
    pub version: Version,
    /// The log's position after the command.
    pub sequence: Sequence,
}

/// How far the attempts at an activity have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    attempts: u32,
    failures: u32,
    running: bool,
    retry_at: Option<Timestamp>,
    /// When the first attempt began, since a person last wanted it done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// That the next attempt waits for its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queued: Option<Queued>,
    /// That nobody knows how the last attempt ended. A new start forgets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unsettled: Option<Unsettled>,
    /// Since when it waits until people let the run go on, and its clocks stand still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stands_since: Option<Timestamp>,
}

impl Progress {
    /// When the time of all attempts together is over.
    fn until(&self, activity: &Activity) -> Option<Timestamp> {
        let (since, whole) = (self.since?, activity.limits.whole?);
        Some(since.saturating_add(whole).unwrap_or(Timestamp::MAX))
    }
}

/// The run that started another, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run.
    pub run: RunId,
    /// Its effect.
    pub effect: EffectId,
    /// How many runs stand above the one that was started: 1 for a run that was started by one that
    /// a member submitted.
    pub depth: u32,
}

/// A run that was started by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The run.
    pub run: RunId,
    /// How it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// No run is deeper than this below one that a member submitted: a definition that starts itself goes
/// no further.
pub const DEPTH_MAX: u32 = 8;

/// What is known of a run from its beginning, but for a definition that it was migrated to.
#[derive(Clone, Debug)]
struct Beginning {
    id: RunId,
    project: ProjectId,
    definition: DefinitionRef,
    requester: Actor,
    input: Value,
    started: Timestamp,
    parent: Option<Parent>,
}

/// One execution of a definition: the sum of its stream's events. Clones share what is large until
/// one of them changes.
#[derive(Clone, Debug)]
pub struct Run {
    beginning: Arc<Beginning>,
    updated: Timestamp,
    at: RunAnswer,
    answers: Arc<Answers>,
    progress: Attempts,
    children: Arc<BTreeMap<EffectId, Child>>,
    state: DynState,
}

/// What a decision makes happen.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The events, in their order.
    pub events: Vec<NewEvent>,
    /// The run with the events, as [`Run::evolve`] would have it, but for where the last stands in
    /// the log and for the answer to the command, which follow from that: see [`Run::appended`].
    /// More can be decided on it meanwhile.
    pub run: Run,
}

fn broken(event: &str, error: impl ToString) -> IllegalEvent {
    IllegalEvent::new(event, error.to_string())
}

fn new_event(event: &RunEvent) -> Result<NewEvent, IllegalEvent> {
    event.to_new_event().map_err(|error| broken("run event", error))
}

impl Run {
    /// Decides a submission: the events that begin a run, the first of them
    /// [`RunEvent::Started`] with the input as the workflow completes it.
    ///
    /// # Errors
    /// A refusal when the workflow does not accept the input, or when it is nested too deeply.
    pub fn submit(
        definition: &DefinitionRef,
        workflow: &dyn DynWorkflow,
        command: &Command,
        input: &Value,
        at: &Moment<'_>,
    ) -> Result<Decided, DecideFailure> {
        Self::submit_for(None, definition, workflow, command, input, at)
    }

    /// Decides a submission by another run, see [`Run::submit`].
    ///
    /// # Errors
    /// As there.
    pub fn submit_for(
        parent: Option<&Parent>,
        definition: &DefinitionRef,
        workflow: &dyn DynWorkflow,
        command: &Command,
        input: &Value,
        at: &Moment<'_>,
    ) -> Result<Decided, DecideFailure> {
        check_depth("input", input)?;
        let first = new_event(&RunEvent::Started {
            workflow: definition.name.clone(),
            version: definition.version,
            input: workflow.complete_input(input.clone()),
            parent: parent.cloned(),
            baseline: at.project.baseline().map(|one| one.reference.clone()),
        })?;
        // It begins with what will be stored, not with what was sent: or a run could be
        // acknowledged that nobody can ever replay.
        let RunEvent::Started { input, baseline, .. } =
            RunEvent::from_parts(&first.kind, &first.data).map_err(|e| broken("run event", e))?
        else {
            return Err(broken("run event", "BUG: it is read as another").into());
        };
        let beginning = Beginning {
            id: command.id.into(),
            project: at.project.id().clone(),
            definition: definition.clone(),
            requester: command.actor.clone(),
            input,
            started: at.now,
            parent: parent.cloned(),
        };
        let mut run = Self::of(workflow, beginning, baseline.as_ref())?;
        let start = Command { action: Action::Start, ..command.clone() };
        let mut events = vec![first];
        events.extend(workflow.decide(&mut run.state, &start, at)?);
        run.at.version = Version(events.len() as u64);
        Ok(Decided { events, run })
    }

    /// A run without an event.
    fn of(
        workflow: &dyn DynWorkflow,
        beginning: Beginning,
        baseline: Option<&BaselineRef>,
    ) -> Result<Self, Refusal> {
        let state = workflow.start(&Started {
            run: beginning.id,
            project: &beginning.project,
            requester: &beginning.requester,
            at: beginning.started,
            input: &beginning.input,
            baseline,
        })?;
        Ok(Self {
            updated: beginning.started,
            at: RunAnswer { version: Version::ZERO, sequence: Sequence::ZERO },
            answers: Arc::default(),
            progress: Attempts::default(),
            children: Arc::default(),
            state,
            beginning: Arc::new(beginning),
        })
    }

    /// Reads the first event of a run's stream.
    ///
    /// # Errors
    /// When `event` is not the first event of a run, or the workflow does not accept its input.
    pub fn begin(workflow: &dyn DynWorkflow, event: &Event) -> Result<Self, IllegalEvent> {
        let illegal = |reason: &str| IllegalEvent::new(&event.kind, reason);
        let Ok(RunEvent::Started { workflow: name, version, input, parent, baseline }) =
            RunEvent::from_parts(&event.kind, &event.data)
        else {
            return Err(illegal("a run begins with `holdpoint.run.started`"));
        };
        let (Some(id), Some(digest)) = (event.subject, event.definition) else {
            return Err(illegal("the first event of a run names the run and its definition"));
        };
        let beginning = Beginning {
            id,
            project: event.source.clone(),
            definition: DefinitionRef { name, version, digest },
            requester: event.actor.clone(),
            input,
            started: event.time,
            parent,
        };
        let begun = Self::of(workflow, beginning, baseline.as_ref());
        let mut run = begun.map_err(|refusal| illegal(&refusal.message))?;
        run.moved_to(event)?;
        Ok(run)
    }

    /// Adds an event to the run. One that [migrates](Run::migrates_to) it, and all after it, are taken by
    /// the workflow that it is migrated to.
    ///
    /// # Errors
    /// When the event is not the next of this run's stream, or cannot follow in its state. The
    /// run is then of no further use: it may have been changed in part.
    pub fn evolve(
        &mut self,
        workflow: &dyn DynWorkflow,
        event: &Event,
    ) -> Result<(), IllegalEvent> {
        self.apply(
            workflow,
            &event.kind,
            &event.data,
            &Meta { time: event.time, actor: &event.actor },
        )?;
        self.keep_clocks(workflow, event.time);
        self.moved_to(event)
    }

    fn moved_to(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        let next = self.at.version.next();
        let follows = event.source == *self.project()
            && event.subject == Some(self.id())
            && event.version == next;
        if !follows {
            return Err(IllegalEvent::new(
                &event.kind,
                format!(
                    "expected version {next} of stream {}/{}, found version {} of stream {}",
                    self.project(),
                    self.id(),
                    event.version,
                    event.stream()
                ),
            ));
        }
        self.at = RunAnswer { version: event.version, sequence: event.sequence };
        self.updated = event.time;
        // Only people send a command twice: what the engine sends is guarded by the state itself.
        match event.actor {
            Actor::Engine => Ok(()),
            Actor::Member(_) => answered_by(Arc::make_mut(&mut self.answers), event),
        }
    }

    /// States that what was decided is in the log: where the last event stands there, and the
    /// answers to the members' commands, each with the digest of its request.
    pub fn appended(
        &mut self,
        last: Sequence,
        answers: impl IntoIterator<Item = (CommandId, Digest, RunAnswer)>,
    ) {
        self.at.sequence = last;
        for (command, request, answer) in answers {
            answered(Arc::make_mut(&mut self.answers), command, request, answer);
        }
    }

    fn apply(
        &mut self,
        workflow: &dyn DynWorkflow,
        kind: &EventType,
        data: &EventData,
        meta: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        if !RunEvent::is_type(kind) {
            return workflow.evolve(&mut self.state, kind, data, meta);
        }
        let illegal = |reason: String| IllegalEvent::new(kind, reason);
        let event =
            RunEvent::from_parts(kind, data).map_err(|error| IllegalEvent::unread(kind, &error))?;
        match event {
            RunEvent::Started { .. } => Err(illegal("the run has been started before".to_owned())),
            RunEvent::AttemptQueued { .. }
            | RunEvent::AttemptStarted { .. }
            | RunEvent::AttemptSettled { .. }
            | RunEvent::TimerFired { .. }
            | RunEvent::Migrated { .. }
            | RunEvent::ChildStarted { .. }
                if workflow.status(&self.state).is_ended() =>
            {
                Err(illegal("the run has ended".to_owned()))
            }
            RunEvent::Migrated { from, to, states, input, baseline, .. } => self
                .migrated(
                    workflow,
                    (&from, to),
                    &states,
                    input.as_ref(),
                    baseline.as_ref(),
                    meta.time,
                )
                .map_err(illegal),
            RunEvent::Conflicts { .. } => Ok(()),
            RunEvent::AttemptQueued { effect, attempt, waits_for, before } => {
                let queued = Queued { attempt, since: meta.time, waits_for, before };
                self.attempt_queued(effect, queued).map_err(illegal)
            }
            RunEvent::AttemptNotBegun { effect, attempt, .. } => {
                self.attempt_not_begun(&effect, attempt).map_err(illegal)
            }
            RunEvent::AttemptStarted { effect, attempt, .. } => {
                let mut progress = self.progress.get(&effect).cloned().unwrap_or_default();
                if progress.running || attempt != progress.attempts.saturating_add(1) {
                    return Err(illegal(format!("attempt {attempt} is not the next")));
                }
                progress.attempts = attempt;
                progress.running = true;
                progress.retry_at = None;
                progress.unsettled = None;
                progress.since.get_or_insert(meta.time);
                progress.queued = None;
                self.progress.set(effect, progress);
                Ok(())
            }
            RunEvent::AttemptCompleted { effect, attempt, .. }
            | RunEvent::AttemptAbandoned { effect, attempt } => {
                self.running(&effect, attempt).map_err(illegal)?;
                self.progress.remove(&effect);
                Ok(())
            }
            RunEvent::AttemptFailed { effect, attempt, retry_at, .. } => {
                let mut progress = self.running(&effect, attempt).map_err(illegal)?.clone();
                progress.running = false;
                progress.failures = progress.failures.saturating_add(1);
                progress.retry_at = retry_at;
                if retry_at.is_none() {
                    self.progress.remove(&effect);
                } else {
                    self.progress.set(effect, progress);
                }
                Ok(())
            }
            RunEvent::AttemptUnknown { effect, attempt, reason, counts } => {
                let mut progress = self.running(&effect, attempt).map_err(illegal)?.clone();
                progress.running = false;
                progress.unsettled =
                    Some(Unsettled { reason, since: meta.time, counts, asked: None });
                self.progress.set(effect, progress);
                Ok(())
            }
            RunEvent::AttemptSettled { effect, attempt, settled, detail, retry_at, by, .. } => {
                self.settled(&effect, attempt, settled, detail, retry_at).map_err(illegal)?;
                if let Some(by) = by {
                    workflow.settled(&mut self.state, &effect, &by.member)?;
                }
                Ok(())
            }
            RunEvent::ChildStarted { effect, run } => {
                if run != self.id().child(&effect) || self.children.contains_key(&effect) {
                    return Err(illegal(format!("`{effect}` starts another run")));
                }
                Arc::make_mut(&mut self.children).insert(effect, Child { run, outcome: None });
                Ok(())
            }
            RunEvent::ChildRefused { effect, .. } if self.children.contains_key(&effect) => {
                Err(illegal(format!("the run of `{effect}` was started")))
            }
            RunEvent::ChildRefused { .. } => Ok(()),
            RunEvent::ChildEnded { effect, run, outcome } => {
                let under_way = |child: &&mut Child| child.run == run && child.outcome.is_none();
                let child = Arc::make_mut(&mut self.children).get_mut(&effect).filter(under_way);
                let child =
                    child.ok_or_else(|| illegal(format!("the run {run} was not started")))?;
                child.outcome = Some(outcome);
                Ok(())
            }
            RunEvent::TimerFired { due, .. } if meta.time < due => {
                Err(illegal(format!("the timer was not due before {due}")))
            }
            RunEvent::TimerFired { .. } => Ok(()),
        }
    }

    fn running(&self, effect: &EffectId, attempt: u32) -> Result<&Progress, String> {
        self.progress
            .get(effect)
            .filter(|progress| progress.running && progress.attempts == attempt)
            .ok_or_else(|| format!("attempt {attempt} at `{effect}` is not under way"))
    }

    /// Decides a command: what happens, or why not.
    ///
    /// Ask [`Run::answer_to`] first whether the command was answered before.
    ///
    /// # Errors
    /// A refusal, with what would be needed for a "yes".
    pub fn decide(
        &self,
        workflow: &dyn DynWorkflow,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Decided, DecideFailure> {
        if let RunStatus::Ended { outcome } = workflow.status(&self.state) {
            return Err(Refusal::new(
                RefusalCode::RunEnded,
                format!("the run has ended with `{outcome}`"),
            )
            .into());
        }
        if command.action.is_engines() && command.actor != Actor::Engine {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                "timers, locks and attempts at activities are the engine's own",
            )
            .into());
        }
        let mut decision = Decision::new(self, workflow, command, at);
        let answered = match &command.action {
            Action::Start => {
                return Err(Refusal::new(
                    RefusalCode::AlreadyExists,
                    "the run has been started before",
                )
                .into());
            }
            Action::Migrate { .. } => {
                return Err(Refusal::new(
                    RefusalCode::NotAwaited,
                    "the version that the run is to go on by is not known here",
                )
                .into());
            }
            Action::NotBegun { effects } => {
                for effect in effects {
                    if decision.hold_back(effect)? {
                        return decision.finish(None);
                    }
                }
                let message = "nothing keeps this from beginning";
                return Err(Refusal::new(RefusalCode::NotAwaited, message).into());
            }
            Action::Completed { .. } | Action::Failed { .. } => {
                return Err(Refusal::new(
                    RefusalCode::NotAwaited,
                    "an activity ends by the end of one of its attempts",
                )
                .into());
            }
            Action::Amend { input, reason } => {
                check_depth("input", input)?;
                let input = workflow.complete_input(input.clone());
                decision.tell(Action::Amend { input, reason: reason.clone() })?;
                None
            }
            Action::Vote { .. }
            | Action::Withdraw { .. }
            | Action::Overrule { .. }
            | Action::Object { .. }
            | Action::Recount { .. }
            | Action::Recheck { .. }
            | Action::Override { .. }
            | Action::OverrideRequirement { .. }
            | Action::WithdrawOverride { .. }
            | Action::Discharge { .. }
            | Action::Attach { .. }
            | Action::Done { .. }
            | Action::Reopen { .. }
            | Action::Waive { .. }
            | Action::Comment { .. }
            | Action::Signal { .. }
            | Action::Stop { .. }
            | Action::Steer { .. }
            | Action::Cancel { .. }
            | Action::AcceptConflict { .. }
            | Action::BreakLock { .. } => {
                if let Action::Signal { data, .. } = &command.action {
                    check_depth("signal's data", data)?;
                }
                decision.pass_on(command)?;
                None
            }
            Action::LocksGranted { effect } => {
                decision.take_locks(effect)?;
                None
            }
            Action::ConflictsLooked { effect, at, .. } => {
                decision.look(effect, *at)?;
                None
            }
            Action::TimerFired { effect } => Some(decision.fire(effect)?),
            Action::ChildStarted { effect, run } => {
                decision.child_started(effect, *run)?;
                None
            }
            Action::ChildRefused { effect, error } => Some(decision.child_refused(effect, error)?),
            Action::ConflictsFound { with } => {
                decision.record(&RunEvent::Conflicts { with: with.clone() })?;
                None
            }
            Action::ChildEnded { effect, run, outcome } => {
                Some(decision.child_ended(effect, *run, outcome)?)
            }
            Action::AttemptQueued { effect, attempt, waits_for, before } => {
                decision.queue(effect, *attempt, waits_for, *before)?;
                None
            }
            Action::AttemptNotBegun { effect, attempt } => {
                Some(decision.not_begun(effect, *attempt)?)
            }
            Action::AttemptStarted { effect, attempt, configured } => {
                decision.start_attempt(effect, *attempt, *configured)?;
                None
            }
            Action::AttemptEnded { effect, attempt, outcome } => {
                decision.end_attempt(effect, *attempt, outcome)?
            }
            Action::AttemptSettled { effect, attempt, settlement } => {
                decision.settle(effect, *attempt, settlement)?
            }
            Action::Settle { effect, ruling, reason } => {
                decision.rule(effect.as_ref(), ruling, reason)?
            }
        };
        decision.finish(answered.as_ref())
    }

    /// The answer that `command` got before, if it was accepted before.
    ///
    /// # Errors
    /// A refusal when the id was used for something else.
    pub fn answer_to(&self, command: &Command) -> Result<Option<RunAnswer>, Refusal> {
        answer_in(&self.answers, command.id, || command.request())
    }

    /// The answer that the submission got which began this run, if `request` is it.
    ///
    /// # Errors
    /// A refusal when the run was begun by another submission.
    pub fn answer_to_submission(&self, request: &Digest) -> Result<RunAnswer, Refusal> {
        let command = CommandId::from_uuid(self.id().as_uuid());
        answer_in(&self.answers, command, || *request)?.ok_or_else(|| {
            Refusal::new(
                RefusalCode::NotFound,
                format!("no submission began the run {}", self.id()),
            )
        })
    }

    /// The ids of the effects that the workflow may ask for otherwise than `before`, which became this
    /// run by events that the same workflow decided; `None` where that cannot be told for less than by
    /// comparing all. How far attempts have come is not compared. See [`crate::Workflow::changed`].
    #[must_use]
    pub fn changed_since(
        &self,
        workflow: &dyn DynWorkflow,
        before: &Self,
    ) -> Option<BTreeSet<EffectId>> {
        workflow.changed(&before.state, &self.state)
    }

    /// Whether what the run has seen of the project, and asks for `watch` to be told of, is no longer
    /// so: see [`DueStep::Watch`].
    #[must_use]
    pub fn has_changed(
        &self,
        workflow: &dyn DynWorkflow,
        watch: &EffectId,
        seen: &Seen,
        at: &Moment<'_>,
    ) -> bool {
        at.project.differs(seen) && workflow.has_changed(&self.state, watch, at)
    }

    /// The locks that the run holds and waits for.
    #[must_use]
    pub fn claims(&self, workflow: &dyn DynWorkflow) -> Claims {
        workflow.claims(&self.state)
    }

    /// The files of evidence, by their names, that open holds demand and that are kept beside the log.
    #[must_use]
    pub fn evidence_shown(&self, workflow: &dyn DynWorkflow) -> BTreeMap<String, Digest> {
        workflow.evidence_shown(&self.state)
    }

    /// What a lockdown asks of the run.
    #[must_use]
    pub fn prospect(&self, workflow: &dyn DynWorkflow, at: &Moment<'_>) -> Prospect {
        let prospect = workflow.prospect(&self.state, at);
        let unbegun = self.unbegun(workflow);
        // What nobody has begun would start yet.
        let works = self.due(workflow).into_iter().any(|due| match due.step {
            DueStep::Fire { .. } | DueStep::Watch { .. } => false,
            _ => !unbegun.contains(&due.effect),
        });
        if unbegun.is_empty() || works {
            return prospect;
        }
        Prospect { starts: true, works: false, ..prospect }
    }

    /// The rollouts that were done and can be undone yet.
    #[must_use]
    pub fn undoable(&self, workflow: &dyn DynWorkflow) -> Vec<Undoable> {
        workflow.undoable(&self.state)
    }

    /// Where the run stands.
    #[must_use]
    pub fn status(&self, workflow: &dyn DynWorkflow) -> RunStatus {
        self.status_now(workflow, workflow.status(&self.state))
    }

    /// Where the run stands that is `status` as far as its workflow sees.
    fn status_now(&self, workflow: &dyn DynWorkflow, status: RunStatus) -> RunStatus {
        match status {
            RunStatus::Working if self.rests(workflow) => RunStatus::Stuck,
            RunStatus::Working if self.waits_to_go_on(workflow) => RunStatus::Held,
            status => status,
        }
    }

    /// What a list says of the run now.
    #[must_use]
    pub fn summary(&self, workflow: &dyn DynWorkflow, at: &Moment<'_>) -> RunSummary {
        let mut summary = workflow.summary(&self.state, at);
        summary.status = self.status_now(workflow, summary.status);
        summary
    }

    /// What the run would do at which targets.
    #[must_use]
    pub fn plans(&self, workflow: &dyn DynWorkflow, at: &Moment<'_>) -> Vec<Planned> {
        workflow.plans(&self.state, at)
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.beginning.id
    }

    /// The project.
    #[must_use]
    pub fn project(&self) -> &ProjectId {
        &self.beginning.project
    }

    /// The definition that the run is pinned to: the one that it began with, or that it was migrated to.
    #[must_use]
    pub fn definition(&self) -> &DefinitionRef {
        &self.beginning.definition
    }

    /// Who submitted it.
    #[must_use]
    pub fn requester(&self) -> &Actor {
        &self.beginning.requester
    }

    /// What was submitted, completed by the definition's defaults.
    #[must_use]
    pub fn input(&self) -> &Value {
        &self.beginning.input
    }

    /// The input as it is now: as it was submitted, or as it was amended since.
    #[must_use]
    pub fn input_now<'s>(&'s self, workflow: &'s dyn DynWorkflow) -> &'s Value {
        workflow.input(&self.state).unwrap_or_else(|| self.input())
    }

    /// When it was submitted.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.beginning.started
    }

    /// When its last event was decided.
    #[must_use]
    pub const fn updated(&self) -> Timestamp {
        self.updated
    }

    /// The run that started it, if one did.
    #[must_use]
    pub fn parent(&self) -> Option<&Parent> {
        self.beginning.parent.as_ref()
    }

    /// The runs that it has started, by the effects that asked for them.
    #[must_use]
    pub fn children(&self) -> &BTreeMap<EffectId, Child> {
        &self.children
    }

    /// Where its last event stands.
    #[must_use]
    pub const fn at(&self) -> RunAnswer {
        self.at
    }
}
