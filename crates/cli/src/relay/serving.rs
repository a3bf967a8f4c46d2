//! The process that has the directory: it takes commands of other processes and does them.
//!
//! Each command has a thread of its own, so that whatever it waits for, such as somebody who reads
//! its output page by page, keeps nothing else. It is dropped when its caller goes; what it had sent
//! to the engine by then is decided nevertheless, as ever.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    net::Shutdown,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use clap::{CommandFactory, FromArgMatches};
use holdpoint::{directory::SOCKET, engine::Engine, log_sled::SledLog};
use tokio::{
    net::UnixListener,
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    caller::{self, Caller},
    socket,
    wire::{Asked, Call, OtherVersion, Said},
};
use crate::{
    arguments::{Arguments, Command},
    context::Context,
    dispatch,
    failure::Failure,
};

/// How many commands of others are done at once.
const AT_ONCE: usize = 64;
/// How long a caller may take to say what it wants.
const TO_ASK: Duration = Duration::from_secs(10);
/// How long commands of others may take when this process's own work is over.
const TO_END: Duration = Duration::from_secs(5);
/// How long after an error the next caller is waited for: most are a want of file handles.
const AFTER_ERROR: Duration = Duration::from_millis(100);
/// As much as the main thread has: the same functions run on it.
const STACK: usize = 8 * 1024 * 1024;

/// What is open in this process, and what commands of others work with.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) engine: Engine,
    pub(crate) log: Arc<SledLog>,
}

/// Takes commands of others until it is closed.
pub(crate) struct Serving {
    socket: PathBuf,
    host: Arc<Host>,
    accepting: JoinHandle<()>,
    /// Ends when the last command of another has.
    ended: mpsc::Receiver<()>,
}

/// How near the end of this process is, to commands of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    NotYet,
    Soon,
    Now,
}

struct Host {
    live: Live,
    /// The data directory, wherever this process is.
    directory: PathBuf,
    runtime: Handle,
    ending: watch::Sender<Ending>,
    open: Mutex<BTreeMap<u64, Connection>>,
    number: AtomicU64,
}

/// A connection, to be cut off.
struct Connection {
    stream: UnixStream,
    /// Whether its command was begun.
    begun: bool,
}

impl Serving {
    /// Listens in `directory`, which this process has: what is left of an earlier one is replaced.
    pub(crate) fn start(directory: &Path, live: Live) -> io::Result<Self> {
        let socket_file = directory.join(SOCKET);
        match fs::remove_file(&socket_file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (_directory, path) = socket(directory)?;
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&socket_file, fs::Permissions::from_mode(0o600))?;
        let host = Arc::new(Host {
            live,
            directory: std::path::absolute(directory)?,
            runtime: Handle::current(),
            ending: watch::Sender::new(Ending::NotYet),
            open: Mutex::default(),
            number: AtomicU64::new(0),
        });
        let (alive, ended) = mpsc::channel(1);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&host), alive));
        Ok(Self { socket: socket_file, host, accepting, ended })
    }

    /// Takes no more commands, lets those under way end for a while, and cuts off the rest.
    pub(crate) async fn close(mut self) {
        self.accepting.abort();
        // It was not to end otherwise.
        let _ = (&mut self.accepting).await;
        drop(fs::remove_file(&self.socket));
        self.host.ending.send_replace(Ending::Soon);
        self.host.cut_off(|connection| !connection.begun);
        if timeout(TO_END, self.ended.recv()).await.is_ok() {
            return;
        }
        self.host.ending.send_replace(Ending::Now);
        self.host.cut_off(|_| true);
        // What does not notice goes on for nobody, until the process ends.
        drop(timeout(TO_END, self.ended.recv()).await);
    }
}

impl Host {
    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut_off(&self, which: impl Fn(&Connection) -> bool) {
        for connection in self.open().values().filter(|one| which(one)) {
            // Whoever has gone meanwhile is cut off already.
            drop(connection.stream.shutdown(Shutdown::Both));
        }
    }

