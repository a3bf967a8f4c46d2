//! What authors of definitions work with, besides the language itself: reports of findings for
//! other programs, pictures, formatting.
//!
//! This crate is pure: a text goes in, a text comes out. It never sees a run, a file or a terminal.

pub mod format;
pub mod picture;
pub mod report;
