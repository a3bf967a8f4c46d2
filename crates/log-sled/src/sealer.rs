//! The thread that seals: it writes tails that have enough events to segments and drops them, and
//! keeps an empty tail at hand, so that the committer need not wait for one.
//!
//! When sealing fails, say because the disk is full, the log goes on in the tails that there are:
//! history does not depend on it.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender},
    },
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
    pub unsealed: Vec<Arc<Tail>>,
    /// Tails to be sealed come in here, and empty ones go out there.
    pub full: Receiver<Arc<Tail>>,
    pub empty: SyncSender<Arc<Tail>>,
    /// Set when the log is being closed: sealing can wait for the next opening.
    pub stop: Arc<AtomicBool>,
}

/// Why a tail was not sealed.
#[derive(Debug, thiserror::Error)]
enum SealFailure {
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
        let worked = self.work();
        match worked {
            Ok(()) | Err(SealFailure::Stopped) => {}
            Err(error) => {
                tracing::warn!(%error, "nothing more is sealed: the log goes on in its last tail");
            }
        }
    }

    fn work(&mut self) -> Result<(), SealFailure> {
        let spare = match self.spare.take() {
            Some(spare) => spare,
            None => self.make()?,
        };
        self.offer(spare)?;
        for tail in std::mem::take(&mut self.unsealed) {
            self.replace(tail)?;
        }
        while let Ok(tail) = self.full.recv() {
            // Whoever sent it has taken the empty one.
            let next = self.make()?;
            self.offer(next)?;
            self.replace(tail)?;
        }
        Ok(())
    }

    fn make(&mut self) -> Result<Arc<Tail>, SealFailure> {
        let made = Tail::make(&self.tails, self.next_number)?;
        self.next_number += 1;
        Ok(Arc::new(made))
    }

    fn offer(&self, spare: Arc<Tail>) -> Result<(), SealFailure> {
        self.empty.send(spare).map_err(|_| SealFailure::Stopped)
    }

    /// Puts a segment in place of `tail`.
    fn replace(&self, tail: Arc<Tail>) -> Result<(), SealFailure> {
        let number = tail.number;
        self.shared.sealed(number, self.seal(&tail)?);
        drop(tail);
        self.retire(number);
        Ok(())
    }

    /// Writes a segment with the events of `tail`, if it has any.
    fn seal(&self, tail: &Tail) -> Result<Option<Segment>, SealFailure> {
        let segments = &self.shared.parts().segments;
        let before = segments.last().map_or_else(MerkleTree::new, |last| last.after.clone());
        let first = Sequence(before.size()).next();
        if tail.store.block_first(first)? != Some(first) {
            return Ok(None);
        }
        let mut writer = SegmentWriter::create(&self.sealed, before)?;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(SealFailure::Stopped);
            }
            let next = Sequence(writer.tree().size()).next();
            if tail.store.block_first(next)? != Some(next) {
                break;
            }
            let block =
                block::decode(&tail.store.block_bytes(next)?).map_err(SegmentFailure::Damaged)?;
            block.records.iter().try_for_each(|record| writer.push(record))?;
            if writer.tree().root() != block.header.root {
                let reason = format!("the root of the block of event {next} is not its events'");
                return Err(SegmentFailure::Damaged(reason).into());
            }
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
