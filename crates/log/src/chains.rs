//! The chains of all streams: that each event follows the one before it in its stream, with bounded
//! memory.
//!
//! Streams are told apart by 128 bits of the SHA-256 of their names, and dealt into parts by these.
//! A part whose streams fit into memory is checked in one reading of the log; when there turn out to
//! be too many, the part is halved while it is read, and the rest waits for other readings.

use std::collections::HashMap;

use holdpoint_core::event::{Event, StreamId};
use sha2::{Digest as _, Sha256};

use crate::{ReadFailure, numbering::StreamHead, verify::damaged};

/// Streams are dealt into so many parts at most.
const PARTS_MAX: u64 = 1 << 32;

/// A check under way.
#[derive(Debug)]
pub(crate) struct Chains {
    streams_max: usize,
    /// Where the streams of the part end, so far.
    heads: HashMap<u128, StreamHead>,
    /// A stream is in the part with the number that its hash leaves when divided by this.
    parts: u64,
    part: u64,
    /// How many streams the parts before have.
    before: u64,
}

fn hash_of(stream: &StreamId) -> u128 {
    let digest = Sha256::digest(stream.to_string());
    digest.first_chunk().map_or(0, |first: &[u8; 16]| u128::from_be_bytes(*first))
}

impl Chains {
    /// Begins the first reading of a log, with room for so many streams.
    pub(crate) fn new(streams_max: usize) -> Self {
        Self { streams_max, heads: HashMap::new(), parts: 1, part: 0, before: 0 }
    }

    /// Begins another reading; `false` when every stream was in one.
    pub(crate) fn begin_next(&mut self) -> bool {
        self.part += 1;
        self.before += self.heads.len() as u64;
        self.heads.clear();
        self.part < self.parts
    }

    /// How many streams there are, after the last reading.
    pub(crate) const fn streams(&self) -> u64 {
        self.before
    }

    /// Takes the next event. It is checked if its stream is in the part that is being read.
    pub(crate) fn add(&mut self, event: &Event) -> Result<(), ReadFailure> {
        let hash = hash_of(&event.stream());
        if hash % u128::from(self.parts) != u128::from(self.part) {
            return Ok(());
        }
        let before = self.heads.entry(hash).or_default();
        if (event.version, event.previous) != (before.version.next(), before.sequence) {
            return Err(damaged(
                event.sequence,
                format!(
                    "it says that it is version {} of its stream, after event {}, but it follows \
                     version {}, event {}",
                    event.version, event.previous, before.version, before.sequence
                ),
            ));
        }
        *before = StreamHead { version: event.version, sequence: event.sequence };
        // In the first reading, where the parts that are left out are still to come.
        if self.part == 0 && self.heads.len() > self.streams_max && self.parts < PARTS_MAX {
            self.parts *= 2;
            let parts = u128::from(self.parts);
            self.heads.retain(|hash, _| hash % parts == 0);
        }
        Ok(())
    }
}
