//! Secrets are masked in all that attempts answer, whoever does them.

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_core::{Digest, Outcome};
use serde_json::Value;

use crate::{
    activity::{ActivityHandler, Attempt},
    limits::Takes,
};

/// How secrets are masked in a text.
pub type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Another handler, in whose answers secrets are masked before anybody sees them.
pub(crate) struct Masked {
    inner: Arc<dyn ActivityHandler>,
    mask: Mask,
}

impl Masked {
    pub(crate) fn new(inner: Arc<dyn ActivityHandler>, mask: Mask) -> Self {
        Self { inner, mask }
    }
}

#[async_trait]
impl ActivityHandler for Masked {
    fn takes(&self, input: &Value) -> Takes {
        self.inner.takes(input)
    }

    fn configured(&self) -> Option<Digest> {
        self.inner.configured()
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        let mask = &*self.mask;
        match self.inner.attempt(attempt).await {
            Outcome::Completed(output) => Outcome::Completed(masked(output, mask)),
            Outcome::Failed { error, retryable } => {
                Outcome::Failed { error: mask(&error), retryable }
            }
            Outcome::Unanswered { error } => Outcome::Unanswered { error: mask(&error) },
            Outcome::Unknown { reason } => Outcome::Unknown { reason: mask(&reason) },
        }
    }
}

/// The same, with every text in it masked. A number can be a secret, too.
fn masked(value: Value, mask: &(dyn Fn(&str) -> String + Send + Sync)) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text)),
        Value::Array(all) => all.into_iter().map(|one| masked(one, mask)).collect(),
        Value::Object(members) => {
            let each = |(name, one): (String, Value)| (mask(&name), masked(one, mask));
            members.into_iter().map(each).collect()
        }
        Value::Number(number) => {
            let text = number.to_string();
            let hidden = mask(&text);
            if hidden == text { Value::Number(number) } else { Value::String(hidden) }
        }
        other @ (Value::Null | Value::Bool(_)) => other,
    }
}
