//! One process at a time: an advisory lock on a file that says who holds it, and on the directory itself.
//!
//! The file alone would not do: who removes it, and makes another, locks another. The directory can only
//! be removed with the log. sled has a lock of its own, but says only that it could not be had, and
//! too late: by then something was done to its files.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::{directory::open_file, failure::OpenFailure};

/// The longest description of a holder that is read back, in bytes.
const HOLDER_BYTES_MAX: u64 = 1024;

/// The lock; it is given back when this is dropped, or the process ends in any way.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    directory: File,
}

impl Lock {
    /// Takes the lock `file` of `directory` and notes this process and its `user` in it.
    pub(crate) fn take(directory: &Path, file: &Path, user: &str) -> Result<Self, OpenFailure> {
        let io = |source| OpenFailure::Io { path: file.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // The lock is written over: a link in its place could name any file.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let mut lock = options.open(file).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Who only reads writes nothing into it: what it says is of somebody before.
                let is_read = lock.try_lock_shared().is_ok() && lock.unlock().is_ok();
                let (process, user) = if is_read { (None, None) } else { holder(&lock) };
                return Err(OpenFailure::InUse { directory: directory.to_owned(), process, user });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let held = hold(directory, File::try_lock)?;
        lock.set_len(0).map_err(io)?;
        let user: String = user.chars().filter(|c| !c.is_control()).collect();
        lock.write_all(format!("{}\n{user}\n", std::process::id()).as_bytes()).map_err(io)?;
        Ok(Self { file: lock, directory: held })
    }
}

/// Locks the directory itself, which says nothing of who else holds it.
fn hold(
    directory: &Path,
    lock: impl FnOnce(&File) -> Result<(), TryLockError>,
) -> Result<File, OpenFailure> {
    let io = |source| OpenFailure::Io { path: directory.to_owned(), source };
    let opened = File::open(directory).map_err(io)?;
    match lock(&opened) {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => {
            Err(OpenFailure::InUse { directory: directory.to_owned(), process: None, user: None })
        }
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that the process is just starting has a copy of
        // the handle until it runs its program, and a lock lasts as long as any copy.
        for locked in [&self.directory, &self.file] {
            if let Err(error) = locked.unlock() {
                tracing::warn!(%error, "the lock could not be given back");
            }
        }
    }
}

/// Keeps others from opening a log, and writes nothing.
#[derive(Debug)]
pub(crate) struct HeldOff {
    file: Option<File>,
    directory: File,
}

impl Drop for HeldOff {
    fn drop(&mut self) {
        // As with `Lock`. What fails here fails again when the files are closed.
        let _ = self.directory.unlock();
        let _ = self.file.as_ref().map(File::unlock);
    }
}

/// Keeps others from opening the log in `directory` until what is answered is dropped, and writes
/// nothing: the directory may be one that cannot be written to.
pub(crate) fn hold_off(directory: &Path, file: &Path) -> Result<HeldOff, OpenFailure> {
    let io = |source| OpenFailure::Io { path: file.to_owned(), source };
    let file = match open_file(file, File::options().read(true)) {
        Ok(lock) => Some(lock),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(io(source)),
    };
    if let Some(lock) = &file {
        match lock.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let (process, user) = holder(lock);
                return Err(OpenFailure::InUse { directory: directory.to_owned(), process, user });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Ok(HeldOff { file, directory: hold(directory, File::try_lock_shared)? })
}

/// Who holds the lock, as far as can be told.
fn holder(file: &File) -> (Option<u32>, Option<String>) {
    let mut text = String::new();
    if file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).is_err() {
        return (None, None);
    }
    let mut lines = text.lines();
    let process = lines.next().and_then(|line| line.parse().ok());
    let user = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    (process, user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "99999999999999999999\nsomebody long gone\nand more").unwrap();
        let first = Lock::take(dir.path(), &path, "holdpoint\nwork").unwrap();
        let failure = Lock::take(dir.path(), &path, "me").unwrap_err();
        let OpenFailure::InUse { process, user, .. } = &failure else { panic!("{failure}") };
        assert_eq!(*process, Some(std::process::id()));
        assert_eq!(user.as_deref(), Some("holdpointwork"));
        drop(first);
        Lock::take(dir.path(), &path, "me").unwrap();
    }

    #[test]
    fn a_file_that_was_removed_does_not_let_another_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let none = |failure: OpenFailure| {
            assert!(matches!(&failure, OpenFailure::InUse { process: None, .. }), "{failure}");
        };
        let first = Lock::take(dir.path(), &path, "holdpoint work").unwrap();
        for _ in 0..2 {
            std::fs::remove_file(&path).unwrap();
            none(hold_off(dir.path(), &path).unwrap_err());
            none(Lock::take(dir.path(), &path, "me").unwrap_err());
            none(hold_off(dir.path(), &path).unwrap_err());
        }
        drop(first);
        let held_off = hold_off(dir.path(), &path).unwrap();
        std::fs::remove_file(&path).unwrap();
        none(Lock::take(dir.path(), &path, "me").unwrap_err());
        let other = hold_off(dir.path(), &path).unwrap();
        drop((held_off, other));
        Lock::take(dir.path(), &path, "me").unwrap();
    }

    #[test]
    fn it_is_given_back_although_a_child_has_a_copy_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(dir.path(), &path, "me").unwrap();
        let copy = [&first.file, &first.directory].map(|file| file.try_clone().unwrap());
        drop(first);
        let held_off = hold_off(dir.path(), &path).unwrap();
        let file = held_off.file.as_ref().unwrap();
        let other = [file, &held_off.directory].map(|file| file.try_clone().unwrap());
        drop(held_off);
        Lock::take(dir.path(), &path, "me").unwrap();
        drop((copy, other));
    }

    #[test]
    fn nobody_from_before_is_told_of_while_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        drop(Lock::take(dir.path(), &path, "holdpoint work").unwrap());
        let held_off = hold_off(dir.path(), &path).unwrap();
        for _ in 0..2 {
            let failure = Lock::take(dir.path(), &path, "me").unwrap_err();
            assert!(
                matches!(&failure, OpenFailure::InUse { process: None, user: None, .. }),
                "{failure}"
            );
        }
        drop(held_off);
        Lock::take(dir.path(), &path, "me").unwrap();
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, precious) = (dir.path().join("lock"), dir.path().join("precious"));
        std::fs::write(&precious, "years of work").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        Lock::take(dir.path(), &path, "me").unwrap_err();
        assert_eq!(std::fs::read(&precious).unwrap(), b"years of work");
    }
}
