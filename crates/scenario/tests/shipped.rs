//! The definitions that ship do what their scenarios say, and the scenarios reach all of them.

use std::{fs, path::Path};

use holdpoint_definition::Definition;
use holdpoint_scenario::Coverage;

use crate::common::play;

#[test]
fn every_shipped_definition_does_what_its_scenarios_say() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    let mut faults = Vec::new();
    let mut seen = 0;
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
        let definition = Definition::parse(&name, &read(&path)).unwrap().definition;
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
        seen += 1;
    }
    assert!(seen >= 2);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
