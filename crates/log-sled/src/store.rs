//! sled, with syncs that reach the disk and without panics that reach the caller.
//!
//! On Linux sled's `flush` only starts the writing (`sync_file_range`). What makes a commit
//! durable is `fdatasync` on a file handle of our own, which is kept open for as long as sled is:
//! the kernel reports a failed write-back once to each handle. A failed sync is never retried.

use std::{
    fs::{File, TryLockError},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use holdpoint_core::event::Sequence;
use sled::{Batch, Db, IVec, Mode};

use crate::{
    block::{self, Piece},
    directory::open_file,
    watch::Watch,
};

/// How many bytes are written between two syncs at most: sled overwrites freed segments in
/// place, and a segment must not be freed and overwritten within what one crash can undo.
pub(crate) const SYNC_BYTES_MAX: usize = 128 * 1024;

/// How many bytes of its file sled keeps in memory; the process needs 3 to 6 times as much.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// How long an opening waits for the threads of a log that this process closed just before.
pub(crate) const LEFTOVER_WAIT_MAX: Duration = Duration::from_secs(10);

/// An entry of the tree.
pub(crate) type Entry = (IVec, IVec);

/// Why sled could not do as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreFailure {
    /// Stored bytes are not what was written.
    #[error("{0}")]
    Damaged(String),
    /// The operating system answered with an error.
    #[error("{0}")]
    Failed(String),
}

/// sled, open.
#[derive(Debug)]
pub(crate) struct Store {
    /// Absent only while it is being closed.
    db: Option<Db>,
    /// Absent only while it is being closed.
    watch: Option<Watch>,
    synced: File,
}

