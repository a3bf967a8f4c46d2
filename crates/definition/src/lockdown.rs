//! What lockdowns of the project do to a run: it does not enter a state in which work is begun, and a
//! hold that waits for a window or for locks is not released, so that neither is used up meanwhile.
//! What is under way finishes.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Effect, EffectId, EffectKind, ItemName, Items, Moment, NextAsk, NextStep, Prospect, Refusal,
    Seen,
    conflict::Turn,
    lockdown::{LOCKDOWN, Lockdown},
    project::OWNER,
    view::{ConditionView, HoldView},
};
use serde::{Deserialize, Serialize};

use crate::{
    check, conflicting,
    decide::{Draft, not_awaited},
    event::DefinitionEvent as Event,
    locking,
    model::{Model, StateKind},
    planned_times, requalifying,
    state::{Place, State},
    view::condition,
};

/// A lockdown that holds a run, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBy {
    /// Its number in the project.
    pub lockdown: u32,
    /// Why it was imposed.
    pub reason: String,
}

/// The numbers of the lockdowns that hold a run.
pub(crate) type Numbers = BTreeSet<u32>;

pub(crate) fn begins_work(model: &Model, name: &str) -> bool {
    let kind = model.states.get(name).map(|state| &state.kind);
    matches!(kind, Some(StateKind::Activity(_) | StateKind::Rollout(_) | StateKind::Child(_)))
}

/// The items that a run touches: those that its holds lock and its rollouts work at, as far as that
/// follows from what is known now, and those whose locks it holds.
fn touched(model: &Model, state: &State, inventory: &Items) -> BTreeSet<ItemName> {
    let vars = state.vars();
    let mut found: BTreeSet<ItemName> = state.locks.keys().cloned().collect();
    for one in model.states.values() {
        match &one.kind {
            StateKind::Hold(hold) => {
                let items = hold.lock.as_ref().map(|lock| locking::items(lock, &vars));
                found.extend(items.into_iter().flatten().flatten());
            }
            StateKind::Rollout(rollout) => {
                let resolved = rollout.targets.resolve(&vars, inventory, |_| Ok(()));
                let names = resolved.map(|resolved| resolved.names).unwrap_or_default();
                found.extend(names.into_iter().filter_map(|name| name.parse().ok()));
            }
            _ => {}
        }
    }
    found
}

/// What a lockdown asks of a run.
pub(crate) fn prospect(model: &Model, state: &State, at: &Moment<'_>) -> Prospect {
    let leaves = match &state.place {
        Place::All(_) => {
            let leaves = state.leaves();
            leaves.into_iter().map(|(_, focus)| focus.place.clone()).collect()
        }
        place => vec![place.clone()],
    };
    let starts = |place: &Place| match place {
        Place::Ended { .. } | Place::Stopped { .. } => false,
        Place::Owing { next, .. } => {
            begins_work(model, next)
                || check::ahead(model, next, false).iter().any(|name| begins_work(model, name))
        }
        place => {
            check::ahead(model, place.state(), false).iter().any(|name| begins_work(model, name))
        }
    };
    let works = |place: &Place| {
        matches!(place, Place::Activity { .. } | Place::Rollout { .. } | Place::Child(_))
    };
    let turn = |place: &Place| match place {
        Place::Activity { .. } | Place::Rollout { .. } => Turn::AtWork,
        Place::Child(_) => Turn::Awaiting,
        Place::Hold(_) if conflicting::looks(model, state).is_some() => Turn::AtGate,
        place if !state.locks.is_empty() || (state.let_through && starts(place)) => Turn::AtWork,
        place if starts(place) => Turn::Ahead,
        _ => Turn::Aside,
    };
    Prospect {
        items: touched(model, state, at.project.items()),
        // What comes after the branches lies ahead, too.
        starts: leaves.iter().chain([&state.place]).any(starts),
        works: leaves.iter().any(works),
        times: planned_times::of(model, state, at),
        turn: leaves.iter().map(turn).max().unwrap_or_default(),
    }
}

/// The lockdowns that hold a run at this moment.
fn in_force<'p>(model: &Model, state: &State, at: &Moment<'p>) -> Vec<&'p Lockdown> {
    let (lockdowns, items) = (at.project.lockdowns(), at.project.items());
    lockdowns.over(&model.name, || touched(model, state, items), items)
}

