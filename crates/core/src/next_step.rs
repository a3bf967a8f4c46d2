//! What a person can do next about a run.

use std::fmt;

use serde::Serialize;

use crate::{
    command::Steering,
    id::{EffectId, MemberId, RunId},
};

/// One way for a run to go on: in words for people, and as what is to be sent for programs, which
/// offer it as a button or a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// What it is and who can do it; lower case, no full stop.
    pub text: String,
    /// What is to be sent; absent where there is nothing to send, such as where somebody waits.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub ask: Option<NextAsk>,
}

/// What is to be sent for a step: the [`Action`](crate::Action) of that name, or of the project's
/// command, with as much of it as is known. A reason, a note or a file is for the person to give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum NextAsk {
    /// Vote on a hold.
    Vote {
        /// Which.
        hold: String,
    },
    /// Take one's veto on a hold back.
    Withdraw {
        /// Which.
        hold: String,
        /// Whose veto.
        member: MemberId,
    },
    /// Set a member's veto on a hold aside.
    Overrule {
        /// Which.
        hold: String,
        /// Whose veto.
        member: MemberId,
    },
    /// Count the votes on a hold anew.
    Recount {
        /// Which.
        hold: String,
    },
    /// Object to what goes on by itself.
    Object {
        /// The hold.
        hold: String,
    },
    /// Replace the input.
    Amend,
    /// Hand in a piece of evidence.
    Attach {
        /// Its name.
        name: String,
    },
    /// Say that a task was done.
    Done {
        /// The hold.
        hold: String,
        /// Which task.
        task: String,
    },
    /// Make a check of a hold again.
    Recheck {
        /// The hold.
        hold: String,
        /// Which check.
        check: String,
    },
    /// Let the run pass a hold that is not met.
    Waive {
        /// Which.
        hold: String,
    },
    /// Go on although a window is closed.
    Override {
        /// The state that waits for it.
        hold: String,
    },
    /// Take a requirement of its baseline off the run.
    OverrideRequirement {
        /// Which.
        requirement: String,
    },
    /// Send a signal.
    Signal {
        /// Its name.
        name: String,
        /// Whether what comes with it must be something.
        #[serde(rename = "data")]
        with_data: bool,
    },
    /// Steer a rollout.
    Steer {
        /// What is wanted of it.
        steering: Steering,
        /// The state whose rollout it is.
        state: String,
        /// The numbers of the runs over whose newer work, or locks, it would be undone: to be named
        /// (`over`), or to be dealt with first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        over: Vec<u64>,
    },
    /// Say what became of an attempt.
    Settle {
        /// Of which activity.
        effect: EffectId,
    },
    /// Say that a duty has been done.
    Discharge {
        /// Its number in the run.
        duty: u32,
    },
    /// Release a lockdown of the project.
    ReleaseLockdown {
        /// Its number in the project.
        lockdown: u32,
    },
    /// Go on in spite of a conflict.
    AcceptConflict {
        /// With which run.
        with: RunId,
        /// Its number in the project.
        number: u64,
    },
    /// Stop the run for good.
    Cancel,
}

impl NextStep {
    /// A step for which something is sent.
    #[must_use]
    pub fn ask(text: impl Into<String>, ask: NextAsk) -> Self {
        Self { text: text.into(), ask: Some(ask) }
    }

    /// A step for which nothing is sent to the run.
    #[must_use]
    pub fn told(text: impl Into<String>) -> Self {
        Self { text: text.into(), ask: None }
    }
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
