//! Backing a log up while it is used, and restoring it.
//!
//! A backup is the directory of a log that has only segments: those of the log, and one more with
//! what the log has not sealed yet. The next backup adds the segments that are new and puts another
//! in the place of that one. Whatever interrupts it, what is there is a log.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::{Head, ReadFailure, Verified, merkle::MerkleTree, verify};
use tokio::task::spawn_blocking;

use crate::{
    directory::{Directory, NO_FILE, at, make_directory, sync},
    failure::{ArchiveFailure, OpenFailure},
    head::HeadFile,
    lock,
    log::{Shared, SledLog},
    new_log::{self, Staging},
    opening,
    parts::Parts,
    reading::in_place,
    segment::{Segment, SegmentFailure},
    segment_writer::SegmentWriter,
    segments::{self, NEW},
    tail,
};

/// How many events are read at once.
const READ_LIMIT: usize = 1024;

/// What a backup came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// The head of the log that was backed up.
    pub head: Head,
    /// How many events the backup has that the earlier one in the directory had not.
    pub added: u64,
}

impl SledLog {
    /// Brings the backup in the directory `to` up to the log's head, or makes one there. Appends
    /// and reads go on meanwhile. `progress` is told how many events are done, of how many.
    ///
    /// The backup is the directory of a log, and can be opened like one. When this is interrupted,
    /// the backup is what it was before, or has some more events already; the next one goes on.
    ///
    /// # Errors
    /// See [`ArchiveFailure`]. What was there before can still be used.
    pub async fn backup(
        &self,
        to: impl AsRef<Path>,
        progress: impl Fn(u64, u64) + Send + 'static,
    ) -> Result<BackedUp, ArchiveFailure> {
        let (shared, to) = (self.shared(), to.as_ref().to_owned());
        let working = spawn_blocking(move || back_up(&shared, &to, &progress)).await;
        working.unwrap_or_else(|error| {
            Err(ReadFailure::Unreadable { reason: error.to_string() }.into())
        })
    }
}

