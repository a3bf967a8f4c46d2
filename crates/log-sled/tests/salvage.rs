//! What can still be read of a damaged log is saved.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

#[path = "support/content.rs"]
mod content;
#[path = "support/copy.rs"]
mod copy;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use content::content;
use copy::copy_all;
use holdpoint_core::{Event, Sequence};
use holdpoint_log::{
    EventLog, Head, Record,
    conformance::{append, event, noise, stream},
    verify,
};
use holdpoint_log_sled::{
    ArchiveFailure, Fate, OpenFailure, Options, Salvaged, SledLog, Stretch, salvage,
};
use tempfile::TempDir;

fn segments(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(path.join("sealed")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The files of sled that have events, the last one last.
fn dbs(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(path.join("tail"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("db"))
        .collect();
    paths.sort();
    paths
}

/// A log that is closed: segments, and tails with events of all sizes.
struct Whole {
    dir: TempDir,
    head: Head,
    records: Vec<Record>,
}

impl Whole {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(SledLog::create(&path, "test").await.unwrap());
        let options = Options { tail_bytes_max: 60_000, segment_bytes: 0 };
        let log = SledLog::open_with(&path, "test", options).await.unwrap();
        for n in 0..80 {
            for run in 0..7 {
                log.append(vec![append(run, n * 3, 3)]).await.unwrap();
            }
        }
        while segments(&path).iter().filter(|path| !path.ends_with("segment.new")).count() < 3 {
            tokio::task::yield_now().await;
        }
        drop(log);
        let log = SledLog::open(&path, "test").await.unwrap();
        let mut seed = 0;
        for n in 0..60 {
            let mut large = append(100 + n, 0, 2);
            for length in
                [50, 3_000, 9_000, 40_000, 200_000].iter().take(usize::try_from(n % 6).unwrap())
            {
                seed += 1;
                large.events.push(event(&stream(100 + n), &noise(*length, seed)));
            }
            log.append(vec![large, append(200 + n, 0, 1)]).await.unwrap();
        }
        let records = log.read(Sequence::ZERO, usize::MAX).await.unwrap();
        let head = log.head().await.unwrap();
        Self { dir, head, records }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// A copy of the log on which `damage` was done.
    fn damaged(&self, damage: &dyn Fn(&Path)) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        copy_all(&self.path(), &path);
        damage(&path);
        dir
    }

    /// Salvages the log in `dir`, and checks that what is kept is a log, that what is told is so, and
    /// that the damaged log is left as it was.
    async fn salvages(&self, dir: &Path) -> Salvaged {
        let (from, to, unplaced) = (dir.join("log"), dir.join("saved"), dir.join("unplaced.jsonl"));
        let before = content(&from);
        let saved = salvage(&from, &to, &unplaced, |_, _| ()).unwrap();
        assert!(content(&from) == before);

        let log = SledLog::open(&to, "test").await.unwrap();
        let verified = verify(&log).await.unwrap();
        assert_eq!((verified.events, verified.root), (saved.head.sequence.0, saved.head.root));
        let kept = log.read(Sequence::ZERO, usize::MAX).await.unwrap();
        assert_eq!(kept, self.records[..kept.len()]);

        let text = fs::read(&unplaced).unwrap_or_default();
        let lines: Vec<&[u8]> =
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!(lines.len() as u64, saved.unplaced);
        let mut beyond = BTreeSet::new();
        for line in lines {
            let sequence = Event::from_bytes(line).unwrap().sequence;
            let index = usize::try_from(sequence.0 - 1).unwrap();
            assert_eq!(*line, *self.records[index].bytes);
            assert!(sequence > saved.head.sequence && beyond.insert(sequence));
        }
        let mut next = Sequence(1);
        for Stretch { first, last, fate } in &saved.stretches {
            assert!(*first == next && first <= last, "{:?}", saved.stretches);
            for sequence in first.0..=last.0 {
                let is_beyond = beyond.contains(&Sequence(sequence));
                let expected = match fate {
                    Fate::Kept => sequence <= saved.head.sequence.0 && !is_beyond,
                    Fate::Unplaced => is_beyond,
                    Fate::Lost(reason) => !is_beyond && !reason.is_empty(),
                };
                assert!(expected, "{sequence}: {:?}", saved.stretches);
            }
            next = last.next();
        }
        assert_eq!(next, self.head.sequence.next(), "{:?}", saved.stretches);
        saved
    }
}

/// How many events are lost.
fn lost(saved: &Salvaged) -> u64 {
    let lost = saved.stretches.iter().filter(|stretch| matches!(stretch.fate, Fate::Lost(_)));
    lost.map(|stretch| stretch.last.0 + 1 - stretch.first.0).sum()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x21;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn of_a_whole_log_nothing_is_lost() {
    let whole = Whole::new().await;
    let dir = whole.damaged(&|_| ());
    let saved = whole.salvages(dir.path()).await;
    assert_eq!((saved.head, saved.unplaced, saved.findings.len()), (whole.head, 0, 0), "{saved:?}");
    assert!(!dir.path().join("unplaced.jsonl").exists());
}

#[tokio::test]
async fn what_is_derived_or_said_is_not_needed() {
    let whole = Whole::new().await;
    type Damage = fn(&Path);
    let damages: [Damage; 7] = [
        |path| fs::write(path.join("format"), "").unwrap(),
        |path| {
            fs::remove_file(path.join("head")).unwrap();
            fs::create_dir(path.join("head")).unwrap();
        },
        |path| fs::remove_file(path.join("head")).unwrap(),
        |path| fs::write(path.join("head"), "neither note").unwrap(),
        |path| fs::remove_file(path.join("format")).unwrap(),
        |path| fs::remove_file(path.join("lock")).unwrap(),
        |path| {
            for db in dbs(path) {
                fs::remove_file(db.with_file_name("conf")).unwrap();
                fs::write(db.with_file_name("snap.0000000000000000"), "damaged").unwrap();
            }
        },
    ];
    for damage in damages {
        let dir = whole.damaged(&damage);
        let saved = whole.salvages(dir.path()).await;
        assert_eq!((saved.head, saved.unplaced), (whole.head, 0), "{saved:?}");
    }
}

#[tokio::test]
async fn a_flipped_byte_costs_a_frame_at_most() {
    let whole = Whole::new().await;
    let segment = &segments(&whole.path())[1];
    let length = fs::read(segment).unwrap().len();
    let name = segment.file_name().unwrap().to_owned();
    let mut lossless = 0;
    for n in 0..6 {
        let at = (length - 1) * n / 5;
        let dir = whole.damaged(&|path| flip(&path.join("sealed").join(&name), at));
        let saved = whole.salvages(dir.path()).await;
        assert!(lost(&saved) <= 256, "byte {at}: {saved:?}");
        lossless += u64::from(lost(&saved) == 0);
        assert_eq!(saved.head == whole.head, lost(&saved) == 0, "byte {at}: {saved:?}");
        assert!(!saved.findings.is_empty() || saved.head == whole.head, "byte {at}");
    }
    assert!(lossless > 1, "what is in the tables and the description is no loss: {lossless}");
}

#[tokio::test]
async fn a_missing_segment_costs_its_events() {
    let whole = Whole::new().await;
    for n in 0..3 {
        let dir = whole.damaged(&|path| fs::remove_file(&segments(path)[n]).unwrap());
        let saved = whole.salvages(dir.path()).await;
        let lost = lost(&saved);
        assert_eq!(saved.head.sequence.0 + lost + saved.unplaced, whole.head.sequence.0);
        assert!(lost > 100 && (saved.head.sequence.0 == 0) == (n == 0), "{saved:?}");
    }
}

#[tokio::test]
async fn a_damaged_tail_costs_what_is_damaged() {
    let whole = Whole::new().await;
    let db = dbs(&whole.path())
        .into_iter()
        .max_by_key(|path| fs::read(path).unwrap().iter().rposition(|byte| *byte != 0))
        .unwrap();
    let bytes = fs::read(&db).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let tail = db.strip_prefix(whole.path()).unwrap().to_owned();
    let (mut worst, mut total) = (0, 0);
    for n in 0..6 {
        let at = used * n / 6 + n;
        let dir = whole.damaged(&|path| flip(&path.join(&tail), at));
        let saved = whole.salvages(dir.path()).await;
        // A block has a large event, or many small ones.
        worst = worst.max(lost(&saved));
        total += lost(&saved);
    }
    assert!(worst <= 40 && total <= 120, "{worst} at once, {total} together");
    for kept in [0, 1, used / 3, used / 2, used - 1] {
        let dir = whole.damaged(&|path| {
            let file = fs::File::options().write(true).open(path.join(&tail)).unwrap();
            file.set_len(kept as u64).unwrap();
        });
        let saved = whole.salvages(dir.path()).await;
        assert_eq!(kept >= used / 3, saved.unplaced > 0 || saved.head.sequence.0 > 1_700, "{kept}");
        assert!(kept < used - 1 || lost(&saved) <= 40, "{saved:?}");
    }
    let dir = whole.damaged(&|path| fs::remove_dir_all(path.join("tail")).unwrap());
    let saved = whole.salvages(dir.path()).await;
    assert!(saved.head.sequence.0 > 0 && saved.unplaced == 0, "{saved:?}");
}

#[tokio::test]
async fn what_is_there_twice_is_used() {
    // A tail whose removal was interrupted has what the damaged segment has lost.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = SledLog::create(&path, "test").await.unwrap();
    for n in 0..10 {
        log.append(vec![append(1, n * 3, 3)]).await.unwrap();
    }
    let records = log.read(Sequence::ZERO, usize::MAX).await.unwrap();
    let head = log.head().await.unwrap();
    drop(log);
    let old = dir.path().join("old");
    copy_all(&path.join("tail/00000001"), &old);
    let log = SledLog::open_with(&path, "test", Options { tail_bytes_max: 1, segment_bytes: 0 })
        .await
        .unwrap();
    log.append(vec![append(2, 0, 1)]).await.unwrap();
    while segments(&path).first().is_none_or(|path| path.ends_with("segment.new")) {
        tokio::task::yield_now().await;
    }
    drop(log);
    copy_all(&old, &path.join("tail/dropped-00000001"));
    let segment = segments(&path).remove(0);
    flip(&segment, 30);
    let (to, unplaced) = (dir.path().join("saved"), dir.path().join("unplaced.jsonl"));
    let saved = salvage(&path, &to, &unplaced, |_, _| ()).unwrap();
    assert!(saved.head.sequence >= head.sequence, "{saved:?}");
    let log = SledLog::open(&to, "test").await.unwrap();
    assert_eq!(log.read(Sequence::ZERO, records.len()).await.unwrap(), records);
}

#[tokio::test]
async fn what_is_no_log_or_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("saved");
    let unplaced = dir.path().join("unplaced.jsonl");
    let refused = |from: &Path, to: &Path| salvage(from, to, &unplaced, |_, _| ()).unwrap_err();
    let failure = refused(&dir.path().join("nowhere"), &to);
    assert!(matches!(failure, ArchiveFailure::Log(OpenFailure::NotThere { .. })), "{failure}");
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "years of work").unwrap();
    let failure = refused(&foreign, &to);
    assert!(matches!(failure, ArchiveFailure::Log(OpenFailure::Foreign { .. })), "{failure}");
    let path = dir.path().join("log");
    let log = SledLog::create(&path, "test").await.unwrap();
    let failure = refused(&path, &to);
    assert!(matches!(failure, ArchiveFailure::Log(OpenFailure::InUse { .. })), "{failure}");
    drop(log);
    let failure = refused(&path, &foreign);
    assert!(matches!(failure, ArchiveFailure::NotEmpty { .. }), "{failure}");
    assert_eq!(content(&foreign).len(), 1);
    // Nor is what was salvaged before written over, or removed.
    fs::write(&unplaced, "of another salvage").unwrap();
    let failure = refused(&path, &to);
    assert!(failure.to_string().contains("unplaced.jsonl"), "{failure}");
    assert_eq!(fs::read(&unplaced).unwrap(), b"of another salvage");
    assert!(!to.exists());
    fs::remove_file(&unplaced).unwrap();
    // Of an empty log nothing is saved, and that is told.
    let saved = salvage(&path, &to, &unplaced, |_, _| ()).unwrap();
    assert_eq!((saved.head.sequence, saved.stretches.len()), (Sequence::ZERO, 0));
}

#[tokio::test]
async fn a_file_that_says_it_has_all_events_that_there_can_be_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    drop(SledLog::create(&path, "test").await.unwrap());
    let name = format!("{:020}-{}-0000000000000000.segment", 1, u64::MAX);
    fs::write(path.join("sealed").join(name), "nothing").unwrap();
    let saved = salvage(&path, dir.path().join("saved"), dir.path().join("unplaced"), |_, _| ());
    let stretches = saved.unwrap().stretches;
    assert_eq!(stretches.len(), 1, "{stretches:?}");
    assert_eq!((stretches[0].first, stretches[0].last), (Sequence(1), Sequence(u64::MAX)));
}
