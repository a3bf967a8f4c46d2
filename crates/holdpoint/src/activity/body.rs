//! What an HTTP request carries in its body.

use std::collections::BTreeMap;

use reqwest::{
    RequestBuilder,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde_json::{Map, Value};

use super::{
    http::percent_encoded,
    template::{Template, member},
};

/// What a request carries in its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// The activity's input, as JSON.
    #[default]
    Input,
    /// Nothing.
    Nothing,
    /// JSON that is made of the input.
    Json(JsonTemplate),
    /// Names and values as a form of HTML sends them.
    Form(BTreeMap<String, Template>),
    /// A text. What fills its fields stands in it as it is.
    Text {
        /// The text.
        text: Template,
        /// What it is, as in the header `Content-Type`.
        content_type: String,
    },
}

/// JSON with fields in its texts. A text that is one field and nothing else stands for the input's
/// member itself, whatever that is; elsewhere a field is a part of its text.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonTemplate(Part);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Plain(Value),
    Text(Template),
    List(Vec<Part>),
    Object(BTreeMap<String, Part>),
}

impl JsonTemplate {
    /// Reads the fields in the texts of `value`; the names of members have none.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse(value: &Value) -> Result<Self, String> {
        Self::with(value, &mut Template::parse)
    }

    /// As [`JsonTemplate::parse`], with another reader of texts.
    pub(crate) fn with<E>(
        value: &Value,
        read: &mut dyn FnMut(&str) -> Result<Template, E>,
    ) -> Result<Self, E> {
        Part::read(value, read).map(Self)
    }

    fn fill(&self, input: &Value) -> Result<Value, String> {
        self.0.fill(input)
    }
}

impl Part {
    fn read<E>(
        value: &Value,
        read: &mut dyn FnMut(&str) -> Result<Template, E>,
    ) -> Result<Self, E> {
        Ok(match value {
            Value::String(text) => Self::Text(read(text)?),
            Value::Array(all) => {
                Self::List(all.iter().map(|one| Self::read(one, read)).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let mut read = |(name, one): (&String, &Value)| {
                    Ok::<_, E>((name.clone(), Self::read(one, read)?))
                };
                Self::Object(members.iter().map(&mut read).collect::<Result<_, _>>()?)
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Self::Plain(plain.clone()),
        })
    }

    fn fill(&self, input: &Value) -> Result<Value, String> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => match template.only_field() {
                Some(field) => member(field, input)?.clone(),
                None => Value::String(template.fill(input, as_it_is)?),
            },
            Self::List(all) => {
                all.iter().map(|one| one.fill(input)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Self::Object(members) => {
                let fill = |(name, one): (&String, &Self)| Ok((name.clone(), one.fill(input)?));
                members.iter().map(fill).collect::<Result<Map<_, _>, String>>()?.into()
            }
        })
    }
}

fn as_it_is(_: &str, value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

impl Body {
    /// Whether a header can say what it is.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Text { content_type, .. } if HeaderValue::from_str(content_type).is_err() => {
                Err(format!("`{content_type}` cannot be the type of a body"))
            }
            _ => Ok(()),
        }
    }

    /// Puts it into a request that has these headers besides: what they say of its type counts.
    pub(super) fn put(
        &self,
        request: RequestBuilder,
        headers: &HeaderMap,
        input: &Value,
    ) -> Result<RequestBuilder, String> {
        let typed = |request: RequestBuilder, content_type: HeaderValue| {
            let is_told = headers.contains_key(CONTENT_TYPE);
            if is_told { request } else { request.header(CONTENT_TYPE, content_type) }
        };
        let request = request.headers(headers.clone());
        Ok(match self {
            Self::Input => request.json(input),
            Self::Nothing => request,
            Self::Json(template) => request.json(&template.fill(input)?),
            Self::Form(fields) => {
                let mut pairs = Vec::new();
                for (name, value) in fields {
                    let value = value.fill(input, as_it_is)?;
                    pairs.push([percent_encoded(name), percent_encoded(&value)].join("="));
                }
                typed(request, FORM).body(pairs.join("&"))
            }
            Self::Text { text, content_type } => {
                let text = text.fill(input, as_it_is)?;
                let content_type = HeaderValue::from_str(content_type)
                    .map_err(|_| format!("`{content_type}` cannot be the type of a body"))?;
                typed(request, content_type).body(text)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{hosts::Hosts, trust::Trust},
        *,
    };

    fn made(body: &Body, input: &Value) -> Result<(Option<String>, String), String> {
        let client = Trust::default().client(false, Hosts::default()).unwrap();
        let request = body.put(client.post("http://h/"), &HeaderMap::new(), input)?;
        let request = request.build().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let content = request.body().and_then(|body| body.as_bytes()).map(text);
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| text(value.as_bytes()));
        Ok((content_type, content.unwrap_or_default()))
    }

    fn json(value: &Value) -> Body {
        Body::Json(JsonTemplate::parse(value).unwrap())
    }

    #[test]
    fn a_body_is_made_of_the_input() {
        let input = json!({ "target": "m\"1&x=\r\ny", "n": 3, "list": [1, { "a": null }] });
        let field = |text: &str| Template::parse(text).unwrap();
        let form = BTreeMap::from([
            ("a b".to_owned(), field("<${target}>")),
            ("n".to_owned(), field("${n}")),
        ]);
        let text = |text: &str| Body::Text {
            text: field(text),
            content_type: "text/plain; charset=utf-8".to_owned(),
        };
        for (body, content_type, content) in [
            (Body::Input, Some("application/json"), input.to_string()),
            (Body::Nothing, None, String::new()),
            (
                json(&json!({
                    "ref": "v${n}", "n": "${n}", "list": "${list}", "one": ["${target}", true, "$${n}"],
                })),
                Some("application/json"),
                json!({
                    "ref": "v3", "n": 3, "list": [1, { "a": null }],
                    "one": ["m\"1&x=\r\ny", true, "${n}"],
                })
                .to_string(),
            ),
            (json(&json!("${list}")), Some("application/json"), "[1,{\"a\":null}]".to_owned()),
            (
                Body::Form(form),
                Some("application/x-www-form-urlencoded"),
                "a%20b=%3Cm%221%26x%3D%0D%0Ay%3E&n=3".to_owned(),
            ),
            (text("n=${n}\n"), Some("text/plain; charset=utf-8"), "n=3\n".to_owned()),
        ] {
            let expected = (content_type.map(str::to_owned), content);
            assert_eq!(made(&body, &input), Ok(expected), "{body:?}");
        }
        for (body, why) in [
            (json(&json!(["${nothing}"])), "no `nothing`"),
            (json(&json!(["a ${list}"])), "neither a text"),
            (text("${list}"), "neither a text"),
        ] {
            assert!(made(&body, &input).unwrap_err().contains(why), "{body:?}");
        }
    }

    #[test]
    fn what_the_headers_say_of_the_type_counts() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("a/b"))]);
        let client = Trust::default().client(false, Hosts::default()).unwrap();
        for body in [Body::Input, json(&json!({})), Body::Form(BTreeMap::new())] {
            let request = body.put(client.post("http://h/"), &headers, &json!({})).unwrap();
            let request = request.build().unwrap();
            let said: Vec<_> = request.headers().get_all(CONTENT_TYPE).iter().collect();
            assert_eq!(said, ["a/b"], "{body:?}");
        }
    }
}
