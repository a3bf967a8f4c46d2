//! The files of a log: making them so that a crash leaves either no log or a whole one, and
//! checking them before sled opens its own.
//!
//! ```text
//! format      "holdpoint log 1": written last, so what has it is a log
//! lock        who has the log open
//! head        how far the log had come
//! sealed/     segments: complete ranges of events that never change
//! tail/       what came after them, in sled: a directory for each tail
//! ```

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use holdpoint_core::event::Sequence;
use holdpoint_log::{Head, merkle::MerkleTree};
use rustix::{fs::OFlags, io::Errno};

use crate::{
    aside::Print,
    failure::OpenFailure,
    head::{HeadFile, Note},
    lock::Lock,
    preflight::Positions,
    tail::{self, Tail},
};

const FORMAT: &str = "holdpoint log 1\n";
/// What the format of every version begins with.
const FORMAT_BEGINS: &[u8] = b"holdpoint log ";
/// So much of it is read; the format of no version is longer.
const FORMAT_BYTES_MAX: u64 = 64;

/// The directory of a log.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> PathBuf {
        self.path.join("format")
    }

    fn new_format(&self) -> PathBuf {
        self.path.join("format.new")
    }

    pub(crate) fn head(&self) -> PathBuf {
        self.path.join("head")
    }

    /// Where segments are.
    pub(crate) fn sealed(&self) -> PathBuf {
        self.path.join("sealed")
    }

    /// Where tails are.
    pub(crate) fn tails(&self) -> PathBuf {
        self.path.join("tail")
    }

    pub(crate) fn damaged(&self, sequence: Option<Sequence>, reason: String) -> OpenFailure {
        OpenFailure::Damaged { directory: self.path.clone(), sequence, reason }
    }

    /// Whether there is a log of this version. Anything that is neither a log nor nothing, nor
    /// the beginnings of one, is refused.
    pub(crate) fn has_log(&self) -> Result<bool, OpenFailure> {
        let path = self.format();
        match read_format(&path) {
            Ok((format, _)) if format == FORMAT.as_bytes() => return Ok(true),
            Ok((format, length)) => return Err(self.other_format(&format, length)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.is_symlink() {
                    return Err(self.format_damaged("it is a link that leads nowhere"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(self.foreign(self.path.as_os_str()));
            }
            Err(_) if fs::metadata(&path).is_ok_and(|about| !about.is_file()) => {
                return Err(self.format_damaged(NO_FILE));
            }
            Err(source) => return Err(OpenFailure::Io { path, source }),
        }
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(OpenFailure::Io { path: self.path.clone(), source }),
        };
        let ours = ["format.new", "lock", "head", "sealed", "tail"];
        for entry in entries {
            let name = entry.map_err(at(&self.path))?.file_name();
            if !ours.iter().any(|ours| name == *ours) {
                return Err(self.foreign(&name));
            }
        }
        Ok(false)
    }

    /// That `format` is not this version's: another's, or damaged.
    fn other_format(&self, format: &[u8], length: u64) -> OpenFailure {
        let version = format.strip_prefix(FORMAT_BEGINS).and_then(|rest| rest.strip_suffix(b"\n"));
        match version.map(str::from_utf8) {
            Some(Ok(version)) if is_number(version) => {
                let directory = self.path.clone();
                OpenFailure::UnknownFormat { directory, version: version.to_owned() }
            }
            _ if format.len() == FORMAT.len() => {
                self.format_damaged(&format!("it is not the line `{}`", FORMAT.trim_end()))
            }
            _ => {
                let (line, wanted) = (FORMAT.trim_end(), FORMAT.len());
                self.format_damaged(&format!(
                    "it has {length} bytes, and not the {wanted} of the line `{line}`"
                ))
            }
        }
    }

    fn format_damaged(&self, reason: &str) -> OpenFailure {
        OpenFailure::FormatDamaged { directory: self.path.clone(), reason: reason.to_owned() }
    }

    fn foreign(&self, found: &OsStr) -> OpenFailure {
        let found = found.to_string_lossy().into_owned();
        OpenFailure::Foreign { directory: self.path.clone(), found }
    }

    /// Takes the lock.
    pub(crate) fn lock(&self, user: &str) -> Result<Lock, OpenFailure> {
        Lock::take(&self.path, &self.path.join("lock"), user)
    }

    /// Makes the directory itself.
    pub(crate) fn make(&self) -> Result<(), OpenFailure> {
        make_directory(&self.path).map_err(at(&self.path))
    }

    /// Makes the files of an empty log. What an earlier attempt left is used or replaced.
    pub(crate) fn fill(&self) -> Result<(), OpenFailure> {
        let path = self.head();
        let mut head = HeadFile::open(&path).map_err(at(&path))?;
        // A log that lost `format` and `head` must not pass for one that was being made.
        if head.noted().is_none() && !self.is_empty()? {
            return Err(self.head_lost());
        }
        let sealed = self.sealed();
        make_directory(&sealed).map_err(at(&sealed))?;
        let tails = self.tails();
        if !tail::path_of(&tails, FIRST_TAIL).exists() {
            drop(Tail::make(&tails, FIRST_TAIL)?);
        }
        if head.noted().is_none() {
            let empty = Head { sequence: Sequence::ZERO, root: MerkleTree::new().root() };
            head.note(Note { head: empty, tail: FIRST_TAIL, segment: 0, closed: Print::default() })
                .map_err(at(&path))?;
        }
        self.declare()
    }

    /// Makes a log of what is there: whoever looks for one finds it from now on.
    pub(crate) fn declare(&self) -> Result<(), OpenFailure> {
        sync(&self.path).map_err(at(&self.path))?;
        let (format, new_format) = (self.format(), self.new_format());
        write_durably(&new_format, FORMAT.as_bytes()).map_err(at(&new_format))?;
        fs::rename(&new_format, &format).map_err(at(&format))?;
        sync(&self.path).map_err(at(&self.path))
    }

    /// Whether there is neither a segment nor, in a tail, an event.
    fn is_empty(&self) -> Result<bool, OpenFailure> {
        let (sealed, tails) = (self.sealed(), self.tails());
        match fs::read_dir(&sealed).map(|mut segments| segments.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenFailure::Io { path: sealed, source }),
        }
        for number in tail::list(&tails).map_err(at(&tails))?.numbers {
            self.inspect(number, None)?;
            let tail = Tail::open(&tails, number)?;
            let newest = tail.store.block_first(Sequence(u64::MAX));
            if newest.map_err(|failure| tail::failed(tail.path(), failure))?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the note of how far the log had come, which every log has: it is written before
    /// `format`.
    pub(crate) fn open_head(&self) -> Result<(HeadFile, Note), OpenFailure> {
        let path = self.head();
        let head = HeadFile::open(&path).map_err(at(&path))?;
        let noted = head.noted().ok_or_else(|| self.head_lost())?;
        Ok((head, noted))
    }

    /// That the note of how far the log had come is missing, or cannot be read.
    pub(crate) fn head_lost(&self) -> OpenFailure {
        OpenFailure::HeadLost { directory: self.path.clone(), is_there: self.head().exists() }
    }

    /// Checks the files of a tail as far as that is possible without touching them.
    pub(crate) fn inspect(&self, number: u64, noted: Option<Note>) -> Result<(), OpenFailure> {
        let path = tail::path_of(&self.tails(), number);
        let name = path.strip_prefix(&self.path).unwrap_or(&path).display();
        let (db, blobs) = (path.join("db"), path.join("blobs"));
        let length = match fs::metadata(&db) {
            Ok(file) if file.is_file() => file.len(),
            Ok(_) => return Err(self.damaged(None, format!("`{name}/db` is no file"))),
            Err(error) if is_missing(&error) => {
                return Err(self.damaged(None, format!("`{name}/db` is missing")));
            }
            Err(source) => return Err(OpenFailure::Io { path: db, source }),
        };
        if length == 0 {
            return Err(self.damaged(None, format!("`{name}/db` is empty")));
        }
        match fs::read_dir(&blobs).map(|mut entries| entries.next()) {
            Ok(None) => {}
            Ok(Some(_)) => {
                return Err(self.damaged(None, format!("there are files in `{name}/blobs`")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(OpenFailure::Io { path: blobs, source }),
        }
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?;
            // sled would wait for what a pipe gives.
            if fs::metadata(entry.path()).is_ok_and(|about| !about.is_file() && !about.is_dir()) {
                let found = format!("`{name}/{}` is no file", entry.file_name().display());
                return Err(self.damaged(None, found));
            }
        }
        let positions = Positions::read(&db).map_err(at(&db))?;
        let needed = noted.filter(|note| note.tail == number).map_or(0, |note| note.segment);
        if positions.complete && positions.highest >= needed {
            Ok(())
        } else {
            let reason = format!("the part of `{name}/db` that was written last is missing");
            Err(self.damaged(None, reason))
        }
    }
}

/// The number of the tail that a log begins with.
const FIRST_TAIL: u64 = 1;

fn is_number(text: &str) -> bool {
    const DIGITS_MAX: usize = 9;
    (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether there is nothing at a path, for this error or for one above it.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Says at which path the file system answered with an error.
pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenFailure {
    move |source| OpenFailure::Io { path: path.to_owned(), source }
}

/// What is said of what stands in the place of a file.
pub(crate) const NO_FILE: &str = "it is no file";

/// Opens what must be a file. What a pipe gives in the place of one would be waited for.
///
/// # Errors
/// When it is none, too.
pub(crate) fn open_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let about = file.metadata()?;
    if about.is_file() {
        Ok(file)
    } else if about.is_dir() {
        Err(Errno::ISDIR.into())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, NO_FILE))
    }
}

/// The beginning of what says of which format a log is, and how long that is.
fn read_format(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = open_file(path, File::options().read(true))?;
    let length = file.metadata()?.len();
    let mut format = Vec::new();
    file.take(FORMAT_BYTES_MAX).read_to_end(&mut format)?;
    Ok((format, length))
}

/// Makes what a file or directory contains durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a directory and those above it, durably.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    let existed = path.is_dir();
    if !existed {
        make_directory(parent)?;
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made?,
        }
    }
    match sync(parent) {
        // Whoever made it where we may not even look has to see to it.
        Err(error) if existed && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}
