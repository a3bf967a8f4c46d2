//! A workflow written in Rust runs beside a declarative one, on one engine and one log.
//!
//! `cargo run -p holdpoint --example rust_workflow`
//!
//! The Rust workflow decommissions a host: somebody else than the requester must release it, then
//! a Rust activity wipes the host. Everything the engine promises to declarative workflows it
//! promises to this one: durable answers, replay, retries with an idempotency key.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use holdpoint::{
    DataDirectory,
    core::{
        Action, Activity, Actor, Authentication, Command, CommandId, Effect, EffectId, EffectKind,
        IllegalEvent, Moment, Outcome, ProjectAction, ProjectCommand, ProjectId, Refusal,
        RefusalCode, RetryPolicy, RunStatus, RunView, Sequence, Settling, Started, TimeLimits,
        Vote, Workflow, workflow::Meta,
    },
    definition::LANGUAGE,
    engine::{ActivityHandler, Attempt, Engine, Submission, rust_source},
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The workflow. It has no state of its own: a run's state is [`State`].
struct Decommission;

/// A run's state: the sum of its events.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    host: String,
    requester: Actor,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// Until somebody else than the requester agrees.
    Held,
    /// The wipe is owed.
    Released,
    Wiped,
    Kept,
}

/// What can happen. The names are for ever: they are in the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
enum Happened {
    #[serde(rename = "example.decommission.requested")]
    Requested { host: String },
    #[serde(rename = "example.decommission.released")]
    Released {},
    #[serde(rename = "example.decommission.wiped")]
    Wiped { receipt: Value },
    #[serde(rename = "example.decommission.kept")]
    Kept { reason: String },
}

impl Workflow for Decommission {
    type State = State;
    type Event = Happened;

    fn start(&self, started: &Started<'_>) -> Result<State, Refusal> {
        let host = started.input.get("host").and_then(Value::as_str).ok_or_else(|| {
            Refusal::new(RefusalCode::InvalidInput, "the input has no `host`")
                .needs("for example {\"host\": \"db-7\"}")
        })?;
        let requester = started.requester.clone();
        Ok(State { host: host.to_owned(), requester, stage: Stage::Held })
    }

    fn decide(
        &self,
        state: &State,
        command: &Command,
        at: &Moment<'_>,
    ) -> Result<Vec<Happened>, Refusal> {
        match (state.stage, &command.action) {
            (Stage::Held, Action::Start) => {
                Ok(vec![Happened::Requested { host: state.host.clone() }])
            }
            (Stage::Held, Action::Vote { vote, reason, in_place_of: None, .. }) => {
                let voter = command.actor.member().ok_or_else(not_awaited)?;
                at.project.member(voter)?;
                if command.actor == state.requester {
                    return Err(Refusal::new(
                        RefusalCode::SelfApproval,
                        format!("`{voter}` asked for it, and nobody decides on their own"),
                    ));
                }
                match vote {
                    Vote::Approve => Ok(vec![Happened::Released {}]),
                    Vote::Reject => {
                        Ok(vec![Happened::Kept { reason: reason.clone().unwrap_or_default() }])
                    }
                    Vote::Veto => Err(not_awaited()),
                }
            }
            (Stage::Released, Action::Completed { output, .. }) => {
                Ok(vec![Happened::Wiped { receipt: output.clone() }])
            }
            (Stage::Released, Action::Failed { error, .. }) => {
                Ok(vec![Happened::Kept { reason: error.clone() }])
            }
            (_, Action::Cancel { reason }) => Ok(vec![Happened::Kept { reason: reason.clone() }]),
            _ => Err(not_awaited()),
        }
    }

    fn evolve(
        &self,
        state: &mut State,
        event: &Happened,
        _: &Meta<'_>,
    ) -> Result<(), IllegalEvent> {
        state.stage = match (state.stage, event) {
            (Stage::Held, Happened::Requested { .. }) => Stage::Held,
            (Stage::Held, Happened::Released {}) => Stage::Released,
            (Stage::Released, Happened::Wiped { .. }) => Stage::Wiped,
            (Stage::Held | Stage::Released, Happened::Kept { .. }) => Stage::Kept,
            (stage, event) => {
                return Err(IllegalEvent::new(format!("{event:?}"), format!("it is {stage:?}")));
            }
        };
        Ok(())
    }

    fn pending(&self, state: &State) -> Vec<Effect> {
        if state.stage != Stage::Released {
            return Vec::new();
        }
        vec![Effect {
            id: EffectId::new("wipe"),
            kind: EffectKind::Activity(Activity {
                name: "wipe".to_owned(),
                input: json!({ "host": state.host }),
                timeout: SignedDuration::from_mins(5),
                limits: TimeLimits::default(),
                retry: RetryPolicy::fixed(3, SignedDuration::from_millis(50)),
                settling: Settling::default(),
            }),
        }]
    }

