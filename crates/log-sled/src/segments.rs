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

use crate::segment::{Segment, SegmentFailure, damaged};

/// The file that is being written of events that were not sealed; at most one at a time.
pub(crate) const NEW: &str = "segment.new";
/// The file that is being written of events that other segments have; at most one at a time.
pub(crate) const MERGED: &str = "merged.new";

/// Whether a file with this name is one that was being written when the process ended.
pub(crate) fn is_unfinished(name: &OsStr) -> bool {
    name == NEW || name == MERGED
}

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

/// Says of which segment, and so of which events, something is wrong.
pub(crate) fn in_words(path: &Path, reason: &str) -> String {
    let name = path.file_name().unwrap_or_default();
    let events = parse_name(name).map_or_else(String::new, |(first, last)| {
        format!(", which has the events {first} to {last}")
    });
    format!("`sealed/{}`{events}: {reason}", name.to_string_lossy())
}

/// Segments in the order of the log.
pub(crate) type Segments = Vec<Arc<Segment>>;

/// The segments of a directory.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    pub segments: Segments,
    /// Segments whose events are in others: a merge, or a backup, was cut short.
    pub superseded: Vec<PathBuf>,
}

type Failed = (PathBuf, SegmentFailure);

/// Opens all segments of a directory, checks that each goes on where the one before ended, and
/// removes what an interrupted writing left.
pub(crate) fn open_all(directory: &Path) -> Result<Sealed, Failed> {
    // By the event that a chain of segments ends with: its last segment.
    let mut chains: BTreeMap<Sequence, Arc<Segment>> = BTreeMap::new();
    let mut others = Vec::new();
    for segment in open_each(directory)? {
        let before = Sequence(segment.before.size());
        let goes_on = match chains.get(&before) {
            Some(last) => segment.before == last.after,
            None => before == Sequence::ZERO,
        };
        // Of two that end together the longer one comes first.
        if goes_on && !chains.contains_key(&segment.last()) {
            chains.insert(segment.last(), segment);
        } else {
            others.push(segment);
        }
    }
    // The chain that comes furthest has all events.
    let mut segments = Segments::new();
    let mut end = chains.last_key_value().map(|(last, _)| *last);
    while let Some(segment) = end.and_then(|last| chains.remove(&last)) {
        end = Some(Sequence(segment.before.size()));
        segments.push(segment);
    }
    segments.reverse();
    others.extend(chains.into_values());
    let mut superseded = Vec::new();
    for other in others {
        let path = other.path().to_owned();
        match is_superseded(&segments, &other) {
            Ok(()) => superseded.push(path),
            Err(failure) => return Err((path, failure)),
        }
    }
    Ok(Sealed { segments, superseded })
}

/// Opens every file of a directory, in the order of their first events and, where these are the
/// same, of their last.
fn open_each(directory: &Path) -> Result<Vec<Arc<Segment>>, Failed> {
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
    let mut segments = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default();
        if is_unfinished(name) {
            fs::remove_file(&path).map_err(at(&path))?;
            continue;
        }
        let segment = Segment::open(&path).map_err(|failure| (path.clone(), failure))?;
        let expected = segment.name();
        if name != expected.as_str() {
            let reason = format!("by its content its name would be `{expected}`");
            return Err((path, SegmentFailure::Damaged(reason)));
        }
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Checks that all events of `other` are in the chain `segments`.
fn is_superseded(segments: &Segments, other: &Segment) -> Result<(), SegmentFailure> {
    let same = match part_with(segments, other.last()) {
        Some(part) => part.tree_at(other.last())? == other.after,
        None => false,
    };
    if same {
        return Ok(());
    }
    let ended = segments.last().map_or(Sequence::ZERO, |last| last.last());
    damaged(format!("it does not go on where the log had come to, {ended}"))
}

/// The segment that has the event `sequence`.
pub(crate) fn part_with(segments: &Segments, sequence: Sequence) -> Option<&Arc<Segment>> {
    let at = segments.partition_point(|segment| segment.last() < sequence);
    segments.get(at).filter(|segment| segment.has(sequence))
}
