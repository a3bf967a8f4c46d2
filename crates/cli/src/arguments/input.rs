//! What a run is about, as it is typed.

use std::path::PathBuf;

use clap::Args;
use holdpoint::core::{DefinitionName, MemberId};

use super::{Acting, RunArgument, number, words};

/// Starts a run.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The definition's name
    pub(crate) definition: DefinitionName,
    /// The definition's version; the highest when absent
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    pub(crate) version: Option<u32>,
    #[command(flatten)]
    pub(crate) given: Given,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// What is submitted.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// A member of the input; may be given several times. VALUE is taken as it is where the
    /// definition asks for text; elsewhere it is read as JSON, and what is no JSON is text
    #[arg(long = "input", value_name = "KEY=VALUE")]
    pub(crate) input: Vec<String>,
    /// A file with the input as a JSON object, `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "input_json")]
    pub(crate) input_file: Option<PathBuf>,
    /// The input as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) input_json: Option<String>,
}

impl Given {
    /// Whether nothing is given.
    pub(crate) const fn is_empty(&self) -> bool {
        self.input.is_empty() && self.input_file.is_none() && self.input_json.is_none()
    }
}

/// Plans.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The run: its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning or end
    /// of it
    #[arg(
        value_name = "RUN",
        required_unless_present = "definition",
        conflicts_with = "definition"
    )]
    pub(crate) run: Option<String>,
    /// A published definition, to see what a run of it would do that is not submitted yet
    #[arg(long, value_name = "DEFINITION")]
    pub(crate) definition: Option<DefinitionName>,
    /// The definition's version; the highest when absent
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, requires = "definition")]
    pub(crate) version: Option<u32>,
    #[command(flatten)]
    pub(crate) given: Given,
    /// The member who would submit the run
    #[arg(long = "as", env = "HOLDPOINT_AS", value_name = "MEMBER")]
    pub(crate) actor: Option<MemberId>,
}

/// Amends.
#[derive(Debug, Args)]
pub(crate) struct Amend {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    #[command(flatten)]
    pub(crate) given: Given,
    /// Why
    #[arg(long, value_parser = words)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) acting: Acting,
}
