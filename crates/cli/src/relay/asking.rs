//! The process that hands its command over to the one that has the directory.

use std::{
    env,
    ffi::OsString,
    fs::{File, metadata},
    io::{self, IsTerminal, Read, Write},
    net::Shutdown,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::Path,
    process,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use console::Term;
use holdpoint::core::Sequence;
use serde_json::Value;
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

use super::{
    COMMAND, Told, command_id,
    serving::environment,
    socket,
    wire::{About, Asked, CHUNK, Call, Said, Stream, Versions},
};
use crate::{
    arguments::Command,
    command::work,
    failure::{Failure, INTERRUPTED},
    text_file,
};

/// What another process is given at least to say that it begins a command.
const ANSWER_MIN: Duration = Duration::from_secs(1);

/// What came of a command that was handed over.
pub(crate) enum Handed {
    /// It has ended with this exit code.
    Ended(u8),
    /// It was not begun: the other process was just ending.
    NotBegun,
    /// The other process has ended, and what happens was told up to here.
    GoOn(Sequence),
}

/// The way to a process that takes commands of others. It must begin one in time.
#[derive(Debug)]
pub(crate) struct Way {
    stream: UnixStream,
    process: Option<i32>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// Nobody listens.
    Nobody,
    /// Who listens is of this user, and is not handed the files that it asks for.
    OtherUser(u32),
}

/// A way to the process that has `directory`, if it takes commands of others and is of the same user. It must begin
/// one within `patience`.
pub(crate) async fn reach(directory: &Path, patience: Duration) -> Result<Way, Unreached> {
    let own = rustix::process::geteuid().as_raw();
    let of_same_user =
        |user: u32| if user == own { Ok(()) } else { Err(Unreached::OtherUser(user)) };
    let nobody = |_: io::Error| Unreached::Nobody;
    let (opened, path) = socket(directory).map_err(nobody)?;
    // Of another's socket nothing else may be known.
    of_same_user(metadata(&path).map_err(nobody)?.uid())?;
    let stream = tokio::net::UnixStream::connect(path).await.map_err(nobody)?;
    drop(opened);
    let peer = stream.peer_cred().map_err(nobody)?;
    of_same_user(peer.uid())?;
    let stream = stream.into_std().map_err(nobody)?;
    stream.set_nonblocking(false).map_err(nobody)?;
    let patience = Some(patience.max(ANSWER_MIN));
    stream.set_read_timeout(patience).map_err(nobody)?;
    stream.set_write_timeout(patience).map_err(nobody)?;
    Ok(Way { stream, process: peer.pid() })
}

/// Has the command of this process done at the other end of the way: prints what it prints, reads what
/// it reads. `watches` says that Ctrl-C is not its end but a word to it.
pub(crate) fn hand_over(
    runtime: &Handle,
    way: Way,
    watches: bool,
    after: Told,
) -> Result<Handed, Failure> {
    let acts = COMMAND.get().is_some();
    let call = call(env::args_os().collect(), after)?;
    let Way { mut stream, process } = way;
    let out = Arc::new(Mutex::new(stream.try_clone()?));
    let say = |asked: &Asked| asked.write(&mut *out.lock().unwrap_or_else(PoisonError::into_inner));
    let said = say(&Asked::Command(Box::new(call)));
    heard(said, &mut stream, process, acts)?;
    if watches {
        let out = Arc::clone(&out);
        runtime.spawn(async move {
            if work::interruption().await.is_ok() {
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                drop(Asked::Interrupt.write(&mut *out));
            }
            if work::interruption().await.is_ok() {
                process::exit(INTERRUPTED.into());
            }
        });
    }
    if io::stdout().is_terminal() || io::stderr().is_terminal() {
        let out = Arc::clone(&out);
        runtime.spawn(async move {
            let Ok(mut resized) = signal(SignalKind::window_change()) else { return };
            while resized.recv().await.is_some() {
                let (lines, columns) = size();
                let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
                drop(Asked::Size(lines, columns).write(&mut *out));
            }
        });
    }
    let (mut output, mut errors) = (anstream::stdout(), anstream::stderr());
    let (mut begun, mut told) = (false, None);
    loop {
        let said = match Said::read(&mut stream) {
            Ok(Some(said)) => said,
            Err(error) if !begun && is_timeout(&error) => {
                return Err(unanswered(&mut stream, process, acts));
            }
            Ok(None) | Err(_) => break,
        };
        match said {
            Said::Begun => {
                begun = true;
                stream.set_read_timeout(None)?;
                stream.set_write_timeout(None)?;
            }
            Said::Refused { message, help } => return Err(Failure::busy(message, help)),
            Said::Print(Stream::Output, bytes) => {
                output.write_all(&bytes)?;
                output.flush()?;
            }
            Said::Print(Stream::OutputAsIs, bytes) => {
                let mut output = io::stdout();
                output.write_all(&bytes)?;
                output.flush()?;
            }
            // When standard error is closed there is nobody left to tell.
            Said::Print(Stream::Errors, bytes) => drop(errors.write_all(&bytes)),
            Said::Print(Stream::ErrorsAsIs, bytes) => drop(io::stderr().write_all(&bytes)),
            // Whoever does not hear the rest has said why not, or has ended.
            Said::Want { path, bytes_max } => drop(hand_in(&path, bytes_max, say)),
            Said::At(sequence) => told = Some(sequence),
            Said::End(code) => return Ok(Handed::Ended(code)),
        }
    }
    match (begun, told) {
        (false, _) => Ok(Handed::NotBegun),
        (true, Some(sequence)) => Ok(Handed::GoOn(sequence)),
        (true, None) => Err(unknown(acts)),
    }
}

/// Asks the process at the other end of the way for the answer to a command that only looks, with `--json`;
/// nothing when that process has ended without one.
pub(crate) fn ask(way: Way, words: Vec<OsString>) -> Result<Option<Value>, Failure> {
    let Way { mut stream, process } = way;
    let mut call = call(words, None)?;
    (call.about.output, call.about.errors) = (None, None);
    let said = Asked::Command(Box::new(call)).write(&mut stream);
    heard(said, &mut stream, process, false)?;
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut begun = false;
    loop {
        let said = match Said::read(&mut stream) {
            Ok(Some(said)) => said,
            Err(error) if !begun && is_timeout(&error) => {
                return Err(unanswered(&mut stream, process, false));
            }
            Ok(None) | Err(_) => return Ok(None),
        };
        match said {
            Said::Begun => {
                begun = true;
                stream.set_read_timeout(None)?;
            }
            Said::Refused { message, help } => return Err(Failure::busy(message, help)),
            Said::Print(Stream::Output | Stream::OutputAsIs, bytes) => output.extend(bytes),
            Said::Print(Stream::Errors | Stream::ErrorsAsIs, bytes) => errors.extend(bytes),
            Said::End(0) => return Ok(Some(serde_json::from_slice(&output)?)),
            Said::End(_) => return Err(failure_in(&errors)),
            // A command that only looks reads no file, and nobody goes on from where it was.
            Said::Want { .. } | Said::At(_) => {}
        }
    }
}

/// What keeps a command from being heard at all, if something does.
fn heard(
    said: io::Result<()>,
    stream: &mut UnixStream,
    process: Option<i32>,
    acts: bool,
) -> Result<(), Failure> {
    match said {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::usage(
            "the command is too long to be handed to the process that has the directory",
            "put what is long into a file, or wait until that process has ended",
        )),
        Err(error) if is_timeout(&error) => Err(unanswered(stream, process, acts)),
        // Whoever refuses need not hear the command first.
        _ => Ok(()),
    }
}

