//! Import of iCalendar files (RFC 5545): each event becomes an entry of a calendar.
//!
//! Nothing is dropped silently: what does not count is listed with its reason, and what a calendar
//! cannot say is a finding.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use holdpoint_core::CalendarName;

use crate::{
    calendar::Calendar,
    content::{Component, Line, at_line, components},
    document::{Document, Entry, Holiday},
    finding::{Fault, Finding, FindingCode, Findings},
    occurrence::{Occurrences, Purpose},
    rule::basic,
    zone::{Local, explicit, zone},
};

/// The longest file that is read, in bytes.
const SOURCE_BYTES_MAX: usize = 4 << 20;

/// How an iCalendar file is to be read.
#[derive(Clone, Debug)]
pub struct Import {
    /// The name that the calendar gets.
    pub calendar: CalendarName,
    /// The IANA name of the zone for what has none: whole days, and times without a zone.
    pub zone: String,
    /// What its events are.
    pub role: Role,
    /// What becomes of events that are marked as not taking up time.
    pub transparent: Transparent,
    /// Which IANA zones the file's other names for zones mean, such as `W. Europe Standard Time`.
    pub zones: BTreeMap<String, String>,
}

/// What the events of a file are in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Windows: they allow.
    Windows,
    /// Freezes: they deny.
    Freezes,
    /// Holidays: whole days that deny, and on which nobody is at work.
    Holidays,
}

/// What becomes of events with `TRANSP:TRANSPARENT`. Calendars of public holidays mark them all so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transparent {
    /// They are taken like the others.
    Take,
    /// They are left out.
    Skip,
}

/// What came of an import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The calendar.
    pub calendar: Calendar,
    /// What is in the file and not in the calendar.
    pub skipped: Vec<Skipped>,
}

/// Something that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The line it begins on, from 1.
    pub line: u64,
    /// What it is.
    pub what: String,
    /// Why it was left out.
    pub reason: String,
}

/// Makes a calendar of an iCalendar file. `file` names it in findings.
///
/// # Errors
///
/// Everything in the file that a calendar cannot say, with event and line.
pub fn import_ics(file: &str, source: &str, import: &Import) -> Result<Imported, Findings> {
    let one = |finding| Findings::new(file, vec![finding]);
    if source.len() > SOURCE_BYTES_MAX {
        let message =
            format!("the file has {} bytes; at most {SOURCE_BYTES_MAX} are read", source.len());
        return Err(one(at_line(FindingCode::TooMuch, 1, message, "split the file")));
    }
    let components = components(source).map_err(one)?;
    let mut reading = Reading { import, findings: Vec::new(), skipped: Vec::new() };
    let events: Vec<Event> =
        components.iter().filter_map(|component| reading.component(component)).collect();
    let document = reading.document(events);
    if !reading.findings.is_empty() {
        return Err(Findings::new(file, reading.findings));
    }
    let calendar = Calendar::check(document).map_err(|list| Findings::new(file, list))?;
    Ok(Imported { calendar, skipped: reading.skipped })
}

/// A time of an event.
#[derive(Clone, Debug)]
struct When {
    local: Local,
    /// `None` for whole days, and for times that go with the calendar's zone.
    zone: Option<(String, TimeZone)>,
}

impl When {
    fn moment(&self, default: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.as_ref().map_or(default, |(_, zone)| zone);
        explicit(zone, self.local.datetime(), false)
    }

    /// The local time in the zone of another.
    fn local_as(&self, other: &Self, default: &TimeZone) -> Option<Local> {
        let name = |when: &Self| when.zone.as_ref().map(|(name, _)| name.clone());
        if self.local.is_date() || name(self) == name(other) {
            return Some(self.local);
        }
        let zone = other.zone.as_ref().map_or(default, |(_, zone)| zone);
        Some(Local::Time(zone.to_datetime(self.moment(default)?)))
    }
}

/// An event that counts, or an occurrence of one that was changed.
struct Event {
    label: String,
    uid: Option<String>,
    lines: Vec<Line>,
    number: u64,
    start: When,
    entry: Entry,
    /// Which occurrence of the event with the same UID it stands for.
    replaces: Option<When>,
    /// Why it is only there to take an occurrence away, if it is.
    skipped: bool,
}

