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
    /// What people decide about the plan, where a hold is asked about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<PlanApproval>,
    /// How the plan differs by targets from the one that the state has begun with or, where it has not
    /// begun, that people are asked about or have released; nothing where it does not, or where its
    /// targets are too many to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<PlanDrift>,
    /// The plan, where it can be made.
    #[serde(flatten)]
    pub plan: Option<Plan>,
    /// Why it cannot be made now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What people decide about a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanApproval {
    /// The hold that is asked about it.
    pub hold: String,
    /// Whether the hold was released with it; otherwise the hold is open.
    pub released: bool,
    /// The plan, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// How many of a plan's targets are named where all could be too many.
const TARGETS_NAMED_MAX: usize = 20;

/// Targets of a plan, of which the first are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SomeTargets {
    /// How many there are.
    pub count: u32,
    /// The first of them, at most 20.
    pub first: Vec<String>,
}

impl SomeTargets {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'n> FromIterator<&'n String> for SomeTargets {
    fn from_iter<T: IntoIterator<Item = &'n String>>(names: T) -> Self {
        let mut some = Self::default();
        for name in names {
            some.count = some.count.saturating_add(1);
            if some.first.len() < TARGETS_NAMED_MAX {
                some.first.push(name.clone());
            }
        }
        some
    }
}

/// How a plan differs from an earlier one, by targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDrift {
    /// Targets that the earlier one had not.
    #[serde(default, skip_serializing_if = "SomeTargets::is_empty")]
    pub added: SomeTargets,
    /// Targets that only the earlier one had.
    #[serde(default, skip_serializing_if = "SomeTargets::is_empty")]
    pub removed: SomeTargets,
    /// Targets that are in another wave, or come before or after others than they did.
    #[serde(default, skip_serializing_if = "SomeTargets::is_empty")]
    pub moved: SomeTargets,
    /// Targets at which something else is done, or with other arguments.
    #[serde(default, skip_serializing_if = "SomeTargets::is_empty")]
    pub changed: SomeTargets,
}

impl PlanDrift {
    /// In words, such as `added: web-3, web-4; removed: db-1`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let parts = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("in another place or wave", &self.moved),
            ("with other steps or arguments", &self.changed),
        ];
        let words: Vec<String> = parts
            .into_iter()
            .filter(|(_, some)| !some.is_empty())
            .map(|(what, some)| {
                let named = u32::try_from(some.first.len()).unwrap_or(u32::MAX);
                let more = match some.count.saturating_sub(named) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{what}: {}{more}", some.first.join(", "))
            })
            .collect();
        if words.is_empty() {
            return "the same targets, with other waves, times or limits".to_owned();
        }
        words.join("; ")
    }
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
