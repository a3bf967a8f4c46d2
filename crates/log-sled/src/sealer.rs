//! The thread that seals: it writes tails that have enough events to segments and drops them, and
//! keeps an empty tail at hand, so that the committer need not wait for one. When it has sealed
//! something and has nothing else to do, it merges segments.
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
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError},
    },
    time::Duration,
};

use holdpoint_core::event::Sequence;
use holdpoint_log::merkle::MerkleTree;

use crate::{
    block,
    failure::OpenFailure,
    log::Shared,
    merger::Merge,
    segment::{Segment, SegmentFailure},
    segment_writer::SegmentWriter,
    segments::NEW,
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
    /// Set when the log is being closed: what was not begun can wait for the next opening.
    pub stop: Arc<AtomicBool>,
    /// Segments with fewer bytes of events are merged.
    pub segment_bytes: u64,
    /// The merge under way.
    pub merge: Option<Merge>,
    /// Whether there can be something to merge. It is looked for only when something was sealed: a
    /// process that does not live long enough to finish a merge shall not begin one every time.
    pub may_merge: bool,
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
        // One tail is sealed also by a process that is done in a moment: of many such processes none
        // would ever come to it. What fails here is tried again, and said, below.
        if let Some(full) = waiting.front()
            && self.replace(full).is_ok()
        {
            waiting.pop_front();
        }
        loop {
            let outcome = self.work(&mut waiting, &mut owes_spare);
            let received = match outcome {
                Ok(()) => self.wait(),
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

    /// Merges segments until another tail is full, and then waits for that.
    fn wait(&mut self) -> Result<Full, RecvTimeoutError> {
        while self.may_merge {
            match self.full.try_recv() {
                Ok(full) => return Ok(full),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            }
            if let Err(error) = self.merge_some() {
                tracing::warn!(%error, "segments are merged later");
                self.may_merge = false;
            }
        }
        self.full.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    /// Begins a merge, goes on with it, or ends it.
    fn merge_some(&mut self) -> Result<(), SegmentFailure> {
        let mut merge = match self.merge.take() {
            Some(merge) => merge,
            None => {
                let segments = self.shared.parts().segments;
                let Some(begun) = Merge::begin(&self.sealed, &segments, self.segment_bytes)? else {
                    self.may_merge = false;
                    return Ok(());
                };
                begun
            }
        };
        if !merge.step()? {
            self.merge = Some(merge);
            return Ok(());
        }
        let (merged, sources) = merge.finish()?;
        self.shared.merged(merged);
        // The last one first: what is left of them, when this is cut short, is a beginning.
        for source in sources.iter().rev() {
            if let Err(error) = fs::remove_file(source.path()) {
                tracing::warn!(%error, "a merged segment could not be removed yet");
            }
        }
        Ok(())
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
            if self.stop.load(Ordering::Relaxed) {
                return Err(SealFailure::Stopped);
            }
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
    fn replace(&mut self, full: &Full) -> Result<(), SealFailure> {
        let number = full.tail.number;
        self.shared.sealed(number, self.seal(full)?);
        self.retire(number);
        self.may_merge = true;
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
        let mut writer = SegmentWriter::create(&self.sealed, NEW, before)?;
        while writer.tree().size() < end.size() {
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
