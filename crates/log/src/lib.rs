//! The event log of Holdpoint: one append-only sequence of events, divided into streams.
//!
//! [`EventLog`] is what the engine knows of it. Back ends are crates of their own; the one in this
//! crate keeps everything in memory, for tests. This crate must never know what a workflow is.
//!
//! A log can be checked by those who do not have it: [`prove`] makes proofs, [`proof`] verifies
//! them, [`checkpoint`] is what they start from, and [`proof_file`] is how they travel.

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

mod chains;
pub mod checkpoint;
#[cfg(feature = "test-util")]
pub mod conformance;
pub mod key;
mod memory;
pub mod merkle;
pub mod note;
pub mod numbering;
pub mod proof;
pub mod proof_file;
pub mod prove;
mod text;
mod verify;

use std::fmt;

use async_trait::async_trait;
use holdpoint_core::event::{Event, PendingEvent, Sequence, StreamId, Version};
use tokio::sync::watch;

pub use memory::MemoryLog;
pub use text::{Flaw, Malformed};
pub use verify::{Verified, verify};

/// Events to be added to the end of one stream.
#[derive(Clone, Debug)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// The version that the stream must have: [`Version::ZERO`] when it must not exist yet.
    /// There is no "any".
    pub expected: Version,
    /// The events, at least one, all of this stream.
    pub events: Vec<PendingEvent>,
}

/// An event as it is stored: the bytes that are hashed, stored and exported, verbatim.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The event's place in the log.
    pub sequence: Sequence,
    /// Its stored bytes.
    pub bytes: Box<[u8]>,
}

impl Record {
    /// Reads the event.
    ///
    /// # Errors
    /// When the bytes are not an event, or not the one of this sequence.
    pub fn event(&self) -> Result<Event, ReadFailure> {
        let damaged =
            |reason: String| ReadFailure::Damaged { sequence: Some(self.sequence), reason };
        let event = Event::from_bytes(&self.bytes).map_err(|e| damaged(e.to_string()))?;
        if event.sequence == self.sequence {
            Ok(event)
        } else {
            Err(damaged(format!("it says that its sequence is {}", event.sequence)))
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({}, {})", self.sequence, String::from_utf8_lossy(&self.bytes))
    }
}

/// Where the log ends, and what it contains in one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The sequence of the last event, which is the number of events.
    pub sequence: Sequence,
    /// The root of the RFC 6962 Merkle tree over the stored bytes of all events.
    pub root: [u8; 32],
}

/// Why an append was not accepted. Nothing of it is, or will be, in the log; only after
/// [`Poisoned`](Self::Poisoned) that is not known before the log is reopened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendFailure {
    /// A stream does not have the expected version.
    #[error("stream `{stream}` is at version {actual}, not {expected}")]
    Conflict {
        /// Which stream.
        stream: StreamId,
        /// What the append expected.
        expected: Version,
        /// What the stream has.
        actual: Version,
    },
    /// The append itself is not acceptable: empty, or with events of another stream.
    #[error("the append is not acceptable: {reason}")]
    Unacceptable {
        /// Why.
        reason: String,
    },
    /// There is more in it than a log takes at once.
    #[error("what would be recorded is too large: {reason}")]
    TooLarge {
        /// What is, and how large it may be.
        reason: String,
    },
    /// The log accepts nothing for as long as it is open like this.
    #[error("the log can only be read: {reason}")]
    ReadOnly {
        /// Why.
        reason: String,
    },
    /// The log has had an error and accepts nothing until it is reopened. Whether the events of
    /// the append that met the error are in the log is known only then.
    #[error("the log accepts nothing until it is reopened: {reason}")]
    Poisoned {
        /// The error that it has had.
        reason: String,
    },
}

/// Why events could not be read. A failed read is never an empty history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFailure {
    /// What is stored is not what was written.
    #[error("the log is damaged{}: {reason}", at(*.sequence))]
    Damaged {
        /// The event that is damaged, where that is known.
        sequence: Option<Sequence>,
        /// What is wrong with it.
        reason: String,
    },
    /// The storage answered with an error.
    #[error("the log cannot be read: {reason}")]
    Unreadable {
        /// The error.
        reason: String,
    },
}

fn at(sequence: Option<Sequence>) -> String {
    sequence.map(|sequence| format!(" at event {sequence}")).unwrap_or_default()
}

/// An append-only log of events.
///
/// The log numbers the events: [`Sequence`] without gaps over all streams, [`Version`] without
/// gaps in each stream. Handles are cheap to share behind an `Arc`.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Adds events to one or more streams (each named at most once), all or nothing, and answers
    /// when they are durable: after a crash of the process or of the machine they are there.
    ///
    /// Answers with the sequence of the first event of each append, in their order; the events of
    /// one append are consecutive. Appends that are accepted at the same time share one sync.
    /// Dropping the future does not take the append back.
    ///
    /// # Errors
    /// See [`AppendFailure`].
    async fn append(&self, appends: Vec<Append>) -> Result<Vec<Sequence>, AppendFailure>;

    /// Reads events of a stream in order: those with a version above `after` (exclusive), at most
    /// `limit`. A stream without events is an empty one.
    ///
    /// # Errors
    /// See [`ReadFailure`].
    async fn read_stream(
        &self,
        stream: &StreamId,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Record>, ReadFailure>;

    /// Reads events of all streams in order: those with a sequence above `after` (exclusive), at
    /// most `limit`.
    ///
    /// # Errors
    /// See [`ReadFailure`].
    async fn read(&self, after: Sequence, limit: usize) -> Result<Vec<Record>, ReadFailure>;

    /// The durable end of the log.
    ///
    /// # Errors
    /// See [`ReadFailure`].
    async fn head(&self) -> Result<Head, ReadFailure>;

    /// Checks what is stored beside the events, such as indexes, against them.
    /// [`verify`] calls this.
    ///
    /// # Errors
    /// See [`ReadFailure`].
    async fn check(&self) -> Result<(), ReadFailure> {
        Ok(())
    }

    /// Tells the sequence of the last durable event, whenever it changes. What is told may skip
    /// values but never goes back; read from your own position on to miss nothing.
    fn subscribe(&self) -> watch::Receiver<Sequence>;
}
