//! Making proofs from a log.
//!
//! A proof is made of the roots of whole subtrees, so it does not need every event: [`Tiles`] is
//! what it asks a log for. A log that keeps the roots of its complete tiles answers with little
//! reading; [`EventTiles`] reads the events instead, and does for every log.

use std::ops::Range;

use async_trait::async_trait;
use holdpoint_core::event::Sequence;

use crate::{
    EventLog, Head, ReadFailure,
    merkle::{Hash, MerkleTree, leaf_hash, node_hash, root_over},
    proof::{ConsistencyProof, InclusionProof, ProofFailure},
};

/// How many levels of the tree a tile spans, so that it has 256 hashes (C2SP tlog-tiles).
pub const TILE_LEVELS: u32 = 8;

/// How many events are read at once.
const READ_LIMIT: usize = 1024;

/// The hashes that proofs are made of, as C2SP tlog-tiles arranges them. On tile level 0 they are
/// the events' leaf hashes; on level `n` each is the root over the 256 hashes below it, and so over
/// 256^n events. Only complete ones exist.
///
/// A proof in a log of `n` events asks for at most 16 ranges on each of the log256(`n`) levels, none
/// of which crosses the border of a tile of 256 hashes. A log that keeps the roots of complete
/// tiles (level 1, 32 bytes for 256 events) reads less than 512 events for it, and has the
/// higher levels with [`root_over`].
#[async_trait]
pub trait Tiles: Send + Sync {
    /// The hashes `numbers` (counted from 0, the end exclusive) of a tile level; as many as are
    /// asked for. They are asked for only where the log has all the events below them.
    ///
    /// # Errors
    /// When the log cannot be read, or lacks some of them.
    async fn hashes(&self, level: u32, numbers: Range<u64>) -> Result<Vec<Hash>, ReadFailure>;
}

/// Tiles of any log, made by reading the events below them. A proof that an event is in the log
/// reads every event once.
pub struct EventTiles<'l>(pub &'l dyn EventLog);

#[async_trait]
impl Tiles for EventTiles<'_> {
    async fn hashes(&self, level: u32, numbers: Range<u64>) -> Result<Vec<Hash>, ReadFailure> {
        let each = 1u64.checked_shl(level.saturating_mul(TILE_LEVELS));
        let bounds = each.and_then(|each| {
            Some((each, numbers.start.checked_mul(each)?, numbers.end.checked_mul(each)?))
        });
        let Some((each, mut at, end)) = bounds else {
            let reason = format!("no log has the hashes {numbers:?} of the tile level {level}");
            return Err(ReadFailure::Damaged { sequence: None, reason });
        };
        let mut hashes = Vec::new();
        let mut tree = MerkleTree::new();
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let records = self.0.read(Sequence(at), READ_LIMIT.min(left)).await?;
            if records.is_empty() {
                return Err(missing(Sequence(at).next()));
            }
            for record in records {
                at += 1;
                if record.sequence != Sequence(at) {
                    return Err(missing(Sequence(at)));
                }
                tree.push_leaf(leaf_hash(&record.bytes));
                if tree.size() == each {
                    hashes.push(tree.root());
                    tree = MerkleTree::new();
                }
            }
        }
        Ok(hashes)
    }
}

fn missing(sequence: Sequence) -> ReadFailure {
    ReadFailure::Damaged { sequence: Some(sequence), reason: "it is missing".to_owned() }
}

/// The root of the tree over the first `size` events, for comparison with a checkpoint.
///
/// # Errors
/// When the log cannot be read.
pub async fn root(tiles: &dyn Tiles, size: Sequence) -> Result<Hash, ReadFailure> {
    range_root(tiles, 0..size.0).await
}

