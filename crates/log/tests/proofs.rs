//! What can be proved about a log, and that nothing else can.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

mod common;

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use common::{Entries, heads, now};
use holdpoint_core::Sequence;
use holdpoint_log::{
    EventLog, Head, MemoryLog, ReadFailure,
    checkpoint::{CheckpointFailure, SignedCheckpoint},
    conformance::append,
    key::{PublicKey, SigningKey},
    merkle::{Hash, leaf_hash, root_over},
    note::{NoteFailure, SignedNote},
    proof::{ConsistencyProof, InclusionProof, ProofFailure},
    proof_file::{ConsistencyFile, InclusionFile, ProofFile, VerifyFailure},
    prove::{EventTiles, ProveFailure, Tiles, prove_consistency, prove_inclusion, root},
};

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
}

fn log_key() -> SigningKey {
    key("example.com/changes", 1)
}

fn keys() -> [PublicKey; 1] {
    [log_key().public_key().clone()]
}

async fn checkpoint(log: &dyn EventLog) -> SignedCheckpoint {
    SignedCheckpoint::sign(log.head().await.unwrap(), &log_key())
}

async fn inclusion_file(log: &dyn EventLog, sequence: u64) -> InclusionFile {
    let checkpoint = checkpoint(log).await;
    let sequence = Sequence(sequence);
    let proof = prove_inclusion(&EventTiles(log), sequence, checkpoint.claimed().head()).await;
    let record = log.read(Sequence(sequence.0 - 1), 1).await.unwrap().remove(0);
    InclusionFile { event: Some(record.bytes), proof: proof.unwrap(), checkpoint }
}

async fn consistency_file(log: &dyn EventLog, old: SignedCheckpoint) -> ConsistencyFile {
    let new = checkpoint(log).await;
    let (from, to) = (old.claimed().head(), new.claimed().head());
    let proof = prove_consistency(&EventTiles(log), from, to).await.unwrap();
    ConsistencyFile { proof, old, new }
}

