//! The files of evidence, kept beside the log under the SHA-256 digests of their bytes.
//!
//! ```text
//! evidence/ab/cdef…   the file whose digest is sha256:abcdef…
//! evidence/new-…      a file that is being written, or that a crash has left
//! ```
//!
//! A file is there, durably, before the event that names it is appended. A crash between the two
//! leaves a file that no event names, and nothing worse. A file is never changed, and never removed
//! while an event names it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use holdpoint_core::{
    Digest, NewEvidence, ProjectEvent, RunId, Sequence, event::TypedEvent as _, id::Digesting,
};
use holdpoint_definition::{Attached, DefinitionEvent};
use holdpoint_engine::EvidenceFiles;
use holdpoint_log::{EventLog, ReadFailure, Record};

use crate::{directory::DataDirectory, files};

/// The directory of the files in a data directory, and in a backup.
pub const EVIDENCE: &str = "evidence";

/// How the name of a file begins that is being written.
const NEW: &str = "new-";

/// How many bytes are read at once.
const PIECE: usize = 64 * 1024;

/// How many events are read at once.
const READ_LIMIT: usize = 1_000;

/// Files that have been begun by this process: their names differ by it.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Why a file of evidence cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFailure {
    /// It is not there.
    #[error("the evidence {digest} is missing: there is no `{}`", .path.display())]
    Missing {
        /// Its digest.
        digest: Digest,
        /// Where it should be.
        path: PathBuf,
    },
    /// What is there is something else.
    #[error("the evidence {digest} has changed: `{}` has other bytes", .path.display())]
    Changed {
        /// Its digest.
        digest: Digest,
        /// Where it is.
        path: PathBuf,
    },
    /// What is to be kept cannot be read.
    #[error("the evidence cannot be read: {0}")]
    Source(io::Error),
    /// The file system answered with an error.
    #[error("`{}` cannot be used: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] ReadFailure),
}

impl EvidenceFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::Changed { .. } => {
                "copy the file from a backup's `evidence`; its digest says whether it is the right one"
            }
            Self::Source(_) => "name a file that can be read",
            Self::Io { .. } => "check the path, its permissions and the space on its disk",
            Self::Log(_) => "check the log with `holdpoint verify`",
        }
    }

    /// Whether it is about what was asked for, rather than about storage that fails.
    #[must_use]
    pub const fn is_input(&self) -> bool {
        matches!(self, Self::Source(_))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> EvidenceFailure {
    move |source| EvidenceFailure::Io { path: path.to_owned(), source }
}

fn sync_directory(path: &Path) -> Result<(), EvidenceFailure> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(at(path))
}

/// The files of evidence of a data directory, or of a backup.
///
/// What it does waits for the disk. One process works on a data directory at a time.
#[derive(Clone, Debug)]
pub struct EvidenceStore {
    root: PathBuf,
}

/// A file that was put into a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Whether the store did not have it before.
    pub is_new: bool,
}

impl EvidenceStore {
    /// The files in the directory `evidence` of `directory`, which need not be there yet.
    #[must_use]
    pub fn within(directory: &Path) -> Self {
        Self { root: directory.join(EVIDENCE) }
    }

