//! Sealed segments: immutable files with a complete range of the log. `docs/format.md` has the
//! bytes.
//!
//! A segment is written once, checked by reading it back, and never changed. It holds its events
//! in compressed frames that end where the tiles of the Merkle tree do (every 256 events), the
//! roots of those tiles, and for each of its streams the last event.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use holdpoint_core::event::{Sequence, StreamId};
use holdpoint_log::{
    Record,
    merkle::{self, Hash, MerkleTree},
    prove::TILE_LEVELS,
};
use serde::{Deserialize, Serialize};
use xorf::{BinaryFuse16, Filter as _};

use crate::{
    directory::open_file,
    scan, segments,
    stream_table::{self, StreamTable},
};

/// How many events a frame has, unless it begins or ends with the segment: those of a tile of the
/// Merkle tree.
pub(crate) const FRAME_EVENTS: u64 = 1 << TILE_LEVELS;

pub(crate) const BEGIN: &[u8; 8] = b"HPSEG\x00\x01\n";
pub(crate) const END: &[u8; 8] = b"HPSEGEND";
const TRAILER_BYTES: usize = 4 + 4 + 8;
const FRAME_ENTRY_BYTES: usize = 8 + 4 + 4 + 4 + 4 + 32;
/// No frame is larger before compression: 256 events of the largest size.
const FRAME_RAW_BYTES_MAX: u64 = 257 * 1024 * 1024;
/// No description is longer.
const META_BYTES_MAX: u64 = 1024 * 1024;
/// So much is copied at once.
const COPY_BYTES: usize = 1024 * 1024;

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

impl SegmentFailure {
    /// The same, saying that it is about the segment in the file at `path`.
    pub(crate) fn within(self, path: &Path) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(segments::in_words(path, &reason)),
            Self::Io(error) => Self::Io(error),
        }
    }
}

pub(crate) fn damaged<T>(reason: impl Into<String>) -> Result<T, SegmentFailure> {
    Err(SegmentFailure::Damaged(reason.into()))
}

/// What is too large for its place in a file.
pub(crate) fn too_large(error: std::num::TryFromIntError) -> SegmentFailure {
    SegmentFailure::Damaged(format!("it is too large: {error}"))
}

/// What a segment says of itself, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meta {
    /// Its first event.
    pub first: Sequence,
    /// Its last event.
    pub last: Sequence,
    /// The roots of the perfect subtrees of the Merkle tree before its first event.
    pub before: Vec<String>,
    /// The same after its last event.
    pub after: Vec<String>,
    /// The bytes of its events.
    pub event_bytes: u64,
    pub frames: Table,
    pub streams: Table,
}

/// Where a table stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub offset: u64,
    pub entries: u32,
    pub crc32c: u32,
}

/// A frame of a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    pub offset: u64,
    pub stored_bytes: u32,
    pub raw_bytes: u32,
    pub events: u32,
    pub crc32c: u32,
    /// The root of the Merkle tree over the frame's events alone.
    pub root: Hash,
}

impl Frame {
    /// Its entry in the table of frames.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FRAME_ENTRY_BYTES);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        for field in [self.stored_bytes, self.raw_bytes, self.events, self.crc32c] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        bytes.extend_from_slice(&self.root);
        bytes
    }
}

/// A frame as it is stored, with its checksum checked.
#[derive(Debug)]
pub(crate) struct StoredFrame {
    pub frame: Frame,
    /// Its first event.
    pub first: Sequence,
    pub stored: Vec<u8>,
}

