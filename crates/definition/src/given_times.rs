//! Durations, times and calendars that follow from the input: whoever submits one that is none hears
//! of it at once, and not when the run has come so far.

use std::collections::BTreeSet;

use holdpoint_core::Refusal;
use jiff::Timestamp;

use crate::{
    check,
    decide::{Draft, invalid},
    expr::Vars,
    hold_model::{Hold, Wait},
    model::{Model, StateKind, Term, Timed, duration},
    rollout_model::Rollout,
    template::Template,
    window_model::{CalendarNamed, Times, calendar},
};

/// Something that a definition computes, and what it must be.
struct Computed<'m> {
    /// Where it stands in its state, such as `healthy.for`.
    what: String,
    template: &'m Template,
    must: Must,
}

/// What a text must be.
#[derive(Clone, Copy)]
enum Must {
    /// A duration, also of no length.
    Duration,
    /// A duration that is longer than nothing.
    SomeTime,
    /// A moment.
    Time,
    /// `calendar:NAME`, of a calendar that the project has.
    Calendar,
}

impl Draft<'_> {
    /// Refuses an input from which a duration, a time or a calendar follows that is none, in a state that
    /// a run with it can come to. What depends on more than the input is told when its state is reached,
    /// and so is what cannot be computed yet: an amendment may give what is missing.
    pub(crate) fn check_times(&self) -> Result<(), Refusal> {
        let vars = self.state.vars();
        for name in ahead(self.model, &vars) {
            let Some(state) = self.model.states.get(name) else { continue };
            let computed = match &state.kind {
                StateKind::Hold(hold) => of_hold(hold, &vars),
                StateKind::Rollout(rollout) => of_rollout(rollout),
                StateKind::Activity(work) => {
                    work.window.iter().flat_map(|window| calendars(&window.times)).collect()
                }
                _ => continue,
            };
            for one in computed {
                let Ok(text) = one.template.render_text(&vars) else { continue };
                self.is_usable(&text, one.must).map_err(|(why, needs)| {
                    let what = one.what;
                    let message = format!("`{text}` cannot be `{what}` of `{name}`: {why}");
                    let from = format!("it follows from the input: `{}`", one.template.text());
                    invalid(message).needs(needs).needs(from)
                })?;
            }
        }
        Ok(())
    }

    /// Why a text cannot be what it must be, and what could.
    fn is_usable(&self, text: &str, must: Must) -> Result<(), (String, &'static str)> {
        const DURATION: &str = "give a duration such as `90s`, `10m`, `2h 30m` or `7d`";
        match must {
            Must::Duration | Must::SomeTime => match duration(text) {
                None => Err(("it is not a duration".to_owned(), DURATION)),
                Some(span) if span.is_zero() && matches!(must, Must::SomeTime) => {
                    Err(("it leaves no time at all".to_owned(), DURATION))
                }
                Some(_) => Ok(()),
            },
            Must::Time => match text.parse::<Timestamp>() {
                Ok(_) => Ok(()),
                Err(_) => Err((
                    "it is not a time".to_owned(),
                    "give a time such as `2026-03-01T22:00:00Z` or `2026-03-01T22:00:00+01:00`",
                )),
            },
            Must::Calendar => {
                const CALENDARS: &str = "`holdpoint calendar list` has the calendars there are";
                let name = calendar(text).map_err(|why| (why, CALENDARS))?;
                match self.at.project.calendars().get(&name) {
                    Some(_) => Ok(()),
                    None => Err(("no such calendar is published".to_owned(), CALENDARS)),
                }
            }
        }
    }
}

/// The states that a run with these values can come to: a `choose` that depends on the input alone leads
/// to one of its states.
fn ahead<'m>(model: &'m Model, vars: &Vars<'_>) -> BTreeSet<&'m str> {
    let expires = model.expires.iter().map(|(_, to)| to.name.as_str());
    let mut open: Vec<&str> = expires.chain([model.start.name.as_str()]).collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(state) = model.states.get(name).filter(|_| seen.insert(name)) else { continue };
        match &state.kind {
            StateKind::Choose { branches, otherwise } => {
                let mut settled = false;
                for (when, to) in branches {
                    let known = if when.uses_states() { None } else { when.holds(vars).ok() };
                    if known != Some(false) {
                        open.push(&to.name);
                    }
                    if known == Some(true) {
                        settled = true;
                        break;
                    }
                }
                if !settled {
                    open.push(&otherwise.name);
                }
            }
            _ => open.extend(check::next(model, state).map(|to| to.name.as_str())),
        }
    }
    seen
}

