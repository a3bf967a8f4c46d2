//! The log: what its handle, its committer and its readers share.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use holdpoint_core::event::{Sequence, StreamId, Version};
use holdpoint_log::{
    Append, AppendFailure, EventLog, Head, ReadFailure, Record, merkle::MerkleTree,
    numbering::StreamHead,
};
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
};

use crate::{
    committer::{Committer, Request},
    directory::Directory,
    failure::OpenFailure,
    head::{HeadFile, Note},
    lock::Lock,
    preflight::Segments,
    reader::Cache,
    scan::{Contents, Scan},
    store::{Store, StoreFailure},
};

/// A log in a directory of its own.
///
/// It needs a tokio runtime for reading, and one thread for writing. Dropping the last handle
/// waits for what is being committed, and closes the files; nothing that was acknowledged
/// depends on it. A read whose future was dropped can keep the files open a moment longer.
#[derive(Debug)]
pub struct SledLog {
    shared: Arc<Shared>,
    /// Absent only while the log is being closed. It has no bound of its own: there are as many
    /// requests as callers, each of whom waits for the answer.
    requests: Option<Sender<Request>>,
    committer: Option<JoinHandle<()>>,
}

/// What the committer writes and readers read. The order matters: sled is closed before the lock
/// is given back.
#[derive(Debug)]
pub(crate) struct Shared {
    pub store: Store,
    pub cache: Cache,
    state: Mutex<State>,
    told: watch::Sender<Sequence>,
    _lock: Lock,
}

/// What is durable. Only the committer changes it.
#[derive(Debug)]
struct State {
    head: Head,
    streams: HashMap<StreamId, StreamHead>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The durable end of the log.
    pub(crate) fn head(&self) -> Head {
        self.state().head
    }

    /// The durable end of a stream.
    pub(crate) fn stream_head(&self, stream: &StreamId) -> StreamHead {
        self.state().streams.get(stream).copied().unwrap_or_default()
    }

    /// Makes a commit visible that is durable.
    pub(crate) fn publish(&self, head: Head, streams: HashMap<StreamId, StreamHead>) {
        {
            let mut state = self.state();
            state.head = head;
            state.streams.extend(streams);
        }
        self.told.send_replace(head.sequence);
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
            Self::open_locked(directory, lock)
        })
        .await
    }

    /// Opens the log in `directory`; [`SledLog::create`] says what `user` is. Every event is
    /// read and checked.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open(directory: impl AsRef<Path>, user: &str) -> Result<Self, OpenFailure> {
        let (directory, user) = (directory.as_ref().to_owned(), user.to_owned());
        blocking(directory, move |path, directory| {
            if !directory.has_log()? {
                return Err(OpenFailure::NotThere { directory: path.to_owned() });
            }
            let lock = directory.lock(&user)?;
            Self::open_locked(directory, lock)
        })
        .await
    }

    fn open_locked(directory: Directory, lock: Lock) -> Result<Self, OpenFailure> {
        let (store, mut head_file) = directory.open()?;
        let nothing = Head { sequence: Sequence::ZERO, root: MerkleTree::new().root() };
        let contents = scan(&directory, &store, head_file.noted().map_or(nothing, |n| n.head))?;
        let head = Head { sequence: Sequence(contents.tree.size()), root: contents.tree.root() };
        let io = |source| OpenFailure::Io { path: directory.db(), source };
        let segment = Segments::read(&directory.db()).map_err(io)?.highest;
        // What is noted must be durable: the segments that were found, and the events.
        store.sync().map_err(|failure| directory.failed(failure))?;
        head_file.note(Note { head, segment }).map_err(io)?;
        let committer = prepare(directory, lock, store, head_file, contents, segment);
        Self::start(committer).map_err(|source| OpenFailure::Io {
            path: Path::new("a new thread").to_owned(),
            source,
        })
    }

    fn start(committer: Committer) -> io::Result<Self> {
        let shared = Arc::clone(&committer.shared);
        let (requests, received) = mpsc::channel();
        let committer = thread::Builder::new()
            .name("holdpoint-log".to_owned())
            .spawn(move || committer.run(&received))?;
        Ok(Self { shared, requests: Some(requests), committer: Some(committer) })
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

/// Puts together what the committer works with.
fn prepare(
    directory: Directory,
    lock: Lock,
    store: Store,
    head_file: HeadFile,
    Contents { tree, streams }: Contents,
    segment: u64,
) -> Committer {
    let head = Head { sequence: Sequence(tree.size()), root: tree.root() };
    let shared = Arc::new(Shared {
        store,
        cache: Cache::new(),
        state: Mutex::new(State { head, streams }),
        told: watch::Sender::new(head.sequence),
        _lock: lock,
    });
    Committer { shared, directory, tree, head_file, segment }
}

/// Reads and checks everything that is stored, and drops a commit at the end that was never
/// completed.
fn scan(directory: &Directory, store: &Store, noted: Head) -> Result<Contents, OpenFailure> {
    let mut scan = Scan::new(noted);
    let scanned = store.for_each(|entry| scan.entry(entry)).and_then(|()| scan.finish());
    let (contents, incomplete) = scanned.map_err(|damage| {
        if damage.unreadable {
            directory.failed(StoreFailure::Failed(damage.reason))
        } else {
            directory.damaged(damage.sequence, damage.reason)
        }
    })?;
    if !incomplete.is_empty() {
        tracing::info!(
            after = contents.tree.size(),
            "dropped a commit that was interrupted before it was acknowledged"
        );
        store.remove(incomplete).map_err(|failure| directory.failed(failure))?;
    }
    Ok(contents)
}

/// Runs `open` where it may wait for the disk.
async fn blocking(
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
        drop(self.requests.take());
        if let Some(committer) = self.committer.take()
            && committer.join().is_err()
        {
            tracing::error!("the committer panicked");
        }
    }
}

