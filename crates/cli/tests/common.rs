//! The program as a process, a data directory of a test's own, and what both look like.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// The data directory that the program takes when none is named.
pub(crate) const DATA: &str = "holdpoint-data";

/// A definition whose runs wait for a signal, as those that others have done.
pub(crate) const LISTENING: &str = "
workflow: called
version: 1
title: Called
start: listen
states:
  listen:
    hold: { signal: { name: heard } }
    on: { released: heard }
  heard: { end: heard }
";

/// No command of these tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// An error that is longer does not fit on a screen.
const ERROR_LINES_MAX: usize = 26;
const ERROR_BYTES_MAX: usize = 8_000;

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.errors)?;
        f.write_str(&self.output)?;
        match self.code {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "[exit {code}]"),
            None => writeln!(f, "[killed]"),
        }
    }
}

impl Ran {
    /// Holds a failure to what every failure must be like.
    #[track_caller]
    pub(crate) fn fails_well(&self, code: i32, what: &dyn fmt::Debug) -> &Self {
        assert_eq!(self.code, Some(code), "{what:?}:\n{self}");
        assert_eq!(self.output, "", "{what:?}: a failure has no output");
        let errors = &self.errors;
        assert!(errors.starts_with("error") || errors.contains(": error["), "{what:?}:\n{errors}");
        assert!(errors.contains("\nhelp: "), "{what:?}: no remedy:\n{errors}");
        assert!(errors.lines().count() <= ERROR_LINES_MAX, "{what:?}: too long:\n{errors}");
        assert!(errors.len() <= ERROR_BYTES_MAX, "{what:?}: {} bytes", errors.len());
        for word in ["panicked", "stack backtrace", "BUG", "RUST_", "unwrap"] {
            assert!(!errors.contains(word), "{what:?}: {word}:\n{errors}");
        }
        let steers = |c: char| c.is_control() && c != '\n';
        assert!(!errors.contains(steers), "{what:?}: steers the terminal: {errors:?}");
        self
    }

    /// Holds a failure that is told as JSON to what every one must be like.
    #[track_caller]
    pub(crate) fn fails_well_as_json(&self, code: i32, what: &dyn fmt::Debug) -> Value {
        assert_eq!(self.code, Some(code), "{what:?}:\n{self}");
        assert_eq!(self.output, "", "{what:?}: a failure has no output");
        let error: Value = serde_json::from_str(&self.errors)
            .unwrap_or_else(|error| panic!("{what:?}: {error}:\n{}", self.errors));
        let error = error["error"].clone();
        let kinds: &[&str] = match code {
            1 => &["refused", "expectation"],
            2 => &["usage", "findings"],
            _ => &["storage"],
        };
        assert!(kinds.iter().any(|kind| error["kind"] == *kind), "{what:?}: {error}");
        assert!(error["message"].is_string(), "{what:?}: {error}");
        error
    }
}

/// A place with a data directory, and commands that work in it.
#[derive(Debug)]
pub(crate) struct Place {
    temporary: TempDir,
}

impl Place {
    /// A place with nothing in it.
    pub(crate) fn empty() -> Self {
        Self { temporary: tempfile::tempdir().unwrap() }
    }

    /// A place with the data directory of [`lab`].
    pub(crate) fn lab() -> Self {
        let place = Self::empty();
        copy(&lab().path(DATA), &place.path(DATA));
        place
    }

    pub(crate) fn root(&self) -> &Path {
        self.temporary.path()
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.temporary.path().join(inside)
    }

    /// Writes a file beside the data directory, or in it.
    pub(crate) fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(inside), content).unwrap();
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdpoint"));
        command
            .args(arguments)
            .current_dir(self.root())
            .env_clear()
            // However slow the machine is, a process that works answers.
            .env("HOLDPOINT_WAIT", "120")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ran {
        finish(self.command(arguments).spawn().unwrap())
    }

    /// Runs a command that is written as in a shell.
    pub(crate) fn sh(&self, line: &str) -> Ran {
        self.run(&words(line))
    }

    /// Runs a command with this on its standard input.
    pub(crate) fn sh_with(&self, line: &str, input: impl Into<Vec<u8>>) -> Ran {
        let mut child = self.command(&words(line)).stdin(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
        let writer = std::thread::spawn(move || {
            // The program need not read all that it is offered.
            drop(stdin.write_all(&input));
        });
        let ran = finish(child);
        writer.join().unwrap();
        ran
    }

    /// Runs a command that must succeed, and answers with what it printed.
    #[track_caller]
    pub(crate) fn must(&self, line: &str) -> String {
        let ran = self.sh(line);
        assert_eq!(ran.code, Some(0), "holdpoint {line}:\n{ran}");
        ran.output
    }

    /// Runs a command that must succeed with `--json`, and answers with its answer.
    #[track_caller]
    pub(crate) fn ask(&self, line: &str) -> Value {
        let output = self.must(&format!("{line} --json"));
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Runs commands and answers with what a user sees of it.
    pub(crate) fn shows(&self, lines: &[&str]) -> String {
        let root = self.root().display().to_string();
        let mut text = String::new();
        for (n, line) in lines.iter().enumerate() {
            let gap = if n == 0 { "" } else { "\n" };
            text.push_str(&format!("{gap}$ holdpoint {line}\n{}", self.sh(line)));
        }
        text.replace(&root, "[place]")
    }

    /// Runs a command that must be refused with this code, in both forms.
    #[track_caller]
    pub(crate) fn refuses(&self, line: &str, code: &str) -> String {
        let before = self.truth();
        let ran = self.sh(line);
        ran.fails_well(1, &line);
        assert!(ran.errors.contains(&format!("error[{code}]: ")), "{line}:\n{ran}");
        let words = [words(line), vec!["--json".into()]].concat();
        let error = self.run(&words).fails_well_as_json(1, &line);
        assert_eq!(error["code"], code, "{line}");
        assert!(!error["help"].as_array().unwrap().is_empty(), "{line}: {error}");
        assert_same(&before, &self.truth(), &line);
        ran.errors
    }

    /// Everything in the place that a command must leave as it was when it is not understood.
    pub(crate) fn content(&self) -> Content {
        content(self.root())
    }

    /// Everything in the place that a command must leave as it was when it comes to nothing: all
    /// but what is derived from the events, which is written anew by whoever opens the log.
    pub(crate) fn truth(&self) -> Content {
        let mut content = self.content();
        content.retain(|path, _| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name != "head" && !name.starts_with("snap.") && !name.starts_with("read-model.sqlite")
        });
        content
    }
}

