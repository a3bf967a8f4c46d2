//! The thread that seals: it writes tails that have enough events to segments and drops them, and
//! keeps an empty tail at hand, so that the committer need not wait for one.
//!
//! When sealing fails, say because the disk is full, the log goes on in the tails that there are, and
//! sealing is tried again later.

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::Duration,
};

use holdpoint_core::event::Sequence;
use holdpoint_log::merkle::MerkleTree;

use crate::{
    block,
    failure::OpenFailure,
    log::Shared,
    segment::{Segment, SegmentFailure, SegmentWriter},
    store::StoreFailure,
    tail::{self, Tail},
};

/// How long sealing is left alone after it failed, unless another tail is full before.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A tail that is to be sealed.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub tail: Arc<Tail>,
    /// The Merkle tree over the log up to the tail's last event.
    pub end: MerkleTree,
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Sealer {
    pub shared: Arc<Shared>,
    pub tails: PathBuf,
    pub sealed: PathBuf,
    /// The number of the next tail that is made.
    pub next_number: u64,
    /// An empty tail that is there already.
    pub spare: Option<Arc<Tail>>,
    /// Tails that an earlier process had no time to seal.
    pub unsealed: Vec<Full>,
    /// Tails to be sealed come in here, and empty ones go out there.
    pub full: Receiver<Full>,
    pub empty: SyncSender<Arc<Tail>>,
    /// Set when the log is being closed: sealing can wait for the next opening.
    pub stop: Arc<AtomicBool>,
}

/// Why a tail was not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFailure {
    #[error("the log is being closed")]
    Stopped,
    #[error("{0}")]
    Segment(#[from] SegmentFailure),
    #[error("{0}")]
    Store(#[from] StoreFailure),
    #[error("{0}")]
    Making(#[from] OpenFailure),
}

impl Sealer {
    /// Keeps an empty tail at hand and seals full ones, until the log is closed.
    pub(crate) fn run(mut self) {
        let mut waiting = VecDeque::from(std::mem::take(&mut self.unsealed));
        let mut owes_spare = true;
        loop {
            let outcome = self.work(&mut waiting, &mut owes_spare);
            let received = match outcome {
                Ok(()) => self.full.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Err(SealFailure::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "sealing is tried again later: the log goes on unsealed");
                    self.full.recv_timeout(RETRY_AFTER)
                }
            };
            match received {
                // Whoever sent it has taken the empty tail.
                Ok(full) => {
                    waiting.push_back(full);
                    owes_spare = true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn work(
        &mut self,
        waiting: &mut VecDeque<Full>,
        owes_spare: &mut bool,
    ) -> Result<(), SealFailure> {
        if *owes_spare {
            let spare = match self.spare.take() {
                Some(spare) => spare,
                None => self.make()?,
            };
            self.empty.send(spare).map_err(|_| SealFailure::Stopped)?;
            *owes_spare = false;
        }
        while let Some(full) = waiting.front() {
            self.replace(full)?;
            waiting.pop_front();
        }
        Ok(())
    }

    fn make(&mut self) -> Result<Arc<Tail>, SealFailure> {
        let made = Tail::make(&self.tails, self.next_number)?;
        self.next_number += 1;
        Ok(Arc::new(made))
    }

    /// Puts a segment in place of a tail.
    fn replace(&self, full: &Full) -> Result<(), SealFailure> {
        let number = full.tail.number;
        self.shared.sealed(number, self.seal(full)?);
        self.retire(number);
        Ok(())
    }

    /// Writes a segment with the events of a tail, if it has any. All that was acknowledged of it
    /// must be in the segment, or the tail stays.
    pub(crate) fn seal(&self, Full { tail, end }: &Full) -> Result<Option<Segment>, SealFailure> {
        let segments = &self.shared.parts().segments;
        let before = segments.last().map_or_else(MerkleTree::new, |last| last.after.clone());
        if before == *end && tail.store.block_first(Sequence(u64::MAX))?.is_none() {
            return Ok(None);
        }
        let mut writer = SegmentWriter::create(&self.sealed, before)?;
        while writer.tree().size() < end.size() {
            if self.stop.load(Ordering::Relaxed) {
                return Err(SealFailure::Stopped);
            }
            let next = Sequence(writer.tree().size()).next();
            if tail.store.block_first(next)? != Some(next) {
                return Err(SegmentFailure::Damaged(format!("event {next} is missing")).into());
            }
            let block =
                block::decode(&tail.store.block_bytes(next)?).map_err(SegmentFailure::Damaged)?;
            block.records.iter().try_for_each(|record| writer.push(record))?;
        }
        if writer.tree() != end {
            let reason = "its events are not those that were acknowledged".to_owned();
            return Err(SegmentFailure::Damaged(reason).into());
        }
        Ok(Some(writer.finish()?))
    }

    /// Removes the directory of a tail that was sealed. What cannot be removed is at the next
    /// opening.
    fn retire(&self, number: u64) {
        let removed = tail::retire(&self.tails, number).and_then(fs::remove_dir_all);
        if let Err(error) = removed {
            tracing::warn!(%error, number, "a sealed tail could not be removed yet");
        }
    }
}
