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
use holdpoint_core::{
    Action, Activity, Command, EffectId, IllegalEvent, Moment, Outcome, Run, RunAnswer, RunId,
    Sequence, StreamId, Version,
    event::{EventType, PendingEvent},
    run::{Due, DueStep},
    workflow::DecideFailure,
};
use holdpoint_log::{Append, AppendFailure};
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    activity::{ActivityHandler, Attempt},
    attempting::{AttemptEnd, perform},
    builder::Effects,
    clock::Clock,
    deciding::{Accepted, Batch, Then, answer_again, own_command, pending},
    engine::Acknowledged,
    failure::{CommandFailure, QueryFailure},
    guard::guard,
    load::{Library, LiveRun, Loaded},
    read_model::{ReadModel, Subject, Update},
    slot::{Begin, CommandReply, Phase, QueryReply, Slot, Step, Waiting},
};

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

/// What a shard itself has started and waits for.
enum Done {
    Loaded {
        run: RunId,
        loaded: Result<Option<Box<Loaded>>, QueryFailure>,
    },
    Appended {
        run: RunId,
        result: Result<Sequence, AppendFailure>,
        events: Vec<PendingEvent>,
        accepted: Vec<Accepted>,
    },
    Begun {
        run: RunId,
        result: Result<Sequence, CommandFailure>,
        begin: Box<Begin>,
        events: Vec<PendingEvent>,
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
                let _ = begin.reply.send(Err(failure));
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
        let decided = guard("submit", || Run::submit(definition, &**workflow, command, input, &at));
        let decided = match decided {
            Ok(Ok(decided)) => decided,
            Ok(Err(failure)) => return drop(begin.reply.send(Err(failure.into()))),
            Err(panicked) => {
                return drop(begin.reply.send(Err(CommandFailure::Broken(panicked))));
            }
        };
        let stream = StreamId { project: begin.project.clone(), run: Some(run) };
        let mut events = pending(&stream, &begin.command, Some(begin.request), now, decided);
        if let Some(first) = events.first_mut() {
            first.definition = Some(begin.definition.digest);
        }
        let append = Append { stream, expected: Version::ZERO, events: events.clone() };
        self.slots.insert(run, Slot::new(Phase::Appending));
        let (library, read_model) = (self.library.clone(), self.read_model.clone());
        self.under_way.push(Box::pin(async move {
            // The log tells a second run of the same stream; only the read model can tell a run
            // of another project with the same id.
            match read_model.locate(run).await {
                Ok(Some(_)) => return Done::Known { run, begin },
                Ok(None) => {}
                Err(failure) => {
                    return Done::Begun { run, result: Err(failure.into()), begin, events };
                }
            }
            match append_one(&library, append).await {
                Err(AppendFailure::Conflict { .. }) => Done::Known { run, begin },
                result => Done::Begun { run, result: result.map_err(Into::into), begin, events },
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
        let mut failed = None;
        let mut at = RunAnswer { version: Version::ZERO, sequence: Sequence::ZERO };
        for (sequence, event) in (first.0..).map(Sequence).zip(&events) {
            let event = event.clone().into_event(sequence, at.version.next(), at.sequence);
            at = RunAnswer { version: event.version, sequence };
            let added = match &mut live {
                _ if failed.is_some() => Ok(()),
                Some(live) => live.evolve(&event),
                None => LiveRun::begin(Arc::clone(&begin.workflow), &event)
                    .map(|begun| live = Some(begun)),
            };
            failed = failed.or(added.err());
        }
        if let Some(illegal) = failed {
            tracing::error!(%run, error = %illegal, "BUG: a durable event does not replay");
            self.tell_read_model(run, first, &events).await;
            self.acknowledged.raise(at.sequence);
            let _ = begin.reply.send(Err(CommandFailure::Broken(illegal)));
            return self.give_up(run, &QueryFailure::NoSuchRun(run));
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
        self.evict().await;
    }

    /// Decides what waits for a run, if it can decide now, into one append.
    fn pump(&mut self, run: RunId) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let (Phase::Ready, Some(live)) = (slot.phase, &mut slot.live) else { return };
        let stream = StreamId { project: live.run.project().clone(), run: Some(run) };
        let Some(project) = self.library.projects.get(&stream.project) else { return };
        let now = self.clock.now().max(live.run.updated());
        let at = Moment { now, project: &project };
        let mut batch = Batch::new(stream, live.clone(), slot.alone > 0);
        let mut again = VecDeque::new();
        let mut refused = false;
        while !batch.is_full()
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
                    match live.run.answer_to(&command) {
                        Ok(None) => {}
                        Ok(Some(answer)) => {
                            let _ = reply.send(Ok(answer));
                            continue;
                        }
                        Err(refusal) => {
                            let _ = reply.send(Err(refusal.into()));
                            continue;
                        }
                    }
                    if !matches!(batch.live.run.answer_to(&command), Ok(None)) {
                        // The id a second time in one batch: answered when the first is durable.
                        again.push_back(Waiting::Command { command, reply });
                        continue;
                    }
                    (command, Then::Reply(reply))
                }
                Waiting::Own { step: Step::Attempt { effect, .. }, .. }
                    if self.effects == Effects::LeaveAlone =>
                {
                    // Nobody would do the work any more.
                    slot.stepping.remove(&effect);
                    continue;
                }
                Waiting::Own { command, step } => (command, Then::Own(step)),
            };
            let decided = match &live.broken {
                Some(reason) => Err(IllegalEvent::new("run", reason.clone()).into()),
                None => batch.decide(&command, &at),
            };
            let spoilt = matches!(decided, Err(DecideFailure::Broken(_)));
            match (decided, then) {
                (Ok(()), Then::Reply(reply)) if batch.events.is_empty() => {
                    let _ = reply.send(Ok(live.run.at()));
                }
                (Ok(()), then) => {
                    let end = batch.events.len() as u64;
                    batch.accepted.push(Accepted { end, command, then });
                }
                (Err(failure), Then::Reply(reply)) => drop(reply.send(Err(failure.into()))),
                (Err(failure), Then::Own(step)) => {
                    slot.stepping.remove(step.effect());
                    slot.attempts.remove(step.effect());
                    match failure {
                        DecideFailure::Broken(illegal) => {
                            tracing::error!(%run, error = %illegal, "a run is held by its definition's defect");
                            live.broken = Some(illegal.to_string());
                        }
                        DecideFailure::Refused(_) => {
                            slot.refused.insert(step.effect().clone());
                            refused = true;
                        }
                    }
                }
            }
            if spoilt && batch.events.is_empty() {
                batch.live = live.clone();
            } else if spoilt {
                break;
            }
        }
        slot.waiting.extend(again);
        if batch.events.is_empty() {
            if refused {
                // By this very clock: one that was set back makes a timer due later again.
                self.settle_at(run, now);
                if self.slots.get(&run).is_some_and(|slot| !slot.waiting.is_empty()) {
                    self.pump(run);
                }
            }
            return self.list_if_quiet(run);
        }
        let Batch { stream, events, accepted, .. } = batch;
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
        slot.refused.clear();
        slot.reloads = 0;
        slot.alone = slot.alone.saturating_sub(accepted.len());
        let Some(live) = &mut slot.live else { return };
        let before = live.run.at();
        for (sequence, event) in (first.0..).map(Sequence).zip(&events) {
            let at = live.run.at();
            let event = event.clone().into_event(sequence, at.version.next(), at.sequence);
            if let Err(illegal) = live.evolve(&event) {
                tracing::error!(%run, error = %illegal, "BUG: a durable event does not replay");
                live.broken = Some(illegal.to_string());
                break;
            }
        }
        self.acknowledged.raise(Sequence(first.0 + (events.len() as u64).saturating_sub(1)));
        self.tell_read_model(run, first, &events).await;
        let mut begun = Vec::new();
        let mut ended = Vec::new();
        for Accepted { end, then, .. } in accepted {
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
            // A later command of the same append may have abandoned it, or the engine is leaving.
            if self.effects == Effects::Perform && self.is_under_way(run, &effect, attempt) {
                self.start_attempt(run, effect, attempt, activity);
            } else if let Some(slot) = self.slots.get_mut(&run) {
                slot.stepping.remove(&effect);
            }
        }
        self.settle(run);
        self.pump(run);
        self.evict().await;
    }

    fn is_under_way(&self, run: RunId, effect: &EffectId, attempt: u32) -> bool {
        let live = self.slots.get(&run).and_then(|slot| slot.live.as_ref());
        let due = live.and_then(|live| live.due().ok()).unwrap_or_default();
        due.contains(&Due { effect: effect.clone(), step: DueStep::UnderWay { attempt } })
    }

    fn append_failed(&mut self, run: RunId, failure: &AppendFailure, accepted: Vec<Accepted>) {
        tracing::error!(%run, error = %failure, "events could not be appended");
        if matches!(failure, AppendFailure::Unacceptable { .. }) {
            return self.not_acceptable(run, failure, accepted);
        }
        for Accepted { then, .. } in accepted {
            if let Then::Reply(reply) = then {
                let _ = reply.send(Err(failure.clone().into()));
            }
        }
        // Nothing is known of the run any more: it is read again, at once if the log still takes
        // what it is owed.
        let Some(slot) = self.slots.remove(&run) else { return };
        for attempt in slot.attempts.values() {
            attempt.abort();
        }
        if self.effects == Effects::Perform && !matches!(failure, AppendFailure::Poisoned { .. }) {
            self.load(run);
        }
        for waiting in slot.waiting {
            match waiting {
                Waiting::Own { .. } => {}
                waiting => self.enqueue(run, waiting),
            }
        }
        if let Some(again) = self.slots.get_mut(&run) {
            again.reloads = slot.reloads.saturating_add(1);
        }
    }

    /// Nothing was appended, and the state is what it was. Of several commands each is then tried
    /// alone, so that the one that cannot be kept does not take the others with it.
    fn not_acceptable(&mut self, run: RunId, failure: &AppendFailure, accepted: Vec<Accepted>) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        slot.phase = Phase::Ready;
        let several = accepted.len() > 1;
        if several {
            slot.alone = accepted.len();
        } else {
            slot.alone = slot.alone.saturating_sub(1);
        }
        for Accepted { command, then, .. } in accepted.into_iter().rev() {
            match then {
                Then::Reply(reply) if several => {
                    slot.waiting.push_front(Waiting::Command { command, reply });
                }
                Then::Own(step) if several => {
                    slot.waiting.push_front(Waiting::Own { command, step });
                }
                Then::Reply(reply) => drop(reply.send(Err(failure.clone().into()))),
                Then::Own(step) => {
                    slot.stepping.remove(step.effect());
                    slot.attempts.remove(step.effect());
                    if let Some(live) = &mut slot.live {
                        // It would fail again for ever, and do the work again each time.
                        live.broken = Some(format!("a step of its own cannot be kept: {failure}"));
                    }
                }
            }
        }
        self.settle(run);
        self.pump(run);
    }

