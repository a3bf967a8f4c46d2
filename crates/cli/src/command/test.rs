//! `holdpoint test`: plays scenarios, and says what of their definitions none reaches.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdpoint::{
    core::{DefinitionRef, Digest, RunStatus, workflow::DynWorkflow},
    definition::Definition,
    scenario::{Coverage, KeptBaseline, Played, Suite},
};
use serde_json::{Value, json};

use crate::{
    arguments::author::Test,
    command::{by_baseline, definitions, history},
    context::Context,
    failure::Failure,
    output::{Answer, count, line},
};

/// How the names of files of scenarios end.
pub(crate) const SUFFIX: &str = ".scenarios.yaml";

/// The groups of what can be reached, as they are shown.
const GROUPS: [&str; 6] = ["states", "ways", "rules", "approvals", "conditions", "requirements"];

/// A file of scenarios with the definition that it is about.
pub(crate) struct Loaded {
    pub(crate) suite: Suite,
    /// The definition's file.
    pub(crate) path: PathBuf,
    pub(crate) definition: Definition,
    pub(crate) reference: DefinitionRef,
}

/// Plays scenarios.
pub(crate) async fn test(context: &Context, arguments: &Test) -> Result<(), Failure> {
    let files = files(&arguments.files)?;
    let named = by_baseline::named(context, &arguments.by).await?;
    let baseline = named.map(|one| one.kept()).transpose()?;
    let loaded: Vec<Loaded> =
        files.iter().map(|file| load(file, baseline.as_ref())).collect::<Result<_, _>>()?;
    let mut report = Report::default();
    for one in &loaded {
        report.play(one, arguments);
    }
    if report.played == 0 {
        return Err(Failure::usage(
            format!("no scenario's name contains `{}`", arguments.only.as_deref().unwrap_or("")),
            "leave `--only` out to see their names",
        ));
    }
    report.answer(arguments)?.print(context.json)?;
    report.outcome(arguments)
}

/// The files that are meant, each once.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let workflows = PathBuf::from("workflows");
    let default = [if workflows.is_dir() { workflows } else { PathBuf::from(".") }];
    let given = if given.is_empty() { &default } else { given };
    let mut found = Vec::new();
    for path in given {
        if !path.is_dir() {
            found.push(beside(path).unwrap_or_else(|| path.clone()));
            continue;
        }
        let there = in_directory(path, SUFFIX)?;
        if there.is_empty() {
            return Err(Failure::usage(
                format!("there are no scenarios in `{}`", path.display()),
                format!("the names of their files end in `{SUFFIX}`: name one, or its directory"),
            ));
        }
        found.extend(there);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The scenarios beside a definition, where that is what was named.
pub(crate) fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".yaml").filter(|_| !name.ends_with(SUFFIX))?;
    Some(path.with_file_name(format!("{stem}{SUFFIX}"))).filter(|path| path.is_file())
}

