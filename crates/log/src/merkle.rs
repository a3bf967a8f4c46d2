//! The Merkle tree over the stored bytes of all events, as RFC 6962 section 2.1 defines it.
//!
//! A leaf is `SHA-256(0x00 || bytes)`, a node `SHA-256(0x01 || left || right)`, and the tree over
//! nothing `SHA-256("")`. No library that is kept up to date offers the tree as a value that can
//! grow without holding its leaves, which is all that an append needs, so it is written here.
//! [`proof`](crate::proof) shows parts of it to those who do not have the whole.

use sha2::{Digest, Sha256};

/// A SHA-256 hash: a leaf, a node, or the root of a tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: of an event's stored bytes.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The hash of a node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root over nodes of one level that follow each other, such as the 256 hashes of a tile: of
/// the tree whose leaves have these hashes.
#[must_use]
pub fn root_over(hashes: &[Hash]) -> Hash {
    let mut tree = MerkleTree::new();
    hashes.iter().for_each(|hash| tree.push_leaf(*hash));
    tree.root()
}

/// A tree reduced to what it takes to add leaves and to tell the root: the roots of the perfect
/// subtrees it is made of, at most 64, the largest first ("compact range").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MerkleTree {
    size: u64,
    /// One hash for each bit that is set in `size`, the highest first.
    roots: Vec<Hash>,
}

impl MerkleTree {
    /// The tree over nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, roots: Vec::new() }
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tree of `size` leaves whose perfect subtrees have these roots, the largest first; `None`
    /// when it would have another number of them.
    #[must_use]
    pub fn from_roots(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == usize::try_from(size.count_ones()).ok()?).then_some(Self { size, roots })
    }

    /// The roots of the perfect subtrees that the tree is made of, the largest first.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds the leaf of an event's stored bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.push_leaf(leaf_hash(bytes));
    }

    /// Adds a leaf by its hash.
    pub fn push_leaf(&mut self, leaf: Hash) {
        self.push_perfect(0, leaf);
    }

    /// Adds a perfect subtree of 2 to the power of `level` leaves by its root. That is possible
    /// where the tree's size is a multiple of as many; elsewhere nothing is changed, and the answer
    /// is `false`.
    pub fn push_perfect(&mut self, level: u32, root: Hash) -> bool {
        let leaves = 1_u64.checked_shl(level).filter(|leaves| self.size.is_multiple_of(*leaves));
        let Some(leaves) = leaves else { return false };
        let mut hash = root;
        // Every bit that is carried by counting one up joins two subtrees of the same size.
        for _ in 0..(self.size >> level).trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += leaves;
        true
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let joined =
            self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962 section 2.1, word for word.
    fn naive(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => leaf_hash(one),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    fn grown(leaves: &[Vec<u8>]) -> MerkleTree {
        let mut tree = MerkleTree::new();
        leaves.iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    #[test]
    fn known_roots_are_met() {
        // The reference leaves and roots of the Certificate Transparency test suites.
        let leaves: Vec<Vec<u8>> = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .iter()
        .map(|leaf| hex::decode(leaf).unwrap())
        .collect();
        let roots = [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        for (size, root) in roots {
            assert_eq!(hex::encode(grown(&leaves[..size]).root()), root, "{size} leaves");
        }
    }

    proptest! {
        #[test]
        fn growing_gives_the_defined_root(
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..200)
        ) {
            let tree = grown(&leaves);
            prop_assert_eq!(tree.root(), naive(&leaves));
            prop_assert_eq!(tree.size(), leaves.len() as u64);
        }

        #[test]
        fn subtrees_are_added_where_they_fit(
            leaves in proptest::collection::vec(any::<u8>(), 0..80), level in 0_u32..5,
        ) {
            let leaves: Vec<Vec<u8>> = leaves.iter().map(|byte| vec![*byte]).collect();
            let subtree = vec![vec![7]; 1 << level];
            let (mut tree, before) = (grown(&leaves), grown(&leaves));
            if tree.push_perfect(level, grown(&subtree).root()) {
                prop_assert!(leaves.len().is_multiple_of(subtree.len()));
                prop_assert_eq!(tree, grown(&[leaves, subtree].concat()));
            } else {
                prop_assert!(!leaves.len().is_multiple_of(subtree.len()));
                prop_assert_eq!(tree, before);
            }
        }
    }
}
