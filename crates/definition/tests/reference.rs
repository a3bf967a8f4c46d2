//! The page of all keys has each key of the schema once, with what the schema says of it and an
//! example that is one.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_definition::{
    SCHEMA,
    yaml::{self, Findings},
};
use serde_json::{Value, json};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md"));

/// Where a key stands, such as `states.NAME.hold`, and its name.
type Place = (String, String);

/// The keys of the schema, each with its own schema and whether it must be there.
#[derive(Default)]
struct Keys {
    found: BTreeMap<Place, (Value, bool)>,
    /// What is referred to is described where it is met first.
    met: BTreeSet<String>,
}

impl Keys {
    fn walk(&mut self, schema: &Value, node: &Value, path: &str) {
        if let Some(to) = node["$ref"].as_str() {
            if self.met.insert(to.to_owned()) {
                self.walk(schema, schema.pointer(to.trim_start_matches('#')).unwrap(), path);
            }
            return;
        }
        let name = |name: &str| {
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        let required = node["required"].as_array().cloned().unwrap_or_default();
        for (key, inner) in node["properties"].as_object().into_iter().flatten() {
            // In an alternative, keys only stand for a condition on what is described elsewhere.
            if inner.get("description").or(inner.get("$ref")).is_none() {
                continue;
            }
            let must = required.iter().any(|one| one == key);
            self.found.insert((path.to_owned(), key.clone()), (inner.clone(), must));
            self.walk(schema, inner, &name(key));
        }
        if node["additionalProperties"].is_object() {
            self.walk(schema, &node["additionalProperties"], &name("NAME"));
        }
        if node["items"].is_object() {
            self.walk(schema, &node["items"], &format!("{path}[]"));
        }
        for several in ["allOf", "oneOf", "anyOf"] {
            for one in node[several].as_array().into_iter().flatten() {
                self.walk(schema, one, path);
            }
        }
    }
}

struct Row {
    kind: String,
    left_out: String,
    since: String,
    meaning: String,
    example: String,
}

/// The rows of the page's tables.
fn rows() -> BTreeMap<Place, Row> {
    let mut path = String::new();
    let mut found = BTreeMap::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let heading = heading.trim_matches('`');
            path = if heading == "Top level" { String::new() } else { heading.to_owned() };
        }
        let cells: Vec<String> = line
            .replace("\\|", "\u{0}")
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"))
            .collect();
        let [_, key, kind, left_out, since, meaning, example, _] = cells.as_slice() else {
            continue;
        };
        if !key.starts_with('`') {
            continue;
        }
        let row = Row {
            kind: kind.clone(),
            left_out: left_out.clone(),
            since: since.clone(),
            meaning: meaning.clone(),
            example: example.clone(),
        };
        let place = (path.clone(), key.trim_matches('`').to_owned());
        assert!(found.insert(place.clone(), row).is_none(), "{place:?} is there twice");
    }
    found
}

fn description(schema: &Value, node: &Value) -> String {
    match (node["description"].as_str(), node["$ref"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(to)) => {
            description(schema, schema.pointer(to.trim_start_matches('#')).unwrap())
        }
        (None, None) => panic!("{node} has no description"),
    }
}

#[test]
fn every_key_is_described_once_as_the_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut keys = Keys::default();
    keys.walk(&schema, &schema, "");
    let rows = rows();
    let (there, wanted): (BTreeSet<&Place>, BTreeSet<&Place>) =
        (rows.keys().collect(), keys.found.keys().collect());
    let missing: Vec<_> = wanted.difference(&there).collect();
    assert!(missing.is_empty(), "docs/reference.md has no row for {missing:#?}");
    let unknown: Vec<_> = there.difference(&wanted).collect();
    assert!(unknown.is_empty(), "the language has no {unknown:#?}");
    let mut faults = Vec::new();
    for (place, (inner, must)) in &keys.found {
        let row = &rows[place];
        if row.meaning != description(&schema, inner) {
            faults.push(format!("{place:?}: means `{}`", description(&schema, inner)));
        }
        if row.kind.is_empty() || row.left_out.is_empty() {
            faults.push(format!("{place:?}: its type, or what holds without it, is not said"));
        }
        if *must != (row.left_out == "required") && !row.left_out.contains("required") {
            faults.push(format!("{place:?}: whether it must be there is not as in the schema"));
        }
        if !row.since.split('.').all(|part| part.parse::<u32>().is_ok()) {
            faults.push(format!("{place:?}: `{}` is no version", row.since));
        }
        if let Err(fault) = is_example(&schema, &place.1, inner, row.example.trim_matches('`')) {
            faults.push(format!("{place:?}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether a line is YAML with this key, and what it says fits the key's schema.
fn is_example(schema: &Value, key: &str, inner: &Value, line: &str) -> Result<(), String> {
    let mut findings = Findings::new("example", line);
    let read = yaml::read(line, &mut findings).map(|node| node.to_json());
    let value = match &read {
        Some(Value::Object(members)) if members.len() == 1 => members.get(key),
        _ => None,
    };
    let value = value.ok_or_else(|| format!("`{line}` is not the key with a value"))?;
    let whole = json!({ "definitions": schema["definitions"], "allOf": [inner] });
    let validator = jsonschema::draft7::new(&whole).map_err(|error| error.to_string())?;
    validator.validate(value).map_err(|error| format!("`{line}`: {error}"))
}
