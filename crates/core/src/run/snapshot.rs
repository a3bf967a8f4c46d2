//! A run as bytes, to shorten replay.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Beginning, Child, DefinitionRef, Parent, Progress, Run, RunAnswer, broken};
use crate::{
    answers::Answers,
    command::Actor,
    event::EventData,
    id::{Digest, EffectId, ProjectId, RunId},
    workflow::{DynWorkflow, IllegalEvent},
};

#[derive(Serialize, Deserialize)]
struct Snapshot {
    id: RunId,
    project: ProjectId,
    definition: DefinitionRef,
    requester: Actor,
    input: Value,
    started: Timestamp,
    updated: Timestamp,
    at: RunAnswer,
    answers: Answers,
    progress: BTreeMap<EffectId, Progress>,
    #[serde(default)]
    parent: Option<Parent>,
    #[serde(default)]
    children: BTreeMap<EffectId, Child>,
    state: EventData,
}

impl Run {
    /// Writes the run, to shorten replay.
    ///
    /// # Errors
    /// When the workflow's state cannot be written as JSON.
    pub fn snapshot(&self, workflow: &dyn DynWorkflow) -> Result<Vec<u8>, IllegalEvent> {
        serde_json::to_vec(&Snapshot {
            id: self.id(),
            project: self.project().clone(),
            definition: self.definition().clone(),
            requester: self.requester().clone(),
            input: self.input().clone(),
            started: self.started(),
            updated: self.updated,
            at: self.at,
            answers: Answers::clone(&self.answers),
            progress: self.progress.to_map(),
            parent: self.parent().cloned(),
            children: BTreeMap::clone(&self.children),
            state: workflow.snapshot(&self.state)?,
        })
        .map_err(|error| broken("snapshot", error))
    }

    /// The definition by whose workflow a snapshot is to be read: a run may have been migrated since.
    ///
    /// # Errors
    /// When the bytes are not a snapshot.
    pub fn definition_of_snapshot(snapshot: &[u8]) -> Result<Digest, IllegalEvent> {
        #[derive(Deserialize)]
        struct Pinned {
            definition: DefinitionRef,
        }
        let pinned: Pinned =
            serde_json::from_slice(snapshot).map_err(|error| broken("snapshot", error))?;
        Ok(pinned.definition.digest)
    }

    /// Reads a run from a snapshot.
    ///
    /// # Errors
    /// When the bytes are not a snapshot of this workflow's; replay from the first event then.
    pub fn restore(workflow: &dyn DynWorkflow, snapshot: &[u8]) -> Result<Self, IllegalEvent> {
        let snapshot: Snapshot =
            serde_json::from_slice(snapshot).map_err(|error| broken("snapshot", error))?;
        Ok(Self {
            beginning: Arc::new(Beginning {
                id: snapshot.id,
                project: snapshot.project,
                definition: snapshot.definition,
                requester: snapshot.requester,
                input: snapshot.input,
                started: snapshot.started,
                parent: snapshot.parent,
            }),
            updated: snapshot.updated,
            at: snapshot.at,
            answers: Arc::new(snapshot.answers),
            progress: snapshot.progress.into(),
            children: Arc::new(snapshot.children),
            state: workflow.restore(&snapshot.state)?,
        })
    }
}
