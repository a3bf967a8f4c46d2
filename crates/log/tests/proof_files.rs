//! Proof files as texts: each has one spelling, and whatever is not one is refused with its line.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]

use std::str::FromStr;

use holdpoint_core::Sequence;
use holdpoint_log::{
    Flaw, Head, Malformed,
    checkpoint::{Checkpoint, SignedCheckpoint},
    key::{KeyName, PublicKey, SigningKey},
    merkle::{Hash, leaf_hash, node_hash},
    note::{Signature, SignedNote},
    proof::{ConsistencyProof, InclusionProof, ProofFailure},
    proof_file::{ConsistencyFile, InclusionFile, ProofFile},
};
use proptest::{collection::vec, option, prelude::*, sample::Index};

fn signed(size: u64, root: Hash) -> SignedCheckpoint {
    let key = SigningKey::from_seed("example.com/changes".parse().unwrap(), &[1; 32]);
    SignedCheckpoint::sign(Head { sequence: Sequence(size), root }, &key)
}

fn checkpoint() -> impl Strategy<Value = SignedCheckpoint> {
    (any::<u64>(), any::<Hash>()).prop_map(|(size, root)| signed(size, root))
}

fn inclusion() -> impl Strategy<Value = InclusionFile> {
    let event = option::of(vec(any::<u8>(), 0..200));
    (event, any::<u64>(), vec(any::<Hash>(), 0..66), checkpoint()).prop_map(
        |(event, index, hashes, checkpoint)| InclusionFile {
            event: event.map(Vec::into_boxed_slice),
            proof: InclusionProof { index, hashes },
            checkpoint,
        },
    )
}

fn consistency() -> impl Strategy<Value = ConsistencyFile> {
    (vec(any::<Hash>(), 0..66), checkpoint(), checkpoint()).prop_map(|(hashes, old, new)| {
        ConsistencyFile { proof: ConsistencyProof { hashes }, old, new }
    })
}

/// A text with a part of it cut out and something else put in.
fn edited(texts: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let edit = (any::<Index>(), 0usize..9, "(\n|\n\n|[ =+a-zA-Z0-9—\r\t]|\\PC){0,4}");
    (texts, vec(edit, 1..4)).prop_map(|(text, edits)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (at, cut, insert) in edits {
            let from = at.index(characters.len() + 1);
            let to = characters.len().min(from + cut);
            characters.splice(from..to, insert.chars());
        }
        characters.into_iter().collect()
    })
}

/// A text is refused, or it is exactly what would be written.
fn assert_one_spelling<T: FromStr<Err = Malformed> + ToString>(text: &str) {
    match text.parse::<T>() {
        Ok(read) => assert_eq!(read.to_string(), text),
        Err(malformed) => {
            assert!(
                (1..=text.split('\n').count()).contains(&malformed.line),
                "{malformed}\n{text}"
            );
            assert!(!malformed.help().is_empty());
        }
    }
}

fn assert_all(text: &str) {
    assert_one_spelling::<InclusionFile>(text);
    assert_one_spelling::<ConsistencyFile>(text);
    assert_one_spelling::<ProofFile>(text);
    assert_one_spelling::<SignedCheckpoint>(text);
    assert_one_spelling::<SignedNote>(text);
    assert_one_spelling::<Checkpoint>(text);
    assert_one_spelling::<Signature>(text);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(inclusion in inclusion(), consistency in consistency()) {
        let text = inclusion.to_string();
        prop_assert_eq!(text.parse::<InclusionFile>(), Ok(inclusion.clone()));
        prop_assert_eq!(text.parse(), Ok(ProofFile::Inclusion(inclusion)));
        let text = consistency.to_string();
        prop_assert_eq!(text.parse::<ConsistencyFile>(), Ok(consistency.clone()));
        prop_assert_eq!(text.parse(), Ok(ProofFile::Consistency(consistency)));
    }

    #[test]
    fn no_text_is_read_as_what_it_is_not(text in any::<String>()) {
        assert_all(&text);
        let _ = text.parse::<KeyName>();
        let _ = text.parse::<PublicKey>();
        let _ = SigningKey::from_secret_text(&text);
    }

    #[test]
    fn an_edited_proof_has_one_spelling_or_none(text in edited(inclusion().prop_map(|f| f.to_string()))) {
        assert_all(&text);
    }

    #[test]
    fn an_edited_consistency_proof_too(text in edited(consistency().prop_map(|f| f.to_string()))) {
        assert_all(&text);
    }

    #[test]
    fn verifying_what_nobody_has_made_never_panics(
        inclusion in inclusion(),
        consistency in consistency(),
        sizes in any::<[u64; 2]>(),
        roots in any::<[Hash; 2]>(),
    ) {
        let [old, new] = [0, 1].map(|n: usize| {
            Head { sequence: Sequence(sizes.get(n).copied().unwrap()), root: *roots.get(n).unwrap() }
        });
        prop_assert!(inclusion.proof.verify(&old.root, &new).is_err());
        prop_assert!(consistency.proof.verify(&old, &new).is_err());
        for size in [0, 1, u64::MAX - 1, u64::MAX] {
            let head = Head { sequence: Sequence(size), ..new };
            let proof = InclusionProof { index: size, ..inclusion.proof.clone() };
            let failure = proof.verify(&old.root, &head).unwrap_err();
            prop_assert_eq!(failure, ProofFailure::NotInTree { index: size, size });
            prop_assert!(consistency.proof.verify(&old, &head).is_err());
            prop_assert!(consistency.proof.verify(&head, &old).is_err());
        }
    }
}