/// Every text that differs from `text` in one bit.
fn one_bit_off(text: &str) -> impl Iterator<Item = String> {
    (0..text.len() * 8).filter_map(|bit| String::from_utf8(flipped(text.as_bytes(), bit)).ok())
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Every list of hashes that is like a proof's, but has one too few, one too many or one wrong.
fn near(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = vec![[hashes, &[[0; 32]]].concat(), [&[[0; 32]], hashes].concat()];
    for at in 0..hashes.len() {
        let mut less = hashes.to_vec();
        all.push([&hashes[..=at], &hashes[at..]].concat());
        less.remove(at);
        all.push(less);
        let mut changed = hashes.to_vec();
        changed[at][31] ^= 1;
        all.push(changed);
    }
    all
}

/// What is at most two from `at`, and itself.
fn beside(at: usize, end: usize) -> Range<usize> {
    at.saturating_sub(2)..end.min(at + 3)
}

const SIZE_MAX: usize = 70;

#[test]
fn every_event_is_proved_under_every_head_and_no_other() {
    let log = Entries::numbered(SIZE_MAX);
    let tiles = EventTiles(&log);
    let heads = heads(&log.roots());
    let leaves: Vec<Hash> = log.0.iter().map(|record| leaf_hash(&record.bytes)).collect();
    for (size, head) in heads.iter().enumerate() {
        for sequence in (1..=head.sequence.0).map(Sequence) {
            let proof = now(prove_inclusion(&tiles, sequence, head)).unwrap();
            let index = usize::try_from(proof.index).unwrap();
            assert_eq!(proof.verify(&leaves[index], head), Ok(()));
            for at in beside(index, leaves.len()) {
                assert_eq!(proof.verify(&leaves[at], head).is_ok(), at == index);
                let moved = InclusionProof { index: at as u64, ..proof.clone() };
                assert_eq!(moved.verify(&leaves[index], head).is_ok(), at == index);
            }
            for at in beside(size, heads.len()) {
                assert_eq!(proof.verify(&leaves[index], &heads[at]).is_ok(), at == size);
            }
            for hashes in near(&proof.hashes) {
                let near = InclusionProof { hashes, ..proof.clone() };
                assert!(near.verify(&leaves[index], head).is_err());
            }
        }
        for sequence in [Sequence::ZERO, head.sequence.next(), Sequence(u64::MAX)] {
            let failure = now(prove_inclusion(&tiles, sequence, head)).unwrap_err();
            assert_eq!(failure, ProveFailure::NoEvent { sequence, last: head.sequence });
        }
    }
}

#[test]
fn every_head_is_proved_to_extend_every_older_one_and_no_other() {
    let log = Entries::numbered(SIZE_MAX);
    let tiles = EventTiles(&log);
    let heads = heads(&log.roots());
    for (new_size, new) in heads.iter().enumerate() {
        let failure = now(prove_consistency(&tiles, &heads[0], new)).unwrap_err();
        assert_eq!(failure, ProveFailure::Nothing);
        for (old_size, old) in heads.iter().enumerate().take(new_size + 1).skip(1) {
            let proof = now(prove_consistency(&tiles, old, new)).unwrap();
            assert_eq!(proof.verify(old, new), Ok(()));
            // A log extends itself, which takes no hashes, whatever its size.
            let is_itself = |from: usize, to: usize| from == to && proof.hashes.is_empty();
            for at in beside(old_size, heads.len()) {
                let is_proved = at == old_size || is_itself(at, new_size);
                assert_eq!(proof.verify(&heads[at], new).is_ok(), is_proved);
            }
            for at in beside(new_size, heads.len()) {
                let is_proved = at == new_size || is_itself(old_size, at);
                assert_eq!(proof.verify(old, &heads[at]).is_ok(), is_proved);
            }
            let root = |head: &Head| Head { root: [7; 32], ..*head };
            assert!(proof.verify(&root(old), new).is_err());
            assert!(proof.verify(old, &root(new)).is_err());
            for hashes in near(&proof.hashes) {
                assert!(ConsistencyProof { hashes }.verify(old, new).is_err());
            }
            if old != new {
                let failure = proof.verify(new, old).unwrap_err();
                assert!(matches!(failure, ProofFailure::Shorter { .. }));
                let failure = now(prove_consistency(&tiles, new, old)).unwrap_err();
                assert!(matches!(failure, ProveFailure::Shorter { .. }));
            }
        }
    }
}

/// A log that keeps the roots of its complete tiles, and counts the events it reads.
struct StoredTiles<'l> {
    events: EventTiles<'l>,
    roots: Vec<Hash>,
    read: AtomicUsize,
}

#[async_trait]
impl Tiles for StoredTiles<'_> {
    async fn hashes(&self, level: u32, numbers: Range<u64>) -> Result<Vec<Hash>, ReadFailure> {
        let at = usize::try_from(numbers.start).unwrap()..usize::try_from(numbers.end).unwrap();
        assert!(at.start / 256 == (at.end - 1) / 256, "{at:?} are of more than one tile");
        match level {
            0 => {
                self.read.fetch_add(at.len(), Ordering::Relaxed);
                self.events.hashes(level, numbers).await
            }
            1 => Ok(self.roots[at].to_vec()),
            2 => Ok(at.map(|n| root_over(&self.roots[n * 256..(n + 1) * 256])).collect()),
            _ => panic!("there is no level {level} in a log of this size"),
        }
    }
}

