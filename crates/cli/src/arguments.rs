//! The command line as it is parsed: every command, argument and option.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use holdpoint::core::{CommandId, DefinitionName, Digest, MemberId, ProjectId};
use holdpoint::log::key::KeyName;
use jiff::{Timestamp, civil::DateTime, fmt::temporal::Pieces, tz::TimeZone};

use self::{
    author::{Check, Fmt, Graph, Simulate, Test},
    baseline::{BaselineCommand, ByBaseline},
    bench::{Bench, BenchPart},
    calendar::CalendarCommand,
    conflicts::Conflicts,
    evidence::{Attach, EvidenceCommand},
    input::{Amend, Plan, Submit},
    items::ItemsCommand,
    lockdown::LockdownCommand,
    locks::Locks,
    migrate::Migrate,
    project::ProjectCommand,
    steer::Steer,
    tell::Tell,
    which::Filter,
};
use crate::output::steers;

pub(crate) mod author;
pub(crate) mod baseline;
pub(crate) mod bench;
pub(crate) mod calendar;
pub(crate) mod conflicts;
pub(crate) mod evidence;
pub(crate) mod input;
pub(crate) mod items;
pub(crate) mod lockdown;
pub(crate) mod locks;
pub(crate) mod logs;
pub(crate) mod migrate;
pub(crate) mod project;
pub(crate) mod steer;
pub(crate) mod substitute;
pub(crate) mod tell;
pub(crate) mod votes;
pub(crate) mod which;

/// Change approvals and rollouts that stop where they must, go on by themselves where they may,
/// survive any crash, and leave a history that can be checked.
#[derive(Debug, Parser)]
#[command(name = "holdpoint", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 refused, 2 wrong usage or input, \
                        3 damaged or failing storage, 4 in use by another process, \
                        5 `work` left what is not configured here, or broken, \
                        130 interrupted.\nTry it: holdpoint demo")]
pub(crate) struct Arguments {
    /// The data directory [default: ./holdpoint-data; for the demo: ./holdpoint-demo]
    #[arg(long, global = true, env = "HOLDPOINT_DIR", value_name = "DIR")]
    #[arg(help_heading = "Global options")]
    pub(crate) dir: Option<PathBuf>,

    /// The project; needed only when the directory has several
    #[arg(long, global = true, env = "HOLDPOINT_PROJECT", help_heading = "Global options")]
    pub(crate) project: Option<ProjectId>,

    /// How many seconds to wait when another process works on the directory, or does not answer
    /// [default: 5] [env: HOLDPOINT_WAIT=]
    #[arg(long, global = true, value_name = "SECONDS")]
    #[arg(default_value = patience_by_default(), hide_default_value = true)]
    #[arg(value_parser = patience, allow_negative_numbers = true)]
    #[arg(help_heading = "Global options")]
    pub(crate) wait: u16,

