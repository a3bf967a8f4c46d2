//! Ids, made without asking the operating system for randomness each time: what is measured is the
//! log, not the ids.

use holdpoint::core::{CommandId, EventId};
use jiff::Timestamp;
use uuid::{Builder, Uuid};

fn uuid(now: Timestamp) -> Uuid {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let since_epoch = u64::try_from(now.as_millisecond()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(since_epoch, &random).into_uuid()
}

pub(crate) fn event_id(now: Timestamp) -> EventId {
    EventId::from_uuid(uuid(now))
}

pub(crate) fn command_id() -> CommandId {
    CommandId::from_uuid(uuid(Timestamp::now()))
}
