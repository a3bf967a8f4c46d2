//! The main job as a user runs it.

use holdpoint_tests::Data;

#[test]
fn the_demo_keeps_its_promises_and_can_be_repeated() {
    let data = Data::new();
    for _ in 0..2 {
        let ran = data.run(&["demo"]);
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.output, ran.errors);
        for promise in [
            "the requester is refused as an approver",
            "killed with SIGKILL in the middle of the second wave",
            "each machine was changed once",
            "restored in reverse order",
            "answer with version 2 again, over HTTP",
            "the log is whole",
            "expectations checked",
        ] {
            assert!(ran.output.contains(promise), "`{promise}` is missing in {}", ran.output);
        }
    }
    let runs = data.ask(&["list"]);
    assert_eq!(runs["runs"][0]["outcome"], "rolled-back", "{runs}");
    assert_eq!(runs["runs"][1]["outcome"], "completed", "{runs}");
}

#[test]
fn the_demo_replaces_no_directory_that_it_did_not_make() {
    let data = Data::new();
    std::fs::create_dir(data.path()).unwrap();
    std::fs::write(data.path().join("thesis.tex"), "years of work").unwrap();
    let ran = data.run(&["demo"]);
    assert_eq!(ran.code, Some(2), "{}", ran.errors);
    assert!(ran.errors.contains("is not an empty directory"), "{}", ran.errors);
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 1);

    let other = Data::new();
    other.must(&["init"]);
    let ran = other.run(&["demo"]);
    assert_eq!(ran.code, Some(2), "{}", ran.errors);
    assert!(ran.errors.contains("is a data directory already"), "{}", ran.errors);
}
