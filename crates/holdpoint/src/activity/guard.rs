//! Programs that do not outlive the engine that runs them.
//!
//! When an engine is killed with `SIGKILL`, nothing of it is left to kill the programs that it has
//! started. So each has a guard: a process of its own, in the program's group, that holds the end of a
//! pipe whose other end only the engine has. When the engine is gone, however it went, the pipe is
//! closed, and the guard kills the group. A process that only its parent's death signal would end
//! could not be that, as nobody would end what the program itself has started.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, OnceLock},
    thread,
};

use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};

/// A guard exits with this when it cannot run the program. Its standard error begins so then.
pub(super) const CANNOT_RUN: (u8, &str) = (125, "\0holdpoint: the program cannot be run: ");

/// By which command guards are run, before the program's own words; programs have none before it is
/// set. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<OnceLock<Vec<OsString>>>);

impl Guard {
    /// From now on guards are run by this command, which does [`guard`]. Only the first counts.
    pub fn run_by(&self, command: Vec<OsString>) {
        // It cannot change while programs run.
        let _ = self.0.set(command);
    }

    pub(super) fn command(&self) -> Option<(&OsString, &[OsString])> {
        self.0.get().and_then(|command| command.split_first())
    }
}

/// What the engine says to a guard before the program's input.
pub(super) fn heading(input: &str) -> String {
    format!("{}\n", input.len())
}

/// Runs a program, and kills it with its group when the standard input is closed. The group is
/// that of this process, which must be the leader of one of its own.
///
/// The standard input is a line with the length of the program's input in bytes, then that input, and
/// stays open as long as the program is wanted. The program has the same standard output and error.
/// The process ends as the program ended: with its exit code, or by the same signal.
#[must_use]
pub fn guard(command: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut wanted = BufReader::new(std::io::stdin());
    let Some(input) = input(&mut wanted) else { return ExitCode::from(CANNOT_RUN.0) };
    let mut words = command.into_iter();
    let program = words.next().unwrap_or_default();
    let spawned = Command::new(program).args(words).stdin(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            // Where nobody reads it, the exit code has to do.
            let _ = write!(std::io::stderr(), "{}{error}", CANNOT_RUN.1);
            return ExitCode::from(CANNOT_RUN.0);
        }
    };
    let stdin = child.stdin.take();
    thread::spawn(move || {
        // A program may end, or close its input, without reading it.
        let _ = stdin.map(|mut stdin| stdin.write_all(&input));
    });
    thread::spawn(move || {
        let _ = std::io::copy(&mut wanted, &mut std::io::sink());
        // If that is not possible, nothing is.
        let _ = kill_current_process_group(Signal::KILL);
    });
    ending(&mut child)
}

/// The program's input; `None` when the engine went away before it had said all.
fn input(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut heading = String::new();
    from.read_line(&mut heading).ok()?;
    let mut input = vec![0; heading.trim_end().parse().ok()?];
    from.read_exact(&mut input).ok()?;
    Some(input)
}

fn ending(child: &mut Child) -> ExitCode {
    let Ok(status) = child.wait() else { return ExitCode::FAILURE };
    if let Some(signal) = status.signal().and_then(Signal::from_named_raw) {
        // What is said of the program is that it was ended so.
        let _ = kill_process(getpid(), signal);
    }
    let code = status.code().or(status.signal().map(|signal| signal.saturating_add(128)));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
