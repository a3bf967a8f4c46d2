//! Deciding a command about a run: each event is taken by a copy of the run at once, so that what
//! follows is decided in the state that it leaves.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Decided, Progress, Run, RunEvent, broken, new_event, settling};
use crate::{
    command::{Action, Command, Outcome},
    effect::{Activity, EffectKind, Settling},
    event::{NewEvent, Version},
    id::{Digest, EffectId, RunId},
    refusal::{Refusal, RefusalCode},
    settlement::SettledBy,
    workflow::{DecideFailure, DynWorkflow, Meta, Moment},
};

/// How deep an input, a signal's data or an activity's output may be nested. JSON is read to 128
/// levels, and what holds the payload in an event or a snapshot takes some of them: deeper ones
/// could be written but not read again.
pub(super) const PAYLOAD_DEPTH_MAX: usize = 100;

/// A command being decided, on a copy of the run that takes each event at once.
pub(super) struct Decision<'a> {
    pub(super) run: Run,
    pub(super) workflow: &'a dyn DynWorkflow,
    pub(super) command: &'a Command,
    pub(super) at: &'a Moment<'a>,
    /// The run as it was.
    before: &'a Run,
    events: Vec<NewEvent>,
    /// The activities whose attempts have come further.
    touched: BTreeSet<EffectId>,
    /// Whether the workflow has decided something, so that it may ask for something else than before.
    told: bool,
    /// The person who says what became of an attempt, where one does.
    pub(super) settled_by: Option<SettledBy>,
}

impl<'a> Decision<'a> {
    pub(super) fn new(
        run: &'a Run,
        workflow: &'a dyn DynWorkflow,
        command: &'a Command,
        at: &'a Moment<'a>,
    ) -> Self {
        Self {
            run: run.clone(),
            workflow,
            command,
            at,
            before: run,
            events: Vec::new(),
            touched: BTreeSet::new(),
            told: false,
            settled_by: None,
        }
    }

    pub(super) fn record(&mut self, event: &RunEvent) -> Result<(), DecideFailure> {
        self.touched.extend(event.effect().cloned());
        let event = new_event(event)?;
        let meta = Meta { time: self.at.now, actor: &self.command.actor };
        self.run.apply(self.workflow, &event.kind, &event.data, &meta)?;
        self.run.keep_clocks(self.workflow, self.at.now);
        self.events.push(event);
        Ok(())
    }

    /// Whether the workflow asks for an effect, after what is decided.
    pub(super) fn asks_for(&self, effect: &EffectId) -> bool {
        self.workflow.owed(&self.run.state, effect).is_some()
    }

    /// The effects of which anything may be otherwise after what is decided; `None` where it may be any.
    pub(super) fn changed(&self) -> Option<BTreeSet<EffectId>> {
        let mut changed = self.run.changed_since(self.workflow, self.before)?;
        changed.extend(self.touched.iter().cloned());
        Some(changed)
    }

    /// Has the workflow decide a command.
    pub(super) fn pass_on(&mut self, command: &Command) -> Result<(), DecideFailure> {
        self.told = true;
        let decided = self.workflow.decide(&mut self.run.state, command, self.at)?;
        self.run.keep_clocks(self.workflow, self.at.now);
        self.events.extend(decided);
        Ok(())
    }

    /// Asks the workflow whether work may begin now, and says whether it has decided something instead.
    pub(super) fn asks_whether_to_begin(
        &mut self,
        effects: BTreeSet<EffectId>,
    ) -> Result<bool, DecideFailure> {
        let (before, told) = (self.events.len(), self.told);
        self.tell(Action::NotBegun { effects })?;
        let decided = self.events.len() > before;
        self.told = told || decided;
        Ok(decided)
    }

    /// Has the workflow decide what the command is to it.
    pub(super) fn tell(&mut self, action: Action) -> Result<(), DecideFailure> {
        self.pass_on(&Command { action, ..self.command.clone() })
    }

    fn wanted(&self, effect: &EffectId) -> Result<EffectKind, Refusal> {
        let owed = self.workflow.owed(&self.run.state, effect);
        owed.map(|owed| owed.kind).ok_or_else(|| {
            Refusal::new(
                RefusalCode::NotAwaited,
                format!("the run does not ask for `{effect}` now"),
            )
        })
    }

