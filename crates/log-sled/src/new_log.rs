//! A log that is made of events which another log has.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_core::event::{Event, Sequence, StreamId};
use holdpoint_log::{
    Head, Record,
    merkle::MerkleTree,
    numbering::{EVENT_BYTES_MAX, StreamHead},
};

use crate::{
    aside::Print,
    directory::{Directory, at, make_directory, sync},
    failure::{ArchiveFailure, OpenFailure},
    head::{HeadFile, Note},
    lock::Lock,
    options::SEGMENT_BYTES,
    parts::Parts,
    segment::SegmentFailure,
    segment_writer::SegmentWriter,
    segments::{self, Segments},
    tail::Streams,
};

/// With more streams than this in memory at the end of a segment, about 15 MB, half as many are kept:
/// those that have had an event last. Where the others end is read from the segments.
const STREAMS_MAX: usize = 100_000;

/// A log that is being made of events in the order of their sequence, each as it was stored.
///
/// It is there whole or not at all: until [`NewLog::finish`] it has another name, and it is removed
/// when this is dropped before. All methods wait for the disk.
pub struct NewLog {
    staging: Staging,
    writer: Option<SegmentWriter>,
    /// The bytes of the events in the segment that is being written.
    bytes: u64,
    /// What is written of it.
    sealed: Parts,
    /// Where streams end that have events in the segment that is being written, and some others.
    streams: Streams,
    /// [`SEGMENT_BYTES`] and [`STREAMS_MAX`], but for tests.
    bounds: (u64, usize),
}

impl fmt::Debug for NewLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head();
        f.debug_struct("NewLog").field("staging", &self.staging).field("head", &head).finish()
    }
}

impl NewLog {
    /// Begins a log in `directory`, which must be empty or not exist.
    ///
    /// # Errors
    /// See [`ArchiveFailure`].
    pub fn create(directory: impl AsRef<Path>) -> Result<Self, ArchiveFailure> {
        let staging = Staging::make(directory.as_ref())?;
        let sealed = staging.directory().sealed();
        make_directory(&sealed).map_err(at(&sealed))?;
        Ok(Self {
            staging,
            writer: None,
            bytes: 0,
            sealed: Parts::default(),
            streams: Streams::default(),
            bounds: (SEGMENT_BYTES, STREAMS_MAX),
        })
    }

    /// The log as it is after the events so far.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { sequence: self.last(), root: self.tree().root() }
    }

    fn last(&self) -> Sequence {
        Sequence(self.tree().size())
    }

    pub(crate) fn tree(&self) -> &MerkleTree {
        static NOTHING: MerkleTree = MerkleTree::new();
        let sealed = || self.sealed.segments.last().map_or(&NOTHING, |last| &last.after);
        self.writer.as_ref().map_or_else(sealed, SegmentWriter::tree)
    }

    /// Checks that these are the stored bytes of the event that comes next: of the next sequence,
    /// and the next version of its stream.
    ///
    /// # Errors
    /// [`ArchiveFailure::Event`] when they are not.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(StreamId, StreamHead), ArchiveFailure> {
        let sequence = self.last().next();
        let event =
            self.read(bytes).map_err(|reason| ArchiveFailure::Event { sequence, reason })?;
        let stream = event.stream();
        let before = self.head_of(&stream)?;
        if (event.version, event.previous) != (before.version.next(), before.sequence) {
            let reason = format!(
                "it says that it is version {} of its stream, after event {}, but it follows \
                 version {}, event {}",
                event.version, event.previous, before.version, before.sequence
            );
            return Err(ArchiveFailure::Event { sequence, reason });
        }
        Ok((stream, StreamHead { version: event.version, sequence }))
    }

    /// Where a stream ends.
    fn head_of(&self, stream: &StreamId) -> Result<StreamHead, ArchiveFailure> {
        match self.streams.get(stream) {
            Some(head) => Ok(*head),
            None => self.sealed.stream_head(stream).map_err(|failure| self.failed(failure)),
        }
    }

    fn failed(&self, failure: SegmentFailure) -> ArchiveFailure {
        segment_failed(&self.staging.directory().sealed(), failure)
    }

    /// Reads the event that comes next.
    fn read(&self, bytes: &[u8]) -> Result<Event, String> {
        let sequence = self.last().next();
        if bytes.len() > EVENT_BYTES_MAX {
            return Err(format!(
                "it has {} bytes; at most {EVENT_BYTES_MAX} are allowed",
                bytes.len()
            ));
        }
        if bytes.last() == Some(&b'\r') {
            return Err("it ends with a carriage return: its line ends were converted".to_owned());
        }
        let event = Event::from_bytes(bytes).map_err(|error| error.to_string())?;
        if event.sequence != sequence {
            return Err(format!("it says that its sequence is {}", event.sequence));
        }
        Ok(event)
    }

    /// Adds the next event, by its stored bytes.
    ///
    /// # Errors
    /// [`ArchiveFailure::Event`] when it is not the event that comes next: nothing is added then.
    /// Whatever else fails leaves nothing to go on with.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), ArchiveFailure> {
        let (stream, head) = self.check(bytes)?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let sealed = self.staging.directory().sealed();
                SegmentWriter::create(&sealed, segments::NEW, self.tree().clone())
                    .map_err(|failure| self.failed(failure))?
            }
        };
        let record = Record { sequence: head.sequence, bytes: bytes.into() };
        writer.push(&record).map_err(|failure| self.failed(failure))?;
        self.streams.insert(stream, head);
        self.bytes += bytes.len() as u64;
        self.writer = Some(writer);
        if self.bytes >= self.bounds.0 {
            self.seal()?;
        }
        Ok(())
    }

    /// Keeps the streams in memory few. All of them can be looked up in the segments when this is
    /// called.
    fn forget_streams(&mut self) {
        let (_, max) = self.bounds;
        let mut lasts: Vec<_> = self.streams.values().map(|head| head.sequence).collect();
        if lasts.len() > max {
            let at = lasts.len() - max / 2;
            let (_, forgotten, _) = lasts.select_nth_unstable(at);
            self.streams.retain(|_, head| head.sequence > *forgotten);
        }
    }

    /// Where there is room for what is needed until the log is whole.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.staging.directory().tails()
    }

    /// Ends the segment that is being written, and answers with all there are.
    pub(crate) fn seal(&mut self) -> Result<&Segments, ArchiveFailure> {
        if let Some(writer) = self.writer.take() {
            let written = writer.finish().map_err(|failure| self.failed(failure))?;
            self.sealed.segments.push(Arc::new(written));
            self.bytes = 0;
            self.forget_streams();
        }
        Ok(&self.sealed.segments)
    }

    /// Makes the log durable, under its name.
    ///
    /// # Errors
    /// See [`ArchiveFailure`].
    pub fn finish(mut self) -> Result<Head, ArchiveFailure> {
        self.seal()?;
        let head = self.head();
        note(self.staging.directory(), head)?;
        self.staging.directory().declare()?;
        self.staging.put_in_place()?;
        Ok(head)
    }
}

