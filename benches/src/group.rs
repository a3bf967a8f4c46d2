//! Group commit, the same for every store: one thread takes whatever was sent while the last
//! transaction was being made durable into the next.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use holdpoint_bench::{BenchFailure, Writer};
use tokio::sync::oneshot;

use crate::{Store, StoreFailure};

/// How many events are in a transaction at most: as many as Holdpoint's own committer takes.
const EVENTS_MAX: usize = 4096;

/// An event that somebody waits for.
struct Request {
    event: Vec<u8>,
    answer: oneshot::Sender<Result<(), String>>,
}

/// A store, and the thread that commits to it.
#[derive(Debug)]
pub struct GroupCommit<S: Store> {
    requests: Sender<Request>,
    thread: JoinHandle<S>,
}

impl<S: Store> GroupCommit<S> {
    /// Opens the store in `directory` and starts its thread.
    ///
    /// # Errors
    /// The store's own, or that there are no more threads.
    pub fn open(directory: &Path) -> Result<Self, StoreFailure> {
        let store = S::open(directory)?;
        let next = store.count()? + 1;
        let (requests, received) = mpsc::channel();
        let thread = thread::Builder::new().name(S::NAME.to_owned());
        let thread = thread.spawn(move || run(store, next, &received))?;
        Ok(Self { requests, thread })
    }

    /// So many writers, each of whom stores one of `events` after the other.
    pub fn writers(&self, events: &Arc<[Vec<u8>]>, writers: u32) -> Vec<impl Writer + use<S>> {
        let writer = |_| Sending {
            requests: self.requests.clone(),
            events: Arc::clone(events),
            sent: 0,
            name: S::NAME,
        };
        (0..writers).map(writer).collect()
    }

    /// Ends the thread, once every writer is gone, and gives the store back.
    ///
    /// # Errors
    /// When the store has panicked.
    pub fn close(self) -> Result<S, StoreFailure> {
        drop(self.requests);
        self.thread.join().map_err(|_| format!("{} has panicked", S::NAME).into())
    }
}

fn run<S: Store>(mut store: S, mut next: u64, received: &Receiver<Request>) -> S {
    while let Ok(first) = received.recv() {
        let waiting = std::iter::once(first).chain(received.try_iter()).take(EVENTS_MAX);
        let (events, answers): (Vec<_>, Vec<_>) =
            waiting.map(|request| (request.event, request.answer)).unzip();
        let committed = store.commit(next, &events).map_err(|failure| failure.to_string());
        if committed.is_ok() {
            next += events.len() as u64;
        }
        for answer in answers {
            // Whoever does not wait any more does not need the answer.
            let _ = answer.send(committed.clone());
        }
    }
    store
}

/// Who sends one event after the other.
struct Sending {
    requests: Sender<Request>,
    events: Arc<[Vec<u8>]>,
    sent: usize,
    name: &'static str,
}

impl Writer for Sending {
    async fn write(&mut self) -> Result<(), BenchFailure> {
        let failed = |reason: String| BenchFailure::Io {
            path: self.name.into(),
            source: io::Error::other(reason),
        };
        let ended = || failed("it has ended".to_owned());
        let event = self.events.get(self.sent % self.events.len().max(1)).cloned();
        let (answer, answered) = oneshot::channel();
        let request = Request { event: event.unwrap_or_default(), answer };
        self.requests.send(request).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?.map_err(failed)?;
        self.sent += 1;
        Ok(())
    }
}
