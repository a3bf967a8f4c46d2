//! Texts with `${field}` in them, filled from an activity's input.
//!
//! The operator writes the template; a run's input only fills its fields, and each use of a
//! template says what a value may contain there. Secrets are a part of the text before anything is filled.

use std::fmt;

use serde_json::Value;

/// A text with fields to be filled in. Whoever prints it sees it as it was written, without the values of secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Template {
    /// Reads a template. `${a.b}` is the member `b` of the input's member `a`; `$${` is a plain
    /// `${`.
    ///
    /// # Errors
    /// When a field is not closed, or its name is none.
    pub fn parse(source: &str) -> Result<Self, String> {
        Self::with_secrets(source, |reference| {
            Err(format!(
                "`${{{reference}}}` is a secret: those may stand in headers, in a body and in `environment`, \
                 and nowhere else, as others see addresses and arguments"
            ))
        })
    }

    /// As [`Template::parse`], with secrets: the value of `${env:NAME}` is what `secret` answers to `env:NAME`.
    /// Nothing in it is a field.
    pub(crate) fn with_secrets(
        source: &str,
        mut secret: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                text.push_str(before);
                text.push_str("${");
                rest = after;
                continue;
            }
            text.push_str(before);
            let (field, after) = after
                .split_once('}')
                .ok_or_else(|| format!("a field in `{source}` is not closed with `}}`"))?;
            rest = after;
            if field.contains(':') {
                text.push_str(&secret(field)?);
                continue;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !field.split('.').all(|step| !step.is_empty() && step.chars().all(plain)) {
                return Err(format!("`${{{field}}}` in `{source}` does not name a field"));
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Field(field.to_owned()));
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// The template as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The field that is all there is of it.
    pub(crate) fn only_field(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Field(field)] => Some(field),
            _ => None,
        }
    }

    /// The text itself, where there is no field to fill.
    pub(crate) fn text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text before the first field.
    pub(crate) fn literal_start(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Field(_)) | None => "",
        }
    }

    /// Whether there is no field to fill.
    pub(crate) fn is_literal(&self) -> bool {
        self.text().is_some()
    }

    /// Fills the fields from `input`. `accept` is given the text so far and a value, and answers
    /// with what to put there or why the value is not acceptable.
    ///
    /// # Errors
    /// When a field is missing, is neither a text, a number nor a boolean, or is not acceptable.
    pub(crate) fn fill(
        &self,
        input: &Value,
        accept: impl Fn(&str, &str) -> Result<String, String>,
    ) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field(field) => {
                    let value = value_of(field, input)?;
                    let accepted = accept(&filled, &value).map_err(|reason| {
                        format!("the input's `{field}` is `{value}`: {reason}")
                    })?;
                    filled.push_str(&accepted);
                }
            }
        }
        Ok(filled)
    }
}

/// What the input has at `field`, of whatever kind.
///
/// # Errors
/// When it has nothing there.
pub(crate) fn member<'a>(field: &str, input: &'a Value) -> Result<&'a Value, String> {
    let found = field.split('.').try_fold(input, |value, step| value.get(step));
    found.ok_or_else(|| format!("the input has no `{field}`"))
}

fn value_of(field: &str, input: &Value) -> Result<String, String> {
    match member(field, input)? {
        Value::String(text) => Ok(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Ok(value.to_string()),
        _ => Err(format!("the input's `{field}` is neither a text, a number nor a boolean")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str, input: &Value) -> Result<String, String> {
        Template::parse(template)?.fill(input, |_, value| Ok(value.to_owned()))
    }

    #[test]
    fn fields_are_filled_from_the_input() {
        let input = json!({ "target": "m1", "input": { "version": 3, "force": true }, "list": [] });
        let filled = |template| fill(template, &input);
        assert_eq!(filled("plain").as_deref(), Ok("plain"));
        assert_eq!(filled("").as_deref(), Ok(""));
        assert_eq!(filled("a ${target} b ${input.version}").as_deref(), Ok("a m1 b 3"));
        assert_eq!(filled("${input.force}$5 $${target}").as_deref(), Ok("true$5 ${target}"));
        assert!(filled("${nothing}").unwrap_err().contains("no `nothing`"));
        assert!(filled("${list}").unwrap_err().contains("neither a text"));
    }

    #[test]
    fn what_is_no_template_is_named() {
        for bad in ["${target", "${}", "${a..b}", "${a b}", "${a/b}", "${env:A}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_text_whatever_is_in_it() {
        let secret = |reference: &str| Ok(format!("<{reference}>${{target}}$"));
        let template = Template::with_secrets("a ${env:T}${target}", secret).unwrap();
        let filled = template.fill(&json!({ "target": "m1" }), |_, value| Ok(value.to_owned()));
        assert_eq!(filled.as_deref(), Ok("a <env:T>${target}$m1"));
        assert_eq!(format!("{template:?}"), "\"a ${env:T}${target}\"");
    }

    #[test]
    fn a_value_that_is_not_accepted_is_named() {
        let template = Template::parse("x${target}").unwrap();
        let refused = template.fill(&json!({ "target": "y" }), |before, _| {
            assert_eq!(before, "x");
            Err("it may not be `y`".to_owned())
        });
        assert_eq!(refused, Err("the input's `target` is `y`: it may not be `y`".to_owned()));
    }
}
