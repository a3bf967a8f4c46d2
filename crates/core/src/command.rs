//! Requests to change a run, and who makes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{
    conflict::{Conflict, Look},
    event::{NewEvent, PendingEvent, StreamId, Version},
    evidence::NewEvidence,
    id::{CommandId, Digest, EffectId, EventId, MalformedId, MemberId, RunId},
    item::ItemName,
    settlement::{Ruling, Settlement},
};

/// Who caused something: a member of the project, or the engine itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Actor {
    /// A member; as text `member:NAME`.
    Member(MemberId),
    /// The engine: timers and attempts at activities; as text `engine`.
    Engine,
}

impl Actor {
    /// The member, if it is one.
    #[must_use]
    pub const fn member(&self) -> Option<&MemberId> {
        match self {
            Self::Member(member) => Some(member),
            Self::Engine => None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => write!(f, "member:{member}"),
            Self::Engine => f.write_str("engine"),
        }
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl TryFrom<String> for Actor {
    type Error = MalformedId;

    fn try_from(text: String) -> Result<Self, MalformedId> {
        if text == "engine" {
            return Ok(Self::Engine);
        }
        match text.strip_prefix("member:") {
            Some(member) => member.parse().map(Self::Member),
            None => Err(MalformedId::new("actor", text, "expected `member:NAME` or `engine`")),
        }
    }
}

/// How an actor was authenticated, as the door through which a command came says it: for
/// example `local:root` for a shell user with access to the data directory, or `engine`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Authentication(Arc<str>);

impl Authentication {
    /// States how the actor was authenticated.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The engine acting for itself.
    #[must_use]
    pub fn engine() -> Self {
        Self::new("engine")
    }

    /// The statement as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A request to change a run. Accepted, it becomes events; refused, it leaves no trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The same id twice gets the same answer once.
    pub id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// How the actor was authenticated.
    pub auth: Authentication,
    /// The W3C traceparent of the request.
    pub trace: Option<String>,
    /// What is asked.
    pub action: Action,
}

impl Command {
    /// The digest of what is asked, see [`request_of`].
    #[must_use]
    pub fn request(&self) -> Digest {
        request_of(&self.actor, &self.action)
    }

    /// What the command made happen in a stream at a time, on its way into the log. `request` is
    /// the digest of what a member asked, and `id` gives each event an id of its own.
    pub fn events(
        &self,
        stream: &StreamId,
        mut request: Option<Digest>,
        time: Timestamp,
        decided: Vec<NewEvent>,
        mut id: impl FnMut() -> EventId,
    ) -> Vec<PendingEvent> {
        let event = |NewEvent { kind, data }: NewEvent| PendingEvent {
            id: id(),
            source: stream.project.clone(),
            subject: stream.run,
            kind,
            time,
            actor: self.actor.clone(),
            auth: self.auth.clone(),
            cause: self.id,
            request: request.take(),
            trace: self.trace.clone(),
            definition: None,
            data,
        };
        decided.into_iter().map(event).collect()
    }
}

/// The digest of what somebody asks for. A command's id may be used a second time only for the same
/// request: it is then answered, and not done again.
///
/// It is the SHA-256 digest of the JSON object with the members `actor` and `asks`. It is only ever
/// compared. What a later version adds to a request must be left out where it says nothing, or a
/// command that is sent again after an update would count as another.
#[must_use]
pub fn request_of(actor: &Actor, asks: &impl Serialize) -> Digest {
    #[derive(Serialize)]
    struct Request<'a, T> {
        actor: &'a Actor,
        asks: &'a T,
    }
    // Requests are plain data, which can always be written.
    Digest::of(&serde_json::to_vec(&Request { actor, asks }).unwrap_or_default())
}

/// What a command asks for.
///
/// People send all but those that [are the engine's](Self::is_engines). A workflow refuses what it
/// does not know. It sees the attempts of an activity only by their end:
/// [`Completed`](Self::Completed) or [`Failed`](Self::Failed); and where it [asks for something only
/// if it was begun](crate::Workflow::restraints), that it was not: [`NotBegun`](Self::NotBegun).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Begin. The input was already accepted by [`crate::Workflow::start`].
    Start,
    /// Approve or reject what a hold asks about.
    Vote {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// For or against.
        vote: Vote,
        /// Why, in the voter's words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What must be done afterwards for the approval to be good: it is given on these
        /// conditions.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        duties: Vec<NewDuty>,
        /// In whose place, where it is not the voter's own. A workflow that does not know who stands
        /// for whom refuses such a vote.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        in_place_of: Option<MemberId>,
        /// The plans that it is about, by their digests: all that the hold is asked about. Where none is
        /// named, the vote is about those that the hold is known to be asked about.
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        plans: BTreeSet<Digest>,
    },
    /// Take one's own vote back: an approval, or a veto, which is lifted by that.
    Withdraw {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// In whose place the vote was given, where it was not the voter's own.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        in_place_of: Option<MemberId>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Set aside another member's veto.
    Overrule {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// Whose veto.
        member: MemberId,
        /// Why.
        reason: String,
    },
    /// Object to what goes on by itself unless somebody does.
    Object {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// Why.
        reason: String,
    },
    /// Count the votes on a hold anew, with the members as they are now.
    Recount {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
    },
    /// Make a check of a hold again.
    Recheck {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// The check; needed when more than one can be meant.
        #[serde(skip_serializing_if = "Option::is_none")]
        check: Option<String>,
    },
    /// Go on although the window that the run waits for is closed.
    Override {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// Why.
        reason: String,
    },
    /// Take a requirement of its baseline off this run.
    OverrideRequirement {
        /// Which.
        requirement: String,
        /// Why.
        reason: String,
    },
    /// Demand again what was taken off this run.
    WithdrawOverride {
        /// Which requirement.
        requirement: String,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Say that a duty has been done.
    Discharge {
        /// The duty's number in the run.
        duty: u32,
        /// What was done, or how it was seen to.
        note: String,
    },
    /// Hand in a piece of evidence that a hold asks for, or will.
    Attach {
        /// What it is evidence of, as the definition names it.
        name: String,
        /// The piece itself.
        evidence: NewEvidence,
        /// What its author says of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Say that a task of a hold was done.
    Done {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// The task; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// What was done, or how it was seen to.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Say that a task must be done anew: nobody's confirmation stands.
    Reopen {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// The task; needed when more than one is done.
        #[serde(skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// Why.
        reason: String,
    },
    /// Let a run pass a hold that is not met.
    Waive {
        /// The hold that is meant; needed when more than one is open.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<String>,
        /// Why it cannot wait.
        reason: String,
    },
    /// Replace the input of a run that is held.
    Amend {
        /// The whole new input.
        input: Value,
        /// Why.
        reason: String,
    },
    /// Say something about the run that decides nothing.
    Comment {
        /// What.
        text: String,
    },
    /// Something happened outside that the run waits for, or will.
    Signal {
        /// The signal's name.
        name: String,
        /// What came with it.
        data: Value,
    },
    /// Steer a rollout.
    Steer {
        /// What is wanted of it.
        steering: Steering,
        /// The target that is meant; where there is none, all that it fits.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<String>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The state whose rollout is meant; needed when more than one is under way.
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// The runs over whose newer work, or locks, a rollout that was done is undone nevertheless.
        #[serde(skip_serializing_if = "BTreeSet::is_empty")]
        over: BTreeSet<RunId>,
    },
    /// Have the run go on by another version of its definition. An engine decides it by
    /// [`Run::migrate`](crate::Run::migrate).
    Migrate {
        /// The digest of that version.
        to: Digest,
        /// What states of the old version are called in the new one, where that differs.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        states: BTreeMap<String, String>,
        /// Why.
        reason: String,
    },
    /// Stop the run for good.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Say what became of an attempt whose end nobody knows.
    Settle {
        /// Which activity; needed when there are several.
        #[serde(skip_serializing_if = "Option::is_none")]
        effect: Option<EffectId>,
        /// What became of it.
        ruling: Ruling,
        /// How that is known, or why it does not matter.
        reason: String,
    },
    /// An activity has been done.
    Completed {
        /// Which.
        effect: EffectId,
        /// What it answered.
        output: Value,
    },
    /// An activity has failed and its retry policy is exhausted.
    Failed {
        /// Which.
        effect: EffectId,
        /// What the last attempt said.
        error: String,
    },
    /// Activities that are asked for only if they were begun were not, and will not be.
    NotBegun {
        /// Which.
        effects: BTreeSet<EffectId>,
    },
    /// Take the lock on an item from the run that holds it.
    BreakLock {
        /// Which item.
        item: ItemName,
        /// Why.
        reason: String,
    },
    /// All the locks that the run waits for are its own.
    LocksGranted {
        /// The request.
        effect: EffectId,
    },
    /// The run was found to be in conflict with others.
    ConflictsFound {
        /// The others; at least one.
        with: Vec<Conflict>,
    },
    /// It was looked which runs the run is in conflict with, which asks for that.
    ConflictsLooked {
        /// The request.
        effect: EffectId,
        /// The version of the run that was looked at.
        at: Version,
        /// What was found.
        found: Look,
    },
    /// Go on in spite of the conflict with a run that goes first.
    AcceptConflict {
        /// Which run.
        with: RunId,
        /// Why.
        reason: String,
    },
    /// A timer is due.
    TimerFired {
        /// Which.
        effect: EffectId,
    },
    /// The run that started this one wants no more of it.
    Stop {
        /// Why.
        reason: String,
    },
    /// The run that an effect asks for has been started.
    ChildStarted {
        /// Which effect.
        effect: EffectId,
        /// The run.
        run: RunId,
    },
    /// The run that an effect asks for cannot be started.
    ChildRefused {
        /// Which effect.
        effect: EffectId,
        /// Why not.
        error: String,
    },
    /// The run that an effect asked for has ended.
    ChildEnded {
        /// Which effect.
        effect: EffectId,
        /// The run.
        run: RunId,
        /// How, in its definition's words.
        outcome: String,
    },
    /// An attempt at an activity has to wait for its turn.
    AttemptQueued {
        /// Which.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// For what it waits, in words.
        waits_for: String,
        /// How many others wait for it, and came before.
        before: u32,
    },
    /// The turn of an attempt did not come within the activity's time for that.
    AttemptNotBegun {
        /// Which.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
    },
    /// The engine begins an attempt at an activity.
    AttemptStarted {
        /// Which.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// What the activity's name means to whoever does it, where they say so.
        #[serde(skip_serializing_if = "Option::is_none")]
        configured: Option<Digest>,
    },
    /// An attempt at an activity is over.
    AttemptEnded {
        /// Which.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// A check was asked how an attempt ended of which nobody knows.
    AttemptSettled {
        /// Which.
        effect: EffectId,
        /// Counted from 1.
        attempt: u32,
        /// What the check found out.
        settlement: Settlement,
    },
}

impl Action {
    /// A vote on the hold that is open, without conditions.
    #[must_use]
    pub fn vote(vote: Vote, reason: Option<&str>) -> Self {
        let reason = reason.map(str::to_owned);
        let (hold, duties, plans) = (None, Vec::new(), BTreeSet::new());
        Self::Vote { hold, vote, reason, duties, in_place_of: None, plans }
    }

    /// What its author says in words, such as a reason, if they say something.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Vote { reason, .. }
            | Self::Withdraw { reason, .. }
            | Self::WithdrawOverride { reason, .. }
            | Self::Steer { reason, .. } => reason.as_deref(),
            Self::Overrule { reason: text, .. }
            | Self::Object { reason: text, .. }
            | Self::Override { reason: text, .. }
            | Self::OverrideRequirement { reason: text, .. }
            | Self::Discharge { note: text, .. }
            | Self::Amend { reason: text, .. }
            | Self::BreakLock { reason: text, .. }
            | Self::AcceptConflict { reason: text, .. }
            | Self::Comment { text }
            | Self::Settle { reason: text, .. }
            | Self::Reopen { reason: text, .. }
            | Self::Waive { reason: text, .. }
            | Self::Migrate { reason: text, .. }
            | Self::Cancel { reason: text } => Some(text),
            Self::Attach { note, .. } | Self::Done { note, .. } => note.as_deref(),
            Self::Start
            | Self::Recount { .. }
            | Self::Recheck { .. }
            | Self::Signal { .. }
            | Self::Completed { .. }
            | Self::Failed { .. }
            | Self::NotBegun { .. }
            | Self::LocksGranted { .. }
            | Self::ConflictsFound { .. }
            | Self::ConflictsLooked { .. }
            | Self::TimerFired { .. }
            | Self::Stop { .. }
            | Self::ChildStarted { .. }
            | Self::ChildRefused { .. }
            | Self::ChildEnded { .. }
            | Self::AttemptQueued { .. }
            | Self::AttemptNotBegun { .. }
            | Self::AttemptStarted { .. }
            | Self::AttemptEnded { .. }
            | Self::AttemptSettled { .. } => None,
        }
    }

    /// Whether only the engine itself sends it.
    #[must_use]
    pub const fn is_engines(&self) -> bool {
        match self {
            Self::Start
            | Self::Vote { .. }
            | Self::Withdraw { .. }
            | Self::Overrule { .. }
            | Self::Object { .. }
            | Self::Recount { .. }
            | Self::Recheck { .. }
            | Self::Override { .. }
            | Self::OverrideRequirement { .. }
            | Self::WithdrawOverride { .. }
            | Self::Discharge { .. }
            | Self::Attach { .. }
            | Self::Done { .. }
            | Self::Reopen { .. }
            | Self::Waive { .. }
            | Self::Amend { .. }
            | Self::Comment { .. }
            | Self::Signal { .. }
            | Self::Steer { .. }
            | Self::Settle { .. }
            | Self::Migrate { .. }
            | Self::Cancel { .. }
            | Self::AcceptConflict { .. }
            | Self::BreakLock { .. } => false,
            Self::Completed { .. }
            | Self::Failed { .. }
            | Self::NotBegun { .. }
            | Self::LocksGranted { .. }
            | Self::ConflictsFound { .. }
            | Self::ConflictsLooked { .. }
            | Self::TimerFired { .. }
            | Self::Stop { .. }
            | Self::ChildStarted { .. }
            | Self::ChildRefused { .. }
            | Self::ChildEnded { .. }
            | Self::AttemptQueued { .. }
            | Self::AttemptNotBegun { .. }
            | Self::AttemptStarted { .. }
            | Self::AttemptEnded { .. }
            | Self::AttemptSettled { .. } => true,
        }
    }
}

/// What people want of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steering {
    /// Begin nothing new, until somebody resumes it. Clocks stop.
    Pause,
    /// Go on where it was paused.
    Resume,
    /// Go no further: undo what was done, where that can be undone.
    Abort,
    /// Undo what was done, also after the rollout was done.
    Rollback,
    /// Go on past what it waits for: the rest of a bake, a hold after a wave, a check that told
    /// nothing.
    Promote,
    /// Try a target again that failed, could not be restored, or whose check told nothing.
    Retry,
    /// Leave a target as it is, and go on without it.
    Skip,
    /// A person takes care of a target; the rollout leaves it alone.
    TakeOver,
}

impl Steering {
    /// Every way to steer.
    pub const ALL: [Self; 8] = [
        Self::Pause,
        Self::Resume,
        Self::Abort,
        Self::Rollback,
        Self::Promote,
        Self::Retry,
        Self::Skip,
        Self::TakeOver,
    ];

    /// The command's name, as it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::TakeOver => "take-over",
        }
    }
}