/// What wakes a run that lockdowns hold: that one of them is released.
pub(crate) fn effect(state: &State) -> Option<Effect> {
    let (name, visit, lockdowns) = match &state.place {
        Place::Owing { next, lockdowns, .. } => {
            (next, state.visit(next).saturating_add(1), lockdowns)
        }
        Place::Hold(open) => (&open.hold, open.visit, &open.lockdowns),
        _ => return None,
    };
    if lockdowns.is_empty() {
        return None;
    }
    // No number is ever given again, so neither is this name.
    let numbers: Vec<String> = lockdowns.iter().map(ToString::to_string).collect();
    let id = EffectId::new(format!("{name}#{visit}/lockdown-{}", numbers.join("-")));
    let seen = Seen { lockdowns: lockdowns.clone(), ..Seen::default() };
    Some(Effect { id, kind: EffectKind::Watch { seen } })
}

impl Draft<'_> {
    /// The lockdowns that hold the run at this moment.
    pub(crate) fn lockdowns(&self) -> Vec<HeldBy> {
        in_force(self.model, &self.state, self.at)
            .into_iter()
            .map(|one| HeldBy { lockdown: one.lockdown, reason: one.reason.clone() })
            .collect()
    }

    /// Refuses what would begin work at once while lockdowns hold the run.
    pub(crate) fn refuse_under_lockdown(&self, message: &str) -> Result<(), Refusal> {
        let by = self.lockdowns();
        if by.is_empty() {
            return Ok(());
        }
        let all: Vec<String> =
            by.iter().map(|one| format!("{}: {}", one.lockdown, one.reason)).collect();
        Err(not_awaited(message).needs(format!(
            "have {} released by a member with the role `{LOCKDOWN}` or `{OWNER}`, or the definition \
             excepted: lockdown {}",
            if all.len() == 1 { "it" } else { "them" },
            all.join(", lockdown ")
        )))
    }

    /// Rests before a state in which work is begun while lockdowns hold the run.
    pub(crate) fn locked_down_before(&mut self, name: &str) -> bool {
        if !begins_work(self.model, name) {
            return false;
        }
        let by = self.lockdowns();
        if by.is_empty() {
            return false;
        }
        let known = match &self.state.place {
            Place::Owing { next, lockdowns, .. } => next == name && *lockdowns == numbers(&by),
            _ => false,
        };
        if !known {
            self.emit(Event::LockedDown { state: name.to_owned(), by });
        }
        true
    }

    /// Whether lockdowns let the open hold be released, which has all else; notes what has changed.
    /// Only a hold that waits for a window or for locks is kept by them.
    pub(crate) fn lockdown_lets_go(&mut self) -> bool {
        let Some((open, hold)) = self.hold() else { return true };
        if open.window.is_none() && hold.lock.is_none() {
            return true;
        }
        let (state, before) = (open.hold.clone(), open.lockdowns.clone());
        let by = self.lockdowns();
        if by.is_empty() {
            if !before.is_empty() {
                self.emit(Event::LockdownLifted { state });
            }
            return true;
        }
        if numbers(&by) != before {
            self.emit(Event::LockedDown { state, by });
        }
        false
    }

    /// Decides what [`effect`] does, if `named` is it, and says so.
    pub(crate) fn lockdown_released(&mut self, named: &EffectId) -> bool {
        if effect(&self.state).is_none_or(|one| one.id != *named) {
            return false;
        }
        let by = self.lockdowns();
        match &self.state.place {
            Place::Owing { next, .. } => {
                let next = next.clone();
                if by.is_empty() {
                    self.emit(Event::LockdownLifted { state: next.clone() });
                    self.enter(next);
                } else {
                    self.emit(Event::LockedDown { state: next, by });
                }
            }
            Place::Hold(open) => {
                let state = open.hold.clone();
                if by.is_empty() {
                    self.emit(Event::LockdownLifted { state });
                    self.release();
                } else {
                    self.emit(Event::LockedDown { state, by });
                }
            }
            _ => {}
        }
        true
    }
}

fn numbers(by: &[HeldBy]) -> Numbers {
    by.iter().map(|one| one.lockdown).collect()
}

