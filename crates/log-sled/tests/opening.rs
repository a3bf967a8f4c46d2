//! What opening and making a log refuse, and that they change nothing then.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "support/content.rs"]
mod content;
#[path = "support/copy.rs"]
mod copy;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use copy::copy_all;
use holdpoint_log::{
    EventLog,
    conformance::{append, event, noise, stream},
    verify,
};
use holdpoint_log_sled::{ArchiveFailure, OpenFailure, SledLog, restore, salvage};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Every file under `path`, without the lock, which says who tried.
fn content(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = content::content(path);
    files.retain(|path, _| !path.ends_with("lock"));
    files
}

/// A closed log of `appends` events of 20,000 bytes.
async fn closed_log(path: &Path, appends: u64) {
    let log = SledLog::create(path, "test").await.unwrap();
    for n in 0..appends {
        let mut append = append(1, n, 0);
        append.events.push(event(&stream(1), &noise(20_000, n + 1)));
        log.append(vec![append]).await.unwrap();
    }
}

async fn refused(path: &Path) -> OpenFailure {
    let before = content(path);
    let failure = SledLog::open(path, "test").await.unwrap_err();
    assert_eq!(content(path).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(content(path) == before, "{failure}");
    failure
}

#[tokio::test]
async fn a_second_opener_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = SledLog::create(dir.path(), "holdpoint work").await.unwrap();
    let failure = SledLog::open(dir.path(), "holdpoint list").await.unwrap_err();
    let text = format!(
        "the log in `{}` is in use by process {} (holdpoint work)",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(failure.to_string(), text);
    log.append(vec![append(1, 0, 1)]).await.unwrap();
    drop(log);
    SledLog::open(dir.path(), "holdpoint list").await.unwrap();
}

#[tokio::test]
async fn a_log_is_made_only_where_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    assert!(matches!(refused(dir.path()).await, OpenFailure::NotThere { .. }));
    let failure = SledLog::open(&path, "test").await.unwrap_err();
    assert!(matches!(failure, OpenFailure::NotThere { .. }), "{failure}");
    assert!(!path.exists());

    closed_log(&path, 1).await;
    let before = content(&path);
    let failure = SledLog::create(&path, "test").await.unwrap_err();
    assert!(matches!(failure, OpenFailure::AlreadyThere { .. }), "{failure}");
    assert!(content(&path) == before);

    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "years of work").unwrap();
    let file = foreign.join("thesis.tex");
    for path in [&foreign, &file] {
        for failure in [
            SledLog::create(path, "test").await.unwrap_err(),
            SledLog::open(path, "test").await.unwrap_err(),
        ] {
            assert!(matches!(failure, OpenFailure::Foreign { .. }), "{failure}");
        }
    }
    assert_eq!(content(&foreign).len(), 1);
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
}

#[tokio::test]
async fn an_interrupted_making_can_be_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_log(&whole, 0).await;
    let interrupted: [fn(&Path); 5] = [
        |path| fs::create_dir(path).unwrap(),
        |path| {
            fs::create_dir_all(path.join("tail/new/blobs")).unwrap();
            fs::write(path.join("tail/new/db"), "half of what sled").unwrap();
            fs::write(path.join("tail/new/snap.0.generating"), "").unwrap();
            fs::write(path.join("lock"), "1\n").unwrap();
        },
        |path| {
            fs::create_dir(path).unwrap();
            copy_all(&path.with_file_name("whole").join("tail"), &path.join("tail"));
        },
        |path| {
            copy_all(&path.with_file_name("whole"), path);
            fs::remove_file(path.join("format")).unwrap();
            fs::write(path.join("head"), "").unwrap();
        },
        |path| {
            copy_all(&path.with_file_name("whole"), path);
            fs::rename(path.join("format"), path.join("format.new")).unwrap();
        },
    ];
    for (n, interrupt) in interrupted.iter().enumerate() {
        let path = dir.path().join(n.to_string());
        interrupt(&path);
        assert!(matches!(refused(&path).await, OpenFailure::NotThere { .. }), "{n}");
        let log = SledLog::create(&path, "test").await.unwrap();
        log.append(vec![append(1, 0, 1)]).await.unwrap();
        drop(log);
        let log = SledLog::open(&path, "test").await.unwrap();
        assert_eq!(verify(&log).await.unwrap().events, 1, "{n}");
        assert!(!path.join("tail/new").exists());
    }
}

