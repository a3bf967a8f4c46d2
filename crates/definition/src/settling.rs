//! What a definition says about work of which nobody knows whether it was done.

use holdpoint_core::{QualificationName, SettleCheck, Settling};
use serde_json::Value;

use crate::{expr::Vars, model::Work, template::COMPUTED_BYTES_MAX};

/// Whether the check, and people, can be asked: what is computed for that must not fail when it is
/// needed.
pub(crate) fn check(work: &Work, vars: &Vars<'_>) -> Result<(), String> {
    if let Some(qualified) = work.settlers.as_ref().and_then(|one| one.qualified.as_ref()) {
        let domain: Result<QualificationName, _> = qualified.render_text(vars)?.parse();
        domain.map_err(|error| format!("in `qualified` of `settle`: {error}"))?;
    }
    match work.settle.as_ref().and_then(|settle| settle.with.as_ref()) {
        Some(with) => with
            .render(vars, COMPUTED_BYTES_MAX)
            .map(drop)
            .map_err(|reason| format!("in `settle`: {reason}")),
        None => Ok(()),
    }
}

/// What is to be done when nobody knows how an attempt at the work ended. `input` is what its
/// worker is given.
pub(crate) fn of(work: &Work, input: &Value, vars: &Vars<'_>) -> Settling {
    let check = work.settle.as_ref().and_then(|settle| {
        let input = match &settle.with {
            None => input.clone(),
            // It was filled in with the same values when the work was asked for.
            Some(with) => with_target(with.render(vars, usize::MAX).ok()?, vars),
        };
        let (name, timeout, retry) = (settle.run.clone(), settle.timeout, settle.retry.clone());
        Some(Box::new(SettleCheck { name, input, timeout, retry }))
    });
    Settling { check, repeatable: work.repeatable }
}

/// What a worker is given besides what the definition says: the target, in a rollout.
pub(crate) fn with_target(mut input: Value, vars: &Vars<'_>) -> Value {
    if let (Some(members), Some(target)) = (input.as_object_mut(), vars.target) {
        members.insert("target".to_owned(), target.into());
    }
    input
}
