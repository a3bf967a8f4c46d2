//! A process that writes to a log is killed, again and again: what it was told is durable is
//! there afterwards, and the log is whole.
//!
//! The process is this test binary, which runs only [`writer`] when a variable says so.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use holdpoint_core::Version;
use holdpoint_log::{
    Append, EventLog,
    conformance::{event, noise, stream},
    verify,
};
use holdpoint_log_sled::{OpenFailure, Options, SledLog};

const DIRECTORY: &str = "HOLDPOINT_TEST_CRASH_DIRECTORY";
/// More rounds for a longer look.
const ROUNDS: &str = "HOLDPOINT_TEST_CRASH_ROUNDS";
const TASKS: u64 = 4;

async fn open(path: &Path) -> SledLog {
    // So little that segments are written and tails dropped all the time.
    let options = Options { tail_bytes_max: 400_000 };
    match SledLog::open_with(path, "writer", options).await {
        Err(OpenFailure::NotThere { .. }) => {
            drop(SledLog::create(path, "writer").await.unwrap());
            SledLog::open_with(path, "writer", options).await.unwrap()
        }
        opened => opened.unwrap(),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

/// Appends to `TASKS` streams until it is killed, and says what was acknowledged.
#[test]
fn writer() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        say("opening");
        let log = Arc::new(open(&path).await);
        say("opened");
        let mut tasks = tokio::task::JoinSet::new();
        for run in 0..TASKS {
            let log = Arc::clone(&log);
            tasks.spawn(async move {
                let stream = stream(run);
                let records = log.read_stream(&stream, Version::ZERO, usize::MAX).await.unwrap();
                let mut version = records.len() as u64;
                loop {
                    // Every eighth append needs several syncs, which it may be killed between.
                    let length = if version % 8 == run { 30_000 } else { 200 };
                    let count = 1 + version % 9;
                    let events = (0..count)
                        .map(|n| event(&stream, &noise(length, (run << 32) + version + n)))
                        .collect();
                    let expected = Version(version);
                    let append = Append { stream: stream.clone(), expected, events };
                    log.append(vec![append]).await.unwrap();
                    version += count;
                    say(&format!("acknowledged {run} {version}"));
                }
            });
        }
        tasks.join_all().await;
    });
}

/// Runs the writer, kills it after `lines` lines, and notes what it was told is durable.
fn write_and_kill(path: &Path, lines: usize, durable: &mut BTreeMap<u64, u64>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["writer", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut said = output
        .lines()
        .map(Result::unwrap)
        .filter(|line| line.starts_with("open") || line.starts_with("acknowledged"));
    let mut note = |line: String| {
        let mut words = line.split(' ').skip(1).map(|word| word.parse().unwrap());
        if let (Some(run), Some(version)) = (words.next(), words.next()) {
            durable.insert(run, version);
        }
    };
    said.by_ref().take(lines).for_each(&mut note);
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before it died counts as well.
    said.for_each(&mut note);
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut durable = BTreeMap::new();
    let rounds = env::var(ROUNDS).map_or(20, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        // None is a kill before anything, one while opening, two just after.
        let lines = if round % 4 == 0 { round / 4 % 3 } else { 2 + round * 37 % 50 };
        write_and_kill(&path, lines, &mut durable);
        let log = open(&path).await;
        let verified = verify(&log).await.unwrap();
        let mut events = 0;
        for run in 0..TASKS {
            let records = log.read_stream(&stream(run), Version::ZERO, usize::MAX).await.unwrap();
            let version = records.len() as u64;
            assert!(version >= durable.get(&run).copied().unwrap_or(0), "round {round}");
            events += version;
        }
        assert_eq!(verified.events, events);
    }
    assert_eq!(durable.len() as u64, TASKS);
    assert!(fs::read_dir(path.join("sealed")).unwrap().count() > 1, "nothing was sealed");
}
