//! Runs that cannot be loaded: nothing is decided about them but that a lock is taken from them, or they would
//! keep others waiting for as long as nobody can load them.

use holdpoint_core::{
    Action, Claims, Command, EventId, Moment, ProjectId, Remains, RunAnswer, RunId, Sequence,
    StreamId,
};
use holdpoint_log::Append;

use super::{Done, Shard};
use crate::{
    broken::record_of_remains,
    engine::new_event_id,
    failure::{CommandFailure, QueryFailure},
    locks::LockNews,
    read_model::{RunRecord, Subject, Update},
    slot::{CommandReply, Waiting},
};

/// What came of a command to a run that cannot be loaded.
pub(super) struct Taken {
    answer: RunAnswer,
    /// What was appended: the event, its position, and the run with it. None for a command that was
    /// answered before.
    news: Option<(EventId, Sequence, Box<Remains>)>,
}

impl Shard {
    /// Sees what is known of a run that could not be loaded, where it is of the run alone.
    pub(super) fn not_loaded(&mut self, run: RunId, failure: QueryFailure) {
        if !failure.is_of_the_run() {
            tracing::error!(%run, error = %failure, "a run could not be loaded");
            return self.give_up(run, &failure);
        }
        let (library, read_model) = (self.library.clone(), self.read_model.clone());
        self.under_way.push(Box::pin(async move {
            let look = async || -> Result<Option<Box<RunRecord>>, QueryFailure> {
                let Some(row) = read_model.row(run).await? else { return Ok(None) };
                let stream = StreamId { project: row.project, run: Some(run) };
                let known = read_model.claims_of(run).await?;
                let record = library.broken(&stream, &failure, known.clone()).await?;
                let is_news = record.row.state != row.state || record.claims != known;
                Ok(is_news.then(|| Box::new(record)))
            };
            let record = look().await.unwrap_or_else(|error| {
                tracing::error!(%run, %error, "what is known of a run could not be read");
                None
            });
            Done::Broken { run, failure, record }
        }));
    }

    /// Has a run listed as broken, which waits for no locks any more, and answers those who wait for it.
    pub(super) async fn broken(
        &mut self,
        run: RunId,
        failure: QueryFailure,
        record: Option<Box<RunRecord>>,
    ) {
        if let Some(record) = record {
            let (project, claims) = (record.row.project.clone(), record.claims.clone());
            self.read_model.tell(Update::Broken(record)).await;
            self.tell_locks(run, project, claims);
        }
        self.unloadable(run, failure);
    }

    fn tell_locks(&self, run: RunId, project: ProjectId, claims: Claims) {
        if let Some(locks) = &self.locks {
            // The desk ends after the shards.
            let _ = locks.send(LockNews::Claims { run, project, claims });
        }
    }

    /// Answers all that wait for a run that cannot be loaded, those who would take a lock from it one after the
    /// other.
    fn unloadable(&mut self, run: RunId, failure: QueryFailure) {
        let takes = |waiting: &Waiting| {
            matches!(waiting, Waiting::Command { command, .. }
                if matches!(command.action, Action::BreakLock { .. }))
        };
        let slot = self.slots.get_mut(&run).filter(|_| failure.is_of_the_run());
        let next = slot.and_then(|slot| {
            let at = slot.waiting.iter().position(takes)?;
            slot.waiting.remove(at)
        });
        let Some(Waiting::Command { command, reply, .. }) = next else {
            return self.give_up(run, &failure);
        };
        let now = self.clock.now();
        let (library, read_model) = (self.library.clone(), self.read_model.clone());
        self.under_way.push(Box::pin(async move {
            let take = async |command: &Command| -> Result<Taken, CommandFailure> {
                let none = || QueryFailure::NoSuchRun(run);
                let located = read_model.locate(run).await?.ok_or_else(none)?;
                let stream = StreamId { project: located.project, run: Some(run) };
                let mut remains = library.remains(&stream).await?.ok_or_else(none)?;
                if let Some(answer) = remains.answer_to(command)? {
                    return Ok(Taken { answer, news: None });
                }
                let project = library.projects.get(&stream.project).ok_or_else(none)?;
                let now = now.max(remains.updated);
                let decided = remains.decide(command, &Moment { now, project: &project })?;
                let request = Some(command.request());
                let expected = remains.at.version;
                let events = command.events(&stream, request, now, decided, new_event_id);
                let append = Append { stream: stream.clone(), expected, events };
                library.append(append).await?;
                // It is what is in the log now.
                let found = library.log.read_stream(&stream, expected, 1).await;
                let found = found.map_err(QueryFailure::from)?;
                let event = found.first().ok_or_else(none)?.event().map_err(QueryFailure::from)?;
                remains.take(&event);
                let answer = remains.at;
                Ok(Taken { answer, news: Some((event.id, event.sequence, Box::new(remains))) })
            };
            let result = take(&command).await;
            Done::Taken { run, failure, reply, result }
        }));
    }

    /// Tells that a lock was taken, and goes on with what else waits.
    pub(super) async fn taken(
        &mut self,
        run: RunId,
        failure: QueryFailure,
        reply: CommandReply,
        result: Result<Taken, CommandFailure>,
    ) {
        let answer = match result {
            Ok(Taken { answer, news: None }) => Ok(answer),
            Ok(Taken { answer, news: Some((event, at, remains)) }) => {
                let record = record_of_remains(&remains, &failure, Claims::default());
                let (project, claims) = (record.row.project.clone(), record.claims.clone());
                let subject = Subject::Run(Box::new(record));
                self.read_model
                    .tell(Update::Committed { first: at, last: at, event, subject })
                    .await;
                self.acknowledged.raise(at);
                self.tell_locks(run, project, claims);
                Ok(answer)
            }
            Err(failure) => Err(failure),
        };
        let _ = reply.send(answer);
        self.unloadable(run, failure);
    }
}
