//! Who votes in whose place, as it is typed.

use clap::Subcommand;
use holdpoint::core::{MemberId, RoleName};
use jiff::Timestamp;

use super::{Acting, a_line, time};

/// What is done about substitutes.
#[derive(Debug, Subcommand)]
pub(crate) enum SubstituteCommand {
    /// Let a member vote in the place of another; that one may say so, and owners
    Add {
        /// In whose place
        member: MemberId,
        /// Who votes
        substitute: MemberId,
        /// The first moment at which they no longer may
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Timestamp,
        /// The first moment at which they may; at once, when absent
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<Timestamp>,
        /// Only where this role of the member is asked; may be given several times
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<RoleName>,
        /// Why
        #[arg(long, value_parser = a_line)]
        reason: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// End a substitution before its time; both members may, and owners
    Remove {
        /// Its number, as `holdpoint project substitute list` shows it
        substitution: u32,
        /// Why
        #[arg(long, value_parser = a_line)]
        reason: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// List who votes in whose place, and until when
    List,
}
