//! Copies of a data directory: backups and what is restored from them, and data directories that
//! are made of the events of another.
//!
//! ```text
//! backup              "holdpoint backup 1": what has it is a backup
//! holdpoint.toml      the operator's configuration, as it was
//! configured.key      the key of the digests that say what activities are
//! checkpoint.pub      the public key of the log's checkpoints; the secret one is never copied
//! log/                the log
//! evidence/           the files of evidence
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use holdpoint_log::Verified;
use holdpoint_log_sled::{
    ArchiveFailure, BackedUp, NewLog, OpenFailure, Salvaged, SledLog, restore, salvage,
};

use crate::{
    configuration,
    configured::CONFIGURED_KEY_FILE,
    directory::{CONFIGURATION_FILE, DataDirectory, LOG},
    evidence::{EVIDENCE, EvidenceFailure, EvidenceStore},
    files,
    keys::{PUBLIC_KEY_FILE, SECRET_KEY_FILE},
};

/// The file that says of a directory that it is a backup.
const MARK: &str = "backup";
const MARK_TEXT: &str = "holdpoint backup 1\n";

/// Why a data directory was not backed up, restored or made of events.
#[derive(Debug, thiserror::Error)]
pub enum BackupFailure {
    /// What is at the path is neither nothing nor a backup.
    #[error("`{}` is neither an empty directory nor a backup", .path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// A backup was to be made within what is backed up.
    #[error("`{}` is in the data directory itself", .path.display())]
    Within {
        /// The path.
        path: PathBuf,
    },
    /// There is no backup at the path.
    #[error("there is no backup in `{}`", .path.display())]
    NotThere {
        /// The path.
        path: PathBuf,
    },
    /// A data directory was to be made where there is something already.
    #[error("`{}` is not an empty directory", .path.display())]
    NotEmpty {
        /// The path.
        path: PathBuf,
    },
    /// The log was not copied.
    #[error(transparent)]
    Log(#[from] ArchiveFailure),
    /// A file of evidence was not copied.
    #[error(transparent)]
    Evidence(#[from] EvidenceFailure),
    /// The file system answered with an error.
    #[error("`{}` cannot be used: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl BackupFailure {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        let help = match self {
            Self::Foreign { .. } => {
                "name a directory that is empty or does not exist, or that of an earlier backup"
            }
            Self::Within { .. } => "name a directory elsewhere, best on another disk",
            Self::NotThere { .. } => "name a directory that `holdpoint backup` has made",
            Self::NotEmpty { .. } => "name a directory that is empty or does not exist",
            Self::Log(failure) => failure.help(),
            Self::Evidence(failure) => failure.help(),
            Self::Io { .. } => "check the path, its permissions and the space on its disk",
        };
        help.to_owned()
    }

    /// Whether it is about what was asked for, rather than about storage that fails.
    #[must_use]
    pub const fn is_input(&self) -> bool {
        match self {
            Self::Foreign { .. }
            | Self::Within { .. }
            | Self::NotThere { .. }
            | Self::NotEmpty { .. }
            | Self::Log(
                ArchiveFailure::NotEmpty { .. }
                | ArchiveFailure::OtherLog { .. }
                | ArchiveFailure::Event { .. }
                | ArchiveFailure::Log(
                    OpenFailure::InUse { .. }
                    | OpenFailure::Foreign { .. }
                    | OpenFailure::NotThere { .. },
                ),
            ) => true,
            Self::Log(ArchiveFailure::Log(_) | ArchiveFailure::Read(_))
            | Self::Evidence(_)
            | Self::Io { .. } => false,
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupFailure {
    move |source| BackupFailure::Io { path: path.to_owned(), source }
}

/// Writes a file so that it is there with this content, durably, or as it was.
fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), BackupFailure> {
    let (path, new) = (directory.join(name), directory.join(format!("{name}.new")));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if [CONFIGURATION_FILE, CONFIGURED_KEY_FILE].contains(&name) {
        // Secrets may stand in it.
        options.mode(0o600);
    }
    let mut file = options.open(&new).map_err(at(&new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&new))?;
    fs::rename(&new, &path).map_err(at(&path))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, BackupFailure> {
    match files::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BackupFailure::Io { path: path.to_owned(), source }),
    }
}

/// The names in a directory; none when it does not exist, and `None` when it is no directory.
fn names(path: &Path) -> Result<Option<Vec<String>>, BackupFailure> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| Ok(entry.map_err(at(path))?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()
            .map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Vec::new())),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(source) => Err(BackupFailure::Io { path: path.to_owned(), source }),
    }
}

/// Checks that `to` is not in the data directory `own`.
fn outside(own: &Path, to: &Path) -> Result<(), BackupFailure> {
    let own = own.canonicalize().map_err(at(own))?;
    let existing = to.ancestors().find_map(|path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.canonicalize().ok()
    });
    if existing.is_some_and(|path| path.starts_with(&own)) {
        return Err(BackupFailure::Within { path: to.to_owned() });
    }
    Ok(())
}

