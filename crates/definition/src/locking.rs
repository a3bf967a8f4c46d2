//! Locks on configuration items: a hold that waits for them, and what takes them from a run again.
//!
//! A hold asks for its locks when it has all else, so that nobody is kept waiting by who still waits
//! for people; it is released by getting them. The run holds them until it ends, enters a state with
//! `unlock`, or asks for others.

use std::collections::{BTreeMap, BTreeSet};

use holdpoint_core::{
    Claims, EffectId, ItemName, Refusal, RefusalCode, lock::Wanted, project::OWNER,
    view::ConditionView, workflow::Meta,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decide::{Draft, invalid, not_awaited},
    event::DefinitionEvent as Event,
    evolve::hold_of,
    expr::Vars,
    hold_model::{Approver, Hold, listed},
    hold_state::HoldState,
    model::Model,
    state::{Place, State},
    template::{COMPUTED_BYTES_MAX, Tree},
};

/// How many locks one hold waits for.
const LOCKS_MAX: usize = 1_000;

/// What a hold locks.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) items: Tree,
    /// Who may break one besides the project's owners.
    pub(crate) breakers: Vec<Approver>,
}

/// How far an open hold has come with its locks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Locking {
    /// What it has asked for, and since when.
    asked: Option<(BTreeSet<ItemName>, Timestamp)>,
    /// Whether it has got that.
    granted: bool,
}

/// A lock that the run holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Locked {
    /// The hold that it was taken for.
    pub(crate) hold: String,
    since: Timestamp,
}

/// The locks that the run holds.
pub(crate) type Locks = BTreeMap<ItemName, Locked>;

impl Locking {
    /// What the hold waits for.
    pub(crate) fn waits_for(&self) -> Option<&(BTreeSet<ItemName>, Timestamp)> {
        self.asked.as_ref().filter(|_| !self.granted)
    }

    /// Whether the hold has its locks.
    pub(crate) const fn is_met(&self) -> bool {
        self.granted
    }
}

impl HoldState {
    fn lock_effect(&self) -> EffectId {
        EffectId::new(format!("{}#{}/lock", self.hold, self.visit))
    }
}

/// What a run holds and waits for.
pub(crate) fn claims(model: &Model, state: &State) -> Claims {
    if let Place::Ended { .. } = state.place {
        return Claims::default();
    }
    let held = state.locks.iter().map(|(item, one)| (item.clone(), one.since)).collect();
    let wanted = match &state.place {
        Place::Hold(open) => hold_of(model, &open.hold)
            .filter(|hold| open.is_ready(hold, state))
            .and_then(|_| open.locking.waits_for())
            .map(|(items, since)| Wanted {
                effect: open.lock_effect(),
                items: items.clone(),
                since: *since,
            }),
        _ => None,
    };
    Claims { held, wanted, looks: None }
}

/// The items that a hold locks.
pub(crate) fn items(lock: &Lock, vars: &Vars<'_>) -> Result<BTreeSet<ItemName>, String> {
    let Value::Array(values) = lock.items.render(vars, COMPUTED_BYTES_MAX)? else {
        return Err("what it locks is not a list".to_owned());
    };
    let name = |value| match value {
        Value::String(name) => {
            name.parse().map_err(|error: holdpoint_core::id::MalformedId| error.to_string())
        }
        other => Err(format!("`{other}` is not the name of an item")),
    };
    let items: BTreeSet<ItemName> = values.into_iter().map(name).collect::<Result<_, _>>()?;
    if items.len() > LOCKS_MAX {
        return Err(format!("a hold locks at most {LOCKS_MAX} items, not {}", items.len()));
    }
    Ok(items)
}

