//! What came of a command to several runs: each is decided by itself and has a line of its own.

use std::collections::BTreeMap;

use holdpoint::{
    core::{Digest, Refusal, RefusalCode, RunAnswer},
    engine::{QueryFailure, RunDetail, RunRow},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    command::show,
    context::Context,
    failure::{Failure, remedies},
    output::{self, Answer, count},
};

/// What came of it for one run.
pub(crate) struct Told {
    /// Where the run stands, as a sentence.
    line: String,
    row: RunRow,
    /// The digest of what was decided about, where a decision has one.
    about: Option<About>,
    /// Why there is no plan of what its holds are asked about, by the states of the rollouts.
    no_plan: BTreeMap<String, String>,
    outcome: Outcome,
}

/// What is decided about: a hold of the run, the digest of its input, and those of the plans that the
/// hold is asked about.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct About {
    pub(crate) hold: String,
    pub(crate) digest: String,
    #[serde(default)]
    pub(crate) plans: BTreeMap<String, Digest>,
}

impl About {
    /// Its plans, each after `before`.
    pub(crate) fn plans_in_words(&self, before: &str) -> String {
        self.plans.values().map(|plan| format!("{before}{plan}")).collect()
    }
}

/// What came of a command.
pub(crate) enum Outcome {
    Done,
    /// It would be done; whether the run would be released by it.
    Would {
        releases: bool,
    },
    Refused(Refusal),
    /// It was not sent, as it would be refused, and nobody had named the run.
    Left(Refusal),
}

impl Outcome {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Would { .. } => "would",
            Self::Refused(_) => "refused",
            Self::Left(_) => "left",
        }
    }

    /// Whether it was left alone because it is none of this member's business: there may be many.
    fn asks_others(&self) -> bool {
        let others = [RefusalCode::NotEligible, RefusalCode::NotSubstitute, RefusalCode::NotMember];
        matches!(self, Self::Left(refusal) if others.contains(&refusal.code))
    }

    const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Left(refusal) => Some(refusal),
            Self::Done | Self::Would { .. } => None,
        }
    }
}

impl Told {
    /// As the run is now.
    pub(crate) fn of(detail: &RunDetail, outcome: Outcome) -> Self {
        let no_plan = detail.view.holds.iter().flat_map(|hold| hold.no_plan.clone()).collect();
        Self {
            line: show::in_a_line(detail),
            row: detail.row.clone(),
            about: None,
            no_plan,
            outcome,
        }
    }

    /// Of a run that cannot be loaded.
    pub(crate) fn unloadable(row: RunRow, outcome: Outcome) -> Self {
        let line = format!("run {} ({})", row.number, output::line(&row.title));
        Self { line, row, about: None, no_plan: BTreeMap::new(), outcome }
    }

    /// With what was decided about.
    pub(crate) fn about(self, about: Option<About>) -> Self {
        Self { about, ..self }
    }

    fn in_words(&self, done: &str) -> String {
        let line = &self.line;
        match &self.outcome {
            Outcome::Done => format!("{done}: {line}\n"),
            Outcome::Would { releases } => {
                let digest = self
                    .about
                    .as_ref()
                    .map(|one| format!(", input {}{}", one.digest, one.plans_in_words(", plan ")));
                let releases = if *releases { ", which this would release" } else { "" };
                let no_plan: String = self
                    .no_plan
                    .iter()
                    .map(|(state, why)| format!("  {}\n", show::no_plan_in_words(state, why)))
                    .collect();
                format!(
                    "would be {done}: {line}{releases}{}\n{no_plan}",
                    digest.unwrap_or_default()
                )
            }
            Outcome::Refused(refusal) => told("refused", line, refusal, true),
            Outcome::Left(refusal) => {
                // Where only something was left out it can be said; else it is for others to do.
                let helps = [RefusalCode::AmbiguousBranch, RefusalCode::Unloadable];
                told("left alone", line, refusal, helps.contains(&refusal.code))
            }
        }
    }

