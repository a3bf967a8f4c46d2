//! A log in memory, for tests and simulations: it is gone with the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use holdpoint_core::event::{Sequence, StreamId, Version};
use tokio::sync::watch;

use crate::{
    Append, AppendFailure, EventLog, Head, ReadFailure, Record,
    merkle::MerkleTree,
    numbering::{Prepared, StreamHead},
};

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog {
    inner: Mutex<Inner>,
    head: watch::Sender<Sequence>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Record>,
    /// The indexes into `records` of each stream's events.
    streams: HashMap<StreamId, Vec<usize>>,
    tree: MerkleTree,
    fail_next: Option<String>,
    poisoned: Option<String>,
}

impl Inner {
    fn head(&self, stream: &StreamId) -> StreamHead {
        let Some(indexes) = self.streams.get(stream) else { return StreamHead::default() };
        let last = indexes.last().and_then(|index| self.records.get(*index));
        StreamHead {
            version: Version(indexes.len() as u64),
            sequence: last.map_or(Sequence::ZERO, |record| record.sequence),
        }
    }

    fn append(&mut self, prepared: Prepared) -> Result<Vec<Sequence>, AppendFailure> {
        if let Some(reason) = self.fail_next.take() {
            self.poisoned = Some(reason);
        }
        if let Some(reason) = &self.poisoned {
            return Err(AppendFailure::Poisoned { reason: reason.clone() });
        }
        let last = Sequence(self.records.len() as u64);
        let mut records = Vec::new();
        let placed = prepared.place(
            last,
            |stream| Ok(self.head(stream)),
            |sequence, stored| {
                let mut bytes = Vec::with_capacity(stored.size());
                stored.write(&mut bytes);
                records.push(Record { sequence, bytes: bytes.into() });
            },
        )?;
        let mut next = self.records.len();
        for (first, (stream, head)) in placed.firsts.iter().zip(placed.heads) {
            let count = usize::try_from(head.sequence.next().0 - first.0).unwrap_or(usize::MAX);
            let indexes = self.streams.entry(stream).or_default();
            indexes.extend(next..next.saturating_add(count));
            next = next.saturating_add(count);
        }
        records.iter().for_each(|record| self.tree.push(&record.bytes));
        self.records.extend(records);
        Ok(placed.firsts)
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self { inner: Mutex::default(), head: watch::Sender::new(Sequence::ZERO) }
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next append fail as if the disk had, for tests: nothing of it is stored, and
    /// like any log after such a failure this one accepts nothing more.
    pub fn fail_next_append(&self, reason: impl Into<String>) {
        self.lock().fail_next = Some(reason.into());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that runs under the lock panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
        let prepared = Prepared::new(appends)?;
        let mut inner = self.lock();
        let firsts = inner.append(prepared)?;
        // Told under the lock, so that what is told never goes back.
        self.head.send_replace(Sequence(inner.records.len() as u64));
        Ok(firsts)
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
        let inner = self.lock();
        let indexes = inner.streams.get(stream).map(Vec::as_slice).unwrap_or_default();
        let after = usize::try_from(after.0).unwrap_or(usize::MAX);
        let wanted = indexes.iter().skip(after).take(limit);
        Ok(wanted.filter_map(|index| inner.records.get(*index)).cloned().collect())
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        let after = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(self.lock().records.iter().skip(after).take(limit).cloned().collect())
    }

    async fn head(&self) -> Result<Head, ReadFailure> {
        let inner = self.lock();
        Ok(Head { sequence: Sequence(inner.tree.size()), root: inner.tree.root() })
    }

    fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.head.subscribe()
    }
}
