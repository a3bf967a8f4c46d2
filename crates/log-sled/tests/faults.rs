//! A short life of a log is recorded call by call, and then cut off after every call, torn within
//! every write, and made to fail at every call: it opens to all that was acknowledged, or refuses
//! and says why. `docs/durability.md` says how and what this shows.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support {
    pub(crate) mod log;
    pub(crate) mod replay;
    pub(crate) mod shim;
}

use std::{
    collections::HashSet,
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use holdpoint_core::{Sequence, Version};
use holdpoint_log::{
    Append, AppendFailure, EventLog,
    conformance::{event, noise, stream},
    verify,
};
use holdpoint_log_sled::{NewLog, OpenFailure, Options, SledLog, restore};
use support::{
    log::{Acknowledged, check, count, open, say},
    replay::{self, Call, Disk, Left, What},
    shim::Shim,
};
use tempfile::TempDir;
use tokio::task::JoinSet;

const DIRECTORY: &str = "HOLDPOINT_TEST_FAULTS_DIRECTORY";
/// Which life it is.
const LIFE: &str = "HOLDPOINT_TEST_FAULTS_LIFE";
/// Of so many calls one is tried; 1 tries all.
const STEP: &str = "HOLDPOINT_TEST_FAULTS_STEP";
const STEP_DEFAULT: usize = 7;
/// How long a process may take: what waits for ever is a failure too.
const PATIENCE: Duration = Duration::from_secs(600);
/// Of a long life fewer calls are tried: of so many times as many one.
const LONG_STEP: usize = 5;
/// The same, of calls; 1 tries all.
const LONG: &str = "HOLDPOINT_TEST_FAULTS_LONG_STEP";
/// How long a merge is waited for, which takes much less; and where an error can have kept it from coming.
const MERGE_WAIT_MAX: Duration = Duration::from_secs(300);
const MERGE_WAIT_WITH_ERROR: Duration = Duration::from_millis(300);
/// Says at which call the process meets an error.
const FAIL_AT: &str = "HOLDPOINT_SHIM_FAIL_AT";
/// So little that some appends fill a tail.
const TAIL_BYTES_MAX: u64 = 40_000;
/// So much that sled frees parts of a tail's file, and writes them again.
const LONG_TAIL_BYTES_MAX: u64 = 2_000_000;
/// How many appends there are in a long life.
const LONG_APPENDS: u64 = 100;
const STREAMS: u64 = 2;

/// What the recorded process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Makes a log, opens it three times, and seals and merges.
    Short,
    /// Goes on until sled writes parts of its file again.
    Long,
    /// Makes a log, a backup of it twice, and logs of the backup and of its events.
    Copying,
}

/// The process that is recorded, or that meets errors.
#[test]
fn writer() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let life = env::var(LIFE).unwrap();
    if life == "Copying" {
        return tokio::runtime::Runtime::new().unwrap().block_on(copy(&path));
    }
    let is_long = life == "Long";
    let (lives, tail_bytes_max) =
        if is_long { (1, LONG_TAIL_BYTES_MAX) } else { (3, TAIL_BYTES_MAX) };
    let options = Options { tail_bytes_max, segment_bytes: 10 * TAIL_BYTES_MAX };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for life in 0..lives {
            match open(&path, options).await {
                Ok(log) => {
                    say("opened");
                    if !append_some(&log, life, if is_long { LONG_APPENDS } else { 5 }).await {
                        return;
                    }
                    if life == 2 {
                        wait_for_merge(&path).await;
                    }
                }
                Err(failure) => {
                    say(&format!("refused {failure}"));
                    return;
                }
            }
        }
    });
}

// The directories of copies, beside that of the log.
const BACKUP: &str = "backup";
const RESTORED: &str = "restored";
const IMPORTED: &str = "imported";

/// Makes a log in `path`, and copies of it beside it.
async fn copy(path: &Path) {
    let options = Options { tail_bytes_max: TAIL_BYTES_MAX, segment_bytes: 0 };
    let log = open(path, options).await.unwrap();
    let beside = |name: &str| path.with_file_name(name);
    for life in 0..2 {
        assert!(append_some(&log, life, 3).await);
        let made = log.backup(beside(BACKUP), |_, _| ()).await.unwrap();
        say(&format!("copied {BACKUP} {}", made.head.sequence));
    }
    let restored = restore(beside(BACKUP), beside(RESTORED), |_, _| ()).await.unwrap();
    say(&format!("copied {RESTORED} {}", restored.events));
    import(&log, &beside(IMPORTED)).await;
    say(&format!("copied {IMPORTED} {}", restored.events));
}

