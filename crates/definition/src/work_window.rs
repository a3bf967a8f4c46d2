//! The window of work that is under way: while it is closed nothing is begun with, and when it closes the definition says
//! what becomes of what was.

use holdpoint_core::{Effect, EffectId, EffectKind, MemberId, Moment, Refusal};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::{Draft, invalid},
    event::DefinitionEvent as Event,
    window_model::Closing,
    windows::{AskedTimes, Found, Outlook, as_outlook},
};

/// The window of a rollout or of an activity that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkTimes {
    pub(crate) asked: AskedTimes,
    pub(crate) closes: Closing,
    /// Whether nothing is begun with.
    pub(crate) shut: bool,
    /// What was found last, and how often it was another.
    pub(crate) outlook: Option<Outlook>,
    pub(crate) looks: u32,
    /// Whether the work goes on whatever its window does, and who has said so, if it was said
    /// here and not at the hold before.
    pub(crate) overridden: bool,
    pub(crate) by: Option<MemberId>,
}

impl WorkTimes {
    pub(crate) const fn new(asked: AskedTimes, closes: Closing, overridden: bool) -> Self {
        Self { asked, closes, shut: !overridden, outlook: None, looks: 0, overridden, by: None }
    }

    /// Whether it does not matter any more what the calendars say.
    pub(crate) fn is_done(&self) -> bool {
        self.overridden || (self.closes == Closing::Finish && !self.shut)
    }

    /// When it is to be looked again, if the calendars stay as they are.
    fn due(&self) -> Option<Timestamp> {
        let outlook = self.outlook.as_ref()?;
        if self.shut { outlook.look_again() } else { outlook.closes }
    }

    /// What wakes the work of this name for it: that the calendars have changed, and that the time has come.
    pub(crate) fn effects(&self, work: &str) -> Vec<Effect> {
        let Some(outlook) = self.outlook.as_ref().filter(|_| !self.is_done()) else {
            return Vec::new();
        };
        let id = |what: &str| EffectId::new(format!("{work}/{what}-{}", self.looks));
        let calendars = EffectKind::Watch { seen: outlook.watched() };
        let mut effects = vec![Effect { id: id("calendars"), kind: calendars }];
        effects.extend(
            self.due().map(|due| Effect { id: id("window"), kind: EffectKind::Timer { due } }),
        );
        effects
    }

    /// What the calendars say now, where that may be something else than they said before.
    pub(crate) fn look(&self, at: &Moment<'_>) -> Option<Found> {
        let same = self.outlook.as_ref().is_some_and(|outlook| {
            !at.project.calendars().differ(&outlook.seen())
                && self.due().is_none_or(|due| at.now < due)
        });
        (!self.is_done() && !same).then(|| self.asked.look(at))
    }

    /// As [`WorkTimes::look`], of work of which nothing was begun: that it closes also matters if the work would
    /// finish outside of it.
    pub(crate) fn look_anew(&self, at: &Moment<'_>) -> Option<Found> {
        if self.overridden || !self.is_done() {
            return self.look(at);
        }
        Some(self.asked.look(at)).filter(|found| matches!(found, Found::Closed(_)))
    }

    /// Whether it is open, and the work is to stop when it closes.
    pub(crate) fn stops(&self) -> bool {
        !self.shut && self.closes == Closing::Stop
    }

    /// Adds an event about the window of the work of the state `here`.
    pub(crate) fn take(&mut self, here: &str, event: &Event) -> Result<(), String> {
        let (Event::WindowAwaited { state, .. }
        | Event::WindowOpened { state, .. }
        | Event::WindowOverridden { state, .. }) = event
        else {
            return Err("this is not about a window".to_owned());
        };
        if state != here || self.overridden {
            return Err(format!("`{state}` does not wait for a window"));
        }
        self.looks = self.looks.saturating_add(1);
        match event {
            Event::WindowAwaited { outlook, .. } => {
                self.shut = true;
                self.outlook = Some(outlook.clone());
            }
            Event::WindowOpened { window: found, .. } => {
                self.shut = false;
                self.outlook = Some(as_outlook(found.clone()));
            }
            Event::WindowOverridden { member, .. } => {
                self.shut = false;
                self.overridden = true;
                self.by = Some(member.clone());
            }
            _ => {}
        }
        Ok(())
    }
}

impl Draft<'_> {
    /// Notes what the calendars say of the window of a state, where that is new, and says whether it has closed
    /// on work that is to stop then.
    pub(crate) fn note_work_window(
        &mut self,
        state: String,
        stops: bool,
        found: Option<Found>,
    ) -> bool {
        match found {
            None => false,
            Some(Found::Open(window)) => {
                self.emit(Event::WindowOpened { state, window });
                false
            }
            Some(Found::Closed(outlook)) => {
                self.emit(Event::WindowAwaited { state, outlook });
                stops
            }
        }
    }

    /// That a member, who may, overrides the window of a state.
    pub(crate) fn overriding(
        &self,
        state: &str,
        asked: &AskedTimes,
        reason: &str,
    ) -> Result<Event, Refusal> {
        let (id, member) = self.member()?;
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a window is overridden with a reason"));
        }
        let outlook = match asked.look(self.at) {
            Found::Open(window) => as_outlook(window),
            Found::Closed(outlook) => outlook,
        };
        Ok(Event::WindowOverridden {
            state: state.to_owned(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
            outlook,
        })
    }
}
