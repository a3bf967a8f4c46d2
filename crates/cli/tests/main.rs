//! The program `holdpoint` as its users meet it: every command in both forms of output, and every
//! input that somebody careless or hostile could give it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failed expectation must fail the test that stated it"
)]

mod approvals;
mod author;
mod baseline;
mod bench;
mod bulk;
mod check;
mod checks;
mod children;
mod common;
mod configured;
mod conflicts;
mod copies;
mod definitions;
mod evidence;
mod generated;
mod help;
mod hostile_arguments;
mod hostile_files;
mod items;
mod lock_file;
mod lockdown;
mod locks;
mod logs;
mod migrate;
mod next_steps;
mod plans;
mod projects;
mod proofs;
mod publishing;
mod relay;
mod requalifying;
mod runs;
mod scenarios;
mod secrets;
mod show;
mod simulate;
mod steering;
mod storage;
mod streams;
mod substitutes;
mod too_large;
mod unconfigured;
mod unloadable;
mod unreplayable;
mod unwritable;
mod votes;
mod waivers;
mod windows;
mod work;
