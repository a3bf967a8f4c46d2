//! How people steer rollouts, as it is typed.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use holdpoint::core::Steering;

use super::{Acting, which::Which, words};
use crate::{context::names_a_run, failure::Failure};

/// What people want of rollouts.
#[derive(Debug, Subcommand)]
pub(crate) enum Steer {
    /// Pause rollouts: what is under way ends, nothing new begins, clocks stop
    Pause {
        #[command(flatten)]
        of: Rollouts,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Let paused rollouts go on
    Resume {
        #[command(flatten)]
        of: Rollouts,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
    },
    /// Let rollouts go no further: what they did is undone, where it can be
    Abort {
        #[command(flatten)]
        of: Rollouts,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Undo rollouts, also those that were done, while their runs are held after them
    Rollback {
        #[command(flatten)]
        of: Rollouts,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        /// A run over whose newer work at the targets, or locks on them, it is undone nevertheless;
        /// can be given several times
        #[arg(long, value_name = "RUN")]
        over: Vec<String>,
    },
    /// Let rollouts go on past what they wait for: a bake, a hold, a check that told nothing
    Promote {
        #[command(flatten)]
        of: Rollouts,
        #[command(flatten)]
        at: At,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
    },
    /// Try targets again that failed, could not be restored, or whose check told nothing
    Retry {
        #[command(flatten)]
        of: Rollouts,
        #[command(flatten)]
        at: At,
        /// Also all targets that have failed, where the rollout goes forward nevertheless
        #[arg(long, conflicts_with_all = ["targets", "seen"])]
        failed: bool,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
    },
    /// Leave a target as it is, and let rollouts go on without it
    Skip {
        #[command(flatten)]
        of: Rollouts,
        #[command(flatten)]
        at: At,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
    },
    /// Take care of targets by hand: rollouts leave them alone
    TakeOver {
        #[command(flatten)]
        of: Rollouts,
        #[command(flatten)]
        at: At,
        /// Why
        #[arg(long, value_parser = words)]
        reason: Option<String>,
    },
}

/// Which rollouts are meant, and who acts.
#[derive(Debug, Args)]
pub(crate) struct Rollouts {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only the rollout of this state; needed for a named run with several under way
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// At which target.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The target, can be given several times; behind named runs its name alone will do, as in `skip 3
    /// web-7`. Where it can be left out, all are meant that a person must decide about
    #[arg(long = "target", value_name = "TARGET", conflicts_with = "seen")]
    targets: Vec<String>,
}

impl At {
    /// The targets that are meant, each once. One may stand behind the runs, where it cannot be taken for
    /// one.
    fn taken_from(mut self, which: &mut Which) -> Vec<String> {
        if self.targets.is_empty() && which.runs.len() > 1 {
            self.targets.extend(which.runs.pop_if(|last| !names_a_run(last)));
        }
        let mut known = BTreeSet::new();
        self.targets.retain(|target| known.insert(target.clone()));
        self.targets
    }
}

/// What is wanted of which rollouts.
pub(crate) struct Steered {
    pub(crate) of: Rollouts,
    pub(crate) steering: Steering,
    pub(crate) targets: Vec<String>,
    /// Whether all that have failed are meant besides.
    pub(crate) failed: bool,
    pub(crate) reason: Option<String>,
    /// The runs over whose work it is wanted.
    pub(crate) over: Vec<String>,
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
    pub(crate) fn steered(self) -> Result<Steered, Failure> {
        let steering = self.steering();
        let (mut named, mut also_failed) = (Vec::new(), false);
        let (mut of, at, reason) = match self {
            Self::Pause { of, reason } | Self::Abort { of, reason } => (of, None, Some(reason)),
            Self::Resume { of, reason } => (of, None, reason),
            Self::Rollback { of, reason, over } => {
                named = over;
                (of, None, Some(reason))
            }
            Self::Promote { of, at, reason } | Self::TakeOver { of, at, reason } => {
                (of, Some(at), reason)
            }
            Self::Retry { of, at, failed, reason } => {
                also_failed = failed;
                (of, Some(at), reason)
            }
            Self::Skip { of, at, reason } => (of, Some(at), Some(reason)),
        };
        let targets = at.map_or_else(Vec::new, |at| at.taken_from(&mut of.which));
        if steering == Steering::Skip && targets.is_empty() && of.which.seen.is_none() {
            return Err(Failure::usage(
                "no target is named that is to be left out",
                "say `--target NAME`, or its name behind the runs: `holdpoint skip RUN NAME --reason TEXT`",
            ));
        }
        Ok(Steered { of, steering, targets, failed: also_failed, reason, over: named })
    }
}
