//! Going through a schedule piece by piece, and stopping in time.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{interval::Interval, schedule::Schedule};

/// The first piece is short, because most answers are near; each is twice as long as the one before.
const PIECE_DAYS_FIRST: i64 = 8;
const PIECE_DAYS_MAX: i64 = 512;

/// How many occurrences a piece may have at most, and all pieces of a walk together.
const PIECE_WORK_MAX: i64 = 5_000;
const WORK_MAX: usize = 20_000;

/// How far a walk reaches at a time.
#[derive(Debug)]
struct Pace {
    days: i64,
    days_max: i64,
    work: usize,
}

impl Pace {
    fn of(schedule: &Schedule) -> Self {
        let daily = i64::from(schedule.daily_max()).max(1);
        let days_max = (PIECE_WORK_MAX / daily).clamp(1, PIECE_DAYS_MAX);
        Self { days: PIECE_DAYS_FIRST.min(days_max), days_max, work: 0 }
    }

    /// How long the next piece is; `None` when there was enough work.
    fn next(&mut self) -> Option<SignedDuration> {
        if self.work > WORK_MAX {
            return None;
        }
        let days = self.days;
        self.days = days.saturating_mul(2).min(self.days_max);
        Some(SignedDuration::from_hours(days.saturating_mul(24)))
    }
}

/// An interval of a schedule, from where the walk began or from where it really begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) interval: Interval,
    /// Whether it ends where the interval does; otherwise it was only looked at up to there.
    pub(crate) ends: bool,
}

/// The intervals of a schedule from a moment on, in order, joined across the pieces.
#[derive(Debug)]
pub(crate) struct Walk<'s> {
    schedule: &'s Schedule,
    pace: Pace,
    queue: VecDeque<Interval>,
    at: Timestamp,
    limit: Timestamp,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(schedule: &'s Schedule, from: Timestamp, limit: Timestamp) -> Self {
        Self { schedule, pace: Pace::of(schedule), queue: VecDeque::new(), at: from, limit }
    }

    /// Up to where the schedule has been looked at.
    pub(crate) const fn looked_to(&self) -> Timestamp {
        self.at
    }

    /// The next interval.
    pub(crate) fn next(&mut self) -> Option<Stretch> {
        loop {
            let ends = self.queue.front().is_some_and(|one| one.end() < self.at);
            if ends || !self.look() {
                return self.queue.pop_front().map(|interval| Stretch { interval, ends });
            }
        }
    }

    /// Looks at the next piece; `false` when there is none.
    fn look(&mut self) -> bool {
        let range = (self.at < self.limit).then(|| self.pace.next()).flatten().and_then(|length| {
            let end = self.at.checked_add(length).unwrap_or(Timestamp::MAX);
            Interval::new(self.at, end.min(self.limit))
        });
        let Some(range) = range else { return false };
        for one in self.schedule.within(range, &mut self.pace.work) {
            match self.queue.back_mut() {
                Some(last) if last.end() == one.start() => {
                    *last = Interval::new(last.start(), one.end()).unwrap_or(one);
                }
                _ => self.queue.push_back(one),
            }
        }
        self.at = range.end();
        true
    }
}

/// Where the interval begins that `at` is in, when that is not before `limit`.
pub(crate) fn opened(schedule: &Schedule, at: Timestamp, limit: Timestamp) -> Option<Timestamp> {
    if !schedule.contains(at) {
        return None;
    }
    let mut pace = Pace::of(schedule);
    let mut opened = at;
    while opened > limit {
        let start = opened.checked_sub(pace.next()?).unwrap_or(Timestamp::MIN).max(limit);
        let range = Interval::new(start, opened)?;
        let set = schedule.within(range, &mut pace.work);
        let last = set.into_iter().next_back().filter(|last| last.end() == opened);
        match last {
            Some(last) if last.start() == start => opened = start,
            Some(last) => return Some(last.start()),
            None => return Some(opened),
        }
    }
    None
}
