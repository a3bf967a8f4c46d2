//! Who may vote, and whether the votes given fill every seat.
//!
//! Seats are assigned by a maximum bipartite matching between votes and seats, made anew for every
//! vote. A greedy assignment could give a seat that many can fill to the one who alone could fill
//! another, and block the hold for ever.

use std::collections::BTreeSet;

use holdpoint_core::{Moment, QualificationName, Refusal, RefusalCode, RoleName, id::MemberId};

use crate::{
    event_data::OpenRule,
    hold_model::{Approval, Rule},
    hold_state::HoldState,
    state::State,
    substitutes::{self, Voter},
    voting::excluded,
};

/// How many seats of each rule are filled, when as many as possible are.
pub(crate) fn filled(rules: &[OpenRule], ballots: &[&BTreeSet<String>]) -> Vec<u32> {
    let mut filled = vec![0_u32; rules.len()];
    for rule in seated(rules, ballots).into_iter().flatten() {
        if let Some(count) = filled.get_mut(rule) {
            *count = count.saturating_add(1);
        }
    }
    filled
}

/// The rule whose seat each ballot fills, if it fills one, when as many seats as possible are
/// filled.
pub(crate) fn seated(rules: &[OpenRule], ballots: &[&BTreeSet<String>]) -> Vec<Option<usize>> {
    let seats: Vec<usize> = rules
        .iter()
        .enumerate()
        .flat_map(|(rule, open)| {
            // More seats than ballots can never be filled; they need not be matched.
            let need = usize::try_from(open.need).unwrap_or(usize::MAX).min(ballots.len());
            std::iter::repeat_n(rule, need)
        })
        .collect();
    let mut taken: Vec<Option<usize>> = vec![None; seats.len()];
    for ballot in 0..ballots.len() {
        let mut tried = vec![false; seats.len()];
        seat(ballot, rules, ballots, &seats, &mut taken, &mut tried);
    }
    let mut seated = vec![None; ballots.len()];
    for (rule, holder) in seats.iter().zip(&taken) {
        if let Some(place) = holder.and_then(|ballot| seated.get_mut(ballot)) {
            *place = Some(*rule);
        }
    }
    seated
}

/// Finds a seat for `ballot`, moving others to different seats where that makes room.
fn seat(
    ballot: usize,
    rules: &[OpenRule],
    ballots: &[&BTreeSet<String>],
    seats: &[usize],
    taken: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (at, rule) in seats.iter().enumerate() {
        let fits = match (rules.get(*rule), ballots.get(ballot)) {
            (Some(rule), Some(eligible)) => eligible.contains(&rule.rule),
            _ => false,
        };
        let Some(mark) = tried.get_mut(at).filter(|mark| fits && !**mark) else { continue };
        *mark = true;
        let holder = taken.get(at).copied().flatten();
        let free = match holder {
            None => true,
            Some(other) => seat(other, rules, ballots, seats, taken, tried),
        };
        if free {
            if let Some(place) = taken.get_mut(at) {
                *place = Some(ballot);
            }
            return true;
        }
    }
    false
}

/// What makes a member eligible: recorded with the vote, so that replay needs no directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Eligible {
    pub(crate) rules: BTreeSet<String>,
    pub(crate) roles: BTreeSet<RoleName>,
    pub(crate) qualified: BTreeSet<QualificationName>,
}

/// The members who could approve under a rule at a moment: asked, not excluded, and qualified.
pub(crate) fn roster(
    approval: &Approval,
    rule: &Rule,
    qualified: Option<&QualificationName>,
    state: &State,
    at: &Moment<'_>,
) -> BTreeSet<MemberId> {
    at.project
        .members()
        .iter()
        .filter(|(id, member)| {
            rule.from.iter().any(|from| from.is(id, member))
                && excluded(state, approval, id).is_none()
                && qualified.is_none_or(|domain| member.is_qualified(domain.as_str(), at.now))
        })
        .map(|(id, _)| id.clone())
        .collect()
}

