//! How it is settled what became of an attempt whose end nobody knows: by a check, or by a person.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a check found out about work whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It was done.
    Done {
        /// What the work would have answered.
        output: Value,
    },
    /// It was not done.
    NotDone {
        /// What the check says about it.
        detail: Option<String>,
    },
    /// The check does not know, or could not be asked.
    Unknown {
        /// Why.
        detail: String,
    },
}

impl Settlement {
    /// Reads a check's answer: an object whose member `settled` is `done` (with the work's
    /// `output`), `not_done` or `unknown` (with a `detail`, if it likes). It may also be the member
    /// `json` or `body` of the answer, which is where a program's and a request's are.
    #[must_use]
    pub fn read(answer: &Value) -> Self {
        let told = [Some(answer), answer.get("json"), answer.get("body")]
            .into_iter()
            .flatten()
            .find_map(|place| Some((place, place.get("settled")?)));
        let Some((place, settled)) = told else {
            let detail = "the check's answer has no member `settled`".to_owned();
            return Self::Unknown { detail };
        };
        let detail = place.get("detail").and_then(Value::as_str).map(str::to_owned);
        match settled.as_str() {
            Some("done") => {
                Self::Done { output: place.get("output").cloned().unwrap_or(Value::Null) }
            }
            Some("not_done") => Self::NotDone { detail },
            Some("unknown") => {
                Self::Unknown { detail: detail.unwrap_or_else(|| "the check does not know".into()) }
            }
            _ => Self::Unknown {
                detail: format!(
                    "the check answered {settled}, which is none of `done`, `not_done` and `unknown`"
                ),
            },
        }
    }
}

/// What a person says about work whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It was done.
    Done {
        /// What the work would have answered.
        output: Value,
    },
    /// It failed, and is not tried again.
    Failed,
    /// It is to be done again, whatever became of it.
    Again,
}

/// How an attempt whose end nobody knew was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// The work was done.
    Done,
    /// It was not done, and is tried again.
    NotDone,
    /// It counts as failed, and is not tried again.
    Failed,
    /// A person wants it done again.
    Again,
    /// It is still not known: the work is tried again if it may be repeated, or a person decides.
    Unknown,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_checks_answer_is_found_where_its_kind_puts_it() {
        let done = json!({ "settled": "done", "output": { "artifact": "a" } });
        let expected = Settlement::Done { output: json!({ "artifact": "a" }) };
        assert_eq!(Settlement::read(&done), expected);
        assert_eq!(Settlement::read(&json!({ "stdout": "…", "json": done })), expected);
        assert_eq!(Settlement::read(&json!({ "status": 200, "body": done })), expected);
        let bare = json!({ "settled": "done" });
        assert_eq!(Settlement::read(&bare), Settlement::Done { output: Value::Null });
        let not = json!({ "settled": "not_done", "detail": "no such release" });
        let detail = Some("no such release".to_owned());
        assert_eq!(Settlement::read(&not), Settlement::NotDone { detail });
    }

    #[test]
    fn what_says_nothing_settles_nothing() {
        for answer in [
            json!(null),
            json!("done"),
            json!({}),
            json!({ "settled": true }),
            json!({ "settled": "yes" }),
            json!({ "settled": "unknown" }),
            json!({ "json": [], "body": "settled" }),
        ] {
            let settlement = Settlement::read(&answer);
            assert!(matches!(settlement, Settlement::Unknown { .. }), "{answer}: {settlement:?}");
        }
    }
}
