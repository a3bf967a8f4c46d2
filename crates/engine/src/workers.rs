//! Work that is done elsewhere, by workers that lease attempts: the seam for workers in other
//! languages, which a server will offer to them.
//!
//! An attempt begins, and is recorded, when a worker has asked for it and its turn has come. From then on the
//! worker has it for as long as it says, and says again so that it still does. A lease that runs out
//! has an unknown end, as an engine that died would have. Leases are not kept: a restart of the
//! engine ends them all so, and a worker that says the end of one is told that it has none.
//!
//! Answers can be lost on their way. So who says the same end again is answered as before, and who says
//! anything of a lease that is no more is told why, as far as that is remembered.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use holdpoint_core::{Digest, EffectId, Outcome, RunId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use crate::{
    activity::{ActivityHandler, Attempt},
    clock::Clock,
    failure::LeaseFailure,
    limit_desk::{LimitNews, TellLimits},
    limits::Takes,
};

/// Of how many leases that are no more it is remembered why.
const GONE_MAX: usize = 1024;

/// Names a lease. Whoever knows it can say the attempt's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(Uuid);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LeaseId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// An attempt that a worker has, for a time. As JSON it is all that a worker elsewhere needs.
#[derive(Clone, Debug, Serialize)]
pub struct Lease {
    /// Names the lease, to whoever has it.
    pub id: LeaseId,
    /// What is to be done.
    pub attempt: Attempt,
    /// Until when the worker has it, unless it says that it needs longer.
    pub until: Timestamp,
}

/// What the pool knows of an attempt.
struct Entry {
    /// Who has it, and until when; nobody yet, when `None`.
    leased: Option<(String, Timestamp)>,
    /// That `leased` is another.
    news: Arc<Notify>,
    /// Where its end goes; it has been said, when `None`.
    end: Option<oneshot::Sender<Outcome>>,
    attempt: Attempt,
}

/// An attempt whose end was said.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) run: RunId,
    pub(crate) effect: EffectId,
    pub(crate) attempt: u32,
    /// The digest of what was said.
    said: Digest,
}

/// Why a lease is no more.
enum Gone {
    Ended(Ended),
    RanOut(Timestamp),
    NotWanted,
}

#[derive(Default)]
struct State {
    entries: HashMap<LeaseId, Entry>,
    /// The oldest first.
    gone: VecDeque<(LeaseId, Gone)>,
    /// Attempts that have begun and that nobody has taken: who asked for them has gone.
    ready: HashMap<String, VecDeque<LeaseId>>,
    asking: HashMap<String, VecDeque<oneshot::Sender<LeaseId>>>,
    closed: bool,
}

impl State {
    fn note(&mut self, id: LeaseId, gone: Gone) {
        if self.gone.len() >= GONE_MAX {
            self.gone.pop_front();
        }
        self.gone.push_back((id, gone));
    }

    /// What became of a lease that is no more, for who says this end of it.
    fn became(&self, id: LeaseId, said: Option<Digest>) -> Result<Ended, LeaseFailure> {
        match self.gone.iter().rev().find(|(gone, _)| *gone == id).map(|(_, gone)| gone) {
            Some(Gone::Ended(ended)) if said == Some(ended.said) => Ok(ended.clone()),
            Some(Gone::Ended(_)) => Err(LeaseFailure::Ended),
            Some(Gone::RanOut(at)) => Err(LeaseFailure::RanOut(*at)),
            Some(Gone::NotWanted) => Err(LeaseFailure::NotWanted),
            None => Err(LeaseFailure::NotLeased),
        }
    }
}

/// Attempts that workers have, and workers that ask for some.
pub(crate) struct Pool {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl Pool {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is left half-way by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has everyone who asks go away.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.asking.clear();
    }

    /// Gives an attempt to whoever asked first, or keeps it for who asks next.
    fn offer(&self, queue: &str, id: LeaseId) {
        let mut state = self.state();
        while let Some(asks) = state.asking.get_mut(queue).and_then(VecDeque::pop_front) {
            if asks.send(id).is_ok() {
                return;
            }
        }
        state.ready.entry(queue.to_owned()).or_default().push_back(id);
    }

    /// Waits for an attempt in a queue; `None` when the engine stops.
    pub(crate) async fn lease(
        &self,
        limits: &TellLimits,
        queue: &str,
        worker: &str,
        length: SignedDuration,
    ) -> Option<Lease> {
        loop {
            let mut asking = Asking { pool: self, limits, queue, answer: None };
            let id = match self.ask(queue)? {
                Ok(id) => id,
                Err(answer) => {
                    // The desk ends with the engine, which closes the pool.
                    let _ = limits.send(LimitNews::Offered(queue.to_owned()));
                    let id = asking.answer.insert(answer).await;
                    asking.answer = None;
                    id.ok()?
                }
            };
            let until = self.until(length);
            let mut state = self.state();
            // It may have been given up meanwhile.
            if let Some(entry) = state.entries.get_mut(&id) {
                entry.leased = Some((worker.to_owned(), until));
                entry.news.notify_one();
                return Some(Lease { id, attempt: entry.attempt.clone(), until });
            }
        }
    }

