//! Runs the real program as a user would, and shows what a user would see.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};

use crate::{failure::Failure, output::print};

/// Runs this program on one data directory.
#[derive(Debug)]
pub(crate) struct Shell {
    program: PathBuf,
    directory: PathBuf,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// What it wrote to its standard output.
    pub(crate) output: String,
    /// What it wrote to its standard error.
    pub(crate) errors: String,
}

fn cannot_run(error: &std::io::Error) -> Failure {
    Failure::storage(format!("the program cannot start itself: {error}"), "")
}

impl Shell {
    /// A shell whose commands work on `directory`.
    pub(crate) fn new(directory: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|error| cannot_run(&error))?;
        Ok(Self { program, directory: directory.to_owned() })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("HOLDPOINT_DIR", &self.directory)
            .env_remove("HOLDPOINT_PROJECT")
            .env_remove("HOLDPOINT_AS")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command and shows it and what it says.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Ran, Failure> {
        show_prompt(arguments)?;
        let ran = self.quietly(arguments).await?;
        print(ran.errors.as_bytes())?;
        print(ran.output.as_bytes())?;
        print(b"\n")?;
        Ok(ran)
    }

    /// Runs a command that must succeed and shows it and what it says.
    pub(crate) async fn must(&self, arguments: &[&str]) -> Result<Ran, Failure> {
        let ran = self.run(arguments).await?;
        ran.succeeded(arguments)?;
        Ok(ran)
    }

    /// Starts a command, shows it, and lets it talk to the terminal itself.
    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Child, Failure> {
        show_prompt(arguments)?;
        self.command(arguments).stdout(Stdio::piped()).spawn().map_err(|error| cannot_run(&error))
    }

    /// Runs a command for its answer, as JSON, without showing it.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, Failure> {
        let ran = self.lines(arguments).await?;
        Ok(serde_json::from_str(&ran)?)
    }

    /// Runs a command for its answer, as JSON text, without showing it.
    pub(crate) async fn lines(&self, arguments: &[&str]) -> Result<String, Failure> {
        let arguments = [arguments, &["--json"]].concat();
        let ran = self.quietly(&arguments).await?;
        ran.succeeded(&arguments)?;
        Ok(ran.output)
    }

    async fn quietly(&self, arguments: &[&str]) -> Result<Ran, Failure> {
        let ran = self.command(arguments).output().await.map_err(|error| cannot_run(&error))?;
        Ok(Ran {
            code: ran.status.code(),
            output: String::from_utf8_lossy(&ran.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ran.stderr).into_owned(),
        })
    }
}

impl Ran {
    fn succeeded(&self, arguments: &[&str]) -> Result<(), Failure> {
        if self.code == Some(0) {
            return Ok(());
        }
        Err(Failure::expectation(
            format!("`{}` did not succeed: {}", line(arguments), self.errors.trim()),
            "",
        ))
    }
}

/// Waits for a command that was started and shows what it said at its end.
pub(crate) async fn finish(child: Child) -> Result<ExitStatus, Failure> {
    let ran = child.wait_with_output().await.map_err(|error| cannot_run(&error))?;
    print(&ran.stdout)?;
    print(b"\n")?;
    Ok(ran.status)
}

fn show_prompt(arguments: &[&str]) -> Result<(), Failure> {
    const PROMPT: anstyle::Style = anstyle::Style::new().bold();
    print(format!("{PROMPT}$ {}{PROMPT:#}\n", line(arguments)).as_bytes())
}

/// The command as it would be typed.
fn line(arguments: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@+,%".contains(c);
    let mut line = "holdpoint".to_owned();
    for &argument in arguments {
        line.push(' ');
        if !argument.is_empty() && argument.chars().all(plain) {
            line.push_str(argument);
        } else {
            line.push_str(&format!("'{}'", argument.replace('\'', r"'\''")));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn commands_are_shown_as_they_would_be_typed() {
        assert_eq!(line(&["show", "1"]), "holdpoint show 1");
        assert_eq!(
            line(&["submit", "x", "--input", "title=it's", ""]),
            r"holdpoint submit x --input 'title=it'\''s' ''"
        );
    }
}