#[tokio::test]
async fn an_unknown_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    closed_log(dir.path(), 1).await;
    for (format, told) in [
        ("holdpoint log 2\n", "has the format `holdpoint log 2`, which this version does not know"),
        ("", "it has 0 bytes, and not the 16 of the line `holdpoint log 1`"),
        ("holdpoint log 1", "it has 15 bytes, and not the 16 of the line `holdpoint log 1`"),
        ("holdpoint log +1\n", "it has 17 bytes, and not the 16 of the line `holdpoint log 1`"),
        ("hOldpoint log 1\n", "it is not the line `holdpoint log 1`"),
        (
            "\u{1b}[31mred\nand more",
            "it has 17 bytes, and not the 16 of the line `holdpoint log 1`",
        ),
    ] {
        fs::write(dir.path().join("format"), format).unwrap();
        let failure = refused(dir.path()).await;
        assert!(failure.to_string().ends_with(told), "{failure}");
        let made = SledLog::create(dir.path(), "test").await.unwrap_err();
        assert_eq!(made.to_string(), failure.to_string());
    }
}

#[tokio::test]
async fn what_is_in_the_place_of_a_file_is_told_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_log(&whole, 5).await;
    for (n, (name, told)) in [
        ("format", "is damaged: it is no file"),
        ("head", "head` cannot be used: Is a directory"),
        ("lock", "lock` cannot be used: Is a directory"),
        ("tail/00000001/db", "is damaged: `tail/00000001/db` is no file"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        fs::remove_file(path.join(name)).unwrap();
        fs::create_dir(path.join(name)).unwrap();
        let failure = refused(&path).await;
        assert!(failure.to_string().contains(told), "{failure}");
        if name != "lock" {
            let failure = SledLog::open_to_read(&path).await.unwrap_err();
            assert!(failure.to_string().contains(told), "{failure}");
        }
    }
    // What a pipe gives is not waited for.
    for (name, told) in [
        ("format", "is damaged: it is no file"),
        ("head", "head` cannot be used: it is no file"),
        ("lock", "lock` cannot be used: "),
        ("tail/00000001/conf", "tail/00000001/conf` "),
        ("tail/00000001/db", "is no file"),
        ("sealed/1.segment", "1.segment` cannot be used: it is no file"),
    ] {
        let path = dir.path().join(name.replace('/', "-"));
        copy_all(&whole, &path);
        let pipe = path.join(name);
        drop(fs::remove_file(&pipe));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        for failure in [
            SledLog::open(&path, "test").await.unwrap_err(),
            SledLog::open_to_read(&path).await.unwrap_err(),
        ] {
            assert!(failure.to_string().contains(told), "{failure}");
        }
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        let salvaged = dir.path().join("salvaged");
        match salvage(&path, &salvaged, dir.path().join("unplaced"), |_, _| ()) {
            Ok(saved) => {
                let is_lost = name.ends_with("db");
                assert_eq!(saved.head.sequence.0, if is_lost { 0 } else { 5 }, "{name}: {saved:?}");
                assert!(name.ends_with("conf") || !saved.findings.is_empty(), "{name}");
                fs::remove_dir_all(&salvaged).unwrap();
            }
            Err(failure) => assert!(name == "lock", "{name}: {failure}"),
        }
    }
    let path = dir.path().join("link");
    copy_all(&whole, &path);
    fs::remove_file(path.join("format")).unwrap();
    std::os::unix::fs::symlink("nowhere", path.join("format")).unwrap();
    for failure in [
        SledLog::open(&path, "test").await.unwrap_err(),
        SledLog::create(&path, "test").await.unwrap_err(),
    ] {
        let told = "`format` of the log in";
        assert!(failure.to_string().contains(told), "{failure}");
        assert!(failure.to_string().ends_with("it is a link that leads nowhere"), "{failure}");
    }
    // What sled makes anew from its file is nothing to fail for.
    let conf = whole.join("tail/00000001/conf");
    fs::remove_file(&conf).unwrap();
    fs::create_dir(&conf).unwrap();
    let log = SledLog::open(&whole, "test").await.unwrap();
    assert_eq!(verify(&log).await.unwrap().events, 5);
}

