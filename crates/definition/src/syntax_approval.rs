//! The shape of `approval`: its rules, and what else may be decided about it.

use jiff::SignedDuration;

use crate::{
    diagnostics::DiagnosticCode as Code,
    expr_types::Kinds,
    hold_model::{
        Amended, Approval, Approver, Discharger, Escalate, Exclusion, Named, Need, Remind, Roster,
        Rule, Share, Veto, Witness,
    },
    model::{Term, Timed},
    node::{Key, Kind, Node},
    substitutes::Substitutes,
    syntax::{Fields, Reader},
    syntax_hold::read_expires,
    syntax_window::read_working,
    syntax_work::fixed,
    template::Template,
};

pub(crate) const APPROVAL: &[&str] = &[
    "rules",
    "not",
    "expires",
    "veto",
    "duties",
    "amended",
    "drifted",
    "remind",
    "escalate",
    "substitutes",
];
pub(crate) const RULE: &[&str] =
    &["when", "from", "qualified", "qualified_at", "need", "roster", "after"];
pub(crate) const VETO: &[&str] = &["from", "overrule"];
pub(crate) const REMIND: &[&str] = &["every", "after"];
pub(crate) const ESCALATE: &[&str] = &["after", "to"];
pub(crate) const WITNESS: &[&str] = &["from", "for"];
pub(crate) const DUTIES: &[&str] = &["discharge"];

/// Reads an approval.
pub(crate) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Approval> {
    let fields = reader.fields(node, "an approval", APPROVAL)?;
    let rules = fields.need(reader, "rules").and_then(|node| read_rules(node, reader));
    let not = match fields.get("not") {
        None => Some(Vec::new()),
        Some(node) => read_not(node, reader),
    };
    let expires = read_expires(fields.get("expires"), reader);
    let veto = match fields.get("veto") {
        None => Some(None),
        Some(node) => read_veto(node, reader).map(Some),
    };
    let duties = match fields.get("duties") {
        None => Some(None),
        Some(node) => read_duties(node, reader).map(Some),
    };
    let amended = match fields.get("amended") {
        None => Some(None),
        Some(node) => read_amended(node, reader).map(Some),
    };
    let drifted = match fields.get("drifted") {
        None => Some(None),
        Some(node) => read_drifted(node, reader).map(|policy| Some((policy, node.span.clone()))),
    };
    let remind = match fields.get("remind") {
        None => Some(None),
        Some(node) => read_remind(node, reader).map(Some),
    };
    let escalate = match fields.get("escalate") {
        None => Some(None),
        Some(node) => read_escalate(node, reader).map(Some),
    };
    let substitutes = match fields.get("substitutes") {
        None => Some(None),
        Some(node) => read_substitutes(node, reader).map(Some),
    };
    // Only of durations is it known here which is longer.
    let fixed = |term: Option<&Term>| match term {
        Some(Term::Timed(Timed::Fixed(span))) => Some(*span),
        _ => None,
    };
    if let Some(expires) = fixed(expires.as_ref().and_then(Option::as_ref)) {
        let reminded = fixed(remind.as_ref().and_then(Option::as_ref).map(Remind::term));
        let escalated = escalate.as_ref().and_then(Option::as_ref);
        let escalated = fixed(escalated.map(|escalate| &escalate.after));
        for (what, key, span) in
            [("a reminder", "remind", reminded), ("the escalation", "escalate", escalated)]
        {
            let late = span.is_some_and(|span| span >= expires);
            if let Some(node) = fields.get(key).filter(|_| late) {
                reader
                    .findings
                    .add(
                        Code::NeverComes,
                        &node.span,
                        format!("{what} would come when the hold has expired, so it never does"),
                    )
                    .help(format!("let it come sooner than `expires`, or leave `{key}` out"));
            }
        }
    }
    Some(Approval {
        rules: rules?,
        not: not?,
        expires: expires?,
        veto: veto?,
        duties: duties?,
        amended: amended?,
        drifted: drifted?,
        remind: remind?,
        escalate: escalate?,
        substitutes: substitutes?,
    })
}

