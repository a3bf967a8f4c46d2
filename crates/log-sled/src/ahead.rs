//! Keeping sled's file longer than what is in it.
//!
//! A sync after a write that makes a file longer, or that goes into blocks which were never written,
//! has to write the file system's own journal as well; one after a write into blocks that are there
//! has not. So zeros are written ahead of sled, as PostgreSQL does with its log
//! (`wal_init_zero`), once a log is busy enough to gain by it.
//!
//! To sled a segment of zeros is a free one. It would write all of them again when it opens the file,
//! so they are cut off before that, and when the log is closed.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use crate::preflight::SEGMENT_BYTES;

/// How far the file is made to reach beyond what sled has written.
const AHEAD_BYTES: u64 = 8 * SEGMENT_BYTES;
/// How much of that must be left before more is added.
const LEFT_BYTES_MIN: u64 = 3 * SEGMENT_BYTES;
/// How many bytes are looked at at once when zeros are searched.
const CHUNK_BYTES: usize = 64 * 1024;

/// What keeps one file ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// Opened to append: whatever sled writes meanwhile, zeros only go behind the file's end.
    file: File,
    zeros: Vec<u8>,
}

impl Ahead {
    /// Begins with the file `db`.
    pub(crate) fn of(db: &Path) -> io::Result<Self> {
        let file = File::options().read(true).append(true).open(db)?;
        let bytes = usize::try_from(AHEAD_BYTES - LEFT_BYTES_MIN).unwrap_or(0);
        Ok(Self { file, zeros: vec![0; bytes] })
    }

    /// Adds zeros when too few are left. They are durable with the next sync of the file.
    pub(crate) fn keep(&mut self) -> io::Result<()> {
        // Not from the file's metadata: asking for its times makes Linux note the next write's time
        // at once, and the sync after that write the inode.
        let length = self.file.seek(SeekFrom::End(0))?;
        let watched = length.saturating_sub(LEFT_BYTES_MIN) / SEGMENT_BYTES * SEGMENT_BYTES;
        // sled uses its segments in their order, and begins each with a header that is not zero.
        let mut header = [0; 8];
        let is_left = length > LEFT_BYTES_MIN
            && self.file.read_exact_at(&mut header, watched).is_ok()
            && header == [0; 8];
        if is_left { Ok(()) } else { self.file.write_all(&self.zeros) }
    }
}

/// Cuts the whole segments of zeros off that a file ends with.
pub(crate) fn cut_off(db: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).open(db)?;
    let length = file.metadata()?.len();
    let used = used(&file, length)?.next_multiple_of(SEGMENT_BYTES);
    if used < length { file.set_len(used) } else { Ok(()) }
}

/// Where the zeros begin that a file ends with.
fn used(file: &File, length: u64) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut end = length;
    while end > 0 {
        let begin = (end - 1) / CHUNK_BYTES as u64 * CHUNK_BYTES as u64;
        let bytes = usize::try_from(end - begin).map_err(io::Error::other)?;
        let Some(read) = chunk.get_mut(..bytes) else { break };
        file.read_exact_at(read, begin)?;
        if let Some(last) = read.iter().rposition(|byte| *byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn zeros_are_added_behind_what_is_there_and_cut_off_again() {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        for used in [1, 7_000, SEGMENT_BYTES - 1, SEGMENT_BYTES, 3 * SEGMENT_BYTES + 1] {
            let content = vec![7; usize::try_from(used).unwrap()];
            fs::write(&db, &content).unwrap();
            let mut ahead = Ahead::of(&db).unwrap();
            ahead.keep().unwrap();
            let length = fs::metadata(&db).unwrap().len();
            assert!(length >= used + LEFT_BYTES_MIN, "{used}: {length}");
            ahead.keep().unwrap();
            assert_eq!(fs::metadata(&db).unwrap().len(), length, "as long as enough is left");

            // sled goes on into the zeros.
            let file = File::options().write(true).open(&db).unwrap();
            let at = length / SEGMENT_BYTES * SEGMENT_BYTES - SEGMENT_BYTES;
            file.write_all_at(&[9; 20], at).unwrap();
            file.write_all_at(&[9; 20], at - SEGMENT_BYTES).unwrap();
            file.write_all_at(&[9; 20], at - 2 * SEGMENT_BYTES).unwrap();
            ahead.keep().unwrap();
            assert!(fs::metadata(&db).unwrap().len() > length);

            cut_off(&db).unwrap();
            let left = fs::read(&db).unwrap();
            assert!(left.starts_with(&content));
            assert_eq!(left.len() as u64, at + SEGMENT_BYTES);
            cut_off(&db).unwrap();
            assert_eq!(fs::read(&db).unwrap(), left);
        }
        for (content, left) in [(vec![], 0), (vec![0; 20], 0), (vec![1; 20], 20)] {
            fs::write(&db, content).unwrap();
            cut_off(&db).unwrap();
            assert_eq!(fs::metadata(&db).unwrap().len(), left);
        }
    }
}