/// Notes the head of a log whose events are all in segments.
pub(crate) fn note(directory: &Directory, head: Head) -> Result<(), OpenFailure> {
    let path = directory.head();
    let mut file = HeadFile::open(&path).map_err(at(&path))?;
    let tail = file.noted().map_or(0, |note| note.tail);
    file.note(Note { head, tail, segment: 0, closed: Print::default() }).map_err(at(&path))
}

/// What a failure of a segment says to those who archive.
pub(crate) fn segment_failed(path: &Path, failure: SegmentFailure) -> ArchiveFailure {
    ArchiveFailure::Log(match failure {
        SegmentFailure::Damaged(reason) => OpenFailure::Io {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, reason),
        },
        SegmentFailure::Io(source) => OpenFailure::Io { path: path.to_owned(), source },
    })
}

/// A log under another name, beside the directory that it is to be, until it is whole. It is
/// removed when this is dropped before.
#[derive(Debug)]
pub(crate) struct Staging {
    to: PathBuf,
    path: PathBuf,
    directory: Directory,
    lock: Option<Lock>,
    done: bool,
}

impl Staging {
    /// Makes an empty directory beside `to`, which must be empty or not exist.
    pub(crate) fn make(to: &Path) -> Result<Self, ArchiveFailure> {
        match fs::read_dir(to).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(ArchiveFailure::NotEmpty { directory: to.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(ArchiveFailure::NotEmpty { directory: to.to_owned() });
            }
            Err(source) => return Err(OpenFailure::Io { path: to.to_owned(), source }.into()),
        }
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(NEW);
        let path = to.with_file_name(name);
        let directory = Directory::new(&path);
        directory.has_log()?;
        directory.make()?;
        let lock = directory.lock("a new log")?;
        // An earlier attempt was cut short.
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let left = entry.map_err(at(&path))?.path();
            if left.is_dir() {
                fs::remove_dir_all(&left).map_err(at(&left))?;
            } else if !left.ends_with("lock") {
                fs::remove_file(&left).map_err(at(&left))?;
            }
        }
        Ok(Self { to: to.to_owned(), path, directory, lock: Some(lock), done: false })
    }

    /// Where the log is until then.
    pub(crate) const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Lets the log be opened where it is.
    pub(crate) fn unlock(&mut self) {
        self.lock = None;
    }

    /// Gives the log, which must be durable, its name.
    pub(crate) fn put_in_place(&mut self) -> Result<(), OpenFailure> {
        fs::rename(&self.path, &self.to).map_err(at(&self.to))?;
        self.done = true;
        let parent = match self.to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        sync(parent).map_err(at(parent))
    }
}

/// What is added to the name of a log that is not whole yet.
pub(crate) const NEW: &str = ".new";

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "what was made of a log could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use holdpoint_log::conformance::{event, stream};

    use super::*;

    #[test]
    fn streams_that_were_forgotten_are_found_in_the_segments() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = NewLog::create(dir.path().join("log")).unwrap();
        log.bounds = (2_000, 4);
        let mut ends = [StreamHead::default(); 16];
        let mut tree = MerkleTree::new();
        let bytes = |number: usize, sequence, version, previous| {
            let pending = event(&stream(number as u64), "x");
            pending.to_bytes(sequence, version, previous).unwrap()
        };
        for n in 1..=200 {
            // Some have events all the time, others seldom.
            let number = if n % 3 == 0 { n % 2 } else { n * 7 % 16 };
            let before = ends[number];
            let sequence = Sequence(n as u64);
            for (version, previous) in [
                (before.version, before.sequence),
                (before.version.next().next(), before.sequence),
                (before.version.next(), before.sequence.next()),
            ] {
                let wrong = log.push(&bytes(number, sequence, version, previous)).unwrap_err();
                assert!(matches!(wrong, ArchiveFailure::Event { .. }), "{wrong}");
            }
            let right = bytes(number, sequence, before.version.next(), before.sequence);
            log.push(&right).unwrap();
            tree.push(&right);
            ends[number] = StreamHead { version: before.version.next(), sequence };
        }
        assert!(log.sealed.segments.len() > 5, "{}", log.sealed.segments.len());
        assert!(log.streams.len() < ends.len(), "{}", log.streams.len());
        assert_eq!(log.finish().unwrap(), Head { sequence: Sequence(200), root: tree.root() });
    }
}
