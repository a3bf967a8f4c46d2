//! Opening a log of a test, and looking for all that was acknowledged.

use std::{collections::BTreeMap, env, io::Write, path::Path};

use holdpoint_core::Version;
use holdpoint_log::{EventLog, conformance::stream, verify};
use holdpoint_log_sled::{OpenFailure, Options, SledLog};

/// So little that segments are written and tails dropped all the time.
pub(crate) const SMALL_TAILS: u64 = 400_000;

/// Tails of so many bytes, and segments that are merged now and then.
pub(crate) const fn small(tail_bytes_max: u64) -> Options {
    Options { tail_bytes_max, segment_bytes: 8 * tail_bytes_max }
}

/// How many events each stream had, at least, when its last append was acknowledged.
pub(crate) type Acknowledged = BTreeMap<u64, u64>;

/// Opens the log in `path`, which is made where there is none.
pub(crate) async fn open(path: &Path, options: Options) -> Result<SledLog, OpenFailure> {
    match SledLog::open_with(path, "test", options).await {
        Err(OpenFailure::NotThere { .. }) => drop(SledLog::create(path, "test").await?),
        opened => return opened,
    }
    SledLog::open_with(path, "test", options).await
}

/// Tells the test something.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

/// Opens the log in `path` and looks for all that was acknowledged. Says what is lost, or why the
/// log does not open; otherwise how many events it has.
pub(crate) async fn check(path: &Path, acknowledged: &Acknowledged) -> Result<u64, String> {
    let log = match open(path, small(SMALL_TAILS)).await {
        Err(
            failure @ (OpenFailure::Damaged { .. }
            | OpenFailure::HeadLost { .. }
            | OpenFailure::FormatDamaged { .. }
            | OpenFailure::UnknownFormat { .. }),
        ) => {
            return Err(format!("refused: {failure}"));
        }
        opened => opened.unwrap(),
    };
    let verified = verify(&log).await.map_err(|failure| format!("refused: {failure}"))?;
    for (run, version) in acknowledged {
        let before = Version(version - 1);
        let last = log.read_stream(&stream(*run), before, 1).await.unwrap();
        if last.is_empty() {
            return Err(format!(
                "lost: version {version} of stream {run} is not among {} events",
                verified.events
            ));
        }
    }
    Ok(verified.events)
}

/// The value of a variable that says how long a test takes.
pub(crate) fn count(variable: &str, default: usize) -> usize {
    env::var(variable).map_or(default, |count| count.parse().unwrap())
}
