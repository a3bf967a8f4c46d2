//! Approvals that are given anew: a hold that was released is approved once more, by somebody who is qualified
//! now, where that keeps the work from beginning.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{Digest, MemberId, NewDuty, Refusal, RefusalCode, Vote, workflow::Meta};

use crate::{
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    event_data::Ballot,
    evolve::{self, hold_of},
    requalifying::counting,
    state::{Place, State},
    substitutes::{self, Voter},
};

/// The released holds that may be approved anew where a run, or a branch, rests.
pub(crate) fn holds(place: &Place) -> BTreeSet<&str> {
    let Place::Owing { lapsed: Some(lapsed), .. } = place else { return BTreeSet::new() };
    lapsed.approvals.iter().map(|one| one.hold.as_str()).collect()
}

impl Draft<'_> {
    /// The released hold that a vote is about, if it is about one.
    ///
    /// # Errors
    /// When it does not say which of several.
    pub(crate) fn approves_anew(&self, named: Option<&str>) -> Result<Option<String>, Refusal> {
        let holds = holds(&self.state.place);
        let found = match named {
            Some(named) => holds.get(named),
            None if holds.len() > 1 => {
                let listed: Vec<String> = holds.iter().map(|hold| format!("`{hold}`")).collect();
                return Err(Refusal::new(
                    RefusalCode::AmbiguousBranch,
                    format!(
                        "{} holds wait to be approved anew, and it is not said which is meant",
                        holds.len()
                    ),
                )
                .needs(format!("name one of {}", listed.join(", "))));
            }
            None => holds.first(),
        };
        Ok(found.map(|hold| (*hold).to_owned()))
    }

    /// Decides an approval that takes the place of one which does not count any more.
    pub(crate) fn approve_anew(
        &mut self,
        hold: &str,
        vote: Vote,
        (reason, duties): (Option<String>, &[NewDuty]),
        place: Option<&MemberId>,
        plans: &BTreeSet<Digest>,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let nobody = || not_awaited(format!("nobody approves `{hold}` now"));
        let relied = self.state.relied.get(hold).ok_or_else(nobody)?;
        let definition = hold_of(self.model, hold).ok_or_else(nobody)?;
        let approval = definition.approval.as_ref().ok_or_else(nobody)?;
        if vote != Vote::Approve || !duties.is_empty() {
            let why = if vote == Vote::Approve {
                "it can only be approved without conditions"
            } else {
                "it can only be approved anew, as a qualification has lapsed"
            };
            return Err(Refusal::new(
                RefusalCode::ReleasedBefore,
                format!("`{hold}` was released before: {why}"),
            )
            .needs("cancel the run, where it is not to go on"));
        }
        let mut open = counting(&relied.open, approval, self.at);
        let asked: BTreeSet<&Digest> = open.plans.values().collect();
        if !plans.is_empty() && !plans.iter().eq(asked) {
            let message = format!("`{hold}` was released with other plans");
            return Err(Refusal::new(RefusalCode::OtherPlan, message)
                .needs("leave the plan out, or name that with which it was released"));
        }
        let place = place.filter(|place| *place != id);
        let voters = match place {
            None => vec![Voter::own(id, member)],
            Some(of) => substitutes::standing(open.substitutes, hold, id, of, self.at)?,
        };
        let whose = place.unwrap_or(id);
        if open.has_voted(whose) {
            open = open.without_lapsed(whose).ok_or_else(|| {
                let message = format!("the approval of `{whose}` on `{hold}` counts as it is");
                Refusal::new(RefusalCode::AlreadyVoted, message)
                    .needs("an approval of somebody else who is asked, and qualified now")
            })?;
        }
        let ballot =
            self.ballot((&open, definition, approval), &voters, Vote::Approve, reason, &[])?;
        self.emit(Event::ApprovalGranted(ballot));
        self.look_at_qualifications();
        Ok(())
    }
}

/// Adds an approval that was given anew.
pub(crate) fn evolve(state: &mut State, ballot: &Ballot, meta: &Meta<'_>) -> Result<(), String> {
    let relied = state.relied.get_mut(&ballot.hold);
    let relied = relied.ok_or_else(|| format!("`{}` is not approved now", ballot.hold))?;
    let open = Arc::make_mut(&mut relied.open);
    // One that does not count any more, or no seat is left empty without.
    open.votes.retain(|vote| vote.member != *ballot.place());
    evolve::vote(open, ballot, Vote::Approve, meta)
}
