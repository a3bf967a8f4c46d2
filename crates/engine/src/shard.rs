//! A shard: the task that owns a part of the runs.
//!
//! For each of its runs at most one append is under way. What arrives meanwhile waits and is then
//! decided together, into one append. State is what is durable; nobody is shown more.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
};

use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use holdpoint_core::{
    Action, Activity, Actor, Authentication, Command, CommandId, EffectId, Moment, Outcome,
    Refusal, RefusalCode, Run, RunAnswer, RunId, Sequence, StreamId, Version,
    event::{EventType, NewEvent, PendingEvent},
    run::DueStep,
    workflow::{DecideFailure, DynWorkflow},
};
use holdpoint_log::{Append, AppendFailure};
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    activity::{ActivityHandler, Attempt},
    builder::Effects,
    clock::Clock,
    engine::{Acknowledged, PAYLOAD_BYTES_MAX, is_too_large, new_event_id},
    failure::{CommandFailure, QueryFailure},
    load::{Library, LiveRun, Loaded},
    query::RunRow,
    read_model::{ReadModel, RunRecord, Subject, Update},
    slot::{Begin, CommandReply, Phase, QueryReply, Slot, Step, Waiting},
};

/// How many messages may wait for a shard; more would only wait elsewhere.
pub(crate) const ASKS_WAITING_MAX: usize = 1024;

/// How many commands of one run go into one append, so that a busy run cannot make an append of
/// any size.
const BATCH_COMMANDS_MAX: usize = 128;

/// A run that leaves memory leaves a snapshot behind when it has had so many events since its
/// last: reading fewer is cheaper than writing one.
const SNAPSHOT_EVENTS_MIN: u64 = 32;

/// How many runs are asked to leave memory after each append.
const EVICTIONS_AT_ONCE: usize = 4;

/// A message to a shard.
pub(crate) enum Ask {
    Submit(Box<Begin>),
    Command {
        run: RunId,
        command: Box<Command>,
        reply: CommandReply,
    },
    Query {
        run: RunId,
        reply: QueryReply,
    },
    /// Bring the run into memory and do what it is owed.
    Resume(RunId),
    /// Bring the run into memory at a time.
    WakeAt(RunId, Timestamp),
    /// Answer with the next timer when nothing is under way.
    Idle(oneshot::Sender<Option<Timestamp>>),
    Shutdown,
}

/// What was accepted into an append, to be answered when it is durable.
struct Accepted {
    /// How many events of the append precede the end of this command's.
    end: u64,
    then: Then,
}

enum Then {
    Reply(CommandReply),
    Own(Step),
}

/// What a shard itself has started and waits for.
enum Done {
    Loaded {
        run: RunId,
        loaded: Result<Option<Loaded>, QueryFailure>,
    },
    Appended {
        run: RunId,
        result: Result<Sequence, AppendFailure>,
        events: Vec<PendingEvent>,
        accepted: Vec<Accepted>,
    },
    Begun {
        run: RunId,
        result: Result<Sequence, AppendFailure>,
        begin: Box<Begin>,
        events: Vec<PendingEvent>,
    },
    /// The id of a submission belongs to a run already.
    Known {
        run: RunId,
        begin: Box<Begin>,
    },
}

