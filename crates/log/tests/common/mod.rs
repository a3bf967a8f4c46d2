//! A log of any bytes, to prove things about.

use async_trait::async_trait;
use holdpoint_core::{Sequence, StreamId, Version};
use holdpoint_log::{
    Append, AppendFailure, EventLog, Head, ReadFailure, Record,
    merkle::{Hash, MerkleTree},
};
use tokio::{runtime::Builder, sync::watch};

/// A log whose entries need not be events, as those of published logs are not. It is only read.
pub(crate) struct Entries(pub(crate) Vec<Record>);

impl Entries {
    pub(crate) fn new(entries: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let entries = (1..).map(Sequence).zip(entries);
        Self(
            entries
                .map(|(sequence, bytes)| Record { sequence, bytes: bytes.into().into() })
                .collect(),
        )
    }

    /// `entry-0`, `entry-1` and so on.
    pub(crate) fn numbered(count: usize) -> Self {
        Self::new((0..count).map(|n| format!("entry-{n}")))
    }

    /// The roots over its first 0, 1, 2 and so on entries.
    pub(crate) fn roots(&self) -> Vec<Hash> {
        let mut tree = MerkleTree::new();
        let mut roots = vec![tree.root()];
        roots.extend(self.0.iter().map(|record| {
            tree.push(&record.bytes);
            tree.root()
        }));
        roots
    }
}

#[async_trait]
impl EventLog for Entries {
    async fn append(&self, _: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
        Err(AppendFailure::Poisoned { reason: "it is only read".to_owned() })
    }

    async fn read_stream(
        &self,
        _: &StreamId,
        _: Version,
        _: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
        Err(ReadFailure::Unreadable { reason: "it has no streams".to_owned() })
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        let after = usize::try_from(after.0).unwrap();
        Ok(self.0.iter().skip(after).take(limit).cloned().collect())
    }

    async fn head(&self) -> Result<Head, ReadFailure> {
        let sequence = Sequence(self.0.len() as u64);
        Ok(Head { sequence, root: *self.roots().last().unwrap() })
    }

    fn subscribe(&self) -> watch::Receiver<Sequence> {
        watch::Sender::new(Sequence(self.0.len() as u64)).subscribe()
    }
}

/// The heads of a log with these [`Entries::roots`].
pub(crate) fn heads(roots: &[Hash]) -> Vec<Head> {
    (0..).map(Sequence).zip(roots).map(|(sequence, root)| Head { sequence, root: *root }).collect()
}

/// Runs what never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().unwrap().block_on(future)
}
