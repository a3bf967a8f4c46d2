//! The table of a segment's streams: where the last event of each is.

use holdpoint_core::event::StreamId;
use sha2::{Digest as _, Sha256};

/// How many bytes an entry has in the file.
pub(crate) const ENTRY_BYTES: usize = 8 + 4;

/// With fewer entries than this nothing is gained by dropping those that are out of date.
const COMPACT_MIN: usize = 64 * 1024;

/// A stream as segments name it: the first 8 bytes of the SHA-256 of its name.
pub(crate) fn hash_of(stream: &StreamId) -> u64 {
    let digest = Sha256::digest(stream.to_string());
    digest.first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first))
}

/// An entry: a stream's hash, and how far its last event is from the segment's first.
pub(crate) type Entry = (u64, u32);

/// An entry as it is stored.
pub(crate) fn to_bytes((hash, offset): &Entry) -> impl Iterator<Item = u8> + use<> {
    hash.to_be_bytes().into_iter().chain(offset.to_be_bytes())
}

/// A table that is being made. It is a list and not a map, because it has millions of entries.
#[derive(Debug, Default)]
pub(crate) struct StreamTable {
    entries: Vec<Entry>,
    /// With so many entries those that are out of date are dropped.
    compact_at: usize,
}

impl StreamTable {
    /// Notes an event of a stream. The one that is furthest from the segment's first counts.
    pub(crate) fn push(&mut self, hash: u64, offset: u32) {
        self.entries.push((hash, offset));
        if self.entries.len() >= self.compact_at.max(COMPACT_MIN) {
            self.compact();
            self.compact_at = self.entries.len() * 2;
        }
    }

    fn compact(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup_by(|later, kept| {
            let is_same = later.0 == kept.0;
            if is_same {
                kept.1 = later.1;
            }
            is_same
        });
    }

    /// The entries in the order of their hashes.
    pub(crate) fn into_sorted(mut self) -> Vec<Entry> {
        self.compact();
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_event_of_each_stream_counts(
            events in prop::collection::vec((0_u64..9, 0_u32..99), 0..60),
        ) {
            let mut table = StreamTable::default();
            let mut expected = BTreeMap::new();
            for (hash, offset) in events {
                table.push(hash, offset);
                let last = expected.entry(hash).or_insert(offset);
                *last = offset.max(*last);
            }
            prop_assert_eq!(table.into_sorted(), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_does_not_grow_with_the_events() {
        let mut table = StreamTable::default();
        for n in 0..1_000_000 {
            table.push(u64::from(n % 1000), n);
        }
        assert!(table.entries.capacity() <= 2 * COMPACT_MIN, "{}", table.entries.capacity());
        assert!(table.into_sorted().into_iter().eq((0..1000).map(|n| (n, 999_000 + n as u32))));
    }
}
