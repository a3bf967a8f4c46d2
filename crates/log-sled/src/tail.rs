//! Tails: the parts of the log that are in sled, each in a directory of its own.
//!
//! New events go into the last tail. A tail that has enough of them is sealed: written to a
//! segment, and then dropped with its directory. So sled stays small, and history does not depend
//! on it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use holdpoint_core::event::StreamId;
use holdpoint_log::numbering::StreamHead;

use crate::{
    ahead,
    aside::{self, Aside},
    directory::{at, make_directory, sync},
    failure::OpenFailure,
    preflight,
    store::{Store, StoreFailure},
};

/// The streams that have events in a tail, and where they end.
pub(crate) type Streams = HashMap<StreamId, StreamHead, foldhash::fast::RandomState>;

/// A part of the log in sled.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Tails are numbered in the order in which they are used.
    pub number: u64,
    pub store: Store,
    path: PathBuf,
    streams: Mutex<Streams>,
}

impl Tail {
    /// Makes an empty tail in the directory `tails`, so that it is there whole or not at all.
    pub(crate) fn make(tails: &Path, number: u64) -> Result<Self, OpenFailure> {
        let (path, new) = (path_of(tails, number), tails.join(NEW));
        make_directory(tails).map_err(at(tails))?;
        if new.exists() {
            fs::remove_dir_all(&new).map_err(at(&new))?;
        }
        let failed = |failure| failed(&path, failure);
        let store = Store::open(&new).map_err(failed)?;
        store.sync().map_err(failed)?;
        drop(store);
        for part in ["conf", "db", "blobs", "."] {
            let part = new.join(part);
            sync(&part).map_err(at(&part))?;
        }
        fs::rename(&new, &path).map_err(at(&path))?;
        sync(tails).map_err(at(tails))?;
        Self::open(tails, number)
    }

    /// Opens a tail that was checked before.
    pub(crate) fn open(tails: &Path, number: u64) -> Result<Self, OpenFailure> {
        let path = path_of(tails, number);
        preflight::remove_half_written(&path).map_err(at(&path))?;
        let db = path.join("db");
        ahead::cut_off(&db).map_err(at(&db))?;
        let store = Store::open(&path).map_err(|failure| failed(&path, failure))?;
        sync(&path).map_err(at(&path))?;
        Ok(Self { number, store, path, streams: Mutex::default() })
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file that has its events.
    pub(crate) fn db(&self) -> PathBuf {
        self.path.join("db")
    }

    /// The streams that have events here.
    pub(crate) fn streams(&self) -> MutexGuard<'_, Streams> {
        // Nothing that runs under the lock panics half-way through a change.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an interrupted making of a tail leaves.
pub(crate) const NEW: &str = "new";

/// What the name of a tail begins with that is being removed.
pub(crate) const DROPPED: &str = "dropped-";

/// Whether a directory with this name is one that was being made or removed when the process ended.
pub(crate) fn is_unfinished(name: &str) -> bool {
    name == NEW || name.starts_with(DROPPED)
}

/// The directory of a tail.
pub(crate) fn path_of(tails: &Path, number: u64) -> PathBuf {
    tails.join(format!("{number:08}"))
}

/// The number of the tail with this name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    // What is written in another way would be taken for a tail that has the right name.
    name.parse().ok().filter(|number| path_of(Path::new(""), *number) == Path::new(name))
}

/// What a failure of sled says about the log.
pub(crate) fn failed(path: &Path, failure: StoreFailure) -> OpenFailure {
    match failure {
        StoreFailure::Damaged(reason) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            OpenFailure::Damaged {
                directory: path.ancestors().nth(2).unwrap_or(path).to_owned(),
                sequence: None,
                reason: format!("`tail/{name}`: {reason}"),
            }
        }
        StoreFailure::Failed(reason) => {
            OpenFailure::Io { path: path.to_owned(), source: std::io::Error::other(reason) }
        }
    }
}

/// Takes the directory of a sealed tail out of use, durably, so that what is left of it can be
/// removed at any time.
pub(crate) fn retire(tails: &Path, number: u64) -> std::io::Result<PathBuf> {
    let dropped = tails.join(format!("{DROPPED}{number:08}"));
    fs::rename(path_of(tails, number), &dropped)?;
    sync(tails)?;
    Ok(dropped)
}

/// What is in the directory of the tails.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The numbers of the tails, in their order.
    pub numbers: Vec<u64>,
    /// Copies that were made by an opening which did not come to its end.
    pub asides: Vec<Aside>,
    /// What else was being made or removed when the process ended.
    pub leftovers: Vec<PathBuf>,
}

/// Lists the directory of the tails.
pub(crate) fn list(tails: &Path) -> std::io::Result<Listing> {
    let Listing { mut numbers, mut asides, mut leftovers } = Listing::default();
    match fs::read_dir(tails) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if let Some(number) = aside::number_of(&name) {
                    asides.push(Aside::of(tails, number));
                } else if is_unfinished(&name) {
                    leftovers.push(entry.path());
                } else if let Some(number) = number_of(&name) {
                    numbers.push(number);
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    numbers.sort_unstable();
    Ok(Listing { numbers, asides, leftovers })
}