/// What a backup has now.
#[derive(Debug)]
pub struct Backup {
    /// The log.
    pub log: BackedUp,
    /// How many files of evidence it did not have before.
    pub evidence_added: u64,
}

impl DataDirectory {
    /// Brings the backup in the directory `to` up to the head of the directory's `log`, which is
    /// open, or makes one there; [`SledLog::backup`] says more. The files of evidence are copied, the
    /// secret key is not.
    ///
    /// # Errors
    /// See [`BackupFailure`].
    pub async fn backup(
        &self,
        log: &SledLog,
        to: impl AsRef<Path>,
        progress: impl Fn(u64, u64) + Send + 'static,
    ) -> Result<Backup, BackupFailure> {
        let to = to.as_ref();
        outside(self.path(), to)?;
        let mark = to.join(MARK);
        let there = names(to)?;
        let is_new = there.as_ref().is_some_and(Vec::is_empty);
        let is_backup = || files::read(&mark).is_ok_and(|text| text == MARK_TEXT.as_bytes());
        // A first backup that was cut short at once.
        let is_begun = there == Some(vec![format!("{MARK}.new")]);
        if is_new || is_begun {
            fs::create_dir_all(to).map_err(at(to))?;
            write(to, MARK, MARK_TEXT.as_bytes())?;
        } else if !is_backup() {
            return Err(BackupFailure::Foreign { path: to.to_owned() });
        }
        let made = log.backup(to.join(LOG), progress).await?;
        // Whatever an event of the copy names was there before that event.
        let evidence_added = self.evidence().copy_all(&EvidenceStore::within(to))?;
        for name in [CONFIGURATION_FILE, CONFIGURED_KEY_FILE, PUBLIC_KEY_FILE] {
            if let Some(bytes) = read_if_there(&self.path().join(name))?
                && read_if_there(&to.join(name))?.as_ref() != Some(&bytes)
            {
                write(to, name, &bytes)?;
            }
        }
        Ok(Backup { log: made, evidence_added })
    }
}

/// A data directory that is being made of what another has. What is made is removed when this is
/// dropped before [`NewDirectory::keep`].
#[derive(Debug)]
pub struct NewDirectory {
    path: PathBuf,
    made: Vec<PathBuf>,
    kept: bool,
}

impl NewDirectory {
    /// Prepares a directory at `path`, which must be empty or not exist, with this configuration; a
    /// configuration or a key that the operator has put there already stays as it is.
    ///
    /// # Errors
    /// See [`BackupFailure`].
    pub fn prepare(
        path: impl AsRef<Path>,
        configuration: Option<&[u8]>,
    ) -> Result<Self, BackupFailure> {
        let path = path.as_ref();
        let unfinished = format!("{LOG}.new");
        let operators = [CONFIGURATION_FILE, CONFIGURED_KEY_FILE, SECRET_KEY_FILE, PUBLIC_KEY_FILE];
        let is_free = names(path)?.is_some_and(|names| {
            // Files of evidence are what their names say, whoever has put them there.
            let known = [EVIDENCE, unfinished.as_str()];
            names
                .iter()
                .all(|name| operators.contains(&name.as_str()) || known.contains(&name.as_str()))
        });
        if !is_free {
            return Err(BackupFailure::NotEmpty { path: path.to_owned() });
        }
        let mut new = Self { path: path.to_owned(), made: Vec::new(), kept: false };
        if !path.exists() {
            fs::create_dir_all(path).map_err(at(path))?;
            new.made.push(path.to_owned());
        }
        new.add(CONFIGURATION_FILE, configuration.unwrap_or(configuration::TEMPLATE.as_bytes()))?;
        Ok(new)
    }

    /// Adds a file, unless the operator has put it there.
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupFailure> {
        let file = self.path.join(name);
        if !file.exists() {
            write(&self.path, name, bytes)?;
            self.made.push(file);
        }
        Ok(())
    }

    /// Copies the key of the digests that say what activities are, so that they stay the same.
    fn add_key_of_digests(&mut self, key: Option<&[u8]>) -> Result<(), BackupFailure> {
        key.map_or(Ok(()), |key| self.add(CONFIGURED_KEY_FILE, key))
    }

    /// Where files of evidence go that another directory has. They are there before the log that names them.
    fn add_evidence(&mut self) -> EvidenceStore {
        let directory = self.path.join(EVIDENCE);
        if !directory.exists() {
            self.made.push(directory);
        }
        EvidenceStore::within(&self.path)
    }

