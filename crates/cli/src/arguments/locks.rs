//! The arguments of `holdpoint locks`.

use clap::{Args, Subcommand};
use holdpoint::core::ItemName;

use super::{Acting, words};

/// Locks on items; without more, a list of them.
#[derive(Debug, Args)]
pub(crate) struct Locks {
    #[command(subcommand)]
    pub(crate) command: Option<LocksCommand>,
}

/// What to do with locks.
#[derive(Debug, Subcommand)]
pub(crate) enum LocksCommand {
    /// Take the lock on an item from the run that holds it, which goes on without it
    Break(LockBreak),
}

/// Breaks a lock.
#[derive(Debug, Args)]
pub(crate) struct LockBreak {
    /// The item
    pub(crate) item: ItemName,
    /// Why
    #[arg(long, value_parser = words)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
