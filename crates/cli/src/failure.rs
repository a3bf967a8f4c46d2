//! What can go wrong, how it is told, and the exit codes; nowhere else is one chosen.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused: the answer is "no", and nothing has changed; or an expectation of the demo failed |
//! | 2 | wrong usage or input: nothing has changed |
//! | 3 | damaged or failing storage, or a defect |
//! | 4 | another process works on the directory: nothing has changed, and another try may succeed |
//! | 5 | `work` has done what it could, and runs wait for activities that are not configured here, or are broken |
//! | 130 | `work` or `watch` was interrupted before it had come to its end; with `--follow` that is how it ends, and 0 |

use std::io;

use anstyle::{AnsiColor, Style};
use holdpoint::{
    BackupFailure, ConfigurationFailure, DirectoryFailure, EvidenceFailure, SigningKeyFailure,
    core::{Refusal, RefusalCode, RunAnswer, id::MalformedId},
    definition::{Diagnostics, calendar},
    engine::{CommandFailure, QueryFailure, StartFailure},
    inventory,
    log::{AppendFailure, ReadFailure},
    log_sled::{ArchiveFailure, OpenFailure},
};
use holdpoint_bench::BenchFailure;
use serde_json::{Value, json};

use crate::{
    command::definitions::findings,
    output::{count, line, tell},
    relay::asking::Way,
};

/// What a program ends with that Ctrl-C ends.
pub(crate) const INTERRUPTED: u8 = 130;