/// Makes a log in `to` of the events of another.
async fn import(log: &SledLog, to: &Path) {
    let mut new = NewLog::create(to).unwrap();
    for record in log.read(Sequence::ZERO, usize::MAX).await.unwrap() {
        new.push(&record.bytes).unwrap();
    }
    assert_eq!(new.finish().unwrap(), log.head().await.unwrap());
}

/// Opens those copies that a cut has left, which must have what they were said to have, and makes
/// all of them anew.
async fn check_copies(directory: &Path, said: &[(String, u64)]) {
    let log = open(&directory.join("log"), Options::default()).await.unwrap();
    let head = log.head().await.unwrap();
    let mut there = Vec::new();
    for name in [BACKUP, RESTORED, IMPORTED] {
        let path = directory.join(name);
        let needed = said.iter().filter(|(copy, _)| copy == name).map(|(_, events)| *events).max();
        match SledLog::open(&path, "test").await {
            Ok(copy) => {
                let events = verify(&copy).await.unwrap().events;
                assert!(events >= needed.unwrap_or(0), "{name}: {events} of {needed:?}");
                there.push(name);
            }
            Err(OpenFailure::NotThere { .. }) if needed.is_none() => {}
            Err(failure) => panic!("{name}: {failure}"),
        }
    }
    let backup = directory.join(BACKUP);
    let made = log.backup(&backup, |_, _| ()).await.unwrap();
    assert_eq!(made.head, head);
    if !there.contains(&RESTORED) {
        restore(&backup, directory.join(RESTORED), |_, _| ()).await.unwrap();
    }
    if !there.contains(&IMPORTED) {
        import(&log, &directory.join(IMPORTED)).await;
    }
}

/// Gives the log time to merge segments. It does not when an error kept it from it.
async fn wait_for_merge(path: &Path) {
    let started = Instant::now();
    let merged = || {
        let files = fs::read_dir(path.join("sealed")).unwrap();
        let mut lengths = files.map(|file| file.and_then(|file| file.metadata()).map(|m| m.len()));
        lengths.any(|length| length.is_ok_and(|length| length > 3 * TAIL_BYTES_MAX))
    };
    let fails = env::var_os(FAIL_AT).is_some();
    let patience = if fails { MERGE_WAIT_WITH_ERROR } else { MERGE_WAIT_MAX };
    while !merged() && started.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Appends enough to fill tails; whether there was no error. After one nothing may be accepted.
async fn append_some(log: &SledLog, life: u64, appends: u64) -> bool {
    for n in 0..appends {
        let stream = stream(n % STREAMS);
        // Some need several syncs.
        let (length, count) = match n % 20 {
            3 => (35_000, 5),
            0 | 2 => (500, 1 + n),
            _ => (9_500, 2),
        };
        let events = |version: u64| {
            (0..count).map(|n| event(&stream, &noise(length, life * 1000 + version + n))).collect()
        };
        let mut expected = Version::ZERO;
        loop {
            let append = Append { stream: stream.clone(), expected, events: events(expected.0) };
            match log.append(vec![append]).await {
                Ok(_) => break,
                Err(AppendFailure::Conflict { actual, .. }) => expected = actual,
                Err(failure) => {
                    say(&format!("failed {failure}"));
                    for run in 0..STREAMS {
                        let stream = self::stream(run + 100);
                        let events = vec![event(&stream, "after an error")];
                        let append = Append { stream, expected: Version::ZERO, events };
                        let after = log.append(vec![append]).await.unwrap_err();
                        assert!(matches!(after, AppendFailure::Poisoned { .. }), "{after}");
                    }
                    return false;
                }
            }
        }
        say(&format!("acknowledged {} {}", n % STREAMS, expected.0 + count));
    }
    true
}

/// Runs the writer to its end; what it said. It must end by itself, and without a panic.
fn run(log: &Path, environment: &[(&str, String)], what: &str) -> String {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["writer", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, log)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (done, ended) = mpsc::channel();
    let mut stderr = child.stderr.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let complaints = thread::spawn(move || {
        let mut complaints = String::new();
        stderr.read_to_string(&mut complaints).unwrap();
        complaints
    });
    thread::spawn(move || {
        let mut said = String::new();
        stdout.read_to_string(&mut said).unwrap();
        done.send(said)
    });
    let said = ended.recv_timeout(PATIENCE);
    let _ = child.kill();
    let status = child.wait().unwrap();
    let complaints = complaints.join().unwrap();
    let Ok(said) = said else { panic!("{what}: it does not end\n{complaints}") };
    assert!(status.success(), "{what}: {said}\n{complaints}");
    said
}

fn note(said: &str, acknowledged: &mut Acknowledged) {
    for line in said.lines().filter_map(|line| line.strip_prefix("acknowledged ")) {
        let (run, version) = line.split_once(' ').unwrap();
        acknowledged.insert(run.parse().unwrap(), version.parse().unwrap());
    }
}

/// A recorded life of a log in the directory `log` of a disk.
fn record(directory: &Path, shim: &Shim, life: Life) -> Vec<Call> {
    let (root, trace) = (directory.join("recorded"), directory.join("record"));
    fs::create_dir(&root).unwrap();
    let trace_to = trace.to_str().unwrap().to_owned();
    let mut environment = shim.environment(&root, &[("HOLDPOINT_SHIM_TRACE", trace_to)]);
    environment.push((LIFE, format!("{life:?}")));
    run(&root.join("log"), &environment, "recorded");
    assert!(fs::read_dir(root.join("log/sealed")).unwrap().count() > 0, "nothing was sealed");
    let calls = replay::read(&trace, &root);
    let copies = copies_before_notes(&calls);
    let merged = |call: &Call| call.path.ends_with("sealed/merged.new");
    match life {
        Life::Short => {
            assert!(calls.iter().any(merged), "nothing was merged");
            assert!(copies > 0, "no tail was copied before it was opened");
        }
        Life::Long => assert!(writes_again(&calls), "no part of sled's file was written again"),
        Life::Copying => {}
    }
    calls
}

/// How many copies of tails openings made. Nothing is noted while one could still take its original's
/// place: it has not what opening may have written.
fn copies_before_notes(calls: &[Call]) -> usize {
    let is_aside = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("aside-"))
    };
    let mut asides = HashSet::new();
    let mut copies = 0;
    for call in calls {
        match &call.what {
            What::Rename(to) => {
                asides.remove(&call.path);
                if is_aside(to) {
                    copies += 1;
                    asides.insert(to.clone());
                }
            }
            What::Write { .. } if call.path == Path::new("log/head") => {
                assert!(asides.is_empty(), "it is noted before {asides:?} is given up");
            }
            _ => {}
        }
    }
    copies
}

