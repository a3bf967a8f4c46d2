//! The clocks of attempts that wait until people let the run go on: they stand still meanwhile.

use jiff::{SignedDuration, Timestamp};

use super::{Progress, Run};
use crate::{effect::Again, id::EffectId, workflow::DynWorkflow};

impl Progress {
    /// Has the clocks go on that have stood still since a time.
    fn go_on(&mut self, since: Timestamp, at: Timestamp) {
        let stood =
            |begun: Timestamp| at.duration_since(begun.max(since)).max(SignedDuration::ZERO);
        let later = |begun: Timestamp| begun.saturating_add(stood(begun)).unwrap_or(begun);
        self.since = self.since.map(later);
        if let Some(queued) = &mut self.queued {
            queued.since = later(queued.since);
        }
        self.stands_since = None;
    }
}

impl Run {
    /// Has the clocks of attempts stand still that wait until the run goes on, and go on where it does:
    /// after every event, at its time.
    pub(super) fn keep_clocks(&mut self, workflow: &dyn DynWorkflow, at: Timestamp) {
        let stands = workflow.stands_still(&self.state);
        if !stands && self.progress.standing() == 0 {
            return;
        }
        let rests = |one: &Progress| !one.running && one.is_begun() || one.stands_since.is_some();
        let resting = self.progress.iter().filter(|(_, progress)| rests(progress));
        let resting: Vec<EffectId> = resting.map(|(effect, _)| effect.clone()).collect();
        for effect in resting {
            let restraint = workflow.restraint(&self.state, &effect).filter(|_| stands);
            let waits = restraint.is_some_and(|one| one.again == Again::Waits);
            let Some(mut progress) = self.progress.get(&effect).cloned() else { continue };
            match progress.stands_since {
                None if waits => progress.stands_since = Some(at),
                Some(since) if !waits => progress.go_on(since, at),
                _ => continue,
            }
            self.progress.set(effect, progress);
        }
    }
}
