//! The event as it is stored, and the positions it carries.
//!
//! An event is a JSON object in the words of CloudEvents 1.0 (`id`, `source`, `subject`, `type`,
//! `time`, `data`), plus where it stands: `sequence` in the whole log, `version` in its stream,
//! `previous`, the sequence of the event before it in its stream. The three positions stand
//! first, so that a log can put them before bytes that are already serialized. `docs/format.md`
//! has every member.

use std::{borrow::Cow, fmt, io};

use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{
        DeserializeOwned,
        value::{MapAccessDeserializer, MapDeserializer},
    },
};
use serde_json::value::RawValue;

use crate::{
    command::{Actor, Authentication},
    id::{CommandId, Digest, EventId, ProjectId, RunId},
};

mod parts;

macro_rules! position {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Before the first event.
            pub const ZERO: Self = Self(0);

            /// The position `count` events later.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0.saturating_add(count))
            }

            /// The next position.
            #[must_use]
            pub const fn next(self) -> Self {
                self.plus(1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

position!(
    /// A position in the whole log. The first event has sequence 1 and there are no gaps, so the
    /// sequence of the last event is the number of events; its Merkle leaf index is one less.
    Sequence
);
position!(
    /// A position in one stream. The first event of a stream has version 1 and there are no gaps,
    /// so "version n" is the stream's state after n events.
    Version
);

/// Names a stream: the ordered events of one run, or of one project.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId {
    /// The project: CloudEvents' `source`.
    pub project: ProjectId,
    /// The run: CloudEvents' `subject`. Absent for the project's own stream.
    pub run: Option<RunId>,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "{}/{run}", self.project),
            None => fmt::Display::fmt(&self.project, f),
        }
    }
}

/// The type of an event, such as `holdpoint.approval.granted`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(Cow<'static, str>);

impl EventType {
    /// A type that is known when the program is compiled.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A type that was read.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// The type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An event's `data`: JSON text, kept as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventData(Box<RawValue>);

impl EventData {
    /// Serializes `value`.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, for example for a map whose keys are not texts.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads the data as `T`.
    ///
    /// # Errors
    /// When the data does not have `T`'s shape.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl PartialEq for EventData {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for EventData {}

/// What a decision says happened: a type and its data, without place, time or author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// The event's type.
    pub kind: EventType,
    /// The event's data.
    pub data: EventData,
}

/// An event on its way into the log: all but the positions, which only the log can give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PendingEvent {
    /// The event's own id.
    pub id: EventId,
    /// The project.
    pub source: ProjectId,
    /// The run; absent in the project's own stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<RunId>,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it was decided, by the engine's clock; never before the event before it in its stream.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// How the actor was authenticated.
    pub auth: Authentication,
    /// The command that was decided.
    pub cause: CommandId,
    /// The digest of what a member asked, see [`request_of`](crate::command::request_of); on the
    /// first event of a member's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// The W3C traceparent of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The digest of the definition that a run is pinned to; on the first event of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// What happened.
    pub data: EventData,
}

impl PendingEvent {
    /// The stream it belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId { project: self.source.clone(), run: self.subject }
    }

    /// The event as it is read back from the given place.
    #[must_use]
    pub fn into_event(self, sequence: Sequence, version: Version, previous: Sequence) -> Event {
        Event {
            sequence,
            version,
            previous,
            id: self.id,
            source: self.source,
            subject: self.subject,
            kind: self.kind,
            time: self.time,
            actor: self.actor,
            auth: self.auth,
            cause: self.cause,
            request: self.request,
            trace: self.trace,
            definition: self.definition,
            data: self.data,
        }
    }

    /// The event's stored bytes at the given place: what is hashed, stored and exported, verbatim.
    /// They are [`place_bytes`] and then [`PendingEvent::body_bytes`].
    ///
    /// # Errors
    /// When a part cannot be written as JSON; with the types of this crate that does not happen.
    pub fn to_bytes(
        &self,
        sequence: Sequence,
        version: Version,
        previous: Sequence,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::with_capacity(512);
        place_bytes(&mut bytes, sequence, version, previous);
        self.body_bytes(&mut bytes)?;
        Ok(bytes)
    }

    /// Adds the part of the stored bytes to `bytes` that does not depend on the place.
    ///
    /// # Errors
    /// See [`PendingEvent::to_bytes`].
    pub fn body_bytes(&self, bytes: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        // The object begins with `{`, which stands before the positions.
        serde_json::to_writer(SkipFirst { bytes, skipped: false }, self)
    }
}

/// The most bytes that [`place_bytes`] adds.
pub const PLACE_BYTES_MAX: usize = 96;

/// Adds the part of an event's stored bytes to `bytes` that says where it stands.
pub fn place_bytes(bytes: &mut Vec<u8>, sequence: Sequence, version: Version, previous: Sequence) {
    for (name, position) in [
        (&b"{\"sequence\":"[..], sequence.0),
        (b",\"version\":", version.0),
        (b",\"previous\":", previous.0),
    ] {
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(itoa::Buffer::new().format(position).as_bytes());
    }
    bytes.push(b',');
}

/// Leaves the first byte out.
struct SkipFirst<'a> {
    bytes: &'a mut Vec<u8>,
    skipped: bool,
}

impl io::Write for SkipFirst<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let rest = if self.skipped { buf } else { buf.get(1..).unwrap_or_default() };
        self.skipped |= !buf.is_empty();
        self.bytes.extend_from_slice(rest);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An event: a fact that happened, at its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Its place in the log, from 1.
    pub sequence: Sequence,
    /// Its place in its stream, from 1.
    pub version: Version,
    /// The sequence of the event before it in its stream; 0 for the first.
    pub previous: Sequence,
    /// The event's own id.
    pub id: EventId,
    /// The project.
    pub source: ProjectId,
    /// The run; absent in the project's own stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<RunId>,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it was decided, by the engine's clock.
    pub time: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// How the actor was authenticated.
    pub auth: Authentication,
    /// The command that was decided.
    pub cause: CommandId,
    /// The digest of what a member asked; on the first event of a member's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// The W3C traceparent of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The digest of the definition that a run is pinned to; on the first event of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Digest>,
    /// What happened.
    pub data: EventData,
}

