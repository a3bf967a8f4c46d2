//! Holdpoint for embedding: the engine, the definition language and the sled log in one place.
//!
//! A data directory is opened, an engine is started on it, and runs are submitted, released and
//! followed:
//!
//! ```
//! use holdpoint::{
//!     DataDirectory,
//!     core::{Actor, Authentication, CommandId, ProjectAction, ProjectCommand},
//!     engine::Submission,
//! };
//! use serde_json::json;
//!
//! const DEFINITION: &str = "
//! workflow: access-request
//! version: 1
//! title: Access to production
//! input:
//!   type: object
//!   required: [reason]
//!   properties: { reason: { type: string } }
//! start: ask
//! states:
//!   ask:
//!     hold:
//!       approval:
//!         rules: { lead: { from: role:lead, need: 1 } }
//!         not: [requester]
//!     on: { released: granted, rejected: denied }
//!   granted: { end: granted }
//!   denied: { end: denied }
//! ";
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let path = temporary.path().join("data");
//! let directory = DataDirectory::init(&path).await?;
//! let engine = directory.engine("an example").await?.start().await?;
//!
//! let new_id = || CommandId::from_uuid(uuid::Uuid::now_v7());
//! let ada: Actor = "member:ada".to_owned().try_into()?;
//! let auth = Authentication::new("example");
//! let project = "platform".parse()?;
//! let create = ProjectCommand {
//!     id: new_id(),
//!     actor: ada.clone(),
//!     auth: auth.clone(),
//!     trace: None,
//!     action: ProjectAction::Create { title: "The platform".to_owned() },
//! };
//! engine.change_project(&project, create).await?;
//! let language = holdpoint::definition::LANGUAGE;
//! engine.publish(&project, new_id(), ada.clone(), auth.clone(), language, DEFINITION).await?;
//!
//! let submitted = engine
//!     .submit(&project, Submission {
//!         command: new_id(),
//!         actor: ada,
//!         auth,
//!         trace: None,
//!         definition: "access-request".parse()?,
//!         version: None,
//!         input: json!({ "reason": "the pager went off" }),
//!     })
//!     .await?;
//! let run = engine.run(submitted.run).await?;
//! assert_eq!(run.view.state, "ask");
//! engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`directory`] | a data directory: a log, what is derived from it, the operator's configuration |
//! | [`backup`] | copies of a data directory: backups, and what is restored or imported |
//! | [`evidence`] | the files of evidence, kept beside the log under their digests |
//! | [`output`] | what programs write while they run, to be followed |
//! | [`keys`] | the key with which its log signs checkpoints |
//! | [`configuration`] | `holdpoint.toml`: the activities that runs may ask for |
//! | [`activity`] | the activities that come along: a program, an HTTP request, a health check |
//! | [`authoring`], [`core`], [`definition`], [`engine`], [`inventory`], [`log`], [`log_sled`], [`scenario`] | the crates underneath |

/// The README's example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub mod activity;
pub mod backup;
pub mod configuration;
mod configured;
pub mod directory;
pub mod evidence;
mod files;
pub mod keys;
pub mod output;
mod reading;

pub use backup::BackupFailure;
pub use configuration::{Configuration, ConfigurationFailure};
pub use directory::{DataDirectory, DirectoryFailure};
pub use evidence::{EvidenceFailure, EvidenceStore};
pub use holdpoint_authoring as authoring;
pub use holdpoint_core as core;
pub use holdpoint_definition as definition;
pub use holdpoint_engine as engine;
pub use holdpoint_inventory as inventory;
pub use holdpoint_log as log;
pub use holdpoint_log_sled as log_sled;
pub use holdpoint_scenario as scenario;
pub use keys::SigningKeyFailure;
pub use output::Outputs;
