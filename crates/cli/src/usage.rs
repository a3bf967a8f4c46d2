//! What the parser of the command line has to say, in the form of every other failure.

use std::{error::Error, process::ExitCode};

use clap::error::{ContextKind, ErrorKind};

use crate::failure::Failure;

/// Says what the parser has to say instead of arguments: help, the version, or what is wrong.
pub(crate) fn answer(error: &clap::Error) -> ExitCode {
    // What could not be parsed says all the same in which form its answer is wanted.
    let json = std::env::args_os().take_while(|one| one != "--").any(|one| one == "--json");
    let kind = error.kind();
    let is_help = kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json;
    let failure = failure(error);
    if !error.use_stderr() || is_help {
        // When nobody reads the help or the version any more, nothing is lost.
        drop(error.print());
    } else {
        failure.tell(json);
    }
    if error.use_stderr() { ExitCode::from(failure.code()) } else { ExitCode::SUCCESS }
}

/// The parser's error as a failure of ours.
fn failure(error: &clap::Error) -> Failure {
    let rendered = error.render().to_string();
    let mut paragraphs = rendered.split("\n\n").map(str::trim_end);
    let first = paragraphs.next().unwrap_or_default();
    let mut message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
    let mut help: Vec<String> = Vec::new();
    for paragraph in paragraphs {
        if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            help.push(format!("the usage is `{usage}`"));
        }
        help.extend(
            paragraph
                .lines()
                .filter_map(|line| line.trim_start().strip_prefix("tip: "))
                .map(str::to_owned),
        );
    }
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "no command was given".clone_into(&mut message);
            help = vec!["`holdpoint --help` lists the commands".to_owned()];
        }
        ErrorKind::InvalidUtf8 => {
            "an argument is not UTF-8 text".clone_into(&mut message);
        }
        ErrorKind::InvalidValue => {
            // The values that there are follow in a line of their own.
            if let Some((what, values)) = message.split_once('\n') {
                let values = values.trim().trim_matches(['[', ']']).to_owned();
                help.push(values.replacen("possible values", "it is one of", 1));
                message = what.to_owned();
            }
        }
        ErrorKind::ValueValidation => {
            if let (Some(argument), Some(reason)) =
                (error.get(ContextKind::InvalidArg), error.source())
            {
                let reason = reason.to_string();
                let reason = match reason.as_str() {
                    // What the standard library says of a number that is none.
                    "invalid digit found in string" | "cannot parse integer from empty string" => {
                        "expected a whole number".to_owned()
                    }
                    _ => reason,
                };
                message = format!("`{argument}`: {reason}");
            }
        }
        _ => {}
    }
    // Everywhere else what was typed stands between backticks.
    if error.kind() != ErrorKind::ValueValidation && message.matches('\'').count().is_multiple_of(2)
    {
        message = message.replace('\'', "`");
    }
    if help.is_empty() {
        help.push("`--help` after a command explains its arguments".to_owned());
    }
    Failure::usage_with(message, help)
}
