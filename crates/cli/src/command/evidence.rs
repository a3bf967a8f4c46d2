//! `holdpoint attach` and `holdpoint evidence`: what runs are shown, and the files that it is.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter},
    path::Path,
};

use holdpoint::{
    EvidenceFailure, EvidenceStore,
    core::{Action, Command, Digest, NewEvidence, RunId, event::TypedEvent as _},
    definition::{Attached, DefinitionEvent},
    engine::Engine,
    evidence::{Stored, kept},
};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    arguments::evidence::{Attach, EvidenceCommand},
    command::{history, run},
    context::Context,
    failure::Failure,
    new_file,
    output::{Answer, count, table, time},
    relay::caller::{self, place},
    text_file,
};

/// Attaches a file, or a reference to what is kept elsewhere.
pub(crate) async fn attach(context: &Context, arguments: Attach) -> Result<Answer, Failure> {
    let Attach { run, name, file, reference, sha256, size, media_type, note, acting } = arguments;
    let who = acting.who()?;
    // Before the directory is others' no more: a pipe or a device can be read for ever.
    if let Some(path) = &file {
        regular(path)?;
    }
    let store = context.open()?.evidence();
    let attached = async |engine: &Engine| {
        let run = context.run(engine, &run.run).await?;
        let (evidence, stored): (NewEvidence, Option<Stored>) = match (file, reference, sha256) {
            (Some(path), ..) => {
                let (evidence, stored) = keep(&store, &path, media_type)?;
                (evidence, Some(stored))
            }
            (None, Some(reference), Some(digest)) => {
                let reference = Some(reference);
                (NewEvidence { digest, size, file: None, media_type, reference }, None)
            }
            _ => {
                return Err(Failure::usage(
                    "there is nothing to attach",
                    "name a file, or say `--reference URL --sha256 DIGEST`",
                ));
            }
        };
        let action = Action::Attach { name, evidence, note };
        let command =
            Command { id: who.command, actor: who.actor, auth: who.auth, trace: None, action };
        let sent = run::send(engine, run, command, "attached evidence to").await;
        discard_refused(&store, &sent, stored.as_ref())?;
        sent
    };
    context.with_engine_at_rest(attached).await
}

/// What a refused command would have named must not stay. Where nobody knows what became of the command, the
/// file does; and where others may have put the same bytes meanwhile.
pub(crate) fn discard_refused<T>(
    store: &EvidenceStore,
    sent: &Result<T, Failure>,
    stored: Option<&Stored>,
) -> Result<(), EvidenceFailure> {
    match (sent, stored, caller::current()) {
        (Err(Failure::Refused(_)), Some(stored), None) => store.discard(stored),
        _ => Ok(()),
    }
}

/// Keeps a file that whoever calls has named.
fn put(store: &EvidenceStore, path: &Path) -> Result<Stored, EvidenceFailure> {
    match caller::current() {
        Some(caller) => {
            store.put(&mut caller.read(path, u64::MAX).map_err(EvidenceFailure::Source)?)
        }
        None => store.put(&mut File::open(path).map_err(EvidenceFailure::Source)?),
    }
}

/// Keeps a file, and says what is known of it then.
pub(crate) fn keep(
    store: &EvidenceStore,
    path: &Path,
    media_type: Option<String>,
) -> Result<(NewEvidence, Stored), Failure> {
    let file = name_of(path)?;
    let stored = put(store, path).map_err(|failure| match failure {
        EvidenceFailure::Source(error) => unreadable(path, &error),
        other => other.into(),
    })?;
    Ok((kept(&stored, &file, media_type), stored))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!("`{}` cannot be read: {}", path.display(), text_file::in_words(error)),
        "name a file that can be read",
    )
}

/// Checks that a path is that of a file with an end.
pub(crate) fn regular(path: &Path) -> Result<(), Failure> {
    // It has looked itself before it called.
    if caller::current().is_some() {
        return Ok(());
    }
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    // What a directory is answered with, reading it says.
    if metadata.is_file() || metadata.is_dir() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("`{}` is no regular file", path.display()),
        "write what it gives to a file, and attach that",
    ))
}

fn name_of(path: &Path) -> Result<String, Failure> {
    path.file_name().and_then(OsStr::to_str).map(str::to_owned).ok_or_else(|| {
        Failure::usage(
            format!("`{}` is not the name of a file", path.display()),
            "name a file whose name is text",
        )
    })
}

/// Looks at what runs were shown.
pub(crate) async fn evidence(
    context: &Context,
    command: EvidenceCommand,
) -> Result<Answer, Failure> {
    match command {
        EvidenceCommand::List { run } => {
            let all = context
                .with_engine_to_read(async |engine| {
                    let run = context.run(engine, &run.run).await?;
                    attached(engine, run).await
                })
                .await?;
            list(&all)
        }
        EvidenceCommand::Get { run, name, out } => {
            let all = context
                .with_engine_to_read(async |engine| {
                    let run = context.run(engine, &run.run).await?;
                    attached(engine, run).await
                })
                .await?;
            get(context, &all, &name, &out)
        }
    }
}

/// Something that a run was shown, and when.
struct Shown {
    at: Timestamp,
    what: Attached,
    /// Whether nothing newer of the name was attached.
    newest: bool,
}

