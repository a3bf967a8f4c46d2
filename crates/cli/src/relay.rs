//! Commands reach the process that has the directory.
//!
//! One process works on a data directory at a time. While it stays there (`work`, `watch`), it listens on
//! a socket in the directory. A command that finds the directory in use hands its words over: they
//! are parsed again over there and done with the engine that runs, by the same function as ever, on
//! a thread of its own. What the command prints, and the files it reads, go through the socket.
//!
//! - [`wire`]: what the two processes say to each other
//! - [`serving`]: the process that has the directory
//! - [`caller`]: what a command that is done there knows of the process it is done for
//! - [`asking`]: the process that hands its command over

pub(crate) mod asking;
pub(crate) mod caller;
pub(crate) mod serving;
mod wire;

use std::{ffi::OsString, fs::File, io, os::fd::AsRawFd, path::Path, sync::OnceLock};

use holdpoint::core::{CommandId, Sequence};

/// The id of this process's command, once one was needed.
static COMMAND: OnceLock<CommandId> = OnceLock::new();

/// The id for a command that was given none: of one that is done for another process, what that
/// one has chosen, so that it can say how to repeat the command when it was not answered.
pub(crate) fn command_id() -> CommandId {
    match caller::current() {
        Some(caller) => caller.about.command,
        None => *COMMAND.get_or_init(|| CommandId::from_uuid(uuid::Uuid::now_v7())),
    }
}

/// Up to where a `watch` has told what happened, when it goes on in another process.
pub(crate) type Told = Option<Sequence>;

/// A path of the socket in `directory` that is short however long the directory's own is, as a
/// socket's path has at most 107 bytes. It is good for as long as what it comes with is kept.
fn socket(directory: &Path) -> io::Result<(File, OsString)> {
    let opened = File::open(directory)?;
    let path = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), holdpoint::directory::SOCKET);
    Ok((opened, path.into()))
}