    /// An attempt that is ready, or where one will be said; `None` when the engine has stopped.
    fn ask(&self, queue: &str) -> Option<Result<LeaseId, oneshot::Receiver<LeaseId>>> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        if let Some(id) = state.ready.get_mut(queue).and_then(VecDeque::pop_front) {
            return Some(Ok(id));
        }
        let (asks, answer) = oneshot::channel();
        state.asking.entry(queue.to_owned()).or_default().push_back(asks);
        Some(Err(answer))
    }

    fn until(&self, length: SignedDuration) -> Timestamp {
        self.clock.now().saturating_add(length).unwrap_or(Timestamp::MAX)
    }

    /// Says that a worker still has an attempt, for so long from now.
    pub(crate) fn heartbeat(
        &self,
        id: LeaseId,
        length: SignedDuration,
    ) -> Result<Timestamp, LeaseFailure> {
        let until = self.until(length);
        let mut state = self.state();
        let State { entries, .. } = &mut *state;
        let Some(entry) = entries.get_mut(&id).filter(|entry| entry.end.is_some()) else {
            return Err(state.became(id, None).err().unwrap_or(LeaseFailure::Ended));
        };
        if let Some((_, at)) = &mut entry.leased {
            *at = until;
        }
        entry.attempt.life.beat();
        entry.news.notify_one();
        Ok(until)
    }

    /// Says how an attempt ended; answers with which it was.
    pub(crate) fn end(&self, id: LeaseId, outcome: Outcome) -> Result<Ended, LeaseFailure> {
        let said = Digest::of(format!("{outcome:?}").as_bytes());
        let mut state = self.state();
        let State { entries, .. } = &mut *state;
        let taken =
            entries.get_mut(&id).and_then(|entry| Some((entry.end.take()?, &entry.attempt)));
        let Some((end, Attempt { run, effect, attempt, .. })) = taken else {
            return state.became(id, Some(said));
        };
        let ended = Ended { run: *run, effect: effect.clone(), attempt: *attempt, said };
        if end.send(outcome).is_err() {
            state.note(id, Gone::NotWanted);
            return Err(LeaseFailure::NotWanted);
        }
        state.note(id, Gone::Ended(ended.clone()));
        Ok(ended)
    }
}

/// A worker that asks. When it goes away before it has an answer, it is not counted on any more, and what
/// it was given is for the next.
struct Asking<'a> {
    pool: &'a Pool,
    limits: &'a TellLimits,
    queue: &'a str,
    answer: Option<oneshot::Receiver<LeaseId>>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        answer.close();
        match answer.try_recv() {
            Ok(id) => self.pool.offer(self.queue, id),
            Err(_) => {
                // As above.
                let _ = self.limits.send(LimitNews::Withdrawn(self.queue.to_owned()));
            }
        }
    }
}

/// Has attempts done by workers that lease them from a queue.
pub(crate) struct Leased {
    pub(crate) pool: Arc<Pool>,
    pub(crate) queue: String,
}

/// Forgets an attempt, however it ends.
struct Forget<'a>(&'a Pool, LeaseId);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        // Who has said the end of it, or let it run out, was noted.
        if state.entries.remove(&self.1).is_some_and(|entry| entry.end.is_some()) {
            state.note(self.1, Gone::NotWanted);
        }
    }
}

#[async_trait]
impl ActivityHandler for Leased {
    fn takes(&self, _: &Value) -> Takes {
        Takes { queue: Some(self.queue.clone()), by_worker: true, ..Takes::default() }
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let pool = &*self.pool;
        let id = LeaseId(Uuid::now_v7());
        let (end, mut ended) = oneshot::channel();
        let news = Arc::new(Notify::new());
        let entry = Entry { leased: None, news: Arc::clone(&news), end: Some(end), attempt };
        pool.state().entries.insert(id, entry);
        let _forget = Forget(pool, id);
        pool.offer(&self.queue, id);
        loop {
            let leased = pool.state().entries.get(&id).and_then(|entry| entry.leased.clone());
            let runs_out = async {
                match &leased {
                    Some((_, until)) => pool.clock.sleep_until(*until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What was said in time counts.
                biased;
                outcome = &mut ended => {
                    let reason = "the worker went away".to_owned();
                    return outcome.unwrap_or(Outcome::Unknown { reason });
                }
                () = news.notified() => {}
                () = runs_out => {
                    let mut state = pool.state();
                    let said = state.entries.get_mut(&id).is_none_or(|entry| {
                        entry.leased == leased && entry.end.take().is_some()
                    });
                    if said {
                        let (worker, until) = leased.unwrap_or_default();
                        state.note(id, Gone::RanOut(until));
                        let reason = format!("the lease of the worker `{worker}` ran out at {until}");
                        return Outcome::Unknown { reason };
                    }
                }
            }
        }
    }
}
