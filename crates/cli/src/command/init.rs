//! `holdpoint init`: makes a data directory.

use holdpoint::{
    DataDirectory, SigningKeyFailure,
    keys::{self, PUBLIC_KEY_FILE},
};
use serde_json::json;

use crate::{
    arguments::Init, command::verify::read_key, context::Context, failure::Failure, output::Answer,
};

/// Makes the data directory.
pub(crate) async fn init(context: &Context, arguments: Init) -> Result<Answer, Failure> {
    let name = match arguments.origin {
        Some(name) => name,
        None => keys::random_name()?,
    };
    let directory = DataDirectory::init_as(&context.directory, name).await?;
    let key = match directory.signing_key() {
        // What was restored, and is made whole here, has only the public one.
        Err(SigningKeyFailure::NotThere { .. }) => {
            read_key(&directory.path().join(PUBLIC_KEY_FILE))?
        }
        read => read?.public_key().clone(),
    };
    let path = directory.path().display();
    let text = format!(
        "made the data directory {path}\n\
         the key for those who check its history: {key}\n\
         next: say in {path}/holdpoint.toml what runs may ask for\n\
         next: `holdpoint project create NAME --as MEMBER`\n"
    );
    Answer::new(text, &json!({ "directory": path.to_string(), "key": key.to_string() }))
}