/// Whether a part of sled's file was freed and used again: its header is written twice.
fn writes_again(calls: &[Call]) -> bool {
    let mut begun = HashSet::new();
    calls.iter().any(|call| {
        let is_header = |offset: usize| offset > 0 && offset.is_multiple_of(512 * 1024);
        match &call.what {
            What::Write { offset, .. } if call.path.ends_with("db") && is_header(*offset) => {
                !begun.insert((&call.path, offset))
            }
            _ => false,
        }
    })
}

/// A directory in memory, where there is room for it: what is cut off is a record of a disk, and a real
/// one only takes longer.
fn on_a_disk_in_memory() -> TempDir {
    const ROOM: u64 = 1 << 30;
    let place = "/dev/shm";
    let has_room = rustix::fs::statvfs(place)
        .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM);
    let made = if has_room { tempfile::tempdir_in(place) } else { tempfile::tempdir() };
    made.unwrap()
}

fn shim(directory: &Path) -> Option<Shim> {
    match Shim::compile(directory) {
        Ok(shim) => Some(shim),
        Err(reason) => {
            println!("SKIPPED: calls can be neither recorded nor made to fail here: {reason}");
            None
        }
    }
}

/// How many logs were opened, and how many of them refused.
#[derive(Debug, Default)]
struct Tally {
    opened: usize,
    refused: usize,
}

/// What was said up to a call.
#[derive(Debug, Default)]
struct Said {
    acknowledged: Acknowledged,
    /// The copies that were made, and how many events each has.
    copied: Vec<(String, u64)>,
}

/// Opens what a cut leaves of `disk`. Whether it may refuse is for `left` to say: after a kill,
/// and when nothing but what was synced is left, it must open.
async fn cut(life: Life, disk: &Disk, left: Left, at: &str, said: &Said, tally: &mut Tally) {
    let directory = on_a_disk_in_memory();
    disk.leave(left, directory.path());
    match check(&directory.path().join("log"), &said.acknowledged).await {
        Ok(_) => {
            tally.opened += 1;
            if life == Life::Copying {
                check_copies(directory.path(), &said.copied).await;
            }
        }
        Err(refusal) if refusal.starts_with("refused") && matches!(left, Left::SomePages(_)) => {
            println!("{at}, {left:?}: {refusal}");
            tally.refused += 1;
        }
        Err(loss) => panic!("{at}, {left:?}: {loss}"),
    }
}

#[tokio::test]
async fn cut_off_after_every_call_a_log_keeps_what_was_acknowledged() {
    cut_off_after_calls(Life::Short, count(STEP, STEP_DEFAULT)).await;
}

