//! The window of a rollout: while it is closed nothing is begun with, and when it closes the
//! definition says what becomes of what was.

use holdpoint_core::{Effect, EffectId, EffectKind, MemberId, Refusal};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    rollout,
    rollout_state::{Course, RolloutState},
    state::Place,
    window_model::Closing,
    windows::{AskedTimes, CLOSED, Found, Outlook, as_outlook},
};

/// The window of a rollout that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RolloutWindow {
    pub(crate) asked: AskedTimes,
    pub(crate) closes: Closing,
    /// Whether nothing is begun with.
    pub(crate) shut: bool,
    /// What was found last, and how often it was another.
    pub(crate) outlook: Option<Outlook>,
    pub(crate) looks: u32,
    /// Whether the rollout goes on whatever its window does, and who has said so, if it was said
    /// here and not at the hold before.
    pub(crate) overridden: bool,
    pub(crate) by: Option<MemberId>,
}

impl RolloutWindow {
    pub(crate) const fn new(asked: AskedTimes, closes: Closing, overridden: bool) -> Self {
        Self { asked, closes, shut: !overridden, outlook: None, looks: 0, overridden, by: None }
    }

    /// Whether it does not matter any more what the calendars say.
    fn is_done(&self) -> bool {
        self.overridden || (self.closes == Closing::Finish && !self.shut)
    }

    /// When it is to be looked again, if the calendars stay as they are.
    fn due(&self) -> Option<Timestamp> {
        let outlook = self.outlook.as_ref()?;
        if self.shut { outlook.look_again() } else { outlook.closes }
    }
}

impl RolloutState {
    /// Whether nothing is begun with now.
    pub(crate) fn is_shut(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.shut)
    }

    /// Whether it does nothing but wait for its window.
    pub(crate) fn waits_for_window(&self) -> bool {
        self.course == Course::RollingOut && self.is_shut() && self.active.is_empty()
    }

    fn watched(&self) -> Option<&RolloutWindow> {
        let forward = self.course == Course::RollingOut;
        self.window.as_ref().filter(|window| forward && !window.is_done())
    }

    /// What wakes it for its window: that the calendars have changed, and that the time has come.
    pub(crate) fn window_effects(&self) -> Vec<Effect> {
        let Some(window) = self.watched() else { return Vec::new() };
        let Some(outlook) = &window.outlook else { return Vec::new() };
        let id = |what: &str| {
            EffectId::new(format!("{}#{}/{what}-{}", self.state, self.visit, window.looks))
        };
        let calendars = EffectKind::Watch { seen: outlook.watched() };
        let mut effects = vec![Effect { id: id("calendars"), kind: calendars }];
        effects.extend(
            window.due().map(|due| Effect { id: id("window"), kind: EffectKind::Timer { due } }),
        );
        effects
    }

    /// Adds an event about its window.
    pub(crate) fn take_window(&mut self, event: &Event) -> Result<(), String> {
        let Self { state: here, window: Some(window), .. } = self else {
            return Err("the rollout has no window".to_owned());
        };
        let (Event::WindowAwaited { state, .. }
        | Event::WindowOpened { state, .. }
        | Event::WindowOverridden { state, .. }) = event
        else {
            return Err("this is not about a window".to_owned());
        };
        if state != here || window.overridden {
            return Err(format!("`{state}` does not wait for a window"));
        }
        window.looks = window.looks.saturating_add(1);
        match event {
            Event::WindowAwaited { outlook, .. } => {
                window.shut = true;
                window.outlook = Some(outlook.clone());
            }
            Event::WindowOpened { window: found, .. } => {
                window.shut = false;
                window.outlook = Some(as_outlook(found.clone()));
            }
            Event::WindowOverridden { member, .. } => {
                window.shut = false;
                window.overridden = true;
                window.by = Some(member.clone());
            }
            _ => {}
        }
        self.fill();
        Ok(())
    }
}

impl Draft<'_> {
    /// Notes whether the window of the rollout is open, where that may have changed, and says whether
    /// it has closed on one that is to stop then.
    pub(crate) fn rollout_window(&mut self) -> bool {
        let Some(rollout) = &self.state.rollout else { return false };
        let Some(window) = rollout.watched() else { return false };
        let calendars = self.at.project.calendars();
        let same = window.outlook.as_ref().is_some_and(|outlook| {
            !calendars.differ(&outlook.seen()) && window.due().is_none_or(|due| self.at.now < due)
        });
        if same {
            return false;
        }
        let (state, was_open) = (rollout.state.clone(), !window.shut);
        let stops = was_open && window.closes == Closing::Stop;
        match window.asked.look(self.at) {
            Found::Open(window) => {
                self.emit(Event::WindowOpened { state, window });
                false
            }
            Found::Closed(outlook) => {
                self.emit(Event::WindowAwaited { state, outlook });
                stops
            }
        }
    }

    /// As [`Draft::rollout_window`], of a rollout of which nothing was begun: its window also matters if it
    /// would finish outside of it.
    pub(crate) fn rollout_window_anew(&mut self) -> bool {
        let Some(rollout) = &self.state.rollout else { return false };
        let Some(window) = rollout.window.as_ref().filter(|window| !window.overridden) else {
            return false;
        };
        if !window.is_done() {
            return self.rollout_window();
        }
        let state = rollout.state.clone();
        if let Found::Closed(outlook) = window.asked.look(self.at) {
            self.emit(Event::WindowAwaited { state, outlook });
        }
        false
    }

    /// Decides what one of [`RolloutState::window_effects`] does, if `effect` is one, and says so.
    pub(crate) fn rollout_window_timer(&mut self, effect: &EffectId) -> bool {
        let Place::Rollout { .. } = self.state.place else { return false };
        let effects = self.state.rollout.as_ref().map(RolloutState::window_effects);
        if !effects.unwrap_or_default().iter().any(|one| one.id == *effect) {
            return false;
        }
        if self.rollout_window() {
            rollout::turn_back(self, CLOSED);
        }
        if let Some(next) = rollout::settle(self) {
            self.enter(next);
        }
        true
    }

    /// Decides that a closed window does not keep the rollout.
    pub(crate) fn override_rollout_window(&mut self, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let none = || not_awaited("this rollout waits for no window");
        let defined =
            self.rollout().and_then(|rollout| rollout.window.as_ref()).ok_or_else(none)?;
        let rollout = self.state.rollout.as_ref().ok_or_else(none)?;
        let window = rollout.watched().ok_or_else(none)?;
        let not = defined.not.iter().copied();
        self.may_override(&rollout.state, &defined.overriders, not, id, member)?;
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a window is overridden with a reason"));
        }
        let outlook = match window.asked.look(self.at) {
            Found::Open(window) => as_outlook(window),
            Found::Closed(outlook) => outlook,
        };
        self.emit(Event::WindowOverridden {
            state: rollout.state.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
            outlook,
        });
        if let Some(next) = rollout::settle(self) {
            self.enter(next);
        }
        Ok(())
    }
}
