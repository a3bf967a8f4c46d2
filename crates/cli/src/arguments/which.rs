//! Which runs a command is for, as it is typed: one, several, all that a filter finds, or those that a
//! preview has found.

use std::path::PathBuf;

use clap::Args;
use holdpoint::{
    core::{DefinitionName, MemberId},
    engine::RunRow,
};

/// Which runs are meant, and whether anything is to be done to them. Who takes it adds `--state`.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The runs: each its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning or
    /// end of it; each answers for itself
    #[arg(value_name = "RUN", required_unless_present_any = ["all", "definition", "state", "requester", "seen"])]
    #[arg(conflicts_with_all = ["all", "definition", "requester"])]
    pub(crate) runs: Vec<String>,
    /// Every run that this fits: of the project that `--project` names, or of all
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// Only what a preview has found, a file that `--dry-run --json` has printed, and nothing that is not
    /// as it was then
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["runs", "all", "definition", "state", "requester", "dry_run"])]
    pub(crate) seen: Option<PathBuf>,
    /// Only say what would come of it, run by run
    #[arg(long, visible_alias = "preview")]
    pub(crate) dry_run: bool,
}

/// Of which definition, and whose.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Whose {
    /// Only runs of this definition, in whatever version
    #[arg(long, value_name = "NAME")]
    pub(crate) definition: Option<DefinitionName>,
    /// Only runs that this member has submitted
    #[arg(long, value_name = "MEMBER")]
    pub(crate) requester: Option<MemberId>,
}

/// In which state, where runs are found and not named.
#[derive(Clone, Debug, Args)]
pub(crate) struct InState {
    /// Only runs in this state
    #[arg(long, value_name = "STATE", conflicts_with = "runs")]
    pub(crate) state: Option<String>,
}

/// Which runs are meant, of all.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    #[command(flatten)]
    pub(crate) whose: Whose,
    /// Only runs in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
}

impl Filter {
    /// Whether it takes every run.
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { whose: Whose { definition, requester }, state } = self;
        definition.is_none() && state.is_none() && requester.is_none()
    }

    /// Whether a run is meant.
    pub(crate) fn takes(&self, row: &RunRow) -> bool {
        let Self { whose: Whose { definition, requester }, state } = self;
        definition.as_ref().is_none_or(|name| row.definition.name == *name)
            && state.as_ref().is_none_or(|state| row.state == *state)
            && requester.as_ref().is_none_or(|member| row.requester.member() == Some(member))
    }
}
