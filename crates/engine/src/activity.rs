//! Work done for a run, and who does it.

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_core::{Digest, EffectId, Outcome, ProjectId, RunId};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Notify;

use crate::limits::Takes;

/// One attempt at an activity.
///
/// The attempt was recorded before it begins. When the engine dies during it, the outcome is
/// recorded as unknown and another attempt follows with the same
/// [`idempotency_key`](Self::idempotency_key): work is done at least once, and whoever does it
/// can tell a repetition by the key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// The run that asks.
    pub run: RunId,
    /// Its project.
    pub project: ProjectId,
    /// The effect, named within the run.
    pub effect: EffectId,
    /// The same for every attempt at this effect, and for no other effect.
    pub idempotency_key: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The activity's name.
    pub activity: String,
    /// What the definition gives to the work.
    pub input: Value,
    /// How long the attempt may take; the engine ends it then.
    pub timeout: SignedDuration,
    /// How long it may give no [sign of life](Self::life); the engine ends it then, too.
    pub heartbeat: Option<SignedDuration>,
    #[serde(skip)]
    /// Where it gives signs of life.
    pub life: Life,
}

/// Where an attempt gives signs of life. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub struct Life(Arc<Notify>);

impl Life {
    /// Says that the attempt is still at work.
    pub fn beat(&self) {
        self.0.notify_one();
    }

    /// Waits for the next sign, or takes the one that was given since the last was taken.
    pub(crate) async fn beaten(&self) {
        self.0.notified().await;
    }
}

impl PartialEq for Life {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Does the work of an activity.
#[async_trait]
pub trait ActivityHandler: Send + Sync {
    /// What an attempt with this input takes up while it is under way: it begins when there is room.
    fn takes(&self, _input: &Value) -> Takes {
        Takes::default()
    }

    /// The digest of what the activity's name means here: of all that says what is done, and of no secret. Each attempt
    /// records it, so that it can be told for ever whether something else was done under the same name.
    fn configured(&self) -> Option<Digest> {
        None
    }

    /// Does the work once and says how it ended.
    ///
    /// The future is dropped when the attempt times out, when the run no longer wants it, and when
    /// the engine shuts down: what it has started outside must end with it, or be safe to repeat.
    /// A panic counts as a failure that is not tried again.
    async fn attempt(&self, attempt: Attempt) -> Outcome;
}
