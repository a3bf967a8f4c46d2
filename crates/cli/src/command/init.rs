//! `holdpoint init`: makes a data directory.

use holdpoint::{DataDirectory, keys};
use serde_json::json;

use crate::{arguments::Init, context::Context, failure::Failure, output::Answer};

/// Makes the data directory.
pub(crate) async fn init(context: &Context, arguments: Init) -> Result<Answer, Failure> {
    let name = match arguments.origin {
        Some(name) => name,
        None => keys::random_name()?,
    };
    let directory = DataDirectory::init_as(&context.directory, name).await?;
    let key = directory.signing_key()?.public_key().to_string();
    let path = directory.path().display();
    let text = format!(
        "made the data directory {path}\n\
         the key for those who check its history: {key}\n\
         next: say in {path}/holdpoint.toml what runs may ask for\n\
         next: `holdpoint project create NAME --as MEMBER`\n"
    );
    Answer::new(text, &json!({ "directory": path.to_string(), "key": key }))
}
