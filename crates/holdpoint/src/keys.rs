//! The key with which a data directory's log signs checkpoints.
//!
//! ```text
//! checkpoint.key   the secret; only its owner can read it
//! checkpoint.pub   what everybody who checks proofs needs
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use holdpoint_log::key::{KeyFailure, KeyName, PublicKey, SigningKey};

use crate::files;

/// The file of the secret key in a data directory.
pub const SECRET_KEY_FILE: &str = "checkpoint.key";

/// The secret key while it is being written: half of one must not pass for one that was damaged.
pub(crate) const NEW_SECRET_KEY_FILE: &str = "checkpoint.key.new";

/// The file of the public key in a data directory.
pub const PUBLIC_KEY_FILE: &str = "checkpoint.pub";

/// Why there is no key to be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyFailure {
    /// There is no key.
    #[error("there is no key `{}` to sign with", .path.display())]
    NotThere {
        /// Where it would be.
        path: PathBuf,
    },
    /// There is a key already.
    #[error("there is a key `{}` already", .path.display())]
    AlreadyThere {
        /// Where it is.
        path: PathBuf,
    },
    /// There is no public key.
    #[error("there is no key `{}` to check signatures with", .path.display())]
    NoPublic {
        /// Where it should be.
        path: PathBuf,
    },
    /// What is there is not a key.
    #[error("`{}` is not a key: {source}", .path.display())]
    Malformed {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyFailure,
    },
    /// The file system, or the source of random numbers, answered with an error.
    #[error("the key `{}` cannot be used: {source}", .path.display())]
    Io {
        /// Where it is.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl SigningKeyFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NotThere { .. } => {
                "put the key back from where you keep a copy, or make another with \
                 `holdpoint checkpoint --new-key NAME` and tell those who check proofs"
            }
            Self::AlreadyThere { .. } => {
                "move it away first: those who check proofs know its public key"
            }
            Self::NoPublic { .. } => {
                "name the log's public key with `--key KEY`, as `holdpoint init` has printed it or as you have it in a file"
            }
            Self::Malformed { .. } => "put the key back from where you keep a copy",
            Self::Io { .. } => "check the file and its permissions",
        }
    }
}

/// Makes the key of the data directory at `directory`; `name` is the log's. Neither file may be
/// there.
pub(crate) fn make(directory: &Path, name: KeyName) -> Result<PublicKey, SigningKeyFailure> {
    let path = directory.join(SECRET_KEY_FILE);
    let io = |source| SigningKeyFailure::Io { path: path.clone(), source };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io(io::Error::other(error)))?;
    let key = SigningKey::from_seed(name, &seed);
    let public = directory.join(PUBLIC_KEY_FILE);
    for file in [&path, &public] {
        if file.exists() {
            return Err(SigningKeyFailure::AlreadyThere { path: file.clone() });
        }
    }
    let new = directory.join(NEW_SECRET_KEY_FILE);
    if new.exists() {
        fs::remove_file(&new).map_err(io)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&new).map_err(io)?;
    file.write_all(key.to_secret_text().expose().as_bytes()).map_err(io)?;
    file.write_all(b"\n").map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&new, &path).map_err(io)?;
    fs::write(&public, format!("{}\n", key.public_key())).map_err(io)?;
    File::open(&public).and_then(|file| file.sync_all()).map_err(io)?;
    File::open(directory).and_then(|file| file.sync_all()).map_err(io)?;
    Ok(key.public_key().clone())
}

/// A name for a log whose owner has chosen none: no other has it.
///
/// # Errors
/// When there are no random numbers to be had.
pub fn random_name() -> Result<KeyName, SigningKeyFailure> {
    let path = PathBuf::from(SECRET_KEY_FILE);
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| SigningKeyFailure::Io {
        path: path.clone(),
        source: io::Error::other(error),
    })?;
    let name = format!("holdpoint.local/{:016x}", u64::from_be_bytes(random));
    name.parse().map_err(|source| SigningKeyFailure::Malformed { path, source })
}

/// Reads the key of the data directory at `directory`.
pub(crate) fn read(directory: &Path) -> Result<SigningKey, SigningKeyFailure> {
    let path = directory.join(SECRET_KEY_FILE);
    let text = match files::open(&path).and_then(io::read_to_string) {
        Ok(text) => zeroize::Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SigningKeyFailure::NotThere { path });
        }
        // What is no text has not the form of a key either.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => zeroize::Zeroizing::default(),
        Err(source) => return Err(SigningKeyFailure::Io { path, source }),
    };
    SigningKey::from_secret_text(text.trim_end())
        .map_err(|source| SigningKeyFailure::Malformed { path, source })
}

/// Reads the public key of the data directory at `directory`: a copy of it has that one alone.
pub(crate) fn read_public(directory: &Path) -> Result<PublicKey, SigningKeyFailure> {
    let path = directory.join(PUBLIC_KEY_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            text.trim_end().parse().map_err(|source| SigningKeyFailure::Malformed { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match read(directory) {
            Ok(key) => Ok(key.public_key().clone()),
            Err(SigningKeyFailure::NotThere { .. }) => Err(SigningKeyFailure::NoPublic { path }),
            Err(failure) => Err(failure),
        },
        Err(source) => Err(SigningKeyFailure::Io { path, source }),
    }
}
