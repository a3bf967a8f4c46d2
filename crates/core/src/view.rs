//! What a run looks like to a person: where it stands, what holds it, who could release it, and
//! how far a rollout has come. Views are made from state and never stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    baseline::BaselineRef,
    command::{Actor, Steering},
    id::{Digest, EffectId, MemberId, RunId},
    next_step::NextStep,
    plan::PlanDrift,
};

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RunStatus {
    /// It waits: for people, for a time or for a signal.
    Held,
    /// Machines work, or are about to.
    Working,
    /// It cannot go on by itself; a person must decide how.
    Stuck,
    /// It is over.
    Ended {
        /// How, in the definition's words.
        outcome: String,
    },
}

impl RunStatus {
    /// The status as one word; the outcome stands beside it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Working => "working",
            Self::Stuck => "stuck",
            Self::Ended { .. } => "ended",
        }
    }

    /// Whether the run is over.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// What a list says of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// What the run is about, in a line.
    pub title: String,
    /// The name of the state it is in.
    pub state: String,
    /// Where it stands.
    pub status: RunStatus,
}

impl From<RunView> for RunSummary {
    fn from(RunView { title, state, status, .. }: RunView) -> Self {
        Self { title, state, status }
    }
}

/// What a run looks like now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// What the run is about, in a line.
    pub title: String,
    /// The name of the state it is in.
    pub state: String,
    /// Where it stands.
    #[serde(flatten)]
    pub status: RunStatus,
    /// When it ends by itself if it has not ended before, and in which state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DeadlineView>,
    /// The risk of its input, where its definition tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<RiskView>,
    /// What holds it; empty when nothing does.
    pub holds: Vec<HoldView>,
    /// The items whose locks the run holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// What is still to be done for approvals that were given on conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<DutyView>,
    /// The holds that it was let past by waivers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<WaivedView>,
    /// The conflicts in spite of which it was let go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<AcceptedView>,
    /// What it was shown, the newest of each name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceView>,
    /// The last of its work that failed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
    /// The rollouts before the one in `rollout` that were undone or failed, in their order: the last
    /// ten at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier_rollouts: Vec<EarlierRolloutView>,
    /// How far its rollout has come, if it is or was in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutView>,
    /// Its parallel branches, while they are under way, in the order of their names. What holds them is
    /// in `holds`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<BranchView>,
    /// Attempts that wait for their turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<QueuedView>,
    /// Attempts of which nobody knows how they ended, while that is to be settled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownView>,
    /// The baseline that it is judged by, and how it stands to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineView>,
    /// What a person can do next.
    pub next_steps: Vec<NextStep>,
}

/// The risk of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RiskView {
    /// The level.
    pub level: String,
    /// The points that make it.
    pub score: i64,
    /// The points of each factor, where there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub factors: BTreeMap<String, i64>,
    /// The level that the points alone make, where something else says what it is at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_points: Option<String>,
    /// The level that it has at least, where the definition says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
}

impl RunView {
    /// A view with a title, a state and a status, and nothing else.
    #[must_use]
    pub fn new(title: impl Into<String>, state: impl Into<String>, status: RunStatus) -> Self {
        Self {
            title: title.into(),
            state: state.into(),
            status,
            deadline: None,
            risk: None,
            holds: Vec::new(),
            locks: Vec::new(),
            duties: Vec::new(),
            waived: Vec::new(),
            accepted: Vec::new(),
            evidence: Vec::new(),
            failure: None,
            earlier_rollouts: Vec::new(),
            rollout: None,
            branches: Vec::new(),
            queued: Vec::new(),
            unknown: Vec::new(),
            baseline: None,
            next_steps: Vec::new(),
        }
    }

    /// The rollouts that are or were under way: the run's own, and those of its branches.
    #[must_use]
    pub fn rollouts(&self) -> Vec<&RolloutView> {
        let mut found: Vec<&RolloutView> = self.rollout.iter().collect();
        self.branches.iter().for_each(|one| one.rollouts(&mut found));
        found
    }
}

/// How a run stands to the baseline that it is judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BaselineView {
    /// Which baseline.
    #[serde(flatten)]
    pub reference: BaselineRef,
    /// Why nobody can tell how it stands, where that is so: then no work begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What the baseline demands, in its order.
    pub requirements: Vec<RequirementView>,
}

/// How a run stands to a requirement of its baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequirementView {
    /// The requirement's name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the run stands with it. What is open, refused or an error keeps work from beginning.
    pub status: ConditionStatus,
    /// Whether it is met, also where it was set aside.
    pub met: bool,
    /// How so.
    pub why: String,
    /// Who has taken it off this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overridden_by: Option<MemberId>,
}

/// Work that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureView {
    /// The state that did it.
    pub state: String,
    /// Why it failed.
    pub reason: String,
}

