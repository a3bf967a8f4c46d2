//! The lock of a data directory whose file somebody removes while a process works there.

use std::fs;

use crate::{
    common::{DATA, Place, SUBMIT},
    relay::Working,
};

#[test]
fn a_lock_file_that_is_removed_lets_nobody_open_the_log_a_second_time() {
    let place = Place::lab();
    place.must(SUBMIT);
    let lock = place.path(DATA).join("log/lock");
    let remove = || fs::remove_file(&lock).unwrap();
    let working = Working::new(&place, "work --follow");
    remove();
    // Who works does it, as ever.
    place.must("approve 1 --as bob");
    fs::remove_file(place.path(DATA).join("control.sock")).unwrap();
    for line in ["submit patch --as ada", "list", "verify", "salvage saved", "work"] {
        for _ in 0..2 {
            // The second time there is one, which the first has made, and nobody holds.
            let ran = place.sh(&format!("--wait 0 {line}"));
            ran.fails_well(4, &line);
            assert!(ran.errors.contains("holdpoint-data/log` is in use\n"), "{ran}");
        }
        if lock.exists() {
            remove();
        }
    }
    working.ends();
    place.must(SUBMIT);
    place.must("verify");
}
