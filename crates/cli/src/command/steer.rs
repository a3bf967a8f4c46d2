//! `holdpoint pause`, `resume`, `abort`, `promote` and the like: how people steer rollouts, one or
//! many at once.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint::{
    core::{Action, Refusal, RunId, RunView, Steering, view::RolloutView},
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
    let Steered { of, steering, targets, failed, reason, over } = steer.steered()?;
    let Rollouts { which, state, acting } = of;
    let filter = Filter { whose: which.whose.clone(), state: None };
    let over = if over.is_empty() {
        BTreeSet::new()
    } else {
        let runs = context.with_engine_to_read(async |engine| context.runs(engine, &over).await);
        runs.await?.into_iter().collect()
    };
    let wheel = Wheel { steering, targets, failed, reason, state, over, filter };
    bulk::each(context, which, &acting, &wheel).await
}

/// What is wanted of rollouts.
struct Wheel {
    steering: Steering,
    targets: Vec<String>,
    /// Whether it is also for all targets that have failed.
    failed: bool,
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
            target: to.part.target.as_ref().or(self.targets.first()).cloned(),
            reason: self.reason.clone(),
            state: to.part.rollout.as_ref().or(self.state.as_ref()).cloned(),
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
        let of = |one: &&RolloutView| self.state.as_ref().is_none_or(|state| one.state == *state);
        let mut parts = Vec::new();
        for rollout in rollouts.filter(of) {
            let takes = |target: &str| rollout.takes(self.steering, Some(target));
            let targets: Vec<&String> = if self.failed {
                let all = rollout.targets.iter().filter(|one| one.state == "failed");
                all.map(|one| &one.target).filter(|target| takes(target)).collect()
            } else {
                self.targets.iter().filter(|target| takes(target)).collect()
            };
            // What rests because of targets that have failed goes on by those.
            let rests = rollout.targets.iter().any(|one| one.state == "stuck");
            let as_a_whole = self.targets.is_empty()
                && rollout.takes(self.steering, None)
                && (!self.failed || rests);
            let each = targets.into_iter().cloned().map(Some);
            let of_each = as_a_whole.then_some(None).into_iter().chain(each);
            let rollout = Some(rollout.state.clone());
            parts.extend(of_each.map(|target| Part { rollout: rollout.clone(), target }));
        }
        parts
    }

    fn named(&self, view: &RunView) -> Option<Vec<Part>> {
        if self.failed {
            return Some(self.fits(view)).filter(|parts| !parts.is_empty());
        }
        let each = self.targets.iter().cloned().map(Some);
        Some(each.map(|target| Part { rollout: self.state.clone(), target }).collect())
    }

    fn looks_at_named(&self) -> bool {
        self.failed || self.targets.len() > 1
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
            About::Rollout(about) => {
                let (rollout, target) = about.part();
                Part { rollout: Some(rollout.to_owned()), target: target.map(str::to_owned) }
            }
            About::Vote(_) | About::Run(_) => Part::default(),
        }
    }

    fn targets(&self) -> &[String] {
        &self.targets
    }
}
