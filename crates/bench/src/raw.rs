//! The limit: a plain file that is appended to and synced.

use std::{
    fs::{self, File},
    io::{self, Write},
    iter,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{BenchFailure, Measured, Writer, at_once};

/// A plain file to which batches are appended, each synced (`fdatasync` on Linux) before the next.
#[derive(Clone, Debug)]
pub struct Raw {
    path: PathBuf,
    batch: u64,
    content: Vec<u8>,
}

impl Raw {
    /// Batches of `batch` items of `bytes` each, for a file in `directory`.
    #[must_use]
    pub fn new(directory: &Path, batch: u64, bytes: usize) -> Self {
        let length = bytes.saturating_mul(usize::try_from(batch).unwrap_or(usize::MAX));
        // Random, so that no file system saves on it.
        let mut noise = fastrand::Rng::with_seed(batch);
        let content = iter::repeat_with(|| noise.u8(..)).take(length).collect();
        Self { path: directory.join("raw"), batch, content }
    }

    /// Writes for as long as `span`, to a file of its own that is removed afterwards. It counts
    /// items and times batches.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn write(&self, span: Duration) -> Result<Measured, BenchFailure> {
        let raw = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut measured = Measured::new()?;
            let written = raw.fill(span, &mut measured);
            let removed = fs::remove_file(&raw.path);
            written.and(removed).map_err(BenchFailure::io(&raw.path))?;
            Ok(measured)
        })
        .await?
    }

    fn fill(&self, span: Duration, measured: &mut Measured) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        // The first sync also makes the file's metadata durable, which is not the batch's doing.
        file.write_all(&self.content)?;
        file.sync_data()?;
        let started = Instant::now();
        while measured.elapsed < span || measured.count == 0 {
            let before = Instant::now();
            file.write_all(&self.content)?;
            file.sync_data()?;
            measured.record(before.elapsed());
            measured.count += self.batch;
            measured.elapsed = started.elapsed();
        }
        Ok(())
    }
}

/// How often ours and the limit are measured in turn: a disk that others use too is then as slow
/// for the one as for the other.
pub const TURNS: u32 = 8;

/// Has `writers` write and `raw` be written in turn, for as long as `span` each. Answers with what
/// the writers did, and with the limit.
///
/// # Errors
/// The first error that either has had.
pub(crate) async fn in_turn<W: Writer>(
    mut writers: Vec<W>,
    raw: &Raw,
    span: Duration,
) -> Result<(Measured, Measured), BenchFailure> {
    let (mut ours, mut limit) = (Measured::new()?, Measured::new()?);
    for _ in 0..TURNS {
        let (rested, measured) = at_once(writers, span / TURNS).await?;
        writers = rested;
        ours.then(&measured)?;
        limit.then(&raw.write(span / TURNS).await?)?;
    }
    Ok((ours, limit))
}