#[tokio::test]
async fn what_looks_damaged_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_log(&whole, 120).await;
    closed_log(&dir.path().join("older"), 3).await;
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 8] = [
        ("no tails", |path| fs::remove_dir_all(path.join("tail")).unwrap()),
        ("no db", |path| fs::remove_file(path.join("tail/00000001/db")).unwrap()),
        ("no sled", |path| fs::remove_dir_all(path.join("tail/00000001")).unwrap()),
        ("empty db", |path| fs::write(path.join("tail/00000001/db"), "").unwrap()),
        ("zeros", |path| fs::write(path.join("tail/00000001/db"), vec![0; 4 << 20]).unwrap()),
        ("half a db", |path| {
            let db = fs::File::options().write(true).open(path.join("tail/00000001/db")).unwrap();
            db.set_len(db.metadata().unwrap().len() / 2).unwrap();
        }),
        ("an older db", |path| {
            fs::copy(
                path.with_file_name("older").join("tail/00000001/db"),
                path.join("tail/00000001/db"),
            )
            .unwrap();
        }),
        ("blobs", |path| fs::write(path.join("tail/00000001/blobs/1"), "").unwrap()),
    ];
    for (n, (what, damage)) in damages.iter().enumerate() {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        damage(&path);
        let failure = refused(&path).await;
        assert!(matches!(failure, OpenFailure::Damaged { .. }), "{what}: {failure}");
        assert!(!failure.help().is_empty());
        assert_eq!(refused(&path).await.to_string(), failure.to_string(), "{what}");
    }
    let log = SledLog::open(&whole, "test").await.unwrap();
    assert_eq!(verify(&log).await.unwrap().events, 120);
}

#[tokio::test]
async fn a_log_without_the_note_of_its_end_is_refused_and_salvaged() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_log(&whole, 30).await;
    let losses: [fn(&Path); 4] = [
        |path| fs::remove_file(path.join("head")).unwrap(),
        |path| fs::write(path.join("head"), vec![7; 5000]).unwrap(),
        // Without it an event at the end could be cut off, and the rest would look whole.
        |path| {
            fs::remove_file(path.join("head")).unwrap();
            fs::remove_file(path.join("format")).unwrap();
        },
        |path| {
            fs::write(path.join("head"), "").unwrap();
            fs::remove_file(path.join("format")).unwrap();
        },
    ];
    for (n, lose) in losses.iter().enumerate() {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        lose(&path);
        let has_format = path.join("format").exists();
        let before = content(&path);
        // What lost `format` as well passes for a log that was being made, but not for an empty one.
        let failure = if has_format {
            refused(&path).await
        } else {
            SledLog::create(&path, "test").await.unwrap_err()
        };
        let OpenFailure::HeadLost { is_there, .. } = &failure else { panic!("{n}: {failure}") };
        assert_eq!(*is_there, path.join("head").exists());
        assert!(failure.to_string().contains("`head`"), "{failure}");
        assert!(failure.help().contains("salvage"), "{}", failure.help());
        if has_format {
            let (copy, to) = (dir.path().join(format!("copy {n}")), |_, _| ());
            let failure = restore(&path, &copy, to).await.unwrap_err();
            let is_told = matches!(failure, ArchiveFailure::Log(OpenFailure::HeadLost { .. }));
            assert!(is_told && !copy.exists(), "{failure}");
            assert!(content(&path) == before);
        }

        let salvaged = dir.path().join(format!("salvaged {n}"));
        let beside = dir.path().join("unplaced");
        let saved = salvage(&path, &salvaged, &beside, |_, _| ()).unwrap();
        assert_eq!(saved.head.sequence.0, 30);
        assert!(saved.findings.iter().any(|finding| finding.contains("head")), "{saved:?}");
        let log = SledLog::open(&salvaged, "test").await.unwrap();
        assert_eq!(verify(&log).await.unwrap().events, 30);
    }
}

