//! The events that every run has, whatever its workflow.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DefinitionRef, Parent};
use crate::{
    baseline::BaselineRef,
    conflict::Conflict,
    event::EventType,
    id::{DefinitionName, Digest, EffectId, RoleName, RunId},
    settlement::{Settled, SettledBy},
};

/// The facts that every run has, whatever its workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum RunEvent {
    /// A run was submitted. Always the first event; its envelope carries the definition's digest.
    #[serde(rename = "holdpoint.run.started")]
    Started {
        /// The definition's name.
        workflow: DefinitionName,
        /// The definition's version.
        version: u32,
        /// What was submitted, completed by the definition's defaults.
        input: Value,
        /// The run that started it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Parent>,
        /// The baseline that was in force in the project, by which the run is judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        baseline: Option<BaselineRef>,
    },
    /// The run goes on by another version of its definition. What follows in its history is that
    /// version's.
    #[serde(rename = "holdpoint.run.migrated")]
    Migrated {
        /// The version that it went by.
        from: DefinitionRef,
        /// The version that it goes by now.
        to: DefinitionRef,
        /// Where it was then.
        state: String,
        /// What states of the old version are called in the new one, where that differs.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        states: BTreeMap<String, String>,
        /// The input as the new version completes it, where that differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// The baseline that was in force in the project, by which the run is judged from now on; where
        /// there was none, it is judged as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        baseline: Option<BaselineRef>,
        /// The roles of the member who did it.
        roles: BTreeSet<RoleName>,
        /// Why.
        reason: String,
    },
    /// The run was found to be in conflict with others. It decides nothing.
    #[serde(rename = "holdpoint.run.conflicts")]
    Conflicts {
        /// The others.
        with: Vec<Conflict>,
    },
    /// The run that an effect asks for was started.
    #[serde(rename = "holdpoint.child.started")]
    ChildStarted {
        /// Which effect.
        effect: EffectId,
        /// The run.
        run: RunId,
    },
    /// The run that an effect asks for could not be started.
    #[serde(rename = "holdpoint.child.refused")]
    ChildRefused {
        /// Which effect.
        effect: EffectId,
        /// Why not.
        error: String,
    },
    /// The run that an effect asked for has ended.
    #[serde(rename = "holdpoint.child.ended")]
    ChildEnded {
        /// Which effect.
        effect: EffectId,
        /// The run.
        run: RunId,
        /// How, in its definition's words.
        outcome: String,
    },
    /// An attempt at an activity waits for its turn, as no more may be under way, or begin so fast.
    /// One whose turn comes at once has no such event.
    #[serde(rename = "holdpoint.activity.queued")]
    AttemptQueued {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// For what it waits, in words.
        waits_for: String,
        /// How many others waited for it then.
        before: u32,
    },
    /// The turn of an attempt did not come in time: it does not begin, and no other follows.
    #[serde(rename = "holdpoint.activity.not_begun")]
    AttemptNotBegun {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// For what it waited, and how long.
        error: String,
    },
    /// An attempt at an activity is about to begin.
    #[serde(rename = "holdpoint.activity.started")]
    AttemptStarted {
        /// Which effect.
        effect: EffectId,
        /// The activity's name.
        activity: String,
        /// Counted from 1.
        attempt: u32,
        /// The digest of what that name meant to whoever did it, where they said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        configured: Option<Digest>,
    },
    /// An activity was done.
    #[serde(rename = "holdpoint.activity.completed")]
    AttemptCompleted {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// What it answered.
        output: Value,
    },
    /// An attempt failed.
    #[serde(rename = "holdpoint.activity.failed")]
    AttemptFailed {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// What went wrong.
        error: String,
        /// When the next attempt is due; absent when there is to be none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// Nobody knows how an attempt ended. What comes of that is the activity's
    /// [`Settling`](crate::Settling); the next attempt carries the same idempotency key.
    #[serde(rename = "holdpoint.activity.unknown")]
    AttemptUnknown {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// What is known of it.
        reason: String,
        /// Whether it is one of the attempts that may fail, unless it was done: it began, and
        /// nobody answered in time.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        counts: bool,
    },
    /// It was settled how an attempt ended of which nobody knew, by a check or by a person.
    #[serde(rename = "holdpoint.activity.settled")]
    AttemptSettled {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// How.
        settled: Settled,
        /// What the work would have answered; `null` and absent are the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
        /// What the check says, or the person's reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// When the next attempt is due; absent when there is to be none, or none yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// The person who says so, who counts among those who carry the run out from then on. Absent
        /// where a check does, and in histories from before that was recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<SettledBy>,
    },
    /// The run moved on while an attempt was under way; its outcome no longer counts.
    #[serde(rename = "holdpoint.activity.abandoned")]
    AttemptAbandoned {
        /// Which effect.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
    },
    /// A timer was due.
    #[serde(rename = "holdpoint.timer.fired")]
    TimerFired {
        /// Which effect.
        effect: EffectId,
        /// When it was due; the event's time says when it was noticed.
        due: Timestamp,
    },
}

const TYPES: [&str; 15] = [
    "holdpoint.run.started",
    "holdpoint.run.migrated",
    "holdpoint.run.conflicts",
    "holdpoint.child.started",
    "holdpoint.child.refused",
    "holdpoint.child.ended",
    "holdpoint.activity.queued",
    "holdpoint.activity.not_begun",
    "holdpoint.activity.started",
    "holdpoint.activity.completed",
    "holdpoint.activity.failed",
    "holdpoint.activity.unknown",
    "holdpoint.activity.settled",
    "holdpoint.activity.abandoned",
    "holdpoint.timer.fired",
];

impl RunEvent {
    /// The effect whose attempts the event is about, if it is about some.
    pub(super) const fn effect(&self) -> Option<&EffectId> {
        match self {
            Self::AttemptQueued { effect, .. }
            | Self::AttemptNotBegun { effect, .. }
            | Self::AttemptStarted { effect, .. }
            | Self::AttemptCompleted { effect, .. }
            | Self::AttemptFailed { effect, .. }
            | Self::AttemptUnknown { effect, .. }
            | Self::AttemptSettled { effect, .. }
            | Self::AttemptAbandoned { effect, .. } => Some(effect),
            Self::Started { .. }
            | Self::Migrated { .. }
            | Self::Conflicts { .. }
            | Self::TimerFired { .. }
            | Self::ChildStarted { .. }
            | Self::ChildRefused { .. }
            | Self::ChildEnded { .. } => None,
        }
    }

    /// Whether `kind` is one of these, rather than one of the workflow's own.
    #[must_use]
    pub fn is_type(kind: &EventType) -> bool {
        TYPES.contains(&kind.as_str())
    }
}
