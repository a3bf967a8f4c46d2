//! `holdpoint output`: what a program wrote, where that was too long to be recorded.

use holdpoint::{EvidenceFailure, core::Digest};
use serde_json::json;

use crate::{context::Context, failure::Failure, output::Answer};

/// Prints the file with a digest.
pub(crate) fn output(context: &Context, digest: Digest) -> Result<Answer, Failure> {
    let mut bytes = Vec::new();
    let files = context.open()?.evidence();
    files.copy_to(&digest, &mut bytes).map_err(|failure| match failure {
        EvidenceFailure::Missing { .. } => Failure::usage(
            format!("no output {digest} is kept here"),
            "give the digest that `holdpoint show` or `holdpoint history` names",
        ),
        other => other.into(),
    })?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let json = json!({ "digest": digest, "output": text });
    Answer::new(text, &json)
}
