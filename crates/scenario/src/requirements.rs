//! How runs can stand to what a baseline demands of a definition, for the coverage of scenarios.

use holdpoint_core::view::{ConditionStatus, RequirementView};
use holdpoint_definition::{Definition, Standing};

use crate::{baselines::KeptBaseline, coverage::Item};

/// How a run stands to a requirement of its baseline when it is over, or where a scenario leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stood {
    /// It was met.
    Met,
    /// Its condition was false.
    NotApplicable,
    /// A hold that stands for it was waived.
    Waived,
    /// Somebody took it off the run.
    Overridden,
}

impl Stood {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotApplicable => "not applicable",
            Self::Waived => "waived",
            Self::Overridden => "overridden",
        }
    }

    /// How a run stands: one that was overridden may be met nevertheless.
    pub(crate) fn of(one: &RequirementView) -> Vec<Self> {
        let met = one.met.then_some(Self::Met);
        let besides = match one.status {
            ConditionStatus::NotApplicable => Some(Self::NotApplicable),
            ConditionStatus::Waived => Some(Self::Waived),
            ConditionStatus::Overridden => Some(Self::Overridden),
            ConditionStatus::Met
            | ConditionStatus::Open
            | ConditionStatus::Refused
            | ConditionStatus::Error => None,
        };
        [met, besides].into_iter().flatten().collect()
    }
}

/// How runs of a definition that keeps to a baseline can stand to it. Of what has no work in the definition, or is
/// not demanded of it, nothing can be reached.
pub(crate) fn requirements(definition: &Definition, baseline: &KeptBaseline) -> Vec<Item> {
    let outline = baseline.read().outline(definition);
    let demanded = outline.requirements.into_iter().filter(|one| one.standing == Standing::Met);
    let items = demanded.flat_map(|one| {
        let can = [
            // Where no way leads to the work, it need not be met either.
            (!one.holds.is_empty() || !one.within.is_empty()).then_some(Stood::Met),
            one.conditional.then_some(Stood::NotApplicable),
            (!one.waivable.is_empty()).then_some(Stood::Waived),
            one.overridable.then_some(Stood::Overridden),
        ];
        can.into_iter().flatten().map(move |stood| (one.name.clone(), stood))
    });
    let item = |(requirement, stood)| Item::Requirement {
        baseline: outline.name.clone(),
        requirement,
        stood,
    };
    items.map(item).collect()
}
