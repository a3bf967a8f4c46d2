//! Ours against another implementation of the same formats, on random input.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation must fail the test that stated it"
)]

mod common;

use common::{Entries, heads, now};
use holdpoint_core::Sequence;
use holdpoint_log::{
    Head,
    checkpoint::{Checkpoint, SignedCheckpoint},
    key::{PublicKey, SigningKey},
    merkle::{Hash, leaf_hash},
    note::SignedNote,
    proof::{ConsistencyProof, InclusionProof},
    prove::{EventTiles, prove_consistency, prove_inclusion},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Error, HashReader};

/// Every hash of a tree, where the other implementation wants it.
struct Stored(Vec<tlog_tiles::Hash>);

impl Stored {
    fn of(log: &Entries) -> Self {
        let mut stored = Self(Vec::new());
        for (n, record) in (0..).zip(&log.0) {
            let new = tlog_tiles::stored_hashes(n, &record.bytes, &stored).unwrap();
            stored.0.extend(new);
        }
        stored
    }
}

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, Error> {
        Ok(indexes.iter().map(|at| self.0[usize::try_from(*at).unwrap()]).collect())
    }
}

fn theirs(hash: &Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash)
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| hash.0).collect()
}

/// One change to a proof, its sizes or its roots.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    Flip(Index, u8),
    Drop(Index),
    Repeat(Index),
    Swap(Index, Index),
    First(i64),
    Last(i64),
    Root,
    Other,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Nothing),
        (any::<Index>(), any::<u8>()).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<Index>().prop_map(Change::Drop),
        any::<Index>().prop_map(Change::Repeat),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
        (-3i64..=3).prop_map(Change::First),
        (-3i64..=3).prop_map(Change::Last),
        Just(Change::Root),
        Just(Change::Other),
    ]
}

/// What a proof is verified with: hashes, two numbers and two hashes.
#[derive(Debug)]
struct Claim {
    hashes: Vec<Hash>,
    first: u64,
    last: u64,
    root: Hash,
    other: Hash,
}

impl Claim {
    fn change(&mut self, change: Change) {
        let length = self.hashes.len();
        match change {
            Change::First(by) => self.first = self.first.wrapping_add_signed(by),
            Change::Last(by) => self.last = self.last.wrapping_add_signed(by),
            Change::Root => self.root[0] ^= 1,
            Change::Other => self.other[0] ^= 1,
            Change::Flip(at, bit) if length > 0 => {
                self.hashes[at.index(length)][usize::from(bit / 8)] ^= 1 << (bit % 8);
            }
            Change::Drop(at) if length > 0 => drop(self.hashes.remove(at.index(length))),
            Change::Repeat(at) if length > 0 => self.hashes.push(self.hashes[at.index(length)]),
            Change::Swap(one, other) if length > 0 => {
                self.hashes.swap(one.index(length), other.index(length));
            }
            _ => {}
        }
    }

    fn theirs(&self) -> Vec<tlog_tiles::Hash> {
        self.hashes.iter().map(theirs).collect()
    }
}

