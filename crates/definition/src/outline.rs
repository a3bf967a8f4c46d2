//! The outline of a definition: its states and where they lead, as plain data for tools.

use crate::{
    baseline_outline::BaselineOutline,
    check,
    conflicting::OnConflict,
    event::DefinitionEvent as Event,
    hold_model::{Amended, Hold, Need, Rule},
    model::{Model, StateKind, Target, Work},
    phrase,
    risk::RiskModel,
    substitutes::Substitutes,
};

/// A definition's states and where they lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The state that a run begins in.
    pub start: String,
    /// The states, in the order of the file.
    pub states: Vec<StateOutline>,
    /// The levels of the risk, from the lowest; none, where the definition tells no risk.
    pub levels: Vec<String>,
    /// The factors of the risk, each with the conditions of its cases.
    pub factors: Vec<(String, Vec<String>)>,
    /// Whether something besides its points says which risk a run has at least.
    pub risk_at_least: bool,
    /// The time of the whole run, where it has one.
    pub expires: Option<RunExpiry>,
    /// How it stands to a baseline, where it is looked at by one.
    pub baseline: Option<BaselineOutline>,
}

/// How a run ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunExpiry {
    /// How long after its submission, in words.
    pub after: String,
    /// The state that it ends in.
    pub to: String,
}

/// A state, and what may be named there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOutline {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: StateOf,
    /// The branch that it is in, from the outermost: each the `all` state and the branch's name.
    pub within: Vec<(String, String)>,
    /// The branches that begin here.
    pub branches: Vec<BranchOutline>,
    /// Where it leads.
    pub ways: Vec<Way>,
    /// The rules of its approval.
    pub rules: Vec<RuleOutline>,
    /// What its approval has besides.
    pub parts: Vec<ApprovalPart>,
    /// The evidence that it demands.
    pub evidence: Vec<String>,
    /// The tasks that people confirm there.
    pub tasks: Vec<String>,
    /// Whether it waits for a window; and if it does, whether anybody may override that.
    pub window: Option<WindowOutline>,
    /// Whether conflicts hold it; and if they do, whether anybody may accept one.
    pub conflicts: Option<ConflictsOutline>,
    /// The checks that it has made.
    pub checks: Vec<String>,
    /// The signal that it waits for.
    pub signal: Option<String>,
    /// The definition of the run that it asks for.
    pub run: Option<String>,
    /// The activities that it asks for.
    pub activities: Vec<String>,
    /// The outcome of the run, where the state ends it.
    pub ends: Option<String>,
    /// What it waits for or does, in a few words a line.
    pub summary: Vec<String>,
}

/// A branch of an `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchOutline {
    /// Its name.
    pub name: String,
    /// The state that it begins in.
    pub start: String,
}

/// The kinds of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateOf {
    /// A `hold`.
    Hold,
    /// A `do` with an `activity`.
    Activity,
    /// A `do` with a `rollout`.
    Rollout,
    /// A `do` with a `run`.
    Child,
    /// A `choose`.
    Choose,
    /// An `all`.
    All,
    /// An `end`.
    End,
}

/// A way from a state to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// The outcome; in a `choose` the condition, or `else`.
    pub on: String,
    /// The state that it leads to.
    pub to: String,
}

/// A rule of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOutline {
    /// Its name.
    pub name: String,
    /// Whether it has a condition, so that it need not apply.
    pub conditional: bool,
}

/// A window that a hold or a rollout waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowOutline {
    /// Whether anybody may let the run go on while it is closed.
    pub overridable: bool,
}

/// Conflicts that hold a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictsOutline {
    /// Whether anybody may accept one.
    pub acceptable: bool,
}

/// What an approval can have besides its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApprovalPart {
    /// Some have a veto.
    Veto,
    /// The input can be amended; and where there can be approvals then, what can become of them.
    Amendment {
        /// They can stand.
        stand: bool,
        /// They can fall.
        fall: bool,
    },
    /// Approvals can be given on conditions.
    Duties,
    /// Those who have not decided are reminded.
    Reminder,
    /// Others may approve as well after some time.
    Escalation,
    /// People vote in the place of others, as the definition says.
    Substitutes,
}