/// Adds one of the events about lockdowns; `leads` says whether a way leads to the state it names.
pub(crate) fn evolve(state: &mut State, event: &Event, leads: bool) -> Result<(), String> {
    let (named, held) = match event {
        Event::LockedDown { state, by } if !by.is_empty() => (state, numbers(by)),
        Event::LockdownLifted { state } => (state, Numbers::new()),
        _ => return Err("this is not about a lockdown".to_owned()),
    };
    match &mut state.place {
        Place::Hold(open) if open.hold == *named && open.lockdowns != held => {
            open.lockdowns = held;
            Ok(())
        }
        Place::Owing { next, lockdowns, lapsed, .. } if next == named && *lockdowns != held => {
            *lockdowns = held;
            // What else keeps it is looked at when it is let go.
            *lapsed = None;
            Ok(())
        }
        Place::Hold(_) | Place::Owing { .. } => Err(format!("nothing has changed for `{named}`")),
        place @ (Place::Activity { .. } | Place::Child(_) | Place::Rollout { .. })
            if place.state() == named && !held.is_empty() =>
        {
            // Nothing of it was begun.
            *place = Place::Owing {
                state: named.clone(),
                next: named.clone(),
                lockdowns: held,
                lacking: BTreeSet::new(),
                lapsed: None,
            };
            state.rollout = state.rollout.take().filter(|rollout| rollout.state != *named);
            requalifying::taken_back(state, named);
            Ok(())
        }
        place if leads && !held.is_empty() => {
            // A run that is held before its first state stands there.
            let here = if place.state().is_empty() { named } else { place.state() };
            let here = here.to_owned();
            state.place = Place::Owing {
                state: here,
                next: named.clone(),
                lockdowns: held,
                lacking: BTreeSet::new(),
                lapsed: None,
            };
            Ok(())
        }
        _ => Err(format!("no way leads to `{named}`")),
    }
}

/// The lockdowns that keep a run where it stands, by what is known to it or has changed since it
/// looked: of the latter it learns when one of the former ends.
fn keeping(place: &Place) -> Option<&Numbers> {
    match place {
        Place::Owing { lockdowns, .. } => Some(lockdowns),
        Place::Hold(open) => Some(&open.lockdowns),
        _ => None,
    }
    .filter(|lockdowns| !lockdowns.is_empty())
}

/// The lockdowns that hold a run where it stands, as conditions.
pub(crate) fn conditions(model: &Model, state: &State, at: &Moment<'_>) -> Vec<ConditionView> {
    let Some(known) = keeping(&state.place) else { return Vec::new() };
    let in_force = in_force(model, state, at);
    let over = known.iter().filter(|number| at.project.lockdowns().get(**number).is_none());
    let over = over.map(|number| {
        let words = format!("the end of the lockdown {number}, which was released");
        condition("lockdown", &number.to_string(), true, words)
    });
    let holding = in_force.into_iter().map(|one| {
        let by = one.by.member().map_or("engine", |member| member.as_str());
        let words = format!("the end of the lockdown {} by {by}: {}", one.lockdown, one.reason);
        condition("lockdown", &one.lockdown.to_string(), false, words)
    });
    over.chain(holding).collect()
}

/// What holds a run before a state in which work is begun.
pub(crate) fn hold_view(model: &Model, state: &State, at: &Moment<'_>) -> Option<HoldView> {
    let Place::Owing { next, lockdowns, .. } = &state.place else { return None };
    (!lockdowns.is_empty()).then(|| HoldView {
        hold: next.clone(),
        since: state.entered,
        deadline: None,
        plans: BTreeMap::new(),
        replanned: None,
        no_plan: BTreeMap::new(),
        conditions: conditions(model, state, at),
    })
}

/// What can be done about lockdowns that hold a run.
pub(crate) fn steps(model: &Model, state: &State, at: &Moment<'_>) -> Vec<NextStep> {
    if keeping(&state.place).is_none() {
        return Vec::new();
    }
    let step = |one: &Lockdown| {
        let lockdown = one.lockdown;
        let text = format!(
            "release the lockdown {lockdown}, as a member with the role `{LOCKDOWN}` or `{OWNER}`"
        );
        NextStep::ask(text, NextAsk::ReleaseLockdown { lockdown })
    };
    in_force(model, state, at).into_iter().map(step).collect()
}