fn head(size: u64, root: Hash) -> Head {
    Head { sequence: Sequence(size), root }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn proofs_are_the_same_and_are_refused_alike(
        size in 1usize..2_000,
        under in any::<Index>(),
        of in any::<Index>(),
        changes in vec(change(), 24),
    ) {
        let log = Entries::numbered(size);
        let (tiles, stored) = (EventTiles(&log), Stored::of(&log));
        let heads = heads(&log.roots());
        let under = under.index(size) + 1;
        let head_then = heads[under];
        let of = of.index(under);
        let index = of as u64;
        prop_assert_eq!(
            tlog_tiles::tree_hash(under as u64, &stored).unwrap(),
            theirs(&head_then.root)
        );

        let proof = now(prove_inclusion(&tiles, Sequence(index + 1), &head_then)).unwrap();
        let same = tlog_tiles::prove_record(under as u64, index, &stored).unwrap();
        prop_assert_eq!(&proof.hashes, &ours(&same));
        for change in &changes {
            let mut claim = Claim {
                hashes: proof.hashes.clone(),
                first: index,
                last: under as u64,
                root: head_then.root,
                other: leaf_hash(&log.0[of].bytes),
            };
            claim.change(*change);
            let Claim { first, last, root, other, .. } = claim;
            let proof = InclusionProof { index: first, hashes: claim.hashes.clone() };
            let verified = proof.verify(&other, &head(last, root)).is_ok();
            let (root, leaf) = (theirs(&root), theirs(&other));
            let same = tlog_tiles::check_record(&claim.theirs(), last, root, first, leaf).is_ok();
            prop_assert_eq!(verified, same, "{:?} {:?}", change, claim);
        }

        let older = heads[of + 1];
        let proof = now(prove_consistency(&tiles, &older, &head_then)).unwrap();
        let same = tlog_tiles::prove_tree(under as u64, index + 1, &stored).unwrap();
        prop_assert_eq!(&proof.hashes, &ours(&same));
        for change in &changes {
            let mut claim = Claim {
                hashes: proof.hashes.clone(),
                first: index + 1,
                last: under as u64,
                root: head_then.root,
                other: older.root,
            };
            claim.change(*change);
            let Claim { first, last, root, other, .. } = claim;
            let proof = ConsistencyProof { hashes: claim.hashes.clone() };
            let verified = proof.verify(&head(first, other), &head(last, root)).is_ok();
            let (root, other) = (theirs(&root), theirs(&other));
            let same = tlog_tiles::check_tree(&claim.theirs(), last, root, first, other).is_ok();
            prop_assert_eq!(verified, same, "{:?} {:?}", change, claim);
        }
    }

    #[test]
    fn notes_are_the_same_and_are_refused_alike(
        name in "[^\\s+\\x00-\\x20]{1,12}",
        seed in any::<[u8; 32]>(),
        text in "([^\\x00-\\x1f]{0,9}\n){1,5}",
        edits in vec((any::<Index>(), "[\n— +=aA0\r\\PC]{0,2}"), 24),
    ) {
        let key = SigningKey::from_seed(name.parse().unwrap(), &seed);
        let signer = StandardSigner::new(key.to_secret_text().expose()).unwrap();
        let vkey = key.public_key().to_string();
        let verifiers = VerifierList::new(vec![Box::new(StandardVerifier::new(&vkey).unwrap())]);
        let mut theirs = Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let note = SignedNote::sign(&text, &key).unwrap().to_string();
        prop_assert_eq!(note.as_bytes(), theirs.to_bytes());

        let keys: [PublicKey; 1] = [vkey.parse().unwrap()];
        for (at, insert) in edits {
            let characters: Vec<char> = note.chars().collect();
            let at = at.index(characters.len());
            let edited: String =
                characters[..at].iter().chain(&insert.chars().collect::<Vec<_>>())
                    .chain(&characters[at + 1..]).collect();
            let ours = edited.parse::<SignedNote>();
            let theirs = Note::from_bytes(edited.as_bytes());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", edited, ours);
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                prop_assert_eq!(ours.text().as_bytes(), theirs.text());
                prop_assert_eq!(ours.verify(&keys).is_ok(), theirs.verify(&verifiers).is_ok());
            }
        }
    }

    #[test]
    fn checkpoints_are_the_same(
        size in any::<u64>(),
        root in any::<Hash>(),
        extensions in "([^\\x00-\\x1f]{1,9}\n){0,3}",
    ) {
        let origin = "example.com/changes";
        let theirs = tlog_tiles::Checkpoint::new(origin, size, theirs(&root), &extensions).unwrap();
        let text = theirs.to_bytes();
        let text = std::str::from_utf8(&text).unwrap();
        let read: Checkpoint = text.parse().unwrap();
        prop_assert_eq!(read.head(), &head(size, root));
        prop_assert_eq!(read.to_string(), text);
        let key = SigningKey::from_seed(origin.parse().unwrap(), &root);
        let signed = SignedCheckpoint::sign(head(size, root), &key);
        let back = tlog_tiles::Checkpoint::from_bytes(signed.note().text().as_bytes()).unwrap();
        prop_assert_eq!((back.size(), back.hash().0), (size, root));
    }
}
