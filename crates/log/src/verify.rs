//! Checking a whole log: that it is complete, in order, and what its root says.

use holdpoint_core::event::Sequence;

use crate::{
    EventLog, ReadFailure, Record,
    chains::Chains,
    merkle::{Hash, MerkleTree},
};

/// How many events are read at once.
const READ_LIMIT: usize = 1024;

/// Where so many streams end is kept in memory, which takes about 100 MiB at most. A log with more
/// is read several times.
const STREAMS_MAX: usize = 1_800_000;

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
/// Memory does not grow with the log: one of more than 1,800,000 streams is read several times.
///
/// # Errors
/// The first damage, with its place; or why the log could not be read.
pub async fn verify(log: &dyn EventLog) -> Result<Verified, ReadFailure> {
    verify_with(log, STREAMS_MAX).await
}

async fn verify_with(log: &dyn EventLog, streams_max: usize) -> Result<Verified, ReadFailure> {
    let head = log.head().await?;
    let mut tree = MerkleTree::new();
    let mut bytes = 0;
    let mut chains = Chains::new(streams_max);
    let mut scanned = scan(log, head.sequence, |record| {
        chains.add(&record.event()?)?;
        bytes += record.bytes.len() as u64;
        tree.push(&record.bytes);
        Ok(())
    })
    .await;
    while chains.begin_next() {
        // What comes after the first damage that was found can be anything.
        let end = scanned.as_ref().err().map_or(head.sequence, |(good, _)| *good);
        let next = scan(log, end, |record| chains.add(&record.event()?)).await;
        scanned = next.and(scanned);
    }
    scanned.map_err(|(_, failure)| failure)?;
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
    Ok(Verified { events: tree.size(), streams: chains.streams(), bytes, root })
}

/// Gives each event up to the event `end` to `visit`. Fails with the last event before the first
/// that is missing, cannot be read, or is refused by `visit`, and with the reason.
async fn scan(
    log: &dyn EventLog,
    end: Sequence,
    mut visit: impl FnMut(&Record) -> Result<(), ReadFailure>,
) -> Result<(), (Sequence, ReadFailure)> {
    let mut at = Sequence::ZERO;
    while at < end {
        let left = usize::try_from(end.0 - at.0).unwrap_or(usize::MAX);
        let read = log.read(at, READ_LIMIT.min(left)).await;
        let records = read.map_err(|failure| (at, failure))?;
        if records.is_empty() {
            return Err((at, damaged(at.next(), "it is missing".to_owned())));
        }
        for record in records {
            let next = at.next();
            let visited = if record.sequence == next {
                visit(&record)
            } else {
                Err(damaged(next, format!("event {} stands there", record.sequence)))
            };
            visited.map_err(|failure| (at, failure))?;
            at = next;
        }
    }
    Ok(())
}

pub(crate) fn damaged(sequence: Sequence, reason: String) -> ReadFailure {
    ReadFailure::Damaged { sequence: Some(sequence), reason }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use holdpoint_core::event::{StreamId, Version};
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
            // With room for all streams, and for one at a time.
            for streams_max in [STREAMS_MAX, 1] {
                let tampered = Tampered { log: Arc::clone(&log), tamper };
                let failure = verify_with(&tampered, streams_max).await.unwrap_err();
                let ReadFailure::Damaged { sequence, .. } = failure else {
                    panic!("{what}: {failure}")
                };
                assert_eq!(sequence, place.map(Sequence), "{what}");
            }
        }
        let untouched = Tampered { log, tamper: |_| () };
        let verified = verify(&untouched).await.unwrap();
        assert_eq!((verified.events, verified.streams), (5, 2));
    }

    #[tokio::test]
    async fn the_first_damage_is_found_whatever_has_room() {
        let log = Arc::new(MemoryLog::new());
        for run in 0..40 {
            log.append(vec![append(run, 0, 3)]).await.unwrap();
        }
        for damaged in [3, 60, 119] {
            for streams_max in [1, 2, 7, 39, 40] {
                let verified = verify_with(&*log, streams_max).await.unwrap();
                assert_eq!((verified.events, verified.streams), (120, 40), "{streams_max}");
                // Everything from there on is wrong.
                let tamper: fn(&mut Vec<Record>) = match damaged {
                    3 => |records| spoil(records, 3),
                    60 => |records| spoil(records, 60),
                    _ => |records| spoil(records, 119),
                };
                let tampered = Tampered { log: Arc::clone(&log), tamper };
                let failure = verify_with(&tampered, streams_max).await.unwrap_err();
                let expected = format!("the log is damaged at event {damaged}: it says that");
                assert!(failure.to_string().starts_with(&expected), "{streams_max}: {failure}");
            }
        }
    }

    fn spoil(records: &mut [Record], from: usize) {
        for record in records.iter_mut().skip(from - 1) {
            let version = (record.sequence.0 - 1) % 3 + 1;
            replace(record, &format!(r#""version":{version}"#), r#""version":9"#);
        }
    }
}
