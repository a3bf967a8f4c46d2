//! What Holdpoint's log and engine can do on a machine, beside what the machine can do.
//!
//! Each workload answers with [`Figures`]. The limit in them is measured in the same run, in turn
//! with ours: a plain file takes the same bytes in batches, synced after each. A ratio of the two
//! says more than either: machines differ, and a shared one differs from hour to hour.
//! `docs/performance.md` says what each figure means.

mod append;
mod child;
mod failure;
mod figures;
mod flow;
mod ids;
mod measured;
mod memory;
mod open;
mod place;
mod project;
mod raw;
mod replay;
mod resources;

pub use append::{Appender, append};
pub use child::{Program, serve};
pub use failure::BenchFailure;
pub use figures::Figures;
pub use flow::flow;
pub use measured::{Measured, Writer, at_once};
pub use memory::memory;
pub use open::open;
pub use place::Place;
pub use raw::{Raw, TURNS};
pub use replay::replays;