impl Event {
    fn finding(&self, fault: Fault) -> Finding {
        let name = match fault.at.split('[').next().unwrap_or_default() {
            "starts" | "zone" => "DTSTART",
            "lasts" if self.line("DURATION").is_some() => "DURATION",
            "lasts" => "DTEND",
            "repeat" => "RRULE",
            "except" => "EXDATE",
            "also" => "RDATE",
            _ => "BEGIN",
        };
        let number = self.line(name).map_or(self.number, |line| line.number);
        let finding = at_line(fault.code, number, fault.message, fault.help);
        Finding { path: self.label.clone(), ..finding }
    }

    fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }
}

struct Reading<'a> {
    import: &'a Import,
    findings: Vec<Finding>,
    skipped: Vec<Skipped>,
}

type Read<T> = Result<T, Finding>;

fn no(line: &Line, message: impl Into<String>, help: &str) -> Finding {
    at_line(FindingCode::NotRepresentable, line.number, message, help)
}

/// What a calendar cannot say, or what only a person can decide.
fn check_calendar(component: &Component) -> Read<()> {
    for line in &component.lines {
        let is = |value: &str| line.value.eq_ignore_ascii_case(value);
        if line.name == "CALSCALE" && !is("GREGORIAN") {
            let message = format!("the calendar scale `{}` is not supported", line.value);
            return Err(no(line, message, "only GREGORIAN is"));
        }
        if line.name == "METHOD" && is("CANCEL") {
            let help = "export the calendar itself, not a message about it";
            return Err(no(line, "this is a message that cancels events", help));
        }
    }
    Ok(())
}

