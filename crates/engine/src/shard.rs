//! A shard: the task that owns a part of the runs.
//!
//! For each of its runs at most one append is under way. What arrives meanwhile waits and is then
//! decided together, into one append. State is what is durable; nobody is shown more.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
};

use futures::{StreamExt, stream::FuturesUnordered};
use holdpoint_core::{Command, EffectId, ProjectId, Refusal, RunId, Sequence, event::EventType};
use holdpoint_log::AppendFailure;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    activity::ActivityHandler,
    attempting::AttemptEnd,
    builder::Effects,
    children::{Errand, Nursery},
    clock::Clock,
    conflict_desk::TellConflicts,
    deciding::Accepted,
    engine::Acknowledged,
    failure::{CommandFailure, QueryFailure},
    guard::guard,
    limit_desk::TellLimits,
    limits::Ticket,
    load::{Library, Loaded},
    locks::TellLocks,
    only_if::OnlyIf,
    read_model::{ReadModel, RunRecord, Update},
    recent::Recent,
    slot::{Begin, CommandReply, Phase, QueryReply, Slot, Waiting},
};

mod commands;
mod effects;
mod errands;
mod turns;
mod unloadable;

use commands::Coming;
use unloadable::Taken;

/// How many messages may wait for a shard; more would only wait elsewhere.
pub(crate) const ASKS_WAITING_MAX: usize = 1024;

/// A run that leaves memory leaves a snapshot behind when it has had so many events since its
/// last: reading fewer is cheaper than writing one.
const SNAPSHOT_EVENTS_MIN: u64 = 32;

/// How often in a row a run is read again because the log has moved on without its shard.
const RELOADS_MAX: u32 = 3;

/// How many runs are asked to leave memory after each append.
const EVICTIONS_AT_ONCE: usize = 4;

/// A message to a shard.
pub(crate) enum Ask {
    Submit(Box<Begin>),
    Command {
        run: RunId,
        command: Box<Command>,
        /// What must be so where it is decided.
        only_if: Option<OnlyIf>,
        reply: CommandReply,
    },
    Query {
        run: RunId,
        reply: QueryReply,
    },
    /// A run that this one has started has ended.
    Child(RunId),
    /// Bring the run into memory and do what it is owed.
    Resume(RunId),
    /// Look after the runs in memory that go by the project's calendars or lockdowns.
    ProjectChanged(ProjectId),
    /// Bring the run into memory at a time.
    WakeAt(RunId, Timestamp),
    /// The run may have the locks that it waits for.
    Granted {
        run: RunId,
        effect: EffectId,
    },
    /// An attempt may begin.
    Admitted(Ticket),
    /// An attempt has to wait for its turn.
    Queued {
        ticket: Ticket,
        for_what: String,
        before: u32,
    },
    /// Answer with the next timer when nothing is under way.
    Idle(oneshot::Sender<Option<Timestamp>>),
    Shutdown,
}

/// What a shard itself has started and waits for.
enum Done {
    Loaded {
        run: RunId,
        loaded: Result<Option<Box<Loaded>>, QueryFailure>,
    },
    Appended {
        run: RunId,
        result: Result<Sequence, AppendFailure>,
        coming: Coming,
        accepted: Vec<Accepted>,
    },
    Begun {
        run: RunId,
        result: Result<Sequence, CommandFailure>,
        begin: Box<Begin>,
        coming: Coming,
    },
    /// The files that a command relies on were looked at.
    Looked {
        run: RunId,
        command: Box<Command>,
        only_if: Option<OnlyIf>,
        reply: CommandReply,
        result: Result<(), Refusal>,
    },
    /// What is known of a run that could not be loaded; nothing where that is known already.
    Broken {
        run: RunId,
        failure: QueryFailure,
        record: Option<Box<RunRecord>>,
    },
    /// A lock was taken from a run that could not be loaded, or not.
    Taken {
        run: RunId,
        failure: QueryFailure,
        reply: CommandReply,
        result: Result<Taken, CommandFailure>,
    },
    /// The id of a submission belongs to a run already.
    Known {
        run: RunId,
        begin: Box<Begin>,
    },
}

/// The state of a shard's task.
pub(crate) struct Shard {
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) library: Library,
    pub(crate) read_model: ReadModel,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) handlers: Arc<HashMap<String, Arc<dyn ActivityHandler>>>,
    pub(crate) effects: Effects,
    pub(crate) resident_max: usize,
    pub(crate) acknowledged: Acknowledged,
    /// Where claims are told; nobody grants anything where effects are left alone.
    pub(crate) locks: Option<TellLocks>,
    /// Where what runs do is told to who looks for conflicts, likewise.
    pub(crate) conflicts: Option<TellConflicts>,
    /// Where permits for attempts are asked for.
    limits: TellLimits,
    recent: Recent,
    nursery: Nursery,
    slots: HashMap<RunId, Slot>,
    /// Runs that may leave memory, the one that has been quiet longest first.
    quiet: VecDeque<RunId>,
    wakes: BTreeSet<(Timestamp, RunId)>,
    wake_of: HashMap<RunId, Timestamp>,
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
    attempts: JoinSet<AttemptEnd>,
    errands: JoinSet<Errand>,
    idlers: Vec<oneshot::Sender<Option<Timestamp>>>,
}

