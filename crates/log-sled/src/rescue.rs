//! Reading the blocks of a tail that may be damaged: as sled opens a copy of it, and as they stand in
//! its file.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use holdpoint_core::event::Sequence;

use crate::{
    ahead, aside,
    block::{self, Block},
    carve,
    directory::open_file,
    preflight,
    store::{Store, StoreFailure},
};

/// The blocks of the tail in the directory `tail`, each once or several times, and what was wrong
/// with it. `copy` is where a copy of it can be; nothing is there afterwards.
pub(crate) fn blocks(tail: &Path, copy: &Path) -> (Vec<Block>, Vec<String>) {
    let mut findings = Vec::new();
    let (bytes, failure) = read_what_is_readable(&tail.join("db"));
    findings.extend(failure.map(|error| format!("cannot be read: {error}")));
    let mut blocks = carve::blocks(&bytes);
    drop(bytes);
    // What sled derives from its file can be what is damaged.
    for keep_derived in [true, false] {
        match open_copy(tail, copy, keep_derived, &mut blocks) {
            Ok(()) => break,
            Err(reason) if keep_derived => findings.push(reason),
            Err(_) => {}
        }
    }
    if copy.exists() && fs::remove_dir_all(copy).is_err() {
        tracing::warn!(copy = %copy.display(), "the copy of a tail could not be removed");
    }
    (blocks, findings)
}

fn open_copy(
    tail: &Path,
    copy: &Path,
    keep_derived: bool,
    blocks: &mut Vec<Block>,
) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    if copy.exists() {
        fs::remove_dir_all(copy).map_err(failed)?;
    }
    aside::copy(tail, copy).map_err(|failure| failure.to_string())?;
    if !keep_derived {
        aside::remove_derived(copy).map_err(failed)?;
    }
    preflight::remove_half_written(copy).map_err(failed)?;
    ahead::cut_off(&copy.join("db")).map_err(failed)?;
    let store = Store::open(copy).map_err(|failure| failure.to_string())?;
    if !store.was_recovered() {
        return Err("sled found nothing in it".to_owned());
    }
    let mut open: Option<(Sequence, Vec<u8>)> = None;
    let mut damaged = None;
    let mut end = |block: Option<(Sequence, Vec<u8>)>| {
        let Some((first, bytes)) = block else { return };
        match block::decode(&bytes) {
            Ok(block) if block.header.first == first => blocks.push(block),
            // The last commit may never have been completed.
            Ok(_) => {}
            Err(reason) => damaged = Some(format!("the block of event {first}: {reason}")),
        }
    };
    let read = store.for_each(|(key, value)| {
        let Some((first, _)) = block::parse_key(&key) else { return Ok(()) };
        if open.as_ref().is_none_or(|(before, _)| *before != first) {
            end(open.replace((first, Vec::new())));
        }
        if let Some((_, bytes)) = &mut open {
            bytes.extend_from_slice(&value);
        }
        Ok::<_, StoreFailure>(())
    });
    end(open);
    read.map_err(|failure| failure.to_string())?;
    damaged.map_or(Ok(()), Err)
}

/// The bytes of a file, with zeros for those that the disk does not give back, and why it does not.
fn read_what_is_readable(path: &Path) -> (Vec<u8>, Option<io::Error>) {
    const PAGE_BYTES: usize = 4096;
    let opened = open_file(path, File::options().read(true));
    let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let mut failure = None;
    for (page, at) in bytes.chunks_mut(PAGE_BYTES).zip((0..).step_by(PAGE_BYTES)) {
        if let Err(error) = file.read_exact_at(page, at) {
            page.fill(0);
            failure = Some(error);
        }
    }
    (bytes, failure)
}
