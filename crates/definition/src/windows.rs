//! Windows: whether calendars allow what a run waits for, when they do next, and who lets it go on
//! all the same.

use std::collections::BTreeSet;

use holdpoint_calendar::{
    Calendar, CalendarRef, Findings, Horizon, Next, Schedule, Window, zone_data,
};
use holdpoint_core::{
    CalendarName, Digest, Effect, EffectId, EffectKind, MemberId, Moment, Refusal, RefusalCode,
    Seen, SeenCalendars,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    expr::Vars,
    hold_model::{Approver, Exclusion, Hold, listed},
    hold_state::HoldState,
    phrase,
    state::{Place, State},
    voting::is_excluded,
    window_model::{HoldWindow, Missed, Times},
};

/// Why work is ended that is to stop when its window closes.
pub(crate) const CLOSED: &str = "its window has closed";

/// Where calendars do not say when they are open next, it is looked again after so long at the
/// earliest.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// The calendars that a hold, a rollout or an activity of a run goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedTimes {
    /// Those in whose windows work may be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<CalendarName>,
    /// Those during which it may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_during: Vec<CalendarName>,
    /// How long the work takes that must fit, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fits_ms: Option<u64>,
}

/// A calendar as it was seen; without a digest, there was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCalendar {
    /// Its name.
    pub calendar: CalendarName,
    /// The digest of what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What calendars said of a window: which it is, when it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// The calendars that were asked.
    pub calendars: Vec<SeenCalendar>,
    /// The release of the zone data that was used.
    pub zone_data: String,
    /// When work may be done next, or since when it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<Timestamp>,
    /// Until when it may then: the first moment at which it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes: Option<Timestamp>,
    /// Where no window was found: up to when one was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_to: Option<Timestamp>,
    /// Why work may not be done at the moment that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The window that an open hold waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowState {
    pub(crate) asked: AskedTimes,
    /// Whether the hold expires with the first window.
    pub(crate) missed_expires: bool,
    /// What was found last, where that has mattered so far; and when.
    pub(crate) outlook: Option<(Outlook, Timestamp)>,
    /// How often it has mattered.
    pub(crate) looks: u32,
    /// When it was seen open last.
    pub(crate) open_at: Option<Timestamp>,
    /// Who lets the run go on all the same, and why.
    pub(crate) overridden: Option<(MemberId, String)>,
}

impl WindowState {
    pub(crate) fn new(asked: AskedTimes, missed: Missed) -> Self {
        Self {
            asked,
            missed_expires: missed == Missed::Expire,
            outlook: None,
            looks: 0,
            open_at: None,
            overridden: None,
        }
    }

    /// Asks anew, of an amended run.
    pub(crate) fn ask(&mut self, asked: AskedTimes) {
        let (missed_expires, looks) = (self.missed_expires, self.looks);
        *self =
            Self { asked, missed_expires, looks, ..Self::new(AskedTimes::default(), Missed::Wait) };
    }

    /// Adds an event to it.
    pub(crate) fn take(&mut self, event: &Event, now: Timestamp) -> Result<(), String> {
        match event {
            Event::WindowAwaited { outlook, .. } => {
                self.outlook = Some((outlook.clone(), now));
                self.looks = self.looks.saturating_add(1);
            }
            Event::WindowOpened { .. } => self.open_at = Some(now),
            Event::WindowOverridden { member, reason, .. } if self.overridden.is_none() => {
                self.overridden = Some((member.clone(), reason.clone()));
            }
            _ => return Err("the window is overridden".to_owned()),
        }
        Ok(())
    }

    /// Whether it lets the run go on at this very moment.
    pub(crate) fn lets_go(&self, now: Timestamp) -> bool {
        self.overridden.is_some() || self.open_at == Some(now)
    }

