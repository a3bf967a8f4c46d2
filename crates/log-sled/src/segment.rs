//! Sealed segments: immutable files with a complete range of the log. `docs/format.md` has the
//! bytes.
//!
//! A segment is written once, checked by reading it back, and never changed. It holds its events
//! in compressed frames that end where the tiles of the Merkle tree do (every 256 events), the
//! roots of those tiles, and for each of its streams the last event.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use holdpoint_core::event::{Sequence, StreamId};
use holdpoint_log::{
    Record,
    merkle::{self, Hash, MerkleTree},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use xorf::{BinaryFuse16, Filter as _};

use crate::{
    directory::sync,
    scan,
    segments::{self, NEW},
};

/// How many events a frame has, unless it begins or ends with the segment: those of a tile of the
/// Merkle tree.
pub(crate) const FRAME_EVENTS: u64 = 256;

const BEGIN: &[u8; 8] = b"HPSEG\x00\x01\n";
const END: &[u8; 8] = b"HPSEGEND";
const TRAILER_BYTES: usize = 4 + 4 + 8;
const FRAME_ENTRY_BYTES: usize = 8 + 4 + 4 + 4 + 4 + 32;
const STREAM_ENTRY_BYTES: usize = 8 + 4;
const COMPRESSION_LEVEL: i32 = 3;
/// No frame is larger before compression: 256 events of the largest size.
const FRAME_RAW_BYTES_MAX: u64 = 257 * 1024 * 1024;
/// No description is longer.
const META_BYTES_MAX: u64 = 1024 * 1024;

/// Why a segment cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentFailure {
    /// Its bytes are not those of a segment that was written whole.
    #[error("{0}")]
    Damaged(String),
    /// The file system answered with an error.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn damaged<T>(reason: impl Into<String>) -> Result<T, SegmentFailure> {
    Err(SegmentFailure::Damaged(reason.into()))
}

/// What a segment says of itself, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Meta {
    /// Its first event.
    first: Sequence,
    /// Its last event.
    last: Sequence,
    /// The roots of the perfect subtrees of the Merkle tree before its first event.
    before: Vec<String>,
    /// The same after its last event.
    after: Vec<String>,
    /// The bytes of its events.
    event_bytes: u64,
    frames: Table,
    streams: Table,
}

/// Where a table stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    offset: u64,
    entries: u32,
    crc32c: u32,
}

/// A frame of a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Frame {
    offset: u64,
    stored_bytes: u32,
    raw_bytes: u32,
    events: u32,
    crc32c: u32,
    /// The root of the Merkle tree over the frame's events alone.
    root: Hash,
}

/// A stream as segments name it: the first 8 bytes of the SHA-256 of its name.
fn stream_hash(stream: &StreamId) -> u64 {
    let digest = Sha256::digest(stream.to_string());
    digest.first_chunk().map_or(0, |first: &[u8; 8]| u64::from_be_bytes(*first))
}