#[tokio::test]
async fn cut_off_in_a_long_life_a_log_keeps_what_was_acknowledged() {
    let step = count(LONG, LONG_STEP * count(STEP, STEP_DEFAULT));
    cut_off_after_calls(Life::Long, step).await;
}

#[tokio::test]
async fn cut_off_while_it_is_made_a_log_or_a_copy_of_one_is_made_again() {
    cut_off_after_calls(Life::Copying, count(STEP, STEP_DEFAULT)).await;
}

async fn cut_off_after_calls(life: Life, step: usize) {
    let directory = on_a_disk_in_memory();
    let Some(shim) = shim(directory.path()) else { return };
    let calls = record(directory.path(), &shim, life);
    let mut disk = Disk::empty();
    let mut said = Said::default();
    let [mut killed, mut torn, mut synced, mut mixed] = [(); 4].map(|()| Tally::default());
    for (n, call) in calls.iter().enumerate() {
        let at = format!("call {n} of {}", calls.len());
        if let What::Say(line) = &call.what {
            note(line, &mut said.acknowledged);
            for copied in line.lines().filter_map(|line| line.strip_prefix("copied ")) {
                let (copy, events) = copied.split_once(' ').unwrap();
                said.copied.push((copy.to_owned(), events.parse().unwrap()));
            }
            continue;
        }
        let tried = n % step == 0;
        if let (true, What::Write { offset, bytes }) = (tried, &call.what) {
            let half = bytes.get(..bytes.len() / 2).unwrap().to_vec();
            let what = What::Write { offset: *offset, bytes: half };
            disk.apply(&Call { path: call.path.clone(), what });
            cut(life, &disk, Left::Everything, &at, &said, &mut torn).await;
        }
        disk.apply(call);
        for (left, tally) in [
            (Left::Everything, &mut killed),
            (Left::Synced, &mut synced),
            (Left::SomePages(n as u64), &mut mixed),
        ] {
            // What pages of tails are left is the subject of the other lives.
            let is_meant = life != Life::Copying || !matches!(left, Left::SomePages(_));
            if tried && is_meant && Disk::changes(left, &call.what) {
                cut(life, &disk, left, &at, &said, tally).await;
            }
        }
    }
    println!(
        "{} calls: killed {killed:?}, torn {torn:?}, only what was synced {synced:?}, \
         pages at random {mixed:?}",
        calls.len()
    );
}

/// What became of a run with an error: how many openings, and how many appends failed.
async fn fail(shim: &Shim, error: &str, n: usize) -> (usize, usize) {
    let at = format!("{error} at call {n}");
    let root = on_a_disk_in_memory();
    let log = root.path().join("log");
    let change = [
        (FAIL_AT, n.to_string()),
        ("HOLDPOINT_SHIM_FAIL_WITH", error.to_owned()),
        (LIFE, format!("{:?}", Life::Short)),
    ];
    let environment = shim.environment(root.path(), &change);
    let said = {
        let (log, at) = (log.clone(), at.clone());
        tokio::task::spawn_blocking(move || run(&log, &environment, &at)).await.unwrap()
    };
    let mut acknowledged = Acknowledged::new();
    note(&said, &mut acknowledged);
    if let Err(loss) = check(&log, &acknowledged).await {
        panic!("{at}: {loss}\n{said}");
    }
    (said.matches("\nrefused").count(), said.matches("\nfailed").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_at_any_call_a_log_accepts_nothing_and_keeps_what_was_acknowledged() {
    let directory = on_a_disk_in_memory();
    let Some(shim) = shim(directory.path()) else { return };
    let calls = record(directory.path(), &shim, Life::Short);
    let step = count(STEP, STEP_DEFAULT);
    let calls = calls.iter().filter(|call| !matches!(call.what, What::Say(_)));
    let mut runs = Vec::new();
    for (n, call) in (1..).zip(calls).step_by(step) {
        runs.push(("EIO", n));
        // A full disk lasts: it begins with a call that needs space.
        if call.what.needs_space() {
            runs.push(("ENOSPC", n));
        }
    }
    let mut runs = runs.into_iter();
    let shim = Arc::new(shim);
    let mut running = JoinSet::new();
    let [mut done, mut refused, mut failed] = [0, 0, 0];
    loop {
        // Most of a run is waiting, for the disk or for a tail that cannot be made.
        while running.len() < 8
            && let Some((error, n)) = runs.next()
        {
            let shim = Arc::clone(&shim);
            running.spawn(async move { fail(&shim, error, n).await });
        }
        let Some(outcome) = running.join_next().await else { break };
        let (openings, appends) = outcome.unwrap();
        done += 1;
        refused += openings;
        failed += appends;
    }
    println!("{done} errors: {refused} openings and {failed} appends failed");
    assert!(refused > 0 && failed > 0);
}