    /// Where its log is to be.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Keeps what was made: the log is there.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in self.made.iter().rev() {
            let removed = match path {
                path if path.ends_with(EVIDENCE) && path.is_dir() => fs::remove_dir_all(path),
                path if path.is_dir() => fs::remove_dir(path),
                path if path.exists() => fs::remove_file(path),
                _ => Ok(()),
            };
            if let Err(error) = removed {
                tracing::warn!(%error, path = %path.display(), "what was made could not be removed");
            }
        }
    }
}

/// Makes a data directory at `to`, which must be empty or not exist, of the backup in the directory
/// `from`, and verifies its log. It is there whole or not at all. A secret key is not in a backup,
/// and not made.
///
/// # Errors
/// See [`BackupFailure`].
pub async fn restore_directory(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    progress: impl Fn(u64, u64) + Send + 'static,
) -> Result<Verified, BackupFailure> {
    let from = from.as_ref();
    let log = from.join(LOG);
    if !log.join("format").exists() {
        // A first backup that was cut short has no segments.
        let was_there = from.join(MARK).exists() && log.join("sealed").exists();
        return Err(if was_there {
            let reason = "it is missing".to_owned();
            ArchiveFailure::from(OpenFailure::FormatDamaged { directory: log, reason }).into()
        } else {
            BackupFailure::NotThere { path: from.to_owned() }
        });
    }
    let configuration = read_if_there(&from.join(CONFIGURATION_FILE))?;
    let mut new = NewDirectory::prepare(to, configuration.as_deref())?;
    new.add_key_of_digests(read_if_there(&from.join(CONFIGURED_KEY_FILE))?.as_deref())?;
    // A secret key that is there already has a public one of its own.
    if let Some(key) = read_if_there(&from.join(PUBLIC_KEY_FILE))?
        && !new.path.join(SECRET_KEY_FILE).exists()
    {
        new.add(PUBLIC_KEY_FILE, &key)?;
    }
    EvidenceStore::within(from).copy_all(&new.add_evidence())?;
    let verified = restore(log, new.log(), progress).await?;
    new.keep();
    Ok(verified)
}

/// Begins a data directory at `path`, which must be empty or not exist, that is to have the events
/// of another log. It is whole when both answers are finished and kept.
///
/// # Errors
/// See [`BackupFailure`].
pub fn new_directory(path: impl AsRef<Path>) -> Result<(NewDirectory, NewLog), BackupFailure> {
    let new = NewDirectory::prepare(path, None)?;
    let log = NewLog::create(new.log())?;
    Ok((new, log))
}

/// The file in a salvaged data directory with the events that have no place in its log.
pub const UNPLACED_FILE: &str = "unplaced.jsonl";

/// Makes a data directory at `to`, which must be empty or not exist, of what can still be read in the
/// data directory at `from`; [`salvage`] says more. Nothing is changed there.
///
/// This waits for the disk.
///
/// # Errors
/// See [`BackupFailure`].
pub fn salvage_directory(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    progress: impl Fn(u64, u64),
) -> Result<Salvaged, BackupFailure> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let log = from.join(LOG);
    if !log.is_dir() {
        return Err(ArchiveFailure::Log(OpenFailure::NotThere { directory: log }).into());
    }
    outside(from, to)?;
    let mut findings = Vec::new();
    let mut read = |name: &str| {
        read_if_there(&from.join(name)).unwrap_or_else(|failure| {
            findings.push(format!("not copied: {failure}"));
            None
        })
    };
    let (configuration, key) = (read(CONFIGURATION_FILE), read(PUBLIC_KEY_FILE));
    let key_of_digests = read(CONFIGURED_KEY_FILE);
    let mut new = NewDirectory::prepare(to, configuration.as_deref())?;
    new.add_key_of_digests(key_of_digests.as_deref())?;
    if let Some(key) = key
        && !to.join(SECRET_KEY_FILE).exists()
    {
        new.add(PUBLIC_KEY_FILE, &key)?;
    }
    let changed = EvidenceStore::within(from).copy_what_is_whole(&new.add_evidence())?;
    let mut saved = salvage(log, new.log(), to.join(UNPLACED_FILE), progress)?;
    saved.findings.extend(findings);
    saved.findings.extend(changed.iter().map(ToString::to_string));
    new.keep();
    Ok(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_log_is_made_that_names_evidence_which_could_not_be_kept() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDirectory::init(&path).await.unwrap();
        directory.evidence().put(&mut "it works".as_bytes()).unwrap();
        let to = parent.path().join("found");
        fs::create_dir(&to).unwrap();
        fs::write(to.join(EVIDENCE), "in its place").unwrap();
        salvage_directory(&path, &to, |_, _| ()).unwrap_err();
        assert_eq!(names(&to).unwrap(), Some(vec![EVIDENCE.to_owned()]));
        fs::remove_file(to.join(EVIDENCE)).unwrap();
        salvage_directory(&path, &to, |_, _| ()).unwrap();
        assert_eq!(EvidenceStore::within(&to).digests().unwrap().len(), 1);
    }
}
