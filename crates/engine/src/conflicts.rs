//! Which runs are in conflict: looked for when somebody asks, among all that are not over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use holdpoint_core::{
    Action, Moment, Project, Prospect, RunId, Version,
    conflict::{
        Conflict, Found, Look, Overlap, Times, Touching, Turn, conflicts, conflicts_of, digest,
    },
};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock::Clock,
    deciding::own_command,
    engine::{Acknowledged, Engine, shard_of},
    failure::{CommandFailure, QueryFailure},
    load::LiveRun,
    query::{RunFilter, RunRow},
    read_model::ReadModel,
    shard::Ask,
};

/// How many runs a record of conflicts names, and how many items of each.
const RUNS_NOTED_MAX: usize = 100;
const ITEMS_NOTED_MAX: usize = 10;
/// How much of the title of a run is recorded.
const TITLE_CHARS_MAX: usize = 100;

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

/// Who looks for conflicts.
#[derive(Clone)]
pub(crate) struct Looker {
    pub(crate) shards: Vec<mpsc::Sender<Ask>>,
    pub(crate) read_model: ReadModel,
    pub(crate) acknowledged: Acknowledged,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The runs of a project that are not over, as they were when they were looked at.
pub(crate) struct Sight {
    /// Those that touch something, in the order of their numbers.
    rows: Vec<RunRow>,
    runs: Vec<Touching>,
    /// Which runs belong together, as they have started one another: the number of the first, and how
    /// far the furthest is.
    families: HashMap<RunId, u64>,
    turns: HashMap<u64, Turn>,
    versions: HashMap<RunId, Version>,
}

impl Looker {
    pub(crate) async fn send(&self, run: RunId, ask: Ask) -> Result<(), QueryFailure> {
        let shard = self.shards.get(shard_of(run, self.shards.len()));
        let shard = shard.ok_or(QueryFailure::Stopped)?;
        shard.send(ask).await.map_err(|_| QueryFailure::Stopped)
    }

    async fn live(&self, run: RunId) -> Result<LiveRun, QueryFailure> {
        let (reply, answer) = oneshot::channel();
        self.send(run, Ask::Query { run, reply }).await?;
        answer.await.map_err(|_| QueryFailure::Stopped)?
    }

    /// Looks at every run of a project that is not over.
    pub(crate) async fn sight(&self, project: &Project) -> Result<Sight, QueryFailure> {
        self.read_model.reaches(self.acknowledged.get()).await?;
        let filter = RunFilter { project: Some(project.id().clone()), ..RunFilter::default() };
        let all = self.read_model.rows(filter).await?;
        let parents: HashMap<RunId, (u64, Option<RunId>)> =
            all.iter().map(|row| (row.id, (row.number, row.parent))).collect();
        let mut sight = Sight {
            rows: Vec::new(),
            runs: Vec::new(),
            families: HashMap::new(),
            turns: HashMap::new(),
            versions: HashMap::new(),
        };
        for row in all.into_iter().rev().filter(|row| !row.status.is_ended()) {
            let (touching, turn, version) = match self.live(row.id).await {
                Ok(live) => {
                    let (touching, turn) = self.touching(project, &live);
                    (touching, turn, live.run.at().version)
                }
                // It is broken, alone. What is known of it are its locks.
                Err(failure) if failure.is_of_the_run() => {
                    let items = self.read_model.held(project.id(), row.id).await?;
                    let times = Times::default();
                    let touching = (!items.is_empty()).then_some(Touching { items, times });
                    (touching, Turn::Ahead, row.at.version)
                }
                Err(failure) => return Err(failure),
            };
            let mut first = row.number;
            let mut above = row.parent;
            while let Some((number, parent)) = above.and_then(|run| parents.get(&run)) {
                (first, above) = (*number, *parent);
            }
            sight.families.insert(row.id, first);
            let furthest = sight.turns.entry(first).or_default();
            *furthest = turn.max(*furthest);
            sight.versions.insert(row.id, version);
            if let Some(touching) = touching {
                sight.rows.push(row);
                sight.runs.push(touching);
            }
        }
        Ok(sight)
    }

