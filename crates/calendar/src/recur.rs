//! The occurrences of a recurrence rule, as local times.
//!
//! The seam to the crate `rrule`. It is given local times as if they were UTC, so that it never sees
//! a change of clocks: which moments local times mean is our rule, not the crate's (it shifts a time
//! in a gap where RFC 5545 drops it, and has open defects around changes of clocks). COUNT and UNTIL
//! are ours too: a time that does not exist is not counted.

use chrono::{Datelike as _, TimeZone as _, Timelike as _};
use jiff::{SignedDuration, Span, civil::DateTime};
use rrule::{RRule, RRuleSet, Tz, Unvalidated, Validated};

use crate::{
    finding::{Fault, FindingCode},
    rule::{Frequency, Rule},
};

/// A rule with the local time it starts at.
#[derive(Clone, Debug)]
pub(crate) struct Recurrence {
    start: DateTime,
    frequency: Frequency,
    interval: u16,
    rule: RRule<Validated>,
}

impl Recurrence {
    pub(crate) fn new(rule: &Rule, start: DateTime) -> Result<Self, Fault> {
        let refused = |error: &dyn std::fmt::Display| {
            Fault::new(
                FindingCode::Rule,
                "repeat",
                format!("the rule is not supported: {error}"),
                "RFC 5545 may have such a rule, but it is not supported here: say it in another way",
            )
        };
        let read: RRule<Unvalidated> = rule.endless.parse().map_err(|error| refused(&error))?;
        let at = to_chrono(start).ok_or_else(|| refused(&"it starts at an impossible time"))?;
        // Here the crate takes from the start what the rule leaves out, such as the day and the hour.
        let rule_from_start = read.validate(at).map_err(|error| refused(&error))?;
        let Rule { frequency, interval, .. } = *rule;
        Ok(Self { start, frequency, interval, rule: rule_from_start })
    }

    /// The rule's local times from `from` on, in order and endless; none is before the start.
    ///
    /// The crate gives up after 100,000 periods without an occurrence: then they end.
    pub(crate) fn from(&self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let from = from.max(self.start);
        let set = to_chrono(self.anchor(from))
            .map(|anchor| RRuleSet::new(anchor).rrule(self.rule.clone()).limit());
        set.into_iter()
            .flat_map(|set| (&set).into_iter())
            .filter_map(|at| from_chrono(&at))
            .skip_while(move |local| *local < from)
    }

    /// Where the crate begins to look: at the beginning of a period of the rule that is one period
    /// before the one `from` is in. It walks through every period from there, so that beginning at
    /// the start would take ever longer; and it takes the first period for one that begins where it
    /// begins to look, which BYSETPOS must not see.
    fn anchor(&self, from: DateTime) -> DateTime {
        let interval = i64::from(self.interval);
        let minutes = match self.frequency {
            Frequency::Yearly => return self.month_anchor(from, interval.saturating_mul(12)),
            Frequency::Monthly => return self.month_anchor(from, interval),
            Frequency::Weekly => 7 * 24 * 60,
            Frequency::Daily => 24 * 60,
            Frequency::Hourly => 60,
            Frequency::Minutely => 1,
        };
        let period = interval.saturating_mul(minutes);
        let passed = from.duration_since(self.start).as_mins();
        let periods = passed.checked_div_euclid(period).unwrap_or(0).saturating_sub(1);
        let minutes = SignedDuration::from_mins(periods.saturating_mul(period));
        self.start.checked_add(minutes).unwrap_or(self.start)
    }

    /// As `anchor`, for periods of months. It is a first day, which every month has; a year that
    /// is counted in months begins in the month of the start, which no rule sees.
    fn month_anchor(&self, from: DateTime, period: i64) -> DateTime {
        let months = |at: DateTime| {
            i64::from(at.year()).saturating_mul(12).saturating_add(i64::from(at.month()))
        };
        let passed = months(from).saturating_sub(months(self.start));
        let periods = passed.checked_div_euclid(period).unwrap_or(0).saturating_sub(1);
        let span = Span::new().try_months(periods.saturating_mul(period));
        let first = self.start.first_of_month();
        span.and_then(|span| first.checked_add(span)).unwrap_or(first)
    }
}

fn to_chrono(local: DateTime) -> Option<chrono::DateTime<Tz>> {
    let [month, day, hour, minute, second] =
        [local.month(), local.day(), local.hour(), local.minute(), local.second()]
            .map(|part| u32::from(part.unsigned_abs()));
    Tz::UTC.with_ymd_and_hms(i32::from(local.year()), month, day, hour, minute, second).single()
}

fn from_chrono(at: &chrono::DateTime<Tz>) -> Option<DateTime> {
    let [month, day, hour, minute, second] =
        [at.month(), at.day(), at.hour(), at.minute(), at.second()]
            .map(|part| i8::try_from(part).ok());
    let year = i16::try_from(at.year()).ok()?;
    DateTime::new(year, month?, day?, hour?, minute?, second?, 0).ok()
}
