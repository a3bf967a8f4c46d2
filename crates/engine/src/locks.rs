//! The task that says which run may have which locks.
//!
//! Shards tell it what their runs durably hold and wait for; it keeps the one [`LockTable`] and tells
//! the shard of a run that may have what it waits for. It keeps nothing that does not follow from the
//! runs' states, so that the next start makes it anew. A shard never waits for it.

use holdpoint_core::{
    Claims, ProjectId, RunId,
    lock::{Grant, LockTable},
};
use tokio::sync::{mpsc, oneshot};

use crate::{engine::shard_of, shard::Ask};

/// What the task is told.
pub(crate) enum LockNews {
    /// What a run holds and waits for now.
    Claims {
        run: RunId,
        project: ProjectId,
        claims: Claims,
    },
    /// Answer with how many grants have been sent, when all that was told before has been taken.
    Count(oneshot::Sender<u64>),
    Stop,
}

/// The way to tell it.
pub(crate) type TellLocks = mpsc::UnboundedSender<LockNews>;

/// The task's state.
pub(crate) struct LockDesk {
    news: mpsc::UnboundedReceiver<LockNews>,
    table: LockTable,
    shards: Vec<mpsc::Sender<Ask>>,
    sent: u64,
    first: Vec<Grant>,
}

impl LockDesk {
    /// A desk over what all runs hold and wait for.
    pub(crate) fn new(
        runs: Vec<(RunId, ProjectId, Claims)>,
        news: mpsc::UnboundedReceiver<LockNews>,
        shards: Vec<mpsc::Sender<Ask>>,
    ) -> Self {
        let (table, first) = LockTable::of(runs);
        Self { news, table, shards, sent: 0, first }
    }

    pub(crate) async fn run(mut self) {
        let first = std::mem::take(&mut self.first);
        self.send(first).await;
        while let Some(news) = self.news.recv().await {
            match news {
                LockNews::Claims { run, project, claims } => {
                    let grants = self.table.tell(run, &project, claims);
                    self.send(grants).await;
                }
                LockNews::Count(reply) => {
                    // Who asked may have gone.
                    let _ = reply.send(self.sent);
                }
                LockNews::Stop => return,
            }
        }
    }

    async fn send(&mut self, grants: Vec<Grant>) {
        for Grant { run, effect } in grants {
            self.sent = self.sent.saturating_add(1);
            if let Some(shard) = self.shards.get(shard_of(run, self.shards.len())) {
                // A shard that has ended takes nothing up; the next start grants again.
                let _ = shard.send(Ask::Granted { run, effect }).await;
            }
        }
    }
}
