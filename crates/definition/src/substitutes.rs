//! Who votes, and in whose place: the voter's own, or that of a member for whom they stand.
//!
//! What a rule asks for is asked of the member in whose place the vote is given; what keeps people
//! from deciding keeps both; and what somebody must be able to do, the voter must.

use std::collections::BTreeSet;

use holdpoint_core::{
    MemberId, Moment, Refusal, RefusalCode, Substitution,
    project::Member,
    view::{PlaceView, SubstituteView},
};
use serde::{Deserialize, Serialize};

use crate::phrase;
use crate::{approval::Asked, event_data::InPlaceOf, hold_model::Approver, hold_state::HoldState};

/// For how many one person may count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Substitutes {
    /// Nobody votes in the place of another.
    Never,
    /// One person counts once, for themselves or for another: as many people agree as seats are
    /// filled.
    #[default]
    Once,
    /// One person counts for each in whose place they vote.
    Each,
}

impl Substitutes {
    pub(crate) const ALL: [Self; 3] = [Self::Never, Self::Once, Self::Each];

    /// As a definition says it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Once => "once",
            Self::Each => "each",
        }
    }
}

/// Who gives a vote, in whose place.
#[derive(Clone, Copy)]
pub(crate) struct Voter<'a> {
    pub(crate) id: &'a MemberId,
    pub(crate) member: &'a Member,
    pub(crate) stands_for: Option<StandsFor<'a>>,
}

/// For whom somebody stands, and by what.
#[derive(Clone, Copy)]
pub(crate) struct StandsFor<'a> {
    pub(crate) id: &'a MemberId,
    pub(crate) member: &'a Member,
    pub(crate) by: &'a Substitution,
}

impl<'a> Voter<'a> {
    /// Who votes in their own place.
    pub(crate) const fn own(id: &'a MemberId, member: &'a Member) -> Self {
        Self { id, member, stands_for: None }
    }

    /// Who votes by a substitution, if both are members.
    pub(crate) fn by(by: &'a Substitution, at: &Moment<'a>) -> Option<Self> {
        let members = at.project.members();
        let (id, member) = members.get_key_value(&by.substitute)?;
        let (of, whose) = members.get_key_value(&by.member)?;
        Some(Self { id, member, stands_for: Some(StandsFor { id: of, member: whose, by }) })
    }

    /// In whose place.
    pub(crate) fn place(&self) -> &'a MemberId {
        self.stands_for.map_or(self.id, |one| one.id)
    }

    /// Whether the one in whose place the vote is given is meant. Where only some roles are lent,
    /// naming the member means nothing.
    pub(crate) fn is(&self, meant: &Approver) -> bool {
        match &self.stands_for {
            None => meant.is(self.id, self.member),
            Some(one) if one.by.roles.is_empty() => meant.is(one.id, one.member),
            Some(one) => match meant {
                Approver::Role(role) => one.by.lends(&one.member.roles).contains(role),
                Approver::Member(_) => false,
            },
        }
    }

    /// Whether a roster that has the one in whose place the vote is given has what is lent of them.
    pub(crate) fn is_on(&self, roster: &BTreeSet<MemberId>, from: &[Approver]) -> bool {
        let cut = self.stands_for.is_some_and(|one| !one.by.roles.is_empty());
        roster.contains(self.place()) && (!cut || from.iter().any(|meant| self.is(meant)))
    }

    /// What is recorded of it.
    pub(crate) fn recorded(&self) -> Option<InPlaceOf> {
        self.stands_for.map(|one| InPlaceOf {
            member: one.id.clone(),
            roles: one.by.lends(&one.member.roles),
            substitution: one.by.number,
            until: one.by.until,
        })
    }

    /// In words, such as `lou for ada`.
    pub(crate) fn in_words(&self) -> String {
        match &self.stands_for {
            None => self.id.to_string(),
            Some(one) => format!("{} for {}", self.id, one.id),
        }
    }
}

/// Those who stand for a member now, all that may be meant when one votes in the place of another.
///
/// # Errors
/// When they do not, or nobody may vote in the place of another.
pub(crate) fn standing<'a>(
    policy: Substitutes,
    hold: &str,
    id: &MemberId,
    of: &MemberId,
    at: &Moment<'a>,
) -> Result<Vec<Voter<'a>>, Refusal> {
    at.project.member(of)?;
    let refuse = |why: String| Refusal::new(RefusalCode::NotSubstitute, why);
    if policy == Substitutes::Never {
        return Err(refuse(format!("nobody votes in the place of another on `{hold}`"))
            .needs(format!("a vote by `{of}`, or by another who is asked")));
    }
    let named: Vec<&'a Substitution> = at
        .project
        .substitutions()
        .iter()
        .filter(|one| one.member == *of && one.substitute == *id)
        .collect();
    let valid: Vec<Voter<'a>> = named
        .iter()
        .filter(|one| one.is_valid(at.now))
        .filter_map(|one| Voter::by(one, at))
        .collect();
    if !valid.is_empty() {
        return Ok(valid);
    }
    let why = match named.last() {
        None => format!("`{id}` does not stand for `{of}`"),
        Some(one) => {
            let when = match one.from.filter(|from| at.now < *from) {
                Some(from) => format!("begins at {}", phrase::moment(from)),
                None => format!("ended at {}", phrase::moment(one.until)),
            };
            format!("`{id}` does not stand for `{of}` now: the substitution {} {when}", one.number)
        }
    };
    Err(refuse(why).needs(format!(
        "ask `{of}` or an owner to name you: `holdpoint project substitute add {of} {id} --until TIME`"
    )))
}

/// All who stand for somebody now.
pub(crate) fn all<'a>(policy: Substitutes, at: &Moment<'a>) -> Vec<Voter<'a>> {
    if policy == Substitutes::Never {
        return Vec::new();
    }
    at.project.substitutions().valid(at.now).filter_map(|one| Voter::by(one, at)).collect()
}

/// What keeps somebody from filling another seat, in words.
pub(crate) const COUNTS_ONCE: &str = "has approved already, and counts once";

/// Those who could vote under what is asked in the place of others, or what keeps them from it.
pub(crate) fn views(asked: &Asked<'_>, open: &HoldState, at: &Moment<'_>) -> Vec<SubstituteView> {
    let all = all(open.substitutes, at);
    let may = |one: &Voter<'_>| !open.has_voted(one.place()) || asked.fills_anew(one, at);
    let meant = all.iter().filter(|one| asked.asks_any(one) && may(one));
    let views = meant.filter_map(|voter| {
        let one = voter.stands_for?;
        let eligible = asked.eligible(voter, at);
        let lacks = match eligible {
            Err((_, why)) => Some(why),
            Ok(one) => open.counts_already(voter.id, &one.rules).then(|| COUNTS_ONCE.to_owned()),
        };
        let (member, substitution) = (one.id.clone(), one.by.number);
        let in_place_of = PlaceView { member, substitution, until: one.by.until };
        Some(SubstituteView { member: voter.id.clone(), in_place_of, lacks })
    });
    let mut views: Vec<SubstituteView> = views.collect();
    views.sort_by_key(|one| one.lacks.is_some());
    views
}
