//! Whether a run is as it is expected to be, and what differs.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    MemberId, RunStatus, RunView,
    event::TypedEvent,
    view::{BranchView, DutyView, TargetView},
};
use holdpoint_definition::DefinitionEvent;
use serde_json::Value;

use crate::{
    baselines,
    crew::{Asked, Crew},
    play::Play,
    suite::{AskedFor, Deadline, Expectation, OpenDuty, Targets, Waiting},
};

/// The kind of condition that a veto is.
const VETO: &str = "veto";

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
    let level = view.risk.as_ref().map_or_else(|| "none".to_owned(), |risk| risk.level.clone());
    compare("risk", expected.risk.clone(), level);
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
    compare("vetoes", expected.vetoes.as_ref().map(listed), listed(vetoes(&view)));
    compare("comments", expected.comments.as_ref().map(listed), listed(comments(play)));
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
    found.extend(duties(expected.duties.as_deref(), &view.duties));
    found.extend(input(expected.input.as_ref(), play));
    if let Some(branches) = &expected.branches {
        found.extend(in_branches(branches, &view));
    }
    found.extend(targets(expected.targets.as_ref(), &view));
    found.extend(
        expected.baseline.iter().flat_map(|expected| baselines::differences(expected, &view)),
    );
    found.extend(events(expected, play));
    found.extend(expected.asked.iter().filter_map(|wanted| not_asked(wanted, crew.asked())));
    found
}

/// The branches that are not where they are expected, and those that are not there.
fn in_branches(expected: &BTreeMap<String, String>, view: &RunView) -> Vec<Difference> {
    fn below<'v>(branches: &'v [BranchView], found: &mut BTreeMap<&'v str, &'v str>) {
        for one in branches {
            found.insert(&one.branch, &one.state);
            below(&one.branches, found);
        }
    }
    let mut there = BTreeMap::new();
    below(&view.branches, &mut there);
    expected
        .iter()
        .filter_map(|(branch, state)| {
            let got = there.get(branch.as_str()).copied().unwrap_or("it is not under way");
            (got != state).then(|| Difference {
                what: format!("branch {branch}"),
                expected: state.clone(),
                got: got.to_owned(),
            })
        })
        .collect()
}

/// The conditions that are not met, with how many each still needs.
pub(crate) fn waiting(view: &RunView) -> BTreeMap<String, u32> {
    view.holds.iter().flat_map(|hold| &hold.conditions).filter(|condition| !condition.met).fold(
        BTreeMap::new(),
        |mut waiting, condition| {
            // Whose vetoes stand is looked at by `vetoes`: here they count.
            let name = if condition.kind == VETO { VETO } else { &condition.name };
            *waiting.entry(name.to_owned()).or_insert(0) += condition.open.max(1);
            waiting
        },
    )
}

/// Whose vetoes stand.
fn vetoes(view: &RunView) -> BTreeSet<&str> {
    view.holds
        .iter()
        .flat_map(|hold| &hold.conditions)
        .filter(|condition| condition.kind == VETO)
        .map(|condition| condition.name.as_str())
        .collect()
}

/// All that was said so far.
fn comments(play: &Play) -> Vec<String> {
    let events = play.history().iter();
    let read = events.map(|event| DefinitionEvent::from_parts(&event.kind, &event.data));
    read.filter_map(|event| match event {
        Ok(DefinitionEvent::Commented { text, .. }) => Some(text),
        _ => None,
    })
    .collect()
}

fn duties(expected: Option<&[OpenDuty]>, open: &[DutyView]) -> Option<Difference> {
    let expected = expected?;
    let fits = |wanted: &OpenDuty, duty: &DutyView| {
        wanted.duty.is_none_or(|number| number == duty.duty)
            && wanted.text.as_ref().is_none_or(|text| *text == duty.text)
            && wanted.before.as_ref().is_none_or(|before| *before == duty.before)
            && wanted.by.as_ref().is_none_or(|by| *by == duty.by)
    };
    let same = expected.len() == open.len()
        && expected.iter().zip(open).all(|(wanted, duty)| fits(wanted, duty));
    (!same).then(|| Difference {
        what: "duties".to_owned(),
        expected: listed(expected.iter().map(|one| {
            let by = one.by.as_ref().map(ToString::to_string);
            duty_in_words(one.duty, one.text.as_deref(), one.before.as_ref(), by.as_deref())
        })),
        got: listed(open.iter().map(|one| {
            duty_in_words(Some(one.duty), Some(&one.text), Some(&one.before), Some(one.by.as_str()))
        })),
    })
}

fn duty_in_words(
    number: Option<u32>,
    text: Option<&str>,
    before: Option<&Option<String>>,
    by: Option<&str>,
) -> String {
    let number = number.map(|number| format!("duty {number}"));
    let text = text.map(|text| format!("`{text}`"));
    let before = before.map(|before| match before {
        Some(state) => format!("before `{state}`"),
        None => "before the end".to_owned(),
    });
    let by = by.map(|by| format!("by {by}"));
    let parts: Vec<String> = [number, text, before, by].into_iter().flatten().collect();
    if parts.is_empty() { "any duty".to_owned() } else { parts.join(" ") }
}

fn input(expected: Option<&Value>, play: &Play) -> Option<Difference> {
    let (expected, input) = (expected?, play.input()?);
    (!contains(input, expected)).then(|| Difference {
        what: "input".to_owned(),
        expected: expected.to_string(),
        got: input.to_string(),
    })
}

/// Who could fill a seat that is open, in their own place or another's.
fn could_approve(view: &RunView) -> BTreeSet<MemberId> {
    view.holds
        .iter()
        .flat_map(|hold| &hold.conditions)
        .filter(|condition| condition.kind == "approval" && !condition.met)
        .flat_map(|condition| {
            let own = condition.candidates.iter().map(|one| (&one.member, &one.lacks));
            own.chain(condition.substitutes.iter().map(|one| (&one.member, &one.lacks)))
        })
        .filter(|(_, lacks)| lacks.is_none())
        .map(|(member, _)| member.clone())
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
    let there: Vec<&TargetView> =
        view.rollouts().into_iter().flat_map(|rollout| &rollout.targets).collect();
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
