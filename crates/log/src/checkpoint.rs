//! Checkpoints: signed heads of a log, as C2SP tlog-checkpoint defines them.

use std::{fmt, str::FromStr};

use holdpoint_core::event::Sequence;

use crate::{
    Head,
    key::{KeyName, PublicKey, SigningKey},
    note::{NoteFailure, Signature, SignedNote},
    text::{Flaw, Malformed, check_lines, decode_hash, decode_number, encode, excerpt},
};

/// What a checkpoint states: how many events a log has, and the root of the tree over them.
/// `Display` and `FromStr` are the text that is signed, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: Head,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// The statement that the log named `origin` has this head.
    #[must_use]
    pub fn new(origin: &KeyName, head: Head) -> Self {
        Self { origin: origin.as_str().to_owned(), head, extensions: Vec::new() }
    }

    /// Which log it is about. Any text but an empty one; of a log of Holdpoint it is the name of
    /// its key.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The log's head: the number of its events, and their root.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// What else was signed: lines that this crate keeps and does not understand. Checkpoints
    /// that it signs have none, because nobody can audit them.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl FromStr for Checkpoint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        check_lines(text)?;
        if let Some((line, _)) = (1..).zip(text.lines()).find(|(_, content)| content.is_empty()) {
            return Err(Malformed { line, flaw: Flaw::Empty });
        }
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            let line = text.lines().count().max(1);
            return Err(Malformed { line, flaw: Flaw::CheckpointTooShort });
        };
        let number = || Malformed { line: 2, flaw: Flaw::Number { text: excerpt(size) } };
        let hash = || Malformed { line: 3, flaw: Flaw::Hash { text: excerpt(root) } };
        Ok(Self {
            origin: origin.to_owned(),
            head: Head {
                sequence: Sequence(decode_number(size).ok_or_else(number)?),
                root: decode_hash(root).ok_or_else(hash)?,
            },
            extensions: lines.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, head, extensions } = self;
        writeln!(f, "{origin}\n{}\n{}", head.sequence, encode(&head.root))?;
        extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint with its signatures. `Display` and `FromStr` are its text form, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: SignedNote,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Signs the head of the log that is named as the key is. A log must never sign two heads
    /// of which neither extends the other (C2SP tlog-checkpoint, "Signatures"); that is the
    /// caller's to keep.
    #[must_use]
    pub fn sign(head: Head, key: &SigningKey) -> Self {
        let checkpoint = Checkpoint::new(key.public_key().name(), head);
        let note = SignedNote::of(checkpoint.to_string(), key);
        Self { note, checkpoint }
    }

    /// Adds a signature that somebody else has made over it, such as a witness.
    pub fn add(&mut self, signature: Signature) {
        self.note.add(signature);
    }

    /// Its text and signatures.
    #[must_use]
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }

    /// What it states, which nobody vouches for before [`open`](Self::open) has succeeded.
    #[must_use]
    pub const fn claimed(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What it states, once its signatures are checked: no signature by one of `keys` is wrong,
    /// and one of them is by a key with the name of its log. Signatures by other keys say
    /// nothing.
    ///
    /// # Errors
    /// See [`CheckpointFailure`].
    pub fn open(&self, keys: &[PublicKey]) -> Result<&Checkpoint, CheckpointFailure> {
        let signers = self.note.verify(keys)?;
        if signers.iter().any(|key| key.name().as_str() == self.checkpoint.origin) {
            Ok(&self.checkpoint)
        } else {
            Err(CheckpointFailure::OtherLog { origin: self.checkpoint.origin.clone() })
        }
    }
}

impl FromStr for SignedCheckpoint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let note: SignedNote = text.parse()?;
        let checkpoint = note.text().parse()?;
        Ok(Self { note, checkpoint })
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

/// Why a checkpoint says nothing to the holder of some keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFailure {
    /// Its signatures do not hold.
    #[error(transparent)]
    Note(#[from] NoteFailure),
    /// It is signed, but not by its log.
    #[error(
        "it is about the log `{origin}`, and none of the given keys of that name has signed it"
    )]
    OtherLog {
        /// The log that it is about.
        origin: String,
    },
}

impl CheckpointFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Note(failure) => failure.help(),
            Self::OtherLog { .. } => {
                "name the key of the log that you ask about, or the file for it"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::from_seed(name.parse().unwrap(), &[seed; 32])
    }

    #[test]
    fn a_checkpoint_counts_only_with_the_key_of_its_log() {
        let (log, witness) = (key("example.com/log", 1), key("witness.example.com", 2));
        let head = Head { sequence: Sequence(7), root: [5; 32] };
        let mut signed = SignedCheckpoint::sign(head, &log);
        let keys = [log.public_key().clone(), witness.public_key().clone()];
        assert_eq!(signed.open(&keys).unwrap().head(), &head);
        let other = SignedNote::sign(signed.note().text(), &witness).unwrap();
        signed.add(other.signatures()[0].clone());
        assert_eq!(signed.to_string().parse(), Ok(signed.clone()));
        assert_eq!(signed.open(&keys).unwrap().origin(), "example.com/log");

        let by_the_witness: SignedCheckpoint = other.to_string().parse().unwrap();
        let failure = by_the_witness.open(&keys).unwrap_err();
        assert_eq!(failure, CheckpointFailure::OtherLog { origin: "example.com/log".to_owned() });
        let failure = by_the_witness.open(&keys[..1]).unwrap_err();
        assert!(matches!(failure, CheckpointFailure::Note(NoteFailure::Unknown { .. })));
    }

    #[test]
    fn extension_lines_are_kept() {
        let text = format!("a log+\n0\n{}\none\n two\n", encode(&[1; 32]));
        let checkpoint: Checkpoint = text.parse().unwrap();
        assert_eq!(checkpoint.extensions(), ["one", " two"]);
        assert_eq!(checkpoint.origin(), "a log+");
        assert_eq!(checkpoint.to_string(), text);
    }

    #[test]
    fn flaws_are_told_with_their_lines() {
        let root = encode(&[1; 32]);
        let flaw = |text: &str| {
            let Malformed { line, flaw } = text.parse::<Checkpoint>().unwrap_err();
            (line, flaw)
        };
        assert_eq!(flaw("a\n1\n"), (2, Flaw::CheckpointTooShort));
        assert_eq!(flaw("\n"), (1, Flaw::Empty));
        assert_eq!(flaw(&format!("a\n1\n{root}\n\nb\n")), (4, Flaw::Empty));
        assert_eq!(flaw(&format!("a\n1\n{root}")), (3, Flaw::Unterminated));
        for size in ["01", "+1", "-1", " 1", "1 ", "1_000", "x", "18446744073709551616", "١"] {
            let expected = (2, Flaw::Number { text: size.to_owned() });
            assert_eq!(flaw(&format!("a\n{size}\n{root}\n")), expected);
        }
        let unpadded = root.trim_end_matches('=');
        let short = encode(&[1; 31]);
        let noncanonical = root.replace("AQE=", "AQF=");
        assert_ne!(noncanonical, root);
        for hash in [unpadded, &short, &noncanonical, "x", "="] {
            let expected = (3, Flaw::Hash { text: hash.to_owned() });
            assert_eq!(flaw(&format!("a\n1\n{hash}\n")), expected);
        }
    }
}
