//! How a target's health is known: what is measured, how long, and how much is borne.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    address::{is_address, is_reachable},
    event_data::CheckTimes,
    expr::Vars,
    model::Timed,
    phrase, settling,
    template::{COMPUTED_BYTES_MAX, Template, Tree},
};

/// The activity of a check by HTTP.
const HTTP_CHECK: &str = "http-check";
/// The activity of every other check.
const HEALTH_CHECK: &str = "health-check";

/// Three in a row fail a check, unless the author says otherwise.
pub(crate) const FAILURE_LIMIT_DEFAULT: u32 = 2;

/// The check of a target's health.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) probe: Probe,
    pub(crate) span: Timed,
    pub(crate) every: Timed,
    pub(crate) failure_limit: u32,
    pub(crate) inconclusive_limit: Option<u32>,
}

/// What is measured.
#[derive(Debug)]
pub(crate) enum Probe {
    Http { url: Template, expect: u16 },
    Tcp(Template),
    Run { run: String, with: Tree },
    Query { query: Template, from: String, pass: Comparison, fail: Option<Comparison> },
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    operator: Operator,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

impl Operator {
    /// As they are written, and their names for the worker; the longer ones first.
    const ALL: [(&'static str, &'static str, Self); 5] = [
        ("<=", "at_most", Self::AtMost),
        (">=", "at_least", Self::AtLeast),
        ("==", "equal", Self::Equal),
        ("<", "below", Self::Below),
        (">", "above", Self::Above),
    ];

    const fn signs(self) -> (&'static str, &'static str) {
        match self {
            Self::Below => ("<", "below"),
            Self::AtMost => ("<=", "at_most"),
            Self::Above => (">", "above"),
            Self::AtLeast => (">=", "at_least"),
            Self::Equal => ("==", "equal"),
        }
    }
}

impl Comparison {
    /// The operators as they are written.
    pub(crate) fn operators() -> [&'static str; 5] {
        Operator::ALL.map(|(sign, _, _)| sign)
    }

    /// Reads `< 0.01`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (sign, _, operator) =
            Operator::ALL.into_iter().find(|(sign, _, _)| text.starts_with(sign))?;
        let limit: f64 = text.strip_prefix(sign)?.trim().parse().ok()?;
        limit.is_finite().then_some(Self { operator, limit })
    }

    /// Whether some number fits both.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        let holds = |value: f64| self.holds(value) && other.holds(value);
        // What both bear they bear at one of the limits or, where neither bears its limit, between
        // or beyond them.
        let (a, b) = (self.limit, other.limit);
        [a, b, f64::midpoint(a, b), a.min(b) - 1.0, a.max(b) + 1.0].into_iter().any(holds)
    }

    fn holds(self, value: f64) -> bool {
        match self.operator {
            Operator::Below => value < self.limit,
            Operator::AtMost => value <= self.limit,
            Operator::Above => value > self.limit,
            Operator::AtLeast => value >= self.limit,
            Operator::Equal => value.total_cmp(&self.limit).is_eq(),
        }
    }

    fn to_json(self) -> Value {
        json!({ self.operator.signs().1: self.limit })
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.operator.signs().0, self.limit)
    }
}

