//! Attempts that wait for their turn, because no more of their kind may be under way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Progress, Run, RunEvent, decision::Decision};
use crate::{
    command::Action,
    effect::Activity,
    id::EffectId,
    refusal::{Refusal, RefusalCode},
    view::QueuedView,
    workflow::DecideFailure,
};

/// An attempt that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) attempt: u32,
    /// Since when.
    pub(super) since: Timestamp,
    /// For what, in words.
    pub(super) waits_for: String,
    /// How many waited for it then.
    pub(super) before: u32,
}

impl Progress {
    /// Since when the next attempt waits for its turn, if it does.
    pub(super) fn queued_since(&self) -> Option<Timestamp> {
        self.queued.as_ref().map(|queued| queued.since)
    }
}

impl Progress {
    /// Why the next attempt may not begin any more, if it may not.
    fn too_late(&self, activity: &Activity, now: Timestamp) -> Option<String> {
        if self.until(activity).is_some_and(|until| until <= now) {
            let whole = activity.limits.whole.unwrap_or_default();
            return Some(format!("it did not begin in time: all attempts together have {whole:#}"));
        }
        let (queued, start) = (self.queued.as_ref()?, activity.limits.start?);
        let until = queued.since.saturating_add(start).ok()?;
        let waits_for = &queued.waits_for;
        (until <= now)
            .then(|| format!("it did not begin within {start:#}, waiting for {waits_for}"))
    }
}

impl Decision<'_> {
    /// Records that an attempt waits.
    pub(super) fn queue(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        waits_for: &str,
        before: u32,
    ) -> Result<(), DecideFailure> {
        self.next_attempt(effect, attempt)?;
        if self.run.progress.get(effect).is_some_and(|progress| progress.queued.is_some()) {
            let message = format!("attempt {attempt} at `{effect}` waits already");
            return Err(Refusal::new(RefusalCode::NotAwaited, message).into());
        }
        self.record(&RunEvent::AttemptQueued {
            effect: effect.clone(),
            attempt,
            waits_for: waits_for.to_owned(),
            before,
        })
    }

    /// Gives up an attempt whose turn did not come in time.
    pub(super) fn not_begun(
        &mut self,
        effect: &EffectId,
        attempt: u32,
    ) -> Result<EffectId, DecideFailure> {
        let activity = self.next_attempt(effect, attempt)?;
        let progress = self.run.progress.get(effect).cloned().unwrap_or_default();
        let Some(error) = progress.too_late(&activity, self.at.now) else {
            let message = format!("attempt {attempt} at `{effect}` may still begin");
            return Err(Refusal::new(RefusalCode::NotAwaited, message).into());
        };
        let effect = effect.clone();
        self.record(&RunEvent::AttemptNotBegun {
            effect: effect.clone(),
            attempt,
            error: error.clone(),
        })?;
        self.tell(Action::Failed { effect: effect.clone(), error })?;
        Ok(effect)
    }
}

impl Run {
    /// Adds that an attempt waits.
    pub(super) fn attempt_queued(
        &mut self,
        effect: EffectId,
        queued: Queued,
    ) -> Result<(), String> {
        let mut progress = self.progress.get(&effect).cloned().unwrap_or_default();
        let next = progress.attempts.saturating_add(1);
        if progress.running || progress.queued.is_some() || queued.attempt != next {
            return Err(format!("attempt {} does not begin to wait", queued.attempt));
        }
        progress.queued = Some(queued);
        self.progress.set(effect, progress);
        Ok(())
    }

    /// Adds that an attempt was given up that waited.
    pub(super) fn attempt_not_begun(
        &mut self,
        effect: &EffectId,
        attempt: u32,
    ) -> Result<(), String> {
        let is_next = |one: &Progress| !one.running && one.attempts.saturating_add(1) == attempt;
        if !self.progress.get(effect).is_some_and(is_next) {
            return Err(format!("attempt {attempt} at `{effect}` is not to begin"));
        }
        self.progress.remove(effect);
        Ok(())
    }
}

/// What a person is told of an attempt that waits.
pub(super) fn view(
    effect: &EffectId,
    activity: &Activity,
    progress: &Progress,
) -> Option<QueuedView> {
    let queued = progress.queued.as_ref().filter(|_| !progress.running)?;
    Some(QueuedView {
        effect: effect.clone(),
        activity: activity.name.clone(),
        attempt: queued.attempt,
        since: queued.since,
        waits_for: queued.waits_for.clone(),
        before: queued.before,
    })
}
