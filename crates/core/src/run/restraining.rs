//! What is asked for and may not begin: work that was not begun is taken back, and what has failed is
//! not tried again, or not yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, DueStep, Progress, Run, RunEvent, broken, settling};
use crate::{
    command::Action,
    effect::{Activity, Again, Restraint},
    id::EffectId,
    refusal::{Refusal, RefusalCode},
    workflow::{DecideFailure, DynWorkflow},
};

impl Progress {
    /// Whether an attempt was begun.
    pub(super) const fn is_begun(&self) -> bool {
        self.attempts > 0
    }

    /// Whether another attempt would be next.
    fn ends_in_another(&self, activity: impl FnOnce() -> Option<Activity>) -> bool {
        match &self.unsettled {
            _ if self.running || !self.is_begun() => false,
            None => true,
            Some(unsettled) => activity().is_some_and(|activity| {
                settling::step(unsettled, &activity, self.attempts).is_none()
            }),
        }
    }
}

impl Run {
    /// The ids of all that the workflow asks for, whether there is something to do about it now or not.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn asked(&self, workflow: &dyn DynWorkflow) -> BTreeSet<EffectId> {
        workflow.asks(&self.state)
    }

    /// Whether there was an attempt at an activity.
    pub(super) fn is_begun(&self, effect: &EffectId) -> bool {
        self.progress.get(effect).is_some_and(Progress::is_begun)
    }

    /// The work that the workflow asks for and of which nothing has begun.
    pub(super) fn unbegun(&self, workflow: &dyn DynWorkflow) -> BTreeSet<EffectId> {
        let begun = |effect: &EffectId| self.is_begun(effect) || self.children.contains_key(effect);
        workflow.unbegun(&self.state, &begun)
    }

    /// Those of `restraints` that are asked for only if they were begun, and were not.
    fn not_begun(&self, restraints: &BTreeMap<EffectId, Restraint>) -> BTreeSet<EffectId> {
        let restrained = restraints.iter().filter(|(_, restraint)| restraint.if_begun);
        let effects = restrained.map(|(effect, _)| effect);
        effects.filter(|effect| !self.is_begun(effect)).cloned().collect()
    }

    /// Whether it is at work on nothing but what is tried again when it goes on.
    pub(super) fn waits_to_go_on(&self, workflow: &dyn DynWorkflow) -> bool {
        // What is under way is more than that, and is asked for.
        if self.progress.running() > 0 {
            return false;
        }
        let restraints = workflow.restraints(&self.state);
        let waits = |(effect, one): (&EffectId, &Restraint)| {
            one.again == Again::Waits && self.is_begun(effect)
        };
        restraints.iter().any(waits)
            && self
                .due(workflow)
                .iter()
                .all(|due| matches!(due.step, DueStep::Fire { .. } | DueStep::Watch { .. }))
    }

    /// Whether nothing is asked for that must have been begun and was not.
    #[cfg(feature = "test-util")]
    pub(super) fn keeps_to_restraints(&self, workflow: &dyn DynWorkflow) -> bool {
        let restraints = workflow.restraints(&self.state);
        let asked = workflow.asks(&self.state);
        self.not_begun(&restraints).is_empty() && restraints.keys().all(|one| asked.contains(one))
    }
}

