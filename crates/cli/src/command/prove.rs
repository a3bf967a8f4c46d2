//! `holdpoint prove`: writes proofs that can be checked without the log.

use std::path::Path;

use holdpoint::{
    core::{EventId, Sequence},
    log::{
        EventLog, Head,
        checkpoint::SignedCheckpoint,
        proof_file::{ConsistencyFile, InclusionFile, ProofFile},
        prove::{ProveFailure, Tiles, prove_consistency, prove_inclusion},
    },
};
use serde_json::json;

use crate::{
    arguments::Prove,
    command::verify::{CHECKPOINT_BYTES_MAX, read_checkpoint},
    context::Context,
    failure::Failure,
    new_file,
    output::{Answer, count},
    relay::caller::place,
    text_file,
};

/// How many events are read at once.
const READ_LIMIT: usize = 1_000;

/// Proves that the log has an event, or that it has only grown.
pub(crate) async fn prove(context: &Context, arguments: &Prove) -> Result<Answer, Failure> {
    let old = match &arguments.since {
        Some(file) => Some(read_checkpoint(file)?),
        None => None,
    };
    let directory = context.open()?;
    let key = directory.signing_key()?;
    let log = context.log_to_read(&directory).await?;
    let head = log.head().await?;
    let checkpoint = SignedCheckpoint::sign(head, &key);
    let (proof, what) = match (old, &arguments.event) {
        (Some(old), _) => {
            let known = [key.public_key().clone()];
            let claimed = old.open(&known).map_err(|failure| {
                Failure::usage(format!("the checkpoint does not count: {failure}"), failure.help())
            })?;
            let proof = prove_consistency(&*log, claimed.head(), &head).await.map_err(unproven)?;
            let what = format!(
                "the log of {} has all {} of the checkpoint, unchanged",
                count(head.sequence.0, "event"),
                count(claimed.head().sequence.0, "event"),
            );
            let file = ConsistencyFile { proof, old: old.clone(), new: checkpoint };
            (ProofFile::Consistency(file), what)
        }
        (None, Some(text)) => {
            let sequence = sequence(&*log, text).await?;
            let file = inclusion(&*log, sequence, &head, checkpoint).await?;
            let what =
                format!("event {sequence} is in the log of {}", count(head.sequence.0, "event"));
            (ProofFile::Inclusion(file), what)
        }
        (None, None) => {
            return Err(Failure::usage(
                "nothing was named that is to be proved",
                "name an event, by its number or its id, or a checkpoint with `--since FILE`",
            ));
        }
    };
    let json = json!({ "proved": what, "proof": proof.to_string() });
    match &arguments.out {
        None => Answer::new(proof.to_string(), &json),
        Some(file) => {
            write(file, &proof.to_string())?;
            Answer::new(format!("{what}: the proof is in {}\n", file.display()), &json)
        }
    }
}

async fn inclusion(
    log: &(impl EventLog + Tiles),
    sequence: Sequence,
    head: &Head,
    checkpoint: SignedCheckpoint,
) -> Result<InclusionFile, Failure> {
    let proof = prove_inclusion(log, sequence, head).await.map_err(unproven)?;
    let before = Sequence(sequence.0.saturating_sub(1));
    let event = log.read(before, 1).await?.into_iter().next().map(|record| record.bytes);
    Ok(InclusionFile { event, proof, checkpoint })
}

/// The place of the event that `text` names.
async fn sequence(log: &impl EventLog, text: &str) -> Result<Sequence, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(Sequence(number));
    }
    let id: EventId = text.parse().map_err(|_| {
        Failure::usage(
            format!("`{text}` does not name an event"),
            "give its `sequence` or its `id`, as `holdpoint history --json` has them",
        )
    })?;
    let mut after = Sequence::ZERO;
    loop {
        let records = log.read(after, READ_LIMIT).await?;
        let Some(last) = records.last() else {
            let help = "`holdpoint history --json` has the events of a project";
            return Err(Failure::usage(format!("there is no event {id}"), help));
        };
        after = last.sequence;
        for record in &records {
            if record.event()?.id == id {
                return Ok(record.sequence);
            }
        }
    }
}

/// Why there is no proof: what was asked for is not there, or the log is not what it was.
pub(crate) fn unproven(failure: ProveFailure) -> Failure {
    match failure {
        ProveFailure::Read(failure) => failure.into(),
        ProveFailure::NoEvent { .. } | ProveFailure::Nothing => {
            Failure::usage(failure.to_string(), failure.help())
        }
        other => Failure::storage(other.to_string(), other.help()),
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    new_file::write(file, &place(file)?, text.as_bytes(), |error| {
        Failure::usage(
            format!("the proof cannot be written to `{}`: {error}", file.display()),
            "name a file in a directory that you can write to",
        )
    })
}

/// Reads a proof.
pub(crate) fn read(file: &Path) -> Result<ProofFile, Failure> {
    let text = text_file::read(file, CHECKPOINT_BYTES_MAX).map_err(|reason| {
        Failure::usage(
            format!("the proof `{}` cannot be read: {reason}", file.display()),
            "give a file that `holdpoint prove` has written",
        )
    })?;
    text.parse().map_err(|malformed: holdpoint::log::Malformed| {
        Failure::usage(
            format!("`{}` is not a proof: {malformed}", file.display()),
            malformed.help(),
        )
    })
}