/// A segment that is being written.
pub(crate) struct SegmentWriter {
    directory: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    offset: u64,
    first: Sequence,
    before: MerkleTree,
    after: MerkleTree,
    event_bytes: u64,
    raw: Vec<u8>,
    /// The tree over the events of the frame that is being filled.
    tile: MerkleTree,
    frames: Vec<Frame>,
    /// The last event of each stream, counted from the segment's first.
    streams: HashMap<u64, u32>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl SegmentWriter {
    /// Begins a segment in `directory` that continues the log described by `before`.
    pub(crate) fn create(directory: &Path, before: MerkleTree) -> Result<Self, SegmentFailure> {
        let path = directory.join(NEW);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        file.write_all(BEGIN)?;
        Ok(Self {
            directory: directory.to_owned(),
            path,
            file,
            offset: BEGIN.len() as u64,
            first: Sequence(before.size()).next(),
            after: before.clone(),
            before,
            event_bytes: 0,
            raw: Vec::new(),
            tile: MerkleTree::new(),
            frames: Vec::new(),
            streams: HashMap::new(),
            compressor: zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?,
        })
    }

    /// The log as it is after the events so far.
    pub(crate) const fn tree(&self) -> &MerkleTree {
        &self.after
    }

    /// Adds the next event.
    pub(crate) fn push(&mut self, record: &Record) -> Result<(), SegmentFailure> {
        let next = Sequence(self.after.size()).next();
        if record.sequence != next {
            return damaged(format!("event {} comes where {next} should", record.sequence));
        }
        let (stream, ..) = scan::place(record).map_err(SegmentFailure::Damaged)?;
        let offset = u32::try_from(next.0 - self.first.0);
        let offset = offset.map_err(|error| SegmentFailure::Damaged(error.to_string()))?;
        self.streams.insert(stream_hash(&stream), offset);
        let length = u32::try_from(record.bytes.len());
        let length = length.map_err(|error| SegmentFailure::Damaged(error.to_string()))?;
        self.raw.extend_from_slice(&length.to_be_bytes());
        self.raw.extend_from_slice(&record.bytes);
        self.event_bytes += record.bytes.len() as u64;
        let leaf = merkle::leaf_hash(&record.bytes);
        self.after.push_leaf(leaf);
        self.tile.push_leaf(leaf);
        if next.0.is_multiple_of(FRAME_EVENTS) {
            self.end_frame()?;
        }
        Ok(())
    }

    fn end_frame(&mut self) -> Result<(), SegmentFailure> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let too_large = |error: std::num::TryFromIntError| io::Error::other(error.to_string());
        let stored = self.compressor.compress(&self.raw)?;
        self.frames.push(Frame {
            offset: self.offset,
            stored_bytes: u32::try_from(stored.len()).map_err(too_large)?,
            raw_bytes: u32::try_from(self.raw.len()).map_err(too_large)?,
            events: u32::try_from(self.tile.size()).map_err(too_large)?,
            crc32c: crc32c::crc32c(&stored),
            root: self.tile.root(),
        });
        self.write(&stored)?;
        self.raw.clear();
        self.tile = MerkleTree::new();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.offset += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn write_table(&mut self, entries: usize, bytes: &[u8]) -> Result<Table, SegmentFailure> {
        let offset = self.offset;
        self.write(bytes)?;
        let entries = u32::try_from(entries);
        let entries = entries.map_err(|error| SegmentFailure::Damaged(error.to_string()))?;
        Ok(Table { offset, entries, crc32c: crc32c::crc32c(bytes) })
    }

    /// Makes the segment durable under its name, and reads it back to the last byte.
    pub(crate) fn finish(mut self) -> Result<Segment, SegmentFailure> {
        self.end_frame()?;
        let mut bytes = Vec::with_capacity(self.frames.len() * FRAME_ENTRY_BYTES);
        for frame in &self.frames {
            bytes.extend_from_slice(&frame.offset.to_be_bytes());
            for field in [frame.stored_bytes, frame.raw_bytes, frame.events, frame.crc32c] {
                bytes.extend_from_slice(&field.to_be_bytes());
            }
            bytes.extend_from_slice(&frame.root);
        }
        let frames = self.write_table(self.frames.len(), &bytes)?;
        let mut sorted: Vec<(u64, u32)> = self.streams.drain().collect();
        sorted.sort_unstable();
        let mut bytes = Vec::with_capacity(sorted.len() * STREAM_ENTRY_BYTES);
        for (hash, offset) in &sorted {
            bytes.extend_from_slice(&hash.to_be_bytes());
            bytes.extend_from_slice(&offset.to_be_bytes());
        }
        let streams = self.write_table(sorted.len(), &bytes)?;
        let meta = Meta {
            first: self.first,
            last: Sequence(self.after.size()),
            before: in_hex(&self.before),
            after: in_hex(&self.after),
            event_bytes: self.event_bytes,
            frames,
            streams,
        };
        if meta.last < meta.first {
            return damaged("a segment has at least one event");
        }
        let json = serde_json::to_vec(&meta).map_err(io::Error::other)?;
        self.write(&json)?;
        self.write(&u32::try_from(json.len()).map_err(io::Error::other)?.to_be_bytes())?;
        self.write(&crc32c::crc32c(&json).to_be_bytes())?;
        self.write(END)?;
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let written = Segment::open(&self.path)?;
        written.check()?;
        if written.after != self.after {
            return damaged("what was written is not what is read back");
        }
        let path = self.directory.join(written.name());
        fs::rename(&self.path, &path)?;
        sync(&self.directory)?;
        Ok(Segment { path, ..written })
    }
}

fn in_hex(tree: &MerkleTree) -> Vec<String> {
    tree.roots().iter().map(hex::encode).collect()
}

fn from_hex(size: u64, roots: &[String]) -> Result<MerkleTree, SegmentFailure> {
    let mut hashes = Vec::with_capacity(roots.len());
    for root in roots {
        let mut hash = [0; 32];
        if hex::decode_to_slice(root, &mut hash).is_err() {
            return damaged(format!("`{root}` is not a hash"));
        }
        hashes.push(hash);
    }
    match MerkleTree::from_roots(size, hashes) {
        Some(tree) => Ok(tree),
        None => damaged(format!("a tree of {size} leaves has not {} roots", roots.len())),
    }
}

/// A segment, open for reading.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: File,
    meta: Meta,
    /// The Merkle tree over the log before its first event.
    pub before: MerkleTree,
    /// The Merkle tree over the log up to its last event.
    pub after: MerkleTree,
    frames: Vec<Frame>,
    /// Made of the table of streams when it is first asked for.
    filter: OnceLock<Option<BinaryFuse16>>,
}

