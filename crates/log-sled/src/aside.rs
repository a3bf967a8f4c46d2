//! A copy of a tail beside it, while sled opens the original.
//!
//! sled changes its file when it opens it, and of a damaged one it throws away what follows the
//! damage. So a tail that is not known to be as it was left is copied first; when what sled makes
//! of it is not whole, the copy takes the original's place again.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    directory::{at, sync},
    failure::OpenFailure,
    tail::{self, path_of},
};

/// What the name of a whole copy begins with.
const ASIDE: &str = "aside-";

/// A whole, durable copy of a tail.
#[derive(Debug)]
pub(crate) struct Aside {
    tails: PathBuf,
    number: u64,
    copy: PathBuf,
}

/// The number of the tail that a directory of this name is a copy of.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    tail::number_of(name.strip_prefix(ASIDE)?)
}

impl Aside {
    /// Copies a tail.
    pub(crate) fn make(tails: &Path, number: u64) -> Result<Self, OpenFailure> {
        let unfinished = tails.join(tail::NEW);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(at(&unfinished))?;
        }
        copy(&path_of(tails, number), &unfinished).inspect_err(|_| {
            // What is left of it is removed by the next opening, too.
            let _ = fs::remove_dir_all(&unfinished);
        })?;
        let aside = Self::of(tails, number);
        fs::rename(&unfinished, &aside.copy).map_err(at(&aside.copy))?;
        sync(tails).map_err(at(tails))?;
        Ok(aside)
    }

    /// A copy that an opening made which did not come to its end. Nothing was acknowledged since.
    pub(crate) fn of(tails: &Path, number: u64) -> Self {
        let copy = tails.join(format!("{ASIDE}{number:08}"));
        Self { tails: tails.to_owned(), number, copy }
    }

    /// Puts the tail's files back as they were and keeps the copy.
    pub(crate) fn begin_again(&self) -> Result<(), OpenFailure> {
        let original = path_of(&self.tails, self.number);
        if original.exists() {
            fs::remove_dir_all(&original).map_err(at(&original))?;
        }
        copy(&self.copy, &original)
    }

    /// Puts the copy in the tail's place.
    pub(crate) fn restore(self) -> io::Result<()> {
        let original = path_of(&self.tails, self.number);
        if original.exists() {
            fs::remove_dir_all(&original)?;
        }
        fs::rename(&self.copy, &original)?;
        sync(&self.tails)
    }

    /// Removes the copy: the original is whole. A copy that is removed in part must not be taken for
    /// one, so it loses its name first.
    pub(crate) fn remove(self) -> io::Result<()> {
        let dropped = self.tails.join(format!("{}{ASIDE}{:08}", tail::DROPPED, self.number));
        if dropped.exists() {
            fs::remove_dir_all(&dropped)?;
        }
        fs::rename(&self.copy, &dropped)?;
        sync(&self.tails)?;
        fs::remove_dir_all(&dropped)
    }
}

/// Copies a directory, durably.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), OpenFailure> {
    fs::create_dir(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(at(&from))?.is_dir() {
            copy(&from, &to)?;
        } else if fs::metadata(&from).map_err(at(&from))?.is_file() {
            // sled makes nothing else, and what a pipe gives would be waited for.
            fs::copy(&from, &to).map_err(at(&from))?;
            sync(&to).map_err(at(&to))?;
        }
    }
    sync(to).map_err(at(to))
}

/// Removes what sled can make anew from its file, and cannot open when it is damaged.
pub(crate) fn remove_derived(tail: &Path) -> io::Result<()> {
    for entry in fs::read_dir(tail)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "conf" || name.to_string_lossy().starts_with("snap.") {
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// The number of bytes in a directory's files and the checksum of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Print {
    pub bytes: u64,
    pub crc32c: u32,
}

impl Print {
    /// Reads the files of a directory, in the order of their names.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                paths.push(entry.path());
            }
        }
        paths.sort();
        let mut print = Self::default();
        paths.iter().try_for_each(|path| print.add(path))?;
        Ok(print)
    }

    fn add(&mut self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default();
        self.crc32c = crc32c::crc32c_append(self.crc32c, name.as_encoded_bytes());
        let mut file = File::open(path)?;
        let mut chunk = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut chunk)?;
            let Some(read) = chunk.get(..read).filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            self.crc32c = crc32c::crc32c_append(self.crc32c, read);
            self.bytes += read.len() as u64;
        }
    }
}
