//! `holdpoint bench`: that it measures, and leaves nothing behind. How fast anything is depends on
//! the machine, and is not tested.

use std::path::Path;

use serde_json::Value;

use crate::common::{Place, assert_same, finish, words};

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
fn histories_are_replayed() {
    let place = Place::empty();
    let replay = lines(&place, "replay --targets 2 --seconds 0.01");
    let cases: Vec<_> = replay.iter().map(|line| line["case"].as_str().unwrap()).collect();
    assert_eq!(cases, ["approval, read", "approval, stored", "rollout, read", "rollout, stored"]);
    for line in &replay {
        let figures = ["case", "events", "event_bytes", "per_second", "p50_us", "p99_us"];
        has(line, "replay", &figures);
    }
    assert_eq!(place.content().len(), 0);
}

#[test]
fn a_log_is_opened_after_a_kill() {
    let place = Place::empty();
    let open = lines(&place, "open --events 40");
    assert_eq!(open.len(), 2);
    assert_eq!(open[0]["events"], 0);
    assert_eq!(open[0]["case"], "empty");
    assert!(open[0]["p50_us"].as_f64().unwrap() > 0.0);
    let figures =
        ["case", "events", "p50_us", "raw_p50_us", "empty_ratio", "disk_bytes", "tail_bytes"];
    has(&open[1], "open", &figures);
    assert!(open[1]["events"].as_u64().unwrap() >= 40, "{}", open[1]);
    assert_eq!(place.content().len(), 0);
}

#[test]
fn memory_is_measured_while_events_are_written_read_and_waited_on() {
    let place = Place::empty();
    let memory = lines(&place, "memory --events 40 --runs 3");
    assert_eq!(memory.len(), 3);
    let memory_of = |one: &Value, figures: &[&str]| {
        // Only Linux tells how much memory there was.
        let told = |name: &&str| cfg!(target_os = "linux") || !name.ends_with("rss_bytes");
        let figures: Vec<_> = figures.iter().copied().filter(told).collect();
        has(one, "memory", &figures);
    };
    let disk = ["json_bytes", "disk_bytes", "disk_ratio"];
    let write = ["case", "events", "per_second", "rss_bytes", "early_rss_bytes"];
    memory_of(&memory[0], &[&write[..], &disk].concat());
    memory_of(&memory[1], &["case", "events", "per_second", "rss_bytes"]);
    memory_of(&memory[2], &["case", "runs", "per_second", "rss_bytes"]);
    assert!(memory[0]["events"].as_u64().unwrap() >= 40, "{}", memory[0]);
    // What was written is what is read.
    assert_eq!(memory[0]["events"], memory[1]["events"]);
    assert_eq!(memory[2]["runs"], 3);
    assert_eq!(place.content().len(), 0);
}

/// Whether there is a path with this end below `directory`, in which files come and go meanwhile.
fn is_there(directory: &Path, end: &str) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.ends_with(end) || is_there(&path, end))
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    let place = Place::empty();
    let mut bench = place.command(&words("bench memory --events 1000000000")).spawn().unwrap();
    // It is at work as soon as its process has made a data directory.
    let begun = std::time::Instant::now();
    while !is_there(&place.path("."), "data/log/format") {
        assert!(begun.elapsed().as_secs() < 300, "it never begins");
        assert!(bench.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_child(&bench);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    finish(bench).fails_well(1, &"interrupted");
    assert_eq!(place.content().len(), 0);
}

#[test]
fn figures_are_told_in_words() {
    let place = Place::empty();
    let told = place.must("bench append --writers 1,2 --seconds 0.05");
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("append: each writer appends events of 3"), "{told}");
    let names: Vec<_> = lines[2].split("  ").filter(|name| !name.is_empty()).collect();
    assert_eq!(names.len(), 7, "{told}");
    assert!(lines[3].starts_with("  1 ") && lines[4].starts_with("  2 "), "{told}");
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
        ("bench --concurrency 0", "0"),
        ("bench --targets 100000", "100000"),
        ("bench --events -1", "-1"),
        ("bench --runs many", "`--runs <N>`"),
    ] {
        let ran = place.sh(line);
        ran.fails_well(2, &line);
        assert!(ran.errors.contains(named), "{line}:\n{ran}");
    }
    assert_same(&before, &place.content(), &"bench");
}