/// An approval as it is asked for in one run.
pub(crate) struct Asked<'a> {
    pub(crate) approval: &'a Approval,
    open: &'a HoldState,
    state: &'a State,
    rules: &'a [OpenRule],
}

impl<'a> Asked<'a> {
    /// All that an open hold asks.
    pub(crate) fn of(approval: &'a Approval, open: &'a HoldState, state: &'a State) -> Self {
        Self { approval, open, state, rules: &open.rules }
    }

    /// What one of its rules asks.
    pub(crate) const fn only(&self, rule: &'a OpenRule) -> Self {
        Self { rules: std::slice::from_ref(rule), ..*self }
    }

    fn definition_of(&self, open: &OpenRule) -> Option<&'a Rule> {
        self.approval.rule(&open.rule)
    }

    /// The members who could approve under a rule now.
    pub(crate) fn roster(&self, open: &OpenRule, at: &Moment<'_>) -> BTreeSet<MemberId> {
        self.definition_of(open)
            .map(|rule| roster(self.approval, rule, open.qualified.as_ref(), self.state, at))
            .unwrap_or_default()
    }

    fn asks(&self, open: &OpenRule, voter: &Voter<'_>) -> bool {
        let escalated = self.approval.escalate.as_ref().filter(|_| self.open.escalated);
        if escalated.is_some_and(|escalate| escalate.to.iter().any(|to| voter.is(to))) {
            return true;
        }
        let from = self.definition_of(open).map(|rule| rule.from.as_slice()).unwrap_or_default();
        match &open.roster {
            Some(roster) => voter.is_on(roster, from),
            None => from.iter().any(|from| voter.is(from)),
        }
    }

    /// Whether any rule asks the one in whose place a vote would be given.
    pub(crate) fn asks_any(&self, voter: &Voter<'_>) -> bool {
        self.rules.iter().any(|open| self.asks(open, voter))
    }

    /// The rules that must be satisfied before this one asks anybody.
    pub(crate) fn waits_for(&self, open: &OpenRule) -> Vec<&'a str> {
        let Some(rule) = self.definition_of(open).filter(|rule| !rule.after.is_empty()) else {
            return Vec::new();
        };
        let unsatisfied = self.open.unsatisfied();
        let before = rule.after.iter().map(|named| named.name.as_str());
        before.filter(|name| unsatisfied.contains(name)).collect()
    }

    /// What makes somebody eligible now. In the place of another they vote under the rules that ask
    /// that member; who is excluded is so in either place, and the qualification is the voter's own.
    ///
    /// # Errors
    /// What keeps them from it: the kind of refusal and the reason in words.
    pub(crate) fn eligible(
        &self,
        voter: &Voter<'_>,
        at: &Moment<'_>,
    ) -> Result<Eligible, (RefusalCode, String)> {
        let Voter { id, member, stands_for } = voter;
        if let Some(exclusion) = excluded(self.state, self.approval, id) {
            return Err((RefusalCode::SelfApproval, exclusion.why().to_owned()));
        }
        if let Some(one) = stands_for
            && let Some(exclusion) = excluded(self.state, self.approval, one.id)
        {
            let why = format!("would vote for `{}`, who {}", one.id, exclusion.why());
            return Err((RefusalCode::SelfApproval, why));
        }
        let asked: Vec<&OpenRule> =
            self.rules.iter().filter(|open| self.asks(open, voter)).collect();
        if asked.is_empty() {
            return Err((RefusalCode::NotEligible, self.not_asked(voter)));
        }
        let mut eligible = Eligible {
            rules: BTreeSet::new(),
            roles: member.roles.clone(),
            qualified: BTreeSet::new(),
        };
        let (mut lacks, mut early) = (BTreeSet::new(), BTreeSet::new());
        for open in asked {
            let before = self.waits_for(open);
            if !before.is_empty() {
                early.extend(before);
                continue;
            }
            match &open.qualified {
                Some(domain) if !member.is_qualified(domain.as_str(), at.now) => {
                    lacks.insert(domain.as_str());
                    continue;
                }
                Some(domain) => {
                    eligible.qualified.insert(domain.clone());
                }
                None => {}
            }
            eligible.rules.insert(open.rule.clone());
        }
        if !eligible.rules.is_empty() {
            return Ok(eligible);
        }
        if lacks.is_empty() {
            let early: Vec<_> = early.iter().map(|rule| format!("`{rule}`")).collect();
            let why = format!("is asked only when {} is satisfied", early.join(" and "));
            return Err((RefusalCode::NotAwaited, why));
        }
        let lacks: Vec<_> = lacks.into_iter().collect();
        Err((RefusalCode::NotQualified, format!("is not qualified in {} now", lacks.join(" or "))))
    }

    fn not_asked(&self, voter: &Voter<'_>) -> String {
        let since = self.rules.iter().any(|open| {
            self.definition_of(open).is_some_and(|rule| rule.from.iter().any(|from| voter.is(from)))
        });
        let whose = match &voter.stands_for {
            None => String::new(),
            Some(one) if one.by.roles.is_empty() => format!("stands for `{}`, who ", one.id),
            Some(one) => {
                let roles: Vec<&str> = one.by.roles.iter().map(RoleName::as_str).collect();
                format!("stands for `{}` only as {}, who ", one.id, roles.join(" and "))
            }
        };
        if since {
            return format!(
                "{whose}was not on the roster when the hold opened, which is the one that counts"
            );
        }
        format!("{whose}is none of those asked: {}", self.whom(self.rules))
    }

    /// Whom rules ask, in words.
    pub(crate) fn whom(&self, rules: &[OpenRule]) -> String {
        let mut all: Vec<String> = Vec::new();
        for from in rules.iter().filter_map(|open| self.definition_of(open)).flat_map(|r| &r.from) {
            let from = from.to_string();
            if !all.contains(&from) {
                all.push(from);
            }
        }
        if all.is_empty() { "nobody, as no rule applies".to_owned() } else { all.join(" or ") }
    }

    /// A rule in words, such as `role engineer, qualified in network`.
    pub(crate) fn words(&self, open: &OpenRule) -> String {
        let whom = self.whom(std::slice::from_ref(open));
        match &open.qualified {
            Some(domain) => format!("{whom}, qualified in {domain}"),
            None => whom,
        }
    }

    /// Who could approve now: members, and those who stand for some.
    pub(crate) fn could<'v>(&self, at: &Moment<'v>) -> Vec<Voter<'v>> {
        let own = at.project.members().iter().map(|(id, member)| Voter::own(id, member));
        own.chain(substitutes::all(self.open.substitutes, at))
            .filter(|voter| {
                if self.open.has_voted(voter.place()) {
                    return self.fills_anew(voter, at);
                }
                let eligible = self.eligible(voter, at);
                eligible.is_ok_and(|one| !self.open.counts_already(voter.id, &one.rules))
            })
            .collect()
    }

    /// Whether a vote would fill a seat in the stead of one in the same place that has lapsed in part.
    pub(crate) fn fills_anew(&self, voter: &Voter<'_>, at: &Moment<'_>) -> bool {
        self.open.without_lapsed(voter.place()).is_some_and(|open| {
            let eligible = self.eligible(voter, at);
            eligible.is_ok_and(|one| open.seats(Some(voter.id), &one.rules))
        })
    }

    /// Refuses a vote, naming who could give one.
    pub(crate) fn refuse(
        &self,
        id: &MemberId,
        (code, why): (RefusalCode, String),
        at: &Moment<'_>,
    ) -> Refusal {
        if self.rules.is_empty() {
            return Refusal::new(code, format!("`{id}` {why}"))
                .needs("cancel the run and submit it again with another input");
        }
        let could = self.could(at);
        let place = could.iter().find(|voter| voter.id == id).and_then(|one| one.stands_for);
        // Two substitutions may let the same person vote in the same place.
        let mut seen = BTreeSet::new();
        let words = could.iter().map(Voter::in_words).filter(|one| seen.insert(one.clone()));
        let words: Vec<String> = words.collect();
        let needed = if words.is_empty() {
            format!("a vote by {}; no member of the project can give one now", self.wanted())
        } else {
            format!("a vote by {}: {}", self.wanted(), words.join(", "))
        };
        let refusal = Refusal::new(code, format!("`{id}` {why}")).needs(needed);
        match place {
            Some(one) => refusal.needs(format!("say in whose place you vote: `--for {}`", one.id)),
            None => refusal,
        }
    }

    /// Whom the rules ask that ask somebody now.
    fn wanted(&self) -> String {
        let asking = self.rules.iter().filter(|open| self.waits_for(open).is_empty());
        let mut wanted: Vec<_> = asking.map(|open| self.words(open)).collect();
        wanted.dedup();
        wanted.join("; or ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(name: &str, need: u32) -> OpenRule {
        OpenRule { rule: name.to_owned(), need, qualified: None, roster: None }
    }

    fn ballot(rules: &[&str]) -> BTreeSet<String> {
        rules.iter().map(|&rule| rule.to_owned()).collect()
    }

    #[test]
    fn a_seat_is_given_up_for_one_who_has_no_other() {
        let rules = [rule("any", 1), rule("board", 1)];
        // The first could sit anywhere and greedily takes `any`; the second can sit only there.
        let (both, any) = (ballot(&["any", "board"]), ballot(&["any"]));
        assert_eq!(filled(&rules, &[&both, &any]), [1, 1]);
        assert_eq!(filled(&rules, &[&any, &both]), [1, 1]);
        assert_eq!(filled(&rules, &[&any, &any]), [1, 0]);
        assert_eq!(filled(&rules, &[&both]).iter().sum::<u32>(), 1);
    }

    #[test]
    fn one_member_fills_one_seat() {
        let rules = [rule("a", 2), rule("b", 1)];
        let all = ballot(&["a", "b"]);
        assert_eq!(filled(&rules, &[&all]).iter().sum::<u32>(), 1);
        assert_eq!(filled(&rules, &[&all, &all, &all]), [2, 1]);
        assert_eq!(filled(&rules, &[&all; 9]), [2, 1]);
    }

    /// The most seats that can be filled, by trying everything.
    fn most(needs: &mut Vec<u32>, ballots: &[Vec<usize>]) -> u32 {
        let Some((first, rest)) = ballots.split_first() else { return 0 };
        let mut best = most(needs, rest);
        for &rule in first {
            if needs[rule] > 0 {
                needs[rule] -= 1;
                best = best.max(1 + most(needs, rest));
                needs[rule] += 1;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn as_many_seats_as_possible_are_filled(
            needs in prop::collection::vec(1_u32..3, 1..4),
            choices in prop::collection::vec(prop::collection::vec(0_usize..4, 0..4), 0..6),
        ) {
            let names = ["a", "b", "c", "d"];
            let rules: Vec<_> =
                needs.iter().zip(names).map(|(need, name)| rule(name, *need)).collect();
            let choices: Vec<Vec<usize>> = choices
                .into_iter()
                .map(|one| one.into_iter().filter(|rule| *rule < needs.len()).collect())
                .collect();
            let ballots: Vec<BTreeSet<String>> = choices
                .iter()
                .map(|one| one.iter().map(|rule| names[*rule].to_owned()).collect())
                .collect();
            let seated: u32 = filled(&rules, &ballots.iter().collect::<Vec<_>>()).iter().sum();
            prop_assert_eq!(seated, most(&mut needs.clone(), &choices));
        }
    }
}
