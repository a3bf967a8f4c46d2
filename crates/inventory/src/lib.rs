//! Holdpoint's inventories: what somebody else's file says a project's configuration items are.
//!
//! [`read`] takes a file's text and says what it declares, or everything that is wrong with it, each
//! with its line and a remedy. [`Declared::against`] then says what would be different. Everything is
//! a function of texts and items: nothing does I/O. The guide is `docs/items.md`.
//!
//! ```
//! use holdpoint_core::Items;
//! use holdpoint_inventory::{Format, Options, Rest, read};
//!
//! let declared = read(Format::AnsibleIni, "hosts.ini", "
//! [web]
//! web-[01:03].example.com
//! [web:vars]
//! env=prod
//! ", &Options::default())?;
//! let difference = declared.against(&Items::default(), Rest::Keep)?;
//! let added: Vec<&str> = difference.added.iter().map(|one| one.name.as_str()).collect();
//! assert_eq!(added, ["web-01.example.com", "web-02.example.com", "web-03.example.com"]);
//! # Ok::<(), holdpoint_inventory::Findings>(())
//! ```
//!
//! | module | subject |
//! |---|---|
//! | `declared` | what a file declares, and what would be different by it |
//! | `own` | the project's own form, YAML or JSON |
//! | `ansible`, `ansible_ini`, `ansible_yaml`, `range` | inventories of Ansible |
//! | `table` | CSV |
//! | `secrets` | which variables and columns look as if they held secrets |
//! | `tree` | YAML and JSON in which every value knows its line |

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

mod ansible;
mod ansible_ini;
mod ansible_yaml;
mod declared;
mod finding;
mod own;
mod range;
mod secrets;
mod table;
mod tree;

use std::collections::BTreeSet;

use holdpoint_core::LabelName;

pub use declared::{Changed, Declared, DeclaredItem, Difference, Rest};
pub use finding::{Finding, FindingCode, Findings};

use finding::Report;

/// The longest text that is read, in bytes.
const SOURCE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The forms in which items are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The project's own, in YAML.
    Yaml,
    /// The project's own, in JSON.
    Json,
    /// A table with a header, separated by commas.
    Csv,
    /// Ansible's INI inventory.
    AnsibleIni,
    /// Ansible's YAML inventory.
    AnsibleYaml,
}

/// What to take of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which variables of an Ansible inventory, or columns of a table, become labels; those that are
    /// not about the connection and do not look like secrets, where it is `None`.
    pub labels: Option<BTreeSet<LabelName>>,
}

/// Reads what a file declares; `file` is the name that findings show.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(
    format: Format,
    file: &str,
    source: &str,
    options: &Options,
) -> Result<Declared, Findings> {
    let mut report = Report::default();
    // Editors on Windows mark UTF-8 so.
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let declared = if source.len() > SOURCE_BYTES_MAX {
        report.add(
            FindingCode::Unreadable,
            1,
            format!("the file has {} bytes; at most {SOURCE_BYTES_MAX} are read", source.len()),
            "is this the right file?",
        );
        None
    } else {
        match format {
            Format::Yaml => own::read(source, tree::Language::Yaml, &mut report),
            Format::Json => own::read(source, tree::Language::Json, &mut report),
            Format::Csv => table::read(source, options, &mut report),
            Format::AnsibleIni => ansible_ini::read(source, options, &mut report),
            Format::AnsibleYaml => ansible_yaml::read(source, options, &mut report),
        }
    };
    match (declared, report.finish(file)) {
        (Some(mut declared), None) => {
            declared.file = file.to_owned();
            Ok(declared)
        }
        (_, Some(findings)) => Err(findings),
        (None, None) => Err(Report::unexplained(file)),
    }
}
