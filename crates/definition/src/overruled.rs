//! Vetoes that were overruled: what is settled about a text is not asked again about the same one.

use std::collections::BTreeMap;

use holdpoint_core::{Digest, MemberId};
use serde::{Deserialize, Serialize};

use crate::{evidence::Evidence, hold_model::Hold, hold_state::HoldState, state::State};

/// A veto that was overruled, with all that it was about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overruled {
    /// In whose place it was given.
    member: MemberId,
    pub(crate) by: MemberId,
    input: Digest,
    plans: BTreeMap<String, Digest>,
    /// All that the run had been shown, by its names.
    evidence: BTreeMap<String, Digest>,
}

/// What the run has been shown.
pub(crate) fn shown(evidence: &BTreeMap<String, Evidence>) -> BTreeMap<String, Digest> {
    evidence.iter().map(|(name, found)| (name.clone(), found.what.digest)).collect()
}

impl HoldState {
    /// Notes that the veto of a member was overruled; `input` and `evidence` are the run's.
    pub(crate) fn note_overruled(
        &mut self,
        member: &MemberId,
        by: &MemberId,
        input: Digest,
        evidence: BTreeMap<String, Digest>,
    ) {
        let plans = self.plans.clone();
        let (member, by) = (member.clone(), by.clone());
        self.overruled.retain(|one| one.member != member);
        self.overruled.push(Overruled { member, by, input, plans, evidence });
    }

    /// How a member's veto was overruled, while all that it was about is as it was: the input, the
    /// plans, and the evidence that the hold demands.
    pub(crate) fn stands_overruled(
        &self,
        hold: &Hold,
        state: &State,
        member: &MemberId,
    ) -> Option<&Overruled> {
        let one = self.overruled.iter().find(|one| one.member == *member)?;
        let now = shown(&state.evidence);
        let mut demanded = hold.demands(self).map(|demand| &demand.name);
        let same = one.input == state.digest
            && one.plans == self.plans
            && demanded.all(|name| one.evidence.get(name) == now.get(name));
        same.then_some(one)
    }
}