/// Reads whom something excludes.
pub(crate) fn read_not(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Exclusion>> {
    let names: Vec<&str> = Exclusion::ALL.iter().map(|one| one.as_str()).collect();
    let help = format!("what can be excluded is {}: `not: [requester]`", names.join(", "));
    let Kind::List(items) = &node.kind else {
        reader.wrong(node, &help);
        return None;
    };
    let mut read = Vec::new();
    for item in items {
        let Kind::Text(text) = &item.kind else {
            reader.wrong(item, &help);
            continue;
        };
        match Exclusion::ALL.into_iter().find(|one| one.as_str() == text) {
            Some(exclusion) => read.push(exclusion),
            None => reader
                .findings
                .add(Code::UnknownApprover, &item.span, format!("`{text}` cannot be excluded"))
                .help(help.clone()),
        }
    }
    (read.len() == items.len()).then_some(read)
}

/// A veto needs an exit besides its author, who may leave.
fn read_veto(node: &Node, reader: &mut Reader<'_>) -> Option<Veto> {
    let fields = reader.fields(node, "a veto", VETO)?;
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let overrule = fields.need(reader, "overrule").and_then(|node| read_approvers(node, reader));
    Some(Veto { from: from?, overrule: overrule? })
}

fn read_drifted(node: &Node, reader: &mut Reader<'_>) -> Option<Amended> {
    match reader.text(node, "`drifted`")? {
        "reset" => Some(Amended::Reset),
        "subset" => Some(Amended::Subset),
        "keep" => Some(Amended::Keep),
        other => {
            reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`drifted` cannot be `{other}`"))
                .help(
                    "what becomes of approvals when the inventory changes the plan: `reset`, \
                     `subset` (they stand while only targets have gone) or `keep`",
                );
            None
        }
    }
}

fn read_amended(node: &Node, reader: &mut Reader<'_>) -> Option<Amended> {
    match reader.text(node, "`amended`")? {
        "reset" => Some(Amended::Reset),
        "subset" => Some(Amended::Subset),
        "keep" => Some(Amended::Keep),
        other => {
            reader
                .findings
                .add(Code::WrongKind, &node.span, format!("`amended` cannot be `{other}`"))
                .help(
                    "what becomes of approvals of an older text: `reset`, `subset` (they stand \
                     while the new one asks for no more) or `keep`",
                );
            None
        }
    }
}

fn read_substitutes(node: &Node, reader: &mut Reader<'_>) -> Option<Substitutes> {
    let text = reader.text(node, "`substitutes`")?;
    let read = Substitutes::ALL.into_iter().find(|one| one.as_str() == text);
    if read.is_none() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`substitutes` cannot be `{text}`"))
            .help(
                "say `never`, or how often one person counts who votes in the place of others: \
                 `once`, or for `each` of them",
            );
    }
    read
}

/// A reminder that comes more often than people look is noise in the history.
const REMIND_EVERY_MIN: SignedDuration = SignedDuration::from_mins(1);

fn read_remind(node: &Node, reader: &mut Reader<'_>) -> Option<Remind> {
    let fields = reader.fields(node, "a reminder", REMIND)?;
    match (fields.get("every"), fields.get("after")) {
        (Some(every), None) => {
            let term = fixed_term(every, "`every`", reader)?;
            if matches!(&term, Term::Timed(Timed::Fixed(span)) if *span < REMIND_EVERY_MIN) {
                reader
                    .findings
                    .add(Code::OutOfRange, &every.span, "`every` is shorter than a minute")
                    .help("give a duration such as `1d`");
                return None;
            }
            Some(Remind::Every(term))
        }
        (None, Some(after)) => fixed_term(after, "`after`", reader).map(Remind::After),
        _ => {
            reader
                .findings
                .add(
                    Code::MissingKey,
                    &node.span,
                    "a reminder needs exactly one of `every` and `after`",
                )
                .help("`every` reminds again and again, `after` once");
            None
        }
    }
}

