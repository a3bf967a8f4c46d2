//! `holdpoint logs`: what programs write, also while another process has them run.
//!
//! It reads files beside the log and asks no engine, so it waits for nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use holdpoint::{
    DataDirectory,
    core::{ProjectId, RunId},
    output::{About, Output, Outputs, Reader},
};
use serde_json::{Value, json};

use crate::{
    arguments::logs::Logs,
    command::work,
    context::{Context, ID_PART_MIN},
    failure::{Failure, LIST_RUNS},
    output::{at_its_end, line, print, time},
};

/// How often is looked for what is new.
const TICK: Duration = Duration::from_millis(100);

/// A line that is longer is told in parts, in bytes.
const LINE_MAX: usize = 8 * 1024;

/// Prints what was written, and what is being written.
pub(crate) async fn logs(context: &Context, arguments: &Logs) -> Result<(), Failure> {
    let directory = context.open()?;
    let outputs = directory.outputs();
    let mut printer = Printer {
        directory,
        outputs,
        project: context.project.clone(),
        arguments,
        json: context.json,
        numbers: BTreeMap::new(),
        followed: Vec::new(),
    };
    let told = printer.look(arguments.tail)?;
    if printer.followed.is_empty() {
        printer.is_there()?;
    }
    if !arguments.follow {
        if context.json {
            let outputs: Vec<_> = printer.named(&told).map(|(one, told)| one.whole(told)).collect();
            return print(format!("{:#}\n", json!({ "outputs": outputs })).as_bytes());
        }
        if told.is_empty() {
            return print(b"nothing that programs have written is kept of it; `holdpoint history` has what was recorded\n");
        }
    }
    printer.print(&told)?;
    let follow = async {
        loop {
            tokio::time::sleep(TICK).await;
            let told = printer.look(None)?;
            printer.print(&told)?;
        }
    };
    if arguments.follow {
        return tokio::select! {
            failed = follow => failed,
            interrupted = work::interruption() => interrupted,
        };
    }
    Ok(())
}

/// What is told of an output.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Began,
    /// How many bytes are not kept any more.
    Skipped(u64),
    Line(String),
    Ended(String),
}

/// An output whose beginning was told.
struct Followed {
    output: Output,
    number: Option<u64>,
    reader: Reader,
    /// What has no end of a line yet.
    line: Vec<u8>,
    is_over: bool,
}

impl Followed {
    /// What is new; with `at_once`, also what has no end of a line yet.
    fn news(&mut self, at_once: bool) -> Result<Vec<Told>, Failure> {
        let mut told = Vec::new();
        if self.is_over {
            return Ok(told);
        }
        // What is written before it ends is read behind this.
        let is_running = self.output.is_running();
        let mut was_idle = true;
        loop {
            let piece = self.reader.more().map_err(|error| {
                Failure::storage(
                    format!("what a program has written cannot be read: {error}"),
                    "check the permissions of `output` in the data directory",
                )
            })?;
            if piece.skipped > 0 {
                told.push(Told::Skipped(piece.skipped));
            }
            if piece.bytes.is_empty() {
                break;
            }
            was_idle = false;
            for byte in piece.bytes {
                if byte == b'\n' || self.line.len() >= LINE_MAX {
                    told.push(self.end_line());
                }
                if byte != b'\n' {
                    self.line.push(byte);
                }
            }
        }
        // A question that waits for its answer has no end of a line.
        if (at_once || was_idle || !is_running) && !self.line.is_empty() {
            told.push(self.end_line());
        }
        if !is_running {
            self.is_over = true;
            let ended = self.output.again().and_then(|output| output.about.ended);
            told.push(Told::Ended(ended.map_or_else(
                || "cut off: nobody followed the program to its end".to_owned(),
                |ended| format!("{} at {} UTC", ended.how, time(ended.at)),
            )));
        }
        Ok(told)
    }

    /// The line as a terminal would show it at its end.
    fn end_line(&mut self) -> Told {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        Told::Line(console::strip_ansi_codes(at_its_end(&text)).into_owned())
    }

