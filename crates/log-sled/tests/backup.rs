//! A log that is backed up and restored, or exported and imported, is the same log.

#![expect(clippy::unwrap_used, clippy::string_slice, reason = "helpers of tests fail by panicking")]

#[path = "support/content.rs"]
mod content;
#[path = "support/copy.rs"]
mod copy;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use copy::copy_all;
use holdpoint_core::{Sequence, Version};
use holdpoint_log::{
    EventLog, Head,
    conformance::{append, event, noise, stream},
    verify,
};
use holdpoint_log_sled::{
    ArchiveFailure, BackedUp, NewLog, OpenFailure, Options, SledLog, restore,
};
use proptest::{prelude::*, test_runner::TestCaseError};

/// Every file under `path`, without the lock, which says who tried.
fn content(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = content::content(path);
    files.retain(|path, _| !path.ends_with("lock"));
    files
}

/// Segments stay as they are.
const OPTIONS: Options = Options { tail_bytes_max: 40_000, segment_bytes: 0 };
/// Segments are merged.
const MERGING: Options = Options { tail_bytes_max: 40_000, segment_bytes: 640_000 };

async fn open(path: &Path) -> SledLog {
    SledLog::open_with(path, "test", OPTIONS).await.unwrap()
}

async fn open_merging(path: &Path) -> SledLog {
    SledLog::open_with(path, "test", MERGING).await.unwrap()
}

async fn new_log(path: &Path) -> SledLog {
    drop(SledLog::create(path, "test").await.unwrap());
    open(path).await
}

/// Waits until there are so many segments.
async fn wait_for(path: &Path, count: usize) {
    let is_whole = |path: &&PathBuf| path.extension().is_some_and(|name| name == "segment");
    while segments(path).iter().filter(is_whole).count() != count {
        tokio::task::yield_now().await;
    }
}

/// Appends `count` events to a stream.
async fn grow(log: &SledLog, run: u64, count: usize) {
    let version = log.read_stream(&stream(run), Version::ZERO, usize::MAX).await.unwrap().len();
    log.append(vec![append(run, version as u64, count)]).await.unwrap();
}

async fn back_up(log: &SledLog, to: &Path) -> BackedUp {
    log.backup(to, |_, _| ()).await.unwrap()
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join("sealed")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Checks that what is restored from a backup is a log with this head, and that the backup stays as
/// it is.
async fn restores(backup: &Path, head: Head) {
    let before = content(backup);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored");
    let verified = restore(backup, &path, |_, _| ()).await.unwrap();
    assert_eq!((verified.events, verified.root), (head.sequence.0, head.root));
    assert!(content(backup) == before);
    let log = SledLog::open(&path, "test").await.unwrap();
    assert_eq!(log.head().await.unwrap(), head);
    assert!(!dir.path().join("restored.new").exists());
}

/// A log that is made of all events of another.
async fn import(log: &SledLog, path: &Path) -> Head {
    let mut new = NewLog::create(path).unwrap();
    for record in log.read(Sequence::ZERO, usize::MAX).await.unwrap() {
        new.push(&record.bytes).unwrap();
    }
    new.finish().unwrap()
}

/// What is done to a log.
#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u64, usize),
    BackUp,
    Reopen,
    OpenBackup,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..4, 1_usize..120).prop_map(|(run, count)| Step::Append(run, count)),
        2 => Just(Step::BackUp),
        1 => Just(Step::Reopen),
        1 => Just(Step::OpenBackup),
    ]
}

