//! The rules of the house, held to the tree as it is: which crate may name which, and what every
//! file must be like.
#![expect(clippy::unwrap_used, reason = "a failed expectation must fail the test that stated it")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// The crates of the house that each crate may name, and why no others.
const ARROWS: &[(&str, &[&str], &str)] = &[
    ("holdpoint-core", &[], "the core is what everything else is about: it knows none of it"),
    (
        "holdpoint-calendar",
        &["holdpoint-core"],
        "a calendar is pure: it is asked by those who know what waits for it",
    ),
    (
        "holdpoint-inventory",
        &["holdpoint-core"],
        "an inventory is a function of a text: what becomes of it is somebody else's business",
    ),
    (
        "holdpoint-definition",
        &["holdpoint-core", "holdpoint-calendar"],
        "a definition is pure: it never sees a log or an engine",
    ),
    (
        "holdpoint-scenario",
        &["holdpoint-core", "holdpoint-definition"],
        "scenarios are played without a log or an engine",
    ),
    (
        "holdpoint-authoring",
        &["holdpoint-definition"],
        "pictures and reports are made of definitions, and not of runs",
    ),
    (
        "holdpoint-control",
        &["holdpoint-core"],
        "a control is checked over histories, wherever they come from",
    ),
    ("holdpoint-log", &["holdpoint-core"], "a log keeps events and knows nothing of who decides"),
    (
        "holdpoint-log-sled",
        &["holdpoint-core", "holdpoint-log"],
        "a back end is one of several behind the log's trait",
    ),
    (
        "holdpoint-engine",
        &["holdpoint-core", "holdpoint-log"],
        "the engine takes any log and any definition: it names no back end and no language",
    ),
    (
        "holdpoint-server",
        &[
            "holdpoint-core",
            "holdpoint-log",
            "holdpoint-engine",
            "holdpoint-definition",
            "holdpoint-control",
        ],
        "the server takes an engine that somebody else has put together",
    ),
    (
        "holdpoint",
        &[
            "holdpoint-core",
            "holdpoint-log",
            "holdpoint-log-sled",
            "holdpoint-engine",
            "holdpoint-definition",
            "holdpoint-scenario",
            "holdpoint-authoring",
            "holdpoint-inventory",
            "holdpoint-control",
        ],
        "the facade puts engine, log and language together, and serves nobody",
    ),
    (
        "holdpoint-bench",
        &["holdpoint"],
        "what is measured is what an embedder has, so that the facade is enough",
    ),
    (
        "holdpoint-cli",
        &["holdpoint", "holdpoint-bench", "holdpoint-server"],
        "the program uses what an embedder uses, so that the facade is enough",
    ),
];

/// What a pure crate has no use for: what waits, does I/O, logs, or draws random numbers.
const WORLD: &[&str] = &[
    "tokio",
    "tracing",
    "async-trait",
    "futures",
    "sled",
    "rusqlite",
    "axum",
    "reqwest",
    "rustix",
    "tempfile",
    "fastrand",
    "getrandom",
    "rand",
];

/// Crates from elsewhere that a crate must not name, and why.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        "holdpoint-core",
        WORLD,
        "the core is pure: it does no I/O, waits for nothing and logs nothing",
    ),
    (
        "holdpoint-calendar",
        WORLD,
        "a calendar is pure: it does no I/O, waits for nothing and logs nothing",
    ),
    (
        "holdpoint-inventory",
        WORLD,
        "an inventory is pure: it does no I/O, waits for nothing and logs nothing",
    ),
    (
        "holdpoint-definition",
        WORLD,
        "a definition is pure: it does no I/O, waits for nothing and logs nothing",
    ),
    (
        "holdpoint-scenario",
        WORLD,
        "scenarios are pure: they are played in virtual time, and do no I/O",
    ),
    ("holdpoint-authoring", WORLD, "reports, pictures and formatting are functions of a text"),
    (
        "holdpoint-control",
        WORLD,
        "a control is pure: it does no I/O, waits for nothing and logs nothing",
    ),
    (
        "holdpoint-log",
        &["tracing", "sled", "rusqlite", "rustix", "tempfile", "fastrand", "getrandom", "rand"],
        "what every log shares does no I/O and draws no random number",
    ),
    (
        "holdpoint-engine",
        &["sled", "serde-saphyr", "cel", "jsonschema", "axum", "reqwest", "clap"],
        "the engine never sees a back end, a language or HTTP",
    ),
];

