//! Making a commit durable while the next one is written.
//!
//! What sled has written is not durable yet. The sync that makes it so takes about as long as the
//! writing, and needs no more than the file; so it is made by a second thread while the first goes on
//! with what was sent meanwhile. Where nothing was sent, handing over would only take time.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use holdpoint_core::event::{Sequence, StreamId};
use holdpoint_log::{AppendFailure, Head, numbering::StreamHead};
use tokio::sync::oneshot;

use crate::{
    log::Shared,
    store::StoreFailure,
    tail::{Streams, Tail},
};

pub(crate) type Answer = Result<Vec<Sequence>, AppendFailure>;

/// A commit that is written and not yet durable.
#[derive(Debug)]
pub(crate) struct Written {
    pub tail: Arc<Tail>,
    /// The end of the log with it.
    pub head: Head,
    /// Where the streams end that have events in it.
    pub heads: Arc<Streams>,
    /// The answers are given only when the commit is durable, the refusals too: they may rest on
    /// events that are in the commit, or in the one before.
    pub answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// How many bytes were written for it.
    pub bytes: usize,
}

impl Written {
    /// Makes it visible and gives the answers.
    fn settle(self, shared: &Shared, synced: &Result<(), String>) {
        if synced.is_ok() && !self.heads.is_empty() {
            let heads = self.heads.iter().map(|(stream, head)| (stream.clone(), *head));
            self.tail.streams().extend(heads);
            shared.publish(self.head);
        }
        for (sender, answer) in self.answers {
            let answer = match synced {
                Ok(()) => answer,
                Err(reason) => Err(AppendFailure::Poisoned { reason: reason.clone() }),
            };
            // Whoever does not wait any more does not need the answer.
            let _ = sender.send(answer);
        }
    }

    fn sync(&self) -> Result<(), String> {
        let synced = self.tail.store.sync_written();
        synced.map_err(|failure: StoreFailure| failure.to_string())
    }
}

/// What is known of a commit that the other thread has.
#[derive(Debug)]
struct Unsynced {
    heads: Arc<Streams>,
    bytes: usize,
}

/// The commits that are not durable yet, and the thread that makes them so.
#[derive(Debug)]
pub(crate) struct Syncs {
    shared: Arc<Shared>,
    unsynced: VecDeque<Unsynced>,
    /// Dropped when the thread is to end.
    written: Option<Sender<Written>>,
    /// For each commit that was sent, whether it is durable.
    synced: Receiver<Result<(), String>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncs {
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let (written, waiting) = mpsc::channel();
        let (tell, synced) = mpsc::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("holdpoint-sync".to_owned())
                .spawn(move || run(&shared, &waiting, &tell))?
        };
        let unsynced = VecDeque::new();
        Ok(Self { shared, unsynced, written: Some(written), synced, thread: Some(thread) })
    }

    /// Where a stream ends that was changed by a commit which is not durable yet.
    pub(crate) fn head_of(&self, stream: &StreamId) -> Option<StreamHead> {
        self.unsynced.iter().rev().find_map(|commit| commit.heads.get(stream).copied())
    }

    /// Whether everything is durable.
    pub(crate) fn is_done(&self) -> bool {
        self.unsynced.is_empty()
    }

    /// Waits until at most `commits` commits with at most `bytes` bytes are not durable.
    pub(crate) fn until(&mut self, commits: usize, bytes: usize) -> Result<(), String> {
        let unsynced = |this: &Self| this.unsynced.iter().map(|commit| commit.bytes).sum::<usize>();
        while self.unsynced.len() > commits || unsynced(self) > bytes {
            let ended = |_| "the thread that syncs has ended".to_owned();
            let synced = self.synced.recv().map_err(ended)?;
            // Also when it failed: its result comes only once.
            self.unsynced.pop_front();
            synced?;
        }
        Ok(())
    }

    /// Waits until everything is durable.
    pub(crate) fn until_done(&mut self) -> Result<(), String> {
        self.until(0, 0)
    }

    /// Makes a commit durable and returns then.
    pub(crate) fn sync_now(&mut self, written: Written) -> Result<(), String> {
        let done = self.until_done();
        let synced =
            done.and_then(|()| if written.heads.is_empty() { Ok(()) } else { written.sync() });
        written.settle(&self.shared, &synced);
        synced
    }

    /// Has a commit made durable.
    pub(crate) fn sync_soon(&mut self, written: Written) -> Result<(), String> {
        let ended = || "the thread that syncs has ended".to_owned();
        self.unsynced
            .push_back(Unsynced { heads: Arc::clone(&written.heads), bytes: written.bytes });
        self.written.as_ref().ok_or_else(ended)?.send(written).map_err(|_| ended())
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        drop(self.written.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs panicked");
        }
    }
}

fn run(shared: &Shared, waiting: &Receiver<Written>, tell: &Sender<Result<(), String>>) {
    let mut failed: Option<String> = None;
    while let Ok(first) = waiting.recv() {
        let synced = match &failed {
            // A failed sync is never retried, and nothing after it can be relied upon.
            Some(reason) => Err(reason.clone()),
            None if first.heads.is_empty() => Ok(()),
            None => first.sync(),
        };
        failed = failed.or(synced.as_ref().err().cloned());
        first.settle(shared, &synced);
        if tell.send(synced).is_err() {
            return;
        }
    }
}
