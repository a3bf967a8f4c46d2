//! What is done with baselines, and by which one something is looked at, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Acting, from_one, words};

/// The baseline by which something is looked at.
#[derive(Debug, Args)]
pub(crate) struct ByBaseline {
    /// By the baseline in this file, YAML
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// By the baseline that is in force in the project
    #[arg(long, conflicts_with = "baseline")]
    pub(crate) project_baseline: bool,
}

/// Keep what every definition of a project must demand.
#[derive(Debug, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Publish a baseline, also in place of the one that is in force: definitions that do not keep to
    /// it are not published any more, and no run of them is started
    Publish {
        /// The baseline's file, YAML
        file: PathBuf,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        /// Only say which published definitions would not keep to it
        #[arg(long, visible_alias = "preview")]
        dry_run: bool,
        #[command(flatten)]
        acting: Acting,
    },
    /// Let no baseline be in force
    Withdraw {
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Show the baseline that is in force, and which published definitions do not keep to it
    Show {
        /// The one with this revision instead, in force or not
        #[arg(long, value_name = "N", value_parser = from_one, allow_negative_numbers = true)]
        revision: Option<u32>,
        /// Print it as it was published instead
        #[arg(long)]
        source: bool,
    },
    /// List all baselines that were published: by whom, when and why
    List,
}
