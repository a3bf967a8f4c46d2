//! What a command to a run is about: what a preview shows, and what is not done any more where it is
//! another by then.

use std::collections::BTreeMap;

use holdpoint::core::{Digest, NewEvent, RunView, Steering, view::RolloutView};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::output::{count, line, time};

/// What a command is about, and how that is said.
pub(crate) struct Found {
    pub(crate) about: About,
    /// Whether a hold would be released by it, where there is one.
    pub(crate) releases: Option<bool>,
    /// What stands behind the run in a preview.
    pub(crate) would: String,
    /// What stands behind the run when it is done.
    pub(crate) done: String,
}

/// What a command is about. Two are the same where whoever has seen the one means the other.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum About {
    Vote(OfVote),
    Rollout(OfRollout),
    Run(OfRun),
}

/// A hold of the run, the digest of its input, and those of the plans that the hold is asked about.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfVote {
    pub(crate) hold: String,
    digest: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) plans: BTreeMap<String, Digest>,
}

/// A rollout of the run. What goes on in it by itself is no part of that: only what the command would
/// do to it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfRollout {
    /// The state.
    rollout: String,
    /// How often it was entered.
    visit: u32,
    /// Whether it was done, and is undone afterwards.
    #[serde(default, skip_serializing_if = "is_not")]
    done: bool,
    /// Since when it is paused, where the pause is what is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused: Option<Timestamp>,
    /// What is gone past: the bake or the hold after a wave.
    #[serde(flatten)]
    gate: Option<Gate>,
    /// At which targets something is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Gate {
    past: String,
    wave: u32,
}

/// The run as a whole, in the state that it is in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfRun {
    state: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_not(is: &bool) -> bool {
    !*is
}

impl About {
    /// How it is now, for who has seen it otherwise.
    pub(crate) fn as_it_is(&self) -> String {
        match self {
            Self::Vote(OfVote { hold, digest, plans }) => {
                let plans = in_words(plans, " and the plan ");
                format!("`{hold}` asks about the input {digest}{plans} now")
            }
            Self::Rollout(about) => format!("now it would be {}", about.in_words()),
            Self::Run(OfRun { state }) => format!("it is at `{state}` now"),
        }
    }
}

impl OfRollout {
    /// The rollout, and its target where it is about one alone.
    pub(crate) fn part(&self) -> (&str, Option<&str>) {
        let target = match self.targets.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        };
        (&self.rollout, target)
    }

    fn in_words(&self) -> String {
        let Self { rollout, visit, done, paused, gate, targets } = self;
        let mut text = format!("about the rollout of `{rollout}`");
        if *visit > 1 {
            text.push_str(&format!(" at its visit {visit}"));
        }
        if *done {
            text.push_str(", which is done");
        }
        if let Some(since) = paused {
            text.push_str(&format!(", paused since {} UTC", time(*since)));
        }
        if let Some(Gate { past, wave }) = gate {
            text.push_str(&format!(", the {past} after wave {wave}"));
        }
        if !targets.is_empty() {
            text.push_str(&format!(", {}", listed(targets.iter().map(String::as_str))));
        }
        text
    }
}

impl OfVote {
    /// What a vote is about: what it records.
    pub(crate) fn of(events: &[NewEvent]) -> Option<Found> {
        let found = events.iter().find_map(|event| serde_json::from_str(event.data.as_str()).ok());
        let about: Self = found?;
        let released = |event: &NewEvent| event.kind.as_str() == "holdpoint.hold.released";
        let releases = events.iter().any(released);
        let which = if releases { ", which this would release" } else { "" };
        let plans = in_words(&about.plans, ", plan ");
        Some(Found {
            would: format!("{which}, input {}{plans}", about.digest),
            done: String::new(),
            releases: Some(releases),
            about: About::Vote(about),
        })
    }
}

fn in_words(plans: &BTreeMap<String, Digest>, before: &str) -> String {
    plans.values().map(|plan| format!("{before}{plan}")).collect()
}

impl OfRun {
    /// What is about the run as a whole.
    pub(crate) fn of(view: &RunView) -> Found {
        let about = About::Run(Self { state: view.state.clone() });
        Found { about, releases: None, would: String::new(), done: String::new() }
    }
}

