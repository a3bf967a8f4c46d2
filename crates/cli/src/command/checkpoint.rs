//! `holdpoint checkpoint`: signs the state of the log, and makes keys to sign it with.

use holdpoint::log::{EventLog as _, checkpoint::SignedCheckpoint};
use serde_json::json;

use crate::{arguments::Checkpoint, context::Context, failure::Failure, output::Answer};

/// Signs the log's head, or makes a key.
pub(crate) async fn checkpoint(
    context: &Context,
    arguments: &Checkpoint,
) -> Result<Answer, Failure> {
    let directory = context.open()?;
    if let Some(name) = &arguments.new_key {
        let key = directory.new_signing_key(name.clone())?;
        let text = format!("{key}\n");
        return Answer::new(text, &json!({ "key": key.to_string() }));
    }
    let key = directory.signing_key()?;
    let log = context.log_to_read(&directory).await?;
    let signed = SignedCheckpoint::sign(log.head().await?, &key);
    let claimed = signed.claimed();
    let json = json!({
        "origin": claimed.origin(),
        "events": claimed.head().sequence,
        "root": format!("sha256:{}", hex::encode(claimed.head().root)),
        "key": key.public_key().to_string(),
        "checkpoint": signed.to_string(),
    });
    Answer::new(signed.to_string(), &json)
}
