//! Which runs are in conflict: looked for when somebody asks, among all that are not over.

use holdpoint_core::{
    Action, Project, Prospect, RunId,
    conflict::{Conflict, Overlap, Touching, conflicts},
};
use serde::Serialize;

use crate::{
    deciding::own_command,
    engine::Engine,
    failure::{CommandFailure, QueryFailure},
    query::{RunFilter, RunRow},
};

/// How many runs a record of conflicts names, and how many items of each.
const RUNS_NOTED_MAX: usize = 100;
const ITEMS_NOTED_MAX: usize = 10;

/// Two runs that touch the same or related items at overlapping times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConflictRow {
    /// The one that was submitted first; where one run was asked about, that run.
    pub run: RunRow,
    /// The other.
    pub with: RunRow,
    /// The items by which they are in conflict, as the first sees them.
    pub items: Vec<Overlap>,
}

impl Engine {
    /// The conflicts among the runs of a project, or those of one of its runs. Every run that is not over
    /// is looked at; of a run that touches nothing, none is.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn conflicts(
        &self,
        project: &Project,
        of: Option<RunId>,
    ) -> Result<Vec<ConflictRow>, QueryFailure> {
        if let Some(run) = of
            && self.touching(project, run).await?.is_none()
        {
            return Ok(Vec::new());
        }
        let filter = RunFilter { project: Some(project.id().clone()), ..RunFilter::default() };
        let (mut rows, mut runs) = (Vec::new(), Vec::new());
        for row in self.runs(&filter).await?.into_iter().rev().filter(|row| !row.status.is_ended())
        {
            if let Some(touching) = self.touching(project, row.id).await? {
                rows.push(row);
                runs.push(touching);
            }
        }
        let mut found = Vec::new();
        for ((one, other), items) in conflicts(&runs, project.items()) {
            let (Some(one), Some(other)) = (rows.get(one), rows.get(other)) else { continue };
            let (one, other) = (one.clone(), other.clone());
            match of {
                Some(run) if other.id == run => {
                    let items = items.iter().map(Overlap::turned).collect();
                    found.push(ConflictRow { run: other, with: one, items });
                }
                Some(run) if one.id != run => {}
                _ => {
                    let items = items.into_iter().collect();
                    found.push(ConflictRow { run: one, with: other, items });
                }
            }
        }
        Ok(found)
    }

    /// The conflicts of a run, which are recorded in its history: those of a run that was just submitted.
    ///
    /// # Errors
    /// See [`CommandFailure`].
    pub async fn note_conflicts(
        &self,
        project: &Project,
        run: RunId,
    ) -> Result<Vec<ConflictRow>, CommandFailure> {
        let found = self.conflicts(project, Some(run)).await?;
        let noted = |row: &ConflictRow| Conflict {
            run: row.with.id,
            items: row.items.iter().take(ITEMS_NOTED_MAX).cloned().collect(),
        };
        let with: Vec<Conflict> = found.iter().take(RUNS_NOTED_MAX).map(noted).collect();
        if !with.is_empty() {
            self.command(run, own_command(Action::ConflictsFound { with })).await?;
        }
        Ok(found)
    }

    /// What a run touches, if work is under way or lies ahead, or if it holds locks.
    async fn touching(
        &self,
        project: &Project,
        run: RunId,
    ) -> Result<Option<Touching>, QueryFailure> {
        let live = self.live(run).await?;
        let at = holdpoint_core::Moment { now: self.shared.clock.now(), project };
        let held = live.claims().held;
        let Prospect { mut items, starts, works, times } = live.prospect(&at);
        if !starts && !works {
            items.clear();
        }
        items.extend(held.into_keys());
        Ok((!items.is_empty()).then_some(Touching { items, times }))
    }
}
