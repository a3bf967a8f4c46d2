//! What is done with lockdowns, as it is typed.

use clap::{Args, Subcommand};
use holdpoint::core::{DefinitionName, Selector};

use super::{Acting, from_one, words};

/// Hold back all that would start.
#[derive(Debug, Subcommand)]
pub(crate) enum LockdownCommand {
    /// Hold back all that would start in a scope, from now until the lockdown is released. What is
    /// under way finishes
    Impose(Impose),
    /// Release a lockdown: what it holds goes on, unless another holds it
    Release {
        /// Its number, as `holdpoint lockdown list` shows it
        #[arg(value_parser = from_one, allow_negative_numbers = true)]
        lockdown: u32,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// List the lockdowns that are in force, and the runs that each holds
    List,
}

/// Imposes a lockdown.
#[derive(Debug, Args)]
pub(crate) struct Impose {
    /// Why
    #[arg(long, value_parser = words)]
    pub(crate) reason: String,
    /// Only runs of this definition; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) definition: Vec<DefinitionName>,
    /// No runs of this definition; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) except: Vec<DefinitionName>,
    /// Only runs that touch an item which is selected, such as 'env=prod,role in (web, api)'
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) items: Option<Selector>,
    /// Only list the runs that it would hold, and those that it would let finish
    #[arg(long, visible_alias = "preview")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
