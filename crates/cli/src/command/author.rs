//! `holdpoint explain`, `diff`, `graph`, `fmt` and `schema`: what authors of definitions work with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use holdpoint::{
    authoring::{
        format::{self, FormatFailure},
        picture,
    },
    definition::{Change, Definition, SCHEMA, is_baseline},
};
use serde_json::{Value, json};

use crate::{
    arguments::{
        author::{Direction, Fmt, Graph, Picture},
        baseline::ByBaseline,
    },
    command::{
        by_baseline::{self, Written},
        check, definitions,
    },
    context::Context,
    failure::Failure,
    new_file,
    output::{Answer, count, line},
    text_file,
};

/// The name that stands for standard input.
const STDIN: &str = "-";

fn definition(file: &Path) -> Result<Definition, Failure> {
    let source = definitions::read(file)?;
    Ok(definitions::parse(file, &source)?.definition)
}

/// Says what a definition does, and how it stands to a baseline.
pub(crate) async fn explain(
    context: &Context,
    file: &Path,
    by: &ByBaseline,
) -> Result<Answer, Failure> {
    let definition = definition(file)?;
    let mut text = definition.explain();
    if let Some(named) = by_baseline::named(context, by).await? {
        text.push_str(&format!("\n{}", named.baseline()?.explain(&definition)));
    }
    let shown: String = text.lines().map(|one| format!("{}\n", line(one))).collect();
    Answer::new(shown, &json!({ "file": file.display().to_string(), "explanation": text }))
}

/// Prints the JSON Schema of definitions.
pub(crate) fn schema() -> Result<Answer, Failure> {
    Answer::new(SCHEMA, &serde_json::from_str::<Value>(SCHEMA)?)
}

/// Draws a definition, and how it stands to a baseline.
pub(crate) async fn graph(context: &Context, arguments: &Graph) -> Result<Answer, Failure> {
    let definition = definition(&arguments.file)?;
    let mut outline = definition.outline();
    if let Some(named) = by_baseline::named(context, &arguments.by).await? {
        outline.baseline = Some(named.baseline()?.outline(&definition));
    }
    let direction = match arguments.direction {
        Direction::Down => picture::Direction::Down,
        Direction::Right => picture::Direction::Right,
    };
    let (language, picture) = match arguments.format {
        Picture::Svg => {
            let drawn = picture::svg(&outline, definition.title(), direction);
            ("svg", drawn.map_err(too_large)?)
        }
        Picture::Mermaid => ("mermaid", picture::mermaid(&outline, direction)),
    };
    let file = arguments.file.display().to_string();
    match &arguments.out {
        None => Answer::new(
            picture.clone(),
            &json!({ "file": file, "format": language, "picture": picture }),
        ),
        Some(out) => {
            write_picture(arguments, out, &picture)?;
            let text = format!("drew `{}` into {}\n", definition.name(), out.display());
            Answer::new(
                text,
                &json!({ "file": file, "format": language, "out": out.display().to_string() }),
            )
        }
    }
}

/// Writes the picture to a new file, or over one that may go.
fn write_picture(arguments: &Graph, out: &Path, picture: &str) -> Result<(), Failure> {
    let unwritable = |error: io::Error| unwritable(out, &error);
    if !arguments.force {
        let written = new_file::write(out, out, picture.as_bytes(), unwritable);
        return written.map_err(|failure| match out.exists() {
            true => failure.but("`--force` writes over it"),
            false => failure,
        });
    }
    let same = |file: &Path| fs::canonicalize(file).ok();
    if same(out).is_some_and(|out| same(&arguments.file) == Some(out)) {
        return Err(Failure::usage(
            format!("`{}` is the definition that is drawn", out.display()),
            "name another file for the picture",
        ));
    }
    fs::write(out, picture).map_err(unwritable)
}

fn too_large(failure: picture::TooLarge) -> Failure {
    Failure::usage(failure.to_string(), "`--format mermaid` has no limit; or split the definition")
}

fn unwritable(file: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!("`{}` cannot be written: {error}", file.display()),
        "name a file in a directory that is there and may be written to",
    )
}

