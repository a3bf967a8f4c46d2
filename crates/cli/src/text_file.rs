//! Reading a text that somebody hands in: all of it, as UTF-8, and never more than was agreed.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use crate::relay::caller;

/// What this process has read, by the path; `-` is standard input.
static READ: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// What was read already of the file at `path`, or of standard input, which is `-`.
pub(crate) fn already_read(path: &Path) -> Option<String> {
    READ.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
}

/// Reads the file at `path`, or says in words why not.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    match caller::current() {
        Some(caller) => read_from(caller.read(path, bytes_max), bytes_max),
        None => once(path, || read_from(File::open(path), bytes_max)),
    }
}

/// Reads standard input, or says in words why not.
pub(crate) fn read_stdin(bytes_max: u64) -> Result<String, String> {
    let path = Path::new("-");
    match caller::current() {
        Some(caller) => read_from(caller.read(path, bytes_max), bytes_max),
        None => once(path, || read_from(Ok(io::stdin().lock()), bytes_max)),
    }
}

/// Reads what may be a pipe only once: a command that is handed over is begun again.
fn once(path: &Path, read: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
    if let Some(text) = already_read(path) {
        return Ok(text);
    }
    let read = read();
    if let Ok(text) = &read {
        let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_owned(), text.clone());
    }
    read
}

/// Why a file cannot be read.
pub(crate) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn read_from(source: io::Result<impl Read>, bytes_max: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    source
        .and_then(|source| source.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| in_words(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text, from byte {} on", error.utf8_error().valid_up_to())
    })
}
