//! What a run's state asks of the outside world, as plain data.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{DefinitionName, Digest, EffectId},
    lockdown::Seen,
};

/// Something that a run's state asks for.
///
/// Effects are a function of the state: [`crate::Workflow::pending`] names all that is owed, each
/// with an id that never changes. A workflow stops asking for an effect by moving on; an attempt
/// that is under way then is abandoned.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Names it within the run.
    pub id: EffectId,
    /// What is asked.
    pub kind: EffectKind,
}

/// The kinds of effect.
#[derive(Clone, Debug, PartialEq)]
pub enum EffectKind {
    /// Be woken with [`crate::Action::TimerFired`] at a time, or as soon after it as possible.
    Timer {
        /// When.
        due: Timestamp,
    },
    /// Have work done by a worker.
    Activity(Activity),
    /// Be told with [`crate::Action::TimerFired`] as soon as one of the project's calendars, or its
    /// inventory where [that matters](crate::Workflow::has_changed), is no longer as the run has seen
    /// it, or a lockdown that holds it is in force no more. No event records that: what the run makes
    /// of it does.
    Watch {
        /// What it has seen.
        seen: Seen,
    },
    /// Have another run done.
    Child(ChildRun),
}

/// Another run that is to be started once, in the same project and for the same requester, and whose end
/// is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildRun {
    /// The definition to start with.
    pub definition: DefinitionName,
    /// Which version of it; the highest when `None`.
    pub version: Option<u32>,
    /// What is submitted.
    pub input: Value,
    /// Whether it is to be stopped; one that has not been started is not started any more.
    pub stop: bool,
}

/// Work to be done by a worker, at least once; every attempt carries the same idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// The name under which the operator has registered the work.
    pub name: String,
    /// What the worker is given.
    pub input: Value,
    /// How long one attempt may take before it counts as failed.
    pub timeout: SignedDuration,
    /// How long it may take otherwise.
    pub limits: TimeLimits,
    /// When to try again.
    pub retry: RetryPolicy,
    /// What to do when nobody knows how an attempt ended.
    pub settling: Settling,
}

impl Activity {
    /// How long an attempt that begins `now` may take. `until` is when the time of all attempts
    /// together is over, where one has begun before.
    #[must_use]
    pub fn time_left(&self, until: Option<Timestamp>, now: Timestamp) -> SignedDuration {
        let whole = match until {
            Some(until) => Some(until.duration_since(now).max(SignedDuration::ZERO)),
            None => self.limits.whole,
        };
        whole.map_or(self.timeout, |whole| whole.min(self.timeout))
    }
}

/// What may begin of an activity that is asked for, where a run is about to rest or to turn back: see
/// [`crate::Workflow::restraints`]. An attempt that is under way goes on either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restraint {
    /// Whether it is asked for only if it was begun: one without an attempt is taken back.
    pub if_begun: bool,
    /// What becomes of another attempt.
    pub again: Again,
}

/// What becomes of another attempt at an activity, where one has failed, or has an end that nobody
/// knows and may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It begins when it is due.
    Begins,
    /// It waits until there is no restraint.
    Waits,
    /// There is none: the activity has failed.
    Never,
}

/// How long work may take, besides the time of each attempt; without end where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// How long an attempt may wait for its turn before it begins; one that waits longer is the last.
    pub start: Option<SignedDuration>,
    /// All attempts together, with the pauses between them, from the beginning of the first.
    pub whole: Option<SignedDuration>,
    /// How long an attempt may give no sign of life.
    pub heartbeat: Option<SignedDuration>,
}

/// What to do when nobody knows how an attempt at an activity ended. By default the work is simply
/// done again.
#[derive(Clone, Debug, PartialEq)]
pub struct Settling {
    /// Who is asked whether the work was done.
    pub check: Option<Box<SettleCheck>>,
    /// Whether the work may be done again while nobody knows whether it was done; otherwise a
    /// person decides.
    pub repeatable: bool,
}

impl Default for Settling {
    fn default() -> Self {
        Self { check: None, repeatable: true }
    }
}

/// An activity that only looks whether the work of another was done. It may be asked any number
/// of times, and is given the idempotency key of the work that it is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct SettleCheck {
    /// The name under which the operator has registered it.
    pub name: String,
    /// What it is given.
    pub input: Value,
    /// How long one attempt may take.
    pub timeout: SignedDuration,
    /// When it is asked again because it could not be asked; its attempts are not recorded.
    pub retry: RetryPolicy,
}

/// When to try a failed activity again.
///
/// The delay after the n-th failure is `delay_first * factor^(n-1)`, at most `delay_max`, as in
/// Temporal's retry policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// How many attempts may fail in all, the first included; at least 1.
    pub attempts_max: u32,
    /// The delay after the first failure.
    pub delay_first: SignedDuration,
    /// What each further delay is multiplied by: 1 keeps it fixed, 2 doubles it.
    pub factor: u32,
    /// No delay is longer.
    pub delay_max: SignedDuration,
    /// By how much a delay may be shorter, in percent: so that what failed together is not tried
    /// again together.
    #[serde(default)]
    pub jitter: u8,
}

