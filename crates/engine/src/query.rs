//! Lists of runs, a run in detail, a run as it was.

use holdpoint_core::{
    Actor, DefinitionRef, EffectId, ItemName, ProjectId, Run, RunAnswer, RunId, RunStatus, RunView,
    Sequence, Version,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::broken::BROKEN;

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The run's number in its project: 1 for the project's first run, in the order of the log.
    pub number: u64,
    /// The run.
    pub id: RunId,
    /// Its project.
    pub project: ProjectId,
    /// What it is about, in a line.
    pub title: String,
    /// The name of the state it is in.
    pub state: String,
    /// Where it stands.
    #[serde(flatten)]
    pub status: RunStatus,
    /// The definition it is pinned to.
    pub definition: DefinitionRef,
    /// Who submitted it.
    pub requester: Actor,
    /// When it was submitted.
    pub started: Timestamp,
    /// When its last event was decided.
    pub updated: Timestamp,
    /// Where its last event stands.
    pub at: RunAnswer,
    /// The run that started it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<RunId>,
    /// The lockdowns that hold it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lockdowns: Vec<u32>,
    /// The activities that it asks for now, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activities: Vec<String>,
    /// Those of them that this engine cannot do: they are not begun before an engine runs that can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfigured: Vec<String>,
}

impl RunRow {
    pub(crate) fn of(
        number: u64,
        run: &Run,
        status: RunStatus,
        title: String,
        state: String,
    ) -> Self {
        Self {
            number,
            id: run.id(),
            project: run.project().clone(),
            title,
            state,
            status,
            definition: run.definition().clone(),
            requester: run.requester().clone(),
            started: run.started(),
            updated: run.updated(),
            at: run.at(),
            parent: run.parent().map(|parent| parent.run),
            lockdowns: Vec::new(),
            activities: Vec::new(),
            unconfigured: Vec::new(),
        }
    }

    /// Why nothing more is decided about the run, if that is so: it cannot be loaded, or its definition has a
    /// defect.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.state.strip_prefix(BROKEN)
    }

    /// Whether all that the run asks for waits for an engine that can do it.
    #[must_use]
    pub fn waits_for_configuration(&self) -> bool {
        !self.unconfigured.is_empty() && self.unconfigured.len() == self.activities.len()
    }
}

/// A run in detail.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDetail {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: RunRow,
    /// What was submitted.
    pub input: Value,
    /// What it looks like: holds, who could release them, progress.
    pub view: RunView,
    /// The run that started it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Kin>,
    /// The runs that it has started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Kin>,
}

/// A run that started another, or was started by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kin {
    /// The run.
    pub run: RunId,
    /// Its number in the project.
    pub number: u64,
    /// The effect that it was started for.
    pub effect: EffectId,
    /// How it ended, of one that was started and whose end is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// A run that a lockdown would be about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InScope {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: RunRow,
    /// Whether work still lies ahead of it that would be held back.
    pub starts: bool,
    /// Whether work is under way that would finish.
    pub works: bool,
}

/// A lock on an item that a run holds or waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockRow {
    /// The project.
    pub project: ProjectId,
    /// The item.
    pub item: ItemName,
    /// The run.
    pub run: RunId,
    /// The run's number in its project.
    pub number: u64,
    /// Whether the run holds the lock; otherwise it waits for it.
    pub held: bool,
    /// Since when.
    pub since: Timestamp,
    /// Why the run cannot be loaded, if it cannot: it gives nothing back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// Which runs to list; each given field narrows the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs of this project.
    pub project: Option<ProjectId>,
    /// Only runs with this status: `held`, `working`, `stuck` or `ended`.
    pub status: Option<String>,
    /// At most so many, the newest first; all when absent.
    pub limit: Option<u32>,
    /// Only runs that this one has started.
    pub parent: Option<RunId>,
}

/// A moment in a run's past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After so many events of the run.
    Version(Version),
    /// After so many events of the whole log.
    Sequence(Sequence),
    /// After the last event decided at or before this time.
    Time(Timestamp),
}
