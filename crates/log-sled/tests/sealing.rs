//! What is sealed reads as before, and is refused when it was changed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "support/copy.rs"]
mod copy;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use copy::copy_all;
use holdpoint_core::{Sequence, Version};
use holdpoint_log::{
    AppendFailure, EventLog, Head,
    conformance::{append, stream},
    prove::{EventTiles, Tiles, prove_inclusion},
    verify,
};
use holdpoint_log_sled::{OpenFailure, Options, SledLog};

const OPTIONS: Options = Options { tail_bytes_max: 60_000, segment_bytes: 0 };

/// How many streams the tests write to.
const STREAMS: u64 = 7;

async fn open(path: &Path) -> Result<SledLog, OpenFailure> {
    SledLog::open_with(path, "test", OPTIONS).await
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(path.join("sealed"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .collect();
    paths.sort();
    paths
}

/// Waits until there are so many segments.
async fn sealed(path: &Path, count: usize) {
    while segments(path).len() < count {
        tokio::task::yield_now().await;
    }
}

/// A closed log of about 2,000 events in several segments and a tail.
async fn closed_log(path: &Path) -> Head {
    drop(SledLog::create(path, "test").await.unwrap());
    let log = open(path).await.unwrap();
    for n in 0..100 {
        for run in 0..STREAMS {
            log.append(vec![append(run, n * 3, 3)]).await.unwrap();
        }
    }
    sealed(path, 3).await;
    log.head().await.unwrap()
}

#[tokio::test]
async fn what_is_sealed_reads_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let head = closed_log(dir.path()).await;
    for _ in 0..3 {
        let log = open(dir.path()).await.unwrap();
        assert_eq!(log.head().await.unwrap(), head);
        let verified = verify(&log).await.unwrap();
        assert_eq!((verified.events, verified.root), (STREAMS * 300, head.root));
        for run in 0..STREAMS {
            let records = log.read_stream(&stream(run), Version(7), 1_000).await.unwrap();
            let versions: Vec<u64> =
                records.iter().map(|record| record.event().unwrap().version.0).collect();
            assert_eq!(versions, (8..=300).collect::<Vec<_>>());
        }
        for (after, limit) in [(0, 1), (255, 2), (256, 1), (511, 600), (2_090, 99), (2_100, 9)] {
            let records = log.read(Sequence(after), limit).await.unwrap();
            let expected = after + 1..=(after + limit as u64).min(2_100);
            let sequences: Vec<u64> = records.iter().map(|record| record.sequence.0).collect();
            assert_eq!(sequences, expected.collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn tiles_of_segments_are_those_of_their_events() {
    let dir = tempfile::tempdir().unwrap();
    let head = closed_log(dir.path()).await;
    let log = open(dir.path()).await.unwrap();
    let tiles = head.sequence.0 / 256;
    for numbers in [0..tiles, 3..5] {
        let expected = EventTiles(&log).hashes(1, numbers.clone()).await.unwrap();
        assert_eq!(log.hashes(1, numbers).await.unwrap(), expected);
    }
    for sequence in [1, 255, 256, 257, 1_000, head.sequence.0] {
        let proof = prove_inclusion(&log, Sequence(sequence), &head).await.unwrap();
        assert_eq!(proof.index, sequence - 1);
    }
}

#[tokio::test]
async fn streams_go_on_where_they_were_sealed() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledLog::create(dir.path(), "test").await.unwrap());
    let log = open(dir.path()).await.unwrap();
    log.append(vec![append(1_000, 0, 5)]).await.unwrap();
    for n in 0..100 {
        log.append(vec![append(n, 0, 5)]).await.unwrap();
    }
    sealed(dir.path(), 2).await;
    go_on(&log).await;
    drop(log);
    go_on(&open(dir.path()).await.unwrap()).await;
}

/// Appends to a stream whose first events are sealed.
async fn go_on(log: &SledLog) {
    let conflict = log.append(vec![append(1_000, 0, 1)]).await.unwrap_err();
    let AppendFailure::Conflict { actual, .. } = conflict else { panic!("{conflict}") };
    assert!(actual >= Version(5));
    log.append(vec![append(1_000, actual.0, 1), append(2_000 + actual.0, 0, 1)]).await.unwrap();
    let records = log.read_stream(&stream(1_000), Version::ZERO, 99).await.unwrap();
    assert_eq!(records.len() as u64, actual.0 + 1);
    verify(log).await.unwrap();
}

#[tokio::test]
async fn a_changed_byte_of_a_segment_is_never_served() {
    const CHANGES: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let head = closed_log(&whole).await;
    let name = segments(&whole)[1].file_name().unwrap().to_owned();
    let bytes = fs::read(whole.join("sealed").join(&name)).unwrap();
    let path = dir.path().join("changed");
    copy_all(&whole, &path);
    let (mut at_opening, mut at_verifying) = (0, 0);
    for n in 0..CHANGES {
        let mut changed = bytes.clone();
        let at = bytes.len() * n / CHANGES + n % 7;
        changed[at] ^= 0x10;
        fs::write(path.join("sealed").join(&name), changed).unwrap();
        match open(&path).await {
            Ok(log) => {
                let failure = verify(&log).await.unwrap_err();
                assert!(failure.to_string().contains("the log is damaged"), "{failure}");
                at_verifying += 1;
                assert_eq!(log.head().await.unwrap(), head);
            }
            Err(OpenFailure::Damaged { reason, .. }) => {
                assert!(reason.contains("`sealed/"), "{reason}");
                at_opening += 1;
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(at_opening > 0 && at_verifying > 0, "{at_opening} {at_verifying}");
}

#[tokio::test]
async fn a_segment_that_is_missing_or_of_another_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, other) = (dir.path().join("whole"), dir.path().join("other"));
    closed_log(&whole).await;
    closed_log(&other).await;
    type Damage = fn(&[PathBuf], &Path);
    let damages: [Damage; 5] = [
        |paths, _| fs::remove_file(&paths[0]).unwrap(),
        |paths, _| fs::remove_file(&paths[1]).unwrap(),
        |paths, _| fs::rename(&paths[1], paths[1].with_file_name("2.segment")).unwrap(),
        |paths, other| assert!(fs::copy(segments(other)[1].as_path(), &paths[1]).unwrap() > 0),
        |paths, _| {
            let file = fs::File::options().write(true).open(&paths[1]).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        },
    ];
    for (n, damage) in damages.iter().enumerate() {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        damage(&segments(&path), &other);
        let failure = open(&path).await.unwrap_err();
        assert!(matches!(failure, OpenFailure::Damaged { .. }), "{n}: {failure}");
    }
}

#[tokio::test]
async fn what_was_interrupted_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    drop(SledLog::create(&path, "test").await.unwrap());
    let log = open(&path).await.unwrap();
    for n in 0..10 {
        log.append(vec![append(1, n * 3, 3)]).await.unwrap();
    }
    drop(log);
    let tail = dir.path().join("tail");
    copy_all(&path.join("tail/00000001"), &tail);
    let log = Arc::new(
        SledLog::open_with(&path, "test", Options { tail_bytes_max: 1, ..OPTIONS }).await.unwrap(),
    );
    log.append(vec![append(2, 0, 3)]).await.unwrap();
    log.append(vec![append(2, 3, 3)]).await.unwrap();
    sealed(&path, 2).await;
    let head = log.head().await.unwrap();
    drop(log);
    assert!(!path.join("tail/00000001").exists());

    // The tail as it was before the events that were sealed with it, half a segment, half a tail,
    // and a tail that was being removed.
    copy_all(&tail, &path.join("tail/00000001"));
    fs::write(path.join("sealed/segment.new"), "half of a").unwrap();
    fs::create_dir_all(path.join("tail/new/blobs")).unwrap();
    fs::create_dir_all(path.join("tail/dropped-00000001/blobs")).unwrap();
    let log = open(&path).await.unwrap();
    assert_eq!(log.head().await.unwrap(), head);
    assert_eq!(verify(&log).await.unwrap().events, 36);
    for gone in ["tail/00000001", "tail/new", "tail/dropped-00000001", "sealed/segment.new"] {
        assert!(!path.join(gone).exists(), "{gone}");
    }
}

#[tokio::test]
async fn what_every_opening_would_read_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::create(dir.path(), "test").await.unwrap();
    log.append(vec![append(1, 0, 20)]).await.unwrap();
    drop(log);
    // Less than an eighth of a tail stays where it is.
    drop(open(dir.path()).await.unwrap());
    assert!(segments(dir.path()).is_empty());
    let log = open(dir.path()).await.unwrap();
    log.append(vec![append(2, 0, 20)]).await.unwrap();
    drop(log);
    drop(open(dir.path()).await.unwrap());
    assert_eq!(segments(dir.path()).len(), 1);
    let log = open(dir.path()).await.unwrap();
    assert_eq!(verify(&log).await.unwrap().events, 40);
    log.append(vec![append(1, 20, 1), append(2, 20, 1)]).await.unwrap();
}

/// A closed log with many segments, and the same after they were merged.
struct Merged {
    dir: tempfile::TempDir,
    head: Head,
}

impl Merged {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (many, few) = (dir.path().join("many"), dir.path().join("few"));
        closed_log(&many).await;
        let log = open(&many).await.unwrap();
        // Something that is not sealed.
        log.append(vec![append(STREAMS, 0, 1)]).await.unwrap();
        let bytes = verify(&log).await.unwrap().bytes;
        drop(log);
        assert!(segments(&many).len() > 7);
        copy_all(&many, &few);
        // All of them together are just large enough.
        let options = Options { tail_bytes_max: 1, segment_bytes: bytes };
        // What is in the tail is sealed at opening, and then all are merged.
        let log = SledLog::open_with(&few, "test", options).await.unwrap();
        sealed_exactly(&few, 1).await;
        let head = log.head().await.unwrap();
        drop(log);
        Self { dir, head }
    }

    fn many(&self) -> PathBuf {
        self.dir.path().join("many")
    }

    fn few(&self) -> PathBuf {
        self.dir.path().join("few")
    }
}

async fn sealed_exactly(path: &Path, count: usize) {
    let unfinished = || path.join("sealed/merged.new").exists();
    while segments(path).len() != count || unfinished() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_merged_reads_as_before() {
    let merged = Merged::new().await;
    let (many, few) = (open(&merged.many()).await.unwrap(), open(&merged.few()).await.unwrap());
    assert_eq!(few.head().await.unwrap(), many.head().await.unwrap());
    assert_eq!(verify(&few).await.unwrap(), verify(&many).await.unwrap());
    let all = many.read(Sequence::ZERO, usize::MAX).await.unwrap();
    assert_eq!(few.read(Sequence::ZERO, usize::MAX).await.unwrap(), all);
    for run in 0..STREAMS {
        let stream = stream(run);
        let records = many.read_stream(&stream, Version(3), 500).await.unwrap();
        assert_eq!(few.read_stream(&stream, Version(3), 500).await.unwrap(), records);
        few.append(vec![append(run, 300, 1)]).await.unwrap();
    }
    let tiles = merged.head.sequence.0 / 256;
    assert_eq!(few.hashes(1, 0..tiles).await.unwrap(), many.hashes(1, 0..tiles).await.unwrap());
    let bytes = |path: &Path| -> u64 {
        segments(path).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
    };
    assert!(bytes(&merged.few()) < bytes(&merged.many()));
}

/// Events that are read while segments are merged are the right ones, from the cache or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merging_does_not_disturb_readers() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledLog::create(dir.path(), "test").await.unwrap());
    let options = Options { tail_bytes_max: 2_000, segment_bytes: 200_000 };
    let log = Arc::new(SledLog::open_with(dir.path(), "test", options).await.unwrap());
    let mut readers = tokio::task::JoinSet::new();
    let (done, is_done) = tokio::sync::watch::channel(false);
    for run in 0..2 {
        let (log, is_done) = (Arc::clone(&log), is_done.clone());
        readers.spawn(async move {
            let mut rounds = 0;
            while !*is_done.borrow() {
                let end = log.head().await.unwrap().sequence;
                let records = log.read(Sequence::ZERO, usize::MAX).await.unwrap();
                assert!(records.len() as u64 >= end.0);
                let sequences = records.iter().map(|record| record.event().unwrap().sequence.0);
                assert!((1..=records.len() as u64).eq(sequences));
                log.read_stream(&stream(run), Version::ZERO, 9_999).await.unwrap();
                rounds += 1;
            }
            rounds
        });
    }
    for n in 0..150 {
        log.append(vec![append(n % 2, n / 2 * 7, 7)]).await.unwrap();
    }
    while segments(dir.path()).len() > 20 {
        tokio::task::yield_now().await;
    }
    done.send_replace(true);
    while let Some(rounds) = readers.join_next().await {
        assert!(rounds.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_merge_that_was_cut_short_leaves_every_event() {
    let merged = Merged::new().await;
    let (old, new) = (segments(&merged.many()), segments(&merged.few()).remove(0));
    // What is left of them, when some were removed, in any order.
    for present in [0, 0b1, 0b11, 0b0111_1111, 0b1010_1010, 0b1000_0000, 0b0001_1000] {
        let path = merged.dir.path().join(format!("cut {present}"));
        copy_all(&merged.many(), &path);
        fs::copy(&new, path.join("sealed").join(new.file_name().unwrap())).unwrap();
        fs::write(path.join("sealed/merged.new"), "half of a").unwrap();
        for (n, old) in old.iter().enumerate() {
            if present >> n & 1 == 0 {
                fs::remove_file(path.join("sealed").join(old.file_name().unwrap())).unwrap();
            }
        }
        let log = open(&path).await.unwrap();
        assert_eq!(log.head().await.unwrap(), merged.head, "{present:b}");
        assert_eq!(verify(&log).await.unwrap().root, merged.head.root, "{present:b}");
        assert_eq!(segments(&path).len(), 1, "{present:b}");
        assert!(!path.join("sealed/merged.new").exists());
    }
    // Without the merged one nothing may be missing.
    let path = merged.dir.path().join("missing");
    copy_all(&merged.many(), &path);
    fs::remove_file(&segments(&path)[3]).unwrap();
    assert!(matches!(open(&path).await.unwrap_err(), OpenFailure::Damaged { .. }));
    // Beside it there may be nothing of another log.
    let (path, other) = (merged.dir.path().join("mixed"), merged.dir.path().join("other"));
    closed_log(&other).await;
    copy_all(&merged.few(), &path);
    let foreign = segments(&other).remove(0);
    fs::copy(&foreign, path.join("sealed").join(foreign.file_name().unwrap())).unwrap();
    let failure = open(&path).await.unwrap_err();
    assert!(failure.to_string().contains("it does not go on"), "{failure}");
    assert_eq!(segments(&path).len(), 2, "nothing was removed");
}
