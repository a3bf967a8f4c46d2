//! Work that is a run of another definition: what it is, how its end counts, and what becomes of it
//! when nobody wants it any more.

use std::{collections::BTreeSet, sync::Arc};

use holdpoint_core::{ChildRun, DefinitionName, Effect, EffectId, EffectKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    decide::Draft,
    event::DefinitionEvent as Event,
    model::{Model, StateKind},
    state::Place,
    template::{COMPUTED_BYTES_MAX, Tree},
};

/// A `run` of another definition.
#[derive(Debug)]
pub(crate) struct ChildModel {
    pub(crate) definition: DefinitionName,
    /// The version; the highest that is published then, when `None`.
    pub(crate) version: Option<u32>,
    pub(crate) input: Tree,
    /// The outcomes that count as good.
    pub(crate) good: BTreeSet<String>,
    pub(crate) stopped: Stopped,
}

/// What becomes of the run when the state that started it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It is cancelled, and its end waited for.
    Cancel,
    /// It goes on by itself.
    Leave,
}

impl Stopped {
    /// As definitions write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Leave => "leave",
        }
    }
}

/// A run of another definition that is waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChildState {
    pub(crate) state: String,
    pub(crate) effect: EffectId,
    pub(crate) definition: DefinitionName,
    pub(crate) version: Option<u32>,
    pub(crate) input: Arc<Value>,
    /// Whether it is to be stopped.
    pub(crate) stopping: bool,
    /// The deadline that it is stopped for, if that is why.
    pub(crate) late: Option<Timestamp>,
}

/// The run that a state has done, if it has one.
pub(crate) fn child_of<'m>(model: &'m Model, name: &str) -> Option<&'m ChildModel> {
    match model.states.get(name).map(|state| &state.kind) {
        Some(StateKind::Child(child)) => Some(child),
        _ => None,
    }
}

/// Whether the run that a state has done is waited for when the state is stopped.
pub(crate) fn is_awaited(model: &Model, name: &str) -> bool {
    child_of(model, name).is_some_and(|child| child.stopped == Stopped::Cancel)
}

impl ChildState {
    /// What is asked of the outside world.
    pub(crate) fn effect(&self) -> Effect {
        let child = ChildRun {
            definition: self.definition.clone(),
            version: self.version,
            input: self.input.as_ref().clone(),
            stop: self.stopping,
        };
        Effect { id: self.effect.clone(), kind: EffectKind::Child(child) }
    }
}

/// Adds an event about a run of another definition.
pub(crate) fn evolve(model: &Model, place: &mut Place, event: &Event) -> Result<(), String> {
    match (&mut *place, event) {
        (
            Place::Entered { state: at },
            Event::ChildRequested { state, effect, definition, version, input },
        ) if at == state && child_of(model, state).is_some() => {
            *place = Place::Child(ChildState {
                state: state.clone(),
                effect: effect.clone(),
                definition: definition.clone(),
                version: *version,
                input: Arc::clone(input),
                stopping: false,
                late: None,
            });
            Ok(())
        }
        (Place::Child(child), Event::ChildStopping { state, deadline, .. })
            if child.state == *state && !child.stopping =>
        {
            child.stopping = true;
            child.late = *deadline;
            Ok(())
        }
        _ => Err("no run is waited for".to_owned()),
    }
}

impl Draft<'_> {
    /// Asks for a run of another definition; says where to go where that cannot be done.
    pub(crate) fn request_child(&mut self, name: &str, visit: u32) -> Option<String> {
        let child = child_of(self.model, name)?;
        match child.input.render(&self.state.vars(), COMPUTED_BYTES_MAX) {
            Ok(input) => {
                self.emit(Event::ChildRequested {
                    state: name.to_owned(),
                    effect: EffectId::new(format!("{name}#{visit}")),
                    definition: child.definition.clone(),
                    version: child.version,
                    input: Arc::new(input),
                });
                None
            }
            Err(reason) => {
                self.emit(Event::WorkFailed { state: name.to_owned(), reason });
                self.resolved()
            }
        }
    }

    /// Decides what the end of the run means.
    pub(crate) fn child_ended(&mut self, child: &ChildState, output: Result<&Value, &str>) {
        let state = child.state.clone();
        let good = child_of(self.model, &state).map(|child| &child.good);
        let event = match (output, child.late) {
            (_, Some(deadline)) => Event::WorkExpired { state, deadline },
            (Err(reason), None) => Event::WorkFailed { state, reason: reason.to_owned() },
            (Ok(output), None) => {
                let outcome = output.get("outcome").and_then(Value::as_str).unwrap_or_default();
                if good.is_some_and(|good| good.contains(outcome)) {
                    Event::WorkSucceeded { state, output: Arc::new(output.clone()) }
                } else {
                    let reason =
                        format!("the run of `{}` ended with `{outcome}`", child.definition);
                    Event::WorkFailed { state, reason }
                }
            }
        };
        self.emit(event);
        self.go_on();
    }

    /// Has the run stopped that is waited for, where its end is waited for then, and says whether
    /// it is.
    pub(crate) fn stop_child(&mut self, reason: &str, deadline: Option<Timestamp>) -> bool {
        let Place::Child(child) = &self.state.place else { return false };
        if !is_awaited(self.model, &child.state) {
            return false;
        }
        if !child.stopping {
            let (state, reason) = (child.state.clone(), reason.to_owned());
            self.emit(Event::ChildStopping { state, reason, deadline });
        }
        true
    }
}
