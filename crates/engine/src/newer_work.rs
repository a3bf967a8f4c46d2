//! Whether other runs have worked since at the targets of a rollout that somebody wants undone.

use std::collections::BTreeSet;

use holdpoint_core::{
    Action, Command, Event, ItemName, NextAsk, NextStep, Refusal, RefusalCode, RunId, Sequence,
    Steering, StreamId, Version,
    newer_work::{Newer, Trail, Undoable},
};

use crate::{
    engine::Engine,
    failure::{CommandFailure, QueryFailure},
    load::LiveRun,
    query::{RunDetail, RunFilter, RunRow},
};

/// How many events are read at once.
const READ_LIMIT: usize = 512;

/// How many targets and runs a refusal names.
const NAMED_MAX: usize = 5;

impl Engine {
    /// Refuses to undo a rollout that was done where another run of the project, which the command does
    /// not name, has worked at its targets since, or holds a lock on one. All runs of the project that
    /// something has happened to since are looked at, and all that are not over.
    pub(crate) async fn refuse_over_newer(
        &self,
        run: RunId,
        command: &Command,
    ) -> Result<(), CommandFailure> {
        let Action::Steer { steering: Steering::Rollback, state, over, .. } = &command.action
        else {
            return Ok(());
        };
        let live = self.live(run).await?;
        let meant = |one: &Undoable| state.as_ref().is_none_or(|state| *state == one.state);
        let undoable = live.undoable().into_iter().filter(meant);
        let targets: BTreeSet<String> = undoable.flat_map(|one| one.targets).collect();
        // What was answered before is answered as ever.
        if targets.is_empty() || !matches!(live.run.answer_to(command), Ok(None)) {
            return Ok(());
        }
        // What is refused anyway is refused for that.
        self.decided(run, command).await?;
        if over.contains(&run) {
            return Err(Refusal::new(
                RefusalCode::InvalidInput,
                "a rollout is not undone over the work of its own run",
            )
            .needs("name the runs that have worked at its targets since: `show` says which")
            .into());
        }
        let found = self.newer_work(&live, &targets, over).await?;
        if found.is_empty() { Ok(()) } else { Err(refusal(&found).into()) }
    }

