//! The log: what its handle, its committer and its readers share.

use std::{
    io,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use holdpoint_core::event::{Sequence, StreamId, Version};
use holdpoint_log::{
    Append, AppendFailure, EventLog, Head, ReadFailure, Record,
    merkle::{self, Hash},
    numbering::Prepared,
    prove::{EventTiles, TILE_LEVELS, Tiles},
};
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
};

use crate::{
    block::Packer,
    committer::{Committer, Request},
    directory::Directory,
    failure::OpenFailure,
    lock::Lock,
    opening::{self, Opened},
    options::Options,
    parts::Parts,
    reader::Cache,
    reading::Scratch,
    sealer::{Full, Sealer},
    segment::Segment,
    syncing::Syncs,
    tail::Tail,
};

/// How many hashes a tile has.
const TILE_HASHES: u64 = 1 << TILE_LEVELS;

/// A log in a directory of its own.
///
/// It needs a tokio runtime for reading, and threads for writing, syncing and sealing. Dropping the
/// last handle waits for what is being committed and sealed, and closes the files; nothing that
/// was acknowledged depends on it. A read whose future was dropped can keep the files open a moment
/// longer.
#[derive(Debug)]
pub struct SledLog {
    shared: Arc<Shared>,
    /// Absent only while the log is being closed, and in one that is only read. It has no bound of its own: there are as many
    /// requests as callers, each of whom waits for the answer.
    requests: Option<Sender<Request>>,
    committer: Option<JoinHandle<()>>,
    sealer: Option<JoinHandle<()>>,
    /// Tells the sealer that the log is being closed.
    stop: Arc<AtomicBool>,
}

/// What the committer writes and readers read. The order matters: sled is closed before the lock
/// is given back.
#[derive(Debug)]
pub(crate) struct Shared {
    pub cache: Cache,
    parts: Mutex<Parts>,
    head: Mutex<Head>,
    told: watch::Sender<Sequence>,
    held: Held,
}

/// What keeps others away for as long as the log is open.
#[derive(Debug)]
pub(crate) enum Held {
    /// Nobody else can open it.
    Alone { _lock: Lock },
    /// Nobody can open it to write.
    ToRead(Scratch),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that runs under these locks panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(parts: Parts, head: Head, held: Held) -> Self {
        Self {
            cache: Cache::new(),
            parts: Mutex::new(parts),
            head: Mutex::new(head),
            told: watch::Sender::new(head.sequence),
            held,
        }
    }

    /// The durable end of the log. Only whoever has synced a commit changes it.
    pub(crate) fn head(&self) -> Head {
        *locked(&self.head)
    }

    /// Where the events are now.
    pub(crate) fn parts(&self) -> Parts {
        locked(&self.parts).clone()
    }

    /// Makes a commit visible that is durable.
    pub(crate) fn publish(&self, head: Head) {
        *locked(&self.head) = head;
        self.told.send_replace(head.sequence);
    }

    /// Adds an empty tail at the end.
    pub(crate) fn add_tail(&self, tail: Arc<Tail>) {
        locked(&self.parts).tails.push(tail);
    }

    /// Puts a segment in place of those whose events it has.
    pub(crate) fn merged(&self, segment: Segment) {
        let mut parts = locked(&self.parts);
        let place = parts.segments.partition_point(|before| before.last() < segment.first());
        parts.segments.retain(|part| !segment.has(part.first()));
        parts.segments.insert(place, Arc::new(segment));
    }

    /// Puts a segment in place of the tail whose events it has.
    pub(crate) fn sealed(&self, number: u64, segment: Option<Segment>) {
        let mut parts = locked(&self.parts);
        parts.segments.extend(segment.map(Arc::new));
        parts.tails.retain(|tail| tail.number != number);
    }
}

