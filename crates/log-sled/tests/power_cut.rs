//! The power is cut while a process writes to a log, again and again: what was acknowledged is
//! there afterwards, and the log is whole. `docs/durability.md` says how and what this shows.
//!
//! The log is on an ext4 file system in an image, which is a file on XFS. A clone of that file is
//! the state of the disk at one instant: all that was not synced is missing in it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support {
    pub(crate) mod log;
    pub(crate) mod shim;
    pub(crate) mod writer;
}

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use support::{
    log::{Acknowledged, SMALL_TAILS, check, count},
    shim::Shim,
    writer::{Load, Writer, wait_up_to, write_until_killed},
};

/// How many cuts there are.
const CUTS: &str = "HOLDPOINT_TEST_POWER_CUTS";
/// Set where a machine that cannot do this is an error.
const REQUIRED: &str = "HOLDPOINT_REQUIRE_POWER_CUT";
/// So many cuts follow each other on one log; a longer log only makes the checks longer.
const CYCLES: usize = 20;
/// Without syncs, so many cuts are more than enough to find a loss.
const TOOTHLESS: usize = 60;

/// The process that loses its power.
#[test]
fn writer() {
    write_until_killed();
}

/// Runs a program; what it said when it failed, or why it cannot be run.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    // Where the programs of an administrator are, if the path of a test does not say so.
    let path = format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
    match Command::new(program).args(arguments).env("PATH", path).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("`{program}` cannot be run: {error}")),
    }
}

/// A mounted file system in a file. The kernel gives its loop device back with the mount.
#[derive(Debug)]
struct Mount {
    at: PathBuf,
}

impl Mount {
    fn new(image: &Path, at: &Path) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()])?;
        Ok(Self { at: at.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let at = self.at.to_str().unwrap();
        if run("umount", &[at]).is_err() {
            // A test that fails leaves things open.
            let _ = run("umount", &["--lazy", at]);
        }
    }
}

/// A disk whose power can be cut. The order of the fields is that of their unmounting.
#[derive(Debug)]
struct Disk {
    inner: Option<Mount>,
    outer: Mount,
    generation: usize,
    _directory: tempfile::TempDir,
}

impl Disk {
    /// Makes a disk, or says why that cannot be done here.
    fn new() -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("outer");
        fs::File::create(&image).unwrap().set_len(1 << 30).unwrap();
        run("mkfs.xfs", &["-q", "-m", "reflink=1", image.to_str().unwrap()])?;
        let outer = Mount::new(&image, &directory.path().join("xfs"))?;
        let empty = outer.at.join("empty");
        fs::File::create(&empty).unwrap().set_len(192 << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", empty.to_str().unwrap()])?;
        let mut disk = Self { inner: None, outer, generation: 0, _directory: directory };
        disk.clone_of(&empty)?;
        disk.turn_on()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.outer.at.join(self.generation.to_string())
    }

    /// Where the log is.
    fn log(&self) -> PathBuf {
        self.inner.as_ref().unwrap().at.join("log")
    }

    fn clone_of(&mut self, image: &Path) -> Result<(), String> {
        self.generation += 1;
        let clone = self.image();
        run("cp", &["--reflink=always", image.to_str().unwrap(), clone.to_str().unwrap()])
    }

    /// Mounts the image of this generation.
    fn turn_on(&mut self) -> Result<(), String> {
        let at = self._directory.path().join(self.generation.to_string());
        self.inner = Some(Mount::new(&self.image(), &at)?);
        Ok(())
    }

    /// Cuts the power of what is writing.
    fn cut(&mut self, writer: Writer) {
        let before = self.image();
        self.clone_of(&before).unwrap();
        writer.kill();
        self.inner = None;
        fs::remove_file(before).unwrap();
        self.turn_on().unwrap();
    }

    /// Begins with an empty disk again.
    fn erase(&mut self) {
        self.inner = None;
        fs::remove_file(self.image()).unwrap();
        self.clone_of(&self.outer.at.join("empty")).unwrap();
        self.turn_on().unwrap();
    }
}