struct AttemptEnd {
    run: RunId,
    effect: EffectId,
    attempt: u32,
    outcome: Outcome,
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
    slots: HashMap<RunId, Slot>,
    /// Runs that may leave memory, the one that has been quiet longest first.
    quiet: VecDeque<RunId>,
    wakes: BTreeSet<(Timestamp, RunId)>,
    wake_of: HashMap<RunId, Timestamp>,
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send>>>,
    attempts: JoinSet<AttemptEnd>,
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
            slots: HashMap::new(),
            quiet: VecDeque::new(),
            wakes: BTreeSet::new(),
            wake_of: HashMap::new(),
            under_way: FuturesUnordered::new(),
            attempts: JoinSet::new(),
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
                ask = self.asks.recv(), if open => match ask {
                    Some(Ask::Shutdown) | None => {
                        open = false;
                        self.effects = Effects::LeaveAlone;
                        self.attempts.abort_all();
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
            Ask::Command { run, command, reply } => {
                self.enqueue(run, Waiting::Command { command, reply });
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
            Ask::WakeAt(run, at) => self.set_wake(run, Some(at)),
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
                    Some(located) => library.load(run, located).await.map(Some),
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
                    slot.live = Some(loaded.live);
                    slot.snapshot = loaded.snapshot;
                    slot.phase = Phase::Ready;
                }
                self.settle(run);
                self.pump(run);
            }
            Done::Loaded { run, loaded: Ok(None) } => {
                self.give_up(run, &QueryFailure::NoSuchRun(run));
            }
            Done::Loaded { run, loaded: Err(failure) } => {
                tracing::error!(%run, error = %failure, "a run could not be loaded");
                self.give_up(run, &failure);
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
            Done::Begun { run, result: Ok(first), begin, events } => {
                self.begun(run, first, *begin, events).await;
            }
            Done::Begun { run, result: Err(failure), begin, .. } => {
                let _ = begin.reply.send(Err(failure.into()));
                self.give_up(run, &QueryFailure::NoSuchRun(run));
            }
            Done::Appended { run, result: Ok(first), events, accepted } => {
                self.appended(run, first, events, accepted).await;
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

    /// Decides a submission and sends its events to the log.
    fn begin(&mut self, run: RunId, begin: Box<Begin>) {
        if self.slots.contains_key(&run) {
            return self.enqueue(run, Waiting::Submission(begin));
        }
        let Some(project) = self.library.projects.get(&begin.project) else { return };
        let now = self.clock.now();
        let at = Moment { now, project: &project };
        let Begin { definition, workflow, command, input, .. } = &*begin;
        let decided = match Run::submit(definition, &**workflow, command, input, &at) {
            Ok(decided) => decided,
            Err(failure) => return drop(begin.reply.send(Err(failure.into()))),
        };
        let stream = StreamId { project: begin.project.clone(), run: Some(run) };
        let mut events = pending(&stream, &begin.command, now, decided);
        if let Some(first) = events.first_mut() {
            first.definition = Some(begin.definition.digest);
        }
        let append = Append { stream, expected: Version::ZERO, events: events.clone() };
        self.slots.insert(run, Slot::new(Phase::Appending));
        let (library, read_model) = (self.library.clone(), self.read_model.clone());
        self.under_way.push(Box::pin(async move {
            // The log tells a second run of the same stream; only the read model can tell a run
            // of another project with the same id.
            if let Ok(Some(_)) = read_model.locate(run).await {
                return Done::Known { run, begin };
            }
            match append_one(&library, append).await {
                Err(AppendFailure::Conflict { .. }) => Done::Known { run, begin },
                result => Done::Begun { run, result, begin, events },
            }
        }));
    }

    async fn begun(
        &mut self,
        run: RunId,
        first: Sequence,
        begin: Begin,
        events: Vec<PendingEvent>,
    ) {
        let mut live: Option<LiveRun> = None;
        let mut at = RunAnswer { version: Version::ZERO, sequence: Sequence::ZERO };
        for (sequence, event) in (first.0..).map(Sequence).zip(&events) {
            let event = event.clone().into_event(sequence, at.version.next(), at.sequence);
            at = RunAnswer { version: event.version, sequence };
            let added = match &mut live {
                Some(live) => live.run.evolve(&*live.workflow, &event),
                None => Run::begin(&*begin.workflow, &event).map(|run| {
                    live = Some(LiveRun { run, workflow: Arc::clone(&begin.workflow) });
                }),
            };
            if let Err(illegal) = added {
                tracing::error!(%run, error = %illegal, "BUG: a durable event does not replay");
                let _ = begin.reply.send(Err(CommandFailure::Broken(illegal)));
                return self.give_up(run, &QueryFailure::NoSuchRun(run));
            }
        }
        if let Some(slot) = self.slots.get_mut(&run) {
            slot.live = live;
            slot.phase = Phase::Ready;
        }
        self.tell_read_model(run, first, &events).await;
        self.acknowledged.raise(at.sequence);
        let _ = begin.reply.send(Ok(at));
        self.settle(run);
        self.pump(run);
    }

    /// Decides what waits for a run, if it can decide now, into one append.
    fn pump(&mut self, run: RunId) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let (Phase::Ready, Some(live)) = (slot.phase, &slot.live) else { return };
        let stream = StreamId { project: live.run.project().clone(), run: Some(run) };
        let Some(project) = self.library.projects.get(&stream.project) else { return };
        let now = self.clock.now().max(live.run.updated());
        let at = Moment { now, project: &project };
        let workflow = Arc::clone(&live.workflow);
        let mut batch = Batch { run: live.run.clone(), workflow: &*workflow, events: Vec::new() };
        let mut accepted = Vec::new();
        let mut again = VecDeque::new();
        while accepted.len() < BATCH_COMMANDS_MAX
            && let Some(waiting) = slot.waiting.pop_front()
        {
            let (command, then) = match waiting {
                Waiting::Query(reply) => {
                    let _ = reply.send(Ok(live.clone()));
                    continue;
                }
                Waiting::Submission(begin) => {
                    let answer = answer_again(&live.run, &begin);
                    let _ = begin.reply.send(answer);
                    continue;
                }
                Waiting::Command { command, reply } => {
                    if let Some(answer) = live.run.answer_to(command.id) {
                        let _ = reply.send(Ok(answer));
                        continue;
                    }
                    if batch.run.answer_to(command.id).is_some() {
                        // The same command, twice in one batch: answered when the first is durable.
                        again.push_back(Waiting::Command { command, reply });
                        continue;
                    }
                    (command, Then::Reply(reply))
                }
                Waiting::Own { command, step } => (command, Then::Own(step)),
            };
            let decided = match &slot.broken {
                Some(reason) => Err(DecideFailure::Broken(holdpoint_core::IllegalEvent::new(
                    "run",
                    reason.clone(),
                ))),
                None => batch.decide(&stream, &command, &at),
            };
            match (decided, then) {
                (Ok(()), then) => {
                    accepted.push(Accepted { end: batch.events.len() as u64, then });
                }
                (Err(failure), Then::Reply(reply)) => drop(reply.send(Err(failure.into()))),
                (Err(failure), Then::Own(step)) => {
                    let (Step::Fire(effect)
                    | Step::Attempt { effect, .. }
                    | Step::Ended { effect }) = step;
                    slot.stepping.remove(&effect);
                    slot.attempts.remove(&effect);
                    if let DecideFailure::Broken(illegal) = failure {
                        tracing::error!(%run, error = %illegal, "a run is held by its definition's defect");
                        slot.broken = Some(illegal.to_string());
                    }
                }
            }
        }
        slot.waiting.extend(again);
        if batch.events.is_empty() {
            return self.list_if_quiet(run);
        }
        let events = batch.events;
        let expected = live.run.at().version;
        slot.phase = Phase::Appending;
        let library = self.library.clone();
        let append = Append { stream, expected, events: events.clone() };
        self.under_way.push(Box::pin(async move {
            let result = append_one(&library, append).await;
            Done::Appended { run, result, events, accepted }
        }));
    }

    async fn appended(
        &mut self,
        run: RunId,
        first: Sequence,
        events: Vec<PendingEvent>,
        accepted: Vec<Accepted>,
    ) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        slot.phase = Phase::Ready;
        let Some(live) = &mut slot.live else { return };
        let before = live.run.at();
        for (sequence, event) in (first.0..).map(Sequence).zip(&events) {
            let at = live.run.at();
            let event = event.clone().into_event(sequence, at.version.next(), at.sequence);
            if let Err(illegal) = live.run.evolve(&*live.workflow, &event) {
                tracing::error!(%run, error = %illegal, "BUG: a durable event does not replay");
                slot.broken = Some(illegal.to_string());
            }
        }
        self.acknowledged.raise(Sequence(first.0 + (events.len() as u64).saturating_sub(1)));
        self.tell_read_model(run, first, &events).await;
        let mut begun = Vec::new();
        let mut ended = Vec::new();
        for Accepted { end, then } in accepted {
            let answer = RunAnswer {
                version: before.version.plus(end),
                sequence: Sequence(first.0 + end.saturating_sub(1)),
            };
            match then {
                Then::Reply(reply) => drop(reply.send(Ok(answer))),
                Then::Own(Step::Attempt { effect, attempt, activity }) => {
                    begun.push((effect, attempt, activity));
                }
                Then::Own(Step::Ended { effect } | Step::Fire(effect)) => ended.push(effect),
            }
        }
        if let Some(slot) = self.slots.get_mut(&run) {
            for effect in ended {
                slot.stepping.remove(&effect);
                slot.attempts.remove(&effect);
            }
        }
        for (effect, attempt, activity) in begun {
            self.start_attempt(run, effect, attempt, activity);
        }
        self.settle(run);
        self.pump(run);
        self.evict().await;
    }

    /// Nothing is known of the run any more; it is read again when someone asks.
    fn append_failed(&mut self, run: RunId, failure: &AppendFailure, accepted: Vec<Accepted>) {
        tracing::error!(%run, error = %failure, "events could not be appended");
        for Accepted { then, .. } in accepted {
            if let Then::Reply(reply) = then {
                let _ = reply.send(Err(failure.clone().into()));
            }
        }
        if let Some(slot) = self.slots.remove(&run) {
            for attempt in slot.attempts.values() {
                attempt.abort();
            }
            for waiting in slot.waiting {
                match waiting {
                    Waiting::Own { .. } => {}
                    waiting => self.enqueue(run, waiting),
                }
            }
        }
    }

    async fn tell_read_model(&mut self, run: RunId, first: Sequence, events: &[PendingEvent]) {
        let Some(live) = self.slots.get(&run).and_then(|slot| slot.live.as_ref()) else { return };
        let Some(project) = self.library.projects.get(live.run.project()) else { return };
        let Some(event) = events.last().map(|event| event.id) else { return };
        let record = record_of(live, &Moment { now: live.run.updated(), project: &project });
        let last = Sequence(first.0 + (events.len() as u64).saturating_sub(1));
        let subject = Subject::Run(Box::new(record));
        self.read_model.tell(Update::Committed { first, last, event, subject }).await;
    }

    /// Sees to what the run's state is owed now.
    fn settle(&mut self, run: RunId) {
        if self.effects == Effects::LeaveAlone {
            return self.list_if_quiet(run);
        }
        let now = self.clock.now();
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &slot.live else { return };
        let due = live.run.due(&*live.workflow);
        slot.working = false;
        let mut wake: Option<Timestamp> = None;
        let mut wake_at = |at: Timestamp| wake = Some(wake.map_or(at, |wake| wake.min(at)));
        slot.attempts.retain(|effect, handle| {
            let wanted = due
                .iter()
                .any(|due| due.effect == *effect && matches!(due.step, DueStep::UnderWay { .. }));
            if !wanted {
                handle.abort();
            }
            wanted
        });
        for due in due {
            let effect = due.effect;
            let own = match due.step {
                DueStep::Fire { at } if at > now => {
                    wake_at(at);
                    continue;
                }
                DueStep::Fire { .. } => {
                    (Action::TimerFired { effect: effect.clone() }, Step::Fire(effect.clone()))
                }
                DueStep::Attempt { not_before: Some(at), .. } if at > now => {
                    slot.working = true;
                    wake_at(at);
                    continue;
                }
                DueStep::Attempt { activity, attempt, .. } => {
                    slot.working = true;
                    let step = Step::Attempt { effect: effect.clone(), attempt, activity };
                    (Action::AttemptStarted { effect: effect.clone(), attempt }, step)
                }
                DueStep::UnderWay { attempt } => {
                    slot.working = true;
                    if slot.attempts.contains_key(&effect) {
                        continue;
                    }
                    let reason = "the engine stopped during the attempt".to_owned();
                    let outcome = Outcome::Unknown { reason };
                    let action = Action::AttemptEnded { effect: effect.clone(), attempt, outcome };
                    (action, Step::Ended { effect: effect.clone() })
                }
            };
            if slot.broken.is_none() && slot.stepping.insert(effect) {
                let (action, step) = own;
                let command = Box::new(own_command(action));
                slot.waiting.push_back(Waiting::Own { command, step });
            }
        }
        self.set_wake(run, wake);
        self.list_if_quiet(run);
    }

    fn set_wake(&mut self, run: RunId, at: Option<Timestamp>) {
        if let Some(before) = self.wake_of.remove(&run) {
            self.wakes.remove(&(before, run));
        }
        if let Some(at) = at {
            self.wake_of.insert(run, at);
            self.wakes.insert((at, run));
        }
    }

    fn wake_due(&mut self) {
        let now = self.clock.now();
        while let Some((at, run)) = self.wakes.first().copied()
            && at <= now
        {
            self.set_wake(run, None);
            if self.slots.contains_key(&run) {
                self.settle(run);
                self.pump(run);
            } else {
                self.load(run);
            }
        }
    }

    fn start_attempt(&mut self, run: RunId, effect: EffectId, attempt: u32, activity: Activity) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &slot.live else { return };
        slot.stepping.remove(&effect);
        let attempt = Attempt {
            run,
            project: live.run.project().clone(),
            idempotency_key: format!("{run}/{effect}"),
            effect: effect.clone(),
            attempt,
            activity: activity.name,
            input: activity.input,
            timeout: activity.timeout,
        };
        let handler = self.handlers.get(&attempt.activity).cloned();
        slot.attempts.insert(effect, self.attempts.spawn(perform(handler, attempt)));
    }

