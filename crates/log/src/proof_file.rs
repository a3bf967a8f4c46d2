//! Proofs as files, which can be checked without the log: with the file, the log's public key
//! and, where the file does not carry it, the event.
//!
//! That an event is in the log is said in the form of C2SP tlog-proof, which has a place for the
//! event's bytes (`extra`). C2SP has no form for consistency, so it is said in one of the same
//! style. `docs/proofs.md` describes both byte by byte.

use std::{fmt, str::FromStr};

use holdpoint_core::event::Sequence;

use crate::{
    Record,
    checkpoint::{Checkpoint, CheckpointFailure, SignedCheckpoint},
    key::PublicKey,
    merkle::{Hash, leaf_hash},
    proof::{ConsistencyProof, HASHES_MAX, InclusionProof, ProofFailure},
    text::{Flaw, Malformed, decode, decode_hash, decode_number, encode, excerpt, line_count},
};

/// The first line of a proof that an event is in the log.
const INCLUSION: &str = "c2sp.org/tlog-proof@v1";

/// The first line of a proof that the log extends an older state of itself.
const CONSISTENCY: &str = "holdpoint consistency 1";

/// The proof that an event is in a log. `Display` and `FromStr` are its text form, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionFile {
    /// The event's stored bytes, where the file carries them. The proof covers them; of a file
    /// that another program made they may be something else, and then do not verify.
    pub event: Option<Box<[u8]>>,
    /// The proof.
    pub proof: InclusionProof,
    /// The head of the log under which the event is.
    pub checkpoint: SignedCheckpoint,
}

/// What a proof that was verified says: this event is in the log that the checkpoint is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included<'p> {
    /// The event, with its place in the log. [`Record::event`] reads it, and checks that it says
    /// the same place.
    pub record: Record,
    /// The state of the log that it was found under.
    pub checkpoint: &'p Checkpoint,
}

impl InclusionFile {
    /// Checks that the log, whose key is among `keys`, has an event with these stored bytes.
    /// `event` is needed when the file does not carry them; when it does, they must be the same.
    ///
    /// # Errors
    /// See [`VerifyFailure`].
    pub fn verify(
        &self,
        event: Option<&[u8]>,
        keys: &[PublicKey],
    ) -> Result<Included<'_>, VerifyFailure> {
        let bytes = match (event, self.event.as_deref()) {
            (Some(given), Some(carried)) if given != carried => {
                return Err(VerifyFailure::OtherEvent);
            }
            (Some(bytes), _) | (None, Some(bytes)) => bytes,
            (None, None) => return Err(VerifyFailure::NoEvent),
        };
        let checkpoint = self.checkpoint.open(keys).map_err(VerifyFailure::Checkpoint)?;
        self.proof.verify(&leaf_hash(bytes), checkpoint.head())?;
        let record = Record { sequence: Sequence(self.proof.index).next(), bytes: bytes.into() };
        Ok(Included { record, checkpoint })
    }
}

impl FromStr for InclusionFile {
    type Err = Malformed;

    fn from_str(file: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::of(file);
        lines.expect_format(INCLUSION)?;
        let mut line = lines.next_line("the event's index")?;
        let event = match line.strip_prefix("extra ") {
            Some(bytes) => {
                let bytes = decode(bytes).ok_or_else(|| lines.flawed(Flaw::Extra))?;
                line = lines.next_line("the event's index")?;
                Some(bytes.into_boxed_slice())
            }
            None => None,
        };
        let index = line
            .strip_prefix("index ")
            .ok_or_else(|| lines.flawed(Flaw::Index { text: excerpt(line) }))?;
        let number = || lines.flawed(Flaw::Number { text: excerpt(index) });
        let index = decode_number(index).ok_or_else(number)?;
        let hashes = lines.hashes("the checkpoint")?;
        let checkpoint = lines.rest.parse().map_err(|flaw: Malformed| flaw.below(lines.number))?;
        Ok(Self { event, proof: InclusionProof { index, hashes }, checkpoint })
    }
}

impl fmt::Display for InclusionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{INCLUSION}")?;
        if let Some(event) = &self.event {
            writeln!(f, "extra {}", encode(event))?;
        }
        writeln!(f, "index {}", self.proof.index)?;
        write_hashes(f, &self.proof.hashes)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// The proof that a log extends an older state of itself. `Display` and `FromStr` are its text
/// form, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyFile {
    /// The proof.
    pub proof: ConsistencyProof,
    /// The older head.
    pub old: SignedCheckpoint,
    /// The newer head.
    pub new: SignedCheckpoint,
}

/// What a proof that was verified says: the newer state has all that the older one had, unchanged,
/// at the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended<'p> {
    /// The older state.
    pub old: &'p Checkpoint,
    /// The newer state.
    pub new: &'p Checkpoint,
}

impl ConsistencyFile {
    /// Checks that the log, whose key is among `keys`, has only grown between the two checkpoints.
    /// `held` is the checkpoint that the caller has kept, and must be the older one. Without it
    /// the answer is about two states that whoever made the file has chosen.
    ///
    /// # Errors
    /// See [`VerifyFailure`].
    pub fn verify(
        &self,
        held: Option<&Checkpoint>,
        keys: &[PublicKey],
    ) -> Result<Extended<'_>, VerifyFailure> {
        let old = self.old.open(keys).map_err(VerifyFailure::Checkpoint)?;
        let new = self.new.open(keys).map_err(VerifyFailure::Checkpoint)?;
        if old.origin() != new.origin() {
            return Err(VerifyFailure::OtherLog {
                old: old.origin().to_owned(),
                new: new.origin().to_owned(),
            });
        }
        let is_held =
            |held: &Checkpoint| held.origin() == old.origin() && held.head() == old.head();
        if !held.is_none_or(is_held) {
            return Err(VerifyFailure::NotHeld);
        }
        self.proof.verify(old.head(), new.head())?;
        Ok(Extended { old, new })
    }
}