/// Crates from elsewhere that only these crates may name, and why.
const ALONE: &[(&str, &[&str], &str)] = &[
    ("sled", &["holdpoint-log-sled"], "what sled does is hidden behind the log's trait"),
    (
        "serde-saphyr",
        &["holdpoint-calendar", "holdpoint-definition", "holdpoint-inventory"],
        "YAML is the business of those who define something in it",
    ),
    ("cel", &["holdpoint-definition"], "expressions are the definition language's business"),
    ("rrule", &["holdpoint-calendar"], "recurrence is hidden behind the calendar's schedules"),
    ("chrono", &["holdpoint-calendar"], "everything speaks jiff but the seam to `rrule`"),
    ("icalendar", &["holdpoint-calendar"], "what is imported is a calendar"),
    ("csv", &["holdpoint-inventory"], "tables are read where items are"),
    ("rusqlite", &["holdpoint-engine"], "SQLite is the read model's business"),
    ("fjall", &["holdpoint-benches"], "what is compared with is no part of the program"),
    ("redb", &["holdpoint-benches"], "what is compared with is no part of the program"),
];

/// Crates that are functions of their arguments, clock, files and network being somebody else's.
const PURE: &[&str] =
    &["authoring", "calendar", "core", "definition", "inventory", "log", "scenario"];

/// What makes clippy see to it: nothing beneath can take back what is forbidden here.
const PURITY: &str = "
#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = \"this crate is pure: `clippy.toml` lists what that keeps it from\"
)]
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What each crate under `crates/` needs to be built; tests may name what they like.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let crates = root().join("crates");
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let found: BTreeMap<String, BTreeSet<String>> = metadata
        .packages
        .iter()
        .filter(|package| package.manifest_path.as_std_path().starts_with(&crates))
        .map(|package| {
            let needed = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != DependencyKind::Development)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), needed)
        })
        .collect();
    assert!(found.contains_key("holdpoint-core"), "the manifests were read");
    found
}

