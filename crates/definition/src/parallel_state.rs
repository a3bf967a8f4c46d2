//! The state of parallel branches: where each is, and how the run is looked at through one of them.
//!
//! Everything that decides and evolves knows one place. While a branch is looked at its place, and
//! what goes with it, stands where the run's stands otherwise; what is outside is put aside.

use std::collections::BTreeMap;

use holdpoint_core::workflow::Meta;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    earlier,
    event::DefinitionEvent as Event,
    evolve::resolve,
    model::{Model, StateKind},
    parallel_model::{All, Join, Others, Within},
    requalifying,
    rollout_state::RolloutState,
    state::{Place, State},
};

/// The branches of an `all` that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fork {
    /// The `all` state.
    pub(crate) state: String,
    pub(crate) branches: BTreeMap<String, Focus>,
    /// Whether the branches that are under way are being stopped, as the outcome is settled.
    pub(crate) stopping: bool,
    /// Whether its time was over.
    pub(crate) expired: bool,
}

/// Where a branch is, and what goes with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Focus {
    pub(crate) place: Place,
    pub(crate) entered: Timestamp,
    pub(crate) rollout: Option<RolloutState>,
    /// See [`State::overridden`].
    #[serde(default)]
    pub(crate) overridden: bool,
}

/// What is outside of the branch that is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    branch: String,
    focus: Focus,
}

impl Fork {
    fn new(state: &str, all: &All, at: Timestamp, overridden: bool) -> Self {
        let begin = |name: &String| {
            (name.clone(), Focus { place: Place::Begin, entered: at, rollout: None, overridden })
        };
        Self {
            state: state.to_owned(),
            branches: all.branches.keys().map(begin).collect(),
            stopping: false,
            expired: false,
        }
    }

    /// Whether every branch has ended or was stopped.
    pub(crate) fn is_over(&self) -> bool {
        self.branches
            .values()
            .all(|one| matches!(one.place, Place::Ended { .. } | Place::Stopped { .. }))
    }

    /// Whether the branches are to go no further.
    pub(crate) const fn stops(&self) -> bool {
        self.stopping || self.expired
    }

    /// What comes of the branches, where that is settled.
    pub(crate) fn outcome(&self, all: &All) -> Option<&'static str> {
        let ended = || {
            self.branches.values().filter_map(|one| match &one.place {
                Place::Ended { outcome, .. } => Some(all.good.contains(outcome)),
                _ => None,
            })
        };
        match all.join {
            _ if self.expired => Some("expired"),
            Join::All if ended().any(|good| !good) => Some("failed"),
            Join::All => self.is_over().then_some("completed"),
            Join::Any if ended().any(|good| good) => Some("completed"),
            Join::Any => self.is_over().then_some("failed"),
        }
    }

    /// Whether the outcome is settled and the branches that are under way must be stopped for it.
    pub(crate) fn must_stop(&self, all: &All) -> bool {
        all.others == Others::Cancel && !self.stops() && self.outcome(all).is_some()
    }
}

impl State {
    fn swap(&mut self, focus: Focus) -> Focus {
        Focus {
            place: std::mem::replace(&mut self.place, focus.place),
            entered: std::mem::replace(&mut self.entered, focus.entered),
            rollout: std::mem::replace(&mut self.rollout, focus.rollout),
            overridden: std::mem::replace(&mut self.overridden, focus.overridden),
        }
    }

    /// Looks at a branch of the `all` that the run is in, and says whether there is one.
    pub(crate) fn go_into(&mut self, branch: &str) -> bool {
        let Place::All(fork) = &mut self.place else { return false };
        let Some((branch, inner)) = fork.branches.remove_entry(branch) else { return false };
        let focus = self.swap(inner);
        self.outside.push(Outside { branch, focus });
        true
    }

    /// Looks at what is outside of the branch again.
    pub(crate) fn go_out(&mut self) {
        let Some(Outside { branch, focus }) = self.outside.pop() else { return };
        let inner = self.swap(focus);
        if let Place::All(fork) = &mut self.place {
            fork.branches.insert(branch, inner);
        }
    }

    /// The branch that is looked at, from the outermost; empty where the run is as a whole.
    fn branch(&self) -> Vec<String> {
        self.outside.iter().map(|one| one.branch.clone()).collect()
    }

    /// Looks at a branch of a branch, and says whether it is there.
    fn go_to(&mut self, path: &[String]) -> bool {
        path.iter().all(|branch| self.go_into(branch))
    }

    fn go_home(&mut self) {
        while !self.outside.is_empty() {
            self.go_out();
        }
    }

    /// The state as it looks through one of the branches.
    pub(crate) fn looking_at(&self, path: &[String]) -> Option<Self> {
        let mut inner = self.clone();
        inner.go_to(path).then_some(inner)
    }

    /// Whether a branch is looked at.
    pub(crate) fn is_in_branch(&self) -> bool {
        !self.outside.is_empty()
    }