    /// Print one JSON document instead of text
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a data directory
    Init(Init),
    /// Create and change projects: members, roles, qualifications, substitutes
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Keep the configuration items of a project: labels, groups, dependencies
    #[command(subcommand)]
    Items(ItemsCommand),
    /// List the runs that touch the same or related items at overlapping times; or accept that
    Conflicts(Conflicts),
    /// List the locks on items, who holds them and who waits; or break one
    Locks(Locks),
    /// Publish and read workflow definitions
    #[command(subcommand)]
    Definitions(DefinitionsCommand),
    /// Publish, read and check calendars: windows, freezes, working time
    #[command(subcommand)]
    Calendar(CalendarCommand),
    /// Keep what every definition of a project must demand, and read it
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Hold back all that would start in a scope, preview that, and release it
    #[command(subcommand)]
    Lockdown(LockdownCommand),
    /// Check definitions and scenarios: everything that is wrong, with its place and a remedy
    Check(Check),
    /// Play scenarios against their definitions, in virtual time
    Test(Test),
    /// Step through a definition: choose who does what, and move the clock
    Simulate(Simulate),
    /// Say in plain sentences what a definition does
    Explain {
        /// The definition's file, YAML
        file: PathBuf,
        #[command(flatten)]
        by: ByBaseline,
    },
    /// Say what differs in meaning between two definitions, or two baselines
    Diff {
        /// The file as it was
        before: PathBuf,
        /// The file as it is
        after: PathBuf,
        #[command(flatten)]
        by: ByBaseline,
    },
    /// Draw a definition
    Graph(Graph),
    /// Give definitions and scenarios the same look
    Fmt(Fmt),
    /// Print the JSON Schema of definitions, for editors
    Schema,
    /// Show what a run would do at which target, in which order, with which arguments
    Plan(Plan),
    /// Start a run of a published definition
    Submit(Submit),
    #[command(flatten)]
    Tell(Tell),
    #[command(flatten)]
    Steer(Steer),
    /// Replace the input of a run that is held, or members of it
    Amend(Amend),
    /// Have runs go on by another version of their definition, or say what that would make of them
    Migrate(Migrate),
    /// Attach evidence to a run: a file, or a reference to what is kept elsewhere
    Attach(Attach),
    /// List the evidence that a run was shown, and get it back
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Do what runs ask for: activities, health checks, timers
    Work(Work),
    /// Do what runs ask for, and show one of them live, until it has ended or waits for people
    Watch(Watch),
    /// Print what programs of runs write, while they run and after, also while another process works
    Logs(logs::Logs),
    /// Print what a program wrote that was too long to be recorded
    Output {
        #[arg(value_parser = evidence::digest)]
        /// The digest, as `holdpoint show` and `holdpoint history` name it
        digest: Digest,
    },
    /// List runs
    List(List),
    /// Show a run: where it stands, what holds it, who could release it
    Show(Show),
    /// Print the history of a project or of one run
    History(History),
    /// Check the whole log and print its root; or check a proof, without a log
    Verify(Verify),
    /// Sign the state of the log
    Checkpoint(Checkpoint),
    /// Write a proof that the log has an event, or that it has only grown
    Prove(Prove),
    /// Bring a backup up to date, or make one
    Backup {
        /// The backup's directory: that of an earlier one, or one that is empty or does not exist
        #[arg(value_name = "DIRECTORY")]
        to: PathBuf,
    },
    /// Make a data directory of a backup, and check it
    Restore {
        /// The backup's directory
        #[arg(value_name = "DIRECTORY")]
        from: PathBuf,
    },
    /// Write all events as lines of JSON, byte for byte as they are stored
    Export {
        /// A file that does not exist; standard output when absent
        file: Option<PathBuf>,
    },
    /// Make a data directory of exported events
    Import(Import),
    /// Save what can still be read of a damaged data directory, and list the rest
    Salvage {
        /// The new data directory
        #[arg(value_name = "DIRECTORY")]
        to: PathBuf,
    },
    /// Print a script that completes this command line in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Write manual pages, one a command
    Manpage {
        /// The directory to write them into; it is made when it is not there
        #[arg(value_name = "DIRECTORY")]
        into: PathBuf,
    },
    /// Measure what the log and the engine do on this machine, beside what its disk can do
    Bench(Bench),
    /// A part of a measurement that needs a process of its own
    #[command(hide = true)]
    BenchPart(BenchPart),
    /// See it work: approvals, a crash in the middle of a rollout, a rollback
    Demo(Demo),
    /// One of the demo's machines
    #[command(hide = true)]
    DemoMachine(DemoMachine),
}

impl Command {
    /// The command's name, as it is typed.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Project(_) => "project",
            Self::Items(_) => "items",
            Self::Conflicts(_) => "conflicts",
            Self::Locks(_) => "locks",
            Self::Definitions(_) => "definitions",
            Self::Calendar(_) => "calendar",
            Self::Baseline(_) => "baseline",
            Self::Lockdown(_) => "lockdown",
            Self::Check(_) => "check",
            Self::Test(_) => "test",
            Self::Simulate(_) => "simulate",
            Self::Explain { .. } => "explain",
            Self::Diff { .. } => "diff",
            Self::Graph(_) => "graph",
            Self::Fmt(_) => "fmt",
            Self::Schema => "schema",
            Self::Plan(_) => "plan",
            Self::Logs(_) => "logs",
            Self::Output { .. } => "output",
            Self::Submit(_) => "submit",
            Self::Tell(tell) => tell.name(),
            Self::Steer(steer) => steer.name(),
            Self::Amend(_) => "amend",
            Self::Migrate(_) => "migrate",
            Self::Attach(_) => "attach",
            Self::Evidence(_) => "evidence",
            Self::Work(_) => "work",
            Self::Watch(_) => "watch",
            Self::List(_) => "list",
            Self::Show(_) => "show",
            Self::History(_) => "history",
            Self::Verify(_) => "verify",
            Self::Checkpoint(_) => "checkpoint",
            Self::Prove(_) => "prove",
            Self::Backup { .. } => "backup",
            Self::Restore { .. } => "restore",
            Self::Export { .. } => "export",
            Self::Import(_) => "import",
            Self::Salvage { .. } => "salvage",
            Self::Completions { .. } => "completions",
            Self::Manpage { .. } => "manpage",
            Self::Bench(_) => "bench",
            Self::BenchPart(_) => "bench-part",
            Self::Demo(_) => "demo",
            Self::DemoMachine(_) => "demo-machine",
        }
    }
}