    fn attempt_ended(&mut self, end: AttemptEnd) {
        let AttemptEnd { run, effect, attempt, outcome } = end;
        let Some(slot) = self.slots.get_mut(&run) else { return };
        if !slot.attempts.contains_key(&effect) {
            return;
        }
        let action = Action::AttemptEnded { effect: effect.clone(), attempt, outcome };
        let command = Box::new(own_command(action));
        slot.waiting.push_back(Waiting::Own { command, step: Step::Ended { effect } });
        self.pump(run);
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
                continue;
            }
            if at.version.0.saturating_sub(slot.snapshot.0) >= SNAPSHOT_EVENTS_MIN {
                match live.run.snapshot(&*live.workflow) {
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
        if self.idlers.is_empty() || !self.under_way.is_empty() || !self.attempts.is_empty() {
            return;
        }
        if self.slots.values().all(Slot::is_quiet) {
            let next = self.wakes.first().map(|(at, _)| *at);
            for idler in self.idlers.drain(..) {
                let _ = idler.send(next);
            }
        }
    }
}

/// The commands of one append, decided one after the other.
struct Batch<'a> {
    run: Run,
    workflow: &'a dyn DynWorkflow,
    events: Vec<PendingEvent>,
}

impl Batch<'_> {
    fn decide(
        &mut self,
        stream: &StreamId,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<(), DecideFailure> {
        let decided = self.run.decide(self.workflow, command, at)?;
        for event in pending(stream, command, at.now, decided) {
            // Where the events will stand in the whole log is known only when they are there;
            // nothing that a decision looks at depends on it.
            let version = self.run.at().version.next();
            let placed = event.clone().into_event(Sequence::ZERO, version, Sequence::ZERO);
            self.run.evolve(self.workflow, &placed)?;
            self.events.push(event);
        }
        Ok(())
    }
}

