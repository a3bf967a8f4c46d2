//! The segments of a log: a directory of files, and their names.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_core::event::Sequence;
use holdpoint_log::merkle::Hash;

use crate::segment::{Segment, SegmentFailure};

/// The file that is being written; at most one at a time.
pub(crate) const NEW: &str = "segment.new";

/// The end of the name of a segment's file.
const EXTENSION: &str = "segment";

/// The name of a segment with these events, after which the log has this root.
pub(crate) fn name_of(first: Sequence, last: Sequence, root: &Hash) -> String {
    let root: String = hex::encode(root).chars().take(16).collect();
    format!("{:020}-{:020}-{root}.{EXTENSION}", first.0, last.0)
}

/// The first and the last event of a segment with this name.
pub(crate) fn parse_name(name: &OsStr) -> Option<(Sequence, Sequence)> {
    let mut parts = name.to_str()?.split('-');
    let first = Sequence(parts.next()?.parse().ok()?);
    let last = Sequence(parts.next()?.parse().ok()?);
    let is_segment = parts.next()?.ends_with(EXTENSION) && first.0 > 0 && first <= last;
    is_segment.then_some((first, last))
}

/// Segments in the order of the log.
pub(crate) type Segments = Vec<Arc<Segment>>;

/// Opens all segments of a directory, checks that each goes on where the one before ended, and
/// removes what an interrupted writing left.
pub(crate) fn open_all(directory: &Path) -> Result<Segments, (PathBuf, SegmentFailure)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| (path, SegmentFailure::Io(error))
    };
    let mut paths = Vec::new();
    match fs::read_dir(directory) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.map_err(at(directory))?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(at(directory)(error)),
    }
    paths.sort();
    // By the event that a chain of segments ends with: its last segment.
    let mut chains: BTreeMap<Sequence, Arc<Segment>> = BTreeMap::new();
    for path in paths {
        if path.ends_with(NEW) {
            fs::remove_file(&path).map_err(at(&path))?;
            continue;
        }
        let failed = |failure| (path.clone(), failure);
        let segment = Segment::open(&path).map_err(failed)?;
        let expected = segment.name();
        let before = Sequence(segment.before.size());
        let goes_on = match chains.get(&before) {
            Some(last) => segment.before == last.after,
            None => before == Sequence::ZERO,
        };
        if path.file_name().is_none_or(|name| *name != *expected) {
            let reason = format!("by its content its name would be `{expected}`");
            return Err(failed(SegmentFailure::Damaged(reason)));
        }
        if !goes_on {
            let ended = chains.last_key_value().map_or(Sequence::ZERO, |(last, _)| *last);
            let reason = format!("it does not go on where the log had come to, {ended}");
            return Err(failed(SegmentFailure::Damaged(reason)));
        }
        chains.insert(segment.last(), Arc::new(segment));
    }
    // In a backup that was cut short there are segments whose events are in others: the chain that
    // comes furthest has all events.
    let mut segments = Segments::new();
    let mut end = chains.last_key_value().map(|(last, _)| *last);
    while let Some(segment) = end.and_then(|last| chains.remove(&last)) {
        end = Some(Sequence(segment.before.size()));
        segments.push(segment);
    }
    segments.reverse();
    Ok(segments)
}