impl Event {
    /// Reads an event from its stored bytes.
    ///
    /// # Errors
    /// When the bytes are not an event as `docs/format.md` describes it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The stream it belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId { project: self.source.clone(), run: self.subject }
    }
}

/// The typed events of a workflow: an enum whose variants are event types.
///
/// It is implemented for every serde type that is adjacently tagged with `type` and `data`:
///
/// ```
/// use holdpoint_core::event::TypedEvent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(tag = "type", content = "data")]
/// enum Expense {
///     #[serde(rename = "acme.expense.claimed")]
///     Claimed { cents: u64 },
/// }
///
/// let event = Expense::Claimed { cents: 1200 }.to_new_event()?;
/// assert_eq!(event.kind.as_str(), "acme.expense.claimed");
/// assert_eq!(event.data.as_str(), r#"{"cents":1200}"#);
/// assert_eq!(Expense::from_parts(&event.kind, &event.data)?, Expense::Claimed { cents: 1200 });
/// # Ok::<(), serde_json::Error>(())
/// ```
pub trait TypedEvent: Serialize + DeserializeOwned {
    /// Writes the event as a type and its data.
    ///
    /// # Errors
    /// When the event is not adjacently tagged, or is a variant without data.
    fn to_new_event(&self) -> Result<NewEvent, serde_json::Error> {
        parts::write(self)
    }

    /// Reads the event from a type and its data.
    ///
    /// # Errors
    /// When the type is none of this enum's, or the data does not fit it.
    fn from_parts(kind: &EventType, data: &EventData) -> Result<Self, serde_json::Error> {
        Self::deserialize(MapAccessDeserializer::new(parts::Parts::new(kind.as_str(), data.raw())))
    }
}

impl<T: Serialize + DeserializeOwned> TypedEvent for T {}

/// The types of a workflow's events, all of them, in the order of the enum: for what must know or
/// miss none.
#[must_use]
pub fn event_types<E: TypedEvent>() -> Vec<&'static str> {
    let unknown = MapDeserializer::<_, Variants>::new([("type", "?")].into_iter());
    E::deserialize(unknown).err().map(|variants| variants.0).unwrap_or_default()
}

/// The error that serde's derived code makes of a tag it does not know: it names all that it does.
#[derive(Debug)]
struct Variants(Vec<&'static str>);

impl fmt::Display for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variants are {}", self.0.join(", "))
    }
}

impl std::error::Error for Variants {}

impl serde::de::Error for Variants {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Vec::new())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_were_written() {
        for number in [31.245_270_191_439_438_f64, 1.263_430_553_413_306_1e-272, 0.1, -0.0, 5e-324]
        {
            let data = EventData::of(&number).unwrap();
            assert_eq!(data.read::<f64>().unwrap().to_bits(), number.to_bits(), "{number}");
        }
        for number in [u64::MAX, 1 << 53, (1 << 53) + 1] {
            assert_eq!(EventData::of(&number).unwrap().read::<u64>().unwrap(), number);
        }
    }

    fn stored(change: impl FnOnce(&str) -> String) -> Result<Event, serde_json::Error> {
        let golden = include_str!("../tests/golden/holdpoint.run.started.json");
        Event::from_bytes(change(golden).as_bytes())
    }

    #[test]
    fn members_are_read_in_any_order_and_data_is_kept_verbatim() {
        let plain = stored(str::to_owned).unwrap();
        let moved = stored(|text| {
            let (before, data) = text.split_once(r#","data":"#).unwrap();
            let data = data.strip_suffix('}').unwrap();
            format!(r#"{{"data": {data} , {}}}"#, before.strip_prefix('{').unwrap())
        });
        assert_eq!(moved.unwrap(), plain);
        let spaced =
            stored(|text| text.replace(r#""risk":"high""#, r#""risk" :  "high""#)).unwrap();
        assert!(spaced.data.as_str().contains(r#""risk" :  "high""#));
    }

    #[test]
    fn what_is_not_an_event_is_not_read() {
        let replaced = |from: &'static str, to: &'static str| {
            let read = stored(|text| {
                assert!(text.contains(from), "{from}");
                text.replace(from, to)
            });
            assert!(read.is_err(), "{from} -> {to}");
        };
        replaced(r#"{"sequence":"#, r#"{"colour":"red","sequence":"#);
        replaced(r#"{"sequence":"#, r#"{"version":1,"sequence":"#);
        replaced(r#""sequence":4690,"#, "");
        replaced(r#""sequence":4690,"#, r#""sequence":-1,"#);
        replaced(r#""sequence":4690,"#, r#""sequence":4690.0,"#);
        replaced(r#""sequence":4690,"#, r#""sequence":18446744073709551616,"#);
        replaced(r#""source":"core-network""#, r#""source":"Core Network""#);
        replaced(r#""actor":"member:ada""#, r#""actor":"ada""#);
        replaced(r#""actor":"member:ada""#, r#""actor":"member:""#);
        replaced(r#""time":"2026-01-05T09:00:00.123456789Z""#, r#""time":"2026-01-05 morning""#);
        replaced("sha256:", "sha512:");
        replaced("sha256:", "sha256:00");
        assert!(stored(|text| format!("{text}{text}")).is_err());
        assert!(stored(|text| text.chars().skip(1).collect()).is_err());
    }
}
