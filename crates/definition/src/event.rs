//! The facts of a run of a declarative definition.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_calendar::{CalendarRef, Window};
use holdpoint_core::{
    DefinitionName, Digest, EffectId, ItemName, MemberId, PlanDrift, RoleName, RunId, Vote,
    conflict::{Look, Overlap},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event_data::{
        Attached, Ballot, Because, CheckTimes, Confirmation, Gate, Lapsing, MetByRelease, OfTarget,
        OpenCheck, OpenRule, OpenTask, Opened, OverrideEnd, Overriding, Past, QualifiedVote, Risk,
        Sender, Verdict, is_empty, is_null,
    },
    lockdown::HeldBy,
    plan_targets::PlannedOf,
    windows::{AskedTimes, Outlook},
};

/// What happened in a run. `docs/definitions.md` lists them for readers of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum DefinitionEvent {
    /// The risk of what was submitted.
    #[serde(rename = "holdpoint.risk.assessed")]
    RiskAssessed(Risk),
    /// A state was entered.
    #[serde(rename = "holdpoint.state.entered")]
    StateEntered {
        /// Which.
        state: String,
        /// How often it has been entered, this time included.
        visit: u32,
        /// The approvals that count for the work that begins here as their authors are still qualified.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        qualified: Vec<QualifiedVote>,
    },
    /// An expression of a state could not be evaluated, so the run rests there.
    #[serde(rename = "holdpoint.run.blocked")]
    Blocked {
        /// In which state.
        state: String,
        /// What went wrong.
        reason: String,
    },
    /// A hold was opened: from now on it waits.
    #[serde(rename = "holdpoint.hold.opened")]
    HoldOpened {
        /// Which.
        hold: String,
        /// The digest of the input, to which votes are bound.
        digest: Digest,
        /// The rules of its approval that apply to this run.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<OpenRule>,
        /// The conditions that do not apply to this run, such as `evidence/test-report`.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        not_applicable: BTreeSet<String>,
        /// The tasks that people must confirm.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<OpenTask>,
        /// The checks that are made from now on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<OpenCheck>,
        /// The digests of the plans that it is asked about, by the states of their rollouts.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        plans: BTreeMap<String, Digest>,
        /// What these plans were made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        planned_of: Option<Arc<PlannedOf>>,
        /// Until when it waits in any case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// When it expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// The calendars whose windows it waits for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<AskedTimes>,
        /// When the first reminder comes, where that is counted in working time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remind: Option<Timestamp>,
        /// When others may approve as well, where that is counted in working time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escalate: Option<Timestamp>,
        /// The calendars in whose working time these times were counted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        counted: Vec<CalendarRef>,
    },
    /// Somebody approved.
    #[serde(rename = "holdpoint.approval.granted")]
    ApprovalGranted(Ballot),
    /// Somebody rejected.
    #[serde(rename = "holdpoint.approval.rejected")]
    ApprovalRejected(Ballot),
    /// Somebody stopped the release until they lift that, or are overruled.
    #[serde(rename = "holdpoint.hold.vetoed")]
    Vetoed(Ballot),
    /// Somebody took their vote back.
    #[serde(rename = "holdpoint.vote.withdrawn")]
    VoteWithdrawn {
        /// On which hold.
        hold: String,
        /// Who.
        member: MemberId,
        /// What the vote was.
        vote: Vote,
        /// In whose place they had given it, where it was not their own.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        in_place_of: Option<MemberId>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A veto was set aside.
    #[serde(rename = "holdpoint.veto.overruled")]
    VetoOverruled {
        /// On which hold.
        hold: String,
        /// By whom.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Whose veto it was.
        veto_of: MemberId,
        /// Why.
        reason: String,
    },
    /// As many must agree as the members of this moment make it.
    #[serde(rename = "holdpoint.approval.recounted")]
    Recounted {
        /// On which hold.
        hold: String,
        /// How many must agree to each rule.
        needs: BTreeMap<String, u32>,
    },
    /// An approval that was given on a condition has released a hold: the condition must be met.
    #[serde(rename = "holdpoint.duty.opened")]
    DutyOpened(Opened),
    /// A duty has been done.
    #[serde(rename = "holdpoint.duty.discharged")]
    DutyDischarged {
        /// Which.
        duty: u32,
        /// Who says so.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// What was done.
        note: String,
    },
    /// The run rests before a state until duties have been done.
    #[serde(rename = "holdpoint.duties.awaited")]
    DutiesAwaited {
        /// Before which state.
        before: String,
        /// Which duties.
        duties: Vec<u32>,
    },
    /// Lockdowns keep the run from what it would do next: from entering a state in which work is begun,
    /// or from leaving a hold that waits for a window or for locks.
    #[serde(rename = "holdpoint.run.locked_down")]
    LockedDown {
        /// The state that it does not enter, or the hold.
        state: String,
        /// All that hold it now; at least one.
        by: Vec<HeldBy>,
    },
    /// No lockdown holds the run any more.
    #[serde(rename = "holdpoint.run.lockdown_lifted")]
    LockdownLifted {
        /// The state, as above.
        state: String,
    },
    /// A hold has what its baseline demands, and is about to be released.
    #[serde(rename = "holdpoint.baseline.met")]
    BaselineMet(MetByRelease),
    /// Approvals that led to a state of work do not count: who gave them is not qualified any more.
    #[serde(rename = "holdpoint.qualifications.lapsed")]
    QualificationsLapsed(Lapsing),
    /// What its baseline demands keeps the run from entering a state in which work is begun.
    #[serde(rename = "holdpoint.baseline.held")]
    BaselineHeld {
        /// The state that it does not enter.
        state: String,
        /// The requirements, each with how it stands; at least one.
        lacking: BTreeMap<String, String>,
    },
    /// A requirement of its baseline was taken off the run.
    #[serde(rename = "holdpoint.baseline.overridden")]
    RequirementOverridden(Overriding),
    /// What was taken off the run is demanded of it again.
    #[serde(rename = "holdpoint.baseline.override_withdrawn")]
    OverrideWithdrawn(OverrideEnd),
    /// The input was replaced while a hold was open, which goes on with what follows from the new one.
    #[serde(rename = "holdpoint.run.amended")]
    Amended {
        /// Which hold was open.
        hold: String,
        /// The new input, with its defaults.
        input: Arc<Value>,
        /// The digest of the new input, to which votes are bound from now on.
        digest: Digest,
        /// Why.
        reason: String,
        /// The rules of the hold that apply now.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        rules: Vec<OpenRule>,
        /// The conditions of the hold that do not apply now.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        not_applicable: BTreeSet<String>,
        /// The tasks of the hold now. Confirmations stand of those that are the same as before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<OpenTask>,
        /// The checks that are made from now on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<OpenCheck>,
        /// The digests of the plans that it is asked about from now on.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        plans: BTreeMap<String, Digest>,
        /// What these plans were made of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        planned_of: Option<Arc<PlannedOf>>,
        /// Until when the hold waits in any case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// When the hold expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
        /// The calendars whose windows it waits for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<AskedTimes>,
        /// The calendars in whose working time these times were counted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        counted: Vec<CalendarRef>,
        /// Whose approvals stand, and under which rules. All others count no more.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        kept: BTreeMap<MemberId, BTreeSet<String>>,
        /// Whether the signal that the hold took does not meet its condition with this input, so that
        /// the hold waits for another.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        signal_fell: bool,
        /// The risk with the new input, where the definition tells one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        risk: Option<Risk>,
    },
    /// The inventory has changed a plan that an open hold is asked about: it is asked about another one
    /// from now on.
    #[serde(rename = "holdpoint.hold.replanned")]
    Replanned {
        /// Which hold.
        hold: String,
        /// The digests of the plans that it is asked about from now on, by the states of their rollouts.
        plans: BTreeMap<String, Digest>,
        /// What they were made of.
        planned_of: Arc<PlannedOf>,
        /// How they differ from those before, where their targets were not too many to be kept.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        drift: BTreeMap<String, PlanDrift>,
        /// Whose approvals and waivers, given on the plans before, count no more.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        fell: BTreeSet<MemberId>,
    },
    /// The run was shown a piece of evidence, which takes the place of an earlier one of the name.
    #[serde(rename = "holdpoint.evidence.attached")]
    EvidenceAttached(Attached),
    /// Somebody confirmed that a task was done.
    #[serde(rename = "holdpoint.task.confirmed")]
    TaskConfirmed(Confirmation),
    /// A task must be done anew: nobody's confirmation stands.
    #[serde(rename = "holdpoint.task.reopened")]
    TaskReopened {
        /// Of which hold.
        hold: String,
        /// Which.
        task: String,
        /// Who says so.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Why.
        reason: String,
    },
    /// Somebody waived a hold. It is passed when as many have as must, and the rest of it is met.
    #[serde(rename = "holdpoint.waiver.given")]
    WaiverGiven {
        /// Which.
        hold: String,
        /// By whom.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// The digest of the input then.
        digest: Digest,
        /// Why.
        reason: String,
    },
    /// A hold was passed by a waiver. Nobody has approved by that.
    #[serde(rename = "holdpoint.hold.waived")]
    HoldWaived {
        /// Which.
        hold: String,
        /// Who has waived it.
        by: BTreeSet<MemberId>,
        /// Why.
        reason: String,
        /// What was not met, such as `approval/peers`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<String>,
    },
    /// What is owed for a waiver was not done in time. It is still owed.
    #[serde(rename = "holdpoint.duty.overdue")]
    DutyOverdue {
        /// Which duty.
        duty: u32,
        /// When it was due.
        due: Timestamp,
    },
    /// Somebody said something that decides nothing.
    #[serde(rename = "holdpoint.run.commented")]
    Commented {
        /// In which state.
        state: String,
        /// What.
        text: String,
    },
    /// A hold that has all else waits for locks from now on.
    #[serde(rename = "holdpoint.lock.requested")]
    LocksRequested {
        /// Which hold.
        hold: String,
        /// On which items.
        items: BTreeSet<ItemName>,
    },
    /// The run holds these locks from now on: all that it has asked for.
    #[serde(rename = "holdpoint.lock.granted")]
    LocksGranted {
        /// For which hold.
        hold: String,
        /// On which items.
        items: BTreeSet<ItemName>,
    },
    /// The run gave all its locks back. The end of a run does so without this.
    #[serde(rename = "holdpoint.lock.released")]
    LocksReleased {
        /// In which state.
        state: String,
        /// On which items.
        items: BTreeSet<ItemName>,
    },
    /// Somebody took a lock from the run.
    #[serde(rename = "holdpoint.lock.broken")]
    LockBroken {
        /// On which item.
        item: ItemName,
        /// By whom.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Why.
        reason: String,
    },
    /// It was looked for conflicts as a hold had all else, and this was found for the first time.
    #[serde(rename = "holdpoint.conflict.checked")]
    ConflictsChecked {
        /// Which hold.
        hold: String,
        /// What was found.
        #[serde(flatten)]
        found: Look,
    },
    /// Somebody lets a hold be released in spite of a conflict.
    #[serde(rename = "holdpoint.conflict.accepted")]
    ConflictAccepted {
        /// Which hold.
        hold: String,
        /// With which run.
        with: RunId,
        /// Its number in the project.
        number: u64,
        /// By which items, as this run sees them; of many the first.
        items: Vec<Overlap>,
        /// The digest of all of them.
        digest: Digest,
        /// By whom.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Why.
        reason: String,
    },
    /// The time that a hold waits for has come.
    #[serde(rename = "holdpoint.wait.elapsed")]
    WaitElapsed {
        /// Which hold.
        hold: String,
    },
    /// All else was there, or a hold expires with its window: this is the window that is waited for.
    #[serde(rename = "holdpoint.window.awaited")]
    WindowAwaited {
        /// In which state.
        state: String,
        /// What the calendars say.
        #[serde(flatten)]
        outlook: Outlook,
    },
    /// All else was there and the window was open: the run goes on.
    #[serde(rename = "holdpoint.window.opened")]
    WindowOpened {
        /// In which state.
        state: String,
        /// The window.
        #[serde(flatten)]
        window: Window,
    },
    /// Somebody lets the run go on whatever its calendars say.
    #[serde(rename = "holdpoint.window.overridden")]
    WindowOverridden {
        /// In which state.
        state: String,
        /// Who.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Why.
        reason: String,
        /// What the calendars said.
        #[serde(flatten)]
        outlook: Outlook,
    },
    /// A signal came. It is kept until a hold wants it.
    #[serde(rename = "holdpoint.signal.received")]
    SignalReceived {
        /// Its name.
        name: String,
        /// What came with it.
        #[serde(default, skip_serializing_if = "is_null")]
        data: Arc<Value>,
        /// Who sent it, where not every member may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender: Option<Sender>,
    },
    /// A hold took a signal that had come.
    #[serde(rename = "holdpoint.signal.consumed")]
    SignalConsumed {
        /// Which hold.
        hold: String,
        /// The signal's name.
        name: String,
        /// Which of the kept signals, from 0 in the order in which they came.
        index: usize,
    },
    /// A check of a hold was made.
    #[serde(rename = "holdpoint.check.told")]
    CheckTold {
        /// Of which hold.
        hold: String,
        /// Which check.
        check: String,
        /// Which time it was made in this visit, from 1.
        number: u32,
        /// What it told.
        verdict: Verdict,
        /// Why, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// The digest of what the worker answered, as the end of its attempt has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Digest>,
        /// When it is made again by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Timestamp>,
    },
    /// A check of a hold is made again.
    #[serde(rename = "holdpoint.check.asked")]
    CheckAsked {
        /// Of which hold.
        hold: String,
        /// Which check.
        check: String,
        /// Which time it is made in this visit, from 1.
        number: u32,
        /// Why.
        because: Because,
    },
    /// A hold was resolved by a check that failed.
    #[serde(rename = "holdpoint.hold.failed")]
    HoldFailed {
        /// Which hold.
        hold: String,
        /// By which check.
        check: String,
    },
    /// A hold got all that it waited for.
    #[serde(rename = "holdpoint.hold.released")]
    HoldReleased {
        /// Which.
        hold: String,
    },
    /// A hold was resolved by a rejection.
    #[serde(rename = "holdpoint.hold.rejected")]
    HoldRejected {
        /// Which.
        hold: String,
        /// By whom.
        member: MemberId,
    },
    /// Somebody objected to what would have gone on by itself: the hold is resolved by that.
    #[serde(rename = "holdpoint.hold.objected")]
    Objected {
        /// Which.
        hold: String,
        /// By whom.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Why.
        reason: String,
    },
    /// Nobody objected in time. Nobody has approved by that.
    #[serde(rename = "holdpoint.witness.no_objection")]
    NotObjected {
        /// Which hold.
        hold: String,
        /// Until when somebody could have.
        until: Timestamp,
    },
    /// Those who could approve are reminded.
    #[serde(rename = "holdpoint.hold.reminded")]
    Reminded {
        /// Of which hold.
        hold: String,
        /// Which reminder, counted from 1; those that nobody noticed in time are left out.
        reminder: u32,
        /// Who could approve then.
        to: BTreeSet<MemberId>,
        /// When the next comes, where that is counted in working time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Timestamp>,
        /// The calendars in whose working time that was counted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        counted: Vec<CalendarRef>,
    },
    /// Others may approve as well.
    #[serde(rename = "holdpoint.hold.escalated")]
    Escalated {
        /// Which hold.
        hold: String,
        /// Who: `role:NAME` or `member:NAME`.
        to: Vec<String>,
    },
    /// A hold's deadline passed.
    #[serde(rename = "holdpoint.hold.expired")]
    HoldExpired {
        /// Which.
        hold: String,
        /// When its deadline was.
        deadline: Timestamp,
    },
    /// An activity was asked for.
    #[serde(rename = "holdpoint.work.requested")]
    WorkRequested {
        /// By which state.
        state: String,
        /// The effect's id.
        effect: EffectId,
        /// The activity's name.
        activity: String,
        /// What the worker is given.
        input: Arc<Value>,
        /// When it may begin, where it has a window.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<AskedTimes>,
    },
    /// A run of another definition was asked for.
    #[serde(rename = "holdpoint.child.requested")]
    ChildRequested {
        /// By which state.
        state: String,
        /// The effect's id, from which that of the run follows.
        effect: EffectId,
        /// The definition's name.
        definition: DefinitionName,
        /// Which version; the highest that is published when the run starts, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
        /// What is submitted.
        input: Arc<Value>,
    },
    /// The run that was asked for is to be stopped, and its end waited for.
    #[serde(rename = "holdpoint.child.stopping")]
    ChildStopping {
        /// By which state.
        state: String,
        /// Why.
        reason: String,
        /// The deadline of the state's work, if that is why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<Timestamp>,
    },
    /// The activity that a state asked for was done; its output is in
    /// `holdpoint.activity.completed`.
    #[serde(rename = "holdpoint.work.succeeded")]
    WorkSucceeded {
        /// Of which state.
        state: String,
        /// What the worker answered.
        output: Arc<Value>,
    },
    /// What a state should do could not be done.
    #[serde(rename = "holdpoint.work.failed")]
    WorkFailed {
        /// Of which state.
        state: String,
        /// Why.
        reason: String,
    },
    /// The time for a state's work was over before the work was done.
    #[serde(rename = "holdpoint.work.expired")]
    WorkExpired {
        /// Of which state.
        state: String,
        /// When its deadline was.
        deadline: Timestamp,
    },
    /// The time for the whole run was over. A rollout is undone before the run ends.
    #[serde(rename = "holdpoint.run.expired")]
    Expired {
        /// In which state.
        state: String,
        /// When its deadline was.
        deadline: Timestamp,
    },
    /// A rollout began.
    #[serde(rename = "holdpoint.rollout.started")]
    RolloutStarted {
        /// In which state.
        state: String,
        /// Its targets, in order.
        targets: Arc<Vec<String>>,
        /// How many targets are done by the end of each wave.
        waves: Arc<Vec<u32>>,
        /// How each target's health is checked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        check: Option<CheckTimes>,
        /// What selected the targets among the project's items.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selector: Option<String>,
        /// What lies between a wave and the next, where something does.
        #[serde(default, skip_serializing_if = "is_empty")]
        gates: Arc<Vec<Gate>>,
        /// Whether a switch comes after the last target.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        switch: bool,
        /// The calendars within whose windows targets are begun with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<AskedTimes>,
        /// The digest of its plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Digest>,
    },
    /// A rollout did not begin: its plan is not the one that was released, or there is none.
    #[serde(rename = "holdpoint.rollout.drifted")]
    RolloutDrifted {
        /// In which state.
        state: String,
        /// The digest of the plan that the hold was released with, if it was with one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved: Option<Digest>,
        /// The digest of what would have been done, where there is a plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Digest>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        /// How that differs, where a plan was released and its targets were not too many to be kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drift: Option<PlanDrift>,
    },
    /// A wave began.
    #[serde(rename = "holdpoint.rollout.wave_started")]
    WaveStarted {
        /// In which state.
        state: String,
        /// Which wave, from 1.
        wave: u32,
        /// How many targets it adds.
        targets: u32,
    },
    /// A wave is done, and bakes before the rollout goes on.
    #[serde(rename = "holdpoint.rollout.bake_started")]
    BakeStarted {
        /// In which state.
        state: String,
        /// Which wave, from 1.
        wave: u32,
        /// Until when, if nobody pauses it.
        until: Timestamp,
    },
    /// A bake is over.
    #[serde(rename = "holdpoint.rollout.bake_ended")]
    BakeEnded {
        /// In which state.
        state: String,
        /// After which wave.
        wave: u32,
    },
    /// A rollout is held after a wave until people promote it.
    #[serde(rename = "holdpoint.rollout.held")]
    RolloutHeld {
        /// In which state.
        state: String,
        /// After which wave.
        wave: u32,
        /// Who may promote it: `requester`, `role:NAME` or `member:NAME`.
        from: Vec<String>,
        /// How many must.
        need: u32,
    },
    /// Somebody lets a rollout go on past what it waits for after a wave.
    #[serde(rename = "holdpoint.rollout.promoted")]
    Promoted {
        /// In which state.
        state: String,
        /// After which wave.
        wave: u32,
        /// What they let it go past.
        past: Past,
        /// Who.
        member: MemberId,
        /// The roles that they held then.
        roles: BTreeSet<RoleName>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A rollout is paused: its clocks stop, and nothing new begins.
    #[serde(rename = "holdpoint.rollout.paused")]
    RolloutPaused {
        /// In which state.
        state: String,
        /// Why.
        reason: String,
    },
    /// A rollout goes on after a pause.
    #[serde(rename = "holdpoint.rollout.resumed")]
    RolloutResumed {
        /// In which state.
        state: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Steps were asked for at targets and nobody had begun them when the rollout was paused, was
    /// turned round, or rested: they are not asked for any more.
    #[serde(rename = "holdpoint.rollout.not_begun")]
    NotBegun {
        /// In which state.
        state: String,
        /// At which targets; the switch is one of them.
        targets: Vec<String>,
    },
    /// A step of a target was done, other than its deployment and its check.
    #[serde(rename = "holdpoint.target.step_done")]
    TargetStepDone {
        /// Where.
        #[serde(flatten)]
        of: OfTarget,
        /// Which: `pre_check`, `drain`, `verify`, `undrain`, and on the way back `undo_drain`,
        /// `restore`, `undo_undrain`.
        step: String,
    },
    /// A target is left as it is, and the rollout goes on without it.
    #[serde(rename = "holdpoint.target.skipped")]
    TargetSkipped(OfTarget),
    /// A target was deployed to. Where there is no health check, it is healthy by that.
    #[serde(rename = "holdpoint.target.deployed")]
    TargetDeployed(OfTarget),
    /// A target passed its health check, or a person said so.
    #[serde(rename = "holdpoint.target.healthy")]
    TargetHealthy(OfTarget),
    /// A target failed.
    #[serde(rename = "holdpoint.target.failed")]
    TargetFailed(OfTarget),
    /// A target's health check told nothing. The rollout rests until a person decides.
    #[serde(rename = "holdpoint.target.inconclusive")]
    TargetInconclusive(OfTarget),
    /// A target's health is to be checked again.
    #[serde(rename = "holdpoint.target.rechecked")]
    TargetRechecked(OfTarget),
    /// A rollout that cannot be undone goes no further.
    #[serde(rename = "holdpoint.rollout.stopped")]
    RolloutStopped {
        /// In which state.
        state: String,
        /// Why.
        reason: String,
    },
    /// A rollout is being undone, in reverse order.
    #[serde(rename = "holdpoint.rollout.undo_started")]
    UndoStarted {
        /// In which state.
        state: String,
        /// Why.
        reason: String,
        /// The runs over whose newer work, or locks, it is undone nevertheless.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        over: BTreeSet<RunId>,
    },
    /// A target was restored.
    #[serde(rename = "holdpoint.target.restored")]
    TargetRestored(OfTarget),
    /// A target could not be restored. The rollout rests until a person decides.
    #[serde(rename = "holdpoint.target.stuck")]
    TargetStuck(OfTarget),
    /// A target is to be tried again: to be restored, or one that has failed.
    #[serde(rename = "holdpoint.target.retried")]
    TargetRetried(OfTarget),
    /// A person takes care of a target, and the rollout leaves it alone.
    #[serde(rename = "holdpoint.target.taken_over")]
    TargetTakenOver(OfTarget),
    /// A rollout is over.
    #[serde(rename = "holdpoint.rollout.finished")]
    RolloutFinished {
        /// In which state.
        state: String,
        /// `succeeded`, `rolled_back` or `failed`.
        outcome: String,
    },
    /// Branches began side by side.
    #[serde(rename = "holdpoint.branches.started")]
    BranchesStarted {
        /// Of which state.
        state: String,
        /// Which, in the order of their names.
        branches: Vec<String>,
    },
    /// What comes of the branches is settled, and those that are under way are stopped for it.
    #[serde(rename = "holdpoint.branches.stopping")]
    BranchesStopping {
        /// Of which state.
        state: String,
        /// Why.
        reason: String,
    },
    /// A branch came to an end of its own.
    #[serde(rename = "holdpoint.branch.ended")]
    BranchEnded {
        /// In which state.
        state: String,
        /// Which branch.
        branch: String,
        /// How, in the definition's words.
        outcome: String,
    },
    /// A branch was stopped before it came to an end.
    #[serde(rename = "holdpoint.branch.stopped")]
    BranchStopped {
        /// In which state.
        state: String,
        /// Which branch.
        branch: String,
    },
    /// No branch is under way any more.
    #[serde(rename = "holdpoint.branches.joined")]
    BranchesJoined {
        /// Of which state.
        state: String,
        /// `completed`, `failed`, `expired`, or `cancelled` where it was stopped from outside.
        outcome: String,
    },
    /// The run was cancelled. A rollout is undone before the run ends.
    #[serde(rename = "holdpoint.run.cancelled")]
    Cancelled {
        /// In which state.
        state: String,
        /// Why.
        reason: String,
    },
    /// The run is over.
    #[serde(rename = "holdpoint.run.ended")]
    Ended {
        /// How, in the definition's words; `cancelled` when it was.
        outcome: String,
    },
}
