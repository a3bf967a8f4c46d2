//! Whether histories replay, and where they do not: for who checks a log.

use std::{cell::Cell, fmt};

use holdpoint_core::{IllegalEvent, RunId, Sequence, StreamId, Version, event::Event};
use serde::Serialize;

use crate::{engine::Engine, failure::QueryFailure, load::LiveRun};

/// An event that cannot follow what stands before it in its stream, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// The how manieth event of its stream it is.
    pub version: Version,
    /// Where it stands in the log.
    pub sequence: Sequence,
    /// What is wrong with it.
    pub why: String,
}

impl Misfit {
    pub(crate) fn new(event: &Event, illegal: &IllegalEvent) -> Self {
        Self { version: event.version, sequence: event.sequence, why: illegal.to_string() }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, sequence, why } = self;
        write!(f, "its event {version}, at position {sequence} of the log: {why}")
    }
}

impl Engine {
    /// Replays a run from its first event to its last, as whoever loads it without a snapshot, and says which event
    /// does not fit, if one does not.
    ///
    /// # Errors
    /// See [`QueryFailure`]; [`QueryFailure::Definition`] when nothing can be said, as the run's definition
    /// cannot be loaded.
    pub async fn replay(&self, run: RunId) -> Result<Option<Misfit>, QueryFailure> {
        let stream = StreamId { project: self.row(run).await?.project, run: Some(run) };
        let at = Cell::new((Version::ZERO, Sequence::ZERO));
        let mut live: Option<LiveRun> = None;
        let every = |event: &Event| {
            at.set((event.version, event.sequence));
            true
        };
        let replayed = self.shared.library.replay(&stream, &mut live, every).await;
        // A history whose sum owes what cannot be is one that the engine goes no further with.
        let owed = |live: LiveRun| live.due().map(drop).map_err(QueryFailure::from);
        match replayed.and_then(|()| live.map_or(Err(QueryFailure::NoSuchRun(run)), owed)) {
            Ok(()) => Ok(None),
            Err(QueryFailure::History(illegal)) => {
                let (version, sequence) = at.get();
                Ok(Some(Misfit { version, sequence, why: illegal.to_string() }))
            }
            Err(failure) => Err(failure),
        }
    }
}
