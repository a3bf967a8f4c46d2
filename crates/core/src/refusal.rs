//! The answer "no": what kind of no it is, why, and what a "yes" would take.

use std::fmt;

/// Names a kind of refusal, for ever the same. Each has a page in `docs/errors/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    /// The actor is not a member of the project.
    NotMember,
    /// The actor holds none of the roles that are asked for.
    NotEligible,
    /// The actor submitted, amended or carries out the run, and so may not decide here.
    SelfApproval,
    /// The actor lacks a qualification that is valid now.
    NotQualified,
    /// The actor has voted on this already.
    AlreadyVoted,
    /// Nothing in the run's state waits for this.
    NotAwaited,
    /// The run has ended.
    RunEnded,
    /// The input, or what came with the command, is not of the demanded form.
    InvalidInput,
    /// What is named is not there.
    NotFound,
    /// What is to be made is there already.
    AlreadyExists,
    /// What a waiver is owed afterwards has not been done.
    DutiesOpen,
    /// The command's id was used before, for something else.
    CommandIdReused,
    /// Several parallel branches could be meant.
    AmbiguousBranch,
    /// The project has no configuration item of this name.
    UnknownItem,
    /// Configuration items would depend on each other in a circle.
    DependencyCircle,
    /// A rollout would be given a target twice.
    DuplicateTarget,
    /// No attempt of which the end is unknown is meant.
    NotUnknown,
    /// No run has released what is to be published.
    NotReleased,
    /// Who would vote in the place of another does not stand for them.
    NotSubstitute,
    /// One person would count for several.
    CountsOnce,
    /// The run does not fit the version of its definition that it is to go on by.
    NotMigratable,
    /// The definition does not keep to the project's baseline.
    BelowBaseline,
    /// The requirement of the baseline cannot be overridden for the run, or not any more.
    NotOverridable,
    /// A file of evidence that the hold demands is not what was attached.
    EvidenceDamaged,
    /// What is voted on is not the plan that would be carried out.
    OtherPlan,
    /// Another run has worked at a target since.
    NewerWork,
    /// Another run holds the lock on a target.
    LockedByOther,
    /// The run cannot be loaded.
    Unloadable,
    /// It is for others to say what became of an attempt.
    MayNotSettle,
    /// The hold was released before, and can only be approved anew.
    ReleasedBefore,
    /// The run is not as whoever sends the command has seen it.
    NotAsSeen,
}

impl RefusalCode {
    /// Every code.
    pub const ALL: [Self; 31] = [
        Self::NotMember,
        Self::NotEligible,
        Self::SelfApproval,
        Self::NotQualified,
        Self::AlreadyVoted,
        Self::NotAwaited,
        Self::RunEnded,
        Self::InvalidInput,
        Self::NotFound,
        Self::AlreadyExists,
        Self::CommandIdReused,
        Self::DutiesOpen,
        Self::AmbiguousBranch,
        Self::UnknownItem,
        Self::DependencyCircle,
        Self::DuplicateTarget,
        Self::NotUnknown,
        Self::NotReleased,
        Self::NotSubstitute,
        Self::CountsOnce,
        Self::NotMigratable,
        Self::BelowBaseline,
        Self::NotOverridable,
        Self::EvidenceDamaged,
        Self::OtherPlan,
        Self::NewerWork,
        Self::LockedByOther,
        Self::Unloadable,
        Self::MayNotSettle,
        Self::ReleasedBefore,
        Self::NotAsSeen,
    ];

    /// The code as text, such as `HP1003`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotMember => "HP1001",
            Self::NotEligible => "HP1002",
            Self::SelfApproval => "HP1003",
            Self::NotQualified => "HP1004",
            Self::AlreadyVoted => "HP1005",
            Self::NotAwaited => "HP1006",
            Self::RunEnded => "HP1007",
            Self::InvalidInput => "HP1008",
            Self::NotFound => "HP1009",
            Self::AlreadyExists => "HP1010",
            Self::CommandIdReused => "HP1011",
            Self::DutiesOpen => "HP1013",
            Self::AmbiguousBranch => "HP1025",
            Self::UnknownItem => "HP1020",
            Self::DependencyCircle => "HP1021",
            Self::DuplicateTarget => "HP1022",
            Self::NotUnknown => "HP1027",
            Self::NotReleased => "HP1017",
            Self::NotSubstitute => "HP1012",
            Self::CountsOnce => "HP1014",
            Self::NotMigratable => "HP1018",
            Self::BelowBaseline => "HP1030",
            Self::NotOverridable => "HP1031",
            Self::EvidenceDamaged => "HP1045",
            Self::OtherPlan => "HP1040",
            Self::NewerWork => "HP1060",
            Self::LockedByOther => "HP1061",
            Self::Unloadable => "HP1032",
            Self::MayNotSettle => "HP1080",
            Self::ReleasedBefore => "HP1081",
            Self::NotAsSeen => "HP1082",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A typed, explained "no", with what would be needed for a "yes".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of refusal.
    pub code: RefusalCode,
    /// What was refused and why; lower case, no full stop.
    pub message: String,
    /// What would be needed for a "yes", one way a line; may be empty when there is none.
    pub needed: Vec<String>,
}

impl Refusal {
    /// Refuses.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), needed: Vec::new() }
    }

    /// Adds what would be needed for a "yes".
    #[must_use]
    pub fn needs(mut self, needed: impl Into<String>) -> Self {
        self.needed.push(needed.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own() {
        let codes: std::collections::BTreeSet<&str> =
            RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), RefusalCode::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("HP1") && code.len() == 6));
    }
}
