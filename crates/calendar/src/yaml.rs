//! Reading a calendar's YAML, and finding where in it something stands.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny},
};
use serde_saphyr::{DuplicateKeyPolicy, Location, Options, Spanned};

use crate::{
    document::Document,
    finding::{Finding, FindingCode, Place},
};

/// The longest text that is read, in bytes.
const SOURCE_BYTES_MAX: usize = 1 << 20;

const NODES_MAX: usize = 100_000;

/// Reads a calendar's form; what its texts mean is not looked at.
pub(crate) fn read(source: &str) -> Result<Document, Finding> {
    let finding = |message: String, place, help: &str| Finding {
        code: FindingCode::Malformed,
        path: String::new(),
        place,
        message,
        help: help.to_owned(),
    };
    if source.len() > SOURCE_BYTES_MAX {
        let message =
            format!("the file has {} bytes; at most {SOURCE_BYTES_MAX} are read", source.len());
        return Err(finding(message, None, "is this the right file?"));
    }
    serde_saphyr::from_str_with_options(source, options()).map_err(|error| {
        let error = error.without_snippet();
        let message = error.to_string();
        // The crate speaks to programmers: of its options, and of places that are told apart.
        let end =
            [" at line ", ", set DuplicateKeyPolicy"].iter().filter_map(|end| message.find(end));
        let message =
            message.get(..end.min().unwrap_or(message.len())).unwrap_or(&message).to_owned();
        finding(
            message,
            error.location().map(|location| place_of(&location)),
            "docs/calendars.md lists every key of a calendar, and what its values look like",
        )
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_documents: 1,
        },
    }
}

fn place_of(location: &Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

/// Where `path` stands, such as `windows[0].repeat`: it itself, or the nearest of what it is in.
pub(crate) fn place(source: &str, path: &str) -> Option<Place> {
    let steps: Vec<Step<'_>> = path
        .split(['.', '['])
        .filter(|step| !step.is_empty())
        .map(|step| match step.strip_suffix(']') {
            Some(index) => Step::Item(index.parse().unwrap_or(usize::MAX)),
            None => Step::Key(step),
        })
        .collect();
    (0..=steps.len()).rev().find_map(|depth| {
        let way = Way(steps.get(..depth)?);
        serde_saphyr::with_deserializer_from_str_with_options(source, options(), |deserializer| {
            way.deserialize(deserializer)
        })
        .ok()
        .flatten()
    })
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Key(&'p str),
    Item(usize),
}

/// Goes the steps into a value, and says where what it comes to stands.
#[derive(Clone, Copy)]
struct Way<'p>(&'p [Step<'p>]);

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = Option<Place>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            let here: Spanned<IgnoredAny> = de::Deserialize::deserialize(deserializer)?;
            return Ok(Some(place_of(&here.referenced)));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Way<'_> {
    type Value = Option<Place>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            match self.0.split_first() {
                Some((Step::Key(wanted), rest)) if key == *wanted => {
                    found = map.next_value_seed(Way(rest))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some((Step::Item(wanted), rest)) = self.0.split_first() else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(None);
        };
        for _ in 0..*wanted {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = list.next_element_seed(Way(rest))?.flatten();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}
