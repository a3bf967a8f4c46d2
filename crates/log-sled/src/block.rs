//! Blocks: the events of a commit, packed, compressed, and cut into entries of a size that keeps
//! sled from moving them into files that it never syncs. `docs/format.md` has the bytes.

use std::{cell::RefCell, fmt, io};

use holdpoint_core::event::Sequence;
use holdpoint_log::{
    Record,
    merkle::{Hash, MerkleTree},
    numbering::{EVENT_BYTES_MAX, Stored},
};
use zstd::bulk::{Compressor, Decompressor};

/// The largest value of a sled entry. A leaf of sled's tree holds up to 18 entries and goes into
/// a file of its own, outside every sync, above 131,052 bytes.
pub(crate) const ENTRY_BYTES_MAX: usize = 4096;

/// How many bytes of events are gathered into a block, unless one event alone has more.
const BLOCK_BYTES_GOAL: usize = 16 * 1024;

const VERSION: u8 = 1;
const RAW: u8 = 0;
const ZSTD: u8 = 1;
const LAST: u8 = 1;
pub(crate) const HEADER_BYTES: usize = 64;
const COMPRESSION_LEVEL: i32 = 1;

/// The most bytes of events, with their lengths, that a block can have.
const RAW_BYTES_MAX: usize = BLOCK_BYTES_GOAL + 4 + EVENT_BYTES_MAX;

/// A key in sled.
pub(crate) type Key = [u8; 10];

/// An entry of sled's tree: a key, and a piece of a block.
pub(crate) type Piece = (Key, Vec<u8>);

/// The key of an entry: the block's first sequence, and which piece of the block it is.
pub(crate) fn key(first: Sequence, piece: u16) -> Key {
    let mut key = [0; 10];
    let (sequence, rest) = key.split_at_mut(8);
    sequence.copy_from_slice(&first.0.to_be_bytes());
    rest.copy_from_slice(&piece.to_be_bytes());
    key
}

/// Reads a key.
pub(crate) fn parse_key(key: &[u8]) -> Option<(Sequence, u16)> {
    let (sequence, piece) = key.split_first_chunk()?;
    let piece: [u8; 2] = piece.try_into().ok()?;
    Some((Sequence(u64::from_be_bytes(*sequence)), u16::from_be_bytes(piece)))
}

/// What a block says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub first: Sequence,
    pub events: u32,
    /// How many entries the block is cut into.
    pub pieces: u16,
    /// Whether a commit ends with this block.
    pub last: bool,
    /// The root of the Merkle tree over all events up to the end of this block.
    pub root: Hash,
    codec: u8,
    raw_bytes: u32,
    checksum: u32,
}

/// A block that was read.
#[derive(Debug)]
pub(crate) struct Block {
    pub header: Header,
    pub records: Vec<Record>,
}

impl Block {
    /// The sequence of its last event.
    pub(crate) fn last_sequence(&self) -> Sequence {
        self.records.last().map_or(Sequence::ZERO, |record| record.sequence)
    }
}

/// Packs the events of commits into blocks, and cuts these into entries.
pub(crate) struct Packer {
    /// Making one takes longer than most of its work.
    compressor: Compressor<'static>,
    open: Open,
    entries: Vec<Piece>,
}

/// The block that events are added to.
#[derive(Default)]
struct Open {
    first: Sequence,
    events: u32,
    raw: Vec<u8>,
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").field("events", &self.open.events).finish_non_exhaustive()
    }
}

impl Packer {
    pub(crate) fn new() -> io::Result<Self> {
        let compressor = Compressor::new(COMPRESSION_LEVEL)?;
        Ok(Self { compressor, open: Open::default(), entries: Vec::new() })
    }

    /// Adds the next event of the commit, also to `tree`.
    pub(crate) fn push(
        &mut self,
        sequence: Sequence,
        stored: Stored<'_>,
        tree: &mut MerkleTree,
    ) -> Result<(), String> {
        if self.open.raw.len() >= BLOCK_BYTES_GOAL {
            self.close(tree, false)?;
        }
        if self.open.events == 0 {
            self.open.first = sequence;
        }
        let length = u32::try_from(stored.size()).map_err(too_large)?;
        let Open { raw, events, .. } = &mut self.open;
        raw.extend_from_slice(&length.to_be_bytes());
        let begin = raw.len();
        stored.write(raw);
        tree.push(raw.get(begin..).unwrap_or_default());
        *events += 1;
        Ok(())
    }

