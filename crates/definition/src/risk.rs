//! The risk of a run: points for what is submitted, and the level that they make.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    event_data::Risk,
    expr::{Expr, Vars},
    model::Model,
    phrase,
    state::State,
};

/// How the risk follows from the input.
#[derive(Debug)]
pub(crate) struct RiskModel {
    pub(crate) method: Method,
    /// Each level with the points from which it is reached, in ascending order.
    pub(crate) levels: Vec<(String, i64)>,
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
        let mut factors = BTreeMap::new();
        let score = match &self.method {
            Method::Factors(all) => {
                let mut score = 0_i64;
                for factor in all {
                    let mut points = 0;
                    for (when, of) in &factor.cases {
                        if when.holds(vars).map_err(|why| format!("`{}`: {why}", factor.name))? {
                            points = *of;
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
        let reached = self.levels.iter().rev().find(|(_, from)| *from <= score);
        let level = reached.or(self.levels.first()).map(|(name, _)| name.clone());
        Ok(Risk { level: level.unwrap_or_default(), score, factors })
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