impl Reading<'_> {
    fn skip(&mut self, line: u64, what: String, reason: &str) {
        self.skipped.push(Skipped { line, what, reason: reason.to_owned() });
    }

    fn component(&mut self, component: &Component) -> Option<Event> {
        let name = component.name.as_str();
        let read = match name {
            "VCALENDAR" => check_calendar(component).map(|()| None),
            "VEVENT" => self.event(component),
            // Zones are known by their names; their definitions are not needed.
            "VTIMEZONE" => Ok(None),
            "VFREEBUSY" => Err(at_line(
                FindingCode::NotRepresentable,
                component.number,
                "`VFREEBUSY` says who is busy, not when work may be done",
                "export events",
            )),
            _ => {
                self.skip(component.number, format!("`{name}`"), "only events have windows");
                Ok(None)
            }
        };
        let label = label(component);
        let named = |one: Finding| Finding { path: label, ..one };
        read.map_err(|finding| self.findings.push(named(finding))).ok().flatten()
    }

    /// Reads an event; `None` when it does not count.
    fn event(&mut self, component: &Component) -> Read<Option<Event>> {
        for (n, line) in component.lines.iter().enumerate() {
            let earlier = component.lines.iter().take(n).any(|one| one.name == line.name);
            if earlier && ONCE.contains(&line.name.as_str()) {
                return Err(no(line, format!("the event has `{}` twice", line.name), "keep one"));
            }
        }
        let get = |name: &str| component.lines.iter().find(|line| line.name == name);
        if let Some(line) = get("EXRULE") {
            return Err(no(line, "`EXRULE` is not supported", "list the dates with EXDATE"));
        }
        let value_is = |name, value: &str| {
            get(name).is_some_and(|line| line.value.trim().eq_ignore_ascii_case(value))
        };
        let replaces = get("RECURRENCE-ID").map(|line| self.replaced(line)).transpose()?;
        let reason = if value_is("STATUS", "CANCELLED") {
            Some("it is cancelled")
        } else if value_is("TRANSP", "TRANSPARENT") && self.import.transparent == Transparent::Skip
        {
            Some("it is marked as taking up no time (TRANSP)")
        } else {
            None
        };
        let label = label(component);
        if let Some(reason) = reason {
            self.skip(component.number, label.clone(), reason);
            if replaces.is_none() {
                return Ok(None);
            }
        }
        let Some(start_line) = get("DTSTART") else {
            let message = "the event has no `DTSTART`";
            let code = FindingCode::NotRepresentable;
            return Err(at_line(code, component.number, message, "say when it starts"));
        };
        let start = self.when(start_line, &start_line.value)?;
        let mut event = Event {
            label,
            uid: get("UID").map(|line| line.value.clone()),
            lines: component.lines.clone(),
            number: component.number,
            entry: Entry::default(),
            start,
            replaces,
            skipped: reason.is_some(),
        };
        if !event.skipped {
            event.entry = self.entry(&event)?;
        }
        Ok(Some(event))
    }

    fn replaced(&self, line: &Line) -> Read<When> {
        if line.parameter("RANGE").is_some() {
            let help = "end the old series with UNTIL, and make a new one of the rest";
            return Err(no(line, "a change of all later occurrences is not supported", help));
        }
        self.when(line, &line.value)
    }

    /// One time of a line.
    fn when(&self, line: &Line, value: &str) -> Read<When> {
        let value = value.trim();
        let (text, is_utc) = match value.strip_suffix('Z') {
            Some(text) => (text, true),
            None => (value, false),
        };
        let kind = line.parameter("VALUE").unwrap_or("");
        let local = basic(text).filter(|local| {
            let fits = !kind.eq_ignore_ascii_case("DATE") || local.is_date();
            fits && !(local.is_date() && is_utc)
        });
        let Some(local) = local else {
            let help = "a date is `20260106`, a time `20260106T220000` with TZID, or ending in `Z`";
            return Err(no(line, format!("`{value}` is not a date or a time"), help));
        };
        let name = match line.parameter("TZID") {
            _ if local.is_date() => None,
            _ if is_utc => Some("UTC"),
            Some(name) => Some(self.import.zones.get(name).map_or(name, String::as_str)),
            None => None,
        };
        let zone = name.map(|name| {
            let help = "say at the import which IANA zone the name stands for";
            let unknown = |fault: Fault| at_line(fault.code, line.number, fault.message, help);
            zone(name, "").map(|zone| (name.to_owned(), zone)).map_err(unknown)
        });
        Ok(When { local, zone: zone.transpose()? })
    }

    fn default_zone(&self) -> Read<TimeZone> {
        zone(&self.import.zone, "").map_err(|fault| fault.under("zone"))
    }

    fn entry(&self, event: &Event) -> Read<Entry> {
        let lasts = self.lasts(event)?;
        let repeat = event.line("RRULE").map(|line| line.value.clone());
        let zone = event.start.zone.as_ref().map(|(name, _)| name.clone());
        Ok(Entry {
            starts: Some(written(event.start.local)),
            lasts: Some(lasts),
            repeat,
            except: self.times(event, "EXDATE")?,
            also: self.times(event, "RDATE")?,
            zone: zone.filter(|name| *name != self.import.zone),
            reason: event.line("SUMMARY").map(|line| line.value.clone()),
            ..Entry::default()
        })
    }

    /// How long the event is. From DTEND comes a length that is exact: RFC 5545, section 3.8.5.3.
    fn lasts(&self, event: &Event) -> Read<String> {
        let start = &event.start;
        match (event.line("DTEND"), event.line("DURATION")) {
            (Some(line), Some(_)) => {
                Err(no(line, "the event has both `DTEND` and `DURATION`", "keep one of them"))
            }
            (None, Some(line)) => Ok(line.value.trim().to_owned()),
            (None, None) if start.local.is_date() => Ok("1d".to_owned()),
            (None, None) => {
                let code = FindingCode::Empty;
                let help = "give it a DTEND or a DURATION";
                Err(at_line(code, event.number, "the event takes no time", help))
            }
            (Some(line), None) => {
                let end = self.when(line, &line.value)?;
                let help = "give it a later DTEND; on whole days it is the day after the last";
                let wrong = |message: &str| at_line(FindingCode::Empty, line.number, message, help);
                if end.local.is_date() != start.local.is_date() {
                    return Err(wrong("`DTSTART` and `DTEND` are not both dates, or both times"));
                }
                let length = if start.local.is_date() {
                    Some(start.local.datetime().duration_until(end.local.datetime()))
                } else {
                    let default = self.default_zone()?;
                    let (start, end) = (start.moment(&default), end.moment(&default));
                    start.zip(end).map(|(start, end)| start.duration_until(end))
                };
                let length = length.filter(SignedDuration::is_positive);
                let length = length.ok_or_else(|| wrong("the event ends before it begins"))?;
                Ok(if start.local.is_date() {
                    format!("{}d", length.as_hours() / 24)
                } else {
                    format!("{length:#}")
                })
            }
        }
    }

    /// The times of all lines of this name, as local times of the event's zone.
    fn times(&self, event: &Event, name: &str) -> Read<Vec<String>> {
        let mut found = Vec::new();
        for line in event.lines.iter().filter(|line| line.name == name) {
            if line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("PERIOD")) {
                let help = "make an event of its own of each period";
                return Err(no(line, format!("`{name}` with periods is not supported"), help));
            }
            for value in line.value.split(',') {
                let when = self.when(line, value)?;
                found.push(written(self.as_start(event, line, &when)?));
            }
        }
        Ok(found)
    }

    /// A time as a local time of the event's zone; it must be of the same kind as its start.
    fn as_start(&self, event: &Event, line: &Line, when: &When) -> Read<Local> {
        if when.local.is_date() != event.start.local.is_date() {
            let message =
                format!("`{}` and `DTSTART` are not both dates, or both times", line.name);
            return Err(no(line, message, "RFC 5545 wants them to be of one kind"));
        }
        let local = when.local_as(&event.start, &self.default_zone()?);
        local
            .ok_or_else(|| no(line, "this time cannot be converted", "give it in the event's zone"))
    }

    /// Puts the events together: a changed occurrence is excepted from its series.
    fn document(&mut self, mut events: Vec<Event>) -> Document {
        let changes: Vec<(String, When, Line)> = events
            .iter()
            .filter_map(|event| {
                let line = event.line("RECURRENCE-ID")?.clone();
                Some((event.uid.clone()?, event.replaces.clone()?, line))
            })
            .collect();
        for (uid, when, line) in changes {
            let series = events
                .iter_mut()
                .find(|one| one.replaces.is_none() && one.uid.as_ref() == Some(&uid));
            if let Some(series) = series {
                match self.as_start(series, &line, &when) {
                    Ok(local) => series.entry.except.push(written(local)),
                    Err(finding) => self.findings.push(finding),
                }
            }
        }
        let mut document = Document {
            calendar: self.import.calendar.clone(),
            title: None,
            zone: self.import.zone.clone(),
            windows: Vec::new(),
            freezes: Vec::new(),
            working: None,
            holidays: Vec::new(),
        };
        let purpose = match self.import.role {
            Role::Windows => Purpose::Allow,
            Role::Freezes | Role::Holidays => Purpose::Deny,
        };
        for event in events.into_iter().filter(|event| !event.skipped) {
            if let Err(fault) = Occurrences::read(&event.entry, &self.import.zone, purpose) {
                self.findings.push(event.finding(fault));
                continue;
            }
            match self.import.role {
                Role::Windows => document.windows.push(event.entry),
                Role::Freezes => document.freezes.push(event.entry),
                Role::Holidays => match holidays(&event) {
                    Ok(days) => document.holidays.extend(days),
                    Err(fault) => self.findings.push(event.finding(fault)),
                },
            }
        }
        document
    }
}

