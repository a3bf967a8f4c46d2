//! Deciding that a run goes on by another version of its definition.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use super::{Decided, DefinitionRef, Run, RunEvent, broken, decision::Decision};
use crate::{
    baseline::BaselineRef,
    command::{Action, Command},
    effect::EffectKind,
    event::{Event, EventType, TypedEvent},
    id::Digest,
    migration::{Migrating, may_migrate, misfit},
    refusal::{Refusal, RefusalCode},
    view::RunStatus,
    workflow::{DecideFailure, DynWorkflow, IllegalEvent, Moment},
};

const MIGRATED: EventType = EventType::from_static("holdpoint.run.migrated");

impl Run {
    /// The definition by whose workflow an event is to be taken, where that is another than the one of
    /// the events before it: a run is migrated by it. See [`Run::evolve`].
    ///
    /// # Errors
    /// When `event` cannot be read.
    pub fn migrates_to(event: &Event) -> Result<Option<Digest>, IllegalEvent> {
        if event.kind != MIGRATED {
            return Ok(None);
        }
        match RunEvent::from_parts(&event.kind, &event.data) {
            Ok(RunEvent::Migrated { to, .. }) => Ok(Some(to.digest)),
            Ok(_) => Err(broken("run event", "BUG: it is read as another")),
            Err(error) => Err(IllegalEvent::new(&event.kind, error.to_string())),
        }
    }

    /// Decides [`Action::Migrate`]: the run leaves the workflow `from` and goes on by `workflow`, which is
    /// that of the definition `to`.
    ///
    /// Ask [`Run::answer_to`] first whether the command was answered before.
    ///
    /// # Errors
    /// A refusal when the member may not, or when the run does not fit.
    pub fn migrate(
        &self,
        from: &dyn DynWorkflow,
        to: &DefinitionRef,
        workflow: &dyn DynWorkflow,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Decided, DecideFailure> {
        let Action::Migrate { states, reason, .. } = &command.action else {
            return Err(broken("migrate", "BUG: this command migrates nothing").into());
        };
        if let RunStatus::Ended { outcome } = from.status(&self.state) {
            let message = format!("the run has ended with `{outcome}`");
            return Err(Refusal::new(RefusalCode::RunEnded, message).into());
        }
        let roles = may_migrate(&command.actor, at.project)?;
        if command.actor == *self.requester() {
            let message = "nobody migrates a run of their own: they would choose who decides on it";
            return Err(Refusal::new(RefusalCode::SelfApproval, message)
                .needs("have another owner, or another member with the role `migrate`, do it")
                .into());
        }
        let reason = reason.trim();
        if reason.is_empty() {
            let message = "a migration needs a reason";
            return Err(Refusal::new(RefusalCode::InvalidInput, message).into());
        }
        self.check_version(to)?;
        check_names(from, workflow, states)?;
        let works =
            |kind: &EffectKind| matches!(kind, EffectKind::Activity(_) | EffectKind::Child(_));
        let state = from.summary(&self.state, at).state;
        if from.pending(&self.state).iter().any(|effect| works(&effect.kind)) {
            return Err(misfit(format!("work is under way in `{state}`"))
                .needs("wait until it has ended, or cancel the run")
                .into());
        }
        let before = self.input_now(workflow);
        let input = workflow.complete_input(before.clone());
        let baseline = at.project.baseline().map(|one| one.reference.clone());
        let migrating =
            Migrating { input: &input, states, baseline: baseline.as_ref(), at: at.now };
        workflow.adopt(&self.state, &migrating)?;
        let changed = (input != *before).then_some(input);
        let mut decision = Decision::new(self, workflow, command, at);
        decision.record(&RunEvent::Migrated {
            from: self.definition().clone(),
            to: to.clone(),
            state,
            states: states.clone(),
            input: changed,
            baseline,
            roles,
            reason: reason.to_owned(),
        })?;
        decision.pass_on(command)?;
        decision.finish(None)
    }

    /// Adds that the run goes on by `workflow`.
    pub(super) fn migrated(
        &mut self,
        workflow: &dyn DynWorkflow,
        (from, to): (&DefinitionRef, DefinitionRef),
        states: &BTreeMap<String, String>,
        input: Option<&Value>,
        baseline: Option<&BaselineRef>,
        at: Timestamp,
    ) -> Result<(), String> {
        if from != self.definition() {
            return Err(format!("the run goes by version {}", self.definition().version));
        }
        let input = input.unwrap_or_else(|| self.input_now(workflow));
        let adopted = workflow.adopt(&self.state, &Migrating { input, states, baseline, at });
        self.state = adopted.map_err(|refusal| refusal.message)?;
        Arc::make_mut(&mut self.beginning).definition = to;
        Ok(())
    }

    fn check_version(&self, to: &DefinitionRef) -> Result<(), Refusal> {
        let from = self.definition();
        if from.name != to.name {
            return Err(misfit(format!(
                "the run is one of `{}`, and `{}` is another definition",
                from.name, to.name
            )));
        }
        if from.digest == to.digest {
            return Err(misfit(format!("the run goes by version {} already", to.version)));
        }
        Ok(())
    }
}

/// Refuses to map a state that there is not; a workflow that names no states is not asked.
fn check_names(
    from: &dyn DynWorkflow,
    to: &dyn DynWorkflow,
    states: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let check = |name: &str, of: &dyn DynWorkflow, which: &str| {
        let there = of.states();
        if there.is_empty() || there.contains(&name) {
            return Ok(());
        }
        Err(misfit(format!("the {which} version has no state `{name}`"))
            .needs(format!("its states are {}", there.join(", "))))
    };
    for (old, new) in states {
        check(old, from, "old")?;
        check(new, to, "new")?;
    }
    Ok(())
}
