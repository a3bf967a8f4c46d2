//! The commands of a shard's runs: decided, sent to the log, and answered when they are durable.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use holdpoint_core::{
    EffectId, EventId, IllegalEvent, Moment, Run, RunAnswer, RunId, Sequence, StreamId, Version,
    run::Decided,
    workflow::{DecideFailure, DynWorkflow},
};
use holdpoint_log::{Append, AppendFailure};

use super::{Done, Shard};
use crate::{
    builder::Effects,
    deciding::{Accepted, Batch, Then, answer_again},
    engine::new_event_id,
    failure::CommandFailure,
    files,
    guard::guard,
    load::LiveRun,
    owed::{Owed, Survey},
    read_model::{Subject, Update},
    slot::{Begin, Phase, Slot, Step, Waiting},
};

/// What a run is once events are durable that are on their way into the log.
pub(super) struct Coming {
    run: Run,
    /// The workflow that it goes by then.
    workflow: Arc<dyn DynWorkflow>,
    /// How many events there are.
    events: u64,
    /// The last of them.
    last: EventId,
}

impl Coming {
    /// The position of the last event, when the first has the position `first`.
    const fn last(&self, first: Sequence) -> Sequence {
        first.plus(self.events.saturating_sub(1))
    }
}

impl Shard {
    /// Decides a submission and sends its events to the log.
    pub(super) fn begin(&mut self, run: RunId, begin: Box<Begin>) {
        if self.slots.contains_key(&run) {
            return self.enqueue(run, Waiting::Submission(begin));
        }
        let Some(project) = self.library.projects.get(&begin.project) else { return };
        // By the baseline that the run is judged by later: the one in force where it is decided.
        if let Some(definition) = project.definition_by_digest(&begin.definition.digest)
            && let Err(refusal) = self.library.catalog.judge.admit(&project, definition)
        {
            return drop(begin.reply.send(Err(refusal.into())));
        }
        let now = self.clock.now();
        let at = Moment { now, project: &project };
        let Begin { definition, workflow, command, input, .. } = &*begin;
        let parent = begin.parent.as_ref();
        let decided = guard("submit", || {
            Run::submit_for(parent, definition, &**workflow, command, input, &at)
        });
        let Decided { events, run: begun } = match decided {
            Ok(Ok(decided)) => decided,
            Ok(Err(failure)) => return drop(begin.reply.send(Err(failure.into()))),
            Err(panicked) => {
                return drop(begin.reply.send(Err(CommandFailure::Broken(panicked))));
            }
        };
        let stream = StreamId { project: begin.project.clone(), run: Some(run) };
        let mut events = command.events(&stream, Some(begin.request), now, events, new_event_id);
        if let Some(first) = events.first_mut() {
            first.definition = Some(begin.definition.digest);
        }
        // There is always the one that begins the run.
        let Some(last) = events.last().map(|event| event.id) else { return };
        let workflow = Arc::clone(&begin.workflow);
        let coming = Coming { run: begun, workflow, events: events.len() as u64, last };
        let append = Append { stream, expected: Version::ZERO, events };
        self.slots.insert(run, Slot::new(Phase::Appending));
        let is_new = self.recent.is_new(run);
        self.recent.add(run);
        let (library, read_model) = (self.library.clone(), self.read_model.clone());
        self.under_way.push(Box::pin(async move {
            // The log tells a second run of the same stream; only the read model can tell a run
            // of another project with the same id.
            let located = if is_new { Ok(None) } else { read_model.locate(run).await };
            match located {
                Ok(Some(_)) => return Done::Known { run, begin },
                Ok(None) => {}
                Err(failure) => {
                    return Done::Begun { run, result: Err(failure.into()), begin, coming };
                }
            }
            match library.append(append).await {
                Err(AppendFailure::Conflict { .. }) => Done::Known { run, begin },
                result => Done::Begun { run, result: result.map_err(Into::into), begin, coming },
            }
        }));
    }

