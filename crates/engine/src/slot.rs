//! A run in a shard's memory: its state, what waits for it, and what is under way for it.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use holdpoint_core::{
    Activity, Claims, Command, DefinitionRef, Digest, EffectId, ProjectId, RunAnswer, Version,
    run::Parent, workflow::DynWorkflow,
};
use serde_json::Value;
use tokio::{sync::oneshot, task::AbortHandle};

use crate::{
    failure::{CommandFailure, QueryFailure},
    limit_desk::Permit,
    load::LiveRun,
    only_if::OnlyIf,
    owed::{Owed, Times},
};

/// Where the answer to a command goes.
pub(crate) type CommandReply = oneshot::Sender<Result<RunAnswer, CommandFailure>>;
/// Where the answer to a query goes.
pub(crate) type QueryReply = oneshot::Sender<Result<LiveRun, QueryFailure>>;

/// A submission, with the definition it will be pinned to.
pub(crate) struct Begin {
    pub command: Command,
    /// The digest of what was asked.
    pub request: Digest,
    pub definition: DefinitionRef,
    pub input: Value,
    pub project: ProjectId,
    pub workflow: Arc<dyn DynWorkflow>,
    /// The run that submits it, if one does.
    pub parent: Option<Parent>,
    pub reply: CommandReply,
    /// Whether the log has said that the run exists.
    pub known: bool,
}

/// A command of the engine's own, about an effect.
pub(crate) enum Step {
    /// Fire a timer.
    Fire(EffectId),
    /// Record that an attempt waits for its turn, or that it waited too long.
    Queue(EffectId),
    /// Begin an attempt, and do the work once that is durable.
    Attempt { effect: EffectId, attempt: u32, activity: Box<Activity> },
    /// An attempt has ended.
    Ended { effect: EffectId },
    /// Something is to be told of a run that an effect asks for.
    Child(EffectId),
    /// Take the locks that were granted.
    Lock(EffectId),
}

impl Step {
    pub(crate) fn effect(&self) -> &EffectId {
        match self {
            Self::Fire(effect)
            | Self::Lock(effect)
            | Self::Queue(effect)
            | Self::Attempt { effect, .. }
            | Self::Ended { effect }
            | Self::Child(effect) => effect,
        }
    }
}

/// What waits for a run.
pub(crate) enum Waiting {
    Submission(Box<Begin>),
    /// With whether the files that it relies on were looked at.
    Command {
        command: Box<Command>,
        only_if: Option<OnlyIf>,
        reply: CommandReply,
        looked: bool,
    },
    Own {
        command: Box<Command>,
        step: Step,
    },
    Query(QueryReply),
}

/// What a run in memory is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being read; nothing is known of it yet.
    Loading,
    /// It can decide.
    Ready,
    /// Events are on their way into the log; what is known of it is what was durable before.
    Appending,
}

/// A run in a shard's memory.
pub(crate) struct Slot {
    pub phase: Phase,
    /// The durable state; `None` while loading, and for a run that is being submitted.
    pub live: Option<LiveRun>,
    pub waiting: VecDeque<Waiting>,
    /// Effects about which a command of the engine's own waits already.
    pub stepping: HashSet<EffectId>,
    /// Attempts whose handler is at work, or whose end is not durable yet.
    pub attempts: HashMap<EffectId, AbortHandle>,
    /// Places of attempts that have not begun yet, where their number is limited.
    pub permits: HashMap<EffectId, Permit>,
    /// Errands to runs that were started, and whether there was news meanwhile.
    pub errands: HashMap<EffectId, bool>,
    /// Runs that go on, as was found, by the effects that asked for them; and whether they were told to
    /// stop.
    pub going_on: HashMap<EffectId, bool>,
    /// Effects about which the run refused a step in this very state: it would refuse it again.
    pub refused: HashSet<EffectId>,
    /// What was told last of what the run holds and waits for, if something was.
    pub claims: Option<Claims>,
    /// How many commands are still to be appended one by one, after they were not acceptable
    /// together.
    pub alone: usize,
    /// How often in a row the run was read again because an append of its failed.
    pub reloads: u32,
    /// What the run is owed, as far as its definition can say it. Without it all is looked at after the
    /// next append, and not only what has changed.
    pub owed: Option<Owed>,
    /// Effects of which there was news while events were being appended: they are looked at then.
    pub news: BTreeSet<EffectId>,
    /// When something is to be done about what it is owed.
    pub wakes: Times,
    /// The effects for which machines are owed work that this engine can have done.
    pub working: HashSet<EffectId>,
    /// The version at which the read model has a snapshot.
    pub snapshot: Version,
    /// Whether the run is on the shard's list of those that may leave memory.
    pub listed: bool,
}

impl Slot {
    pub(crate) fn new(phase: Phase) -> Self {
        Self {
            phase,
            live: None,
            waiting: VecDeque::new(),
            stepping: HashSet::new(),
            attempts: HashMap::new(),
            permits: HashMap::new(),
            errands: HashMap::new(),
            going_on: HashMap::new(),
            refused: HashSet::new(),
            claims: None,
            alone: 0,
            reloads: 0,
            owed: None,
            news: BTreeSet::new(),
            wakes: Times::default(),
            working: HashSet::new(),
            snapshot: Version::ZERO,
            listed: false,
        }
    }

    /// Whether nothing is under way or owed at once.
    pub(crate) fn is_quiet(&self) -> bool {
        self.phase == Phase::Ready
            && self.waiting.is_empty()
            && self.attempts.is_empty()
            && self.errands.is_empty()
            && (self.working.is_empty()
                || self.live.as_ref().is_some_and(|live| live.broken.is_some()))
    }
}
