//! The events of a project's stream.

use serde::{Deserialize, Serialize};

use super::Qualification;
use crate::{
    id::{
        BaselineName, CalendarName, DefinitionName, Digest, MemberId, QualificationName, RoleName,
        RunId,
    },
    item::{ItemName, NamedItem},
    lockdown::LockdownScope,
    publishing::ReleaseRule,
    substitute::Substitution,
};

/// The facts of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum ProjectEvent {
    /// The project was created. Always the first event of its stream.
    #[serde(rename = "holdpoint.project.created")]
    Created {
        /// What the project is about, in a line.
        title: String,
    },
    /// Somebody became a member.
    #[serde(rename = "holdpoint.member.added")]
    MemberAdded {
        /// Who.
        member: MemberId,
        /// The name to show.
        name: String,
    },
    /// A member left; roles, qualifications and substitutions go with them.
    #[serde(rename = "holdpoint.member.removed")]
    MemberRemoved {
        /// Who.
        member: MemberId,
    },
    /// A member was given a role.
    #[serde(rename = "holdpoint.role.granted")]
    RoleGranted {
        /// Who.
        member: MemberId,
        /// Which.
        role: RoleName,
    },
    /// A member lost a role.
    #[serde(rename = "holdpoint.role.revoked")]
    RoleRevoked {
        /// Who.
        member: MemberId,
        /// Which.
        role: RoleName,
    },
    /// A qualification was recorded.
    #[serde(rename = "holdpoint.qualification.recorded")]
    QualificationRecorded {
        /// Whose.
        member: MemberId,
        /// What.
        qualification: Qualification,
    },
    /// All of a member's qualifications in a domain were revoked.
    #[serde(rename = "holdpoint.qualification.revoked")]
    QualificationRevoked {
        /// Whose.
        member: MemberId,
        /// In which domain.
        domain: QualificationName,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A definition was published: runs can be started with it from now on.
    #[serde(rename = "holdpoint.definition.published")]
    DefinitionPublished {
        /// The definition's name.
        name: DefinitionName,
        /// Its version.
        version: u32,
        /// The digest of its source.
        digest: Digest,
        /// The language of its source.
        language: String,
        /// What it is about, in a line.
        title: String,
        /// Its source, verbatim.
        source: String,
        /// The run that has released it, where the project asked for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        release: Option<RunId>,
    },
    /// It was settled what is asked of definitions that are published from now on.
    #[serde(rename = "holdpoint.publishing.governed")]
    PublishingGoverned {
        /// Which runs release them; nothing is asked, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<ReleaseRule>,
        /// Why.
        reason: String,
    },
    /// A baseline was published: from now on it is in force, and no other.
    #[serde(rename = "holdpoint.baseline.published")]
    BaselinePublished {
        /// The baseline's name.
        baseline: BaselineName,
        /// How many baselines the project has published, this one included.
        revision: u32,
        /// The digest of its source.
        digest: Digest,
        /// What it is about, in a line.
        title: String,
        /// Its source, verbatim.
        source: String,
        /// Why.
        reason: String,
    },
    /// The baseline that was in force is so no more, and no other takes its place.
    #[serde(rename = "holdpoint.baseline.withdrawn")]
    BaselineWithdrawn {
        /// Its name.
        baseline: BaselineName,
        /// Its revision.
        revision: u32,
        /// Why.
        reason: String,
    },
    /// Configuration items were set or removed.
    #[serde(rename = "holdpoint.items.changed")]
    ItemsChanged {
        /// Those that are as said from now on, in an order in which each comes after those that it
        /// depends on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        set: Vec<NamedItem>,
        /// Those that are no more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<ItemName>,
    },
    /// A calendar was published: what waits for it goes by it from now on, and no longer by the one
    /// that had its name before.
    #[serde(rename = "holdpoint.calendar.published")]
    CalendarPublished {
        /// The calendar's name.
        calendar: CalendarName,
        /// How often a calendar of this name has been published, this time included.
        revision: u32,
        /// The digest of what it says, however it is written.
        digest: Digest,
        /// What people call it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Its source, verbatim.
        source: String,
    },
    /// A calendar was taken away: what waits for it is not released until there is one again.
    #[serde(rename = "holdpoint.calendar.retired")]
    CalendarRetired {
        /// The calendar's name.
        calendar: CalendarName,
        /// Why.
        reason: String,
    },
    /// A lockdown was imposed: nothing is begun in its scope until it is released.
    #[serde(rename = "holdpoint.lockdown.imposed")]
    LockdownImposed {
        /// Its number in the project, from 1.
        lockdown: u32,
        /// Which runs it is about.
        scope: LockdownScope,
        /// Why.
        reason: String,
    },
    /// A lockdown was released: what it held goes on, unless another holds it.
    #[serde(rename = "holdpoint.lockdown.released")]
    LockdownReleased {
        /// Its number.
        lockdown: u32,
        /// Why.
        reason: String,
    },
    /// Somebody may vote in the place of another member, for a time.
    #[serde(rename = "holdpoint.substitute.named")]
    SubstituteNamed(Substitution),
    /// They may no longer, by this substitution.
    #[serde(rename = "holdpoint.substitute.withdrawn")]
    SubstituteWithdrawn {
        /// Its number.
        substitution: u32,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}
