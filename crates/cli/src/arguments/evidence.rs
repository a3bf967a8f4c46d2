//! Evidence, as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use holdpoint::core::Digest;

use super::{Acting, RunArgument, words};

/// Attaches.
#[derive(Debug, Args)]
#[command(
    after_help = "A newer piece takes the place of an older one of the same name; nothing is \
                        removed. What becomes of approvals is what the definition says."
)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    /// What it is evidence of, as `holdpoint show` names it
    pub(crate) name: String,
    /// The file; it is copied into the data directory
    #[arg(required_unless_present = "reference")]
    pub(crate) file: Option<PathBuf>,
    /// The URL of a piece that is kept elsewhere
    #[arg(long, value_name = "URL", conflicts_with = "file", requires = "sha256")]
    pub(crate) reference: Option<String>,
    /// The SHA-256 digest of what is kept there
    #[arg(long, value_name = "DIGEST", requires = "reference", value_parser = digest)]
    pub(crate) sha256: Option<Digest>,
    /// How many bytes what is kept there has
    #[arg(long, value_name = "BYTES", requires = "reference")]
    pub(crate) size: Option<u64>,
    /// Its media type; what the name of the file suggests when absent
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
    /// What you say of it
    #[arg(long, value_parser = words)]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// What shows a qualification.
#[derive(Debug, Args)]
pub(crate) struct ShownBy {
    /// The file that shows it, such as a certificate; it is copied into the data directory
    #[arg(long, value_name = "FILE")]
    pub(crate) evidence: Option<PathBuf>,
    /// The URL of what shows it, where that is kept elsewhere
    #[arg(long, value_name = "URL", conflicts_with = "evidence", requires = "sha256")]
    pub(crate) reference: Option<String>,
    /// The SHA-256 digest of what is kept there
    #[arg(long, value_name = "DIGEST", requires = "reference", value_parser = digest)]
    pub(crate) sha256: Option<Digest>,
    /// Its media type; what the name of the file suggests when absent
    #[arg(long, value_name = "TYPE")]
    pub(crate) media_type: Option<String>,
}

/// Looks at evidence.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// List all evidence that a run was shown, the oldest first
    List {
        #[command(flatten)]
        run: RunArgument,
    },
    /// Write a piece of evidence into a file, if it is what was attached
    Get {
        #[command(flatten)]
        run: RunArgument,
        /// What it is evidence of: the newest of this name; or the digest of any that the run was shown
        #[arg(value_name = "NAME|DIGEST")]
        name: String,
        /// The file to write, which must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// A digest, with or without `sha256:` before it.
pub(super) fn digest(text: &str) -> Result<Digest, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    format!("sha256:{digits}").parse().map_err(|_| {
        format!(
            "`{text}` is not a digest: expected 64 hexadecimal digits, as `sha256sum` prints them"
        )
    })
}