/// Proves that the log with this head has the event that it has at `sequence`. The proof is
/// verified before it is given out.
///
/// # Errors
/// See [`ProveFailure`].
pub async fn prove_inclusion(
    tiles: &dyn Tiles,
    sequence: Sequence,
    head: &Head,
) -> Result<InclusionProof, ProveFailure> {
    let unknown = ProveFailure::NoEvent { sequence, last: head.sequence };
    let Some(index) = sequence.0.checked_sub(1).filter(|_| sequence <= head.sequence) else {
        return Err(unknown);
    };
    let hashes = roots(tiles, inclusion_ranges(index, head.sequence.0)).await?;
    let leaf = range_root(tiles, index..index + 1).await?;
    let proof = InclusionProof { index, hashes };
    proof.verify(&leaf, head).map_err(ProveFailure::Damaged)?;
    Ok(proof)
}

/// Proves that the log with the head `new` begins with what it had when its head was `old`. The
/// proof is verified before it is given out.
///
/// # Errors
/// See [`ProveFailure`].
pub async fn prove_consistency(
    tiles: &dyn Tiles,
    old: &Head,
    new: &Head,
) -> Result<ConsistencyProof, ProveFailure> {
    if old.sequence == Sequence::ZERO {
        return Err(ProveFailure::Nothing);
    }
    if old.sequence > new.sequence {
        return Err(ProveFailure::Shorter { old: old.sequence, new: new.sequence });
    }
    let hashes = roots(tiles, consistency_ranges(old.sequence.0, new.sequence.0)).await?;
    let proof = ConsistencyProof { hashes };
    match proof.verify(old, new) {
        Ok(()) => Ok(proof),
        // Which of the two heads is not this log's cannot always be seen from the proof.
        Err(_) if root(tiles, old.sequence).await? != old.root => {
            Err(ProveFailure::Rewritten { old: old.sequence })
        }
        Err(failure) => Err(ProveFailure::Damaged(failure)),
    }
}

/// The subtrees of an inclusion proof, as leaves from..to: RFC 6962 section 2.1.1, `PATH`.
fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut beside = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = split(&tree);
        if index < middle {
            beside.push(middle..tree.end);
            tree.end = middle;
        } else {
            beside.push(tree.start..middle);
            tree.start = middle;
        }
    }
    beside.reverse();
    beside
}

