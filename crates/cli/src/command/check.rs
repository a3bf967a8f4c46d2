//! `holdpoint check`: everything there is to say about definitions and scenarios, for people and for
//! other programs.

use std::path::{Path, PathBuf};

use holdpoint::{
    authoring::report,
    definition::{Baseline, Definition, Diagnostics, Severity, Standing},
};
use serde_json::{Value, json};

use crate::{
    arguments::author::{Check, Format},
    command::{by_baseline, definitions, test},
    context::Context,
    failure::{Failure, shortened},
    output::{count, print},
    relay::caller,
};

/// A file that was checked.
struct Checked {
    findings: Diagnostics,
    /// What it is, for people.
    about: String,
    /// What it is, for programs.
    json: Value,
}

/// Checks files, and prints what was found.
pub(crate) async fn check(context: &Context, arguments: &Check) -> Result<(), Failure> {
    let named = by_baseline::named(context, &arguments.by).await?;
    let baseline = named.map(|one| one.baseline()).transpose()?;
    let (mut checked, mut unread) = (Vec::new(), None);
    for file in files(&arguments.files)? {
        match check_file(&file, baseline.as_ref()) {
            Ok(file) => checked.push(file),
            Err(failure) => _ = unread.get_or_insert(failure),
        }
    }
    // What is wrong with one file does not hide what was found in the others.
    if let Some(failure) = unread.take_if(|_| checked.is_empty()) {
        return Err(failure);
    }
    let format = if context.json { Format::Json } else { arguments.format };
    print(in_format(&checked, format)?.as_bytes())?;
    unread.map_or_else(|| outcome(&checked, arguments.strict), Err)
}

/// The files that are meant: of a directory, all that are YAML.
pub(crate) fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in given {
        let place = caller::seen_here(path);
        if !place.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut there = test::in_directory(&place, ".yaml")?;
        if place != *path {
            // As whoever calls would name them.
            there.iter_mut().for_each(|file| {
                *file = file.file_name().map_or_else(|| file.clone(), |name| path.join(name));
            });
        }
        if there.is_empty() {
            return Err(Failure::usage(
                format!("there are no definitions in `{}`", path.display()),
                "the names of their files end in `.yaml`: name one, or its directory",
            ));
        }
        found.extend(there);
    }
    Ok(found)
}

/// Checks a definition against a baseline too, and says how it stands to each requirement.
fn check_against(name: String, source: &str, baseline: &Baseline) -> Checked {
    let found = baseline.check(&name, source);
    let mut checked = match &found.definition {
        Some(definition) => usable(name, definition, found.findings),
        None => return unusable(name, found.findings),
    };
    let mut requirements = Vec::new();
    for (requirement, standing) in &found.requirements {
        checked.about.push_str(&format!("\n  {requirement}: {}", standing.in_words()));
        requirements.push(json!({
            "name": requirement,
            "status": match standing {
                Standing::NotApplicable => "not_applicable",
                Standing::Met => "met",
                Standing::NotMet => "not_met",
                Standing::Error { .. } => "error",
                Standing::Overridden { .. } => "overridden",
            },
            "met": match standing {
                Standing::NotApplicable | Standing::Error { .. } => None,
                Standing::Met => Some(true),
                Standing::NotMet => Some(false),
                Standing::Overridden { met, .. } => Some(*met),
            },
            "reason": match standing {
                Standing::Error { reason } | Standing::Overridden { reason, .. } => Some(reason),
                Standing::NotApplicable | Standing::Met | Standing::NotMet => None,
            },
        }));
    }
    if let Value::Object(members) = &mut checked.json {
        let about = json!({ "name": baseline.name(), "requirements": requirements });
        members.insert("baseline".to_owned(), about);
    }
    checked
}

