//! Keeps secrets out of what is recorded of what programs write and servers answer.
//!
//! A secret comes back in the forms that programs give to texts. Those that are finite are known: each of its characters
//! as it stands, escaped as in JSON (also within JSON), or percent-encoded as in addresses and forms; and all of it in
//! base64, alone or within something longer. `docs/activities.md` says exactly which.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

/// What stands for each byte of a secret.
const MASK: u8 = b'*';

/// A secret with fewer bytes is not looked for in base64, where it could be found in anything.
const IN_BASE64_MIN: usize = 8;

/// How often a text is escaped as JSON: once, and within a text of JSON.
const JSON_DEPTH: usize = 2;

/// What must not be recorded.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Known>);

/// The secrets, in all their forms.
#[derive(Default)]
struct Known {
    forms: Vec<Form>,
    /// By each byte, which of the forms may begin with it.
    begins: BTreeMap<u8, Vec<usize>>,
}

/// A text of which each character may be written in several ways.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Form(Vec<BTreeSet<Vec<u8>>>);

/// What there is of a form from a place on.
struct Found {
    /// How many bytes it has at most, if it is there.
    length: Option<usize>,
    /// Whether there could be more of it, had it not been cut off.
    is_open: bool,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.forms.len())
    }
}

impl Secrets {
    /// These values; empty ones are none. Line ends behind one are no part of it: it is often read from a file that
    /// ends with one, and written without.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut forms = BTreeSet::new();
        for value in values {
            let value = value.trim_end_matches(['\r', '\n']);
            if value.is_empty() {
                continue;
            }
            forms.insert(Form::plain(value));
            if value.len() >= IN_BASE64_MIN {
                forms.extend(in_base64(value).map(|text| Form::base64(&text)));
            }
        }
        let forms: Vec<Form> = forms.into_iter().collect();
        let mut known = Known { forms, ..Known::default() };
        for (n, form) in known.forms.iter().enumerate() {
            let firsts: BTreeSet<u8> = form
                .0
                .first()
                .into_iter()
                .flatten()
                .filter_map(|way| way.first().copied())
                .collect();
            for first in firsts {
                known.begins.entry(first).or_default().push(n);
            }
        }
        Self(Arc::new(known))
    }

    /// A text with every secret in it masked, character by character of the mask.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        if self.0.forms.is_empty() {
            return text.to_owned();
        }
        let mut masking = Masking::new(self);
        let mut bytes = masking.take(text.as_bytes());
        bytes.extend(masking.end());
        // What is masked is whole characters, as a secret is.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What there is of any secret at the beginning of `bytes`.
    fn found(&self, bytes: &[u8]) -> Found {
        let mut found = Found { length: None, is_open: false };
        let Some(forms) = bytes.first().and_then(|first| self.0.begins.get(first)) else {
            return found;
        };
        for form in forms.iter().filter_map(|n| self.0.forms.get(*n)) {
            let one = form.found(bytes);
            found.length = found.length.max(one.length);
            found.is_open |= one.is_open;
        }
        found
    }
}

impl Form {
    fn plain(text: &str) -> Self {
        Self(text.chars().map(ways).collect())
    }

    /// A text in base64, where two characters have others in addresses.
    fn base64(text: &str) -> Self {
        let each = text.chars().map(|c| {
            let mut all = ways(c);
            match c {
                '+' => all.extend(ways('-')),
                '/' => all.extend(ways('_')),
                _ => {}
            }
            all
        });
        Self(each.collect())
    }

    /// What there is of it at the beginning of `bytes`.
    fn found(&self, bytes: &[u8]) -> Found {
        let mut ends = BTreeSet::from([0]);
        let mut is_open = false;
        for ways in &self.0 {
            let mut next = BTreeSet::new();
            for end in ends {
                let rest = bytes.get(end..).unwrap_or_default();
                for way in ways {
                    if rest.starts_with(way) {
                        next.insert(end.saturating_add(way.len()));
                    } else {
                        is_open |= way.starts_with(rest);
                    }
                }
            }
            ends = next;
            if ends.is_empty() {
                break;
            }
        }
        Found { length: ends.last().copied(), is_open }
    }
}

