//! The occurrences of one entry of a calendar: read and checked once, then asked for.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, civil::DateTime, tz::TimeZone};

use crate::{
    document::Entry,
    finding::{Fault, FindingCode},
    interval::Interval,
    recur::Recurrence,
    rule::{Extent, Rule},
    zone::{Fold, Gap, Local, explicit, local, moments, zone},
};

/// What an entry is for; it decides what its local times mean where the entry does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Time that is given: doubtful moments are not.
    Allow,
    /// Time that is taken: doubtful moments are, or a freeze could vanish.
    Deny,
}

/// The longest an occurrence may be, in days.
const LENGTH_DAYS_MAX: i64 = 3_660;

/// The most occurrences of one entry that may be under way at once.
const OVERLAPS_MAX: i64 = 10_000;

/// How far ahead a rule must show an occurrence, and come to the end of its COUNT.
const YEARS_AHEAD: i16 = 100;

/// One entry, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Occurrences {
    /// What is known one by one, in order.
    listed: Vec<Interval>,
    ruled: Option<Ruled>,
    /// Why, as the entry says.
    pub(crate) reason: Option<String>,
}

/// What goes on for ever, or until a moment.
#[derive(Clone, Debug)]
struct Ruled {
    recurrence: Recurrence,
    until: Option<DateTime>,
    start: DateTime,
    except: Vec<Local>,
    shape: Shape,
    daily_max: u32,
}

/// How a local time becomes an interval.
#[derive(Clone, Debug)]
struct Shape {
    zone: TimeZone,
    length: Length,
    gap: Gap,
    fold: Fold,
}

/// A length as RFC 5545 has it: so many days on the calendar, and then so much time that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Length {
    days: i64,
    exact: SignedDuration,
}

impl Occurrences {
    /// Reads and checks an entry.
    pub(crate) fn read(entry: &Entry, zone_name: &str, purpose: Purpose) -> Result<Self, Fault> {
        let zone = match &entry.zone {
            Some(name) => zone(name, "zone")?,
            None => self::zone(zone_name, "zone")?,
        };
        let fold = entry.fold.unwrap_or(match purpose {
            Purpose::Allow => Fold::First,
            Purpose::Deny => Fold::Both,
        });
        let Entry { from, to, through, starts, lasts, .. } = entry;
        let reason = entry.reason.clone();
        match (from, to, through, starts, lasts) {
            (Some(_), ..) => {
                let listed = vec![range(entry, &zone, fold)?];
                Ok(Self { listed, ruled: None, reason })
            }
            (None, None, None, Some(starts), Some(lasts)) => {
                let gap = gap(entry, purpose)?;
                let shape = Shape { zone, length: length(lasts)?, gap, fold };
                let start = local(starts, "starts")?.datetime();
                let (mut listed, ruled) = recurring(entry, start, shape)?;
                listed.sort_unstable();
                Ok(Self { listed, ruled, reason })
            }
            (None, None, None, Some(_), None) => Err(shape_fault(
                "`starts` has no `lasts`",
                "say how long it is, such as `lasts: 4h`",
            )),
            _ => Err(shape_fault(
                "this says neither `from` nor `starts`",
                "write `from` and `to` for one stretch of time, or `starts` and `lasts`, with \
                 `repeat` when it recurs",
            )),
        }
    }

    /// How many occurrences are known one by one.
    pub(crate) const fn listed_len(&self) -> usize {
        self.listed.len()
    }

    /// The most occurrences that begin in a day, but for those known one by one.
    pub(crate) fn daily_max(&self) -> u32 {
        self.ruled.as_ref().map_or(0, |ruled| ruled.daily_max)
    }

    /// Adds every occurrence that has a moment in common with `range`, whole.
    pub(crate) fn within(&self, range: Interval, found: &mut Vec<Interval>) {
        let touches = |one: &Interval| one.intersection(&range).is_some();
        let before = self.listed.partition_point(|one| one.start() < range.end());
        found.extend(self.listed.iter().take(before).filter(|one| touches(one)));
        if let Some(ruled) = &self.ruled {
            ruled.within(range, found);
        }
    }
}

