//! A hold as it is defined: what releases it, and who decides about that.

use std::collections::BTreeSet;

use holdpoint_core::{MemberId, RoleName, project::Member};
use jiff::SignedDuration;

use crate::{
    conflicting::Conflicts,
    evidence::Demand,
    expr::{Expr, Vars},
    hold_check::Check,
    locking::Lock,
    model::Term,
    node::Span,
    senders::Senders,
    substitutes::Substitutes,
    tasks::Task,
    template::Template,
    waiver::Waiver,
    window_model::{HoldWindow, Missed},
};

/// What releases a hold: all of it.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) approval: Option<Approval>,
    pub(crate) witness: Option<Witness>,
    pub(crate) evidence: Vec<Demand>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) checks: Vec<Check>,
    pub(crate) waiver: Option<Waiver>,
    pub(crate) wait: Option<Wait>,
    pub(crate) signal: Option<SignalWait>,
    pub(crate) conflicts: Option<Conflicts>,
    pub(crate) lock: Option<Lock>,
    pub(crate) window: Option<HoldWindow>,
    pub(crate) expires: Option<Term>,
}

impl Hold {
    /// The deadlines of its conditions.
    pub(crate) fn expiries(&self) -> impl Iterator<Item = &Term> {
        let approval = self.approval.as_ref().and_then(|approval| approval.expires.as_ref());
        let signal = self.signal.as_ref().and_then(|signal| signal.expires.as_ref());
        approval.into_iter().chain(signal).chain(self.expires.as_ref())
    }

    /// Whether it is people who release it, so that a deadline must not.
    pub(crate) const fn is_for_people(&self) -> bool {
        self.approval.is_some() || !self.evidence.is_empty() || !self.tasks.is_empty()
    }

    /// Whether it can expire.
    pub(crate) fn can_expire(&self) -> bool {
        let missed = self.window.as_ref().map(|window| window.missed);
        self.expiries().next().is_some() || missed == Some(Missed::Expire)
    }
}

/// People who must agree.
#[derive(Debug)]
pub(crate) struct Approval {
    pub(crate) rules: Vec<Rule>,
    pub(crate) not: Vec<Exclusion>,
    pub(crate) expires: Option<Term>,
    pub(crate) veto: Option<Veto>,
    pub(crate) duties: Option<Vec<Discharger>>,
    pub(crate) amended: Option<Amended>,
    /// What becomes of approvals when the inventory changes the plan that they were given on, and where
    /// that is said; `Reset` where it is not.
    pub(crate) drifted: Option<(Amended, Span)>,
    pub(crate) remind: Option<Remind>,
    pub(crate) escalate: Option<Escalate>,
    /// Whether people vote in the place of others; as by default, where the definition does not say.
    pub(crate) substitutes: Option<Substitutes>,
}

impl Approval {
    /// Whether people vote in the place of others, and for how many they count.
    pub(crate) fn substitutes(&self) -> Substitutes {
        self.substitutes.unwrap_or_default()
    }

    /// The rule of this name.
    pub(crate) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

/// How many of whom.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) when: Option<Expr>,
    pub(crate) from: Vec<Approver>,
    pub(crate) qualified: Option<Template>,
    /// Whether they must be qualified when the work begins, too.
    pub(crate) at_work: bool,
    pub(crate) need: Need,
    pub(crate) roster: Roster,
    /// The rules that must be satisfied before this one asks anybody.
    pub(crate) after: Vec<Named>,
    /// Where `need` stands, or else the rule.
    pub(crate) span: Span,
}

/// The name of another rule, and where it stands.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// No computed `need` is higher: where an input says how many must agree, it could otherwise ask for
/// more people than there ever are.
const NEED_MAX: u32 = 1_000;

/// How many must agree.
#[derive(Debug)]
pub(crate) enum Need {
    Fixed(u32),
    Computed(Template),
    Share(Share),
}

/// How many of a roster must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    All,
    Majority,
    Percent(u32),
}

impl Share {
    /// How many of `roster` members: more than half for a majority, percentages rounded up, and at
    /// least one in any case, so that an empty roster agrees to nothing.
    pub(crate) fn of(self, roster: usize) -> u32 {
        let roster = u32::try_from(roster).unwrap_or(u32::MAX);
        let share = match self {
            Self::All => roster,
            Self::Majority => (roster / 2).saturating_add(1),
            Self::Percent(percent) => {
                let share = u64::from(roster).saturating_mul(u64::from(percent)).div_ceil(100);
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        };
        share.max(1)
    }
}

/// Whose roster counts: that of the moment at which the hold opened, or of each vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roster {
    Opening,
    Now,
}

impl Need {
    /// How many in any case: at least one, where it is computed.
    pub(crate) const fn at_least(&self) -> u32 {
        match self {
            Self::Fixed(need) => *need,
            Self::Computed(_) | Self::Share(_) => 1,
        }
    }

