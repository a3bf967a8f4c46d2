//! Reading events: blocks by their first event, streams backwards by their events' `previous`.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use holdpoint_core::event::{Sequence, StreamId, Version};
use holdpoint_log::{ReadFailure, Record, numbering::StreamHead};
use lru::LruCache;

use crate::{
    block::{self, Block},
    log::Shared,
    scan,
    store::StoreFailure,
};

/// How many blocks are kept in memory after they were read: with blocks of the usual size, 16 MB.
const BLOCKS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");
/// Blocks with more bytes of events than this are not kept.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The blocks that were read last, by their first event.
#[derive(Debug)]
pub(crate) struct Cache(Mutex<LruCache<Sequence, Arc<Block>>>);

impl Cache {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(BLOCKS_MAX)))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Sequence, Arc<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn damaged(sequence: Sequence, reason: impl Into<String>) -> ReadFailure {
    ReadFailure::Damaged { sequence: Some(sequence), reason: reason.into() }
}

impl Shared {
    /// The events after `after`, as [`EventLog::read`](holdpoint_log::EventLog::read) says.
    pub(crate) fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        let end = self.head().sequence;
        let mut records = Vec::new();
        let mut at = after.next();
        while at <= end && records.len() < limit {
            let block = self.block_with(at)?;
            let wanted = block.records.iter().filter(|record| record.sequence >= at);
            records.extend(wanted.take(limit - records.len()).cloned());
            at = block.last_sequence().next();
        }
        Ok(records)
    }

    /// The stream's events after `after`, as
    /// [`EventLog::read_stream`](holdpoint_log::EventLog::read_stream) says.
    pub(crate) fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
        let mut records = VecDeque::new();
        let StreamHead { mut version, sequence: mut at } = self.stream_head(stream);
        while version > after {
            let block = self.block_with(at)?;
            let record = block.records.iter().find(|record| record.sequence == at);
            let record = record.ok_or_else(|| damaged(at, "it is missing"))?;
            let (found, its_version, previous) =
                scan::place(record).map_err(|reason| damaged(at, reason))?;
            if (&found, its_version) != (stream, version) {
                let reason = format!(
                    "it is version {its_version} of `{found}`, not version {version} of `{stream}`"
                );
                return Err(damaged(at, reason));
            }
            records.push_front(record.clone());
            // The way goes from the last event to the first, and the first ones are wanted.
            records.truncate(limit);
            version = Version(version.0 - 1);
            at = previous;
        }
        Ok(records.into())
    }

    /// The block that has the event `sequence`, which must be in the log.
    fn block_with(&self, sequence: Sequence) -> Result<Arc<Block>, ReadFailure> {
        let failed = |failure| match failure {
            StoreFailure::Damaged(reason) => damaged(sequence, reason),
            StoreFailure::Failed(reason) => ReadFailure::Unreadable { reason },
        };
        let first = self.store.block_first(sequence).map_err(failed)?;
        if let Some(block) = self.cache.lock().get(&first) {
            return whole(sequence, first, Arc::clone(block));
        }
        let bytes = self.store.block_bytes(first).map_err(failed)?;
        let block = block::decode(&bytes).map_err(|reason| damaged(sequence, reason))?;
        let block = whole(sequence, first, Arc::new(block))?;
        let kept: usize = block.records.iter().map(|record| record.bytes.len()).sum();
        if kept <= KEPT_BYTES_MAX {
            self.cache.lock().put(first, Arc::clone(&block));
        }
        Ok(block)
    }
}

/// Checks that a block begins with `first` and has the event `sequence`.
fn whole(
    sequence: Sequence,
    first: Sequence,
    block: Arc<Block>,
) -> Result<Arc<Block>, ReadFailure> {
    if block.header.first != first {
        Err(damaged(sequence, format!("its block says that it begins with {}", block.header.first)))
    } else if block.last_sequence() < sequence {
        Err(damaged(sequence, "it is missing"))
    } else {
        Ok(block)
    }
}
