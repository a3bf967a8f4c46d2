//! Ansible's INI inventory.

use std::collections::BTreeMap;

use crate::{
    Options,
    ansible::Inventory,
    declared::Declared,
    finding::{FindingCode as Code, Report},
};

/// What the lines of a section are.
enum Section {
    Hosts(String),
    Variables(String),
    Children(String),
    /// One that cannot be used; its lines are passed over.
    Unusable,
}

/// A group that is named where it need not be there: it may come further down.
struct Named {
    group: String,
    line: usize,
    section: String,
}

/// Reads an inventory.
pub(crate) fn read(source: &str, options: &Options, report: &mut Report) -> Option<Declared> {
    let mut inventory = Inventory::default();
    let mut section = Section::Hosts("ungrouped".to_owned());
    let mut named: Vec<Named> = Vec::new();
    let mut variables: Vec<(String, String, String)> = Vec::new();
    let mut children: Vec<(String, String)> = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if text.starts_with('[') && is_header(text) {
            section = header(text, line, &mut inventory, &mut named, report);
            continue;
        }
        match &section {
            Section::Hosts(group) => host(text, group, line, &mut inventory, report),
            Section::Variables(group) => match text.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    if let Some(value) = scalar(value.trim()) {
                        variables.push((group.clone(), name.trim().to_owned(), value));
                    }
                }
                _ => report.add(
                    Code::Shape,
                    line,
                    format!("`{text}` is not a variable of `{group}`"),
                    "variables are written `name=value`",
                ),
            },
            Section::Children(group) => {
                let child = text.split_whitespace().next().unwrap_or_default().to_owned();
                let section = format!("[{group}:children]");
                named.push(Named { group: child.clone(), line, section });
                children.push((group.clone(), child));
            }
            Section::Unusable => {}
        }
    }
    for Named { group, line, section } in named {
        if !inventory.has_group(&group) {
            report.add(
                Code::UnknownGroup,
                line,
                format!("`{section}` names the group `{group}`, which there is not"),
                format!("add a section `[{group}]`, or correct the name"),
            );
        }
    }
    for (group, name, value) in variables {
        inventory.variable(&group, &name, &value);
    }
    for (group, child) in children {
        inventory.child(&group, &child);
    }
    inventory.finish(options, report)
}

/// Whether a line that begins with `[` is a header, and not a host that begins with a range.
fn is_header(text: &str) -> bool {
    text.split_once(']').is_none_or(|(_, after)| {
        let after = after.trim_start();
        after.is_empty() || after.starts_with(['#', ';'])
    })
}

fn header(
    text: &str,
    line: usize,
    inventory: &mut Inventory,
    named: &mut Vec<Named>,
    report: &mut Report,
) -> Section {
    let Some((inside, _)) = text.trim_start_matches('[').split_once(']') else {
        report.add(
            Code::Shape,
            line,
            format!("the section `{text}` is not closed"),
            "sections are such as `[web]`, `[web:vars]` or `[south:children]`",
        );
        return Section::Unusable;
    };
    let (group, kind) = inside.split_once(':').unwrap_or((inside, ""));
    let (group, kind) = (group.trim().to_owned(), kind.trim());
    match kind {
        "" => {
            inventory.group(&group, line, report);
            Section::Hosts(group)
        }
        "children" => {
            inventory.group(&group, line, report);
            Section::Children(group)
        }
        "vars" => {
            if group == "all" {
                inventory.group(&group, line, report);
            }
            let section = format!("[{inside}]");
            named.push(Named { group: group.clone(), line, section });
            Section::Variables(group)
        }
        _ => {
            report.add(
                Code::Shape,
                line,
                format!("there are no sections `{kind}` of a group"),
                "sections are such as `[web]`, `[web:vars]` or `[south:children]`",
            );
            Section::Unusable
        }
    }
}

fn host(text: &str, group: &str, line: usize, inventory: &mut Inventory, report: &mut Report) {
    let words = match words(text) {
        Ok(words) => words,
        Err(reason) => {
            let help = "close the quote, or take it away";
            return report.add(Code::Shape, line, reason, help);
        }
    };
    let Some((pattern, rest)) = words.split_first() else { return };
    let mut variables = BTreeMap::new();
    for word in rest {
        match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                if let Some(value) = scalar(value) {
                    variables.insert(name.to_owned(), value);
                }
            }
            _ => report.add(
                Code::Shape,
                line,
                format!("`{word}` is not a variable of `{pattern}`"),
                "after the host come variables such as `env=prod`; quote values with blanks",
            ),
        }
    }
    inventory.hosts(pattern, group, &variables, line, report);
}

/// The words of a line, without quotes, up to a comment.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed in this line".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// The value of a variable, unless it is a list or a mapping.
fn scalar(value: &str) -> Option<String> {
    if value.starts_with(['[', '{']) && !value.starts_with("{{") {
        return None;
    }
    for quote in ['"', '\''] {
        let inside = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inside) = inside {
            return Some(inside.to_owned());
        }
    }
    Some(value.to_owned())
}