    /// Tells of durable events, whatever they are: everyone who asks waits for them.
    async fn tell_read_model(&mut self, run: RunId, first: Sequence, events: &[PendingEvent]) {
        let Some(event) = events.last() else { return };
        let live = self.slots.get(&run).and_then(|slot| slot.live.as_ref());
        let project = self.library.projects.get(&event.source);
        let subject = match (live, project) {
            (Some(live), Some(project)) => {
                let at = Moment { now: live.run.updated(), project: &project };
                Subject::Run(Box::new(live.record(&at)))
            }
            _ => Subject::Unreadable,
        };
        let last = Sequence(first.0 + (events.len() as u64).saturating_sub(1));
        let event = event.id;
        self.read_model.tell(Update::Committed { first, last, event, subject }).await;
    }

    /// Sees to what the run's state is owed now.
    fn settle(&mut self, run: RunId) {
        self.settle_at(run, self.clock.now());
    }

    fn settle_at(&mut self, run: RunId, now: Timestamp) {
        if self.effects == Effects::LeaveAlone {
            return self.list_if_quiet(run);
        }
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &mut slot.live else { return };
        let due = live.due().unwrap_or_else(|illegal| {
            tracing::error!(%run, error = %illegal, "a run is held by its definition's defect");
            live.broken = Some(illegal.to_string());
            Vec::new()
        });
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
            if live.broken.is_none()
                && !slot.refused.contains(&effect)
                && slot.stepping.insert(effect)
            {
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
            if let Some(slot) = self.slots.get_mut(&run) {
                slot.refused.clear();
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
        if self.idlers.is_empty() || !self.under_way.is_empty() || !self.attempts.is_empty() {
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

async fn append_one(library: &Library, append: Append) -> Result<Sequence, AppendFailure> {
    Ok(library.log.append(vec![append]).await?.first().copied().unwrap_or_default())
}

/// The type of a run's first event.
pub(crate) const RUN_STARTED: EventType = EventType::from_static("holdpoint.run.started");
