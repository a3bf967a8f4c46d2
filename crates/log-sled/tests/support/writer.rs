//! A process that writes to a log until it is killed, and what it said was acknowledged.
//!
//! The process is the test binary itself, which runs only its test `writer` then.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use holdpoint_core::Version;
use holdpoint_log::{
    Append, AppendFailure, EventLog,
    conformance::{event, noise, stream},
};

use super::log::{Acknowledged, open, say, small};

const DIRECTORY: &str = "HOLDPOINT_TEST_WRITER_DIRECTORY";
const WRITERS: &str = "HOLDPOINT_TEST_WRITER_WRITERS";
const TAIL_BYTES_MAX: &str = "HOLDPOINT_TEST_WRITER_TAIL_BYTES_MAX";

/// What a writer is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How many append at once.
    pub writers: u64,
    /// With so many bytes of events a tail is sealed.
    pub tail_bytes_max: u64,
}

/// How long a process may take to do anything at all.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the process does: it appends, with so many writers at once, until it is killed, and says
/// what was acknowledged. Does nothing in a process that was not started by [`Writer::start`].
pub(crate) fn write_until_killed() {
    let Some(path) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let number = |variable| env::var(variable).unwrap().parse::<u64>().unwrap();
    let (writers, tail_bytes_max) = (number(WRITERS), number(TAIL_BYTES_MAX));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        say("opening");
        let log = Arc::new(open(&path, small(tail_bytes_max)).await.unwrap());
        say("opened");
        let mut tasks = tokio::task::JoinSet::new();
        for run in 0..writers {
            let log = Arc::clone(&log);
            tasks.spawn(async move {
                let stream = stream(run);
                let mut version = 0;
                loop {
                    // Every eighth append of some needs several syncs, which it may be cut between.
                    let length = if run < 4 && version % 8 == run { 30_000 } else { 200 };
                    let count = if writers > 100 { 1 } else { 1 + version % 9 };
                    let events = (0..count)
                        .map(|n| event(&stream, &noise(length, (run << 32) + version + n)))
                        .collect();
                    let expected = Version(version);
                    let append = Append { stream: stream.clone(), expected, events };
                    match log.append(vec![append]).await {
                        Ok(_) => {
                            version += count;
                            say(&format!("acknowledged {run} {version}"));
                        }
                        // It was written to before.
                        Err(AppendFailure::Conflict { actual, .. }) if version == 0 => {
                            version = actual.0;
                        }
                        Err(failure) => panic!("{failure}"),
                    }
                }
            });
        }
        tasks.join_all().await;
    });
}

#[derive(Debug, Default)]
struct Heard {
    lines: usize,
    acknowledged: Acknowledged,
    ended: bool,
}

/// A running process that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    child: Child,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    listener: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a process that writes to the log in `path`, under the variables `environment`.
    pub(crate) fn start(path: &Path, load: Load, environment: &[(&str, String)]) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["writer", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, path)
            .env(WRITERS, load.writers.to_string())
            .env(TAIL_BYTES_MAX, load.tail_bytes_max.to_string())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::<(Mutex<Heard>, Condvar)>::default();
        let told = Arc::clone(&heard);
        let listener = thread::spawn(move || {
            for line in output.lines().map(Result::unwrap) {
                let mut heard = told.0.lock().unwrap();
                if let Some(acknowledged) = line.strip_prefix("acknowledged ") {
                    let (run, version) = acknowledged.split_once(' ').unwrap();
                    heard.acknowledged.insert(run.parse().unwrap(), version.parse().unwrap());
                } else if !line.starts_with("open") {
                    continue;
                }
                heard.lines += 1;
                told.1.notify_all();
            }
            told.0.lock().unwrap().ended = true;
            told.1.notify_all();
        });
        Self { child, heard, listener: Some(listener) }
    }

    /// Waits until it has said `lines` lines.
    pub(crate) fn wait_for(&self, lines: usize) {
        let (heard, told) = &*self.heard;
        let started = Instant::now();
        let mut heard = heard.lock().unwrap();
        while heard.lines < lines {
            assert!(!heard.ended, "the writer ended by itself");
            assert!(started.elapsed() < PATIENCE, "the writer says nothing");
            heard = told.wait_timeout(heard, PATIENCE).unwrap().0;
        }
    }

    /// What was acknowledged up to now.
    pub(crate) fn acknowledged(&self) -> Acknowledged {
        self.heard.0.lock().unwrap().acknowledged.clone()
    }

    /// Kills it; what it said before it died.
    pub(crate) fn kill(mut self) -> Acknowledged {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.listener.take().unwrap().join().unwrap();
        self.acknowledged()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It is gone already, unless a test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number below `bound`, another one each time.
pub(crate) fn random(bound: u64) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish() % bound
}

/// Waits so many milliseconds at most, for the random moment of a cut.
pub(crate) fn wait_up_to(milliseconds: u64) {
    thread::sleep(Duration::from_micros(random(milliseconds * 1000)));
}