/// One of the parallel branches of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BranchView {
    /// Its name.
    pub branch: String,
    /// The state that it is in.
    pub state: String,
    /// Where it stands; `cancelled` is the outcome of one that was stopped.
    #[serde(flatten)]
    pub status: RunStatus,
    /// How far its rollout has come, if it is or was in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutView>,
    /// Its own branches, while they are under way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<BranchView>,
}

impl BranchView {
    fn rollouts<'v>(&'v self, found: &mut Vec<&'v RolloutView>) {
        found.extend(&self.rollout);
        self.branches.iter().for_each(|one| one.rollouts(found));
    }
}

/// One hold and what it waits for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HoldView {
    /// The hold's name: the state's.
    pub hold: String,
    /// When it was opened.
    pub since: Timestamp,
    /// When it resolves by itself, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DeadlineView>,
    /// What it waits for; it is released when each is met.
    pub conditions: Vec<ConditionView>,
    /// The digests of the plans that it is asked about, by the states of their rollouts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plans: BTreeMap<String, Digest>,
    /// That the inventory has changed these plans since the hold was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replanned: Option<PlansChanged>,
    /// Why there is no plan as things are now, by the states of the rollouts that have none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub no_plan: BTreeMap<String, String>,
}

/// That the inventory has changed plans that a hold is asked about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlansChanged {
    /// When that was recorded. Where it was not yet, the next who decides is told, and asked about
    /// the plans below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Timestamp>,
    /// The digests of the plans since then.
    pub plans: BTreeMap<String, Digest>,
    /// How they differ from those before, as far as that is known.
    pub drift: BTreeMap<String, PlanDrift>,
}

/// When a hold, or a run, resolves by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadlineView {
    /// When.
    pub at: Timestamp,
    /// The outcome, in the definition's words, such as `expired`; of a run, the state it ends in.
    pub outcome: String,
}

/// One condition of a hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConditionView {
    /// `approval`, `veto`, `witness`, `evidence`, `task`, `check`, `wait`, `signal`, `conflicts`, `lock`, `window`, `lockdown`, or `run` for the
    /// end of a run that was started.
    pub kind: &'static str,
    /// The rule, evidence, task, check or signal; the kind itself where there is no name.
    pub name: String,
    /// Whether it keeps the hold closed no more: met, waived, or not applicable.
    pub met: bool,
    /// Where it stands.
    pub status: ConditionStatus,
    /// The condition in words, such as `1 of 2 approvals by role engineer, qualified in network`.
    pub summary: String,
    /// How a task is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Who has decided so far.
    pub votes: Vec<VoteView>,
    /// Who has confirmed a task so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confirmations: Vec<ConfirmationView>,
    /// How many more are needed; 0 where the condition does not count people.
    pub open: u32,
    /// Who could meet it, and of those who nearly could, what they lack.
    pub candidates: Vec<Candidate>,
    /// Who could vote in the place of another who is asked, and of those who nearly could, what
    /// keeps them from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub substitutes: Vec<SubstituteView>,
}

/// Where a condition of a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionStatus {
    /// It does not apply to this run.
    NotApplicable,
    /// It is waited for.
    Open,
    /// It is met.
    Met,
    /// Somebody has said no.
    Refused,
    /// It is not met, and somebody has set that aside.
    Overridden,
    /// It is not met, and the hold is passed without it.
    Waived,
    /// Nobody can tell; that keeps the hold closed.
    Error,
}

/// A confirmation of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfirmationView {
    /// By whom.
    pub member: MemberId,
    /// When.
    pub at: Timestamp,
}

/// A hold that a run was let past by a waiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaivedView {
    /// Which.
    pub hold: String,
    /// By whom.
    pub by: Vec<MemberId>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// What was not met, such as `approval/peers`.
    pub conditions: Vec<String>,
}

/// A conflict with another run, in spite of which a run may go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AcceptedView {
    /// The hold that it was found in.
    pub hold: String,
    /// The other run.
    pub with: RunId,
    /// Its number in the project.
    pub number: u64,
    /// Who has accepted it.
    pub by: MemberId,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A duty that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DutyView {
    /// Its number in the run, from 1.
    pub duty: u32,
    /// What must be done.
    pub text: String,
    /// Who gave an approval on this condition.
    pub by: MemberId,
    /// The state that the run may not enter before; where there is none, it may not end before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// When it is due; never, for a condition of an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Whether it was not done in time.
    pub overdue: bool,
    /// Whether it is owed for a waiver, and not for an approval.
    pub for_waiver: bool,
    /// Who can say that it has been done.
    pub candidates: Vec<MemberId>,
}

/// A piece of evidence that was attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvidenceView {
    /// What it is evidence of.
    pub name: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The name of the file that it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its media type, as whoever attached it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The URL under which it is kept, where it is not kept beside the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What its author says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who attached it.
    pub by: MemberId,
    /// When.
    pub at: Timestamp,
}

