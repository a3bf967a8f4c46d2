//! Which runs are voted on, as it is typed: one, several, or all that a filter finds.

use std::path::PathBuf;

use clap::Args;
use holdpoint::{
    core::{DefinitionName, Digest, MemberId},
    engine::RunRow,
};

use super::Acting;

/// Which runs are voted on, and by whom.
#[derive(Debug, Args)]
pub(crate) struct Votes {
    /// The runs: each its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning or
    /// end of it; each is decided by itself
    #[arg(value_name = "RUN", required_unless_present_any = ["all", "definition", "state", "requester", "seen"])]
    #[arg(conflicts_with_all = ["all", "definition", "state", "requester"])]
    pub(crate) runs: Vec<String>,
    /// Every run that waits for votes: of the project that `--project` names, or of all
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Vote on what a preview has found, a file that `--dry-run --json` has printed, and on nothing
    /// that is not as it was then
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["runs", "all", "definition", "state", "requester", "hold", "dry_run"])]
    pub(crate) seen: Option<PathBuf>,
    /// The plan that you have looked at, by its digest: where another one would be carried out by now,
    /// the vote is refused; may be given several times, for a hold that is asked about several plans
    #[arg(long = "plan", value_name = "DIGEST")]
    #[arg(conflicts_with_all = ["all", "definition", "state", "requester", "seen"])]
    pub(crate) plans: Vec<Digest>,
    /// Only say what would come of it, run by run
    #[arg(long, visible_alias = "preview")]
    pub(crate) dry_run: bool,
    /// The hold that is meant; needed only when several are open
    #[arg(long)]
    pub(crate) hold: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// Which runs are meant, of all.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only runs of this definition, in whatever version
    #[arg(long, value_name = "NAME")]
    pub(crate) definition: Option<DefinitionName>,
    /// Only runs in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only runs that this member has submitted
    #[arg(long, value_name = "MEMBER")]
    pub(crate) requester: Option<MemberId>,
}

impl Filter {
    /// Whether it takes every run.
    pub(crate) const fn is_empty(&self) -> bool {
        self.definition.is_none() && self.state.is_none() && self.requester.is_none()
    }

    /// Whether a run is meant.
    pub(crate) fn takes(&self, row: &RunRow) -> bool {
        let Self { definition, state, requester } = self;
        definition.as_ref().is_none_or(|name| row.definition.name == *name)
            && state.as_ref().is_none_or(|state| row.state == *state)
            && requester.as_ref().is_none_or(|member| row.requester.member() == Some(member))
    }
}
