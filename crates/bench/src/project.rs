//! The project in which runs are measured: its members, and what they send.

use holdpoint::{
    core::{
        Action, Actor, Authentication, Command, DefinitionName, Loader, ProjectAction,
        ProjectCommand, ProjectId, RunId, StreamId, Version, Vote,
    },
    definition::{LANGUAGE, Language},
    engine::{Engine, Submission},
    log::Record,
};
use serde_json::Value;

use crate::{BenchFailure, ids};

const REQUESTER: &str = "ada";

/// Who may approve; as many as it takes.
pub(crate) const APPROVERS: [&str; 2] = ["grace", "alan"];

/// A project of an engine's, and the definition that its runs have.
#[derive(Clone)]
pub(crate) struct Project {
    pub engine: Engine,
    id: ProjectId,
    definition: DefinitionName,
}

fn acts(name: &str) -> Result<(Actor, Authentication), BenchFailure> {
    Ok((Actor::Member(name.parse()?), Authentication::new("bench")))
}

impl Project {
    /// The project as an engine has it that is started again.
    pub(crate) fn of(engine: Engine, source: &str) -> Result<Self, BenchFailure> {
        let loaded = Language.load(source).map_err(BenchFailure::workload)?;
        Ok(Self { engine, id: "bench".parse()?, definition: loaded.name })
    }

    /// Creates it, with its members and its definition.
    pub(crate) async fn create(engine: Engine, source: &str) -> Result<Self, BenchFailure> {
        let project = Self::of(engine, source)?;
        let create = ProjectAction::Create { title: "What is measured".to_owned() };
        let mut actions = vec![create];
        for name in APPROVERS {
            let (member, roles) = (name.parse()?, vec!["engineer".parse()?]);
            actions.push(ProjectAction::AddMember { member, name: None, roles });
        }
        for action in actions {
            let (actor, auth) = acts(REQUESTER)?;
            let command =
                ProjectCommand { id: ids::command_id(), actor, auth, trace: None, action };
            project.engine.change_project(&project.id, command).await?;
        }
        let (actor, auth) = acts(REQUESTER)?;
        let publish =
            project.engine.publish(&project.id, ids::command_id(), actor, auth, LANGUAGE, source);
        publish.await?;
        Ok(project)
    }

    /// Submits a run.
    pub(crate) async fn submit(&self, input: Value) -> Result<RunId, BenchFailure> {
        let (actor, auth) = acts(REQUESTER)?;
        let submission = Submission {
            command: ids::command_id(),
            actor,
            auth,
            trace: None,
            definition: self.definition.clone(),
            version: None,
            input,
        };
        Ok(self.engine.submit(&self.id, submission).await?.run)
    }

    /// Has a member approve a run.
    pub(crate) async fn approve(&self, run: RunId, member: &str) -> Result<(), BenchFailure> {
        let (actor, auth) = acts(member)?;
        let action = Action::vote(Vote::Approve, None);
        let command = Command { id: ids::command_id(), actor, auth, trace: None, action };
        self.engine.command(run, command).await?;
        Ok(())
    }

    /// A run's events.
    pub(crate) async fn history(&self, run: RunId) -> Result<Vec<Record>, BenchFailure> {
        let stream = StreamId { project: self.id.clone(), run: Some(run) };
        Ok(self.engine.log().read_stream(&stream, Version::ZERO, usize::MAX).await?)
    }
}
