//! What programs write while they run, to be followed by whoever may read the data directory.
//!
//! ```text
//! output/<when>-<process>-<n>/about.json   of which attempt it is, and how that ended
//! output/<when>-<process>-<n>/writing      locked for as long as it is written to
//! output/<when>-<process>-<n>/0, 1, …      what was written, with secrets masked, piece after piece
//! ```
//!
//! Nothing depends on it: it is no part of the history, is never synced, and can be removed at any
//! time. Each attempt has two pieces at most, the last; those before are removed. What was written by the last
//! attempts that have ended is kept, too, so many of them. Where it cannot be kept, as on a full disk, the work goes on.

use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use holdpoint_core::{EffectId, ProjectId, RunId};
use holdpoint_engine::Attempt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::directory::DataDirectory;

/// The directory of what programs write, in a data directory.
pub const OUTPUT: &str = "output";

/// How much is in one piece, in bytes; the last two are kept.
pub const OUTPUT_PIECE: u64 = 128 * 1024;

/// Of how many attempts that have ended it is kept.
pub const OUTPUTS_KEPT: usize = 100;

/// How much is read at once.
const READ_MAX: u64 = 64 * 1024;

const ABOUT: &str = "about.json";
const WRITING: &str = "writing";
/// How the name of a directory begins that is being made.
const NEW: &str = "new-";

/// Directories that this process has made: their names differ by it.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Of which attempt it is, and how that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The run that asks.
    pub run: RunId,
    /// Its project.
    pub project: ProjectId,
    /// The effect, named within the run.
    pub effect: EffectId,
    /// The activity. A check has others done, in its own attempt.
    pub activity: String,
    /// Where, if the activity's input says so.
    pub target: Option<String>,
    /// Counted from 1.
    pub attempt: u32,
    /// When the program began.
    pub began: Timestamp,
    /// How it ended; nothing while it runs, and when the engine was killed meanwhile.
    pub ended: Option<Ended>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// In words, such as `exit status: 1`.
    pub how: String,
}

impl About {
    fn is_of_the_same_work(&self, other: &Self) -> bool {
        self.run == other.run
            && self.effect == other.effect
            && self.activity == other.activity
            && self.attempt == other.attempt
    }
}

/// What programs write, in a data directory.
#[derive(Clone, Debug)]
pub struct Outputs {
    root: PathBuf,
    /// What has ended, the oldest first, once it is known.
    kept: Arc<OnceLock<Mutex<VecDeque<Output>>>>,
}

/// What one attempt's program has written.
#[derive(Clone, Debug)]
pub struct Output {
    /// Of which attempt it is.
    pub about: About,
    path: PathBuf,
}

impl DataDirectory {
    /// What its programs write while they run.
    #[must_use]
    pub fn outputs(&self) -> Outputs {
        Outputs::within(self.path())
    }
}

impl Outputs {
    /// The directory `output` of `directory`, which need not be there yet.
    #[must_use]
    pub fn within(directory: &Path) -> Self {
        Self { root: directory.join(OUTPUT), kept: Arc::default() }
    }