/// A duration that is written out, or a length of working time.
fn fixed_term(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Term> {
    match &node.kind {
        Kind::Map(_) => read_working(node, reader),
        _ => fixed(node, what, reader).map(|span| Term::Timed(Timed::Fixed(span))),
    }
}

fn read_escalate(node: &Node, reader: &mut Reader<'_>) -> Option<Escalate> {
    let fields = reader.fields(node, "`escalate`", ESCALATE)?;
    let after = fields.need(reader, "after").and_then(|node| fixed_term(node, "`after`", reader));
    let to = fields.need(reader, "to").and_then(|node| read_approvers(node, reader));
    Some(Escalate { after: after?, to: to? })
}

/// Reads a witness point.
pub(crate) fn read_witness(node: &Node, reader: &mut Reader<'_>) -> Option<Witness> {
    let fields = reader.fields(node, "a witness point", WITNESS)?;
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let span = fields.need(reader, "for").and_then(|node| fixed(node, "`for`", reader));
    Some(Witness { from: from?, span: span? })
}

fn read_duties(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Discharger>> {
    let fields = reader.fields(node, "`duties`", DUTIES)?;
    let node = fields.need(reader, "discharge")?;
    let items = items(node);
    if items.is_empty() {
        reader
            .findings
            .add(Code::NobodyCanRelease, &node.span, "nobody could ever discharge a duty")
            .help("name `author`, roles or members, such as `discharge: [author, role:quality]`");
        return None;
    }
    let read: Vec<_> = items
        .iter()
        .map(|item| match &item.kind {
            Kind::Text(text) if text == "author" => Some(Discharger::Author),
            _ => read_approver(item, reader).map(Discharger::Approver),
        })
        .collect();
    read.into_iter().collect()
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
    let from = fields.need(reader, "from").and_then(|node| read_approvers(node, reader));
    let qualified = read_qualified(fields.get("qualified"), reader);
    let at_work = read_qualified_at(&fields, reader);
    let need = fields.need(reader, "need").and_then(|node| read_need(node, reader));
    let roster = read_roster(&fields, need.as_ref(), reader);
    let after = read_after(fields.get("after"), reader);
    let span = fields.get("need").map_or_else(|| key.span.clone(), |node| node.span.clone());
    if !named {
        return None;
    }
    Some(Rule {
        name: key.name.clone(),
        when: when?,
        from: from?,
        qualified: qualified?,
        at_work: at_work?,
        need: need?,
        roster: roster?,
        after: after?,
        span,
    })
}

/// Whether the qualification must be valid when the work begins, too.
fn read_qualified_at(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<bool> {
    let Some(node) = fields.get("qualified_at") else { return Some(false) };
    let at_work = match &node.kind {
        Kind::Text(text) if text == "vote" => false,
        Kind::Text(text) if text == "work" => true,
        _ => {
            reader.wrong(node, "`qualified_at` is `vote` or `work`");
            return None;
        }
    };
    if fields.get("qualified").is_none() {
        reader
            .findings
            .add(
                Code::QualifiedInNothing,
                &node.span,
                "it is said when somebody must be qualified, and not in what",
            )
            .help("say in what: `qualified: network`; or leave `qualified_at` out");
        return None;
    }
    Some(at_work)
}

fn read_need(node: &Node, reader: &mut Reader<'_>) -> Option<Need> {
    let Kind::Text(text) = &node.kind else {
        return reader.count(node, "`need`").map(Need::Fixed);
    };
    match text.as_str() {
        "all" => return Some(Need::Share(Share::All)),
        "majority" => return Some(Need::Share(Share::Majority)),
        _ => {}
    }
    if let Some(number) = text.strip_suffix('%') {
        let percent = number.parse().ok().filter(|percent| (1..=100).contains(percent));
        if percent.is_none() {
            reader
                .findings
                .add(Code::OutOfRange, &node.span, format!("`need` cannot be `{text}`"))
                .help("a percentage is a whole number from 1% to 100%");
        }
        return percent.map(|percent| Need::Share(Share::Percent(percent)));
    }
    let template = reader.template(node, &[])?;
    if template.literal().is_some() {
        reader
            .findings
            .add(Code::WrongKind, &node.span, format!("`need` cannot be `{text}`"))
            .help(
                "give a whole number of at least 1, `all`, `majority`, a percentage such as `60%`, \
                 or `${…}` with an expression for a number",
            );
        return None;
    }
    reader.gives(node, template.kinds(), Kinds::NUMBER, "`need` is a whole number");
    Some(Need::Computed(template))
}

/// A rule that counts a share must say of whom: both answers are common, and neither is expected
/// by everyone.
fn read_roster(
    fields: &Fields<'_>,
    need: Option<&Need>,
    reader: &mut Reader<'_>,
) -> Option<Roster> {
    const HELP: &str = "`roster: opening` counts those who could approve when the hold opened, \
                        `roster: now` those who can at each vote";
    match (fields.get("roster"), need) {
        (Some(node), _) => match reader.text(node, "`roster`")? {
            "opening" => Some(Roster::Opening),
            "now" => Some(Roster::Now),
            other => {
                reader
                    .findings
                    .add(Code::WrongKind, &node.span, format!("`roster` cannot be `{other}`"))
                    .help(HELP);
                None
            }
        },
        (None, Some(Need::Share(_))) => {
            let span = fields.get("need").map(|node| node.span.clone()).unwrap_or_default();
            reader
                .findings
                .add(Code::MissingKey, &span, "the rule counts a share, and does not say of whom")
                .help(HELP);
            None
        }
        (None, _) => Some(Roster::Now),
    }
}

fn read_after(node: Option<&Node>, reader: &mut Reader<'_>) -> Option<Vec<Named>> {
    let Some(node) = node else { return Some(Vec::new()) };
    let read: Vec<_> = items(node)
        .iter()
        .map(|item| {
            let name = reader.text(item, "the name of a rule")?.to_owned();
            Some(Named { name, span: item.span.clone() })
        })
        .collect();
    read.into_iter().collect()
}

/// The items of a list, or the one value that stands for a list of one.
pub(crate) fn items(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// In what somebody must be qualified, where it is said.
pub(crate) fn read_qualified(
    node: Option<&Node>,
    reader: &mut Reader<'_>,
) -> Option<Option<Template>> {
    let Some(node) = node else { return Some(None) };
    let template = reader.template(node, &[])?;
    if let Some(text) = template.literal() {
        reader.is_name(text, &node.span, "a qualification");
    }
    Some(Some(template))
}

/// Whom something asks: one or several, never none.
pub(crate) fn read_approvers(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Approver>> {
    let items = items(node);
    if items.is_empty() {
        reader
            .findings
            .add(Code::NobodyCanRelease, &node.span, "nobody is named here")
            .help("name roles or members, such as `role:engineer`");
        return None;
    }
    let read: Vec<_> = items.iter().map(|item| read_approver(item, reader)).collect();
    read.into_iter().collect()
}

pub(crate) fn read_approver(node: &Node, reader: &mut Reader<'_>) -> Option<Approver> {
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
            .help(match text.strip_prefix("group:") {
                Some(name) => format!(
                    "a role is what a group is: write `role:{name}`, and grant it to its members"
                ),
                None => "approvers are named by `role:NAME` or `member:NAME`".to_owned(),
            });
    }
    read
}
