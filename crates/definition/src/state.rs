//! The state of a run: the sum of its events.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Actor, Digest, EffectId, Vote, id::MemberId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{approval, event::OpenRule, expr::Vars, model::Hold, rollout_state::RolloutState};

/// The state of a run of a declarative definition. What is large is shared, so that a copy is
/// cheap.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub(crate) requester: Actor,
    /// The input with its defaults.
    pub(crate) input: Arc<Value>,
    /// The digest of `input`.
    pub(crate) digest: Digest,
    /// What states left behind.
    pub(crate) outputs: BTreeMap<String, Arc<Value>>,
    /// How often each state has been entered.
    pub(crate) visits: BTreeMap<String, u32>,
    /// Signals that no hold has taken yet.
    pub(crate) signals: Vec<Signal>,
    /// Whether the run was cancelled.
    pub(crate) cancelled: bool,
    /// The rollout that is under way, or the last that was.
    pub(crate) rollout: Option<RolloutState>,
    pub(crate) place: Place,
}

/// A signal that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signal {
    pub(crate) name: String,
    pub(crate) data: Arc<Value>,
}

/// Where a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// Before its first state.
    Begin,
    /// It has entered a state and nothing has happened there yet.
    Entered { state: String },
    /// It rests because an expression could not be evaluated.
    Blocked { state: String, reason: String },
    /// It is held.
    Hold(HoldState),
    /// An activity is to be done.
    Activity { state: String, effect: EffectId, name: String, input: Arc<Value> },
    /// A rollout is under way.
    Rollout { state: String },
    /// A state has an outcome and the run has not gone on yet.
    Resolved { state: String, outcome: String },
    /// It is over.
    Ended { state: String, outcome: String },
}

/// An open hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldState {
    pub(crate) hold: String,
    pub(crate) visit: u32,
    pub(crate) opened: Timestamp,
    pub(crate) rules: Vec<OpenRule>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) votes: Vec<Given>,
    pub(crate) waited: bool,
    pub(crate) signalled: bool,
}

/// A vote that was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) member: MemberId,
    pub(crate) vote: Vote,
    pub(crate) at: Timestamp,
    pub(crate) rules: BTreeSet<String>,
}

impl HoldState {
    /// The effect that wakes the hold at `until`.
    pub(crate) fn wait_effect(&self) -> EffectId {
        EffectId::new(format!("{}#{}/wait", self.hold, self.visit))
    }

    /// The effect that wakes the hold at its deadline.
    pub(crate) fn deadline_effect(&self) -> EffectId {
        EffectId::new(format!("{}#{}/deadline", self.hold, self.visit))
    }

    /// How many seats of each rule are filled.
    pub(crate) fn filled(&self) -> Vec<u32> {
        approval::filled(&self.rules, &self.approvals())
    }

    /// How many seats would be filled with one more approval.
    pub(crate) fn filled_with(&self, rules: &BTreeSet<String>) -> Vec<u32> {
        let mut ballots = self.approvals();
        ballots.push(rules);
        approval::filled(&self.rules, &ballots)
    }

    /// The votes that stand under a rule: approvals that fill a seat of it, and rejections.
    pub(crate) fn votes_under<'s>(&'s self, rule: &'s OpenRule) -> impl Iterator<Item = &'s Given> {
        let seated = approval::seated(&self.rules, &self.approvals());
        let mut seated = seated.into_iter();
        self.votes.iter().filter(move |vote| match vote.vote {
            Vote::Approve => seated
                .next()
                .flatten()
                .and_then(|seat| self.rules.get(seat))
                .is_some_and(|seat| seat.rule == rule.rule),
            Vote::Reject => vote.rules.contains(&rule.rule),
        })
    }

    fn approvals(&self) -> Vec<&BTreeSet<String>> {
        self.votes
            .iter()
            .filter(|vote| vote.vote == Vote::Approve)
            .map(|vote| &vote.rules)
            .collect()
    }

    /// Whether someone has voted.
    pub(crate) fn has_voted(&self, member: &MemberId) -> bool {
        self.votes.iter().any(|vote| vote.member == *member)
    }

    /// Whether somebody has rejected.
    pub(crate) fn rejection(&self) -> Option<&Given> {
        self.votes.iter().find(|vote| vote.vote == Vote::Reject)
    }

    /// Whether every seat is filled. Where no rule applies there is nothing to fill and nobody has
    /// agreed, so it is not.
    pub(crate) fn is_approved(&self) -> bool {
        !self.rules.is_empty()
            && self.filled().iter().zip(&self.rules).all(|(filled, rule)| *filled >= rule.need)
    }

    /// Whether all that the hold waits for is there.
    pub(crate) fn is_complete(&self, hold: &Hold) -> bool {
        (hold.approval.is_none() || self.is_approved())
            && (hold.wait.is_none() || self.waited)
            && (hold.signal.is_none() || self.signalled)
    }

    /// Whether the deadline has passed, noticed or not.
    pub(crate) fn is_past(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl State {
    /// The variables of expressions.
    pub(crate) fn vars(&self) -> Vars<'_> {
        Vars {
            input: &self.input,
            requester: self.requester.member().map_or("engine", MemberId::as_str),
            outputs: &self.outputs,
            target: None,
            signal: None,
        }
    }

    /// The name of the state that the run is in.
    pub(crate) fn state(&self) -> &str {
        match &self.place {
            Place::Begin => "",
            Place::Entered { state }
            | Place::Blocked { state, .. }
            | Place::Activity { state, .. }
            | Place::Rollout { state }
            | Place::Resolved { state, .. }
            | Place::Ended { state, .. } => state,
            Place::Hold(hold) => &hold.hold,
        }
    }

    /// How often the state has been entered.
    pub(crate) fn visit(&self, state: &str) -> u32 {
        self.visits.get(state).copied().unwrap_or(0)
    }
}