/// The files in a directory whose names end so.
pub(crate) fn in_directory(directory: &Path, suffix: &str) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::usage(
            format!("the directory `{}` cannot be read: {error}", directory.display()),
            "name files, or a directory that has some",
        )
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(suffix));
        if named && path.is_file() {
            // `./x` and `x` are the same file to whoever reads of it.
            found.push(path.strip_prefix(".").map_or_else(|_| path.clone(), Path::to_owned));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file of scenarios, with the calendars' files that it names.
pub(crate) fn suite(file: &Path) -> Result<Suite, Failure> {
    let source = definitions::read_as(file, "scenarios", "docs/testing-definitions.md")?;
    let beside = |path: &str| {
        let path = file.parent().unwrap_or(Path::new("")).join(path);
        crate::text_file::read(&path, definitions::SOURCE_BYTES_MAX)
    };
    Suite::parse_with(&file.display().to_string(), &source, &beside).map_err(Failure::Findings)
}

/// Refuses a definition that does not keep to a baseline: no run of it could be started.
pub(crate) fn check_against(kept: &KeptBaseline, path: &Path, source: &str) -> Result<(), Failure> {
    let found = kept.read().check(&path.display().to_string(), source).findings;
    if found.has_errors() { Err(Failure::Findings(found)) } else { Ok(()) }
}

/// Reads a file of scenarios, and its definition, which must keep to the baseline: this one, or that which
/// the file names.
pub(crate) fn load(file: &Path, baseline: Option<&KeptBaseline>) -> Result<Loaded, Failure> {
    let suite = suite(file)?;
    let suite = match baseline {
        Some(baseline) => suite.judged_by(baseline.clone()),
        None => suite,
    };
    let path = file.parent().unwrap_or(Path::new("")).join(suite.definition());
    let source =
        crate::text_file::read(&path, definitions::SOURCE_BYTES_MAX).map_err(|reason| {
            let help = "give the path of the definition, from the directory of this file";
            let reason = format!("cannot be read: {reason}");
            Failure::Findings(suite.without_definition(&reason, help))
        })?;
    let definition = definitions::parse(&path, &source)?.definition;
    let findings = suite.check(&definition);
    if findings.has_errors() {
        return Err(Failure::Findings(findings));
    }
    if let Some(kept) = suite.baseline() {
        check_against(kept, &path, &source)?;
    }
    let reference = DefinitionRef {
        name: definition.name().clone(),
        version: definition.version(),
        digest: Digest::of(source.as_bytes()),
    };
    Ok(Loaded { suite, path, definition, reference })
}

/// What came of all scenarios.
#[derive(Default)]
struct Report {
    text: String,
    files: Vec<Value>,
    played: usize,
    failed: usize,
    coverage: BTreeMap<PathBuf, Coverage>,
}

impl Report {
    fn play(&mut self, loaded: &Loaded, arguments: &Test) {
        let Loaded { suite, path, definition, reference } = loaded;
        let workflow: Arc<dyn DynWorkflow> = Arc::new(definition.clone());
        let coverage =
            self.coverage.entry(path.clone()).or_insert_with(|| Coverage::new(definition));
        if let Some(kept) = suite.baseline() {
            coverage.judged_by(definition, kept);
        }
        let wanted =
            |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
        let mut played = Vec::new();
        for scenario in suite.scenarios().iter().filter(|one| wanted(&one.name)) {
            let one = scenario.play(&workflow, reference);
            coverage.add(&one.history);
            if let Some(view) = &one.view {
                coverage.add_view(view);
            }
            played.push(one);
        }
        if played.is_empty() {
            return;
        }
        self.played = self.played.saturating_add(played.len());
        self.failed =
            self.failed.saturating_add(played.iter().filter(|one| one.failure.is_some()).count());
        self.text.push_str(&format!("{}\n", suite.file()));
        self.text.extend(played.iter().map(|one| in_words(one, arguments.timeline)));
        self.files.push(json!({
            "file": suite.file(),
            "definition": path.display().to_string(),
            "scenarios": played.iter().map(|one| as_json(one, arguments.timeline)).collect::<Vec<_>>(),
        }));
    }

    fn answer(&self, arguments: &Test) -> Result<Answer, Failure> {
        let passed = self.played.saturating_sub(self.failed);
        let mut text = format!(
            "{}\n\n{}: {passed} passed, {} failed\n",
            self.text.trim_end(),
            count(self.played as u64, "scenario"),
            self.failed
        );
        let mut json = json!({ "files": self.files, "passed": passed, "failed": self.failed });
        let shows = arguments.coverage || arguments.min_coverage.is_some();
        if let (true, Value::Object(members)) = (shows, &mut json) {
            text.extend(self.coverage.iter().map(|(path, one)| coverage_in_words(path, one)));
            let coverage = self.coverage.iter().map(|(path, one)| coverage_as_json(path, one));
            members.insert("coverage".to_owned(), coverage.collect());
        }
        Answer::new(text, &json)
    }

    /// Whether everything is as it should be.
    fn outcome(&self, arguments: &Test) -> Result<(), Failure> {
        if self.failed > 0 {
            return Err(Failure::expectation(
                format!("{} of {}", self.failed, count(self.played as u64, "scenario") + " failed"),
                "what differs stands above, with what happened: change the definition, or what \
                 the scenario expects",
            ));
        }
        let least = arguments.min_coverage.unwrap_or(0);
        match self.coverage.iter().find(|(_, one)| one.percent() < least) {
            None => Ok(()),
            Some((path, one)) => Err(Failure::expectation(
                format!(
                    "the scenarios reach {}% of `{}`, less than {least}%",
                    one.percent(),
                    path.display()
                ),
                "add scenarios that reach what is listed above",
            )),
        }
    }
}

fn in_words(played: &Played, timeline: bool) -> String {
    let name = line(&played.name);
    let Some(failure) = &played.failure else {
        let timeline =
            if timeline { indented(&history::section(&played.history)) } else { String::new() };
        return format!("  ok    {name}\n{timeline}");
    };
    let mut text = format!("  FAIL  {name}\n\n        line {}, {}:\n", failure.line, failure.step);
    for one in &failure.differences {
        text.push_str(&format!("          {}\n", one.what));
        text.push_str(&format!("            expected  {}\n", line(&one.expected)));
        text.push_str(&format!("            got       {}\n", line(&one.got)));
    }
    if !played.history.is_empty() {
        text.push_str("\n        what happened:\n");
        text.push_str(&indented(&history::section(&played.history)));
    }
    if let Some(standing) = standing(played) {
        text.push_str(&format!("        {standing}\n"));
    }
    text.push('\n');
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("        {line}\n")).collect()
}

