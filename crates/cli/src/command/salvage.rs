//! `holdpoint salvage`: saves what can still be read of a damaged data directory.

use std::path::Path;

use holdpoint::{
    backup::{UNPLACED_FILE, salvage_directory},
    log_sled::{Fate, Stretch},
};
use serde_json::json;

use crate::{
    command::backup::{bar, in_words, shown_by},
    context::Context,
    failure::Failure,
    output::{Answer, count, line, table},
};

/// Saves what can be read into a new data directory, and lists the rest.
pub(crate) fn salvage(context: &Context, to: &Path) -> Result<Answer, Failure> {
    let bar = bar();
    let saved = salvage_directory(&context.directory, to, shown_by(&bar));
    bar.finish_and_clear();
    let saved = saved?;
    let events = saved.head.sequence.0;
    let root = in_words(&saved.head.root);
    let mut text =
        format!("salvaged {} into {}\nroot {root}\n", count(events, "event"), to.display());
    if saved.stretches.iter().all(|stretch| stretch.fate == Fate::Kept) {
        text.push_str("nothing is known to be lost\n");
    } else {
        let rows = saved.stretches.iter().map(|stretch| {
            let (fate, reason) = in_a_row(&stretch.fate);
            vec![range(stretch), fate.to_owned(), reason.to_owned()]
        });
        text.push_str(&table(&["EVENTS", "", ""], rows));
    }
    let told = |finding: &&String| {
        !saved.stretches.iter().any(|stretch| in_a_row(&stretch.fate).1 == finding.as_str())
    };
    for finding in saved.findings.iter().filter(told) {
        text.push_str(&format!("found: {}\n", line(finding)));
    }
    if saved.unplaced > 0 {
        text.push_str(&format!(
            "{} without a place: {}\n",
            count(saved.unplaced, "event"),
            to.join(UNPLACED_FILE).display()
        ));
    }
    let stretches: Vec<_> = saved
        .stretches
        .iter()
        .map(|Stretch { first, last, fate }| {
            let (fate, reason) = match fate {
                Fate::Kept => ("kept", None),
                Fate::Unplaced => ("unplaced", None),
                Fate::Lost(reason) => ("lost", Some(reason)),
            };
            json!({ "first": first, "last": last, "fate": fate, "reason": reason })
        })
        .collect();
    let json = json!({
        "directory": to.display().to_string(),
        "events": events,
        "root": root,
        "unplaced": saved.unplaced,
        "ranges": stretches,
        "findings": saved.findings,
    });
    Answer::new(text, &json)
}

fn range(Stretch { first, last, .. }: &Stretch) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

fn in_a_row(fate: &Fate) -> (&'static str, &str) {
    match fate {
        Fate::Kept => ("kept", ""),
        Fate::Unplaced => ("readable", "events before them are missing"),
        Fate::Lost(reason) => ("lost", reason),
    }
}