/// The outline of a checked definition.
pub(crate) fn of(model: &Model) -> Outline {
    let expires = model
        .expires
        .as_ref()
        .map(|(after, to)| RunExpiry { after: phrase::duration(*after), to: to.name.clone() });
    let mut states: Vec<_> = model.states.iter().collect();
    states.sort_by_key(|(_, state)| state.span.start);
    let outlined = states.into_iter().map(|(name, state)| {
        let way = |on: &str| {
            let to = state.on.get(on)?;
            Some(Way { on: on.to_owned(), to: to.name.clone() })
        };
        let mut outline = StateOutline {
            name: name.clone(),
            kind: kind(&state.kind),
            within: model
                .path(name)
                .unwrap_or_default()
                .into_iter()
                .map(|within| (within.all.clone(), within.branch.clone()))
                .collect(),
            branches: Vec::new(),
            ways: check::outcomes(model, name, state).into_iter().filter_map(way).collect(),
            rules: Vec::new(),
            parts: Vec::new(),
            evidence: Vec::new(),
            tasks: Vec::new(),
            checks: Vec::new(),
            window: None,
            conflicts: None,
            signal: None,
            run: None,
            activities: Vec::new(),
            ends: None,
            summary: phrase::summary(&state.kind),
        };
        fill(&mut outline, &state.kind);
        if let Some(expiry) = expires.as_ref().filter(|expiry| expiry.to == *name) {
            outline.summary.push(format!("{} after submission, at the latest", expiry.after));
        }
        outline
    });
    let states = outlined.collect();
    let levels = model.risk.iter().flat_map(|risk| &risk.levels);
    let levels = levels.map(|(name, _)| name.clone()).collect();
    let factors = model.risk.iter().flat_map(RiskModel::factors);
    let factors = factors.map(|factor| {
        let cases = factor.cases.iter().map(|(when, _)| when.text().to_owned());
        (factor.name.clone(), cases.collect())
    });
    Outline {
        start: model.start.name.clone(),
        states,
        levels,
        factors: factors.collect(),
        risk_at_least: model.risk.as_ref().is_some_and(|risk| risk.at_least.is_some()),
        expires,
        baseline: None,
    }
}

const fn kind(kind: &StateKind) -> StateOf {
    match kind {
        StateKind::Hold(_) => StateOf::Hold,
        StateKind::Activity(_) => StateOf::Activity,
        StateKind::Rollout(_) => StateOf::Rollout,
        StateKind::Child(_) => StateOf::Child,
        StateKind::Choose { .. } => StateOf::Choose,
        StateKind::All(_) => StateOf::All,
        StateKind::End { .. } => StateOf::End,
    }
}

fn parts(hold: &Hold) -> Vec<ApprovalPart> {
    let Some(approval) = &hold.approval else { return Vec::new() };
    // Where the first approval releases the hold, none is there when the input is amended.
    let first_releases = approval.veto.is_none()
        && hold.wait.is_none()
        && hold.signal.is_none()
        && hold.evidence.is_empty()
        && hold.tasks.is_empty()
        && hold.checks.is_empty()
        && hold.window.is_none()
        && matches!(approval.rules.as_slice(), [Rule { need: Need::Fixed(1), .. }]);
    let amendment = approval.amended.map(|amended| ApprovalPart::Amendment {
        stand: !first_releases && matches!(amended, Amended::Keep | Amended::Subset),
        fall: !first_releases && matches!(amended, Amended::Reset | Amended::Subset),
    });
    let all = [
        approval.veto.as_ref().map(|_| ApprovalPart::Veto),
        amendment,
        approval.duties.as_ref().map(|_| ApprovalPart::Duties),
        approval.remind.as_ref().map(|_| ApprovalPart::Reminder),
        approval.escalate.as_ref().map(|_| ApprovalPart::Escalation),
        approval
            .substitutes
            .filter(|one| *one != Substitutes::Never)
            .map(|_| ApprovalPart::Substitutes),
    ];
    all.into_iter().flatten().collect()
}

fn fill(outline: &mut StateOutline, kind: &StateKind) {
    match kind {
        StateKind::Hold(hold) => {
            outline.rules = hold
                .approval
                .iter()
                .flat_map(|approval| &approval.rules)
                .map(|rule| RuleOutline {
                    name: rule.name.clone(),
                    conditional: rule.when.is_some(),
                })
                .collect();
            outline.parts = parts(hold);
            outline.evidence = hold.evidence.iter().map(|demand| demand.name.clone()).collect();
            outline.checks = hold.checks.iter().map(|check| check.name.clone()).collect();
            outline
                .activities
                .extend(hold.checks.iter().map(|check| check.health.activity().to_owned()));
            outline.tasks = hold.tasks.iter().map(|task| task.name.clone()).collect();
            outline.window = hold
                .window
                .as_ref()
                .map(|window| WindowOutline { overridable: !window.overriders.is_empty() });
            outline.conflicts = hold
                .conflicts
                .as_ref()
                .filter(|conflicts| conflicts.found == OnConflict::Hold)
                .map(|one| ConflictsOutline { acceptable: !one.accepters.is_empty() });
            outline.signal = hold.signal.as_ref().map(|signal| signal.name.clone());
        }
        StateKind::Activity(work) => {
            outline.window = work
                .window
                .as_ref()
                .map(|window| WindowOutline { overridable: !window.overriders.is_empty() });
            outline.activities.extend(activities(work));
        }
        StateKind::Rollout(rollout) => {
            outline.window = rollout
                .window
                .as_ref()
                .map(|window| WindowOutline { overridable: !window.overriders.is_empty() });
            outline.activities.extend(rollout.works().flat_map(|(_, work)| activities(work)));
            outline
                .activities
                .extend(rollout.healthy.iter().map(|health| health.activity().to_owned()));
        }
        StateKind::Choose { branches, otherwise } => {
            outline.ways = branches
                .iter()
                .map(|(when, to)| Way { on: when.text().to_owned(), to: to.name.clone() })
                .chain([Way { on: "else".to_owned(), to: otherwise.name.clone() }])
                .collect();
        }
        StateKind::Child(child) => outline.run = Some(child.definition.to_string()),
        StateKind::All(all) => {
            let branch = |(name, start): (&String, &Target)| BranchOutline {
                name: name.clone(),
                start: start.name.clone(),
            };
            outline.branches = all.branches.iter().map(branch).collect();
        }
        StateKind::End { outcome } => outline.ends = Some(outcome.clone()),
    }
}