#[test]
fn the_arrows_between_the_crates_point_one_way() {
    let mut faults = Vec::new();
    for (name, needed) in dependencies() {
        let Some((_, may_name, reason)) = ARROWS.iter().find(|(one, ..)| *one == name) else {
            faults.push(format!("`{name}` has no place in the picture: draw its arrows here"));
            continue;
        };
        let house = needed.iter().filter(|needed| needed.starts_with("holdpoint"));
        faults.extend(
            house
                .filter(|needed| !may_name.contains(&needed.as_str()))
                .map(|needed| format!("`{name}` must not name `{needed}`: {reason}")),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_crate_names_what_is_not_its_business() {
    let all = dependencies();
    let mut faults = Vec::new();
    for (name, never, reason) in NEVER {
        for needed in all.get(*name).into_iter().flatten() {
            if never.contains(&needed.as_str()) {
                faults.push(format!("`{name}` must not name `{needed}`: {reason}"));
            }
        }
    }
    for (needed, alone, reason) in ALONE {
        for (name, _) in all.iter().filter(|(_, all)| all.contains(*needed)) {
            if !alone.contains(&name.as_str()) {
                let alone = alone.join("` and `");
                faults.push(format!("only `{alone}` may name `{needed}`, not `{name}`: {reason}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn pure_crates_are_held_from_the_world_by_a_lint() {
    let mut faults = Vec::new();
    for name in PURE {
        let directory = root().join("crates").join(name);
        if !fs::read_to_string(directory.join("src/lib.rs")).unwrap().contains(PURITY) {
            faults.push(format!("`crates/{name}/src/lib.rs` does not say:{PURITY}"));
        }
        // Clippy takes the first that it finds on the way up.
        for of_its_own in ["clippy.toml", ".clippy.toml"] {
            if directory.join(of_its_own).exists() {
                faults.push(format!(
                    "`crates/{name}/{of_its_own}` hides the list in `clippy.toml` from clippy"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A longer file has more than one subject.
const LINES_MAX: usize = 900;

/// What editors and merges leave behind.
const LEFTOVERS: &[&str] =
    &[".orig", ".rej", ".bak", ".swp", ".tmp", "~", ".proptest-regressions", ".snap.new"];

/// The paths of every file that somebody wrote, from the root.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let hidden = name.to_string_lossy().starts_with('.');
            if entry.file_type().unwrap().is_file() {
                found.push(entry.path().strip_prefix(root()).unwrap().to_owned());
            } else if !hidden && name != "target" {
                open.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

/// The files with one of these extensions: their paths from the root, and their texts.
fn texts<'f>(files: &'f [PathBuf], extensions: &[&str]) -> Vec<(std::path::Display<'f>, String)> {
    files
        .iter()
        .filter(|path| {
            path.extension().is_some_and(|one| extensions.iter().any(|wanted| one == *wanted))
        })
        .map(|path| (path.display(), fs::read_to_string(root().join(path)).unwrap()))
        .collect()
}

/// Whether the line has a mark of unfinished work that names no issue, as `(#12)` would.
fn is_unnamed_debt(line: &str) -> bool {
    // Put together here, or this file would be found.
    [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()].iter().any(|mark| {
        line.split_once(mark.as_str()).is_some_and(|(before, after)| {
            let is_word = !before.ends_with(char::is_alphanumeric)
                && !after.starts_with(char::is_alphanumeric);
            let issue = after.trim_start_matches('-').trim_start_matches(char::is_alphabetic);
            let named = issue
                .strip_prefix("(#")
                .is_some_and(|number| number.starts_with(|digit: char| digit.is_ascii_digit()));
            is_word && !named
        })
    })
}

#[test]
fn every_source_file_is_tidy() {
    let all = files();
    let mut faults = Vec::new();
    for (path, text) in texts(&all, &["rs"]) {
        if !text.starts_with("//! ") {
            faults.push(format!("{path}:1: the file does not begin by saying what it is about"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{path}: {lines} lines are more than {LINES_MAX}: split it"));
        }
    }
    for (path, text) in texts(&all, &["rs", "toml", "md", "yaml", "yml", "sql", "html"]) {
        for (number, line) in (1..).zip(text.lines()) {
            if line.ends_with([' ', '\t', '\r']) {
                faults.push(format!("{path}:{number}: spaces at the end of the line"));
            }
            if is_unnamed_debt(line) {
                faults.push(format!("{path}:{number}: unfinished work without an issue's number"));
            }
            if ["<<<<<<< ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark)) {
                faults.push(format!("{path}:{number}: a merge was left unfinished"));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            faults.push(format!("{path}: the last line does not end"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_left_lying_about() {
    let left: Vec<String> = files()
        .iter()
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            LEFTOVERS.iter().any(|end| name.ends_with(end))
                || ["_BACKUP_", "_BASE_", "_LOCAL_", "_REMOTE_"].iter().any(|m| name.contains(m))
        })
        .map(|path| path.display().to_string())
        .collect();
    assert!(left.is_empty(), "remove what editors and merges have left: {}", left.join(", "));
}

#[test]
fn debt_must_name_its_issue() {
    let mark = ["TO", "DO"].concat();
    for (line, is_debt) in [
        (format!("// {mark}: later"), true),
        (format!("// {mark}"), true),
        (format!("// {mark}(ada): later"), true),
        (format!("// {mark}(#12): later"), false),
        (format!("// {mark}-robustness(#12): later"), false),
        (format!("{mark}S are not"), false),
        ("// nothing".to_owned(), false),
    ] {
        assert_eq!(is_unnamed_debt(&line), is_debt, "{line}");
    }
}