/// A command that did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The answer is "no".
    Refused(Refusal),
    /// What was asked makes no sense, or its input does not.
    Usage(Told),
    /// A definition cannot be used.
    Findings(Diagnostics),
    /// An inventory cannot be used.
    Inventory(inventory::Findings),
    /// A calendar cannot be used.
    Calendar(calendar::Findings),
    /// The storage is damaged or fails, or there is a defect.
    Storage(Told),
    /// The demo saw something that should not be.
    Expectation(Told),
    /// What was to be checked does not hold.
    Disproved(Told),
    /// Another process works on the directory.
    Busy(Told),
    /// Another process works on the directory, and takes commands here.
    Served(Way),
    /// Runs wait for activities that are not configured here.
    Unconfigured(Told),
    /// Runs are broken, and were left alone.
    Broken(Told),
    /// It was interrupted before it had come to its end, and has said so.
    Interrupted,
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

    /// As [`Failure::usage`], with several things to do, or to know.
    pub(crate) fn usage_with(message: String, help: Vec<String>) -> Self {
        Self::Usage(Told { message, help })
    }

    pub(crate) fn storage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Storage(Told::new(message, help))
    }

    /// As [`Failure::storage`], with several things to do, or to know.
    pub(crate) fn storage_with(message: String, help: Vec<String>) -> Self {
        Self::Storage(Told { message, help })
    }

    pub(crate) fn disproved(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Disproved(Told::new(message, help))
    }

    pub(crate) fn expectation(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Expectation(Told::new(message, help))
    }

    pub(crate) fn busy(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Busy(Told::new(message, help))
    }

    pub(crate) fn unconfigured(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unconfigured(Told::new(message, help))
    }

    pub(crate) fn broken(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Broken(Told::new(message, help))
    }

    /// The program did something that it must never do, and said what to the log.
    pub(crate) fn defect() -> Self {
        Self::storage(
            "BUG: the command could not be finished",
            "what was acknowledged is in the history; report what stands above, and what you did",
        )
    }

    /// With something else to know about what was typed, or came of it.
    pub(crate) fn but(mut self, known: &str) -> Self {
        if let Self::Usage(told) | Self::Storage(told) | Self::Unconfigured(told) = &mut self {
            told.help.push(known.to_owned());
        }
        self
    }

    /// What is said when a command was done and what came of it cannot be shown.
    pub(crate) fn after(answer: RunAnswer, why: Self) -> Self {
        let Self::Storage(why) = why else { return why };
        Self::storage(
            format!(
                "the command was done, and is durable at position {}; what came of it cannot be shown: {}",
                answer.sequence, why.message
            ),
            "make room on the disk or mend what is wrong there; do not send the command again: `holdpoint \
             history` shows it",
        )
    }

    /// What another process has told with `--json`.
    pub(crate) fn of_json(told: &Value) -> Self {
        let error = &told["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let help = error["help"].as_array().into_iter().flatten().map(text).collect();
        let told = Told { message: text(&error["message"]), help };
        match error["kind"].as_str() {
            Some("usage") => Self::Usage(told),
            Some("busy") => Self::Busy(told),
            _ => Self::Storage(told),
        }
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Interrupted => INTERRUPTED,
            Self::Refused(_) | Self::Expectation(_) | Self::Disproved(_) => 1,
            Self::Usage(_) | Self::Findings(_) | Self::Inventory(_) | Self::Calendar(_) => 2,
            Self::Storage(_) => 3,
            Self::Busy(_) | Self::Served(_) => 4,
            Self::Unconfigured(_) | Self::Broken(_) => 5,
        }
    }

    /// Tells the failure on standard error, as text or as a JSON document.
    pub(crate) fn tell(&self, json: bool) {
        let text = match (self, json) {
            (Self::BrokenPipe | Self::Served(_) | Self::Interrupted, _) => return,
            (_, true) => format!("{:#}\n", self.as_json()),
            (Self::Refused(refusal), false) => {
                in_words(Some(refusal.code.as_str()), &refusal.message, &remedies(refusal))
            }
            (Self::Findings(findings), false) => found_in_words(&findings.to_string()),
            (Self::Inventory(findings), false) => found_in_words(&findings.to_string()),
            (Self::Calendar(findings), false) => found_in_words(&findings.to_string()),
            (
                Self::Usage(told)
                | Self::Storage(told)
                | Self::Expectation(told)
                | Self::Disproved(told)
                | Self::Busy(told)
                | Self::Unconfigured(told)
                | Self::Broken(told),
                false,
            ) => in_words(None, &told.message, &told.help),
        };
        tell(&text);
    }

    fn as_json(&self) -> Value {
        let error = |kind: &str, told: &Told| json!({ "kind": kind, "message": told.message, "help": told.help });
        json!({ "error": match self {
            Self::BrokenPipe | Self::Served(_) | Self::Interrupted => Value::Null,
            Self::Refused(refusal) => json!({
                "kind": "refused",
                "code": refusal.code.as_str(),
                "message": refusal.message,
                "needed": refusal.needed,
                "help": remedies(refusal),
            }),
            Self::Findings(found) => json!({
                "kind": "findings",
                "message": format!("{} cannot be used", found.file()),
                "findings": findings(found),
            }),
            Self::Inventory(found) => json!({
                "kind": "findings",
                "message": format!("{} cannot be used", found.file()),
                "findings": found.iter().map(|one| json!({
                    "code": one.code.as_str(),
                    "line": one.line,
                    "message": one.message,
                    "help": one.help,
                })).collect::<Vec<_>>(),
            }),
            Self::Calendar(found) => json!({
                "kind": "findings",
                "message": "the calendar cannot be used",
                "findings": found.iter().map(of_calendar).collect::<Vec<_>>(),
            }),
            Self::Usage(told) => error("usage", told),
            Self::Storage(told) => error("storage", told),
            Self::Expectation(told) => error("expectation", told),
            Self::Disproved(told) => error("disproved", told),
            Self::Busy(told) => error("busy", told),
            Self::Unconfigured(told) => error("unconfigured", told),
            Self::Broken(told) => error("broken", told),
        }})
    }
}

impl Told {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        let help: String = help.into();
        Self { message: message.into(), help: if help.is_empty() { vec![] } else { vec![help] } }
    }
}

/// A finding about a calendar as JSON.
fn of_calendar(one: &calendar::Finding) -> Value {
    json!({
        "code": one.code.as_str(),
        "severity": "error",
        "message": one.message,
        "path": one.path,
        "line": one.place.map(|place| place.line),
        "column": one.place.map(|place| place.column),
        "help": one.help,
    })
}

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// How many lines of help are told: a failure must fit on a screen.
const HELP_LINES_MAX: usize = 12;

/// How many lines of findings are told.
const FINDING_LINES_MAX: usize = 24;

/// How much of a line is told, in characters; the rest repeats what the user has given.
const LINE_LENGTH_MAX: usize = 400;

