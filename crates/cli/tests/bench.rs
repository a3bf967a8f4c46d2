//! `holdpoint bench`: that it measures, and leaves nothing behind. How fast anything is depends on
//! the machine, and is not tested.

use serde_json::Value;

use crate::common::{Place, assert_same};

/// Runs `bench` with `--json` and answers with its lines.
fn lines(place: &Place, line: &str) -> Vec<Value> {
    let output = place.must(&format!("bench {line} --json"));
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Holds a line to having exactly these figures, all of them more than nothing.
#[track_caller]
fn has(line: &Value, workload: &str, figures: &[&str]) {
    assert_eq!(line["workload"], workload, "{line}");
    let mut names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    names.retain(|name| *name != "workload");
    let mut expected = figures.to_vec();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected, "{line}");
    for name in figures {
        assert!(line[name].is_string() || line[name].as_f64().unwrap() > 0.0, "{name}: {line}");
    }
}

/// What a workload with writers has.
const WRITTEN: &[&str] = &[
    "writers",
    "event_bytes",
    "per_second",
    "raw_per_second",
    "ratio",
    "p50_us",
    "p99_us",
    "raw_p50_us",
];

#[test]
fn what_is_written_is_measured_beside_a_plain_file() {
    let place = Place::empty();
    let before = place.content();
    let append = lines(&place, "append --writers 1,3 --seconds 0.05");
    assert_eq!(append.len(), 2);
    for (line, writers) in append.iter().zip([1, 3]) {
        has(line, "append", WRITTEN);
        assert_eq!(line["writers"], writers);
    }
    let flow = lines(&place, "flow --concurrency 2 --seconds 0.05");
    assert_eq!(flow.len(), 1);
    has(&flow[0], "flow", WRITTEN);
    assert_same(&before, &place.content(), &"bench");
}

#[test]
fn figures_are_told_in_words() {
    let place = Place::empty();
    let told = place.must("bench append --writers 1,2 --seconds 0.05");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("append: so many writers at once"), "{told}");
    let names: Vec<_> = lines[1].split("  ").filter(|name| !name.is_empty()).collect();
    assert_eq!(names.len(), 7, "{told}");
    assert!(lines[2].starts_with("1 ") && lines[3].starts_with("2 "), "{told}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let place = Place::lab();
    let before = place.content();
    for (line, named) in [
        ("bench --dir nowhere", "there is no directory `nowhere`"),
        ("bench --dir holdpoint-data", "`holdpoint-data` is a data directory"),
        ("bench speed", "invalid value `speed`"),
        ("bench --seconds 0", "from 0.01 to 86400"),
        ("bench --seconds nan", "from 0.01 to 86400"),
        ("bench --writers 0", "0"),
        ("bench --writers 1,x", "x"),
    ] {
        let ran = place.sh(line);
        ran.fails_well(2, &line);
        assert!(ran.errors.contains(named), "{line}:\n{ran}");
    }
    assert_same(&before, &place.content(), &"bench");
}
