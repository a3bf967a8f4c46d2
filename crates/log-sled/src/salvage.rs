//! Saving what can still be read of a log that cannot be opened. Nothing is changed in it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::{
    Head, Record,
    merkle::{self, Hash, MerkleTree},
};

use crate::{
    block::Block,
    directory::{Directory, at, sync},
    failure::{ArchiveFailure, OpenFailure},
    head::{HeadFile, Note},
    lock,
    new_log::NewLog,
    rescue,
    segment::{self, Segment},
    segments::{self, Segments},
};

/// What became of consecutive events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are in the new log.
    Kept,
    /// They can be read, but events before them cannot, so that nothing proves their place.
    Unplaced,
    /// They cannot be read; why, as far as that is known.
    Lost(String),
}

/// Consecutive events, and what became of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first of them.
    pub first: Sequence,
    /// The last of them.
    pub last: Sequence,
    /// What became of them.
    pub fate: Fate,
}

/// What was saved of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The head of the new log.
    pub head: Head,
    /// What became of each event that is known to have been in the log, in their order.
    pub stretches: Vec<Stretch>,
    /// How many events were written beside the log: those without a place, and other readings of
    /// events that are in the log.
    pub unplaced: u64,
    /// What is wrong with the log.
    pub findings: Vec<String>,
}

/// Makes a log in the directory `to`, which must be empty or not exist, of what can still be read in
/// the log in `from`: all events from the first one on up to the first that is missing, or that does
/// not verify. Every other event that can be read is written to the file `unplaced`, which must not
/// exist, a line for each, as it was stored. Nothing is changed in `from`. `progress` is told how many
/// parts of the log are read, of how many.
///
/// This waits for the disk.
///
/// # Errors
/// See [`ArchiveFailure`]. Nothing is made then.
pub fn salvage(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    unplaced: impl AsRef<Path>,
    progress: impl Fn(u64, u64),
) -> Result<Salvaged, ArchiveFailure> {
    let (from, unplaced) = (from.as_ref(), unplaced.as_ref());
    let source = Directory::new(from);
    let (has_log, format) = match source.has_log() {
        Ok(has_log) => (has_log, "`format` is missing".to_owned()),
        Err(OpenFailure::FormatDamaged { reason, .. }) => (false, format!("`format`: {reason}")),
        Err(failure) => return Err(failure.into()),
    };
    if !has_log && !source.sealed().exists() && !source.tails().exists() {
        return Err(OpenFailure::NotThere { directory: from.to_owned() }.into());
    }
    if fs::symlink_metadata(unplaced).is_ok() {
        // It is not ours to be written over, or to be removed when something fails.
        return Err(at(unplaced)(io::ErrorKind::AlreadyExists.into()).into());
    }
    let _lock = lock::hold_off(from, &from.join("lock"))?;
    let mut salvage = Salvage::begin(&source, to.as_ref())?;
    if !has_log {
        salvage.findings.push(format);
    }
    let sealed = list(&source.sealed())?;
    let mut tails = list(&source.tails())?;
    tails.retain(|tail| tail.is_dir());
    let all = sealed.len() + tails.len();
    let done = |count: usize| progress(count as u64, all as u64);
    for (count, tail) in tails.iter().enumerate() {
        salvage.read_tail(tail);
        done(count + 1);
    }
    for (count, path) in sealed.iter().enumerate() {
        salvage.place_segment(path)?;
        done(tails.len() + count + 1);
    }
    salvage.place_blocks()?;
    let written = Unplaced::write(unplaced, &mut salvage, &sealed);
    let ended = written.and_then(|written| salvage.end(written));
    if ended.is_err() && unplaced.exists() {
        fs::remove_file(unplaced).map_err(at(unplaced))?;
    }
    ended
}

/// The paths in a directory, in the order of their names; none when it is missing.
fn list(directory: &Path) -> Result<Vec<PathBuf>, OpenFailure> {
    let mut paths = Vec::new();
    match fs::read_dir(directory) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry.map_err(at(directory))?.path());
            }
        }
        // What is not a directory has no files.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(source) => return Err(OpenFailure::Io { path: directory.to_owned(), source }),
    }
    paths.sort();
    Ok(paths)
}

/// A salvage under way.
struct Salvage {
    new: NewLog,
    noted: Option<Note>,
    /// The blocks of the tails by their first event: there can be several, of which one at most was
    /// ever part of the log.
    blocks: BTreeMap<Sequence, Vec<Block>>,
    findings: Vec<String>,
    damages: Vec<Damaged>,
    /// The last event that is known to have been in the log.
    known: Sequence,
}

