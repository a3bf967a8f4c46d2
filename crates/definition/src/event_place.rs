//! Where an event has happened, and how long what it says may be.

use crate::event::DefinitionEvent;

/// How much of a reason is kept.
const REASON_BYTES_MAX: usize = 4096;

impl DefinitionEvent {
    /// The state that the event is about, where it changes what is there.
    pub(crate) fn place(&self) -> Option<&str> {
        match self {
            Self::StateEntered { state, .. }
            | Self::Blocked { state, .. }
            | Self::WorkRequested { state, .. }
            | Self::WorkSucceeded { state, .. }
            | Self::WorkFailed { state, .. }
            | Self::RolloutDrifted { state, .. }
            | Self::WorkExpired { state, .. }
            | Self::Expired { state, .. }
            | Self::ChildRequested { state, .. }
            | Self::ChildStopping { state, .. }
            | Self::RolloutStarted { state, .. }
            | Self::BakeStarted { state, .. }
            | Self::BakeEnded { state, .. }
            | Self::RolloutHeld { state, .. }
            | Self::Promoted { state, .. }
            | Self::RolloutPaused { state, .. }
            | Self::RolloutResumed { state, .. }
            | Self::NotBegun { state, .. }
            | Self::WaveStarted { state, .. }
            | Self::RolloutStopped { state, .. }
            | Self::UndoStarted { state, .. }
            | Self::RolloutFinished { state, .. }
            | Self::WindowAwaited { state, .. }
            | Self::WindowOpened { state, .. }
            | Self::WindowOverridden { state, .. }
            | Self::BranchesStarted { state, .. }
            | Self::BranchesStopping { state, .. }
            | Self::BranchEnded { state, .. }
            | Self::BranchStopped { state, .. }
            | Self::BranchesJoined { state, .. }
            | Self::DutiesAwaited { before: state, .. }
            | Self::LockedDown { state, .. }
            | Self::LockdownLifted { state }
            | Self::BaselineHeld { state, .. }
            | Self::LocksReleased { state, .. }
            | Self::Cancelled { state, .. } => Some(state),
            Self::HoldOpened { hold, .. }
            | Self::VoteWithdrawn { hold, .. }
            | Self::VetoOverruled { hold, .. }
            | Self::Recounted { hold, .. }
            | Self::Amended { hold, .. }
            | Self::Replanned { hold, .. }
            | Self::WaitElapsed { hold }
            | Self::SignalConsumed { hold, .. }
            | Self::CheckTold { hold, .. }
            | Self::CheckAsked { hold, .. }
            | Self::HoldFailed { hold, .. }
            | Self::HoldReleased { hold }
            | Self::TaskReopened { hold, .. }
            | Self::WaiverGiven { hold, .. }
            | Self::HoldWaived { hold, .. }
            | Self::HoldRejected { hold, .. }
            | Self::Objected { hold, .. }
            | Self::NotObjected { hold, .. }
            | Self::Reminded { hold, .. }
            | Self::Escalated { hold, .. }
            | Self::LocksRequested { hold, .. }
            | Self::LocksGranted { hold, .. }
            | Self::ConflictsChecked { hold, .. }
            | Self::ConflictAccepted { hold, .. }
            | Self::HoldExpired { hold, .. } => Some(hold),
            Self::BaselineMet(release) => Some(&release.hold),
            Self::QualificationsLapsed(lapsing) => Some(&lapsing.state),
            Self::TaskConfirmed(confirmation) => Some(&confirmation.hold),
            Self::ApprovalGranted(ballot)
            | Self::ApprovalRejected(ballot)
            | Self::Vetoed(ballot) => Some(&ballot.hold),
            Self::TargetDeployed(of)
            | Self::TargetHealthy(of)
            | Self::TargetFailed(of)
            | Self::TargetInconclusive(of)
            | Self::TargetRechecked(of)
            | Self::TargetRestored(of)
            | Self::TargetStuck(of)
            | Self::TargetRetried(of)
            | Self::TargetSkipped(of)
            | Self::TargetStepDone { of, .. }
            | Self::TargetTakenOver(of) => Some(&of.state),
            // These are the run's as a whole.
            Self::RequirementOverridden(_)
            | Self::OverrideWithdrawn(_)
            | Self::DutyOpened(_)
            | Self::DutyDischarged { .. }
            | Self::LockBroken { .. }
            | Self::DutyOverdue { .. }
            | Self::Commented { .. }
            | Self::EvidenceAttached(_)
            | Self::SignalReceived { .. }
            | Self::RiskAssessed(_)
            | Self::Ended { .. } => None,
        }
    }

    /// Cuts what expressions, workers and signals say to a length that a history bears: they can
    /// quote values as large as an input, and a rollout repeats them for each target.
    pub(crate) fn cut(&mut self) {
        let text = match self {
            Self::Blocked { reason, .. }
            | Self::WorkFailed { reason, .. }
            | Self::RolloutStopped { reason, .. }
            | Self::RolloutPaused { reason, .. }
            | Self::UndoStarted { reason, .. } => Some(reason),
            Self::Promoted { reason, .. } | Self::RolloutResumed { reason, .. } => reason.as_mut(),
            Self::CheckTold { detail, .. } => detail.as_mut(),
            Self::RolloutDrifted { problem, .. } => problem.as_mut(),
            Self::TargetDeployed(of)
            | Self::TargetHealthy(of)
            | Self::TargetFailed(of)
            | Self::TargetInconclusive(of)
            | Self::TargetRechecked(of)
            | Self::TargetRestored(of)
            | Self::TargetStuck(of)
            | Self::TargetRetried(of)
            | Self::TargetSkipped(of)
            | Self::TargetStepDone { of, .. }
            | Self::TargetTakenOver(of) => of.detail.as_mut(),
            _ => None,
        };
        if let Some(text) = text {
            *text = cut(std::mem::take(text));
        }
    }
}

/// A reason of a bounded length.
pub(crate) fn cut(mut text: String) -> String {
    let whole = text.len();
    // What the engine has cut already is a little longer than its limit.
    if whole <= REASON_BYTES_MAX + 100 {
        return text;
    }
    let end = (0..=REASON_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text.push_str(&format!("… (cut: {whole} bytes in all)"));
    text
}
