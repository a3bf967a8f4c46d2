//! Migrating a run to another version of its definition: what it brings along, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    baseline::BaselineRef,
    command::{Actor, Vote},
    id::{MemberId, RoleName},
    project::{OWNER, Project},
    refusal::{Refusal, RefusalCode},
    run::DefinitionRef,
    view::{HoldView, RunStatus, RunView},
};

/// The role whose holders migrate runs, as the project's owners may, too.
pub const MIGRATE: &str = "migrate";

/// What a run is given that goes on by another version of its definition.
#[derive(Clone, Copy, Debug)]
pub struct Migrating<'a> {
    /// Its input as it is now, completed by the new version.
    pub input: &'a Value,
    /// What states of the old version are called in the new one, where that differs.
    pub states: &'a BTreeMap<String, String>,
    /// The baseline that is in force in the project then; where there is none, the run keeps its own.
    pub baseline: Option<&'a BaselineRef>,
    /// When it is migrated.
    pub at: Timestamp,
}

impl<'a> Migrating<'a> {
    /// What a state of the old version is called in the new one.
    #[must_use]
    pub fn state<'s>(&self, old: &'s str) -> &'s str
    where
        'a: 's,
    {
        self.states.get(old).map_or(old, String::as_str)
    }
}

/// That a run cannot be migrated so, and why.
#[must_use]
pub fn misfit(why: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::NotMigratable, why)
}

/// The roles of the member who is to migrate a run of `project`.
pub(crate) fn may_migrate(actor: &Actor, project: &Project) -> Result<BTreeSet<RoleName>, Refusal> {
    let Actor::Member(id) = actor else {
        return Err(Refusal::new(RefusalCode::NotMember, "the engine migrates no runs"));
    };
    let member = project.member(id)?;
    if member.has_role(OWNER) || member.has_role(MIGRATE) {
        return Ok(member.roles.clone());
    }
    let could: Vec<&str> = project
        .members()
        .iter()
        .filter(|(_, member)| member.has_role(OWNER) || member.has_role(MIGRATE))
        .map(|(id, _)| id.as_str())
        .collect();
    Err(Refusal::new(
        RefusalCode::NotEligible,
        format!("`{id}` may not migrate runs: that takes the role `{MIGRATE}` or `{OWNER}`"),
    )
    .needs(format!("one of {}", could.join(", "))))
}

/// What a migration makes of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationPlan {
    /// The version that the run goes by now.
    pub from: DefinitionRef,
    /// The version that it would go by.
    pub to: DefinitionRef,
    /// Where it is.
    pub state: String,
    /// Where it would be.
    pub into: String,
    /// Where it would stand there.
    pub status: RunStatus,
    /// The members that the new version's defaults add to the input.
    pub added: Vec<String>,
    /// What would count no more, such as a vote.
    pub falls: Vec<String>,
    /// What would stay, such as locks and evidence.
    pub stays: Vec<String>,
    /// The times that would be counted anew.
    pub times: Vec<String>,
}

/// A run before or after its migration.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The version that it goes by.
    pub definition: &'a DefinitionRef,
    /// Its input as it is there.
    pub input: &'a Value,
    /// What it looks like.
    pub view: &'a RunView,
}

impl MigrationPlan {
    /// What lies between a run and the same after its migration.
    #[must_use]
    pub fn between(before: Side<'_>, after: Side<'_>) -> Self {
        let members = |input: &Value| -> Vec<String> {
            input.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default()
        };
        let known = members(before.input);
        let added = members(after.input).into_iter().filter(|one| !known.contains(one)).collect();
        let mut falls: Vec<String> = before.view.holds.iter().flat_map(what_falls).collect();
        for one in before.view.baseline.iter().flat_map(|baseline| &baseline.requirements) {
            let by = one.overridden_by.as_ref();
            falls.extend(by.map(|by| format!("the override of `{}` by {by}", one.name)));
        }
        if before.view.rollout.is_some() && after.view.rollout.is_none() {
            falls.push(
                "the rollout that was done: it cannot be rolled back by `holdpoint rollback`"
                    .to_owned(),
            );
        }
        Self {
            from: before.definition.clone(),
            to: after.definition.clone(),
            state: before.view.state.clone(),
            into: after.view.state.clone(),
            status: after.view.status.clone(),
            added,
            falls,
            stays: what_stays(after.view),
            times: times(before.view, after.view),
        }
    }
}

/// What a hold has got so far, all of which is asked for again.
fn what_falls(hold: &HoldView) -> Vec<String> {
    let mut falls = Vec::new();
    // Who could sit under several rules has voted once.
    let mut told: BTreeSet<&MemberId> = BTreeSet::new();
    for condition in &hold.conditions {
        for one in &condition.votes {
            if told.insert(&one.member) {
                let what = match one.vote {
                    Vote::Approve => "approval",
                    Vote::Reject => "rejection",
                    Vote::Veto => "veto",
                };
                falls.push(format!("the {what} of `{}` by {}", hold.hold, one.member));
            }
        }
        for one in &condition.confirmations {
            falls.push(format!("that {} has done `{}`", one.member, condition.name));
        }
        match condition.kind {
            "signal" if condition.met => {
                falls.push(format!("the signal `{}`, which is to be sent again", condition.name));
            }
            "lock" if !condition.met => {
                falls.push(format!("the place of `{}` among those who wait for locks", hold.hold));
            }
            _ => {}
        }
    }
    falls
}

fn what_stays(view: &RunView) -> Vec<String> {
    let mut stays = Vec::new();
    if !view.locks.is_empty() {
        stays.push(format!("the locks on {}", view.locks.join(", ")));
    }
    if !view.evidence.is_empty() {
        let names: Vec<&str> = view.evidence.iter().map(|one| one.name.as_str()).collect();
        stays.push(format!("the evidence {}", names.join(", ")));
    }
    if !view.duties.is_empty() {
        let numbers: Vec<String> = view.duties.iter().map(|one| one.duty.to_string()).collect();
        stays.push(format!("the open duties {}", numbers.join(", ")));
    }
    stays
}

fn times(before: &RunView, after: &RunView) -> Vec<String> {
    let deadlines = |view: &RunView| -> BTreeMap<String, Timestamp> {
        let of = |hold: &HoldView| Some((format!("`{}`", hold.hold), hold.deadline.as_ref()?.at));
        let run = view.deadline.as_ref().map(|one| ("the run".to_owned(), one.at));
        view.holds.iter().filter_map(of).chain(run).collect()
    };
    let (old, new) = (deadlines(before), deadlines(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |at: &Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let words = |name: &String| match (old.get(name), new.get(name)) {
        (Some(was), Some(is)) if was == is => None,
        (Some(was), Some(is)) => {
            Some(format!("{name} expires at {} and not at {}", shown(is), shown(was)))
        }
        (None, Some(is)) => Some(format!("{name} expires at {}", shown(is))),
        (Some(was), None) => Some(format!("{name} no longer expires at {}", shown(was))),
        (None, None) => None,
    };
    let mut times: Vec<String> = names.into_iter().filter_map(words).collect();
    times.extend(waits(after).difference(&waits(before)).cloned());
    times
}

/// What holds wait for until a time.
fn waits(view: &RunView) -> BTreeSet<String> {
    let of = |hold: &HoldView| {
        let timed = hold.conditions.iter().filter(|one| matches!(one.kind, "wait" | "witness"));
        timed.map(|one| format!("`{}` waits for {}", hold.hold, one.summary)).collect::<Vec<_>>()
    };
    view.holds.iter().flat_map(of).collect()
}
