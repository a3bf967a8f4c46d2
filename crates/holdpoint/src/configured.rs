//! The key of the digests that say what an activity is: without it, what the configuration writes out cannot be guessed from
//! the log, which every member of a project can read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use holdpoint_core::Digest;
use zeroize::Zeroizing;

use crate::files;

/// The file of the key in a data directory. Whoever can read the configuration may read it.
pub(crate) const CONFIGURED_KEY_FILE: &str = "configured.key";

/// The key while it is being written.
pub(crate) const NEW_CONFIGURED_KEY_FILE: &str = "configured.key.new";

/// How long it is, in bytes.
const LENGTH: usize = 32;

/// A key of digests.
pub(crate) struct ConfiguredKey(Zeroizing<Vec<u8>>);

impl ConfiguredKey {
    /// The key of the data directory at `directory`, if it has one.
    pub(crate) fn read(directory: &Path) -> io::Result<Option<Self>> {
        match files::read(&directory.join(CONFIGURED_KEY_FILE)) {
            Ok(bytes) if bytes.len() == LENGTH => Ok(Some(Self(Zeroizing::new(bytes)))),
            Ok(bytes) => Err(io::Error::other(format!(
                "it has {} bytes and not {LENGTH}; put it back from a backup, or move it away to have another made",
                bytes.len()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The key of a directory that nobody else works on; it is made where there is none.
    pub(crate) fn read_or_make(directory: &Path) -> io::Result<Self> {
        if let Some(key) = Self::read(directory)? {
            return Ok(key);
        }
        let mut bytes = Zeroizing::new(vec![0; LENGTH]);
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let new = directory.join(NEW_CONFIGURED_KEY_FILE);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&new, directory.join(CONFIGURED_KEY_FILE))?;
        File::open(directory)?.sync_all()?;
        Ok(Self(bytes))
    }

    /// The digest of what is said of an activity.
    pub(crate) fn digest(&self, said: &str) -> Digest {
        Digest::of(&Zeroizing::new([self.0.as_slice(), said.as_bytes()].concat()))
    }
}
