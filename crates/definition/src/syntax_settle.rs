//! The shape of `settle`: what is asked, and who, when nobody knows whether work was done.

use holdpoint_core::{RetryPolicy, project::OWNER};
use jiff::SignedDuration;

use crate::{
    diagnostics::DiagnosticCode as Code,
    hold_model::{Approver, Exclusion},
    model::Settle,
    node::Node,
    rollout_model::Controller,
    settlers::Settlers,
    syntax::{Fields, Reader},
    syntax_approval, syntax_rollout,
    syntax_work::{fixed, read_retry, read_with},
};

pub(crate) const SETTLE: &[&str] = &["run", "with", "timeout", "retry", "from", "not", "qualified"];

const TIMEOUT_DEFAULT: SignedDuration = SignedDuration::from_mins(1);

/// What is asked, and who; either may be left out.
pub(crate) type Read = (Option<Settle>, Option<Settlers>);

/// Reads `settle` of an activity that is called `work`.
pub(crate) fn read(
    node: &Node,
    work: Option<&str>,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<Read> {
    let fields = reader.fields(node, "`settle`", SETTLE)?;
    let check = read_check(&fields, work, also, reader);
    let settlers = read_settlers(&fields, node, reader);
    let (check, settlers) = (check?, settlers?);
    if check.is_none() && settlers.is_none() {
        reader
            .findings
            .add(Code::MissingKey, &node.span, "`settle` says neither what is asked nor who")
            .help("name an activity that only looks (`run`), or who decides (`from`)");
        return None;
    }
    Some((check, settlers))
}

fn read_check(
    fields: &Fields<'_>,
    work: Option<&str>,
    also: &[&'static str],
    reader: &mut Reader<'_>,
) -> Option<Option<Settle>> {
    let asks = ["run", "with", "timeout", "retry"].iter().any(|key| fields.get(key).is_some());
    if !asks {
        return Some(None);
    }
    let run = fields.need(reader, "run").and_then(|node| {
        let name = reader.name(node, "an activity")?;
        if work == Some(name.as_str()) {
            reader
                .findings
                .add(
                    Code::SettlesItself,
                    &node.span,
                    format!("`{name}` is asked whether it was done by being done again"),
                )
                .help(
                    "name an activity that only looks; for work that may be done twice, leave \
                     `settle` out",
                );
            return None;
        }
        Some(name)
    });
    let with = match fields.get("with") {
        None => Some(None),
        Some(node) => read_with(node, also, reader).map(Some),
    };
    let timeout = match fields.get("timeout") {
        None => Some(TIMEOUT_DEFAULT),
        Some(node) => fixed(node, "`timeout`", reader),
    };
    let retry = match fields.get("retry") {
        None => Some(RetryPolicy::never()),
        Some(node) => read_retry(node, reader),
    };
    Some(Some(Settle { run: run?, with: with?, timeout: timeout?, retry: retry? }))
}

fn read_settlers(
    fields: &Fields<'_>,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<Option<Settlers>> {
    let says = ["from", "not", "qualified"].iter().any(|key| fields.get(key).is_some());
    if !says {
        return Some(None);
    }
    let from = match fields.get("from") {
        None => OWNER.parse().ok().map(|owner| vec![Controller::Approver(Approver::Role(owner))]),
        Some(node) => syntax_rollout::read_controllers(node, reader),
    };
    let not = match fields.get("not") {
        None => Some(None),
        Some(node) => syntax_approval::read_not(node, reader).map(Some),
    };
    let qualified = syntax_approval::read_qualified(fields.get("qualified"), reader);
    let (from, not) = (from?, not?);
    let names_requester = from.contains(&Controller::Requester);
    // Nobody settles their own run unless the definition says that they may.
    let not = not.unwrap_or_else(|| match names_requester {
        true => Vec::new(),
        false => vec![Exclusion::Requester],
    });
    if not.contains(&Exclusion::Requester) && !someone(&from, node, reader) {
        return None;
    }
    Some(Some(Settlers { from, not, qualified: qualified? }))
}

/// Whether somebody could settle work where the requester may not.
fn someone(from: &[Controller], node: &Node, reader: &mut Reader<'_>) -> bool {
    let others: Vec<&Controller> =
        from.iter().filter(|one| **one != Controller::Requester).collect();
    match others.as_slice() {
        [] => {
            reader
                .findings
                .add(
                    Code::NobodyCanSettle,
                    &node.span,
                    "only the requester is asked what became of the work, and may not say it",
                )
                .help("name others in `from`, or leave `requester` out of `not`");
            false
        }
        [Controller::Approver(Approver::Member(only)), rest @ ..]
            if rest.iter().all(
                |one| matches!(one, Controller::Approver(Approver::Member(one)) if one == only),
            ) =>
        {
            reader
                .findings
                .add(
                    Code::LoneSettler,
                    &node.span,
                    format!(
                        "nobody could say what became of the work in a run that `{only}` submits"
                    ),
                )
                .help("name a role, or another member, in `from`");
            true
        }
        _ => true,
    }
}