impl Ruled {
    fn within(&self, range: Interval, found: &mut Vec<Interval>) {
        // Local days and moments are never more than two days apart, also where a zone skips one.
        let margin = SignedDuration::from_hours(48);
        let zone = &self.shape.zone;
        let back = SignedDuration::from_hours(self.shape.length.days.saturating_mul(24))
            .saturating_add(self.shape.length.exact)
            .saturating_add(margin);
        let start = zone.to_datetime(range.start());
        let first = start.checked_sub(back).unwrap_or(DateTime::MIN);
        let end = zone.to_datetime(range.end());
        let end = end.checked_add(margin).unwrap_or(DateTime::MAX);
        let last = self.until.map_or(end, |until| until.min(end));
        for local in self.recurrence.from(first).take_while(|local| *local <= last) {
            if !is_excepted(local, &self.except) {
                let all = self.shape.intervals(local, local == self.start);
                found.extend(all.filter(|one| one.intersection(&range).is_some()));
            }
        }
    }
}

impl Shape {
    /// The intervals that begin at a local time. An explicit time is never dropped in a gap: RFC
    /// 5545, section 3.3.5, where section 3.3.10 drops the times that a rule makes.
    fn intervals(&self, local: DateTime, is_explicit: bool) -> impl Iterator<Item = Interval> {
        let gap = if is_explicit { Gap::ShiftForward } else { self.gap };
        moments(&self.zone, local, gap, self.fold)
            .filter_map(move |start| Interval::new(start, self.end(local, start)?))
    }

    fn end(&self, local: DateTime, start: Timestamp) -> Option<Timestamp> {
        let Length { days, exact } = self.length;
        let after_days = if days == 0 {
            start
        } else {
            let day = local.checked_add(Span::new().try_days(days).ok()?).ok()?;
            explicit(&self.zone, day, self.fold != Fold::First)?
        };
        after_days.checked_add(exact).ok()
    }
}

fn shape_fault(message: &str, help: &str) -> Fault {
    Fault::new(FindingCode::EntryShape, "", message, help)
}

/// One stretch of time, from one local time to another.
fn range(entry: &Entry, zone: &TimeZone, fold: Fold) -> Result<Interval, Fault> {
    let recurs = entry.starts.is_some()
        || entry.lasts.is_some()
        || entry.repeat.is_some()
        || entry.gap.is_some()
        || !entry.except.is_empty()
        || !entry.also.is_empty();
    if recurs {
        return Err(shape_fault(
            "`from` stands beside keys of another form",
            "with `from` go `to` or `through`; with `starts` go `lasts`, `repeat`, `except`, `also` \
             and `gap`",
        ));
    }
    let start = local(entry.from.as_deref().unwrap_or_default(), "from")?.datetime();
    let (end, at) = match (&entry.to, &entry.through) {
        (Some(to), None) => (local(to, "to")?.datetime(), "to"),
        (None, Some(through)) => (day_after(through)?, "through"),
        _ => {
            return Err(shape_fault(
                "`from` needs one of `to` and `through`",
                "`to` is where it ends, exclusive; `through` is its last day",
            ));
        }
    };
    let moment = |local, last| explicit(zone, local, last);
    let found = moment(start, fold == Fold::Second)
        .zip(moment(end, fold != Fold::First))
        .and_then(|(start, end)| Interval::new(start, end));
    found.ok_or_else(|| {
        let message = if start < end {
            "clocks are put forward over all of it, so that it takes no time"
        } else {
            "it ends before it begins, or where it begins"
        };
        Fault::new(FindingCode::Empty, at, message, "give a later end: `to` itself is not inside")
    })
}

fn day_after(through: &str) -> Result<DateTime, Fault> {
    let last = local(through, "through")?;
    let next = last.datetime().date().tomorrow().ok().filter(|_| last.is_date());
    next.map(|next| Local::Date(next).datetime()).ok_or_else(|| {
        Fault::new(
            FindingCode::Time,
            "through",
            format!("`{through}` is not a date"),
            "`through` is a whole last day; for a time of day write `to`",
        )
    })
}