impl SledLog {
    /// Makes an empty log in `directory`, which must be empty or not exist, and opens it. `user`
    /// says who does, for those who find the log in use, such as `holdpoint work`.
    ///
    /// An interrupted making leaves a directory in which this can be called again.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn create(directory: impl AsRef<Path>, user: &str) -> Result<Self, OpenFailure> {
        let (directory, user) = (directory.as_ref().to_owned(), user.to_owned());
        blocking(directory, move |path, directory| {
            let already_there = || Err(OpenFailure::AlreadyThere { directory: path.to_owned() });
            if directory.has_log()? {
                return already_there();
            }
            directory.make()?;
            let lock = directory.lock(&user)?;
            // Somebody else may have made it before the lock was had.
            if directory.has_log()? {
                return already_there();
            }
            directory.fill()?;
            Self::open_locked(&directory, lock, Options::default())
        })
        .await
    }

    /// Opens the log in `directory`; [`SledLog::create`] says what `user` is. Every event that is
    /// not sealed is read and checked; what is sealed is checked as far as that takes no reading
    /// of events, and each event when it is read.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open(directory: impl AsRef<Path>, user: &str) -> Result<Self, OpenFailure> {
        Self::open_with(directory, user, Options::default()).await
    }

    /// As [`SledLog::open`], with options.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open_with(
        directory: impl AsRef<Path>,
        user: &str,
        options: Options,
    ) -> Result<Self, OpenFailure> {
        let (directory, user) = (directory.as_ref().to_owned(), user.to_owned());
        blocking(directory, move |path, directory| {
            if !directory.has_log()? {
                return Err(OpenFailure::NotThere { directory: path.to_owned() });
            }
            let lock = directory.lock(&user)?;
            Self::open_locked(&directory, lock, options)
        })
        .await
    }

    fn open_locked(
        directory: &Directory,
        lock: Lock,
        options: Options,
    ) -> Result<Self, OpenFailure> {
        let opened = opening::open(directory)?;
        Self::start(directory, lock, opened, options).map_err(|source| OpenFailure::Io {
            path: Path::new("a new thread").to_owned(),
            source,
        })
    }

    fn start(
        directory: &Directory,
        lock: Lock,
        opened: Opened,
        options: Options,
    ) -> io::Result<Self> {
        let stop = Arc::default();
        let opened = with_room(directory, opened, options);
        Self::run(prepare(directory, lock, opened, options, &stop)?, stop)
    }

    fn run((committer, sealer): (Committer, Sealer), stop: Arc<AtomicBool>) -> io::Result<Self> {
        let shared = Arc::clone(&committer.shared);
        let sealer =
            thread::Builder::new().name("holdpoint-seal".to_owned()).spawn(move || sealer.run())?;
        let (requests, received) = mpsc::channel();
        let committer = thread::Builder::new()
            .name("holdpoint-log".to_owned())
            .spawn(move || committer.run(&received))?;
        Ok(Self {
            shared,
            requests: Some(requests),
            committer: Some(committer),
            sealer: Some(sealer),
            stop,
        })
    }

    /// A log to which nothing can be appended.
    pub(crate) fn reading_only(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            requests: None,
            committer: None,
            sealer: None,
            stop: Arc::default(),
        }
    }

    /// A directory for temporary files that is removed with a log that was [opened to be
    /// read](Self::open_to_read).
    #[must_use]
    pub fn scratch(&self) -> Option<&Path> {
        match &self.shared.held {
            Held::Alone { .. } => None,
            Held::ToRead(scratch) => Some(scratch.path()),
        }
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, ReadFailure> {
        let shared = Arc::clone(&self.shared);
        let read = spawn_blocking(move || read(&shared)).await;
        read.unwrap_or_else(|error| Err(ReadFailure::Unreadable { reason: error.to_string() }))
    }
}

/// A log that goes on in an empty tail, if the one that was opened has enough to be sealed. Where
/// no other can be had it goes on in that one.
fn with_room(directory: &Directory, mut opened: Opened, options: Options) -> Opened {
    if opened.tail_bytes < options.opening_bytes() {
        return opened;
    }
    let empty = match opened.spare.take() {
        Some(spare) => spare,
        None => match Tail::make(&directory.tails(), opened.tail.number + 1) {
            Ok(made) => Arc::new(made),
            Err(error) => {
                tracing::warn!(%error, "what was opened is sealed later");
                return opened;
            }
        },
    };
    let tail = std::mem::replace(&mut opened.tail, Arc::clone(&empty));
    opened.unsealed.push(Full { tail, end: opened.tree.clone() });
    opened.parts.tails.push(empty);
    (opened.tail_bytes, opened.segment) = (0, 0);
    opened
}

