//! What events of a run hold: rules as they apply, votes, evidence, targets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Digest, MemberId, NewDuty, QualificationName, RoleName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A rule of an approval, as it applies to one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRule {
    /// The rule's name.
    pub rule: String,
    /// How many must agree.
    pub need: u32,
    /// The qualification that is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualified: Option<QualificationName>,
    /// Who is asked, where that is settled when the hold opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roster: Option<BTreeSet<MemberId>>,
}

/// A task of a hold, as it is asked of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTask {
    /// Its name.
    pub task: String,
    /// What is to be done, in a line.
    pub title: String,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// How many people must confirm it.
    pub need: u32,
    /// The qualification that is demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualified: Option<QualificationName>,
}

/// A check of a hold, as it is made for one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenCheck {
    /// Its name.
    pub check: String,
    /// What the worker is given.
    pub input: Arc<Value>,
    /// How long after one that did not pass it is made again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// How old one that has passed may be when the hold is released, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_ms: Option<u64>,
}

/// A hold that has what its baseline demands, and is about to be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetByRelease {
    /// Which hold.
    pub hold: String,
    /// The requirements that are met by that.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub requirements: BTreeSet<String>,
    /// Those that are not, as the hold's window was overridden.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overridden: BTreeSet<String>,
}

/// That a requirement of its baseline was taken off a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overriding {
    /// Which.
    pub requirement: String,
    /// By whom.
    pub member: MemberId,
    /// All that the member held then.
    pub roles: BTreeSet<RoleName>,
    /// The digest of the input, with which alone it counts.
    pub digest: Digest,
    /// Why.
    pub reason: String,
}

/// That what was taken off a run is demanded of it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideEnd {
    /// Which requirement.
    pub requirement: String,
    /// By whom.
    pub member: MemberId,
    /// All that the member held then.
    pub roles: BTreeSet<RoleName>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The risk of a run, with what it follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// The level that the points make.
    pub level: String,
    /// The points in all.
    pub score: i64,
    /// The points of each factor, where there are any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub factors: BTreeMap<String, i64>,
    /// Which case of each factor counted, from 1; none for a factor of which none did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cases: BTreeMap<String, u32>,
    /// The level that the points alone make, where the definition says what it is at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_points: Option<String>,
    /// The level that it has at least, where the definition says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// The members of the input that it follows from; of a large one the digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Value>,
}

/// What a check has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as it should be.
    Passed,
    /// It is not.
    Failed,
    /// That cannot be told.
    Inconclusive,
}

/// Why a check is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// The definition says how long after one that did not pass.
    Due,
    /// All else was there, and it had passed too long ago.
    Stale,
    /// A person wants it.
    Asked,
}

/// A confirmation of a task, with the facts that made it count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Of which hold.
    pub hold: String,
    /// Which task.
    pub task: String,
    /// Who says so.
    pub member: MemberId,
    /// The roles that they held then.
    pub roles: BTreeSet<RoleName>,
    /// The qualification relied upon, valid then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualified: Option<QualificationName>,
    /// What was done, or how it was seen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether who confirms it counts among those who carry the run out from then on. They did not,
    /// in histories from before that was so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executes: bool,
}

/// Who has sent a signal, with the facts by which holds may take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Who.
    pub member: MemberId,
    /// The holds to which they could send it then.
    pub holds: BTreeSet<String>,
    /// The roles that they held then.
    pub roles: BTreeSet<RoleName>,
    /// The qualifications that were valid then, where one of the holds demands one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub qualified: BTreeSet<QualificationName>,
}

/// A duty, as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its number in the run, from 1.
    pub duty: u32,
    /// The hold that was approved on this condition.
    pub hold: String,
    /// By whom.
    pub by: MemberId,
    /// What must be done.
    pub text: String,
    /// The state that the run may not enter before; where there is none, it may not end before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// When it is due, where it is owed for a waiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Which duty of the hold's waiver it is, where it is owed for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<String>,
}

