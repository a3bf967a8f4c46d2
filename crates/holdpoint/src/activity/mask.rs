//! Keeps secrets out of what is recorded of a program's output.

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
    /// These values; empty ones are none. Line ends behind one are no part of it: it is often read
    /// from a file that ends with one, and written without.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let values =
            values.into_iter().map(|value| value.trim_end_matches(['\r', '\n']).to_owned());
        let mut values: Vec<Vec<u8>> =
            values.map(String::into_bytes).filter(|value| !value.is_empty()).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    /// How long the longest is, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    /// Replaces every secret in `bytes`, byte by byte: so nothing moves, and what is cut off
    /// afterwards cannot leave the beginning of one.
    pub(super) fn mask(&self, bytes: &mut [u8]) {
        let mut places = Vec::new();
        for secret in &self.0 {
            let found = bytes.windows(secret.len()).enumerate();
            places
                .extend(found.filter(|(_, part)| part == secret).map(|(at, _)| (at, secret.len())));
        }
        for (at, length) in places {
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = MASK);
        }
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
            let mut bytes = text.as_bytes().to_vec();
            secrets.mask(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
        assert_eq!(secrets.longest(), 6);
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }
}
