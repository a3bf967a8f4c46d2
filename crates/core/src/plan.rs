//! What a run would do at which targets, in which order: made for people before it is done, and
//! never stored but for its digest.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Digest;

/// What one state of a run would do with the run's input, and with the project's items, as they are
/// now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The state.
    pub state: String,
    /// The digest of the plan with which the state has begun, where it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_with: Option<Digest>,
    /// The plan, where it can be made.
    #[serde(flatten)]
    pub plan: Option<Plan>,
    /// Why it cannot be made now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What is done at which target, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The digest of all of it: another target, another order, another wave, another argument makes
    /// another.
    pub digest: Digest,
    /// What selected the targets among the project's items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// How many targets there are.
    pub targets: u32,
    /// With how many failed targets it is turned round.
    pub max_failed: u32,
    /// How many targets are worked on at once; as many as there are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// How many targets may be out of service at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<u32>,
    /// Its waves.
    pub waves: Vec<PlannedWave>,
}

/// A wave, and what lies behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedWave {
    /// Which, from 1.
    pub wave: u32,
    /// Whether it is not one of the targets' waves but the switch, which is done once after them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub switch: bool,
    /// Its targets, in the order in which they are begun with.
    pub targets: Vec<PlannedTarget>,
    /// How long the rollout waits after it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_ms: Option<u64>,
    /// Who must promote the rollout after it, one hold after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<PlannedHold>,
}

/// A hold after a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedHold {
    /// Who may promote the rollout: `requester`, `role:NAME`, `member:NAME`.
    pub from: Vec<String>,
    /// How many of them must.
    pub need: u32,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedTarget {
    /// Its name; `switch` for what is done once after every target.
    pub target: String,
    /// Its place in the rollout, from 1.
    pub number: u32,
    /// What is done there.
    pub steps: Vec<PlannedStep>,
    /// What undoes that when it was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<PlannedStep>,
}

/// A step at a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Which, such as `deploy`.
    pub step: String,
    /// The activity that is asked for.
    pub activity: String,
    /// What its worker is given.
    pub input: Value,
}
