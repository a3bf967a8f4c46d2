//! What stands for an activity whose secrets are not there: nothing is done without them.

use async_trait::async_trait;
use holdpoint_core::Outcome;
use holdpoint_engine::{ActivityHandler, Attempt};

use super::failed;

/// Fails, and says what is missing.
pub(crate) struct Incomplete(String);

impl Incomplete {
    pub(crate) const fn new(missing: String) -> Self {
        Self(missing)
    }
}

#[async_trait]
impl ActivityHandler for Incomplete {
    async fn attempt(&self, _: Attempt) -> Outcome {
        failed(format!("a secret is not there: {}", self.0), false)
    }
}
