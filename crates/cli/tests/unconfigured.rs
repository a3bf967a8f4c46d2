//! The operator's configuration is for who has work done: everything else goes on where it is wrong, cannot be read
//! or is gone.

use std::fs;

use crate::{
    common::{DATA, Place, SUBMIT},
    unwritable::READING,
};

/// Where the mistake is.
const WRONG: &str = "[activity.deploy]\ncomand = [\"true\"]\n";

#[test]
fn only_work_needs_the_configuration() {
    let place = Place::lab();
    place.must(SUBMIT);
    place.must("approve 1 --as bob");
    place.must(SUBMIT);
    let file = place.path(DATA).join("holdpoint.toml");
    let read = || READING.map(|line| (line, place.sh(line)));
    let is_wrong = || fs::write(&file, WRONG).unwrap();
    let is_gone = || fs::remove_file(&file).unwrap();
    // Whoever tests may read whatever the mode says, but no directory.
    let is_no_file = || fs::create_dir(&file).unwrap();
    let cases: [(&dyn Fn(), &str, i32); 3] = [
        (&is_wrong, "holdpoint.toml:2:1: unknown field `comand`", 2),
        (&is_gone, "has no `holdpoint.toml`", 2),
        (&is_no_file, "Is a directory", 3),
    ];
    for (n, (spoil, why, code)) in cases.into_iter().enumerate() {
        let expected = read();
        spoil();
        for ((line, expected), (_, ran)) in expected.iter().zip(read()) {
            assert_eq!(
                (ran.code, &ran.output),
                (Some(0), &expected.output),
                "{why}: {line}:\n{ran}"
            );
            let noted = ran.errors.contains("note: ");
            assert!(!noted || ran.errors.contains(why), "{why}: {line}:\n{ran}");
        }
        // A backup has the configuration, whatever it says.
        if code == 2 {
            place.must("backup copy --json");
            fs::remove_dir_all(place.path("copy")).unwrap();
        }
        place.must("plan --definition patch --input title=One --as ada");
        for line in ["work", "watch 1"] {
            let ran = place.sh(line);
            ran.fails_well(code, &line);
            assert!(ran.errors.contains(why), "{line}:\n{ran}");
        }
        // It is still decided, by people.
        place.must(&format!("approve {} --as bob", n + 2));
        place.must(&format!("{SUBMIT} --json"));
    }
    let told = place.sh("show 1");
    assert_eq!(told.errors, "", "what cannot be read is no mistake:\n{told}");
}
