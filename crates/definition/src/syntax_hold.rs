//! The shape of `hold` and its conditions.

use crate::{
    diagnostics::DiagnosticCode as Code,
    model::{Approval, Approver, Hold, Need, Rule, SignalWait, Timed, Wait, duration},
    node::{Key, Kind, Node},
    syntax::{Reader, listed},
};

pub(crate) const HOLD: &[&str] = &["approval", "wait", "signal"];
pub(crate) const APPROVAL: &[&str] = &["rules", "not", "expires"];
pub(crate) const RULE: &[&str] = &["when", "from", "qualified", "need"];
pub(crate) const WAIT: &[&str] = &["for", "until"];
pub(crate) const SIGNAL: &[&str] = &["name", "when", "expires"];

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
        let Some(text) = template.literal() else { return Some(Timed::Computed(template)) };
        let read = duration(text);
        if read.is_none() {
            self.findings
                .add(Code::InvalidDuration, &node.span, format!("`{text}` is not a duration"))
                .help(DURATION);
        }
        read.map(Timed::Fixed)
    }
}

/// Reads a hold.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Hold> {
    let fields = reader.fields(node, "a hold", HOLD)?;
    let mut whole = true;
    let mut got = |found: bool| whole &= found;
    let approval = fields.get("approval").and_then(|node| {
        let read = read_approval(node, reader);
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
    if whole && approval.is_none() && wait.is_none() && signal.is_none() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "the hold waits for nothing")
            .help(format!("give at least one of {}", listed(HOLD)));
        return None;
    }
    whole.then_some(Hold { approval, wait, signal })
}

fn read_approval(node: &Node, reader: &mut Reader<'_>) -> Option<Approval> {
    let fields = reader.fields(node, "an approval", APPROVAL)?;
    let rules = fields.need(reader, "rules").and_then(|node| read_rules(node, reader));
    let not_requester = match fields.get("not") {
        None => Some(false),
        Some(node) => read_not(node, reader),
    };
    let expires = read_expires(fields.get("expires"), reader);
    Some(Approval { rules: rules?, not_requester: not_requester?, expires: expires? })
}

fn read_expires(node: Option<&Node>, reader: &mut Reader<'_>) -> Option<Option<Timed>> {
    let Some(node) = node else { return Some(None) };
    match reader.timed(node, "`expires`")? {
        Timed::Fixed(span) if span.is_zero() => {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, "`expires` must be longer than nothing")
                .help("give a duration such as `7d`");
            None
        }
        timed => Some(Some(timed)),
    }
}

fn read_not(node: &Node, reader: &mut Reader<'_>) -> Option<bool> {
    const HELP: &str = "the one exclusion there is: `not: [requester]`";
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, HELP);
        return None;
    };
    let mut whole = true;
    for item in items {
        match &item.kind {
            Kind::Text(text) if text == "requester" => continue,
            Kind::Text(text) => reader
                .findings
                .add(Code::UnknownApprover, &item.span, format!("`{text}` cannot be excluded"))
                .help(HELP),
            _ => reader.wrong(item, HELP),
        }
        whole = false;
    }
    whole.then_some(!items.is_empty())
}

fn read_rules(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Rule>> {
    let Kind::Map(entries) = &node.kind else {
        reader.wrong(node, "`rules` is a mapping from names to rules");
        return None;
    };
    if entries.is_empty() {
        reader
            .findings
            .add(Code::NobodyCanRelease, &node.span, "the approval has no rules")
            .help("add a rule, such as `peer: { from: role:engineer, need: 1 }`");
        return None;
    }
    let read: Vec<_> = entries.iter().map(|(key, node)| read_rule(key, node, reader)).collect();
    read.into_iter().collect()
}

fn read_rule(key: &Key, node: &Node, reader: &mut Reader<'_>) -> Option<Rule> {
    let named = reader.is_name(&key.name, &key.span, "a rule");
    let fields = reader.fields(node, "a rule", RULE)?;
    let when = match fields.get("when") {
        None => Some(None),
        Some(node) => reader.expr(node, &[]).map(Some),
    };
    let from = fields.need(reader, "from").and_then(|node| read_from(node, reader));
    let qualified = match fields.get("qualified") {
        None => Some(None),
        Some(node) => reader.template(node, &[]).map(Some),
    };
    if let (Some(Some(template)), Some(node)) = (&qualified, fields.get("qualified"))
        && let Some(text) = template.literal()
    {
        reader.is_name(text, &node.span, "a qualification");
    }
    let need = fields.need(reader, "need").and_then(|node| read_need(node, reader));
    let span = fields.get("need").map_or_else(|| key.span.clone(), |node| node.span.clone());
    if !named {
        return None;
    }
    Some(Rule {
        name: key.name.clone(),
        when: when?,
        from: from?,
        qualified: qualified?,
        need: need?,
        span,
    })
}

fn read_need(node: &Node, reader: &mut Reader<'_>) -> Option<Need> {
    let Kind::Text(text) = &node.kind else {
        return reader.count(node, "`need`").map(Need::Fixed);
    };
    let template = reader.template(node, &[])?;
    if template.literal().is_some() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`need` cannot be `{text}`"))
            .help("give a whole number of at least 1, or `${…}` with an expression for one");
        return None;
    }
    Some(Need::Computed(template))
}

fn read_from(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Approver>> {
    let one = std::slice::from_ref(node);
    let items = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => one,
    };
    if items.is_empty() {
        reader
            .findings
            .add(Code::NobodyCanRelease, &node.span, "the rule asks nobody")
            .help("name roles or members, such as `from: role:engineer`");
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| read_approver(item, reader)).collect();
    read.into_iter().collect()
}

fn read_approver(node: &Node, reader: &mut Reader<'_>) -> Option<Approver> {
    let Kind::Text(text) = &node.kind else {
        reader.wrong(node, "approvers are named by `role:NAME` or `member:NAME`");
        return None;
    };
    let read = match text.split_once(':') {
        Some(("role", name)) => name.parse().ok().map(Approver::Role),
        Some(("member", name)) => name.parse().ok().map(Approver::Member),
        _ => None,
    };
    if read.is_none() {
        reader
            .findings
            .add(Code::UnknownApprover, &node.span, format!("`{text}` names no approvers"))
            .help("approvers are named by `role:NAME` or `member:NAME`");
    }
    read
}

fn read_wait(node: &Node, reader: &mut Reader<'_>) -> Option<Wait> {
    let fields = reader.fields(node, "a wait", WAIT)?;
    match (fields.get("for"), fields.get("until")) {
        (Some(span), None) => reader.timed(span, "`for`").map(Wait::For),
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
    let name = fields.need(reader, "name").and_then(|node| {
        let name = reader.name(node, "a signal")?;
        if name.starts_with("rollout-") {
            reader
                .findings
                .add(
                    Code::MalformedName,
                    &node.span,
                    format!("the signal `{name}` has a reserved name"),
                )
                .help("signals that begin with `rollout-` steer rollouts: choose another name");
            return None;
        }
        Some(name)
    });
    let when = match fields.get("when") {
        None => Some(None),
        Some(node) => reader.expr(node, &["signal"]).map(Some),
    };
    let expires = read_expires(fields.get("expires"), reader);
    Some(SignalWait { name: name?, when: when?, expires: expires? })
}
