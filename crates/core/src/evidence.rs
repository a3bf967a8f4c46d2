//! Evidence: what a run is shown, such as a test report. A run knows it by its digest; its bytes
//! are kept elsewhere.

use serde::{Deserialize, Serialize};

use crate::{
    id::Digest,
    refusal::{Refusal, RefusalCode},
};

/// The longest name of a file, in bytes, as file systems have it.
const FILE_BYTES_MAX: usize = 255;
/// The longest media type, in bytes: two names of 127 (RFC 6838) and what stands between them.
const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// The longest reference, in bytes.
const REFERENCE_BYTES_MAX: usize = 2048;

/// A piece of evidence, as it is handed in: what is known of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvidence {
    /// The SHA-256 digest of its bytes, which says what it is.
    pub digest: Digest,
    /// How many bytes it has, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The name of the file that it was, without directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its media type, as whoever hands it in says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The URL under which it is kept, where it is not kept beside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl NewEvidence {
    /// Checks the form of what is said of the bytes.
    ///
    /// # Errors
    /// When a member is not of its form.
    pub fn check(&self) -> Result<(), Refusal> {
        let bad = |message: String, needed: &str| {
            Err(Refusal::new(RefusalCode::InvalidInput, message).needs(needed))
        };
        if let Some(file) = &self.file
            && (file.is_empty()
                || file.len() > FILE_BYTES_MAX
                || file.contains(['/', '\\'])
                || file.contains(char::is_control))
        {
            return bad(
                "the name of the file is none".to_owned(),
                "give a name of 1 to 255 bytes, without directories and control characters",
            );
        }
        if let Some(media_type) = &self.media_type
            && !is_media_type(media_type)
        {
            return bad(
                format!("`{media_type}` is not a media type"),
                "give one such as `application/pdf`",
            );
        }
        if let Some(wrong) = self.reference.as_deref().and_then(wrong_reference) {
            return bad(
                wrong.to_owned(),
                "give one such as `https://reports.example.com/4711`, with a host, of at most 2048 bytes",
            );
        }
        if self.size == Some(0) || self.digest == Digest::of(b"") {
            return bad(
                "an empty file shows nothing".to_owned(),
                "attach the file once something is in it",
            );
        }
        if self.reference.is_none() && (self.size.is_none() || self.file.is_none()) {
            return bad(
                "a piece of evidence is a file or a reference".to_owned(),
                "say the name and the size of the file, or the URL under which it is kept",
            );
        }
        Ok(())
    }
}

/// Whether `text` is a media type without parameters, such as `application/pdf` (RFC 6838).
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    text.len() <= MEDIA_TYPE_BYTES_MAX
        && text.split_once('/').is_some_and(|(kind, sub)| is_restricted(kind) && is_restricted(sub))
}

fn is_restricted(name: &str) -> bool {
    name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

/// What is wrong with a reference, which must be a URL (RFC 3986) with a host. Without one it names
/// what only its author's machine has, or, as `javascript:` and `data:` do, what whoever follows it
/// would run.
fn wrong_reference(text: &str) -> Option<&'static str> {
    const NO_URL: &str = "the reference is no URL that others can open";
    let refused = ["javascript", "vbscript", "data", "file"];
    if text.len() > REFERENCE_BYTES_MAX {
        return Some(NO_URL);
    }
    let Ok(uri) = fluent_uri::Uri::parse(text) else { return Some(NO_URL) };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Some(NO_URL);
    };
    if refused.iter().any(|known| uri.scheme().as_str().eq_ignore_ascii_case(known)) {
        return Some(NO_URL);
    }
    authority.has_userinfo().then_some("the reference has credentials, which everybody could read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_from_other_texts() {
        for good in ["application/pdf", "text/plain", "application/vnd.api+json", "x/1"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in
            ["", "pdf", "text/", "/plain", "text/pl ain", "text/plain; charset=utf-8", "a/b/c"]
        {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn a_piece_is_a_file_or_a_reference() {
        let nothing = NewEvidence {
            digest: Digest::of(b"x"),
            size: None,
            file: None,
            media_type: None,
            reference: None,
        };
        let file = |name: &str| NewEvidence {
            size: Some(1),
            file: Some(name.to_owned()),
            ..nothing.clone()
        };
        let reference =
            |url: &str| NewEvidence { reference: Some(url.to_owned()), ..nothing.clone() };
        assert!(nothing.check().is_err());
        assert_eq!(file("report 1.pdf").check(), Ok(()));
        assert_eq!(reference("https://example.com/1?a=b").check(), Ok(()));
        assert_eq!(reference("s3://bucket/key").check(), Ok(()));
        for bad in ["", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            assert!(file(bad).check().is_err(), "{bad}");
        }
        for bad in [
            "",
            "example.com",
            "https:",
            "https://",
            "1s:x",
            "https://:80/",
            "https://u:p@example.com/",
            "https://token@example.com/",
            "https://exa mple",
            "https://\u{e9}",
            "javascript:alert(1)",
            "JavaScript://example.com/%0aalert(1)",
            "data:text/plain,x",
            "file:///etc/passwd",
            "file://localhost/etc/passwd",
        ] {
            assert!(reference(bad).check().is_err(), "{bad}");
        }
        let empty = NewEvidence { size: Some(0), ..file("report.pdf") };
        assert!(empty.check().is_err());
        let digest = Digest::of(b"");
        assert!(NewEvidence { digest, ..reference("https://example.com/1") }.check().is_err());
    }
}
