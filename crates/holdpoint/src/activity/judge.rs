//! When a health check passes, fails, or comes to no verdict: what follows from one measurement
//! after the other.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

/// What one measurement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Measured {
    /// It is as it should be.
    Good,
    /// It is not, and how it is.
    Bad(String),
    /// That cannot be told, and why.
    Unclear(String),
}

/// What comes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Passed,
    Inconclusive,
    Failed,
}

impl Verdict {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
        }
    }
}

/// How long and how often is measured, and how much is borne.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Pace {
    /// For how long it must be good.
    for_ms: u64,
    /// How long between two measurements.
    every_ms: u64,
    /// With more bad measurements in a row than this the check has failed.
    #[serde(default = "failure_limit")]
    failure_limit: u32,
    /// With more unclear measurements in a row than this the check comes to no verdict; where there
    /// is none, only when its time is up.
    inconclusive_limit: Option<u32>,
}

/// As three bad answers in a row have always meant.
const fn failure_limit() -> u32 {
    2
}

impl Pace {
    /// The pause between two measurements.
    pub(super) fn pause(&self) -> Duration {
        Duration::from_millis(self.every_ms.max(10))
    }
}

/// Judges measurements.
#[derive(Debug)]
pub(super) struct Judge {
    pace: Pace,
    /// Since when, and how often in a row, it was good.
    good: Option<(Instant, u32)>,
    bad: u32,
    unclear: u32,
    last: String,
}

impl Judge {
    pub(super) fn new(pace: Pace) -> Self {
        let last = "it was not healthy long enough".to_owned();
        Self { pace, good: None, bad: 0, unclear: 0, last }
    }

    /// The verdict, if there is one with this measurement, and why.
    pub(super) fn take(&mut self, at: Instant, measured: Measured) -> Option<(Verdict, String)> {
        match measured {
            Measured::Good => {
                (self.bad, self.unclear) = (0, 0);
                let (since, count) = self.good.unwrap_or((at, 0));
                let count = count.saturating_add(1);
                self.good = Some((since, count));
                let long = at.duration_since(since) >= Duration::from_millis(self.pace.for_ms);
                long.then(|| (Verdict::Passed, times(count)))
            }
            Measured::Bad(said) => {
                (self.good, self.unclear) = (None, 0);
                self.bad = self.bad.saturating_add(1);
                self.last = said;
                (self.bad > self.pace.failure_limit)
                    .then(|| (Verdict::Failed, in_a_row(&self.last, self.bad)))
            }
            // It is no bad answer, and it makes no good one of those before.
            Measured::Unclear(said) => {
                self.good = None;
                self.unclear = self.unclear.saturating_add(1);
                self.last = said;
                let over = self.pace.inconclusive_limit.is_some_and(|limit| self.unclear > limit);
                over.then(|| (Verdict::Inconclusive, in_a_row(&self.last, self.unclear)))
            }
        }
    }

    /// Why there was no verdict in time.
    pub(super) fn no_verdict(&self) -> String {
        format!("no verdict was possible in time: {}", self.last)
    }
}

/// What was found, and how often where that says more.
fn in_a_row(said: &str, count: u32) -> String {
    if count == 1 { said.to_owned() } else { format!("{said}, {}", times(count)) }
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times in a row") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on these measurements, a second apart: `g`ood, `b`ad, `u`nclear.
    fn judged(pace: Pace, measurements: &str) -> Option<(Verdict, usize)> {
        let mut judge = Judge::new(pace);
        let start = Instant::now();
        measurements.chars().enumerate().find_map(|(n, what)| {
            let at = start + Duration::from_secs(n as u64);
            let measured = match what {
                'g' => Measured::Good,
                'b' => Measured::Bad("bad".to_owned()),
                _ => Measured::Unclear("unclear".to_owned()),
            };
            judge.take(at, measured).map(|(verdict, _)| (verdict, n + 1))
        })
    }

    #[test]
    fn a_limit_must_be_exceeded() {
        let pace = |failure_limit, inconclusive_limit| Pace {
            for_ms: 2_000,
            every_ms: 1_000,
            failure_limit,
            inconclusive_limit,
        };
        for (limits, measurements, expected) in [
            // It must be good for the whole time, from the first good measurement on.
            (pace(0, None), "gg", None),
            (pace(0, None), "ggg", Some((Verdict::Passed, 3))),
            (pace(9, None), "ggbgg", None),
            (pace(9, None), "ggbggg", Some((Verdict::Passed, 6))),
            // As many failures as the limit are borne, one more is not.
            (pace(0, None), "b", Some((Verdict::Failed, 1))),
            (pace(2, None), "bb", None),
            (pace(2, None), "bbb", Some((Verdict::Failed, 3))),
            (pace(2, None), "bbgbb", None),
            (pace(2, None), "bbgbbb", Some((Verdict::Failed, 6))),
            // What cannot be told is neither good nor bad.
            (pace(2, None), "bubub", Some((Verdict::Failed, 5))),
            (pace(2, None), "gug", None),
            (pace(0, None), "uuuuuuuuu", None),
            (pace(0, Some(0)), "u", Some((Verdict::Inconclusive, 1))),
            (pace(0, Some(2)), "uu", None),
            (pace(0, Some(2)), "uuu", Some((Verdict::Inconclusive, 3))),
            (pace(0, Some(2)), "uuguu", None),
            (pace(9, Some(2)), "uubuu", None),
        ] {
            assert_eq!(judged(limits, measurements), expected, "{limits:?} {measurements}");
        }
    }
}
