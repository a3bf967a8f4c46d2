//! An engine in the process of a test, and a member who acts in it.

use async_trait::async_trait;
use holdpoint::{
    core::{
        Action, Actor, Authentication, Command, CommandId, Outcome, ProjectAction, ProjectCommand,
        ProjectId, RunId,
    },
    definition::LANGUAGE,
    engine::{ActivityHandler, Attempt, Engine, Submission},
};
use serde_json::{Value, json};
use uuid::Uuid;

/// An activity that is done at once.
#[derive(Debug)]
pub struct Work;

#[async_trait]
impl ActivityHandler for Work {
    async fn attempt(&self, _: Attempt) -> Outcome {
        Outcome::Completed(json!({}))
    }
}

fn id() -> CommandId {
    CommandId::from_uuid(Uuid::now_v7())
}

fn auth() -> Authentication {
    Authentication::new("test")
}

/// A member of this name.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn member(name: &str) -> Actor {
    Actor::Member(name.parse().expect("a name"))
}

fn ada() -> Actor {
    member("ada")
}

/// Makes a project, as Ada, who is its owner.
///
/// # Panics
/// When it is refused.
pub async fn project(engine: &Engine) -> ProjectId {
    let project: ProjectId = "lab".parse().expect("a name");
    change(engine, &project, ProjectAction::Create { title: "A lab".to_owned() }).await;
    project
}

/// Changes a project, as Ada.
///
/// # Panics
/// When it is refused.
pub async fn change(engine: &Engine, project: &ProjectId, action: ProjectAction) {
    let command = ProjectCommand { id: id(), actor: ada(), auth: auth(), trace: None, action };
    engine.change_project(project, command).await.expect("the project changes");
}

/// Publishes a definition, as Ada.
///
/// # Panics
/// When it is refused.
pub async fn publish(engine: &Engine, project: &ProjectId, definition: &str) {
    let published = engine.publish(project, id(), ada(), auth(), LANGUAGE, definition).await;
    published.expect("the definition is published");
}

/// Submits a run of the newest version of a definition.
///
/// # Panics
/// When it is refused.
pub async fn submit(
    engine: &Engine,
    project: &ProjectId,
    actor: Actor,
    definition: &str,
    input: Value,
) -> RunId {
    let submission = Submission {
        command: id(),
        actor,
        auth: auth(),
        trace: None,
        definition: definition.parse().expect("a name"),
        version: None,
        input,
    };
    engine.submit(project, submission).await.expect("the run is submitted").run
}

/// Commands a run, as Ada.
///
/// # Panics
/// When it is refused.
pub async fn act(engine: &Engine, run: RunId, action: Action) {
    let command = Command { id: id(), actor: ada(), auth: auth(), trace: None, action };
    engine.command(run, command).await.expect("the command is done");
}