/// The failure in what was printed to standard error with `--json`; notes can stand before it.
fn failure_in(errors: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(errors);
    let begins = (text.starts_with('{').then_some(0))
        .or_else(|| text.find("\n{").map(|end| end.saturating_add(1)));
    let document = begins.and_then(|begin| text.get(begin..));
    match document.map(serde_json::from_str::<Value>) {
        Some(Ok(told)) => Failure::of_json(&told),
        _ => Failure::storage(
            format!("the process that has the directory has failed: {}", text.trim()),
            "run the command again when that process has ended",
        ),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind())
}

/// The process at the other end has not said in time that it begins. Once it cannot say so any more it does not begin
/// either, so what counts is whether it has said so meanwhile.
fn unanswered(stream: &mut UnixStream, process: Option<i32>, acts: bool) -> Failure {
    if stream.shutdown(Shutdown::Both).is_ok()
        && matches!(Said::read(stream), Ok(Some(Said::Begun)))
    {
        return unknown(acts);
    }
    let number = process.map(|number| format!(" {number}")).unwrap_or_default();
    Failure::busy(
        format!("the process{number} that has the directory does not answer"),
        format!(
            "nothing was done. It is stopped or hangs: have it go on (`kill -CONT{number}`), wait longer with \
             `--wait SECONDS`, or end it"
        ),
    )
}

/// How large the terminal is, in lines and columns.
fn size() -> (u16, u16) {
    if io::stdout().is_terminal() { Term::stdout().size() } else { Term::stderr().size() }
}

/// Nobody has said what came of the command.
fn unknown(acts: bool) -> Failure {
    let message = "the process that has the directory ended before it had answered";
    if !acts {
        return Failure::storage(message, "run the command again");
    }
    Failure::storage(
        message,
        format!(
            "nobody knows whether the command was done: `holdpoint history` shows it. A command to \
             runs can be sent again with `--command-id {}`: it is not done twice to any",
            command_id()
        ),
    )
}

fn call(words: Vec<OsString>, after: Told) -> Result<Call, Failure> {
    let lost = |error: io::Error| {
        Failure::usage(
            format!("the directory that you are in cannot be used: {error}"),
            "go to one that exists",
        )
    };
    let directory = env::current_dir().map_err(lost)?;
    let about = metadata(&directory).map_err(lost)?;
    let about = About {
        versions: Versions::own(),
        command: command_id(),
        file: (about.dev(), about.ino()),
        environment: environment(),
        output: io::stdout().is_terminal().then(size),
        errors: io::stderr().is_terminal().then(size),
        after,
    };
    Ok(Call { about, directory, words })
}

