//! `holdpoint bench`: what this machine can do.

mod words;

use std::{io::IsTerminal, time::Duration};

use holdpoint_bench::{Figures, Place, Program, append, flow, memory, open, replays};
use indicatif::ProgressBar;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::bench::{Bench, BenchPart, Workload},
    context::Context,
    failure::Failure,
    output::print,
};

/// What is measured when nothing is named.
const ALL: &[Workload] =
    &[Workload::Append, Workload::Flow, Workload::Replay, Workload::Open, Workload::Memory];

/// How often the terminal shows that something is going on.
const TICK: Duration = Duration::from_millis(120);

/// Measures, and prints the figures of each workload when it has them.
pub(crate) async fn bench(context: &Context, arguments: &Bench) -> Result<(), Failure> {
    let place = Place::within(&context.directory)?;
    let mut terminated = signal(SignalKind::terminate())?;
    // What is under way is dropped by an interruption, and the place after it.
    tokio::select! {
        measured = measure(&place, context, arguments) => measured,
        pressed = tokio::signal::ctrl_c() => {
            pressed?;
            Err(interrupted())
        }
        _ = terminated.recv() => Err(interrupted()),
    }
}

/// Does a part of a measurement in this process.
pub(crate) async fn part(arguments: &BenchPart) -> Result<(), Failure> {
    Ok(holdpoint_bench::serve(&arguments.part).await?)
}

fn interrupted() -> Failure {
    Failure::expectation(
        "the measurement was interrupted",
        "what was printed before is complete; the temporary directory is removed",
    )
}

async fn measure(place: &Place, context: &Context, arguments: &Bench) -> Result<(), Failure> {
    let workloads = if arguments.workloads.is_empty() { ALL } else { &arguments.workloads };
    for workload in workloads {
        let figures = figures(place, *workload, arguments).await?;
        if context.json {
            for one in &figures {
                print(format!("{}\n", serde_json::to_string(one)?).as_bytes())?;
            }
        } else {
            print(words::section(*workload, &figures).as_bytes())?;
        }
    }
    Ok(())
}

async fn figures(
    place: &Place,
    workload: Workload,
    arguments: &Bench,
) -> Result<Vec<Figures>, Failure> {
    let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
    if let Some(bar) = &bar {
        bar.set_message(format!("measuring {}", words::name(workload)));
        bar.enable_steady_tick(TICK);
    }
    let (events, runs) = (arguments.events, arguments.runs);
    let mut figures = Vec::new();
    match workload {
        Workload::Append => {
            for writers in &arguments.writers {
                figures.push(append(place, *writers, arguments.seconds).await?);
            }
        }
        Workload::Flow => {
            for runs in &arguments.concurrency {
                figures.push(flow(place, *runs, arguments.seconds).await?);
            }
        }
        Workload::Replay => figures = replays(arguments.targets, arguments.seconds).await?,
        Workload::Open => figures = open(place, &program()?, events).await?,
        Workload::Memory => figures = memory(place, &program()?, events, runs).await?,
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(figures)
}

/// This program, to do a part of a measurement.
fn program() -> Result<Program, Failure> {
    let path = std::env::current_exe().map_err(|error| {
        Failure::storage(format!("the program cannot start itself: {error}"), "")
    })?;
    Ok(Program { path, arguments: vec!["bench-part".into()] })
}
