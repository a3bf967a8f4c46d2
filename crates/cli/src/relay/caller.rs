//! What a command that is done for another process knows of it, and what reaches it.

use std::{
    cell::RefCell,
    fs::{metadata, symlink_metadata},
    io::{self, Read, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
};

use holdpoint::core::Sequence;
use indicatif::TermLike;
use tokio::sync::Notify;

use super::wire::{About, Asked, CHUNK, Call, Said, Stream};
use crate::failure::Failure;

thread_local! {
    static CALLER: RefCell<Option<Arc<Caller>>> = const { RefCell::new(None) };
}

/// How many parts of a file may wait for the command that reads it.
const PARTS_MAX: usize = 4;

/// The process for which a command is done.
///
/// What is printed to it waits until it takes it: that blocks the thread of this one command.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(super) about: About,
    directory: PathBuf,
    out: Mutex<UnixStream>,
    parts: Mutex<Receiver<Part>>,
    interrupted: Notify,
    /// How large its terminal is, if it has one: lines and columns.
    size: Mutex<(u16, u16)>,
}

/// How large a terminal is of which nothing is known.
const SIZE: (u16, u16) = (24, 80);

/// What comes of a file that was wanted.
enum Part {
    Bytes(Vec<u8>),
    End,
    Failed(String),
}

/// The process for which this thread's command is done, unless that is this one.
pub(crate) fn current() -> Option<Arc<Caller>> {
    CALLER.with_borrow(Clone::clone)
}

/// Has all that this thread does from now on be done for `caller`.
pub(super) fn enter(caller: Arc<Caller>) {
    CALLER.set(Some(caller));
}

/// How this process names what whoever calls has named.
pub(crate) fn seen_here(path: &Path) -> PathBuf {
    current().map_or_else(|| path.to_owned(), |caller| caller.directory.join(path))
}

