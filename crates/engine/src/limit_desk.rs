//! The task that says which attempts may begin where their number is limited.
//!
//! Shards ask it for a [`Permit`]; it keeps the one [`Limiter`] and tells the shard when an attempt
//! may begin, or that it waits. It keeps nothing that must outlive the engine: after a start nothing
//! is under way, and what waits asks again. A shard never waits for it.

use std::sync::Arc;

use holdpoint_core::ProjectId;
use tokio::sync::mpsc;

use crate::{
    clock::Clock,
    engine::shard_of,
    limits::{Limiter, Takes, Ticket, Waits},
    shard::Ask,
};

/// What the task is told.
pub(crate) enum LimitNews {
    Wants {
        ticket: Ticket,
        project: ProjectId,
        takes: Takes,
    },
    /// What an attempt has taken up is free; whether anybody has begun to do it.
    GivesBack {
        ticket: Ticket,
        was_begun: bool,
    },
    /// A worker asks for an attempt in a queue.
    Offered(String),
    /// It has gone away without one.
    Withdrawn(String),
    Stop,
}

/// The way to tell it.
pub(crate) type TellLimits = mpsc::UnboundedSender<LimitNews>;

/// An attempt's place, from when it is asked for. What was taken up is free again when it is dropped.
pub(crate) struct Permit {
    ticket: Ticket,
    /// Whether the attempt may begin.
    pub(crate) granted: bool,
    /// Whether it is recorded that the attempt waits, or about to be.
    pub(crate) is_told: bool,
    /// Whether whoever does the work has begun.
    pub(crate) was_begun: bool,
    desk: TellLimits,
}

impl Permit {
    /// Asks for a place, where one is needed. `is_told` is whether it is recorded that the attempt waits.
    pub(crate) fn ask(
        desk: &TellLimits,
        ticket: Ticket,
        project: ProjectId,
        takes: Takes,
        is_told: bool,
    ) -> Option<Self> {
        if takes.is_nothing() {
            return None;
        }
        // The desk ends after the shards.
        let _ = desk.send(LimitNews::Wants { ticket: ticket.clone(), project, takes });
        Some(Self { ticket, granted: false, is_told, was_begun: false, desk: desk.clone() })
    }

    pub(crate) fn is_for(&self, attempt: u32) -> bool {
        self.ticket.attempt == attempt
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // As above.
        let (ticket, was_begun) = (self.ticket.clone(), self.was_begun);
        let _ = self.desk.send(LimitNews::GivesBack { ticket, was_begun });
    }
}

/// The task's state.
pub(crate) struct LimitDesk {
    pub(crate) news: mpsc::UnboundedReceiver<LimitNews>,
    pub(crate) limiter: Limiter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shards: Vec<mpsc::Sender<Ask>>,
}

impl LimitDesk {
    pub(crate) async fn run(mut self) {
        loop {
            let next = self.limiter.next();
            let clock = Arc::clone(&self.clock);
            let time = async move {
                match next {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let mut asked = None;
            tokio::select! {
                news = self.news.recv() => match news {
                    Some(LimitNews::Wants { ticket, project, takes }) => {
                        self.limiter.ask(ticket.clone(), project, takes);
                        asked = Some(ticket);
                    }
                    Some(LimitNews::GivesBack { ticket, was_begun }) => {
                        self.limiter.give_back(&ticket, was_begun);
                    }
                    Some(LimitNews::Offered(queue)) => self.limiter.offered(queue),
                    Some(LimitNews::Withdrawn(queue)) => self.limiter.withdrawn(&queue),
                    Some(LimitNews::Stop) | None => return,
                },
                () = time => {}
            }
            for ticket in self.limiter.admit(self.clock.now()) {
                self.tell(Ask::Admitted(ticket)).await;
            }
            if let Some(ticket) = asked
                && let Some(waits) = self.limiter.waits(&ticket)
            {
                let Waits { for_what, before } = waits;
                self.tell(Ask::Queued { ticket, for_what, before }).await;
            }
        }
    }

    async fn tell(&self, ask: Ask) {
        let (Ask::Admitted(ticket) | Ask::Queued { ticket, .. }) = &ask else { return };
        if let Some(shard) = self.shards.get(shard_of(ticket.run, self.shards.len())) {
            // A shard that has ended takes nothing up.
            let _ = shard.send(ask).await;
        }
    }
}
