//! Data directories on a full disk, and on one that is mounted to be read: reading goes on, and what
//! writes says why it cannot, and changes nothing.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use crate::common::{DATA, Place, SUBMIT, assert_same, copy, finish, until, words};

/// Set where a machine that cannot mount is an error.
const REQUIRED: &str = "HOLDPOINT_REQUIRE_POWER_CUT";

/// Every command that only reads, of a place that has a run, whatever the rest of what it has.
pub(crate) const READING: [&str; 18] = [
    "list",
    "show 1",
    "history",
    "history 1",
    "verify",
    "export",
    "checkpoint",
    "prove 3",
    "logs",
    "project list",
    "project show",
    "definitions list",
    "calendar list",
    "items list",
    "locks",
    "lockdown list",
    "baseline list",
    "evidence list 1",
];

/// A small disk in memory.
#[derive(Debug)]
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Puts what is in the directory `at` on a disk of its own; or why that cannot be done here.
    fn under(at: &Path) -> Result<Self, String> {
        let aside = at.with_extension("aside");
        fs::rename(at, &aside).unwrap();
        fs::create_dir(at).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"], at);
        let disk = mounted.map(|()| Self { at: at.to_owned() })?;
        for entry in fs::read_dir(&aside).unwrap() {
            let (from, to) = (entry.as_ref().unwrap().path(), at.join(entry.unwrap().file_name()));
            if from.is_dir() {
                copy(&from, &to);
            } else {
                fs::copy(&from, &to).unwrap();
            }
        }
        fs::remove_dir_all(&aside).unwrap();
        Ok(disk)
    }

    /// Fills it to the last byte, and answers with the file that does.
    fn fill(&self) -> PathBuf {
        let path = self.at.join("output/filling");
        fs::create_dir_all(self.at.join("output")).unwrap();
        let mut file = File::create(&path).unwrap();
        for length in [1 << 20, 4096, 1] {
            let bytes = vec![7; length];
            while match file.write_all(&bytes) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => false,
                Err(error) => panic!("{error}"),
            } {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.at).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn mount(arguments: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).arg(at).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("`mount` cannot be run: {error}")),
    }
}

/// A place with a few runs whose data directory is on a disk of its own.
fn place() -> Option<(Place, Disk)> {
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    place.must(SUBMIT);
    place.must("list");
    match Disk::under(&place.path(DATA)) {
        Ok(disk) => Some((place, disk)),
        Err(reason) => {
            assert!(env::var_os(REQUIRED).is_none(), "a disk cannot be mounted here: {reason}");
            println!("SKIPPED: a disk cannot be mounted here: {reason}");
            None
        }
    }
}

/// What each command that reads prints.
fn read(place: &Place) -> Vec<(&'static str, String)> {
    READING.iter().map(|line| (*line, place.sh(line).to_string())).collect()
}

#[test]
fn a_disk_that_is_mounted_to_be_read() {
    let Some((place, disk)) = place() else { return };
    let expected = read(&place);
    mount(&["-o", "remount,ro"], &disk.at).unwrap();
    let before = place.content();
    for ((line, expected), (_, read)) in expected.iter().zip(read(&place)) {
        assert!(!expected.contains("[exit"), "{line}: {expected}");
        assert_eq!(read, *expected, "{line}");
    }
    place.must("backup elsewhere");
    place.must("--dir elsewhere verify");
    fs::remove_dir_all(place.path("elsewhere")).unwrap();
    for line in ["approve 2 --as bob", SUBMIT, "work", "project create new --as ada"] {
        let ran = place.sh(line);
        ran.fails_well(3, &line);
        assert!(ran.errors.contains("Read-only file system"), "{line}:\n{ran}");
        assert!(ran.errors.contains("commands that only read"), "{line}:\n{ran}");
        place.sh(&format!("{line} --json")).fails_well_as_json(3, &line);
    }
    assert_same(&before, &place.content(), &"a disk that is mounted to be read");
    mount(&["-o", "remount,rw"], &disk.at).unwrap();
    place.must("approve 2 --as bob");
}

#[test]
fn a_disk_that_is_full() {
    let Some((place, disk)) = place() else { return };
    let expected = read(&place);
    let history = place.must("history --json");
    let filling = disk.fill();
    for ((line, expected), (_, read)) in expected.iter().zip(read(&place)) {
        assert_eq!(read, *expected, "{line}");
    }
    // There can be room for a little in what the log has already.
    let failed = (0..200).map(|_| place.sh(SUBMIT)).find(|ran| ran.code != Some(0)).unwrap();
    failed.fails_well(3, &"a disk that is full");
    assert!(failed.errors.contains("No space left"), "{failed}");
    for (line, read) in read(&place) {
        assert!(!read.contains("[exit"), "{line}: {read}");
    }
    assert!(place.must("history --json").starts_with(&history));
    fs::remove_file(filling).unwrap();
    place.must("verify");
    place.must("approve 2 --as bob");
    assert!(place.must("history --json").starts_with(&history));
}

#[test]
fn a_disk_that_fills_up_while_a_process_works() {
    let Some((place, disk)) = place() else { return };
    let work = place.command(&words("work --follow")).spawn().unwrap();
    until("nobody listens", || place.path(DATA).join("control.sock").exists());
    let filling = disk.fill();
    // What is derived fails first, and nobody suffers from it.
    let mut submitted = 2;
    let failed = loop {
        let ran = place.sh(SUBMIT);
        if ran.code != Some(0) {
            break ran;
        }
        submitted += 1;
        assert!(ran.output.contains(&format!("submitted run {submitted} ")), "{ran}");
        assert_eq!(place.ask("list")["runs"].as_array().unwrap().len(), submitted);
        assert!(submitted < 300, "the disk is not full");
    };
    assert_eq!(failed.code, Some(3), "{failed}");
    let ended = finish(work);
    assert_eq!(ended.code, Some(3), "{ended}");
    assert!(ended.errors.contains("the log accepts nothing any more"), "{ended}");
    assert!(ended.errors.contains("No space left"), "{ended}");
    place.must("show 1");
    fs::remove_file(filling).unwrap();
    place.must("verify");
    let runs = place.ask("list")["runs"].as_array().unwrap().len();
    assert!((submitted..=submitted + 1).contains(&runs), "{runs}, {submitted}");
    place.must("approve 2 --as bob");
}
