//! What the text forms of keys, notes, checkpoints and proofs have in common: how numbers and
//! hashes are written, and how a flaw in a text is told.
//!
//! Each value has exactly one spelling: what is accepted is what would be written. A second
//! spelling would be a change that no signature or hash refuses.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::merkle::Hash;

/// Base 64 as RFC 4648 section 4 defines it, with padding: what all C2SP formats use.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of canonical Base 64: padded, and with zero in the bits that stand for nothing.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    decode(text)?.try_into().ok()
}

/// A number in decimal, without a sign and without leading zeroes.
pub(crate) fn decode_number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

/// A text that is not what it should be: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {flaw}")]
pub struct Malformed {
    /// The line, counted from 1 in the whole text.
    pub line: usize,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl Malformed {
    /// The same flaw in a text that begins `lines` lines further down in a larger one.
    pub(crate) fn below(mut self, lines: usize) -> Self {
        self.line += lines;
        self
    }

    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.flaw.help()
    }
}

/// What is wrong with a line of a note, a checkpoint or a proof file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A control character other than the line feed (C2SP signed-note, "Format").
    #[error("it contains the control character U+{:04X}", u32::from(*.character))]
    ControlCharacter {
        /// The character.
        character: char,
    },
    /// The text ends within a line.
    #[error("the text ends within this line")]
    Unterminated,
    /// No empty line, or nothing after it.
    #[error("there are no signatures after it")]
    NoSignatures,
    /// More signatures than are read.
    #[error("there are more than {} signatures", crate::note::SIGNATURES_MAX)]
    TooManySignatures,
    /// Not a signature line (C2SP signed-note, "Signatures").
    #[error("`{line}` is not a signature")]
    Signature {
        /// The line.
        line: String,
    },
    /// An empty line where there must be none.
    #[error("it is empty")]
    Empty,
    /// A checkpoint of less than three lines (C2SP tlog-checkpoint, "Note text").
    #[error("the checkpoint ends before its size and root")]
    CheckpointTooShort,
    /// Not a number as it must be written.
    #[error("`{text}` is not a number in decimal digits, at most 18446744073709551615")]
    Number {
        /// What stands there.
        text: String,
    },
    /// Not a hash as it must be written.
    #[error("`{text}` is not the Base 64 form of a hash, which has 32 bytes")]
    Hash {
        /// What stands there.
        text: String,
    },
    /// More hashes than a proof can have.
    #[error("there are more than {} hashes", crate::proof::HASHES_MAX)]
    TooManyHashes,
    /// The first line does not name a format that is known.
    #[error("`{text}` is not the first line of a proof")]
    Format {
        /// What stands there.
        text: String,
    },
    /// The line with the event's bytes is not one.
    #[error("`extra` is not followed by Base 64")]
    Extra,
    /// The line with the event's index is missing.
    #[error("`{text}` is not the event's index")]
    Index {
        /// What stands there.
        text: String,
    },
    /// A part of the file is missing.
    #[error("the file ends before {missing}")]
    Ends {
        /// What comes next in a file of this kind.
        missing: &'static str,
    },
}

impl Flaw {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::ControlCharacter { .. } => {
                "fetch the file again, byte for byte: a carriage return (U+000D) means that its \
                 line ends were converted on the way"
            }
            Self::Unterminated | Self::Ends { .. } => {
                "fetch the whole file again, with its last line feed: it was cut off"
            }
            Self::NoSignatures => {
                "after the text come an empty line and signature lines: fetch the whole file again"
            }
            Self::TooManySignatures => "remove signature lines of keys that nobody asks about",
            Self::Signature { .. } => {
                "a signature line is `— NAME BASE64`, with an em dash (U+2014), single spaces and \
                 no space at its end: fetch the file again, byte for byte"
            }
            Self::Empty => "remove the line, or fetch the file again, byte for byte",
            Self::CheckpointTooShort => {
                "a checkpoint has a line each for origin, size and root: fetch it again"
            }
            Self::Number { .. } => {
                "write the number without sign, spaces, separators and leading zeroes"
            }
            Self::Hash { .. } => {
                "it has 44 characters of standard Base 64, the last of them `=`: fetch the file \
                 again, byte for byte"
            }
            Self::TooManyHashes => "no log needs so many: ask for a proof anew",
            Self::Format { .. } => {
                "a proof begins with `c2sp.org/tlog-proof@v1` or `holdpoint consistency 1`: name \
                 another file, or use the version of Holdpoint that wrote this one"
            }
            Self::Extra => "remove the line and name the event's bytes beside the file",
            Self::Index { .. } => "it is the word `index`, a space and the event's sequence less 1",
        }
    }
}

/// Checks what holds for every signed text: whole lines, and no control characters but the line
/// feed (C2SP signed-note, "Format").
pub(crate) fn check_lines(text: &str) -> Result<(), Malformed> {
    for (line, content) in (1..).zip(text.split('\n')) {
        if let Some(character) = content.chars().find(|c| *c < ' ') {
            return Err(Malformed { line, flaw: Flaw::ControlCharacter { character } });
        }
    }
    if text.ends_with('\n') {
        Ok(())
    } else {
        Err(Malformed { line: line_count(text) + 1, flaw: Flaw::Unterminated })
    }
}

/// How many lines end in `text`.
pub(crate) fn line_count(text: &str) -> usize {
    text.matches('\n').count()
}

/// The beginning of a line, for messages: nobody needs a megabyte of it.
pub(crate) fn excerpt(line: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    let mut characters = line.chars();
    let mut start: String = characters.by_ref().take(CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        start.push('…');
    }
    start
}
