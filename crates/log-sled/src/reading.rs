//! Opening a log to read it where its directory cannot be written to: the disk is full, or mounted to
//! be read, or the files are somebody else's.
//!
//! sled cannot open its file without writing to it. But what is in sled is small: the tails and `head`
//! are copied to a temporary directory, and opened there as any log is. Segments, which never change,
//! are read where they are, through links.

use std::{
    env,
    fs::{self, DirEntry, File},
    io::{self, Read, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::Head;
use tempfile::TempDir;

use crate::{
    directory::{Directory, at, open_file},
    failure::OpenFailure,
    lock::{self, HeldOff},
    log::{Held, Shared, SledLog, blocking},
    opening, segments, tail,
};

/// Where copies go when the usual place has no room for them, as with a single disk that is full.
const IN_MEMORY: &str = "/dev/shm";

/// The copies, which are removed when this is dropped; nobody can open the log to write meanwhile.
#[derive(Debug)]
pub(crate) struct Scratch {
    copies: TempDir,
    _held: HeldOff,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        self.copies.path()
    }
}

impl SledLog {
    /// Opens the log in `directory` to read it, and writes nothing there: what is in sled, at most a
    /// few times [`Options::tail_bytes_max`](crate::Options::tail_bytes_max), is copied to a temporary
    /// directory. It has all that was durable; appends are refused. While it is open, nobody can open
    /// the log to write.
    ///
    /// # Errors
    /// See [`OpenFailure`].
    pub async fn open_to_read(directory: impl AsRef<Path>) -> Result<Self, OpenFailure> {
        blocking(directory.as_ref().to_owned(), |path, directory| {
            if !directory.has_log()? {
                return Err(OpenFailure::NotThere { directory: path.to_owned() });
            }
            let held = lock::hold_off(path, &path.join("lock"))?;
            let copies = copied(&directory)?;
            let opened = opening::open(&Directory::new(copies.path()))
                .map_err(|failure| in_place(failure, copies.path(), path))?;
            let head = Head { sequence: Sequence(opened.tree.size()), root: opened.tree.root() };
            let held = Held::ToRead(Scratch { copies, _held: held });
            Ok(Self::reading_only(Shared::new(opened.parts, head, held)))
        })
        .await
    }
}

/// Copies what is in sled, in the first place that has room for it.
fn copied(directory: &Directory) -> Result<TempDir, OpenFailure> {
    let place = env::temp_dir();
    let source = match copied_to(&place, directory) {
        Ok(copies) => return Ok(copies),
        Err(Uncopied::From(failure)) => return Err(failure),
        Err(Uncopied::To(error)) => error,
    };
    copied_to(Path::new(IN_MEMORY), directory).map_err(|_| OpenFailure::NoRoomToRead {
        directory: directory.path().to_owned(),
        place,
        source,
    })
}

/// Why there is no copy.
enum Uncopied {
    /// What was to be copied cannot be read.
    From(OpenFailure),
    /// The copy cannot be written.
    To(io::Error),
}

/// As [`at`], for what is to be copied.
fn from(path: &Path) -> impl FnOnce(io::Error) -> Uncopied {
    move |source| Uncopied::From(at(path)(source))
}

fn copied_to(place: &Path, directory: &Directory) -> Result<TempDir, Uncopied> {
    let copies = tempfile::Builder::new().prefix("holdpoint-").tempdir_in(place);
    let copies = copies.map_err(Uncopied::To)?;
    let to = Directory::new(copies.path());
    if directory.head().exists() {
        copy_file(&directory.head(), &to.head())?;
    }
    fs::create_dir(to.sealed()).map_err(Uncopied::To)?;
    let sealed = std::path::absolute(directory.sealed()).map_err(from(&directory.sealed()))?;
    for name in names(&sealed)?.iter().filter(|name| !segments::is_unfinished(name.as_ref())) {
        symlink(sealed.join(name), to.sealed().join(name)).map_err(Uncopied::To)?;
    }
    fs::create_dir(to.tails()).map_err(Uncopied::To)?;
    for name in names(&directory.tails())?.iter().filter(|name| !tail::is_unfinished(name)) {
        copy(&directory.tails().join(name), &to.tails().join(name))?;
    }
    Ok(copies)
}

/// The names in a directory; none where it is missing, which opening has to judge.
fn names(directory: &Path) -> Result<Vec<String>, Uncopied> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(from(directory)(error)),
    };
    let name = |entry: io::Result<DirEntry>| {
        Ok(entry.map_err(from(directory))?.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect()
}

/// Copies a file or a directory so that who copies can write to it, whatever the original allows.
fn copy(from: &Path, to: &Path) -> Result<(), Uncopied> {
    if !from.is_dir() {
        return copy_file(from, to);
    }
    fs::create_dir(to).map_err(Uncopied::To)?;
    names(from)?.iter().try_for_each(|name| copy(&from.join(name), &to.join(name)))
}

fn copy_file(path: &Path, to: &Path) -> Result<(), Uncopied> {
    const CHUNK_BYTES: usize = 128 * 1024;
    let mut file = open_file(path, File::options().read(true)).map_err(from(path))?;
    let mut copy = File::create(to).map_err(Uncopied::To)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk).map_err(from(path))?;
        let Some(read) = chunk.get(..read).filter(|read| !read.is_empty()) else { return Ok(()) };
        copy.write_all(read).map_err(Uncopied::To)?;
    }
}

/// What a failure with the copies in `copies` says of the log in `path`.
pub(crate) fn in_place(failure: OpenFailure, copies: &Path, path: &Path) -> OpenFailure {
    let there = |found: PathBuf| match found.strip_prefix(copies) {
        Ok(inside) if inside.as_os_str().is_empty() => path.to_owned(),
        Ok(inside) => path.join(inside),
        Err(_) => found,
    };
    match failure {
        OpenFailure::Damaged { directory, sequence, reason } => {
            let copied = copies.display().to_string();
            let reason = reason.replace(&copied, &path.display().to_string());
            OpenFailure::Damaged { directory: there(directory), sequence, reason }
        }
        OpenFailure::HeadLost { is_there, .. } => {
            OpenFailure::HeadLost { directory: path.to_owned(), is_there }
        }
        // A segment is where it was.
        OpenFailure::Io { path, source } if path.starts_with(copies.join("sealed")) => {
            OpenFailure::Io { path: there(path), source }
        }
        other => other,
    }
}
