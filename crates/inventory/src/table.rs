//! A table of items: CSV with a header.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Options,
    declared::{self, Declared, DeclaredItem},
    finding::{FindingCode as Code, Report},
    secrets::looks_secret,
};

/// What a column says of each item.
enum Column {
    Name,
    Groups,
    DependsOn,
    Label(String),
}

/// Reads a table.
pub(crate) fn read(source: &str, options: &Options, report: &mut Report) -> Option<Declared> {
    if let Some(line) = unclosed_quote(source) {
        let message = "a quote opens here and is never closed";
        report.add(
            Code::Unreadable,
            line,
            message,
            "close it with `\"`; a quote that is meant is written twice, `\"\"`",
        );
        return None;
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source.as_bytes());
    let columns = match reader.headers() {
        Ok(header) => columns(header, report)?,
        Err(error) => {
            unreadable(&error, report);
            return None;
        }
    };
    let has_labels = columns.iter().any(|column| matches!(column, Column::Label(_)));
    let mut declared = Declared::default();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                unreadable(&error, report);
                continue;
            }
        };
        let line = row.position().map_or(1, line_of);
        let mut name = None;
        let mut item = DeclaredItem {
            line,
            labels: has_labels.then(BTreeMap::new),
            ..DeclaredItem::default()
        };
        for (column, cell) in columns.iter().zip(&row) {
            let parts = || cell.split([';', ' ']).filter(|part| !part.is_empty());
            match column {
                Column::Name if cell.contains('\n') => {
                    let message =
                        "the name goes on in the next line, as a quote is closed only there";
                    report.add(
                        Code::Unreadable,
                        line,
                        message,
                        "close the quote where the name ends",
                    );
                }
                Column::Name => name = declared::item_name(cell, line, report),
                Column::Groups => {
                    let read = parts().filter_map(|one| declared::group_name(one, line, report));
                    item.groups = Some(read.collect());
                }
                Column::DependsOn => {
                    let read = parts().filter_map(|one| declared::item_name(one, line, report));
                    item.depends_on = Some(read.collect());
                }
                Column::Label(_) if cell.is_empty() => {}
                Column::Label(name) => {
                    let wanted = match &options.labels {
                        Some(chosen) => chosen.iter().any(|label| label.as_str() == name),
                        None => !looks_secret(name, cell),
                    };
                    if !wanted {
                        if options.labels.is_none() {
                            declared.secrets.insert(name.clone());
                        }
                        continue;
                    }
                    let label = declared::label(name, cell, line, report);
                    item.labels.get_or_insert_default().extend(label);
                }
            }
        }
        if let Some(name) = name {
            declared::add(&mut declared, name, item, report);
        }
    }
    Some(declared)
}

/// The line in which a quote opens that is never closed.
fn unclosed_quote(source: &str) -> Option<usize> {
    let (mut line, mut opened) = (1_usize, None);
    let mut begins = true;
    for c in source.chars() {
        match c {
            // A quote within a quoted cell closes it; one that follows at once opens it again.
            '"' if opened.is_some() => {
                opened = None;
                begins = true;
                continue;
            }
            '"' if begins => opened = Some(line),
            '\n' => line = line.saturating_add(1),
            _ => {}
        }
        begins = opened.is_none() && matches!(c, ',' | '\n' | '\r');
    }
    opened
}

fn columns(header: &csv::StringRecord, report: &mut Report) -> Option<Vec<Column>> {
    if !header.iter().any(|name| name == "name") {
        report.add(Code::Shape, 1, "the table has no column `name`", without_names(header));
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut whole = true;
    let columns = header
        .iter()
        .map(|name| {
            if !seen.insert(name) {
                whole = false;
                let message = format!("the column `{name}` is given twice");
                report.add(Code::Duplicate, 1, message, "keep one of the two");
            }
            match name {
                "name" => Column::Name,
                "groups" => Column::Groups,
                "depends_on" => Column::DependsOn,
                label => {
                    whole &= declared::label(label, "", 1, report).is_some();
                    Column::Label(label.to_owned())
                }
            }
        })
        .collect();
    whole.then_some(columns)
}

/// What to do about a table without a column `name`.
fn without_names(header: &csv::StringRecord) -> String {
    let near = header.iter().find(|name| name.eq_ignore_ascii_case("name"));
    match (near, header.iter().find_map(other_separator)) {
        (Some(near), _) => {
            format!("write `name` instead of `{near}`: names of columns have small letters")
        }
        (None, Some(separator)) => {
            format!("its columns seem to be separated by {separator}: save it separated by commas")
        }
        (None, None) => "its first line names the columns, separated by commas: `name`, `groups`, `depends_on`, and a label each for the others".to_owned(),
    }
}

/// What spreadsheets put between columns where the comma is the decimal point.
fn other_separator(cell: &str) -> Option<&'static str> {
    let known = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];
    known.iter().find(|(separator, _)| cell.contains(*separator)).map(|(_, name)| *name)
}

fn line_of(position: &csv::Position) -> usize {
    usize::try_from(position.line()).unwrap_or(usize::MAX)
}

fn unreadable(error: &csv::Error, report: &mut Report) {
    let line = error.position().map_or(1, line_of);
    let (message, help) = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => (
            format!("this row has {len} cells, the header {expected_len}"),
            "give every column a cell, empty where there is nothing; quote cells with commas",
        ),
        _ => ("this is not CSV".to_owned(), "save the table as CSV, in UTF-8, separated by commas"),
    };
    report.add(Code::Unreadable, line, message, help);
}
