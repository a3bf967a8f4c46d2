//! One attempt at an activity, from the shard's side: bounded in time, and in what comes back.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use holdpoint_core::{Action, EffectId, Outcome, RetryPolicy, RunId, Settlement};

use jiff::{SignedDuration, Timestamp};

use crate::{
    activity::{ActivityHandler, Attempt, Life},
    clock::Clock,
    engine::{PAYLOAD_BYTES_MAX, is_too_large},
};

/// How much of an error's text is kept. A longer one could make an event that no log takes.
const ERROR_BYTES_MAX: usize = 4096;

/// What is known now about an attempt.
pub(crate) struct AttemptEnd {
    pub run: RunId,
    pub effect: EffectId,
    pub action: Action,
}

/// Does an attempt, within its time.
pub(crate) async fn perform(handler: Arc<dyn ActivityHandler>, attempt: Attempt) -> AttemptEnd {
    let (run, effect, number) = (attempt.run, attempt.effect.clone(), attempt.attempt);
    let outcome = once(&*handler, attempt).await;
    let action = Action::AttemptEnded { effect: effect.clone(), attempt: number, outcome };
    AttemptEnd { run, effect, action }
}

/// Asks whether an attempt was done whose end nobody knows. What cannot be asked is asked again, as
/// often as `retry` says.
pub(crate) async fn settle(
    handler: Arc<dyn ActivityHandler>,
    attempt: Attempt,
    retry: RetryPolicy,
    clock: Arc<dyn Clock>,
) -> AttemptEnd {
    let (run, effect, number) = (attempt.run, attempt.effect.clone(), attempt.attempt);
    let mut failures = 0_u32;
    let settlement = loop {
        let (detail, retryable) = match once(&*handler, attempt.clone()).await {
            Outcome::Completed(answer) => break Settlement::read(&answer),
            Outcome::Failed { error, retryable } => (error, retryable),
            Outcome::Unanswered { error } => (error, true),
            Outcome::Unknown { reason } => (reason, true),
        };
        failures = failures.saturating_add(1);
        let of = format!("{}/{number}/{failures}", attempt.idempotency_key);
        let Some(delay) = retry.jittered_after(failures, &of).filter(|_| retryable) else {
            break Settlement::Unknown { detail };
        };
        clock.sleep_until(clock.now().saturating_add(delay).unwrap_or(Timestamp::MAX)).await;
    };
    let action = Action::AttemptSettled { effect: effect.clone(), attempt: number, settlement };
    AttemptEnd { run, effect, action }
}

async fn once(handler: &dyn ActivityHandler, attempt: Attempt) -> Outcome {
    let (timeout, heartbeat, life) = (attempt.timeout, attempt.heartbeat, attempt.life.clone());
    let work = AssertUnwindSafe(handler.attempt(attempt)).catch_unwind();
    let outcome = tokio::select! {
        // What was done in time is done, also when its time is over by now.
        biased;
        done = work => done.unwrap_or_else(|_| {
            Outcome::Failed { error: "the activity panicked".to_owned(), retryable: false }
        }),
        () = tokio::time::sleep(timeout.unsigned_abs()) => {
            Outcome::Unanswered { error: format!("no answer within {timeout:#}") }
        }
        silence = silence(&life, heartbeat) => {
            Outcome::Unanswered { error: format!("no sign of life within {silence:#}") }
        }
    };
    bounded(outcome)
}

/// Waits until there was no sign of life for so long; for ever where none is needed.
async fn silence(life: &Life, heartbeat: Option<SignedDuration>) -> SignedDuration {
    let Some(heartbeat) = heartbeat else { return std::future::pending().await };
    while tokio::time::timeout(heartbeat.unsigned_abs(), life.beaten()).await.is_ok() {}
    heartbeat
}

fn bounded(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Completed(output) if is_too_large(&output) => Outcome::Failed {
            error: format!("the output is larger than {PAYLOAD_BYTES_MAX} bytes"),
            retryable: false,
        },
        Outcome::Failed { error, retryable } => Outcome::Failed { error: cut(error), retryable },
        Outcome::Unanswered { error } => Outcome::Unanswered { error: cut(error) },
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