/// Puts together what the two threads own.
fn prepare(
    directory: &Directory,
    lock: Lock,
    opened: Opened,
    options: Options,
    stop: &Arc<AtomicBool>,
) -> io::Result<(Committer, Sealer)> {
    let Opened { parts, tail, tree, tail_bytes, head_file, segment, spare, unsealed } = opened;
    let head = Head { sequence: Sequence(tree.size()), root: tree.root() };
    let last = spare.as_ref().unwrap_or(&tail).number;
    let shared = Arc::new(Shared::new(parts, head, Held::Alone { _lock: lock }));
    let (full, to_seal) = mpsc::channel();
    let (empty, spares) = mpsc::sync_channel(1);
    let sealer = Sealer {
        shared: Arc::clone(&shared),
        tails: directory.tails(),
        sealed: directory.sealed(),
        next_number: last + 1,
        spare,
        unsealed,
        full: to_seal,
        empty,
        stop: Arc::clone(stop),
        segment_bytes: options.segment_bytes,
        merge: None,
        may_merge: false,
    };
    let committer = Committer {
        syncs: Syncs::start(Arc::clone(&shared))?,
        shared,
        tree,
        packer: Packer::new()?,
        ahead: None,
        commits: 0,
        head_file,
        tail,
        tail_bytes,
        tail_bytes_max: options.tail_bytes_max,
        segment,
        full,
        spares,
    };
    Ok((committer, sealer))
}

/// Runs `open` where it may wait for the disk.
pub(crate) async fn blocking(
    path: std::path::PathBuf,
    open: impl FnOnce(&Path, Directory) -> Result<SledLog, OpenFailure> + Send + 'static,
) -> Result<SledLog, OpenFailure> {
    let opening = {
        let path = path.clone();
        spawn_blocking(move || open(&path, Directory::new(&path)))
    };
    opening
        .await
        .unwrap_or_else(|error| Err(OpenFailure::Io { path, source: io::Error::other(error) }))
}

impl Drop for SledLog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.requests.take());
        // The committer ends first: the sealer waits for what it sends.
        for thread in [self.committer.take(), self.sealer.take()].into_iter().flatten() {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "a thread of the log panicked");
            }
        }
    }
}

#[async_trait]
impl EventLog for SledLog {
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
        if self.scratch().is_some() {
            let reason = "it was opened to be read only".to_owned();
            return Err(AppendFailure::ReadOnly { reason });
        }
        let appends = Prepared::new(appends)?;
        let ended = || AppendFailure::Poisoned { reason: "the committer has ended".to_owned() };
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(ended)?;
        requests.send(Request { appends, answer }).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure> {
        let stream = stream.clone();
        self.reading(move |shared| shared.read_stream(&stream, after, limit)).await
    }

    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure> {
        self.reading(move |shared| shared.read(after, limit)).await
    }

    async fn head(&self) -> Result<Head, ReadFailure> {
        Ok(self.shared.head())
    }

    async fn check(&self) -> Result<(), ReadFailure> {
        self.reading(Shared::check).await
    }

    fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.shared.told.subscribe()
    }
}

/// Segments keep the roots of whole tiles; others are made from the events.
#[async_trait]
impl Tiles for SledLog {
    async fn hashes(&self, level: u32, numbers: Range<u64>) -> Result<Vec<Hash>, ReadFailure> {
        if level == 0 {
            return EventTiles(self).hashes(level, numbers).await;
        }
        let mut hashes = Vec::new();
        for number in numbers {
            let end = number.saturating_add(1).saturating_mul(TILE_HASHES);
            let below = number.saturating_mul(TILE_HASHES)..end;
            let sealed = if level == 1 { self.shared.parts().tile_root(below.end) } else { None };
            hashes.push(match sealed {
                Some(root) => root,
                None => merkle::root_over(&self.hashes(level - 1, below).await?),
            });
        }
        Ok(hashes)
    }
}

#[cfg(test)]
mod tests {
    use holdpoint_log::{
        conformance::{append, event, noise, stream},
        numbering::Stored,
        verify,
    };

    use super::*;
    use crate::{block, head::HeadFile, store::Store};

    /// Opens the log in `path` as [`SledLog::open`] does, on a store that `change` has changed.
    fn threads_on(path: &Path, change: impl FnOnce(&mut Store)) -> (Committer, Sealer) {
        let directory = Directory::new(path);
        let lock = directory.lock("test").unwrap();
        let mut opened = opening::open(&directory).unwrap();
        opened.parts.tails.clear();
        change(&mut Arc::get_mut(&mut opened.tail).unwrap().store);
        opened.parts.tails.push(Arc::clone(&opened.tail));
        prepare(&directory, lock, opened, Options::default(), &Arc::default()).unwrap()
    }

    fn committer_on(path: &Path) -> Committer {
        threads_on(path, |_| ()).0
    }

