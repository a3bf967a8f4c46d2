//! Which runs are voted on, as it is typed.

use clap::Args;
use holdpoint::core::Digest;

use super::{
    Acting,
    which::{InState, Which},
};

/// Which runs are voted on, and by whom.
#[derive(Debug, Args)]
pub(crate) struct Votes {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) of: InState,
    /// The plan that you have looked at, by its digest: where another one would be carried out by now,
    /// the vote is refused; may be given several times, for a hold that is asked about several plans
    #[arg(long = "plan", value_name = "DIGEST")]
    #[arg(conflicts_with_all = ["all", "definition", "state", "requester", "seen"])]
    pub(crate) plans: Vec<Digest>,
    /// The hold that is meant; needed only when several are open
    #[arg(long, conflicts_with = "seen")]
    pub(crate) hold: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
