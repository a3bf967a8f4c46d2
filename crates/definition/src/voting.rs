//! What members decide about an open hold: votes, their withdrawal, vetoes and who overrules them.

use std::collections::BTreeSet;

use holdpoint_core::{Digest, MemberId, NewDuty, Refusal, RefusalCode, Vote};

use crate::{
    approval::Asked,
    decide::{Draft, invalid, not_awaited},
    duties,
    event::DefinitionEvent as Event,
    event_data::Ballot,
    hold_model::{Approval, Exclusion, Hold, Need, Roster, listed},
    hold_state::{Given, HoldState},
    state::State,
    substitutes::{self, Voter},
};

/// A reason that is one.
fn given(reason: Option<&str>) -> Option<String> {
    reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned)
}

/// Whether a member is excluded from deciding, and as what.
pub(crate) fn excluded(state: &State, approval: &Approval, id: &MemberId) -> Option<Exclusion> {
    approval.not.iter().copied().find(|exclusion| is_excluded(state, *exclusion, id))
}

/// Whether an exclusion means a member.
pub(crate) fn is_excluded(state: &State, exclusion: Exclusion, id: &MemberId) -> bool {
    match exclusion {
        Exclusion::Requester => state.requester.member() == Some(id),
        Exclusion::Editors => state.editors.contains(id),
        Exclusion::Executors => state.executors.contains(id),
    }
}

impl<'a> Draft<'a> {
    /// The open hold, if it is the one that is named and waits for people, and is not over.
    fn deciding(
        &self,
        named: Option<&str>,
    ) -> Result<(&HoldState, &'a Hold, &'a Approval), Refusal> {
        let Some((open, definition)) = self.hold() else {
            return Err(not_awaited("nothing in this run waits for a vote now"));
        };
        if let Some(named) = named.filter(|named| *named != open.hold) {
            return Err(not_awaited(format!("the hold `{named}` is not open"))
                .needs(format!("the open hold is `{}`", open.hold)));
        }
        let Some(approval) = &definition.approval else {
            return Err(not_awaited(format!("the hold `{}` waits for no votes", open.hold)));
        };
        self.in_time(open)?;
        Ok((open, definition, approval))
    }

    /// Decides a vote.
    pub(crate) fn vote(
        &mut self,
        named: Option<&str>,
        vote: Vote,
        reason: Option<&str>,
        duties: &[NewDuty],
        place: Option<&MemberId>,
        plans: &BTreeSet<Digest>,
    ) -> Result<(), Refusal> {
        self.member()?;
        if let Some(hold) = self.approves_anew(named)? {
            return self.approve_anew(&hold, vote, (given(reason), duties), place, plans);
        }
        self.deciding(named)?;
        self.is_about(vote, plans)?;
        self.count_anew();
        let (id, member) = self.member()?;
        let (open, _, approval) = self.deciding(named)?;
        let place = place.filter(|place| *place != id);
        let voters = match place {
            None => vec![Voter::own(id, member)],
            Some(of) => substitutes::standing(open.substitutes, &open.hold, id, of, self.at)?,
        };
        if let Some(before) = open.vote_of(place.unwrap_or(id)) {
            return Err(voted_already(open, before));
        }
        let reason = given(reason);
        if vote != Vote::Approve {
            if reason.is_none() {
                let what = if vote == Vote::Veto { "veto" } else { "rejection" };
                return Err(invalid(format!("a {what} needs a reason"))
                    .needs("say why, so that the requester knows what to change"));
            }
            if !duties.is_empty() {
                return Err(invalid("only an approval is given on conditions"));
            }
        }
        if vote == Vote::Veto {
            return self.veto(named, &voters, reason);
        }
        let (open, definition, _) = self.deciding(named)?;
        let ballot = self.ballot((open, definition, approval), &voters, vote, reason, duties)?;
        let (hold, member) = (ballot.hold.clone(), ballot.member.clone());
        if vote == Vote::Approve {
            self.emit(Event::ApprovalGranted(ballot));
            self.release();
        } else {
            self.emit(Event::ApprovalRejected(ballot));
            self.emit(Event::HoldRejected { hold, member });
            self.go_on();
        }
        Ok(())
    }