fn in_words(code: Option<&str>, message: &str, help: &[String]) -> String {
    let code = code.map(|code| format!("[{code}]")).unwrap_or_default();
    let mut lines = message.lines().map(shortened);
    let mut text = format!("{ERROR}error{code}{ERROR:#}: {}\n", lines.next().unwrap_or_default());
    for line in lines {
        text.push_str(&format!("{line}\n"));
    }
    let mut left = HELP_LINES_MAX;
    for (n, one) in help.iter().enumerate() {
        if left == 0 {
            let more = help.len().saturating_sub(n);
            text.push_str(&format!("{HELP}help{HELP:#}: and {more} more; `--json` has them all\n"));
            break;
        }
        let lines: Vec<_> = one.lines().take(left).map(shortened).collect();
        left = left.saturating_sub(lines.len());
        text.push_str(&format!("{HELP}help{HELP:#}: {}\n", lines.join("\n      ")));
    }
    text
}

/// Findings as a person reads them, as many as fit on a screen.
fn found_in_words(text: &str) -> String {
    let all: Vec<&str> = text.split("\n\n").collect();
    let mut told = String::new();
    let mut lines: usize = 0;
    for (n, finding) in all.iter().enumerate() {
        lines = lines.saturating_add(finding.lines().count()).saturating_add(1);
        if n > 0 && lines > FINDING_LINES_MAX {
            let more = count(all.len().saturating_sub(n) as u64, "more finding");
            told.push_str(&format!("\nand {more}: fix these first, or see all with `--json`\n"));
            break;
        }
        if n > 0 {
            told.push('\n');
        }
        for line in finding.lines() {
            told.push_str(&format!("{}\n", shortened(line)));
        }
    }
    told
}

/// The line with escapes for what a terminal would obey, and without the middle of what is long.
pub(crate) fn shortened(text: &str) -> String {
    let half = LINE_LENGTH_MAX / 2;
    let length = text.chars().count();
    if length <= LINE_LENGTH_MAX {
        return line(text);
    }
    let begin: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(length.saturating_sub(half)).collect();
    format!("{}…{}", line(&begin), line(&end))
}

/// What would be needed for a "yes"; where the refusal cannot say that, how to find it out.
pub(crate) fn remedies(refusal: &Refusal) -> Vec<String> {
    if !refusal.needed.is_empty() {
        return refusal.needed.clone();
    }
    let remedy = match refusal.code {
        RefusalCode::NotMember => "`holdpoint project show` lists the members",
        RefusalCode::NotEligible
        | RefusalCode::SelfApproval
        | RefusalCode::NotQualified
        | RefusalCode::MayNotSettle => "`holdpoint show RUN` says who could",
        RefusalCode::AlreadyVoted => "`holdpoint show RUN` says whose vote is still open",
        RefusalCode::AmbiguousBranch => "name the hold: `holdpoint show RUN` says which are open",
        RefusalCode::NotAwaited | RefusalCode::NotUnknown | RefusalCode::ReleasedBefore => {
            "`holdpoint show RUN` says what the run waits for now"
        }
        RefusalCode::DutiesOpen => {
            "`holdpoint show RUN` says what is owed, and who can discharge it"
        }
        RefusalCode::RunEnded => {
            "`holdpoint history RUN` says how it ended, who ended it and why; what is still to be done takes a run of its own: `holdpoint submit DEFINITION`"
        }
        RefusalCode::InvalidInput => {
            "correct what was given: `--help` after the command explains its arguments, `holdpoint definitions show NAME` has the input that a definition takes"
        }
        RefusalCode::NotFound | RefusalCode::AlreadyExists => {
            "`holdpoint project show` lists members and roles, `holdpoint definitions list` the \
             definitions, `holdpoint calendar list` the calendars"
        }
        RefusalCode::DuplicateTarget | RefusalCode::UnknownItem | RefusalCode::DependencyCircle => {
            "`holdpoint items list` has the items there are"
        }
        RefusalCode::OtherPlan => "`holdpoint plan RUN` shows the plan as it is now",
        RefusalCode::NotMigratable => "`holdpoint definitions list` has the versions there are",
        RefusalCode::EvidenceDamaged => "`holdpoint verify` says which files are damaged",
        RefusalCode::BelowBaseline => "`holdpoint baseline show` has what is demanded",
        RefusalCode::NotOverridable => "`holdpoint show RUN` says how it stands to its baseline",
        RefusalCode::NotReleased => "`holdpoint list` has the runs",
        RefusalCode::NotSubstitute | RefusalCode::CountsOnce => {
            "`holdpoint project substitute list` says who votes in whose place"
        }
        RefusalCode::NewerWork | RefusalCode::LockedByOther => {
            "`holdpoint show RUN` says where the other run stands"
        }
        RefusalCode::Unloadable => {
            "`holdpoint history RUN` has what happened to it; `holdpoint locks` says which locks it keeps"
        }
        RefusalCode::NotAsSeen => "look at it again: `--dry-run --json`",
        RefusalCode::CommandIdReused => "give a new command a new id, or leave `--command-id` out",
    };
    vec![remedy.to_owned()]
}