/// The ways to write a character: as it stands, escaped, and percent-encoded.
fn ways(c: char) -> BTreeSet<Vec<u8>> {
    let plain = c.to_string();
    let mut all = BTreeSet::from([plain.clone()]);
    let short = match c {
        '"' | '\\' | '/' => Some(c),
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        _ => None,
    };
    all.extend(short.map(|short| format!("\\{short}")));
    let units = c.encode_utf16(&mut [0; 2]).to_vec();
    all.insert(units.iter().map(|unit| format!("\\u{unit:04x}")).collect());
    all.insert(units.iter().map(|unit| format!("\\u{unit:04X}")).collect());
    for _ in 1..JSON_DEPTH {
        let within = all.iter().map(|one| one.replace('\\', r"\\").replace('"', "\\\""));
        all.extend(within.collect::<Vec<_>>());
    }
    all.insert(plain.bytes().map(|byte| format!("%{byte:02x}")).collect());
    all.insert(plain.bytes().map(|byte| format!("%{byte:02X}")).collect());
    if c == ' ' {
        all.insert("+".to_owned());
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// What is always there of a value in base64: of the value alone, also with a line end, and of one that stands anywhere within,
/// or at the end of, something longer. There its first and last characters have bits of their neighbours.
fn in_base64(value: &str) -> impl Iterator<Item = String> {
    let alone = [value.to_owned(), format!("{value}\n")].map(|text| STANDARD_NO_PAD.encode(text));
    let within = (0..3_usize).flat_map(|before| {
        let bytes = [vec![0; before], value.as_bytes().to_vec()].concat();
        let text = STANDARD_NO_PAD.encode(&bytes);
        let shared = before.saturating_mul(8).div_ceil(6);
        let to_end: String = text.chars().skip(shared).collect();
        let mut inside = to_end.clone();
        if !bytes.len().is_multiple_of(3) {
            inside.pop();
        }
        [to_end, inside]
    });
    alone.into_iter().chain(within)
}

/// Masks what is written piece by piece: a secret is found wherever a piece ends. What may be the
/// beginning of one is held back, less than its longest form has.
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
        let mut told = 0;
        while told < self.held_back.len() && !self.mark(told) {
            told = told.saturating_add(1);
        }
        self.tell(told)
    }

    /// What was held back, now that nothing follows.
    pub(super) fn end(mut self) -> Vec<u8> {
        for at in 0..self.held_back.len() {
            self.mark(at);
        }
        self.tell(self.held_back.len())
    }

    /// Marks the secret that begins at `at`, if one does, and says whether it could be a longer one than has come yet.
    fn mark(&mut self, at: usize) -> bool {
        let found = self.secrets.found(self.held_back.get(at..).unwrap_or_default());
        let length = found.length.unwrap_or(0);
        self.is_secret.iter_mut().skip(at).take(length).for_each(|is| *is = true);
        found.is_open
    }

    fn tell(&mut self, up_to: usize) -> Vec<u8> {
        let masked = |(byte, is_secret): (u8, bool)| if is_secret { MASK } else { byte };
        self.held_back.drain(..up_to).zip(self.is_secret.drain(..up_to)).map(masked).collect()
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
    fn a_secret_is_masked_in_every_form_that_is_known() {
        for (value, forms) in [
            ("a/b", &[r"a\/b", "a%2fb", "a%2Fb", r"a\u002fb", r"a\\/b", "%61/%62"][..]),
            ("a&<b", &[r"a\u0026\u003cb", r"a\u0026<b", "a%26%3Cb", r"a\\u0026\\u003Cb"]),
            (
                "sä😀",
                &[
                    r"s\u00e4\ud83d\ude00",
                    r"s\u00E4😀",
                    "s%c3%a4%F0%9F%98%80",
                    r"s\\u00e4\\ud83d\\ude00",
                ],
            ),
            ("p q+r", &["p+q%2Br", "p%20q+r", "p+q+r", r"p\u0020q\u002Br"]),
            (
                "\"\\\n\t",
                &[r#"\"\\\n\t"#, r#"\\\"\\\\\\n\\t"#, r"\u0022\u005c\u000a\u0009", "%22%5C%0a%09"],
            ),
            ("Aladdin:open", &["QWxhZGRpbjpvcGVu", "QWxhZGRpbjpvcGVuCg"]),
            (
                "~~~???>>>",
                &["fn5+Pz8/Pj4+", "fn5-Pz8_Pj4-", r"fn5+Pz8\/Pj4+", "fn5%2BPz8%2fPj4%2b"],
            ),
        ] {
            let secrets = Secrets::new([value.to_owned()]);
            for form in forms.iter().chain([&value]) {
                let (text, masked) = (format!("({form})"), format!("({})", "*".repeat(form.len())));
                assert_eq!(secrets.hide(&text), masked, "{value}: {form}");
                // However it comes.
                let mut masking = Masking::new(&secrets);
                let mut told: Vec<u8> =
                    text.as_bytes().chunks(1).flat_map(|piece| masking.take(piece)).collect();
                told.extend(masking.end());
                assert_eq!(String::from_utf8(told).unwrap(), masked, "{value}: {form}");
            }
        }
        // Within something longer that is in base64, but for what it shares with its neighbours.
        let secrets = Secrets::new(["correct horse".to_owned()]);
        for (before, behind) in [
            ("", ":"),
            ("a", ""),
            ("ad", ""),
            ("ada", ""),
            ("a", ":b"),
            ("ad", ":b"),
            ("ada:", ":"),
        ] {
            let text = STANDARD_NO_PAD.encode(format!("{before}correct horse{behind}"));
            let hidden = secrets.hide(&text);
            let stars = hidden.matches('*').count();
            assert!(
                stars >= 15 && hidden.contains(&"*".repeat(stars)),
                "{before}, {behind}: {hidden}"
            );
        }
        // What is short would be found in anything.
        assert_eq!(Secrets::new(["short-7".to_owned()]).hide("c2hvcnQtNw"), "c2hvcnQtNw");
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
