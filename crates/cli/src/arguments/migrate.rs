//! The arguments of `holdpoint migrate`.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use clap::Args;
use holdpoint::core::{DefinitionName, Digest};

use super::{Acting, words};

/// Has runs go on by another version of their definition.
#[derive(Debug, Args)]
#[command(
    after_help = "A run that fits is migrated even where others do not; each that does not is named, with \
                        the reason. docs/migrating.md says what becomes of votes, timers and locks."
)]
pub(crate) struct Migrate {
    /// The runs: each its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning or
    /// end of it
    #[arg(value_name = "RUN", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) runs: Vec<String>,
    /// Every run of the definition that is not over, and not at that version
    #[arg(long, requires = "definition")]
    pub(crate) all: bool,
    /// The definition whose runs are meant by `--all`
    #[arg(long, value_name = "NAME", requires = "all")]
    pub(crate) definition: Option<DefinitionName>,
    /// The version to go on by: its number, or its digest
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Wanted,
    /// What a state of the old version is called in the new one; states that are not named keep their
    /// names
    #[arg(long = "map", value_name = "OLD=NEW", value_parser = renaming)]
    pub(crate) states: Vec<(String, String)>,
    /// A file that says so for several old versions, YAML: '{ migrate: NAME, to: 2, from: { 1: { OLD: NEW } } }'
    #[arg(long, value_name = "FILE")]
    pub(crate) map_file: Option<PathBuf>,
    /// Why
    #[arg(long, value_parser = words, required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Say what would become of each run, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// A version of a definition, as it is typed.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Version(u32),
    Digest(Digest),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let version = text.parse().map(Self::Version);
        version.or_else(|_| text.parse().map(Self::Digest)).map_err(|_| {
            format!("`{text}` is neither the number of a version nor a digest (`sha256:…`)")
        })
    }
}

fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err(format!("`{text}` is not OLD=NEW, two names of states")),
    }
}

impl Migrate {
    /// What states are called in the new version, by their old names.
    pub(crate) fn renamed(&self) -> Result<BTreeMap<String, String>, String> {
        let mut renamed = BTreeMap::new();
        for (old, new) in &self.states {
            if renamed.insert(old.clone(), new.clone()).is_some_and(|before| before != *new) {
                return Err(format!("`{old}` is mapped twice"));
            }
        }
        Ok(renamed)
    }
}
