//! Proofs over the Merkle tree, and their verification: that an event is in a log, and that a log
//! extends an older state of itself. RFC 6962 section 2.1 defines them.
//!
//! Verifying is pure: it takes the proof, hashes and nothing else. The libraries that do it panic
//! on their own errors and rest on outdated hashes (tlog_tiles 0.2), want an event's bytes where
//! its hash is known (ct-merkle 0.3), or bring a C library (sigstore-merkle 0.15). So it is written
//! here, as RFC 9162 spells it out, and measured against tlog_tiles in the tests.

use holdpoint_core::event::Sequence;

use crate::{
    Head,
    merkle::{Hash, node_hash},
};

/// The most hashes that a proof can have: in a tree of less than 2^64 leaves an inclusion proof
/// has at most 64, a consistency proof one more (RFC 6962 section 2.1.2).
pub const HASHES_MAX: usize = 65;

/// The proof that a leaf is in a tree: the roots of the subtrees beside the path from the leaf to
/// the root, the lowest first (RFC 6962 section 2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The index of the leaf, which is an event's sequence less one.
    pub index: u64,
    /// The hashes.
    pub hashes: Vec<Hash>,
}

impl InclusionProof {
    /// Checks that the log with this head has an event with the given leaf hash at the place that
    /// the proof says (RFC 9162 section 2.1.3.2). The hash of an event's stored bytes is
    /// [`leaf_hash`](crate::merkle::leaf_hash).
    ///
    /// # Errors
    /// [`ProofFailure::NotInTree`], [`ProofFailure::Length`] and [`ProofFailure::Inclusion`].
    pub fn verify(&self, leaf: &Hash, head: &Head) -> Result<(), ProofFailure> {
        let size = head.sequence.0;
        if self.index >= size {
            return Err(ProofFailure::NotInTree { index: self.index, size });
        }
        let mut path = Path { node: self.index, last: size - 1 };
        let mut root = *leaf;
        for hash in &self.hashes {
            root = match path.up() {
                None => return Err(ProofFailure::Length),
                Some(Beside::Left) => node_hash(hash, &root),
                Some(Beside::Right) => node_hash(&root, hash),
            };
        }
        if !path.is_at_root() {
            Err(ProofFailure::Length)
        } else if root == head.root {
            Ok(())
        } else {
            Err(ProofFailure::Inclusion)
        }
    }
}

/// The proof that a tree begins with the leaves of an older one (RFC 6962 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The hashes, the lowest first. There are none between a head and itself.
    pub hashes: Vec<Hash>,
}

impl ConsistencyProof {
    /// Checks that the log with the head `new` begins with all the events that it had when its
    /// head was `old`, unchanged (RFC 9162 section 2.1.4.2).
    ///
    /// # Errors
    /// All of [`ProofFailure`] but [`ProofFailure::NotInTree`] and [`ProofFailure::Inclusion`].
    pub fn verify(&self, old: &Head, new: &Head) -> Result<(), ProofFailure> {
        let (Sequence(old_size), Sequence(new_size)) = (old.sequence, new.sequence);
        if old_size > new_size {
            return Err(ProofFailure::Shorter { old: old_size, new: new_size });
        }
        if old_size == 0 {
            return Err(ProofFailure::Nothing);
        }
        if old_size == new_size {
            return match self.hashes.as_slice() {
                [] if old.root == new.root => Ok(()),
                [] => Err(ProofFailure::Old),
                _ => Err(ProofFailure::Length),
            };
        }
        let mut path = Path { node: old_size - 1, last: new_size - 1 };
        path.skip_to_left();
        // An old tree of a power of two leaves is a subtree of the new one, and its root is known.
        let (start, hashes) = if old_size.is_power_of_two() {
            (&old.root, self.hashes.as_slice())
        } else {
            self.hashes.split_first().ok_or(ProofFailure::Length)?
        };
        let (mut old_root, mut new_root) = (*start, *start);
        for hash in hashes {
            match path.up() {
                None => return Err(ProofFailure::Length),
                Some(Beside::Left) => {
                    old_root = node_hash(hash, &old_root);
                    new_root = node_hash(hash, &new_root);
                }
                Some(Beside::Right) => new_root = node_hash(&new_root, hash),
            }
        }
        if !path.is_at_root() {
            Err(ProofFailure::Length)
        } else if new_root != new.root {
            Err(ProofFailure::New)
        } else if old_root != old.root {
            Err(ProofFailure::Old)
        } else {
            Ok(())
        }
    }
}

/// A way up through a tree: the number of a node on a level, and of the last one there. RFC 9162
/// calls them `fn` and `sn`.
struct Path {
    node: u64,
    last: u64,
}

/// On which side of the path a proof's next hash is.
enum Beside {
    Left,
    Right,
}

impl Path {
    /// Goes to the next node that has something beside it, and says on which side; nothing when
    /// the path is at the root.
    const fn up(&mut self) -> Option<Beside> {
        if self.last == 0 {
            return None;
        }
        let is_right_child = self.node & 1 == 1;
        let side = if is_right_child || self.node == self.last {
            // A last node that is a left child has nothing beside it, and is its own parent.
            while self.node & 1 == 0 && self.node != 0 {
                self.shift();
            }
            Beside::Left
        } else {
            Beside::Right
        };
        self.shift();
        Some(side)
    }

    /// Goes up while the node is a right child: to the largest subtree that ends with the leaf.
    const fn skip_to_left(&mut self) {
        while self.node & 1 == 1 {
            self.shift();
        }
    }

    const fn shift(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    const fn is_at_root(&self) -> bool {
        self.last == 0
    }
}

/// Why a proof does not prove what it is said to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFailure {
    /// The index is beyond the end of the log.
    #[error("the proof is for event {}, but the log had {size} then", u128::from(*.index) + 1)]
    NotInTree {
        /// The leaf's index, which is the event's sequence less one.
        index: u64,
        /// How many events the log had.
        size: u64,
    },
    /// The newer head has less events than the older one.
    #[error("the newer checkpoint is of {new} events, which is less than the older one's {old}")]
    Shorter {
        /// How many events the older head has.
        old: u64,
        /// How many events the newer head has.
        new: u64,
    },
    /// The older head is that of an empty log, which every log extends (RFC 9162 section 2.1.4.2
    /// has no proof of it).
    #[error("the older checkpoint is of an empty log, which every log extends")]
    Nothing,
    /// There are more or less hashes than a proof between these sizes has.
    #[error("the proof does not have the number of hashes that it must have")]
    Length,
    /// The event's hash and the proof do not lead to the root.
    #[error("the event is not the one that the log has there")]
    Inclusion,
    /// The proof does not lead to the older root.
    #[error("the log does not begin with what it had at the older checkpoint")]
    Old,
    /// The proof does not lead to the newer root.
    #[error("the proof from the older checkpoint does not lead to the newer one")]
    New,
}

impl ProofFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NotInTree { .. } => "ask for a proof under a later checkpoint",
            Self::Nothing => "use a checkpoint that was made after the first event",
            Self::Shorter { .. } | Self::Old | Self::New => {
                "ask for the proof again; if it fails again, events were changed or removed after \
                 the older checkpoint: keep both checkpoints, they are the evidence"
            }
            Self::Length | Self::Inclusion => {
                "check that these are the bytes of that event, unchanged; then ask for the proof \
                 again, and treat the event as forged if it fails again"
            }
        }
    }
}