    /// Ends the commit.
    pub(crate) fn finish(&mut self, tree: &MerkleTree) -> Result<Vec<Piece>, String> {
        if self.open.events > 0 {
            self.close(tree, true)?;
        }
        Ok(std::mem::take(&mut self.entries))
    }

    fn close(&mut self, tree: &MerkleTree, last: bool) -> Result<(), String> {
        let bytes = encode(&mut self.compressor, &self.open, &tree.root(), last)?;
        for (piece, value) in (0..).zip(bytes.chunks(ENTRY_BYTES_MAX)) {
            self.entries.push((key(self.open.first, piece), value.to_vec()));
        }
        self.open.raw.clear();
        self.open.events = 0;
        Ok(())
    }
}

fn too_large<E>(_: E) -> String {
    "the block is too large".to_owned()
}

/// The bytes of a block of at least one event.
fn encode(
    compressor: &mut Compressor<'_>,
    Open { first, events, raw }: &Open,
    root: &Hash,
    last: bool,
) -> Result<Vec<u8>, String> {
    let compressed = compressor.compress(raw).map_err(|error| error.to_string())?;
    let (codec, stored) =
        if compressed.len() < raw.len() { (ZSTD, &compressed) } else { (RAW, raw) };
    let pieces = (HEADER_BYTES + stored.len()).div_ceil(ENTRY_BYTES_MAX);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + stored.len());
    bytes.extend_from_slice(&[VERSION, codec]);
    bytes.extend_from_slice(&u16::try_from(pieces).map_err(too_large)?.to_be_bytes());
    bytes.extend_from_slice(&events.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(raw.len()).map_err(too_large)?.to_be_bytes());
    bytes.extend_from_slice(&first.0.to_be_bytes());
    bytes.extend_from_slice(root);
    bytes.extend_from_slice(&[if last { LAST } else { 0 }, 0, 0, 0]);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&checksum(&bytes, stored).to_be_bytes());
    bytes.extend_from_slice(stored);
    Ok(bytes)
}

fn checksum(header: &[u8], stored: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header), stored)
}

thread_local! {
    /// Making one takes longer than most of its work.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses to at most `capacity` bytes.
pub(crate) fn decompress(stored: &[u8], capacity: usize) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        decompressor.decompress(stored, capacity)
    })
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (head, rest) = bytes.split_first_chunk().ok_or("it is cut short")?;
    *bytes = rest;
    Ok(*head)
}

/// Reads the header of a block from its first entry.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<Header, String> {
    let mut rest = bytes;
    let [version, codec] = take(&mut rest)?;
    if version != VERSION {
        return Err(format!(
            "it is of version {version}; this version of Holdpoint reads version {VERSION}"
        ));
    }
    let pieces = u16::from_be_bytes(take(&mut rest)?);
    let events = u32::from_be_bytes(take(&mut rest)?);
    let raw_bytes = u32::from_be_bytes(take(&mut rest)?);
    let first = Sequence(u64::from_be_bytes(take(&mut rest)?));
    let root = take(&mut rest)?;
    let [flags, ..]: [u8; 4] = take(&mut rest)?;
    let _reserved: [u8; 4] = take(&mut rest)?;
    let checksum = u32::from_be_bytes(take(&mut rest)?);
    Ok(Header { first, events, pieces, last: flags & LAST != 0, root, codec, raw_bytes, checksum })
}

/// Reads a block from all its bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<Block, String> {
    let header = decode_header(bytes)?;
    let (head, stored) =
        bytes.split_at_checked(HEADER_BYTES).ok_or("it is cut short".to_owned())?;
    let summed = head.get(..HEADER_BYTES - 4).ok_or("it is cut short")?;
    if checksum(summed, stored) != header.checksum {
        return Err("its checksum does not match".to_owned());
    }
    let capacity = usize::try_from(header.raw_bytes).map_err(|error| error.to_string())?;
    if capacity > RAW_BYTES_MAX {
        return Err(format!("it says that it has {capacity} bytes of events"));
    }
    let decompressed;
    let mut rest = match header.codec {
        RAW => stored,
        ZSTD => {
            decompressed = decompress(stored, capacity).map_err(|error| error.to_string())?;
            &decompressed
        }
        codec => return Err(format!("its compression, {codec}, is not known")),
    };
    let mut records = Vec::new();
    let mut sequence = header.first;
    while !rest.is_empty() {
        let length = u32::from_be_bytes(take(&mut rest)?);
        let length = usize::try_from(length).map_err(|error| error.to_string())?;
        let (event, after) = rest.split_at_checked(length).ok_or("an event is cut short")?;
        records.push(Record { sequence, bytes: event.into() });
        sequence = sequence.next();
        rest = after;
    }
    if u32::try_from(records.len()) != Ok(header.events) || records.is_empty() {
        return Err(format!("it says {} events and has {}", header.events, records.len()));
    }
    Ok(Block { header, records })
}

