//! Opening a log: what is sealed, what is in the tails, and finishing what was interrupted.

use std::{fs, io, path::Path, sync::Arc};

use holdpoint_core::event::Sequence;
use holdpoint_log::{Head, merkle::MerkleTree};

use crate::{
    aside::{self, Aside, Print},
    block,
    directory::{Directory, at, sync},
    failure::OpenFailure,
    head::{HeadFile, Note},
    parts::Parts,
    preflight::Positions,
    scan::{self, Contents, Damage, Scan},
    sealer::Full,
    segment::SegmentFailure,
    segments::{self, Sealed, Segments},
    store::{self, LEFTOVER_WAIT_MAX, StoreFailure},
    tail::{self, Listing, Tail},
};

/// A log that was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub parts: Parts,
    /// The last tail, where events go.
    pub tail: Arc<Tail>,
    /// The Merkle tree over all events.
    pub tree: MerkleTree,
    /// The bytes of the events in the last tail.
    pub tail_bytes: u64,
    pub head_file: HeadFile,
    /// The highest position in the last tail's file.
    pub segment: u64,
    /// An empty tail that was made and never used.
    pub spare: Option<Arc<Tail>>,
    /// Tails that were full when the log was closed.
    pub unsealed: Vec<Full>,
}

/// Opens everything. The lock must be held. A log that is not whole is left as it was found.
pub(crate) fn open(directory: &Directory) -> Result<Opened, OpenFailure> {
    let tails = directory.tails();
    let Listing { numbers, asides, .. } = tail::list(&tails).map_err(at(&tails))?;
    for number in numbers {
        if !store::is_let_go(&tail::path_of(&tails, number), LEFTOVER_WAIT_MAX) {
            let directory = directory.path().to_owned();
            return Err(OpenFailure::InUse { directory, process: None, user: None });
        }
    }
    for aside in asides {
        // An opening that did not come to its end may have changed what it was opening.
        aside.restore().map_err(at(&tails))?;
    }
    let mut asides = Vec::new();
    let opened = open_parts(directory, &mut asides);
    for aside in asides {
        let done = if opened.is_ok() { aside.remove() } else { aside.restore() };
        done.map_err(at(&tails))?;
    }
    let mut opened = opened?;
    opened.note().map_err(at(&directory.head()))?;
    Ok(opened)
}

impl Opened {
    /// Notes how far the log has come. It must not be noted of a tail whose copy could still take its
    /// place: the copy has not what opening may have written.
    fn note(&mut self) -> io::Result<()> {
        let head = Head { sequence: Sequence(self.tree.size()), root: self.tree.root() };
        let (tail, segment) = (self.tail.number, self.segment);
        self.head_file.note(Note { head, tail, segment, closed: Print::default() })
    }
}

fn open_parts(directory: &Directory, asides: &mut Vec<Aside>) -> Result<Opened, OpenFailure> {
    let (head_file, noted) = directory.open_head()?;
    let tails = directory.tails();
    let Listing { mut numbers, leftovers, .. } = tail::list(&tails).map_err(at(&tails))?;
    for number in &numbers {
        directory.inspect(*number, Some(noted))?;
    }
    let Sealed { segments, superseded } = segments::open_all(&directory.sealed())
        .map_err(|(path, failure)| sealed_failed(directory, &path, failure))?;
    // What is there without doubt was opened; what was being made or removed can go.
    for leftover in &leftovers {
        fs::remove_dir_all(leftover).map_err(at(leftover))?;
    }
    let sealed = segments.last().map_or_else(MerkleTree::new, |last| last.after.clone());
    check_sealed(directory, &segments, noted.head)?;
    if numbers.is_empty() {
        scan::check_noted(sealed.size(), noted.head).map_err(|damage| found(directory, damage))?;
        let first = noted.tail + 1;
        drop(Tail::make(&tails, first)?);
        numbers.push(first);
    }
    let mut used: Vec<(Full, u64)> = Vec::new();
    let (mut tree, mut spare) = (sealed, None);
    let mut incomplete = false;
    for number in numbers {
        let before = Before { tree: &tree, noted, incomplete };
        let Some((tail, contents, dropped)) = open_tail(directory, number, &before, asides)? else {
            // It was interrupted between its sealing and its removal.
            let dropped = tail::retire(&tails, number).map_err(at(&tails))?;
            fs::remove_dir_all(&dropped).map_err(at(&dropped))?;
            continue;
        };
        incomplete |= dropped;
        let is_empty = contents.tree.size() == tree.size();
        tree = contents.tree;
        *tail.streams() = contents.streams;
        let tail = Arc::new(tail);
        // At most one empty tail is kept, after all others.
        let useless = if is_empty && !used.is_empty() {
            spare.replace(tail)
        } else {
            used.push((Full { tail, end: tree.clone() }, contents.event_bytes));
            spare.take()
        };
        if let Some(useless) = useless {
            let number = useless.number;
            drop(useless);
            let dropped = tail::retire(&tails, number).map_err(at(&tails))?;
            fs::remove_dir_all(&dropped).map_err(at(&dropped))?;
        }
    }
    scan::check_noted(tree.size(), noted.head).map_err(|damage| found(directory, damage))?;
    let Some((Full { tail, .. }, tail_bytes)) = used.pop() else {
        return Err(directory.damaged(None, "there is no tail".to_owned()));
    };
    sync(&tails).map_err(at(&tails))?;
    let db = tail.db();
    let segment = Positions::read(&db).map_err(at(&db))?.highest;
    // What will be noted must be durable: the positions that were found, and the events.
    tail.store.sync().map_err(|failure| tail::failed(tail.path(), failure))?;
    let unsealed: Vec<Full> = used.into_iter().map(|(full, _)| full).collect();
    let mut tails: Vec<Arc<Tail>> = unsealed.iter().map(|full| Arc::clone(&full.tail)).collect();
    tails.push(Arc::clone(&tail));
    for path in superseded {
        fs::remove_file(&path).map_err(at(&path))?;
    }
    let parts = Parts { segments, tails };
    Ok(Opened { parts, tail, tree, tail_bytes, head_file, segment, spare, unsealed })
}