    /// What there is, in the order in which it was begun.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn all(&self) -> io::Result<Vec<Output>> {
        let mut names: Vec<_> = match fs::read_dir(&self.root) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        names.retain(|name| !name.to_string_lossy().starts_with(NEW));
        names.sort_unstable();
        let read = |name| {
            let path = self.root.join(name);
            // It may be removed meanwhile, and something else may lie there.
            let about = serde_json::from_slice(&fs::read(path.join(ABOUT)).ok()?).ok()?;
            Some(Output { about, path })
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Output>> {
        let kept = self.kept.get_or_init(|| {
            for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().starts_with(NEW) {
                    remove(&entry.path());
                }
            }
            let all = self.all().unwrap_or_default();
            Mutex::new(all.into_iter().filter(|output| !output.is_running()).collect())
        });
        // A panic leaves at most one more than are kept.
        kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to keep what an attempt's program writes; `None` where that is not possible.
    pub(crate) async fn begin(&self, attempt: &Attempt, at: Timestamp) -> Option<Writing> {
        let target = attempt.input.get("target").and_then(|target| target.as_str());
        let about = About {
            run: attempt.run,
            project: attempt.project.clone(),
            effect: attempt.effect.clone(),
            activity: attempt.activity.clone(),
            target: target.map(str::to_owned),
            attempt: attempt.attempt,
            began: at,
            ended: None,
        };
        let outputs = self.clone();
        blocking(move || outputs.make(about))
            .await
            .map(|writer| Writing(Arc::new(Mutex::new(writer))))
    }

    fn make(&self, about: About) -> io::Result<Writer> {
        drop(self.kept());
        let number = BEGUN.fetch_add(1, Ordering::Relaxed);
        let name =
            format!("{:016x}-{}-{number:06}", about.began.as_millisecond(), std::process::id());
        let (new, path) = (self.root.join(format!("{NEW}{name}")), self.root.join(name));
        fs::create_dir_all(&new)?;
        let lock = File::create_new(new.join(WRITING))?;
        lock.lock()?;
        let file = File::create_new(new.join("0"))?;
        let output = Output { about, path };
        output.say(&new)?;
        fs::rename(&new, &output.path)?;
        Ok(Writer { output, outputs: self.clone(), lock, file, written: 0, is_broken: false })
    }
}

/// Does what waits for the disk elsewhere; `None`, with a warning, where it fails.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(warn).ok()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn warn(error: io::Error) {
    tracing::warn!(%error, "what a program writes cannot be followed");
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::debug!(%error, path = %path.display(), "an old output could not be removed");
    }
}

/// Where the output of an attempt goes. Clones are the same place; when the last is dropped, the attempt
/// was given up.
#[derive(Clone, Debug)]
pub(crate) struct Writing(Arc<Mutex<Writer>>);

impl Writing {
    /// Keeps what comes next.
    pub(crate) async fn write(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let writer = Arc::clone(&self.0);
        blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            if writer.is_broken {
                return Ok(());
            }
            let written = writer.write(&bytes);
            writer.is_broken = written.is_err();
            written
        })
        .await;
    }

    /// Says how the attempt ended.
    pub(crate) async fn end(&self, at: Timestamp, how: String) {
        let writer = Arc::clone(&self.0);
        blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.end(at, how);
            Ok(())
        })
        .await;
    }
}

#[derive(Debug)]
struct Writer {
    output: Output,
    outputs: Outputs,
    lock: File,
    file: File,
    written: u64,
    is_broken: bool,
}

impl Writer {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = self.written.checked_div(OUTPUT_PIECE).unwrap_or_default();
            let within = self.written.checked_rem(OUTPUT_PIECE).unwrap_or_default();
            if within == 0 && piece > 0 {
                self.file = File::create_new(self.output.piece(piece))?;
                if let Some(old) = piece.checked_sub(2) {
                    fs::remove_file(self.output.piece(old))?;
                }
            }
            let room = usize::try_from(OUTPUT_PIECE.saturating_sub(within)).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.file.write_all(now)?;
            self.written = self.written.saturating_add(now.len() as u64);
            bytes = rest;
        }
        Ok(())
    }

    fn end(&mut self, at: Timestamp, how: String) {
        if self.output.about.ended.is_some() {
            return;
        }
        self.output.about.ended = Some(Ended { at, how });
        if let Err(error) = self.output.say(&self.output.path) {
            warn(error);
        }
        // Closing the file is not enough: a child that the process is just starting has a copy of it.
        let _ = self.lock.unlock();
        let mut kept = self.outputs.kept();
        // Of a measurement that is made again and again the last counts.
        let same = |one: &Output| one.about.is_of_the_same_work(&self.output.about);
        if let Some(before) = kept.iter().position(same).and_then(|at| kept.remove(at)) {
            remove(&before.path);
        }
        kept.push_back(self.output.clone());
        while kept.len() > OUTPUTS_KEPT {
            if let Some(oldest) = kept.pop_front() {
                remove(&oldest.path);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It lasts no longer than its attempt, whose time is up or which is not wanted any more.
        self.end(Timestamp::now(), "given up".to_owned());
    }
}

impl Output {
    fn piece(&self, number: u64) -> PathBuf {
        self.path.join(number.to_string())
    }

    /// Writes what it is about into its directory, which is at `path` now.
    fn say(&self, path: &Path) -> io::Result<()> {
        let new = path.join(format!("{NEW}{ABOUT}"));
        fs::write(&new, serde_json::to_vec(&self.about)?)?;
        fs::rename(new, path.join(ABOUT))
    }

    /// Whether the program is still running. It is not when its engine was killed.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let lock = match File::open(self.path.join(WRITING)) {
            Ok(lock) => lock,
            Err(_) => return false,
        };
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => false,
            Ok(()) => {
                let _ = lock.unlock();
                false
            }
        }
    }

    /// The same as it is now; `None` when it is not kept any more.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        let about = serde_json::from_slice(&fs::read(self.path.join(ABOUT)).ok()?).ok()?;
        Some(Self { about, path: self.path.clone() })
    }

    /// Whether another is the same attempt's.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Reads it, from the beginning of what is kept.
    #[must_use]
    pub fn read(&self) -> Reader {
        Reader { output: self.clone(), at: 0, open: None }
    }

    /// Reads the last bytes of it, so many at most.
    ///
    /// # Errors
    /// As [`Reader::more`].
    pub fn end(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut reader = self.read();
        let last = self.pieces()?.into_iter().max().unwrap_or_default();
        let whole = last.saturating_mul(OUTPUT_PIECE);
        let length = fs::metadata(self.piece(last)).map_or(0, |piece| piece.len());
        reader.at = whole.saturating_add(length).saturating_sub(most);
        let mut bytes = Vec::new();
        loop {
            let piece = reader.more()?;
            if piece.bytes.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(piece.bytes);
        }
    }

    fn pieces(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        Ok(found)
    }
}

