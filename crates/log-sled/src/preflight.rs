//! Looking at sled's file before sled does.
//!
//! Opening is a risk of its own: sled 0.34.7 takes a file whose end is missing for an empty one,
//! and truncates it. What can be told from outside is told first, and nothing is touched then.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// sled's segment size, which is fixed for the life of a file; the default of 0.34.7.
pub(crate) const SEGMENT_BYTES: u64 = 512 * 1024;
const HEADER_BYTES: usize = 20;
/// sled stores positions in its log XORed with this, so that zeros are not one.
const POSITION_MASK: u64 = 0x7FFF_FFFF_FFFF_FFFF;

/// Removes what a kill during opening leaves behind: half-written snapshots of sled's page table.
/// With one of them there, sled takes every later opening for corruption.
pub(crate) fn remove_half_written(sled: &Path) -> io::Result<()> {
    for entry in fs::read_dir(sled)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(file = %name, "removed a half-written snapshot");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What the headers of the segments of sled's file tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positions {
    /// The highest position that a segment begins with.
    pub highest: u64,
    /// Whether sled would find the end of its log: each header names the last position that was
    /// stable when it was written, and the segment of that position must be there.
    pub complete: bool,
}

impl Positions {
    /// Reads the headers in the file `db`.
    pub(crate) fn read(db: &Path) -> io::Result<Self> {
        let file = File::open(db)?;
        let length = file.metadata()?.len();
        let mut found = BTreeSet::new();
        let mut stable = 0;
        let mut at = 0;
        while at + HEADER_BYTES as u64 <= length {
            let mut bytes = [0; HEADER_BYTES];
            file.read_exact_at(&mut bytes, at)?;
            if let Some((position, max_stable)) = decode(&bytes) {
                found.insert(position);
                stable = stable.max(max_stable);
            }
            at += SEGMENT_BYTES;
        }
        let needed = stable / SEGMENT_BYTES * SEGMENT_BYTES;
        Ok(Self {
            highest: found.last().copied().unwrap_or(0),
            complete: stable == 0 || found.contains(&needed),
        })
    }
}

/// The position that a segment begins with, and the last position that was stable then. A
/// position that would be negative, which stands for "none yet", is taken as zero.
fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<(u64, u64)> {
    let (crc, rest) = bytes.split_first_chunk()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*crc) ^ u32::MAX {
        return None;
    }
    let (position, max_stable) = rest.split_first_chunk()?;
    let read = |bytes: [u8; 8]| {
        u64::try_from((u64::from_le_bytes(bytes) ^ POSITION_MASK).cast_signed()).unwrap_or(0)
    };
    Some((read(*position), read(max_stable.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_file_without_its_end_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let store = Store::open(dir.path()).unwrap();
        let mut highest = 0;
        for n in 0..60_u64 {
            let mut key = [0; 10];
            key[..8].copy_from_slice(&n.to_be_bytes());
            let value = holdpoint_log::conformance::noise(60_000, n + 1).into_bytes();
            let pieces = (0..).zip(value.chunks(4096)).map(|(piece, value)| {
                let mut key = key;
                key[9] = piece;
                (key, value.to_vec())
            });
            store.write(pieces.collect()).unwrap();
            let segments = Positions::read(&db).unwrap();
            assert!(segments.complete && segments.highest >= highest, "{n}: {segments:?}");
            highest = segments.highest;
        }
        drop(store);
        let whole = Positions::read(&db).unwrap();
        assert!(whole.highest >= highest && highest > 4 * SEGMENT_BYTES);

        let length = fs::metadata(&db).unwrap().len();
        let mut losses = 0;
        for kept in 0..length / SEGMENT_BYTES {
            // Every cut that loses the log's last segment shows in one of the two. sled writes into
            // freed segments, so the last one need not be the file's last; what else is lost is
            // found by reading the events.
            let cut = tempfile::NamedTempFile::new().unwrap();
            fs::copy(&db, cut.path()).unwrap();
            cut.as_file().set_len(kept * SEGMENT_BYTES).unwrap();
            let left = Positions::read(cut.path()).unwrap();
            losses += u64::from(!left.complete || left.highest < whole.highest);
        }
        assert!(losses > 4, "{losses} of {}", length / SEGMENT_BYTES);
    }

    #[test]
    fn only_half_written_snapshots_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["snap.0000.generating", "snap.0000", "db", "generating"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_half_written(dir.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["db", "generating", "snap.0000"]);
    }
}