/// The subtrees of a consistency proof, as leaves from..to: RFC 6962 section 2.1.2, `SUBPROOF`.
fn consistency_ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut beside = Vec::new();
    let mut tree = 0..new;
    while tree.end != old {
        let middle = split(&tree);
        if old <= middle {
            beside.push(middle..tree.end);
            tree.end = middle;
        } else {
            beside.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // The older tree itself is known to whoever verifies; a part of it is not.
    if tree.start != 0 {
        beside.push(tree);
    }
    beside.reverse();
    beside
}

/// Where RFC 6962 section 2.1 divides a tree of two leaves or more: the left part has the largest
/// power of two that is smaller than the whole.
const fn split(tree: &Range<u64>) -> u64 {
    tree.start + (1 << (tree.end - tree.start - 1).ilog2())
}

async fn roots(tiles: &dyn Tiles, ranges: Vec<Range<u64>>) -> Result<Vec<Hash>, ReadFailure> {
    let mut roots = Vec::with_capacity(ranges.len());
    for range in ranges {
        roots.push(range_root(tiles, range).await?);
    }
    Ok(roots)
}

/// The root over the leaves from..to, which are those of a node of the tree, or all.
async fn range_root(tiles: &dyn Tiles, leaves: Range<u64>) -> Result<Hash, ReadFailure> {
    let mut perfect = Vec::new();
    let mut from = leaves.start;
    while from < leaves.end {
        // INVARIANT: a node begins at a multiple of a power of two that is not below its size,
        // so the largest perfect subtree that fits is a node, too, and so is the rest.
        let level = (leaves.end - from).ilog2();
        perfect.push(perfect_root(tiles, from, level).await?);
        from += 1 << level;
    }
    let joined = perfect.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
    Ok(joined.unwrap_or_else(|| MerkleTree::new().root()))
}

/// The root over the 2^`level` leaves that begin at `from`, a multiple of that.
async fn perfect_root(tiles: &dyn Tiles, from: u64, level: u32) -> Result<Hash, ReadFailure> {
    let (tile_level, above) = (level / TILE_LEVELS, level % TILE_LEVELS);
    let first = from >> (tile_level * TILE_LEVELS);
    let count = 1 << above;
    let hashes = tiles.hashes(tile_level, first..first + count).await?;
    if hashes.len() as u64 == count {
        Ok(root_over(&hashes))
    } else {
        let reason =
            format!("it has {} of {count} hashes of tile level {tile_level}", hashes.len());
        Err(ReadFailure::Damaged { sequence: Some(Sequence(from).next()), reason })
    }
}

/// Why a log cannot prove something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveFailure {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// There is no such event under the head.
    #[error("there is no event {sequence}: the log had {last} then")]
    NoEvent {
        /// The event that was asked for.
        sequence: Sequence,
        /// The last event under the head.
        last: Sequence,
    },
    /// The older head is that of an empty log, which every log extends.
    #[error("the older checkpoint is of an empty log, which every log extends")]
    Nothing,
    /// The older head has more events than the newer one: this log was cut off since, or is
    /// another one.
    #[error("the older checkpoint is of {old} events, but the log has only {new}")]
    Shorter {
        /// How many events the older head has.
        old: Sequence,
        /// How many events the newer head has.
        new: Sequence,
    },
    /// The log's first events are not those of the older head.
    #[error("the first {old} events are not the ones that the log had at the older checkpoint")]
    Rewritten {
        /// How many events the older head has.
        old: Sequence,
    },
    /// The events do not have the root that the log's own head says.
    #[error("the log's events and its head do not belong together: {0}")]
    Damaged(#[source] ProofFailure),
}

impl ProveFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoEvent { .. } => "the first event is 1; name one that the log has",
            Self::Nothing => "use a checkpoint that was made after the first event",
            Self::Shorter { .. } | Self::Rewritten { .. } => {
                "check that the checkpoint is of this log; if it is, events were changed or \
                 removed since: keep a copy of the whole directory, and the checkpoint"
            }
            Self::Read(_) | Self::Damaged(_) => {
                "copy the whole directory before anything else, then run `holdpoint verify`"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::HASHES_MAX;

    fn bounds(ranges: Vec<Range<u64>>) -> Vec<(u64, u64)> {
        ranges.into_iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn the_subtrees_are_those_of_the_standards_examples() {
        // RFC 6962 section 2.1.3: a tree of seven leaves.
        let inclusion = |index| bounds(inclusion_ranges(index, 7));
        assert_eq!(inclusion(0), [(1, 2), (2, 4), (4, 7)], "[b, h, l]");
        assert_eq!(inclusion(3), [(2, 3), (0, 2), (4, 7)], "[c, g, l]");
        assert_eq!(inclusion(4), [(5, 6), (6, 7), (0, 4)], "[f, j, k]");
        assert_eq!(inclusion(6), [(4, 6), (0, 4)], "[i, k]");
        let consistency = |old| bounds(consistency_ranges(old, 7));
        assert_eq!(consistency(3), [(2, 3), (3, 4), (0, 2), (4, 7)], "[c, d, g, l]");
        assert_eq!(consistency(4), [(4, 7)], "[l]");
        assert_eq!(consistency(6), [(4, 6), (6, 7), (0, 4)], "[i, j, k]");
        assert_eq!(consistency(7), []);
    }

    #[test]
    fn the_largest_proofs_have_the_most_hashes_that_are_read() {
        assert_eq!(inclusion_ranges(0, u64::MAX).len(), 64);
        assert_eq!(consistency_ranges((1 << 63) - 1, u64::MAX).len(), HASHES_MAX);
    }
}
