//! Published vectors, read where they are: the folder that `HOLDPOINT_MERKLE_DATA` names, or
//! `shared/data/merkle` beside the workspace. They are not part of it; where they are not there, each
//! test says SKIPPED, or fails where `HOLDPOINT_REQUIRE_MERKLE_DATA` is set.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]

mod common;

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{Entries, heads, now};
use holdpoint_core::Sequence;
use holdpoint_log::{
    Head,
    checkpoint::SignedCheckpoint,
    key::{KeyFailure, PublicKey, SigningKey},
    merkle::{Hash, MerkleTree, leaf_hash},
    note::{NoteFailure, SignedNote},
    proof::{ConsistencyProof, InclusionProof},
    proof_file::{ConsistencyFile, InclusionFile},
    prove::{EventTiles, Tiles, prove_consistency, prove_inclusion},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where the folder is.
const FOLDER: &str = "HOLDPOINT_MERKLE_DATA";
/// Set where a folder that is not there is an error.
const REQUIRED: &str = "HOLDPOINT_REQUIRE_MERKLE_DATA";

/// What is read of the folder by the tests below; of a path with `*`, what has any number there.
const READ: &[&str] = &[
    "README.md",
    "c2sp/checkpoint-cosigned-parse-only.txt",
    "c2sp/signed-note-example.txt",
    "c2sp/signed-note-example.vkey",
    "c2sp/witness-add-checkpoint-request-parse-only.txt",
    "derived/checkpoints.json",
    "derived/trees.json",
    "tessera-testdata-log/checkpoint",
    "tessera-testdata-log/checkpoint.*",
    "tessera-testdata-log/tile/0/000.p/*",
    "tessera-testdata-log/tile/entries/000.p/*",
    "tessera-testdata-log/vkey.txt",
    "transparency-dev-merkle/consistency.json",
    "transparency-dev-merkle/inclusion.json",
    "transparency-dev-merkle/reference_tree.json",
];
/// What is about something that Holdpoint does not have.
const NOT_OURS: &[(&str, &str)] =
    &[("derived/tile_paths.json", "tiles are no files here: nothing has such a path")];

/// The folder, where it is there.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/merkle");
    let path = env::var_os(FOLDER).map_or_else(beside, PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    let reason = format!("there are no published vectors in {}; see {FOLDER}", path.display());
    assert!(env::var_os(REQUIRED).is_none(), "{reason}");
    // What tests print is hidden when they pass.
    io::stderr().write_all(format!("SKIPPED: {reason}\n").as_bytes()).unwrap();
    None
}

/// The path with what is a number in it replaced, as [`READ`] has it.
fn listed(name: &str) -> String {
    let number = name.rsplit(['.', '/']).next().unwrap();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { format!("{}*", name.strip_suffix(number).unwrap()) } else { name.to_owned() }
}

fn bytes(data: &Path, name: &str) -> Vec<u8> {
    assert!(READ.contains(&listed(name).as_str()), "`{name}` is read and not in the list");
    fs::read(data.join(name)).unwrap()
}

fn text(data: &Path, name: &str) -> String {
    String::from_utf8(bytes(data, name)).unwrap()
}

fn json(data: &Path, name: &str) -> Value {
    serde_json::from_str(&text(data, name)).unwrap()
}

/// A hash of a vector. Some are of another length, and none of ours: no proof can have them.
fn base64_hash(value: &Value) -> Option<Hash> {
    STANDARD.decode(value.as_str().unwrap()).unwrap().try_into().ok()
}

/// A root of a vector; where it is of another length, one that is the same for the same.
fn base64_root(value: &Value) -> Hash {
    base64_hash(value).unwrap_or_else(|| Sha256::digest(value.as_str().unwrap()).into())
}

fn base64_hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(Vec::new()), |all| all.iter().map(base64_hash).collect())
}

fn hex_hash(value: &Value) -> Hash {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hex_hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hex_hash).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn head(size: &Value, root: Hash) -> Head {
    Head { sequence: Sequence(number(size)), root }
}

/// The files beneath a folder, by their paths in it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn no_file_of_the_folder_is_left_out() {
    let Some(data) = data() else { return };
    let there: BTreeSet<String> = files(&data).iter().map(|name| listed(name)).collect();
    let known: BTreeSet<String> =
        READ.iter().chain(NOT_OURS.iter().map(|(name, _)| name)).map(|&n| n.to_owned()).collect();
    assert_eq!(there, known);
}

#[test]
fn inclusion_proofs_of_transparency_dev() {
    let Some(data) = data() else { return };
    let cases = json(&data, "transparency-dev-merkle/inclusion.json");
    let (mut accepted, mut refused) = (0, 0);
    for case in cases.as_array().unwrap() {
        let verify = || {
            let hashes = base64_hashes(&case["proof"])?;
            let (leaf, root) = (base64_hash(&case["leafHash"])?, base64_hash(&case["root"])?);
            let proof = InclusionProof { index: number(&case["leafIdx"]), hashes };
            proof.verify(&leaf, &head(&case["treeSize"], root)).ok()
        };
        assert_eq!(verify().is_none(), case["wantErr"].as_bool().unwrap(), "{}", case["file"]);
        *(if verify().is_some() { &mut accepted } else { &mut refused }) += 1;
    }
    assert_eq!((accepted, refused), (6, 92));
}