impl StoredFrame {
    /// Its events.
    pub(crate) fn records(&self) -> Result<Vec<Record>, SegmentFailure> {
        let Self { frame, first, stored } = self;
        if u64::from(frame.raw_bytes) > FRAME_RAW_BYTES_MAX {
            return damaged(format!("the frame of event {first} is too large"));
        }
        let capacity = usize::try_from(frame.raw_bytes).map_err(io::Error::other)?;
        let raw = zstd::bulk::decompress(stored, capacity)
            .map_err(|error| SegmentFailure::Damaged(format!("event {first}: {error}")))?;
        let mut rest = raw.as_slice();
        let mut records = Vec::with_capacity(usize::try_from(FRAME_EVENTS).unwrap_or_default());
        let mut sequence = *first;
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
}

pub(crate) fn in_hex(tree: &MerkleTree) -> Vec<String> {
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
        let file = open_file(path, File::options().read(true))?;
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
        let Meta { first, last, .. } = meta;
        if first == Sequence::ZERO || last < first || last.next() == last {
            return damaged(format!("it says that it has the events {first} to {last}"));
        }
        let before = from_hex(first.0 - 1, &meta.before)?;
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

    /// The first and the last event of the frame that has the event `sequence`.
    pub(crate) fn frame_range(&self, sequence: Sequence) -> (Sequence, Sequence) {
        self.frame(sequence).map_or((sequence, sequence), |(frame, first)| {
            (first, Sequence(first.plus(u64::from(frame.events)).0 - 1))
        })
    }

    /// The frame that has the event `sequence`, as it is stored.
    pub(crate) fn stored(&self, sequence: Sequence) -> Result<StoredFrame, SegmentFailure> {
        let Some((frame, first)) = self.frame(sequence) else {
            return damaged(format!("event {sequence} is missing"));
        };
        let stored = read_at(&self.file, frame.offset, u64::from(frame.stored_bytes))?;
        if crc32c::crc32c(&stored) != frame.crc32c {
            return damaged(format!("the checksum of the frame of event {first} does not match"));
        }
        Ok(StoredFrame { frame: *frame, first, stored })
    }

    /// The events of the frame that has the event `sequence`.
    pub(crate) fn records(&self, sequence: Sequence) -> Result<Vec<Record>, SegmentFailure> {
        self.stored(sequence)?.records()
    }

    /// The Merkle tree over the log up to the event `last`, which is here. What the frames say of
    /// their roots is believed, where they are whole tiles before it; other frames are read.
    pub(crate) fn tree_at(&self, last: Sequence) -> Result<MerkleTree, SegmentFailure> {
        if last == self.meta.last {
            return Ok(self.after.clone());
        }
        let mut tree = self.before.clone();
        for (first, end, root) in self.frames() {
            if first > last {
                break;
            }
            let is_tile = end.0 + 1 - first.0 == FRAME_EVENTS;
            if end > last || !is_tile || !tree.push_perfect(TILE_LEVELS, root) {
                let records = self.records(first)?;
                let wanted = records.iter().filter(|record| record.sequence <= last);
                wanted.for_each(|record| tree.push(&record.bytes));
            }
        }
        Ok(tree)
    }

    /// Writes a copy of its file to `path`, whatever name the file has by now.
    pub(crate) fn copy_to(&self, path: &Path) -> io::Result<()> {
        let mut copy = File::create(path)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut at = 0;
        loop {
            let read = self.file.read_at(&mut buffer, at)?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return copy.sync_all();
            };
            io::Write::write_all(&mut copy, bytes)?;
            at += read as u64;
        }
    }

    /// How many bytes its file has.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// How many bytes its events have.
    pub(crate) const fn event_bytes(&self) -> u64 {
        self.meta.event_bytes
    }

