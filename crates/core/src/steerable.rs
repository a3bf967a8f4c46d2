//! Which commands have something to do at a rollout, whoever sends them: what is chosen where nobody
//! has named a run.

use crate::{
    command::Steering,
    view::{RolloutView, TargetView},
};

impl RolloutView {
    /// Whether a command has something to do here, at one target where one is named. It may be refused
    /// nevertheless: to somebody who may not steer the rollout, during a pause, or because what is done
    /// at the target has not come to its end. What it would not be refused is here.
    #[must_use]
    pub fn takes(&self, steering: Steering, target: Option<&str>) -> bool {
        let of_targets = [Steering::Promote, Steering::Retry, Steering::Skip, Steering::TakeOver];
        let Some(name) = target.filter(|_| of_targets.contains(&steering)) else {
            return self.steerable.contains(&steering);
        };
        let found = self.targets.iter().find(|one| one.target == name);
        found.is_some_and(|target| self.takes_at(steering, target))
    }

    fn takes_at(&self, steering: Steering, target: &TargetView) -> bool {
        let forward = self.steerable.contains(&Steering::Abort);
        match steering {
            Steering::Promote => target.state == "stuck",
            Steering::Retry => target.state == "stuck" || (forward && target.state == "failed"),
            Steering::Skip | Steering::TakeOver => {
                let settled = ["healthy", "skipped", "taken_over", "restored"];
                target.state == "stuck" || (forward && !settled.contains(&target.state))
            }
            Steering::Pause | Steering::Resume | Steering::Abort | Steering::Rollback => false,
        }
    }
}
