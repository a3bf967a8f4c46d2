//! [`Workflow`], the trait behind which every kind of definition stands.
//!
//! People who write a workflow in Rust implement [`Workflow`] with their own state and events. The
//! engine stores [`DynWorkflow`], which every `Workflow` is.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    baseline::BaselineRef,
    command::{Actor, Command},
    conflict::Turn,
    effect::{Effect, Restraint},
    event::{EventData, EventType, NewEvent, TypedEvent},
    id::{Digest, EffectId, MemberId, ProjectId, RunId},
    lock::Claims,
    lockdown::Prospect,
    migration::{Migrating, misfit},
    newer_work::{Reach, Undoable},
    plan::Planned,
    project::Project,
    refusal::Refusal,
    settlement::Settlers,
    view::{RunStatus, RunSummary, RunView},
};

/// What the world is like when a command is decided: all that a decision may know besides the
/// run's own state.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The engine's clock.
    pub now: Timestamp,
    /// The project as it is now: members, roles, qualifications.
    pub project: &'a Project,
}

/// How a run began: what its first event says.
#[derive(Clone, Copy, Debug)]
pub struct Started<'a> {
    /// The run.
    pub run: RunId,
    /// Its project.
    pub project: &'a ProjectId,
    /// Who submitted it.
    pub requester: &'a Actor,
    /// When.
    pub at: Timestamp,
    /// What was submitted, completed by [`Workflow::complete_input`].
    pub input: &'a Value,
    /// The baseline that was in force in the project then.
    pub baseline: Option<&'a BaselineRef>,
}

/// The circumstances of an event.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// When it was decided.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: &'a Actor,
}

/// An event cannot follow the state it meets, or cannot be read: the history was not made by this
/// workflow, or the workflow has a defect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` cannot follow here: {reason}")]
pub struct IllegalEvent {
    /// The event's type.
    pub event: String,
    /// Why not.
    pub reason: String,
}

impl IllegalEvent {
    /// States that `event` cannot follow, and why.
    #[must_use]
    pub fn new(event: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self { event: event.to_string(), reason: reason.into() }
    }

    /// States that an event of the type `kind` cannot be read.
    pub(crate) fn unread(kind: &EventType, error: &serde_json::Error) -> Self {
        let reason = error.to_string();
        // All the types that there are, which is what follows, help nobody who reads it.
        if reason.starts_with(&format!("unknown variant `{kind}`")) {
            return Self::new(kind, "no event of this type is known");
        }
        Self::new(kind, reason)
    }
}