#[test]
fn a_log_that_keeps_tile_roots_reads_few_events() {
    const SIZE: usize = 66_000;
    let log = Entries::numbered(SIZE);
    let leaves: Vec<Hash> = log.0.iter().map(|record| leaf_hash(&record.bytes)).collect();
    let roots: Vec<Hash> = leaves.chunks_exact(256).map(root_over).collect();
    let tiles = StoredTiles { events: EventTiles(&log), roots, read: AtomicUsize::new(0) };
    let heads = heads(&log.roots());
    let new = &heads[SIZE];
    for sequence in [1, 2, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 65_999, 66_000] {
        tiles.read.store(0, Ordering::Relaxed);
        let proof = now(prove_inclusion(&tiles, Sequence(sequence), new)).unwrap();
        assert_eq!(proof.index, sequence - 1);
        assert!(tiles.read.load(Ordering::Relaxed) < 512);
        tiles.read.store(0, Ordering::Relaxed);
        let old = &heads[usize::try_from(sequence).unwrap()];
        now(prove_consistency(&tiles, old, new)).unwrap();
        assert!(tiles.read.load(Ordering::Relaxed) < 512);
        assert_eq!(now(root(&tiles, old.sequence)), Ok(old.root));
    }
    // Without stored roots the proofs are the same.
    let slow = now(prove_inclusion(&EventTiles(&log), Sequence(300), new));
    assert_eq!(slow, now(prove_inclusion(&tiles, Sequence(300), new)));
    let levels = now(EventTiles(&log).hashes(2, 0..1)).unwrap();
    assert_eq!(levels, now(tiles.hashes(2, 0..1)).unwrap());
}

#[tokio::test]
async fn an_event_is_proved_to_whoever_has_the_file_and_the_key() {
    let log = MemoryLog::new();
    log.append(vec![append(1, 0, 5), append(2, 0, 4)]).await.unwrap();
    let text = inclusion_file(&log, 6).await.to_string();
    let file: InclusionFile = text.parse().unwrap();
    assert_eq!(text.parse(), Ok(ProofFile::Inclusion(file.clone())));
    let included = file.verify(None, &keys()).unwrap();
    assert_eq!(included.record.event().unwrap().sequence, Sequence(6));
    assert_eq!(included.record, log.read(Sequence(5), 1).await.unwrap()[0]);
    assert_eq!(included.checkpoint.head(), &log.head().await.unwrap());

    // Without its event the file is checked with the event's bytes beside it.
    let event = file.event.clone().unwrap();
    let bare = InclusionFile { event: None, ..file.clone() };
    assert_eq!(bare.verify(None, &keys()), Err(VerifyFailure::NoEvent));
    assert_eq!(bare.verify(Some(&event), &keys()), Ok(included.clone()));
    assert_eq!(file.verify(Some(&event), &keys()), Ok(included));
    assert_eq!(file.verify(Some(b"{}"), &keys()), Err(VerifyFailure::OtherEvent));
    let wrong = VerifyFailure::Proof(ProofFailure::Inclusion);
    assert_eq!(bare.verify(Some(b"{}"), &keys()), Err(wrong));
    let stranger = [key("example.com/other", 2).public_key().clone()];
    assert!(matches!(
        file.verify(None, &stranger),
        Err(VerifyFailure::Checkpoint(CheckpointFailure::Note(NoteFailure::Unknown { .. })))
    ));
}

#[tokio::test]
async fn every_changed_bit_of_an_events_proof_is_refused() {
    let log = MemoryLog::new();
    log.append(vec![append(1, 0, 11)]).await.unwrap();
    let file = inclusion_file(&log, 7).await;
    for changed in one_bit_off(&file.to_string()) {
        if let Ok(parsed) = changed.parse::<InclusionFile>() {
            assert!(parsed.verify(None, &keys()).is_err(), "{changed}");
        }
    }
    let event = file.event.clone().unwrap();
    let bare = InclusionFile { event: None, ..file };
    for bit in 0..event.len() * 8 {
        assert!(bare.verify(Some(&flipped(&event, bit)), &keys()).is_err());
    }
}