impl Event {
    /// The outcome that a state has by this event, if it has one by it: the state and the outcome.
    #[must_use]
    pub fn outcome(&self) -> Option<(&str, &str)> {
        match self {
            Self::HoldReleased { hold } => Some((hold, "released")),
            Self::HoldRejected { hold, .. } => Some((hold, "rejected")),
            Self::HoldFailed { hold, .. } => Some((hold, "failed")),
            Self::HoldWaived { hold, .. } => Some((hold, "waived")),
            Self::HoldExpired { hold, .. } => Some((hold, "expired")),
            Self::Objected { hold, .. } => Some((hold, "objected")),
            Self::WorkExpired { state, .. } => Some((state, "expired")),
            Self::WorkSucceeded { state, .. } => Some((state, "succeeded")),
            Self::WorkFailed { state, .. } => Some((state, "failed")),
            Self::RolloutDrifted { state, .. } => Some((state, "drifted")),
            Self::RolloutFinished { state, outcome } | Self::BranchesJoined { state, outcome } => {
                Some((state, outcome))
            }
            Self::StateEntered { .. }
            | Self::Blocked { .. }
            | Self::HoldOpened { .. }
            | Self::Replanned { .. }
            | Self::ApprovalGranted(_)
            | Self::ApprovalRejected(_)
            | Self::Vetoed(_)
            | Self::VoteWithdrawn { .. }
            | Self::VetoOverruled { .. }
            | Self::Recounted { .. }
            | Self::DutyOpened(_)
            | Self::DutyDischarged { .. }
            | Self::DutiesAwaited { .. }
            | Self::LockedDown { .. }
            | Self::LockdownLifted { .. }
            | Self::Amended { .. }
            | Self::EvidenceAttached(_)
            | Self::TaskConfirmed(_)
            | Self::TaskReopened { .. }
            | Self::WaiverGiven { .. }
            | Self::BaselineMet(_)
            | Self::BaselineHeld { .. }
            | Self::RequirementOverridden(_)
            | Self::OverrideWithdrawn(_)
            | Self::QualificationsLapsed(_)
            | Self::DutyOverdue { .. }
            | Self::Commented { .. }
            | Self::NotObjected { .. }
            | Self::Reminded { .. }
            | Self::Escalated { .. }
            | Self::Expired { .. }
            | Self::WaitElapsed { .. }
            | Self::LocksRequested { .. }
            | Self::LocksGranted { .. }
            | Self::LocksReleased { .. }
            | Self::LockBroken { .. }
            | Self::ConflictsChecked { .. }
            | Self::ConflictAccepted { .. }
            | Self::WindowAwaited { .. }
            | Self::WindowOpened { .. }
            | Self::WindowOverridden { .. }
            | Self::RiskAssessed(_)
            | Self::CheckTold { .. }
            | Self::CheckAsked { .. }
            | Self::SignalReceived { .. }
            | Self::SignalConsumed { .. }
            | Self::WorkRequested { .. }
            | Self::RolloutStarted { .. }
            | Self::WaveStarted { .. }
            | Self::BakeStarted { .. }
            | Self::BakeEnded { .. }
            | Self::RolloutHeld { .. }
            | Self::Promoted { .. }
            | Self::RolloutPaused { .. }
            | Self::NotBegun { .. }
            | Self::RolloutResumed { .. }
            | Self::TargetStepDone { .. }
            | Self::TargetSkipped(_)
            | Self::TargetDeployed(_)
            | Self::TargetHealthy(_)
            | Self::TargetFailed(_)
            | Self::TargetInconclusive(_)
            | Self::TargetRechecked(_)
            | Self::RolloutStopped { .. }
            | Self::UndoStarted { .. }
            | Self::TargetRestored(_)
            | Self::TargetStuck(_)
            | Self::TargetRetried(_)
            | Self::TargetTakenOver(_)
            | Self::ChildRequested { .. }
            | Self::ChildStopping { .. }
            | Self::BranchesStarted { .. }
            | Self::BranchesStopping { .. }
            | Self::BranchEnded { .. }
            | Self::BranchStopped { .. }
            | Self::Cancelled { .. }
            | Self::Ended { .. } => None,
        }
    }
}

/// The activities that work asks for: its own, and the one that says whether it was done.
fn activities(work: &Work) -> impl Iterator<Item = String> {
    [Some(&work.run), work.settle.as_ref().map(|settle| &settle.run)].into_iter().flatten().cloned()
}
