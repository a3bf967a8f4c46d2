//! Requests, as the operator's configuration says them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::{ConfigurationFailure, HELP_FORMS, reading::Reading};
use crate::activity::{AnswerOutcome, Body, Hosts, HttpRequest, JsonTemplate, address};

/// What a body is that says nothing else of itself.
const PLAIN: &str = "text/plain; charset=utf-8";

/// How a date of TOML looks as anything else.
const TOML_DATE: &str = "$__toml_private_datetime";

const HELP_BODY: &str = "a body is one of\n  \
    { json = { ref = \"${branch}\" } }\n  \
    { form = { ref = \"${branch}\" } }\n  \
    { text = \"branch ${branch}\", type = \"text/plain\" }\n  \
    { }, which is none; without `body` it is the activity's input as JSON";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    #[serde(default = "post")]
    method: String,
    url: Spanned<String>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    body: Option<Spanned<HttpBody>>,
    #[serde(default)]
    expect: Vec<u16>,
    outcome: Option<HttpOutcome>,
    output: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    redirect_to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpOutcome {
    at: String,
    done: Vec<Value>,
    #[serde(default)]
    again: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpBody {
    json: Option<Value>,
    form: Option<BTreeMap<String, Spanned<String>>>,
    text: Option<Spanned<String>>,
    #[serde(rename = "type")]
    content_type: Option<String>,
}

fn post() -> String {
    "POST".to_owned()
}

impl Http {
    /// The request that stands at `at`, with its secrets.
    pub(super) fn request(
        &self,
        at: usize,
        reading: &mut Reading<'_>,
    ) -> Result<HttpRequest, ConfigurationFailure> {
        address(self.url.get_ref())
            .map_err(|message| reading.failure(self.url.span().start, &message, HELP_FORMS))?;
        let headers = reading.headers(&self.headers)?;
        let body = match &self.body {
            None => Body::Input,
            Some(body) => body_of(body.get_ref(), body.span().start, reading)?,
        };
        let listed = |hosts: &[String]| {
            Hosts::new(hosts.iter().map(String::as_str))
                .map_err(|message| reading.failure(at, &message, HELP_FORMS))
        };
        Ok(HttpRequest {
            method: self.method.clone(),
            url: self.url.get_ref().clone(),
            headers,
            body,
            expect: self.expect.clone(),
            outcome: self.outcome.as_ref().map(|outcome| AnswerOutcome {
                at: outcome.at.clone(),
                done: outcome.done.clone(),
                again: outcome.again.clone(),
            }),
            output: self.output.clone(),
            hosts: listed(&self.hosts)?,
            redirect_to: listed(&self.redirect_to)?,
        })
    }
}

/// The body that is said at `at`.
fn body_of(
    body: &HttpBody,
    at: usize,
    reading: &mut Reading<'_>,
) -> Result<Body, ConfigurationFailure> {
    if body.content_type.is_some() && body.text.is_none() {
        let message = "a body has a `type` and no `text`";
        return Err(reading.failure(at, message, "name another type by the header `Content-Type`"));
    }
    let mut field = |text: &str, at: usize| reading.template(text, at, |_| Ok(()));
    match (&body.json, &body.form, &body.text) {
        (None, None, None) => Ok(Body::Nothing),
        (Some(json), None, None) if has_date(json) => {
            Err(reading.failure(at, "JSON has no dates", "write it as a text, in quotes"))
        }
        (Some(json), None, None) => {
            JsonTemplate::with(json, &mut |text| field(text, at)).map(Body::Json)
        }
        (None, Some(form), None) => {
            let each = |(name, text): (&String, &Spanned<String>)| {
                Ok((name.clone(), field(text.get_ref(), text.span().start)?))
            };
            form.iter().map(each).collect::<Result<_, _>>().map(Body::Form)
        }
        (None, None, Some(text)) => {
            let template = field(text.get_ref(), text.span().start)?;
            let content_type = body.content_type.as_deref().unwrap_or(PLAIN).to_owned();
            Ok(Body::Text { text: template, content_type })
        }
        _ => Err(reading.failure(at, "a body is said in more than one way", HELP_BODY)),
    }
}

fn has_date(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, one)| name == TOML_DATE || has_date(one))
        }
        Value::Array(all) => all.iter().any(has_date),
        _ => false,
    }
}
