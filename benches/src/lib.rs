//! Holdpoint's log beside other stores: the same events, as durable, from as many writers.
//!
//! What is compared is in this package alone, so that nothing of it comes into the program.

mod compare;
mod group;
mod stores;

pub use compare::{Compared, compare};
pub use group::GroupCommit;
pub use stores::{Fjall, Redb, Sqlite, Store, StoreFailure};