/// The largest tree there can be: its last leaf beside two hashes would need 2^64 of them.
#[test]
fn the_longest_proofs_verify() {
    let leaf = leaf_hash(b"event");
    let beside = [9; 32];
    let root = (0..64).fold(leaf, |node, _| node_hash(&node, &beside));
    let proof = InclusionProof { index: 0, hashes: vec![beside; 64] };
    let head = Head { sequence: Sequence(u64::MAX), root };
    assert_eq!(proof.verify(&leaf, &head), Ok(()));
    let longer = InclusionProof { index: 0, hashes: vec![beside; 65] };
    assert_eq!(longer.verify(&leaf, &head), Err(ProofFailure::Length));
}

#[test]
fn flaws_are_told_with_their_lines() {
    let file = InclusionFile {
        event: Some(b"event".as_slice().into()),
        proof: InclusionProof { index: 3, hashes: vec![[1; 32], [2; 32]] },
        checkpoint: signed(4, [3; 32]),
    };
    let text = file.to_string();
    let hash = text.lines().nth(3).unwrap();
    let flaw = |text: &str| {
        let Malformed { line, flaw } = text.parse::<ProofFile>().unwrap_err();
        (line, flaw)
    };
    let format = |text: &str| Flaw::Format { text: text.to_owned() };
    assert_eq!(flaw(""), (1, Flaw::Ends { missing: "its first line" }));
    assert_eq!(flaw(&text.replace("@v1", "@v2")), (1, format("c2sp.org/tlog-proof@v2")));
    assert_eq!(
        flaw(&text.replace("extra ZX", "extra ZX\r")),
        (2, Flaw::ControlCharacter { character: '\r' })
    );
    assert_eq!(flaw(&text.replace("extra ZX", "extra  ZX")), (2, Flaw::Extra));
    let index = Flaw::Index { text: "3".to_owned() };
    assert_eq!(flaw(&text.replace("index 3", "3")), (3, index));
    let number = Flaw::Number { text: "03".to_owned() };
    assert_eq!(flaw(&text.replace("index 3", "index 03")), (3, number));
    let wrong = Flaw::Hash { text: format!("{hash} ") };
    assert_eq!(flaw(&text.replace(hash, &format!("{hash} "))), (4, wrong));
    let many = format!("{hash}\n").repeat(66);
    assert_eq!(flaw(&text.replace(&format!("{hash}\n"), &many)), (4 + 65, Flaw::TooManyHashes));
    // The checkpoint begins in line 7, its size is in line 8 and its signature in line 11.
    let number = Flaw::Number { text: "4.".to_owned() };
    assert_eq!(flaw(&text.replace("\n4\n", "\n4.\n")), (8, number));
    assert!(matches!(flaw(&text.replace('—', "-")), (11, Flaw::Signature { .. })));
    let without_signature = text.split_once('—').unwrap().0;
    assert_eq!(flaw(without_signature), (10, Flaw::NoSignatures));
    // Wherever it is cut off, it says so in the last line that there is.
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let cut = text.get(..end).unwrap();
        let (line, flaw) = flaw(cut);
        let last = cut.split('\n').count();
        assert!(line == last || line + 1 == last, "{line} of {last}: {flaw}");
    }

    let file = ConsistencyFile {
        proof: ConsistencyProof { hashes: vec![[1; 32]] },
        old: signed(4, [3; 32]),
        new: signed(5, [4; 32]),
    };
    let text = file.to_string();
    // The older checkpoint is in the lines 4 to 8, the newer one in 10 to 14.
    let number = |text: &str| Flaw::Number { text: text.to_owned() };
    assert_eq!(flaw(&text.replace("\n4\n", "\n4.\n")), (5, number("4.")));
    assert_eq!(flaw(&text.replace("\n5\n", "\n5.\n")), (11, number("5.")));
    let newer = Flaw::Ends { missing: "the newer checkpoint" };
    let (older_only, _) = text.rsplit_once("\n\nexample").unwrap();
    assert_eq!(flaw(&format!("{older_only}\n")), (8, newer));
    let trailing = Flaw::Signature { line: "more".to_owned() };
    assert_eq!(flaw(&format!("{text}more\n")), (15, trailing));
}