#[async_trait]
impl EventLog for SledLog {
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure> {
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

    fn subscribe(&self) -> watch::Receiver<Sequence> {
        self.shared.told.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use holdpoint_log::{
        conformance::{append, event, noise, stream},
        numbering, verify,
    };

    use super::*;
    use crate::block;

    /// Opens the log in `path` as [`SledLog::open`] does, on a store that `change` has changed.
    fn committer_on(path: &Path, change: impl FnOnce(&mut Store)) -> Committer {
        let directory = Directory::new(path);
        let lock = directory.lock("test").unwrap();
        let (mut store, head_file) = directory.open().unwrap();
        let noted = head_file.noted().unwrap();
        let contents = scan(&directory, &store, noted.head).unwrap();
        change(&mut store);
        prepare(directory, lock, store, head_file, contents, noted.segment)
    }

    #[tokio::test]
    async fn what_was_sent_meanwhile_is_one_commit() {
        let dir = tempfile::tempdir().unwrap();
        drop(SledLog::create(dir.path(), "test").await.unwrap());
        let committer = committer_on(dir.path(), |_| ());
        let (requests, received) = mpsc::channel();
        let mut answers = Vec::new();
        for appends in [
            vec![append(1, 0, 2)],
            vec![append(1, 0, 1), append(3, 0, 1)],
            vec![append(1, 2, 1), append(2, 0, 1)],
            vec![append(3, 0, 1)],
        ] {
            let (answer, answered) = oneshot::channel();
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
        assert_eq!(shared.store.block_first(Sequence(5)).unwrap(), Sequence(1));
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
            let committer = committer_on(dir.path(), |_| ());
            let stream_head = |stream: &StreamId| committer.shared.stream_head(stream);
            let numbered = numbering::number(&[large], Sequence(3), stream_head).unwrap();
            let mut pieces = block::pack(&numbered.records, &mut committer.tree.clone()).unwrap();
            pieces.truncate(pieces.len() - cut * cut);
            committer.shared.store.write(pieces).unwrap();
            drop(committer);

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

        let log = SledLog::start(committer_on(dir.path(), Store::break_sync)).unwrap();
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
        log.shared.store.tamper(&block::key(Sequence(5), 0), flip);
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
