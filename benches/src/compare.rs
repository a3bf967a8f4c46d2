//! The comparison: every store in turn, a short while each, again and again.

use std::{path::Path, sync::Arc, time::Duration};

use holdpoint::{core::Sequence, log::EventLog, log_sled::SledLog};
use holdpoint_bench::{Appender, BenchFailure, Measured, Raw, TURNS, Writer, at_once};

use crate::{Fjall, GroupCommit, Redb, Sqlite, Store, StoreFailure};

/// How many different events there are.
const EVENTS: usize = 1024;

/// What a store did.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Which store.
    pub name: &'static str,
    /// How many events, and how long each took.
    pub measured: Measured,
}

/// Writers that rest between their turns.
struct Resting<W> {
    name: &'static str,
    writers: Vec<W>,
    measured: Measured,
}

impl<W: Writer> Resting<W> {
    /// The writers, after a first turn that does not count.
    async fn new(
        name: &'static str,
        writers: Vec<W>,
        turn: Duration,
    ) -> Result<Self, BenchFailure> {
        let (writers, _) = at_once(writers, turn).await?;
        Ok(Self { name, writers, measured: Measured::new()? })
    }

    async fn turn(&mut self, turn: Duration) -> Result<(), BenchFailure> {
        let (rested, measured) = at_once(std::mem::take(&mut self.writers), turn).await?;
        self.writers = rested;
        self.measured.then(&measured)
    }

    fn compared(&self) -> Compared {
        Compared { name: self.name, measured: self.measured.clone() }
    }
}

async fn store<S: Store>(
    store: &GroupCommit<S>,
    events: &Arc<[Vec<u8>]>,
    writers: u32,
    turn: Duration,
) -> Result<Resting<impl Writer + use<S>>, BenchFailure> {
    Resting::new(S::NAME, store.writers(events, writers), turn).await
}

/// Has `writers` append to each store in `directory`, which must be empty, for as long as `span`
/// each. The first answer is the limit: a plain file that takes one event of each writer, and a
/// sync. The second is Holdpoint's.
///
/// # Errors
/// The first error that any has had.
pub async fn compare(
    directory: &Path,
    writers: u32,
    span: Duration,
) -> Result<Vec<Compared>, StoreFailure> {
    let turn = span / TURNS;
    let log: Arc<dyn EventLog> =
        Arc::new(SledLog::create(directory.join("log"), "cargo bench").await?);
    let mut ours = Resting::new("Holdpoint", Appender::many(&log, writers)?, turn).await?;
    // The others are given what ours has made of its events: they need not write JSON.
    let records = log.read(Sequence::ZERO, EVENTS).await?;
    let events: Arc<[Vec<u8>]> = records.into_iter().map(|one| one.bytes.into_vec()).collect();
    let bytes: usize = events.iter().map(Vec::len).sum();
    let raw = Raw::new(directory, writers.into(), bytes / events.len().max(1));
    let mut limit = Measured::new()?;

    let redb = GroupCommit::<Redb>::open(directory)?;
    let sqlite = GroupCommit::<Sqlite>::open(directory)?;
    let fjall = GroupCommit::<Fjall>::open(directory)?;
    let mut on_redb = store(&redb, &events, writers, turn).await?;
    let mut on_sqlite = store(&sqlite, &events, writers, turn).await?;
    let mut on_fjall = store(&fjall, &events, writers, turn).await?;
    for _ in 0..TURNS {
        limit.then(&raw.write(turn).await?)?;
        ours.turn(turn).await?;
        on_redb.turn(turn).await?;
        on_sqlite.turn(turn).await?;
        on_fjall.turn(turn).await?;
    }
    Ok(vec![
        Compared { name: "plain file", measured: limit },
        ours.compared(),
        on_redb.compared(),
        on_sqlite.compared(),
        on_fjall.compared(),
    ])
}
