//! The definitions that ship do what their scenarios say, and the scenarios reach all of them.

use std::{collections::BTreeMap, fs, path::Path};

use holdpoint_definition::Definition;
use holdpoint_scenario::Coverage;

use crate::common::play;

#[test]
fn every_shipped_definition_does_what_its_scenarios_say() {
    let seen = play_all("workflows");
    assert!(seen.len() >= 2, "{seen:?}");
}

/// The policies of the cookbook, which shows each as it is in its file.
#[test]
fn every_policy_of_the_cookbook_does_what_its_scenarios_say() {
    let cookbook = include_str!("../../../docs/cookbook.md");
    let seen = play_all("docs/cookbook");
    assert!(seen.len() >= 15, "{seen:?}");
    for (name, source) in &seen {
        assert!(
            cookbook.contains(&format!("\n```yaml\n{source}```\n")),
            "{name} is not shown as it is"
        );
        let scenarios = name.replace(".yaml", ".scenarios.yaml");
        for file in [name, &scenarios] {
            assert!(cookbook.contains(&format!("(cookbook/{file})")), "{file} is not linked");
        }
    }
    assert_eq!(cookbook.matches("\n```yaml\n").count(), seen.len(), "a definition is in no file");
}

/// The policies of other products as wholes; the page about them shows the states that matter as they are.
#[test]
fn every_policy_of_another_product_does_what_its_users_expect() {
    let page = include_str!("../../../docs/coming-from.md");
    let seen = play_all("docs/coming-from");
    assert_eq!(page.matches("\n```yaml").count(), seen.len(), "one block of each is shown");
    for (name, source) in &seen {
        let scenarios = name.replace(".yaml", ".scenarios.yaml");
        let links =
            format!("[{name}](coming-from/{name}), [scenarios](coming-from/{scenarios}):\n\n");
        let (_, after) = page.split_once(&links).unwrap_or_else(|| panic!("{name} is not linked"));
        let block =
            after.strip_prefix("```yaml fragment\n").and_then(|after| after.split_once("```\n"));
        let (block, _) = block.unwrap_or_else(|| panic!("no block follows {name}"));
        let state: String = block.lines().map(|line| format!("  {line}\n")).collect();
        assert!(source.contains(&format!("\n{state}")), "{name} is not shown as it is");
    }
}

/// Plays the scenarios of all definitions in a directory, which must pass and reach everything; the
/// definitions by the names of their files.
fn play_all(directory: &str) -> BTreeMap<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory);
    let mut faults = Vec::new();
    let mut seen = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".scenarios.yaml") {
            continue;
        }
        let stem = name.strip_suffix(".yaml").unwrap_or_else(|| panic!("{name} is no definition"));
        let read = |path: &Path| {
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let source = read(&path);
        let checked = Definition::parse(&name, &source).unwrap_or_else(|found| panic!("{found}"));
        assert!(checked.warnings.is_empty(), "{}", checked.warnings);
        let definition = checked.definition;
        let scenarios = read(&path.with_file_name(format!("{stem}.scenarios.yaml")));
        assert!(scenarios.contains(&format!("\ndefinition: {name}\n")), "{name}");
        let mut coverage = Coverage::new(&definition);
        for played in play(&definition, &scenarios) {
            coverage.add(&played.history);
            if let Some(failure) = played.failure {
                faults.push(format!("{name}: {}: {failure:?}", played.name));
            }
        }
        faults.extend(coverage.missed().map(|item| {
            format!("{name}: no scenario reaches {} {}", item.group(), item.in_words())
        }));
        seen.insert(name, source);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    seen
}
