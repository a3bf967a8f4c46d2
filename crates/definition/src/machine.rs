//! A checked definition as a workflow: it joins deciding, evolving and what is owed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use holdpoint_core::{
    Action, Activity, Claims, Command, Digest, Effect, EffectId, EffectKind, IllegalEvent,
    MemberId, Migrating, Moment, Planned, Prospect, Refusal, RefusalCode, Restraint, RunStatus,
    RunSummary, RunView, Settlers, Started, Workflow,
    newer_work::{Reach, Undoable},
    workflow::Meta,
};
use serde_json::Value;

use crate::{
    Definition, amending, conflicting, deadlines,
    decide::Draft,
    drift,
    event::DefinitionEvent,
    evidence, evolve, lockdown, locking, migrating, parallel, requalifying,
    requirements::Kept,
    risk, rollout, rollout_control, rollout_moves, rollout_plan,
    rollout_state::RolloutState,
    rollout_unbegun, schema, settlers, settling,
    state::{Place, State},
    unbegun, view,
};

impl Workflow for Definition {
    type State = State;
    type Event = DefinitionEvent;

    fn complete_input(&self, input: Value) -> Value {
        schema::with_defaults(&self.model.schema, input)
    }

    fn start(&self, started: &Started<'_>) -> Result<State, Refusal> {
        let digest = amending::accept(&self.model, started.input)?;
        Ok(State {
            requester: started.requester.clone(),
            digest,
            input: Arc::new(started.input.clone()),
            risk: None,
            outputs: BTreeMap::new(),
            visits: BTreeMap::new(),
            left: BTreeMap::new(),
            signals: Vec::new(),
            baseline: started.baseline.cloned(),
            kept: Kept::default(),
            approved: BTreeSet::new(),
            approved_plans: BTreeMap::new(),
            approved_targets: BTreeMap::new(),
            relied: BTreeMap::new(),
            waived: Vec::new(),
            accepted: Vec::new(),
            let_through: false,
            evidence: BTreeMap::new(),
            editors: BTreeSet::new(),
            executors: BTreeSet::new(),
            duties: Vec::new(),
            duties_opened: 0,
            started: started.at,
            entered: started.at,
            expired: false,
            cancelled: false,
            overridden: false,
            failure: None,
            earlier: Vec::new(),
            rollout: None,
            locks: BTreeMap::new(),
            place: Place::Begin,
            outside: Vec::new(),
        })
    }

