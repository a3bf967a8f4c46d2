//! The shape of `healthy`: the check of a target's health.

use jiff::SignedDuration;

use crate::{
    address::{could_be_reachable, is_address},
    diagnostics::DiagnosticCode as Code,
    health::{Comparison, FAILURE_LIMIT_DEFAULT, Health, Probe},
    model::Timed,
    node::{Kind, Node},
    syntax::{Fields, Reader, listed},
    template::Tree,
};

/// The keys of every kind of check.
#[cfg(test)]
pub(crate) const HEALTHY: &[&str] = &[
    "http",
    "expect",
    "tcp",
    "run",
    "with",
    "query",
    "from",
    "pass",
    "fail",
    "for",
    "every",
    "failure_limit",
    "inconclusive_limit",
];
const HTTP: &[&str] = &["http", "expect", "for", "every", "failure_limit", "inconclusive_limit"];
const TCP: &[&str] = &["tcp", "for", "every", "failure_limit", "inconclusive_limit"];
const RUN: &[&str] = &["run", "with", "for", "every", "failure_limit", "inconclusive_limit"];
const QUERY: &[&str] =
    &["query", "from", "pass", "fail", "for", "every", "failure_limit", "inconclusive_limit"];

pub(crate) const EVERY_DEFAULT: SignedDuration = SignedDuration::from_secs(1);

/// How the probe of one kind of check is read.
type ReadProbe = fn(&Fields<'_>, &[&'static str], &mut Reader<'_>) -> Option<Probe>;

/// Each kind of check: the key that says it, what it is called, and its reader.
const KINDS: [(&str, &str, ReadProbe); 4] = [
    ("http", "a check by `http`", http),
    ("tcp", "a check by `tcp`", tcp),
    ("run", "a check by `run`", run),
    ("query", "a check by `query`", query),
];

/// Reads what a check of some kind looks at, and gives its fields: `keys` are those of each kind.
/// `also` are the variables besides those that there are everywhere.
pub(crate) fn read_probe<'n>(
    node: &'n Node,
    keys: [&[&str]; 4],
    what: &str,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<(Fields<'n>, Option<Probe>)> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, &format!("{what} is a mapping, such as `{{ run: ci-status }}`"));
        return None;
    };
    let has = |key: &str| entries.iter().any(|(name, _)| name.name == key);
    let kinds: Vec<_> = KINDS.into_iter().zip(keys).filter(|((key, ..), _)| has(key)).collect();
    let [((_, kind, probe), keys)] = kinds.as_slice() else {
        reader
            .findings
            .add(
                Code::MissingKey,
                &node.span,
                format!("{what} has exactly one of `http`, `tcp`, `run` and `query`"),
            )
            .help("such as `{ http: \"http://status.example/health\" }`");
        return None;
    };
    let fields = reader.fields(node, kind, keys)?;
    let probe = probe(&fields, also, reader);
    Some((fields, probe))
}

/// Reads a health check.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Health> {
    let keys = [HTTP, TCP, RUN, QUERY];
    let (fields, probe) = read_probe(node, keys, "a health check", &["target"], reader)?;
    let span = match fields.get("for") {
        None => Some(Timed::Fixed(SignedDuration::ZERO)),
        Some(node) => reader.timed(node, "`for`"),
    };
    let every = match fields.get("every") {
        None => Some(Timed::Fixed(EVERY_DEFAULT)),
        Some(node) => reader.timed(node, "`every`"),
    };
    let failure_limit = match fields.get("failure_limit") {
        None => Some(FAILURE_LIMIT_DEFAULT),
        Some(node) => limit(node, "`failure_limit`", reader),
    };
    let inconclusive_limit = match fields.get("inconclusive_limit") {
        None => Some(None),
        Some(node) => limit(node, "`inconclusive_limit`", reader).map(Some),
    };
    Some(Health {
        probe: probe?,
        span: span?,
        every: every?,
        failure_limit: failure_limit?,
        inconclusive_limit: inconclusive_limit?,
    })
}