fn gap(entry: &Entry, purpose: Purpose) -> Result<Gap, Fault> {
    if entry.gap.is_some() && entry.repeat.is_none() {
        return Err(shape_fault(
            "`gap` has no `repeat`",
            "`gap` is about the times that a rule makes; an explicit time is shifted forward",
        ));
    }
    match (entry.gap, purpose) {
        (Some(Gap::Skip), Purpose::Deny) => Err(Fault::new(
            FindingCode::VanishingFreeze,
            "gap",
            "a freeze would vanish where its local time does not exist",
            "leave out `gap`, so that it is shifted forward: a freeze must never vanish",
        )),
        (Some(gap), _) => Ok(gap),
        (None, Purpose::Allow) => Ok(Gap::Skip),
        (None, Purpose::Deny) => Ok(Gap::ShiftForward),
    }
}

fn length(text: &str) -> Result<Length, Fault> {
    let fault = |message: String| {
        Fault::new(
            FindingCode::Length,
            "lasts",
            message,
            "write weeks, days, hours, minutes or seconds, such as `90m`, `4h`, `1d` or `1d 12h`",
        )
    };
    let span: Span = text.trim().parse().map_err(|_| fault(format!("`{text}` is not a length")))?;
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let exact = span.weeks(0).days(0);
    let is_fixed = span.get_years() == 0 && span.get_months() == 0;
    let exact = exact.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|_| is_fixed);
    let Some(exact) = exact else {
        return Err(fault(format!("`{text}` has no fixed length")));
    };
    if span.is_negative() || (days == 0 && exact.is_zero()) {
        return Err(fault(format!("`{text}` takes no time")));
    }
    if exact.subsec_nanos() != 0 {
        return Err(fault(format!("`{text}` has a fraction of a second")));
    }
    if days.saturating_add(exact.as_hours() / 24) >= LENGTH_DAYS_MAX {
        return Err(fault(format!("`{text}` is longer than {LENGTH_DAYS_MAX} days")));
    }
    Ok(Length { days, exact })
}

fn is_excepted(local: DateTime, except: &[Local]) -> bool {
    except.iter().any(|one| matches(*one, local))
}

/// Whether an exception means this local time: a date means every one on it.
fn matches(exception: Local, local: DateTime) -> bool {
    match exception {
        Local::Date(date) => local.date() == date,
        Local::Time(time) => local == time,
    }
}

type Found = (Vec<Interval>, Option<Ruled>);

/// What `starts`, `repeat`, `except` and `also` say together.
fn recurring(entry: &Entry, start: DateTime, shape: Shape) -> Result<Found, Fault> {
    let times = |list: &[String], key: &str| -> Result<Vec<Local>, Fault> {
        let read = |(n, text): (usize, &String)| local(text, &format!("{key}[{n}]"));
        list.iter().enumerate().map(read).collect()
    };
    let except = times(&entry.except, "except")?;
    let also = times(&entry.also, "also")?.into_iter().map(Local::datetime);
    let also: Vec<DateTime> = also.filter(|local| !is_excepted(*local, &except)).collect();
    let mut listed: Vec<Interval> =
        also.iter().flat_map(|local| shape.intervals(*local, true)).collect();

    let Some(repeat) = &entry.repeat else {
        if !except.is_empty() {
            return Err(shape_fault(
                "`except` has no `repeat`",
                "only what recurs has exceptions: leave out what is not to be",
            ));
        }
        listed.extend(shape.intervals(start, true));
        return non_empty(listed).map(|listed| (listed, None));
    };
    let rule = Rule::read(repeat, &shape.zone)?;
    check_overlaps(&rule, shape.length)?;
    let recurrence = Recurrence::new(&rule, start)?;
    check_start(&recurrence, start, &except)?;
    let until = match rule.extent {
        Extent::Until(until) => Some(until),
        Extent::Forever | Extent::Count(_) => None,
    };
    if until.is_some_and(|until| until < start) {
        return Err(Fault::new(
            FindingCode::Empty,
            "repeat",
            "the rule ends before it starts",
            "give a later `UNTIL`, or an earlier `starts`",
        ));
    }
    let ruled = Ruled { recurrence, until, start, except, shape, daily_max: rule.daily_max };
    if let Extent::Count(count) = rule.extent {
        let counted = counted(&ruled, count)?;
        check_exceptions(&ruled.except, |from, to| {
            counted.iter().chain([&start]).any(|one| from <= *one && *one < to)
        })?;
        let left = counted.iter().filter(|local| !is_excepted(**local, &ruled.except));
        listed.extend(left.flat_map(|local| ruled.shape.intervals(*local, *local == start)));
        return non_empty(listed).map(|listed| (listed, None));
    }
    check_exceptions(&ruled.except, |from, to| {
        let found = ruled.recurrence.from(from).next();
        let is_made = found.is_some_and(|at| at < to && until.is_none_or(|until| at <= until));
        is_made || (from <= start && start < to)
    })?;
    Ok((listed, Some(ruled)))
}

