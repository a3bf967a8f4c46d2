//! A log whose directory cannot be written to is read all the same, and nothing is changed in it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "support/content.rs"]
mod content;
#[path = "support/copy.rs"]
mod copy;

use std::{fs, path::Path};

use content::content;
use copy::copy_all;
use holdpoint_core::{Sequence, Version};
use holdpoint_log::{
    AppendFailure, EventLog, Head,
    conformance::{append, event, noise, stream},
    verify,
};
use holdpoint_log_sled::{OpenFailure, Options, SledLog};

/// A closed log with segments and a tail.
async fn log(path: &Path) -> Head {
    drop(SledLog::create(path, "test").await.unwrap());
    let options = Options { tail_bytes_max: 60_000, segment_bytes: 0 };
    for life in 0..3 {
        let log = SledLog::open_with(path, "test", options).await.unwrap();
        for n in 0..7 {
            let mut append = append(1, life * 7 + n, 0);
            append.events.push(event(&stream(1), &noise(10_000, life * 7 + n + 1)));
            log.append(vec![append]).await.unwrap();
        }
    }
    assert!(fs::read_dir(path.join("sealed")).unwrap().count() > 0);
    SledLog::open(path, "test").await.unwrap().head().await.unwrap()
}

#[tokio::test]
async fn a_log_is_read_without_writing_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let head = log(&whole).await;
    // What a process leaves that was killed, and what another opening would remove.
    let changes: [fn(&Path); 4] = [
        |_| (),
        |path| fs::remove_file(path.join("lock")).unwrap(),
        |path| {
            fs::write(path.join("sealed/segment.new"), "half a segment").unwrap();
            fs::create_dir_all(path.join("tail/new/blobs")).unwrap();
            fs::create_dir_all(path.join("tail/dropped-00000001/blobs")).unwrap();
        },
        |path| {
            let tails = path.join("tail");
            let tail = fs::read_dir(&tails).unwrap().next().unwrap().unwrap().path();
            let mut aside = std::ffi::OsString::from("aside-");
            aside.push(tail.file_name().unwrap());
            copy_all(&tail, &tails.join(aside));
            fs::write(tail.join("db"), "what sled was writing").unwrap();
        },
    ];
    for (n, change) in changes.iter().enumerate() {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        change(&path);
        let before = content(&path);
        let log = SledLog::open_to_read(&path).await.unwrap();
        assert_eq!(log.head().await.unwrap(), head, "{n}");
        assert_eq!(verify(&log).await.unwrap().events, head.sequence.0, "{n}");
        assert_eq!(log.read_stream(&stream(1), Version::ZERO, 99).await.unwrap().len(), 21);
        assert_eq!(log.read(Sequence::ZERO, 99).await.unwrap().len(), 21);
        let refused = log.append(vec![append(1, 21, 1)]).await.unwrap_err();
        assert!(matches!(refused, AppendFailure::ReadOnly { .. }), "{refused}");
        let backup = dir.path().join(format!("backup {n}"));
        assert_eq!(log.backup(&backup, |_, _| ()).await.unwrap().head, head);
        assert!(content(&path) == before, "{n}");

        // Who reads is not disturbed by others who read, but nobody writes meanwhile.
        drop(SledLog::open_to_read(&path).await.unwrap());
        if path.join("lock").exists() {
            let failure = SledLog::open(&path, "test").await.unwrap_err();
            assert!(matches!(failure, OpenFailure::InUse { .. }), "{failure}");
        }
        let scratch = log.scratch().unwrap().to_owned();
        assert!(scratch.is_dir());
        drop(log);
        assert!(!scratch.exists());
        let log = SledLog::open(&path, "test").await.unwrap();
        assert!(log.scratch().is_none());
        let failure = SledLog::open_to_read(&path).await.unwrap_err();
        assert!(matches!(failure, OpenFailure::InUse { .. }), "{failure}");
        assert_eq!(log.head().await.unwrap(), head);
    }
}

#[tokio::test]
async fn damage_is_told_of_the_log_and_not_of_its_copy() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    log(&whole).await;
    let segment =
        |path: &Path| fs::read_dir(path.join("sealed")).unwrap().next().unwrap().unwrap().path();
    type Damage<'a> = &'a dyn Fn(&Path);
    let damages: [Damage<'_>; 5] = [
        &|path| fs::remove_file(path.join("head")).unwrap(),
        &|path| fs::write(path.join("head"), "neither note").unwrap(),
        &|path| fs::remove_dir_all(path.join("tail")).unwrap(),
        &|path| fs::write(segment(path), "no segment").unwrap(),
        &|path| {
            for tail in fs::read_dir(path.join("tail")).unwrap() {
                fs::write(tail.unwrap().path().join("db"), vec![0; 1 << 20]).unwrap();
            }
        },
    ];
    for (n, damage) in damages.iter().enumerate() {
        let path = dir.path().join(n.to_string());
        copy_all(&whole, &path);
        damage(&path);
        let before = content(&path);
        let read = SledLog::open_to_read(&path).await.unwrap_err();
        assert!(content(&path) == before, "{n}");
        let written = SledLog::open(&path, "test").await.unwrap_err();
        assert_eq!(read.to_string(), written.to_string(), "{n}");
    }
    let failure = SledLog::open_to_read(dir.path().join("nowhere")).await.unwrap_err();
    assert!(matches!(failure, OpenFailure::NotThere { .. }), "{failure}");
}
