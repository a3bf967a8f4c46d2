//! Writing a segment: events are packed into frames, or frames of other segments are taken over as
//! they are. Either way what is written is read back before it gets its name.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::{
    Record,
    merkle::{self, MerkleTree},
    prove::TILE_LEVELS,
};

use crate::{
    block,
    directory::sync,
    scan,
    segment::{
        BEGIN, END, FRAME_EVENTS, Frame, Meta, Segment, SegmentFailure, StoredFrame, Table,
        damaged, in_hex, too_large,
    },
    stream_table::{self, StreamTable},
};

/// Events in frames of 256 take no less room with the levels up to 3, and more time.
const COMPRESSION_LEVEL: i32 = 1;

/// How many bytes are written between two syncs: one sync of a large file makes those who append
/// wait for it.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    directory: PathBuf,
    path: PathBuf,
    file: BufWriter<File>,
    offset: u64,
    synced: u64,
    first: Sequence,
    before: MerkleTree,
    after: MerkleTree,
    event_bytes: u64,
    raw: Vec<u8>,
    /// The tree over the events of the frame that is being filled.
    tile: MerkleTree,
    frames: Vec<Frame>,
    streams: StreamTable,
    compressor: Compressor,
}

struct Compressor(zstd::bulk::Compressor<'static>);

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compressor")
    }
}

impl SegmentWriter {
    /// Begins a segment in `directory` that continues the log described by `before`. Until it is
    /// finished the file has the name `new`; at most one at a time may have it.
    pub(crate) fn create(
        directory: &Path,
        new: &str,
        before: MerkleTree,
    ) -> Result<Self, SegmentFailure> {
        let path = directory.join(new);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        file.write_all(BEGIN)?;
        Ok(Self {
            directory: directory.to_owned(),
            path,
            file,
            offset: BEGIN.len() as u64,
            synced: 0,
            first: Sequence(before.size()).next(),
            after: before.clone(),
            before,
            event_bytes: 0,
            raw: Vec::new(),
            tile: MerkleTree::new(),
            frames: Vec::new(),
            streams: StreamTable::default(),
            compressor: Compressor(zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?),
        })
    }

    /// The log as it is after the events so far.
    pub(crate) const fn tree(&self) -> &MerkleTree {
        &self.after
    }

    /// Adds the next event.
    pub(crate) fn push(&mut self, record: &Record) -> Result<(), SegmentFailure> {
        let (stream, ..) = scan::place(record).map_err(SegmentFailure::Damaged)?;
        self.push_stream(stream_table::hash_of(&stream), record.sequence)?;
        self.push_event(record)
    }

    /// Notes that a stream, by its hash, has the event `sequence`, which is or will be here.
    fn push_stream(&mut self, hash: u64, sequence: Sequence) -> Result<(), SegmentFailure> {
        let offset = sequence.0.checked_sub(self.first.0).map(u32::try_from);
        let Some(Ok(offset)) = offset else {
            return damaged(format!("event {sequence} is too far from event {}", self.first));
        };
        self.streams.push(hash, offset);
        Ok(())
    }

    fn push_event(&mut self, record: &Record) -> Result<(), SegmentFailure> {
        let next = Sequence(self.after.size()).next();
        if record.sequence != next {
            return damaged(format!("event {} comes where {next} should", record.sequence));
        }
        let length = u32::try_from(record.bytes.len()).map_err(too_large)?;
        self.raw.extend_from_slice(&length.to_be_bytes());
        self.raw.extend_from_slice(&record.bytes);
        self.event_bytes += record.bytes.len() as u64;
        let leaf = merkle::leaf_hash(&record.bytes);
        self.after.push_leaf(leaf);
        self.tile.push_leaf(leaf);
        if next.0.is_multiple_of(FRAME_EVENTS) { self.end_frame() } else { Ok(()) }
    }

    /// Adds the next frame of another segment. Whole ones are taken over as they are.
    pub(crate) fn push_frame(&mut self, frame: &StoredFrame) -> Result<(), SegmentFailure> {
        let is_next = frame.first == Sequence(self.after.size()).next();
        let is_tile = u64::from(frame.frame.events) == FRAME_EVENTS && self.raw.is_empty();
        let fits = is_next && is_tile;
        if !fits || !self.after.push_perfect(TILE_LEVELS, frame.frame.root) {
            return frame.records()?.iter().try_for_each(|record| self.push_event(record));
        }
        let lengths = 4 * u64::from(frame.frame.events);
        self.event_bytes += u64::from(frame.frame.raw_bytes).saturating_sub(lengths);
        self.frames.push(Frame { offset: self.offset, ..frame.frame });
        Ok(self.write(&frame.stored)?)
    }

    /// Adds the streams of another segment, whose events are, or will be, here.
    pub(crate) fn push_streams(&mut self, other: &Segment) -> Result<(), SegmentFailure> {
        other.for_each_stream(|hash, sequence| self.push_stream(hash, sequence))
    }

    fn end_frame(&mut self) -> Result<(), SegmentFailure> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let stored = self.compressor.0.compress(&self.raw)?;
        if block::decompress(&stored, self.raw.len())? != self.raw {
            return damaged("what was compressed is not what is decompressed");
        }
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
        self.file.write_all(bytes)?;
        if self.offset - self.synced >= SYNC_BYTES {
            self.file.flush()?;
            self.file.get_ref().sync_data()?;
            self.synced = self.offset;
        }
        Ok(())
    }

    fn write_table(&mut self, entries: usize, bytes: &[u8]) -> Result<Table, SegmentFailure> {
        let offset = self.offset;
        self.write(bytes)?;
        let entries = u32::try_from(entries).map_err(too_large)?;
        Ok(Table { offset, entries, crc32c: crc32c::crc32c(bytes) })
    }

    /// Makes the segment durable under its name, and reads it back to the last byte.
    pub(crate) fn finish(mut self) -> Result<Segment, SegmentFailure> {
        self.end_frame()?;
        let frames: Vec<u8> = self.frames.iter().copied().flat_map(Frame::to_bytes).collect();
        let frames = self.write_table(self.frames.len(), &frames)?;
        let sorted = std::mem::take(&mut self.streams).into_sorted();
        let streams: Vec<u8> = sorted.iter().flat_map(stream_table::to_bytes).collect();
        let streams = self.write_table(sorted.len(), &streams)?;
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
        self.write(&u32::try_from(json.len()).map_err(too_large)?.to_be_bytes())?;
        self.write(&crc32c::crc32c(&json).to_be_bytes())?;
        self.write(END)?;
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let written = Segment::open(&self.path)?;
        if written.after != self.after || written.streams()? != sorted {
            return damaged("what was written is not what is read back");
        }
        // All that is not checked yet. What its frames have was compared when they were compressed, or
        // is what other segments have.
        for (first, ..) in written.frames() {
            written.stored(first)?;
        }
        let path = self.directory.join(written.name());
        fs::rename(&self.path, &path)?;
        sync(&self.directory)?;
        Ok(written.renamed(path))
    }
}
