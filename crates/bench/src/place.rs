//! Where is measured: a temporary directory beside whatever else is there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use holdpoint::directory;

use crate::BenchFailure;

/// How the names of our directories begin, so that one that was left behind is known for what it is.
const PREFIX: &str = "holdpoint-bench-";

/// How often, and how long after each other, the removal is tried: threads of a log that is being
/// closed may still write for a moment.
const REMOVALS_MAX: u32 = 100;
const REMOVAL_AFTER: Duration = Duration::from_millis(20);

/// A temporary directory, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Makes a temporary directory in `parent`, which must be a directory and not a data directory.
    ///
    /// # Errors
    /// See [`BenchFailure`].
    pub fn within(parent: &Path) -> Result<Self, BenchFailure> {
        let path = parent.to_owned();
        if !parent.is_dir() {
            return Err(BenchFailure::NoPlace { path });
        }
        if parent.join(directory::CONFIGURATION_FILE).exists() {
            return Err(BenchFailure::DataDirectory { path });
        }
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        // Not the library's own removal, which is tried once.
        Ok(Self(made.map_err(BenchFailure::io(parent))?.keep()))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes an empty directory in it for one workload, in place of an earlier one.
    ///
    /// # Errors
    /// When the file system answers with an error.
    pub(crate) fn room(&self, name: &str) -> Result<PathBuf, BenchFailure> {
        let path = self.0.join(name);
        let made = remove(&path).and_then(|()| fs::create_dir(&path));
        made.map_err(BenchFailure::io(&path))?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed stays, and its name says whose it is.
        let _ = remove(&self.0);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let mut tried = 0;
    loop {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => {
                return Ok(());
            }
            Err(error) if tried >= REMOVALS_MAX => return Err(error),
            Err(_) => {
                tried += 1;
                thread::sleep(REMOVAL_AFTER);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_leaves_nothing_behind() {
        let parent = tempfile::tempdir().unwrap();
        let place = Place::within(parent.path()).unwrap();
        assert_eq!(place.path().parent(), Some(parent.path()));
        let room = place.room("log").unwrap();
        fs::write(room.join("file"), "content").unwrap();
        assert_eq!(fs::read_dir(place.room("log").unwrap()).unwrap().count(), 0);
        drop(place);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_measured_in_a_data_directory() {
        let parent = tempfile::tempdir().unwrap();
        let missing = Place::within(&parent.path().join("missing")).unwrap_err();
        assert!(matches!(missing, BenchFailure::NoPlace { .. }), "{missing}");
        fs::write(parent.path().join(directory::CONFIGURATION_FILE), "").unwrap();
        let refused = Place::within(parent.path()).unwrap_err();
        assert!(matches!(refused, BenchFailure::DataDirectory { .. }), "{refused}");
        assert!(missing.is_input() && refused.is_input());
    }
}