#[tokio::test]
async fn every_changed_bit_of_a_checkpoint_is_refused() {
    let log = MemoryLog::new();
    log.append(vec![append(1, 0, 10)]).await.unwrap();
    let signed = checkpoint(&log).await;
    assert!(signed.open(&keys()).is_ok());
    for changed in one_bit_off(&signed.to_string()) {
        if let Ok(parsed) = changed.parse::<SignedCheckpoint>() {
            assert!(parsed.open(&keys()).is_err(), "{changed}");
        }
    }
}

#[tokio::test]
async fn every_changed_bit_of_a_consistency_proof_is_refused() {
    let log = MemoryLog::new();
    log.append(vec![append(1, 0, 3)]).await.unwrap();
    let old = checkpoint(&log).await;
    log.append(vec![append(1, 3, 4)]).await.unwrap();
    let text = consistency_file(&log, old.clone()).await.to_string();
    let file: ConsistencyFile = text.parse().unwrap();
    assert_eq!(text.parse(), Ok(ProofFile::Consistency(file.clone())));
    let extended = file.verify(Some(old.claimed()), &keys()).unwrap();
    assert_eq!(
        (extended.old.head().sequence, extended.new.head().sequence),
        (Sequence(3), Sequence(7))
    );
    assert_eq!(file.verify(None, &keys()), Ok(extended));
    for changed in one_bit_off(&text) {
        if let Ok(parsed) = changed.parse::<ConsistencyFile>() {
            assert!(parsed.verify(None, &keys()).is_err(), "{changed}");
        }
    }
}

#[tokio::test]
async fn a_rewritten_tail_is_noticed_by_whoever_kept_a_checkpoint() {
    for kept in 1..=9 {
        let (log, forged) = (MemoryLog::new(), MemoryLog::new());
        log.append(vec![append(1, 0, kept)]).await.unwrap();
        let held = checkpoint(&log).await;

        // The last of the events that were there is another one in the forged log: its id differs.
        let records = log.read(Sequence::ZERO, 99).await.unwrap();
        let mut history: Vec<Vec<u8>> = records.iter().map(|r| r.bytes.to_vec()).collect();
        *history.last_mut().unwrap() = b"forged".to_vec();
        history.extend((0..5).map(|n| format!("later {n}").into_bytes()));
        let forged_log = Entries::new(history);
        forged.append(vec![append(1, 0, 12)]).await.unwrap();

        for log in [&forged_log as &dyn EventLog, &forged] {
            let new = log.head().await.unwrap();
            let tiles = EventTiles(log);
            let old = *held.claimed().head();
            // The owner of the log cannot make a proof,
            let failure = prove_consistency(&tiles, &old, &new).await.unwrap_err();
            assert_eq!(failure, ProveFailure::Rewritten { old: old.sequence });
            // and one between the forged log's own states does not do for the one that was kept,
            let forged_old = Head { root: root(&tiles, old.sequence).await.unwrap(), ..old };
            let proof = prove_consistency(&tiles, &forged_old, &new).await.unwrap();
            assert!(proof.verify(&old, &new).is_err());
            // even if the log's owner signs both, because it is not what was kept.
            let file = ConsistencyFile {
                proof,
                old: SignedCheckpoint::sign(forged_old, &log_key()),
                new: SignedCheckpoint::sign(new, &log_key()),
            };
            assert!(file.verify(None, &keys()).is_ok());
            assert_eq!(file.verify(Some(held.claimed()), &keys()), Err(VerifyFailure::NotHeld));
            let swapped = ConsistencyFile { old: held.clone(), ..file };
            let failure = swapped.verify(Some(held.claimed()), &keys()).unwrap_err();
            assert!(matches!(failure, VerifyFailure::Proof(_)), "{failure}");
        }
        // Nor can a log that was cut off.
        let cut = Entries::numbered(kept - 1);
        let new = cut.head().await.unwrap();
        let failure = prove_consistency(&EventTiles(&cut), held.claimed().head(), &new).await;
        assert!(matches!(failure, Err(ProveFailure::Shorter { .. })));
    }
}

