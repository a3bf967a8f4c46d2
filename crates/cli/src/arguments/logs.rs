//! What of programs' output is meant, as it is typed.

use clap::Args;

/// Which output is printed.
#[derive(Debug, Args)]
#[command(
    after_help = "Of what still runs, and of the last 100 attempts that have ended, the last 128 KiB at least \
    are kept; docs/activities.md says more. What was recorded for ever is in `holdpoint history RUN` and \
    `holdpoint output DIGEST`."
)]
pub(crate) struct Logs {
    /// Only of this run: its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning
    /// or end of it
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Only at this target, or for this piece of work, as `holdpoint show` names it
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// Go on with what is written from now on, until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Of what was written before, only so many lines of each attempt, the last
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    pub(crate) tail: Option<usize>,
}
