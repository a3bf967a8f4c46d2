//! The log in memory keeps what every log promises, and fails when it is told to.

use std::sync::Arc;

use async_trait::async_trait;
use holdpoint_core::Sequence;
use holdpoint_log::{
    AppendFailure, EventLog, MemoryLog,
    conformance::{Fixture, append},
    verify,
};

/// It outlives its handles, so that it can be "opened" again.
#[derive(Default)]
struct Memory(Arc<MemoryLog>);

#[async_trait]
impl Fixture for Memory {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::<MemoryLog>::clone(&self.0)
    }
}

holdpoint_log::conformance_tests!(Memory::default());

#[tokio::test]
async fn after_a_failed_append_it_can_only_be_read() {
    let log = MemoryLog::new();
    log.append(vec![append(1, 0, 1)]).await.unwrap();
    log.fail_next_append("the disk is gone");
    for _ in 0..2 {
        let failure = log.append(vec![append(1, 1, 1)]).await.unwrap_err();
        assert_eq!(failure, AppendFailure::Poisoned { reason: "the disk is gone".to_owned() });
    }
    assert_eq!(log.read(Sequence::ZERO, 9).await.unwrap().len(), 1);
    assert_eq!(verify(&log).await.unwrap().events, 1);
}