impl RetryPolicy {
    /// One attempt, no more.
    #[must_use]
    pub const fn never() -> Self {
        Self::fixed(1, SignedDuration::ZERO)
    }

    /// Up to `attempts_max` attempts with the same delay between them.
    #[must_use]
    pub const fn fixed(attempts_max: u32, delay: SignedDuration) -> Self {
        Self { attempts_max, delay_first: delay, factor: 1, delay_max: delay, jitter: 0 }
    }

    /// Up to `attempts_max` attempts, each delay twice the one before, at most `delay_max`.
    #[must_use]
    pub const fn exponential(
        attempts_max: u32,
        delay_first: SignedDuration,
        delay_max: SignedDuration,
    ) -> Self {
        Self { attempts_max, delay_first, factor: 2, delay_max, jitter: 0 }
    }

    /// The same, with delays that are up to `percent` shorter.
    #[must_use]
    pub const fn with_jitter(self, percent: u8) -> Self {
        Self { jitter: if percent > 100 { 100 } else { percent }, ..self }
    }

    /// As [`RetryPolicy::delay_after`], shortened by a share of [`RetryPolicy::jitter`] that follows
    /// from `of` alone: no random number is drawn, and who names other work gets another share.
    #[must_use]
    pub fn jittered_after(&self, failures: u32, of: &str) -> Option<SignedDuration> {
        let delay = self.delay_after(failures)?;
        let [a, b, c, d, ..] = *Digest::of(of.as_bytes()).as_bytes();
        // Of 2^32.
        let share = i128::from(u32::from_be_bytes([a, b, c, d]));
        let less = (delay.as_micros() * i128::from(self.jitter) / 100 * share) >> 32;
        let less = SignedDuration::from_micros(i64::try_from(less).unwrap_or(i64::MAX));
        Some(delay.saturating_sub(less).max(SignedDuration::ZERO))
    }

    /// The delay before the next attempt after `failures` failed ones (at least 1), or `None`
    /// when there is to be no other.
    #[must_use]
    pub fn delay_after(&self, failures: u32) -> Option<SignedDuration> {
        if failures >= self.attempts_max {
            return None;
        }
        let mut delay = self.delay_first;
        for _ in 1..failures {
            delay = match i32::try_from(self.factor).ok().and_then(|f| delay.checked_mul(f)) {
                Some(longer) if longer < self.delay_max => longer,
                _ => return Some(self.delay_max),
            };
        }
        Some(delay.min(self.delay_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_follow_the_policy() {
        let s = SignedDuration::from_secs;
        let policy = RetryPolicy::exponential(6, s(1), s(5));
        let delays: Vec<_> = (1..8).map(|n| policy.delay_after(n)).collect();
        let expected = [Some(s(1)), Some(s(2)), Some(s(4)), Some(s(5)), Some(s(5)), None, None];
        assert_eq!(delays, expected);
        assert_eq!(RetryPolicy::never().delay_after(1), None);
        assert_eq!(RetryPolicy::fixed(3, s(7)).delay_after(2), Some(s(7)));
        assert_eq!(policy.jittered_after(3, "run/effect/3"), Some(s(4)), "without jitter");
        let huge = RetryPolicy::exponential(u32::MAX, s(i64::MAX / 2), s(i64::MAX));
        assert_eq!(huge.delay_after(4_000_000), Some(s(i64::MAX)));
    }

    #[test]
    fn jitter_shortens_by_up_to_its_share_and_follows_from_the_name_alone() {
        let s = SignedDuration::from_secs;
        let policy = RetryPolicy::fixed(9, s(100)).with_jitter(25);
        let of = |n: u32| policy.jittered_after(1, &format!("run/effect/{n}")).unwrap();
        let delays: std::collections::BTreeSet<_> = (0..1000).map(of).collect();
        assert!(delays.len() > 990, "hardly two are the same");
        let (least, most) = (*delays.first().unwrap(), *delays.last().unwrap());
        assert!(s(75) <= least && least < s(76), "{least}");
        assert!(s(99) < most && most <= s(100), "{most}");
        assert_eq!(of(7), of(7));
        assert_eq!(policy.jittered_after(9, "run/effect/9"), None);
        let all = RetryPolicy::fixed(2, s(i64::MAX)).with_jitter(200);
        assert!(all.jittered_after(1, "x").unwrap() >= SignedDuration::ZERO);
    }

    #[test]
    fn an_attempt_has_the_time_that_is_left() {
        let s = SignedDuration::from_secs;
        let now = Timestamp::from_second(1_000).unwrap();
        let of = |whole: Option<i64>| Activity {
            name: "work".to_owned(),
            input: Value::Null,
            timeout: s(60),
            limits: TimeLimits { whole: whole.map(s), ..TimeLimits::default() },
            retry: RetryPolicy::never(),
            settling: Settling::default(),
        };
        assert_eq!(of(None).time_left(None, now), s(60));
        assert_eq!(of(Some(90)).time_left(None, now), s(60));
        assert_eq!(of(Some(45)).time_left(None, now), s(45));
        assert_eq!(of(Some(90)).time_left(Some(now + s(20)), now), s(20));
        assert_eq!(of(Some(90)).time_left(Some(now - s(20)), now), s(0));
    }
}