    fn decide(
        &self,
        state: &State,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<DefinitionEvent>, Refusal> {
        let mut draft = Draft::new(&self.model, state, command, at);
        if command.actor.member().is_some() {
            parallel::renew_windows(&mut draft)?;
            parallel::renew_plans(&mut draft)?;
        }
        parallel::decide(&mut draft, &command.action)?;
        Ok(draft.finish())
    }

    fn evolve(
        &self,
        state: &mut State,
        event: &DefinitionEvent,
        meta: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        evolve::evolve(&self.model, state, event, meta)
    }

    fn pending(&self, state: &State) -> Vec<Effect> {
        let mut pending = deadlines::pending(&self.model, state);
        pending.extend(lockdown::effect(state));
        pending.extend(requalifying::effects(state));
        pending.extend(match &state.place {
            Place::Hold(hold) => {
                let definition = evolve::hold_of(&self.model, &hold.hold);
                // That calendars have changed comes before what would have followed from them.
                let mut effects =
                    definition.map(|one| hold.window_effects(one, state)).unwrap_or_default();
                let waits = hold
                    .until
                    .filter(|until| !hold.waited && hold.ends().is_none_or(|ends| *until <= ends))
                    .map(|due| Effect { id: hold.wait_effect(), kind: EffectKind::Timer { due } });
                let expires = hold.ends().map(|due| Effect {
                    id: hold.deadline_effect(),
                    kind: EffectKind::Timer { due },
                });
                effects.extend(drift::watch(&self.model, hold));
                let timers = definition.map(|one| hold.timers(one));
                let checks = definition.map(|one| hold.check_effects(one));
                effects.extend(
                    waits
                        .into_iter()
                        .chain(expires)
                        .chain(timers.into_iter().flatten())
                        .chain(checks.into_iter().flatten()),
                );
                effects
            }
            Place::Activity { state: name, effect, input, name: activity, window } => {
                let waits = window.iter().flat_map(|one| one.effects(effect.as_str()));
                let shut = window.as_ref().is_some_and(|one| one.shut);
                let work = evolve::work_of(&self.model, name).filter(|_| !shut);
                let work = work.map(|work| Effect {
                    id: effect.clone(),
                    kind: EffectKind::Activity(Activity {
                        name: activity.clone(),
                        settling: settling::of(work, input, &state.vars()),
                        input: input.as_ref().clone(),
                        timeout: work.timeout,
                        limits: work.limits,
                        retry: work.retry.clone(),
                    }),
                });
                waits.chain(work).collect()
            }
            Place::Child(child) => vec![child.effect()],
            Place::Rollout { state: name } => {
                let mut effects =
                    state.rollout.as_ref().map(RolloutState::window_effects).unwrap_or_default();
                effects.extend(rollout::pending(&self.model, state, name));
                effects
            }
            Place::All(fork) => fork
                .branches
                .keys()
                .filter_map(|branch| state.looking_at(std::slice::from_ref(branch)))
                .flat_map(|inner| Workflow::pending(self, &inner))
                .collect(),
            Place::Begin
            | Place::Entered { .. }
            | Place::Blocked { .. }
            | Place::Owing { .. }
            | Place::Resolved { .. }
            | Place::Stopped { .. }
            | Place::Ended { .. } => Vec::new(),
        });
        pending
    }

    fn owed(&self, state: &State, effect: &EffectId) -> Option<Effect> {
        let Place::Rollout { state: name } = &state.place else {
            return Workflow::pending(self, state).into_iter().find(|one| one.id == *effect);
        };
        let step = rollout::owed(&self.model, state, name, effect);
        step.or_else(|| self.rollout_timers(state).into_iter().find(|one| one.id == *effect))
    }

    fn asks(&self, state: &State) -> BTreeSet<EffectId> {
        if !matches!(state.place, Place::Rollout { .. }) {
            return Workflow::pending(self, state).into_iter().map(|one| one.id).collect();
        }
        let timers = self.rollout_timers(state).into_iter().map(|one| one.id);
        timers.chain(state.rollout.iter().flat_map(RolloutState::asks)).collect()
    }

    fn stands_still(&self, state: &State) -> bool {
        rollout_unbegun::is_paused(&state.place, state.rollout.as_ref())
    }

    fn changed(&self, before: &State, after: &State) -> Option<BTreeSet<EffectId>> {
        let (Place::Rollout { .. }, Place::Rollout { .. }) = (&before.place, &after.place) else {
            return None;
        };
        let mut changed = rollout_moves::changed(before, after)?;
        for state in [before, after] {
            changed.extend(self.rollout_timers(state).into_iter().map(|one| one.id));
        }
        Some(changed)
    }

    fn restraint(&self, state: &State, effect: &EffectId) -> Option<Restraint> {
        match (&state.place, &state.rollout) {
            (Place::Rollout { .. }, Some(rollout)) => {
                rollout_unbegun::restraint_of(rollout, effect)
            }
            _ => Workflow::restraints(self, state).remove(effect),
        }
    }

    fn restraints(&self, state: &State) -> BTreeMap<EffectId, Restraint> {
        match &state.place {
            Place::Rollout { .. } => {
                state.rollout.as_ref().map(rollout_unbegun::restraints).unwrap_or_default()
            }
            Place::All(fork) => fork
                .branches
                .keys()
                .filter_map(|branch| state.looking_at(std::slice::from_ref(branch)))
                .flat_map(|inner| Workflow::restraints(self, &inner))
                .collect(),
            _ => BTreeMap::new(),
        }
    }

    fn unbegun(&self, state: &State, begun: &dyn Fn(&EffectId) -> bool) -> BTreeSet<EffectId> {
        unbegun::of(state, begun)
    }

    fn has_changed(&self, state: &State, watch: &EffectId, at: &Moment<'_>) -> bool {
        requalifying::has_changed(&self.model, state, watch, at)
            .unwrap_or_else(|| drift::has_changed(&self.model, state, watch, at))
    }

    fn claims(&self, state: &State) -> Claims {
        let looks = conflicting::looks(&self.model, state);
        Claims { looks, ..locking::claims(&self.model, state) }
    }

    fn prospect(&self, state: &State, at: &Moment<'_>) -> Prospect {
        lockdown::prospect(&self.model, state, at)
    }

    fn evidence_shown(&self, state: &State) -> BTreeMap<String, Digest> {
        evidence::files_shown(&self.model, state)
    }

    fn undoable(&self, state: &State) -> Vec<Undoable> {
        rollout_control::undoable(&self.model, state)
    }

    fn reach(&self, effect: &EffectId) -> Option<Reach> {
        rollout_control::reach(&self.model, effect)
    }

    fn settlers(&self, state: &State, effect: &EffectId, at: &Moment<'_>) -> Option<Settlers> {
        settlers::of(&self.model, state, effect, at)
    }

    fn settled(&self, state: &mut State, _: &EffectId, by: &MemberId) {
        state.executors.insert(by.clone());
    }

    fn states(&self) -> Vec<&str> {
        self.model.states.keys().map(String::as_str).collect()
    }

    fn adopt(&self, state: &State, migrating: &Migrating<'_>) -> Result<State, Refusal> {
        migrating::adopt(&self.model, state, migrating)
    }

    fn input<'s>(&self, state: &'s State) -> Option<&'s Value> {
        Some(&state.input)
    }

    fn status(&self, state: &State) -> RunStatus {
        view::status(state)
    }

    fn view(&self, state: &State, at: &Moment<'_>) -> RunView {
        view::view(&self.model, state, at)
    }

    fn plans(&self, state: &State, at: &Moment<'_>) -> Vec<Planned> {
        let items = at.project.items();
        let begins = matches!(state.place, Place::Begin);
        // It is recorded only when the run begins.
        match begins.then(|| risk::of(&self.model, state)) {
            Some(Ok(risk)) => {
                rollout_plan::plans(&self.model, &State { risk, ..state.clone() }, items)
            }
            _ => rollout_plan::plans(&self.model, state, items),
        }
    }

    fn summary(&self, state: &State, _: &Moment<'_>) -> RunSummary {
        view::summary(&self.model, state)
    }
}