    /// Whether the branch that is looked at is to go no further.
    pub(crate) fn is_stopped_from_outside(&self) -> bool {
        let outside = self.outside.iter().map(|one| &one.focus.place);
        let mut forks = outside.filter_map(|place| match place {
            Place::All(fork) => Some(fork),
            _ => None,
        });
        self.is_in_branch() && (self.cancelled || self.expired || forks.any(Fork::stops))
    }

    /// The branches that are under way and have none of their own, each from the outermost, in the
    /// order of their names.
    pub(crate) fn leaves(&self) -> Vec<(Vec<String>, &Focus)> {
        fn below<'s>(place: &'s Place, path: &[String], found: &mut Vec<(Vec<String>, &'s Focus)>) {
            let Place::All(fork) = place else { return };
            for (branch, focus) in &fork.branches {
                let mut path = path.to_vec();
                path.push(branch.clone());
                match &focus.place {
                    Place::All(_) => below(&focus.place, &path, found),
                    Place::Ended { .. } | Place::Stopped { .. } => {}
                    _ => found.push((path, focus)),
                }
            }
        }
        let mut found = Vec::new();
        below(&self.place, &[], &mut found);
        found
    }
}

/// Lets `apply` add an event where the state is that it names, in whichever branch that is.
pub(crate) fn where_it_belongs(
    model: &Model,
    state: &mut State,
    event: &Event,
    apply: impl FnOnce(&mut State) -> Result<(), String>,
) -> Result<(), String> {
    let alone = !state.is_in_branch() && !matches!(state.place, Place::All(_));
    // What was released before may have been in a branch that is over.
    let anew = matches!(event, Event::ApprovalGranted(one) if state.relied.contains_key(&one.hold));
    let path = if alone || anew { None } else { event.place().and_then(|name| model.path(name)) };
    let Some(path) = path else { return apply(state) };
    let there: Vec<String> = path.iter().map(|within| within.branch.clone()).collect();
    let here = state.branch();
    if here == there {
        return apply(state);
    }
    state.go_home();
    let applied = if state.go_to(&there) {
        apply(state)
    } else {
        Err(format!("the branch {} is not under way", there.join("/")))
    };
    state.go_home();
    state.go_to(&here);
    applied
}

impl State {
    /// Whether a state is in the branch that is looked at, or outside of all as the run is.
    pub(crate) fn is_where(&self, model: &Model, name: &str) -> bool {
        let path = model.path(name).unwrap_or_default();
        path.iter().map(|within| &within.branch).eq(&self.branch())
    }
}

/// Adds an event about branches.
pub(crate) fn evolve(
    model: &Model,
    state: &mut State,
    event: &Event,
    meta: &Meta<'_>,
) -> Result<(), String> {
    let stopped = state.is_stopped_from_outside();
    match (&mut state.place, event) {
        (Place::Entered { state: at }, Event::BranchesStarted { state: named, branches })
            if at == named =>
        {
            let all = model.all(named).ok_or_else(|| format!("`{named}` has no branches"))?;
            if !all.branches.keys().eq(branches) {
                return Err(format!("`{named}` has other branches"));
            }
            state.place = Place::All(Fork::new(named, all, meta.time, state.overridden));
            Ok(())
        }
        (Place::All(fork), Event::BranchesStopping { state: named, .. })
            if fork.state == *named && model.all(named).is_some_and(|all| fork.must_stop(all)) =>
        {
            fork.stopping = true;
            Ok(())
        }
        (Place::Entered { state: at }, Event::BranchEnded { state: named, branch, outcome })
            if at == named && is_end_of(model, named, branch, outcome) =>
        {
            state.place = Place::Ended { state: named.clone(), outcome: outcome.clone() };
            Ok(())
        }
        (
            Place::Entered { .. }
            | Place::Blocked { .. }
            | Place::Owing { .. }
            | Place::Hold(_)
            | Place::Activity { .. }
            | Place::Child(_)
            | Place::Resolved { .. },
            Event::BranchStopped { state: named, .. },
        ) if stopped => {
            state.place = Place::Stopped { state: named.clone() };
            Ok(())
        }
        (Place::All(fork), Event::BranchesJoined { state: named, outcome })
            if fork.state == *named && fork.is_over() =>
        {
            // What the run shows is the last rollout that there was.
            let mut rollouts: Vec<_> =
                fork.branches.values().filter_map(|one| one.rollout.clone()).collect();
            if let Some(shown) = rollouts.pop() {
                rollouts.splice(0..0, state.rollout.replace(shown));
            }
            rollouts.iter().for_each(|one| earlier::keep(state, one));
            requalifying::joined(model, state, named);
            resolve(state, named, outcome)
        }
        _ => Err("it is about branches that are not there".to_owned()),
    }
}

/// Whether a state is the end of a branch with this outcome.
fn is_end_of(model: &Model, name: &str, branch: &str, ended: &str) -> bool {
    model.states.get(name).is_some_and(|state| {
        matches!(&state.kind, StateKind::End { outcome } if outcome == ended)
            && state.within.as_ref().is_some_and(|within: &Within| within.branch == branch)
    })
}
