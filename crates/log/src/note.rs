//! Signed notes, as C2SP signed-note defines them: a text, an empty line, and a line for each
//! signature.
//!
//! The one crate for this format, signed_note 0.2, needs an outdated Ed25519 and an error type
//! without places; it serves as the measure in this crate's tests instead.

use std::{fmt, str::FromStr};

use crate::{
    key::{KeyId, KeyName, PublicKey, SigningKey},
    text::{Flaw, Malformed, check_lines, decode, encode, excerpt, line_count},
};

/// The most signatures that are read in one note. C2SP signed-note asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;

/// What a signature line begins with: an em dash and a space.
const DASH: &str = "— ";

/// A signature line: whose it is, and its bytes. Whether it is valid is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: KeyName,
    /// The id of the key.
    pub id: KeyId,
    /// The signature; for Ed25519 it has 64 bytes. Never empty.
    bytes: Box<[u8]>,
}

impl Signature {
    fn of(text: &str, key: &SigningKey) -> Self {
        let public = key.public_key();
        let bytes = Box::new(key.sign(text.as_bytes()));
        Self { name: public.name().clone(), id: public.id(), bytes }
    }
}

/// Reads a signature line, without its line feed.
impl FromStr for Signature {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let read = || {
            let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
            let bytes = decode(bytes)?;
            let (id, signature) = bytes.split_first_chunk()?;
            let name = name.parse().ok()?;
            (!signature.is_empty()).then(|| Self { name, id: KeyId(*id), bytes: signature.into() })
        };
        let flaw = || Malformed { line: 1, flaw: Flaw::Signature { line: excerpt(line) } };
        read().ok_or_else(flaw)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.0.as_slice(), &self.bytes].concat();
        write!(f, "{DASH}{} {}", self.name, encode(&bytes))
    }
}

/// A text with signatures. `Display` and `FromStr` are its text form, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<Signature>,
}

impl SignedNote {
    /// Signs a text.
    ///
    /// # Errors
    /// When the text does not end with a line feed, or has other control characters.
    pub fn sign(text: &str, key: &SigningKey) -> Result<Self, Malformed> {
        check_lines(text)?;
        Ok(Self::of(text.to_owned(), key))
    }

    /// Signs a text that is known to be whole lines without control characters.
    pub(crate) fn of(text: String, key: &SigningKey) -> Self {
        let signature = Signature::of(&text, key);
        Self { text, signatures: vec![signature] }
    }

    /// Adds a signature that somebody else has made over the same text, such as a witness. It
    /// takes the place of an older one by the same key.
    pub fn add(&mut self, signature: Signature) {
        self.signatures.retain(|one| (&one.name, one.id) != (&signature.name, signature.id));
        self.signatures.push(signature);
    }

    /// Signs the text with another key.
    pub fn countersign(&mut self, key: &SigningKey) {
        self.add(Signature::of(&self.text, key));
    }

