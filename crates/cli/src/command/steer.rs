//! `holdpoint pause`, `resume`, `abort`, `promote` and the like: how people steer rollouts, one or
//! many at once.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint::{
    core::{Action, Refusal, RunId, RunView, Steering},
    engine::RunRow,
};
use serde_json::Value;

use crate::{
    arguments::{
        steer::{Rollouts, Steer, Steered},
        which::Filter,
    },
    command::{
        about::{About, OfRollout},
        bulk::{self, Errand, Look, Meant, Part},
        names::Projects,
    },
    context::Context,
    failure::Failure,
};

/// Steers rollouts, one or many.
pub(crate) async fn steer(context: &Context, steer: Steer) -> Result<(), Failure> {
    let Steered { of, steering, target, reason, over } = steer.steered()?;
    let Rollouts { which, state, acting } = of;
    let filter = Filter { whose: which.whose.clone(), state: None };
    let over = if over.is_empty() {
        BTreeSet::new()
    } else {
        let runs = context.with_engine_to_read(async |engine| context.runs(engine, &over).await);
        runs.await?.into_iter().collect()
    };
    let wheel = Wheel { steering, target, reason, state, over, filter };
    bulk::each(context, which, &acting, &wheel).await
}

/// What is wanted of rollouts.
struct Wheel {
    steering: Steering,
    target: Option<String>,
    reason: Option<String>,
    state: Option<String>,
    over: BTreeSet<RunId>,
    filter: Filter,
}

impl Errand for Wheel {
    fn name(&self) -> &'static str {
        self.steering.as_str()
    }

    fn done(&self) -> (&'static str, &'static str) {
        match self.steering {
            Steering::Pause => ("paused", "paused"),
            Steering::Resume => ("resumed", "resumed"),
            Steering::Abort => ("aborted", "aborted"),
            Steering::Rollback => ("rolled back", "rolled back"),
            Steering::Promote => ("promoted", "promoted"),
            Steering::Retry => ("retried", "retried"),
            Steering::Skip => ("skipped a target of", "skipped"),
            Steering::TakeOver => ("took over from", "taken over"),
        }
    }

    fn none(&self) -> &'static str {
        "there is no rollout that this fits"
    }

    fn action(&self, to: &Meant) -> Action {
        Action::Steer {
            steering: self.steering,
            target: self.target.clone(),
            reason: self.reason.clone(),
            state: to.part.clone().or_else(|| self.state.clone()),
            over: self.over.clone(),
        }
    }

    fn check(&self, projects: &Projects, rows: &[RunRow]) -> Result<(), Refusal> {
        projects.filter(&self.filter, rows)?;
        let state = self.state.as_deref();
        state.map_or(Ok(()), |state| projects.rollout(&self.filter.whose, state))
    }

    fn takes(&self, row: &RunRow) -> bool {
        self.filter.takes(row)
    }

    fn fits(&self, view: &RunView) -> Vec<Part> {
        let rollouts = view.rollouts().into_iter();
        let meant = rollouts.filter(|one| {
            self.state.as_ref().is_none_or(|state| one.state == *state)
                && one.takes(self.steering, self.target.as_deref())
        });
        meant.map(|one| Some(one.state.clone())).collect()
    }

    fn look(&self) -> Look {
        let steering = self.steering;
        Arc::new(move |view, events| OfRollout::of(steering, view, events))
    }

    fn read(&self, seen: Value) -> serde_json::Result<About> {
        serde_json::from_value(seen).map(About::Rollout)
    }

    fn part(&self, about: &About) -> Part {
        match about {
            About::Rollout(about) => Some(about.rollout.clone()),
            About::Vote(_) | About::Run(_) => None,
        }
    }

    fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}