async fn append_one(library: &Library, append: Append) -> Result<Sequence, AppendFailure> {
    Ok(library.log.append(vec![append]).await?.first().copied().unwrap_or_default())
}

/// The answer to a submission whose run exists: the first one's, if it is the same.
fn answer_again(run: &Run, begin: &Begin) -> Result<RunAnswer, CommandFailure> {
    let same = run.project() == &begin.project
        && run.definition() == &begin.definition
        && run.input() == &begin.input
        && run.requester() == &begin.command.actor;
    match run.answer_to(begin.command.id) {
        Some(answer) if same => Ok(answer),
        _ => Err(Refusal::new(
            RefusalCode::CommandIdReused,
            format!("the command id {} was used before, for another submission", begin.command.id),
        )
        .needs("make a new id for a new submission")
        .into()),
    }
}

fn own_command(action: Action) -> Command {
    Command {
        id: CommandId::from_uuid(uuid::Uuid::now_v7()),
        actor: Actor::Engine,
        auth: Authentication::engine(),
        trace: None,
        action,
    }
}

fn pending(
    stream: &StreamId,
    command: &Command,
    time: Timestamp,
    decided: Vec<NewEvent>,
) -> Vec<PendingEvent> {
    let event = |NewEvent { kind, data }: NewEvent| PendingEvent {
        id: new_event_id(),
        source: stream.project.clone(),
        subject: stream.run,
        kind,
        time,
        actor: command.actor.clone(),
        auth: command.auth.clone(),
        cause: command.id,
        trace: command.trace.clone(),
        definition: None,
        data,
    };
    decided.into_iter().map(event).collect()
}

