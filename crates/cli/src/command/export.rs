//! `holdpoint export` and `holdpoint import`: the log as lines of JSON, each with the bytes that are
//! hashed, so that an imported copy has the same root.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use holdpoint::{
    BackupFailure, EvidenceStore,
    backup::new_directory,
    core::Sequence,
    evidence::{EVIDENCE, named_in},
    log::{EventLog as _, Head, Record, numbering::EVENT_BYTES_MAX},
    log_sled::{ArchiveFailure, SledLog},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    arguments::Import,
    command::backup::{bar, in_words},
    context::Context,
    failure::Failure,
    new_file,
    output::{Answer, count, data},
    relay::caller::place,
    text_file,
};

/// How many events are read at once.
const READ_LIMIT: usize = 1_000;

/// Writes all events to standard output, or to a file.
pub(crate) async fn export(context: &Context, file: Option<&Path>) -> Result<(), Failure> {
    let directory = context.open()?;
    let log = context.log_to_read(&directory).await?;
    let Some(path) = file.filter(|file| *file != Path::new("-")) else {
        let mut out = data();
        write_all(&log, &mut out).await?;
        return Ok(out.flush()?);
    };
    let place = place(path)?;
    let made = new_file::create(path, &place, |error| not_written(path, &error))?;
    let mut out = BufWriter::new(made);
    let written = write_all(&log, &mut out).await.and_then(|written| {
        let file = out.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(|error| not_written(path, &error))?;
        Ok(written)
    });
    let (head, files) = match written {
        Ok(written) => written,
        Err(failure) => {
            // Half an export must not pass for one.
            drop(fs::remove_file(&place));
            return Err(failure);
        }
    };
    let events = head.sequence.0;
    let root = in_words(&head.root);
    let text = format!(
        "exported {} to {}\n{}root {root}\n",
        count(events, "event"),
        path.display(),
        without_evidence(files, "an export", &directory.path().join(EVIDENCE))
    );
    let json = json!({
        "file": path.display().to_string(),
        "events": events,
        "evidence_files": files,
        "root": root,
    });
    Answer::new(text, &json)?.print(context.json)
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::storage(
        format!("`{}` cannot be written: {error}", path.display()),
        "check the path, its permissions and the space on its disk",
    )
}

/// Writes the events up to the head that there is at the beginning, and says how many files of
/// evidence they name.
async fn write_all(log: &SledLog, out: &mut impl Write) -> Result<(Head, u64), Failure> {
    let head = log.head().await?;
    let bar = bar();
    bar.set_length(head.sequence.0);
    let mut after = Sequence::ZERO;
    let mut files = BTreeSet::new();
    while after < head.sequence {
        let left = usize::try_from(head.sequence.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        for record in log.read(after, READ_LIMIT.min(left)).await? {
            files.extend(named_in(&record)?.map(|(digest, _)| digest));
            let Record { sequence, bytes } = record;
            if bytes.contains(&b'\n') {
                return Err(Failure::storage(
                    format!("event {sequence} has a line feed in its stored bytes"),
                    "another program wrote it: copy the log with `holdpoint backup`",
                ));
            }
            out.write_all(&bytes)?;
            out.write_all(b"\n")?;
            after = sequence;
        }
        bar.set_position(after.0);
    }
    bar.finish_and_clear();
    Ok((head, files.len() as u64))
}

/// Makes a data directory of exported events.
pub(crate) fn import(context: &Context, arguments: &Import) -> Result<Answer, Failure> {
    let source: Box<dyn Read> = if arguments.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let unreadable = |error: io::Error| {
            Failure::usage(
                format!(
                    "`{}` cannot be read: {}",
                    arguments.file.display(),
                    text_file::in_words(&error)
                ),
                "name a file that `holdpoint export` has written, or `-` for standard input",
            )
        };
        let file = File::open(&arguments.file).map_err(unreadable)?;
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        Box::new(file)
    };
    let (new, mut log) = new_directory(&context.directory)?;
    let mut files = BTreeSet::new();
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} events") {
        bar.set_style(style);
    }
    let mut lines = BufReader::with_capacity(1 << 20, source);
    let mut line = Vec::new();
    while read_line(&mut lines, &mut line)? {
        log.push(&line).map_err(|failure| not_imported(failure, log.head()))?;
        let record = Record { sequence: log.head().sequence, bytes: line.as_slice().into() };
        files.extend(named_in(&record)?.map(|(digest, _)| digest));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let head = log.head();
    let root = in_words(&head.root);
    if let Some(expected) = &arguments.root
        && *expected != root
    {
        return Err(Failure::disproved(
            format!(
                "{} with the root {root} are not what was expected",
                count(head.sequence.0, "event")
            ),
            "the file is cut off, or of another log: export it again; nothing was made",
        ));
    }
    log.finish().map_err(BackupFailure::from)?;
    new.keep();
    let store = EvidenceStore::within(&context.directory);
    let missing = files.iter().filter(|digest| !store.path(digest).exists()).count() as u64;
    let path = context.directory.display();
    let text = format!(
        "imported {} into {path}\n{}root {root}\n",
        count(head.sequence.0, "event"),
        without_evidence(missing, "the import", Path::new(EVIDENCE))
    );
    let json = json!({
        "directory": path.to_string(),
        "events": head.sequence,
        "evidence_missing": missing,
        "root": root,
    });
    Answer::new(text, &json)
}

/// What to do about files of evidence that are not in what was made.
fn without_evidence(files: u64, made: &str, directory: &Path) -> String {
    match files {
        0 => String::new(),
        files => format!(
            "{} of evidence {} not in {made}: copy the directory `{}` as well\n",
            count(files, "file"),
            if files == 1 { "is" } else { "are" },
            directory.display()
        ),
    }
}

/// A line holds one event, so the line says where it is.
fn not_imported(failure: ArchiveFailure, head: Head) -> Failure {
    match &failure {
        ArchiveFailure::Event { reason, .. } => {
            let line = head.sequence.next();
            Failure::usage(format!("line {line} is not event {line}: {reason}"), failure.help())
        }
        _ => BackupFailure::from(failure).into(),
    }
}

/// Reads a line without its line feed; of one that is too long, only as much as shows that.
fn read_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Failure> {
    line.clear();
    let limit = EVENT_BYTES_MAX as u64 + 2;
    let read = lines.take(limit).read_until(b'\n', line).map_err(|error| {
        Failure::usage(
            format!("the events cannot be read: {error}"),
            "name a file that `holdpoint export` has written, or `-` for standard input",
        )
    })?;
    if read > 0 && line.pop_if(|byte| *byte == b'\n').is_none() && line.len() <= EVENT_BYTES_MAX {
        return Err(Failure::usage(
            "the last line has no end: the file is cut off",
            "export the log again, and hand the file on byte for byte",
        ));
    }
    Ok(read > 0)
}
