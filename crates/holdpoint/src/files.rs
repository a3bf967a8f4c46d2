//! Reading files of a data directory, and of backups: what stands in the place of one is not waited for.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Opens what must be a file. A pipe in its place would be waited for.
///
/// # Errors
/// When it is none, too; that it is a directory is told when it is read.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let about = fs::metadata(path)?;
    if about.is_file() || about.is_dir() {
        File::open(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
    }
}

/// All that is in a file, as [`open`] opens it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use holdpoint_log_sled::SledLog;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use crate::{
        DataDirectory,
        backup::{BackupFailure, restore_directory, salvage_directory},
        configured::{CONFIGURED_KEY_FILE, ConfiguredKey},
        directory::{CONFIGURATION_FILE, LOG, READ_MODEL},
        keys::{PUBLIC_KEY_FILE, SECRET_KEY_FILE},
    };

    fn pipe(path: &Path) {
        drop(fs::remove_file(path));
        mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    }

    #[tokio::test]
    async fn what_a_pipe_gives_is_not_waited_for() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDirectory::init(&path).await.unwrap();
        let stored = directory.evidence().put(&mut "it works".as_bytes()).unwrap();
        let saved = parent.path().join("saved");
        let log = directory.log("test").await.unwrap();
        directory.backup(&log, &saved, |_, _| ()).await.unwrap();
        drop(log);

        for name in [CONFIGURATION_FILE, CONFIGURED_KEY_FILE, SECRET_KEY_FILE, PUBLIC_KEY_FILE] {
            pipe(&path.join(name));
        }
        let failure = DataDirectory::open(&path).unwrap_err().to_string();
        assert!(failure.ends_with("it is no file"), "{failure}");
        assert!(directory.signing_key().unwrap_err().to_string().ends_with("it is no file"));
        assert!(ConfiguredKey::read(&path).is_err());
        pipe(&directory.evidence().path(&stored.digest));
        assert!(directory.evidence().check(&stored.digest).is_err());
        let found = salvage_directory(&path, parent.path().join("found"), |_, _| ()).unwrap();
        assert_eq!(found.findings.iter().filter(|one| one.contains("it is no file")).count(), 4);

        pipe(&saved.join(CONFIGURED_KEY_FILE));
        let to = parent.path().join("new");
        let failure = restore_directory(&saved, &to, |_, _| ()).await.unwrap_err();
        assert!(matches!(failure, BackupFailure::Io { .. }), "{failure}");
        fs::remove_file(saved.join(CONFIGURED_KEY_FILE)).unwrap();
        pipe(&saved.join(LOG).join("sealed/pipe"));
        let failure = restore_directory(&saved, &to, |_, _| ()).await.unwrap_err();
        assert!(failure.to_string().contains("it is no file"), "{failure}");
        assert!(!to.exists());

        // A log that is only read, with copies of what is derived from it.
        pipe(&path.join(READ_MODEL));
        let log = SledLog::open_to_read(path.join(LOG)).await.unwrap();
        drop(directory.engine_to_read_on(std::sync::Arc::new(log)).unwrap());
    }
}