async fn take_steps(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir()?;
    let (path, backup) = (dir.path().join("log"), dir.path().join("backup"));
    drop(new_log(&path).await);
    let mut log = open_merging(&path).await;
    let mut backed_up = None;
    for step in steps {
        match step {
            Step::Append(run, count) => grow(&log, run, count).await,
            Step::Reopen => {
                drop(log);
                log = open_merging(&path).await;
            }
            Step::OpenBackup => {
                if let Some(head) = backed_up {
                    let opened = SledLog::open(&backup, "test").await.unwrap();
                    prop_assert_eq!(opened.head().await.unwrap(), head);
                }
            }
            Step::BackUp => {
                let head = log.head().await.unwrap();
                let before = backed_up.map_or(0, |head: Head| head.sequence.0);
                let expected = BackedUp { head, added: head.sequence.0 - before };
                prop_assert_eq!(back_up(&log, &backup).await, expected);
                restores(&backup, head).await;
                backed_up = Some(head);
            }
        }
    }
    let head = log.head().await.unwrap();
    let imported = dir.path().join("imported");
    prop_assert_eq!(import(&log, &imported).await, head);
    let imported = open(&imported).await;
    prop_assert_eq!(verify(&imported).await.unwrap().root, head.root);
    // It can be appended to, and backed up, like the log that it is a copy of.
    grow(&imported, 1, 3).await;
    back_up(&imported, &dir.path().join("other")).await;
    restores(&dir.path().join("other"), imported.head().await.unwrap()).await;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_copy_is_the_same_log(steps in prop::collection::vec(step(), 1..16)) {
        tokio::runtime::Runtime::new()?.block_on(take_steps(steps))?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_backed_up_while_it_is_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("log"), dir.path().join("backup"));
    drop(new_log(&path).await);
    let log = Arc::new(open_merging(&path).await);
    let stop = Arc::new(AtomicBool::new(false));
    let appending = tokio::spawn({
        let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
        async move {
            let mut version = 0;
            while !stop.load(Ordering::Relaxed) {
                log.append(vec![append(1, version, 20)]).await.unwrap();
                version += 20;
            }
        }
    });
    let mut last = Sequence::ZERO;
    for _ in 0..8 {
        let before = log.head().await.unwrap().sequence;
        let made = back_up(&log, &backup).await;
        assert!(made.head.sequence >= before && made.added == made.head.sequence.0 - last.0);
        restores(&backup, made.head).await;
        last = made.head.sequence;
    }
    stop.store(true, Ordering::Relaxed);
    appending.await.unwrap();
    let head = log.head().await.unwrap();
    assert_eq!(back_up(&log, &backup).await.head, head);
    restores(&backup, head).await;
    assert!(segments(&backup).len() > 1);
}

/// A log in three states, and a backup of each.
struct States {
    dir: tempfile::TempDir,
    log: SledLog,
    heads: [Head; 2],
}

impl States {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = new_log(&dir.path().join("log")).await;
        let mut heads = Vec::new();
        for n in 0..2 {
            for _ in 0..3 {
                grow(&log, n, 100).await;
            }
            // Two of the three fill a tail.
            wait_for(&dir.path().join("log"), [1, 3].get(heads.len()).copied().unwrap()).await;
            let head = back_up(&log, &dir.path().join(format!("backup {n}"))).await.head;
            heads.push(head);
        }
        Self { dir, log, heads: heads.try_into().unwrap() }
    }

    fn backup(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("backup {n}"))
    }
}

/// Whatever a backup had come to when it was cut short: the earlier one can be restored, and the
/// next one goes on.
#[tokio::test]
async fn a_backup_that_was_cut_short_leaves_the_earlier_one() {
    let states = States::new().await;
    let missing: Vec<PathBuf> = segments(&states.backup(1))
        .into_iter()
        .filter(|path| {
            !segments(&states.backup(0)).iter().any(|old| old.file_name() == path.file_name())
        })
        .collect();
    assert!(missing.len() > 1, "{missing:?}");
    for done in 0..=missing.len() {
        let path = states.dir.path().join(format!("cut {done}"));
        copy_all(&states.backup(0), &path);
        fs::write(path.join("sealed/segment.new"), "half of a").unwrap();
        for new in missing.iter().take(done) {
            fs::copy(new, path.join("sealed").join(new.file_name().unwrap())).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let verified = restore(&path, dir.path().join("log"), |_, _| ()).await.unwrap();
        assert!(verified.events >= states.heads[0].sequence.0, "{done}");
        let made = back_up(&states.log, &path).await;
        assert_eq!(made.head, states.heads[1], "{done}");
        restores(&path, made.head).await;
        let mut firsts: Vec<_> = segments(&path)
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy()[..20].to_owned())
            .collect();
        firsts.dedup();
        assert_eq!(firsts.len(), segments(&path).len(), "{done}: what was replaced is gone");
    }
}