    /// How many, of a roster of so many members.
    pub(crate) fn eval(&self, vars: &Vars<'_>, roster: usize) -> Result<u32, String> {
        match self {
            Self::Fixed(need) => Ok(*need),
            Self::Share(share) => Ok(share.of(roster)),
            Self::Computed(template) => {
                let value = template.render(vars)?;
                let need = value.as_u64().and_then(|need| u32::try_from(need).ok());
                need.filter(|need| (1..=NEED_MAX).contains(need)).ok_or_else(|| {
                    format!("`need` gives `{value}` for this input, which is no whole number from 1 to {NEED_MAX}")
                })
            }
        }
    }
}

/// Whom something asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Approver {
    Role(RoleName),
    Member(MemberId),
}

impl Approver {
    /// As a definition names them.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Role(role) => format!("role:{role}"),
            Self::Member(member) => format!("member:{member}"),
        }
    }

    /// Whether a member is meant.
    pub(crate) fn is(&self, id: &MemberId, member: &Member) -> bool {
        self.names(id, &member.roles)
    }

    /// Whether somebody with these roles is meant.
    pub(crate) fn names(&self, id: &MemberId, roles: &BTreeSet<RoleName>) -> bool {
        match self {
            Self::Role(role) => roles.contains(role),
            Self::Member(named) => named == id,
        }
    }
}

impl std::fmt::Display for Approver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role {role}"),
            Self::Member(member) => write!(f, "member {member}"),
        }
    }
}

/// Whom the rules do not ask, whatever else they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exclusion {
    Requester,
    Editors,
    Executors,
}

impl Exclusion {
    pub(crate) const ALL: [Self; 3] = [Self::Requester, Self::Editors, Self::Executors];

    /// Its name in a definition.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Editors => "editors",
            Self::Executors => "executors",
        }
    }

    /// Why it keeps somebody from deciding.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::Requester => "submitted the run and nobody decides on their own",
            Self::Editors => "amended the run and nobody decides on what they wrote",
            Self::Executors => "carries the run out and nobody decides on their own work",
        }
    }
}

/// What becomes of approvals when the input is amended, or a plan has drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amended {
    /// They do not count any more.
    Reset,
    /// They stand while the new input asks for no more than the old one.
    Subset,
    /// They stand.
    Keep,
}

/// Who may stop a release until they change their mind, and who may overrule them.
#[derive(Debug)]
pub(crate) struct Veto {
    pub(crate) from: Vec<Approver>,
    pub(crate) overrule: Vec<Approver>,
}

/// Who may say that a duty has been done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discharger {
    /// Whoever made it a condition.
    Author,
    Approver(Approver),
}

impl std::fmt::Display for Discharger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Author => f.write_str("its author"),
            Self::Approver(approver) => approver.fmt(f),
        }
    }
}

/// When those who have not decided are reminded.
#[derive(Debug)]
pub(crate) enum Remind {
    /// Once.
    After(Term),
    /// Again and again.
    Every(Term),
}

impl Remind {
    /// How long after the opening, or after the last.
    pub(crate) const fn term(&self) -> &Term {
        match self {
            Self::After(term) | Self::Every(term) => term,
        }
    }
}

/// Who may approve as well when nobody has for some time.
#[derive(Debug)]
pub(crate) struct Escalate {
    pub(crate) after: Term,
    pub(crate) to: Vec<Approver>,
}

/// Who may object until a time, and by not objecting lets the run go on.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) from: Vec<Approver>,
    pub(crate) span: SignedDuration,
}

/// A time to wait for.
#[derive(Debug)]
pub(crate) enum Wait {
    For(Term),
    Until(Template),
}

/// A signal to wait for.
#[derive(Debug)]
pub(crate) struct SignalWait {
    pub(crate) senders: Senders,
    pub(crate) name: String,
    pub(crate) when: Option<Expr>,
    pub(crate) expires: Option<Term>,
}

/// Approvers in words.
pub(crate) fn listed(approvers: &[impl ToString]) -> String {
    approvers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up_and_are_somebody() {
        for (share, roster, expected) in [
            (Share::All, 0, 1),
            (Share::All, 5, 5),
            (Share::Majority, 0, 1),
            (Share::Majority, 1, 1),
            (Share::Majority, 2, 2),
            (Share::Majority, 3, 2),
            (Share::Majority, 4, 3),
            (Share::Percent(1), 3, 1),
            (Share::Percent(50), 3, 2),
            (Share::Percent(50), 4, 2),
            (Share::Percent(60), 5, 3),
            (Share::Percent(67), 3, 3),
            (Share::Percent(100), 7, 7),
            (Share::Percent(1), 0, 1),
        ] {
            assert_eq!(share.of(roster), expected, "{share:?} of {roster}");
        }
    }
}