impl Shard {
    #[expect(clippy::too_many_arguments, reason = "called once, by the builder")]
    pub(crate) fn new(
        asks: mpsc::Receiver<Ask>,
        library: Library,
        read_model: ReadModel,
        clock: Arc<dyn Clock>,
        handlers: Arc<HashMap<String, Arc<dyn ActivityHandler>>>,
        effects: Effects,
        resident_max: usize,
        acknowledged: Acknowledged,
        locks: Option<TellLocks>,
        conflicts: Option<TellConflicts>,
        limits: TellLimits,
        recent: Recent,
        nursery: Nursery,
    ) -> Self {
        Self {
            asks,
            library,
            read_model,
            clock,
            handlers,
            effects,
            resident_max,
            acknowledged,
            locks,
            conflicts,
            limits,
            recent,
            nursery,
            slots: HashMap::new(),
            quiet: VecDeque::new(),
            wakes: BTreeSet::new(),
            wake_of: HashMap::new(),
            under_way: FuturesUnordered::new(),
            attempts: JoinSet::new(),
            errands: JoinSet::new(),
            idlers: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        let mut open = true;
        while open || !self.under_way.is_empty() {
            let next_wake = self.wakes.first().map(|(at, _)| *at).filter(|_| open);
            let clock = Arc::clone(&self.clock);
            let woken = async move {
                match next_wake {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Ends first: they free runs that others wait for.
                biased;
                Some(done) = self.under_way.next() => self.take_done(done).await,
                Some(end) = self.attempts.join_next() => {
                    // An attempt that was dropped on purpose has no outcome to take.
                    if let Ok(end) = end {
                        self.attempt_ended(end);
                    }
                }
                Some(Ok(errand)) = self.errands.join_next() => self.errand_done(errand),
                ask = self.asks.recv(), if open => match ask {
                    Some(Ask::Shutdown) | None => {
                        open = false;
                        self.effects = Effects::LeaveAlone;
                        self.attempts.abort_all();
                        self.errands.abort_all();
                    }
                    Some(ask) => self.take_ask(ask),
                },
                () = woken => self.wake_due(),
            }
            if open {
                self.answer_idlers();
            }
        }
    }

    fn take_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Submit(begin) => {
                let run = RunId::from(begin.command.id);
                if self.slots.contains_key(&run) {
                    self.enqueue(run, Waiting::Submission(begin));
                } else {
                    self.begin(run, begin);
                }
            }
            Ask::Command { run, command, only_if, reply } => {
                self.enqueue(run, Waiting::Command { command, only_if, reply, looked: false });
            }
            Ask::Query { run, reply } => match self.slots.get(&run) {
                // What is durable can be shown at once, whatever is on its way.
                Some(Slot { live: Some(live), .. }) => {
                    let _ = reply.send(Ok(live.clone()));
                }
                _ => self.enqueue(run, Waiting::Query(reply)),
            },
            Ask::Resume(run) => {
                if !self.slots.contains_key(&run) {
                    self.load(run);
                }
            }
            Ask::Child(run) => self.child_news(run),
            Ask::Granted { run, effect } => self.granted(run, effect),
            Ask::Admitted(ticket) => self.admitted(&ticket),
            Ask::Queued { ticket, for_what, before } => self.queued(ticket, for_what, before),
            Ask::ProjectChanged(project) => self.project_changed(&project),
            Ask::WakeAt(run, at) => {
                // It was read before the run was: what has come since may be due earlier.
                if self.wake_of.get(&run).is_none_or(|known| at < *known) {
                    self.set_wake(run, Some(at));
                }
            }
            Ask::Idle(reply) => self.idlers.push(reply),
            Ask::Shutdown => {}
        }
    }

    fn enqueue(&mut self, run: RunId, waiting: Waiting) {
        if !self.slots.contains_key(&run) {
            self.load(run);
        }
        if let Some(slot) = self.slots.get_mut(&run) {
            slot.waiting.push_back(waiting);
        }
        self.pump(run);
    }

    fn load(&mut self, run: RunId) {
        self.slots.insert(run, Slot::new(Phase::Loading));
        let (library, read_model) = (self.library.clone(), self.read_model.clone());
        self.under_way.push(Box::pin(async move {
            let loaded = async {
                match read_model.locate(run).await? {
                    Some(located) => {
                        library.load(run, located).await.map(|loaded| Some(Box::new(loaded)))
                    }
                    None => Ok(None),
                }
            };
            Done::Loaded { run, loaded: loaded.await }
        }));
    }