impl Segment {
    /// Opens a file and checks all but its frames and its streams.
    pub(crate) fn open(path: &Path) -> Result<Self, SegmentFailure> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let meta_end = length.checked_sub(TRAILER_BYTES as u64);
        let Some(meta_end) = meta_end.filter(|end| *end >= BEGIN.len() as u64) else {
            return damaged("it is cut short");
        };
        let mut begin = [0; BEGIN.len()];
        file.read_exact_at(&mut begin, 0)?;
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, meta_end)?;
        let mut rest = trailer.as_slice();
        let meta_bytes = u64::from(u32::from_be_bytes(take(&mut rest)?));
        let checksum = u32::from_be_bytes(take(&mut rest)?);
        if &begin != BEGIN || rest != END {
            return damaged("it does not begin and end as a segment of version 1");
        }
        let Some(meta_at) =
            meta_end.checked_sub(meta_bytes).filter(|_| meta_bytes <= META_BYTES_MAX)
        else {
            return damaged("its description is longer than it");
        };
        let json = read_at(&file, meta_at, meta_bytes)?;
        if crc32c::crc32c(&json) != checksum {
            return damaged("the checksum of its description does not match");
        }
        let meta: Meta = serde_json::from_slice(&json)
            .map_err(|error| SegmentFailure::Damaged(format!("its description: {error}")))?;
        let before = from_hex(meta.first.0.saturating_sub(1), &meta.before)?;
        let after = from_hex(meta.last.0, &meta.after)?;
        let frames = read_frames(&file, &meta, meta_at)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            meta,
            before,
            after,
            frames,
            filter: OnceLock::new(),
        })
    }

    /// The name that its file has by its content.
    pub(crate) fn name(&self) -> String {
        segments::name_of(self.meta.first, self.meta.last, &self.after.root())
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its first event.
    pub(crate) const fn first(&self) -> Sequence {
        self.meta.first
    }

    /// Its last event.
    pub(crate) const fn last(&self) -> Sequence {
        self.meta.last
    }

    /// Whether it has the event `sequence`.
    pub(crate) fn has(&self, sequence: Sequence) -> bool {
        (self.meta.first..=self.meta.last).contains(&sequence)
    }

    /// The frame with the event `sequence`, and its first event.
    fn frame(&self, sequence: Sequence) -> Option<(&Frame, Sequence)> {
        let begins = |frame: u64| (frame * FRAME_EVENTS + 1).max(self.meta.first.0);
        let (first, at) = (self.meta.first.0 - 1, sequence.0.checked_sub(1)?);
        let index = (at / FRAME_EVENTS).checked_sub(first / FRAME_EVENTS)?;
        let frame = self.frames.get(usize::try_from(index).ok()?)?;
        Some((frame, Sequence(begins(at / FRAME_EVENTS))))
    }

    /// The first and the last event of each frame, and the root over the frame's events alone.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (Sequence, Sequence, Hash)> {
        self.frames.iter().scan(self.meta.first, |next, frame| {
            let first = *next;
            *next = first.plus(u64::from(frame.events));
            Some((first, Sequence(next.0 - 1), frame.root))
        })
    }

    /// The first event of the frame that has the event `sequence`.
    pub(crate) fn frame_first(&self, sequence: Sequence) -> Sequence {
        self.frame(sequence).map_or(sequence, |(_, first)| first)
    }

    /// The events of the frame that has the event `sequence`.
    pub(crate) fn records(&self, sequence: Sequence) -> Result<Vec<Record>, SegmentFailure> {
        let Some((frame, first)) = self.frame(sequence) else {
            return damaged(format!("event {sequence} is missing"));
        };
        let stored = read_at(&self.file, frame.offset, u64::from(frame.stored_bytes))?;
        if crc32c::crc32c(&stored) != frame.crc32c {
            return damaged(format!("the checksum of the frame of event {first} does not match"));
        }
        if u64::from(frame.raw_bytes) > FRAME_RAW_BYTES_MAX {
            return damaged(format!("the frame of event {first} is too large"));
        }
        let capacity = usize::try_from(frame.raw_bytes).map_err(io::Error::other)?;
        let raw = zstd::bulk::decompress(&stored, capacity)
            .map_err(|error| SegmentFailure::Damaged(format!("event {first}: {error}")))?;
        let mut rest = raw.as_slice();
        let mut records = Vec::with_capacity(usize::try_from(FRAME_EVENTS).unwrap_or_default());
        let mut sequence = first;
        while !rest.is_empty() {
            let length = u32::from_be_bytes(take(&mut rest)?);
            let split = usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at));
            let Some((event, after)) = split else {
                return damaged(format!("event {sequence} is cut short"));
            };
            records.push(Record { sequence, bytes: event.into() });
            sequence = sequence.next();
            rest = after;
        }
        if records.len() as u64 != u64::from(frame.events) {
            return damaged(format!("the frame of event {first} has not as many as it says"));
        }
        Ok(records)
    }

    /// The root of the Merkle tree over the events of the frame that has the event `sequence`,
    /// where the frame is a whole tile.
    pub(crate) fn tile_root(&self, sequence: Sequence) -> Option<Hash> {
        let (frame, _) = self.frame(sequence)?;
        (u64::from(frame.events) == FRAME_EVENTS).then_some(frame.root)
    }

    /// The last event here that may be of `stream`; another stream may have the same hash.
    pub(crate) fn last_of(&self, stream: &StreamId) -> Result<Option<Sequence>, SegmentFailure> {
        let hash = stream_hash(stream);
        let filter = match self.filter.get() {
            Some(filter) => filter,
            None => {
                let made = self.make_filter()?;
                self.filter.get_or_init(|| made)
            }
        };
        if filter.as_ref().is_some_and(|filter| !filter.contains(&hash)) {
            return Ok(None);
        }
        let (mut low, mut high) = (0, u64::from(self.meta.streams.entries));
        while low < high {
            let middle = low.midpoint(high);
            let at = self.meta.streams.offset + middle * STREAM_ENTRY_BYTES as u64;
            let mut entry = [0; STREAM_ENTRY_BYTES];
            self.file.read_exact_at(&mut entry, at)?;
            let mut rest = entry.as_slice();
            let found = u64::from_be_bytes(take(&mut rest)?);
            match found.cmp(&hash) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let offset = u32::from_be_bytes(take(&mut rest)?);
                    return Ok(Some(self.meta.first.plus(u64::from(offset))));
                }
            }
        }
        Ok(None)
    }

    /// A filter over the hashes of its streams, unless they are so few or so unlucky that none
    /// can be made.
    fn make_filter(&self) -> Result<Option<BinaryFuse16>, SegmentFailure> {
        let hashes: Vec<u64> = self.streams()?.into_iter().map(|(hash, _)| hash).collect();
        Ok(BinaryFuse16::try_from(&hashes).ok())
    }

    fn streams(&self) -> Result<Vec<(u64, u32)>, SegmentFailure> {
        let Table { offset, entries, crc32c } = self.meta.streams;
        let bytes = read_at(&self.file, offset, u64::from(entries) * STREAM_ENTRY_BYTES as u64)?;
        if crc32c::crc32c(&bytes) != crc32c {
            return damaged("the checksum of its table of streams does not match");
        }
        bytes
            .chunks_exact(STREAM_ENTRY_BYTES)
            .map(|mut rest| {
                let hash = u64::from_be_bytes(take(&mut rest)?);
                Ok((hash, u32::from_be_bytes(take(&mut rest)?)))
            })
            .collect()
    }

    /// Reads all of it and compares it with what it says of itself: every event, the roots of the
    /// frames and of the log, the last event of each stream.
    pub(crate) fn check(&self) -> Result<(), SegmentFailure> {
        let mut tree = self.before.clone();
        let mut streams: HashMap<u64, u32> = HashMap::new();
        let mut at = self.meta.first;
        while at <= self.meta.last {
            let mut tile = MerkleTree::new();
            for record in self.records(at)? {
                let (stream, ..) = scan::place(&record).map_err(SegmentFailure::Damaged)?;
                let offset = u32::try_from(record.sequence.0 - self.meta.first.0);
                streams.insert(stream_hash(&stream), offset.map_err(io::Error::other)?);
                let leaf = merkle::leaf_hash(&record.bytes);
                tree.push_leaf(leaf);
                tile.push_leaf(leaf);
                at = record.sequence.next();
            }
            if self.frame(Sequence(at.0 - 1)).is_none_or(|(frame, _)| frame.root != tile.root()) {
                return damaged(format!("the events before {at} have not the root of their frame"));
            }
        }
        if tree != self.after {
            return damaged("its events do not lead to the Merkle tree that it says");
        }
        let mut sorted: Vec<(u64, u32)> = streams.into_iter().collect();
        sorted.sort_unstable();
        if self.streams()? != sorted {
            return damaged("its table of streams is not that of its events");
        }
        Ok(())
    }
}