/// How many are borne: none is a number, too.
fn limit(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<u32> {
    let Kind::Int(number) = node.kind else {
        reader.wrong(node, &format!("{what} is a whole number: how many in a row are borne"));
        return None;
    };
    let limit = u32::try_from(number).ok();
    if limit.is_none() {
        reader
            .findings
            .add(Code::OutOfRange, &node.span, format!("{what} cannot be {number}"))
            .help("give a whole number of at least 0: with one more than that it is over");
    }
    limit
}

/// A host as it may be written: the target's, where there is one.
fn host(also: &[&'static str]) -> &'static str {
    if also.contains(&"target") { "${target}" } else { "db.example" }
}

fn http(fields: &Fields<'_>, also: &[&'static str], reader: &mut Reader<'_>) -> Option<Probe> {
    let url = fields.need(reader, "http").and_then(|node| {
        let template = reader.template(node, also)?;
        let start = template.literal_start();
        if start.starts_with("http://") || start.starts_with("https://") {
            return Some(template);
        }
        reader
            .findings
            .add(
                Code::WrongKind,
                &node.span,
                "the address begins neither with `http://` nor with `https://`",
            )
            .help(format!("write its beginning out, such as `https://{}/health`", host(also)));
        None
    });
    let expect = match fields.get("expect") {
        None => Some(200),
        Some(node) => reader.count(node, "`expect`").and_then(|status| {
            let status = u16::try_from(status).ok().filter(|status| (100..600).contains(status));
            if status.is_none() {
                reader
                    .findings
                    .add(Code::OutOfRange, &node.span, "`expect` is not an HTTP status")
                    .help("give a status from 100 to 599, such as 200");
            }
            status
        }),
    };
    Some(Probe::Http { url: url?, expect: expect? })
}

fn tcp(fields: &Fields<'_>, also: &[&'static str], reader: &mut Reader<'_>) -> Option<Probe> {
    let node = fields.need(reader, "tcp")?;
    let template = reader.template(node, also)?;
    if let Some(text) = template.literal().filter(|text| !is_address(text)) {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`{text}` is not HOST:PORT"))
            .help(format!("give a host and a port, such as `{}:5432`", host(also)));
        return None;
    }
    if !could_be_reachable(&template) {
        let text = template.text();
        reader
            .findings
            .add(Code::NeverAnAddress, &node.span, format!("nothing can be reached at `{text}`"))
            .help(format!(
                "give a host and a port from 1 to 65535, such as `{}:5432`, `10.0.0.1:80` or \
                 `[::1]:80`",
                host(also)
            ));
    }
    Some(Probe::Tcp(template))
}

fn run(fields: &Fields<'_>, also: &[&'static str], reader: &mut Reader<'_>) -> Option<Probe> {
    let run = fields.need(reader, "run").and_then(|node| reader.name(node, "an activity"));
    let with = match fields.get("with") {
        None => Some(Tree::empty()),
        Some(node) if matches!(node.kind, Kind::Map(_)) => reader.tree(node, also),
        Some(node) => {
            reader.wrong(node, "`with` is a mapping: what the worker is given");
            None
        }
    };
    Some(Probe::Run { run: run?, with: with? })
}

fn query(fields: &Fields<'_>, also: &[&'static str], reader: &mut Reader<'_>) -> Option<Probe> {
    let query = fields.need(reader, "query").and_then(|node| reader.template(node, also));
    let from = fields.need(reader, "from").and_then(|node| reader.name(node, "a metrics server"));
    let pass = fields.need(reader, "pass").and_then(|node| comparison(node, reader));
    let fail = match fields.get("fail") {
        None => Some(None),
        Some(node) => comparison(node, reader).map(|fail| Some((fail, node))),
    };
    let (pass, fail) = (pass?, fail?);
    if let Some((fail, node)) = fail.filter(|(fail, _)| fail.overlaps(pass)) {
        reader
            .findings
            .add(
                Code::BothGoodAndBad,
                &node.span,
                format!("a value could be good (`{pass}`) and bad (`{fail}`) at once"),
            )
            .help("let `fail` begin where `pass` has ended, or leave it out: then what is not good is bad");
    }
    Some(Probe::Query { query: query?, from: from?, pass, fail: fail.map(|(fail, _)| fail) })
}

fn comparison(node: &Node, reader: &mut Reader<'_>) -> Option<Comparison> {
    let text = reader.text(node, "a comparison")?;
    let read = Comparison::parse(text);
    if read.is_none() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`{text}` is no comparison with a number"))
            .help(format!(
                "such as `< 0.01`; the operators are {}",
                listed(&Comparison::operators())
            ));
    }
    read
}