/// Says what differs between two definitions, also in how they stand to a baseline, or between two baselines.
pub(crate) async fn diff(
    context: &Context,
    before: &Path,
    after: &Path,
    by: &ByBaseline,
) -> Result<Answer, Failure> {
    let is_baseline = |file: &Path| Ok::<bool, Failure>(is_baseline(&definitions::read(file)?));
    let named = by_baseline::named(context, by).await?;
    let (between, changes) = match (is_baseline(before)?, is_baseline(after)?) {
        (true, true) if named.is_some() => {
            return Err(Failure::usage(
                "the files are baselines, and baselines do not keep to one",
                "name two definitions, or leave the third baseline out",
            ));
        }
        (true, true) => {
            let read = |file: &Path| Written::in_file(file)?.baseline();
            let (old, new) = (read(before)?, read(after)?);
            (format!("`{}` → `{}`", old.name(), new.name()), old.compare(&new))
        }
        (false, false) => {
            let (old, new) = (definition(before)?, definition(after)?);
            let words = |one: &Definition| format!("`{}` v{}", one.name(), one.version());
            let mut changes = old.compare(&new);
            if let Some(named) = named {
                changes.extend(named.baseline()?.compare_standings(&old, &new));
            }
            (format!("{} → {}", words(&old), words(&new)), changes)
        }
        _ => {
            return Err(Failure::usage(
                "one of the files is a baseline, and the other is none",
                "name two definitions, or two baselines",
            ));
        }
    };
    let mut text = format!(
        "{between}: {}\n",
        match changes.len() {
            0 => "no difference in meaning".to_owned(),
            some => count(some as u64, "difference"),
        }
    );
    let mut place = "";
    for change in &changes {
        if change.place != place {
            place = &change.place;
            text.push_str(&format!("\n{place}\n"));
        }
        text.push_str(&in_words(change));
    }
    let json: Vec<Value> = changes
        .iter()
        .map(|one| json!({ "place": one.place, "what": one.what, "before": one.before, "after": one.after }))
        .collect();
    Answer::new(text, &json!({ "changes": json }))
}

fn in_words(change: &Change) -> String {
    let Change { what, before, after, .. } = change;
    let text = match (before, after) {
        (Some(before), Some(after)) => format!("~ {what}: {before} → {after}"),
        (None, Some(after)) => format!("+ {what}: {after}"),
        (Some(before), None) => format!("- {what}: {before}"),
        (None, None) => what.clone(),
    };
    format!("  {}\n", line(&text))
}

/// Gives files the same look: all of them, or none.
pub(crate) fn fmt(context: &Context, arguments: &Fmt) -> Result<Answer, Failure> {
    if arguments.files.iter().any(|file| file.as_os_str() == STDIN) {
        return fmt_stdin(arguments);
    }
    let mut changed: Vec<(PathBuf, String)> = Vec::new();
    let files = check::files(&arguments.files)?;
    for file in &files {
        let source = definitions::read(file)?;
        let formatted = formatted(&file.display().to_string(), &source)?;
        if formatted != source {
            changed.push((file.clone(), formatted));
        }
    }
    let names: Vec<String> = changed.iter().map(|(file, _)| file.display().to_string()).collect();
    if arguments.check {
        if names.is_empty() {
            return fmt_answer(&names, files.len());
        }
        let told = if context.json { String::new() } else { format!(":\n{}", names.join("\n")) };
        let of = count(files.len() as u64, "file");
        return Err(Failure::expectation(
            format!("{} of {of} would be changed{told}", names.len()),
            "`holdpoint fmt` with the same files changes them",
        ));
    }
    for (file, text) in &changed {
        replace(file, text).map_err(|error| unwritable(file, &error))?;
    }
    fmt_answer(&names, files.len())
}

fn fmt_answer(changed: &[String], all: usize) -> Result<Answer, Failure> {
    let mut text: String = changed.iter().map(|name| format!("formatted {name}\n")).collect();
    let left = all.saturating_sub(changed.len());
    if left > 0 {
        let as_it = if left == 1 { "looks" } else { "look" };
        text.push_str(&format!("{} {as_it} as wanted\n", count(left as u64, "file")));
    }
    Answer::new(text, &json!({ "formatted": changed, "unchanged": left }))
}

fn fmt_stdin(arguments: &Fmt) -> Result<Answer, Failure> {
    if arguments.files.len() > 1 {
        return Err(Failure::usage(
            "standard input stands alone",
            "name files, or `-` and nothing else",
        ));
    }
    let source = text_file::read_stdin(definitions::SOURCE_BYTES_MAX).map_err(|reason| {
        Failure::usage(
            format!("standard input cannot be read: {reason}"),
            "send a definition in YAML",
        )
    })?;
    let text = formatted("standard input", &source)?;
    if arguments.check && text != source {
        return Err(Failure::expectation(
            "standard input would be changed",
            "`holdpoint fmt -` shows how it should look",
        ));
    }
    let shown = if arguments.check { String::new() } else { text.clone() };
    Answer::new(shown, &json!({ "text": text, "changed": text != source }))
}

fn formatted(name: &str, source: &str) -> Result<String, Failure> {
    format::format(name, source).map_err(|failure| match failure {
        FormatFailure::Unreadable(found) => Failure::Findings(*found),
        FormatFailure::Unusual => Failure::usage(
            format!("`{name}` is left as it is: {failure}"),
            "write what is unusual in it in a simpler form, such as keys that stand on lines of their own",
        ),
    })
}

/// Writes a file anew, so that whatever happens it has the old text or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    // Where the name is a link, what it leads to is written.
    let file = fs::canonicalize(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = fs::write(&beside, text)
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(&file)?.permissions()))
        .and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        // What could not take the file's place is of no use to anybody.
        drop(fs::remove_file(&beside));
    }
    written
}
