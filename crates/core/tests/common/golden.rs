//! Compares events with golden files: one for each, in the bytes in which the log stores it.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use holdpoint_core::{
    Event, NewEvent, PendingEvent, Sequence, Version, event::TypedEvent, testing::event_types,
};

/// Writes golden files that are not there yet; those that are there it never changes.
const WRITE_NEW: &str = "HOLDPOINT_WRITE_GOLDEN";

/// An event and its place in the log.
pub(crate) struct Stored {
    pub(crate) event: PendingEvent,
    pub(crate) at: Sequence,
    pub(crate) version: Version,
    pub(crate) previous: Sequence,
}

/// A directory of golden files, and those of them that an example stands for.
pub(crate) struct Golden {
    directory: PathBuf,
    known: BTreeSet<String>,
}

impl Golden {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, known: BTreeSet::new() }
    }

    /// Holds every example to its file, in both directions, and every type of `E` to an example.
    ///
    /// A file is named after the event's type, and what tells several examples of one type apart.
    pub(crate) fn check<E: TypedEvent + PartialEq + Debug>(
        &mut self,
        examples: Vec<(&str, E)>,
        type_of: impl Fn(&E) -> &'static str,
        envelope: impl Fn(NewEvent) -> Stored,
    ) {
        let mut shown = BTreeSet::new();
        for (file, event) in examples {
            let kind = type_of(&event);
            let new = event.to_new_event().unwrap();
            assert_eq!(new.kind.as_str(), kind);
            let rest = file.strip_prefix(kind).unwrap_or("none of it");
            assert!(rest.is_empty() || rest.starts_with('.'), "{file} is not named after {kind}");
            shown.insert(kind);

            let file = format!("{file}.json");
            let Stored { event: pending, at, version, previous } = envelope(new);
            let bytes = pending.to_bytes(at, version, previous).unwrap();
            let golden = self.read(&file, &bytes);
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                String::from_utf8_lossy(&golden),
                "{file}: the event is written in other bytes than before"
            );
            let read = Event::from_bytes(&golden).unwrap();
            assert_eq!(read, pending.into_event(at, version, previous), "{file}");
            assert_eq!(E::from_parts(&read.kind, &read.data).unwrap(), event, "{file}");
            assert!(self.known.insert(file.clone()), "{file} has two examples");
        }
        let types: BTreeSet<&str> = event_types::<E>().into_iter().collect();
        assert!(!types.is_empty(), "the types of the events are known");
        assert_eq!(shown, types, "every type of event has an example");
    }

    fn read(&self, file: &str, bytes: &[u8]) -> Vec<u8> {
        let path = self.directory.join(file);
        if !path.exists() && std::env::var_os(WRITE_NEW).is_some() {
            fs::write(&path, bytes).unwrap();
        }
        fs::read(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}. Run the test with {WRITE_NEW}=1 to write the golden files that are \
                 missing",
                path.display()
            )
        })
    }

    /// No golden file is without an example: it would be one that nothing keeps readable.
    pub(crate) fn finish(self) {
        let there: BTreeSet<String> = names(&self.directory);
        assert_eq!(there, self.known, "every golden file has an example that reads it");
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