/// Why a run cannot be told anything, or looked at, alone: others can.
pub(crate) fn unloadable(failure: &QueryFailure) -> Refusal {
    let remedy = match failure {
        QueryFailure::History(_) => UNREPLAYABLE,
        _ => UNLOADABLE,
    };
    Refusal::new(RefusalCode::Unloadable, failure.to_string()).needs(remedy)
}

/// How to find out what does not replay.
const UNREPLAYABLE: &str = "`holdpoint verify` says which event does not fit, and what can be done; `holdpoint history \
                            RUN` has all that happened to it; it is left alone, and other runs go on";

/// What to do about events that do not fit and that nobody has changed since they were written here.
pub(crate) const AS_IT_WAS: &str = "the log has what was written or imported, so nothing here can mend it: keep a copy \
                                    of the directory. If the events were imported, import them as they were exported; if a \
                                    newer holdpoint wrote them, use that one; else restore a backup from before, and report it";

/// What to do about a run whose definition cannot be loaded.
pub(crate) const UNLOADABLE: &str = "`holdpoint history RUN` has what happened to it; work with the directory by the \
                          program that has its definition; `holdpoint locks` says which locks it keeps, and an \
                          owner takes one with `holdpoint locks break ITEM --reason TEXT`";

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<inventory::Findings> for Failure {
    fn from(findings: inventory::Findings) -> Self {
        Self::Inventory(findings)
    }
}

impl From<MalformedId> for Failure {
    fn from(malformed: MalformedId) -> Self {
        Self::usage(malformed.to_string(), "`holdpoint project list` has the projects' names")
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::storage(
                format!("the output cannot be written: {error}"),
                "what the command did is done; `holdpoint history` shows it",
            )
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
            CommandFailure::Append(too_large @ AppendFailure::TooLarge { .. }) => Self::usage(
                too_large.to_string(),
                "make it smaller: what is long can be kept elsewhere and be named here, or be attached as a file: `holdpoint \
                 attach`. Nothing has changed",
            ),
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
                "make room if the disk is full. The read model is derived: where it is damaged, delete \
                 `read-model.sqlite` in the data directory, and the next command builds it again"
            }
            QueryFailure::Read(ReadFailure::Damaged { .. }) => {
                "copy the whole directory before anything else, and check the disk; then restore a \
                 backup, or save what still verifies with `holdpoint salvage`"
            }
            QueryFailure::Read(_) => {
                "check the directory with `holdpoint verify`, and keep a copy before you repair"
            }
            QueryFailure::History(_) => UNREPLAYABLE,
            QueryFailure::Stream { .. } => AS_IT_WAS,
            QueryFailure::Definition(_) => UNLOADABLE,
            QueryFailure::Stopped => "begin the command again",
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

impl From<SigningKeyFailure> for Failure {
    fn from(failure: SigningKeyFailure) -> Self {
        DirectoryFailure::from(failure).into()
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
        match failure {
            DirectoryFailure::Log(OpenFailure::InUse { .. }) => {
                Self::Busy(Told::new(message, help))
            }
            failure if failure.is_input() => Self::usage(message, help),
            _ => Self::storage(message, help),
        }
    }
}

impl From<EvidenceFailure> for Failure {
    fn from(failure: EvidenceFailure) -> Self {
        let (message, help) = (failure.to_string(), failure.help());
        if failure.is_input() { Self::usage(message, help) } else { Self::storage(message, help) }
    }
}

impl From<BackupFailure> for Failure {
    fn from(failure: BackupFailure) -> Self {
        let (message, help) = (failure.to_string(), failure.help());
        match failure {
            BackupFailure::Log(ArchiveFailure::Log(OpenFailure::InUse { .. })) => {
                Self::Busy(Told::new(message, help))
            }
            failure if failure.is_input() => Self::usage(message, help),
            _ => Self::storage(message, help),
        }
    }
}

impl From<BenchFailure> for Failure {
    fn from(failure: BenchFailure) -> Self {
        let (message, help) = (failure.to_string(), failure.help());
        if failure.is_input() { Self::usage(message, help) } else { Self::storage(message, help) }
    }
}