impl Salvage {
    fn begin(source: &Directory, to: &Path) -> Result<Self, ArchiveFailure> {
        let path = source.head();
        let noted = match HeadFile::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(at(&path)(error).into());
            }
            read => read.unwrap_or_default(),
        };
        let mut findings = Vec::new();
        if noted.is_none() {
            let reason = "`head` cannot be read: how far the log had come is not known";
            findings.push(reason.to_owned());
        }
        Ok(Self {
            new: NewLog::create(to)?,
            noted,
            blocks: BTreeMap::new(),
            findings,
            damages: Vec::new(),
            known: noted.map_or(Sequence::ZERO, |note| note.head.sequence),
        })
    }

    /// Reads the blocks of a tail.
    fn read_tail(&mut self, tail: &Path) {
        let (blocks, findings) = rescue::blocks(tail, &self.new.scratch());
        self.findings
            .extend(findings.iter().map(|finding| format!("`{}`: {finding}", in_log(tail))));
        for block in blocks {
            let there = self.blocks.entry(block.header.first).or_default();
            if there.iter().all(|other| other.header.root != block.header.root) {
                there.push(block);
            }
        }
    }

    fn next(&self) -> Sequence {
        Sequence(self.new.tree().size()).next()
    }

    fn found(&mut self, first: Sequence, last: Sequence, reason: String) {
        self.findings.push(reason.clone());
        self.damages.push(Damaged { first, last, reason });
    }

    /// Adds an event that is known to be the one that comes next.
    fn keep(&mut self, record: &Record) -> Result<(), ArchiveFailure> {
        self.new.push(&record.bytes)?;
        if let Some(note) = self.noted
            && note.head.sequence == record.sequence
            && self.new.tree().root() != note.head.root
        {
            let at = record.sequence;
            self.findings.push(format!("the history up to event {at} is not the noted one"));
        }
        Ok(())
    }

    /// Adds the events of a segment as far as they follow what is there.
    fn place_segment(&mut self, path: &Path) -> Result<(), ArchiveFailure> {
        let name = path.file_name().unwrap_or_default();
        if segments::is_unfinished(name) {
            return Ok(());
        }
        let range = segments::parse_name(name);
        if let Some((_, last)) = range {
            self.known = self.known.max(last);
        }
        let segment = match Segment::open(path) {
            Ok(segment) => segment,
            Err(failure) => {
                let reason = format!("`{}`: {failure}", in_log(path));
                match range {
                    Some((first, last)) => {
                        self.found(first, last, reason);
                        self.place_without_tables(path, first, last)?;
                    }
                    None => self.findings.push(reason),
                }
                return Ok(());
            }
        };
        let mut is_whole = true;
        for (first, last, root) in segment.frames() {
            self.place_blocks()?;
            let records = match segment.records(first) {
                Ok(records) if root_over(&records) == root => records,
                other => {
                    let reason = other.map_or_else(
                        |failure| failure.to_string(),
                        |_| format!("the events from {first} on have not the root of their frame"),
                    );
                    self.found(first, last, format!("`{}`: {reason}", in_log(path)));
                    is_whole = false;
                    continue;
                }
            };
            let begins_here = first == segment.first();
            let goes_on = (first..=last).contains(&self.next())
                && (!begins_here || first < self.next() || *self.new.tree() == segment.before);
            if goes_on {
                self.place(&records)?;
            }
        }
        if is_whole
            && self.new.tree().size() == segment.last().0
            && *self.new.tree() != segment.after
        {
            self.findings.push(format!("`{}`: it does not end as it says", in_log(path)));
        }
        Ok(())
    }

    /// Adds those of these events that come next, as far as they verify.
    fn place(&mut self, records: &[Record]) -> Result<(), ArchiveFailure> {
        for record in records {
            if record.sequence < self.next() {
                continue;
            }
            match self.new.check(&record.bytes) {
                Ok(_) => self.keep(record)?,
                Err(ArchiveFailure::Event { reason, .. }) => {
                    let at = record.sequence;
                    self.found(at, at, format!("event {at}: {reason}"));
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Adds the events of a segment whose tables cannot be read, when the name of its file proves
    /// that they are all there.
    fn place_without_tables(
        &mut self,
        path: &Path,
        first: Sequence,
        last: Sequence,
    ) -> Result<(), ArchiveFailure> {
        self.place_blocks()?;
        let mut tree = self.new.tree().clone();
        let mut is_next = true;
        segment::read_without_tables(path, |records| {
            for record in records {
                is_next &= record.sequence.0 == tree.size() + 1;
                tree.push(&record.bytes);
            }
            Ok::<_, Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
        is_next &= self.next() == first && tree.size() == last.0;
        let expected = segments::name_of(first, last, &tree.root());
        if !is_next || path.file_name().is_none_or(|name| *name != *expected) {
            return Ok(());
        }
        segment::read_without_tables(path, |records| {
            let goes_on = records.first().is_some_and(|record| record.sequence == self.next());
            if goes_on { self.place(records) } else { Ok(()) }
        })
    }

    /// Adds whole commits of the tails for as long as one comes next.
    fn place_blocks(&mut self) -> Result<(), ArchiveFailure> {
        while let Some(records) = self.commit() {
            let before = self.next();
            self.place(&records)?;
            if self.next() == before {
                break;
            }
        }
        Ok(())
    }

    /// The events of a commit that goes on where the log has come to, which the roots of its blocks
    /// prove. Of its blocks, those are missing here whose events a segment had.
    fn commit(&self) -> Option<Vec<Record>> {
        let mut ways = vec![(self.new.tree().clone(), Vec::<&Block>::new())];
        while let Some((tree, way)) = ways.pop() {
            let next = Sequence(tree.size()).next();
            for block in self.blocks_with(next, way.is_empty()) {
                let mut after = tree.clone();
                let new = block.records.iter().filter(|record| record.sequence >= next);
                new.for_each(|record| after.push(&record.bytes));
                if after.root() != block.header.root {
                    continue;
                }
                let mut way = way.clone();
                way.push(block);
                if block.header.last {
                    let records = way.iter().flat_map(|block| &block.records);
                    return Some(records.cloned().collect());
                }
                ways.push((after, way));
            }
        }
        None
    }

    /// The blocks that begin with the event `next`, or, where that may be, only contain it.
    fn blocks_with(&self, next: Sequence, may_contain: bool) -> impl Iterator<Item = &Block> {
        let from = if may_contain {
            self.blocks.range(..next).next_back().map_or(next, |(first, _)| *first)
        } else {
            next
        };
        let blocks = self.blocks.range(from..=next).flat_map(|(_, blocks)| blocks);
        blocks.filter(move |block| block.last_sequence() >= next)
    }

    fn end(self, written: Unplaced) -> Result<Salvaged, ArchiveFailure> {
        let Self { new, damages, findings, known, .. } = self;
        let head = new.finish()?;
        let mut stretches = Vec::new();
        if head.sequence > Sequence::ZERO {
            stretches.push(Stretch { first: Sequence(1), last: head.sequence, fate: Fate::Kept });
        }
        let mut next = head.sequence.next();
        for (first, last) in written.ranges {
            lost(next, Sequence(first.0 - 1), &damages, &mut stretches);
            stretches.push(Stretch { first, last, fate: Fate::Unplaced });
            next = last.next();
        }
        lost(next, known, &damages, &mut stretches);
        Ok(Salvaged { head, stretches, unplaced: written.count, findings })
    }
}

/// Adds what became of the events from `first` to `last`, of which nothing can be read.
fn lost(first: Sequence, last: Sequence, damages: &[Damaged], stretches: &mut Vec<Stretch>) {
    let mut next = first;
    while next <= last {
        let damage = damages.iter().find(|damage| (damage.first..=damage.last).contains(&next));
        let (end, reason) = match damage {
            Some(damage) => (damage.last, damage.reason.clone()),
            None => {
                let later = damages.iter().map(|damage| damage.first).filter(|first| *first > next);
                let end = later.min().map_or(last, |first| Sequence(first.0 - 1));
                (end, "no file has it any more".to_owned())
            }
        };
        let end = end.min(last);
        stretches.push(Stretch { first: next, last: end, fate: Fate::Lost(reason) });
        if end == last {
            break;
        }
        next = end.next();
    }
}

/// Where damage was found, and what it is.
struct Damaged {
    first: Sequence,
    last: Sequence,
    reason: String,
}

fn root_over(records: &[Record]) -> Hash {
    let mut tree = MerkleTree::new();
    records.iter().for_each(|record| tree.push(&record.bytes));
    tree.root()
}

/// A file as its place within the log.
fn in_log(path: &Path) -> String {
    let names: Vec<_> = path.iter().rev().take(2).map(|name| name.to_string_lossy()).collect();
    names.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// What can be read and is not in the new log.
struct Unplaced {
    /// The events beyond the new log's end: the first and the last of each range.
    ranges: Vec<(Sequence, Sequence)>,
    count: u64,
}

/// Where events without a place are written.
struct Writer<'a> {
    path: &'a Path,
    /// Made with the first event.
    file: Option<BufWriter<File>>,
    /// The ranges of events that several parts of the log have, in their order.
    twice: Vec<(Sequence, Sequence)>,
    /// The hashes of those of them that were written: of all that were, they could be too many.
    seen: HashSet<Hash>,
    kept: Kept,
    written: Unplaced,
}

/// The new log, to look events up in.
struct Kept {
    segments: Segments,
    last: Sequence,
    /// The frame that was read last.
    frame: HashMap<Sequence, Box<[u8]>>,
}

impl Kept {
    fn has(&mut self, record: &Record) -> bool {
        if record.sequence > self.last {
            return false;
        }
        if !self.frame.contains_key(&record.sequence)
            && let Some(segment) = self.segments.iter().find(|segment| segment.has(record.sequence))
            && let Ok(records) = segment.records(record.sequence)
        {
            self.frame =
                records.into_iter().map(|record| (record.sequence, record.bytes)).collect();
        }
        self.frame.get(&record.sequence) == Some(&record.bytes)
    }
}

/// The ranges of events that several parts of the log have.
fn twice(salvage: &Salvage, sealed: &[PathBuf]) -> Vec<(Sequence, Sequence)> {
    let mut parts: Vec<_> = sealed.iter().filter_map(|path| range_of(path)).collect();
    let blocks = salvage.blocks.values().flatten();
    parts.extend(blocks.map(|block| (block.header.first, block.last_sequence())));
    parts.sort_unstable();
    let mut twice: Vec<(Sequence, Sequence)> = Vec::new();
    let mut covered = Sequence::ZERO;
    for (first, last) in parts {
        if first <= covered {
            let end = last.min(covered);
            match twice.last_mut() {
                Some((_, before)) if first <= before.next() => *before = end.max(*before),
                _ => twice.push((first, end)),
            }
        }
        covered = covered.max(last);
    }
    twice
}

/// The first and the last event that a file with events has.
fn range_of(path: &Path) -> Option<(Sequence, Sequence)> {
    if let Ok(segment) = Segment::open(path) {
        return Some((segment.first(), segment.last()));
    }
    let mut range = None;
    segment::read_without_tables(path, |records| {
        for Record { sequence, .. } in records {
            let (first, last) = range.unwrap_or((*sequence, *sequence));
            range = Some((first.min(*sequence), last.max(*sequence)));
        }
        Ok::<_, Infallible>(())
    })
    .unwrap_or_else(|never| match never {});
    range
}

impl Unplaced {
    fn add(&mut self, sequence: Sequence) {
        match self.ranges.last_mut() {
            Some((_, last)) if last.next() == sequence => *last = sequence,
            _ => self.ranges.push((sequence, sequence)),
        }
    }

    /// Puts the ranges in order, each event in one of them.
    fn merge(&mut self) {
        let mut ranges = std::mem::take(&mut self.ranges);
        ranges.sort_unstable();
        for (first, last) in ranges {
            match self.ranges.last_mut() {
                Some((_, before)) if first <= before.next() => *before = last.max(*before),
                _ => self.ranges.push((first, last)),
            }
        }
    }

    /// Reads everything once more, and writes what is not in the new log.
    fn write(
        path: &Path,
        salvage: &mut Salvage,
        sealed: &[PathBuf],
    ) -> Result<Self, ArchiveFailure> {
        let last = Sequence(salvage.new.tree().size());
        let segments = salvage.new.seal()?.clone();
        let mut writer = Writer {
            path,
            file: None,
            twice: twice(salvage, sealed),
            seen: HashSet::new(),
            kept: Kept { segments, last, frame: HashMap::new() },
            written: Self { ranges: Vec::new(), count: 0 },
        };
        for path in sealed {
            match Segment::open(path) {
                Ok(segment) => {
                    for (first, ..) in segment.frames() {
                        // What is damaged was found before.
                        writer.take(&segment.records(first).unwrap_or_default())?;
                    }
                }
                Err(_) => segment::read_without_tables(path, |records| writer.take(records))?,
            }
        }
        for block in salvage.blocks.values().flatten() {
            writer.take(&block.records)?;
        }
        writer.finish()
    }
}

impl Writer<'_> {
    fn take(&mut self, records: &[Record]) -> Result<(), OpenFailure> {
        for record in records {
            if self.kept.has(record) || self.has_seen(record) {
                continue;
            }
            if record.sequence > self.kept.last {
                self.written.add(record.sequence);
            }
            self.written.count += 1;
            let file = match self.file.take() {
                Some(file) => file,
                None => BufWriter::new(File::create_new(self.path).map_err(at(self.path))?),
            };
            let file = self.file.insert(file);
            file.write_all(&record.bytes)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(at(self.path))?;
        }
        Ok(())
    }

    /// Whether the event was written before; if not, it is from now on.
    fn has_seen(&mut self, record: &Record) -> bool {
        let at = self.twice.partition_point(|(_, last)| *last < record.sequence);
        let may_come_twice = self.twice.get(at).is_some_and(|(first, _)| *first <= record.sequence);
        may_come_twice && !self.seen.insert(merkle::leaf_hash(&record.bytes))
    }

    fn finish(mut self) -> Result<Unplaced, ArchiveFailure> {
        self.written.merge();
        if let Some(file) = self.file {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error);
            file.and_then(|file| file.sync_all()).map_err(at(self.path))?;
            if let Some(parent) = self.path.parent() {
                sync(parent).map_err(at(parent))?;
            }
        }
        Ok(self.written)
    }
}
