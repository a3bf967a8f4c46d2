//! An activity of which a digest says what it is.

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_core::{Digest, Outcome};
use holdpoint_engine::{ActivityHandler, Attempt, Takes};
use serde_json::Value;

/// Another activity, which is what this digest says.
pub(crate) struct Said {
    pub(crate) inner: Arc<dyn ActivityHandler>,
    pub(crate) digest: Digest,
}

#[async_trait]
impl ActivityHandler for Said {
    fn takes(&self, input: &Value) -> Takes {
        self.inner.takes(input)
    }

    fn configured(&self) -> Option<Digest> {
        Some(self.digest)
    }

    async fn attempt(&self, attempt: Attempt) -> Outcome {
        self.inner.attempt(attempt).await
    }
}
