//! How it is settled what became of an attempt whose end nobody knows: by a check, or by a person.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    command::Actor,
    id::{MemberId, QualificationName, RoleName},
    project::{OWNER, Project},
    refusal::{Refusal, RefusalCode},
    view::Candidate,
};

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

/// The person who said what became of an attempt, with what made them one who may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledBy {
    /// Who.
    pub member: MemberId,
    /// The roles that they held then.
    pub roles: BTreeSet<RoleName>,
    /// The qualification relied upon, valid then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qualified: Option<QualificationName>,
}

/// Who may say at a moment what became of an attempt whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlers {
    /// In words, such as `role operator, but not the requester`.
    pub whom: String,
    /// The members who are asked; what keeps one of them from it is what they lack.
    pub candidates: Vec<Candidate>,
    /// In what they must be qualified.
    pub qualified: Option<QualificationName>,
}

impl Settlers {
    /// Who may where nothing else is said, in words.
    pub const BY_DEFAULT: &str = "role owner, but not the requester";

    /// Those who may where nothing else is said: the owners of the project, but not who submitted the
    /// run.
    #[must_use]
    pub fn by_default(requester: &Actor, project: &Project) -> Self {
        let owners = project.members().iter().filter(|(_, member)| member.has_role(OWNER));
        let candidates = owners.map(|(id, _)| {
            let own = requester.member() == Some(id);
            let lacks = own.then(|| "submitted the run and nobody decides on their own".to_owned());
            Candidate { member: id.clone(), lacks }
        });
        Self::new(Self::BY_DEFAULT, candidates.collect())
    }

    /// These members, described by these words; those who may come first.
    #[must_use]
    pub fn new(whom: impl Into<String>, mut candidates: Vec<Candidate>) -> Self {
        candidates.sort_by_key(|candidate| candidate.lacks.is_some());
        Self { whom: whom.into(), candidates, qualified: None }
    }

    /// Those who may now.
    pub fn able(&self) -> impl Iterator<Item = &MemberId> {
        self.candidates.iter().filter(|one| one.lacks.is_none()).map(|one| &one.member)
    }

    /// Refuses a member who may not, naming who may.
    pub(crate) fn admit(&self, id: &MemberId) -> Result<(), Refusal> {
        let why = match self.candidates.iter().find(|one| one.member == *id) {
            Some(Candidate { lacks: None, .. }) => return Ok(()),
            Some(Candidate { lacks: Some(lacks), .. }) => lacks.clone(),
            None => "is not asked".to_owned(),
        };
        let could: Vec<&str> = self.able().map(MemberId::as_str).collect();
        let could = if could.is_empty() {
            "; no member of the project can do that now".to_owned()
        } else {
            format!(": {}", could.join(", "))
        };
        let message = format!("`{id}` may not say what became of an attempt: `{id}` {why}");
        Err(Refusal::new(RefusalCode::MayNotSettle, message).needs(format!("{}{could}", self.whom)))
    }
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
