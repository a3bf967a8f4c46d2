//! Lockdowns: while one is in force, nothing is begun in its scope. Which there are is the project's;
//! what a run makes of it is its workflow's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    command::Actor,
    conflict::{Times, Turn},
    id::{DefinitionName, Digest},
    item::{Item, ItemName, Items},
    project::ProjectEvent,
    refusal::{Refusal, RefusalCode},
    selector::Selector,
};

/// The role whose holders impose and release lockdowns, as the project's owners may, too.
pub const LOCKDOWN: &str = "lockdown";

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Which runs a lockdown is about; all of the project, where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockdownScope {
    /// Only runs of these definitions, if there are any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub definitions: BTreeSet<DefinitionName>,
    /// No runs of these definitions.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub except: BTreeSet<DefinitionName>,
    /// Only runs that touch an item which is selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Selector>,
}

impl LockdownScope {
    /// Whether a run of `definition` is meant that touches these items. Of an item that is not in the
    /// inventory only the name is known.
    #[must_use]
    pub fn covers(
        &self,
        definition: &DefinitionName,
        touched: &BTreeSet<ItemName>,
        inventory: &Items,
    ) -> bool {
        let nothing = Item::default();
        let named = self.definitions.is_empty() || self.definitions.contains(definition);
        named
            && !self.except.contains(definition)
            && self.items.as_ref().is_none_or(|selector| {
                touched.iter().any(|name| {
                    selector.matches(name, inventory.get(name.as_str()).unwrap_or(&nothing))
                })
            })
    }
}

/// A lockdown that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lockdown {
    /// Its number in the project, from 1; no other ever has it.
    pub lockdown: u32,
    /// Which runs it is about.
    pub scope: LockdownScope,
    /// Why.
    pub reason: String,
    /// Who imposed it.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
}

/// The lockdowns of a project that are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lockdowns {
    imposed: u32,
    in_force: BTreeMap<u32, Lockdown>,
}

impl Lockdowns {
    /// All that are in force, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Lockdown> {
        self.in_force.values()
    }

    /// The lockdown with this number, if it is in force.
    #[must_use]
    pub fn get(&self, lockdown: u32) -> Option<&Lockdown> {
        self.in_force.get(&lockdown)
    }

    /// Whether none is in force.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_force.is_empty()
    }

    /// Those that hold a run of `definition`. What it touches is asked for only where that matters.
    #[must_use]
    pub fn over(
        &self,
        definition: &DefinitionName,
        touched: impl FnOnce() -> BTreeSet<ItemName>,
        inventory: &Items,
    ) -> Vec<&Lockdown> {
        let asks = self.iter().any(|one| one.scope.items.is_some());
        let touched = if asks { touched() } else { BTreeSet::new() };
        self.iter().filter(|one| one.scope.covers(definition, &touched, inventory)).collect()
    }

    /// Whether one of these is in force no more.
    #[must_use]
    pub fn lifted(&self, seen: &BTreeSet<u32>) -> bool {
        seen.iter().any(|lockdown| !self.in_force.contains_key(lockdown))
    }

    pub(crate) fn impose(
        &self,
        scope: &LockdownScope,
        reason: &str,
    ) -> Result<ProjectEvent, Refusal> {
        if let Some(both) = scope.definitions.intersection(&scope.except).next() {
            return Err(Refusal::new(
                RefusalCode::InvalidInput,
                format!("`{both}` is both in the scope of the lockdown and excepted from it"),
            ));
        }
        Ok(ProjectEvent::LockdownImposed {
            lockdown: self.imposed.saturating_add(1),
            scope: scope.clone(),
            reason: checked(reason, "a lockdown is imposed with a reason")?,
        })
    }

    pub(crate) fn release(&self, lockdown: u32, reason: &str) -> Result<ProjectEvent, Refusal> {
        if self.get(lockdown).is_none() {
            let there: Vec<String> = self.in_force.keys().map(ToString::to_string).collect();
            return Err(Refusal::new(
                RefusalCode::NotFound,
                format!("no lockdown {lockdown} is in force"),
            )
            .needs(match there.as_slice() {
                [] => "none is".to_owned(),
                there => format!("in force: {}", there.join(", ")),
            }));
        }
        let reason = checked(reason, "a lockdown is released with a reason")?;
        Ok(ProjectEvent::LockdownReleased { lockdown, reason })
    }

    /// Adds that a lockdown was imposed.
    pub(crate) fn put(&mut self, one: Lockdown) -> Result<(), String> {
        if one.lockdown != self.imposed.saturating_add(1) {
            return Err(format!("the lockdown {} is not the next", one.lockdown));
        }
        self.imposed = one.lockdown;
        self.in_force.insert(one.lockdown, one);
        Ok(())
    }

    /// Adds that a lockdown was released.
    pub(crate) fn remove(&mut self, lockdown: u32) -> Result<(), String> {
        let removed = self.in_force.remove(&lockdown);
        removed.map(drop).ok_or_else(|| format!("no lockdown {lockdown} is in force"))
    }
}

fn checked(reason: &str, otherwise: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    let invalid = |message: String| Err(Refusal::new(RefusalCode::InvalidInput, message));
    if reason.is_empty() {
        return invalid(otherwise.to_owned());
    }
    if reason.len() > REASON_BYTES_MAX {
        return invalid(format!("the reason has more than {REASON_BYTES_MAX} bytes"));
    }
    Ok(reason.to_owned())
}

/// What a run goes by and has seen of its project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The calendars, by their digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calendars: crate::calendars::SeenCalendars,
    /// The lockdowns that hold it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lockdowns: BTreeSet<u32>,
    /// The inventory as it was when plans were made of it, by
    /// [`Project::inventory`](crate::Project::inventory).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inventory: BTreeSet<Digest>,
    /// The qualifications of members as they were when it was looked who has some, by
    /// [`Project::qualifications`](crate::Project::qualifications).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub qualifications: BTreeSet<Digest>,
}

impl Seen {
    /// Whether it goes by nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what else was seen.
    pub fn add(&mut self, other: Self) {
        self.calendars.extend(other.calendars);
        self.lockdowns.extend(other.lockdowns);
        self.inventory.extend(other.inventory);
        self.qualifications.extend(other.qualifications);
    }
}

/// What a lockdown asks of a run, and who looks for [conflicts](crate::conflict).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prospect {
    /// The items that it touches, as far as that can be told now.
    pub items: BTreeSet<ItemName>,
    /// Whether work still lies ahead of it that a lockdown would hold back.
    pub starts: bool,
    /// Whether work is under way that a lockdown lets finish.
    pub works: bool,
    /// When it is at work, as far as that can be told now.
    pub times: Times,
    /// How far it is with what it touches.
    pub turn: Turn,
}