impl fmt::Display for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that must be done, on condition of which an approval is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDuty {
    /// What must be done.
    pub text: String,
    /// The state that the run may not enter before; where there is none, it may not end before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// For or against a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// For the release.
    Approve,
    /// Against it, for good: the hold is resolved by that.
    Reject,
    /// Against it until it is lifted or overruled: the hold stays, and cannot be released.
    Veto,
}

/// How an attempt at an activity ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Completed(Value),
    /// It failed.
    Failed {
        /// What went wrong.
        error: String,
        /// Whether another attempt makes sense.
        retryable: bool,
    },
    /// Nobody answered in time, or the answer was lost. Of work that may be repeated that is a
    /// failure worth another attempt; of other work nobody knows then whether it was done.
    Unanswered {
        /// What is known of it.
        error: String,
    },
    /// Nobody knows: the engine or the worker went away during the attempt.
    Unknown {
        /// What is known of it.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_only_as_it_is_written() {
        for text in ["engine", "member:ada", "member:engine", "member:grace.hopper@navy"] {
            let actor = Actor::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(actor), text);
        }
        let engine = Actor::try_from("member:engine".to_owned()).unwrap();
        assert_ne!(engine, Actor::Engine, "a member may be called so");
        for text in ["", "ada", "Engine", "member:", "member:Ada", "member:member:ada", "role:x"] {
            assert!(Actor::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