    /// The same with another name of its file.
    pub(crate) fn renamed(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    /// The root of the Merkle tree over the events of the frame that has the event `sequence`,
    /// where the frame is a whole tile.
    pub(crate) fn tile_root(&self, sequence: Sequence) -> Option<Hash> {
        let (frame, _) = self.frame(sequence)?;
        (u64::from(frame.events) == FRAME_EVENTS).then_some(frame.root)
    }

    /// The last event here that may be of `stream`; another stream may have the same hash.
    pub(crate) fn last_of(&self, stream: &StreamId) -> Result<Option<Sequence>, SegmentFailure> {
        let hash = stream_table::hash_of(stream);
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
            let at = self.meta.streams.offset + middle * stream_table::ENTRY_BYTES as u64;
            let mut entry = [0; stream_table::ENTRY_BYTES];
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

    /// Gives the hash and the last event of each stream to `visit`, until it fails.
    pub(crate) fn for_each_stream(
        &self,
        mut visit: impl FnMut(u64, Sequence) -> Result<(), SegmentFailure>,
    ) -> Result<(), SegmentFailure> {
        let streams = self.streams()?;
        let mut streams = streams.into_iter();
        streams.try_for_each(|(hash, offset)| visit(hash, self.meta.first.plus(u64::from(offset))))
    }

    pub(crate) fn streams(&self) -> Result<Vec<(u64, u32)>, SegmentFailure> {
        let Table { offset, entries, crc32c } = self.meta.streams;
        let bytes =
            read_at(&self.file, offset, u64::from(entries) * stream_table::ENTRY_BYTES as u64)?;
        if crc32c::crc32c(&bytes) != crc32c {
            return damaged("the checksum of its table of streams does not match");
        }
        bytes
            .chunks_exact(stream_table::ENTRY_BYTES)
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
        let mut streams = StreamTable::default();
        let mut at = self.meta.first;
        while at <= self.meta.last {
            let mut tile = MerkleTree::new();
            for record in self.records(at)? {
                let (stream, ..) = scan::place(&record).map_err(SegmentFailure::Damaged)?;
                let offset = u32::try_from(record.sequence.0 - self.meta.first.0);
                streams.push(stream_table::hash_of(&stream), offset.map_err(too_large)?);
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
        if self.streams()? != streams.into_sorted() {
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

/// Gives `visit` the events in each of the frames at the beginning of a file whose tables or
/// description cannot be read, as far as there are whole frames; nothing but the events themselves says
/// which these are.
pub(crate) fn read_without_tables<E>(
    path: &Path,
    mut visit: impl FnMut(&[Record]) -> Result<(), E>,
) -> Result<(), E> {
    // What cannot be read has no events.
    let mut bytes = Vec::new();
    let opened = open_file(path, File::options().read(true));
    if opened.and_then(|mut file| file.read_to_end(&mut bytes)).is_err() {
        bytes.clear();
    }
    let mut rest = bytes.get(BEGIN.len()..).unwrap_or_default();
    while let Ok(length) = zstd::zstd_safe::find_frame_compressed_size(rest)
        && let Some((stored, after)) = rest.split_at_checked(length).filter(|_| length > 0)
        && let Ok(Some(raw_bytes)) = zstd::zstd_safe::get_frame_content_size(stored)
        && raw_bytes <= FRAME_RAW_BYTES_MAX
        && let Ok(raw) =
            zstd::bulk::decompress(stored, usize::try_from(raw_bytes).unwrap_or_default())
    {
        let mut records = Vec::new();
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
        visit(&records)?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_of_events_that_there_cannot_be_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment");
        for (first, last) in [(0, 0), (0, 255), (1, 0), (2, 1), (1, u64::MAX)] {
            let roots = |size: u64| vec![hex::encode([7; 32]); size.count_ones() as usize];
            let nothing = Table { offset: BEGIN.len() as u64, entries: 0, crc32c: 0 };
            let meta = Meta {
                first: Sequence(first),
                last: Sequence(last),
                before: roots(first.saturating_sub(1)),
                after: roots(last),
                event_bytes: 0,
                frames: nothing,
                streams: nothing,
            };
            let json = serde_json::to_vec(&meta).unwrap();
            let mut bytes = BEGIN.to_vec();
            bytes.extend_from_slice(&json);
            bytes.extend_from_slice(&u32::try_from(json.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(&crc32c::crc32c(&json).to_be_bytes());
            bytes.extend_from_slice(END);
            std::fs::write(&path, bytes).unwrap();
            let failure = Segment::open(&path).unwrap_err().to_string();
            assert_eq!(failure, format!("it says that it has the events {first} to {last}"));
        }
    }
}