#[test]
fn consistency_proofs_of_transparency_dev() {
    let Some(data) = data() else { return };
    let cases = json(&data, "transparency-dev-merkle/consistency.json");
    let (mut accepted, mut refused) = (0, 0);
    for case in cases.as_array().unwrap() {
        let verify = || {
            let hashes = base64_hashes(&case["proof"])?;
            let (old, new) = (base64_root(&case["root1"]), base64_root(&case["root2"]));
            let (old, new) = (head(&case["size1"], old), head(&case["size2"], new));
            ConsistencyProof { hashes }.verify(&old, &new).ok()
        };
        assert_eq!(verify().is_none(), case["wantErr"].as_bool().unwrap(), "{}", case["file"]);
        *(if verify().is_some() { &mut accepted } else { &mut refused }) += 1;
    }
    assert_eq!((accepted, refused), (6, 92));
}

#[test]
fn the_reference_tree() {
    let Some(data) = data() else { return };
    let tree = json(&data, "transparency-dev-merkle/reference_tree.json");
    let leaves = tree["leaves_hex"].as_array().unwrap();
    let leaves: Vec<Vec<u8>> =
        leaves.iter().map(|leaf| hex::decode(leaf.as_str().unwrap()).unwrap()).collect();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    assert_eq!(hashes, hex_hashes(&tree["leaf_hashes_hex"]));
    let log = Entries::new(leaves);
    for (size, root) in log.roots().iter().enumerate() {
        assert_eq!(root, &hex_hash(&tree["roots_hex"][size]), "{size} leaves");
    }
    let vectors: Vec<Hash> =
        tree["hash_vectors"].as_array().unwrap().iter().map(|v| hex_hash(&v["hash"])).collect();
    // The fourth is a node over texts that are not hashes, which ours cannot be asked for.
    let [empty, of_nothing, of_text] =
        [MerkleTree::new().root(), leaf_hash(b""), leaf_hash(b"L123456")];
    assert_eq!(vectors[..3], [empty, of_nothing, of_text]);
}

/// The entries of a bundle of C2SP tlog-tiles: each with its length in two bytes before it.
fn entries(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk() {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        bundle = rest;
    }
    entries
}

#[test]
fn a_log_that_tessera_has_written() {
    let Some(data) = data() else { return };
    let name = |name: &str| format!("tessera-testdata-log/{name}");
    let keys: [PublicKey; 1] = [text(&data, &name("vkey.txt")).parse().unwrap()];
    let bundle = |size: u64| entries(&bytes(&data, &name(&format!("tile/entries/000.p/{size}"))));
    let log = Entries::new(bundle(15));
    let tiles = EventTiles(&log);
    let heads = heads(&log.roots());
    let checkpoints: Vec<SignedCheckpoint> = (0..=15)
        .map(|size| {
            let text = text(&data, &name(&format!("checkpoint.{size}")));
            let signed: SignedCheckpoint = text.parse().unwrap();
            assert_eq!(signed.to_string(), text);
            signed
        })
        .collect();
    assert_eq!(text(&data, &name("checkpoint")), checkpoints.last().unwrap().to_string());
    for (new, head) in checkpoints.iter().zip(&heads) {
        assert_eq!(new.open(&keys).unwrap().head(), head);
        let size = head.sequence.0;
        if size > 0 {
            let tile = bytes(&data, &name(&format!("tile/0/000.p/{size}")));
            assert_eq!(now(tiles.hashes(0, 0..size)).unwrap().concat(), tile);
            let first = &log.0[..usize::try_from(size).unwrap()];
            assert!(bundle(size).iter().eq(first.iter().map(|record| &*record.bytes)));
        }
        for sequence in (1..=size).map(Sequence) {
            let proof = now(prove_inclusion(&tiles, sequence, head)).unwrap();
            let event = Some(log.0[usize::try_from(proof.index).unwrap()].bytes.clone());
            let file = InclusionFile { event, proof, checkpoint: new.clone() };
            let read: InclusionFile = file.to_string().parse().unwrap();
            assert_eq!(read.verify(None, &keys).unwrap().record.sequence, sequence);
        }
        for old in checkpoints.iter().take(usize::try_from(size).unwrap() + 1).skip(1) {
            let proof = now(prove_consistency(&tiles, old.claimed().head(), head)).unwrap();
            let file = ConsistencyFile { proof, old: old.clone(), new: new.clone() };
            let read: ConsistencyFile = file.to_string().parse().unwrap();
            assert!(read.verify(Some(old.claimed()), &keys).is_ok());
        }
    }
}

