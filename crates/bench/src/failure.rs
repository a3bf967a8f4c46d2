//! Why nothing could be measured.

use std::{
    io,
    path::{Path, PathBuf},
};

use holdpoint::{
    DirectoryFailure,
    core::{IllegalEvent, id::MalformedId},
    definition::Diagnostics,
    engine::{CommandFailure, QueryFailure, StartFailure},
    log::{AppendFailure, ReadFailure},
    log_sled::OpenFailure,
};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchFailure {
    /// There is no directory to measure in.
    #[error("there is no directory `{}` to measure in", .path.display())]
    NoPlace {
        /// The path.
        path: PathBuf,
    },
    /// A data directory is no place to measure in.
    #[error("`{}` is a data directory: nothing is measured in it", .path.display())]
    DataDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The file system answered with an error.
    #[error("`{}` cannot be used: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A log was not opened.
    #[error(transparent)]
    Open(#[from] OpenFailure),
    /// A data directory was not made or opened.
    #[error(transparent)]
    Directory(#[from] DirectoryFailure),
    /// An engine did not start.
    #[error(transparent)]
    Start(#[from] StartFailure),
    /// The log did not accept events.
    #[error(transparent)]
    Append(#[from] AppendFailure),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// The engine did not accept a command.
    #[error(transparent)]
    Command(#[from] CommandFailure),
    /// The engine could not be asked.
    #[error(transparent)]
    Query(#[from] QueryFailure),
    /// A process that does a part of a measurement failed.
    #[error("a process of the measurement failed: {0}")]
    Child(String),
    /// A workload is not what it should be.
    #[error("BUG: the workload is not acceptable: {0}")]
    Workload(String),
}

impl BenchFailure {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn workload(reason: impl ToString) -> Self {
        Self::Workload(reason.to_string())
    }

    pub(crate) fn ended(error: io::Error) -> Self {
        Self::Child(error.to_string())
    }

    /// Whether another choice of the user's would do.
    #[must_use]
    pub const fn is_input(&self) -> bool {
        matches!(self, Self::NoPlace { .. } | Self::DataDirectory { .. })
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoPlace { .. } => "make it, or name another directory with `--dir`",
            Self::DataDirectory { .. } => {
                "name another directory on the same disk with `--dir`, such as its parent"
            }
            Self::Workload(_) => "report it, and the version of the program",
            _ => {
                "the disk may be full or may not keep what is written; `--dir` names a directory \
                 on another one, and smaller `--events` and `--runs` need less of it"
            }
        }
    }
}

impl From<MalformedId> for BenchFailure {
    fn from(malformed: MalformedId) -> Self {
        Self::workload(malformed)
    }
}

impl From<serde_json::Error> for BenchFailure {
    fn from(error: serde_json::Error) -> Self {
        Self::workload(error)
    }
}

impl From<IllegalEvent> for BenchFailure {
    fn from(illegal: IllegalEvent) -> Self {
        Self::workload(illegal)
    }
}

impl From<Diagnostics> for BenchFailure {
    fn from(findings: Diagnostics) -> Self {
        Self::workload(findings)
    }
}

impl From<tokio::task::JoinError> for BenchFailure {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::workload(error)
    }
}
