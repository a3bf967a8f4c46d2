//! The shape of `hold` and its conditions.

use jiff::SignedDuration;

use crate::{
    diagnostics::DiagnosticCode as Code,
    expr_types::Kinds,
    hold_model::{Hold, SignalWait, Wait},
    model::{Term, Timed, duration, is_out_of_range},
    node::{Kind, Node, Span},
    senders::Senders,
    syntax::{Reader, listed},
    syntax_approval, syntax_check, syntax_conflicts, syntax_evidence, syntax_lock, syntax_task,
    syntax_window,
};

pub(crate) const HOLD: &[&str] = &[
    "approval",
    "witness",
    "evidence",
    "task",
    "check",
    "wait",
    "signal",
    "conflicts",
    "lock",
    "window",
    "not_during",
    "waiver",
    "expires",
];
pub(crate) const WAIT: &[&str] = &["for", "until"];
pub(crate) const SIGNAL: &[&str] = &["name", "from", "not", "qualified", "when", "expires"];

const DURATION: &str = "durations are such as `90s`, `10m`, `2h 30m` or `7d`; a day has 24 hours";

impl Reader<'_> {
    /// A duration, or a template that gives one.
    pub(crate) fn timed(&mut self, node: &Node, what: &str) -> Option<Timed> {
        let template = match &node.kind {
            Kind::Text(_) => self.template(node, &[])?,
            _ => {
                self.findings
                    .add(Code::InvalidDuration, &node.span, format!("{what} is not a duration"))
                    .help(DURATION);
                return None;
            }
        };
        let Some(text) = template.literal() else {
            self.gives(
                node,
                template.kinds(),
                Kinds::TEXT,
                &format!("{what} is a duration such as `10m`"),
            );
            return Some(Timed::Computed(template));
        };
        self.duration(text, &node.span).map(Timed::Fixed)
    }

    /// A duration, written out.
    pub fn duration(&mut self, text: &str, span: &Span) -> Option<SignedDuration> {
        let read = duration(text);
        if read.is_none() && is_out_of_range(text) {
            let negative = text.trim_start().starts_with('-');
            let what = if negative { "less than nothing" } else { "longer than any time" };
            self.findings
                .add(Code::OutOfRange, span, format!("`{text}` is {what}"))
                .help("a duration is at least `0s`, and less than 10,000 years");
        } else if read.is_none() {
            self.findings
                .add(Code::InvalidDuration, span, format!("`{text}` is not a duration"))
                .help(DURATION);
        }
        read
    }

    /// A duration, a template that gives one, or a length of working time.
    pub(crate) fn term(&mut self, node: &Node, what: &str) -> Option<Term> {
        match &node.kind {
            Kind::Map(_) => syntax_window::read_working(node, self),
            _ => self.timed(node, what).map(Term::Timed),
        }
    }
}

