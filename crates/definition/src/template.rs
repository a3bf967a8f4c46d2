//! Templates: texts with expressions in `${…}`, and trees of them.

use std::io;

use serde_json::Value;

use crate::{
    expr::{Expr, Fault, FaultKind, Scope, Vars},
    expr_types::Kinds,
};

/// What a definition computes has at most so many bytes as JSON; an event has little more.
pub(crate) const COMPUTED_BYTES_MAX: usize = 256 * 1024;

/// How many bytes a value has as JSON.
pub(crate) fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}

/// A text with expressions in `${…}`.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Expr(Expr),
}

impl Template {
    /// Compiles a template; a fault's place is in `text`.
    pub(crate) fn compile(text: &str, scope: &Scope<'_>) -> (Option<Self>, Vec<Fault>) {
        let mut parts = Vec::new();
        let mut faults = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        let mut broken = false;
        while let Some(found) = rest.find('$') {
            let (before, from) = rest.split_at(found);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("$${") {
                literal.push_str("${");
                rest = after;
            } else if let Some(after) = from.strip_prefix("${") {
                let at = text.len().saturating_sub(after.len());
                let Some(end) = closing_brace(after) else {
                    faults.push(Fault {
                        at: at.saturating_sub(2),
                        length: 2,
                        kind: FaultKind::Syntax,
                        message: "`${` is not closed by `}`".to_owned(),
                        help: Some("write `$${` where the two characters are meant".to_owned()),
                    });
                    return (None, faults);
                };
                let (inner, after) = after.split_at(end);
                let (expr, mut found) = Expr::compile(inner, scope);
                for fault in &mut found {
                    fault.at = fault.at.saturating_add(at);
                }
                faults.append(&mut found);
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                match expr {
                    Some(expr) => parts.push(Part::Expr(expr)),
                    None => broken = true,
                }
                rest = after.strip_prefix('}').unwrap_or(after);
            } else {
                literal.push('$');
                rest = from.strip_prefix('$').unwrap_or_default();
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Text(literal));
        }
        ((!broken).then(|| Self { text: text.to_owned(), parts }), faults)
    }

    /// The template as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The kinds of value that it can give.
    pub(crate) fn kinds(&self) -> Kinds {
        match self.parts.as_slice() {
            [Part::Expr(expr)] => expr.kinds(),
            _ => Kinds::TEXT,
        }
    }

    /// Whether it uses what earlier states have left.
    pub(crate) fn uses_states(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Expr(expr) if expr.uses_states()))
    }

    /// The text, when there is no expression in it.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text before the first expression.
    pub(crate) fn literal_start(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Expr(_)) | None => "",
        }
    }

    /// The text after the last expression.
    pub(crate) fn literal_end(&self) -> &str {
        match self.parts.last() {
            Some(Part::Text(text)) => text,
            Some(Part::Expr(_)) | None => "",
        }
    }

    /// Fills the template in. A template that is one expression gives that expression's value,
    /// whatever its type; any other gives a text.
    pub(crate) fn render(&self, vars: &Vars<'_>) -> Result<Value, String> {
        if let [Part::Expr(expr)] = self.parts.as_slice() {
            return expr.eval(vars);
        }
        self.join(vars, |_, _| Ok(())).map(Value::String)
    }

    /// Fills a URL in. What stands where the host is named can only be a host, with or without a
    /// port: else a value could lead to another place than the one that the template names.
    pub(crate) fn render_url(&self, vars: &Vars<'_>) -> Result<String, String> {
        self.join(vars, |before, value| {
            let names_host =
                before.split_once("://").is_none_or(|(_, after)| !after.contains(['/', '?', '#']));
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
            if !names_host || (!value.is_empty() && value.chars().all(plain)) {
                return Ok(());
            }
            Err(format!("`{value}` is not the name of a host, with or without a port"))
        })
    }

    /// Fills in a question to a metrics server. A value can only be a name or a number, which ends
    /// neither a text nor a selector: else it could ask something else than the template does.
    pub(crate) fn render_query(&self, vars: &Vars<'_>) -> Result<String, String> {
        self.join(vars, |_, value| {
            let plain = |c: char| c.is_alphanumeric() || "-._:/@".contains(c);
            if !value.is_empty() && value.chars().all(plain) {
                return Ok(());
            }
            Err(format!("`{value}` in a query may only have letters, digits and `-._:/@`"))
        })
    }

    /// Fills a selector in. What is filled in can only be the name or the value of a label, or several
    /// with commas between them where the template has parentheses: else a value could select other
    /// items than the template means.
    pub(crate) fn render_selector(&self, vars: &Vars<'_>) -> Result<String, String> {
        if let [Part::Expr(_)] = self.parts.as_slice() {
            return self.render_text(vars);
        }
        self.join(vars, |before, value| {
            let quote = before.chars().fold(None, |open, c| match open {
                None if "'\"".contains(c) => Some(c),
                Some(quote) if c == quote => None,
                open => open,
            });
            let listed = before.rfind('(') > before.rfind(')');
            let plain = |c: char| !c.is_whitespace() && !"(),=!'\"".contains(c);
            let one = |value: &str| !value.is_empty() && value.chars().all(plain);
            let fits = match quote {
                Some(quote) => !value.contains(quote),
                None => one(value) || listed && value.split(',').all(|value| one(value.trim())),
            };
            if fits {
                return Ok(());
            }
            Err(format!("`{value}` is not the name or the value of a label"))
        })
    }

    /// `accept` is given the text so far and the value that comes next.
    fn join(
        &self,
        vars: &Vars<'_>,
        accept: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Expr(expr) => {
                    let value = match expr.eval(vars)? {
                        Value::String(value) => value,
                        value @ (Value::Bool(_) | Value::Number(_)) => value.to_string(),
                        other => {
                            return Err(format!("`{other}` cannot stand in the middle of a text"));
                        }
                    };
                    accept(&text, &value)?;
                    text.push_str(&value);
                }
            }
            if text.len() > COMPUTED_BYTES_MAX {
                return Err(format!("the text has more than {COMPUTED_BYTES_MAX} bytes"));
            }
        }
        Ok(text)
    }

    /// Fills the template in where a text is needed.
    pub(crate) fn render_text(&self, vars: &Vars<'_>) -> Result<String, String> {
        match self.render(vars)? {
            Value::String(text) => Ok(text),
            other => Err(format!("a text is needed here, not `{other}`")),
        }
    }
}

