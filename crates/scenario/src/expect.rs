//! Whether a run is as it is expected to be, and what differs.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{MemberId, RunStatus, RunView, view::TargetView};
use serde_json::Value;

use crate::{
    crew::{Asked, Crew},
    play::Play,
    suite::{AskedFor, Deadline, Expectation, Targets, Waiting},
};

/// Something that is not as it was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What is looked at, as the file names it.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What there is.
    pub got: String,
}

/// What differs; empty when everything is as expected.
pub(crate) fn differences(expected: &Expectation, play: &Play, crew: &Crew) -> Vec<Difference> {
    let Some(view) = play.view() else { return Vec::new() };
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, got: String| {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            found.push(Difference { what: what.to_owned(), expected, got });
        }
    };
    compare("state", expected.state.clone(), view.state.clone());
    compare("status", expected.status.clone(), view.status.as_str().to_owned());
    let ended = match &view.status {
        RunStatus::Ended { outcome } => outcome.clone(),
        other => format!("it has not: it is {} in `{}`", other.as_str(), view.state),
    };
    compare("ended", expected.ended.clone(), ended);
    let waits = waiting(&view);
    match &expected.waiting_for {
        None => {}
        Some(Waiting::Names(names)) => {
            compare("waiting_for", Some(listed(names)), listed(waits.keys()));
        }
        Some(Waiting::Counts(counts)) => {
            compare("waiting_for", Some(counted(counts)), counted(&waits));
        }
    }
    let could = could_approve(&view);
    compare("could_approve", expected.could_approve.as_ref().map(listed), listed(&could));
    let deadline = match expected.deadline {
        None => None,
        Some(Deadline::Never) => Some("never".to_owned()),
        Some(Deadline::At(at)) => Some(at.to_string()),
        Some(Deadline::In(span)) => {
            let at = play.now().saturating_add(span).unwrap_or(jiff::Timestamp::MAX);
            Some(at.to_string())
        }
    };
    let at = view.holds.iter().filter_map(|hold| hold.deadline.as_ref()).map(|one| one.at).min();
    compare("deadline", deadline, at.map_or_else(|| "never".to_owned(), |at| at.to_string()));
    found.extend(targets(expected.targets.as_ref(), &view));
    found.extend(events(expected, play));
    found.extend(expected.asked.iter().filter_map(|wanted| not_asked(wanted, crew.asked())));
    found
}

/// The conditions that are not met, with how many each still needs.
pub(crate) fn waiting(view: &RunView) -> BTreeMap<String, u32> {
    view.holds
        .iter()
        .flat_map(|hold| &hold.conditions)
        .filter(|condition| !condition.met)
        .map(|condition| (condition.name.clone(), condition.open.max(1)))
        .collect()
}

/// Who could fill a seat that is open.
fn could_approve(view: &RunView) -> BTreeSet<MemberId> {
    view.holds
        .iter()
        .flat_map(|hold| &hold.conditions)
        .filter(|condition| !condition.met)
        .flat_map(|condition| &condition.candidates)
        .filter(|candidate| candidate.lacks.is_none())
        .map(|candidate| candidate.member.clone())
        .collect()
}

fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn counted(counts: &BTreeMap<String, u32>) -> String {
    listed(counts.iter().map(|(name, count)| format!("{name}: {count}")))
}

fn targets(expected: Option<&Targets>, view: &RunView) -> Vec<Difference> {
    let there: &[TargetView] = view.rollout.as_ref().map_or(&[], |rollout| &rollout.targets);
    let difference = |what: String, expected: &str, got: &str| {
        let (expected, got) = (expected.to_owned(), got.to_owned());
        (expected != got).then_some(Difference { what, expected, got })
    };
    match expected {
        None => Vec::new(),
        Some(Targets::All(state)) if there.is_empty() => {
            difference("targets".to_owned(), state, "there is no rollout").into_iter().collect()
        }
        Some(Targets::All(state)) => there
            .iter()
            .filter_map(|one| difference(format!("target {}", one.target), state, one.state))
            .collect(),
        Some(Targets::Each(states)) => states
            .iter()
            .filter_map(|(target, state)| {
                let found = there.iter().find(|one| one.target == *target);
                let got = found.map_or("the rollout has no such target", |one| one.state);
                difference(format!("target {target}"), state, got)
            })
            .collect(),
    }
}

fn events(expected: &Expectation, play: &Play) -> Vec<Difference> {
    let types: Vec<&str> = play
        .history()
        .iter()
        .map(|event| event.kind.as_str().trim_start_matches("holdpoint."))
        .collect();
    let mut found = Vec::new();
    let mut rest = types.iter();
    if let Some(missing) = expected.happened.iter().find(|wanted| !rest.any(|one| one == wanted)) {
        let earlier = types.contains(&missing.as_str());
        found.push(Difference {
            what: "happened".to_owned(),
            expected: listed(&expected.happened),
            got: format!(
                "no `{missing}`{}",
                if earlier { " after what should come before it" } else { "" }
            ),
        });
    }
    found.extend(expected.never.iter().filter(|one| types.contains(&one.as_str())).map(|one| {
        Difference {
            what: "never".to_owned(),
            expected: format!("no `{one}`"),
            got: "it happened".to_owned(),
        }
    }));
    found
}

fn not_asked(wanted: &AskedFor, asked: &[Asked]) -> Option<Difference> {
    let fitting: Vec<&Asked> = asked.iter().filter(|one| wanted.which.fits(one)).collect();
    let met =
        fitting.iter().any(|one| wanted.with.as_ref().is_none_or(|with| contains(&one.with, with)));
    if met {
        return None;
    }
    let given = wanted.with.as_ref().map(|with| format!(" with {with}")).unwrap_or_default();
    Some(Difference {
        what: "asked".to_owned(),
        expected: format!("{}{given}", wanted.which.in_words()),
        got: match (fitting.last(), asked) {
            (Some(one), _) => format!("{} with {}", one.in_words(), one.with),
            (None, []) => "nothing was asked for".to_owned(),
            (None, asked) => {
                let names: BTreeSet<String> = asked.iter().map(Asked::in_words).collect();
                let names: Vec<String> = names.into_iter().take(8).collect();
                format!("only {}", names.join(", "))
            }
        },
    })
}

/// Whether `value` is `part`, or has all members that `part` has.
fn contains(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(all), Value::Object(some)) => {
            some.iter().all(|(name, part)| all.get(name).is_some_and(|value| contains(value, part)))
        }
        _ => value == part,
    }
}
