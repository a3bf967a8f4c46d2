//! Deciding what became of an attempt whose end nobody knows.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Due, DueStep, Progress, Run, RunEvent,
    decision::{Decision, PAYLOAD_DEPTH_MAX, is_deeper, too_deep},
    queueing,
};
use crate::{
    effect::{Activity, EffectKind},
    id::{EffectId, MemberId},
    next_step::{NextAsk, NextStep},
    refusal::{Refusal, RefusalCode},
    settlement::{Ruling, Settled, SettledBy, Settlement, Settlers},
    view::UnknownView,
    workflow::{DecideFailure, DynWorkflow, Moment},
};

/// An attempt whose end nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsettled {
    /// What is known of it.
    pub(super) reason: String,
    /// Since when nobody knows.
    pub(super) since: Timestamp,
    /// Whether it is one of the attempts that may fail, unless it was done.
    pub(super) counts: bool,
    /// What the check said that did not know either.
    pub(super) asked: Option<String>,
}

/// What there is to do about an activity of which nobody knows how the last attempt ended; nothing
/// but to try again when `None`.
pub(super) fn step(unsettled: &Unsettled, activity: &Activity, attempt: u32) -> Option<DueStep> {
    match &activity.settling.check {
        Some(check) if unsettled.asked.is_none() => {
            Some(DueStep::Settle { activity: activity.name.clone(), check: check.clone(), attempt })
        }
        _ if activity.settling.repeatable => None,
        _ => Some(DueStep::Rest { activity: activity.name.clone(), attempt }),
    }
}

