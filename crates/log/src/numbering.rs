//! Giving appends their place: what every back end does alike.

use std::collections::HashSet;

use holdpoint_core::event::{PLACE_BYTES_MAX, Sequence, StreamId, Version, place_bytes};

use crate::{Append, AppendFailure};

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

/// Appends that were checked as far as that takes no knowledge of the log, and whose events are
/// serialized as far as that takes no knowledge of their places. Whoever appends can do this;
/// what is left for the one who writes is short.
#[derive(Debug)]
pub struct Prepared {
    appends: Vec<PreparedAppend>,
}

#[derive(Debug)]
struct PreparedAppend {
    stream: StreamId,
    expected: Version,
    /// The events' bytes without their places, one after the other.
    bodies: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Prepared {
    /// Checks and serializes appends.
    ///
    /// # Errors
    /// [`AppendFailure::Unacceptable`] and [`AppendFailure::TooLarge`].
    pub fn new(appends: Vec<Append>) -> Result<Self, AppendFailure> {
        prepare(appends)
    }

    /// Gives the events their places after `last`, the last sequence of the log, and each, as it
    /// is to be stored, to `store`; but only if every stream is where its append expects it.
    /// `head` tells where a stream ends now, and fails when that cannot be told.
    ///
    /// # Errors
    /// [`AppendFailure::Conflict`], or what `head` failed with; nothing was stored then.
    pub fn place(
        self,
        last: Sequence,
        mut head: impl FnMut(&StreamId) -> Result<StreamHead, AppendFailure>,
        mut store: impl FnMut(Sequence, Stored<'_>),
    ) -> Result<Placed, AppendFailure> {
        let mut ends = Vec::with_capacity(self.appends.len());
        for PreparedAppend { stream, expected, .. } in &self.appends {
            let at = head(stream)?;
            if at.version != *expected {
                return Err(AppendFailure::Conflict {
                    stream: stream.clone(),
                    expected: *expected,
                    actual: at.version,
                });
            }
            ends.push(at);
        }
        let mut placed = Placed {
            firsts: Vec::with_capacity(self.appends.len()),
            heads: Vec::with_capacity(self.appends.len()),
        };
        let mut sequence = last;
        let mut place = Vec::with_capacity(PLACE_BYTES_MAX);
        for (append, mut at) in self.appends.into_iter().zip(ends) {
            placed.firsts.push(sequence.next());
            let mut begin = 0;
            for end in append.ends {
                sequence = sequence.next();
                let version = at.version.next();
                place.clear();
                place_bytes(&mut place, sequence, version, at.sequence);
                let body = append.bodies.get(begin..end).unwrap_or_default();
                store(sequence, Stored { place: &place, body });
                begin = end;
                at = StreamHead { version, sequence };
            }
            placed.heads.push((append.stream, at));
        }
        Ok(placed)
    }
}

/// The stored bytes of an event, in the two parts that it consists of.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its place.
    pub place: &'a [u8],
    /// All else.
    pub body: &'a [u8],
}

impl Stored<'_> {
    /// How many bytes there are.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.place.len() + self.body.len()
    }

    /// Adds them to `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.place);
        bytes.extend_from_slice(self.body);
    }
}

/// Appends that have their places.
#[derive(Debug, Default)]
pub struct Placed {
    /// The first sequence of each append.
    pub firsts: Vec<Sequence>,
    /// Where each stream ends after the appends.
    pub heads: Vec<(StreamId, StreamHead)>,
}

const fn unacceptable(reason: String) -> AppendFailure {
    AppendFailure::Unacceptable { reason }
}

const fn too_large(reason: String) -> AppendFailure {
    AppendFailure::TooLarge { reason }
}

fn prepare(appends: Vec<Append>) -> Result<Prepared, AppendFailure> {
    let events: usize = appends.iter().map(|append| append.events.len()).sum();
    if events > APPEND_EVENTS_MAX {
        let reason = format!("{events} events at once; at most {APPEND_EVENTS_MAX} are taken");
        return Err(too_large(reason));
    }
    if events == 0 {
        return Err(unacceptable("there is nothing to append".to_owned()));
    }
    if let Some(twice) = named_twice(&appends) {
        return Err(unacceptable(format!("stream `{twice}` is named twice")));
    }
    let mut bytes_left = APPEND_BYTES_MAX;
    let prepared = appends.into_iter().map(|append| prepare_one(append, &mut bytes_left));
    Ok(Prepared { appends: prepared.collect::<Result<_, _>>()? })
}

fn named_twice(appends: &[Append]) -> Option<&StreamId> {
    let [_, _, ..] = appends else { return None };
    let mut named = HashSet::with_capacity(appends.len());
    appends.iter().map(|append| &append.stream).find(|stream| !named.insert(*stream))
}

fn prepare_one(
    Append { stream, expected, events }: Append,
    bytes_left: &mut usize,
) -> Result<PreparedAppend, AppendFailure> {
    if events.is_empty() {
        return Err(unacceptable(format!("there are no events for stream `{stream}`")));
    }
    let mut bodies = Vec::with_capacity(512 * events.len());
    let mut ends = Vec::with_capacity(events.len());
    for event in &events {
        if event.source != stream.project || event.subject != stream.run {
            return Err(unacceptable(format!(
                "an event of stream `{}` is to go into stream `{stream}`",
                event.stream()
            )));
        }
        let begin = bodies.len();
        event.body_bytes(&mut bodies).map_err(|error| unacceptable(error.to_string()))?;
        let bytes = bodies.len() - begin + PLACE_BYTES_MAX;
        if bytes > EVENT_BYTES_MAX {
            let kind = &event.kind;
            return Err(too_large(format!(
                "the event `{kind}` has about {bytes} bytes; at most {EVENT_BYTES_MAX} are taken"
            )));
        }
        *bytes_left = bytes_left.checked_sub(bytes).ok_or_else(|| {
            too_large(format!("more than {APPEND_BYTES_MAX} bytes of events at once"))
        })?;
        ends.push(bodies.len());
    }
    Ok(PreparedAppend { stream, expected, bodies, ends })
}
