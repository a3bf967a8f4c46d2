//! `holdpoint bench`: what this machine can do.

use holdpoint_bench::{Figures, Place, append, flow};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{Bench, Workload},
    context::Context,
    failure::Failure,
    output::{print, table},
};

/// What is measured when nothing is named.
const ALL: &[Workload] = &[Workload::Append, Workload::Flow];

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
            print(in_words(*workload, &figures).as_bytes())?;
        }
    }
    Ok(())
}

async fn figures(
    place: &Place,
    workload: Workload,
    arguments: &Bench,
) -> Result<Vec<Figures>, Failure> {
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
    }
    Ok(figures)
}

/// What a workload does, and how its columns are called.
fn in_words(workload: Workload, figures: &[Figures]) -> String {
    let bytes = figures.first().and_then(|one| one.event_bytes).unwrap_or(0);
    let (title, writers, done) = match workload {
        Workload::Append => (
            format!(
                "append: so many writers at once, each of which waits until its event of {bytes} \
                 bytes is durable"
            ),
            "WRITERS",
            "EVENTS/S",
        ),
        Workload::Flow => (
            format!(
                "flow: so many runs at once, submitted, approved twice and done; each command adds \
                 {bytes} bytes and waits until they are durable"
            ),
            "RUNS",
            "COMMANDS/S",
        ),
    };
    let head = [writers, done, "FILE", "RATIO", "P50", "P99", "FILE P50"];
    let rows = figures.iter().map(|one| {
        vec![
            one.writers.map(|writers| grouped(writers.into())).unwrap_or_default(),
            one.per_second.map(grouped).unwrap_or_default(),
            one.raw_per_second.map(grouped).unwrap_or_default(),
            one.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            one.p50_us.map(time).unwrap_or_default(),
            one.p99_us.map(time).unwrap_or_default(),
            one.raw_p50_us.map(time).unwrap_or_default(),
        ]
    });
    format!(
        "{title}\n{}FILE is a plain file that takes the same bytes: one batch of as many at a time, \
         synced before the next\n\n",
        table(&head, rows)
    )
}

/// A number without a fraction, its digits in groups of three.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time in the unit that suits it.
fn time(microseconds: f64) -> String {
    match microseconds {
        short if short < 1_000.0 => format!("{short:.0} µs"),
        middle if middle < 1_000_000.0 => format!("{:.1} ms", middle / 1_000.0),
        long => format!("{:.1} s", long / 1_000_000.0),
    }
}