    /// A vote with the facts that make it count.
    pub(crate) fn ballot(
        &self,
        (open, definition, approval): (&HoldState, &Hold, &Approval),
        voters: &[Voter<'_>],
        vote: Vote,
        reason: Option<String>,
        duties: &[NewDuty],
    ) -> Result<Ballot, Refusal> {
        let (id, _) = self.member()?;
        let asked = Asked::of(approval, open, &self.state);
        let mut found = Err((RefusalCode::NotEligible, "is not asked".to_owned()));
        for voter in voters {
            found = asked.eligible(voter, self.at).map(|eligible| (voter, eligible));
            if found.is_ok() {
                break;
            }
        }
        let (voter, eligible) = found.map_err(|why| asked.refuse(id, why, self.at))?;
        if vote == Vote::Approve {
            if !open.seats(Some(id), &eligible.rules) {
                return Err(if open.counts_already(id, &eligible.rules) {
                    counts_once(open, voter)
                } else {
                    full(open, voter.place())
                });
            }
            duties::check_new(self, &open.hold, approval.duties.is_some(), duties)?;
        }
        Ok(Ballot {
            hold: open.hold.clone(),
            member: id.clone(),
            digest: self.state.digest,
            rules: eligible.rules,
            roles: eligible.roles,
            qualified: eligible.qualified,
            reason,
            duties: duties.to_vec(),
            evidence: open.shown(definition, &self.state, self.at.now),
            plans: open.plans.clone(),
            in_place_of: voter.recorded(),
        })
    }

    fn veto(
        &mut self,
        named: Option<&str>,
        voters: &[Voter<'_>],
        reason: Option<String>,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let (open, definition, approval) = self.deciding(named)?;
        let Some(veto) = &approval.veto else {
            return Err(not_awaited(format!("nobody has a veto on `{}`", open.hold))
                .needs("reject it, if you are asked"));
        };
        let has = |voter: &&Voter<'_>| veto.from.iter().any(|from| voter.is(from));
        let Some(voter) = voters.iter().find(has) else {
            let whom = listed(&veto.from);
            let place = voters.first().map_or(id, Voter::place);
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{place}` has no veto on `{}`: {whom} has", open.hold),
            ));
        };
        if let Some(one) = open.stands_overruled(definition, &self.state, voter.place()) {
            let (place, by) = (voter.place(), &one.by);
            return Err(not_awaited(format!(
                "the veto of `{place}` on `{}` was overruled by `{by}`, and what it was about is the \
                 same",
                open.hold
            ))
            .needs(format!("a veto of another: {} has one", listed(&veto.from)))
            .needs("another input, plan or piece of evidence to be asked about"));
        }
        let ballot = Ballot {
            hold: open.hold.clone(),
            member: id.clone(),
            digest: self.state.digest,
            rules: Default::default(),
            roles: member.roles.clone(),
            qualified: Default::default(),
            reason,
            duties: Vec::new(),
            evidence: open.shown(definition, &self.state, self.at.now),
            plans: open.plans.clone(),
            in_place_of: voter.recorded(),
        };
        self.emit(Event::Vetoed(ballot));
        Ok(())
    }

    /// Decides that a member takes a vote back. Whoever gave it may, whatever they have become
    /// since: nobody is bound to a vote that they no longer stand by. So may the one in whose place
    /// it was given.
    pub(crate) fn withdraw(
        &mut self,
        named: Option<&str>,
        place: Option<&MemberId>,
        reason: Option<&str>,
    ) -> Result<(), Refusal> {
        let (id, _) = self.member()?;
        let (open, ..) = self.deciding(named)?;
        let place = place.filter(|place| *place != id);
        let vote = match place {
            None => open.vote_of(id),
            Some(of) => open.vote_of(of).filter(|vote| vote.voter() == id),
        };
        let Some(vote) = vote else {
            let whose = place.map(|of| format!(" for `{of}`")).unwrap_or_default();
            let refusal = not_awaited(format!("`{id}` has no vote{whose} on `{}`", open.hold));
            let theirs = open.votes.iter().find(|vote| vote.voter() == id);
            return Err(match theirs {
                Some(vote) if vote.member == *id => refusal.needs("leave `--for` out"),
                Some(vote) => refusal.needs(format!("say in whose place: `--for {}`", vote.member)),
                None => refusal,
            });
        };
        let event = Event::VoteWithdrawn {
            hold: open.hold.clone(),
            member: id.clone(),
            vote: vote.vote,
            in_place_of: place.cloned(),
            reason: given(reason),
        };
        self.emit(event);
        self.release();
        Ok(())
    }

    /// Decides that a veto is set aside.
    pub(crate) fn overrule(
        &mut self,
        named: Option<&str>,
        whose: &MemberId,
        reason: &str,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let (open, _, approval) = self.deciding(named)?;
        let vetoed = open.vetoes().any(|veto| veto.member == *whose);
        let Some(veto) = approval.veto.as_ref().filter(|_| vetoed) else {
            return Err(not_awaited(format!("`{whose}` has no veto on `{}`", open.hold)));
        };
        if let Some(exclusion) = excluded(&self.state, approval, id) {
            return Err(Refusal::new(
                RefusalCode::SelfApproval,
                format!("`{id}` {}", exclusion.why()),
            )
            .needs(format!("{whose} lifts the veto, or {} overrules it", listed(&veto.overrule))));
        }
        if !veto.overrule.iter().any(|one| one.is(id, member)) {
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not overrule a veto on `{}`", open.hold),
            )
            .needs(format!("{whose} lifts it, or {} overrules it", listed(&veto.overrule))));
        }
        let Some(reason) = given(Some(reason)) else {
            return Err(invalid("a veto is overruled with a reason"));
        };
        let event = Event::VetoOverruled {
            hold: open.hold.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            veto_of: whose.clone(),
            reason,
        };
        self.emit(event);
        self.release();
        Ok(())
    }

    /// Decides that the votes are counted with the members as they are now.
    pub(crate) fn recount(&mut self, named: Option<&str>) -> Result<(), Refusal> {
        self.member()?;
        let (open, ..) = self.deciding(named)?;
        let hold = open.hold.clone();
        if !self.count_anew() {
            return Err(not_awaited(format!(
                "the members whom `{hold}` asks ask for as many votes as before"
            )));
        }
        self.release();
        Ok(())
    }

    /// Records how many must agree now, where that has changed, and says whether it has.
    fn count_anew(&mut self) -> bool {
        let Some((open, Hold { approval: Some(approval), .. })) = self.hold() else {
            return false;
        };
        let needs = needs_now(approval, open, &self.state, self.at);
        let same = open.rules.iter().zip(&needs).all(|(rule, need)| rule.need == *need);
        if same {
            return false;
        }
        let names = open.rules.iter().map(|rule| rule.rule.clone());
        let event = Event::Recounted { hold: open.hold.clone(), needs: names.zip(needs).collect() };
        self.emit(event);
        true
    }
}

fn voted_already(open: &HoldState, before: &Given) -> Refusal {
    let whose = match &before.by {
        None => format!("`{}` has voted", before.member),
        Some(by) => format!("`{}` has voted for `{}`", by.member, before.member),
    };
    let refusal =
        Refusal::new(RefusalCode::AlreadyVoted, format!("{whose} on `{}` already", open.hold));
    match before.vote {
        Vote::Reject => refusal,
        Vote::Approve | Vote::Veto => refusal.needs("withdraw that vote first"),
    }
}

fn counts_once(open: &HoldState, voter: &Voter<'_>) -> Refusal {
    Refusal::new(
        RefusalCode::CountsOnce,
        format!(
            "`{}` counts on `{}` already, and once whoever they stand for",
            voter.id, open.hold
        ),
    )
    .needs(format!("a vote of somebody else for `{}`, or of another who is asked", voter.place()))
    .needs(
        "the definition would have to count one person for each in whose place they vote: \
         `substitutes: each`",
    )
}

fn full(open: &HoldState, id: &MemberId) -> Refusal {
    not_awaited(format!("every seat in `{}` that `{id}` could fill is filled", open.hold))
}

/// How many must agree to each rule with the members as they are now. Only a rule that counts a
/// share of the roster of this moment can have changed.
pub(crate) fn needs_now(
    approval: &Approval,
    open: &HoldState,
    state: &State,
    at: &holdpoint_core::Moment<'_>,
) -> Vec<u32> {
    open.rules
        .iter()
        .map(|rule| match approval.rule(&rule.rule) {
            Some(crate::hold_model::Rule {
                need: Need::Share(share), roster: Roster::Now, ..
            }) => share.of(Asked::of(approval, open, state).roster(rule, at).len()),
            _ => rule.need,
        })
        .collect()
}
