//! YAML and JSON as a tree in which every key and value knows its line.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned};

use crate::finding::{FindingCode as Code, Report};

const DEPTH_MAX: usize = 64;
const NODES_MAX: usize = 4_000_000;

/// In which language a tree is written. JSON is read as YAML is, when it is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Yaml,
    Json,
}

impl Language {
    const fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        }
    }
}

/// A value, and its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    /// A text, a number or a boolean, as it is written.
    Scalar(String),
    List(Vec<Node>),
    /// Keys may be given twice.
    Map(Vec<(Key, Node)>),
}

/// A key, and its line.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) name: String,
}

impl Node {
    /// The value's kind, as a message names it.
    pub(crate) const fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "an empty value",
            Kind::Scalar(_) => "a text or number",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

enum Raw {
    Null,
    Text(String),
    /// Written as it stands in the source, in so many words as there.
    Plain(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

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
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Plain(value.to_string()))
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

fn line_of(location: serde_saphyr::Location) -> usize {
    usize::try_from(location.line()).unwrap_or(usize::MAX).max(1)
}

fn node(raw: Spanned<Raw>, source: &str) -> Node {
    let line = line_of(raw.referenced);
    let kind = match raw.value {
        Raw::Null => Kind::Null,
        Raw::Text(text) => Kind::Scalar(text),
        Raw::Plain(text) => {
            // `1.10` is the number 1.1, and as a label what somebody has written.
            let span = raw.referenced.span();
            let range = span.byte_offset().zip(span.byte_len()).and_then(|(at, length)| {
                let at = usize::try_from(at).ok()?;
                Some(at..at.checked_add(usize::try_from(length).ok()?)?)
            });
            let written = range.and_then(|range| source.get(range)).map(str::trim);
            let is_plain =
                |text: &&str| !text.is_empty() && !text.contains(['\n', ':', '#', '*', '&']);
            Kind::Scalar(written.filter(is_plain).map_or(text, str::to_owned))
        }
        Raw::List(items) => Kind::List(items.into_iter().map(|item| node(item, source)).collect()),
        Raw::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = Key { line: line_of(key.referenced), name: key.value };
                    (key, node(value, source))
                })
                .collect(),
        ),
    };
    Node { line, kind }
}

/// Reads a text; one that is not of its language is reported.
pub(crate) fn read(source: &str, language: Language, report: &mut Report) -> Option<Node> {
    if language == Language::Json
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(source)
    {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        report.add(
            Code::Unreadable,
            error.line().max(1),
            format!("this is not JSON: {message}"),
            "correct the file; `jq . FILE` finds the place as well",
        );
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(source, options()) {
        Ok(raw) => Some(node(raw, source)),
        Err(error) => {
            let error = error.without_snippet();
            let message = error.to_string();
            // The crate speaks to programmers: of places that are told apart.
            let message = message.split(" at line ").next().unwrap_or(&message);
            report.add(
                Code::Unreadable,
                error.location().map_or(1, line_of),
                format!("this is not {} that can be read: {message}", language.name()),
                "correct the file: one document, without merge keys, indented with spaces",
            );
            None
        }
    }
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
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_documents: 1,
        },
    }
}