    async fn take_done(&mut self, done: Done) {
        match done {
            Done::Loaded { run, loaded: Ok(Some(loaded)) } => {
                if let Some(slot) = self.slots.get_mut(&run) {
                    let mut live = loaded.live;
                    if slot.reloads > RELOADS_MAX {
                        live.broken = Some("its history and the log do not agree".to_owned());
                    }
                    slot.live = Some(live);
                    slot.snapshot = loaded.snapshot;
                    slot.phase = Phase::Ready;
                }
                self.settle(run);
                self.pump(run);
                self.evict().await;
            }
            Done::Loaded { run, loaded: Ok(None) } => {
                self.give_up(run, &QueryFailure::NoSuchRun(run));
            }
            Done::Loaded { run, loaded: Err(failure) } => {
                self.not_loaded(run, failure);
            }
            Done::Broken { run, failure, record } => self.broken(run, failure, record).await,
            Done::Taken { run, failure, reply, result } => {
                self.taken(run, failure, reply, result).await;
            }
            Done::Looked { run, command, only_if, reply, result: Ok(()) } => {
                self.enqueue(run, Waiting::Command { command, only_if, reply, looked: true });
            }
            Done::Looked { reply, result: Err(refusal), .. } => {
                let _ = reply.send(Err(refusal.into()));
            }
            Done::Known { run, mut begin } => {
                begin.known = true;
                if let Some(slot) = self.slots.remove(&run) {
                    self.enqueue(run, Waiting::Submission(begin));
                    for waiting in slot.waiting {
                        self.enqueue(run, waiting);
                    }
                }
            }
            Done::Begun { run, result: Ok(first), begin, coming } => {
                self.begun(run, first, *begin, coming).await;
            }
            Done::Begun { run, result: Err(failure), begin, .. } => {
                let _ = begin.reply.send(Err(failure));
                self.give_up(run, &QueryFailure::NoSuchRun(run));
            }
            Done::Appended { run, result: Ok(first), coming, accepted } => {
                self.appended(run, first, coming, accepted).await;
            }
            Done::Appended { run, result: Err(failure), accepted, .. } => {
                self.append_failed(run, &failure, accepted);
            }
        }
    }

    /// Answers all that wait for a run that cannot be had, and forgets it.
    fn give_up(&mut self, run: RunId, failure: &QueryFailure) {
        let Some(slot) = self.slots.remove(&run) else { return };
        for waiting in slot.waiting {
            match waiting {
                // A submission waits only behind another with the same id; it has its own try.
                Waiting::Submission(begin) if !begin.known => self.begin(run, begin),
                Waiting::Submission(begin) => {
                    drop(begin.reply.send(Err(failure.clone().into())));
                }
                Waiting::Command { reply, .. } => drop(reply.send(Err(failure.clone().into()))),
                Waiting::Query(reply) => drop(reply.send(Err(failure.clone()))),
                Waiting::Own { .. } => {}
            }
        }
    }

    fn list_if_quiet(&mut self, run: RunId) {
        if let Some(slot) = self.slots.get_mut(&run)
            && slot.is_quiet()
            && !slot.listed
        {
            slot.listed = true;
            self.quiet.push_back(run);
        }
    }

    /// Lets runs that have been quiet longest leave memory, while there are too many.
    async fn evict(&mut self) {
        for _ in 0..EVICTIONS_AT_ONCE {
            if self.slots.len() <= self.resident_max {
                return;
            }
            let Some(run) = self.quiet.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&run) else { continue };
            slot.listed = false;
            let Some(live) = slot.live.as_ref().filter(|_| slot.is_quiet()) else { continue };
            let at = live.run.at();
            if self.read_model.watermark() < at.sequence {
                // It could not be found again yet.
                slot.listed = true;
                self.quiet.push_back(run);
                self.read_model.want(at.sequence);
                continue;
            }
            if at.version.0.saturating_sub(slot.snapshot.0) >= SNAPSHOT_EVENTS_MIN {
                match guard("snapshot", || live.run.snapshot(&*live.workflow)).flatten() {
                    Ok(bytes) => {
                        let version = at.version;
                        self.read_model.tell(Update::Snapshot { run, version, bytes }).await;
                    }
                    Err(error) => tracing::warn!(%run, %error, "a snapshot could not be made"),
                }
            }
            self.slots.remove(&run);
        }
    }

    fn answer_idlers(&mut self) {
        let under_way = !self.under_way.is_empty() || !self.errands.is_empty();
        if self.idlers.is_empty() || under_way || !self.attempts.is_empty() {
            return;
        }
        let next = self.wakes.first().map(|(at, _)| *at);
        if self.effects == Effects::Perform && next.is_some_and(|at| at <= self.clock.now()) {
            return;
        }
        if self.slots.values().all(Slot::is_quiet) {
            for idler in self.idlers.drain(..) {
                let _ = idler.send(next);
            }
        }
    }
}

/// The type of a run's first event.
pub(crate) const RUN_STARTED: EventType = EventType::from_static("holdpoint.run.started");
