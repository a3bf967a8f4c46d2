//! Parts of a measurement that need a process of their own: one that is killed, or whose memory
//! is looked at.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use holdpoint::{DataDirectory, core::Sequence, log::EventLog, log_sled::SledLog};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
    task::JoinSet,
};

use crate::{
    BenchFailure, Writer,
    append::{Appender, USER},
    at_once,
    flow::{self, Flow},
    project::Project,
    resources,
};

/// How many fill a log, or submit runs, at once.
const AT_ONCE: u32 = 256;

/// How long runs are taken through an engine before it is seen how many events there are.
const SLICE: Duration = Duration::from_millis(250);

/// How many events are read at once.
const READ_LIMIT: usize = 1024;

/// How this program is started to do a part of a measurement.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// What it is told before the part, so that it calls [`serve`] with it.
    pub arguments: Vec<OsString>,
}

/// A part of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Append to a log, which is made when it is not there, until it has so many events; say so, and
    /// go on until killed.
    Append { log: PathBuf, events: u64 },
    /// Take runs through an engine on a new data directory until there are so many events.
    Write { data: PathBuf, events: u64 },
    /// Read all events.
    Scan { data: PathBuf },
    /// Submit so many runs, of which each waits for its approvals.
    Wait { data: PathBuf, runs: u32 },
}

/// What a process says of its part, in a line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// How it went.
    Done(Report),
    /// Why it did not.
    Failed(String),
}

/// How a part went.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// How many events it wrote or read, or how many runs it submitted.
    pub count: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// How many bytes of JSON the events have, if it read them.
    pub json_bytes: u64,
    /// The most memory at a quarter of the events, and over all.
    pub early_peak_bytes: Option<u64>,
    pub peak_bytes: Option<u64>,
}