impl Definition {
    /// What a run that does a rollout asks for besides its steps.
    fn rollout_timers(&self, state: &State) -> Vec<Effect> {
        let mut timers = deadlines::pending(&self.model, state);
        timers.extend(state.rollout.iter().flat_map(RolloutState::timers));
        timers
    }
}

impl Draft<'_> {
    /// Decides an action where the run is, or the branch that is looked at.
    pub(crate) fn act(&mut self, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::Start => self.start()?,
            Action::Vote { hold, vote, reason, duties, in_place_of, plans } => {
                let (hold, place) = (hold.as_deref(), in_place_of.as_ref());
                self.vote(hold, *vote, reason.as_deref(), duties, place, plans)?;
            }
            Action::Withdraw { hold, in_place_of, reason } => {
                self.withdraw(hold.as_deref(), in_place_of.as_ref(), reason.as_deref())?;
            }
            Action::Overrule { hold, member, reason } => {
                self.overrule(hold.as_deref(), member, reason)?;
            }
            Action::Object { hold, reason } => self.object(hold.as_deref(), reason)?,
            Action::Recheck { hold, check } => {
                self.recheck(hold.as_deref(), check.as_deref())?;
            }
            Action::Recount { hold } => self.recount(hold.as_deref())?,
            Action::Override { hold, reason } => {
                self.override_window(hold.as_deref(), reason)?;
            }
            Action::OverrideRequirement { requirement, reason } => {
                self.override_requirement(requirement, reason)?;
            }
            Action::WithdrawOverride { requirement, reason } => {
                self.withdraw_override(requirement, reason.as_deref())?;
            }
            Action::Discharge { duty, note } => self.discharge(*duty, note)?,
            Action::Attach { name, evidence, note } => {
                self.attach(name, evidence, note.as_deref())?;
            }
            Action::Done { hold, task, note } => {
                self.done(hold.as_deref(), task.as_deref(), note.as_deref())?;
            }
            Action::Reopen { hold, task, reason } => {
                self.reopen(hold.as_deref(), task.as_deref(), reason)?;
            }
            Action::Waive { hold, reason } => self.waive(hold.as_deref(), reason)?,
            Action::Amend { input, reason } => self.amend(input, reason)?,
            Action::Comment { text } => self.comment(text)?,
            Action::Signal { name, data } => self.signal(name, data)?,
            Action::Steer { steering, target, reason, state, over } => {
                let (target, reason) = (target.as_deref(), reason.as_deref());
                rollout_control::steer(self, *steering, target, reason, state.as_deref(), over)?;
            }
            Action::Migrate { .. } => self.migrated()?,
            Action::Cancel { reason } => self.cancel(reason)?,
            Action::Completed { effect, output } => self.completed(effect, output)?,
            Action::Failed { effect, error } => self.failed(effect, error)?,
            Action::NotBegun { effects } => self.may_not_begin(effects)?,
            Action::TimerFired { effect } => self.timer(effect)?,
            Action::LocksGranted { effect } => self.locks_granted(effect)?,
            Action::ConflictsLooked { effect, found, .. } => {
                self.conflicts_looked(effect, found)?;
            }
            Action::AcceptConflict { with, reason } => self.accept_conflict(*with, reason)?,
            Action::BreakLock { item, reason } => self.break_lock(item, reason)?,
            Action::Stop { reason } => self.give_up(reason)?,
            Action::AttemptQueued { .. }
            | Action::AttemptNotBegun { .. }
            | Action::AttemptStarted { .. }
            | Action::AttemptEnded { .. }
            | Action::AttemptSettled { .. }
            | Action::Settle { .. }
            | Action::ChildStarted { .. }
            | Action::ChildRefused { .. }
            | Action::ConflictsFound { .. }
            | Action::ChildEnded { .. } => {
                return Err(Refusal::new(
                    RefusalCode::NotAwaited,
                    "a definition sees work only by its end",
                ));
            }
        }
        Ok(())
    }
}