/// Who acts, on commands that change something.
#[derive(Debug, Args)]
pub(crate) struct Acting {
    /// The member who acts
    #[arg(long = "as", env = "HOLDPOINT_AS", value_name = "MEMBER")]
    pub(crate) actor: Option<MemberId>,

    /// An id for this command: sent again with the same id, it is answered and not done again
    #[arg(long, value_name = "UUID")]
    pub(crate) command_id: Option<CommandId>,
}

/// Makes a data directory.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The log's name in its checkpoints, such as `example.com/changes`; one that no other log has
    /// when absent
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<KeyName>,
}

/// Checks a log or a proof.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Check this proof instead of the log; no data directory is needed
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) proof: Option<PathBuf>,
    /// The public key of the log that the proof or the checkpoint is about: the key itself, or a
    /// file with it
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// A checkpoint that you have kept: the log, or the proof, must begin with that state
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The event that the proof is about, as `holdpoint history --json` has printed it; for proofs
    /// that do not carry it
    #[arg(long, value_name = "FILE", requires = "proof")]
    pub(crate) event: Option<PathBuf>,
}

/// Signs.
#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// Make a key to sign with, for a log of this name, and print its public part; there must be
    /// none
    #[arg(long, value_name = "NAME")]
    pub(crate) new_key: Option<KeyName>,
}

/// Proves.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The event: its `sequence` or its `id`
    #[arg(conflicts_with = "since")]
    pub(crate) event: Option<String>,
    /// Prove that the log has only grown since this checkpoint
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) since: Option<PathBuf>,
    /// Write the proof to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Imports.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// A file that `holdpoint export` has written, `-` for standard input
    pub(crate) file: PathBuf,
    /// The root that the events must have, as `holdpoint verify` prints it: without it nobody notices
    /// that events are missing at the end
    #[arg(long, value_name = "ROOT", value_parser = root)]
    pub(crate) root: Option<String>,
}

/// Work with definitions.
#[derive(Debug, Subcommand)]
pub(crate) enum DefinitionsCommand {
    /// Publish a definition: runs can be started with it from then on
    Publish {
        /// The definition's file, YAML
        file: PathBuf,
        /// The run that has released it, where the project asks for one
        #[arg(long, value_name = "RUN")]
        release: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Let only what a run of a definition has released be published, or nothing be asked any more
    Govern {
        /// The definition whose runs release others
        #[arg(long, value_name = "NAME", requires = "state", required_unless_present = "off")]
        by: Option<DefinitionName>,
        /// A state of such a run in which a definition counts as released; may be given several times
        #[arg(long, value_name = "STATE", requires = "by", value_parser = a_line)]
        state: Vec<String>,
        /// Ask nothing any more
        #[arg(long, conflicts_with = "by")]
        off: bool,
        /// Why
        #[arg(long, value_parser = words)]
        reason: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// List the published definitions
    List,
    /// Print a published definition as it was published
    Show {
        /// Its name
        name: DefinitionName,
        /// Its version; the highest when absent
        #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
        version: Option<u32>,
    },
    /// List what definitions ask of people, and which members of the project could do it now
    Authority {
        /// The definition; the highest version of each when absent
        name: Option<DefinitionName>,
        /// Its version; the highest when absent
        #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, requires = "name")]
        version: Option<u32>,
    },
    /// As `holdpoint check`
    Check(Check),
}

/// Which run is meant.
#[derive(Debug, Args)]
pub(crate) struct RunArgument {
    /// The run: its number in its project (`3`), PROJECT/NUMBER, or its id or the beginning or
    /// end of it
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
}

/// Works.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// End when nothing is left to do before a person acts or a later timer is due; the default
    #[arg(long, conflicts_with = "follow")]
    pub(crate) until_idle: bool,
    /// Go on until interrupted
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Works, and shows a run.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    /// Print a line for each event, also on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
    /// Go on while the run is held, until it has ended, is stuck, or this is interrupted
    #[arg(long)]
    pub(crate) follow: bool,
    /// Exit with 1 unless the run has ended as this; may be given several times
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) expect: Vec<String>,
}

