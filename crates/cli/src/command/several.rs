//! What came of a command to several runs: each is decided by itself and has a line of its own.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint::{
    core::{Refusal, RefusalCode, RunAnswer, RunId},
    engine::{QueryFailure, RunDetail, RunRow},
};
use serde_json::{Value, json};

use crate::{
    command::{
        about::Found,
        bulk::{Errand, Part},
        show,
    },
    context::Context,
    failure::{Failure, remedies},
    output::{self, Answer, count},
};

/// What came of it for one run.
pub(crate) struct Told {
    /// Where the run stands, as a sentence.
    line: String,
    row: RunRow,
    /// Which of its parts was meant.
    part: Part,
    /// How many rollouts it has.
    rollouts: usize,
    /// What it is about, where it was not refused.
    found: Option<Found>,
    /// Why there is no plan of what its holds are asked about, by the states of the rollouts.
    no_plan: BTreeMap<String, String>,
    outcome: Outcome,
}

/// What came of a command.
pub(crate) enum Outcome {
    Done,
    /// It would be done.
    Would,
    Refused(Refusal),
    /// It was not sent, as it would be refused, and nobody had named the run.
    Left(Refusal),
}

impl Outcome {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Would => "would",
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
            Self::Done | Self::Would => None,
        }
    }
}

impl Told {
    /// As the run is now.
    pub(crate) fn of(detail: &RunDetail, outcome: Outcome) -> Self {
        let no_plan = detail.view.holds.iter().flat_map(|hold| hold.no_plan.clone()).collect();
        Self {
            line: show::in_few_words(detail),
            row: detail.row.clone(),
            part: Part::default(),
            rollouts: detail.view.rollouts().len(),
            found: None,
            no_plan,
            outcome,
        }
    }

    /// Of a run that cannot be loaded.
    pub(crate) fn unloadable(row: RunRow, outcome: Outcome) -> Self {
        let line = format!("run {} ({})", row.number, output::line(&row.title));
        let (part, rollouts, found, no_plan) = (Part::default(), 0, None, BTreeMap::new());
        Self { line, row, part, rollouts, found, no_plan, outcome }
    }

    /// With the part of the run that was meant, and what it was about.
    pub(crate) fn about(self, part: Part, found: Option<Found>) -> Self {
        Self { part, found, ..self }
    }

    fn in_words(&self, done: &str) -> String {
        let Part { rollout, target } = &self.part;
        let mut line = self.line.clone();
        if let Some(rollout) = rollout.as_ref().filter(|_| self.rollouts > 1) {
            line.push_str(&format!(", the rollout of `{rollout}`"));
        }
        if let Some(target) = target.as_ref().filter(|_| self.outcome.refusal().is_some()) {
            line.push_str(&format!(", {}", output::line(target)));
        }
        let found = self.found.as_ref();
        match &self.outcome {
            Outcome::Done => {
                format!("{done}: {line}{}\n", found.map_or("", |found| &found.done))
            }
            Outcome::Would => {
                let is_asked = found.is_some_and(|found| found.releases.is_some());
                let no_plan: String = self
                    .no_plan
                    .iter()
                    .filter(|_| is_asked)
                    .map(|(state, why)| format!("  {}\n", show::no_plan_in_words(state, why)))
                    .collect();
                let would = found.map_or("", |found| &found.would);
                format!("would be {done}: {line}{would}\n{no_plan}")
            }
            Outcome::Refused(refusal) => told("refused", &line, refusal, true),
            Outcome::Left(refusal) => {
                // Where only something was left out it can be said; else it is for others to do.
                let helps = [RefusalCode::AmbiguousBranch, RefusalCode::Unloadable];
                told("left alone", &line, refusal, helps.contains(&refusal.code))
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
            if let Some(rollout) = &self.part.rollout {
                members.insert("rollout".to_owned(), json!(rollout));
            }
            if let Some(target) = &self.part.target {
                members.insert("targets".to_owned(), json!([target]));
            }
            if let Some(Found { about, releases, .. }) = &self.found {
                if let Ok(Value::Object(about)) = serde_json::to_value(about) {
                    members.extend(about);
                }
                if let (Outcome::Would, Some(releases)) = (&self.outcome, releases) {
                    members.insert("releases".to_owned(), json!(releases));
                    if !self.no_plan.is_empty() {
                        members.insert("no_plan".to_owned(), json!(self.no_plan));
                    }
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
        Outcome::Would => format!("would be {done}"),
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

/// Prints what came of it, run by run, and fails if one that was meant refused it.
pub(crate) fn print(context: &Context, errand: &impl Errand, all: &[Told]) -> Result<(), Failure> {
    let (_, done) = errand.done();
    let told = all.iter().filter(|one| !one.outcome.asks_others());
    let mut text: String = told.map(|one| one.in_words(done)).collect();
    match all {
        [] => text = format!("{}\n", errand.none()),
        [one] if !one.outcome.asks_others() => {}
        _ => text.push_str(&summary(done, all)),
    }
    let json: Vec<Value> = all.iter().map(Told::as_json).collect();
    Answer::new(text, &json!({ "command": errand.name(), "runs": json }))?.print(context.json)?;
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
                format!("{} of {} refused it: {}", refused.len(), number(all), first.message),
            )
            .needs("each is told above"),
        )),
    }
}

/// How many there are, and of what.
fn number(all: &[Told]) -> String {
    let runs: BTreeSet<RunId> = all.iter().map(|one| one.row.id).collect();
    let number = u64::try_from(all.len()).unwrap_or(u64::MAX);
    if runs.len() == all.len() { count(number, "run") } else { number.to_string() }
}
