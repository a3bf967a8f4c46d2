//! What commands answer with, as text for people or as JSON for programs.

use std::io::{self, BufWriter, IsTerminal, Write};

use comfy_table::{Table, presets};
use console::{Term, truncate_str};
use holdpoint::core::Digest;
use indicatif::ProgressDrawTarget;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{failure::Failure, relay::caller};

/// A command's answer, in both forms.
#[derive(Debug)]
pub(crate) struct Answer {
    text: String,
    json: Value,
}

impl Answer {
    /// An answer; `text` ends with a line break.
    pub(crate) fn new(text: impl Into<String>, json: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self { text: text.into(), json: serde_json::to_value(json)? })
    }

    /// Prints the answer in the form that was asked for.
    pub(crate) fn print(&self, json: bool) -> Result<(), Failure> {
        let text = if json {
            format!("{}\n", serde_json::to_string_pretty(&self.json)?)
        } else {
            self.text.clone()
        };
        print(text.as_bytes())
    }
}

/// Writes to standard output; what is data goes nowhere else.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    if let Some(caller) = caller::current() {
        return Ok(caller.output(bytes)?);
    }
    let mut out = anstream::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes to standard error, as far as somebody reads it.
pub(crate) fn tell(text: &str) {
    drop(match caller::current() {
        Some(caller) => caller.errors(text.as_bytes()),
        None => anstream::stderr().write_all(text.as_bytes()),
    });
}

/// Standard output for much data, byte for byte.
pub(crate) fn data() -> Box<dyn Write> {
    match caller::current() {
        Some(caller) => Box::new(BufWriter::with_capacity(64 * 1024, caller.data())),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    }
}

/// Tells how many lines and columns a terminal has now.
pub(crate) type AskSize = Box<dyn Fn() -> (u16, u16)>;

/// Standard output as something to draw on, and how many lines and columns it has now; nothing where it
/// is no terminal.
pub(crate) fn picture() -> Option<(ProgressDrawTarget, AskSize)> {
    match caller::current() {
        Some(caller) => caller.terminal().map(|terminal| {
            let target = ProgressDrawTarget::term_like(Box::new(terminal));
            (target, Box::new(move || caller.size()) as _)
        }),
        None if io::stdout().is_terminal() => {
            Some((ProgressDrawTarget::stdout(), Box::new(|| Term::stdout().size())))
        }
        None => None,
    }
}

/// Standard error as something to show progress on; nothing is shown where it is no terminal.
pub(crate) fn progress() -> ProgressDrawTarget {
    let Some(caller) = caller::current() else { return ProgressDrawTarget::stderr() };
    caller.error_terminal().map_or_else(ProgressDrawTarget::hidden, |terminal| {
        ProgressDrawTarget::term_like(Box::new(terminal))
    })
}

/// The beginning of a digest, which tells it from others at sight.
pub(crate) fn short(digest: &Digest) -> String {
    const DIGITS: usize = 8;
    let text = digest.to_string();
    let (algorithm, digits) = text.split_once(':').unwrap_or_default();
    format!("{algorithm}:{}…", digits.chars().take(DIGITS).collect::<String>())
}

/// User's text as one line of ours: what would break the line, steer the terminal or change the
/// order of what is read is written as an escape, and so is what nobody sees, so that no text can pass for another.
pub(crate) fn line(text: &str) -> String {
    if !text.contains(|c| steers(c) || joins(c)) {
        return text.to_owned();
    }
    let mut before = ' ';
    let mut escape = |c: char| {
        let stands = !steers(c) && !(joins(c) && (before.is_ascii() || joins(before)));
        before = c;
        if stands { c.to_string() } else { c.escape_default().to_string() }
    };
    text.chars().map(&mut escape).collect()
}

/// A line of a program's output as a terminal shows it when it has ended: what went to the beginning of
/// its line again has replaced what stood there.
pub(crate) fn at_its_end(line: &str) -> &str {
    line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default()
}

/// Whether a terminal obeys the character, or shows nothing, instead of showing it: controls, ends of lines, and Unicode's
/// format characters (`Cf`) but for those that have a form of their own, as signs of numbers in Arabic and joints of
/// hieroglyphs do, and those that join.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether the character joins its neighbours, or keeps them apart: Persian and Indic scripts and emoji cannot be written
/// without. After what is ASCII, or after another, it says nothing and hides.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// How many columns of a terminal a text takes in a table that has others beside it.
const CELL_WIDTH_MAX: usize = 60;

/// Text for a table, without the end of what is long: a list has a line for each. It is whole with `--json`.
pub(crate) fn cut(text: &str) -> String {
    truncate_str(&line(text), CELL_WIDTH_MAX, "…").into_owned()
}

/// A table without lines.
pub(crate) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| line(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A time as people read it: UTC, to the second.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_within_its_line() {
        for (text, expected) in [
            ("Größe 🚀", "Größe 🚀"),
            ("fine\n  2026-01-05  ada  approved", "fine\\n  2026-01-05  ada  approved"),
            ("\u{1b}[2J\u{9b}2J\u{7f}\r\t", "\\u{1b}[2J\\u{9b}2J\\u{7f}\\r\\t"),
            ("a\u{202e}b\u{2066}c\u{2028}d", "a\\u{202e}b\\u{2066}c\\u{2028}d"),
            ("a\u{200b}d\u{ad}a\u{feff}\u{e0061}", "a\\u{200b}d\\u{ad}a\\u{feff}\\u{e0061}"),
            ("a\u{200d}da\u{200c}", "a\\u{200d}da\\u{200c}"),
            ("\u{200d}x می\u{200c}خواهم 👩\u{200d}🔧", "\\u{200d}x می\u{200c}خواهم 👩\u{200d}🔧"),
            ("م\u{200c}\u{200c}م", "م\u{200c}\\u{200c}م"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn what_is_long_is_cut_where_others_stand_beside_it() {
        let fits = "x".repeat(CELL_WIDTH_MAX);
        assert_eq!(cut(&fits), fits);
        assert_eq!(cut(&format!("{fits}y")), format!("{}…", "x".repeat(CELL_WIDTH_MAX - 1)));
        assert_eq!(cut(&"日".repeat(50)), format!("{}…", "日".repeat(29)));
        assert_eq!(cut("a\nb"), "a\\nb");
    }

    #[test]
    fn a_table_has_a_line_a_row() {
        let rows = vec![vec!["1".to_owned(), "a\nb".to_owned()]];
        assert_eq!(table(&["N", "TEXT"], rows), "N  TEXT\n1  a\\nb\n");
    }
}
