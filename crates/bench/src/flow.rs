//! Flows: runs that are submitted, approved by two members and done, through an engine in the same
//! process.

use std::time::Duration;

use holdpoint::{
    DataDirectory,
    core::{
        Action, Actor, Authentication, Command, ProjectAction, ProjectCommand, ProjectId, RunId,
        StreamId, Version, Vote,
    },
    definition::LANGUAGE,
    engine::{Engine, Submission},
};
use serde_json::json;

use crate::{
    BenchFailure, Figures, Place, Raw, Writer,
    append::USER,
    at_once, ids,
    raw::{TURNS, in_turn},
};

/// The smallest definition with two approvals.
pub(crate) const DEFINITION: &str = include_str!("flow.yaml");
pub(crate) const NAME: &str = "two-approvals";

const REQUESTER: &str = "ada";
const APPROVERS: [&str; 2] = ["grace", "alan"];

/// A page's worth of words, so that a submission has about 300 bytes of input.
const REASON: &str = "The certificates of the front end run out on Sunday. They are replaced on one \
                      machine first, which is watched for an hour; the others follow. If handshakes \
                      fail, the old ones are put back, which takes a minute.";

fn acts(name: &str) -> Result<(Actor, Authentication), BenchFailure> {
    Ok((Actor::Member(name.parse()?), Authentication::new("bench")))
}

/// Makes the project, its members and the definition.
pub(crate) async fn prepare(engine: &Engine, project: &ProjectId) -> Result<(), BenchFailure> {
    let create = ProjectAction::Create { title: "What is measured".to_owned() };
    let mut actions = vec![create];
    for name in APPROVERS {
        let (member, roles) = (name.parse()?, vec!["engineer".parse()?]);
        actions.push(ProjectAction::AddMember { member, name: None, roles });
    }
    let (actor, auth) = acts(REQUESTER)?;
    for action in actions {
        let (actor, auth) = (actor.clone(), auth.clone());
        let command = ProjectCommand { id: ids::command_id(), actor, auth, trace: None, action };
        engine.change_project(project, command).await?;
    }
    engine.publish(project, ids::command_id(), actor, auth, LANGUAGE, DEFINITION).await?;
    Ok(())
}

/// Who takes one run after the other from its submission to its end, a command at a time.
pub(crate) struct Flow {
    engine: Engine,
    project: ProjectId,
    run: Option<RunId>,
    /// How many have approved it.
    approvals: usize,
}

impl Flow {
    pub(crate) fn many(engine: &Engine, project: &ProjectId, runs: u32) -> Vec<Self> {
        let (engine, project) = (engine.clone(), project.clone());
        let flow = move |_| Self {
            engine: engine.clone(),
            project: project.clone(),
            run: None,
            approvals: 0,
        };
        (0..runs).map(flow).collect()
    }

    pub(crate) async fn submit(&mut self) -> Result<RunId, BenchFailure> {
        let (actor, auth) = acts(REQUESTER)?;
        let change = fastrand::u32(..);
        let submission = Submission {
            command: ids::command_id(),
            actor,
            auth,
            trace: None,
            definition: NAME.parse()?,
            version: None,
            input: json!({ "title": format!("Change {change:08x}"), "reason": REASON }),
        };
        let run = self.engine.submit(&self.project, submission).await?.run;
        (self.run, self.approvals) = (Some(run), 0);
        Ok(run)
    }
}

impl Writer for Flow {
    async fn write(&mut self) -> Result<(), BenchFailure> {
        let next = APPROVERS.get(self.approvals);
        let (Some(run), Some(approver)) = (self.run, next) else {
            self.submit().await?;
            return Ok(());
        };
        let (actor, auth) = acts(approver)?;
        let action = Action::Vote { hold: None, vote: Vote::Approve, reason: None };
        let command = Command { id: ids::command_id(), actor, auth, trace: None, action };
        self.engine.command(run, command).await?;
        self.approvals += 1;
        Ok(())
    }
}

/// The mean length of what one command adds to the log, in bytes: that of a whole run, shared by
/// the commands that it took.
async fn bytes_of_a_command(engine: &Engine, project: &ProjectId) -> Result<usize, BenchFailure> {
    let mut flows = Flow::many(engine, project, 1);
    let mut bytes = 0;
    for flow in &mut flows {
        let run = flow.submit().await?;
        for _ in APPROVERS {
            flow.write().await?;
        }
        let stream = StreamId { project: project.clone(), run: Some(run) };
        let records = engine.log().read_stream(&stream, Version::ZERO, usize::MAX).await?;
        bytes = records.iter().map(|record| record.bytes.len()).sum();
    }
    Ok(bytes / (1 + APPROVERS.len()))
}

/// Has so many runs under way at once, for as long as `span`. The limit is a plain file that takes
/// batches of what one command of each adds to the log.
///
/// # Errors
/// See [`BenchFailure`].
pub async fn flow(place: &Place, runs: u32, span: Duration) -> Result<Figures, BenchFailure> {
    let room = place.room("flow")?;
    let directory = DataDirectory::init(room.join("data")).await?;
    let engine = directory.engine(USER).await?.start().await?;
    let project: ProjectId = "bench".parse()?;
    prepare(&engine, &project).await?;
    let bytes = bytes_of_a_command(&engine, &project).await?;
    let (flows, _) = at_once(Flow::many(&engine, &project, runs), span / TURNS).await?;
    let raw = Raw::new(&room, runs.into(), bytes);
    let (ours, limit) = in_turn(flows, &raw, span).await?;
    engine.shutdown().await;
    Ok(Figures { event_bytes: Some(bytes as u64), ..Figures::against("flow", runs, &ours, &limit) })
}