#[tokio::test]
async fn a_log_whose_events_are_not_its_heads_proves_nothing() {
    let mut log = Entries::numbered(9);
    let head = log.head().await.unwrap();
    let older = Head { sequence: Sequence(4), root: log.roots()[4] };
    log.0[6].bytes = b"changed".as_slice().into();
    let damaged = prove_inclusion(&EventTiles(&log), Sequence(2), &head).await;
    assert_eq!(damaged, Err(ProveFailure::Damaged(ProofFailure::Inclusion)));
    let damaged = prove_consistency(&EventTiles(&log), &older, &head).await;
    assert_eq!(damaged, Err(ProveFailure::Damaged(ProofFailure::New)));
    let missing = |sequence| {
        let reason = "it is missing".to_owned();
        ProveFailure::Read(ReadFailure::Damaged { sequence: Some(Sequence(sequence)), reason })
    };
    log.0.remove(6);
    let failure = prove_inclusion(&EventTiles(&log), Sequence(2), &head).await;
    assert_eq!(failure, Err(missing(7)));
    log.0.truncate(5);
    let failure = prove_inclusion(&EventTiles(&log), Sequence(2), &head).await;
    assert_eq!(failure, Err(missing(6)));
}

#[tokio::test]
async fn checkpoints_of_two_logs_prove_nothing_about_either() {
    let log = MemoryLog::new();
    log.append(vec![append(1, 0, 3)]).await.unwrap();
    let old = checkpoint(&log).await;
    let other = key("example.com/other", 2);
    let new = SignedCheckpoint::sign(*old.claimed().head(), &other);
    let proof = ConsistencyProof { hashes: Vec::new() };
    let both = [log_key().public_key().clone(), other.public_key().clone()];
    let file = ConsistencyFile { proof, old: old.clone(), new };
    let failure = file.verify(Some(old.claimed()), &both).unwrap_err();
    assert!(matches!(failure, VerifyFailure::OtherLog { .. }));

    // A note of the log that is no checkpoint of it does not count as one.
    let text = old.note().text().replace("example.com/changes", "example.com/other");
    let note = SignedNote::sign(&text, &log_key()).unwrap();
    let foreign: SignedCheckpoint = note.to_string().parse().unwrap();
    assert!(matches!(foreign.open(&both), Err(CheckpointFailure::OtherLog { .. })));
}

/// `docs/proofs.md` shows what the code writes.
#[test]
fn the_examples_are_what_the_code_writes() {
    // RFC 8032 section 7.1, TEST 1: a key that everybody has.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let seed: [u8; 32] = hex::decode(seed).unwrap().try_into().unwrap();
    let key = SigningKey::from_seed("example.com/changes".parse().unwrap(), &seed);
    let log = Entries::new(["one", "two", "three"]);
    let tiles = EventTiles(&log);
    let heads = heads(&log.roots());
    let signed = |size: usize| SignedCheckpoint::sign(heads[size], &key);

    let inclusion = InclusionFile {
        event: Some(log.0[1].bytes.clone()),
        proof: now(prove_inclusion(&tiles, Sequence(2), &heads[3])).unwrap(),
        checkpoint: signed(3),
    };
    let consistency = ConsistencyFile {
        proof: now(prove_consistency(&tiles, &heads[2], &heads[3])).unwrap(),
        old: signed(2),
        new: signed(3),
    };
    let keys = [key.public_key().clone()];
    assert!(inclusion.verify(None, &keys).is_ok());
    assert!(consistency.verify(Some(signed(2).claimed()), &keys).is_ok());

    let page = include_str!("../../../docs/proofs.md");
    for example in [
        format!("{}\n", key.to_secret_text().expose()),
        format!("{}\n", key.public_key()),
        signed(3).to_string(),
        inclusion.to_string(),
        consistency.to_string(),
    ] {
        assert!(page.contains(&format!("```\n{example}```\n")), "docs/proofs.md lacks\n{example}");
        println!("{example}");
    }
}