impl Decision<'_> {
    /// Takes what a check found out.
    pub(super) fn settle(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        settlement: &Settlement,
    ) -> Result<Option<EffectId>, DecideFailure> {
        let activity = self.activity(effect)?;
        let unsettled = self.unsettled(effect, attempt)?;
        match settlement {
            Settlement::Done { output } if is_deeper(output, PAYLOAD_DEPTH_MAX) => {
                let failed = too_deep("output");
                self.settle_as(effect, attempt, Settled::Failed, None, Some(failed), None)
            }
            Settlement::Done { output } => {
                self.settle_as(effect, attempt, Settled::Done, Some(output), None, None)
            }
            Settlement::NotDone { detail } => {
                self.not_done(effect, attempt, Settled::NotDone, detail.as_ref(), &unsettled)
            }
            Settlement::Unknown { detail } if activity.settling.repeatable => {
                self.not_done(effect, attempt, Settled::Unknown, Some(detail), &unsettled)
            }
            Settlement::Unknown { detail } => {
                let detail = Some(detail.clone());
                self.settle_as(effect, attempt, Settled::Unknown, None, detail, None)
            }
        }
    }

    /// Goes on with the next attempt, unless this one was the last that might fail.
    fn not_done(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        settled: Settled,
        detail: Option<&String>,
        unsettled: &Unsettled,
    ) -> Result<Option<EffectId>, DecideFailure> {
        let activity = self.activity(effect)?;
        let progress = self.run.progress.get(effect).cloned().unwrap_or_default();
        let again = if unsettled.counts {
            let failures = progress.failures.saturating_add(1);
            self.again_after(effect, &activity, &progress, failures)
        } else if self.is_last(effect) {
            Some(Err("no other attempt begins".to_owned()))
        } else {
            Some(self.in_time(&activity, &progress, SignedDuration::ZERO))
        };
        match again {
            Some(Ok(at)) => {
                self.settle_as(effect, attempt, settled, None, detail.cloned(), Some(at))
            }
            over => {
                let found = match (settled, detail) {
                    (Settled::NotDone, None) => "it was not done".to_owned(),
                    (Settled::NotDone, Some(detail)) => format!("it was not done: {detail}"),
                    (_, detail) => {
                        let detail = detail.map(String::as_str).unwrap_or_default();
                        format!("nobody knows whether it was done: {detail}")
                    }
                };
                let over = over.and_then(Result::err).map(|over| format!("; {over}"));
                let over = over.unwrap_or_default();
                let detail = Some(format!("{}; {found}{over}", unsettled.reason));
                self.settle_as(effect, attempt, Settled::Failed, None, detail, None)
            }
        }
    }

    /// Takes what a person says.
    pub(super) fn rule(
        &mut self,
        effect: Option<&EffectId>,
        ruling: &Ruling,
        reason: &str,
    ) -> Result<Option<EffectId>, DecideFailure> {
        let Some(id) = self.command.actor.member() else {
            let message = "the engine does not decide for people";
            return Err(Refusal::new(RefusalCode::NotMember, message).into());
        };
        let member = self.at.project.member(id)?;
        let (effect, attempt) = self.meant(effect)?;
        let settlers = self.run.settlers(self.workflow, &effect, self.at);
        settlers.admit(id)?;
        if reason.trim().is_empty() {
            let message = "it takes a reason to say what became of an attempt";
            return Err(Refusal::new(RefusalCode::InvalidInput, message).into());
        }
        self.settled_by = Some(SettledBy {
            member: id.clone(),
            roles: member.roles.clone(),
            qualified: settlers.qualified,
        });
        let reason = Some(reason.to_owned());
        match ruling {
            Ruling::Done { output } => {
                super::check_depth("output", output)?;
                self.settle_as(&effect, attempt, Settled::Done, Some(output), reason, None)
            }
            Ruling::Failed => self.settle_as(&effect, attempt, Settled::Failed, None, reason, None),
            Ruling::Again if self.is_last(&effect) => {
                let message = format!("no other attempt at `{effect}` begins: the run turns back");
                Err(Refusal::new(RefusalCode::NotAwaited, message)
                    .needs("say that it was done, or that it failed")
                    .into())
            }
            Ruling::Again => {
                let now = Some(self.at.now);
                self.settle_as(&effect, attempt, Settled::Again, None, reason, now)
            }
        }
    }

    /// The attempt that is meant, of those whose end nobody knows.
    fn meant(&self, effect: Option<&EffectId>) -> Result<(EffectId, u32), Refusal> {
        let open: Vec<(EffectId, u32)> = self
            .run
            .due(self.workflow)
            .into_iter()
            .filter_map(|Due { effect, step }| match step {
                DueStep::Settle { attempt, .. } | DueStep::Rest { attempt, .. } => {
                    Some((effect, attempt))
                }
                _ => None,
            })
            .collect();
        let names = || {
            let names: Vec<String> = open.iter().map(|(effect, _)| format!("`{effect}`")).collect();
            names.join(", ")
        };
        match (effect, open.as_slice()) {
            (_, []) => Err(Refusal::new(
                RefusalCode::NotUnknown,
                "there is no attempt whose end is unknown",
            )),
            (None, [only]) => Ok(only.clone()),
            (None, _) => Err(Refusal::new(
                RefusalCode::NotUnknown,
                "several attempts have an unknown end, and none was named",
            )
            .needs(format!("name one of them: {}", names()))),
            (Some(wanted), _) => {
                open.iter().find(|(effect, _)| effect == wanted).cloned().ok_or_else(|| {
                    let message = format!("`{wanted}` has no attempt whose end is unknown");
                    Refusal::new(RefusalCode::NotUnknown, message)
                        .needs(format!("name one of those that have: {}", names()))
                })
            }
        }
    }

    fn unsettled(&self, effect: &EffectId, attempt: u32) -> Result<Unsettled, Refusal> {
        let progress = self.run.progress.get(effect).filter(|one| one.attempts == attempt);
        progress.and_then(|progress| progress.unsettled.clone()).ok_or_else(|| {
            Refusal::new(
                RefusalCode::NotAwaited,
                format!("it is not asked how attempt {attempt} at `{effect}` ended"),
            )
        })
    }

    fn settle_as(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        settled: Settled,
        output: Option<&Value>,
        detail: Option<String>,
        retry_at: Option<Timestamp>,
    ) -> Result<Option<EffectId>, DecideFailure> {
        self.record(&RunEvent::AttemptSettled {
            effect: effect.clone(),
            attempt,
            settled,
            output: output.cloned(),
            detail: detail.clone(),
            retry_at,
            by: self.settled_by.clone(),
        })?;
        let effect = effect.clone();
        let action = match settled {
            Settled::Done => {
                let output = output.cloned().unwrap_or(Value::Null);
                crate::Action::Completed { effect: effect.clone(), output }
            }
            Settled::Failed => {
                crate::Action::Failed { effect: effect.clone(), error: detail.unwrap_or_default() }
            }
            Settled::NotDone | Settled::Again | Settled::Unknown => return Ok(None),
        };
        self.tell(action)?;
        Ok(Some(effect))
    }
}

impl Run {
    /// Who may say what became of an attempt at an activity that the run asks for.
    fn settlers(&self, workflow: &dyn DynWorkflow, effect: &EffectId, at: &Moment<'_>) -> Settlers {
        workflow
            .settlers(&self.state, effect, at)
            .unwrap_or_else(|| Settlers::by_default(self.requester(), at.project))
    }

    /// The only one who may say what became of an attempt, where nobody could once they have had it done again: a
    /// definition can exclude those who carry a run out.
    fn last_settler(
        &self,
        workflow: &dyn DynWorkflow,
        effect: &EffectId,
        settlers: &Settlers,
        at: &Moment<'_>,
    ) -> Option<MemberId> {
        let mut able = settlers.able();
        let only = able.next().filter(|_| able.next().is_none())?;
        let mut after = self.clone();
        workflow.settled(&mut after.state, effect, only).ok()?;
        let nobody = after.settlers(workflow, effect, at).able().next().is_none();
        nobody.then(|| only.clone())
    }

