//! One attempt at an activity, from the shard's side: bounded in time, and in what comes back.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use holdpoint_core::{EffectId, Outcome, RunId};

use crate::{
    activity::{ActivityHandler, Attempt},
    engine::{PAYLOAD_BYTES_MAX, is_too_large},
};

/// How much of an error's text is kept. A longer one could make an event that no log takes.
const ERROR_BYTES_MAX: usize = 4096;

pub(crate) struct AttemptEnd {
    pub run: RunId,
    pub effect: EffectId,
    pub attempt: u32,
    pub outcome: Outcome,
}

/// Does an attempt, within its time.
pub(crate) async fn perform(
    handler: Option<Arc<dyn ActivityHandler>>,
    attempt: Attempt,
) -> AttemptEnd {
    let (run, effect, number) = (attempt.run, attempt.effect.clone(), attempt.attempt);
    let timeout = attempt.timeout;
    let outcome = match handler {
        None => Outcome::Failed {
            error: format!("no activity `{}` is configured here", attempt.activity),
            retryable: false,
        },
        Some(handler) => {
            let work = AssertUnwindSafe(handler.attempt(attempt)).catch_unwind();
            match tokio::time::timeout(timeout.unsigned_abs(), work).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => {
                    Outcome::Failed { error: "the activity panicked".to_owned(), retryable: false }
                }
                Err(_) => Outcome::Failed {
                    error: format!("no answer within {timeout:#}"),
                    retryable: true,
                },
            }
        }
    };
    AttemptEnd { run, effect, attempt: number, outcome: bounded(outcome) }
}

fn bounded(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Completed(output) if is_too_large(&output) => Outcome::Failed {
            error: format!("the output is larger than {PAYLOAD_BYTES_MAX} bytes"),
            retryable: false,
        },
        Outcome::Failed { error, retryable } => Outcome::Failed { error: cut(error), retryable },
        Outcome::Unknown { reason } => Outcome::Unknown { reason: cut(reason) },
        outcome @ Outcome::Completed(_) => outcome,
    }
}

fn cut(mut text: String) -> String {
    let whole = text.len();
    if whole <= ERROR_BYTES_MAX {
        return text;
    }
    let mut end = ERROR_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(&format!("… (cut: {whole} bytes in all)"));
    text
}
