//! Findings in the forms that other programs read: SARIF for code scanning, workflow commands for
//! GitHub's pages.

use holdpoint_definition::{Diagnostic, DiagnosticCode, Diagnostics, Severity};
use serde_json::Value;
use serde_sarif::sarif::{
    ArtifactLocation, Location, Message, MultiformatMessageString, PhysicalLocation, Region,
    ReportingConfiguration, ReportingDescriptor, Result as Finding, ResultLevel, Run, Sarif, Tool,
    ToolComponent,
};

/// Where a code's page is, from the root of the project.
const PAGES: &str = "docs/errors";

/// Findings as a log of SARIF 2.1.0, with every code that there is as a rule.
///
/// # Errors
/// When the log cannot be written as JSON, which does not happen.
pub fn sarif(all: &[Diagnostics]) -> Result<Value, serde_json::Error> {
    let rules: Vec<ReportingDescriptor> =
        DiagnosticCode::ALL.iter().map(|code| rule(*code)).collect();
    let driver = ToolComponent::builder()
        .name("holdpoint")
        .version(env!("CARGO_PKG_VERSION"))
        .rules(rules)
        .build();
    let results: Vec<Finding> =
        all.iter().flat_map(|found| found.iter().map(|one| result(found, one))).collect();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        // Columns of findings count characters.
        .column_kind(serde_json::json!("unicodeCodePoints"))
        .results(results)
        .build();
    let log = Sarif::builder()
        .version(serde_json::json!("2.1.0"))
        .schema("https://json.schemastore.org/sarif-2.1.0.json")
        .runs(vec![run])
        .build();
    serde_json::to_value(log)
}

fn rule(code: DiagnosticCode) -> ReportingDescriptor {
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    let level = match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    ReportingDescriptor::builder()
        .id(code.as_str())
        .short_description(text(code.meaning()))
        .help(text(&format!("What to do about it: {PAGES}/{code}.md")))
        .default_configuration(
            ReportingConfiguration::builder().level(serde_json::json!(level)).build(),
        )
        .build()
}

fn result(found: &Diagnostics, one: &Diagnostic) -> Finding {
    let (end_line, end_column) = found.end(one);
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let region = Region::builder()
        .start_line(number(one.line))
        .start_column(number(one.column))
        .end_line(number(end_line))
        .end_column(number(end_column))
        .build();
    let place = PhysicalLocation::builder()
        .artifact_location(ArtifactLocation::builder().uri(uri(found.file())).build())
        .region(region)
        .build();
    let index = DiagnosticCode::ALL.iter().position(|code| *code == one.code).unwrap_or(0);
    Finding::builder()
        .rule_id(one.code.as_str())
        .rule_index(number(index))
        .level(match one.code.severity() {
            Severity::Error => ResultLevel::Error,
            Severity::Warning => ResultLevel::Warning,
        })
        .message(Message::builder().text(in_words(one)).build())
        .locations(vec![Location::builder().physical_location(place).build()])
        .build()
}

/// What is wrong and what to do about it.
fn in_words(one: &Diagnostic) -> String {
    match &one.help {
        None => one.message.clone(),
        Some(help) => format!("{}\n{help}", one.message),
    }
}

/// A path as a reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// Findings as workflow commands of GitHub Actions, one a line: they show up at the lines that they
/// are about.
#[must_use]
pub fn github(all: &[Diagnostics]) -> String {
    let mut text = String::new();
    for found in all {
        for one in found {
            let (end_line, end_column) = found.end(one);
            // Theirs is the last column of the span, and ours the one after it.
            let last = end_column.saturating_sub(1);
            let severity = match one.code.severity() {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let Diagnostic { line, column, code, .. } = one;
            text.push_str(&format!(
                "::{severity} file={},line={line},endLine={end_line},col={column},endColumn={},title={code}::{}\n",
                property(found.file()),
                if end_line == *line { last.max(*column) } else { last.max(1) },
                data(&in_words(one)),
            ));
        }
    }
    text
}

/// What stands after the second `::` of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands in its properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
