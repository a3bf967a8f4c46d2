//! `holdpoint init`: makes a data directory.

use holdpoint::DataDirectory;
use serde_json::json;

use crate::{context::Context, failure::Failure, output::Answer};

/// Makes the data directory.
pub(crate) async fn init(context: &Context) -> Result<Answer, Failure> {
    let directory = DataDirectory::init(&context.directory).await?;
    let path = directory.path().display();
    let text = format!(
        "made the data directory {path}\n\
         next: say in {path}/holdpoint.toml what runs may ask for\n\
         next: `holdpoint project create NAME --as MEMBER`\n"
    );
    Answer::new(text, &json!({ "directory": path.to_string() }))
}
