//! What is counted and timed, and having many do the same at once.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::BenchFailure;

/// The longest time that is told apart, in nanoseconds.
const LONGEST_NS: u64 = 60_000_000_000;

/// To how many digits times are kept. Each of a thousand writers has times of its own, and a third
/// digit would take 200 KiB of each.
const DIGITS: u8 = 2;

/// How much was done in how much time, and how long each took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How many were done.
    pub count: u64,
    /// In how much time.
    pub elapsed: Duration,
    /// How long each took, in nanoseconds, to within a hundredth.
    times: Histogram<u64>,
}

impl Measured {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never: the bounds are acceptable.
    pub fn new() -> Result<Self, BenchFailure> {
        let times = Histogram::new_with_max(LONGEST_NS, DIGITS).map_err(BenchFailure::workload)?;
        Ok(Self { count: 0, elapsed: Duration::ZERO, times })
    }

    /// Adds one time.
    pub fn record(&mut self, time: Duration) {
        self.times.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds what was done after it: counts, times, and the time that it took.
    ///
    /// # Errors
    /// Never: the bounds are the same.
    pub fn then(&mut self, other: &Self) -> Result<(), BenchFailure> {
        self.count += other.count;
        self.elapsed += other.elapsed;
        self.times.add(&other.times).map_err(BenchFailure::workload)
    }

    /// How many were done in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// The time, in microseconds, that this part of all (from 0 to 1) did not exceed.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        self.times.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

/// One of many who do the same at once.
pub trait Writer: Send + Sized + 'static {
    /// Does it once and waits until it is done.
    fn write(&mut self) -> impl Future<Output = Result<(), BenchFailure>> + Send;
}

/// Has all writers write, again and again, for as long as `span`, and at least once; what was begun
/// is finished. Answers with the writers, to go on with.
///
/// # Errors
/// The first error that a writer has had.
pub async fn at_once<W: Writer>(
    writers: Vec<W>,
    span: Duration,
) -> Result<(Vec<W>, Measured), BenchFailure> {
    let count = writers.len();
    let begun: Vec<_> = writers
        .into_iter()
        .map(|writer| Measured::new().map(|mine| (writer, mine)))
        .collect::<Result<_, _>>()?;
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for (mut writer, mut mine) in begun {
        tasks.spawn(async move {
            loop {
                let before = Instant::now();
                writer.write().await?;
                mine.record(before.elapsed());
                mine.count += 1;
                if started.elapsed() >= span {
                    return Ok::<_, BenchFailure>((writer, mine));
                }
            }
        });
    }
    let mut ended = Vec::with_capacity(count);
    while let Some(one) = tasks.join_next().await {
        ended.push(one??);
    }
    let elapsed = started.elapsed();
    let mut all = Measured::new()?;
    let mut rested = Vec::with_capacity(count);
    for (writer, mine) in ended {
        rested.push(writer);
        all.then(&mine)?;
    }
    all.elapsed = elapsed;
    Ok((rested, all))
}