impl Draft<'_> {
    /// The items that a hold locks.
    pub(crate) fn lock_items(&self, lock: &Lock) -> Result<BTreeSet<ItemName>, String> {
        items(lock, &self.state.vars())
    }

    /// Asks for the locks of the open hold, which has all else, where it has not asked yet.
    pub(crate) fn ask_for_locks(&mut self) {
        let Some((open, Hold { lock: Some(lock), .. })) = self.hold() else { return };
        if open.locking.asked.is_some() {
            return;
        }
        let hold = open.hold.clone();
        // They were computed when the hold opened, from the same values.
        let Ok(items) = self.lock_items(lock) else { return };
        let has_all = items.iter().all(|item| self.state.locks.contains_key(item));
        if !has_all && !self.state.locks.is_empty() {
            self.release_locks(hold.clone());
        }
        self.emit(Event::LocksRequested { hold: hold.clone(), items: items.clone() });
        if has_all {
            self.emit(Event::LocksGranted { hold, items });
        }
    }

    /// Gives back all locks that the run holds.
    pub(crate) fn release_locks(&mut self, state: String) {
        let items: BTreeSet<ItemName> = self.state.locks.keys().cloned().collect();
        if !items.is_empty() {
            self.emit(Event::LocksReleased { state, items });
        }
    }

    /// Decides that the run gets what it has asked for.
    pub(crate) fn locks_granted(&mut self, effect: &EffectId) -> Result<(), Refusal> {
        let Some((open, definition)) =
            self.hold().filter(|(open, _)| open.lock_effect() == *effect)
        else {
            return Err(crate::decide::unknown(effect));
        };
        self.in_time(open)?;
        let Some((items, _)) = open.locking.waits_for().cloned() else {
            return Err(crate::decide::unknown(effect));
        };
        if !open.is_complete_but_for_locks(definition, &self.state, self.at.now) {
            return Err(not_awaited(format!("`{}` waits for something else again", open.hold)));
        }
        self.emit(Event::LocksGranted { hold: open.hold.clone(), items });
        self.release();
        Ok(())
    }

    /// Decides that a lock is taken from the run.
    pub(crate) fn break_lock(&mut self, item: &ItemName, reason: &str) -> Result<(), Refusal> {
        let (id, member) = self.member()?;
        let Some(locked) = self.state.locks.get(item) else {
            return Err(not_awaited(format!("the run does not hold the lock on `{item}`")));
        };
        let lock = hold_of(self.model, &locked.hold).and_then(|hold| hold.lock.as_ref());
        let breakers = lock.map(|lock| lock.breakers.as_slice()).unwrap_or_default();
        if !member.has_role(OWNER) && !breakers.iter().any(|one| one.is(id, member)) {
            let who = [format!("role {OWNER}")]
                .into_iter()
                .chain(breakers.iter().map(ToString::to_string));
            return Err(Refusal::new(
                RefusalCode::NotEligible,
                format!("`{id}` may not break the lock on `{item}`"),
            )
            .needs(format!("a member with the {}", listed(&who.collect::<Vec<_>>()))));
        }
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(invalid("a lock is broken with a reason"));
        }
        self.emit(Event::LockBroken {
            item: item.clone(),
            member: id.clone(),
            roles: member.roles.clone(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}

/// What others can do about the locks of a run that goes no further, if it holds some.
pub(crate) fn break_step(model: &Model, state: &State) -> Option<String> {
    let (_, first) = state.locks.first_key_value()?;
    let lock = hold_of(model, &first.hold).and_then(|hold| hold.lock.as_ref());
    Some(format!(
        "it keeps its locks on {}: cancel it, or have a member with the {} take one from it, with \
         `holdpoint locks break ITEM --reason TEXT`",
        held(state).join(", "),
        lock.map_or_else(|| format!("role {OWNER}"), breakers)
    ))
}

/// Adds an event about locks.
pub(crate) fn evolve(state: &mut State, event: &Event, meta: &Meta<'_>) -> Result<(), String> {
    match (&mut state.place, event) {
        (Place::Hold(open), Event::LocksRequested { hold, items })
            if open.hold == *hold && open.locking.asked.is_none() =>
        {
            open.locking.asked = Some((items.clone(), meta.time));
            open.locking.granted = items.is_empty();
            Ok(())
        }
        (Place::Hold(open), Event::LocksGranted { hold, items })
            if open.hold == *hold
                && open.locking.asked.as_ref().is_some_and(|(asked, _)| asked == items) =>
        {
            open.locking.granted = true;
            for item in items {
                let since = meta.time;
                let lock = || Locked { hold: hold.clone(), since };
                state.locks.entry(item.clone()).or_insert_with(lock);
            }
            Ok(())
        }
        (place, Event::LocksReleased { items, .. }) => {
            // A hold that a conflict keeps asks for its own again.
            if let Place::Hold(open) = place {
                open.locking = Locking::default();
            }
            items.iter().try_for_each(|item| take(&mut state.locks, item))
        }
        (_, Event::LockBroken { item, .. }) => take(&mut state.locks, item),
        _ => Err("it is about locks that nobody waits for".to_owned()),
    }
}

fn take(locks: &mut Locks, item: &ItemName) -> Result<(), String> {
    locks.remove(item).map(drop).ok_or_else(|| format!("the lock on `{item}` is not held"))
}

/// The condition of an open hold that is met by its locks.
pub(crate) fn condition(hold: &Hold, open: &HoldState) -> Option<ConditionView> {
    hold.lock.as_ref()?;
    let summary = match &open.locking.asked {
        None => "its locks, once it has all else".to_owned(),
        Some((items, since)) => {
            let items: Vec<&str> = items.iter().map(ItemName::as_str).collect();
            format!("the locks on {}, since {}", items.join(", "), crate::phrase::moment(*since))
        }
    };
    let met = open.locking.is_met();
    Some(crate::view::condition("lock", "lock", met, summary))
}

/// What a lock is in words.
pub(crate) fn words(lock: &Lock) -> String {
    format!("the locks on {}", crate::phrase::tree(&lock.items))
}

/// Who may break a lock.
pub(crate) fn breakers(lock: &Lock) -> String {
    let owner = "role owner".to_owned();
    let all: Vec<String> =
        [owner].into_iter().chain(lock.breakers.iter().map(ToString::to_string)).collect();
    crate::phrase::joined(&all, "or")
}

/// Who holds what is shown by this.
pub(crate) fn held(state: &State) -> Vec<String> {
    state.locks.keys().map(ToString::to_string).collect()
}
