//! The engine: runs, timers and activities over an event log.
//!
//! [`Engine`] is a cheap handle. Behind it, runs are spread over shards, a task each; a shard
//! decides the commands of its runs, appends their events, and answers when they are durable. What
//! a run's state then asks of the world (timers, activities) is found by asking the state, so a
//! restart forgets nothing. Lists and lookups go to a read model that follows the log.
//!
//! This crate must never name a storage engine, a definition language or a network protocol: the
//! log is an [`EventLog`](holdpoint_log::EventLog), definitions come through a
//! [`Loader`](holdpoint_core::Loader), and work is done by an [`ActivityHandler`].
//!
//! | module | subject |
//! |---|---|
//! | [`activity`] | work done for a run, and who does it |
//! | [`clock`] | where time comes from |
//! | [`failure`] | why a command or a query was not answered |
//! | [`files`] | the files of evidence that people rely on |
//! | [`limits`] | how many attempts may be under way, and how fast they may begin |
//! | [`workers`] | work that is done elsewhere, by workers that lease attempts |
//! | [`query`] | lists of runs, a run in detail, a run as it was |

pub mod activity;
mod attempting;
mod baselines;
mod broken;
mod builder;
mod catalog;
mod children;
pub mod clock;
mod conflict_desk;
mod conflicts;
mod deciding;
mod engine;
pub mod failure;
pub mod files;
mod guard;
mod limit_desk;
pub mod limits;
mod load;
mod locks;
mod masking;
mod migrating;
mod newer_work;
mod only_if;
mod owed;
mod projects;
pub mod query;
mod read_model;
mod recent;
mod recovery;
mod replaying;
mod shard;
mod slot;
pub mod workers;

pub use activity::{ActivityHandler, Attempt, Life};
pub use baselines::Below;
pub use builder::{Effects, EngineBuilder, ReadModelAt, rust_source};
pub use clock::{Clock, ManualClock, SystemClock};
pub use conflicts::ConflictRow;
pub use engine::{Engine, Idle, Submission, Submitted};
pub use failure::{CommandFailure, LeaseFailure, QueryFailure, StartFailure};
pub use files::EvidenceFiles;
pub use limits::{ItemPlace, QueueLimits, Rate, Takes};
pub use masking::Mask;
pub use only_if::OnlyIf;
pub use query::{AsOf, InScope, Kin, LockRow, RunDetail, RunFilter, RunRow};
pub use read_model::{numbered, numbers};
pub use replaying::Misfit;
pub use workers::{Lease, LeaseId};
