//! An open hold: what it waits for, and the votes that stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{Digest, EffectId, MemberId, NewDuty, Vote};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    approval,
    conflicting::Conflicting,
    drift::Replanned,
    event_data::{OpenRule, OpenTask, Sender},
    hold_check::Checks,
    hold_model::Hold,
    locking::Locking,
    overruled::Overruled,
    plan_targets::PlannedOf,
    state::State,
    substitutes::Substitutes,
    tasks::Confirmed,
    waiver::{self, Waivable},
    windows::WindowState,
};

/// An open hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldState {
    pub(crate) hold: String,
    pub(crate) visit: u32,
    pub(crate) opened: Timestamp,
    pub(crate) rules: Vec<OpenRule>,
    /// The conditions that do not apply to this run, such as `evidence/test-report`.
    pub(crate) not_applicable: BTreeSet<String>,
    pub(crate) tasks: Vec<OpenTask>,
    /// The confirmations of tasks that stand.
    pub(crate) confirmed: Vec<Confirmed>,
    /// How far the checks have come.
    #[serde(default, skip_serializing_if = "Checks::is_empty")]
    pub(crate) checks: Checks,
    /// The plans that it is asked about, by the states of their rollouts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) plans: BTreeMap<String, Digest>,
    /// What they were made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) planned_of: Option<Arc<PlannedOf>>,
    /// That it was asked about other plans before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replanned: Option<Replanned>,
    /// How often it was found to be asked about others.
    #[serde(default)]
    pub(crate) replannings: u32,
    /// The waivers that were given.
    pub(crate) waivers: Vec<waiver::Given>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) votes: Vec<Given>,
    pub(crate) waited: bool,
    pub(crate) signalled: bool,
    /// Who sent the signal that was taken, where not every member may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<Sender>,
    /// Whether nobody has objected in time.
    pub(crate) witnessed: bool,
    /// The last reminder.
    pub(crate) reminded: u32,
    /// Whether others may approve as well.
    pub(crate) escalated: bool,
    /// How far it has come with its locks.
    #[serde(default)]
    pub(crate) locking: Locking,
    /// What it knows of conflicts with other runs.
    #[serde(default, skip_serializing_if = "Conflicting::is_empty")]
    pub(crate) conflicting: Conflicting,
    /// The lockdowns that keep it from being released although it has all else.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) lockdowns: BTreeSet<u32>,
    /// When the next reminder comes, where that is counted in working time.
    #[serde(default)]
    pub(crate) reminds: Option<Timestamp>,
    /// When others may approve as well, where that is counted in working time.
    #[serde(default)]
    pub(crate) escalates: Option<Timestamp>,
    /// The window that it waits for.
    #[serde(default)]
    pub(crate) window: Option<Box<WindowState>>,
    /// Whether people vote in the place of others, and for how many they count.
    #[serde(default)]
    pub(crate) substitutes: Substitutes,
    /// The vetoes that were overruled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) overruled: Vec<Overruled>,
}

/// A vote that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Given {
    /// In whose place. Each member has one vote, whoever gives it.
    pub(crate) member: MemberId,
    /// Who gave it, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<Substitute>,
    pub(crate) vote: Vote,
    pub(crate) at: Timestamp,
    pub(crate) rules: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) duties: Vec<NewDuty>,
    /// The digests of the evidence that it was given on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) evidence: BTreeMap<String, Digest>,
    /// The digest of the input that it was given on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Digest>,
    /// Whether it counts, at the moment that is looked at, under fewer rules than when it was given.
    #[serde(skip)]
    pub(crate) lapsed: bool,
}

/// Who gave a vote in the place of another, and what let them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Substitute {
    pub(crate) member: MemberId,
    pub(crate) substitution: u32,
    pub(crate) until: Timestamp,
}

/// Somebody who has approved, for themselves or for others.
struct Person<'a> {
    /// Who; not told where every approval counts.
    person: Option<&'a MemberId>,
    rules: BTreeSet<String>,
    /// Which of the approvals are theirs.
    votes: Vec<usize>,
}

impl Given {
    /// Who gave it.
    pub(crate) fn voter(&self) -> &MemberId {
        self.by.as_ref().map_or(&self.member, |by| &by.member)
    }

