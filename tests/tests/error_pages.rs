//! Every code that a user can meet has a page, and what the pages show is what happens.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation must fail the test that stated it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use holdpoint_calendar::{Calendar, FindingCode, Findings, Import, Role, Transparent, import_ics};
use holdpoint_core::{Items, RefusalCode};
use holdpoint_definition::{Baseline, Definition, DiagnosticCode, Diagnostics};
use holdpoint_inventory::{Format, Options, Rest, read};
use holdpoint_scenario::Suite;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/errors")
}

/// All pages but the list of them, by code.
fn pages() -> BTreeMap<String, String> {
    fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name != "README.md"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let code = name.strip_suffix(".md").unwrap_or_else(|| panic!("{name} is no page"));
            (code.to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn codes() -> BTreeSet<String> {
    let refusals = RefusalCode::ALL.iter().map(|code| code.as_str().to_owned());
    let findings = DiagnosticCode::ALL.iter().map(|code| code.as_str().to_owned());
    let calendars = FindingCode::ALL.iter().map(|code| code.as_str().to_owned());
    let inventories =
        holdpoint_inventory::FindingCode::ALL.iter().map(|code| code.as_str().to_owned());
    refusals.chain(findings).chain(calendars).chain(inventories).collect()
}

fn title<'p>(code: &str, page: &'p str) -> &'p str {
    page.lines()
        .next()
        .and_then(|first| first.strip_prefix(&format!("# {code}: ")))
        .unwrap_or_else(|| panic!("{code}.md begins with `# {code}: TITLE`"))
}

/// What stands between the fences of the first block in this language.
fn block<'p>(page: &'p str, language: &str) -> Option<&'p str> {
    let (_, after) = page.split_once(&format!("\n```{language}\n"))?;
    after.split_once("```\n").map(|(inside, _)| inside)
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let pages = pages();
    let there: BTreeSet<String> = pages.keys().cloned().collect();
    assert_eq!(there, codes());
    for (code, page) in &pages {
        assert!(!title(code, page).is_empty(), "{code}.md has a title");
        let sections: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(sections, ["## Cause", "## What to do"], "{code}.md has these two sections");
        let shown = format!("[{code}]: ");
        assert!(block(page, "text").is_some_and(|text| text.contains(&shown)), "{code}.md");
    }
}

#[test]
fn the_list_names_every_page() {
    let list = fs::read_to_string(directory().join("README.md")).unwrap();
    for (code, page) in &pages() {
        let row = format!("| [{code}]({code}.md) | {} |", title(code, page));
        let rows = list.lines().filter(|line| line.starts_with(&row)).count();
        assert_eq!(rows, 1, "README.md has the row `{row}` once");
    }
    for code in DiagnosticCode::ALL {
        let severity = format!("| {} |", code.severity());
        let row = format!("| [{code}]({code}.md) |");
        let found = list.lines().any(|line| line.starts_with(&row) && line.ends_with(&severity));
        assert!(found, "README.md says that {code} is of severity {}", code.severity());
    }
    let rows = list.lines().filter(|line| line.starts_with("| [HP")).count();
    assert_eq!(rows, codes().len(), "README.md lists nothing else");
}

/// The findings about a page's example: what every definition has is added where it is left out,
/// at the end, so that lines keep their numbers.
fn findings(example: &str) -> Diagnostics {
    match Definition::parse("example.yaml", &whole(example)) {
        Ok(checked) => checked.warnings,
        Err(findings) => findings,
    }
}

/// The findings about a page's example by the baseline of the guide.
fn findings_by_a_baseline(example: &str) -> Diagnostics {
    let guide = include_str!("../../docs/baseline.md");
    let baseline = Baseline::parse("baseline.yaml", block(guide, "yaml").unwrap()).unwrap();
    baseline.check("example.yaml", &whole(example)).findings
}

fn whole(example: &str) -> String {
    let mut source = example.to_owned();
    for line in ["workflow: example", "version: 1", "title: An example"] {
        let (key, _) = line.split_once(' ').unwrap();
        if !source.lines().any(|one| one.starts_with(key)) {
            source.push_str(line);
            source.push('\n');
        }
    }
    source
}

