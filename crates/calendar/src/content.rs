//! The content lines of an iCalendar file (RFC 5545, section 3.1), each with its number.

use icalendar::parser::Property;

use crate::finding::{Finding, FindingCode, Place};

/// One content line: a property with its parameters and value.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The number of the line it begins on, from 1.
    pub(crate) number: u64,
    /// In upper case.
    pub(crate) name: String,
    /// Names in upper case.
    parameters: Vec<(String, String)>,
    pub(crate) value: String,
}

impl Line {
    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// A component with its properties; components inside it are not kept.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// In upper case, such as `VEVENT`.
    pub(crate) name: String,
    /// The number of the line it begins on.
    pub(crate) number: u64,
    pub(crate) lines: Vec<Line>,
}

/// A finding about a line of a file.
pub(crate) fn at_line(
    code: FindingCode,
    number: u64,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Finding {
    Finding {
        code,
        path: String::new(),
        place: Some(Place { line: number, column: 1 }),
        message: message.into(),
        help: help.into(),
    }
}

const HELP: &str = "is this an iCalendar file, whole and unedited? Export it again";

fn broken(number: u64, message: impl Into<String>) -> Finding {
    at_line(FindingCode::NotICalendar, number, message, HELP)
}

/// The file's calendars themselves, and what stands directly in them, in the order of their ends.
pub(crate) fn components(source: &str) -> Result<Vec<Component>, Finding> {
    let mut open: Vec<Component> = Vec::new();
    let mut found = Vec::new();
    for (number, text) in unfold(source) {
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.trim_end();
        if name.eq_ignore_ascii_case("BEGIN") {
            let name = value.to_ascii_uppercase();
            if open.is_empty() != (name == "VCALENDAR") {
                return Err(broken(number, format!("`{value}` cannot begin here")));
            }
            open.push(Component { name, number, lines: Vec::new() });
        } else if name.eq_ignore_ascii_case("END") {
            let closed = open.pop().filter(|one| one.name.eq_ignore_ascii_case(value));
            let Some(closed) = closed else {
                return Err(broken(number, format!("`{value}` cannot end here")));
            };
            // What is deeper, such as an alarm, says nothing about when its event is.
            if open.len() <= 1 {
                found.push(closed);
            }
        } else {
            let line = read(number, &text)?;
            match open.last_mut() {
                Some(component) => component.lines.push(line),
                None => return Err(broken(number, "this stands outside a `VCALENDAR`")),
            }
        }
    }
    match open.last() {
        Some(Component { name, number, .. }) => {
            Err(broken(*number, format!("the `{name}` that begins here does not end")))
        }
        None if found.is_empty() => Err(broken(1, "there is no `VCALENDAR`")),
        None => Ok(found),
    }
}

/// Joins the lines that were folded; each gets the number of its first.
fn unfold(source: &str) -> Vec<(u64, String)> {
    let mut found: Vec<(u64, String)> = Vec::new();
    for (number, line) in (1..).zip(source.trim_start_matches('\u{feff}').lines()) {
        match (line.strip_prefix([' ', '\t']), found.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => found.push((number, line.to_owned())),
        }
    }
    found
}

fn read(number: u64, text: &str) -> Result<Line, Finding> {
    let property =
        Property::try_from(text).ok().filter(|property| !property.name.as_str().is_empty());
    // The crate takes a line without a value for one that is empty.
    let Some(property) = property.filter(|_| text.contains(':')) else {
        return Err(broken(number, "this is not a line of an iCalendar file"));
    };
    let parameters = property.params.iter().map(|one| {
        let value = one.val.as_ref().map_or("", |value| value.as_str());
        (one.key.as_str().to_ascii_uppercase(), value.trim_matches('"').to_owned())
    });
    Ok(Line {
        number,
        name: property.name.as_str().to_ascii_uppercase(),
        parameters: parameters.collect(),
        value: property.val.as_str().to_owned(),
    })
}
