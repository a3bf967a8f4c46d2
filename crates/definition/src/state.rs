//! The state of a run: the sum of its events.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Actor, BaselineRef, Digest, EffectId, MemberId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    child::ChildState,
    conflicting::Accepted,
    duties::Duty,
    earlier::Earlier,
    event_data::{Lapsing, Risk, Sender},
    evidence::Evidence,
    expr::Vars,
    hold_state::HoldState,
    locking::Locks,
    parallel_state::{Fork, Outside},
    plan_targets::PlanTargets,
    requalifying::Relied,
    requirements::Kept,
    rollout_state::RolloutState,
    waiver::Waived,
    work_window::WorkTimes,
};

/// The state of a run of a declarative definition. What is large is shared, so that a copy is
/// cheap.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub(crate) requester: Actor,
    /// The input with its defaults.
    pub(crate) input: Arc<Value>,
    /// The digest of `input`.
    pub(crate) digest: Digest,
    /// The risk of the input, where the definition tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) risk: Option<Risk>,
    /// What states left behind.
    pub(crate) outputs: BTreeMap<String, Arc<Value>>,
    /// How often each state has been entered.
    pub(crate) visits: BTreeMap<String, u32>,
    /// The outcomes with which states were left, of each the last; of a hold that is open again none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) left: BTreeMap<String, String>,
    /// Signals that no hold has taken yet.
    pub(crate) signals: Vec<Signal>,
    /// The baseline that the run is judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<BaselineRef>,
    /// What it has of what that demands.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub(crate) kept: Kept,
    /// The holds that people have released, or let pass without an objection.
    pub(crate) approved: BTreeSet<String>,
    /// The plans with which holds were released, by the states of their rollouts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) approved_plans: BTreeMap<String, Digest>,
    /// Their targets, until the rollouts begin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) approved_targets: BTreeMap<String, PlanTargets>,
    /// The holds that were released with approvals whose qualifications must be valid when work begins,
    /// until it has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) relied: BTreeMap<String, Relied>,
    /// The holds that it was let past by waivers.
    pub(crate) waived: Vec<Waived>,
    /// The conflicts in spite of which it was let go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accepted: Vec<Accepted>,
    /// Whether the last hold that looked for conflicts was released.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) let_through: bool,
    /// What it was shown, the newest of each name.
    pub(crate) evidence: BTreeMap<String, Evidence>,
    /// Who has amended the input.
    pub(crate) editors: BTreeSet<MemberId>,
    /// Who carries the run out: those who have steered its rollouts, confirmed its tasks, or said what
    /// became of its work.
    pub(crate) executors: BTreeSet<MemberId>,
    /// What must still be done for approvals that were given on conditions.
    pub(crate) duties: Vec<Duty>,
    /// How many duties have been opened.
    pub(crate) duties_opened: u32,
    /// When the run was submitted.
    pub(crate) started: Timestamp,
    /// When the state that it is in was entered.
    pub(crate) entered: Timestamp,
    /// Whether the time for the whole run was over.
    pub(crate) expired: bool,
    /// Whether the run was cancelled.
    pub(crate) cancelled: bool,
    /// Whether the last hold that waited for a window was released although that was overridden.
    #[serde(default)]
    pub(crate) overridden: bool,
    /// The last work that failed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// The rollouts before that which ended badly, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) earlier: Vec<Earlier>,
    /// The rollout that is under way, or the last that was.
    pub(crate) rollout: Option<RolloutState>,
    /// The locks that the run holds.
    #[serde(default)]
    pub(crate) locks: Locks,
    pub(crate) place: Place,
    /// What is outside of the branch that is looked at, the outermost first. What belongs to a place,
    /// as `entered` and `rollout` do, is put aside with it: see `parallel_state::Focus`.
    #[serde(skip)]
    pub(crate) outside: Vec<Outside>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(of: &bool) -> bool {
    !*of
}

/// Work that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The state that did it.
    pub(crate) state: String,
    pub(crate) reason: String,
}

/// A signal that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signal {
    pub(crate) name: String,
    pub(crate) data: Arc<Value>,
    /// Who sent it, where not every member may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<Sender>,
}

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "most runs that are in memory are held")]
pub(crate) enum Place {
    /// Before its first state.
    Begin,
    /// It has entered a state and nothing has happened there yet.
    Entered { state: String },
    /// It rests because an expression could not be evaluated.
    Blocked { state: String, reason: String },
    /// It is held.
    Hold(HoldState),
    /// It waits before a state for duties that are due before it, for the end of lockdowns, for what its
    /// baseline demands, or for approvals that count.
    Owing {
        state: String,
        next: String,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        lockdowns: BTreeSet<u32>,
        /// What its baseline demands before the state.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        lacking: BTreeSet<String>,
        /// The approvals that do not count any more, as qualifications have lapsed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lapsed: Option<Lapsing>,
    },
    /// An activity is to be done.
    Activity {
        state: String,
        effect: EffectId,
        name: String,
        input: Arc<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Box<WorkTimes>>,
    },
    /// A run of another definition is to be done.
    Child(ChildState),
    /// A rollout is under way.
    Rollout { state: String },
    /// Its branches are under way.
    All(Fork),
    /// A state has an outcome and the run has not gone on yet.
    Resolved { state: String, outcome: String },
    /// It is over.
    Ended { state: String, outcome: String },
    /// It is a branch that went no further.
    Stopped { state: String },
}

impl State {
    /// The variables of expressions.
    pub(crate) fn vars(&self) -> Vars<'_> {
        Vars {
            input: &self.input,
            requester: self.requester.member().map_or("engine", MemberId::as_str),
            outputs: &self.outputs,
            risk: self.risk.as_ref(),
            target: None,
            signal: None,
        }
    }

    /// The name of the state that the run is in.
    pub(crate) fn state(&self) -> &str {
        self.place.state()
    }

    /// How often the state has been entered.
    pub(crate) fn visit(&self, state: &str) -> u32 {
        self.visits.get(state).copied().unwrap_or(0)
    }
}

impl Place {
    /// The name of the state.
    pub(crate) fn state(&self) -> &str {
        match self {
            Self::Begin => "",
            Self::Entered { state }
            | Self::Blocked { state, .. }
            | Self::Owing { state, .. }
            | Self::Activity { state, .. }
            | Self::Rollout { state }
            | Self::Resolved { state, .. }
            | Self::Stopped { state }
            | Self::Ended { state, .. } => state,
            Self::Hold(hold) => &hold.hold,
            Self::All(fork) => &fork.state,
            Self::Child(child) => &child.state,
        }
    }
}
