//! Whether a state whose output an expression uses can have left one by then.

use crate::{
    check,
    diagnostics::{DiagnosticCode as Code, Findings},
    model::{Model, StateKind},
    node::Span,
};

/// An output that an expression uses without asking first whether it is there.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The state in which the expression stands.
    pub(crate) within: String,
    /// The state whose output it uses.
    pub(crate) of: String,
    /// Where it says so.
    pub(crate) span: Span,
}

/// Checks every output that is used.
pub(crate) fn check(model: &Model, findings: &mut Findings) {
    for one in &model.uses {
        let Some(state) = model.states.get(&one.of) else { continue };
        let kind = match &state.kind {
            StateKind::Choose { .. } => Some("a `choose`"),
            StateKind::All(_) => Some("an `all`"),
            StateKind::End { .. } => Some("an `end`"),
            _ => None,
        };
        if let Some(kind) = kind {
            findings
                .add(
                    Code::NoOutput,
                    &one.span,
                    format!("`{}` is {kind}, which leaves no output", one.of),
                )
                .help("what activities answered, runs ended with and signals brought is left");
        } else if !can_come_before(model, &one.of, &one.within) {
            findings
                .add(
                    Code::NoOutput,
                    &one.span,
                    format!("no run has been in `{}` when it comes to `{}`", one.of, one.within),
                )
                .help("name a state that comes before, or ask first: `has(states.NAME) && …`");
        }
    }
}

/// Whether a run can have been in a state when it is in another: a way leads from it, or it is in a
/// branch beside.
fn can_come_before(model: &Model, before: &str, here: &str) -> bool {
    if check::ahead(model, before, false).contains(here) {
        return true;
    }
    let (Some(one), Some(other)) = (model.path(before), model.path(here)) else { return true };
    one.iter().zip(&other).any(|(one, other)| one.all == other.all && one.branch != other.branch)
}