fn back_up(
    shared: &Shared,
    to: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<BackedUp, ArchiveFailure> {
    let directory = Directory::new(to);
    let had_log = directory.has_log()?;
    directory.make()?;
    let _lock = directory.lock("holdpoint backup")?;
    // Whatever is sealed is in the log up to a head that is read later.
    let parts = shared.parts();
    let head = shared.head();
    check_tails(&directory, had_log)?;
    let sealed = directory.sealed();
    make_directory(&sealed).map_err(at(&sealed))?;
    let wanted = Wanted::new(&parts, head);
    let Present { covered, mut replaced } = look_at(&sealed, shared, &parts, &wanted, head)?;
    remove(directory.tails())?;
    for source in &parts.segments {
        bring(&sealed, source)?;
        progress(source.last().0, head.sequence.0);
    }
    if let Some((name, before)) = wanted.unsealed {
        let path = sealed.join(name);
        if Segment::open(&path).is_err() {
            write_unsealed(&sealed, shared, before, head, progress)?;
        }
        replaced.retain(|replaced| *replaced != path);
    }
    let path = directory.head();
    let noted = HeadFile::open(&path).map_err(at(&path))?.noted();
    if noted.is_none_or(|noted| noted.head != head || noted.segment != 0) {
        new_log::note(&directory, head)?;
    }
    if !had_log {
        directory.declare()?;
    }
    for path in replaced {
        fs::remove_file(&path).map_err(at(&path))?;
    }
    sync(&sealed).map_err(at(&sealed))?;
    Ok(BackedUp { head, added: head.sequence.0 - covered.0 })
}

/// Removes a directory with all that is in it, if there is one.
fn remove(path: PathBuf) -> Result<(), OpenFailure> {
    if path.exists() { fs::remove_dir_all(&path).map_err(at(&path)) } else { Ok(()) }
}

/// Checks that a backup that was opened as a log has no events of its own.
fn check_tails(directory: &Directory, had_log: bool) -> Result<(), ArchiveFailure> {
    let tails = directory.tails();
    let listing = tail::list(&tails).map_err(at(&tails))?;
    if listing.numbers.is_empty() && listing.asides.is_empty() {
        return Ok(());
    }
    let other = |reason: String| {
        Err(ArchiveFailure::OtherLog { directory: directory.path().to_owned(), reason })
    };
    if !had_log {
        return other("a log was being made in it".to_owned());
    }
    let opened = opening::open(directory)?;
    let sealed = opened.parts.sealed_last();
    if opened.tree.size() > sealed.0 {
        return other(format!("it has gone on by itself after event {sealed}"));
    }
    Ok(())
}

/// What the backup is to have.
struct Wanted {
    sealed: HashSet<OsString>,
    /// The name of the segment with what the log has not sealed, and the tree before it.
    unsealed: Option<(String, MerkleTree)>,
}

impl Wanted {
    fn new(parts: &Parts, head: Head) -> Self {
        let name = |segment: &Segment| segment.path().file_name().unwrap_or_default().to_owned();
        let sealed = parts.segments.iter().map(|segment| name(segment)).collect();
        let last = parts.segments.last().map_or_else(MerkleTree::new, |last| last.after.clone());
        let first = Sequence(last.size()).next();
        let unsealed = (first <= head.sequence)
            .then(|| (segments::name_of(first, head.sequence, &head.root), last));
        Self { sealed, unsealed }
    }
}

/// The Merkle tree over the log up to the event `last`.
fn tree_at(shared: &Shared, parts: &Parts, last: Sequence) -> Result<MerkleTree, ArchiveFailure> {
    if let Some(segment) = segments::part_with(&parts.segments, last) {
        return segment.tree_at(last).map_err(|failure| {
            match failure.within(segment.path()) {
                SegmentFailure::Damaged(reason) => {
                    ReadFailure::Damaged { sequence: Some(last), reason }
                }
                SegmentFailure::Io(error) => ReadFailure::Unreadable { reason: error.to_string() },
            }
            .into()
        });
    }
    let mut tree =
        parts.segments.last().map_or_else(MerkleTree::new, |segment| segment.after.clone());
    while tree.size() < last.0 {
        let left = usize::try_from(last.0 - tree.size()).unwrap_or(usize::MAX);
        let records = shared.read(Sequence(tree.size()), READ_LIMIT.min(left))?;
        records.iter().for_each(|record| tree.push(&record.bytes));
    }
    Ok(tree)
}

/// What a backup has already.
struct Present {
    /// The last event that it has.
    covered: Sequence,
    /// Segments whose events are to be in others.
    replaced: Vec<PathBuf>,
}

/// Looks at the segments of a backup, and makes sure that they are an earlier state of the log.
fn look_at(
    sealed: &Path,
    shared: &Shared,
    parts: &Parts,
    wanted: &Wanted,
    head: Head,
) -> Result<Present, ArchiveFailure> {
    let mut present = Present { covered: Sequence::ZERO, replaced: Vec::new() };
    let mut paths = Vec::new();
    for entry in fs::read_dir(sealed).map_err(at(sealed))? {
        paths.push(entry.map_err(at(sealed))?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_owned();
        let directory = sealed.parent().unwrap_or(sealed).to_owned();
        let other = |reason| Err(ArchiveFailure::OtherLog { directory, reason });
        if segments::is_unfinished(&name) {
            fs::remove_file(&path).map_err(at(&path))?;
            continue;
        }
        let whole = Segment::open(&path).ok();
        let last = if wanted.sealed.contains(&name) {
            // What is damaged is copied again.
            whole.as_ref().map(Segment::last)
        } else {
            let Some((first, last)) = segments::parse_name(&name) else {
                return other(format!("it contains `{}`", name.display()));
            };
            if last > head.sequence {
                return other(format!("it has event {last}, which the log has not"));
            }
            let root = tree_at(shared, parts, last)?.root();
            if name != segments::name_of(first, last, &root).as_str() {
                return other(format!("its history up to event {last} is another"));
            }
            present.replaced.push(path);
            whole.is_some().then_some(last)
        };
        present.covered = present.covered.max(last.unwrap_or(Sequence::ZERO));
    }
    Ok(present)
}

/// Copies a segment, unless it is there, and reads the copy back to the last byte.
fn bring(sealed: &Path, source: &Segment) -> Result<(), ArchiveFailure> {
    let name = source.path().file_name().unwrap_or_default();
    let (path, new) = (sealed.join(name), sealed.join(NEW));
    let is_there = Segment::open(&path).is_ok_and(|there| {
        there.after == source.after && there.length().ok() == source.length().ok()
    });
    if is_there {
        return Ok(());
    }
    source.copy_to(&new).map_err(at(&new))?;
    let damaged = |reason: String| ReadFailure::Damaged {
        sequence: None,
        reason: segments::in_words(source.path(), &reason),
    };
    let copied = Segment::open(&new).and_then(|copied| copied.check().map(|()| copied));
    let copied = copied.map_err(|failure| damaged(failure.to_string()))?;
    if copied.after != source.after {
        return Err(damaged("its copy is of another history".to_owned()).into());
    }
    fs::rename(&new, &path).map_err(at(&path))?;
    sync(sealed).map_err(at(sealed))?;
    Ok(())
}

/// Writes what the log has not sealed yet.
fn write_unsealed(
    sealed: &Path,
    shared: &Shared,
    before: MerkleTree,
    head: Head,
    progress: &dyn Fn(u64, u64),
) -> Result<(), ArchiveFailure> {
    let failed = |failure| new_log::segment_failed(sealed, failure);
    let mut writer = SegmentWriter::create(sealed, NEW, before).map_err(failed)?;
    while writer.tree().size() < head.sequence.0 {
        let after = Sequence(writer.tree().size());
        let left = usize::try_from(head.sequence.0 - after.0).unwrap_or(usize::MAX);
        for record in shared.read(after, READ_LIMIT.min(left))? {
            writer.push(&record).map_err(failed)?;
        }
        progress(writer.tree().size(), head.sequence.0);
    }
    if writer.tree().root() != head.root {
        let reason = "the events have not the root that its head says".to_owned();
        return Err(ReadFailure::Damaged { sequence: Some(head.sequence), reason }.into());
    }
    writer.finish().map_err(failed)?;
    Ok(())
}

/// Copies the log in the directory `from`, such as a backup, to the directory `to`, which must be
/// empty or not exist, and verifies the copy. `progress` is told how many bytes are copied, of how
/// many. Nothing is changed in `from`, and `to` is there whole or not at all.
///
/// # Errors
/// See [`ArchiveFailure`].
pub async fn restore(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Verified, ArchiveFailure> {
    let (source, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    let copying = spawn_blocking(move || copy_log(&source, &to, &progress));
    let (mut staging, path) = copying.await.unwrap_or_else(|error| {
        Err(ReadFailure::Unreadable { reason: error.to_string() }.into())
    })?;
    staging.unlock();
    // What is wrong is wrong with the original: the copy is removed.
    let log = SledLog::open(&path, "holdpoint restore").await;
    let log = log.map_err(|failure| in_place(failure, &path, from.as_ref()))?;
    let verified = verify(&log).await?;
    drop(log);
    staging.put_in_place()?;
    Ok(verified)
}

fn copy_log(
    from: &Path,
    to: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<(Staging, PathBuf), ArchiveFailure> {
    let source = Directory::new(from);
    if !source.has_log()? {
        return Err(OpenFailure::NotThere { directory: from.to_owned() }.into());
    }
    let _lock = lock::hold_off(from, &from.join("lock"))?;
    let head = source.head();
    if HeadFile::read(&head).map_err(at(&head))?.is_none() {
        return Err(source.head_lost().into());
    }
    let staging = Staging::make(to)?;
    let mut copies = Vec::new();
    let path = staging.directory().path().to_owned();
    for part in [source.sealed(), source.tails(), source.head()] {
        let name = part.file_name().unwrap_or_default();
        list(&part, &path.join(name), &mut copies)?;
    }
    let all = copies.iter().map(|copy| copy.bytes).sum();
    let mut done = 0;
    for Copy { from, to, bytes } in &copies {
        if from.is_dir() {
            make_directory(to).map_err(at(to))?;
        } else {
            fs::copy(from, to).map_err(at(from))?;
            sync(to).map_err(at(to))?;
        }
        done += bytes;
        progress(done, all);
    }
    for Copy { to, .. } in copies.iter().filter(|copy| copy.from.is_dir()) {
        sync(to).map_err(at(to))?;
    }
    staging.directory().declare()?;
    Ok((staging, path))
}

/// A file or directory to be copied.
struct Copy {
    from: PathBuf,
    to: PathBuf,
    bytes: u64,
}

/// Lists what is at `from`, directories before what is in them. What was being written when the
/// process ended is left out.
fn list(from: &Path, to: &Path, copies: &mut Vec<Copy>) -> Result<(), OpenFailure> {
    let about = match fs::metadata(from) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(OpenFailure::Io { path: from.to_owned(), source }),
    };
    if !about.is_dir() && !about.is_file() {
        let source = io::Error::new(io::ErrorKind::InvalidInput, NO_FILE);
        return Err(OpenFailure::Io { path: from.to_owned(), source });
    }
    let bytes = if about.is_dir() { 0 } else { about.len() };
    copies.push(Copy { from: from.to_owned(), to: to.to_owned(), bytes });
    if about.is_dir() {
        for entry in fs::read_dir(from).map_err(at(from))? {
            let name = entry.map_err(at(from))?.file_name();
            if !segments::is_unfinished(&name) {
                list(&from.join(&name), &to.join(&name), copies)?;
            }
        }
    }
    Ok(())
}