/// The findings about a page's example of scenarios, which are about the guide's first definition.
fn findings_about_scenarios(example: &str) -> Diagnostics {
    let guide = include_str!("../../docs/definitions.md");
    let source = block(guide, "yaml").unwrap();
    let definition = Definition::parse("two-eyes.yaml", source).unwrap().definition;
    match Suite::parse("example.yaml", example) {
        Err(findings) => findings,
        Ok(suite) if suite.definition() == "two-eyes.yaml" => suite.check(&definition),
        Ok(suite) => suite.without_definition(
            "cannot be read: there is no such file",
            "give the path of the definition, from the directory of this file",
        ),
    }
}

/// Words are compared by people; where a finding is, and of which kind, by this.
#[test]
fn every_finding_is_found_in_its_example() {
    let mut faults = Vec::new();
    let pages = pages();
    for code in DiagnosticCode::ALL {
        let page = &pages[code.as_str()];
        let Some(example) = block(page, "yaml") else {
            faults.push(format!("{code}.md has no example"));
            continue;
        };
        let found = if code.is_of_scenarios() {
            findings_about_scenarios(example)
        } else if code.is_of_baselines() {
            findings_by_a_baseline(example)
        } else {
            findings(example)
        };
        let shown = block(page, "text").and_then(|text| text.split_once("]: ")).map(|(to, _)| to);
        let text = found.to_string();
        let all_of_it = found.iter().all(|one| one.code == *code);
        if !all_of_it || !shown.is_some_and(|shown| text.starts_with(&format!("{shown}]: "))) {
            faults.push(format!("{code}.md shows another finding than the one there is:\n{text}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The findings about a page's calendar, or about its iCalendar file.
fn calendar_findings(page: &str) -> Option<Findings> {
    if let Some(example) = block(page, "yaml") {
        return Some(Calendar::parse("example.yaml", example).unwrap_err());
    }
    let import = Import {
        calendar: "example".parse().unwrap(),
        zone: "Europe/Berlin".to_owned(),
        role: Role::Windows,
        transparent: Transparent::Skip,
        zones: BTreeMap::new(),
    };
    block(page, "ics").map(|example| import_ics("example.ics", example, &import).unwrap_err())
}

#[test]
fn every_finding_about_calendars_is_found_in_its_example() {
    let mut faults = Vec::new();
    let pages = pages();
    for code in FindingCode::ALL {
        let page = &pages[code.as_str()];
        let Some(found) = calendar_findings(page) else {
            faults.push(format!("{code}.md has no example"));
            continue;
        };
        let (text, shown) = (found.to_string(), block(page, "text").unwrap_or_default());
        let all_of_it = found.iter().all(|one| one.code == *code);
        // The release of the zone data changes, and nothing else.
        let shown = shown.replace("2026f", holdpoint_calendar::zone_data());
        if !all_of_it || !text.starts_with(shown.trim_end()) {
            faults.push(format!("{code}.md shows another finding than the one there is:\n{text}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The findings about a page's inventory.
fn inventory_findings(page: &str) -> Option<holdpoint_inventory::Findings> {
    let forms = [("ini", Format::AnsibleIni), ("yaml", Format::Yaml), ("csv", Format::Csv)];
    let (end, form, example) =
        forms.into_iter().find_map(|(end, form)| Some((end, form, block(page, end)?)))?;
    let file = format!("example.{end}");
    let read = read(form, &file, example, &Options::default());
    Some(read.and_then(|read| read.against(&Items::default(), Rest::Keep)).unwrap_err())
}

#[test]
fn every_finding_about_inventories_is_found_in_its_example() {
    let mut faults = Vec::new();
    let pages = pages();
    for code in holdpoint_inventory::FindingCode::ALL {
        let page = &pages[code.as_str()];
        let Some(found) = inventory_findings(page) else {
            faults.push(format!("{code}.md has no example"));
            continue;
        };
        let (text, shown) = (found.to_string(), block(page, "text").unwrap_or_default());
        let all_of_it = found.iter().all(|one| one.code == *code);
        if !all_of_it || !text.starts_with(shown.trim_end()) {
            faults.push(format!("{code}.md shows another finding than the one there is:\n{text}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
