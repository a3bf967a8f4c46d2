//! What is done with projects and their members, as it is typed.

use std::path::PathBuf;

use clap::Subcommand;
use holdpoint::core::{MemberId, ProjectId, QualificationName, RoleName};
use jiff::Timestamp;

use super::{Acting, a_line, evidence::ShownBy, substitute::SubstituteCommand, time, words};

/// Changes to projects.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Create a project; who acts becomes its owner
    Create {
        /// Its name
        name: ProjectId,
        /// What it is about, in a line; the name when absent
        #[arg(long, value_parser = a_line)]
        title: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// List the projects
    List,
    /// Show a project with its members
    Show,
    /// Add or remove members
    #[command(subcommand)]
    Member(MemberCommand),
    /// Grant or revoke roles
    #[command(subcommand)]
    Role(RoleCommand),
    /// Let members vote in the place of others, for a time
    #[command(subcommand)]
    Substitute(SubstituteCommand),
    /// Record that a member is qualified in a domain
    Qualify {
        /// Whose qualification it is
        member: MemberId,
        /// The domain, such as `network`
        domain: QualificationName,
        /// Who attests it
        #[arg(long, value_parser = a_line)]
        issuer: String,
        /// The first moment at which it holds; always, when absent
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<Timestamp>,
        /// The first moment at which it no longer holds; never, when absent
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<Timestamp>,
        #[command(flatten)]
        shown: ShownBy,
        #[command(flatten)]
        acting: Acting,
    },
    /// Revoke a member's qualifications in a domain
    Disqualify {
        /// Whose qualification it is
        member: MemberId,
        /// The domain
        domain: QualificationName,
        /// Why; it stands in the history
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Write the evidence of a member's qualification into a file, if it is what was recorded
    Evidence {
        /// Whose qualification it is
        member: MemberId,
        /// The domain: what was recorded last in it
        domain: QualificationName,
        /// The file to write, which must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Changes to a project's members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// Add a member
    Add {
        /// Whom
        member: MemberId,
        /// The name to show; the member's own when absent
        #[arg(long, value_parser = a_line)]
        name: Option<String>,
        /// A role to begin with; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<RoleName>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Remove a member
    Remove {
        /// Whom
        member: MemberId,
        #[command(flatten)]
        acting: Acting,
    },
}

/// Changes to a member's roles.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Give a member a role
    Grant {
        /// Whom
        member: MemberId,
        /// Which role
        role: RoleName,
        #[command(flatten)]
        acting: Acting,
    },
    /// Take a role from a member
    Revoke {
        /// Whom
        member: MemberId,
        /// Which role
        role: RoleName,
        #[command(flatten)]
        acting: Acting,
    },
    /// List the roles, each with those who hold it
    List,
}
