//! `cargo bench -p holdpoint-benches`: appends on Holdpoint's log and on other stores, all durable.
//! `cargo bench -p holdpoint-benches -- --help` lists the options.

use std::{error::Error, path::PathBuf, time::Duration};

use clap::Parser;
use holdpoint_bench::Place;
use holdpoint_benches::{Compared, compare};

/// Appends events from so many writers to Holdpoint's log and to other stores.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many write at once
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,64,1024")]
    writers: Vec<u32>,
    /// How many seconds to measure each store for each number of writers
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// In which directory to make a temporary one: on the disk that is to be measured
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// What `cargo bench` says; without it nothing is measured
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let span = Duration::try_from_secs_f64(arguments.seconds)?;
    println!(
        "{:>7}  {:<10} {:>12} {:>8} {:>8} {:>10} {:>10}",
        "WRITERS", "STORE", "EVENTS/S", "× FILE", "× BEST", "P50 µs", "P99 µs"
    );
    for writers in arguments.writers {
        let place = Place::within(&arguments.dir)?;
        let compared = runtime.block_on(compare(place.path(), writers, span))?;
        print(writers, &compared);
    }
    Ok(())
}

/// Prints a line a store. The best is that of the others: neither the plain file nor Holdpoint.
fn print(writers: u32, compared: &[Compared]) {
    let limit = compared.first().map_or(0.0, |one| one.measured.per_second());
    let others = compared.iter().skip(2).map(|one| one.measured.per_second());
    let best = others.fold(0.0, f64::max);
    for Compared { name, measured } in compared {
        let per_second = measured.per_second();
        println!(
            "{writers:>7}  {name:<10} {per_second:>12.0} {:>8.2} {:>8.2} {:>10.0} {:>10.0}",
            per_second / limit,
            per_second / best,
            measured.quantile_us(0.5),
            measured.quantile_us(0.99),
        );
    }
}