    /// Where the file with a digest is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let text = digest.to_string();
        let digits = text.strip_prefix("sha256:").unwrap_or(&text);
        let (first, rest) = digits.split_at_checked(2).unwrap_or((digits, ""));
        self.root.join(first).join(rest)
    }

    /// Keeps what `from` gives: it is on disk when this answers.
    ///
    /// # Errors
    /// See [`EvidenceFailure`]. What could not be kept whole is not kept.
    pub fn put(&self, from: &mut impl Read) -> Result<Stored, EvidenceFailure> {
        fs::create_dir_all(&self.root).map_err(at(&self.root))?;
        self.remove_left_over()?;
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let new = self.root.join(format!("{NEW}{}-{number}", std::process::id()));
        let placed = self.place(from, &new);
        if placed.is_err() && new.exists() {
            drop(fs::remove_file(&new));
        }
        placed
    }

    fn place(&self, from: &mut impl Read, new: &Path) -> Result<Stored, EvidenceFailure> {
        let mut file = File::create_new(new).map_err(at(new))?;
        let (digest, size) = copy(from, &mut file, new)?;
        file.sync_all().map_err(at(new))?;
        let path = self.path(&digest);
        let is_new = !path.exists();
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(at(directory))?;
            // What is there already is replaced by the same bytes, or by the right ones.
            fs::rename(new, &path).map_err(at(&path))?;
            sync_directory(directory)?;
        }
        sync_directory(&self.root)?;
        if let Some(parent) = self.root.parent() {
            sync_directory(parent)?;
        }
        Ok(Stored { digest, size, is_new })
    }

    /// Removes what earlier processes have begun and not finished.
    fn remove_left_over(&self) -> Result<(), EvidenceFailure> {
        let own = format!("{NEW}{}-", std::process::id());
        for entry in fs::read_dir(&self.root).map_err(at(&self.root))? {
            let name = entry.map_err(at(&self.root))?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(NEW) && !name.starts_with(&own) {
                let path = self.root.join(&*name);
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }

    /// Takes back a file that was put a moment ago, because the command that would name it was
    /// refused. Nothing else may have put the same bytes meanwhile.
    ///
    /// # Errors
    /// When the file system answers with an error; the file may still be there then.
    pub fn discard(&self, stored: &Stored) -> Result<(), EvidenceFailure> {
        if !stored.is_new {
            return Ok(());
        }
        let path = self.path(&stored.digest);
        fs::remove_file(&path).map_err(at(&path))?;
        // Directories that others have files in stay, as they cannot be removed.
        for directory in path.ancestors().skip(1).take(2) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Writes a file to `out`, and says how many bytes it has.
    ///
    /// # Errors
    /// When the file is missing or has changed; `out` may have been written to in part then.
    pub fn copy_to(&self, digest: &Digest, out: &mut impl Write) -> Result<u64, EvidenceFailure> {
        let path = self.path(digest);
        let mut file = match files::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(EvidenceFailure::Missing { digest: *digest, path });
            }
            Err(source) => return Err(EvidenceFailure::Io { path, source }),
        };
        let (found, size) = copy(&mut file, out, &path)?;
        if found == *digest {
            Ok(size)
        } else {
            Err(EvidenceFailure::Changed { digest: *digest, path })
        }
    }

    /// Checks that a file is there, unchanged, and says how many bytes it has.
    ///
    /// # Errors
    /// See [`EvidenceStore::copy_to`].
    pub fn check(&self, digest: &Digest) -> Result<u64, EvidenceFailure> {
        self.copy_to(digest, &mut io::sink())
    }

    /// The digests of the files that there are.
    ///
    /// # Errors
    /// When the file system answers with an error.
    pub fn digests(&self) -> Result<Vec<Digest>, EvidenceFailure> {
        let mut found = Vec::new();
        for first in names(&self.root)? {
            if first.len() == 2 {
                let rest = names(&self.root.join(&first))?;
                let digest = |rest: &String| format!("sha256:{first}{rest}").parse::<Digest>().ok();
                found.extend(rest.iter().filter_map(digest));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Copies every file that `to` does not have, each only if it is whole, and says how many those
    /// are.
    ///
    /// # Errors
    /// When a file has changed, or cannot be copied. Of files that have changed the first is named,
    /// and all that are whole are copied nevertheless.
    pub fn copy_all(&self, to: &Self) -> Result<u64, EvidenceFailure> {
        let mut copied: u64 = 0;
        let mut first = None;
        for digest in self.digests()? {
            match self.copy_one(&digest, to) {
                Ok(is_new) => copied = copied.saturating_add(u64::from(is_new)),
                Err(failure @ EvidenceFailure::Changed { .. }) => {
                    first.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        first.map_or(Ok(copied), Err)
    }

    /// As [`EvidenceStore::copy_all`], but for the files that have changed or cannot be read, which are
    /// named.
    ///
    /// # Errors
    /// When a copy cannot be written.
    pub fn copy_what_is_whole(&self, to: &Self) -> Result<Vec<EvidenceFailure>, EvidenceFailure> {
        let mut lost = Vec::new();
        for digest in self.digests()? {
            let own = self.path(&digest);
            match self.copy_one(&digest, to) {
                Ok(_) => {}
                Err(failure @ EvidenceFailure::Changed { .. }) => lost.push(failure),
                Err(EvidenceFailure::Io { path, source }) if path == own => {
                    lost.push(EvidenceFailure::Io { path, source });
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(lost)
    }

    /// Copies a file unless `to` has it, and says whether it had not.
    fn copy_one(&self, digest: &Digest, to: &Self) -> Result<bool, EvidenceFailure> {
        if to.path(digest).exists() {
            return Ok(false);
        }
        let path = self.path(digest);
        let stored = match to.put(&mut files::open(&path).map_err(at(&path))?) {
            Err(EvidenceFailure::Source(source)) => {
                return Err(EvidenceFailure::Io { path, source });
            }
            stored => stored?,
        };
        if stored.digest != *digest {
            to.discard(&stored)?;
            return Err(EvidenceFailure::Changed { digest: *digest, path });
        }
        Ok(true)
    }
}

impl EvidenceFiles for EvidenceStore {
    fn check(&self, digest: &Digest) -> Result<(), String> {
        Self::check(self, digest).map(drop).map_err(|failure| failure.to_string())
    }
}

/// The names in a directory; none when it does not exist.
fn names(path: &Path) -> Result<Vec<String>, EvidenceFailure> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(at(path))?.file_name().to_string_lossy().into_owned()))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(EvidenceFailure::Io { path: path.to_owned(), source }),
    }
}

/// Copies all that `from` gives to `out`, which is or is read from `path`.
fn copy(
    from: &mut impl Read,
    out: &mut impl Write,
    path: &Path,
) -> Result<(Digest, u64), EvidenceFailure> {
    let mut digesting = Digesting::default();
    let mut size: u64 = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok((digesting.finish(), size)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(EvidenceFailure::Source(error)),
        };
        let bytes = piece.get(..read).unwrap_or_default();
        digesting.add(bytes);
        out.write_all(bytes).map_err(at(path))?;
        size = size.saturating_add(read as u64);
    }
}

/// The media type that the name of a file suggests, such as `application/pdf`.
#[must_use]
pub fn media_type_of(file: &str) -> Option<String> {
    mime_guess::from_path(file).first().map(|guess| guess.essence_str().to_owned())
}

/// A piece of evidence that is the file of this name, as it was stored.
#[must_use]
pub fn kept(stored: &Stored, file: &str, media_type: Option<String>) -> NewEvidence {
    NewEvidence {
        digest: stored.digest,
        size: Some(stored.size),
        file: Some(file.to_owned()),
        media_type: media_type.or_else(|| media_type_of(file)),
        reference: None,
    }
}

/// A file of evidence that an event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The first event that names it.
    pub sequence: Sequence,
    /// Its run.
    pub run: Option<RunId>,
    /// What it is evidence of.
    pub evidence: String,
}

/// The file that an event of a log names, if it names one.
///
/// # Errors
/// When the event cannot be read.
pub fn named_in(record: &Record) -> Result<Option<(Digest, Named)>, ReadFailure> {
    const KINDS: [&str; 2] = ["holdpoint.evidence.attached", "holdpoint.qualification.recorded"];
    // Nearly all events are others; they need not be read.
    let text = std::str::from_utf8(&record.bytes).unwrap_or_default();
    if !KINDS.iter().any(|kind| text.contains(kind)) {
        return Ok(None);
    }
    let event = record.event()?;
    if let Ok(ProjectEvent::QualificationRecorded { member, qualification }) =
        ProjectEvent::from_parts(&event.kind, &event.data)
    {
        let shown = qualification.evidence.filter(|shown| shown.reference.is_none());
        return Ok(shown.map(|shown| {
            let evidence = format!("qualification of {member} in {}", qualification.domain);
            (shown.digest, Named { sequence: event.sequence, run: None, evidence })
        }));
    }
    Ok(match DefinitionEvent::from_parts(&event.kind, &event.data) {
        Ok(DefinitionEvent::EvidenceAttached(Attached {
            digest,
            evidence,
            reference: None,
            ..
        })) => {
            let named = Named { sequence: event.sequence, run: event.subject, evidence };
            Some((digest, named))
        }
        _ => None,
    })
}

/// What a check of the files of evidence found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many files events name.
    pub files: u64,
    /// How many bytes those have that are whole.
    pub bytes: u64,
    /// Those that are missing or have changed.
    pub damaged: Vec<(Named, EvidenceFailure)>,
}

impl DataDirectory {
    /// The files of evidence.
    #[must_use]
    pub fn evidence(&self) -> EvidenceStore {
        EvidenceStore::within(self.path())
    }

    /// Checks every file of evidence that an event of the directory's `log` names.
    ///
    /// # Errors
    /// When the log or a file cannot be read. What is missing or has changed is an answer.
    pub async fn check_evidence(&self, log: &dyn EventLog) -> Result<Checked, EvidenceFailure> {
        let mut files = BTreeMap::new();
        let mut after = Sequence::ZERO;
        loop {
            let records = log.read(after, READ_LIMIT).await?;
            let Some(last) = records.last() else { break };
            after = last.sequence;
            for record in &records {
                if let Some((digest, named)) = named_in(record)? {
                    files.entry(digest).or_insert(named);
                }
            }
        }
        let store = self.evidence();
        let mut checked = Checked::default();
        for (digest, named) in files {
            checked.files = checked.files.saturating_add(1);
            match store.check(&digest) {
                Ok(size) => checked.bytes = checked.bytes.saturating_add(size),
                Err(
                    failure @ (EvidenceFailure::Missing { .. } | EvidenceFailure::Changed { .. }),
                ) => checked.damaged.push((named, failure)),
                Err(failure) => return Err(failure),
            }
        }
        Ok(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, EvidenceStore) {
        let directory = tempfile::tempdir().unwrap();
        let store = EvidenceStore::within(directory.path());
        (directory, store)
    }

    #[test]
    fn what_is_put_is_there_under_its_digest() {
        let (directory, store) = store();
        let content = "it works\n".repeat(20_000);
        let stored = store.put(&mut content.as_bytes()).unwrap();
        let expected = Stored {
            digest: Digest::of(content.as_bytes()),
            size: content.len() as u64,
            is_new: true,
        };
        assert_eq!(stored, expected);
        let hex = stored.digest.to_string();
        let (first, rest) = hex.strip_prefix("sha256:").unwrap().split_at(2);
        let path = directory.path().join("evidence").join(first).join(rest);
        assert_eq!(fs::read_to_string(path).unwrap(), content);
        let again = store.put(&mut content.as_bytes()).unwrap();
        assert_eq!(again, Stored { is_new: false, ..expected });
        store.discard(&again).unwrap();
        let mut out = Vec::new();
        assert_eq!(store.copy_to(&stored.digest, &mut out).unwrap(), stored.size);
        assert_eq!(out, content.as_bytes());
        assert_eq!(store.digests().unwrap(), [stored.digest]);
        store.discard(&stored).unwrap();
        assert_eq!(store.digests().unwrap(), []);
    }

    #[test]
    fn damage_is_found_and_made_good_by_the_same_bytes() {
        let (_directory, store) = store();
        let Stored { digest, .. } = store.put(&mut "it works".as_bytes()).unwrap();
        fs::write(store.path(&digest), "it fails").unwrap();
        assert!(matches!(store.check(&digest), Err(EvidenceFailure::Changed { .. })));
        let (_other, elsewhere) = self::store();
        assert!(matches!(store.copy_all(&elsewhere), Err(EvidenceFailure::Changed { .. })));
        assert_eq!(elsewhere.digests().unwrap(), []);
        // A disk that gives back only some files keeps none of the others from being saved.
        let other = store.put(&mut "and this".as_bytes()).unwrap().digest;
        let unreadable = store.put(&mut "so does this".as_bytes()).unwrap().digest;
        fs::remove_file(store.path(&unreadable)).unwrap();
        fs::create_dir(store.path(&unreadable)).unwrap();
        let failure = store.copy_all(&elsewhere).unwrap_err();
        assert!(!failure.is_input() && failure.to_string().contains("evidence"), "{failure}");
        let mut lost = store.copy_what_is_whole(&elsewhere).unwrap();
        assert_eq!((lost.len(), elsewhere.digests().unwrap()), (2, vec![other]));
        lost.retain(|failure| !matches!(failure, EvidenceFailure::Changed { .. }));
        let path = store.path(&unreadable).display().to_string();
        assert!(lost.iter().all(|failure| failure.to_string().contains(&path)), "{lost:?}");
        fs::remove_dir(store.path(&unreadable)).unwrap();
        store.discard(&Stored { digest: other, size: 8, is_new: true }).unwrap();
        store.put(&mut "it works".as_bytes()).unwrap();
        assert_eq!(store.check(&digest).unwrap(), 8);
        fs::remove_file(store.path(&digest)).unwrap();
        assert!(matches!(store.check(&digest), Err(EvidenceFailure::Missing { .. })));
    }

    #[test]
    fn a_file_that_cannot_be_read_to_its_end_leaves_nothing() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the cable is out"))
            }
        }
        let (_directory, store) = store();
        let failure = store.put(&mut "half".as_bytes().chain(Broken)).unwrap_err();
        assert!(failure.is_input(), "{failure}");
        assert_eq!(fs::read_dir(&store.root).unwrap().count(), 0);
    }

    #[test]
    fn what_a_crash_has_left_goes_with_the_next_file() {
        let (_directory, store) = store();
        fs::create_dir_all(&store.root).unwrap();
        fs::write(store.root.join("new-0-0"), "half").unwrap();
        let kept = store.put(&mut "whole".as_bytes()).unwrap();
        assert_eq!(store.digests().unwrap(), [kept.digest]);
        assert!(!store.root.join("new-0-0").exists());
    }

    #[test]
    fn copies_are_brought_up_to_date() {
        let ((_one, store), (_other, copy)) = (self::store(), self::store());
        assert_eq!(store.copy_all(&copy).unwrap(), 0);
        store.put(&mut "a".as_bytes()).unwrap();
        assert_eq!(store.copy_all(&copy).unwrap(), 1);
        store.put(&mut "b".as_bytes()).unwrap();
        assert_eq!(store.copy_all(&copy).unwrap(), 1);
        assert_eq!(store.digests().unwrap(), copy.digests().unwrap());
    }

    #[test]
    fn the_name_of_a_file_suggests_what_it_is() {
        assert_eq!(media_type_of("report.pdf").as_deref(), Some("application/pdf"));
        assert_eq!(media_type_of("rack.JPG").as_deref(), Some("image/jpeg"));
        assert_eq!(media_type_of("log.unheard-of"), None);
    }
}
