//! The power is cut while a process writes to a log, again and again: what was acknowledged is
//! there afterwards, and the log is whole. `docs/durability.md` says how and what this shows.
//!
//! The log is on an ext4 file system in an image, which is a file on XFS. A clone of that file is
//! the state of the disk at one instant: all that was not synced is missing in it. One process is
//! cut off several times: it knows nothing of the clones.

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
    thread,
    time::{Duration, Instant},
};

use support::{
    log::{Acknowledged, SMALL_TAILS, check, count},
    shim::Shim,
    writer::{Load, Writer, random, wait_up_to, write_until_killed},
};

/// How many cuts there are.
const CUTS: &str = "HOLDPOINT_TEST_POWER_CUTS";
/// Set where a machine that cannot do this is an error.
const REQUIRED: &str = "HOLDPOINT_REQUIRE_POWER_CUT";
/// How often a process is cut off before it is killed.
const CUTS_IN_A_LIFE: usize = 5;
/// So many processes follow each other on one log, each on what a cut has left; a longer log only
/// makes the checks longer.
const LIVES: usize = 10;
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

/// The place of disks whose power can be cut. The order of the fields is that of their removal.
#[derive(Debug)]
struct Shelf {
    outer: Mount,
    /// A disk with nothing on it.
    empty: PathBuf,
    _directory: tempfile::TempDir,
}

/// A disk that is on. It has an image of its own, which is gone with it.
#[derive(Debug)]
struct Disk {
    inner: Option<Mount>,
    image: PathBuf,
}

impl Shelf {
    /// Makes a place for disks, or says why that cannot be done here.
    fn new() -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("outer");
        fs::File::create(&image).unwrap().set_len(2 << 30).unwrap();
        run("mkfs.xfs", &["-q", "-m", "reflink=1", image.to_str().unwrap()])?;
        let outer = Mount::new(&image, &directory.path().join("xfs"))?;
        let empty = outer.at.join("empty");
        fs::File::create(&empty).unwrap().set_len(192 << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", empty.to_str().unwrap()])?;
        let shelf = Self { outer, empty, _directory: directory };
        drop(shelf.turn_on(&shelf.empty, "first")?);
        Ok(shelf)
    }

    /// A clone of an image, which is its content at this instant.
    fn clone_of(&self, image: &Path, name: &str) -> Result<PathBuf, String> {
        let clone = self.outer.at.join(name);
        let [from, to] = [image, &clone].map(|path| path.to_str().unwrap());
        run("cp", &["--reflink=always", from, to])?;
        Ok(clone)
    }

    /// Turns on a disk with the content of `image`, which stays as it is.
    fn turn_on(&self, image: &Path, name: &str) -> Result<Disk, String> {
        let at = self._directory.path().join(name);
        let image = self.clone_of(image, name)?;
        let inner = Some(Mount::new(&image, &at)?);
        Ok(Disk { inner, image })
    }
}

impl Disk {
    /// Where the log is.
    fn log(&self) -> PathBuf {
        self.inner.as_ref().unwrap().at.join("log")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.inner = None;
        // Where there is no room for it the next disk says so.
        let _ = fs::remove_file(&self.image);
    }
}

/// A place for disks; nothing where there can be none, which is said, or an error where it is
/// required.
fn shelf() -> Option<Shelf> {
    match Shelf::new() {
        Ok(shelf) => Some(shelf),
        Err(reason) => skip(&reason),
    }
}

fn skip<T>(reason: &str) -> Option<T> {
    assert!(env::var_os(REQUIRED).is_none(), "the power cannot be cut here: {reason}");
    println!("SKIPPED: the power cannot be cut here: {reason}");
    None
}

/// A disk as it was when its power was cut.
#[derive(Debug)]
struct Cut {
    name: String,
    image: PathBuf,
    /// What had been acknowledged before.
    acknowledged: Acknowledged,
}

/// What the check of a cut found: how many events, in how many segments; or what is wrong.
type Found = Result<(u64, usize), String>;

impl Cut {
    /// Opens the log that the cut has left.
    fn check(&self, shelf: &Shelf) -> Found {
        let disk = shelf.turn_on(&self.image, &format!("{} checked", self.name))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let events = runtime.block_on(check(&disk.log(), &self.acknowledged))?;
        let sealed = fs::read_dir(disk.log().join("sealed"));
        Ok((events, sealed.map_or(0, Iterator::count)))
    }

    /// Keeps the disk as it was before the log was opened; where.
    fn keep(&self) -> PathBuf {
        let name = format!("holdpoint-power-cut-{}-{}", std::process::id(), self.name);
        let kept = env::temp_dir().join(name);
        let [from, to] = [&self.image, &kept].map(|path| path.to_str().unwrap());
        run("cp", &["--sparse=always", from, to]).unwrap();
        kept
    }
}

