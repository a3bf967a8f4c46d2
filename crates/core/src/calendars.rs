//! The calendars that a project publishes. What is in them the core does not know: it keeps their
//! sources, and the digests by which events name them.

use std::{
    any::Any,
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    id::{CalendarName, Digest},
    project::ProjectEvent,
    refusal::{Refusal, RefusalCode},
    workflow::LoadFailure,
};

/// The longest source of a calendar, in bytes: an event holds it, as JSON.
pub const CALENDAR_BYTES_MAX: usize = 512 * 1024;

/// Reads the source of a calendar: how an engine that knows no calendars checks what is published.
pub trait CalendarReader: Send + Sync {
    /// Reads `source`. The same text must give the same answer, for ever.
    ///
    /// # Errors
    /// When `source` is not a calendar.
    fn read(&self, source: &str) -> Result<ReadCalendar, LoadFailure>;
}

/// What a calendar says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCalendar {
    /// Its name.
    pub calendar: CalendarName,
    /// The digest of what it says, however it is written.
    pub digest: Digest,
    /// What people call it.
    pub title: Option<String>,
}

/// A calendar as it was published last.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PublishedCalendar {
    /// Its name.
    pub calendar: CalendarName,
    /// How often a calendar of this name has been published, this time included.
    pub revision: u32,
    /// The digest of what it says, however it is written.
    pub digest: Digest,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it was published.
    pub published: Timestamp,
    /// Its source, byte for byte as published.
    #[serde(skip)]
    pub source: String,
    #[serde(skip)]
    reading: Reading,
}

impl PublishedCalendar {
    /// What `read` makes of the source; it is asked once for as long as the calendar is kept.
    pub fn read_as<T: Any + Send + Sync>(&self, read: impl FnOnce(&str) -> T) -> Option<&T> {
        self.reading.read_as(|| read(&self.source))
    }
}

/// What was made of a source; a function of it, so that it does not count when what has it is
/// compared.
#[derive(Default)]
pub(crate) struct Reading(OnceLock<Box<dyn Any + Send + Sync>>);

impl Reading {
    pub(crate) fn read_as<T: Any + Send + Sync>(&self, read: impl FnOnce() -> T) -> Option<&T> {
        self.0.get_or_init(|| Box::new(read())).downcast_ref()
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reading")
    }
}

impl PartialEq for Reading {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reading {}

/// The digests of calendars as somebody has seen them; `None` of one that was not published.
pub type SeenCalendars = BTreeMap<CalendarName, Option<Digest>>;

/// The calendars of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendars(BTreeMap<CalendarName, Shelf>);

/// All that was published under a name, of which only the last is kept; it may have been retired.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shelf {
    revision: u32,
    current: Option<Arc<PublishedCalendar>>,
}

impl Calendars {
    /// The calendar of this name, if one is published.
    #[must_use]
    pub fn get(&self, name: &CalendarName) -> Option<&PublishedCalendar> {
        self.0.get(name)?.current.as_deref()
    }

    /// All calendars, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PublishedCalendar> {
        self.0.values().filter_map(|shelf| shelf.current.as_deref())
    }

    /// The calendar of this name.
    ///
    /// # Errors
    /// A refusal when none is published, naming those there are.
    pub fn find(&self, name: &CalendarName) -> Result<&PublishedCalendar, Refusal> {
        self.get(name).ok_or_else(|| {
            let there: Vec<&str> = self.iter().map(|one| one.calendar.as_str()).collect();
            Refusal::new(RefusalCode::NotFound, format!("no calendar `{name}` is published")).needs(
                if there.is_empty() {
                    "publish one: `holdpoint calendar publish FILE`".to_owned()
                } else {
                    format!("published are: {}", there.join(", "))
                },
            )
        })
    }

    /// Whether one of these is no longer as it was seen.
    #[must_use]
    pub fn differ(&self, seen: &SeenCalendars) -> bool {
        seen.iter().any(|(name, digest)| self.get(name).map(|one| one.digest) != *digest)
    }

    pub(crate) fn publish(
        &self,
        calendar: &CalendarName,
        digest: Digest,
        title: Option<&str>,
        source: &str,
    ) -> Result<ProjectEvent, Refusal> {
        if source.len() > CALENDAR_BYTES_MAX {
            return Err(Refusal::new(
                RefusalCode::InvalidInput,
                format!("the calendar has {} bytes, more than {CALENDAR_BYTES_MAX}", source.len()),
            )
            .needs("leave out what is long past, or make several calendars of it"));
        }
        if self.get(calendar).is_some_and(|there| there.digest == digest) {
            return Err(Refusal::new(
                RefusalCode::AlreadyExists,
                format!("the calendar `{calendar}` is published already, and says the same"),
            )
            .needs("nothing is to be done: it is in force"));
        }
        let before = self.0.get(calendar).map_or(0, |shelf| shelf.revision);
        Ok(ProjectEvent::CalendarPublished {
            calendar: calendar.clone(),
            revision: before.saturating_add(1),
            digest,
            title: title.map(str::to_owned),
            source: source.to_owned(),
        })
    }

    pub(crate) fn retire(
        &self,
        calendar: &CalendarName,
        reason: &str,
    ) -> Result<ProjectEvent, Refusal> {
        self.find(calendar)?;
        let reason = reason.trim();
        if reason.is_empty() {
            let message = "a calendar is retired with a reason";
            return Err(Refusal::new(RefusalCode::InvalidInput, message));
        }
        Ok(ProjectEvent::CalendarRetired { calendar: calendar.clone(), reason: reason.to_owned() })
    }

    /// Adds that a calendar was published.
    pub(crate) fn put(
        &mut self,
        read: ReadCalendar,
        revision: u32,
        source: String,
        published: Timestamp,
    ) -> Result<(), String> {
        let ReadCalendar { calendar, digest, title } = read;
        let before = self.0.get(&calendar).map_or(0, |shelf| shelf.revision);
        if revision != before.saturating_add(1) {
            return Err(format!("revision {revision} of `{calendar}` is not the next"));
        }
        let reading = Reading::default();
        let name = calendar.clone();
        let current =
            PublishedCalendar { calendar, revision, digest, title, published, source, reading };
        self.0.insert(name, Shelf { revision, current: Some(Arc::new(current)) });
        Ok(())
    }

    /// Adds that a calendar was retired.
    pub(crate) fn remove(&mut self, calendar: CalendarName) -> Result<(), String> {
        let absent = format!("no calendar `{calendar}` is published");
        match self.0.entry(calendar) {
            Entry::Occupied(mut shelf) if shelf.get().current.is_some() => {
                shelf.get_mut().current = None;
                Ok(())
            }
            _ => Err(absent),
        }
    }
}
