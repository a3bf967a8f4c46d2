//! Migrating runs to other versions of their definitions, and looking at what that would do.

use std::sync::Arc;

use holdpoint_core::{
    Action, Command, Digest, MigrationPlan, Moment, Project, Refusal, RefusalCode, Run, RunId,
    migration::Side,
    run::Decided,
    workflow::{DecideFailure, DynWorkflow},
};

use crate::{
    engine::Engine,
    failure::{CommandFailure, QueryFailure},
    guard::guard,
    load::Library,
};

/// Decides a migration, and answers with the workflow that the run goes by then.
pub(crate) fn decide(
    library: &Library,
    run: &Run,
    from: &dyn DynWorkflow,
    to: &Digest,
    command: &Command,
    at: &Moment<'_>,
) -> Result<(Decided, Arc<dyn DynWorkflow>), DecideFailure> {
    let published = at.project.definition_by_digest(to).ok_or_else(|| {
        let message =
            format!("no definition {to} is published in the project `{}`", at.project.id());
        Refusal::new(RefusalCode::NotFound, message)
    })?;
    library.catalog.judge.admit(at.project, published)?;
    let workflow = library
        .catalog
        .workflow(at.project, to)
        .map_err(|failure| Refusal::new(RefusalCode::NotFound, failure.to_string()))?;
    let decided =
        guard("migrate", || run.migrate(from, &published.reference, &*workflow, command, at))??;
    Ok((decided, workflow))
}

impl Engine {
    /// The states of a published definition, by their names; none where its workflow names none.
    ///
    /// # Errors
    /// A refusal when it is not published in the project, or cannot be loaded.
    pub fn states(&self, project: &Project, definition: &Digest) -> Result<Vec<String>, Refusal> {
        let workflow = self.shared.library.catalog.workflow(project, definition);
        let workflow =
            workflow.map_err(|failure| Refusal::new(RefusalCode::NotFound, failure.to_string()))?;
        Ok(workflow.states().into_iter().map(str::to_owned).collect())
    }

    /// What a command with [`Action::Migrate`] would make of a run. Nothing is changed.
    ///
    /// # Errors
    /// See [`CommandFailure`]: as the command itself would fail.
    pub async fn plan_migration(
        &self,
        run: RunId,
        command: &Command,
    ) -> Result<MigrationPlan, CommandFailure> {
        let live = self.live(run).await?;
        let project = self.project(live.run.project()).ok_or(QueryFailure::NoSuchRun(run))?;
        let Action::Migrate { to, .. } = &command.action else {
            let message = "this command migrates nothing";
            return Err(Refusal::new(RefusalCode::InvalidInput, message).into());
        };
        let now = self.shared.clock.now().max(live.run.updated());
        let at = Moment { now, project: &project };
        let decided = decide(&self.shared.library, &live.run, &*live.workflow, to, command, &at);
        let (Decided { run: after, .. }, workflow) = decided?;
        let plan = guard("view", || {
            let (before, then) = (live.run.view(&*live.workflow, &at), after.view(&*workflow, &at));
            MigrationPlan::between(
                Side {
                    definition: live.run.definition(),
                    input: live.run.input_now(&*live.workflow),
                    view: &before,
                },
                Side {
                    definition: after.definition(),
                    input: after.input_now(&*workflow),
                    view: &then,
                },
            )
        });
        plan.map_err(CommandFailure::Broken)
    }
}
