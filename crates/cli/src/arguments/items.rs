//! The arguments of `holdpoint items`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use holdpoint::core::{ItemName, LabelName, Selector};

use super::Acting;

/// Work with the configuration items of a project.
#[derive(Debug, Subcommand)]
pub(crate) enum ItemsCommand {
    /// List items
    List {
        /// Only items that are like this, such as 'env=prod, role in (web, api), !legacy'
        #[arg(long, value_name = "SELECTOR", value_parser = selector)]
        select: Option<Selector>,
    },
    /// Show an item: its labels and groups, what it depends on, and what depends on it
    Show {
        /// Its name
        name: ItemName,
    },
    /// Make items as a file says, and show what is different by it
    Set {
        /// The file, YAML; JSON where its name ends in `.json`; `-` for YAML from standard input
        file: PathBuf,
        #[command(flatten)]
        how: Change,
    },
    /// Take items from the inventory of another tool
    Import {
        /// The file; `-` for standard input
        file: PathBuf,
        /// What it is
        #[arg(long)]
        format: Form,
        /// Make labels of these variables or columns alone; may be given several times
        #[arg(long = "label", value_name = "VARIABLE")]
        labels: Vec<LabelName>,
        #[command(flatten)]
        how: Change,
    },
    /// Remove items
    Remove {
        /// Their names
        #[arg(required = true)]
        names: Vec<ItemName>,
        #[command(flatten)]
        acting: Acting,
    },
}

/// How items are changed by a file.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Remove the items that the file does not name
    #[arg(long)]
    pub(crate) prune: bool,
    /// Show what would be different, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) acting: Acting,
}

/// The forms of inventories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Ansible, INI
    AnsibleIni,
    /// Ansible, YAML
    AnsibleYaml,
    /// A table with the columns `name`, `groups`, `depends_on`, and a label each for the others
    Csv,
    /// As `holdpoint items set` reads it, JSON
    Json,
    /// As `holdpoint items set` reads it, YAML
    Yaml,
}

fn selector(text: &str) -> Result<Selector, String> {
    text.parse().map_err(|fault: holdpoint::core::MalformedSelector| {
        let before = text.get(..fault.at).unwrap_or(text);
        format!("{}, after `{before}`", fault.reason)
    })
}