/// A kind of run: what it decides, how its history adds up, and what it asks of the world.
///
/// All methods are pure. They must give the same answer for the same arguments, for ever: a run
/// is replayed through the definition it was started with.
pub trait Workflow: Send + Sync + 'static {
    /// A run's state: the sum of its events. It is serialized for snapshots.
    type State: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The facts of a run, adjacently tagged with `type` and `data` (see [`TypedEvent`]).
    type Event: TypedEvent;

    /// Completes an input, for example by defaults. The result is what is recorded, decided on and
    /// given to [`start`](Self::start), so nothing that matters is left to be added later.
    /// Completing a completed input must change nothing.
    fn complete_input(&self, input: Value) -> Value {
        input
    }

    /// Checks the input and makes the state a run begins with.
    ///
    /// # Errors
    /// A refusal when the input is not acceptable. On replay the input was accepted before.
    fn start(&self, started: &Started<'_>) -> Result<Self::State, Refusal>;

    /// Decides a command: what happens, or why not. The first command a run sees is
    /// [`crate::Action::Start`].
    ///
    /// After [`Completed`](crate::Action::Completed), [`Failed`](crate::Action::Failed) and
    /// [`TimerFired`](crate::Action::TimerFired) the state must no longer ask for the effect.
    ///
    /// No events mean "yes, and there was nothing to do": the command is answered with where the
    /// run stands. That leaves no trace, so the same command is decided anew when it is sent again.
    ///
    /// # Errors
    /// A refusal, with what would be needed for a "yes".
    fn decide(
        &self,
        state: &Self::State,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<Self::Event>, Refusal>;

    /// Adds an event to the state.
    ///
    /// # Errors
    /// When the event cannot follow in this state.
    fn evolve(
        &self,
        state: &mut Self::State,
        event: &Self::Event,
        meta: &Meta<'_>,
    ) -> Result<(), IllegalEvent>;

    /// All that is owed to the outside world in this state.
    fn pending(&self, state: &Self::State) -> Vec<Effect>;

    /// What is owed under this id in this state: what [`pending`](Self::pending) says of it, for less.
    /// It is asked at every attempt at an activity, of which a run may have thousands at once.
    fn owed(&self, state: &Self::State, effect: &EffectId) -> Option<Effect> {
        self.pending(state).into_iter().find(|one| one.id == *effect)
    }

    /// The ids of all that [`pending`](Self::pending) names, for less.
    fn asks(&self, state: &Self::State) -> BTreeSet<EffectId> {
        self.pending(state).into_iter().map(|one| one.id).collect()
    }

    /// The activities, of those that [`pending`](Self::pending) names, that may not begin as they are
    /// asked for: where people have stopped a run, what was asked for is not yet begun. The run, which
    /// knows the attempts, says which were not, by [`NotBegun`](crate::Action::NotBegun), as soon as
    /// this names them; the state must no longer ask for them then, but may ask anew, under the same
    /// names, when it goes on.
    fn restraints(&self, _state: &Self::State) -> BTreeMap<EffectId, Restraint> {
        BTreeMap::new()
    }

    /// The restraint of one effect: what [`restraints`](Self::restraints) says of it, for less.
    fn restraint(&self, state: &Self::State, effect: &EffectId) -> Option<Restraint> {
        self.restraints(state).remove(effect)
    }

    /// Whether people have stopped the run, or a part of it, so that clocks stand still: the time that
    /// all attempts at an activity have together, and the time that one may wait for its turn, where the
    /// activity's [restraint](Self::restraints) is that the next attempt [waits](crate::Again::Waits).
    fn stands_still(&self, _state: &Self::State) -> bool {
        false
    }

    /// The ids of all effects that one of two states asks for and the other does not, or asks for
    /// otherwise, or under another [restraint](Self::restraints); it may name more. `after` came of
    /// `before` by events. `None`, where that cannot be told for less than by comparing all, is always
    /// right: saying more pays where a run may have thousands of activities under way, as what has not
    /// changed is not looked at then.
    fn changed(&self, _before: &Self::State, _after: &Self::State) -> Option<BTreeSet<EffectId>> {
        None
    }

    /// The work, of what [`pending`](Self::pending) names, of which nothing has begun, where `begun` says
    /// whether there was an attempt at an activity, or a run was started. Before it begins, the workflow is asked
    /// once more by [`NotBegun`](crate::Action::NotBegun) whether it may at that moment: it answers with
    /// nothing if so. Otherwise the state must no longer ask for it, but may ask anew later.
    fn unbegun(
        &self,
        _state: &Self::State,
        _begun: &dyn Fn(&EffectId) -> bool,
    ) -> BTreeSet<EffectId> {
        BTreeSet::new()
    }

    /// Whether what an [`EffectKind::Watch`](crate::EffectKind::Watch) has seen is no longer so for the
    /// run. It is asked where the project [differs](crate::Project::differs) from that, as it may for
    /// another reason than one which matters here.
    fn has_changed(&self, _state: &Self::State, _watch: &EffectId, _at: &Moment<'_>) -> bool {
        true
    }

    /// The locks on configuration items that the run holds and waits for in this state. An engine
    /// answers a request with [`LocksGranted`](crate::Action::LocksGranted) when the run may have all
    /// that it asks for; the state must hold them then, and no longer ask.
    ///
    /// A run that waits for locks must hold none, or two runs could wait for each other. One that asks
    /// which runs it is in conflict with may hold some, and gives them back where it is held by that; it
    /// is told with [`ConflictsLooked`](crate::Action::ConflictsLooked), and again when that may have changed.
    fn claims(&self, _state: &Self::State) -> Claims {
        Claims::default()
    }

    /// What a lockdown asks of a run in this state: what it touches, and whether it starts something
    /// yet. A workflow that is silent here is not held by lockdowns; one that is goes by
    /// [`Project::lockdowns`] where it starts something, and asks to be told of their end as an
    /// [effect](crate::EffectKind::Watch).
    fn prospect(&self, state: &Self::State, _at: &Moment<'_>) -> Prospect {
        let works = self.status(state) == RunStatus::Working;
        let turn = if works { Turn::AtWork } else { Turn::Ahead };
        Prospect { works, turn, ..Prospect::default() }
    }

    /// The files of evidence, by their names, that what the run is held for demands, and that are kept beside the
    /// log: an engine looks whether they still are what was attached before somebody releases it.
    fn evidence_shown(&self, _state: &Self::State) -> BTreeMap<String, Digest> {
        BTreeMap::new()
    }

    /// The rollouts of the run that were done and can be undone from where it stands, each with its
    /// targets. An engine asks before somebody undoes one whether others have
    /// [worked there since](crate::newer_work).
    fn undoable(&self, _state: &Self::State) -> Vec<Undoable> {
        Vec::new()
    }

    /// What an activity of the run's is to a target, if it is something.
    fn reach(&self, _effect: &EffectId) -> Option<Reach> {
        None
    }

    /// Who may say what became of an attempt at an activity, where nobody knows; the owners of the
    /// project but not the requester, where a workflow does not say.
    fn settlers(
        &self,
        _state: &Self::State,
        _effect: &EffectId,
        _at: &Moment<'_>,
    ) -> Option<Settlers> {
        None
    }

    /// Takes note that a member has said what became of an attempt: that is part of the history, as
    /// [`RunEvent::AttemptSettled`](crate::run::RunEvent::AttemptSettled), and what follows from it is the
    /// workflow's, such as that they count among those who carry the run out.
    fn settled(&self, _state: &mut Self::State, _effect: &EffectId, _by: &MemberId) {}

    /// The names of the states that a run can be in, for a workflow that has such.
    fn states(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Takes over a run that went by another version of the definition until now: makes the state in
    /// which it goes on by this one. After that the workflow decides
    /// [`Action::Migrate`](crate::Action::Migrate), which may enter a state anew.
    ///
    /// # Errors
    /// A refusal when the run does not fit; none does where a workflow does not say how.
    fn adopt(
        &self,
        _state: &Self::State,
        _migrating: &Migrating<'_>,
    ) -> Result<Self::State, Refusal> {
        Err(misfit("a workflow of this kind does not take over runs of other versions").needs(
            "let the run end by its own version; a workflow in Rust says in `Workflow::adopt` how it takes one over",
        ))
    }

    /// The input as it is now, for a workflow whose input can be amended.
    fn input<'s>(&self, _state: &'s Self::State) -> Option<&'s Value> {
        None
    }

    /// Where the run stands.
    fn status(&self, state: &Self::State) -> RunStatus;

    /// What the run looks like to a person now, with who could release what holds it.
    fn view(&self, state: &Self::State, at: &Moment<'_>) -> RunView;

    /// What the run would do at which targets, as far as that can be told now, with the project as it
    /// is at this moment.
    fn plans(&self, _state: &Self::State, _at: &Moment<'_>) -> Vec<Planned> {
        Vec::new()
    }

    /// What a list says of the run: what [`view`](Self::view) says, for less. It is asked after every
    /// command.
    fn summary(&self, state: &Self::State, at: &Moment<'_>) -> RunSummary {
        self.view(state, at).into()
    }
}

/// A workflow's state, whatever its type. Clones share it until one of them changes.
#[derive(Clone)]
pub struct DynState(Arc<dyn AnyState>);

impl DynState {
    fn of(state: impl AnyState) -> Self {
        Self(Arc::new(state))
    }

    fn typed<T: 'static>(&self) -> Option<&T> {
        (*self.0).as_any().downcast_ref()
    }

    fn typed_mut<T: 'static>(&mut self) -> Option<&mut T> {
        if Arc::get_mut(&mut self.0).is_none() {
            self.0 = (*self.0).copy();
        }
        Arc::get_mut(&mut self.0)?.as_any_mut().downcast_mut()
    }
}

