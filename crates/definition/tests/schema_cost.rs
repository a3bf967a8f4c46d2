//! Schemas that would take for ever to check an input against, or lead too far: found when they are read, or when
//! the input comes.

use holdpoint_core::{
    Refusal, RefusalCode,
    testing::{Bench, project},
};
use holdpoint_definition::Definition;
use serde_json::{Value, json};

use crate::common::{refused, workflow};

/// A definition whose input has this schema.
fn source(schema: &Value) -> &'static str {
    format!(
        "workflow: taken\nversion: 1\ntitle: Taken\ninput: {schema}\nstart: ask\nstates:\n  \
         ask: {{ hold: {{ wait: {{ for: 1h }} }}, on: {{ released: done }} }}\n  done: {{ end: done }}\n"
    )
    .leak()
}

fn findings(schema: &Value) -> String {
    match Definition::parse("taken.yaml", source(schema)) {
        Ok(_) => String::new(),
        Err(found) => found.to_string(),
    }
}

fn submit(schema: &Value, input: Value) -> Result<(), Refusal> {
    let mut bench = Bench::new(workflow(source(schema)), project(&[("ada", &[], &[])]));
    bench.submit("ada", input).map(drop)
}

/// Schemas of which each refers to the next so many times, and the last takes a text.
fn levels(count: usize, times: usize) -> Value {
    let to = |n: usize| json!({ "$ref": format!("#/$defs/d{n}") });
    let mut defs: serde_json::Map<_, _> =
        (0..count).map(|n| (format!("d{n}"), json!({ "allOf": vec![to(n + 1); times] }))).collect();
    defs.insert(format!("d{count}"), json!({ "type": "string" }));
    json!({ "type": "object", "properties": { "a": to(0) }, "$defs": defs })
}

/// A value within a value, and so on, down to a text.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!("leaf"), |inner, _| json!({ "x": inner }))
}

#[test]
fn what_doubles_with_each_level_is_found_when_it_is_read() {
    assert_eq!(findings(&levels(10, 2)), "");
    let found = findings(&levels(40, 2));
    assert!(
        found.contains("HP2052") && found.contains("more than 10000 schemas against one value"),
        "{found}"
    );
    submit(&levels(10, 2), json!({ "a": "y" })).unwrap();
    refused(submit(&levels(10, 2), json!({ "a": 1 })), RefusalCode::InvalidInput);
}

#[test]
fn what_leads_too_far_is_found_when_it_is_read() {
    let found = findings(&levels(5_000, 1));
    assert!(
        found.contains("HP2052") && found.contains("through more than 1000 schemas"),
        "{found}"
    );
    // Each is two: what refers, and its `allOf`. What is accepted must fit the stack of a thread.
    submit(&levels(490, 1), json!({ "a": "y" })).unwrap();
    refused(submit(&levels(490, 1), json!({ "a": 1 })), RefusalCode::InvalidInput);
}

#[test]
fn what_was_published_before_goes_on_and_is_held_to_its_bounds_with_the_input() {
    for schema in [levels(40, 2), levels(5_000, 1)] {
        let published = Definition::published(source(&schema)).unwrap();
        let mut bench = Bench::new(std::sync::Arc::new(published), project(&[("ada", &[], &[])]));
        let refusal = refused(bench.submit("ada", json!({ "a": "y" })), RefusalCode::InvalidInput);
        assert!(refusal.needed.concat().contains("at most 5000000 steps"), "{refusal:?}");
    }
}

/// What is accepted must fit the stack of a thread, however one leads to the next.
#[test]
fn what_leads_as_far_as_it_may_is_checked() {
    for wrap in [
        |to: Value| json!({ "anyOf": [to] }),
        |to: Value| json!({ "oneOf": [to] }),
        |to: Value| json!({ "not": to }),
        |to: Value| json!({ "if": to, "then": true, "else": true }),
        |to: Value| json!({ "if": true, "then": to }),
        |to: Value| json!({ "dependentSchemas": { "x": to } }),
    ] {
        let to = |n: usize| json!({ "$ref": format!("#/$defs/d{n}") });
        let mut defs: serde_json::Map<_, _> =
            (0..490).map(|n| (format!("d{n}"), wrap(to(n + 1)))).collect();
        defs.insert("d490".to_owned(), json!({ "required": ["x"] }));
        let schema = json!({ "type": "object", "properties": { "a": to(0) }, "$defs": defs });
        submit(&schema, json!({ "a": { "x": 1 } })).unwrap();
    }
}

#[test]
fn what_doubles_with_each_level_of_the_input_is_refused_with_the_input() {
    let tree = |inner: Value| {
        json!({
            "type": "object",
            "properties": { "a": { "$ref": "#/$defs/tree" } },
            "$defs": { "tree": { "properties": { "x": inner } } },
        })
    };
    let to = json!({ "$ref": "#/$defs/tree" });
    let twice = tree(json!({ "allOf": [to, to] }));
    submit(&twice, json!({ "a": nested(10) })).unwrap();
    let refusal = refused(submit(&twice, json!({ "a": nested(60) })), RefusalCode::InvalidInput);
    assert!(refusal.needed.concat().contains("in at most 5000000 steps"), "{refusal:?}");
    // A schema of trees costs what the tree has.
    submit(&tree(to), json!({ "a": nested(90) })).unwrap();
}

#[test]
fn what_can_be_counted_is_accepted() {
    for schema in [
        // It refers to itself, and asks for nothing.
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/d" } }, "$defs": { "d": { "$ref": "#/$defs/d" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "#text" } }, "$defs": { "t%": { "$anchor": "text", "type": "string" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/t%25" } }, "$defs": { "t%": { "type": "string" } } }),
        // These are names of members, and data.
        json!({ "type": "object", "properties": { "$id": { "const": { "$ref": "b" } }, "$ref": {}, "a": {} } }),
        json!({ "$id": "https://example.com/taken", "type": "object" }),
    ] {
        assert_eq!(findings(&schema), "", "{schema}");
        submit(&schema, json!({ "a": "y" })).unwrap();
    }
    let many = json!({ "type": "object", "properties": { "a": { "items": { "anyOf": [{ "type": "integer" }, { "type": "string" }] } } } });
    submit(&many, json!({ "a": vec![1; 100_000] })).unwrap();
}

#[test]
fn what_cannot_be_counted_is_found() {
    for (schema, says) in [
        (
            json!({ "type": "object", "$defs": { "d": { "$id": "https://example.com/d" } } }),
            "`$id` within the schema",
        ),
        (
            json!({ "type": "object", "properties": { "a": { "$ref": "https://json-schema.org/draft/2020-12/schema" } } }),
            "leads out of this schema",
        ),
    ] {
        let found = findings(&schema);
        assert!(found.contains("HP2052") && found.contains(says), "{found}");
    }
}