    /// What a run touches, if work is under way or lies ahead, or if it holds locks; and how far it is.
    fn touching(&self, project: &Project, live: &LiveRun) -> (Option<Touching>, Turn) {
        let at = Moment { now: self.clock.now(), project };
        let held = live.claims().held;
        let Prospect { mut items, starts, works, times, turn } = live.prospect(&at);
        if !starts && !works {
            items.clear();
        }
        items.extend(held.into_keys());
        ((!items.is_empty()).then_some(Touching { items, times }), turn)
    }
}

impl Sight {
    fn family(&self, row: &RunRow) -> u64 {
        self.families.get(&row.id).copied().unwrap_or(row.number)
    }

    /// All conflicts.
    fn conflicts(
        &self,
        project: &Project,
    ) -> impl Iterator<Item = (&RunRow, &RunRow, BTreeSet<Overlap>)> {
        self.unrelated(conflicts(&self.runs, project.items()))
    }

    /// What was found, but for conflicts of runs that have started one another: what these do at the same
    /// time is for their definitions to say.
    fn unrelated(
        &self,
        found: BTreeMap<(usize, usize), BTreeSet<Overlap>>,
    ) -> impl Iterator<Item = (&RunRow, &RunRow, BTreeSet<Overlap>)> {
        found.into_iter().filter_map(|((one, other), items)| {
            let (one, other) = (self.rows.get(one)?, self.rows.get(other)?);
            (self.family(one) != self.family(other)).then_some((one, other, items))
        })
    }

    /// Those of one run, with the items as that sees them.
    fn of(&self, project: &Project, run: RunId) -> Vec<(&RunRow, &RunRow, Vec<Overlap>)> {
        let Some(at) = self.rows.iter().position(|row| row.id == run) else { return Vec::new() };
        let found = conflicts_of(at, &self.runs, project.items());
        let found = self.unrelated(found).map(|(one, other, items)| {
            if one.id == run {
                (one, other, items.into_iter().collect())
            } else {
                (other, one, items.iter().map(Overlap::turned).collect())
            }
        });
        found.collect()
    }

    /// What a run is told that is about to be released; and all runs by whose doings that may change.
    pub(crate) fn look(&self, project: &Project, run: RunId) -> (Look, BTreeSet<RunId>) {
        let (mut with, mut families) = (Vec::new(), BTreeSet::new());
        for (own, other, items) in self.of(project, run) {
            let (own, family) = (self.family(own), self.family(other));
            let turn = self.turns.get(&family).copied().unwrap_or_default();
            let first = turn.goes_first(family, own);
            if first {
                families.insert(family);
            }
            with.push(Found {
                run: other.id,
                number: other.number,
                title: other.title.chars().take(TITLE_CHARS_MAX).collect(),
                first,
                digest: digest(&items.iter().cloned().collect()),
                items: items.into_iter().take(ITEMS_NOTED_MAX).collect(),
            });
        }
        with.sort_by_key(|one| (!one.first, one.number));
        let more = with.iter().skip(RUNS_NOTED_MAX).filter(|one| one.first).count();
        with.truncate(RUNS_NOTED_MAX);
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let members = self.families.iter().filter(|(_, family)| families.contains(family));
        (Look { with, more }, members.map(|(run, _)| *run).collect())
    }

    /// How many events a run had when it was looked at.
    pub(crate) fn version(&self, run: RunId) -> Option<Version> {
        self.versions.get(&run).copied()
    }
}

impl Engine {
    fn looker(&self) -> Looker {
        Looker {
            shards: self.shared.shards.clone(),
            read_model: self.shared.read_model.clone(),
            acknowledged: self.shared.acknowledged.clone(),
            clock: Arc::clone(&self.shared.clock),
        }
    }

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
        let looker = self.looker();
        if let Some(run) = of
            && looker.touching(project, &self.live(run).await?).0.is_none()
        {
            return Ok(Vec::new());
        }
        let sight = looker.sight(project).await?;
        let row = |one: &RunRow, other: &RunRow, items| ConflictRow {
            run: one.clone(),
            with: other.clone(),
            items,
        };
        Ok(match of {
            None => sight
                .conflicts(project)
                .map(|(one, other, items)| row(one, other, items.into_iter().collect()))
                .collect(),
            Some(run) => {
                let found = sight.of(project, run).into_iter();
                found.map(|(one, other, items)| row(one, other, items)).collect()
            }
        })
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
}