    /// Adds to the steps that undo a rollout which was done, over the newer work of which runs that would be.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    pub async fn note_newer_work(&self, detail: &mut RunDetail) -> Result<(), QueryFailure> {
        for NextStep { text, ask } in &mut detail.view.next_steps {
            let Some(NextAsk::Steer { steering: Steering::Rollback, state, over }) = ask else {
                continue;
            };
            let live = self.live(detail.row.id).await?;
            let undoable = live.undoable().into_iter().filter(|one| one.state == *state);
            let targets: BTreeSet<String> = undoable.flat_map(|one| one.targets).collect();
            let found = self.newer_work(&live, &targets, &BTreeSet::new()).await?;
            if !found.is_empty() {
                *text = format!("{text}; {}", told(&found));
                *over = found.iter().map(|one| one.row.number).collect();
            }
        }
        Ok(())
    }

    /// The runs that have worked at some of these targets since `live` has, or hold a lock on one.
    async fn newer_work(
        &self,
        live: &LiveRun,
        targets: &BTreeSet<String>,
        over: &BTreeSet<RunId>,
    ) -> Result<Vec<Against>, QueryFailure> {
        let run = live.run.id();
        let mine = self.trail(live, Sequence::ZERO).await?;
        let since = mine.since(targets);
        let filter =
            RunFilter { project: Some(live.run.project().clone()), ..RunFilter::default() };
        let mut found = Vec::new();
        for row in self.runs(&filter).await?.into_iter().rev() {
            let has_news = row.at.sequence > since;
            if row.id == run || over.contains(&row.id) || (row.status.is_ended() && !has_news) {
                continue;
            }
            let (mut trail, mut unknown) = (Trail::default(), None);
            let held: BTreeSet<ItemName> = match self.live(row.id).await {
                Ok(other) => {
                    if has_news {
                        trail = self.trail(&other, since).await?;
                    }
                    other.claims().held.into_keys().collect()
                }
                // It is broken, alone; if anything has happened to it since, who undoes the rollout
                // has to say that it is done over its work.
                Err(failure) if failure.is_of_the_run() => {
                    let stream = StreamId { project: row.project.clone(), run: Some(row.id) };
                    let take = |_: &Event| unknown = Some(failure.to_string());
                    self.each_after(&stream, since, take).await?;
                    self.shared.read_model.held(&row.project, row.id).await?
                }
                Err(failure) => return Err(failure),
            };
            let newer = mine.newer(targets, &trail, &held);
            if !newer.is_nothing() || unknown.is_some() {
                found.push(Against { row, newer, unknown });
            }
        }
        Ok(found)
    }

    /// What a run has done at targets after a position of the log.
    async fn trail(&self, live: &LiveRun, after: Sequence) -> Result<Trail, QueryFailure> {
        let stream = StreamId { project: live.run.project().clone(), run: Some(live.run.id()) };
        let mut trail = Trail::default();
        let take = |event: &Event| trail.take(event, |effect| live.reach(effect));
        self.each_after(&stream, after, take).await?;
        Ok(trail)
    }

    /// Takes in each event of a stream after a position of the log.
    async fn each_after(
        &self,
        stream: &StreamId,
        after: Sequence,
        mut take: impl FnMut(&Event) + Send,
    ) -> Result<(), QueryFailure> {
        let mut version = Version::ZERO;
        loop {
            let log = &self.shared.library.log;
            let records = log.read_stream(stream, version, READ_LIMIT).await?;
            let whole = records.len() < READ_LIMIT;
            for record in records {
                let event = record.event()?;
                version = event.version;
                if event.sequence > after {
                    take(&event);
                }
            }
            if whole {
                return Ok(());
            }
        }
    }
}

/// A run that stands against undoing a rollout.
struct Against {
    row: RunRow,
    newer: Newer,
    /// Why nobody can tell where it has worked since, if anything has happened to it.
    unknown: Option<String>,
}

/// What stands against undoing, in words.
fn told(found: &[Against]) -> String {
    let named = |targets: &BTreeSet<String>| {
        let few: Vec<&str> = targets.iter().take(NAMED_MAX).map(String::as_str).collect();
        let more = targets.len().saturating_sub(NAMED_MAX);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("{}{more}", few.join(", "))
    };
    let mut told = Vec::new();
    for Against { row, newer, unknown } in found.iter().take(NAMED_MAX) {
        let run = format!("run {} ({})", row.number, row.title);
        if !newer.worked.is_empty() {
            told.push(format!("{run} has worked at {} since", named(&newer.worked)));
        }
        if let Some(why) = unknown {
            told.push(format!("where {run} has worked since cannot be told: {why}"));
        }
        if !newer.locked.is_empty() {
            told.push(format!("{run} holds the lock on {}", named(&newer.locked)));
        }
    }
    if found.len() > NAMED_MAX {
        told.push(format!("so it is with {} more runs", found.len().saturating_sub(NAMED_MAX)));
    }
    told.join("; ")
}

fn refusal(found: &[Against]) -> Refusal {
    let worked = found.iter().any(|one| !one.newer.worked.is_empty());
    let unknown = found.iter().any(|one| one.unknown.is_some());
    let code = if worked || unknown { RefusalCode::NewerWork } else { RefusalCode::LockedByOther };
    let runs: Vec<String> = found.iter().map(|one| format!("--over {}", one.row.number)).collect();
    let first = if worked {
        "undo that first, where it is to be undone"
    } else if unknown {
        "see in its history what it has done"
    } else {
        "wait until the lock is given back"
    };
    Refusal::new(code, told(found)).needs(format!(
        "{first}; or undo the rollout over it, with a reason that says why: `{}`",
        runs.join(" ")
    ))
}
