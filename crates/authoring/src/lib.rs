//! What authors of definitions work with, besides the language itself: reports of findings for
//! other programs, pictures, formatting.
//!
//! This crate is pure: a text goes in, a text comes out. It never sees a run, a file or a terminal.

#![forbid(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "this crate is pure: `clippy.toml` lists what that keeps it from"
)]

pub mod format;
pub mod picture;
mod picture_baseline;
pub mod report;