/// A vote that was given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VoteView {
    /// By whom.
    pub member: MemberId,
    /// For or against.
    pub vote: crate::command::Vote,
    /// When.
    pub at: Timestamp,
    /// In whose place, where it was not the voter's own.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<PlaceView>,
    /// That it was given on another text than the one that is asked about now, and stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_text: Option<OtherText>,
}

/// That a vote was given on another text than the one that is asked about now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OtherText {
    /// The digest of the input that it was given on.
    pub given_on: Digest,
    /// The digest of the input as it is now.
    pub now: Digest,
}

/// In whose place somebody voted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaceView {
    /// Whose.
    pub member: MemberId,
    /// The substitution that let them, by its number.
    pub substitution: u32,
    /// The first moment at which that no longer held, as it was said then.
    pub until: Timestamp,
}

/// Somebody who could vote in the place of another, or what keeps them from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SubstituteView {
    /// Who.
    pub member: MemberId,
    /// In whose place.
    #[serde(rename = "for")]
    pub in_place_of: PlaceView,
    /// What keeps them from it; `None` when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

/// A member who could meet a condition, or what keeps them from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Who.
    pub member: MemberId,
    /// What keeps them from it; `None` when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}

/// How far a rollout has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolloutView {
    /// The state whose rollout it is.
    pub state: String,
    /// How often the run had entered that state by then; with the state, no other rollout of the run.
    pub visit: u32,
    /// `rolling_out`, `paused`, `baking`, `held`, `waiting` (its window is closed), `undoing`, `stuck`,
    /// `done`, `undone` or `failed`.
    pub phase: &'static str,
    /// The wave that is being worked on, from 1.
    pub wave: u32,
    /// How many waves there are.
    pub waves: u32,
    /// How many targets have failed.
    pub failed: u32,
    /// With so many that have failed the rollout is undone, or goes no further.
    pub failed_max: u32,
    /// How many targets were skipped.
    #[serde(skip_serializing_if = "is_zero")]
    pub skipped: u32,
    /// Who has paused it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<PauseView>,
    /// What it waits for after a wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<BetweenView>,
    /// Every target, in the order of the rollout.
    pub targets: Vec<TargetView>,
    /// What could be wanted of it as a whole, whoever may want it; see [`RolloutView::takes`]. Next
    /// steps say the same to readers.
    #[serde(skip)]
    pub steerable: Vec<Steering>,
}

/// A rollout that ended badly, before another of the same run began.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EarlierRolloutView {
    /// The state that it was.
    pub state: String,
    /// `undone` or `failed`.
    pub phase: &'static str,
    /// How many targets have failed.
    pub failed: u32,
    /// How many targets it had.
    pub count: u32,
    /// The targets at which something went wrong: the first ten at most.
    pub targets: Vec<TargetView>,
}

/// A pause of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PauseView {
    /// Who wanted it.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
}

/// What a rollout waits for after a wave: that its bake is over, or that people promote it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BetweenView {
    /// After which wave.
    pub wave: u32,
    /// Until when it bakes, if it bakes and nobody has paused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Who has promoted it at this hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<MemberId>,
    /// How many must; 0 where it bakes.
    #[serde(skip_serializing_if = "is_zero")]
    pub need: u32,
    /// Who could promote it, and of those who nearly could, what they lack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// An attempt that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueuedView {
    /// The effect.
    pub effect: EffectId,
    /// The activity's name.
    pub activity: String,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// Since when it waits.
    pub since: Timestamp,
    /// For what, in words.
    pub waits_for: String,
    /// How many others waited for it then, and came before.
    pub before: u32,
}

/// An attempt of which nobody knows how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownView {
    /// The only member who may say it now, where having it done again would keep them from saying it of the next
    /// attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<MemberId>,
    /// The effect.
    pub effect: EffectId,
    /// The activity's name.
    pub activity: String,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// Since when nobody knows.
    pub since: Timestamp,
    /// What is known of it.
    pub reason: String,
    /// The check that is asked about it now; a person decides when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// What the check said that did not know either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Who may say what became of it, such as `role operator, but not the requester`.
    pub whom: String,
    /// Who could now, and of those who nearly could, what they lack.
    pub candidates: Vec<Candidate>,
}

/// One target of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetView {
    /// The target's name.
    pub target: String,
    /// Its wave, from 1.
    pub wave: u32,
    /// `waiting`, `pre_checking`, `draining`, `deploying`, `verifying`, `undraining`, `checking`,
    /// `unchecked` (deployed, its check given up), `drained` (out of service, not deployed),
    /// `healthy`, `failed`, `restoring`, `restored`, `skipped`, `taken_over` or `stuck`.
    pub state: &'static str,
    /// What went wrong, if something did; it stays when the target has been restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