/// What a tail has to go on from.
struct Before<'a> {
    tree: &'a MerkleTree,
    noted: Note,
    /// Whether a commit before it is incomplete, so that nothing may follow.
    incomplete: bool,
}

/// A tail that was opened, what is in it, and whether an incomplete commit was dropped.
type OpenTail = (Tail, Contents, bool);

/// Opens a tail; `None` when all of it is sealed. Unless its files are known to be as they were
/// left, they are copied first.
fn open_tail(
    directory: &Directory,
    number: u64,
    before: &Before<'_>,
    asides: &mut Vec<Aside>,
) -> Result<Option<OpenTail>, OpenFailure> {
    let tails = directory.tails();
    let path = tail::path_of(&tails, number);
    let Note { tail, closed, .. } = before.noted;
    if tail == number
        && closed != Print::default()
        && closed == Print::of(&path).map_err(at(&path))?
    {
        return read_tail(directory, number, before);
    }
    let aside = Aside::make(&tails, number)?;
    let opened = read_tail(directory, number, before).or_else(|failure| {
        // What sled derives from its file can be what is damaged.
        aside.begin_again()?;
        aside::remove_derived(&path).map_err(at(&path))?;
        read_tail(directory, number, before).map_err(|_| failure)
    });
    asides.push(aside);
    opened
}

fn read_tail(
    directory: &Directory,
    number: u64,
    before: &Before<'_>,
) -> Result<Option<OpenTail>, OpenFailure> {
    let tail = Tail::open(&directory.tails(), number)?;
    if !tail.store.was_recovered() {
        let found = format!("sled found nothing in `{}`", tail.db().display());
        return Err(directory.damaged(None, found));
    }
    let last = Sequence(before.tree.size());
    if is_sealed(&tail, last).map_err(|failure| tail::failed(tail.path(), failure))? {
        return Ok(None);
    }
    let (contents, dropped) = read(directory, &tail, before.tree.clone(), before.noted.head)?;
    if contents.tree.size() > last.0 && before.incomplete {
        return Err(directory.damaged(Some(last.next()), "a commit before it is incomplete".into()));
    }
    Ok(Some((tail, contents, dropped)))
}

/// Checks what is sealed against the note, where the noted event is sealed.
fn check_sealed(
    directory: &Directory,
    segments: &Segments,
    noted: Head,
) -> Result<(), OpenFailure> {
    let Some(segment) = segments::part_with(segments, noted.sequence) else { return Ok(()) };
    let tree = segment.tree_at(noted.sequence);
    let tree = tree.map_err(|failure| sealed_failed(directory, segment.path(), failure))?;
    if tree.root() == noted.root {
        return Ok(());
    }
    let reason = "the history up to it is not the one that was noted".to_owned();
    Err(directory.damaged(Some(noted.sequence), reason))
}

/// Whether all of a tail is sealed, the last sealed event being `last`.
fn is_sealed(tail: &Tail, last: Sequence) -> Result<bool, StoreFailure> {
    let straddles = || {
        Err(StoreFailure::Damaged(format!(
            "it has events up to {last}, which are sealed, and others"
        )))
    };
    let Some(newest) = tail.store.block_first(Sequence(u64::MAX))? else { return Ok(false) };
    if newest > last {
        return if tail.store.block_first(last)?.is_some() { straddles() } else { Ok(false) };
    }
    let bytes = tail.store.block_bytes(newest)?;
    let block = block::decode(&bytes).map_err(StoreFailure::Damaged)?;
    if block.last_sequence() > last { straddles() } else { Ok(true) }
}

/// Reads and checks all that is in a tail, and drops a commit at its end that was never completed.
fn read(
    directory: &Directory,
    tail: &Tail,
    before: MerkleTree,
    noted: Head,
) -> Result<(Contents, bool), OpenFailure> {
    let mut scan = Scan::new(before, noted);
    tail.store.for_each(|entry| scan.entry(entry)).map_err(|damage| found(directory, damage))?;
    let (contents, incomplete) = scan.finish();
    let dropped = !incomplete.is_empty();
    if dropped {
        tracing::info!(
            after = contents.tree.size(),
            "dropped a commit that was interrupted before it was acknowledged"
        );
        let removed = tail.store.remove(incomplete);
        removed.map_err(|failure| tail::failed(tail.path(), failure))?;
    }
    Ok((contents, dropped))
}

fn found(directory: &Directory, damage: Damage) -> OpenFailure {
    if damage.unreadable {
        tail::failed(&directory.tails(), StoreFailure::Failed(damage.reason))
    } else {
        directory.damaged(damage.sequence, damage.reason)
    }
}

fn sealed_failed(directory: &Directory, path: &Path, failure: SegmentFailure) -> OpenFailure {
    match failure {
        SegmentFailure::Damaged(reason) => {
            directory.damaged(None, segments::in_words(path, &reason))
        }
        SegmentFailure::Io(source) => OpenFailure::Io { path: path.to_owned(), source },
    }
}