    pub(super) async fn begun(
        &mut self,
        run: RunId,
        first: Sequence,
        begin: Begin,
        mut coming: Coming,
    ) {
        let answer = RunAnswer { version: coming.run.at().version, sequence: coming.last(first) };
        coming.run.appended(answer.sequence, [(begin.command.id, begin.request, answer)]);
        if let Some(slot) = self.slots.get_mut(&run) {
            let Coming { run, workflow, .. } = coming;
            slot.live = Some(LiveRun { run, workflow, broken: None });
            slot.phase = Phase::Ready;
        }
        let survey = self.tell_read_model(run, first, answer.sequence, coming.last, None).await;
        self.acknowledged.raise(answer.sequence);
        let _ = begin.reply.send(Ok(answer));
        self.tell_parent(run);
        self.settle_survey(run, self.clock.now(), survey);
        self.pump(run);
        self.evict().await;
    }

    /// Decides what waits for a run, if it can decide now, into one append.
    pub(super) fn pump(&mut self, run: RunId) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        let (Phase::Ready, Some(live)) = (slot.phase, &mut slot.live) else { return };
        if slot.waiting.is_empty() {
            return self.list_if_quiet(run);
        }
        let Some(project) = self.library.projects.get(live.run.project()) else { return };
        let now = self.clock.now().max(live.run.updated());
        let at = Moment { now, project: &project };
        let mut batch = Batch::new(live, slot.alone > 0);
        let mut again = VecDeque::new();
        let mut refused = false;
        while !batch.is_full()
            && let Some(waiting) = slot.waiting.pop_front()
        {
            let (command, only_if, then) = match waiting {
                Waiting::Query(reply) => {
                    let _ = reply.send(Ok(live.clone()));
                    continue;
                }
                Waiting::Submission(begin) => {
                    let answer = answer_again(&live.run, &begin);
                    let _ = begin.reply.send(answer);
                    continue;
                }
                Waiting::Command { command, only_if, reply, looked } => {
                    match live.run.answer_to(&command) {
                        Ok(None) => {}
                        Ok(Some(answer)) => {
                            let _ = reply.send(Ok(answer));
                            continue;
                        }
                        Err(refusal) => {
                            let _ = reply.send(Err(refusal.into()));
                            continue;
                        }
                    }
                    if batch.has(command.id) {
                        // The id a second time in one batch: answered when the first is durable.
                        again.push_back(Waiting::Command { command, only_if, reply, looked });
                        continue;
                    }
                    if let (false, true, Some(files)) =
                        (looked, files::may_release(&command.action), &self.library.files)
                    {
                        let shown = files::relied_on(&command.action, live.evidence_shown());
                        if !shown.is_empty() {
                            let looks = files::check(Arc::clone(files), shown);
                            self.under_way.push(Box::pin(async move {
                                Done::Looked { run, command, only_if, reply, result: looks.await }
                            }));
                            continue;
                        }
                    }
                    (command, only_if, Then::Reply(reply))
                }
                Waiting::Own { step: Step::Attempt { effect, .. }, .. }
                    if self.effects == Effects::LeaveAlone =>
                {
                    // Nobody would do the work any more.
                    slot.stepping.remove(&effect);
                    continue;
                }
                Waiting::Own { command, step } => (command, None, Then::Own(step)),
            };
            let decided = match &live.broken {
                Some(reason) => Err(IllegalEvent::new("run", reason.clone()).into()),
                None => batch.decide(&self.library, &command, only_if.as_ref(), &at),
            };
            match (decided, then) {
                (Ok(_), Then::Reply(reply)) if batch.events.is_empty() => {
                    let _ = reply.send(Ok(live.run.at()));
                }
                (Ok(request), then) => batch.accept(command, only_if, request, then),
                (Err(failure), Then::Reply(reply)) => drop(reply.send(Err(failure.into()))),
                (Err(failure), Then::Own(step)) => {
                    slot.stepping.remove(step.effect());
                    slot.attempts.remove(step.effect());
                    match failure {
                        DecideFailure::Broken(illegal) => {
                            tracing::error!(%run, error = %illegal, "a run is held by its definition's defect");
                            live.broken = Some(illegal.to_string());
                        }
                        DecideFailure::Refused(_) => {
                            slot.refused.insert(step.effect().clone());
                            refused = true;
                        }
                    }
                }
            }
        }
        slot.waiting.extend(again);
        let Batch { stream, events, accepted, run: after, workflow, .. } = batch;
        let Some(last) = events.last().map(|event| event.id) else {
            if refused {
                // By this very clock: one that was set back makes a timer due later again.
                self.settle_at(run, now);
                if self.slots.get(&run).is_some_and(|slot| !slot.waiting.is_empty()) {
                    self.pump(run);
                }
            }
            return self.list_if_quiet(run);
        };
        let expected = live.run.at().version;
        slot.phase = Phase::Appending;
        let library = self.library.clone();
        let coming = Coming { run: after, workflow, events: events.len() as u64, last };
        let append = Append { stream, expected, events };
        self.under_way.push(Box::pin(async move {
            let result = library.append(append).await;
            Done::Appended { run, result, coming, accepted }
        }));
    }

    pub(super) async fn appended(
        &mut self,
        run: RunId,
        first: Sequence,
        coming: Coming,
        accepted: Vec<Accepted>,
    ) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        slot.phase = Phase::Ready;
        let mut again = std::mem::take(&mut slot.news);
        again.extend(slot.refused.drain());
        slot.reloads = 0;
        slot.alone = slot.alone.saturating_sub(accepted.len());
        let Some(live) = &mut slot.live else { return };
        let before = live.run.at();
        let answer = |end: u64| RunAnswer {
            version: before.version.plus(end),
            sequence: first.plus(end.saturating_sub(1)),
        };
        let (last, event) = (coming.last(first), coming.last);
        let answers = accepted.iter().filter_map(|one| {
            one.request.map(|request| (one.command.id, request, answer(one.end)))
        });
        let same_workflow = Arc::ptr_eq(&live.workflow, &coming.workflow);
        let was = std::mem::replace(&mut live.run, coming.run);
        live.workflow = coming.workflow;
        live.run.appended(last, answers);
        // What people do may be about anything.
        let own = accepted.iter().map(|one| match &one.then {
            Then::Own(step) => Some(step.effect().clone()),
            Then::Reply(_) => None,
        });
        let own: Option<Vec<EffectId>> = own.collect();
        let own = own.filter(|_| same_workflow && slot.owed.is_some());
        let effects = own.and_then(|own| {
            again.extend(own);
            again.extend(live.changed_since(&was)?);
            Some(again)
        });
        self.acknowledged.raise(last);
        let survey = self.tell_read_model(run, first, last, event, effects).await;
        let mut begun = Vec::new();
        let mut ended = Vec::new();
        for Accepted { end, then, .. } in accepted {
            match then {
                Then::Reply(reply) => drop(reply.send(Ok(answer(end)))),
                Then::Own(Step::Attempt { effect, attempt, activity }) => {
                    begun.push((effect, attempt, *activity));
                }
                Then::Own(
                    Step::Ended { effect }
                    | Step::Fire(effect)
                    | Step::Lock(effect)
                    | Step::Queue(effect)
                    | Step::Child(effect),
                ) => {
                    ended.push(effect);
                }
            }
        }
        if let Some(slot) = self.slots.get_mut(&run) {
            for effect in ended {
                slot.stepping.remove(&effect);
                slot.attempts.remove(&effect);
            }
        }
        for (effect, attempt, activity) in begun {
            // A later command of the same append may have abandoned it, or the engine is leaving.
            let live = self.slots.get(&run).and_then(|slot| slot.live.as_ref());
            let is_under_way = live.is_some_and(|live| live.is_under_way(&effect, attempt));
            if self.effects == Effects::Perform && is_under_way {
                self.start_attempt(run, effect, attempt, activity);
            } else if let Some(slot) = self.slots.get_mut(&run) {
                slot.stepping.remove(&effect);
            }
        }
        self.tell_parent(run);
        self.settle_survey(run, self.clock.now(), survey);
        self.pump(run);
        self.evict().await;
    }

    pub(super) fn append_failed(
        &mut self,
        run: RunId,
        failure: &AppendFailure,
        accepted: Vec<Accepted>,
    ) {
        tracing::error!(%run, error = %failure, "events could not be appended");
        if matches!(failure, AppendFailure::Unacceptable { .. } | AppendFailure::TooLarge { .. }) {
            return self.not_acceptable(run, failure, accepted);
        }
        for Accepted { then, .. } in accepted {
            if let Then::Reply(reply) = then {
                let _ = reply.send(Err(failure.clone().into()));
            }
        }
        // Nothing is known of the run any more: it is read again, at once if the log still takes
        // what it is owed.
        let Some(slot) = self.slots.remove(&run) else { return };
        for attempt in slot.attempts.values() {
            attempt.abort();
        }
        if self.effects == Effects::Perform && !matches!(failure, AppendFailure::Poisoned { .. }) {
            self.load(run);
        }
        for waiting in slot.waiting {
            match waiting {
                Waiting::Own { .. } => {}
                waiting => self.enqueue(run, waiting),
            }
        }
        if let Some(again) = self.slots.get_mut(&run) {
            again.reloads = slot.reloads.saturating_add(1);
        }
    }

    /// Nothing was appended, and the state is what it was. Of several commands each is then tried
    /// alone, so that the one that cannot be kept does not take the others with it.
    fn not_acceptable(&mut self, run: RunId, failure: &AppendFailure, accepted: Vec<Accepted>) {
        let Some(slot) = self.slots.get_mut(&run) else { return };
        slot.phase = Phase::Ready;
        // There may have been news of what was refused.
        slot.refused.clear();
        let several = accepted.len() > 1;
        if several {
            slot.alone = accepted.len();
        } else {
            slot.alone = slot.alone.saturating_sub(1);
        }
        for Accepted { command, only_if, then, .. } in accepted.into_iter().rev() {
            match then {
                Then::Reply(reply) if several => {
                    let looked = true;
                    slot.waiting.push_front(Waiting::Command { command, only_if, reply, looked });
                }
                Then::Own(step) if several => {
                    slot.waiting.push_front(Waiting::Own { command, step });
                }
                Then::Reply(reply) => drop(reply.send(Err(failure.clone().into()))),
                Then::Own(step) => {
                    slot.stepping.remove(step.effect());
                    slot.attempts.remove(step.effect());
                    if let Some(live) = &mut slot.live {
                        // It would fail again for ever, and do the work again each time.
                        live.broken = Some(format!("a step of its own cannot be kept: {failure}"));
                    }
                }
            }
        }
        self.settle(run);
        self.pump(run);
    }

    /// Tells of durable events, whatever they are: everyone who asks waits for them. Answers with
    /// what the run is owed now, of all effects or of those that may have changed.
    async fn tell_read_model(
        &mut self,
        run: RunId,
        first: Sequence,
        last: Sequence,
        event: EventId,
        effects: Option<BTreeSet<EffectId>>,
    ) -> Option<Survey> {
        let mut survey = None;
        let record = self.slots.get_mut(&run).and_then(|slot| {
            let live = slot.live.as_ref()?;
            let found = survey.insert(live.survey(effects));
            slot.owed = Owed::after(slot.owed.take(), found);
            let project = self.library.projects.get(live.run.project())?;
            let at = Moment { now: live.run.updated(), project: &project };
            Some(live.record(&at, slot.owed.as_ref()))
        });
        let subject = record.map_or(Subject::Unreadable, |record| Subject::Run(Box::new(record)));
        self.read_model.tell(Update::Committed { first, last, event, subject }).await;
        survey
    }
}