/// The entries of a commit of `records`.
#[cfg(test)]
pub(crate) fn pack(records: &[Record], packer: &mut Packer, tree: &mut MerkleTree) -> Vec<Piece> {
    for Record { sequence, bytes } in records {
        packer.push(*sequence, Stored { place: &[], body: bytes }, tree).unwrap();
    }
    packer.finish(tree).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(first: u64, events: &[Vec<u8>]) -> Vec<Record> {
        let numbered = (first..).zip(events);
        numbered
            .map(|(n, bytes)| Record { sequence: Sequence(n), bytes: bytes.as_slice().into() })
            .collect()
    }

    /// The commits' blocks, each whole.
    fn blocks(commits: &[&[Record]]) -> Vec<(Key, Vec<u8>)> {
        let (mut packer, mut tree) = (Packer::new().unwrap(), MerkleTree::new());
        let mut blocks: Vec<(Key, Vec<u8>)> = Vec::new();
        for (key, value) in commits.iter().flat_map(|commit| pack(commit, &mut packer, &mut tree)) {
            match (parse_key(&key), blocks.last_mut()) {
                (Some((_, 1..)), Some((_, block))) => block.extend(value),
                _ => blocks.push((key, value)),
            }
        }
        blocks
    }

    fn block(records: &[Record]) -> Vec<u8> {
        let [(_, block)] = <[_; 1]>::try_from(blocks(&[records])).unwrap();
        block
    }

    #[test]
    fn the_header_is_as_long_as_it_says() {
        assert_eq!(block(&records(1, &[vec![]])).len(), HEADER_BYTES + 4);
    }

    #[test]
    fn the_example_of_the_document_is_what_is_written() {
        let packed = blocks(&[&records(1, &[b"one".to_vec(), b"two".to_vec()])]);
        let [(key, value)] = packed.as_slice() else { panic!("{packed:?}") };
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let document = include_str!("../../../docs/format.md");
        let example: String =
            document.split_whitespace().filter(|word| !word.contains('`')).collect();
        assert!(example.contains(&hex(key)), "{}", hex(key));
        assert!(example.contains(&hex(value)), "{}", hex(value));
    }

    #[test]
    fn keys_sort_as_their_parts() {
        assert!(key(Sequence(1), 9) < key(Sequence(2), 0));
        assert!(key(Sequence(255), 0) < key(Sequence(256), 0));
        assert_eq!(parse_key(&key(Sequence(77), 3)), Some((Sequence(77), 3)));
        assert_eq!(parse_key(b"short"), None);
        assert_eq!(parse_key(b"far too long"), None);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_back(
            commits in proptest::collection::vec(
                proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..900), 1..60),
                1..4,
            ),
            first in 1..u64::MAX / 2,
        ) {
            let mut next = first;
            let commits: Vec<Vec<Record>> = commits.iter().map(|events| {
                let records = records(next, events);
                next += events.len() as u64;
                records
            }).collect();
            let packed: Vec<&[Record]> = commits.iter().map(Vec::as_slice).collect();
            let mut tree = MerkleTree::new();
            let mut commit = Vec::new();
            let mut read = Vec::new();
            for (key, bytes) in blocks(&packed) {
                let Block { header, records } = decode(&bytes).unwrap();
                prop_assert_eq!(parse_key(&key), Some((header.first, 0)));
                records.iter().for_each(|record| tree.push(&record.bytes));
                prop_assert_eq!(header.root, tree.root());
                let pieces = bytes.chunks(ENTRY_BYTES_MAX).count();
                prop_assert_eq!(usize::from(header.pieces), pieces);
                commit.extend(records);
                if header.last {
                    read.push(std::mem::take(&mut commit));
                }
            }
            prop_assert_eq!(read, commits);
            prop_assert!(commit.is_empty());
        }

        #[test]
        fn a_changed_byte_is_noticed(
            events in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..20),
            at: prop::sample::Index,
            change in 1..=255_u8,
        ) {
            let mut bytes = block(&records(1, &events));
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(decode(&bytes).is_err());
            bytes[at] ^= change;
            bytes.truncate(at);
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut with_version = bytes.clone();
            if let Some(first) = with_version.first_mut() {
                *first = VERSION;
            }
            prop_assert!(decode(&bytes).is_err());
            let _ = decode(&with_version);
        }
    }
}
