//! Substitutes: who may vote in the place of another member, and for how long. Who has named whom is
//! the project's; what a vote in the place of another counts for is the workflow's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{MemberId, RoleName},
    project::ProjectEvent,
    refusal::{Refusal, RefusalCode},
};

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// How many a member can have named at a time: whoever looks for who could vote looks at each.
const NAMED_MAX: usize = 100;

/// Who may vote in whose place, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Substitution {
    /// Its number in the project, from 1; no other ever has it.
    #[serde(rename = "substitution")]
    pub number: u32,
    /// In whose place.
    pub member: MemberId,
    /// Who.
    pub substitute: MemberId,
    /// The first moment at which it holds; from when it was named, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first moment at which it no longer holds.
    pub until: Timestamp,
    /// Only what asks for one of these roles; whatever asks for the member, when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<RoleName>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Substitution {
    /// Whether it holds at `now`: from `from` on, and before `until`.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && now < self.until
    }

    /// What is lent of the roles that the member holds.
    #[must_use]
    pub fn lends(&self, held: &BTreeSet<RoleName>) -> BTreeSet<RoleName> {
        if self.roles.is_empty() {
            return held.clone();
        }
        held.intersection(&self.roles).cloned().collect()
    }
}

/// The substitutions of a project that were not withdrawn, over or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitutions {
    named: u32,
    standing: BTreeMap<u32, Substitution>,
}

impl Substitutions {
    /// All of them, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = &Substitution> {
        self.standing.values()
    }

    /// The substitution with this number, if it was not withdrawn.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Substitution> {
        self.standing.get(&number)
    }

    /// Those that hold at `now`.
    pub fn valid(&self, now: Timestamp) -> impl Iterator<Item = &Substitution> {
        self.iter().filter(move |one| one.is_valid(now))
    }

    /// Decides that a member of these roles has a substitute.
    pub(crate) fn name(
        &self,
        asked: &NewSubstitution,
        held: &BTreeSet<RoleName>,
    ) -> Result<ProjectEvent, Refusal> {
        let NewSubstitution { member, substitute, from, until, roles, reason } = asked;
        let invalid = |message: String| Refusal::new(RefusalCode::InvalidInput, message);
        if member == substitute {
            return Err(invalid(format!("`{member}` needs no substitute to vote as `{member}`"))
                .needs(format!("name another member, who is to vote in the place of `{member}`")));
        }
        if from.is_some_and(|from| *until <= from) {
            let from = from.unwrap_or_default();
            return Err(invalid(format!(
                "the substitution would end ({until}) before it begins ({from})"
            ))
            .needs("name an end that lies after the beginning"));
        }
        if let Some(role) = roles.iter().find(|role| !held.contains(*role)) {
            let held: Vec<&str> = held.iter().map(RoleName::as_str).collect();
            let held = if held.is_empty() { "none".to_owned() } else { held.join(", ") };
            return Err(invalid(format!(
                "`{member}` does not hold the role `{role}`, which would be lent"
            ))
            .needs(format!("roles that `{member}` holds: {held}")));
        }
        let same = |one: &&Substitution| {
            (&one.member, &one.substitute, &one.from, &one.until, &one.roles)
                == (member, substitute, from, until, roles)
        };
        if let Some(Substitution { number, .. }) = self.iter().find(same) {
            let message = format!("`{substitute}` was named for `{member}` and this time already");
            return Err(Refusal::new(RefusalCode::AlreadyExists, message).needs(format!(
                "the substitution {number} says just this: name another time or other roles, or withdraw it first"
            )));
        }
        if self.iter().filter(|one| one.member == *member).count() >= NAMED_MAX {
            return Err(invalid(format!("`{member}` has {NAMED_MAX} substitutions already"))
                .needs("withdraw those that are over: `holdpoint project substitute list`"));
        }
        Ok(ProjectEvent::SubstituteNamed(Substitution {
            number: self.named.saturating_add(1),
            member: member.clone(),
            substitute: substitute.clone(),
            from: *from,
            until: *until,
            roles: roles.clone(),
            reason: checked(reason.as_deref())?,
        }))
    }

    /// Decides that one does not hold any more.
    pub(crate) fn withdraw(
        &self,
        number: u32,
        reason: Option<&str>,
    ) -> Result<ProjectEvent, Refusal> {
        if self.get(number).is_none() {
            let there: Vec<String> = self.standing.keys().map(ToString::to_string).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(Refusal::new(
                RefusalCode::NotFound,
                format!("there is no substitution {number}"),
            )
            .needs(format!("there are: {there}")));
        }
        let reason = checked(reason)?;
        Ok(ProjectEvent::SubstituteWithdrawn { substitution: number, reason })
    }

    /// Adds that a substitute was named.
    pub(crate) fn put(&mut self, one: Substitution) -> Result<(), String> {
        if one.number != self.named.saturating_add(1) {
            return Err(format!("the substitution {} is not the next", one.number));
        }
        self.named = one.number;
        self.standing.insert(one.number, one);
        Ok(())
    }

    /// Adds that one was withdrawn.
    pub(crate) fn remove(&mut self, number: u32) -> Result<(), String> {
        let removed = self.standing.remove(&number);
        removed.map(drop).ok_or_else(|| format!("there is no substitution {number}"))
    }

    /// Adds that somebody is no member any more: they stand for nobody, and nobody for them.
    pub(crate) fn forget(&mut self, member: &MemberId) {
        self.standing.retain(|_, one| one.member != *member && one.substitute != *member);
    }
}

/// What is asked when a substitute is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewSubstitution {
    /// In whose place.
    pub member: MemberId,
    /// Who.
    pub substitute: MemberId,
    /// The first moment at which it holds; at once, when `None`.
    pub from: Option<Timestamp>,
    /// The first moment at which it no longer holds.
    pub until: Timestamp,
    /// Only what asks for one of these roles; whatever asks for the member, when empty.
    pub roles: BTreeSet<RoleName>,
    /// Why.
    pub reason: Option<String>,
}

fn checked(reason: Option<&str>) -> Result<Option<String>, Refusal> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        return Err(Refusal::new(
            RefusalCode::InvalidInput,
            format!("the reason has more than {REASON_BYTES_MAX} bytes"),
        )
        .needs("say it in fewer words"));
    }
    Ok(reason.map(str::to_owned))
}
