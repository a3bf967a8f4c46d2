//! `holdpoint submit` and `amend`: what a run is about.

use holdpoint::{
    core::{Action, Command, project::PublishedDefinition},
    definition::{Definition, LANGUAGE},
    engine::Submission,
};
use serde_json::{Map, Value};

use crate::{
    arguments::input::{Amend, Given, Submit},
    command::{conflicts, run, show},
    context::Context,
    failure::Failure,
    output::{Answer, line},
    strict_json, text_file,
};

/// No input is longer, in bytes; what is left of it without its white space must be far shorter.
const INPUT_BYTES_MAX: u64 = 1_000_000;

/// Starts a run.
pub(crate) async fn submit(context: &Context, arguments: Submit) -> Result<Answer, Failure> {
    let who = arguments.acting.who()?;
    let given = document(&arguments.given)?.unwrap_or_default();
    context
        .with_engine_at_rest(async |engine| {
            let project = context.project(engine)?;
            let published = project.definition(&arguments.definition, arguments.version)?;
            let input =
                pairs(given, &arguments.given.input, &schema(published)).map(Value::Object)?;
            let submission = Submission {
                command: who.command,
                actor: who.actor,
                auth: who.auth,
                trace: None,
                definition: arguments.definition,
                version: arguments.version,
                input,
            };
            let submitted = engine.submit(project.id(), submission).await?;
            let shown = async {
                // What is submitted again is answered, and looked at no second time.
                let is_new = engine.run(submitted.run).await?.row.at == submitted.answer;
                let found = if is_new {
                    engine.note_conflicts(&project, submitted.run).await?
                } else {
                    engine.conflicts(&project, Some(submitted.run)).await?
                };
                Ok::<_, Failure>((found, engine.run(submitted.run).await?))
            };
            let shown = shown.await.map_err(|why| Failure::after(submitted.answer, why));
            let (found, detail) = shown?;
            let row = &detail.row;
            let text = format!(
                "submitted run {} of the project `{}`: {}\n{}{}",
                row.number,
                row.project,
                line(&row.title),
                conflicts::warnings(&found),
                show::standing(&detail, jiff::Timestamp::now())
            );
            let mut json = show::standing_as_json(row, submitted.answer);
            conflicts::add(&mut json, &found)?;
            Answer::new(text, &json)
        })
        .await
}

/// Replaces the input of a run: by what is given as one document, or else member by member.
pub(crate) async fn amend(context: &Context, arguments: Amend) -> Result<Answer, Failure> {
    let who = arguments.acting.who()?;
    let given = document(&arguments.given)?;
    if given.is_none() && arguments.given.input.is_empty() {
        return Err(Failure::usage(
            "nothing is said that the input should be",
            "give members that change, such as `--input risk=low`, or the whole input",
        ));
    }
    context
        .with_engine_at_rest(async |engine| {
            let run = context.run(engine, &arguments.run.run).await?;
            let detail = engine.run(run).await?;
            let project = engine.project(&detail.row.project);
            let schema = project
                .and_then(|project| {
                    project.definition_by_digest(&detail.row.definition.digest).map(schema)
                })
                .unwrap_or(Value::Bool(true));
            let changes = pairs(Map::new(), &arguments.given.input, &schema)?;
            let mut input = match (given, detail.input) {
                (Some(given), _) => given,
                (None, Value::Object(now)) => now,
                (None, _) => Map::new(),
            };
            input.extend(changes);
            let action = Action::Amend { input: Value::Object(input), reason: arguments.reason };
            let command =
                Command { id: who.command, actor: who.actor, auth: who.auth, trace: None, action };
            run::send(engine, run, command, "amended").await
        })
        .await
}

/// The JSON Schema of the definition's input; one that says nothing, where it has none.
pub(crate) fn schema(published: &PublishedDefinition) -> Value {
    if published.language != LANGUAGE {
        return Value::Bool(true);
    }
    let parsed = Definition::parse(published.reference.name.as_str(), &published.source);
    parsed.map_or(Value::Bool(true), |checked| checked.definition.input_schema().clone())
}

/// Adds members that are given as `KEY=VALUE`.
pub(crate) fn pairs(
    object: Map<String, Value>,
    given: &[String],
    schema: &Value,
) -> Result<Map<String, Value>, Failure> {
    given.iter().try_fold(object, |object, text| pair(object, text, schema))
}

