//! What the runs of a shard are owed: timers and attempts, begun and ended.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use holdpoint_core::{Action, Activity, EffectId, Moment, Outcome, ProjectId, RunId, run::DueStep};
use jiff::Timestamp;

use super::{Shard, turns::turn};
use crate::{
    activity::{Attempt, Life},
    attempting::{AttemptEnd, perform, settle},
    builder::Effects,
    conflict_desk::ConflictNews,
    deciding::own_command,
    limit_desk::Permit,
    limits::Ticket,
    locks::LockNews,
    owed::{Owed, Survey},
    slot::{Phase, Slot, Step, Waiting},
};

impl Shard {
    /// Sees to what the run's state is owed now.
    pub(super) fn settle(&mut self, run: RunId) {
        self.settle_at(run, self.clock.now());
    }

    pub(super) fn settle_at(&mut self, run: RunId, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let survey = slot.live.as_ref().map(|live| live.survey(None));
        if let Some(survey) = &survey {
            slot.owed = Owed::after(None, survey);
        }
        self.settle_survey(run, now, survey);
    }

    /// As [`Shard::settle`], of some effects: of the others there is nothing that was not seen to.
    pub(super) fn settle_some(&mut self, run: RunId, effects: BTreeSet<EffectId>) {
        let live = self.slots.get(&run).and_then(|slot| slot.live.as_ref());
        let survey = live.map(|live| live.survey(Some(effects)));
        self.settle_survey(run, self.clock.now(), survey);
    }