    /// Whether a command may begin: whoever is not let begin did nothing, and is told so by the end of
    /// the connection.
    fn begins(&self, number: u64) -> bool {
        let mut open = self.open();
        let begins = *self.ending.borrow() == Ending::NotYet;
        if let Some(connection) = open.get_mut(&number) {
            connection.begun = begins;
        }
        begins
    }
}

async fn accept(listener: UnixListener, host: Arc<Host>, alive: mpsc::Sender<()>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let accepted = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a command of another process was not taken");
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            }
        };
        let peer = accepted.peer_cred().map(|peer| peer.uid());
        let taken = accepted.into_std().and_then(|stream| {
            stream.set_nonblocking(false)?;
            let own = rustix::process::geteuid().as_raw();
            if let Err(refused) = peer.map(|peer| may_ask(own, peer))? {
                return refused.write(&mut &stream);
            }
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                let message = format!("the process does {AT_ONCE} commands of others already");
                return refused(message, "try again when some of them have ended")
                    .write(&mut &stream);
            };
            let (host, alive) = (Arc::clone(&host), alive.clone());
            let done = move || {
                let served = host.serve(stream, place);
                drop((served, alive));
            };
            thread::Builder::new().name("caller".to_owned()).stack_size(STACK).spawn(done).map(drop)
        });
        if let Err(error) = taken {
            tracing::warn!(%error, "a command of another process was not taken");
        }
    }
}

fn refused(message: impl Into<String>, help: impl Into<String>) -> Said {
    Said::Refused { message: message.into(), help: help.into() }
}

/// Whether a process of the user `peer` may have commands done by one of the user `own`: what is
/// recorded beside the member is whose process it is.
fn may_ask(own: u32, peer: u32) -> Result<(), Said> {
    if own == peer {
        return Ok(());
    }
    Err(refused(
        format!("the process that has the directory belongs to the user {own}, this one to {peer}"),
        "run the command as that user, or when that process has ended",
    ))
}

impl Host {
    fn serve(&self, stream: UnixStream, place: OwnedSemaphorePermit) -> io::Result<()> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let connection = Connection { stream: stream.try_clone()?, begun: false };
        self.open().insert(number, connection);
        // Whoever comes now is not in the list of those that are cut off.
        let ending = *self.ending.borrow();
        let served = if ending == Ending::NotYet { self.answer(number, stream) } else { Ok(()) };
        self.open().remove(&number);
        drop(place);
        served
    }

    fn answer(&self, number: u64, mut stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(TO_ASK))?;
        let call = match Asked::read(&mut stream) {
            Ok(Some(Asked::Command(call))) => call,
            Ok(_) => return Ok(()),
            Err(error) => return other_version(&error).map_or(Ok(()), |no| no.write(&mut stream)),
        };
        stream.set_read_timeout(None)?;
        let arguments = match parse(&call.words, &call.about.environment) {
            Ok(arguments) if arguments.command.is_relayed() => arguments,
            Ok(arguments) => {
                let name = arguments.command.name();
                let message = format!("`holdpoint {name}` is not done by another process");
                return refused(message, "wait for the process that has the directory, or stop it")
                    .write(&mut stream);
            }
            Err(_) => {
                return refused(
                    "the process that has the directory does not understand the command",
                    "use the same program, or end that process",
                )
                .write(&mut stream);
            }
        };
        let served =
            if self.begins(number) { self.perform(&call, arguments, &stream) } else { Ok(()) };
        drop(stream.shutdown(Shutdown::Both));
        served
    }

    /// Does a command, and says what came of it.
    fn perform(&self, call: &Call, arguments: Arguments, stream: &UnixStream) -> io::Result<()> {
        let (caller, listen) = Caller::new(call, stream.try_clone()?);
        let from = stream.try_clone()?;
        let (alive, gone) = oneshot::channel::<()>();
        caller.say(&Said::Begun)?;
        thread::Builder::new().name("caller's words".to_owned()).spawn(move || {
            listen(from);
            drop(alive);
        })?;
        caller::enter(Arc::clone(&caller));
        // Whoever can go on from where it was told is not kept by a process that ends.
        let goes_on = matches!(arguments.command, Command::Watch(_));
        let end = if goes_on { Ending::Soon } else { Ending::Now };
        let mut ending = self.ending.subscribe();
        let left = async {
            // The sender is this process's own: it does not go.
            let _ = ending.wait_for(|ending| *ending >= end).await;
        };
        let json = arguments.json;
        let context = Context::of_caller(
            &arguments,
            self.directory.clone(),
            self.live.clone(),
            caller.about.after,
        );
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.runtime.block_on(async {
                tokio::select! {
                    done = dispatch(context, arguments.command) => Some(done),
                    _ = gone => None,
                    () = left => None,
                }
            })
        }));
        let code = match done.unwrap_or_else(|_| Some(Err(Failure::defect()))) {
            None => return Ok(()),
            Some(Ok(())) => 0,
            Some(Err(failure)) => {
                failure.tell(json);
                failure.code()
            }
        };
        caller.say(&Said::End(code))
    }
}

