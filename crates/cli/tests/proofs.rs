//! Checkpoints and proofs: made with the log, checked without it.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::common::{DATA, Place, SUBMIT, assert_same};
/// A place with an event, a checkpoint of it in `old`, and further events.
fn place() -> Place {
    let place = Place::lab();
    fs::write(place.path("old"), place.must("checkpoint")).unwrap();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    place
}

fn key() -> String {
    format!("--key {DATA}/checkpoint.pub")
}

#[test]
fn the_key_is_the_owners() {
    let place = Place::lab();
    let mode = fs::metadata(place.path(DATA).join("checkpoint.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.sh("checkpoint --new-key example.com/other").fails_well(2, &"a second key");
    fs::remove_file(place.path(DATA).join("checkpoint.key")).unwrap();
    place.sh("checkpoint").fails_well(2, &"no key");
    place.sh("prove 1").fails_well(2, &"no key");
    fs::remove_file(place.path(DATA).join("checkpoint.pub")).unwrap();
    let made = place.must("checkpoint --new-key example.com/other");
    assert!(made.starts_with("example.com/other+"), "{made}");
    assert!(place.must("checkpoint").starts_with("example.com/other\n"));
    assert_eq!(place.ask("checkpoint")["key"], made.trim_end());
    fs::write(place.path(DATA).join("checkpoint.key"), "not a key").unwrap();
    place.sh("checkpoint").fails_well(2, &"a damaged key");
}

#[test]
fn an_event_is_proved_to_who_has_only_the_key() {
    let place = place();
    for (event, out) in [("3", "proof"), ("1", "first")] {
        let said = place.must(&format!("prove {event} --out {out}"));
        assert!(said.contains(&format!("event {event} is in the log of ")), "{said}");
    }
    let proof = fs::read_to_string(place.path("proof")).unwrap();
    assert_eq!(proof, place.must("prove 3"));
    // No file that is there is written over, least of all the key.
    for out in ["proof", "holdpoint-data/checkpoint.key"] {
        let before = place.truth();
        let ran = place.sh(&format!("prove 3 --out {out}"));
        ran.fails_well(2, &out);
        assert!(ran.errors.contains(&format!("there is a file `{out}` already")), "{ran}");
        assert_same(&before, &place.truth(), &out);
    }
    let far = Place::empty();
    for file in ["proof", "first"] {
        fs::copy(place.path(file), far.path(file)).unwrap();
    }
    fs::copy(place.path(DATA).join("checkpoint.pub"), far.path("pub")).unwrap();
    let said = far.must("verify --proof proof --key pub");
    assert!(said.starts_with("proved: event 3 is in the log `holdpoint.local/"), "{said}");
    let json = far.ask("verify --proof first --key pub");
    assert_eq!(json["event"]["type"], "holdpoint.project.created");

    for (n, line) in proof.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        let changed =
            if line.contains('1') { line.replacen('1', "2", 1) } else { "x".repeat(line.len()) };
        fs::write(far.path("changed"), proof.replacen(line, &changed, 1)).unwrap();
        let ran = far.sh("verify --proof changed --key pub");
        assert!(matches!(ran.code, Some(1 | 2)), "line {n}: {ran}");
        assert!(ran.errors.contains("help: "), "line {n}: {ran}");
    }
    let other = Place::empty();
    other.must("init");
    let foreign =
        format!("verify --proof proof --key {}", other.path(DATA).join("checkpoint.pub").display());
    far.sh(&foreign).fails_well(1, &"another log's key");
    for line in [
        "verify --proof proof",
        "verify --proof nothing --key pub",
        "verify --proof pub --key pub",
        "verify --proof proof --key proof",
        "verify --proof proof --key a+b+c",
        "verify --event proof",
    ] {
        far.sh(line).fails_well(2, &line);
    }
    for line in
        ["prove", "prove 0", "prove 999", "prove x", "prove 1 --since old", "prove --since nothing"]
    {
        place.sh(line).fails_well(2, &line);
    }
}

#[test]
fn an_event_is_found_by_its_id() {
    let place = place();
    let history = place.must("history --json");
    let event: serde_json::Value = serde_json::from_str(history.lines().nth(1).unwrap()).unwrap();
    let by_id = place.must(&format!("prove {}", event["id"].as_str().unwrap()));
    assert_eq!(by_id, place.must("prove 2"));
    place.sh("prove 01900000-0000-7000-8000-000000000001").fails_well(2, &"an unknown id");
}

#[test]
fn a_log_is_held_to_an_older_checkpoint() {
    let place = place();
    let grown = place.must("prove --since old --out grown");
    assert!(grown.contains("unchanged: the proof is in grown"), "{grown}");
    let said = place.must(&format!("verify --proof grown --checkpoint old {}", key()));
    assert!(said.starts_with("proved: the log `holdpoint.local/"), "{said}");
    let without = format!("verify --proof grown {}", key());
    place.sh(&without).fails_well(2, &"no checkpoint");
    let said = place.must("verify --checkpoint old");
    assert!(said.contains("of the checkpoint are there, unchanged"), "{said}");
    // To check a signature takes no secret: copies have none, and what is imported has no key at all.
    place.must("export all.jsonl");
    place.must("--dir imported import all.jsonl");
    let ran = place.sh("--dir imported verify --checkpoint old");
    ran.fails_well(2, &"no key");
    assert!(ran.errors.contains("`--key KEY`") && !ran.errors.contains("new-key"), "{ran}");
    place.must(&format!("--dir imported verify --checkpoint old {}", key()));
    place.must("salvage salvaged");
    place.must("backup saved");
    place.must("--dir restored restore saved");
    for copy in ["salvaged", "restored"] {
        assert!(!place.path(copy).join("checkpoint.key").exists(), "{copy}");
        let said = place.must(&format!("--dir {copy} verify --checkpoint old"));
        assert!(said.contains("of the checkpoint are there, unchanged"), "{copy}: {said}");
        fs::write(place.path(copy).join("checkpoint.pub"), "no key").unwrap();
        let ran = place.sh(&format!("--dir {copy} verify --checkpoint old"));
        ran.fails_well(2, &copy);
        assert!(ran.errors.contains("checkpoint.pub` is not a key"), "{copy}: {ran}");
    }
    fs::write(place.path("new"), place.must("checkpoint")).unwrap();
    let other = format!("verify --proof grown --checkpoint new {}", key());
    place.sh(&other).fails_well(1, &"another checkpoint");
}

#[test]
fn a_rewritten_log_is_found_out_by_who_kept_a_checkpoint() {
    let place = place();
    fs::write(place.path("kept"), place.must("checkpoint")).unwrap();
    // Somebody with access to all files makes another history, and signs it with the same key.
    let other = Place::lab();
    other.must(SUBMIT);
    other.must("reject 1 --as bob --reason no");
    other.must("submit patch --input title=another --as ada");
    for file in ["checkpoint.key", "checkpoint.pub"] {
        fs::copy(place.path(DATA).join(file), other.path(DATA).join(file)).unwrap();
    }
    fs::copy(place.path("kept"), other.path("kept")).unwrap();
    other.must("verify");
    other.sh("verify --checkpoint kept").fails_well(3, &"another history");
    other.sh("prove --since kept").fails_well(3, &"another history");
}