impl FromStr for ConsistencyFile {
    type Err = Malformed;

    fn from_str(file: &str) -> Result<Self, Malformed> {
        let mut lines = Lines::of(file);
        lines.expect_format(CONSISTENCY)?;
        let hashes = lines.hashes("the older checkpoint")?;
        // A checkpoint has no empty lines, so the second empty line from here ends the older one:
        // the first is between its text and its signatures.
        let (old, new) = lines
            .rest
            .split_once("\n\n")
            .and_then(|(text, rest)| Some((text, rest.split_once("\n\n")?)))
            .map(|(text, (signatures, new))| (format!("{text}\n\n{signatures}\n"), new))
            .ok_or_else(|| {
                let line = lines.number + line_count(lines.rest);
                Malformed { line, flaw: Flaw::Ends { missing: "the newer checkpoint" } }
            })?;
        let below = lines.number + line_count(&old) + 1;
        Ok(Self {
            proof: ConsistencyProof { hashes },
            old: old.parse().map_err(|flaw: Malformed| flaw.below(lines.number))?,
            new: new.parse().map_err(|flaw: Malformed| flaw.below(below))?,
        })
    }
}

impl fmt::Display for ConsistencyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{CONSISTENCY}")?;
        write_hashes(f, &self.proof.hashes)?;
        write!(f, "\n{}\n{}", self.old, self.new)
    }
}

/// A proof of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofFile {
    /// That an event is in the log.
    Inclusion(InclusionFile),
    /// That the log has only grown.
    Consistency(ConsistencyFile),
}

impl FromStr for ProofFile {
    type Err = Malformed;

    fn from_str(file: &str) -> Result<Self, Malformed> {
        if file.lines().next() == Some(CONSISTENCY) {
            file.parse().map(Self::Consistency)
        } else {
            file.parse().map(Self::Inclusion)
        }
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inclusion(file) => file.fmt(f),
            Self::Consistency(file) => file.fmt(f),
        }
    }
}

fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Hash]) -> fmt::Result {
    hashes.iter().try_for_each(|hash| writeln!(f, "{}", encode(hash)))
}

/// A text that is read line by line.
struct Lines<'t> {
    /// What was not read yet.
    rest: &'t str,
    /// The number of the line that was read last, from 1.
    number: usize,
}

impl<'t> Lines<'t> {
    const fn of(text: &'t str) -> Self {
        Self { rest: text, number: 0 }
    }

    /// The next line, without its line feed; `what` it should be.
    fn next_line(&mut self, what: &'static str) -> Result<&'t str, Malformed> {
        let Some((line, rest)) = self.rest.split_once('\n') else {
            let cut = !self.rest.is_empty();
            let flaw = if cut { Flaw::Unterminated } else { Flaw::Ends { missing: what } };
            return Err(Malformed { line: self.number + 1, flaw });
        };
        self.rest = rest;
        self.number += 1;
        match line.chars().find(|c| *c < ' ') {
            Some(character) => Err(self.flawed(Flaw::ControlCharacter { character })),
            None => Ok(line),
        }
    }

    fn expect_format(&mut self, format: &str) -> Result<(), Malformed> {
        let line = self.next_line("its first line")?;
        if line == format { Ok(()) } else { Err(self.flawed(Flaw::Format { text: excerpt(line) })) }
    }

    /// Lines with hashes, and the empty line after them; `what` comes then.
    fn hashes(&mut self, what: &'static str) -> Result<Vec<Hash>, Malformed> {
        let mut hashes = Vec::new();
        loop {
            let line = self.next_line(what)?;
            if line.is_empty() {
                return Ok(hashes);
            }
            if hashes.len() == HASHES_MAX {
                return Err(self.flawed(Flaw::TooManyHashes));
            }
            let hash = || self.flawed(Flaw::Hash { text: excerpt(line) });
            hashes.push(decode_hash(line).ok_or_else(hash)?);
        }
    }

    /// What is wrong with the line that was read last.
    const fn flawed(&self, flaw: Flaw) -> Malformed {
        Malformed { line: self.number, flaw }
    }
}

/// Why a proof does not show what it is said to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFailure {
    /// A checkpoint in it does not hold.
    #[error("the checkpoint does not count: {0}")]
    Checkpoint(#[source] CheckpointFailure),
    /// The hashes do not lead where they should.
    #[error(transparent)]
    Proof(#[from] ProofFailure),
    /// The file does not carry the event, and it was not given.
    #[error("the file does not carry the event's bytes")]
    NoEvent,
    /// The event that was given is not the one that the file carries.
    #[error("the file carries another event than the one that was given")]
    OtherEvent,
    /// The checkpoints are of different logs.
    #[error("the older checkpoint is about the log `{old}`, the newer one about `{new}`")]
    OtherLog {
        /// The log of the older one.
        old: String,
        /// The log of the newer one.
        new: String,
    },
    /// The proof does not begin with the checkpoint that was kept.
    #[error("the file does not begin with the checkpoint that was kept")]
    NotHeld,
}

impl VerifyFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Checkpoint(failure) => failure.help(),
            Self::Proof(failure) => failure.help(),
            Self::NoEvent => {
                "name a file with the event's line from `holdpoint history --json`, as it was \
                 printed"
            }
            Self::OtherEvent => "check which event you mean: the file's, or the one beside it",
            Self::OtherLog { .. } => "ask for a proof between two checkpoints of one log",
            Self::NotHeld => {
                "ask for a proof since the checkpoint that you have kept, and for no other"
            }
        }
    }
}