    /// Sees to what was found that the run is owed.
    pub(super) fn settle_survey(&mut self, run: RunId, now: Timestamp, survey: Option<Survey>) {
        let Some(Survey { effects: looked_at, due }) = survey else { return };
        if self.effects == Effects::LeaveAlone {
            return self.list_if_quiet(run);
        }
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &mut slot.live else { return };
        let (looked_at, due) = match due {
            Ok(due) => (looked_at, due),
            Err(illegal) => {
                tracing::error!(%run, error = %illegal, "a run is held by its definition's defect");
                live.broken = Some(illegal.to_string());
                (None, Vec::new())
            }
        };
        let project = self.library.projects.get(live.run.project());
        let goes_on =
            |step: &DueStep| matches!(step, DueStep::UnderWay { .. } | DueStep::Settle { .. });
        let going_on: HashSet<&EffectId> =
            due.iter().filter(|due| goes_on(&due.step)).map(|due| &due.effect).collect();
        match &looked_at {
            None => {
                slot.working.clear();
                slot.wakes.clear();
                slot.attempts.retain(|effect, handle| {
                    let wanted = going_on.contains(effect);
                    if !wanted {
                        handle.abort();
                    }
                    wanted
                });
            }
            Some(effects) => {
                for effect in effects {
                    slot.working.remove(effect);
                    slot.wakes.remove(effect);
                    if !going_on.contains(effect)
                        && let Some(handle) = slot.attempts.remove(effect)
                    {
                        handle.abort();
                    }
                }
            }
        }
        drop(going_on);
        let mut errands = Vec::new();
        // The attempts that are to begin, at once or later.
        let mut asked = HashMap::new();
        for due in due {
            let effect = due.effect;
            if let DueStep::Attempt { attempt, .. } = due.step {
                asked.insert(effect.clone(), attempt);
            }
            let own = match due.step {
                DueStep::Fire { at } if at > now => {
                    slot.wakes.set(effect, at);
                    continue;
                }
                DueStep::Watch { seen }
                    if project.as_ref().is_none_or(|project| {
                        !live.has_changed(&effect, &seen, &Moment { now, project })
                    }) =>
                {
                    continue;
                }
                DueStep::Fire { .. } | DueStep::Watch { .. } => {
                    (Action::TimerFired { effect: effect.clone() }, Step::Fire(effect.clone()))
                }
                DueStep::Attempt { activity, .. }
                    if !self.handlers.contains_key(&activity.name) =>
                {
                    // It rests until an engine runs that knows the activity.
                    continue;
                }
                DueStep::Rest { .. } => continue,
                DueStep::Settle { check, attempt, .. } => {
                    if let Some(handler) = self.handlers.get(&check.name)
                        && live.broken.is_none()
                        && !slot.refused.contains(&effect)
                    {
                        slot.working.insert(effect.clone());
                        if !slot.attempts.contains_key(&effect) && !slot.stepping.contains(&effect)
                        {
                            let asked = Attempt {
                                run,
                                project: live.run.project().clone(),
                                idempotency_key: format!("{run}/{effect}"),
                                effect: effect.clone(),
                                attempt,
                                activity: check.name,
                                input: check.input,
                                timeout: check.timeout,
                                heartbeat: None,
                                life: Life::default(),
                            };
                            let clock = Arc::clone(&self.clock);
                            let asks = settle(Arc::clone(handler), asked, check.retry, clock);
                            slot.attempts.insert(effect, self.attempts.spawn(asks));
                        }
                    }
                    continue;
                }
                DueStep::Attempt { not_before: Some(at), .. } if at > now => {
                    slot.working.insert(effect.clone());
                    slot.wakes.set(effect, at);
                    continue;
                }
                DueStep::Attempt { mut activity, attempt, until, queued, .. } => {
                    slot.working.insert(effect.clone());
                    let ticket = Ticket { run, effect: effect.clone(), attempt };
                    let handler = self.handlers.get(&activity.name);
                    let takes = || handler.map(|one| one.takes(&activity.input));
                    let may_ask = live.broken.is_none()
                        && !slot.refused.contains(&effect)
                        && !slot.stepping.contains(&effect);
                    let project = live.run.project();
                    let known = queued.is_some();
                    let ask =
                        || Permit::ask(&self.limits, ticket, project.clone(), takes()?, known);
                    let may_begin = turn(&mut slot.permits, &effect, attempt, may_ask, ask);
                    let start = queued.zip(activity.limits.start).filter(|_| !may_begin);
                    let start = start.and_then(|(at, start)| at.saturating_add(start).ok());
                    let last = [until, start].into_iter().flatten().min();
                    if last.is_some_and(|last| last <= now) {
                        let step = Step::Queue(effect.clone());
                        (Action::AttemptNotBegun { effect: effect.clone(), attempt }, step)
                    } else if may_begin {
                        activity.timeout = activity.time_left(until, now);
                        let configured = handler.and_then(|one| one.configured());
                        let step = Step::Attempt { effect: effect.clone(), attempt, activity };
                        let effect = effect.clone();
                        (Action::AttemptStarted { effect, attempt, configured }, step)
                    } else {
                        last.into_iter().for_each(|at| slot.wakes.set(effect.clone(), at));
                        continue;
                    }
                }
                step @ (DueStep::Start { .. } | DueStep::Await { .. }) => {
                    errands.push((effect, step));
                    continue;
                }
                DueStep::UnderWay { attempt } => {
                    slot.working.insert(effect.clone());
                    if slot.attempts.contains_key(&effect) {
                        continue;
                    }
                    let reason = "the engine stopped during the attempt".to_owned();
                    let outcome = Outcome::Unknown { reason };
                    let action = Action::AttemptEnded { effect: effect.clone(), attempt, outcome };
                    (action, Step::Ended { effect: effect.clone() })
                }
            };
            if live.broken.is_none()
                && !slot.refused.contains(&effect)
                && slot.stepping.insert(effect)
            {
                let (action, step) = own;
                let command = Box::new(own_command(action));
                slot.waiting.push_back(Waiting::Own { command, step });
            }
        }
        let is_wanted = |effect: &EffectId, permit: &Permit| {
            asked.get(effect).is_some_and(|attempt| permit.is_for(*attempt))
        };
        match &looked_at {
            None => slot.permits.retain(|effect, permit| is_wanted(effect, permit)),
            Some(effects) => {
                for effect in effects {
                    if slot.permits.get(effect).is_some_and(|permit| !is_wanted(effect, permit)) {
                        slot.permits.remove(effect);
                    }
                }
            }
        }
        let wake = slot.wakes.first();
        for (effect, step) in errands {
            match step {
                DueStep::Start { child, run: other } => self.start_run(run, effect, other, child),
                DueStep::Await { run: other, stop } => self.look_at_run(run, effect, other, stop),
                _ => {}
            }
        }
        self.set_wake(run, wake);
        self.tell_desks(run);
        self.list_if_quiet(run);
    }