/// A vote, with the facts that made it count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// On which hold.
    pub hold: String,
    /// Who voted, also in the place of another.
    pub member: MemberId,
    /// The digest of the input that was voted on.
    pub digest: Digest,
    /// The rules under which the member was eligible.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rules: BTreeSet<String>,
    /// The roles that the member held then.
    pub roles: BTreeSet<RoleName>,
    /// The qualifications relied upon, valid then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub qualified: BTreeSet<QualificationName>,
    /// Why, in the voter's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What must be done afterwards: the conditions on which an approval was given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<NewDuty>,
    /// The digests of the evidence that the hold demanded and the vote was given on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub evidence: BTreeMap<String, Digest>,
    /// The digests of the plans that the hold was asked about, by the states of their rollouts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plans: BTreeMap<String, Digest>,
    /// In whose place it was given, where that is not the voter's own.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<InPlaceOf>,
}

impl Ballot {
    /// In whose place it was given.
    #[must_use]
    pub fn place(&self) -> &MemberId {
        self.in_place_of.as_ref().map_or(&self.member, |one| &one.member)
    }
}

/// In whose place a vote was given, and what let the voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InPlaceOf {
    /// Whose place it is.
    pub member: MemberId,
    /// The roles of that member that were lent then.
    pub roles: BTreeSet<RoleName>,
    /// The substitution, by its number in the project.
    pub substitution: u32,
    /// The first moment at which it no longer held, as was said then.
    pub until: Timestamp,
}

/// A piece of evidence, as it was attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// What it is evidence of, as the definition names it.
    pub evidence: String,
    /// In which state of the run.
    pub state: String,
    /// By whom.
    pub member: MemberId,
    /// The roles that they held then.
    pub roles: BTreeSet<RoleName>,
    /// The SHA-256 digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The name of the file that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its media type, as its author says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The URL under which it is kept, where it is not kept beside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What its author says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whose approvals count no more, by the open hold that they were given on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reset: BTreeMap<String, BTreeSet<MemberId>>,
}

/// What lies between a wave and the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// After which wave, from 1.
    pub wave: u32,
    /// How long it bakes then, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bake_ms: u64,
    /// The holds then, each by its wave in the definition, from 1: waves that add no target fall
    /// away, their holds do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<u32>,
}

/// What a rollout waits for after a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Past {
    /// The time that it bakes.
    Bake,
    /// A hold.
    Hold,
}

/// How long and how often a target's health is checked, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTimes {
    /// How long the target must answer as expected.
    pub for_ms: u64,
    /// How long between two questions.
    pub every_ms: u64,
}

/// Something about a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfTarget {
    /// In which state.
    pub state: String,
    /// The target's name.
    pub target: String,
    /// Its place in the rollout's order, from 1.
    pub number: u32,
    /// Its wave, from 1.
    pub wave: u32,
    /// What is known of it: an error, a check's detail, a person's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(crate) fn is_empty<T>(list: &Arc<Vec<T>>) -> bool {
    list.is_empty()
}

pub(crate) fn is_null(value: &Arc<Value>) -> bool {
    value.is_null()
}

/// An approval that counts only while its author is qualified, as it was looked at when work was about to
/// begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualifiedVote {
    /// The hold that was released with it.
    pub hold: String,
    /// The rule under which it counts.
    pub rule: String,
    /// Who gave it, in whosever place.
    pub member: MemberId,
    /// In what they must be qualified.
    pub domain: QualificationName,
    /// Until when they are qualified, or were. Absent where that has no end, and where they have no such
    /// qualification any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// That a run rests before work, as approvals do not count any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapsing {
    /// Before which state.
    pub state: String,
    /// The approvals that do not count.
    pub approvals: Vec<QualifiedVote>,
    /// The qualifications of the project's members then, by
    /// [`Project::qualifications`](holdpoint_core::Project::qualifications).
    pub seen: Digest,
    /// When qualifications that were recorded begin with which enough count again; absent where none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
}
