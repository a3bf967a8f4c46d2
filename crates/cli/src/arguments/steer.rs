//! How people steer rollouts, as it is typed.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use holdpoint::core::{Action, Steering};

use super::{Acting, RunArgument, words};

/// What people want of rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum Steer {
    /// Pause rollouts: what is under way ends, nothing new begins, clocks stop
    Pause {
        #[command(flatten)]
        of: Several,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Let paused rollouts go on
    Resume {
        #[command(flatten)]
        of: Several,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
    },
    /// Let rollouts go no further: what they did is undone, where it can be
    Abort {
        #[command(flatten)]
        of: Several,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Undo a rollout, also one that was done, while its run is held after it
    Rollback {
        #[command(flatten)]
        run: RunArgument,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        /// A run over whose newer work at the targets, or locks on them, it is undone nevertheless;
        /// can be given several times
        #[arg(long, value_name = "RUN")]
        over: Vec<String>,
        #[command(flatten)]
        of: OfState,
        #[command(flatten)]
        acting: Acting,
    },
    /// Let a rollout go on past what it waits for: a bake, a hold, a check that told nothing
    Promote {
        #[command(flatten)]
        run: RunArgument,
        /// The target whose check told nothing; all such targets when absent
        target: Option<String>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
        #[command(flatten)]
        of: OfState,
        #[command(flatten)]
        acting: Acting,
    },
    /// Try targets again that failed, could not be restored, or whose check told nothing
    Retry {
        #[command(flatten)]
        run: RunArgument,
        /// Which; all that a person must decide about when absent
        target: Option<String>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
        #[command(flatten)]
        of: OfState,
        #[command(flatten)]
        acting: Acting,
    },
    /// Leave a target as it is, and let the rollout go on without it
    Skip {
        #[command(flatten)]
        run: RunArgument,
        /// Which
        target: String,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        of: OfState,
        #[command(flatten)]
        acting: Acting,
    },
    /// Take care of a target by hand: the rollout leaves it alone
    TakeOver {
        #[command(flatten)]
        run: RunArgument,
        /// Which; all that could not be restored when absent
        target: Option<String>,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
        #[command(flatten)]
        of: OfState,
        #[command(flatten)]
        acting: Acting,
    },
}

/// Which rollouts are meant, and who acts.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// The runs: each its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning or
    /// end of it
    #[arg(value_name = "RUN", required_unless_present = "all", conflicts_with = "all")]
    runs: Vec<String>,
    /// Every run with a rollout that this fits: of the project that `--project` names, or of all
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    of: OfState,
    #[command(flatten)]
    acting: Acting,
}

/// Which of parallel rollouts is meant.
#[derive(Debug, Args)]
pub(crate) struct OfState {
    /// The state whose rollout is meant; needed only when several are under way
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
}

/// Which runs are meant.
pub(crate) enum Meant {
    /// These.
    Runs(Vec<String>),
    /// All that it fits.
    All,
}

/// What is wanted of which runs by whom.
pub(crate) struct Steered {
    pub(crate) meant: Meant,
    pub(crate) acting: Acting,
    pub(crate) steering: Steering,
    pub(crate) action: Action,
    /// The runs over whose work it is wanted.
    pub(crate) over: Vec<String>,
    /// How that is said when it is done.
    pub(crate) done: &'static str,
}

impl Steer {
    /// The command's name, as it is typed.
    pub(crate) const fn name(&self) -> &'static str {
        self.steering().as_str()
    }

    const fn steering(&self) -> Steering {
        match self {
            Self::Pause { .. } => Steering::Pause,
            Self::Resume { .. } => Steering::Resume,
            Self::Abort { .. } => Steering::Abort,
            Self::Rollback { .. } => Steering::Rollback,
            Self::Promote { .. } => Steering::Promote,
            Self::Retry { .. } => Steering::Retry,
            Self::Skip { .. } => Steering::Skip,
            Self::TakeOver { .. } => Steering::TakeOver,
        }
    }

    /// What is wanted.
    pub(crate) fn steered(self) -> Steered {
        let steering = self.steering();
        let several = |of: Several| {
            let meant = if of.all { Meant::All } else { Meant::Runs(of.runs) };
            (meant, of.acting, of.of.state)
        };
        let one =
            |run: RunArgument, of: OfState, acting| (Meant::Runs(vec![run.run]), acting, of.state);
        let mut named = Vec::new();
        let ((meant, acting, state), target, reason, done) = match self {
            Self::Pause { of, reason } => (several(of), None, Some(reason), "paused"),
            Self::Resume { of, reason } => (several(of), None, reason, "resumed"),
            Self::Abort { of, reason } => (several(of), None, Some(reason), "aborted"),
            Self::Rollback { run, reason, over, of, acting } => {
                named = over;
                (one(run, of, acting), None, Some(reason), "rolled back")
            }
            Self::Promote { run, target, reason, of, acting } => {
                (one(run, of, acting), target, reason, "promoted")
            }
            Self::Retry { run, target, reason, of, acting } => {
                (one(run, of, acting), target, reason, "retried")
            }
            Self::Skip { run, target, reason, of, acting } => {
                (one(run, of, acting), Some(target), Some(reason), "skipped a target of")
            }
            Self::TakeOver { run, target, reason, of, acting } => {
                (one(run, of, acting), target, reason, "took over from")
            }
        };
        let action = Action::Steer { steering, target, reason, state, over: BTreeSet::new() };
        Steered { meant, acting, steering, action, over: named, done }
    }
}