fn check_file(file: &Path, kept_to: Option<&Baseline>) -> Result<Checked, Failure> {
    let name = file.display().to_string();
    if name.ends_with(test::SUFFIX) {
        return check_scenarios(file, name);
    }
    let source = definitions::read(file)?;
    if let Some(baseline) = kept_to {
        return Ok(check_against(name, &source, baseline));
    }
    Ok(match Definition::parse(&name, &source) {
        Ok(checked) => usable(name, &checked.definition, checked.warnings),
        Err(findings) => unusable(name, findings),
    })
}

fn check_scenarios(file: &Path, name: String) -> Result<Checked, Failure> {
    match test::load(file, None) {
        Ok(loaded) => {
            let found = loaded.suite.check(&loaded.definition);
            let scenarios = count(loaded.suite.scenarios().len() as u64, "scenario");
            Ok(Checked {
                about: format!("{name}: {scenarios}, {}", counted(&found)),
                json: json!({ "file": name, "definition": loaded.path.display().to_string() }),
                findings: found,
            })
        }
        Err(Failure::Findings(findings)) => Ok(unusable(name, findings)),
        Err(other) => Err(other),
    }
}

fn usable(name: String, definition: &Definition, findings: Diagnostics) -> Checked {
    let (workflow, version) = (definition.name(), definition.version());
    Checked {
        about: format!("{name}: `{workflow}` v{version}, {}", counted(&findings)),
        json: json!({
            "file": name,
            "name": workflow,
            "definition_version": version,
            "title": definition.title(),
        }),
        findings,
    }
}

fn unusable(name: String, findings: Diagnostics) -> Checked {
    Checked {
        about: format!("{name}: {}", counted(&findings)),
        json: json!({ "file": name }),
        findings,
    }
}

fn number(findings: &Diagnostics, severity: Severity) -> u64 {
    findings.iter().filter(|one| one.code.severity() == severity).count() as u64
}

fn counted(findings: &Diagnostics) -> String {
    let (errors, warnings) =
        (number(findings, Severity::Error), number(findings, Severity::Warning));
    match (errors, warnings) {
        (0, 0) => "nothing to report".to_owned(),
        (0, warnings) => count(warnings, "warning"),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

fn in_format(checked: &[Checked], format: Format) -> Result<String, Failure> {
    let all = || checked.iter().map(|one| one.findings.clone()).collect::<Vec<_>>();
    Ok(match format {
        Format::Text => checked.iter().map(in_words).collect(),
        Format::Github => report::github(&all()),
        Format::Sarif => format!("{:#}\n", report::sarif(&all())?),
        Format::Json => {
            let files: Vec<Value> = checked.iter().map(as_json).collect();
            format!("{:#}\n", json!({ "files": files }))
        }
    })
}

fn in_words(checked: &Checked) -> String {
    let findings = checked.findings.to_string();
    let mut text: String = findings.lines().map(|line| format!("{}\n", shortened(line))).collect();
    if !text.is_empty() {
        text.push('\n');
    }
    for line in checked.about.lines() {
        text.push_str(&format!("{}\n", shortened(line)));
    }
    text
}

fn as_json(checked: &Checked) -> Value {
    let mut json = checked.json.clone();
    if let Value::Object(members) = &mut json {
        members.insert("usable".to_owned(), (!checked.findings.has_errors()).into());
        members.insert("findings".to_owned(), definitions::findings(&checked.findings).into());
    }
    json
}

/// Whether all that was checked can be used.
fn outcome(checked: &[Checked], strict: bool) -> Result<(), Failure> {
    let faulty = checked
        .iter()
        .filter(|one| one.findings.has_errors() || (strict && !one.findings.is_empty()))
        .count();
    if faulty == 0 {
        return Ok(());
    }
    let what = if strict { "not free of findings" } else { "unusable" };
    Err(Failure::usage(
        format!(
            "{faulty} of {} {} {what}",
            count(checked.len() as u64, "file"),
            if faulty == 1 { "is" } else { "are" }
        ),
        "what is wrong stands above, with what to do; each code has a page in docs/errors",
    ))
}