    /// All of it, for other programs.
    fn whole(&self, told: &[Told]) -> Value {
        let mut value = self.named();
        let lines = told.iter().filter_map(|told| match told {
            Told::Line(line) => Some(line.as_str()),
            _ => None,
        });
        let skipped = told.iter().filter_map(|told| match told {
            Told::Skipped(bytes) => Some(*bytes),
            _ => None,
        });
        let ended = self.output.again().map(|output| output.about.ended);
        if let Some(members) = value.as_object_mut() {
            let About { project, activity, target, began, .. } = &self.output.about;
            for (name, value) in [
                ("project", json!(project)),
                ("activity", json!(activity)),
                ("target", json!(target)),
                ("began", json!(began)),
                ("running", json!(!self.is_over)),
                ("ended", json!(ended.flatten())),
                ("skipped", json!(skipped.sum::<u64>())),
                ("lines", json!(lines.collect::<Vec<_>>())),
            ] {
                members.insert(name.to_owned(), value);
            }
        }
        value
    }

    /// What names it to other programs.
    fn named(&self) -> Value {
        let About { run, effect, attempt, .. } = &self.output.about;
        json!({ "run": run, "number": self.number, "effect": effect, "attempt": attempt })
    }
}

struct Printer<'a> {
    directory: DataDirectory,
    outputs: Outputs,
    project: Option<ProjectId>,
    arguments: &'a Logs,
    json: bool,
    /// Of which runs it is known.
    numbers: BTreeMap<RunId, u64>,
    followed: Vec<Followed>,
}

