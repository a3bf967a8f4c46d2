//! What a log of realistic events takes: on the disk, and in memory while it is written, scanned
//! and verified.
//!
//! `cargo run --release -p holdpoint-log-sled --example sizes -- [EVENTS] [DIRECTORY]`
//!
//! Changes of eight events each are under way at the same time, a thousand of them, with random
//! ids, digests and people, as in a project that is busy.

use std::{env, error::Error, fs, io, path::Path, sync::Arc, time::Instant};

use holdpoint_core::{
    Sequence, Version,
    event::{EventData, EventType, PendingEvent, StreamId},
};
use holdpoint_log::{Append, EventLog, verify};
use holdpoint_log_sled::SledLog;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How many changes are under way.
const RUNS: usize = 1000;
/// How many events a change has.
const STEPS: u64 = 8;

type Failure = Box<dyn Error + Send + Sync>;

/// Marsaglia's xorshift: the same events each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from_digit((self.next() >> 60) as u32, 16).unwrap_or('0'))
            .collect()
    }

    fn id(&mut self, milliseconds: u64) -> String {
        let time = format!("{milliseconds:012x}");
        let (high, low) = time.split_at(8);
        format!("{high}-{low}-7{}-8{}-{}", self.hex(3), self.hex(3), self.hex(12))
    }

    fn member(&mut self) -> String {
        format!("member-{}", self.below(40))
    }
}

/// A change under way.
struct Run {
    stream: StreamId,
    digest: String,
    step: u64,
}

impl Run {
    fn new(random: &mut Random, now: u64) -> Result<Self, Failure> {
        let stream =
            StreamId { project: "core-network".parse()?, run: Some(random.id(now).parse()?) };
        Ok(Self { stream, digest: format!("sha256:{}", random.hex(64)), step: 0 })
    }

    /// Its next event.
    fn next(&mut self, random: &mut Random, now: u64) -> Result<Append, Failure> {
        let machine = format!("web-{}", random.below(400));
        let vote = |member: String, digest: &str| {
            json!({ "hold": "authorize", "member": member, "digest": digest, "rules": ["peer"],
                "roles": ["engineer"], "qualified": ["network"] })
        };
        let effect = "implement#1/deploy/web-1";
        let (kind, data) = match self.step {
            0 => ("holdpoint.run.started", self.input(random, &machine)),
            1 => (
                "holdpoint.hold.opened",
                json!({ "hold": "authorize", "digest": self.digest,
                "rules": [{ "rule": "peer", "need": 2, "qualified": "network" }],
                "deadline": Timestamp::from_millisecond(i64::try_from(now + 604_800_000)?)? }),
            ),
            2 | 3 => ("holdpoint.approval.granted", vote(random.member(), &self.digest)),
            4 => ("holdpoint.hold.released", json!({ "hold": "authorize" })),
            5 => (
                "holdpoint.activity.started",
                json!({ "effect": effect, "activity": "deploy",
                "attempt": 1 }),
            ),
            6 => (
                "holdpoint.activity.completed",
                json!({ "effect": effect, "attempt": 1,
                "output": { "changed": true, "log": format!("{machine}: version {} in {} ms",
                    random.below(900), random.below(60_000)) } }),
            ),
            _ => (
                "holdpoint.rollout.finished",
                json!({ "state": "implement", "outcome": "succeeded" }),
            ),
        };
        let actor =
            if self.step < 4 { format!("member:{}", random.member()) } else { "engine".into() };
        let is_first = self.step == 0;
        let event = PendingEvent {
            id: random.id(now).parse()?,
            source: self.stream.project.clone(),
            subject: self.stream.run,
            kind: EventType::from_static(kind),
            time: Timestamp::from_millisecond(i64::try_from(now)?)?,
            auth: serde_json::from_value(json!(actor.replace("member:", "local:")))?,
            actor: serde_json::from_value(json!(actor))?,
            cause: random.id(now).parse()?,
            trace: is_first.then(|| format!("00-{}-{}-01", random.hex(32), random.hex(16))),
            definition: is_first
                .then(|| format!("sha256:{:064x}", 0xfa22_u32).parse())
                .transpose()?,
            data: EventData::of(&data)?,
        };
        let expected = Version(self.step);
        self.step += 1;
        Ok(Append { stream: self.stream.clone(), expected, events: vec![event] })
    }

    fn input(&self, random: &mut Random, machine: &str) -> Value {
        let words = ["kernel", "firmware", "certificate", "router", "switch", "disk", "replace"];
        let word =
            |random: &mut Random| words.get(random.below(7) as usize).copied().unwrap_or_default();
        let title = format!("{} {} {}", word(random), word(random), random.below(10_000));
        json!({ "workflow": "normal-change", "version": 3, "input": { "title": title,
            "risk": "medium", "domain": "network", "items": [format!("rack-{}", random.below(90))],
            "targets": [machine, format!("web-{}", random.below(400))] } })
    }
}

/// The bytes of all files in a directory.
fn on_disk(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let (path, about) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        bytes += if about.is_dir() { on_disk(&path)? } else { about.len() };
    }
    Ok(bytes)
}

/// The most memory that this process has had, in MiB, as Linux counts it.
fn resident_max() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

fn say(what: &str, started: Instant) {
    println!("{what} after {:.1?}; at most {} MiB resident", started.elapsed(), resident_max());
}

/// Appends so many events, a thousand at once.
async fn write(log: &Arc<SledLog>, events: u64) -> Result<(), Failure> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    // 2026-01-05T09:00:00Z.
    let mut now = 1_767_603_600_000;
    let mut runs = (0..RUNS).map(|_| Run::new(&mut random, now)).collect::<Result<Vec<_>, _>>()?;
    let mut written = 0;
    while written < events {
        let mut appends = JoinSet::new();
        for run in &mut runs {
            // Not all of them go on each time.
            if random.below(4) == 0 {
                continue;
            }
            if run.step == STEPS {
                *run = Run::new(&mut random, now)?;
            }
            now += random.below(200);
            let (append, log) = (run.next(&mut random, now)?, Arc::clone(log));
            appends.spawn(async move { log.append(vec![append]).await });
            written += 1;
        }
        while let Some(appended) = appends.join_next().await {
            appended??;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let events = arguments.next().map_or(Ok(100_000), |events| events.parse())?;
    let temporary = tempfile::tempdir()?;
    let path = arguments.next().map_or_else(|| temporary.path().join("log"), Into::into);
    let log = Arc::new(SledLog::create(&path, "sizes").await?);
    let started = Instant::now();
    write(&log, events).await?;
    say("written", started);
    drop(log);
    let started = Instant::now();
    let log = SledLog::open(&path, "sizes").await?;
    say("opened", started);
    let started = Instant::now();
    let mut at = Sequence::ZERO;
    while let Some(last) = log.read(at, 1024).await?.last() {
        at = last.sequence;
    }
    say("scanned", started);
    let started = Instant::now();
    let verified = verify(&log).await?;
    say("verified", started);
    drop(log);
    for part in ["sealed", "tail"] {
        let bytes = on_disk(&path.join(part))?;
        let ratio = bytes as f64 / verified.bytes as f64;
        println!("{part}: {bytes} bytes on the disk, {ratio:.3} of the events' {}", verified.bytes);
    }
    let segments = fs::read_dir(path.join("sealed"))?.count();
    println!("{} events of {} streams, {segments} segments", verified.events, verified.streams);
    Ok(())
}
