//! A calendar that has been checked: what it allows, what it denies, and its canonical form.

use std::sync::Arc;

use holdpoint_core::{CalendarName, CalendarReader, Digest, LoadFailure, ReadCalendar};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    document::{Document, Entry, Holiday, Working as WorkingDocument},
    fact::CalendarRef,
    finding::{Fault, Finding, FindingCode, Findings},
    interval::{Interval, IntervalSet},
    occurrence::{Occurrences, Purpose},
    schedule::{Horizon, Next, Schedule},
    working::{Working, WorkingLength},
    yaml,
    zone::{Local, local, zone},
};

/// The most windows, freezes and holidays of a calendar, together.
const ENTRIES_MAX: usize = 2_000;

/// The most occurrences of a calendar that are known one by one: single ones and those of COUNT.
const LISTED_MAX: usize = 100_000;

/// The most stretches of a calendar that may begin in a day.
const DAILY_MAX: u32 = 10_000;

/// The most findings about a calendar: after those the rest is not looked at.
const FINDINGS_MAX: usize = 100;

/// A checked calendar. Cloning it is cheap.
///
/// It answers through a [`Schedule`]: [`Schedule::open`] is when it allows something to be done.
#[derive(Clone, Debug)]
pub struct Calendar(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    document: Document,
    canonical: String,
    digest: Digest,
    windows: Vec<Occurrences>,
    freezes: Vec<Occurrences>,
    holidays: Vec<Occurrences>,
    working: Option<Working>,
}

/// A part of what a calendar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Windows and working time.
    Allowed,
    /// Freezes and holidays.
    Denied,
    /// Working time alone.
    Working,
    /// Holidays alone.
    Holidays,
}

/// A freeze or a holiday that is in force at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why, as the calendar says.
    pub reason: Option<String>,
    /// Whether it is a holiday.
    pub is_holiday: bool,
    /// From when until when.
    pub interval: Interval,
}

/// A calendar without working time was asked for a length of working time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the calendar `{0}` has no working time: give it `working`, with days and hours")]
pub struct NoWorkingTime(CalendarName);

impl Calendar {
    /// Reads and checks a calendar from YAML (or JSON, which is YAML). `file` names it in findings.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, with places; of very much that is wrong, the first.
    pub fn parse(file: &str, source: &str) -> Result<Self, Findings> {
        let document = yaml::read(source).map_err(|one| Findings::new(file, vec![one]))?;
        Self::check(document).map_err(|list| {
            let place = |one: Finding| Finding { place: yaml::place(source, &one.path), ..one };
            Findings::new(file, list.into_iter().map(place).collect())
        })
    }

    /// Checks a calendar that was read already, for instance from an event or an `.ics` file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, under the calendar's name.
    pub fn new(document: Document) -> Result<Self, Findings> {
        let name = document.calendar.to_string();
        Self::check(document).map_err(|list| Findings::new(&name, list))
    }

    pub(crate) fn check(document: Document) -> Result<Self, Vec<Finding>> {
        let mut reading =
            Reading { zone: &document.zone, findings: Vec::new(), listed: 0, daily: 0 };
        reading.check_document(&document);
        let windows = reading.entries("windows", &document.windows, Purpose::Allow);
        let freezes = reading.entries("freezes", &document.freezes, Purpose::Deny);
        let holidays = reading.holidays(&document.holidays);
        let working = document.working.as_ref().and_then(|working| reading.working(working));
        reading.check_limits();
        if !reading.findings.is_empty() {
            return Err(reading.findings);
        }
        let canonical = serde_json::to_string(&document).map_err(|error| {
            let fault = Fault::new(FindingCode::Malformed, "", error.to_string(), "write it anew");
            vec![fault.under("")]
        })?;
        let digest = Digest::of(canonical.as_bytes());
        Ok(Self(Arc::new(Checked {
            document,
            canonical,
            digest,
            windows,
            freezes,
            holidays,
            working,
        })))
    }

    /// The calendar's name.
    #[must_use]
    pub fn name(&self) -> &CalendarName {
        &self.0.document.calendar
    }