    pub(super) fn fire(&mut self, effect: &EffectId) -> Result<EffectId, DecideFailure> {
        let due = match self.wanted(effect)? {
            EffectKind::Timer { due } => due,
            EffectKind::Watch { seen }
                if self.run.has_changed(self.workflow, effect, &seen, self.at) =>
            {
                self.tell(Action::TimerFired { effect: effect.clone() })?;
                return Ok(effect.clone());
            }
            EffectKind::Watch { .. } => {
                let message = format!("what `{effect}` is about is as it was");
                return Err(Refusal::new(RefusalCode::NotAwaited, message).into());
            }
            EffectKind::Activity(_) | EffectKind::Child(_) => {
                let message = format!("`{effect}` is not a timer");
                return Err(Refusal::new(RefusalCode::NotAwaited, message).into());
            }
        };
        if self.at.now < due {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("the timer `{effect}` is not due before {due}"),
            )
            .into());
        }
        self.record(&RunEvent::TimerFired { effect: effect.clone(), due })?;
        self.tell(Action::TimerFired { effect: effect.clone() })?;
        Ok(effect.clone())
    }

    /// Gives the run the locks that it waits for.
    pub(super) fn take_locks(&mut self, effect: &EffectId) -> Result<(), DecideFailure> {
        let before = self.workflow.claims(&self.run.state).wanted;
        let Some(wanted) = before.filter(|wanted| wanted.effect == *effect) else {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("the run does not wait for the locks of `{effect}` now"),
            )
            .into());
        };
        self.pass_on(self.command)?;
        if self.workflow.claims(&self.run.state).wanted == Some(wanted) {
            let reason = format!("the workflow still waits for the locks of `{effect}`");
            return Err(broken("claims", reason).into());
        }
        Ok(())
    }

    /// Tells the run which runs it is in conflict with, if it is as it was when that was looked for.
    pub(super) fn look(&mut self, effect: &EffectId, at: Version) -> Result<(), DecideFailure> {
        let asks = self.workflow.claims(&self.run.state).looks.is_some_and(|asks| asks == *effect);
        if !asks || self.run.at().version != at {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("the run is not as it was when it was looked for `{effect}`"),
            )
            .into());
        }
        self.pass_on(self.command)
    }

    pub(super) fn activity(&self, effect: &EffectId) -> Result<Activity, Refusal> {
        match self.wanted(effect)? {
            EffectKind::Activity(activity) => Ok(activity),
            EffectKind::Timer { .. } | EffectKind::Watch { .. } | EffectKind::Child(_) => {
                Err(Refusal::new(RefusalCode::NotAwaited, format!("`{effect}` is not an activity")))
            }
        }
    }

    /// Refuses what is not about a run that is asked for and of which so much is known.
    fn child(&self, effect: &EffectId, started: Option<RunId>) -> Result<(), Refusal> {
        let EffectKind::Child(_) = self.wanted(effect)? else {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("`{effect}` does not ask for a run"),
            ));
        };
        if self.run.children.get(effect).map(|child| child.run) == started {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalCode::NotAwaited,
            match started {
                Some(run) => format!("the run {run} was not started for `{effect}`"),
                None => format!("a run was started for `{effect}` before"),
            },
        ))
    }

    pub(super) fn child_started(
        &mut self,
        effect: &EffectId,
        run: RunId,
    ) -> Result<(), DecideFailure> {
        self.child(effect, None)?;
        self.record(&RunEvent::ChildStarted { effect: effect.clone(), run })
    }

    pub(super) fn child_refused(
        &mut self,
        effect: &EffectId,
        error: &str,
    ) -> Result<EffectId, DecideFailure> {
        self.child(effect, None)?;
        let (effect, error) = (effect.clone(), error.to_owned());
        self.record(&RunEvent::ChildRefused { effect: effect.clone(), error: error.clone() })?;
        self.tell(Action::Failed { effect: effect.clone(), error })?;
        Ok(effect)
    }

    pub(super) fn child_ended(
        &mut self,
        effect: &EffectId,
        run: RunId,
        outcome: &str,
    ) -> Result<EffectId, DecideFailure> {
        self.child(effect, Some(run))?;
        let (effect, outcome) = (effect.clone(), outcome.to_owned());
        let output = json!({ "run": run, "outcome": outcome });
        self.record(&RunEvent::ChildEnded { effect: effect.clone(), run, outcome })?;
        self.tell(Action::Completed { effect: effect.clone(), output })?;
        Ok(effect)
    }

    /// The activity whose next attempt this is, if nothing else is to be done about it first.
    pub(super) fn next_attempt(
        &self,
        effect: &EffectId,
        attempt: u32,
    ) -> Result<Activity, Refusal> {
        let activity = self.activity(effect)?;
        let progress = self.run.progress.get(effect).cloned().unwrap_or_default();
        let settles = progress.unsettled.as_ref().is_some_and(|unsettled| {
            settling::step(unsettled, &activity, progress.attempts).is_some()
        });
        if settles || progress.running || attempt != progress.attempts.saturating_add(1) {
            return Err(Refusal::new(
                RefusalCode::NotAwaited,
                format!("attempt {attempt} at `{effect}` is not the next"),
            ));
        }
        Ok(activity)
    }

    pub(super) fn start_attempt(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        configured: Option<Digest>,
    ) -> Result<(), DecideFailure> {
        let activity = self.next_attempt(effect, attempt)?;
        if self.is_over(effect)? {
            // It was asked for by an earlier version, which would have begun it.
            return self.restrain(true);
        }
        if self.hold_back(effect)? {
            return Ok(());
        }
        self.record(&RunEvent::AttemptStarted {
            effect: effect.clone(),
            activity: activity.name,
            attempt,
            configured,
        })
    }

    pub(super) fn end_attempt(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        outcome: &Outcome,
    ) -> Result<Option<EffectId>, DecideFailure> {
        let activity = self.activity(effect)?;
        let progress = self.run.running(effect, attempt).cloned().map_err(|reason| {
            DecideFailure::Refused(Refusal::new(RefusalCode::NotAwaited, reason))
        })?;
        let effect = effect.clone();
        let other;
        let outcome = match outcome {
            Outcome::Unanswered { error } if activity.settling == Settling::default() => {
                other = Outcome::Failed { error: error.clone(), retryable: true };
                &other
            }
            Outcome::Completed(output) if is_deeper(output, PAYLOAD_DEPTH_MAX) => {
                other = Outcome::Failed { error: too_deep("output"), retryable: false };
                &other
            }
            Outcome::Unknown { reason }
                if activity.settling == Settling::default()
                    && progress.until(&activity).is_some_and(|until| until <= self.at.now) =>
            {
                other = Outcome::Failed { error: reason.clone(), retryable: true };
                &other
            }
            outcome => outcome,
        };
        match outcome {
            Outcome::Completed(output) => {
                self.record(&RunEvent::AttemptCompleted {
                    effect: effect.clone(),
                    attempt,
                    output: output.clone(),
                })?;
                let output = output.clone();
                self.tell(Action::Completed { effect: effect.clone(), output })?;
                Ok(Some(effect))
            }
            Outcome::Failed { error, retryable } => {
                let failures = progress.failures.saturating_add(1);
                let again = self.again_after(&effect, &activity, &progress, failures);
                let (retry_at, error) = match again.filter(|_| *retryable) {
                    None => (None, error.clone()),
                    Some(Ok(at)) => (Some(at), error.clone()),
                    Some(Err(over)) => (None, format!("{error}; {over}")),
                };
                self.record(&RunEvent::AttemptFailed {
                    effect: effect.clone(),
                    attempt,
                    error: error.clone(),
                    retry_at,
                })?;
                if retry_at.is_some() {
                    return Ok(None);
                }
                self.tell(Action::Failed { effect: effect.clone(), error })?;
                Ok(Some(effect))
            }
            Outcome::Unknown { reason } => {
                let (reason, counts) = (reason.clone(), false);
                self.record(&RunEvent::AttemptUnknown { effect, attempt, reason, counts })?;
                self.restrain(false)?;
                Ok(None)
            }
            Outcome::Unanswered { error } => {
                let (reason, counts) = (error.clone(), true);
                self.record(&RunEvent::AttemptUnknown { effect, attempt, reason, counts })?;
                self.restrain(false)?;
                Ok(None)
            }
        }
    }

    /// When the next attempt is due after so many failures, if one may follow; `Err` says that there
    /// is no time for it.
    pub(super) fn again_after(
        &self,
        effect: &EffectId,
        activity: &Activity,
        progress: &Progress,
        failures: u32,
    ) -> Option<Result<Timestamp, String>> {
        let of = format!("{}/{effect}/{}", self.run.id(), progress.attempts);
        let delay = activity.retry.jittered_after(failures, &of)?;
        if self.is_last(effect) {
            return Some(Err("no other attempt begins".to_owned()));
        }
        Some(self.in_time(activity, progress, delay))
    }

    /// When it is `delay` from now, unless all attempts together have no time left then.
    pub(super) fn in_time(
        &self,
        activity: &Activity,
        progress: &Progress,
        delay: SignedDuration,
    ) -> Result<Timestamp, String> {
        let at = self.at.now.saturating_add(delay).unwrap_or(Timestamp::MAX);
        match (progress.until(activity), activity.limits.whole) {
            (Some(until), Some(whole)) if until <= at => {
                Err(format!("there is no time for another attempt: all together have {whole:#}"))
            }
            _ => Ok(at),
        }
    }

    /// Ends the decision: `answered` names the effect that the workflow was just told the end of
    /// and so must not ask for again, or the engine would do it for ever.
    pub(super) fn finish(mut self, answered: Option<&EffectId>) -> Result<Decided, DecideFailure> {
        if self.told {
            self.restrain(false)?;
        }
        if let Some(effect) = answered
            && self.told
            && self.asks_for(effect)
        {
            return Err(broken(
                "pending",
                format!("the workflow still asks for `{effect}` after it was told its end"),
            )
            .into());
        }
        for (effect, attempt) in self.abandoned() {
            self.record(&RunEvent::AttemptAbandoned { effect, attempt })?;
        }
        let Self { mut run, events, .. } = self;
        if !events.is_empty() {
            run.at.version = run.at.version.plus(events.len() as u64);
            run.updated = self.at.now;
        }
        Ok(Decided { events, run })
    }
}

