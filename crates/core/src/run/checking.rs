//! Whether a workflow says the same where it is asked for less as where it is asked for all.

use std::collections::BTreeSet;

use super::Run;
use crate::{id::EffectId, workflow::DynWorkflow};

impl Run {
    /// What the workflow says for less, and says otherwise than for all, if something; `before` is the run
    /// before the last decision.
    pub(crate) fn contradiction(
        &self,
        workflow: &dyn DynWorkflow,
        before: Option<&Self>,
    ) -> Option<String> {
        let pending = workflow.pending(&self.state);
        let restraints = workflow.restraints(&self.state);
        if workflow.asks(&self.state) != pending.iter().map(|one| one.id.clone()).collect() {
            return Some("`asks` says something else than `pending`".to_owned());
        }
        for one in &pending {
            if workflow.owed(&self.state, &one.id).as_ref() != Some(one) {
                return Some(format!("`owed` says something else of `{}`", one.id));
            }
            if workflow.restraint(&self.state, &one.id) != restraints.get(&one.id).copied() {
                return Some(format!("`restraint` says something else of `{}`", one.id));
            }
        }
        let due = self.due(workflow);
        if due.iter().any(|one| self.due_of(workflow, &one.effect).as_ref() != Some(one)) {
            return Some("`due_of` says something else than `due`".to_owned());
        }
        if !self.keeps_to_restraints(workflow) {
            return Some("something is restrained that is not asked for, or not begun".to_owned());
        }
        // Across a migration nobody asks.
        let before = before.filter(|before| before.definition() == self.definition())?;
        let changed = self.changed_since(workflow, before)?;
        let asked = workflow.asks(&before.state).into_iter().chain(workflow.asks(&self.state));
        let asked: BTreeSet<EffectId> = asked.collect();
        let other = asked.iter().find(|effect| {
            let of = |run: &Self| {
                (workflow.owed(&run.state, effect), workflow.restraint(&run.state, effect))
            };
            !changed.contains(*effect) && of(before) != of(self)
        });
        other.map(|effect| format!("`changed` does not name `{effect}`"))
    }
}
