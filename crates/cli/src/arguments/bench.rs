//! What is measured, as it is typed.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::seconds;

/// Measures.
#[derive(Debug, Args)]
#[command(
    after_help = "A temporary directory is made within --dir (by default the one you are in), \
                        and removed afterwards.\n\
                        docs/performance.md says what each figure means."
)]
pub(crate) struct Bench {
    /// What to measure; everything, in short, when absent
    #[arg(value_enum)]
    pub(crate) workloads: Vec<Workload>,
    /// How many seconds to measure: in `append` and `flow` for each number, in `replay` in all
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// `append`: how many write at once
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,64,1024")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) writers: Vec<u32>,
    /// `flow`: how many runs are under way at once
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,256")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) concurrency: Vec<u32>,
    /// `replay`: how many targets the rollout has whose history is replayed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) targets: u32,
    /// `open` and `memory`: how many events are written
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) events: u64,
    /// `memory`: how many runs wait
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(crate) runs: u32,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Events that are made durable one by one
    Append,
    /// Runs that are submitted, approved twice and done
    Flow,
    /// Histories that go through their definitions
    Replay,
    /// A log that is opened after its process was killed
    Open,
    /// What many events and waiting runs take of memory, and of the disk
    Memory,
}

/// Does a part of a measurement.
#[derive(Debug, Args)]
pub(crate) struct BenchPart {
    /// Which, as JSON
    pub(crate) part: String,
}