/// Reads a hold.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Hold> {
    let fields = reader.fields(node, "a hold", HOLD)?;
    let mut whole = true;
    let mut got = |found: bool| whole &= found;
    let approval = fields.get("approval").and_then(|node| {
        let read = syntax_approval::read(node, reader);
        got(read.is_some());
        read
    });
    let witness = fields.get("witness").and_then(|node| {
        let read = syntax_approval::read_witness(node, reader);
        got(read.is_some());
        read
    });
    let evidence = match fields.get("evidence") {
        None => Vec::new(),
        Some(node) => {
            let read = syntax_evidence::read(node, reader);
            got(read.is_some());
            read.unwrap_or_default()
        }
    };
    let tasks = match fields.get("task") {
        None => Vec::new(),
        Some(node) => {
            let read = syntax_task::read_tasks(node, reader);
            got(read.is_some());
            read.unwrap_or_default()
        }
    };
    let checks = match fields.get("check") {
        None => Vec::new(),
        Some(node) => {
            let read = syntax_check::read_checks(node, reader);
            got(read.is_some());
            read.unwrap_or_default()
        }
    };
    let waiver = fields.get("waiver").and_then(|node| {
        let read = syntax_task::read_waiver(node, reader);
        got(read.is_some());
        read
    });
    let wait = fields.get("wait").and_then(|node| {
        let read = read_wait(node, reader);
        got(read.is_some());
        read
    });
    let signal = fields.get("signal").and_then(|node| {
        let read = read_signal(node, reader);
        got(read.is_some());
        read
    });
    let conflicts = fields.get("conflicts").and_then(|node| {
        let read = syntax_conflicts::read(node, reader);
        got(read.is_some());
        read
    });
    let lock = fields.get("lock").and_then(|node| {
        let read = syntax_lock::read(node, reader);
        got(read.is_some());
        read
    });
    let window = syntax_window::read(&fields, reader);
    got(window.is_some());
    let window = window.flatten();
    let expires = read_expires(fields.get("expires"), reader);
    got(expires.is_some());
    let waits = approval.is_some()
        || witness.is_some()
        || !evidence.is_empty()
        || !tasks.is_empty()
        || !checks.is_empty()
        || wait.is_some()
        || signal.is_some()
        || conflicts.is_some()
        || lock.is_some()
        || window.is_some();
    if whole && !waits {
        let conditions: Vec<&str> =
            HOLD.iter().copied().filter(|key| !["expires", "waiver"].contains(key)).collect();
        reader
            .findings
            .add(Code::MissingKey, &node.span, "the hold waits for nothing")
            .help(format!("give at least one of {}", listed(&conditions)));
        return None;
    }
    let expires = expires.flatten();
    whole.then_some(Hold {
        approval,
        witness,
        evidence,
        tasks,
        checks,
        waiver,
        wait,
        signal,
        conflicts,
        lock,
        window,
        expires,
    })
}

pub(crate) fn read_expires(node: Option<&Node>, reader: &mut Reader<'_>) -> Option<Option<Term>> {
    let Some(node) = node else { return Some(None) };
    match reader.term(node, "`expires`")? {
        Term::Timed(Timed::Fixed(span)) if span.is_zero() => {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, "`expires` must be longer than nothing")
                .help("give a duration such as `7d`");
            None
        }
        term => Some(Some(term)),
    }
}

fn read_wait(node: &Node, reader: &mut Reader<'_>) -> Option<Wait> {
    let fields = reader.fields(node, "a wait", WAIT)?;
    match (fields.get("for"), fields.get("until")) {
        (Some(span), None) => reader.term(span, "`for`").map(Wait::For),
        (None, Some(until)) => {
            let template = reader.template(until, &[])?;
            if let Some(text) = template.literal()
                && text.parse::<jiff::Timestamp>().is_err()
            {
                reader
                    .findings
                    .add(Code::WrongKind, &until.span, format!("`{text}` is not a time"))
                    .help(
                        "times are such as `2026-03-01T22:00:00Z` or `2026-03-01T22:00:00+01:00`",
                    );
                return None;
            }
            reader.gives(until, template.kinds(), Kinds::TEXT, "`until` is a time, as a text");
            Some(Wait::Until(template))
        }
        _ => {
            reader
                .findings
                .add(Code::MissingKey, &node.span, "a wait needs exactly one of `for` and `until`")
                .help("`for` takes a duration, `until` a time");
            None
        }
    }
}

fn read_signal(node: &Node, reader: &mut Reader<'_>) -> Option<SignalWait> {
    let fields = reader.fields(node, "a signal", SIGNAL)?;
    let name = fields.need(reader, "name").and_then(|node| reader.name(node, "a signal"));
    let from = match fields.get("from") {
        None => Some(Vec::new()),
        Some(node) => syntax_approval::read_approvers(node, reader),
    };
    let not = match fields.get("not") {
        None => Some(Vec::new()),
        Some(node) => syntax_approval::read_not(node, reader),
    };
    let qualified = syntax_approval::read_qualified(fields.get("qualified"), reader);
    let when = match fields.get("when") {
        None => Some(None),
        Some(node) => reader.expr(node, &["signal"]).map(Some),
    };
    let expires = read_expires(fields.get("expires"), reader);
    let senders = Senders { from: from?, not: not?, qualified: qualified? };
    Some(SignalWait { name: name?, senders, when: when?, expires: expires? })
}