    /// Who gave it in whose place, in words.
    pub(crate) fn in_words(&self) -> String {
        match &self.by {
            None => self.member.to_string(),
            Some(by) => format!("{} for {}", by.member, self.member),
        }
    }
}

impl HoldState {
    /// The effect that wakes the hold at `until`.
    pub(crate) fn wait_effect(&self) -> EffectId {
        EffectId::new(format!("{}#{}/wait", self.hold, self.visit))
    }

    /// The effect that wakes the hold at its deadline.
    pub(crate) fn deadline_effect(&self) -> EffectId {
        EffectId::new(format!("{}#{}/deadline", self.hold, self.visit))
    }

    /// How many seats of each rule are filled.
    pub(crate) fn filled(&self) -> Vec<u32> {
        let people = self.people();
        approval::filled(&self.rules, &people.iter().map(|one| &one.rules).collect::<Vec<_>>())
    }

    /// Whether one more approval would fill a seat, given by somebody, or by a person who has given
    /// none yet.
    pub(crate) fn seats(&self, by: Option<&MemberId>, rules: &BTreeSet<String>) -> bool {
        let mut people = self.people();
        let by = by.filter(|_| self.substitutes != Substitutes::Each);
        match people.iter_mut().find(|one| by.is_some() && one.person == by) {
            Some(one) => one.rules.extend(rules.iter().cloned()),
            None => people.push(Person { person: by, rules: rules.clone(), votes: Vec::new() }),
        }
        let all: Vec<_> = people.iter().map(|one| &one.rules).collect();
        let then: u32 = approval::filled(&self.rules, &all).iter().sum();
        then > self.filled().iter().sum()
    }

    /// Whether it is only because somebody counts already that an approval of theirs fills no seat.
    pub(crate) fn counts_already(&self, by: &MemberId, rules: &BTreeSet<String>) -> bool {
        self.approving().any(|vote| vote.voter() == by)
            && !self.seats(Some(by), rules)
            && self.seats(None, rules)
    }

