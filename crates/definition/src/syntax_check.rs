//! The shape of `check`: what a hold has looked at from outside.

use jiff::SignedDuration;

use crate::{
    diagnostics::DiagnosticCode as Code,
    health::Health,
    hold_check::{Check, OnFail},
    model::Timed,
    node::{Key, Kind, Node},
    syntax::Reader,
    syntax_health::{self, EVERY_DEFAULT},
    syntax_work::{TIMEOUT_DEFAULT, fixed},
};

/// The keys of every kind of check.
#[cfg(test)]
pub(crate) const CHECK: &[&str] = &[
    "http",
    "expect",
    "tcp",
    "run",
    "with",
    "query",
    "from",
    "pass",
    "fail",
    "when",
    "timeout",
    "every",
    "attempts",
    "on_fail",
    "valid_for",
];
/// The keys of each kind, in the order in which `syntax_health` has the kinds.
const KEYS: [&[&str]; 4] = [
    &["http", "expect", "when", "timeout", "every", "attempts", "on_fail", "valid_for"],
    &["tcp", "when", "timeout", "every", "attempts", "on_fail", "valid_for"],
    &["run", "with", "when", "timeout", "every", "attempts", "on_fail", "valid_for"],
    &[
        "query",
        "from",
        "pass",
        "fail",
        "when",
        "timeout",
        "every",
        "attempts",
        "on_fail",
        "valid_for",
    ],
];

/// Reads checks: a mapping from names to checks.
pub(crate) fn read_checks(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Check>> {
    const HELP: &str = "add one, such as `pipeline: { run: ci-status, every: 5m }`";
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`check` is a mapping from names to checks");
        return None;
    };
    if entries.is_empty() {
        reader.findings.add(Code::MissingKey, &node.span, "there are no checks").help(HELP);
        return None;
    }
    let read: Vec<_> = entries.iter().map(|(key, node)| read_check(key, node, reader)).collect();
    read.into_iter().collect()
}

fn read_check(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<Check> {
    let named = reader.is_name(&key.name, &key.span, "a check");
    let (fields, probe) = syntax_health::read_probe(node, KEYS, "a check", &[], reader)?;
    let when = match fields.get("when") {
        None => Some(None),
        Some(node) => reader.expr(node, &[]).map(Some),
    };
    let timeout = match fields.get("timeout") {
        None => Some(TIMEOUT_DEFAULT),
        Some(node) => fixed(node, "`timeout`", reader),
    };
    let every = span(fields.get("every"), "`every`", reader);
    let valid = span(fields.get("valid_for"), "`valid_for`", reader);
    let attempts = match fields.get("attempts") {
        None => Some(None),
        Some(node) => reader.count(node, "`attempts`").map(Some),
    };
    let on_fail = match fields.get("on_fail") {
        None => Some(OnFail::Wait),
        Some(node) => {
            let text = reader.text(node, "`on_fail`")?;
            let found = OnFail::ALL.into_iter().find(|one| one.as_str() == text);
            if found.is_none() {
                reader
                    .findings
                    .add(Code::WrongKind, &node.span, format!("`on_fail` cannot be `{text}`"))
                    .help("what follows when it fails: `wait`, or `refuse`, which is an outcome of the hold");
            }
            found
        }
    };
    if let (Some(node), None) = (fields.get("attempts"), fields.get("every")) {
        reader
            .findings
            .add(
                Code::AttemptsWithoutEvery,
                &node.span,
                "it is not said when the check is made again",
            )
            .help(
                "add `every`, such as `every: 5m`, or leave `attempts` out: then it is made once",
            );
        return None;
    }
    let (every, on_fail, attempts) = (every?, on_fail?, attempts?);
    if let (OnFail::Refuse, Some(_), None, Some(node)) =
        (on_fail, &every, attempts, fields.get("on_fail"))
    {
        reader
            .findings
            .add(
                Code::NeverRefuses,
                &node.span,
                "the check is made again for as long as it fails, so it never refuses",
            )
            .help("say after how many times it does, such as `attempts: 3`, or leave `every` out");
        return None;
    }
    let health = Health {
        probe: probe?,
        span: Timed::Fixed(SignedDuration::ZERO),
        every: Timed::Fixed(EVERY_DEFAULT),
        failure_limit: 0,
        inconclusive_limit: Some(0),
    };
    named.then_some(Check {
        name: key.name.clone(),
        when: when?,
        health,
        timeout: timeout?,
        every,
        attempts,
        on_fail,
        valid: valid?,
    })
}

/// A duration longer than nothing, or a template for one.
fn span(node: Option<&Node>, what: &str, reader: &mut Reader<'_>) -> Option<Option<Timed>> {
    let Some(node) = node else { return Some(None) };
    match reader.timed(node, what)? {
        Timed::Fixed(span) if span.is_zero() => {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, format!("{what} must be longer than nothing"))
                .help("give a duration such as `5m`");
            None
        }
        span => Some(Some(span)),
    }
}
