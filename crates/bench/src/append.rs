//! Appending: so many writers at once, each waiting for its event to be durable.

use std::{sync::Arc, time::Duration};

use holdpoint::{
    core::{
        Actor, Authentication, EventData, EventType, PendingEvent, RunId, Sequence, StreamId,
        Version,
    },
    log::{Append, EventLog},
    log_sled::SledLog,
};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    BenchFailure, Figures, Place, Raw, Writer, at_once, ids,
    raw::{TURNS, in_turn},
};

/// How the log is told who has it open.
pub(crate) const USER: &str = "holdpoint bench";

const KIND: EventType = EventType::from_static("holdpoint.target.healthy");

/// How many different targets the events are about.
const TARGETS: u32 = 1000;

/// A writer with a stream of its own, who appends one event at a time, as an engine would write it.
pub struct Appender {
    log: Arc<dyn EventLog>,
    stream: StreamId,
    run: RunId,
    version: Version,
}

impl Appender {
    /// A writer to `log`.
    ///
    /// # Errors
    /// Never: the name of its project is acceptable.
    pub fn new(log: Arc<dyn EventLog>) -> Result<Self, BenchFailure> {
        let run = RunId::from(ids::command_id());
        let stream = StreamId { project: "bench".parse()?, run: Some(run) };
        Ok(Self { log, stream, run, version: Version::ZERO })
    }

    /// So many writers to `log`.
    ///
    /// # Errors
    /// As [`Appender::new`].
    pub fn many(log: &Arc<dyn EventLog>, writers: u32) -> Result<Vec<Self>, BenchFailure> {
        (0..writers).map(|_| Self::new(Arc::clone(log))).collect()
    }

    pub(crate) fn event(&self) -> Result<PendingEvent, BenchFailure> {
        let now = Timestamp::now();
        let target = format!("web-{}.example.com", fastrand::u32(..TARGETS));
        Ok(PendingEvent {
            id: ids::event_id(now),
            source: self.stream.project.clone(),
            subject: Some(self.run),
            kind: KIND,
            time: now,
            actor: Actor::Engine,
            auth: Authentication::engine(),
            cause: ids::command_id(),
            request: None,
            trace: None,
            definition: None,
            data: EventData::of(&json!({ "target": target }))?,
        })
    }

    /// Appends so many events at once.
    pub(crate) async fn append(&mut self, events: u64) -> Result<(), BenchFailure> {
        let append = Append {
            stream: self.stream.clone(),
            expected: self.version,
            events: (0..events).map(|_| self.event()).collect::<Result<_, _>>()?,
        };
        self.log.append(vec![append]).await?;
        self.version = self.version.plus(events);
        Ok(())
    }
}

impl Writer for Appender {
    async fn write(&mut self) -> Result<(), BenchFailure> {
        self.append(1).await
    }
}

/// The mean length of the log's first events, in bytes.
pub(crate) async fn mean_bytes(log: &dyn EventLog) -> Result<usize, BenchFailure> {
    let records = log.read(Sequence::ZERO, 1_000).await?;
    let bytes: usize = records.iter().map(|record| record.bytes.len()).sum();
    Ok(bytes.checked_div(records.len()).unwrap_or(0))
}

/// Has `writers` append to a new log for as long as `span`. The limit is a plain file that takes
/// batches of one event of each writer: as many as could ever share a sync.
///
/// # Errors
/// See [`BenchFailure`].
pub async fn append(place: &Place, writers: u32, span: Duration) -> Result<Figures, BenchFailure> {
    let room = place.room("append")?;
    let log: Arc<dyn EventLog> = Arc::new(SledLog::create(room.join("log"), USER).await?);
    let (appenders, _) = at_once(Appender::many(&log, writers)?, span / TURNS).await?;
    let bytes = mean_bytes(&*log).await?;
    let raw = Raw::new(&room, writers.into(), bytes);
    let (ours, limit) = in_turn(appenders, &raw, span).await?;
    Ok(Figures {
        event_bytes: Some(bytes as u64),
        ..Figures::against("append", writers, &ours, &limit)
    })
}