    /// Adds how an attempt was settled.
    pub(super) fn settled(
        &mut self,
        effect: &EffectId,
        attempt: u32,
        settled: Settled,
        detail: Option<String>,
        retry_at: Option<Timestamp>,
    ) -> Result<(), String> {
        let mut progress = self
            .progress
            .get(effect)
            .filter(|progress| progress.attempts == attempt && !progress.running)
            .cloned()
            .ok_or_else(|| format!("attempt {attempt} at `{effect}` has no unknown end"))?;
        let unsettled = progress
            .unsettled
            .as_mut()
            .ok_or_else(|| format!("the end of attempt {attempt} at `{effect}` is known"))?;
        match (settled, retry_at) {
            (Settled::Done | Settled::Failed, None) => {
                self.progress.remove(effect);
                return Ok(());
            }
            (Settled::NotDone | Settled::Unknown, Some(at)) => {
                if unsettled.counts {
                    progress.failures = progress.failures.saturating_add(1);
                }
                progress.unsettled = None;
                progress.retry_at = Some(at);
            }
            (Settled::Again, Some(at)) => {
                progress.unsettled = None;
                progress.since = None;
                progress.retry_at = Some(at);
            }
            (Settled::Unknown, None) => unsettled.asked = Some(detail.unwrap_or_default()),
            (settled, _) => return Err(format!("`{settled:?}` does not say what comes next")),
        }
        self.progress.set(effect.clone(), progress);
        Ok(())
    }

    /// Whether the run waits for nothing but people who say what became of attempts.
    pub(super) fn rests(&self, workflow: &dyn DynWorkflow) -> bool {
        // What is under way is asked for.
        if self.progress.unsettled() == 0 || self.progress.running() > 0 {
            return false;
        }
        let mut rests = false;
        for due in self.due(workflow) {
            match due.step {
                DueStep::Rest { .. } => rests = true,
                DueStep::Fire { .. } | DueStep::Watch { .. } => {}
                DueStep::Attempt { .. }
                | DueStep::UnderWay { .. }
                | DueStep::Settle { .. }
                | DueStep::Start { .. }
                | DueStep::Await { .. } => return false,
            }
        }
        rests
    }

    /// What the run looks like to a person now.
    #[must_use]
    pub fn view(&self, workflow: &dyn DynWorkflow, at: &Moment<'_>) -> crate::RunView {
        let mut view = workflow.view(&self.state, at);
        view.status = self.status_now(workflow, view.status);
        let is_told = |one: &Progress| one.unsettled.is_some() || one.queued.is_some();
        if view.status.is_ended() || !self.progress.values().any(is_told) {
            return view;
        }
        let pending = workflow.pending(&self.state).into_iter();
        let activities: Vec<(EffectId, Activity)> = pending
            .filter_map(|effect| match effect.kind {
                EffectKind::Activity(activity) => Some((effect.id, activity)),
                EffectKind::Timer { .. } | EffectKind::Watch { .. } | EffectKind::Child(_) => None,
            })
            .collect();
        for (effect, activity) in activities {
            let Some(progress) = self.progress.get(&effect) else { continue };
            view.queued.extend(queueing::view(&effect, &activity, progress));
            let Some(unsettled) = &progress.unsettled else { continue };
            let asks = match step(unsettled, &activity, progress.attempts) {
                Some(DueStep::Settle { check, .. }) => Some(check.name),
                Some(_) => None,
                None => continue,
            };
            let settlers = self.settlers(workflow, &effect, at);
            let last = self.last_settler(workflow, &effect, &settlers, at);
            view.unknown.push(UnknownView {
                last,
                whom: settlers.whom,
                candidates: settlers.candidates,
                effect,
                activity: activity.name,
                attempt: progress.attempts,
                since: unsettled.since,
                reason: unsettled.reason.clone(),
                asks,
                found: unsettled.asked.clone(),
            });
        }
        let rest = view.unknown.iter().filter(|one| one.asks.is_none());
        let steps: Vec<NextStep> = rest
            .take(5)
            .map(|one| {
                let (effect, whom) = (one.effect.clone(), &one.whom);
                if one.candidates.iter().all(|candidate| candidate.lacks.is_some()) {
                    return NextStep::told(format!(
                        "nobody in the project can say now what became of `{effect}`: it takes {whom}"
                    ));
                }
                let last = one.last.as_ref().map(|last| {
                    format!(
                        " (`{last}` is the last who can: after `again` nobody could say it of the next attempt, unless \
                         somebody else becomes one who can)"
                    )
                });
                let text = format!(
                    "as {whom}, say what became of `{effect}`: it was done, it failed, or do it again{}",
                    last.unwrap_or_default()
                );
                NextStep::ask(text, NextAsk::Settle { effect })
            })
            .collect();
        view.next_steps.splice(0..0, steps);
        view
    }
}
