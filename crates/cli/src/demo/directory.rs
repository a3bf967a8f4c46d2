//! The directory that the demo leaves behind: made anew each time, and never in place of one that
//! it did not make.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use holdpoint::{DataDirectory, DirectoryFailure, directory, keys, log_sled::OpenFailure};

use crate::failure::Failure;

/// What runs may ask for in the demo. Its first line marks the directory as the demo's.
const CONFIGURATION: &str = include_str!("holdpoint.toml");

/// The definitions, beside the data directory's own files for the reader to look at.
const DEFINITIONS: &str = "definitions";
const SOURCES: [(&str, &str); 2] = [
    ("normal-change.yaml", include_str!("../../../../workflows/normal-change.yaml")),
    ("rolling-rollout.yaml", include_str!("../../../../workflows/rolling-rollout.yaml")),
];

/// The calendars that its changes go by: any time is good, but for a freeze that is long past.
const CALENDARS: [(&str, &str); 2] = [
    (
        "maintenance.yaml",
        "calendar: maintenance\nzone: UTC\nwindows: [{ starts: 2020-01-01T00:00, lasts: 24h, repeat: FREQ=DAILY }]\n",
    ),
    (
        "freeze.yaml",
        "calendar: freeze\nzone: UTC\nfreezes: [{ from: 2020-12-24, to: 2021-01-02 }]\n",
    ),
];

/// What is shown to those who approve.
const EVIDENCE: [(&str, &str); 2] = [
    ("back-out-plan.md", "Each machine gets the version back that it had, the last one first.\n"),
    ("test-report.md", "Version 2 has answered well in the laboratory for a week.\n"),
];

/// The files of the demo.
pub(crate) struct Files {
    pub(crate) definitions: Vec<PathBuf>,
    pub(crate) calendars: Vec<PathBuf>,
    pub(crate) evidence: Vec<PathBuf>,
}

/// Makes a fresh data directory at `path` and answers with the demo's files in it. The directory of an
/// earlier demo is replaced.
pub(crate) async fn prepare(path: &Path) -> Result<Files, Failure> {
    let failed = |error: io::Error| {
        Failure::storage(
            format!("the demo's directory `{}` cannot be made: {error}", path.display()),
            "name another directory with `--dir`",
        )
    };
    if is_demos(path).map_err(failed)? {
        // Somebody may be at work in it.
        if let Err(failure @ DirectoryFailure::Log(OpenFailure::InUse { .. })) =
            DataDirectory::open(path)?.log("holdpoint demo").await
        {
            return Err(failure.into());
        }
        fs::remove_dir_all(path).map_err(failed)?;
    }
    DataDirectory::init_with(path, CONFIGURATION, keys::random_name()?).await?;
    let definitions = path.join(DEFINITIONS);
    fs::create_dir(&definitions).map_err(failed)?;
    let write = |sources: &[(&str, &str)]| {
        let written = sources.iter().map(|(name, source)| {
            let file = definitions.join(name);
            fs::write(&file, source).map(|()| file)
        });
        written.collect::<io::Result<Vec<_>>>().map_err(failed)
    };
    Ok(Files {
        definitions: write(&SOURCES)?,
        calendars: write(&CALENDARS)?,
        evidence: write(&EVIDENCE)?,
    })
}

/// Whether an earlier demo made the directory, and nothing else is in it.
fn is_demos(path: &Path) -> io::Result<bool> {
    let configured = match fs::read_to_string(path.join(directory::CONFIGURATION_FILE)) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    if configured.lines().next() != CONFIGURATION.lines().next() {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if !directory::is_own_file(&name) && name != DEFINITIONS {
            return Ok(false);
        }
    }
    Ok(true)
}
