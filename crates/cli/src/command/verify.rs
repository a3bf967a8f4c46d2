//! `holdpoint verify`: checks the log whole, and that every run replays.

use std::path::Path;

use holdpoint::{
    DataDirectory,
    engine::{Effects, Engine, ReadModelAt, RunFilter, RunRow},
    log::{
        self, EventLog as _, Head, Malformed, Verified,
        checkpoint::SignedCheckpoint,
        key::{KeyFailure, PublicKey},
        proof_file::{ProofFile, VerifyFailure},
        prove::prove_consistency,
    },
    log_sled::SledLog,
};
use serde_json::{Value, json};

use crate::{
    arguments::Verify,
    command::{evidence::damaged, list, prove},
    context::Context,
    failure::{AS_IT_WAS, Failure, UNLOADABLE},
    narrate,
    output::{Answer, count, cut, line, time},
    text_file,
};

/// No checkpoint and no proof is longer, in bytes: an event has at most 1 MiB.
pub(crate) const CHECKPOINT_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// How many runs are named that do not replay.
const MISFITS_NAMED_MAX: usize = 8;

/// Checks a proof, or the log.
pub(crate) async fn verify(context: &Context, arguments: &Verify) -> Result<Answer, Failure> {
    match &arguments.proof {
        Some(file) => verify_proof(file, arguments),
        None => verify_log(context, arguments).await,
    }
}

/// Reads a checkpoint.
pub(crate) fn read_checkpoint(file: &Path) -> Result<SignedCheckpoint, Failure> {
    let text = text_file::read(file, CHECKPOINT_BYTES_MAX).map_err(|reason| {
        Failure::usage(
            format!("the checkpoint `{}` cannot be read: {reason}", file.display()),
            "give a file that `holdpoint checkpoint` has printed",
        )
    })?;
    text.parse().map_err(|malformed: Malformed| {
        Failure::usage(
            format!("`{}` is not a checkpoint: {malformed}", file.display()),
            malformed.help(),
        )
    })
}

/// The key that `text` is, or that is in the file of this name.
fn key(text: &str) -> Result<PublicKey, Failure> {
    if text.contains('+') {
        return parse_key(text, text);
    }
    read_key(Path::new(text))
}

/// The public key in a file.
pub(crate) fn read_key(file: &Path) -> Result<PublicKey, Failure> {
    let name = file.display().to_string();
    let read = text_file::read(file, CHECKPOINT_BYTES_MAX).map_err(|reason| {
        Failure::usage(
            format!("the key `{name}` cannot be read: {reason}"),
            "give the key that `holdpoint init` has printed, or the file `checkpoint.pub`",
        )
    })?;
    parse_key(read.trim_end(), &name)
}

fn parse_key(text: &str, called: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|failure: KeyFailure| {
        Failure::usage(format!("`{called}` is not a public key: {failure}"), failure.help())
    })
}

/// Checks a proof with nothing but the key of its log.
fn verify_proof(file: &Path, arguments: &Verify) -> Result<Answer, Failure> {
    let key = arguments.key.as_deref().map(key).transpose()?;
    let keys: Vec<PublicKey> = key.into_iter().collect();
    let held = arguments.checkpoint.as_deref().map(read_checkpoint).transpose()?;
    let disproved = |failure: VerifyFailure| {
        Failure::disproved(
            format!("`{}` proves nothing: {failure}", file.display()),
            failure.help(),
        )
    };
    match prove::read(file)? {
        ProofFile::Inclusion(proof) => {
            let event = arguments.event.as_deref().map(read_event).transpose()?;
            let included = proof.verify(event.as_deref(), &keys).map_err(disproved)?;
            let event = included.record.event()?;
            let (origin, head) = (included.checkpoint.origin(), included.checkpoint.head());
            let text = format!(
                "proved: event {} is in the log `{origin}` of {}\n{} {} {}: {}\n",
                event.sequence,
                count(head.sequence.0, "event"),
                time(event.time),
                event.actor,
                event.kind,
                line(&narrate::sentence(&event)),
            );
            let stored: Value = serde_json::from_slice(&included.record.bytes)?;
            let json = json!({ "origin": origin, "events": head.sequence, "event": stored });
            Answer::new(text, &json)
        }
        ProofFile::Consistency(proof) => {
            let Some(held) = held else {
                return Err(Failure::usage(
                    "the proof says that a log has only grown since a checkpoint",
                    "name the checkpoint that you have kept: `--checkpoint FILE`",
                ));
            };
            let kept = held.open(&keys).map_err(VerifyFailure::Checkpoint).map_err(disproved)?;
            let extended = proof.verify(Some(kept), &keys).map_err(disproved)?;
            let text = format!(
                "proved: the log `{}` of {} has all {} of the checkpoint, unchanged\n",
                extended.new.origin(),
                count(extended.new.head().sequence.0, "event"),
                count(extended.old.head().sequence.0, "event"),
            );
            let json = json!({
                "origin": extended.new.origin(),
                "events": extended.new.head().sequence,
                "events_before": extended.old.head().sequence,
            });
            Answer::new(text, &json)
        }
    }
}