/// The `}` that closes an expression, past those in CEL's texts and maps.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth = depth.saturating_add(1),
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    None
}

/// JSON with templates in its texts.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Value(Value),
    Text(Template),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// An empty mapping.
    pub(crate) const fn empty() -> Self {
        Self::Map(Vec::new())
    }

    /// Fills all templates in; the whole has at most `max` bytes as JSON.
    pub(crate) fn render(&self, vars: &Vars<'_>, max: usize) -> Result<Value, String> {
        let mut left = max;
        let value = self.render_within(vars, &mut left);
        match value {
            Ok(value) if json_bytes(&value) <= max => Ok(value),
            Ok(_) | Err(None) => Err(format!("what it gives has more than {max} bytes as JSON")),
            Err(Some(reason)) => Err(reason),
        }
    }

    /// `None` for an error means that it is too large: many small texts can each put a large value
    /// in, so that the whole must not be made first and measured then.
    fn render_within(&self, vars: &Vars<'_>, left: &mut usize) -> Result<Value, Option<String>> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Text(template) => {
                let value = template.render(vars)?;
                *left = left.checked_sub(json_bytes(&value)).ok_or(None)?;
                Ok(value)
            }
            Self::List(items) => items.iter().map(|item| item.render_within(vars, left)).collect(),
            Self::Map(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), member.render_within(vars, left)?)))
                .collect::<Result<serde_json::Map<_, _>, Option<String>>>()
                .map(Value::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Arc,
    };

    use serde_json::json;

    use super::*;

    #[test]
    fn templates_keep_types_and_join_texts() {
        let input = json!({ "risk": "low", "n": 4, "list": ["a"] });
        let outputs = BTreeMap::from([("build".to_owned(), Arc::new(json!({ "id": 7 })))]);
        let vars = Vars {
            input: &input,
            requester: "ada",
            outputs: &outputs,
            target: Some("web-1"),
            risk: None,
            signal: None,
        };
        let schema = json!({});
        let states = BTreeSet::from(["build".to_owned()]);
        let scope = Scope { schema: &schema, states: Some(&states), risk: None, also: &["target"] };
        let rendered = |text: &str| {
            let (template, _) = Template::compile(text, &scope);
            template.unwrap().render(&vars)
        };
        assert_eq!(rendered("${input.n + 1}"), Ok(json!(5)));
        assert_eq!(rendered("${input.list}"), Ok(json!(["a"])));
        assert_eq!(rendered("http://${target}/x?${input.n}"), Ok(json!("http://web-1/x?4")));
        assert_eq!(rendered("$${x} by ${requester}"), Ok(json!("${x} by ada")));
        assert_eq!(rendered("${states.build.output.id}"), Ok(json!(7)));
        assert!(rendered("a ${input.list}").is_err());
        assert!(rendered("${input.nothing}").is_err());
    }
}