/// Lets a process write on a disk, and cuts its power several times: once while it opens the log,
/// and then at some moment, half of the times in the middle of a merge if there is one.
fn live(
    shelf: &Shelf,
    life: usize,
    disk: &Disk,
    environment: &[(&str, String)],
    before: &Acknowledged,
) -> Vec<Cut> {
    let writers = *[1, 64, 1024].get(life % 3).unwrap();
    // sled makes its file half a MiB long at once, and longer when it must. Small tails are never
    // longer; larger ones are, and it is the new length that a cut undoes.
    let tail_bytes_max = *[SMALL_TAILS, 10 * SMALL_TAILS].get(life % 2).unwrap();
    let writer = Writer::start(&disk.log(), Load { writers, tail_bytes_max }, environment);
    let merging = disk.log().join("sealed/merged.new");
    let mut cuts = Vec::new();
    for n in 0..CUTS_IN_A_LIFE {
        match n {
            0 => wait_up_to(100),
            1 => {
                writer.wait_for(3);
                wait_up_to(100);
            }
            _ if n % 2 == 0 => wait_up_to(250),
            _ => {
                let started = Instant::now();
                while !merging.exists() && started.elapsed() < Duration::from_millis(250) {
                    thread::yield_now();
                }
                wait_up_to(5);
            }
        }
        let mut acknowledged = before.clone();
        acknowledged.extend(writer.acknowledged());
        let name = format!("{life}-{n}");
        let image = shelf.clone_of(&disk.image, &name).unwrap();
        cuts.push(Cut { name, image, acknowledged });
    }
    writer.kill();
    cuts
}

/// Checks what several cuts have left, at once, and forgets them.
fn check_all(shelf: &Shelf, cuts: Vec<Cut>) -> (u64, usize) {
    let found: Vec<(Cut, Found)> = thread::scope(|scope| {
        let checks = cuts.into_iter().map(|cut| {
            scope.spawn(|| {
                let found = cut.check(shelf);
                (cut, found)
            })
        });
        let checks: Vec<_> = checks.collect();
        checks.into_iter().map(|check| check.join().unwrap()).collect()
    });
    let (mut events, mut sealed) = (0, 0);
    for (cut, found) in found {
        match found {
            Ok((kept, segments)) => {
                events += kept;
                sealed = segments.max(sealed);
            }
            Err(loss) => {
                let kept = cut.keep();
                panic!("after cut {}: {loss}; the disk is kept in `{}`", cut.name, kept.display());
            }
        }
        fs::remove_file(cut.image).unwrap();
    }
    (events, sealed)
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let Some(shelf) = shelf() else { return };
    let started = Instant::now();
    let wanted = count(CUTS, 15);
    let (mut done, mut events, mut sealed) = (0, 0, 0);
    let mut acknowledged = Acknowledged::new();
    let mut image = shelf.empty.clone();
    let mut checking: Vec<Cut> = Vec::new();
    for life in (0..).take_while(|life| life * CUTS_IN_A_LIFE < wanted) {
        if life % LIVES == 0 {
            acknowledged.clear();
            image.clone_from(&shelf.empty);
        }
        let disk = shelf.turn_on(&image, &format!("{life}")).unwrap();
        // The checks of the life before take their time while this one is lived.
        let cuts = thread::scope(|scope| {
            let earlier = std::mem::take(&mut checking);
            let checks = scope.spawn(|| check_all(&shelf, earlier));
            let cuts = live(&shelf, life, &disk, &[], &acknowledged);
            let (kept, segments) = checks.join().unwrap();
            events += kept;
            sealed = segments.max(sealed);
            cuts
        });
        done += cuts.len();
        // The next process goes on with what one of the cuts has left.
        let next = cuts.get(usize::try_from(random(CUTS_IN_A_LIFE as u64)).unwrap()).unwrap();
        acknowledged.clone_from(&next.acknowledged);
        image = shelf.clone_of(&next.image, &format!("{life} next")).unwrap();
        checking = cuts;
    }
    let (kept, segments) = check_all(&shelf, checking);
    events += kept;
    assert!(segments.max(sealed) > 1 || wanted < 50, "nothing was sealed");
    println!("{done} power cuts in {:?}, {events} events, nothing lost", started.elapsed());
}

/// Cuts the power of a process for whom some syncs do nothing, until something is lost. The cut
/// that lost it, and what.
fn first_loss(ignored: &[(&'static str, String)]) -> Option<(String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let shim = match Shim::compile(directory.path()) {
        Ok(shim) => shim,
        Err(reason) => return skip(&reason),
    };
    let shelf = shelf()?;
    let mut acknowledged = Acknowledged::new();
    let mut image = shelf.empty.clone();
    for life in 0..TOOTHLESS / CUTS_IN_A_LIFE {
        let disk = shelf.turn_on(&image, &format!("{life}")).unwrap();
        let environment = shim.environment(&disk.log(), ignored);
        for cut in live(&shelf, life, &disk, &environment, &acknowledged) {
            if let Err(loss) = cut.check(&shelf) {
                return Some((cut.name, loss));
            }
            (acknowledged, image) = (cut.acknowledged, cut.image);
        }
    }
    panic!("nothing was lost in {TOOTHLESS} cuts, so cuts do not show a loss")
}

#[test]
fn without_our_own_sync_a_power_cut_loses_events() {
    let all = "fdatasync,fsync,sync_file_range";
    for (ignored, file) in [("fdatasync", "/db"), ("fdatasync", ""), (all, "")] {
        let change = [
            ("HOLDPOINT_SHIM_IGNORE", ignored.to_owned()),
            ("HOLDPOINT_SHIM_IGNORE_IN", file.to_owned()),
        ];
        let Some((cut, loss)) = first_loss(&change) else { return };
        println!("without {ignored} of `{file}`, cut {cut}: {loss}");
    }
}
