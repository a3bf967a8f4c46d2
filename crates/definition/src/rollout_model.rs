//! A rollout as it is defined: what is done to which targets, in which order, and who steers it.

use std::sync::Arc;

use holdpoint_core::{MemberId, project::Member};

use crate::{
    health::Health,
    hold_model::{Approver, Exclusion},
    model::{Target, Timed, Wave, Work},
    rollout_steps::Path,
    state::State,
    targets::Targets,
    template::Tree,
    window_model::WorkWindow,
};

/// An activity over targets.
#[derive(Debug)]
pub(crate) struct Rollout {
    pub(crate) targets: Targets,
    pub(crate) order: Order,
    /// The targets that come first, whatever the order.
    pub(crate) first: Option<Tree>,
    pub(crate) waves: Vec<WaveEntry>,
    pub(crate) max_failed: u32,
    pub(crate) max_parallel: u32,
    pub(crate) max_unavailable: Option<Most>,
    /// What is done to a target; one of the steps, where there are some.
    pub(crate) each: Work,
    pub(crate) steps: Option<Steps>,
    pub(crate) healthy: Option<Health>,
    pub(crate) rollback: Option<Work>,
    /// How many of those that were begun are undone by the end of each wave.
    pub(crate) undo_waves: Arc<Vec<Wave>>,
    /// How many are undone at once.
    pub(crate) undo_parallel: u32,
    pub(crate) switch: Option<Switch>,
    /// Who may steer it.
    pub(crate) control: Vec<Controller>,
    /// When targets are begun with.
    pub(crate) window: Option<WorkWindow>,
    /// The hold whose release is about its plan.
    pub(crate) approved_at: Option<Target>,
}

impl Rollout {
    /// Whether something undoes what it does.
    pub(crate) const fn can_undo(&self) -> bool {
        self.rollback.is_some() || self.switch.is_some()
    }

    /// The steps at each target, its check aside.
    pub(crate) fn path(&self) -> Path {
        let steps = self.steps.as_ref();
        Path {
            pre_check: steps.is_some_and(|steps| steps.pre_check.is_some()),
            drain: steps.is_some_and(|steps| steps.drain.is_some()),
            verify: steps.is_some_and(|steps| steps.verify.is_some()),
            check: false,
            rollback: self.rollback.is_some(),
            undoes_failed: steps.is_some(),
            switch: self.switch.is_some(),
        }
    }

    /// The hold after a wave, counted from 1; after the last comes that of the switch.
    pub(crate) fn hold(&self, wave: u32) -> Option<&WaveHold> {
        let at = usize::try_from(wave).ok()?.checked_sub(1)?;
        match self.waves.get(at) {
            Some(entry) => entry.gate.hold.as_ref(),
            None => self.switch.as_ref().and_then(|switch| switch.gate.hold.as_ref()),
        }
    }

    /// Every activity that it asks for, its checks aside, with where it stands.
    pub(crate) fn works(&self) -> impl Iterator<Item = (&'static str, &Work)> {
        let steps = self.steps.iter().flat_map(|steps| {
            let (drain, undrain) = steps.drain.as_ref().map(|(one, two)| (one, two)).unzip();
            [
                ("pre_check", steps.pre_check.as_ref()),
                ("drain", drain),
                ("verify", steps.verify.as_ref()),
                ("undrain", undrain),
            ]
        });
        let switch = self.switch.iter();
        let switch = switch.flat_map(|one| [("switch", &one.to), ("switch back", &one.back)]);
        let each = if self.steps.is_some() { "deploy" } else { "each" };
        [(each, Some(&self.each))]
            .into_iter()
            .chain(steps)
            .chain([("rollback", self.rollback.as_ref())])
            .filter_map(|(what, work)| Some((what, work?)))
            .chain(switch)
    }
}

/// In which order targets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Listed,
    Name,
}

/// A wave, and what lies behind it.
#[derive(Debug)]
pub(crate) struct WaveEntry {
    pub(crate) end: Wave,
    pub(crate) gate: GateModel,
}

/// What lies between a wave and the next.
#[derive(Debug, Default)]
pub(crate) struct GateModel {
    pub(crate) bake: Option<Timed>,
    pub(crate) hold: Option<WaveHold>,
}

/// A hold after a wave: who promotes the rollout, and how many must.
#[derive(Debug)]
pub(crate) struct WaveHold {
    /// Those who may steer the rollout, where there is none.
    pub(crate) from: Option<Vec<Controller>>,
    pub(crate) need: u32,
    pub(crate) not: Vec<Exclusion>,
}

/// What is done to a target besides the deployment.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) pre_check: Option<Work>,
    /// What takes it out of service, and what puts it back.
    pub(crate) drain: Option<(Work, Work)>,
    pub(crate) verify: Option<Work>,
}

/// What is done once, after every target.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) to: Work,
    pub(crate) back: Work,
    pub(crate) gate: GateModel,
}

/// How many at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Most {
    Count(u32),
    Percent(u32),
}

impl Most {
    /// How many of `all`: a percentage is rounded down, and at least one in any case, so that
    /// something can be done at all.
    pub(crate) fn of(self, all: u32) -> u32 {
        match self {
            Self::Count(count) => count.max(1),
            Self::Percent(percent) => {
                let most = u64::from(all).saturating_mul(u64::from(percent)) / 100;
                u32::try_from(most).unwrap_or(all).max(1)
            }
        }
    }
}

/// Somebody who may steer a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    /// Whoever submitted the run.
    Requester,
    Approver(Approver),
}

impl Controller {
    /// As a definition names them.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Requester => "requester".to_owned(),
            Self::Approver(approver) => approver.named(),
        }
    }

    /// Whether a member is meant.
    pub(crate) fn is(&self, state: &State, id: &MemberId, member: &Member) -> bool {
        match self {
            Self::Requester => state.requester.member() == Some(id),
            Self::Approver(approver) => approver.is(id, member),
        }
    }
}

impl std::fmt::Display for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requester => f.write_str("the requester"),
            Self::Approver(approver) => approver.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_may_be_out_is_rounded_down_to_at_least_one() {
        for (most, all, expected) in [
            (Most::Count(3), 10, 3),
            (Most::Percent(25), 10, 2),
            (Most::Percent(25), 3, 1),
            (Most::Percent(100), 7, 7),
            (Most::Percent(1), 100_000, 1_000),
        ] {
            assert_eq!(most.of(all), expected, "{most:?} of {all}");
        }
    }
}