/// What was merged in the log since the last backup is merged in the backup, wherever that is cut
/// short.
#[tokio::test]
async fn a_backup_follows_merges() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("log"), dir.path().join("backup"));
    let log = new_log(&path).await;
    for _ in 0..7 {
        grow(&log, 1, 100).await;
    }
    wait_for(&path, 3).await;
    let before = back_up(&log, &backup).await.head;
    let all = verify(&log).await.unwrap().bytes;
    drop(log);
    // What is in the tail is sealed at opening; all of them together are just large enough.
    let options = Options { tail_bytes_max: 1, segment_bytes: all };
    let log = SledLog::open_with(&path, "test", options).await.unwrap();
    wait_for(&path, 1).await;
    let names = |path: &Path| -> Vec<_> {
        segments(path).iter().map(|path| path.file_name().unwrap().to_owned()).collect()
    };
    let (old, new) = (segments(&backup), segments(&path).remove(0));
    for present in 0..1_usize << old.len() {
        let cut = dir.path().join(format!("cut {present}"));
        copy_all(&backup, &cut);
        fs::copy(&new, cut.join("sealed").join(new.file_name().unwrap())).unwrap();
        for (_, path) in old.iter().enumerate().filter(|(n, _)| present & 1 << n == 0) {
            fs::remove_file(cut.join("sealed").join(path.file_name().unwrap())).unwrap();
        }
        let restored = dir.path().join(format!("restored {present}"));
        let verified = restore(&cut, &restored, |_, _| ()).await.unwrap();
        assert_eq!(verified.events, before.sequence.0, "{present:b}");
        let made = back_up(&log, &cut).await;
        assert_eq!((made.head, made.added), (before, 0), "{present:b}");
        assert_eq!(names(&cut), names(&path), "{present:b}");
        restores(&cut, made.head).await;
    }
    grow(&log, 1, 100).await;
    wait_for(&path, 2).await;
    assert_eq!(back_up(&log, &backup).await.added, 100);
    assert_eq!(names(&backup), names(&path));
}

#[tokio::test]
async fn what_is_missing_or_damaged_in_a_backup_is_put_back() {
    let states = States::new().await;
    type Damage = fn(&Path);
    let damages: [Damage; 6] = [
        |path| fs::remove_file(path.join("head")).unwrap(),
        |path| fs::write(path.join("head"), "neither note").unwrap(),
        |path| fs::remove_file(path.join("format")).unwrap(),
        |path| fs::remove_file(&segments(path)[0]).unwrap(),
        |path| fs::write(&segments(path)[0], "not a segment").unwrap(),
        |path| fs::remove_dir_all(path.join("sealed")).unwrap(),
    ];
    for (n, damage) in damages.iter().enumerate() {
        let path = states.dir.path().join(format!("damaged {n}"));
        copy_all(&states.backup(0), &path);
        damage(&path);
        back_up(&states.log, &path).await;
        restores(&path, states.heads[1]).await;
    }
}

#[tokio::test]
async fn a_backup_of_another_history_is_left_alone() {
    let states = States::new().await;
    let refused = async |log: &SledLog, path: &Path, expected: &str| {
        let before = content(path);
        let failure = log.backup(path, |_, _| ()).await.unwrap_err();
        assert!(matches!(failure, ArchiveFailure::OtherLog { .. }), "{failure}");
        assert!(failure.to_string().contains(expected), "{failure}");
        assert!(content(path) == before, "{failure}");
    };
    // Another log; the same log as it was before; the backup, gone on by itself.
    let other = new_log(&states.dir.path().join("other")).await;
    for _ in 0..9 {
        grow(&other, 0, 100).await;
    }
    refused(&other, &states.backup(1), "its history up to event").await;
    let earlier = states.dir.path().join("earlier");
    restore(states.backup(0), &earlier, |_, _| ()).await.unwrap();
    refused(&open(&earlier).await, &states.backup(1), "which the log has not").await;
    let own = SledLog::open(states.backup(0), "test").await.unwrap();
    grow(&own, 3, 1).await;
    drop(own);
    let failure = states.log.backup(states.backup(0), |_, _| ()).await.unwrap_err();
    assert!(failure.to_string().contains("it has gone on by itself"), "{failure}");

    let foreign = states.dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "years of work").unwrap();
    let before = content(&foreign);
    let failure = states.log.backup(&foreign, |_, _| ()).await.unwrap_err();
    assert!(matches!(failure, ArchiveFailure::Log(OpenFailure::Foreign { .. })), "{failure}");
    let failure = states.log.backup(states.dir.path().join("log"), |_, _| ()).await.unwrap_err();
    assert!(matches!(failure, ArchiveFailure::Log(OpenFailure::InUse { .. })), "{failure}");
    for failure in [
        restore(states.backup(1), &foreign, |_, _| ()).await.unwrap_err(),
        NewLog::create(&foreign).unwrap_err(),
    ] {
        assert!(matches!(failure, ArchiveFailure::NotEmpty { .. }), "{failure}");
    }
    assert!(content(&foreign) == before);
}