    /// The calendar as it was written.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.0.document
    }

    /// The canonical form: JSON without spaces, keys in a fixed order, nothing that says nothing.
    /// [`Calendar::parse`] reads it back.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.0.canonical
    }

    /// The digest of the canonical form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The calendar as YAML that [`Calendar::parse`] reads.
    ///
    /// # Errors
    ///
    /// When it cannot be written, which is a defect.
    pub fn to_yaml(&self) -> Result<String, String> {
        serde_saphyr::to_string(&self.0.document).map_err(|error| error.to_string())
    }

    /// The zone whose local times the calendar means where it says nothing else.
    #[must_use]
    pub fn time_zone(&self) -> TimeZone {
        // It was there when the calendar was checked.
        zone(&self.0.document.zone, "zone").unwrap_or(TimeZone::UTC)
    }

    /// Name and digest, as events record them.
    #[must_use]
    pub fn reference(&self) -> CalendarRef {
        CalendarRef { calendar: self.name().clone(), digest: self.digest() }
    }

    /// Whether it says when something may be done. A calendar of freezes and holidays alone says
    /// only when not: all other time is open.
    #[must_use]
    pub fn allows(&self) -> bool {
        !self.0.windows.is_empty() || self.0.working.is_some()
    }

    /// The freezes and holidays that are in force at a moment.
    #[must_use]
    pub fn denials(&self, at: Timestamp) -> Vec<Denial> {
        let Some(moment) = moment(at) else { return Vec::new() };
        let kinds = [(&self.0.freezes, false), (&self.0.holidays, true)];
        let mut found = Vec::new();
        for (all, is_holiday) in kinds {
            for one in all {
                let mut intervals = Vec::new();
                one.within(moment, &mut intervals);
                found.extend(intervals.into_iter().map(|interval| Denial {
                    reason: one.reason.clone(),
                    is_holiday,
                    interval,
                }));
            }
        }
        found
    }

    /// When a length of working time that begins at `from` is over.
    ///
    /// Hours and minutes are working time added up. Days are whole dates: the date of `from` is not
    /// counted, and the last one ends when its working time does (as periods do in Regulation (EEC,
    /// Euratom) No 1182/71, article 3). Holidays are no working time; freezes do not matter.
    ///
    /// # Errors
    ///
    /// When the calendar has no working time.
    pub fn due(
        &self,
        from: Timestamp,
        length: WorkingLength,
        horizon: Horizon,
    ) -> Result<Next, NoWorkingTime> {
        let Some(working) = &self.0.working else {
            return Err(NoWorkingTime(self.name().clone()));
        };
        let schedule = Schedule::working(self);
        match length {
            WorkingLength::Days(days) => {
                Ok(schedule.days_pass(&working.zone, from, days.get(), horizon))
            }
            WorkingLength::Hours(hours) => {
                let time = SignedDuration::from_hours(i64::from(hours.get()));
                Ok(schedule.time_passes(from, time, horizon))
            }
            WorkingLength::Minutes(minutes) => {
                let time = SignedDuration::from_mins(i64::from(minutes.get()));
                Ok(schedule.time_passes(from, time, horizon))
            }
        }
    }

    /// What a part says within `range`; `work` grows by how many occurrences were looked at.
    pub(crate) fn part(&self, part: Part, range: Interval, work: &mut usize) -> IntervalSet {
        let mut found = Vec::new();
        let Checked { windows, freezes, holidays, working, .. } = &*self.0;
        let lists: [&[Occurrences]; 2] = match part {
            Part::Allowed => [windows, &[]],
            Part::Denied => [freezes, holidays],
            Part::Working => [&[], &[]],
            Part::Holidays => [holidays, &[]],
        };
        for one in lists.into_iter().flatten() {
            one.within(range, &mut found);
        }
        if let (Part::Allowed | Part::Working, Some(working)) = (part, working) {
            working.within(range, &mut found);
        }
        *work = work.saturating_add(found.len());
        found.into_iter().filter_map(|one| one.intersection(&range)).collect()
    }

    /// The most stretches that may begin in a day.
    pub(crate) fn daily_max(&self) -> u32 {
        let Checked { windows, freezes, holidays, working, .. } = &*self.0;
        let all = windows.iter().chain(freezes).chain(holidays).map(Occurrences::daily_max);
        let working = working.as_ref().map_or(0, Working::daily_max);
        all.fold(working, u32::saturating_add)
    }
}

/// Reads calendars in YAML, for an engine that is to check what is published.
#[derive(Clone, Copy, Debug, Default)]
pub struct YamlCalendars;

impl CalendarReader for YamlCalendars {
    fn read(&self, source: &str) -> Result<ReadCalendar, LoadFailure> {
        let calendar = Calendar::parse("calendar", source)
            .map_err(|findings| LoadFailure { reason: findings.to_string() })?;
        Ok(ReadCalendar {
            calendar: calendar.name().clone(),
            digest: calendar.digest(),
            title: calendar.document().title.clone(),
        })
    }
}

impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Calendar {}

/// The shortest interval that begins at a moment.
pub(crate) fn moment(at: Timestamp) -> Option<Interval> {
    Interval::new(at, at.checked_add(SignedDuration::from_nanos(1)).ok()?)
}

/// A calendar while it is read.
struct Reading<'a> {
    zone: &'a str,
    findings: Vec<Finding>,
    listed: usize,
    daily: u32,
}

impl Reading<'_> {
    fn keep<T>(&mut self, read: Result<T, Fault>, base: &str) -> Option<T> {
        read.map_err(|fault| self.findings.push(fault.under(base))).ok()
    }

    fn check_document(&mut self, document: &Document) {
        let Document { zone, windows, freezes, working, holidays, .. } = document;
        let known = crate::zone::zone(zone, "zone");
        self.keep(known, "");
        let says = !windows.is_empty() || !freezes.is_empty() || !holidays.is_empty();
        if !says && working.is_none() {
            let fault = Fault::new(
                FindingCode::EntryShape,
                "",
                "the calendar says nothing",
                "give it `windows`, `freezes`, `working` or `holidays`",
            );
            self.findings.push(fault.under(""));
        }
        let entries = windows.len().saturating_add(freezes.len()).saturating_add(holidays.len());
        if entries > ENTRIES_MAX {
            self.too_much(format!("the calendar has {entries} entries"), ENTRIES_MAX);
        }
    }

    fn check_limits(&mut self) {
        if self.listed > LISTED_MAX {
            let message = format!("the calendar has {} single occurrences", self.listed);
            self.too_much(message, LISTED_MAX);
        }
        if self.daily > DAILY_MAX {
            let message = format!("up to {} occurrences could begin in a day", self.daily);
            self.too_much(message, DAILY_MAX as usize);
        }
    }

    fn too_much(&mut self, message: String, most: usize) {
        let help = format!("at most {most} may be: make several calendars of it");
        let fault = Fault::new(FindingCode::TooMuch, "", message, help);
        self.findings.push(fault.under(""));
    }

    fn entry(&mut self, entry: &Entry, purpose: Purpose, base: &str) -> Option<Occurrences> {
        // Beyond a limit nothing more is read: the reading itself is what must end.
        if self.listed > LISTED_MAX || self.findings.len() >= FINDINGS_MAX {
            return None;
        }
        let read = Occurrences::read(entry, self.zone, purpose);
        // What is wrong with the calendar's zone is said once.
        let is_said = |fault: &Fault| fault.at == "zone" && entry.zone.is_none();
        if read.as_ref().is_err_and(is_said) {
            return None;
        }
        let read = self.keep(read, base)?;
        self.listed = self.listed.saturating_add(read.listed_len());
        self.daily = self.daily.saturating_add(read.daily_max());
        Some(read)
    }

    fn entries(&mut self, key: &str, entries: &[Entry], purpose: Purpose) -> Vec<Occurrences> {
        let all = entries.iter().enumerate().take(ENTRIES_MAX);
        all.filter_map(|(n, entry)| self.entry(entry, purpose, &format!("{key}[{n}]"))).collect()
    }

    fn working(&mut self, document: &WorkingDocument) -> Option<Working> {
        let read = Working::read(document, self.zone);
        if read.as_ref().is_err_and(|fault| fault.at == "zone" && document.zone.is_none()) {
            return None;
        }
        let read = self.keep(read, "working")?;
        self.daily = self.daily.saturating_add(read.daily_max());
        Some(read)
    }

    fn holidays(&mut self, holidays: &[Holiday]) -> Vec<Occurrences> {
        let mut read = Vec::new();
        for (n, holiday) in holidays.iter().enumerate().take(ENTRIES_MAX) {
            let base = format!("holidays[{n}]");
            let is_date = matches!(local(&holiday.date, ""), Ok(Local::Date(_)));
            if is_date {
                read.extend(self.entry(&holiday.entry(), Purpose::Deny, &base));
            } else {
                let fault = Fault::new(
                    FindingCode::Time,
                    "",
                    format!("`{}` is not a date", holiday.date),
                    "a holiday is a whole day, such as `2026-12-25`; for part of one use a freeze",
                );
                self.findings.push(fault.under(&base));
            }
        }
        read
    }
}
