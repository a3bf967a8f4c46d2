//! Where the events are: segments, and after them tails.

use std::sync::Arc;

use holdpoint_core::event::{Sequence, StreamId};
use holdpoint_log::{merkle::Hash, numbering::StreamHead};

use crate::{
    scan,
    segment::{Segment, SegmentFailure},
    segments::{self, Segments},
    tail::Tail,
};

/// The parts of the log, in its order. A reader works on the parts that there were when it began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub segments: Segments,
    pub tails: Vec<Arc<Tail>>,
}

/// The part that has an event.
pub(crate) enum Part {
    Sealed(Arc<Segment>),
    /// One of the tails. Which, their blocks tell.
    Tails,
}

impl Parts {
    /// The last event that is sealed.
    pub(crate) fn sealed_last(&self) -> Sequence {
        self.segments.last().map_or(Sequence::ZERO, |segment| segment.last())
    }

    /// The part that has the event `sequence`, which must be in the log.
    pub(crate) fn part_of(&self, sequence: Sequence) -> Part {
        match segments::part_with(&self.segments, sequence) {
            Some(segment) => Part::Sealed(Arc::clone(segment)),
            None => Part::Tails,
        }
    }

    /// The root of the tile of the Merkle tree that ends with the event number `last`, where a
    /// segment has it.
    pub(crate) fn tile_root(&self, last: u64) -> Option<Hash> {
        match self.part_of(Sequence(last)) {
            Part::Sealed(segment) => segment.tile_root(Sequence(last)),
            Part::Tails => None,
        }
    }

    /// Where a stream ends, as far as these parts know.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub(crate) fn stream_head(&self, stream: &StreamId) -> Result<StreamHead, SegmentFailure> {
        for tail in self.tails.iter().rev() {
            if let Some(head) = tail.streams().get(stream) {
                return Ok(*head);
            }
        }
        for segment in self.segments.iter().rev() {
            let head = sealed_head(segment, stream);
            if let Some(head) = head.map_err(|failure| failure.within(segment.path()))? {
                return Ok(head);
            }
        }
        Ok(StreamHead::default())
    }
}

/// Where a stream ends in a segment, if it has events there.
fn sealed_head(segment: &Segment, stream: &StreamId) -> Result<Option<StreamHead>, SegmentFailure> {
    let Some(sequence) = segment.last_of(stream)? else { return Ok(None) };
    let records = segment.records(sequence)?;
    let head_in = |record: &holdpoint_log::Record| {
        let (found, version, _) = scan::place(record).map_err(SegmentFailure::Damaged)?;
        Ok::<_, SegmentFailure>(
            (found == *stream).then_some(StreamHead { version, sequence: record.sequence }),
        )
    };
    if let Some(record) = records.iter().find(|record| record.sequence == sequence)
        && let Some(head) = head_in(record)?
    {
        return Ok(Some(head));
    }
    // Two streams with the same hash: the table knows only the one that came last.
    let mut last = None;
    let mut at = segment.first();
    while at <= segment.last() {
        for record in segment.records(at)? {
            at = record.sequence.next();
            last = head_in(&record)?.or(last);
        }
    }
    Ok(last)
}
