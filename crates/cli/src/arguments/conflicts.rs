//! The arguments of `holdpoint conflicts`.

use clap::{Args, Subcommand};

use super::{Acting, words};

/// Conflicts; without more, a list of them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Conflicts {
    /// Only those of this run; all of the project when absent
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<ConflictsCommand>,
}

/// What to do with conflicts.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsCommand {
    /// Let a run that a conflict holds go on in spite of it, as the role that its definition names
    Accept(ConflictAccept),
}

/// Accepts a conflict.
#[derive(Debug, Args)]
pub(crate) struct ConflictAccept {
    /// The run that is held: its number, or its id
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The other run
    #[arg(long, value_name = "RUN")]
    pub(crate) with: String,
    /// Why
    #[arg(long, value_parser = words)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