    /// When the window is over with which the hold expires, as far as is known.
    pub(crate) fn missed_at(&self) -> Option<Timestamp> {
        let (outlook, looked) = self.outlook.as_ref()?;
        if !self.missed_expires || self.overridden.is_some() || outlook.lacks_calendar() {
            return None;
        }
        match (outlook.looked_to, self.asked.fits()) {
            // There is none to wait for.
            (Some(_), _) => Some(*looked),
            (None, None) => outlook.closes,
            (None, Some(length)) => {
                // The first moment at which the work does not fit any more.
                let last = outlook.closes?.checked_sub(length).ok()?;
                last.checked_add(SignedDuration::from_nanos(1)).ok()
            }
        }
    }
}

impl Outlook {
    /// The calendars, as they were seen.
    pub(crate) fn seen(&self) -> SeenCalendars {
        self.calendars.iter().map(|one| (one.calendar.clone(), one.digest)).collect()
    }

    /// That these calendars are as they were seen.
    pub(crate) fn watched(&self) -> Seen {
        Seen { calendars: self.seen(), ..Seen::default() }
    }

    fn lacks_calendar(&self) -> bool {
        self.calendars.iter().any(|one| one.digest.is_none())
    }

    /// When it is time to look again.
    pub(crate) fn look_again(&self) -> Option<Timestamp> {
        self.opens.or(self.looked_to)
    }

    /// Whether this says the same, for whatever reason.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let what = |one: &Self| (one.calendars.clone(), one.opens, one.closes, one.looked_to);
        what(self) == what(other)
    }
}

/// What calendars say of a moment.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// Work may be done, in this window.
    Open(Window),
    /// It may not.
    Closed(Outlook),
}

/// The names of calendars that were asked for.
pub(crate) fn asked(
    times: &Times,
    fits: Option<SignedDuration>,
    vars: &Vars<'_>,
) -> Result<AskedTimes, String> {
    let names = |all: &[crate::window_model::CalendarNamed]| {
        all.iter().map(|one| one.eval(vars)).collect::<Result<Vec<_>, _>>()
    };
    let fits_ms = fits.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    Ok(AskedTimes {
        windows: names(&times.windows)?,
        not_during: names(&times.not_during)?,
        fits_ms,
    })
}

impl AskedTimes {
    fn fits(&self) -> Option<SignedDuration> {
        self.fits_ms.map(|ms| SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// In words, such as `a window of maintenance, not during freeze`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let named = |all: &[CalendarName]| {
            all.iter().map(CalendarName::as_str).collect::<Vec<_>>().join(" or ")
        };
        let not = named(&self.not_during);
        match (self.windows.is_empty(), self.not_during.is_empty()) {
            (false, true) => format!("a window of {}", named(&self.windows)),
            (false, false) => format!("a window of {}, not during {not}", named(&self.windows)),
            (true, _) => format!("a time not during {not}"),
        }
    }

    /// What the project's calendars say now.
    pub(crate) fn look(&self, at: &Moment<'_>) -> Found {
        let mut lacking = Vec::new();
        let mut read = |names: &[CalendarName]| {
            let found =
                names.iter().map(|name| calendar(at, name).map_err(|why| lacking.push(why)).ok());
            found.flatten().collect::<Vec<Calendar>>()
        };
        let (windows, not_during) = (read(&self.windows), read(&self.not_during));
        let seen = |name: &CalendarName| SeenCalendar {
            calendar: name.clone(),
            digest: at.project.calendars().get(name).map(|one| one.digest),
        };
        let mut outlook = Outlook {
            calendars: self.windows.iter().chain(&self.not_during).map(seen).collect(),
            zone_data: zone_data().to_owned(),
            opens: None,
            closes: None,
            looked_to: None,
            why: lacking.into_iter().next(),
        };
        if outlook.why.is_some() {
            return Found::Closed(outlook);
        }
        let schedule = Schedule::permitted(&windows, &not_during);
        let (now, horizon) = (at.now, Horizon::default());
        let open = match self.fits() {
            None => schedule.contains(now),
            Some(length) => schedule.fits(now, length),
        };
        if open && let Some(window) = schedule.window(now, horizon) {
            return Found::Open(window);
        }
        outlook.why = why_closed(&schedule, &windows, &not_during, now);
        let next = match self.fits() {
            None => schedule.next_opening(now, horizon),
            Some(length) => schedule.next_fit(now, length, horizon),
        };
        match next {
            Next::At(opens) => {
                outlook.opens = Some(opens);
                outlook.closes = schedule.closes(opens, horizon).and_then(Next::at);
            }
            Next::NotBefore(looked) => {
                let earliest = now.saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
                outlook.looked_to = Some(looked.max(earliest));
            }
        }
        Found::Closed(outlook)
    }
}

