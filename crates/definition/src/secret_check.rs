//! What looks like a secret that is written out. A definition is stored for ever and read by everybody in the
//! project, so a token that stands in it is known from then on.
//!
//! Only what hardly can be anything else is told: tokens that say themselves what they are, private keys,
//! credentials of a request, and passwords in addresses. A password that looks like any word is not found.

use crate::{
    diagnostics::{DiagnosticCode as Code, Findings},
    node::{Kind, Node},
};

/// How tokens begin that say what they are, and how many characters follow at least.
const PREFIXES: [(&str, usize); 12] = [
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("sk_live_", 16),
    ("hvs.", 20),
    ("AKIA", 16),
    ("npm_", 30),
    ("AIza", 30),
];

/// The schemes of credentials in a request's header.
const SCHEMES: [&str; 2] = ["Bearer ", "Basic "];

/// How long such credentials are at least, in characters.
const CREDENTIALS_MIN: usize = 16;

/// Warns of each text of the file that looks like a secret.
pub(crate) fn check(root: &Node, findings: &mut Findings) {
    match &root.kind {
        Kind::Text(text) => {
            if let Some(what) = secret(text) {
                findings
                    .add(
                        Code::SecretWritten,
                        &root.span,
                        format!("this looks like {what}, and everybody who reads the definition reads it"),
                    )
                    .help(
                        "let the operator keep it, as `${env:NAME}` in holdpoint.toml; and replace it by another, \
                         if it was in use",
                    );
            }
        }
        Kind::List(items) => items.iter().for_each(|item| check(item, findings)),
        Kind::Map(entries) => entries.iter().for_each(|(_, value)| check(value, findings)),
        Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => {}
    }
}

/// What kind of secret a text looks like, if it does.
fn secret(text: &str) -> Option<&'static str> {
    let token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let run = |text: &str| text.chars().take_while(|c| token(*c)).count();
    // What is a word has no digits in it.
    let digits = |text: &str| text.chars().take_while(|c| token(*c)).any(|c| c.is_ascii_digit());
    let follows = |prefix: &str, at_least: usize| {
        text.match_indices(prefix).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at.saturating_add(prefix.len())..).unwrap_or_default();
            !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                && run(after) >= at_least
                && digits(after)
        })
    };
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if PREFIXES.iter().any(|(prefix, at_least)| follows(prefix, *at_least)) {
        return Some("a token");
    }
    if SCHEMES.iter().any(|scheme| follows(scheme, CREDENTIALS_MIN)) {
        return Some("credentials");
    }
    has_password(text).then_some("an address with a password in it")
}

/// Whether an address names a user and a password, neither of them filled in later.
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|after| {
        let authority = after.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty() && !password.contains("${"))
    })
}
