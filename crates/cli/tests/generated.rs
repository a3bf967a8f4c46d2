//! `completions` and `manpage`: what is made for shells and for `man`.

use std::{fs, process::Command};

use crate::common::Place;

#[test]
fn every_shell_gets_a_script() {
    let place = Place::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.must(&format!("completions {shell}"));
        for word in ["definitions", "qualify", "input-file", "until-idle"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        for hidden in ["demo-machine", "bench-part"] {
            assert!(!script.contains(hidden), "{shell}: what is hidden is not offered");
        }
        assert_eq!(place.ask(&format!("completions {shell}"))["script"], script);
        place.write("script", &script);
        // Where a shell is there that can read a script without running it, it must accept it.
        if matches!(shell, "bash" | "zsh" | "fish")
            && let Ok(read) = Command::new(shell).arg("-n").arg(place.path("script")).output()
        {
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
    place.sh("completions tcsh").fails_well(2, &"tcsh");
    place.sh("completions").fails_well(2, &"no shell");
}

#[test]
fn bash_completes_commands_and_values() {
    let place = Place::empty();
    place.write("script", place.must("completions bash"));
    let complete = |words: &str, current: &str, previous: &str| {
        let script = format!(
            "source ./script; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _holdpoint holdpoint '{current}' '{previous}'; echo ${{COMPREPLY[@]}}"
        );
        let ran = Command::new("bash").arg("-c").arg(script).current_dir(place.root()).output();
        ran.ok().map(|ran| String::from_utf8(ran.stdout).unwrap().trim().to_owned())
    };
    // A machine without bash has nothing to complete.
    let Some(commands) = complete("holdpoint def", "def", "holdpoint") else { return };
    assert_eq!(commands, "definitions");
    assert_eq!(complete("holdpoint list --status st", "st", "--status").unwrap(), "stuck");
}

#[test]
fn every_command_gets_a_page() {
    let place = Place::empty();
    let answer = place.ask("manpage pages/man1");
    let pages: Vec<_> =
        answer["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap()).collect();
    for page in ["holdpoint.1", "holdpoint-submit.1", "holdpoint-project-member-add.1"] {
        assert!(pages.contains(&page), "{page}: {pages:?}");
    }
    assert!(
        !pages.iter().any(|page| page.contains("machine") || page.contains("part")),
        "{pages:?}"
    );
    for page in pages {
        let text = fs::read_to_string(place.path("pages/man1").join(page)).unwrap();
        for part in [".TH ", ".SH NAME", ".SH SYNOPSIS"] {
            assert!(text.contains(part), "{page}: {part}");
        }
    }
    // Made again in the same place, the pages are replaced.
    assert!(place.must("manpage pages/man1").ends_with("next: `man pages/man1/holdpoint.1`\n"));
    place.write("file", "");
    for into in ["file", "file/inside", "/proc/none"] {
        place.sh(&format!("manpage {into}")).fails_well(2, &into);
    }
}