impl fmt::Debug for DynState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

trait AnyState: Any + fmt::Debug + Send + Sync {
    fn copy(&self) -> Arc<dyn AnyState>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any + Clone + fmt::Debug + Send + Sync> AnyState for T {
    fn copy(&self) -> Arc<dyn AnyState> {
        Arc::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Why a command was not decided into events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecideFailure {
    /// The answer is "no".
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The workflow broke its own rules; nothing was changed.
    #[error("BUG: the workflow broke its own rules: {0}")]
    Broken(#[from] IllegalEvent),
}

/// A [`Workflow`] of any state and event type: what the engine stores. Every `Workflow` is one.
pub trait DynWorkflow: Send + Sync {
    /// See [`Workflow::complete_input`].
    fn complete_input(&self, input: Value) -> Value;
    /// See [`Workflow::start`].
    ///
    /// # Errors
    /// As there.
    fn start(&self, started: &Started<'_>) -> Result<DynState, Refusal>;
    /// See [`Workflow::decide`]. The state takes the events, as they are read again once they are
    /// stored: so nothing is accepted that could not be replayed.
    ///
    /// # Errors
    /// As there; and when an event cannot be written as JSON, or cannot follow. The state is then of
    /// no further use: it may have been changed in part.
    fn decide(
        &self,
        state: &mut DynState,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<NewEvent>, DecideFailure>;
    /// See [`Workflow::evolve`].
    ///
    /// # Errors
    /// As there; and when the event is none of this workflow's.
    fn evolve(
        &self,
        state: &mut DynState,
        kind: &EventType,
        data: &EventData,
        meta: &Meta<'_>,
    ) -> Result<(), IllegalEvent>;
    /// See [`Workflow::pending`].
    fn pending(&self, state: &DynState) -> Vec<Effect>;
    /// See [`Workflow::owed`].
    fn owed(&self, state: &DynState, effect: &EffectId) -> Option<Effect>;
    /// See [`Workflow::asks`].
    fn asks(&self, state: &DynState) -> BTreeSet<EffectId>;
    /// See [`Workflow::restraints`].
    fn restraints(&self, state: &DynState) -> BTreeMap<EffectId, Restraint>;
    /// See [`Workflow::restraint`].
    fn restraint(&self, state: &DynState, effect: &EffectId) -> Option<Restraint>;
    /// See [`Workflow::stands_still`].
    fn stands_still(&self, state: &DynState) -> bool;
    /// See [`Workflow::changed`].
    fn changed(&self, before: &DynState, after: &DynState) -> Option<BTreeSet<EffectId>>;
    /// See [`Workflow::unbegun`].
    fn unbegun(&self, state: &DynState, begun: &dyn Fn(&EffectId) -> bool) -> BTreeSet<EffectId>;
    /// See [`Workflow::has_changed`].
    fn has_changed(&self, state: &DynState, watch: &EffectId, at: &Moment<'_>) -> bool;
    /// See [`Workflow::claims`].
    fn claims(&self, state: &DynState) -> Claims;
    /// See [`Workflow::prospect`].
    fn prospect(&self, state: &DynState, at: &Moment<'_>) -> Prospect;
    /// See [`Workflow::evidence_shown`].
    fn evidence_shown(&self, state: &DynState) -> BTreeMap<String, Digest>;
    /// See [`Workflow::undoable`].
    fn undoable(&self, state: &DynState) -> Vec<Undoable>;
    /// See [`Workflow::reach`].
    fn reach(&self, effect: &EffectId) -> Option<Reach>;
    /// See [`Workflow::settlers`].
    fn settlers(&self, state: &DynState, effect: &EffectId, at: &Moment<'_>) -> Option<Settlers>;
    /// See [`Workflow::settled`].
    ///
    /// # Errors
    /// When the state is of another kind of workflow.
    fn settled(
        &self,
        state: &mut DynState,
        effect: &EffectId,
        by: &MemberId,
    ) -> Result<(), IllegalEvent>;
    /// See [`Workflow::states`].
    fn states(&self) -> Vec<&str>;
    /// See [`Workflow::adopt`].
    ///
    /// # Errors
    /// As there; and when the state is of another kind of workflow.
    fn adopt(&self, state: &DynState, migrating: &Migrating<'_>) -> Result<DynState, Refusal>;
    /// See [`Workflow::input`].
    fn input<'s>(&self, state: &'s DynState) -> Option<&'s Value>;
    /// See [`Workflow::status`].
    fn status(&self, state: &DynState) -> RunStatus;
    /// See [`Workflow::view`].
    fn view(&self, state: &DynState, at: &Moment<'_>) -> RunView;
    /// See [`Workflow::plans`].
    fn plans(&self, state: &DynState, at: &Moment<'_>) -> Vec<Planned>;
    /// See [`Workflow::summary`].
    fn summary(&self, state: &DynState, at: &Moment<'_>) -> RunSummary;
    /// Writes the state, for a snapshot.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn snapshot(&self, state: &DynState) -> Result<EventData, IllegalEvent>;
    /// Reads the state from a snapshot.
    ///
    /// # Errors
    /// When the snapshot does not have the state's shape; the run is then replayed from its
    /// first event.
    fn restore(&self, snapshot: &EventData) -> Result<DynState, IllegalEvent>;
}

impl fmt::Debug for dyn DynWorkflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DynWorkflow")
    }
}

const FOREIGN_STATE: &str = "BUG: the state belongs to another workflow";

/// Adds a stored event to a state.
fn take<W: Workflow>(
    workflow: &W,
    state: &mut W::State,
    kind: &EventType,
    data: &EventData,
    meta: &Meta<'_>,
) -> Result<(), IllegalEvent> {
    let event =
        W::Event::from_parts(kind, data).map_err(|error| IllegalEvent::unread(kind, &error))?;
    workflow.evolve(state, &event, meta)
}

impl<W: Workflow> DynWorkflow for W {
    fn complete_input(&self, input: Value) -> Value {
        Workflow::complete_input(self, input)
    }

    fn start(&self, started: &Started<'_>) -> Result<DynState, Refusal> {
        Workflow::start(self, started).map(DynState::of)
    }

    fn decide(
        &self,
        state: &mut DynState,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<NewEvent>, DecideFailure> {
        let foreign = || IllegalEvent::new("decide", FOREIGN_STATE);
        let decided = Workflow::decide(self, state.typed().ok_or_else(foreign)?, command, at)?;
        let state = state.typed_mut().ok_or_else(foreign)?;
        let meta = Meta { time: at.now, actor: &command.actor };
        let mut events = Vec::with_capacity(decided.len());
        for event in decided {
            let new = event
                .to_new_event()
                .map_err(|error| IllegalEvent::new("decided event", error.to_string()))?;
            take(self, state, &new.kind, &new.data, &meta)?;
            events.push(new);
        }
        Ok(events)
    }

    fn evolve(
        &self,
        state: &mut DynState,
        kind: &EventType,
        data: &EventData,
        meta: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        let state = state.typed_mut().ok_or_else(|| IllegalEvent::new(kind, FOREIGN_STATE))?;
        take(self, state, kind, data, meta)
    }

    fn pending(&self, state: &DynState) -> Vec<Effect> {
        state.typed::<W::State>().map(|state| Workflow::pending(self, state)).unwrap_or_default()
    }

    fn owed(&self, state: &DynState, effect: &EffectId) -> Option<Effect> {
        state.typed::<W::State>().and_then(|state| Workflow::owed(self, state, effect))
    }

    fn asks(&self, state: &DynState) -> BTreeSet<EffectId> {
        state.typed::<W::State>().map(|state| Workflow::asks(self, state)).unwrap_or_default()
    }

    fn restraints(&self, state: &DynState) -> BTreeMap<EffectId, Restraint> {
        let state = state.typed::<W::State>();
        state.map(|state| Workflow::restraints(self, state)).unwrap_or_default()
    }

    fn restraint(&self, state: &DynState, effect: &EffectId) -> Option<Restraint> {
        state.typed::<W::State>().and_then(|state| Workflow::restraint(self, state, effect))
    }

    fn stands_still(&self, state: &DynState) -> bool {
        state.typed::<W::State>().is_some_and(|state| Workflow::stands_still(self, state))
    }

    fn changed(&self, before: &DynState, after: &DynState) -> Option<BTreeSet<EffectId>> {
        Workflow::changed(self, before.typed::<W::State>()?, after.typed::<W::State>()?)
    }

    fn unbegun(&self, state: &DynState, begun: &dyn Fn(&EffectId) -> bool) -> BTreeSet<EffectId> {
        let state = state.typed::<W::State>();
        state.map(|state| Workflow::unbegun(self, state, begun)).unwrap_or_default()
    }

    fn has_changed(&self, state: &DynState, watch: &EffectId, at: &Moment<'_>) -> bool {
        let state = state.typed::<W::State>();
        state.is_some_and(|state| Workflow::has_changed(self, state, watch, at))
    }

    fn claims(&self, state: &DynState) -> Claims {
        state.typed::<W::State>().map(|state| Workflow::claims(self, state)).unwrap_or_default()
    }

    fn prospect(&self, state: &DynState, at: &Moment<'_>) -> Prospect {
        let state = state.typed::<W::State>();
        state.map(|state| Workflow::prospect(self, state, at)).unwrap_or_default()
    }

    fn evidence_shown(&self, state: &DynState) -> BTreeMap<String, Digest> {
        let state = state.typed::<W::State>();
        state.map(|state| Workflow::evidence_shown(self, state)).unwrap_or_default()
    }

    fn undoable(&self, state: &DynState) -> Vec<Undoable> {
        let state = state.typed::<W::State>();
        state.map(|state| Workflow::undoable(self, state)).unwrap_or_default()
    }

    fn reach(&self, effect: &EffectId) -> Option<Reach> {
        Workflow::reach(self, effect)
    }

    fn settlers(&self, state: &DynState, effect: &EffectId, at: &Moment<'_>) -> Option<Settlers> {
        Workflow::settlers(self, state.typed()?, effect, at)
    }

    fn settled(
        &self,
        state: &mut DynState,
        effect: &EffectId,
        by: &MemberId,
    ) -> Result<(), IllegalEvent> {
        let state = state.typed_mut().ok_or_else(|| IllegalEvent::new("settled", FOREIGN_STATE))?;
        Workflow::settled(self, state, effect, by);
        Ok(())
    }

    fn states(&self) -> Vec<&str> {
        Workflow::states(self)
    }

    fn adopt(&self, state: &DynState, migrating: &Migrating<'_>) -> Result<DynState, Refusal> {
        let state = state
            .typed::<W::State>()
            .ok_or_else(|| misfit("the other version is of another kind of workflow"))?;
        Workflow::adopt(self, state, migrating).map(DynState::of)
    }

    fn input<'s>(&self, state: &'s DynState) -> Option<&'s Value> {
        state.typed::<W::State>().and_then(|state| Workflow::input(self, state))
    }

    fn status(&self, state: &DynState) -> RunStatus {
        state.typed::<W::State>().map_or(RunStatus::Stuck, |state| Workflow::status(self, state))
    }

    fn view(&self, state: &DynState, at: &Moment<'_>) -> RunView {
        state.typed::<W::State>().map_or_else(
            || RunView::new("", FOREIGN_STATE, RunStatus::Stuck),
            |state| Workflow::view(self, state, at),
        )
    }

    fn plans(&self, state: &DynState, at: &Moment<'_>) -> Vec<Planned> {
        state.typed::<W::State>().map(|state| Workflow::plans(self, state, at)).unwrap_or_default()
    }

    fn summary(&self, state: &DynState, at: &Moment<'_>) -> RunSummary {
        state.typed::<W::State>().map_or_else(
            || RunView::new("", FOREIGN_STATE, RunStatus::Stuck).into(),
            |state| Workflow::summary(self, state, at),
        )
    }

    fn snapshot(&self, state: &DynState) -> Result<EventData, IllegalEvent> {
        let state = state
            .typed::<W::State>()
            .ok_or_else(|| IllegalEvent::new("snapshot", FOREIGN_STATE))?;
        EventData::of(state).map_err(|error| IllegalEvent::new("snapshot", error.to_string()))
    }

    fn restore(&self, snapshot: &EventData) -> Result<DynState, IllegalEvent> {
        snapshot
            .read::<W::State>()
            .map(DynState::of)
            .map_err(|error| IllegalEvent::new("snapshot", error.to_string()))
    }
}

/// A stored definition cannot be turned into a workflow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the definition cannot be loaded: {reason}")]
pub struct LoadFailure {
    /// Why, as the language's own loader says it.
    pub reason: String,
}

/// Turns the stored bytes of a definition into a workflow: one implementation a language.
///
/// The declarative language is one; Rust types registered with the engine are another.
pub trait Loader: Send + Sync {
    /// The language's name, as `holdpoint.definition.published` events carry it.
    fn language(&self) -> &str;

    /// Turns `source` into a workflow. The same bytes must give the same workflow, for ever.
    ///
    /// # Errors
    /// When `source` is not a definition of this language.
    fn load(&self, source: &str) -> Result<LoadedDefinition, LoadFailure>;

    /// Loads a definition that is to be published. What is found wrong with a definition only since a
    /// later version is refused here, and not where runs of it are loaded.
    ///
    /// # Errors
    /// As [`load`](Self::load), and when something is wrong with it by today's rules.
    fn accept(&self, source: &str) -> Result<LoadedDefinition, LoadFailure> {
        self.load(source)
    }
}

/// A definition that has been loaded.
#[derive(Clone, Debug)]
pub struct LoadedDefinition {
    /// The name it gives itself.
    pub name: crate::id::DefinitionName,
    /// The version it gives itself.
    pub version: u32,
    /// What it is about, in a line.
    pub title: String,
    /// The workflow.
    pub workflow: Arc<dyn DynWorkflow>,
}
