//! Merging segments: small ones that follow each other become one.
//!
//! Small segments cost: a file each to open, and a filter each to ask where a stream ends. Which
//! ones are merged is a matter of their sizes alone ([`plan`]). The new segment is durable and
//! read back before the others go, and overlaps with them until then, so that it can be cut short
//! anywhere.

use std::{ops::Range, path::Path, sync::Arc};

use holdpoint_core::event::Sequence;

use crate::{
    segment::{Segment, SegmentFailure, damaged},
    segment_writer::SegmentWriter,
    segments::MERGED,
};

/// Each tier begins at so many times the bytes at which the one below begins.
const TIER_GROWTH: u64 = 4;
/// Segments of this tier are large enough.
const FULL_TIER: u32 = 5;

/// How large a segment is, in steps; with `full` bytes of events it is large enough.
fn tier(event_bytes: u64, full: u64) -> u32 {
    let begins = |tier| full / TIER_GROWTH.pow(FULL_TIER - tier);
    (1..=FULL_TIER).take_while(|tier| event_bytes >= begins(*tier)).count() as u32
}

/// Which segments are to be merged next, of segments with events of these bytes: the first that
/// follow each other and together are of a higher tier than any of them.
///
/// So each event is written by at most [`FULL_TIER`] merges, whatever the sizes are, and what
/// cannot be merged is less than a segment of the tier above.
pub(crate) fn plan(sizes: &[u64], full: u64) -> Option<Range<usize>> {
    for (first, rest) in (0..sizes.len()).map(|first| (first, sizes.iter().skip(first))) {
        let (mut bytes, mut highest) = (0_u64, 0);
        for (count, size) in (1..).zip(rest) {
            bytes = bytes.saturating_add(*size);
            highest = tier(*size, full).max(highest);
            if highest == FULL_TIER {
                break;
            }
            if count > 1 && tier(bytes, full) > highest {
                return Some(first..first + count);
            }
        }
    }
    None
}

/// A merge under way.
#[derive(Debug)]
pub(crate) struct Merge {
    sources: Vec<Arc<Segment>>,
    writer: SegmentWriter,
}

impl Merge {
    /// Begins to merge the segments that are to be merged next, if there are any.
    pub(crate) fn begin(
        sealed: &Path,
        segments: &[Arc<Segment>],
        full: u64,
    ) -> Result<Option<Self>, SegmentFailure> {
        let sizes: Vec<u64> = segments.iter().map(|segment| segment.event_bytes()).collect();
        let sources = plan(&sizes, full).and_then(|planned| segments.get(planned));
        let Some((first, _)) = sources.and_then(<[_]>::split_first) else { return Ok(None) };
        let writer = SegmentWriter::create(sealed, MERGED, first.before.clone())?;
        Ok(Some(Self { sources: sources.unwrap_or_default().to_vec(), writer }))
    }

    /// Takes over the next frame; whether it was the last.
    pub(crate) fn step(&mut self) -> Result<bool, SegmentFailure> {
        let next = Sequence(self.writer.tree().size()).next();
        let Some(source) = self.sources.iter().find(|source| source.has(next)) else {
            return Ok(true);
        };
        self.writer.push_frame(&source.stored(next)?)?;
        if self.writer.tree().size() == source.last().0 {
            if *self.writer.tree() != source.after {
                return damaged(format!("its events do not lead to the root at {}", source.last()));
            }
            self.writer.push_streams(source)?;
        }
        Ok(false)
    }

    /// Makes the new segment durable; the one, and those whose events it has.
    pub(crate) fn finish(self) -> Result<(Segment, Vec<Arc<Segment>>), SegmentFailure> {
        let merged = self.writer.finish()?;
        let ends = self.sources.last().map(|last| &last.after);
        if ends != Some(&merged.after) {
            return damaged("the merged segment does not end where its parts do");
        }
        Ok((merged, self.sources))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: u64 = 1024 * 25;
    /// A sixteenth.
    const TAIL: u64 = FULL / 16;

    #[test]
    fn each_tier_begins_at_four_times_the_one_below() {
        let begins = [0, FULL / 256, FULL / 64, FULL / 16, FULL / 4, FULL];
        for (expected, bytes) in (0..).zip(begins) {
            assert_eq!(tier(bytes, FULL), expected);
            if bytes > 0 {
                assert_eq!(tier(bytes - 1, FULL), expected - 1);
            }
        }
        assert_eq!(tier(u64::MAX, FULL), FULL_TIER);
        assert_eq!(tier(0, 0), FULL_TIER);
    }

    #[test]
    fn what_is_merged_first() {
        let cases: [(&[u64], Option<Range<usize>>); 8] = [
            (&[], None),
            (&[TAIL], None),
            (&[TAIL; 3], None),
            (&[TAIL; 4], Some(0..4)),
            (&[FULL, TAIL, TAIL, TAIL, TAIL], Some(1..5)),
            // Small ones between others do not keep these apart.
            (&[TAIL, 1, TAIL, 1, TAIL, 1, TAIL], Some(0..7)),
            (&[FULL, 1, FULL, 1], None),
            (&[50, 60], Some(0..2)),
        ];
        for (sizes, expected) in cases {
            assert_eq!(plan(sizes, FULL), expected, "{sizes:?}");
        }
        assert_eq!(plan(&[TAIL; 99], 0), None);
    }

    /// What is sealed one after the other, each merged as soon as it can be; and how many bytes
    /// the merges wrote.
    fn merge_all(sealed: &[u64]) -> (Vec<u64>, u64) {
        let (mut sizes, mut written) = (Vec::new(), 0);
        for size in sealed {
            sizes.push(*size);
            while let Some(planned) = plan(&sizes, FULL) {
                let merged: u64 = sizes[planned.clone()].iter().sum();
                written += merged;
                sizes.splice(planned, [merged]);
            }
        }
        (sizes, written)
    }

    proptest! {
        #[test]
        fn work_and_what_is_left_are_bounded(
            sealed in prop::collection::vec(
                prop_oneof![1..FULL / 100, TAIL..TAIL * 9 / 8, 1..FULL * 2], 0..80,
            ),
        ) {
            let (sizes, written) = merge_all(&sealed);
            let bytes: u64 = sealed.iter().sum();
            prop_assert_eq!(sizes.iter().sum::<u64>(), bytes);
            prop_assert!(written <= u64::from(FULL_TIER) * bytes, "{} of {}", written, bytes);
            prop_assert!(sizes.iter().all(|size| *size < 2 * FULL));
            // Neighbours that are not large enough are, together, less than one that is.
            for small in sizes.split(|size| tier(*size, FULL) == FULL_TIER) {
                prop_assert!(small.iter().sum::<u64>() < FULL);
            }
        }
    }

    #[test]
    fn full_tails_are_written_less_than_twice_more() {
        let (sizes, written) = merge_all(&[TAIL; 640]);
        assert_eq!(sizes, [FULL; 40]);
        assert_eq!(written, FULL * 40 * 7 / 4);
    }
}
