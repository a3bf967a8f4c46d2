//! The baseline by which a command looks at definitions: that of a file, or the one that is in force in
//! the project.

use std::{ffi::OsString, path::Path};

use holdpoint::{core::ProjectId, definition::Baseline, scenario::KeptBaseline};
use serde_json::Value;

use crate::{
    arguments::baseline::ByBaseline, command::definitions, context::Context, failure::Failure,
    relay::asking,
};

/// A baseline as it is written.
pub(crate) struct Written {
    /// What findings call it.
    name: String,
    source: String,
}

impl Written {
    /// The baseline in a file.
    pub(crate) fn in_file(file: &Path) -> Result<Self, Failure> {
        let source = definitions::read_as(file, "a baseline", "docs/baseline.md")?;
        Ok(Self { name: file.display().to_string(), source })
    }

    /// To judge definitions by.
    pub(crate) fn baseline(&self) -> Result<Baseline, Failure> {
        Baseline::parse(&self.name, &self.source).map_err(Failure::Findings)
    }

    /// To judge runs by.
    pub(crate) fn kept(&self) -> Result<KeptBaseline, Failure> {
        KeptBaseline::parse(&self.name, &self.source).map_err(Failure::Findings)
    }
}

/// The baseline that is named, if one is.
pub(crate) async fn named(context: &Context, by: &ByBaseline) -> Result<Option<Written>, Failure> {
    match &by.baseline {
        Some(file) => Written::in_file(file).map(Some),
        None if by.project_baseline => in_force(context).await.map(Some),
        None => Ok(None),
    }
}

/// The baseline that is in force in the project. Where another process works on the directory it is asked
/// for that and for nothing else, so that all files are read here.
async fn in_force(context: &Context) -> Result<Written, Failure> {
    let reaching = context.reaching();
    loop {
        let looked = reaching.with_engine_to_read(async |engine| context.project(engine)).await;
        let (project, found) = match looked {
            Ok(project) => {
                let found = project.baseline().map(|one| {
                    let (name, revision) = (&one.reference.name, one.reference.revision);
                    Written {
                        name: format!("{name}, revision {revision}"),
                        source: one.source.clone(),
                    }
                });
                (project.id().to_string(), found)
            }
            Err(Failure::Served(way)) => {
                match asking::ask(way, question(context.project.as_ref()))? {
                    Some(answer) => told(&answer),
                    None => continue,
                }
            }
            Err(failure) => return Err(failure),
        };
        return found.ok_or_else(|| {
            Failure::usage(
                format!("no baseline is in force in the project `{project}`"),
                "publish one: `holdpoint baseline publish FILE`",
            )
        });
    }
}

/// The command whose answer has the baseline.
fn question(project: Option<&ProjectId>) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        ["holdpoint", "--json", "baseline", "show", "--source"].map(OsString::from).into();
    if let Some(project) = project {
        words.push(format!("--project={project}").into());
    }
    words
}

/// The project, and what is said of the baseline in force there.
fn told(answer: &Value) -> (String, Option<Written>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let baseline = &answer["baseline"];
    let found = text(&baseline["source"]).map(|source| Written {
        name: format!(
            "{}, revision {}",
            baseline["name"].as_str().unwrap_or_default(),
            baseline["revision"]
        ),
        source,
    });
    (text(&answer["project"]).unwrap_or_default(), found)
}