    #[tokio::test]
    async fn what_was_sent_meanwhile_is_one_commit() {
        let dir = tempfile::tempdir().unwrap();
        drop(SledLog::create(dir.path(), "test").await.unwrap());
        let committer = committer_on(dir.path());
        let (requests, received) = mpsc::channel();
        let mut answers = Vec::new();
        for appends in [
            vec![append(1, 0, 2)],
            vec![append(1, 0, 1), append(3, 0, 1)],
            vec![append(1, 2, 1), append(2, 0, 1)],
            vec![append(3, 0, 1)],
        ] {
            let (answer, answered) = oneshot::channel();
            let appends = Prepared::new(appends).unwrap();
            requests.send(Request { appends, answer }).unwrap();
            answers.push(answered);
        }
        drop(requests);
        let shared = Arc::clone(&committer.shared);
        committer.run(&received);
        let mut answers = answers.into_iter().map(|mut answered| answered.try_recv().unwrap());
        assert_eq!(answers.next().unwrap().unwrap(), [Sequence(1)]);
        let conflict = AppendFailure::Conflict {
            stream: stream(1),
            expected: Version::ZERO,
            actual: Version(2),
        };
        assert_eq!(answers.next().unwrap().unwrap_err(), conflict);
        assert_eq!(answers.next().unwrap().unwrap(), [Sequence(3), Sequence(4)]);
        assert_eq!(answers.next().unwrap().unwrap(), [Sequence(5)]);
        assert_eq!(
            shared.parts().tails[0].store.block_first(Sequence(5)).unwrap(),
            Some(Sequence(1))
        );
    }

