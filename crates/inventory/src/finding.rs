//! What is wrong with an inventory: where, and what to do about it.

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

            /// The code as text, such as `HP2304`.
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
    /// The text is not of the language that it should be in.
    Unreadable = "HP2301";
    /// A text that cannot be the name of an item.
    ItemName = "HP2302";
    /// An item that is given twice.
    Duplicate = "HP2303";
    /// A label that cannot be one, by its name or by its value.
    Label = "HP2304";
    /// A text that cannot be the name of a group.
    GroupName = "HP2305";
    /// A range of hosts that is none.
    Range = "HP2306";
    /// A group or a section that there is not.
    UnknownGroup = "HP2307";
    /// Groups that are in each other.
    GroupCircle = "HP2308";
    /// Something of another shape than it should be.
    Shape = "HP2309";
    /// An item that depends on one there is not.
    UnknownDependency = "HP2310";
    /// Items that depend on each other in a circle.
    DependencyCircle = "HP2311";
    /// More than a project may have.
    TooMuch = "HP2312";
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One finding. Every one keeps the file from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of finding.
    pub code: FindingCode,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// All findings about one file, in the order of its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Findings {
    file: String,
    list: Vec<Finding>,
}

impl Findings {
    /// The findings, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
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
        for (n, Finding { code, line, message, help }) in self.list.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}:{line}: error[{code}]: {message}", self.file)?;
            writeln!(f, "help: {help}")?;
        }
        Ok(())
    }
}

/// Findings while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    list: Vec<Finding>,
}

/// Where a file of many lines is wrong in each, nobody reads on.
const FINDINGS_MAX: usize = 200;

impl Report {
    pub(crate) fn add(
        &mut self,
        code: FindingCode,
        line: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.list.len() < FINDINGS_MAX {
            self.list.push(Finding { code, line, message: message.into(), help: help.into() });
        }
    }

    pub(crate) fn finish(mut self, file: &str) -> Option<Findings> {
        self.list.sort_by_key(|one| (one.line, one.code));
        (!self.list.is_empty()).then(|| Findings { file: file.to_owned(), list: self.list })
    }

    /// For a reader that has found nothing and read nothing.
    pub(crate) fn unexplained(file: &str) -> Findings {
        let finding = Finding {
            code: FindingCode::Unreadable,
            line: 1,
            message: "the file declares nothing".to_owned(),
            help: "docs/items.md says what each format looks like".to_owned(),
        };
        Findings { file: file.to_owned(), list: vec![finding] }
    }
}
