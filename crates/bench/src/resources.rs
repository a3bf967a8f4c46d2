//! What a process and a directory take.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::BenchFailure;

/// How many bytes a block has that file systems count in.
const BLOCK_BYTES: u64 = 512;

/// The memory that this process has had resident at most, in bytes. Only Linux tells.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// How many bytes of the disk the files in `directory` take, and those in the directories in it.
pub(crate) fn disk_bytes(directory: &Path) -> Result<u64, BenchFailure> {
    let mut bytes = 0;
    let entries = fs::read_dir(directory).map_err(BenchFailure::io(directory))?;
    for entry in entries {
        let path = entry.map_err(BenchFailure::io(directory))?.path();
        let about = fs::symlink_metadata(&path).map_err(BenchFailure::io(&path))?;
        bytes += if about.is_dir() { disk_bytes(&path)? } else { about.blocks() * BLOCK_BYTES };
    }
    Ok(bytes)
}

/// Reads all files in `directory`, and those in the directories in it, for the sake of the time it
/// takes.
pub(crate) fn read_all(directory: &Path) -> Result<(), BenchFailure> {
    let entries = fs::read_dir(directory).map_err(BenchFailure::io(directory))?;
    for entry in entries {
        let path = entry.map_err(BenchFailure::io(directory))?.path();
        if path.is_dir() {
            read_all(&path)?;
        } else {
            let mut file = fs::File::open(&path).map_err(BenchFailure::io(&path))?;
            std::io::copy(&mut file, &mut std::io::sink()).map_err(BenchFailure::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_takes_what_its_files_take() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(disk_bytes(directory.path()).unwrap(), 0);
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("file");
        fs::write(&file, vec![1; 100_000]).unwrap();
        fs::File::open(&file).unwrap().sync_all().unwrap();
        let bytes = disk_bytes(directory.path()).unwrap();
        assert!((100_000..1_000_000).contains(&bytes), "{bytes}");
        read_all(directory.path()).unwrap();
        assert!(disk_bytes(&directory.path().join("missing")).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_at_least_what_is_held() {
        let before = peak_bytes().unwrap();
        let held = vec![1_u8; 64 * 1024 * 1024];
        let after = peak_bytes().unwrap();
        assert!(after >= before && after > held.len() as u64, "{before} {after}");
    }
}
