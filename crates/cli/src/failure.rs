//! What can go wrong, how it is told, and the exit codes; nowhere else is one chosen.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused: the answer is "no", and nothing has changed; or an expectation of the demo failed |
//! | 2 | wrong usage or input: nothing has changed |
//! | 3 | damaged or failing storage, or a defect |

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use holdpoint::{
    ConfigurationFailure, DirectoryFailure,
    core::{Refusal, id::MalformedId},
    definition::Diagnostics,
    engine::{CommandFailure, QueryFailure, StartFailure},
    log::ReadFailure,
};
use serde_json::{Value, json};

use crate::command::definitions::findings;

/// A command that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The answer is "no".
    Refused(Refusal),
    /// What was asked makes no sense, or its input does not.
    Usage(Told),
    /// A definition cannot be used.
    Findings(Diagnostics),
    /// The storage is damaged or fails, or there is a defect.
    Storage(Told),
    /// The demo saw something that should not be.
    Expectation(Told),
    /// Nobody reads what we write any more.
    BrokenPipe,
}

/// A message and what to do about it.
#[derive(Debug)]
pub(crate) struct Told {
    message: String,
    help: Vec<String>,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage(Told::new(message, help))
    }

    pub(crate) fn storage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Storage(Told::new(message, help))
    }

    pub(crate) fn expectation(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Expectation(Told::new(message, help))
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Refused(_) | Self::Expectation(_) => 1,
            Self::Usage(_) | Self::Findings(_) => 2,
            Self::Storage(_) => 3,
        }
    }

    /// Tells the failure on standard error, as text or as a JSON document.
    pub(crate) fn tell(&self, json: bool) {
        let text = match (self, json) {
            (Self::BrokenPipe, _) => return,
            (_, true) => format!("{:#}\n", self.as_json()),
            (Self::Refused(refusal), false) => {
                in_words(Some(refusal.code.as_str()), &refusal.message, &refusal.needed)
            }
            (Self::Findings(findings), false) => findings.to_string(),
            (Self::Usage(told) | Self::Storage(told) | Self::Expectation(told), false) => {
                in_words(None, &told.message, &told.help)
            }
        };
        // When standard error is closed there is nobody left to tell.
        drop(anstream::stderr().write_all(text.as_bytes()));
    }

    fn as_json(&self) -> Value {
        let error = |kind: &str, told: &Told| json!({ "kind": kind, "message": told.message, "help": told.help });
        json!({ "error": match self {
            Self::BrokenPipe => Value::Null,
            Self::Refused(refusal) => json!({
                "kind": "refused",
                "code": refusal.code.as_str(),
                "message": refusal.message,
                "needed": refusal.needed,
            }),
            Self::Findings(found) => json!({
                "kind": "findings",
                "message": format!("{} cannot be used", found.file()),
                "findings": findings(found),
            }),
            Self::Usage(told) => error("usage", told),
            Self::Storage(told) => error("storage", told),
            Self::Expectation(told) => error("expectation", told),
        }})
    }
}

impl Told {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        let help: String = help.into();
        Self { message: message.into(), help: if help.is_empty() { vec![] } else { vec![help] } }
    }
}

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

fn in_words(code: Option<&str>, message: &str, help: &[String]) -> String {
    let code = code.map(|code| format!("[{code}]")).unwrap_or_default();
    let mut text = format!("{ERROR}error{code}{ERROR:#}: {message}\n");
    for line in help {
        text.push_str(&format!("{HELP}help{HELP:#}: {}\n", line.replace('\n', "\n      ")));
    }
    text
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<MalformedId> for Failure {
    fn from(malformed: MalformedId) -> Self {
        Self::usage(malformed.to_string(), "")
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::storage(format!("the output cannot be written: {error}"), "")
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::storage(format!("BUG: the answer cannot be written as JSON: {error}"), "")
    }
}

impl From<CommandFailure> for Failure {
    fn from(failure: CommandFailure) -> Self {
        match failure {
            CommandFailure::Refused(refusal) => Self::Refused(refusal),
            CommandFailure::Query(failure) => failure.into(),
            other @ (CommandFailure::Broken(_) | CommandFailure::Append(_)) => Self::storage(
                other.to_string(),
                "check the directory with `holdpoint verify`; a command can be sent again with \
                 the same `--command-id`",
            ),
        }
    }
}

impl From<QueryFailure> for Failure {
    fn from(failure: QueryFailure) -> Self {
        let help = match &failure {
            QueryFailure::NoSuchRun(_) => return Self::usage(failure.to_string(), LIST_RUNS),
            QueryFailure::ReadModel(_) => {
                "the read model is derived: delete `read-model.sqlite` in the data directory, and \
                 the next command builds it again"
            }
            QueryFailure::Read(_) | QueryFailure::History(_) => {
                "check the directory with `holdpoint verify`, and keep a copy before you repair"
            }
            QueryFailure::Definition(_) | QueryFailure::Stopped => "",
        };
        Self::storage(failure.to_string(), help)
    }
}

/// How to find out which runs there are.
pub(crate) const LIST_RUNS: &str = "`holdpoint list` shows the runs there are";

impl From<ReadFailure> for Failure {
    fn from(failure: ReadFailure) -> Self {
        QueryFailure::from(failure).into()
    }
}

impl From<StartFailure> for Failure {
    fn from(failure: StartFailure) -> Self {
        match failure {
            StartFailure::Query(failure) => failure.into(),
            StartFailure::NoLog => Self::storage(format!("BUG: {failure}"), ""),
        }
    }
}

impl From<ConfigurationFailure> for Failure {
    fn from(failure: ConfigurationFailure) -> Self {
        Self::usage(failure.to_string(), failure.help)
    }
}

impl From<DirectoryFailure> for Failure {
    fn from(failure: DirectoryFailure) -> Self {
        let (message, help) = (failure.to_string(), failure.help());
        if failure.is_input() { Self::usage(message, help) } else { Self::storage(message, help) }
    }
}