    fn as_json(&self) -> Value {
        let mut json = json!({
            "run": self.row.id,
            "number": self.row.number,
            "project": self.row.project,
            "status": self.row.status.as_str(),
            "result": self.outcome.as_str(),
            "refused": self.outcome.refusal().map(|refusal| {
                json!({
                    "code": refusal.code.as_str(),
                    "message": refusal.message,
                    "help": remedies(refusal),
                })
            }),
        });
        if let Some(members) = json.as_object_mut() {
            if let Some(About { hold, digest, plans }) = &self.about {
                members.insert("hold".to_owned(), json!(hold));
                members.insert("digest".to_owned(), json!(digest));
                if !plans.is_empty() {
                    members.insert("plans".to_owned(), json!(plans));
                }
            }
            if let Outcome::Would { releases } = self.outcome {
                members.insert("releases".to_owned(), json!(releases));
                if !self.no_plan.is_empty() {
                    members.insert("no_plan".to_owned(), json!(self.no_plan));
                }
            }
        }
        json
    }
}

/// A run of several as it is after a command to it. Where it cannot be shown, those that come after it are left alone.
pub(crate) fn shown(
    detail: Result<RunDetail, QueryFailure>,
    done: Option<RunAnswer>,
) -> Result<RunDetail, Failure> {
    detail.map_err(|failure| match done {
        Some(answer) => Failure::after(answer, failure.into())
            .but("the runs that come after it were left alone"),
        None => failure.into(),
    })
}

/// What was refused, in a line, and what it would take, where that helps.
fn told(what: &str, run: &str, refusal: &Refusal, helps: bool) -> String {
    let mut text = format!("{what}: {run}: {refusal}\n");
    if helps {
        let ways = remedies(refusal);
        text.extend(ways.iter().map(|way| format!("  help     {}\n", output::line(way))));
    }
    text
}

/// How many runs came to what, such as `2 approved, 1 refused`.
fn summary(done: &str, all: &[Told]) -> String {
    let words = |one: &Told| match one.outcome {
        Outcome::Done => done.to_owned(),
        Outcome::Would { .. } => format!("would be {done}"),
        Outcome::Refused(_) => "refused".to_owned(),
        Outcome::Left(_) if one.outcome.asks_others() => "left to others".to_owned(),
        Outcome::Left(_) => "left alone".to_owned(),
    };
    let mut parts: Vec<(String, u64)> = Vec::new();
    for words in all.iter().map(words) {
        match parts.iter_mut().find(|(known, _)| *known == words) {
            Some((_, number)) => *number = number.saturating_add(1),
            None => parts.push((words, 1)),
        }
    }
    let counted = parts.iter().map(|(words, number)| format!("{number} {words}"));
    format!("{}\n", counted.collect::<Vec<_>>().join(", "))
}

/// Prints what came of it, run by run, and fails if one that was meant refused it. `none` is said
/// where there was no run.
pub(crate) fn print(
    context: &Context,
    done: &str,
    none: &str,
    all: &[Told],
) -> Result<(), Failure> {
    let told = all.iter().filter(|one| !one.outcome.asks_others());
    let mut text: String = told.map(|one| one.in_words(done)).collect();
    match all {
        [] => text = format!("{none}\n"),
        [one] if !one.outcome.asks_others() => {}
        _ => text.push_str(&summary(done, all)),
    }
    let json: Vec<Value> = all.iter().map(Told::as_json).collect();
    Answer::new(text, &json!({ "runs": json }))?.print(context.json)?;
    let refused: Vec<&Refusal> = all
        .iter()
        .filter_map(|one| match &one.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        })
        .collect();
    match refused.first() {
        None => Ok(()),
        Some(first) => Err(Failure::Refused(
            Refusal::new(
                first.code,
                format!(
                    "{} of {} refused it: {}",
                    refused.len(),
                    count(u64::try_from(all.len()).unwrap_or(u64::MAX), "run"),
                    first.message
                ),
            )
            .needs("each is told above"),
        )),
    }
}
