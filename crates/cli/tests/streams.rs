//! Outputs that nobody reads, or that cannot be written.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    process::Stdio,
};

use crate::common::{Place, Ran, SUBMIT, finish, words};

/// Whoever closes the pipe has seen enough: there is nothing to complain about.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::lab();
    for n in 0..20 {
        place.must(&format!("submit patch --input title=Run{n} --as ada"));
    }
    for line in [
        "list",
        "list --json",
        "history",
        "history --json",
        "show 1",
        "verify",
        "project show",
        "definitions show patch",
        "completions bash",
        "--help",
        "submit --help",
        "--version",
        "work",
    ] {
        let mut child = place.command(&words(line)).spawn().unwrap();
        drop(child.stdout.take());
        let ran = finish(child);
        assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{line}");
    }
    // After its first bytes, as `head` does it.
    let mut child = place.command(&words("history --json")).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let ran = finish(child);
    assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""));
}

#[test]
fn what_is_done_is_done_though_nobody_reads_the_answer() {
    let place = Place::lab();
    let mut child = place.command(&words(SUBMIT)).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(finish(child).code, Some(0));
    assert_eq!(place.ask("show 1")["title"], "Fix the router");
}

#[test]
fn a_failure_keeps_its_exit_code_though_nobody_reads_it() {
    let place = Place::lab();
    for (line, code) in [("approve 7 --as bob", 2), ("lst", 2), ("submit nothing --as ada", 1)] {
        let mut child = place.command(&words(line)).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(finish(child).code, Some(code), "{line}");
    }
}

#[test]
fn an_output_that_is_full_is_an_error() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
    let place = Place::lab();
    for line in ["list", "history", "project show", "completions zsh", "verify"] {
        let mut command = place.command(&words(line));
        command.stdout(Stdio::from(full.try_clone().unwrap()));
        let ran: Ran = command.output().unwrap().into();
        ran.fails_well(3, &line);
        assert!(ran.errors.contains("the output cannot be written"), "{line}: {ran}");
    }
}

#[test]
fn an_input_that_ends_early_or_never_comes_is_told() {
    let place = Place::lab();
    place.sh_with("submit patch --input-file - --as ada", "").fails_well(2, &"no input");
    place.sh_with("submit patch --input-file - --as ada", "{").fails_well(2, &"half an input");
    let mut command = place.command(&words("submit patch --input-file - --as ada"));
    command.stdin(Stdio::from(File::open(place.root()).unwrap()));
    Ran::from(command.output().unwrap()).fails_well(2, &"a directory as input");
    let mut child = place
        .command(&words("submit patch --input-file - --as ada"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It reads no further than it must to know that this is too much.
    let piece = vec![b' '; 64 * 1024];
    let written = (0..100).take_while(|_| stdin.write_all(&piece).is_ok()).count();
    assert!(written < 100, "it read {written} pieces");
    finish(child).fails_well(2, &"an endless input");
}

#[test]
fn a_dash_is_standard_output_and_standard_input() {
    let place = Place::lab();
    let exported = place.must("export");
    assert_eq!(place.must("export -"), exported);
    assert!(!place.path("-").exists());
    let ran = place.sh_with("--dir copy import -", exported.clone());
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(place.must("--dir copy export -"), exported);
}
