//! The log on sled keeps what every log promises.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_log::{EventLog, conformance::Fixture};
use holdpoint_log_sled::{OpenFailure, Options, SledLog};
use tempfile::TempDir;

struct Sled(TempDir, Options);

#[async_trait]
impl Fixture for Sled {
    async fn open(&self) -> Arc<dyn EventLog> {
        let path = self.0.path().join("some/where/log");
        match SledLog::open_with(&path, "conformance", self.1).await {
            Err(OpenFailure::NotThere { .. }) => {
                drop(SledLog::create(&path, "conformance").await.unwrap());
                Arc::new(SledLog::open_with(&path, "conformance", self.1).await.unwrap())
            }
            opened => Arc::new(opened.unwrap()),
        }
    }
}

mod in_one_tail {
    use super::*;

    holdpoint_log::conformance_tests!(Sled(tempfile::tempdir().unwrap(), Options::default()));
}

mod sealed_at_every_commit {
    use super::*;

    holdpoint_log::conformance_tests!(Sled(
        tempfile::tempdir().unwrap(),
        Options { tail_bytes_max: 1, segment_bytes: 16_000 }
    ));
}
