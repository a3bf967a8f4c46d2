//! Why a log cannot be opened or made, and what to do about it.

use std::{io, path::PathBuf};

use holdpoint_core::event::Sequence;
use holdpoint_log::ReadFailure;

/// Why a log cannot be opened or made. In every case no event was touched.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// Another handle on the log exists, in this process or in another.
    #[error("the log in `{}` is in use{}", .directory.display(), by(*.process, .user.as_deref()))]
    InUse {
        /// The log's directory.
        directory: PathBuf,
        /// The id of the process that has it open, where it is known.
        process: Option<u32>,
        /// What that process said it is, where it is known.
        user: Option<String>,
    },
    /// There is no log, or one whose making was interrupted, so that nothing was ever appended.
    #[error("there is no log in `{}`", .directory.display())]
    NotThere {
        /// The directory.
        directory: PathBuf,
    },
    /// A log was to be made where there is one.
    #[error("there is a log in `{}` already", .directory.display())]
    AlreadyThere {
        /// The log's directory.
        directory: PathBuf,
    },
    /// The directory has content, and it is not a log's.
    #[error("`{}` is not the directory of a log: it contains `{found}`", .directory.display())]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// A name in it that no log has.
        found: String,
    },
    /// The log has a format that this version does not know.
    #[error("the log in `{}` has the format `holdpoint log {version}`, which this version does not know", .directory.display())]
    UnknownFormat {
        /// The log's directory.
        directory: PathBuf,
        /// The number of the format.
        version: String,
    },
    /// The file is damaged that says of a directory that it has a log, and of which format.
    #[error("`format` of the log in `{}` is damaged: {reason}", .directory.display())]
    FormatDamaged {
        /// The log's directory.
        directory: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// What is there is not what was written.
    #[error("the log in `{}` is damaged{}: {reason}", .directory.display(), at(*.sequence))]
    Damaged {
        /// The log's directory.
        directory: PathBuf,
        /// The event at which the damage was found, where that is known.
        sequence: Option<Sequence>,
        /// What is wrong.
        reason: String,
    },
    /// The file is gone or unreadable that says how far the log had come.
    #[error(
        "`head` of the log in `{}` {}: it says how far the log had come, and without it a loss at \
         the end would not be noticed",
        .directory.display(),
        if *.is_there { "cannot be read" } else { "is missing" }
    )]
    HeadLost {
        /// The log's directory.
        directory: PathBuf,
        /// Whether the file is there.
        is_there: bool,
    },
    /// The log's directory cannot be written to, and there is no room elsewhere for what must be copied
    /// to read it.
    #[error(
        "the log in `{}` cannot be read without writing to it: `{}` has no room for a copy of its \
         last part: {source}",
        .directory.display(), .place.display()
    )]
    NoRoomToRead {
        /// The log's directory.
        directory: PathBuf,
        /// Where the copy was to be.
        place: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The storage answered with an error.
    #[error("`{}` cannot be used: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

fn by(process: Option<u32>, user: Option<&str>) -> String {
    match (process, user) {
        (Some(id), Some(user)) => format!(" by process {id} ({user})"),
        (Some(id), None) => format!(" by process {id}"),
        (None, _) => String::new(),
    }
}

fn at(sequence: Option<Sequence>) -> String {
    sequence.map(|sequence| format!(" at event {sequence}")).unwrap_or_default()
}

impl OpenFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "one process works on a log at a time: wait for it, or stop it",
            Self::NotThere { .. } => "make a log there first, or name the directory of one",
            Self::AlreadyThere { .. } => "open it, or name another directory",
            Self::Foreign { .. } => "name a directory that is empty or does not exist",
            Self::UnknownFormat { .. } => {
                "open it with the version of Holdpoint that wrote it, or a newer one"
            }
            Self::FormatDamaged { .. } => {
                "no event is in that file: check the disk; then `holdpoint salvage` makes a new \
                 directory of all that verifies, or restore a backup"
            }
            Self::Damaged { .. } => {
                "copy the whole directory before anything else, and check the disk; then restore a \
                 backup, or save what still verifies with `holdpoint salvage`; `docs/format.md`, \
                 section \"Opening\", says what each check means"
            }
            Self::HeadLost { .. } => {
                "put the file back if it was moved; otherwise `holdpoint salvage` makes a new \
                 directory, with a new `head`, of all that verifies: compare where that ends with a \
                 checkpoint or a backup before you go on with it"
            }
            Self::NoRoomToRead { .. } => {
                "set TMPDIR to a directory on another disk, or in memory; or make room on this one"
            }
            Self::Io { .. } => "check the path, its permissions and the space on its disk",
        }
    }
}

/// Why a log was not backed up, restored, imported or salvaged.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFailure {
    /// A log cannot be opened or made.
    #[error(transparent)]
    Log(#[from] OpenFailure),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// There is something where a log was to be made.
    #[error("`{}` is not an empty directory", .directory.display())]
    NotEmpty {
        /// The directory.
        directory: PathBuf,
    },
    /// What is to be brought up to date is not an earlier state of the log.
    #[error("`{}` is not a backup of this log: {reason}", .directory.display())]
    OtherLog {
        /// The directory.
        directory: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// What is to be imported is not the event that comes next.
    #[error("event {sequence} cannot be imported: {reason}")]
    Event {
        /// Its place.
        sequence: Sequence,
        /// What is wrong with it.
        reason: String,
    },
}

impl ArchiveFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Log(failure) => failure.help(),
            Self::Read(_) => {
                "what was backed up before is untouched: keep it, check the disk, and save what can \
                 be read with `holdpoint salvage`"
            }
            Self::NotEmpty { .. } => "name a directory that is empty or does not exist",
            Self::OtherLog { .. } => "name another directory: nothing in this one was changed",
            Self::Event { .. } => "export the log again, and hand the file on byte for byte",
        }
    }
}