/// The mode and the content of every file and directory, by its path.
pub(crate) type Content = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// Everything in `directory` but who last had the log open.
pub(crate) fn content(directory: &Path) -> Content {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let about = fs::symlink_metadata(&path).unwrap();
            if path.ends_with("log/lock") {
                continue;
            }
            let mut bytes = Vec::new();
            if about.is_dir() {
                open.push(path.clone());
            } else if about.is_file() {
                bytes = fs::read(&path).unwrap();
            }
            let inside = path.strip_prefix(directory).unwrap().to_owned();
            found.insert(inside, (about.mode(), bytes));
        }
    }
    found
}

/// Fails unless both contents are the same, naming what differs.
#[track_caller]
pub(crate) fn assert_same(before: &Content, after: &Content, what: &dyn fmt::Debug) {
    let names = before.keys().chain(after.keys());
    let mut changed: Vec<_> = names.filter(|path| before.get(*path) != after.get(*path)).collect();
    changed.sort();
    changed.dedup();
    assert!(changed.is_empty(), "{what:?} changed {changed:?}");
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Waits for a process, and fails when it does not come to its end.
#[track_caller]
pub(crate) fn finish(mut child: Child) -> Ran {
    let streams = (child.stdout.take(), child.stderr.take());
    let read = |stream: Option<Box<dyn std::io::Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes).unwrap();
            }
            bytes
        })
    };
    let output = read(streams.0.map(|one| Box::new(one) as _));
    let errors = read(streams.1.map(|one| Box::new(one) as _));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("a command hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Output { status, stdout: output.join().unwrap(), stderr: errors.join().unwrap() }.into()
}

/// Waits for something that another process does.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The words of a line as a shell takes it apart: at spaces that are not within single quotes.
pub(crate) fn words(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    let (mut word, mut quoted, mut begun) = (Vec::new(), false, false);
    for &byte in line.as_bytes() {
        match byte {
            b'\'' => (quoted, begun) = (!quoted, true),
            b' ' if !quoted => {
                if begun {
                    words.push(OsStr::from_bytes(&word).to_owned());
                }
                (word, begun) = (Vec::new(), false);
            }
            other => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(OsStr::from_bytes(&word).to_owned());
    }
    words
}

/// A definition with everything that needs no machine: people, a signal, a wait.
pub(crate) const PATCH: &str = include_str!("patch.yaml");

/// A change with people and a rollout, `approved-change`.
pub(crate) const CHANGE: &str =
    include_str!("../../definition/tests/samples/valid/approved-change.yaml");

/// A project `lab` of the owner ada with the engineers bob and eve, who are qualified, the
/// engineer cy, who is not, and dora, who has no role; the definition [`PATCH`] is published.
fn lab() -> &'static Place {
    static LAB: OnceLock<Place> = OnceLock::new();
    LAB.get_or_init(|| {
        let place = Place::empty();
        place.write("patch.yaml", PATCH);
        place.must("init");
        place.must("project create lab --title 'The lab' --as ada");
        for member in ["bob", "eve", "cy"] {
            place.must(&format!("project member add {member} --role engineer --as ada"));
        }
        place.must("project member add dora --name 'Dora D.' --as ada");
        for member in ["bob", "eve"] {
            place.must(&format!("project qualify {member} network --issuer CCIE --as ada"));
        }
        place.must("definitions publish patch.yaml --as ada");
        place
    })
}

/// A submission that [`PATCH`] accepts.
pub(crate) const SUBMIT: &str = "submit patch --input 'title=Fix the router' --as ada";

/// Replaces what differs from one time to the next in snapshots, for as long as the guard lives.
pub(crate) fn filters() -> impl Drop {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
        (r"sha256:[0-9a-f]{64}", "sha256:[digest]"),
        (r"sha256:[0-9a-f]{8}…", "sha256:[short]"),
        (r"20[2-4]\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "[time]"),
        (r"\(in [^)]+\)", "(in [span])"),
        (r"\d+ bytes\b", "[n] bytes"),
        (r"process \d+ ", "process [pid] "),
        (r"holdpoint\.local/[0-9a-f]{16}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}", "[key]"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings.bind_to_scope()
}