impl Health {
    /// The name of the activity.
    pub(crate) const fn activity(&self) -> &'static str {
        match self.probe {
            Probe::Http { .. } => HTTP_CHECK,
            Probe::Tcp(_) | Probe::Run { .. } | Probe::Query { .. } => HEALTH_CHECK,
        }
    }

    /// How long and how often is measured.
    pub(crate) fn times(&self, vars: &Vars<'_>) -> Result<CheckTimes, String> {
        let millis = |span: SignedDuration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Ok(CheckTimes {
            for_ms: millis(self.span.eval(vars)?),
            every_ms: millis(self.every.eval(vars)?).max(1),
        })
    }

    /// As [`Health::input`], before anything was begun with it: an address that nothing can have is
    /// told then. What is under way already was let through by the rules of its time.
    pub(crate) fn planned(&self, times: CheckTimes, vars: &Vars<'_>) -> Result<Value, String> {
        if let Probe::Tcp(address) = &self.probe {
            let address = address.render_text(vars)?;
            if !is_reachable(&address) {
                return Err(format!("`{address}` is not HOST:PORT"));
            }
        }
        self.input(times, vars)
    }

    /// What the worker is given, for a target.
    pub(crate) fn input(&self, times: CheckTimes, vars: &Vars<'_>) -> Result<Value, String> {
        let mut input = match &self.probe {
            Probe::Http { url, expect } => {
                json!({ "url": url.render_url(vars)?, "expect": expect })
            }
            Probe::Tcp(address) => {
                let address = address.render_text(vars)?;
                if !is_address(&address) {
                    return Err(format!("`{address}` is not HOST:PORT"));
                }
                json!({ "probe": { "tcp": address } })
            }
            Probe::Run { run, with } => {
                let input = settling::with_target(with.render(vars, COMPUTED_BYTES_MAX)?, vars);
                json!({ "probe": { "run": { "activity": run, "input": input } } })
            }
            Probe::Query { query, from, pass, fail } => {
                let mut query = json!({
                    "expression": query.render_query(vars)?,
                    "from": from,
                    "pass": pass.to_json(),
                });
                if let (Some(members), Some(fail)) = (query.as_object_mut(), fail) {
                    members.insert("fail".to_owned(), fail.to_json());
                }
                json!({ "probe": { "query": query } })
            }
        };
        if let Some(members) = input.as_object_mut() {
            members.insert("for_ms".to_owned(), times.for_ms.into());
            members.insert("every_ms".to_owned(), times.every_ms.into());
            // What says nothing new is left out, so that what is asked for stays as it was.
            if self.failure_limit != FAILURE_LIMIT_DEFAULT {
                members.insert("failure_limit".to_owned(), self.failure_limit.into());
            }
            if let Some(limit) = self.inconclusive_limit {
                members.insert("inconclusive_limit".to_owned(), limit.into());
            }
        }
        Ok(input)
    }

    /// What must be so, in words, with templates as they are written.
    pub(crate) fn must(&self) -> String {
        match &self.probe {
            Probe::Http { url, .. } => self.must_be(url.text()),
            Probe::Tcp(address) => self.must_be(address.text()),
            Probe::Run { with, .. } => self.must_be(&phrase::tree(with)),
            Probe::Query { query, .. } => self.must_be(query.text()),
        }
    }

    /// What must be so where the worker is given this, in words.
    pub(crate) fn must_for(&self, input: &Value) -> String {
        let text = |path| input.pointer(path).and_then(Value::as_str).unwrap_or_default();
        match &self.probe {
            Probe::Http { .. } => self.must_be(text("/url")),
            Probe::Tcp(_) => self.must_be(text("/probe/tcp")),
            Probe::Run { .. } => {
                let given = input.pointer("/probe/run/input").map(Value::to_string);
                self.must_be(&given.unwrap_or_default())
            }
            Probe::Query { .. } => self.must_be(text("/probe/query/expression")),
        }
    }

    /// What must be so: of an address, of what an activity is given, of the answer to a question.
    fn must_be(&self, of: &str) -> String {
        match &self.probe {
            Probe::Http { expect, .. } => format!("{of} must answer with status {expect}"),
            Probe::Tcp(_) => format!("{of} must take connections"),
            Probe::Run { run, .. } => format!("`{run}`, given {of}, must find it good"),
            Probe::Query { from, pass, fail, .. } => {
                let fail = fail.map(|fail| format!(" (bad when {fail})")).unwrap_or_default();
                format!("`{of}` must be {pass}{fail}, asked of `{from}`")
            }
        }
    }

    /// How much is borne, in words, where that is not the usual.
    pub(crate) fn limits(&self) -> String {
        let mut text = String::new();
        if self.failure_limit != FAILURE_LIMIT_DEFAULT {
            text.push_str(&format!("; more than {} bad in a row fail it", self.failure_limit));
        }
        if let Some(limit) = self.inconclusive_limit {
            text.push_str(&format!("; more than {limit} in a row that tell nothing end it"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_read() {
        for (text, expected) in [
            ("< 0.01", Some("< 0.01")),
            ("<=5", Some("<= 5")),
            (" >= 1e3 ", Some(">= 1000")),
            ("== 0", Some("== 0")),
            ("> -1", Some("> -1")),
            ("0.01", None),
            ("< many", None),
            ("< NaN", None),
            ("=< 1", None),
            ("", None),
        ] {
            let read = Comparison::parse(text).map(|one| one.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_could_be_good_and_bad_is_found() {
        for (one, other, expected) in [
            ("< 1", ">= 1", false),
            ("<= 1", ">= 1", true),
            ("< 1", "> 2", false),
            ("< 2", "> 1", true),
            ("< 2", "< 1", true),
            ("> 2", "> 1", true),
            ("== 1", "> 1", false),
            ("== 1", ">= 1", true),
            ("== 1", "== 2", false),
        ] {
            let read = |text| Comparison::parse(text).unwrap();
            assert_eq!(read(one).overlaps(read(other)), expected, "{one} {other}");
            assert_eq!(read(other).overlaps(read(one)), expected, "{other} {one}");
        }
    }
}