    fn status(&self, state: &State) -> RunStatus {
        let ended = |outcome: &str| RunStatus::Ended { outcome: outcome.to_owned() };
        match state.stage {
            Stage::Held => RunStatus::Held,
            Stage::Released => RunStatus::Working,
            Stage::Wiped => ended("wiped"),
            Stage::Kept => ended("kept"),
        }
    }

    fn view(&self, state: &State, _: &Moment<'_>) -> RunView {
        let title = format!("Decommission {}", state.host);
        RunView::new(title, format!("{:?}", state.stage).to_lowercase(), self.status(state))
    }
}

fn not_awaited() -> Refusal {
    Refusal::new(RefusalCode::NotAwaited, "the run does not wait for this")
}

/// Wipes hosts; here it only says that it did, and fails the first time.
struct Wipe;

#[async_trait]
impl ActivityHandler for Wipe {
    async fn attempt(&self, attempt: Attempt) -> Outcome {
        if attempt.attempt == 1 {
            return Outcome::Failed { error: "the host is busy".to_owned(), retryable: true };
        }
        Outcome::Completed(json!({ "key": attempt.idempotency_key }))
    }
}

const ACCESS_REQUEST: &str = "
workflow: access-request
version: 1
title: Access to production
input:
  type: object
  required: [reason]
  properties: { reason: { type: string } }
start: ask
states:
  ask:
    hold:
      approval:
        rules: { owner: { from: role:owner, need: 1 } }
        not: [requester]
    on: { released: granted, rejected: denied }
  granted: { end: granted }
  denied: { end: denied }
";

fn new_id() -> CommandId {
    CommandId::from_uuid(uuid::Uuid::now_v7())
}

fn auth() -> Authentication {
    Authentication::new("example")
}

fn member(name: &str) -> Result<Actor, Box<dyn Error>> {
    Ok(Actor::Member(name.parse()?))
}

fn vote(by: &str) -> Result<Command, Box<dyn Error>> {
    let action = Action::vote(Vote::Approve, None);
    Ok(Command { id: new_id(), actor: member(by)?, auth: auth(), trace: None, action })
}

async fn set_up(engine: &Engine, project: &ProjectId) -> Result<(), Box<dyn Error>> {
    let add = ProjectAction::AddMember { member: "grace".parse()?, name: None, roles: Vec::new() };
    let create = ProjectAction::Create { title: "Two kinds of workflow".to_owned() };
    for action in [create, add] {
        let (id, actor) = (new_id(), member("ada")?);
        let command = ProjectCommand { id, actor, auth: auth(), trace: None, action };
        engine.change_project(project, command).await?;
    }
    let rust = rust_source(&"decommission".parse()?, 1);
    for (language, source) in [("rust", rust.as_str()), (LANGUAGE, ACCESS_REQUEST)] {
        engine.publish(project, new_id(), member("ada")?, auth(), language, source).await?;
    }
    Ok(())
}

async fn run(
    engine: &Engine,
    project: &ProjectId,
    definition: &str,
    (requester, approver): (&str, &str),
    input: Value,
) -> Result<(), Box<dyn Error>> {
    let submission = Submission {
        command: new_id(),
        actor: member(requester)?,
        auth: auth(),
        trace: None,
        definition: definition.parse()?,
        version: None,
        input,
    };
    let run = engine.submit(project, submission).await?.run;
    let refused = engine.command(run, vote(requester)?).await;
    println!("{requester} approves their own: {}", refused.err().ok_or("it was accepted")?);
    engine.command(run, vote(approver)?).await?;
    // The engine is idle between two attempts; the run is not.
    let mut news = engine.log().subscribe();
    let view = loop {
        let view = engine.run(run).await?.view;
        if view.status.is_ended() {
            break view;
        }
        news.changed().await?;
    };
    println!("{}: {:?}\n", view.title, view.status);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let directory = DataDirectory::init(temporary.path().join("data")).await?;
    let engine = directory
        .engine("an example")
        .await?
        .workflow("decommission".parse()?, 1, "Decommission a host", Arc::new(Decommission))
        .activity("wipe", Arc::new(Wipe))
        .start()
        .await?;
    let project: ProjectId = "platform".parse()?;
    set_up(&engine, &project).await?;
    run(&engine, &project, "decommission", ("ada", "grace"), json!({ "host": "db-7" })).await?;
    let reason = json!({ "reason": "the pager went off" });
    run(&engine, &project, "access-request", ("grace", "ada"), reason).await?;
    for record in engine.log().read(Sequence::ZERO, 100).await? {
        let event = record.event()?;
        println!("{:>3}  {:<34} {}", event.sequence, event.kind, event.data.as_str());
    }
    engine.shutdown().await;
    Ok(())
}