    #[tokio::test]
    async fn what_was_sent_while_a_sync_failed_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        drop(SledLog::create(dir.path(), "test").await.unwrap());
        let (committer, _sealer) = threads_on(dir.path(), Store::break_sync);
        let (requests, received) = mpsc::channel();
        let one = |run, text: &str| {
            let mut append = append(run, 0, 0);
            append.events.push(event(&stream(run), text));
            append
        };
        // The first is a commit of its own, and small when it is compressed; the second cannot be
        // written before the first is durable.
        let sent = [one(1, &"a".repeat(600_000)), one(2, &noise(150_000, 1)), append(3, 0, 1)];
        let answers: Vec<_> = sent
            .into_iter()
            .map(|append| {
                let (answer, answered) = oneshot::channel();
                let appends = Prepared::new(vec![append]).unwrap();
                requests.send(Request { appends, answer }).unwrap();
                answered
            })
            .collect();
        drop(requests);
        let shared = Arc::clone(&committer.shared);
        committer.run(&received);
        for mut answered in answers {
            let failure = answered.try_recv().unwrap().unwrap_err();
            assert!(matches!(failure, AppendFailure::Poisoned { .. }), "{failure}");
        }
        assert_eq!(shared.head().sequence, Sequence::ZERO);
    }

    #[tokio::test]
    async fn an_incomplete_commit_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::create(dir.path(), "test").await.unwrap();
        log.append(vec![append(1, 0, 3)]).await.unwrap();
        drop(log);
        for cut in 1..4 {
            let mut large = append(1, 3, 0);
            large.events = (0..3).map(|n| event(&stream(1), &noise(17_000, n + 1))).collect();
            let committer = committer_on(dir.path());
            let parts = committer.shared.parts();
            let mut tree = committer.tree.clone();
            let mut packer = Packer::new().unwrap();
            let head = |stream: &StreamId| Ok(parts.stream_head(stream).unwrap());
            let push = |sequence, stored: Stored<'_>| {
                packer.push(sequence, stored, &mut tree).unwrap();
            };
            Prepared::new(vec![large]).unwrap().place(Sequence(3), head, push).unwrap();
            let mut pieces = packer.finish(&tree).unwrap();
            pieces.truncate(pieces.len() - cut * cut);
            committer.tail.store.write(pieces).unwrap();
            committer.tail.store.sync().unwrap();
            drop((parts, committer));

            let log = SledLog::open(dir.path(), "test").await.unwrap();
            assert_eq!(verify(&log).await.unwrap().events, 3);
        }
        let log = SledLog::open(dir.path(), "test").await.unwrap();
        log.append(vec![append(1, 3, 2_000)]).await.unwrap();
        drop(log);
        let log = SledLog::open(dir.path(), "test").await.unwrap();
        assert_eq!(verify(&log).await.unwrap().events, 2_003);
    }

    #[tokio::test]
    async fn a_failed_sync_ends_appending_but_not_reading() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::create(dir.path(), "test").await.unwrap();
        log.append(vec![append(1, 0, 3)]).await.unwrap();
        drop(log);

        let log = SledLog::run(threads_on(dir.path(), Store::break_sync), Arc::default()).unwrap();
        let (one, two) =
            tokio::join!(log.append(vec![append(1, 3, 1)]), log.append(vec![append(1, 0, 1)]));
        // The second is refused whatever happens, but not before it is known what happened.
        for answer in [one, two, log.append(vec![append(2, 0, 1)]).await] {
            let failure = answer.unwrap_err();
            assert!(matches!(failure, AppendFailure::Poisoned { .. }), "{failure}");
        }
        // What was not acknowledged cannot be read, although it may be on disk.
        assert_eq!(log.read(Sequence::ZERO, 9).await.unwrap().len(), 3);
        assert_eq!(log.read_stream(&stream(1), Version::ZERO, 9).await.unwrap().len(), 3);
        assert_eq!(*log.subscribe().borrow(), Sequence(3));
        assert_eq!(verify(&log).await.unwrap().events, 3);
        drop(log);

        let log = SledLog::open(dir.path(), "test").await.unwrap();
        let events = verify(&log).await.unwrap().events;
        assert!((3..=4).contains(&events), "{events}");
        log.append(vec![append(1, events, 1)]).await.unwrap();
    }

    #[tokio::test]
    async fn a_changed_byte_is_found_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::create(dir.path(), "test").await.unwrap();
        for n in 0..5 {
            log.append(vec![append(1, n * 2, 2)]).await.unwrap();
        }
        let flip = |value: &mut Vec<u8>| *value.last_mut().unwrap() ^= 1;
        log.shared.parts().tails[0].store.tamper(&block::key(Sequence(5), 0), flip);
        let place = |failure| match failure {
            ReadFailure::Damaged { sequence, .. } => sequence,
            ReadFailure::Unreadable { reason } => panic!("{reason}"),
        };
        assert_eq!(place(verify(&log).await.unwrap_err()), Some(Sequence(5)));
        assert_eq!(place(log.read(Sequence(5), 1).await.unwrap_err()), Some(Sequence(6)));
        let found = log.read_stream(&stream(1), Version(3), 9).await.unwrap_err();
        assert_eq!(place(found), Some(Sequence(6)));
        assert_eq!(log.read(Sequence::ZERO, 4).await.unwrap().len(), 4);
        assert_eq!(log.read_stream(&stream(1), Version(6), 9).await.unwrap().len(), 4);
        drop(log);

        let failure = SledLog::open(dir.path(), "test").await.unwrap_err();
        let OpenFailure::Damaged { sequence, .. } = &failure else { panic!("{failure}") };
        assert_eq!(*sequence, Some(Sequence(5)));
    }

    #[tokio::test]
    async fn a_tail_is_not_sealed_over_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::create(dir.path(), "test").await.unwrap();
        for n in 0..5 {
            log.append(vec![append(1, n * 2, 2)]).await.unwrap();
        }
        drop(log);
        for lost in [1, 5, 9] {
            let remove = |store: &mut Store| {
                store.remove(vec![block::key(Sequence(lost), 0).as_slice().into()]).unwrap();
            };
            let copy = tempfile::tempdir().unwrap();
            let path = copy.path().join("log");
            let mut copy = std::process::Command::new("cp");
            assert!(copy.arg("-r").args([dir.path(), &path]).status().unwrap().success());
            let (committer, sealer) = threads_on(&path, remove);
            let full = Full { tail: Arc::clone(&committer.tail), end: committer.tree.clone() };
            let failure = sealer.seal(&full).unwrap_err();
            assert!(failure.to_string().contains("is missing"), "{failure}");
            assert!(full.tail.db().exists() && committer.shared.parts().segments.is_empty());
        }
        let (committer, sealer) = threads_on(dir.path(), |_| ());
        let full = Full { tail: Arc::clone(&committer.tail), end: committer.tree.clone() };
        assert_eq!(sealer.seal(&full).unwrap().unwrap().after, committer.tree);
    }

    #[tokio::test]
    async fn the_head_is_noted_when_nothing_happens() {
        let dir = tempfile::tempdir().unwrap();
        let log = SledLog::create(dir.path(), "test").await.unwrap();
        log.append(vec![append(1, 0, 3)]).await.unwrap();
        let head = log.head().await.unwrap();
        let noted = || HeadFile::open(&dir.path().join("head")).unwrap().noted().unwrap().head;
        while noted() != head {
            tokio::task::yield_now().await;
        }
    }
}
