//! An activity whose attempts are limited in number.

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt, ItemPlace, Takes};
use serde_json::Value;

/// Another activity, whose attempts have a queue, and a place at the target that their input names.
pub struct Limited {
    inner: Arc<dyn ActivityHandler>,
    queue: Option<String>,
    at_target: u32,
}

impl Limited {
    /// Attempts at `inner` in `queue`, if there is one, so many at a time at each target.
    #[must_use]
    pub fn new(inner: Arc<dyn ActivityHandler>, queue: Option<String>, at_target: u32) -> Self {
        Self { inner, queue, at_target }
    }
}

#[async_trait]
impl ActivityHandler for Limited {
    fn takes(&self, input: &Value) -> Takes {
        let item = input
            .get("target")
            .and_then(Value::as_str)
            .map(|target| ItemPlace { item: target.to_owned(), at_once: self.at_target });
        Takes { queue: self.queue.clone(), item, by_worker: false }
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        self.inner.attempt(attempt).await
    }
}