impl Program {
    /// Starts this program in a process of its own, which ends when it is dropped, or when this
    /// process is gone.
    pub(crate) fn start(&self, part: &Part) -> Result<Child, BenchFailure> {
        let mut process = Command::new(&self.path)
            .args(&self.arguments)
            .arg(serde_json::to_string(part)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(BenchFailure::io(&self.path))?;
        let gone = || BenchFailure::workload("the process has no output");
        let said = BufReader::new(process.stdout.take().ok_or_else(gone)?).lines();
        let stdin = process.stdin.take();
        Ok(Child { process, said, _stdin: stdin })
    }

    /// Has a part done in a process of its own, to its end.
    pub(crate) async fn run(&self, part: &Part) -> Result<Report, BenchFailure> {
        let mut child = self.start(part)?;
        let report = child.report().await?;
        child.process.wait().await.map_err(BenchFailure::io(&self.path))?;
        Ok(report)
    }
}

/// A process that does a part.
pub(crate) struct Child {
    process: tokio::process::Child,
    said: Lines<BufReader<ChildStdout>>,
    /// Open as long as this process is there: the other ends with it.
    _stdin: Option<ChildStdin>,
}

impl Child {
    /// Waits for what it says.
    pub(crate) async fn report(&mut self) -> Result<Report, BenchFailure> {
        match self.said.next_line().await.map_err(BenchFailure::ended)? {
            Some(line) => match serde_json::from_str(&line)? {
                Said::Done(report) => Ok(report),
                Said::Failed(reason) => Err(BenchFailure::Child(reason)),
            },
            None => Err(BenchFailure::Child("it ended without saying why".to_owned())),
        }
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<(), BenchFailure> {
        self.process.kill().await.map_err(BenchFailure::ended)
    }
}

/// Does a part in this process, as the process that has started it says, and says how it went.
///
/// # Errors
/// When nobody can be told.
pub async fn serve(part: &str) -> Result<(), BenchFailure> {
    // A thread, as a runtime does not end while it reads; and it must not outlive who has begun it.
    thread::spawn(|| {
        // An error means the same as the end.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(1);
    });
    let done = match serde_json::from_str(part) {
        Ok(Part::Append { log, events }) => append(&log, events).await,
        Ok(Part::Write { data, events }) => write(&data, events).await,
        Ok(Part::Scan { data }) => scan(&data).await,
        Ok(Part::Wait { data, runs }) => wait(&data, runs).await,
        Err(error) => Err(error.into()),
    };
    say(&match done {
        Ok(report) => Said::Done(report),
        Err(failure) => Said::Failed(failure.to_string()),
    })
}

fn say(said: &Said) -> Result<(), BenchFailure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", serde_json::to_string(said)?).and_then(|()| out.flush());
    written.map_err(BenchFailure::ended)
}

async fn append(path: &Path, events: u64) -> Result<Report, BenchFailure> {
    let log = if path.exists() {
        SledLog::open(path, USER).await?
    } else {
        SledLog::create(path, USER).await?
    };
    let log: Arc<dyn EventLog> = Arc::new(log);
    let missing = events.saturating_sub(log.head().await?.sequence.0);
    let fillers = Filler::many(&log, AT_ONCE);
    divided(fillers, missing.div_ceil(Filler::EVENTS)).await?;
    say(&Said::Done(Report::default()))?;
    divided(Appender::many(&log, AT_ONCE)?, u64::MAX).await?;
    Ok(Report::default())
}

async fn write(data: &Path, events: u64) -> Result<Report, BenchFailure> {
    let engine = DataDirectory::init(data).await?.engine(USER).await?.start().await?;
    let project = Project::create(engine, flow::DEFINITION).await?;
    let mut flows = Flow::many(&project, AT_ONCE);
    let mut report = Report::default();
    let started = Instant::now();
    while report.count < events {
        (flows, _) = at_once(flows, SLICE).await?;
        report.count = project.engine.log().head().await?.sequence.0;
        if report.early_peak_bytes.is_none() && report.count >= events / 4 {
            report.early_peak_bytes = resources::peak_bytes();
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    project.engine.shutdown().await;
    Ok(Report { peak_bytes: resources::peak_bytes(), ..report })
}

async fn scan(data: &Path) -> Result<Report, BenchFailure> {
    let log = DataDirectory::open(data)?.log(USER).await?;
    let mut report = Report::default();
    let started = Instant::now();
    loop {
        let records = log.read(Sequence(report.count), READ_LIMIT).await?;
        if records.is_empty() {
            break;
        }
        report.count += records.len() as u64;
        report.json_bytes += records.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(Report { peak_bytes: resources::peak_bytes(), ..report })
}

async fn wait(data: &Path, runs: u32) -> Result<Report, BenchFailure> {
    let engine = DataDirectory::open(data)?.engine(USER).await?.start().await?;
    let project = Project::of(engine, flow::DEFINITION)?;
    let started = Instant::now();
    divided(Submitter::many(&project, AT_ONCE), runs.into()).await?;
    let seconds = started.elapsed().as_secs_f64();
    project.engine.idle().await?;
    project.engine.shutdown().await;
    let peak_bytes = resources::peak_bytes();
    Ok(Report { count: runs.into(), seconds, peak_bytes, ..Report::default() })
}

/// Has the writers share so many writes.
async fn divided<W: Writer>(writers: Vec<W>, times: u64) -> Result<(), BenchFailure> {
    let left = Arc::new(AtomicU64::new(times));
    let mut tasks = JoinSet::new();
    for mut writer in writers {
        let left = Arc::clone(&left);
        tasks.spawn(async move {
            let take = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
            while take().is_ok() {
                writer.write().await?;
            }
            Ok::<_, BenchFailure>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Who fills a log: with a stream of a few events, then with another.
struct Filler(Arc<dyn EventLog>);

impl Filler {
    /// How many events a stream has.
    const EVENTS: u64 = 8;

    fn many(log: &Arc<dyn EventLog>, fillers: u32) -> Vec<Self> {
        (0..fillers).map(|_| Self(Arc::clone(log))).collect()
    }
}

impl Writer for Filler {
    async fn write(&mut self) -> Result<(), BenchFailure> {
        Appender::new(Arc::clone(&self.0))?.append(Self::EVENTS).await
    }
}

/// Who submits runs, and leaves them waiting.
struct Submitter(Project);

impl Submitter {
    fn many(project: &Project, submitters: u32) -> Vec<Self> {
        (0..submitters).map(|_| Self(project.clone())).collect()
    }
}

impl Writer for Submitter {
    async fn write(&mut self) -> Result<(), BenchFailure> {
        self.0.submit(flow::input()).await?;
        Ok(())
    }
}
