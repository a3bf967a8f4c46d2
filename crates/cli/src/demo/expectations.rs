//! What the demo promises: every expectation is checked, told, and kept for the end.

use anstyle::{AnsiColor, Style};

use crate::{failure::Failure, output::print};

/// The expectations that were met so far.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    met: Vec<String>,
}

const MET: Style = AnsiColor::Green.on_default();

impl Expectations {
    /// Checks that `what` is so, and ends the demo when it is not; `seen` is what was seen.
    pub(crate) fn check(
        &mut self,
        what: impl Into<String>,
        met: bool,
        seen: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let what = what.into();
        if !met {
            return Err(Failure::expectation(
                format!("the demo expected that {what}; it saw: {}", seen()),
                "the data directory is left as it is: look at it with `holdpoint history`",
            ));
        }
        print(format!("{MET}checked{MET:#}: {what}\n").as_bytes())?;
        self.met.push(what);
        Ok(())
    }

    /// How many expectations were met.
    pub(crate) fn met(&self) -> usize {
        self.met.len()
    }
}
