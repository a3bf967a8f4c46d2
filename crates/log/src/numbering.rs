//! Giving appends their place: what every back end does alike.

use std::collections::HashSet;

use holdpoint_core::event::{Sequence, StreamId, Version};

use crate::{Append, AppendFailure, Record};

/// The largest event, as stored bytes.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// The most events in one call of [`EventLog::append`](crate::EventLog::append).
pub const APPEND_EVENTS_MAX: usize = 16 * 1024;

/// The most bytes of events in one call of [`EventLog::append`](crate::EventLog::append).
pub const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where a stream ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamHead {
    /// The version of its last event; zero when it has none.
    pub version: Version,
    /// The sequence of its last event; zero when it has none.
    pub sequence: Sequence,
}

/// Appends with their places.
#[derive(Debug)]
pub struct Numbered {
    /// The first sequence of each append.
    pub firsts: Vec<Sequence>,
    /// The events as they are to be stored, in order.
    pub records: Vec<Record>,
    /// Where each stream ends after the appends.
    pub heads: Vec<(StreamId, StreamHead)>,
}

/// Checks appends and gives their events the places after `last`, the last sequence of the log.
/// `head` tells where a stream ends now.
///
/// # Errors
/// [`AppendFailure::Conflict`] and [`AppendFailure::Unacceptable`].
pub fn number(
    appends: &[Append],
    last: Sequence,
    head: impl Fn(&StreamId) -> StreamHead,
) -> Result<Numbered, AppendFailure> {
    let unacceptable = |reason: String| AppendFailure::Unacceptable { reason };
    let events: usize = appends.iter().map(|append| append.events.len()).sum();
    if events > APPEND_EVENTS_MAX {
        let reason = format!("it has {events} events; at most {APPEND_EVENTS_MAX} are allowed");
        return Err(unacceptable(reason));
    }
    let mut numbered = Numbered {
        firsts: Vec::with_capacity(appends.len()),
        records: Vec::with_capacity(events),
        heads: Vec::with_capacity(appends.len()),
    };
    let mut sequence = last;
    let mut bytes_left = APPEND_BYTES_MAX;
    let mut named = HashSet::new();
    for Append { stream, expected, events } in appends {
        if !named.insert(stream) {
            return Err(unacceptable(format!("stream `{stream}` is named twice")));
        }
        if events.is_empty() {
            return Err(unacceptable(format!("there are no events for stream `{stream}`")));
        }
        let mut at = head(stream);
        if at.version != *expected {
            return Err(AppendFailure::Conflict {
                stream: stream.clone(),
                expected: *expected,
                actual: at.version,
            });
        }
        numbered.firsts.push(sequence.next());
        for event in events {
            if event.source != stream.project || event.subject != stream.run {
                return Err(unacceptable(format!(
                    "an event of stream `{}` is to go into stream `{stream}`",
                    event.stream()
                )));
            }
            sequence = sequence.next();
            let version = at.version.next();
            let bytes = event
                .to_bytes(sequence, version, at.sequence)
                .map_err(|error| unacceptable(error.to_string()))?;
            if bytes.len() > EVENT_BYTES_MAX {
                return Err(unacceptable(format!(
                    "an event has {} bytes; at most {EVENT_BYTES_MAX} are allowed",
                    bytes.len()
                )));
            }
            bytes_left = bytes_left.checked_sub(bytes.len()).ok_or_else(|| {
                unacceptable(format!("it has more than {APPEND_BYTES_MAX} bytes of events"))
            })?;
            at = StreamHead { version, sequence };
            numbered.records.push(Record { sequence, bytes: bytes.into() });
        }
        numbered.heads.push((stream.clone(), at));
    }
    if numbered.records.is_empty() {
        return Err(unacceptable("there is nothing to append".to_owned()));
    }
    Ok(numbered)
}
