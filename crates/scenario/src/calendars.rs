//! The calendars of a scenario: written in its file, or in files of their own.

use std::{collections::BTreeMap, sync::Arc};

use holdpoint_core::{CalendarName, ReadCalendar};
use holdpoint_definition::{
    DiagnosticCode as Code,
    calendar::{Calendar, Findings},
    yaml::{Kind, Node},
};
use serde_json::Value;

use crate::syntax::File;

/// Calendars that are published; `None` for one that is taken away.
pub type Calendars = BTreeMap<CalendarName, Option<Arc<Published>>>;

/// A calendar, as a project publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// What it says of itself.
    pub read: ReadCalendar,
    /// Its source.
    pub source: String,
}

/// Reads `{ NAME: { zone: …, windows: […] } }` or `{ NAME: FILE }`; nothing under a name takes the
/// calendar away.
pub(crate) fn read(file: &mut File<'_>, node: &Node) -> Option<Calendars> {
    let Kind::Map(entries) = &node.kind else {
        file.reader.wrong(node, "`calendars` is a mapping from names to calendars, or their files");
        return None;
    };
    let read: Vec<_> = entries
        .iter()
        .map(|(key, node)| {
            let name: Result<CalendarName, _> = key.name.parse();
            let name = name.map_err(|error| {
                file.reader
                    .findings
                    .add(Code::CalendarName, &key.span, error.to_string())
                    .help("give the calendar's name, such as `maintenance`");
            });
            let name = name.ok()?;
            let calendar = match &node.kind {
                Kind::Null => None,
                _ => Some(Arc::new(calendar(file, &name, node)?)),
            };
            Some((name, calendar))
        })
        .collect();
    read.into_iter().collect()
}

fn calendar(file: &mut File<'_>, name: &CalendarName, node: &Node) -> Option<Published> {
    let source = match (&node.kind, node.to_json()) {
        (Kind::Text(path), _) => match (file.files)(path) {
            Ok(source) => source,
            Err(reason) => {
                file.reader
                    .findings
                    .add(Code::WrongKind, &node.span, format!("`{path}` cannot be read: {reason}"))
                    .help("name a calendar's file, relative to this one");
                return None;
            }
        },
        (Kind::Map(_), Value::Object(mut members)) => {
            members.entry("calendar").or_insert_with(|| name.as_str().into());
            Value::Object(members).to_string()
        }
        _ => {
            file.reader
                .wrong(node, "a calendar is a mapping, as docs/calendars.md has it, or a file");
            return None;
        }
    };
    match Calendar::parse(name.as_str(), &source) {
        Ok(calendar) if calendar.name() == name => {
            let read = ReadCalendar {
                calendar: name.clone(),
                digest: calendar.digest(),
                title: calendar.document().title.clone(),
            };
            Some(Published { read, source })
        }
        Ok(calendar) => {
            file.reader
                .findings
                .add(
                    Code::WrongKind,
                    &node.span,
                    format!("the calendar calls itself `{}`, not `{name}`", calendar.name()),
                )
                .help("give it one name");
            None
        }
        Err(findings) => {
            unusable(file, name, node, &findings);
            None
        }
    }
}

/// Tells what is wrong with a calendar, all at the place where it is given.
fn unusable(file: &mut File<'_>, name: &CalendarName, node: &Node, findings: &Findings) {
    for one in findings {
        let at = if one.path.is_empty() { String::new() } else { format!("{}: ", one.path) };
        file.reader
            .findings
            .add(
                Code::WrongKind,
                &node.span,
                format!("the calendar `{name}` cannot be used: {at}{} ({})", one.message, one.code),
            )
            .help(one.help.clone());
    }
}
