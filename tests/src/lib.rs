//! What end-to-end tests need: the real program, a data directory, real machines.
//!
//! The tests themselves are in `tests/tests/`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

pub mod inside;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

/// The program, built as these tests are.
///
/// # Panics
/// When it does not compile.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let build = escargot::CargoBuild::new().package("holdpoint-cli").bin("holdpoint");
        let build = if cfg!(debug_assertions) { build } else { build.release() };
        // Cargo tells a test of its package in variables that `ring` has itself built anew for, with all that
        // needs it, and then once more for the next command that is not run by a test.
        let told = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        let build = told.fold(build, escargot::CargoBuild::env_remove);
        build.run().expect("the program compiles").path().to_owned()
    })
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub output: String,
    /// Its standard error.
    pub errors: String,
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

/// A data directory of a test's own, and commands that work on it.
#[derive(Debug)]
pub struct Data {
    temporary: TempDir,
}

impl Default for Data {
    fn default() -> Self {
        Self::new()
    }
}

impl Data {
    /// A place for a data directory; nothing is made yet.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self { temporary: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Where the data directory is, or will be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.temporary.path().join("data")
    }

    /// A directory of the test's own, beside the data directory.
    #[must_use]
    pub fn beside(&self) -> &Path {
        self.temporary.path()
    }

    /// A command on the directory, to be changed and run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.temporary.path())
            .env_clear()
            .env("HOLDPOINT_DIR", self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// Runs a command that must succeed, and answers with what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "holdpoint {arguments:?}: {}", ran.errors);
        ran.output
    }

    /// Runs a command that must succeed with `--json`, and answers with its answer.
    ///
    /// # Panics
    /// When it fails or prints no JSON.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> Value {
        let output = self.must(&[arguments, &["--json"]].concat());
        serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Starts a command and lets it run.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// Every stored event, as its bytes, a line each.
    ///
    /// # Panics
    /// When the history cannot be read.
    #[track_caller]
    pub fn history(&self) -> Vec<String> {
        self.must(&["history", "--json"]).lines().map(str::to_owned).collect()
    }
}

/// Asks a server.
///
/// # Errors
/// When it does not answer.
pub async fn get(url: &str) -> Result<reqwest::Response, reqwest::Error> {
    // The client wants one, also where there is no TLS; it was chosen before, the second time.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::get(url).await
}

/// A machine of the demo: a real HTTP server in a process of its own, which ends with this.
#[derive(Debug)]
pub struct Machine {
    process: Child,
    /// Its host and port.
    pub address: String,
}

impl Machine {
    /// Starts a machine that takes `deploy_ms` to change its version and is unhealthy at a
    /// version, if one is named.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(deploy_ms: u64, unhealthy_at: Option<&str>) -> Self {
        let mut command = Command::new(program());
        command
            .args(["demo-machine", "--deploy-ms", &deploy_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(version) = unhealthy_at {
            command.args(["--unhealthy-at", version]);
        }
        let mut process = command.spawn().expect("a machine starts");
        let output = process.stdout.take().expect("it has an output");
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address).expect("it says its address");
        Self { process, address: address.trim().to_owned() }
    }

    /// What the machine knows of itself: its version, and every change with its key.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn records(&self) -> Value {
        let url = format!("http://{}/records", self.address);
        let answer = get(&url).await.expect("the machine answers");
        answer.json().await.expect("it answers with JSON")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The definitions that ship, by their names, as `workflows` has them. A test that plays all of them fails when
/// another ships.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn shipped() -> BTreeSet<String> {
    let workflows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows");
    let files = std::fs::read_dir(workflows).expect("the shipped definitions").map(|entry| {
        entry.expect("a shipped definition").file_name().to_string_lossy().into_owned()
    });
    files
        .filter(|file| !file.ends_with(".scenarios.yaml"))
        .filter_map(|file| file.strip_suffix(".yaml").map(str::to_owned))
        .collect()
}
