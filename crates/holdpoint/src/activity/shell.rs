//! Which of a program's arguments a shell would read as a script.

/// Programs that read the argument behind `-c` as a script.
const SHELLS: [&str; 9] = ["sh", "ash", "bash", "dash", "fish", "ksh", "mksh", "yash", "zsh"];

/// The argument that a shell reads, where one of these words is a shell that is given one, as in
/// `sh -c SCRIPT` and `nice bash -euc SCRIPT`. It is a net and no wall: what a program does with its arguments
/// only it knows.
pub(super) fn script(argv: &[String]) -> Option<&str> {
    let at = argv.iter().position(|word| is_one(word))?;
    let mut behind = argv.iter().map(String::as_str).skip(at.saturating_add(1));
    let mut has_value = false;
    loop {
        let word = behind.next()?;
        if is_option(word) && word.contains('c') {
            return behind.find(|word| !is_option(word));
        }
        // What is no option is the file with the script, unless the option before it takes a value.
        if !is_option(word) && !word.starts_with("--") && !has_value {
            return None;
        }
        has_value = is_option(word) && word.ends_with(['o', 'O']);
    }
}

/// Whether a word names a shell, by its name or its path.
pub(super) fn is_one(word: &str) -> bool {
    word.trim().rsplit('/').next().is_some_and(|name| SHELLS.contains(&name))
}

fn is_option(word: &str) -> bool {
    word.starts_with(['-', '+']) && !word.starts_with("--")
}

/// Whether a shell takes the word that follows this option for a script.
pub(super) fn takes_a_script(option: &str) -> bool {
    match option.strip_prefix("--") {
        Some(long) => long == "command",
        None => option.strip_prefix('-').is_some_and(|letters| {
            letters.contains('c') || letters.eq_ignore_ascii_case("command")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_found_where_a_shell_has_one() {
        for (line, expected) in [
            ("sh -c SCRIPT sh x", Some("SCRIPT")),
            ("/bin/bash -e -uc -x SCRIPT", Some("SCRIPT")),
            ("env A=b nice bash -o pipefail -c SCRIPT", Some("SCRIPT")),
            ("busybox sh -c SCRIPT", Some("SCRIPT")),
            ("sh deploy.sh -x x", None),
            ("sh", None),
            ("sh deploy.sh -c x", None),
            ("sh -x deploy.sh -c x", None),
            ("deploy -c x", None),
            ("bash --norc deploy.sh", None),
        ] {
            let argv: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(script(&argv), expected, "{line}");
        }
    }
}