/// What a caller of another version is answered, if that is what is wrong.
fn other_version(error: &io::Error) -> Option<Said> {
    let other: &OtherVersion = error.get_ref()?.downcast_ref()?;
    Some(refused(
        format!(
            "the process that has the directory is holdpoint {}, and {other}",
            env!("CARGO_PKG_VERSION")
        ),
        format!(
            "use the same version, or end that process (number {}): what is under way is taken up \
             again by the next `holdpoint work`",
            std::process::id()
        ),
    ))
}

/// Parses the words of another process, with its environment in the place of this one's.
fn parse(
    words: &[OsString],
    environment: &BTreeMap<String, String>,
) -> Result<Arguments, clap::Error> {
    let command = within(Arguments::command(), environment);
    Arguments::from_arg_matches(&command.try_get_matches_from(words)?)
}

fn within(command: clap::Command, environment: &BTreeMap<String, String>) -> clap::Command {
    command
        .mut_args(|argument| {
            let Some(name) = argument.get_env().map(|name| name.to_string_lossy().into_owned())
            else {
                return argument;
            };
            let argument = argument.env(None::<&'static str>);
            match environment.get(&name) {
                Some(value) => argument.default_value(value.clone()),
                None => argument,
            }
        })
        .mut_subcommands(|command| within(command, environment))
}

/// The variables that arguments are read from, as they are in this process.
pub(super) fn environment() -> BTreeMap<String, String> {
    fn add(command: &clap::Command, found: &mut BTreeMap<String, String>) {
        let names = command.get_arguments().filter_map(|one| one.get_env()?.to_str());
        found.extend(names.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))));
        command.get_subcommands().for_each(|command| add(command, found));
    }
    let mut found = BTreeMap::new();
    add(&Arguments::command(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_the_same_user_are_served() {
        assert!(may_ask(1000, 1000).is_ok());
        for peer in [0, 1001] {
            let Err(Said::Refused { message, help }) = may_ask(1000, peer) else {
                panic!("{peer} was served")
            };
            assert!(message.contains(&peer.to_string()) && !help.is_empty(), "{message}");
        }
    }

    #[test]
    fn words_are_read_in_the_environment_of_whom_they_are() {
        let parsed = |words: &str, environment: &[(&str, &str)]| {
            let words: Vec<OsString> = words.split(' ').map(Into::into).collect();
            let environment =
                environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            parse(&words, &environment.collect()).unwrap()
        };
        let seen = |words: &str, environment: &[(&str, &str)]| {
            let parsed = parsed(words, environment);
            let Command::Amend(amend) = parsed.command else { panic!("{words}") };
            let actor = amend.acting.actor.map(|member| member.to_string());
            (parsed.project.map(|project| project.to_string()), actor)
        };
        let line = "holdpoint amend 1 --reason r --input a=b";
        assert_eq!(seen(line, &[]), (None, None));
        let both = [("HOLDPOINT_AS", "ada"), ("HOLDPOINT_PROJECT", "lab")];
        assert_eq!(seen(line, &both), (Some("lab".to_owned()), Some("ada".to_owned())));
        let typed = format!("{line} --as bob --project other");
        assert_eq!(seen(&typed, &both), (Some("other".to_owned()), Some("bob".to_owned())));
    }
}