#[tokio::test]
async fn an_opening_that_was_cut_short_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    closed_log(dir.path(), 5).await;
    let tail = dir.path().join("tail/00000001");
    copy_all(&tail, &dir.path().join("tail/aside-00000001"));
    fs::write(tail.join("db"), "what sled was writing").unwrap();
    // A copy that was being removed is none any more.
    fs::create_dir_all(dir.path().join("tail/dropped-aside-00000001/blobs")).unwrap();
    // Nor is what has not the name of a copy, or of a tail.
    fs::create_dir(dir.path().join("tail/aside-1")).unwrap();
    fs::create_dir(dir.path().join("tail/+0000001")).unwrap();
    for _ in 0..2 {
        let log = SledLog::open(dir.path(), "test").await.unwrap();
        assert_eq!(verify(&log).await.unwrap().events, 5);
        assert!(!dir.path().join("tail/aside-00000001").exists());
    }
}

#[tokio::test]
async fn what_a_crash_leaves_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    closed_log(dir.path(), 5).await;
    fs::write(dir.path().join("tail/00000001/snap.00000000001.generating"), "half").unwrap();
    fs::write(dir.path().join("tail/00000001/conf"), "").unwrap();
    for entry in fs::read_dir(dir.path().join("tail/00000001")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("snap.0000") {
            fs::write(path, "damaged").unwrap();
        }
    }
    fs::remove_file(dir.path().join("lock")).unwrap();
    for round in 0..3 {
        let log = SledLog::open(dir.path(), "test").await.unwrap();
        assert_eq!(verify(&log).await.unwrap().events, 5 + round);
        log.append(vec![append(1, 5 + round, 1)]).await.unwrap();
    }
    assert!(!content(dir.path()).keys().any(|path| path.ends_with(".generating")));
}

/// Bytes changed anywhere in sled's file are either of no consequence, or reported: a closed log
/// is never opened as a shorter or another one.
#[tokio::test]
async fn changed_bytes_are_never_taken_for_another_history() {
    const EVENTS: u64 = 40;
    const CHANGES: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    closed_log(&whole, EVENTS).await;
    let length = fs::metadata(whole.join("tail/00000001/db")).unwrap().len();
    let mut reported = 0;
    for n in 0..CHANGES {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        let mut db = fs::read(path.join("tail/00000001/db")).unwrap();
        let at = usize::try_from(length * n / CHANGES + n * 7).unwrap();
        db.iter_mut().skip(at).take(3).for_each(|byte| *byte ^= 0x55);
        fs::write(path.join("tail/00000001/db"), db).unwrap();
        match SledLog::open(&path, "test").await {
            Ok(log) => assert_eq!(verify(&log).await.unwrap().events, EVENTS, "at {at}"),
            Err(OpenFailure::Damaged { .. }) => {
                reported += 1;
                // It was found as it was left, and is left as it was found.
                refused(&path).await;
            }
            Err(failure) => panic!("at {at}: {failure}"),
        }
        fs::remove_dir_all(&path).unwrap();
    }
    assert!(reported > 0);
}