impl Store {
    /// Opens sled in the directory `path`, making it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreFailure> {
        let config = sled::Config::new()
            .path(path)
            .mode(Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let started = Instant::now();
        let db = loop {
            match guarded(|| config.open()) {
                Ok(db) => break db,
                // Nobody else had it when the log's opening began, see `is_let_go`.
                Err(StoreFailure::Failed(reason))
                    if reason.contains("could not acquire lock")
                        && started.elapsed() < LEFTOVER_WAIT_MAX =>
                {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(failure) => return Err(failure),
            }
        };
        let synced = File::options().read(true).write(true).open(path.join("db"));
        let synced = synced.map_err(|error| StoreFailure::Failed(error.to_string()))?;
        let watch = Watch::start(db.clone());
        let watch = watch.map_err(|error| StoreFailure::Failed(error.to_string()))?;
        Ok(Self { db: Some(db), watch: Some(watch), synced })
    }

    /// Whether there was something to open.
    pub(crate) fn was_recovered(&self) -> bool {
        self.db.as_ref().is_some_and(Db::was_recovered)
    }

    fn call<T>(&self, call: impl FnOnce(&Db) -> sled::Result<T>) -> Result<T, StoreFailure> {
        let db = self.db.as_ref().ok_or_else(|| StoreFailure::Failed("it is closed".to_owned()))?;
        guarded(|| call(db))
    }

    /// Has entries written, in this order. They are durable after [`Store::sync_written`]; after a
    /// crash before that some of the first of them may be there. With more bytes than may be
    /// written between two syncs this syncs itself, so nothing else may be syncing then.
    ///
    /// They are no batch of sled's, which would be there as a whole or not at all: a batch costs a
    /// write of its own, which is waited for, and the log tells commits that are incomplete anyway.
    pub(crate) fn write(&self, entries: Vec<Piece>) -> Result<(), StoreFailure> {
        let mut bytes = 0;
        for (key, value) in entries {
            if bytes + value.len() > SYNC_BYTES_MAX {
                self.sync()?;
                bytes = 0;
            }
            bytes += value.len();
            self.call(|db| db.insert(key, value))?;
        }
        self.flush()
    }

    /// Removes entries durably, all or none.
    pub(crate) fn remove(&self, keys: Vec<IVec>) -> Result<(), StoreFailure> {
        let mut batch = Batch::default();
        keys.into_iter().for_each(|key| batch.remove(key));
        self.call(|db| db.apply_batch(batch))?;
        self.sync()
    }

    /// Makes everything durable.
    pub(crate) fn sync(&self) -> Result<(), StoreFailure> {
        self.flush()?;
        self.sync_written()
    }

    /// Makes everything durable that was written. Only one thread may do so at a time: a failure is
    /// told only once.
    pub(crate) fn sync_written(&self) -> Result<(), StoreFailure> {
        self.synced.sync_data().map_err(|error| StoreFailure::Failed(error.to_string()))
    }

    /// Has sled write what it holds back.
    fn flush(&self) -> Result<(), StoreFailure> {
        let flush = || self.call(|db| db.flush());
        match &self.watch {
            Some(watch) => watch.over(flush)?,
            None => flush()?,
        };
        Ok(())
    }

    /// Gives every entry to `visit`, in the order of the keys, until it fails.
    pub(crate) fn for_each<E: From<StoreFailure>>(
        &self,
        mut visit: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut entries = self.call(|db| Ok(db.iter()))?;
        while let Some(entry) = self.call(|_| entries.next().transpose())? {
            visit(entry)?;
        }
        Ok(())
    }

    /// The first event of the last block that begins at or before the event `sequence`.
    pub(crate) fn block_first(&self, sequence: Sequence) -> Result<Option<Sequence>, StoreFailure> {
        let beyond = block::key(sequence.next(), 0);
        let found = self.call(|db| db.get_lt(beyond))?;
        Ok(found.and_then(|(key, _)| block::parse_key(&key)).map(|(first, _)| first))
    }

    /// The bytes of the block that begins with the event `first`, as far as they are there.
    pub(crate) fn block_bytes(&self, first: Sequence) -> Result<Vec<u8>, StoreFailure> {
        let mut bytes = Vec::new();
        let keys = block::key(first, 0)..=block::key(first, u16::MAX);
        let mut entries = self.call(|db| Ok(db.range(keys)))?;
        while let Some((_, value)) = self.call(|_| entries.next().transpose())? {
            bytes.extend_from_slice(&value);
        }
        Ok(bytes)
    }

    /// Puts another file in place of the one that is synced, so that the next sync fails.
    #[cfg(test)]
    pub(crate) fn break_sync(&mut self) {
        // `fdatasync` refuses devices that store nothing.
        self.synced = File::open("/dev/null").unwrap();
    }

    /// Changes what is stored behind the log's back.
    #[cfg(test)]
    pub(crate) fn tamper(&self, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
        let db = self.db.as_ref().unwrap();
        let mut value = db.get(key).unwrap().unwrap().to_vec();
        change(&mut value);
        db.insert(key, value).unwrap();
    }
}

/// Whether nobody has sled open in the directory `path`, or lets it go within `patience`. Nothing is done to the
/// files, and nothing may be as long as somebody has them, whatever other locks say.
pub(crate) fn is_let_go(path: &Path, patience: Duration) -> bool {
    // What cannot be opened here is not opened by others either, or found by the checks.
    let Ok(db) = open_file(&path.join("db"), File::options().read(true)) else { return true };
    let started = Instant::now();
    while let Err(TryLockError::WouldBlock) = db.try_lock() {
        if started.elapsed() >= patience {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    // A child that is just being started has a copy of the handle.
    let _ = db.unlock();
    true
}

impl Drop for Store {
    fn drop(&mut self) {
        // It has sled open as well.
        drop(self.watch.take());
        // sled panics when its last sync fails. Everything acknowledged has been synced before.
        if let Some(db) = self.db.take()
            && catch_unwind(AssertUnwindSafe(|| drop(db))).is_err()
        {
            tracing::error!("sled failed when it was closed; nothing acknowledged depends on it");
        }
    }
}

/// Calls sled, which panics on some kinds of damage.
pub(crate) fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreFailure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(StoreFailure::Failed(error.to_string())),
        Ok(Err(error)) => {
            tracing::debug!(%error, "sled refused its file");
            Err(StoreFailure::Damaged("sled found bytes that it did not write".to_owned()))
        }
        Err(_) => Err(StoreFailure::Damaged("sled cannot make sense of its file".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_open_is_not_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("one"), dir.path().join("other"));
        let store = Store::open(&path).unwrap();
        drop(Store::open(&other).unwrap());
        assert!(!is_let_go(&path, Duration::ZERO));
        drop(store);
        for path in [path, other, dir.path().join("missing")] {
            assert!(is_let_go(&path, Duration::from_secs(600)), "{path:?}");
        }
    }
}
