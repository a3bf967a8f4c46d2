//! A checked definition as a workflow: it joins deciding, evolving and what is owed.

use std::{collections::BTreeMap, sync::Arc};

use holdpoint_core::{
    Action, Activity, Command, Digest, Effect, EffectKind, IllegalEvent, Moment, Refusal,
    RefusalCode, RunStatus, RunView, Started, Workflow, workflow::Meta,
};
use serde_json::Value;

use crate::{
    Definition,
    decide::Draft,
    event::DefinitionEvent,
    evolve, rollout, schema,
    state::{Place, State},
    view,
};

impl Workflow for Definition {
    type State = State;
    type Event = DefinitionEvent;

    fn complete_input(&self, input: Value) -> Value {
        schema::with_defaults(&self.model.schema, input)
    }

    fn start(&self, started: &Started<'_>) -> Result<State, Refusal> {
        let input = started.input;
        let mut refusal = Refusal::new(
            RefusalCode::InvalidInput,
            format!("the input does not fit the definition `{}`", self.model.name),
        );
        for error in self.model.validator.iter_errors(input) {
            let path = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            refusal = refusal.needs(if path.is_empty() {
                error.to_string()
            } else {
                format!("`{path}`: {error}")
            });
        }
        if !refusal.needed.is_empty() {
            return Err(refusal);
        }
        let bytes = serde_json::to_vec(input)
            .map_err(|error| Refusal::new(RefusalCode::InvalidInput, error.to_string()))?;
        Ok(State {
            requester: started.requester.clone(),
            digest: Digest::of(&bytes),
            input: Arc::new(input.clone()),
            outputs: BTreeMap::new(),
            visits: BTreeMap::new(),
            signals: Vec::new(),
            cancelled: false,
            rollout: None,
            place: Place::Begin,
        })
    }

    fn decide(
        &self,
        state: &State,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<DefinitionEvent>, Refusal> {
        let mut draft = Draft::new(&self.model, state, command, at);
        match &command.action {
            Action::Start => draft.start()?,
            Action::Vote { hold, vote, reason } => {
                draft.vote(hold.as_deref(), *vote, reason.as_deref())?;
            }
            Action::Signal { name, data } => draft.signal(name, data)?,
            Action::Cancel { reason } => draft.cancel(reason)?,
            Action::Completed { effect, output } => draft.completed(effect, output)?,
            Action::Failed { effect, error } => draft.failed(effect, error)?,
            Action::TimerFired { effect } => draft.timer(effect)?,
            Action::AttemptStarted { .. } | Action::AttemptEnded { .. } => {
                return Err(Refusal::new(
                    RefusalCode::NotAwaited,
                    "a definition does not see single attempts",
                ));
            }
        }
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
        match &state.place {
            Place::Hold(hold) => {
                let waits = hold
                    .until
                    .filter(|until| {
                        !hold.waited && hold.deadline.is_none_or(|deadline| *until <= deadline)
                    })
                    .map(|due| Effect { id: hold.wait_effect(), kind: EffectKind::Timer { due } });
                let expires = hold.deadline.map(|due| Effect {
                    id: hold.deadline_effect(),
                    kind: EffectKind::Timer { due },
                });
                waits.into_iter().chain(expires).collect()
            }
            Place::Activity { state: name, effect, input, name: activity } => {
                let Some(work) = evolve::work_of(&self.model, name) else { return Vec::new() };
                vec![Effect {
                    id: effect.clone(),
                    kind: EffectKind::Activity(Activity {
                        name: activity.clone(),
                        input: input.as_ref().clone(),
                        timeout: work.timeout,
                        retry: work.retry.clone(),
                    }),
                }]
            }
            Place::Rollout { state: name } => rollout::pending(&self.model, state, name),
            Place::Begin
            | Place::Entered { .. }
            | Place::Blocked { .. }
            | Place::Resolved { .. }
            | Place::Ended { .. } => Vec::new(),
        }
    }

    fn status(&self, state: &State) -> RunStatus {
        view::status(state)
    }

    fn view(&self, state: &State, at: &Moment<'_>) -> RunView {
        view::view(&self.model, state, at)
    }
}
