//! The baseline that the runs of scenarios are judged by: of a file of its own, as those keep it who make
//! the rules.

use std::collections::BTreeMap;

use holdpoint_core::{BaselineName, Digest, ProjectEvent, RunView, view::ConditionStatus};
use holdpoint_definition::{
    Baseline, DiagnosticCode as Code, Diagnostics,
    yaml::{self, Kind, Node},
};

use crate::{expect::Difference, syntax::File};

/// The statuses that a requirement has, by the names that `--json` gives them.
const STATUSES: [(&str, ConditionStatus); 7] = [
    ("not_applicable", ConditionStatus::NotApplicable),
    ("open", ConditionStatus::Open),
    ("met", ConditionStatus::Met),
    ("refused", ConditionStatus::Refused),
    ("overridden", ConditionStatus::Overridden),
    ("waived", ConditionStatus::Waived),
    ("error", ConditionStatus::Error),
];

/// A baseline that a project keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBaseline {
    name: BaselineName,
    source: String,
    read: Baseline,
}

impl KeptBaseline {
    /// Reads a baseline. `file` is the name that findings show.
    ///
    /// # Errors
    /// All findings, when it cannot be used.
    pub fn parse(file: &str, source: &str) -> Result<Self, Diagnostics> {
        let read = Baseline::parse(file, source)?;
        let name: Result<BaselineName, _> = read.name().parse();
        let name = name.map_err(|error| {
            let mut findings = yaml::Findings::new(file, source);
            findings.add(Code::MalformedName, &(0..0), error.to_string());
            findings.finish()
        })?;
        Ok(Self { name, source: source.to_owned(), read })
    }

    /// What it demands.
    #[must_use]
    pub const fn read(&self) -> &Baseline {
        &self.read
    }

    /// Its source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// That it was published.
    pub(crate) fn fact(&self) -> ProjectEvent {
        ProjectEvent::BaselinePublished {
            baseline: self.name.clone(),
            revision: 1,
            digest: Digest::of(self.source.as_bytes()),
            title: self.read.title().to_owned(),
            source: self.source.clone(),
            reason: "the scenarios name it".to_owned(),
        }
    }
}

/// Reads the name of a baseline's file, and that file.
pub(crate) fn read(file: &mut File<'_>, node: &Node) -> Option<KeptBaseline> {
    let path = file.reader.text(node, "`baseline`, the file of a baseline,")?.to_owned();
    let source = match (file.files)(&path) {
        Ok(source) => source,
        Err(reason) => {
            file.reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`{path}` cannot be read: {reason}"))
                .help("name a baseline's file, relative to this one");
            return None;
        }
    };
    match KeptBaseline::parse(&path, &source) {
        Ok(kept) => Some(kept),
        Err(findings) => {
            for one in findings.iter() {
                let message = format!(
                    "the baseline `{path}` cannot be used: {}:{}: {} ({})",
                    one.line, one.column, one.message, one.code
                );
                let help = one.help.clone().unwrap_or_else(|| "mend it there".to_owned());
                file.reader.findings.add(Code::WrongKind, &node.span, message).help(help);
            }
            None
        }
    }
}

/// Reads how requirements are expected to stand.
pub(crate) fn expected(
    file: &mut File<'_>,
    node: &Node,
) -> Option<BTreeMap<String, ConditionStatus>> {
    let Kind::Map(entries) = &node.kind else {
        file.reader.wrong(
            node,
            "`baseline` says how requirements stand: `{ four-eyes: met, tested: open }`",
        );
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let text = file.reader.text(node, "the status of a requirement")?;
            let found = STATUSES.into_iter().find(|(name, _)| *name == text);
            if found.is_none() {
                let names: Vec<&str> = STATUSES.iter().map(|(name, _)| *name).collect();
                file.reader
                    .findings
                    .add(
                        Code::WrongKind,
                        &node.span,
                        format!("a requirement has no status `{text}`"),
                    )
                    .help(format!("the statuses are {}", yaml::listed(&names)));
            }
            found.map(|(_, status)| (key.name.clone(), status))
        })
        .collect();
    read.into_iter().collect()
}

fn named(status: ConditionStatus) -> &'static str {
    STATUSES.into_iter().find(|(_, one)| *one == status).map_or("", |(name, _)| name)
}

/// The requirements that do not stand as they are expected to.
pub(crate) fn differences(
    expected: &BTreeMap<String, ConditionStatus>,
    view: &RunView,
) -> Vec<Difference> {
    let difference = |name: &String, expected: &ConditionStatus| {
        let got = match &view.baseline {
            None => {
                "the run is judged by no baseline: name one, `baseline: FILE`, or `--baseline FILE`"
                    .to_owned()
            }
            Some(baseline) => match baseline.requirements.iter().find(|one| one.name == *name) {
                None => format!("the baseline {} has no such requirement", baseline.reference.name),
                Some(one) if one.status == *expected => return None,
                Some(one) => format!("{}: {}", named(one.status), one.why),
            },
        };
        let expected = named(*expected).to_owned();
        Some(Difference { what: format!("baseline {name}"), expected, got })
    };
    expected.iter().filter_map(|(name, status)| difference(name, status)).collect()
}
