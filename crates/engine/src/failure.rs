//! Why a command or a query was not answered.

use holdpoint_core::{IllegalEvent, LoadFailure, Refusal, RunId, workflow::DecideFailure};
use holdpoint_log::{AppendFailure, ReadFailure};
use jiff::Timestamp;

use crate::replaying::Misfit;

/// Why a command was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailure {
    /// The answer is "no"; nothing has changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The run's definition broke its own rules; nothing has changed.
    #[error("the definition of the run is broken: {0}")]
    Broken(IllegalEvent),
    /// The log did not accept the events. After [`AppendFailure::Poisoned`] it is known only once
    /// the log was reopened whether they are in it: send the command again with the same id.
    #[error(transparent)]
    Append(#[from] AppendFailure),
    /// What was needed to decide could not be read.
    #[error(transparent)]
    Query(#[from] QueryFailure),
}

impl From<DecideFailure> for CommandFailure {
    fn from(failure: DecideFailure) -> Self {
        match failure {
            DecideFailure::Refused(refusal) => Self::Refused(refusal),
            DecideFailure::Broken(illegal) => Self::Broken(illegal),
        }
    }
}

/// Why a query was not answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QueryFailure {
    /// What was asked for does not exist.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// The run's history does not add up: it was not made by its definition, or that has a defect.
    #[error("the history of the run does not replay: {0}")]
    History(#[from] IllegalEvent),
    /// A stream makes no sense without which nothing goes on: a project's, or one that does not begin as those
    /// of runs do.
    #[error("{whose} cannot be read any further: {misfit}")]
    Stream {
        /// Whose history it is, in words.
        whose: String,
        /// The event that does not fit.
        misfit: Misfit,
    },
    /// The run's definition cannot be loaded.
    #[error(transparent)]
    Definition(#[from] LoadFailure),
    /// The read model failed. It is derived from the log: delete its file, and the next start
    /// builds it again.
    #[error("the read model failed: {0}")]
    ReadModel(String),
    /// The engine has been shut down.
    #[error("the engine has been shut down")]
    Stopped,
}

impl QueryFailure {
    /// Whether it is of the run alone that was asked for: its history does not replay, or its definition
    /// cannot be loaded. Others can be had.
    #[must_use]
    pub const fn is_of_the_run(&self) -> bool {
        matches!(self, Self::History(_) | Self::Definition(_))
    }
}

impl From<rusqlite::Error> for QueryFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::ReadModel(error.to_string())
    }
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// The builder was given no log.
    #[error("the engine was given no log")]
    NoLog,
    /// What it needs to begin could not be read.
    #[error(transparent)]
    Query(#[from] QueryFailure),
}

impl From<ReadFailure> for StartFailure {
    fn from(failure: ReadFailure) -> Self {
        Self::Query(failure.into())
    }
}

/// Why a worker may not say something of an attempt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LeaseFailure {
    /// Nothing is known of it: the engine was started anew, or it ended long ago. What was done is to be
    /// undone or left, as another attempt with the same idempotency key may be under way.
    #[error("there is no such lease: the engine was started anew, or it ended long ago")]
    NotLeased,
    /// The worker has not said in time that it still has it: its attempt has an unknown end, and another
    /// with the same idempotency key may be under way.
    #[error("the lease ran out at {0}")]
    RanOut(Timestamp),
    /// The work is not wanted any more: the run was cancelled or has moved on, or the attempt's time is up. The worker
    /// should stop.
    #[error("the work is not wanted any more")]
    NotWanted,
    /// Its end has been said already, and it was another.
    #[error("the end of the attempt was said already, and otherwise")]
    Ended,
    /// The output cannot be recorded; the worker still has the lease, and can say less.
    #[error("the output is larger than {max} bytes as JSON: keep it elsewhere, and say where")]
    TooLarge {
        /// How many bytes it may have.
        max: usize,
    },
    /// The engine cannot say what became of it.
    #[error(transparent)]
    Unanswered(#[from] QueryFailure),
}
