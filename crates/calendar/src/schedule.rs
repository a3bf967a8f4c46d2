//! Schedules: what calendars say, put together, and the questions one asks of it.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    calendar::{Calendar, Part, moment},
    fact::{CalendarRef, Window},
    interval::{Interval, IntervalSet},
    walk::{Walk, opened},
    working::day,
    zone::zone_data,
};

/// How far ahead, or back, an answer is looked for. Five years unless something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horizon(SignedDuration);

impl Default for Horizon {
    fn default() -> Self {
        Self(SignedDuration::from_hours(24 * 1_827))
    }
}

impl Horizon {
    /// A horizon at this distance; one behind is none at all.
    #[must_use]
    pub fn of(distance: SignedDuration) -> Self {
        Self(distance.max(SignedDuration::ZERO))
    }

    pub(crate) fn ahead_of(self, from: Timestamp) -> Timestamp {
        from.checked_add(self.0).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn behind(self, from: Timestamp) -> Timestamp {
        from.checked_sub(self.0).unwrap_or(Timestamp::MIN)
    }
}

/// A set of moments without an end, made of calendars: a pure function of them and of time.
///
/// No question runs for ever: each looks only as far as its horizon, and stops earlier where it has
/// looked at some 20,000 occurrences. The answer then says up to where it has looked.
#[derive(Clone, Debug)]
pub struct Schedule(Node);

#[derive(Clone, Debug)]
enum Node {
    Part(Calendar, Part),
    /// In one of them; never, when there are none.
    Union(Vec<Node>),
    /// In each of them; always, when there are none.
    Intersection(Vec<Node>),
    Difference(Box<Node>, Box<Node>),
}

/// The answer to "when?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At this moment.
    At(Timestamp),
    /// Not before this moment; what comes after it was not looked at. One may ask again from there.
    NotBefore(Timestamp),
}

impl Next {
    /// The moment, when one was found.
    #[must_use]
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::NotBefore(_) => None,
        }
    }
}

/// The intervals of a schedule in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The intervals, in order, cut to the range.
    pub intervals: Vec<Interval>,
    /// Whether there are no more: otherwise the list was cut where it became too long.
    pub complete: bool,
}

impl Schedule {
    /// Always.
    #[must_use]
    pub fn always() -> Self {
        Self(Node::Intersection(Vec::new()))
    }

    /// Never.
    #[must_use]
    pub fn never() -> Self {
        Self(Node::Union(Vec::new()))
    }

    /// When the calendar allows something to be done: in its windows and working time, or, if it has
    /// neither, always; but never in a freeze or on a holiday.
    #[must_use]
    pub fn open(calendar: &Calendar) -> Self {
        Self(allowed(calendar)).difference(&Self::denied(calendar))
    }

    /// The calendar's freezes and holidays.
    #[must_use]
    pub fn denied(calendar: &Calendar) -> Self {
        Self(Node::Part(calendar.clone(), Part::Denied))
    }

    /// "During the calendar": while it is open, if it says when it is; else its freezes and holidays.
    #[must_use]
    pub fn during(calendar: &Calendar) -> Self {
        if calendar.allows() { Self::open(calendar) } else { Self::denied(calendar) }
    }

    /// The calendar's working time, without its holidays. Freezes do not matter.
    #[must_use]
    pub fn working(calendar: &Calendar) -> Self {
        let part = |part| Self(Node::Part(calendar.clone(), part));
        part(Part::Working).difference(&part(Part::Holidays))
    }

    /// When work may be done that must be in a window of one of `windows`, and not during any of
    /// `not_during`. Deny wins: a freeze of any of them denies, whatever another one allows.
    #[must_use]
    pub fn permitted(windows: &[Calendar], not_during: &[Calendar]) -> Self {
        let gives: Vec<Node> = windows.iter().filter(|one| one.allows()).map(allowed).collect();
        let given = if gives.is_empty() { Self::always() } else { Self(Node::Union(gives)) };
        let denied = windows.iter().map(Self::denied).chain(not_during.iter().map(Self::during));
        given.difference(&Self(Node::Union(denied.map(|one| one.0).collect())))
    }

