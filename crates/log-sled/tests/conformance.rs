//! The log on sled keeps what every log promises.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_log::{EventLog, conformance::Fixture};
use holdpoint_log_sled::{OpenFailure, SledLog};
use tempfile::TempDir;

struct Sled(TempDir);

#[async_trait]
impl Fixture for Sled {
    async fn open(&self) -> Arc<dyn EventLog> {
        let path = self.0.path().join("some/where/log");
        match SledLog::open(&path, "conformance").await {
            Err(OpenFailure::NotThere { .. }) => {
                Arc::new(SledLog::create(&path, "conformance").await.unwrap())
            }
            opened => Arc::new(opened.unwrap()),
        }
    }
}

holdpoint_log::conformance_tests!(Sled(tempfile::tempdir().unwrap()));