/// What was given as one document, if something was.
pub(crate) fn document(arguments: &Given) -> Result<Option<Map<String, Value>>, Failure> {
    match (&arguments.input_file, &arguments.input_json) {
        (Some(file), _) => {
            let (name, read) = if file.as_os_str() == "-" {
                ("standard input".to_owned(), text_file::read_stdin(INPUT_BYTES_MAX))
            } else {
                let name = format!("the input file `{}`", file.display());
                (name, text_file::read(file, INPUT_BYTES_MAX))
            };
            let text = read.map_err(|reason| {
                Failure::usage(
                    format!("{name} cannot be read: {reason}"),
                    "give a file with a JSON object, or `-` for standard input",
                )
            })?;
            object(&text, &name).map(Some)
        }
        (None, Some(text)) => object(text, "`--input-json`").map(Some),
        (None, None) => Ok(None),
    }
}

fn object(text: &str, what: &str) -> Result<Map<String, Value>, Failure> {
    let help = "give a JSON object such as {\"title\": \"Replace the core router\"}";
    match strict_json::parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Failure::usage(format!("{what} is JSON, but not an object"), help)),
        Err(error) => Err(Failure::usage(format!("{what} cannot be read as JSON: {error}"), help)),
    }
}

/// Adds `KEY=VALUE`: as text where the schema asks for text, else as JSON where it is JSON.
fn pair(
    mut object: Map<String, Value>,
    text: &str,
    schema: &Value,
) -> Result<Map<String, Value>, Failure> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
        return Err(Failure::usage(
            format!("`--input {text}` is not KEY=VALUE"),
            "for example `--input risk=low`, `--input 'targets=[\"a\", \"b\"]'`",
        ));
    };
    let as_text = || Value::String(value.to_owned());
    let value = if is_text(schema.get("properties").and_then(|all| all.get(key))) {
        as_text()
    } else {
        match strict_json::parse(value) {
            Ok(value) => value,
            // What is JSON but for a key given twice or a number too large was not meant as text.
            Err(error) if serde_json::from_str::<Value>(value).is_ok() => {
                return Err(Failure::usage(
                    format!("the input's `{key}`: {error}"),
                    "give each key of a JSON object once, and a number of many digits as a text",
                ));
            }
            Err(_) => as_text(),
        }
    };
    if object.insert(key.to_owned(), value).is_some() {
        return Err(Failure::usage(
            format!("the input's `{key}` is given twice"),
            format!("give a list as JSON: `--input '{key}=[\"a\", \"b\"]'`"),
        ));
    }
    Ok(object)
}

/// Whether a property can only be a text.
fn is_text(property: Option<&Value>) -> bool {
    property.is_some_and(|property| match (property.get("type"), property.get("enum")) {
        (Some(kind), _) => kind == "string",
        (None, Some(Value::Array(values))) => values.iter().all(Value::is_string),
        (None, _) => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str, schema: &Value) -> Value {
        pair(Map::new(), text, schema).unwrap()["k"].clone()
    }

    #[test]
    fn values_are_json_where_they_can_be() {
        for (text, expected) in [
            ("k=low", json!("low")),
            ("k=2", json!(2)),
            ("k=\"2\"", json!("2")),
            ("k=true", json!(true)),
            ("k=[\"a\"]", json!(["a"])),
            ("k=", json!("")),
            ("k=a=b", json!("a=b")),
            ("k=[a", json!("[a")),
        ] {
            assert_eq!(value(text, &Value::Bool(true)), expected, "{text}");
        }
        for bad in ["k", "=v"] {
            assert!(pair(Map::new(), bad, &Value::Bool(true)).is_err(), "{bad}");
        }
        let twice = Map::from_iter([("k".to_owned(), Value::Null)]);
        assert!(pair(twice, "k=v", &Value::Bool(true)).is_err());
    }

    #[test]
    fn what_must_be_text_is_taken_as_text() {
        let schema = |property: Value| json!({ "properties": { "k": property } });
        for (property, expected) in [
            (json!({ "type": "string" }), json!("1.10")),
            (json!({ "enum": ["1.10", "2"] }), json!("1.10")),
            (json!({ "type": "number" }), json!(1.10)),
            (json!({}), json!(1.10)),
        ] {
            assert_eq!(value("k=1.10", &schema(property)), expected);
        }
    }
}
