//! Looking after sled's flushes.
//!
//! When a write fails in one of sled's own threads, sled notes the error but does not always wake
//! the flush that waits for the write, which then waits for ever. A flush that begins later sees
//! the error and wakes all others; so, when one takes long, another is begun.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use sled::Db;

use crate::store::guarded;

/// How long a flush takes at least when it is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A thread that looks after the flushes of one sled.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Counts their beginnings and their ends: odd while there is one.
    flushes: Arc<AtomicU64>,
    /// Dropped when the thread is to end.
    closing: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(db: Db) -> io::Result<Self> {
        let flushes = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&flushes);
        let (closing, closed) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("holdpoint-watch".to_owned())
            .spawn(move || watch(&db, &counted, &closed))?;
        Ok(Self { flushes, closing: Some(closing), thread: Some(thread) })
    }

    /// Makes a flush that is looked after. It must not panic, and only one is made at a time.
    pub(crate) fn over<T>(&self, flush: impl FnOnce() -> T) -> T {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        let flushed = flush();
        self.flushes.fetch_add(1, Ordering::Relaxed);
        flushed
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.closing.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that looks after sled panicked");
        }
    }
}

fn watch(db: &Db, flushes: &AtomicU64, closed: &Receiver<()>) {
    let (mut seen, mut looks) = (0, 0_u32);
    while closed.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        let now = flushes.load(Ordering::Relaxed);
        if now.is_multiple_of(2) || now != seen {
            (seen, looks) = (now, 0);
            continue;
        }
        looks += 1;
        // The disk may be slow and nothing wrong, and what is begun waits too: so less and less
        // often. A later one is still needed: the error may come when all are waiting.
        if looks.is_power_of_two() {
            tracing::warn!(seconds = looks, "writing to the disk takes long");
            let db = db.clone();
            let begun = thread::Builder::new()
                .name("holdpoint-flush".to_owned())
                .spawn(move || guarded(|| db.flush()));
            if let Err(error) = begun {
                tracing::warn!(%error, "no thread could be started to look after sled");
            }
        }
    }
}