/// What the read model keeps of a run.
pub(crate) fn record_of(live: &LiveRun, at: &Moment<'_>) -> RunRecord {
    let view = live.run.view(&*live.workflow, at);
    let mut wake_at: Option<Timestamp> = None;
    let mut working = false;
    for due in live.run.due(&*live.workflow) {
        let at = match due.step {
            DueStep::Fire { at } => Some(at),
            DueStep::Attempt { not_before, .. } => {
                working = true;
                not_before
            }
            DueStep::UnderWay { .. } => {
                working = true;
                None
            }
        };
        wake_at = [wake_at, at].into_iter().flatten().min();
    }
    let row = RunRow::of(0, &live.run, &*live.workflow, view.title, view.state);
    RunRecord { row, wake_at, working }
}

/// Does an attempt, within its time.
async fn perform(handler: Option<Arc<dyn ActivityHandler>>, attempt: Attempt) -> AttemptEnd {
    let (run, effect, number) = (attempt.run, attempt.effect.clone(), attempt.attempt);
    let timeout = attempt.timeout;
    let outcome = match handler {
        None => Outcome::Failed {
            error: format!("no activity `{}` is configured here", attempt.activity),
            retryable: false,
        },
        Some(handler) => {
            let work = AssertUnwindSafe(handler.attempt(attempt)).catch_unwind();
            match tokio::time::timeout(timeout.unsigned_abs(), work).await {
                Ok(Ok(Outcome::Completed(output))) if is_too_large(&output) => Outcome::Failed {
                    error: format!("the output is larger than {PAYLOAD_BYTES_MAX} bytes"),
                    retryable: false,
                },
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => {
                    Outcome::Failed { error: "the activity panicked".to_owned(), retryable: false }
                }
                Err(_) => Outcome::Failed {
                    error: format!("no answer within {timeout:#}"),
                    retryable: true,
                },
            }
        }
    };
    AttemptEnd { run, effect, attempt: number, outcome }
}

/// The type of a run's first event.
pub(crate) const RUN_STARTED: EventType = EventType::from_static("holdpoint.run.started");
