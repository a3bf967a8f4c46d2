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
/// version is missing, that each event names the one before it in its stream, that the root over
/// all is the head's, and that what is stored beside the events fits them.
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
    log.check().await?;
    Ok(Verified { events: tree.size(), streams: heads.len() as u64, bytes, root })
}

fn damaged(sequence: Sequence, reason: String) -> ReadFailure {
    ReadFailure::Damaged { sequence: Some(sequence), reason }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use holdpoint_core::event::Version;
    use tokio::sync::watch;

    use super::*;
    use crate::{Append, AppendFailure, Head, MemoryLog, Record, conformance::append};

    /// A log whose storage has changed since it was written.
    struct Tampered {
        log: Arc<MemoryLog>,
        tamper: fn(&mut Vec<Record>),
    }

    #[async_trait]
    impl EventLog for Tampered {
        async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
            self.log.append(appends).await
        }

        async fn read_stream(
            &self,
            stream: &StreamId,
            after: Version,
            limit: usize,
        ) -> Result<Vec<Record>, ReadFailure> {
            self.log.read_stream(stream, after, limit).await
        }

        async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
            let mut records = self.log.read(Sequence::ZERO, usize::MAX).await?;
            (self.tamper)(&mut records);
            records.retain(|record| record.sequence > after);
            records.truncate(limit);
            Ok(records)
        }

        async fn head(&self) -> Result<Head, ReadFailure> {
            self.log.head().await
        }

        fn subscribe(&self) -> watch::Receiver<Sequence> {
            self.log.subscribe()
        }
    }

    fn replace(record: &mut Record, from: &str, to: &str) {
        let text = String::from_utf8(record.bytes.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        record.bytes = text.replacen(from, to, 1).into_bytes().into();
    }

    #[tokio::test]
    async fn every_kind_of_damage_is_found_where_it_is() {
        type Case = (&'static str, fn(&mut Vec<Record>), Option<u64>);
        let cases: [Case; 9] = [
            ("missing in the middle", |records| drop(records.remove(2)), Some(3)),
            ("missing at the end", |records| records.truncate(4), Some(5)),
            ("nothing left", Vec::clear, Some(1)),
            ("swapped", |records| records.swap(1, 2), Some(2)),
            ("not an event", |records| records[3].bytes = b"{}".as_slice().into(), Some(4)),
            ("sequence", |r| replace(&mut r[2], r#""sequence":3"#, r#""sequence":4"#), Some(3)),
            ("version", |r| replace(&mut r[2], r#""version":3"#, r#""version":4"#), Some(3)),
            ("previous", |r| replace(&mut r[4], r#""previous":4"#, r#""previous":3"#), Some(5)),
            ("data", |r| replace(&mut r[4], r#""data":"2/1""#, r#""data":"2/0""#), None),
        ];
        let log = Arc::new(MemoryLog::new());
        log.append(vec![append(1, 0, 3), append(2, 0, 2)]).await.unwrap();
        for (what, tamper, place) in cases {
            let failure = verify(&Tampered { log: Arc::clone(&log), tamper }).await.unwrap_err();
            let ReadFailure::Damaged { sequence, .. } = failure else {
                panic!("{what}: {failure}")
            };
            assert_eq!(sequence, place.map(Sequence), "{what}");
        }
        let untouched = Tampered { log, tamper: |_| () };
        let verified = verify(&untouched).await.unwrap();
        assert_eq!((verified.events, verified.streams), (5, 2));
    }
}
