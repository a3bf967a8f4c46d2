//! The risk of a run: points for what is submitted, and the level that they make.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::Digest;
use serde_json::{Value, json};

use crate::{
    event_data::Risk,
    expr::{Expr, Vars},
    model::Model,
    phrase,
    state::State,
    template::json_bytes,
};

/// A member of the input that is larger as JSON, in bytes, is recorded with the risk by its digest.
const INPUT_BYTES_MAX: usize = 1024;

/// How the risk follows from the input.
#[derive(Debug)]
pub(crate) struct RiskModel {
    pub(crate) method: Method,
    /// Each level with the points from which it is reached, in ascending order.
    pub(crate) levels: Vec<(String, i64)>,
    /// What gives the level that it has at least.
    pub(crate) at_least: Option<Expr>,
}

/// How the points are found.
#[derive(Debug)]
pub(crate) enum Method {
    /// By factors, whose points are added.
    Factors(Vec<Factor>),
    /// By an expression that gives them.
    Score(Expr),
}

/// Something that adds to the risk, or takes from it.
#[derive(Debug)]
pub(crate) struct Factor {
    pub(crate) name: String,
    /// The first whose condition is true counts.
    pub(crate) cases: Vec<(Expr, i64)>,
}

impl RiskModel {
    /// The risk with these values.
    pub(crate) fn assess(&self, vars: &Vars<'_>) -> Result<Risk, String> {
        let (mut factors, mut counted) = (BTreeMap::new(), BTreeMap::new());
        let score = match &self.method {
            Method::Factors(all) => {
                let mut score = 0_i64;
                for factor in all {
                    let mut points = 0;
                    for (case, (when, of)) in (1_u32..).zip(&factor.cases) {
                        if when.holds(vars).map_err(|why| format!("`{}`: {why}", factor.name))? {
                            points = *of;
                            counted.insert(factor.name.clone(), case);
                            break;
                        }
                    }
                    score = score.saturating_add(points);
                    factors.insert(factor.name.clone(), points);
                }
                score
            }
            Method::Score(score) => {
                let value = score.eval(vars)?;
                value.as_i64().ok_or_else(|| {
                    format!("`score` gives `{value}` for this input, which is no whole number")
                })?
            }
        };
        let by_points = self.levels.iter().rposition(|(_, from)| *from <= score).unwrap_or(0);
        let at_least = self.at_least.as_ref().map(|expr| self.level_of(expr, vars)).transpose()?;
        let name =
            |at: usize| self.levels.get(at).map(|(name, _)| name.clone()).unwrap_or_default();
        Ok(Risk {
            level: name(by_points.max(at_least.unwrap_or(0))),
            score,
            factors,
            cases: counted,
            by_points: at_least.map(|_| name(by_points)),
            at_least: at_least.map(name),
            inputs: self.inputs(vars.input),
        })
    }

    /// The place of the level that an expression gives.
    fn level_of(&self, expr: &Expr, vars: &Vars<'_>) -> Result<usize, String> {
        let value = expr.eval(vars).map_err(|why| format!("`at_least`: {why}"))?;
        let named =
            value.as_str().and_then(|name| self.levels.iter().position(|one| one.0 == name));
        named.ok_or_else(|| {
            let levels: Vec<String> = self.levels.iter().map(|(name, _)| name.clone()).collect();
            let levels = phrase::joined(&levels, "and");
            format!("`at_least` gives {value}, and the levels are {levels}")
        })
    }

    /// What of the input it follows from: a large member by its digest.
    fn inputs(&self, input: &Value) -> BTreeMap<String, Value> {
        let of_table: Vec<&Expr> = match &self.method {
            Method::Score(score) => vec![score],
            Method::Factors(all) => {
                all.iter().flat_map(|one| one.cases.iter().map(|(when, _)| when)).collect()
            }
        };
        let all = of_table.into_iter().chain(&self.at_least);
        // `None` where one of them uses the input whole.
        let used = all.map(Expr::inputs).collect::<Option<Vec<_>>>();
        let used: Option<BTreeSet<&String>> = used.map(|all| all.into_iter().flatten().collect());
        let members = input.as_object().into_iter().flatten();
        members
            .filter(|(name, _)| used.as_ref().is_none_or(|used| used.contains(name)))
            .map(|(name, value)| {
                let value = match json_bytes(value) {
                    0..=INPUT_BYTES_MAX => value.clone(),
                    _ => Digest::of(value.to_string().as_bytes()).to_string().into(),
                };
                (name.clone(), value)
            })
            .collect()
    }

    /// Its factors, where it has some.
    pub(crate) fn factors(&self) -> &[Factor] {
        match &self.method {
            Method::Factors(all) => all,
            Method::Score(_) => &[],
        }
    }

    /// What an expression sees as `risk`, as a schema.
    pub(crate) fn schema(&self) -> Value {
        let levels: Vec<&str> = self.levels.iter().map(|(name, _)| name.as_str()).collect();
        let names: Vec<&str> = match &self.method {
            Method::Factors(all) => all.iter().map(|factor| factor.name.as_str()).collect(),
            Method::Score(_) => Vec::new(),
        };
        let points: BTreeMap<&str, Value> =
            names.iter().map(|name| (*name, json!({ "type": "integer" }))).collect();
        json!({
            "type": "object",
            "required": ["level", "score", "factors"],
            "properties": {
                "level": { "enum": levels },
                "score": { "type": "integer" },
                "factors": { "type": "object", "required": names, "properties": points },
            },
        })
    }

    /// In words, a line for each factor and one for the levels.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let mut lines: Vec<String> = match &self.method {
            Method::Score(score) => vec![format!("its points are `{}`", score.text())],
            Method::Factors(all) => all
                .iter()
                .map(|factor| {
                    let cases = factor.cases.iter();
                    let cases: Vec<String> = cases
                        .map(|(when, points)| format!("{points} where `{}`", when.text()))
                        .collect();
                    format!("{}: {}, else 0", factor.name, cases.join(", else "))
                })
                .collect(),
        };
        lines.push(format!("levels: {}", self.levels_in_words()));
        lines.extend(self.at_least.as_ref().map(|one| format!("at least: `{}`", one.text())));
        lines
    }

    /// The levels in words.
    pub(crate) fn levels_in_words(&self) -> String {
        let level = |(n, (name, from)): (usize, &(String, i64))| match n {
            0 => name.clone(),
            _ => format!("{name} from {from} points"),
        };
        let levels: Vec<String> = self.levels.iter().enumerate().map(level).collect();
        phrase::joined(&levels, "and")
    }
}

/// The risk of a run with the input that it has, where its definition tells one.
pub(crate) fn of(model: &Model, state: &State) -> Result<Option<Risk>, String> {
    let assessed = model.risk.as_ref().map(|risk| risk.assess(&state.vars()));
    assessed.transpose().map_err(|why| format!("the risk cannot be told: {why}"))
}