/// What a window that is open looks like as an outlook.
pub(crate) fn as_outlook(window: Window) -> Outlook {
    let Window { calendars, zone_data, opens, closes } = window;
    let seen = |CalendarRef { calendar, digest }| SeenCalendar { calendar, digest: Some(digest) };
    Outlook {
        calendars: calendars.into_iter().map(seen).collect(),
        zone_data,
        opens,
        closes,
        looked_to: None,
        why: None,
    }
}

/// A calendar of the project, or why there is none to go by.
pub(crate) fn calendar(at: &Moment<'_>, name: &CalendarName) -> Result<Calendar, String> {
    let published = at
        .project
        .calendars()
        .get(name)
        .ok_or_else(|| format!("no calendar `{name}` is published"))?;
    let read = published
        .read_as(|source| -> Result<Calendar, Findings> { Calendar::parse(name.as_str(), source) });
    match read {
        Some(Ok(calendar)) => Ok(calendar.clone()),
        Some(Err(findings)) => Err(format!("the calendar `{name}` cannot be read: {findings}")),
        None => Err(format!("BUG: the calendar `{name}` was read as something else")),
    }
}

/// Why work may not be done, where that can be said in a few words.
fn why_closed(
    schedule: &Schedule,
    windows: &[Calendar],
    not_during: &[Calendar],
    now: Timestamp,
) -> Option<String> {
    if let Some(Next::At(closes)) = schedule.closes(now, Horizon::default()) {
        let left = SignedDuration::from_secs(closes.duration_since(now).as_secs());
        return Some(format!("only {} are left of this one", phrase::duration(left)));
    }
    let denied = windows.iter().chain(not_during).find_map(|calendar| {
        let denial = calendar.denials(now).into_iter().next()?;
        let what = if denial.is_holiday { "a holiday" } else { "a freeze" };
        let reason = denial.reason.unwrap_or_else(|| what.to_owned());
        Some(format!("{reason}, says {}", calendar.name()))
    });
    denied.or_else(|| {
        let during =
            not_during.iter().find(|one| one.allows() && Schedule::open(one).contains(now));
        during.map(|calendar| format!("it is a time of {}", calendar.name()))
    })
}

/// A moment on the clocks of the first of these calendars, and in UTC.
pub(crate) fn local(asked: &AskedTimes, at: &Moment<'_>, moment: Timestamp) -> String {
    let first = asked.windows.iter().chain(&asked.not_during).next();
    let zone = first.and_then(|name| calendar(at, name).ok());
    match zone {
        Some(calendar) if calendar.document().zone != "UTC" => {
            let there = moment.to_zoned_datetime(calendar.time_zone());
            let moment = phrase::moment(moment);
            format!("{moment} ({} {})", there.strftime("%a %H:%M"), calendar.document().zone)
        }
        _ => phrase::moment(moment),
    }
}

impl HoldState {
    /// When the hold is resolved by the time alone: by its deadline, or as its window is over.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        let missed = self.window.as_deref().and_then(WindowState::missed_at);
        [self.deadline, missed].into_iter().flatten().min()
    }

    /// What wakes it for its window: that the calendars have changed, and that the time has come,
    /// where all else is there then.
    pub(crate) fn window_effects(&self, hold: &Hold, state: &State) -> Vec<Effect> {
        let Some(window) = self.window.as_ref().filter(|one| one.overridden.is_none()) else {
            return Vec::new();
        };
        let Some((outlook, looked)) = &window.outlook else { return Vec::new() };
        let kind = EffectKind::Watch { seen: outlook.watched() };
        let mut effects = vec![Effect { id: self.window_effect("calendars", window), kind }];
        if let Some(due) = outlook.look_again().filter(|due| due > looked)
            && self.ends().is_none_or(|ends| due < ends)
            && self.is_complete_but_for_locks(hold, state, due)
        {
            let id = self.window_effect("window", window);
            effects.push(Effect { id, kind: EffectKind::Timer { due } });
        }
        effects
    }

    fn window_effect(&self, what: &str, window: &WindowState) -> EffectId {
        EffectId::new(format!("{}#{}/{what}-{}", self.hold, self.visit, window.looks))
    }
}

