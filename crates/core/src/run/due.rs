//! What a run is owed, and what there is to do about it.

use jiff::Timestamp;

use super::{Child, Run, settling};
use crate::{
    effect::{Activity, Again, ChildRun, Effect, EffectKind, Restraint, SettleCheck},
    id::{EffectId, RunId},
    lockdown::Seen,
    workflow::DynWorkflow,
};

/// An effect that a run is owed, and what there is to do about it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Which effect.
    pub effect: EffectId,
    /// What to do.
    pub step: DueStep,
}

/// What there is to do about an effect.
#[derive(Clone, Debug, PartialEq)]
pub enum DueStep {
    /// Send [`Action::TimerFired`](crate::Action::TimerFired) at this time or as soon after it as possible.
    Fire {
        /// When.
        at: Timestamp,
    },
    /// Send [`Action::TimerFired`](crate::Action::TimerFired) as soon as what was seen is [no longer so](Run::has_changed).
    Watch {
        /// What was seen.
        seen: Seen,
    },
    /// Send [`Action::AttemptStarted`](crate::Action::AttemptStarted), and when that is durable do the work.
    Attempt {
        /// The work.
        activity: Box<Activity>,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// Not before this time; at once when `None`.
        not_before: Option<Timestamp>,
        /// When the time of all attempts together is over, where that is limited and one has begun
        /// before.
        until: Option<Timestamp>,
        /// Since when it is known to wait for its turn.
        queued: Option<Timestamp>,
    },
    /// Start a run under this id unless there is one, and send [`Action::ChildStarted`](crate::Action::ChildStarted) or
    /// [`Action::ChildRefused`](crate::Action::ChildRefused). One that is to be stopped is not started any more.
    Start {
        /// What is to be started.
        child: ChildRun,
        /// Its id.
        run: RunId,
    },
    /// When this run has ended, send [`Action::ChildEnded`](crate::Action::ChildEnded).
    Await {
        /// The run.
        run: RunId,
        /// Whether it is to be stopped, by [`Action::Stop`](crate::Action::Stop).
        stop: bool,
    },
    /// The attempt is under way. When nobody is doing it (the engine was restarted), send
    /// [`Action::AttemptEnded`](crate::Action::AttemptEnded) with [`Outcome::Unknown`](crate::Outcome::Unknown).
    UnderWay {
        /// Which attempt.
        attempt: u32,
    },
    /// Nobody knows how the attempt ended: have the check look, and send
    /// [`Action::AttemptSettled`](crate::Action::AttemptSettled).
    Settle {
        /// The name of the activity that is asked about.
        activity: String,
        /// Who is asked.
        check: Box<SettleCheck>,
        /// Which attempt.
        attempt: u32,
    },
    /// Nobody knows how the attempt ended, and a person must say what became of it
    /// ([`Action::Settle`](crate::Action::Settle)).
    Rest {
        /// The activity's name.
        activity: String,
        /// Which attempt.
        attempt: u32,
    },
}

impl Run {
    /// All that the run is owed, and what there is to do about each.
    #[must_use]
    pub fn due(&self, workflow: &dyn DynWorkflow) -> Vec<Due> {
        let restraints = workflow.restraints(&self.state);
        let pending = workflow.pending(&self.state).into_iter();
        pending.filter_map(|one| self.due_for(one, |id| restraints.get(id).copied())).collect()
    }

    /// What there is to do about one effect: what [`Run::due`] says of it, for less.
    #[must_use]
    pub fn due_of(&self, workflow: &dyn DynWorkflow, effect: &EffectId) -> Option<Due> {
        let owed = workflow.owed(&self.state, effect)?;
        self.due_for(owed, |id| workflow.restraint(&self.state, id))
    }

    /// What there is to do about what the workflow asks for; nothing where that waits until the run goes
    /// on.
    fn due_for(
        &self,
        Effect { id, kind }: Effect,
        restraint: impl FnOnce(&EffectId) -> Option<Restraint>,
    ) -> Option<Due> {
        let step = match kind {
            EffectKind::Timer { due } => DueStep::Fire { at: due },
            EffectKind::Child(child) => match self.children.get(&id) {
                Some(Child { run, .. }) => DueStep::Await { run: *run, stop: child.stop },
                None => DueStep::Start { run: self.id().child(&id), child },
            },
            EffectKind::Watch { seen } => DueStep::Watch { seen },
            EffectKind::Activity(activity) => match self.progress.get(&id) {
                Some(progress) if progress.running => {
                    DueStep::UnderWay { attempt: progress.attempts }
                }
                Some(progress) => progress
                    .unsettled
                    .as_ref()
                    .and_then(|unsettled| settling::step(unsettled, &activity, progress.attempts))
                    .unwrap_or_else(|| DueStep::Attempt {
                        until: progress.until(&activity),
                        activity: Box::new(activity),
                        attempt: progress.attempts.saturating_add(1),
                        not_before: progress.retry_at,
                        queued: progress.queued_since(),
                    }),
                None => DueStep::Attempt {
                    activity: Box::new(activity),
                    attempt: 1,
                    not_before: None,
                    until: None,
                    queued: None,
                },
            },
        };
        let waits = matches!(step, DueStep::Attempt { .. })
            && self.is_begun(&id)
            && restraint(&id).is_some_and(|one| one.again == Again::Waits);
        (!waits).then_some(Due { effect: id, step })
    }
}