/// Where a file is that is to be written.
pub(crate) fn place(path: &Path) -> Result<PathBuf, Failure> {
    current().map_or_else(|| Ok(path.to_owned()), |caller| caller.place(path))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Caller {
    /// The process at the other end, and what takes what it says from `from` until it goes.
    pub(super) fn new(
        call: &Call,
        stream: UnixStream,
    ) -> (Arc<Self>, impl FnOnce(UnixStream) + Send + use<>) {
        let (sender, parts) = sync_channel(PARTS_MAX);
        let caller = Arc::new(Self {
            about: call.about.clone(),
            directory: call.directory.clone(),
            out: Mutex::new(stream),
            parts: Mutex::new(parts),
            interrupted: Notify::new(),
            size: Mutex::new(call.about.output.or(call.about.errors).unwrap_or(SIZE)),
        });
        let listener = Arc::downgrade(&caller);
        let listen = move |mut from: UnixStream| {
            while let Ok(Some(asked)) = Asked::read(&mut from) {
                let part = match asked {
                    Asked::Data(bytes) => Part::Bytes(bytes),
                    Asked::DataEnd => Part::End,
                    Asked::DataFailed(why) => Part::Failed(why),
                    Asked::Interrupt => {
                        listener.upgrade().iter().for_each(|one| one.interrupted.notify_one());
                        continue;
                    }
                    Asked::Size(lines, columns) => {
                        listener.upgrade().iter().for_each(|one| {
                            *locked(&one.size) = (lines, columns);
                        });
                        continue;
                    }
                    // There is one command to a connection.
                    Asked::Command(_) => return,
                };
                if sender.send(part).is_err() {
                    return;
                }
            }
        };
        (caller, listen)
    }

    pub(super) fn say(&self, said: &Said) -> io::Result<()> {
        said.write(&mut *locked(&self.out))
    }

    fn print(&self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(CHUNK).try_for_each(|part| self.say(&Said::Print(stream, part.to_vec())))
    }

    /// Prints to its standard output.
    pub(crate) fn output(&self, bytes: &[u8]) -> io::Result<()> {
        self.print(Stream::Output, bytes)
    }

    /// Prints to its standard error.
    pub(crate) fn errors(&self, bytes: &[u8]) -> io::Result<()> {
        self.print(Stream::Errors, bytes)
    }

    /// Its standard output, byte for byte.
    pub(crate) fn data(self: Arc<Self>) -> impl Write {
        Data(self)
    }

    /// The terminal that its standard output is, if it is one.
    pub(crate) fn terminal(self: &Arc<Self>) -> Option<Terminal> {
        self.about.output.map(|_| Terminal::of(self, Stream::OutputAsIs))
    }

    /// The terminal that its standard error is, if it is one.
    pub(crate) fn error_terminal(self: &Arc<Self>) -> Option<Terminal> {
        self.about.errors.map(|_| Terminal::of(self, Stream::ErrorsAsIs))
    }

    /// How many lines and columns its terminal has now.
    pub(crate) fn size(&self) -> (u16, u16) {
        *locked(&self.size)
    }

    /// How many columns its terminal has now.
    pub(crate) fn columns(&self) -> u16 {
        locked(&self.size).1
    }

    /// What a file has that was named to it, or its standard input, which is `-`. It reads the file
    /// itself, as whoever calls would: from where it is, with what it may read. It sends at most
    /// one byte more than `bytes_max`.
    pub(crate) fn read(&self, path: &Path, bytes_max: u64) -> io::Result<impl Read> {
        self.say(&Said::Want { path: path.to_owned(), bytes_max })?;
        let parts = locked(&self.parts);
        Ok(Incoming { parts, bytes: io::Cursor::default(), ended: false })
    }

    fn place(&self, path: &Path) -> Result<PathBuf, Failure> {
        let there = metadata(&self.directory).map(|about| (about.dev(), about.ino()));
        if there.ok() != Some(self.about.file) {
            return Err(Failure::usage(
                format!(
                    "`{}` cannot be written: the process that has the data directory sees other \
                     files than this one",
                    path.display()
                ),
                "run the command where that process runs, or when it has ended",
            ));
        }
        let place = self.directory.join(path);
        if is_of_a_process(&place) || !may_be_written(&place) {
            return Err(Failure::usage(
                format!("`{}` cannot be written by another process", path.display()),
                "name a file, or leave it out to have standard output",
            ));
        }
        Ok(place)
    }

    /// Waits for Ctrl-C, or for being asked to end.
    pub(crate) async fn interruption(&self) {
        self.interrupted.notified().await;
    }

    /// Says up to where it was told what happens.
    pub(crate) fn told(&self, up_to: Sequence) -> Result<(), Failure> {
        Ok(self.say(&Said::At(up_to))?)
    }
}

/// Whether what the path names, by whatever way, is another thing in every process.
fn is_of_a_process(place: &Path) -> bool {
    let within = |path: &Path| ["/dev", "/proc"].iter().any(|own| path.starts_with(own));
    let there = place.parent().and_then(|parent| parent.canonicalize().ok());
    within(place) || there.is_some_and(|parent| within(&parent))
}

/// Whether nothing is there, or a file, or a directory: what is neither would be that of another process, or wait for one. A
/// link may lead to a directory, but to no file.
fn may_be_written(place: &Path) -> bool {
    let Ok(about) = symlink_metadata(place) else { return true };
    about.is_file() || metadata(place).is_ok_and(|about| about.is_dir())
}

struct Data(Arc<Caller>);

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.print(Stream::OutputAsIs, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Incoming<'a> {
    parts: MutexGuard<'a, Receiver<Part>>,
    bytes: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Read for Incoming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let read = self.bytes.read(into)?;
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            match self.parts.recv() {
                Ok(Part::Bytes(bytes)) => self.bytes = io::Cursor::new(bytes),
                Ok(Part::End) => self.ended = true,
                Ok(Part::Failed(why)) => {
                    self.ended = true;
                    return Err(io::Error::other(why));
                }
                Err(_) => {
                    self.ended = true;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        Ok(0)
    }
}

impl Drop for Incoming<'_> {
    /// What is not read of this file must not pass for the next one.
    fn drop(&mut self) {
        while !self.ended {
            self.ended = !matches!(self.parts.recv(), Ok(Part::Bytes(_)));
        }
    }
}

/// A terminal of another process, on which pictures are drawn.
#[derive(Debug)]
pub(crate) struct Terminal {
    caller: Arc<Caller>,
    stream: Stream,
    drawn: Mutex<Vec<u8>>,
}

impl Terminal {
    fn of(caller: &Arc<Caller>, stream: Stream) -> Self {
        Self { caller: Arc::clone(caller), stream, drawn: Mutex::default() }
    }

    fn draw(&self, text: &str) -> io::Result<()> {
        locked(&self.drawn).extend(text.as_bytes());
        Ok(())
    }

    fn step(&self, n: usize, way: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.draw(&format!("\u{1b}[{n}{way}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        self.caller.columns()
    }

    fn height(&self) -> u16 {
        locked(&self.caller.size).0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.step(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.step(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.step(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.step(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(text)?;
        self.draw("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let drawn = std::mem::take(&mut *locked(&self.drawn));
        self.caller.print(self.stream, &drawn)
    }
}

#[cfg(test)]
mod tests {
    use holdpoint::core::CommandId;

    use super::*;
    use crate::relay::wire::Versions;

    fn call(directory: &Path, file: (u64, u64)) -> Call {
        let about = About {
            versions: Versions::own(),
            command: CommandId::from_uuid(uuid::Uuid::now_v7()),
            file,
            environment: std::collections::BTreeMap::new(),
            output: Some((24, 80)),
            errors: None,
            after: None,
        };
        Call { about, directory: directory.to_owned(), words: Vec::new() }
    }

    #[tokio::test]
    async fn what_is_drawn_and_pressed_goes_to_and_fro() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let from = here.try_clone().unwrap();
        let (caller, listen) = Caller::new(&call(Path::new("/"), (0, 0)), here);
        let listening = std::thread::spawn(move || listen(from));
        assert!(caller.error_terminal().is_none());
        let terminal = caller.terminal().unwrap();
        assert_eq!((terminal.height(), terminal.width()), (24, 80));
        Asked::Size(50, 132).write(&mut there).unwrap();
        Asked::Interrupt.write(&mut there).unwrap();
        caller.interruption().await;
        assert_eq!((terminal.height(), terminal.width()), (50, 132));

        terminal.move_cursor_up(2).unwrap();
        terminal.move_cursor_up(0).unwrap();
        terminal.clear_line().unwrap();
        terminal.write_line("picture").unwrap();
        terminal.flush().unwrap();
        let drawn = b"\x1b[2A\r\x1b[2Kpicture\n".to_vec();
        let said = Said::read(&mut there).unwrap();
        assert_eq!(said, Some(Said::Print(Stream::OutputAsIs, drawn)));

        for part in [Asked::Data(b"ab".to_vec()), Asked::Data(b"c".to_vec()), Asked::DataEnd] {
            part.write(&mut there).unwrap();
        }
        Asked::DataFailed("it is a directory".to_owned()).write(&mut there).unwrap();
        let mut text = String::new();
        caller.read(Path::new("a"), 10).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        let failed = caller.read(Path::new("b"), 10).unwrap().read_to_string(&mut text);
        assert_eq!(failed.unwrap_err().to_string(), "it is a directory");
        drop(there);
        listening.join().unwrap();
        assert!(caller.read(Path::new("c"), 10).is_err());
    }

    #[test]
    fn files_are_written_only_where_the_caller_sees_them() {
        let place = |path: &str, file| {
            let (here, _there) = UnixStream::pair().unwrap();
            Caller::new(&call(Path::new("/usr"), file), here).0.place(Path::new(path))
        };
        let about = metadata("/usr").unwrap();
        let usr = (about.dev(), about.ino());
        assert_eq!(place("a/b", usr).unwrap(), Path::new("/usr/a/b"));
        assert_eq!(place("/tmp/b", usr).unwrap(), Path::new("/tmp/b"));
        for (path, file) in [
            ("a", (0, 0)),
            ("/tmp/b", (0, 0)),
            ("/dev/stdout", usr),
            ("../dev/stdout", usr),
            ("../proc/self/fd/7", usr),
        ] {
            assert!(matches!(place(path, file), Err(Failure::Usage(_))), "{path}");
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        link("/dev/stdout", "stdout");
        link("/dev", "devices");
        link("/usr", "directory");
        std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        for (name, is_fit) in [
            ("new", true),
            ("file", true),
            ("directory", true),
            ("directory/new", true),
            ("stdout", false),
            ("devices/new", false),
            ("socket", false),
        ] {
            let placed = place(at(name).to_str().unwrap(), usr);
            assert_eq!(placed.is_ok(), is_fit, "{name}");
        }
    }
}