fn read_frames(file: &File, meta: &Meta, end: u64) -> Result<Vec<Frame>, SegmentFailure> {
    let Table { offset, entries, crc32c } = meta.frames;
    let length = u64::from(entries) * FRAME_ENTRY_BYTES as u64;
    if offset.checked_add(length).is_none_or(|table_end| table_end > end) {
        return damaged("its table of frames is longer than it");
    }
    let bytes = read_at(file, offset, length)?;
    if crc32c::crc32c(&bytes) != crc32c {
        return damaged("the checksum of its table of frames does not match");
    }
    let frames: Vec<Frame> = bytes
        .chunks_exact(FRAME_ENTRY_BYTES)
        .map(|mut rest| {
            Ok(Frame {
                offset: u64::from_be_bytes(take(&mut rest)?),
                stored_bytes: u32::from_be_bytes(take(&mut rest)?),
                raw_bytes: u32::from_be_bytes(take(&mut rest)?),
                events: u32::from_be_bytes(take(&mut rest)?),
                crc32c: u32::from_be_bytes(take(&mut rest)?),
                root: take(&mut rest)?,
            })
        })
        .collect::<Result<_, SegmentFailure>>()?;
    let mut at = meta.first.0;
    for frame in &frames {
        let until = (at - 1) / FRAME_EVENTS * FRAME_EVENTS + FRAME_EVENTS;
        if u64::from(frame.events) != until.min(meta.last.0) + 1 - at {
            return damaged("its frames do not end where they should");
        }
        at += u64::from(frame.events);
    }
    if at != meta.last.0 + 1 {
        return damaged("its frames have not all of its events");
    }
    Ok(frames)
}