fn non_empty(listed: Vec<Interval>) -> Result<Vec<Interval>, Fault> {
    if listed.is_empty() {
        return Err(Fault::new(
            FindingCode::Empty,
            "",
            "it never takes place",
            "every occurrence is excepted, or falls on a day that its zone skips: leave it out",
        ));
    }
    Ok(listed)
}

fn check_overlaps(rule: &Rule, length: Length) -> Result<(), Fault> {
    let days = length.days.saturating_add(length.exact.as_hours() / 24).saturating_add(1);
    let overlaps = days.saturating_mul(i64::from(rule.daily_max));
    if overlaps > OVERLAPS_MAX {
        return Err(Fault::new(
            FindingCode::TooMuch,
            "repeat",
            format!("up to {overlaps} occurrences could be under way at once"),
            format!("at most {OVERLAPS_MAX} may: let it recur less often, or be shorter"),
        ));
    }
    Ok(())
}

/// RFC 5545, section 3.8.5.3: what a rule means whose start is not one of its times is undefined.
fn check_start(recurrence: &Recurrence, start: DateTime, except: &[Local]) -> Result<(), Fault> {
    let horizon = start.year().saturating_add(YEARS_AHEAD);
    let first = recurrence.from(start).next().filter(|first| first.year() <= horizon);
    match first {
        Some(first) if first == start || is_excepted(start, except) => Ok(()),
        Some(first) => Err(Fault::new(
            FindingCode::StartOutsideRule,
            "starts",
            format!("`{start}` is not one of the times that the rule makes"),
            format!("the first of them is `{first}`: let it start there"),
        )),
        None => Err(Fault::new(
            FindingCode::StartOutsideRule,
            "repeat",
            format!("the rule makes no time within {YEARS_AHEAD} years of its start"),
            "is there such a day? February never has 30",
        )),
    }
}

/// The local times of a rule with COUNT. Those that do not exist are not counted (RFC 5545, section
/// 3.3.10), those that are excepted are.
fn counted(ruled: &Ruled, count: u16) -> Result<Vec<DateTime>, Fault> {
    let count = usize::from(count);
    let horizon = ruled.start.year().saturating_add(YEARS_AHEAD);
    let exists =
        |local: &DateTime| ruled.shape.intervals(*local, *local == ruled.start).next().is_some();
    let found: Vec<DateTime> = ruled
        .recurrence
        .from(ruled.start)
        .take_while(|local| local.year() <= horizon)
        .filter(exists)
        .take(count)
        .collect();
    if found.len() < count {
        return Err(Fault::new(
            FindingCode::TooMuch,
            "repeat",
            format!("the rule has not made {count} times after {YEARS_AHEAD} years"),
            "leave out `COUNT`, or use `UNTIL`",
        ));
    }
    Ok(found)
}

/// An exception that excepts nothing is a mistake, and one that opens a window nobody wanted.
fn check_exceptions(
    except: &[Local],
    occurs: impl Fn(DateTime, DateTime) -> bool,
) -> Result<(), Fault> {
    for (n, one) in except.iter().enumerate() {
        let from = one.datetime();
        let unit = if one.is_date() { Span::new().days(1) } else { Span::new().seconds(1) };
        let to = from.checked_add(unit).unwrap_or(DateTime::MAX);
        if !occurs(from, to) {
            return Err(Fault::new(
                FindingCode::IdleException,
                format!("except[{n}]"),
                "there is no occurrence to except",
                "write the date, or the exact local time, at which an occurrence begins",
            ));
        }
    }
    Ok(())
}
