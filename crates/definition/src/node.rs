//! YAML as a tree in which every key and value knows where it stands.
//!
//! The whole file is read into [`Node`]s first, so that every fault of shape can be reported, not
//! only the first.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, Options, Spanned, budget::BudgetBreach};

use crate::diagnostics::{DiagnosticCode, Findings};

/// The longest source that is read, in bytes.
pub(crate) const SOURCE_BYTES_MAX: usize = 1024 * 1024;
/// Reading recurses; this much fits into a small stack even without optimization.
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 100_000;
/// How many anchors, and how many aliases.
const ALIASES_MAX: usize = 1_000;

/// Where something stands in the source, in bytes.
pub type Span = Range<usize>;

/// A value of the file.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub span: Span,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An empty value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping; no key is there twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key itself.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
                Raw::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Int(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Raw, E> {
                i64::try_from(value)
                    .map(Raw::Int)
                    .map_err(|_| E::custom(format!("{TOO_LARGE}{value}")))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = seq.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }

        deserializer.deserialize_any(RawVisitor)
    }
}

fn span_of(location: Location, source: &str) -> Span {
    let span = location.span();
    let start = match span.byte_offset() {
        Some(at) => usize::try_from(at).unwrap_or(0),
        // Where the text could not be scanned, only characters were counted.
        None => usize::try_from(span.offset())
            .ok()
            .and_then(|at| source.char_indices().nth(at))
            .map_or(source.len(), |(at, _)| at),
    };
    let length = span.byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    let start = start.min(source.len());
    start..start.saturating_add(length).min(source.len())
}

fn node(raw: Spanned<Raw>, source: &str, findings: &mut Findings) -> Node {
    let span = span_of(raw.referenced, source);
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Bool(value) => Kind::Bool(value),
        Raw::Int(value) => Kind::Int(value),
        Raw::Float(value) => Kind::Float(value),
        Raw::Text(value) => Kind::Text(value),
        Raw::List(items) => {
            Kind::List(items.into_iter().map(|item| node(item, source, findings)).collect())
        }
        Raw::Map(entries) => {
            let mut map: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
            let mut seen = std::collections::HashMap::with_capacity(entries.len());
            for (key, value) in entries {
                let key = Key { span: span_of(key.referenced, source), name: key.value };
                let value = node(value, source, findings);
                if let Some(first) = seen.insert(key.name.clone(), key.span.clone()) {
                    let line = findings.line(first.start);
                    findings
                        .add(
                            DiagnosticCode::DuplicateKey,
                            &key.span,
                            format!("`{}` is given twice", key.name),
                        )
                        .help(format!("it was given first in line {line}; keep one of the two"));
                    continue;
                }
                map.push((key, value));
            }
            Kind::Map(map)
        }
    };
    Node { kind, span }
}

/// Reads `source`. What is not YAML, or more of it than anyone writes, becomes a finding.
pub fn read(source: &str, findings: &mut Findings) -> Option<Node> {
    if source.len() > SOURCE_BYTES_MAX {
        findings
            .add(
                DiagnosticCode::Syntax,
                &(0..0),
                format!("the file has {} bytes; at most {SOURCE_BYTES_MAX} are read", source.len()),
            )
            .help("it should be a page or two of text: is this the right file?");
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(source, options()) {
        Ok(raw) => Some(node(raw, source, findings)),
        Err(error) => {
            let error = error.without_snippet();
            let span = error.location().map_or(0..0, |location| span_of(location, source));
            let (code, message, help) = explain(error);
            findings.add(code, &span, message).help(help);
            None
        }
    }
}

/// How the message about a number begins that is larger than those that are read.
const TOO_LARGE: &str = "the number is too large: ";

/// What is wrong with a text that cannot be read, and what to do about it.
fn explain(error: &Error) -> (DiagnosticCode, String, &'static str) {
    let (message, help) = match error {
        // What an alias repeats is told as what it is.
        Error::AliasError { error, .. } => return explain(error),
        Error::Message { msg, .. } if msg.starts_with(TOO_LARGE) => {
            return (
                DiagnosticCode::OutOfRange,
                msg.clone(),
                "whole numbers are at most 9223372036854775807; quote it if it is a text",
            );
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => (
            format!("this is nested more than {DEPTH_MAX} levels deep"),
            "no more than about ten are needed: is this the right file?",
        ),
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. }
        | Error::MultipleDocuments { .. } => (
            "a second document begins here".to_owned(),
            "a file is one document: put the other into a file of its own",
        ),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            format!(
                "the file has more than {NODES_MAX} values, with what its aliases repeat, or more \
                 than {ALIASES_MAX} anchors or aliases"
            ),
            "it should be a page or two of text: is this the right file?",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "this alias stands for a value that it is itself in".to_owned(),
            "an alias repeats a value that has ended: write the value out",
        ),
        Error::UnknownAnchor { .. } => (
            "no anchor of this name stands before".to_owned(),
            "`*name` repeats what is marked with `&name` above; quote a text that begins with `*`",
        ),
        Error::MergeKeyNotAllowed { .. } => (
            "merge keys (`<<`) cannot be used".to_owned(),
            "write the keys out, or use an alias for the whole value",
        ),
        other => {
            let message = other.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            (
                format!("this is not YAML: {message}"),
                "indent with spaces, and quote texts that contain `: `, `#`, `{` or `*`",
            )
        }
    };
    (DiagnosticCode::Syntax, message, help)
}

fn options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_documents: 1,
        },
    }
}

impl Node {
    /// The value's kind, as a message names it.
    pub const fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "an empty value",
            Kind::Bool(_) => "a boolean",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => (*value).into(),
            Kind::Int(value) => (*value).into(),
            Kind::Float(value) => (*value).into(),
            Kind::Text(value) => value.clone().into(),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.name.clone(), value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// The node at a JSON pointer below this one, or as deep as it leads.
    pub(crate) fn at_pointer(&self, pointer: &str) -> &Self {
        let mut node = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.kind {
                Kind::Map(entries) => {
                    entries.iter().find(|(key, _)| key.name == step).map(|(_, value)| value)
                }
                Kind::List(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}
