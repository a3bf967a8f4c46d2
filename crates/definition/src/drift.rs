//! The plan of a rollout that a hold is released with, and what becomes of a rollout whose plan is
//! another one when it begins.

use std::collections::BTreeMap;

use holdpoint_core::Digest;

use crate::{
    check,
    decide::Draft,
    diagnostics::{DiagnosticCode as Code, Findings},
    event::DefinitionEvent as Event,
    evolve::{hold_of, resolve},
    model::{Model, StateKind},
    rollout,
    rollout_evolve::rollout_of,
    rollout_model::Rollout,
    state::{Failure, Place, State},
};

/// The outcome of a rollout that did not begin because its plan is another one.
pub(crate) const DRIFTED: &str = "drifted";

/// The rollouts whose plans a hold is asked about, with the names of their states.
fn asked_about<'m>(model: &'m Model, hold: &str) -> impl Iterator<Item = (&'m str, &'m Rollout)> {
    model.states.iter().filter_map(move |(name, state)| match &state.kind {
        StateKind::Rollout(rollout)
            if rollout.approved_at.as_ref().is_some_and(|at| at.name == hold) =>
        {
            Some((name.as_str(), &**rollout))
        }
        _ => None,
    })
}

/// Checks that people release the hold that a rollout names, and that it comes before.
pub(crate) fn check(model: &Model, findings: &mut Findings) {
    for (name, state) in &model.states {
        let StateKind::Rollout(rollout) = &state.kind else { continue };
        let Some(at) = &rollout.approved_at else { continue };
        let wrong = match hold_of(model, &at.name) {
            None => "is no hold",
            Some(hold) if hold.approval.is_none() => "has no approval",
            Some(_) if !check::ahead(model, &at.name, false).contains(name.as_str()) => {
                "does not lead to it"
            }
            Some(_) => continue,
        };
        let message =
            format!("the plan of `{name}` cannot be approved at `{}`, which {wrong}", at.name);
        findings
            .add(Code::PlanApproval, &at.span, message)
            .help("name a hold with an approval from which a way leads to the rollout");
    }
}

impl Draft<'_> {
    /// The plans that a hold is asked about, as they are at this moment. Of a rollout that cannot be
    /// planned yet there is none: it drifts, and is asked about when it can be.
    pub(crate) fn plans_at(&self, hold: &str) -> BTreeMap<String, Digest> {
        let items = self.at.project.items();
        let plan = |name: &str, rollout: &Rollout| match rollout::plan(
            rollout,
            &self.state,
            name,
            items,
        ) {
            Ok(Event::RolloutStarted { plan, .. }) => plan,
            _ => None,
        };
        asked_about(self.model, hold)
            .filter_map(|(name, rollout)| Some((name.to_owned(), plan(name, rollout)?)))
            .collect()
    }

    /// Whether a rollout that would begin so is not what was released; says so.
    pub(crate) fn drifts(&mut self, rollout: &Rollout, started: &Event) -> bool {
        let Event::RolloutStarted { state, plan: Some(found), .. } = started else { return false };
        let approved = self.state.approved_plans.get(state).copied();
        if rollout.approved_at.is_none() || approved == Some(*found) {
            return false;
        }
        self.emit(Event::RolloutDrifted { state: state.clone(), approved, found: *found });
        true
    }
}

/// Notes with which plans a hold was passed.
pub(crate) fn passed(model: &Model, state: &mut State, hold: &str) {
    let plans = match &state.place {
        Place::Hold(open) => open.plans.clone(),
        _ => BTreeMap::new(),
    };
    for (name, _) in asked_about(model, hold) {
        state.approved_plans.remove(name);
    }
    state.approved_plans.extend(plans);
}

/// Adds [`Event::RolloutDrifted`] to a state.
pub(crate) fn evolve(
    model: &Model,
    state: &mut State,
    named: &str,
    approved: Option<Digest>,
    found: Digest,
) -> Result<(), String> {
    let at = rollout_of(model, named).and_then(|rollout| rollout.approved_at.as_ref());
    let Some(at) = at else { return Err(format!("nobody approves the plan of `{named}`")) };
    if state.approved_plans.get(named).copied() != approved || approved == Some(found) {
        return Err(format!("the plan of `{named}` is not another one"));
    }
    let hold = &at.name;
    let reason = match approved {
        Some(_) => format!("its plan is not the one with which `{hold}` was released"),
        None => format!("`{hold}` was not released with a plan of it"),
    };
    state.failure = Some(Failure { state: named.to_owned(), reason });
    resolve(state, named, DRIFTED)
}
