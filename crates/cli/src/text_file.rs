//! Reading a text that somebody hands in: all of it, as UTF-8, and never more than was agreed.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Reads the file at `path`, or says in words why not.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    read_from(File::open(path), bytes_max)
}

/// Reads standard input, or says in words why not.
pub(crate) fn read_stdin(bytes_max: u64) -> Result<String, String> {
    read_from(Ok(io::stdin().lock()), bytes_max)
}

fn read_from(source: io::Result<impl Read>, bytes_max: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    source
        .and_then(|source| source.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
            _ => error.to_string(),
        })?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        format!("it is not UTF-8 text, from byte {} on", error.utf8_error().valid_up_to())
    })
}
