//! The keys that sign notes: their names, ids and text forms, as C2SP signed-note and Go's
//! `golang.org/x/mod/sumdb/note` define them. Only Ed25519 (type 0x01).
//!
//! The crates that know these formats need an outdated Ed25519 (signed_note 0.2) or bring a whole
//! log with them, so the texts are read and written here; the cryptography is `ed25519-dalek`'s.

use std::{fmt, str::FromStr};

use ed25519_dalek::Signer;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::text::{decode, encode};

/// The signature type of Ed25519 (C2SP signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// What a signing key's text begins with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// The name of a key, and of the log that signs with it: not empty, without spaces, plus signs
/// and control characters (C2SP signed-note, "Format"). A URL without its scheme, such as
/// `example.com/changes`, keeps names of different owners apart.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(Box<str>);

impl KeyName {
    /// The name.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = KeyFailure;

    fn from_str(text: &str) -> Result<Self, KeyFailure> {
        let is_refused = |c: char| c.is_whitespace() || c < ' ' || c == '+';
        if text.is_empty() || text.contains(is_refused) {
            Err(KeyFailure::Name { name: text.to_owned() })
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Which of the keys with one name it is: the first four bytes of
/// `SHA-256(name || 0x0A || type || public key)` (C2SP signed-note, "Signatures"). Short on
/// purpose: it finds a key that is trusted already, and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    fn of(name: &KeyName, key: &ed25519_dalek::VerifyingKey) -> Self {
        let hash = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', ED25519])
            .chain_update(key.as_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        Self([a, b, c, d])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that checks signatures. Its text, the "vkey", is `name+id+key`: the id as 8 hexadecimal
/// digits, the key as Base 64 of the type byte and 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: KeyName,
    id: KeyId,
    key: ed25519_dalek::VerifyingKey,
}

impl PublicKey {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// Whether `signature` was made over `message` with the signing key of this key (RFC 8032
    /// section 5.1.7, and no signature that more than one message or key could have).
    pub(crate) fn is_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = KeyFailure;

    /// Reads a vkey. White space around it, such as the line feed of a file, is no part of it.
    fn from_str(text: &str) -> Result<Self, KeyFailure> {
        let text = text.trim();
        if text.starts_with(PRIVATE) {
            return Err(KeyFailure::Private);
        }
        let form = || KeyFailure::Form { form: "NAME+ID+BASE64" };
        let (name, id, bytes) = parts(text).ok_or_else(form)?;
        let name: KeyName = name.parse()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key_bytes(&bytes)?)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(KeyFailure::NoKey)?;
        let actual = KeyId::of(&name, &key);
        if actual == id {
            Ok(Self { name, id, key })
        } else {
            Err(KeyFailure::Id { stated: id, actual })
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [[ED25519].as_slice(), self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, encode(&bytes))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A key that signs. It is overwritten in memory when it is dropped, and never printed but by
/// [`to_secret_text`](Self::to_secret_text).
#[derive(Clone)]
pub struct SigningKey {
    public: PublicKey,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key that follows from a seed: the 32 bytes that RFC 8032 section 5.1.5 calls the
    /// private key. They must come from a source of randomness that is made for secrets, such as
    /// the operating system's; this crate reads none.
    #[must_use]
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = key.verifying_key();
        Self { public: PublicKey { id: KeyId::of(&name, &public), name, key: public }, key }
    }

    /// The key that checks its signatures.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Reads a signing key's text, which is `PRIVATE+KEY+name+id+key`: the id of its public key,
    /// the key as Base 64 of the type byte and the seed. White space around it is no part of it.
    ///
    /// # Errors
    /// See [`KeyFailure`]; no message contains any of the text after its name.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyFailure> {
        let form = || KeyFailure::Form { form: "PRIVATE+KEY+NAME+ID+BASE64" };
        let text = text.trim().strip_prefix(PRIVATE).ok_or_else(form)?;
        let (name, id, bytes) = parts(text).ok_or_else(form)?;
        let seed = Zeroizing::new(key_bytes(&bytes)?);
        let key = Self::from_seed(name.parse()?, &seed);
        if key.public.id == id {
            Ok(key)
        } else {
            Err(KeyFailure::Id { stated: id, actual: key.public.id })
        }
    }

    /// Its text, to be kept where only the log's owner can read it.
    #[must_use]
    pub fn to_secret_text(&self) -> SecretText {
        let seed = Zeroizing::new(self.key.to_bytes());
        let bytes = Zeroizing::new([[ED25519].as_slice(), seed.as_slice()].concat());
        let key = Zeroizing::new(encode(&bytes));
        let PublicKey { name, id, .. } = &self.public;
        SecretText(Zeroizing::new(format!("{PRIVATE}{name}+{id}+{}", *key)))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}+{}+…)", self.public.name, self.public.id)
    }
}

/// The text of a signing key. It is overwritten in memory when it is dropped, and not shown by
/// `Debug`.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The text, without a line feed at its end.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// `name+id+base64`. A name has no plus sign, but Base 64 can have some.
fn parts(text: &str) -> Option<(&str, KeyId, Zeroizing<Vec<u8>>)> {
    let (name, rest) = text.split_once('+')?;
    let (id, bytes) = rest.split_once('+')?;
    let id = hex::decode(id).ok()?.try_into().ok()?;
    Some((name, KeyId(id), Zeroizing::new(decode(bytes)?)))
}

/// What follows the type byte.
fn key_bytes(bytes: &[u8]) -> Result<[u8; 32], KeyFailure> {
    match bytes {
        [ED25519, key @ ..] => key.try_into().map_err(|_| KeyFailure::NoKey),
        [kind, ..] => Err(KeyFailure::Kind { kind: *kind }),
        [] => Err(KeyFailure::NoKey),
    }
}

/// Why a text is not a key, or not the name of one. No message contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFailure {
    /// A name that is empty, or has spaces, plus signs or control characters.
    #[error("`{name}` cannot be the name of a key")]
    Name {
        /// The name.
        name: String,
    },
    /// The text does not have the form of a key.
    #[error("the key does not have the form `{form}`")]
    Form {
        /// The form.
        form: &'static str,
    },
    /// A signing key where a public key is asked for.
    #[error("this is a signing key, which is a secret, and not a public key")]
    Private,
    /// A key for signatures of another kind.
    #[error("the key is of type 0x{kind:02x}; only Ed25519 (0x01) is known")]
    Kind {
        /// The type byte.
        kind: u8,
    },
    /// The bytes are not an Ed25519 key.
    #[error("its bytes are not an Ed25519 key")]
    NoKey,
    /// The id is not the one that follows from name and key.
    #[error("the key says that its id is {stated}, but its name and bytes have the id {actual}")]
    Id {
        /// What the text says.
        stated: KeyId,
        /// What follows from the rest of the text.
        actual: KeyId,
    },
}