    /// The text, with its last line feed. Nobody vouches for it before
    /// [`verify`](Self::verify) has succeeded.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, valid or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Checks the signatures by keys that are known, and answers with those keys, at least one.
    /// Signatures by other keys say nothing (C2SP signed-note, "Signatures").
    ///
    /// # Errors
    /// When none of the keys has signed the text, or a signature by one of them is not valid.
    pub fn verify<'k>(&self, keys: &'k [PublicKey]) -> Result<Vec<&'k PublicKey>, NoteFailure> {
        let mut signers: Vec<&PublicKey> = Vec::new();
        for signature in &self.signatures {
            // Different keys with the same name and id take some 2^32 attempts to make. No
            // signature can be valid under both, so whoever adds one is noticed.
            let known =
                keys.iter().filter(|k| (&k.name(), k.id()) == (&&signature.name, signature.id));
            for key in known {
                if !key.is_signed(self.text.as_bytes(), &signature.bytes) {
                    return Err(NoteFailure::Invalid { name: key.name().clone(), id: key.id() });
                }
                if !signers.contains(&key) {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() {
            Err(NoteFailure::Unknown { signers: self.signers() })
        } else {
            Ok(signers)
        }
    }

    /// Who the signatures say they are by.
    fn signers(&self) -> String {
        let names: Vec<String> =
            self.signatures.iter().map(|one| format!("`{}` ({})", one.name, one.id)).collect();
        names.join(", ")
    }
}

impl FromStr for SignedNote {
    type Err = Malformed;

    fn from_str(note: &str) -> Result<Self, Malformed> {
        check_lines(note)?;
        let none = |line| Malformed { line, flaw: Flaw::NoSignatures };
        // The text may have empty lines; the last one ends it.
        let (text, lines) = note.rsplit_once("\n\n").ok_or_else(|| none(line_count(note)))?;
        let text = format!("{text}\n");
        let above = line_count(&text) + 1;
        if lines.is_empty() {
            return Err(none(above));
        }
        let mut signatures = Vec::new();
        for (number, line) in lines.lines().enumerate() {
            let at = above + number;
            if number == SIGNATURES_MAX {
                return Err(Malformed { line: at + 1, flaw: Flaw::TooManySignatures });
            }
            signatures.push(line.parse().map_err(|flaw: Malformed| flaw.below(at))?);
        }
        Ok(Self { text, signatures })
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// Why a note says nothing to the holder of some keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteFailure {
    /// None of the keys has signed it.
    #[error("none of the given keys has signed it; it says it is signed by {signers}")]
    Unknown {
        /// The names and ids that its signature lines have.
        signers: String,
    },
    /// A signature by one of the keys is not valid: the text or the signature was changed, or
    /// somebody else made it.
    #[error("the signature by `{name}` ({id}) is not valid")]
    Invalid {
        /// The name of the key.
        name: KeyName,
        /// The id of the key.
        id: KeyId,
    },
}

impl NoteFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => {
                "name the key of the log that this is about, as you got it from its owner"
            }
            Self::Invalid { .. } => {
                "do not rely on it: get it again from where it was made, and if that does not \
                 help, treat it as forged"
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

    fn public(keys: &[&SigningKey]) -> Vec<PublicKey> {
        keys.iter().map(|key| key.public_key().clone()).collect()
    }

    #[test]
    fn only_known_keys_count_and_none_of_them_may_be_wrong() {
        let (ada, bob, eve) = (key("ada", 1), key("bob", 2), key("eve", 3));
        let mut note = SignedNote::sign("one\n\ntwo\n", &ada).unwrap();
        note.countersign(&bob);
        note.countersign(&bob);
        assert_eq!(note.signatures().len(), 2, "the later one by the same key counts");
        assert_eq!(note.to_string().parse(), Ok(note.clone()));
        let both = public(&[&bob, &eve, &ada]);
        let signers = note.verify(&both).unwrap();
        assert_eq!(signers, [&both[2], &both[0]], "in the order of the signatures");
        let unknown = note.verify(&public(&[&eve])).unwrap_err();
        assert!(
            matches!(&unknown, NoteFailure::Unknown { signers } if signers.starts_with("`ada` ("))
        );
        // Another key with the name of a known one is another key.
        assert!(matches!(
            note.verify(&public(&[&key("ada", 3)])),
            Err(NoteFailure::Unknown { .. })
        ));

        let forged: SignedNote = note.to_string().replace("two", "too").parse().unwrap();
        for keys in [public(&[&ada]), public(&[&bob]), both] {
            assert!(matches!(forged.verify(&keys), Err(NoteFailure::Invalid { .. })));
        }
        // A valid signature does not make up for one that is not.
        let mut mixed = SignedNote::sign("one\n\ntwo\n", &bob).unwrap();
        mixed.add(forged.signatures()[0].clone());
        assert_eq!(mixed.verify(&public(&[&ada, &bob])).map(|keys| keys.len()), Ok(2));
        mixed.add(Signature { bytes: [0; 64].into(), ..mixed.signatures()[1].clone() });
        assert!(mixed.verify(&public(&[&bob])).is_ok());
        assert!(matches!(mixed.verify(&public(&[&ada, &bob])), Err(NoteFailure::Invalid { .. })));
    }

    #[test]
    fn flaws_are_told_with_their_lines() {
        let line = key("ada", 1);
        let note = SignedNote::sign("one\n\ntwo\n", &line).unwrap().to_string();
        let flaw = |text: &str| {
            let Malformed { line, flaw } = text.parse::<SignedNote>().unwrap_err();
            (line, flaw)
        };
        let control = Flaw::ControlCharacter { character: '\r' };
        assert_eq!(flaw(&note.replace('\n', "\r\n")), (1, control));
        assert_eq!(flaw(note.trim_end()), (5, Flaw::Unterminated));
        assert_eq!(flaw(""), (1, Flaw::Unterminated));
        assert_eq!(flaw("one\ntwo\n"), (2, Flaw::NoSignatures));
        assert_eq!(flaw("one\n\ntwo\n\n"), (4, Flaw::NoSignatures));
        assert_eq!(flaw("one\n\ntwo\n"), (3, Flaw::Signature { line: "two".to_owned() }));
        let signature = note.lines().last().unwrap();
        let many = format!("one\n\n{}", format!("{signature}\n").repeat(SIGNATURES_MAX + 1));
        assert_eq!(flaw(&many), (SIGNATURES_MAX + 3, Flaw::TooManySignatures));
        let most = format!("one\n\n{}", format!("{signature}\n").repeat(SIGNATURES_MAX));
        assert!(most.parse::<SignedNote>().is_ok());
        for damaged in [
            signature.replace('—', "-"),
            signature.replace("ada ", "ada  "),
            signature.replace("ada ", ""),
            signature.replace("ada", "a+a"),
            signature.trim_end_matches('=').to_owned(),
            "— ada AAAAAA==".to_owned(),
            format!("{signature} "),
        ] {
            let text = format!("one\n\n{signature}\n{damaged}\n");
            assert!(matches!(flaw(&text), (4, Flaw::Signature { .. })), "{damaged}");
        }
        assert!(SignedNote::sign("one", &line).is_err());
        assert!(SignedNote::sign("o\tne\n", &line).is_err());
    }
}
