//! The head file: a durable note outside sled of how far the log had come at least, because sled
//! opens a damaged file as an empty or shorter one without saying so.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::Head;

use crate::{
    aside::Print,
    directory::{open_file, sync},
};

const VERSION: u8 = 1;
/// Each slot has a page of its own, so that a torn write of one leaves the other.
const SLOT_BYTES: u64 = 4096;
const USED_BYTES: usize = 8 + 8 + 8 + 32 + 8 + 8 + 8 + 4 + 4;

/// What is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// A durable head of the log.
    pub head: Head,
    /// The number of the last tail.
    pub tail: u64,
    /// The highest position that a segment of sled's file in that tail began with, at an earlier
    /// opening or closing.
    pub segment: u64,
    /// That tail's files as they were when the log was closed; nothing otherwise.
    pub closed: Print,
}

/// The head file, open for writing.
#[derive(Debug)]
pub(crate) struct HeadFile {
    path: PathBuf,
    /// Made with the first note, where there is none.
    file: Option<File>,
    /// Counts the notes; the slot is its last bit, so a note that is torn leaves the one before.
    count: u64,
    noted: Option<Note>,
}

impl HeadFile {
    /// Opens the file, if it is there, and reads the newer of the two notes.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = match open_file(path, File::options().read(true).write(true)) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let newest = file.as_ref().map(newest).transpose()?.flatten();
        let (count, noted) = newest.unzip();
        Ok(Self { path: path.to_owned(), file, count: count.unwrap_or(0), noted })
    }

    /// Reads the newer of the two notes, if there is one, and opens nothing for writing.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Note>> {
        match open_file(path, File::options().read(true)) {
            Ok(file) => Ok(newest(&file)?.map(|(_, note)| note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The last note.
    pub(crate) const fn noted(&self) -> Option<Note> {
        self.noted
    }

    /// Notes something durably.
    pub(crate) fn note(&mut self, note: Note) -> io::Result<()> {
        let count = self.count + 1;
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let made = File::create_new(&self.path)?;
                if let Some(directory) = self.path.parent() {
                    sync(directory)?;
                }
                made
            }
        };
        let file = self.file.insert(file);
        file.write_all_at(&encode(count, &note), (count % 2) * SLOT_BYTES)?;
        file.sync_data()?;
        self.count = count;
        self.noted = Some(note);
        Ok(())
    }
}

/// The newer of the two notes, and its number.
fn newest(file: &File) -> io::Result<Option<(u64, Note)>> {
    let mut newest: Option<(u64, Note)> = None;
    for slot in [0, 1] {
        let mut bytes = [0; USED_BYTES];
        match file.read_exact_at(&mut bytes, slot * SLOT_BYTES) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        if let Some((count, note)) = decode(&bytes)
            && newest.as_ref().is_none_or(|(newer, _)| count > *newer)
        {
            newest = Some((count, note));
        }
    }
    Ok(newest)
}

fn encode(count: u64, Note { head, tail, segment, closed }: &Note) -> Vec<u8> {
    let mut bytes = vec![VERSION, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(&head.sequence.0.to_be_bytes());
    bytes.extend_from_slice(&head.root);
    bytes.extend_from_slice(&tail.to_be_bytes());
    bytes.extend_from_slice(&segment.to_be_bytes());
    bytes.extend_from_slice(&closed.bytes.to_be_bytes());
    bytes.extend_from_slice(&closed.crc32c.to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; USED_BYTES]) -> Option<(u64, Note)> {
    let (noted, checksum) = bytes.split_last_chunk::<4>()?;
    if noted.first() != Some(&VERSION) || crc32c::crc32c(noted).to_be_bytes() != *checksum {
        return None;
    }
    let (count, rest) = noted.get(8..)?.split_first_chunk()?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (root, rest) = rest.split_first_chunk()?;
    let (tail, rest) = rest.split_first_chunk()?;
    let (segment, rest) = rest.split_first_chunk()?;
    let (closed_bytes, closed_crc32c) = rest.split_first_chunk()?;
    let closed = Print {
        bytes: u64::from_be_bytes(*closed_bytes),
        crc32c: u32::from_be_bytes(closed_crc32c.try_into().ok()?),
    };
    let tail = u64::from_be_bytes(*tail);
    let head = Head { sequence: Sequence(u64::from_be_bytes(*sequence)), root: *root };
    let segment = u64::from_be_bytes(*segment);
    Some((u64::from_be_bytes(*count), Note { head, tail, segment, closed }))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn the_newest_whole_note_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("head");
        let note = |n: u8| Note {
            head: Head { sequence: Sequence(n.into()), root: [n; 32] },
            tail: n.into(),
            segment: u64::from(n) << 19,
            closed: Print { bytes: n.into(), crc32c: 7 },
        };
        let mut file = HeadFile::open(&path).unwrap();
        assert_eq!(file.noted(), None);
        for n in 1..=5 {
            file.note(note(n)).unwrap();
            assert_eq!(HeadFile::open(&path).unwrap().noted(), Some(note(n)));
        }
        // Note 5 is in slot 1; torn, note 4 counts.
        let raw = OpenOptions::new().write(true).open(&path).unwrap();
        raw.write_all_at(&[0xff], SLOT_BYTES + 20).unwrap();
        let mut file = HeadFile::open(&path).unwrap();
        assert_eq!(file.noted(), Some(note(4)));
        file.note(note(6)).unwrap();
        assert_eq!(HeadFile::open(&path).unwrap().noted(), Some(note(6)));
    }
}
