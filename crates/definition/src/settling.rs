//! What a definition says about work of which nobody knows whether it was done.

use holdpoint_core::{SettleCheck, Settling};
use serde_json::Value;

use crate::{expr::Vars, model::Work, template::COMPUTED_BYTES_MAX};

/// Whether the check can be asked: what it is given must not fail to be filled in when it is
/// needed.
pub(crate) fn check(work: &Work, vars: &Vars<'_>) -> Result<(), String> {
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
