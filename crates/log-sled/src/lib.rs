//! Holdpoint's default event log: one directory, sled underneath.
//!
//! This is the one crate that names sled. What it does beyond sled is what sled 0.34.7 lacks: a
//! sync that reaches the disk, a look at the files before they are opened, and a note outside of
//! sled of how far the log had come. `docs/format.md` describes every file and every byte.
//!
//! | module | subject |
//! |---|---|
//! | `directory` | the files of a log: making them, and checking them before sled does |
//! | `aside` | a copy of a tail while sled opens it |
//! | `opening` | reading what is there, and finishing what was interrupted |
//! | `parts` | where the events are: segments, and after them tails |
//! | `segment` | immutable files with a complete range of events |
//! | `tail` | the part of the log that is in sled |
//! | `sealer` | the thread that makes segments of tails |
//! | `lock` | one process at a time |
//! | `head` | the note of how far the log had come |
//! | `preflight` | looking at sled's file before sled does |
//! | `store` | sled, with syncs and without panics |
//! | `block` | events packed into blocks, blocks cut into entries |
//! | `scan` | reading the whole log at opening |
//! | `committer` | the one thread that writes |
//! | `reader` | reading events, and the streams' events |

mod aside;
mod block;
mod committer;
mod directory;
mod failure;
mod head;
mod lock;
mod log;
mod opening;
mod parts;
mod preflight;
mod reader;
mod scan;
mod sealer;
mod segment;
mod store;
mod tail;

pub use failure::OpenFailure;
pub use log::{Options, SledLog};
