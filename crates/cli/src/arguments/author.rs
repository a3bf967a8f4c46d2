//! What authors of definitions ask for, as it is typed: checks, scenarios, pictures, formatting.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::baseline::ByBaseline;

/// Checks files.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Definitions, and scenarios where the name ends in `.scenarios.yaml`; of a directory, all
    /// files whose names end in `.yaml`
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) by: ByBaseline,
    /// The form of the answer
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
    /// Fail on warnings too
    #[arg(long)]
    pub(crate) strict: bool,
}

/// The forms in which findings are told.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people, with the lines that each finding is about
    Text,
    /// One JSON document, as with `--json`
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions, which show up at the lines of a pull request
    Github,
}

/// Plays scenarios.
#[derive(Debug, Args)]
#[command(
    after_help = "A baseline that is named here takes the place of those that the scenarios name."
)]
pub(crate) struct Test {
    /// Files of scenarios, or directories with files whose names end in `.scenarios.yaml`
    /// [default: ./workflows if it is there, else .]
    pub(crate) files: Vec<PathBuf>,
    /// Only scenarios whose names contain this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// Print the timeline of every scenario, not only of those that fail
    #[arg(long)]
    pub(crate) timeline: bool,
    /// Print which states, ways and rules of the definitions no scenario reaches
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Fail when less than this of a definition is reached
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    #[arg(conflicts_with = "only")]
    pub(crate) min_coverage: Option<u32>,
    #[command(flatten)]
    pub(crate) by: ByBaseline,
}

/// Steps through a definition.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The definition's file, YAML; its scenarios, if there are some beside it, say who there is
    /// and what is submitted
    pub(crate) file: PathBuf,
    /// The members, as in a file of scenarios: '{ ada: [], grace: role:engineer }'
    #[arg(long, value_name = "YAML")]
    pub(crate) members: Option<String>,
    #[command(flatten)]
    pub(crate) by: ByBaseline,
}

/// Draws a definition.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// The definition's file, YAML
    pub(crate) file: PathBuf,
    /// The language of the picture
    #[arg(long, default_value = "svg")]
    pub(crate) format: Picture,
    /// Which way it reads
    #[arg(long, default_value = "down")]
    pub(crate) direction: Direction,
    /// Write the picture to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) by: ByBaseline,
}

/// The languages of pictures.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Picture {
    /// A picture that browsers and slides show
    Svg,
    /// A text that GitHub, GitLab and many others draw
    Mermaid,
}

/// Which way a picture reads.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Direction {
    /// From the top down
    Down,
    /// From left to right
    Right,
}

/// Formats.
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Files to format; of a directory, all whose names end in `.yaml`; `-` for standard input,
    /// which is answered on standard output
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing, and fail when something would be changed
    #[arg(long)]
    pub(crate) check: bool,
}
