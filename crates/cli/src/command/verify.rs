//! `holdpoint verify`: checks the log whole, and that every run replays.

use holdpoint::{
    DataDirectory,
    engine::{Effects, Engine, ReadModelAt, RunFilter},
    log,
};
use serde_json::json;

use crate::{
    context::Context,
    failure::Failure,
    output::{Answer, count},
};

/// Checks the log: every event, the chain of every stream, the root over all; and replays every
/// run through the definition it is pinned to.
pub(crate) async fn verify(context: &Context) -> Result<Answer, Failure> {
    let directory = DataDirectory::open(&context.directory)?;
    let log = directory.log(&context.user).await?;
    let verified = log::verify(&*log).await?;
    // A read model of its own: what is derived must not vouch for what it is derived from.
    let engine = directory
        .engine_on(log)?
        .read_model(ReadModelAt::Memory)
        .effects(Effects::LeaveAlone)
        .start()
        .await?;
    let replayed = replay(&engine).await;
    engine.shutdown().await;
    let runs = replayed?;
    let root: String = verified.root.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "the log is whole: {} in {}, {} bytes\nevery run replays: {}\nroot sha256:{root}\n",
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
        "root": format!("sha256:{root}"),
    });
    Answer::new(text, &json)
}

async fn replay(engine: &Engine) -> Result<u64, Failure> {
    let rows = engine.runs(&RunFilter::default()).await?;
    for row in &rows {
        engine.run_as_of(row.id, holdpoint::engine::AsOf::Version(row.at.version)).await?;
    }
    Ok(rows.len() as u64)
}
