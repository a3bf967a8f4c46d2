//! Checking a whole log: that it is complete, in order, and what its root says.

use std::collections::HashMap;

use holdpoint_core::event::{Sequence, StreamId};

use crate::{
    EventLog, ReadFailure,
    merkle::{Hash, MerkleTree},
    numbering::StreamHead,
};

/// How many events are read at once.
const READ_LIMIT: usize = 1024;

/// A log that was found to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are.
    pub events: u64,
    /// How many streams they belong to.
    pub streams: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The root of the Merkle tree over them.
    pub root: Hash,
}

/// Reads every event up to the log's head and checks that it can be read, that no sequence and no
/// version is missing, that each event names the one before it in its stream, and that the root
/// over all is the head's.
///
/// # Errors
/// The first damage, with its place; or why the log could not be read.
pub async fn verify(log: &dyn EventLog) -> Result<Verified, ReadFailure> {
    let head = log.head().await?;
    let mut tree = MerkleTree::new();
    let mut heads: HashMap<StreamId, StreamHead> = HashMap::new();
    let mut bytes = 0;
    let mut at = Sequence::ZERO;
    while at < head.sequence {
        let left = usize::try_from(head.sequence.0 - at.0).unwrap_or(usize::MAX);
        let records = log.read(at, READ_LIMIT.min(left)).await?;
        if records.is_empty() {
            return Err(damaged(at.next(), "it is missing".to_owned()));
        }
        for record in records {
            at = at.next();
            if record.sequence != at {
                return Err(damaged(at, format!("event {} stands there", record.sequence)));
            }
            let event = record.event()?;
            let stream = event.stream();
            let before = heads.entry(stream).or_default();
            if (event.version, event.previous) != (before.version.next(), before.sequence) {
                return Err(damaged(
                    at,
                    format!(
                        "it says that it is version {} of its stream, after event {}, but it \
                         follows version {}, event {}",
                        event.version, event.previous, before.version, before.sequence
                    ),
                ));
            }
            *before = StreamHead { version: event.version, sequence: at };
            bytes += record.bytes.len() as u64;
            tree.push(&record.bytes);
        }
    }
    let root = tree.root();
    if root != head.root {
        return Err(ReadFailure::Damaged {
            sequence: None,
            reason: format!(
                "its events have the root {}, but its head says {}",
                hex::encode(root),
                hex::encode(head.root)
            ),
        });
    }
    Ok(Verified { events: tree.size(), streams: heads.len() as u64, bytes, root })
}

fn damaged(sequence: Sequence, reason: String) -> ReadFailure {
    ReadFailure::Damaged { sequence: Some(sequence), reason }
}
