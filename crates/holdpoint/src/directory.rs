//! A data directory: a log, what is derived from it, and the operator's configuration.
//!
//! ```text
//! holdpoint.toml      what runs may ask for; written by the operator
//! checkpoint.key      the secret key that signs checkpoints, and checkpoint.pub its public part
//! configured.key      the key of the digests that say what activities are; there once some are configured
//! log/                the event log: the truth
//! evidence/           the files of evidence that events name by their digests
//! output/             what programs write while they run, to be followed; can be removed at any time
//! read-model.sqlite   lists and lookups; derived from the log, can be deleted at any time
//! control.sock        where a process that works takes commands of others; there while it works
//! ```

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint_core::{ProjectId, RunId};
use holdpoint_engine::{ActivityHandler, Engine, EngineBuilder, QueryFailure, ReadModelAt};
use holdpoint_log::{
    EventLog,
    key::{KeyName, PublicKey, SigningKey},
};
use holdpoint_log_sled::{OpenFailure, SledLog};

use crate::{
    activity::{HEALTH_CHECK, HTTP_CHECK, Said},
    configuration::{self, Configuration, ConfigurationFailure},
    configured::{CONFIGURED_KEY_FILE, ConfiguredKey, NEW_CONFIGURED_KEY_FILE},
    evidence::EVIDENCE,
    files,
    keys::{self, NEW_SECRET_KEY_FILE, PUBLIC_KEY_FILE, SECRET_KEY_FILE, SigningKeyFailure},
    output::OUTPUT,
};

/// The name of the operator's configuration in a data directory.
pub const CONFIGURATION_FILE: &str = "holdpoint.toml";
/// No configuration is longer.
const CONFIGURATION_BYTES_MAX: u64 = 1024 * 1024;
/// The name of the socket on which a process that has a data directory may take commands of others. It
/// is no part of what is kept.
pub const SOCKET: &str = "control.sock";
pub(crate) const LOG: &str = "log";
/// The name of the read model in a data directory.
pub const READ_MODEL: &str = "read-model.sqlite";

/// Whether nothing is left of a log that was there: what is derived from it still is. What may not be
/// looked at may be there.
fn has_lost_log(path: &Path) -> bool {
    let is_gone = |path: &Path| matches!(path.try_exists(), Ok(false));
    let log = path.join(LOG);
    let parts = ["format", "head", "sealed", "tail"];
    let is_empty = || log.is_dir() && parts.iter().all(|part| is_gone(&log.join(part)));
    path.join(READ_MODEL).exists() && (is_gone(&log) || is_empty())
}

/// Whether `name` is one of the files that Holdpoint itself keeps in a data directory.
#[must_use]
pub fn is_own_file(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        [CONFIGURATION_FILE, LOG, EVIDENCE, OUTPUT, SECRET_KEY_FILE, PUBLIC_KEY_FILE, SOCKET]
            .contains(&name)
            || [NEW_SECRET_KEY_FILE, CONFIGURED_KEY_FILE, NEW_CONFIGURED_KEY_FILE].contains(&name)
            || name.starts_with(READ_MODEL)
    })
}

/// A data directory whose configuration has been read.
#[derive(Clone, Debug)]
pub struct DataDirectory {
    path: PathBuf,
    configuration: Configuration,
    /// Why there is no configuration, where it is done without.
    unconfigured: Option<Arc<DirectoryFailure>>,
}

