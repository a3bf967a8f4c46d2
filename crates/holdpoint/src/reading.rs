//! Reading a data directory that cannot be written to: the disk is full, or mounted to be read, or the
//! files are somebody else's. Nothing is changed in it; `docs/durability.md` says how that is done.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_engine::{EngineBuilder, ReadModelAt};
use holdpoint_log_sled::{OpenFailure, SledLog};

use crate::configured::ConfiguredKey;
use crate::directory::{DataDirectory, DirectoryFailure, LOG, READ_MODEL};
use crate::files;

impl DataDirectory {
    /// As [`DataDirectory::log`], for who only reads: where the directory cannot be written to, from
    /// copies of what must be. Such a log has a [scratch directory](SledLog::scratch), and refuses
    /// appends.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn log_to_read(&self, user: &str) -> Result<Arc<SledLog>, DirectoryFailure> {
        match self.log(user).await {
            Err(DirectoryFailure::Log(OpenFailure::Io { .. })) => {
                self.without_writing().await.map_err(|other| match other {
                    // Reading fails like writing does, so what only reads does not work either.
                    OpenFailure::Io { path, source } => DirectoryFailure::Io { path, source },
                    other => other.into(),
                })
            }
            opened => opened,
        }
    }

    /// The log from copies at once: for who found that what is derived from it cannot be written to.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn log_from_copies(&self) -> Result<Arc<SledLog>, DirectoryFailure> {
        Ok(self.without_writing().await?)
    }

    async fn without_writing(&self) -> Result<Arc<SledLog>, OpenFailure> {
        let path = self.path().join(LOG);
        Ok(Arc::new(SledLog::open_to_read(&path).await?))
    }

    /// As [`DataDirectory::engine_on`], on a log that was opened to be read: the read model is where that
    /// log has its copies. Such an engine must leave what runs are owed alone.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub fn engine_to_read_on(&self, log: Arc<SledLog>) -> Result<EngineBuilder, DirectoryFailure> {
        let copied = log.scratch().map(|scratch| self.copied_read_model(scratch));
        // Without it, or where it cannot be read, nothing is said of what activities are.
        let key = ConfiguredKey::read(self.path()).ok().flatten();
        let builder = self.builder_on(log, key.as_ref())?;
        Ok(match copied {
            Some(Ok(path)) => builder.read_model(ReadModelAt::File(path)),
            // It is derived, so it can be built anew, if only in memory.
            Some(Err(_)) => builder.read_model(ReadModelAt::Memory),
            None => builder,
        })
    }

    /// Copies the read model with what SQLite has not put into it yet.
    fn copied_read_model(&self, scratch: &Path) -> io::Result<PathBuf> {
        for name in [READ_MODEL.to_owned(), format!("{READ_MODEL}-wal")] {
            match files::open(&self.path().join(&name)) {
                Ok(mut model) => {
                    io::copy(&mut model, &mut File::create(scratch.join(&name))?)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(scratch.join(READ_MODEL))
    }
}
