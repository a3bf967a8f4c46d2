//! The steps of a rollout at one target: which there are, which comes after which, and what undoes
//! those that were done.

use serde::{Deserialize, Serialize};

/// Where a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Waiting,
    PreChecking,
    Draining,
    Deploying,
    Verifying,
    Undraining,
    Checking,
    /// Its check told nothing.
    Unclear,
    /// It was deployed to, and its check was given up when the rollout stopped.
    Unchecked,
    /// It was taken out of service, and not deployed to, when the rollout stopped.
    Drained,
    Healthy,
    Failed,
    /// It has failed, and is as it was before.
    FailedUndone,
    /// It is taken out of service so that it can be restored.
    UndoDraining,
    Restoring,
    /// It is put back into service, and is then as it was before.
    UndoUndraining,
    /// It is put back into service as it is, as nothing restores it.
    Returning,
    Restored,
    Stuck,
    TakenOver,
    /// It is left out, and nothing was done to it.
    Skipped,
    /// It is left as it is, after something was done to it.
    PassedOver,
}

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    PreCheck,
    Drain,
    Deploy,
    Verify,
    Undrain,
    Check,
    UndoDrain,
    Restore,
    UndoUndrain,
}

impl Step {
    /// Its name in effects.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PreCheck => "pre_check",
            Self::Drain => "drain",
            Self::Deploy => "deploy",
            Self::Verify => "verify",
            Self::Undrain => "undrain",
            Self::Check => "check",
            Self::UndoDrain => "undo_drain",
            Self::Restore => "restore",
            Self::UndoUndrain => "undo_undrain",
        }
    }

    /// Whether it undoes something.
    pub(crate) const fn is_undo(self) -> bool {
        matches!(self, Self::UndoDrain | Self::Restore | Self::UndoUndrain)
    }
}

impl Phase {
    /// The step that is under way in it.
    pub(crate) const fn step(self) -> Option<Step> {
        match self {
            Self::PreChecking => Some(Step::PreCheck),
            Self::Draining => Some(Step::Drain),
            Self::Deploying => Some(Step::Deploy),
            Self::Verifying => Some(Step::Verify),
            Self::Undraining => Some(Step::Undrain),
            Self::Checking => Some(Step::Check),
            Self::UndoDraining => Some(Step::UndoDrain),
            Self::Restoring => Some(Step::Restore),
            Self::UndoUndraining | Self::Returning => Some(Step::UndoUndrain),
            Self::Waiting
            | Self::Unclear
            | Self::Unchecked
            | Self::Drained
            | Self::Healthy
            | Self::Failed
            | Self::FailedUndone
            | Self::Restored
            | Self::Stuck
            | Self::TakenOver
            | Self::Skipped
            | Self::PassedOver => None,
        }
    }

    /// Whether a step of undoing is under way.
    pub(crate) const fn is_undoing(self) -> bool {
        matches!(
            self,
            Self::UndoDraining | Self::Restoring | Self::UndoUndraining | Self::Returning
        )
    }

    /// Whether it has failed, and nobody has seen to it since.
    pub(crate) const fn has_failed(self) -> bool {
        matches!(self, Self::Failed | Self::FailedUndone)
    }

    /// Its name, as views show it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::PreChecking => "pre_checking",
            Self::Draining | Self::UndoDraining => "draining",
            Self::Deploying => "deploying",
            Self::Verifying => "verifying",
            Self::Undraining | Self::UndoUndraining | Self::Returning => "undraining",
            Self::Checking => "checking",
            Self::Unchecked => "unchecked",
            Self::Drained => "drained",
            Self::Healthy => "healthy",
            Self::Failed | Self::FailedUndone => "failed",
            Self::Restoring => "restoring",
            Self::Restored => "restored",
            Self::TakenOver => "taken_over",
            Self::Skipped | Self::PassedOver => "skipped",
            Self::Unclear | Self::Stuck => "stuck",
        }
    }
}

/// The steps that a rollout has at its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether the definition has a step")]
pub(crate) struct Path {
    pub(crate) pre_check: bool,
    pub(crate) drain: bool,
    pub(crate) verify: bool,
    pub(crate) check: bool,
    pub(crate) rollback: bool,
    /// Whether a target that fails is undone at once.
    pub(crate) undoes_failed: bool,
    /// Whether a switch comes after the last target.
    pub(crate) switch: bool,
}

impl Path {
    /// The steps at one target, or of the switch.
    pub(crate) const fn of(self, switch: bool) -> Self {
        if !switch {
            return self;
        }
        Self {
            pre_check: false,
            drain: false,
            verify: false,
            check: false,
            rollback: true,
            // It is undone with all the others.
            undoes_failed: false,
            ..self
        }
    }

    /// What is done first.
    pub(crate) const fn first(self, switch: bool) -> Phase {
        let path = self.of(switch);
        if path.pre_check {
            Phase::PreChecking
        } else if path.drain {
            Phase::Draining
        } else {
            Phase::Deploying
        }
    }

    /// What is done when a step on the way forward is done; `None` when the target is done.
    pub(crate) const fn next(self, phase: Phase) -> Option<Phase> {
        match phase {
            Phase::PreChecking if self.drain => Some(Phase::Draining),
            Phase::PreChecking | Phase::Draining => Some(Phase::Deploying),
            Phase::Deploying if self.verify => Some(Phase::Verifying),
            Phase::Deploying | Phase::Verifying if self.drain => Some(Phase::Undraining),
            Phase::Deploying | Phase::Verifying | Phase::Undraining if self.check => {
                Some(Phase::Checking)
            }
            _ => None,
        }
    }

    /// What undoes a target first that is here; `out` says whether it is out of service. `None`
    /// when nothing is to be undone, or nothing undoes it.
    pub(crate) const fn undo_first(self, phase: Phase, out: bool) -> Option<Phase> {
        match phase {
            Phase::Deploying
            | Phase::Verifying
            | Phase::Undraining
            | Phase::Checking
            | Phase::Unclear
            | Phase::Unchecked
            | Phase::Healthy
            | Phase::Failed
            | Phase::PassedOver
                if self.rollback =>
            {
                Some(if self.drain && !out { Phase::UndoDraining } else { Phase::Restoring })
            }
            Phase::Draining | Phase::Drained => Some(Phase::UndoUndraining),
            Phase::Deploying
            | Phase::Verifying
            | Phase::Undraining
            | Phase::Unchecked
            | Phase::Failed
            | Phase::PassedOver
                if out =>
            {
                Some(Phase::Returning)
            }
            _ => None,
        }
    }

    /// What is done when a step of undoing is done; `None` when the target is undone.
    pub(crate) const fn undo_next(self, phase: Phase) -> Option<Phase> {
        match phase {
            Phase::UndoDraining => Some(Phase::Restoring),
            Phase::Restoring if self.drain => Some(Phase::UndoUndraining),
            _ => None,
        }
    }
}