impl KeyFailure {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Name { .. } => {
                "use a URL without its scheme, such as `example.com/changes`: no spaces, no `+`"
            }
            Self::Form { .. } | Self::NoKey | Self::Id { .. } => {
                "copy the whole key again, character for character"
            }
            Self::Private => {
                "ask the log's owner for its public key; if this file was sent to you, tell them, \
                 because the log needs a new key now"
            }
            Self::Kind { .. } => "use the log's own key, not one of a witness",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn key(name: &str) -> SigningKey {
        SigningKey::from_seed(name.parse().unwrap(), &[7; 32])
    }

    #[test]
    fn a_key_comes_back_from_its_text() {
        let key = key("example.com/changes");
        let read = SigningKey::from_secret_text(key.to_secret_text().expose()).unwrap();
        assert_eq!(read.to_secret_text().expose(), key.to_secret_text().expose());
        assert_eq!(read.public_key(), key.public_key());
        let public: PublicKey = format!("{}\n", key.public_key()).parse().unwrap();
        assert_eq!(&public, key.public_key());
    }

    #[test]
    fn the_keys_of_gos_package_note_are_read_and_written() {
        // The keys in the documentation of golang.org/x/mod/sumdb/note.
        let secret =
            "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let key = SigningKey::from_secret_text(secret).unwrap();
        assert_eq!(key.to_secret_text().expose(), secret);
        assert_eq!(key.public_key().to_string(), VKEY);
    }

    #[test]
    fn nothing_prints_a_secret() {
        let key = key("example.com/changes");
        let text = key.to_secret_text();
        let secret = text.expose().rsplit_once('+').unwrap().1;
        for printed in [format!("{key:?}"), format!("{text:?}"), format!("{key:#?}")] {
            assert!(!printed.contains(secret), "{printed}");
        }
        assert_eq!(format!("{text:?}"), "SecretText(…)");
        let damaged = text.expose().replace("AQ", "AA");
        let failure = SigningKey::from_secret_text(&damaged).unwrap_err();
        assert_eq!(failure, KeyFailure::Kind { kind: 0 });
        let refused = text.expose().parse::<PublicKey>().unwrap_err();
        assert_eq!(refused, KeyFailure::Private);
        assert!(!format!("{refused:?} {refused}").contains(secret));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let refused = |text: &str| text.parse::<PublicKey>().unwrap_err();
        let form = KeyFailure::Form { form: "NAME+ID+BASE64" };
        for text in
            ["", "a", "a+b", "a+00000000", "a+0000000+AQ==", "a+00000000+AQ", "a+-0000000+AQ=="]
        {
            assert_eq!(refused(text), form, "{text}");
        }
        assert_eq!(refused("a+00000000+"), KeyFailure::NoKey);
        assert_eq!(refused("a+00000000+AQ=="), KeyFailure::NoKey);
        assert_eq!(refused("a+00000000+BAAA"), KeyFailure::Kind { kind: 4 });
        let name = refused(&VKEY.replace("PeterNeumann", "Peter Neumann"));
        assert_eq!(name, KeyFailure::Name { name: "Peter Neumann".to_owned() });
        assert!(matches!(refused(&VKEY.replace("c74f", "c74e")), KeyFailure::Id { .. }));
        assert!(matches!(refused(&VKEY.replace("Peter", "Pieter")), KeyFailure::Id { .. }));
        // The point of order one, with which every signature of some messages is valid.
        let mut weak = vec![ED25519, 1];
        weak.resize(33, 0);
        assert_eq!(refused(&format!("a+00000000+{}", encode(&weak))), KeyFailure::NoKey);
        for name in ["", "a b", "a\u{a0}b", "a+b", "a\nb", "a\0b"] {
            assert!(name.parse::<KeyName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn every_changed_bit_of_a_key_is_noticed() {
        for at in 0..VKEY.len() {
            for bit in 0..8 {
                let mut bytes = VKEY.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                // The id may be written in upper case.
                if let Ok(key) = text.parse::<PublicKey>() {
                    assert_eq!(key.to_string(), VKEY, "{text}");
                }
            }
        }
    }
}
