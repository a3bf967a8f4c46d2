//! Keeps secrets out of what is recorded of what programs write and servers answer.

use serde_json::Value;

use super::http::percent_encoded;

/// What stands for each byte of a secret.
const MASK: u8 = b'*';

/// The values that must not be recorded, the longest first.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Vec<u8>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// These values, also as they stand in JSON and in an address; empty ones are none. Line ends behind one
    /// are no part of it: it is often read from a file that ends with one, and written without.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut all = Vec::new();
        for value in values {
            let value = value.trim_end_matches(['\r', '\n']);
            let quoted = Value::from(value).to_string();
            let in_json = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let in_json = in_json.unwrap_or(value);
            for form in [value, in_json, &percent_encoded(value)] {
                all.push(form.as_bytes().to_owned());
            }
        }
        all.retain(|value| !value.is_empty());
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        all.dedup();
        Self(all)
    }

    /// A text with every secret in it masked, character by character of the mask.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut masking = Masking::new(self);
        let mut bytes = masking.take(text.as_bytes());
        bytes.extend(masking.end());
        // What is masked is whole characters, as a secret is.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How much of the end of `bytes` may be the beginning of one.
    fn begun_in(&self, bytes: &[u8]) -> usize {
        let begins = |secret: &Vec<u8>| {
            let most = secret.len().saturating_sub(1).min(bytes.len());
            (1..=most).rev().find(|length| {
                let (end, begin) = (bytes.len().saturating_sub(*length), secret.get(..*length));
                bytes.get(end..) == begin
            })
        };
        self.0.iter().filter_map(begins).max().unwrap_or(0)
    }
}

/// Masks what is written piece by piece: a secret is found wherever a piece ends. What may be the
/// beginning of one is held back, less than the longest has.
#[derive(Debug)]
pub(super) struct Masking<'a> {
    secrets: &'a Secrets,
    held_back: Vec<u8>,
    /// Which of these bytes belong to a secret that is known already.
    is_secret: Vec<bool>,
}

impl<'a> Masking<'a> {
    pub(super) const fn new(secrets: &'a Secrets) -> Self {
        Self { secrets, held_back: Vec::new(), is_secret: Vec::new() }
    }

    /// Takes the next piece, and gives what can be told by now. Each byte of a secret is replaced: so
    /// nothing moves, and what is cut off afterwards cannot leave the beginning of one.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held_back.extend_from_slice(piece);
        self.is_secret.resize(self.held_back.len(), false);
        for secret in &self.secrets.0 {
            let found = self.held_back.windows(secret.len()).enumerate();
            for (at, _) in found.filter(|(_, part)| part == secret) {
                self.is_secret.iter_mut().skip(at).take(secret.len()).for_each(|is| *is = true);
            }
        }
        let told = self.held_back.len().saturating_sub(self.secrets.begun_in(&self.held_back));
        let masked = |(byte, is_secret): (u8, bool)| if is_secret { MASK } else { byte };
        self.held_back.drain(..told).zip(self.is_secret.drain(..told)).map(masked).collect()
    }

    /// What was held back, now that nothing follows.
    pub(super) fn end(self) -> Vec<u8> {
        let masked = |(byte, is_secret): (u8, bool)| if is_secret { MASK } else { byte };
        self.held_back.into_iter().zip(self.is_secret).map(masked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_is_masked_wherever_it_stands() {
        let secrets = Secrets::new(["s3cret\r\n".into(), "et-7".into(), "\n".into(), "ä".into()]);
        for (text, expected) in [
            ("", ""),
            ("s3cret", "******"),
            ("as3crets3cretb", "a************b"),
            // Two that overlap.
            ("s3cret-7!", "********!"),
            ("s3cre", "s3cre"),
            ("ä", "**"),
        ] {
            // However it comes: whole, byte by byte, and in two pieces.
            let bytes = text.as_bytes();
            for first in 0..=bytes.len() {
                let (before, behind) = bytes.split_at(first);
                let mut pieces = vec![before];
                pieces.extend(behind.chunks(if first == 0 { 1 } else { bytes.len() }));
                let mut masking = Masking::new(&secrets);
                let mut told: Vec<u8> =
                    pieces.into_iter().flat_map(|piece| masking.take(piece)).collect();
                told.extend(masking.end());
                assert_eq!(String::from_utf8(told).unwrap(), expected);
            }
        }
        assert!(!format!("{secrets:?}").contains("s3cret"));
        assert_eq!(secrets.hide("ä s3cret!"), "** ******!");
        let quoted = Secrets::new(["\"a b".to_owned()]);
        assert_eq!(quoted.hide("\"a b \\\"a b %22a%20b \""), "**** ***** ******** \"");
    }

    #[test]
    fn no_more_is_held_back_than_may_begin_a_secret() {
        let secrets = Secrets::new(["s3cret".into(), "et-7".into()]);
        let mut masking = Masking::new(&secrets);
        for (piece, told) in
            [("a s3", "a "), ("cre", ""), ("t", "****"), ("-", ""), ("8\n", "**-8\n"), ("s", "")]
        {
            assert_eq!(String::from_utf8(masking.take(piece.as_bytes())).unwrap(), told, "{piece}");
        }
        assert_eq!(masking.end(), b"s");
    }
}