impl Printer<'_> {
    /// What is new in all that is meant; of each so many lines, where they are limited.
    fn look(&mut self, tail: Option<usize>) -> Result<Vec<(usize, Vec<Told>)>, Failure> {
        let all = self.outputs.all().map_err(|error| {
            Failure::storage(
                format!("what programs have written cannot be read: {error}"),
                "check the permissions of `output` in the data directory",
            )
        })?;
        self.followed.retain(|one| all.iter().any(|output| output.is(&one.output)));
        let known = self.followed.len();
        for output in all {
            let is_known = self.followed.iter().any(|one| one.output.is(&output));
            if is_known || !self.is_meant(&output.about)? {
                continue;
            }
            let number = self.numbers.get(&output.about.run).copied();
            let reader = output.read();
            let line = Vec::new();
            self.followed.push(Followed { output, number, reader, line, is_over: false });
        }
        let mut all = Vec::new();
        for (n, one) in self.followed.iter_mut().enumerate() {
            let mut told = one.news(!self.arguments.follow)?;
            if let Some(tail) = tail {
                let is_line = |told: &Told| matches!(told, Told::Line(_));
                let lines = told.iter().filter(|told| is_line(told)).count();
                let mut before = lines.saturating_sub(tail);
                told.retain(|told| {
                    let drop = before > 0 && is_line(told);
                    before = before.saturating_sub(drop.into());
                    !drop && !matches!(told, Told::Skipped(_))
                });
            }
            if n >= known {
                told.insert(0, Told::Began);
            }
            all.push((n, told));
        }
        Ok(all)
    }

    /// What was told, with the outputs that it was told of.
    fn named<'t>(
        &self,
        told: &'t [(usize, Vec<Told>)],
    ) -> impl Iterator<Item = (&Followed, &'t [Told])> {
        let named = |(n, told): &'t (usize, Vec<Told>)| Some((self.followed.get(*n)?, &**told));
        told.iter().filter_map(named)
    }

    fn is_meant(&mut self, about: &About) -> Result<bool, Failure> {
        if self.project.as_ref().is_some_and(|project| *project != about.project) {
            return Ok(false);
        }
        let is_there = self.arguments.target.as_deref().is_none_or(|target| {
            about.target.as_deref() == Some(target) || about.effect.as_str() == target
        });
        if !is_there {
            return Ok(false);
        }
        let number = match self.numbers.get(&about.run) {
            Some(number) => Some(*number),
            None => {
                // The lists may not have the run yet, or be made anew: it is asked for again then.
                let found = self.directory.numbers(&[about.run]).unwrap_or_default();
                let number = found.into_iter().flatten().next().map(|(_, number)| number);
                if let Some(number) = number {
                    self.numbers.insert(about.run, number);
                }
                number
            }
        };
        let Some(text) = &self.arguments.run else { return Ok(true) };
        Ok(is_named(text, about.run, &about.project, number))
    }

    /// Refuses a name that is misspelt: it must not pass for that of something without output. What is followed may
    /// be still to come, but its run is there.
    fn is_there(&self) -> Result<(), Failure> {
        let all = self.outputs.all().unwrap_or_default();
        // The lists may not be there yet, or be made anew: nothing is known of runs then.
        let runs = self.directory.numbered().ok();
        let named = |about: &About| {
            self.arguments.run.as_ref().is_none_or(|text| {
                let found = runs.iter().flatten().find(|(run, ..)| *run == about.run);
                is_named(text, about.run, &about.project, found.map(|(.., number)| *number))
            })
        };
        let ours = all.iter().map(|output| &output.about).filter(|about| {
            self.project.as_ref().is_none_or(|project| *project == about.project) && named(about)
        });
        if let Some(target) = self.arguments.target.as_ref().filter(|_| !self.arguments.follow) {
            let there: BTreeSet<&str> = ours
                .flat_map(|about| {
                    about.target.as_deref().into_iter().chain([about.effect.as_str()])
                })
                .collect();
            if !there.is_empty() {
                let there: Vec<&str> = there.into_iter().collect();
                return Err(Failure::usage(
                    format!("no program has written anything for `{target}`"),
                    format!("what is kept is of: {}", there.join(", ")),
                ));
            }
        }
        let Some(runs) = runs else { return Ok(()) };
        if let Some(named) = &self.project
            && !runs.iter().any(|(_, project, _)| project == named)
        {
            let there: BTreeSet<&str> =
                runs.iter().map(|(_, project, _)| project.as_str()).collect();
            let there: Vec<&str> = there.into_iter().collect();
            return Err(Failure::usage(
                format!("there is no run in a project `{named}`"),
                format!("the projects with runs are: {}", there.join(", ")),
            ));
        }
        let Some(text) = &self.arguments.run else { return Ok(()) };
        let is_meant = |(run, project, number): &(RunId, ProjectId, u64)| {
            self.project.as_ref().is_none_or(|one| one == project)
                && is_named(text, *run, project, Some(*number))
        };
        if runs.iter().any(is_meant) {
            return Ok(());
        }
        let there: BTreeSet<String> = all
            .iter()
            .filter_map(|output| {
                let (_, project, number) =
                    runs.iter().find(|(run, ..)| *run == output.about.run)?;
                Some(format!("{project}/{number}"))
            })
            .collect();
        let mut help = vec![LIST_RUNS.to_owned()];
        if !there.is_empty() {
            let there: Vec<String> = there.into_iter().collect();
            help.push(format!("what is kept is of the runs: {}", there.join(", ")));
        }
        Err(Failure::usage_with(format!("`{text}` names no run that is there"), help))
    }

    fn print(&self, told: &[(usize, Vec<Told>)]) -> Result<(), Failure> {
        let mut text = String::new();
        for (followed, told) in self.named(told) {
            for told in told {
                if self.json {
                    text.push_str(&format!("{}\n", in_json(followed, told)));
                } else {
                    text.push_str(&self.in_words(followed, told));
                }
            }
        }
        if text.is_empty() { Ok(()) } else { print(text.as_bytes()) }
    }

    fn in_words(&self, followed: &Followed, told: &Told) -> String {
        let About { run, effect, activity, attempt, began, .. } = &followed.output.about;
        // Where several runs are meant, each line says which.
        let whose = match (&self.arguments.run, followed.number) {
            (Some(_), _) => String::new(),
            (None, Some(number)) => format!("run {number} "),
            (None, None) => format!("run {run} "),
        };
        let name = format!("{whose}{}", line(effect.as_str()));
        match told {
            Told::Began => {
                format!("{name}: `{activity}`, attempt {attempt}, began at {} UTC\n", time(*began))
            }
            Told::Skipped(bytes) => format!("{name}: {bytes} bytes before are not kept\n"),
            Told::Line(text) => format!("{name} | {}\n", line(text)),
            Told::Ended(how) => format!("{name}: {}\n", line(how)),
        }
    }
}

fn in_json(followed: &Followed, told: &Told) -> Value {
    let mut value = followed.named();
    let (name, what) = match told {
        Told::Began => ("began", json!(followed.output.about.began)),
        Told::Skipped(bytes) => ("skipped", json!(bytes)),
        Told::Line(text) => ("line", json!(text)),
        Told::Ended(how) => ("ended", json!(how)),
    };
    if let Some(members) = value.as_object_mut() {
        members.insert(name.to_owned(), what);
    }
    value
}

/// Whether `text` names the run, as elsewhere.
fn is_named(text: &str, run: RunId, project: &ProjectId, number: Option<u64>) -> bool {
    let is_number = |text: &str| number.is_some_and(|number| text.parse() == Ok(number));
    if let Some((named, text)) = text.split_once('/') {
        return named == project.as_str() && is_number(text);
    }
    let id = run.to_string();
    let text = text.to_ascii_lowercase();
    let part = text.len() >= ID_PART_MIN && (id.starts_with(&text) || id.ends_with(&text));
    is_number(&text) || part
}