/// What a hold computes of the input.
fn of_hold<'m>(hold: &'m Hold, vars: &Vars<'_>) -> Vec<Computed<'m>> {
    let approval = hold.approval.as_ref().and_then(|approval| approval.expires.as_ref());
    let signal = hold.signal.as_ref().and_then(|signal| signal.expires.as_ref());
    let mut found: Vec<_> = [
        ("approval.expires", approval),
        ("signal.expires", signal),
        ("expires", hold.expires.as_ref()),
    ]
    .into_iter()
    .filter_map(|(what, term)| span(what, timed(term?)?, Must::SomeTime))
    .collect();
    match &hold.wait {
        Some(Wait::For(term)) => {
            found.extend(timed(term).and_then(|one| span("wait.for", one, Must::Duration)));
        }
        Some(Wait::Until(template)) => {
            found.extend(computed("wait.until".to_owned(), template, Must::Time));
        }
        None => {}
    }
    if let Some(window) = &hold.window {
        let fits = window.fits.as_ref();
        found.extend(fits.and_then(|fits| span("window.fits", fits, Must::SomeTime)));
        found.extend(calendars(&window.times));
    }
    for check in &hold.checks {
        // One that does not apply is not made.
        if check.when.as_ref().is_some_and(|when| when.holds(vars) == Ok(false)) {
            continue;
        }
        for (key, timed) in [("every", &check.every), ("valid_for", &check.valid)] {
            let what = format!("check.{}.{key}", check.name);
            found.extend(timed.as_ref().and_then(|one| span(&what, one, Must::SomeTime)));
        }
    }
    found
}

/// What a rollout computes of the input.
fn of_rollout(rollout: &Rollout) -> Vec<Computed<'_>> {
    let mut found = Vec::new();
    if let Some(health) = &rollout.healthy {
        found.extend(span("healthy.for", &health.span, Must::Duration));
        found.extend(span("healthy.every", &health.every, Must::Duration));
    }
    for (number, wave) in rollout.waves.iter().enumerate() {
        let what = format!("waves[{number}].bake");
        found.extend(wave.gate.bake.as_ref().and_then(|bake| span(&what, bake, Must::Duration)));
    }
    let switch = rollout.switch.as_ref().and_then(|switch| switch.gate.bake.as_ref());
    found.extend(switch.and_then(|bake| span("switch.bake", bake, Must::Duration)));
    found.extend(rollout.window.iter().flat_map(|window| calendars(&window.times)));
    found
}

fn calendars(times: &Times) -> impl Iterator<Item = Computed<'_>> {
    let windows = times.windows.iter().map(|one| ("window", one));
    let all = windows.chain(times.not_during.iter().map(|one| ("not_during", one)));
    all.filter_map(|(what, one): (_, &CalendarNamed)| {
        computed(what.to_owned(), &one.template, Must::Calendar)
    })
}

const fn timed(term: &Term) -> Option<&Timed> {
    match term {
        Term::Timed(timed) => Some(timed),
        Term::Working { .. } => None,
    }
}

fn span<'m>(what: &str, timed: &'m Timed, must: Must) -> Option<Computed<'m>> {
    match timed {
        Timed::Fixed(_) => None,
        Timed::Computed(template) => computed(what.to_owned(), template, must),
    }
}

/// What is written out was checked when the definition was read, and what earlier states leave is not
/// known yet.
fn computed(what: String, template: &Template, must: Must) -> Option<Computed<'_>> {
    let of_the_input = template.literal().is_none() && !template.uses_states();
    of_the_input.then_some(Computed { what, template, must })
}