/// Reads what a program has written, from where it was read to.
#[derive(Debug)]
pub struct Reader {
    output: Output,
    at: u64,
    open: Option<(u64, File)>,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes before it are not kept any more.
    pub skipped: u64,
    /// What comes next; empty when nothing more is there now.
    pub bytes: Vec<u8>,
}

impl Reader {
    /// What comes next.
    ///
    /// # Errors
    /// When a file cannot be read. That one is not kept any more is no error, but the end.
    pub fn more(&mut self) -> io::Result<Piece> {
        let number = self.at.checked_div(OUTPUT_PIECE).unwrap_or_default();
        let mut skipped = 0;
        let file = match self.open.take().filter(|(open, _)| *open == number) {
            Some((_, file)) => Some(file),
            None => match File::open(self.output.piece(number)) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let later = self.output.pieces().unwrap_or_default().into_iter();
                    if let Some(next) = later.filter(|one| *one > number).min() {
                        let begin = next.saturating_mul(OUTPUT_PIECE);
                        skipped = begin.saturating_sub(self.at);
                        self.at = begin;
                        File::open(self.output.piece(next)).ok()
                    } else {
                        None
                    }
                }
                Err(error) => return Err(error),
            },
        };
        let Some(mut file) = file else { return Ok(Piece { skipped, bytes: Vec::new() }) };
        let number = self.at.checked_div(OUTPUT_PIECE).unwrap_or_default();
        let within = self.at.checked_rem(OUTPUT_PIECE).unwrap_or_default();
        file.seek(SeekFrom::Start(within))?;
        let most = READ_MAX.min(OUTPUT_PIECE.saturating_sub(within));
        let mut bytes = Vec::new();
        (&mut file).take(most).read_to_end(&mut bytes)?;
        self.at = self.at.saturating_add(bytes.len() as u64);
        self.open = Some((number, file));
        Ok(Piece { skipped, bytes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::activity::tests::attempt;

    fn all_of(reader: &mut Reader) -> (u64, Vec<u8>) {
        let (mut skipped, mut all) = (0, Vec::new());
        loop {
            let piece = reader.more().unwrap();
            skipped += piece.skipped;
            if piece.bytes.is_empty() {
                return (skipped, all);
            }
            all.extend(piece.bytes);
        }
    }

    fn disk(path: &Path) -> u64 {
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    #[tokio::test]
    async fn what_is_written_is_read_as_it_comes_and_has_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let outputs = Outputs::within(directory.path());
        assert!(outputs.all().unwrap().is_empty());
        let asked = attempt(json!({ "target": "web-1" }));
        let writing = outputs.begin(&asked, Timestamp::UNIX_EPOCH).await.unwrap();
        let found = outputs.all().unwrap();
        let [output] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(output.about.target.as_deref(), Some("web-1"));
        assert!(output.is_running());
        let mut reader = output.read();
        assert_eq!(all_of(&mut reader), (0, vec![]));
        for text in ["one\n", "two"] {
            writing.write(text.into()).await;
            assert_eq!(all_of(&mut reader), (0, text.into()));
        }
        assert_eq!(output.end(4).unwrap(), b"\ntwo");
        writing.end(Timestamp::UNIX_EPOCH, "exit status: 0".to_owned()).await;
        drop(writing);
        assert!(!output.is_running());
        let ended = output.again().unwrap().about.ended.unwrap();
        assert_eq!(ended.how, "exit status: 0");
    }

    #[tokio::test]
    async fn what_never_ends_takes_so_much_room_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let outputs = Outputs::within(directory.path());
        let writing = outputs.begin(&attempt(json!({})), Timestamp::UNIX_EPOCH).await.unwrap();
        let output = outputs.all().unwrap().remove(0);
        let (mut early, mut kept_up) = (output.read(), output.read());
        let mut seen = Vec::new();
        let mut expected = Vec::new();
        for n in 0..300_u32 {
            let bytes = format!("{n:04}").repeat(1_000).into_bytes();
            expected.extend_from_slice(&bytes);
            writing.write(bytes).await;
            let (skipped, new) = all_of(&mut kept_up);
            assert_eq!(skipped, 0);
            seen.extend(new);
            assert!(disk(&output.path) < 2 * OUTPUT_PIECE + 1_000);
        }
        assert!(seen == expected);
        let (skipped, rest) = all_of(&mut early);
        assert_eq!(skipped, expected.len() as u64 - rest.len() as u64);
        assert!(rest.len() as u64 > OUTPUT_PIECE && expected.ends_with(&rest));
    }

    #[tokio::test]
    async fn of_those_that_have_ended_the_last_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let outputs = Outputs::within(directory.path());
        let running = outputs.begin(&attempt(json!({})), Timestamp::UNIX_EPOCH).await.unwrap();
        let at = |n: u32| Timestamp::from_second(n.into()).unwrap();
        for n in 1..=105 {
            let asked = Attempt { attempt: n, ..attempt(json!({})) };
            drop(outputs.begin(&asked, at(n)).await.unwrap());
        }
        // One that is made again takes the place of the one before.
        drop(outputs.begin(&Attempt { attempt: 105, ..attempt(json!({})) }, at(200)).await);
        let attempts: Vec<_> = outputs.all().unwrap().iter().map(|one| one.about.attempt).collect();
        let expected: Vec<u32> = std::iter::once(1).chain(6..=105).collect();
        assert_eq!(attempts, expected);
        assert_eq!(outputs.all().unwrap()[1].about.ended.as_ref().unwrap().how, "given up");

        // Another process finds what was left, and what was being made.
        fs::create_dir(directory.path().join(OUTPUT).join("new-1")).unwrap();
        let next = Outputs::within(directory.path());
        drop(next.begin(&Attempt { attempt: 7_000, ..attempt(json!({})) }, at(300)).await);
        let attempts: Vec<_> = next.all().unwrap().iter().map(|one| one.about.attempt).collect();
        let expected: Vec<u32> = std::iter::once(1).chain(7..=105).chain([7_000]).collect();
        assert_eq!(attempts, expected);
        assert!(!directory.path().join(OUTPUT).join("new-1").exists());
        drop(running);
    }

    #[tokio::test]
    async fn where_nothing_can_be_kept_the_work_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(OUTPUT), "in the way").unwrap();
        let outputs = Outputs::within(directory.path());
        assert!(outputs.begin(&attempt(json!({})), Timestamp::UNIX_EPOCH).await.is_none());

        let elsewhere = tempfile::tempdir().unwrap();
        let outputs = Outputs::within(elsewhere.path());
        let writing = outputs.begin(&attempt(json!({})), Timestamp::UNIX_EPOCH).await.unwrap();
        fs::remove_dir_all(elsewhere.path().join(OUTPUT)).unwrap();
        writing.write(vec![b'x'; 300_000]).await;
        writing.end(Timestamp::UNIX_EPOCH, "exit status: 0".to_owned()).await;
    }
}