/// Why a data directory cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFailure {
    /// There is nothing at the path.
    #[error("there is no directory `{}`", .path.display())]
    NotThere {
        /// The path.
        path: PathBuf,
    },
    /// What is at the path is not a data directory.
    #[error("`{}` is not a data directory: {reason}", .path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// A data directory without its configuration.
    #[error("`{}` has no `{CONFIGURATION_FILE}`", .path.display())]
    NoConfiguration {
        /// The path.
        path: PathBuf,
    },
    /// A data directory whose log was there and is gone.
    #[error("`{}` has lost its `log`", .path.display())]
    LostLog {
        /// The path.
        path: PathBuf,
    },
    /// There is a data directory already.
    #[error("`{}` is a data directory already", .path.display())]
    AlreadyThere {
        /// The path.
        path: PathBuf,
    },
    /// A directory can only become a data directory when it is empty.
    #[error("`{}` is not an empty directory", .path.display())]
    NotEmpty {
        /// The path.
        path: PathBuf,
    },
    /// The key that signs checkpoints cannot be made or read.
    #[error(transparent)]
    Key(#[from] SigningKeyFailure),
    /// The operator's configuration is not acceptable.
    #[error(transparent)]
    Configuration(#[from] ConfigurationFailure),
    /// The file system answered with an error.
    #[error("`{}` cannot be used: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The log cannot be opened, or is in use.
    #[error(transparent)]
    Log(#[from] OpenFailure),
}

impl DirectoryFailure {
    /// What to do about it; may be empty.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NotThere { path } => format!(
                "make it with `holdpoint --dir {} init`, or name another with `--dir` or \
                 HOLDPOINT_DIR",
                path.display()
            ),
            Self::Foreign { .. } => {
                "name a data directory with `--dir` or HOLDPOINT_DIR, or make one with \
                 `holdpoint init`"
                    .to_owned()
            }
            Self::NoConfiguration { path } => format!(
                "write it, or let `holdpoint --dir {} init` write one that configures nothing; \
                 the log stays as it is",
                path.display()
            ),
            Self::LostLog { .. } => {
                "restore `log` from a backup: nothing else says what happened; to begin anew, name \
                 another directory"
                    .to_owned()
            }
            Self::AlreadyThere { .. } => "use it as it is, or name another directory".to_owned(),
            Self::NotEmpty { .. } => "name a directory that is empty or does not exist".to_owned(),
            Self::Configuration(failure) => failure.help.clone(),
            Self::Key(failure) => failure.help().to_owned(),
            Self::Io { .. } => {
                "check the path, its permissions and the space on its disk".to_owned()
            }
            Self::Log(OpenFailure::NotThere { directory }) => format!(
                "when the directory's making was interrupted, finish it with `holdpoint --dir {} \
                 init`: nothing that is in it is lost",
                directory.parent().unwrap_or(directory).display()
            ),
            Self::Log(failure @ OpenFailure::Io { .. }) => format!(
                "{}; commands that only read, such as `holdpoint show`, work all the same",
                failure.help()
            ),
            Self::Log(failure) => failure.help().to_owned(),
        }
    }

    /// Whether it is about what was asked for, rather than about storage that fails.
    #[must_use]
    pub const fn is_input(&self) -> bool {
        match self {
            Self::NotThere { .. }
            | Self::Foreign { .. }
            | Self::NoConfiguration { .. }
            | Self::LostLog { .. }
            | Self::AlreadyThere { .. }
            | Self::NotEmpty { .. }
            | Self::Configuration(_)
            | Self::Key(
                SigningKeyFailure::NotThere { .. }
                | SigningKeyFailure::NoPublic { .. }
                | SigningKeyFailure::AlreadyThere { .. }
                | SigningKeyFailure::Malformed { .. },
            )
            | Self::Log(OpenFailure::InUse { .. }) => true,
            Self::Io { .. } | Self::Log(_) | Self::Key(_) => false,
        }
    }
}