/// The stored bytes of an event: a line of a history, without its end.
fn read_event(file: &Path) -> Result<Vec<u8>, Failure> {
    let text = text_file::read(file, CHECKPOINT_BYTES_MAX).map_err(|reason| {
        Failure::usage(
            format!("the event `{}` cannot be read: {reason}", file.display()),
            "give a file with the event's line from `holdpoint history --json`",
        )
    })?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).into())
}

/// Checks that the log has all that it had at a checkpoint, unchanged.
async fn verify_since(
    directory: &DataDirectory,
    log: &SledLog,
    arguments: &Verify,
    file: &Path,
) -> Result<Head, Failure> {
    let held = read_checkpoint(file)?;
    let key = match &arguments.key {
        Some(text) => key(text)?,
        None => directory.public_key()?,
    };
    let claimed = held.open(std::slice::from_ref(&key)).map_err(|failure| {
        Failure::usage(
            format!("the checkpoint `{}` does not count: {failure}", file.display()),
            failure.help(),
        )
    })?;
    let old = *claimed.head();
    let now = log.head().await?;
    prove_consistency(log, &old, &now).await.map_err(prove::unproven)?;
    Ok(old)
}

/// Checks the log: every event, the chain of every stream, the root over all; and replays every
/// run through the definition it is pinned to.
async fn verify_log(context: &Context, arguments: &Verify) -> Result<Answer, Failure> {
    let directory = context.open()?;
    let log = context.log_to_read(&directory).await?;
    let verified = log::verify(&*log).await?;
    let since = match &arguments.checkpoint {
        Some(file) => Some(verify_since(&directory, &log, arguments, file).await?),
        None => None,
    };
    let evidence = directory.check_evidence(&*log).await?;
    // A read model of its own: what is derived must not vouch for what it is derived from.
    let engine = directory
        .engine_on(log)?
        .read_model(ReadModelAt::Memory)
        .effects(Effects::LeaveAlone)
        .start()
        .await?;
    let replayed = replay(&engine).await;
    let several = engine.projects().len() > 1;
    engine.shutdown().await;
    let (runs, misfits) = replayed?;
    if !misfits.is_empty() {
        return Err(unreplayable(&misfits, runs, &verified, several));
    }
    if !evidence.damaged.is_empty() {
        return Err(damaged(&evidence));
    }
    let root: String = verified.root.iter().map(|byte| format!("{byte:02x}")).collect();
    let since_in_words = since.map_or_else(String::new, |old| {
        format!("all {} of the checkpoint are there, unchanged\n", count(old.sequence.0, "event"))
    });
    let evidence_in_words = match evidence.files {
        0 => String::new(),
        files => {
            format!("all evidence is whole: {}, {} bytes\n", count(files, "file"), evidence.bytes)
        }
    };
    let text = format!(
        "the log is whole: {} in {}, {} bytes\n{since_in_words}every run replays: {}\n{evidence_in_words}root sha256:{root}\n",
        count(verified.events, "event"),
        count(verified.streams, "stream"),
        verified.bytes,
        count(runs, "run"),
    );
    let json = json!({
        "events": verified.events,
        "streams": verified.streams,
        "bytes": verified.bytes,
        "runs": runs,
        "evidence_files": evidence.files,
        "checkpoint_events": since.map(|old| old.sequence),
        "root": format!("sha256:{root}"),
    });
    Answer::new(text, &json)
}

/// A run that does not replay, and why.
struct Misfits {
    row: RunRow,
    why: String,
    help: &'static str,
}

/// Replays every run as those do who have to go on with it. Answers with how many there are, and those that do
/// not replay.
async fn replay(engine: &Engine) -> Result<(u64, Vec<Misfits>), Failure> {
    let mut rows = engine.runs(&RunFilter::default()).await?;
    rows.sort_by_key(|row| (row.project.clone(), row.number));
    let runs = rows.len() as u64;
    let mut found = Vec::new();
    for row in rows {
        match engine.replay(row.id).await {
            Ok(None) => {}
            Ok(Some(misfit)) => {
                found.push(Misfits { row, why: misfit.to_string(), help: AS_IT_WAS });
            }
            Err(failure) if failure.is_of_the_run() => {
                found.push(Misfits { row, why: failure.to_string(), help: UNLOADABLE });
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok((runs, found))
}

/// Says which runs do not replay.
fn unreplayable(found: &[Misfits], runs: u64, verified: &Verified, several: bool) -> Failure {
    let events = count(verified.events, "event");
    let many = found.len();
    let do_not = if many == 1 { "does not" } else { "do not" };
    let mut text = format!(
        "the log is whole ({events}), but {many} of {} {do_not} replay:",
        count(runs, "run")
    );
    for Misfits { row, why, .. } in found.iter().take(MISFITS_NAMED_MAX) {
        let (run, title) = (list::named(row, several), cut(&row.title));
        text.push_str(&format!("\nrun {run} ({title}): {}", line(why)));
    }
    if let more @ 1.. = many.saturating_sub(MISFITS_NAMED_MAX) {
        text.push_str(&format!("\nand {more} more; `holdpoint list` shows them as broken"));
    }
    let mut help: Vec<String> = Vec::new();
    for one in found {
        if !help.iter().any(|told| told == one.help) {
            help.push(one.help.to_owned());
        }
    }
    Failure::storage_with(text, help)
}
