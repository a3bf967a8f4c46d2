//! A clock that runs faster than time, so that minutes pass in moments.

use async_trait::async_trait;
use holdpoint::engine::Clock;
use jiff::{SignedDuration, Timestamp};

/// Runs so many times faster than time, from when it began.
pub(crate) struct FastClock {
    pub(crate) began: Timestamp,
    pub(crate) times: i32,
}

#[async_trait]
impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.began + Timestamp::now().duration_since(self.began) * self.times
    }

    async fn sleep_until(&self, at: Timestamp) {
        let left = at.duration_since(self.now()).max(SignedDuration::ZERO) / self.times;
        tokio::time::sleep(left.unsigned_abs()).await;
    }
}