#[test]
fn the_notes_of_c2sp() {
    let Some(data) = data() else { return };
    let note = text(&data, "c2sp/signed-note-example.txt");
    let signed: SignedNote = note.parse().unwrap();
    let keys: [PublicKey; 1] = [text(&data, "c2sp/signed-note-example.vkey").parse().unwrap()];
    assert_eq!(signed.verify(&keys).unwrap(), [&keys[0]]);
    assert_eq!(signed.text(), "This is an example message.\n");
    assert_eq!(signed.to_string(), note);

    let cosigned = text(&data, "c2sp/checkpoint-cosigned-parse-only.txt");
    let request = text(&data, "c2sp/witness-add-checkpoint-request-parse-only.txt");
    // Before the checkpoint a request has the size that the witness knows, and a proof.
    let (proof, requested) = request.split_once("\n\n").unwrap();
    let proof = format!("holdpoint consistency 1\n{}\n\n", proof.split_once('\n').unwrap().1);
    let both: ConsistencyFile = format!("{proof}{requested}\n{cosigned}").parse().unwrap();
    assert_eq!(both.proof.hashes.len(), 4);
    for text in [cosigned.as_str(), requested] {
        let checkpoint: SignedCheckpoint = text.parse().unwrap();
        assert_eq!(checkpoint.to_string(), text);
        assert_eq!(checkpoint.claimed().origin(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.claimed().head().sequence, Sequence(20_852_163));
        assert_eq!(checkpoint.note().signatures().len(), 2);
        let failure = checkpoint.note().verify(&keys).unwrap_err();
        assert!(matches!(failure, NoteFailure::Unknown { .. }));
    }
}

#[test]
fn checkpoints_with_the_keys_of_rfc_8032() {
    let Some(data) = data() else { return };
    // RFC 8032 section 7.1, TEST 1.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let seed: [u8; 32] = hex::decode(seed).unwrap().try_into().unwrap();
    let cases = json(&data, "derived/checkpoints.json");
    let log = Entries::numbered(257);
    let heads = heads(&log.roots());
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let key = SigningKey::from_seed(case["origin"].as_str().unwrap().parse().unwrap(), &seed);
        assert_eq!(key.public_key().to_string(), case["log_vkey"].as_str().unwrap());
        let size = usize::try_from(number(&case["size"])).unwrap();
        let signed = SignedCheckpoint::sign(heads[size], &key).to_string();
        let published = case["signed_checkpoint"].as_str().unwrap();
        let witness = published.strip_prefix(signed.as_str()).unwrap();
        assert!(witness.starts_with("— witness.example/w1 "), "only that is not ours");
        let read: SignedCheckpoint = published.parse().unwrap();
        assert_eq!(read.to_string(), published);
        assert_eq!(read.open(&[key.public_key().clone()]).unwrap().head(), &heads[size]);
        let witness = case["witness_vkey"].as_str().unwrap().parse::<PublicKey>();
        assert_eq!(witness, Err(KeyFailure::Kind { kind: 4 }));
    }
}

#[test]
fn roots_proofs_and_tiles_of_a_tree_of_seventy_thousand() {
    let Some(data) = data() else { return };
    let vectors = json(&data, "derived/trees.json");
    let log = Entries::numbered(70_000);
    let tiles = EventTiles(&log);
    let roots = log.roots();
    let expected = vectors["roots"].as_object().unwrap();
    assert_eq!(expected.len(), 41);
    for (size, root) in expected {
        assert_eq!(roots[size.parse::<usize>().unwrap()], hex_hash(root), "{size} leaves");
    }
    let heads = heads(&roots);
    let at = |value: &Value| heads[usize::try_from(number(value)).unwrap()];
    for case in vectors["inclusion"].as_array().unwrap() {
        let sequence = Sequence(number(&case["index"])).next();
        let proof = now(prove_inclusion(&tiles, sequence, &at(&case["size"]))).unwrap();
        assert_eq!(proof.hashes, hex_hashes(&case["proof"]), "{sequence} of {}", case["size"]);
    }
    for case in vectors["consistency"].as_array().unwrap() {
        let (old, new) = (at(&case["old"]), at(&case["new"]));
        let proof = ConsistencyProof { hashes: hex_hashes(&case["proof"]) };
        assert_eq!(proof.verify(&old, &new), Ok(()));
        assert_eq!(now(prove_consistency(&tiles, &old, &new)), Ok(proof));
    }
    let mut compared = 0;
    for tile in vectors["tiles_for_size_70000"].as_array().unwrap() {
        let Some(path) = tile["path"].as_str() else { continue };
        let parts: Vec<&str> = path.split('/').collect();
        let level = parts[1].parse().unwrap();
        let tile_number: u64 = parts[2].trim_end_matches(".p").parse().unwrap();
        let width = parts.get(3).map_or(256, |width| width.parse().unwrap());
        let first = tile_number * 256;
        let hashes = now(tiles.hashes(level, first..first + width)).unwrap();
        let digest = Sha256::digest(hashes.concat());
        assert_eq!(hex::encode(digest), tile["sha256_of_tile_bytes"].as_str().unwrap(), "{path}");
        compared += 1;
    }
    assert_eq!(compared, 6);
}
