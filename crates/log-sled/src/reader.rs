//! Reading events: by their sequence, and streams backwards by their events' `previous`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use holdpoint_core::event::{Sequence, StreamId, Version};
use holdpoint_log::{ReadFailure, Record, numbering::StreamHead};
use lru::LruCache;

use crate::{
    block,
    log::Shared,
    parts::{Part, Parts},
    scan,
    segment::SegmentFailure,
    store::StoreFailure,
    tail::Tail,
};

/// How many bytes of events are kept in memory after they were read.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Consecutive events that were read together: a block of a tail, or a frame of a segment.
type Run = Arc<[Record]>;

/// Which events were read together. The same event can begin a block and several frames, of
/// different lengths: segments are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A frame, by its first and last event.
    Frame(Sequence, Sequence),
    /// A block, by its first event.
    Block(Sequence),
}

/// The events that were read last.
#[derive(Debug)]
pub(crate) struct Cache(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    runs: LruCache<Key, Run>,
    bytes: usize,
}

fn bytes_of(records: &[Record]) -> usize {
    records.iter().map(|record| record.bytes.len() + size_of::<Record>()).sum()
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Kept { runs: LruCache::unbounded(), bytes: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: Key) -> Option<Run> {
        self.lock().runs.get(&key).cloned()
    }

    fn put(&self, key: Key, run: &Run) {
        let mut kept = self.lock();
        kept.bytes += bytes_of(run);
        if let Some((_, replaced)) = kept.runs.push(key, Arc::clone(run)) {
            kept.bytes -= bytes_of(&replaced);
        }
        while kept.bytes > KEPT_BYTES_MAX
            && let Some((_, oldest)) = kept.runs.pop_lru()
        {
            kept.bytes -= bytes_of(&oldest);
        }
    }
}

fn damaged(sequence: Sequence, reason: impl Into<String>) -> ReadFailure {
    ReadFailure::Damaged { sequence: Some(sequence), reason: reason.into() }
}

/// What a segment's failure means to a reader of the event `sequence`, where it is one that is read.
fn sealed_failure(sequence: Option<Sequence>, failure: SegmentFailure) -> ReadFailure {
    match failure {
        SegmentFailure::Damaged(reason) => ReadFailure::Damaged { sequence, reason },
        SegmentFailure::Io(error) => ReadFailure::Unreadable { reason: error.to_string() },
    }
}

impl Shared {
    /// The events after `after`, as [`EventLog::read`](holdpoint_log::EventLog::read) says.
    pub(crate) fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        let (end, parts) = (self.head().sequence, self.parts());
        let mut records = Vec::new();
        let mut at = after.next();
        while at <= end && records.len() < limit {
            let run = self.run_with(&parts, at)?;
            let wanted = run.iter().filter(|record| record.sequence >= at);
            records.extend(wanted.take(limit - records.len()).cloned());
            at = last_of(&run).next();
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
        let parts = self.parts();
        let head = parts.stream_head(stream);
        let StreamHead { mut version, sequence: mut at } =
            head.map_err(|failure| sealed_failure(None, failure))?;
        // Kept here, too: what is too large for the cache would be read anew for each event.
        let mut run: Run = Arc::new([]);
        while version > after {
            if !run.first().is_some_and(|first| (first.sequence..=last_of(&run)).contains(&at)) {
                run = self.run_with(&parts, at)?;
            }
            let record = run.iter().find(|record| record.sequence == at);
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

    /// Checks each segment against its events.
    pub(crate) fn check(&self) -> Result<(), ReadFailure> {
        self.parts().segments.iter().try_for_each(|segment| {
            segment.check().map_err(|failure| {
                sealed_failure(Some(segment.first()), failure.within(segment.path()))
            })
        })
    }

    /// Consecutive events with the event `sequence` among them, which must be in the log.
    fn run_with(&self, parts: &Parts, sequence: Sequence) -> Result<Run, ReadFailure> {
        let kept = |key, read: &dyn Fn() -> Result<Vec<Record>, ReadFailure>| {
            if let Some(run) = self.cache.get(key) {
                return whole(sequence, run);
            }
            let run = whole(sequence, read()?.into())?;
            self.cache.put(key, &run);
            Ok(run)
        };
        match parts.part_of(sequence) {
            Part::Sealed(segment) => {
                let (first, last) = segment.frame_range(sequence);
                kept(Key::Frame(first, last), &|| {
                    segment.records(sequence).map_err(|failure| {
                        sealed_failure(Some(sequence), failure.within(segment.path()))
                    })
                })
            }
            Part::Tails => {
                let (tail, first) = block_with(parts, sequence)?;
                kept(Key::Block(first), &|| read_block(&tail, first, sequence))
            }
        }
    }
}

fn last_of(records: &[Record]) -> Sequence {
    records.last().map_or(Sequence::ZERO, |record| record.sequence)
}

fn tail_failure(sequence: Sequence, failure: StoreFailure) -> ReadFailure {
    match failure {
        StoreFailure::Damaged(reason) => damaged(sequence, reason),
        StoreFailure::Failed(reason) => ReadFailure::Unreadable { reason },
    }
}

/// The tail with the block that has the event `sequence`, and the block's first event: the last
/// tail that begins at or before it.
fn block_with(parts: &Parts, sequence: Sequence) -> Result<(Arc<Tail>, Sequence), ReadFailure> {
    for tail in parts.tails.iter().rev() {
        let first = tail.store.block_first(sequence);
        if let Some(first) = first.map_err(|failure| tail_failure(sequence, failure))? {
            return Ok((Arc::clone(tail), first));
        }
    }
    Err(damaged(sequence, "it is missing"))
}

fn read_block(tail: &Tail, first: Sequence, wanted: Sequence) -> Result<Vec<Record>, ReadFailure> {
    let bytes = tail.store.block_bytes(first).map_err(|failure| tail_failure(wanted, failure))?;
    let block = block::decode(&bytes).map_err(|reason| damaged(wanted, reason))?;
    if block.header.first != first {
        let says = format!("its block says that it begins with {}", block.header.first);
        return Err(damaged(wanted, says));
    }
    Ok(block.records)
}

/// Checks that the event `sequence` is there.
fn whole(sequence: Sequence, run: Run) -> Result<Run, ReadFailure> {
    if last_of(&run) < sequence { Err(damaged(sequence, "it is missing")) } else { Ok(run) }
}