/// What events of rollouts have in common.
#[derive(Deserialize)]
struct OfEvent {
    state: String,
    #[serde(default)]
    wave: u32,
    past: Option<String>,
    target: Option<String>,
}

impl OfRollout {
    /// What a command that steers is about: what it records first.
    pub(crate) fn of(steering: Steering, view: &RunView, events: &[NewEvent]) -> Option<Found> {
        let kinds: &[&str] = match steering {
            Steering::Pause => &["rollout.paused"],
            Steering::Resume => &["rollout.resumed"],
            Steering::Abort | Steering::Rollback => &["rollout.undo_started", "rollout.stopped"],
            Steering::Promote => &["rollout.promoted", "target.healthy"],
            Steering::Retry => &["target.rechecked", "target.retried"],
            Steering::Skip => &["target.skipped"],
            Steering::TakeOver => &["target.taken_over"],
        };
        let is_one = |event: &&NewEvent| {
            let kind = event.kind.as_str().strip_prefix("holdpoint.");
            kind.is_some_and(|kind| kinds.contains(&kind))
        };
        let read = |event: &NewEvent| serde_json::from_str(event.data.as_str()).ok();
        let told: Vec<OfEvent> = events.iter().filter(is_one).filter_map(read).collect();
        let first = told.first()?;
        let rollout = view.rollouts().into_iter().find(|one| one.state == first.state)?;
        let gate = first.past.clone().map(|past| Gate { past, wave: first.wave });
        let undoes = matches!(steering, Steering::Abort | Steering::Rollback);
        let resumed = rollout.paused.as_ref().filter(|_| steering == Steering::Resume);
        let about = Self {
            rollout: rollout.state.clone(),
            visit: rollout.visit,
            done: undoes && rollout.phase == "done",
            paused: resumed.map(|pause| pause.since),
            gate,
            targets: told.iter().filter_map(|one| one.target.clone()).collect(),
        };
        let (would, done) = about.shown(steering, rollout);
        let below = |text: String| if text.is_empty() { text } else { format!("\n  {text}") };
        Some(Found {
            about: About::Rollout(about),
            releases: None,
            would: below(would),
            done: below(done),
        })
    }

    /// What is done to a rollout as it is: beforehand, and afterwards.
    fn shown(&self, steering: Steering, rollout: &RolloutView) -> (String, String) {
        let begun = |state: &str| !["waiting", "skipped", "taken_over"].contains(&state);
        let begun = rollout.targets.iter().filter(|one| begun(one.state)).count();
        let all = count(u64::try_from(rollout.targets.len()).unwrap_or(u64::MAX), "target");
        let far = format!("wave {} of {}, begun at {begun} of {all}", rollout.wave, rollout.waves);
        match (steering, &self.gate) {
            (Steering::Pause | Steering::Abort | Steering::Rollback, _) => (far, String::new()),
            (Steering::Resume, _) => {
                let paused = rollout.paused.as_ref().map(|pause| {
                    let by = pause.by.member().map_or("the engine", |member| member.as_str());
                    let since = time(pause.since);
                    format!("paused by {by} since {since} UTC: {}", line(&pause.reason))
                });
                (paused.unwrap_or_default(), String::new())
            }
            (Steering::Promote, Some(Gate { past, wave })) => {
                let text = format!("past the {past} after wave {wave}");
                (text.clone(), text)
            }
            _ => {
                let mut states = BTreeMap::new();
                rollout.targets.iter().for_each(|one| {
                    states.insert(one.target.as_str(), one.state);
                });
                let now = self.targets.iter().map(|name| {
                    let state = states.get(name.as_str()).copied().unwrap_or_default();
                    format!("{} ({})", line(name), state.replace('_', " "))
                });
                (listed(now), listed(self.targets.iter().map(|name| line(name))))
            }
        }
    }
}

/// How many targets are named in a line.
const LISTED_MAX: usize = 20;

fn listed(all: impl ExactSizeIterator<Item = impl Into<String>>) -> String {
    let more = all.len().saturating_sub(LISTED_MAX);
    let few: Vec<String> = all.take(LISTED_MAX).map(Into::into).collect();
    let few = few.join(", ");
    if more == 0 { few } else { format!("{few} and {more} more") }
}
