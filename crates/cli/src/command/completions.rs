//! `holdpoint completions` and `holdpoint manpage`: what shells and readers of manuals ask for,
//! made from the command line as it is parsed.

use std::{io, path::Path};

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::{
    arguments::Arguments,
    failure::Failure,
    output::{Answer, count},
};

/// The script that completes the command line in `shell`.
pub(crate) fn completions(shell: Shell) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), "holdpoint", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Failure::storage(format!("BUG: the script is no text: {error}"), ""))?;
    Answer::new(script.clone(), &json!({ "shell": shell.to_string(), "script": script }))
}

/// The command line without what is only there for the program itself.
fn visible() -> clap::Command {
    let all = Arguments::command();
    clap::Command::new("holdpoint")
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments().cloned())
        .subcommands(all.get_subcommands().filter(|one| !one.is_hide_set()).cloned())
}

/// Writes a manual page for the program and each of its commands into `directory`.
pub(crate) fn manpage(directory: &Path) -> Result<Answer, Failure> {
    let failed = |error: io::Error| {
        Failure::usage(
            format!("the pages cannot be written into `{}`: {error}", directory.display()),
            "name a directory that can be written to, or can be made",
        )
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut pages = Vec::new();
    write_pages(Arguments::command(), directory, &mut pages).map_err(failed)?;
    pages.sort();
    let number = count(pages.len() as u64, "page");
    let directory = directory.display().to_string();
    let text = format!("wrote {number} into {directory}\nnext: `man {directory}/holdpoint.1`\n");
    Answer::new(text, &json!({ "directory": directory, "pages": pages }))
}

fn write_pages(
    command: clap::Command,
    directory: &Path,
    pages: &mut Vec<String>,
) -> Result<(), io::Error> {
    let mut open = vec![command.disable_help_subcommand(true)];
    if let Some(command) = open.first_mut() {
        command.build();
    }
    while let Some(command) = open.pop() {
        open.extend(command.get_subcommands().filter(|one| !one.is_hide_set()).cloned());
        let page = clap_mangen::Man::new(command);
        page.generate_to(directory)?;
        pages.push(page.get_filename());
    }
    Ok(())
}