impl Draft<'_> {
    /// What a hold asks of calendars.
    pub(crate) fn asked_times(&self, window: &HoldWindow) -> Result<AskedTimes, String> {
        let vars = self.state.vars();
        let fits = window.fits.as_ref().map(|span| span.eval(&vars)).transpose()?;
        if fits.is_some_and(|span| span.is_zero()) {
            return Err("`fits` gives no time at all".to_owned());
        }
        asked(&window.times, fits, &vars)
    }

    /// Notes which window a hold has that expires with it.
    pub(crate) fn note_window(&mut self) {
        let Some((open, _)) = self.hold() else { return };
        if open.window.as_ref().is_some_and(|one| one.missed_expires) {
            self.note_outlook();
        }
    }

    /// Notes what the calendars say of the window that the open hold waits for.
    fn note_outlook(&mut self) {
        let Some((open, _)) = self.hold() else { return };
        let Some(window) = &open.window else { return };
        let outlook = match window.asked.look(self.at) {
            Found::Open(window) => as_outlook(window),
            Found::Closed(outlook) => outlook,
        };
        let state = open.hold.clone();
        self.emit(Event::WindowAwaited { state, outlook });
    }

    /// Notes another window, where the calendars were changed before the one was over with which
    /// the hold expires.
    pub(crate) fn renew_window(&mut self) {
        let Some((open, _)) = self.hold() else { return };
        let Some(window) = open.window.as_ref().filter(|one| one.missed_expires) else { return };
        let Some((outlook, _)) = &window.outlook else { return };
        let over = window.missed_at().unwrap_or(Timestamp::MAX);
        let calendars = self.at.project.calendars();
        let in_time = outlook.calendars.iter().any(|seen| {
            let now = calendars.get(&seen.calendar);
            now.map(|one| one.digest) != seen.digest
                && now.map_or(self.at.now, |one| one.published) <= over
        });
        if in_time && window.overridden.is_none() {
            self.note_window();
        }
    }

    /// Whether the window of the open hold, if it waits for one, lets the run go on at this moment;
    /// notes what was found.
    pub(crate) fn window_lets_go(&mut self) -> bool {
        if !self.lockdown_lets_go() {
            return false;
        }
        self.renew_window();
        let Some((open, _)) = self.hold() else { return false };
        let Some(window) = &open.window else { return true };
        if window.overridden.is_some() {
            return true;
        }
        if window.missed_at().is_some_and(|missed| missed <= self.at.now) {
            return false;
        }
        let state = open.hold.clone();
        match window.asked.look(self.at) {
            Found::Open(window) => {
                self.emit(Event::WindowOpened { state, window });
                true
            }
            Found::Closed(outlook) => {
                let known = window.outlook.as_ref().is_some_and(|(one, _)| one.is_as(&outlook));
                if !known {
                    self.emit(Event::WindowAwaited { state, outlook });
                }
                false
            }
        }
    }

    /// Decides what one of [`HoldState::window_effects`] does, if `effect` is one, and says so.
    pub(crate) fn window_timer(&mut self, effect: &EffectId) -> bool {
        let Some((open, definition)) = self.hold() else { return false };
        let effects = open.window_effects(definition, &self.state);
        let Some(found) = effects.into_iter().find(|one| one.id == *effect) else { return false };
        let hold = open.hold.clone();
        let looks = |draft: &Self| match draft.hold() {
            Some((open, _)) if open.hold == hold => open.window.as_ref().map(|one| one.looks),
            _ => None,
        };
        let before = looks(self);
        if let EffectKind::Watch { .. } = found.kind {
            self.renew_window();
        }
        self.release();
        self.expire_with_window();
        // Something else may be missing by now, or the calendars say the same in other words.
        if before.is_some() && looks(self) == before {
            self.note_outlook();
        }
        true
    }

    /// Expires the open hold if its window is over, and goes on.
    pub(crate) fn expire_with_window(&mut self) {
        if self.window_is_over() {
            self.go_on();
        }
    }

    /// Expires the open hold if its window is over, and says whether it is.
    pub(crate) fn window_is_over(&mut self) -> bool {
        let Some((open, _)) = self.hold() else { return false };
        let missed = open.window.as_deref().and_then(WindowState::missed_at);
        let now = self.at.now;
        // A deadline that has passed before is what resolved the hold.
        let Some(deadline) = missed.filter(|at| *at <= now && open.ends() == Some(*at)) else {
            return false;
        };
        let hold = open.hold.clone();
        self.emit(Event::HoldExpired { hold, deadline });
        true
    }

    /// Decides that a closed window does not keep the run.
    pub(crate) fn override_window(
        &mut self,
        named: Option<&str>,
        reason: &str,
    ) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        if let Place::Rollout { .. } = self.state.place {
            return self.override_rollout_window(reason);
        }
        if let Place::Activity { .. } = self.state.place {
            return self.override_activity_window(reason);
        }
        let none = || not_awaited("nothing in this run waits for a window");
        let (open, definition) = self.hold().ok_or_else(none)?;
        if let Some(named) = named.filter(|named| *named != open.hold) {
            return Err(not_awaited(format!("the hold `{named}` is not open"))
                .needs(format!("the open hold is `{}`", open.hold)));
        }
        let (Some(window), Some(defined)) = (&open.window, &definition.window) else {
            return Err(none());
        };
        self.in_time(open)?;
        let by_approval = definition.approval.iter().flat_map(|approval| &approval.not);
        let not: Vec<Exclusion> = defined.not.iter().chain(by_approval).copied().collect();
        self.may_override(&open.hold, &defined.overriders, &not, id, member)?;
        if window.overridden.is_some() {
            return Err(not_awaited(format!(
                "the window of `{}` is overridden already",
                open.hold
            )));
        }
        let event = self.overriding(&open.hold, &window.asked, reason)?;
        self.emit(event);
        self.release();
        Ok(())
    }
}