#[tokio::test]
async fn a_damaged_log_is_not_backed_up_over_a_whole_one() {
    let states = States::new().await;
    let States { dir, log, .. } = states;
    let path = dir.path().join("log");
    drop(log);
    // The first one is in the backup already.
    let segment = &segments(&path)[1];
    let mut bytes = fs::read(segment).unwrap();
    bytes[20] ^= 1;
    fs::write(segment, bytes).unwrap();
    let log = open(&path).await;
    grow(&log, 5, 1).await;
    let backup = dir.path().join("backup 0");
    let failure = log.backup(&backup, |_, _| ()).await.unwrap_err();
    assert!(matches!(failure, ArchiveFailure::Read(_)), "{failure}");
    restore(&backup, dir.path().join("restored"), |_, _| ()).await.unwrap();
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let states = States::new().await;
    let backup = states.backup(1);
    let to = states.dir.path().join("restored");
    for n in [0, 1] {
        let segment = &segments(&backup)[n];
        let bytes = fs::read(segment).unwrap();
        for at in [20, bytes.len() / 2, bytes.len() - 3] {
            let mut changed = bytes.clone();
            changed[at] ^= 4;
            fs::write(segment, changed).unwrap();
            let failure = restore(&backup, &to, |_, _| ()).await.unwrap_err().to_string();
            assert!(!failure.contains("restored"), "the backup is what is damaged: {failure}");
            assert!(!to.exists() && !states.dir.path().join("restored.new").exists());
        }
        fs::write(segment, bytes).unwrap();
    }
    fs::remove_file(segments(&backup).pop().unwrap()).unwrap();
    let failure = restore(&backup, &to, |_, _| ()).await.unwrap_err();
    assert!(failure.to_string().contains("but event 600 was stored"), "{failure}");
    assert!(!to.exists());
}

#[tokio::test]
async fn what_is_imported_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let log = new_log(&dir.path().join("log")).await;
    log.append(vec![append(1, 0, 2), append(2, 0, 1)]).await.unwrap();
    let mut large = append(3, 0, 0);
    large.events.push(event(&stream(3), &noise(500_000, 3)));
    log.append(vec![large]).await.unwrap();
    let lines: Vec<String> = log
        .read(Sequence::ZERO, 9)
        .await
        .unwrap()
        .iter()
        .map(|record| String::from_utf8(record.bytes.to_vec()).unwrap())
        .collect();
    let to = dir.path().join("imported");
    for (n, (bad, expected)) in [
        (lines[0].clone(), "its sequence is 1"),
        (lines[2].clone(), "its sequence is 3"),
        (lines[1].replace(r#""version":2"#, r#""version":3"#), "it is version 3 of its stream"),
        (lines[1].replace(r#""previous":1"#, r#""previous":0"#), "after event 0"),
        (lines[1].replace(r#""id""#, r#""jd""#), "jd"),
        (lines[1][..40].to_owned(), "EOF"),
        (format!("{}\r", lines[1]), "carriage return"),
        (String::new(), "EOF"),
        (" ".repeat(2_000_000), "at most 1048576"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut new = NewLog::create(&to).unwrap();
        new.push(lines[0].as_bytes()).unwrap();
        let failure = new.push(bad.as_bytes()).unwrap_err();
        assert!(matches!(failure, ArchiveFailure::Event { sequence: Sequence(2), .. }), "{n}");
        assert!(failure.to_string().contains(expected), "{n}: {failure}");
        drop(new);
        assert!(!to.exists() && !dir.path().join("imported.new").exists(), "{n}");
    }
    let mut new = NewLog::create(&to).unwrap();
    lines.iter().for_each(|line| new.push(line.as_bytes()).unwrap());
    assert_eq!(new.finish().unwrap(), log.head().await.unwrap());
    assert!(NewLog::create(&to).is_err());
    // Nothing is a log, too.
    let nothing = NewLog::create(dir.path().join("nothing")).unwrap().finish().unwrap();
    let log = SledLog::open(dir.path().join("nothing"), "test").await.unwrap();
    assert_eq!(log.head().await.unwrap(), nothing);
}