impl Decision<'_> {
    /// The attempts that are under way and were for what the workflow asks for no more.
    fn abandoned(&self) -> Vec<(EffectId, u32)> {
        if !self.told {
            return Vec::new();
        }
        let running = |effect: EffectId| {
            let progress = self.run.progress.get(&effect).filter(|one| one.running)?;
            Some((effect, progress.attempts))
        };
        match self.changed() {
            Some(changed) => {
                let lost = changed.into_iter().filter(|effect| !self.asks_for(effect));
                lost.filter_map(running).collect()
            }
            None => {
                // It is asked in any case: a workflow that cannot say it is found out before anything is kept.
                let asked = self.workflow.asks(&self.run.state);
                let effects = self.run.progress.iter().map(|(effect, _)| effect);
                let lost = effects.filter(|effect| !asked.contains(*effect));
                lost.cloned().filter_map(running).collect()
            }
        }
    }
}

/// Whether arrays and objects are nested in each other more than `levels` deep.
pub(super) fn is_deeper(value: &Value, levels: usize) -> bool {
    let inside = |value: &Value| levels == 0 || is_deeper(value, levels.saturating_sub(1));
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(inside),
        Value::Object(members) => levels == 0 || members.values().any(inside),
        _ => false,
    }
}

/// Refuses a payload that is nested too deeply to be kept.
pub(super) fn check_depth(what: &str, payload: &Value) -> Result<(), Refusal> {
    if !is_deeper(payload, PAYLOAD_DEPTH_MAX) {
        return Ok(());
    }
    Err(Refusal::new(RefusalCode::InvalidInput, too_deep(what)))
}

pub(super) fn too_deep(what: &str) -> String {
    format!("the {what} is nested deeper than {PAYLOAD_DEPTH_MAX} levels")
}