/// A disk; nothing where there can be none, which is said, or an error where it is required.
fn disk() -> Option<Disk> {
    match Disk::new() {
        Ok(disk) => Some(disk),
        Err(reason) => skip(&reason),
    }
}

fn skip<T>(reason: &str) -> Option<T> {
    assert!(env::var_os(REQUIRED).is_none(), "the power cannot be cut here: {reason}");
    println!("SKIPPED: the power cannot be cut here: {reason}");
    None
}

/// Lets a process write, cuts its power at some moment, and adds to `acknowledged` what it had
/// said before.
fn write_and_cut(
    disk: &mut Disk,
    round: usize,
    environment: &[(&str, String)],
    acknowledged: &mut Acknowledged,
) {
    let writers = *[1, 64, 1024].get(round % 3).unwrap();
    // sled makes its file half a MiB long at once, and longer when it must. Small tails are never
    // longer; larger ones are, and it is the new length that a cut undoes.
    let tail_bytes_max = *[SMALL_TAILS, 10 * SMALL_TAILS].get(round % 2).unwrap();
    let writer = Writer::start(&disk.log(), Load { writers, tail_bytes_max }, environment);
    if round % 5 == 4 {
        // While it opens the log.
        wait_up_to(100);
    } else {
        writer.wait_for(3);
        wait_up_to(250);
    }
    acknowledged.extend(writer.acknowledged());
    disk.cut(writer);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    let Some(mut disk) = disk() else { return };
    let started = Instant::now();
    let mut acknowledged = Acknowledged::new();
    let cuts = count(CUTS, 12);
    let mut events = 0;
    let mut sealed = 0;
    for round in 0..cuts {
        write_and_cut(&mut disk, round, &[], &mut acknowledged);
        let found = check(&disk.log(), &acknowledged).await;
        let kept = found.unwrap_or_else(|loss| panic!("after cut {round}: {loss}"));
        if round % CYCLES == CYCLES - 1 || round + 1 == cuts {
            events += kept;
            sealed += fs::read_dir(disk.log().join("sealed")).unwrap().count();
            disk.erase();
            acknowledged.clear();
        }
    }
    assert!(sealed > 1 || cuts < 12, "nothing was sealed");
    println!(
        "{cuts} power cuts in {:?}, {events} events, {sealed} segments, nothing lost",
        started.elapsed()
    );
}

/// Cuts the power of a process for whom some syncs do nothing, until something is lost. The cut
/// that lost it, and what.
async fn first_loss(ignored: &[(&'static str, String)]) -> Option<(usize, String)> {
    let directory = tempfile::tempdir().unwrap();
    let shim = match Shim::compile(directory.path()) {
        Ok(shim) => shim,
        Err(reason) => return skip(&reason),
    };
    let mut disk = disk()?;
    let mut acknowledged = Acknowledged::new();
    for round in 0..TOOTHLESS {
        let environment = shim.environment(&disk.log(), ignored);
        write_and_cut(&mut disk, round, &environment, &mut acknowledged);
        if let Err(loss) = check(&disk.log(), &acknowledged).await {
            return Some((round, loss));
        }
    }
    panic!("nothing was lost in {TOOTHLESS} cuts, so cuts do not show a loss")
}

#[tokio::test]
async fn without_our_own_sync_a_power_cut_loses_events() {
    let all = "fdatasync,fsync,sync_file_range";
    for (ignored, file) in [("fdatasync", "/db"), ("fdatasync", ""), (all, "")] {
        let change = [
            ("HOLDPOINT_SHIM_IGNORE", ignored.to_owned()),
            ("HOLDPOINT_SHIM_IGNORE_IN", file.to_owned()),
        ];
        let Some((round, loss)) = first_loss(&change).await else { return };
        println!("without {ignored} of `{file}`, cut {}: {loss}", round + 1);
    }
}