impl DataDirectory {
    /// Makes a data directory at `path`, which must be empty or not exist, with a configuration
    /// that says what can be configured and configures nothing. A `holdpoint.toml` that the
    /// operator has put there already stays as it is.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn init(path: impl AsRef<Path>) -> Result<Self, DirectoryFailure> {
        Self::init_as(path, keys::random_name()?).await
    }

    /// As [`DataDirectory::init`], with this name for its log in checkpoints.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn init_as(path: impl AsRef<Path>, name: KeyName) -> Result<Self, DirectoryFailure> {
        Self::init_with(path, configuration::TEMPLATE, name).await
    }

    /// As [`DataDirectory::init`], with this text as its configuration, and this name for its log.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn init_with(
        path: impl AsRef<Path>,
        configuration: &str,
        name: KeyName,
    ) -> Result<Self, DirectoryFailure> {
        let path = path.as_ref();
        let file = path.join(CONFIGURATION_FILE);
        let (kept, has_log) = (file.exists(), path.join(LOG).exists());
        // What cannot be used must not leave half a directory behind.
        if !kept {
            Configuration::parse(configuration, &file, path)?;
        } else if !has_log {
            read_configuration(path)?;
        }
        let io = |source| DirectoryFailure::Io { path: path.to_owned(), source };
        if has_lost_log(path) {
            return Err(DirectoryFailure::LostLog { path: path.to_owned() });
        }
        let not_empty = || DirectoryFailure::NotEmpty { path: path.to_owned() };
        let there_already = || DirectoryFailure::AlreadyThere { path: path.to_owned() };
        match fs::read_dir(path) {
            Ok(entries) => {
                for entry in entries {
                    // What is incomplete can be finished, unless that would hide a loss.
                    let name = entry.map_err(io)?.file_name();
                    if !is_own_file(&name) {
                        return Err(if kept && has_log { there_already() } else { not_empty() });
                    }
                    if !has_log && name != CONFIGURATION_FILE {
                        return Err(DirectoryFailure::LostLog { path: path.to_owned() });
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(not_empty()),
            Err(error) => return Err(io(error)),
        }
        fs::create_dir_all(path).map_err(io)?;
        match SledLog::create(path.join(LOG), "holdpoint init").await {
            Ok(log) => drop(log),
            Err(OpenFailure::AlreadyThere { .. }) if kept => {
                return Err(there_already());
            }
            Err(OpenFailure::AlreadyThere { .. }) => {}
            Err(failure) => return Err(failure.into()),
        }
        if !kept {
            // Secrets may come to stand in it.
            let mut options = OpenOptions::new();
            let made = options.write(true).create_new(true).mode(0o600).open(&file);
            made.and_then(|mut made| made.write_all(configuration.as_bytes())).map_err(io)?;
        }
        // What was restored has only the public key: the secret one is kept elsewhere.
        if !path.join(SECRET_KEY_FILE).exists() && !path.join(PUBLIC_KEY_FILE).exists() {
            keys::make(path, name)?;
        }
        Self::open(path)
    }

    /// Reads the configuration of the data directory at `path`. Nothing is opened or changed.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DirectoryFailure> {
        let path = Self::located(path.as_ref())?;
        let configuration = read_configuration(&path)?;
        Ok(Self { path, configuration, unconfigured: None })
    }

    /// As [`DataDirectory::open`], for who has no work done: where the configuration is not there, cannot be read or
    /// is not acceptable, it is done without. Nothing is then said of what is configured.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub fn open_without_work(path: impl AsRef<Path>) -> Result<Self, DirectoryFailure> {
        let path = Self::located(path.as_ref())?;
        let (configuration, unconfigured) = match read_configuration(&path) {
            Ok(configuration) => (configuration, None),
            Err(failure) => (Configuration::default(), Some(Arc::new(failure))),
        };
        Ok(Self { path, configuration, unconfigured })
    }

    /// Why there is no configuration, where it is done without.
    #[must_use]
    pub fn unconfigured(&self) -> Option<&DirectoryFailure> {
        self.unconfigured.as_deref()
    }

    /// Checks that there is a data directory at `path`.
    fn located(path: &Path) -> Result<PathBuf, DirectoryFailure> {
        let path = path.to_owned();
        if !path.exists() {
            return Err(DirectoryFailure::NotThere { path });
        }
        let foreign = |reason: &str| DirectoryFailure::Foreign {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        if !path.is_dir() {
            return Err(foreign("it is a file"));
        }
        if has_lost_log(&path) {
            return Err(DirectoryFailure::LostLog { path });
        }
        if !path.join(LOG).is_dir() {
            return Err(foreign("it has no `log`"));
        }
        Ok(path)
    }

    /// The key with which the log signs checkpoints.
    ///
    /// # Errors
    /// See [`SigningKeyFailure`].
    pub fn signing_key(&self) -> Result<SigningKey, SigningKeyFailure> {
        keys::read(&self.path)
    }

    /// The key by which those know a checkpoint of the log who check it: `checkpoint.pub`, or what belongs to the
    /// signing key where that is all there is.
    ///
    /// # Errors
    /// See [`SigningKeyFailure`].
    pub fn public_key(&self) -> Result<PublicKey, SigningKeyFailure> {
        keys::read_public(&self.path)
    }

    /// Makes a key with which the log, under this name, signs checkpoints from now on. There must
    /// be none.
    ///
    /// # Errors
    /// See [`SigningKeyFailure`].
    pub fn new_signing_key(&self, name: KeyName) -> Result<PublicKey, SigningKeyFailure> {
        keys::make(&self.path, name)
    }

    /// Has this command run the programs that runs ask for, with the program's own words behind its own,
    /// so that they do not outlive the engine. It must do [`crate::activity::guard`].
    #[must_use]
    pub fn guarded_by(self, command: Vec<std::ffi::OsString>) -> Self {
        self.configuration.guard().run_by(command);
        self
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The operator's configuration.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Opens the log. Only one process can have it open; `user` says to others which one, such as
    /// `holdpoint work`.
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn log(&self, user: &str) -> Result<Arc<SledLog>, DirectoryFailure> {
        Ok(Arc::new(SledLog::open(self.path.join(LOG), user).await?))
    }

    /// The projects and the numbers of these runs, also while another process works on the directory; `None` for a
    /// run that the read model does not have.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub fn numbers(&self, runs: &[RunId]) -> Result<Vec<Option<(ProjectId, u64)>>, QueryFailure> {
        holdpoint_engine::numbers(&self.path.join(READ_MODEL), runs)
    }

    /// All runs with their projects and numbers, also while another process works on the directory.
    ///
    /// # Errors
    /// When the read model cannot be read.
    pub fn numbered(&self) -> Result<Vec<(RunId, ProjectId, u64)>, QueryFailure> {
        holdpoint_engine::numbered(&self.path.join(READ_MODEL))
    }

    /// Opens the log and prepares an engine on it: with the read model beside it, the definition
    /// language, the configured activities and the health check. [`DataDirectory::log`] says what
    /// `user` is. Who has work done looks first whether the configuration is
    /// [complete](Configuration::complete).
    ///
    /// # Errors
    /// See [`DirectoryFailure`].
    pub async fn engine(&self, user: &str) -> Result<EngineBuilder, DirectoryFailure> {
        let log = self.log(user).await?;
        self.engine_on(log)
    }

    /// As [`DataDirectory::engine`], on a log that has been opened.
    ///
    /// # Errors
    /// When the machine offers no HTTP client.
    pub fn engine_on(&self, log: Arc<dyn EventLog>) -> Result<EngineBuilder, DirectoryFailure> {
        // Who has the log open to write is alone.
        let some = self.configuration.activities().next();
        let key = some.map(|_| ConfiguredKey::read_or_make(&self.path));
        let key = key.transpose().map_err(|source| DirectoryFailure::Io {
            path: self.path.join(CONFIGURED_KEY_FILE),
            source,
        })?;
        self.builder_on(log, key.as_ref())
    }

    /// An engine on a log, which says what activities are where there is a key for it.
    pub(crate) fn builder_on(
        &self,
        log: Arc<dyn EventLog>,
        key: Option<&ConfiguredKey>,
    ) -> Result<EngineBuilder, DirectoryFailure> {
        let check = self.configuration.health_check().map_err(|reason| DirectoryFailure::Io {
            path: self.path.clone(),
            source: io::Error::other(reason),
        })?;
        let secrets = self.configuration.secrets().clone();
        let mut builder = Engine::builder()
            .log(log)
            .read_model(ReadModelAt::File(self.path.join(READ_MODEL)))
            .loader(Arc::new(holdpoint_definition::Language))
            .calendars(Arc::new(holdpoint_definition::calendar::YamlCalendars))
            .baselines(Arc::new(holdpoint_definition::Baselines))
            .evidence_files(Arc::new(self.evidence()))
            .masking(Arc::new(move |text| secrets.hide(text)))
            .activity(HTTP_CHECK, Arc::new(check.clone()))
            .activity(HEALTH_CHECK, Arc::new(check));
        for (name, handler) in self.configuration.activities() {
            let (inner, said) = (Arc::clone(handler), self.configuration.said(name));
            let handler: Arc<dyn ActivityHandler> = match key.zip(said) {
                Some((key, said)) => Arc::new(Said { inner, digest: key.digest(said) }),
                None => inner,
            };
            builder = builder.activity(name, handler);
        }
        for (name, limits) in self.configuration.queues() {
            builder = builder.queue(name, limits);
        }
        if self.unconfigured.is_some() {
            builder = builder.activities_unknown();
        }
        Ok(builder)
    }
}

/// Reads the operator's configuration in the data directory at `path`.
fn read_configuration(path: &Path) -> Result<Configuration, DirectoryFailure> {
    let file = path.join(CONFIGURATION_FILE);
    if !file.exists() {
        return Err(DirectoryFailure::NoConfiguration { path: path.to_owned() });
    }
    let unusable = |message: String| ConfigurationFailure {
        path: file.clone(),
        line: 1,
        column: 1,
        message,
        help: "write the file anew; the log is not touched by it".to_owned(),
    };
    let mut bytes = Vec::new();
    files::open(&file)
        .and_then(|opened| opened.take(CONFIGURATION_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| DirectoryFailure::Io { path: file.clone(), source })?;
    if bytes.len() as u64 > CONFIGURATION_BYTES_MAX {
        let message = format!("the file is larger than {CONFIGURATION_BYTES_MAX} bytes");
        return Err(unusable(message).into());
    }
    let text =
        String::from_utf8(bytes).map_err(|_| unusable("the file is not UTF-8 text".to_owned()))?;
    Ok(Configuration::parse(&text, &file, path)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// What is in a directory, and in its files.
    fn content(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut entries: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(&path).unwrap_or_default()))
            .collect();
        entries.sort();
        entries
    }

    #[tokio::test]
    async fn a_new_directory_can_be_opened() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let made = DataDirectory::init(&path).await.unwrap();
        assert_eq!(made.path(), path);
        let opened = DataDirectory::open(&path).unwrap();
        let mode = fs::metadata(path.join(CONFIGURATION_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let engine = opened.engine("test").await.unwrap().start().await.unwrap();
        assert!(engine.projects().is_empty());
        engine.shutdown().await;
    }

    #[tokio::test]
    async fn a_directory_is_made_only_where_there_is_none() {
        let parent = tempfile::tempdir().unwrap();
        let foreign = parent.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("thesis.tex"), "years of work").unwrap();
        let before = content(&foreign);
        let failure = DataDirectory::init(&foreign).await.unwrap_err();
        assert!(matches!(failure, DirectoryFailure::NotEmpty { .. }), "{failure}");
        let failure = DataDirectory::open(&foreign).unwrap_err();
        assert!(matches!(failure, DirectoryFailure::Foreign { .. }), "{failure}");
        assert_eq!(content(&foreign), before);

        let file = foreign.join("thesis.tex");
        assert!(DataDirectory::init(&file).await.is_err());
        assert!(matches!(DataDirectory::open(&file), Err(DirectoryFailure::Foreign { .. })));

        let ours = parent.path().join("ours");
        DataDirectory::init(&ours).await.unwrap();
        let failure = DataDirectory::init(&ours).await.unwrap_err();
        assert!(matches!(failure, DirectoryFailure::AlreadyThere { .. }), "{failure}");
    }

    #[tokio::test]
    async fn a_corrupt_configuration_is_named_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        DataDirectory::init(&path).await.unwrap();
        for text in [&b"[activity.deploy]\nshell = \"rm -rf /\"\n"[..], b"\xff\xfe"] {
            fs::write(path.join(CONFIGURATION_FILE), text).unwrap();
            let before = content(&path);
            let failure = DataDirectory::open(&path).unwrap_err();
            assert!(failure.to_string().contains("holdpoint.toml:"), "{failure}");
            assert!(!failure.help().is_empty());
            let failure = DataDirectory::init(&path).await.unwrap_err();
            assert!(matches!(failure, DirectoryFailure::AlreadyThere { .. }), "{failure}");
            assert_eq!(content(&path), before);
        }
    }

    #[tokio::test]
    async fn one_process_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::init(parent.path().join("data")).await.unwrap();
        let _held = directory.log("test").await.unwrap();
        let Err(failure) = directory.log("test").await else { panic!("the log was opened twice") };
        let DirectoryFailure::Log(OpenFailure::InUse { process, user, .. }) = &failure else {
            panic!("{failure}")
        };
        assert_eq!(*process, Some(std::process::id()));
        assert_eq!(user.as_deref(), Some("test"));
        assert!(failure.is_input());
    }

    #[tokio::test]
    async fn the_operators_configuration_is_never_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        fs::create_dir(&path).unwrap();
        let file = path.join(CONFIGURATION_FILE);
        fs::write(&file, "[activity.deploy\n").unwrap();
        let before = content(&path);
        let failure = DataDirectory::init(&path).await.unwrap_err();
        assert!(matches!(failure, DirectoryFailure::Configuration(_)), "{failure}");
        assert_eq!(content(&path), before);

        let configuration = "[activity.deploy]\ncommand = [\"true\"]\n";
        fs::write(&file, configuration).unwrap();
        let made = DataDirectory::init(&path).await.unwrap();
        assert_eq!(made.configuration().activities().count(), 1);
        assert_eq!(fs::read_to_string(&file).unwrap(), configuration);
    }

    #[tokio::test]
    async fn what_is_missing_is_put_back_and_what_is_lost_is_not_hidden() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        DataDirectory::init(&path).await.unwrap();
        fs::write(path.join(READ_MODEL), "").unwrap();
        let file = path.join(CONFIGURATION_FILE);
        let configuration = "[activity.deploy]\ncommand = [\"true\"]\n";
        fs::write(&file, configuration).unwrap();
        fs::remove_file(path.join(LOG).join("format")).unwrap();
        DataDirectory::init(&path).await.unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), configuration);

        fs::remove_file(&file).unwrap();
        let failure = DataDirectory::open(&path).unwrap_err();
        assert!(matches!(failure, DirectoryFailure::NoConfiguration { .. }), "{failure}");
        DataDirectory::init(&path).await.unwrap();

        fs::remove_dir_all(path.join(LOG)).unwrap();
        let before = content(&path);
        let failure = DataDirectory::open(&path).unwrap_err();
        assert!(matches!(failure, DirectoryFailure::LostLog { .. }), "{failure}");
        let failure = DataDirectory::init(&path).await.unwrap_err();
        assert!(matches!(failure, DirectoryFailure::LostLog { .. }), "{failure}");
        assert_eq!(content(&path), before);
    }

    #[tokio::test]
    async fn an_interrupted_making_can_be_finished() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        fs::create_dir_all(path.join(LOG)).unwrap();
        DataDirectory::init(&path).await.unwrap();
        fs::remove_file(path.join(CONFIGURATION_FILE)).unwrap();
        let made = DataDirectory::init(&path).await.unwrap();
        drop(made.log("test").await.unwrap());
        let failure = DataDirectory::init(&path).await.unwrap_err();
        assert!(matches!(failure, DirectoryFailure::AlreadyThere { .. }), "{failure}");
    }
}
