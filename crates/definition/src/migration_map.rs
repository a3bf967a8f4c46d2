//! The file of a migration: which state of which old version is which of the new one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diagnostics::{DiagnosticCode as Code, Diagnostics, Findings},
    expr::did_you_mean,
    node::{self, Kind, Node, Span},
    syntax::{Reader, listed},
};

const TOP: &[&str] = &["migrate", "to", "from"];

/// A state, and where it is named.
#[derive(Clone, Debug)]
struct Named {
    name: String,
    span: Span,
}

/// By old version, where that is named, and what its states are called now.
type Versions = BTreeMap<u32, (Span, Vec<(Named, Named)>)>;

/// A file that maps the states of old versions of a definition to those of a new one. What it does not
/// name keeps its name.
#[derive(Clone, Debug)]
pub struct MigrationMap {
    file: String,
    source: String,
    definition: Named,
    to: (u32, Span),
    from: Versions,
}

impl MigrationMap {
    /// Reads such a file. `file` is the name that findings show.
    ///
    /// # Errors
    /// All findings, when one of them keeps it from being used.
    pub fn parse(file: &str, source: &str) -> Result<Self, Diagnostics> {
        let mut findings = Findings::new(file, source);
        let read = node::read(source, &mut findings).and_then(|root| {
            let mut reader = Reader::of_any(&mut findings);
            let top = reader.fields(&root, "a file of a migration", TOP)?;
            let definition = top.need(&mut reader, "migrate").and_then(|node| {
                let name = reader.name(node, "a definition")?;
                Some(Named { name, span: node.span.clone() })
            });
            let to = top.need(&mut reader, "to").and_then(|node| {
                Some((reader.count(node, "`to`, a version,")?, node.span.clone()))
            });
            let from = top.need(&mut reader, "from").and_then(|node| versions(node, &mut reader));
            Some((definition?, to?, from?))
        });
        match read {
            Some((definition, to, from)) if !findings.has_errors() => {
                Ok(Self { file: file.to_owned(), source: source.to_owned(), definition, to, from })
            }
            _ => Err(findings.finish()),
        }
    }

    /// The definition whose runs it is about.
    #[must_use]
    pub fn definition(&self) -> &str {
        &self.definition.name
    }

    /// The version that it leads to.
    #[must_use]
    pub const fn to(&self) -> u32 {
        self.to.0
    }

    /// What states of a version are called in the new one, where that differs.
    #[must_use]
    pub fn of(&self, version: u32) -> BTreeMap<String, String> {
        let states = self.from.get(&version).into_iter().flat_map(|(_, states)| states);
        states.map(|(old, new)| (old.name.clone(), new.name.clone())).collect()
    }

    /// What it names and the definition does not have. `states` answers with the states of a version,
    /// and with none where there is no such version.
    #[must_use]
    pub fn check(&self, states: &dyn Fn(u32) -> Option<BTreeSet<String>>) -> Diagnostics {
        let mut findings = Findings::new(&self.file, &self.source);
        let definition = self.definition();
        let unpublished = |findings: &mut Findings, version: u32, span: &Span| {
            findings
                .add(
                    Code::WrongKind,
                    span,
                    format!("`{definition}` has no version {version} in this project"),
                )
                .help("`holdpoint definitions list` has the versions there are");
        };
        let (to, span) = &self.to;
        let new = states(*to);
        if new.is_none() {
            unpublished(&mut findings, *to, span);
        }
        for (version, (span, mapped)) in &self.from {
            let old = states(*version);
            if old.is_none() {
                unpublished(&mut findings, *version, span);
            }
            let sides = [(&old, *version), (&new, *to)];
            for (one, (known, version)) in
                mapped.iter().flat_map(|(old, new)| [old, new].into_iter().zip(sides))
            {
                let Some(known) = known.as_ref().filter(|known| !known.contains(&one.name)) else {
                    continue;
                };
                let names = known.iter().map(String::as_str);
                let help = did_you_mean(&one.name, names.clone())
                    .unwrap_or_else(|| format!("it has {}", listed(&names.collect::<Vec<_>>())));
                findings
                    .add(
                        Code::UnknownState,
                        &one.span,
                        format!("version {version} of `{definition}` has no state `{}`", one.name),
                    )
                    .help(help);
            }
        }
        findings.finish()
    }
}

/// Reads what the old versions are mapped by: `{ 1: { OLD: NEW } }`.
fn versions(node: &Node, reader: &mut Reader<'_>) -> Option<Versions> {
    const SHAPE: &str =
        "`from` maps old versions to what their states are called now: `{ 1: { OLD: NEW } }`";
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, SHAPE);
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let version = key.name.parse().ok().filter(|version| *version >= 1_u32);
            if version.is_none() {
                reader
                    .findings
                    .add(Code::WrongKind, &key.span, format!("`{}` is no version", key.name))
                    .help(SHAPE);
            }
            let Kind::Map(states) = &node.kind else {
                reader.wrong(node, SHAPE);
                return None;
            };
            let states: Vec<_> = states
                .iter()
                .map(|(old, new)| {
                    let is_name = reader.is_name(&old.name, &old.span, "a state");
                    let name = reader.name(new, "a state")?;
                    let old = Named { name: old.name.clone(), span: old.span.clone() };
                    is_name.then(|| (old, Named { name, span: new.span.clone() }))
                })
                .collect();
            let states = states.into_iter().collect::<Option<_>>()?;
            Some((version?, (key.span.clone(), states)))
        })
        .collect();
    read.into_iter().collect()
}
