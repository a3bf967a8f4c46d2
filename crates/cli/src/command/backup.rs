//! `holdpoint backup` and `holdpoint restore`: copies of a data directory, and what is made of them.

use std::path::Path;

use holdpoint::{backup::restore_directory, keys::SECRET_KEY_FILE, log::merkle::Hash};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    context::Context,
    failure::Failure,
    output::{Answer, count, progress},
    relay::caller::place,
};

/// Brings a backup up to date, or makes one.
pub(crate) async fn backup(context: &Context, to: &Path) -> Result<Answer, Failure> {
    let directory = context.open()?;
    let log = context.log_to_read(&directory).await?;
    let bar = bar();
    let made = directory.backup(&log, place(to)?, shown_by(&bar)).await;
    bar.finish_and_clear();
    let made = made?;
    let (log, evidence) = (made.log, made.evidence_added);
    let events = log.head.sequence.0;
    let mut text = format!(
        "backed up {} to {}, {} of them new\n",
        count(events, "event"),
        to.display(),
        log.added,
    );
    if evidence > 0 {
        text.push_str(&format!("and {} of evidence\n", count(evidence, "new file")));
    }
    text.push_str(&format!("root {}\n", in_words(&log.head.root)));
    let json = json!({
        "directory": to.display().to_string(),
        "events": events,
        "added": log.added,
        "evidence_added": evidence,
        "root": in_words(&log.head.root),
    });
    Answer::new(text, &json)
}

/// Makes a data directory of a backup.
pub(crate) async fn restore(context: &Context, from: &Path) -> Result<Answer, Failure> {
    let bar = bar();
    let restored = restore_directory(from, &context.directory, shown_by(&bar)).await;
    bar.finish_and_clear();
    let verified = restored?;
    let path = context.directory.display();
    let mut text = format!(
        "restored {path} from {}\nthe log is whole: {} in {}, {} bytes\nroot {}\n",
        from.display(),
        count(verified.events, "event"),
        count(verified.streams, "stream"),
        verified.bytes,
        in_words(&verified.root),
    );
    if !context.directory.join(SECRET_KEY_FILE).exists() {
        text.push_str(&format!(
            "next: put {SECRET_KEY_FILE} back from where you keep a copy; it is in no backup\n"
        ));
    }
    let json = json!({
        "directory": path.to_string(),
        "events": verified.events,
        "streams": verified.streams,
        "bytes": verified.bytes,
        "root": in_words(&verified.root),
    });
    Answer::new(text, &json)
}

/// A hash as it is shown.
pub(crate) fn in_words(hash: &Hash) -> String {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// A bar on standard error, where that is a terminal.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, progress());
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta} left");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

/// Shows on a bar how much is done.
pub(crate) fn shown_by(bar: &ProgressBar) -> impl Fn(u64, u64) + Send + 'static {
    let bar = bar.clone();
    move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    }
}