/// Sends a file: what was read of it already, as a pipe cannot be read twice.
fn hand_in(path: &Path, bytes_max: u64, say: impl Fn(&Asked) -> io::Result<()>) -> io::Result<()> {
    let source: io::Result<Box<dyn Read>> = match text_file::already_read(path) {
        Some(text) => Ok(Box::new(io::Cursor::new(text))),
        None if path == Path::new("-") => Ok(Box::new(io::stdin().lock())),
        None => File::open(path).map(|file| Box::new(file) as _),
    };
    let failed = |error: &io::Error| say(&Asked::DataFailed(text_file::in_words(error)));
    let mut source = match source {
        Ok(source) => source.take(bytes_max.saturating_add(1)),
        Err(error) => return failed(&error),
    };
    loop {
        let mut part = Vec::new();
        match source.by_ref().take(CHUNK as u64).read_to_end(&mut part) {
            Ok(0) => return say(&Asked::DataEnd),
            Ok(_) => say(&Asked::Data(part))?,
            Err(error) => return failed(&error),
        }
    }
}

impl Command {
    /// Whether the process that has the directory does it for another: what needs the directory for itself,
    /// or none, is not done there.
    pub(crate) const fn is_relayed(&self) -> bool {
        match self {
            Self::Project(_)
            | Self::Items(_)
            | Self::Conflicts(_)
            | Self::Locks(_)
            | Self::Definitions(_)
            | Self::Calendar(_)
            | Self::Baseline(_)
            | Self::Lockdown(_)
            | Self::Plan(_)
            | Self::Submit(_)
            | Self::Tell(_)
            | Self::Steer(_)
            | Self::Amend(_)
            | Self::Migrate(_)
            | Self::Attach(_)
            | Self::Evidence(_)
            | Self::Watch(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::History(_)
            | Self::Verify(_)
            | Self::Checkpoint(_)
            | Self::Prove(_)
            | Self::Backup { .. }
            | Self::Export { .. } => true,
            Self::Init(_)
            | Self::Check(_)
            | Self::Test(_)
            | Self::Simulate(_)
            | Self::Explain { .. }
            | Self::Diff { .. }
            | Self::Graph(_)
            | Self::Fmt(_)
            | Self::Schema
            | Self::Work(_)
            | Self::Logs(_)
            | Self::Output { .. }
            | Self::Restore { .. }
            | Self::Import(_)
            | Self::Salvage { .. }
            | Self::Completions { .. }
            | Self::Manpage { .. }
            | Self::Bench(_)
            | Self::BenchPart(_)
            | Self::Demo(_)
            | Self::DemoMachine(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::relay::wire::Said;

    /// What is made of these words of the process that has the directory.
    fn asked(said: Vec<Said>) -> Result<Option<Value>, Failure> {
        let (here, mut there) = UnixStream::pair().unwrap();
        let serving = thread::spawn(move || {
            let asked = Asked::read(&mut there).unwrap();
            assert!(matches!(asked, Some(Asked::Command(_))));
            said.iter().for_each(|said| said.write(&mut there).unwrap());
        });
        let answer = ask(Way { stream: here, process: Some(7) }, vec!["holdpoint".into()]);
        serving.join().unwrap();
        answer
    }

    #[test]
    fn what_is_told_without_a_document_is_told_on() {
        let document =
            r#"{ "error": { "kind": "usage", "message": "there is none", "help": [] } }"#;
        for (errors, code, told) in [
            (document.to_owned(), 2, "there is none"),
            (format!("note: the configuration is wrong\n{document}\n"), 2, "there is none"),
            ("BUG: it {\ncannot be\n".to_owned(), 3, "has failed: BUG: it {\ncannot be"),
            ("{\"error\": ".to_owned(), 3, "has failed: {\"error\":"),
            (String::new(), 3, "has failed"),
        ] {
            let printed = Said::Print(Stream::Errors, errors.into_bytes());
            let failure = asked(vec![Said::Begun, printed, Said::End(2)]).unwrap_err();
            assert_eq!(failure.code(), code, "{failure:?}");
            let (Failure::Usage(found) | Failure::Storage(found)) = failure else { panic!() };
            let told = format!("{told:?}");
            assert!(format!("{found:?}").contains(told.trim_matches('"')), "{found:?}");
        }
        let printed = Said::Print(Stream::Output, b"{\"a\": 1}".to_vec());
        let answer = asked(vec![Said::Begun, printed, Said::End(0)]).unwrap();
        assert_eq!(answer, Some(serde_json::json!({ "a": 1 })));
        assert_eq!(asked(vec![Said::Begun]).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        // As long as the other process takes nothing there is room for little.
        for (length, code) in [(5 << 20, 2), (3 << 20, 4)] {
            let (here, _there) = UnixStream::pair().unwrap();
            here.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
            here.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            let words = vec!["holdpoint".into(), "x".repeat(length).into()];
            let failure = ask(Way { stream: here, process: None }, words).unwrap_err();
            assert_eq!(failure.code(), code, "{failure:?}");
        }
    }
}