    /// Those who have approved, with the rules under which they count. One person fills one seat,
    /// unless they count for each in whose place they vote.
    fn people(&self) -> Vec<Person<'_>> {
        let mut people: Vec<Person<'_>> = Vec::new();
        for (at, vote) in self.approving().enumerate() {
            let person = Some(vote.voter()).filter(|_| self.substitutes != Substitutes::Each);
            match people.iter_mut().find(|one| person.is_some() && one.person == person) {
                Some(one) => {
                    one.rules.extend(vote.rules.iter().cloned());
                    one.votes.push(at);
                }
                None => people.push(Person { person, rules: vote.rules.clone(), votes: vec![at] }),
            }
        }
        people
    }

    /// The rule under which each approval fills a seat, if it fills one.
    fn seated(&self) -> Vec<Option<&OpenRule>> {
        let approvals: Vec<&Given> = self.approving().collect();
        let people = self.people();
        let rules: Vec<_> = people.iter().map(|one| &one.rules).collect();
        let mut seated = vec![None; approvals.len()];
        for (person, rule) in people.iter().zip(approval::seated(&self.rules, &rules)) {
            let Some(rule) = rule.and_then(|rule| self.rules.get(rule)) else { continue };
            let sits = |at: &&usize| {
                approvals.get(**at).is_some_and(|vote| vote.rules.contains(&rule.rule))
            };
            if let Some(place) = person.votes.iter().find(sits).and_then(|at| seated.get_mut(*at)) {
                *place = Some(rule);
            }
        }
        seated
    }

    /// The rules that have a seat open.
    pub(crate) fn unsatisfied(&self) -> BTreeSet<&str> {
        let filled = self.filled();
        let open = self.rules.iter().zip(filled).filter(|(rule, filled)| *filled < rule.need);
        open.map(|(rule, _)| rule.rule.as_str()).collect()
    }

    /// The votes that stand under a rule: approvals that fill a seat of it, and rejections.
    pub(crate) fn votes_under<'s>(&'s self, rule: &'s OpenRule) -> impl Iterator<Item = &'s Given> {
        let mut seated = self.seated().into_iter();
        self.votes.iter().filter(move |vote| match vote.vote {
            Vote::Approve => seated.next().flatten().is_some_and(|seat| seat.rule == rule.rule),
            Vote::Reject => vote.rules.contains(&rule.rule),
            Vote::Veto => false,
        })
    }

    /// The approvals that stand.
    pub(crate) fn approving(&self) -> impl Iterator<Item = &Given> {
        self.votes.iter().filter(|vote| vote.vote == Vote::Approve)
    }

    /// The vetoes that stand.
    pub(crate) fn vetoes(&self) -> impl Iterator<Item = &Given> {
        self.votes.iter().filter(|vote| vote.vote == Vote::Veto)
    }

    /// The vote in the place of a member that stands.
    pub(crate) fn vote_of(&self, member: &MemberId) -> Option<&Given> {
        self.votes.iter().find(|vote| vote.member == *member)
    }

    /// Whether somebody has voted in the place of a member.
    pub(crate) fn has_voted(&self, member: &MemberId) -> bool {
        self.vote_of(member).is_some()
    }

    /// As it is without the approval in the place of a member that counts under fewer rules than it did, where
    /// no seat becomes empty by that: the member may have another, which has the member's one seat then.
    pub(crate) fn without_lapsed(&self, member: &MemberId) -> Option<Self> {
        self.vote_of(member).filter(|vote| vote.lapsed)?;
        let mut without = self.clone();
        without.votes.retain(|vote| vote.member != *member);
        let seats = |open: &Self| open.filled().iter().sum::<u32>();
        (seats(&without) == seats(self)).then_some(without)
    }

    /// Whether somebody has rejected.
    pub(crate) fn rejection(&self) -> Option<&Given> {
        self.votes.iter().find(|vote| vote.vote == Vote::Reject)
    }

    /// Whether every seat is filled. Where no rule applies there is nothing to fill and nobody has
    /// agreed, so it is not.
    pub(crate) fn is_approved(&self) -> bool {
        !self.rules.is_empty() && self.unsatisfied().is_empty()
    }

    /// Whether all that the hold waits for is there at a moment but for its window, and nobody holds
    /// it by a veto.
    pub(crate) fn is_complete(&self, hold: &Hold, state: &State, now: Timestamp) -> bool {
        self.is_complete_but_for_locks(hold, state, now)
            && self.conflicts_let_go(hold)
            && (hold.lock.is_none() || self.locking.is_met())
    }

    /// As [`HoldState::is_complete`], whether the hold has its locks or not, and whatever conflicts
    /// there are.
    pub(crate) fn is_complete_but_for_locks(
        &self,
        hold: &Hold,
        state: &State,
        now: Timestamp,
    ) -> bool {
        self.is_ready(hold, state)
            && (self.waives(hold, Waivable::Evidence) || self.is_shown(hold, state, now))
    }

    /// Whether all is there, or waived, that does not depend on what time it is, besides the locks:
    /// evidence, too, however old it is.
    pub(crate) fn is_ready(&self, hold: &Hold, state: &State) -> bool {
        let has = |what: Waivable, met: bool| met || self.waives(hold, what);
        self.vetoes().next().is_none()
            && has(Waivable::Approval, hold.approval.is_none() || self.is_approved())
            && has(Waivable::Witness, hold.witness.is_none() || self.witnessed)
            && has(Waivable::Evidence, self.is_shown(hold, state, Timestamp::MIN))
            && has(Waivable::Task, self.tasks_are_done())
            && has(Waivable::Check, self.checks.have_passed())
            && has(Waivable::Wait, hold.wait.is_none() || self.waited)
            && has(Waivable::Signal, hold.signal.is_none() || self.signalled)
    }

    /// Whether it was shown all that it demands, each no older at a moment than it may be.
    fn is_shown(&self, hold: &Hold, state: &State, at: Timestamp) -> bool {
        hold.demands(self).all(|demand| demand.lacks(self, state, at).is_none())
    }

    /// Whether the time for it has passed, noticed or not.
    pub(crate) fn is_past(&self, now: Timestamp) -> bool {
        self.ends().is_some_and(|ends| ends <= now)
    }
}