    /// The moments in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(Node::Union(vec![self.0.clone(), other.0.clone()]))
    }

    /// The moments in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(Node::Intersection(vec![self.0.clone(), other.0.clone()]))
    }

    /// The moments in this schedule that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(Node::Difference(Box::new(self.0.clone()), Box::new(other.0.clone())))
    }

    /// The calendars it is made of, each once.
    #[must_use]
    pub fn calendars(&self) -> Vec<CalendarRef> {
        let mut found = Vec::new();
        self.0.each_calendar(&mut |calendar| {
            let reference = calendar.reference();
            if !found.contains(&reference) {
                found.push(reference);
            }
        });
        found
    }

    /// Whether the moment is inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        moment(at).is_some_and(|range| !self.within(range, &mut 0).is_empty())
    }

    /// The next moment inside, at or after `from`.
    #[must_use]
    pub fn next_opening(&self, from: Timestamp, horizon: Horizon) -> Next {
        let mut walk = Walk::new(self, from, horizon.ahead_of(from));
        match walk.next() {
            Some(stretch) => Next::At(stretch.interval.start()),
            None => Next::NotBefore(walk.looked_to()),
        }
    }

    /// The first moment outside after `at`, when `at` is inside.
    #[must_use]
    pub fn closes(&self, at: Timestamp, horizon: Horizon) -> Option<Next> {
        let stretch = Walk::new(self, at, horizon.ahead_of(at)).next()?;
        let end = stretch.interval.end();
        let is_inside = stretch.interval.start() == at;
        is_inside.then_some(if stretch.ends { Next::At(end) } else { Next::NotBefore(end) })
    }

    /// The first moment of the interval that `at` is in. `None` when `at` is outside, or when it
    /// has been open for longer than the horizon.
    #[must_use]
    pub fn opened(&self, at: Timestamp, horizon: Horizon) -> Option<Timestamp> {
        opened(self, at, horizon.behind(at))
    }

    /// Whether work of this length fits, when it begins at `at`. Work that takes no time fits
    /// inside.
    #[must_use]
    pub fn fits(&self, at: Timestamp, length: SignedDuration) -> bool {
        if !length.is_positive() {
            return self.contains(at);
        }
        let Ok(end) = at.checked_add(length) else { return false };
        let first = Walk::new(self, at, end).next();
        first.is_some_and(|one| one.interval.start() == at && one.interval.end() == end)
    }

    /// The next moment, at or after `from`, from which work of this length fits.
    #[must_use]
    pub fn next_fit(&self, from: Timestamp, length: SignedDuration, horizon: Horizon) -> Next {
        let limit = horizon.ahead_of(from);
        // Work may begin within the horizon and end after it.
        let mut walk = Walk::new(self, from, Horizon::of(length).ahead_of(limit));
        while let Some(stretch) = walk.next() {
            let start = stretch.interval.start();
            if start >= limit {
                return Next::NotBefore(limit);
            }
            if stretch.interval.length() >= length {
                return Next::At(start);
            }
            if !stretch.ends {
                return Next::NotBefore(start);
            }
        }
        Next::NotBefore(walk.looked_to().min(limit))
    }

    /// The intervals in a range, cut to it, and no more than `most` of them.
    #[must_use]
    pub fn intervals(&self, range: Interval, most: usize) -> Listing {
        let mut walk = Walk::new(self, range.start(), range.end());
        let mut intervals = Vec::new();
        while intervals.len() < most {
            match walk.next() {
                Some(stretch) => intervals.push(stretch.interval),
                None => break,
            }
        }
        let complete = walk.next().is_none() && walk.looked_to() == range.end();
        Listing { intervals, complete }
    }

    /// The interval that `at` is in, as events record it; `None` when `at` is outside.
    #[must_use]
    pub fn window(&self, at: Timestamp, horizon: Horizon) -> Option<Window> {
        let closes = self.closes(at, horizon)?.at();
        let opens = self.opened(at, horizon);
        let zone_data = zone_data().to_owned();
        Some(Window { calendars: self.calendars(), zone_data, opens, closes })
    }

    /// When so much time of the schedule has passed since `from`.
    pub(crate) fn time_passes(
        &self,
        from: Timestamp,
        length: SignedDuration,
        horizon: Horizon,
    ) -> Next {
        let mut walk = Walk::new(self, from, horizon.ahead_of(from));
        let mut left = length;
        while let Some(stretch) = walk.next() {
            let passed = stretch.interval.length();
            if passed >= left {
                let at = stretch.interval.start().checked_add(left);
                return at.map_or(Next::NotBefore(stretch.interval.end()), Next::At);
            }
            left = left.saturating_sub(passed);
        }
        Next::NotBefore(walk.looked_to())
    }

    /// When so many dates with time of the schedule have passed since `from`, whose own date does
    /// not count.
    pub(crate) fn days_pass(
        &self,
        zone: &TimeZone,
        from: Timestamp,
        days: u16,
        horizon: Horizon,
    ) -> Next {
        let limit = horizon.ahead_of(from);
        let mut left = days;
        let mut date = zone.to_datetime(from).date();
        while let Ok(next) = date.tomorrow() {
            date = next;
            let Some(range) = day(zone, date) else { continue };
            if range.start() >= limit {
                break;
            }
            let Some(last) = self.within(range, &mut 0).into_iter().next_back() else { continue };
            left = left.saturating_sub(1);
            if left == 0 {
                return Next::At(last.end());
            }
        }
        Next::NotBefore(limit)
    }

    /// The moments of the schedule within a range; `work` grows by how many occurrences were looked
    /// at.
    pub(crate) fn within(&self, range: Interval, work: &mut usize) -> IntervalSet {
        self.0.within(range, work)
    }

    /// The most stretches that may begin in a day, over all its calendars.
    pub(crate) fn daily_max(&self) -> u32 {
        let mut most = 0_u32;
        self.0.each_calendar(&mut |calendar| most = most.saturating_add(calendar.daily_max()));
        most
    }
}

/// The windows and working time of a calendar; always, when it has none.
fn allowed(calendar: &Calendar) -> Node {
    if calendar.allows() {
        Node::Part(calendar.clone(), Part::Allowed)
    } else {
        Node::Intersection(Vec::new())
    }
}

impl Node {
    fn within(&self, range: Interval, work: &mut usize) -> IntervalSet {
        match self {
            Self::Part(calendar, part) => calendar.part(*part, range, work),
            Self::Union(nodes) => nodes.iter().flat_map(|node| node.within(range, work)).collect(),
            Self::Intersection(nodes) => nodes.iter().fold(range.into(), |found, node| {
                let found: IntervalSet = found;
                if found.is_empty() { found } else { found.intersection(&node.within(range, work)) }
            }),
            Self::Difference(node, away) => {
                // A freeze is one interval, where a window may be thousands.
                let away = away.within(range, work);
                if away == range.into() {
                    return IntervalSet::default();
                }
                node.within(range, work).difference(&away)
            }
        }
    }

    fn each_calendar(&self, visit: &mut impl FnMut(&Calendar)) {
        match self {
            Self::Part(calendar, _) => visit(calendar),
            Self::Union(nodes) | Self::Intersection(nodes) => {
                nodes.iter().for_each(|node| node.each_calendar(visit));
            }
            Self::Difference(node, away) => {
                node.each_calendar(visit);
                away.each_calendar(visit);
            }
        }
    }
}