fn read_at(file: &File, offset: u64, length: u64) -> Result<Vec<u8>, SegmentFailure> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    match file.read_exact_at(&mut bytes, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
        read => Ok(read.map(|()| bytes)?),
    }
}

/// Takes `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SegmentFailure> {
    let Some((head, rest)) = bytes.split_first_chunk() else { return damaged("it is cut short") };
    *bytes = rest;
    Ok(*head)
}

/// The events in the frames at the beginning of a file whose tables or description cannot be read,
/// as far as there are whole frames; nothing but the events themselves says which these are.
pub(crate) fn read_without_tables(path: &Path) -> io::Result<Vec<Record>> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.get(BEGIN.len()..).unwrap_or_default();
    let mut records = Vec::new();
    while let Ok(length) = zstd::zstd_safe::find_frame_compressed_size(rest)
        && let Some((stored, after)) = rest.split_at_checked(length).filter(|_| length > 0)
        && let Ok(Some(raw_bytes)) = zstd::zstd_safe::get_frame_content_size(stored)
        && raw_bytes <= FRAME_RAW_BYTES_MAX
        && let Ok(raw) =
            zstd::bulk::decompress(stored, usize::try_from(raw_bytes).unwrap_or_default())
    {
        let mut events = raw.as_slice();
        while let Ok(length) = take(&mut events).map(u32::from_be_bytes)
            && let Ok(length) = usize::try_from(length)
            && let Some((event, after)) = events.split_at_checked(length)
        {
            if let Some(sequence) = scan::sequence(event) {
                records.push(Record { sequence, bytes: event.into() });
            }
            events = after;
        }
        rest = after;
    }
    Ok(records)
}