impl Draft<'_> {
    /// Refuses whoever may not override a window.
    pub(crate) fn may_override(
        &self,
        state: &str,
        overriders: &[Approver],
        not: &[Exclusion],
        id: &MemberId,
        member: &holdpoint_core::project::Member,
    ) -> Result<(), Refusal> {
        if overriders.is_empty() {
            return Err(not_awaited(format!("nobody may override the window of `{state}`"))
                .needs("its definition would have to say who: `override`"));
        }
        if !overriders.iter().any(|one| one.is(id, member)) {
            let whom = listed(overriders);
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not override the window of `{state}`: {whom} may"),
            ));
        }
        match not.iter().find(|exclusion| is_excluded(&self.state, **exclusion, id)) {
            None => Ok(()),
            Some(exclusion) => {
                let message = format!("`{id}` {}", exclusion.why());
                let others = could_override(overriders, not, &self.state, self.at);
                let others: Vec<&str> =
                    others.iter().filter(|other| *other != id).map(MemberId::as_str).collect();
                Err(Refusal::new(RefusalCode::SelfApproval, message).needs(if others.is_empty() {
                    format!("somebody else whom `override` names: {}", listed(overriders))
                } else {
                    format!("another member: {}", others.join(", "))
                }))
            }
        }
    }
}

/// Who of a project could override a window.
pub(crate) fn could_override(
    overriders: &[Approver],
    not: &[Exclusion],
    state: &State,
    at: &Moment<'_>,
) -> BTreeSet<MemberId> {
    let members = at.project.members().iter();
    members
        .filter(|(id, member)| overriders.iter().any(|one| one.is(id, member)))
        .filter(|(id, _)| !not.iter().any(|exclusion| is_excluded(state, *exclusion, id)))
        .map(|(id, _)| id.clone())
        .collect()
}
