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
//! | `options` | how a log is opened |
//! | `parts` | where the events are: segments, and after them tails |
//! | `segment` | immutable files with a complete range of events |
//! | `segment_writer` | writing them |
//! | `stream_table` | where the streams of a segment end |
//! | `segments` | the segments of a log: a directory of files, and their names |
//! | `tail` | the part of the log that is in sled |
//! | `sealer` | the thread that makes segments of tails |
//! | `merger` | making one segment of several |
//! | `lock` | one process at a time |
//! | `head` | the note of how far the log had come |
//! | `preflight` | looking at sled's file before sled does |
//! | `store` | sled, with syncs and without panics |
//! | `watch` | looking after sled's flushes, which can wait for ever |
//! | `ahead` | keeping sled's file longer than what is in it |
//! | `block` | events packed into blocks, blocks cut into entries |
//! | `scan` | reading the whole log at opening |
//! | `committer` | the one thread that writes |
//! | `syncing` | the thread that makes a commit durable while the next is written |
//! | `reader` | reading events, and the streams' events |
//! | `reading` | opening a log whose directory cannot be written to |
//! | `backup` | backing a log up while it is used, and restoring it |
//! | `salvage` | saving what can still be read of a log that cannot be opened |
//! | `rescue` | reading a tail that may be damaged |
//! | `carve` | finding blocks in the bytes of sled's file, without sled |
//! | `new_log` | a log that is made of events which another log has |

mod ahead;
mod aside;
mod backup;
mod block;
mod carve;
mod committer;
mod directory;
mod failure;
mod head;
mod lock;
mod log;
mod merger;
mod new_log;
mod opening;
mod options;
mod parts;
mod preflight;
mod reader;
mod reading;
mod rescue;
mod salvage;
mod scan;
mod sealer;
mod segment;
mod segment_writer;
mod segments;
mod store;
mod stream_table;
mod syncing;
mod tail;
mod watch;

pub use backup::{BackedUp, restore};
pub use failure::{ArchiveFailure, OpenFailure};
pub use log::SledLog;
pub use new_log::NewLog;
pub use options::Options;
pub use salvage::{Fate, Salvaged, Stretch, salvage};