/// What an event may have only once.
const ONCE: &[&str] = &[
    "DTSTART",
    "DTEND",
    "DURATION",
    "RRULE",
    "RECURRENCE-ID",
    "STATUS",
    "SUMMARY",
    "TRANSP",
    "UID",
];

/// How a finding names an event.
fn label(component: &Component) -> String {
    let get = |name: &str| component.lines.iter().find(|line| line.name == name);
    match get("SUMMARY").or_else(|| get("UID")) {
        Some(line) if component.name == "VEVENT" => {
            format!("event `{}`", line.value.chars().take(60).collect::<String>())
        }
        _ => format!("`{}`", component.name),
    }
}

fn written(local: Local) -> String {
    match local {
        Local::Date(date) => date.to_string(),
        Local::Time(time) => time.to_string(),
    }
}

/// The days of an event as holidays.
fn holidays(event: &Event) -> Result<Vec<Holiday>, Fault> {
    let fault = |at: &str, message: &str| {
        let help = "import such events as freezes";
        Fault::new(FindingCode::NotRepresentable, at, message, help)
    };
    let Entry { repeat, except, also, reason, .. } = &event.entry;
    let lasts = event.entry.lasts.as_deref().unwrap_or_default();
    let days = lasts.trim_start_matches('P').trim_end_matches(['d', 'D']).parse::<i64>();
    let Some(days) = days.ok().filter(|_| event.start.local.is_date()) else {
        return Err(fault("starts", "a holiday is a whole day, and this is a time"));
    };
    let first = event.start.local.datetime().date();
    if days > 1 && (repeat.is_some() || !also.is_empty()) {
        return Err(fault("repeat", "a holiday that recurs is one day long"));
    }
    let day = |date: String| Holiday {
        date,
        name: reason.clone(),
        repeat: None,
        except: Vec::new(),
        zone: None,
    };
    let series = first.series(jiff::Span::new().days(1));
    let mut found: Vec<Holiday> = series
        .take(usize::try_from(days).unwrap_or_default())
        .map(|date| Holiday {
            repeat: repeat.clone(),
            except: except.clone(),
            ..day(date.to_string())
        })
        .collect();
    found.extend(also.iter().cloned().map(day));
    Ok(found)
}