/// All that a run was shown, the oldest first.
async fn attached(engine: &Engine, run: RunId) -> Result<Vec<Shown>, Failure> {
    let project = engine.row(run).await?.project;
    let mut all: Vec<Shown> = Vec::new();
    let mut newest: BTreeMap<String, usize> = BTreeMap::new();
    history::each_of_run(engine, &project, run, |_, event| {
        let read = DefinitionEvent::from_parts(&event.kind, &event.data);
        let Ok(DefinitionEvent::EvidenceAttached(what)) = read else { return Ok(()) };
        let older = newest.insert(what.evidence.clone(), all.len());
        if let Some(older) = older.and_then(|at| all.get_mut(at)) {
            older.newest = false;
        }
        all.push(Shown { at: event.time, what, newest: true });
        Ok(())
    })
    .await?;
    Ok(all)
}

fn list(all: &[Shown]) -> Result<Answer, Failure> {
    let text = if all.is_empty() {
        "no evidence\n".to_owned()
    } else {
        table(
            &["EVIDENCE", "", "FILE", "SIZE", "BY", "AT (UTC)", "DIGEST"],
            all.iter().map(|Shown { at, what, newest }| {
                vec![
                    what.evidence.clone(),
                    if *newest { "newest" } else { "superseded" }.to_owned(),
                    what.reference.clone().or_else(|| what.file.clone()).unwrap_or_default(),
                    what.size.map(|size| size.to_string()).unwrap_or_default(),
                    what.member.to_string(),
                    time(*at),
                    what.digest.to_string(),
                ]
            }),
        )
    };
    let each = all.iter().map(|Shown { at, what, newest }| {
        json!({
            "evidence": what.evidence,
            "newest": newest,
            "digest": what.digest,
            "size": what.size,
            "file": what.file,
            "media_type": what.media_type,
            "reference": what.reference,
            "note": what.note,
            "state": what.state,
            "by": what.member,
            "at": at,
        })
    });
    Answer::new(text, &json!({ "evidence": each.collect::<Vec<_>>() }))
}

fn get(context: &Context, all: &[Shown], name: &str, out: &Path) -> Result<Answer, Failure> {
    // A digest is also taken without what says of which kind it is.
    let digest: Option<Digest> = name.parse().or_else(|_| format!("sha256:{name}").parse()).ok();
    let found = all.iter().find(|shown| match digest {
        Some(digest) => shown.what.digest == digest,
        None => shown.newest && shown.what.evidence == name,
    });
    let Some(Shown { what, .. }) = found else {
        let names: Vec<&str> = all
            .iter()
            .filter(|shown| shown.newest)
            .map(|shown| shown.what.evidence.as_str())
            .collect();
        return Err(Failure::usage(
            format!("the run was shown no evidence `{name}`"),
            if names.is_empty() {
                "attach some with `holdpoint attach`".to_owned()
            } else {
                format!("it was shown {}", names.join(", "))
            },
        ));
    };
    if let Some(reference) = &what.reference {
        return Err(not_kept(&what.evidence, reference, &what.digest));
    }
    let store = context.open()?.evidence();
    write(&store, &what.evidence, &what.digest, what.media_type.as_deref(), out)
}

/// That the bytes are elsewhere.
pub(crate) fn not_kept(evidence: &str, reference: &str, digest: &Digest) -> Failure {
    Failure::usage(
        format!("the evidence `{evidence}` is not kept here"),
        format!("fetch {reference} and compare its digest with {digest}"),
    )
}

/// Writes a file of evidence, if it is what was recorded.
pub(crate) fn write(
    store: &EvidenceStore,
    evidence: &str,
    digest: &Digest,
    media_type: Option<&str>,
    out: &Path,
) -> Result<Answer, Failure> {
    let place = place(out)?;
    let file = new_file::create(out, &place, |source| {
        EvidenceFailure::Io { path: out.to_owned(), source }.into()
    })?;
    let mut writer = BufWriter::new(file);
    let copied = store.copy_to(digest, &mut writer);
    let finished = copied.map_err(Failure::from).and_then(|size| {
        let flushed = writer.into_inner().map_err(io::IntoInnerError::into_error);
        flushed
            .map(|_| size)
            .map_err(|source| EvidenceFailure::Io { path: out.to_owned(), source }.into())
    });
    let size = match finished {
        Ok(size) => size,
        Err(failure) => {
            // What is not what was attached must not pass for it.
            drop(fs::remove_file(&place));
            return Err(failure);
        }
    };
    let text = format!(
        "wrote the evidence {evidence} to {}, {}\n{digest}\n",
        out.display(),
        count(size, "byte"),
    );
    let json = json!({
        "evidence": evidence,
        "file": out.display().to_string(),
        "size": size,
        "digest": digest,
        "media_type": media_type,
    });
    Answer::new(text, &json)
}

/// Says in which files there is damage.
pub(crate) fn damaged(checked: &holdpoint::evidence::Checked) -> Failure {
    let all: Vec<String> = checked
        .damaged
        .iter()
        .map(|(named, failure)| {
            format!("event {}, `{}`: {failure}", named.sequence, named.evidence)
        })
        .collect();
    let help = checked.damaged.first().map_or("", |(_, failure)| failure.help());
    Failure::storage(
        format!(
            "the log is whole, but of {} of evidence {} {} damaged:\n{}",
            count(checked.files, "file"),
            all.len(),
            if all.len() == 1 { "is" } else { "are" },
            all.join("\n")
        ),
        help,
    )
}
