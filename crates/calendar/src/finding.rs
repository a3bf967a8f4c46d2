//! What is wrong with a calendar: where, and what to do about it.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// Names a kind of finding, for ever the same. Each has a page in `docs/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingCode {
            $($(#[$doc])* $name,)*
        }

        impl FindingCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as text, such as `HP2204`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The text is not YAML, or not of the form that a calendar has.
    Malformed = "HP2201";
    /// A text is not a date or a local time.
    Time = "HP2202";
    /// A time zone that the compiled-in zone data does not have.
    UnknownZone = "HP2203";
    /// A recurrence rule that RFC 5545 does not have, or that is not supported.
    Rule = "HP2204";
    /// `starts` is not one of the times that its own rule makes.
    StartOutsideRule = "HP2205";
    /// A length that is none.
    Length = "HP2206";
    /// Something that takes no time at all.
    Empty = "HP2207";
    /// Keys that do not go together, or one that is missing.
    EntryShape = "HP2208";
    /// An exception that excepts nothing.
    IdleException = "HP2209";
    /// A freeze of which an occurrence could vanish.
    VanishingFreeze = "HP2210";
    /// Working days or hours that are none.
    WorkingTime = "HP2211";
    /// More than a calendar may have.
    TooMuch = "HP2212";
    /// A text that is not an iCalendar file.
    NotICalendar = "HP2213";
    /// Something in an iCalendar file that a calendar cannot say.
    NotRepresentable = "HP2214";
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

/// One finding. Every one keeps the calendar from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of finding.
    pub code: FindingCode,
    /// Where in the calendar, such as `windows[0].repeat`; in an iCalendar file which event.
    pub path: String,
    /// Where in the text, when there is one.
    pub place: Option<Place>,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// All findings about one calendar, in the order of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Findings {
    file: String,
    list: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(file: &str, mut list: Vec<Finding>) -> Self {
        list.sort_by_key(|one| (one.place, one.code));
        Self { file: file.to_owned(), list }
    }

    /// The findings, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, one) in self.list.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.file)?;
            if let Some(Place { line, column }) = one.place {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " error[{}]: ", one.code)?;
            if !one.path.is_empty() {
                write!(f, "{}: ", one.path)?;
            }
            writeln!(f, "{}", one.message)?;
            writeln!(f, "help: {}", one.help)?;
        }
        Ok(())
    }
}

/// A finding about one key of an entry, before it is known where the entry stands.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) code: FindingCode,
    /// The key and what follows it, such as `repeat` or `except[2]`; empty for the entry itself.
    pub(crate) at: String,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Fault {
    pub(crate) fn new(
        code: FindingCode,
        at: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, at: at.into(), message: message.into(), help: help.into() }
    }

    /// The finding, when what the fault is about stands at `base`.
    pub(crate) fn under(self, base: &str) -> Finding {
        let Self { code, at, message, help } = self;
        let dot = if base.is_empty() || at.is_empty() || at.starts_with('[') { "" } else { "." };
        Finding { code, path: format!("{base}{dot}{at}"), place: None, message, help }
    }
}