    /// Tells what the run holds and waits for, where that is news, and who looks for conflicts how far it is. Locks that it has refused in this
    /// very state are not asked for again.
    fn tell_desks(&mut self, run: RunId) {
        let Some(locks) = &self.locks else { return };
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &slot.live else { return };
        let mut claims = live.claims();
        if let Some(conflicts) = &self.conflicts {
            conflicts.tell(ConflictNews::Run {
                run,
                project: live.run.project().clone(),
                version: live.run.at().version,
                asks: claims.looks.clone(),
            });
        }
        claims.wanted = claims.wanted.filter(|wanted| !slot.refused.contains(&wanted.effect));
        // Of a run that was just read nothing can have been told that is not so, unless an append of
        // its failed.
        let is_known = match &slot.claims {
            Some(told) => *told == claims,
            None => claims.is_empty() && slot.reloads == 0,
        };
        if !is_known {
            slot.claims = Some(claims.clone());
            let project = live.run.project().clone();
            // The desk ends after the shards.
            let _ = locks.send(LockNews::Claims { run, project, claims });
        }
    }

    /// Has the run take the locks that were granted to it.
    pub(super) fn granted(&mut self, run: RunId, effect: EffectId) {
        if !self.slots.contains_key(&run) {
            self.load(run);
        }
        if let Some(slot) = self.slots.get_mut(&run)
            && slot.stepping.insert(effect.clone())
        {
            let command = Box::new(own_command(Action::LocksGranted { effect: effect.clone() }));
            slot.waiting.push_back(Waiting::Own { command, step: Step::Lock(effect) });
        }
        self.pump(run);
    }

    /// Looks at all that a run in memory is owed, also at what it has refused: now, or when what is being appended, or
    /// read, is there.
    pub(super) fn look_anew(&mut self, run: RunId) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        slot.refused.clear();
        if slot.phase == Phase::Ready {
            self.settle(run);
            self.pump(run);
        } else {
            slot.owed = None;
        }
    }

    /// Sees to the runs in memory that go by calendars, lockdowns or the inventory of the project.
    pub(super) fn project_changed(&mut self, project: &ProjectId) {
        let of_project =
            |slot: &Slot| slot.live.as_ref().is_some_and(|live| live.run.project() == project);
        let runs: Vec<RunId> =
            self.slots.iter().filter(|(_, slot)| of_project(slot)).map(|(run, _)| *run).collect();
        for run in runs {
            self.look_anew(run);
        }
        if let Some(conflicts) = &self.conflicts {
            conflicts.tell(ConflictNews::Project(project.clone()));
        }
    }

    pub(super) fn set_wake(&mut self, run: RunId, at: Option<Timestamp>) {
        if let Some(before) = self.wake_of.remove(&run) {
            self.wakes.remove(&(before, run));
        }
        if let Some(at) = at {
            self.wake_of.insert(run, at);
            self.wakes.insert((at, run));
        }
    }

    pub(super) fn wake_due(&mut self) {
        let now = self.clock.now();
        while let Some((at, run)) = self.wakes.first().copied()
            && at <= now
        {
            self.set_wake(run, None);
            if let Some(slot) = self.slots.get_mut(&run) {
                let mut effects: BTreeSet<EffectId> = slot.refused.drain().collect();
                effects.extend(slot.wakes.come(now).cloned());
                self.settle_some(run, effects);
                self.pump(run);
            } else {
                self.load(run);
            }
        }
    }

    pub(super) fn start_attempt(
        &mut self,
        run: RunId,
        effect: EffectId,
        attempt: u32,
        activity: Activity,
    ) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let Some(live) = &slot.live else { return };
        slot.stepping.remove(&effect);
        let attempt = Attempt {
            run,
            project: live.run.project().clone(),
            idempotency_key: format!("{run}/{effect}"),
            effect: effect.clone(),
            attempt,
            activity: activity.name,
            input: activity.input,
            timeout: activity.timeout,
            heartbeat: activity.limits.heartbeat,
            life: Life::default(),
        };
        // It is not begun without one.
        if let Some(handler) = self.handlers.get(&attempt.activity) {
            let mut permit = slot.permits.remove(&effect);
            let work = perform(Arc::clone(handler), attempt);
            let work = async move {
                permit.iter_mut().for_each(|permit| permit.was_begun = true);
                let end = work.await;
                // The place is free only when whatever did the work is gone, also where it is given up.
                drop(permit);
                end
            };
            slot.attempts.insert(effect, self.attempts.spawn(work));
        }
    }

    pub(super) fn attempt_ended(&mut self, end: AttemptEnd) {
        let AttemptEnd { run, effect, action } = end;
        let Some(slot) = self.slots.get_mut(&run) else { return };
        if !slot.attempts.contains_key(&effect) {
            return;
        }
        let command = Box::new(own_command(action));
        slot.waiting.push_back(Waiting::Own { command, step: Step::Ended { effect } });
        self.pump(run);
    }
}