/// Lists runs.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only runs that this one has started: its number, or its id
    #[arg(long, value_name = "RUN")]
    pub(crate) children: Option<String>,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Only runs with this status
    #[arg(long)]
    pub(crate) status: Option<Status>,
    /// Only runs that owe what was due before now
    #[arg(long)]
    pub(crate) overdue: bool,
    /// At most so many, the newest first
    #[arg(long, value_name = "N", value_parser = from_one, allow_negative_numbers = true)]
    pub(crate) limit: Option<u32>,
}

/// Where a run can stand.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Status {
    /// Waits for people, a time or a signal
    Held,
    /// Machines work
    Working,
    /// A person must decide how it goes on
    Stuck,
    /// Is over
    Ended,
}

/// Shows a run.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    /// As it was after so many of its events, or at a time such as 2026-01-05T09:00:00Z; a time
    /// without fractions of a second includes its whole second
    #[arg(long, value_name = "VERSION|TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
}

/// Prints a history.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The run; the whole project when absent
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
}

/// Runs the demo.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave the six machines running at the end, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Runs one machine of the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoMachine {
    /// The version that makes this machine unhealthy
    #[arg(long)]
    pub(crate) unhealthy_at: Option<String>,
    /// How long a deployment takes, in milliseconds
    #[arg(long, default_value_t = 0)]
    pub(crate) deploy_ms: u64,
}

/// Reads a time, with a remedy when it is none. Times are shown without their offset, as UTC, so
/// they are read in the same way.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let shown = text.strip_suffix(" UTC").unwrap_or(text);
    let in_utc = || shown.parse::<DateTime>().and_then(|time| TimeZone::UTC.to_timestamp(time));
    let expected = |_| {
        let year = Pieces::parse(shown).map_or(0, |pieces| pieces.date().year());
        let (first, last) = (Timestamp::MIN, Timestamp::MAX);
        // Whatever offset a time has, it is shown in every other.
        if year >= 9999 || year <= -9999 {
            return format!("`{text}` is out of range: times are from {first:.0} to {last:.0}");
        }
        format!("`{text}` is not a time: expected one such as 2026-01-05T09:00:00Z")
    };
    text.parse().or_else(|_| in_utc()).map_err(expected)
}

/// The root of a log, as it is shown.
fn root(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("expected `sha256:` and 64 hexadecimal digits".to_owned());
    }
    Ok(format!("sha256:{}", digits.to_ascii_lowercase()))
}

/// A time to measure for.
fn seconds(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is not a number of seconds from 0.01 to 86400");
    let seconds: f64 = text.parse().map_err(|_| expected())?;
    if !(0.01..=86_400.0).contains(&seconds) {
        return Err(expected());
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn number(text: &str) -> Result<u32, String> {
    let expected = || format!("`{text}` is not a number from 0 to {}", u32::MAX);
    text.parse().map_err(|_| expected())
}

fn from_one(text: &str) -> Result<u32, String> {
    let expected = || format!("`{text}` is not a number from 1 to {}", u32::MAX);
    text.parse().ok().filter(|number| *number > 0).ok_or_else(expected)
}

/// How long is waited where nothing is said. Were it an argument's variable, every usage would name the argument.
fn patience_by_default() -> &'static str {
    static SECONDS: LazyLock<String> =
        LazyLock::new(|| std::env::var("HOLDPOINT_WAIT").unwrap_or_else(|_| "5".to_owned()));
    &SECONDS
}

fn patience(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number from 0 to {}", u16::MAX))
}

/// Something that is said, in one line or several.
fn words(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected some words".to_owned());
    }
    Ok(text.to_owned())
}

/// Something that lists and histories show within a line.
fn a_line(text: &str) -> Result<String, String> {
    if text.contains(steers) {
        return Err("expected one line, without control characters".to_owned());
    }
    words(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn a_time_is_read_as_it_is_shown() {
        for text in [
            "2026-01-05T09:00:00Z",
            "2026-01-05 09:00:00",
            "2026-01-05 09:00",
            "2026-01-05T10:00:00+01:00",
        ] {
            assert_eq!(super::time(text).unwrap().to_string(), "2026-01-05T09:00:00Z", "{text}");
        }
        assert_eq!(super::time("2026-01-05").unwrap().to_string(), "2026-01-05T00:00:00Z");
        for bad in ["", "now", "2026-02-30", "2026-01-05T25:00:00Z", "09:00", "1767603600"] {
            assert!(super::time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