impl Decision<'_> {
    /// The restraints of what may have come under one by the decision, or those of `all` that is asked for.
    fn restraints(&self, all: bool) -> BTreeMap<EffectId, Restraint> {
        let changed = self.changed().filter(|_| !all);
        let Some(changed) = changed else { return self.workflow.restraints(&self.run.state) };
        let of = |effect| self.restraint(&effect).map(|restraint| (effect, restraint));
        changed.into_iter().filter_map(of).collect()
    }

    fn restraint(&self, effect: &EffectId) -> Option<Restraint> {
        self.workflow.restraint(&self.run.state, effect)
    }

    /// Whether nothing follows another attempt at an activity than its failure.
    pub(super) fn is_last(&self, effect: &EffectId) -> bool {
        self.restraint(effect).is_some_and(|one| one.again == Again::Never)
    }

    /// Whether an attempt may not begin, and what it was for is to be ended instead.
    ///
    /// # Errors
    /// A refusal when it may begin later.
    pub(super) fn is_over(&self, effect: &EffectId) -> Result<bool, Refusal> {
        let Some(restraint) = self.restraint(effect) else { return Ok(false) };
        match (self.run.is_begun(effect), restraint.again) {
            (false, _) => Ok(restraint.if_begun),
            (true, Again::Begins) => Ok(false),
            (true, Again::Never) => Ok(true),
            (true, Again::Waits) => Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("another attempt at `{effect}` waits until the run goes on"),
            )),
        }
    }

    /// Has the workflow say whether work may begin now of which nothing has, and answers with whether it
    /// does not.
    pub(super) fn hold_back(&mut self, effect: &EffectId) -> Result<bool, DecideFailure> {
        let effects = self.run.unbegun(self.workflow);
        if !effects.contains(effect) {
            return Ok(false);
        }
        let waits: BTreeMap<EffectId, u32> = effects
            .iter()
            .filter_map(|one| Some((one.clone(), self.run.progress.get(one)?.attempts)))
            .collect();
        if !self.asks_whether_to_begin(effects)? {
            return Ok(false);
        }
        let asked = self.workflow.asks(&self.run.state);
        for (effect, attempts) in waits.into_iter().filter(|(effect, _)| !asked.contains(effect)) {
            // What waits for its turn waits no more.
            self.record(&RunEvent::AttemptNotBegun {
                effect,
                attempt: attempts.saturating_add(1),
                error: "it may not begin now".to_owned(),
            })?;
        }
        Ok(true)
    }

    /// Takes back what is asked for only if it was begun, and ends what would be tried again and may
    /// not: of what the decision has changed, as for the rest that was done before, or of `all`.
    pub(super) fn restrain(&mut self, all: bool) -> Result<(), DecideFailure> {
        loop {
            let restraints = self.restraints(all);
            if restraints.is_empty() {
                return Ok(());
            }
            if let Some(effect) = restraints.keys().find(|effect| !self.asks_for(effect)) {
                let reason = format!("the workflow restrains `{effect}` and does not ask for it");
                return Err(broken("restraints", reason).into());
            }
            let effects = self.run.not_begun(&restraints);
            if !effects.is_empty() {
                self.take_back(effects)?;
                continue;
            }
            let never = restraints.iter().filter(|(_, one)| one.again == Again::Never);
            let over = never.map(|(effect, _)| effect.clone()).filter(|effect| {
                let progress = self.run.progress.get(effect);
                progress.is_some_and(|one| one.ends_in_another(|| self.activity(effect).ok()))
            });
            let over: Vec<EffectId> = over.collect();
            if over.is_empty() {
                return Ok(());
            }
            for effect in over {
                // What was told of another may have ended it.
                if self.asks_for(&effect) {
                    self.end_untried(effect)?;
                }
            }
        }
    }

    fn take_back(&mut self, effects: BTreeSet<EffectId>) -> Result<(), DecideFailure> {
        for effect in &effects {
            // What waits for its turn waits no more.
            if self.run.progress.get(effect).is_some() {
                self.record(&RunEvent::AttemptNotBegun {
                    effect: effect.clone(),
                    attempt: 1,
                    error: "it is not asked for any more".to_owned(),
                })?;
            }
        }
        self.tell(Action::NotBegun { effects: effects.clone() })?;
        match effects.iter().find(|effect| self.asks_for(effect)) {
            None => Ok(()),
            Some(effect) => {
                let reason =
                    format!("the workflow still asks for `{effect}` after it was taken back");
                Err(broken("pending", reason).into())
            }
        }
    }

    /// Ends an activity whose last attempt failed, or has an unknown end, without another.
    fn end_untried(&mut self, effect: EffectId) -> Result<(), DecideFailure> {
        let progress = self.run.progress.get(&effect).cloned().unwrap_or_default();
        let last = progress.attempts;
        let error = match &progress.unsettled {
            None => format!("attempt {last} failed, and no other begins"),
            Some(one) => format!(
                "nobody knows how attempt {last} ended, and no other begins: {}",
                one.reason
            ),
        };
        self.record(&RunEvent::AttemptNotBegun {
            effect: effect.clone(),
            attempt: last.saturating_add(1),
            error: error.clone(),
        })?;
        self.tell(Action::Failed { effect: effect.clone(), error })?;
        if self.asks_for(&effect) {
            let reason =
                format!("the workflow still asks for `{effect}` after it was told its end");
            return Err(broken("pending", reason).into());
        }
        Ok(())
    }
}