/// Where the run was left, in a line.
fn standing(played: &Played) -> Option<String> {
    let view = played.view.as_ref()?;
    let conditions = view.holds.iter().flat_map(|hold| &hold.conditions);
    let open: Vec<String> = conditions
        .filter(|condition| !condition.met)
        .map(|condition| line(&format!("{} ({})", condition.name, condition.summary)))
        .collect();
    Some(match &view.status {
        RunStatus::Ended { outcome } => format!("it has ended: {outcome}"),
        status if open.is_empty() => format!("it is {} at `{}`", status.as_str(), view.state),
        status => format!("it is {} at `{}`, for {}", status.as_str(), view.state, open.join(", ")),
    })
}

fn as_json(played: &Played, timeline: bool) -> Value {
    let failure = played.failure.as_ref().map(|failure| {
        let differences: Vec<Value> = failure
            .differences
            .iter()
            .map(|one| json!({ "what": one.what, "expected": one.expected, "got": one.got }))
            .collect();
        json!({ "line": failure.line, "step": failure.step, "differences": differences })
    });
    let mut json = json!({
        "name": played.name,
        "line": played.line,
        "passed": failure.is_none(),
        "failure": failure,
    });
    if let Value::Object(members) = &mut json
        && (timeline || played.failure.is_some())
    {
        members.insert("history".to_owned(), json!(played.history));
    }
    json
}

fn coverage_in_words(path: &Path, coverage: &Coverage) -> String {
    let groups: Vec<String> = GROUPS
        .iter()
        .map(|group| (group, coverage.counts(group)))
        .filter(|(_, (_, all))| *all > 0)
        .map(|(group, (reached, all))| format!("{group} {reached}/{all}"))
        .collect();
    let mut text = format!(
        "\n{}% of {} is reached: {}\n",
        coverage.percent(),
        path.display(),
        groups.join(", ")
    );
    for item in coverage.missed() {
        text.push_str(&format!("  not reached ({}): {}\n", item.group(), line(&item.in_words())));
    }
    text
}

fn coverage_as_json(path: &Path, coverage: &Coverage) -> Value {
    let mut json = json!({
        "definition": path.display().to_string(),
        "percent": coverage.percent(),
        "missed": coverage
            .missed()
            .map(|item| json!({ "group": item.group(), "what": item.in_words() }))
            .collect::<Vec<_>>(),
    });
    if let Value::Object(members) = &mut json {
        members.extend(GROUPS.iter().map(|group| {
            let (reached, all) = coverage.counts(group);
            ((*group).to_owned(), json!({ "reached": reached, "all": all }))
        }));
    }
    json
}
